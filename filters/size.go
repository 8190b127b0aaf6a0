package filters

import (
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// gib is the unit of sizes in filters.
const gib = 1 << 30

// Size matches indices by their size.
type Size struct {
	SizeThreshold     float64 `yaml:"size_threshold" check:"required,nonzero" doc:"the size to compare with, in GiB"`
	ThresholdBehavior string  `yaml:"threshold_behavior" check:"oneof=greater_than|less_than" doc:"which side of the threshold matches"`
	SizeBehavior      string  `yaml:"size_behavior" check:"oneof=primary|total" doc:"count primary shards only, or also replicas"`
}

func newSize() Filter { return &Size{ThresholdBehavior: "greater_than", SizeBehavior: "primary"} }

// Needs implements Filter.
func (*Size) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactStats}} }

// Judge implements Filter.
func (f *Size) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		if i.Closed || i.Stats == nil {
			return unknown("it is closed: its size is unknown")
		}
		bytes := i.Stats.PrimaryBytes
		if f.SizeBehavior == "total" {
			bytes = i.Stats.Bytes
		}
		size := float64(bytes) / gib
		match := size > f.SizeThreshold
		if f.ThresholdBehavior == "less_than" {
			match = size < f.SizeThreshold
		}
		return verdict(match, fmt.Sprintf("its size is %.2f GiB", size))
	})
}
