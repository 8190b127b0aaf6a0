//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// TestLifecycle meets indices that a lifecycle policy manages, and frozen ones. Of
// the servers that run without a container only Elasticsearch 6.8.23 with x-pack
// has them; it is started where 6.8.23 without is tested.
func TestLifecycle(t *testing.T) {
	forEachServer(t, func(e *env) {
		if e.flavour == testserver.ES6823 && e.server.Provider == "local" {
			e = e.own(testserver.Options{Flavour: testserver.ES6823X})
		}
		if status, _ := e.try("GET", "/_ilm/policy", nil); status != 200 {
			e.notApplicable("the distribution has no lifecycle policies")
		}
		policy, managed, free, written := e.prefix+"policy", e.prefix+"managed", e.prefix+"free", e.prefix+"roll-000001"
		e.call("PUT", "/_ilm/policy/"+policy, map[string]any{"policy": map[string]any{"phases": map[string]any{
			"delete": map[string]any{"min_age": "365d", "actions": map[string]any{"delete": map[string]any{}}},
		}}}, nil)
		e.Cleanup(func() {
			e.deleteIndices(e.indices()...)
			e.call("DELETE", "/_ilm/policy/"+policy, nil, nil)
		})
		for _, name := range []string{managed, written} {
			e.call("PUT", "/"+name, map[string]any{"settings": map[string]any{"index.lifecycle.name": policy}}, nil)
		}
		e.call("POST", "/_aliases", map[string]any{"actions": []any{map[string]any{"add": map[string]any{
			"index": written,
			"alias": e.prefix + "w",
		}}}}, nil)
		e.fill(50, map[string]int{managed: 2, free: 2, written: 2})
		names := func(options, filter string) []string {
			file := e.write("action.yml", "actions: {1: {action: open, options: {"+options+
				"}, filters: [{filtertype: pattern, kind: prefix, value: 'PREFIX'}"+filter+"]}}")
			stdout, _ := e.want(0, "run", "-n", "-o", "name", file)
			return lines(stdout)
		}

		require.Equal(e, []string{"open/" + free}, names("", ""), "managed ones are left out")
		require.Equal(e, []string{"open/" + free}, names("allow_ilm_indices: true", ", {filtertype: ilm}"))
		require.ElementsMatch(e, []string{"open/" + managed, "open/" + written},
			names("allow_ilm_indices: true", ", {filtertype: ilm, exclude: false}"))
		require.ElementsMatch(e, []string{"open/" + free, "open/" + managed, "open/" + written}, names("allow_ilm_indices: true", ""))

		roll := "actions: {1: {action: rollover, options: {name: 'PREFIXw', conditions: {max_docs: 1}MORE}}}"
		r := e.run(0, replaceMore(roll, ""))
		require.Contains(e, r.Actions[0].Outcomes[0].Detail, "the lifecycle policy "+policy)
		require.Empty(e, e.writes())
		e.want(0, "curator", "--compat", "5", e.write("roll.yml", replaceMore(roll, "")))
		require.Empty(e, e.writes())
		require.Equal(e, []string{e.prefix + "w"}, e.metadata(written).Aliases)
		e.run(0, replaceMore(roll, ", allow_ilm_indices: true"))
		require.Equal(e, []string{e.prefix + "w"}, e.metadata(e.prefix+"roll-000002").Aliases)

		remove := "actions: {1: {action: delete_indices, options: {MORE}, filters: [{filtertype: pattern, kind: regex, " +
			"value: '^PREFIX(managed|free)$'}]}}"
		e.run(0, replaceMore(remove, ""))
		require.NotContains(e, e.indices(), free)
		require.Contains(e, e.indices(), managed)
		e.run(0, replaceMore(remove, "allow_ilm_indices: true"))
		require.NotContains(e, e.indices(), managed)

		old := e.prefix + "logs-" + e.day(100)
		e.fill(50, map[string]int{old: 3})
		f := &forms{e, map[string]bool{}}
		f.freeze(old)
		if e.flavour == testserver.ES6823X {
			require.True(e, e.knowsFreezing("freeze"), "it was frozen indeed")
		}
		require.Equal(e, 3, e.count(old))
	})
}
