// Package filters selects the items of an action. A filter judges the items of a listing
// as a pure function. A Chain applies filters in order and reports for every item that is
// not selected which filter kept it, and why.
//
// To add one: write filters/x.go with a struct whose tagged fields are its options
// and the three methods of Filter, put one row in Kinds, use it in a file under
// examples/ and describe it in docs/filters.md.
package filters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/series"
)

// Filter judges the items of a listing. It never reads the clock or the cluster, and
// never changes its arguments.
type Filter interface {
	// Judge gives one verdict for each item, in the same order. Dates in names are
	// read in now's location.
	Judge(now time.Time, items []cluster.Item) []cluster.Verdict
}

// Validator is a filter whose options can be wrong beside each other, for the kind of
// list it is used on; given are the keys the file sets. Errors are *cluster.OptionError,
// joined.
type Validator interface {
	Validate(list cluster.ListKind, given map[string]bool) error
}

// Validate checks a filter's options, if it has some that can be wrong.
func Validate(f Filter, list cluster.ListKind, given map[string]bool) error {
	if v, ok := f.(Validator); ok {
		return v.Validate(list, given)
	}
	return nil
}

// Needy is a filter whose Judge reads facts beside the listing.
type Needy interface{ Needs() []cluster.Need }

// Needs lists the facts that a filter reads in addition to the listing.
func Needs(f Filter) []cluster.Need {
	if n, ok := f.(Needy); ok {
		return n.Needs()
	}
	return nil
}

// Comparative is a filter that judges the selected items in the light of all items that pass the
// chain's filters by name, wherever it is in the chain. It asks for facts itself.
type Comparative interface {
	JudgeAmong(ctx context.Context, now time.Time, items, among []cluster.Item, fetch Fetch) ([]cluster.Verdict, error)
}

// byNames is a filter that judges nothing but names.
type byNames interface{ ByName() }

// Kind describes one kind of filter.
type Kind struct {
	New       func() Filter // with defaults filled in
	Indices   bool          // may be used on indices
	Snapshots bool          // may be used on snapshots
	Exclude   bool          // the default of exclude
	Own       bool          // esnap's own: Curator does not know it
	NoExclude bool          // it does not have the option exclude
	Doc       string        // one sentence: what it matches
}

// Kinds is the list of all filters. Names, options and defaults are Curator's, except
// those marked as esnap's own.
var Kinds = map[string]Kind{
	"alias": {New: newAlias, Indices: true, Doc: "matches members of an alias"},
	"allocated": {
		New:     newAllocated,
		Indices: true,
		Exclude: true,
		Doc:     "matches indices with a rule of shard allocation; by default they are kept",
	},
	"closed": {New: newClosed, Indices: true, Exclude: true, Doc: "matches closed indices; by default they are kept"},
	"empty":  {New: newEmpty, Indices: true, Doc: "matches open indices without documents"},
	"forcemerged": {
		New:     newForcemerged,
		Indices: true,
		Exclude: true,
		Doc:     "matches indices that are already merged; by default they are kept",
	},
	"kibana": {New: newKibana, Indices: true, Exclude: true, Doc: "matches Kibana's own indices; by default they are kept"},
	"opened": {New: newOpened, Indices: true, Exclude: true, Doc: "matches open indices; by default they are kept"},
	"shards": {New: newShards, Indices: true, Doc: "matches indices by their number of primary shards"},
	"size":   {New: newSize, Indices: true, Doc: "matches indices by their size"},
	"space":  {New: newSpace, Indices: true, Doc: "matches indices with which the sum of sizes exceeds a limit"},
	"age":    {New: newAge, Indices: true, Snapshots: true, Doc: "matches items older or younger than a reference point"},
	"count": {
		New:       newCount,
		Indices:   true,
		Snapshots: true,
		Exclude:   true,
		Doc:       "matches the first N items; by default they are kept and the rest is selected",
	},
	"good":    {New: newGood, Snapshots: true, Own: true, Doc: "matches good snapshots: SUCCESS, no failed shard, no failures"},
	"ilm":     {New: newILM, Indices: true, Exclude: true, Doc: "matches indices that a lifecycle policy manages; by default they are kept"},
	"none":    {New: newNone, Indices: true, Snapshots: true, NoExclude: true, Doc: "matches everything"},
	"pattern": {New: newPattern, Indices: true, Snapshots: true, Doc: "matches items by name"},
	"period":  {New: newPeriod, Indices: true, Snapshots: true, Doc: "matches items within a span of calendar units"},
	"retain":  {New: newRetain, Snapshots: true, Own: true, NoExclude: true, Doc: "matches snapshots that none of its rules retains"},
	"state":   {New: newState, Snapshots: true, Doc: "matches snapshots in one state"},
}

// Link is one filter in a chain.
type Link struct {
	Kind    string
	Filter  Filter
	Exclude bool // what the filter matches is not selected
}

// Chain are the filters of an action, in the order of the file.
type Chain []Link

// Fetch adds facts to items before a filter judges them.
type Fetch func(ctx context.Context, needs []cluster.Need, items []cluster.Item) error

// Select applies every filter to the items that the filters before it selected. An item
// that a filter cannot judge is not selected, with and without exclude.
func (c Chain) Select(ctx context.Context, now time.Time, items []cluster.Item, fetch Fetch) (cluster.Selection, error) {
	in, at := slices.Clone(items), make([]int, len(items)) // the selected items, and their places in items
	for i := range at {
		at[i] = i
	}
	b := newBudget()
	spared := make([]cluster.Spared, len(items)) // in the order of items; without an item: selected
	reasons := map[string]string{}
	for _, l := range c {
		if needs := Needs(l.Filter); len(needs) > 0 && len(in) > 0 {
			if err := fetch(ctx, needs, in); err != nil {
				return cluster.Selection{}, err
			}
		}
		want := cluster.Yes
		if l.Exclude {
			want = cluster.No
		}
		var verdicts []cluster.Verdict
		var err error
		f, compares := l.Filter.(Comparative)
		if compares {
			var named []cluster.Item
			if named, err = c.named(ctx, b, now, items); err == nil {
				verdicts, err = f.JudgeAmong(ctx, now, in, named, fetch)
			}
		} else {
			verdicts, err = b.judge(ctx, l.Filter, now, in)
		}
		if errors.Is(err, errBudget) { // what cannot be judged is kept
			verdicts, err = make([]cluster.Verdict, len(in)), nil
			for i := range verdicts { // with one warning for all
				verdicts[i] = cluster.Verdict{Why: errBudget.Error(), Warn: i == 0}
			}
		}
		if err != nil {
			return cluster.Selection{}, err
		}
		left := 0
		for i, v := range verdicts {
			if v.Match == want {
				if compares && v.Why != "" {
					reasons[in[i].ItemName()] = v.Why
				}
				in[left], at[left] = in[i], at[i]
				left++
				continue
			}
			spared[at[i]] = cluster.Spared{Item: in[i], By: l.Kind, Why: v.Why, Warn: v.Warn, Kept: v.Kept}
		}
		in, at = in[:left], at[:left]
	}
	spared = slices.DeleteFunc(spared, func(sp cluster.Spared) bool { return sp.Item == nil })
	return cluster.Selection{Selected: in, Spared: slices.Clip(spared), Reasons: reasons}, nil
}

// Named are the items that pass the chain's filters by name. An error is the context's, or
// that a regular expression is too slow.
func (c Chain) Named(ctx context.Context, now time.Time, items []cluster.Item) ([]cluster.Item, error) {
	return c.named(ctx, newBudget(), now, items)
}

func (c Chain) named(ctx context.Context, b *budget, now time.Time, items []cluster.Item) ([]cluster.Item, error) {
	in := slices.Clone(items)
	for _, l := range c {
		if _, ok := l.Filter.(byNames); !ok {
			continue
		}
		want := cluster.Yes
		if l.Exclude {
			want = cluster.No
		}
		verdicts, err := b.judge(ctx, l.Filter, now, in)
		if err != nil {
			return nil, err
		}
		left := in[:0]
		for i, v := range verdicts {
			if v.Match == want {
				left = append(left, in[i])
			}
		}
		in = left
	}
	return in, nil
}

// Retention is a filter that keeps snapshots by rules.
type Retention interface {
	Filter
	// Covers is how far back every index has a copy; 0: no rule asks for that.
	Covers() time.Duration
	// CopyRules say when a copy of an index is complete.
	CopyRules() coverage.Rules
	// Overdue reports whether a snapshot must be deleted, whatever it contains.
	Overdue(now time.Time, s *cluster.Snapshot) bool
	// SeriesPatterns are the series that the file names.
	SeriesPatterns() []string
	// GroupBy sets which snapshots are one series.
	GroupBy(series func(*cluster.Snapshot) series.Series)
}

// Retention is the chain's filter that keeps snapshots by rules; nil without one.
func (c Chain) Retention() Retention { return first[Retention](c) }

// first is the first filter of the chain that is also a T.
func first[T any](c Chain) (none T) {
	for _, l := range c {
		if f, ok := l.Filter.(T); ok {
			return f
		}
	}
	return none
}

// judgeBudget is how long the filters of a chain may judge a listing, without the time of
// their requests: a regular expression may be slow for each of thousands of names.
const judgeBudget = 30 * time.Second

// errBudget means that the filters used up their budget.
var errBudget = fmt.Errorf("judging the names took more than %s: simplify the regular expressions of the filters", judgeBudget)

// budget is what is left of the time in which a chain may judge.
type budget struct {
	watch clock.Stopwatch
	left  time.Duration
}

func newBudget() *budget { return &budget{clock.RealTime(), judgeBudget} }

// judge calls a filter, or ends with the context or with the budget. The filter then goes on
// for nobody, until its expression has been too slow for some names.
func (b *budget) judge(ctx context.Context, f Filter, now time.Time, items []cluster.Item) ([]cluster.Verdict, error) {
	if ctx.Done() == nil {
		return f.Judge(now, items), nil
	}
	began := b.watch.Elapsed()
	defer func() { b.left -= b.watch.Elapsed() - began }()
	done := make(chan []cluster.Verdict, 1)
	in := slices.Clone(items) // the caller's may change when it does not wait for the end
	go func() { done <- f.Judge(now, in) }()
	over := time.NewTimer(b.left)
	defer over.Stop()
	select {
	case verdicts := <-done:
		return verdicts, nil
	case <-over.C:
		return nil, errBudget
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// NamesDotted reports whether the chain names system indices: with a pattern filter whose
// text starts with a dot.
func (c Chain) NamesDotted() bool {
	for _, l := range c {
		if p, ok := l.Filter.(interface{ dotted() bool }); ok && !l.Exclude && p.dotted() {
			return true
		}
	}
	return false
}

// AsksFor reports whether a state filter selects the state.
func (c Chain) AsksFor(state cluster.State) bool {
	for _, l := range c {
		if s, ok := l.Filter.(interface{ asksFor(cluster.State) bool }); ok && !l.Exclude && s.asksFor(state) {
			return true
		}
	}
	return false
}

// TakesOlder reports whether an age filter selects what is older than a point in time.
func (c Chain) TakesOlder() bool {
	return slices.ContainsFunc(c, func(l Link) bool {
		a, ok := l.Filter.(interface{ TakesOlder(exclude bool) bool })
		return ok && a.TakesOlder(l.Exclude)
	})
}

// Timestrings lists the date layouts with which the chain's filters read names.
func (c Chain) Timestrings() []string {
	var list []string
	for _, l := range c {
		if d, ok := l.Filter.(interface{ timestring() string }); ok && d.timestring() != "" {
			list = append(list, d.timestring())
		}
	}
	return list
}

// TakesAll reports whether the chain selects everything, except managed indices.
func (c Chain) TakesAll() bool {
	for _, l := range c {
		if l.Kind != "none" && l.Kind != "ilm" {
			return false
		}
	}
	return true
}

func yes(why string) cluster.Verdict { return cluster.Verdict{Match: cluster.Yes, Why: why} }
func no(why string) cluster.Verdict  { return cluster.Verdict{Match: cluster.No, Why: why} }
func unknown(why string) cluster.Verdict {
	return cluster.Verdict{Match: cluster.Unknown, Why: why}
}

// verdict is a verdict for yes or no, with the same text for both.
func verdict(match bool, why string) cluster.Verdict {
	if match {
		return yes(why)
	}
	return no(why)
}

func optionError(key, text string) error { return &cluster.OptionError{Key: key, Text: text} }

// tolerated is an error of an option that is only a warning in Curator's command lines.
func tolerated(key, text string) error {
	return &cluster.OptionError{Key: key, Text: text, Tolerated: true}
}

// judgeEach judges items one by one; an item of another type is not judged.
func judgeEach[T cluster.Item](items []cluster.Item, judge func(T) cluster.Verdict) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		if t, ok := it.(T); ok {
			out[i] = judge(t)
		}
	}
	return out
}
