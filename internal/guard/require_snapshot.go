package guard

import (
	"fmt"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
)

// Copies are the copies that an index must have before it is deleted.
type Copies struct {
	Repositories []string
	Min          int  // repositories that must contain one
	Complete     bool // made after the index was written to for the last time
	Rules        coverage.Rules
}

// requireSnapshot keeps indices that snapshots do not contain, as the option
// require_snapshot of the action asks.
type requireSnapshot struct{ Copies }

func newRequireSnapshot(o Options) Guard {
	if o.Copies == nil {
		return nil
	}
	return requireSnapshot{*o.Copies}
}

func (requireSnapshot) Name() string { return "require_snapshot" }

func (g requireSnapshot) Needs() []cluster.Need {
	var needs []cluster.Need
	for _, r := range g.Repositories {
		needs = append(needs, cluster.Need{Fact: cluster.FactHolders, Field: r})
	}
	return needs
}

func (g requireSnapshot) Judge(_ time.Time, selected, all []cluster.Item) []cluster.Verdict {
	live := cluster.ByName(cluster.Of[*cluster.Index](all))
	return each(selected, cluster.KeptUnproven, func(i *cluster.Index) string {
		if i.Mount != nil {
			return "it is mounted from a snapshot: snapshots of it contain no data"
		}
		held := 0
		var lacking []string
		for _, r := range g.Repositories {
			if why := g.lacks(i, r, live); why != "" {
				lacking = append(lacking, why)
			} else {
				held++
			}
		}
		if held >= g.Min {
			return ""
		}
		return strings.Join(lacking, "; ")
	})
}

// lacks is why a repository has no copy that is good enough; empty if it has one.
func (g requireSnapshot) lacks(i *cluster.Index, repository string, live map[string]*cluster.Index) string {
	holders := i.Holders[repository]
	copies := coverage.CopiesOf(i, holders, live, g.Rules)
	undamaged := false
	for _, c := range copies {
		if c.Complete() || c.AllShards && !g.Complete {
			return ""
		}
		undamaged = undamaged || c.AllShards
	}
	at, known := coverage.Ended(i, live, g.Rules)
	switch {
	case len(holders) == 0:
		return "no snapshot in " + repository + " contains it"
	case len(copies) == 0:
		return "the snapshots in " + repository +
			" that contain an index of this name are older than the index, or another cluster took them"
	case !undamaged:
		last := copies[len(copies)-1].Snapshot
		return fmt.Sprintf("shards are missing from every copy in %s, such as that in %s (%s)", repository, last.Name, last.State)
	case known:
		return fmt.Sprintf("no snapshot in %s that contains it was started after %s, when it was written to for the last time",
			repository, cluster.Minutes(at))
	}
	return "cannot tell when it was written to for the last time, so that no copy in " + repository + " counts as complete"
}
