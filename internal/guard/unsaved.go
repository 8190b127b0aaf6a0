package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// unsaved spares indices that a snapshot action of this run selected, if that snapshot
// does not contain a complete copy of them, and no earlier one does.
type unsaved struct{}

func (unsaved) Name() string          { return "unsaved" }
func (unsaved) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactSaved}} }

func (unsaved) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(i *cluster.Index) string { return i.Unsaved })
}
