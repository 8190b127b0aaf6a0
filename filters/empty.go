package filters

import (
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Empty matches open indices without documents. Its exclude is false, so it selects only
// those.
type Empty struct{}

func newEmpty() Filter { return &Empty{} }

// Needs implements Filter.
func (*Empty) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactStats}} }

// Judge implements Filter.
func (*Empty) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		if i.Closed || i.Stats == nil {
			return unknown("it is closed: its number of documents is unknown")
		}
		return verdict(i.Stats.Docs == 0, fmt.Sprintf("it has %d documents", i.Stats.Docs))
	})
}
