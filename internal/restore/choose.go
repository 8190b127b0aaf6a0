package restore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// eligible narrows the snapshots to those the request allows.
func (r Request) eligible(list []*cluster.Snapshot) []*cluster.Snapshot {
	var out []*cluster.Snapshot
	for _, s := range list {
		if s.State == cluster.InProgress || !r.Before.IsZero() && !s.Start.Before(r.Before) {
			continue
		}
		if r.Snapshot != "" && r.Snapshot != Latest && s.Name != r.Snapshot {
			continue
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b *cluster.Snapshot) int {
		return cmp.Or(a.Start.Compare(b.Start), a.End.Compare(b.End), cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// copies are the good copies of an index that this server can restore, oldest first:
// those of its own cluster, in repositories that it writes to, if there are any.
func (r Request) copies(index string, eligible []*cluster.Snapshot, l Listings) []*cluster.Snapshot {
	var own, others []*cluster.Snapshot
	for _, s := range eligible {
		if size, known := l.Sizes[Ref{s.Repository, s.Name}][index]; !s.HoldsGood(index) || known && size == 0 { // of a mounted index
			continue
		}
		if can, _ := l.Server.CanRead(s.Version); !can {
			continue
		}
		if s.Foreign(l.Server) || l.ReadOnly[s.Repository] {
			others = append(others, s)
		} else {
			own = append(own, s)
		}
	}
	if len(own) > 0 {
		return own
	}
	return others
}

// rivals are the first and the newest good copy of an index taken after its
// period ended; both nil when there is none.
func (r Request) rivals(index string, copies []*cluster.Snapshot) (first, newest *cluster.Snapshot) {
	_, end, dated := cluster.Period(index)
	for _, s := range copies {
		if dated && s.Start.Before(end) {
			continue
		}
		if first == nil {
			first = s
		}
		newest = s
	}
	return first, newest
}

// SizesNeeded lists the snapshots whose index sizes decide between copies, or are
// restored: those Make should know.
func SizesNeeded(r Request, l Listings) []Ref {
	var refs []Ref
	add := func(s *cluster.Snapshot) {
		if s == nil || s.Assumed {
			return
		}
		if ref := (Ref{s.Repository, s.Name}); !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	eligible := r.eligible(l.Snapshots)
	wanted, _ := Wanted(r, l.Snapshots)
	for _, index := range wanted {
		first, newest := r.rivals(index, r.copies(index, eligible, l))
		add(newest)
		if r.Snapshot == "" {
			add(first)
		}
	}
	return refs
}

// shrunk is how much smaller a newer copy may be than the first before it counts
// as the stub of an index that was made anew.
const shrunk = 0.95

// choose picks the snapshot of one index; why is empty when there is none.
func (r Request) choose(index string, eligible []*cluster.Snapshot, l Listings) (s *cluster.Snapshot, why string, warning string) {
	start, end, dated := cluster.Period(index)
	if r.Snapshot != "" && r.Snapshot != Latest {
		return r.named(index, eligible)
	}
	size := func(s *cluster.Snapshot) int64 { return l.Sizes[Ref{s.Repository, s.Name}][index] }
	copies := r.copies(index, eligible, l)
	first, newest := r.rivals(index, copies)
	if newest != nil {
		switch {
		case !dated:
			return newest, "the newest good copy", ""
		case first == newest:
			return newest, fmt.Sprintf("the only good copy taken after its period ended (%s)", stamp(end)), ""
		case r.Snapshot != Latest && size(first) > 0 && size(newest) > 0 && float64(size(newest)) < shrunk*float64(size(first)):
			return first, fmt.Sprintf("the first good copy taken after its period ended (%s); the newest, in %s, has only %s of %s bytes: the index was deleted and created again meanwhile",
				stamp(end), newest.Name, group(size(newest)), group(size(first))), ""
		default:
			return newest, fmt.Sprintf("the newest good copy taken after its period ended (%s)", stamp(end)), ""
		}
	}
	for _, s := range slices.Backward(copies) {
		part := "nothing"
		if held := s.Start.Sub(start); held > 0 {
			part = fmt.Sprintf("%d %% of its period", int64(100*held/end.Sub(start)))
		}
		return s, "the newest good copy there is, though taken before its period ended",
			fmt.Sprintf("%s: the best copy was taken %s, before the index's period ended (%s); it can hold at most %s", index, stamp(s.Start), stamp(end), part)
	}
	if r.Partial {
		for _, s := range slices.Backward(eligible) {
			if s.Holds(index) && restorable(s) {
				return s, "the newest copy there is; it lacks shards", fmt.Sprintf("%s: every copy lacks shards; the newest is taken because partial copies are allowed", index)
			}
		}
	}
	return nil, "", ""
}

// restorable says whether servers restore from the snapshot at all: they refuse
// FAILED ones, whatever they hold.
func restorable(s *cluster.Snapshot) bool {
	return s.State == cluster.Success || s.State == cluster.Partial
}

// named is the index in the snapshot an operator named.
func (r Request) named(index string, eligible []*cluster.Snapshot) (*cluster.Snapshot, string, string) {
	start, end, dated := cluster.Period(index)
	for _, s := range slices.Backward(eligible) {
		if !s.Holds(index) {
			continue
		}
		var warning string
		switch {
		case !s.HoldsGood(index) && !(r.Partial && restorable(s)):
			continue
		case !s.HoldsGood(index):
			warning = fmt.Sprintf("%s: its copy in %s lacks shards", index, s.Name)
		case dated && s.Start.Before(end):
			held := max(s.Start.Sub(start), 0)
			warning = fmt.Sprintf("%s: snapshot %s was taken %s, before the index's period ended (%s); it can hold at most %.0f %% of it; only one taken after that can hold all",
				index, s.Name, stamp(s.Start), stamp(end), 100*held.Hours()/end.Sub(start).Hours())
		case s.State == cluster.Partial:
			warning = fmt.Sprintf("snapshot %s is PARTIAL; its copy of %s is complete", s.Name, index)
		}
		return s, "the snapshot was named", warning
	}
	return nil, "", ""
}

// copies says what there is of an index that no snapshot holds well.
func copies(index string, list []*cluster.Snapshot) string {
	var bad []string
	hint := ""
	for _, s := range list {
		if s.Holds(index) {
			bad = append(bad, fmt.Sprintf("in %s it lacks shards (%s)", s.Name, s.State))
			if restorable(s) {
				hint = "; --partial takes such a copy"
			}
		}
	}
	if len(bad) == 0 {
		return "no snapshot of those in question contains it"
	}
	return strings.Join(bad, "; ") + hint
}

func allIndices(list []*cluster.Snapshot) []string {
	seen := map[string]bool{}
	var names []string
	for _, s := range list {
		for _, i := range s.Indices {
			if !seen[i] {
				seen[i] = true
				names = append(names, i)
			}
		}
	}
	return names
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }
