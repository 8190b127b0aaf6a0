// Package coverage tells which indices the snapshots of a series contain, complete or
// not, and which of the snapshots are needed to keep a copy of each. It is pure.
//
// It has the one definition of a complete copy of an index, for everything that asks
// whether an index can be brought back: no shard is missing from it, and its snapshot was
// started after the index had been written to for the last time.
package coverage

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
)

// Rules say when an index is written to no more.
type Rules struct {
	// Zones are the time zones of dates in the names of indices, beside UTC: the period
	// that ends last counts.
	Zones []*time.Location
	// Settle is how long after that end late documents may come.
	Settle time.Duration
	// Read, if given, is what the timestrings of an action read in a name. Then two digits after a
	// day and a dash are a number unless one of them reads the hour.
	Read func(name string) []dates.Span
}

// DefaultSettle is how long after the end of an index's period late documents may come.
const DefaultSettle = 2 * time.Hour

// Life is one index as the snapshots of a series contain it. A name that was deleted and
// created again has several: an index that is missing from one snapshot and returns in a
// later one is another index, and so is one created after a copy.
type Life struct {
	Name   string
	Number int // 1 for the first index of that name, 2 for the next one
	// Start and End are the period of the name's dates, and Dated is true; without such a
	// period, the starts of the first and last snapshot that contain it.
	Start, End time.Time
	Dated      bool
	Live       bool // the cluster has this index now, and all of it
	// Late: its period had ended, and a snapshot was taken since, before the first one that
	// contains it: it may be of a late document.
	Late   bool
	Copies []Copy
}

// Copy is a copy of an index in one snapshot.
type Copy struct {
	Snapshot  *cluster.Snapshot
	AllShards bool // no shard is missing
	Ended     bool // the snapshot was started after the index was written to for the last time
}

// Complete reports whether the copy contains everything that the index ever contained.
func (c Copy) Complete() bool { return c.AllShards && c.Ended }

// Counting are the copies of which one must stay: all complete ones; if there is none, the
// newest one without missing shards; or else the newest one.
func (l Life) Counting() []Copy {
	var complete []Copy
	for _, c := range l.Copies {
		if c.Complete() {
			complete = append(complete, c)
		}
	}
	if len(complete) > 0 {
		return complete
	}
	for n := len(l.Copies) - 1; n >= 0; n-- {
		if l.Copies[n].AllShards {
			return l.Copies[n : n+1]
		}
	}
	if n := len(l.Copies); n > 0 {
		return l.Copies[n-1:]
	}
	return nil
}

// In is the copy in a snapshot.
func (l Life) In(s *cluster.Snapshot) (Copy, bool) {
	for _, c := range l.Copies {
		if c.Snapshot == s {
			return c, true
		}
	}
	return Copy{}, false
}

// Lives lists the indices that the snapshots of one series contain, sorted by name and
// then by time. live are the indices of the cluster by name; nil if they are not known.
// The contents of the snapshots must be known.
func Lives(snapshots []*cluster.Snapshot, live map[string]*cluster.Index, rules Rules) []Life {
	type open struct {
		life int // the place of the last one in lives
		all  []int
		seen int // the number of the last snapshot that contains it, among those that count
		end  ending
	}
	var lives []Life
	now := map[string]*open{}
	number := 0
	var last *cluster.Snapshot
	for _, s := range Ordered(snapshots) {
		if s.State != cluster.Success && s.State != cluster.Partial || len(s.Indices) == 0 {
			continue
		}
		number++
		complete := s.Complete()
		for _, name := range s.Indices {
			o := now[name]
			first := o == nil
			if first {
				o = &open{end: endOf(name, live[name], s.Start, live, rules)}
				now[name] = o
			}
			if first || o.seen < number-1 || bornBetween(live[name], &lives[o.life], s) {
				life := Life{Name: name, Number: 1, Start: o.end.Start, End: o.end.End, Dated: !o.end.End.IsZero()}
				if !first {
					life.Number = lives[o.life].Number + 1
				}
				if !life.Dated {
					life.Start = s.Start
				}
				life.Late = life.Dated && last != nil && !last.Start.Before(life.End)
				o.life = len(lives)
				o.all = append(o.all, o.life)
				lives = append(lives, life)
			}
			o.seen = number
			life := &lives[o.life]
			if !life.Dated {
				life.End = s.Start
			}
			life.Copies = append(life.Copies, Copy{s, complete(name), o.end.before(s)})
		}
		last = s
	}
	for name, o := range now {
		// What lacks a shard, or was restored from such a copy, does not make a copy needless.
		if i := live[name]; i != nil && i.Mount == nil && !i.Lacking && i.RestoredFrom == "" &&
			!i.Created.After(lives[o.life].Copies[0].Snapshot.Start) {
			lives[o.life].Live = true
		}
	}
	sorted := make([]Life, 0, len(lives))
	for _, name := range slices.Sorted(maps.Keys(now)) {
		for _, at := range now[name].all {
			sorted = append(sorted, lives[at])
		}
	}
	return sorted
}

// CopiesOf lists the copies of an index of the cluster in the snapshots that contain it: this
// cluster took them after it was created. A mounted index has no copy, because a snapshot of it
// contains no data.
func CopiesOf(i *cluster.Index, snapshots []*cluster.Snapshot, live map[string]*cluster.Index, rules Rules) []Copy {
	end := endOf(i.Name, i, time.Time{}, live, rules)
	var copies []Copy
	for _, s := range snapshots {
		if s.MayHold(i) && s.Holds(i.Name) {
			copies = append(copies, Copy{s, s.Complete()(i.Name), end.before(s)})
		}
	}
	return copies
}

// Enough are the copies of an index of the cluster, in any of the snapshots, that bring back
// all of it: the complete ones. Where it is not known when the index ended, every copy
// without missing shards is.
func Enough(i *cluster.Index, snapshots []*cluster.Snapshot, live map[string]*cluster.Index, rules Rules) []Copy {
	_, known := Ended(i, live, rules)
	return slices.DeleteFunc(CopiesOf(i, snapshots, live, rules), func(c Copy) bool { return !c.Complete() && (known || !c.AllShards) })
}

// In judges the copy of an index by its name alone, in a snapshot that lists it: whether it
// is complete, or until when it may reach: if its snapshot was started before the end of its
// period, or if the name does not say when that is.
func In(name string, s *cluster.Snapshot, rules Rules) (complete bool, until time.Time) {
	if !s.HoldsGood(name) {
		return false, time.Time{}
	}
	if end := endOf(name, nil, time.Time{}, nil, rules); !end.before(s) {
		return false, s.Start
	}
	return true, time.Time{}
}

// Ended reports when an index is written to for the last time, as far as names and the
// cluster say; ok is false if they do not.
func Ended(i *cluster.Index, live map[string]*cluster.Index, rules Rules) (at time.Time, ok bool) {
	e := endOf(i.Name, i, time.Time{}, live, rules)
	return e.at, !e.at.IsZero()
}

// Ordered are the snapshots, oldest first.
func Ordered(snapshots []*cluster.Snapshot) []*cluster.Snapshot {
	return slices.SortedStableFunc(slices.Values(snapshots), func(a, b *cluster.Snapshot) int {
		return cmp.Or(a.Start.Compare(b.Start), a.End.Compare(b.End), cmp.Compare(a.Name, b.Name))
	})
}

// bornBetween reports whether the index of the cluster was created after the first copy
// of this life, and before the snapshot: what the snapshot contains is another index.
func bornBetween(live *cluster.Index, life *Life, s *cluster.Snapshot) bool {
	return live != nil && live.Created.After(life.Copies[0].Snapshot.Start) && !live.Created.After(s.Start) &&
		live.Created.After(life.Copies[len(life.Copies)-1].Snapshot.Start)
}

// ending is when an index is written to for the last time.
type ending struct {
	dates.Span
	at   time.Time // zero: not known
	next string    // the index that follows: if a snapshot contains it, this one has ended
	from time.Time // but not before
}

// endOf is when an index is written to for the last time. seen, if it is known, is when it was first
// seen in a snapshot: of an index that the cluster has no longer, that says when it was created.
func endOf(name string, i *cluster.Index, seen time.Time, live map[string]*cluster.Index, rules Rules) ending {
	e := ending{}
	next, counted := dates.Generation(name)
	if span, following, is := dates.SixDigits(name); is {
		// It has ended if its time is over, with a day for zones, and the next one is there: the
		// digits may be a number.
		e.Span, e.next, e.from = span, following, span.End.Add(24*time.Hour+rules.Settle)
		if n := live[following]; n != nil {
			e.at = e.from
			if n.Created.After(e.at) {
				e.at = n.Created
			}
		}
		return e
	}
	created := seen
	if i != nil {
		created = i.Created
	}
	var p dates.NamePeriod
	if rules.Read != nil {
		p = dates.PeriodWith(name, created, rules.Read(name), rules.Zones...)
	} else {
		p = dates.PeriodBy(name, created, rules.Zones...)
	}
	if !counted && !p.Disagree {
		e.Span = p.Span
		if !p.End.IsZero() {
			e.at = p.End.Add(rules.Settle)
		}
		return e
	}
	if counted {
		e.next = next
		if n := live[next]; n != nil {
			e.at = n.Created
		}
	}
	if i != nil && !i.Rolled.IsZero() {
		e.at = i.Rolled
	}
	return e
}

// before reports whether the index had ended before the snapshot was started.
func (e ending) before(s *cluster.Snapshot) bool {
	if !e.at.IsZero() && !s.Start.Before(e.at) {
		return true
	}
	return e.next != "" && !s.Start.Before(e.from) && s.HasContents && s.Holds(e.next)
}

// Cover chooses, beside those that are kept anyway, the fewest snapshots that together
// contain a counting copy of each index. It returns them with the names of the
// indices that they are needed for. The number is the least possible where each index is
// in consecutive snapshots, as the days of one family are. Otherwise it may be larger.
func Cover(lives []Life, kept func(*cluster.Snapshot) bool) map[*cluster.Snapshot][]string {
	type open struct {
		name  string
		among []*cluster.Snapshot
		held  bool
	}
	var todo []*open
	for _, l := range lives {
		o := &open{name: l.Name, among: candidates(l)}
		if !slices.ContainsFunc(o.among, kept) {
			todo = append(todo, o)
		}
	}
	last := func(o *open) *cluster.Snapshot { return o.among[len(o.among)-1] }
	slices.SortStableFunc(todo, func(a, b *open) int { return last(a).Start.Compare(last(b).Start) })
	chosen := map[*cluster.Snapshot][]string{}
	for n, o := range todo {
		if o.held {
			continue
		}
		pick := last(o)
		for _, other := range todo[n:] {
			if !other.held && slices.Contains(other.among, pick) {
				other.held = true
				chosen[pick] = append(chosen[pick], other.name)
			}
		}
	}
	return chosen
}

// candidates are the snapshots with the counting copies of an index, oldest first: the
// good ones, if there are any.
func candidates(l Life) []*cluster.Snapshot {
	var good, all []*cluster.Snapshot
	for _, c := range l.Counting() {
		all = append(all, c.Snapshot)
		if c.Snapshot.Good() {
			good = append(good, c.Snapshot)
		}
	}
	if len(good) > 0 {
		return good
	}
	return all
}
