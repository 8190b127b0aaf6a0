package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// inProgress keeps running snapshots: deleting one aborts it.
type inProgress struct{}

func newInProgress(o Options) Guard {
	if o.InProgressNamed {
		return nil
	}
	return inProgress{}
}

func (inProgress) Name() string { return "in_progress" }
func (inProgress) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, func(s *cluster.Snapshot) string {
		if s.State == cluster.InProgress {
			return "it is still running; deleting it would abort it (to select it on purpose, use a state filter for IN_PROGRESS)"
		}
		return ""
	})
}
