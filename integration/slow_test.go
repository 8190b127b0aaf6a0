//go:build integration

package integration

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

func writeFile(e *env, name, text string) {
	e.Helper()
	require.NoError(e, os.WriteFile(name, []byte(text), 0o600))
}

// slow makes a repository that takes some seconds to hold the index it also makes.
func slow(e *env, repository, index string) {
	e.Helper()
	e.fill(2000, map[string]int{index: 1000})
	e.call("POST", "/"+index+"/_flush", nil, nil)
	e.register(repository, e.location(repository), map[string]any{"max_snapshot_bytes_per_sec": "400kb"})
}

// foreign starts somebody else's snapshot and returns while it runs.
func foreign(e *env, repository, name, index string) {
	e.Helper()
	e.call("PUT", "/_snapshot/"+repository+"/"+name, map[string]any{"indices": index, "include_global_state": false}, nil)
	require.True(e, e.running(repository, name))
}

// TestForeignSnapshot meets a snapshot that somebody else is taking. On a machine
// with two cores Elasticsearch 6 has one thread for snapshots and does not get to
// refuse another, so there a server of its own is told that it has eight.
func TestForeignSnapshot(t *testing.T) {
	onLastServer(t, func(e *env) {
		if e.old() {
			e = e.own(testserver.Options{Settings: map[string]string{"processors": "8"}})
		}
		big, small, far, near := e.prefix+"big", e.prefix+"small", e.prefix+"slow", e.prefix+"mine"
		slow(e, far, big)
		e.fill(20, map[string]int{small: 3})
		e.register(near, e.location("mine"), nil)
		file := `
actions:
  1:
    action: snapshot
    options: {repository: PREFIXmine, name: NAME, wait_for_running: WAIT}
    filters: [{filtertype: pattern, kind: regex, value: '^PREFIXsmall$'}]
`
		named := func(name, wait string) string { return strings.NewReplacer("NAME", name, "WAIT", wait).Replace(file) }

		foreign(e, far, "theirs-1", big)
		if e.old() {
			r := e.run(1, named("refused", "0"))
			require.Contains(e, r.Actions[0].Error, "theirs-1")
			require.Contains(e, r.Actions[0].Hint, "wait_for_running")
			require.True(e, e.running(far, "theirs-1"), "theirs still runs")
			require.NotContains(e, e.snapshots(near), "refused")
			e.run(0, named("waited", "2m"))
			require.False(e, e.running(far, "theirs-1"), "theirs had to end first")
		} else {
			// Both run. With one thread for snapshots, as on two cores, ours takes its
			// turn after theirs, but the server does not refuse it.
			e.run(0, named("waited", "0"))
			e.Logf("theirs still runs: %t", e.running(far, "theirs-1"))
		}
		require.Equal(e, "SUCCESS", e.snapshots(near)["waited"].State)
		e.eventually("theirs has ended", func() bool { return !e.running(far, "theirs-1") })
		require.Equal(e, "SUCCESS", e.snapshots(far)["theirs-1"].State)

		// The same content again would be there in no time.
		e.deleteIndices(big)
		e.fill(2000, map[string]int{big: 1000})
		foreign(e, far, "theirs-2", big)
		remove := `
actions:
  1:
    action: delete_indices
    options: {wait_for_running: WAIT}
    filters: [{filtertype: pattern, kind: regex, value: '^PREFIXbig$'}]
`
		r := e.run(1, strings.ReplaceAll(remove, "WAIT", "0"))
		require.Contains(e, r.Actions[0].Error, "theirs-2")
		require.Contains(e, e.indices(), big)
		require.True(e, e.running(far, "theirs-2"))
		start := time.Now()
		e.run(0, strings.ReplaceAll(remove, "WAIT", "2m"))
		require.NotContains(e, e.indices(), big)
		e.Logf("waited %s", time.Since(start).Round(time.Millisecond))
		e.eventually("theirs has ended", func() bool { return !e.running(far, "theirs-2") })
		require.Equal(e, "SUCCESS", e.snapshots(far)["theirs-2"].State)
	})
}
