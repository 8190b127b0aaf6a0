package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/runtest"
)

func TestCold2Frozen(t *testing.T) {
	cold := func(b *runtest.Bench, name string, more map[string]string, i cluster.Index) {
		i.Name, i.Settings = name, map[string]string{
			"index.store.type": "snapshot", "index.store.snapshot.repository_name": "r",
			"index.store.snapshot.snapshot_name": "s", "index.store.snapshot.index_name": "logs-a",
		}
		for k, v := range more {
			i.Settings[k] = v
		}
		b.Cluster.AddIndex(i)
	}
	b := runtest.Logs(t)
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-a"}})
	b.Cluster.Space.Nodes = append(b.Cluster.Space.Nodes, cluster.Disk{Node: "n2"}, cluster.Disk{Node: "n3"})
	b.Cluster.NodeRoles = map[string][]string{"n2": {"data_hot"}, "n3": {"data_cold"}}
	cold(b, "cold-a", nil, cluster.Index{Aliases: []string{"search"}, WriteAliases: []string{"w"}})
	cold(b, "cold-partly", map[string]string{"index.store.snapshot.partial": "false"}, cluster.Index{})
	file := "actions: {1: {action: cold2frozen, filters: [{filtertype: pattern, kind: prefix, value: cold-}]}}"
	res, r := b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...), "the text false is not true (D27)")
	require.Equal(t, map[string]cluster.Result{"cold-a": cluster.Done, "cold-partly": cluster.Done}, r.Outcomes())
	require.NotContains(t, b.Indices(), "cold-a")
	require.Equal(t, []string{"search", "w"}, b.Index("partial-cold-a").Aliases)
	require.Equal(t, "data_cold,data_hot", b.Setting("partial-cold-a", "index.routing.allocation.include._tier_preference"))

	for name, set := range map[string]func(b *runtest.Bench){
		"managed":                  func(b *runtest.Bench) { cold(b, "cold-x", nil, cluster.Index{Lifecycle: "p"}) },
		"what a data stream holds": func(b *runtest.Bench) { cold(b, "cold-x", nil, cluster.Index{DataStream: "ds"}) },
		"no mount":                 func(b *runtest.Bench) { b.Cluster.AddIndices("cold-x") },
		"frozen": func(b *runtest.Bench) {
			cold(b, "cold-x", map[string]string{"index.store.snapshot.partial": "true"}, cluster.Index{})
		},
		"no such": func(b *runtest.Bench) {
			cold(b, "cold-x", map[string]string{"index.store.snapshot.snapshot_name": "gone"}, cluster.Index{})
		},
		"OpenSearch": func(b *runtest.Bench) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := runtest.Logs(t)
			if name == "OpenSearch" {
				b = runtest.Logs(t, memory.OpenSearch("2.11.0"))
				cold(b, "cold-x", nil, cluster.Index{})
			}
			b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-a"}})
			set(b)
			res, r := b.Run("actions: {1: {action: cold2frozen, options: {allow_ilm_indices: true}, " +
				"filters: [{filtertype: pattern, kind: prefix, value: cold-}]}}")
			require.Error(t, errors.Join(res.Errors()...))
			require.Equal(t, map[string]cluster.Result{"cold-x": cluster.Failure}, r.Outcomes())
			require.Contains(t, b.Indices(), "cold-x")
		})
	}
}
