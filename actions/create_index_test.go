package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/runtest"
)

func TestCreateIndex(t *testing.T) {
	b := runtest.New(t)
	file := "actions: {1: {action: create_index, options: {name: 'logs-%Y.%m.%d', extra_settings: {settings: {number_of_shards: 1}}}}}"
	res, _ := b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-2026.11.21"}, b.Indices())
	res, _ = b.Run(file)
	require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrExists)
	res, r := b.Run("actions: {1: {action: create_index, options: {name: '<logs-{now/d}>', ignore_existing: true}}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Unchanged, r.Outcomes()["logs-2026.11.21"])
}
