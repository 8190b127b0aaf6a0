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

	target   string // its name; empty: no restore was requested
	snapshot *cluster.Snapshot
	ended    bool // the index was written to no more when the snapshot was started
}

// NotCompared reports whether the copy passed, but the documents of the index in the cluster could
// not be counted. The reason says why.
func (c Copy) NotCompared() bool { return c.State == Passed && c.Reason != "" }

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
	d.remove(clean, func(i *cluster.Index) bool { return i.Drill == d.mark() }, chosen...)
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

// choose picks the indices, from good snapshots: in each repository the newest one of each family
// that has ended, or some by chance. Each is taken from the newest snapshot that contains it. Those
// of the newest snapshots come first: they are restored if not all fit.
func (d *driller) choose(snapshots []*cluster.Snapshot) []Copy {
	best := map[[2]string]Copy{} // by repository and family
	var order [][2]string
	copies := map[string]Copy{} // by index
	of := series.Of(nil)
	newest := map[string]*cluster.Snapshot{}
	good := slices.DeleteFunc(coverage.Ordered(snapshots), func(s *cluster.Snapshot) bool { return !s.Good() })
	for _, s := range good {
		newest[s.Repository+"/"+of(s).Key] = s
	}
	for _, s := range good {
		heads := headsOf(s)
		last := newest[s.Repository+"/"+of(s).Key] == s
		for _, i := range s.Indices {
			// Each of logs-000001 to logs-000120 is a family of its own: those count that the newest
			// snapshot contains.
			numbered := family(i) == i && dates.DigitAt(i, len(i)-1)
			if !d.usable(i, s, heads) || numbered && !last && d.Sample == 0 {
				continue
			}
			c := d.of(i, s, heads)
			copies[i] = c
			f := subject(c)
			b, known := best[f]
			if !known {
				order = append(order, f)
			}
			if !known || d.newer(c, b) {
				best[f] = c
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
	var chosen []Copy
	for _, f := range order {
		chosen = append(chosen, best[f])
	}
	cluster.Sort(chosen, func(a, b Copy) int { return b.snapshot.Start.Compare(a.snapshot.Start) })
	return chosen
}

// newer reports whether a copy, from a snapshot that is not older, stands for the family of
// another one instead of it. The backing indices of a data stream that was deleted and created
// again may begin with a lower number, so there the newest snapshot decides.
func (d *driller) newer(c, than Copy) bool {
	if cluster.StreamOf(c.Index) != "" && c.snapshot != than.snapshot {
		return true
	}
	end := func(c Copy) time.Time { return dates.PeriodOf(c.Index, d.Rules.Zones...).End }
	return cmp.Or(end(c).Compare(end(than)), cmp.Compare(c.Index, than.Index)) >= 0
}

// head is the newest backing index of a data stream in a snapshot: it was written to when the
// snapshot was started. The others had been rolled over.
type head struct {
	index string
	alone bool // the snapshot contains no other one of the data stream
}

// headsOf are the heads of the data streams in a snapshot.
func headsOf(s *cluster.Snapshot) map[string]head {
	heads := map[string]head{}
	for _, i := range s.Indices {
		if stream := cluster.StreamOf(i); stream != "" {
			h, known := heads[stream]
			heads[stream] = head{max(h.index, i), !known}
		}
	}
	return heads
}

// family is the group of an index of which one is restored: the data stream of a backing index,
// or else the name without its dates.
func family(index string) string {
	if stream := cluster.StreamOf(index); stream != "" {
		return "data stream " + stream
	}
	return series.Family(index)
}

func (d *driller) of(index string, s *cluster.Snapshot, heads map[string]head) Copy {
	// Late documents may come until the period has ended and settled.
	_, ended := coverage.Ended(&cluster.Index{Name: index}, nil, d.Rules)
	if stream := cluster.StreamOf(index); stream != "" {
		ended = heads[stream].index != index
	}
	return Copy{Index: index, Repository: s.Repository, Snapshot: s.Name, snapshot: s, ended: ended}
}

// usable reports whether an index of a snapshot is one to restore: no system index, no copy
// of a drill, and its period had ended. Of a data stream's backing indices, those that had been
// rolled over are, or the only one.
func (d *driller) usable(name string, s *cluster.Snapshot, heads map[string]head) bool {
	stream := cluster.StreamOf(name)
	backing := stream != "" && !cluster.IsDotted(stream)
	if cluster.IsDotted(name) && !backing || cluster.IsOwn(name) || strings.HasPrefix(name, Prefix) {
		return false
	}
	if i := d.live[name]; i != nil && (i.Mount != nil || i.System && !backing) {
		return false
	}
	if backing {
		return heads[stream].index != name || heads[stream].alone
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
			switch {
			case ctx.Err() == nil && errors.Is(err, cluster.ErrNoSnapshot):
				c.State, c.Reason = Skipped, "the snapshot was deleted meanwhile"
				continue
			case ctx.Err() == nil && errors.Is(err, cluster.ErrRepository):
				c.State, c.Reason = Failed, "its size cannot be read: "+why(err)
				continue
			case err != nil:
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
	settings := map[string]any{ // the server sets them after it has dropped those that are ignored
		cluster.SettingDrill:             d.mark(),
		cluster.SettingRenamePattern:     pattern,
		cluster.SettingRenameReplacement: replacement,
		"index.number_of_replicas":       0,
		"index.auto_expand_replicas":     "false",
	}
	err := d.c.RestoreSnapshot(ctx, cluster.RestoreSnapshot{
		Repository: c.Repository, Name: c.Snapshot, Indices: []string{c.Index}, RenamePattern: pattern, RenameReplacement: replacement,
		IndexSettings: settings, IgnoreIndexSettings: ignored, Targets: []string{c.target},
	})
	if err != nil && !errors.Is(err, cluster.ErrLost) {
		if !unfinished() {
			fail("the restore was refused: %s", why(err))
			c.target = ""
		}
		return
	}
	if err := d.await(ctx, c); err != nil {
		if errors.As(err, new(notStarted)) || !unfinished() {
			fail("%s", why(err))
		}
		return
	}
	c.Took = (d.Watch.Elapsed() - began).Round(time.Millisecond).String()
	restored, err := d.documents(ctx, c.target)
	if err != nil {
		if !unfinished() {
			fail("the documents of the copy cannot be counted: %s", why(err))
		}
		return
	}
	c.Docs, c.State = &restored, Passed
	if i := d.live[c.Index]; !c.ended || i == nil || i.Closed || !c.snapshot.MayHold(i) {
		return
	}
	switch live, err := d.documents(ctx, c.Index); {
	case err != nil && unfinished():
	case err != nil: // it says nothing about the snapshot
		c.Reason = "not compared with the index in the cluster: " + why(err)
	case live != restored:
		c.Live = &live
		fail("the copy has %d documents, the index in the cluster has %d", restored, live)
	default:
		c.Live = &live
	}
}

// ignored are the settings that a copy does not get: what would keep its shards from starting,
// because it is about nodes that may not exist; blocks, with which a copy can be neither listed nor
// removed; and a lifecycle policy.
var ignored = []string{
	"index.blocks.*", "index.routing.allocation.*", "index.lifecycle.name", "index.lifecycle.rollover_alias",
}

// documents is how many documents an index has.
func (d *driller) documents(ctx context.Context, index string) (int64, error) {
	stats, err := d.c.Stats(ctx, []string{index})
	if err != nil {
		return 0, err
	}
	s, counted := stats[index]
	if !counted {
		return 0, fmt.Errorf("the server has no statistics of %s: it may have been deleted or closed meanwhile", index)
	}
	return s.Docs, nil
}

// why is an error with its hint, which names the privilege that is missing.
func why(err error) string {
	if hint := cluster.Hint(err); hint != "" {
		return err.Error() + " (" + hint + ")"
	}
	return err.Error()
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

// remove removes copies. If they cannot be listed, those of this drill are left.
func (d *driller) remove(ctx context.Context, meant func(*cluster.Index) bool, ours ...Copy) []string {
	removed, left, err := Remove(ctx, d.c, meant)
	for _, n := range removed {
		delete(d.live, n)
	}
	if err != nil && len(removed)+len(left) == 0 {
		for _, c := range ours {
			if c.target != "" {
				left = append(left, c.target)
			}
		}
	}
	d.r.Left = append(d.r.Left, left...)
	if err != nil && len(left) > 0 && d.r.LeftReason == "" {
		d.r.LeftReason = why(err)
	}
	return removed
}

// made reports whether a drill restored the index: it has the mark, and the name that its
// restore gave it. A clone of it has the mark, too, but is somebody's own.
func made(i *cluster.Index) bool {
	return i.Drill != "" && i.Renamed.Replacement == rename.Quote(i.Name)
}

// Remove deletes the copies of drills that are meant. It reads them again right before.
// The error is why they could not be listed, or why the first of those that are left could not be
// deleted.
func Remove(ctx context.Context, c cluster.Cluster, meant func(*cluster.Index) bool) (removed, left []string, first error) {
	list, err := c.Indices(ctx)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, i := range list {
		if made(i) && meant(i) {
			names = append(names, i.Name)
		}
	}
	for _, batch := range c.IndexBatches(names) {
		refused := deleteEach(ctx, c, batch)
		still, rerr := c.IndicesNamed(ctx, batch)
		for _, n := range batch {
			if rerr == nil && !slices.ContainsFunc(still, func(i *cluster.Index) bool { return i.Name == n }) {
				removed = append(removed, n)
			} else {
				left = append(left, n)
				first = cmp.Or(first, refused[n], rerr, fmt.Errorf("%s still exists after the delete request", n))
			}
		}
	}
	return removed, left, first
}

// deleteEach deletes copies in one request. If that is refused, maybe because of one of them, each
// is deleted alone: one that is blocked, or that is being snapshotted, keeps no others.
func deleteEach(ctx context.Context, c cluster.Cluster, names []string) (refused map[string]error) {
	send := func(names ...string) error {
		return c.DeleteIndices(ctx, cluster.DeleteIndices{Names: names, MasterTimeout: 30 * time.Second})
	}
	err := send(names...)
	all := cluster.Transient(err) || errors.Is(err, cluster.ErrLost) || errors.Is(err, cluster.ErrOtherCluster)
	refused = map[string]error{}
	for _, n := range names {
		if refused[n] = err; err != nil && len(names) > 1 && !all {
			refused[n] = send(n)
		}
	}
	return refused
}
