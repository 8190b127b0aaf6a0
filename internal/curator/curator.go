package curator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
)

// Host is what the command lines work with.
type Host struct {
	In       io.Reader
	Out, Err io.Writer
	Env      settings.Env
	Environ  func() []string // the whole environment; nil looks for no misspelt variable
	Now      func() time.Time
	Local    *time.Location
	Version  string
	Watch    clock.Stopwatch // nil: real time
	// TerminationLog is the file for the last words of a run, if it exists; empty: none.
	TerminationLog string
	// Connect makes the cluster; nil speaks HTTP.
	Connect func(es.Options) (cluster.Cluster, error)

	loaded *loaded
}

// loaded are the settings of a command line, as far as they could be read.
type loaded struct {
	s   *settings.Settings // nil: the command line is wrong
	err error
}

// usage is a command line that cannot be obeyed: exit code 2.
type usage struct{ text string }

func (u *usage) Error() string { return u.text }

// coded carries an exit code past cobra.
type coded struct{ code int }

func (c *coded) Error() string { return "exit code " + strconv.Itoa(c.code) }

// The programs whose command lines these are.
const (
	program = "curator"
	cli     = "curator_cli"
	repoMgr = "es_repo_mgr"
)

// Programs are the names that esnap answers to as Curator does.
var Programs = []string{program, cli, repoMgr}

// Main runs a command line of one of Curator's programs and returns its exit code: 2
// for a wrong command line, 1 for every other failure.
func Main(ctx context.Context, h Host, name string, args []string) int {
	h.Out, h.Err, h.loaded = terminal.NewWriter(h.Out), terminal.NewWriter(h.Err), &loaded{}
	root := map[string]func(Host) *cobra.Command{program: newCurator, cli: newCLI, repoMgr: newRepoMgr}[name](h)
	addVersion(root, fmt.Sprintf("%s, version %s\n", name, h.Version))
	root.SetArgs(args)
	root.SetIn(h.In)
	root.SetOut(h.Out)
	root.SetErr(h.Err)
	c, err := root.ExecuteContextC(ctx)
	var done *coded
	var wrong *usage
	switch {
	case err == nil:
		return 0
	case errors.As(err, &done):
		return done.code
	case errors.As(err, &wrong) || strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(h.Err, "Usage: %s\nTry '%s --help' for help.\n\nError: %s\n", c.UseLine(), c.CommandPath(), err)
		h.leave(ctx, c, name+": "+err.Error(), 2)
		return 2
	}
	w := words{c.Flags(), name}
	terminal.Fprintf(h.Err, "%s: %s\n", name, w.error(err))
	if h.loaded.err != nil && errors.Is(err, h.loaded.err) {
		err = settings.Told(err)
	}
	h.leave(ctx, c, name+": "+w.error(err), 1)
	return 1
}

// leave leaves the last words of a command line that did not begin a run, without secrets.
func (h Host) leave(ctx context.Context, c *cobra.Command, text string, code int) {
	s := h.loaded.s
	if s == nil { // options are not understood: the others may still have secrets
		s, _ = settings.Load(nil, h.Env)
	}
	var secrets []string
	for _, o := range options {
		v, given := value(c.Flags(), h.Env, o)
		if !given || !o.hides() {
			continue
		}
		_, password, _ := strings.Cut(v, ":")
		secrets = append(secrets, v, password)
	}
	job.LeaveWords(h.TerminationLog, func(text string) string {
		for _, secret := range secrets {
			if len(secret) > 3 {
				text = strings.ReplaceAll(text, secret, "***")
			}
		}
		return s.Redact(text)
	}, text, codeLine(ctx, code, true))
}

// codeLine is what an exit code of these command lines means. done says that it is also 0 by
// esnap's own rules.
func codeLine(ctx context.Context, code int, done bool) string {
	var signalled *job.Signal
	if code != 0 && errors.As(context.Cause(ctx), &signalled) {
		code = signalled.ExitCode()
	}
	meaning := job.Meaning(code)
	switch {
	case code == 0 && !done:
		meaning = "finished; what went wrong is not a failure by Curator's rules"
	case code == 1:
		meaning = "an action failed, nothing was selected, a file is wrong, or there is no connection"
	case code == 2:
		meaning = "the command line is wrong"
	}
	return fmt.Sprintf("exit code %d: %s", code, meaning)
}

// newRoot is what the programs have in common: their options and their behaviour.
func newRoot(h Host, name, use, short string) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, SilenceErrors: true, SilenceUsage: true, DisableFlagsInUseLine: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usage{err.Error()} })
	c.SetUsageFunc(writeUsage)
	addOptions(c.PersistentFlags(), name)
	return c
}

// columns is how wide help is, as Curator's is.
const columns = 80

// writeUsage writes the second part of a command's help. Cobra's own does not wrap options.
func writeUsage(c *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", c.UseLine())
	if len(c.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAliases:\n  %s\n", c.NameAndAliases())
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\nAvailable Commands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	for _, part := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"Flags", c.LocalFlags()}, {"Global Flags", c.InheritedFlags()}} {
		if part.flags.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n%s:\n%s", part.title, part.flags.FlagUsagesWrapped(columns))
		}
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nUse \"%s [command] --help\" for more information about a command.\n", c.CommandPath())
	}
	_, err := io.WriteString(c.OutOrStderr(), b.String())
	return err
}

// addVersion adds --version, which comes before the arguments are checked. It does not
// use cobra's own version flag: to change its text takes a template, and text/template
// in the binary keeps the linker from leaving out unused methods.
func addVersion(root *cobra.Command, text string) {
	show := root.Flags().BoolP("version", "v", false, "show the version")
	check, run := root.Args, root.RunE
	if check != nil {
		root.Args = func(c *cobra.Command, args []string) error {
			if *show {
				return nil
			}
			return check(c, args)
		}
	}
	root.RunE = func(c *cobra.Command, args []string) error {
		if *show {
			_, err := fmt.Fprint(c.OutOrStdout(), text)
			return err
		}
		return run(c, args)
	}
}

// noCommand is what a program with commands does without one.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usage{fmt.Sprintf("No such command '%s'.", args[0])}
	}
	if c.Flags().NFlag() > 0 {
		return &usage{"Missing command."}
	}
	return c.Help()
}

func newCurator(h Host) *cobra.Command {
	c := newRoot(h, program, "curator [OPTIONS] ACTION_FILE", "Run an action file the way Elasticsearch Curator does")
	c.Args = func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return &usage{"Missing argument 'ACTION_FILE'."}
		case 1:
			return nil
		}
		return &usage{fmt.Sprintf("Got unexpected extra argument (%s)", args[1])}
	}
	c.RunE = func(c *cobra.Command, args []string) error { return runFile(c, h, args[0]) }
	return c
}

func runFile(c *cobra.Command, h Host, file string) error {
	if err := isFile(file); err != nil {
		return err
	}
	x, err := open(c, h, program)
	if err != nil {
		if x != nil { // those hear of it that a run tells how it ended
			_ = x.run(c.Context(), job.Job{File: file, Refused: settings.Told(err)}, false)
		}
		return err
	}
	defer x.close()
	return x.run(c.Context(), job.Job{File: file, AwaitLock: true}, false)
}

// run carries out a file or a plan, with the lines of an action file or of a single action.
func (x *session) run(ctx context.Context, j job.Job, single bool) error {
	j.Flavour, j.Settings, j.Secret, j.Version = x.flavour, x.s, x.secret, x.h.Version
	j.Clock, j.MasterOnly = job.Clock{Now: x.h.Now, Watch: x.h.Watch}, x.s.MasterOnly
	j.Options = run.Options{WaitForCluster: connect.WaitBudget(x.s, x.purpose())}
	j.Dial, j.ExitCode = x.dial, code
	j.Observers = run.Observers{&observer{log: x.log, words: x.words, flavour: x.flavour, single: single, anyServer: x.s.SkipVersionTest}}
	j.TerminationLog = x.h.TerminationLog
	j.LastWords = func(e job.Ended) []string {
		last := e.Report.LastWords()
		last.Error, last.Hint = x.words.fit(strings.ReplaceAll(last.Error, "\n", "; ")), x.words.sentences(last.Hint)
		lines := last.Lines()
		if !x.s.DryRun {
			lines = append(lines, codeLine(ctx, e.Code, job.ResultCode(e.Result, false) == job.OK))
		}
		return lines
	}
	j.Warn = func(text string) { x.log.Warn(text) }
	e := j.Run(ctx)
	if e.Err != nil && e.Stage != run.StageConnect {
		return e.Err
	}
	if e.Code != 0 {
		return &coded{e.Code}
	}
	return nil
}

// reach makes the cluster. It is nil on a node that is not the master, where
// master_only wants nothing done.
func (x *session) reach(ctx context.Context) (cluster.Cluster, error) {
	cl, err := x.dial()
	if err != nil || !x.s.MasterOnly {
		return cl, err
	}
	elected, err := connect.OnMaster(ctx, cl, x.s)
	if err == nil && !elected {
		x.log.Info(notMaster)
		return nil, nil
	}
	return cl, err
}

// logger makes Curator's log: all to stdout with Curator 5, warnings and above to
// stderr with Curator 8.
func logger(h Host, s *settings.Settings, f flavour.Flavour) (*slog.Logger, func(), error) {
	x := &handler{out: h.Out, err: h.Err, format: s.LogFormat, flavour: f, local: h.Local, level: slog.LevelInfo}
	if f == flavour.Curator5 {
		x.err = h.Out
	}
	if s.LogLevel != nil {
		x.level = *s.LogLevel
	}
	to, done, err := s.OpenLog(h.Out)
	if err != nil {
		return nil, nil, err
	}
	if to != nil {
		w := terminal.NewWriter(to)
		x.out, x.err = w, w
	}
	return slog.New(x), done, nil
}
