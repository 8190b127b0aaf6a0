package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/runtest"
)

func TestFreezeWhereTheServerCan(t *testing.T) {
	b := runtest.Logs(t, memory.Elasticsearch("7.17.0"))
	res, _ := b.Run("actions: {1: {action: freeze, " + runtest.OnLogs + "}, 2: {action: unfreeze, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	b = runtest.Logs(t, memory.OpenSearch("2.11.0"))
	res, _ = b.Run("actions: {1: {action: freeze, " + runtest.OnLogs + "}}")
	require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrUnsupported)
	require.Contains(t, cluster.Hint(res.Actions[0].Err), "neither")
}
