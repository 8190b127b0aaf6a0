package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/terminal"
)

func newIndex(app *App) *cobra.Command {
	c := groupCommand("index", "List, show and delete indices", newIndexList(app), newIndexShow(app), newIndexDelete(app))
	c.Aliases = []string{"indices"}
	return c
}

type indexJSON struct {
	Index      string   `json:"index"`
	UUID       string   `json:"uuid"`
	Status     string   `json:"status"`
	Created    any      `json:"creation_date"`
	Aliases    []string `json:"aliases"`
	Lifecycle  string   `json:"lifecycle,omitempty"`
	DataStream string   `json:"data_stream,omitempty"`
	WriteIndex bool     `json:"is_write_index,omitempty"`
	Hidden     bool     `json:"hidden,omitempty"`
	System     bool     `json:"system,omitempty"`
	Docs       *int64   `json:"docs_count,omitempty"`
	Bytes      *int64   `json:"store_size_in_bytes,omitempty"`
	KeepUntil  any      `json:"keep_until,omitempty"`
	// Copy is the newest complete copy, with --copies.
	Copy *copyJSON `json:"newest_copy,omitempty"`
}

// indexListOptions are the flags of esnap index list.
type indexListOptions struct {
	Select selectFlags
	List   listFlags
	Stats  bool
	Copies bool
	Rules  copyRules
}

func newIndexList(app *App) *cobra.Command {
	o := &indexListOptions{}
	c := &cobra.Command{
		Use: "list [INDEX...]", Aliases: []string{"ls"}, Short: "List indices",
		Long: "List indices: all, or those selected by names, wildcard patterns and flags.\n--stats also shows documents and sizes; " +
			"for that, every shard is queried.",
		Example: `  esnap index list 'ks-logstash-*' --older-than 7d
  esnap index list --prefix ks- --timestring %Y.%m.%d --older-than 7d -o name`,
		Args: wantArgs(0, -1, "any number of names or patterns"),
		RunE: func(c *cobra.Command, args []string) error { return runIndexList(c, app, o, args) },
	}
	o.Select.add(c, cluster.Indices)
	c.Flags().BoolVar(&o.Stats, "stats", false, "also show documents and bytes")
	o.Rules.add(c.Flags())
	c.Flags().BoolVar(&o.Copies, "copies", false, "also show the newest complete copy in a snapshot, as -o wide does")
	o.List.add(c, indexColumns(true, true))
	return c
}

func runIndexList(c *cobra.Command, app *App, o *indexListOptions, names []string) error {
	chain, err := o.Select.chain(cluster.Indices, names)
	if err != nil {
		return err
	}
	copies := o.Copies || o.List.output == "wide"
	if err := o.List.check(app, indexColumns(o.Stats, copies)); err != nil {
		return err
	}
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	ctx := c.Context()
	return app.repeat(ctx, o.List.watch, func() error {
		all, list, err := app.indices(ctx, cl, chain, names)
		if err == nil && o.Stats {
			err = addStats(ctx, cl, list)
		}
		var held map[string]*copyJSON
		if err == nil && copies {
			held, err = newestCopies(ctx, x, cl, cluster.ByName(all), cluster.ByName(list), o.Rules.rules())
		}
		if err != nil {
			return err
		}
		return cmp.Or(o.write(app, list, held), x.incomplete())
	})
}

// newestCopies finds the newest complete copy of each listed index, in all repositories; where
// nothing says when an index ended, the newest one without missing shards.
func newestCopies(
	ctx context.Context,
	x *session,
	cl cluster.Cluster,
	live, listed map[string]*cluster.Index,
	rules coverage.Rules,
) (map[string]*copyJSON, error) {
	snapshots, err := x.snapshotsOf(ctx, cl, nil)
	if err != nil {
		return nil, err
	}
	held := map[string]*copyJSON{}
	for _, s := range coverage.Ordered(snapshots) {
		for _, name := range s.Indices {
			i := listed[name]
			if i == nil {
				continue
			}
			for _, c := range coverage.Enough(i, []*cluster.Snapshot{s}, live, rules) {
				if c.Complete() || held[name] == nil || !held[name].Complete {
					held[name] = &copyJSON{s.Repository, s.Name, jsonTime(s.Start), c.Complete()}
				}
			}
		}
	}
	return held, nil
}

// addStats asks for documents and bytes of the open indices.
func addStats(ctx context.Context, cl cluster.Cluster, list []*cluster.Index) error {
	var open []string
	for _, i := range list {
		if !i.Closed {
			open = append(open, i.Name)
		}
	}
	found, err := cl.Stats(ctx, open)
	if err != nil {
		return err
	}
	for _, i := range list {
		if s, ok := found[i.Name]; ok {
			i.Stats = &s
		}
	}
	return nil
}

// indices lists all indices and those that are selected. All are also returned with an error
// about a name that does not exist.
func (a *App) indices(
	ctx context.Context,
	cl cluster.Cluster,
	chain filters.Chain,
	names []string,
) (all, selected []*cluster.Index, err error) {
	if all, err = cl.Indices(ctx); err != nil {
		return nil, nil, err
	}
	for _, n := range names {
		if !strings.Contains(n, "*") && !slices.ContainsFunc(all, func(i *cluster.Index) bool { return i.Name == n }) {
			return all, nil, noIndex(n, all)
		}
	}
	selected, err = selectItems(ctx, a, cl, chain, all)
	return all, selected, err
}

func errNoIndex(name string) error {
	return &missing{"no index is called " + name, cluster.ErrNoIndex}
}

func noIndex(name string, all []*cluster.Index) error {
	err := errNoIndex(name)
	if question := near.DidYouMean(name, cluster.Names(all)); question != "" {
		return cluster.WithHint(err, "%s", question)
	}
	return cluster.WithHint(err, "esnap index list lists all %d; esnap snapshot list --holding %s looks in the snapshots",
		len(all), terminal.Shell(name))
}

func indexToJSON(i *cluster.Index) indexJSON {
	status := "open"
	if i.Closed {
		status = "close"
	}
	j := indexJSON{
		Index: i.Name, UUID: i.UUID, Status: status, Created: jsonTime(i.Created), Aliases: i.Aliases, Lifecycle: i.Lifecycle,
		DataStream: i.DataStream, WriteIndex: i.DataStreamWriteIndex, Hidden: i.Hidden, System: i.System,
	}
	if j.Aliases == nil {
		j.Aliases = []string{}
	}
	if i.Stats != nil {
		j.Docs, j.Bytes = &i.Stats.Docs, &i.Stats.Bytes
	}
	if until := i.KeepUntil(); !until.IsZero() {
		j.KeepUntil = jsonTime(until)
	}
	return j
}

func indexColumns(stats, copies bool) []column {
	columns := []column{
		{title: "index"}, {title: "status"}, {title: "created", utc: true}, {title: "age", right: true},
		{title: "aliases", wide: true}, {title: "lifecycle", wide: true}, {title: "uuid", wide: true},
	}
	if copies {
		columns = append(columns, column{title: "newest complete copy"})
	}
	if stats {
		columns = append(columns, column{title: "docs", right: true}, column{title: "size", right: true})
	}
	return columns
}

func (o *indexListOptions) write(app *App, list []*cluster.Index, held map[string]*copyJSON) error {
	now := app.Now()
	var rows []row
	for _, i := range list {
		j := indexToJSON(i)
		cells := []cell{
			textCell(i.Name), textCell(j.Status), timeCell(i.Created), ageCell(now, i.Created),
			textCell(strings.Join(i.Aliases, ",")), textCell(i.Lifecycle), textCell(i.UUID),
		}
		if held != nil {
			text := textCell(unknown)
			if j.Copy = held[i.Name]; j.Copy != nil {
				text = textCell(j.Copy.Repository + "/" + j.Copy.Snapshot)
				if !j.Copy.Complete { // the name does not say when the last document came
					text = textCell(j.Copy.Repository + "/" + j.Copy.Snapshot + " (until it began)")
				}
			}
			cells = append(cells, text)
		}
		if o.Stats {
			docs, size := textCell(unknown), textCell(unknown)
			if i.Stats != nil {
				docs = numberCell(i.Stats.Docs, fmt.Sprint(i.Stats.Docs))
				size = numberCell(i.Stats.Bytes, humanize.IBytes(uint64(max(i.Stats.Bytes, 0))))
			}
			cells = append(cells, docs, size)
		}
		rows = append(rows, row{cells, i.Name, j})
	}
	return o.List.write(app, indexColumns(o.Stats, held != nil), rows, "indices")
}

// indexShowOptions are the flags of esnap index show.
type indexShowOptions struct {
	Output string
	Rules  copyRules
}

func newIndexShow(app *App) *cobra.Command {
	o := &indexShowOptions{}
	c := &cobra.Command{
		Use: "show INDEX", Short: "Show one index and the snapshots that contain it",
		Long: "Show one index and the snapshots that contain a complete copy of the index. For an\n" +
			"index that does not exist, show the snapshots that contain it.",
		Example: "  esnap index show ks-logstash-log-2026.11.03",
		Args:    wantArgs(1, 1, "one index"),
		RunE:    func(c *cobra.Command, args []string) error { return runIndexShow(c, app, o, args[0]) },
	}
	o.Rules.add(c.Flags())
	outputFlag(c, &o.Output, "text", "json", "yaml")
	return c
}

func runIndexShow(c *cobra.Command, app *App, o *indexShowOptions, name string) error {
	chain, err := (&selectFlags{}).chain(cluster.Indices, []string{name})
	if err != nil {
		return err
	}
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	all, list, err := app.indices(c.Context(), cl, chain, []string{name})
	if errors.Is(err, cluster.ErrNoIndex) {
		return x.showCopies(c.Context(), cl, name, all, o)
	}
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return usagef("%s matches %d indices; name exactly one", name, len(list))
	}
	i := list[0]
	if s, err := cl.Stats(c.Context(), []string{i.Name}); err == nil {
		if st, ok := s[i.Name]; ok {
			i.Stats = &st
		}
	}
	snapshots, err := x.snapshotsOf(c.Context(), cl, nil)
	if err != nil {
		return err
	}
	held, copies := []string{}, []copyJSON{}
	for _, c := range coverage.Enough(i, snapshots, cluster.ByName(all), o.Rules.rules()) {
		copies = append(copies, copyJSON{c.Snapshot.Repository, c.Snapshot.Name, jsonTime(c.Snapshot.Start), c.Complete()})
		if c.Complete() {
			held = append(held, c.Snapshot.Repository+"/"+c.Snapshot.Name)
		}
	}
	if o.Output == "text" {
		return cmp.Or(showIndex(app, i, copies), x.incomplete())
	}
	return cmp.Or(writeList(app.Out, o.Output, nil, nil, nil, map[string]any{
		"schema_version": report.SchemaVersion, "index": indexToJSON(i), "held_by": held, "copies": copies,
	}), x.incomplete())
}

func showIndex(app *App, i *cluster.Index, copies []copyJSON) error {
	var b strings.Builder
	terminal.Fprintf(&b, "index      %s\nuuid       %s\nstatus     %s\ncreated    %s\naliases    %s\n",
		i.Name, i.UUID, indexToJSON(i).Status, stampUTC(i.Created), strings.Join(i.Aliases, ", "))
	if i.Lifecycle != "" {
		terminal.Fprintf(&b, "lifecycle  %s\n", i.Lifecycle)
	}
	if i.Stats != nil {
		terminal.Fprintf(&b, "documents  %d\nsize       %s\n", i.Stats.Docs, humanize.IBytes(uint64(max(i.Stats.Bytes, 0))))
	}
	for _, complete := range []bool{true, false} {
		some := slices.DeleteFunc(slices.Clone(copies), func(c copyJSON) bool { return c.Complete != complete })
		switch {
		case complete:
			terminal.Fprintf(&b, "\ncomplete copies in %s\n", cluster.Count(len(some), "snapshot"))
		case len(some) > 0:
			terminal.Fprintf(&b, "\ncopies in %s, each with what was written until it began\n", cluster.Count(len(some), "snapshot"))
		}
		for _, c := range some {
			terminal.Fprintf(&b, "  %s/%s\n", c.Repository, c.Snapshot)
		}
	}
	_, err := app.Out.Write([]byte(b.String()))
	return err
}

// copyJSON is a copy of an index in a snapshot.
type copyJSON struct {
	Repository string `json:"repository"`
	Snapshot   string `json:"snapshot"`
	Started    any    `json:"start_time"`
	Complete   bool   `json:"complete"`
}

// showCopies shows which snapshots contain an index that is not among all indices. The
// error is the one about that, with the command that restores the index as its hint.
func (x *session) showCopies(ctx context.Context, cl cluster.Cluster, name string, all []*cluster.Index, o *indexShowOptions) error {
	snapshots, err := x.snapshotsOf(ctx, cl, nil)
	if err != nil {
		return err
	}
	var rows [][]string
	value := []copyJSON{}
	known, complete := []string{}, false
	for _, s := range snapshots {
		known = append(known, s.Indices...)
		if !s.Holds(name) {
			continue
		}
		good, until := coverage.In(name, s, o.Rules.rules())
		j := copyJSON{s.Repository, s.Name, jsonTime(s.Start), good}
		state := "incomplete"
		switch {
		case good:
			state, complete = "complete", true
		case !until.IsZero():
			state, complete = "until "+stamp(until), true
		}
		rows, value = append(rows, []string{s.Repository + "/" + s.Name, stamp(s.Start), cluster.Age(x.Now(), s.Start), state}), append(value, j)
	}
	if len(rows) > 0 || o.Output != "text" {
		columns := []column{{title: "snapshot"}, {title: "started", utc: true}, {title: "age", right: true}, {title: "copy"}}
		if err := writeList(x.Out, o.Output, columns, rows, nil, map[string]any{
			"schema_version": report.SchemaVersion,
			"index":          nil,
			"copies":         value,
		}); err != nil {
			return err
		}
	}
	if err := x.incomplete(); err != nil && len(rows) == 0 {
		return err
	}
	err = errNoIndex(name)
	switch question := near.DidYouMean(name, known); {
	case complete:
		return cluster.WithHint(err, "to restore the index: esnap restore %s", terminal.Shell(name))
	case len(rows) > 0:
		return cluster.WithHint(err, "no copy is complete; to restore what there is: esnap restore --partial %s", terminal.Shell(name))
	case question == "", len(near.Names(name, cluster.Names(all))) > 0:
		return noIndex(name, all)
	default:
		return cluster.WithHint(err, "%s (in a snapshot)", question)
	}
}

// indexDeleteOptions are the flags of esnap index delete.
type indexDeleteOptions struct {
	Select  selectFlags
	Delete  deleteFlags
	Limits  limitFlags
	Require requireFlags
	Protect []string
	Output  string
}

func newIndexDelete(app *App) *cobra.Command {
	o := &indexDeleteOptions{}
	c := &cobra.Command{
		Use: "delete [INDEX...]", Short: "Delete the named indices",
		Long: "Delete the indices selected by names, wildcard patterns or flags, and verify that\nthey are deleted. " +
			"Not deleted are: write indices, restored indices that are still\nprotected, and system indices that are not named exactly.",
		Example: `  esnap index delete restored-ks-logstash-log-2026.11.03
  esnap index delete --prefix ks- --timestring %Y.%m.%d --older-than 7d -y`,
		Args: wantArgs(0, -1, "names or patterns of indices"),
		RunE: func(c *cobra.Command, args []string) error { return runIndexDelete(c, app, o, args) },
	}
	o.Select.add(c, cluster.Indices)
	o.Delete.add(c)
	o.Limits.add(c)
	o.Require.add(c)
	c.Flags().StringSliceVar(&o.Protect, "protect", nil, "patterns of indices that are never deleted")
	outputFlag(c, &o.Output, report.Formats...)
	return c
}

func runIndexDelete(c *cobra.Command, app *App, o *indexDeleteOptions, names []string) error {
	if len(names) == 0 && !o.Select.given() {
		return &usageError{text: "no index was selected; nothing was sent", hint: "name the indices, or select them with flags"}
	}
	chain, err := o.Select.chain(cluster.Indices, names)
	if err != nil {
		return err
	}
	a := actions.Kinds["delete_indices"].New(actions.Own).(*actions.DeleteIndices)
	a.Protect, a.Named, a.Limits = o.Protect, exact(names), o.Limits.limits()
	if err := o.Require.apply(a); err != nil {
		return err
	}
	return runSingle(c, app, "delete_indices", a, chain, o.Output, &deleteQuestion{o.Delete, names})
}
