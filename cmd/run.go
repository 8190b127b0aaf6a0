package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
)

// runOptions are the flags of esnap run.
type runOptions struct {
	File           string
	Only, Skip     []string
	Now            string
	Output         string
	Force          bool
	AllowClockSkew bool
	FailOnSpared   bool
}

func newRun(app *App) *cobra.Command {
	o := &runOptions{}
	c := &cobra.Command{
		Use: "run FILE | -", Short: "Run an action file",
		Long: `Run the actions of a file in the order of their ids. The report goes to stdout,
log lines to stderr. A file may also declare repositories; see the action file
reference in docs/.`,
		Example: `  esnap run action_file.yml
  esnap run -n action_file.yml                 say what would be done
  esnap run -n -o name action_file.yml         one action/item a line, for diff
  esnap run --only 1,3 action_file.yml
  esnap run -n --now 2026-12-24T01:00:00Z action_file.yml`,
		Args: wantArgs(1, 1, "one action file, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error {
			o.File = args[0]
			return runFile(c, app, o)
		},
	}
	f := c.Flags()
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	settings.AddFlag(f, "guards")
	f.StringSliceVar(&o.Only, "only", nil, "run only the actions with these ids")
	f.StringSliceVar(&o.Skip, "skip", nil, "leave out the actions with these ids")
	f.StringVar(&o.Now, "now", "", "judge ages and names as of this time (dry run only)")
	f.BoolVar(&o.Force, "force", false, "go through refusals: a repository that points elsewhere, a disk that gets too full")
	f.BoolVar(&o.AllowClockSkew, "allow-clock-skew", false, "delete although the clock here and the cluster's differ by more than 15 minutes")
	f.BoolVar(&o.FailOnSpared, "fail-on-spared", false, "exit 5 when a guard spared something")
	outputFlag(c, &o.Output, report.Formats...)
	return c
}

func runFile(c *cobra.Command, app *App, o *runOptions) error {
	s, err := app.load(c)
	if err != nil {
		return err
	}
	data, name, err := readActionFile(app, o.File)
	if err != nil {
		return err
	}
	p, err := plan.Parse(name, data, plan.Options{Flavour: actions.Native, Env: s.Lookup, Secret: s.Secret, Guards: s.Guards})
	if err != nil {
		return err
	}
	now := app.Now()
	if o.Now != "" {
		if !s.DryRun {
			return &usageError{text: "--now judges ages as of another time, so it goes with --dry-run only"}
		}
		if now, err = parseTime(o.Now, now); err != nil {
			return err
		}
	}
	cl, err := app.connect(c)
	if err != nil {
		return err
	}
	if s.MasterOnly && !p.Idle(p.Steps) {
		if elected, err := connect.OnMaster(c.Context(), cl, s); err != nil || !elected {
			if err == nil {
				app.log.Info("nothing is done: master_only is set, and this node is not the master")
			}
			return err
		}
	}
	return app.carryOut(c.Context(), p, cl, run.Options{
		Now: now, DryRun: s.DryRun, Imagined: o.Now != "", Only: o.Only, Skip: o.Skip,
		Force: o.Force, AllowClockSkew: o.AllowClockSkew, Timeout: s.Timeout, Remote: connect.Remote(Version()),
	}, o.Output, o.FailOnSpared, s.Deadline)
}

// carryOut runs a plan and writes its report. All commands that act end here.
func (a *App) carryOut(ctx context.Context, p *plan.Plan, cl cluster.Cluster, o run.Options, output string, failOnSpared bool, deadline time.Duration) error {
	result, r := a.execute(ctx, p, cl, o, failOnSpared, deadline)
	table := output == "table" || output == "wide"
	switch {
	case r.Server == "" && result.Err != nil: // it never began: there is nothing to report
		a.sayError(result.Err)
		if table {
			return &exit{r.ExitCode}
		}
	case !table && a.quietRuns: // neither log lines nor the report on stdout tell a person
		for _, err := range result.Errors() {
			a.sayError(err)
		}
	}
	if err := r.Write(a.Out, output); err != nil {
		return err
	}
	if r.ExitCode != 0 {
		return &exit{r.ExitCode}
	}
	return nil
}

func (a *App) execute(ctx context.Context, p *plan.Plan, cl cluster.Cluster, o run.Options, failOnSpared bool, deadline time.Duration) (run.Result, *report.Report) {
	if deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, deadline, errDeadline{deadline})
		defer cancel()
	}
	o.Watch, o.WaitForCluster = cluster.RealTime(), a.patience
	collector := report.NewCollector(p.File, o.Now, o.DryRun)
	progress := newProgress(a)
	observers := run.Observers{collector, progress}
	if !a.quietRuns {
		observers = append(observers, &logObserver{log: a.log, items: a.itemLevel()})
	}
	result := run.Run(ctx, p, cl, o, observers)
	progress.clear()
	r := collector.Report(resultCode(result, failOnSpared))
	if r.Hint == "" && result.Err != nil {
		r.Hint = hintFor(result.Err, a.settings)
	}
	a.terminated(r.LastWords()...)
	return result, r
}

// itemLevel is the level of log lines about items: a log file of its own is a record
// that stays when the run is killed before it reports.
func (a *App) itemLevel() slog.Level {
	if f := a.settings.LogFile; f != "" && f != "-" {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// readActionFile reads a file, or standard input for -.
func readActionFile(app *App, file string) (data []byte, name string, err error) {
	if file == "-" {
		data, err = io.ReadAll(app.In)
		return data, "standard input", err
	}
	data, err = os.ReadFile(file)
	if err != nil {
		reason := err
		var pe *os.PathError
		if errors.As(err, &pe) {
			reason = pe.Err
		}
		return nil, "", usagef("read the action file %s: %s", file, reason)
	}
	return data, file, nil
}

// parseTime reads a time on the command line: RFC 3339, a date with or without a
// time (UTC), or an age such as 3d.
func parseTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "2006.01.02"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, nil
		}
	}
	if d, ok := strictyaml.ParseDuration(text); ok {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef("invalid time %q; write 2026-11-21, 2026-11-21T01:00:00Z, or an age such as 3d", text)
}

func newValidate(app *App) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use: "validate FILE...", Annotations: map[string]string{advises: "yes"}, Short: "Check action files without a cluster",
		Long: `Check action files without touching a cluster. Every error is shown with its
file, line and column; files that are valid but dangerous are warned about.`,
		Example: `  esnap validate action_file.yml
  esnap validate examples/actions/*.yml
  esnap validate --strict action_file.yml     warnings are errors`,
		Args: wantArgs(1, -1, "one or more action files"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := app.load(c)
			if err != nil {
				return err
			}
			app.advise()
			undecided := s.Compat == 0 && s.Dialect != settings.Curator5 && s.Dialect != settings.Curator8
			bad := 0
			for _, file := range args {
				data, name, err := readActionFile(app, file)
				if err != nil {
					return err
				}
				p, err := plan.Parse(name, data, plan.Options{Flavour: actions.Native, Env: s.Lookup, Secret: s.Secret, Undecided: undecided, Curators: s.Dialect != settings.Own})
				if err != nil {
					fmt.Fprintln(app.Err, err)
					bad++
					continue
				}
				for _, w := range p.Findings {
					fmt.Fprintln(app.Err, strings.Replace(w.Error(), ": ", ": warning: ", 1))
				}
				if strict && len(p.Findings) > 0 {
					bad++
					continue
				}
				fmt.Fprintf(app.Out, "%s: valid, %s, %s\n", name, cluster.Count(len(p.Steps), "action"), cluster.Count(len(p.Findings), "warning"))
			}
			if err := app.checkVariables(slog.LevelWarn); err != nil {
				return err
			}
			if bad > 0 {
				return &exit{2}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "treat warnings as errors")
	return c
}
