//go:build integration

package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
)

const servedFile = `
name: PREFIXserved
schedule: '*/2 * * * * *'
lock: required
history: true
repositories: {PREFIXserved: {type: fs, settings: {location: LOCATION}}}
actions:
  1:
    action: snapshot
    options: {repository: PREFIXserved, name: 'served-%Y%m%d%H%M%S'}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXlog}]
`

// TestServeReplicas: of two processes one acts at each time of the schedule; when one is
// killed, the other goes on.
func TestServeReplicas(t *testing.T) {
	bin := build(t)
	onLastServer(t, func(e *env) {
		e.Cleanup(func() {
			for _, name := range []string{cluster.LockIndex, cluster.HistoryIndex} {
				e.try("DELETE", "/"+name, nil)
			}
		})
		e.fill(5, map[string]int{e.prefix + "log": 1})
		file := filepath.Join(e.dir, "served.yml")
		writeFile(e, file, strings.ReplaceAll(e.text(servedFile), "LOCATION", e.location("served")))
		job, client := e.prefix+"served", e.direct()
		a, _, aErr := e.process(bin, "serve", file)
		b, _, bErr := e.process(bin, "serve", file)
		for _, c := range []*exec.Cmd{a, b} {
			require.NoError(e, c.Start())
			e.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		}
		records := func() (list []history.Record) {
			all, err := history.List(e.Context(), client, 200)
			require.NoError(e, err)
			for _, r := range all {
				if r.Job == job {
					list = append(list, r)
				}
			}
			return list
		}
		e.eventually("three runs", func() bool { return len(records()) >= 3 })
		before := len(records())
		e.eventually("the next run has ended", func() bool { // a run takes a part of the two seconds
			held, err := lock.IsHeld(e.Context(), client, job)
			return err == nil && !held && len(records()) > before
		})
		require.NoError(e, a.Process.Kill())
		_ = a.Wait()
		before = len(records())
		e.eventually("three more runs", func() bool { return len(records()) >= before+3 })
		require.NoError(e, b.Process.Signal(syscall.SIGTERM))
		ended := b.Wait()
		var exited *exec.ExitError
		if ended != nil { // a run was going on
			require.ErrorAs(e, ended, &exited, bErr.String())
			require.Equal(e, 143, exited.ExitCode(), bErr.String())
		}
		seen := map[time.Time]bool{}
		for _, r := range records() {
			require.True(e, r.ExitCode == 0 || r.ExitCode == 143, "%+v\n%s\n%s", r, aErr, bErr)
			period := r.Started.Truncate(2 * time.Second)
			require.False(e, seen[period], "two runs at %s\n%s\n%s", period, aErr, bErr)
			seen[period] = true
		}
		acted, _, err := lock.Acted(e.Context(), client, job)
		require.NoError(e, err)
		require.False(e, acted.IsZero())
		stdout, _ := e.want(0, "lock", "list", "-o", "name")
		require.NotContains(e, stdout, job)
	})
}
