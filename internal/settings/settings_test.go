package settings

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/flavour"
)

// given is what an invocation is given: flags, environment and a client file.
type given struct {
	flags []string
	env   map[string]string
	file  string
}

// load loads settings in a folder of its own, without a home.
func load(t *testing.T, g given) (*Settings, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(fs)
	for _, key := range []string{"dry-run", "deadline", "guards", "compat"} {
		AddFlag(fs, key)
	}
	env := map[string]string{"HOME": "/nowhere", "XDG_CONFIG_HOME": "/nowhere"}
	for k, v := range g.env {
		env[k] = v
	}
	if g.file != "" {
		require.NoError(t, os.WriteFile("client.yml", []byte(g.file), 0o600))
		env["ESNAP_CONFIG"] = "client.yml"
	}
	require.NoError(t, fs.Parse(g.flags))
	return Load(fs, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func mustLoad(t *testing.T, g given) *Settings {
	t.Helper()
	s, err := load(t, g)
	require.NoError(t, err)
	return s
}

func shown(s *Settings, key string) Shown {
	for _, x := range s.Show() {
		if x.Key == key {
			return x
		}
	}
	return Shown{}
}

// Flags win over the environment, that over the file, that over defaults, key by
// key; Show says where each came from.
func TestPrecedence(t *testing.T) {
	for _, c := range []struct{ key, flag, env, file, def string }{
		{"url", "http://flag:1", "http://env:1", "url: http://file:1", DefaultURL},
		{"username", "flag", "env", "username: file", ""},
		{"ca-file", "flag", "env", "ca_file: file", ""},
		{"client-cert", "flag", "env", "client_cert: file", ""},
		{"client-key", "flag", "env", "client_key: file", ""},
		{"server-name", "flag", "env", "server_name: file", ""},
		{"insecure", "true", "true", "insecure: true", "false"},
		{"timeout", "1s", "2s", "timeout: 3s", "30s"},
		{"connect-timeout", "1s", "2s", "connect_timeout: 3s", ""},
		{"log-level", "debug", "error", "logging loglevel: WARNING", ""},
		{"log-format", "json", "json", "logging logformat: ecs", "text"},
		{"log-file", "flag", "env", "logging logfile: file", ""},
		{"deadline", "1h", "2h", "", ""},
		{"dry-run", "true", "true", "", "false"},
		{"guards", "off", "on", "", ""},
		{"compat", "5", "8", "", ""},
		{"color", "never", "always", "", "auto"},
	} {
		t.Run(c.key, func(t *testing.T) {
			name := "ESNAP_" + strings.ToUpper(strings.ReplaceAll(c.key, "-", "_"))
			file, want := "cluster: {}\n", ""
			if c.file != "" {
				file = "cluster: {" + c.file + "}\n"
				if rest, logging := strings.CutPrefix(c.file, "logging "); logging {
					file = "logging: {" + rest + "}\n"
				}
				_, want, _ = strings.Cut(c.file, ": ")
			}
			g := given{flags: []string{"--" + c.key + "=" + c.flag}, env: map[string]string{name: c.env}, file: file}
			require.Equal(t, Shown{c.key, c.flag, "flag --" + c.key}, shown(mustLoad(t, g), c.key))
			g.flags = nil
			require.Equal(t, Shown{c.key, c.env, "environment " + name}, shown(mustLoad(t, g), c.key))
			g.env[name] = "" // an empty variable is none
			if want != "" {
				require.Equal(t, Shown{c.key, want, "file client.yml"}, shown(mustLoad(t, g), c.key))
			}
			g.file = ""
			if c.def == "" {
				require.Equal(t, Shown{}, shown(mustLoad(t, g), c.key))
			} else {
				require.Equal(t, Shown{c.key, c.def, "default"}, shown(mustLoad(t, g), c.key))
			}
		})
	}
}

func TestTypedSettings(t *testing.T) {
	s := mustLoad(t, given{flags: []string{
		"--url", " http://a:1 ,, http://b:2", "--timeout", "1m30s", "--deadline", "2h", "-n", "--guards=off", "--compat=9",
		"--log-level=CRITICAL", "--insecure",
	}})
	off := false
	require.Equal(t, []string{"http://a:1", "http://b:2"}, s.URLs)
	require.Equal(t, []any{90 * time.Second, 2 * time.Hour, true, &off, flavour.Curator8, slog.LevelError, "text", true, false}, []any{
		s.Timeout, s.Deadline, s.DryRun, s.Guards, s.Compat, *s.LogLevel, s.LogFormat, s.Insecure, s.IsDefaultURL(),
	})
	s = mustLoad(t, given{})
	require.Equal(t, []any{[]string{DefaultURL}, true, 30 * time.Second, (*bool)(nil), flavour.Native, NoFile, ""},
		[]any{s.URLs, s.IsDefaultURL(), s.Timeout, s.Guards, s.Compat, s.Dialect, s.File})
	for _, c := range []struct{ flag, want string }{
		{"--timeout=soon", `timeout (from flag --timeout): invalid duration "soon"; write 14d, 12h or 30m`},
		{"--timeout=30", `timeout (from flag --timeout): invalid duration "30"; write 14d, 12h or 30m`},
		{"--connect-timeout=30", `connect-timeout (from flag --connect-timeout): invalid duration "30"; write 14d, 12h or 30m`},
		{"--deadline=3600", `deadline (from flag --deadline): invalid duration "3600"; write 14d, 12h or 30m`},
		{"--guards=maybe", `guards (from flag --guards) is "maybe"; expected on or off`},
		{"--compat=7", `compat (from flag --compat) is "7"; expected 5 or 8`},
		{"--log-level=loud", `log-level (from flag --log-level) is "loud"; expected debug, info, warning or error`},
		{"--log-format=xml", `log-format (from flag --log-format) is "xml"; expected text or json`},
	} {
		_, err := load(t, given{flags: []string{c.flag}})
		require.EqualError(t, err, c.want)
	}
	for _, g := range []given{
		{env: map[string]string{"ESNAP_TIMEOUT": "30"}},
		{file: "cluster: {timeout: 30}"},
		{file: "cluster: {connect_timeout: 30}"},
	} {
		_, err := load(t, g)
		require.ErrorContains(t, err, `invalid duration "30"; write 14d, 12h or 30m`)
	}
	require.Equal(t, 45*time.Second, mustLoad(t, given{file: "client: {timeout: 45}"}).Timeout, "Curator's files have seconds")
	require.Equal(t, 45*time.Second, mustLoad(t, given{file: "elasticsearch: {client: {request_timeout: 45}}"}).Timeout)
	require.Zero(t, mustLoad(t, given{flags: []string{"--deadline=0", "--connect-timeout=0"}}).Deadline)
	_, err := load(t, given{env: map[string]string{"ESNAP_DRY_RUN": "perhaps"}})
	require.EqualError(t, err, `dry-run (from environment ESNAP_DRY_RUN) is "perhaps"; expected true or false`)
	for _, yes := range []string{"1", "TRUE", "yes", "on"} {
		require.True(t, mustLoad(t, given{env: map[string]string{"ESNAP_DRY_RUN": yes}}).DryRun, yes)
	}
}

// Hosts of Curator 5's dialect, and the credentials it has.
func TestCurator5(t *testing.T) {
	for _, c := range []struct {
		client string
		want   string
	}{
		{"hosts: es", "http://es:9200"},
		{"hosts: [a, b]", "http://a:9200,http://b:9200"},
		{"{}", "http://127.0.0.1:9200"},
		{
			"hosts: elasticsearch-logging-data.kubesphere-logging-system.svc\n  port: 9200",
			"http://elasticsearch-logging-data.kubesphere-logging-system.svc:9200",
		},
		{"hosts: ['a:9201']\n  port: 1", "http://a:9201"},
		{"hosts: es\n  port: '9201'", "http://es:9201"},
		{"hosts: es\n  use_ssl: True", "https://es:9200"},
		{"hosts: es\n  use_ssl: 1", "https://es:9200"},
		{"hosts: es\n  url_prefix: /logs/es/", "http://es:9200/logs/es"},
		{"hosts: 'http://es'", "http://es:9200"},
		{"hosts: 'https://es'", "https://es:443"},
		{"hosts: 'https://es:9243/p'\n  url_prefix: q", "https://es:9243/p"},
		{"hosts: 'http://es:9200'\n  use_ssl: true", "https://es:9200"},
		{"hosts: ['[::1]', '::1', '[::1]:9201', 'http://[::1]']", "http://[::1]:9200,http://[::1]:9200,http://[::1]:9201,http://[::1]:9200"},
		{"hosts:", "http://127.0.0.1:9200"},
		{"hosts: None", "http://127.0.0.1:9200"},
	} {
		s := mustLoad(t, given{file: "---\nclient:\n  " + c.client + "\n"})
		require.Equal(t, c.want, strings.Join(s.URLs, ","), c.client)
		require.Equal(t, Curator5, s.Dialect)
	}
	s := mustLoad(t, given{file: "client:\n  hosts: es\n  http_auth: admin:a:b\n  username: x\n  ssl_no_validate: True\n" +
		"  certificate: ca\n  client_cert: c\n  client_key: k\n  timeout: 60\n  api_key: k1\n  master_only: 0\n\nlogging:\n"})
	require.Equal(t, []any{"admin", "a:b", true, "ca", "c", "k", time.Minute, false},
		[]any{s.Username, s.Password, s.Insecure, s.CAFile, s.ClientCert, s.ClientKey, s.Timeout, s.MasterOnly})
	require.Equal(t, http.Header{"X-Api-Key": {"k1"}}, s.Header, "not an API key of Elasticsearch")
	require.Empty(t, s.APIKey)
}

func TestCurator8(t *testing.T) {
	cloud := func(s string) string { return "name:" + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct{ client, want string }{
		{"hosts: https://es:9200/p", "https://es:9200/p"},
		{"hosts: [http://a:9200, https://b]", "http://a:9200,https://b"},
		{"{}", DefaultURL},
		{"cloud_id: " + cloud("eu.cloud.es.io$abc$def"), "https://abc.eu.cloud.es.io:443"},
		{"cloud_id: " + cloud("eu.cloud.es.io:9243$abc"), "https://abc.eu.cloud.es.io:9243"},
	} {
		s := mustLoad(t, given{file: "elasticsearch:\n  client:\n    " + c.client + "\n"})
		require.Equal(t, c.want, strings.Join(s.URLs, ","), c.client)
		require.Equal(t, Curator8, s.Dialect)
	}
	both := base64.StdEncoding.EncodeToString([]byte("id:key"))
	for _, c := range []struct{ key, want string }{
		{"{id: id, api_key: key}", both}, {"{token: dG9r}", "dG9r"}, {"{id: x, api_key: y, token: dG9r}", "dG9r"}, {"{}", ""}, {"", ""},
	} {
		s := mustLoad(t, given{file: "elasticsearch:\n  other_settings:\n    api_key: " + c.key + "\n"})
		require.Equal(t, c.want, s.APIKey, c.key)
	}
	s := mustLoad(t, given{file: "elasticsearch:\n  client:\n    hosts: https://es\n    request_timeout: 1.5\n" +
		"    verify_certs: false\n    ca_certs: ca\n    client_cert: c\n    client_key: k\n    ssl_assert_hostname: n\n" +
		"    bearer_auth: tok\n    opaque_id: night\n    headers: {X-A: 1}\n    max_retries: 3\n" +
		"  other_settings: {username: u, password: p, master_only: yes, skip_version_test: true}\n" +
		"logging: {loglevel: 10, logformat: json, blacklist: []}\n"})
	require.Equal(t, []any{1500 * time.Millisecond, true, "ca", "c", "k", "n", "tok", "u", "p", true, slog.LevelDebug, "json"}, []any{
		s.Timeout, s.Insecure, s.CAFile, s.ClientCert, s.ClientKey, s.ServerName, s.BearerToken, s.Username, s.Password,
		s.MasterOnly, *s.LogLevel, s.LogFormat,
	})
	require.Equal(t, http.Header{"X-Opaque-Id": {"night"}, "X-A": {"1"}}, s.Header)
	require.Len(t, s.Warnings, 1)
	require.Contains(t, s.Warnings[0], "max_retries configures Curator's Python client")
}

// A file with every key of Curator 8's documentation, most of them without a value.
func TestCurator8WithKeysLeftEmpty(t *testing.T) {
	file := "elasticsearch:\n  client:\n    hosts: https://10.1.2.3:9200\n    request_timeout: 60\n"
	for _, key := range []string{
		"cloud_id", "bearer_auth", "opaque_id", "http_compress", "verify_certs", "ca_certs", "client_cert", "client_key",
		"ssl_assert_hostname", "ssl_assert_fingerprint", "ssl_version",
	} {
		file += "    " + key + ":\n"
	}
	file += "  other_settings:\n    master_only:\n    skip_version_test:\n    username:\n    password:\n    api_key:\n" +
		"      id:\n      api_key:\n      token:\n"
	file += "logging:\n  loglevel: INFO\n  logfile:\n  logformat: default\n  blacklist: ['elastic_transport', 'urllib3']\n"
	s := mustLoad(t, given{file: file})
	require.Equal(t, []string{"https://10.1.2.3:9200"}, s.URLs)
	require.Empty(t, s.APIKey+s.Username+s.Password+s.CAFile+s.ClientCert)
	require.False(t, s.Insecure)
	require.Empty(t, s.Warnings)
}

// An API key may be given as id:key everywhere.
func TestAPIKeyForms(t *testing.T) {
	both := base64.StdEncoding.EncodeToString([]byte("id:key"))
	for _, v := range []string{"id:key", both} {
		require.Equal(t, both, mustLoad(t, given{env: map[string]string{"ESNAP_API_KEY": v}}).APIKey)
		require.Equal(t, both, mustLoad(t, given{file: "cluster: {api_key: '" + v + "'}"}).APIKey)
	}
}

// What is wrong in a client file, with line, column and suggestion.
func TestClientFileErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{
			"client:\n  hosts: es\nelasticsearch: {}\n",
			"client.yml:1:1: the file has more than one of the keys cluster, client and elasticsearch: only one is allowed",
		},
		{"logging:\n  logfomat: json\n", `client.yml:2:3: unknown logging setting "logfomat"; did you mean logformat?`},
		{"client:\n  host: es\n", `client.yml:2:3: unknown client setting "host"; did you mean hosts?`},
		{"elasticsearch:\n  client:\n    host: http://es\n", `client.yml:3:5: unknown client setting "host"; did you mean hosts?`},
		{"elasticsearch:\n  other_setings: {}\n", `client.yml:2:3: unknown key of elasticsearch "other_setings"; did you mean other_settings?`},
		{"cluster:\n  pasword_file: x\n", `client.yml:2:3: unknown setting "pasword_file"; did you mean password_file?`},
		{"holds: [{}]\n", "client.yml:1:9: the hold names nothing; give snapshots or indices"},
		{
			"holds: [{indices: a, until: soon}]\n",
			`client.yml:1:29: until: "soon" is neither a day such as 2027-01-31 nor a time such as 2027-01-31T12:00:00Z`,
		},
		{"holds: {}\n", "client.yml:1:8: holds: expected a list, got a map"},
		{"clients: {}\n", `client.yml:1:1: unknown key "clients"; did you mean client?`},
		{"client:\n  port: 0\n", "client.yml:2:9: port: 0 is not between 1 and 65535"},
		{"client:\n  http_auth: admin\n", "client.yml:2:14: http_auth: expected user:password"},
		{"client:\n  use_ssl: maybe\n", "client.yml:2:12: expected a boolean (true or false), got text"},
		{
			"elasticsearch:\n  client:\n    hosts: es:9200\n",
			"client.yml:3:12: hosts: an entry is not of the form http://host:port or https://host:port",
		},
		{"elasticsearch:\n  client:\n    hosts: http://es\n    cloud_id: name:eCR5\n", "client.yml:4:15: cloud_id and hosts exclude each other"},
		{"elasticsearch:\n  client:\n    cloud_id: '%%'\n", "client.yml:3:15: cloud_id: the id is not of the form name:base64"},
		{"elasticsearch:\n  other_settings:\n    api_key: {id: x}\n", "client.yml:3:14: api_key: id and api_key must be given together"},
		{"logging:\n  loglevel: LOUD\n", `client.yml:2:13: loglevel: "LOUD" is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL`},
		{"- client\n", "client.yml:1:1: expected a map, got a list"},
		{"client: {}\n---\nclient: {}\n", "client.yml:2:1: a second document starts here; a file must contain only one document"},
	} {
		_, err := load(t, given{file: c.file})
		require.EqualError(t, err, c.want, c.file)
	}
	for _, empty := range []string{
		"---\n", "# nothing\n", "client:\n", "elasticsearch:\n", "cluster:\n", "logging:\n",
		"elasticsearch: {client: , other_settings: }\n",
	} {
		require.Equal(t, []string{DefaultURL}, mustLoad(t, given{file: empty}).URLs, empty)
	}
}

// A key that is not known but has no value is a warning, as Curator takes it out
// before it looks.
func TestUnknownKeysWithoutAValueWarn(t *testing.T) {
	for file, want := range map[string]string{
		"client:\n  hosts: es\n  certifcate:\n": `client.yml:3:3: unknown client setting "certifcate"; it has no value and ` +
			`counts as not given; did you mean certificate?`,
		"elasticsearch:\n  client:\n    foo: None\n": `client.yml:3:5: unknown client setting "foo"; it has no value ` +
			`and counts as not given`,
		"elasticsearch:\n  other_settings:\n    foo:\n": `client.yml:3:5: unknown other setting "foo"; it has no value ` +
			`and counts as not given`,
		"client:\n  hosts: es\nlogging:\n  certificate:\n": `client.yml:4:3: unknown logging setting "certificate"; it has ` +
			`no value and counts as not given`,
	} {
		require.Equal(t, []string{want}, mustLoad(t, given{file: file}).Warnings, file)
	}
}

// A key given twice is a warning in a client file, and the last one counts.
func TestDuplicatesWarn(t *testing.T) {
	s := mustLoad(t, given{file: "client:\n  hosts: a\n  hosts: b\n"})
	require.Equal(t, []string{"http://b:9200"}, s.URLs)
	require.Equal(t, []string{`client.yml:3:3: the key "hosts" is given twice, first in line 2; the last one counts`}, s.Warnings)
}

// Variables in client files are substituted as Curator does: whole scalars.
func TestVariablesInFiles(t *testing.T) {
	s := mustLoad(t, given{
		file: "client:\n  hosts: ${HOST}\n  http_auth: ${NOPE:}\n  url_prefix: x-${HOST}\n",
		env:  map[string]string{"HOST": "es1"},
	})
	require.Equal(t, []string{"http://es1:9200/x-$%7BHOST%7D"}, s.URLs)
	require.Empty(t, mustLoad(t, given{file: "client:\n  http_auth: ${NOPE:''}\n"}).Username, "quotes alone are nothing")
	_, err := load(t, given{file: "client:\n  hosts: ${NOPE}\n"})
	require.NoError(t, err, "a key without a value has its default")
}

// A secret may be in a file of its own. What is given nearer wins: flag over
// environment over client file, and within one of them the file.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	pw, key, empty := file("pw", "from file \n"), file("key", "id:key\r\n"), file("empty", "\n")
	user := func(e map[string]string) map[string]string { e["ESNAP_USERNAME"] = "u"; return e }
	for _, c := range []struct {
		name string
		g    given
		want string
	}{
		{"environment", given{env: user(map[string]string{"ESNAP_PASSWORD": "env"})}, "env"},
		{"a file named in the environment", given{env: user(map[string]string{"ESNAP_PASSWORD_FILE": pw})}, "from file "},
		{"both there: the file", given{env: user(map[string]string{"ESNAP_PASSWORD": "env", "ESNAP_PASSWORD_FILE": pw})}, "from file "},
		{
			"flag over environment",
			given{flags: []string{"--password-file", pw}, env: user(map[string]string{"ESNAP_PASSWORD": "env"})},
			"from file ",
		},
		{
			"environment over client file",
			given{env: user(map[string]string{"ESNAP_PASSWORD": "env"}), file: "cluster: {password_file: " + pw + "}"},
			"env",
		},
		{
			"Curator's own over a file that it names farther away",
			given{env: user(map[string]string{"ESNAP_PASSWORD_FILE": pw}), file: "client: {username: x, password: y}"},
			"from file ",
		},
		{"Curator 5", given{file: "client: {username: u, password_file: " + pw + "}"}, "from file "},
		{"Curator 8", given{env: user(map[string]string{}), file: "elasticsearch: {client: {password_file: " + pw + "}}"}, "from file "},
	} {
		require.Equal(t, c.want, mustLoad(t, c.g).Password, c.name)
	}
	require.Equal(t, base64.StdEncoding.EncodeToString([]byte("id:key")), mustLoad(t, given{flags: []string{"--api-key-file", key}}).APIKey)
	require.Equal(t, "from file ", mustLoad(t, given{env: map[string]string{"ESNAP_BEARER_TOKEN_FILE": pw}}).BearerToken)
	_, err := load(t, given{flags: []string{"--api-key-file", empty}})
	require.EqualError(t, err, "the secret file "+empty+" is empty")
	_, err = load(t, given{flags: []string{"--api-key-file", "/nowhere/key"}})
	require.EqualError(t, err, "cannot read the file that api-key-file (from flag --api-key-file) names: no such file or directory")
	two := file("two", "first\nsecond\n")
	_, err = load(t, given{flags: []string{"--bearer-token-file", two}})
	require.EqualError(t, err, "the secret file "+two+" must contain one line")
	_, err = load(t, given{env: map[string]string{"ESNAP_LISTEN_USERNAME": "u:x", "ESNAP_LISTEN_PASSWORD_FILE": pw}})
	require.EqualError(t, err, "listen-username must not contain a colon")
	require.NotNil(t, mustLoad(t, given{env: map[string]string{"ESNAP_LISTEN_TOKEN": "t"}}), "of a container that serves")
	for listen, want := range map[string]string{"": "listen-token-file needs listen", ":18080": ""} {
		for variable, value := range map[string]string{"ESNAP_LISTEN_TOKEN": "t", "ESNAP_LISTEN_TOKEN_FILE": pw} {
			serve := pflag.NewFlagSet("serve", pflag.ContinueOnError)
			SomeFlags(serve)
			env := map[string]string{"ESNAP_LISTEN": listen, variable: value}
			_, err = Load(serve, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
			if want == "" {
				require.NoError(t, err, variable)
			} else {
				require.EqualError(t, err, want, variable)
			}
		}
	}
	_, err = load(t, given{env: map[string]string{"ESNAP_PASSWORD": "p"}})
	require.EqualError(t, err, "a password is set, but no user name")
	require.NotNil(t, mustLoad(t, given{env: map[string]string{"ESNAP_PASSWORD": "p", "ESNAP_URL": "http://u@es"}}))
	for _, secret := range []string{"--password=x", "--api-key=x", "--bearer-token=x"} {
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		Flags(fs)
		require.Error(t, fs.Parse([]string{secret}), "secrets do not stand on a command line")
	}
}

const canary = "canaryword"

// No secret is ever shown: not by Show, not by an error.
func TestSecretsAreNotShown(t *testing.T) {
	for _, g := range []given{
		{env: map[string]string{
			"ESNAP_USERNAME":     "u",
			"ESNAP_PASSWORD":     canary,
			"ESNAP_API_KEY":      canary,
			"ESNAP_BEARER_TOKEN": canary,
			"ESNAP_URL":          "http://" + canary + ":" + canary + "@es:9200,https://" + canary + "@b",
		}},
		{env: map[string]string{"ESNAP_URL": canary + ":" + canary + "@es:9200"}},
		{file: "client: {hosts: 'http://u:" + canary + "@es', http_auth: 'u:" + canary + "', api_key: " + canary + "}"},
		{
			file: "elasticsearch: {client: {hosts: 'http://" + canary + "@es', bearer_auth: " + canary +
				"}, other_settings: {username: u, password: " + canary + ", api_key: {token: " + canary + "}}}",
		},
		{
			file: "cluster: {url: 'http://u:" + canary + "@es', username: u, password: " + canary + ", api_key: " + canary +
				", bearer_token: " + canary + "}",
		},
	} {
		s := mustLoad(t, g)
		require.NotContains(t, fmt.Sprint(s.Show(), s.Warnings), canary)
		require.NotEmpty(t, s.Show())
	}
	for _, file := range []string{
		"client: {hosts: 'http://u:" + canary + "@es:port'}", "client: {http_auth: " + canary + "}",
		"client: {password: [" + canary + "]}", "elasticsearch: {client: {hosts: 'u:" + canary + "@es:9200'}}",
		"elasticsearch: {client: {hosts: 'http://u:" + canary + "@es:port'}}",
		"elasticsearch: {client: {cloud_id: '%" + canary + "'}}",
		"cluster: {password: {" + canary + ": 1}}", "client: {port: ${SECRET}}",
	} {
		_, err := load(t, given{file: strings.ReplaceAll(file, "${SECRET}}", "${SECRET}\n}"), env: map[string]string{"SECRET": canary}})
		require.Error(t, err, file)
		require.NotContains(t, err.Error(), canary, file)
	}
}

func TestMask(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"http://es:9200", "http://es:9200"},
		{"http://u:p@es:9200/x", "http://***@es:9200/x"},
		{"http://u:p@a, https://v:q@b,http://c", "http://***@a, https://***@b,http://c"},
		{"https://token@es", "https://***@es"},
		{"http://u:p@ss@es", "http://***@es"},
		{"http://u:p,q@es,http://b", "http://***@es,http://b"},
		{"u:p@es:9200", "***@es:9200"},
		{"http://a,u:p@b", "http://***@b"},
		{"http://es:9200/?token=t", "http://es:9200/?***"},
		{"http://u:p?x@es/x?a=b&c=d#e,https://b#f", "http://***@es/x?***,https://b#***"},
		{"", ""},
	} {
		require.Equal(t, c.want, Mask(c.in), c.in)
	}
}

// Where a client file is looked for, and what naming one means.
func TestFiles(t *testing.T) {
	env := func(vars map[string]string) func(string) string { return func(n string) string { return vars[n] } }
	fixed := []string{"/etc/esnap/config.yml", "/etc/es-curator/config.yml", "/etc/opensearch-curator/config.yml"}
	list := func(first string, last string) []string {
		return append(append([]string{first}, fixed...), last)
	}
	require.Equal(t, list("/home/u/.config/esnap/config.yml", "/home/u/.curator/curator.yml"),
		DefaultFiles(env(map[string]string{"HOME": "/home/u"})))
	require.Equal(t, list("/xdg/esnap/config.yml", "/home/u/.curator/curator.yml"),
		DefaultFiles(env(map[string]string{"HOME": "/home/u", "XDG_CONFIG_HOME": "/xdg"})))
	require.Equal(t, "/.curator/curator.yml", DefaultFiles(env(nil))[4], "HOME unset")

	home := t.TempDir()
	write := func(path, host string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("client: {hosts: "+host+"}"), 0o600))
	}
	load := func(vars map[string]string) (*Settings, error) {
		return Load(nil, func(n string) (string, bool) { v, ok := vars[n]; return v, ok })
	}
	t.Chdir(t.TempDir())
	vars := map[string]string{"HOME": home}
	for _, step := range []struct{ path, host string }{
		{filepath.Join(home, ".curator/curator.yml"), "curator"}, {filepath.Join(home, ".config/esnap/config.yml"), "config"},
	} { // each is looked for before the one before
		write(step.path, step.host)
		s, err := load(vars)
		require.NoError(t, err)
		require.Equal(t, []string{"http://" + step.host + ":9200"}, s.URLs)
	}
	for _, name := range []string{"esnap.yml", "curator.yml", ".curator/curator.yml", "config.yml"} {
		write(name, "here")
	}
	s, err := load(vars)
	require.NoError(t, err)
	require.Equal(t, []string{"http://config:9200"}, s.URLs, "the current folder is not searched")
	write("~/.config/esnap/config.yml", "here")
	write("here/esnap/config.yml", "here")
	for _, nobody := range []map[string]string{{}, {"XDG_CONFIG_HOME": "here"}, {"HOME": "."}} {
		s, err := load(nobody)
		require.NoError(t, err)
		require.Empty(t, s.File)
	}
	write(filepath.Join(home, "named.yml"), "named")
	vars["ESNAP_CONFIG"] = filepath.Join(home, "named.yml")
	s, err = load(vars)
	require.NoError(t, err)
	require.Equal(t, []string{"http://named:9200"}, s.URLs)
	for _, absent := range []string{filepath.Join(home, "gone.yml"), home} {
		vars["ESNAP_CONFIG"] = absent
		_, err = load(vars)
		require.EqualError(t, err, "the client file "+absent+" (from ESNAP_CONFIG) cannot be read")
	}
}

func TestAWS(t *testing.T) {
	s := mustLoad(t, given{file: "client: {hosts: x, aws_key: k, aws_secret_key: s, aws_token: t, aws_region: eu-west-1}\n"})
	require.Equal(t, &AWS{Region: "eu-west-1", Key: "k", Secret: "s", Token: "t"}, s.AWS)
	s = mustLoad(t, given{file: "client: {hosts: x, aws_sign_request: True, aws_region: eu-west-1}\n"})
	require.Equal(t, &AWS{Region: "eu-west-1"}, s.AWS, "credentials are found in the environment")
	require.Nil(t, mustLoad(t, given{file: "client: {hosts: x, aws_region: eu-west-1, aws_sign_request: False}\n"}).AWS)
	for file, want := range map[string]string{
		"client: {aws_sign_request: true}":                                 "aws_region is required",
		"client: {aws_key: k, aws_region: r}":                              "must be given together",
		"client: {aws_secret_key: geheim, aws_region: r}":                  "must be given together",
		"client: {aws_sing_request: true}":                                 `did you mean aws_sign_request`,
		"elasticsearch: {client: {hosts: 'http://x:9200', aws_region: r}}": "unknown client setting",
	} {
		_, err := load(t, given{file: file})
		require.ErrorContains(t, err, want, file)
		require.NotContains(t, err.Error(), "geheim")
	}
}

func TestKeysThatOnlyTheCommandLinesRead(t *testing.T) {
	s := mustLoad(t, given{file: "elasticsearch: {client: {hosts: 'http://x:9200', ssl_assert_fingerprint: 'aa'}, " +
		"other_settings: {skip_version_test: true}}\nlogging: {blacklist: []}\n"})
	require.Equal(t, "aa", s.Fingerprint)
	require.True(t, s.SkipVersionTest)
	require.True(t, s.HasBlacklist)
	require.Empty(t, s.Blacklist)
	require.False(t, mustLoad(t, given{file: "client: {hosts: x}\nlogging: {blacklist: }\n"}).HasBlacklist)
}

// TestNotice: whom runs tell is in esnap's own client file only, and no address is shown.
func TestNotice(t *testing.T) {
	load := func(text string) (*Settings, error) {
		file := filepath.Join(t.TempDir(), "c.yml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o606))
		require.NoError(t, os.Chmod(file, 0o606))
		return Load(nil, func(name string) (string, bool) { return file, name == "ESNAP_CONFIG" })
	}
	notify := "\nnotify:\n  webhooks: [{url: 'https://host/geheim', body: '{\"a\": \"${title}\"}'}]\n"
	s, err := load("cluster: {}" + notify)
	require.NoError(t, err)
	require.JSONEq(t, `{"a": "${title}"}`, s.Notice.Notify.Webhooks[0].Body)
	require.Contains(t, fmt.Sprint(s.Show()), "https://host (level error)")
	require.NotContains(t, fmt.Sprint(s.Show()), "geheim")
	require.Contains(t, fmt.Sprint(s.Warnings), "contains a secret, but other users may change it")
	for _, dialect := range []string{"client: {hosts: [a]}", "elasticsearch: {client: {}}", "logging: {}"} {
		_, err = load(dialect + notify)
		require.ErrorContains(t, err, "move it into the action file", dialect)
	}
	_, err = load("cluster: {}\nnotify: {pong: 1}")
	require.ErrorContains(t, err, "did you mean ping?")
}

func TestHolds(t *testing.T) {
	for _, root := range []string{"cluster: {url: x}\n", "client: {hosts: x}\n", "elasticsearch: {client: {hosts: 'http://x:9200'}}\n", ""} {
		s := mustLoad(t, given{
			file: root + "holds:\n- {snapshots: a-*, until: 2027-01-31, reason: tax law}\n- {indices: [b, c], until: '2027-01-31T12:00:00Z'}\n",
		})
		require.Equal(t, []Hold{
			{Snapshots: []string{"a-*"}, Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Reason: "tax law"},
			{Indices: []string{"b", "c"}, Until: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)},
		}, s.Holds)
	}
}

// TestCredentialsThatCannotBeSent: a credential with a control character is an error of the
// setting, not a cluster that cannot be reached.
func TestCredentialsThatCannotBeSent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("CANARY\x07\n"), 0o600))
	const url = "cluster: {url: 'http://es:9200', "
	for _, c := range []struct {
		g    given
		want string
	}{
		{given{env: map[string]string{"ESNAP_BEARER_TOKEN": "CANARY\n"}}, "bearer-token (from environment ESNAP_BEARER_TOKEN)"},
		{given{env: map[string]string{"ESNAP_API_KEY": "CANARY\r\n"}}, "api-key (from environment ESNAP_API_KEY)"},
		{given{env: map[string]string{"ESNAP_API_KEY": "id:CANARY\n"}}, "api-key (from environment ESNAP_API_KEY)"},
		{given{env: map[string]string{"ESNAP_USERNAME": "u", "ESNAP_PASSWORD": "CANARY\n"}}, "password (from environment ESNAP_PASSWORD)"},
		{given{env: map[string]string{"ESNAP_USERNAME": "CANARY\n", "ESNAP_PASSWORD": "p"}}, "username (from environment ESNAP_USERNAME)"},
		{given{env: map[string]string{"ESNAP_LISTEN_TOKEN": "CANARY\x00"}}, "listen-token (from environment ESNAP_LISTEN_TOKEN)"},
		{given{env: map[string]string{"ESNAP_API_KEY_FILE": file}}, "api-key (from environment ESNAP_API_KEY_FILE, api-key-file)"},
		{given{file: url + "bearer_token: \"CANARY\\n\"}"}, "bearer-token (from file client.yml)"},
		{given{file: "cluster:\n  api_key: |\n    CANARY\n"}, "api-key (from file client.yml)"},
		{given{file: url + "bearer_token: '${T}'}", env: map[string]string{"T": "CANARY\n"}}, "bearer-token (from file client.yml, variable T)"},
		{given{file: "client: {api_key: \"CANARY\\n\"}"}, "the header X-Api-Key (from file client.yml)"},
		{given{file: "elasticsearch: {client: {headers: {X-A: \"CANARY\\n\"}}}"}, "the header X-A (from file client.yml)"},
		{
			given{file: "client: {aws_region: r, aws_key: k, aws_secret_key: s, aws_token: \"CANARY\\n\"}"},
			"aws_token (from file client.yml)",
		},
	} {
		_, err := load(t, c.g)
		require.EqualError(t, err, c.want+" contains a line end or another control character")
	}
}

// TestSecretForItsFile: a secret that is given as the name of its file is not shown.
func TestSecretForItsFile(t *testing.T) {
	for _, key := range []string{"PASSWORD", "API_KEY", "BEARER_TOKEN", "LISTEN_PASSWORD", "LISTEN_TOKEN"} {
		for _, value := range []string{"CANARY", "CANARY/x", strings.Repeat("CANARY", 1000), "CANARY\x00"} {
			name := "ESNAP_" + key + "_FILE"
			_, err := load(t, given{env: map[string]string{"ESNAP_USERNAME": "u", name: value}})
			require.ErrorContains(t, err, "(from environment "+name+") names: ")
			require.NotContains(t, err.Error(), "CANARY")
		}
	}
	_, err := load(t, given{file: "cluster: {timeout: '${T}'}\nlogging: {loglevel: INFO}", env: map[string]string{"T": "CANARY"}})
	require.EqualError(t, err, `timeout (from file client.yml, variable T): invalid duration "${T}"; write 14d, 12h or 30m`)
}

// TestPrivate: which variables other programs do not get.
func TestPrivate(t *testing.T) {
	env := map[string]string{
		"ESNAP_PASSWORD": "p", "ESNAP_USERNAME": "u", "ESNAP_URL": "http://es:9200?token=t", "ESNAP_OTHER": "x", "ESNAP_LOG_LEVEL": "info",
		"ESCLIENT_PASSWORD": "p", "ESCLIENT_API_TOKEN": "t", "ESCLIENT_API_KEY": "k", "ESCLIENT_BEARER_AUTH": "t", "ESCLIENT_HTTP_AUTH": "u:p",
		"ESCLIENT_HOSTS": "http://u:p@es:9200 http://b", "ESCLIENT_HOST": "es", "ESCLIENT_LOGLEVEL": "INFO",
		"HTTP_PROXY": "http://u:p@proxy:3128", "https_proxy": "u:p@proxy:3128", "HTTPS_PROXY": "http://proxy:3128", "http_proxy": "proxy",
		"all_proxy": "socks5://u:p@proxy", "NO_PROXY": "es", "AWS_SECRET_ACCESS_KEY": "s", "PATH": "/bin", "MAIL": "a@b",
	}
	s := mustLoad(t, given{env: env})
	var kept []string
	for name := range env {
		if !s.Private(name) {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	require.Equal(t, []string{
		"ESCLIENT_HOST", "ESCLIENT_LOGLEVEL", "ESNAP_LOG_LEVEL", "ESNAP_USERNAME", "HTTPS_PROXY", "MAIL", "NO_PROXY", "PATH", "http_proxy",
	}, kept)
}
