package clustertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// Fixture is a cluster to run the contract on, with what it takes to set things up.
type Fixture struct {
	Cluster cluster.Cluster
	// Prefix starts every name that a test gives: nobody else uses it.
	Prefix string
	// Location is where a repository of type fs may be.
	Location func(name string) string
	// CreateIndex makes an index in a way of its own.
	CreateIndex func(t *testing.T, name string, s Setup)
	// Pause waits between two looks at what the cluster does in its own time.
	Pause func(time.Duration)
}

// Setup is what an index of the contract is like: one primary, and documents whose
// @timestamp is FirstDocument and an hour later each.
type Setup struct {
	Documents    int
	Primaries    int // 0 is 1
	Replicas     int
	Closed       bool
	Aliases      []string
	WriteAliases []string // explicitly
}

// FirstDocument is the @timestamp of the first document of an index.
var FirstDocument = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// waitBudget is how long the contract waits for what a server does in its own time.
const waitBudget = 2 * time.Minute

// Contract tests what every implementation of cluster.Cluster promises. Every
// sub-test asks for a fixture of its own.
func Contract(t *testing.T, fixture func(t *testing.T) Fixture) {
	for _, test := range []struct {
		name string
		run  func(contract)
	}{
		{"server", contract.testServer},
		{"clock", contract.testClock},
		{"nothing runs", contract.testRunning},
		{"capacity", contract.testCapacity},
		{"ended context", contract.testEndedContext},
		{"missing things", contract.testMissing},
		{"indices", contract.testIndices},
		{"indices made again", contract.testRecreated},
		{"write aliases", contract.testWriteAliases},
		{"stats", contract.testStats},
		{"field range", contract.testFieldRange},
		{"health", contract.testHealth},
		{"shard problems", contract.testShardProblems},
		{"explain an allocation", contract.testExplain},
		{"delete indices", contract.testDeleteIndices},
		{"settings that are known", contract.testKnownSettings},
		{"update aliases", contract.testUpdateAliases},
		{"roll over", contract.testRollover},
		{"nodes and shards", contract.testShards},
		{"alias bodies", contract.testAliasBodies},
		{"shrink", contract.testShrink},
		{"reindex", contract.testReindex},
		{"repositories", contract.testRepositories},
		{"repositories refused", contract.testRepositoriesRefused},
		{"repositories cleaned up", contract.testCleanup},
		{"unregister keeps snapshots", contract.testUnregister},
		{"snapshot", contract.testSnapshot},
		{"snapshot metadata", contract.testSnapshotMetadata},
		{"snapshot refused", contract.testSnapshotRefused},
		{"snapshot of what is missing", contract.testSnapshotMissing},
		{"read-only repository", contract.testReadOnly},
		{"snapshot listings", contract.testSnapshotListings},
		{"delete snapshots", contract.testDeleteSnapshots},
		{"delete no pattern", contract.testDeletePattern},
		{"restore", contract.testRestore},
		{"restore refused", contract.testRestoreRefused},
		{"renames", contract.testRenames},
		{"restore over a closed index", contract.testRestoreClosed},
		{"restore with aliases", contract.testRestoreAliases},
		{"restore without some settings", contract.testRestoreIgnored},
		{"long names", contract.testLongNames},
		{"batches", contract.testBatches},
		{"documents", contract.testDocuments},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := contract{T: t, Fixture: fixture(t), ctx: t.Context()}
			t.Cleanup(c.cleanUp)
			test.run(c)
		})
	}
}

// contract is one running test with its helpers.
type contract struct {
	*testing.T
	Fixture
	ctx context.Context
}

// cleanUp removes what a test left in the cluster.
func (c contract) cleanUp() {
	ctx := context.WithoutCancel(c.ctx)
	ours := func(name string) bool { return strings.Contains(name, c.Prefix) }
	var names []string
	list, err := c.Cluster.Indices(ctx)
	require.NoError(c, err)
	for _, i := range list {
		if ours(i.Name) {
			names = append(names, i.Name)
		}
	}
	for _, batch := range c.Cluster.IndexBatches(names) {
		require.NoError(c, c.Cluster.DeleteIndices(ctx, cluster.DeleteIndices{Names: batch}))
	}
	repositories, err := c.Cluster.Repositories(ctx)
	require.NoError(c, err)
	for _, r := range repositories {
		if ours(r.Name) {
			require.NoError(c, c.Cluster.UnregisterRepository(ctx, cluster.UnregisterRepository{Name: r.Name}))
		}
	}
}

// name is a name that only this test uses.
func (c contract) name(n string) string { return c.Prefix + n }

// create makes an index and returns its name.
func (c contract) create(n string, s Setup) string {
	c.Helper()
	c.CreateIndex(c.T, c.name(n), s)
	return c.name(n)
}

// eventually calls done until it returns true.
func (c contract) eventually(what string, done func() (bool, error)) {
	c.Helper()
	deadline, waited := time.Now().Add(waitBudget), time.Duration(0)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		ok, err := done()
		require.NoError(c, err, what)
		if ok {
			return
		}
		require.True(c, time.Now().Before(deadline) && waited < waitBudget, "%s took more than %s", what, waitBudget)
		c.Pause(pause)
		waited += pause
	}
}

// idle waits until nothing runs: before 7.9 servers refuse a second operation.
func (c contract) idle() {
	c.Helper()
	c.eventually("waiting for what runs", func() (bool, error) {
		ops, err := c.Cluster.Running(c.ctx)
		return len(ops) == 0, err
	})
}

// register registers an fs repository in a folder of its own and returns its name.
func (c contract) register(n string) string {
	c.Helper()
	require.NoError(c, c.Cluster.RegisterRepository(c.ctx, c.fs(n)))
	return c.name(n)
}

func (c contract) fs(n string) cluster.RegisterRepository {
	folder := strings.Map(func(r rune) rune { // servers in containers may know no other letters in paths
		if r > 127 {
			return 'x'
		}
		return r
	}, c.name(n))
	return cluster.RegisterRepository{Name: c.name(n), Type: "fs", Verify: true, Settings: map[string]any{"location": c.Location(folder)}}
}

// snapshot takes a snapshot of some indices and waits until it has ended.
func (c contract) snapshot(repository, n string, indices ...string) *cluster.Snapshot {
	c.Helper()
	c.idle()
	require.NoError(c, c.Cluster.CreateSnapshot(c.ctx, cluster.CreateSnapshot{Repository: repository, Name: c.name(n), Indices: indices}))
	return c.ended(repository, n)
}

// ended waits for the end of a snapshot.
func (c contract) ended(repository, n string) (s *cluster.Snapshot) {
	c.Helper()
	c.eventually("snapshot "+n, func() (done bool, err error) {
		s, err = c.Cluster.Snapshot(c.ctx, repository, c.name(n))
		return err == nil && s.State != cluster.InProgress, err
	})
	c.idle()
	return s
}

// index finds an index in the listing.
func (c contract) index(name string) *cluster.Index {
	c.Helper()
	list, err := c.Cluster.Indices(c.ctx)
	require.NoError(c, err)
	for _, i := range list {
		if i.Name == name {
			return i
		}
	}
	require.Fail(c, "no index "+name)
	return nil
}

// indices lists the names of this test's indices.
func (c contract) indices() []string {
	c.Helper()
	list, err := c.Cluster.Indices(c.ctx)
	require.NoError(c, err)
	names := []string{}
	for _, i := range list {
		if strings.Contains(i.Name, c.Prefix) {
			names = append(names, i.Name)
		}
	}
	return names
}

// names lists the names of a repository's snapshots.
func (c contract) names(repository string) []string {
	c.Helper()
	names, err := cluster.SnapshotNames(c.ctx, c.Cluster, repository)
	require.NoError(c, err)
	return names
}

// ready waits until the primaries of an index are started.
func (c contract) ready(name string) {
	c.Helper()
	c.eventually("start of "+name, func() (bool, error) {
		health, err := c.Cluster.Health(c.ctx, []string{name})
		return health[name].Ready(), err
	})
}

// kind requires a *cluster.Error of one kind that names what was tried.
func (c contract) kind(err, kind error, what string) {
	c.Helper()
	require.ErrorIs(c, err, kind, what)
	var e *cluster.Error
	require.ErrorAs(c, err, &e, what)
	require.NotEmpty(c, e.Op, what)
	require.True(c, strings.HasPrefix(err.Error(), e.Op+": "), err.Error())
}

func (c contract) testServer() {
	s, err := c.Cluster.Server(c.ctx)
	require.NoError(c, err)
	require.NotEmpty(c, s.Text)
	require.Equal(c, cluster.ParseVersion(s.Text), s.Version)
	require.NotEmpty(c, s.Name)
	again, err := c.Cluster.Server(c.ctx)
	require.NoError(c, err)
	require.Equal(c, s, again)
}

func (c contract) testClock() {
	now, err := c.Cluster.Clock(c.ctx)
	require.NoError(c, err)
	require.WithinDuration(c, time.Now(), now, 5*time.Minute)
}

func (c contract) testRunning() {
	c.idle()
	ops, err := c.Cluster.Running(c.ctx)
	require.NoError(c, err)
	require.Empty(c, ops)
}

func (c contract) testCapacity() {
	c.create("one", Setup{})
	before, err := c.Cluster.Capacity(c.ctx)
	require.NoError(c, err)
	require.NotEmpty(c, before.Nodes)
	for _, n := range before.Nodes {
		require.NotEmpty(c, n.Node)
		require.Positive(c, n.Total)
		require.GreaterOrEqual(c, n.Free, int64(0))
		require.LessOrEqual(c, n.Free, n.Total)
	}
	require.NotEmpty(c, before.HighWatermark)
	server, err := c.Cluster.Server(c.ctx)
	require.NoError(c, err)
	limited := server.OpenSearch || !server.Version.Less(cluster.Version{7})
	require.Equal(c, limited, before.ShardLimit > 0, "servers have a limit from 7.0 on")
	c.create("two", Setup{Replicas: 2})
	after, err := c.Cluster.Capacity(c.ctx)
	require.NoError(c, err)
	require.Equal(c, before.Shards+3, after.Shards)
}

func (c contract) testEndedContext() {
	name := c.create("kept", Setup{})
	repository := c.register("r")
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	_, err := c.Cluster.Indices(ctx)
	require.ErrorIs(c, err, context.Canceled)
	_, err = c.Cluster.Snapshots(ctx, repository, false)
	require.ErrorIs(c, err, context.Canceled)
	require.ErrorIs(c, c.Cluster.DeleteIndices(ctx, cluster.DeleteIndices{Names: []string{name}}), context.Canceled)
	require.ErrorIs(c, c.Cluster.CreateSnapshot(ctx, cluster.CreateSnapshot{
		Repository: repository,
		Name:       c.name("s"),
		Indices:    []string{name},
	}), context.Canceled)
	require.Equal(c, []string{name}, c.indices())
	require.Empty(c, c.names(repository))
}

func (c contract) testMissing() {
	repository := c.register("r")
	there := c.create("there", Setup{Documents: 1})
	gone, no := c.name("gone"), c.name("no-repository")
	c.snapshot(repository, "s", there)
	for _, test := range []struct {
		what string
		want error
		call func() error
	}{
		{"Snapshots, repository", cluster.ErrNoRepository, func() error { _, err := c.Cluster.Snapshots(c.ctx, no, true); return err }},
		{
			"Snapshots without contents, repository",
			cluster.ErrNoRepository,
			func() error { _, err := c.Cluster.Snapshots(c.ctx, no, false); return err },
		},
		{
			"SnapshotUUIDs, repository",
			cluster.ErrNoRepository,
			func() error { _, err := cluster.SnapshotNames(c.ctx, c.Cluster, no); return err },
		},
		{"Snapshot, repository", cluster.ErrNoRepository, func() error { _, err := c.Cluster.Snapshot(c.ctx, no, gone); return err }},
		{"Snapshot", cluster.ErrNoSnapshot, func() error { _, err := c.Cluster.Snapshot(c.ctx, repository, gone); return err }},
		{
			"SnapshotProgress, repository",
			cluster.ErrNoRepository,
			func() error { _, err := c.Cluster.SnapshotProgress(c.ctx, no, gone); return err },
		},
		{"SnapshotProgress", cluster.ErrNoSnapshot, func() error { _, err := c.Cluster.SnapshotProgress(c.ctx, repository, gone); return err }},
		{"SnapshotSizes, repository", cluster.ErrNoRepository, func() error { _, err := c.Cluster.SnapshotSizes(c.ctx, no, gone); return err }},
		{"SnapshotSizes", cluster.ErrNoSnapshot, func() error { _, err := c.Cluster.SnapshotSizes(c.ctx, repository, gone); return err }},
		{"Repository", cluster.ErrNoRepository, func() error { _, err := c.Cluster.Repository(c.ctx, no); return err }},
		{"FieldRange", cluster.ErrNoIndex, func() error { _, err := c.Cluster.FieldRange(c.ctx, gone, "@timestamp"); return err }},
		{"VerifyRepository", cluster.ErrNoRepository, func() error {
			_, err := c.Cluster.VerifyRepository(c.ctx, cluster.VerifyRepository{Name: no})
			return err
		}},
		{"UnregisterRepository", cluster.ErrNoRepository, func() error {
			return c.Cluster.UnregisterRepository(c.ctx, cluster.UnregisterRepository{Name: no})
		}},
		{"CreateSnapshot, repository", cluster.ErrNoRepository, func() error {
			return c.Cluster.CreateSnapshot(c.ctx, cluster.CreateSnapshot{Repository: no, Name: gone, Indices: []string{there}})
		}},
		{"DeleteSnapshots, repository", cluster.ErrNoRepository, func() error {
			return c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: no, Names: []string{gone}})
		}},
		{"DeleteSnapshots", cluster.ErrNoSnapshot, func() error {
			return c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: repository, Names: []string{gone}})
		}},
		{"RestoreSnapshot, repository", cluster.ErrNoRepository, func() error {
			return c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{Repository: no, Name: gone, Indices: []string{there}})
		}},
		{"RestoreSnapshot", cluster.ErrNoSnapshot, func() error {
			return c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{Repository: repository, Name: gone, Indices: []string{there}})
		}},
		{"RestoreSnapshot, index", cluster.ErrNoIndex, func() error {
			return c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{Repository: repository, Name: c.name("s"), Indices: []string{gone}})
		}},
		{"UpdateAliases", cluster.ErrNoIndex, func() error {
			return c.Cluster.UpdateAliases(c.ctx, cluster.UpdateAliases{Actions: []cluster.AliasAction{{Index: gone, Alias: c.name("alias")}}})
		}},
	} {
		c.kind(test.call(), test.want, test.what)
	}
	require.Equal(c, []string{c.name("s")}, c.names(repository))
	require.Equal(c, []string{there}, c.indices())
}

// longName is 255 bytes of UTF-8, the longest an index's name may be.
func (c contract) longName(n int) string {
	name := c.name(fmt.Sprintf("%d-", n))
	for len(name) <= 255-len("日") {
		name += "日"
	}
	return name + strings.Repeat("x", 255-len(name))
}

func (c contract) testLongNames() {
	long, to := c.longName(0), c.longName(1)
	c.CreateIndex(c.T, long, Setup{Documents: 2})
	require.Len(c, long, 255)
	require.Equal(c, []string{long}, c.indices())
	stats, err := c.Cluster.Stats(c.ctx, []string{long})
	require.NoError(c, err)
	require.Equal(c, int64(2), stats[long].Docs)

	repository := c.register("日r")
	short := strings.TrimPrefix(long, c.Prefix)[:200] // servers make file names of a snapshot's
	short = strings.ToValidUTF8(short, "")
	s := c.snapshot(repository, short, long)
	require.True(c, s.Good(), s.WhyNotGood())
	require.Equal(c, []string{long}, s.Indices)
	require.Equal(c, []string{c.name(short)}, c.names(repository))
	require.NoError(c, c.Cluster.RestoreSnapshot(c.ctx, cluster.RestoreSnapshot{
		Repository: repository, Name: c.name(short), Indices: []string{long}, RenamePattern: "-0-", RenameReplacement: "-1-",
	}))
	c.ready(to)
	c.idle()
	require.NoError(c, c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: repository, Names: []string{c.name(short)}}))
	require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: []string{long, to}}))
	require.Empty(c, c.indices())
}

// testBatches sends every batch, with names that do not exist.
func (c contract) testBatches() {
	repository := c.register(strings.Repeat("r", 60))
	var names []string
	for n := range 40 {
		names = append(names, c.longName(n))
	}
	kept := c.create("kept", Setup{Documents: 3})
	names = append(names, kept)

	stats, err := c.Cluster.Stats(c.ctx, names)
	require.NoError(c, err)
	require.Len(c, stats, 1)
	health, err := c.Cluster.Health(c.ctx, names)
	require.NoError(c, err)
	require.Len(c, health, 1)
	_, err = c.Cluster.ShardProblems(c.ctx, names)
	require.NoError(c, err)

	var joined []string
	for _, batch := range c.Cluster.IndexBatches(names) {
		require.NotEmpty(c, batch)
		joined = append(joined, batch...)
		require.NoError(c, c.Cluster.DeleteIndices(c.ctx, cluster.DeleteIndices{Names: batch}))
	}
	require.Equal(c, names, joined)
	require.Empty(c, c.indices())
	require.Empty(c, c.Cluster.IndexBatches(nil))

	joined = nil
	batches, err := c.Cluster.SnapshotBatches(c.ctx, repository, names)
	require.NoError(c, err)
	server, err := c.Cluster.Server(c.ctx)
	require.NoError(c, err)
	for _, batch := range batches {
		require.NotEmpty(c, batch)
		if !server.DeletesMany() {
			require.Len(c, batch, 1)
		}
		joined = append(joined, batch...)
		err := c.Cluster.DeleteSnapshots(c.ctx, cluster.DeleteSnapshots{Repository: repository, Names: batch})
		c.kind(err, cluster.ErrNoSnapshot, "the whole batch reaches the server")
	}
	require.Equal(c, names, joined)
}
