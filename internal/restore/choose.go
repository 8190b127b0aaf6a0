package restore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
)

// eligible returns the snapshots that the request allows.
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

// copies are the complete copies of an index that this server can restore, oldest first:
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
		if s.Elsewhere || l.ReadOnly[s.Repository] {
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

// rivals are the first and the newest complete copy of an index made after its period had
// ended; both are nil if there is none.
func (r Request) rivals(index string, copies []*cluster.Snapshot) (first, newest *cluster.Snapshot) {
	_, end, dated := dates.Period(index)
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

// early is the newest copy from before the period of an index had ended, where the first one from
// after its end came so late that it may be of a late document; nil: there is none.
func early(index string, first *cluster.Snapshot, copies []*cluster.Snapshot) (newest *cluster.Snapshot) {
	_, end, dated := dates.Period(index)
	if !dated || first == nil || first.Start.Sub(end) < cluster.LateAfter {
		return nil
	}
	for _, s := range copies {
		if s.Start.Before(end) {
			newest = s
		}
	}
	return newest
}

// Rivals are the copies between which a restore of an index chooses by their sizes: the first
// and the newest complete one made after its period had ended; nil: there is none.
func Rivals(index string, list []*cluster.Snapshot, l Listings) (first, newest *cluster.Snapshot) {
	r := Request{}
	return r.rivals(index, r.copies(index, r.eligible(list), l))
}

// SizesNeeded lists the snapshots whose index sizes Make needs: to choose between copies,
// and for the size of the restore.
func SizesNeeded(r Request, l Listings) []Ref {
	if r.Whole {
		l.Snapshots, _ = newestOfSeries(r.eligible(l.Snapshots), l.Server)
	}
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
		copies := r.copies(index, eligible, l)
		first, newest := r.rivals(index, copies)
		add(newest)
		if r.Snapshot == "" {
			add(first)
			add(early(index, first, copies))
		}
	}
	return refs
}

// choose picks the snapshot of one index; why is empty if there is none.
func (r Request) choose(index string, eligible []*cluster.Snapshot, l Listings) (s *cluster.Snapshot, why string, warning string) {
	start, end, dated := dates.Period(index)
	unit := unitOf(start, end)
	if r.Snapshot != "" && r.Snapshot != Latest {
		return r.named(index, eligible)
	}
	size := func(s *cluster.Snapshot) int64 { return l.Sizes[Ref{s.Repository, s.Name}][index] }
	copies := r.copies(index, eligible, l)
	first, newest := r.rivals(index, copies)
	if newest != nil {
		if e := early(index, first, copies); e != nil && cluster.Recreated(size(e), size(newest)) && cluster.Recreated(size(e), size(first)) {
			return newest, "the newest complete copy made after the index's " + unit + " had ended",
				fmt.Sprintf("%s: the copy has only %s of the %s bytes that %s has, which was made before the index's %s had ended (%s): "+
					"the index was deleted and created again meanwhile; --snapshot %s restores that one", index, group(size(newest)),
					group(size(e)), e.Name, unit, cluster.Minutes(end), e.Name)
		}
		switch {
		case !dated:
			return newest, "the newest complete copy", ""
		case first == newest:
			return newest, fmt.Sprintf("the only complete copy made after the index's %s had ended (%s)", unit, cluster.Minutes(end)), ""
		case r.Snapshot != Latest && cluster.Recreated(size(first), size(newest)):
			return first, fmt.Sprintf("the first complete copy made after the index's %s had ended (%s); "+
				"the newest one, in %s, has only %s of %s bytes: the index was deleted and recreated meanwhile",
				unit, cluster.Minutes(end), newest.Name, group(size(newest)), group(size(first))), ""
		default:
			return newest, fmt.Sprintf("the newest complete copy made after the index's %s had ended (%s)", unit, cluster.Minutes(end)), ""
		}
	}
	for _, s := range slices.Backward(copies) {
		part := "0 % of that " + unit
		if held := s.Start.Sub(start); held > 0 {
			part = fmt.Sprintf("%d %% of that %s", int64(100*held/end.Sub(start)), unit)
		}
		return s, fmt.Sprintf("the newest complete copy, but made before the index's %s had ended", unit),
			fmt.Sprintf("%s: the best copy was made %s, before the index's %s had ended (%s); it can contain at most %s", index,
				cluster.Minutes(s.Start), unit, cluster.Minutes(end), part)
	}
	if r.Partial {
		for _, s := range slices.Backward(eligible) {
			if s.Holds(index) && restorable(s) {
				return s, "the newest copy; shards are missing",
					fmt.Sprintf("%s: every copy has missing shards; the newest one is used because partial copies are allowed", index)
			}
		}
	}
	return nil, "", ""
}

// restorable reports whether servers restore from the snapshot: they refuse every FAILED
// one.
func restorable(s *cluster.Snapshot) bool {
	return s.State == cluster.Success || s.State == cluster.Partial
}

// named returns the snapshot that the user named.
func (r Request) named(index string, eligible []*cluster.Snapshot) (*cluster.Snapshot, string, string) {
	start, end, dated := dates.Period(index)
	for _, s := range slices.Backward(eligible) {
		if !s.Holds(index) {
			continue
		}
		var warning string
		switch {
		case !s.HoldsGood(index) && !(r.Partial && restorable(s)):
			continue
		case !s.HoldsGood(index):
			warning = fmt.Sprintf("%s: its copy in %s has missing shards", index, s.Name)
		case dated && s.Start.Before(end):
			held := max(s.Start.Sub(start), 0)
			warning = fmt.Sprintf("%s: snapshot %s was started %s, before the index's %s had ended (%s); "+
				"it can contain at most %.0f %% of that %[4]s; only a snapshot started after that can contain all of it",
				index, s.Name, cluster.Minutes(s.Start), unitOf(start, end), cluster.Minutes(end), 100*held.Hours()/end.Sub(start).Hours())
		case s.State == cluster.Partial:
			warning = fmt.Sprintf("snapshot %s is PARTIAL; its copy of %s is complete", s.Name, index)
		}
		return s, "the snapshot was named", warning
	}
	return nil, "", ""
}

// copies describes the copies of an index of which no snapshot contains a complete one.
func copies(index string, list []*cluster.Snapshot) string {
	var bad []string
	hint := ""
	for _, s := range list {
		if s.Holds(index) {
			bad = append(bad, fmt.Sprintf("in %s shards are missing (%s)", s.Name, s.State))
			if restorable(s) {
				hint = "; --partial restores such a copy"
			}
		}
	}
	if len(bad) == 0 {
		return "none of the searched snapshots contains it"
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

// unitOf is the word for the period of an index.
func unitOf(start, end time.Time) string {
	switch d := end.Sub(start); {
	case d <= time.Hour:
		return "hour"
	case d <= 24*time.Hour:
		return "day"
	case d <= 7*24*time.Hour:
		return "week"
	case d <= 31*24*time.Hour:
		return "month"
	}
	return "year"
}
