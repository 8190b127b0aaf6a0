package memory

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Memory is a cluster in memory. For esnap it behaves like a server of its version. It is
// safe for concurrent use, and it records all calls. Set the exported fields before its
// first use.
type Memory struct {
	// Fault, if set, is called before every method, with the name of the method
	// and what it is about: indices, aliases, a repository, a snapshot or several; a
	// snapshot that is read follows its repository. An error keeps the method from
	// being carried out and becomes its answer; a kind such as cluster.ErrLost
	// becomes a *cluster.Error of that kind. ErrHang blocks until the context ends.
	Fault func(method string, names []string) error
	// FaultAfter is the same after the method was carried out: its effect is there,
	// its answer is the error.
	FaultAfter func(method string, names []string) error

	// SnapshotPolls is how many calls of Snapshot or Running see a new snapshot in
	// progress; 0 ends it at once and -1 never.
	SnapshotPolls int
	// RestorePolls is how many calls of Health or Running see a new restore going on.
	RestorePolls int
	// DeletePolls, if not 0, makes DeleteSnapshots outlast its request: it returns
	// cluster.ErrLost, and this many calls of Running see the running deletion.
	DeletePolls int

	// HidesEmpty makes SnapshotUUIDs leave out snapshots without an index, as the short
	// listing of Elasticsearch 6 does.
	HidesEmpty bool

	// SnapshotEnds, if set, may change what a snapshot ends as; see EndPartial and
	// EndFailed. It must not call the Memory.
	SnapshotEnds func(s *cluster.Snapshot)
	// RestoreEnds, if set, returns why a restored index's primaries cannot be started, or
	// nothing. It must not call the Memory.
	RestoreEnds func(index string) (reason string)
	// Renames, if set, returns the new name of a restored index, for patterns that the
	// package rename does not accept.
	Renames func(pattern, replacement, name string) (string, error)

	// Decisions are the server's decisions about shards of broken indices, by index; left
	// out, no_valid_shard_copy.
	Decisions map[string]string

	// NodeRoles are the roles of nodes of Space, by name; left out, data and master.
	NodeRoles map[string][]string
	// ShrinkEnds, if set, returns why a shrunk index cannot be started, or nothing.
	ShrinkEnds func(target string) (reason string)
	// NoStats are indices whose shards do not answer when they are counted.
	NoStats map[string]bool
	// ReindexEnds, if set, may change what a reindex task ends as.
	ReindexEnds func(t *cluster.Task)

	// Space is what Capacity answers, but for Shards, which are added to it.
	Space cluster.Capacity

	// Integrities are the answers of Integrity by repository; without one it is not supported.
	Integrities map[string]cluster.Integrity

	// Hides is what Sight returns. The listings do not change.
	Hides cluster.Sight

	mu           sync.Mutex
	server       cluster.Server
	clock        func() time.Time
	serial       int
	indices      map[string]*index
	repositories map[string]cluster.Repository
	stores       map[string]map[string]*snapshot // by where the repository is, then by name
	operations   []*operation
	tasks        map[string]cluster.Task
	documents    map[string]map[string]cluster.Document // by index and id
	calls        []Call
}

var _ cluster.Cluster = (*Memory)(nil)

// index is an index with additional fields.
type index struct {
	cluster.Index
	restoring bool
	broken    string // why no primary is started
}

// snapshot is a snapshot with the indices as they were.
type snapshot struct {
	cluster.Snapshot
	held map[string]cluster.Index
}

// operation is something that runs. Each poll takes one from left; the one that
// finds nothing left ends it.
type operation struct {
	cluster.Operation
	left int
	end  func()
}

// Option is a choice for New.
type Option func(*Memory)

// Elasticsearch makes it an Elasticsearch of this version. Without a choice it is
// 8.19.7.
func Elasticsearch(version string) Option {
	return func(m *Memory) {
		m.server.OpenSearch, m.server.Text, m.server.Version = false, version, cluster.ParseVersion(version)
	}
}

// OpenSearch makes it an OpenSearch of this version.
func OpenSearch(version string) Option {
	return func(m *Memory) {
		m.server.OpenSearch, m.server.Text, m.server.Version = true, version, cluster.ParseVersion(version)
	}
}

// At makes its clock stand still. Without it the clock is the machine's.
func At(now time.Time) Option { return func(m *Memory) { m.clock = func() time.Time { return now } } }

// New makes an empty cluster of one node with plenty of space.
func New(options ...Option) *Memory {
	m := &Memory{
		Space: cluster.Capacity{
			Nodes:         []cluster.Disk{{Node: "n1", Total: 100 << 30, Free: 60 << 30}},
			HighWatermark: "90%", WatermarkOn: true, ShardLimit: 1000,
		},
		server:       cluster.Server{Name: "memory", UUID: "memory-cluster-uuid"},
		clock:        time.Now,
		indices:      map[string]*index{},
		repositories: map[string]cluster.Repository{},
		stores:       map[string]map[string]*snapshot{},
		tasks:        map[string]cluster.Task{},
		documents:    map[string]map[string]cluster.Document{},
	}
	Elasticsearch("8.19.7")(m)
	for _, o := range options {
		o(m)
	}
	if !m.since(7) {
		m.Space.ShardLimit = 0
	}
	return m
}

// Clone is another cluster in the same state, with the same hooks. No operation may be
// running.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{
		Fault: m.Fault, FaultAfter: m.FaultAfter, SnapshotPolls: m.SnapshotPolls, RestorePolls: m.RestorePolls, DeletePolls: m.DeletePolls,
		HidesEmpty: m.HidesEmpty, SnapshotEnds: m.SnapshotEnds, RestoreEnds: m.RestoreEnds, Renames: m.Renames, NodeRoles: m.NodeRoles,
		ShrinkEnds: m.ShrinkEnds, NoStats: m.NoStats, ReindexEnds: m.ReindexEnds, Space: m.Space,
		server: m.server, clock: m.clock, serial: m.serial, indices: make(map[string]*index, len(m.indices)),
		repositories: maps.Clone(m.repositories), stores: make(map[string]map[string]*snapshot, len(m.stores)), tasks: maps.Clone(m.tasks),
	}
	for name, i := range m.indices {
		copied := *i
		c.indices[name] = &copied
	}
	for place, store := range m.stores {
		c.stores[place] = maps.Clone(store)
	}
	return c
}

// since reports whether its version is this major version of Elasticsearch or later.
func (m *Memory) since(major int) bool { return m.server.OpenSearch || m.server.Version[0] >= major }

// SetClock makes the clock stand still at another time.
func (m *Memory) SetClock(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock = func() time.Time { return now }
}

// Advance moves the clock on.
func (m *Memory) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.clock
	m.clock = func() time.Time { return before().Add(d) }
}

func (m *Memory) now() time.Time { return m.clock().UTC().Truncate(time.Millisecond) }

// AddIndex puts in an index or replaces one. Fields that are left out get a value:
// a new UUID, created now, one primary, ten documents in ten thousand bytes. Stats,
// Fields and WriteAliases are what asking for them answers; WriteAliases are also
// Aliases.
func (m *Memory) AddIndex(i cluster.Index) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.indices[i.Name] = &index{Index: m.completed(i)}
}

// AddIndices puts in indices that have nothing but a name.
func (m *Memory) AddIndices(names ...string) {
	for _, n := range names {
		m.AddIndex(cluster.Index{Name: n})
	}
}

func (m *Memory) completed(i cluster.Index) cluster.Index {
	if i.UUID == "" {
		i.UUID = m.uuid()
	}
	if i.Created.IsZero() {
		i.Created = m.now()
	}
	if i.Primaries == 0 {
		i.Primaries = 1
	}
	if i.Stats == nil {
		i.Stats = &cluster.IndexStats{Docs: 10, Bytes: 10_000, PrimaryBytes: 10_000}
	}
	i.System = i.System || cluster.IsDotted(i.Name)
	i.Aliases = slices.Compact(slices.Sorted(slices.Values(slices.Concat(i.Aliases, i.WriteAliases))))
	return i
}

func (m *Memory) uuid() string {
	m.serial++
	return fmt.Sprintf("uuid-%017d", m.serial)
}

// SetAlias gives an index an alias, as the explicit write index or without that.
func (m *Memory) SetAlias(name, alias string, write bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.indices[name].setAlias(alias, write)
}

// CloseIndex closes an index.
func (m *Memory) CloseIndex(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.indices[name].Closed = true
}

// BreakIndex takes an index's primaries away for this reason.
func (m *Memory) BreakIndex(name, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.indices[name].broken = reason
}

// AddRepository registers a repository. Left out, the type is fs and the location
// the repository's name. Repositories of one location show the same snapshots.
func (m *Memory) AddRepository(r cluster.Repository) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addRepository(r)
}

func (m *Memory) addRepository(r cluster.Repository) {
	if r.Type == "" {
		r.Type = "fs"
	}
	r.Settings = maps.Clone(r.Settings)
	if r.Settings == nil {
		r.Settings = map[string]string{}
	}
	if r.Type == "fs" && r.Settings["location"] == "" {
		r.Settings["location"] = r.Name
	}
	m.repositories[r.Name] = r
	if m.stores[place(r)] == nil {
		m.stores[place(r)] = map[string]*snapshot{}
	}
}

// place is where a repository's snapshots are.
func place(r cluster.Repository) string {
	s := r.Settings
	return fmt.Sprint(r.Type, s["location"], s["bucket"], s["container"], s["base_path"], s["url"], s["uri"], s["path"])
}

// AddSnapshot puts in a snapshot or replaces one, and registers the repository if
// it is not. Fields that are left out get a value: a new UUID, SUCCESS, started and
// ended now, one shard per index. The indices in it are those of s.Indices; each is
// as described by held, or as the cluster has it, or as AddIndex would complete it.
func (m *Memory) AddSnapshot(repository string, s cluster.Snapshot, held ...cluster.Index) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.repositories[repository]; !ok {
		m.addRepository(cluster.Repository{Name: repository})
	}
	s.Repository, s.HasContents = repository, true
	s.Indices = slices.Sorted(slices.Values(s.Indices))
	if s.UUID == "" {
		s.UUID = m.uuid()
	}
	if s.State == "" {
		s.State = cluster.Success
	}
	if s.Start.IsZero() {
		s.Start = m.now()
	}
	if s.End.IsZero() && s.State != cluster.InProgress {
		s.End = s.Start
	}
	if s.Version == "" {
		s.Version = m.server.Text
	}
	if s.Shards == (cluster.ShardCount{}) && s.State != cluster.InProgress {
		s.Shards = cluster.ShardCount{Total: len(s.Indices), Failed: len(s.Failures), Successful: len(s.Indices) - len(s.Failures)}
	}
	in := &snapshot{Snapshot: s, held: map[string]cluster.Index{}}
	for _, n := range s.Indices {
		if i := m.indices[n]; i != nil {
			in.held[n] = i.Index
		} else {
			in.held[n] = m.completed(cluster.Index{Name: n})
		}
	}
	for _, i := range held {
		in.held[i.Name] = m.completed(i)
	}
	m.stores[place(m.repositories[repository])][s.Name] = in
}

// AddOperation adds a foreign operation that ends after this many polls; -1: it runs until
// Finish. A snapshot that AddSnapshot added as IN_PROGRESS ends with its operation.
func (m *Memory) AddOperation(o cluster.Operation, polls int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := func() {}
	if s := m.stores[place(m.repositories[o.Repository])][o.Snapshot]; s != nil && o.Kind == cluster.OpSnapshot {
		end = func() { m.end(s) }
	}
	m.operations = append(m.operations, &operation{o, polls, end})
}

// Finish ends everything that runs.
func (m *Memory) Finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.operations {
		o.end()
	}
	m.operations = nil
}

// EndPartial makes snapshots that hold one of these indices end PARTIAL, without
// its first shard.
func EndPartial(indices ...string) func(*cluster.Snapshot) {
	return func(s *cluster.Snapshot) {
		for _, n := range indices {
			if s.Holds(n) {
				s.State = cluster.Partial
				s.Shards.Failed++
				s.Shards.Successful--
				s.Failures = append(s.Failures, cluster.ShardFailure{Index: n, Reason: "primary shard is not allocated"})
			}
		}
	}
}

// EndFailed makes snapshots end FAILED for this reason.
func EndFailed(reason string) func(*cluster.Snapshot) {
	return func(s *cluster.Snapshot) {
		s.State, s.Reason = cluster.Failed, reason
		s.Shards.Failed, s.Shards.Successful = s.Shards.Total, 0
	}
}

// start runs an operation that ends after this many polls, or at once for 0.
func (m *Memory) start(o cluster.Operation, polls int, end func()) {
	if polls == 0 {
		end()
		return
	}
	o.Started = m.now()
	m.operations = append(m.operations, &operation{o, polls, end})
}

// poll counts one poll of every matching operation, and ends those that have had enough.
func (m *Memory) poll(meant func(*operation) bool) {
	m.operations = slices.DeleteFunc(m.operations, func(o *operation) bool {
		switch {
		case !meant(o):
			return false
		case o.left == 0:
			o.end()
			return true
		case o.left > 0:
			o.left--
		}
		return false
	})
}

// runs reports whether a matching operation of this kind is running.
func (m *Memory) runs(kind cluster.OperationKind, fits func(*operation) bool) bool {
	return slices.ContainsFunc(m.operations, func(o *operation) bool { return o.Kind == kind && fits(o) })
}

func anyOf(*operation) bool { return true }
