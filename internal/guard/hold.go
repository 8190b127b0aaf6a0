package guard

import (
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Hold is something that must not be deleted until a time, such as for a legal case. It
// holds snapshots by name, and indices by name: in the cluster, and the snapshots that
// contain them.
type Hold struct {
	Snapshots, Indices []string  // wildcard patterns
	Until              time.Time // zero: for good
	Reason             string
}

// hold keeps what the holds of the client file name.
type hold struct{ holds []Hold }

func newHold(o Options) Guard {
	if len(o.Holds) == 0 {
		return nil
	}
	return hold{o.Holds}
}

func (hold) Name() string { return "hold" }

// NeedsOf reports that contents are needed if an index is held.
func (g hold) NeedsOf(selected, _ []cluster.Item) []cluster.Need {
	if len(cluster.Of[*cluster.Snapshot](selected)) > 0 && slices.ContainsFunc(g.holds, func(h Hold) bool { return len(h.Indices) > 0 }) {
		return []cluster.Need{{Fact: cluster.FactContents}}
	}
	return nil
}

func (g hold) Judge(now time.Time, selected, all []cluster.Item) []cluster.Verdict {
	contents := map[string][]string{} // items that were read again come without
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		contents[s.Name+"/"+s.UUID] = s.Indices
	}
	out := make([]cluster.Verdict, len(selected))
	for n, it := range selected {
		out[n] = cluster.Verdict{Match: cluster.No}
		for _, h := range g.holds {
			if !h.Until.IsZero() && !now.Before(h.Until) {
				continue
			}
			what := ""
			switch it := it.(type) {
			case *cluster.Snapshot:
				what = matching(h.Snapshots, it.Name)
				for _, i := range contents[it.Name+"/"+it.UUID] {
					if what == "" {
						what = matching(h.Indices, i)
					}
				}
			case *cluster.Index:
				what = matching(h.Indices, it.Name)
			}
			if what != "" {
				out[n] = cluster.Verdict{Match: cluster.Yes, Why: h.why(what), Kept: cluster.KeptHeld}
				break
			}
		}
	}
	return out
}

// Held is why the holds keep an index of the cluster, or a snapshot with contents; empty if none
// does.
func Held(holds []Hold, now time.Time, item cluster.Item) string {
	for _, v := range (hold{holds}).Judge(now, []cluster.Item{item}, []cluster.Item{item}) {
		return v.Why
	}
	return ""
}

func (h Hold) why(pattern string) string {
	text := "it is held by the client file (" + pattern + ")"
	if !h.Until.IsZero() {
		text += " until " + cluster.Minutes(h.Until)
	}
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

// matching is the first pattern that matches a name; empty: none does.
func matching(patterns []string, name string) string {
	for _, p := range patterns {
		if cluster.MatchName(p, name) {
			return p
		}
	}
	return ""
}
