package filters

import (
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Forcemerged matches indices that already have as few segments as after a merge. Its
// exclude is true by default.
type Forcemerged struct {
	MaxNumSegments int64 `yaml:"max_num_segments" check:"required,min=1" doc:"segments per shard"`
}

func newForcemerged() Filter { return &Forcemerged{} }

// Needs implements Filter.
func (*Forcemerged) Needs() []cluster.Need {
	return []cluster.Need{{Fact: cluster.FactSettings}, {Fact: cluster.FactSegments}}
}

// Judge implements Filter.
func (f *Forcemerged) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		if i.Closed || i.Segments == nil {
			return unknown("it is closed: its number of segments is unknown")
		}
		copies := i.Primaries * (1 + i.Replicas)
		return verdict(int64(*i.Segments) <= int64(copies)*f.MaxNumSegments,
			fmt.Sprintf("it has %d segments in %d shards; the limit is %d segments per shard", *i.Segments, copies, f.MaxNumSegments))
	})
}
