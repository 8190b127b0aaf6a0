package memory

import (
	"context"
	"errors"
	"path"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/clustertest"
)

// One suite passes for every line of servers, with nothing written for a version. On real
// servers: TestContract of integration.
func TestFeature07(t *testing.T) {
	for _, test := range []struct {
		name   string
		server Option
		polls  int
	}{
		{"es670", Elasticsearch("6.7.0"), 0},
		{"es670 slow", Elasticsearch("6.7.0"), 2},
		{"es6823", Elasticsearch("6.8.23"), 0},
		{"es71728", Elasticsearch("7.17.28"), 2},
		{"es8197", Elasticsearch("8.19.7"), 0},
		{"es920", Elasticsearch("9.2.0"), 0},
		{"os1320", OpenSearch("1.3.20"), 0},
		{"os330", OpenSearch("3.3.0"), 2},
		{"os2110 slow", OpenSearch("2.11.0"), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			clustertest.Contract(t, func(*testing.T) clustertest.Fixture {
				m := New(test.server)
				m.SnapshotPolls, m.RestorePolls = test.polls, test.polls
				return clustertest.Fixture{
					Cluster:  m,
					Prefix:   "contract-",
					Pause:    func(time.Duration) {}, // it comes further with each look
					Location: func(name string) string { return path.Join("/backup", name) },
					CreateIndex: func(_ *testing.T, name string, s clustertest.Setup) {
						i := cluster.Index{
							Name: name, Primaries: s.Primaries, Replicas: s.Replicas, Closed: s.Closed, Aliases: s.Aliases, WriteAliases: s.WriteAliases,
							Stats: &cluster.IndexStats{Docs: int64(s.Documents), Bytes: 300, PrimaryBytes: 300},
						}
						if s.Documents > 0 {
							last := clustertest.FirstDocument.Add(time.Duration(s.Documents-1) * time.Hour)
							i.Fields = map[string]cluster.FieldRange{"@timestamp": {Min: clustertest.FirstDocument, Max: last, Found: true}}
						}
						m.AddIndex(i)
					},
				}
			})
		})
	}
}

func TestMemoryOneOperationAtATime(t *testing.T) {
	for _, test := range []struct {
		server Option
		busy   bool
	}{
		{Elasticsearch("6.7.0"), true},
		{Elasticsearch("7.8.1"), true},
		{Elasticsearch("7.9.0"), false},
		{OpenSearch("1.3.20"), false},
	} {
		m := New(test.server)
		m.SnapshotPolls = 1
		m.AddIndices("i")
		m.AddSnapshot("r", cluster.Snapshot{Name: "old", Indices: []string{"i"}})
		require.NoError(t, m.CreateSnapshot(t.Context(), cluster.CreateSnapshot{Repository: "r", Name: "a", Indices: []string{"i"}}))
		for _, err := range []error{
			m.CreateSnapshot(t.Context(), cluster.CreateSnapshot{Repository: "r", Name: "b", Indices: []string{"i"}}),
			m.DeleteSnapshots(t.Context(), cluster.DeleteSnapshots{Repository: "r", Names: []string{"old"}}),
		} {
			require.Equal(t, test.busy, errors.Is(err, cluster.ErrBusy), "%s: %v", m.server, err)
		}
		require.ErrorIs(t, m.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"i"}}), cluster.ErrBusy)
		m.Finish()
		require.NoError(t, m.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"i"}}))
	}
}

func TestMemoryPolls(t *testing.T) {
	m := New(At(clustertest.FirstDocument))
	m.SnapshotPolls, m.SnapshotEnds = 2, EndPartial("b")
	m.AddIndices("a", "b")
	m.AddRepository(cluster.Repository{Name: "r"})
	require.NoError(t, m.CreateSnapshot(t.Context(), cluster.CreateSnapshot{Repository: "r", Name: "s", Indices: []string{"b", "a"}}))
	var states []cluster.State
	for range 3 {
		m.Advance(time.Second)
		s, err := m.Snapshot(t.Context(), "r", "s")
		require.NoError(t, err)
		states = append(states, s.State)
	}
	require.Equal(t, []cluster.State{cluster.InProgress, cluster.InProgress, cluster.Partial}, states)
	s, err := m.Snapshot(t.Context(), "r", "s")
	require.NoError(t, err)
	require.Equal(t, clustertest.FirstDocument.Add(3*time.Second), s.End)
	require.Equal(t, cluster.ShardCount{Total: 2, Failed: 1, Successful: 1}, s.Shards)
	require.True(t, s.HoldsGood("a"))
	require.False(t, s.HoldsGood("b"))

	m.RestorePolls, m.RestoreEnds = 1, func(string) string { return "corrupt" }
	require.NoError(t, m.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"a"}}))
	require.NoError(t, m.RestoreSnapshot(t.Context(), cluster.RestoreSnapshot{Repository: "r", Name: "s", Indices: []string{"a"}}))
	for _, want := range []string{"yellow", "red"} {
		health, err := m.Health(t.Context(), []string{"a"})
		require.NoError(t, err)
		require.Equal(t, want, health["a"].Status)
	}
}

func TestMemoryFaults(t *testing.T) {
	m := New()
	m.AddIndices("a", "b")
	remove := func(ctx context.Context, name string) error {
		return m.DeleteIndices(ctx, cluster.DeleteIndices{Names: []string{name}})
	}
	m.Fault = func(method string, names []string) error {
		if method == "DeleteIndices" && names[0] == "a" {
			return cluster.ErrRejected
		}
		return nil
	}
	m.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteIndices" {
			return cluster.ErrLost
		}
		return nil
	}
	err := remove(t.Context(), "a")
	require.ErrorIs(t, err, cluster.ErrRejected)
	require.EqualError(t, err, "delete index a: server is overloaded")
	require.ErrorIs(t, remove(t.Context(), "b"), cluster.ErrLost)
	list, err := m.Indices(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, cluster.Names(list), "the lost one was done, the rejected one was not")

	m.Fault = func(string, []string) error { return ErrHang }
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err = remove(ctx, "a")
	require.ErrorIs(t, err, cluster.ErrLost)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Len(t, m.Writes(), 3)
	require.Len(t, m.CallsOf("Indices"), 1)
	require.Equal(t, []string{"b"}, m.Writes()[1].Names)
}

func TestMemoryDryRunSendsNothing(t *testing.T) {
	m := New()
	m.AddIndices("a")
	dry := cluster.DryRun(m, clustertest.FirstDocument, false, func(cluster.Op) {})
	require.NoError(t, dry.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"a"}}))
	list, err := dry.Indices(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	require.Empty(t, m.Writes())
}

func TestMemoryLongDeletion(t *testing.T) {
	m := New(Elasticsearch("6.7.0"))
	m.DeletePolls = 1
	m.AddSnapshot("r", cluster.Snapshot{Name: "s"})
	err := m.DeleteSnapshots(t.Context(), cluster.DeleteSnapshots{Repository: "r", Names: []string{"s"}})
	require.ErrorIs(t, err, cluster.ErrLost)
	for _, want := range []int{1, 0} {
		ops, err := m.Running(t.Context())
		require.NoError(t, err)
		require.Len(t, ops, want)
		names, err := cluster.SnapshotNames(t.Context(), m, "r")
		require.NoError(t, err)
		require.Len(t, names, want)
	}
}
