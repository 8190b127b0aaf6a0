package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/runtest"
)

func TestOpenAndClose(t *testing.T) {
	b := runtest.Logs(t)
	res, r := b.Run("actions: {1: {action: close, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.True(t, b.Index("logs-a").Closed)
	require.Len(t, r.Outcomes(), 2, "the closed one is left out (K14)")
	res, _ = b.Run("actions: {1: {action: close, " + runtest.OnLogs + "}}")
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty, "a list emptied because all is closed")
	res, r = b.Run("actions: {1: {action: open, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, r.Outcomes(), 3)
	require.False(t, b.Index("logs-c").Closed)
}

func TestCloseTakesAliasesAwayAndFlushes(t *testing.T) {
	b := runtest.Logs(t)
	b.Cluster.SetAlias("logs-a", "all", false)
	res, _ := b.Run("actions: {1: {action: close, options: {delete_aliases: true}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Index("logs-a").Aliases)
	require.Len(t, b.Cluster.CallsOf("FlushIndices"), 1)
	b = runtest.Logs(t)
	res, _ = b.Run("actions: {1: {action: close, options: {skip_flush: true}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Cluster.CallsOf("FlushIndices"))
	b = runtest.Logs(t)
	b.Cluster.Fault = func(m string, _ []string) error {
		if m == "FlushIndices" {
			return cluster.ErrServer
		}
		return nil
	}
	res, _ = b.Run("actions: {1: {action: close, " + runtest.OnLogs + "}}")
	require.Error(t, errors.Join(res.Errors()...))
	res, _ = b.Run("actions: {1: {action: close, options: {ignore_sync_failures: true}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
}

// The server waits a minute for a shard that is on no node before it says that the
// flush failed: such an index is closed without one, also where the shard is lost only
// between the look and the flush.
func TestCloseWithAShardThatCannotBeFlushed(t *testing.T) {
	for _, f := range []flavour.Flavour{flavour.Native, flavour.Curator5, flavour.Curator8} {
		for _, lost := range []string{"before", "meanwhile"} {
			b := runtest.Logs(t)
			b.Flavour = f
			if lost == "before" {
				b.Cluster.BreakIndex("logs-a", "node left")
			}
			b.Cluster.FaultAfter = func(m string, _ []string) error {
				if m == "Health" {
					b.Cluster.BreakIndex("logs-a", "node left")
				}
				return nil
			}
			res, r := b.Run("actions: {1: {action: close, " + runtest.OnLogs + "}}")
			require.NoError(t, errors.Join(res.Errors()...), "%d, %s", f, lost)
			require.True(t, b.Index("logs-a").Closed)
			require.True(t, b.Index("logs-b").Closed)
			require.Contains(t, r.Warnings(), "closed without a complete flush")
			require.Contains(t, r.Warnings(), "logs-a")
			flushed := b.Cluster.CallsOf("FlushIndices")[0].Names
			require.Contains(t, flushed, "logs-b")
			if lost == "before" {
				require.NotContains(t, flushed, "logs-a", "nobody waits for it")
			}
		}
	}
}
