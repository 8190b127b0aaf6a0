package memory

import (
	"context"
	"maps"
	"strconv"

	"github.com/esnap/esnap/internal/cluster"
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

// knownSettings are the settings that it knows, beside those that a user may add to.
var knownSettings = []string{
	"index.number_of_shards", "index.number_of_replicas", "index.auto_expand_replicas", "index.refresh_interval", "index.codec",
	"index.max_result_window", "index.hidden", "index.priority", "index.routing_partition_size", "index.lifecycle.name",
	"index.translog.durability", "index.mapping.total_fields.limit", "index.merge.scheduler.max_thread_count",
	"index.routing.allocation.enable", "index.routing.allocation.total_shards_per_node", "index.store.type",
}

// KnownSettings implements cluster.IndexReader.
func (m *Memory) KnownSettings(ctx context.Context, name string) (known map[string]bool, err error) {
	c := read("KnownSettings", "read the settings that index "+name+" can have", name)
	err = m.do(ctx, c, func() error {
		i := m.indices[name]
		if i == nil {
			return c.noIndex(name)
		}
		known = map[string]bool{}
		for _, k := range knownSettings {
			known[k] = true
		}
		for k := range i.Index.Settings {
			known[k] = true
		}
		return nil
	})
	return known, err
}

// Segments implements cluster.IndexReader: what an index was given, or one for
// each shard copy.
func (m *Memory) Segments(ctx context.Context, names []string) (out map[string]cluster.Segments, err error) {
	out = map[string]cluster.Segments{}
	err = m.do(ctx, read("Segments", "read index segments", names...), func() error {
		m.open(names, func(i *index) {
			copies := max(i.Primaries*(1+i.Replicas), 1)
			all := copies
			if i.Index.Segments != nil {
				all = *i.Index.Segments
			}
			out[i.Name] = cluster.Segments{All: all, Most: (all + copies - 1) / copies}
		})
		return nil
	})
	return out, err
}
