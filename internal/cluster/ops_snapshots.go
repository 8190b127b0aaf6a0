package cluster

import (
	"context"
	"slices"
)

// CreateSnapshot asks for a snapshot of exactly the named indices.
type CreateSnapshot struct {
	Repository        string
	Name              string
	Indices           []string       // all that it is to contain
	Plain             []string       // of them, those that are asked for by name; nil: all
	Streams           []string       // data streams that are asked for as such
	FeatureStates     []string       // nil: the server's default
	Metadata          map[string]any // nil: none
	IgnoreUnavailable bool
	GlobalState       bool
	Partial           bool

	failures []ShardFailure // in a dry run: shards that are on no node
}

// foresee implements foreseeable: shards that are on no node make a snapshot FAILED, or
// PARTIAL where that is allowed.
func (r CreateSnapshot) foresee(ctx context.Context, c Reader) (Op, error) {
	if err := r.refused(ctx, c); err != nil {
		return nil, err
	}
	red := r.lacking(ctx, c)
	if len(red) == 0 {
		return r, nil
	}
	if !r.Partial {
		return nil, &Error{Op: "create snapshot " + r.Repository + "/" + r.Name, Kind: ErrInvalid,
			Text: "the snapshot would be FAILED: index " + red[0] + " is red, with primary shards that are on no node",
			Hint: "exclude the index, or allow a snapshot without these shards with partial: true"}
	}
	problems, _ := c.ShardProblems(ctx, red) // unreadable: the run will tell
	for _, p := range problems {
		if p.Primary {
			r.failures = append(r.failures, ShardFailure{
				Index:  p.Index,
				Shard:  p.Shard,
				Reason: "the primary shard is on no node (" + p.Reason + ")",
			})
		}
	}
	return r, nil
}

// lacking are the indices with primary shards that are on no node, and not on their way.
func (r CreateSnapshot) lacking(ctx context.Context, c Reader) []string {
	health, _ := c.Health(ctx, r.Indices) // unreadable: the run will tell
	return slices.DeleteFunc(slices.Clone(r.Indices), func(n string) bool {
		h := health[n]
		return h.Status != "red" || h.Unassigned <= h.Initializing
	})
}

// refused says what the server would refuse before it begins.
func (r CreateSnapshot) refused(ctx context.Context, c Reader) error {
	op := "create snapshot " + r.Repository + "/" + r.Name
	if err := invalid(op, "snapshot", r.Name); err != nil {
		return err
	}
	server, err := c.Server(ctx)
	if err != nil {
		return err
	}
	if !server.SnapshotsClosed() {
		list, err := c.IndicesNamed(ctx, r.Indices)
		if err != nil {
			return err
		}
		for _, i := range list {
			if slices.Contains(i.Blocks, "read") {
				return &Error{
					Op: op, Kind: ErrForbidden, Text: "index " + i.Name + " is blocked by its setting index.blocks.read",
					Hint: "set index.blocks.read to false first",
				}
			}
			if i.Closed {
				return &Error{
					Op:   op,
					Kind: ErrInvalid,
					Text: "index " + i.Name + " is closed, and " + server.String() + " cannot take closed indices",
					Hint: "exclude them with a filter {filtertype: closed}",
				}
			}
		}
	}
	names, err := SnapshotNames(ctx, c, r.Repository)
	if err == nil && slices.Contains(names, r.Name) {
		err = &Error{Op: op, Kind: ErrExists, Text: "a snapshot with this name already exists"}
	}
	return err
}

// Intent implements Op.
func (r CreateSnapshot) Intent() Intent {
	return Intent{Verb: VerbCreate, What: "snapshot", Repository: r.Repository, Names: []string{r.Name}}
}

// Assume implements Op: the snapshot is there and holds the named indices, good but for
// the shards that are on no node.
func (r CreateSnapshot) Assume(o *Overlay) {
	held := slices.Clone(r.Indices)
	slices.Sort(held)
	s := &Snapshot{
		Repository: r.Repository, Name: r.Name, State: Success, Start: o.now, End: o.now, GlobalState: r.GlobalState,
		Indices: held, DataStreams: r.Streams, HasContents: true, Assumed: true,
	}
	if len(r.failures) > 0 {
		s.State, s.Failures = Partial, r.failures
	}
	o.snapshots[r.Repository] = append(o.snapshots[r.Repository], s)
}

// DeleteSnapshots names the snapshots to delete; never a pattern.
type DeleteSnapshots struct {
	Repository string
	Names      []string
}

// Intent implements Op.
func (r DeleteSnapshots) Intent() Intent {
	return Intent{Verb: VerbDelete, What: "snapshot", Repository: r.Repository, Names: r.Names}
}

// refused implements refusable.
func (r DeleteSnapshots) refused(ctx context.Context, c Reader) error {
	have, err := c.Repository(ctx, r.Repository)
	if err == nil && have.ReadOnly() {
		err = &Error{
			Op: "delete snapshots in " + r.Repository, Kind: ErrReadOnly, Text: "the repository is registered with readonly: true",
			Hint: "let the cluster that writes to the repository delete them",
		}
	}
	return err
}

// Assume implements Op.
func (r DeleteSnapshots) Assume(o *Overlay) {
	for _, n := range r.Names {
		o.deleted[[2]string{r.Repository, n}] = true
	}
	o.snapshots[r.Repository] = slices.DeleteFunc(o.snapshots[r.Repository], func(s *Snapshot) bool {
		return slices.Contains(r.Names, s.Name)
	})
}

// RestoreSnapshot asks for a restore of the named indices.
type RestoreSnapshot struct {
	Repository          string
	Name                string
	Indices             []string
	RenamePattern       string
	RenameReplacement   string
	IncludeAliases      bool
	IgnoreUnavailable   bool
	GlobalState         bool
	Partial             bool
	IndexSettings       map[string]any
	IgnoreIndexSettings []string
	FeatureStates       []string       // nil: the server's default
	Extra               map[string]any // merged into the body
	Targets             []string       // the names the indices will have; not sent
	Members             []string       // the indices of the features; not sent
}

// Intent implements Op.
func (r RestoreSnapshot) Intent() Intent {
	return Intent{Verb: VerbRestore, What: "index", Repository: r.Repository, Names: r.Targets}
}

// refused implements refusable.
func (r RestoreSnapshot) refused(ctx context.Context, c Reader) error {
	given := r.IndexSettings
	if extra, ok := r.Extra["index_settings"].(map[string]any); ok {
		given = extra // that is what the server reads then
	}
	flat := PutIndexSettings{Settings: given}.Flat()
	op := "restore " + Count(len(r.Targets), "index") + " from snapshot " + r.Repository + "/" + r.Name
	for _, fixed := range []string{"index.number_of_shards", "index.version.created", "index.uuid", "index.creation_date"} {
		if _, given := flat[fixed]; given {
			return &Error{Op: op, Kind: ErrInvalid, Text: "a restore cannot change the setting " + fixed}
		}
	}
	server, err := c.Server(ctx)
	if err == nil {
		err = refusedValue(op, flat)
	}
	if err != nil || server.OpenSearch || !server.Version.Less(Version{6, 8, 0}) { // those restore with what they do not know
		return err
	}
	return unknownSetting(ctx, c, op, flat)
}

// Assume implements Op: the targets are there, open, created now.
func (r RestoreSnapshot) Assume(o *Overlay) {
	for _, n := range slices.Concat(r.Targets, r.Members) {
		delete(o.closed, n)
		o.indices[n] = &Index{Name: n, Created: o.now, Primaries: 1, System: IsDotted(n), Assumed: true}
	}
}
