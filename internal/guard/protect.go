package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// protect keeps what the option protect of the action names.
type protect struct{ patterns []string }

func newProtect(o Options) Guard {
	if len(o.Protect) == 0 {
		return nil
	}
	return protect{o.Protect}
}

func (protect) Name() string { return "protect" }
func (g protect) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, func(i *cluster.Index) string {
		for _, p := range g.patterns {
			if cluster.MatchName(p, i.Name) {
				return "it matches the protected pattern " + p
			}
		}
		return ""
	})
}
