package actions_test

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

// TestDataStreamsAreNamedAsSuch in a snapshot, where all of one is selected.

// What an interrupted restore left without shards is not success.
func TestARestoreThatLeftNoShards(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("app")
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	b.Run("actions: {1: {action: snapshot, options: {repository: r, name: s}, filters: [{filtertype: none}]}}")
	require.NoError(t, b.Cluster.DeleteIndices(context.Background(), cluster.DeleteIndices{Names: []string{"app"}}))
	const file = "actions: {1: {action: restore, options: {repository: r, name: s, on_conflict: skip}, filters: [{filtertype: none}]}}"
	b.Run(file)
	b.Cluster.BreakIndex("app", "CLUSTER_RECOVERED")
	res, r := b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.True(t, res.Actions[0].Partial)
	require.Equal(t, map[string]cluster.Result{"app": cluster.PartlyDone}, r.Outcomes())
}

func TestARestoreFromAFile(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.RestorePolls = 3
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s1", Start: runtest.Now.Add(-48 * time.Hour), Indices: []string{"logs-a", "logs-b"}})
	b.Cluster.AddSnapshot("r", cluster.Snapshot{
		Name:     "s2",
		Start:    runtest.Now.Add(-time.Hour),
		State:    cluster.Partial,
		Indices:  []string{"logs-a", "logs-b"},
		Failures: []cluster.ShardFailure{{Index: "logs-a"}},
	})
	file := `
actions:
  1:
    action: restore
    options: {repository: r, rename_pattern: '(.+)', rename_replacement: 'back-$1', keep_for: 3d%s}
    filters: [{filtertype: none}]
`
	res, _ := b.Run(fmt.Sprintf(file, ""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "PARTIAL", "Curator takes the newest and then looks at its state")
	res, _ = b.Run(fmt.Sprintf(file, ", snapshot: latest"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"back-logs-a", "back-logs-b"}, b.Indices())
	list, err := b.Cluster.Indices(context.Background())
	require.NoError(t, err)
	require.True(t, list[0].KeepUntil().After(runtest.Now.AddDate(0, 0, 3)))
	res, _ = b.Run("actions: {1: {action: delete_indices, filters: [{filtertype: none}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, b.Indices(), 2, "the mark protects them")
	require.Equal(t, 2, res.Actions[0].Guarded)
}

func TestARestoreWhoseShardsDoNotStartFails(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.RestoreEnds = func(index string) string { return map[string]string{"logs-a": "ALLOCATION_FAILED"}[index] }
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s1", Indices: []string{"logs-a", "logs-b"}})
	res, r := b.Run("actions: {1: {action: restore, options: {repository: r}, filters: [{filtertype: none}]}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "ALLOCATION_FAILED")
	require.Equal(t, map[string]cluster.Result{"logs-a": cluster.Failure, "logs-b": cluster.Done}, r.Outcomes())
}
