package filters

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/pyregex"
)

// unitSeconds are the fixed lengths of the units: a month is 30 days, a year 365.
var unitSeconds = map[string]int64{
	"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800, "months": 2592000, "years": 31536000,
}

// Age matches items older or younger than a reference point; an item that is exactly as
// old is neither.
type Age struct {
	Source           string `yaml:"source" check:"required,oneof=name|creation_date|field_stats" doc:"where the date is read; creation_date of a snapshot is its start"`
	Direction        string `yaml:"direction" check:"required,oneof=older|younger" doc:"which side of the reference point matches"`
	Unit             string `yaml:"unit" check:"required,oneof=seconds|minutes|hours|days|weeks|months|years" doc:"unit of unit_count; a month is 30 days, a year 365"`
	UnitCount        int64  `yaml:"unit_count" check:"required" doc:"number of units between the reference point and now"`
	Epoch            int64  `yaml:"epoch" doc:"count from this epoch instead of now; 0 means now; milliseconds and finer are scaled"`
	UnitCountPattern string `yaml:"unit_count_pattern" doc:"regular expression; its first group, found in the name of an index, replaces unit_count"`
	Dated

	perName *pyregex.Regexp
}

func newAge() Filter { return &Age{Dated: NewDated()} }

// Validate implements Filter.
func (f *Age) Validate(list cluster.ListKind, given map[string]bool) error {
	errs := []error{f.validate(f.Source, list, given)}
	if f.UnitCountPattern != "" {
		if list == cluster.Snapshots {
			errs = append(errs, optionError("unit_count_pattern", "applies to indices only; this is a list of snapshots"))
		}
		re, err := pyregex.Compile(f.UnitCountPattern)
		switch {
		case err != nil:
			errs = append(errs, tolerated("unit_count_pattern", err.Error()+noNumber))
		case re.Groups() == 0:
			errs = append(errs, tolerated("unit_count_pattern", "must have a group in parentheses that matches the number"+noNumber))
		default:
			f.perName = re
		}
	}
	return errors.Join(errs...)
}

// noNumber is the effect of an invalid unit_count_pattern where it is tolerated.
const noNumber = "; as it is written, it matches no name"

// Needs implements Filter.
func (f *Age) Needs() []cluster.Need { return f.needs(f.Source) }

// Judge implements Filter.
func (f *Age) Judge(now time.Time, items []cluster.Item) []cluster.Verdict {
	from := reference(f.Epoch, now)
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		t, unknown := f.dateOf(f.Source, it, now.Location())
		if unknown != nil {
			out[i] = *unknown
			continue
		}
		count, ok := f.count(it.ItemName())
		if !ok {
			out[i] = no("unit_count_pattern finds no number in its name")
			continue
		}
		most := math.MaxInt64 / 4 / unitSeconds[f.Unit] // a number found in a name may be very large
		point := from.Unix() - min(max(count, -most), most)*unitSeconds[f.Unit]
		match := t.Unix() < point
		if f.Direction == "younger" {
			match = t.Unix() > point
		}
		word := "is"
		if !match {
			word = "is not"
		}
		out[i] = verdict(match, fmt.Sprintf("its date %s %s %s than %d %s before %s", day(t.In(now.Location())), word,
			f.Direction, count, f.Unit, day(from)))
	}
	return out
}

// TakesOlder reports whether the filter selects items that are older than its reference
// point: also by excluding those that are younger.
func (f *Age) TakesOlder(exclude bool) bool { return (f.Direction == "older") != exclude }

// count is unit_count, or the number in the item's name. -1 as unit_count means
// that a name without a number does not match.
func (f *Age) count(name string) (int64, bool) {
	if f.UnitCountPattern == "" {
		return f.UnitCount, true
	}
	if f.perName != nil {
		if m, ok, err := f.perName.Search(name); err == nil && ok {
			if n, err := strconv.ParseInt(m.Groups[1], 10, 64); err == nil && n != 0 {
				return n, true
			}
		}
	}
	return f.UnitCount, f.UnitCount != -1
}
