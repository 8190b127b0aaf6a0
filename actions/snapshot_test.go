package actions_test

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

// TestASnapshotLostWithANodeIsTakenAgain: once, and only with once_per.
func TestASnapshotLostWithANodeIsTakenAgain(t *testing.T) {
	for _, oncePer := range []bool{true, false} {
		b := runtest.New(t)
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Cluster.SnapshotEnds = func(s *cluster.Snapshot) {
			if s.Name == "snap-20261121010008" {
				memory.EndPartial("logs-a")(s)
				s.Failures[0].Reason = "node shutdown"
			}
		}
		file := runtest.TakeSnapshot
		if !oncePer {
			file = "actions: {1: {action: snapshot, options: {repository: r, name: 'snap-%Y%m%d%H%M%S'}, " +
				"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}"
		}
		res, r := b.Run(file)
		require.Equal(t, oncePer, len(res.Errors()) == 0, res.Errors())
		if oncePer {
			require.Equal(t, cluster.Done, r.Outcomes()["snap-20261121010008-2"])
			require.Contains(t, r.Warnings(), "lost with a node")
		} else {
			require.Len(t, b.Snapshots("r"), 1)
		}
	}
}

// TestMetadataSaysWhoTookASnapshot, where the server stores it.
func TestMetadataSaysWhoTookASnapshot(t *testing.T) {
	for version, stored := range map[string]bool{"6.7.0": false, "8.19.7": true} {
		b := runtest.New(t, memory.Elasticsearch(version))
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Options.RunID, b.Options.Version, b.Options.Host = "0a0b", "1.2.3", "machine"
		res, _ := b.Run("actions: {1: {action: snapshot, description: nightly, " +
			"options: {repository: r, name: s}, filters: [{filtertype: none}]}}")
		require.NoError(t, errors.Join(res.Errors()...))
		s, err := b.Cluster.Snapshot(context.Background(), "r", "s")
		require.NoError(t, err)
		if !stored {
			require.Nil(t, s.Origin)
			continue
		}
		want := cluster.Origin{Cluster: "memory-cluster-uuid", Version: "1.2.3", Run: "0a0b", Host: "machine", Description: "nightly"}
		require.Equal(t, &want, s.Origin)
	}
}

// TestASnapshotCalledDot cannot stand in a path: it stays, and is in nobody's way.
func TestASnapshotCalledDot(t *testing.T) {
	for _, dry := range []bool{true, false} {
		b := runtest.New(t, memory.Elasticsearch("6.7.0"))
		b.Options.DryRun = dry
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		for _, n := range []string{".", "a-2026.01.01", "a-2026.01.02", "a-2026.01.03"} {
			b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: n, Start: runtest.Now.AddDate(0, -2, len(b.Snapshots("r")))})
		}
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "..", Start: runtest.Now})
		res, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, " +
			"filters: [{filtertype: none}]}}")
		require.NoError(t, errors.Join(res.Errors()...))
		require.Contains(t, r.Warnings(), "means another place")
		if !dry {
			require.ElementsMatch(t, []string{".", ".."}, b.Snapshots("r"))
		}
	}
}

// TestAdoptedWhileItRan: a running snapshot of today is adopted when it has ended, and
// counts for what is deleted after it.
func TestAdoptedWhileItRan(t *testing.T) {
	b := runtest.New(t, memory.Elasticsearch("8.19.7"))
	b.Cluster.SnapshotPolls = 3
	b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", Created: runtest.Now.AddDate(0, 0, -20)})
	require.NoError(t, b.Cluster.RegisterRepository(context.Background(), cluster.RegisterRepository{
		Name:     "r",
		Type:     "fs",
		Settings: map[string]any{"location": "r"},
	}))
	require.NoError(t, b.Cluster.CreateSnapshot(context.Background(), cluster.CreateSnapshot{
		Repository: "r",
		Name:       "logs-20261121010000",
		Indices:    []string{"logs-2026.11.01"},
		Plain:      []string{"logs-2026.11.01"},
	}))
	res, r := b.Run(`
actions:
  1:
    action: snapshot
    options: {repository: r, name: 'logs-%Y%m%d%H%M%S', once_per: day}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: delete_indices
    options: {require_snapshot: {repositories: [r]}}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
`)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Adopted, r.Outcomes()["logs-20261121010000"])
	require.Empty(t, b.Indices())
}

func TestASnapshotIsTakenAndJudged(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.SnapshotPolls = 5
	b.Cluster.AddIndices("logs-a", "logs-b", "x")
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	res, r := b.Run(runtest.TakeSnapshot)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"snap-20261121010008"}, b.Snapshots("r"))
	s, err := b.Cluster.Snapshot(context.Background(), "r", "snap-20261121010008")
	require.NoError(t, err)
	require.Equal(t, []string{"logs-a", "logs-b"}, s.Indices)
	require.Equal(t, cluster.Done, r.Outcomes()["snap-20261121010008"])
	require.NotEmpty(t, runtest.Of[run.Waiting](r))
}

func TestPartialAndFailedSnapshots(t *testing.T) {
	for _, c := range []struct {
		name, options string
		ends          func(*cluster.Snapshot)
		want          cluster.Result
	}{
		{"partial is a failure", "", memory.EndPartial("logs-a"), cluster.Failure},
		{"partial allowed", ", partial: true", memory.EndPartial("logs-a"), cluster.PartlyDone},
		{"failed", ", partial: true", memory.EndFailed("disk full"), cluster.Failure},
		{"success with failed shards", "", func(s *cluster.Snapshot) { s.Shards.Failed = 1 }, cluster.Failure},
		{"an index is missing from it", "", func(s *cluster.Snapshot) { s.Indices = []string{"logs-a"} }, cluster.Failure},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := runtest.New(t)
			b.Cluster.SnapshotEnds = c.ends
			b.Cluster.AddIndices("logs-a", "logs-b")
			b.Cluster.AddRepository(cluster.Repository{Name: "r"})
			res, r := b.Run(strings.Replace(runtest.TakeSnapshot, ", once_per: day", c.options, 1))
			require.Equal(t, c.want, r.Outcomes()["snap-20261121010008"])
			require.Equal(t, c.want == cluster.Failure, len(res.Errors()) > 0)
			require.Equal(t, c.want == cluster.PartlyDone, res.Actions[0].Partial)
		})
	}
}

func foreign(s cluster.Snapshot) cluster.Snapshot {
	s.Cluster = "another cluster"
	return s
}

// TestOncePerKnowsItsOwnNames: whatever the form of the date in the name, a run adopts the snapshot
// of its period, also one with a number, and not that of the period before.
func TestOncePerKnowsItsOwnNames(t *testing.T) {
	for name, c := range map[string]struct{ period, first, next string }{
		"snap-%G-%V":                         {"week", "snap-2026-47", "snap-2026-48"},
		"<snap-{now/w{xxxx-ww}}>":            {"week", "snap-2026-47", "snap-2026-48"},
		"<snap-{now/w{xxxx-ww|Asia/Tokyo}}>": {"week", "snap-2026-47", "snap-2026-48"},
		"<snap-{now/d}>":                     {"day", "snap-2026.11.21", "snap-2026.11.28"},
		"<snap-{now/d{dd.MM.yy}}>":           {"day", "snap-21.11.26", "snap-28.11.26"},
		"<snap-{now/d{yyMMdd}}>":             {"day", "snap-261121", "snap-261128"},
		"<snap-{now/d{MM-dd-yyyy}}>":         {"day", "snap-11-21-2026", "snap-11-28-2026"},
		"<snap-{now/y{yyyy}}>":               {"week", "snap-2026", "snap-2026-2"},
		"<snap-{now{H.m}}-x>":                {"day", "snap-1.0-x", "snap-1.0-x-2"},
		"<snap-{now/M{M}}>":                  {"month", "snap-11", "snap-11"},
		"snap":                               {"day", "snap", "snap-2"},
	} {
		t.Run(name, func(t *testing.T) {
			b := runtest.New(t)
			b.Cluster.AddIndices("logs-a")
			b.Cluster.AddRepository(cluster.Repository{Name: "r"})
			file := "actions: {1: {action: snapshot, options: {repository: r, name: '" + name + "', once_per: " + c.period +
				"}, filters: [{filtertype: none}]}}"
			take := func(want cluster.Result, named string, all ...string) {
				res, r := b.Run(file)
				require.NoError(t, errors.Join(res.Errors()...))
				require.Equal(t, want, r.Outcomes()[named])
				require.ElementsMatch(t, all, b.Snapshots("r"))
			}
			take(cluster.Done, c.first, c.first)
			take(cluster.Adopted, c.first, c.first)
			take(cluster.Adopted, c.first, c.first)
			b.Cluster.Advance(7 * 24 * time.Hour)
			b.Options.Now = runtest.Now.AddDate(0, 0, 7)
			if c.next == c.first { // the period has not ended
				take(cluster.Adopted, c.first, c.first)
				return
			}
			take(cluster.Done, c.next, c.first, c.next)
			take(cluster.Adopted, c.next, c.first, c.next)
		})
	}
}

func TestOncePerAdoptsOnlyWhatIsComplete(t *testing.T) {
	snap := func(name string, state cluster.State, start time.Time, indices ...string) cluster.Snapshot {
		return cluster.Snapshot{Name: name, State: state, Start: start, Indices: indices}
	}
	early := runtest.Now.Add(-30 * time.Minute)
	for _, c := range []struct {
		name    string
		have    cluster.Snapshot
		want    []string
		created time.Time // of logs-b
	}{
		{
			"good, of today, holding all",
			snap("snap-20261121003008", cluster.Success, early, "logs-a", "logs-b", "z"),
			[]string{"snap-20261121003008"},
			runtest.Now.AddDate(0, 0, -1),
		},
		{
			"lacking an index",
			snap("snap-20261121003008", cluster.Success, early, "logs-a"),
			[]string{"snap-20261121003008", "snap-20261121010008"},
			runtest.Now.AddDate(0, 0, -1),
		},
		{
			"failed",
			snap("snap-20261121003008", cluster.Failed, early, "logs-a", "logs-b"),
			[]string{"snap-20261121003008", "snap-20261121010008"},
			runtest.Now.AddDate(0, 0, -1),
		},
		{
			"of yesterday",
			snap("snap-20261120235908", cluster.Success, runtest.Now.Add(-2*time.Hour), "logs-a", "logs-b"),
			[]string{"snap-20261120235908", "snap-20261121010008"},
			runtest.Now.AddDate(0, 0, -1),
		},
		{
			"of another series",
			snap("manual-20261121003008", cluster.Success, early, "logs-a", "logs-b"),
			[]string{"manual-20261121003008", "snap-20261121010008"},
			runtest.Now.AddDate(0, 0, -1),
		},
		{
			"failed under the very name",
			snap("snap-20261121010008", cluster.Failed, early, "logs-a", "logs-b"),
			[]string{"snap-20261121010008", "snap-20261121010008-2"},
			runtest.Now.AddDate(0, 0, -1),
		},
		{
			"the index was created again after it",
			snap("snap-20261121003008", cluster.Success, early, "logs-a", "logs-b"),
			[]string{"snap-20261121003008", "snap-20261121010008"},
			early.Add(time.Minute),
		},
		{
			"of another cluster",
			foreign(snap("snap-20261121003008", cluster.Success, early, "logs-a", "logs-b")),
			[]string{"snap-20261121003008", "snap-20261121010008"},
			runtest.Now.AddDate(0, 0, -1),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := runtest.New(t)
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Created: runtest.Now.AddDate(0, 0, -1)})
			b.Cluster.AddIndex(cluster.Index{Name: "logs-b", Created: c.created})
			b.Cluster.AddSnapshot("r", c.have)
			res, _ := b.Run(runtest.TakeSnapshot)
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.want, b.Snapshots("r"))
		})
	}
	t.Run("running", func(t *testing.T) {
		b := runtest.New(t, memory.Elasticsearch("6.7.0"))
		b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Created: runtest.Now.AddDate(0, 0, -1)})
		b.Cluster.AddIndex(cluster.Index{Name: "logs-b", Created: runtest.Now.AddDate(0, 0, -1)})
		b.Cluster.AddSnapshot("r", snap("snap-20261121003008", cluster.InProgress, early, "logs-a", "logs-b"))
		b.Cluster.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "r", Snapshot: "snap-20261121003008", Started: early}, 8)
		res, r := b.Run(runtest.TakeSnapshot)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, []string{"snap-20261121003008"}, b.Snapshots("r"))
		require.Equal(t, cluster.Adopted, r.Outcomes()["snap-20261121003008"])
	})
}

func TestAStalledSnapshotIsGivenUp(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.SnapshotPolls = -1
	b.Cluster.AddIndices("logs-a")
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	res, _ := b.Run(strings.Replace(runtest.TakeSnapshot, "once_per: day", "stall: 10m", 1))
	require.ErrorContains(t, errors.Join(res.Errors()...), "no progress for 10m")
	require.Less(t, b.Time.Elapsed(), 15*time.Minute)
}
