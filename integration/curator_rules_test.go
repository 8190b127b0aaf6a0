//go:build integration

package integration

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// The rules of Curator's that rest on what the server does: which are kept (K) and
// where esnap differs on purpose (D).

// curator runs an action file by Curator's command line, in the manners of a
// version, and requires its exit code.
func (e *env) curator(code int, version, file string, args ...string) string {
	e.Helper()
	client := "client:\n  hosts: ['" + e.vars["ESNAP_URL"] + "']\n"
	if version == "8" {
		client = "elasticsearch:\n  client:\n    hosts: ['" + e.vars["ESNAP_URL"] + "']\n"
	}
	args = append([]string{"curator", "--config", e.write("curator.yml", client)}, args...)
	stdout, stderr := e.want(code, append(args, e.write("action.yml", file))...)
	return stdout + stderr
}

// action is a file with one action.
func action(kind, options, filters string) string {
	return "actions: {1: {action: " + kind + ", options: {" + options + "}, filters: [" + filters + "]}}"
}

const ours = "{filtertype: pattern, kind: prefix, value: 'PREFIX'}"

// through puts a proxy before the server that does something else with the requests
// it is asked about.
func (e *env) through(instead func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool) {
	target, err := url.Parse(e.server.URL)
	require.NoError(e, err)
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.Transport = e.client.Transport
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !instead(w, r, forward) {
			forward.ServeHTTP(w, r)
		}
	}))
	e.vars["ESNAP_URL"] = proxy.URL
	e.Cleanup(func() {
		e.vars["ESNAP_URL"] = e.server.URL
		proxy.Close()
	})
}

// TestK08ARunningSnapshotRefusesOurs: where the server takes one at a time, ours
// fails at once and is not begun, and nothing is deleted (D1: retry_count 0). A
// server that takes several takes ours.
func TestK08ARunningSnapshotRefusesOurs(t *testing.T) {
	forEachServer(t, func(e *env) {
		if e.old() { // on few cores it would hold the request back instead: see TestForeignSnapshot
			e = e.own(testserver.Options{Settings: map[string]string{"processors": "8"}})
		}
		big, small, far, near := e.prefix+"big", e.prefix+"small", e.prefix+"slow", e.prefix+"mine"
		slow(e, far, big)
		e.fill(20, map[string]int{small: 3})
		e.register(near, e.location("mine"), nil)
		e.take(near, "s-2026.01.01", small)
		e.take(near, "s-2026.01.02", small)
		take := action("snapshot", "repository: PREFIXmine, name: s-2026.01.03", "{filtertype: pattern, kind: regex, value: '^PREFIXsmall$'}")
		expire := action("delete_snapshots", "repository: PREFIXmine, retry_count: 0", "{filtertype: none}")
		foreign(e, far, "theirs", big)
		if !e.old() {
			e.curator(0, "5", take)
			require.Equal(e, "SUCCESS", e.snapshots(near)["s-2026.01.03"].State)
		} else {
			for _, version := range []string{"5", "8"} {
				require.Contains(e, e.curator(1, version, take), "theirs")
				require.Equal(e, 1, e.sent("PUT"), "it is not asked for again")
				require.Contains(e, e.curator(1, version, expire), "theirs")
			}
			require.True(e, e.running(far, "theirs"), "theirs still runs")
			held := e.snapshots(near)
			require.Len(e, held, 2, "nothing was begun, nothing deleted")
		}
		e.eventually("theirs has ended", func() bool { return !e.running(far, "theirs") })
		require.Equal(e, "SUCCESS", e.snapshots(far)["theirs"].State)
		if e.old() {
			e.curator(0, "5", take)
		}
		e.curator(0, "8", expire)
		require.Len(e, e.snapshots(near), 1, "the newest good one")
	})
}

// TestK08PartialFailsTheAction: whatever partial says, and what would follow is not
// done.
func TestK08PartialFailsTheAction(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, good, broken := e.prefix+"repo", e.prefix+"good", e.prefix+"lost"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{good: 3})
		e.call("PUT", "/"+broken+"?wait_for_active_shards=0", map[string]any{
			"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0, "index.routing.allocation.require._name": "nope"},
		}, nil)
		for n, version := range []string{"5", "8"} {
			name := "s" + version
			file := "actions: {1: {action: snapshot, options: {repository: PREFIXrepo, name: " + name +
				", partial: true}, filters: [" + ours + "]}, 2: {action: delete_indices, filters: [" + ours + "]}}"
			require.Contains(e, e.curator(1, version, file), "PARTIAL")
			require.Equal(e, "PARTIAL", e.snapshots(repository)[name].State)
			require.Equal(e, []string{good, broken}, e.indices())
			require.Len(e, e.snapshots(repository), n+1)
		}
	})
}

// TestK09RestoreTakesTheNewestAndJudgesItThen by the server's own start times.
func TestK09RestoreTakesTheNewestAndJudgesItThen(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, a, b, broken := e.prefix+"repo", e.prefix+"a", e.prefix+"b", e.prefix+"lost"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{a: 3, b: 4})
		e.take(repository, "z-first", a)
		time.Sleep(1100 * time.Millisecond) // start times count in whole seconds
		e.take(repository, "a-second", b)
		time.Sleep(1100 * time.Millisecond)
		e.call("PUT", "/"+broken+"?wait_for_active_shards=0", map[string]any{
			"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0, "index.routing.allocation.require._name": "nope"},
		}, nil)
		e.call("PUT", "/_snapshot/"+repository+"/m-partial", map[string]any{
			"indices":              a + "," + broken,
			"partial":              true,
			"include_global_state": false,
		}, nil)
		e.eventually("it has ended", func() bool { return e.snapshots(repository)["m-partial"].State == "PARTIAL" })
		e.deleteIndices(a, b, broken)
		restore := func(options, filters string) string {
			return action("restore", "repository: PREFIXrepo"+options, filters)
		}
		require.Contains(e, e.curator(1, "8", restore("", "{filtertype: none}")), "PARTIAL", "the newest, not the newest good one")
		require.Zero(e, e.sent("POST"))
		e.curator(0, "5", restore("", "{filtertype: state, state: SUCCESS}"))
		require.Equal(e, []string{b}, e.indices(), "by time, not by name")
		e.curator(0, "8", restore(", name: z-first", "{filtertype: pattern, kind: prefix, value: a-}"))
		require.Equal(e, []string{a, b}, e.indices(), "filters do not restrict a name")
		require.Equal(e, 3, e.count(a))
	})
}

// TestD01RunningSnapshotsAreNotAborted: one that still runs is left to end, and the
// others go.
func TestD01RunningSnapshotsAreNotAborted(t *testing.T) {
	onLastServer(t, func(e *env) {
		repository, big, small := e.prefix+"slow", e.prefix+"big", e.prefix+"small"
		slow(e, repository, big)
		e.fill(20, map[string]int{small: 1})
		e.take(repository, "old-1", small)
		e.take(repository, "old-2", small)
		e.take(repository, "old-3", small)
		foreign(e, repository, "running", big)
		expire := action("delete_snapshots", "repository: PREFIXslow, retry_count: 60, retry_interval: 1", "{filtertype: none}")
		out := e.curator(0, "8", expire)
		require.Regexp(e, "WARNING +running is spared: it is still running", out)
		e.eventually("it has ended", func() bool { return !e.running(repository, "running") })
		held := e.snapshots(repository)
		require.Equal(e, "SUCCESS", held["running"].State)
		require.Len(e, held, 2, "and the newest good one")
		require.Contains(e, held, "old-3")
	})
}

// TestD03RestoreLooksForExactlyWhatItAskedFor: names that begin alike, patterns, and
// indices that Curator 8 does not list.
func TestD03RestoreLooksForExactlyWhatItAskedFor(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, x, x1, dotted := e.prefix+"repo", e.prefix+"x", e.prefix+"x1", ".kibana-"+e.prefix+"1"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{x: 1, x1: 2, dotted: 3})
		e.Cleanup(func() {
			if left := e.indices(dotted); len(left) > 0 {
				e.deleteIndices(left...)
			}
		})
		e.take(repository, "s", x, x1, dotted)
		for indices, want := range map[string][]string{
			"['PREFIXx']": {x}, "['PREFIX*']": {x, x1}, "['PREFIX*', '-PREFIXx1']": {x}, "['.kibana-PREFIX*']": {dotted},
		} {
			for _, version := range []string{"5", "8"} {
				e.deleteIndices(e.indices(e.prefix, dotted)...)
				e.curator(0, version, action("restore", "repository: PREFIXrepo, indices: "+indices, "{filtertype: none}"))
				require.ElementsMatch(e, want, e.indices(e.prefix, dotted), "%s, version %s", indices, version)
			}
		}
	})
}

// TestD04IndicesThatStayFailTheAction: the deletion is acknowledged and not done.
func TestD04IndicesThatStayFailTheAction(t *testing.T) {
	forEachServer(t, func(e *env) {
		index := e.prefix + "a"
		e.fill(20, map[string]int{index: 1})
		e.through(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.Method != http.MethodDelete {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"acknowledged":true}`))
			return true
		})
		require.Contains(e, e.curator(1, "8", action("delete_indices", "", ours)), "still exists after 3 delete requests")
		require.Equal(e, 3, e.sent("DELETE"))
		require.Equal(e, []string{index}, e.indices())
	})
}

// TestD22ALostReplyIsLookedAfter: the server carries a request out, its reply is
// lost. Curator asks again and is told that it exists already, or is missing.
func TestD22ALostReplyIsLookedAfter(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, index := e.prefix+"repo", e.prefix+"a"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{index: 3})
		e.take(repository, "s-1", index)
		e.take(repository, "s-2", index)
		var mu sync.Mutex
		var lost []string
		e.through(func(_ http.ResponseWriter, r *http.Request, forward http.Handler) bool {
			if r.Method == http.MethodGet || r.Method == http.MethodHead || strings.HasSuffix(r.URL.Path, "/_verify") {
				return false
			}
			mu.Lock()
			lost = append(lost, r.Method)
			mu.Unlock()
			forward.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler) // the connection breaks
		})
		for _, c := range []struct {
			file, method string
			seen         func() bool
		}{
			{
				action("snapshot", "repository: PREFIXrepo, name: s-3", ours),
				"PUT",
				func() bool { return e.snapshots(repository)["s-3"].State == "SUCCESS" },
			},
			{
				action("delete_snapshots", "repository: PREFIXrepo", "{filtertype: pattern, kind: regex, value: ^s-1$}"),
				"DELETE",
				func() bool { return len(e.snapshots(repository)) == 2 },
			},
			{action("delete_indices", "", ours), "DELETE", func() bool { return len(e.indices()) == 0 }},
			{
				action("restore", "repository: PREFIXrepo, name: s-3", "{filtertype: none}"),
				"POST",
				func() bool { return slices.Equal(e.indices(), []string{index}) && e.count(index) == 3 },
			},
		} {
			mu.Lock()
			lost = nil
			mu.Unlock()
			out := e.curator(0, "8", c.file)
			require.True(e, c.seen(), "%s\n%s", c.file, out)
			mu.Lock()
			require.Equal(e, []string{c.method}, lost, "%s is asked for once", c.file)
			mu.Unlock()
		}
	})
}

// TestD24ARefusedRepositoryIsNotCalledMissing: the server's reason is shown.
func TestD24ARefusedRepositoryIsNotCalledMissing(t *testing.T) {
	forEachServer(t, func(e *env) {
		e.register(e.prefix+"repo", e.location("repo"), nil)
		e.fill(20, map[string]int{e.prefix + "a": 1})
		e.through(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if !strings.HasPrefix(r.URL.Path, "/_snapshot/") {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error":{"root_cause":[],"type":"security_exception","reason":"no permissions for you"},"status":403}`))
			return true
		})
		for kind, options := range map[string]string{
			"snapshot":         "repository: PREFIXrepo, name: s",
			"delete_snapshots": "repository: PREFIXrepo",
		} {
			out := e.curator(1, "5", action(kind, options, ours))
			require.Contains(e, out, "no permissions for you")
			require.NotContains(e, out, "missing")
		}
	})
}

// TestD28CreateIndexSaysTheServersReason, and its type (C3).
func TestD28CreateIndexSaysTheServersReason(t *testing.T) {
	forEachServer(t, func(e *env) {
		for options, says := range map[string]string{
			"name: 'PREFIXUpper'": "invalid_index_name_exception",
			"name: 'PREFIXbad', extra_settings: {settings: {number_of_shards: many}}": "illegal_argument_exception",
		} {
			out := e.curator(1, "5", "actions: {1: {action: create_index, options: {ignore_existing: true, "+options+"}}}")
			require.Contains(e, out, says)
			require.NotContains(e, out, "exists")
		}
		require.Empty(e, e.indices())
	})
}

// TestD31TheNewestGoodSnapshotIsSpared, and with guards off it is not.
func TestD31TheNewestGoodSnapshotIsSpared(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, index := e.prefix+"repo", e.prefix+"a"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{index: 1})
		for _, day := range []int{3, 2} {
			e.take(repository, "night-"+e.now.Add(-time.Duration(day)*24*time.Hour).Format("20060102"), index)
		}
		expire := action("delete_snapshots", "repository: PREFIXrepo",
			"{filtertype: age, source: name, timestring: '%Y%m%d', direction: older, unit: days, unit_count: 1}")
		require.Contains(e, e.curator(0, "8", expire), "is the newest good snapshot")
		require.Len(e, e.snapshots(repository), 1)
		e.curator(0, "8", expire, "--guards", "off")
		require.Empty(e, e.snapshots(repository))
	})
}
