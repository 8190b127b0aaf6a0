package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// restoreMark keeps indices that a restore has marked as protected.
type restoreMark struct{}

func newRestoreMark(Options) Guard { return restoreMark{} }

func (restoreMark) Name() string { return "restore_mark" }
func (restoreMark) Judge(now time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptMarked, func(i *cluster.Index) string {
		if until := i.KeepUntil(); until.After(now) {
			return "restored; protected until the end of " + cluster.Day(until.AddDate(0, 0, -1)) + " (UTC)"
		}
		return ""
	})
}
