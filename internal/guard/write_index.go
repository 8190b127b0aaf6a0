package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// writeIndex keeps an index that is explicitly the write index of an alias, or may be that of an
// alias that the user may not see.
type writeIndex struct{}

func newWriteIndex(o Options) Guard {
	if o.Lenient {
		return nil
	}
	return writeIndex{}
}

func (writeIndex) Name() string { return "write_index" }

func (writeIndex) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactWriteIndex}} }

func (writeIndex) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, (*cluster.Index).MayWrite)
}
