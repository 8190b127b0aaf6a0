package run_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/runtest"
	"github.com/esnap/esnap/internal/series"
)

// TestEveryGuardSparesInARun: a guard that does not ask for the facts by which it judges
// spares nothing in a run, whatever its own tests say.
func TestEveryGuardSparesInARun(t *testing.T) {
	const indices = "actions: {1: {action: delete_indices, filters: [{filtertype: none}]}}"
	const snapshots = "actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, " +
		"filters: [{filtertype: none}]}}"
	index := func(i cluster.Index) func(*runtest.Bench) {
		return func(b *runtest.Bench) {
			i.Created = runtest.Now.AddDate(0, 0, -40)
			b.Cluster.AddIndex(i)
		}
	}
	snapshot := func(s cluster.Snapshot) func(*runtest.Bench) {
		return func(b *runtest.Bench) {
			s.Name, s.Indices, s.Start = "s-2026.10.01", []string{"i"}, runtest.Now.AddDate(0, 0, -40)
			b.Cluster.AddSnapshot("r", s)
		}
	}
	cases := map[string]struct {
		prepare func(*runtest.Bench)
		file    string
	}{
		"data_stream_write_index": {index(cluster.Index{Name: ".ds-app-000002", DataStream: "app", DataStreamWriteIndex: true}), indices},
		"write_index":             {index(cluster.Index{Name: "logs", Aliases: []string{"all"}, WriteAliases: []string{"all"}}), indices},
		"restore_mark":            {index(cluster.Index{Name: "logs", Aliases: []string{"esnap-keep-until-2026.11.30"}}), indices},
		"protect": {
			index(cluster.Index{Name: "logs"}),
			"actions: {1: {action: delete_indices, options: {protect: ['l*']}, filters: [{filtertype: none}]}}",
		},
		"system_index": {index(cluster.Index{Name: ".kibana_1", System: true}), indices},
		"unsaved": {
			func(b *runtest.Bench) {
				index(cluster.Index{Name: "logs-2026.11.01"})(b)
				b.Cluster.AddRepository(cluster.Repository{Name: "r"})
				b.Cluster.SnapshotEnds = memory.EndPartial("logs-2026.11.01")
			},
			"actions: {1: {action: snapshot, options: {repository: r, name: s, partial: true}, filters: [" + runtest.ByPrefix + "]}, " +
				"2: {action: delete_indices, filters: [" + runtest.ByPrefix + "]}}",
		},
		"live": {
			index(cluster.Index{Name: "logs-2026.11.21"}),
			"actions: {1: {action: delete_indices, filters: [{filtertype: age, source: creation_date, direction: older, " +
				"unit: days, unit_count: 7}]}}",
		},
		"require_snapshot": {
			func(b *runtest.Bench) {
				index(cluster.Index{Name: "logs-2026.11.01"})(b)
				b.Cluster.AddRepository(cluster.Repository{Name: "r"})
			},
			"actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [r]}}, filters: [{filtertype: none}]}}",
		},
		"hold": {
			func(b *runtest.Bench) {
				index(cluster.Index{Name: "logs"})(b)
				b.Options.Holds = []guard.Hold{{Indices: []string{"logs"}}}
			}, indices,
		},
		"in_progress": {snapshot(cluster.Snapshot{State: cluster.InProgress}), snapshots},
		"foreign":     {snapshot(cluster.Snapshot{Cluster: "another"}), snapshots},
		"mounted": {
			func(b *runtest.Bench) {
				snapshot(cluster.Snapshot{})(b)
				index(cluster.Index{Name: "m", Mount: &cluster.Mount{Repository: "r", Snapshot: "s-2026.10.01"}})(b)
			}, snapshots,
		},
		"keep_newest_good": {
			snapshot(cluster.Snapshot{}),
			"actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: none}]}}",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := runtest.New(t)
			c.prepare(b)
			_, r := b.Run(c.file)
			var by []string
			for _, e := range runtest.Of[run.Selected](r) {
				for _, sp := range e.Selection.Spared {
					by = append(by, sp.By)
				}
			}
			require.Contains(t, by, name)
			for _, o := range runtest.Of[run.Outcome](r) {
				require.NotEqual(t, cluster.VerbDelete, o.Outcome.Verb, "%+v", o.Outcome)
			}
		})
	}
	all := guard.Options{
		KeepNewestGood: true, Series: series.Of(nil), Periods: &guard.Periods{Zone: time.UTC},
		Copies: &guard.Copies{Repositories: []string{"r"}, Min: 1},
		Holds:  []guard.Hold{{Snapshots: []string{"x"}, Indices: []string{"x"}}}, Protect: []string{"x"},
	}
	for _, g := range slices.Concat(guard.For(cluster.Snapshots, all), guard.For(cluster.Indices, all)) {
		require.Contains(t, cases, g.Name(), "the guard %s has no case here", g.Name())
	}
}
