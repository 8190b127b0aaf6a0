package cmd

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestSnapshotShowSaysWhoTookIt: what a run writes into the metadata is shown.
func TestSnapshotShowSaysWhoTookIt(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-1")
	k.c.AddRepository(cluster.Repository{Name: "r"})
	code, _, errs := k.run("snapshot", "create", "r", "logs-1", "--name", "s-1")
	require.Zero(t, code, errs)
	host, err := os.Hostname()
	require.NoError(t, err)
	_, out, _ := k.run("snapshot", "show", "r", "s-1")
	require.Regexp(t, `(?m)^taken by      esnap .+\nrun id        [0-9a-f]{32}\nhost          `+
		regexp.QuoteMeta(host)+`\ncluster uuid  memory-cluster-uuid$`, out)
	_, out, _ = k.run("snapshot", "show", "r", "s-1", "-o", "json")
	require.Regexp(t, `"metadata": \{\s+"esnap": \{\s+"cluster_uuid": "memory-cluster-uuid",\s+"version": ".+",\s+`+
		`"run_id": "[0-9a-f]{32}"`, out)
	_, out, _ = k.run("snapshot", "list", "-o", "json")
	require.NotContains(t, out, "metadata")
}

func TestSnapshotShowFindsTheRepository(t *testing.T) {
	k := newConsole(t)
	k.c.AddSnapshot("a", cluster.Snapshot{Name: "s-20261101", Indices: []string{"logs-1"}})
	k.c.AddSnapshot("b", cluster.Snapshot{Name: "s-20261102", Indices: []string{"logs-1"}})
	k.c.AddSnapshot("a", cluster.Snapshot{Name: "twice", Indices: []string{"logs-1"}})
	k.c.AddSnapshot("b", cluster.Snapshot{Name: "twice", Indices: []string{"logs-1"}})
	_, want, _ := k.run("snapshot", "show", "b", "s-20261102")
	code, out, errs := k.run("snapshot", "show", "s-20261102")
	require.Zero(t, code, errs)
	require.Equal(t, want, out)
	require.Contains(t, out, "repository    b\n")
	for name, c := range map[string]struct {
		code int
		want string
	}{
		"twice":      {2, "esnap: the snapshot twice is in 2 repositories: a, b\nhint: name the repository, too: esnap snapshot show a twice\n"},
		"s-20261103": {1, "esnap: no repository contains the snapshot s-20261103\nhint: did you mean s-20261101 or s-20261102?\n"},
		"nothing":    {1, "esnap: no repository contains the snapshot nothing\nhint: esnap snapshot list lists all snapshots\n"},
		"b":          {1, "esnap: no repository contains the snapshot b\nhint: b is a repository; esnap snapshot list b lists its snapshots\n"},
	} {
		code, out, errs := k.run("snapshot", "show", name)
		require.Equal(t, c.code, code, name)
		require.Empty(t, out, name)
		require.Equal(t, c.want, errs, name)
	}
	k.c.Fault = func(method string, names []string) error {
		if method == "Snapshot" && names[0] == "a" {
			return cluster.ErrRepository
		}
		return nil
	}
	code, out, errs = k.run("snapshot", "show", "s-20261102")
	require.Zero(t, code, errs)
	require.Equal(t, want, out, "a repository that cannot be read is skipped")
	k.c.Fault = func(method string, _ []string) error {
		if method == "Snapshot" {
			return cluster.ErrForbidden
		}
		return nil
	}
	code, _, errs = k.run("snapshot", "show", "s-20261102")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "not permitted", "then it is not known that no repository has the snapshot")
}

func TestIndexShowOfAnIndexThatDoesNotExist(t *testing.T) {
	k := newConsole(t)
	day := time.Date(2026, 11, 4, 1, 0, 0, 0, time.UTC)
	k.c.AddIndices("app-2026.11.20")
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-1", Start: day, Indices: []string{"logs-2026.11.03"}})
	k.c.AddSnapshot("r", cluster.Snapshot{
		Name:     "s-2",
		Start:    day.AddDate(0, 0, 1),
		State:    cluster.Partial,
		Indices:  []string{"logs-2026.11.03", "half"},
		Failures: []cluster.ShardFailure{{Index: "logs-2026.11.03", Reason: "disk full"}, {Index: "half", Reason: "disk full"}},
	})
	for name, c := range map[string][2]string{
		"logs-2026.11.03": {
			"SNAPSHOT  STARTED (UTC)        AGE  COPY\nr/s-1     2026-11-04 01:00:00  17d  until 2026-11-04 01:00:00\n" +
				"r/s-2     2026-11-05 01:00:00  16d  incomplete\n",
			"esnap: no index is called logs-2026.11.03\nhint: to restore the index: esnap restore logs-2026.11.03\n",
		},
		"half": {
			"SNAPSHOT  STARTED (UTC)        AGE  COPY\nr/s-2     2026-11-05 01:00:00  16d  incomplete\n",
			"esnap: no index is called half\nhint: no copy is complete; to restore what there is: esnap restore --partial half\n",
		},
		"logs-2026.11.02": {"", "esnap: no index is called logs-2026.11.02\nhint: did you mean logs-2026.11.03? (in a snapshot)\n"},
		"app-2026.11.21":  {"", "esnap: no index is called app-2026.11.21\nhint: did you mean app-2026.11.20?\n"},
	} {
		code, out, errs := k.run("index", "show", name)
		require.Equal(t, 1, code, name)
		require.Equal(t, c[0], out, name)
		require.Equal(t, c[1], errs, name)
	}
	code, out, _ := k.run("index", "show", "logs-2026.11.03", "-o", "json")
	require.Equal(t, 1, code)
	require.JSONEq(t, `{"schema_version": 2, "index": null, "copies": [
		{"repository": "r", "snapshot": "s-1", "start_time": "2026-11-04T01:00:00.000Z", "complete": false},
		{"repository": "r", "snapshot": "s-2", "start_time": "2026-11-05T01:00:00.000Z", "complete": false}]}`, out)
}
