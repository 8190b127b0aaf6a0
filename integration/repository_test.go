//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// idle are actions of which none is done.
const idle = `actions:
  1:
    action: delete_indices
    options: {disable_action: true}
    filters: [{filtertype: pattern, kind: prefix, value: nothing}]
`

// TestRepositoryCycle registers a repository, and meets it again as it was, with
// other settings, and in another place.
func TestRepositoryCycle(t *testing.T) {
	forEachServer(t, func(e *env) {
		name, location := e.prefix+"repo", e.location("repo")
		file := func(ensure, place, settings string) string {
			return fmt.Sprintf("repositories:\n  %s:\n    type: fs\n    ensure: %s\n    settings: {location: %s, %s}\n"+idle,
				name, ensure, place, settings)
		}

		stdout, _ := e.want(0, "repository", "register", name, "fs", "location="+location, "compress=true")
		require.Contains(e, stdout, "registered and verified")
		require.NotContains(e, stdout, "already contains")
		require.Equal(e, map[string]any{"location": location, "compress": "true"}, e.repository(name))

		// The same again, as people write it: the server says "true" and has no slash at the end.
		r := e.run(0, file("create", location+"/", "compress: true"))
		require.Equal(e, "unchanged", r.Repositories[0].Result)
		require.Empty(e, r.Repositories[0].Drift)
		require.Empty(e, r.Warnings)
		require.Empty(e, e.writes())
		e.want(0, "repository", "register", name, "fs", "location="+location, "compress=true")
		require.Equal(e, []string{"POST /_snapshot/" + name + "/_verify"}, e.writes(), "who asks for it learns whether it works")

		r = e.run(0, file("create", location, "compress: true, chunk_size: 10mb"))
		require.Len(e, r.Repositories[0].Drift, 1)
		require.Contains(e, r.Repositories[0].Drift[0], "chunk_size is not set in the cluster but 10mb ")
		require.Len(e, r.Warnings, 1)
		require.Contains(e, r.Warnings[0], "ensure: update")
		require.Empty(e, e.writes())
		require.NotContains(e, e.repository(name), "chunk_size")

		r = e.run(0, file("verify", location, "compress: true"))
		require.Contains(e, r.Repositories[0].Detail, "verified by 1 node")

		r = e.run(0, file("update", location, "compress: true, chunk_size: 10mb"))
		require.Equal(e, "done", r.Repositories[0].Result)
		require.Equal(e, "10mb", e.repository(name)["chunk_size"])
		e.run(0, file("update", location, "compress: true, chunk_size: 10mb"))
		require.Empty(e, e.writes())

		e.fill(20, map[string]int{e.prefix + "a": 3})
		e.take(name, "one", e.prefix+"a")
		e.take(name, "two", e.prefix+"a")

		elsewhere := e.location("elsewhere")
		for _, ensure := range []string{"create", "update"} {
			r = e.run(4, file(ensure, elsewhere, "compress: true, chunk_size: 10mb"))
			require.Contains(e, r.Error+r.Repositories[0].Error, "points elsewhere")
			require.Contains(e, r.Hint, "--force")
			require.Empty(e, e.writes())
			require.Equal(e, location, e.repository(name)["location"])
		}
		e.run(0, file("update", elsewhere, "compress: true, chunk_size: 10mb"), "--force")
		require.Equal(e, elsewhere, e.repository(name)["location"])
		require.Empty(e, e.snapshots(name))

		stdout, _ = e.want(0, "repository", "verify", name)
		require.Contains(e, stdout, "verified by 1 node")
		_, stderr := e.want(1, "repository", "verify", name+"x")
		require.Contains(e, stderr, "did you mean "+name)

		_, stderr = e.want(2, "repository", "unregister", name)
		require.Contains(e, stderr, "--yes")
		require.NotNil(e, e.repository(name))
		e.want(0, "repository", "unregister", name, "--yes")
		require.Nil(e, e.repository(name))

		again := e.prefix + "again"
		stdout, _ = e.want(0, "repository", "register", again, "fs", "location="+location)
		require.Contains(e, stdout, "already contains 2 snapshots, the newest from "+e.now.Format("2006-01-02"))
		require.Len(e, e.snapshots(again), 2)
		e.want(0, "repository", "unregister", again, "--yes")
	})
}

// TestRepositoryRefused has servers refuse repositories, for reasons that esnap
// puts in plain words.
func TestRepositoryRefused(t *testing.T) {
	forEachServer(t, func(e *env) {
		name := e.prefix + "repo"
		stdout, _ := e.want(1, "repository", "register", name, "fs", "location=/nowhere/in/path.repo")
		require.Contains(e, stdout, "/nowhere/in/path.repo is not below an entry of path.repo")
		if e.repository(name) != nil {
			require.Contains(e, stdout, "the repository is registered but not verified")
			e.want(0, "repository", "unregister", name, "--yes")
		}
		stdout, _ = e.want(1, "repository", "register", name, "hdfs", "uri=hdfs://localhost:1/", "path=x")
		require.Contains(e, stdout, "the plugin repository-hdfs is not installed")
		require.NotContains(e, stdout, "is registered but not verified")
		require.Nil(e, e.repository(name))

		_, stderr := e.want(2, "repository", "register", name, "fsx", "location=/x")
		require.Contains(e, stderr, "fsx")
		_, stderr = e.want(2, "repository", "register", name, "fs", "loction="+e.location("x"), "location="+e.location("x"))
		require.Contains(e, stderr, "did you mean location?")
		require.Empty(e, e.requests)
	})
}

// TestMissingMount registers repositories on three nodes of which the third does
// not see what the others see.
func TestMissingMount(t *testing.T) {
	onOneServer(t, func(e *env) {
		noMaster := map[string]string{"node.roles": "[data, ingest]"}
		if e.old() {
			noMaster = map[string]string{"node.master": "false"}
		}
		e = e.own(testserver.Options{
			Nodes: 3, RepoRoots: [][]string{{"a"}, {"a"}, {"b"}}, NodeSettings: []map[string]string{{}, {}, noMaster}, HeapMB: 384,
		})
		e.fill(20, map[string]int{e.prefix + "a": 3})
		third := nodeName(e, e.server.NodeURLs()[2])
		for way, location := range map[string]string{"absolute": e.location("x"), "relative": e.prefix + "relative"} {
			name := e.prefix + way
			stdout, _ := e.want(1, "repository", "register", name, "fs", "location="+location)
			var hint string
			for line := range strings.Lines(stdout) {
				if strings.Contains(line, "hint:") {
					hint = line
				}
			}
			require.Contains(e, hint, "node "+third, "%s location: %s", way, stdout)
			if e.repository(name) == nil {
				continue
			}
			require.Contains(e, stdout, "the repository is registered but not verified")
			stdout, stderr := e.want(1, "snapshot", "create", name, e.prefix+"a", "--name", "one")
			require.Contains(e, stdout+stderr, "node "+third)
			require.Empty(e, e.snapshots(name))
			_, stderr = e.want(1, "repository", "verify", name)
			require.Contains(e, stderr, "node "+third)
		}
	})
}

func nodeName(e *env, address string) string {
	e.Helper()
	resp, err := e.client.Get(address + "/_cat/nodes?h=name,http_address&full_id=true")
	require.NoError(e, err)
	defer resp.Body.Close()
	var text strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	for line := range strings.Lines(text.String()) {
		if fields := strings.Fields(line); len(fields) == 2 && strings.HasSuffix(address, fields[1]) {
			return fields[0]
		}
	}
	require.Fail(e, "no node", "at %s: %s", address, text.String())
	return ""
}

// TestReadonly reads, through a second repository, what a first one writes to the
// same place, as another cluster would.
func TestReadonly(t *testing.T) {
	forEachServer(t, func(e *env) {
		writer, reader, index := e.prefix+"writer", e.prefix+"reader", e.prefix+"a-2026.01.02"
		e.register(writer, e.location("shared"), nil)
		e.fill(20, map[string]int{index: 7})
		e.take(writer, "one", index)
		stdout, _ := e.want(0, "repository", "register", reader, "fs", "location="+e.location("shared"), "--readonly")
		require.Contains(e, stdout, "already contains 1 snapshot,")
		e.take(writer, "two", index)
		stdout, _ = e.want(0, "snapshot", "list", reader, "-o", "name")
		require.Equal(e, "one\ntwo\n", stdout)

		e.want(0, "restore", index, "--repository", reader, "--rename-prefix", e.prefix+"back-", "--yes")
		require.Equal(e, 7, e.count(e.prefix+"back-"+index))

		stdout, stderr := e.want(1, "snapshot", "create", reader, index, "--name", "three")
		require.Contains(e, strings.ToLower(stdout+stderr), "readonly")
		require.Regexp(e, `hint: .*read-?only`, stdout+stderr)
		stdout, stderr = e.want(1, "snapshot", "delete", reader, "one", "--yes", "--guards", "off")
		require.Regexp(e, `hint: .*read-?only`, stdout+stderr)
		require.Len(e, e.snapshots(writer), 2)
		require.Len(e, e.snapshots(reader), 2)
	})
}

// TestURL restores from a repository of the type url, which is read-only. That the
// folder lies below path.repo is enough for a file: URL.
func TestURL(t *testing.T) {
	forEachServer(t, func(e *env) {
		writer, reader, index := e.prefix+"writer", e.prefix+"reader", e.prefix+"a"
		e.register(writer, e.location("shared"), nil)
		e.fill(20, map[string]int{index: 7})
		e.take(writer, "one", index)
		file := `
repositories:
  PREFIXreader: {type: url, settings: {url: 'file:LOCATIONshared/'}}
actions:
  1:
    action: restore
    options: {repository: PREFIXreader, rename_pattern: '(.+)', rename_replacement: 'PREFIXback-$1'}
    filters: [{filtertype: state, state: SUCCESS}]
`
		if _, text := e.try("PUT", "/_snapshot/"+e.prefix+"probe", map[string]any{
			"type":     "url",
			"settings": map[string]any{"url": "file:" + e.location("shared") + "/"},
		}); strings.Contains(string(text), "does not exist") {
			r := e.run(1, file)
			require.Contains(e, r.Repositories[0].Error+r.Error, "repository type [url] does not exist")
			require.NotContains(e, e.indices(), e.prefix+"back-"+index)
			return
		}
		r := e.run(0, file)
		require.Equal(e, "done", r.Repositories[0].Result)
		require.Equal(e, 7, e.count(e.prefix+"back-"+index))
		e.deleteIndices(e.prefix + "back-" + index)
		r = e.run(0, file)
		require.Equal(e, "unchanged", r.Repositories[0].Result)

		stdout, stderr := e.want(1, "snapshot", "create", reader, index, "--name", "two")
		require.Regexp(e, `hint: .*read-?only`, stdout+stderr)
		stdout, stderr = e.want(1, "snapshot", "delete", reader, "one", "--yes", "--guards", "off")
		require.Regexp(e, `hint: .*read-?only`, stdout+stderr)
		require.Len(e, e.snapshots(writer), 1)
	})
}

// TestReplacedRepository puts an empty folder in the place of a repository's, as when a
// volume is not mounted. From Elasticsearch 7.6 and on OpenSearch the cluster knows; before,
// an empty repository is warned of.
func TestReplacedRepository(t *testing.T) {
	forEachServer(t, func(e *env) {
		if e.server.RepoPaths == nil {
			e.notApplicable("the %s provider shows no folder", e.server.Provider)
		}
		repo, old := e.prefix+"repo", e.prefix+"log-2026.01.01"
		e.fill(20, map[string]int{old: 3, e.prefix + "log-" + e.now.Format("2006.01.02"): 3})
		night := `
repositories:
  PREFIXrepo: {type: fs, settings: {location: LOCATIONrepo}}
actions:
  1:
    action: snapshot
    options: {repository: PREFIXrepo, name: 'night-%Y.%m.%d', once_per: day, wait_interval: 1}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXlog-}]
  2:
    action: delete_indices
    filters:
    - {filtertype: pattern, kind: prefix, value: PREFIXlog-}
    - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 7}
`
		first := strings.Split(night, "  2:\n")[0]
		r := e.run(0, first)
		require.Empty(e, r.Warnings)

		folder := filepath.Join(e.server.RepoPaths[0], e.prefix+"repo")
		e.replace(folder)
		if e.old() {
			r = e.run(0, first)
			require.Contains(e, strings.Join(r.Actions[0].Warnings, "\n"), "contains no snapshot; if it contained some, its storage is not mounted")
			r = e.run(0, first)
			require.Empty(e, r.Actions[0].Warnings)
			return
		}
		r = e.run(4, night)
		require.Equal(e, "refused", r.Actions[0].Status)
		require.Equal(e, "not_run", r.Actions[1].Status)
		require.Contains(e, r.Actions[0].Hint, "--force")
		require.Contains(e, e.indices(), old)
		e.run(4, strings.Replace(night, "wait_interval: 1", "wait_interval: 1, continue_if_exception: true", 1))
		require.Contains(e, e.indices(), old)

		e.run(0, night, "--force")
		require.NotContains(e, e.indices(), old)
		require.Len(e, e.snapshots(repo), 1)
		e.run(0, first)
	})
}

// replace puts an empty folder of the same owner in a folder's place.
func (e *env) replace(folder string) {
	info, err := os.Stat(folder)
	require.NoError(e, err)
	require.NoError(e, os.RemoveAll(folder))
	require.NoError(e, os.Mkdir(folder, 0o777))
	require.NoError(e, os.Chmod(folder, 0o777))
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		require.NoError(e, os.Chown(folder, int(owner.Uid), int(owner.Gid)))
	}
}
