//go:build integration

package integration

import (
	"maps"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// withoutState are roles of users who may not read the state of the cluster.
var withoutState = map[string]string{
	"sees-all": `{"cluster":["monitor_snapshot","cluster:monitor/nodes/stats"],"indices":[{"names":["*"],` +
		`"privileges":["view_index_metadata"]}]}`,
	"sees-alias": `{"cluster":["create_snapshot","cluster:monitor/nodes/stats"],` +
		`"indices":[{"names":["logs-*","today"],"privileges":["view_index_metadata","delete_index"]}]}`,
	"sees-some": `{"cluster":["create_snapshot","cluster:monitor/nodes/stats","cluster:admin/snapshot/delete",` +
		`"cluster:admin/snapshot/restore","cluster:admin/repository/delete"],` +
		`"indices":[{"names":["logs-*"],"privileges":["view_index_metadata","delete_index"]}]}`,
}

// seesAll are commands for a user who may see all indices, and not the state of the cluster.
var seesAll = []string{
	"index list", "index list -o wide", "index show logs-OLD", "snapshot list",
	"snapshot list --holding logs-OLD", "snapshot show backup first",
	"repository list", "index delete logs-OLD -n", "run -n FILE",
}

// visible runs commands as users who may not read the state of the cluster: one may see
// all indices, the other only some. What is only safe if all are known is refused to it.
func (e *env) visible() {
	e.Helper()
	e.secured()
	e.fill(5, map[string]int{"other-index": 1})
	e.call("POST", "/logs-"+e.day(4)+"/_close", nil, nil)
	file := e.write("visible.yml", `
actions:
  1:
    action: snapshot
    options: {repository: backup, name: 'visible-%Y%m%d%H%M%S', once_per: day, skip_repo_fs_check: true}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: delete_indices
    options: {require_snapshot: {repositories: [backup]}}
    filters:
      - {filtertype: pattern, kind: prefix, value: logs-}
      - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 4}
`)
	admin := e.vars
	e.vars = maps.Clone(admin)
	defer func() { e.vars = admin }()
	filled := strings.NewReplacer("OLD", e.day(5), "FILE", file)
	as := func(user, line string) (code int, text string) {
		e.vars["ESNAP_USERNAME"], e.vars["ESNAP_PASSWORD"] = user, testserver.RolePassword
		code, out, errs := e.esnap(strings.Fields(filled.Replace(line))...)
		return code, out + errs
	}
	_, shown := as("sees-all", "index show logs-"+e.day(4))
	require.Regexp(e, `status +close`, shown)
	e.call("POST", "/logs-"+e.day(4)+"/_open", nil, nil) // a server of unknown version may not take closed ones
	before := e.indices("")
	for _, line := range seesAll {
		code, text := as("sees-all", line)
		require.Zero(e, code, "esnap %s\n%s", line, text)
		require.NotContains(e, text, "missing from the list", line)
	}
	code, text := as("sees-all", "check FILE")
	require.NotEqual(e, 3, code, text)
	_, list := as("sees-all", "index list -o name")
	require.Contains(e, list, "other-index")
	for _, line := range []string{
		"restore logs-OLD --rename-prefix restored- --yes", "snapshot delete backup first --guards off --yes",
		"index delete logs-OLD --yes",
	} {
		code, text := as("sees-all", line)
		require.NotZero(e, code, line)
		require.Contains(e, text, "unauthorized", line)
	}

	_, state := as("sees-all", "status")
	require.Contains(e, state, "no snapshot is running; list running operations: the user may not read the state of the cluster")

	_, list = as("sees-some", "index list -o name")
	require.Contains(e, list, "logs-"+e.day(5))
	require.Contains(e, list, "missing from the list")
	require.NotContains(e, list, "other-index")
	for _, line := range []string{
		"restore logs-OLD --rename-prefix restored- --yes",
		"restore logs-OLD --rename-prefix restored- -n", "snapshot delete backup expired --yes",
		"snapshot delete backup expired -n", "repository unregister backup --yes", "drill --repository backup", "purge logs-OLD -n",
	} {
		code, text := as("sees-some", line)
		require.NotZero(e, code, "%s\n%s", line, text)
		require.Contains(e, text, "the user may not read the state of the cluster", line)
	}
	require.Equal(e, before, e.indices(""))
	require.Contains(e, e.snapshots("backup"), "expired")
	require.Contains(e, e.snapshots("backup"), "first")

	code, text = as("sees-some", "run FILE --fail-on-spared")
	require.Equal(e, 5, code, text)
	require.Contains(e, text, "it may be the write index of the alias today, which the user may not see (view_index_metadata on that name)")
	require.Equal(e, before, e.indices(""))
	code, text = as("sees-alias", "run FILE")
	require.Zero(e, code, text)
	require.NotContains(e, e.indices("logs-"), "logs-"+e.day(5), text)
	require.Contains(e, e.indices("logs-"), "logs-"+e.day(3), text)
	e.deleteIndices("other-index")
}
