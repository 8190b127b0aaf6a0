package check

import (
	"cmp"
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
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/strftime"
	"github.com/esnap/esnap/repository"
)

// enabled are the steps of the file that are not disabled.
func (k *checker) enabled() []plan.Step {
	return slices.DeleteFunc(slices.Clone(k.Plan.Steps), func(s plan.Step) bool { return s.Common.DisableAction })
}

// declared compares the repositories with the file.
func (k *checker) declared() {
	for _, spec := range k.Plan.Repositories {
		r := k.repository(spec.Name)
		if r == nil {
			continue // said already
		}
		for _, d := range repository.Drift(r.Repository, spec) {
			level := Warning
			if d.Place {
				level = Critical
			}
			k.add(level, "repository", spec.Name, d.String(), "")
		}
	}
	for _, s := range k.enabled() {
		if a, ok := s.Action.(*actions.Snapshot); ok {
			if r := k.repository(a.Repository); r != nil && r.ReadOnly() {
				k.add(Critical, "repository", r.Name, fmt.Sprintf("is registered read-only, but action %s takes snapshots in it", s.ID), "")
			}
		}
	}
	for _, s := range k.Plan.Steps {
		if s.Common.DisableAction {
			k.add(Warning, "action", s.ID, s.Kind+" is disabled by disable_action", "")
		}
	}
}

// copyRules say when a copy is complete: as was asked, or by what the options settle and
// index_timezone of the file say, of which the longest counts where no step says more.
func (k *checker) copyRules() coverage.Rules {
	if k.Rules != nil {
		return *k.Rules
	}
	rules := coverage.Rules{Zones: []*time.Location{time.UTC}, Settle: coverage.DefaultSettle}
	if k.Plan == nil {
		return rules
	}
	for _, s := range k.enabled() {
		if own, says := s.CopyRules(); says {
			rules.Zones, rules.Settle = append(rules.Zones, own.Zones...), max(rules.Settle, own.Settle)
		}
	}
	return rules
}

// under is a checker that judges by the rules that a step says itself.
func (k *checker) under(s plan.Step) *checker {
	judge := *k
	if own, says := s.CopyRules(); says && k.Rules == nil {
		judge.rules = own
	}
	return &judge
}

// periods are the lengths of the periods of once_per.
var periods = map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 31 * 24 * time.Hour}

// every is how often a snapshot action takes one; 0: not known.
func (k *checker) every(a *actions.Snapshot) time.Duration {
	if k.MaxAge > 0 {
		return k.MaxAge
	}
	return cmp.Or(periods[a.OncePer], k.Plan.Interval(k.Now))
}

// fresh checks the series of each snapshot action.
func (k *checker) fresh() {
	for _, s := range k.enabled() {
		a, ok := s.Action.(*actions.Snapshot)
		if !ok {
			continue
		}
		r := k.repository(a.Repository)
		if r == nil {
			continue
		}
		same := a.SameSeries()
		var ours []*cluster.Snapshot
		for _, x := range r.Snapshots {
			if same(x.Name) && !x.Elsewhere {
				ours = append(ours, x)
			}
		}
		k.age(a.Repository+"/"+a.Name, ours, k.every(a))
	}
}

// once is the cluster with the listings that were read already.
type once struct {
	cluster.Cluster
	k *checker
}

// Indices implements cluster.IndexReader.
func (o once) Indices(context.Context) ([]*cluster.Index, error) {
	return slices.Clone(o.k.indices), nil
}

// Snapshots implements cluster.SnapshotReader.
func (o once) Snapshots(ctx context.Context, name string, contents bool) ([]*cluster.Snapshot, error) {
	if r := o.k.repository(name); r != nil {
		return slices.Clone(r.Snapshots), nil
	}
	return o.Cluster.Snapshots(ctx, name, contents)
}

// Repositories implements cluster.RepositoryReader.
func (o once) Repositories(context.Context) ([]cluster.Repository, error) {
	return slices.Clone(o.k.registered), nil
}

// deletions checks that a copy exists of everything that the file would delete now.
func (k *checker) deletions(ctx context.Context) error {
	for _, s := range k.enabled() {
		if s.Kind != "delete_indices" {
			continue
		}
		sel, err := run.Choose(ctx, s, once{k.c, k}, k.Now)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if refused := (*cluster.Refused)(nil); errors.As(err, &refused) {
			k.add(Critical, "action", s.ID, fmt.Sprintf("%s is refused: %s", s.Kind, err), cluster.Hint(err))
			continue
		}
		if failed := (*cluster.Error)(nil); errors.As(err, &failed) {
			k.add(Unknown, "action", s.ID, fmt.Sprintf("cannot tell what %s would delete: %s", s.Kind, err), cluster.Hint(err))
			continue
		}
		if err != nil && len(sel.Selected) == 0 {
			continue // nothing is selected, or the action would fail
		}
		selected := cluster.Of[*cluster.Index](sel.Selected)
		lacking, unsure := k.under(s).without(selected, k.repositories)
		if len(lacking)+len(unsure) > 0 {
			others, err := k.others(ctx)
			if err != nil {
				return err
			}
			lacking, unsure = k.under(s).without(selected, slices.Concat(k.repositories, others))
		}
		var kept []string
		for _, sp := range sel.Spared {
			if sp.By == "require_snapshot" {
				kept = append(kept, sp.Item.ItemName())
			}
		}
		switch {
		case len(lacking) > 0 && len(k.repositories)+len(k.rest) == 0 && len(k.restUnread) > 0:
			k.add(Unknown, "action", s.ID, fmt.Sprintf("%s would delete %s of which a complete copy may be in %s, which could not be read: %s",
				s.Kind, cluster.Count(len(lacking), "index"), strings.Join(k.restUnread, ", "), cluster.Few(lacking)),
				"require_snapshot in the action keeps them")
		case len(lacking) > 0:
			text := fmt.Sprintf("%s would delete %s of which no snapshot%s contains a complete copy: %s",
				s.Kind, cluster.Count(len(lacking), "index"), k.within(), cluster.Few(lacking))
			if len(k.restUnread) > 0 {
				text += " (" + strings.Join(k.restUnread, ", ") + " could not be read)"
			}
			k.add(Critical, "action", s.ID, text, "require_snapshot in the action keeps them")
		case len(unsure) > 0:
			k.add(Warning, "action", s.ID, fmt.Sprintf("%s would delete %s of which snapshots%s contain a copy, "+
				"but cannot tell whether it is complete: %s", s.Kind,
				cluster.Count(len(unsure), "index"), k.within(), cluster.Few(unsure)), "require_snapshot in the action keeps them")
		case len(kept) > 0:
			k.add(Warning, "action", s.ID, fmt.Sprintf("%s is waiting for copies of %s: %s", s.Kind,
				cluster.Count(len(kept), "index"), cluster.Few(kept)), "")
		case len(sel.Selected) > 0:
			k.add(OK, "action", s.ID, fmt.Sprintf("snapshots%s contain a complete copy of all that %s would delete: %s", k.within(), s.Kind,
				cluster.Count(len(sel.Selected), "index")), "")
		}
	}
	return nil
}

// without are, of indices, those of which no repository has a complete copy, and those of which
// nothing says whether it is.
func (k *checker) without(indices []*cluster.Index, repositories []Repository) (lacking, unsure []string) {
	for _, i := range indices {
		switch k.copies(i, repositories...) {
		case noCopy:
			lacking = append(lacking, i.Name)
		case oldCopy, aCopy:
			unsure = append(unsure, i.Name)
		}
	}
	return lacking, unsure
}

// others are the registered repositories that the file does not name, read once: another file
// may save what this one deletes.
func (k *checker) others(ctx context.Context) ([]Repository, error) {
	if k.rest != nil || len(k.Options.Repositories) > 0 {
		return k.rest, nil
	}
	for _, r := range k.registered {
		if k.repository(r.Name) != nil || slices.Contains(k.unread, r.Name) || slices.Contains(k.restUnread, r.Name) {
			continue
		}
		list, err := k.c.Snapshots(ctx, r.Name, true)
		switch {
		case err == nil:
			k.rest = append(k.rest, Repository{r, list})
		case ctx.Err() != nil || errors.Is(err, cluster.ErrUnreachable):
			return nil, err
		default:
			k.restUnread = append(k.restUnread, r.Name)
		}
	}
	return k.rest, nil
}

// covered checks every day that a filter retain promises to cover.
func (k *checker) covered(ctx context.Context) error {
	var list []Calendar
	several := map[string]bool{}
	for _, s := range k.enabled() {
		retain := s.Chain.Retention()
		if retain == nil || retain.Covers() == 0 {
			continue
		}
		r := k.repository(s.Source())
		if r == nil {
			continue
		}
		passed, err := s.Chain.Named(ctx, k.Now.In(s.Location), cluster.Items(r.Snapshots))
		if err != nil {
			return err
		}
		named := cluster.Of[*cluster.Snapshot](passed)
		taken, err := k.takenUnder(ctx, s)
		if err != nil {
			return err
		}
		judge := k.under(s)
		lives := judge.lives([]Repository{{r.Repository, named}})
		for _, pattern := range patterns(named, taken) {
			c := judge.days(pattern, lives, k.Now.Add(-retain.Covers()), false)
			if len(c.Days) == 0 { // all of it is older than what is covered
				continue
			}
			c.Repository, c.of, several[r.Name] = r.Name, r.Name, true
			list = append(list, c)
		}
	}
	for _, c := range list {
		if len(several) < 2 {
			c.Repository = ""
		}
		k.calendar(ctx, c)
	}
	return nil
}

// takenUnder are the indices that the file takes into snapshots that a step retains: those that
// the cluster has, and those that it had when an earlier check looked.
func (k *checker) takenUnder(ctx context.Context, retains plan.Step) ([]*cluster.Index, error) {
	some := *k.Plan
	some.Steps = nil
	for _, s := range k.enabled() {
		a, is := s.Action.(*actions.Snapshot)
		if !is || a.Repository != retains.Source() {
			continue
		}
		name, err := strftime.Resolve(a.Name, k.Now.In(s.Location))
		if err != nil {
			return nil, err
		}
		next := &cluster.Snapshot{Repository: a.Repository, Name: name, State: cluster.Success, Start: k.Now, End: k.Now}
		passed, err := retains.Chain.Named(ctx, k.Now.In(retains.Location), []cluster.Item{next})
		if err != nil {
			return nil, err
		}
		if len(passed) > 0 {
			some.Steps = append(some.Steps, s)
		}
	}
	indices := k.users()
	for _, name := range slices.Sorted(maps.Keys(k.Seen)) {
		if k.live[name] == nil {
			indices = append(indices, &cluster.Index{Name: name})
		}
	}
	return some.Taken(indices, retains.Source()), nil
}

// patterns are the families of indices with a period in their names, as names with tokens:
// those in the snapshots, and those that the file takes there.
func patterns(snapshots []*cluster.Snapshot, taken []*cluster.Index) []string {
	seen := map[string]bool{}
	known := map[string]bool{}
	look := func(name string) {
		if known[name] {
			return
		}
		known[name] = true
		if pattern, ok := dates.PeriodPattern(name); ok {
			seen[pattern] = true
		}
	}
	for _, s := range snapshots {
		for _, i := range s.Indices {
			look(i)
		}
	}
	for _, i := range taken {
		look(i.Name)
	}
	return slices.Sorted(maps.Keys(seen))
}

// taken finds indices that the file's snapshot actions select, and of which no snapshot of
// their repository contains a complete copy by now. Days that retain covers are told as days.
func (k *checker) taken() {
	for _, name := range k.Plan.RepositoryNames() {
		r := k.repository(name)
		if r == nil {
			continue // said already
		}
		families, groups := byFamily(k.Plan.Taken(k.users(), name))
		for _, f := range families {
			var lacking []string
			for _, i := range groups[f] {
				if k.due(i) && k.copies(i, *r) < aCopy && !k.told(name, i.Name) {
					lacking = append(lacking, i.Name)
				}
			}
			if len(lacking) > 0 {
				k.add(Critical, "family", f, fmt.Sprintf("no snapshot in %s contains a complete copy of %s that the file takes there: %s",
					name, cluster.Count(len(lacking), "index"), cluster.Few(lacking)), "")
			}
		}
	}
}

// told reports whether a calendar of a repository has the index.
func (k *checker) told(repository, index string) bool {
	return slices.ContainsFunc(k.report.Calendars, func(c Calendar) bool {
		return c.of == repository && slices.ContainsFunc(c.Days, func(d Day) bool { return d.Index == index })
	})
}

// unselected warns of families of indices that no snapshot action of the file selects.
func (k *checker) unselected() {
	families := map[string]int{}
	for _, i := range k.Plan.NeverSaved(k.users()) {
		families[family(i)]++
	}
	for _, f := range slices.Sorted(maps.Keys(families)) {
		k.add(Warning, "family", f, fmt.Sprintf("no snapshot action of the file selects %s", cluster.Count(families[f], "index")), "")
	}
}
