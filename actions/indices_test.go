package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/runtest"
)

func TestReplicasAndAllocation(t *testing.T) {
	b := runtest.Logs(t)
	res, _ := b.Run("actions: {1: {action: replicas, options: {count: 0, wait_for_completion: true}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, "0", b.Setting("logs-a", "index.number_of_replicas"))
	require.Empty(t, b.Cluster.CallsOf("ClusterHealth"), "nothing to wait for without replicas")
	res, _ = b.Run("actions: {1: {action: allocation, options: {key: box, value: hot, wait_for_completion: true}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, "hot", b.Setting("logs-b", "index.routing.allocation.require.box"))
	require.Empty(t, b.Setting("logs-c", "index.routing.allocation.require.box"))
	res, _ = b.Run("actions: {1: {action: allocation, options: {key: box, value: }, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Setting("logs-a", "index.routing.allocation.require.box"), "no value removes the rule")
}

func TestASettingThatDoesNotStickFails(t *testing.T) {
	b := runtest.Logs(t)
	b.Cluster.FaultAfter = func(m string, names []string) error {
		if m == "PutIndexSettings" {
			b.Cluster.AddIndices("logs-a") // somebody made it anew
		}
		return nil
	}
	res, r := b.Run("actions: {1: {action: index_settings, options: {index_settings: {index: {refresh_interval: 5s}}}, " +
		runtest.OnLogs + "}}")
	require.Error(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Failure, r.Outcomes()["logs-a"])
	require.Equal(t, cluster.Done, r.Outcomes()["logs-b"])
	require.Equal(t, cluster.Done, r.Outcomes()["logs-c"], "closed ones too")
}

// TestALostReplyIsNoSuccess: where nothing can be seen the action fails, else what is
// seen counts.
func TestALostReplyIsNoSuccess(t *testing.T) {
	for action, want := range map[string]string{
		"action: freeze, " + runtest.OnLogs: "index.frozen is false",
		"action: index_settings, options: {preserve_existing: true, index_settings: {index: {refresh_interval: 5s}}}, " + runtest.OnLogs: "lost",
	} {
		b := runtest.Logs(t, memory.Elasticsearch("7.17.0"))
		b.Cluster.Fault = func(method string, _ []string) error {
			if method == "FreezeIndices" || method == "PutIndexSettings" {
				return cluster.ErrLost
			}
			return nil
		}
		res, _ := b.Run("actions: {1: {" + action + "}}")
		require.ErrorContains(t, errors.Join(res.Errors()...), want, action)
	}
}

// TestOneBlockedIndexDoesNotStopTheBatch.
func TestOneBlockedIndexDoesNotStopTheBatch(t *testing.T) {
	for kind, options := range map[string]string{
		"replicas":       "count: 1",
		"close":          "skip_flush: true",
		"index_settings": "index_settings: {index: {refresh_interval: 61s}}",
		"allocation":     "key: zone, value: eu",
	} {
		b := runtest.New(t)
		b.Cluster.AddIndices("ro-a", "ro-b", "ro-c")
		b.Cluster.Fault = func(m string, names []string) error {
			for _, n := range names {
				if n == "ro-a" && (m == "PutIndexSettings" || m == "OpenIndices") {
					return cluster.ErrForbidden
				}
			}
			return nil
		}
		res, r := b.Run("actions: {1: {action: " + kind + ", options: {" + options +
			"}, filters: [{filtertype: pattern, kind: prefix, value: ro-}]}}")
		require.NotEmpty(t, res.Errors(), kind)
		require.Equal(t, map[string]cluster.Result{"ro-a": cluster.Failure, "ro-b": cluster.Done, "ro-c": cluster.Done}, r.Outcomes(), kind)
	}
}
