//go:build integration

package integration

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// copies are the nodes that hold an index's shard copies, one entry a copy; "" for
// one that is not started. One that moves is still where it was.
func (e *env) copies(index string) []string {
	e.Helper()
	var list []struct{ State, Node string }
	e.call("GET", "/_cat/shards/"+index+"?format=json&h=state,node", nil, &list)
	var nodes []string
	for _, s := range list {
		node, _, _ := strings.Cut(s.Node, " ") // "n0 -> 127.0.0.1 …" of one that moves
		if s.State != "STARTED" && s.State != "RELOCATING" {
			node = ""
		}
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	return nodes
}

// health is the status of an index, or of the cluster.
func (e *env) health(index string) string {
	e.Helper()
	var reply struct{ Status string }
	e.call("GET", "/_cluster/health/"+index, nil, &reply)
	return reply.Status
}

// green makes the cluster green, as far as other tests have left it otherwise: no index has
// a replica, and those that have lost a shard are deleted.
func (e *env) green() {
	e.Helper()
	e.eventually("a green cluster", func() bool {
		var reply struct {
			Status  string
			Indices map[string]struct{ Status string }
		}
		e.call("GET", "/_cluster/health?level=indices", nil, &reply)
		for name, i := range reply.Indices {
			switch {
			case i.Status == "yellow":
				e.try("PUT", "/"+url.PathEscape(name)+"/_settings", map[string]any{
					"index.number_of_replicas": 0, "index.auto_expand_replicas": false,
				})
			case i.Status == "red" && !strings.HasPrefix(name, e.prefix):
				e.try("DELETE", "/"+url.PathEscape(name), nil)
			}
		}
		return reply.Status == "green"
	})
}

// TestThreeNodes moves shards between nodes. Of three, the third is another kind.
func TestThreeNodes(t *testing.T) {
	onOneServer(t, func(e *env) {
		kind := func(k string) map[string]string { return map[string]string{"node.attr.box_type": k} }
		e = e.own(testserver.Options{Nodes: 3, NodeSettings: []map[string]string{kind("hot"), kind("hot"), kind("cold")}, HeapMB: 384})
		cold := nodeName(e, e.server.NodeURLs()[2])
		on := func(name string) string {
			return "filters: [{filtertype: pattern, kind: regex, value: '^PREFIX" + name + "$'}]"
		}

		moved := e.prefix + "moved"
		e.call("PUT", "/"+moved, map[string]any{"settings": map[string]any{"number_of_shards": 6}}, nil)
		e.fill(2000, map[string]int{moved: 60})
		e.eventually("all shards are started", func() bool { return e.health(moved) == "green" })
		require.Greater(e, len(distinct(e.copies(moved))), 1, "spread over the nodes")
		e.run(0, "actions: {1: {action: allocation, options: {key: box_type, value: cold, wait_for_completion: true, max_wait: 300}, "+
			on("moved")+"}}")
		require.Equal(e, []string{cold}, distinct(e.copies(moved)), "waited until all are there")
		require.Equal(e, 60, e.count(moved))

		doubled := e.prefix + "doubled"
		e.fill(2000, map[string]int{doubled: 60})
		require.Len(e, e.copies(doubled), 1)
		e.run(0, "actions: {1: {action: replicas, options: {count: 2, wait_for_completion: true, max_wait: 300}, "+on("doubled")+"}}")
		require.Equal(e, "green", e.health(doubled), "waited until it is")
		require.Len(e, distinct(e.copies(doubled)), 3)

		wide := e.prefix + "wide"
		e.call("PUT", "/"+wide, map[string]any{
			"settings": map[string]any{"number_of_shards": 6, "number_of_replicas": 1},
			"aliases":  map[string]any{e.prefix + "al": map[string]any{}},
		}, nil)
		e.fill(2000, map[string]int{wide: 60})
		e.eventually("all replicas are started", func() bool { return e.health(wide) == "green" })
		require.Len(e, distinct(e.copies(wide)), 3, "no node has a copy of every shard to begin with")
		e.run(0, "actions: {1: {action: shrink, options: {shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}, "+
			"number_of_shards: 2, number_of_replicas: 1, copy_aliases: true, max_wait: 300}, "+on("wide")+"}}")
		require.NotContains(e, e.indices(), wide)
		small := wide + "-shrink"
		require.Equal(e, "green", e.health(small))
		require.Len(e, e.copies(small), 4)
		require.NotContains(e, e.copies(small), "")
		require.Equal(e, 60, e.count(small))
		require.Equal(e, []string{e.prefix + "al"}, e.metadata(small).Aliases)
		require.Nil(e, e.metadata(small).Settings["index.routing.allocation.require._name"])

		routing := func(value string) {
			e.run(0, "actions: {1: {action: cluster_routing, options: {routing_type: allocation, setting: enable, value: "+value+
				", wait_for_completion: true, max_wait: 300}}}")
		}
		late := e.prefix + "late"
		routing("none")
		e.call("PUT", "/"+late+"?wait_for_active_shards=0", nil, nil)
		require.Equal(e, []string{""}, e.copies(late), "nothing is allocated")
		routing("all")
		e.eventually("the index gets its shard", func() bool { return e.health(late) == "green" })
	})
}

// distinct are the entries of a list, each once, sorted.
func distinct(list []string) []string {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return slices.Sorted(maps.Keys(set))
}
