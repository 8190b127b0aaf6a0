package cluster

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stub is a cluster that holds a little and must not be written to.
type stub struct {
	Reader
	asked []string // what Stats and Health were asked for
	sight Sight
}

var (
	stubIndices = []*Index{{Name: "a", Primaries: 1, Aliases: []string{"all"}}, {Name: "b", Primaries: 1}}
	stubStart   = time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	stubNow     = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
)

func (*stub) Indices(context.Context) ([]*Index, error) { return stubIndices, nil }

func (s *stub) Sight() Sight { return s.sight }

func (*stub) Server(context.Context) (Server, error) {
	return Server{Text: "6.7.0", Version: Version{6, 7, 0}}, nil
}

func (s *stub) Stats(_ context.Context, names []string) (map[string]IndexStats, error) {
	s.asked = append(s.asked, names...)
	return map[string]IndexStats{"a": {Docs: 7}}, nil
}

func (s *stub) Health(_ context.Context, names []string) (map[string]IndexHealth, error) {
	s.asked = append(s.asked, names...)
	return map[string]IndexHealth{"a": {Status: "yellow", Shards: 1, ActivePrimary: 1}}, nil
}

func (*stub) Snapshots(_ context.Context, repository string, _ bool) ([]*Snapshot, error) {
	if repository != "r" {
		return nil, &Error{Op: "list", Kind: ErrNoRepository}
	}
	return []*Snapshot{
		{Repository: "r", Name: "old", State: Success, Start: stubStart},
		{Repository: "r", Name: "older", State: Partial, Start: stubStart},
	}, nil
}

func (s *stub) Snapshot(ctx context.Context, repository, name string) (*Snapshot, error) {
	list, err := s.Snapshots(ctx, repository, true)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list, func(s *Snapshot) bool { return s.Name == name }); i >= 0 {
		return list[i], nil
	}
	return nil, &Error{Op: "read", Kind: ErrNoSnapshot}
}

func (*stub) Repositories(context.Context) ([]Repository, error) {
	return []Repository{{Name: "r", Type: "fs"}}, nil
}

func (*stub) Repository(_ context.Context, name string) (Repository, error) {
	if name != "r" {
		return Repository{}, &Error{Op: "read", Kind: ErrNoRepository}
	}
	return Repository{Name: "r", Type: "fs"}, nil
}

func dry() (Cluster, *stub, *[]Intent) {
	s, intents := &stub{}, &[]Intent{}
	return DryRun(s, stubNow, false, func(op Op) { *intents = append(*intents, op.Intent()) }), s, intents
}

func indexNames(t *testing.T, c Cluster) []string {
	t.Helper()
	list, err := c.Indices(context.Background())
	require.NoError(t, err)
	return Names(list)
}

func TestDryRunRecordsEveryWrite(t *testing.T) {
	ctx := context.Background()
	c, _, intents := dry()
	require.NoError(t, c.RegisterRepository(ctx, RegisterRepository{Name: "n", Type: "fs"}))
	nodes, err := c.VerifyRepository(ctx, VerifyRepository{Name: "n"})
	require.NoError(t, err)
	require.Empty(t, nodes)
	require.NoError(t, c.CreateSnapshot(ctx, CreateSnapshot{Repository: "n", Name: "s"}))
	require.NoError(t, c.RestoreSnapshot(ctx, RestoreSnapshot{
		Repository: "n",
		Name:       "s",
		Indices:    []string{"a"},
		Targets:    []string{"restored-a"},
	}))
	require.NoError(t, c.DeleteSnapshots(ctx, DeleteSnapshots{Repository: "n", Names: []string{"s", "t"}}))
	require.NoError(t, c.DeleteIndices(ctx, DeleteIndices{Names: []string{"a", "b"}}))
	require.NoError(t, c.UpdateAliases(ctx,
		UpdateAliases{Actions: []AliasAction{{Index: "a", Alias: "x"}, {Remove: true, Index: "a", Alias: "y"}}}))
	require.NoError(t, c.UnregisterRepository(ctx, UnregisterRepository{Name: "n"}))
	require.Equal(t, []Intent{
		{Verb: VerbRegister, What: "repository", Repository: "n", Names: []string{"n"}},
		{Verb: VerbVerify, What: "repository", Repository: "n", Names: []string{"n"}},
		{Verb: VerbCreate, What: "snapshot", Repository: "n", Names: []string{"s"}},
		{Verb: VerbRestore, What: "index", Repository: "n", Names: []string{"restored-a"}},
		{Verb: VerbDelete, What: "snapshot", Repository: "n", Names: []string{"s", "t"}},
		{Verb: VerbDelete, What: "index", Names: []string{"a", "b"}},
		{Verb: VerbUpdate, What: "alias", Names: []string{"x", "y"}},
		{Verb: VerbUnregister, What: "repository", Repository: "n", Names: []string{"n"}},
	}, *intents)
}

func TestDryRunWithoutWritesReadsThrough(t *testing.T) {
	ctx := context.Background()
	c, _, _ := dry()
	require.Equal(t, []string{"a", "b"}, indexNames(t, c))
	names, err := SnapshotNames(ctx, c, "r")
	require.NoError(t, err)
	require.Equal(t, []string{"old", "older"}, names)
	_, err = c.Snapshots(ctx, "nope", false)
	require.ErrorIs(t, err, ErrNoRepository)
	_, err = c.Snapshot(ctx, "r", "nope")
	require.ErrorIs(t, err, ErrNoSnapshot)
	_, err = c.Repository(ctx, "nope")
	require.ErrorIs(t, err, ErrNoRepository)
}

func TestDryRunShowsTheCreatedSnapshot(t *testing.T) {
	ctx := context.Background()
	c, _, _ := dry()
	require.NoError(t, c.CreateSnapshot(ctx, CreateSnapshot{Repository: "r", Name: "new", Indices: []string{"b", "a"}, GlobalState: true}))
	s, err := c.Snapshot(ctx, "r", "new")
	require.NoError(t, err)
	require.True(t, s.Good())
	require.True(t, s.Assumed)
	require.True(t, s.HasContents)
	require.Equal(t, stubNow, s.Start)
	require.Empty(t, s.Missing([]*Index{{Name: "a"}, {Name: "b"}}))
	require.Equal(t, []string{"c"}, s.Missing([]*Index{{Name: "c"}}))
	names, err := SnapshotNames(ctx, c, "r")
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old", "older"}, names)
	other, err := c.Snapshot(ctx, "r", "old")
	require.NoError(t, err)
	require.False(t, other.Assumed)
}

func TestDryRunTakesOutDeletedSnapshots(t *testing.T) {
	ctx := context.Background()
	c, _, _ := dry()
	require.NoError(t, c.CreateSnapshot(ctx, CreateSnapshot{Repository: "r", Name: "new"}))
	require.NoError(t, c.DeleteSnapshots(ctx, DeleteSnapshots{Repository: "r", Names: []string{"old", "new"}}))
	require.ErrorIs(t, c.DeleteSnapshots(ctx, DeleteSnapshots{Repository: "elsewhere", Names: []string{"older"}}), ErrNoRepository)
	names, err := SnapshotNames(ctx, c, "r")
	require.NoError(t, err)
	require.Equal(t, []string{"older"}, names)
	for _, gone := range []string{"old", "new"} {
		_, err = c.Snapshot(ctx, "r", gone)
		require.ErrorIs(t, err, ErrNoSnapshot)
	}
	require.NoError(t, c.CreateSnapshot(ctx, CreateSnapshot{Repository: "r", Name: "old"}))
	s, err := c.Snapshot(ctx, "r", "old")
	require.NoError(t, err)
	require.True(t, s.Assumed)
}

func TestDryRunRepositories(t *testing.T) {
	ctx := context.Background()
	c, _, _ := dry()
	require.NoError(t, c.RegisterRepository(ctx, RegisterRepository{
		Name:     "n",
		Type:     "fs",
		Settings: map[string]any{"location": "/x", "compress": true},
	}))
	got, err := c.Repository(ctx, "n")
	require.NoError(t, err)
	require.Equal(t, Repository{Name: "n", Type: "fs", Settings: map[string]string{"location": "/x", "compress": "true"}, Assumed: true}, got)
	list, err := c.Repositories(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"n", "r"}, []string{list[0].Name, list[1].Name})
	snapshots, err := c.Snapshots(ctx, "n", true)
	require.NoError(t, err, "an assumed repository is empty, not missing")
	require.Empty(t, snapshots)
	_, err = c.Snapshot(ctx, "n", "s")
	require.ErrorIs(t, err, ErrNoSnapshot)
	require.NotErrorIs(t, err, ErrNoRepository)
	require.NoError(t, c.CreateSnapshot(ctx, CreateSnapshot{Repository: "n", Name: "s"}))
	names, err := SnapshotNames(ctx, c, "n")
	require.NoError(t, err)
	require.Equal(t, []string{"s"}, names)

	require.NoError(t, c.UnregisterRepository(ctx, UnregisterRepository{Name: "r"}))
	list, err = c.Repositories(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = c.Repository(ctx, "r")
	require.ErrorIs(t, err, ErrNoRepository)
	_, err = c.Snapshots(ctx, "r", false)
	require.ErrorIs(t, err, ErrNoRepository)
	_, err = c.Snapshot(ctx, "r", "old")
	require.ErrorIs(t, err, ErrNoRepository)

	require.NoError(t, c.RegisterRepository(ctx, RegisterRepository{Name: "r", Type: "fs"}))
	_, err = c.Snapshot(ctx, "r", "old")
	require.NoError(t, err, "unregistering removes no snapshot")
}

func TestDryRunIndices(t *testing.T) {
	ctx := context.Background()
	c, s, _ := dry()
	require.NoError(t, c.DeleteIndices(ctx, DeleteIndices{Names: []string{"b"}}))
	require.NoError(t, c.RestoreSnapshot(ctx, RestoreSnapshot{Targets: []string{"aa", ".sys"}}))
	require.Equal(t, []string{".sys", "a", "aa"}, indexNames(t, c), "sorted by name")
	list, err := c.Indices(ctx)
	require.NoError(t, err)
	require.True(t, list[2].Assumed)
	require.True(t, list[0].System)
	require.False(t, list[2].System)
	require.Equal(t, stubNow, list[2].Created)

	health, err := c.Health(ctx, []string{"a", "aa", "b"})
	require.NoError(t, err)
	require.Equal(t, "yellow", health["a"].Status)
	aa := health["aa"]
	require.True(t, aa.Ready())
	require.NotContains(t, health, "b")
	stats, err := c.Stats(ctx, []string{"a", "aa", "b"})
	require.NoError(t, err)
	require.Equal(t, map[string]IndexStats{"a": {Docs: 7}}, stats)
	require.Equal(t, []string{"a", "a"}, s.asked, "what is assumed is not asked for")
	_, err = c.Stats(ctx, []string{"b"})
	require.NoError(t, err)
	_, err = c.Health(ctx, []string{"b"})
	require.NoError(t, err)
	require.Len(t, s.asked, 2)

	require.NoError(t, c.RestoreSnapshot(ctx, RestoreSnapshot{Targets: []string{"b"}}))
	require.Equal(t, []string{".sys", "a", "aa", "b"}, indexNames(t, c))
	require.NoError(t, c.DeleteIndices(ctx, DeleteIndices{Names: []string{"aa"}}))
	require.Equal(t, []string{".sys", "a", "b"}, indexNames(t, c))
}

func TestDryRunAliases(t *testing.T) {
	ctx := context.Background()
	c, _, _ := dry()
	require.NoError(t, c.RestoreSnapshot(ctx, RestoreSnapshot{Targets: []string{"r"}}))
	require.NoError(t, c.UpdateAliases(ctx, UpdateAliases{Actions: []AliasAction{
		{Index: "a", Alias: "zz"}, {Index: "a", Alias: "all", Remove: true}, {Index: "a", Alias: "all"},
		{Index: "b", Alias: "x"}, {Index: "b", Alias: "x", Remove: true}, {Index: "r", Alias: "esnap-keep-until-2026.11.28"},
	}}))
	list, err := c.Indices(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"all", "zz"}, list[0].Aliases)
	require.Empty(t, list[1].Aliases)
	require.False(t, list[2].KeepUntil().IsZero())
	require.Equal(t, []string{"all"}, stubIndices[0].Aliases, "what was read is not changed")
}

func TestInterceptDecidesWhetherToWrite(t *testing.T) {
	ctx := context.Background()
	w := &writer{}
	var ops []Op
	c := Intercept(&stub{}, w, func(_ context.Context, op Op, do func() error) error {
		ops = append(ops, op)
		if op.Intent().Verb == VerbDelete {
			return ErrBusy
		}
		return do()
	})
	nodes, err := c.VerifyRepository(ctx, VerifyRepository{Name: "r"})
	require.NoError(t, err)
	require.Equal(t, []string{"node"}, nodes)
	require.ErrorIs(t, c.DeleteIndices(ctx, DeleteIndices{Names: []string{"a"}}), ErrBusy)
	require.ErrorIs(t, c.DeleteSnapshots(ctx, DeleteSnapshots{Names: []string{"a"}}), ErrBusy)
	require.ErrorIs(t, c.CreateSnapshot(ctx, CreateSnapshot{Name: "s"}), ErrExists)
	require.Equal(t, []string{"verify", "create"}, w.done)
	require.Len(t, ops, 4)
}

// writer carries out two kinds of writes; any other is a nil dereference.
type writer struct {
	Writer
	done []string
}

func (w *writer) VerifyRepository(context.Context, VerifyRepository) ([]string, error) {
	w.done = append(w.done, "verify")
	return []string{"node"}, nil
}

func (w *writer) CreateSnapshot(context.Context, CreateSnapshot) error {
	w.done = append(w.done, "create")
	return ErrExists
}

// What the server would refuse because of a name is refused in a dry run, too.
func TestDryRunRefusesNames(t *testing.T) {
	c, _, intents := dry()
	ctx := context.Background()
	update := func(act AliasAction) error {
		return c.UpdateAliases(ctx, UpdateAliases{Actions: []AliasAction{act}})
	}
	for name, refused := range map[string]error{
		"an index of that name is there":           update(AliasAction{Index: "a", Alias: "b"}),
		"names must not start with - _ or":         update(AliasAction{Index: "a", Alias: "_a"}),
		"snapshot: names must be lower case":       c.CreateSnapshot(ctx, CreateSnapshot{Repository: "r", Name: "Upper"}),
		"an index: names must be lower case":       c.CreateIndex(ctx, CreateIndex{Name: "Upper"}),
		"contains a character that is not allowed": c.ShrinkIndex(ctx, ShrinkIndex{Source: "a", Target: "a shrunk"}),
	} {
		require.ErrorIs(t, refused, ErrInvalid, name)
		require.ErrorContains(t, refused, name)
	}
	require.Empty(t, *intents)
	require.NoError(t, update(AliasAction{Index: "a", Alias: "Any"}))
	require.NoError(t, update(AliasAction{Index: "a", Alias: "b", Remove: true}), "nothing is added")
	require.NoError(t, c.DeleteIndices(ctx, DeleteIndices{Names: []string{"b"}}))
	require.NoError(t, update(AliasAction{Index: "a", Alias: "b"}), "an index that is assumed to be deleted is not in the way")
}

// TestDryRunKnowsBlocks: what the server would refuse because of an index's own
// settings, or its version, a dry run refuses.
func TestDryRunKnowsBlocks(t *testing.T) {
	defer func(was []*Index) { stubIndices = was }(stubIndices)
	stubIndices = []*Index{
		{Name: "full", Blocks: []string{"read_only_allow_delete"}},
		{Name: "ro", Blocks: []string{"read_only"}},
		{Name: "shut", Closed: true},
		{Name: "w", Blocks: []string{"write"}},
	}
	ctx := context.Background()
	set := map[string]any{"number_of_replicas": 0}
	for name, want := range map[string][]bool{ // delete, settings, close, snapshot on 6.7
		"ro": {false, false, false, true}, "full": {true, false, false, true}, "w": {true, true, true, true}, "shut": {true, true, true, false},
	} {
		for i, err := range []error{
			func() error { c, _, _ := dry(); return c.DeleteIndices(ctx, DeleteIndices{Names: []string{name}}) }(),
			func() error {
				c, _, _ := dry()
				return c.PutIndexSettings(ctx, PutIndexSettings{Names: []string{name}, Settings: set})
			}(),
			func() error {
				c, _, _ := dry()
				return c.OpenIndices(ctx, OpenIndices{Names: []string{name}, Close: true})
			}(),
			func() error {
				c, _, _ := dry()
				return c.CreateSnapshot(ctx, CreateSnapshot{Repository: "r", Name: "new", Indices: []string{name}})
			}(),
		} {
			require.Equal(t, want[i], err == nil, "%s, %d: %v", name, i, err)
		}
	}
	c, _, _ := dry()
	require.NoError(t, c.PutIndexSettings(ctx, PutIndexSettings{
		Names:    []string{"ro"},
		Settings: map[string]any{"index.blocks.read_only": false},
	}), "a block may be lifted")
	require.NoError(t, c.DeleteIndices(ctx, DeleteIndices{Names: []string{"ro"}}), "and then it is")
}

func (*stub) Document(_ context.Context, index, id string) (Document, error) {
	if id == "there" {
		return Document{ID: id, Time: stubStart}, nil
	}
	return Document{}, &Error{Op: "read", Kind: ErrNoDocument}
}

func (*stub) KnownSettings(context.Context, string) (map[string]bool, error) {
	return map[string]bool{"index.translog.durability": true}, nil
}

func (*stub) Documents(context.Context, DocumentQuery) ([]Document, error) {
	return []Document{{ID: "there", Time: stubStart}}, nil
}

// TestDocumentsOfADryRun: written and deleted ones are assumed.
func TestDocumentsOfADryRun(t *testing.T) {
	ctx := t.Context()
	var asked []Op
	c := DryRun(&stub{}, stubNow, false, func(op Op) { asked = append(asked, op) })
	ids := func(q DocumentQuery) (ids []string) {
		q.Index = "i"
		list, err := c.Documents(ctx, q)
		require.NoError(t, err)
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		return ids
	}
	_, err := c.PutDocument(ctx, PutDocument{Index: "i", ID: "made", Time: stubNow, Body: "x"})
	require.NoError(t, err)
	d, err := c.Document(ctx, "i", "made")
	require.NoError(t, err)
	require.Equal(t, `"x"`, string(d.Body))
	require.Equal(t, []string{"made", "there"}, ids(DocumentQuery{Limit: 5}))
	require.Equal(t, []string{"made"}, ids(DocumentQuery{Limit: 1}))
	require.Equal(t, []string{"there"}, ids(DocumentQuery{Limit: 5, Before: stubNow}))
	require.NoError(t, c.DeleteDocument(ctx, DeleteDocument{Index: "i", ID: "there"}))
	_, err = c.Document(ctx, "i", "there")
	require.ErrorIs(t, err, ErrNoDocument)
	require.Equal(t, []string{"made"}, ids(DocumentQuery{Limit: 5}))
	require.Len(t, asked, 2)
	require.Equal(t, []string{"i/made"}, asked[0].Intent().Names)
}

// What an action's kind does not name is refused before it is sent.
func TestOnly(t *testing.T) {
	w := &writer{}
	c := Only(Intercept(&stub{}, w, func(_ context.Context, _ Op, do func() error) error { return do() }), "snapshot",
		CreateSnapshot{}, VerifyRepository{})
	ctx := context.Background()
	_, err := c.VerifyRepository(ctx, VerifyRepository{Name: "r"})
	require.NoError(t, err)
	require.ErrorIs(t, c.CreateSnapshot(ctx, CreateSnapshot{Name: "s"}), ErrExists)
	err = c.DeleteIndices(ctx, DeleteIndices{Names: []string{"a", "b"}})
	require.ErrorIs(t, err, ErrForbidden)
	require.ErrorContains(t, err, "delete index a: the action snapshot must not send this request")
	require.Error(t, c.PutClusterSettings(ctx, PutClusterSettings{}))
	require.Equal(t, []string{"verify", "create"}, w.done)
}

// What may only be sent if everything is known is refused to a user who does not see it
// all, also in a dry run.
func TestWritesWithoutSight(t *testing.T) {
	ctx := context.Background()
	for name, sight := range map[string]Sight{"indices": {Indices: ErrForbidden}, "operations": {Operations: ErrForbidden}} {
		t.Run(name, func(t *testing.T) {
			w := &writer{}
			r := &stub{sight: sight}
			for _, c := range []Cluster{
				Intercept(r, w, func(_ context.Context, _ Op, do func() error) error { return do() }),
				DryRun(r, stubNow, true, func(op Op) { w.done = append(w.done, op.Intent().Verb.String()) }),
			} {
				require.ErrorIs(t, c.RestoreSnapshot(ctx, RestoreSnapshot{Repository: "r", Name: "old"}), ErrForbidden)
				require.ErrorIs(t, c.DeleteSnapshots(ctx, DeleteSnapshots{Repository: "r", Names: []string{"old"}}), ErrForbidden)
				require.ErrorIs(t, c.UnregisterRepository(ctx, UnregisterRepository{Name: "r"}), ErrForbidden)
				require.ErrorIs(t, c.MountSnapshot(ctx, MountSnapshot{Repository: "r", Snapshot: "old"}), ErrForbidden)
				require.Empty(t, w.done)
				_, err := c.VerifyRepository(ctx, VerifyRepository{Name: "r"})
				require.NoError(t, err)
				require.Equal(t, []string{"verify"}, w.done)
				w.done = nil
			}
		})
	}
}

func TestAVerbHasBothForms(t *testing.T) {
	require.Equal(t, []string{"shrink", "shrunk"}, []string{VerbShrink.String(), VerbShrink.Past()})
	require.Panics(t, func() { NewVerb("shrink", "") })
	require.Panics(t, func() { NewVerb("", "shrunk") })
}

// A setting that the server does not know is refused in a dry run, whatever writes it.
func TestADryRunKnowsUnknownSettings(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(Cluster, map[string]any) error{
		"change": func(c Cluster, s map[string]any) error {
			return c.PutIndexSettings(ctx, PutIndexSettings{Names: []string{"a"}, Settings: s})
		},
		"create": func(c Cluster, s map[string]any) error {
			return c.CreateIndex(ctx, CreateIndex{Name: "c", Body: map[string]any{"settings": s}})
		},
		"restore": func(c Cluster, s map[string]any) error {
			return c.RestoreSnapshot(ctx, RestoreSnapshot{Repository: "r", Name: "s", Targets: []string{"x"}, IndexSettings: s})
		},
		"shrink": func(c Cluster, s map[string]any) error {
			return c.ShrinkIndex(ctx, ShrinkIndex{Source: "a", Target: "y", Settings: s})
		},
	} {
		for setting, want := range map[string]bool{
			"nosuch": false, "index.nosuch": false, "lifecycle.name": false, "translog.durability": true, "index.analysis.filter.x.type": true,
			"routing.allocation.require.zone": true, "number_of_replicas": true,
		} {
			c, _, _ := dry()
			value := map[string]any{setting: "1"}
			err := write(c, value)
			require.Equal(t, want, err == nil, "%s %s: %v", name, setting, err)
			if !want {
				require.ErrorIs(t, err, ErrInvalid)
				require.ErrorContains(t, err, "the server does not know the setting index.")
			}
		}
		c, _, _ := dry()
		require.NoError(t, write(c, map[string]any{"translog.durability": nil}), name)
	}
}

// What a server refuses of a new index, and of a snapshot before 7.2, a dry run refuses, too.
func TestADryRunKnowsWhatIsNoIndex(t *testing.T) {
	ctx := context.Background()
	for name, body := range map[string]map[string]any{
		"an impossible number": {"settings": map[string]any{"number_of_shards": 0}},
		"nested":               {"settings": map[string]any{"index": map[string]any{"number_of_replicas": "many"}}},
		"fine":                 {"settings": map[string]any{"number_of_shards": "+1", "refresh_interval": " 30S", "blocks": map[string]any{}}},
		"an unknown part":      {"templates": map[string]any{}},
	} {
		c, _, _ := dry()
		err := c.CreateIndex(ctx, CreateIndex{Name: "c", Body: body})
		if name == "fine" || name == "an unknown part" { // which the stub's 6.7.0 may know
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, ErrInvalid, name)
		}
	}
	was := stubIndices[0].Blocks
	stubIndices[0].Blocks = []string{"read"}
	defer func() { stubIndices[0].Blocks = was }()
	c, _, _ := dry()
	require.ErrorIs(t, c.CreateSnapshot(ctx, CreateSnapshot{Repository: "r", Name: "new", Indices: []string{"a"}}), ErrForbidden)
}
