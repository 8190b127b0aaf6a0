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

// Snapshot takes a snapshot of the selected indices and verifies that it is good.
type Snapshot struct {
	Repository         string         `yaml:"repository" check:"required" doc:"the repository"`
	Name               string         `yaml:"name" doc:"the snapshot's name, with strftime tokens or as <date math>"`
	IgnoreUnavailable  bool           `yaml:"ignore_unavailable" doc:"do not fail if an index was deleted meanwhile"`
	IncludeGlobalState bool           `yaml:"include_global_state" doc:"also store templates and persistent settings"`
	Partial            bool           `yaml:"partial" doc:"allow a snapshot with missing shards; the exit code is then 5; in Curator's command lines the action fails"`
	SkipRepoFSCheck    bool           `yaml:"skip_repo_fs_check" doc:"do not verify the repository on every node first"`
	OncePer            string         `yaml:"once_per" check:"oneof=hour|day|week|month,own" doc:"adopt a good or running snapshot of the same series and period that contains all selected indices"`
	FeatureStates      []string       `yaml:"feature_states" check:"list,own" doc:"names of features whose system indices are also stored; default none, in Curator's command lines the server decides"`
	WaitForRunning     *time.Duration `yaml:"wait_for_running" check:"own" doc:"maximum wait for another operation; default 30m, 0 in Curator's command lines"`

	RetryCount    int64 `yaml:"retry_count" check:"min=0,max=100,own" doc:"how many more to take after a FAILED or an unwanted PARTIAL one"`
	CleanupFailed bool  `yaml:"cleanup_failed" check:"own" doc:"delete the FAILED snapshots that this action took"`
	SkipRed       bool  `yaml:"skip_red" check:"own" doc:"skip indices with a primary shard on no node; the exit code is then 5"`
	StallWait
}

const defaultSnapshotName = "curator-%Y%m%d%H%M%S"

func newSnapshot(b Behaviour) Action {
	return &Snapshot{Name: defaultSnapshotName, IncludeGlobalState: true, SkipRepoFSCheck: b.SkipRepoFSCheck, StallWait: newStallWait(b, 9)}
}

const needsEnd = "needs wait_for_completion: true; otherwise esnap does not see how the snapshot ends"

// Validate implements Action.
func (a *Snapshot) Validate(given map[string]bool) error {
	errs := []error{checkName("name", "snapshot", a.Name)}
	if !a.WaitForCompletion && a.RetryCount > 0 && given["retry_count"] {
		errs = append(errs, optionError("retry_count", needsEnd))
	}
	if !a.WaitForCompletion && a.CleanupFailed && given["cleanup_failed"] {
		errs = append(errs, optionError("cleanup_failed", needsEnd))
	}
	return errors.Join(errs...)
}

// Run implements Action.
func (a *Snapshot) Run(ctx context.Context, env *Env) error {
	name, err := strftime.Resolve(a.Name, env.Now)
	if err != nil {
		return err
	}
	indices := slices.SortedFunc(slices.Values(cluster.Of[*cluster.Index](env.Selected)), func(x, y *cluster.Index) int {
		return strings.Compare(x.Name, y.Name)
	})
	repository, err := env.Cluster.Repository(ctx, a.Repository)
	if err != nil {
		return err
	}
	if repository.ReadOnly() {
		return cluster.WithHint(&cluster.Error{
			Op:   "create snapshot " + a.Repository + "/" + name,
			Kind: cluster.ErrReadOnly,
			Text: "the repository is readonly: it is registered with readonly: true",
		},
			"the repository is registered read-only here: take the snapshot in a repository that this cluster writes to")
	}
	// A snapshot of this period that runs is waited for before anything else: while it
	// runs, nodes do not answer a verification.
	if a.OncePer != "" {
		adopted, free, err := a.adopt(ctx, env, name, indices, a.red(ctx, env, indices))
		if err != nil || adopted {
			return err
		}
		name = free
	}
	if !a.SkipRepoFSCheck {
		if err := env.verify(ctx, a.Repository, a.WaitForRunning); err != nil {
			return err
		}
	}
	return a.create(ctx, env, name, indices)
}

// adopt searches for this period's snapshot of the same series. A good one that contains
// every index is adopted; for a running one it waits. Otherwise it returns a name that is
// not used.
func (a *Snapshot) adopt(
	ctx context.Context, env *Env, name string, indices []*cluster.Index, red redShards,
) (done bool, free string, err error) {
	list, err := env.Snapshots(ctx, a.Repository, true)
	if err != nil {
		return false, "", err
	}
	same := a.SameSeries()
	period := strftime.Truncate(env.Now, map[string]string{"hour": "h", "day": "d", "week": "w", "month": "M"}[a.OncePer])
	for _, s := range slices.Backward(list) {
		if s.Start.Before(period) || !same(s.Name) || s.Elsewhere || s.StartedAfter(env.Now.Add(env.Watch.Elapsed())) {
			continue
		}
		done, err := a.adoptOne(ctx, env, s, indices, red, "this "+a.OncePer+"'s snapshot already exists")
		if done || err != nil {
			return done, "", err
		}
	}
	return false, freeName(name, cluster.Names(list)), nil
}

// adoptOne adopts a snapshot if it is good, or ends good, and contains every index but
// those that skip_red leaves out.
func (a *Snapshot) adoptOne(
	ctx context.Context, env *Env, s *cluster.Snapshot, indices []*cluster.Index, red redShards, what string,
) (bool, error) {
	// Another snapshot of a mounted index would not contain data either.
	all := slices.DeleteFunc(slices.Clone(indices), func(i *cluster.Index) bool { return i.Mount != nil })
	wanted := red.without(all)
	if len(s.Missing(wanted)) > 0 || !a.holdsStreams(s, red.without(indices)) {
		return false, nil
	}
	if s.State == cluster.InProgress {
		ended, err := a.await(ctx, env, s.Name)
		if err != nil {
			return false, err
		}
		s = ended
	}
	if !s.Good() || len(s.Missing(wanted)) > 0 {
		return false, nil
	}
	o := a.outcome(s.Name, cluster.Adopted)
	o.Taken = s.Start
	o.Detail = what + ": it was started " + s.Start.UTC().Format("15:04:05Z") + " and contains "
	if len(s.Missing(all)) == 0 {
		o.Detail += "all " + cluster.Count(len(indices), "index")
	} else {
		o.Detail += cluster.Count(len(red.without(indices)), "index")
		red.note(&o)
	}
	env.Outcome(o)
	return true, nil
}

// outcome begins the outcome of a snapshot.
func (a *Snapshot) outcome(name string, result cluster.Result) cluster.Outcome {
	return cluster.Outcome{Verb: cluster.VerbCreate, What: "snapshot", Name: name, Repository: a.Repository, Result: result}
}

// freeName is the name, or the name with the first number that is not used.
func freeName(name string, taken []string) string {
	free := name
	for n := 2; slices.Contains(taken, free); n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	return free
}

// holdsStreams reports whether a snapshot contains, as data streams, those data streams
// whose backing indices are all selected. A running snapshot does not show that.
func (a *Snapshot) holdsStreams(s *cluster.Snapshot, indices []*cluster.Index) bool {
	if s.State == cluster.InProgress {
		return true
	}
	streams, _, _ := cluster.SplitStreams(indices, nil)
	return !slices.ContainsFunc(streams, func(name string) bool { return !s.HasStream(name) })
}

// SameSeries matches the names of snapshots that this action takes, at any time, also with the
// number that is added after a failed try.
func (a *Snapshot) SameSeries() func(string) bool {
	names := strftime.Names(a.Name)
	return func(other string) bool {
		if names.MatchString(other) {
			return true
		}
		base, _, found := cutLast(other, "-")
		return found && names.MatchString(base)
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// names are the names of the repository's snapshots, as far as they can be read.
func (a *Snapshot) names(ctx context.Context, env *Env) []string {
	names, _ := cluster.SnapshotNames(ctx, env.Cluster, a.Repository)
	return names
}

// request is the request for the server. Data streams of which everything is selected
// are named as data streams: the stream cannot be restored from a snapshot of its backing
// indices alone.
func (a *Snapshot) request(
	ctx context.Context, env *Env, name string, indices []*cluster.Index, warn bool,
) (cluster.CreateSnapshot, error) {
	req := cluster.CreateSnapshot{
		Repository: a.Repository, Name: name, IgnoreUnavailable: a.IgnoreUnavailable, GlobalState: a.IncludeGlobalState, Partial: a.Partial,
		FeatureStates: a.FeatureStates, Indices: cluster.Names(indices),
	}
	all, err := env.Indices(ctx)
	if err != nil {
		return req, err
	}
	var partly []string
	req.Streams, req.Plain, partly = cluster.SplitStreams(indices, all)
	for _, p := range partly {
		if !warn {
			break
		}
		env.Warn("the data stream %s is selected only in part: the snapshot contains the selected backing indices, but not the stream", p)
	}
	server, err := env.Cluster.Server(ctx)
	if err != nil {
		return req, err
	}
	if env.Behaviour.FeaturesByName && a.FeatureStates == nil && server.HasFeatureStates() {
		req.FeatureStates = []string{"none"} // include_global_state alone would store all of them
	}
	if env.Behaviour.NameCluster && server.HasSnapshotMetadata() && server.UUID != "" {
		origin := env.Origin
		origin.Cluster = server.UUID
		req.Metadata = origin.Metadata()
	}
	return req, nil
}

// start requests the snapshot until the server has accepted it. Seen means that a reply
// says so.
func (a *Snapshot) start(ctx context.Context, env *Env, req cluster.CreateSnapshot) (seen bool, err error) {
	before := env.Watch.Elapsed()
	env.Waiting(cluster.Waiting{For: fmt.Sprintf("snapshot %s/%s of %s", a.Repository, req.Name, cluster.Count(len(req.Indices), "index"))})
	err = env.persist(ctx, "the request for snapshot "+a.Repository+"/"+req.Name, func() error {
		return newWaitBudget(env.waitForRunning(a.WaitForRunning)).busy(ctx, env, func() error { return env.Cluster.CreateSnapshot(ctx, req) })
	})
	seen = err == nil
	if errors.Is(err, cluster.ErrLost) {
		err = a.lookForLost(ctx, env, req, env.Now.Add(before))
	}
	if errors.Is(err, cluster.ErrExists) {
		return false, cluster.WithHint(err, "give the name a date that changes with each run, or set once_per "+
			"so that a repeated run adopts the existing snapshot")
	}
	return seen, err
}

// lookForLost searches for a snapshot whose reply was lost. If the snapshot does not
// appear, the request is sent again: because of its name it cannot be taken twice.
func (a *Snapshot) lookForLost(ctx context.Context, env *Env, req cluster.CreateSnapshot, asked time.Time) error {
	what := "snapshot " + a.Repository + "/" + req.Name
	start := env.Watch.Elapsed()
	for try := 0; ; try++ {
		s, err := env.Cluster.Snapshot(ctx, a.Repository, req.Name)
		switch {
		case err == nil && s.Start.Before(asked.Add(-clocksDiffer)):
			return fmt.Errorf("%s, started %s, existed before the request: %w", what, s.Start.UTC().Format(time.RFC3339), cluster.ErrExists)
		case err == nil:
			return nil
		case env.Watch.Elapsed()-start >= lostFor:
			return fmt.Errorf("the reply for %s was lost, and the snapshot did not appear within %s: %w", what, lostFor, err)
		case errors.Is(err, cluster.ErrNoSnapshot):
			if try < 3 {
				break
			}
			switch err := env.Cluster.CreateSnapshot(ctx, req); {
			case err == nil:
				return nil
			case errors.Is(err, cluster.ErrExists), errors.Is(err, cluster.ErrBusy), errors.Is(err, cluster.ErrLost), cluster.Transient(err):
			default:
				return err
			}
		case !cluster.Transient(err):
			return err
		}
		env.Waiting(cluster.Waiting{For: what + ", whose reply was lost", Elapsed: env.Watch.Elapsed() - start})
		if err := env.Watch.Sleep(ctx, min(time.Second<<min(try, 5), 20*time.Second)); err != nil {
			return err
		}
	}
}

// errVanished means that a snapshot that had been started does not exist any more.
var errVanished = errors.New("the snapshot does not exist any more")

// lostWithNode reports whether a snapshot was lost because a node left the cluster.
func lostWithNode(s *cluster.Snapshot, err error) bool {
	if err != nil {
		return errors.Is(err, errVanished)
	}
	if s.State != cluster.Partial && s.State != cluster.Failed {
		return false
	}
	lost := func(reason string) bool {
		reason = strings.ToLower(reason)
		return slices.ContainsFunc([]string{
			"node shutdown", "node left", "nodedisconnected", "node_left", "nodeclosed", "node closed", "node not connected",
			"nodenotconnected",
		},
			func(s string) bool { return strings.Contains(reason, s) })
	}
	return lost(s.Reason) || slices.ContainsFunc(s.Failures, func(f cluster.ShardFailure) bool { return lost(f.Reason) })
}

// awaitPrimaries waits until the indices have all their primary shards again.
func (a *Snapshot) awaitPrimaries(ctx context.Context, env *Env, indices []*cluster.Index) error {
	var open []string
	for _, i := range indices {
		if !i.Closed {
			open = append(open, i.Name)
		}
	}
	w := a.Wait
	w.MaxWait = int64(nodeReturns / time.Second)
	return w.poll(ctx, env, "the primary shards of the selected indices", func() (bool, error) {
		health, err := env.Cluster.Health(ctx, open)
		for _, h := range health {
			if !h.Ready() {
				return false, err
			}
		}
		return err == nil, err
	})
}

// nodeReturns is how long to wait for the shards of a lost node before the snapshot is
// taken a second time.
const nodeReturns = 15 * time.Minute

// absences is how often a started snapshot may be missing, or its repository
// unreadable, while nothing runs, before it counts as lost.
const absences = 4

// await waits until the snapshot has ended.
func (a *Snapshot) await(ctx context.Context, env *Env, name string) (*cluster.Snapshot, error) {
	var ended *cluster.Snapshot
	what := "snapshot " + a.Repository + "/" + name
	absent := 0
	err := a.poll(ctx, env, what, func() (bool, error) {
		s, err := env.Cluster.Snapshot(ctx, a.Repository, name)
		if err == nil {
			absent, ended = 0, s
			return s.State != cluster.InProgress, nil
		}
		if cluster.Transient(err) {
			return false, err
		}
		// The repository of a running snapshot may become unreadable. A snapshot that is not
		// in the list of running ones is not necessarily complete.
		ops, rerr := env.Cluster.Running(ctx)
		if rerr == nil && !slices.ContainsFunc(ops, func(o cluster.Operation) bool {
			return o.Repository == a.Repository && o.Snapshot == name
		}) {
			if absent++; absent >= absences {
				if errors.Is(err, cluster.ErrNoSnapshot) {
					err = fmt.Errorf("%w: %w", errVanished, err)
				}
				return false, fmt.Errorf("%s was started, but is not running any more and cannot be read: %w", what, err)
			}
		}
		return false, nil
	}, &tracked{what, func() (cluster.Progress, error) { return env.Cluster.SnapshotProgress(ctx, a.Repository, name) }})
	if errors.Is(err, errStalled) {
		err = cluster.WithHint(err, "a running snapshot can block other snapshots and deletions; "+
			"esnap snapshot delete %s %s --guards off aborts it", a.Repository, name)
	}
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// judge turns the end of a snapshot into an outcome. In Curator's command lines
// partial: true lets the server take a snapshot with missing shards, but such a snapshot
// fails the action: the next action may delete what it does not contain (K8).
func (a *Snapshot) judge(env *Env, o *cluster.Outcome, s *cluster.Snapshot, req cluster.CreateSnapshot) {
	o.Assumed = s.Assumed
	o.Detail = fmt.Sprintf("%s, %s", s.State, cluster.Count(len(s.Indices), "index"))
	if !s.Start.IsZero() && s.End.After(s.Start) {
		o.Detail += ", " + s.End.Sub(s.Start).Round(time.Millisecond).String()
	}
	missing := slices.DeleteFunc(slices.Clone(req.Indices), s.Holds)
	streams := slices.DeleteFunc(slices.Clone(req.Streams), func(n string) bool { return s.Assumed || s.HasStream(n) })
	if len(req.Streams) > len(streams) {
		o.Detail += ", " + cluster.Count(len(req.Streams)-len(streams), "data stream")
	}
	switch {
	case s.Good() && len(streams) > 0:
		o.Result, o.Err = cluster.Failure, fmt.Errorf("the snapshot does not contain %s: %s",
			cluster.Count(len(streams), "data stream"), cluster.Few(streams))
	case s.Good() && (len(missing) == 0 || a.IgnoreUnavailable):
		if len(missing) > 0 {
			o.Detail += fmt.Sprintf("; %s deleted before the snapshot began: %s", cluster.Count(len(missing), "index"), cluster.Few(missing))
		}
	case s.Good():
		o.Result, o.Err = cluster.Failure, fmt.Errorf("the snapshot does not contain %s that were selected: %s",
			cluster.Count(len(missing), "index"), cluster.Few(missing))
	case a.Partial && env.Behaviour.PartialAllowed && (s.State == cluster.Partial || s.State == cluster.Success):
		o.Result = cluster.PartlyDone
		o.Detail += "; " + failures(s)
	default:
		o.Result, o.Err = cluster.Failure, fmt.Errorf("the snapshot is not good: %s; %s", s.WhyNotGood(), failures(s))
	}
}

// failures lists the failed shards of a snapshot: index, shard and reason.
func failures(s *cluster.Snapshot) string {
	if len(s.Failures) == 0 {
		if s.Reason != "" {
			return s.Reason
		}
		return fmt.Sprintf("%d of %d shards failed", s.Shards.Failed, s.Shards.Total)
	}
	list := make([]string, 0, len(s.Failures))
	for _, f := range s.Failures {
		list = append(list, f.String())
	}
	return cluster.FewOf(list, "; ", 5)
}
