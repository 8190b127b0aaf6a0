package filters

import (
	"cmp"
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Space adds up the sizes of indices, last name or youngest first, and matches those with
// which the sum exceeds a limit.
type Space struct {
	DiskSpace         float64 `yaml:"disk_space" check:"required,nonzero" doc:"the limit, in GiB"`
	ThresholdBehavior string  `yaml:"threshold_behavior" check:"oneof=greater_than|less_than" doc:"which side of the limit matches"`
	UseAge            bool    `yaml:"use_age" doc:"youngest first, instead of by name"`
	Source            string  `yaml:"source" check:"oneof=name|creation_date|field_stats" doc:"where the date is read, with use_age"`
	Reverse           bool    `yaml:"reverse" doc:"last name first; with use_age it has no effect"`
	Dated
}

func newSpace() Filter {
	return &Space{ThresholdBehavior: "greater_than", Reverse: true, Dated: NewDated()}
}

// Validate implements Filter.
func (f *Space) Validate(list cluster.ListKind, given map[string]bool) error {
	if !f.UseAge {
		return nil
	}
	if f.Source == "" {
		return optionError("source", "is required when use_age is true")
	}
	return f.validate(f.Source, list, given)
}

// Needs implements Filter.
func (f *Space) Needs() []cluster.Need {
	needs := []cluster.Need{{Fact: cluster.FactStats}}
	if f.UseAge {
		needs = append(needs, f.needs(f.Source)...)
	}
	return needs
}

// Judge implements Filter.
func (f *Space) Judge(now time.Time, items []cluster.Item) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	var list []counted
	for n, it := range items {
		i, ok := it.(*cluster.Index)
		if !ok || i.Closed || i.Stats == nil {
			out[n] = unknown("it is closed: its size is unknown")
			continue
		}
		c := counted{at: n, name: i.Name}
		if f.UseAge {
			date, none := f.dateOf(f.Source, it, now.Location())
			if none != nil {
				out[n] = *none
				continue
			}
			c.date = date
		}
		list = append(list, c)
	}
	cluster.Sort(list, func(a, b counted) int {
		c := cmp.Compare(a.name, b.name)
		if f.UseAge {
			return cmp.Or(-a.date.Compare(b.date), -c)
		}
		if f.Reverse {
			return -c
		}
		return c
	})
	var sum int64
	for _, c := range list {
		sum += items[c.at].(*cluster.Index).Stats.Bytes
		total := float64(sum) / gib
		match := total > f.DiskSpace
		if f.ThresholdBehavior == "less_than" {
			match = total < f.DiskSpace
		}
		out[c.at] = verdict(match, fmt.Sprintf("with it the sum is %.2f GiB; the limit is %g GiB", total, f.DiskSpace))
	}
	return out
}
