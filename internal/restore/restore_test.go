package restore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/rename"
)

const logs = "logs-2026.11.03"

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// snap is a good snapshot of the indices.
func snap(name, start string, indices ...string) *cluster.Snapshot {
	slices.Sort(indices)
	return &cluster.Snapshot{
		Repository:  "r",
		Name:        name,
		State:       cluster.Success,
		Start:       at(start),
		Indices:     indices,
		HasContents: true,
		Version:     "7.17.28",
		Shards:      cluster.ShardCount{Total: len(indices), Successful: len(indices)},
	}
}

// holed is a PARTIAL snapshot that lacks shards of the first index.
func holed(name, start string, indices ...string) *cluster.Snapshot {
	lame := indices[0]
	s := snap(name, start, indices...)
	s.State, s.Shards.Failed, s.Shards.Total, s.Failures = cluster.Partial, 1, len(indices)+1, []cluster.ShardFailure{{Index: lame}}
	return s
}

func failed(name, start string, indices ...string) *cluster.Snapshot {
	s := snap(name, start, indices...)
	s.State = cluster.Failed
	return s
}

func running(name, start string, indices ...string) *cluster.Snapshot {
	s := snap(name, start, indices...)
	s.State = cluster.InProgress
	return s
}

// sizes are of logs, by snapshot.
func sizes(of map[string]int64) map[Ref]map[string]int64 {
	out := map[Ref]map[string]int64{}
	for s, n := range of {
		out[Ref{"r", s}] = map[string]int64{logs: n}
	}
	return out
}

func TestWhichSnapshot(t *testing.T) {
	own := snap("own-day", "2026-11-03 01:00", logs) // while the index was being written
	first := snap("first", "2026-11-04 01:00", logs)
	second := snap("second", "2026-11-05 01:00", logs)
	third := snap("third", "2026-11-06 01:00", logs)
	exact := snap("exact", "2026-11-04 00:00", logs)
	for _, c := range []struct {
		name      string
		r         Request
		snapshots []*cluster.Snapshot
		sizes     map[string]int64
		want      string // empty: refused
		why       string // or the refusal
		warning   string
	}{
		{
			"the only one after the period",
			Request{},
			[]*cluster.Snapshot{own, first},
			nil,
			"first",
			"the only complete copy made after the index's day had ended (2026-11-04 00:00 UTC)",
			"",
		},
		{
			"the newest after the period",
			Request{},
			[]*cluster.Snapshot{own, first, second, third},
			nil,
			"third",
			"the newest complete copy made after the index's day had ended",
			"",
		},
		{"the order of the listing does not count", Request{}, []*cluster.Snapshot{third, own, second, first}, nil, "third", "newest", ""},
		{"as the period ends", Request{}, []*cluster.Snapshot{own, exact}, nil, "exact", "the only complete copy", ""},
		{
			"taken at 01:00 of its own day",
			Request{},
			[]*cluster.Snapshot{own},
			nil,
			"own-day",
			"but made before the index's day had ended",
			"it can contain at most 4 % of that day",
		},
		{
			"before its day",
			Request{},
			[]*cluster.Snapshot{snap("early", "2026-11-02 01:00", logs)},
			nil,
			"early",
			"but made before",
			"it can contain at most 0 % of that day",
		},
		{
			"a late stub is smaller",
			Request{},
			[]*cluster.Snapshot{first, second, third},
			map[string]int64{"first": 1000000, "third": 949999},
			"first",
			"the newest one, in third, has only 949,999 of 1,000,000 bytes: the index was deleted and recreated meanwhile",
			"",
		},
		{
			"5 % smaller is no stub",
			Request{},
			[]*cluster.Snapshot{first, third},
			map[string]int64{"first": 1000, "third": 950},
			"third",
			"newest",
			"",
		},
		{"equal sizes", Request{}, []*cluster.Snapshot{first, third}, map[string]int64{"first": 1000, "third": 1000}, "third", "newest", ""},
		{"larger", Request{}, []*cluster.Snapshot{first, third}, map[string]int64{"first": 1000, "third": 1100}, "third", "newest", ""},
		{"unknown size of the newest", Request{}, []*cluster.Snapshot{first, third}, map[string]int64{"first": 1000}, "third", "newest", ""},
		{"unknown size of the first", Request{}, []*cluster.Snapshot{first, third}, map[string]int64{"third": 10}, "third", "newest", ""},
		{
			"latest asks for the newest, stub or not",
			Request{Snapshot: Latest},
			[]*cluster.Snapshot{first, third},
			map[string]int64{"first": 1000, "third": 10},
			"third",
			"newest",
			"",
		},
		{
			"one that is not good does not count",
			Request{},
			[]*cluster.Snapshot{first, holed("holes", "2026-11-07 01:00", logs)},
			nil,
			"first",
			"the only complete copy",
			"",
		},
		{
			"PARTIAL, but whole for this index",
			Request{},
			[]*cluster.Snapshot{first, holed("holes", "2026-11-07 01:00", "other", logs)},
			nil,
			"holes",
			"newest",
			"",
		},
		{
			"FAILED and running ones do not count",
			Request{},
			[]*cluster.Snapshot{first, failed("f", "2026-11-07 01:00", logs), running("p", "2026-11-08 01:00", logs)},
			nil,
			"first",
			"only complete copy",
			"",
		},
		{
			"one that lacks it",
			Request{},
			[]*cluster.Snapshot{first, snap("others", "2026-11-07 01:00", "other")},
			nil,
			"first",
			"only complete copy",
			"",
		},
		{"before", Request{Before: at("2026-11-05 01:00")}, []*cluster.Snapshot{first, second, third}, nil, "first", "only complete copy", ""},
		{
			"before, the bound itself is out",
			Request{Before: at("2026-11-05 01:01")},
			[]*cluster.Snapshot{first, second, third},
			nil,
			"second",
			"newest",
			"",
		},
		{
			"before everything",
			Request{Before: at("2026-11-01 00:00")},
			[]*cluster.Snapshot{first},
			nil,
			"",
			"contains the index " + logs + "; r/first, started 2026-11-04 01:00 UTC, contains it",
			"",
		},
		{
			"nothing good",
			Request{},
			[]*cluster.Snapshot{holed("holes", "2026-11-07 01:00", logs)},
			nil,
			"",
			"no snapshot contains a complete copy of " + logs + ": in holes shards are missing (PARTIAL); --partial restores such a copy",
			"",
		},
		{
			"nothing good, partial",
			Request{Partial: true},
			[]*cluster.Snapshot{holed("h1", "2026-11-07 01:00", logs), holed("h2", "2026-11-08 01:00", logs)},
			nil,
			"h2",
			"shards are missing",
			"every copy has missing shards",
		},
		{
			"partial prefers what is complete",
			Request{Partial: true},
			[]*cluster.Snapshot{first, holed("h2", "2026-11-08 01:00", logs)},
			nil,
			"first",
			"only complete copy",
			"",
		},
		{
			"partial never takes FAILED",
			Request{Partial: true},
			[]*cluster.Snapshot{holed("h1", "2026-11-07 01:00", logs), failed("f", "2026-11-08 01:00", logs)},
			nil,
			"h1",
			"shards are missing",
			"every copy has missing shards",
		},
		{
			"only FAILED",
			Request{Partial: true},
			[]*cluster.Snapshot{failed("f", "2026-11-08 01:00", logs)},
			nil,
			"",
			"in f shards are missing (FAILED)",
			"",
		},
		{"named", Request{Snapshot: "second"}, []*cluster.Snapshot{first, second, third}, nil, "second", "the snapshot was named", ""},
		{
			"named, earlier",
			Request{Snapshot: "own-day"},
			[]*cluster.Snapshot{own, first},
			nil,
			"own-day",
			"named",
			"snapshot own-day was started 2026-11-03 01:00 UTC, before the index's day had ended (2026-11-04 00:00 UTC); " +
				"it can contain at most 4 % of that day",
		},
		{
			"named, PARTIAL but whole for it",
			Request{Snapshot: "holes"},
			[]*cluster.Snapshot{holed("holes", "2026-11-07 01:00", "other", logs)},
			nil,
			"holes",
			"named",
			"snapshot holes is PARTIAL; its copy of " + logs + " is complete",
		},
		{
			"named, lacks shards of it",
			Request{Snapshot: "holes"},
			[]*cluster.Snapshot{first, holed("holes", "2026-11-07 01:00", logs)},
			nil,
			"",
			"no snapshot contains a complete copy of " + logs + ": in holes shards are missing",
			"",
		},
		{
			"named, lacks shards of it, partial",
			Request{Snapshot: "holes", Partial: true},
			[]*cluster.Snapshot{first, holed("holes", "2026-11-07 01:00", logs)},
			nil,
			"holes",
			"named",
			"its copy in holes has missing shards",
		},
		{
			"named, FAILED",
			Request{Snapshot: "f", Partial: true},
			[]*cluster.Snapshot{first, failed("f", "2026-11-07 01:00", logs)},
			nil,
			"",
			"in f shards are missing (FAILED)",
			"",
		},
		{"named, lacks the index", Request{Snapshot: "others"},
			[]*cluster.Snapshot{first, snap("others", "2026-11-07 01:00", "logs-2026.11.04")}, nil, "",
			"contains the index " + logs + "; r/first, started 2026-11-04 01:00 UTC, contains it; did you mean logs-2026.11.04?", ""},
		{"named, not there", Request{Snapshot: "frist"}, []*cluster.Snapshot{first, second}, nil, "",
			"there is no finished snapshot frist; did you mean first?", ""},
		{
			"named, still running",
			Request{Snapshot: "p"},
			[]*cluster.Snapshot{running("p", "2026-11-08 01:00", logs)},
			nil,
			"",
			"there is no finished snapshot p",
			"",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Indices = []string{logs}
			p := NewPlan(c.r, Listings{Snapshots: c.snapshots, Sizes: sizes(c.sizes)})
			if c.want == "" {
				require.Empty(t, p.Items)
				stops := slices.Concat(p.Missing, p.Refusals)
				require.Len(t, stops, 1)
				require.Contains(t, stops[0], c.why)
				return
			}
			require.Empty(t, p.Refusals)
			require.Len(t, p.Items, 1)
			it := p.Items[0]
			require.Equal(t, c.want, it.Snapshot)
			require.Equal(t, "r", it.Repository)
			require.Equal(t, logs, it.Target)
			require.Contains(t, it.Why, c.why)
			require.Equal(t, c.warning == "", len(p.Warnings) == 0, p.Warnings)
			require.Contains(t, strings.Join(p.Warnings, "\n"), c.warning)
			require.Equal(t, c.sizes[c.want], it.Bytes)
			require.Equal(t, c.sizes[c.want] > 0, p.SizeKnown)
		})
	}
}

// An index without a date has no period: the newest good copy is the one.
func TestUndatedIndex(t *testing.T) {
	p := NewPlan(Request{Indices: []string{"orders"}}, Listings{
		Snapshots: []*cluster.Snapshot{snap("a", "2026-11-01 01:00", "orders"), snap("b", "2026-11-02 01:00", "orders")},
		Sizes:     map[Ref]map[string]int64{{"r", "a"}: {"orders": 100}, {"r", "b"}: {"orders": 1}},
	})
	require.Equal(t, "b", p.Items[0].Snapshot)
	require.Equal(t, "the newest complete copy", p.Items[0].Why)
	require.Empty(t, p.Warnings)
}

// Rollover numbers are no times of day: the day must be over.
func TestRolloverIndex(t *testing.T) {
	p := NewPlan(Request{Indices: []string{logs + "-000001"}}, Listings{Snapshots: []*cluster.Snapshot{
		snap("after", "2026-11-04 01:00", logs+"-000001"), snap("own-day", "2026-11-03 01:00", logs+"-000001"),
	}})
	require.Equal(t, "after", p.Items[0].Snapshot)
	require.Contains(t, p.Items[0].Why, "the only complete copy")
}

func TestWanted(t *testing.T) {
	list := []*cluster.Snapshot{
		snap("a", "2026-11-01 01:00", "x-1", "x-2"), snap("b", "2026-11-02 01:00", "x-2", "y"),
		running("c", "2026-11-03 01:00", "z"),
	}
	for _, c := range []struct {
		r               Request
		wanted, missing []string
	}{
		{Request{Indices: []string{"x-*"}}, []string{"x-1", "x-2"}, nil},
		{Request{Indices: []string{"x-*", "-x-1"}}, []string{"x-2"}, nil},
		{Request{Indices: []string{"x-1", "nope"}}, []string{"x-1"}, []string{"nope"}},
		{Request{Indices: []string{"z"}}, nil, []string{"z"}}, // not finished
		{Request{Snapshot: "b"}, []string{"x-2", "y"}, nil},
		{Request{Snapshot: "b", Indices: []string{"x-1"}}, nil, []string{"x-1"}},
		{Request{Before: at("2026-11-02 00:00")}, []string{"x-1", "x-2"}, nil},
	} {
		wanted, missing := Wanted(c.r, list)
		require.Equal(t, c.wanted, wanted, "%+v", c.r)
		require.Equal(t, c.missing, missing, "%+v", c.r)
	}
}

func TestMissingNames(t *testing.T) {
	l := Listings{Snapshots: []*cluster.Snapshot{snap("a", "2026-11-10 01:00", logs, "logs-2026.11.04")}}
	p := NewPlan(Request{Indices: []string{"lgos-2026.11.03", logs, "zzz"}}, l)
	require.Equal(t, []string{
		"no snapshot contains the index lgos-2026.11.03; did you mean " + logs + "?", "no snapshot contains the index zzz",
	}, p.Missing)
	require.Len(t, p.Items, 1, "the plan says all at once")
	p = NewPlan(Request{Indices: []string{"lgos-2026.11.03", logs}, IgnoreMissing: true}, l)
	require.Empty(t, p.Missing)
	require.Len(t, p.Items, 1)
}

func TestSizesNeeded(t *testing.T) {
	list := []*cluster.Snapshot{snap("a", "2026-11-04 01:00", logs), snap("b", "2026-11-05 01:00", logs), snap("c", "2026-11-06 01:00", logs)}
	require.Equal(t, []Ref{{"r", "c"}, {"r", "a"}},
		SizesNeeded(Request{Indices: []string{logs}}, Listings{Snapshots: list}), "the newest and the first")
	require.Equal(t, []Ref{{"r", "c"}}, SizesNeeded(Request{Indices: []string{logs}, Snapshot: Latest}, Listings{Snapshots: list}))
	require.Equal(t, []Ref{{"r", "b"}}, SizesNeeded(Request{Indices: []string{logs}, Snapshot: "b"}, Listings{Snapshots: list}))
	list[2].Assumed = true
	require.Equal(t, []Ref{{"r", "a"}}, SizesNeeded(Request{Indices: []string{logs}}, Listings{Snapshots: list}),
		"what a dry run assumes has no size")
}

func TestConflicts(t *testing.T) {
	index := func(name string, aliases ...string) *cluster.Index {
		return &cluster.Index{Name: name, Aliases: aliases}
	}
	for _, c := range []struct {
		name     string
		how      Conflict
		there    []*cluster.Index
		targets  []string
		refusal  string // of the plan; empty: none
		skipped  string
		warnings int
	}{
		{"nothing there", Fail, []*cluster.Index{index("x")}, []string{logs}, "", "", 0},
		{"fail", Fail, []*cluster.Index{index(logs)}, []string{logs}, logs + ": an index with that name exists", "", 0},
		{"nothing said is fail", "", []*cluster.Index{index(logs)}, []string{logs}, logs + ": an index with that name exists", "", 0},
		{
			"an alias of that name",
			Fail,
			[]*cluster.Index{index("x", logs)},
			[]string{logs},
			logs + ": an alias with that name exists, on x",
			"",
			0,
		},
		{
			"a data stream of that name",
			Fail,
			[]*cluster.Index{{Name: ".ds-1", DataStream: logs}},
			[]string{logs},
			logs + ": a data stream with that name exists",
			"",
			0,
		},
		{"skip", Skip, []*cluster.Index{index(logs)}, []string{logs}, "", "an index with that name exists", 0},
		{"the server's business", Server, []*cluster.Index{index(logs)}, []string{logs}, "", "", 0},
		{"rename", Rename, []*cluster.Index{index(logs)}, []string{"restored-" + logs}, "", "", 1},
		{
			"rename, that one is taken too",
			Rename,
			[]*cluster.Index{index(logs), index("restored-" + logs)},
			[]string{"restored-2-" + logs},
			"",
			"",
			1,
		},
		{
			"rename, an alias takes it",
			Rename,
			[]*cluster.Index{index(logs), index("x", "restored-"+logs), index("restored-2-" + logs)},
			[]string{"restored-3-" + logs},
			"",
			"",
			1,
		},
		{"rename, nothing in the way", Rename, nil, []string{logs}, "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPlan(Request{Indices: []string{logs}, OnConflict: c.how},
				Listings{Snapshots: []*cluster.Snapshot{snap("s", "2026-11-04 01:00", logs)}, Indices: c.there})
			require.Equal(t, c.refusal != "", len(p.Refusals) == 1, p.Refusals)
			require.Contains(t, strings.Join(p.Refusals, "\n"), c.refusal)
			var targets []string
			for _, it := range p.Items {
				targets = append(targets, it.Target)
				require.Equal(t, c.skipped, it.Skipped)
				require.Equal(t, it.Target, renamed(t, it), "the request says the same as the plan")
			}
			require.Equal(t, c.targets, targets)
			require.Len(t, p.Warnings, c.warnings)
			require.Equal(t, c.skipped != "", len(p.Groups()) == 0)
		})
	}
}

// renamed is the name the server will give, by the request.
func renamed(t *testing.T, it Item) string {
	t.Helper()
	if it.Pattern == "" {
		return it.Index
	}
	rule, err := rename.Compile(it.Pattern, it.Replacement)
	require.NoError(t, err)
	target, err := rule.Apply(it.Index)
	require.NoError(t, err)
	return target
}

func TestRename(t *testing.T) {
	all := []*cluster.Snapshot{snap("s", "2026-11-10 01:00", "a-1", "a-2", "b-1")}
	for _, c := range []struct {
		name                 string
		indices              []string
		pattern, replacement string
		how                  Conflict
		there                []string
		targets              []string
		refusal              string
	}{
		{"all of the name", []string{"a-1"}, "^(.+)$", "old-$1", Fail, nil, []string{"old-a-1"}, ""},
		{"a part of the name", []string{"a-1", "b-1"}, "a-", "c-", Fail, nil, []string{"c-1", "b-1"}, ""},
		{"the old name may be taken", []string{"a-1"}, "^(.+)$", "old-$1", Fail, []string{"a-1"}, []string{"old-a-1"}, ""},
		{
			"the new one may not",
			[]string{"a-1"},
			"^(.+)$",
			"old-$1",
			Fail,
			[]string{"old-a-1"},
			[]string{"old-a-1"},
			"old-a-1: an index with that name exists",
		},
		{"two become one", []string{"a-1", "b-1"}, "^.+-", "c-", Fail, nil, []string{"c-1", "c-1"}, "a-1 and b-1 would both be restored as c-1"},
		{"no pattern at all", []string{"a-1"}, "(", "x", Fail, nil, nil, "rename pattern, column 1: the group that begins here has no end"},
		{
			"a group that the server reads otherwise",
			[]string{"a-1"},
			"(?<n>.+)",
			"x-${n}",
			Fail,
			nil,
			nil,
			"rename pattern, column 1: named groups are not supported",
		},
		{"as many digits as make a group", []string{"a-1"}, "(.)-(.)", "$12-$2", Fail, nil, []string{"a2-1"}, ""},
		{"an escaped dollar", []string{"a-1"}, "^(.+)$", `x\$y-$1`, Fail, nil, []string{"x$y-a-1"}, ""},
		{"all matches, also empty ones", []string{"a-1"}, "(.*)", "x-$1", Fail, nil, []string{"x-a-1x-"}, ""},
		{"empty", []string{"a-1"}, "^.+$", "", Fail, nil, []string{""}, `a-1 would be restored as "": the name is empty`},
		{"upper case", []string{"a-1"}, "^a", "A", Fail, nil, []string{"A-1"}, "names must be lower case"},
		{"forbidden characters", []string{"a-1"}, "-", "#", Fail, nil, []string{"a#1"}, "contains a character that is not allowed"},
		{"leading underscore", []string{"a-1"}, "^a", "_", Fail, nil, []string{"_-1"}, "must not start with"},
		{
			"too long",
			[]string{"a-1"},
			"^a",
			strings.Repeat("é", 127),
			Fail,
			nil,
			[]string{strings.Repeat("é", 127) + "-1"},
			"the name has 256 bytes",
		},
		{"longest", []string{"a-1"}, "^a", strings.Repeat("x", 253), Fail, nil, []string{strings.Repeat("x", 253) + "-1"}, ""},
		{"pattern and conflict", []string{"a-1"}, "1", "9", Rename, []string{"a-9"}, []string{"restored-a-9"}, ""},
		{"pattern and conflict of one of two", []string{"a-1", "a-2"}, "^a", "c", Rename, []string{"c-1"}, []string{"restored-c-1", "c-2"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Listings{Snapshots: all}
			for _, n := range c.there {
				l.Indices = append(l.Indices, &cluster.Index{Name: n})
			}
			p := NewPlan(Request{Indices: c.indices, Pattern: c.pattern, Replacement: c.replacement, OnConflict: c.how}, l)
			var targets []string
			for _, it := range p.Items {
				targets = append(targets, it.Target)
				require.Equal(t, it.Target, renamed(t, it))
			}
			require.Equal(t, c.targets, targets)
			require.Equal(t, c.refusal == "", len(p.Refusals) == 0, p.Refusals)
			require.Contains(t, strings.Join(p.Refusals, "\n"), c.refusal)
		})
	}
}

// Names with characters that have a meaning in patterns and replacements, and names that
// cannot be renamed safely.
func TestRenameOfUnusualNames(t *testing.T) {
	for _, name := range []string{"a$1", `a.b+c(d)[e]{2}^$`, "é-日本", "a-😀", "a&&b", "$"} {
		for _, pattern := range []string{"", "^(.+)$"} {
			there := []*cluster.Index{{Name: name}, {Name: "x$" + name}}
			r := Request{Indices: []string{name}, Pattern: pattern, OnConflict: Rename}
			target := "restored-" + name
			if pattern != "" {
				r.Replacement, target = `x\$$1`, "restored-x$"+name
			}
			p := NewPlan(r, Listings{Snapshots: []*cluster.Snapshot{snap("s", "2026-11-10 01:00", name)}, Indices: there})
			require.Empty(t, p.Refusals, name)
			require.Equal(t, target, p.Items[0].Target)
			require.Equal(t, target, renamed(t, p.Items[0]))
		}
	}
	for _, r := range []Request{{OnConflict: Rename}, {Pattern: "^(.+)$", Replacement: "x-$1"}} {
		p := NewPlan(r, Listings{
			Snapshots: []*cluster.Snapshot{snap("s", "2026-11-10 01:00", "a\nb")},
			Indices:   []*cluster.Index{{Name: "a\nb"}},
		})
		require.Len(t, p.Refusals, 1)
		require.Contains(t, p.Refusals[0], `"a\nb" contains a character that cannot be renamed safely`)
	}
}

// Curator's command lines send a pattern that has more than one meaning as it is written,
// unless a closed index could be overwritten.
func TestUnpredictedNames(t *testing.T) {
	all := []*cluster.Snapshot{snap("s", "2026-11-10 01:00", "a-1", "a-2")}
	for _, c := range []struct {
		name        string
		replacement string
		there       []*cluster.Index
		refused     string
	}{
		{"nothing there", "old-${n}", nil, ""},
		{"open indices are the server's business", "old-${n}", []*cluster.Index{{Name: "old-1"}}, ""},
		{
			"a closed index that it could hit",
			"old-${n}",
			[]*cluster.Index{{Name: "old-1", Closed: true}},
			"the closed index old-1 could be overwritten",
		},
		{"a closed index that lacks a text of the replacement", "old-${n}", []*cluster.Index{{Name: "new-1", Closed: true}}, ""},
		{"a replacement without a text", "${n}", []*cluster.Index{{Name: "new-1", Closed: true}}, "the closed index new-1 could be overwritten"},
		{"a closed index that is restored itself", "${n}", []*cluster.Index{{Name: "a-1", Closed: true}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPlan(Request{Pattern: "a-(?<n>.+)", Replacement: c.replacement, OnConflict: Server, Snapshot: "s"},
				Listings{Snapshots: all, Indices: c.there})
			require.Equal(t, c.refused == "", len(p.Refusals) == 0, p.Refusals)
			require.Contains(t, strings.Join(p.Refusals, "\n"), c.refused)
			require.Contains(t, strings.Join(append(p.Warnings, p.Refusals...), "\n"),
				"cannot be predicted (pattern, column 3: named groups are not supported")
			require.Equal(t, c.refused == "", len(p.Warnings) == 1, "what is refused is not sent")
			groups := p.Groups()
			require.Len(t, groups, 1)
			require.True(t, groups[0].Unpredicted)
			require.Equal(t, []string{"a-(?<n>.+)", c.replacement}, []string{groups[0].Pattern, groups[0].Replacement})
		})
	}
	p := NewPlan(Request{Pattern: "^(.+)$", Replacement: "x-$1", OnConflict: Server},
		Listings{Snapshots: []*cluster.Snapshot{snap("s", "2026-11-10 01:00", "a", "a\nb")}})
	require.Empty(t, p.Refusals)
	require.Len(t, p.Warnings, 1)
	require.Len(t, p.Groups(), 1, "one request, as Curator sends it")
}

func TestAttach(t *testing.T) {
	op := func(kind cluster.OperationKind, repository, snapshot string, indices ...string) cluster.Operation {
		return cluster.Operation{Kind: kind, Repository: repository, Snapshot: snapshot, Indices: indices}
	}
	there := []*cluster.Index{{Name: logs}} // servers list an index while it is restored
	for _, c := range []struct {
		name    string
		how     Conflict
		there   []*cluster.Index
		running []cluster.Operation
		attach  bool
		target  string
		refused bool
	}{
		{"the same restore", Fail, there, []cluster.Operation{op(cluster.OpRestore, "r", "s", "x", logs)}, true, logs, false},
		{"of another snapshot", Fail, there, []cluster.Operation{op(cluster.OpRestore, "r", "t", logs)}, false, logs, true},
		{"of another repository", Fail, there, []cluster.Operation{op(cluster.OpRestore, "q", "s", logs)}, false, logs, true},
		{"of another index", Fail, there, []cluster.Operation{op(cluster.OpRestore, "r", "s", "x")}, false, logs, true},
		{"a snapshot is no restore", Fail, there, []cluster.Operation{op(cluster.OpSnapshot, "r", "s", logs)}, false, logs, true},
		{
			"under the name that a conflict gave it",
			Rename,
			[]*cluster.Index{{Name: logs}, {Name: "restored-" + logs}},
			[]cluster.Operation{op(cluster.OpRestore, "r", "s", "restored-"+logs)},
			true,
			"restored-" + logs,
			false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPlan(Request{Indices: []string{logs}, OnConflict: c.how},
				Listings{Snapshots: []*cluster.Snapshot{snap("s", "2026-11-04 01:00", logs)}, Indices: c.there, Running: c.running})
			require.Equal(t, c.attach, p.Items[0].Attach)
			require.Equal(t, c.target, p.Items[0].Target)
			require.Equal(t, c.refused, len(p.Refusals) > 0)
			require.Equal(t, c.attach, len(p.Groups()) == 0, "what is attached to is not asked for again")
		})
	}
}

func TestSpace(t *testing.T) {
	disks := []cluster.Disk{{Total: 600, Free: 200}, {Total: 400, Free: 100}} // 1000, 300 free
	for _, c := range []struct {
		name      string
		size      int64
		replicas  int
		watermark string
		off       bool
		forcible  string
	}{
		{"fits", 200, 0, "90%", false, ""},
		{"one byte too many", 201, 0, "90%", false, "the restore needs 201 bytes of 300 free bytes: that exceeds the high disk watermark (90%)"},
		{"replicas count", 101, 1, "90%", false, "the restore needs 202 bytes"},
		{"replicas fit", 100, 1, "90%", false, ""},
		{"ratio", 202, 0, "0.9", false, "watermark (0.9)"},
		{"ratio fits", 200, 0, "0.9", false, ""},
		{"absolute", 201, 0, "100b", false, "watermark (100b)"},
		{"absolute fits", 200, 0, "100b", false, ""},
		{"absolute, larger than the disk", 1, 0, "1kb", false, "watermark (1kb)"},
		{"watermarks are off", 9999, 0, "90%", true, ""},
		{"unknown size", 0, 0, "1kb", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Listings{
				Snapshots: []*cluster.Snapshot{snap("s", "2026-11-04 01:00", logs)},
				Capacity:  &cluster.Capacity{Nodes: disks, HighWatermark: c.watermark, WatermarkOn: !c.off},
			}
			if c.size > 0 {
				l.Sizes = sizes(map[string]int64{"s": c.size})
			}
			p := NewPlan(Request{Indices: []string{logs}, Replicas: c.replicas}, l)
			require.Empty(t, p.Refusals, "it can be forced")
			require.Equal(t, c.forcible == "", len(p.Forcible) == 0, p.Forcible)
			require.Contains(t, strings.Join(p.Forcible, "\n"), c.forcible)
			require.Equal(t, c.size, p.Bytes)
			require.EqualValues(t, 300, p.Free)
			require.Equal(t, c.size > 0, p.SizeKnown)
		})
	}
	for text, want := range map[string]int64{
		"85%":   150,
		"99.5%": 5,
		"0.95":  50,
		"1":     0,
		"10b":   10,
		"2kb":   2048,
		"1.5mb": 3 << 19,
		"20GB":  20 << 30,
		"1tb":   1 << 40,
		"":      0,
	} {
		require.InDelta(t, want, watermark(text, 1000), 1, text)
	}
}

func TestShardLimit(t *testing.T) {
	for _, c := range []struct {
		limit, now, replicas int
		refused              bool
	}{
		{10, 8, 0, false}, {10, 9, 0, true}, {10, 7, 1, true}, {10, 6, 1, false}, {0, 99, 0, false},
	} {
		p := NewPlan(Request{Indices: []string{"a", "b"}, Replicas: c.replicas}, Listings{
			Snapshots: []*cluster.Snapshot{snap("s", "2026-11-04 01:00", "a", "b")}, Capacity: &cluster.Capacity{ShardLimit: c.limit, Shards: c.now},
		})
		require.Equal(t, c.refused, len(p.Forcible) == 1, "%+v", c)
	}
}

// What is skipped or attached to needs no room.
func TestSpaceOfWhatIsLeftOut(t *testing.T) {
	p := NewPlan(Request{Indices: []string{logs}, OnConflict: Skip}, Listings{
		Snapshots: []*cluster.Snapshot{snap("s", "2026-11-04 01:00", logs)},
		Indices:   []*cluster.Index{{Name: logs}}, Sizes: sizes(map[string]int64{"s": 500}),
		Capacity: &cluster.Capacity{
			Nodes:         []cluster.Disk{{Total: 100, Free: 1}},
			HighWatermark: "90%",
			WatermarkOn:   true,
			ShardLimit:    1,
			Shards:        1,
		},
	})
	require.Zero(t, p.Bytes)
	require.Empty(t, p.Forcible)
}

func TestServerThatCannotRead(t *testing.T) {
	p := NewPlan(Request{Indices: []string{logs}}, Listings{
		Snapshots: []*cluster.Snapshot{snap("s", "2026-11-04 01:00", logs)},
		Server:    cluster.Server{Text: "6.7.0", Version: cluster.Version{6, 7, 0}},
	})
	require.Equal(t, []string{
		"snapshot s cannot be restored here: it was taken by version 7.17.28, which is newer than this Elasticsearch 6.7.0",
	}, p.Refusals)
}

func TestGlobalStateWarns(t *testing.T) {
	p := NewPlan(Request{Indices: []string{logs}, GlobalState: true, KeepUntil: at("2026-12-01 00:00")},
		Listings{Snapshots: []*cluster.Snapshot{snap("s", "2026-11-04 01:00", logs)}})
	require.Len(t, p.Warnings, 1)
	require.Contains(t, p.Warnings[0], "include_global_state")
	require.Equal(t, at("2026-12-01 00:00"), p.KeepUntil)
}

func TestGroups(t *testing.T) {
	p := &Plan{Items: []Item{
		{Index: "a", Repository: "r", Snapshot: "s"}, {Index: "b", Repository: "r", Snapshot: "t"},
		{Index: "c", Repository: "r", Snapshot: "s"}, {Index: "d", Repository: "q", Snapshot: "s"},
		{Index: "e", Repository: "r", Snapshot: "s", Pattern: "^(.+)$", Replacement: "x-$1"},
		{Index: "f", Repository: "r", Snapshot: "s", Pattern: "^(.+)$", Replacement: "y-$1"},
		{Index: "g", Repository: "r", Snapshot: "s", Skipped: "there"}, {Index: "h", Repository: "r", Snapshot: "s", Attach: true},
	}}
	got := map[string]string{}
	var order []string
	for _, g := range p.Groups() {
		key := g.Repository + "/" + g.Snapshot + " " + g.Replacement
		order = append(order, key)
		for _, it := range g.Items {
			got[key] += it.Index
		}
	}
	require.Equal(t, map[string]string{"r/s ": "ac", "r/t ": "b", "q/s ": "d", "r/s x-$1": "e", "r/s y-$1": "f"}, got)
	require.Equal(t, []string{"r/s ", "r/t ", "q/s ", "r/s x-$1", "r/s y-$1"}, order)
}
