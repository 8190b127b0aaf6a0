//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCuratorCLI runs Curator's command lines for single actions and repositories,
// each with what the server then says.
func TestCuratorCLI(t *testing.T) {
	forEachServer(t, func(e *env) {
		host, port, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(e.server.URL, "http://"), "https://"), ":")
		five := []string{"curator_cli", "--compat", "5", "--host", host, "--port", port}
		cli := func(code int, args ...string) string {
			e.Helper()
			stdout, _ := e.want(code, append(five, args...)...)
			return stdout
		}
		on := func(regex string) string {
			return fmt.Sprintf(`[{"filtertype":"pattern","kind":"regex","value":"^%s%s$"}]`, e.prefix, regex)
		}
		a, b, c := e.prefix+"a-000001", e.prefix+"b", e.prefix+"c"
		e.fill(100, map[string]int{a: 5, b: 7, c: 3})

		require.Equal(e, []string{a, b, c}, lines(cli(0, "show_indices", "--filter_list", on(".*"))))
		table := lines(cli(0, "show-indices", "--verbose", "--header", "--filter_list", on("b")))
		require.Len(e, table, 2)
		require.Regexp(e, `^Index +State +Size +Docs Pri Rep +Creation Timestamp$`, table[0])
		require.Regexp(e, `^`+b+` +open +[\d.]+KB +7 +1 +0 \d{4}-\d{2}-\d{2}T[\d:]+Z$`, table[1])

		repo := e.prefix + "repo"
		e.want(0, "es_repo_mgr", "create", "fs", "--name", repo, "--location", e.location("cli"), "--verify")
		e.want(1, "es_repo_mgr", "create", "fs", "--name", repo, "--location", e.location("other"))
		stdout, _ := e.want(0, "es_repo_mgr", "show")
		require.Contains(e, lines(stdout), repo)
		stdout, _ = e.want(0, "es_repo_mgr", "info")
		require.NoError(e, json.Unmarshal([]byte(stdout), &map[string]any{}))
		stdout, _ = e.want(1, "es_repo_mgr", "create", "s3", "--name", e.prefix+"s3", "--bucket", "b")
		require.Contains(e, stdout, "Repository exception: ", "no plugin")

		cli(0, "--dry-run", "snapshot", "--repository", repo, "--name", "s-%Y", "--filter_list", on(".*"))
		require.Empty(e, e.snapshots(repo))
		cli(0, "snapshot", "--repository", repo, "--name", "s-2026.01.01", "--filter_list", on(".*"))
		cli(0, "snapshot", "--repository", repo, "--name", "s-2026.01.02", "--filter_list", on("b"))
		require.Equal(e, "s-2026.01.01\ns-2026.01.02\n", cli(0, "show_snapshots", "--repository", repo))
		require.ElementsMatch(e, []string{a, b, c}, e.snapshots(repo)["s-2026.01.01"].Indices)

		cli(0, "delete_indices", "--filter_list", on("b"))
		require.Equal(e, []string{a, c}, e.indices())
		cli(1, "delete_indices", "--filter_list", on("b"))
		cli(0, "delete_indices", "--ignore_empty_list", "--filter_list", on("b"))
		cli(0, "restore", "--repository", repo, "--name", "s-2026.01.01", "--index", b, "--rename_pattern", "(.+)",
			"--rename_replacement", "$1-back", "--filter_list", `{"filtertype":"none"}`)
		require.Equal(e, 7, e.count(b+"-back"))

		// What only the server can rename: sent, and refused where a closed index is in the way.
		again := func(want int) string {
			return cli(want, "restore", "--repository", repo, "--name", "s-2026.01.01", "--index", b,
				"--rename_pattern", "^(?<n>.+)$", "--rename_replacement", "${n}-again", "--filter_list", `{"filtertype":"none"}`)
		}
		require.Contains(e, again(0), "cannot be predicted")
		require.Equal(e, 7, e.count(b+"-again"))
		cli(0, "close", "--filter_list", on("b-again"))
		require.Contains(e, again(1), "the closed index "+b+"-again could be overwritten")
		require.Equal(e, "close", e.metadata(b+"-again").State)
		cli(0, "delete_indices", "--filter_list", on("b-again"))

		cli(0, "delete-snapshots", "--repository", repo, "--filter_list", `{"filtertype":"pattern","kind":"suffix","value":".01"}`)
		require.Len(e, e.snapshots(repo), 1)

		cli(0, "alias", "--name", e.prefix+"al", "--add", on("a.*"))
		require.Equal(e, []string{e.prefix + "al"}, e.metadata(a).Aliases)
		cli(0, "rollover", "--name", e.prefix+"al", "--max_docs", "5", "--new_index", e.prefix+"a-next")
		require.Equal(e, "open", e.metadata(e.prefix+"a-next").State)
		cli(0, "replicas", "--count", "1", "--filter_list", on("c"))
		require.Equal(e, "1", e.metadata(c).Settings["index.number_of_replicas"])
		cli(0, "replicas", "--count", "0", "--filter_list", on("c"))
		cli(0, "allocation", "--key", "box", "--value", "1", "--allocation_type", "exclude", "--filter_list", on("c"))
		require.Equal(e, "1", e.metadata(c).Settings["index.routing.allocation.exclude.box"])
		cli(0, "forcemerge", "--max_num_segments", "1", "--ignore_empty_list", "--filter_list", on("c"))
		cli(0, "close", "--filter_list", on("c"))
		require.Equal(e, "close", e.metadata(c).State)
		cli(1, "close", "--filter_list", on("c"))
		cli(0, "open", "--filter_list", on("c"))
		require.Equal(e, "open", e.metadata(c).State)
		wide := e.prefix + "wide"
		e.wide(wide, 10)
		e.green()
		cli(0, "shrink", "--node_filters", `{"permit_masters":true}`, "--number_of_replicas", "0", "--max_wait", "300",
			"--filter_list", on("wide"))
		require.Equal(e, 10, e.count(wide+"-shrink"))

		e.want(1, "es_repo_mgr", "delete", "--name", repo)
		e.want(0, "es_repo_mgr", "delete", "--name", repo, "--yes")
		status, _ := e.try("GET", "/_snapshot/"+repo, nil)
		require.Equal(e, 404, status)
	})
}
