package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	require.Contains(t, errs, "to let it through once: esnap snapshot delete --retain=last=3 --yes --max-items=9 r")
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

// TestLetThrough: the command that lets something through once is the one that was typed.
func TestLetThrough(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("a-1", "a-2", "b")
	dir := filepath.Join(t.TempDir(), "it is mine")
	require.NoError(t, os.Mkdir(dir, 0o700))
	file, config := filepath.Join(dir, "a b.yml"), filepath.Join(dir, "c.yml")
	require.NoError(t, os.WriteFile(config, []byte("cluster: {url: 'http://x:9200'}\n"), 0o600))
	require.NoError(t, os.WriteFile(file, []byte("actions: {del: {action: delete_indices, options: {max_items: 1}, "+
		"filters: [{filtertype: pattern, kind: prefix, value: a-}]}}\n"), 0o600))
	code, _, errs := k.run("run", "--config", config, "--guards", "off", "-n", file)
	require.Equal(t, 4, code, errs)
	require.Contains(t, errs, "to let it through once: esnap run '--config="+dir+"/c.yml' --guards=off --only=del --max-items=2 '"+
		dir+"/a b.yml'")
	code, _, errs = k.run("run", "--config", config, "--guards=off", "--only=del", "--max-items=2", file)
	require.Equal(t, 0, code, errs)
	require.Len(t, k.written(), 1)

	for n := range 12 {
		k.c.AddIndices(fmt.Sprint("c-", n))
	}
	k.in = "actions: {1: {action: delete_indices, options: {max_items: 1}, filters: [{filtertype: none}]}}"
	_, _, errs = k.run("run", "-")
	require.Contains(t, errs, "esnap run --only=1 --max-items=13 -")
	_, _, errs = k.run("index", "delete", "c-*", "--max-percent", "1", "--url", "http://ops:secretpw@y:9200", "--yes")
	require.NotContains(t, errs, "secretpw")
	require.Contains(t, errs, "esnap index delete '--url=http://***@y:9200' --yes --max-items=12 'c-*'")
}
