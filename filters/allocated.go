package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Allocated matches indices with a rule of shard allocation.
type Allocated struct {
	Key            string `yaml:"key" check:"required" doc:"the node attribute"`
	Value          string `yaml:"value" check:"required" doc:"value of the attribute"`
	AllocationType string `yaml:"allocation_type" check:"oneof=require|include|exclude" doc:"the kind of rule"`
}

func newAllocated() Filter { return &Allocated{AllocationType: "require"} }

// Needs implements Filter.
func (*Allocated) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactSettings}} }

// Judge implements Filter.
func (f *Allocated) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	key := "index.routing.allocation." + f.AllocationType + "." + f.Key
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		if have := i.Settings[key]; have != "" {
			return verdict(have == f.Value, key+" is "+have)
		}
		return no(key + " is not set")
	})
}
