package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// None keeps everything; it is how a file says "all" on purpose.
type None struct{}

func newNone() Filter { return &None{} }

// Validate implements Filter.
func (*None) Validate(cluster.ListKind, map[string]bool) error { return nil }

// Needs implements Filter.
func (*None) Needs() []cluster.Need { return nil }

// Judge implements Filter.
func (*None) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i := range out {
		out[i] = yes("everything is selected")
	}
	return out
}
