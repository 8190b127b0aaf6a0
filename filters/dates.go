package filters

import (
	"errors"
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strftime"
)

// Dated are the options that set where a filter reads an item's date. Filters embed it.
type Dated struct {
	Timestring  string `yaml:"timestring" doc:"format of the date in names, for source name"`
	Field       string `yaml:"field" doc:"the date field, for source field_stats"`
	StatsResult string `yaml:"stats_result" check:"oneof=min_value|max_value" doc:"which end of the field's range to use, for source field_stats"`

	layout *strftime.Layout
}

// NewDated has the defaults of the options.
func NewDated() Dated { return Dated{StatsResult: "min_value"} }

const (
	byName       = "name"
	byCreation   = "creation_date"
	byFieldStats = "field_stats"
)

func (d *Dated) timestring() string { return d.Timestring }

// validate checks what the source needs and the list allows.
func (d *Dated) validate(source string, list cluster.ListKind, given map[string]bool) error {
	var errs []error
	if list == cluster.Snapshots {
		for _, key := range []string{"field", "stats_result"} {
			if given[key] {
				errs = append(errs, optionError(key, "applies to indices only; this is a list of snapshots"))
			}
		}
		if source == byFieldStats {
			errs = append(errs, optionError("source", "field_stats applies to indices only; this is a list of snapshots"))
		}
	}
	switch source {
	case byName:
		if d.Timestring == "" {
			errs = append(errs, optionError("timestring", "is required when source is name"))
			break
		}
		layout, err := strftime.NewLayout(d.Timestring)
		if err != nil {
			errs = append(errs, optionError("timestring", err.Error()))
		}
		d.layout = layout
	case byFieldStats:
		if d.Field == "" {
			errs = append(errs, optionError("field", "is required when source is field_stats"))
		}
	}
	return errors.Join(errs...)
}

func (d *Dated) needs(source string) []cluster.Need {
	if source == byFieldStats {
		return []cluster.Need{{Fact: cluster.FactFieldRange, Field: d.Field}}
	}
	return nil
}

// dateOf is an item's date by the source. Without a date it returns the verdict Unknown with
// the reason. Those of indices are in whole seconds, as Curator reads them.
func (d *Dated) dateOf(source string, it cluster.Item, loc *time.Location) (time.Time, *cluster.Verdict) {
	date, none := d.exactly(source, it, loc)
	if _, index := it.(*cluster.Index); index {
		date = date.Truncate(time.Second)
	}
	return date, none
}

func (d *Dated) exactly(source string, it cluster.Item, loc *time.Location) (time.Time, *cluster.Verdict) {
	none := func(warn bool, format string, args ...any) (time.Time, *cluster.Verdict) {
		return time.Time{}, &cluster.Verdict{Why: fmt.Sprintf(format, args...), Warn: warn}
	}
	switch source {
	case byName:
		f, ok, err := d.layout.Find(it.ItemName(), loc)
		switch {
		case err != nil:
			return none(true, "the date in its name cannot be read: %s", err)
		case !ok:
			return none(false, "its name does not have a date of the form %s", d.Timestring)
		}
		if _, snapshot := it.(*cluster.Snapshot); snapshot && f.Time.Unix() == 0 {
			return none(false, "the date in its name is 1970-01-01, which counts as no date")
		}
		return f.Time, nil
	case byFieldStats:
		index, ok := it.(*cluster.Index)
		if !ok || index.Closed {
			return none(false, "it is closed: its field %s cannot be read", d.Field)
		}
		r, ok := index.Fields[d.Field]
		if !ok || !r.Found {
			return none(false, "it does not have a value in the field %s", d.Field)
		}
		if d.StatsResult == "max_value" {
			return r.Max, nil
		}
		return r.Min, nil
	default:
		if it.CreatedAt().IsZero() {
			return none(false, "the cluster does not report its creation date")
		}
		return it.CreatedAt(), nil
	}
}

// scaleEpoch converts an epoch in milli-, micro- or nanoseconds to seconds.
func scaleEpoch(e int64) int64 {
	digits := len(fmt.Sprint(max(e, -e)))
	switch {
	case digits <= 10:
		return e
	case digits <= 13:
		return e / 1000
	}
	for range digits - 10 {
		e /= 10
	}
	return e
}

// reference is now, or a given epoch; 0 counts as not given (K15).
func reference(epoch int64, now time.Time) time.Time {
	if epoch == 0 {
		return now.Truncate(time.Second)
	}
	return time.Unix(scaleEpoch(epoch), 0).In(now.Location())
}

func day(t time.Time) string {
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.DateTime)
}
