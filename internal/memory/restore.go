package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/rename"
)

// RestoreProgress implements cluster.SnapshotReader.
func (m *Memory) RestoreProgress(ctx context.Context, names []string) (p cluster.Progress, err error) {
	err = m.do(ctx, read("RestoreProgress", "read the progress of a restore", names...), func() error {
		m.open(names, func(i *index) {
			p.ShardsTotal += i.Primaries
			p.ShardsDone += m.health(i).ActivePrimary
			if i.restoring {
				p.BytesTotal += i.Stats.PrimaryBytes
			}
		})
		return nil
	})
	return p, err
}

// RestoreSnapshot implements cluster.Writer. Of index settings it knows the number
// of replicas, the name of the lifecycle policy, and blocks; nothing depends on the others.
func (m *Memory) RestoreSnapshot(ctx context.Context, r cluster.RestoreSnapshot) error {
	c := write("RestoreSnapshot", "restore from snapshot "+r.Repository+"/"+r.Name, r, r.Name)
	return m.do(ctx, c, func() error {
		all, err := m.snapshots(c, r.Repository)
		if err != nil {
			return err
		}
		s := all[r.Name]
		if s == nil || s.State == cluster.InProgress {
			return c.fail(cluster.ErrNoSnapshot, 500, "snapshot_restore_exception", "["+r.Repository+":"+r.Name+"] snapshot does not exist")
		}
		if s.State == cluster.Failed {
			return c.cannotRestore("unsupported snapshot state [FAILED]")
		}
		names, err := c.resolve(s.expand(r.Indices), s.Indices, r.IgnoreUnavailable)
		if err != nil {
			return err
		}
		made := map[string]*index{} // by the new name: nothing is put in before all is checked
		for _, n := range names {
			i, err := m.restored(c, r, s, n)
			if err != nil {
				return err
			}
			if other := made[i.Name]; other != nil {
				return c.cannotRestore("indices [" + n + "] and another are renamed into the same index [" + i.Name + "]")
			}
			made[i.Name] = i
		}
		var targets []string
		for n, i := range made {
			m.indices[n] = i
			targets = append(targets, n)
		}
		slices.Sort(targets)
		m.start(cluster.Operation{Kind: cluster.OpRestore, Repository: r.Repository, Snapshot: r.Name, Indices: targets}, m.RestorePolls, func() {
			for n, i := range made {
				i.restoring = false
				if m.RestoreEnds != nil {
					i.broken = m.RestoreEnds(n)
				}
			}
		})
		return nil
	})
}

// expand puts the backing indices of data streams in the place of these.
func (s *snapshot) expand(names []string) []string {
	var out []string
	for _, n := range names {
		if !s.HasStream(n) {
			out = append(out, n)
			continue
		}
		for i, held := range s.held {
			if held.DataStream == n {
				out = append(out, i)
			}
		}
	}
	return out
}

func (c call) cannotRestore(why string) error {
	return c.fail(cluster.ErrServer, 500, "snapshot_restore_exception", why)
}

// predicted renames as the server does where the rule has one meaning only.
func predicted(pattern, replacement, name string) (string, error) {
	rule, err := rename.Compile(pattern, replacement)
	if err != nil {
		return "", err
	}
	return rule.Apply(name)
}

// restored is the index that a restore makes of one in the snapshot.
func (m *Memory) restored(c call, r cluster.RestoreSnapshot, s *snapshot, name string) (*index, error) {
	if !r.Partial && !s.HoldsGood(name) {
		return nil, c.cannotRestore("index [" + name + "] wasn't fully snapshotted - cannot restore")
	}
	target := name
	if r.RenamePattern != "" {
		renames := m.Renames
		if renames == nil {
			renames = predicted
		}
		var err error
		if target, err = renames(r.RenamePattern, r.RenameReplacement, name); err != nil {
			return nil, c.fail(cluster.ErrInvalid, 400, "illegal_argument_exception", err.Error())
		}
	}
	if why := badName(target, "_-+"); why != "" {
		return nil, c.fail(cluster.ErrInvalid, 400, "invalid_index_name_exception", "Invalid index name ["+target+"], "+why)
	}
	for _, other := range m.indices {
		if other.HasAlias(target) {
			return nil, c.fail(cluster.ErrExists, 400, "invalid_index_name_exception", "Invalid index name ["+target+"], already exists as alias")
		}
	}
	i := &index{Index: s.held[name], restoring: true}
	i.Name, i.UUID, i.Closed, i.System = target, m.uuid(), false, i.System && cluster.IsDotted(target)
	if there := m.indices[target]; there != nil {
		if !there.Closed {
			return nil, c.fail(cluster.ErrExists, 500, "snapshot_restore_exception",
				"cannot restore index ["+target+"] because an open index with same name already exists in the cluster")
		}
		i.UUID = there.UUID
	}
	if !r.IncludeAliases {
		i.Aliases, i.WriteAliases = nil, nil
		if there := m.indices[target]; there != nil { // the existing index keeps its own
			i.Aliases, i.WriteAliases = slices.Clone(there.Aliases), slices.Clone(there.WriteAliases)
		}
	}
	if !slices.Contains(r.Indices, i.DataStream) { // a backing index alone is an ordinary index
		i.DataStream, i.DataStreamWriteIndex = "", false
	}
	i.Settings = maps.Clone(i.Settings)
	for _, ignored := range r.IgnoreIndexSettings {
		if cluster.MatchName(ignored, "index.lifecycle.name") {
			i.Lifecycle = ""
		}
		maps.DeleteFunc(i.Settings, func(key, _ string) bool { return cluster.MatchName(ignored, key) })
	}
	flat := map[string]string{}
	for k, v := range cluster.Flatten(r.IndexSettings) {
		flat["index."+strings.TrimPrefix(k, "index.")] = v
	}
	i.put(flat, false)
	for _, key := range []string{"number_of_replicas", "index.number_of_replicas"} {
		if v, ok := r.IndexSettings[key]; ok {
			i.Replicas, _ = strconv.Atoi(fmt.Sprint(v))
		}
	}
	return i, nil
}
