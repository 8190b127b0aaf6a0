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
	In       io.Reader
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

// The programs whose command lines these are.
const (
	program = "curator"
	cli     = "curator_cli"
	repoMgr = "es_repo_mgr"
)

// Programs are the names that esnap answers to as Curator does.
var Programs = []string{program, cli, repoMgr}

// Main runs a command line of one of Curator's programs and returns its exit code: 2
// for a wrong command line, 1 for every other failure (spec/curator §1.4).
func Main(ctx context.Context, h Host, name string, args []string) int {
	root := map[string]func(Host) *cobra.Command{program: newCurator, cli: newCLI, repoMgr: newRepoMgr}[name](h)
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
		return 2
	}
	fmt.Fprintf(h.Err, "%s: %s\n", name, words{c.Flags(), name}.error(err))
	return 1
}

// newRoot is what the programs have in common: their options and their manners.
func newRoot(h Host, name, use, short string) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, SilenceErrors: true, SilenceUsage: true, Version: h.Version, DisableFlagsInUseLine: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	c.SetVersionTemplate(name + ", version {{.Version}}\n")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usage{err.Error()} })
	c.Flags().BoolP("version", "v", false, "show the version")
	addOptions(c.PersistentFlags(), name)
	return c
}

// noCommand is what a program with commands does without one.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usage{fmt.Sprintf("No such command '%s'.", args[0])}
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
	if st, err := os.Stat(file); err != nil || st.IsDir() {
		return &usage{fmt.Sprintf("Path '%s' does not exist.", file)}
	}
	x, err := open(c, h, program)
	if err != nil {
		return err
	}
	defer x.close()
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p, err := plan.Parse(file, data, plan.Options{Flavour: x.flavour, Env: h.Env, Guards: x.s.Guards})
	if err != nil {
		return err
	}
	return x.run(c.Context(), p, false)
}

// run carries out a plan, with the lines of an action file or of a single action.
func (x *session) run(ctx context.Context, p *plan.Plan, single bool) error {
	for _, w := range p.Findings {
		if w.Tolerated {
			x.log.Warn(w.Error())
		}
	}
	reach := x.reach
	if p.Idle(p.Steps) {
		reach = func(context.Context) (cluster.Cluster, error) { return x.dial() }
	}
	cl, err := reach(ctx)
	if err != nil || cl == nil {
		return err
	}
	result := run.Run(ctx, p, cl, run.Options{
		Now: x.h.Now(), Watch: cluster.RealTime(), DryRun: x.dryRun, Timeout: x.s.Timeout, Remote: connect.Remote(x.h.Version),
	}, &observer{log: x.log, words: x.words, flavour: x.flavour, single: single, anyServer: x.s.SkipVersionTest})
	if n := code(result); n != 0 {
		return &coded{n}
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
		x.log.Info("Master-only flag detected. Connected to non-master node. Aborting.")
		return nil, nil
	}
	return cl, err
}

// logger makes Curator's log: all to stdout with Curator 5, warnings and above to
// stderr with Curator 8.
func logger(h Host, s *settings.Settings, f actions.Flavour) (*slog.Logger, func(), error) {
	x := &handler{out: h.Out, err: h.Err, format: s.LogFormat, flavour: f, local: h.Local, level: slog.LevelInfo}
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
