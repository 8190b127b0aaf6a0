package guard

import (
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// mounted keeps snapshots from which an index of the cluster is mounted: the index has
// its only data there. OpenSearch refuses such a deletion, Elasticsearch does not.
type mounted struct{}

func newMounted(Options) Guard { return mounted{} }

func (mounted) Name() string          { return "mounted" }
func (mounted) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactMounts}} }

func (mounted) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, cluster.KeptOther, func(s *cluster.Snapshot) string {
		switch n := len(s.Mounted); {
		case n == 1:
			return "the index " + s.Mounted[0] + " is mounted from this snapshot"
		case n > 1:
			return fmt.Sprintf("%d indices are mounted from this snapshot, such as %s", n, s.Mounted[0])
		}
		return ""
	})
}
