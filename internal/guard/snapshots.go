package guard

import (
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// inProgress keeps running snapshots: deleting one aborts it.
type inProgress struct{}

func (inProgress) Name() string          { return "in_progress" }
func (inProgress) Needs() []cluster.Need { return nil }

func (inProgress) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(s *cluster.Snapshot) string {
		if s.State == cluster.InProgress {
			return "it is still running; deleting it would abort it (to select it on purpose, use a state filter for IN_PROGRESS)"
		}
		return ""
	})
}

// mounted keeps snapshots from which an index of the cluster is mounted: the index has
// its only data there. OpenSearch refuses such a deletion, Elasticsearch does not.
type mounted struct{}

func (mounted) Name() string          { return "mounted" }
func (mounted) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactMounts}} }

func (mounted) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(s *cluster.Snapshot) string {
		switch n := len(s.Mounted); {
		case n == 1:
			return "the index " + s.Mounted[0] + " is mounted from this snapshot"
		case n > 1:
			return fmt.Sprintf("%d indices are mounted from this snapshot, such as %s", n, s.Mounted[0])
		}
		return ""
	})
}

// newestGood keeps the newest good snapshot of each series, so that expiry never deletes
// the last good one. If the series is a guess, it also keeps the newest good snapshot of
// each family of indices in it.
type newestGood struct {
	series func(*cluster.Snapshot) cluster.Series
}

func (newestGood) Name() string          { return "keep_newest_good" }
func (newestGood) Needs() []cluster.Need { return nil }

// NeedsOf reports that contents are needed if a series is a guess.
func (g newestGood) NeedsOf(selected, all []cluster.Item) []cluster.Need {
	touched := g.touched(selected)
	for key := range g.guesses(all) {
		if touched[key] {
			return []cluster.Need{{Fact: cluster.FactContents}}
		}
	}
	return nil
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
		if series := g.series(s); series.Guess {
			keys[series.Key] = true
		}
	}
	return keys
}

// newest are the newest good snapshots that are kept, each with the reason.
func (g newestGood) newest(all []cluster.Item) map[string]string {
	type group struct{ series, family string }
	newest, members := map[group]*cluster.Snapshot{}, map[string]int{}
	guesses := g.guesses(all)
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		series := g.series(s)
		members[series.Key]++
		if !s.Good() {
			continue
		}
		groups := []group{{series.Key, ""}}
		if guesses[series.Key] {
			for _, i := range s.Indices {
				groups = append(groups, group{series.Key, cluster.Family(i)})
			}
		}
		for _, k := range groups {
			if old := newest[k]; old == nil || newer(s, old) {
				newest[k] = s
			}
		}
	}
	why := map[string]string{}
	for k, s := range newest {
		switch {
		case k.family == "" && members[k.series] == 1:
			why[s.Name] = Alone + k.series
		case k.family == "":
			why[s.Name] = "it is the newest good snapshot of the series " + k.series
		case why[s.Name] == "":
			why[s.Name] = "it is the newest good snapshot with indices " + k.family + " in what may be several series (" + k.series + "); the option series separates them"
		}
	}
	return why
}

// Alone begins the reason for a snapshot that is kept as the only one of its series, and
// so is never deleted.
const Alone = "it is the only snapshot of the series "

func newer(a, b *cluster.Snapshot) bool {
	return a.Start.After(b.Start) || a.Start.Equal(b.Start) && a.Name > b.Name
}

// Rests are the newest good snapshots of the series of the selected snapshots.
func (g newestGood) Rests(selected, all []cluster.Item) []cluster.Item {
	touched := g.touched(selected)
	why := g.newest(all)
	var rests []cluster.Item
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		if why[s.Name] != "" && touched[g.series(s).Key] {
			rests = append(rests, s)
		}
	}
	return rests
}

func (g newestGood) Judge(_ time.Time, selected, all []cluster.Item) []cluster.Verdict {
	why := g.newest(all)
	return each(selected, func(s *cluster.Snapshot) string { return why[s.Name] })
}
