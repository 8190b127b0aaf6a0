package cmd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
	"github.com/esnap/esnap/repository"
)

// session is one command line with its settings and its log.
type session struct {
	*App
	cobra *cobra.Command
	s     *settings.Settings
	log   *slog.Logger
	// quietRuns means that on a terminal the report tells what log lines would.
	quietRuns bool
	quiet     bool // --quiet: a run that ends with 0 prints nothing for people
	verbose   bool // --verbose
	progress  bool
	// unattended means that a file is run with nobody waiting at a terminal.
	unattended bool
	advises    bool
	reason     string // --reason, for the history
	unread     []unread
}

// open reads the settings and sets up logging. With an error the session is good for
// abort only.
func (a *App) open(c *cobra.Command) (*session, error) {
	s, err := settings.Load(c.Flags(), a.Env)
	a.redact = s.Redact
	if err != nil {
		a.unread = err
		return &session{App: a, cobra: c, s: s, log: slog.New(slog.DiscardHandler)}, err
	}
	flag := func(name string) bool { v, _ := c.Flags().GetBool(name); return v }
	x := &session{
		App: a, cobra: c, s: s, advises: c.Annotations[advises] != "",
		progress: a.ErrTTY && a.getenv("CI") == "" && a.getenv("TERM") != "dumb" && !flag("no-progress"),
	}
	x.quiet = flag("quiet")
	x.reason, _ = c.Flags().GetString("reason")
	if a.colours(s.Color) {
		a.Out = terminal.WithColours(a.Out)
	}
	x.verbose = flag("verbose")
	if err := x.openLog(); err != nil {
		x.log = slog.New(slog.DiscardHandler)
		return x, err
	}
	if !x.advises {
		for _, warning := range s.Warnings {
			x.log.Warn(warning)
		}
	}
	if s.Insecure {
		x.log.Warn("the server's certificate is not verified (insecure): the connection can be intercepted")
	}
	return x, nil
}

// colours says whether stdout gets colours: by default a terminal does, unless NO_COLOR is
// set.
func (a *App) colours(setting string) bool {
	_, unwanted := a.Env("NO_COLOR")
	return setting == "always" || setting == "auto" && a.OutTTY && !unwanted && a.getenv("TERM") != "dumb"
}

func (x *session) openLog() error {
	level := slog.LevelInfo
	if x.ErrTTY {
		level = slog.LevelWarn
		x.quietRuns = x.s.LogLevel == nil && x.s.LogFile == ""
	}
	if x.s.LogLevel != nil {
		level = *x.s.LogLevel
	}
	if x.verbose {
		level, x.quietRuns = slog.LevelDebug, false
	}
	if x.quiet {
		level = slog.LevelError
	}
	w := x.Err
	to, done, err := x.s.OpenLog(x.Out)
	if err != nil {
		return err
	}
	x.closers = append(x.closers, done)
	if to != nil {
		w = terminal.NewWriter(to)
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: attribute}
	if slices.Contains([]string{"json", "logstash", "ecs"}, x.s.LogFormat) {
		x.log = slog.New(slog.NewJSONHandler(w, o))
	} else {
		x.log = slog.New(slog.NewTextHandler(w, o))
	}
	return nil
}

// attribute is an attribute as a line of the log has it: times are UTC, and what is empty is
// omitted.
func attribute(_ []string, attr slog.Attr) slog.Attr {
	switch {
	case attr.Key == slog.TimeKey:
		attr.Value = slog.StringValue(attr.Value.Time().UTC().Format(cluster.LogTime))
	case attr.Value.Kind() == slog.KindString && attr.Value.String() == "":
		return slog.Attr{}
	}
	return attr
}

// advises marks a command that is asked what is wrong with the settings: it prints
// all warnings of them, others log those that matter in each run.
const advises = "advises"

// advise prints what there is to report of the settings.
func (x *session) advise() {
	for _, w := range slices.Concat(x.s.Warnings, x.s.Advice()) {
		terminal.Fprintf(x.Err, "warning: %s\n", w)
	}
}

// checkVariables looks for misspelt variables, once all files are read. Where no
// action file is read, one that nothing reads may be that of such a file.
func (x *session) checkVariables(level slog.Level) error {
	if x.Environ == nil {
		return nil
	}
	warnings, err := connect.CheckVariables(x.s, x.Environ())
	for _, w := range warnings {
		x.log.Log(context.Background(), level, w)
	}
	return err
}

// dial makes the cluster from the settings. Nothing is sent yet. readsFiles means that
// an action file was read, which may name variables of its own.
func (x *session) dial(readsFiles bool) (cluster.Cluster, error) {
	level := slog.LevelDebug
	if readsFiles {
		level = slog.LevelWarn
	}
	if err := x.checkVariables(level); err != nil {
		return nil, err
	}
	o := connect.Options(x.s, Version(), x.purpose())
	o.Trace = func(e es.Exchange) {
		x.log.Debug("request", "method", e.Method, "uri", e.URI, "status", e.Status, "bytes", e.Bytes,
			"took", e.Took.Round(time.Microsecond).String())
	}
	o.Wait = func(err error, elapsed time.Duration) {
		x.log.Warn("waiting for the cluster", "elapsed", elapsed.Round(time.Second).String(), "error", err.Error())
	}
	o.Warn = func(text string) { x.log.Warn(text) }
	return x.client(o)
}

// client makes the cluster. An error is of the settings, or that there are no credentials.
func (a *App) client(o es.Options) (cluster.Cluster, error) {
	c, err := a.connect(o)
	if err != nil {
		return nil, err
	}
	return repository.Explained(c), nil
}

func (a *App) connect(o es.Options) (cluster.Cluster, error) {
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
	a.closers = append(a.closers, func() { _ = client.Close() })
	return client, nil
}

func (x *session) purpose() connect.Purpose {
	return connect.Purpose{Unattended: x.unattended, DryRun: x.s.DryRun}
}

// reach makes the cluster and waits until it answers.
func (a *App) reach(c *cobra.Command) (*session, cluster.Cluster, error) {
	x, err := a.open(c)
	if err != nil {
		return nil, nil, err
	}
	cl, err := x.reach(c.Context())
	return x, cl, err
}

// reachToAsk is reach for a command that asks before it changes something. Where nobody can
// answer, it ends before anything is sent.
func (a *App) reachToAsk(c *cobra.Command, yes bool) (*session, cluster.Cluster, error) {
	x, err := a.open(c)
	if err != nil {
		return nil, nil, err
	}
	if !yes && !x.s.DryRun && !a.interactive() {
		return nil, nil, a.confirm(c.Context(), false, "")
	}
	cl, err := x.reach(c.Context())
	return x, cl, err
}

func (x *session) reach(ctx context.Context) (cluster.Cluster, error) {
	cl, err := x.dial(false)
	if err != nil {
		return nil, err
	}
	server, err := cl.Server(ctx)
	if err == nil {
		x.server = &server
	}
	return cl, err
}

// Observe implements run.Observer: it notes which cluster answers.
func (x *session) Observe(e run.Event) {
	if e, ok := e.(run.Connected); ok {
		x.server = &e.Server
	}
}

// nameCluster says which cluster a question, a plan or a change is about. A command says
// it once.
func (x *session) nameCluster(w io.Writer) {
	if x.server == nil || x.named {
		return
	}
	x.named = true
	name := x.server.String()
	if x.server.Name != "" {
		name = x.server.Name + ", " + name
	}
	terminal.Fprintf(w, "Cluster %s, %s\n", name, settings.Mask(strings.Join(x.s.URLs, ",")))
}

// say tells on stdout what was done, or would be. With --quiet it does not.
func (x *session) say(format string, args ...any) {
	if !x.quiet {
		terminal.Fprintf(x.Out, format+"\n", args...)
	}
}

// confirm asks a question on the terminal, and names the cluster first.
func (x *session) confirm(ctx context.Context, yes bool, question string) error {
	if !yes && x.interactive() {
		x.nameCluster(x.Err)
	}
	return x.App.confirm(ctx, yes, question)
}

// plan reads and parses an action file, as esnap run does.
func (x *session) plan(file string) (*plan.Plan, error) {
	f, err := x.parse(file)
	return f.plan, err
}

// environ is the whole environment, as far as it is known.
func (x *session) environ() []string {
	if x.Environ == nil {
		return nil
	}
	return x.Environ()
}

// job is a job with everything that the command line gives. With a plan it is that of a
// command; otherwise the file is read.
func (x *session) job(p *plan.Plan, o run.Options) job.Job {
	o.WaitForCluster = connect.WaitBudget(x.s, x.purpose())
	o.LetThrough = x.letThrough
	j := job.Job{
		In: x.In, Plan: p, Flavour: flavour.Native, Settings: x.s, Clock: job.Clock{Now: x.Now, Watch: x.Watch}, Version: Version(), Options: o,
		Dial:           func() (cluster.Cluster, error) { return x.dial(p == nil) },
		TerminationLog: x.TerminationLog, ItemLevel: slog.LevelDebug, Observers: run.Observers{x},
		Warn: func(text string) { x.log.Warn(text) }, Reason: x.reason, Environ: x.environ(), AwaitLock: x.unattended,
	}
	if f := x.s.LogFile; f != "" && f != "-" { // a record that stays when the run is killed before it reports
		j.ItemLevel = slog.LevelInfo
	}
	if !x.quietRuns {
		j.Log = x.log
	}
	logged := j.Log != nil && (x.s.LogFile == "" || x.s.LogFile == "-") && x.log.Enabled(context.Background(), slog.LevelInfo)
	if x.progress && !logged { // the log would have the same in the same place
		j.Screen, j.Columns = x.screen, x.ErrColumns
	}
	return j
}

// carryOut runs a job and writes its report. All commands that act end here.
func (x *session) carryOut(ctx context.Context, j job.Job, output string) error {
	return x.show(j.Run(ctx), output)
}

// show writes how a job ended. An error carries the exit code, if it is not 0.
func (x *session) show(e job.Ended, output string) error {
	if e.NotOurs {
		return nil
	}
	table := isTable(output)
	switch {
	case e.Stage == run.StageFile, e.Stage == run.StageSettings: // nothing was sent
		return e.Err
	case x.explain(e, table) && table:
		return &exit{e.Code}
	}
	if err := x.write(e.Code, output, e.Report); err != nil {
		return err
	}
	return exitWith(e.Code)
}

// isTable says whether an output is made for people.
func isTable(output string) bool { return output == "table" || output == "wide" }

// explain writes to stderr what the report does not say. It reports whether the run never
// began, so that there is nothing to report.
func (x *session) explain(e job.Ended, table bool) (never bool) {
	switch {
	case !e.Result.Reached && e.Result.Err != nil:
		x.printError(e.Result.Err)
		return true
	case !table && x.quietRuns: // neither log lines nor the report on stdout tell a person
		for _, err := range e.Result.Errors() {
			x.printError(err)
		}
	}
	return false
}

// write writes a report to stdout. With --quiet, a table of a run that ends with 0 is not
// written.
func (x *session) write(code int, output string, r interface {
	Write(w io.Writer, format string) error
}) error {
	if x.quiet && isTable(output) && code == 0 {
		return nil
	}
	if isTable(output) && x.s.DryRun {
		x.nameCluster(x.Out)
	}
	return r.Write(x.Out, output)
}

// exitWith is an error that carries the exit code; nil for 0.
func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &exit{code}
}
