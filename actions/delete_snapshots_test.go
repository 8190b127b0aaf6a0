package actions_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/runtest"
)

// TestAnEmptySnapshotIsNotGone because a short listing lacks it, as Elasticsearch 6 has it.
func TestAnEmptySnapshotIsNotGone(t *testing.T) {
	b := runtest.New(t, memory.Elasticsearch("6.7.0"))
	b.Cluster.HidesEmpty = true
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	b.Cluster.AddSnapshot("r", cluster.Snapshot{
		Name:    "a-2026.01.01",
		State:   cluster.Success,
		Start:   runtest.Now.AddDate(0, -2, 0),
		Indices: []string{},
	})
	b.Cluster.Fault = func(m string, _ []string) error {
		if m == "DeleteSnapshots" {
			return &cluster.Error{Kind: cluster.ErrForbidden, Status: 403, Text: "read only"}
		}
		return nil
	}
	file := "actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: [{filtertype: none}]}}"
	res, _ := b.Run(file)
	require.ErrorContains(t, errors.Join(res.Errors()...), "read only")
	b.Cluster.Fault = nil
	res, _ = b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Snapshots("r"))
}

// What is left when max_duration is over does not fail the action.
func TestMaxDuration(t *testing.T) {
	b := runtest.New(t, memory.Elasticsearch("6.7.0"))
	for n := range 4 {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{
			Name:    fmt.Sprintf("s-2026.10.%02d", n+1),
			Start:   runtest.Now.AddDate(0, -1, n),
			Indices: []string{"i"},
		})
	}
	b.Cluster.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteSnapshots" {
			b.Time.Pass(40 * time.Minute)
		}
		return nil
	}
	res, r := b.Run("actions: {1: {action: delete_snapshots, options: {repository: r, max_duration: 1h}, filters: [{filtertype: none}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-2026.10.03", "s-2026.10.04"}, b.Snapshots("r"))
	require.Equal(t, cluster.NotStarted, r.Outcomes()["s-2026.10.03"])
	require.Contains(t, r.Warnings(), "1 snapshot was postponed to the next run because max_duration 1h is over")
}
