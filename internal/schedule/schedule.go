// Package schedule computes when a job is due. It never waits and reads no clock.
package schedule

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"

	"github.com/esnap/esnap/internal/strictyaml"
)

// DefaultDeadline is how long after its time a run that was missed is still made.
const DefaultDeadline = 2 * time.Hour

// Spec is a schedule as it is written.
type Spec struct {
	// Text is a line of cron with five fields, or six with the seconds first, or a word
	// such as @daily or @every 10m. H is a number that the job's name decides.
	Text string
	// Zone is the time zone of the text; nil: UTC.
	Zone *time.Location
	// Jitter is the longest time by which a run is put off. How long, the name of the job
	// and the time decide: all replicas compute the same.
	Jitter time.Duration
	// Deadline is how long after its time a run that was missed is still made.
	Deadline time.Duration
}

// String is the schedule with its zone as text; empty: there is none.
func (s Spec) String() string {
	if s.Text == "" {
		return ""
	}
	zone := "UTC"
	if s.Zone != nil {
		zone = s.Zone.String()
	}
	return strings.Join(strings.Fields(s.Text), " ") + " " + zone
}

// LoadZone finds a time zone by its name; UTC, and an error, if there is none.
func LoadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC, fmt.Errorf("timezone: unknown time zone %q; example: Europe/Berlin", name)
	}
	return zone, nil
}

// Same says whether two schedules mean the same.
func (s Spec) Same(o Spec) bool {
	zone := s.Zone.String() == o.Zone.String() // each load makes another pointer
	s.Zone, o.Zone = nil, nil
	return zone && s == o
}

// Schedule is when one job is due.
type Schedule struct {
	Spec
	job   string
	times cron.Schedule
	every time.Duration // of @every; 0: times
}

// parser reads what crontab reads: if both the day of the month and that of the week are
// given, one is enough.
var parser = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow |
	cron.Descriptor | cron.Hash |
	cron.DowOrDom)

// New reads a schedule for a job. The error says what is wrong with the text.
func New(s Spec, job string) (*Schedule, error) {
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	s.Text = strings.Join(strings.Fields(s.Text), " ")
	x := &Schedule{Spec: s, job: job}
	var err error
	switch length, every := strings.CutPrefix(s.Text, "@every "); {
	case s.Text == "":
		return nil, errors.New("the schedule is empty")
	case strings.Contains(s.Text, "TZ="):
		return nil, errors.New("the time zone does not belong into the schedule: set timezone beside it")
	case strings.HasPrefix(s.Text, "@reboot"):
		return nil, errors.New("@reboot says no time of day")
	case every:
		d, ok := strictyaml.ParseDuration(length)
		if !ok || d < time.Second || d%time.Second != 0 {
			return nil, fmt.Errorf("@every takes a time in whole seconds, such as @every 10m, not %q", length)
		}
		x.every = d
		return x, x.bounded()
	case !strings.HasPrefix(s.Text, "@"):
		if err := wellFormed(s.Text); err != nil {
			return nil, err
		}
	}
	if x.times, err = parser.ParseWithHashKey(x.everyMonth(), job); err != nil {
		return nil, fmt.Errorf("the schedule %q cannot be read: %w", s.Text, err)
	}
	if x.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("the schedule %q never comes", s.Text)
	}
	return x, x.bounded()
}

// everyMonth is the text with a day for H that every month has, as in Jenkins.
func (s *Schedule) everyMonth() string {
	fields := strings.Fields(s.Text)
	if day := len(fields) - 3; day >= 2 && !strings.HasPrefix(s.Text, "@") && fields[day] == "H" {
		fields[day] = "H(1-28)"
	}
	return strings.Join(fields, " ")
}

// wellFormed finds what the parser takes and nobody means.
func wellFormed(text string) error {
	fields := strings.Fields(text)
	if n := len(fields); n != 5 && n != 6 {
		return fmt.Errorf("a schedule has five fields (minute, hour, day, month, weekday), or six with the seconds first; %q has %d", text, n)
	}
	for i, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			_, end, isRange := strings.Cut(item, "-")
			day := len(fields) - 3 // days and months begin with 1
			begin, _, _ := strings.Cut(item, "/")
			switch {
			case strings.HasPrefix(item, "*-") || strings.HasPrefix(item, "*") && begin != "*":
				return fmt.Errorf("the schedule %q cannot be read: * means all and has no end, in %q", text, field)
			case begin == "60" && i < len(fields)-3:
				return fmt.Errorf("the schedule %q cannot be read: %q is more than 59", text, field)
			case item == "":
				return fmt.Errorf("the schedule %q cannot be read: a value is missing beside a comma in %q", text, field)
			case isRange && end == "0" && (i == day || i == day+1):
				return fmt.Errorf("the schedule %q cannot be read: there is no 0 in %q, days and months begin with 1", text, field)
			}
		}
	}
	return nil
}

// ErrJitter is a jitter as long as the time between two runs: while a run is put off, the
// next one comes, and is put off, too.
var ErrJitter = errors.New("jitter: must be shorter than the time from one run to the next")

func (s *Schedule) bounded() error {
	if s.Jitter > 0 {
		if _, shortest := s.intervals(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)); s.Jitter >= shortest {
			return ErrJitter
		}
	}
	return nil
}

// Next is the first time after t at which the job is due, in the zone of the schedule. The
// jitter is not in it.
//
// As with cron, a job that is not due in every hour is due once where the clocks are put back;
// and a time that they skip comes when they would have shown it, at 03:30 for 02:30.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.every > 0 { // counted from a fixed time, so that all replicas agree
		return t.Truncate(s.every).Add(s.every).In(s.Zone)
	}
	for at := t.In(s.Zone); ; {
		start, end := at.ZoneBounds()
		next := s.between(start, at, t)
		if next.IsZero() || end.IsZero() || next.Before(end) {
			return next.In(s.Zone)
		}
		at = end
	}
}

// between is the first time after t at which the job is due by the clocks as they have been since
// start, and are at the time at. The library is asked with an offset from UTC, never with a zone:
// it then reads a calendar in which each time comes once.
func (s *Schedule) between(start, at, t time.Time) time.Time {
	after := func(from time.Time, offset int) time.Time {
		if from = from.Add(-time.Nanosecond); from.Before(t) {
			from = t
		}
		return s.times.Next(from.In(time.FixedZone("", offset)))
	}
	_, offset := at.Zone()
	if start.IsZero() || s.everyHour() {
		return after(start, offset)
	}
	_, before := start.Add(-time.Nanosecond).Zone()
	put := time.Duration(offset-before) * time.Second
	if put < 0 { // until then they show what they have shown before
		return after(start.Add(-put), offset)
	}
	next := after(start, offset)
	if skipped := after(start, before); skipped.Before(start.Add(put)) && skipped.Before(next) {
		return skipped
	}
	return next
}

// everyHour says that the job is due in each hour: it keeps its distance whatever the clocks do.
func (s *Schedule) everyHour() bool {
	const all = 1<<24 - 1
	x, ok := s.times.(*cron.SpecSchedule)
	return ok && x.Hour&all == all
}

// Due is the last time at which the job was due, from from (not included) to now
// (included); zero: none.
func (s *Schedule) Due(from, now time.Time) time.Time {
	var due time.Time
	for t := s.Next(from); !t.IsZero() && !t.After(now); t = s.Next(t) {
		due = t
	}
	return due
}

// Delay is the jitter of the run that is due at t.
func (s *Schedule) Delay(t time.Time) time.Duration {
	if s.Jitter < time.Second {
		return 0
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", s.job, t.Unix())
	return time.Duration(h.Sum64()%uint64(s.Jitter/time.Second)) * time.Second
}

// Interval is the time from one run to the next; if it differs, the longest of the next few,
// and of those of a day before and after now: a schedule may have a pause each night.
func (s *Schedule) Interval(now time.Time) time.Duration {
	longest, _ := s.intervals(now)
	return longest
}

// intervals are the longest and the shortest time from one run to the next.
func (s *Schedule) intervals(now time.Time) (longest, shortest time.Duration) {
	const day, most = 26 * time.Hour, 3000 // two days of minutes; a schedule of seconds has no end here
	few := 10
	for n, t := 0, s.Next(now.Add(-day)); n < most && few > 0; n++ {
		next := s.Next(t)
		if next.IsZero() {
			break
		}
		if next.Sub(now) > day {
			few--
		}
		d := next.Sub(t)
		longest, t = max(longest, d), next
		if shortest == 0 || d < shortest {
			shortest = d
		}
	}
	return longest, shortest
}
