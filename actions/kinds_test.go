package actions_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
)

// Every action names the requests it may send, and deletions are named by those alone
// that must be able to delete.
func TestWhatActionsSend(t *testing.T) {
	deletes := map[string][]string{}
	for name, kind := range actions.Kinds {
		require.NotEmpty(t, kind.Sends, name)
		for _, op := range kind.Sends {
			if i := op.Intent(); i.Verb == cluster.VerbDelete {
				deletes[i.What] = append(deletes[i.What], name)
			}
		}
	}
	for _, names := range deletes {
		slices.Sort(names)
	}
	require.Equal(t, map[string][]string{
		"index":    {"cold2frozen", "delete_indices", "restore", "shrink"},
		"snapshot": {"delete_snapshots", "snapshot"},
	}, deletes)
}
