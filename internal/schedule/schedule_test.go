package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return v
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

// TestNext: the next three times of a schedule.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		text, zone, from string
		want             []string
	}{
		{"0 1 * * *", "UTC", "2026-11-29T14:00:00Z", []string{"2026-11-30T01:00:00Z", "2026-12-01T01:00:00Z", "2026-12-02T01:00:00Z"}},
		{"  0  1 * * * ", "UTC", "2026-11-29T14:00:00Z", []string{"2026-11-30T01:00:00Z"}},
		{"0/10 * * * * *", "UTC", "2026-11-29T14:00:01Z", []string{"2026-11-29T14:00:10Z", "2026-11-29T14:00:20Z"}}, // six fields: seconds
		{"30 0 1 * * *", "UTC", "2026-11-29T14:00:01Z", []string{"2026-11-30T01:00:30Z"}},
		{"0 1 * * *", "Asia/Shanghai", "2026-11-29T14:00:00Z", []string{"2026-11-29T17:00:00Z", "2026-11-30T17:00:00Z"}},
		{"@daily", "Europe/Berlin", "2026-11-29T14:00:00Z", []string{"2026-11-29T23:00:00Z"}},
		{"@every 10m", "UTC", "2026-11-29T14:03:11Z", []string{"2026-11-29T14:10:00Z", "2026-11-29T14:20:00Z"}},
		{"@every 1d", "UTC", "2026-11-29T14:03:11Z", []string{"2026-11-30T00:00:00Z"}},
		{"0 1 * * THU", "UTC", "2026-11-29T14:00:00Z", []string{"2026-12-03T01:00:00Z"}}, // no H
		{"0 1 1 MARCH *", "UTC", "2026-11-29T14:00:00Z", nil},
		{"0 1 1 mar *", "UTC", "2026-11-29T14:00:00Z", []string{"2027-03-01T01:00:00Z"}},
		// One is enough, as in crontab.
		{"0 1 13 * 5", "UTC", "2026-11-29T14:00:00Z", []string{"2026-12-04T01:00:00Z", "2026-12-11T01:00:00Z", "2026-12-13T01:00:00Z"}},
		{"0 1 * * 7", "UTC", "2026-11-29T14:00:00Z", []string{"2026-12-06T01:00:00Z"}},
		{"0 1 29 2 *", "UTC", "2026-11-29T14:00:00Z", []string{"2028-02-29T01:00:00Z"}},
		// The night of 28 March 2027 has no 02:30 in Berlin, that of 25 October 2026 has two.
		{"30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z", []string{"2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"30 3 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z", []string{"2027-03-28T01:30:00Z", "2027-03-29T01:30:00Z"}},
		// Where the day begins with the gap, or the gap is half an hour.
		{"0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", []string{"2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"}},
		{"0 0 * * SUN", "America/Havana", "2026-03-05T12:00:00Z", []string{"2026-03-08T05:00:00Z", "2026-03-15T04:00:00Z"}},
		{"30 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", []string{"2026-04-23T22:30:00Z", "2026-04-24T21:30:00Z"}},
		{"@daily", "Asia/Beirut", "2026-03-28T12:00:00Z", []string{"2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"}},
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", []string{"2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"}},
		{"0 0 27-29 3 *", "Asia/Beirut", "2027-03-27T12:00:00Z", []string{"2027-03-27T22:00:00Z", "2027-03-28T21:00:00Z"}},
		{"0 * * * *", "America/Santiago", "2026-09-06T03:30:00Z", []string{"2026-09-06T04:00:00Z", "2026-09-06T05:00:00Z"}},
		{"0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
	} {
		s, err := New(Spec{Text: c.text, Zone: zone(t, c.zone)}, "job")
		if c.want == nil {
			require.Error(t, err, c.text)
			continue
		}
		require.NoError(t, err, c.text)
		from := at(t, c.from)
		for _, want := range c.want {
			from = s.Next(from)
			require.Equal(t, want, from.UTC().Format(time.RFC3339), "%s in %s", c.text, c.zone)
		}
	}
}

// TestNextOracle: around each change of the clocks of two years, Next finds the times that an
// oracle finds which goes through all minutes of the calendar.
func TestNextOracle(t *testing.T) {
	type line struct{ minutes, hours, weekdays string }
	var lines []line
	for _, minutes := range []string{"30", "0,45"} {
		for _, hours := range []string{"*", "0", "1", "2", "3", "23", "0,2", "1-3"} {
			for _, weekdays := range []string{"*", "0", "6"} {
				lines = append(lines, line{minutes, hours, weekdays})
			}
		}
	}
	for _, name := range []string{
		"Europe/Berlin", "America/New_York", "America/Santiago", "America/Havana", "America/Asuncion", "Africa/Cairo",
		"Asia/Beirut", "Asia/Tehran", "Asia/Shanghai", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca", "Europe/Dublin",
	} {
		z := zone(t, name)
		for change := time.Date(2021, 1, 1, 0, 0, 0, 0, z); change.Year() < 2023; {
			_, end := change.ZoneBounds()
			if change = end; change.IsZero() {
				break
			}
			from, until := change.Add(-50*time.Hour), change.Add(50*time.Hour)
			shown, once := calendar(from, until)
			for _, l := range lines {
				s, err := New(Spec{Text: l.minutes + " " + l.hours + " * * " + l.weekdays, Zone: z}, "job")
				require.NoError(t, err)
				var got []time.Time
				for next := s.Next(from); next.Before(until); next = s.Next(next) {
					got = append(got, next)
				}
				of := once
				if l.hours == "*" {
					of = shown
				}
				var want []time.Time
				for _, m := range of {
					if in(l.minutes, m.wall.Minute()) && in(l.hours, m.wall.Hour()) && in(l.weekdays, int(m.wall.Weekday())) {
						want = append(want, m.at)
					}
				}
				slices.SortFunc(want, time.Time.Compare)
				require.Equal(t, slices.CompactFunc(want, time.Time.Equal), got, "%s in %s", s.Text, name)
			}
		}
	}
}

// minute is one of the calendar, and when it is.
type minute struct {
	wall time.Time // as if in UTC
	at   time.Time
}

// calendar is the oracle: all minutes after from and before until that the clocks of from's zone
// show; and each minute of these days once: the first time that the clocks show it, and what they
// skip by the clocks of before.
func calendar(from, until time.Time) (shown, once []minute) {
	const day = 24 * time.Hour
	first := map[time.Time]time.Time{}
	for at := from.Add(-day).Truncate(time.Minute); at.Before(until.Add(day)); at = at.Add(time.Minute) {
		_, offset := at.Zone()
		m := minute{at.UTC().Add(time.Duration(offset) * time.Second), at}
		if at.After(from) && at.Before(until) {
			shown = append(shown, m)
		}
		if first[m.wall].IsZero() {
			first[m.wall] = at
		}
	}
	_, offset := from.Zone()
	y, mon, d := from.Date()
	for wall := time.Date(y, mon, d, 0, 0, 0, 0, time.UTC); wall.Before(until.Add(14 * time.Hour)); wall = wall.Add(time.Minute) {
		at := first[wall]
		if at.IsZero() {
			at = wall.Add(-time.Duration(offset) * time.Second).In(from.Location())
		} else {
			_, offset = at.Zone()
		}
		if at.After(from) && at.Before(until) {
			once = append(once, minute{wall, at})
		}
	}
	return shown, once
}

// in says whether a field holds a value.
func in(field string, n int) bool {
	for item := range strings.SplitSeq(field, ",") {
		low, high, isRange := strings.Cut(item, "-")
		if !isRange {
			high = low
		}
		least, _ := strconv.Atoi(low)
		most, _ := strconv.Atoi(high)
		if item == "*" || least <= n && n <= most {
			return true
		}
	}
	return false
}

// TestHash: H is the same for one name everywhere, and differs between names.
func TestHash(t *testing.T) {
	seen := map[string]bool{}
	for _, job := range []string{"nightly", "hourly", "audit.yml", "events.yml", "logs.yml"} {
		a, err := New(Spec{Text: "H H * * *"}, job)
		require.NoError(t, err)
		b, err := New(Spec{Text: "H H * * *"}, job)
		require.NoError(t, err)
		now := at(t, "2026-11-29T14:00:00Z")
		require.Equal(t, a.Next(now), b.Next(now))
		require.Equal(t, 24*time.Hour, a.Next(a.Next(now)).Sub(a.Next(now)))
		seen[a.Next(now).Format("15:04")] = true
	}
	require.Greater(t, len(seen), 3)
	for n := range 40 {
		s, err := New(Spec{Text: "0 0 H * *"}, fmt.Sprint("job", n))
		require.NoError(t, err)
		require.LessOrEqual(t, s.Next(at(t, "2026-11-29T14:00:00Z")).Day(), 28, "every month has it")
	}
	s, err := New(Spec{Text: "H/15 * * * *"}, "nightly")
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, s.Interval(at(t, "2026-11-29T14:00:00Z")))
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "empty",
		"1 2 3":                              `has 3`,
		"1 2 3 4 5 6 7":                      `has 7`,
		"61 * * * *":                         "cannot be read",
		"* * 30 2 *":                         "never comes",
		"@every 500ms":                       "whole seconds",
		"@every 0":                           "whole seconds",
		"@every":                             "cannot be read",
		"@sometimes":                         "cannot be read",
		"@reboot":                            "no time of day",
		"CRON_TZ=Europe/Berlin 0 1 * * *":    "set timezone beside it",
		"0 1 * * nonsense":                   "cannot be read",
		"0 25 * * *":                         "cannot be read",
		"TZ=UTC * * * * *":                   "set timezone beside it",
		"0 1 * * * MON":                      "", // six fields: at 1 minute past each hour of a Monday
		"*/0 * * * *":                        "cannot be read",
		"0 1 * * MON-":                       "cannot be read",
		"0 1 * * MON,":                       "a value is missing beside a comma",
		"0 1,,2 * * *":                       "a value is missing beside a comma",
		"0 1 1-0 * *":                        "days and months begin with 1",
		"0 0 1 * 5-0 *":                      "days and months begin with 1",
		"60/5 * * * *":                       "more than 59",
		"*-5 * * * *":                        "has no end",
		"*/5 * * * *":                        "",
		"0 22-0 * * FRI-0":                   "", // over midnight, and over the weekend
		"99999999999999999999999999 * * * *": "cannot be read",
	} {
		_, err := New(Spec{Text: text}, "job")
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestDue(t *testing.T) {
	s, err := New(Spec{Text: "0 1 * * *"}, "job")
	require.NoError(t, err)
	now := at(t, "2026-11-29T02:30:00Z")
	require.Equal(t, at(t, "2026-11-29T01:00:00Z"), s.Due(now.Add(-DefaultDeadline), now))
	require.True(t, s.Due(now.Add(-time.Hour), now).IsZero())
	require.Equal(t, now.Truncate(time.Hour).Add(-time.Hour), s.Due(now.Add(-100*time.Hour), now), "the last of several")
	require.True(t, s.Due(at(t, "2026-11-29T01:00:00Z"), now).IsZero(), "from is not included")
	require.Equal(t, at(t, "2026-11-29T01:00:00Z"), s.Due(now.Add(-DefaultDeadline), at(t, "2026-11-29T01:00:00Z")), "now is")
}

func TestDelay(t *testing.T) {
	s, err := New(Spec{Text: "@hourly", Jitter: 10 * time.Minute}, "job")
	require.NoError(t, err)
	seen := map[time.Duration]bool{}
	for next := s.Next(at(t, "2026-11-29T02:30:00Z")); len(seen) < 20; next = s.Next(next) {
		d := s.Delay(next)
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.Less(t, d, 10*time.Minute)
		require.Equal(t, d, s.Delay(next))
		seen[d] = true
	}
	s.Jitter = 0
	require.Zero(t, s.Delay(at(t, "2026-11-29T02:30:00Z")))
}

// TestJitter: what is put off never meets the next run.
func TestJitter(t *testing.T) {
	for text, fits := range map[string]bool{
		"0 1 * * *": true, "*/5 8-10 * * *": false, "0 1,2 * * *": true, "@every 31m": true, "0/10 * * * * *": false,
	} {
		_, err := New(Spec{Text: text, Jitter: 30 * time.Minute}, "job")
		require.Equal(t, fits, err == nil, "%s: %v", text, err)
	}
	_, err := New(Spec{Text: "0 1,2 * * *", Jitter: time.Hour}, "job")
	require.ErrorIs(t, err, ErrJitter)
}

func FuzzNew(f *testing.F) {
	for _, seed := range []string{
		"0 1 * * *", "0/10 * * * * *", "@every 1h", "H H(0-5) * * *", "* * 31 * *", "1-5/2,7 * L * MON#2", "@daily",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 29, 14, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := New(Spec{Text: text}, "job")
		if err != nil {
			return
		}
		next := s.Next(now)
		require.False(t, next.IsZero(), text)
		require.True(t, next.After(now), text)
	})
}

// TestInterval: the longest time between two runs, whenever it is asked for.
func TestInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"*/5 8-10 * * *":    21*time.Hour + 5*time.Minute,
		"0 1 * * *":         24 * time.Hour,
		"0/10 * * * * *":    10 * time.Second,
		"* * * * *":         time.Minute,
		"0 9-17 * * 1-5":    64 * time.Hour, // over the weekend
		"0 3 * * 0":         7 * 24 * time.Hour,
		"30 2 1 1,4,7,10 *": 92 * 24 * time.Hour,
	} {
		s, err := New(Spec{Text: text}, "x")
		require.NoError(t, err, text)
		for _, now := range []string{"2026-11-27T09:15:00Z", "2026-11-27T23:15:00Z", "2026-11-28T12:00:00Z"} { // Friday and Saturday
			require.Equal(t, want, s.Interval(at(t, now)), "%s at %s", text, now)
		}
	}
}
