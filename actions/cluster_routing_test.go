package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/runtest"
)

func TestClusterRouting(t *testing.T) {
	b := runtest.New(t)
	res, r := b.Run("actions: {1: {action: cluster_routing, options: {routing_type: allocation, setting: enable, " +
		"value: new_primaries, wait_for_completion: true}}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.Outcomes()["cluster.routing.allocation.enable"])
	require.Len(t, b.Cluster.CallsOf("ClusterHealth"), 1)
}
