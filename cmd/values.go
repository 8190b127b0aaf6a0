package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strictyaml"
)

// The values of flags: each is read when the command line is, so that a wrong one is an
// error of its flag. An empty text is not read: noEmptyFlags reports it.

// whole is the value of a flag that takes a whole number with a lower bound. A number
// below the bound is a usage error; it does not count as a flag that was not given.
type whole[T int | int64] struct {
	to    *T
	least T
	most  T // 0: there is no upper bound
}

func (w whole[T]) String() string {
	if w.to == nil || *w.to < w.least { // not given
		return ""
	}
	return strconv.FormatInt(int64(*w.to), 10)
}

func (w whole[T]) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	switch wrong := err != nil || T(n) < w.least; {
	case w.most > 0 && (wrong || T(n) > w.most):
		return fmt.Errorf("expected a number from %d to %d", w.least, w.most)
	case wrong:
		return fmt.Errorf("expected a number, %d or more", w.least)
	}
	*w.to = T(n)
	return nil
}

func (w whole[T]) Type() string { return "int" }

// wholeFlag adds a flag that takes a number. While the flag is not given, its value is
// the lower bound minus one.
func wholeFlag[T int | int64](f *pflag.FlagSet, to *T, name string, least T, usage string) {
	*to = least - 1
	f.Var(whole[T]{to: to, least: least}, name, usage)
}

// percent is the value of a flag that takes a part of a whole; 0: not given.
type percent float64

func (p *percent) String() string {
	if *p == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*p), 'g', -1, 64)
}

// Type implements pflag.Value.
func (*percent) Type() string { return "float" }

// Set implements pflag.Value.
func (p *percent) Set(text string) error {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= 100) { // NaN is neither
		return errors.New("expected a number above 0, and 100 at most")
	}
	*p = percent(n)
	return nil
}

// enum is the value of a flag that takes one of a few words, in any case.
type enum struct {
	to    *string
	words []string
}

// enumFlag adds a flag that takes one of a few words.
func enumFlag(f *pflag.FlagSet, to *string, name, def, usage string, words ...string) {
	*to = def
	f.Var(&enum{to, words}, name, usage)
}

func (e *enum) String() string {
	if e.to == nil {
		return ""
	}
	return *e.to
}

// Type implements pflag.Value.
func (*enum) Type() string { return "word" }

// Set implements pflag.Value.
func (e *enum) Set(text string) error {
	at := slices.IndexFunc(e.words, func(word string) bool { return strings.EqualFold(word, text) })
	switch {
	case text == "":
		*e.to = ""
	case at < 0:
		last := len(e.words) - 1
		if last == 0 {
			return fmt.Errorf("expected %s", e.words[0])
		}
		return fmt.Errorf("expected %s or %s", strings.Join(e.words[:last], ", "), e.words[last])
	default:
		*e.to = e.words[at]
	}
	return nil
}

// duration is the value of a flag that takes a duration or an age, such as 45d.
type duration struct {
	text     string // as given; empty: not given
	length   time.Duration
	positive bool // 0 is refused
}

func (d *duration) String() string { return d.text }

// Type implements pflag.Value.
func (*duration) Type() string { return "duration" }

// Set implements pflag.Value.
func (d *duration) Set(text string) error {
	length, ok := strictyaml.ParseDuration(text)
	switch {
	case text == "":
		return nil
	case !ok:
		return errors.New("expected a duration such as 45d, 12h or 30m")
	case d.positive && length <= 0:
		return errors.New("expected a duration longer than 0, such as 30d or 12h")
	}
	d.text, d.length = text, length
	return nil
}

func (d *duration) given() bool { return d.text != "" }

// or is the duration, or another one if none was given.
func (d *duration) or(otherwise time.Duration) time.Duration {
	if d.given() {
		return d.length
	}
	return otherwise
}

// zone is the value of a flag that takes a time zone.
type zone struct {
	text string
	at   *time.Location
}

func (z *zone) String() string { return z.text }

// Type implements pflag.Value.
func (*zone) Type() string { return "zone" }

// Set implements pflag.Value.
func (z *zone) Set(text string) error {
	at, err := time.LoadLocation(text)
	if err != nil {
		return errors.New("expected a time zone such as Europe/Berlin")
	}
	z.text, z.at = text, at
	return nil
}

func (z *zone) given() bool { return z.text != "" }

// location is the zone, or UTC.
func (z *zone) location() *time.Location {
	if z.at == nil {
		return time.UTC
	}
	return z.at
}

// checkDurations has the flags of settings that are durations read at once, too. Their text
// stays what the settings are made from.
func checkDurations(c *cobra.Command) {
	for _, name := range []string{"timeout", "connect-timeout", "deadline"} {
		for _, fs := range []*pflag.FlagSet{c.PersistentFlags(), c.Flags()} {
			if f := fs.Lookup(name); f != nil && f.Value.Type() == "string" {
				f.Value = &duration{}
			}
		}
	}
	for _, sub := range c.Commands() {
		checkDurations(sub)
	}
}

// moment is the value of a flag that takes a time: RFC 3339, a date with or without a
// time (UTC), or an age such as 3d.
type moment struct {
	text string
	at   time.Time
	ago  time.Duration // of an age, which has no time of its own
}

func (m *moment) String() string { return m.text }

// Type implements pflag.Value.
func (*moment) Type() string { return "time" }

// Set implements pflag.Value.
func (m *moment) Set(text string) error {
	if text == "" {
		return nil
	}
	at, _, ok := parseTime(text)
	if !ok {
		ago, ok := strictyaml.ParseDuration(text)
		if !ok {
			return errors.New("expected a time such as 2026-11-21 or 2026-11-21T01:00:00Z, or an age such as 3d")
		}
		*m = moment{text: text, ago: ago}
		return nil
	}
	*m = moment{text: text, at: at}
	return nil
}

func (m *moment) given() bool { return m.text != "" }

// time is the time that is meant, now.
func (m *moment) time(now time.Time) time.Time {
	if m.at.IsZero() {
		return now.Add(-m.ago)
	}
	return m.at
}

// timeOfDay is the value of a flag that takes a time of day.
type timeOfDay struct {
	text string
	past time.Duration // since midnight
}

func (t *timeOfDay) String() string { return t.text }

// Type implements pflag.Value.
func (*timeOfDay) Type() string { return "time" }

// Set implements pflag.Value.
func (t *timeOfDay) Set(text string) error {
	if text == "" {
		return nil
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		return errors.New("expected a time of day such as 01:00")
	}
	t.text, t.past = text, time.Duration(at.Hour())*time.Hour+time.Duration(at.Minute())*time.Minute
	return nil
}

func (t *timeOfDay) given() bool { return t.text != "" }

// day is the value of a flag that takes a day or a time. Unless the text names its zone,
// another flag may do so.
type day struct {
	text   string
	layout string
}

func (d *day) String() string { return d.text }

// Type implements pflag.Value.
func (*day) Type() string { return "day" }

// Set implements pflag.Value.
func (d *day) Set(text string) error {
	if text == "" {
		return nil
	}
	_, layout, ok := parseTime(text)
	if !ok {
		return errors.New("expected a day such as 2026-11-12, or a time such as 2026-11-12T09:00")
	}
	d.text, d.layout = text, layout
	return nil
}

func (d *day) given() bool { return d.text != "" }

// span is the day, with its end, or the time, which ends where it starts.
func (d *day) span(zone *time.Location) (start, end time.Time) {
	start, _ = time.ParseInLocation(d.layout, d.text, zone) // Set has read it
	if d.layout == time.DateOnly || d.layout == cluster.DottedDay {
		return start, start.AddDate(0, 0, 1)
	}
	return start, start
}

// parseTime reads a day or a time, in UTC unless the text names its zone.
func parseTime(text string) (at time.Time, layout string, ok bool) {
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly, cluster.DottedDay,
	} {
		if at, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return at, layout, true
		}
	}
	return at, "", false
}
