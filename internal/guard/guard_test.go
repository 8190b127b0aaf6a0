package guard

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
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
	keep := Options{KeepNewestGood: true, Series: cluster.SeriesOf(nil)}
	with := func(o Options, change func(*Options)) Options { change(&o); return o }
	for _, c := range []struct {
		name string
		list cluster.ListKind
		o    Options
		want []string
	}{
		{"snapshots", cluster.Snapshots, keep, []string{"in_progress", "keep_newest_good"}},
		{"snapshots, Curator", cluster.Snapshots, with(keep, func(o *Options) { o.Level = Curator }), []string{"in_progress", "keep_newest_good"}},
		{"snapshots, off", cluster.Snapshots, with(keep, func(o *Options) { o.Level = Off }), []string{}},
		{"snapshots, keep_newest_good: false", cluster.Snapshots, Options{}, []string{"in_progress"}},
		{"snapshots, a state filter names running ones", cluster.Snapshots, with(keep, func(o *Options) { o.InProgressNamed = true }), []string{"keep_newest_good"}},
		{"indices", cluster.Indices, Options{}, []string{"write_index", "restore_mark", "write_index", "system_index"}},
		{"indices, Curator", cluster.Indices, Options{Level: Curator}, []string{"write_index", "restore_mark", "system_index"}},
		{"indices, system ones named", cluster.Indices, Options{SystemNamed: true}, []string{"write_index", "restore_mark", "write_index"}},
		{"indices, off", cluster.Indices, Options{Level: Off}, []string{}},
		{"indices, off, protect is no guess", cluster.Indices, Options{Level: Off, Protect: []string{"a"}}, []string{"protect"}},
	} {
		require.Equal(t, c.want, names(c.list, c.o), c.name)
	}
}

// guarded says which items the guards of the options spare, by name, and which
// they let go with a warning.
func guarded(t *testing.T, list cluster.ListKind, o Options, at time.Time, selected, all []cluster.Item) (spared, warned map[string]string) {
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
		return &cluster.Snapshot{Name: name, State: state, Start: now.Add(time.Duration(hour) * time.Hour)}
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
		{"one series", []*cluster.Snapshot{snap("d-2026.11.01", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success)}, nil, []string{"d-2026.11.02"}, nil},
		{"each series has its own", []*cluster.Snapshot{
			snap("prod1-2026.11.01", 1, cluster.Success), snap("prod1-2026.11.02", 2, cluster.Success), snap("prod2-2026.11.01", 1, cluster.Success), snap("prod2-2026.10.31", 0, cluster.Success),
		}, nil, []string{"prod1-2026.11.02", "prod2-2026.11.01"}, nil},
		{"undated ones are one series", []*cluster.Snapshot{snap("zebra", 1, cluster.Success), snap("before-upgrade", 2, cluster.Success)}, nil, []string{"before-upgrade"}, nil},
		{"newer ones that are not good do not count", []*cluster.Snapshot{
			snap("d-2026.11.01", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success), lame,
			snap("d-2026.11.04", 4, cluster.Partial), snap("d-2026.11.05", 5, cluster.Failed), snap("d-2026.11.06", 6, "INCOMPATIBLE"),
		}, nil, []string{"d-2026.11.02"}, nil},
		{"a good one that is not selected counts", []*cluster.Snapshot{snap("d-2026.11.01", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success)}, []string{"d-2026.11.01"}, nil, nil},
		{"nothing good: nothing is kept", []*cluster.Snapshot{snap("d-2026.11.04", 4, cluster.Partial), snap("d-2026.11.05", 5, cluster.Failed)}, nil, nil, nil},
		{"by start, not by name", []*cluster.Snapshot{snap("d-2026.11.09", 1, cluster.Success), snap("d-2026.11.02", 2, cluster.Success)}, nil, []string{"d-2026.11.02"}, nil},
		{"ties go to the last name", []*cluster.Snapshot{snap("d-2026.11.02", 1, cluster.Success), snap("d-2026.11.03", 1, cluster.Success), snap("d-2026.11.01", 1, cluster.Success)}, nil, []string{"d-2026.11.03"}, nil},
		{"patterns make series", []*cluster.Snapshot{snap("prod1-2026.11.01", 1, cluster.Success), snap("prod2-2026.11.02", 2, cluster.Success), snap("x", 0, cluster.Success)}, nil, []string{"prod2-2026.11.02", "x"}, []string{"prod*"}},
		{"lifecycle suffixes make no series", []*cluster.Snapshot{
			snap("nightly-2026.11.01-0hzvdk7orgcxvuqwxgktmw", 1, cluster.Success), snap("nightly-2026.11.02-7kx9vdkvorgcxvuqwxgk1m", 2, cluster.Success)}, nil, []string{"nightly-2026.11.02-7kx9vdkvorgcxvuqwxgk1m"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var selected []cluster.Item
			for _, s := range c.all {
				if c.selected == nil || s.Name == c.selected[0] {
					selected = append(selected, s)
				}
			}
			spared, _ := guarded(t, cluster.Snapshots, Options{KeepNewestGood: true, Series: cluster.SeriesOf(c.patterns)}, now, selected, cluster.Items(c.all))
			want := map[string]string{}
			for _, n := range c.want {
				want[n] = "keep_newest_good"
			}
			require.Equal(t, want, spared)
		})
	}
}

func TestInProgress(t *testing.T) {
	list := cluster.Items([]*cluster.Snapshot{{Name: "running", State: cluster.InProgress}, {Name: "failed", State: cluster.Failed}, {Name: "done", State: cluster.Success}})
	spared, _ := guarded(t, cluster.Snapshots, Options{}, now, list, list)
	require.Equal(t, map[string]string{"running": "in_progress"}, spared)
	spared, _ = guarded(t, cluster.Snapshots, Options{InProgressNamed: true}, now, list, list)
	require.Empty(t, spared)
}

func TestIndices(t *testing.T) {
	list := cluster.Items([]*cluster.Index{
		{Name: "plain"},
		{Name: "ds-000001", DataStream: "ds"},
		{Name: "ds-000002", DataStream: "ds", StreamHead: true},
		{Name: "written", WriteAliases: []string{"logs"}},
		{Name: "in-alias", Aliases: []string{"logs"}}, // implicit write index: not guarded
		{Name: ".kibana_1", System: true},
		{Name: "system", System: true},
		{Name: "restored", Aliases: []string{"esnap-keep-until-2026.11.21"}},
		{Name: "long-restored", Aliases: []string{"esnap-keep-until-2026.11.20"}},
		{Name: "protected-1"},
	})
	for _, c := range []struct {
		name           string
		o              Options
		spared, warned map[string]string
	}{
		{"on", Options{Protect: []string{"x", "prot*"}}, map[string]string{
			"ds-000002": "write_index", "written": "write_index", ".kibana_1": "system_index", "system": "system_index", "restored": "restore_mark", "protected-1": "protect",
		}, map[string]string{}},
		{"system indices named by a filter", Options{SystemNamed: true}, map[string]string{"ds-000002": "write_index", "written": "write_index", "restored": "restore_mark"}, map[string]string{}},
		{"a system index named exactly", Options{NamedExactly: []string{".kibana_1", "plain"}}, map[string]string{
			"ds-000002": "write_index", "written": "write_index", "system": "system_index", "restored": "restore_mark",
		}, map[string]string{}},
		{"Curator", Options{Level: Curator}, map[string]string{"ds-000002": "write_index", "restored": "restore_mark"}, map[string]string{".kibana_1": "system_index", "system": "system_index"}},
		{"Curator, named", Options{Level: Curator, SystemNamed: true}, map[string]string{"ds-000002": "write_index", "restored": "restore_mark"}, map[string]string{}},
		{"off", Options{Level: Off, Protect: []string{"prot*"}}, map[string]string{"protected-1": "protect"}, map[string]string{}},
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

func TestReasonsNameWhatTheyAreAbout(t *testing.T) {
	for _, c := range []struct {
		g    Guard
		item cluster.Item
		want string
	}{
		{streamHead{}, &cluster.Index{StreamHead: true, DataStream: "ds"}, "data stream ds"},
		{writeIndex{}, &cluster.Index{WriteAliases: []string{"a", "b"}}, "alias a, b"},
		{restoreMark{}, &cluster.Index{Aliases: []string{"esnap-keep-until-2026.11.30"}}, "until the end of 2026-11-30"},
		{protect{[]string{"x*"}}, &cluster.Index{Name: "xy"}, "pattern x*"},
		{newestGood{cluster.SeriesOf(nil)}, &cluster.Snapshot{Name: "p-2026.11.01", State: cluster.Success}, "series p-*"},
	} {
		items := []cluster.Item{c.item}
		require.Contains(t, c.g.Judge(now, items, items)[0].Why, c.want)
	}
}

func TestNeeds(t *testing.T) {
	var facts []cluster.Need
	for _, g := range For(cluster.Indices, Options{Protect: []string{"x"}}) {
		facts = append(facts, g.Needs()...)
	}
	require.Equal(t, []cluster.Need{{Fact: cluster.FactWriteIndex}}, facts)
	for _, g := range append(For(cluster.Snapshots, Options{KeepNewestGood: true}), For(cluster.Indices, Options{Level: Curator})...) {
		require.Empty(t, g.Needs(), g.Name())
	}
}
