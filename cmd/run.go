package cmd

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
)

// runOptions are the flags of esnap run.
type runOptions struct {
	File           string
	FromEnv        bool
	Only, Skip     []string
	Now            moment
	Output         string
	Force          bool
	AllowClockSkew bool
	FailOnSpared   bool
	MaxItems       int64
}

func newRun(app *App) *cobra.Command {
	o := &runOptions{}
	c := &cobra.Command{
		Use: "run FILE | - | --from-env", Short: "Run an action file",
		Long: `Run the actions of a file in the order of their ids. The report goes to stdout,
log lines to stderr. A file may also declare repositories; see the action file
reference in docs/.`,
		Example: `  esnap run action_file.yml
  esnap run -n action_file.yml                 show what would be done
  esnap run -n -o name action_file.yml         one action/item a line, for diff
  esnap run --only 1,3 action_file.yml
  esnap run --from-env                         no file: variables say everything
  esnap run -n --now 2026-12-24T01:00:00Z action_file.yml`,
		Args: wantArgs(1, 1, "one action file, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error {
			o.File = strings.Join(args, "")
			return runFile(c, app, o)
		},
	}
	f := c.Flags()
	fromEnvFlag(c, &o.FromEnv)
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	settings.AddFlag(f, "guards")
	settings.AddFlag(f, "lock")
	f.StringSliceVar(&o.Only, "only", nil, "run only the actions with these ids")
	f.StringSliceVar(&o.Skip, "skip", nil, "skip the actions with these ids")
	f.Var(&o.Now, "now", "judge ages and names as of this time (dry run only)")
	f.BoolVar(&o.Force, "force", false, "override refusals: a repository that points to another place, a full disk")
	f.BoolVar(&o.AllowClockSkew, "allow-clock-skew", false, "delete although the clock here and the cluster's differ by more than 15 minutes")
	f.BoolVar(&o.FailOnSpared, "fail-on-spared", false, "exit with 5 if a guard kept something")
	wholeFlag(f, &o.MaxItems, "max-items", 1, "instead of max_items and max_percent of all actions")
	outputFlag(c, &o.Output, report.Formats...)
	return c
}

func runFile(c *cobra.Command, app *App, o *runOptions) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	x.unattended = !app.interactive()
	options := run.Options{Only: o.Only, Skip: o.Skip, Force: o.Force, AllowClockSkew: o.AllowClockSkew}
	if o.MaxItems > 0 {
		options.MaxItems = &o.MaxItems
	}
	j := x.job(nil, options)
	j.File, j.FailOnSpared, j.MasterOnly = o.File, o.FailOnSpared, x.s.MasterOnly
	if o.FromEnv {
		if j.File, j.Text, _, err = x.fromEnv(); err != nil {
			return err
		}
	}
	if o.Now.given() {
		if !x.s.DryRun {
			return &usageError{text: "--now judges ages as of another time, so it goes with --dry-run only"}
		}
		j.FixedNow = o.Now.time(app.Now())
	}
	return x.carryOut(c.Context(), j, o.Output)
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
			x, err := app.open(c)
			if err != nil {
				return err
			}
			s := x.s
			x.advise()
			_, decided := s.Flavour()
			bad := 0
			for _, file := range args {
				data, err := job.ReadFile(app.In, file)
				if err != nil {
					return err
				}
				name := job.FileName(file)
				p, err := plan.Parse(name, data, plan.Options{Flavour: flavour.Native, Env: s.Lookup, Secret: s.Secret, LintBothGenerations: !decided, LintCuratorStrictness: s.Dialect != settings.Own})
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
			if err := x.checkVariables(slog.LevelWarn); err != nil {
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
