package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// inProgress spares running snapshots: deleting one aborts it.
type inProgress struct{}

func (inProgress) Name() string          { return "in_progress" }
func (inProgress) Needs() []cluster.Need { return nil }

func (inProgress) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(s *cluster.Snapshot) string {
		if s.State == cluster.InProgress {
			return "it is still running; deleting it would abort it (a state filter for IN_PROGRESS selects it on purpose)"
		}
		return ""
	})
}

// newestGood spares the newest good snapshot of each series, so that expiry can
// never take the last one that can be relied on.
type newestGood struct {
	series func(*cluster.Snapshot) string
}

func (newestGood) Name() string          { return "keep_newest_good" }
func (newestGood) Needs() []cluster.Need { return nil }

func (g newestGood) Judge(_ time.Time, selected, all []cluster.Item) []cluster.Verdict {
	newest := map[string]*cluster.Snapshot{}
	for _, s := range cluster.Of[*cluster.Snapshot](all) {
		if !s.Good() {
			continue
		}
		key := g.series(s)
		if old := newest[key]; old == nil || s.Start.After(old.Start) || s.Start.Equal(old.Start) && s.Name > old.Name {
			newest[key] = s
		}
	}
	return each(selected, func(s *cluster.Snapshot) string {
		key := g.series(s)
		if n := newest[key]; n != nil && n.Name == s.Name {
			return "it is the newest good snapshot of the series " + key
		}
		return ""
	})
}
