package dates

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMonthFirst: of the two days that a date with dashes may be, the later one counts, unless a
// timestring reads one of them, or the index was created on one.
func TestMonthFirst(t *testing.T) {
	day := func(text string) Span {
		at, err := time.Parse(time.DateOnly, text)
		require.NoError(t, err)
		return Span{at, at.AddDate(0, 0, 1)}
	}
	at := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return at
	}
	for _, c := range []struct {
		name    string
		created time.Time
		read    []Span
		want    string
	}{
		{"a-11-05-2026", time.Time{}, nil, "2026-11-05"},
		{"a-05-11-2026", time.Time{}, nil, "2026-11-05"},
		{"a-05-05-2026", time.Time{}, nil, "2026-05-05"},
		{"a-11.05.2026", time.Time{}, nil, "2026-05-11"},
		{"a-11-25-2026", time.Time{}, nil, "2026-11-25"},
		{"a-25-11-2026", time.Time{}, nil, "2026-11-25"},
		{"a-11-05-2026", time.Time{}, []Span{day("2026-05-11")}, "2026-05-11"},
		{"a-11-05-2026", time.Time{}, []Span{day("2026-11-05")}, "2026-11-05"},
		{"a-11-05-2026", at("2026-05-11T00:00:01Z"), nil, "2026-05-11"},
		{"a-11-05-2026", at("2026-05-10T16:00:00Z"), nil, "2026-05-11"}, // when the day began in Shanghai
		{"a-11-05-2026", at("2026-05-12T23:00:00Z"), nil, "2026-05-11"},
		{"a-11-05-2026", at("2026-11-05T12:00:00Z"), nil, "2026-11-05"},
		{"a-11-05-2026", at("2026-07-01T12:00:00Z"), nil, "2026-11-05"}, // written again
		{"a-11-05-2026", at("2026-11-05T12:00:00Z"), []Span{day("2026-05-11")}, "2026-05-11"},
		{"a-2026.05.11", at("2026-11-05T12:00:00Z"), nil, "2026-05-11"},
	} {
		p := PeriodWith(c.name, c.created, c.read)
		require.Equal(t, day(c.want), p.Span, "%s %v", c.name, c.read)
		require.False(t, p.Disagree, c.name)
	}
	require.True(t, PeriodWith("a-11-05-2026", time.Time{}, []Span{day("2026-01-01")}).Disagree)
	for name, want := range map[string]string{"a-11-25-2026": "a-%m-%d-%Y", "a-25-11-2026": "a-%d-%m-%Y", "a-11-05-2026": ""} {
		got, _ := PeriodPattern(name)
		require.Equal(t, want, got, name)
	}
}

func TestFindDate(t *testing.T) {
	for name, want := range map[string]string{
		"logs-2026.11.03":              "2026.11.03",
		"logs-2026-11-03":              "2026-11-03",
		"logs-20261103":                "20261103",
		"20261103-logs":                "20261103",
		"curator-20261103040506":       "20261103040506",
		"a-202611030405":               "202611030405",
		"a-2026110304":                 "2026110304",
		"a-20261103-040506":            "20261103-040506",
		"a-20261103t040506z":           "20261103t040506z",
		"a-2026-11-03t04:05:06":        "2026-11-03t04:05:06",
		"a-2026-11-03t04:05:06.123z-b": "2026-11-03t04:05:06.123z",
		"a-2026.11.03-04.05.06":        "2026.11.03-04.05.06",
		"a-2026.11.03.04":              "2026.11.03.04",
		"a-2026.11.03-0405":            "2026.11.03-0405",
		"a-1700000000-b":               "1700000000",
		"a-1700000000123":              "1700000000123",
		"a-2026.11.03-b-2026.11.04":    "2026.11.03", // the first
		"es-7.17.28-2026.11.03":        "2026.11.03",
		"a-2026.11.03-99":              "2026.11.03", // 99 is no hour
		"2026.11.03-2026.11.04":        "2026.11.03", // not the minute 20:26
		"ks-logstash-log-2024.02.29":   "2024.02.29",
		"undated":                      "",
		"a-20261399":                   "", // eight digits that are no date
		"a-12345678":                   "",
		"a-2026.13.01":                 "",
		"a-2023.02.29":                 "",
		"a-02026.11.03":                "", // a digit right before
		"a-2026.11.034":                "", // and right after
		"a-120261103":                  "",
		"a-202611031":                  "",
		"a-7.17.28":                    "", // a version
		"a-192.168.10.12":              "",
		"a-1969.12.31":                 "",
		"a-2200.01.01":                 "",
		"a-0999999999":                 "", // no epoch in its days
		"a-4102444800":                 "",
		"a-000001":                     "",
		"a-2026.11":                    "2026.11",
		"a-2026.w45-b":                 "2026.w45",
		"a-2026.w54":                   "",
		"a-03.11.2026":                 "03.11.2026",
		"a-11-25-2026":                 "11-25-2026",
		"a-11.25.2026":                 "", // nobody writes dots and the month first
		"a-2026.11-000001":             "2026.11",
		"a-2026":                       "",
		"":                             "",
	} {
		s, e, ok := Find(name)
		require.Equal(t, want != "", ok, "%s found %q", name, name[s:e])
		require.Equal(t, want, name[s:e], name)
	}
}

func TestPeriod(t *testing.T) {
	for name, want := range map[string][2]string{
		"logs-2026.11.03":               {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-20261103":                 {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-2026-11-03-x":             {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-2026.11.03.14":            {"2026-11-03T14:00:00Z", "2026-11-03T15:00:00Z"},
		"logs-2026110314":               {"2026-11-03T14:00:00Z", "2026-11-03T15:00:00Z"},
		"logs-2026.11.03-14.05":         {"2026-11-03T14:05:00Z", "2026-11-03T14:06:00Z"},
		"logs-20261103140506":           {"2026-11-03T14:05:06Z", "2026-11-03T14:05:07Z"},
		"logs-2026-11-03t14:05:06.123z": {"2026-11-03T14:05:06Z", "2026-11-03T14:05:07Z"},
		"logs-2026.11":                  {"2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"},
		"logs-2026-12":                  {"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		"logs-2024.02.29":               {"2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		"es-7.17.28-2026.11.03":         {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-2026.11.03-2026.11.04":    {"2026-11-04T00:00:00Z", "2026-11-05T00:00:00Z"}, // the later one
		"logs-03.11.2026":               {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-2026.w45":                 {"2026-11-02T00:00:00Z", "2026-11-09T00:00:00Z"},
		// the number of a rollover is no time of day
		"logs-2026.11.03-000001":     {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		".ds-logs-2026.11.03-000017": {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-20261103-000001":       {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-2026.11.03-0001":       {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-2026.11.03-14":         {"2026-11-03T14:00:00Z", "2026-11-03T15:00:00Z"},
		"logs-2026-11-03-14":         {"2026-11-03T14:00:00Z", "2026-11-03T15:00:00Z"},
		"logs-2026.11.03-999999":     {"2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z"},
		"logs-2026.13":               {},
		"logs-12026.11":              {},
		"logs-2026.113":              {},
		"logs-1700000000":            {}, // an epoch names no period
		"logs-1700000000123":         {},
		"logs-7.17.28":               {},
		"logs-000001":                {},
		"logs":                       {},
		"":                           {},
	} {
		start, end, ok := Period(name)
		require.Equal(t, want[0] != "", ok, name)
		if ok {
			require.Equal(t, want[0], start.Format(time.RFC3339), name)
			require.Equal(t, want[1], end.Format(time.RFC3339), name)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{
		"prod1-2026.11.03", "a-20261103t040506z", "1700000000123", "2026.11", "a-1hzvdk7orgcxvuqwxgktmw",
		"x-2026-11-03t04:05:06-ab12cd34", "\xff2026.11.03",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		start, end, ok := Find(name)
		if ok && (start < 0 || start >= end || end > len(name)) {
			t.Fatalf("%q: %d-%d", name, start, end)
		}
		if from, to, ok := Period(name); ok {
			require.True(t, from.Before(to), name)
		}
	})
}

// TestHourOrNumber: a timestring that reads the hour says what the digits are.
func TestHourOrNumber(t *testing.T) {
	hour := time.Date(2026, 11, 3, 14, 0, 0, 0, time.UTC)
	require.Equal(t, hour.Add(time.Hour), PeriodWith("logs-2026.11.03-14", time.Time{}, []Span{{hour, hour.Add(time.Hour)}}).End)
	day := hour.Truncate(24 * time.Hour)
	require.Equal(t, day.AddDate(0, 0, 1), PeriodWith("logs-2026.11.03-14", time.Time{}, []Span{{day, day.AddDate(0, 0, 1)}}).End)
	require.Equal(t, day.AddDate(0, 0, 1), PeriodWith("logs-2026.11.03-14", time.Time{}, nil).End, "it may be tenant 14")
	require.Equal(t, day.AddDate(0, 0, 1), PeriodWith("logs-20261103-14", time.Time{}, nil).End)
	require.Equal(t, hour.Add(time.Hour), PeriodWith("logs-2026-11-03-14", time.Time{}, nil).End)
}
