package run_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/runtest"
)

// TestAnIndexMountedMeanwhileKeepsItsSnapshot: a snapshot from which an index is mounted while its deletion waits is kept.
func TestAnIndexMountedMeanwhileKeepsItsSnapshot(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("i")
	for n, name := range []string{"s-2026.10.01", "s-2026.11.20"} {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: name, Indices: []string{"i"}, Start: runtest.Now.AddDate(0, -2, n)})
	}
	b.Cluster.Fault = func(m string, _ []string) error {
		if m == "SnapshotsNamed" {
			b.Cluster.AddIndex(cluster.Index{Name: "m", Mount: &cluster.Mount{Repository: "r", Snapshot: "s-2026.10.01"}})
		}
		return nil
	}
	res, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r}, " +
		"filters: [{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, b.Snapshots("r"), 2, "%v", r.Outcomes())
}

// TestDatesWithoutSeparatorsAreNoRolloverNumbers: months and days without separators are no rollover numbers.
func TestDatesWithoutSeparatorsAreNoRolloverNumbers(t *testing.T) {
	for _, c := range []struct {
		ts, name, other, unit string
		count                 string
		now                   time.Time
		deleted               bool
	}{
		{"%Y%m", "m-202512", "m-202601", "months", "3", time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC), true},
		{"%y%m%d", "d-261001", "x", "days", "3", time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC), true},
		{"%Y%m%d-%H%M%S", "d-20261001-020003", "x", "days", "3", time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC), true},
		// the next month's index was made in advance
		{"%Y%m", "m-202611", "m-202612", "days", "20", time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC), false},
	} {
		b := runtest.New(t)
		b.Options.Now = c.now
		b.Cluster.AddIndex(cluster.Index{Name: c.name, Created: c.now.AddDate(-1, 0, 0)})
		b.Cluster.AddIndex(cluster.Index{Name: c.other, Created: c.now.AddDate(0, 0, -3)})
		b.Options.AllowClockSkew = true
		res, r := b.Run("actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: regex, value: '^" +
			c.name + "$'},{filtertype: age, source: name, timestring: '" + c.ts + "', direction: older, unit: " + c.unit +
			", unit_count: " + c.count + "}]}}")
		if e := errors.Join(res.Errors()...); e != nil {
			t.Logf("%v: %v", c, e)
		}
		left := b.Index(c.name) != nil
		if left == c.deleted {
			t.Errorf("%v: left %v, outcomes %v warnings %v", c, left, r.Outcomes(), r.Warnings())
		}
	}
}

// TestSnapshotsOfMountedIndices: a newest snapshot of nothing but mounted indices may contain
// no data, so another one is kept, too. A mount keeps the time at which its index was
// created, so that nothing tells the ones with data from those without.
func TestSnapshotsOfMountedIndices(t *testing.T) {
	for name, c := range map[string]struct {
		mount cluster.Mount
		other string // one more index in the first two
		kept  []string
	}{
		"mounted from elsewhere": {cluster.Mount{Repository: "other", Snapshot: "s"}, "", []string{"s-2026.10.01", "s-2026.10.04"}},
		"mounted from the second": {
			cluster.Mount{Repository: "r", Snapshot: "s-2026.10.02"},
			"",
			[]string{"s-2026.10.01", "s-2026.10.02", "s-2026.10.04"},
		},
		"not only mounted ones": {cluster.Mount{Repository: "other", Snapshot: "s"}, "real", []string{"s-2026.10.02", "s-2026.10.04"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := runtest.New(t)
			b.Cluster.AddIndex(cluster.Index{Name: "i", Created: runtest.Now.AddDate(0, -3, 0), Mount: &c.mount})
			for n := range 4 {
				s := cluster.Snapshot{Name: fmt.Sprintf("s-2026.10.%02d", n+1), Indices: []string{"i"}, Start: runtest.Now.AddDate(0, -2, n)}
				if n < 2 && c.other != "" {
					s.Indices = append(s.Indices, c.other)
				}
				b.Cluster.AddSnapshot("r", s)
			}
			res, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: none}]}}")
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.kept, b.Snapshots("r"), "%v", r.Outcomes())
		})
	}
}

// TestWhatWasNeverSentIsNotStarted: what another run deletes after this one lost its lock is not said to be deleted by it.
func TestWhatWasNeverSentIsNotStarted(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndex(cluster.Index{Name: "logs-a"})
	b.Options.BeforeWrite = func(ctx context.Context, op cluster.Op) error {
		if _, is := op.(cluster.DeleteIndices); is {
			_ = b.Cluster.DeleteIndices(ctx, cluster.DeleteIndices{Names: []string{"logs-a"}})
			return cluster.ErrLockLost
		}
		return nil
	}
	_, r := b.Run("actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.NotEqual(t, cluster.Done, r.Outcomes()["logs-a"])
	b.Cluster.AddIndex(cluster.Index{Name: "logs-a"})
	b.Options.BeforeWrite = func(ctx context.Context, op cluster.Op) error { return cluster.ErrLockLost }
	_, r = b.Run("actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.Equal(t, cluster.NotStarted, r.Outcomes()["logs-a"])
}

// TestALostDeletionIsUnknownAtTheDeadline: a deletion whose reply was lost until the deadline is unknown; nothing shows that it continues.
func TestALostDeletionIsUnknownAtTheDeadline(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndex(cluster.Index{Name: "logs-a"})
	ctx, cancel := context.WithCancelCause(context.Background())
	b.Ctx = ctx
	lost := false
	b.Cluster.Fault = func(m string, _ []string) error {
		switch {
		case m == "DeleteIndices":
			lost = true
			return cluster.ErrLost
		case lost && m == "IndicesNamed":
			cancel(errors.New("deadline"))
		}
		return nil
	}
	_, r := b.Run("actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.Equal(t, cluster.Unclear, r.Outcomes()["logs-a"])
}

// TestAnIndexCreatedAgainAfterTheSnapshotIsUnsaved: an index created again after the run's good snapshot of it is not saved.
func TestAnIndexCreatedAgainAfterTheSnapshotIsUnsaved(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndex(cluster.Index{Name: "logs-a", UUID: "one", Created: runtest.Now.AddDate(0, 0, -20)})
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	taken := false
	b.Cluster.Fault = func(m string, _ []string) error {
		if m == "CreateSnapshot" {
			taken = true
		}
		if m == "Indices" && taken {
			taken = false
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", UUID: "two", Created: runtest.Now.Add(time.Hour)})
		}
		return nil
	}
	_, r := b.Run("actions: {1: {action: snapshot, options: {repository: r, name: s}, filters: [{filtertype: pattern, " +
		"kind: prefix, value: logs-}]}, 2: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.NotNil(t, b.Index("logs-a"), "%v %v", r.Outcomes(), r.Warnings())
}

// TestASnapshotThatVanishedSavesNothing: a good snapshot of the run that is gone before the deletion saves nothing.
func TestASnapshotThatVanishedSavesNothing(t *testing.T) {
	for _, between := range []string{
		"2: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: [{filtertype: none}]}, ",
		"",
	} {
		b := runtest.New(t)
		b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", Created: runtest.Now.AddDate(0, 0, -20)})
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		if between == "" {
			b.Cluster.Fault = func(m string, _ []string) error {
				if m == "IndicesNamed" {
					_ = b.Cluster.DeleteSnapshots(context.Background(), cluster.DeleteSnapshots{Repository: "r", Names: []string{"s"}})
				}
				return nil
			}
		}
		_, r := b.Run("actions: {1: {action: snapshot, options: {repository: r, name: s}, filters: [{filtertype: pattern, " +
			"kind: prefix, " +
			"value: logs-}]}, " + between + "3: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
		t.Logf("between %q: left %v snapshots %v outcomes %v", between, b.Indices(), b.Snapshots("r"), r.Outcomes())
		if len(b.Indices()) == 0 {
			t.Errorf("deleted although the snapshot is gone")
		}
	}
}

// TestARenamedCopyWithADateIsMarked: a renamed copy whose name has a date is as old for an expiry as the index itself: it is marked, too.
func TestARenamedCopyWithADateIsMarked(t *testing.T) {
	const day = "logs-2026.11.01"
	b := runtest.New(t)
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{day}, Start: runtest.Now.AddDate(0, 0, -10)})
	res, _ := b.Run("actions: {1: {action: restore, options: {repository: r, name: s, rename_pattern: '(.+)', " +
		"rename_replacement: 'logs-copy-$1'}, filters: [{filtertype: none}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	_, r := b.Run("actions: {1: {action: delete_indices, options: {ignore_empty_list: true}, " +
		"filters: [{filtertype: pattern, kind: prefix, value: logs-}, {filtertype: age, source: name, timestring: '%Y.%m.%d', " +
		"direction: older, unit: days, unit_count: 7}]}}")
	require.Equal(t, []string{"logs-copy-logs-2026.11.01"}, b.Indices(), "%v", r.Outcomes())
}

// TestADryRunKnowsWhatRefusesAliasesAndDeletions: a dry run ends as the run does where a block or a read-only repository is in the way.
func TestADryRunKnowsWhatRefusesAliasesAndDeletions(t *testing.T) {
	for name, c := range map[string]struct{ file string }{
		"alias of a blocked index": {"actions: {1: {action: alias, options: {name: a}, add: {filters: [{filtertype: none}]}}}"},
		"deletion in a read-only place": {
			"actions: {1: {action: delete_snapshots, options: {repository: ro, keep_newest_good: false}, filters: [{filtertype: none}]}}",
		},
		"reindex of what does not exist": {
			"actions: {1: {action: reindex, options: {request_body: {source: {index: nope}, dest: {index: x}}}, filters: [{filtertype: none}]}}",
		},
	} {
		b := runtest.New(t)
		b.Options.DryRun = true
		b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Settings: map[string]string{"index.blocks.read_only": "true"}})
		b.Cluster.AddSnapshot("ro", cluster.Snapshot{Name: "s", Indices: []string{"logs-a"}, Start: runtest.Now.AddDate(0, 0, -10)})
		b.Cluster.AddRepository(cluster.Repository{Name: "ro", Type: "fs", Settings: map[string]string{"readonly": "true"}})
		res, _ := b.Run(c.file)
		if errors.Join(res.Errors()...) == nil {
			t.Errorf("%s: the dry run succeeds", name)
		}
	}
}
