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
)

// busyFirst has the server refuse the first deletion, and calls then while it is waited for.
func busyFirst(b *bench, method string, then func()) {
	refused := false
	b.c.Fault = func(m string, _ []string) error {
		if m != method || refused {
			return nil
		}
		refused = true
		then()
		return cluster.ErrBusy
	}
}

// TestADecisionDoesNotOutliveItsFacts: what a deletion rests on is read again before
// each request, also after each wait.
func TestADecisionDoesNotOutliveItsFacts(t *testing.T) {
	const index, old = "logs-2026.11.01", 400 * 24 * time.Hour
	add := func(b *bench, i cluster.Index) {
		i.Name, i.Created = index, now.Add(-old)
		b.c.AddIndex(i)
	}
	for _, c := range []struct {
		name    string
		filters string
		then    func(b *bench)
		deleted bool
		detail  string
	}{
		{"nothing changed", "", func(*bench) {}, true, ""},
		{"it was restored meanwhile", "", func(b *bench) { b.c.SetAlias(index, "esnap-keep-until-2027.01.01", false) }, false, "guard restore_mark"},
		{"it is written to meanwhile", "", func(b *bench) { b.c.SetAlias(index, "logs", true) }, false, "guard write_index"},
		{"it was created again", "", func(b *bench) { b.c.AddIndex(cluster.Index{Name: index}) }, false, "created again"},
		{"it was closed, and the filter spares closed ones", ", {filtertype: closed}", func(b *bench) { b.c.CloseIndex(index) }, false, "it changed"},
		{"it was closed, and no filter asks", "", func(b *bench) { b.c.CloseIndex(index) }, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			add(b, cluster.Index{UUID: "u"})
			busyFirst(b, "DeleteIndices", func() { c.then(b) })
			res, r := b.run("actions: {1: {action: delete_indices, options: {wait_for_running: 5m}, filters: [{filtertype: pattern, kind: prefix, value: logs-}" + c.filters + "]}}")
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.deleted, len(b.indices()) == 0)
			if !c.deleted {
				require.Equal(t, cluster.Unchanged, r.outcomes()[index])
				require.Contains(t, r.warnings(), c.detail)
				require.Len(t, b.c.CallsOf("DeleteIndices"), 1, "only the refused one")
			}
		})
	}
}

// TestTheNewestGoodSnapshotGoesAway while the deletion of older ones waits: then the
// next one is the newest, and stays.
func TestTheNewestGoodSnapshotGoesAway(t *testing.T) {
	b := newBench(t, memory.Elasticsearch("6.7.0"))
	b.c.AddIndices("i")
	for n, name := range []string{"s-2026.10.01", "s-2026.10.02", "s-2026.11.20"} {
		b.c.AddSnapshot("r", cluster.Snapshot{Name: name, Indices: []string{"i"}, Start: now.AddDate(0, -2, n)})
	}
	busyFirst(b, "DeleteSnapshots", func() {
		require.NoError(t, b.c.DeleteSnapshots(context.Background(), cluster.DeleteSnapshots{Repository: "r", Names: []string{"s-2026.11.20"}}))
	})
	res, r := b.run("actions: {1: {action: delete_snapshots, options: {repository: r, wait_for_running: 5m}, filters: [{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-2026.10.02"}, b.snapshots("r"))
	require.Equal(t, map[string]cluster.Result{"s-2026.10.01": cluster.Done, "s-2026.10.02": cluster.Unchanged}, r.outcomes())
}

// TestARetainedSnapshotGoesAway while the deletion of another one waits: then that other
// one has the last copy, and stays.
func TestARetainedSnapshotGoesAway(t *testing.T) {
	b := newBench(t, memory.Elasticsearch("6.7.0"))
	for n, s := range []cluster.Snapshot{
		{Name: "s-2026.10.01", Indices: []string{"logs-2026.09.01", "logs-2026.09.02"}},
		{Name: "s-2026.10.02", Indices: []string{"logs-2026.09.01", "logs-2026.09.02", "logs-2026.09.03"}},
		{Name: "s-2026.10.03", Indices: []string{"logs-2026.09.04"}},
	} {
		s.Start = now.AddDate(0, -1, n)
		b.c.AddSnapshot("r", s)
	}
	const file = "actions: {1: {action: delete_snapshots, options: {repository: r, wait_for_running: 5m}, filters: [{filtertype: retain, cover: 400d}]}}"
	busyFirst(b, "DeleteSnapshots", func() {
		require.NoError(t, b.c.DeleteSnapshots(context.Background(), cluster.DeleteSnapshots{Repository: "r", Names: []string{"s-2026.10.02"}}))
	})
	res, r := b.run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-2026.10.01", "s-2026.10.03"}, b.snapshots("r"))
	require.Equal(t, map[string]cluster.Result{"s-2026.10.01": cluster.Unchanged}, r.outcomes())
	require.Contains(t, r.warnings(), "other snapshots changed since it was selected: retained by cover 400d (logs-2026.09.01 and 1 more)")
}

// TestDeletedIsAPartOfSaved: what a snapshot action of the run selected, and its
// snapshot does not contain, is not deleted after it.
func TestDeletedIsAPartOfSaved(t *testing.T) {
	const expire = "2: {action: delete_indices, options: {wait_for_running: WAIT}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}"
	for _, c := range []struct {
		name    string
		take    string
		wait    string
		prepare func(b *bench)
		deleted bool
		why     string
	}{
		{"a good one", "name: s", "5m", func(*bench) {}, true, ""},
		{"PARTIAL, as allowed", "name: s, partial: true", "5m", func(b *bench) { b.c.SnapshotEnds = memory.EndPartial("logs-2026.11.01") }, false, "(PARTIAL) contains no complete copy"},
		{"not waited for, and it ends", "name: s, wait_for_completion: false", "5m", func(b *bench) { b.c.SnapshotPolls = 3 }, true, ""},
		{"not waited for, and it does not end", "name: s, wait_for_completion: false", "5m", func(b *bench) { b.c.SnapshotPolls = -1 }, false, "still running"},
		{"not waited for, and it ends PARTIAL", "name: s, partial: true, wait_for_completion: false", "5m", func(b *bench) {
			b.c.SnapshotPolls, b.c.SnapshotEnds = 3, memory.EndPartial("logs-2026.11.01")
		}, false, "contains no complete copy"},
		{"an earlier one, after its day, contains it", "name: s, partial: true", "5m", func(b *bench) {
			b.c.SnapshotEnds = memory.EndPartial("logs-2026.11.01")
			b.c.AddSnapshot("r", cluster.Snapshot{Name: "before", Indices: []string{"logs-2026.11.01"}, Start: now.AddDate(0, 0, -3)})
		}, true, ""},
		{"an earlier one, of its own day, does not", "name: s, partial: true", "5m", func(b *bench) {
			b.c.SnapshotEnds = memory.EndPartial("logs-2026.11.01")
			b.c.AddSnapshot("r", cluster.Snapshot{Name: "before", Indices: []string{"logs-2026.11.01"}, Start: time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)})
		}, false, "nor does an earlier one"},
		{"the action failed, and the run goes on", "name: s, continue_if_exception: true", "5m", func(b *bench) {
			b.c.Fault = func(m string, _ []string) error {
				if m == "VerifyRepository" {
					return cluster.ErrRepository
				}
				return nil
			}
		}, false, "took no snapshot"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.c.AddIndex(cluster.Index{Name: "logs-2026.11.01", Created: now.AddDate(0, 0, -20)})
			b.c.AddRepository(cluster.Repository{Name: "r"})
			c.prepare(b)
			_, r := b.run("actions: {1: {action: snapshot, options: {repository: r, " + c.take + "}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}, " + strings.Replace(expire, "WAIT", c.wait, 1))
			require.Equal(t, c.deleted, len(b.indices()) == 0, "%v", r.outcomes())
			why := ""
			for _, s := range of[run.Selected](r) {
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
	b := newBench(t)
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{day}, Start: now.AddDate(0, 0, -10)})
	ctx, cancel := context.WithCancelCause(context.Background())
	b.ctx = ctx
	b.c.FaultAfter = func(m string, _ []string) error {
		if m == "RestoreSnapshot" {
			cancel(errors.New("killed"))
		}
		return nil
	}
	file := "actions: {1: {action: restore, options: {repository: r, name: s}, filters: [{filtertype: none}]}}"
	b.run(file)
	require.Equal(t, []string{day}, b.indices())
	list, err := b.c.Indices(context.Background())
	require.NoError(t, err)
	require.Empty(t, list[0].Aliases, "it was cut off before")

	b.ctx, b.c.FaultAfter = context.Background(), nil
	_, r := b.run(deleteOld)
	require.Equal(t, []string{day}, b.indices(), "protected all the same")
	require.Empty(t, r.outcomes())

	res, r := b.run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.outcomes()[day])
	list, err = b.c.Indices(context.Background())
	require.NoError(t, err)
	require.Equal(t, []string{"esnap-keep-until-2026.11.28"}, list[0].Aliases)
	require.Empty(t, list[0].KeepMark, "the alias says it now")
	require.Len(t, b.c.CallsOf("RestoreSnapshot"), 1)
}

// TestASnapshotLostWithANodeIsTakenAgain: once, and only with once_per.
func TestASnapshotLostWithANodeIsTakenAgain(t *testing.T) {
	for _, oncePer := range []bool{true, false} {
		b := newBench(t)
		b.c.AddIndices("logs-a")
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.c.SnapshotEnds = func(s *cluster.Snapshot) {
			if s.Name == "snap-20261121010008" {
				memory.EndPartial("logs-a")(s)
				s.Failures[0].Reason = "node shutdown"
			}
		}
		file := takeSnapshot
		if !oncePer {
			file = "actions: {1: {action: snapshot, options: {repository: r, name: 'snap-%Y%m%d%H%M%S'}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}"
		}
		res, r := b.run(file)
		require.Equal(t, oncePer, len(res.Errors()) == 0, res.Errors())
		if oncePer {
			require.Equal(t, cluster.Done, r.outcomes()["snap-20261121010008-2"])
			require.Contains(t, r.warnings(), "lost with a node")
		} else {
			require.Len(t, b.snapshots("r"), 1)
		}
	}
}

// TestMetadataSaysWhoTookASnapshot, where the server stores it.
func TestMetadataSaysWhoTookASnapshot(t *testing.T) {
	for version, stored := range map[string]bool{"6.7.0": false, "8.19.7": true} {
		b := newBench(t, memory.Elasticsearch(version))
		b.c.AddIndices("logs-a")
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.o.RunID, b.o.Version, b.o.Host = "0a0b", "1.2.3", "machine"
		res, _ := b.run("actions: {1: {action: snapshot, description: nightly, " +
			"options: {repository: r, name: s}, filters: [{filtertype: none}]}}")
		require.NoError(t, errors.Join(res.Errors()...))
		s, err := b.c.Snapshot(context.Background(), "r", "s")
		require.NoError(t, err)
		if !stored {
			require.Nil(t, s.Origin)
			continue
		}
		want := cluster.Origin{Cluster: "memory-cluster-uuid", Version: "1.2.3", Run: "0a0b", Host: "machine", Description: "nightly"}
		require.Equal(t, &want, s.Origin)
	}
}

// TestOneBlockedIndexDoesNotStopTheBatch.
func TestOneBlockedIndexDoesNotStopTheBatch(t *testing.T) {
	for kind, options := range map[string]string{"replicas": "count: 1", "close": "skip_flush: true", "index_settings": "index_settings: {index: {refresh_interval: 61s}}", "allocation": "key: zone, value: eu"} {
		b := newBench(t)
		b.c.AddIndices("ro-a", "ro-b", "ro-c")
		b.c.Fault = func(m string, names []string) error {
			for _, n := range names {
				if n == "ro-a" && (m == "PutIndexSettings" || m == "OpenIndices") {
					return cluster.ErrForbidden
				}
			}
			return nil
		}
		res, r := b.run("actions: {1: {action: " + kind + ", options: {" + options + "}, filters: [{filtertype: pattern, kind: prefix, value: ro-}]}}")
		require.NotEmpty(t, res.Errors(), kind)
		require.Equal(t, map[string]cluster.Result{"ro-a": cluster.Failure, "ro-b": cluster.Done, "ro-c": cluster.Done}, r.outcomes(), kind)
	}
}

// TestDataStreamsAreNamedAsSuch in a snapshot, where all of one is selected.

// What an interrupted restore left without shards is not success.
func TestARestoreThatLeftNoShards(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("app")
	b.c.AddRepository(cluster.Repository{Name: "r"})
	b.run("actions: {1: {action: snapshot, options: {repository: r, name: s}, filters: [{filtertype: none}]}}")
	require.NoError(t, b.c.DeleteIndices(context.Background(), cluster.DeleteIndices{Names: []string{"app"}}))
	const file = "actions: {1: {action: restore, options: {repository: r, name: s, on_conflict: skip}, filters: [{filtertype: none}]}}"
	b.run(file)
	b.c.BreakIndex("app", "CLUSTER_RECOVERED")
	res, r := b.run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.True(t, res.Actions[0].Partial)
	require.Equal(t, map[string]cluster.Result{"app": cluster.PartlyDone}, r.outcomes())
}

func TestDataStreamsAreNamedAsSuch(t *testing.T) {
	b := newBench(t)
	for _, n := range []string{".ds-app-000001", ".ds-app-000002"} {
		b.c.AddIndex(cluster.Index{Name: n, DataStream: "app", Hidden: true, DataStreamWriteIndex: n == ".ds-app-000002"})
	}
	b.c.AddIndices("plain")
	b.c.AddRepository(cluster.Repository{Name: "r"})
	file := "actions: {1: {action: snapshot, options: {repository: r, name: NAME}, filters: [FILTER]}}"
	res, _ := b.run(strings.NewReplacer("NAME", "all", "FILTER", "{filtertype: none}").Replace(file))
	require.NoError(t, errors.Join(res.Errors()...))
	req := b.c.CallsOf("CreateSnapshot")[0].Request.(cluster.CreateSnapshot)
	require.Equal(t, []string{"app"}, req.Streams)
	require.Equal(t, []string{"plain"}, req.Plain)
	res, r := b.run(strings.NewReplacer("NAME", "part", "FILTER", "{filtertype: pattern, kind: suffix, value: '1'}").Replace(file))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.c.CallsOf("CreateSnapshot")[1].Request.(cluster.CreateSnapshot).Streams)
	require.Contains(t, r.warnings(), "the data stream app is selected only in part")

	require.NoError(t, b.c.DeleteIndices(context.Background(), cluster.DeleteIndices{Names: []string{".ds-app-000001", ".ds-app-000002", "plain"}}))
	res, r = b.run("actions: {1: {action: restore, options: {repository: r, name: all, indices: [app]}, filters: [{filtertype: none}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"app": cluster.Done}, r.outcomes())
	require.Equal(t, []string{".ds-app-000001", ".ds-app-000002"}, b.indices())
	require.Equal(t, []string{"app"}, b.c.CallsOf("RestoreSnapshot")[0].Request.(cluster.RestoreSnapshot).Indices)
}

// TestASnapshotCalledDot cannot stand in a path: it stays, and is in nobody's way.
func TestASnapshotCalledDot(t *testing.T) {
	for _, dry := range []bool{true, false} {
		b := newBench(t, memory.Elasticsearch("6.7.0"))
		b.o.DryRun = dry
		b.c.AddRepository(cluster.Repository{Name: "r"})
		for _, n := range []string{".", "a-2026.01.01", "a-2026.01.02", "a-2026.01.03"} {
			b.c.AddSnapshot("r", cluster.Snapshot{Name: n, Start: now.AddDate(0, -2, len(b.snapshots("r")))})
		}
		b.c.AddSnapshot("r", cluster.Snapshot{Name: "..", Start: now})
		res, r := b.run("actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: [{filtertype: none}]}}")
		require.NoError(t, errors.Join(res.Errors()...))
		require.Contains(t, r.warnings(), "means another place")
		if !dry {
			require.ElementsMatch(t, []string{".", ".."}, b.snapshots("r"))
		}
	}
}

// TestAnEmptySnapshotIsNotGone because a short listing lacks it, as Elasticsearch 6 has it.
func TestAnEmptySnapshotIsNotGone(t *testing.T) {
	b := newBench(t, memory.Elasticsearch("6.7.0"))
	b.c.HidesEmpty = true
	b.c.AddRepository(cluster.Repository{Name: "r"})
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "a-2026.01.01", State: cluster.Success, Start: now.AddDate(0, -2, 0), Indices: []string{}})
	b.c.Fault = func(m string, _ []string) error {
		if m == "DeleteSnapshots" {
			return &cluster.Error{Kind: cluster.ErrForbidden, Status: 403, Text: "read only"}
		}
		return nil
	}
	file := "actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: [{filtertype: none}]}}"
	res, _ := b.run(file)
	require.ErrorContains(t, errors.Join(res.Errors()...), "read only")
	b.c.Fault = nil
	res, _ = b.run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.snapshots("r"))
}

// TestALostDeletionIsNotRepeatedTooEarly: the first request may still arrive, and meet
// an index that was restored meanwhile.
func TestALostDeletionIsNotRepeatedTooEarly(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("logs-2026.01.01")
	var sent []time.Duration
	b.c.Fault = func(m string, _ []string) error {
		if m == "DeleteIndices" {
			sent = append(sent, b.o.Watch.Elapsed())
			return cluster.ErrLost
		}
		return nil
	}
	res, r := b.run("actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "cannot tell")
	require.Equal(t, cluster.Unclear, r.outcomes()["logs-2026.01.01"])
	require.Len(t, sent, 2)
	require.GreaterOrEqual(t, sent[1]-sent[0], 15*time.Minute)
}

// TestAFailedReadBetweenDeletions leaves no item without its outcome.
func TestAFailedReadBetweenDeletions(t *testing.T) {
	b := newBench(t, memory.Elasticsearch("6.7.0"))
	b.c.AddRepository(cluster.Repository{Name: "r"})
	for n, name := range []string{"a-2026.01.01", "a-2026.01.02", "a-2026.01.03"} {
		b.c.AddSnapshot("r", cluster.Snapshot{Name: name, Start: now.AddDate(0, -2, n), Indices: []string{"i"}, Shards: cluster.ShardCount{Total: 1, Successful: 1}})
	}
	b.c.Fault = func(m string, _ []string) error {
		if m == "SnapshotsNamed" && len(b.c.CallsOf("DeleteSnapshots")) == 2 {
			return &cluster.Error{Kind: cluster.ErrForbidden, Status: 403, Text: "token expired"}
		}
		return nil
	}
	res, r := b.run("actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: [{filtertype: none}]}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "token expired")
	require.Equal(t, map[string]cluster.Result{"a-2026.01.01": cluster.Done, "a-2026.01.02": cluster.Done, "a-2026.01.03": cluster.NotStarted}, r.outcomes())
}

// TestADryRunKnowsRedIndices: a snapshot without their shards is FAILED.
func TestADryRunKnowsRedIndices(t *testing.T) {
	for _, dry := range []bool{true, false} {
		b := newBench(t)
		b.o.DryRun = dry
		b.c.AddIndices("logs-a", "logs-b")
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.c.BreakIndex("logs-b", "no node")
		res, _ := b.run(takeSnapshot)
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
		b := newBench(t)
		b.o.DryRun = dry
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.c.AddIndices("logs-2026.11.01", "logs-2026.11.02")
		b.c.BreakIndex("logs-2026.11.01", "NODE_LEFT")
		res, r := b.run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		require.True(t, res.Actions[0].Partial)
		require.Equal(t, map[string]cluster.Result{"s": cluster.PartlyDone, "logs-2026.11.02": cluster.Done}, r.outcomes(), "dry run: %v", dry)
		require.Equal(t, dry, len(b.snapshots("r")) == 0)
	}
}

// TestDryRunRefusesWhatTheServerWould and says why.
func TestDryRunRefusesWhatTheServerWould(t *testing.T) {
	const onLogs = "filters: [{filtertype: pattern, kind: prefix, value: logs-}]"
	for action, want := range map[string]string{
		"action: freeze, " + onLogs: "Elasticsearch 8.19.7 cannot freeze indices",
		"action: index_settings, options: {index_settings: {index: {refresh_interval: soon}}}, " + onLogs:                                                                                                           `"soon" is not a value of the setting index.refresh_interval`,
		"action: index_settings, options: {index_settings: {index: {refresh_interval: null}}}, " + onLogs:                                                                                                           "",
		"action: index_settings, options: {index_settings: {index: {refresh_interval: -1}}}, " + onLogs:                                                                                                             "",
		"action: replicas, options: {count: 5, wait_for_completion: true}, " + onLogs:                                                                                                                               "the wait for green would not end",
		"action: restore, options: {repository: r, name: s, rename_pattern: '(.+)', rename_replacement: 'a-$1', extra_settings: {index_settings: {index.number_of_shards: 9}}}, filters: [{filtertype: none}]":      "a restore cannot change the setting index.number_of_shards",
		"action: restore, options: {repository: r, name: s, rename_pattern: '(.+)', rename_replacement: 'a-$1', extra_settings: {index_settings: {index.number_of_replicas: none}}}, filters: [{filtertype: none}]": `"none" is not a value`,
	} {
		b := newBench(t)
		b.o.DryRun = true
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.c.AddIndices("logs-a")
		b.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i"}})
		res, _ := b.run("actions: {1: {" + action + "}}")
		err := errors.Join(res.Errors()...)
		if want == "" {
			require.NoError(t, err, action)
			continue
		}
		require.ErrorContains(t, err, want, action)
		require.Empty(t, b.c.Writes())
	}
}

// TestVerificationBesideARunningSnapshot: the nodes do not answer a verification while
// the shards of a snapshot occupy their threads.
func TestVerificationBesideARunningSnapshot(t *testing.T) {
	const file = "actions: {1: {action: snapshot, options: {ONCE repository: r, name: 's-%Y.%m.%d'}, filters: [{filtertype: none}]}}"
	for name, c := range map[string]struct {
		version string
		once    string
		running string // the snapshot that runs
		want    cluster.Result
		warns   string
	}{
		"today's own is adopted":                     {"6.7.0", "once_per: day,", "s-2026.11.21", cluster.Adopted, ""},
		"another one is waited for":                  {"6.7.0", "", "other", cluster.Done, ""},
		"beside another one nothing can be verified": {"8.19.7", "", "other", cluster.Done, "not verified: the nodes do not answer while this runs: "},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, memory.Elasticsearch(c.version))
			b.o.WaitForCluster = time.Minute
			b.c.AddIndex(cluster.Index{Name: "logs-a", Created: now.AddDate(0, 0, -1)})
			running := cluster.Snapshot{Name: c.running, State: cluster.InProgress, Indices: []string{"logs-a"}, Start: now.Add(-time.Minute)}
			b.c.AddSnapshot("r", running)
			b.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "r", Snapshot: c.running, Started: running.Start, Indices: running.Indices}, 300)
			b.c.Fault = func(m string, _ []string) error {
				if m != "VerifyRepository" {
					return nil
				}
				if ops, _ := b.c.Running(context.Background()); len(ops) == 0 {
					return nil
				}
				return &cluster.Error{Op: "verify repository r", Kind: cluster.ErrUnreachable, Text: "no answer within 2m0s"}
			}
			res, r := b.run(strings.Replace(file, "ONCE", c.once, 1))
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.want, r.outcomes()["s-2026.11.21"])
			require.Contains(t, r.warnings(), c.warns)
			require.Equal(t, c.warns == "", r.warnings() == "")
			if c.want == cluster.Done { // what waits is seen
				require.NotEmpty(t, of[run.Waiting](r))
			}
		})
	}
}

// TestAnInterruptedActionIsNotDone: what was requested continues, and is not known to end.
func TestAnInterruptedActionIsNotDone(t *testing.T) {
	b := newBench(t)
	b.c.AddRepository(cluster.Repository{Name: "r"})
	b.c.AddIndices("logs-a")
	b.c.SnapshotPolls = -1
	ctx, stop := context.WithCancelCause(context.Background())
	b.ctx = ctx
	b.time.onSleep = func() { stop(errors.New("terminated: nothing new was started")) }
	res, r := b.run(`actions:
  1: {action: snapshot, options: {repository: r, name: s}, filters: [{filtertype: none}]}
  2: {action: delete_indices, filters: [{filtertype: none}]}`)
	require.Equal(t, cluster.Requested, r.outcomes()["s"])
	require.True(t, res.Actions[0].Interrupted)
	require.ErrorContains(t, res.Actions[0].Err, "terminated")
	require.True(t, res.Actions[1].NotRun)
	require.Equal(t, "not run: the run was interrupted", of[run.ActionSkipped](r)[0].Why)
	require.Equal(t, run.SkipNotRun, of[run.ActionSkipped](r)[0].Reason)
}
