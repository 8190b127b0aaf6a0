package cmd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
)

func TestRepositoryCleanup(t *testing.T) {
	refused := func(k *console, code int, want string) {
		t.Helper()
		got, _, errs := k.run("repository", "cleanup", "r", "--yes")
		require.Equal(t, code, got, errs)
		require.Contains(t, errs, want)
		require.Empty(t, k.c.CallsOf("CleanupRepository"))
	}
	k := newConsole(t)
	refused(k, 1, "there is no repository r")
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i"}})
	code, out, errs := k.run("repository", "cleanup", "r", "-n")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "would clean up r")
	code, out, errs = k.run("repository", "cleanup", "r", "--yes")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "r: 0 files deleted, 0 B")

	k = newConsole(t)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i"}, Cluster: "another"})
	refused(k, 4, "snapshots of another cluster, such as s")
	k = newConsole(t)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i"}})
	k.c.AddOperation(cluster.Operation{Kind: cluster.OpDelete, Repository: "r", Snapshot: "s", Started: now.Add(-time.Minute)}, -1)
	refused(k, 4, "snapshot deletion r/s uses the repository")
	k = newConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "r", Settings: map[string]string{"readonly": "true"}})
	refused(k, 4, "is read-only in this cluster")
	k = newConsole(t)
	k.c = memory.New(memory.At(now), memory.Elasticsearch("6.7.0"))
	k.c.AddRepository(cluster.Repository{Name: "r"})
	refused(k, 1, "Elasticsearch 6.7.0 cannot do that; Elasticsearch 7.4 can")
}
