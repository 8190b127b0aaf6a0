package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Good matches good snapshots (esnap's own filter).
type Good struct{}

func newGood() Filter { return &Good{} }

// Changing marks the filter: the state of a snapshot may change while a deletion waits.
func (*Good) Changing() {}

// Judge implements Filter.
func (*Good) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(s *cluster.Snapshot) cluster.Verdict {
		if s.Good() {
			return yes("it is good")
		}
		return no("it is not good: its " + s.WhyNotGood())
	})
}
