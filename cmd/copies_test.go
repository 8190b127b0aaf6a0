package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestNewestCopies: lists say which copy of an index is complete, by the rule of check.
func TestNewestCopies(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	code, out, errs := k.run("index", "list", "--copies")
	require.Equal(t, 0, code, errs)
	require.Regexp(t, logsOf(3)+` .* backups/logs-20261121005908\n`, out)
	require.Regexp(t, logsOf(0)+` .* -\n`, out, "its day has not ended")
	_, out, _ = k.run("index", "list", "-o", "json", "--copies")
	require.Contains(t, out, `"newest_copy": {`)
	_, out, _ = k.run("snapshot", "list", "--holding", logsOf(0))
	require.Contains(t, out, "until 2026-11-21 00:59:08")
	_, out, _ = k.run("snapshot", "list", "--holding", logsOf(0), "-o", "json")
	require.Contains(t, out, `"holding_until": "2026-11-21T00:59:08.000Z"`)
	_, out, _ = k.run("index", "show", logsOf(1))
	require.Contains(t, out, "complete copies in 0 snapshots\n", "late documents may still have come")
	_, out, _ = k.run("index", "show", logsOf(1), "--settle", "30m")
	require.Contains(t, out, "complete copies in 1 snapshot\n  backups/logs-20261121005908")
	_, out, _ = k.run("snapshot", "list", "--holding", logsOf(1))
	require.Contains(t, out, "until 2026-11-21 00:59:08")
	_, out, _ = k.run("snapshot", "list", "--holding", logsOf(1), "--settle", "30m")
	require.Contains(t, out, "complete")
	require.NotContains(t, out, "until 2026-11-21 00:59:08")

	// A name without a date does not say when the last document came.
	k.c.AddIndex(cluster.Index{Name: "orders", Created: now.AddDate(0, 0, -9)})
	k.c.AddSnapshot("backups", cluster.Snapshot{Name: "orders-1", Indices: []string{"orders"}, Start: now.AddDate(0, 0, -1)})
	_, out, _ = k.run("index", "list", "--copies")
	require.Regexp(t, `orders .* backups/orders-1 \(until it began\)\n`, out)
	_, out, _ = k.run("index", "show", "orders")
	require.Contains(t, out, "complete copies in 0 snapshots\n\ncopies in 1 snapshot, each with what was written until it began\n"+
		"  backups/orders-1\n")
	_, out, _ = k.run("snapshot", "list", "--holding", "orders")
	require.Contains(t, out, "until 2026-11-20 01:00:08")
}

// TestRequireSnapshotFlags: the options of require_snapshot, as flags.
func TestRequireSnapshotFlags(t *testing.T) {
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"--require-snapshot backups": {
			4,
			"logs-2026.11.20: no snapshot in backups that contains it was started after",
		},
		"--require-snapshot backups --settle 30m":                      {0, "deleted index logs-2026.11.20"},
		"--require-snapshot backups --settle 30m --require-snapshot x": {4, "logs-2026.11.20: no snapshot in x contains it"},
		"--require-snapshot backups,x --min-copies 1 --settle 30m":     {0, "deleted index logs-2026.11.20"},
		"--require-snapshot backups --min-copies 2": {
			2,
			"--require-snapshot: min_copies: \"2\" is neither all nor a number from 1 to 1",
		},
		"--min-copies 1": {2, "--min-copies, --settle and --index-timezone need --require-snapshot"},
		"--require-snapshot backups --settle 30m --index-timezone America/New_York": {
			4,
			"logs-2026.11.20: no snapshot in backups that contains it was started after",
		},
	} {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddRepository(cluster.Repository{Name: "x", Type: "fs", Settings: map[string]string{"location": "x"}})
		code, out, errs := k.run(append(strings.Fields("index delete -y "+logsOf(1)), strings.Fields(args)...)...)
		require.Equal(t, want.code, code, "%s: %s%s", args, out, errs)
		require.Contains(t, out+errs, want.text, args)
	}
}

// TestAnUnreadableRepository: what could not be read is no empty list.
func TestAnUnreadableRepository(t *testing.T) {
	k := newConsole(t)
	k.c.AddSnapshot("fine", cluster.Snapshot{Name: "s", Indices: []string{"a"}, Start: now})
	k.c.AddSnapshot("gone", cluster.Snapshot{Name: "s2", Indices: []string{"b"}, Start: now})
	k.c.AddIndex(cluster.Index{Name: "a", Created: now.AddDate(0, 0, -1)})
	k.c.Fault = func(_ string, names []string) error {
		if slices.Contains(names, "gone") {
			return &cluster.Error{Op: "list", Kind: cluster.ErrRepository, Causes: []cluster.Cause{{Reason: "The specified bucket does not exist"}}}
		}
		return nil
	}
	for line, shows := range map[string]string{
		"snapshot list": "fine/s ", "snapshot list -o json": `"snapshot": "s"`, "snapshot list --holding b": "", "snapshot show s2": "",
		"index list --copies": "fine/s", "index show a": "fine/s", "index show b": "",
	} {
		code, out, errs := k.run(strings.Fields(line)...)
		require.Equal(t, 1, code, line)
		require.Contains(t, out, shows, line)
		require.Contains(t, errs, "the snapshots in gone are unknown", line)
		require.Contains(t, errs, "hint: the bucket does not exist", line)
	}
	code, out, errs := k.run("check", "--max-age", "24h")
	require.Equal(t, 2, code, errs)
	require.Contains(t, out, "gone: cannot be read")
	k.c.AddIndex(cluster.Index{Name: "c", Created: now.AddDate(0, 0, -9)})
	_, out, _ = k.run("check", "--max-age", "24h")
	require.Contains(t, out, "may be in gone, which could not be read")
	require.NotContains(t, out, "no snapshot contains any of its")
}

// TestRegisterAPlaceOfAnother: --owner says that this cluster writes there now.
func TestRegisterAPlaceOfAnother(t *testing.T) {
	k := newConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "r", Type: "fs", Settings: map[string]string{"location": "r"}})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Cluster: "another-uuid", Indices: []string{"a"}, Start: now})
	require.NoError(t, k.c.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "r"}))
	register := []string{"repository", "register", "r", "fs", "location=r"}
	code, _, errs := k.run(register...)
	require.Equal(t, 4, code, errs)
	require.Contains(t, errs, "--owner memory-cluster-uuid")
	code, out, errs := k.run(append(register, "--owner", "memory-cluster-uuid")...)
	require.Equal(t, 0, code, out+errs)
}
