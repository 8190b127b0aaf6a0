package filters

import (
	"errors"
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strftime"
)

// Period matches items whose date is within a span of calendar units, both ends included.
type Period struct {
	Unit           string `yaml:"unit" check:"required,oneof=seconds|minutes|hours|days|weeks|months|years" doc:"the calendar unit"`
	Source         string `yaml:"source" check:"required,oneof=name|creation_date|field_stats" doc:"where the date is read"`
	PeriodType     string `yaml:"period_type" check:"oneof=relative|absolute" doc:"relative: counted from now; absolute: between two dates"`
	RangeFrom      *int64 `yaml:"range_from" doc:"first unit, counted from the current unit; -1 is the unit before"`
	RangeTo        *int64 `yaml:"range_to" doc:"last unit, counted in the same way"`
	DateFrom       string `yaml:"date_from" check:"scalar" doc:"first date, for absolute"`
	DateTo         string `yaml:"date_to" check:"scalar" doc:"last date, for absolute"`
	DateFromFormat string `yaml:"date_from_format" doc:"format of date_from"`
	DateToFormat   string `yaml:"date_to_format" doc:"format of date_to"`
	WeekStartsOn   string `yaml:"week_starts_on" check:"oneof=sunday|Sunday|SUNDAY|monday|Monday|MONDAY" doc:"first day of a week, for relative"`
	Epoch          int64  `yaml:"epoch" doc:"count from this epoch instead of now"`
	Intersect      bool   `yaml:"intersect" doc:"with field_stats: the whole range of the field must be within the period"`
	Dated

	from, to time.Time // of an absolute period, in UTC
}

func newPeriod() Filter {
	return &Period{PeriodType: "relative", WeekStartsOn: "sunday", Dated: NewDated()}
}

// Validate implements Filter.
func (f *Period) Validate(list cluster.ListKind, given map[string]bool) error {
	errs := []error{f.validate(f.Source, list, given)}
	if f.Intersect && list == cluster.Snapshots {
		errs = append(errs, optionError("intersect", "applies to indices only; this is a list of snapshots"))
	}
	if f.PeriodType == "absolute" {
		return errors.Join(append(errs, f.readDates())...)
	}
	if f.RangeFrom == nil {
		errs = append(errs, optionError("range_from", "is required for a relative period"))
	}
	if f.RangeTo == nil {
		errs = append(errs, optionError("range_to", "is required for a relative period"))
	}
	if f.RangeFrom != nil && f.RangeTo != nil && *f.RangeTo < *f.RangeFrom {
		errs = append(errs, optionError("range_to", "must not be less than range_from"))
	}
	if f.Unit == "seconds" || f.Unit == "minutes" {
		errs = append(errs, optionError("unit", f.Unit+" can be used with absolute periods only"))
	}
	return errors.Join(errs...)
}

func (f *Period) readDates() error {
	var errs []error
	read := func(key, text, format string) time.Time {
		switch {
		case text == "":
			errs = append(errs, optionError(key, "is required for an absolute period"))
		case format == "":
			errs = append(errs, optionError(key+"_format", "is required for an absolute period"))
		default:
			l, err := strftime.NewLayout(format)
			if err != nil {
				errs = append(errs, optionError(key+"_format", err.Error()))
				return time.Time{}
			}
			found, ok, err := l.Find(text, time.UTC)
			if err != nil || !ok {
				errs = append(errs, optionError(key, fmt.Sprintf("%q is not a date of the form %s", text, format)))
			}
			return found.Time
		}
		return time.Time{}
	}
	f.from = read("date_from", f.DateFrom, f.DateFromFormat)
	f.to = read("date_to", f.DateTo, f.DateToFormat)
	return errors.Join(errs...)
}

// Needs implements Filter.
func (f *Period) Needs() []cluster.Need { return f.needs(f.Source) }

// span is the first and last second of the period, both included.
func (f *Period) span(now time.Time) (start, end time.Time) {
	if f.PeriodType == "absolute" {
		loc := now.Location()
		start = inZone(f.from, loc)
		end = inZone(f.to, loc)
		switch f.Unit {
		case "months":
			end = startOf(end, "M", false)
			end = end.AddDate(0, 1, 0)
		case "years":
			end = startOf(end, "y", false).AddDate(1, 0, 0)
		default:
			end = shift(end, f.Unit, 1)
		}
		return start, end.Add(-time.Second)
	}
	unit := map[string]string{"hours": "h", "days": "d", "weeks": "w", "months": "M", "years": "y"}[f.Unit]
	sunday := f.WeekStartsOn[0] == 's' || f.WeekStartsOn[0] == 'S'
	base := startOf(reference(f.Epoch, now), unit, sunday)
	start = shift(base, f.Unit, *f.RangeFrom)
	end = shift(base, f.Unit, *f.RangeTo+1).Add(-time.Second)
	return start, end
}

func inZone(t time.Time, loc *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc)
}

func startOf(t time.Time, unit string, sunday bool) time.Time {
	if unit == "w" && sunday {
		t = strftime.Truncate(t, "d")
		return t.AddDate(0, 0, -int(t.Weekday()))
	}
	return strftime.Truncate(t, unit)
}

func shift(t time.Time, unit string, n int64) time.Time {
	switch unit {
	case "days":
		return t.AddDate(0, 0, int(n))
	case "weeks":
		return t.AddDate(0, 0, 7*int(n))
	case "months":
		return t.AddDate(0, int(n), 0)
	case "years":
		return t.AddDate(int(n), 0, 0)
	default:
		return t.Add(time.Duration(n*unitSeconds[unit]) * time.Second)
	}
}

// Judge implements Filter.
func (f *Period) Judge(now time.Time, items []cluster.Item) []cluster.Verdict {
	start, end := f.span(now)
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		t, none := f.dateOf(f.Source, it, now.Location())
		if none != nil {
			out[i] = *none
			continue
		}
		match := t.Unix() >= start.Unix() && t.Unix() <= end.Unix()
		if f.Intersect && f.Source == byFieldStats {
			r := it.(*cluster.Index).Fields[f.Field]
			match = r.Min.Unix() >= start.Unix() && r.Max.Unix() <= end.Unix()
		}
		word := "lies"
		if !match {
			word = "is not"
		}
		out[i] = verdict(match, fmt.Sprintf("its date %s %s between %s and %s", day(t.In(now.Location())), word, day(start), day(end)))
	}
	return out
}
