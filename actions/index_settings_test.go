package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/runtest"
)

func TestStaticSettingsNeedClosedIndices(t *testing.T) {
	b := runtest.Logs(t)
	res, _ := b.Run("actions: {1: {action: index_settings, options: {index_settings: {index: {codec: best_compression}}}, " +
		runtest.OnLogs + "}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "static")
	require.Empty(t, b.Cluster.Writes())
	res, r := b.Run("actions: {1: {action: index_settings, options: {index_settings: {index: {made_up: 1}}}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Contains(t, r.Warnings(), "made_up")
}
