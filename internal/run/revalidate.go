package run

import (
	"context"
	"slices"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/plan"
)

// changing is a filter that judges what may change while a deletion waits, other than
// statistics: aliases, whether an index is closed or managed, a snapshot's state.
type changing interface{ Changing() }

// resting is a guard whose verdict rests on other items of the listing, too.
type resting interface {
	// Rests lists them.
	Rests(selected, all []cluster.Item) []cluster.Item
}

// revalidate reads items by name, right before they are deleted, and has the filters
// and guards that may judge otherwise now judge again. It returns the items that must
// not be deleted any more, by name, with the reason.
func (r *runner) revalidate(ctx context.Context, s plan.Step, selected []cluster.Item, names []string) (map[string]string, error) {
	keep := map[string]string{}
	if r.o.DryRun {
		return keep, nil
	}
	was := make(map[string]cluster.Item, len(names))
	for _, it := range selected {
		was[it.ItemName()] = it
	}
	ours := make([]cluster.Item, 0, len(names))
	for _, n := range names {
		ours = append(ours, was[n])
	}
	now, all, again, err := r.readAgain(ctx, s, ours)
	if err != nil {
		return nil, err
	}
	if again {
		if err := r.chooseAgain(ctx, s, all, keep); err != nil {
			return nil, err
		}
	}
	var rest []cluster.Item
	for _, it := range ours {
		name := it.ItemName()
		again, there := now[name]
		switch {
		case keep[name] != "":
		case !there:
			keep[name] = actions.Gone
		case again.ItemUUID() != it.ItemUUID():
			keep[name] = "skipped: it was deleted and created again after it was selected"
		default:
			rest = append(rest, again)
		}
	}
	if rest, err = r.filterAgain(ctx, s, was, rest, keep); err != nil {
		return nil, err
	}
	r.again, r.fresh = true, nil
	defer func() { r.again = false }()
	_, spared, err := r.guard(ctx, s, rest, all)
	for _, sp := range spared {
		keep[sp.Item.ItemName()] = "skipped: spared by the guard " + sp.By + ": " + sp.Why
	}
	for name, why := range keep {
		if _, ours := was[name]; !ours || !slices.Contains(names, name) {
			delete(keep, name)
		} else if why != actions.Gone {
			r.warn("%s: %s", name, why)
		}
	}
	return keep, err
}

// chooseAgain has all filters select in a listing that was read again, where one of them
// judges items in the light of others, and keeps what they no longer select.
func (r *runner) chooseAgain(ctx context.Context, s plan.Step, all []cluster.Item, keep map[string]string) error {
	if !slices.ContainsFunc(s.Chain, func(l filters.Link) bool { _, compares := l.Filter.(filters.Comparative); return compares }) {
		return nil
	}
	sel, err := s.Chain.Select(ctx, r.o.Now.In(s.Location), all, r.facts(s).fetch)
	if err != nil {
		return err
	}
	r.noteRetained(sel)
	for _, sp := range sel.Spared {
		keep[sp.Item.ItemName()] = "skipped: other snapshots changed since it was selected: " + sp.Why
	}
	return nil
}

// readAgain reads the items as they are now, and the listing in whose light guards
// judge them: read again as a whole only if something changed on which they rest.
func (r *runner) readAgain(
	ctx context.Context,
	s plan.Step,
	ours []cluster.Item,
) (now map[string]cluster.Item, all []cluster.Item, reread bool, err error) {
	now, all = map[string]cluster.Item{}, r.all
	if s.Selects() == cluster.Indices {
		list, err := r.c.IndicesNamed(ctx, cluster.Names(ours))
		for _, i := range list {
			now[i.Name] = i
		}
		return now, all, false, err
	}
	names := cluster.Names(ours)
	rests := slices.Clone(r.retained)
	for _, g := range s.Guards {
		if g, ok := g.(resting); ok {
			rests = append(rests, cluster.Of[*cluster.Snapshot](g.Rests(ours, all))...)
		}
	}
	for _, x := range rests {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	list, err := r.c.SnapshotsNamed(ctx, s.Source(), slices.Compact(names))
	if err != nil {
		return nil, nil, false, err
	}
	for _, x := range list {
		now[x.Name] = x
	}
	for _, x := range rests {
		again, there := now[x.Name].(*cluster.Snapshot)
		if !there || again.UUID != x.UUID || again.Good() != x.Good() {
			r.cache.drop()
			all, err = r.list(ctx, s)
			r.all = all
			return now, all, err == nil, err
		}
	}
	return now, all, false, nil
}

// filterAgain leaves out what a filter would no longer select, because something that
// it judges changed.
func (r *runner) filterAgain(
	ctx context.Context,
	s plan.Step,
	was map[string]cluster.Item,
	now []cluster.Item,
	keep map[string]string,
) ([]cluster.Item, error) {
	var rest []cluster.Item
	for _, it := range now {
		if !changed(was[it.ItemName()], it) {
			rest = append(rest, it)
			continue
		}
		chain := slices.DeleteFunc(slices.Clone(s.Chain), func(l filters.Link) bool { _, judges := l.Filter.(changing); return !judges })
		sel, err := chain.Select(ctx, r.o.Now.In(s.Location), []cluster.Item{it}, r.facts(s).fetch)
		if err != nil {
			return nil, err
		}
		for _, sp := range sel.Spared {
			keep[it.ItemName()] = "skipped: since it was selected it changed: " + sp.Why
		}
		rest = append(rest, sel.Selected...)
	}
	return rest, nil
}

// changed says whether something that a filter may judge has changed.
func changed(was, now cluster.Item) bool {
	switch was := was.(type) {
	case *cluster.Index:
		now, ok := now.(*cluster.Index)
		return !ok || was.Closed != now.Closed || was.Lifecycle != now.Lifecycle || was.DataStream != now.DataStream ||
			!slices.Equal(was.Aliases, now.Aliases)
	case *cluster.Snapshot:
		now, ok := now.(*cluster.Snapshot)
		return !ok || was.State != now.State || was.Good() != now.Good()
	}
	return true
}
