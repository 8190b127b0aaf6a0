package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/drill"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/tell"
	"github.com/esnap/esnap/internal/terminal"
)

// drillOptions are the flags of esnap drill.
type drillOptions struct {
	Repositories []string
	Sample       int
	MaxBytes     string
	State        string
	Integrity    bool
	Rules        copyRules
	Output       string

	notice notice.Config // whom to tell
	policy string        // as what
}

func newDrill(app *App) *cobra.Command {
	o := &drillOptions{}
	c := &cobra.Command{
		Use: "drill [FILE]", Short: "Restore some indices for a test, and remove them again",
		Long: `Restore the newest ended index of each family in each repository from the newest
good snapshot that contains it, under another name and without replicas. The
backing indices of a data stream are a family. Compare the documents with
the index in the cluster, where there is one. Then remove the copies, also after
a signal or the deadline: a copy that is not finished then counts neither as passed
nor as failed. Copies of a drill that was killed are removed by a later one.`,
		Example: `  esnap drill
  esnap drill action_file.yml --sample 5 --state /var/lib/esnap/state.json`,
		Args: wantArgs(0, 1, "at most one action file"),
		RunE: func(c *cobra.Command, args []string) error { return runDrill(c, app, o, args) },
	}
	f := c.Flags()
	f.StringSliceVar(&o.Repositories, "repository", nil, "only this repository (repeatable; default those of FILE, or all)")
	wholeFlag(f, &o.Sample, "sample", 1, "N indices by chance instead of one of each family")
	f.StringVar(&o.MaxBytes, "max-bytes", "10gb", "restore no more than this; never more than a tenth of the free disk space")
	f.StringVar(&o.State, "state", "", "file for the result, which esnap check --state shows")
	f.BoolVar(&o.Integrity, "integrity", false, "also have the server look for missing files (Elasticsearch 8.16; takes long)")
	o.Rules.add(f)
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	outputFlag(c, &o.Output, "table", "json", "yaml")
	return c
}

func runDrill(c *cobra.Command, app *App, o *drillOptions, args []string) error {
	x, err := app.open(c)
	// The others hear of it as of a run. The ping does not: it is of the job that runs at
	// night, and a drill must not look like one.
	o.notice, o.policy = x.s.Notice, "drill"
	told := settings.Told(err)
	var p *plan.Plan
	if len(args) > 0 {
		name := ""
		if args[0] != "-" {
			name = filepath.Base(args[0])
		}
		var wrong error
		if err == nil || args[0] != "-" { // nobody waits for standard input
			p, wrong = x.plan(args[0])
		}
		if p != nil && wrong == nil {
			o.notice, name = p.Notice.Over(x.s.Notice), p.Job(args[0])
		}
		if name != "" {
			o.policy += "-" + name
		}
		if err == nil && wrong != nil {
			err, told = wrong, wrong
		}
	}
	began, start := app.Now(), x.Watch.Elapsed()
	var words []string
	if err == nil {
		words, err = o.drill(c.Context(), x, p)
		told = err
	}
	if x.s.DryRun {
		return err
	}
	o.notice.Notify.Ping = nil
	if f := o.notice.Metrics.Textfile; f != "" && !isFolder(f) { // it is of the job
		o.notice.Metrics.Textfile = strings.TrimSuffix(f, ".prom") + "-drill.prom"
	}
	s := x.summary(o.policy, began, x.Watch.Elapsed()-start, job.ExitCode(err, true), o.notice)
	s.Drill, s.Meaning = true, job.Meaning(s.Code)
	if s.Code == job.Incomplete {
		s.State = tell.Warning
	}
	if err != nil && !errors.As(err, new(*exit)) {
		s.Error, s.Hint = x.s.Redact(told.Error()), x.s.Redact(cluster.Hint(told))
		words = append(words, s.Error)
	}
	s.Words, s.Report = words, strings.Join(words, "\n")
	x.tell(c.Context(), x.teller(o.notice, nil), s)
	return err
}

// drill makes the drill and shows its result, also in a few words. The plan may be nil.
func (o *drillOptions) drill(ctx context.Context, x *session, p *plan.Plan) (words []string, err error) {
	most, err := humanize.ParseBytes(strings.ReplaceAll(strings.ToLower(o.MaxBytes), "b", "ib"))
	if err != nil || most == 0 || most > math.MaxInt64 {
		return nil, usagef("--max-bytes: %q is not a size such as 10gb", o.MaxBytes)
	}
	if _, err := readState(o.State); err != nil {
		return nil, err
	}
	repositories := o.Repositories
	if p != nil && len(repositories) == 0 {
		repositories = p.RepositoryNames()
	}
	ctx, done := job.WithDeadline(ctx, x.s)
	defer done()
	cl, err := x.dial(p != nil)
	if err != nil {
		return nil, err
	}
	do := drill.Options{
		Now: x.Now(), Watch: x.Watch, Run: job.NewRunID(), Repositories: repositories,
		Sample: max(o.Sample, 0), MaxBytes: int64(most), Integrity: o.Integrity,
		Rules: o.Rules.rules(), DryRun: x.s.DryRun,
		Waiting: func(w cluster.Waiting) {
			x.log.Debug("waiting", "for", w.For, "elapsed", w.Elapsed.Round(time.Second).String())
		},
	}
	began := x.Watch.Elapsed()
	r, err := drill.Run(ctx, cl, do)
	if r == nil {
		return nil, err
	}
	words, failed := drillWords(r), drillError(r, err)
	if !x.s.DryRun {
		state, _ := readState(o.State) // it was read before the drill
		var older []*drill.Result
		if x.s.History {
			older, _ = drills(context.WithoutCancel(ctx), cl, x.Now(), false) // it may not be readable
		}
		r.Carry(drill.Last(older, state.Drill))
		x.keepDrill(ctx, cl, r, failed, x.Watch.Elapsed()-began)
		if serr := updateState(o.State, func(state *stateFile) { state.Drill = r.Kept(state.Drill) }); serr != nil {
			return words, serr
		}
	}
	if werr := o.write(x, r); werr != nil {
		return words, werr
	}
	if x.s.DryRun && err == nil && r.Failures() == 0 {
		return words, nil
	}
	return words, failed
}

// drillWords are the result in a few lines.
func drillWords(r *drill.Result) []string {
	words := []string{fmt.Sprintf("%s: %d passed, %d failed", cluster.Count(len(r.Copies), "copy"), r.Passed(), r.Failures())}
	if n := r.Unfinished(); n > 0 {
		words[0] += fmt.Sprintf(", %d not finished", n)
	}
	for _, c := range r.Copies {
		if c.State == drill.Failed || c.NotCompared() {
			words = append(words, fmt.Sprintf("%s from %s/%s: %s", c.Index, c.Repository, c.Snapshot, c.Reason))
		}
	}
	for _, i := range r.Repositories(drill.Damaged) {
		words = append(words, fmt.Sprintf("repository %s is damaged: %s, the first is %s", i.Repository,
			cluster.Count(int(i.Anomalies), "anomaly"), i.First))
	}
	for _, i := range r.Repositories(drill.Unknown) {
		words = append(words, fmt.Sprintf("cannot tell whether repository %s is whole: %s", i.Repository, i.Reason))
	}
	if len(r.Left) > 0 {
		words = append(words, "not removed: "+strings.Join(r.Left, ", ")+": "+r.LeftReason)
	}
	return words
}

// drillError is an error with the exit code of a drill.
func drillError(r *drill.Result, err error) error {
	switch {
	case err != nil:
		return err
	case r.Failures() > 0 || len(r.Left) > 0 || len(r.Repositories(drill.Damaged)) > 0:
		return &exit{job.Failed}
	case r.Passed() == 0 || len(r.Repositories(drill.Unknown)) > 0:
		return &exit{job.Incomplete}
	}
	return nil
}

// keepDrill keeps the result of a drill in the history, where esnap check finds it.
func (x *session) keepDrill(ctx context.Context, cl cluster.Cluster, r *drill.Result, err error, took time.Duration) {
	if !x.s.History {
		return
	}
	record := job.NewRecord(x.s, r.Time, history.DrillCommand, Version())
	record.ExitCode, record.Duration = job.ExitCode(err, true), took.Milliseconds()
	if err != nil && !errors.As(err, new(*exit)) {
		record.Error = err.Error()
	}
	if r.Unfinished() > 0 && r.Passed()+r.Failures() == 0 { // it says nothing, and must not push out one that does
		x.keep(ctx, cl, record)
		return
	}
	record.Drill, err = json.Marshal(r)
	if err != nil {
		x.log.Warn("the drill is not kept in the history: " + err.Error())
		return
	}
	x.keep(ctx, cl, record)
}

// drills are the results of the newest drills that the history has. It may not be readable
// with the rights of a check.
func drills(ctx context.Context, cl history.Reader, now time.Time, recent bool) (list []*drill.Result, err error) {
	texts, err := history.Drills(ctx, cl, now, recent)
	for _, text := range texts {
		r := &drill.Result{}
		if json.Unmarshal(text, r) == nil {
			list = append(list, r)
		}
	}
	return list, err
}

func (o *drillOptions) write(x *session, r *drill.Result) error {
	columns := []column{
		{title: "index"},
		{title: "snapshot"},
		{title: "result"},
		{title: "documents", right: true},
		{title: "in the cluster", right: true},
		{title: "size", right: true},
		{title: "took", right: true},
	}
	var rows [][]string
	number := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	for _, c := range r.Copies {
		state := c.State.String()
		if state == "" {
			state = "chosen"
		}
		rows = append(rows, []string{
			c.Index, c.Repository + "/" + c.Snapshot, state, number(c.Docs), number(c.Live),
			humanize.IBytes(uint64(max(c.Bytes, 0))), c.Took,
		})
	}
	if err := writeList(x.Out, o.Output, columns, rows, nil, map[string]any{
		"schema_version": report.SchemaVersion,
		"dry_run":        x.s.DryRun,
		"drill":          r,
	}); err != nil {
		return err
	}
	if o.Output != "table" {
		return nil
	}
	for _, c := range r.Copies {
		if c.Reason != "" {
			terminal.Fprintf(x.Out, "%s %s: %s\n", c.State, c.Index, c.Reason)
		}
	}
	for _, i := range r.Integrity {
		switch {
		case i.Time != r.Time: // it is that of an older drill
		case i.State == drill.Unknown || i.State == drill.Unsupported:
			terminal.Fprintf(x.Out, "repository %s: cannot tell whether all its files are there: %s\n", i.Repository, i.Reason)
		case i.State == drill.Damaged:
			terminal.Fprintf(x.Out, "repository %s is DAMAGED: %s, the first is %s\n", i.Repository,
				cluster.Count(int(i.Anomalies), "anomaly"), i.First)
		default:
			terminal.Fprintf(x.Out, "repository %s: the server found all its files\n", i.Repository)
		}
	}
	if len(r.Removed) > 0 {
		terminal.Fprintf(x.Out, "removed from an earlier drill: %s\n", strings.Join(r.Removed, ", "))
	}
	if len(r.Left) > 0 {
		terminal.Fprintf(x.Out, "not removed: %s; the next drill tries again\nreason: %s\n", strings.Join(r.Left, ", "), r.LeftReason)
	}
	if x.s.DryRun {
		fmt.Fprintln(x.Out, "dry run: nothing was changed")
	}
	return nil
}
