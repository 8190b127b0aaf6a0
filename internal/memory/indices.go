package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// Indices implements cluster.IndexReader.
func (m *Memory) Indices(ctx context.Context) (list []*cluster.Index, err error) {
	err = m.do(ctx, read("Indices", "list indices"), func() error {
		for _, n := range slices.Sorted(maps.Keys(m.indices)) {
			list = append(list, m.indices[n].shown())
		}
		return nil
	})
	return list, err
}

// IndicesNamed implements cluster.IndexReader.
func (m *Memory) IndicesNamed(ctx context.Context, names []string) (list []*cluster.Index, err error) {
	err = m.do(ctx, read("IndicesNamed", "read indices", names...), func() error {
		for _, n := range slices.Sorted(slices.Values(names)) {
			if i := m.indices[n]; i != nil {
				list = append(list, i.shown())
			}
		}
		return nil
	})
	return list, err
}

// shown is a copy for the outside, with what a listing tells.
func (i *index) shown() *cluster.Index {
	out := i.Index
	out.Aliases = slices.Clone(i.Aliases)
	out.ReadSettings(i.Index.Settings)
	out.Stats, out.Fields, out.Settings, out.Segments, out.WriteAliases, out.Assumed = nil, nil, nil, nil, nil, false
	out.Primaries, out.Replicas = 0, 0 // internal/es does not ask for them
	return &out
}

// open gives the indices of these names that are there and open.
func (m *Memory) open(names []string, take func(*index)) {
	for _, n := range names {
		if i := m.indices[n]; i != nil && !i.Closed {
			take(i)
		}
	}
}

// Stats implements cluster.IndexReader.
func (m *Memory) Stats(ctx context.Context, names []string) (map[string]cluster.IndexStats, error) {
	out := map[string]cluster.IndexStats{}
	err := m.do(ctx, read("Stats", "read index statistics", names...), func() error {
		m.open(names, func(i *index) {
			if !m.NoStats[i.Name] {
				out[i.Name] = *i.Stats
			}
		})
		return nil
	})
	return out, err
}

// FieldRange implements cluster.IndexReader.
func (m *Memory) FieldRange(ctx context.Context, name, field string) (r cluster.FieldRange, err error) {
	c := read("FieldRange", "read the range of "+field+" in "+name, name)
	err = m.do(ctx, c, func() error {
		i := m.indices[name]
		switch {
		case i == nil:
			return c.noIndex(name)
		case i.Closed:
			return c.fail(cluster.ErrInvalid, 400, "index_closed_exception", "closed")
		}
		r = i.Fields[field]
		return nil
	})
	return r, err
}

// WriteAliases implements cluster.IndexReader.
func (m *Memory) WriteAliases(ctx context.Context, names []string) (map[string]cluster.SeenAliases, error) {
	out := map[string]cluster.SeenAliases{}
	err := m.do(ctx, read("WriteAliases", "list write aliases", names...), func() error {
		for _, n := range names {
			if i := m.indices[n]; i != nil && len(i.Aliases) > 0 {
				out[n] = cluster.SeenAliases{All: slices.Clone(i.Aliases), Write: slices.Sorted(slices.Values(i.WriteAliases))}
			}
		}
		return nil
	})
	return out, err
}

// Health implements cluster.IndexReader.
func (m *Memory) Health(ctx context.Context, names []string) (map[string]cluster.IndexHealth, error) {
	out := map[string]cluster.IndexHealth{}
	err := m.do(ctx, read("Health", "read index health", names...), func() error {
		m.poll(func(o *operation) bool {
			return o.Kind == cluster.OpRestore && slices.ContainsFunc(o.Indices, func(n string) bool { return slices.Contains(names, n) })
		})
		m.open(names, func(i *index) { out[i.Name] = m.health(i) })
		return nil
	})
	return out, err
}

func (m *Memory) health(i *index) cluster.IndexHealth {
	h := cluster.IndexHealth{Status: "green", Shards: i.Primaries, ActivePrimary: i.Primaries}
	switch lone := m.lone(i); {
	case i.restoring:
		h.Status, h.ActivePrimary, h.Initializing = "yellow", 0, i.Primaries
	case i.broken != "":
		h.Status, h.ActivePrimary, h.Unassigned = "red", 0, i.Primaries*(1+i.Replicas)
	case lone > 0:
		h.Status, h.Unassigned = "yellow", i.Primaries*lone
	}
	return h
}

// lone is how many replicas of each shard have no node to be on.
func (m *Memory) lone(i *index) int { return max(0, i.Replicas-max(0, len(m.Space.Nodes)-1)) }

// ShardProblems implements cluster.IndexReader.
func (m *Memory) ShardProblems(ctx context.Context, names []string) (list []cluster.ShardProblem, err error) {
	err = m.do(ctx, read("ShardProblems", "read shard states", names...), func() error {
		m.open(names, func(i *index) {
			for shard := range i.Primaries {
				p := cluster.ShardProblem{Index: i.Name, Shard: shard, Primary: true}
				switch {
				case i.restoring:
					p.State, p.Reason = "INITIALIZING", "NEW_INDEX_RESTORED"
					list = append(list, p)
				case i.broken != "":
					p.State, p.Reason, p.Details = "UNASSIGNED", "ALLOCATION_FAILED", i.broken
					list = append(list, p)
				}
				for range m.lone(i) {
					list = append(list, cluster.ShardProblem{Index: i.Name, Shard: shard, State: "UNASSIGNED", Reason: "INDEX_CREATED"})
				}
			}
		})
		return nil
	})
	return list, err
}

// Explain implements cluster.IndexReader.
func (m *Memory) Explain(ctx context.Context, name string, shard int) (e cluster.Explanation, err error) {
	c := read("Explain", fmt.Sprintf("explain the allocation of shard %d of index %s", shard, name), name)
	err = m.do(ctx, c, func() error {
		i := m.indices[name]
		switch {
		case i == nil:
			return c.noIndex(name)
		case i.restoring:
			e = cluster.Explanation{Decision: "no", Text: "the restore of the shard has not ended"}
		case i.broken != "":
			e = cluster.Explanation{Decision: cmp.Or(m.Decisions[name], "no_valid_shard_copy"), Text: i.broken}
		}
		return nil
	})
	return e, err
}

// DeleteIndices implements cluster.Writer.
func (m *Memory) DeleteIndices(ctx context.Context, r cluster.DeleteIndices) error {
	c := write("DeleteIndices", describe("index", "indices", r.Names), r, r.Names...)
	return m.do(ctx, c, func() error {
		if err := c.concrete(r.Names); err != nil {
			return err
		}
		for _, n := range r.Names {
			if m.runs(cluster.OpSnapshot, func(o *operation) bool { return slices.Contains(o.Indices, n) }) {
				return c.fail(cluster.ErrBusy, 400, "snapshot_in_progress_exception", "Cannot delete indices that are being snapshotted: [["+n+"]]")
			}
			if i := m.indices[n]; i != nil && (i.Settings["index.blocks.read_only"] == "true" || i.Settings["index.blocks.metadata"] == "true") {
				return c.fail(cluster.ErrForbidden, 403, "cluster_block_exception", "index ["+n+"] blocked by: [FORBIDDEN/5/index read-only (api)];")
			}
		}
		for _, n := range r.Names {
			delete(m.indices, n)
			delete(m.documents, n)
			for _, o := range m.operations {
				if o.Kind == cluster.OpRestore && slices.Equal(o.Indices, []string{n}) {
					o.left = 0
				}
			}
		}
		return nil
	})
}

// concrete refuses a request that would be about more than the names in it.
func (c call) concrete(names []string) error {
	bad := len(names) == 0
	for _, n := range names {
		bad = bad || n == "" || n == "_all" || strings.ContainsAny(n, "*,")
	}
	if bad {
		return &cluster.Error{Op: c.op, Kind: cluster.ErrInvalid, Text: fmt.Sprintf("%q does not name what to delete", strings.Join(names, " "))}
	}
	return nil
}

// describe names what a deletion is about: one by name, many by number.
func describe(one, many string, names []string) string {
	if len(names) == 1 {
		return "delete " + one + " " + names[0]
	}
	return fmt.Sprintf("delete %d %s", len(names), many)
}

// UpdateAliases implements cluster.Writer.
func (m *Memory) UpdateAliases(ctx context.Context, r cluster.UpdateAliases) error {
	c := write("UpdateAliases", "update aliases", r, r.Intent().Names...)
	return m.do(ctx, c, func() error {
		useful := len(r.Actions) == 0
		for _, a := range r.Actions {
			i := m.indices[a.Index]
			switch {
			case i == nil:
				return c.noIndex(a.Index)
			case !a.Remove && m.indices[a.Alias] != nil:
				return c.fail(cluster.ErrInvalid, 400, "invalid_alias_name_exception",
					"Invalid alias name ["+a.Alias+"]: an index exists with the same name as the alias")
			}
			useful = useful || !a.Remove || i.HasAlias(a.Alias)
		}
		if !useful {
			return c.fail(cluster.ErrServer, 404, "aliases_not_found_exception", "aliases ["+r.Actions[0].Alias+"] missing")
		}
		for _, a := range r.Actions {
			if a.Remove {
				m.indices[a.Index].dropAlias(a.Alias)
			} else {
				m.indices[a.Index].setAlias(a.Alias, a.Extra["is_write_index"] == true)
			}
		}
		return nil
	})
}

func (i *index) setAlias(alias string, write bool) {
	i.dropAlias(alias)
	i.Aliases = slices.Sorted(slices.Values(append(i.Aliases, alias)))
	if write {
		i.WriteAliases = append(i.WriteAliases, alias)
	}
}

func (i *index) dropAlias(alias string) {
	without := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(a string) bool { return a == alias })
	}
	i.Aliases, i.WriteAliases = without(i.Aliases), without(i.WriteAliases)
}
