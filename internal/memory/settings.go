package memory

import (
	"context"
	"maps"
	"strconv"
)

// Settings implements cluster.IndexReader: what an index was given, with its
// shards and replicas.
func (m *Memory) Settings(ctx context.Context, names []string) (out map[string]map[string]string, err error) {
	out = map[string]map[string]string{}
	err = m.do(ctx, read("Settings", "read index settings", names...), func() error {
		for _, n := range names {
			if i := m.indices[n]; i != nil {
				s := maps.Clone(i.Index.Settings)
				if s == nil {
					s = map[string]string{}
				}
				s["index.number_of_shards"], s["index.number_of_replicas"] = strconv.Itoa(i.Primaries), strconv.Itoa(i.Replicas)
				out[n] = s
			}
		}
		return nil
	})
	return out, err
}

// Segments implements cluster.IndexReader: what an index was given, or one for
// each shard copy.
func (m *Memory) Segments(ctx context.Context, names []string) (out map[string]int, err error) {
	out = map[string]int{}
	err = m.do(ctx, read("Segments", "read index segments", names...), func() error {
		m.open(names, func(i *index) {
			out[i.Name] = i.Primaries * (1 + i.Replicas)
			if i.Index.Segments != nil {
				out[i.Name] = *i.Index.Segments
			}
		})
		return nil
	})
	return out, err
}
