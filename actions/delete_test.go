package actions_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/runtest"
)

// TestALostDeletionIsNotRepeatedTooEarly: the first request may still arrive, and meet
// an index that was restored meanwhile.
func TestALostDeletionIsNotRepeatedTooEarly(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-2026.01.01")
	var sent []time.Duration
	b.Cluster.Fault = func(m string, _ []string) error {
		if m == "DeleteIndices" {
			sent = append(sent, b.Options.Watch.Elapsed())
			return cluster.ErrLost
		}
		return nil
	}
	res, r := b.Run("actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "cannot tell")
	require.Equal(t, cluster.Unclear, r.Outcomes()["logs-2026.01.01"])
	require.Len(t, sent, 2)
	require.GreaterOrEqual(t, sent[1]-sent[0], 15*time.Minute)
}

// TestAFailedReadBetweenDeletions leaves no item without its outcome.
func TestAFailedReadBetweenDeletions(t *testing.T) {
	b := runtest.New(t, memory.Elasticsearch("6.7.0"))
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	for n, name := range []string{"a-2026.01.01", "a-2026.01.02", "a-2026.01.03"} {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{
			Name:    name,
			Start:   runtest.Now.AddDate(0, -2, n),
			Indices: []string{"i"},
			Shards:  cluster.ShardCount{Total: 1, Successful: 1},
		})
	}
	b.Cluster.Fault = func(m string, _ []string) error {
		if m == "SnapshotsNamed" && len(b.Cluster.CallsOf("DeleteSnapshots")) == 2 {
			return &cluster.Error{Kind: cluster.ErrForbidden, Status: 403, Text: "token expired"}
		}
		return nil
	}
	res, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, " +
		"filters: [{filtertype: none}]}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "token expired")
	require.Equal(t, map[string]cluster.Result{
		"a-2026.01.01": cluster.Done,
		"a-2026.01.02": cluster.Done,
		"a-2026.01.03": cluster.NotStarted,
	}, r.Outcomes())
}

func TestLimits(t *testing.T) {
	file := func(options string) string {
		return "actions: {1: {action: delete_indices, options: {" + options + "}, filters: [{filtertype: pattern, kind: prefix, " +
			"value: logs-}, {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}]}}"
	}
	for options, want := range map[string]string{
		"max_items: 13":   "",
		"max_items: 12":   "13 indices are selected, but max_items allows 12; nothing was deleted",
		"max_percent: 65": "",
		"max_percent: 64": "13 indices of the 20 with such names are selected, which is 65 %, but max_percent allows 64; nothing was deleted",
	} {
		b := runtest.New(t)
		b.Cluster.AddIndices("other")
		for d := range 20 {
			b.Cluster.AddIndices("logs-" + runtest.Now.AddDate(0, 0, -d).Format("2006.01.02"))
		}
		b.Options.LetThrough = func(file, id string, n int) string { return fmt.Sprint(file, " ", id, " ", n) }
		res, _ := b.Run(file(options))
		if want == "" {
			require.NoError(t, errors.Join(res.Errors()...))
			continue
		}
		var refusal *cluster.Refused
		require.ErrorAs(t, res.Errors()[0], &refusal)
		require.ErrorContains(t, res.Errors()[0], want)
		require.Equal(t, "look at what is selected; to let it through once: test.yml 1 13",
			cluster.Hint(res.Errors()[0]))
		require.Len(t, b.Indices(), 21)
		most := int64(13)
		b.Options.MaxItems = &most
		res, _ = b.Run(file(options))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Len(t, b.Indices(), 8)
	}
}

// While a refused deletion waits, somebody may put something else under a name.
func TestWhatIsAnotherAfterWaitingIsNotDeleted(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-2026.11.01", "logs-2026.11.02")
	b.Cluster.Fault = func(method string, _ []string) error {
		if method != "DeleteIndices" || len(b.Cluster.CallsOf(method)) > 1 {
			return nil
		}
		b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.02", UUID: "restored meanwhile"})
		return cluster.ErrBusy
	}
	res, _ := b.Run(runtest.DeleteOld)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-2026.11.02"}, b.Indices())

	b = runtest.New(t)
	for _, n := range []string{"s-20260101", "s-20260102", "s-20261101"} {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: n, Start: runtest.Now.AddDate(0, -1, 0)})
	}
	b.Cluster.Fault = func(method string, _ []string) error {
		if method != "DeleteSnapshots" || len(b.Cluster.CallsOf(method)) > 1 {
			return nil
		}
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s-20260102", UUID: "another", Start: runtest.Now})
		return cluster.ErrBusy
	}
	res, _ = b.Run(`
actions:
  1: {action: delete_snapshots, options: {repository: r},
    filters: [{filtertype: age, source: name, timestring: '%Y%m%d', direction: older, unit: days, unit_count: 45}]}
`)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-20260102", "s-20261101"}, b.Snapshots("r"))
}

func TestOneItemThatCannotBeDeletedDoesNotKeepTheOthers(t *testing.T) {
	b := runtest.New(t)
	names := []string{"logs-2026.11.01", "logs-2026.11.02", "logs-2026.11.03", "logs-2026.11.04", "logs-2026.11.05"}
	b.Cluster.AddIndices(names...)
	b.Cluster.Fault = func(method string, about []string) error {
		if method == "DeleteIndices" && slices.Contains(about, "logs-2026.11.04") {
			return cluster.ErrForbidden
		}
		return nil
	}
	res, r := b.Run(runtest.DeleteOld)
	require.Equal(t, []string{"logs-2026.11.04"}, b.Indices())
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrForbidden)
	require.Equal(t, cluster.Failure, r.Outcomes()["logs-2026.11.04"])
	require.Equal(t, cluster.Done, r.Outcomes()["logs-2026.11.05"])
}

func TestADeletionThatIsAcknowledgedButNotDoneFails(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-2026.11.01")
	b.Cluster.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteIndices" { // it comes back every time, with the same identity
			b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", UUID: "same"})
		}
		return nil
	}
	b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", UUID: "same"})
	res, r := b.Run(runtest.DeleteOld)
	require.ErrorContains(t, res.Actions[0].Err, "still exists")
	require.Equal(t, cluster.Failure, r.Outcomes()["logs-2026.11.01"])
}
