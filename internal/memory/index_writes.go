package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// ClusterHealth implements cluster.ServerReader: red or green, never relocating.
func (m *Memory) ClusterHealth(ctx context.Context) (h cluster.Health, err error) {
	err = m.do(ctx, read("ClusterHealth", "read the cluster's health"), func() error {
		h.Status = "green"
		for _, i := range m.indices {
			if s := m.health(i).Status; s == "red" || s == "yellow" && h.Status == "green" {
				h.Status = s
			}
		}
		return nil
	})
	return h, err
}

// OnMaster implements cluster.ServerReader: the one node is the master.
func (m *Memory) OnMaster(ctx context.Context) (bool, error) {
	err := m.do(ctx, read("OnMaster", "ask which node is the master"), func() error { return nil })
	return err == nil, err
}

// Tasks implements cluster.ServerReader: nothing runs longer than its request.
func (m *Memory) Tasks(ctx context.Context, action string) (list []cluster.RunningTask, err error) {
	err = m.do(ctx, read("Tasks", "list tasks", action), func() error { return nil })
	return list, err
}

// existing carries out a write on indices that must all be there.
func (m *Memory) existing(ctx context.Context, method string, op cluster.Op, names []string, lenient bool, each func(*index)) error {
	c := write(method, strings.TrimSpace(op.Intent().Verb.String()+" "+strings.Join(names, ",")), op, names...)
	return m.do(ctx, c, func() error {
		for _, n := range names {
			if m.indices[n] == nil && !lenient {
				return c.noIndex(n)
			}
		}
		for _, n := range names {
			if i := m.indices[n]; i != nil {
				each(i)
			}
		}
		return nil
	})
}

// PutIndexSettings implements cluster.Writer.
func (m *Memory) PutIndexSettings(ctx context.Context, r cluster.PutIndexSettings) error {
	flat := r.Flat()
	return m.existing(ctx, "PutIndexSettings", r, r.Names, r.IgnoreUnavailable, func(i *index) {
		i.put(flat, r.PreserveExisting)
	})
}

// put changes settings; empty text removes one.
func (i *index) put(flat map[string]string, preserve bool) {
	settings := maps.Clone(i.Index.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	for k, v := range flat {
		if preserve && settings[k] != "" {
			continue
		}
		settings[k] = v
		if v == "" {
			delete(settings, k)
		}
		if k == "index.number_of_replicas" {
			i.Replicas, _ = strconv.Atoi(v)
		}
	}
	i.Index.Settings = settings
}

// OpenIndices implements cluster.Writer.
func (m *Memory) OpenIndices(ctx context.Context, r cluster.OpenIndices) error {
	return m.existing(ctx, "OpenIndices", r, r.Names, r.Close, func(i *index) { i.Closed = r.Close })
}

// FlushIndices implements cluster.Writer.
func (m *Memory) FlushIndices(ctx context.Context, r cluster.FlushIndices) error {
	var failed error
	err := m.existing(ctx, "FlushIndices", r, r.Names, true, func(i *index) {
		if i.broken != "" {
			failed = &cluster.Error{Op: "flush " + i.Name, Kind: cluster.ErrShards, Status: 200, Text: i.broken}
		}
	})
	return cmp.Or(err, failed)
}

// FreezeIndices implements cluster.Writer: servers before 8 can.
func (m *Memory) FreezeIndices(ctx context.Context, r cluster.FreezeIndices) error {
	if m.server.OpenSearch || m.server.Version[0] >= 8 && !r.Unfreeze {
		return &cluster.Error{Op: "freeze indices", Kind: cluster.ErrUnsupported, Status: 405}
	}
	return m.existing(ctx, "FreezeIndices", r, r.Names, false, func(i *index) {
		frozen := "true"
		if r.Unfreeze {
			frozen = ""
		}
		i.put(map[string]string{"index.frozen": frozen}, false)
	})
}

// ForcemergeIndex implements cluster.Writer.
func (m *Memory) ForcemergeIndex(ctx context.Context, r cluster.ForcemergeIndex) error {
	return m.existing(ctx, "ForcemergeIndex", r, []string{r.Name}, false, func(i *index) {
		n := i.Primaries * (1 + i.Replicas) * int(r.MaxNumSegments)
		i.Index.Segments = &n
	})
}

// CreateIndex implements cluster.Writer.
func (m *Memory) CreateIndex(ctx context.Context, r cluster.CreateIndex) error {
	c := write("CreateIndex", "create index "+r.Name, r, r.Name)
	return m.do(ctx, c, func() error {
		if m.indices[r.Name] != nil {
			return c.fail(cluster.ErrExists, 400, "resource_already_exists_exception", "index ["+r.Name+"] already exists")
		}
		for _, i := range m.indices {
			if i.HasAlias(r.Name) {
				return c.fail(cluster.ErrExists, 400, "invalid_index_name_exception", "Invalid index name ["+r.Name+"], already exists as alias")
			}
		}
		if cluster.InvalidName("index", r.Name) != "" {
			return c.fail(cluster.ErrInvalid, 400, "invalid_index_name_exception", "Invalid index name ["+r.Name+"], must be lowercase")
		}
		m.indices[r.Name] = &index{Index: m.completed(cluster.Index{Name: r.Name})}
		return nil
	})
}

// PutClusterSettings implements cluster.Writer; nothing depends on them.
func (m *Memory) PutClusterSettings(ctx context.Context, r cluster.PutClusterSettings) error {
	return m.do(ctx, write("PutClusterSettings", "change cluster settings", r), func() error { return nil })
}

// RolloverDue implements cluster.IndexReader: due when it has as many documents
// as max_docs asks for.
func (m *Memory) RolloverDue(ctx context.Context, r cluster.Rollover) (res cluster.RolloverResult, err error) {
	c := read("RolloverDue", "roll over alias "+r.Alias, r.Alias)
	err = m.do(ctx, c, func() error { res, err = m.rollover(c, r); return err })
	return res, err
}

// Rollover implements cluster.Writer.
func (m *Memory) Rollover(ctx context.Context, r cluster.Rollover) (res cluster.RolloverResult, err error) {
	c := write("Rollover", "roll over alias "+r.Alias, r, r.Alias)
	err = m.do(ctx, c, func() error {
		if res, err = m.rollover(c, r); err != nil || !res.Due {
			return err
		}
		old := m.indices[res.OldIndex]
		fresh := &index{Index: m.completed(cluster.Index{Name: res.NewIndex, Settings: (cluster.PutIndexSettings{Settings: r.Settings}).Flat()})}
		for alias := range r.Aliases {
			fresh.setAlias(alias, false)
		}
		explicit := len(old.WriteAliases) > 0
		fresh.setAlias(r.Alias, explicit)
		old.dropAlias(r.Alias)
		if explicit {
			old.setAlias(r.Alias, false)
		}
		m.indices[res.NewIndex] = fresh
		return nil
	})
	return res, err
}

var counter = regexp.MustCompile(`-(\d+)$`)

func (m *Memory) rollover(c call, r cluster.Rollover) (cluster.RolloverResult, error) {
	var res cluster.RolloverResult
	for name, i := range m.indices {
		if i.HasAlias(r.Alias) && (res.OldIndex == "" || name > res.OldIndex) {
			res.OldIndex = name
		}
	}
	if res.OldIndex == "" {
		return res, c.fail(cluster.ErrInvalid, 400, "illegal_argument_exception", "source alias does not exist")
	}
	if res.NewIndex = r.NewIndex; res.NewIndex == "" {
		at := counter.FindStringSubmatch(res.OldIndex)
		if at == nil {
			return res, c.fail(cluster.ErrInvalid, 400, "illegal_argument_exception",
				"index name ["+res.OldIndex+"] does not match pattern '^.*-\\d+$'")
		}
		n, _ := strconv.Atoi(at[1])
		res.NewIndex = strings.TrimSuffix(res.OldIndex, at[1]) + fmt.Sprintf("%06d", n+1)
	}
	docs, ok := r.Conditions["max_docs"].(int64)
	res.Due = !ok || m.indices[res.OldIndex].Index.Stats.Docs >= docs
	return res, nil
}
