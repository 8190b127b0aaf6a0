package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/runtest"
)

func TestForcemergeLeavesOutWhatIsMerged(t *testing.T) {
	b := runtest.Logs(t)
	many := 7
	b.Cluster.AddIndex(cluster.Index{Name: "logs-b", Segments: &many})
	res, r := b.Run("actions: {1: {action: forcemerge, options: {max_num_segments: 1, delay: 2}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"logs-b": cluster.Done}, r.Outcomes())
	require.GreaterOrEqual(t, b.Time.Elapsed().Seconds(), 2.0)
	res, _ = b.Run("actions: {1: {action: forcemerge, options: {max_num_segments: 1}, " + runtest.OnLogs + "}}")
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
}
