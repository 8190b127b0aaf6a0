package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// RestoreMark is the name of the guard that keeps restored indices.
const RestoreMark = "restore_mark"

// restoreMark keeps indices that a restore has marked as protected.
type restoreMark struct{}

func newRestoreMark(Options) Guard { return restoreMark{} }

func (restoreMark) Name() string { return RestoreMark }
func (restoreMark) Judge(now time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(i *cluster.Index) string {
		if until := i.KeepUntil(); until.After(now) {
			return "restored; protected until the end of " + until.AddDate(0, 0, -1).Format("2006-01-02") + " (UTC)"
		}
		return ""
	})
}
