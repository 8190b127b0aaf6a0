package examples

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/cmd"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/memory"
)

// night is the time of these tests.
var night = time.Date(2026, 11, 10, 1, 0, 8, 0, time.UTC)

// command runs esnap against a cluster in memory.
func command(t *testing.T, server *memory.Memory, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{"HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir()}
	app := &cmd.App{
		In: strings.NewReader(""), Out: &out, Err: &errs, Now: func() time.Time { return night },
		Env:     func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		Connect: func(es.Options) (cluster.Cluster, error) { return server, nil },
	}
	return cmd.Main(t.Context(), app, args), out.String(), errs.String()
}

// TestNightDeletesOnlyWhatItSaves: every index that KubeSphere's night deletes is in
// the snapshot that it has just taken; what only looks like one of its families stays.
func TestNightDeletesOnlyWhatItSaves(t *testing.T) {
	server := memory.New(memory.At(night))
	var own []string
	for _, family := range []string{"ks-logstash-log", "ks-logstash-events", "ks-logstash-auditing", "logstash"} {
		for _, day := range []string{"2026.10.01", "2026.11.01", "2026.11.09", "2026.11.10"} {
			own = append(own, family+"-"+day)
		}
	}
	foreign := []string{
		"ks-logstash-log-2026.10.01-reindexed", "ks-logstash-logins-2026.10.01", "logstash-nginx-2026.10.01",
		"logstash-2026.10.01.old", "old-ks-logstash-log-2026.10.01",
		"logstash-jaeger-span-2026-10-01", "ks-logstash-events-2026.10.01-2026.10.02",
	}
	server.AddIndices(own...)
	server.AddIndices(foreign...)
	code, stdout, stderr := command(t, server, "run", "kubesphere/action_file.yml", "-o", "json")
	require.Zero(t, code, stdout+stderr)
	require.True(t, json.Valid([]byte(stdout)))

	indices, err := server.Indices(t.Context())
	require.NoError(t, err)
	left := map[string]bool{}
	for _, i := range indices {
		left[i.Name] = true
	}
	snapshots, err := server.Snapshots(t.Context(), "ks-log-snapshots", true)
	require.NoError(t, err)
	require.Len(t, snapshots, 1)
	require.ElementsMatch(t, own, snapshots[0].Indices)
	for _, name := range foreign {
		require.True(t, left[name], name)
	}
	for _, name := range own {
		require.Equal(t, !strings.Contains(name, "2026.10.01") && !strings.Contains(name, "2026.11.01"), left[name], name)
	}
}

// TestAuditClusterStepByStep: the commands of audit-cluster/README.md, in their
// order, on a cluster that has never seen the repository.
func TestAuditClusterStepByStep(t *testing.T) {
	const location = "/usr/share/elasticsearch/backup"
	server := memory.New(memory.At(night))
	server.AddRepository(cluster.Repository{Name: "live", Settings: map[string]string{"location": location}})
	var week []string
	for _, day := range []string{"02", "03", "04", "05", "06", "07", "08"} {
		week = append(week, "ks-logstash-auditing-2026.11."+day)
	}
	week = append(week, "ks-logstash-auditing-2026.10.26")
	server.AddSnapshot("live", cluster.Snapshot{Name: "snapshot-20261109010008", Indices: week, Start: night.AddDate(0, 0, -1)})
	require.NoError(t, server.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "live"}))

	register := []string{"repository", "register", "ks-log-snapshots", "fs", "location=" + location, "--readonly"}
	for _, args := range [][]string{
		register,
		{"run", "--dry-run", "kubesphere/audit-cluster/action_file.yml"},
		{"run", "kubesphere/audit-cluster/action_file.yml"},
		{"run", "kubesphere/audit-cluster/action_file.yml"}, // again
		{"restore", "ks-logstash-auditing-2026.10.26", "--replicas", "0", "--yes"},
	} {
		code, stdout, stderr := command(t, server, args...)
		require.Zero(t, code, "%s\n%s%s", args, stdout, stderr)
		require.NotContains(t, stdout, "drift")
	}
	indices, err := server.Indices(t.Context())
	require.NoError(t, err)
	require.Len(t, indices, len(week))

	// The way out of a wrong location.
	wrong := memory.New(memory.At(night))
	wrong.AddRepository(cluster.Repository{Name: "ks-log-snapshots", Settings: map[string]string{"location": "/backup", "readonly": "true"}})
	code, _, _ := command(t, wrong, register...)
	require.Equal(t, 4, code)
	code, _, stderr := command(t, wrong, "repository", "unregister", "ks-log-snapshots", "--yes")
	require.Zero(t, code, stderr)
	code, _, stderr = command(t, wrong, register...)
	require.Zero(t, code, stderr)
}

// TestNightsAhead: with the file as it is, no day of a year is lost, also with nights whose
// snapshots fail; a check of the night's cluster says so.
func TestNightsAhead(t *testing.T) {
	for _, args := range [][]string{
		{"--nights", "60", "--fail", "12-14"},
		{"--nights", "60", "--fail", "12=partial,13=missed,14=failed"},
		{"--nights", "400", "--fail", "3,40-52"},
	} {
		code, stdout, stderr := command(t, memory.New(memory.At(night)), append([]string{"simulate", "kubesphere/action_file.yml"}, args...)...)
		require.Zero(t, code, stdout+stderr)
		require.Contains(t, stdout, " 0 were lost too early\n")
		require.Contains(t, stdout, "may fail without a loss: 31 or more, tried after night 30")
	}
}
