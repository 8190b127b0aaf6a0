package drill

import (
	"slices"
	"time"
)

// Last is what several drills say together; nil if none restored anything. It is the newest
// one that did, with the failures of earlier ones: a failure counts until a later drill
// passed an index of the same family from the same repository. For copies that it did not
// finish, what earlier ones found counts. Those of kept, which may be
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
	open := last.open()
	known := map[[3]string]bool{}
	for _, r := range list {
		for _, c := range r.Copies {
			id := [3]string{c.Repository, c.Snapshot, c.Index}
			if r != list[0] && c.State == Failed && !known[id] && (r == kept || !passedSince(list, c, c.At(r))) {
				last.Copies = append(last.Copies, c.of(r))
			}
			known[id] = known[id] || c.State == Failed
		}
		if r != list[0] {
			last.Copies = append(last.Copies, r.passedOf(open)...)
			for s := range open {
				if r.finished(s) {
					delete(open, s)
				}
			}
		}
	}
	last.Integrity = found.Integrity
	return &last
}

// Kept is what a file keeps of this drill instead of an older one, which may be nil: a copy that
// is not finished does not replace the older result of its family.
func (r *Result) Kept(older *Result) *Result {
	kept := *r
	switch {
	case older == nil || r.Unfinished() == 0:
	case r.Passed()+r.Failures() == 0:
		kept = *older
		kept.Integrity = r.Integrity
	default:
		open := r.open()
		kept.Copies = append(slices.Clone(r.Copies), older.passedOf(open)...)
		for _, c := range older.Copies {
			if c.State == Failed && open[subject(c)] {
				kept.Copies = append(kept.Copies, c.of(older))
			}
		}
	}
	return &kept
}

// open are what the unfinished copies of a drill stand for, if no other one of it passed or failed.
func (r *Result) open() map[[2]string]bool {
	open := map[[2]string]bool{}
	for _, c := range r.Copies {
		if c.State == Unfinished && !r.finished(subject(c)) {
			open[subject(c)] = true
		}
	}
	return open
}

// finished reports whether a copy that stands for the subject passed or failed.
func (r *Result) finished(of [2]string) bool {
	for _, c := range r.Copies {
		if (c.State == Passed || c.State == Failed) && subject(c) == of {
			return true
		}
	}
	return false
}

// passedSince reports whether a copy that stands for the same passed in a later drill.
func passedSince(list []*Result, failed Copy, at time.Time) bool {
	for _, r := range list {
		for _, c := range r.Copies {
			if c.State == Passed && c.At(r).After(at) && subject(c) == subject(failed) {
				return true
			}
		}
	}
	return false
}

// passedOf are the copies of an older drill that passed, of some subjects.
func (r *Result) passedOf(subjects map[[2]string]bool) (list []Copy) {
	for _, c := range r.Copies {
		if c.State == Passed && subjects[subject(c)] {
			list = append(list, c.of(r))
		}
	}
	return list
}

// At is when the drill began whose result the copy is; r is the one that has it.
func (c Copy) At(r *Result) time.Time {
	if c.Time.IsZero() {
		return r.Time
	}
	return c.Time
}

// of is the copy as the result of an older drill.
func (c Copy) of(r *Result) Copy {
	c.Time = c.At(r)
	return c
}

// subject is what a copy stands for.
func subject(c Copy) [2]string { return [2]string{c.Repository, family(c.Index)} }

// OK reports whether a drill restored something, all of that passed, it was not interrupted, and
// no repository is damaged.
func (r *Result) OK() bool {
	return r.Failures() == 0 && r.Unfinished() == 0 && r.Passed() > 0 && len(r.Repositories(Damaged)) == 0
}
