package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/esnap/esnap/internal/cluster"
)

// Nodes implements cluster.ServerReader: those of Space, which hold data and can be
// the master unless NodeRoles says otherwise.
func (m *Memory) Nodes(ctx context.Context) (list []cluster.Node, err error) {
	err = m.do(ctx, read("Nodes", "read the nodes' disks"), func() error {
		for _, d := range m.Space.Nodes {
			n := cluster.Node{Name: d.Node, Free: d.Free, Roles: m.NodeRoles[d.Node]}
			if n.Roles == nil {
				n.Roles = []string{"data", "master"}
			}
			list = append(list, n)
		}
		cluster.Sort(list, func(a, b cluster.Node) int { return cmp.Compare(a.Name, b.Name) })
		return nil
	})
	return list, err
}

// Shards implements cluster.IndexReader. Primaries are on the node that an index
// requires by name, or on the first; replicas on the next ones.
func (m *Memory) Shards(ctx context.Context, names []string) (list []cluster.ShardCopy, err error) {
	err = m.do(ctx, read("Shards", "read shard states", names...), func() error {
		m.open(names, func(i *index) {
			at := slices.IndexFunc(m.Space.Nodes, func(d cluster.Disk) bool {
				return d.Node == i.Index.Settings["index.routing.allocation.require._name"]
			})
			for shard := range i.Primaries {
				for n := range 1 + i.Replicas {
					s := cluster.ShardCopy{Index: i.Name, Shard: shard, Primary: n == 0, State: "UNASSIGNED"}
					if n < len(m.Space.Nodes) && (n > 0 || i.broken == "") {
						s.State, s.Node = "STARTED", m.Space.Nodes[(max(at, 0)+n)%len(m.Space.Nodes)].Node
					}
					list = append(list, s)
				}
			}
		})
		return nil
	})
	return list, err
}

// AliasBodies implements cluster.IndexReader; of what an alias can say it knows
// is_write_index.
func (m *Memory) AliasBodies(ctx context.Context, name string) (map[string]map[string]any, error) {
	out := map[string]map[string]any{}
	c := read("AliasBodies", "read aliases of index "+name, name)
	err := m.do(ctx, c, func() error {
		i := m.indices[name]
		if i == nil {
			return c.noIndex(name)
		}
		for _, a := range i.Aliases {
			out[a] = map[string]any{}
			if slices.Contains(i.WriteAliases, a) {
				out[a]["is_write_index"] = true
			}
		}
		return nil
	})
	return out, err
}

// ShrinkIndex implements cluster.Writer. ShrinkEnds, if set, may keep the target
// from starting.
func (m *Memory) ShrinkIndex(ctx context.Context, r cluster.ShrinkIndex) error {
	c := write("ShrinkIndex", "shrink index "+r.Source+" to "+r.Target, r, r.Source, r.Target)
	return m.do(ctx, c, func() error {
		source := m.indices[r.Source]
		if err := c.concrete([]string{r.Source, r.Target}); err != nil {
			return err
		}
		switch {
		case source == nil:
			return c.noIndex(r.Source)
		case m.indices[r.Target] != nil:
			return c.fail(cluster.ErrExists, 400, "resource_already_exists_exception", "index ["+r.Target+"] already exists")
		case source.Index.Settings["index.blocks.write"] != "true":
			return c.fail(cluster.ErrServer, 500, "illegal_state_exception",
				"index "+r.Source+" must be read-only to resize index. use \"index.blocks.write=true\"")
		}
		target := cluster.Index{
			Name:      r.Target,
			Primaries: 1,
			Replicas:  source.Replicas,
			Stats:     source.Stats,
			Settings:  maps.Clone(source.Index.Settings),
		}
		for k, v := range (cluster.PutIndexSettings{Settings: r.Settings}).Flat() {
			target.Settings[k] = v
			if v == "" {
				delete(target.Settings, k)
			}
		}
		if n, err := strconv.Atoi(target.Settings["index.number_of_shards"]); err == nil {
			target.Primaries = n
		}
		if n, err := strconv.Atoi(target.Settings["index.number_of_replicas"]); err == nil {
			target.Replicas = n
		}
		target.Settings["index.resize.source.uuid"] = source.UUID
		target.Aliases = slices.Collect(maps.Keys(r.Aliases))
		made := &index{Index: m.completed(target)}
		if m.ShrinkEnds != nil {
			made.broken = m.ShrinkEnds(r.Target)
		}
		if made.broken == "" && m.since(8) && !m.server.OpenSearch {
			delete(made.Index.Settings, "index.resize.source.uuid") // the target is complete
		}
		m.indices[r.Target] = made
		return nil
	})
}

// Reindex implements cluster.Writer: the target holds the documents of all its
// sources, at once. ReindexEnds, if set, returns how the task ends.
func (m *Memory) Reindex(ctx context.Context, r cluster.Reindex) (task string, err error) {
	c := write("Reindex", "reindex into "+r.Dest, r, append(slices.Clone(r.Sources), r.Dest)...)
	err = m.do(ctx, c, func() error {
		docs := int64(0)
		source, _ := r.Body["source"].(map[string]any)
		if source["remote"] == nil {
			for _, n := range r.Sources {
				if m.indices[n] == nil {
					return c.noIndex(n)
				}
				docs += m.indices[n].Index.Stats.Docs
			}
		}
		t := cluster.Task{Completed: true, Total: docs, Done: docs}
		if m.ReindexEnds != nil {
			m.ReindexEnds(&t)
		}
		if t.Done > 0 && m.indices[r.Dest] == nil {
			m.indices[r.Dest] = &index{
				Index: m.completed(cluster.Index{Name: r.Dest, Stats: &cluster.IndexStats{Docs: t.Done, Bytes: t.Done, PrimaryBytes: t.Done}}),
			}
		}
		m.serial++
		task = "node:" + strconv.Itoa(m.serial)
		m.tasks[task] = t
		return nil
	})
	return task, err
}

// Task implements cluster.ServerReader.
func (m *Memory) Task(ctx context.Context, id string) (t cluster.Task, err error) {
	c := read("Task", "ask for task "+id, id)
	err = m.do(ctx, c, func() error {
		known := false
		if t, known = m.tasks[id]; !known {
			return c.fail(cluster.ErrServer, 404, "resource_not_found_exception", "task ["+id+"] isn't running and hasn't stored its results")
		}
		return nil
	})
	return t, err
}

// MountSnapshot implements cluster.Writer, for Elasticsearch 7.12 and later.
func (m *Memory) MountSnapshot(ctx context.Context, r cluster.MountSnapshot) error {
	c := write("MountSnapshot", "mount index "+r.Index, r, r.Repository, r.Snapshot, r.Index, r.Target)
	return m.do(ctx, c, func() error {
		if m.server.OpenSearch || m.server.Version.Less(cluster.Version{7, 12, 0}) {
			return &cluster.Error{Op: c.op, Kind: cluster.ErrUnsupported, Status: 405}
		}
		s := m.stores[place(m.repositories[r.Repository])][r.Snapshot]
		switch {
		case s == nil:
			return c.noSnapshot(r.Repository, r.Snapshot)
		case m.indices[r.Target] != nil:
			return c.fail(cluster.ErrExists, 400, "resource_already_exists_exception", "index ["+r.Target+"] already exists")
		}
		held, there := s.held[r.Index]
		if !there {
			return c.noIndex(r.Index)
		}
		settings := map[string]string{
			"index.store.type": "snapshot", "index.store.snapshot.partial": "true", "index.store.snapshot.repository_name": r.Repository,
			"index.store.snapshot.snapshot_name": r.Snapshot, "index.store.snapshot.index_name": r.Index,
		}
		maps.Copy(settings, (cluster.PutIndexSettings{Settings: r.Settings}).Flat())
		m.indices[r.Target] = &index{
			Index: m.completed(cluster.Index{Name: r.Target, Primaries: held.Primaries, Stats: held.Stats, Settings: settings}),
		}
		return nil
	})
}
