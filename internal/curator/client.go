package curator

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/settings"
)

// option is one option of the client and of logging, and the setting it stands for.
type option struct {
	name, setting, usage string
	secret               string // the variable that it is passed on as: secrets have no flag
	client5              string // the key of Curator 5's client section it stands for
	boolean              bool
	pair                 bool // a boolean with a no- form
	many                 bool // may be repeated
	invert               bool // true stands for false
	hidden               bool
	only                 string // the program that has it; empty: all
	suffix               string // completes the value
	oneOf                []string
	number               bool
}

// options is the one list: Curator 8's, which all its programs have, and those of
// Curator 5's curator_cli.
var options = []option{
	{name: "config", usage: "client file"},
	{name: "hosts", setting: "url", usage: "address of the cluster; may be repeated", many: true},
	{name: "cloud_id", usage: "Elastic Cloud id"},
	{name: "api_token", secret: "ESNAP_API_KEY", usage: "API key, base64 of id:key"},
	{name: "id", usage: "id of an API key"},
	{name: "api_key", usage: "the API key of that id"},
	{name: "username", setting: "username", usage: "user name"},
	{name: "password", secret: "ESNAP_PASSWORD", usage: "password"},
	{name: "bearer_auth", secret: "ESNAP_BEARER_TOKEN", usage: "bearer token", hidden: true},
	{name: "opaque_id", usage: "sent as X-Opaque-Id with every request", hidden: true},
	{name: "request_timeout", setting: "timeout", usage: "time-out of a request, in seconds", suffix: "s", number: true},
	{name: "http_compress", usage: "no effect: replies are small", boolean: true, pair: true, hidden: true},
	{name: "verify_certs", setting: "insecure", usage: "verify the server's certificate", boolean: true, pair: true, invert: true},
	{name: "ca_certs", setting: "ca-file", usage: "PEM file of the certificate authority"},
	{name: "client_cert", setting: "client-cert", usage: "PEM file of a client certificate"},
	{name: "client_key", setting: "client-key", usage: "PEM file of its key"},
	{name: "ssl_assert_hostname", setting: "server-name", usage: "name the certificate must have", hidden: true},
	{name: "ssl_assert_fingerprint", usage: "fingerprint the certificate must have", hidden: true},
	{name: "ssl_version", usage: "no effect: TLS 1.2 or later is spoken", hidden: true},
	{name: "master-only", usage: "do nothing unless the node is the elected master", boolean: true, pair: true, hidden: true},
	{name: "skip_version_test", usage: "no warning about servers that esnap is not tested on", boolean: true, pair: true, hidden: true},
	{name: "dry-run", usage: "do not perform any changes", boolean: true},
	{
		name:    "loglevel",
		setting: "log-level",
		usage:   "DEBUG, INFO, WARNING, ERROR or CRITICAL",
		oneOf:   []string{"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"},
	},
	{name: "logfile", setting: "log-file", usage: "write log lines to this file"},
	{name: "logformat", setting: "log-format", usage: "default, json or ecs", oneOf: []string{"default", "json", "logstash", "ecs"}},
	{name: "blacklist", usage: "loggers whose lines are left out; may be repeated", many: true, hidden: true},
	{name: "compat", setting: "compat", usage: "generation of Curator whose defaults count, 5 or 8 (esnap's own)"},
	{name: "guards", setting: "guards", usage: "on or off; off disables all protections (esnap's own)"},

	{name: "host", client5: "hosts", only: cli, usage: "host (Curator 5)"},
	{name: "port", client5: "port", only: cli, usage: "port (Curator 5)"},
	{name: "url_prefix", client5: "url_prefix", only: cli, usage: "path prefix (Curator 5)"},
	{name: "use_ssl", client5: "use_ssl", only: cli, usage: "connect with TLS (Curator 5)", boolean: true},
	{name: "certificate", client5: "certificate", only: cli, usage: "PEM file of the certificate authority (Curator 5)"},
	{name: "client-cert", client5: "client_cert", only: cli, usage: "PEM file of a client certificate (Curator 5)"},
	{name: "client-key", client5: "client_key", only: cli, usage: "PEM file of its key (Curator 5)"},
	{
		name:    "ssl-no-validate",
		client5: "ssl_no_validate",
		only:    cli,
		usage:   "do not verify the server's certificate (Curator 5)",
		boolean: true,
	},
	{name: "http_auth", client5: "http_auth", only: cli, usage: "user:password (Curator 5)"},
	{name: "timeout", client5: "timeout", only: cli, usage: "time-out of a request, in seconds (Curator 5)", number: true},
}

// of says whether a program has the option.
func (o option) of(program string) bool { return o.only == "" || o.only == program }

// addOptions gives a command the options of its program.
func addOptions(f *pflag.FlagSet, program string) {
	for _, o := range options {
		if !o.of(program) {
			continue
		}
		switch {
		case o.boolean:
			f.Bool(o.name, false, o.usage)
			if o.pair {
				f.Bool("no-"+o.name, false, "the opposite of --"+o.name)
				_ = f.MarkHidden("no-" + o.name)
			}
		case o.many:
			f.StringArray(o.name, nil, o.usage)
		default:
			f.String(o.name, "", o.usage)
		}
		if o.hidden {
			_ = f.MarkHidden(o.name)
		}
	}
}

// value is what the command line or the environment says for an option. Several
// values are joined by commas.
func value(f *pflag.FlagSet, env settings.Env, o option) (string, bool) {
	v, given := "", false
	if e, set := env(variable(o.name)); set && e != "" {
		v, given = e, true
		if o.many {
			v = strings.Join(strings.Fields(e), ",")
		}
	}
	if f.Lookup(o.name) != nil && f.Changed(o.name) {
		v, given = f.Lookup(o.name).Value.String(), true
		if o.many {
			list, _ := f.GetStringArray(o.name)
			v = strings.Join(list, ",")
		}
	}
	if o.pair && f.Changed("no-"+o.name) {
		v, given = "false", true
	}
	if b, ok := truth(v); o.boolean && given && ok {
		v = strconv.FormatBool(b != o.invert)
	}
	if given {
		v += o.suffix
	}
	return v, given
}

// cameFrom is where the value of an option comes from.
func cameFrom(f *pflag.FlagSet, name string) string {
	if f.Lookup(name) != nil && f.Changed(name) {
		return "flag --" + name
	}
	return "environment " + variable(name)
}

// check refuses a value that the option cannot have.
func (o option) check(v string) error {
	if _, err := strconv.ParseFloat(v, 64); o.number && err != nil {
		return &usage{fmt.Sprintf("Invalid value for '--%s': '%s' is not a number of seconds.", o.name, v)}
	}
	if o.oneOf != nil && !slices.ContainsFunc(o.oneOf, func(s string) bool { return strings.EqualFold(s, v) }) {
		return &usage{fmt.Sprintf("Invalid value for '--%s': '%s' is not one of %s.", o.name, v, strings.Join(o.oneOf, ", "))}
	}
	return nil
}

// truth reads a boolean as Curator's command lines and variables have them.
func truth(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "1", "true", "t", "yes", "y", "on":
		return true, true
	case "0", "false", "f", "no", "n", "off":
		return false, true
	}
	return false, false
}

func notBoolean(option, value string) *usage {
	return &usage{fmt.Sprintf("Invalid value for '--%s': '%s' is not a valid boolean.", option, value)}
}

// variable is the environment variable of an option.
func variable(names ...string) string {
	return "ESCLIENT_" + strings.ToUpper(strings.ReplaceAll(strings.Join(names, "_"), "-", "_"))
}

// session is what one command line works with, once its options are understood.
type session struct {
	h       Host
	program string
	s       *settings.Settings
	flavour flavour.Flavour
	log     *slog.Logger
	words   words
	close   func()
}

// open translates options, ESCLIENT_* variables and the client file into settings,
// and opens the log. With an error the session, if there is one, is good for a job that is refused.
func open(c *cobra.Command, h Host, program string) (*session, error) {
	s, given, err := load(c.Flags(), h, program)
	if h.loaded != nil {
		*h.loaded = loaded{s, err}
	}
	if s == nil {
		return nil, err
	}
	x := &session{
		h:       h,
		words:   words{c.Flags(), program},
		program: program,
		s:       s,
		flavour: flavour.Curator8,
		log:     slog.New(slog.DiscardHandler),
	}
	if err != nil {
		return x, err
	}
	if f, decided := s.Flavour(); decided {
		x.flavour = f
	}
	s.DryRun = s.DryRun || given["dry-run"] == "true"
	log, done, err := logger(h, s, x.flavour)
	if err != nil {
		return x, err
	}
	x.log, x.close = log, done
	for _, w := range s.Warnings {
		x.log.Warn(w)
	}
	for _, name := range []string{"http_compress", "ssl_version"} {
		if given[name] != "" {
			x.log.Warn("--" + name + " tunes Curator's Python client and has no effect here")
		}
	}
	return x, nil
}

func load(f *pflag.FlagSet, h Host, program string) (*settings.Settings, map[string]string, error) {
	own := pflag.NewFlagSet("curator", pflag.ContinueOnError)
	settings.Flags(own)
	for _, key := range []string{"guards", "compat"} {
		settings.AddFlag(own, key)
	}
	given, set, secrets, client := map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	for _, o := range options {
		v, is := value(f, h.Env, o)
		if !is || !o.of(program) {
			continue
		}
		given[o.name] = v
		if _, ok := truth(v); o.boolean && !ok { // a misspelt dry run must not be a real one
			return nil, nil, notBoolean(o.name, v)
		}
		if err := o.check(strings.TrimSuffix(v, o.suffix)); err != nil {
			return nil, nil, err
		}
		switch {
		case o.client5 != "":
			client[o.client5] = v
		case o.secret != "":
			secrets[o.secret] = v
		case o.setting != "":
			set[o.setting] = v
		}
	}
	if err := clientFile(given, set, program, h.Env); err != nil {
		return nil, nil, err
	}
	if id := given["cloud_id"]; id != "" {
		host, err := settings.CloudHost(id)
		if err != nil {
			return nil, nil, &settings.Error{Text: "cloud_id: " + err.Error()} // as in a client file, no matter of usage
		}
		set["url"] = host
	}
	if given["id"] != "" && given["api_key"] != "" && given["api_token"] == "" {
		secrets["ESNAP_API_KEY"] = given["id"] + ":" + given["api_key"]
	}
	for key, v := range set {
		if err := own.Set(key, v); err != nil {
			return nil, nil, &usage{err.Error()}
		}
		if at := slices.IndexFunc(options, func(o option) bool { return o.setting == key && o.of(program) }); at >= 0 {
			settings.CameFrom(own, key, cameFrom(f, options[at].name))
		}
	}
	s, err := settings.LoadOver(own, func(name string) (string, bool) {
		if v := secrets[name]; v != "" {
			return v, true
		}
		return h.Env(name)
	}, client)
	if err != nil {
		s.DryRun = s.DryRun || given["dry-run"] == "true"
		return s, nil, err
	}
	if v := given["master-only"]; v != "" {
		s.MasterOnly = v == "true"
	}
	if v := given["skip_version_test"]; v != "" {
		s.SkipVersionTest = v == "true"
	}
	if v := given["opaque_id"]; v != "" {
		s.Header.Set("X-Opaque-Id", v)
	}
	if v := given["ssl_assert_fingerprint"]; v != "" {
		s.Fingerprint = v
	}
	if v, is := given["blacklist"]; is {
		s.Blacklist, s.HasBlacklist = strings.Split(v, ","), true
	}
	return s, given, nil
}

// clientFile settles which client file is read. One that is named must be there, but for
// curator_cli of Curator 5, which passes it over.
func clientFile(given, set map[string]string, program string, env settings.Env) error {
	file := given["config"]
	if file == "" {
		return nil
	}
	wrong := isFile(file)
	if wrong == nil {
		set["config"] = file
		return nil
	}
	if compat, _ := env("ESNAP_COMPAT"); program == cli && (given["compat"] == "5" || compat == "5") {
		return nil
	}
	return wrong
}

// isFile is the error of a path that is no file that exists.
func isFile(path string) error {
	switch st, err := os.Stat(path); {
	case err != nil:
		return &usage{fmt.Sprintf("Path '%s' does not exist.", path)}
	case st.IsDir():
		return &usage{fmt.Sprintf("Path '%s' is a directory.", path)}
	}
	return nil
}

// secret says whether a variable holds a secret of the connection: esnap's, or one
// of these command lines.
func (x *session) secret(name string) bool {
	return x.s.Secret(name) || slices.ContainsFunc(options, func(o option) bool { return o.hides() && variable(o.name) == name })
}

// hides says whether the option's value is a secret.
func (o option) hides() bool { return o.secret != "" || o.name == "api_key" || o.name == "http_auth" }

// dial makes the cluster. Nothing is sent yet.
func (x *session) dial() (cluster.Cluster, error) {
	if x.h.Environ != nil {
		warnings, err := connect.CheckVariables(x.s, x.h.Environ())
		for _, w := range warnings {
			x.log.Warn(w)
		}
		if err != nil {
			return nil, err
		}
	}
	o := connect.Options(x.s, x.h.Version, x.purpose())
	if x.showsRequests() {
		o.Trace = func(e es.Exchange) { x.log.Debug(fmt.Sprintf("%s %s %d %s", e.Method, e.URI, e.Status, e.Took)) }
	}
	o.Wait = func(err error, _ time.Duration) { x.log.Warn("Waiting for the cluster: " + err.Error()) }
	o.Warn = func(text string) { x.log.Warn(text) }
	if x.h.Connect != nil {
		return x.h.Connect(o)
	}
	return es.New(o)
}

func (x *session) purpose() connect.Purpose {
	return connect.Purpose{Unattended: x.program == program, DryRun: x.s.DryRun} // single actions are typed
}

// showsRequests says whether the lines of the HTTP client are wanted: by default they
// are on the blacklist.
func (x *session) showsRequests() bool {
	return x.s.HasBlacklist && !slices.ContainsFunc(x.s.Blacklist, func(name string) bool {
		return slices.Contains([]string{"elasticsearch", "elastic_transport", "urllib3"}, strings.TrimSpace(name))
	})
}
