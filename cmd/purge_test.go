package cmd

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

func TestPurge(t *testing.T) {
	setup := func() *console {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddSnapshot("other", cluster.Snapshot{Name: "o-1", Indices: []string{logsOf(9), "only-there", "live"}, Start: now.AddDate(0, 0, -2)})
		k.c.AddIndex(cluster.Index{Name: "live", Created: now.AddDate(0, 0, -3)})
		k.c.AddIndex(cluster.Index{Name: "restored-" + logsOf(9), Settings: map[string]string{
			cluster.SettingRenamePattern: "^(.+)$", cluster.SettingRenameReplacement: "restored-$1"}})
		k.c.AddIndex(cluster.Index{Name: "back-" + logsOf(9)[len(logsOf(9))-2:] + "-x", Settings: map[string]string{
			cluster.SettingRenamePattern: "^logs-.+(..)$", cluster.SettingRenameReplacement: "back-$1-x"}})
		k.c.AddIndex(cluster.Index{Name: "app-" + logsOf(9), Settings: map[string]string{
			cluster.SettingRenamePattern: "^x-(.+)$", cluster.SettingRenameReplacement: "$1", cluster.SettingRestoredFrom: "backups/x"}})
		k.c.AddIndex(cluster.Index{Name: "esnap-drill-" + logsOf(9), Settings: map[string]string{
			cluster.SettingDrill: "run", cluster.SettingRenamePattern: "^" + logsOf(9) + "$",
			cluster.SettingRenameReplacement: "esnap-drill-" + logsOf(9)}})
		return k
	}
	holding := func(k *console) (n int) {
		for _, r := range []string{"backups", "other"} {
			list, err := k.c.Snapshots(context.Background(), r, true)
			require.NoError(t, err)
			for _, s := range list {
				if s.Holds(logsOf(9)) {
					n++
				}
			}
		}
		return n
	}
	k := setup()
	record := filepath.Join(t.TempDir(), "record.json")
	code, out, errs := k.run("purge", logsOf(9), "-n")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "delete the index restored-"+logsOf(9))
	require.Contains(t, out, "delete the index back-"+logsOf(9)[len(logsOf(9))-2:]+"-x")
	require.Contains(t, out, "not deleted, although the names are similar: app-"+logsOf(9)+"; if one is a copy, name it as well")
	require.Contains(t, out, "delete the copy of a drill esnap-drill-"+logsOf(9))
	require.Contains(t, out, "delete from repository other: o-1")
	require.Contains(t, out, "2 indices are also lost, because no other snapshot contains a complete copy:\n  "+logsOf(10)+"\n  only-there",
		"of the first one a copy from its own day is left")
	require.Contains(t, out, "1 index is in the cluster only afterwards, because no other snapshot contains a complete copy:\n  live")
	require.Equal(t, 9, holding(k))

	for _, args := range [][]string{
		{"purge", logsOf(9)},
		{"purge", logsOf(9), "--confirm", "other"},
		{"purge", "logs-*", "--confirm", "logs-*"},
		{"purge", logsOf(9), "--confirm", logsOf(9), "--record", "/nowhere/x"},
	} {
		code, _, _ = k.run(args...)
		require.Equal(t, 2, code, args)
		require.Equal(t, 9, holding(k))
	}
	code, _, errs = k.run("purge", "nothing", "--confirm", "nothing")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "nothing contains nothing: neither the cluster nor a snapshot")

	code, out, errs = k.run("purge", logsOf(9), "--confirm", logsOf(9), "--record", record, "--reason", "case 4711")
	require.Equal(t, 0, code, out+errs)
	require.Zero(t, holding(k))
	list, err := k.c.Indices(context.Background())
	require.NoError(t, err)
	require.Len(t, list, 10, "app-… is not a copy")
	data, err := os.ReadFile(record)
	require.NoError(t, err)
	require.Contains(t, string(data), `"reason": "case 4711"`)
	require.Contains(t, string(data), `"result": "done"`)
	require.Contains(t, string(data), `"index back-12-x: done"`)

	// Only a hold is stronger.
	k = setup()
	config := filepath.Join(t.TempDir(), "client.yml")
	require.NoError(t, os.WriteFile(config, []byte("cluster: {url: 'http://x:9200'}\nholds: [{snapshots: o-1}]\n"), 0o600))
	code, _, errs = k.run("--config", config, "purge", logsOf(9), "--confirm", logsOf(9), "--record", record)
	require.Equal(t, 4, code)
	require.Contains(t, errs, "held by the client file (o-1)")
	require.Empty(t, k.written(), "nothing at all is deleted")

	// A record is never written over.
	k = setup()
	code, _, errs = k.run("purge", logsOf(9), "--confirm", logsOf(9), "--record", record)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "the record cannot be written: open "+record+": file exists")
	require.Empty(t, k.written())

	// A snapshot that may be in use is not deleted.
	k = setup()
	k.c.Hides.Operations = &cluster.Error{Op: "list running operations", Kind: cluster.ErrUnseen, Text: "the user may not read the state"}
	code, _, errs = k.run("purge", logsOf(9), "--confirm", logsOf(9), "--record", record+"2")
	require.Equal(t, 4, code)
	require.Contains(t, errs, "the user may not read the state")
	require.Empty(t, k.written())

	// A read-only repository is another cluster's.
	k = setup()
	k.c.AddRepository(cluster.Repository{Name: "other", Settings: map[string]string{"readonly": "true"}})
	code, _, errs = k.run("purge", logsOf(9), "--confirm", logsOf(9), "--record", record)
	require.Equal(t, 4, code)
	require.Contains(t, errs, "read-only in this cluster")
}

// TestPurgeFindsCopiesInSnapshots: of renamed copies, and of indices that had another's name.
func TestPurgeFindsCopiesInSnapshots(t *testing.T) {
	k := newConsole(t)
	day := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	k.c.AddSnapshot("one", cluster.Snapshot{Name: "s-1", Indices: []string{"gd", "old-2026.11.10"}, Start: day(9)})
	k.c.AddSnapshot("one", cluster.Snapshot{Name: "s-2", Indices: []string{"z"}, Start: day(8)})
	k.c.AddSnapshot("one", cluster.Snapshot{Name: "s-3", Indices: []string{"old-2026.11.10"}, Start: day(7)})
	k.c.AddSnapshot("two", cluster.Snapshot{Name: "t-1", Indices: []string{"restored-gd", "keepme"}, Start: day(2)})
	k.c.AddSnapshot("two", cluster.Snapshot{Name: "t-2", Indices: []string{"copy-of-gd"}, Start: day(1)})
	k.c.AddIndex(cluster.Index{Name: "old-2026.11.10", Created: day(8)}) // created again
	k.c.AddIndex(cluster.Index{Name: "restored-gd", Created: day(3), Settings: map[string]string{
		cluster.SettingRenamePattern: "^gd$", cluster.SettingRenameReplacement: "restored-gd"}})
	code, out, errs := k.run("purge", "gd", "-n")
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, out, "delete from repository two: t-1")
	require.Contains(t, out, "two/t-2: copy-of-gd")
	require.Contains(t, out, "also lost, because no other snapshot contains a complete copy:\n  keepme\n  old-2026.11.10")

	k.c.AddIndex(cluster.Index{Name: ".ds-s-000001", DataStream: "s"})
	code, _, errs = k.run("purge", "s", "--confirm", "s")
	require.Equal(t, 4, code)
	require.Contains(t, errs, "DELETE _data_stream/s")
}

// TestPurgeKeepsWhatAnotherClusterTook: its index of that name is another one, and it may have
// its last copies there. What a purge costs is told with every format.
func TestPurgeKeepsWhatAnotherClusterTook(t *testing.T) {
	k := newConsole(t)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "ours", Indices: []string{"gd", "beside"}, Start: now.AddDate(0, 0, -2)})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "theirs", Indices: []string{"gd", "other"}, Start: now.AddDate(0, 0, -1), Cluster: "another"})
	for _, format := range []string{"table", "json", "wide", "name", "yaml"} {
		code, out, errs := k.run("purge", "gd", "-n", "-o", format)
		require.Equal(t, 5, code, out+errs)
		told := errs
		if format == "table" {
			told = out
		}
		require.Contains(t, told, "delete from repository r: ours", format)
		require.Contains(t, told, "not deleted, because another cluster took them: r/theirs", format)
		require.Contains(t, told, "1 index is also lost, because no other snapshot contains a complete copy:\n  beside", format)
	}
	record := filepath.Join(t.TempDir(), "record.json")
	code, out, errs := k.run("purge", "gd", "--confirm", "gd", "--record", record)
	require.Equal(t, 5, code, "a copy is left: %s%s", out, errs)
	require.Equal(t, []string{"theirs"}, k.snapshots("r"))
	data, err := os.ReadFile(record)
	require.NoError(t, err)
	require.Contains(t, string(data), `"r/theirs"`)
	code, _, errs = k.run("purge", "gd", "--confirm", "gd", "--record", record)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "only snapshots of another cluster contain gd: r/theirs")
	k.c.AddIndices("gd")
	k.c.AddRepository(cluster.Repository{Name: "ro", Type: "fs", Settings: map[string]string{"location": "x", "readonly": "true"}})
	k.c.AddSnapshot("ro", cluster.Snapshot{Name: "theirs", Indices: []string{"gd"}, Start: now.AddDate(0, 0, -1), Cluster: "another"})
	code, _, _ = k.run("purge", "gd", "--confirm", "gd", "--record", record)
	require.Equal(t, 4, code, "as before: the repository cannot be written to")
	require.Equal(t, []string{"gd"}, k.indices())
}
