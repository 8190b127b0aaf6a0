//go:build integration

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRetention takes sixty nights' snapshots of seven days each, deletes the days from
// the cluster, and expires snapshots: every day can still be restored, from the least
// number of snapshots.
func TestRetention(t *testing.T) {
	onLastServer(t, func(e *env) {
		const nights, window = 60, 7
		repository, logs := e.prefix+"repo", e.prefix+"logs-"
		days := nights + window - 1
		e.template(e.prefix + "*")
		docs := map[string]int{}
		for d := range days {
			docs[logs+e.day(d+1)] = 1
		}
		e.fill(10, docs)
		e.register(repository, e.location("repo"), nil)
		for n := range nights { // the oldest first
			var held []string
			for d := range window {
				held = append(held, logs+e.day(nights-n+d))
			}
			e.take(repository, fmt.Sprintf("%snight-%s", e.prefix, e.now.AddDate(0, 0, n-nights).Format("20060102")), held...)
		}
		file := `
actions:
  1:
    action: delete_snapshots
    options: {repository: PREFIXrepo}
    filters:
    - {filtertype: pattern, kind: prefix, value: PREFIXnight-}
    - {filtertype: retain, cover: 400d}
`
		e.run(0, file, "--dry-run")
		require.Len(e, e.snapshots(repository), nights)
		e.deleteIndices(e.indices(logs)...)
		r := e.run(0, file)
		left := e.snapshots(repository)
		require.Len(e, left, (days+window-1)/window, "%v", left)
		require.Len(e, r.Actions[0].Outcomes, nights-len(left))

		// What was said of one that stays is the reason.
		reasons := map[string]string{}
		for _, s := range r.Actions[0].Spared {
			reasons[*s.Name] = s.Why
		}
		for name := range left {
			require.Contains(e, reasons[name], "retained by cover 400d")
		}

		// The test may run right after midnight.
		code, out, _ := e.esnap("check", "--days", fmt.Sprint(days), "--index", logs+"%Y.%m.%d", "--repository", repository,
			"--settle", "0s", "-o", "csv")
		require.Equal(e, 0, code, out)
		require.Equal(e, days, strings.Count(out, ",held,false,"), out)

		// Every day comes back, with one command.
		e.want(0, "restore", logs+"*", "--yes", "--repository", repository)
		require.Len(e, e.indices(logs), days)
		require.Equal(e, 1, e.count(logs+e.day(days)))

		// The days are in the cluster again: for the rule they are others than the copies.
		again := e.run(1, file)
		require.Contains(e, again.Actions[0].Error, "passes the filters")
	})
}

// TestRequireSnapshot deletes what a snapshot contains, and nothing else.
func TestRequireSnapshot(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository := e.prefix + "repo"
		held, late, none := e.prefix+"logs-"+e.day(9), e.prefix+"logs-"+e.day(8), e.prefix+"logs-"+e.day(0)
		e.template(e.prefix + "*")
		e.register(repository, e.location("repo"), nil)
		e.fill(10, map[string]int{held: 3, late: 3, none: 3})
		e.take(repository, e.prefix+"one", held, none)
		e.deleteIndices(held)
		e.fill(10, map[string]int{held: 3})
		file := `
actions:
  1:
    action: delete_indices
    options: {require_snapshot: {repositories: [PREFIXrepo]}}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXlogs-}]
`
		r := e.run(0, file)
		require.ElementsMatch(e, []string{held, late, none}, e.indices(e.prefix), "no copy is of these indices")
		require.Equal(e, 3, r.Spared)
		require.Contains(e, strings.Join(r.Actions[0].Warnings, "\n"), "to free disk space by hand")

		e.later()
		e.take(repository, e.prefix+"two", held, none)
		e.run(5, file, "--fail-on-spared")
		require.ElementsMatch(e, []string{late, none}, e.indices(e.prefix), "the day of %s has not ended", none)

		// the same as a command
		e.later()
		e.take(repository, e.prefix+"three", late)
		e.want(0, "index", "delete", late, "--require-snapshot", repository, "--yes")
		require.Equal(e, []string{none}, e.indices(e.prefix))
		_, stderr := e.want(4, "index", "delete", none, "--max-items", "1", "--require-snapshot", repository, "--yes")
		require.Contains(e, stderr, "require_snapshot")
	})
}

// TestDrill restores an index for a test, compares it, and removes it again.
func TestDrill(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, logs := e.prefix+"repo", e.prefix+"logs-"
		e.template(e.prefix+"*", "esnap-drill-"+e.prefix+"*")
		e.register(repository, e.location("repo"), nil)
		e.fill(10, map[string]int{logs + e.day(3): 5, logs + e.day(2): 7})
		e.later()
		e.take(repository, e.prefix+"s-1", logs+e.day(3), logs+e.day(2))
		file := e.prefix + "state.json"
		writeFile(e, file, "{}")
		e.Cleanup(func() { _ = os.Remove(file) })
		stdout, _ := e.want(0, "drill", "--repository", repository, "--state", file)
		require.Regexp(e, logs+e.day(2)+` .* passed +7 +7 `, stdout)
		require.Len(e, e.indices(e.prefix), 2)
		require.Empty(e, e.indices("esnap-drill-"+e.prefix))

		// Documents that the copy lacks are noticed.
		e.fill(10, map[string]int{logs + e.day(2): 9})
		stdout, _ = e.want(1, "drill", "--repository", repository, "--state", file)
		require.Contains(e, stdout, "the copy has 7 documents")
		code, out, _ := e.esnap("check", "--max-age", "1d", "--repository", repository, "--state", file)
		require.Equal(e, 2, code, out)
		require.Contains(e, out, "drill "+logs+e.day(2))
	})
}

// TestDrillSettings: a copy of an index that is blocked, or bound to nodes that do not exist, can be
// restored, compared and removed.
func TestDrillSettings(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository := e.prefix + "repo"
		e.register(repository, e.location("repo"), nil)
		settings := map[string]map[string]any{
			"readonly": {"index.blocks.read_only": true},
			"metadata": {"index.blocks.metadata": true},
			"require":  {"index.routing.allocation.require.esnap_test": "none"},
			"include":  {"index.routing.allocation.include.esnap_test": "none"},
			"exclude":  {"index.routing.allocation.exclude._name": "*"},
		}
		var names []string
		for name, set := range settings {
			index := e.prefix + name + "-" + e.day(2)
			names = append(names, index)
			e.fill(10, map[string]int{index: 3})
			e.call("PUT", "/"+index+"/_settings", set, nil)
			for key := range set {
				if strings.HasPrefix(key, "index.blocks.") {
					e.Cleanup(func() { e.call("PUT", "/"+index+"/_settings", map[string]any{key: false}, nil) })
				}
			}
		}
		// Three shards, one on each node: a server of one node cannot start a copy of them.
		spread := e.prefix + "spread-" + e.day(2)
		e.call("PUT", "/"+spread, map[string]any{"settings": map[string]any{"number_of_shards": 3, "number_of_replicas": 0}}, nil)
		e.fill(10, map[string]int{spread: 3})
		e.call("PUT", "/"+spread+"/_settings", map[string]any{"index.routing.allocation.total_shards_per_node": 1}, nil)
		names = append(names, spread)
		e.later()
		e.take(repository, e.prefix+"s-1", names...)
		stdout, _ := e.want(0, "drill", "--repository", repository)
		for _, index := range names {
			if strings.Contains(index, "metadata") { // its documents cannot be counted, those of the copy can
				require.Regexp(e, index+` .* passed +3 +- `, stdout)
				require.Contains(e, stdout, "passed "+index+": not compared with the index in the cluster: ")
				continue
			}
			require.Regexp(e, index+` .* passed +3 +3 `, stdout)
		}
		require.Empty(e, e.indices("esnap-drill-"+e.prefix))
	})
}
