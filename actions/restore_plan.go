package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/restore"
)

func (a *Restore) plan(ctx context.Context, env *Env) (*restore.Plan, error) {
	r := restore.Request{
		Indices: a.Indices, OnConflict: restore.Conflict(a.OnConflict), Partial: a.Partial, GlobalState: a.IncludeGlobalState,
		IgnoreMissing: a.IgnoreUnavailable, Whole: a.WholeCluster, Dotted: env.Behaviour.RestoreSystem, FeatureStates: a.FeatureStates,
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
	case !a.WholeCluster: // the next expiry would delete an index with its own name, or another one with its date
		keep, r.KeepDated = env.Behaviour.KeepRestored, r.Pattern != ""
	}
	if keep > 0 {
		r.KeepUntil = env.Now.Add(keep)
	}
	l := restore.Listings{Sizes: map[restore.Ref]map[string]int64{}}
	var err error
	choice := a.choice()
	if choice != nil {
		r.Snapshot, r.Before, r.Replicas, r.Window, r.Written = choice.Snapshot, choice.Before, choice.Replicas, choice.Window, choice.Written
		l.Snapshots, err = a.everywhere(ctx, env, choice.Repositories)
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
	r.AllFeatures = r.GlobalState && !env.Behaviour.FeaturesByName && len(r.FeatureStates) == 0 && l.Server.HasFeatureStates()
	if l.Indices, err = env.Indices(ctx); err != nil {
		return nil, err
	}
	if l.Running, err = env.Cluster.Running(ctx); err != nil {
		return nil, err
	}
	if a.Red {
		if err := a.lost(ctx, env, &l); err != nil {
			return nil, err
		}
		r.Red, r.OnConflict, r.Indices = true, restore.Overwrite, slices.Sorted(maps.Keys(l.Lost))
		if len(r.Indices) == 0 {
			return restore.NothingLost(), nil
		}
	}
	if err := a.owners(ctx, env, &l); err != nil {
		return nil, err
	}
	if choice != nil {
		a.measure(ctx, env, r, &l)
	}
	p := restore.NewPlan(r, l)
	if names := p.Replaces(); len(names) > 0 {
		if err := a.existing(ctx, env, names, &l); err != nil {
			return nil, err
		}
		p = restore.NewPlan(r, l)
	}
	for _, name := range p.Over(l.Indices) {
		if why := env.held(name); why != "" {
			p.Refusals = append(p.Refusals, fmt.Sprintf("%s would be replaced: %s", name, why))
		}
	}
	if a.WholeCluster {
		a.writable(env, p, l)
	}
	if a.IncludeAliases && env.Behaviour.Cautious {
		p.Warnings = append(p.Warnings, "esnap cannot read which aliases the indices in the snapshot have; "+
			"if one of them has the name of an existing index, the restore fails")
	}
	return p, nil
}

// everywhere lists the snapshots of the named repositories, or of all. A repository that
// cannot be read is skipped with a warning, unless it was named.
func (a *Restore) everywhere(ctx context.Context, env *Env, named []string) ([]*cluster.Snapshot, error) {
	names := named
	if len(names) == 0 {
		repositories, err := env.Cluster.Repositories(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range repositories {
			names = append(names, r.Name)
		}
		if len(names) == 0 {
			return nil, cluster.WithHint(errors.New("no snapshot repository is registered"), "register one with esnap repository register")
		}
	}
	var all []*cluster.Snapshot
	for _, name := range names {
		if r, err := env.Cluster.Repository(ctx, name); err == nil && r.Assumed {
			return nil, fmt.Errorf("a dry run cannot read the repository %s: it is not registered yet", name)
		}
		list, err := env.Snapshots(ctx, name, true)
		if err != nil {
			if len(named) > 0 {
				return nil, err
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
			return nil, err
		}
		at := slices.IndexFunc(list, func(s *cluster.Snapshot) bool { return s.Name == a.Name })
		if at < 0 {
			err := fmt.Errorf("there is no snapshot %s/%s", a.Repository, a.Name)
			if question := near.DidYouMean(a.Name, cluster.Names(list)); question != "" {
				return nil, cluster.WithHint(err, "%s", question)
			}
			return nil, err
		}
		s = list[at]
	} else {
		for _, c := range cluster.Of[*cluster.Snapshot](env.Selected) {
			if a.Snapshot == restore.Latest && !c.Good() {
				continue
			}
			if s == nil || c.Start.After(s.Start) {
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
	asked := map[restore.Ref]bool{}
	// A copy without data is none: then the sizes of the next one are needed.
	for more := true; more; {
		more = false
		for _, ref := range restore.SizesNeeded(r, *l) {
			if asked[ref] {
				continue
			}
			asked[ref], more = true, true
			sizes, err := env.Cluster.SnapshotSizes(ctx, ref.Repository, ref.Snapshot)
			if err != nil {
				env.Warn("cannot read the sizes of the indices in %s/%s: %s", ref.Repository, ref.Snapshot, err)
				continue
			}
			l.Sizes[ref] = sizes
		}
	}
	if c, err := env.Cluster.Capacity(ctx); err == nil {
		l.Capacity = &c
	} else {
		env.Warn("cannot read the free space of the nodes: %s", err)
	}
}

// owners finds out which repositories this cluster does not write to, and which restored
// indices, or those that may be skipped, lack shards.
func (a *Restore) owners(ctx context.Context, env *Env, l *restore.Listings) error {
	l.ReadOnly, l.Unready = map[string]bool{}, map[string]bool{}
	if a.choice() != nil || a.OnConflict == string(restore.Overwrite) {
		repositories, err := env.Cluster.Repositories(ctx)
		if err != nil {
			return err
		}
		for _, r := range repositories {
			l.ReadOnly[r.Name] = r.ReadOnly()
		}
	}
	var open []string
	for _, i := range l.Indices {
		if (i.Restored() || a.OnConflict == string(restore.Skip)) && !i.Closed {
			open = append(open, i.Name)
		}
	}
	if len(open) == 0 {
		return nil
	}
	health, err := env.Cluster.Health(ctx, open)
	for name, h := range health {
		l.Unready[name] = !h.Ready()
	}
	return err
}

// existing reads what a plan needs to know of the indices that it replaces: their
// documents, their write aliases, and the copies of them in all repositories.
func (a *Restore) existing(ctx context.Context, env *Env, names []string, l *restore.Listings) error {
	aliases, err := env.Cluster.WriteAliases(ctx, names)
	if err != nil {
		return err
	}
	stats, err := env.Cluster.Stats(ctx, names)
	if err != nil {
		env.Warn("cannot count the documents of the existing indices: %s", err)
	}
	l.Existing = map[string]restore.Existing{}
	byName := cluster.ByName(l.Indices)
	for _, n := range names { // of indices in the listing
		i := *byName[n]
		i.SetWriteAliases(aliases[n])
		e := restore.Existing{MayWrite: i.MayWrite()}
		s, known := stats[n]
		if known || err == nil && len(l.Lost[n]) > 0 { // without a started shard it is not in the reply
			e.Documents = &s.Docs
		}
		l.Existing[n] = e
	}
	for _, name := range slices.Sorted(maps.Keys(l.ReadOnly)) {
		list, err := env.Snapshots(ctx, name, true)
		if err != nil {
			env.Warn("repository %s is not searched for copies of the existing indices: %s", name, err)
			continue
		}
		l.Everywhere = append(l.Everywhere, list...)
	}
	return nil
}

// writable warns of repositories of a whole cluster that are not registered read-only:
// the lost cluster, or another one, may still write to them.
func (a *Restore) writable(env *Env, p *restore.Plan, l restore.Listings) {
	warned := map[string]bool{}
	for _, it := range p.Items {
		if r := it.Repository; r != "" && !l.ReadOnly[r] && !warned[r] {
			warned[r] = true
			env.Warn("repository %s is not registered read-only: as long as the lost cluster may write to it, this one must not", r)
		}
	}
}
