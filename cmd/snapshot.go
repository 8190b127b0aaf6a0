package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
	"github.com/esnap/esnap/repository"
)

func newSnapshot(app *App) *cobra.Command {
	c := groupCommand("snapshot", "List, show, create and delete snapshots",
		newSnapshotList(app), newSnapshotShow(app), newSnapshotCreate(app), newSnapshotDelete(app))
	c.Aliases = []string{"snapshots"}
	return c
}

// snapshotJSON is a snapshot with Elasticsearch's field names.
type snapshotJSON struct {
	Repository  string                 `json:"repository"`
	Snapshot    string                 `json:"snapshot"`
	UUID        string                 `json:"uuid"`
	State       string                 `json:"state"`
	Good        bool                   `json:"good"`
	StartTime   any                    `json:"start_time"`
	EndTime     any                    `json:"end_time"`
	Version     string                 `json:"version"`
	GlobalState bool                   `json:"include_global_state"`
	Shards      map[string]int         `json:"shards"`
	Failures    []cluster.ShardFailure `json:"failures"`
	Indices     []string               `json:"indices,omitempty"`
	Holding     string                 `json:"holding,omitempty"` // with --holding: complete or incomplete
	// HoldingUntil is until when an incomplete copy without missing shards may reach.
	HoldingUntil any `json:"holding_until,omitempty"`

	Metadata map[string]cluster.Origin `json:"metadata,omitempty"` // with show
}

func toJSON(s *cluster.Snapshot) snapshotJSON {
	j := snapshotJSON{
		Repository: s.Repository, Snapshot: s.Name, UUID: s.UUID, State: string(s.State),
		Good: s.Good(), StartTime: jsonTime(s.Start), EndTime: jsonTime(s.End),
		Version: s.Version, GlobalState: s.GlobalState, Failures: s.Failures, Indices: s.Indices,
		Shards: map[string]int{"total": s.Shards.Total, "failed": s.Shards.Failed, "successful": s.Shards.Successful},
	}
	if j.Failures == nil {
		j.Failures = []cluster.ShardFailure{}
	}
	return j
}

// snapshotListOptions are the flags of esnap snapshot list.
type snapshotListOptions struct {
	Select  selectFlags
	List    listFlags
	Holding string
	Rules   copyRules
}

func newSnapshotList(app *App) *cobra.Command {
	o := &snapshotListOptions{}
	c := &cobra.Command{
		Use: "list [REPOSITORY...]", Aliases: []string{"ls"}, Short: "List snapshots, oldest first",
		Long: "List the snapshots of the named repositories, or of all repositories, oldest first.",
		Example: `  esnap snapshot list
  esnap snapshot list ks-log-snapshots --good --younger-than 7d
  esnap snapshot list --holding ks-logstash-log-2026.11.03`,
		Args: wantArgs(0, -1, "any number of repositories"),
		RunE: func(c *cobra.Command, args []string) error { return runSnapshotList(c, app, o, args) },
	}
	o.Select.add(c, cluster.Snapshots)
	o.Rules.add(c.Flags())
	c.Flags().StringVar(&o.Holding, "holding", "", "only snapshots that contain this index or data stream; shows whether the copy is complete")
	o.List.add(c, snapshotColumns(true))
	return c
}

func runSnapshotList(c *cobra.Command, app *App, o *snapshotListOptions, repositories []string) error {
	chain, err := o.Select.chain(cluster.Snapshots, nil)
	if err != nil {
		return err
	}
	if err := o.List.check(app, snapshotColumns(o.Holding != "")); err != nil {
		return err
	}
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	ctx := c.Context()
	return app.repeat(ctx, o.List.watch, func() error {
		all, err := x.snapshotsOf(ctx, cl, repositories)
		if err != nil {
			return err
		}
		list, err := selectItems(ctx, app, cl, chain, all)
		if err != nil {
			return err
		}
		if o.Holding != "" {
			held := slices.DeleteFunc(slices.Clone(list), func(s *cluster.Snapshot) bool { return !s.Holds(o.Holding) })
			if len(held) == 0 {
				return cmp.Or(x.incomplete(), notHeld(o.Holding, list))
			}
			list = held
		}
		return cmp.Or(o.write(app, list, len(x.unread) > 0), x.incomplete())
	})
}

func notHeld(index string, list []*cluster.Snapshot) error {
	var known []string
	for _, s := range list {
		known = append(known, s.Indices...)
	}
	err := fmt.Errorf("no snapshot contains the index %s", index)
	if question := near.DidYouMean(index, known); question != "" {
		return cluster.WithHint(err, "%s", question)
	}
	return err
}

// snapshotsOf lists the snapshots of the named repositories with their contents, or of all if
// none is named. Those of all that cannot be read are noted: see incomplete.
func (x *session) snapshotsOf(ctx context.Context, cl cluster.Cluster, repositories []string) ([]*cluster.Snapshot, error) {
	x.unread = nil
	named := len(repositories) > 0
	if !named {
		list, err := cl.Repositories(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			repositories = append(repositories, r.Name)
		}
	}
	var all []*cluster.Snapshot
	for _, r := range repositories {
		list, err := cl.Snapshots(ctx, r, true)
		switch {
		case err == nil:
			all = append(all, list...)
		case named:
			return nil, noRepository(ctx, cl, r, err)
		case ctx.Err() != nil || errors.Is(err, cluster.ErrUnreachable):
			return nil, err
		default:
			x.unread = append(x.unread, unread{r, err})
		}
	}
	return all, nil
}

// unread is a repository that could not be read.
type unread struct {
	name string
	err  error
}

// incomplete is the error of a command that has shown what it could read; nil if that is all.
func (x *session) incomplete() error {
	if len(x.unread) == 0 {
		return nil
	}
	var names []string
	for _, u := range x.unread {
		names = append(names, u.name)
	}
	first := x.unread[0]
	return cluster.WithHint(fmt.Errorf("not all was read: the snapshots in %s are unknown: %w", strings.Join(names, ", "), first.err),
		"%s", cmp.Or(cluster.Hint(first.err), "esnap repository verify "+terminal.Shell(first.name)+" says what is wrong"))
}

// noRepository adds the nearest names to an error about a missing repository.
func noRepository(ctx context.Context, cl cluster.Cluster, name string, err error) error {
	if !errors.Is(err, cluster.ErrNoRepository) {
		return err
	}
	none := &missing{"there is no repository " + name, cluster.ErrNoRepository}
	return cluster.WithHint(none, "%s", repository.Missing(ctx, cl, name))
}

func snapshotColumns(holding bool) []column {
	columns := []column{
		{title: "snapshot"}, {title: "state"}, {title: "started", utc: true}, {title: "age", right: true}, {title: "took", right: true},
		{title: "indices", right: true}, {title: "shards", right: true}, {title: "repository", wide: true}, {title: "version", wide: true},
	}
	if holding {
		columns = append(columns, column{title: "copy"})
	}
	return columns
}

// notGood is the state of a snapshot that succeeded and is not good.
const notGood = string(cluster.Success) + " (not good)"

// write shows a list. others: there are more repositories than those of the list.
func (o *snapshotListOptions) write(app *App, list []*cluster.Snapshot, others bool) error {
	several := others || slices.ContainsFunc(list, func(s *cluster.Snapshot) bool { return s.Repository != list[0].Repository })
	now := app.Now()
	var rows []row
	for _, s := range list {
		state := string(s.State)
		if s.State == cluster.Success && !s.Good() {
			state = notGood
		}
		took := textCell(unknown)
		if !s.End.IsZero() && !s.End.Before(s.Start) {
			d := s.End.Sub(s.Start)
			took = numberCell(d, d.Round(100*time.Millisecond).String())
		}
		name := s.Name
		if several {
			name = s.Repository + "/" + s.Name
		}
		cells := []cell{
			textCell(name), textCell(state), timeCell(s.Start), ageCell(now, s.Start), took, numberCell(len(s.Indices), fmt.Sprint(len(s.Indices))),
			numberCell(s.Shards.Successful, fmt.Sprintf("%d/%d", s.Shards.Successful, s.Shards.Total)), textCell(s.Repository), textCell(s.Version),
		}
		j := toJSON(s)
		if o.Holding != "" {
			complete, until := coverage.In(o.Holding, s, o.Rules.rules())
			j.Holding = "incomplete"
			text := j.Holding
			switch {
			case complete:
				j.Holding, text = "complete", "complete"
			case !until.IsZero():
				j.HoldingUntil, text = jsonTime(until), "until "+stamp(until)
			}
			cells = append(cells, textCell(text))
		}
		rows = append(rows, row{cells, name, j})
	}
	return o.List.write(app, snapshotColumns(o.Holding != ""), rows, "snapshots")
}

// snapshotShowOptions are the flags of esnap snapshot show.
type snapshotShowOptions struct{ Output string }

func newSnapshotShow(app *App) *cobra.Command {
	o := &snapshotShowOptions{}
	c := &cobra.Command{
		Use: "show [REPOSITORY] SNAPSHOT", Short: "Show one snapshot: its contents and failures",
		Long: "Show one snapshot: its contents and failures. Without a repository, the snapshot is\nlooked for in all repositories.",
		Example: `  esnap snapshot show snapshot-20261121010000
  esnap snapshot show ks-log-snapshots snapshot-20261121010000`,
		Args: wantArgs(1, 2, "a repository and a snapshot, or a snapshot"),
		RunE: func(c *cobra.Command, args []string) error { return runSnapshotShow(c, app, o, args) },
	}
	outputFlag(c, &o.Output, "text", "json", "yaml")
	return c
}

func runSnapshotShow(c *cobra.Command, app *App, o *snapshotShowOptions, args []string) error {
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	var s *cluster.Snapshot
	if len(args) == 1 {
		s, err = x.findSnapshot(c.Context(), cl, args[0])
	} else if s, err = cl.Snapshot(c.Context(), args[0], args[1]); err != nil {
		err = noSnapshot(c.Context(), cl, args[0], args[1], err)
	}
	if err != nil {
		return err
	}
	if o.Output == "text" {
		return showSnapshot(app, s)
	}
	j := toJSON(s)
	if origin := originOf(s); origin != (cluster.Origin{}) {
		j.Metadata = map[string]cluster.Origin{cluster.MetadataKey: origin}
	}
	return writeList(app.Out, o.Output, nil, nil, nil, map[string]any{"schema_version": report.SchemaVersion, "snapshot": j})
}

// originOf is what the metadata says of who took a snapshot.
func originOf(s *cluster.Snapshot) cluster.Origin {
	if s.Origin != nil {
		return *s.Origin
	}
	return cluster.Origin{Cluster: s.Cluster}
}

// findSnapshot looks for a snapshot in all repositories.
func (x *session) findSnapshot(ctx context.Context, cl cluster.Cluster, name string) (*cluster.Snapshot, error) {
	list, err := cl.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	var found []*cluster.Snapshot
	var in, names []string
	for _, r := range list {
		s, err := cl.Snapshot(ctx, r.Name, name)
		switch {
		case err == nil:
			found, in = append(found, s), append(in, r.Name)
		case errors.Is(err, cluster.ErrNoSnapshot):
			if known, err := cluster.SnapshotNames(ctx, cl, r.Name); err == nil {
				names = append(names, known...)
			}
		case errors.Is(err, cluster.ErrRepository), errors.Is(err, cluster.ErrNoRepository): // it is not to be read, or has gone
			x.unread = append(x.unread, unread{r.Name, err})
		default:
			return nil, err
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, &usageError{
			text: fmt.Sprintf("the snapshot %s is in %d repositories: %s", name, len(in), strings.Join(in, ", ")),
			hint: "name the repository, too: esnap snapshot show " + terminal.Shell(in[0], name),
		}
	}
	if err := x.incomplete(); err != nil {
		return nil, err
	}
	none := &missing{"no repository contains the snapshot " + name, cluster.ErrNoSnapshot}
	question := near.DidYouMean(name, names)
	switch {
	case slices.ContainsFunc(list, func(r cluster.Repository) bool { return r.Name == name }):
		return nil, cluster.WithHint(none, "%s is a repository; esnap snapshot list %s lists its snapshots", name, terminal.Shell(name))
	case question != "":
		return nil, cluster.WithHint(none, "%s", question)
	}
	return nil, cluster.WithHint(none, "esnap snapshot list lists all snapshots")
}

func noSnapshot(ctx context.Context, cl cluster.Cluster, repository, name string, err error) error {
	if !errors.Is(err, cluster.ErrNoSnapshot) {
		return noRepository(ctx, cl, repository, err)
	}
	none := &missing{"there is no snapshot " + repository + "/" + name, cluster.ErrNoSnapshot}
	if names, lerr := cluster.SnapshotNames(ctx, cl, repository); lerr == nil {
		if question := near.DidYouMean(name, names); question != "" {
			return cluster.WithHint(none, "%s", question)
		}
		return cluster.WithHint(none, "esnap snapshot list %s lists the %d existing snapshots", terminal.Shell(repository), len(names))
	}
	return none
}

func showSnapshot(app *App, s *cluster.Snapshot) error {
	good := "yes"
	if why := s.WhyNotGood(); why != "" {
		good = "no: " + why
	}
	out, paint := terminal.Colours(app.Out)
	var b strings.Builder
	terminal.Fprintf(&b, "snapshot      %s\nrepository    %s\nstate         %s\ngood          %s\nstarted       %s\n"+
		"ended         %s\nversion       %s\nglobal state  %t\nshards        %d of %d\n",
		s.Name, s.Repository, paint.Paint(string(s.State), string(s.State)), good,
		stampUTC(s.Start), stampUTC(s.End), s.Version, s.GlobalState, s.Shards.Successful, s.Shards.Total)
	if s.Reason != "" {
		terminal.Fprintf(&b, "reason        %s\n", s.Reason)
	}
	origin := originOf(s)
	for _, line := range [][2]string{
		{"taken by", esnapVersion(origin.Version)}, {"run id", origin.Run}, {"host", origin.Host},
		{"description", origin.Description}, {"cluster uuid", origin.Cluster},
	} {
		if line[1] != "" {
			terminal.Fprintf(&b, "%-13s %s\n", line[0], line[1])
		}
	}
	for i, f := range s.Failures {
		if i == 0 {
			terminal.Fprintf(&b, "\nfailures\n")
		}
		terminal.Fprintf(&b, "  %s\n", f)
	}
	terminal.Fprintf(&b, "\n%s\n", cluster.Count(len(s.Indices), "index"))
	for _, f := range report.Families(s.Indices) {
		terminal.Fprintf(&b, "  %s\n", f.Line())
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func esnapVersion(version string) string {
	if version == "" {
		return ""
	}
	return "esnap " + version
}

// snapshotCreateOptions are the flags of esnap snapshot create.
type snapshotCreateOptions struct {
	Select        selectFlags
	Name          string
	OncePer       string
	Partial       bool
	GlobalState   bool
	Features      []string
	RetryCount    int64
	CleanupFailed bool
	SkipRed       bool
	NoWait        bool
	Output        string
}

func newSnapshotCreate(app *App) *cobra.Command {
	o := &snapshotCreateOptions{}
	c := &cobra.Command{
		Use: "create REPOSITORY [INDEX...]", Short: "Take a snapshot of the named indices",
		Long: "Take a snapshot of the indices selected by names, wildcard patterns or flags. Wait\nfor the snapshot and verify that it is good.",
		Example: `  esnap snapshot create ks-log-snapshots 'ks-logstash-*'
  esnap snapshot create logs --prefix ks-logstash-log- --name 'manual-%Y%m%d'`,
		Args: wantArgs(1, -1, "a repository, and names or patterns of indices"),
		RunE: func(c *cobra.Command, args []string) error { return runSnapshotCreate(c, app, o, args[0], args[1:]) },
	}
	o.Select.add(c, cluster.Indices)
	f := c.Flags()
	f.StringVar(&o.Name, "name", "snapshot-%Y%m%d%H%M%S", "the snapshot's name, with strftime tokens or as <date math>")
	enumFlag(f, &o.OncePer, "once-per", "", "adopt this hour's, day's, week's or month's snapshot of the same series if it is good",
		"hour", "day", "week", "month")
	f.BoolVar(&o.Partial, "partial", false, "allow a snapshot with missing shards (exit code 5)")
	f.BoolVar(&o.GlobalState, "include-global-state", false, "also store templates and persistent settings")
	f.StringSliceVar(&o.Features, "feature-state", nil,
		"also store the system indices of this feature (Elasticsearch 7.12 and later; may be repeated)")
	f.Var(whole[int64]{to: &o.RetryCount, most: 100}, "retry-count", "take up to N more after a FAILED or PARTIAL one")
	f.BoolVar(&o.CleanupFailed, "cleanup-failed", false, "delete the FAILED snapshots of this run")
	f.BoolVar(&o.SkipRed, "skip-red", false, "leave out red indices (exit code 5)")
	f.BoolVar(&o.NoWait, "no-wait", false, "do not wait until the snapshot has ended")
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	outputFlag(c, &o.Output, report.Formats...)
	return c
}

func runSnapshotCreate(c *cobra.Command, app *App, o *snapshotCreateOptions, repository string, indices []string) error {
	if len(indices) == 0 && !o.Select.given() {
		return &usageError{text: "no index was selected; nothing was sent", hint: "name the indices, or '*' for all"}
	}
	if o.NoWait && (o.RetryCount > 0 || o.CleanupFailed) {
		return &usageError{text: "--no-wait does not go with --retry-count and --cleanup-failed: they need the snapshot's end"}
	}
	chain, err := o.Select.chain(cluster.Indices, indices)
	if err != nil {
		return err
	}
	for i, l := range chain {
		if names, ok := l.Filter.(*filters.Names); ok {
			chain[i].Filter = &filters.NamesOrStreams{Names: *names}
		}
	}
	a := actions.Kinds["snapshot"].New(actions.Own).(*actions.Snapshot)
	a.Repository, a.Name, a.OncePer, a.WaitForCompletion = repository, o.Name, o.OncePer, !o.NoWait
	a.Partial, a.IncludeGlobalState, a.FeatureStates = o.Partial, o.GlobalState, o.Features
	a.RetryCount, a.CleanupFailed, a.SkipRed = o.RetryCount, o.CleanupFailed, o.SkipRed
	return runSingle(c, app, "snapshot", a, chain, o.Output, nil)
}

// snapshotDeleteOptions are the flags of esnap snapshot delete.
type snapshotDeleteOptions struct {
	Select         selectFlags
	Delete         deleteFlags
	Limits         limitFlags
	Retain         []string
	KeepNewestGood bool
	Output         string
}

func newSnapshotDelete(app *App) *cobra.Command {
	o := &snapshotDeleteOptions{}
	c := &cobra.Command{
		Use: "delete REPOSITORY [SNAPSHOT...]", Short: "Delete the named snapshots",
		Long: "Delete the snapshots selected by names, wildcard patterns or flags, and verify that\nthey are deleted. " +
			"The newest good snapshot of each series is not deleted.",
		Example: `  esnap snapshot delete ks-log-snapshots snapshot-20261001010000
  esnap snapshot delete ks-log-snapshots --prefix snapshot- --older-than 45d -y
  esnap snapshot delete ks-log-snapshots --retain cover=400d --retain daily=7 -n`,
		Args: wantArgs(1, -1, "a repository, and names or patterns of snapshots"),
		RunE: func(c *cobra.Command, args []string) error { return runSnapshotDelete(c, app, o, args[0], args[1:]) },
	}
	o.Select.add(c, cluster.Snapshots)
	o.Delete.add(c)
	o.Limits.add(c)
	c.Flags().StringArrayVar(&o.Retain, "retain", nil, "only what no rule retains: daily=7, cover=400d, ... (repeatable)")
	c.Flags().BoolVar(&o.KeepNewestGood, "keep-newest-good", true, "never delete the newest good snapshot of a series")
	outputFlag(c, &o.Output, report.Formats...)
	return c
}

func runSnapshotDelete(c *cobra.Command, app *App, o *snapshotDeleteOptions, repository string, snapshots []string) error {
	if len(snapshots) == 0 && !o.Select.given() && len(o.Retain) == 0 {
		return &usageError{text: "no snapshot was selected; nothing was sent", hint: "name the snapshots, or select them with flags"}
	}
	chain, err := o.Select.chain(cluster.Snapshots, snapshots)
	if err != nil {
		return err
	}
	if len(o.Retain) > 0 {
		retain, err := retainFilter(o.Retain)
		if err != nil {
			return err
		}
		chain = append(filters.Chain{retain}, chain...)
	}
	a := actions.Kinds["delete_snapshots"].New(actions.Own).(*actions.DeleteSnapshots)
	a.Repository, a.KeepNewestGood, a.Limits = repository, o.KeepNewestGood, o.Limits.limits()
	return runSingle(c, app, "delete_snapshots", a, chain, o.Output, &deleteQuestion{o.Delete, snapshots})
}

// deleteFlags are the flags of commands that delete what they select.
type deleteFlags struct {
	Yes            bool
	FailOnSpared   bool
	AllowClockSkew bool
}

func (d *deleteFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.BoolVarP(&d.Yes, "yes", "y", false, "do not ask")
	f.BoolVar(&d.FailOnSpared, "fail-on-spared", false, "exit code 5 if a guard kept something")
	f.BoolVar(&d.AllowClockSkew, "allow-clock-skew", false, "delete although clocks differ by over 15 minutes")
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	settings.AddFlag(f, "guards")
	reasonFlag(c)
}

// deleteQuestion is the question that a deleting command asks before it deletes.
type deleteQuestion struct {
	deleteFlags
	named []string // names and patterns that were given
}

// runSingle runs one action as its own plan. A deleting one asks q.
func runSingle(c *cobra.Command, app *App, kind string, a actions.Action, chain filters.Chain, output string, q *deleteQuestion) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	s := x.s
	p, err := single(kind, "", a, chain, s.Guards)
	if err != nil {
		return err
	}
	if q == nil {
		return x.carryOut(c.Context(), x.job(p, run.Options{}), output)
	}
	if !s.DryRun && !q.Yes && !app.interactive() {
		return app.confirm(c.Context(), false, "")
	}
	j := x.job(p, run.Options{
		AllowClockSkew: q.AllowClockSkew, RefuseSpared: exact(q.named),
		ConfirmSelection: func(step plan.Step, sel cluster.Selection) error {
			if s.DryRun || x.quiet && q.Yes {
				return nil
			}
			names := cluster.Names(sel.Selected)
			x.nameCluster(app.Err)
			for _, f := range report.Families(names) {
				terminal.Fprintf(app.Err, "  %s\n", f.Line())
			}
			return x.confirm(c.Context(), q.Yes, fmt.Sprintf("Delete %s?", cluster.Count(len(names), step.Selects().Item())))
		},
	})
	j.FailOnSpared = q.FailOnSpared
	return x.carryOut(c.Context(), j, output)
}

// exact are the names that are not patterns.
func exact(named []string) []string {
	return slices.DeleteFunc(slices.Clone(named), func(n string) bool { return strings.Contains(n, "*") })
}
