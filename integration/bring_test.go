//go:build integration

package integration

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// TestRestoreOverwrite: the server restores over a closed index only, and what was closed
// in vain is opened again.
func TestRestoreOverwrite(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, day := e.prefix+"repo", e.prefix+"log-"+e.day(40)
		alias := e.prefix + "alias"
		overwrite := []string{"restore", day, "--on-conflict", "overwrite", "--yes"}
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{day: 7})
		e.call("PUT", "/"+day+"/_alias/"+alias, nil, nil)
		e.later()
		e.take(repository, "night", day)
		e.fill(20, map[string]int{day: 10})
		uuid := e.uuids()[day]

		stdout, _ := e.want(0, append(overwrite, "-n")...)
		require.Contains(e, stdout, day+" is overwritten: 10 documents in the existing index are replaced; "+
			"the newest good copy of it is in "+repository+"/night")
		require.Empty(e, e.writes())
		e.want(0, overwrite...)
		require.Equal(e, 7, e.count(day))
		require.Equal(e, uuid, e.uuids()[day])
		require.Contains(e, aliases(e, day), alias)

		// The index is another one, of which no copy is held.
		e.deleteIndices(day)
		e.fill(20, map[string]int{day: 3})
		stdout, _ = e.want(4, overwrite...)
		require.Contains(e, stdout, "no snapshot contains a good copy of the existing index, which has 3 documents")
		require.Equal(e, 3, e.count(day))
		e.call("POST", "/"+day+"/_close", nil, nil)
		e.want(0, append(overwrite, "--force")...)
		require.Equal(e, 7, e.count(day))

		// The server refuses: the number of shards cannot be changed.
		e.deleteIndices(day)
		e.call("PUT", "/"+day, map[string]any{"settings": map[string]any{"number_of_shards": 3, "number_of_replicas": 0}}, nil)
		e.fill(20, map[string]int{day: 5})
		stdout, _ = e.want(1, append(overwrite, "--force")...)
		require.Contains(e, stdout, "the existing index was opened again, unchanged")
		e.eventually("the index is open", func() bool { return e.health(day) == "green" })
		require.Equal(e, 5, e.count(day))
	})
}

// TestRestoreRollback: a restore that cannot end is ended by SIGHUP, and what it created is
// deleted while the server still restores it.
func TestRestoreRollback(t *testing.T) {
	forEachServer(t, func(e *env) {
		binary := build(e.TB.(*testing.T))
		repository, day := e.prefix+"repo", e.prefix+"log-"+e.day(40)
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{day: 7})
		e.take(repository, "night", day)
		before := e.uuids("restored-", e.prefix)
		c, stdout, stderr := e.process(binary, "restore", day, "--rename-prefix", e.prefix+"back-", "--rollback", "--yes",
			"--set", "index.routing.allocation.require.box=none")
		require.NoError(e, c.Start())
		e.eventually("the restore has begun", func() bool { return len(e.uuids("restored-", e.prefix)) > len(before) })
		time.Sleep(200 * time.Millisecond) // the reply comes after the index; a lost one does not say who created it
		require.NoError(e, c.Process.Signal(syscall.SIGHUP))
		var exit *exec.ExitError
		require.ErrorAs(e, c.Wait(), &exit, "%s\n%s", stdout, stderr)
		require.Equal(e, 129, exit.ExitCode(), "%s\n%s", stdout, stderr)
		require.Contains(e, stdout.String(), "deleted "+e.prefix+"back-"+day)
		require.Equal(e, before, e.uuids("restored-", e.prefix))
	})
}

// TestRestoreWholeCluster: an empty server beside the repository of a lost one.
func TestRestoreWholeCluster(t *testing.T) {
	forEachServer(t, func(e *env) {
		lost := e
		repository, day, old := e.prefix+"repo", e.prefix+"log-"+e.day(3), e.prefix+"log-"+e.day(9)
		alias := e.prefix + "alias"
		lost.register(repository, e.location("repo"), nil)
		lost.fill(20, map[string]int{day: 7, old: 2, e.prefix + "app": 4})
		lost.call("POST", "/_aliases", map[string]any{"actions": []any{map[string]any{"add": map[string]any{
			"index": e.prefix + "app", "alias": alias, "is_write_index": true}}}}, nil)
		stream, kibana := lost.prefix+"stream", ".kibana_"+lost.prefix+"x"
		streams, _ := lost.try("GET", "/_data_stream", nil)
		if streams == 200 {
			lost.createStream(stream)
		}
		lost.call("PUT", "/"+kibana, map[string]any{"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0}}, nil)
		lost.Cleanup(func() { lost.call("DELETE", "/"+kibana, nil, nil) })
		lost.take(repository, "logs-"+e.day(8), old)
		lost.take(repository, "logs-"+e.day(2), day)
		lost.call("PUT", "/_snapshot/"+repository+"/app-"+e.day(2)+"?wait_for_completion=true", map[string]any{
			"indices": strings.Join([]string{e.prefix + "*", kibana, "-" + day, "-" + old}, ","), "include_global_state": true}, nil)

		e = lost.own(testserver.Options{Settings: map[string]string{"path.repo": lost.server.Repo}})
		args := []string{"restore", "--whole-cluster", "--repository", "back", "--register", "fs location=" + lost.location("repo"), "--yes"}
		stdout, _ := e.want(0, args...)
		require.Equal(e, "true", e.repository("back")["readonly"])
		require.Contains(e, stdout, "restored global state")
		require.Equal(e, []string{lost.prefix + "app", day}, e.indices(lost.prefix), "the newest of each series")
		require.Equal(e, 7, e.count(day))
		require.Equal(e, []string{alias}, aliases(e, lost.prefix+"app"), "%s", stdout)
		var templates map[string]any
		e.call("GET", "/_template/"+lost.prefix+"template", nil, &templates)
		require.NotEmpty(e, templates, "the global state has the templates")
		if streams == 200 {
			require.Contains(e, stdout, "restored "+stream)
			e.call("POST", "/"+stream+"/_rollover", nil, nil) // it is one that can be written to
		}
		require.Equal(e, []string{kibana}, e.indices(kibana), "%s", stdout)

		stdout, _ = e.want(4, args...)
		require.Contains(e, stdout, "the server is not empty")
		e.want(0, "restore", old, "--yes")
		require.Equal(e, 2, e.count(old), "older days come afterwards")
	})
}

// TestRestoreRed: a node is lost, and with it the only copies of some shards.
func TestRestoreRed(t *testing.T) {
	onOneServer(t, func(e *env) {
		e = e.own(testserver.Options{Nodes: 3, HeapMB: 384})
		repository := e.prefix + "repo"
		e.register(repository, e.location("repo"), nil)
		wide, saved := e.prefix+"wide", e.prefix+"saved"
		e.call("PUT", "/"+wide, map[string]any{"settings": map[string]any{"number_of_shards": 6, "number_of_replicas": 0}}, nil)
		e.call("PUT", "/"+saved, map[string]any{"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 2}}, nil)
		e.fill(20, map[string]int{wide: 60, saved: 5})
		e.eventually("all copies are started", func() bool { return e.health("") == "green" })
		e.take(repository, "night", wide, saved)
		e.fill(20, map[string]int{wide: 90})
		stdout, _ := e.want(0, "restore", "--red", "--yes")
		require.Contains(e, stdout, "no index has lost a shard")
		require.NoError(e, e.server.StopNode(2))
		e.eventually("the index is red", func() bool { return e.health(wide) == "red" })

		stdout, _ = e.want(0, "restore", "--red", "-n")
		require.Contains(e, stdout, wide+" has lost its shards ")
		require.NotContains(e, stdout, saved)
		stdout, _ = e.want(0, "restore", "--red", "--yes")
		require.Contains(e, stdout, "restored "+wide)
		require.Equal(e, "green", e.health(wide))
		require.Equal(e, 60, e.count(wide))
		stdout, _ = e.want(0, "restore", "--red", "--yes")
		require.Contains(e, stdout, "no index has lost a shard")
	})
}
