package restore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestCopiesOfAMountedIndex: several nights after an index was mounted, only the first snapshot has its data.
func TestCopiesOfAMountedIndex(t *testing.T) {
	l := Listings{Snapshots: []*cluster.Snapshot{
		snap("a", "2026-11-04 01:00", logs), snap("b", "2026-11-05 01:00", logs), snap("c", "2026-11-06 01:00", logs),
	}, Sizes: map[Ref]map[string]int64{}}
	real := map[string]int64{"a": 1000, "b": 0, "c": 0}
	for known := -1; known < len(l.Sizes); { // as a restore reads them: until no more are needed
		known = len(l.Sizes)
		for _, ref := range SizesNeeded(Request{Indices: []string{logs}}, l) {
			l.Sizes[ref] = map[string]int64{logs: real[ref.Snapshot]}
		}
	}
	p := NewPlan(Request{Indices: []string{logs}}, l)
	require.Equal(t, "a", p.Items[0].Snapshot)
}
