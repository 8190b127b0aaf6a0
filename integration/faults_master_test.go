//go:build integration

package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// TestFaultMaster kills the elected master of a cluster of three nodes during a snapshot,
// a deletion and a restore. esnap is connected to another node; the cluster elects a new
// master, and has a copy of each shard left.
func TestFaultMaster(t *testing.T) {
	binary := build(t)
	for _, f := range flavours() {
		t.Run(string(f), func(t *testing.T) {
			starting.Lock()
			defer starting.Unlock()
			s, err := testserver.Start(t.Context(), testserver.Options{Flavour: f, Nodes: 3, HeapMB: 320})
			if err != nil {
				t.Skipf("not applicable: %s", err)
			}
			t.Cleanup(func() { require.NoError(t, s.Stop()) })
			for _, during := range serverKills {
				t.Run(strings.ReplaceAll(during, " ", "_"), func(t *testing.T) {
					master := electedMaster(t, f, s)
					n := newNight(newReplicatedEnv(t, f, s, (master+1)%3), binary)
					n.limit = 40 * time.Second
					n.slower()
					n.leftover = during == "restore"
					n.eventually("all replicas are there", func() bool { return n.health(n.prefix+"*") == "green" })
					p := newFaultProxy(t, n.server.URL, nil)
					killed := make(chan error, 1)
					var once bool
					p.before = func(x *exchange) {
						if once || !requestKinds[during](x.r.Method, x.r.URL.Path) {
							return
						}
						once = true
						go func() {
							time.Sleep(30 * time.Millisecond)
							killed <- s.StopNode(master)
						}()
					}
					r := n.through(p, "--connect-timeout", "30s")
					require.True(t, once, "no request of the kind was sent: %s", r)
					require.NoError(t, <-killed)
					n.recovered()
					n.check(p, r)
					t.Logf("exit code %d after %s", r.code, r.took.Round(time.Millisecond))
					require.NoError(t, s.StartNode(t.Context(), master))
				})
			}
		})
	}
}

// newReplicatedEnv is an environment that talks to one node of a cluster, and whose indices
// have a replica.
func newReplicatedEnv(t testing.TB, f testserver.Flavour, s *testserver.Server, node int) *env {
	t.Helper()
	one := *s
	one.URL = s.NodeURLs()[node]
	e := newEnv(t, f, &one)
	e.call("PUT", "/_template/"+e.prefix+"replica", map[string]any{
		"index_patterns": []string{e.prefix + "*"}, "order": 1, "settings": map[string]any{"number_of_replicas": 1},
	}, nil)
	e.Cleanup(func() { e.call("DELETE", "/_template/"+e.prefix+"replica", nil, nil) })
	return e
}

// electedMaster is the number of the node that is the master.
func electedMaster(t testing.TB, f testserver.Flavour, s *testserver.Server) int {
	t.Helper()
	e := newBareEnv(t, f, s)
	var masters []struct{ Node string }
	e.call("GET", "/_cat/master?format=json&h=node", nil, &masters)
	require.Len(t, masters, 1)
	i := slices.Index([]string{"n0", "n1", "n2"}, masters[0].Node)
	require.GreaterOrEqual(t, i, 0, "%v", masters)
	return i
}
