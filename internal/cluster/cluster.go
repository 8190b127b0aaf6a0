package cluster

import (
	"context"
	"time"
)

// Cluster is all that esnap needs of a cluster.
type Cluster interface {
	Reader
	Writer
}

// Reader is every call that changes nothing. Implementations retry reads within
// their deadline and never return half a listing.
type Reader interface {
	ServerReader
	IndexReader
	SnapshotReader
	RepositoryReader
	DocumentReader
	Batcher
}

// ServerReader asks about the cluster as a whole.
type ServerReader interface {
	// Server says what answers. It never fails because a server hides its
	// version; then the version is zero.
	Server(ctx context.Context) (Server, error)
	// Clock reads the cluster's clock.
	Clock(ctx context.Context) (time.Time, error)
	// OnMaster says whether the node that answers is the elected master.
	OnMaster(ctx context.Context) (bool, error)
	// Running lists the snapshots, snapshot deletions and restores that run now. See Sight.
	Running(ctx context.Context) ([]Operation, error)
	// Sight is what the listings that were read so far may lack.
	Sight() Sight
	// ClusterHealth is the state of the cluster as a whole, when its master has done
	// what it had to do, or ErrUnavailable.
	ClusterHealth(ctx context.Context) (Health, error)
	// Capacity says what the data nodes can take.
	Capacity(ctx context.Context) (Capacity, error)
	// Nodes lists all nodes, sorted by name.
	Nodes(ctx context.Context) ([]Node, error)
	// Tasks lists the tasks that run now and whose action the wildcard pattern matches.
	Tasks(ctx context.Context, action string) ([]RunningTask, error)
	// Task says how far a task has come. The server forgets one whose node is
	// restarted, or that has ended long ago.
	Task(ctx context.Context, id string) (Task, error)
}

// IndexReader lists indices and asks about them.
type IndexReader interface {
	// Indices lists every index, open, closed, hidden and system ones alike,
	// sorted by name. See Sight.
	Indices(ctx context.Context) ([]*Index, error)
	// IndicesNamed reads the named indices again, sorted by name; vanished ones are
	// absent from the result.
	IndicesNamed(ctx context.Context, names []string) ([]*Index, error)
	// Stats asks every shard of the named open indices; closed and vanished ones
	// are absent from the result.
	Stats(ctx context.Context, names []string) (map[string]IndexStats, error)
	// Settings reads the settings of the named indices, closed ones too, as flat
	// names and text; vanished ones are absent.
	Settings(ctx context.Context, names []string) (map[string]map[string]string, error)
	// KnownSettings are the full names of the index settings that the server knows, as it
	// lists them for one index: those that are set, and those with a default.
	KnownSettings(ctx context.Context, index string) (map[string]bool, error)
	// Segments counts the segments of the named open indices: those that they consist of,
	// also where searches still use older ones.
	Segments(ctx context.Context, names []string) (map[string]Segments, error)
	// RolloverDue asks the server for a dry run of a rollover.
	RolloverDue(ctx context.Context, r Rollover) (RolloverResult, error)
	// FieldRange asks one index for the least and greatest value of a date field.
	FieldRange(ctx context.Context, index, field string) (FieldRange, error)
	// WriteAliases lists the aliases of each of the named indices that the user may see.
	WriteAliases(ctx context.Context, names []string) (map[string]SeenAliases, error)
	// AliasBodies are the aliases of an index with their filter, routing and
	// is_write_index, in the form in which UpdateAliases takes them as Extra.
	AliasBodies(ctx context.Context, index string) (map[string]map[string]any, error)
	// Shards lists every shard copy of the named indices; vanished ones are absent.
	Shards(ctx context.Context, names []string) ([]ShardCopy, error)
	// Health is the allocation of the named indices; vanished ones are absent.
	Health(ctx context.Context, names []string) (map[string]IndexHealth, error)
	// ShardProblems lists the shard copies of the named indices that are not
	// started.
	ShardProblems(ctx context.Context, names []string) ([]ShardProblem, error)
	// Explain says why a primary shard is not allocated; ErrNoIndex. The zero value is
	// that of a shard that is.
	Explain(ctx context.Context, index string, shard int) (Explanation, error)
}

// SnapshotReader lists snapshots and asks about them.
type SnapshotReader interface {
	// Snapshots lists a repository, oldest first. The indices of each are read
	// only when contents is true. ErrNoRepository if it is not registered.
	Snapshots(ctx context.Context, repository string, contents bool) ([]*Snapshot, error)
	// Snapshot reads one snapshot with its contents. ErrNoSnapshot, ErrNoRepository.
	Snapshot(ctx context.Context, repository, name string) (*Snapshot, error)
	// SnapshotsNamed reads the named snapshots again, without their contents;
	// vanished ones are absent from the result.
	SnapshotsNamed(ctx context.Context, repository string, names []string) ([]*Snapshot, error)
	// SnapshotUUIDs lists only the names, with their uuids, the cheapest way there is.
	SnapshotUUIDs(ctx context.Context, repository string) (map[string]string, error)
	// SnapshotProgress says how far a running snapshot has come.
	SnapshotProgress(ctx context.Context, repository, name string) (Progress, error)
	// SnapshotSizes says how many bytes each index takes in a finished snapshot.
	// It reads the repository shard by shard: seconds for a large snapshot.
	SnapshotSizes(ctx context.Context, repository, name string) (map[string]int64, error)
	// RestoreProgress says how far the restore of the named indices has come.
	RestoreProgress(ctx context.Context, names []string) (Progress, error)
}

// RepositoryReader lists repositories.
type RepositoryReader interface {
	// Repositories lists all, sorted by name.
	Repositories(ctx context.Context) ([]Repository, error)
	// Repository reads one; ErrNoRepository if it is not registered.
	Repository(ctx context.Context, name string) (Repository, error)
	// Integrity has the server look whether every file that the snapshots of a repository
	// need is there, with its length; not its contents. It changes nothing, and takes
	// minutes to hours. ErrUnsupported where the server cannot.
	Integrity(ctx context.Context, name string) (Integrity, error)
}

// Batcher splits names so that each batch goes into one request that every
// server accepts.
type Batcher interface {
	// IndexBatches splits for DeleteIndices.
	IndexBatches(names []string) [][]string
	// SnapshotBatches splits for DeleteSnapshots: batches of one where the server
	// deletes one at a time.
	SnapshotBatches(ctx context.Context, repository string, names []string) ([][]string, error)
}

// Writer is every call that changes the cluster. None is repeated by an
// implementation unless the server reported that it did nothing. ErrLost means that
// the caller has to look.
type Writer interface {
	RepositoryWriter
	SnapshotWriter
	IndexWriter
	SettingsWriter
	DocumentWriter
}

// RepositoryWriter registers repositories and looks after them.
type RepositoryWriter interface {
	// RegisterRepository creates or replaces a repository. A failed verification
	// leaves it registered.
	RegisterRepository(ctx context.Context, r RegisterRepository) error
	// VerifyRepository has every node write to the repository and returns their
	// names.
	VerifyRepository(ctx context.Context, r VerifyRepository) ([]string, error)
	// CleanupRepository deletes files of a repository that no snapshot uses, which a
	// killed deletion left. ErrUnsupported where the server cannot.
	CleanupRepository(ctx context.Context, r CleanupRepository) (CleanupResult, error)
	// UnregisterRepository takes a repository out of the cluster; its snapshots
	// stay where they are.
	UnregisterRepository(ctx context.Context, r UnregisterRepository) error
}

// SnapshotWriter takes, deletes, restores and mounts snapshots.
type SnapshotWriter interface {
	// CreateSnapshot starts a snapshot and returns once it is accepted.
	CreateSnapshot(ctx context.Context, r CreateSnapshot) error
	// DeleteSnapshots deletes one batch and returns when the server is done.
	DeleteSnapshots(ctx context.Context, r DeleteSnapshots) error
	// RestoreSnapshot starts a restore and returns once it is accepted.
	RestoreSnapshot(ctx context.Context, r RestoreSnapshot) error
	// MountSnapshot makes a searchable snapshot; ErrUnsupported where the server
	// cannot.
	MountSnapshot(ctx context.Context, r MountSnapshot) error
}

// IndexWriter changes indices, their aliases and settings.
type IndexWriter interface {
	// DeleteIndices deletes one batch of existing indices, by name.
	DeleteIndices(ctx context.Context, r DeleteIndices) error
	// PutIndexSettings changes settings of one batch of indices.
	PutIndexSettings(ctx context.Context, r PutIndexSettings) error
	// OpenIndices opens or closes one batch of indices.
	OpenIndices(ctx context.Context, r OpenIndices) error
	// FlushIndices writes one batch of indices to disk.
	FlushIndices(ctx context.Context, r FlushIndices) error
	// FreezeIndices freezes or thaws one batch of indices; ErrUnsupported where the
	// server cannot.
	FreezeIndices(ctx context.Context, r FreezeIndices) error
	// ForcemergeIndex merges one index and returns when it is done.
	ForcemergeIndex(ctx context.Context, r ForcemergeIndex) error
	// CreateIndex makes an index; ErrExists if it is there.
	CreateIndex(ctx context.Context, r CreateIndex) error
	// Rollover rolls an alias over if the conditions are met.
	Rollover(ctx context.Context, r Rollover) (RolloverResult, error)
	// ShrinkIndex makes an index with fewer primaries out of another one. ErrExists
	// if the target is there.
	ShrinkIndex(ctx context.Context, r ShrinkIndex) error
	// Reindex starts to copy documents and returns the task that does it.
	Reindex(ctx context.Context, r Reindex) (task string, err error)
	// UpdateAliases adds and removes aliases in one step.
	UpdateAliases(ctx context.Context, r UpdateAliases) error
}

// SettingsWriter changes settings of the cluster as a whole.
type SettingsWriter interface {
	// PutClusterSettings changes transient settings of the cluster.
	PutClusterSettings(ctx context.Context, r PutClusterSettings) error
}

// DocumentWriter writes documents of esnap's own.
type DocumentWriter interface {
	// PutDocument writes a document of esnap's own and returns its version.
	PutDocument(ctx context.Context, r PutDocument) (DocumentVersion, error)
	// DeleteDocument deletes a document of esnap's own.
	DeleteDocument(ctx context.Context, r DeleteDocument) error
}
