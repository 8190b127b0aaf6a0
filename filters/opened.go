package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Opened matches open indices; its exclude is true by default.
type Opened struct{}

func newOpened() Filter { return &Opened{} }

// Changing marks the filter: an index may be opened or closed while a deletion waits.
func (*Opened) Changing() {}

// Judge implements Filter.
func (*Opened) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict { return verdict(!i.Closed, "it is "+openOrClosed(i)) })
}
