package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/series"
)

// newestGood keeps the newest good snapshot of each series, so that expiry never deletes
// the last good one. If the series is a guess, it also keeps the newest good snapshot of
// each family of indices in it.
type newestGood struct {
	series  func(*cluster.Snapshot) series.Series
	overdue func(time.Time, *cluster.Snapshot) bool
}

func newNewestGood(o Options) Guard {
	if !o.KeepNewestGood {
		return nil
	}
	return newestGood{o.Series, o.Overdue}
}

func (newestGood) Name() string { return "keep_newest_good" }

// NeedsOf reports that mounts are needed, because a snapshot of nothing but mounted indices
// contains no data; and contents if a series is a guess.
func (g newestGood) NeedsOf(selected, all []cluster.Item) []cluster.Need {
	needs := []cluster.Need{{Fact: cluster.FactMounts}}
	touched := g.touched(selected)
	for key := range g.guesses(all) {
		if touched[key] {
			return append(needs, cluster.Need{Fact: cluster.FactContents})
		}
	}
	return needs
}

// touched are the series of the selected snapshots.
func (g newestGood) touched(selected []cluster.Item) map[string]bool {
	keys := map[string]bool{}
	for _, s := range cluster.Of[*cluster.Snapshot](selected) {
		keys[g.series(s).Key] = true
	}
	return keys
}

// guesses are the series with a member whose name is a guess.
func (g newestGood) guesses(all []cluster.Item) map[string]bool {
	keys := map[string]bool{}
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		if of := g.series(s); of.Guess {
			keys[of.Key] = true
		}
	}
	return keys
}

// newest are the newest good snapshots that are kept, each with the verdict.
func (g newestGood) newest(all []cluster.Item) map[string]cluster.Verdict {
	type group struct{ series, family string }
	newest, members := map[group]*cluster.Snapshot{}, map[string]int{}
	guesses := g.guesses(all)
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		of := g.series(s)
		members[of.Key]++
		if !s.Good() {
			continue
		}
		groups := []group{{of.Key, ""}}
		if guesses[of.Key] {
			for _, i := range s.Indices {
				groups = append(groups, group{of.Key, series.Family(i)})
			}
		}
		for _, k := range groups {
			if old := newest[k]; old == nil || newer(s, old) {
				newest[k] = s
			}
		}
	}
	kept := map[string]cluster.Verdict{}
	for k, s := range newest {
		v := cluster.Verdict{Match: cluster.Yes}
		switch {
		case k.family == "" && members[k.series] == 1:
			v.Kept, v.Why = cluster.KeptSole, "it is the only snapshot of the series "+k.series
		case k.family == "":
			v.Why = "it is the newest good snapshot of the series " + k.series
		case kept[s.Name].Why == "":
			v.Why = "it is the newest good snapshot with indices " + k.family + " in what may be several series (" + k.series +
				"); the option series separates them"
		default:
			continue
		}
		kept[s.Name] = v
	}
	for name, v := range g.withData(all) {
		if kept[name].Why == "" {
			kept[name] = v
		}
	}
	return kept
}

// withData are the snapshots that are kept, too, where the newest good one of a series may
// contain no data, because it consists of indices that are mounted now: the newest good one
// that does not, or else the first good one.
func (g newestGood) withData(all []cluster.Item) map[string]cluster.Verdict {
	type good struct{ newest, full, first *cluster.Snapshot }
	bySeries := map[string]*good{}
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		if !s.Good() {
			continue
		}
		key := g.series(s).Key
		of := bySeries[key]
		if of == nil {
			of = &good{}
			bySeries[key] = of
		}
		if of.newest == nil || newer(s, of.newest) {
			of.newest = s
		}
		if of.first == nil || newer(of.first, s) {
			of.first = s
		}
		if !s.MountedOnly && (of.full == nil || newer(s, of.full)) {
			of.full = s
		}
	}
	kept := map[string]cluster.Verdict{}
	for key, of := range bySeries {
		switch {
		case !of.newest.MountedOnly:
		case of.full != nil:
			kept[of.full.Name] = cluster.Verdict{
				Match: cluster.Yes, Why: "it is the newest good snapshot of the series " + key + " that does not consist of mounted indices",
			}
		default:
			kept[of.first.Name] = cluster.Verdict{
				Match: cluster.Yes,
				Why: "it is a good snapshot of the series " + key +
					" whose indices are mounted now: only the first one surely contains their data",
			}
		}
	}
	return kept
}

func newer(a, b *cluster.Snapshot) bool {
	return a.Start.After(b.Start) || a.Start.Equal(b.Start) && a.Name > b.Name
}

// Rests are the newest good snapshots of the series of the selected snapshots.
func (g newestGood) Rests(selected, all []cluster.Item) []cluster.Item {
	touched := g.touched(selected)
	kept := g.newest(all)
	var rests []cluster.Item
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		if kept[s.Name].Match == cluster.Yes && touched[g.series(s).Key] {
			rests = append(rests, s)
		}
	}
	return rests
}

func (g newestGood) Judge(now time.Time, selected, all []cluster.Item) []cluster.Verdict {
	kept := g.newest(all)
	out := make([]cluster.Verdict, len(selected))
	for i, it := range selected {
		out[i] = cluster.Verdict{Match: cluster.No}
		v, newest := kept[it.ItemName()]
		if s, ok := it.(*cluster.Snapshot); newest && ok && g.overdue != nil && g.overdue(now, s) {
			out[i] = cluster.Verdict{Match: cluster.No, Warn: true, Why: v.Why + ", and is deleted because max_age demands it"}
		} else if newest {
			out[i] = v
		}
	}
	return out
}
