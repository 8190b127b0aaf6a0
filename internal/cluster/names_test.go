package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
		"6.7.0": {6, 7, 0}, "8.0.0-rc1": {8, 0, 0}, "7.17.28-SNAPSHOT": {7, 17, 28},
		"8": {8, 0, 0}, "8.1": {8, 1, 0}, "": {}, "x.y": {}, "7.10.2.3": {7, 10, 0},
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
		-time.Minute: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59*time.Minute + 59*time.Second: "59m",
		time.Hour: "1h", 48*time.Hour - time.Second: "47h", 48 * time.Hour: "2d", 45 * 24 * time.Hour: "45d",
	} {
		require.Equal(t, want, Age(now, now.Add(-d)), d)
	}
	require.Equal(t, "-", Age(now, time.Time{}))
}

func TestInvalidName(t *testing.T) {
	for name, refused := range map[string]string{ // i, a and s: as the name of an index, an alias, a snapshot
		"a-2026.11.03": "", "a": "", strings.Repeat("a", 255): "", "grüße": "", "a_b+c-": "", ".a": "", "a{b}$": "",
		"": "ias", strings.Repeat("a", 256): "ias", strings.Repeat("ü", 128): "ias",
		"A": "is", "nightly-Ü": "is", "_a": "ias", "-a": "ia", "+a": "ia",
		".": "ias", "..": "ias", "a:b": "ia", "a b": "ias", "a,b": "ias", "a/b": "ias",
		`a\b`: "ias", `a"b`: "ias", "a*": "ias", "a?": "ias", "<a>": "ias", "a|b": "ias", "a#": "ias",
	} {
		for _, what := range []string{"index", "alias", "snapshot"} {
			require.Equal(t, strings.Contains(refused, what[:1]), InvalidName(what, name) != "", "%s %q: %s", what, name, InvalidName(what, name))
		}
	}
	require.Contains(t, InvalidName("snapshot", "a,b"), `","`)
}
