package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Closed matches closed indices; its exclude is true by default.
type Closed struct{}

func newClosed() Filter { return &Closed{} }

// Changing marks the filter: an index may be opened or closed while a deletion waits.
func (*Closed) Changing() {}

// Judge implements Filter.
func (*Closed) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict { return verdict(i.Closed, "it is "+openOrClosed(i)) })
}

func openOrClosed(i *cluster.Index) string {
	if i.Closed {
		return "closed"
	}
	return "open"
}
