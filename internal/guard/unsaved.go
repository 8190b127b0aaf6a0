package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// unsaved keeps indices that a snapshot action of this run selected, if neither that
// snapshot nor an earlier one contains a complete copy of them.
type unsaved struct{}

func newUnsaved(Options) Guard { return unsaved{} }

func (unsaved) Name() string          { return "unsaved" }
func (unsaved) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactSaved}} }

func (unsaved) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, func(i *cluster.Index) string { return i.Unsaved })
}
