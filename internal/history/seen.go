package history

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/strftime"
)

// Seen are the days of families of indices that runs of a job saw: by the pattern of the
// names, the days. As JSON, the days are ranges: 2026-11-01/2026-11-07.
type Seen map[string]map[time.Time]bool

// remembered is how long a day is remembered, and maxSeen is the size of all days as JSON.
const (
	remembered = 800 * 24 * time.Hour
	maxSeen    = 16 << 10
)

// Add adds the day of an index, if its name has one.
func (s Seen) Add(index string) {
	pattern, ok := dates.DayPattern(index)
	if !ok {
		return
	}
	if day, _, ok := dates.Period(index); ok && strftime.Render(pattern, day) == index {
		s.add(pattern, day)
	}
}

func (s Seen) add(pattern string, day time.Time) {
	if s[pattern] == nil {
		s[pattern] = map[time.Time]bool{}
	}
	s[pattern][day] = true
}

// Names are the names of the indices.
func (s Seen) Names() map[string]bool {
	names := map[string]bool{}
	for pattern, days := range s {
		for day := range days {
			names[strftime.Render(pattern, day)] = true
		}
	}
	return names
}

// merge is both, as JSON, without what is too old; nil: nothing is known, or too much.
func (s Seen) merge(before json.RawMessage, now time.Time) json.RawMessage {
	all := Seen{}
	for _, from := range []Seen{parseSeen(before), s} {
		for pattern, days := range from {
			for day := range days {
				if now.Sub(day) < remembered {
					all.add(pattern, day)
				}
			}
		}
	}
	ranges := map[string][]string{}
	for pattern, days := range all {
		sorted := slices.SortedFunc(maps.Keys(days), time.Time.Compare)
		for i := 0; i < len(sorted); {
			last := i
			for last+1 < len(sorted) && sorted[last+1].Equal(sorted[last].AddDate(0, 0, 1)) {
				last++
			}
			ranges[pattern] = append(ranges[pattern], sorted[i].Format(time.DateOnly)+"/"+sorted[last].Format(time.DateOnly))
			i = last + 1
		}
	}
	text, err := json.Marshal(ranges)
	if err != nil || len(ranges) == 0 || len(text) > maxSeen {
		return nil
	}
	return text
}

// parseSeen reads what merge wrote. What cannot be read is left out.
func parseSeen(text json.RawMessage) Seen {
	s := Seen{}
	var ranges map[string][]string
	if json.Unmarshal(text, &ranges) != nil {
		return s
	}
	for pattern, list := range ranges {
		for _, r := range list {
			first, last, _ := strings.Cut(r, "/")
			from, err := time.Parse(time.DateOnly, first)
			to, err2 := time.Parse(time.DateOnly, last)
			if err != nil || err2 != nil || to.Sub(from) > remembered {
				continue
			}
			for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
				s.add(pattern, day)
			}
		}
	}
	return s
}

// Remember puts the days into the record, with those that the last record of the job has.
func (s Seen) Remember(ctx context.Context, c Reader, now time.Time, r *Record) error {
	before, err := last(ctx, c, now, r.Job, "seen", func(r Record) json.RawMessage { return r.Seen })
	if err != nil {
		return err
	}
	r.Seen = s.merge(before, r.Started)
	return nil
}

// SeenBy are the days that the runs of a job saw.
func SeenBy(ctx context.Context, c Reader, now time.Time, job string) (Seen, error) {
	text, err := last(ctx, c, now, job, "seen", func(r Record) json.RawMessage { return r.Seen })
	return parseSeen(text), err
}
