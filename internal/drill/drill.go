// Package drill restores indices from snapshots under another name, compares them with the
// cluster's, and removes them again: the proof that a backup can be read.
package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/rename"
	"github.com/esnap/esnap/internal/series"
)

// Options say what is restored.
type Options struct {
	Now   time.Time
	Watch clock.Stopwatch
	// Run is the id of the run, by which its copies are found again.
	Run string
	// Repositories are the only ones; empty: all.
	Repositories []string
	// Sample is how many indices are chosen by chance; 0: one of each family.
	Sample int
	// MaxBytes is the most that is restored.
	MaxBytes int64
	// Integrity also has the server look through the repositories of the copies.
	Integrity bool
	Rules     coverage.Rules
	// Waiting is told what is waited for.
	Waiting func(cluster.Waiting)
	DryRun  bool
}

// Prefix begins the names of the copies. They are found by their setting, never by name.
const Prefix = "esnap-drill-"

// longest is how many bytes the name of an index may have.
const longest = 255

// wait is how long the shards of a copy may take to start.
const wait = 2 * time.Hour

// State is what became of one copy.
type State string

// The states.
const (
	Passed     State = "passed"       // restored, complete, and the same as in the cluster where it can be compared
	Failed     State = "failed"       //
	Skipped    State = "skipped"      // not restored; the reason says why
	Unfinished State = "not_finished" // the drill was interrupted first: it says nothing about the snapshot
)

// String is the state in words.
func (s State) String() string { return strings.ReplaceAll(string(s), "_", " ") }

// Result is a drill.
type Result struct {
	Run    string    `json:"run_id"`
	Time   time.Time `json:"time"`
	Copies []Copy    `json:"copies"`
	// Removed are copies of an earlier drill that were still there. Those that are not older
	// than a drill may take are kept: their drill may be running.
	Removed []string `json:"removed,omitempty"`
	// Integrity is what the server found in the files of each repository, if it was asked.
	Integrity []Integrity `json:"integrity,omitempty"`
	// Left are copies that could not be removed.
	Left []string `json:"left,omitempty"`
	// LeftReason is why the first of them could not be removed.
	LeftReason string `json:"left_reason,omitempty"`
}

// Integrity is what the server found in the files of a repository.
type Integrity struct {
	Repository string         `json:"repository"`
	Time       time.Time      `json:"time"` // of the drill that asked
	State      IntegrityState `json:"state"`
	Anomalies  int64          `json:"anomalies,omitempty"`
	First      string         `json:"first_anomaly,omitempty"`
	Reason     string         `json:"reason,omitempty"` // why it is not known
}

// IntegrityState is whether a repository is whole.
type IntegrityState string

// The states.
const (
	Whole       IntegrityState = "passed"
	Damaged     IntegrityState = "damaged"
	Unknown     IntegrityState = "unknown"     // the server gave up, or something was written meanwhile
	Unsupported IntegrityState = "unsupported" // the server cannot look
)

func (i Integrity) conclusive() bool { return i.State == Whole || i.State == Damaged }

// Copy is one index that was restored.
type Copy struct {
	Index      string `json:"index"`
	Repository string `json:"repository"`
	Snapshot   string `json:"snapshot"`
	State      State  `json:"state"`
	Reason     string `json:"reason,omitempty"`
	Bytes      int64  `json:"bytes,omitempty"`
	Shards     int    `json:"shards,omitempty"`
	Docs       *int64 `json:"documents,omitempty"`
	// Live is the number of documents of the index in the cluster, if it can be compared.
	Live *int64 `json:"live_documents,omitempty"`
	Took string `json:"took,omitempty"`
	// Time is when the older drill began whose result this is; zero: it is of this drill.
	Time time.Time `json:"time,omitzero"`

	target   string
	snapshot *cluster.Snapshot
}

// Failures counts the copies that failed.
func (r *Result) Failures() int { return r.count(Failed) }

// Passed counts the copies that passed.
func (r *Result) Passed() int { return r.count(Passed) }

// Unfinished counts the copies that are not finished.
func (r *Result) Unfinished() int { return r.count(Unfinished) }

func (r *Result) count(state State) (n int) {
	for _, c := range r.Copies {
		if c.State == state {
			n++
		}
	}
	return n
}

// Repositories are those in a state.
func (r *Result) Repositories(state IntegrityState) []Integrity {
	return slices.DeleteFunc(slices.Clone(r.Integrity), func(i Integrity) bool { return i.State != state })
}

// Carry adds what older drills found out about the repositories for which this one did not.
func (r *Result) Carry(older ...*Result) {
	older = slices.DeleteFunc(slices.Clone(older), func(o *Result) bool { return o == nil })
	slices.SortStableFunc(older, func(a, b *Result) int { return b.Time.Compare(a.Time) })
	for _, o := range older {
		for _, i := range o.Integrity {
			if i.conclusive() && !slices.ContainsFunc(r.Integrity, func(x Integrity) bool {
				return x.conclusive() && x.Repository == i.Repository
			}) {
				r.Integrity = append(r.Integrity, i)
			}
		}
	}
}

// driller is one drill.
type driller struct {
	Options
	c    cluster.Cluster
	live map[string]*cluster.Index
	r    *Result
}

// Run makes a drill. What it created is removed, also when the context ends. An error means
// that the drill as a whole was not possible.
func Run(ctx context.Context, c cluster.Cluster, o Options) (*Result, error) {
	c = cluster.Only(c, "drill", cluster.RestoreSnapshot{}, cluster.DeleteIndices{})
	d := &driller{Options: o, c: c, live: map[string]*cluster.Index{}, r: &Result{Run: o.Run, Time: o.Now.UTC()}}
	server, err := c.Server(ctx)
	if err != nil {
		return nil, err
	}
	if !server.Concurrent() {
		running, err := c.Running(ctx)
		if err != nil {
			return nil, err
		}
		if len(running) > 0 {
			return nil, cluster.WithHint(cluster.Refuse("%s; %s cannot do both", running[0].Describe(o.Now), server),
				"run the drill again when it has ended")
		}
	}
	indices, err := c.Indices(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range indices {
		d.live[i.Name] = i
	}
	if !o.DryRun {
		d.r.Removed = d.remove(ctx, func(i *cluster.Index) bool { return i.Drill != "" && o.Now.Sub(began(i)) > wait })
	}
	snapshots, err := d.snapshots(ctx)
	if err != nil {
		return nil, err
	}
	chosen := d.choose(snapshots)
	if len(chosen) == 0 {
		return nil, errors.New("no good snapshot contains an index that can be restored")
	}
	if err := d.fit(ctx, chosen); err != nil {
		return nil, err
	}
	if o.DryRun {
		d.r.Copies = chosen
		return d.r, nil
	}
	for n := range chosen {
		if chosen[n].State == "" {
			d.copy(ctx, &chosen[n])
		}
	}
	d.r.Copies = chosen
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	d.remove(clean, func(i *cluster.Index) bool { return i.Drill == d.mark() })
	if o.Integrity && ctx.Err() == nil { // it may take hours
		d.integrity(ctx, chosen)
	}
	return d.r, context.Cause(ctx)
}

// integrity has the server look through the repositories of the copies.
func (d *driller) integrity(ctx context.Context, chosen []Copy) {
	var names []string
	for _, c := range chosen {
		names = append(names, c.Repository)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if d.Waiting != nil {
			d.Waiting(cluster.Waiting{For: "the integrity of repository " + name})
		}
		found, err := d.c.Integrity(ctx, name)
		i := Integrity{Repository: name, Time: d.r.Time, State: Unknown, Anomalies: found.Anomalies, First: found.First, Reason: found.Result}
		switch {
		case errors.Is(err, cluster.ErrUnsupported):
			i.State, i.Reason = Unsupported, err.Error()
		case found.Changed:
			i.Reason = "something was written to the repository meanwhile"
		case found.Anomalies > 0:
			i.State, i.Reason = Damaged, ""
		case err != nil:
			i.Reason = err.Error()
		case found.Result == cluster.IntegrityPass:
			i.State, i.Reason = Whole, ""
		}
		d.r.Integrity = append(d.r.Integrity, i)
	}
}

// mark is what the copies of this drill have: its id, and when it began. A restored index keeps
// the time at which the original was created.
func (d *driller) mark() string { return fmt.Sprintf("%s@%d", d.Run, d.Now.Unix()) }

// began is when the drill began that made a copy.
func began(i *cluster.Index) time.Time {
	if _, text, marked := strings.Cut(i.Drill, "@"); marked {
		if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
			return time.Unix(seconds, 0)
		}
	}
	return i.Created
}

// snapshots are the snapshots of each repository, with their contents: those of this
// cluster, if there are any.
func (d *driller) snapshots(ctx context.Context) ([]*cluster.Snapshot, error) {
	names := d.Repositories
	if len(names) == 0 {
		all, err := d.c.Repositories(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			names = append(names, r.Name)
		}
	}
	var list []*cluster.Snapshot
	for _, name := range names {
		some, err := d.c.Snapshots(ctx, name, true)
		if err != nil {
			return nil, err
		}
		list = append(list, cluster.Ours(some)...)
	}
	return list, nil
}

// choose picks the indices: in each repository the newest one of each family that has ended,
// from the newest good snapshot of a series; or some by chance from all good snapshots.
func (d *driller) choose(snapshots []*cluster.Snapshot) []Copy {
	of := series.Of(nil)
	newest := map[string]*cluster.Snapshot{}
	copies := map[string]Copy{} // by index, from the newest snapshot
	var keys []string
	for _, s := range coverage.Ordered(snapshots) {
		if !s.Good() {
			continue
		}
		key := s.Repository + "/" + of(s).Key
		if newest[key] == nil {
			keys = append(keys, key)
		}
		newest[key] = s
		for _, i := range s.Indices {
			if d.usable(i, s) {
				copies[i] = d.of(i, s)
			}
		}
	}
	if d.Sample > 0 {
		var all []Copy
		for _, c := range copies {
			all = append(all, c)
		}
		cluster.Sort(all, func(a, b Copy) int { return cmp.Compare(a.Index, b.Index) })
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		return all[:min(d.Sample, len(all))]
	}
	best := map[[2]string]Copy{} // by repository and family
	var order [][2]string
	for _, key := range keys {
		s := newest[key]
		for _, i := range s.Indices {
			f := [2]string{s.Repository, series.Family(i)}
			b, known := best[f]
			if !d.usable(i, s) || known && (i < b.Index || i == b.Index && !s.Start.After(b.snapshot.Start)) {
				continue
			}
			if !known {
				order = append(order, f)
			}
			best[f] = d.of(i, s)
		}
	}
	var chosen []Copy
	for _, f := range order {
		chosen = append(chosen, best[f])
	}
	return chosen
}

func (d *driller) of(index string, s *cluster.Snapshot) Copy {
	return Copy{Index: index, Repository: s.Repository, Snapshot: s.Name, snapshot: s}
}

// usable reports whether an index of a snapshot is one to restore: no system index, no copy
// of a drill, and its period had ended.
func (d *driller) usable(name string, s *cluster.Snapshot) bool {
	if cluster.IsDotted(name) || cluster.IsOwn(name) || strings.HasPrefix(name, Prefix) {
		return false
	}
	if i := d.live[name]; i != nil && (i.Mount != nil || i.System) {
		return false
	}
	end := dates.PeriodOf(name, d.Rules.Zones...).End
	return end.IsZero() || !s.Start.Before(end.Add(d.Rules.Settle))
}

// fit skips what is too large: for the limit, and for a tenth of the free disk space.
func (d *driller) fit(ctx context.Context, chosen []Copy) error {
	capacity, err := d.c.Capacity(ctx)
	if err != nil {
		return err
	}
	var free int64
	for _, n := range capacity.Nodes {
		free += n.Free
	}
	sizes := map[*cluster.Snapshot]map[string]int64{}
	var sum int64
	for n := range chosen {
		c := &chosen[n]
		if sizes[c.snapshot] == nil {
			read, err := d.c.SnapshotSizes(ctx, c.Repository, c.Snapshot)
			if err != nil {
				return err
			}
			sizes[c.snapshot] = read
		}
		c.Bytes = sizes[c.snapshot][c.Index]
		switch {
		case c.Bytes == 0 && d.live[c.Index] != nil && d.live[c.Index].Mount != nil:
			c.State, c.Reason = Skipped, "it is mounted from a snapshot, and its copy contains no data"
		case sum+c.Bytes > d.MaxBytes:
			c.State, c.Reason = Skipped, fmt.Sprintf("with %d bytes the drill would restore more than %d", c.Bytes, d.MaxBytes)
		case free > 0 && sum+c.Bytes > free/10:
			c.State, c.Reason = Skipped, fmt.Sprintf("with %d bytes the drill would take more than a tenth of the free disk space", c.Bytes)
		default:
			sum += c.Bytes
		}
	}
	return nil
}

// copy restores one index, compares it, and leaves it to be removed.
func (d *driller) copy(ctx context.Context, c *Copy) {
	began := d.Watch.Elapsed()
	// A request that an interruption ended says nothing about the snapshot.
	unfinished := func() bool {
		if ctx.Err() != nil {
			c.State, c.Reason = Unfinished, context.Cause(ctx).Error()
		}
		return ctx.Err() != nil
	}
	if unfinished() {
		return
	}
	c.target = d.unused(c.Index)
	fail := func(format string, args ...any) {
		c.State, c.Reason = Failed, fmt.Sprintf(format, args...)
	}
	pattern, replacement := rename.Exactly(c.Index, c.target)
	settings := map[string]any{
		cluster.SettingDrill:             d.mark(),
		cluster.SettingRenamePattern:     pattern,
		cluster.SettingRenameReplacement: replacement,
		"index.number_of_replicas":       0,
		"index.auto_expand_replicas":     "false",
	}
	err := d.c.RestoreSnapshot(ctx, cluster.RestoreSnapshot{
		Repository: c.Repository, Name: c.Snapshot, Indices: []string{c.Index}, RenamePattern: pattern, RenameReplacement: replacement,
		IndexSettings: settings, IgnoreIndexSettings: []string{"index.lifecycle.name", "index.lifecycle.rollover_alias"},
		Targets: []string{c.target},
	})
	if err != nil && !errors.Is(err, cluster.ErrLost) {
		if !unfinished() {
			fail("the restore was refused: %s", err)
		}
		return
	}
	if err := d.await(ctx, c); err != nil {
		if errors.As(err, new(notStarted)) || !unfinished() {
			fail("%s", err)
		}
		return
	}
	c.Took = (d.Watch.Elapsed() - began).Round(time.Millisecond).String()
	names := []string{c.target}
	i := d.live[c.Index]
	// Late documents may come until the period has ended and settled, so only then are the
	// two the same.
	_, ended := coverage.Ended(&cluster.Index{Name: c.Index}, nil, d.Rules)
	comparable := ended && i != nil && !i.Closed && c.snapshot.MayHold(i)
	if comparable {
		names = append(names, c.Index)
	}
	stats, err := d.c.Stats(ctx, names)
	if err != nil {
		if !unfinished() {
			fail("the documents cannot be counted: %s", err)
		}
		return
	}
	restored, counted := stats[c.target]
	if !counted {
		fail("the documents of the copy cannot be counted")
		return
	}
	c.Docs = &restored.Docs
	c.State = Passed
	if there, ok := stats[c.Index]; comparable && ok {
		c.Live = &there.Docs
		if there.Docs != restored.Docs {
			fail("the copy has %d documents, the index in the cluster has %d", restored.Docs, there.Docs)
		}
	}
}

// unused is a name for the copy of an index that no index has: several copies of one index may
// be restored, from different repositories or by another drill. That of a long name is shortened.
func (d *driller) unused(index string) string {
	number := ""
	for n := 2; ; n++ {
		cut := min(len(index), longest-len(Prefix)-len(number))
		for cut < len(index) && !utf8.RuneStart(index[cut]) {
			cut--
		}
		target := Prefix + index[:cut] + number
		if _, taken := d.live[target]; !taken {
			d.live[target] = nil
			return target
		}
		number = fmt.Sprintf("-%d", n)
	}
}

// notStarted is what the server said about shards of a copy that do not start.
type notStarted struct{ text string }

func (e notStarted) Error() string { return e.text }

// await waits until all primaries of a copy are started.
func (d *driller) await(ctx context.Context, c *Copy) error {
	start, pause := d.Watch.Elapsed(), 200*time.Millisecond
	for {
		health, err := d.c.Health(ctx, []string{c.target})
		elapsed := d.Watch.Elapsed() - start
		h, there := health[c.target]
		switch {
		case err != nil && !cluster.Transient(err):
			return err
		case err == nil && there && h.Ready():
			c.Shards = h.Shards
			return nil
		case err == nil && there && elapsed > time.Minute && h.Initializing == 0 && h.ActivePrimary < h.Shards:
			problems, perr := d.c.ShardProblems(ctx, []string{c.target})
			if perr == nil && len(problems) > 0 {
				return notStarted{fmt.Sprintf("shard %d is not started: %s %s", problems[0].Shard, problems[0].Reason, problems[0].Details)}
			}
			return notStarted{fmt.Sprintf("only %d of %d shards are started, and none is being started", h.ActivePrimary, h.Shards)}
		case elapsed > wait:
			return notStarted{fmt.Sprintf("not all shards were started within %s", wait)}
		}
		if d.Waiting != nil {
			d.Waiting(cluster.Waiting{For: "the restore of " + c.Index + " from " + c.Repository + "/" + c.Snapshot, Elapsed: elapsed})
		}
		if err := d.Watch.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (d *driller) remove(ctx context.Context, meant func(*cluster.Index) bool) []string {
	removed, left, err := Remove(ctx, d.c, meant)
	for _, n := range removed {
		delete(d.live, n)
	}
	d.r.Left = append(d.r.Left, left...)
	if err != nil && d.r.LeftReason == "" {
		d.r.LeftReason = err.Error()
	}
	return removed
}

// made reports whether a drill restored the index: it has the mark, and the name that its
// restore gave it. A clone of it has the mark, too, but is somebody's own.
func made(i *cluster.Index) bool {
	return i.Drill != "" && i.Renamed.Replacement == rename.Quote(i.Name)
}

// Remove deletes the copies of drills that are meant. It reads them again right before.
// The error is why the first of those that are left could not be deleted.
func Remove(ctx context.Context, c cluster.Cluster, meant func(*cluster.Index) bool) (removed, left []string, first error) {
	list, err := c.Indices(ctx)
	if err != nil {
		return nil, nil, nil
	}
	var names []string
	for _, i := range list {
		if made(i) && meant(i) {
			names = append(names, i.Name)
		}
	}
	for _, batch := range c.IndexBatches(names) {
		err := c.DeleteIndices(ctx, cluster.DeleteIndices{Names: batch, MasterTimeout: 30 * time.Second})
		still, rerr := c.IndicesNamed(ctx, batch)
		for _, n := range batch {
			if rerr == nil && !slices.ContainsFunc(still, func(i *cluster.Index) bool { return i.Name == n }) {
				removed = append(removed, n)
			} else {
				left = append(left, n)
				first = cmp.Or(first, err, rerr)
			}
		}
	}
	return removed, left, first
}
