package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/drill"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/rename"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/series"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
)

// purgeOptions are the flags of esnap purge.
type purgeOptions struct {
	Confirm string
	Record  string
	Reason  string
	Output  string
}

// purge is what a purge deletes, and what else that costs.
type purge struct {
	Names []string `json:"names"`
	// Indices are the live ones and restored copies; Drills are copies of a drill.
	Indices []string `json:"indices"`
	Drills  []string `json:"drill_copies,omitempty"`
	// Snapshots contain one of the names, by repository.
	Snapshots map[string][]string `json:"snapshots"`
	// Similar are other indices with such a name in theirs, also in snapshots, as
	// REPOSITORY/SNAPSHOT: INDEX. They are kept.
	Similar []string `json:"similar_names_kept,omitempty"`
	// Foreign are snapshots of other clusters that contain one of the names, as
	// REPOSITORY/SNAPSHOT. They are kept: the name is that of another index there.
	Foreign []string `json:"snapshots_of_other_clusters_kept,omitempty"`
	// Lost are other indices whose last copy is in these snapshots, and that the cluster no
	// longer has.
	Lost []string `json:"lost_with_them"`
	// Uncopied are other indices of the cluster whose last complete copy is in these snapshots.
	Uncopied []string `json:"live_without_copy"`

	Cluster string `json:"cluster_uuid"`
	// Outcomes are what became of each snapshot and index.
	Outcomes []string `json:"outcomes,omitempty"`

	Time   string `json:"time"`
	Reason string `json:"reason,omitempty"`
	Result string `json:"result,omitempty"`
}

func newPurge(app *App) *cobra.Command {
	o := &purgeOptions{}
	c := &cobra.Command{
		Use: "purge INDEX...", Short: "Delete indices everywhere: in the cluster and in snapshots",
		Long: `Delete the named indices, restored and test copies of them, and every snapshot
that contains one of them, in all repositories: for data that must be deleted.
The plan also names what else loses its last copy. Only a hold is stronger. The
names must be typed again, or given with --confirm. A record is written.`,
		Example: `  esnap purge ks-logstash-log-2026.11.03 -n
  esnap purge ks-logstash-log-2026.11.03 --confirm ks-logstash-log-2026.11.03`,
		Args: wantArgs(1, -1, "one or more indices"),
		RunE: func(c *cobra.Command, args []string) error { return runPurge(c, app, o, args) },
	}
	f := c.Flags()
	f.StringVar(&o.Confirm, "confirm", "", "the same names again, separated by commas: do not ask")
	f.StringVar(&o.Record, "record", "", "file for the record (default esnap-purge-TIME.json)")
	f.StringVar(&o.Reason, "reason", "", "why, for the record")
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	outputFlag(c, &o.Output, report.Formats...)
	return c
}

func runPurge(c *cobra.Command, app *App, o *purgeOptions, names []string) error {
	for _, n := range names {
		if strings.ContainsAny(n, "*?[") {
			return usagef("purge takes exact names; %s is a pattern", n)
		}
	}
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	p, steps, err := planPurge(c.Context(), x, cl, names)
	if err != nil {
		return err
	}
	p.Reason = o.Reason
	asks := o.Confirm == "" && !x.s.DryRun
	if !x.quiet || asks {
		where := x.Err // what it costs is told with every format
		if o.Output == "table" {
			where = x.Out
		}
		p.write(x, where)
	}
	if !x.s.DryRun {
		if err := x.confirmNames(c.Context(), o.Confirm, names); err != nil {
			return err
		}
	}
	record := o.Record
	if record == "" {
		record = "esnap-purge-" + app.Now().UTC().Format("20060102T150405Z") + ".json"
	}
	write := func(result string, flags int) error {
		if x.s.DryRun {
			return nil
		}
		p.Result = result
		data, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return err
		}
		f, err := os.OpenFile(record, os.O_WRONLY|flags, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(append(data, '\n'))
		return errors.Join(err, f.Close())
	}
	if err := write("started", os.O_CREATE|os.O_EXCL); err != nil { // nothing is deleted without a record, and no record is lost
		return usagef("the record cannot be written: %s", err)
	}
	j := x.job(&plan.Plan{Behaviour: actions.Own, Steps: steps}, run.Options{RefuseSpared: slices.Concat(p.all(), p.Indices)})
	j.Command = "purge"
	j.Observers = append(j.Observers, p)
	err = x.carryOut(c.Context(), j, o.Output)
	if err == nil && len(p.Drills) > 0 && !x.s.DryRun {
		_, left, why := drill.Remove(c.Context(), cl, func(i *cluster.Index) bool { return slices.Contains(p.Drills, i.Name) })
		switch {
		case len(left) > 0:
			err = fmt.Errorf("copies of a drill are left: %s: %w", strings.Join(left, ", "), why)
		case why != nil:
			err = fmt.Errorf("cannot delete the copies of a drill: %w", why)
		}
	}
	result := "done"
	if err != nil {
		result = "failed: " + err.Error()
	}
	if werr := write(result, os.O_TRUNC); werr != nil {
		return werr
	}
	if err == nil && !x.s.DryRun && o.Output == "table" {
		x.say("record: %s", record)
	}
	if err == nil && len(p.Foreign) > 0 { // they may be of the same data: the cluster may have replaced another one
		return &exit{job.Incomplete}
	}
	return err
}

// confirmNames has the names typed again.
func (x *session) confirmNames(ctx context.Context, given string, names []string) error {
	want := strings.Join(names, ",")
	if given == "" && x.interactive() {
		x.nameCluster(x.Err)
		terminal.Fprintf(x.Err, "Type %s to delete it everywhere: ", want)
		answer, err := terminal.ReadLine(ctx, x.In)
		if err != nil {
			return err
		}
		given = answer
	}
	if given == "" {
		return &usageError{
			text: "confirmation required, but stdin is not a terminal; nothing was sent",
			hint: "pass --confirm " + terminal.Shell(want),
		}
	}
	if given != want {
		return usagef("%q is not %s; nothing was sent", given, want)
	}
	return nil
}

// Observe implements run.Observer, for the record.
func (p *purge) Observe(e run.Event) {
	if o, ok := e.(run.Outcome); ok {
		what := strings.TrimPrefix(o.Outcome.Repository+"/"+o.Outcome.Name, "/")
		p.Outcomes = append(p.Outcomes, fmt.Sprintf("%s %s: %s", o.Outcome.What, what, o.Outcome.Result))
	}
}

// all are the snapshots of all repositories.
func (p *purge) all() []string {
	var names []string
	for _, list := range p.Snapshots {
		names = append(names, list...)
	}
	return names
}

// planPurge finds what contains the names, and makes the steps that delete it: snapshots
// first, so that an interrupted purge leaves what is seen most easily.
func planPurge(ctx context.Context, x *session, cl cluster.Cluster, names []string) (*purge, []plan.Step, error) {
	server, err := cl.Server(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := &purge{
		Names:     names,
		Indices:   []string{},
		Snapshots: map[string][]string{},
		Cluster:   server.UUID,
		Time:      x.Now().UTC().Format(time.RFC3339),
	}
	indices, err := cl.Indices(ctx)
	if err == nil {
		err = cl.Sight().Indices
	}
	if err != nil {
		return nil, nil, err
	}
	similar := func(index string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(index, n) })
	}
	live := map[string]*cluster.Index{}
	subjects := slices.Clone(names) // and all copies of them: a snapshot may contain one, too
	for _, i := range indices {
		if i.DataStream != "" && slices.Contains(names, i.DataStream) {
			why := cluster.Refuse("%s is a data stream of the cluster, which is not deleted by deleting indices", i.DataStream)
			return nil, nil, cluster.WithHint(why,
				"delete the stream first (DELETE _data_stream/%s); esnap purge then deletes the snapshots that contain it", i.DataStream)
		}
		copied := copyOf(i, names)
		if copied {
			subjects = append(subjects, i.Name)
		}
		switch {
		case i.Drill != "" && copied:
			p.Drills = append(p.Drills, i.Name)
		case slices.Contains(names, i.Name), copied:
			p.Indices = append(p.Indices, i.Name)
		default:
			live[i.Name] = i
			if similar(i.Name) {
				p.Similar = append(p.Similar, i.Name)
			}
		}
	}
	repositories, err := cl.Repositories(ctx)
	if err != nil {
		return nil, nil, err
	}
	var all, doomed []*cluster.Snapshot
	var inSnapshots []string
	for _, r := range repositories {
		list, err := cl.Snapshots(ctx, r.Name, true)
		if err != nil {
			return nil, nil, fmt.Errorf("repository %s may contain copies, but cannot be read: %w", r.Name, err)
		}
		all = append(all, list...)
		for _, s := range list {
			if !slices.ContainsFunc(subjects, s.Holds) {
				for _, i := range s.Indices {
					if similar(i) {
						inSnapshots = append(inSnapshots, r.Name+"/"+s.Name+": "+i)
					}
				}
				continue
			}
			if r.ReadOnly() {
				return nil, nil, cluster.WithHint(cluster.Refuse("snapshot %s/%s contains a copy, but the repository is read-only in this cluster",
					r.Name, s.Name),
					"purge in the cluster that writes to it")
			}
			if s.Elsewhere {
				p.Foreign = append(p.Foreign, r.Name+"/"+s.Name)
				continue
			}
			doomed = append(doomed, s)
			p.Snapshots[r.Name] = append(p.Snapshots[r.Name], s.Name)
		}
	}
	if len(p.Indices)+len(p.Drills)+len(doomed) == 0 {
		err := fmt.Errorf("nothing contains %s: neither the cluster nor a snapshot", strings.Join(names, ", "))
		for _, i := range indices {
			if a := slices.IndexFunc(i.Aliases, func(a string) bool { return slices.Contains(names, a) }); a >= 0 {
				return nil, nil, cluster.WithHint(err, "%s is an alias of the index %s: name the index", i.Aliases[a], i.Name)
			}
		}
		if len(p.Foreign) > 0 {
			err = cluster.WithHint(fmt.Errorf("only snapshots of another cluster contain %s: %s", strings.Join(names, ", "),
				strings.Join(p.Foreign, ", ")), "purge in the cluster that took them")
		}
		return nil, nil, err
	}
	if err := cl.Sight().Operations; err != nil && len(doomed) > 0 { // a snapshot could be in use
		return nil, nil, &cluster.Refused{Err: err}
	}
	if err := x.unheld(p, doomed); err != nil {
		return nil, nil, err
	}
	p.Similar = append(p.Similar, slices.Sorted(slices.Values(inSnapshots))...)
	p.Lost, p.Uncopied = lostWith(all, doomed, subjects, live)
	return p, p.steps(), nil
}

// unheld refuses a purge of something that is held, before anything is deleted.
func (x *session) unheld(p *purge, doomed []*cluster.Snapshot) error {
	holds := job.Holds(x.s)
	var held []string
	for _, n := range slices.Concat(p.Indices, p.Drills) {
		if why := guard.Held(holds, x.Now(), &cluster.Index{Name: n}); why != "" {
			held = append(held, fmt.Sprintf("index %s: %s", n, why))
		}
	}
	for _, s := range doomed {
		if why := guard.Held(holds, x.Now(), s); why != "" {
			held = append(held, fmt.Sprintf("snapshot %s/%s: %s", s.Repository, s.Name, why))
		}
	}
	if len(held) == 0 {
		return nil
	}
	return cluster.WithHint(cluster.Refuse("%s; nothing was deleted", strings.Join(held, "; ")),
		"nothing lifts a hold but its entry in the client file")
}

// copyOf reports whether an index is a renamed copy of one of the names, restored by esnap.
func copyOf(i *cluster.Index, names []string) bool {
	if i.Renamed.Pattern == "" {
		return false
	}
	rule, err := rename.Compile(i.Renamed.Pattern, i.Renamed.Replacement)
	return err == nil && slices.ContainsFunc(names, func(n string) bool {
		name, err := rule.Apply(n)
		return err == nil && name == i.Name && name != n
	})
}

// lostWith are the other indices that lose their last copy with the doomed snapshots: those
// that the cluster does not have, or not as they were then, and those that it has.
func lostWith(all, doomed []*cluster.Snapshot, subjects []string, live map[string]*cluster.Index) (lost, uncopied []string) {
	going := map[*cluster.Snapshot]bool{}
	for _, s := range doomed {
		going[s] = true
	}
	stays := func(c coverage.Copy) bool { return !going[c.Snapshot] }
	var ending []coverage.Life
	kept := map[string]bool{} // of another series
	_, groups := series.Group(cluster.Ours(all), series.Of(nil))
	for _, group := range groups {
		for _, l := range coverage.Lives(group, live, (&copyRules{}).rules()) {
			switch {
			case slices.Contains(subjects, l.Name):
			case !slices.ContainsFunc(l.Counting(), stays):
				ending = append(ending, l)
			case !l.Late && l.Number == 1:
				kept[l.Name] = true
			}
		}
	}
	lost, uncopied = []string{}, []string{} // never nil: they are lists in JSON
	for _, l := range ending {
		switch {
		case kept[l.Name]:
		case l.Live:
			uncopied = append(uncopied, l.Name)
		default:
			lost = append(lost, l.Name)
		}
	}
	slices.Sort(lost)
	slices.Sort(uncopied)
	return slices.Compact(lost), slices.Compact(uncopied)
}

// steps are the deletions, with guards off: holds are kept all the same.
func (p *purge) steps() []plan.Step {
	off := false
	var steps []plan.Step
	add := func(kind string, a actions.Action, names []string) {
		step := plan.Step{
			ID: fmt.Sprint(len(steps) + 1), Kind: kind, Action: a, Timeout: actions.Kinds[kind].Timeout,
			Chain: filters.Chain{{Kind: "names", Filter: &filters.Names{Patterns: names}}},
		}
		step.Common.AllowILMIndices = true
		plan.Complete(&step, plan.Options{Flavour: flavour.Native, Guards: &off})
		steps = append(steps, step)
	}
	for _, r := range slices.Sorted(maps.Keys(p.Snapshots)) {
		a := actions.Kinds["delete_snapshots"].New(actions.Own).(*actions.DeleteSnapshots)
		a.Repository, a.KeepNewestGood = r, false
		add("delete_snapshots", a, p.Snapshots[r])
	}
	if len(p.Indices) > 0 {
		add("delete_indices", actions.Kinds["delete_indices"].New(actions.Own), p.Indices)
	}
	return steps
}

// write shows the plan.
func (p *purge) write(x *session, w io.Writer) {
	x.nameCluster(w)
	for _, i := range p.Indices {
		terminal.Fprintf(w, "  delete the index %s\n", i)
	}
	for _, i := range p.Drills {
		terminal.Fprintf(w, "  delete the copy of a drill %s\n", i)
	}
	for _, r := range slices.Sorted(maps.Keys(p.Snapshots)) {
		for _, f := range report.Families(p.Snapshots[r]) {
			terminal.Fprintf(w, "  delete from repository %s: %s\n", r, f.Line())
		}
	}
	if len(p.Similar) > 0 {
		terminal.Fprintf(w, "not deleted, although the names are similar: %s; if one is a copy, name it as well\n",
			strings.Join(p.Similar, ", "))
	}
	if len(p.Foreign) > 0 {
		terminal.Fprintf(w, "not deleted, because another cluster took them: %s; if it is the same data, purge there, too, "+
			"or delete them: esnap snapshot delete REPOSITORY SNAPSHOT --guards off\n", strings.Join(p.Foreign, ", "))
	}
	for _, cost := range []struct {
		names []string
		text  string
	}{
		{p.Lost, "also lost, because no other snapshot contains a complete copy"},
		{p.Uncopied, "in the cluster only afterwards, because no other snapshot contains a complete copy"},
	} {
		if len(cost.names) == 0 {
			continue
		}
		terminal.Fprintf(w, "%s %s:\n", cluster.CountAre(len(cost.names), "index"), cost.text)
		for _, f := range report.Families(cost.names) {
			terminal.Fprintf(w, "  %s\n", f.Line())
		}
	}
}
