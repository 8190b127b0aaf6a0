package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
)

// writeIndex keeps an index that is explicitly the write index of an alias, or may be that of an
// alias that the user may not see: where it may not see all of them, an index whose name does not
// say that it has ended.
type writeIndex struct{}

func newWriteIndex(o Options) Guard {
	if o.Lenient {
		return nil
	}
	return writeIndex{}
}

func (writeIndex) Name() string { return "write_index" }

func (writeIndex) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactWriteIndex}} }

func (writeIndex) Judge(now time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, func(i *cluster.Index) string {
		why := i.MayWrite()
		if end := dates.PeriodBy(i.Name, i.Created).End; why == "" && i.AliasesHidden && (end.IsZero() || end.After(now)) {
			why = "it may be the write index of an alias that the user may not see (monitor, or view_index_metadata on all names)"
		}
		return why
	})
}
