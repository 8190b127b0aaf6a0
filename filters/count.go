package filters

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/pyregex"
)

// Count sorts the items and matches the first N. Its exclude is true by default, so it
// keeps the newest.
type Count struct {
	Count   int64  `yaml:"count" check:"required,min=1" doc:"number of items that match"`
	UseAge  bool   `yaml:"use_age" doc:"sort by age instead of by name"`
	Source  string `yaml:"source" check:"oneof=name|creation_date|field_stats" doc:"where the date is read, with use_age"`
	Reverse bool   `yaml:"reverse" doc:"last name or youngest first"`
	Pattern string `yaml:"pattern" doc:"regular expression with one group, matched at the start of index names; indices with different text in the group are counted separately"`
	Dated

	groups *pyregex.Regexp
}

func newCount() Filter { return &Count{Reverse: true, Dated: NewDated()} }

// Validate implements Filter.
func (f *Count) Validate(list cluster.ListKind, given map[string]bool) error {
	var errs []error
	if f.UseAge {
		if f.Source == "" {
			errs = append(errs, optionError("source", "is required when use_age is true"))
		}
		errs = append(errs, f.validate(f.Source, list, given))
	}
	if f.Pattern != "" {
		if list == cluster.Snapshots {
			errs = append(errs, optionError("pattern", "applies to indices only; this is a list of snapshots"))
		}
		re, err := pyregex.CompileAtStart(f.Pattern)
		switch {
		case err != nil:
			errs = append(errs, optionError("pattern", err.Error()))
		case re.Groups() != 1:
			errs = append(errs, optionError("pattern", fmt.Sprintf("must have exactly one group in parentheses, but has %d", re.Groups())))
		}
		f.groups = re
	}
	return errors.Join(errs...)
}

// Needs implements Filter.
func (f *Count) Needs() []cluster.Need {
	if f.UseAge {
		return f.needs(f.Source)
	}
	return nil
}

type counted struct {
	at   int
	name string
	date time.Time
}

// Judge implements Filter.
func (f *Count) Judge(now time.Time, items []cluster.Item) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	groups := map[string][]counted{}
	for i, it := range items {
		c := counted{at: i, name: it.ItemName()}
		if f.UseAge {
			if index, ok := it.(*cluster.Index); ok && index.Closed && f.Source != byName {
				out[i] = unknown("it is closed: closed indices are not counted by age")
				continue
			}
			date, none := f.dateOf(f.Source, it, now.Location())
			if none != nil {
				out[i] = *none
				continue
			}
			c.date = date
		}
		group := ""
		if f.groups != nil {
			m, ok, err := f.groups.Search(c.name)
			if err != nil || !ok {
				out[i] = unknown("its name does not match the pattern " + f.Pattern)
				continue
			}
			group = m.Groups[1]
		}
		groups[group] = append(groups[group], c)
	}
	for group, list := range groups {
		cluster.Sort(list, func(a, b counted) int { return f.compare(a, b, items) })
		what := "by name"
		if f.UseAge {
			what = "by age"
		}
		if f.groups != nil {
			what += " in the group " + group
		}
		for rank, c := range list {
			out[c.at] = verdict(rank < int(f.Count), fmt.Sprintf("it is number %d of %d %s; the first %d match", rank+1, len(list), what, f.Count))
		}
	}
	return out
}

// compare orders by age, with ties by name for indices and as listed for snapshots; or
// by name. Reverse reverses both.
func (f *Count) compare(a, b counted, items []cluster.Item) int {
	c := 0
	if f.UseAge {
		c = a.date.Compare(b.date)
	}
	if _, index := items[a.at].(*cluster.Index); c == 0 && (index || !f.UseAge) {
		c = cmp.Compare(a.name, b.name)
	}
	if f.Reverse {
		return -c
	}
	return c
}
