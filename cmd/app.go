// Package cmd is the command tree: one file per command. A command parses its
// flags into options and calls the same engine as an action file.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/internal/terminal"
)

// App is what a command works with; tests give their own streams, time and
// cluster.
type App struct {
	In            io.Reader
	Out, Err      io.Writer
	InTTY, ErrTTY bool
	// Name is the name the program was called by; Local the zone of Curator's log
	// lines, by default the machine's.
	Name  string
	Local *time.Location
	Env   settings.Env
	// Environ lists the whole environment, as os.Environ does: a misspelt variable
	// is found in it. nil looks for none.
	Environ func() []string
	Now     func() time.Time
	// TerminationLog is the file for a run's last words, if it exists; empty: none.
	TerminationLog string
	// Connect makes the cluster; nil speaks HTTP.
	Connect func(es.Options) (cluster.Cluster, error)

	screen     io.Writer // Err as it is, for progress: it steers the terminal
	settings   *settings.Settings
	log        *slog.Logger
	closeLog   func()
	noProgress bool
	patience   time.Duration // how long the cluster is waited for
	quietRuns  bool          // on a terminal the report says what log lines would
}

// Main runs one command line and returns the process's exit code. Only errors go
// to stderr from here: one or two lines, the hint on its own.
func Main(ctx context.Context, app *App, args []string) int {
	app.screen = app.Err
	app.Out, app.Err = terminal.NewWriter(app.Out), terminal.NewWriter(app.Err)
	root := newRoot(app)
	var commands []string
	for _, c := range root.Commands() {
		commands = append(append(commands, c.Name()), c.Aliases...)
	}
	if program, rest, ok := asCurator(app.Name, args, append(commands, "help", "completion", "__complete", "__completeNoDesc")); ok {
		return app.curator(ctx, program, rest)
	}
	root.SetArgs(args)
	root.SetIn(app.In)
	root.SetOut(app.Out)
	root.SetErr(app.Err)
	err := root.ExecuteContext(ctx)
	if app.closeLog != nil {
		defer app.closeLog()
	}
	if ctx.Err() != nil && !errors.As(err, new(*exit)) {
		err = context.Cause(ctx)
	}
	var done *exit
	if errors.As(err, &done) {
		return done.code
	}
	if err != nil {
		app.sayError(err)
		app.terminated("esnap: "+err.Error(), hintFor(err, app.settings))
	}
	return exitCode(err, false)
}

// sayError writes an error and its hint. Further lines of an error are indented, so
// that no name in it can pass for a message of esnap's.
func (a *App) sayError(err error) {
	fmt.Fprintf(a.Err, "esnap: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n       "))
	if hint := hintFor(err, a.settings); hint != "" {
		terminal.Fprintf(a.Err, "hint: %s\n", hint)
	}
}

func hintFor(err error, s *settings.Settings) string {
	if h := cluster.Hint(err); h != "" {
		return h
	}
	var se *settings.Error
	if errors.As(err, &se) {
		return se.Hint
	}
	var ue *usageError
	if errors.As(err, &ue) {
		return ue.hint
	}
	if s != nil && s.IsDefaultURL() && errors.Is(err, cluster.ErrUnreachable) {
		return "nothing says where the cluster is, so " + settings.DefaultURL + " was tried; set --url or ESNAP_URL (in KubeSphere http://elasticsearch-logging-data.kubesphere-logging-system.svc:9200)"
	}
	return ""
}

// exit carries an exit code past cobra, for commands that have said everything.
type exit struct{ code int }

func (e *exit) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// usageError is a command line that cannot be obeyed.
type usageError struct {
	text string
	hint string
}

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{text: fmt.Sprintf(format, args...)} }

// Signal is the cause of a context that a signal ended.
type Signal struct{ Number syscall.Signal }

func (s *Signal) Error() string {
	if s.Number == syscall.SIGTERM {
		return "terminated: nothing new was started"
	}
	return "interrupted: nothing new was started"
}

// errDeadline is the cause of a context that the deadline ended.
type errDeadline struct{ after time.Duration }

func (e errDeadline) Error() string {
	return fmt.Sprintf("the deadline of %s is over: nothing new was started", e.after)
}

// WithSignals ends the context at the first SIGINT or SIGTERM; the second one
// ends the process.
func WithSignals(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		if s, ok := <-ch; ok {
			cancel(&Signal{s.(syscall.Signal)})
			signal.Stop(ch)
		}
	}()
	return ctx, func() { signal.Stop(ch); cancel(nil) }
}

// load reads the settings once, and sets up logging.
func (a *App) load(c *cobra.Command) (*settings.Settings, error) {
	if a.settings != nil {
		return a.settings, nil
	}
	s, err := settings.Load(c.Flags(), a.Env)
	if err != nil {
		return nil, err
	}
	a.settings = s
	a.noProgress, _ = c.Flags().GetBool("no-progress")
	return s, a.setUpLog(c)
}

func (a *App) setUpLog(c *cobra.Command) error {
	s := a.settings
	level := slog.LevelInfo
	if a.ErrTTY {
		level = slog.LevelWarn
		a.quietRuns = s.LogLevel == "" && s.LogFile == ""
	}
	switch s.LogLevel {
	case "debug":
		level = slog.LevelDebug
	case "info":
		level = slog.LevelInfo
	case "warning":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	}
	if v, _ := c.Flags().GetBool("verbose"); v {
		level = slog.LevelDebug
		a.quietRuns = false
	}
	if q, _ := c.Flags().GetBool("quiet"); q {
		level = slog.LevelError
	}
	var w io.Writer = a.Err
	to, done, err := s.OpenLog(a.Out)
	if err != nil {
		return err
	}
	a.closeLog = done
	if to != nil {
		w = terminal.NewWriter(to)
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: utc}
	if s.LogFormat == "json" || s.LogFormat == "logstash" || s.LogFormat == "ecs" {
		a.log = slog.New(slog.NewJSONHandler(w, o))
	} else {
		a.log = slog.New(slog.NewTextHandler(w, o))
	}
	if c.Annotations[advises] == "" {
		for _, warning := range s.Warnings {
			a.log.Warn(warning)
		}
	}
	if s.Insecure {
		a.log.Warn("the server's certificate is not verified (insecure): whoever is in between can read and change everything")
	}
	return nil
}

func utc(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey {
		attr.Value = slog.StringValue(attr.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	return attr
}

// interactive says whether a person can be asked.
func (a *App) interactive() bool { return a.InTTY && a.ErrTTY && a.getenv("CI") == "" }

// getenv is the value of an environment variable, or nothing.
func (a *App) getenv(name string) string { v, _ := a.Env(name); return v }

// advises marks a command that is asked what is wrong with the settings: it prints
// all warnings of them, others log those that matter in each run.
const advises = "advises"

// advise prints what there is to say of the settings.
func (a *App) advise() {
	for _, w := range slices.Concat(a.settings.Warnings, a.settings.Advice()) {
		terminal.Fprintf(a.Err, "warning: %s\n", w)
	}
}

// checkVariables looks for misspelt variables, once all files are read. Where no
// action file is read, one that nothing reads may be that of such a file.
func (a *App) checkVariables(level slog.Level) error {
	if a.Environ == nil {
		return nil
	}
	warnings, err := connect.CheckVariables(a.settings, a.Environ())
	for _, w := range warnings {
		a.log.Log(context.Background(), level, w)
	}
	return err
}

// connect makes the cluster from the settings. Nothing is sent yet.
func (a *App) connect(c *cobra.Command) (cluster.Cluster, error) {
	s, err := a.load(c)
	if err != nil {
		return nil, err
	}
	level := slog.LevelDebug
	if c.Name() == "run" {
		level = slog.LevelWarn
	}
	if err := a.checkVariables(level); err != nil {
		return nil, err
	}
	o := connect.Options(s, Version(), connect.Use{Unattended: c.Name() == "run" && !a.interactive(), DryRun: s.DryRun})
	o.Trace = func(x es.Exchange) {
		a.log.Debug("request", "method", x.Method, "uri", x.URI, "status", x.Status, "bytes", x.Bytes, "took", x.Took.Round(time.Microsecond).String())
	}
	o.Wait = func(err error, elapsed time.Duration) {
		a.log.Warn("waiting for the cluster", "elapsed", elapsed.Round(time.Second).String(), "error", err.Error())
	}
	o.Warn = func(text string) { a.log.Warn(text) }
	a.patience = o.ConnectTimeout
	if a.Connect != nil {
		return a.Connect(o)
	}
	client, err := es.New(o)
	var known *cluster.Error
	switch {
	case errors.As(err, &known): // no credentials
		return nil, err
	case err != nil:
		return nil, &settings.Error{Text: err.Error()}
	}
	return client, nil
}

// reach makes the cluster and waits until it answers.
func (a *App) reach(c *cobra.Command) (cluster.Cluster, error) {
	cl, err := a.connect(c)
	if err != nil {
		return nil, err
	}
	_, err = cl.Server(c.Context())
	return cl, err
}

// exitCode is the one mapping of errors to exit codes (design §2); wrote says
// that the cluster may have been changed.
func exitCode(err error, wrote bool) int {
	var (
		signalled *Signal
		usage     *usageError
		runUsage  *run.UsageError
		setting   *settings.Error
		file      *strictyaml.Error
		refused   *cluster.Refused
		coded     *exit
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &signalled):
		return 128 + int(signalled.Number)
	case errors.As(err, &usage), errors.As(err, &runUsage), errors.As(err, &setting), errors.As(err, &file):
		return 2
	case !wrote && (errors.Is(err, cluster.ErrUnreachable) || errors.Is(err, cluster.ErrUnauthorized) || errors.Is(err, cluster.ErrUnavailable)):
		return 3
	case errors.As(err, &refused):
		return 4
	}
	return 1
}

// codes in the order in which they win over each other.
var severity = []int{130, 143, 2, 3, 1, 4, 5}

// resultCode is the exit code of a whole run.
func resultCode(r run.Result, failOnSpared bool) int {
	codes := map[int]bool{}
	for _, err := range r.Errors() {
		codes[exitCode(err, r.Wrote)] = true
	}
	for _, a := range r.Actions {
		if a.Less || failOnSpared && a.Guarded > 0 {
			codes[5] = true
		}
	}
	for _, c := range severity {
		if codes[c] {
			return c
		}
	}
	return 0
}

// exitCodes is shown in every help text.
const exitCodes = `Exit codes:
  0    everything asked for was done, and seen in the cluster
  1    an action failed, or something named does not exist
  2    the command line, a setting or the file is wrong; nothing was sent
  3    the cluster cannot be reached, or refuses the credentials
  4    refused by a brake or the planner; nothing was changed
  5    nothing failed, but the result is less than whole
  130  interrupted (143: terminated); nothing new was started`
