package run_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/runtest"
)

// TestADecisionDoesNotOutliveItsFacts: what a deletion rests on is read again before
// each request, also after each wait.
func TestADecisionDoesNotOutliveItsFacts(t *testing.T) {
	const index, old = "logs-2026.11.01", 400 * 24 * time.Hour
	add := func(b *runtest.Bench, i cluster.Index) {
		i.Name, i.Created = index, runtest.Now.Add(-old)
		b.Cluster.AddIndex(i)
	}
	for _, c := range []struct {
		name    string
		filters string
		then    func(b *runtest.Bench)
		deleted bool
		detail  string
	}{
		{"nothing changed", "", func(*runtest.Bench) {}, true, ""},
		{
			"it was restored meanwhile",
			"",
			func(b *runtest.Bench) { b.Cluster.SetAlias(index, "esnap-keep-until-2027.01.01", false) },
			false,
			"guard restore_mark",
		},
		{"it is written to meanwhile", "", func(b *runtest.Bench) { b.Cluster.SetAlias(index, "logs", true) }, false, "guard write_index"},
		{"it was created again", "", func(b *runtest.Bench) { b.Cluster.AddIndex(cluster.Index{Name: index}) }, false, "created again"},
		{
			"it was closed, and the filter spares closed ones",
			", {filtertype: closed}",
			func(b *runtest.Bench) { b.Cluster.CloseIndex(index) },
			false,
			"it changed",
		},
		{"it was closed, and no filter asks", "", func(b *runtest.Bench) { b.Cluster.CloseIndex(index) }, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := runtest.New(t)
			add(b, cluster.Index{UUID: "u"})
			b.BusyFirst("DeleteIndices", func() { c.then(b) })
			res, r := b.Run("actions: {1: {action: delete_indices, options: {wait_for_running: 5m}, " +
				"filters: [{filtertype: pattern, kind: prefix, value: logs-}" + c.filters + "]}}")
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.deleted, len(b.Indices()) == 0)
			if !c.deleted {
				require.Equal(t, cluster.Unchanged, r.Outcomes()[index])
				require.Contains(t, r.Warnings(), c.detail)
				require.Len(t, b.Cluster.CallsOf("DeleteIndices"), 1, "only the refused one")
			}
		})
	}
}

// TestTheNewestGoodSnapshotGoesAway while the deletion of older ones waits: then the
// next one is the newest, and stays.
func TestTheNewestGoodSnapshotGoesAway(t *testing.T) {
	b := runtest.New(t, memory.Elasticsearch("6.7.0"))
	b.Cluster.AddIndices("i")
	for n, name := range []string{"s-2026.10.01", "s-2026.10.02", "s-2026.11.20"} {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: name, Indices: []string{"i"}, Start: runtest.Now.AddDate(0, -2, n)})
	}
	b.BusyFirst("DeleteSnapshots", func() {
		require.NoError(t, b.Cluster.DeleteSnapshots(context.Background(), cluster.DeleteSnapshots{
			Repository: "r",
			Names:      []string{"s-2026.11.20"},
		}))
	})
	res, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r, wait_for_running: 5m}, " +
		"filters: [{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-2026.10.02"}, b.Snapshots("r"))
	require.Equal(t, map[string]cluster.Result{"s-2026.10.01": cluster.Done, "s-2026.10.02": cluster.Unchanged}, r.Outcomes())
}

// TestARetainedSnapshotGoesAway while the deletion of another one waits: then that other
// one has the last copy, and stays.
func TestARetainedSnapshotGoesAway(t *testing.T) {
	b := runtest.New(t, memory.Elasticsearch("6.7.0"))
	for n, s := range []cluster.Snapshot{
		{Name: "s-2026.10.01", Indices: []string{"logs-2026.09.01", "logs-2026.09.02"}},
		{Name: "s-2026.10.02", Indices: []string{"logs-2026.09.01", "logs-2026.09.02", "logs-2026.09.03"}},
		{Name: "s-2026.10.03", Indices: []string{"logs-2026.09.04"}},
	} {
		s.Start = runtest.Now.AddDate(0, -1, n)
		b.Cluster.AddSnapshot("r", s)
	}
	const file = "actions: {1: {action: delete_snapshots, options: {repository: r, wait_for_running: 5m}, " +
		"filters: [{filtertype: retain, cover: 400d}]}}"
	b.BusyFirst("DeleteSnapshots", func() {
		require.NoError(t, b.Cluster.DeleteSnapshots(context.Background(), cluster.DeleteSnapshots{
			Repository: "r",
			Names:      []string{"s-2026.10.02"},
		}))
	})
	res, r := b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-2026.10.01", "s-2026.10.03"}, b.Snapshots("r"))
	require.Equal(t, map[string]cluster.Result{"s-2026.10.01": cluster.Unchanged}, r.Outcomes())
	require.Contains(t, r.Warnings(), "other snapshots changed since it was selected: retained by cover 400d (logs-2026.09.01 and 1 more)")
}

// TestDeletedIsAPartOfSaved: what a snapshot action of the run selected, and its
// snapshot does not contain, is not deleted after it.
func TestDeletedIsAPartOfSaved(t *testing.T) {
	const expire = "2: {action: delete_indices, options: {wait_for_running: WAIT}, filters: [{filtertype: pattern, " +
		"kind: prefix, value: logs-}]}}"
	for _, c := range []struct {
		name    string
		take    string
		wait    string
		prepare func(b *runtest.Bench)
		deleted bool
		why     string
	}{
		{"a good one", "name: s", "5m", func(*runtest.Bench) {}, true, ""},
		{
			"PARTIAL, as allowed",
			"name: s, partial: true",
			"5m",
			func(b *runtest.Bench) { b.Cluster.SnapshotEnds = memory.EndPartial("logs-2026.11.01") },
			false,
			"(PARTIAL) contains no complete copy",
		},
		{
			"not waited for, and it ends",
			"name: s, wait_for_completion: false",
			"5m",
			func(b *runtest.Bench) { b.Cluster.SnapshotPolls = 3 },
			true,
			"",
		},
		{
			"not waited for, and it does not end",
			"name: s, wait_for_completion: false",
			"5m",
			func(b *runtest.Bench) { b.Cluster.SnapshotPolls = -1 },
			false,
			"still running",
		},
		{"not waited for, and it ends PARTIAL", "name: s, partial: true, wait_for_completion: false", "5m", func(b *runtest.Bench) {
			b.Cluster.SnapshotPolls, b.Cluster.SnapshotEnds = 3, memory.EndPartial("logs-2026.11.01")
		}, false, "contains no complete copy"},
		{"an earlier one, after its day, contains it", "name: s, partial: true", "5m", func(b *runtest.Bench) {
			b.Cluster.SnapshotEnds = memory.EndPartial("logs-2026.11.01")
			b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "before", Indices: []string{"logs-2026.11.01"}, Start: runtest.Now.AddDate(0, 0, -3)})
		}, true, ""},
		{"an earlier one, of its own day, does not", "name: s, partial: true", "5m", func(b *runtest.Bench) {
			b.Cluster.SnapshotEnds = memory.EndPartial("logs-2026.11.01")
			b.Cluster.AddSnapshot("r", cluster.Snapshot{
				Name:    "before",
				Indices: []string{"logs-2026.11.01"},
				Start:   time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC),
			})
		}, false, "nor does an earlier one"},
		{"the action failed, and the run goes on", "name: s, continue_if_exception: true", "5m", func(b *runtest.Bench) {
			b.Cluster.Fault = func(m string, _ []string) error {
				if m == "VerifyRepository" {
					return cluster.ErrRepository
				}
				return nil
			}
		}, false, "took no snapshot"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := runtest.New(t)
			b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", Created: runtest.Now.AddDate(0, 0, -20)})
			b.Cluster.AddRepository(cluster.Repository{Name: "r"})
			c.prepare(b)
			_, r := b.Run("actions: {1: {action: snapshot, options: {repository: r, " + c.take +
				"}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}, " + strings.Replace(expire, "WAIT", c.wait, 1))
			require.Equal(t, c.deleted, len(b.Indices()) == 0, "%v", r.Outcomes())
			why := ""
			for _, s := range runtest.Of[run.Selected](r) {
				for _, sp := range s.Selection.Spared {
					if sp.By == "unsaved" {
						why = sp.Why
					}
				}
			}
			require.Contains(t, why, c.why)
			require.Equal(t, c.deleted, why == "")
		})
	}
}

// TestTheMarkGoesWithTheRestore: a run that ends right after its restore request leaves
// indices that are protected, and the next one gives them their alias.
func TestTheMarkGoesWithTheRestore(t *testing.T) {
	const day = "logs-2026.11.01"
	b := runtest.New(t)
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{day}, Start: runtest.Now.AddDate(0, 0, -10)})
	ctx, cancel := context.WithCancelCause(context.Background())
	b.Ctx = ctx
	b.Cluster.FaultAfter = func(m string, _ []string) error {
		if m == "RestoreSnapshot" {
			cancel(errors.New("killed"))
		}
		return nil
	}
	file := "actions: {1: {action: restore, options: {repository: r, name: s}, filters: [{filtertype: none}]}}"
	b.Run(file)
	require.Equal(t, []string{day}, b.Indices())
	list, err := b.Cluster.Indices(context.Background())
	require.NoError(t, err)
	require.Empty(t, list[0].Aliases, "it was cut off before")

	b.Ctx, b.Cluster.FaultAfter = context.Background(), nil
	_, r := b.Run(runtest.DeleteOld)
	require.Equal(t, []string{day}, b.Indices(), "protected all the same")
	require.Empty(t, r.Outcomes())

	res, r := b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.Outcomes()[day])
	list, err = b.Cluster.Indices(context.Background())
	require.NoError(t, err)
	require.Equal(t, []string{"esnap-keep-until-2026.11.28"}, list[0].Aliases)
	require.Empty(t, list[0].KeepMark, "the alias says it now")
	require.Len(t, b.Cluster.CallsOf("RestoreSnapshot"), 1)
}

func TestDataStreamsAreNamedAsSuch(t *testing.T) {
	b := runtest.New(t)
	for _, n := range []string{".ds-app-000001", ".ds-app-000002"} {
		b.Cluster.AddIndex(cluster.Index{Name: n, DataStream: "app", Hidden: true, DataStreamWriteIndex: n == ".ds-app-000002"})
	}
	b.Cluster.AddIndices("plain")
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	file := "actions: {1: {action: snapshot, options: {repository: r, name: NAME}, filters: [FILTER]}}"
	res, _ := b.Run(strings.NewReplacer("NAME", "all", "FILTER", "{filtertype: none}").Replace(file))
	require.NoError(t, errors.Join(res.Errors()...))
	req := b.Cluster.CallsOf("CreateSnapshot")[0].Request.(cluster.CreateSnapshot)
	require.Equal(t, []string{"app"}, req.Streams)
	require.Equal(t, []string{"plain"}, req.Plain)
	res, r := b.Run(strings.NewReplacer("NAME", "part", "FILTER", "{filtertype: pattern, kind: suffix, value: '1'}").Replace(file))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Cluster.CallsOf("CreateSnapshot")[1].Request.(cluster.CreateSnapshot).Streams)
	require.Contains(t, r.Warnings(), "the data stream app is selected only in part")

	require.NoError(t, b.Cluster.DeleteIndices(context.Background(),
		cluster.DeleteIndices{Names: []string{".ds-app-000001", ".ds-app-000002", "plain"}}))
	res, r = b.Run("actions: {1: {action: restore, options: {repository: r, name: all, indices: [app]}, filters: [{filtertype: none}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"app": cluster.Done}, r.Outcomes())
	require.Equal(t, []string{".ds-app-000001", ".ds-app-000002"}, b.Indices())
	require.Equal(t, []string{"app"}, b.Cluster.CallsOf("RestoreSnapshot")[0].Request.(cluster.RestoreSnapshot).Indices)
}

// TestADryRunKnowsRedIndices: a snapshot without their shards is FAILED.
func TestADryRunKnowsRedIndices(t *testing.T) {
	for _, dry := range []bool{true, false} {
		b := runtest.New(t)
		b.Options.DryRun = dry
		b.Cluster.AddIndices("logs-a", "logs-b")
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Cluster.BreakIndex("logs-b", "no node")
		res, _ := b.Run(runtest.TakeSnapshot)
		require.Error(t, errors.Join(res.Errors()...), "dry run %t", dry)
	}
}

// TestDryRunOfAPartialSnapshot ends as the run does: with 5, and with the index kept whose
// shards are on no node.
func TestDryRunOfAPartialSnapshot(t *testing.T) {
	const file = `actions:
  1: {action: snapshot, options: {repository: r, name: s, partial: true}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}
  2: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}`
	for _, dry := range []bool{true, false} {
		b := runtest.New(t)
		b.Options.DryRun = dry
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Cluster.AddIndices("logs-2026.11.01", "logs-2026.11.02")
		b.Cluster.BreakIndex("logs-2026.11.01", "NODE_LEFT")
		res, r := b.Run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		require.True(t, res.Actions[0].Partial)
		require.Equal(t, map[string]cluster.Result{"s": cluster.PartlyDone, "logs-2026.11.02": cluster.Done}, r.Outcomes(), "dry run: %v", dry)
		require.Equal(t, dry, len(b.Snapshots("r")) == 0)
	}
}

// TestDryRunRefusesWhatTheServerWould and says why.
func TestDryRunRefusesWhatTheServerWould(t *testing.T) {
	for action, want := range map[string]string{
		"action: freeze, " + runtest.OnLogs: "Elasticsearch 8.19.7 cannot freeze indices",
		"action: index_settings, options: {index_settings: {index: {refresh_interval: soon}}}, " +
			runtest.OnLogs: `"soon" is not a value of the setting index.refresh_interval`,
		"action: index_settings, options: {index_settings: {index: {refresh_interval: null}}}, " +
			runtest.OnLogs: "",
		"action: index_settings, options: {index_settings: {index: {refresh_interval: -1}}}, " +
			runtest.OnLogs: "",
		"action: replicas, options: {count: 5, wait_for_completion: true}, " +
			runtest.OnLogs: "the wait for green would not end",
		"action: restore, options: {repository: r, name: s, rename_pattern: '(.+)', rename_replacement: 'a-$1', " +
			"extra_settings: {index_settings: {index.number_of_shards: 9}}}, " +
			"filters: [{filtertype: none}]": "a restore cannot change the setting index.number_of_shards",
		"action: restore, options: {repository: r, name: s, rename_pattern: '(.+)', rename_replacement: 'a-$1', " +
			"extra_settings: {index_settings: {index.number_of_replicas: none}}}, filters: [{filtertype: none}]": `"none" is not a value`,
	} {
		b := runtest.New(t)
		b.Options.DryRun = true
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i"}})
		res, _ := b.Run("actions: {1: {" + action + "}}")
		err := errors.Join(res.Errors()...)
		if want == "" {
			require.NoError(t, err, action)
			continue
		}
		require.ErrorContains(t, err, want, action)
		require.Empty(t, b.Cluster.Writes())
	}
}

// TestAnInterruptedActionIsNotDone: what was requested continues, and is not known to end.
func TestAnInterruptedActionIsNotDone(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	b.Cluster.AddIndices("logs-a")
	b.Cluster.SnapshotPolls = -1
	ctx, stop := context.WithCancelCause(context.Background())
	b.Ctx = ctx
	b.Time.OnSleep = func() { stop(errors.New("terminated: nothing new was started")) }
	res, r := b.Run(`actions:
  1: {action: snapshot, options: {repository: r, name: s}, filters: [{filtertype: none}]}
  2: {action: delete_indices, filters: [{filtertype: none}]}`)
	require.Equal(t, cluster.Requested, r.Outcomes()["s"])
	require.True(t, res.Actions[0].Interrupted)
	require.ErrorContains(t, res.Actions[0].Err, "terminated")
	require.True(t, res.Actions[1].NotRun)
	require.Equal(t, "not run: the run was interrupted", runtest.Of[run.ActionSkipped](r)[0].Why)
	require.Equal(t, run.SkipNotRun, runtest.Of[run.ActionSkipped](r)[0].Reason)
}
