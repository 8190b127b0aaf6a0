package memory

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// Snapshots implements cluster.SnapshotReader.
func (m *Memory) Snapshots(ctx context.Context, repository string, contents bool) (list []*cluster.Snapshot, err error) {
	c := read("Snapshots", "list the snapshots of repository "+repository, repository)
	err = m.do(ctx, c, func() error {
		all, err := m.snapshots(c, repository)
		for _, s := range all {
			list = append(list, m.listed(s, repository, contents))
		}
		return err
	})
	slices.SortFunc(list, func(a, b *cluster.Snapshot) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Name, b.Name)) })
	return list, err
}

// shown is a copy for the outside.
func (m *Memory) shown(s *snapshot, repository string, contents bool) *cluster.Snapshot {
	out := s.Snapshot
	out.Repository, out.HasContents = repository, contents
	out.Failures, out.Indices, out.DataStreams = slices.Clone(s.Failures), slices.Clone(s.Indices), slices.Clone(s.DataStreams)
	if !contents {
		out.Indices, out.DataStreams = nil, nil
	}
	out.Compare(m.server.UUID)
	return &out
}

// listed is the same in a listing, which does not show all metadata.
func (m *Memory) listed(s *snapshot, repository string, contents bool) *cluster.Snapshot {
	out := m.shown(s, repository, contents)
	out.Origin = nil
	return out
}

// SnapshotsNamed implements cluster.SnapshotReader.
func (m *Memory) SnapshotsNamed(ctx context.Context, repository string, names []string) (list []*cluster.Snapshot, err error) {
	c := read("SnapshotsNamed", "read snapshots of repository "+repository, append([]string{repository}, names...)...)
	err = m.do(ctx, c, func() error {
		all, err := m.snapshots(c, repository)
		for _, n := range names {
			if s := all[n]; s != nil {
				list = append(list, m.listed(s, repository, false))
			}
		}
		return err
	})
	return list, err
}

// SnapshotUUIDs implements cluster.SnapshotReader.
func (m *Memory) SnapshotUUIDs(ctx context.Context, repository string) (uuids map[string]string, err error) {
	c := read("SnapshotUUIDs", "list the snapshots of repository "+repository, repository)
	err = m.do(ctx, c, func() error {
		all, err := m.snapshots(c, repository)
		if err != nil {
			return err
		}
		uuids = make(map[string]string, len(all))
		for name, s := range all {
			if m.HidesEmpty && len(s.Indices) == 0 {
				continue
			}
			uuids[name] = s.UUID
		}
		return nil
	})
	return uuids, err
}

// find is one snapshot of a repository.
func (m *Memory) find(c call, repository, name string) (*snapshot, error) {
	all, err := m.snapshots(c, repository)
	if err != nil {
		return nil, err
	}
	if s := all[name]; s != nil {
		return s, nil
	}
	return nil, c.noSnapshot(repository, name)
}

// Snapshot implements cluster.SnapshotReader.
func (m *Memory) Snapshot(ctx context.Context, repository, name string) (found *cluster.Snapshot, err error) {
	c := read("Snapshot", "read snapshot "+repository+"/"+name, repository, name)
	err = m.do(ctx, c, func() error {
		m.poll(func(o *operation) bool { return o.isSnapshot(repository, name) })
		s, err := m.find(c, repository, name)
		if err == nil {
			found = m.shown(s, repository, true)
		}
		return err
	})
	return found, err
}

func (o *operation) isSnapshot(repository, name string) bool {
	return o.Kind == cluster.OpSnapshot && o.Repository == repository && o.Snapshot == name
}

// SnapshotProgress implements cluster.SnapshotReader. The progress grows with the
// polls that have been.
func (m *Memory) SnapshotProgress(ctx context.Context, repository, name string) (p cluster.Progress, err error) {
	c := read("SnapshotProgress", "read the progress of snapshot "+repository+"/"+name, repository, name)
	err = m.do(ctx, c, func() error {
		s, err := m.find(c, repository, name)
		if err != nil {
			return err
		}
		for _, i := range s.held {
			p.ShardsTotal += i.Primaries
			p.BytesTotal += i.Stats.PrimaryBytes
		}
		p.State, p.ShardsFailed = string(s.State), s.Shards.Failed
		p.ShardsDone, p.BytesDone = p.ShardsTotal-p.ShardsFailed, p.BytesTotal
		for _, o := range m.operations {
			if o.isSnapshot(repository, name) {
				done := m.SnapshotPolls - o.left
				p.State, p.Node = "STARTED", m.Space.Nodes[0].Node
				p.ShardsDone = p.ShardsTotal * done / (m.SnapshotPolls + 2)
				p.BytesDone = p.BytesTotal * int64(done) / int64(m.SnapshotPolls+2)
			}
		}
		return nil
	})
	return p, err
}

// SnapshotSizes implements cluster.SnapshotReader.
func (m *Memory) SnapshotSizes(ctx context.Context, repository, name string) (map[string]int64, error) {
	c := read("SnapshotSizes", "read the sizes in snapshot "+repository+"/"+name, repository, name)
	sizes := map[string]int64{}
	err := m.do(ctx, c, func() error {
		s, err := m.find(c, repository, name)
		if err == nil {
			for n, i := range s.held {
				sizes[n] = i.Stats.PrimaryBytes
			}
		}
		return err
	})
	return sizes, err
}

// CreateSnapshot implements cluster.Writer.
func (m *Memory) CreateSnapshot(ctx context.Context, r cluster.CreateSnapshot) error {
	c := write("CreateSnapshot", "create snapshot "+r.Repository+"/"+r.Name, r, r.Name)
	return m.do(ctx, c, func() error {
		all, err := m.snapshots(c, r.Repository)
		if err != nil {
			return err
		}
		if m.repositories[r.Repository].ReadOnly() {
			return c.fail(cluster.ErrReadOnly, 500, "repository_exception", "["+r.Repository+"] cannot create snapshot in a readonly repository")
		}
		if why := badName(r.Name, "_"); why != "" {
			return c.fail(cluster.ErrInvalid, 400, "invalid_snapshot_name_exception", "Invalid snapshot name ["+r.Name+"], "+why)
		}
		if !m.server.Concurrent() && (m.runs(cluster.OpSnapshot, anyOf) || m.runs(cluster.OpDelete, anyOf)) {
			return c.busy("a snapshot is already running")
		}
		if all[r.Name] != nil {
			return c.fail(cluster.ErrExists, 400, "invalid_snapshot_name_exception",
				"Invalid snapshot name ["+r.Name+"], snapshot with the same name already exists")
		}
		s, err := m.begin(c, r)
		if err != nil {
			return err
		}
		all[r.Name] = s
		m.start(cluster.Operation{Kind: cluster.OpSnapshot, Repository: r.Repository, Snapshot: r.Name, Indices: s.Indices},
			m.SnapshotPolls, func() { m.end(s) })
		return nil
	})
}

// begin makes a new snapshot in progress of the indices it asks for.
func (m *Memory) begin(c call, r cluster.CreateSnapshot) (*snapshot, error) {
	names, err := c.resolve(r.Indices, slices.Sorted(maps.Keys(m.indices)), r.IgnoreUnavailable)
	if err != nil {
		return nil, err
	}
	s := &snapshot{held: map[string]cluster.Index{}, Snapshot: cluster.Snapshot{
		Repository: r.Repository, Name: r.Name, UUID: m.uuid(), State: cluster.InProgress, Start: m.now(),
		Version: m.server.Text, GlobalState: r.GlobalState, Indices: names, DataStreams: r.Streams, HasContents: true,
	}}
	if own := r.Metadata[cluster.MetadataKey]; own != nil && m.server.HasSnapshotMetadata() {
		var origin cluster.Origin
		text, err := json.Marshal(own)
		if err == nil {
			err = json.Unmarshal(text, &origin)
		}
		if err != nil {
			return nil, err
		}
		s.SetOrigin(origin)
	}
	for _, n := range names {
		i := m.indices[n]
		if i.Closed && !m.since(7) {
			return nil, c.fail(cluster.ErrInvalid, 403, "cluster_block_exception", "blocked by: [FORBIDDEN/4/index closed];")
		}
		s.held[n] = i.Index
		if i.broken == "" {
			continue
		}
		if !r.Partial && m.since(7) {
			return nil, c.fail(cluster.ErrRepository, 500, "snapshot_exception", "Indices don't have primary shards ["+n+"]")
		}
		if !r.Partial {
			s.Reason = "Indices don't have primary shards [" + n + "]"
		}
		for shard := range i.Primaries {
			s.Failures = append(s.Failures, cluster.ShardFailure{Index: n, Shard: shard, Reason: "primary shard is not allocated"})
		}
	}
	return s, nil
}

// end gives a snapshot its result.
func (m *Memory) end(s *snapshot) {
	s.State, s.End = cluster.Success, m.now()
	for _, i := range s.held {
		s.Shards.Total += i.Primaries
	}
	s.Shards.Failed = len(s.Failures)
	s.Shards.Successful = s.Shards.Total - s.Shards.Failed
	switch {
	case s.Reason != "":
		EndFailed(s.Reason)(&s.Snapshot)
	case s.Shards.Failed > 0:
		s.State = cluster.Partial
	}
	if m.SnapshotEnds != nil {
		m.SnapshotEnds(&s.Snapshot)
	}
}

// resolve reads a list of names as a server does: none means all.
func (c call) resolve(asked, known []string, ignoreMissing bool) ([]string, error) {
	if len(asked) == 0 {
		asked = []string{"_all"}
	}
	names, missing := cluster.ExpandNames(asked, known)
	if len(missing) > 0 && !ignoreMissing {
		return nil, c.noIndex(missing[0])
	}
	return names, nil
}

// badName returns why a server refuses a name, or nothing.
func badName(name, badStart string) string {
	switch {
	case name == "":
		return "cannot be empty"
	case name != strings.ToLower(name):
		return "must be lowercase"
	case strings.Contains(badStart, name[:1]):
		return "must not start with '" + name[:1] + "'"
	case strings.ContainsAny(name, " \"*\\<>|,/?#"):
		return `must not contain the following characters [ , ", *, \, <, |, ,, >, /, ?]`
	case len(name) > 255:
		return "is too long"
	}
	return ""
}

// DeleteSnapshots implements cluster.Writer.
func (m *Memory) DeleteSnapshots(ctx context.Context, r cluster.DeleteSnapshots) error {
	c := write("DeleteSnapshots", describe("snapshot", "snapshots", r.Names), r, r.Names...)
	return m.do(ctx, c, func() error {
		if err := cmp.Or(c.concrete([]string{r.Repository}), c.concrete(r.Names)); err != nil {
			return err
		}
		all, err := m.snapshots(c, r.Repository)
		if err != nil {
			return err
		}
		if len(r.Names) > 1 && !m.server.DeletesMany() {
			return c.noSnapshot(r.Repository, strings.Join(r.Names, ","))
		}
		for _, n := range r.Names {
			if all[n] == nil {
				return c.noSnapshot(r.Repository, n)
			}
		}
		if m.repositories[r.Repository].ReadOnly() {
			return c.fail(cluster.ErrReadOnly, 500, "repository_exception", "["+r.Repository+"] cannot delete snapshot from a readonly repository")
		}
		named := func(o *operation) bool { return o.Repository == r.Repository && slices.Contains(r.Names, o.Snapshot) }
		old := !m.server.Concurrent()
		switch {
		case m.runs(cluster.OpRestore, func(o *operation) bool { return old || named(o) }):
			return c.busy("cannot delete snapshot during a restore")
		case old && m.runs(cluster.OpDelete, anyOf):
			return c.busy("cannot delete - another snapshot is currently being deleted")
		case old && m.runs(cluster.OpSnapshot, func(o *operation) bool { return !named(o) }):
			return c.busy("another snapshot is currently running cannot delete")
		}
		m.operations = slices.DeleteFunc(m.operations, func(o *operation) bool { return o.Kind == cluster.OpSnapshot && named(o) })
		gone := func() { maps.DeleteFunc(all, func(n string, _ *snapshot) bool { return slices.Contains(r.Names, n) }) }
		m.start(cluster.Operation{Kind: cluster.OpDelete, Repository: r.Repository, Snapshot: strings.Join(r.Names, ",")}, m.DeletePolls, gone)
		if m.DeletePolls != 0 {
			return &cluster.Error{Op: c.op, Kind: cluster.ErrLost, Text: "no answer in time"}
		}
		return nil
	})
}
