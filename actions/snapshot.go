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

// Snapshot takes a snapshot of the selected indices and sees that it is good
// (spec/curator §5.1).
type Snapshot struct {
	Repository         string         `yaml:"repository" check:"required" doc:"the repository"`
	Name               string         `yaml:"name" doc:"the snapshot's name, with strftime tokens or as <date math>"`
	IgnoreUnavailable  bool           `yaml:"ignore_unavailable" doc:"an index that vanished meanwhile is no failure"`
	IncludeGlobalState bool           `yaml:"include_global_state" doc:"also store templates and persistent settings"`
	Partial            bool           `yaml:"partial" doc:"allow a snapshot that lacks shards; it ends with exit code 5, and in Curator's command lines fails the action"`
	SkipRepoFSCheck    bool           `yaml:"skip_repo_fs_check" doc:"do not have every node verify the repository first"`
	OncePer            string         `yaml:"once_per" check:"oneof=hour|day|week|month" doc:"adopt a good or running snapshot of the same series and period that holds every selected index (esnap's own)"`
	WaitForRunning     *time.Duration `yaml:"wait_for_running" doc:"wait so long for another operation; default 30m, 0 in Curator's command lines (esnap's own)"`
	StallWait
}

const defaultSnapshotName = "curator-%Y%m%d%H%M%S"

func newSnapshot(f Flavour) Action {
	return &Snapshot{Name: defaultSnapshotName, IncludeGlobalState: true, SkipRepoFSCheck: f == Curator8, StallWait: newStallWait(f, 9)}
}

// Validate implements Action.
func (a *Snapshot) Validate(map[string]bool) error {
	return checkName("name", "snapshot", a.Name)
}

// Run implements Action.
func (a *Snapshot) Run(ctx context.Context, env *Env) error {
	name, err := strftime.Resolve(a.Name, env.Now)
	if err != nil {
		return err
	}
	names := cluster.Names(env.Selected)
	slices.Sort(names)
	if _, err := env.Cluster.Repository(ctx, a.Repository); err != nil {
		return missingRepository(err)
	}
	if !a.SkipRepoFSCheck {
		if _, err := env.Cluster.VerifyRepository(ctx, cluster.VerifyRepository{Name: a.Repository}); err != nil {
			return err
		}
	}
	if a.OncePer != "" {
		adopted, free, err := a.adopt(ctx, env, name, names)
		if err != nil || adopted {
			return err
		}
		name = free
	}
	return a.create(ctx, env, name, names)
}

// adopt looks for this period's snapshot of the same series. A good one that
// holds every index is taken as done; a running one is waited for. Otherwise it
// returns a name that is not taken.
func (a *Snapshot) adopt(ctx context.Context, env *Env, name string, names []string) (done bool, free string, err error) {
	list, err := env.Snapshots(ctx, a.Repository, true)
	if err != nil {
		return false, "", missingRepository(err)
	}
	same := a.sameSeries(name)
	period := strftime.Truncate(env.Now, map[string]string{"hour": "h", "day": "d", "week": "w", "month": "M"}[a.OncePer])
	taken := map[string]bool{}
	for _, s := range slices.Backward(list) {
		taken[s.Name] = true
		if s.Start.Before(period) || !same(s.Name) || len(s.Missing(names)) > 0 {
			continue
		}
		if s.State == cluster.InProgress {
			ended, err := a.await(ctx, env, s.Name)
			if err != nil {
				return false, "", err
			}
			s = ended
		}
		if s.Good() && len(s.Missing(names)) == 0 {
			env.Outcome(cluster.Outcome{
				Verb: "create", What: "snapshot", Name: s.Name, Repository: a.Repository, Result: cluster.Adopted,
				Detail: fmt.Sprintf("this %s's snapshot is there already, started %s, and holds all %s", a.OncePer, s.Start.UTC().Format("15:04:05Z"), cluster.Count(len(names), "index")),
			})
			return true, "", nil
		}
	}
	free = name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	return false, free, nil
}

// sameSeries says which names this action's own name could have been at another
// time, a number added after a failed try included.
func (a *Snapshot) sameSeries(name string) func(string) bool {
	if strings.HasPrefix(a.Name, "<") {
		series := cluster.Series(name)
		return func(other string) bool { return cluster.Series(other) == series }
	}
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

// create starts the snapshot, waits for it and judges how it ended.
func (a *Snapshot) create(ctx context.Context, env *Env, name string, names []string) error {
	req := cluster.CreateSnapshot{
		Repository: a.Repository, Name: name, Indices: names, IgnoreUnavailable: a.IgnoreUnavailable,
		GlobalState: a.IncludeGlobalState, Partial: a.Partial,
	}
	before := env.Watch.Elapsed()
	err := newPatience(env.waitForRunning(a.WaitForRunning)).busy(ctx, env, func() error { return env.Cluster.CreateSnapshot(ctx, req) })
	if errors.Is(err, cluster.ErrLost) {
		err = a.lookForLost(ctx, env, name, env.Now.Add(before))
	}
	if errors.Is(err, cluster.ErrExists) {
		return cluster.WithHint(err, "give the name a date that changes with each run, or set once_per so that a repeated run adopts what is there")
	}
	if err != nil {
		return missingRepository(err)
	}
	outcome := cluster.Outcome{Verb: "create", What: "snapshot", Name: name, Repository: a.Repository, Result: cluster.Done}
	if !a.WaitForCompletion {
		env.Warn("wait_for_completion is false: whether snapshot %s/%s succeeds is not looked at; see esnap snapshot show", a.Repository, name)
		outcome.Detail = "started, not waited for"
		env.Outcome(outcome)
		return nil
	}
	s, err := a.await(ctx, env, name)
	if err != nil {
		outcome.Result, outcome.Err = cluster.Failure, err
		env.Outcome(outcome)
		return nil
	}
	a.judge(env, &outcome, s, names)
	env.Outcome(outcome)
	return nil
}

// lookForLost says whether a snapshot whose reply was lost is there.
func (a *Snapshot) lookForLost(ctx context.Context, env *Env, name string, asked time.Time) error {
	for try := 0; ; try++ {
		s, err := env.Cluster.Snapshot(ctx, a.Repository, name)
		switch {
		case err == nil && s.Start.Before(asked.Add(-15*time.Minute)):
			return fmt.Errorf("a snapshot %s/%s of %s was there before: %w", a.Repository, name, s.Start.UTC().Format(time.RFC3339), cluster.ErrExists)
		case err == nil:
			return nil
		case errors.Is(err, cluster.ErrNoSnapshot) && try >= 5:
			return fmt.Errorf("the reply to the request for snapshot %s/%s was lost, and no such snapshot has come: %w", a.Repository, name, err)
		case !errors.Is(err, cluster.ErrNoSnapshot) && !cluster.Transient(err):
			return err
		}
		if err := env.Watch.Sleep(ctx, time.Second<<min(try, 3)); err != nil {
			return err
		}
	}
}

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
		// The repository may be gone from under a running snapshot; not being in
		// the list of running ones is not the same as being done.
		ops, rerr := env.Cluster.Running(ctx)
		if rerr == nil && !slices.ContainsFunc(ops, func(o cluster.Operation) bool { return o.Repository == a.Repository && o.Snapshot == name }) {
			if absent++; absent >= absences {
				return false, fmt.Errorf("%s was started, but runs no more and cannot be read: %w", what, err)
			}
		}
		return false, nil
	}, func() (cluster.Progress, error) { return env.Cluster.SnapshotProgress(ctx, a.Repository, name) })
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// judge turns how a snapshot ended into an outcome. In Curator's command lines
// partial: true lets the server take a snapshot that lacks shards, but such a one
// fails the action: what follows may delete what is not in it (K8).
func (a *Snapshot) judge(env *Env, o *cluster.Outcome, s *cluster.Snapshot, names []string) {
	o.Assumed = s.Assumed
	o.Detail = fmt.Sprintf("%s, %s", s.State, cluster.Count(len(s.Indices), "index"))
	if !s.Start.IsZero() && s.End.After(s.Start) {
		o.Detail += ", " + s.End.Sub(s.Start).Round(time.Millisecond).String()
	}
	missing := slices.DeleteFunc(slices.Clone(names), s.Holds)
	switch {
	case s.Good() && (len(missing) == 0 || a.IgnoreUnavailable):
		if len(missing) > 0 {
			o.Detail += fmt.Sprintf("; %s vanished before it began: %s", cluster.Count(len(missing), "index"), firstFew(missing))
		}
	case s.Good():
		o.Result, o.Err = cluster.Failure, fmt.Errorf("it lacks %s that were selected: %s", cluster.Count(len(missing), "index"), firstFew(missing))
	case a.Partial && env.Flavour == Native && (s.State == cluster.Partial || s.State == cluster.Success):
		o.Result = cluster.Less
		o.Detail += "; " + failures(s)
	default:
		o.Result, o.Err = cluster.Failure, fmt.Errorf("it ended not good: %s; %s", s.WhyNotGood(), failures(s))
	}
}

// failures lists what a snapshot lacks: index, shard and reason.
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
	return firstFewOf(list, "; ", 5)
}

func firstFew(names []string) string { return firstFewOf(names, ", ", 5) }

func firstFewOf(list []string, sep string, n int) string {
	if len(list) <= n {
		return strings.Join(list, sep)
	}
	return strings.Join(list[:n], sep) + fmt.Sprintf(" and %d more", len(list)-n)
}
