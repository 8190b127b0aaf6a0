package drill

import (
	"slices"

	"github.com/esnap/esnap/internal/series"
)

// Last is what several drills say together; nil if none restored anything. It is the newest
// one that did, with the failures of earlier ones: a failure counts until a later drill
// passed an index of the same family from the same repository. Those of kept, which may be
// nil, count until kept itself is a later drill: it lies where nobody but its owner
// writes, and the others are documents of the cluster.
func Last(drills []*Result, kept *Result) *Result {
	all := append(slices.Clone(drills), kept)
	var found Result
	found.Carry(all...)
	if kept != nil { // what it found counts until kept itself is a later drill
		for _, i := range kept.Repositories(Damaged) {
			found.Integrity = append(slices.DeleteFunc(found.Integrity, func(x Integrity) bool { return x.Repository == i.Repository }), i)
		}
	}
	list := slices.DeleteFunc(all, func(r *Result) bool { return r == nil || r.Passed()+r.Failures() == 0 })
	if len(list) == 0 && len(found.Integrity) == 0 {
		return nil
	}
	if len(list) == 0 {
		found.Time = found.Integrity[0].Time
		return &found
	}
	slices.SortStableFunc(list, func(a, b *Result) int { return b.Time.Compare(a.Time) })
	last := *list[0]
	last.Copies = slices.Clone(last.Copies)
	passed := map[[2]string]bool{}
	known := map[[3]string]bool{}
	for _, r := range list {
		for _, c := range r.Copies {
			id := [3]string{c.Repository, c.Snapshot, c.Index}
			if r != list[0] && c.State == Failed && !known[id] && (r == kept || !passed[subject(c)]) {
				last.Copies = append(last.Copies, c)
			}
			known[id] = known[id] || c.State == Failed
		}
		for _, c := range r.Copies {
			if c.State == Passed {
				passed[subject(c)] = true
			}
		}
	}
	last.Integrity = found.Integrity
	return &last
}

// subject is what a copy stands for.
func subject(c Copy) [2]string { return [2]string{c.Repository, series.Family(c.Index)} }

// OK reports whether a drill restored something, all of that passed, and no repository is
// damaged.
func (r *Result) OK() bool {
	return r.Failures() == 0 && r.Passed() > 0 && len(r.Repositories(Damaged)) == 0
}
