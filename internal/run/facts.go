package run

import (
	"context"
	"slices"

	"github.com/esnap/esnap/internal/cluster"
)

// fetch adds the facts that filters and guards need to the items still in
// question, each asked for once.
func (r *runner) fetch(ctx context.Context, needs []cluster.Need, items []cluster.Item) error {
	indices := cluster.Of[*cluster.Index](items)
	for _, n := range needs {
		var err error
		switch n.Fact {
		case cluster.FactStats:
			err = r.stats(ctx, indices)
		case cluster.FactFieldRange:
			err = r.fieldRanges(ctx, indices, n.Field)
		case cluster.FactWriteIndex:
			err = r.writeAliases(ctx, indices)
		case cluster.FactSettings:
			err = r.settings(ctx, indices)
		case cluster.FactSegments:
			err = r.segments(ctx, indices)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) stats(ctx context.Context, indices []*cluster.Index) error {
	names := namesOf(indices, func(i *cluster.Index) bool { return i.Stats == nil && !i.Closed })
	if len(names) == 0 {
		return nil
	}
	stats, err := r.lister.Stats(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range indices {
		if s, ok := stats[i.Name]; ok && i.Stats == nil {
			i.Stats = &s
		}
	}
	return nil
}

func (r *runner) settings(ctx context.Context, indices []*cluster.Index) error {
	names := namesOf(indices, func(i *cluster.Index) bool { return i.Settings == nil })
	if len(names) == 0 {
		return nil
	}
	settings, err := r.lister.Settings(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range indices {
		if s, ok := settings[i.Name]; ok {
			i.Settings = s
			i.Primaries, i.Replicas = cluster.ShardNumbers(s)
		}
	}
	return nil
}

func (r *runner) segments(ctx context.Context, indices []*cluster.Index) error {
	names := namesOf(indices, func(i *cluster.Index) bool { return i.Segments == nil && !i.Closed })
	if len(names) == 0 {
		return nil
	}
	segments, err := r.lister.Segments(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range indices {
		if n, ok := segments[i.Name]; ok {
			i.Segments = &n
		}
	}
	return nil
}

func namesOf(indices []*cluster.Index, wanted func(*cluster.Index) bool) []string {
	var names []string
	for _, i := range indices {
		if wanted(i) {
			names = append(names, i.Name)
		}
	}
	return names
}

func (r *runner) fieldRanges(ctx context.Context, indices []*cluster.Index, field string) error {
	for _, i := range indices {
		if _, known := i.Fields[field]; known || i.Closed || i.Assumed {
			continue
		}
		rng, err := r.lister.FieldRange(ctx, i.Name, field)
		if err != nil {
			return err
		}
		if i.Fields == nil {
			i.Fields = map[string]cluster.FieldRange{}
		}
		i.Fields[field] = rng
	}
	return nil
}

func (r *runner) writeAliases(ctx context.Context, indices []*cluster.Index) error {
	if !slices.ContainsFunc(indices, func(i *cluster.Index) bool { return len(i.Aliases) > 0 }) {
		return nil
	}
	write, err := r.lister.WriteAliases(ctx)
	if err != nil {
		return err
	}
	for _, i := range indices {
		i.WriteAliases = write[i.Name]
	}
	return nil
}
