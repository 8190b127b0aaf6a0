package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// Overlay is what a dry run assumes on top of what the cluster really holds.
type Overlay struct {
	now          time.Time
	indices      map[string]*Index // nil: deleted
	snapshots    map[string][]*Snapshot
	deleted      map[[2]string]bool
	repositories map[string]*Repository // nil: deleted
	aliases      []AliasAction
	closed       map[string]bool // or opened: false
	settings     map[string]map[string]string
	documents    map[string]map[string]*Document // by index and id; nil: deleted
	copies       map[string]string               // of what an index that is made holds the documents
}

// DryRun is the cluster as it would be: reads are real, with the effects of the
// writes asked so far assumed; writes are not sent but given to record. Now
// dates what is assumed to be created. What the server would refuse because it is there
// is refused, unless now is fixedNow: then it may not have been there.
func DryRun(r Reader, now time.Time, fixedNow bool, record func(Op)) Cluster {
	o := &Overlay{
		now: now, indices: map[string]*Index{}, snapshots: map[string][]*Snapshot{},
		deleted: map[[2]string]bool{}, repositories: map[string]*Repository{},
		closed: map[string]bool{}, settings: map[string]map[string]string{},
		copies: map[string]string{}, documents: map[string]map[string]*Document{},
	}
	as := assumed{r, o}
	return Intercept(as, nil, func(ctx context.Context, op Op, _ func() error) error {
		if !fixedNow {
			switch look := op.(type) {
			case foreseeable:
				var err error
				if op, err = look.foresee(ctx, as); err != nil {
					return err
				}
			case refusable:
				if err := look.refused(ctx, as); err != nil {
					return err
				}
			}
		}
		op.Assume(o)
		record(op)
		return nil
	})
}

// assumed shows the overlay over real reads.
type assumed struct {
	Reader
	o *Overlay
}

func (a assumed) Indices(ctx context.Context) ([]*Index, error) {
	list, err := a.Reader.Indices(ctx)
	if err != nil || len(a.o.indices)+len(a.o.aliases)+len(a.o.closed)+len(a.o.settings) == 0 {
		return list, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(i *Index) bool { _, known := a.o.indices[i.Name]; return known })
	there := len(list)
	for _, name := range slices.Sorted(maps.Keys(a.o.indices)) {
		if i := a.o.indices[name]; i != nil {
			list = append(list, i)
		}
	}
	if len(list) > there {
		slices.SortFunc(list, func(x, y *Index) int { return compareNames(x.Name, y.Name) })
	}
	if len(a.o.aliases)+len(a.o.closed)+len(a.o.settings) == 0 {
		return list, nil
	}
	for n, i := range list {
		if changed := a.o.settings[i.Name]; changed != nil {
			c := *i
			c.changeBlocks(changed)
			list[n], i = &c, &c
		}
		if closed, known := a.o.closed[i.Name]; known && closed != i.Closed {
			c := *i
			c.Closed = closed
			list[n], i = &c, &c
		}
		for _, act := range a.o.aliases {
			if act.Index == i.Name {
				list[n] = i.withAlias(act)
				i = list[n]
			}
		}
	}
	return list, nil
}

// IndicesNamed is read from the assumed listing: nothing changes under a dry run.
func (a assumed) IndicesNamed(ctx context.Context, names []string) ([]*Index, error) {
	list, err := a.Indices(ctx)
	wanted := make(map[string]bool, len(names))
	for _, n := range names {
		wanted[n] = true
	}
	var found []*Index
	for _, i := range list {
		if wanted[i.Name] {
			found = append(found, i)
		}
	}
	return found, err
}

func (a assumed) Health(ctx context.Context, names []string) (map[string]IndexHealth, error) {
	var really []string
	out := map[string]IndexHealth{}
	for _, n := range names {
		if i, known := a.o.indices[n]; !known {
			really = append(really, n)
		} else if i != nil {
			out[n] = IndexHealth{Status: "green", Shards: i.Primaries, ActivePrimary: i.Primaries}
		}
	}
	if len(really) == 0 {
		return out, nil
	}
	more, err := a.Reader.Health(ctx, really)
	for n, h := range more { // what is being restored is assumed to end well: a dry run does not wait
		h.ActivePrimary = h.Shards
		out[n] = h
	}
	return out, err
}

// Running leaves out snapshots and deletions: a dry run does not wait for them.
func (a assumed) Running(ctx context.Context) ([]Operation, error) {
	ops, err := a.Reader.Running(ctx)
	return slices.DeleteFunc(slices.Clone(ops), func(o Operation) bool { return o.Kind != OpRestore }), err
}

// ClusterHealth is assumed to be what an action would wait for.
func (a assumed) ClusterHealth(context.Context) (Health, error) {
	return Health{Status: "green"}, nil
}

func (a assumed) Stats(ctx context.Context, names []string) (map[string]IndexStats, error) {
	out, err := askReal(ctx, a, names, a.Reader.Stats)
	for _, n := range names {
		if from := a.o.copies[n]; from != "" && err == nil {
			var of map[string]IndexStats
			of, err = a.Reader.Stats(ctx, []string{from})
			if s, ok := of[from]; ok {
				out[n] = s
			}
		}
	}
	return out, err
}

func (a assumed) Settings(ctx context.Context, names []string) (map[string]map[string]string, error) {
	out, err := askReal(ctx, a, names, a.Reader.Settings)
	for _, n := range names {
		if a.o.indices[n] != nil && err == nil {
			out[n] = map[string]string{}
		}
		if changed := a.o.settings[n]; changed != nil && err == nil {
			s := maps.Clone(out[n])
			if s == nil {
				s = map[string]string{}
			}
			maps.Copy(s, changed)
			out[n] = s
		}
	}
	return out, err
}

func (a assumed) Segments(ctx context.Context, names []string) (map[string]Segments, error) {
	return askReal(ctx, a, names, a.Reader.Segments)
}

func (a assumed) Snapshots(ctx context.Context, repository string, contents bool) ([]*Snapshot, error) {
	r, known := a.o.repositories[repository]
	if known && r == nil {
		return nil, a.noRepository(repository)
	}
	list, err := a.Reader.Snapshots(ctx, repository, contents)
	if err != nil && (r == nil || !errors.Is(err, ErrNoRepository)) {
		return nil, err // a repository that is only assumed is empty
	}
	list = slices.DeleteFunc(slices.Clone(list), func(s *Snapshot) bool { return a.o.deleted[[2]string{repository, s.Name}] })
	return append(list, a.o.snapshots[repository]...), nil
}

func (a assumed) SnapshotsNamed(ctx context.Context, repository string, names []string) ([]*Snapshot, error) {
	list, err := a.Snapshots(ctx, repository, false)
	return slices.DeleteFunc(list, func(s *Snapshot) bool { return !slices.Contains(names, s.Name) }), err
}

func (a assumed) SnapshotUUIDs(ctx context.Context, repository string) (map[string]string, error) {
	list, err := a.Snapshots(ctx, repository, false)
	if err != nil {
		return nil, err
	}
	return UUIDs(list), nil
}

func (a assumed) Snapshot(ctx context.Context, repository, name string) (*Snapshot, error) {
	if r, known := a.o.repositories[repository]; known && r == nil {
		return nil, a.noRepository(repository)
	}
	missing := &Error{Op: "read snapshot " + repository + "/" + name, Kind: ErrNoSnapshot}
	for _, s := range a.o.snapshots[repository] {
		if s.Name == name {
			return s, nil
		}
	}
	if a.o.deleted[[2]string{repository, name}] {
		return nil, missing
	}
	s, err := a.Reader.Snapshot(ctx, repository, name)
	if err == nil && s.State == InProgress { // assumed to end well: a dry run does not wait
		ended := *s
		ended.State, ended.Assumed = Success, true
		ended.Shards, ended.Failures = ShardCount{}, nil
		return &ended, nil
	}
	if a.o.repositories[repository] != nil && errors.Is(err, ErrNoRepository) {
		return nil, missing
	}
	return s, err
}

func (a assumed) Repository(ctx context.Context, name string) (Repository, error) {
	if r, known := a.o.repositories[name]; known {
		if r == nil {
			return Repository{}, a.noRepository(name)
		}
		return *r, nil
	}
	return a.Reader.Repository(ctx, name)
}

func (a assumed) Repositories(ctx context.Context) ([]Repository, error) {
	list, err := a.Reader.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(r Repository) bool { _, known := a.o.repositories[r.Name]; return known })
	for _, r := range a.o.repositories {
		if r != nil {
			list = append(list, *r)
		}
	}
	Sort(list, func(x, y Repository) int { return compareNames(x.Name, y.Name) })
	return list, nil
}

func (a assumed) noRepository(name string) error {
	return &Error{Op: "read repository " + name, Kind: ErrNoRepository}
}

// Task of a dry run has ended well.
func (a assumed) Task(ctx context.Context, id string) (Task, error) {
	if id == "" {
		return Task{Completed: true}, nil
	}
	return a.Reader.Task(ctx, id)
}

// Shards are where the assumed settings put them.
func (a assumed) Shards(ctx context.Context, names []string) ([]ShardCopy, error) {
	var really []string
	var out []ShardCopy
	for _, n := range names {
		if i, known := a.o.indices[n]; !known {
			really = append(really, n)
		} else if i != nil {
			out = append(out, ShardCopy{Index: n, Primary: true, State: "STARTED"})
		}
	}
	if len(really) == 0 {
		return out, nil
	}
	more, err := a.Reader.Shards(ctx, really)
	for _, s := range more {
		if node := a.o.settings[s.Index]["index.routing.allocation.require._name"]; node != "" && s.Primary {
			s.Node, s.State = node, "STARTED"
		}
		out = append(out, s)
	}
	return out, err
}

// WriteAliases are the real ones with the assumed changes.
func (a assumed) WriteAliases(ctx context.Context, names []string) (map[string]SeenAliases, error) {
	out, err := askReal(ctx, a, names, a.Reader.WriteAliases)
	for _, n := range names {
		if i := a.o.indices[n]; i != nil && err == nil {
			out[n] = SeenAliases{i.Aliases, i.WriteAliases}
		}
	}
	for _, act := range a.o.aliases {
		if err != nil || !slices.Contains(names, act.Index) {
			continue
		}
		without := func(list []string) []string {
			return slices.DeleteFunc(slices.Clone(list), func(alias string) bool { return alias == act.Alias })
		}
		seen := SeenAliases{without(out[act.Index].All), without(out[act.Index].Write)}
		if !act.Remove {
			seen.All = append(seen.All, act.Alias)
			if act.Extra["is_write_index"] == true {
				seen.Write = append(seen.Write, act.Alias)
			}
		}
		out[act.Index] = seen
	}
	return out, err
}

// AliasBodies are the real ones with the assumed changes.
func (a assumed) AliasBodies(ctx context.Context, index string) (map[string]map[string]any, error) {
	out := map[string]map[string]any{}
	if i, known := a.o.indices[index]; !known {
		var err error
		if out, err = a.Reader.AliasBodies(ctx, index); err != nil {
			return nil, err
		}
	} else if i == nil {
		return nil, &Error{Op: "read aliases of index " + index, Kind: ErrNoIndex}
	}
	for _, act := range a.o.aliases {
		switch {
		case act.Index != index:
		case act.Remove:
			delete(out, act.Alias)
		default:
			out[act.Alias] = maps.Clone(act.Extra)
		}
	}
	return out, nil
}

func (i *Index) withAlias(act AliasAction) *Index {
	c := *i
	c.Aliases = slices.DeleteFunc(slices.Clone(i.Aliases), func(s string) bool { return s == act.Alias })
	if !act.Remove {
		c.Aliases = append(c.Aliases, act.Alias)
		slices.Sort(c.Aliases)
	}
	return &c
}

// askReal asks only about the indices that are not assumed.
func askReal[T any](
	ctx context.Context,
	a assumed,
	names []string,
	ask func(context.Context, []string) (map[string]T, error),
) (map[string]T, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { _, known := a.o.indices[n]; return known })
	if len(names) == 0 {
		return map[string]T{}, nil
	}
	return ask(ctx, names)
}
