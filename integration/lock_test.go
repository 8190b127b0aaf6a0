//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/cmd"
	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
)

const lockedFile = `
name: PREFIXjob
lock: required
history: true
actions:
  1:
    action: delete_indices
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXold}]
`

// esnapHeld runs a command line whose deletions wait until they are let go. waits is
// closed when the first one waits.
func (e *env) esnapHeld(waits, letGo chan struct{}, args ...string) (code int, output string) {
	var out, log bytes.Buffer
	var once sync.Once
	app := &cmd.App{
		In: strings.NewReader(""), Out: &out, Err: &log, Now: time.Now,
		Env: func(name string) (string, bool) { v, ok := e.vars[name]; return v, ok },
		Connect: func(o es.Options) (cluster.Cluster, error) {
			c, err := es.New(o)
			if err != nil {
				return nil, err
			}
			return cluster.Intercept(c, c, func(_ context.Context, op cluster.Op, do func() error) error {
				if _, deletes := op.(cluster.DeleteIndices); deletes {
					once.Do(func() { close(waits) })
					<-letGo
				}
				return do()
			}), nil
		},
	}
	code = cmd.Main(e.Context(), app, args)
	return code, out.String() + log.String()
}

// TestRunLock: of two runs at once one acts; a stale lock is taken over; each run leaves a
// record.
func TestRunLock(t *testing.T) {
	forEachServer(t, func(e *env) {
		e.Cleanup(func() {
			for _, name := range []string{cluster.LockIndex, cluster.HistoryIndex} {
				e.try("DELETE", "/"+name, nil)
			}
		})
		ctx, client := e.Context(), e.direct()
		job := e.prefix + "job"
		file := filepath.Join(e.dir, "locked.yml")
		writeFile(e, file, e.text(lockedFile))

		e.fill(20, map[string]int{e.prefix + "old-1": 1, e.prefix + "old-2": 1, e.prefix + "kept": 1})
		waits, letGo := make(chan struct{}), make(chan struct{})
		var code int
		var output string
		var first sync.WaitGroup
		first.Go(func() { code, output = e.esnapHeld(waits, letGo, "run", file) })
		<-waits
		_, stderr := e.want(4, "run", file)
		require.Contains(e, stderr, "another run of the job "+job+" holds its lock: run ")
		require.Contains(e, stderr, "esnap lock release "+job)
		for _, x := range e.requests {
			require.False(e, x.Method == "DELETE" && strings.Contains(x.URI, e.prefix+"old"), x.URI)
		}
		stdout, _ := e.want(0, "lock", "list", "-o", "name")
		require.Contains(e, stdout, job+"\n")
		stdout, _ = e.want(0, "status")
		require.Contains(e, stdout, "lock "+job+": held, run ")
		e.want(0, "run", "-n", file) // a dry run needs no lock
		close(letGo)
		first.Wait()
		require.Equal(e, 0, code, output)
		require.Equal(e, []string{e.prefix + "kept"}, e.indices())
		stdout, _ = e.want(0, "lock", "list", "-o", "name")
		require.NotContains(e, stdout, job)
		e.requireOwnIndices()

		// The run of this lock was killed four minutes ago.
		e.fill(20, map[string]int{e.prefix + "old-3": 1})
		then, err := client.Clock(ctx)
		require.NoError(e, err)
		then = then.Add(-4 * time.Minute)
		killed := lock.Held{Owner: lock.Owner{Run: "dead", Host: "node-7", PID: 42}, Acquired: then, Renewed: then,
			Expires: then.Add(3 * time.Minute)}
		_, err = client.PutDocument(ctx, cluster.PutDocument{Index: cluster.LockIndex, ID: job, Time: then, Body: killed})
		require.NoError(e, err)
		_, stderr = e.want(0, "run", file)
		require.Contains(e, stderr, "took over the lock of the job "+job+": run dead on host node-7 (pid 42) has not renewed it since")
		require.Equal(e, []string{e.prefix + "kept"}, e.indices())

		// A lock that is released by hand while its run deletes: the run deletes nothing more.
		l, err := lock.Acquire(ctx, client, job, lock.Options{Owner: lock.Owner{Run: "mine"}, Watch: clock.RealTime(), Wall: time.Now})
		require.NoError(e, err)
		deletion := cluster.DeleteIndices{Names: []string{"x"}}
		require.NoError(e, l.Check(ctx, deletion))
		e.want(4, "run", file)
		e.want(0, "lock", "release", job, "--yes", "--reason", "a test")
		require.ErrorContains(e, l.Check(ctx, deletion), "it was released by hand")
		require.Error(e, l.Release(ctx, true))

		for range 28 {
			e.want(1, "run", file) // nothing is selected
		}
		stdout, _ = e.want(0, "history", "list", "--limit", "200", "-o", "json")
		var list struct{ Records []history.Record }
		require.NoError(e, json.Unmarshal([]byte(stdout), &list))
		codes := map[int]int{}
		for n, r := range list.Records {
			if r.Job == job {
				codes[r.ExitCode]++
			}
			require.True(e, n == 0 || !r.Started.After(list.Records[n-1].Started), "newest first")
		}
		require.Equal(e, map[int]int{0: 2, 1: 28, 4: 2}, codes)
		stdout, _ = e.want(0, "history", "show", list.Records[0].ID)
		require.Contains(e, stdout, "nothing is selected")

		// esnap's own indices are neither selected nor saved.
		all := "actions: {1: {action: snapshot, options: {repository: PREFIXr, name: PREFIXs}, filters: " +
			"[{filtertype: pattern, kind: regex, value: '^(PREFIX|esnap)'}]}}" // other tests create indices at the same time
		e.register(e.prefix+"r", e.location("r"), nil)
		e.run(0, all)
		saved := e.snapshots(e.prefix + "r")[e.prefix+"s"].Indices
		require.Contains(e, saved, e.prefix+"kept")
		require.NotContains(e, saved, cluster.LockIndex)
		require.NotContains(e, saved, cluster.HistoryIndex)
		e.try("DELETE", fmt.Sprintf("/_snapshot/%sr/%ss", e.prefix, e.prefix), nil)
	})
}

// direct is a client without esnap's command line.
func (e *env) direct() *es.Client {
	e.Helper()
	client, err := es.New(es.Options{URLs: []string{e.server.URL}, Username: e.server.Username, Password: e.server.Password,
		CAFile: e.server.CAFile})
	require.NoError(e, err)
	return client
}

// requireOwnIndices requires the settings of esnap's own indices, and that nothing of a
// record is indexed but its time.
func (e *env) requireOwnIndices() {
	e.Helper()
	for _, name := range []string{cluster.LockIndex, cluster.HistoryIndex} {
		var settings map[string]struct{ Settings map[string]string }
		e.call("GET", "/"+name+"/_settings?flat_settings=true", nil, &settings)
		s := settings[name].Settings
		require.Equal(e, "1", s["index.number_of_shards"])
		require.Equal(e, "0-1", s["index.auto_expand_replicas"])
		if !e.old() {
			require.Equal(e, "true", s["index.hidden"])
		}
		_, mapping := e.try("GET", "/"+name+"/_mapping", nil)
		require.Contains(e, string(mapping), `"properties":{"time":{"type":"date","format":"epoch_millis"}}`)
	}
}
