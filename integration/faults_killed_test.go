//go:build integration

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// serverKills are the moments at which the server is killed: while it carries out the
// first request of this kind.
var serverKills = []string{"create snapshot", "delete snapshot", "delete index", "restore"}

// TestFaultServerKilled kills the server with SIGKILL during a snapshot, a deletion and a
// restore, and starts it again on the same data: while esnap still runs, and after.
func TestFaultServerKilled(t *testing.T) {
	binary := build(t)
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		if s.Provider != "local" {
			t.Skipf("not applicable: the %s provider kills no server", s.Provider)
		}
		for _, during := range serverKills {
			for _, back := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, back while esnap waits %t", strings.ReplaceAll(during, " ", "_"), back), func(t *testing.T) {
					n := newNight(newEnv(t, f, s), binary)
					n.limit = 40 * time.Second
					if !back {
						n.limit = 8 * time.Second
					}
					n.slower()
					p := newFaultProxy(t, s.URL, nil)
					p.normal.Transport = nil // no connection is kept to a server that dies
					p.client.CloseIdleConnections()
					gone, met := p.meet(during, func() error {
						err := s.StopNode(0)
						if err == nil && back {
							err = s.StartNode(t.Context(), 0)
						}
						return err
					})
					r := n.through(p, "--connect-timeout", "30s")
					require.True(t, *met, "no request of the kind was sent: %s", r)
					require.NoError(t, <-gone)
					if !back {
						require.NotZero(t, r.code, "the server was gone: %s", r)
						require.NoError(t, s.StartNode(t.Context(), 0))
					}
					n.leftover = p.mayRestore()
					n.recovered()
					t.Logf("exit code %d after %s", r.code, r.took.Round(time.Millisecond))
					n.check(p, r)
				})
			}
		}
	})
}

// recovered waits until the server has its state again, and the indices that the file
// keeps can be searched. Of those that it deletes the server may have deleted a half.
func (n *nightRun) recovered() {
	n.Helper()
	n.eventually("the indices are there again", func() bool {
		for ago := range 7 {
			if n.countOrNone(n.logIndex(ago)) != nightDocs {
				return false
			}
		}
		var health struct {
			Initializing int `json:"initializing_shards"`
			Tasks        int `json:"number_of_pending_tasks"`
		}
		n.call("GET", "/_cluster/health", nil, &health)
		return health.Initializing+health.Tasks == 0
	})
}

// slower makes snapshots and restores of the night take a second, so that they can be met
// in the middle.
func (n *nightRun) slower() {
	n.Helper()
	docs := map[string]int{}
	for ago := range nightDays {
		docs[n.logIndex(ago)] = nightDocs
	}
	n.fill(20000, docs) // the same documents, larger
	n.call("POST", "/"+n.prefix+"*/_flush", nil, nil)
	settings := "settings: {location: " + n.location("night") + ", compress: true"
	n.edit(settings, settings+", max_snapshot_bytes_per_sec: 1mb, max_restore_bytes_per_sec: 50kb")
}

// edit changes the night's file.
func (n *nightRun) edit(old, changed string) {
	n.Helper()
	text, err := os.ReadFile(n.file)
	require.NoError(n, err)
	require.Contains(n, string(text), old)
	writeFile(n.env, n.file, strings.Replace(string(text), old, changed, 1))
}
