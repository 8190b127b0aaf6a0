package guard

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/series"
)

var now = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)

// names lists the guards in order.
func names(list cluster.ListKind, o Options) []string {
	out := []string{}
	for _, g := range For(list, o) {
		out = append(out, g.Name())
	}
	return out
}

func TestFor(t *testing.T) {
	keep := Options{KeepNewestGood: true, Series: series.Of(nil)}
	with := func(o Options, change func(*Options)) Options { change(&o); return o }
	for _, c := range []struct {
		name string
		list cluster.ListKind
		o    Options
		want []string
	}{
		{"snapshots", cluster.Snapshots, keep, []string{"in_progress", "foreign", "mounted", "keep_newest_good"}},
		{
			"snapshots, Curator",
			cluster.Snapshots,
			with(keep, func(o *Options) { o.Lenient = true }),
			[]string{"in_progress", "foreign", "mounted", "keep_newest_good"},
		},
		{"snapshots, off", cluster.Snapshots, with(keep, func(o *Options) { o.Off = true }), []string{}},
		{"snapshots, keep_newest_good: false", cluster.Snapshots, Options{}, []string{"in_progress", "foreign", "mounted"}},
		{
			"snapshots, a state filter names running ones",
			cluster.Snapshots,
			with(keep, func(o *Options) { o.InProgressNamed = true }),
			[]string{"foreign", "mounted", "keep_newest_good"},
		},
		{"indices", cluster.Indices, Options{}, []string{"data_stream_write_index", "restore_mark", "unsaved", "write_index", "system_index"}},
		{
			"indices, Curator",
			cluster.Indices,
			Options{Lenient: true},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "system_index"},
		},
		{
			"indices, system ones named",
			cluster.Indices,
			Options{SystemNamed: true},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "write_index"},
		},
		{
			"indices, older ones",
			cluster.Indices,
			Options{Lenient: true, Periods: &Periods{Zone: time.UTC}},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "live", "system_index"},
		},
		{"indices, off", cluster.Indices, Options{Off: true}, []string{}},
		{"indices, off, protect is no guess", cluster.Indices, Options{Off: true, Protect: []string{"a"}}, []string{"protect"}},
	} {
		require.Equal(t, c.want, names(c.list, c.o), c.name)
	}
}

// guarded says which items the guards of the options spare, by name, and which
// they let go with a warning.
func guarded(
	t *testing.T,
	list cluster.ListKind,
	o Options,
	at time.Time,
	selected, all []cluster.Item,
) (spared, warned map[string]string) {
	t.Helper()
	spared, warned = map[string]string{}, map[string]string{}
	for _, g := range For(list, o) {
		verdicts := g.Judge(at, selected, all)
		require.Len(t, verdicts, len(selected))
		for i, v := range verdicts {
			name := selected[i].ItemName()
			if v.Match == cluster.Yes {
				require.NotEmpty(t, v.Why)
				spared[name] = g.Name()
			} else if v.Warn {
				require.NotEmpty(t, v.Why)
				warned[name] = g.Name()
			}
		}
	}
	return spared, warned
}

func TestNewestGood(t *testing.T) {
	snap := func(name string, hour int, state cluster.State) *cluster.Snapshot {
		return &cluster.Snapshot{
			Name:   name,
			State:  state,
			Start:  now.Add(time.Duration(hour) * time.Hour),
			Shards: cluster.ShardCount{Total: 1, Successful: 1},
		}
	}
	lame := snap("d-2026.11.03", 3, cluster.Success)
	lame.Shards = cluster.ShardCount{Total: 4, Failed: 1}
	for _, c := range []struct {
		name     string
		all      []*cluster.Snapshot
		selected []string // empty: all
		want     []string
		patterns []string
	}{
		{
			"one series",
			[]*cluster.Snapshot{snap("d-2026.11.01", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success)},
			nil,
			[]string{"d-2026.11.02"},
			nil,
		},
		{"each series has its own", []*cluster.Snapshot{
			snap("prod1-2026.11.01", 1, cluster.Success), snap("prod1-2026.11.02", 2, cluster.Success),
			snap("prod2-2026.11.01", 1, cluster.Success), snap("prod2-2026.10.31", 0, cluster.Success),
		}, nil, []string{"prod1-2026.11.02", "prod2-2026.11.01"}, nil},
		{
			"names that only words tell apart are each a series",
			[]*cluster.Snapshot{snap("zebra", 1, cluster.Success), snap("before-upgrade", 2, cluster.Success)},
			nil,
			[]string{"zebra", "before-upgrade"},
			nil,
		},
		{"a date in another form", []*cluster.Snapshot{
			snap("prod-01.11.2026", 1, cluster.Success), snap("prod-02.11.2026", 2, cluster.Success),
			snap("dev-03.11.2026", 3, cluster.Success),
		},
			nil, []string{"prod-02.11.2026", "dev-03.11.2026"}, nil},
		{
			"an empty SUCCESS does not count",
			[]*cluster.Snapshot{
				snap("d-2026.11.01", 1, cluster.Success),
				{Name: "d-2026.11.02", State: cluster.Success, Start: now.Add(2 * time.Hour)},
			},
			nil,
			[]string{"d-2026.11.01"},
			nil,
		},
		{"a guess: the newest of each family of indices, too", []*cluster.Snapshot{
			holding(snap("cust-230415", 1, cluster.Success), "alpha-2026.11.01"),
			holding(snap("cust-230512", 2, cluster.Success), "beta-2026.11.01"),
			holding(snap("cust-230513", 3, cluster.Success), "beta-2026.11.02"),
		}, nil, []string{"cust-230415", "cust-230513"}, nil},
		{"not where series says what belongs together", []*cluster.Snapshot{
			holding(snap("cust-230415", 1, cluster.Success), "alpha-2026.11.01"),
			holding(snap("cust-230512", 2, cluster.Success), "beta-2026.11.01"),
		}, nil, []string{"cust-230512"}, []string{"cust-*"}},
		{"newer ones that are not good do not count", []*cluster.Snapshot{
			snap("d-2026.11.01", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success), lame,
			snap("d-2026.11.04", 4, cluster.Partial), snap("d-2026.11.05", 5, cluster.Failed), snap("d-2026.11.06", 6, "INCOMPATIBLE"),
		}, nil, []string{"d-2026.11.02"}, nil},
		{
			"a good one that is not selected counts",
			[]*cluster.Snapshot{snap("d-2026.11.01", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success)},
			[]string{"d-2026.11.01"},
			nil,
			nil,
		},
		{
			"nothing good: nothing is kept",
			[]*cluster.Snapshot{snap("d-2026.11.04", 4, cluster.Partial), snap("d-2026.11.05", 5, cluster.Failed)},
			nil,
			nil,
			nil,
		},
		{
			"by start, not by name",
			[]*cluster.Snapshot{snap("d-2026.11.09", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success)},
			nil,
			[]string{"d-2026.11.02"},
			nil,
		},
		{
			"ties go to the last name",
			[]*cluster.Snapshot{
				snap("d-2026.11.02", 1, cluster.Success), snap("d-2026.11.03", 1, cluster.Success),
				snap("d-2026.11.01", 1, cluster.Success),
			},
			nil,
			[]string{"d-2026.11.03"},
			nil,
		},
		{
			"patterns make series",
			[]*cluster.Snapshot{
				snap("prod1-2026.11.01", 1, cluster.Success), snap("prod2-2026.11.02", 2, cluster.Success),
				snap("x", 0, cluster.Success),
			},
			nil,
			[]string{"prod2-2026.11.02", "x"},
			[]string{"prod*"},
		},
		{"a lifecycle policy is a series", []*cluster.Snapshot{
			by("p", snap("nightly-2026.11.01-0hzvdk7orgcxvuqwxgktmw", 1, cluster.Success)), by("p", snap("nightly-2026.11.02-7kx9vdkvorgcxvuqwxgk1m",
				2, cluster.Success))}, nil, []string{"nightly-2026.11.02-7kx9vdkvorgcxvuqwxgk1m"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var selected []cluster.Item
			for _, s := range c.all {
				if c.selected == nil || s.Name == c.selected[0] {
					selected = append(selected, s)
				}
			}
			spared, _ := guarded(t, cluster.Snapshots, Options{KeepNewestGood: true, Series: series.Of(c.patterns)}, now,
				selected, cluster.Items(c.all))
			want := map[string]string{}
			for _, n := range c.want {
				want[n] = "keep_newest_good"
			}
			require.Equal(t, want, spared)
		})
	}
}

func holding(s *cluster.Snapshot, indices ...string) *cluster.Snapshot {
	s.Indices, s.HasContents = indices, true
	return s
}

func by(policy string, s *cluster.Snapshot) *cluster.Snapshot {
	s.Policy = policy
	return s
}

func TestMounted(t *testing.T) {
	list := cluster.Items([]*cluster.Snapshot{
		{Name: "one", Mounted: []string{"m"}},
		{Name: "many", Mounted: []string{"m", "n"}},
		{Name: "none"},
	})
	for _, lenient := range []bool{false, true} {
		spared, _ := guarded(t, cluster.Snapshots, Options{Lenient: lenient}, now, list, list)
		require.Equal(t, map[string]string{"one": "mounted", "many": "mounted"}, spared)
	}
	spared, _ := guarded(t, cluster.Snapshots, Options{Off: true}, now, list, list)
	require.Empty(t, spared)
}

// TestLive: an index whose own period has not ended is never old.
func TestLive(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	utc := func(text string) time.Time { t, _ := time.Parse(time.RFC3339, text); return t }
	for _, c := range []struct {
		name  string
		index cluster.Index
		at    string
		zone  *time.Location
		want  string // a part of the reason; empty: it goes
	}{
		{"the running month", cluster.Index{Name: "data-2026.12"}, "2026-12-31T00:30:00Z", time.UTC, "ends 2027-01-01"},
		{"it has ended", cluster.Index{Name: "data-2026.11"}, "2026-12-31T00:30:00Z", time.UTC, ""},
		{"a day with 25 hours, in its zone", cluster.Index{Name: "tz-2026.10.25"}, "2026-10-25T22:59:59Z", berlin, "has not ended"},
		{"and in UTC", cluster.Index{Name: "tz-2026.10.25"}, "2026-10-25T23:30:00Z", berlin, "has not ended"},
		{"then it has ended", cluster.Index{Name: "tz-2026.10.25"}, "2026-10-26T00:00:00Z", berlin, ""},
		{"the running week", cluster.Index{Name: "w-2026.w48"}, "2026-11-29T12:00:00Z", time.UTC, "ends 2026-11-30"},
		{"the later of two dates that overlap", cluster.Index{Name: "x-2026.11-2026.11.28"}, "2026-11-29T00:00:00Z", time.UTC, "ends 2026-12-01"},
		{"dates that disagree", cluster.Index{Name: "x-2026.01.01-2026.06.01"}, "2026-11-29T00:00:00Z", time.UTC, "disagree"},
		{"rolled over", cluster.Index{Name: "a-2026.01.01-000001", Rolled: utc("2026-11-01T00:00:00Z")}, "2026-11-29T00:00:00Z", time.UTC, ""},
		{"the next generation exists", cluster.Index{Name: "b-000001"}, "2026-11-29T00:00:00Z", time.UTC, ""},
		{"not rolled over, as far as known", cluster.Index{Name: "b-000002"}, "2026-11-29T00:00:00Z", time.UTC, "next index does not exist"},
		{"an older backing index", cluster.Index{Name: ".ds-s-000001", DataStream: "s"}, "2026-11-29T00:00:00Z", time.UTC, ""},
		{"May or November: the later one", cluster.Index{Name: "d-11-05-2026"}, "2026-06-01T00:00:00Z", time.UTC, "ends 2026-11-06"},
		{"May, when it was created", cluster.Index{Name: "d-11-05-2026", Created: utc("2026-05-11T00:00:02Z")}, "2026-06-01T00:00:00Z",
			time.UTC, ""},
		{"no date", cluster.Index{Name: "plain"}, "2026-11-29T00:00:00Z", time.UTC, ""},
		{"named exactly", cluster.Index{Name: "named-2026.11.29"}, "2026-11-29T00:00:00Z", time.UTC, ""},
	} {
		selected := []cluster.Item{&c.index}
		all := []cluster.Item{&c.index, &cluster.Index{Name: "b-000002", Created: utc("2026-11-02T00:00:00Z")}}
		g := live{Periods{Zone: c.zone}, false, []string{"named-2026.11.29"}}
		v := g.Judge(utc(c.at), selected, all)[0]
		require.Equal(t, c.want != "", v.Match == cluster.Yes, "%s: %s", c.name, v.Why)
		require.Contains(t, v.Why, c.want, c.name)
	}
	v := live{Periods{Zone: time.UTC}, true, nil}.Judge(now, cluster.Items([]*cluster.Index{{Name: "x-2026.01.01-2026.06.01"}}), nil)[0]
	require.Equal(t, cluster.No, v.Match, "on Curator's command line only a warning")
	require.True(t, v.Warn)
	// what the timestring reads counts beside the usual forms
	read := func(name string, loc *time.Location) (Read, bool) {
		return Read{dates.Span{Start: now.In(loc).AddDate(0, -1, 0), End: now.In(loc).AddDate(0, 0, 1)}, 3}, name == "odd"
	}
	v = live{Periods{Zone: time.UTC, Read: []func(string, *time.Location) (Read, bool){read}}, false, nil}.Judge(now,
		cluster.Items([]*cluster.Index{{Name: "odd"}}), nil)[0]
	require.Equal(t, cluster.Yes, v.Match)
}

func TestInProgress(t *testing.T) {
	list := cluster.Items([]*cluster.Snapshot{
		{Name: "running", State: cluster.InProgress},
		{Name: "failed", State: cluster.Failed},
		{Name: "done", State: cluster.Success},
	})
	spared, _ := guarded(t, cluster.Snapshots, Options{}, now, list, list)
	require.Equal(t, map[string]string{"running": "in_progress"}, spared)
	spared, _ = guarded(t, cluster.Snapshots, Options{InProgressNamed: true}, now, list, list)
	require.Empty(t, spared)
}

func TestIndices(t *testing.T) {
	list := cluster.Items([]*cluster.Index{
		{Name: "plain"},
		{Name: "ds-000001", DataStream: "ds"},
		{Name: "ds-000002", DataStream: "ds", DataStreamWriteIndex: true},
		{Name: "written", WriteAliases: []string{"logs"}}, {Name: "unseen", Aliases: []string{"a"}, UnseenAliases: []string{"a"}},
		{Name: "in-alias", Aliases: []string{"logs"}}, // implicit write index: not guarded
		{Name: ".kibana_1", System: true},
		{Name: "system", System: true},
		{Name: "restored", Aliases: []string{"esnap-keep-until-2026.11.21"}},
		{Name: "long-restored", Aliases: []string{"esnap-keep-until-2026.11.20"}},
		{Name: "protected-1"},
		{Name: "unsaved", Unsaved: "the snapshot does not contain it"},
	})
	for _, c := range []struct {
		name           string
		o              Options
		spared, warned map[string]string
	}{
		{"on", Options{Protect: []string{"x", "prot*"}}, map[string]string{
			"ds-000002": "data_stream_write_index", "written": "write_index", "unseen": "write_index",
			".kibana_1": "system_index",
			"system":    "system_index", "restored": "restore_mark", "protected-1": "protect", "unsaved": "unsaved",
		}, map[string]string{}},
		{
			"system indices named by a filter",
			Options{SystemNamed: true},
			map[string]string{"ds-000002": "data_stream_write_index", "written": "write_index", "unseen": "write_index",
				"restored": "restore_mark", "unsaved": "unsaved"},
			map[string]string{},
		},
		{"a system index named exactly", Options{NamedExactly: []string{".kibana_1", "plain"}}, map[string]string{
			"ds-000002": "data_stream_write_index", "written": "write_index", "unseen": "write_index",
			"system": "system_index", "restored": "restore_mark", "unsaved": "unsaved",
		}, map[string]string{}},
		{
			"Curator",
			Options{Lenient: true},
			map[string]string{"ds-000002": "data_stream_write_index", "restored": "restore_mark", "unsaved": "unsaved"},
			map[string]string{".kibana_1": "system_index", "system": "system_index"},
		},
		{
			"Curator, named",
			Options{Lenient: true, SystemNamed: true},
			map[string]string{"ds-000002": "data_stream_write_index", "restored": "restore_mark", "unsaved": "unsaved"},
			map[string]string{},
		},
		{"off", Options{Off: true, Protect: []string{"prot*"}}, map[string]string{"protected-1": "protect"}, map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spared, warned := guarded(t, cluster.Indices, c.o, now, list, list)
			require.Equal(t, c.spared, spared)
			require.Equal(t, c.warned, warned)
		})
	}
}

func TestRestoreMarkLastsToTheEndOfItsDay(t *testing.T) {
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		aliases []string
		at      time.Time
		want    bool
	}{
		{[]string{"esnap-keep-until-2026.11.30"}, day.Add(-time.Hour), true},
		{[]string{"esnap-keep-until-2026.11.30"}, day.Add(24*time.Hour - time.Second), true},
		{[]string{"esnap-keep-until-2026.11.30"}, day.Add(24 * time.Hour), false},
		{[]string{"esnap-keep-until-2026.11.01", "esnap-keep-until-2026.11.30"}, day, true}, // the latest counts
		{[]string{"esnap-keep-until-2026.11.30", "esnap-keep-until-2026.11.01"}, day, true},
		{[]string{"esnap-keep-until-someday"}, day, false},
		{[]string{"keep-until-2026.11.30"}, day, false},
		{nil, day, false},
	} {
		list := cluster.Items([]*cluster.Index{{Name: "i", Aliases: c.aliases}})
		spared, _ := guarded(t, cluster.Indices, Options{}, c.at, list, list)
		require.Equal(t, c.want, spared["i"] == "restore_mark", "%+v", c)
	}
}

// TestReasons: each guard gives a reason that starts with what it is about.
func TestReasons(t *testing.T) {
	good := &cluster.Snapshot{Name: "p-2026.11.01", State: cluster.Success, Shards: cluster.ShardCount{Total: 1, Successful: 1}}
	cases := map[string]struct {
		item cluster.Item
		want string
	}{
		"data_stream_write_index": {&cluster.Index{DataStreamWriteIndex: true, DataStream: "ds"}, "it is the write index of the data stream ds"},
		"write_index":             {&cluster.Index{WriteAliases: []string{"a", "b"}}, "it is the write index of the alias a, b"},
		"restore_mark": {
			&cluster.Index{Aliases: []string{"esnap-keep-until-2026.11.30"}},
			"restored; protected until the end of 2026-11-30 (UTC)",
		},
		"protect":          {&cluster.Index{Name: "xy"}, "it matches the protected pattern x*"},
		"system_index":     {&cluster.Index{Name: ".kibana_1", System: true}, "it is a system index, and no filter names it"},
		"unsaved":          {&cluster.Index{Unsaved: "the snapshot s does not contain it"}, "the snapshot s does not contain it"},
		"live":             {&cluster.Index{Name: "x-2026.11.30"}, "its own period has not ended: it ends 2026-12-01 00:00 UTC"},
		"require_snapshot": {&cluster.Index{Name: "x"}, "no snapshot in r contains it"},
		"hold":             {&cluster.Snapshot{Name: "held"}, "it is held by the client file (held)"},
		"in_progress":      {&cluster.Snapshot{State: cluster.InProgress}, "it is still running; deleting it would abort it"},
		"foreign":          {&cluster.Snapshot{Elsewhere: true, Cluster: "other"}, "another cluster took it: other"},
		"mounted":          {&cluster.Snapshot{Mounted: []string{"m"}}, "the index m is mounted from this snapshot"},
		"keep_newest_good": {good, "it is the only snapshot of the series p-*"},
	}
	all := Options{
		KeepNewestGood: true, Series: series.Of(nil), Periods: &Periods{Zone: time.UTC}, Copies: &Copies{Repositories: []string{"r"}, Min: 1},
		Holds: []Hold{{Snapshots: []string{"held"}}}, Protect: []string{"x*"},
	}
	seen := map[string]bool{}
	for n, row := range guards {
		g := row.make(all)
		require.NotNil(t, g, "the options give guard %d nothing to do", n)
		c, ok := cases[g.Name()]
		require.True(t, ok, "%s: no reason is known", g.Name())
		seen[g.Name()] = true
		v := g.Judge(now, []cluster.Item{c.item}, []cluster.Item{c.item})[0]
		require.Equal(t, cluster.Yes, v.Match, g.Name())
		require.True(t, strings.HasPrefix(v.Why, c.want), "%s: %s", g.Name(), v.Why)
	}
	require.Len(t, seen, len(cases))
}

func TestNeeds(t *testing.T) {
	var facts []cluster.Need
	for _, g := range For(cluster.Indices, Options{Protect: []string{"x"}}) {
		facts = append(facts, Needs(g)...)
	}
	require.Equal(t, []cluster.Need{{Fact: cluster.FactSaved}, {Fact: cluster.FactWriteIndex}}, facts)
	facts = nil
	for _, g := range append(For(cluster.Snapshots, Options{KeepNewestGood: true}), For(cluster.Indices, Options{Lenient: true})...) {
		facts = append(facts, Needs(g)...)
	}
	require.Equal(t, []cluster.Need{{Fact: cluster.FactMounts}, {Fact: cluster.FactSaved}},
		facts, "nothing that asks the cluster on Curator's command line, but for snapshots")
	dated, guess := cluster.Items([]*cluster.Snapshot{{Name: "a-2026.11.01"}}), cluster.Items([]*cluster.Snapshot{{Name: "b-1"}})
	g := newestGood{series: series.Of(nil)}
	mounts := cluster.Need{Fact: cluster.FactMounts}
	require.Equal(t, []cluster.Need{mounts}, g.NeedsOf(dated, append(dated, guess...)), "contents only where a series is a guess")
	require.Equal(t, []cluster.Need{mounts, {Fact: cluster.FactContents}}, g.NeedsOf(guess, guess))
}

// TestNewestGoodWhereNumbersMayBeCustomers keeps the only copy of an index, however
// much its snapshot's name looks like an older one of another's.
func TestNewestGoodWhereNumbersMayBeCustomers(t *testing.T) {
	for prod, dev := range map[string]string{
		"cust-1234567890":       "cust-1334567890",
		"b-2026.10.01":          "b-2026.10",
		"tenant-20261127-12":    "tenant-20261128-13",
		"bb-2026-11-27-10-x":    "bb-2026-11-28-11-x",
		"site-2026-11-27-10.20": "site-2026-11-28-10.21",
	} {
		good := func(name, index string, start time.Time) *cluster.Snapshot {
			return &cluster.Snapshot{
				Name:    name,
				State:   cluster.Success,
				Shards:  cluster.ShardCount{Total: 1, Successful: 1},
				Indices: []string{index},
				Start:   start,
			}
		}
		start := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
		items := cluster.Items([]*cluster.Snapshot{good(prod, "prod", start), good(dev, "dev", start.AddDate(0, 0, 1))})
		for _, v := range (newestGood{series: series.Of(nil)}).Judge(start.AddDate(0, 2, 0), items, items) {
			require.Equal(t, cluster.Yes, v.Match, prod)
		}
	}
}
