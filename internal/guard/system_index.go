package guard

import (
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// systemIndex keeps system indices that are not named on purpose; or only warns.
type systemIndex struct {
	exact    []string
	warnOnly bool
}

func newSystemIndex(o Options) Guard {
	if o.SystemNamed {
		return nil
	}
	return systemIndex{exact: o.NamedExactly, warnOnly: o.Lenient}
}

func (systemIndex) Name() string { return "system_index" }
func (g systemIndex) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	out := each(selected, cluster.KeptOther, func(i *cluster.Index) string {
		if i.System && !slices.Contains(g.exact, i.Name) {
			return "it is a system index, and no filter names it (with a pattern that starts with a dot)"
		}
		return ""
	})
	if g.warnOnly {
		for i := range out {
			if out[i].Match == cluster.Yes {
				out[i] = cluster.Verdict{
					Match: cluster.No,
					Warn:  true,
					Why:   "it is a system index that no filter names; it will be deleted, as Curator does",
				}
			}
		}
	}
	return out
}
