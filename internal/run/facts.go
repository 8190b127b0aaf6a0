package run

import (
	"context"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/plan"
)

// facts asks one cluster for what filters and guards need to know.
type facts struct {
	reader cluster.IndexReader
	// more are facts about the cluster of the run that its index reader does not know.
	more func(ctx context.Context, n cluster.Need, items []cluster.Item) error
}

// fetch adds the facts that filters and guards need to the items still in
// question, each asked for once.
func (f facts) fetch(ctx context.Context, needs []cluster.Need, items []cluster.Item) error {
	indices := cluster.Of[*cluster.Index](items)
	for _, n := range needs {
		var err error
		switch n.Fact {
		case cluster.FactStats:
			err = f.stats(ctx, indices)
		case cluster.FactFieldRange:
			err = f.fieldRanges(ctx, indices, n.Field)
		case cluster.FactWriteIndex:
			err = f.writeAliases(ctx, indices)
		case cluster.FactSettings:
			err = f.settings(ctx, indices)
		case cluster.FactSegments:
			err = f.segments(ctx, indices)
		default:
			if f.more != nil {
				err = f.more(ctx, n, items)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f facts) stats(ctx context.Context, indices []*cluster.Index) error {
	names := namesOf(indices, func(i *cluster.Index) bool { return i.Stats == nil && !i.Closed })
	if len(names) == 0 {
		return nil
	}
	stats, err := f.reader.Stats(ctx, names)
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

func (f facts) settings(ctx context.Context, indices []*cluster.Index) error {
	names := namesOf(indices, func(i *cluster.Index) bool { return i.Settings == nil })
	if len(names) == 0 {
		return nil
	}
	settings, err := f.reader.Settings(ctx, names)
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

func (f facts) segments(ctx context.Context, indices []*cluster.Index) error {
	names := namesOf(indices, func(i *cluster.Index) bool { return i.Segments == nil && !i.Closed })
	if len(names) == 0 {
		return nil
	}
	segments, err := f.reader.Segments(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range indices {
		if n, ok := segments[i.Name]; ok {
			i.Segments = &n.All
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

func (f facts) fieldRanges(ctx context.Context, indices []*cluster.Index, field string) error {
	for _, i := range indices {
		if _, known := i.Fields[field]; known || i.Closed || i.Assumed {
			continue
		}
		rng, err := f.reader.FieldRange(ctx, i.Name, field)
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

func (f facts) writeAliases(ctx context.Context, indices []*cluster.Index) error {
	names := namesOf(indices, func(i *cluster.Index) bool { return len(i.Aliases) > 0 })
	if len(names) == 0 {
		return nil
	}
	write, err := f.reader.WriteAliases(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range indices {
		i.SetWriteAliases(write[i.Name])
	}
	return nil
}

// facts asks the cluster the run is about.
func (r *runner) facts(s plan.Step) facts {
	return facts{r.lister, func(ctx context.Context, n cluster.Need, items []cluster.Item) error {
		switch n.Fact {
		case cluster.FactContents:
			return r.contents(ctx, s.Source(), cluster.Of[*cluster.Snapshot](items))
		case cluster.FactLive:
			return r.live(ctx, cluster.Of[*cluster.Snapshot](items))
		case cluster.FactSizes:
			return r.sizes(ctx, s.Source(), cluster.Of[*cluster.Snapshot](items))
		case cluster.FactHolders:
			return r.holders(ctx, n.Field, cluster.Of[*cluster.Index](items))
		case cluster.FactAhead:
			for _, s := range cluster.Of[*cluster.Snapshot](items) {
				s.Ahead = s.StartedAfter(r.clock())
			}
		case cluster.FactMounts:
			return r.mounts(ctx, s.Source(), cluster.Of[*cluster.Snapshot](items))
		case cluster.FactSaved:
			return r.saved(ctx, s, cluster.Of[*cluster.Index](items))
		}
		return nil
	}}
}
