//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wide makes an index with four primaries and some documents.
func (e *env) wide(name string, docs int) {
	e.Helper()
	e.call("PUT", "/"+name, map[string]any{
		"settings": map[string]any{"number_of_shards": 4},
		"aliases":  map[string]any{e.prefix + "all": map[string]any{"routing": "r"}},
	}, nil)
	e.fill(60, map[string]int{name: docs})
}

// TestShrink shrinks an index, with what the server then says of it.
func TestShrink(t *testing.T) {
	forEachServer(t, func(e *env) {
		a := e.prefix + "a"
		e.wide(a, 40)
		file := `
actions:
  1:
    action: shrink
    options: {shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}, number_of_shards: 2, number_of_replicas: 0,
      copy_aliases: true, max_wait: 300, extra_settings: {settings: {index.refresh_interval: 9s}}, wait_for_rebalance: false, MORE}
    filters: [{filtertype: pattern, kind: prefix, value: 'PREFIX'}]
`
		r := e.run(0, replaceMore(file, "delete_after: false"))
		require.Len(e, r.Actions[0].Outcomes, 1)
		require.Equal(e, []string{a, a + "-shrink"}, e.indices())
		require.Equal(e, 40, e.count(a+"-shrink"))
		s := e.metadata(a + "-shrink")
		require.Equal(e, "2", s.Settings["index.number_of_shards"])
		require.Equal(e, "9s", s.Settings["index.refresh_interval"])
		require.Equal(e, []string{e.prefix + "all"}, s.Aliases)
		for _, name := range []string{a, a + "-shrink"} {
			require.Nil(e, e.metadata(name).Settings["index.blocks.write"], name)
			require.Nil(e, e.metadata(name).Settings["index.routing.allocation.require._name"], name)
			e.call("PUT", "/"+name+"/_doc/more?refresh=true", map[string]any{"n": 1}, nil) // writable
		}

		e.deleteIndices(a, a+"-shrink")
		e.wide(a, 30)
		stdout, _ := e.want(0, "run", "-n", "-o", "name", e.write("action.yml", replaceMore(file, "shrink_suffix: -one")))
		require.Contains(e, stdout, "shrink/"+a)
		require.Equal(e, []string{a}, e.indices())
		e.run(0, replaceMore(file, "shrink_suffix: -one"))
		require.Equal(e, []string{a + "-one"}, e.indices(), "the source is gone")
		require.Equal(e, 30, e.count(a+"-one"))

		e.call("PUT", "/"+a, map[string]any{"settings": map[string]any{"number_of_shards": 4, "blocks.write": true}}, nil)
		e.run(1, replaceMore(file, "shrink_suffix: -one")) // the target is there
		require.Equal(e, "true", e.metadata(a).Settings["index.blocks.write"], "a block that was there before is never lifted")
	})
}

func replaceMore(text, by string) string { return strings.Replace(text, "MORE", by, 1) }

// TestReindex copies documents on the servers that have the module.
func TestReindex(t *testing.T) {
	forEachServer(t, func(e *env) {
		if !e.old() {
			e.notApplicable("the trimmed distribution has no _reindex")
		}
		a, b := e.prefix+"a", e.prefix+"b"
		e.fill(60, map[string]int{a: 7, b: 5})
		e.run(0, "actions: {1: {action: reindex, options: {request_body: {source: {index: REINDEX_SELECTION}, "+
			"dest: {index: 'PREFIXall'}}}, filters: [{filtertype: pattern, kind: regex, value: '^PREFIX[ab]$'}]}}")
		require.Equal(e, 7, e.count(e.prefix+"all"), "equal ids replace each other")
		e.run(0, "actions: {1: {action: reindex, options: {migration_suffix: -copy, request_body: {source: {index: REINDEX_SELECTION, "+
			"query: {term: {n: 3}}}, dest: {index: MIGRATION}}}, filters: [{filtertype: pattern, kind: regex, value: '^PREFIX[ab]$'}]}}")
		require.Equal(e, 1, e.count(a+"-copy"))
		require.Equal(e, 1, e.count(b+"-copy"))
		if e.server.Provider != "local" {
			return // a container cannot reach itself by the address that it has outside
		}
		remote := fmt.Sprintf("actions: {1: {action: reindex, options: {migration_prefix: 'PREFIXfar-', "+
			"request_body: {source: {index: REINDEX_SELECTION, remote: {host: '%s'}}, dest: {index: MIGRATION}}, "+
			"remote_filters: [{filtertype: pattern, kind: regex, value: '^PREFIXb$'}]}, filters: []}}", e.server.URL)
		e.run(0, remote)
		require.Equal(e, 5, e.count(e.prefix+"far-"+b))
		r := e.run(1, "actions: {1: {action: reindex, options: {request_body: {source: {index: 'PREFIXgone'}, "+
			"dest: {index: 'PREFIXx'}}}, filters: []}}")
		require.NotEmpty(e, r.Actions[0].Outcomes[0].Error)
		e.run(1, "actions: {1: {action: reindex, options: {request_body: {source: {index: REINDEX_SELECTION, "+
			"remote: {host: 'http://127.0.0.1:1'}}, dest: {index: 'PREFIXx'}}, remote_filters: [{filtertype: none}]}, filters: []}}")
	})
}
