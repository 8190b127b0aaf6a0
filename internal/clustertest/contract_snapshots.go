package clustertest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/rename"
)

func (c contract) testRepositories() {
	late := c.fs("b")
	late.Settings["compress"] = true
	late.Settings["max_snapshot_bytes_per_sec"] = "40mb"
	late.Settings["max_restore_bytes_per_sec"] = nil
	require.NoError(c, c.Cluster.RegisterRepository(c.ctx, late))
	early := c.register("a")

	r, err := c.Cluster.Repository(c.ctx, late.Name)
	require.NoError(c, err)
	require.Equal(c, late.Name, r.Name)
	require.Equal(c, "fs", r.Type)
	require.Equal(c, map[string]string{
		"location": c.Location(late.Name), "compress": "true", "max_snapshot_bytes_per_sec": "40mb",
	}, r.Settings, "as text, without nulls")
	require.False(c, r.ReadOnly())

	list, err := c.Cluster.Repositories(c.ctx)
	require.NoError(c, err)
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	require.True(c, slices.IsSorted(names), names)
	require.Subset(c, names, []string{early, late.Name})
	require.Equal(c, r, list[slices.Index(names, late.Name)])

	nodes, err := c.Cluster.VerifyRepository(c.ctx, cluster.VerifyRepository{Name: early})
	require.NoError(c, err)
	require.NotEmpty(c, nodes)
	require.NotContains(c, nodes, "")

	late.Settings = map[string]any{"location": c.Location(late.Name), "readonly": "true"}
	require.NoError(c, c.Cluster.RegisterRepository(c.ctx, late), "registering again replaces it")
	r, err = c.Cluster.Repository(c.ctx, late.Name)
	require.NoError(c, err)
	require.Equal(c, map[string]string{"location": c.Location(late.Name), "readonly": "true"}, r.Settings)
	require.True(c, r.ReadOnly())
}

// testCleanup: a server that can clean up a repository says what it deleted.
func (c contract) testCleanup() {
	name := c.register("clean")
	server, err := c.Cluster.Server(c.ctx)
	require.NoError(c, err)
	result, err := c.Cluster.CleanupRepository(c.ctx, cluster.CleanupRepository{Name: name})
	if !server.CleansUp() {
		require.ErrorIs(c, err, cluster.ErrUnsupported)
		return
	}
	require.NoError(c, err)
	require.Zero(c, result.Bytes)
	_, err = c.Cluster.CleanupRepository(c.ctx, cluster.CleanupRepository{Name: c.name("nowhere")})
	require.ErrorIs(c, err, cluster.ErrNoRepository)
}

func (c contract) testRepositoriesRefused() {
	for _, r := range []cluster.RegisterRepository{
		{Name: c.name("no-location"), Type: "fs", Verify: true},
		{Name: c.name("no-type"), Type: "nosuch", Verify: true, Settings: map[string]any{"location": c.Location("x")}},
	} {
		c.kind(c.Cluster.RegisterRepository(c.ctx, r), cluster.ErrRepository, r.Name)
		_, err := c.Cluster.Repository(c.ctx, r.Name)
		c.kind(err, cluster.ErrNoRepository, r.Name)
	}
}

func (c contract) testUnregister() {
	r := c.fs("r")
	require.NoError(c, c.Cluster.RegisterRepository(c.ctx, r))
	c.snapshot(r.Name, "s", c.create("i", Setup{Documents: 1}))
	require.NoError(c, c.Cluster.UnregisterRepository(c.ctx, cluster.UnregisterRepository{Name: r.Name}))
	_, err := c.Cluster.Snapshots(c.ctx, r.Name, false)
	c.kind(err, cluster.ErrNoRepository, "after it was unregistered")
	require.NoError(c, c.Cluster.RegisterRepository(c.ctx, r))
	require.Equal(c, []string{c.name("s")}, c.names(r.Name), "its snapshots stayed where they are")
}

func (c contract) testSnapshot() {
	repository := c.register("r")
	b, a := c.create("b", Setup{Documents: 3}), c.create("a", Setup{Documents: 9})
	dotted := "." + c.name("dotted")
	c.CreateIndex(c.T, dotted, Setup{Documents: 1})
	c.create("not-in-it", Setup{})

	s := c.snapshot(repository, "s", b, dotted, a)
	require.Equal(c, cluster.Success, s.State)
	require.True(c, s.Good(), s.WhyNotGood())
	require.Equal(c, repository, s.Repository)
	require.Equal(c, c.name("s"), s.Name)
	require.NotEmpty(c, s.UUID)
	require.NotEmpty(c, s.Version)
	require.True(c, s.HasContents)
	require.Equal(c, []string{dotted, a, b}, s.Indices, "exactly what was named, sorted")
	require.Empty(c, s.DataStreams)
	require.Equal(c, cluster.ShardCount{Total: 3, Successful: 3}, s.Shards)
	require.Empty(c, s.Failures)
	require.Empty(c, s.Reason)
	require.Empty(c, s.Policy)
	require.False(c, s.GlobalState)
	require.WithinDuration(c, time.Now(), s.Start, 5*time.Minute)
	require.False(c, s.End.Before(s.Start))

	uuids, err := c.Cluster.SnapshotUUIDs(c.ctx, repository)
	require.NoError(c, err)
	require.Equal(c, map[string]string{s.Name: s.UUID}, uuids)

	p, err := c.Cluster.SnapshotProgress(c.ctx, repository, s.Name)
	require.NoError(c, err)
	require.Equal(c, "SUCCESS", p.State)
	require.Equal(c, 3, p.ShardsTotal)
	require.Equal(c, 3, p.ShardsDone)
	require.Zero(c, p.ShardsFailed)
	require.Empty(c, p.Node)

	sizes, err := c.Cluster.SnapshotSizes(c.ctx, repository, s.Name)
	require.NoError(c, err)
	require.Len(c, sizes, 3)
	for _, n := range s.Indices {
		require.Positive(c, sizes[n], n)
	}

	c.idle()
	require.NoError(c, c.Cluster.CreateSnapshot(c.ctx, cluster.CreateSnapshot{
		Repository: repository, Name: c.name("global"), Indices: []string{a}, GlobalState: true,
	}))
	require.True(c, c.ended(repository, "global").GlobalState)
}

func (c contract) testSnapshotMetadata() {
	server, err := c.Cluster.Server(c.ctx)
	require.NoError(c, err)
	repository := c.register("r")
	index := c.create("i", Setup{Documents: 1})
	long := strings.Repeat("größer ", 200)
	origin := cluster.Origin{Cluster: server.UUID, Version: "1.2.3", Run: strings.Repeat("0a", 16), Host: long, Description: long}
	err = c.Cluster.CreateSnapshot(c.ctx, cluster.CreateSnapshot{
		Repository: repository, Name: c.name("s"), Indices: []string{index}, Metadata: origin.Metadata(),
	})
	require.NoError(c, err)
	s := c.ended(repository, "s")
	if !server.HasSnapshotMetadata() {
		require.Empty(c, s.Cluster, "it is ignored")
		require.Nil(c, s.Origin)
		return
	}
	require.Equal(c, server.UUID, s.Cluster)
	require.NotNil(c, s.Origin)
	require.Equal(c, []string{"1.2.3", origin.Run}, []string{s.Origin.Version, s.Origin.Run})
	require.Regexp(c, `^größer .*…$`, s.Origin.Description)
	require.Regexp(c, `^größer .*…$`, s.Origin.Host)
	list, err := c.Cluster.Snapshots(c.ctx, repository, true)
	require.NoError(c, err)
	require.Equal(c, server.UUID, list[0].Cluster)
	require.Nil(c, list[0].Origin, "a listing reads the cluster only")
}

func (c contract) testSnapshotRefused() {
	repository := c.register("r")
	index := c.create("i", Setup{Documents: 1})
	c.snapshot(repository, "s", index)
	create := func(name string) error {
		return c.Cluster.CreateSnapshot(c.ctx, cluster.CreateSnapshot{Repository: repository, Name: name, Indices: []string{index}})
	}
	c.kind(create(c.name("s")), cluster.ErrExists, "a second of the same name")
	for _, name := range []string{c.name("UPPER"), "_" + c.name("s"), c.name("a b"), c.name("a,b"), c.name("a*")} {
		c.kind(create(name), cluster.ErrInvalid, name)
	}
	require.Equal(c, []string{c.name("s")}, c.names(repository))
}

func (c contract) testSnapshotMissing() {
	repository := c.register("r")
	index := c.create("i", Setup{Documents: 1})
	r := cluster.CreateSnapshot{Repository: repository, Name: c.name("s"), Indices: []string{index, c.name("gone")}}
	c.kind(c.Cluster.CreateSnapshot(c.ctx, r), cluster.ErrNoIndex, "an index that is not there")
	require.Empty(c, c.names(repository))
	r.IgnoreUnavailable = true
	require.NoError(c, c.Cluster.CreateSnapshot(c.ctx, r))
	s := c.ended(repository, "s")
	require.True(c, s.Good(), s.WhyNotGood())
	require.Equal(c, []string{index}, s.Indices)
}

func (c contract) testReadOnly() {
	r := c.fs("r")
	require.NoError(c, c.Cluster.RegisterRepository(c.ctx, r))
	index := c.create("i", Setup{Documents: 1})
	c.snapshot(r.Name, "s", index)
	r.Settings["readonly"] = true
	require.NoError(c, c.Cluster.RegisterRepository(c.ctx, r))
	require.Equal(c, []string{c.name("s")}, c.names(r.Name))
	err := c.Cluster.CreateSnapshot(c.ctx, cluster.CreateSnapshot{Repository: r.Name, Name: c.name("t"), Indices: []string{index}})
	c.kind(err, cluster.ErrReadOnly, "create")
	err = c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: r.Name, Names: []string{c.name("s")}})
	c.kind(err, cluster.ErrReadOnly, "delete")
	require.Equal(c, []string{c.name("s")}, c.names(r.Name))
}

func (c contract) testSnapshotListings() {
	repository := c.register("r")
	list, err := c.Cluster.Snapshots(c.ctx, repository, true)
	require.NoError(c, err)
	require.Empty(c, list)
	require.Empty(c, c.names(repository))

	a, b := c.create("a", Setup{Documents: 1}), c.create("b", Setup{Documents: 1})
	want := []string{c.name("z"), c.name("m"), c.name("a")} // taken in this order
	c.snapshot(repository, "z", a)
	c.snapshot(repository, "m", b, a)
	c.snapshot(repository, "a", b)
	list, err = c.Cluster.Snapshots(c.ctx, repository, true)
	require.NoError(c, err)
	require.True(c, slices.IsSortedFunc(list, func(a, b *cluster.Snapshot) int { return a.Start.Compare(b.Start) }), "oldest first")
	require.ElementsMatch(c, want, cluster.Names(list))
	require.ElementsMatch(c, want, c.names(repository))
	held := map[string][]string{}
	for _, s := range list {
		held[s.Name] = s.Indices
		require.True(c, s.HasContents)
		one, err := c.Cluster.Snapshot(c.ctx, repository, s.Name)
		require.NoError(c, err)
		require.Equal(c, one, s, "a listing says what reading one says")
	}
	require.Equal(c, map[string][]string{want[0]: {a}, want[1]: {a, b}, want[2]: {b}}, held)

	short, err := c.Cluster.Snapshots(c.ctx, repository, false)
	require.NoError(c, err)
	require.Equal(c, cluster.Names(list), cluster.Names(short))
	for n, s := range short {
		full := *list[n]
		full.HasContents, full.Indices, full.DataStreams = false, nil, nil
		require.Equal(c, &full, s)
	}
}

func (c contract) testDeleteSnapshots() {
	repository := c.register("r")
	index := c.create("i", Setup{Documents: 1})
	var names []string
	for n := range 4 {
		names = append(names, c.snapshot(repository, fmt.Sprintf("s%d", n), index).Name)
	}
	remove := func(names ...string) error {
		c.idle()
		return c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: repository, Names: names})
	}
	c.kind(remove(names[0], c.name("gone"), names[1]), cluster.ErrNoSnapshot, "one that is gone keeps all")
	require.ElementsMatch(c, names, c.names(repository))
	batches, err := c.Cluster.SnapshotBatches(c.ctx, repository, names[:3])
	require.NoError(c, err)
	require.Equal(c, names[:3], slices.Concat(batches...))
	for _, batch := range batches {
		require.NoError(c, remove(batch...))
	}
	require.Equal(c, names[3:], c.names(repository))
	c.kind(remove(names[0]), cluster.ErrNoSnapshot, "deleted already")
}

// testDeletePattern verifies that only named snapshots are deleted: a list without a name
// would be the address of the repository itself.
func (c contract) testDeletePattern() {
	repository := c.register("r")
	s := c.snapshot(repository, "s", c.create("i", Setup{Documents: 1}))
	for _, names := range [][]string{nil, {""}, {"*"}, {"_all"}, {c.name("*")}, {s.Name, c.name("x*")}, {s.Name + ",*"}} {
		err := c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: repository, Names: names})
		c.kind(err, cluster.ErrInvalid, fmt.Sprint(names))
		require.Equal(c, []string{s.Name}, c.names(repository))
	}
	for _, name := range []string{"", "_all", c.name("*"), repository + "," + repository} {
		c.kind(c.Cluster.UnregisterRepository(c.ctx, cluster.UnregisterRepository{Name: name}), cluster.ErrInvalid, name)
		c.kind(c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: name, Names: []string{s.Name}}), cluster.ErrInvalid, name)
		require.Equal(c, []string{s.Name}, c.names(repository))
	}
}

func (c contract) testRestore() {
	repository := c.register("r")
	alias := c.name("alias")
	a, b := c.create("a", Setup{Documents: 4, Aliases: []string{alias}}), c.create("b", Setup{Documents: 2})
	s := c.snapshot(repository, "s", a, b)
	original := c.index(a)
	require.NoError(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
		Repository: repository, Name: s.Name, Indices: []string{a}, RenamePattern: "(.+)", RenameReplacement: "$1-back",
	}))
	c.ready(a + "-back")
	c.idle()
	require.Equal(c, []string{a, a + "-back", b}, c.indices(), "only what was named")
	back := c.index(a + "-back")
	require.NotEqual(c, original.UUID, back.UUID)
	require.Equal(c, original.Created, back.Created, "a restored index is as old as the one in the snapshot")
	require.Empty(c, back.Aliases)
	require.False(c, back.Closed)
	c.eventually("restored documents", func() (bool, error) {
		stats, err := c.Cluster.Stats(c.ctx, []string{back.Name})
		return stats[back.Name].Docs == 4, err
	})
	p, err := c.Cluster.RestoreProgress(c.ctx, []string{back.Name})
	require.NoError(c, err)
	require.Equal(c, 1, p.ShardsTotal)
	require.Equal(c, 1, p.ShardsDone)

	require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: []string{b}}))
	require.NoError(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
		Repository: repository, Name: s.Name, Indices: []string{b, c.name("gone")}, IgnoreUnavailable: true,
		IndexSettings: map[string]any{"index.number_of_replicas": 9},
	}))
	c.ready(b)
	c.idle()
	health, err := c.Cluster.Health(c.ctx, []string{b})
	require.NoError(c, err)
	require.Equal(c, "yellow", health[b].Status, "index settings are applied")
}

func (c contract) testRestoreRefused() {
	repository := c.register("r")
	alias := c.name("alias")
	a, b := c.create("a", Setup{Documents: 1, Aliases: []string{alias}}), c.create("b", Setup{Documents: 1})
	s := c.snapshot(repository, "s", a, b)
	before := c.index(a)
	for _, test := range []struct {
		what, replacement string
		want              error
	}{
		{"onto an open index", "$1", cluster.ErrExists},
		{"onto an alias", alias, cluster.ErrExists},
		{"to a bad name", c.name("UPPER"), cluster.ErrInvalid},
	} {
		err := c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
			Repository: repository, Name: s.Name, Indices: []string{a}, RenamePattern: "(.+)", RenameReplacement: test.replacement,
		})
		c.kind(err, test.want, test.what)
	}
	require.Error(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
		Repository: repository, Name: s.Name, Indices: []string{a, b}, RenamePattern: "(.+)", RenameReplacement: c.name("same"),
	}), "two to one name")
	require.Equal(c, []string{a, b}, c.indices())
	require.Equal(c, before.UUID, c.index(a).UUID)
}

// testRenames verifies that the names are those that the package rename computes.
func (c contract) testRenames() {
	repository := c.register("r")
	index := c.create("a1-b22", Setup{})
	s := c.snapshot(repository, "s", index)
	prefix, replacement := rename.Prefix(c.name("$1$"))
	exact, target := rename.Exactly(index, c.name("a$b"))
	for _, rule := range [][2]string{
		{prefix, replacement}, {exact, target}, {`(\d)-(b)\d+$`, `$12$2_\$$0`}, {`$`, `-x`},
		{`x*$`, `-$0e`}, {`(.)$|[|]`, `$1$01`}, {`[^\w.-]|[2&]{1,2}?$`, `\$`}, {`(?:(c)|2)+?$`, `_$0`},
	} {
		r, err := rename.Compile(rule[0], rule[1])
		require.NoError(c, err)
		name, err := r.Apply(index)
		require.NoError(c, err)
		require.NotEqual(c, index, name)
		require.NoError(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
			Repository: repository, Name: s.Name, Indices: []string{index}, RenamePattern: rule[0], RenameReplacement: rule[1],
		}), rule)
		c.ready(name)
		c.idle()
		require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: []string{name}}), rule)
		require.Equal(c, []string{index}, c.indices(), "%q", rule)
	}
}

func (c contract) testRestoreClosed() {
	repository := c.register("r")
	c.create("i", Setup{Documents: 5})
	s := c.snapshot(repository, "s", c.name("i"))
	require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: s.Indices}))
	alias, write := c.name("alias"), c.name("write")
	name := c.create("i", Setup{Documents: 1, Closed: true, Aliases: []string{alias}, WriteAliases: []string{write}})
	before := c.index(name)
	require.NoError(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{Repository: repository, Name: s.Name, Indices: s.Indices}))
	c.idle()
	c.ready(name)
	require.False(c, c.index(name).Closed)
	require.Equal(c, before.UUID, c.index(name).UUID, "it is the same index with other contents")
	require.Equal(c, []string{alias, write}, c.index(name).Aliases, "which keeps its aliases")
	c.eventually("restored documents", func() (bool, error) {
		stats, err := c.Cluster.Stats(c.ctx, []string{name})
		return stats[name].Docs == 5, err
	})
}

func (c contract) testRestoreAliases() {
	repository := c.register("r")
	alias, write := c.name("alias"), c.name("write")
	name := c.create("i", Setup{Documents: 1, Aliases: []string{alias}, WriteAliases: []string{write}})
	s := c.snapshot(repository, "s", name)
	require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: s.Indices}))
	require.NoError(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
		Repository: repository, Name: s.Name, Indices: s.Indices, IncludeAliases: true,
	}))
	c.ready(name)
	c.idle()
	require.Equal(c, []string{alias, write}, c.index(name).Aliases)
	aliases, err := c.Cluster.WriteAliases(c.ctx, []string{name})
	require.NoError(c, err)
	require.Equal(c, []string{write}, aliases[name].Write)
}

// testRestoreIgnored: a restore may leave out settings by a pattern. What it sets itself stays, also
// if the pattern matches it.
func (c contract) testRestoreIgnored() {
	repository := c.register("r")
	name, copied := c.create("i", Setup{Documents: 3}), c.name("copy")
	const placement, block = "index.routing.allocation.require.esnap_test", "index.blocks.metadata"
	put := func(key string, value any) {
		require.NoError(c, c.Cluster.PutIndexSettings(c.ctx, cluster.PutIndexSettings{
			Names: []string{name}, Settings: map[string]any{key: value},
		}))
	}
	put(placement, "none")
	put(block, true)
	defer put(block, false)
	s := c.snapshot(repository, "s", name)
	c.kind(c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: []string{name}}), cluster.ErrForbidden, "a blocked index")
	pattern, replacement := rename.Exactly(name, copied)
	require.NoError(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
		Repository: repository, Name: s.Name, Indices: s.Indices, RenamePattern: pattern, RenameReplacement: replacement,
		IndexSettings:       map[string]any{cluster.SettingDrill: "run@1"},
		IgnoreIndexSettings: []string{"index.blocks.*", "index.routing.allocation.*"},
	}))
	c.ready(copied)
	c.idle()
	settings, err := c.Cluster.Settings(c.ctx, []string{copied})
	require.NoError(c, err)
	require.NotContains(c, settings[copied], placement)
	require.NotContains(c, settings[copied], block)
	require.Equal(c, "run@1", c.index(copied).Drill)
	require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: []string{copied}}))
	require.Equal(c, []string{name}, c.indices())
}
