package filters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strictyaml"
)

// link reads one filter as a file gives it, for the kind of list.
func link(list cluster.ListKind, text string) (Link, error) {
	p := &strictyaml.Problems{File: "f"}
	n := strictyaml.Parse([]byte("{"+text+"}"), strictyaml.Options{}, p)
	if err := p.Err(); err != nil {
		return Link{}, err
	}
	name := n.Get("filtertype").Text
	kind, ok := Kinds[name]
	if !ok {
		return Link{}, fmt.Errorf("no filter %s", name)
	}
	l := Link{Kind: name, Filter: kind.New(), Exclude: kind.Exclude}
	also := []string{"filtertype"}
	if !kind.NoExclude {
		also = append(also, "exclude")
	}
	given := strictyaml.Decode(n, l.Filter, strictyaml.DecodeOptions{Subject: "option", IgnoreNull: true, ExtraKeys: also}, p)
	if err := p.Err(); err != nil {
		return Link{}, err
	}
	if e := n.Get("exclude"); e != nil {
		l.Exclude, _ = strictyaml.AsBool(e)
	}
	return l, Validate(l.Filter, list, given)
}

func chain(t *testing.T, list cluster.ListKind, texts ...string) Chain {
	t.Helper()
	var c Chain
	for _, text := range texts {
		l, err := link(list, text)
		require.NoError(t, err, text)
		c = append(c, l)
	}
	return c
}

// noFacts is the fetch of tests in which no filter may ask for facts.
func noFacts(context.Context, []cluster.Need, []cluster.Item) error {
	return errors.New("no filter here needs facts")
}

func selected(t *testing.T, c Chain, now time.Time, items []cluster.Item) []string {
	t.Helper()
	sel, err := c.Select(context.Background(), now, items, noFacts)
	require.NoError(t, err)
	require.Len(t, items, len(sel.Selected)+len(sel.Spared))
	return cluster.Names(sel.Selected)
}

func at(text string) time.Time {
	for _, form := range []string{"2006-01-02", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t
		}
	}
	panic("no time: " + text)
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// observed is a listing that Curator was observed with.
func observed() []cluster.Item {
	var list []*cluster.Index
	for i := range 5 {
		list = append(list, &cluster.Index{Name: fmt.Sprintf("x-2024.01.0%d", i+1), Closed: i == 4, Created: at("2026-01-01")})
	}
	for _, name := range []string{"x-nodate", "y-000001", "y-000002", "z-000001"} {
		list = append(list, &cluster.Index{Name: name, Created: at("2026-01-01")})
	}
	return cluster.Items(list)
}

// What Curator was observed to do with names and dates.
func TestObservedSelections(t *testing.T) {
	const x = "filtertype: pattern, kind: prefix, value: x-"
	const byDay = "source: name, timestring: '%Y.%m.%d', epoch: 1704326400"
	day := func(n ...int) []string {
		out := []string{}
		for _, d := range n {
			out = append(out, fmt.Sprintf("x-2024.01.0%d", d))
		}
		return out
	}
	for _, c := range []struct {
		filters []string
		want    []string
	}{
		{[]string{x, "filtertype: count, count: 2"}, day(1, 2, 3, 4)},
		{[]string{x, "filtertype: count, count: 2, reverse: false"}, append(day(3, 4, 5), "x-nodate")},
		{[]string{x, "filtertype: count, count: 2, exclude: false"}, append(day(5), "x-nodate")},
		{[]string{`filtertype: count, count: 1, pattern: '^(.*)-\d{6}$'`}, []string{"y-000001"}},
		{[]string{x, "filtertype: age, direction: older, unit: days, unit_count: 1, " + byDay}, day(1, 2)},
		{[]string{x, "filtertype: age, direction: younger, unit: days, unit_count: 1, " + byDay}, day(4, 5)},
		{[]string{x, "filtertype: age, direction: older, unit: days, unit_count: 1, exclude: true, " + byDay}, day(3, 4, 5)},
		{
			[]string{`filtertype: age, source: creation_date, direction: older, unit: days, unit_count: -1, unit_count_pattern: '^y-0+(\d)$'`},
			[]string{"y-000001", "y-000002"},
		},
		{[]string{x, "filtertype: period, unit: days, range_from: -2, range_to: -1, " + byDay}, day(2, 3)},
		{[]string{"filtertype: pattern, kind: suffix, value: '1'"}, []string{"x-2024.01.01", "y-000001", "z-000001"}},
		{[]string{"filtertype: none"}, cluster.Names(observed())},
		{nil, cluster.Names(observed())}, // K17
	} {
		require.Equal(t, c.want, selected(t, chain(t, cluster.Indices, c.filters...), at("2026-11-21"), observed()), c.filters)
	}
}

func TestPattern(t *testing.T) {
	names := []string{"x12", "x.2", "ax12", "by", "y", "logs-2024.01.02", "logs-20240102", ".kibana", "a.b", "axb"}
	var list []*cluster.Index
	for _, n := range names {
		list = append(list, &cluster.Index{Name: n})
	}
	for _, c := range []struct {
		kind, value string
		want        []string
	}{
		{"prefix", "x.2|y", []string{"x12", "x.2", "by", "y"}}, // K5: no escaping, no grouping
		{"prefix", "x", []string{"x12", "x.2"}},
		{"prefix", ".kib", []string{".kibana"}},
		{"suffix", "2", []string{"x12", "x.2", "ax12", "logs-2024.01.02", "logs-20240102"}},
		{"suffix", "a.b", []string{"a.b", "axb"}},
		{"suffix", "x|y", []string{"x12", "x.2", "ax12", "by", "y", "axb"}}, // ^.*x|y$
		{"regex", "x", []string{"x12", "x.2", "ax12", "axb"}},               // searched, not anchored
		{"regex", "^(?!logs|x).*$", []string{"ax12", "by", "y", ".kibana", "a.b", "axb"}},
		{"regex", `^(\w)\1`, []string{}},
		{"timestring", "%Y.%m.%d", []string{"logs-2024.01.02"}},
		{"timestring", "%Y%m%d", []string{"logs-20240102"}},
		{"timestring", "%q", []string{}},
	} {
		l, err := link(cluster.Indices, fmt.Sprintf("filtertype: pattern, kind: %s, value: '%s'", c.kind, c.value))
		require.NoError(t, err)
		got := selected(t, Chain{l}, at("2024-01-01"), cluster.Items(list))
		require.Equal(t, c.want, got, "%+v", c)
		l.Exclude = true
		rest := selected(t, Chain{l}, at("2024-01-01"), cluster.Items(list))
		require.ElementsMatch(t, names, append(rest, got...), "%+v, excluded", c)
	}
}

// A name on which the expression runs wild is spared whichever way it is turned.
func TestPatternThatRunsWild(t *testing.T) {
	for _, exclude := range []bool{false, true} {
		t.Run(fmt.Sprintf("exclude %t", exclude), func(t *testing.T) {
			t.Parallel() // each takes as long as one match may take
			l, err := link(cluster.Indices, `filtertype: pattern, kind: regex, value: '^(a+)+$'`)
			require.NoError(t, err)
			l.Exclude = exclude
			items := cluster.Items([]*cluster.Index{{Name: strings.Repeat("a", 60) + "!"}})
			sel, err := Chain{l}.Select(context.Background(), at("2024-01-01"), items, noFacts)
			require.NoError(t, err)
			require.Empty(t, sel.Selected)
			require.True(t, sel.Spared[0].Warn)
			require.Contains(t, sel.Spared[0].Why, "simplify")
		})
	}
}

// spared maps a snapshot's or index's name to the filter that spared it; "" is
// selected.
func spared(t *testing.T, c Chain, now time.Time, items []cluster.Item) map[string]string {
	t.Helper()
	sel, err := c.Select(context.Background(), now, items, noFacts)
	require.NoError(t, err)
	out := map[string]string{}
	for _, it := range sel.Selected {
		out[it.ItemName()] = ""
	}
	for _, s := range sel.Spared {
		require.NotEmpty(t, s.Why)
		out[s.Item.ItemName()] = s.By
	}
	require.Len(t, out, len(items))
	return out
}

func TestAgeByCreation(t *testing.T) {
	now := at("2024-05-31T10:00:00Z")
	for _, c := range []struct {
		name, filter string
		want         map[string]string // start → who spared it
	}{
		{"older", "direction: older, unit: days, unit_count: 30", map[string]string{
			"2024-05-01T09:59:59": "", "2024-05-01T10:00:00": "age", "2024-05-01T10:00:01": "age", "": "age"}},
		{"older, excluded, does not catch the undated", "direction: older, unit: days, unit_count: 30, exclude: true", map[string]string{
			"2024-05-01T09:59:59": "age", "2024-05-01T10:00:00": "", "2024-05-01T10:00:01": "", "": "age"}},
		{"younger", "direction: younger, unit: days, unit_count: 30", map[string]string{
			"2024-05-01T09:59:59": "age", "2024-05-01T10:00:00": "age", "2024-05-01T10:00:01": "", "": "age"}},
		{"younger, excluded", "direction: younger, unit: days, unit_count: 30, exclude: true", map[string]string{
			"2024-05-01T09:59:59": "", "2024-05-01T10:00:00": "", "2024-05-01T10:00:01": "age", "": "age"}},
		{
			"a month is 30 days",
			"direction: older, unit: months, unit_count: 1",
			map[string]string{"2024-05-01T09:59:59": "", "2024-05-01T10:00:00": "age"},
		},
		{
			"a year is 365 days",
			"direction: older, unit: years, unit_count: 1",
			map[string]string{"2023-06-01T09:59:59": "", "2023-06-01T10:00:00": "age"},
		},
		{
			"zero",
			"direction: older, unit: days, unit_count: 0",
			map[string]string{"2024-05-31T09:59:59": "", "2024-05-31T10:00:00": "age", "2024-06-30": "age"},
		},
		{
			"negative lies in the future",
			"direction: older, unit: days, unit_count: -1",
			map[string]string{"2024-06-01T09:59:59": "", "2024-06-01T10:00:00": "age"},
		},
		{
			"epoch 0 is now",
			"direction: older, unit: days, unit_count: 30, epoch: 0",
			map[string]string{"2024-05-01T09:59:59": "", "2024-05-01T10:00:00": "age"},
		},
		{
			"epoch in milliseconds",
			"direction: older, unit: days, unit_count: 1, epoch: 1704326400123",
			map[string]string{"2024-01-02T23:59:59": "", "2024-01-03": "age"},
		},
		{
			"epoch null is now",
			"direction: older, unit: days, unit_count: 30, epoch: ~",
			map[string]string{"2024-05-01T09:59:59": "", "2024-05-01T10:00:00": "age"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var indices []*cluster.Index
			var snapshots []*cluster.Snapshot
			for start := range c.want {
				var when time.Time
				if start != "" {
					when = at(start)
				}
				indices = append(indices, &cluster.Index{Name: start, Created: when})
				snapshots = append(snapshots, &cluster.Snapshot{Name: start, Start: when})
			}
			text := "filtertype: age, source: creation_date, " + c.filter
			require.Equal(t, c.want, spared(t, chain(t, cluster.Indices, text), now, cluster.Items(indices)))
			require.Equal(t, c.want, spared(t, chain(t, cluster.Snapshots, text), now, cluster.Items(snapshots)))
		})
	}
}

// now has fractions of a second; ages are counted in whole ones.
func TestAgeIgnoresFractions(t *testing.T) {
	now := at("2024-05-31T10:00:00Z").Add(900 * time.Millisecond)
	list := []*cluster.Index{{Name: "i", Created: at("2024-05-31T09:59:00Z").Add(500 * time.Millisecond)}}
	for _, direction := range []string{"older", "younger"} {
		c := chain(t, cluster.Indices, "filtertype: age, source: creation_date, unit: minutes, unit_count: 1, direction: "+direction)
		require.Empty(t, selected(t, c, now, cluster.Items(list)), direction)
	}
}

func TestReferencePoints(t *testing.T) { // A.5
	for unit, point := range map[string]int64{
		"seconds": 1499999999, "minutes": 1499999940, "hours": 1499996400,
		"days": 1499913600, "weeks": 1499395200, "months": 1497408000, "years": 1468464000,
	} {
		list := cluster.Items([]*cluster.Index{
			{Name: "before", Created: time.Unix(point-1, 0)},
			{Name: "at", Created: time.Unix(point, 0)},
			{Name: "after", Created: time.Unix(point+1, 0)},
		})
		for direction, want := range map[string]string{"older": "before", "younger": "after"} {
			text := fmt.Sprintf("filtertype: age, source: creation_date, direction: %s, unit: %s, unit_count: 1", direction, unit)
			require.Equal(t, []string{want}, selected(t, chain(t, cluster.Indices, text+", epoch: 1500000000"), at("2020-01-01"), list), text)
			require.Equal(t, []string{want}, selected(t, chain(t, cluster.Indices, text), time.Unix(1500000000, 0).UTC(), list), text)
		}
	}
}

func TestScaleEpoch(t *testing.T) { // A.4
	for in, want := range map[int64]int64{
		1491256800: 1491256800, 1491256800123: 1491256800, 1491256800123456: 1491256800, 1491256800123456789: 1491256800,
		0: 0, 1: 1, 9999999999: 9999999999, 10000000000: 10000000,
		149125680012: 149125680, 14912568001234: 1491256800, -1491256800123: -1491256800, -5: -5,
	} {
		require.Equal(t, want, scaleEpoch(in), in)
	}
}

// Fractions of an epoch are cut off; what is no number is an error (A.4).
func TestEpochsAsTheyAreWritten(t *testing.T) {
	list := cluster.Items([]*cluster.Index{
		{Name: "before", Created: time.Unix(1491256798, 0)},
		{Name: "at", Created: time.Unix(1491256799, 0)},
	})
	const age = "filtertype: age, source: creation_date, direction: older, unit: seconds, unit_count: 1, epoch: "
	for _, epoch := range []string{"1491256800", "1491256800.9", "'1491256800'", "1491256800123", "1491256800123456", "1491256800123456789"} {
		require.Equal(t, []string{"before"}, selected(t, chain(t, cluster.Indices, age+epoch), at("2024-05-31"), list), epoch)
	}
	for _, epoch := range []string{"soon", "[1491256800]", "2017-04-03"} {
		_, err := link(cluster.Indices, age+epoch)
		require.Error(t, err, epoch)
	}
}

func TestAgeByName(t *testing.T) {
	now := at("2024-05-31T00:00:00Z")
	older := "filtertype: age, source: name, direction: older, unit: days, unit_count: 30, timestring: '%Y.%m.%d'"
	want := map[string]string{
		"a-2024.04.30": "", "a-2024.05.01": "age", "a-2024.05.02": "age",
		"a-20240401": "age", "a": "age", "2024.04.30-2024.05.30": "", "a-2024.04.30-000001": "",
		"a-2024.02.30": "age", "a-2024.13.01": "age", "a-1970.01.01": "",
	}
	var indices []*cluster.Index
	var snapshots []*cluster.Snapshot
	for name := range want {
		indices = append(indices, &cluster.Index{Name: name})
		snapshots = append(snapshots, &cluster.Snapshot{Name: name})
	}
	require.Equal(t, want, spared(t, chain(t, cluster.Indices, older), now, cluster.Items(indices)))
	want["a-1970.01.01"] = "age" // counts as no age on a list of snapshots
	require.Equal(t, want, spared(t, chain(t, cluster.Snapshots, older), now, cluster.Items(snapshots)))
}

// D14: what looks like a date and is none is spared with a warning, whichever way
// the filter is turned; what has no date is spared without one (K4).
func TestNoDateIsNeverSelected(t *testing.T) {
	list := cluster.Items([]*cluster.Index{{Name: "a-2024.13.45"}, {Name: "undated"}})
	for _, filter := range []string{
		"filtertype: age, source: name, direction: older, unit: days, unit_count: 1, timestring: '%Y.%m.%d'",
		"filtertype: age, source: name, direction: younger, unit: days, unit_count: 1, timestring: '%Y.%m.%d'",
		"filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 1",
		"filtertype: period, source: name, unit: days, range_from: -1, range_to: 0, timestring: '%Y.%m.%d'",
		"filtertype: period, source: creation_date, unit: days, range_from: -1, range_to: 0",
		"filtertype: count, count: 1, use_age: true, source: name, timestring: '%Y.%m.%d'",
		"filtertype: count, count: 1, use_age: true, source: creation_date",
	} {
		for _, exclude := range []string{"true", "false"} {
			sel, err := chain(t, cluster.Indices, filter+", exclude: "+exclude).Select(context.Background(), at("2024-05-31"), list, noFacts)
			require.NoError(t, err)
			require.Empty(t, sel.Selected, "%s, exclude %s", filter, exclude)
			require.Equal(t, strings.Contains(filter, "source: name"), sel.Spared[0].Warn, filter)
			require.False(t, sel.Spared[1].Warn, filter)
		}
	}
}

func TestUnitCountPattern(t *testing.T) {
	now := at("2024-05-31")
	var list []*cluster.Index
	for _, n := range []string{"logs-7-a", "logs-30-a", "logs-0-a", "logs-a", "logs-99999999999999999-a", "logs-9223372036854775807-a"} {
		list = append(list, &cluster.Index{Name: n, Created: at("2024-05-20")}) // 11 days old
	}
	items := cluster.Items(list)
	filter := func(count int, more string) Chain {
		return chain(t, cluster.Indices,
			fmt.Sprintf(`filtertype: age, source: creation_date, direction: older, unit: days, unit_count: %d, unit_count_pattern: 'logs-(\d+)-'%s`,
				count, more))
	}
	for _, c := range []struct {
		count int
		more  string
		want  []string
	}{
		{-1, "", []string{"logs-7-a"}}, // no number, and 0: no match
		{-1, ", exclude: true", []string{"logs-30-a", "logs-0-a", "logs-a", "logs-99999999999999999-a", "logs-9223372036854775807-a"}},
		{5, "", []string{"logs-7-a", "logs-0-a", "logs-a"}}, // they fall back to unit_count
		{40, "", []string{"logs-7-a"}},
	} {
		require.Equal(t, c.want, selected(t, filter(c.count, c.more), now, items), "%+v", c)
	}
	// What cannot be used matches no name, as with Curator.
	for _, pattern := range []string{`(\d`, `\d+`} {
		for count, want := range map[int64]cluster.Match{-1: cluster.No, 5: cluster.Yes, 40: cluster.No} {
			f := &Age{Source: "creation_date", Direction: "older", Unit: "days", UnitCount: count, UnitCountPattern: pattern}
			err := Validate(f, cluster.Indices, nil)
			var wrong *cluster.OptionError
			require.ErrorAs(t, err, &wrong)
			require.True(t, wrong.Tolerated)
			for _, v := range f.Judge(now, items) {
				require.Equal(t, want, v.Match, "%s %d", pattern, count)
			}
		}
	}
}

func TestHugeUnitCounts(t *testing.T) {
	list := cluster.Items([]*cluster.Index{{Name: "i", Created: at("2024-05-20")}})
	for _, unit := range []string{"seconds", "minutes", "hours", "days", "weeks", "months", "years"} {
		for _, count := range []string{"300000000000000", "1000000000000000", "9223372036854775807"} {
			text := fmt.Sprintf("filtertype: age, source: creation_date, direction: older, unit: %s, unit_count: ", unit)
			require.Empty(t, selected(t, chain(t, cluster.Indices, text+count), at("2024-05-31"), list), "%s %s", count, unit)
			require.Len(t, selected(t, chain(t, cluster.Indices, text+"-"+count), at("2024-05-31"), list), 1, "-%s %s", count, unit)
		}
	}
}

// fetched gives the indices a field range, as the runner does.
func fetched(t *testing.T, asked *[]string) Fetch {
	return func(_ context.Context, needs []cluster.Need, items []cluster.Item) error {
		require.Equal(t, []cluster.Need{{Fact: cluster.FactFieldRange, Field: "@timestamp"}}, needs)
		*asked = append(*asked, cluster.Names(items)...)
		return nil
	}
}

func TestFieldStats(t *testing.T) {
	r := func(min, max string) map[string]cluster.FieldRange {
		return map[string]cluster.FieldRange{"@timestamp": {Min: at(min), Max: at(max), Found: true}}
	}
	list := cluster.Items([]*cluster.Index{
		{Name: "before", Fields: r("2024-05-01", "2024-05-10")},
		{Name: "across", Fields: r("2024-05-01", "2024-05-25")},
		{Name: "within", Fields: r("2024-05-21", "2024-05-25")},
		{Name: "closed", Closed: true, Fields: r("2024-05-01", "2024-05-10")},
		{Name: "empty", Fields: map[string]cluster.FieldRange{"@timestamp": {}}},
		{Name: "without"},
	})
	const source = "source: field_stats, field: '@timestamp', "
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{"filtertype: age, direction: older, unit: days, unit_count: 15, " + source, []string{"before", "across"}},
		{"filtertype: age, direction: older, unit: days, unit_count: 15, stats_result: max_value, " + source, []string{"before"}},
		{"filtertype: age, direction: older, unit: days, unit_count: 15, exclude: true, " + source, []string{"within"}},
		{"filtertype: period, unit: days, range_from: -30, range_to: -11, " + source, []string{"before", "across"}},
		{"filtertype: period, unit: days, range_from: -30, range_to: -11, stats_result: max_value, " + source, []string{"before"}},
		{"filtertype: period, unit: days, range_from: -30, range_to: -11, intersect: true, " + source, []string{"before"}},
		{"filtertype: count, count: 1, use_age: true, exclude: false, " + source, []string{"within"}},
	} {
		var asked []string
		sel, err := chain(t, cluster.Indices, c.filter).Select(context.Background(), at("2024-05-31"), list, fetched(t, &asked))
		require.NoError(t, err)
		require.Equal(t, c.want, cluster.Names(sel.Selected), c.filter)
		require.Equal(t, cluster.Names(list), asked)
	}
}

// Facts are fetched for what is still in, and not at all for nothing.
func TestFactsAreFetchedLate(t *testing.T) {
	list := cluster.Items([]*cluster.Index{{Name: "a"}, {Name: "b"}})
	age := "filtertype: age, source: field_stats, field: '@timestamp', direction: older, unit: days, unit_count: 15"
	var asked []string
	_, err := chain(t, cluster.Indices, "filtertype: pattern, kind: prefix, value: b", age).Select(context.Background(),
		at("2024-05-31"), list, fetched(t, &asked))
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, asked)

	_, err = chain(t, cluster.Indices, "filtertype: pattern, kind: prefix, value: z", age).Select(context.Background(),
		at("2024-05-31"), list, noFacts)
	require.NoError(t, err)

	sel, err := chain(t, cluster.Indices, age).Select(context.Background(), at("2024-05-31"), list, noFacts)
	require.ErrorContains(t, err, "no filter here needs facts")
	require.Empty(t, sel)
}

func TestCount(t *testing.T) {
	index := func(name, created string) *cluster.Index { return &cluster.Index{Name: name, Created: at(created)} }
	indices := cluster.Items([]*cluster.Index{
		index("b", "2024-01-02"), index("a", "2024-01-02"), index("d", "2024-01-01"), index("c", "2024-01-03"), {Name: "undated"},
		{Name: "closed", Created: at("2024-01-09"), Closed: true},
	})
	snapshot := func(name, start string) *cluster.Snapshot { return &cluster.Snapshot{Name: name, Start: at(start)} }
	snapshots := cluster.Items([]*cluster.Snapshot{
		snapshot("d", "2024-01-01"),
		snapshot("b", "2024-01-02"),
		snapshot("a", "2024-01-02"),
		snapshot("c", "2024-01-03"),
		{Name: "undated"},
	})
	grouped := cluster.Items([]*cluster.Index{{Name: "x-1"}, {Name: "x-2"}, {Name: "y-1"}, {Name: "zz"}, {Name: "a-x-3"}})
	const byAge = "use_age: true, source: creation_date, "
	for _, c := range []struct {
		items  []cluster.Item
		filter string
		want   []string
	}{
		{indices, "count: 2", []string{"b", "a", "c", "closed"}},
		{indices, "count: 2, exclude: false", []string{"d", "undated"}},
		{indices, "count: 9", []string{}},
		{indices, "count: 9, exclude: false", cluster.Names(indices)},
		// D12: undated and closed ones are not counted, and never selected
		{indices, byAge + "count: 2", []string{"a", "d"}}, // ties by name, in the same direction
		{indices, byAge + "count: 2, exclude: false", []string{"b", "c"}},
		{indices, byAge + "count: 2, reverse: false, exclude: false", []string{"a", "d"}},
		{indices, byAge + "count: 2, reverse: false", []string{"b", "c"}},
		{snapshots, byAge + "count: 2", []string{"d", "a"}}, // ties as listed
		{snapshots, byAge + "count: 2, reverse: false", []string{"a", "c"}},
		{snapshots, "count: 1, exclude: false", []string{"undated"}},
		// D12: names that the pattern prunes are spared, and exclude is as the file says
		{grouped, "count: 1, pattern: '([xy])-'", []string{"x-1"}},
		{grouped, "count: 1, pattern: '([xy])-', exclude: false", []string{"x-2", "y-1"}},
		{grouped, "count: 1, pattern: '.*([xy])-', exclude: false", []string{"x-2", "y-1"}},
		{grouped, "count: 1, reverse: false, pattern: '([xy])-', exclude: false", []string{"x-1", "y-1"}},
	} {
		kind := cluster.Indices
		if _, ok := c.items[0].(*cluster.Snapshot); ok {
			kind = cluster.Snapshots
		}
		got := selected(t, chain(t, kind, "filtertype: count, "+c.filter), at("2024-05-31"), c.items)
		require.Equal(t, c.want, got, c.filter)
	}
}

// A closed index with a date in its name is counted by that date.
func TestCountByNameTakesClosed(t *testing.T) {
	list := cluster.Items([]*cluster.Index{{Name: "a-2024.01.01"}, {Name: "a-2024.01.03", Closed: true}, {Name: "a-2024.01.02"}, {Name: "z"}})
	c := chain(t, cluster.Indices, "filtertype: count, count: 1, use_age: true, source: name, timestring: '%Y.%m.%d'")
	require.Equal(t, []string{"a-2024.01.01", "a-2024.01.02"}, selected(t, c, at("2024-05-31"), list))
}

func TestSnapshotFilters(t *testing.T) {
	list := cluster.Items([]*cluster.Snapshot{
		{Name: "good", State: cluster.Success, Shards: cluster.ShardCount{Total: 1, Successful: 1}},
		{Name: "holes", State: cluster.Success, Shards: cluster.ShardCount{Total: 2, Failed: 1}},
		{Name: "failures", State: cluster.Success, Failures: []cluster.ShardFailure{{Index: "i"}}},
		{Name: "partial", State: cluster.Partial}, {Name: "failed", State: cluster.Failed},
		{Name: "running", State: cluster.InProgress}, {Name: "odd", State: "INCOMPATIBLE"},
	})
	for filter, want := range map[string][]string{
		"filtertype: good":                                 {"good"},
		"filtertype: good, exclude: true":                  {"holes", "failures", "partial", "failed", "running", "odd"},
		"filtertype: state":                                {"good", "holes", "failures"},
		"filtertype: state, state: PARTIAL":                {"partial"},
		"filtertype: state, state: IN_PROGRESS":            {"running"},
		"filtertype: state, exclude: true":                 {"partial", "failed", "running", "odd"},
		"filtertype: state, state: FAILED, exclude: 'yes'": {"good", "holes", "failures", "partial", "running", "odd"},
	} {
		require.Equal(t, want, selected(t, chain(t, cluster.Snapshots, filter), at("2024-05-31"), list), filter)
	}
	// an item of another type is not judged
	sel, err := Chain{{Kind: "good", Filter: &Good{}, Exclude: true}}.Select(context.Background(), at("2024-05-31"),
		cluster.Items([]*cluster.Index{{Name: "i"}}), noFacts)
	require.NoError(t, err)
	require.Empty(t, sel.Selected)
}

func TestValidate(t *testing.T) {
	const (
		both = ""
		age  = "filtertype: age, direction: older, unit: days, unit_count: 1, "
		per  = "filtertype: period, unit: days, "
		abs  = "filtertype: period, source: creation_date, period_type: absolute, unit: months, "
	)
	for _, c := range []struct {
		list   cluster.ListKind // empty: both
		filter string
		want   string // empty: accepted
	}{
		{both, age + "source: creation_date", ""},
		{both, age + "source: name, timestring: '%Y'", ""},
		{both, "filtertype: age, direction: older, unit: days, source: creation_date", `"unit_count" is required`},
		{both, "filtertype: age, unit: days, unit_count: 1, source: creation_date", `"direction" is required`},
		{both, "filtertype: age, direction: older, unit_count: 1, source: creation_date", `"unit" is required`},
		{both, age + "unit_count_pattern: ~", `"source" is required`},
		{both, "filtertype: age, direction: oldest, unit: days, unit_count: 1, source: creation_date", `did you mean older?`},
		{both, "filtertype: age, direction: older, unit: day, unit_count: 1, source: creation_date", `did you mean days?`},
		{both, age + "source: name", "timestring: is required when source is name"},
		{both, age + "source: name, timestring: 'logs'", "has no date token"},
		{both, age + "source: name, timestring: '%Y.%V'", "an ISO week needs its ISO year"},
		{both, age + "source: name, timestring: '%Y('", "timestring: "},
		{cluster.Indices, age + "source: field_stats", "field: is required when source is field_stats"},
		{cluster.Indices, age + "source: field_stats, field: f", ""},
		{cluster.Indices, age + "source: field_stats, field: f, stats_result: avg", `is not one of min_value, max_value`},
		{cluster.Snapshots, age + "source: field_stats", "source: field_stats applies to indices only"},
		{cluster.Snapshots, age + "source: creation_date, field: f", "field: applies to indices only"},
		{cluster.Snapshots, age + "source: creation_date, stats_result: min_value", "stats_result: applies to indices only"},
		{cluster.Snapshots, age + `source: creation_date, unit_count_pattern: '(\d)'`, "unit_count_pattern: applies to indices only"},
		{cluster.Indices, age + `source: creation_date, unit_count_pattern: '\d'`, "unit_count_pattern: must have a group"},
		{cluster.Indices, age + `source: creation_date, unit_count_pattern: '(\d'`, "unit_count_pattern: regular expression"},

		{both, "filtertype: count, count: 1", ""},
		{both, "filtertype: count, count: 0", "count: 0 is less than 1"},
		{both, "filtertype: count", `"count" is required`},
		{both, "filtertype: count, count: 1, use_age: true", "source: is required when use_age is true"},
		{both, "filtertype: count, count: 1, use_age: true, source: name", "timestring: is required when source is name"},
		{cluster.Snapshots, "filtertype: count, count: 1, pattern: '(a)'", "pattern: applies to indices only"},
		{cluster.Indices, "filtertype: count, count: 1, pattern: 'a'", "pattern: must have exactly one group in parentheses, but has 0"},
		{cluster.Indices, "filtertype: count, count: 1, pattern: '(a)(b)'", "pattern: must have exactly one group in parentheses, but has 2"},
		{cluster.Indices, "filtertype: count, count: 1, pattern: '(a'", "pattern: regular expression"},
		{cluster.Indices, "filtertype: count, count: 1, pattern: '(?:a)(b)'", ""},

		{both, "filtertype: pattern, kind: prefix, value: ''", "value: must not be empty"},
		{both, "filtertype: pattern, kind: prefix", `"value" is required`},
		{both, "filtertype: pattern, value: a", `"kind" is required`},
		{both, "filtertype: pattern, kind: prefix, value: 2017", "value: expected text"},
		{both, "filtertype: pattern, kind: regex, value: '('", "value: regular expression"},
		{both, "filtertype: pattern, kind: suffix, value: '*a'", "value: regular expression"}, // ^.**a$
		{both, `filtertype: pattern, kind: regex, value: 'a\q'`, `column 2: unknown escape \q`},

		{both, per + "source: creation_date, range_from: -1, range_to: 0", ""},
		{both, per + "source: creation_date, range_to: 0", "range_from: is required for a relative period"},
		{both, per + "source: creation_date, range_from: 0", "range_to: is required for a relative period"},
		{both, per + "source: creation_date, range_from: 0, range_to: -1", "range_to: must not be less than range_from"},
		{
			both,
			"filtertype: period, unit: seconds, source: creation_date, range_from: 0, range_to: 0",
			"unit: seconds can be used with absolute periods only",
		},
		{
			both,
			"filtertype: period, unit: minutes, source: creation_date, range_from: 0, range_to: 0",
			"unit: minutes can be used with absolute periods only",
		},
		{both, per + "source: name, range_from: 0, range_to: 0", "timestring: is required when source is name"},
		{both, per + "source: creation_date, range_from: 0, range_to: 0, week_starts_on: Monday", ""},
		{both, per + "source: creation_date, range_from: 0, range_to: 0, week_starts_on: tuesday", "week_starts_on"},
		{cluster.Snapshots, per + "source: creation_date, range_from: 0, range_to: 0, intersect: true", "intersect: applies to indices only"},
		{cluster.Indices, per + "source: creation_date, range_from: 0, range_to: 0, intersect: true", ""}, // without effect, as in Curator
		{cluster.Indices, per + "source: field_stats, field: f, range_from: 0, range_to: 0, intersect: true", ""},
		{both, abs + "date_from: 2017.01, date_from_format: '%Y.%m', date_to: '2017.02', date_to_format: '%Y.%m'", ""},
		{both, abs + "date_from_format: '%Y.%m', date_to: '2017.02', date_to_format: '%Y.%m'", "date_from: is required for an absolute period"},
		{both, abs + "date_from: '2017.01', date_to: '2017.02', date_to_format: '%Y.%m'", "date_from_format: is required for an absolute period"},
		{both, abs + "date_from: '2017.01', date_from_format: '%Y.%m', date_to_format: '%Y.%m'", "date_to: is required for an absolute period"},
		{
			both,
			abs + "date_from: '2017.13', date_from_format: '%Y.%m', date_to: '2017.02', date_to_format: '%Y.%m'",
			`date_from: "2017.13" is not a date of the form %Y.%m`,
		},
		{
			both,
			abs + "date_from: '2017', date_from_format: '%Y.%m', date_to: '2017.02', date_to_format: '%Y.%m'",
			`date_from: "2017" is not a date of the form %Y.%m`,
		},
		{both, abs + "date_from: '2017.01', date_from_format: '%Y.%m', date_to: '2017.02', date_to_format: 'x'", "date_to_format: "},
		{both, abs + "date_from: '2017.03', date_from_format: '%Y.%m', date_to: '2017.02', date_to_format: '%Y.%m'", ""}, // matches nothing

		{both, "filtertype: none, exclude: true", `unknown option "exclude"`},
		{cluster.Snapshots, "filtertype: state, state: success", `did you mean SUCCESS?`},
		{cluster.Snapshots, "filtertype: state", ""},
		{cluster.Snapshots, "filtertype: good", ""},
	} {
		lists := []cluster.ListKind{c.list}
		if c.list == both {
			lists = []cluster.ListKind{cluster.Indices, cluster.Snapshots}
		}
		for _, list := range lists {
			_, err := link(list, c.filter)
			if c.want == "" {
				require.NoError(t, err, "%s: %s", list, c.filter)
				continue
			}
			require.ErrorContains(t, err, c.want, "%s: %s", list, c.filter)
		}
	}
}

// All that is wrong with a filter is said at once, each with its option.
func TestValidateSaysAllAtOnce(t *testing.T) {
	_, err := link(cluster.Snapshots, "filtertype: age, direction: older, unit: days, unit_count: 1, source: name, "+
		"field: f, unit_count_pattern: '('")
	for _, key := range []string{"field", "timestring", "unit_count_pattern"} {
		require.ErrorContains(t, err, key+": ")
	}
	var option *cluster.OptionError
	require.ErrorAs(t, err, &option)
}

func TestKindsAreComplete(t *testing.T) {
	for name, k := range Kinds {
		require.True(t, k.Indices || k.Snapshots, name)
		require.NotEmpty(t, k.Doc, name)
		require.False(t, k.Exclude && k.NoExclude, name)
	}
	defaults := map[string]bool{"age": false, "count": true, "pattern": false, "period": false, "state": false, "good": false} // K2
	for name, exclude := range defaults {
		require.Equal(t, exclude, Kinds[name].Exclude, name)
	}
	require.True(t, Kinds["none"].NoExclude)
}

func TestChainNamesDotted(t *testing.T) {
	for filter, want := range map[string]bool{
		"filtertype: pattern, kind: prefix, value: .kibana":                 true,
		`filtertype: pattern, kind: regex, value: '^\.monitoring-.*'`:       true,
		`filtertype: pattern, kind: regex, value: '^(?:\.watcher|\.mon).*'`: true,
		`filtertype: pattern, kind: regex, value: '^(\.watcher).*'`:         true,
		`filtertype: pattern, kind: prefix, value: '\.kibana'`:              true,
		"filtertype: pattern, kind: regex, value: '.*'":                     false,
		"filtertype: pattern, kind: regex, value: '^.+$'":                   false,
		"filtertype: pattern, kind: prefix, value: logs":                    false,
		`filtertype: pattern, kind: regex, value: '^(?!\.kibana).*$'`:       false,
		"filtertype: pattern, kind: suffix, value: .log":                    false,
		"filtertype: pattern, kind: timestring, value: '%Y.%m'":             false,
		"filtertype: pattern, kind: prefix, value: .kibana, exclude: true":  false,
		"filtertype: none": false,
	} {
		require.Equal(t, want, chain(t, cluster.Indices, filter).NamesDotted(), filter)
	}
	require.False(t, Chain(nil).NamesDotted())
}

func TestChainAsksFor(t *testing.T) {
	for filter, want := range map[string]bool{
		"filtertype: state, state: IN_PROGRESS":                true,
		"filtertype: state, state: IN_PROGRESS, exclude: true": false,
		"filtertype: state":                                    false,
		"filtertype: none":                                     false,
	} {
		require.Equal(t, want, chain(t, cluster.Snapshots, filter).AsksFor(cluster.InProgress), filter)
	}
}

func TestChainTimestrings(t *testing.T) {
	c := chain(t, cluster.Snapshots, "filtertype: none", "filtertype: pattern, kind: timestring, value: '%Y%m'",
		"filtertype: pattern, kind: prefix, value: a",
		"filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 1",
		"filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 1")
	require.Equal(t, []string{"%Y%m", "%Y.%m.%d"}, c.Timestrings())
}

// FuzzChain: selected and spared together are the listing, without doubles, both
// in its order; the input is unchanged; what has no date is never selected.
func FuzzChain(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, uint32(0x01234567), int64(1704326400))
	f.Add([]byte{9, 9, 9, 40, 41, 80, 120, 200}, uint32(0x8a9bcdef), int64(0))
	f.Add([]byte{}, uint32(7), int64(-5))
	kinds := []string{
		"filtertype: none",
		"filtertype: pattern, kind: prefix, value: a",
		"filtertype: pattern, kind: suffix, value: '1', exclude: true",
		"filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 1",
		"filtertype: age, source: name, timestring: '%Y.%m.%d', direction: younger, unit: weeks, unit_count: 1, exclude: true",
		"filtertype: age, source: creation_date, direction: younger, unit: days, unit_count: 2, exclude: true",
		"filtertype: period, source: name, timestring: '%Y.%m.%d', unit: months, range_from: -1, range_to: 0, exclude: true",
		"filtertype: count, count: 2, use_age: true, source: name, timestring: '%Y.%m.%d'",
		"filtertype: count, count: 1, use_age: true, source: creation_date, exclude: false",
		"filtertype: count, count: 2",
		"filtertype: count, count: 1, pattern: '(a|b)'",
	}
	dated := []int{3, 4, 6, 7}
	var links []Link
	for _, k := range kinds {
		l, err := link(cluster.Indices, k)
		if err != nil {
			f.Fatal(k, err)
		}
		links = append(links, l)
	}
	f.Fuzz(func(t *testing.T, listing []byte, choice uint32, epoch int64) {
		var list []*cluster.Index
		for i, b := range listing {
			x := &cluster.Index{
				Name:    fmt.Sprintf("%c%d-2024.0%d.%02d", 'a'+b%3, i, b%4, b%33),
				Closed:  b%7 == 0,
				Created: time.Unix(epoch+int64(b)*40000, 0),
			}
			if b%5 == 0 {
				x.Name = fmt.Sprintf("%c%d", 'a'+b%3, i)
			}
			if b%11 == 0 {
				x.Created = time.Time{}
			}
			list = append(list, x)
		}
		items := cluster.Items(list)
		before := slices.Clone(items)
		var c Chain
		needsDate := false
		for range choice % 5 {
			choice /= 5
			k := int(choice) % len(links)
			c = append(c, links[k])
			needsDate = needsDate || slices.Contains(dated, k)
		}
		sel, err := c.Select(context.Background(), time.Unix(epoch, 0).UTC(), items, noFacts)
		require.NoError(t, err)
		require.Equal(t, before, items)
		place := map[cluster.Item]int{}
		for i, it := range items {
			place[it] = i
		}
		seen := map[cluster.Item]bool{}
		last := -1
		for _, it := range sel.Selected {
			require.False(t, seen[it], "double")
			require.Greater(t, place[it], last, "order")
			seen[it], last = true, place[it]
			require.False(t, needsDate && !strings.Contains(it.ItemName(), "2024"), "%s has no date", it.ItemName())
		}
		last = -1
		for _, s := range sel.Spared {
			require.False(t, seen[s.Item], "double")
			require.Greater(t, place[s.Item], last, "order")
			require.NotEmpty(t, s.By)
			require.NotEmpty(t, s.Why)
			seen[s.Item], last = true, place[s.Item]
		}
		require.Len(t, seen, len(items))
	})
}
