package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Op is a request to change the cluster: what is asked of a Writer, said in a
// form that can be shown, and the effect a dry run assumes it has.
type Op interface {
	// Intent is the op in words and names.
	Intent() Intent
	// Assume applies the op's effect to what later reads of a dry run show.
	Assume(o *Overlay)
}

// Intent is a change that was, or in a dry run would have been, asked for.
type Intent struct {
	Verb       Verb
	What       string   // index, snapshot, repository, alias
	Repository string   // empty where none is involved
	Names      []string // what it is done to
	Detail     string   // how, where that is worth knowing; never a secret
}

// RegisterRepository asks for a repository. Settings keep their YAML types.
type RegisterRepository struct {
	Name     string
	Type     string
	Settings map[string]any
	Verify   bool
}

// VerifyRepository asks every node to write to a repository.
type VerifyRepository struct{ Name string }

// UnregisterRepository takes a repository out of the cluster.
type UnregisterRepository struct{ Name string }

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

// DeleteSnapshots names the snapshots to delete; never a pattern.
type DeleteSnapshots struct {
	Repository string
	Names      []string
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
}

// DeleteIndices names the indices to delete; never a pattern.
type DeleteIndices struct {
	Names         []string
	MasterTimeout time.Duration // 0 means the server's
}

// AliasAction adds or removes one alias of one index.
type AliasAction struct {
	Remove bool
	Index  string
	Alias  string
	Extra  map[string]any // filter, routing, is_write_index, …
}

// UpdateAliases is a list of alias actions, applied together.
type UpdateAliases struct{ Actions []AliasAction }

// Intent implements Op.
func (r RegisterRepository) Intent() Intent {
	return Intent{Verb: VerbRegister, What: "repository", Repository: r.Name, Names: []string{r.Name}}
}

// Assume implements Op.
func (r RegisterRepository) Assume(o *Overlay) {
	repo := Repository{Name: r.Name, Type: r.Type, Settings: Flatten(r.Settings), Assumed: true}
	o.repositories[r.Name] = &repo
}

// Intent implements Op.
func (r VerifyRepository) Intent() Intent {
	return Intent{Verb: VerbVerify, What: "repository", Repository: r.Name, Names: []string{r.Name}}
}

// Assume implements Op: verification changes nothing that can be read.
func (r VerifyRepository) Assume(*Overlay) {}

// Intent implements Op.
func (r UnregisterRepository) Intent() Intent {
	return Intent{Verb: VerbUnregister, What: "repository", Repository: r.Name, Names: []string{r.Name}}
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
			Hint: "leave the index out, or allow a snapshot without these shards with partial: true"}
	}
	problems, _ := c.ShardProblems(ctx, red) // unreadable: the run will tell
	for _, p := range problems {
		if p.Primary {
			r.failures = append(r.failures, ShardFailure{Index: p.Index, Shard: p.Shard, Reason: "the primary shard is on no node (" + p.Reason + ")"})
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
			if i.Closed {
				return &Error{Op: op, Kind: ErrInvalid, Text: "index " + i.Name + " is closed, and " + server.String() + " cannot take closed indices", Hint: "leave them out with a filter {filtertype: closed}"}
			}
		}
	}
	names, err := SnapshotNames(ctx, c, r.Repository)
	if err == nil && slices.Contains(names, r.Name) {
		err = &Error{Op: op, Kind: ErrExists, Text: "a snapshot of this name is there already"}
	}
	return err
}

// Assume implements Op.
func (r UnregisterRepository) Assume(o *Overlay) { o.repositories[r.Name] = nil }

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

// Intent implements Op.
func (r DeleteSnapshots) Intent() Intent {
	return Intent{Verb: VerbDelete, What: "snapshot", Repository: r.Repository, Names: r.Names}
}

// Assume implements Op.
func (r DeleteSnapshots) Assume(o *Overlay) {
	for _, n := range r.Names {
		o.gone[[2]string{r.Repository, n}] = true
	}
	o.snapshots[r.Repository] = slices.DeleteFunc(o.snapshots[r.Repository], func(s *Snapshot) bool { return slices.Contains(r.Names, s.Name) })
}

// Intent implements Op.
func (r RestoreSnapshot) Intent() Intent {
	return Intent{Verb: VerbRestore, What: "index", Repository: r.Repository, Names: r.Targets}
}

// refused implements refusable.
func (r RestoreSnapshot) refused(context.Context, Reader) error {
	given := r.IndexSettings
	if extra, ok := r.Extra["index_settings"].(map[string]any); ok {
		given = extra // that is what the server reads then
	}
	flat := PutIndexSettings{Settings: given}.Flat()
	bad := badSetting(flat)
	for _, fixed := range []string{"index.number_of_shards", "index.version.created", "index.uuid", "index.creation_date"} {
		if _, given := flat[fixed]; given && bad == "" {
			bad = "a restore cannot change the setting " + fixed
		}
	}
	if bad != "" {
		return &Error{Op: "restore " + Count(len(r.Targets), "index") + " from snapshot " + r.Repository + "/" + r.Name, Kind: ErrInvalid, Text: bad}
	}
	return nil
}

// Assume implements Op: the targets are there, created now.
func (r RestoreSnapshot) Assume(o *Overlay) {
	for _, n := range r.Targets {
		o.indices[n] = &Index{Name: n, Created: o.now, Primaries: 1, System: IsDotted(n), Assumed: true}
	}
}

// Intent implements Op.
func (r DeleteIndices) Intent() Intent { return Intent{Verb: VerbDelete, What: "index", Names: r.Names} }

// Assume implements Op.
func (r DeleteIndices) Assume(o *Overlay) {
	for _, n := range r.Names {
		o.indices[n] = nil
	}
}

// Intent implements Op.
func (r UpdateAliases) Intent() Intent {
	in := Intent{Verb: VerbUpdate, What: "alias"}
	for _, a := range r.Actions {
		in.Names = append(in.Names, a.Alias)
	}
	return in
}

// refused implements refusable.
func (r UpdateAliases) refused(ctx context.Context, c Reader) error {
	taken := map[string]string{}
	if slices.ContainsFunc(r.Actions, func(a AliasAction) bool { return !a.Remove }) {
		list, err := c.Indices(ctx)
		if err != nil {
			return err
		}
		for _, i := range list {
			taken[i.Name] = "index"
			if i.DataStream != "" {
				taken[i.DataStream] = "data stream"
			}
		}
	}
	for _, a := range r.Actions {
		if a.Remove {
			continue
		}
		if what := taken[a.Alias]; what != "" {
			return &Error{Op: "update aliases", Kind: ErrInvalid, Text: fmt.Sprintf("%q cannot be the name of an alias: %s of that name is there", a.Alias, article(what))}
		}
		if err := invalid("update aliases", "alias", a.Alias); err != nil {
			return err
		}
	}
	return nil
}

// Assume implements Op.
func (r UpdateAliases) Assume(o *Overlay) { o.aliases = append(o.aliases, r.Actions...) }

// refused implements refusable: read-only indices are not deleted.
func (r DeleteIndices) refused(ctx context.Context, c Reader) error {
	return refusedByBlock(ctx, c, VerbDelete, r.Names, "read_only", "metadata")
}

// refusedByBlock says what the server would: that a change of an index is blocked by
// one of its own settings.
func refusedByBlock(ctx context.Context, c Reader, verb Verb, names []string, blocks ...string) error {
	list, err := c.IndicesNamed(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range list {
		for _, b := range i.Blocks {
			if slices.Contains(blocks, b) {
				return &Error{Op: verb.String() + " index " + i.Name, Kind: ErrForbidden, Text: "the index is blocked by its setting index.blocks." + b, Hint: "set index.blocks." + b + " to false first"}
			}
		}
	}
	return nil
}

// Overlay is what a dry run assumes on top of what the cluster really holds.
type Overlay struct {
	now          time.Time
	indices      map[string]*Index // nil: gone
	snapshots    map[string][]*Snapshot
	gone         map[[2]string]bool
	repositories map[string]*Repository // nil: gone
	aliases      []AliasAction
	closed       map[string]bool // or opened: false
	settings     map[string]map[string]string
	copies       map[string]string // of what an index that is made holds the documents
}

// Intercept passes every write to around, which carries it out by calling do, or
// does not. Reads go through untouched. The runner uses it to keep its listings
// honest, DryRun to send nothing.
func Intercept(r Reader, w Writer, around func(ctx context.Context, op Op, do func() error) error) Cluster {
	return intercept{r, w, around}
}

type intercept struct {
	Reader // not Cluster: a new write method has to be spelt out here to compile
	w      Writer
	around func(ctx context.Context, op Op, do func() error) error
}

func (i intercept) RegisterRepository(ctx context.Context, r RegisterRepository) error {
	return i.around(ctx, r, func() error { return i.w.RegisterRepository(ctx, r) })
}

func (i intercept) VerifyRepository(ctx context.Context, r VerifyRepository) (nodes []string, err error) {
	err = i.around(ctx, r, func() error { nodes, err = i.w.VerifyRepository(ctx, r); return err })
	return nodes, err
}

func (i intercept) UnregisterRepository(ctx context.Context, r UnregisterRepository) error {
	return i.around(ctx, r, func() error { return i.w.UnregisterRepository(ctx, r) })
}

func (i intercept) CreateSnapshot(ctx context.Context, r CreateSnapshot) error {
	return i.around(ctx, r, func() error { return i.w.CreateSnapshot(ctx, r) })
}

func (i intercept) DeleteSnapshots(ctx context.Context, r DeleteSnapshots) error {
	return i.around(ctx, r, func() error { return i.w.DeleteSnapshots(ctx, r) })
}

func (i intercept) RestoreSnapshot(ctx context.Context, r RestoreSnapshot) error {
	return i.around(ctx, r, func() error { return i.w.RestoreSnapshot(ctx, r) })
}

func (i intercept) DeleteIndices(ctx context.Context, r DeleteIndices) error {
	return i.around(ctx, r, func() error { return i.w.DeleteIndices(ctx, r) })
}

func (i intercept) UpdateAliases(ctx context.Context, r UpdateAliases) error {
	return i.around(ctx, r, func() error { return i.w.UpdateAliases(ctx, r) })
}

// DryRun is the cluster as it would be: reads are real, with the effects of the
// writes asked so far assumed; writes are not sent but given to record. Now
// dates what is assumed to be created. What the server would refuse because it is there
// is refused, unless now is fixedNow: then it may not have been there.
func DryRun(r Reader, now time.Time, fixedNow bool, record func(Op)) Cluster {
	o := &Overlay{
		now: now, indices: map[string]*Index{}, snapshots: map[string][]*Snapshot{},
		gone: map[[2]string]bool{}, repositories: map[string]*Repository{}, closed: map[string]bool{}, settings: map[string]map[string]string{},
		copies: map[string]string{},
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

// refusable writes tell what the server would refuse, as far as reading shows it: a
// dry run refuses the same.
type refusable interface {
	refused(ctx context.Context, c Reader) error
}

// foreseeable writes also know more of their effect after reading: the op that is
// returned is assumed.
type foreseeable interface {
	foresee(ctx context.Context, c Reader) (Op, error)
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
	for _, name := range slices.Sorted(maps.Keys(a.o.indices)) {
		if i := a.o.indices[name]; i != nil {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(x, y *Index) int { return compareNames(x.Name, y.Name) })
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
	return slices.DeleteFunc(slices.Clone(list), func(i *Index) bool { return !slices.Contains(names, i.Name) }), err
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
	for n, h := range more { // what is being restored is assumed to end well: a rehearsal does not wait
		h.ActivePrimary = h.Shards
		out[n] = h
	}
	return out, err
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

func (a assumed) Segments(ctx context.Context, names []string) (map[string]int, error) {
	return askReal(ctx, a, names, a.Reader.Segments)
}

// askReal asks only about the indices that are not assumed.
func askReal[T any](ctx context.Context, a assumed, names []string, ask func(context.Context, []string) (map[string]T, error)) (map[string]T, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { _, known := a.o.indices[n]; return known })
	if len(names) == 0 {
		return map[string]T{}, nil
	}
	return ask(ctx, names)
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
	list = slices.DeleteFunc(slices.Clone(list), func(s *Snapshot) bool { return a.o.gone[[2]string{repository, s.Name}] })
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
	if a.o.gone[[2]string{repository, name}] {
		return nil, missing
	}
	s, err := a.Reader.Snapshot(ctx, repository, name)
	if err == nil && s.State == InProgress { // assumed to end well: a rehearsal does not wait
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
	slices.SortFunc(list, func(x, y Repository) int { return compareNames(x.Name, y.Name) })
	return list, nil
}

func (a assumed) noRepository(name string) error {
	return &Error{Op: "read repository " + name, Kind: ErrNoRepository}
}
