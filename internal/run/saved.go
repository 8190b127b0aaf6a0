package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/series"
)

// taken is a snapshot that an action of this run took or adopted, or was to take.
type taken struct {
	action     string
	repository string
	name       string            // empty: it did not come so far
	good       bool              // it was waited for and is good: it contains everything selected
	partial    bool              // it ended, and lacks shards
	indices    map[string]string // the uuids of what was selected, by name
}

// record notes what a snapshot action did for the deletions that follow.
func (r *runner) record(s plan.Step, selected []cluster.Item, outcomes []cluster.Outcome) {
	if s.Kind != "snapshot" {
		return
	}
	t := taken{action: s.ID, repository: s.Repository(), indices: map[string]string{}}
	for _, it := range selected {
		t.indices[it.ItemName()] = it.ItemUUID()
	}
	for _, o := range outcomes {
		if o.What == "snapshot" && o.Verb == cluster.VerbCreate { // not one that cleanup_failed deletes
			t.name, t.good = o.Name, o.Result == cluster.Done || o.Result == cluster.Adopted
			t.partial = o.Result == cluster.PartlyDone
		}
	}
	r.taken = append(r.taken, t)
}

// noteNeverSaved counts what is to be deleted and what no snapshot action of the plan
// would take.
func (r *runner) noteNeverSaved(s plan.Step, selected []cluster.Item) {
	if s.Kind != "delete_indices" {
		return
	}
	for _, i := range r.plan.NeverSaved(cluster.Of[*cluster.Index](selected)) {
		if r.never == nil {
			r.never = map[string]int{}
		}
		r.never[series.Family(i.Name)]++
	}
}

// warnNeverSaved says so once a run.
func (r *runner) warnNeverSaved() {
	if len(r.never) == 0 {
		return
	}
	var parts []string
	for _, f := range slices.Sorted(maps.Keys(r.never)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", f, r.never[f]))
	}
	r.warn("the file deletes indices that none of its snapshot actions selects: %s", strings.Join(parts, ", "))
}

// saved finds out, of indices that are to be deleted, which a snapshot action of this
// run selected without their being saved. Snapshots that still run are waited for. A good
// snapshot of the run contains all that was selected for it: right before a deletion only
// whether it is still there is read. Contents are read only of snapshots that are not good
// or were not waited for, and for indices that were created again meanwhile.
func (r *runner) saved(ctx context.Context, s plan.Step, indices []*cluster.Index) error {
	for _, t := range r.taken {
		var ours, changed []*cluster.Index
		for _, i := range indices {
			uuid, is := t.indices[i.Name]
			if !is || i.Unsaved != "" || i.Mount != nil {
				continue
			}
			if ours = append(ours, i); uuid != i.UUID {
				changed = append(changed, i)
			}
		}
		if len(ours) > 0 && (t.good || r.o.DryRun && t.name != "" && !t.partial) {
			there, err := r.stillGood(ctx, t)
			if err != nil {
				return err
			}
			if there {
				ours = changed
			}
		}
		if len(ours) == 0 {
			continue
		}
		if err := r.check(ctx, s, t, ours); err != nil {
			return err
		}
	}
	return nil
}

// stillGood reports whether a good snapshot of this run still is there. It is read right
// before each deletion, and where an action of this run may have deleted it.
func (r *runner) stillGood(ctx context.Context, t taken) (bool, error) {
	if !r.again && !r.o.DryRun && !r.expired[t.repository] {
		return true, nil
	}
	list, err := r.c.SnapshotsNamed(ctx, t.repository, []string{t.name})
	if errors.Is(err, cluster.ErrNoRepository) {
		return false, nil
	}
	return len(list) == 1 && (list[0].Good() || list[0].Assumed), err
}

func (r *runner) check(ctx context.Context, s plan.Step, t taken, ours []*cluster.Index) error {
	what := fmt.Sprintf("action %s took no snapshot", t.action)
	var now *cluster.Snapshot
	if t.name != "" {
		var err error
		now, err = r.awaitOurs(ctx, s, t)
		switch {
		case errors.Is(err, cluster.ErrNoSnapshot), errors.Is(err, cluster.ErrNoRepository):
			what = fmt.Sprintf("the snapshot %s of action %s does not exist", t.name, t.action)
		case err != nil:
			return err
		case now.State == cluster.InProgress:
			what = fmt.Sprintf("the snapshot %s of action %s is still running", t.name, t.action)
		default:
			what = fmt.Sprintf("the snapshot %s of action %s (%s) contains no complete copy of it", t.name, t.action, now.State)
		}
	}
	rules, says := s.CopyRules()
	if !says {
		rules = coverage.Rules{Zones: []*time.Location{s.Location}, Settle: coverage.DefaultSettle}
	}
	live := cluster.ByName(cluster.Of[*cluster.Index](r.all))
	var earlier []*cluster.Snapshot
	for _, i := range ours {
		if now != nil && now.HoldsGoodOf(i) {
			continue
		}
		if _, ended := coverage.Ended(i, live, rules); ended {
			if earlier == nil {
				var err error
				if earlier, err = r.present(ctx, t.repository); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(coverage.CopiesOf(i, earlier, live, rules), coverage.Copy.Complete) {
				continue
			}
		}
		i.Unsaved = what + ", nor does an earlier one"
	}
	return nil
}

// awaitOurs reads a snapshot of this run, once it has ended or the action's time to wait
// for others is over.
func (r *runner) awaitOurs(ctx context.Context, s plan.Step, t taken) (*cluster.Snapshot, error) {
	most := time.Duration(0)
	if w, ok := s.Action.(interface{ WaitsForRunning() time.Duration }); ok {
		most = w.WaitsForRunning()
	}
	start, pause := r.o.Watch.Elapsed(), 200*time.Millisecond
	for {
		now, err := r.c.Snapshot(ctx, t.repository, t.name)
		elapsed := r.o.Watch.Elapsed() - start
		if err != nil && !cluster.Transient(err) || err == nil && now.State != cluster.InProgress || elapsed >= most {
			return now, err
		}
		r.obs.Observe(Waiting{s, cluster.Waiting{For: "snapshot " + t.repository + "/" + t.name + " of action " + t.action, Elapsed: elapsed}})
		if err := r.o.Watch.Sleep(ctx, pause); err != nil {
			return nil, err
		}
		pause = min(pause*2, 5*time.Second)
	}
}

// contents adds to snapshots which indices they contain.
func (r *runner) contents(ctx context.Context, repository string, snapshots []*cluster.Snapshot) error {
	missing := func(s *cluster.Snapshot) bool { return !s.HasContents }
	if r.again { // what was read before the deletion does not change
		fill(snapshots, cluster.Of[*cluster.Snapshot](r.all))
	}
	if !slices.ContainsFunc(snapshots, missing) {
		return nil
	}
	full, err := r.lister.Snapshots(ctx, repository, true)
	if err != nil {
		return err
	}
	fill(snapshots, full)
	return nil
}

// fill adds contents to snapshots from the same ones of a listing that has them.
func fill(snapshots, full []*cluster.Snapshot) {
	byUUID := map[string]*cluster.Snapshot{}
	for _, f := range full {
		if f.HasContents {
			byUUID[f.Name+"/"+f.UUID] = f
		}
	}
	for _, s := range snapshots {
		if f := byUUID[s.Name+"/"+s.UUID]; f != nil && !s.HasContents {
			s.Indices, s.DataStreams, s.HasContents = f.Indices, f.DataStreams, true
		}
	}
}

// holders adds to indices which snapshots of a repository contain them.
func (r *runner) holders(ctx context.Context, repository string, indices []*cluster.Index) error {
	list, err := r.present(ctx, repository)
	if errors.Is(err, cluster.ErrNoRepository) {
		return cluster.WithHint(err, "require_snapshot names the repository %s; register it, or correct the name", repository)
	}
	if err != nil {
		return err
	}
	byName := make(map[string]*cluster.Index, len(indices))
	for _, i := range indices {
		if i.Holders == nil {
			i.Holders = map[string][]*cluster.Snapshot{}
		}
		i.Holders[repository] = nil
		byName[i.Name] = i
	}
	for _, s := range list {
		for _, name := range s.Indices {
			if i := byName[name]; i != nil && s.State != cluster.InProgress && !s.StartedAfter(r.clock()) {
				i.Holders[repository] = append(i.Holders[repository], s)
			}
		}
	}
	return nil
}

// present is a repository's listing with contents; right before a deletion as it is now. It
// is read again as a whole only if snapshots that it has are gone.
func (r *runner) present(ctx context.Context, repository string) ([]*cluster.Snapshot, error) {
	list, err := r.lister.Snapshots(ctx, repository, true)
	if err != nil || !r.again {
		return list, err
	}
	uuids, err := r.c.SnapshotUUIDs(ctx, repository)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(s *cluster.Snapshot) bool { return !s.Assumed && len(s.Indices) > 0 && uuids[s.Name] != s.UUID }) {
		return list, nil
	}
	r.cache.drop()
	return r.lister.Snapshots(ctx, repository, true)
}

// live adds to snapshots which indices the cluster has.
func (r *runner) live(ctx context.Context, snapshots []*cluster.Snapshot) error {
	list, err := r.lister.Indices(ctx)
	if err != nil {
		return err
	}
	byName := cluster.ByName(list)
	r.lacking(ctx, list)
	for _, s := range snapshots {
		s.LiveIndices = byName
	}
	return nil
}

// lacking notes which open indices lack a primary shard. Where that cannot be read, all may.
func (r *runner) lacking(ctx context.Context, list []*cluster.Index) {
	all, err := r.lister.ClusterHealth(ctx)
	if err == nil && all.Status != "red" {
		for _, i := range list {
			i.Lacking = false
		}
		return
	}
	health, err := r.lister.Health(ctx, namesOf(list, func(i *cluster.Index) bool { return !i.Closed && !i.Assumed }))
	for _, i := range list {
		h, known := health[i.Name]
		i.Lacking = !i.Closed && !i.Assumed && (err != nil || known && !h.Ready())
	}
}

// sizes adds to snapshots how many bytes each index takes in them. What cannot be read
// stays unknown.
func (r *runner) sizes(ctx context.Context, repository string, snapshots []*cluster.Snapshot) error {
	for _, s := range snapshots {
		if s.Sizes != nil || s.Assumed {
			continue
		}
		sizes, err := r.lister.SnapshotSizes(ctx, repository, s.Name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			s.Sizes = sizes
		}
	}
	return nil
}

// mounts adds to snapshots which indices are mounted from them, and whether all of their
// own indices are mounted now.
func (r *runner) mounts(ctx context.Context, repository string, snapshots []*cluster.Snapshot) error {
	list, err := r.mountable(ctx)
	if err != nil {
		return err
	}
	var mounts []*cluster.Index // of thousands of indices, few are mounted
	mounted := map[string]bool{}
	for _, i := range list {
		if i.Mount != nil {
			mounts, mounted[i.Name] = append(mounts, i), true
		}
	}
	if len(mounts) > 0 {
		if err := r.contents(ctx, repository, snapshots); err != nil {
			return err
		}
	}
	for _, s := range snapshots {
		s.Mounted = nil
		s.MountedOnly = len(s.Indices) > 0 && !slices.ContainsFunc(s.Indices, func(i string) bool { return !mounted[i] })
		for _, i := range mounts {
			if i.Mount.Of(s) {
				s.Mounted = append(s.Mounted, i.Name)
			}
		}
	}
	return nil
}

// mountable is the listing of indices. Right before a deletion it is read again where the
// server does not refuse to delete a snapshot from which an index is mounted: one may have
// been mounted since.
func (r *runner) mountable(ctx context.Context) ([]*cluster.Index, error) {
	server, err := r.c.Server(ctx)
	if err != nil {
		return nil, err
	}
	if !r.again || !server.LosesMounts() {
		return r.lister.Indices(ctx)
	}
	if r.fresh == nil {
		r.fresh, err = r.c.Indices(ctx)
	}
	return r.fresh, err
}

// warnEmptied warns of a repository that was registered before this run and contains no
// snapshot, where the server would not notice that another folder is mounted there.
func (r *runner) warnEmptied(ctx context.Context, s plan.Step) {
	a, ok := s.Action.(*actions.Snapshot)
	if !ok || !r.plan.Behaviour.Cautious || slices.Contains(r.registered, s.Repository()) {
		return
	}
	if server, err := r.c.Server(ctx); err != nil || server.TracksRepositories() || server.Version == (cluster.Version{}) {
		return
	}
	held, err := r.lister.Snapshots(ctx, s.Repository(), a.OncePer != "")
	if err == nil && len(held) == 0 {
		r.warn("repository %s was registered before this run and contains no snapshot; "+
			"if it contained some, its storage is not mounted, or another folder is",
			s.Repository())
	}
}
