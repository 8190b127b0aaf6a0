package cmd

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/memory"
)

// The secrets of TestCanaries. None may appear anywhere but in the header Authorization and
// in the request that registers the S3 repository.
const (
	canaryPassword = "canary-password-1f3a"
	canaryKey      = "Y2FuYXJ5LWlkOmNhbmFyeS1hcGkta2V5LTliMmM=" // canary-id:canary-api-key-9b2c
	canaryBearer   = "canary-bearer-77d0"
	canaryS3       = "canary-s3-secret-5e8e"
	canaryS3Access = "canary-s3-access-0c41"
)

// canaryForms are the secrets in each form in which they could appear.
var canaryForms = append(canaryOutlets(),
	"canary-password", "canary-api-key", canaryKey, "canary-bearer", "canary-s3",
	base64.StdEncoding.EncodeToString([]byte("ops:"+canaryPassword)),
	base64.StdEncoding.EncodeToString([]byte(canaryPassword))[:20], base64.StdEncoding.EncodeToString([]byte(canaryKey))[:20],
)

const canaryRun = `
lock: auto
history: true
name: canaries
repositories:
  s3: {type: s3, settings: {bucket: b, access_key: '${S3_ACCESS}', secret_key: '${S3_SECRET}'}}
actions:
  1:
    action: snapshot
    options: {repository: s3, name: 'logs-%Y%m%d', skip_repo_fs_check: true}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: delete_indices
    options: {ignore_empty_list: true}
    filters: [{filtertype: pattern, kind: prefix, value: old-}]
`

// canaryFile is a file without secrets, for what reads the cluster only.
const canaryFile = `
lock: required
history: true
actions:
  1:
    action: delete_snapshots
    options: {repository: plain, ignore_empty_list: true}
    filters: [{filtertype: pattern, kind: prefix, value: nothing}]
  2:
    action: snapshot
    options: {repository: plain, name: 'logs-%Y%m%d'}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
`

// canaryLines are command lines of every command. S3 is the file with keys, PLAIN the one
// without, DIR a folder.
var canaryLines = []string{
	"run S3", "run -n S3", "run -o json S3", "run -o yaml S3", "run -n -o name S3",
	"run -n -o wide S3", "run PLAIN", "run -o json PLAIN", "run --deadline 1s S3", "run BROKEN",
	"serve S3 --schedule nonsense", "serve -n --schedule @daily -- env", "run S3 PLAIN", "run -o json -n S3 PLAIN",
	"run --from-env", "run -n -o json --from-env", "config from-env",
	"validate S3", "validate BROKEN", "simulate --nights 3 S3", "simulate --nights 3 --like-cluster S3",
	"check S3", "check S3 -o json --state DIR/state.json", "check --max-age 1d",
	"check --max-age 1d --attest DIR/proof.json --signing-key-file DIR/key.pem",
	"check --verify --max-age 1d", "check --days 3 --index logs-%Y.%m.%d -o csv",
	"drill", "drill -n", "drill S3 --state DIR/state.json -o json",
	"index list", "index list -o json", "index show logs-2026.11.20", "index delete old-1 --yes --reason why", "index delete none --yes",
	"snapshot list", "snapshot list s3 -o yaml", "snapshot show s3 logs-20261121",
	"snapshot create plain logs-2026.11.20 --name x", "snapshot delete plain x --yes",
	"repository list", "repository list -o wide", "repository list -o json", "repository show s3",
	"repository show s3 -o json", "repository verify s3", "repository cleanup s3 --yes",
	"repository register t s3 bucket=b endpoint=h", "repository unregister s3 --yes",
	"restore logs-2026.11.20 --rename-prefix restored- --yes", "restore logs-2026.11.20 -n -o json", "restore --red -n",
	"mark logs-2026.11.20 --keep-for 3d", "mark logs-2026.11.20 --remove",
	"purge logs-2026.11.20 --confirm logs-2026.11.20 --record DIR/record.json", "purge none -n",
	"status", "status -o json", "lock list", "lock release canaries --yes",
	"history", "history list", "history list -o json", "history show none",
	"config show", "config show -o json", "config init DIR/client.yml", "version", "version -o json",
	"schema", "completion bash", "completion fish", "completion powershell", "completion zsh",
	"curator S3", "curator --dry-run --loglevel DEBUG PLAIN",
	"curator --dry-run --logformat json PLAIN", "curator --dry-run --logformat ecs PLAIN",
	"curator_cli show_indices", "curator_cli show_snapshots --repository plain", "es_repo_mgr show",
	"help exit-codes", "options", "--nosuch", "__complete repository show ", "__complete index show l",
	// A secret in a wrong place is not repeated.
	"--password canary-password-1f3a status", "--password=canary-password-1f3a status",
	"--api-key=canary-api-key status", "run --bearer-token=canary-bearer PLAIN",
}

// overHTTP are command lines for TestCanariesInRequests: one of each kind of request.
var overHTTP = []string{
	"status", "index list", "index show logs-2026.11.20", "snapshot list", "snapshot list plain",
	"repository list", "repository verify plain", "run -n S3", "check --max-age 1d",
	"lock list", "history", "restore logs-2026.11.20 -n",
	"curator --dry-run --loglevel DEBUG PLAIN", "curator_cli show_indices", "es_repo_mgr show",
}

// credentialsOfCanaries are the ways to pass the secrets, as the environment.
func credentialsOfCanaries(t *testing.T, url string) map[string]map[string]string {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(name, []byte(text+"\n"), 0o600))
		return name
	}
	return map[string]map[string]string{
		"password":      {"ESNAP_USERNAME": "ops", "ESNAP_PASSWORD": canaryPassword, "ESNAP_URL": url},
		"password file": {"ESNAP_USERNAME": "ops", "ESNAP_PASSWORD_FILE": file(canaryPassword), "ESNAP_URL": url},
		"address":       {"ESNAP_URL": strings.Replace(url, "://", "://ops:"+canaryPassword+"@", 1)},
		"API key":       {"ESNAP_API_KEY": canaryKey, "ESNAP_URL": url},
		"bearer token":  {"ESNAP_BEARER_TOKEN": canaryBearer, "ESNAP_URL": url},
		"bearer file":   {"ESNAP_BEARER_TOKEN_FILE": file(canaryBearer), "ESNAP_URL": url},
	}
}

// canaryWorld runs command lines in a folder of its own.
type canaryWorld struct {
	t     *testing.T
	dir   string
	env   map[string]string
	words *strings.Replacer
	c     *memory.Memory
	// outlets are told by the runs of files.
	outlets *outlets
}

func newCanaryWorld(t *testing.T, env map[string]string) *canaryWorld {
	k := newConsole(t)
	w := &canaryWorld{t: t, dir: t.TempDir(), env: maps.Clone(k.env), c: k.c}
	w.outlets = newOutlets(t, w.dir)
	maps.Copy(w.env, env)
	maps.Copy(w.env, map[string]string{
		"S3_ACCESS": canaryS3Access, "S3_SECRET": canaryS3, "ESNAP_LOG_LEVEL": "",
		"ESNAP_CONNECT_TIMEOUT": "1ms", "ESNAP_TIMEOUT": "2s", "ESNAP_HISTORY": "true",
		"ESNAP_REPOSITORY": "plain", "ESNAP_INDICES": "logs-*", "ESNAP_KEEP_LAST": "3", "ESNAP_NOTIFY_PING_URL": w.outlets.ping,
	})
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	w.words = strings.NewReplacer("S3", k.file(canaryRun+w.outlets.keys), "PLAIN", k.file(canaryFile+w.outlets.keys),
		"BROKEN", k.file(strings.Replace(canaryRun, "bucket: b", "buckt: '${S3_SECRET}'", 1)), "DIR", w.dir)
	for _, name := range []string{"logs-2026.11.20", "logs-2026.11.19", "old-1"} {
		w.c.AddIndices(name)
	}
	w.c.AddSnapshot("plain", cluster.Snapshot{
		Name:    "first",
		Indices: []string{"logs-2026.11.19", "logs-2026.11.20"},
		Start:   now.Add(-time.Hour),
	})
	return w
}

// app is esnap with the environment of this world.
func (w *canaryWorld) app(out, errs io.Writer, connect func(es.Options) (cluster.Cluster, error)) *App {
	return &App{
		In: strings.NewReader(""), Out: out, Err: errs, Now: func() time.Time { return now },
		Connect: connect, Watch: clock.NoSleep(clock.RealTime()), TerminationLog: filepath.Join(w.dir, "termination"),
		Env: func(n string) (string, bool) { v, ok := w.env[n]; return v, ok },
		Environ: func() (list []string) {
			for n, v := range w.env {
				list = append(list, n+"="+v)
			}
			return list
		},
	}
}

// run runs one command line, which is stopped after some time, and returns all that it wrote.
func (w *canaryWorld) run(line string, after time.Duration, connect func(es.Options) (cluster.Cluster, error)) (wrote string) {
	w.t.Helper()
	args := strings.Split(w.words.Replace(line), " ")
	var out, errs bytes.Buffer
	app := w.app(&out, &errs, connect)
	require.NoError(w.t, os.WriteFile(app.TerminationLog, nil, 0o600))
	ctx, cancel := context.WithTimeout(w.t.Context(), after)
	defer cancel()
	Main(ctx, app, args)
	wrote = out.String() + errs.String()
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		wrote += "\n" + path + ":\n" + string(text)
		return err
	}))
	return wrote
}

func requireNoCanaries(t *testing.T, text string, about ...any) {
	t.Helper()
	for _, form := range canaryForms {
		if at := strings.Index(text, form); at >= 0 {
			require.Fail(t, "a secret is shown", "%v: …%s…", about, text[max(0, at-300):min(len(text), at+100)])
		}
	}
}

// TestCanariesTouchEveryCommand: a new command is added to canaryLines.
func TestCanariesTouchEveryCommand(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		path, _ := strings.CutPrefix(c.CommandPath(), "esnap ")
		if c.Runnable() && !c.HasSubCommands() && c.HasParent() {
			require.True(t, slices.ContainsFunc(canaryLines, func(line string) bool {
				return line == path || strings.HasPrefix(line, path+" ")
			}), path)
		}
	}
	walk(newRoot(&App{Env: func(string) (string, bool) { return "", false }}))
}

// TestCanaries: no secret is in what a command writes to stdout, stderr and files, nor in
// what it writes to the cluster (locks, history, metadata of snapshots), nor in what it tells
// others.
func TestCanaries(t *testing.T) {
	logs := []map[string]string{
		{"ESNAP_LOG_LEVEL": "debug"}, {"ESNAP_LOG_LEVEL": "debug", "ESNAP_LOG_FORMAT": "json", "ESNAP_LOG_FILE": "log"},
		{"ESNAP_LOG_LEVEL": "info"}, {"ESNAP_LOG_LEVEL": "warning", "ESNAP_LOG_FORMAT": "json"}, {"ESNAP_LOG_LEVEL": "error"},
	}
	credentials := credentialsOfCanaries(t, "http://127.0.0.1:9200")
	faults := []error{nil, cluster.ErrForbidden, cluster.ErrServer, cluster.ErrUnreachable}
	for i, how := range slices.Sorted(maps.Keys(credentials)) {
		for j, log := range logs {
			fault := faults[(i+j)%len(faults)]
			t.Run(fmt.Sprintf("%s, %v, %v", how, log, fault), func(t *testing.T) {
				t.Parallel()
				w := newCanaryWorld(t, credentials[how])
				maps.Copy(w.env, log)
				if w.env["ESNAP_LOG_FILE"] != "" {
					w.env["ESNAP_LOG_FILE"] = filepath.Join(w.dir, "log")
				}
				if fault != nil {
					var n atomic.Int64 // the clocks are compared beside the actions
					w.c.Fault = func(string, []string) error {
						if n.Add(1)%3 == 0 {
							return &cluster.Error{
								Op:     "do it",
								Kind:   fault,
								Status: 403,
								Causes: []cluster.Cause{{Type: "security_exception", Reason: "not for you"}},
							}
						}
						return nil
					}
				}
				var mu sync.Mutex
				var sent strings.Builder
				connect := func(es.Options) (cluster.Cluster, error) {
					return cluster.Intercept(w.c, w.c, func(_ context.Context, op cluster.Op, do func() error) error {
						if _, registers := op.(cluster.RegisterRepository); !registers {
							text, err := json.Marshal(op)
							require.NoError(t, err)
							mu.Lock()
							fmt.Fprintf(&sent, "%T %s %+v\n", op, text, op)
							mu.Unlock()
						}
						return do()
					}), nil
				}
				for _, line := range canaryLines {
					requireNoCanaries(t, w.run(line, 20*time.Second, connect), line)
				}
				mu.Lock()
				defer mu.Unlock()
				requireNoCanaries(t, sent.String(), "sent")
				w.outlets.require(t)
				if fault == nil {
					require.Contains(t, sent.String(), "cluster.PutDocument")
					require.Contains(t, sent.String(), "cluster.CreateSnapshot")
					require.FileExists(t, filepath.Join(w.dir, "proof.json"))
					require.FileExists(t, filepath.Join(w.dir, "record.json"))
					require.FileExists(t, filepath.Join(w.dir, "esnap_canaries.prom"))
				}
			})
		}
	}
}

// TestCanariesInRequests: a request has no secret but in the header Authorization, whatever
// the server answers; and none of the answers brings one to light.
func TestCanariesInRequests(t *testing.T) {
	replies := map[string]func(w http.ResponseWriter, r *http.Request){
		"lists": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			switch {
			case r.Method != http.MethodGet:
				_, _ = io.WriteString(w, `{"acknowledged":true,"accepted":true,"result":"created","_seq_no":1,"_primary_term":1}`)
			case r.URL.Path == "/":
				_, _ = io.WriteString(w, `{"cluster_name":"c","cluster_uuid":"u","version":{"number":"7.17.28"},"tagline":"You Know, for Search"}`)
			case r.URL.Path == "/_snapshot/s3":
				http.Error(w, `{"error":{"type":"repository_missing_exception","reason":"[s3] missing"},"status":404}`, 404)
			case strings.HasPrefix(r.URL.Path, "/_snapshot/") && strings.Count(r.URL.Path, "/") > 2:
				_, _ = io.WriteString(w, `{"snapshots":[]}`)
			case strings.HasPrefix(r.URL.Path, "/_snapshot"):
				_, _ = io.WriteString(w, `{"plain":{"type":"fs","settings":{"location":"x"}}}`)
			case strings.HasPrefix(r.URL.Path, "/_cluster/state"):
				_, _ = io.WriteString(w, `{"cluster_uuid":"u","master_node":"n","metadata":{"cluster_uuid":"u","indices":{}}}`)
			default:
				_, _ = fmt.Fprintf(w, `{"nodes":{"n":{"timestamp":%d,"version":"7.17.28"}},"hits":{"hits":[]}}`, now.UnixMilli())
			}
		},
		"401": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"no"}`, http.StatusUnauthorized) },
		"403": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":{"type":"security_exception",`+
				`"reason":"action [cluster:monitor/state] is unauthorized for user [ops]"},"status":403}`, http.StatusForbidden)
		},
		"500":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>oops", 500) },
		"page": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>log in") },
		"cut":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"moved": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1"+r.URL.Path, http.StatusFound)
		},
	}
	for n, what := range slices.Sorted(maps.Keys(replies)) {
		reply := replies[what]
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var sent strings.Builder
			authorized, registered := 0, 0
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				header := r.Header.Clone()
				mu.Lock()
				if header.Get("Authorization") != "" {
					authorized++
				}
				header.Del("Authorization")
				if r.Method == http.MethodPut && r.URL.Path == "/_snapshot/s3" {
					registered++
					body = nil
				}
				fmt.Fprintf(&sent, "%s %s %v\n%s\n", r.Method, r.URL, header, body)
				mu.Unlock()
				reply(rw, r)
			}))
			server.Config.ErrorLog = nil
			server.Start()
			defer server.Close()
			credentials := credentialsOfCanaries(t, server.URL)
			ways := slices.Sorted(maps.Keys(credentials))
			if what != "lists" { // one each
				ways = ways[n%len(ways):][:1]
			}
			for _, how := range ways {
				w := newCanaryWorld(t, credentials[how])
				w.env["ESNAP_LOG_LEVEL"] = "debug"
				delete(w.env, "ESNAP_HISTORY")
				for _, line := range overHTTP {
					requireNoCanaries(t, w.run(line, 40*time.Millisecond, nil), how, line)
				}
				did := func() bool {
					mu.Lock()
					defer mu.Unlock()
					return registered > 0
				}
				// What waits for replies after its time is over. A busy machine needs longer to get there.
				for limit := time.Second; what == "lists" && how == "password" && !did() && limit < time.Minute; limit *= 2 {
					requireNoCanaries(t, w.run("run --lock off S3", limit, nil), how, "run S3")
				}
			}
			mu.Lock()
			defer mu.Unlock()
			requireNoCanaries(t, sent.String(), "sent to the server")
			require.Positive(t, authorized)
			if what == "lists" {
				require.Positive(t, registered)
			}
		})
	}
}

// TestCanariesInWrongPlaces: a secret that is not where it belongs ends the command at once, and
// is not repeated.
func TestCanariesInWrongPlaces(t *testing.T) {
	const (
		take   = "actions: {1: {action: snapshot, options: {repository: plain}, filters: [{filtertype: none}]}}\n"
		curl   = "\"curl -H 'Authorization: CANARY'\""
		mysec  = "CANARY-of-a-variable"
		mail   = "notify: {mail: [{host: h, from: a@b, to: [a@b], username: u, password_file: "
		target = "repositories: {r: {type: s3, settings: "
	)
	for name, c := range map[string]struct{ client, file, variable, value string }{
		"an anchor in the client file":    {client: "cluster:\n  password: *CANARY\n"},
		"a tag in the client file":        {client: "cluster:\n  password: !CANARY x\n"},
		"an anchor of Curator 8":          {client: "elasticsearch: {client: {bearer_auth: *CANARY }}\n"},
		"a text for a map of Curator 8":   {client: "elasticsearch: {other_settings: {api_key: CANARY}}\n"},
		"a text for headers of Curator 8": {client: "elasticsearch: {client: {headers: CANARY}}\n"},
		"a number for a text":             {client: "cluster: {api_key: 20261130}\n"},
		"a map for a text":                {client: "cluster: {password: {a: CANARY}}\n"},
		"a text for the client file":      {client: "CANARY\n"},
		"a text for a section":            {client: "cluster: CANARY\n"},
		"a line end in the client file":   {client: "cluster: {bearer_token: \"CANARY\\n\"}\n"},
		"a secret for its file, there":    {client: "cluster: {api_key_file: CANARY}\n"},
		"an anchor in an action file":     {file: mail + "*CANARY }]}\n" + take},
		"a tag in an action file":         {file: mail + "!CANARY x}]}\n" + take},
		"a text for settings":             {file: target + "\"secret_key=CANARY\"}}\n" + take},
		"a text for a hook":               {file: "hooks: {before: " + curl + "}\n" + take},
		"a text for hooks":                {file: "hooks: " + curl + "\n" + take},
		"a variable as an action":         {file: "actions: {1: {action: '${MYSEC}'}}\n"},
		"a variable in a name":            {file: strings.Replace(take, "plain", "plain, name: 'X ${MYSEC}'", 1)},
		"a variable as the name":          {file: "name: '/${MYSEC}'\n" + strings.Replace(take, "none", "'${MYSEC}'", 1)},
		"a variable as a schedule":        {file: "schedule: '${MYSEC}'\n" + take},
		"a secret for its file":           {variable: "ESNAP_PASSWORD_FILE", value: "CANARY"},
		"a token with a line end":         {variable: "ESNAP_BEARER_TOKEN", value: "CANARY\n"},
		"an API key with a line end":      {variable: "ESNAP_API_KEY", value: "Y2FuYXJ5LWlkOkNBTkFSWQ==\n"},
	} {
		for _, command := range []string{"run", "validate"} {
			k := newConsole(t)
			k.env["MYSEC"], k.env["ESNAP_USERNAME"], k.env["ESNAP_LOG_LEVEL"] = mysec, "ops", "debug"
			if c.variable != "" {
				k.env[c.variable] = c.value
			}
			args := []string{command, k.file(cmp.Or(c.file, take))}
			if c.client != "" {
				client := filepath.Join(t.TempDir(), "client.yml")
				save(t, client, c.client)
				args = append([]string{"--config", client}, args...)
			}
			code, out, errs := k.run(args...)
			require.Equal(t, 2, code, "%s: %s", name, out+errs)
			for _, secret := range []string{"CANARY", "20261130", "Y2FuYXJ5"} {
				require.NotContains(t, out+errs, secret, "%s, %s", name, command)
			}
			require.Empty(t, k.c.Calls(), name)
		}
	}
	k := newConsole(t)
	k.env["ESNAP_URL"] = "https://es:9200/prefix?token=CANARY"
	code, out, errs := k.run("config", "show")
	require.Zero(t, code, errs)
	require.Contains(t, out, "https://es:9200/prefix?***")
	require.NotContains(t, out+errs, "CANARY")
}
