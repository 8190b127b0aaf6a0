package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// None matches everything; with it a file selects "all" on purpose.
type None struct{}

func newNone() Filter { return &None{} }

// Judge implements Filter.
func (*None) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i := range out {
		out[i] = yes("everything is selected")
	}
	return out
}
