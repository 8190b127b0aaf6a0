package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/esnap/esnap/internal/cluster"
)

// Repositories implements cluster.RepositoryReader.
func (m *Memory) Repositories(ctx context.Context) (list []cluster.Repository, err error) {
	err = m.do(ctx, read("Repositories", "list repositories"), func() error {
		for _, n := range slices.Sorted(maps.Keys(m.repositories)) {
			r := m.repositories[n]
			r.Settings = maps.Clone(r.Settings)
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// Repository implements cluster.RepositoryReader.
func (m *Memory) Repository(ctx context.Context, name string) (r cluster.Repository, err error) {
	c := read("Repository", "read repository "+name, name)
	err = m.do(ctx, c, func() error {
		found, ok := m.repositories[name]
		if !ok {
			return c.noRepository(name)
		}
		r = found
		r.Settings = maps.Clone(r.Settings)
		return nil
	})
	return r, err
}

// RegisterRepository implements cluster.Writer. It knows the types of repository
// that esnap knows, and verifies nothing: let FaultAfter fail.
func (m *Memory) RegisterRepository(ctx context.Context, r cluster.RegisterRepository) error {
	c := write("RegisterRepository", "register repository "+r.Name, r, r.Name)
	return m.do(ctx, c, func() error {
		now := cluster.Repository{Name: r.Name, Type: r.Type, Settings: cluster.Flatten(r.Settings)}
		before, there := m.repositories[r.Name]
		switch {
		case there && m.used(r.Name) && place(before) != place(now):
			return c.inUse()
		case !slices.Contains([]string{"fs", "url", "s3", "gcs", "azure", "hdfs", "source"}, r.Type):
			return c.fail(cluster.ErrRepository, 500, "repository_exception", "["+r.Name+"] repository type ["+r.Type+"] does not exist")
		case r.Type == "fs" && now.Settings["location"] == "":
			return c.fail(cluster.ErrRepository, 500, "repository_exception", "["+r.Name+"] missing location")
		}
		m.addRepository(now)
		return nil
	})
}

// used reports whether an operation runs in a repository.
func (m *Memory) used(name string) bool {
	return slices.ContainsFunc(m.operations, func(o *operation) bool { return o.Repository == name })
}

func (c call) inUse() error {
	return c.fail(cluster.ErrBusy, 500, "illegal_state_exception", "trying to modify or unregister repository that is currently used ")
}

// Integrity implements cluster.RepositoryReader.
func (m *Memory) Integrity(ctx context.Context, name string) (found cluster.Integrity, err error) {
	c := read("Integrity", "verify the integrity of repository "+name, name)
	err = m.do(ctx, c, func() error {
		known := false
		if found, known = m.Integrities[name]; !known {
			return c.fail(cluster.ErrUnsupported, 405, "", "this server cannot do it")
		}
		return nil
	})
	return found, err
}

// VerifyRepository implements cluster.Writer.
func (m *Memory) VerifyRepository(ctx context.Context, r cluster.VerifyRepository) (nodes []string, err error) {
	c := write("VerifyRepository", "verify repository "+r.Name, r, r.Name)
	err = m.do(ctx, c, func() error {
		if _, ok := m.repositories[r.Name]; !ok {
			return c.noRepository(r.Name)
		}
		for _, n := range m.Space.Nodes {
			nodes = append(nodes, n.Node)
		}
		slices.Sort(nodes)
		return nil
	})
	return nodes, err
}

// CleanupRepository implements cluster.Writer: there is never anything to delete.
func (m *Memory) CleanupRepository(ctx context.Context, r cluster.CleanupRepository) (result cluster.CleanupResult, err error) {
	c := write("CleanupRepository", "clean up repository "+r.Name, r, r.Name)
	err = m.do(ctx, c, func() error {
		if _, ok := m.repositories[r.Name]; !ok {
			return c.noRepository(r.Name)
		}
		if !m.server.CleansUp() {
			return c.fail(cluster.ErrUnsupported, 400, "", "no handler found for uri [/_snapshot/"+r.Name+"/_cleanup] and method [POST]")
		}
		return nil
	})
	return result, err
}

// UnregisterRepository implements cluster.Writer.
func (m *Memory) UnregisterRepository(ctx context.Context, r cluster.UnregisterRepository) error {
	c := write("UnregisterRepository", "unregister repository "+r.Name, r, r.Name)
	return m.do(ctx, c, func() error {
		if err := c.concrete([]string{r.Name}); err != nil {
			return err
		}
		if _, ok := m.repositories[r.Name]; !ok {
			return c.noRepository(r.Name)
		}
		if m.used(r.Name) {
			return c.inUse()
		}
		delete(m.repositories, r.Name)
		return nil
	})
}

// snapshots returns the snapshots of a repository, by name.
func (m *Memory) snapshots(c call, repository string) (map[string]*snapshot, error) {
	r, ok := m.repositories[repository]
	if !ok {
		return nil, c.noRepository(repository)
	}
	return m.stores[place(r)], nil
}
