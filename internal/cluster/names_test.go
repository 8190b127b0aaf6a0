package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
		"a-2026.11-000001":             "2026.11",
		"a-2026":                       "",
		"":                             "",
	} {
		s, e, ok := FindDate(name)
		require.Equal(t, want != "", ok, "%s found %q", name, name[s:e])
		require.Equal(t, want, name[s:e], name)
	}
}

func TestSeries(t *testing.T) {
	for name, want := range map[string]Series{
		"prod1-2026.11.03":          {Key: "prod1-*"},
		"prod2-2026.11.03":          {Key: "prod2-*"},
		"prod1-20261103040506":      {Key: "prod1-*"},
		"curator-20261103":          {Key: "curator-*"},
		"2026.11.03":                {Key: "*"},
		"a-2026.11.03-b-2026.11.04": {Key: "a-*-b-*"},
		"es-7.17.28-2026.11.03":     {Key: "es-7.17.28-*"},
		"a-1700000000":              {Key: "a-*", Guess: true},
		"prod-03.11.2026":           {Key: "prod-*"}, // %d.%m.%Y
		"dev-03-11-2026":            {Key: "dev-*"},
		"prod-2026.11":              {Key: "prod-*", Guess: true}, // %Y.%m
		"prod-2026.w45":             {Key: "prod-*", Guess: true}, // %G.w%V
		"prod-2026-W45":             {Key: "prod-*", Guess: true},
		"prod-2026.w54":             {Key: "prod-2026.w*", Guess: true},
		// a -N that esnap added
		"nightly-2026.11.03-2":      {Key: "nightly-*", Guess: true},
		"nightly-20261103040506-12": {Key: "nightly-*", Guess: true},
		"nightly-2026.11.03-1":      {Key: "nightly-*-1"},
		"nightly-2026.11.03-02":     {Key: "nightly-*", Guess: true}, // the hour
		"nightly-2026.11.03-2-x":    {Key: "nightly-*-2-x"},
		// other digits and words stay
		"2026.11.03-prod1":                          {Key: "*-prod1"},
		"daily-2026-11-03t04:05:06-customer":        {Key: "daily-*-customer"},
		"nightly-2026.11.03-kunde0815_berlin_mitte": {Key: "nightly-*-kunde0815_berlin_mitte"},
		"before-upgrade-of-the-cluster":             {Key: "before-upgrade-of-the-cluster"},
		"x-prod-cluster-2026-11-03":                 {Key: "x-prod-cluster-*"},
		// names without a date: the last number is a guess
		"cust-1234567890":        {Key: "cust-*", Guess: true}, // an epoch, or a customer
		"b-2026-11-27-10-x":      {Key: "b-*-x", Guess: true},  // the hour, or a number
		"site-2026-11-27-10.20":  {Key: "site-*", Guess: true},
		"a-2026-11-27T10":        {Key: "a-*"},
		"tenant-20261127-123456": {Key: "tenant-*"},
		"before-upgrade":         {Key: "before-upgrade"},
		"cust-230415":            {Key: "cust-*", Guess: true}, // %y%m%d, or a customer
		"a-20261399":             {Key: "a-*", Guess: true},
		"a-7.17.28":              {Key: "a-7.17.*", Guess: true},
		"prod1-backup-7":         {Key: "prod1-backup-*", Guess: true},
		"snap42x":                {Key: "snap*x", Guess: true},
		"":                       {},
	} {
		require.Equal(t, want, SeriesOfName(name), name)
	}
	// a finder of the action's own timestring counts beside the usual forms, and takes
	// along the time that directly follows
	part := func(text string) DateFinder {
		return func(name string) (int, int, bool) {
			i := strings.Index(name, text)
			return max(i, 0), max(i, 0) + len(text), i >= 0
		}
	}
	require.Equal(t, "a-*", SeriesOfName("a-2026.12.01", part("2026.12")).Key, "the whole date")
	require.Equal(t, "curator-*", SeriesOfName("curator-20261001020003", part("20261001")).Key, "the time belongs to it")
	require.Equal(t, "a-*", SeriesOfName("a-01122026020003", part("01122026")).Key, "a form that only the timestring knows")
	require.Equal(t, "a-*99", SeriesOfName("a-0112202699", part("01122026")).Key, "99 is not an hour")
	require.Equal(t, "a1-*", SeriesOfName("a1-26.12", part("26.12")).Key)
	require.Equal(t, "a-*", SeriesOfName("a-2026.12.01", func(string) (int, int, bool) { return 0, 0, true }).Key, "an empty match is none")
}

func TestSeriesOf(t *testing.T) {
	of := SeriesOf([]string{"prod*", "*-x"})
	for want, s := range map[Series]*Snapshot{
		{Key: "prod*"}:               {Name: "prod1-2026.11.03", Policy: "p"}, // patterns come before policies
		{Key: "*-x"}:                 {Name: "a-x"},
		{Key: "policy nightly"}:      {Name: "n-2026.11.03-abcdefghijklmnopqrstuv", Policy: "nightly"},
		{Key: "test-*"}:              {Name: "test-2026.11.03"},
		{Key: "test-*", Guess: true}: {Name: "test-1"},
	} {
		require.Equal(t, want, of(s))
	}
}

func TestFamily(t *testing.T) {
	require.Equal(t, "logs-*", Family("logs-2026.11.03"))
	require.Equal(t, "orders", Family("orders"))
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

func FuzzSeries(f *testing.F) {
	for _, s := range []string{"prod1-2026.11.03", "a-20261103t040506z", "1700000000123", "2026.11", "a-1hzvdk7orgcxvuqwxgktmw", "x-2026-11-03t04:05:06-ab12cd34", "\xff2026.11.03"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		require.NotEmpty(t, SeriesOfName(name+"x").Key)
		start, end, ok := FindDate(name)
		if ok && (start < 0 || start >= end || end > len(name)) {
			t.Fatalf("%q: %d-%d", name, start, end)
		}
		if from, to, ok := Period(name); ok {
			require.True(t, from.Before(to), name)
		}
	})
}

func TestMatchName(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"logs", []string{"logs"}, []string{"logs-1", "alogs", ""}},
		{"logs-*", []string{"logs-", "logs-1"}, []string{"logs", "alogs-1"}},
		{"*-1", []string{"-1", "logs-1"}, []string{"logs-12", "1"}},
		{"*", []string{"", "a"}, nil},
		{"a*a", []string{"aa", "aba", "aaa"}, []string{"a", "ab"}},
		{"a*b*c", []string{"abc", "axbxc", "abbc"}, []string{"acb", "ab", "bc"}},
		{"*ab*ab*", []string{"abab", "xabxabx"}, []string{"ab", "aab"}},
		{"a**b", []string{"ab", "axb"}, []string{"a"}},
		{"a.c", []string{"a.c"}, []string{"abc"}}, // a dot is a dot
		{"a?c", []string{"a?c"}, []string{"abc"}},
		{"", []string{""}, []string{"a"}},
	} {
		for _, n := range c.yes {
			require.True(t, MatchName(c.pattern, n), "%q %q", c.pattern, n)
		}
		for _, n := range c.no {
			require.False(t, MatchName(c.pattern, n), "%q %q", c.pattern, n)
		}
	}
}

// TestExpandIndices: an index has several names; a data stream has one.
func TestExpandIndices(t *testing.T) {
	known := []*Index{
		{Name: "logs-1", Aliases: []string{"current"}}, {Name: ".ds-app-000001", DataStream: "app"}, {Name: ".ds-app-000002", DataStream: "app"},
		{Name: ".ds-apple-000001", DataStream: "apple"},
	}
	for target, want := range map[string]string{
		"logs-1": "logs-1", "current": "logs-1", "curr*": "logs-1", "app": ".ds-app-000001 .ds-app-000002", "app*": "",
		"current,app": "logs-1 .ds-app-000001 .ds-app-000002",
		"*,-app":      "logs-1 .ds-app-000001 .ds-app-000002 .ds-apple-000001", "nosuch": "missing nosuch",
		"*,-.ds-app-*": "logs-1 .ds-apple-000001",
	} {
		matched, missing := ExpandIndices([]string{target}, known)
		got := Names(matched)
		for _, m := range missing {
			got = append(got, "missing "+m)
		}
		require.Equal(t, want, strings.Join(got, " "), target)
	}
}

func TestExpandNames(t *testing.T) {
	known := []string{"a-1", "a-2", "a-21", "b-1", ".sys"}
	for _, c := range []struct {
		targets          []string
		matched, missing []string
	}{
		{[]string{"a-1"}, []string{"a-1"}, nil},
		{[]string{"a-2"}, []string{"a-2"}, nil}, // no prefix matching (D3)
		{[]string{"b-1", "a-1"}, []string{"a-1", "b-1"}, nil},
		{[]string{"a-*"}, []string{"a-1", "a-2", "a-21"}, nil},
		{[]string{"a-*", "-a-2"}, []string{"a-1", "a-21"}, nil},
		{[]string{"a-*,-a-2*"}, []string{"a-1"}, nil},
		{[]string{"-a-*"}, []string{"b-1", ".sys"}, nil}, // only exclusions: of everything
		{[]string{"-a-*", "-b-*"}, []string{".sys"}, nil},
		{[]string{"a-*", "-a-*", "a-1"}, []string{"a-1"}, nil}, // in order
		{[]string{"a-1", "-b-*"}, []string{"a-1"}, nil},
		{[]string{"_all"}, known, nil},
		{[]string{"*"}, known, nil},
		{[]string{"_all", "-.sys"}, []string{"a-1", "a-2", "a-21", "b-1"}, nil},
		{[]string{"nope"}, nil, []string{"nope"}},
		{[]string{"nope-*"}, nil, nil}, // a pattern may match nothing
		{[]string{"a-1", "-nope"}, []string{"a-1"}, nil},
		{[]string{" a-1 , nope,"}, []string{"a-1"}, []string{"nope"}},
		{nil, nil, nil},
		{[]string{""}, nil, nil},
	} {
		matched, missing := ExpandNames(c.targets, known)
		require.Equal(t, c.matched, matched, c.targets)
		require.Equal(t, c.missing, missing, c.targets)
	}
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]Version{
		"6.7.0": {6, 7, 0}, "8.0.0-rc1": {8, 0, 0}, "7.17.28-SNAPSHOT": {7, 17, 28}, "8": {8, 0, 0}, "8.1": {8, 1, 0}, "": {}, "x.y": {}, "7.10.2.3": {7, 10, 0},
	} {
		require.Equal(t, want, ParseVersion(in), in)
	}
	require.Equal(t, "6.7.0", ParseVersion("6.7.0").String())
}

func TestVersionLess(t *testing.T) {
	order := []Version{{}, {6, 7, 0}, {6, 8, 0}, {6, 8, 23}, {6, 10, 0}, {7, 0, 0}, {7, 9, 3}, {7, 17, 0}, {8, 0, 0}}
	for i, a := range order {
		for j, b := range order {
			require.Equal(t, i < j, a.Less(b), "%s %s", a, b)
		}
	}
}

func TestServerAbilities(t *testing.T) {
	es := func(v string) Server { return Server{Text: v, Version: ParseVersion(v)} }
	os := func(v string) Server { s := es(v); s.OpenSearch = true; return s }
	for _, c := range []struct {
		s                Server
		many, concurrent bool
		text             string
	}{
		{es("6.7.0"), false, false, "Elasticsearch 6.7.0"},
		{es("7.7.1"), false, false, "Elasticsearch 7.7.1"},
		{es("7.8.0"), true, false, "Elasticsearch 7.8.0"},
		{es("7.9.0"), true, true, "Elasticsearch 7.9.0"},
		{es("9.2.0"), true, true, "Elasticsearch 9.2.0"},
		{os("1.3.0"), true, true, "OpenSearch 1.3.0"},
		{Server{}, false, false, "a server of unknown version"},
	} {
		require.Equal(t, c.many, c.s.DeletesMany(), c.text)
		require.Equal(t, c.concurrent, c.s.Concurrent(), c.text)
		require.Equal(t, c.text, c.s.String())
	}
}

func TestCanRead(t *testing.T) {
	es := func(v string) Server { return Server{Text: v, Version: ParseVersion(v)} }
	os := func(v string) Server { s := es(v); s.OpenSearch = true; return s }
	for _, c := range []struct {
		s    Server
		from string
		why  string // empty: it can
	}{
		{es("6.7.0"), "6.7.0", ""},
		{es("6.8.23"), "6.7.0", ""},
		{es("6.7.0"), "6.8.0", "newer than this Elasticsearch 6.7.0"},
		{es("7.17.28"), "6.7.0", ""},
		{es("8.19.7"), "7.17.28", ""},
		{es("8.19.7"), "6.8.23", "only indices of the previous major version"},
		{es("9.2.0"), "7.17.28", "only indices of the previous major version"},
		{es("7.17.28"), "8.0.0", "newer than this Elasticsearch 7.17.28"},
		{es("7.17.28"), "", ""},
		{es("7.17.28"), "unknown", ""},
		{Server{}, "9.0.0", ""}, // the server has the last word
		{os("1.3.0"), "7.10.2", ""},
		{os("1.3.0"), "6.8.0", ""},
		{os("2.11.0"), "1.3.0", ""},
		{os("2.11.0"), "7.10.2", ""},
		{os("2.11.0"), "6.8.23", "by Elasticsearch 6.8.23"},
		{os("3.3.0"), "7.10.2", "by Elasticsearch 7.10.2"},
		{os("3.3.0"), "6.8.23", "by Elasticsearch 6.8.23"},
		{os("1.3.0"), "2.11.0", "newer than this OpenSearch 1.3.0"},
		{os("3.0.0"), "1.3.0", "only indices of the previous major version"},
		{os("2.11.0"), "8.0.0", "newer than this OpenSearch 2.11.0"},
	} {
		ok, why := c.s.CanRead(c.from)
		require.Equal(t, c.why == "", ok, "%s from %s: %s", c.s, c.from, why)
		require.Contains(t, why, c.why)
		require.Equal(t, ok, why == "")
	}
}

func TestAgeForPeople(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Minute: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59*time.Minute + 59*time.Second: "59m", time.Hour: "1h", 48*time.Hour - time.Second: "47h", 48 * time.Hour: "2d", 45 * 24 * time.Hour: "45d",
	} {
		require.Equal(t, want, Age(now, now.Add(-d)), d)
	}
	require.Equal(t, "-", Age(now, time.Time{}))
}

func TestInvalidName(t *testing.T) {
	for name, refused := range map[string]string{ // i, a and s: as the name of an index, an alias, a snapshot
		"a-2026.11.03": "", "a": "", strings.Repeat("a", 255): "", "grüße": "", "a_b+c-": "", ".a": "", "a{b}$": "",
		"": "ias", strings.Repeat("a", 256): "ias", strings.Repeat("ü", 128): "ias", "A": "is", "nightly-Ü": "is", "_a": "ias", "-a": "ia", "+a": "ia",
		".": "ia", "..": "ia", "a:b": "ia", "a b": "ias", "a,b": "ias", "a/b": "ias", `a\b`: "ias", `a"b`: "ias", "a*": "ias", "a?": "ias", "<a>": "ias", "a|b": "ias", "a#": "ias",
	} {
		for _, what := range []string{"index", "alias", "snapshot"} {
			require.Equal(t, strings.Contains(refused, what[:1]), InvalidName(what, name) != "", "%s %q: %s", what, name, InvalidName(what, name))
		}
	}
	require.Contains(t, InvalidName("snapshot", "a,b"), `","`)
}
