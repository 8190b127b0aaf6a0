package cmd

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestRetainAndLimitsAsFlags: commands take what files take.
func TestRetainAndLimitsAsFlags(t *testing.T) {
	setup := func() *console {
		k := newConsole(t)
		for d := range 12 {
			k.c.AddSnapshot("r", cluster.Snapshot{
				Name:    "s-" + now.AddDate(0, 0, -d).Format("2006.01.02"),
				Start:   now.AddDate(0, 0, -d),
				Indices: []string{"i"},
			})
		}
		k.c.AddIndices("i")
		return k
	}
	left := func(k *console) int {
		names, err := cluster.SnapshotNames(context.Background(), k.c, "r")
		require.NoError(t, err)
		return len(names)
	}
	k := setup()
	code, _, errs := k.run("snapshot", "delete", "r", "--retain", "last=3", "--retain", "hold=[s-2026.11.10*]", "--yes")
	require.Equal(t, 0, code, errs)
	require.Equal(t, 4, left(k), "three, and the one of the tenth day that is held")

	k = setup()
	code, _, errs = k.run("snapshot", "delete", "r", "--retain", "last=3", "--max-items", "8", "--yes")
	require.Equal(t, 4, code)
	require.Contains(t, errs, "9 snapshots are selected, but max_items allows 8; nothing was deleted")
	require.Contains(t, errs, "--max-items 9 allows it")
	require.Equal(t, 12, left(k))

	for rule, want := range map[string]string{
		"last":         `--retain: "last" is not of the form RULE=VALUE, such as daily=7`,
		"last=0":       "--retain: last: ",
		"dayly=7":      `unknown rule of --retain "dayly"`,
		"cover=400":    "invalid duration",
		"settle=1h":    "retain has no rule",
		"daily=[1, 2]": "expected a whole number",
	} {
		code, _, errs := setup().run("snapshot", "delete", "r", "--retain", rule, "--yes")
		require.Equal(t, 2, code, rule)
		require.Contains(t, errs, want)
	}
}
