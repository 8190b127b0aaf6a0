package actions_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/runtest"
)

// TestADryRunRefusesWhatIsThere: as the run would, and what is there stays what it is
// for the actions that follow.
func TestADryRunRefusesWhatIsThere(t *testing.T) {
	create := "actions: {1: {action: create_index, options: {name: logs-2026.01.01, ignore_existing: IGNORE}}, 2: {action: delete_indices, " +
		"filters: [{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 30}]}}"
	for ignore, result := range map[string]cluster.Result{"false": cluster.Failure, "true": cluster.Unchanged} {
		for _, dry := range []bool{true, false} {
			b := runtest.New(t)
			b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.01.01", Created: runtest.Now.AddDate(0, -3, 0)})
			b.Cluster.AddIndices("logs-a")
			b.Options.DryRun = dry
			res, r := b.Run(strings.Replace(create, "IGNORE", ignore, 1))
			if ignore == "false" {
				require.ErrorIs(t, res.Actions[0].Err, cluster.ErrExists)
				require.Equal(t, result, r.Outcomes()["logs-2026.01.01"])
				continue
			}
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, cluster.Done, r.Outcomes()["logs-2026.01.01"], "the second action takes it, dry: %t", dry)
		}
	}
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-a")
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "snap-20261121", Indices: []string{"logs-a"}})
	b.Options.DryRun, b.Options.FixedNow = true, true
	res, _ := b.Run("actions: {1: {action: snapshot, options: {repository: r, name: 'snap-%Y%m%d'}, " + runtest.OnLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...), "an imagined night has no snapshot yet")
	for _, dry := range []bool{true, false} {
		b := runtest.New(t)
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "fixed", Indices: []string{"logs-a"}})
		b.Options.DryRun = dry
		res, _ := b.Run("actions: {1: {action: snapshot, options: {repository: r, name: fixed}, " + runtest.OnLogs + "}}")
		require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrExists, "dry: %t", dry)
	}
}

func TestNoActionWritesInADryRun(t *testing.T) {
	for _, action := range []string{
		"action: close, " + runtest.OnLogs, "action: open, " + runtest.OnLogs, "action: replicas, options: {count: 1}, " + runtest.OnLogs,
		"action: allocation, options: {key: a, value: b}, " + runtest.OnLogs,
		"action: index_settings, options: {index_settings: {index: {refresh_interval: 9s}}}, " + runtest.OnLogs,
		"action: forcemerge, options: {max_num_segments: 1}, filters: [{filtertype: pattern, kind: prefix, value: big}]",
		"action: create_index, options: {name: new}",
		"action: cluster_routing, options: {routing_type: rebalance, setting: enable, value: none}",
		"action: alias, options: {name: q}, add: {" + runtest.OnLogs + "}", "action: rollover, options: {name: l, conditions: {max_docs: 1}}",
		"action: unfreeze, " + runtest.OnLogs, "action: delete_indices, " + runtest.OnLogs,
	} {
		b := runtest.Logs(t)
		many := 9
		b.Cluster.AddIndex(cluster.Index{Name: "big", Segments: &many})
		b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}})
		b.Options.DryRun = true
		res, r := b.Run("actions: {1: {" + action + "}}")
		require.NoError(t, errors.Join(res.Errors()...), action)
		require.Empty(t, b.Cluster.Writes(), action)
		require.NotEmpty(t, r.Outcomes(), action)
	}
}
