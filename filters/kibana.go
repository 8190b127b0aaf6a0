package filters

import (
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Kibana matches Kibana's own indices. Its exclude is true by default, so they are kept.
type Kibana struct{}

func newKibana() Filter { return &Kibana{} }

// Judge implements Filter.
func (*Kibana) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		if strings.HasPrefix(i.Name, ".kibana") {
			return yes("it belongs to Kibana")
		}
		return no("it does not belong to Kibana")
	})
}
