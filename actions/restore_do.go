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
	"github.com/esnap/esnap/internal/restore"
)

// restoring is a restore that is carried out.
type restoring struct {
	*Restore
	env  *Env
	plan *restore.Plan

	failed bool // something was not restored as planned
	// requests are whether the restore of an item was requested.
	requests map[string]request

	created map[string]string // for a rollback: the uuids of the indices that this run created, by name
	unsure  []string          // for a rollback: indices that this run may have created
}

// request is whether the restore of an item was requested.
type request int

// The states.
const (
	notRequested   request = iota // not sent, or refused: nothing was restored
	maybeRequested                // the reply was lost
	isRequested                   // accepted
)

// idOf tells the items of a plan apart.
func idOf(it restore.Item) string { return string(it.Kind) + " " + it.Index + " " + it.Target }

func (w *restoring) request(it restore.Item) request { return w.requests[idOf(it)] }

func (w *restoring) note(r request, items ...restore.Item) {
	for _, it := range items {
		w.requests[idOf(it)] = r
	}
}

func (a *Restore) carryOut(ctx context.Context, env *Env, plan *restore.Plan) error {
	w := &restoring{Restore: a, env: env, plan: plan, requests: map[string]request{}, created: map[string]string{}}
	err := w.run(ctx)
	if a.Rollback && (w.failed || err != nil || ctx.Err() != nil) {
		err = errors.Join(err, w.rollBack(ctx))
	}
	return err
}

// outcome reports what became of an item.
func (w *restoring) outcome(it restore.Item, result cluster.Result, err error, format string, args ...any) {
	w.failed = w.failed || result == cluster.Failure || result == cluster.Unclear
	w.env.Outcome(cluster.Outcome{
		Verb: cluster.VerbRestore, What: it.Kind.What(), Name: it.Target, Repository: it.Repository,
		Result: result, Err: err, Detail: fmt.Sprintf(format, args...),
	})
}

func (w *restoring) run(ctx context.Context) error {
	var waitFor []restore.Item
	for _, it := range w.plan.Items {
		switch {
		case it.Attach:
			waitFor = append(waitFor, it)
		case it.Skipped != "":
			result := cluster.Unchanged
			if it.Unready {
				result = cluster.PartlyDone
			}
			w.outcome(it, result, nil, "skipped: %s", it.Skipped)
		case it.Unrestorable != "":
			w.outcome(it, cluster.Failure, errors.New(it.Unrestorable), "")
		}
	}
	verified := map[string]bool{}
	for _, g := range w.plan.Groups() {
		if ctx.Err() != nil || w.failed && w.Rollback {
			for _, it := range g.Items {
				w.outcome(it, cluster.NotStarted, nil, "%s", w.whyNot(ctx))
			}
			continue
		}
		if !w.SkipRepoFSCheck && !verified[g.Repository] {
			if err := w.env.verify(ctx, g.Repository, w.WaitForRunning); err != nil {
				return err
			}
			verified[g.Repository] = true
		}
		waitFor = append(waitFor, w.group(ctx, g)...)
	}
	switch {
	case len(waitFor) == 0:
		return context.Cause(ctx)
	case w.failed && w.Rollback:
		for _, it := range waitFor {
			w.outcome(it, cluster.Requested, nil, "%s", w.whyNot(ctx))
		}
		return context.Cause(ctx)
	case !w.WaitForCompletion:
		w.env.Warn("the restore continues in the cluster; esnap status --watch shows it")
		for _, it := range waitFor {
			w.outcome(it, cluster.Requested, nil, "started from %s; the restore continues in the cluster", it.Snapshot)
		}
		return w.mark(ctx, waitFor)
	}
	return w.finish(ctx, waitFor)
}

// whyNot is why an item is not restored, or not waited for.
func (w *restoring) whyNot(ctx context.Context) string {
	if err := context.Cause(ctx); err != nil {
		return err.Error()
	}
	return "something else was not restored, and rollback is set"
}

// group restores the items of one request. It returns those to wait for.
func (w *restoring) group(ctx context.Context, g restore.Group) []restore.Item {
	var closed []string
	var err error
	if g, closed, err = w.closeReplaced(ctx, g); err == nil && len(g.Items) > 0 {
		var items []restore.Item
		if items, err = w.start(ctx, g); err == nil {
			return w.startedOf(ctx, items)
		}
	}
	reopened := map[string]string{}
	if err != nil && len(closed) > 0 && !errors.Is(err, errUnnamed) {
		reopened = w.reopen(ctx, g, closed, err)
	}
	for _, it := range g.Items {
		state, is := reopened[it.Target]
		switch request := w.request(it); {
		case errors.Is(err, errUnnamed):
			w.outcome(it, cluster.Unclear, nil, "the restore continues in the cluster; %s", err)
		case ctx.Err() != nil && request == notRequested && state != mayBeClosed:
			w.outcome(it, cluster.NotStarted, nil, "%s", strings.TrimPrefix(state+"; "+w.whyNot(ctx), "; "))
		case is:
			w.outcome(it, cluster.Failure, err, "%s", state)
		case ctx.Err() != nil && request != notRequested:
			w.outcome(it, cluster.Requested, nil, "the restore may continue in the cluster; %s", context.Cause(ctx))
		default:
			w.outcome(it, cluster.Failure, err, "")
		}
	}
	return nil
}

// startedOf reports the global state, which the server has restored before it answers, and
// returns the items to wait for. It warns of settings in it that hinder the rest.
func (w *restoring) startedOf(ctx context.Context, items []restore.Item) (waitFor []restore.Item) {
	for _, it := range items {
		if it.Kind == restore.GlobalState {
			w.outcome(it, cluster.Done, nil, "from %s/%s", it.Repository, it.Snapshot)
			if c, err := w.env.Cluster.Capacity(ctx); err == nil && len(c.Holding) > 0 {
				w.env.Warn("the restored settings of the cluster may keep the shards of the restored indices from being allocated: %s; "+
					"to remove one: PUT _cluster/settings {\"persistent\": {NAME: null}}", strings.Join(c.Holding, ", "))
			}
			continue
		}
		waitFor = append(waitFor, it)
	}
	return waitFor
}

// start sends one restore request. The mark that protects the indices is a setting in the
// same request: nothing can happen between a restore and its mark. The returned items
// have the names that the server gave them.
func (w *restoring) start(ctx context.Context, g restore.Group) ([]restore.Item, error) {
	req := cluster.RestoreSnapshot{
		Repository: g.Repository, Name: g.Snapshot, RenamePattern: g.Pattern, RenameReplacement: g.Replacement,
		IncludeAliases:    w.IncludeAliases || w.WholeCluster,
		IgnoreUnavailable: w.IgnoreUnavailable, GlobalState: w.IncludeGlobalState || g.Items[0].Kind == restore.GlobalState, Partial: w.Partial,
	}
	for _, it := range g.Items {
		switch it.Kind {
		case restore.GlobalState:
			continue
		case restore.Feature:
			req.FeatureStates = append(req.FeatureStates, it.Index)
			req.Members = append(req.Members, it.Members...)
			continue
		}
		req.Indices = append(req.Indices, it.Index)
		req.Targets = append(req.Targets, it.Targets()...)
	}
	if len(req.Indices) == 0 {
		req.Indices = []string{"-*"} // only features, or the global state
	}
	server, err := w.env.Cluster.Server(ctx)
	if err != nil {
		return nil, err
	}
	if w.env.Behaviour.FeaturesByName && len(req.FeatureStates) == 0 && server.HasFeatureStates() {
		req.FeatureStates = []string{"none"} // include_global_state alone would restore all of them
	}
	w.settings(&req)
	if marks := w.marks(req, g); len(marks) > 0 {
		given := req.IndexSettings
		if inner, ok := req.Extra["index_settings"].(map[string]any); ok {
			given = inner
			req.Extra = maps.Clone(req.Extra)
			delete(req.Extra, "index_settings")
		}
		req.IndexSettings = marks
		maps.Copy(req.IndexSettings, given)
	}
	list := func() ([]*cluster.Index, error) {
		if g.Unpredicted {
			return w.env.Cluster.Indices(ctx)
		}
		return w.env.Cluster.IndicesNamed(ctx, req.Targets)
	}
	before, err := list()
	if err != nil {
		return nil, err
	}
	// Indices that did not exist, or were closed, show that the restore has begun.
	open := opened(before)
	appeared := func() ([]string, error) {
		after, err := list()
		names := opened(after)
		maps.DeleteFunc(names, func(name string, _ bool) bool { return open[name] })
		return slices.Sorted(maps.Keys(names)), err
	}
	busy := newWaitBudget(w.env.waitForRunning(w.WaitForRunning))
	err = busy.busy(ctx, w.env, func() error { return w.env.Cluster.RestoreSnapshot(ctx, req) })
	lost := errors.Is(err, cluster.ErrLost)
	if lost {
		w.note(maybeRequested, g.Items...)
	}
	if lost && len(req.Targets) > 0 {
		err = w.lookForLost(ctx, w.env, len(req.Targets), appeared, err)
	}
	if err == nil {
		w.note(isRequested, g.Items...)
	}
	items := g.Items
	if err == nil && g.Unpredicted {
		items, err = named(ctx, w.env, g, appeared)
	}
	w.remember(ctx, before, items, err, lost)
	return items, err
}

// marks are the settings of esnap's own that the restored indices get.
func (w *restoring) marks(req cluster.RestoreSnapshot, g restore.Group) map[string]any {
	marks := map[string]any{}
	if len(req.Targets) == 0 {
		return marks
	}
	if !w.plan.KeepUntil.IsZero() {
		marks[cluster.SettingKeepUntil] = keepDay(w.plan)
	}
	if len(marks) > 0 || w.env.Behaviour.NotesRenames { // for as long as the index exists: it does not make its copy needless
		marks[cluster.SettingRestoredFrom] = restore.From(g.Ref)
	}
	if w.env.Behaviour.NotesRenames && req.RenamePattern != "" {
		marks[cluster.SettingRenamePattern], marks[cluster.SettingRenameReplacement] = req.RenamePattern, req.RenameReplacement
	}
	return marks
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
		what := "the restore of " + cluster.Count(targets, "index") + " whose reply was lost"
		env.Waiting(cluster.Waiting{For: what, Elapsed: env.Watch.Elapsed() - start})
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
func keepDay(plan *restore.Plan) string { return plan.KeepUntil.UTC().Format(cluster.DottedDay) }

// opened are the names of the indices that exist and are open.
func opened(list []*cluster.Index) map[string]bool {
	names := map[string]bool{}
	for _, i := range list {
		if !i.Closed {
			names[i.Name] = true
		}
	}
	return names
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
	choice := a.choice()
	if choice == nil {
		return
	}
	if len(choice.IndexSettings) > 0 {
		if req.IndexSettings == nil {
			req.IndexSettings = map[string]any{}
		}
		maps.Copy(req.IndexSettings, choice.IndexSettings)
	}
	req.IgnoreIndexSettings = slices.Clone(choice.IgnoreSettings)
	if !choice.KeepLifecycle {
		req.IgnoreIndexSettings = append(req.IgnoreIndexSettings,
			"index.lifecycle.*", "index.plugins.index_state_management.*", "index.opendistro.index_state_management.*")
	}
}
