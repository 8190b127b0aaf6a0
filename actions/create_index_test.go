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

// TestCreateIndexNamedLikeAnAlias: no index of that name exists, so that nothing can be ignored;
// a dry run says so, too.
func TestCreateIndexNamedLikeAnAlias(t *testing.T) {
	for _, dry := range []bool{true, false} {
		b := runtest.New(t)
		b.Cluster.AddIndex(cluster.Index{Name: "c", Aliases: []string{"d"}})
		b.Options.DryRun = dry
		res, _ := b.Run("actions: {1: {action: create_index, options: {name: d, ignore_existing: true}}}")
		require.Error(t, errors.Join(res.Errors()...), "dry run: %v", dry)
		require.Equal(t, []string{"c"}, b.Indices())
	}
}
