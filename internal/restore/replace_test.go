package restore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestOverwrite: an index is replaced only if a good copy of this very index is held.
func TestOverwrite(t *testing.T) {
	there := cluster.Index{Name: logs, UUID: "u", Created: at("2026-11-06 00:00")}
	docs := int64(120)
	older, newer := snap("older", "2026-11-05 01:00", logs), snap("newer", "2026-11-07 01:00", logs)
	elsewhere := func(change func(*cluster.Snapshot)) *cluster.Snapshot {
		s := snap("elsewhere", "2026-11-08 01:00", logs)
		s.Repository = "other"
		change(s)
		return s
	}
	for _, c := range []struct {
		name      string
		index     func(*cluster.Index)
		extra     *cluster.Snapshot // in another repository
		write     string
		partial   bool
		forcible  string // empty: nothing in the way
		refused   string
		copyIn    string
		documents *int64
	}{
		{"no copy that is as new as the index", nil, nil, "", false,
			logs + ": no snapshot contains a good copy of the existing index, which has 120 documents", "", "", &docs},
		{"a copy in another repository", nil, elsewhere(func(*cluster.Snapshot) {}), "", false, "", "", "elsewhere", &docs},
		{"a copy with missing shards", nil, elsewhere(func(s *cluster.Snapshot) {
			*s = *holed("x", "2026-11-08 01:00", logs)
			s.Repository = "other"
		}), "", false, "no snapshot contains a good copy", "", "", &docs},
		{"a copy of another cluster", nil, elsewhere(func(s *cluster.Snapshot) { s.Cluster, s.Elsewhere = "theirs", true }), "", false,
			"no snapshot contains a good copy", "", "", &docs},
		{"a copy in a read-only repository", nil, elsewhere(func(s *cluster.Snapshot) { s.Repository = "ro" }), "", false,
			"no snapshot contains a good copy", "", "", &docs},
		{"ours, in a read-only repository", nil, elsewhere(func(s *cluster.Snapshot) { s.Repository, s.Cluster = "ro", "ours" }), "",
			false, "", "", "elsewhere", &docs},
		{"a mounted index", func(i *cluster.Index) { i.Mount = &cluster.Mount{} }, elsewhere(func(*cluster.Snapshot) {}), "", false,
			"no snapshot contains a good copy", "", "", &docs},
		{"the index is older than the copy", func(i *cluster.Index) { i.Created = at("2026-11-03 00:00") }, nil, "", false, "", "",
			"older", &docs},
		{"a closed index", func(i *cluster.Index) { i.Closed = true }, nil, "", false, "which has an unknown number of documents", "", "", nil},
		{"a write index", nil, elsewhere(func(*cluster.Snapshot) {}), "it is the write index of the alias logs", false,
			logs + ": it is the write index of the alias logs", "",
			"elsewhere", &docs},
		{"a backing index", func(i *cluster.Index) { i.DataStream = "logs" }, nil, "", false, "",
			"a backing index of the data stream logs cannot be overwritten", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			index := there
			if c.index != nil {
				c.index(&index)
			}
			l := Listings{
				Snapshots: []*cluster.Snapshot{older}, Indices: []*cluster.Index{&index},
				Server: cluster.Server{UUID: "ours"}, ReadOnly: map[string]bool{"ro": true},
				Existing: map[string]Existing{logs: {Documents: c.documents, MayWrite: c.write}},
			}
			if c.extra != nil {
				l.Everywhere = []*cluster.Snapshot{c.extra}
			}
			p := NewPlan(Request{Indices: []string{logs}, OnConflict: Overwrite}, l)
			if c.refused != "" {
				require.Len(t, p.Refusals, 1)
				require.Contains(t, p.Refusals[0], c.refused)
				require.Empty(t, p.Replaces())
				return
			}
			require.Empty(t, p.Refusals)
			require.Equal(t, []string{logs}, p.Replaces())
			require.Equal(t, c.documents, p.Items[0].Replaces.Documents)
			require.Equal(t, "u", p.Items[0].Replaces.UUID)
			require.Equal(t, c.forcible != "", len(p.Forcible) > 0, p.Forcible)
			if c.forcible != "" {
				require.Contains(t, p.Forcible[0], c.forcible)
			}
			if c.copyIn == "" {
				require.Nil(t, p.Items[0].Replaces.Copy)
			} else {
				require.Equal(t, c.copyIn, p.Items[0].Replaces.Copy.Snapshot)
				require.Contains(t, p.Warnings[len(p.Warnings)-1], "documents written later are lost")
			}
		})
	}
	l := Listings{Snapshots: []*cluster.Snapshot{older, newer}, Indices: []*cluster.Index{&there}}
	p := NewPlan(Request{Indices: []string{logs}, OnConflict: Overwrite}, l)
	require.Equal(t, []string{logs}, p.Replaces(), "the facts to read")
	require.Empty(t, p.Warnings, "nothing is judged before they are read")

	l.Existing = map[string]Existing{logs: {}}
	l.Snapshots = []*cluster.Snapshot{newer, holed("holed", "2026-11-09 01:00", logs)}
	p = NewPlan(Request{Indices: []string{logs}, OnConflict: Overwrite, Partial: true, Snapshot: "holed"}, l)
	require.Len(t, p.Refusals, 1, "also with force: no server does it")
	require.Contains(t, p.Refusals[0], "servers do not restore a copy with missing shards over an index")

	l.Snapshots = []*cluster.Snapshot{newer}
	there.Blocks = []string{"read_only"}
	p = NewPlan(Request{Indices: []string{logs}, OnConflict: Overwrite}, l)
	require.Contains(t, p.Refusals[0], "the existing index is blocked by its setting index.blocks.read_only")
	there.Blocks = nil
	require.Equal(t, []string{logs}, (&Plan{Items: []Item{{Target: logs}, {Target: "x"}}}).Over(l.Indices))
	require.Empty(t, (&Plan{Items: []Item{{Target: logs, Attach: true}, {Target: "y", Unpredicted: true}}}).Over(l.Indices))
	there.Closed = true
	require.Equal(t, []string{logs}, (&Plan{Items: []Item{{Target: "y", Unpredicted: true}}}).Over(l.Indices))
	there.Closed = false

	for _, taken := range []*cluster.Index{{Name: "x", Aliases: []string{logs}}, {Name: ".ds-1", DataStream: logs}} {
		p = NewPlan(Request{Indices: []string{logs}, OnConflict: Overwrite}, Listings{Snapshots: []*cluster.Snapshot{older},
			Indices: []*cluster.Index{taken}})
		require.Len(t, p.Refusals, 1)
		require.Contains(t, p.Refusals[0], "only an index can be overwritten")
	}
	require.WithinDuration(t, at("2026-11-07 01:00"), newestCopy(&there, Listings{Snapshots: []*cluster.Snapshot{newer,
		older}}).Started, time.Second)

	rolled := &cluster.Index{Name: "a-000001", Created: at("2026-11-01 00:00"), Rolled: at("2026-11-06 00:00")}
	before, after := snap("before", "2026-11-05 01:00", rolled.Name), snap("after", "2026-11-07 01:00", rolled.Name)
	require.Nil(t, newestCopy(rolled, Listings{Snapshots: []*cluster.Snapshot{before}}), "it was still written to")
	require.Equal(t, "after", newestCopy(rolled, Listings{Snapshots: []*cluster.Snapshot{before, after}}).Snapshot)
}
