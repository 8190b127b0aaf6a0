package restore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestRed: what cannot be restored does not keep the others from it, and each system
// index has a request of its own.
func TestRed(t *testing.T) {
	index := func(name string) *cluster.Index {
		return &cluster.Index{Name: name, UUID: "u-" + name, Created: at("2026-11-01 00:00")}
	}
	stream := index(".ds-s-000001")
	stream.DataStream = "s"
	docs := int64(4)
	l := Listings{
		Snapshots: []*cluster.Snapshot{
			snap("one", "2026-11-04 01:00", "a", logs, ".kibana", ".ds-s-000001"),
			holed("two", "2026-11-05 01:00", "b"),
			snap("three", "2026-10-01 01:00", "late"),
		},
		Indices:  []*cluster.Index{index("a"), index(logs), index(".kibana"), index("b"), index("c"), index("late"), stream},
		Lost:     map[string][]int{"a": {2, 0}, logs: {1}, ".kibana": {0}, "b": {0}, "c": {0}, ".ds-s-000001": {0}},
		Existing: map[string]Existing{"a": {Documents: &docs}},
	}
	r := Request{Red: true, OnConflict: Overwrite, Indices: []string{"a", logs, ".kibana", "b", "c", ".ds-s-000001"}}
	p := NewPlan(r, l)
	require.Empty(t, p.Refusals)
	require.Empty(t, p.Forcible)
	require.Empty(t, p.Missing)
	not := map[string]string{}
	for _, it := range p.Items {
		if it.Unrestorable != "" {
			not[it.Index] = it.Unrestorable
		}
	}
	require.Len(t, not, 3)
	require.Contains(t, not["b"], "in two shards are missing")
	require.Equal(t, "no snapshot contains the index c", not["c"])
	require.Equal(t, "a backing index of the data stream s cannot be overwritten; "+
		"delete the data stream and restore it whole: esnap restore s", not[".ds-s-000001"])
	require.Equal(t, 3, p.Count())
	require.Contains(t, p.Warnings, "a has lost its shards 0, 2; 4 documents in its started shards are replaced; "+
		"the newest good copy of it is in r/one, started 2026-11-04 01:00 UTC; documents written later are lost")
	var groups [][]string
	for _, g := range p.Groups() {
		var names []string
		for _, it := range g.Items {
			names = append(names, it.Index)
		}
		groups = append(groups, names)
	}
	require.ElementsMatch(t, [][]string{{"a", logs}, {".kibana"}}, groups)

	r.Indices, l.Lost = []string{"late"}, map[string][]int{"late": {0}}
	l.Existing = map[string]Existing{}
	p = NewPlan(r, l)
	require.Len(t, p.Forcible, 1, "the copy is of an earlier index with this name")

	p = NothingLost()
	require.Zero(t, p.Count())
	require.Len(t, p.Warnings, 1)
}
