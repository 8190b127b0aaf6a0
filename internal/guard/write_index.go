package guard

import (
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// writeIndex keeps an index that is explicitly the write index of an alias.
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
	return each(selected, cluster.KeptOther, func(i *cluster.Index) string {
		if len(i.WriteAliases) > 0 {
			return "it is the write index of the alias " + strings.Join(i.WriteAliases, ", ")
		}
		return ""
	})
}
