package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/plan"
)

// choose lists, filters and guards.
func (r *runner) choose(ctx context.Context, s plan.Step) (cluster.Selection, int, error) {
	if s.Selects() == "" {
		return cluster.Selection{}, 0, nil
	}
	now := r.o.Now.In(s.Location)
	if err := r.distinct(ctx, s); err != nil {
		return cluster.Selection{}, 0, err
	}
	all, err := r.list(ctx, s)
	if err != nil {
		return cluster.Selection{}, 0, err
	}
	sel, err := s.Chain.Select(ctx, now, all, r.facts(s).fetch)
	if err != nil {
		return cluster.Selection{}, 0, err
	}
	r.noteRetained(sel)
	skipped := map[string][]string{} // by reason: it is warned of once
	for _, sp := range sel.Spared {
		if sp.Warn {
			skipped[sp.Why] = append(skipped[sp.Why], sp.Item.ItemName())
		}
	}
	for _, sp := range sel.Spared {
		names := skipped[sp.Why]
		delete(skipped, sp.Why)
		switch n := len(names); {
		case n == 1:
			r.warn("%s is skipped: %s", names[0], sp.Why)
		case n > 1:
			r.warn("%s are skipped: %s", cluster.Few(names), sp.Why)
		}
	}
	if err := unmatched(s, all); err != nil {
		return cluster.Selection{}, 0, err
	}
	if len(sel.Selected) == 0 {
		r.obs.Observe(Selected{s, sel, len(all)})
		return sel, 0, r.empty(s, sel, len(all))
	}
	if s.Deletes() && s.Chain.TakesAll() {
		r.warn("%s has no filter that narrows the selection: it selects everything", s.Kind)
	}
	kept, spared, err := r.guard(ctx, s, sel.Selected, all)
	if err != nil {
		return cluster.Selection{}, 0, err
	}
	for _, v := range kept {
		if v.Warn {
			r.warn("%s: %s", v.Item.ItemName(), v.Why)
		}
	}
	sel.Selected = nil
	for _, v := range kept {
		sel.Selected = append(sel.Selected, v.Item)
	}
	sel.Spared = append(sel.Spared, spared...)
	r.all = all
	r.warnAlone(s, spared)
	r.warnUnproven(ctx, s, kept, spared)
	r.noteNeverSaved(s, sel.Selected)
	return sel, len(all), nil
}

// noteRetained notes the good snapshots because of which the filter retain selected
// others.
func (r *runner) noteRetained(sel cluster.Selection) {
	r.retained = nil
	for _, sp := range sel.Spared {
		if s, ok := sp.Item.(*cluster.Snapshot); ok && sp.Kept == cluster.KeptRetained && s.Good() {
			r.retained = append(r.retained, s)
		}
	}
}

// unmatched refuses names and patterns of a command line that match nothing: it is
// something else than what was meant.
func unmatched(s plan.Step, all []cluster.Item) error {
	for _, l := range s.Chain {
		names, ok := l.Filter.(interface{ Unmatched([]cluster.Item) []string })
		if !ok {
			continue
		}
		for _, n := range names.Unmatched(all) {
			err := fmt.Errorf("no %s is called %s; nothing was sent", s.Selects().Item(), n)
			if strings.Contains(n, "*") {
				err = fmt.Errorf("no %s matches %s; nothing was sent", s.Selects().Item(), n)
			}
			switch question := near.DidYouMean(n, cluster.Names(all)); {
			case strings.ContainsAny(n, "?["):
				err = cluster.WithHint(err, "in names only * is a wildcard")
			case question != "":
				err = cluster.WithHint(err, "%s", question)
			}
			return err
		}
	}
	return nil
}

// warnAlone reports, once a run and repository, snapshots that would be deleted but for
// being the only ones of their series: a repository that never shrinks is noticed.
func (r *runner) warnAlone(s plan.Step, spared []cluster.Spared) {
	var alone []string
	for _, sp := range spared {
		if sp.Kept == cluster.KeptSole {
			alone = append(alone, sp.Item.ItemName())
		}
	}
	if len(alone) == 0 || r.alone[s.Source()] {
		return
	}
	if r.alone == nil {
		r.alone = map[string]bool{}
	}
	r.alone[s.Source()] = true
	r.warn("%s of repository %s would be deleted, but each is the only one of its series, and so is never deleted: %s; "+
		"the option series says which names belong together",
		cluster.Count(len(alone), "snapshot"), s.Source(), strings.Join(alone[:min(len(alone), 5)], ", "))
}

// needing is a guard that needs facts about the whole listing for some selections.
type needing interface {
	NeedsOf(selected, all []cluster.Item) []cluster.Need
}

// guard has the step's guards judge items in the light of the whole listing. It returns
// those that they let go, with what one of them warns of, and those that they spare.
func (r *runner) guard(ctx context.Context, s plan.Step, selected, all []cluster.Item) (let, spared []cluster.Spared, err error) {
	now := r.o.Now.In(s.Location)
	let = make([]cluster.Spared, len(selected))
	for i, it := range selected {
		let[i].Item = it
	}
	held := guard.For(s.Selects(), guard.Options{Off: true, Holds: r.o.Holds})
	if !s.Deletes() {
		held = nil
	}
	for _, g := range slices.Concat(held, s.Guards) {
		items := make([]cluster.Item, len(let))
		for i, l := range let {
			items[i] = l.Item
		}
		if len(items) == 0 {
			break
		}
		if err := r.facts(s).fetch(ctx, guard.Needs(g), items); err != nil {
			return nil, nil, err
		}
		if g, ok := g.(needing); ok {
			if err := r.facts(s).fetch(ctx, g.NeedsOf(items, all), all); err != nil {
				return nil, nil, err
			}
		}
		rest := let[:0] // its items are read before they are written over
		for i, v := range g.Judge(now, items, all) {
			if v.Match == cluster.Yes {
				spared = append(spared, cluster.Spared{Item: items[i], By: g.Name(), Why: v.Why, Guard: true, Kept: v.Kept})
				continue
			}
			if v.Warn {
				let[i].Why, let[i].Warn = v.Why, true
			}
			rest = append(rest, let[i])
		}
		let = rest
	}
	return let, spared, nil
}

func (r *runner) list(ctx context.Context, s plan.Step) ([]cluster.Item, error) {
	switch s.Selects() {
	case cluster.Indices:
		list, err := r.lister.Indices(ctx)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(i *cluster.Index) bool { return !s.Lists(i, s.Common.SearchPattern) })
		if p := s.Common.SearchPattern; p != "" {
			var missing []string
			list, missing = cluster.ExpandIndices([]string{p}, list)
			if len(missing) > 0 {
				return nil, fmt.Errorf("search_pattern names %s, which does not exist: %w", strings.Join(missing, ", "), cluster.ErrNoIndex)
			}
		}
		return cluster.Items(list), nil
	case cluster.Snapshots:
		list, err := r.lister.Snapshots(ctx, s.Source(), false)
		return cluster.Items(list), err
	}
	return nil, nil
}

func (r *runner) empty(s plan.Step, sel cluster.Selection, listed int) error {
	what := string(s.Selects())
	if s.Selects() == cluster.Snapshots {
		what = "snapshots of repository " + s.Source()
	}
	if listed == 0 {
		return r.allowEmpty(fmt.Errorf("%w: there are no %s", cluster.ErrEmpty, what))
	}
	by := map[string]int{}
	var order []string
	for _, sp := range sel.Spared {
		if by[sp.By] == 0 {
			order = append(order, sp.By)
		}
		by[sp.By]++
	}
	var parts []string
	for _, o := range order {
		parts = append(parts, fmt.Sprintf("%d by %s", by[o], o))
	}
	return r.allowEmpty(fmt.Errorf("%w: none of the %d %s passes the filters (%s)", cluster.ErrEmpty, listed, what, strings.Join(parts, ", ")))
}

// allowEmpty says how a file allows an empty selection; commands have no file.
func (r *runner) allowEmpty(err error) error {
	if r.plan.File == "" {
		return err
	}
	return cluster.WithHint(err, "ignore_empty_list: true allows that")
}

// remote lists and filters another cluster's indices.
func (r *runner) remote(ctx context.Context, s plan.Step, of cluster.Remote) ([]cluster.Item, error) {
	if r.o.Remote == nil {
		return nil, errors.New("this command cannot reach a remote cluster")
	}
	other, err := r.o.Remote(of)
	if err != nil {
		return nil, remoteTrouble(err)
	}
	items, err := r.slot(ctx, s, s.Slots[actions.RemoteSlot], other)
	return items, remoteTrouble(err)
}

// remoteTrouble is an error with another cluster: that one cannot be reached, or
// refuses the credentials, says nothing of ours.
func remoteTrouble(err error) error {
	if err == nil {
		return nil
	}
	return cluster.WithHint(errors.New("the remote cluster: "+err.Error()), "%s", cluster.Hint(err))
}

// slot lists and filters for one block of an action. Whether it may be
// empty is for the action to judge.
func (r *runner) slot(ctx context.Context, s plan.Step, chain filters.Chain, of cluster.IndexReader) ([]cluster.Item, error) {
	list, err := of.Indices(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(i *cluster.Index) bool { return !s.Lists(i, "") })
	sel, err := chain.Select(ctx, r.o.Now.In(s.Location), cluster.Items(list), facts{reader: of}.fetch)
	if err == nil {
		r.obs.Observe(Selected{s, sel, len(list)})
	}
	return sel.Selected, err
}

// Select lists and filters for one step without acting on what is selected. An empty
// selection is ErrEmpty.
func Select(ctx context.Context, s plan.Step, c cluster.Cluster, now time.Time) ([]cluster.Item, error) {
	sel, err := Choose(ctx, s, c, now)
	return sel.Selected, err
}

// Choose is Select with what was kept, and why.
func Choose(ctx context.Context, s plan.Step, c cluster.Cluster, now time.Time) (cluster.Selection, error) {
	r := &runner{o: Options{Now: now}, plan: &plan.Plan{}, c: c, lister: c, obs: silent{}, step: &s}
	sel, _, err := r.choose(ctx, s)
	return sel, err
}

type silent struct{}
