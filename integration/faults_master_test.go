//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
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
					n.eventually("all replicas are there", func() bool { return n.health(n.prefix+"*") == "green" })
					p := newFaultProxy(t, n.server.URL, nil)
					killed, met := p.meet(during, func() error { return s.StopNode(master) })
					r := n.through(p, "--connect-timeout", "30s")
					require.True(t, *met, "no request of the kind was sent: %s", r)
					require.NoError(t, <-killed)
					n.leftover = p.mayRestore()
					n.recovered()
					n.check(p, r)
					t.Logf("exit code %d after %s", r.code, r.took.Round(time.Millisecond))
					require.NoError(t, s.StartNode(t.Context(), master))
				})
			}
		})
	}
}

// masterHangs are for how long the master hangs: until esnap has ended, with time for the
// cluster to elect another one or without, or for a moment that the cluster does not notice.
var masterHangs = []masterHang{
	{"another is elected", 40 * time.Second, 0, true},
	{"none is elected before the deadline", 4 * time.Second, 0, false},
	{"for a moment", 40 * time.Second, 2 * time.Second, false},
}

type masterHang struct {
	name   string
	limit  time.Duration // of esnap's run
	hang   time.Duration // 0: until it has ended
	elects bool
}

// TestFaultMasterHangs stops the elected master of a cluster of three nodes with SIGSTOP
// during a snapshot and during deletions: it keeps its connections and answers nothing.
// Later it continues where it was, with the requests that it still has to answer.
func TestFaultMasterHangs(t *testing.T) {
	binary := build(t)
	for _, f := range flavours() {
		t.Run(string(f), func(t *testing.T) {
			starting.Lock()
			defer starting.Unlock()
			s, err := testserver.Start(t.Context(), testserver.Options{Flavour: f, Nodes: 3, HeapMB: 320, Settings: impatient(f)})
			if err != nil {
				t.Skipf("not applicable: %s", err)
			}
			t.Cleanup(func() { require.NoError(t, s.Stop()) })
			for _, during := range []string{"create snapshot", "delete snapshot", "delete index"} {
				for _, x := range masterHangs {
					t.Run(strings.ReplaceAll(during+", "+x.name, " ", "_"), func(t *testing.T) {
						master := electedMaster(t, f, s)
						n := newNight(newReplicatedEnv(t, f, s, (master+1)%3), binary)
						n.hangs(s, master, during, x)
					})
				}
			}
		})
	}
}

// impatient are settings with which a node that does not answer for two seconds, three times,
// has left the cluster, and is not waited for much longer.
func impatient(f testserver.Flavour) map[string]string {
	if strings.HasPrefix(string(f), "es6") {
		return map[string]string{
			"discovery.zen.fd.ping_timeout": "2s", "discovery.zen.fd.ping_retries": "3",
			"discovery.zen.ping_timeout": "1s", "discovery.zen.publish_timeout": "5s",
		}
	}
	settings := map[string]string{"cluster.publish.timeout": "5s", "cluster.follower_lag.timeout": "5s"}
	for _, check := range []string{"cluster.fault_detection.leader_check.", "cluster.fault_detection.follower_check."} {
		settings[check+"timeout"], settings[check+"retry_count"] = "2s", "3"
	}
	return settings
}

// hangs runs the night, and stops the master during a request of a kind.
func (n *nightRun) hangs(s *testserver.Server, master int, during string, h masterHang) {
	n.Helper()
	n.limit = h.limit
	n.slower()
	n.eventually("all replicas are there", func() bool { return n.health(n.prefix+"*") == "green" })
	n.Cleanup(func() { require.NoError(n, s.ResumeNode(master)) })
	p := newFaultProxy(n, n.server.URL, nil)
	stopped, met := p.meet(during, func() error {
		err := s.PauseNode(master)
		if err == nil && h.hang > 0 {
			time.Sleep(h.hang)
			err = s.ResumeNode(master)
		}
		return err
	})
	r := n.through(p, "--connect-timeout", "30s")
	require.True(n, *met, "no request of the kind was sent: %s", r)
	require.NoError(n, <-stopped)
	if h.elects {
		n.eventually("another master is elected", func() bool {
			_, text := n.try("GET", "/_cat/master?local=true&h=node", nil)
			return !slices.Contains([]string{"", "-", fmt.Sprint("n", master)}, strings.TrimSpace(string(text)))
		})
		n.Logf("another master was elected")
	}
	require.NoError(n, s.ResumeNode(master))
	n.eventually("all nodes are in one cluster", func() bool { return n.together(s) })
	n.recovered()
	n.Logf("exit code %d after %s: %s", r.code, r.took.Round(time.Millisecond), firstError(r))
	n.check(p, r)
}

// together says whether every node answers for a cluster of them all, with one master.
func (e *env) together(s *testserver.Server) bool {
	e.Helper()
	masters := map[string]bool{}
	for _, url := range s.NodeURLs() {
		one := *e
		server := *e.server
		one.server, server.URL = &server, url
		var state struct {
			Master string         `json:"master_node"`
			Nodes  map[string]any `json:"nodes"`
		}
		status, text := one.try("GET", "/_cluster/state/master_node,nodes?local=true&filter_path=master_node,nodes.*.name", nil)
		if status != 200 || json.Unmarshal(text, &state) != nil || len(state.Nodes) != len(s.NodeURLs()) {
			return false
		}
		masters[state.Master] = true
	}
	return len(masters) == 1
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
