package curator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
)

// Host is what the command lines work with.
type Host struct {
	Out, Err io.Writer
	Env      settings.Env
	Now      func() time.Time
	Local    *time.Location
	Version  string
	// Connect makes the cluster; nil speaks HTTP.
	Connect func(es.Options) (cluster.Cluster, error)
}

// usage is a command line that cannot be obeyed: exit code 2.
type usage struct{ text string }

func (u *usage) Error() string { return u.text }

// coded carries an exit code past cobra.
type coded struct{ code int }

func (c *coded) Error() string { return "exit code " + strconv.Itoa(c.code) }

// Main runs a command line of Curator's and returns its exit code: 2 for a wrong
// command line, 1 for every other failure (spec/curator §1.4).
func Main(ctx context.Context, h Host, args []string) int {
	c := newCurator(h)
	c.SetArgs(args)
	c.SetOut(h.Out)
	c.SetErr(h.Err)
	err := c.ExecuteContext(ctx)
	var done *coded
	var wrong *usage
	switch {
	case err == nil:
		return 0
	case errors.As(err, &done):
		return done.code
	case errors.As(err, &wrong):
		fmt.Fprintf(h.Err, "Usage: curator [OPTIONS] ACTION_FILE\nTry 'curator --help' for help.\n\nError: %s\n", wrong.text)
		return 2
	}
	fmt.Fprintf(h.Err, "curator: %s\n", said(err))
	return 1
}

// option is one option of Curator 8's client, and the setting it stands for.
type option struct {
	name, setting, usage string
	boolean              bool
	invert               bool // true stands for false
	hidden               bool
}

var options = []option{
	{name: "hosts", setting: "url", usage: "address of the cluster; may be repeated"},
	{name: "cloud_id", usage: "Elastic Cloud id"},
	{name: "api_token", setting: "api-key", usage: "API key, base64 of id:key"},
	{name: "id", usage: "id of an API key"},
	{name: "api_key", usage: "the API key of that id"},
	{name: "username", setting: "username", usage: "user name"},
	{name: "password", setting: "password", usage: "password"},
	{name: "bearer_auth", setting: "bearer-token", usage: "bearer token", hidden: true},
	{name: "request_timeout", setting: "timeout", usage: "time-out of a request, in seconds"},
	{name: "verify_certs", setting: "insecure", usage: "verify the server's certificate", boolean: true, invert: true},
	{name: "ca_certs", setting: "ca-file", usage: "PEM file of the certificate authority"},
	{name: "client_cert", setting: "client-cert", usage: "PEM file of a client certificate"},
	{name: "client_key", setting: "client-key", usage: "PEM file of its key"},
	{name: "ssl_assert_hostname", setting: "server-name", usage: "name the certificate must have", hidden: true},
	{name: "loglevel", setting: "log-level", usage: "DEBUG, INFO, WARNING, ERROR or CRITICAL"},
	{name: "logfile", setting: "log-file", usage: "write log lines to this file"},
	{name: "logformat", setting: "log-format", usage: "default, json or ecs"},
	{name: "compat", setting: "compat", usage: "generation of Curator whose defaults count, 5 or 8 (esnap's own)"},
	{name: "guards", setting: "guards", usage: "off: spare nothing that Curator did not (esnap's own)"},
}

func newCurator(h Host) *cobra.Command {
	var config string
	var dryRun, version bool
	c := &cobra.Command{
		Use: "curator [OPTIONS] ACTION_FILE", Short: "Run an action file the way Elasticsearch Curator does",
		SilenceErrors: true, SilenceUsage: true,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case version:
				return nil
			case len(args) == 0:
				return &usage{"Missing argument 'ACTION_FILE'."}
			case len(args) > 1:
				return &usage{fmt.Sprintf("Got unexpected extra argument (%s)", args[1])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if version {
				_, err := fmt.Fprintf(h.Out, "curator, version %s\n", h.Version)
				return err
			}
			return runFile(c, h, config, dryRun, args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&config, "config", "", "client file")
	f.BoolVar(&dryRun, "dry-run", false, "do not perform any changes")
	f.BoolVarP(&version, "version", "v", false, "show the version")
	for _, o := range options {
		if o.boolean {
			f.Bool(o.name, true, o.usage)
			f.Bool("no-"+o.name, false, "the opposite of --"+o.name)
		} else if o.name == "hosts" {
			f.StringArray(o.name, nil, o.usage)
		} else {
			f.String(o.name, "", o.usage)
		}
		if o.hidden {
			_ = f.MarkHidden(o.name)
		}
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usage{err.Error()} })
	return c
}

// load translates options, ESCLIENT_* variables and the client file into settings.
func load(c *cobra.Command, h Host, config string) (*settings.Settings, error) {
	own := pflag.NewFlagSet("curator", pflag.ContinueOnError)
	settings.Flags(own)
	for _, key := range []string{"guards", "compat"} {
		settings.AddFlag(own, key)
	}
	if config == "" {
		config, _ = h.Env("ESCLIENT_CONFIG")
	}
	set := map[string]string{}
	if config != "" {
		set["config"] = config
	}
	values := map[string]string{}
	for _, o := range options {
		v, given := value(c.Flags(), h.Env, o)
		if !given {
			continue
		}
		values[o.name] = v
		if o.name == "cloud_id" {
			host, err := settings.CloudHost(v)
			if err != nil {
				return nil, &usage{"cloud_id: " + err.Error()}
			}
			set["url"] = host
		}
		if o.setting != "" && own.Lookup(o.setting) != nil {
			set[o.setting] = v
		}
	}
	for key, v := range set {
		if err := own.Set(key, v); err != nil {
			return nil, &usage{err.Error()}
		}
	}
	// Secrets have no flag of their own: they come as the environment would.
	secrets := map[string]string{"ESNAP_PASSWORD": values["password"], "ESNAP_API_KEY": values["api_token"], "ESNAP_BEARER_TOKEN": values["bearer_auth"]}
	if values["id"] != "" && values["api_key"] != "" && values["api_token"] == "" {
		secrets["ESNAP_API_KEY"] = values["id"] + ":" + values["api_key"]
	}
	return settings.Load(own, func(name string) (string, bool) {
		if v := secrets[name]; v != "" {
			return v, true
		}
		return h.Env(name)
	})
}

// value is what the command line or the environment says for an option.
func value(f *pflag.FlagSet, env settings.Env, o option) (string, bool) {
	v, given := "", false
	if e, set := env("ESCLIENT_" + strings.ToUpper(strings.ReplaceAll(o.name, "-", "_"))); set && e != "" {
		v, given = e, true
		if o.name == "hosts" {
			v = strings.Join(strings.Fields(e), ",")
		}
	}
	if f.Changed(o.name) {
		v, given = f.Lookup(o.name).Value.String(), true
		if o.name == "hosts" {
			list, _ := f.GetStringArray(o.name)
			v = strings.Join(list, ",")
		}
	}
	if o.boolean {
		if f.Changed("no-" + o.name) {
			v, given = "false", true
		}
		if b, err := strconv.ParseBool(v); given && err == nil && o.invert {
			v = strconv.FormatBool(!b)
		}
	}
	if o.name == "request_timeout" && given {
		v += "s"
	}
	return v, given
}

func runFile(c *cobra.Command, h Host, config string, dryRun bool, file string) error {
	for _, f := range []string{config, file} {
		if st, err := os.Stat(f); f != "" && (err != nil || st.IsDir()) {
			return &usage{fmt.Sprintf("Path '%s' does not exist.", f)}
		}
	}
	s, err := load(c, h, config)
	if err != nil {
		return err
	}
	flavour := actions.Curator8
	if s.Dialect == settings.Curator5 && s.Compat == 0 || s.Compat == 5 {
		flavour = actions.Curator5
	}
	log, closeLog, err := logger(h, s, flavour)
	if err != nil {
		return err
	}
	defer closeLog()
	for _, w := range s.Warnings {
		log.Warn(w)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p, err := plan.Parse(file, data, plan.Options{Flavour: flavour, Env: h.Env, Guards: s.Guards})
	if err != nil {
		return err
	}
	if env, _ := h.Env("ESCLIENT_DRY_RUN"); env == "1" || strings.EqualFold(env, "true") {
		dryRun = true
	}
	cl, err := dial(h, s, log)
	if err != nil {
		return err
	}
	if s.MasterOnly {
		if elected, err := connect.OnMaster(c.Context(), cl, s); err != nil || !elected {
			if err == nil {
				log.Info("Master-only flag detected. Connected to non-master node. Aborting.")
			}
			return err
		}
	}
	result := run.Run(c.Context(), p, cl, run.Options{
		Now: h.Now(), Watch: cluster.RealTime(), DryRun: dryRun || s.DryRun, Timeout: s.Timeout, Remote: connect.Remote(h.Version),
	}, &observer{log: log, flavour: flavour})
	if n := code(result); n != 0 {
		return &coded{n}
	}
	return nil
}

func dial(h Host, s *settings.Settings, log *slog.Logger) (cluster.Cluster, error) {
	o := connect.Options(s, h.Version)
	o.Trace = func(x es.Exchange) { log.Debug(fmt.Sprintf("%s %s %d %s", x.Method, x.URI, x.Status, x.Took)) }
	o.Wait = func(err error, _ time.Duration) { log.Warn("Waiting for the cluster: " + err.Error()) }
	if !s.Has("connect-timeout") {
		o.ConnectTimeout = 10 * time.Minute
	}
	if h.Connect != nil {
		return h.Connect(o)
	}
	return es.New(o)
}

// logger makes Curator's log: all to stdout with Curator 5, warnings and above to
// stderr with Curator 8.
func logger(h Host, s *settings.Settings, f actions.Flavour) (*slog.Logger, func(), error) {
	x := &handler{out: h.Out, err: h.Err, format: s.LogFormat, local: h.Local, level: slog.LevelInfo}
	if f == actions.Curator5 {
		x.err = h.Out
	}
	switch s.LogLevel {
	case "debug":
		x.level = slog.LevelDebug
	case "warning":
		x.level = slog.LevelWarn
	case "error":
		x.level = slog.LevelError
	}
	closeLog := func() {}
	if s.LogFile != "" {
		file, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, nil, fmt.Errorf("open the log file: %w", err)
		}
		x.out, x.err, closeLog = file, file, func() { _ = file.Close() }
	}
	return slog.New(x), closeLog, nil
}
