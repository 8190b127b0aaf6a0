package filters

import (
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Shards matches indices by their number of primary shards.
type Shards struct {
	NumberOfShards int64  `yaml:"number_of_shards" check:"required,min=1" doc:"the number to compare with"`
	Behavior       string `yaml:"shard_filter_behavior" check:"oneof=greater_than|greater_than_or_equal|less_than|less_than_or_equal|equal" doc:"how to compare"`
}

func newShards() Filter { return &Shards{Behavior: "greater_than"} }

// Validate implements Filter.
func (f *Shards) Validate(cluster.ListKind, map[string]bool) error {
	if f.Behavior == "less_than" && f.NumberOfShards == 1 {
		return optionError("number_of_shards", "must be 1 or more: every index has a shard")
	}
	return nil
}

// Needs implements Filter.
func (*Shards) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactSettings}} }

// Judge implements Filter.
func (f *Shards) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		if i.Primaries == 0 {
			return unknown("its number of shards is unknown")
		}
		n, want := int64(i.Primaries), f.NumberOfShards
		match := map[string]bool{
			"greater_than": n > want, "greater_than_or_equal": n >= want, "less_than": n < want, "less_than_or_equal": n <= want, "equal": n == want,
		}[f.Behavior]
		return verdict(match, fmt.Sprintf("it has %d primary shards", n))
	})
}
