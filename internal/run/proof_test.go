package run_test

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
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/runtest"
)

// Ten old indices: nine in a good snapshot, one only in a PARTIAL one that lacks a shard of
// it. (Feature 3.)
func TestOnlyWhatASnapshotContainsIsDeleted(t *testing.T) {
	const file = "actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [r]}}, " +
		"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}"
	setup := func(t *testing.T) (*runtest.Bench, []string) {
		b := runtest.New(t)
		var names []string
		for d := range 10 {
			name := fmt.Sprintf("logs-2026.10.%02d", d+1)
			names = append(names, name)
			b.Cluster.AddIndex(cluster.Index{Name: name, Created: runtest.Now.AddDate(0, 0, -60)})
		}
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "good", Indices: names[:9], Start: runtest.Now.AddDate(0, 0, -3)})
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "partial", Indices: names, Start: runtest.Now.AddDate(0, 0, -2), State: cluster.Partial,
			Shards: cluster.ShardCount{Total: 10, Successful: 9, Failed: 1}, Failures: []cluster.ShardFailure{{Index: names[9], Reason: "lost"}}})
		return b, names
	}
	t.Run("nine are deleted, one is kept", func(t *testing.T) {
		b, names := setup(t)
		res, r := b.Run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, names[9:], b.Indices())
		require.Equal(t, 1, res.Actions[0].Guarded)
		require.Contains(t, r.Warnings(), "the newest good snapshot in r, good, is 3 days old")
		require.Contains(t, r.Warnings(), "1 index is kept because no snapshot contains a complete copy; "+
			"to free disk space by hand: esnap index delete "+names[9])
	})
	t.Run("a snapshot goes away while the deletion waits", func(t *testing.T) {
		b, names := setup(t)
		b.BusyFirst("DeleteIndices", func() {
			require.NoError(t, b.Cluster.DeleteSnapshots(context.Background(), cluster.DeleteSnapshots{
				Repository: "r",
				Names:      []string{"good", "partial"},
			}))
		})
		res, r := b.Run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, names, b.Indices())
		require.Contains(t, r.Warnings(), "spared by the guard require_snapshot: no snapshot in r contains it")
	})
	t.Run("guards off does not lift it", func(t *testing.T) {
		b, names := setup(t)
		res, _ := b.Run("actions: {1: {action: delete_indices, options: {guards: off, require_snapshot: {repository: r}}, " +
			"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, names[9:], b.Indices())
	})
	t.Run("a repository that does not exist fails the action", func(t *testing.T) {
		b, names := setup(t)
		res, _ := b.Run("actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [r, other], " +
			"min_copies: 1}}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
		require.ErrorContains(t, res.Errors()[0], "other")
		require.Equal(t, names, b.Indices())
	})
	t.Run("one place under two names counts once", func(t *testing.T) {
		const file = "actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [r, again]MORE}}, " +
			"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}"
		b, names := setup(t)
		r, err := b.Cluster.Repository(context.Background(), "r")
		require.NoError(t, err)
		r.Name = "again"
		b.Cluster.AddRepository(r)
		res, _ := b.Run(strings.Replace(file, "MORE", "", 1))
		require.ErrorAs(t, res.Errors()[0], new(*cluster.Refused))
		require.ErrorContains(t, res.Errors()[0], "again and r are one place")
		require.Equal(t, names, b.Indices())
		b.Cluster.Fault = func(call string, _ []string) error {
			if call == "Repositories" {
				return &cluster.Error{Op: "list repositories", Kind: cluster.ErrForbidden}
			}
			return nil
		}
		res, o := b.Run(strings.Replace(file, "MORE", "", 1))
		require.NoError(t, errors.Join(res.Errors()...), "without the right to know")
		require.Contains(t, o.Warnings(), "cannot tell whether the repositories of require_snapshot are one place")
	})
}

// TestWhichCopiesCount of an index that is to be deleted.
func TestWhichCopiesCount(t *testing.T) {
	const day = "logs-2026.11.10"
	created := runtest.Now.AddDate(0, 0, -11)
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
		{
			"before late documents have come",
			cluster.Index{Name: day},
			cluster.Snapshot{Start: at("2026-11-11T01:59")},
			"",
			"was started after 2026-11-11 02:00 UTC",
		},
		{"that does not matter", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-10T05:00")}, ", complete: false", ""},
		{"settle", cluster.Index{Name: day}, cluster.Snapshot{Start: at("2026-11-11T00:00")}, ", settle: 0", ""},
		{
			"days of Shanghai end earlier, but UTC counts, too",
			cluster.Index{Name: day},
			cluster.Snapshot{Start: at("2026-11-10T19:00")},
			"}, index_timezone: Asia/Shanghai, x: {",
			"2026-11-11 02:00 UTC",
		},
		{
			"days of New York end later",
			cluster.Index{Name: day},
			cluster.Snapshot{Start: at("2026-11-11T03:00")},
			"}, index_timezone: America/New_York, x: {",
			"2026-11-11 07:00 UTC",
		},
		{
			"created after the snapshot",
			cluster.Index{Name: day, Created: at("2026-11-12T00:00")},
			cluster.Snapshot{Start: at("2026-11-11T05:00")},
			"",
			"are older than the index",
		},
		{
			"mounted",
			cluster.Index{Name: day, Mount: &cluster.Mount{Repository: "other", Snapshot: "s"}},
			cluster.Snapshot{Start: at("2026-11-11T05:00")},
			"",
			"mounted",
		},
		{"without a date", cluster.Index{Name: "orders"}, cluster.Snapshot{Start: at("2026-11-19T05:00")}, "", "cannot tell"},
		{"without a date, any copy", cluster.Index{Name: "orders"}, cluster.Snapshot{Start: at("2026-11-19T05:00")}, ", complete: false", ""},
		{
			"rolled over",
			cluster.Index{Name: "roll-000007", Rolled: at("2026-11-15T00:00")},
			cluster.Snapshot{Start: at("2026-11-16T00:00")},
			"",
			"",
		},
		{
			"rolled over later",
			cluster.Index{Name: "roll-000007", Rolled: at("2026-11-17T00:00")},
			cluster.Snapshot{Start: at("2026-11-16T00:00")},
			"",
			"2026-11-17 00:00 UTC",
		},
		{
			"no shard succeeded",
			cluster.Index{Name: day},
			cluster.Snapshot{
				Start:    at("2026-11-12T00:00"),
				State:    cluster.Partial,
				Shards:   cluster.ShardCount{Total: 2, Failed: 2},
				Failures: []cluster.ShardFailure{{Index: "a"}, {Index: "b"}},
			},
			"",
			"shards are missing",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := runtest.New(t, memory.Elasticsearch("7.17.28"))
			if c.index.Created.IsZero() {
				c.index.Created = created
			}
			b.Cluster.AddIndex(c.index)
			c.copy.Name, c.copy.Indices = "s", []string{c.index.Name}
			b.Cluster.AddSnapshot("r", c.copy)
			options := "require_snapshot: {repositories: r" + c.options + "}"
			file := "actions: {1: {action: delete_indices, options: {" + options + "}, filters: [{filtertype: none}]}}"
			file = strings.ReplaceAll(file, ", x: {}", "")
			res, r := b.Run(file)
			require.NoError(t, errors.Join(res.Errors()...))
			if c.why == "" {
				require.Empty(t, b.Indices())
				return
			}
			require.NotEmpty(t, b.Indices())
			require.Contains(t, r.Spared()[c.index.Name], c.why)
		})
	}

}

// TestHolds: what the client file holds is deleted by nothing.
func TestHolds(t *testing.T) {
	setup := func() *runtest.Bench {
		b := runtest.New(t)
		for n := range 4 {
			name := fmt.Sprintf("logs-2026.10.%02d", n+1)
			b.Cluster.AddIndex(cluster.Index{Name: name, Created: runtest.Now.AddDate(0, 0, -40)})
			b.Cluster.AddSnapshot("r", cluster.Snapshot{
				Name:    fmt.Sprintf("s-2026.10.%02d", n+1),
				Indices: []string{name},
				Start:   runtest.Now.AddDate(0, 0, -40+n),
			})
		}
		return b
	}
	const snapshots = "actions: {1: {action: delete_snapshots, options: {repository: r, guards: off}, filters: [{filtertype: none}]}}"
	const indices = "actions: {1: {action: delete_indices, options: {guards: off}, filters: [{filtertype: none}]}}"
	b := setup()
	b.Options.Holds = []guard.Hold{
		{Snapshots: []string{"s-2026.10.01"}, Reason: "tax law"},
		{Indices: []string{"logs-2026.10.02"}, Until: runtest.Now.Add(time.Hour)},
		{Snapshots: []string{"s-*"}, Until: runtest.Now}, // ended
	}
	_, r := b.Run(snapshots)
	require.Equal(t, []string{"s-2026.10.01", "s-2026.10.02"}, b.Snapshots("r"))
	require.Equal(t, "it is held by the client file (s-2026.10.01): tax law", r.Spared()["s-2026.10.01"])
	require.Equal(t, "it is held by the client file (logs-2026.10.02) until 2026-11-21 02:00 UTC", r.Spared()["s-2026.10.02"])
	b.Run(indices)
	require.Equal(t, []string{"logs-2026.10.02"}, b.Indices())
}

// TestSnapshotsOfAnotherCluster are not deleted.
func TestSnapshotsOfAnotherCluster(t *testing.T) {
	b := runtest.New(t)
	for n, taker := range []string{"another", "memory-cluster-uuid", ""} {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{
			Name:    fmt.Sprintf("s-2026.10.%02d", n+1),
			Indices: []string{"i"},
			Start:   runtest.Now.AddDate(0, 0, n-40),
			Cluster: taker,
		})
	}
	_, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: [{filtertype: none}]}}")
	require.Equal(t, []string{"s-2026.10.01"}, b.Snapshots("r"))
	require.Equal(t, "another cluster took it: another", r.Spared()["s-2026.10.01"])
}

// TestLastCopyOfWhatIsNotWhole: an index that lacks a shard, or that was restored from a
// snapshot, does not make its last copy needless.
func TestLastCopyOfWhatIsNotWhole(t *testing.T) {
	setup := func(live func(*memory.Memory)) []string {
		b := runtest.New(t)
		for n, indices := range [][]string{{"logs-2026.11.01", "logs-2026.11.10"}, {"logs-2026.11.10"}, {"logs-2026.11.10"}} {
			b.Cluster.AddSnapshot("r", cluster.Snapshot{
				Name: fmt.Sprintf("s-2026.11.%02d", 12+n), Indices: indices, Start: runtest.Now.AddDate(0, 0, n-9),
			})
		}
		live(b.Cluster)
		b.Run("actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: retain, last: 1, monthly: 6}]}}")
		return b.Snapshots("r")
	}
	index := cluster.Index{Name: "logs-2026.11.01", Created: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	kept := []string{"s-2026.11.12", "s-2026.11.14"}
	require.Equal(t, kept[1:], setup(func(c *memory.Memory) { c.AddIndex(index) }), "it is there")
	require.Equal(t, kept, setup(func(*memory.Memory) {}), "it is gone")
	require.Equal(t, kept, setup(func(c *memory.Memory) { c.AddIndex(index); c.BreakIndex(index.Name, "a disk died") }), "it is red")
	require.Equal(t, kept, setup(func(c *memory.Memory) {
		restored := index
		restored.Settings = map[string]string{cluster.SettingRestoredFrom: "r/s-2026.11.12"}
		c.AddIndex(restored)
	}), "it was restored")
}

// TestRestoredIndexKeepsItsCopy: what esnap restored does not make its copy needless, also when
// its protection has ended.
func TestRestoredIndexKeepsItsCopy(t *testing.T) {
	for _, keep := range []string{"", ", keep_for: 0", ", keep_for: 1h"} {
		for _, rule := range []string{"monthly: 6, last: 1", "cover: 60d"} {
			b := runtest.New(t)
			const day = "logs-2026.11.01"
			for n, name := range []string{"s-2026.11.12", "s-2026.11.13", "s-2026.11.14"} {
				s := cluster.Snapshot{Name: name, Indices: []string{"z"}, Start: runtest.Now.AddDate(0, 0, n-9)}
				if n != 1 {
					s.Indices = append(s.Indices, day)
				}
				size := int64(100 << 20)
				if n == 2 { // a late document
					size = 4000
				}
				b.Cluster.AddSnapshot("r", s, cluster.Index{Name: day, Stats: &cluster.IndexStats{PrimaryBytes: size}})
			}
			b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s-2026.11.15", Indices: []string{"z"}, Start: runtest.Now.AddDate(0, 0, -6)})
			res, _ := b.Run("actions: {1: {action: restore, options: {repository: r, name: s-2026.11.12, indices: [" + day + "]" + keep + "}, " +
				"filters: [{filtertype: none}]}}")
			require.NoError(t, errors.Join(res.Errors()...))
			b.Run("actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: retain, " + rule + "}]}}")
			require.Contains(t, b.Snapshots("r"), "s-2026.11.12", "%s %s", keep, rule)
		}
	}
}

// TestPartialWithTheOnlyCompleteCopy: it expires only when a good one that is kept has the copy,
// of what the cluster has whatever the rules reach, of what it has not as far as they reach.
func TestPartialWithTheOnlyCompleteCopy(t *testing.T) {
	for rules, reaches := range map[string]bool{
		"last: 1": false, "daily: 7": false, "last: 1, keep_last_copy: false": false, "cover: 60d": true, "daily: 30": true,
	} {
		for _, live := range []bool{false, true} {
			b := runtest.New(t)
			const day = "logs-2026.11.01"
			b.Cluster.AddSnapshot("r", cluster.Snapshot{
				Name: "s-2026.11.05", State: cluster.Partial, Start: runtest.Now.AddDate(0, 0, -16), Indices: []string{"bad", day},
				Shards: cluster.ShardCount{Total: 2, Failed: 1, Successful: 1}, Failures: []cluster.ShardFailure{{Index: "bad"}},
			})
			b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s-2026.11.20", Indices: []string{"other"}, Start: runtest.Now.AddDate(0, 0, -1)})
			if live {
				b.Cluster.AddIndex(cluster.Index{Name: day, Created: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
			}
			b.Run("actions: {1: {action: delete_snapshots, options: {repository: r, ignore_empty_list: true}, " +
				"filters: [{filtertype: retain, " + rules + "}]}}")
			want := 1
			if live || reaches {
				want = 2
			}
			require.Len(t, b.Snapshots("r"), want, "%s, live: %t", rules, live)
		}
	}
}

// TestPartialOnesUntilThereAreEnough: while there are fewer good snapshots than last asks for,
// nothing is too old to be kept.
func TestPartialOnesUntilThereAreEnough(t *testing.T) {
	b := runtest.New(t)
	for n := range 12 {
		day := runtest.Now.AddDate(0, 0, n-20)
		b.Cluster.AddSnapshot("r", cluster.Snapshot{
			Name: "s-" + day.Format("2006.01.02"), State: cluster.Partial, Start: day,
			Indices:  []string{"bad", "logs-" + day.AddDate(0, 0, -1).Format("2006.01.02")},
			Shards:   cluster.ShardCount{Total: 2, Failed: 1, Successful: 1},
			Failures: []cluster.ShardFailure{{Index: "bad"}},
		})
	}
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s-2026.11.20", Indices: []string{"other"}, Start: runtest.Now.AddDate(0, 0, -1)})
	b.Run("actions: {1: {action: delete_snapshots, options: {repository: r, ignore_empty_list: true}, " +
		"filters: [{filtertype: retain, last: 7}]}}")
	require.Len(t, b.Snapshots("r"), 13)
}

// TestACopyOfAWrongClock: a snapshot that was started in the future proves nothing, and is not
// this day's.
func TestACopyOfAWrongClock(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", Created: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
	future := runtest.Now.AddDate(1, 0, 0)
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s-2027.12.01", Indices: []string{"logs-2026.11.01"}, Start: future})
	_, r := b.Run("actions: {1: {action: delete_indices, options: {require_snapshot: {repositories: [r, r], min_copies: 1}}, " +
		"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.Contains(t, r.Spared()["logs-2026.11.01"], "no snapshot in r contains it")
	b.Run("actions: {1: {action: snapshot, options: {repository: r, name: 's-%Y.%m.%d', once_per: day}, " +
		"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.Equal(t, []string{"s-2026.11.21", "s-2027.12.01"}, b.Snapshots("r"))
}

// TestRetainCountsTonight: the snapshot that this run took a minute ago is one of those that the
// rules count; one of next year is not.
func TestRetainCountsTonight(t *testing.T) {
	b := runtest.New(t)
	for name, start := range map[string]time.Time{
		"s-2026.10.01": runtest.Now.AddDate(0, 0, -2), "s-2026.10.02": runtest.Now.AddDate(0, 0, -1),
		"s-2026.10.03": runtest.Now.Add(time.Minute), "s-2027.10.03": runtest.Now.AddDate(1, 0, 0),
	} {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: name, Indices: []string{"i"}, Start: start})
	}
	_, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: retain, last: 2}]}}")
	require.Equal(t, []string{"s-2026.10.02", "s-2026.10.03", "s-2027.10.03"}, b.Snapshots("r"))
	require.Equal(t, "it was started in the future", r.Spared()["s-2027.10.03"])
}

// TestAnotherClustersCopiesAreNoCopies: what another cluster takes under the same names, in a
// repository that both use, is no reason to delete anything of this cluster.
func TestAnotherClustersCopiesAreNoCopies(t *testing.T) {
	b := runtest.New(t)
	day := func(n int) time.Time { return runtest.Now.Truncate(24*time.Hour).AddDate(0, 0, -n) }
	for n := range 3 {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{
			Name: "s-" + day(n+1).Format("2006.01.02") + "-0100", Indices: []string{"i"}, Cluster: "memory-cluster-uuid",
			Start: day(n + 1).Add(time.Hour),
		})
		b.Cluster.AddSnapshot("r", cluster.Snapshot{
			Name: "s-" + day(n+1).Format("2006.01.02") + "-0200", Indices: []string{"logs-2026.10.01"}, Cluster: "another",
			Start: day(n + 1).Add(2 * time.Hour),
		})
	}
	ours := b.Snapshots("r")
	ours = slices.DeleteFunc(ours, func(s string) bool { return strings.HasSuffix(s, "-0200") })
	b.Run("actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: retain, daily: 2}]}}")
	left := slices.DeleteFunc(b.Snapshots("r"), func(s string) bool { return strings.HasSuffix(s, "-0200") })
	require.Equal(t, ours[1:], left, "two days of this cluster's own")

	b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.10.01", Created: day(50)})
	_, r := b.Run("actions: {1: {action: delete_indices, options: {require_snapshot: {repository: r}}, " +
		"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.Equal(t, []string{"logs-2026.10.01"}, b.Indices())
	require.Contains(t, r.Spared()["logs-2026.10.01"], "another cluster took them")
}

// TestHoldsKeepFromReplacement: a hold keeps an index also from a restore over it and from a
// shrink that deletes it.
func TestHoldsKeepFromReplacement(t *testing.T) {
	b := runtest.New(t)
	b.Options.Holds = []guard.Hold{{Indices: []string{"case-*"}, Reason: "a court"}}
	b.Options.Force = true
	b.Cluster.AddIndex(cluster.Index{Name: "case-1", Primaries: 2, Created: runtest.Now.AddDate(0, 0, -9)})
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"case-1"}, Start: runtest.Now.AddDate(0, 0, -1)})
	for _, file := range []string{
		"actions: {1: {action: restore, options: {repository: r, indices: [case-1], on_conflict: overwrite}, filters: [{filtertype: none}]}}",
		"actions: {1: {action: shrink, options: {shrink_node: DETERMINISTIC}, filters: [{filtertype: none}]}}",
	} {
		res, _ := b.Run(file)
		require.ErrorContains(t, errors.Join(res.Errors()...), "it is held by the client file (case-*): a court", file)
		require.Equal(t, []string{"case-1"}, b.Indices())
		require.False(t, b.Index("case-1").Closed)
	}
}

// TestHoldsKeepFromCuratorsRestore: on Curator's command line a restore replaces a closed index of
// the same name, as the server does.
func TestHoldsKeepFromCuratorsRestore(t *testing.T) {
	for rename, index := range map[string]string{"": "case-1", ", rename_pattern: free, rename_replacement: case": "free-1"} {
		b := runtest.New(t)
		b.Flavour = flavour.Curator5
		b.Options.Holds = []guard.Hold{{Indices: []string{"case-*"}}}
		b.Cluster.AddIndex(cluster.Index{Name: "case-1", Closed: true, Created: runtest.Now.AddDate(0, 0, -9)})
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{index}, Start: runtest.Now.AddDate(0, 0, -1)})
		res, _ := b.Run("actions: {1: {action: restore, options: {repository: r, name: s, indices: [" + index + "]" + rename +
			"}, filters: [{filtertype: none}]}}")
		require.ErrorContains(t, errors.Join(res.Errors()...), "it is held by the client file (case-*)")
		require.True(t, b.Index("case-1").Closed)
	}
}
