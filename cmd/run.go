package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
)

// runOptions are the flags of esnap run.
type runOptions struct {
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
		Use: "run FILE|FOLDER... | - | --from-env", Short: "Run action files",
		Long: `Run the actions of a file in the order of their ids. The report goes to stdout,
log lines to stderr. A file may also declare repositories; see the action file
reference in docs/. Several files run one after the other. A folder stands for its
*.yml and *.yaml files, in alphabetical order. If one is invalid, none is run.`,
		Example: `  esnap run action_file.yml
  esnap run conf.d/                            one report, one exit code
  esnap run -n action_file.yml                 show what would be done
  esnap run -n -o name action_file.yml         one action/item a line, for diff
  esnap run --only 1,3 action_file.yml
  esnap run --from-env                         no file: variables say everything
  esnap run -n --now 2026-12-24T01:00:00Z action_file.yml`,
		Args: wantArgs(1, -1, "action files, folders with action files, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error { return runFiles(c, app, o, args) },
	}
	f := c.Flags()
	fromEnvFlag(c, &o.FromEnv)
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	settings.AddFlag(f, "guards")
	settings.AddFlag(f, "lock")
	settings.AddFlag(f, "allow-hooks")
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

func runFiles(c *cobra.Command, app *App, o *runOptions, args []string) error {
	x, err := app.open(c)
	files, ferr := filesOf(args)
	if err = cmp.Or(err, ferr); err != nil {
		switch {
		case o.FromEnv:
			files = []string{environment}
		case ferr != nil:
			files = args
		}
		x.abort(c.Context(), x.job(nil, run.Options{}), files, err)
		return err
	}
	x.unattended = !app.interactive()
	options := run.Options{Only: o.Only, Skip: o.Skip, Force: o.Force, AllowClockSkew: o.AllowClockSkew}
	if o.MaxItems > 0 {
		options.MaxItems = &o.MaxItems
	}
	j := x.job(nil, options)
	j.FailOnSpared, j.MasterOnly = o.FailOnSpared, x.s.MasterOnly
	if o.Now.given() {
		if !x.s.DryRun {
			return &usageError{text: "--now judges ages as of another time, so it goes with --dry-run only"}
		}
		j.FixedNow = o.Now.time(app.Now())
	}
	switch {
	case o.FromEnv:
		if j.File, j.Data, _, err = x.fromEnv(); err != nil {
			x.abort(c.Context(), j, []string{environment}, err)
			return err
		}
		return x.carryOut(c.Context(), j, o.Output)
	case len(args) == 1 && !isFolder(args[0]):
		j.File = args[0]
		return x.carryOut(c.Context(), j, o.Output)
	}
	if len(o.Only)+len(o.Skip) > 0 {
		return usagef("--only and --skip choose actions of one file; %s were given", cluster.Count(len(files), "file"))
	}
	return x.runAll(c.Context(), j, files, o.Output)
}

// runAll runs several files one after the other, whatever becomes of one of them. If one
// is invalid, none is run.
func (x *session) runAll(ctx context.Context, j job.Job, names []string, output string) error {
	files, err := x.parseAll(names)
	if err != nil {
		x.abort(ctx, j, names, nil)
		return err
	}
	all := &report.Several{SchemaVersion: report.SchemaVersion, Files: []*report.Report{}}
	var codes []int
	begun := x.Watch.Elapsed()
	ctx, cancel := job.WithDeadline(ctx, x.s) // of all files together
	defer cancel()
	var told time.Duration // all together tell as long as one run may
	var worst job.Ended
	for _, f := range files {
		j.File, j.Data, j.EndTime = f.name, f.data, max(job.EndTime-told, job.LeastEndTime)
		e := j.Run(ctx)
		if e.NotOurs {
			continue
		}
		x.explain(e, isTable(output))
		if told += e.EndTook; len(codes) == 0 || job.Worst(worst.Code, e.Code) != worst.Code {
			worst = e
		}
		if e.Code == job.Unreachable {
			j.Options.WaitForCluster = 0 // the next file need not wait for it again
		}
		all.Files, codes = append(all.Files, e.Report), append(codes, e.Code)
	}
	all.DurationMS, all.ExitCode = (x.Watch.Elapsed() - begun).Milliseconds(), job.Worst(codes...)
	if len(codes) == 0 {
		return nil
	}
	job.LeaveWords(j.TerminationLog, x.s.Redact, j.WordsOf(worst, len(codes), all.ExitCode)...)
	if err := x.write(all.ExitCode, output, all); err != nil {
		return err
	}
	return exitWith(all.ExitCode)
}

// abort has those hear of it that a run tells how it ended: each file is a run that could
// not begin because of refused, or if that is nil, because it or another file is invalid. The
// caller reports the errors.
func (x *session) abort(ctx context.Context, j job.Job, names []string, refused error) {
	j.Log, j.Screen, j.Refused = nil, nil, settings.Told(refused)
	for _, name := range names {
		if refused == nil {
			if name == "-" { // it was read
				continue
			}
			j.Refused = nil
			if _, err := x.runnable(name); err == nil {
				j.Refused = errors.New("nothing was run: another file of this run is not valid")
			}
		}
		j.File, j.Data = name, nil
		if name == environment || name == "-" { // it is no file, and nobody waits for standard input
			j.Data = []byte{}
		}
		j.Run(ctx)
	}
}

// shownTimes is how many of the next times of a schedule are shown.
const shownTimes = 3

// nextTimes shows when a file is due next, in UTC and in the zone of its schedule.
func (a *App) nextTimes(p *plan.Plan) {
	s, err := schedule.New(p.Schedule, p.Job(p.File))
	if err != nil { // it has none
		return
	}
	at := a.Now()
	for range shownTimes {
		at = s.Next(at)
		line := at.UTC().Format(cluster.SecondsUTC)
		if s.Zone != time.UTC {
			line += at.Format("  2006-01-02 15:04:05 ") + s.Zone.String()
		}
		terminal.Fprintf(a.Out, "  next run %s\n", line)
	}
	if s.Jitter > 0 {
		terminal.Fprintf(a.Out, "  each put off by less than %s\n", cluster.FormatDuration(s.Jitter))
	}
}

// validateOptions are the flags of esnap validate.
type validateOptions struct{ Strict bool }

func newValidate(app *App) *cobra.Command {
	o := &validateOptions{}
	c := &cobra.Command{
		Use: "validate FILE|FOLDER...", Annotations: map[string]string{advises: "yes"}, Short: "Check action files without a cluster",
		Long: `Check action files without touching a cluster. Every error is shown with its
file, line and column; files that are valid but dangerous are warned about. A
folder stands for its *.yml and *.yaml files.`,
		Example: `  esnap validate action_file.yml
  esnap validate conf.d/
  esnap validate --strict action_file.yml     warnings are errors`,
		Args: wantArgs(1, -1, "action files, or folders with action files"),
		RunE: func(c *cobra.Command, args []string) error { return runValidate(c, app, o, args) },
	}
	c.Flags().BoolVar(&o.Strict, "strict", false, "treat warnings as errors")
	return c
}

func runValidate(c *cobra.Command, app *App, o *validateOptions, args []string) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	files, err := filesOf(args)
	if err != nil {
		return err
	}
	x.advise()
	bad := 0
	var valids []actionFile
	for _, file := range files {
		p, err := o.validate(x, file)
		switch {
		case err != nil:
			return err
		case p == nil:
			bad++
		default:
			valids = append(valids, actionFile{name: file, plan: p})
		}
	}
	if err := differ(valids); err != nil {
		x.printError(err)
		bad++
	}
	if err := x.checkVariables(slog.LevelWarn); err != nil {
		return err
	}
	if bad > 0 {
		return &exit{2}
	}
	return nil
}

// validate says what is wrong with one file; nil: it is not valid. An error means that it cannot
// be read.
func (o *validateOptions) validate(x *session, file string) (*plan.Plan, error) {
	data, err := job.ReadFile(x.In, file)
	if err != nil {
		return nil, err
	}
	name := job.FileName(file)
	_, decided := x.s.Flavour()
	p, err := plan.Parse(name, data, plan.Options{Flavour: flavour.Native, Env: x.s.Lookup, Secret: x.s.Secret, LintBothGenerations: !decided,
		LintCuratorStrictness: x.s.Dialect != settings.Own})
	if err != nil {
		fmt.Fprintln(x.Err, err)
		return nil, nil
	}
	for _, w := range p.Findings {
		fmt.Fprintln(x.Err, w.Warning())
	}
	if containsSecret(data, p) {
		if w := cmp.Or(settings.Writable("action file", file), settings.Readable("action file", file)); w != "" {
			terminal.Fprintf(x.Err, "warning: %s\n", w)
		}
	}
	if o.Strict && len(p.Findings) > 0 {
		return nil, nil
	}
	if !x.quiet {
		fmt.Fprintf(x.Out, "%s: valid, %s, %s\n", name, cluster.Count(len(p.Steps), "action"), cluster.Count(len(p.Findings), "warning"))
		x.nextTimes(p)
	}
	return p, nil
}
