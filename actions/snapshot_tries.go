package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strftime"
)

// create takes the snapshot, if need be in several tries, and deletes what cleanup_failed
// deletes.
func (a *Snapshot) create(ctx context.Context, env *Env, name string, indices []*cluster.Index) error {
	failed, ended, err := a.tries(ctx, env, name, indices)
	switch {
	case len(failed) == 0 || !a.CleanupFailed:
		return err
	case !ended || ctx.Err() != nil:
		env.Warn("not deleted, because the action ended early: FAILED %s", strings.Join(cluster.Names(failed), ", "))
		return err
	}
	return errors.Join(err, a.cleanUp(ctx, env, failed))
}

// tries starts snapshots until one of them ends well or there are enough of them, waits for
// each and judges the last one. It returns the FAILED snapshots that it took. Ended means
// that nothing that it started still runs.
func (a *Snapshot) tries(
	ctx context.Context, env *Env, name string, indices []*cluster.Index,
) (failed []*cluster.Snapshot, ended bool, err error) {
	use := name
	for try := 1; ; try++ {
		red := a.red(ctx, env, indices)
		wanted := red.without(indices)
		if len(wanted) == 0 {
			return failed, true, red.all()
		}
		req, err := a.request(ctx, env, use, wanted, try == 1)
		if err != nil {
			return failed, true, err
		}
		adopted, seen, err := a.begin(ctx, env, &req, name, indices, red)
		if adopted {
			return failed, true, nil
		}
		started := err == nil
		outcome := a.outcome(req.Name, cluster.Done)
		if started && !a.WaitForCompletion {
			env.Warn("wait_for_completion is false: the result of snapshot %s/%s is not verified; see esnap snapshot show",
				a.Repository, req.Name)
			outcome.Result, outcome.Detail = cluster.Requested, "started; the snapshot continues in the cluster"
			red.note(&outcome)
			env.Outcome(outcome)
			return failed, false, nil
		}
		var s *cluster.Snapshot
		if started {
			s, err = a.await(ctx, env, req.Name)
		}
		if err == nil && s.State == cluster.Failed && a.isOwn(env, s, seen) {
			failed = append(failed, s)
		}
		if why := a.again(env, try, s, err); why != "" && ctx.Err() == nil {
			waited := a.awaitPrimaries(ctx, env, wanted)
			switch {
			case waited == nil, a.SkipRed && ctx.Err() == nil:
				instead := "it is requested again"
				if started {
					use = freeName(name, append(a.names(ctx, env), req.Name))
					instead = "snapshot " + use + " is taken instead"
				}
				env.Warn("snapshot %s/%s%s %s; %s", a.Repository, req.Name, a.ofTries(try, " (", ")"), why, instead)
				continue
			case ctx.Err() == nil:
				env.Warn("snapshot %s/%s is not taken again: not all primary shards were started within %s",
					a.Repository, req.Name, cluster.FormatDuration(nodeReturns))
			}
		}
		switch {
		case !started:
			return failed, true, err
		case err != nil && ctx.Err() != nil:
			outcome.Result, outcome.Detail = cluster.Requested, err.Error()
		case err != nil:
			outcome.Result, outcome.Err = cluster.Failure, err
		default:
			a.judge(env, &outcome, s, req)
			red.note(&outcome)
			if try > 1 {
				outcome.Detail += a.ofTries(try, "; ", "")
			}
		}
		env.Outcome(outcome)
		return failed, err == nil || errors.Is(err, errVanished), nil
	}
}

// ofTries says which of the tries one is, where retry_count allows several.
func (a *Snapshot) ofTries(try int, before, after string) string {
	if a.RetryCount == 0 {
		return ""
	}
	return fmt.Sprintf("%stry %d of %d%s", before, try, a.RetryCount+1, after)
}

// again is the reason why another snapshot is taken after this one; empty: none is taken.
// With once_per, a snapshot that was lost with a node is always taken a second time.
func (a *Snapshot) again(env *Env, try int, s *cluster.Snapshot, err error) string {
	lost := lostWithNode(s, err)
	switch {
	case int64(try) > a.RetryCount && (!lost || try > 1 || a.OncePer == ""):
		return ""
	case err != nil && lost:
		return "does not exist any more, as when a node leaves the cluster"
	case err != nil && withoutPrimaries(err):
		return "was refused: " + err.Error()
	case err != nil:
		return ""
	case lost && (try == 1 && a.OncePer != "" || !a.allows(env, s)):
		return "was lost with a node (" + failures(s) + ")"
	case s.State == cluster.Failed, s.State == cluster.Partial && !a.allows(env, s):
		return fmt.Sprintf("is %s (%s)", s.State, failures(s))
	}
	return ""
}

// allows reports whether the snapshot is PARTIAL and the options allow that.
func (a *Snapshot) allows(env *Env, s *cluster.Snapshot) bool {
	return s.State == cluster.Partial && a.Partial && env.Behaviour.PartialAllowed
}

// withoutPrimaries reports whether the server refused the snapshot because primary shards
// are not started. Elasticsearch 6 takes a FAILED snapshot instead.
func withoutPrimaries(err error) bool {
	var e *cluster.Error
	return errors.As(err, &e) && e.Has("snapshot_exception") && strings.Contains(e.Error(), "primary shards")
}

// begin starts the snapshot. If the name is in use, it adopts that snapshot or starts this
// one under another name, if the options and the behaviour allow that. Seen means that a
// reply says that the server has started it.
func (a *Snapshot) begin(
	ctx context.Context, env *Env, req *cluster.CreateSnapshot, name string, indices []*cluster.Index, red redShards,
) (adopted, seen bool, err error) {
	asked := env.Now.Add(env.Watch.Elapsed())
	for range inUse {
		seen, err = a.start(ctx, env, *req)
		if !errors.Is(err, cluster.ErrExists) || a.OncePer == "" && !(env.Behaviour.NumbersNames && dated(a.Name)) {
			return false, seen, err
		}
		var free string
		var aerr error
		if a.OncePer != "" { // another run took it in the same second
			adopted, free, aerr = a.adopt(ctx, env, name, indices, red)
		} else {
			adopted, free, aerr = a.adoptNamed(ctx, env, name, req.Name, asked, indices, red)
		}
		if adopted || aerr != nil {
			return adopted, false, aerr
		}
		req.Name = free
	}
	return false, false, err
}

// inUse is how often another name is tried after one that is in use.
const inUse = 5

// adoptNamed adopts the snapshot that has the name, if it was started by this job: then it
// was taken by an earlier run, or by a request of this run whose reply was lost. Otherwise
// it returns a name that is not used.
func (a *Snapshot) adoptNamed(
	ctx context.Context, env *Env, name, used string, asked time.Time, indices []*cluster.Index, red redShards,
) (done bool, free string, err error) {
	s, err := env.Cluster.Snapshot(ctx, a.Repository, used)
	if errors.Is(err, cluster.ErrNoSnapshot) { // it was deleted meanwhile
		return false, used, nil
	}
	if err != nil {
		return false, "", err
	}
	server, err := env.Cluster.Server(ctx)
	if err != nil {
		return false, "", err
	}
	ours := !s.Start.Before(asked.Add(-clocksDiffer))
	if env.Behaviour.NameCluster && server.HasSnapshotMetadata() && server.UUID != "" {
		ours = s.Cluster == server.UUID
	}
	if ours {
		done, err = a.adoptOne(ctx, env, s, indices, red, "a snapshot with this name already exists")
		if done || err != nil {
			return done, "", err
		}
	}
	return false, freeName(name, append(a.names(ctx, env), used)), nil
}

// clocksDiffer is how much earlier than our request the server's clock may put the start of
// the snapshot that we asked for.
const clocksDiffer = 15 * time.Minute

// dated reports whether the name changes with the time.
func dated(name string) bool {
	day := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	one, err := strftime.Resolve(name, day)
	other, oerr := strftime.Resolve(name, day.Add((9*366*24+7)*time.Hour+8*time.Minute+9*time.Second))
	return err == nil && oerr == nil && one != other
}

// isOwn reports whether this run started the snapshot: the snapshot has the id of the run
// or, where the server does not store that, a reply said that it was started.
func (a *Snapshot) isOwn(env *Env, s *cluster.Snapshot, seen bool) bool {
	if s.Origin != nil && env.Origin.Run != "" {
		return s.Origin.Run == env.Origin.Run
	}
	return seen && s.UUID != ""
}

// cleanUp deletes snapshots that this action took and that are FAILED, if they still are.
func (a *Snapshot) cleanUp(ctx context.Context, env *Env, failed []*cluster.Snapshot) error {
	ours := cluster.UUIDs(failed)
	own := *env
	own.Revalidate = func(ctx context.Context, names []string) (map[string]string, error) {
		now, err := env.Cluster.SnapshotsNamed(ctx, a.Repository, names)
		if err != nil {
			return nil, err
		}
		keep := map[string]string{}
		for _, n := range names {
			keep[n] = Gone
		}
		for _, s := range now {
			switch {
			case s.UUID != ours[s.Name]:
				keep[s.Name] = "it is another snapshot of the same name"
			case s.State != cluster.Failed:
				keep[s.Name] = "its state is " + string(s.State)
			default:
				delete(keep, s.Name)
			}
		}
		return keep, nil
	}
	listing := &DeleteSnapshots{Repository: a.Repository}
	d := deletion{
		what: "snapshot", in: a.Repository,
		batches: func(names []string) ([][]string, error) { return env.Cluster.SnapshotBatches(ctx, a.Repository, names) },
		send: func(ctx context.Context, names []string) error {
			return env.Cluster.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: a.Repository, Names: names})
		},
		uuids: ours,
		currentUUIDs: func(ctx context.Context, _ []string) (map[string]string, error) {
			return listing.uuids(ctx, env, failed)
		},
		budget: newWaitBudget(env.waitForRunning(a.WaitForRunning)),
	}
	return d.run(ctx, &own, cluster.Names(failed))
}

// redShards are primary shards that are on no node, of the indices that skip_red leaves
// out.
type redShards []cluster.ShardProblem

// red is what skip_red leaves out of the snapshot.
func (a *Snapshot) red(ctx context.Context, env *Env, indices []*cluster.Index) redShards {
	if !a.SkipRed {
		return nil
	}
	var open []string
	for _, i := range indices {
		if !i.Closed {
			open = append(open, i.Name)
		}
	}
	if len(open) == 0 {
		return nil
	}
	health, err := env.Cluster.Health(ctx, open)
	open = slices.DeleteFunc(open, func(n string) bool { return health[n].Status != "red" })
	var red redShards
	if err == nil && len(open) > 0 {
		red, err = env.Cluster.ShardProblems(ctx, open)
	}
	if err != nil {
		env.Warn("skip_red: cannot tell which indices are red, so none is skipped: %s", err)
		return nil
	}
	return slices.DeleteFunc(red, func(p cluster.ShardProblem) bool { return !p.Primary || p.State != "UNASSIGNED" })
}

// without are the indices that have none of the shards.
func (r redShards) without(indices []*cluster.Index) []*cluster.Index {
	return slices.DeleteFunc(slices.Clone(indices), func(i *cluster.Index) bool {
		return slices.ContainsFunc(r, func(p cluster.ShardProblem) bool { return p.Index == i.Name })
	})
}

// text names the shards, with the server's reasons.
func (r redShards) text() string {
	list := make([]string, 0, len(r))
	indices := map[string]bool{}
	for _, p := range r {
		indices[p.Index] = true
		why := p.Reason
		if p.Details != "" {
			why += ": " + p.Details
		}
		list = append(list, fmt.Sprintf("%s[%d] is on no node (%s)", p.Index, p.Shard, why))
	}
	are := " that are red: "
	if len(indices) == 1 {
		are = " that is red: "
	}
	return cluster.Count(len(indices), "index") + are + cluster.FewOf(list, "; ", 5)
}

// waysOut is what to do about red indices.
const waysOut = "to save these indices too, wait until the shards are started, restore them with esnap restore --red, " +
	"or allow missing shards with partial: true instead of skip_red"

// note makes the outcome of a snapshot one without the red indices.
func (r redShards) note(o *cluster.Outcome) {
	if len(r) == 0 {
		return
	}
	if o.Result == cluster.Done || o.Result == cluster.Adopted {
		o.Result = cluster.PartlyDone
	}
	o.Detail += "; without " + r.text() + "; " + waysOut
}

// all is the error that nothing else is selected.
func (r redShards) all() error {
	return cluster.WithHint(fmt.Errorf("no index remains for the snapshot without %s", r.text()), "%s", waysOut)
}
