package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// foreign keeps snapshots that another cluster took.
type foreign struct{}

func newForeign(Options) Guard { return foreign{} }

func (foreign) Name() string { return "foreign" }

func (foreign) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, func(s *cluster.Snapshot) string {
		if s.Elsewhere {
			return "another cluster took it: " + s.Cluster
		}
		return ""
	})
}
