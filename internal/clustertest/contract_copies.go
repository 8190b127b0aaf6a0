package clustertest

import (
	"errors"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

func (c contract) testShards() {
	nodes, err := c.Cluster.Nodes(c.ctx)
	require.NoError(c, err)
	require.NotEmpty(c, nodes)
	require.True(c, slices.ContainsFunc(nodes, cluster.Node.IsData))
	require.True(c, slices.ContainsFunc(nodes, cluster.Node.IsMasterEligible))
	for _, n := range nodes {
		require.NotEmpty(c, n.Name)
		require.Positive(c, n.Free)
	}
	wide := c.create("wide", Setup{Primaries: 3, Replicas: 9})
	c.ready(wide)
	copies, err := c.Cluster.Shards(c.ctx, []string{c.name("gone"), wide})
	require.NoError(c, err)
	require.Len(c, copies, 30)
	require.False(c, cluster.Settled(copies), "there is no room for nine replicas")
	started := slices.DeleteFunc(copies, func(s cluster.ShardCopy) bool { return s.State != "STARTED" })
	require.GreaterOrEqual(c, len(started), 3)
	for _, s := range started {
		require.Equal(c, wide, s.Index)
		require.True(c, slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.Name == s.Node }), "it is on %s", s.Node)
	}
	require.True(c, cluster.Settled(started))
	for _, names := range [][]string{nil, {c.name("gone")}} {
		copies, err := c.Cluster.Shards(c.ctx, names)
		require.NoError(c, err)
		require.Empty(c, copies)
	}
}

func (c contract) testAliasBodies() {
	a := c.create("a", Setup{Aliases: []string{c.name("plain")}, WriteAliases: []string{c.name("write")}})
	b := c.create("b", Setup{})
	bodies, err := c.Cluster.AliasBodies(c.ctx, a)
	require.NoError(c, err)
	require.Equal(c, map[string]map[string]any{c.name("plain"): {}, c.name("write"): {"is_write_index": true}}, bodies)
	var move cluster.UpdateAliases
	for name, body := range bodies { // what was read can be written again
		move.Actions = append(move.Actions, cluster.AliasAction{Remove: true, Index: a, Alias: name},
			cluster.AliasAction{Index: b, Alias: name, Extra: body})
	}
	require.NoError(c, c.Cluster.UpdateAliases(c.ctx, move))
	moved, err := c.Cluster.AliasBodies(c.ctx, b)
	require.NoError(c, err)
	require.Equal(c, bodies, moved)
	left, err := c.Cluster.AliasBodies(c.ctx, a)
	require.NoError(c, err)
	require.Empty(c, left)
	_, err = c.Cluster.AliasBodies(c.ctx, c.name("gone"))
	c.kind(err, cluster.ErrNoIndex, "aliases of what is gone")
}

func (c contract) testShrink() {
	source, target := c.create("source", Setup{Primaries: 4, Documents: 6}), c.name("target")
	c.ready(source)
	shrink := cluster.ShrinkIndex{Source: source, Target: target, WaitForActiveShards: "1", Settings: map[string]any{
		"index.number_of_shards": 2, "index.number_of_replicas": 0, "index.blocks.write": nil, "index.routing.allocation.require._name": nil,
	}}
	require.Error(c, c.Cluster.ShrinkIndex(c.ctx, shrink), "it takes writes")
	nodes, err := c.Cluster.Nodes(c.ctx)
	require.NoError(c, err)
	node := nodes[slices.IndexFunc(nodes, cluster.Node.IsData)].Name
	require.NoError(c, c.Cluster.PutIndexSettings(c.ctx, cluster.PutIndexSettings{Names: []string{source}, Settings: map[string]any{
		"index.blocks.write": true, "index.routing.allocation.require._name": node,
	}}))
	c.eventually("shards on one node", func() (bool, error) {
		copies, err := c.Cluster.Shards(c.ctx, []string{source})
		return cluster.Settled(copies) && !slices.ContainsFunc(copies, func(s cluster.ShardCopy) bool { return s.Node != node }), err
	})
	require.NoError(c, c.Cluster.ShrinkIndex(c.ctx, shrink))
	c.ready(target)
	stats, err := c.Cluster.Stats(c.ctx, []string{target})
	require.NoError(c, err)
	require.Equal(c, int64(6), stats[target].Docs)
	settings, err := c.Cluster.Settings(c.ctx, []string{target})
	require.NoError(c, err)
	require.Equal(c, "2", settings[target]["index.number_of_shards"])
	require.Empty(c, settings[target]["index.blocks.write"])
	require.Empty(c, settings[target]["index.routing.allocation.require._name"])
	server, err := c.Cluster.Server(c.ctx)
	require.NoError(c, err)
	if from := settings[target]["index.resize.source.uuid"]; from != "" || server.OpenSearch || server.Version[0] < 8 {
		require.Equal(c, c.index(source).UUID, from) // later servers remove it when the target is complete
	}
	c.kind(c.Cluster.ShrinkIndex(c.ctx, shrink), cluster.ErrExists, "the target is there")
	for _, bad := range []cluster.ShrinkIndex{{Source: c.name("*"), Target: target}, {Source: source, Target: ""}} {
		require.Error(c, c.Cluster.ShrinkIndex(c.ctx, bad))
	}
}

func (c contract) testReindex() {
	from, to := c.create("from", Setup{Documents: 5}), c.name("to")
	r := cluster.Reindex{
		Body:    map[string]any{"source": map[string]any{"index": []string{from}}, "dest": map[string]any{"index": to}},
		Sources: []string{from}, Dest: to, Refresh: true, RequestsPerSecond: -1, WaitForActiveShards: "1",
	}
	id, err := c.Cluster.Reindex(c.ctx, r)
	if errors.Is(err, cluster.ErrUnsupported) {
		return // trimmed distributions do not have it
	}
	require.NoError(c, err)
	require.NotEmpty(c, id)
	var task cluster.Task
	c.eventually("reindex", func() (bool, error) {
		task, err = c.Cluster.Task(c.ctx, id)
		return task.Completed, err
	})
	require.Equal(c, cluster.Task{Completed: true, Total: 5, Done: 5}, task)
	c.ready(to)
	stats, err := c.Cluster.Stats(c.ctx, []string{to})
	require.NoError(c, err)
	require.Equal(c, int64(5), stats[to].Docs)
	_, err = c.Cluster.Task(c.ctx, "nobody:1")
	require.Error(c, err)
}
