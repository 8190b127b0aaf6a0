package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// ILM matches indices that a lifecycle policy manages. Its exclude is true by default. It
// is also added to every action on indices that does not set allow_ilm_indices.
type ILM struct{}

func newILM() Filter { return &ILM{} }

// Changing marks the filter: the policy of an index may change while a deletion waits.
func (*ILM) Changing() {}

// Judge implements Filter.
func (*ILM) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		if i.Lifecycle != "" {
			return yes("the lifecycle policy " + i.Lifecycle + " manages it (allow_ilm_indices: true selects it anyway)")
		}
		return no("no lifecycle policy manages it")
	})
}
