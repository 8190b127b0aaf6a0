package memory

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Server implements cluster.ServerReader.
func (m *Memory) Server(ctx context.Context) (s cluster.Server, err error) {
	err = m.do(ctx, read("Server", "ask the cluster for its version"), func() error { s = m.server; return nil })
	return s, err
}

// Clock implements cluster.ServerReader.
func (m *Memory) Clock(ctx context.Context) (now time.Time, err error) {
	err = m.do(ctx, read("Clock", "read the cluster's clock"), func() error { now = m.now(); return nil })
	return now, err
}

// Sight implements cluster.ServerReader.
func (m *Memory) Sight() cluster.Sight { return m.Hides }

// Running implements cluster.ServerReader.
func (m *Memory) Running(ctx context.Context) (list []cluster.Operation, err error) {
	err = m.do(ctx, read("Running", "list running snapshot operations"), func() error {
		m.poll(anyOf)
		for _, o := range m.operations {
			list = append(list, o.Operation)
		}
		return nil
	})
	return list, err
}

// Capacity implements cluster.ServerReader.
func (m *Memory) Capacity(ctx context.Context) (out cluster.Capacity, err error) {
	err = m.do(ctx, read("Capacity", "read the nodes' disks"), func() error {
		out = m.Space
		out.Nodes = slices.Clone(out.Nodes)
		for _, i := range m.indices {
			if !i.Closed {
				out.Shards += i.Primaries * (1 + i.Replicas)
			}
		}
		return nil
	})
	return out, err
}

// room is how many bytes of names, encoded for a path, one request takes.
const room = 3900

// batches splits names so that each batch has room in a request line.
func batches(names []string) (out [][]string) {
	used := room
	for _, n := range names {
		size := len(url.PathEscape(n)) + 1
		if used+size > room {
			out, used = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], n)
		used += size
	}
	return out
}

// IndexBatches implements cluster.Batcher.
func (m *Memory) IndexBatches(names []string) [][]string { return batches(names) }

// SnapshotBatches implements cluster.Batcher.
func (m *Memory) SnapshotBatches(ctx context.Context, repository string, names []string) (out [][]string, err error) {
	err = m.do(ctx, read("SnapshotBatches", "ask the cluster for its version", repository), func() error {
		if m.server.DeletesMany() {
			out = batches(names)
			return nil
		}
		for _, n := range names {
			out = append(out, []string{n})
		}
		return nil
	})
	return out, err
}
