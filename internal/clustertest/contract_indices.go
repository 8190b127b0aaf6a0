package clustertest

import (
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

func (c contract) testIndices() {
	open := c.create("b-open", Setup{Aliases: []string{c.name("z"), c.name("y")}})
	closed := c.create("a-closed", Setup{Closed: true, Aliases: []string{c.name("z")}})
	dotted := "." + c.name("dotted")
	c.CreateIndex(c.T, dotted, Setup{})

	list, err := c.Cluster.Indices(c.ctx)
	require.NoError(c, err)
	require.True(c, slices.IsSortedFunc(list, func(a, b *cluster.Index) int { return strings.Compare(a.Name, b.Name) }))
	require.Equal(c, []string{dotted, closed, open}, c.indices(), "complete and sorted")

	i := c.index(open)
	require.Equal(c, []string{c.name("y"), c.name("z")}, i.Aliases)
	require.True(c, i.HasAlias(c.name("z")))
	require.False(c, i.Closed)
	require.False(c, i.System)
	require.False(c, i.Hidden)
	require.Empty(c, i.DataStream)
	require.Empty(c, i.Lifecycle)
	require.NotEmpty(c, i.UUID)
	require.WithinDuration(c, time.Now(), i.Created, 5*time.Minute)
	require.Nil(c, i.Stats)
	require.Nil(c, i.Fields)
	require.Nil(c, i.WriteAliases)
	require.False(c, i.Assumed)

	require.True(c, c.index(closed).Closed)
	require.Equal(c, []string{c.name("z")}, c.index(closed).Aliases)
	require.True(c, c.index(dotted).System)
	require.Empty(c, c.index(dotted).Aliases)
}

func (c contract) testRecreated() {
	name := c.create("again", Setup{})
	before := c.index(name)
	require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: []string{name}}))
	require.Empty(c, c.indices())
	c.create("again", Setup{})
	require.NotEqual(c, before.UUID, c.index(name).UUID)
}

func (c contract) testWriteAliases() {
	alias, other := c.name("alias"), c.name("other")
	write := c.create("write", Setup{WriteAliases: []string{other, alias}})
	member := c.create("member", Setup{Aliases: []string{alias}})
	implicit := c.create("implicit", Setup{Aliases: []string{c.name("single")}})
	closed := c.create("closed", Setup{Closed: true, WriteAliases: []string{c.name("shut")}})
	aliases, err := c.Cluster.WriteAliases(c.ctx, []string{write, member, implicit, closed, c.name("gone")})
	require.NoError(c, err)
	both := []string{alias, other}
	require.Equal(c, cluster.SeenAliases{All: both, Write: both}, aliases[write])
	require.Equal(c, []string{c.name("shut")}, aliases[closed].Write)
	require.Equal(c, cluster.SeenAliases{All: []string{alias}}, aliases[member])
	require.Equal(c, cluster.SeenAliases{All: []string{c.name("single")}}, aliases[implicit])
	require.NotContains(c, aliases, c.name("gone"))
	require.Equal(c, []string{alias, other}, c.index(write).Aliases)
}

func (c contract) testStats() {
	full := c.create("full", Setup{Documents: 7})
	empty := c.create("empty", Setup{})
	closed := c.create("closed", Setup{Documents: 3, Closed: true})
	stats, err := c.Cluster.Stats(c.ctx, []string{full, closed, c.name("gone"), empty})
	require.NoError(c, err)
	require.Len(c, stats, 2, "closed and vanished ones are absent")
	require.Equal(c, int64(7), stats[full].Docs)
	require.Positive(c, stats[full].PrimaryBytes)
	require.GreaterOrEqual(c, stats[full].Bytes, stats[full].PrimaryBytes)
	require.Zero(c, stats[empty].Docs)
	for _, names := range [][]string{nil, {c.name("gone")}, {closed}} {
		stats, err := c.Cluster.Stats(c.ctx, names)
		require.NoError(c, err)
		require.Empty(c, stats)
	}
}

func (c contract) testFieldRange() {
	full := c.create("full", Setup{Documents: 5})
	empty := c.create("empty", Setup{})
	closed := c.create("closed", Setup{Documents: 1, Closed: true})
	r, err := c.Cluster.FieldRange(c.ctx, full, "@timestamp")
	require.NoError(c, err)
	require.Equal(c, cluster.FieldRange{Min: FirstDocument, Max: FirstDocument.Add(4 * time.Hour), Found: true}, r)
	r, err = c.Cluster.FieldRange(c.ctx, full, "nosuch")
	require.NoError(c, err)
	require.Equal(c, cluster.FieldRange{}, r)
	r, err = c.Cluster.FieldRange(c.ctx, empty, "@timestamp")
	require.NoError(c, err)
	require.Equal(c, cluster.FieldRange{}, r)
	_, err = c.Cluster.FieldRange(c.ctx, closed, "@timestamp")
	c.kind(err, cluster.ErrInvalid, "a closed index")
}

func (c contract) testHealth() {
	well := c.create("well", Setup{})
	lonely := c.create("lonely", Setup{Replicas: 9})
	c.ready(well)
	c.ready(lonely)
	health, err := c.Cluster.Health(c.ctx, []string{well, lonely, c.name("gone")})
	require.NoError(c, err)
	require.Len(c, health, 2, "vanished ones are absent")
	require.Equal(c, cluster.IndexHealth{Status: "green", Shards: 1, ActivePrimary: 1}, health[well])
	require.Equal(c, "yellow", health[lonely].Status)
	require.Equal(c, 1, health[lonely].Shards)
	require.Positive(c, health[lonely].Unassigned)
	health, err = c.Cluster.Health(c.ctx, nil)
	require.NoError(c, err)
	require.Empty(c, health)
}

func (c contract) testShardProblems() {
	well := c.create("well", Setup{})
	lonely := c.create("lonely", Setup{Replicas: 9})
	c.ready(well)
	c.ready(lonely)
	problems, err := c.Cluster.ShardProblems(c.ctx, []string{well, c.name("gone"), lonely, c.name("gone-too")})
	require.NoError(c, err)
	require.NotEmpty(c, problems, "a vanished index does not hide the others")
	for _, p := range problems {
		require.Equal(c, lonely, p.Index)
		require.False(c, p.Primary)
		require.Equal(c, "UNASSIGNED", p.State)
		require.Equal(c, "INDEX_CREATED", p.Reason)
	}
	for _, names := range [][]string{nil, {well}, {c.name("gone")}} {
		problems, err := c.Cluster.ShardProblems(c.ctx, names)
		require.NoError(c, err)
		require.Empty(c, problems)
	}
}

func (c contract) testExplain() {
	name := c.create("well", Setup{})
	c.ready(name)
	explained, err := c.Cluster.Explain(c.ctx, name, 0)
	require.NoError(c, err)
	require.Equal(c, cluster.Explanation{}, explained, "a shard that is allocated")
	require.False(c, explained.Lost())
	_, err = c.Cluster.Explain(c.ctx, c.name("gone"), 0)
	c.kind(err, cluster.ErrNoIndex, "a missing index")
}

func (c contract) testDeleteIndices() {
	alias := c.name("alias")
	a, b := c.create("a", Setup{}), c.create("b", Setup{Closed: true})
	kept := c.create("kept", Setup{Aliases: []string{alias}})
	remove := func(names ...string) error {
		return c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: names})
	}
	require.NoError(c, remove(a, c.name("gone"), b), "a deleted index is not an error, and the others are read")
	require.Equal(c, []string{kept}, c.indices())
	require.NoError(c, remove(a))
	_ = remove(alias) // refused or not, by server
	require.Equal(c, []string{kept}, c.indices(), "an alias is not taken for its index")
	for _, names := range [][]string{nil, {""}, {c.name("*")}, {kept + "," + kept}, {c.name("gone"), c.name("k*")}} {
		c.kind(remove(names...), cluster.ErrInvalid, strings.Join(names, " "))
		require.Equal(c, []string{kept}, c.indices())
	}
	require.NoError(c, remove(kept))
	require.Empty(c, c.indices())
}

func (c contract) testKnownSettings() {
	index := c.create("set", Setup{Closed: true})
	known, err := c.Cluster.KnownSettings(c.ctx, index)
	require.NoError(c, err)
	for _, k := range []string{
		"index.number_of_shards", "index.number_of_replicas", "index.auto_expand_replicas", "index.refresh_interval", "index.codec",
		"index.max_result_window", "index.translog.durability", "index.mapping.total_fields.limit", "index.routing.allocation.enable",
	} {
		require.True(c, known[k], k)
	}
	require.False(c, known["index.nosuch"])
	_, err = c.Cluster.KnownSettings(c.ctx, c.name("gone"))
	c.kind(err, cluster.ErrNoIndex, "of an index that does not exist")
}

func (c contract) testUpdateAliases() {
	one, two := c.create("one", Setup{Aliases: []string{c.name("old")}}), c.create("two", Setup{})
	old, added := c.name("old"), c.name("added")
	update := func(actions ...cluster.AliasAction) error {
		return c.Cluster.UpdateAliases(c.ctx, cluster.UpdateAliases{Actions: actions})
	}
	require.NoError(c, update(
		cluster.AliasAction{Index: one, Alias: old, Remove: true},
		cluster.AliasAction{Index: two, Alias: old},
		cluster.AliasAction{Index: one, Alias: added, Extra: map[string]any{"is_write_index": true}},
	))
	require.Equal(c, []string{added}, c.index(one).Aliases)
	require.Equal(c, []string{old}, c.index(two).Aliases)
	write, err := c.Cluster.WriteAliases(c.ctx, []string{one, two})
	require.NoError(c, err)
	require.Equal(c, []string{added}, write[one].Write)
	require.Equal(c, cluster.SeenAliases{All: []string{old}}, write[two])

	c.kind(update(
		cluster.AliasAction{Index: one, Alias: c.name("half")},
		cluster.AliasAction{Index: c.name("gone"), Alias: c.name("half")},
	), cluster.ErrNoIndex, "together or not at all")
	require.Equal(c, []string{added}, c.index(one).Aliases)
	c.kind(update(cluster.AliasAction{Index: one, Alias: two}), cluster.ErrInvalid, "an alias named like an index")
	c.kind(c.Cluster.CreateIndex(c.ctx, cluster.CreateIndex{Name: added}), cluster.ErrExists, "an index named like an alias")
}

func (c contract) testRollover() {
	write, read := c.name("write"), c.name("read")
	old := c.create("roll-000001", Setup{Documents: 2, WriteAliases: []string{write}})
	req := cluster.Rollover{
		Alias: write, Conditions: map[string]any{"max_docs": int64(3)},
		Settings: map[string]any{"index.refresh_interval": "9s"}, Aliases: map[string]any{read: map[string]any{}},
	}
	for _, ask := range []func(cluster.Rollover) (cluster.RolloverResult, error){
		func(r cluster.Rollover) (cluster.RolloverResult, error) { return c.Cluster.RolloverDue(c.ctx, r) },
		func(r cluster.Rollover) (cluster.RolloverResult, error) { return c.Cluster.Rollover(c.ctx, r) },
	} {
		due, err := ask(req)
		require.NoError(c, err)
		require.False(c, due.Due)
	}
	require.Equal(c, []string{old}, c.indices())
	req.Conditions["max_docs"] = int64(2)
	done, err := c.Cluster.Rollover(c.ctx, req)
	require.NoError(c, err)
	require.Equal(c, cluster.RolloverResult{OldIndex: old, NewIndex: c.name("roll-000002"), Due: true}, done)
	require.Equal(c, []string{read, write}, c.index(done.NewIndex).Aliases)
	require.Equal(c, []string{write}, c.index(old).Aliases)
	settings, err := c.Cluster.Settings(c.ctx, []string{done.NewIndex})
	require.NoError(c, err)
	require.Equal(c, "9s", settings[done.NewIndex]["index.refresh_interval"])
	_, err = c.Cluster.Rollover(c.ctx, cluster.Rollover{Alias: c.name("none"), Conditions: req.Conditions})
	require.Error(c, err, "an alias that is not there: each server has a type of its own for it")
}
