// Package run carries out plans: it is the only loop. For each action it lists,
// filters, guards, acts and says what became of every item, as events.
package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/restore"
	"github.com/esnap/esnap/repository"
)

// Options say how a plan is run.
type Options struct {
	// Now is the run's one reading of the clock; Watch measures everything else.
	Now   time.Time
	Watch clock.Stopwatch
	// DryRun sends nothing that changes the cluster. FixedNow means that Now is not
	// the real time, so that it is not compared with the cluster's clock.
	DryRun   bool
	FixedNow bool
	// Only and Skip choose actions by id.
	Only, Skip []string
	// Force overrides refusals: by restore plans, and of changed repositories.
	Force bool
	// Left is what the last run of the job left in repositories, as far as it is known.
	Left map[string]Left
	// LetThrough is the command that lets a number of items of an action through, once; nil: there
	// is none.
	LetThrough func(file, action string, items int) string
	// Holds keep items from all deleting actions, also with guards off.
	Holds []guard.Hold
	// MaxItems, if set, replaces the limits of all deleting actions.
	MaxItems *int64
	// AllowClockSkew deletes although the clocks differ.
	AllowClockSkew bool
	// Timeout is the client's time-out of one request.
	Timeout time.Duration
	// WaitForCluster is how long a request that is harmless to repeat waits for a
	// cluster that cannot be reached.
	WaitForCluster time.Duration
	// RefuseSpared are items that a command names exactly: that a guard spares one of
	// them is a refusal.
	RefuseSpared []string
	// RunID identifies the run, Version is esnap's, Host is where it runs: they are written
	// into the metadata of the run's snapshots.
	RunID, Version, Host string
	// BeforeWrite, if set, is asked before each write: an error keeps it from being sent.
	BeforeWrite func(context.Context, cluster.Op) error
	// Remote reaches another cluster, which a reindex copies from.
	Remote func(cluster.Remote) (cluster.IndexReader, error)
	// Confirm is shown a restore's plan before it is carried out.
	Confirm func(*restore.Plan) error
	// ConfirmSelection is shown what a deleting step would delete; an error stops it.
	ConfirmSelection func(step plan.Step, sel cluster.Selection) error
}

type runner struct {
	o      Options
	plan   *plan.Plan
	c      cluster.Cluster // for actions
	lister cluster.Reader  // with shared listings
	cache  *listings
	obs    Observer
	step   *plan.Step
	all    []cluster.Item // the listing behind the current step's selection
	// retained are the good snapshots because of which the current step's filters
	// selected others.
	retained []*cluster.Snapshot
	// again is true while what was selected is judged again, right before its deletion.
	again bool
	fresh []*cluster.Index // the indices then, if they were read
	// expired are the repositories in which this run deleted snapshots.
	expired map[string]bool
	never   map[string]int  // families that are deleted and that no snapshot action takes
	alone   map[string]bool // repositories whose lonely snapshots were warned of
	taken   []taken         // the snapshots that the run's actions took, or were to take
	// registered are the repositories that this run registered or updated.
	registered []string
	notReady   string     // the repository that could not be prepared
	skew       chan error // of the clocks, once compared; nil until asked for
	result     Result
}

// Run carries out a plan. The context's cause says why it ended early. Everything that
// happened is observed, but for the run's beginning and end, which are the caller's; the
// result sums it up.
func Run(ctx context.Context, p *plan.Plan, c cluster.Cluster, o Options, obs Observer) Result {
	r := &runner{o: o, plan: p, obs: obs, expired: map[string]bool{}}
	r.cache = newListings(c, o.Watch, o.DryRun)
	if o.DryRun {
		r.c = cluster.DryRun(r.cache, o.Now, o.FixedNow, func(op cluster.Op) { r.obs.Observe(Intended{r.step, op}) })
		r.lister = r.c
	} else {
		r.c = cluster.Intercept(c, c, func(ctx context.Context, op cluster.Op, do func() error) error {
			if o.BeforeWrite != nil {
				if err := o.BeforeWrite(ctx, op); err != nil {
					return err
				}
			}
			if _, look := op.(cluster.VerifyRepository); !look {
				r.result.Wrote = true
			}
			if d, is := op.(cluster.DeleteSnapshots); is {
				r.expired[d.Repository] = true
			}
			err := do()
			r.cache.wrote(op, err)
			return err
		})
		r.lister = r.cache
	}
	r.run(ctx)
	r.warnNeverSaved()
	r.result.Duration = o.Watch.Elapsed()
	return r.result
}

func (r *runner) run(ctx context.Context) {
	asking, stopAsking := context.WithCancel(ctx)
	defer func() { // nothing of a run continues after its end
		stopAsking()
		if r.skew != nil {
			<-r.skew
		}
	}()
	steps, err := r.chosen()
	if err != nil {
		r.result.Err = err
		return
	}
	if !r.plan.Idle(steps) {
		server, err := r.c.Server(ctx)
		if err != nil {
			r.result.Err = err
			return
		}
		r.result.Reached = true
		r.obs.Observe(Connected{server})
		if err := r.repositories(ctx); err != nil {
			r.result.Err = err
		} else {
			r.askClocks(asking, steps)
		}
	}
	stopped := r.result.Err != nil
	for i := range steps {
		s := steps[i]
		if !stopped && ctx.Err() != nil {
			stopped, r.result.Err = true, context.Cause(ctx)
		}
		if stopped {
			r.result.Actions = append(r.result.Actions, ActionResult{Step: s, NotRun: true})
			r.obs.Observe(ActionSkipped{s, SkipNotRun, r.notRun()})
			continue
		}
		if s.Common.DisableAction {
			r.obs.Observe(ActionSkipped{s, SkipDisabled, "disable_action is set"})
			continue
		}
		res := r.action(ctx, s)
		r.result.Actions = append(r.result.Actions, res)
		if res.Err != nil {
			goesOn := s.Common.ContinueIfException && !errors.Is(res.Err, cluster.ErrEmpty) &&
				!errors.Is(res.Err, cluster.ErrUnauthorized) && !errors.Is(res.Err, cluster.ErrUnreachable) &&
				!errors.Is(res.Err, cluster.ErrReplaced) && !errors.Is(res.Err, cluster.ErrLockLost)
			stopped = !goesOn
		}
	}
	if r.result.Err == nil && ctx.Err() != nil {
		r.result.Err = context.Cause(ctx)
	}
}

// unfinished says whether it is not known how what was done to an item ends.
func unfinished(o cluster.Outcome) bool {
	return o.Result == cluster.NotStarted || o.Result == cluster.Requested || o.Result == cluster.Unclear
}

// notRun is why an action is not run.
func (r *runner) notRun() string {
	for _, a := range r.result.Actions {
		switch {
		case a.Interrupted:
			return "not run: the run was interrupted"
		case a.Err != nil:
			return "not run: action " + a.Step.ID + " failed"
		}
	}
	if r.notReady != "" {
		return "not run: repository " + r.notReady + " is not ready"
	}
	return "not run: the run was interrupted"
}

// UsageError is a wrong choice of actions.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

func (r *runner) chosen() ([]plan.Step, error) {
	var ids []string
	for _, s := range r.plan.Steps {
		ids = append(ids, s.ID)
	}
	for _, id := range slices.Concat(r.o.Only, r.o.Skip) {
		if !slices.Contains(ids, id) {
			return nil, &UsageError{fmt.Sprintf("there is no action %s in %s; there are %s", id, r.plan.File, strings.Join(ids, ", "))}
		}
	}
	return slices.DeleteFunc(slices.Clone(r.plan.Steps), func(s plan.Step) bool {
		return len(r.o.Only) > 0 && !slices.Contains(r.o.Only, s.ID) || slices.Contains(r.o.Skip, s.ID)
	}), nil
}

// repositories brings the declared repositories into the cluster. One that cannot
// be prepared ends the run: what follows may delete what was to be saved there.
func (r *runner) repositories(ctx context.Context) error {
	for _, spec := range r.plan.Repositories {
		st, err := repository.Ensure(ctx, r.c, spec, r.o.Force)
		r.obs.Observe(RepositoryReady{st, err})
		if err != nil {
			r.notReady = spec.Name
			return err
		}
		if st.Changed {
			r.registered = append(r.registered, spec.Name)
		}
		if len(st.Drift) > 0 && !st.Changed {
			for _, d := range st.Drift {
				r.warn("repository %s: %s; ensure: update changes it", spec.Name, d)
			}
		}
	}
	return r.lost(ctx)
}

// Left is what the last run of a job left in a repository: its newest snapshot, and when
// that began.
type Left struct {
	Snapshot string    `json:"snapshot"`
	Start    time.Time `json:"start"`
}

// lost compares the repositories with what the last run left there, as far as it is known.
// If its newest snapshot is missing together with all older ones, another place is mounted
// there: the run ends. If only that one is missing, somebody deleted it.
func (r *runner) lost(ctx context.Context) error {
	for _, name := range r.plan.RepositoryNames() {
		left, known := r.o.Left[name]
		if !known || r.o.Force || slices.Contains(r.registered, name) {
			continue
		}
		list, err := r.lister.Snapshots(ctx, name, false)
		if err != nil {
			continue // the actions on it say it
		}
		older := slices.ContainsFunc(list, func(s *cluster.Snapshot) bool { return !s.Start.IsZero() && !s.Start.After(left.Start) })
		there := slices.ContainsFunc(list, func(s *cluster.Snapshot) bool { return s.Name == left.Snapshot })
		switch {
		case there:
		case older:
			r.warn("snapshot %s, the newest after the last run of this job in repository %s, no longer exists", left.Snapshot, name)
		default:
			r.notReady = name
			refused := cluster.Refuse("repository %s contains neither %s, the newest snapshot after the last run of this job, "+
				"nor any older one; nothing was changed",
				name, left.Snapshot)
			return cluster.WithHint(refused, "check that the right storage is mounted on every node; "+
				"if the snapshots were deleted on purpose: esnap run --force %s", r.plan.File)
		}
	}
	return nil
}

func (r *runner) warn(format string, args ...any) {
	r.obs.Observe(Warning{r.step, fmt.Sprintf(format, args...)})
}

// action runs one step.
func (r *runner) action(ctx context.Context, s plan.Step) ActionResult {
	start := r.o.Watch.Elapsed()
	res := ActionResult{Step: s}
	r.step = &s
	defer func() { r.step = nil }()
	r.obs.Observe(ActionStarting{s})
	r.cache.dropRunning()
	sel, listed, err := r.choose(ctx, s)
	slots := map[string][]cluster.Item{}
	for _, name := range actions.Kinds[s.Kind].Slots {
		if chain, given := s.Slots[name]; given && err == nil {
			slots[name], err = r.slot(ctx, s, chain, r.lister)
		}
	}
	if a, ok := s.Action.(actions.RemoteSource); ok && err == nil && a.Remote() != nil {
		slots[actions.RemoteSlot], err = r.remote(ctx, s, *a.Remote())
	}
	if err == nil && len(slots) > 0 {
		err = r.act(ctx, s, sel, slots, &res)
	} else if err == nil {
		for _, sp := range sel.Spared {
			if sp.Guard {
				res.Guarded++
			}
		}
		r.obs.Observe(Selected{s, sel, listed})
		err = r.act(ctx, s, sel, nil, &res)
	}
	switch {
	case errors.Is(err, cluster.ErrEmpty) && s.Common.IgnoreEmptyList:
		res.Empty = true
		r.obs.Observe(ActionSkipped{s, SkipEmpty, "nothing is selected, and ignore_empty_list is set"})
	case err != nil:
		if errors.Is(err, cluster.ErrNoRepository) && cluster.Hint(err) == "" {
			advice := repository.Missing(ctx, r.c, s.Repository())
			if r.plan.File != "" { // commands have none
				advice += "; or declare it under repositories: in the file"
			}
			err = cluster.WithHint(err, "%s", advice)
		}
		res.Err, res.Interrupted = repository.Explain(err), ctx.Err() != nil
	}
	res.Duration = r.o.Watch.Elapsed() - start
	r.obs.Observe(ActionDone{s, res})
	return res
}

// ItemsFailed is the error of an action of whose items at least one failed.
type ItemsFailed struct {
	First         cluster.Outcome // of those that failed
	Failed, Total int
	Also          error // what else went wrong; may be nil
}

// Error counts the failures, names the first one, and says what else went wrong.
func (e *ItemsFailed) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.First.What, e.First.Name, e.First.Err)
	if e.Failed > 1 {
		text = e.count() + "; the first is " + text
	}
	return strings.Join(slices.Concat([]string{text}, e.also()), "\n")
}

// Besides is the error without the first failure.
func (e *ItemsFailed) Besides() string {
	parts := e.also()
	if e.Failed > 1 {
		parts = slices.Concat([]string{e.count()}, parts)
	}
	return strings.Join(parts, "\n")
}

func (e *ItemsFailed) count() string { return fmt.Sprintf("%d of %d failed", e.Failed, e.Total) }

func (e *ItemsFailed) also() []string {
	if e.Also == nil {
		return nil
	}
	return []string{e.Also.Error()}
}

// Unwrap returns the error of the first failed item, and what else went wrong.
func (e *ItemsFailed) Unwrap() []error {
	if e.Also == nil {
		return []error{e.First.Err}
	}
	return []error{e.First.Err, e.Also}
}

// act runs the action on the selection and turns failed items into its error.
func (r *runner) act(ctx context.Context, s plan.Step, sel cluster.Selection, slots map[string][]cluster.Item, res *ActionResult) error {
	if s.Deletes() {
		for _, sp := range sel.Spared {
			if sp.Guard && slices.Contains(r.o.RefuseSpared, sp.Item.ItemName()) {
				hint := "--guards off deletes it nevertheless"
				switch {
				case sp.Kept == cluster.KeptMarked:
					hint = "esnap mark --remove " + sp.Item.ItemName() + " ends the protection"
				case sp.Kept == cluster.KeptHeld:
					hint = "nothing lifts a hold but its entry in the client file"
				case sp.By == "require_snapshot":
					hint = "take a snapshot of it, or leave out --require-snapshot"
				case sp.By == "protect":
					hint = "--protect names it"
				}
				return cluster.WithHint(cluster.Refuse("%s is spared by the guard %s: %s; nothing was deleted", sp.Item.ItemName(), sp.By, sp.Why),
					"%s", hint)
			}
		}
		if len(sel.Selected) == 0 { // guards spared everything
			for _, sp := range sel.Spared {
				if sp.Kept == cluster.KeptMarked && r.plan.File == "" {
					r.warn("nothing was deleted; esnap mark --remove INDEX ends the protection of a restored index, such as %s", sp.Item.ItemName())
					break
				}
			}
			return nil
		}
		if err := r.withinLimits(ctx, s, sel.Selected); err != nil {
			return err
		}
		if err := r.clocksAgree(); err != nil {
			return err
		}
		if r.o.ConfirmSelection != nil {
			if err := r.o.ConfirmSelection(s, sel); err != nil {
				return err
			}
		}
	}
	var failed, all []cluster.Outcome
	total := 0
	env := &actions.Env{
		Cluster: cluster.Only(r.c, s.Kind, actions.Kinds[s.Kind].Sends...), Now: r.o.Now.In(s.Location), Watch: r.o.Watch,
		Behaviour: r.plan.Behaviour, Selected: sel.Selected, Slots: slots, AllowILM: s.Common.AllowILMIndices,
		Origin:  r.origin(s),
		Timeout: max(s.Timeout, 0), WaitForCluster: r.o.WaitForCluster, Force: r.o.Force, Plan: r.o.Confirm,
		Revalidate: func(ctx context.Context, names []string) (map[string]string, error) {
			return r.revalidate(ctx, s, sel.Selected, names)
		},
		Held:      func(index string) string { return guard.Held(r.o.Holds, r.o.Now, &cluster.Index{Name: index}) },
		Snapshots: r.lister.Snapshots,
		Indices:   r.lister.Indices,
		Outcome: func(o cluster.Outcome) {
			o.Assumed = o.Assumed || r.o.DryRun
			if s.Selects() == cluster.Snapshots && o.What == "snapshot" {
				o.Why = sel.Reasons[o.Name]
			}
			total++
			all = append(all, o)
			switch o.Result {
			case cluster.Failure:
				o.Err = repository.Explain(o.Err)
				failed = append(failed, o)
			case cluster.PartlyDone:
				res.Partial = true
			}
			r.obs.Observe(Outcome{s, o})
		},
		Warn: r.warn,
		Waiting: func(w cluster.Waiting) {
			if w.Elapsed > waitDrops {
				r.cache.drop()
			}
			r.obs.Observe(Waiting{s, w})
		},
	}
	if env.Timeout == 0 {
		env.Timeout = r.o.Timeout
	}
	if r.o.DryRun {
		env.Watch = clock.NoSleep(r.o.Watch)
	}
	if s.Common.TimeoutOverride != nil || !actions.Kinds[s.Kind].Async {
		ctx = cluster.WithRequestTimeout(ctx, s.Timeout)
	}
	r.warnEmptied(ctx, s)
	err := s.Action.Run(ctx, env)
	r.record(s, sel.Selected, all)
	if err == nil && ctx.Err() != nil && slices.ContainsFunc(all, unfinished) {
		err = context.Cause(ctx)
	}
	if len(failed) == 0 {
		return err
	}
	summary := &ItemsFailed{First: failed[0], Failed: len(failed), Total: total, Also: err}
	if hint := cluster.Hint(failed[0].Err); hint != "" {
		return cluster.WithHint(summary, "%s", hint)
	}
	return summary
}

// origin says who runs the step.
func (r *runner) origin(s plan.Step) cluster.Origin {
	o := cluster.Origin{Version: r.o.Version, Run: r.o.RunID, Host: r.o.Host}
	if s.Description != plan.NoDescription {
		o.Description = s.Description
	}
	return o
}

// withinLimits refuses to delete more than the action's limits allow.
func (r *runner) withinLimits(ctx context.Context, s plan.Step, selected []cluster.Item) error {
	a, ok := s.Action.(actions.Limited)
	if !ok {
		return nil
	}
	limits := a.SafetyLimits()
	if r.o.MaxItems != nil {
		limits = actions.Limits{MaxItems: r.o.MaxItems}
	}
	named, err := s.Chain.Named(ctx, r.o.Now.In(s.Location), r.all)
	if err == nil {
		err = limits.Refuse(s.Selects().Item(), len(selected), len(named))
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	if r.o.LetThrough == nil {
		return err
	}
	return cluster.WithHint(err, "look at what is selected; to let it through once: %s", r.o.LetThrough(r.plan.File, s.ID, len(selected)))
}

// clock is the time now: the run's snapshots were started after the time that it counts from.
func (r *runner) clock() time.Time {
	if r.o.Watch == nil {
		return r.o.Now
	}
	return r.o.Now.Add(r.o.Watch.Elapsed())
}

// askClocks begins to compare our clock with the cluster's if some step deletes.
// The answer comes while the first listing is made.
func (r *runner) askClocks(ctx context.Context, steps []plan.Step) {
	if r.o.AllowClockSkew || r.o.FixedNow || !slices.ContainsFunc(steps, plan.Step.Deletes) {
		return
	}
	r.skew = make(chan error, 1)
	go func() {
		theirs, err := r.c.Clock(ctx)
		if ours := r.clock(); err == nil && ours.Sub(theirs).Abs() > cluster.MaxSkew {
			err = cluster.WithHint(cluster.Refuse("the clock here says %s, the cluster's %s: nothing is deleted while they differ by more than %s",
				ours.UTC().Format(time.RFC3339), theirs.UTC().Format(time.RFC3339), cluster.MaxSkew), "set the clocks; or pass --allow-clock-skew")
		}
		r.skew <- err
	}()
}

// clocksAgree refuses to delete when our clock and the cluster's differ: ages
// would be judged wrongly.
func (r *runner) clocksAgree() error {
	if r.skew == nil {
		return nil
	}
	err := <-r.skew
	r.skew <- err // for the next deletion
	return err
}

// Observe implements Observer.
func (silent) Observe(Event) {}
