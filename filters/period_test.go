package filters

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

func periodOf(t *testing.T, text string) *Period {
	t.Helper()
	l, err := link(cluster.Indices, "filtertype: period, "+text)
	require.NoError(t, err, text)
	return l.Filter.(*Period)
}

// Relative ranges as Curator computes them.
func TestRelativePeriods(t *testing.T) {
	monday, sunday := time.Unix(1491256800, 0).UTC(), at("2017-04-02T22:00:00Z")
	require.Equal(t, at("2017-04-03T22:00:00Z"), monday)
	const end = "T23:59:59Z"
	for _, c := range []struct {
		now        time.Time
		unit       string
		from, to   int
		first, end string
	}{
		{monday, "unit: hours", 0, 0, "2017-04-03T22:00:00Z", "2017-04-03T22:59:59Z"},
		{monday, "unit: hours", -1, -1, "2017-04-03T21:00:00Z", "2017-04-03T21:59:59Z"},
		{monday, "unit: hours", -2, -1, "2017-04-03T20:00:00Z", "2017-04-03T21:59:59Z"},
		{monday, "unit: hours", 1, 1, "2017-04-03T23:00:00Z", "2017-04-03T23:59:59Z"},
		{monday, "unit: days", 0, 0, "2017-04-03", "2017-04-03" + end},
		{monday, "unit: days", -1, -1, "2017-04-02", "2017-04-02" + end},
		{monday, "unit: days", -2, -1, "2017-04-01", "2017-04-02" + end},
		{monday, "unit: days", 1, 1, "2017-04-04", "2017-04-04" + end},
		{monday, "unit: weeks", 0, 0, "2017-04-02", "2017-04-08" + end}, // sunday is the default
		{monday, "unit: weeks, week_starts_on: sunday", -1, -1, "2017-03-26", "2017-04-01" + end},
		{monday, "unit: weeks, week_starts_on: Sunday", -2, -1, "2017-03-19", "2017-04-01" + end},
		{monday, "unit: weeks, week_starts_on: SUNDAY", 1, 1, "2017-04-09", "2017-04-15" + end},
		{monday, "unit: weeks, week_starts_on: monday", 0, 0, "2017-04-03", "2017-04-09" + end},
		{monday, "unit: weeks, week_starts_on: Monday", -1, -1, "2017-03-27", "2017-04-02" + end},
		{monday, "unit: weeks, week_starts_on: MONDAY", -2, -1, "2017-03-20", "2017-04-02" + end},
		{monday, "unit: weeks, week_starts_on: monday", 1, 1, "2017-04-10", "2017-04-16" + end},
		{monday, "unit: months", 0, 0, "2017-04-01", "2017-04-30" + end},
		{monday, "unit: months", -1, -1, "2017-03-01", "2017-03-31" + end},
		{monday, "unit: months", -2, -1, "2017-02-01", "2017-03-31" + end},
		{monday, "unit: months", 1, 1, "2017-05-01", "2017-05-31" + end},
		{monday, "unit: years", 0, 0, "2017-01-01", "2017-12-31" + end},
		{monday, "unit: years", -1, -1, "2016-01-01", "2016-12-31" + end},
		{monday, "unit: years", -2, -1, "2015-01-01", "2016-12-31" + end},
		{monday, "unit: years", 1, 1, "2018-01-01", "2018-12-31" + end},
		{sunday, "unit: weeks, week_starts_on: monday", 0, 0, "2017-03-27", "2017-04-02" + end},
		{sunday, "unit: weeks, week_starts_on: sunday", 0, 0, "2017-04-02", "2017-04-08" + end}, // D13
		{sunday, "unit: weeks, week_starts_on: sunday", -1, -1, "2017-03-26", "2017-04-01" + end},
		// month ends
		{at("2017-03-31T12:00:00Z"), "unit: months", -1, -1, "2017-02-01", "2017-02-28" + end},
		{at("2016-03-31T12:00:00Z"), "unit: months", -1, -1, "2016-02-01", "2016-02-29" + end},
		{at("2016-02-29T12:00:00Z"), "unit: years", -1, -1, "2015-01-01", "2015-12-31" + end},
		{at("2017-01-01T00:00:00Z"), "unit: days", -1, -1, "2016-12-31", "2016-12-31" + end},
	} {
		text := fmt.Sprintf("source: creation_date, %s, range_from: %d, range_to: %d", c.unit, c.from, c.to)
		first, last := periodOf(t, text).span(c.now)
		require.Equal(t, at(c.first), first, text)
		require.Equal(t, at(c.end), last, text)
		first, last = periodOf(t, fmt.Sprintf("%s, epoch: %d", text, c.now.Unix())).span(at("2030-01-01"))
		require.Equal(t, at(c.first), first, "%s, by epoch", text)
		require.Equal(t, at(c.end), last, "%s, by epoch", text)
	}
}

func TestAbsolutePeriods(t *testing.T) {
	for _, c := range []struct{ unit, format, from, to, first, end string }{
		{"months", "%Y.%m", "2017.01", "2017.01", "2017-01-01", "2017-01-31T23:59:59"},
		{"months", "%Y.%m", "2017.01", "2017.02", "2017-01-01", "2017-02-28T23:59:59"},
		{"months", "%Y.%m.%d", "2017.01.15", "2017.02.15", "2017-01-15", "2017-02-28T23:59:59"},
		{"weeks", "%Y.%W", "2017.01", "2017.02", "2017-01-02", "2017-01-15T23:59:59"},
		{"years", "%Y", "2016", "2017", "2016-01-01", "2017-12-31T23:59:59"},
		{"days", "%Y.%m.%d", "2017.01.01", "2017.01.31", "2017-01-01", "2017-01-31T23:59:59"},
		{"hours", "%Y.%m.%d.%H", "2017.01.01.03", "2017.01.01.04", "2017-01-01T03:00:00", "2017-01-01T04:59:59"},
		{"minutes", "%Y%m%d%H%M", "201701010304", "201701010304", "2017-01-01T03:04:00", "2017-01-01T03:04:59"},
		{"seconds", "%Y%m%d%H%M%S", "20170101030405", "20170101030405", "2017-01-01T03:04:05", "2017-01-01T03:04:05"},
	} {
		p := periodOf(t, fmt.Sprintf("source: creation_date, period_type: absolute, unit: %s, date_from: '%s', date_to: '%s', "+
			"date_from_format: '%s', date_to_format: '%s'", c.unit, c.from, c.to, c.format, c.format))
		first, last := p.span(at("2030-01-01"))
		require.Equal(t, at(c.first), first, "%+v", c)
		require.Equal(t, at(c.end), last, "%+v", c)
		first, last = p.span(at("2030-01-01").In(zone(t, "Europe/Berlin")))
		require.Equal(t, c.first, first.Format("2006-01-02T15:04:05")[:len(c.first)], "%+v, in Berlin", c)
		require.Equal(t, c.end, last.Format("2006-01-02T15:04:05"), "%+v, in Berlin", c)
	}
}

func TestPeriodIsInclusive(t *testing.T) {
	list := cluster.Items([]*cluster.Index{
		{Name: "before", Created: at("2017-04-01T23:59:59Z")}, {Name: "first", Created: at("2017-04-02T00:00:00Z")},
		{Name: "last", Created: at("2017-04-02T23:59:59Z").Add(999 * time.Millisecond)},
		{Name: "after", Created: at("2017-04-03T00:00:00Z")}, {Name: "undated"},
	})
	const yesterday = "filtertype: period, source: creation_date, unit: days, range_from: -1, range_to: -1"
	require.Equal(t, []string{"first", "last"}, selected(t, chain(t, cluster.Indices, yesterday), at("2017-04-03T22:00:00Z"), list))
	require.Equal(t, []string{"before", "after"}, selected(t, chain(t, cluster.Indices, yesterday+", exclude: true"),
		at("2017-04-03T22:00:00Z"), list))
	backwards := "filtertype: period, source: creation_date, period_type: absolute, unit: days, date_from: '2017.04.03', " +
		"date_to: '2017.04.01', date_from_format: '%Y.%m.%d', date_to_format: '%Y.%m.%d'"
	require.Empty(t, selected(t, chain(t, cluster.Indices, backwards), at("2017-04-03"), list))
}

// In Berlin clocks went forward on 2024-03-31 at 02:00 and back on 2024-10-27 at 03:00.
func TestPeriodsInATimeZone(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		now, text  string
		first, end string // UTC
	}{
		{"2024-03-31T10:00:00Z", "unit: days, range_from: 0, range_to: 0", "2024-03-30T23:00:00Z", "2024-03-31T21:59:59Z"}, // 23 hours
		{"2024-10-27T10:00:00Z", "unit: days, range_from: 0, range_to: 0", "2024-10-26T22:00:00Z", "2024-10-27T22:59:59Z"}, // 25 hours
		{"2024-04-01T10:00:00Z", "unit: days, range_from: -1, range_to: -1", "2024-03-30T23:00:00Z", "2024-03-31T21:59:59Z"},
		{"2024-03-31T01:30:00Z", "unit: hours, range_from: 0, range_to: 0", "2024-03-31T01:00:00Z", "2024-03-31T01:59:59Z"},
		{"2024-03-31T01:30:00Z", "unit: hours, range_from: -1, range_to: -1", "2024-03-31T00:00:00Z", "2024-03-31T00:59:59Z"},
		// 02:30 for the second time.
		{"2024-10-27T01:30:00Z", "unit: hours, range_from: -1, range_to: 0", "2024-10-27T00:00:00Z", "2024-10-27T01:59:59Z"},
		{
			"2024-04-03T10:00:00Z",
			"unit: weeks, week_starts_on: monday, range_from: -1, range_to: -1",
			"2024-03-24T23:00:00Z",
			"2024-03-31T21:59:59Z",
		},
		{
			"2024-04-03T10:00:00Z",
			"unit: weeks, week_starts_on: sunday, range_from: -1, range_to: -1",
			"2024-03-23T23:00:00Z",
			"2024-03-30T22:59:59Z",
		},
		// It is May in Berlin.
		{"2024-04-30T22:30:00Z", "unit: months, range_from: -1, range_to: -1", "2024-03-31T22:00:00Z", "2024-04-30T21:59:59Z"},
		{"2023-12-31T23:30:00Z", "unit: years, range_from: 0, range_to: 0", "2023-12-31T23:00:00Z", "2024-12-31T22:59:59Z"},
	} {
		first, last := periodOf(t, "source: creation_date, "+c.text).span(at(c.now).In(berlin))
		require.Equal(t, at(c.first), first.UTC(), "%+v", c)
		require.Equal(t, at(c.end), last.UTC(), "%+v", c)
	}
}

// Dates in names are read in now's time zone; the fixed units of age do not follow
// the clock changes.
func TestNamesInATimeZone(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	list := cluster.Items([]*cluster.Index{{Name: "a-2024.03.30"}, {Name: "a-2024.03.31"}, {Name: "a-2024.04.01"}})
	today := "filtertype: period, source: name, timestring: '%Y.%m.%d', unit: days, range_from: 0, range_to: 0"
	for now, want := range map[string]string{
		"2024-03-30T22:59:59Z": "a-2024.03.30",
		"2024-03-30T23:00:00Z": "a-2024.03.31",
		"2024-03-31T21:59:59Z": "a-2024.03.31",
		"2024-03-31T22:00:00Z": "a-2024.04.01",
	} {
		require.Equal(t, []string{want}, selected(t, chain(t, cluster.Indices, today), at(now).In(berlin), list), now)
	}
	older := "filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 1"
	for now, want := range map[string][]string{
		"2024-03-31T23:00:00Z": {"a-2024.03.30"}, // 31 March began 24 hours before: at 2024-03-30T23:00Z
		"2024-03-31T23:00:01Z": {"a-2024.03.30", "a-2024.03.31"},
	} {
		require.Equal(t, want, selected(t, chain(t, cluster.Indices, older), at(now).In(berlin), list), now)
		require.Equal(t, []string{"a-2024.03.30"}, selected(t, chain(t, cluster.Indices, older), at("2024-04-01T00:00:00Z"), list), "UTC")
	}
}
