package run_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/run"
)

// Ten old indices: nine in a good snapshot, one only in a PARTIAL one that lacks a shard of
// it. (Feature 3.)
func TestOnlyWhatASnapshotContainsIsDeleted(t *testing.T) {
	const file = "actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [r]}}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}"
	setup := func(t *testing.T) (*bench, []string) {
		b := newBench(t)
		var names []string
		for d := range 10 {
			name := fmt.Sprintf("logs-2026.10.%02d", d+1)
			names = append(names, name)
			b.c.AddIndex(cluster.Index{Name: name, Created: now.AddDate(0, 0, -60)})
		}
		b.c.AddSnapshot("r", cluster.Snapshot{Name: "good", Indices: names[:9], Start: now.AddDate(0, 0, -3)})
		b.c.AddSnapshot("r", cluster.Snapshot{Name: "partial", Indices: names, Start: now.AddDate(0, 0, -2), State: cluster.Partial,
			Shards: cluster.ShardCount{Total: 10, Successful: 9, Failed: 1}, Failures: []cluster.ShardFailure{{Index: names[9], Reason: "lost"}}})
		return b, names
	}
	t.Run("nine are deleted, one is kept", func(t *testing.T) {
		b, names := setup(t)
		res, r := b.run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, names[9:], b.indices())
		require.Equal(t, 1, res.Actions[0].Guarded)
		require.Contains(t, r.warnings(), "the newest good snapshot in r, good, is 3 days old")
		require.Contains(t, r.warnings(), "1 index is kept because no snapshot contains a complete copy; to free disk space by hand: esnap index delete "+names[9])
	})
	t.Run("a snapshot goes away while the deletion waits", func(t *testing.T) {
		b, names := setup(t)
		busyFirst(b, "DeleteIndices", func() {
			require.NoError(t, b.c.DeleteSnapshots(context.Background(), cluster.DeleteSnapshots{Repository: "r", Names: []string{"good", "partial"}}))
		})
		res, r := b.run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, names, b.indices())
		require.Contains(t, r.warnings(), "spared by the guard require_snapshot: no snapshot in r contains it")
	})
	t.Run("guards off does not lift it", func(t *testing.T) {
		b, names := setup(t)
		res, _ := b.run("actions: {1: {action: delete_indices, options: {guards: off, require_snapshot: {repository: r}}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, names[9:], b.indices())
	})
	t.Run("a repository that does not exist fails the action", func(t *testing.T) {
		b, names := setup(t)
		res, _ := b.run("actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [r, other], min_copies: 1}}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
		require.ErrorContains(t, res.Errors()[0], "other")
		require.Equal(t, names, b.indices())
	})
}

// TestWhichCopiesCount of an index that is to be deleted.
func TestWhichCopiesCount(t *testing.T) {
	const day = "logs-2026.11.10"
	created := now.AddDate(0, 0, -11)
	at := func(text string) time.Time {
		v, err := time.Parse("2006-01-02T15:04", text)
		require.NoError(t, err)
		return v
	}
	for _, c := range []struct {
		name    string
		index   cluster.Index
		copy    cluster.Snapshot
		options string
		why     string // empty: it is deleted
	}{
		{"after its day and two hours", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-11T02:00")}, "", ""},
		{"before late documents have come", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-11T01:59")}, "", "was started after 2026-11-11 02:00 UTC"},
		{"that does not matter", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-10T05:00")}, ", complete: false", ""},
		{"settle", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-11T00:00")}, ", settle: 0", ""},
		{"days of Shanghai end earlier, but UTC counts, too", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-10T19:00")}, "}, index_timezone: Asia/Shanghai, x: {", "2026-11-11 02:00 UTC"},
		{"days of New York end later", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-11T03:00")}, "}, index_timezone: America/New_York, x: {", "2026-11-11 07:00 UTC"},
		{"created after the snapshot", cluster.Index{Name: day, Created: at("2026-11-12T00:00")}, cluster.Snapshot{Start: at("2026-11-11T05:00")}, "", "are older than the index"},
		{"mounted", cluster.Index{Name: day, Mount: &cluster.Mount{Repository: "other", Snapshot: "s"}}, cluster.Snapshot{Start: at("2026-11-11T05:00")}, "", "mounted"},
		{"without a date", cluster.Index{Name: "orders"}, cluster.Snapshot{Start: at("2026-11-19T05:00")}, "", "cannot tell"},
		{"without a date, any copy", cluster.Index{Name: "orders"}, cluster.Snapshot{Start: at("2026-11-19T05:00")}, ", complete: false", ""},
		{"rolled over", cluster.Index{Name: "roll-000007", Rolled: at("2026-11-15T00:00")}, cluster.Snapshot{Start: at("2026-11-16T00:00")}, "", ""},
		{"rolled over later", cluster.Index{Name: "roll-000007", Rolled: at("2026-11-17T00:00")}, cluster.Snapshot{Start: at("2026-11-16T00:00")}, "", "2026-11-17 00:00 UTC"},
		{"no shard succeeded", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-12T00:00"), State: cluster.Partial, Shards: cluster.ShardCount{Total: 2, Failed: 2}, Failures: []cluster.ShardFailure{{Index: "a"}, {Index: "b"}}}, "", "shards are missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memory.Elasticsearch("7.17.28"))
			if c.index.Created.IsZero() {
				c.index.Created = created
			}
			b.c.AddIndex(c.index)
			c.copy.Name, c.copy.Indices = "s", []string{c.index.Name}
			b.c.AddSnapshot("r", c.copy)
			options := "require_snapshot: {repositories: r" + c.options + "}"
			file := "actions: {1: {action: delete_indices, options: {" + options + "}, filters: [{filtertype: none}]}}"
			file = strings.ReplaceAll(file, ", x: {}", "")
			res, r := b.run(file)
			require.NoError(t, errors.Join(res.Errors()...))
			if c.why == "" {
				require.Empty(t, b.indices())
				return
			}
			require.NotEmpty(t, b.indices())
			require.Contains(t, r.spared()[c.index.Name], c.why)
		})
	}

}

func TestBrakes(t *testing.T) {
	file := func(options string) string {
		return "actions: {1: {action: delete_indices, options: {" + options + "}, filters: [{filtertype: pattern, kind: prefix, value: logs-}, {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}]}}"
	}
	for options, want := range map[string]string{
		"max_items: 13":   "",
		"max_items: 12":   "13 indices are selected, but max_items allows 12; nothing was deleted",
		"max_percent: 65": "",
		"max_percent: 64": "13 indices of the 20 with such names are selected, which is 65 %, but max_percent allows 64; nothing was deleted",
	} {
		b := newBench(t)
		b.c.AddIndices("other")
		for d := range 20 {
			b.c.AddIndices("logs-" + now.AddDate(0, 0, -d).Format("2006.01.02"))
		}
		res, _ := b.run(file(options))
		if want == "" {
			require.NoError(t, errors.Join(res.Errors()...))
			continue
		}
		var refusal *cluster.Refused
		require.ErrorAs(t, res.Errors()[0], &refusal)
		require.ErrorContains(t, res.Errors()[0], want)
		require.Equal(t, "look at what is selected; to let it through once: esnap run --only 1 --max-items 13 test.yml", cluster.Hint(res.Errors()[0]))
		require.Len(t, b.indices(), 21)
		most := int64(13)
		b.o.MaxItems = &most
		res, _ = b.run(file(options))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Len(t, b.indices(), 8)
	}
}

// What is left when max_duration is over does not fail the action.
func TestMaxDuration(t *testing.T) {
	b := newBench(t, memory.Elasticsearch("6.7.0"))
	for n := range 4 {
		b.c.AddSnapshot("r", cluster.Snapshot{Name: fmt.Sprintf("s-2026.10.%02d", n+1), Start: now.AddDate(0, -1, n), Indices: []string{"i"}})
	}
	b.c.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteSnapshots" {
			b.time.pass(40 * time.Minute)
		}
		return nil
	}
	res, r := b.run("actions: {1: {action: delete_snapshots, options: {repository: r, max_duration: 1h}, filters: [{filtertype: none}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-2026.10.03", "s-2026.10.04"}, b.snapshots("r"))
	require.Equal(t, cluster.NotStarted, r.outcomes()["s-2026.10.03"])
	require.Contains(t, r.warnings(), "1 snapshot was left for the next run, because max_duration 1h is over")
}

// spared are the reasons for which items were kept, by name.
func (r *recorder) spared() map[string]string {
	out := map[string]string{}
	for _, e := range of[run.Selected](r) {
		for _, sp := range e.Selection.Spared {
			out[sp.Item.ItemName()] = sp.Why
		}
	}
	return out
}

// TestHolds: what the client file holds is deleted by nothing.
func TestHolds(t *testing.T) {
	setup := func() *bench {
		b := newBench(t)
		for n := range 4 {
			name := fmt.Sprintf("logs-2026.10.%02d", n+1)
			b.c.AddIndex(cluster.Index{Name: name, Created: now.AddDate(0, 0, -40)})
			b.c.AddSnapshot("r", cluster.Snapshot{Name: fmt.Sprintf("s-2026.10.%02d", n+1), Indices: []string{name}, Start: now.AddDate(0, 0, -40+n)})
		}
		return b
	}
	const snapshots = "actions: {1: {action: delete_snapshots, options: {repository: r, guards: off}, filters: [{filtertype: none}]}}"
	const indices = "actions: {1: {action: delete_indices, options: {guards: off}, filters: [{filtertype: none}]}}"
	b := setup()
	b.o.Holds = []guard.Hold{
		{Snapshots: []string{"s-2026.10.01"}, Reason: "tax law"},
		{Indices: []string{"logs-2026.10.02"}, Until: now.Add(time.Hour)},
		{Snapshots: []string{"s-*"}, Until: now}, // ended
	}
	_, r := b.run(snapshots)
	require.Equal(t, []string{"s-2026.10.01", "s-2026.10.02"}, b.snapshots("r"))
	require.Equal(t, "it is held by the client file (s-2026.10.01): tax law", r.spared()["s-2026.10.01"])
	require.Equal(t, "it is held by the client file (logs-2026.10.02) until 2026-11-21 02:00 UTC", r.spared()["s-2026.10.02"])
	b.run(indices)
	require.Equal(t, []string{"logs-2026.10.02"}, b.indices())
}

// TestSnapshotsOfAnotherCluster are not deleted.
func TestSnapshotsOfAnotherCluster(t *testing.T) {
	b := newBench(t)
	for n, taker := range []string{"another", "memory-cluster-uuid", ""} {
		b.c.AddSnapshot("r", cluster.Snapshot{Name: fmt.Sprintf("s-2026.10.%02d", n+1), Indices: []string{"i"}, Start: now.AddDate(0, 0, n-40), Cluster: taker})
	}
	_, r := b.run("actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: [{filtertype: none}]}}")
	require.Equal(t, []string{"s-2026.10.01"}, b.snapshots("r"))
	require.Equal(t, "another cluster took it: another", r.spared()["s-2026.10.01"])
}

// TestAdoptedWhileItRan: a running snapshot of today is adopted when it has ended, and
// counts for what is deleted after it.
func TestAdoptedWhileItRan(t *testing.T) {
	b := newBench(t, memory.Elasticsearch("8.19.7"))
	b.c.SnapshotPolls = 3
	b.c.AddIndex(cluster.Index{Name: "logs-2026.11.01", Created: now.AddDate(0, 0, -20)})
	require.NoError(t, b.c.RegisterRepository(context.Background(), cluster.RegisterRepository{Name: "r", Type: "fs", Settings: map[string]any{"location": "r"}}))
	require.NoError(t, b.c.CreateSnapshot(context.Background(), cluster.CreateSnapshot{Repository: "r", Name: "logs-20261121010000", Indices: []string{"logs-2026.11.01"}, Plain: []string{"logs-2026.11.01"}}))
	res, r := b.run(`
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
	require.Equal(t, cluster.Adopted, r.outcomes()["logs-20261121010000"])
	require.Empty(t, b.indices())
}
