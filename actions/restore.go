package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/rename"
	"github.com/esnap/esnap/internal/restore"
)

// Restore restores indices from a snapshot and verifies that all their shards are
// started. The command esnap restore adds what a file cannot ask
// for: each index from the snapshot that is best for it.
type Restore struct {
	Repository         string         `yaml:"repository" check:"required" doc:"the repository"`
	Name               string         `yaml:"name" doc:"name of the snapshot, without date tokens; the filters do not apply to it"`
	Snapshot           string         `yaml:"snapshot" check:"oneof=latest,own" doc:"latest: the newest good snapshot among the selected ones; default: the newest one in any state"`
	Indices            []string       `yaml:"indices" check:"list" doc:"names or wildcard patterns; default: all indices in the snapshot"`
	IncludeAliases     bool           `yaml:"include_aliases" doc:"also restore aliases"`
	IgnoreUnavailable  bool           `yaml:"ignore_unavailable" doc:"do not fail if the snapshot does not contain an index"`
	IncludeGlobalState bool           `yaml:"include_global_state" doc:"also restore templates and persistent settings"`
	Partial            bool           `yaml:"partial" doc:"also restore from a PARTIAL snapshot, and copies with missing shards"`
	RenamePattern      string         `yaml:"rename_pattern" doc:"regular expression on index names; an ambiguous expression is refused"`
	RenameReplacement  string         `yaml:"rename_replacement" doc:"replacement of each match; $1 is the first group"`
	ExtraSettings      map[string]any `yaml:"extra_settings" doc:"index settings, or index_settings and ignore_index_settings for the request"`
	SkipRepoFSCheck    bool           `yaml:"skip_repo_fs_check" doc:"do not verify the repository on every node first"`
	OnConflict         string         `yaml:"on_conflict" check:"oneof=fail|skip|rename,own" doc:"what to do if the target's name already exists; default fail, in Curator's command lines the server decides"`
	FeatureStates      []string       `yaml:"feature_states" check:"list,own" doc:"names of features whose system indices are restored; default none, in Curator's command lines the server decides"`
	KeepFor            *time.Duration `yaml:"keep_for" check:"own" doc:"protect the restored indices from esnap's own deletions for this long; default 7d when they keep their name, none in Curator's command lines"`
	WaitForRunning     *time.Duration `yaml:"wait_for_running" check:"own" doc:"maximum wait for another operation; default 30m, 0 in Curator's command lines"`
	StallWait

	// Choose is set by the command: each index is restored from the best snapshot of the
	// named repositories, or of all repositories.
	Choose *Choice `yaml:"-"`

	behaviour Behaviour
}

// DefaultKeep is how long indices that are restored under their own name are protected.
const DefaultKeep = 7 * 24 * time.Hour

// Choice is what the command esnap restore adds to an action's options.
type Choice struct {
	Repositories   []string
	Snapshot       string // a name, latest, or empty
	Before         time.Time
	Window         *restore.Window // only indices of this time; nil: any
	IndexSettings  map[string]any
	IgnoreSettings []string
	KeepLifecycle  bool
	Replicas       int // of the targets, for the space they need
}

func newRestore(b Behaviour) Action {
	return &Restore{SkipRepoFSCheck: b.SkipRepoFSCheck, StallWait: newStallWait(b, 9), behaviour: b}
}

// Validate implements Action.
func (a *Restore) Validate(map[string]bool) error {
	var errs []error
	if a.Name != "" && a.Snapshot != "" {
		errs = append(errs, optionError("snapshot", "cannot be given together with name, which already names the snapshot"))
	}
	if err := a.Unpredictable(); err != nil && (a.behaviour.PredictableRenames || a.OnConflict != "") {
		errs = append(errs, optionError("rename_"+err.What, "column %d: %s", err.Column, err.Text))
	}
	return errors.Join(errs...)
}

// Unpredictable returns why the names that the server makes cannot be predicted, or nil.
// In Curator's command lines that is not an error.
func (a *Restore) Unpredictable() *rename.Error {
	var e *rename.Error
	if a.renames() {
		_, err := rename.Compile(a.RenamePattern, a.RenameReplacement)
		errors.As(err, &e)
	}
	return e
}

// renames reports whether names are changed: a pattern or a replacement alone does nothing.
func (a *Restore) renames() bool { return a.RenamePattern != "" && a.RenameReplacement != "" }

// Source implements SnapshotSource.
func (a *Restore) Source() string { return a.Repository }

// SkipsListing reports that no filters apply: the command chooses among all snapshots.
func (a *Restore) SkipsListing() bool { return a.Choose != nil }

// Run implements Action.
func (a *Restore) Run(ctx context.Context, env *Env) error {
	plan, err := a.plan(ctx, env)
	if err != nil {
		return err
	}
	if env.Plan != nil {
		if err := env.Plan(plan); err != nil {
			return err
		}
	}
	for _, w := range plan.Warnings {
		env.Warn("%s", w)
	}
	if len(plan.Missing) > 0 {
		return cluster.WithHint(fmt.Errorf("%s: %w", strings.Join(plan.Missing, "\n"), cluster.ErrNoIndex), "nothing was restored; esnap snapshot list --holding INDEX finds the snapshots that contain an index")
	}
	if stop := plan.Refusals; len(stop) > 0 {
		return cluster.WithHint(cluster.Refuse("%s", strings.Join(stop, "\n")), "%s", a.wayOut(plan))
	}
	if len(plan.Forcible) > 0 && !env.Force {
		return cluster.WithHint(cluster.Refuse("%s", strings.Join(plan.Forcible, "\n")), "nothing was restored; --force overrides this refusal")
	}
	return a.carryOut(ctx, env, plan)
}

// wayOut is what to do about a plan that is refused.
func (a *Restore) wayOut(p *restore.Plan) string {
	switch {
	case !p.Conflict:
		return "nothing was restored"
	case a.Choose != nil:
		return "nothing was restored; --rename-prefix restored- restores under other names, --on-conflict skip does not restore these"
	}
	return "nothing was restored; rename_pattern and rename_replacement restore under other names, on_conflict: skip does not restore these"
}

func (a *Restore) plan(ctx context.Context, env *Env) (*restore.Plan, error) {
	r := restore.Request{
		Indices: a.Indices, OnConflict: restore.Conflict(a.OnConflict), Partial: a.Partial, GlobalState: a.IncludeGlobalState,
		IgnoreMissing: a.IgnoreUnavailable, Dotted: env.Behaviour.RestoreSystem, FeatureStates: a.FeatureStates,
	}
	if named, ok := a.ExtraSettings["feature_states"].([]any); ok && a.FeatureStates == nil {
		for _, f := range named {
			r.FeatureStates = append(r.FeatureStates, fmt.Sprint(f))
		}
	}
	if a.renames() {
		r.Pattern, r.Replacement = a.RenamePattern, a.RenameReplacement
	}
	if r.OnConflict == "" {
		if r.OnConflict = restore.Fail; env.Behaviour.ServerConflicts {
			r.OnConflict = restore.Server
		}
	}
	keep := time.Duration(0)
	switch {
	case a.KeepFor != nil:
		keep = *a.KeepFor
	case r.Pattern == "": // the next expiry would delete an index with its own name
		keep = env.Behaviour.KeepRestored
	}
	if keep > 0 {
		r.KeepUntil = env.Now.Add(keep)
	}
	l := restore.Listings{Sizes: map[restore.Ref]map[string]int64{}}
	var err error
	if a.Choose != nil {
		r.Snapshot, r.Before, r.Replicas, r.Window = a.Choose.Snapshot, a.Choose.Before, a.Choose.Replicas, a.Choose.Window
		l.Snapshots, err = a.everywhere(ctx, env)
	} else {
		var s *cluster.Snapshot
		if s, err = a.pick(ctx, env); err == nil {
			r.Snapshot, l.Snapshots = s.Name, []*cluster.Snapshot{s}
		}
	}
	if err != nil {
		return nil, err
	}
	if l.Server, err = env.Cluster.Server(ctx); err != nil {
		return nil, err
	}
	if l.Indices, err = env.Indices(ctx); err != nil {
		return nil, err
	}
	if l.Running, err = env.Cluster.Running(ctx); err != nil {
		return nil, err
	}
	if err := a.owners(ctx, env, &l); err != nil {
		return nil, err
	}
	if a.Choose != nil {
		a.measure(ctx, env, r, &l)
	}
	p := restore.NewPlan(r, l)
	if a.IncludeAliases && env.Behaviour.Cautious {
		p.Warnings = append(p.Warnings, "esnap cannot read which aliases the indices in the snapshot have; if one of them has the name of an existing index, the restore fails")
	}
	return p, nil
}

// everywhere lists the snapshots of the named repositories, or of all. A repository that
// cannot be read is skipped with a warning, unless it was named.
func (a *Restore) everywhere(ctx context.Context, env *Env) ([]*cluster.Snapshot, error) {
	names := a.Choose.Repositories
	if len(names) == 0 {
		repositories, err := env.Cluster.Repositories(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range repositories {
			names = append(names, r.Name)
		}
		if len(names) == 0 {
			return nil, cluster.WithHint(errors.New("no snapshot repository is registered"), "%s", errNoRepositoryHint)
		}
	}
	var all []*cluster.Snapshot
	for _, name := range names {
		list, err := env.Snapshots(ctx, name, true)
		if err != nil {
			if len(a.Choose.Repositories) > 0 {
				return nil, missingRepository(err)
			}
			env.Warn("repository %s skipped: %s", name, err)
			continue
		}
		all = append(all, list...)
	}
	return all, nil
}

// pick chooses as Curator does: the named snapshot, out of the whole repository, or the
// newest selected one. Its state is judged afterwards.
func (a *Restore) pick(ctx context.Context, env *Env) (*cluster.Snapshot, error) {
	var s *cluster.Snapshot
	if a.Name != "" {
		list, err := env.Snapshots(ctx, a.Repository, true)
		if err != nil {
			return nil, missingRepository(err)
		}
		at := slices.IndexFunc(list, func(s *cluster.Snapshot) bool { return s.Name == a.Name })
		if at < 0 {
			err := fmt.Errorf("there is no snapshot %s/%s", a.Repository, a.Name)
			if near := cluster.Nearest(a.Name, cluster.Names(list)); near != "" {
				return nil, cluster.WithHint(err, "the nearest names are %s", near)
			}
			return nil, err
		}
		s = list[at]
	} else {
		for _, c := range cluster.Of[*cluster.Snapshot](env.Selected) {
			if a.Snapshot == restore.Latest && !c.Good() {
				continue
			}
			if s == nil || c.Start.Unix() > s.Start.Unix() {
				s = c
			}
		}
		if s == nil {
			return nil, fmt.Errorf("none of the %s selected is good: %w", cluster.Count(len(env.Selected), "snapshot"), cluster.ErrEmpty)
		}
		if !s.HasContents {
			full, err := env.Cluster.Snapshot(ctx, a.Repository, s.Name)
			if err != nil {
				return nil, err
			}
			s = full
		}
	}
	switch {
	case s.State == cluster.Success:
		return s, nil
	case s.State == cluster.Partial && a.Partial:
		env.Warn("snapshot %s/%s is PARTIAL: %s", a.Repository, s.Name, failures(s))
		return s, nil
	}
	return nil, cluster.WithHint(fmt.Errorf("snapshot %s/%s cannot be restored: its state is %s", a.Repository, s.Name, s.State),
		"a state filter or snapshot: latest selects only good snapshots; partial: true also restores from a PARTIAL one")
}

// measure reads sizes and free space; what cannot be read is missing in the plan.
func (a *Restore) measure(ctx context.Context, env *Env, r restore.Request, l *restore.Listings) {
	for _, ref := range restore.SizesNeeded(r, *l) {
		sizes, err := env.Cluster.SnapshotSizes(ctx, ref.Repository, ref.Snapshot)
		if err != nil {
			env.Warn("cannot read the sizes of the indices in %s/%s: %s", ref.Repository, ref.Snapshot, err)
			continue
		}
		l.Sizes[ref] = sizes
	}
	if c, err := env.Cluster.Capacity(ctx); err == nil {
		l.Capacity = &c
	} else {
		env.Warn("cannot read the free space of the nodes: %s", err)
	}
}

// owners finds out which repositories this cluster does not write to, and which marked
// indices are incomplete.
func (a *Restore) owners(ctx context.Context, env *Env, l *restore.Listings) error {
	l.ReadOnly, l.Unready = map[string]bool{}, map[string]bool{}
	if a.Choose != nil {
		repositories, err := env.Cluster.Repositories(ctx)
		if err != nil {
			return err
		}
		for _, r := range repositories {
			l.ReadOnly[r.Name] = r.ReadOnly()
		}
	}
	var marked []string
	for _, i := range l.Indices {
		if !i.KeepUntil().IsZero() && !i.Closed {
			marked = append(marked, i.Name)
		}
	}
	if len(marked) == 0 {
		return nil
	}
	health, err := env.Cluster.Health(ctx, marked)
	for name, h := range health {
		l.Unready[name] = !h.Ready()
	}
	return err
}

func (a *Restore) carryOut(ctx context.Context, env *Env, plan *restore.Plan) error {
	outcome := func(it restore.Item, result cluster.Result, err error, format string, args ...any) {
		env.Outcome(cluster.Outcome{Verb: cluster.VerbRestore, What: it.Kind.What(), Name: it.Target, Repository: it.Repository, Result: result, Err: err, Detail: fmt.Sprintf(format, args...)})
	}
	var waitFor []restore.Item
	for _, it := range plan.Items {
		if it.Attach {
			waitFor = append(waitFor, it)
		} else if it.Skipped != "" {
			result := cluster.Unchanged
			if it.Unready {
				result = cluster.PartlyDone
			}
			outcome(it, result, nil, "skipped: %s", it.Skipped)
		}
	}
	verified := map[string]bool{}
	for _, g := range plan.Groups() {
		if err := ctx.Err(); err != nil {
			for _, it := range g.Items {
				outcome(it, cluster.NotStarted, nil, "%s", context.Cause(ctx))
			}
			continue
		}
		if !a.SkipRepoFSCheck && !verified[g.Repository] {
			if err := env.verify(ctx, g.Repository, a.WaitForRunning); err != nil {
				return err
			}
			verified[g.Repository] = true
		}
		items, err := a.start(ctx, env, plan, g)
		if err != nil {
			for _, it := range g.Items {
				if errors.Is(err, errUnnamed) {
					outcome(it, cluster.Unclear, nil, "the restore continues in the cluster; %s", err)
					continue
				}
				if ctx.Err() != nil && errors.Is(err, cluster.ErrLost) {
					outcome(it, cluster.Requested, nil, "the restore may continue in the cluster; %s", context.Cause(ctx))
					continue
				}
				outcome(it, cluster.Failure, err, "")
			}
			continue
		}
		waitFor = append(waitFor, items...)
	}
	if len(waitFor) == 0 {
		return context.Cause(ctx)
	}
	if !a.WaitForCompletion {
		env.Warn("the restore continues in the cluster; watch it with esnap status; wait for it by running the same command again")
		for _, it := range waitFor {
			outcome(it, cluster.Requested, nil, "started from %s; the restore continues in the cluster", it.Snapshot)
		}
		return a.mark(ctx, env, plan, waitFor)
	}
	return a.finish(ctx, env, plan, waitFor, outcome)
}

// start sends one restore request. The mark that protects the indices is a setting in the
// same request: nothing can happen between a restore and its mark. The returned items
// have the names that the server gave them.
func (a *Restore) start(ctx context.Context, env *Env, plan *restore.Plan, g restore.Group) ([]restore.Item, error) {
	req := cluster.RestoreSnapshot{
		Repository: g.Repository, Name: g.Snapshot, RenamePattern: g.Pattern, RenameReplacement: g.Replacement,
		IncludeAliases: a.IncludeAliases, IgnoreUnavailable: a.IgnoreUnavailable, GlobalState: a.IncludeGlobalState, Partial: a.Partial,
	}
	for _, it := range g.Items {
		if it.Kind == restore.Feature {
			req.FeatureStates = append(req.FeatureStates, it.Index)
			continue
		}
		req.Indices = append(req.Indices, it.Index)
		req.Targets = append(req.Targets, it.Targets()...)
	}
	if len(req.Indices) == 0 {
		req.Indices = []string{"-*"} // features alone
	}
	server, err := env.Cluster.Server(ctx)
	if err != nil {
		return nil, err
	}
	if env.Behaviour.FeaturesByName && len(req.FeatureStates) == 0 && server.HasFeatureStates() {
		req.FeatureStates = []string{"none"} // include_global_state alone would restore all of them
	}
	a.settings(&req)
	if !plan.KeepUntil.IsZero() && len(req.Targets) > 0 {
		given := req.IndexSettings
		if inner, ok := req.Extra["index_settings"].(map[string]any); ok {
			given = inner
			req.Extra = maps.Clone(req.Extra)
			delete(req.Extra, "index_settings")
		}
		req.IndexSettings = map[string]any{cluster.SettingKeepUntil: keepDay(plan), cluster.SettingRestoredFrom: restore.From(g.Ref)}
		maps.Copy(req.IndexSettings, given)
	}
	list := func() (map[string]bool, error) {
		if g.Unpredicted {
			return opened(env.Cluster.Indices(ctx))
		}
		return opened(env.Cluster.IndicesNamed(ctx, req.Targets))
	}
	before, err := list()
	if err != nil {
		return nil, err
	}
	// Indices that did not exist, or were closed, show that the restore has begun.
	appeared := func() ([]string, error) {
		after, err := list()
		maps.DeleteFunc(after, func(name string, _ bool) bool { return before[name] })
		return slices.Sorted(maps.Keys(after)), err
	}
	err = newWaitBudget(env.waitForRunning(a.WaitForRunning)).busy(ctx, env, func() error { return env.Cluster.RestoreSnapshot(ctx, req) })
	if errors.Is(err, cluster.ErrLost) {
		err = a.lookForLost(ctx, env, len(req.Targets), appeared, err)
	}
	if err == nil && g.Unpredicted {
		return named(ctx, env, g, appeared)
	}
	return g.Items, err
}

// lookForLost searches for a restore whose reply was lost, as long as the request can
// still arrive.
func (a *Restore) lookForLost(ctx context.Context, env *Env, targets int, appeared func() ([]string, error), lost error) error {
	start, pause := env.Watch.Elapsed(), firstPause
	for {
		names, err := appeared()
		if err == nil && len(names) >= targets {
			return nil
		}
		if err != nil && !cluster.Transient(err) || env.Watch.Elapsed()-start >= lostFor {
			return fmt.Errorf("the restore did not begin within %s: %w", lostFor, lost)
		}
		env.Waiting(cluster.Waiting{For: "the restore of " + cluster.Count(targets, "index") + " whose reply was lost", Elapsed: env.Watch.Elapsed() - start})
		if env.Watch.Sleep(ctx, pause) != nil {
			return lost
		}
		pause = min(pause*2, 5*time.Second)
	}
}

// errUnnamed means that a restore runs, but its target names are unknown.
var errUnnamed = errors.New("cannot tell which name the server gave the index")

// named gives the items the names that the server made: those of the new indices. Which
// new index belongs to which item is unknown, so all count as incomplete if one is.
func named(ctx context.Context, env *Env, g restore.Group, appeared func() ([]string, error)) ([]restore.Item, error) {
	names, err := appeared()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnnamed, err)
	}
	if len(names) > len(g.Items) { // somebody else creates indices, too
		running, err := env.Cluster.Running(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnnamed, err)
		}
		names = slices.DeleteFunc(names, func(name string) bool {
			return !slices.ContainsFunc(running, func(o cluster.Operation) bool {
				return o.Kind == cluster.OpRestore && o.Repository == g.Repository && o.Snapshot == g.Snapshot && slices.Contains(o.Indices, name)
			})
		})
	}
	if len(names) != len(g.Items) {
		return nil, fmt.Errorf("%w: %d indices were requested; new indices: %s", errUnnamed, len(g.Items), strings.Join(names, ", "))
	}
	items := slices.Clone(g.Items)
	lacking := slices.ContainsFunc(items, func(it restore.Item) bool { return it.Lacking })
	for n := range items {
		items[n].Target, items[n].Lacking = names[n], lacking
	}
	return items, nil
}

// keepDay is the last day of the protection.
func keepDay(plan *restore.Plan) string { return plan.KeepUntil.UTC().Format("2006.01.02") }

// opened are the names of the indices that exist and are open.
func opened(list []*cluster.Index, err error) (map[string]bool, error) {
	names := map[string]bool{}
	for _, i := range list {
		if !i.Closed {
			names[i.Name] = true
		}
	}
	return names, err
}

// bodyKeys are the keys of extra_settings that belong to the request, not to the
// indices (D2).
var bodyKeys = []string{"index_settings", "ignore_index_settings", "feature_states"}

func (a *Restore) settings(req *cluster.RestoreSnapshot) {
	if slices.ContainsFunc(bodyKeys, func(k string) bool { _, ok := a.ExtraSettings[k]; return ok }) {
		req.Extra = a.ExtraSettings
	} else if len(a.ExtraSettings) > 0 {
		req.IndexSettings = maps.Clone(a.ExtraSettings)
	}
	if a.Choose == nil {
		return
	}
	if len(a.Choose.IndexSettings) > 0 {
		if req.IndexSettings == nil {
			req.IndexSettings = map[string]any{}
		}
		maps.Copy(req.IndexSettings, a.Choose.IndexSettings)
	}
	req.IgnoreIndexSettings = slices.Clone(a.Choose.IgnoreSettings)
	if !a.Choose.KeepLifecycle {
		req.IgnoreIndexSettings = append(req.IgnoreIndexSettings, "index.lifecycle.*", "index.plugins.index_state_management.*", "index.opendistro.index_state_management.*")
	}
}

// finish waits until all shards of all targets are started, and judges the result.
func (a *Restore) finish(ctx context.Context, env *Env, plan *restore.Plan, items []restore.Item, outcome func(restore.Item, cluster.Result, error, string, ...any)) error {
	var targets []string
	for _, it := range items {
		targets = append(targets, it.Targets()...)
	}
	// The mark comes first: a deletion that runs before the restore has ended must see it.
	marked := a.mark(ctx, env, plan, items)
	var health map[string]cluster.IndexHealth
	quiet := 0
	err := a.poll(ctx, env, "the restore of "+cluster.Count(len(targets), "index"), func() (bool, error) {
		var err error
		if health, err = env.Cluster.Health(ctx, targets); err != nil {
			return false, err
		}
		open := 0
		for _, t := range targets {
			if h, there := health[t]; !there || !h.Ready() {
				open++
			}
		}
		if open == 0 {
			return true, nil
		}
		ops, err := env.Cluster.Running(ctx)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(ops, func(o cluster.Operation) bool {
			return o.Kind == cluster.OpRestore && slices.ContainsFunc(targets, func(t string) bool { return slices.Contains(o.Indices, t) })
		}) {
			quiet = 0
			return false, nil
		}
		quiet++
		return quiet >= absences, nil // no restore runs any more: judge the result
	}, func() (cluster.Progress, error) { return env.Cluster.RestoreProgress(ctx, targets) })
	if err != nil {
		for _, it := range items {
			if ctx.Err() != nil {
				outcome(it, cluster.Requested, nil, "the restore continues in the cluster; %s", context.Cause(ctx))
				continue
			}
			outcome(it, cluster.Failure, err, "")
		}
		return context.Cause(ctx)
	}
	problems, _ := env.Cluster.ShardProblems(ctx, targets)
	docs, derr := env.Cluster.Stats(ctx, targets)
	for _, it := range items {
		h, there := together(it.Targets(), health)
		var unready []string
		for _, p := range problems {
			if slices.Contains(it.Targets(), p.Index) && p.Primary {
				unready = append(unready, strings.TrimSpace(fmt.Sprintf("shard %d is %s %s %s", p.Shard, p.State, p.Reason, p.Details)))
			}
		}
		switch {
		case !there:
			outcome(it, cluster.Failure, errors.New("the index does not exist after the restore"), "")
		case !h.Ready():
			err := fmt.Errorf("only %d of %d primary shards are started: %s", h.ActivePrimary, h.Shards, firstFewOf(unready, "; ", 3))
			err = cluster.WithHint(err, "if the shards do not start, delete it: esnap index delete --guards off %s", it.Target)
			outcome(it, cluster.Failure, err, "")
		default:
			detail := fmt.Sprintf("from %s/%s", it.Repository, it.Snapshot)
			var sum, counted int
			for _, t := range it.Targets() {
				if s, ok := docs[t]; ok && derr == nil {
					sum, counted = sum+int(s.Docs), counted+1
				}
			}
			if counted == len(it.Targets()) {
				detail += fmt.Sprintf(", %s", cluster.Count(sum, "document"))
			}
			if !plan.KeepUntil.IsZero() {
				detail += ", protected until the end of " + plan.KeepUntil.UTC().Format("2006-01-02") + " (UTC)"
			}
			result := cluster.Done
			if it.Lacking {
				result, detail = cluster.PartlyDone, detail+"; the copy has missing shards"
			}
			outcome(it, result, nil, "%s", detail)
		}
	}
	return marked
}

// together is the allocation of several indices as if they were one; false if one of
// them does not exist.
func together(names []string, health map[string]cluster.IndexHealth) (sum cluster.IndexHealth, there bool) {
	there = true
	for _, n := range names {
		h, exists := health[n]
		there = there && exists
		sum.Shards, sum.ActivePrimary = sum.Shards+h.Shards, sum.ActivePrimary+h.ActivePrimary
	}
	return sum, there
}

// mark gives the restored indices the alias that protects them from esnap's deletions.
func (a *Restore) mark(ctx context.Context, env *Env, plan *restore.Plan, items []restore.Item) error {
	if plan.KeepUntil.IsZero() {
		return nil
	}
	alias := cluster.KeepPrefix + plan.KeepUntil.UTC().Format("2006.01.02")
	var req cluster.UpdateAliases
	var names []string
	for _, it := range items { // a backing index cannot have an alias: its mark remains in its settings
		if it.Kind == restore.Index {
			names = append(names, it.Target)
			req.Actions = append(req.Actions, cluster.AliasAction{Index: it.Target, Alias: alias})
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := env.Cluster.UpdateAliases(ctx, req); err != nil {
		env.Warn("the alias %s was not added to the restored indices: %s; the setting %s protects them as well", alias, err, cluster.SettingKeepUntil)
		return nil
	}
	for _, batch := range env.Cluster.IndexBatches(names) { // the alias protects them now
		_ = env.Cluster.PutIndexSettings(ctx, cluster.PutIndexSettings{Names: batch, Settings: map[string]any{cluster.SettingKeepUntil: nil, cluster.SettingRestoredFrom: nil}})
	}
	return nil
}
