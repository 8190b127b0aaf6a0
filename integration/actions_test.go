//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// state is what the cluster's metadata says of an index.
type state struct {
	State    string         `json:"state"`
	Aliases  []string       `json:"aliases"`
	Settings map[string]any `json:"settings"`
}

func (e *env) metadata(index string) state {
	e.Helper()
	var reply struct {
		Metadata struct {
			Indices map[string]state `json:"indices"`
		} `json:"metadata"`
	}
	e.call("GET", "/_cluster/state/metadata/"+index+"?expand_wildcards=all&flat_settings=true", nil, &reply)
	return reply.Metadata.Indices[index]
}

// lines are the lines of an output.
func lines(text string) []string {
	if text = strings.TrimSpace(text); text == "" {
		return []string{}
	}
	return strings.Split(text, "\n")
}

// write writes a file with the test's prefix in it.
func (e *env) write(name, text string) string {
	e.Helper()
	path := filepath.Join(e.dir, name)
	require.NoError(e, os.WriteFile(path, []byte(e.text(text)), 0o600))
	return path
}

// TestIndexActions runs Curator's actions on indices, each with what the server
// then says of them.
func TestIndexActions(t *testing.T) {
	forEachServer(t, func(e *env) {
		a, b, c := e.prefix+"a", e.prefix+"b", e.prefix+"c"
		e.fill(100, map[string]int{a: 40, b: 40})
		e.call("PUT", "/"+c, map[string]any{}, nil)
		on := "filters: [{filtertype: pattern, kind: prefix, value: 'PREFIX'}]"

		e.run(0, ("actions: {1: {action: close, options: {skip_flush: false}, filters: [{filtertype: pattern, kind: regex, " +
			"value: '^PREFIXc$'}]}}"))
		require.Equal(e, "close", e.metadata(c).State)
		e.run(0, ("actions: {1: {action: open, filters: [{filtertype: opened, exclude: true}, " +
			"{filtertype: pattern, kind: prefix, value: 'PREFIX'}]}}"))
		require.Equal(e, "open", e.metadata(c).State)

		e.run(0, ("actions: {1: {action: replicas, options: {count: 1}, " + on + "}}"))
		require.Equal(e, "1", e.metadata(a).Settings["index.number_of_replicas"])
		e.run(0, ("actions: {1: {action: replicas, options: {count: 0, wait_for_completion: false}, " + on + "}}"))
		require.Equal(e, "0", e.metadata(a).Settings["index.number_of_replicas"])

		e.run(0, ("actions: {1: {action: allocation, options: {key: box_type, value: hot, allocation_type: exclude}, " + on + "}}"))
		require.Equal(e, "hot", e.metadata(b).Settings["index.routing.allocation.exclude.box_type"])
		r := e.run(0, ("actions: {1: {action: open, filters: [{filtertype: allocated, key: box_type, value: hot, " +
			"allocation_type: exclude, exclude: false}, {filtertype: pattern, kind: prefix, value: 'PREFIX'}]}}"))
		require.Equal(e, 3, r.Actions[0].Selected)
		e.run(0, ("actions: {1: {action: allocation, options: {key: box_type, value: , allocation_type: exclude, wait_for_completion: true}, " +
			on + "}}"))
		require.NotContains(e, e.metadata(b).Settings, "index.routing.allocation.exclude.box_type")

		e.run(0, ("actions: {1: {action: index_settings, options: {index_settings: {index: {refresh_interval: 7s}}}, " + on + "}}"))
		require.Equal(e, "7s", e.metadata(a).Settings["index.refresh_interval"])
		e.run(1, ("actions: {1: {action: index_settings, options: {index_settings: {index: {codec: best_compression}}}, " + on + "}}"))
		require.Empty(e, e.writes(), "static settings need closed indices")

		for i := range 3 { // one segment at each refresh
			e.call("PUT", fmt.Sprintf("/%s/_doc/x%d?refresh=true", a, i), map[string]any{"n": i}, nil)
		}
		r = e.run(0, ("actions: {1: {action: forcemerge, options: {max_num_segments: 1}, filters: [{filtertype: pattern, " +
			"kind: regex, value: '^PREFIXa$'}]}}"))
		require.Len(e, r.Actions[0].Outcomes, 1)
		e.call("POST", "/"+a+"/_refresh", nil, nil) // segments are counted as searches see them
		e.run(1, ("actions: {1: {action: forcemerge, options: {max_num_segments: 1}, filters: [{filtertype: pattern, " +
			"kind: regex, value: '^PREFIXa$'}]}}"))
	})
}

// TestIndexFilters uses the filters that ask the server for more than its listing.
func TestIndexFilters(t *testing.T) {
	forEachServer(t, func(e *env) {
		full, empty, closed := e.prefix+"full", e.prefix+"empty", e.prefix+"shut"
		e.fill(2000, map[string]int{full: 60, closed: 5})
		e.call("PUT", "/"+empty, map[string]any{}, nil)
		e.call("POST", "/"+closed+"/_close", nil, nil)
		e.call("POST", "/_aliases", map[string]any{"actions": []any{map[string]any{"add": map[string]any{
			"index": full,
			"alias": e.prefix + "al",
		}}}}, nil)
		for filter, want := range map[string][]string{
			"{filtertype: empty}":                                                     {empty},
			"{filtertype: empty, exclude: true}":                                      {full},
			"{filtertype: closed}":                                                    {empty, full},
			"{filtertype: opened}":                                                    {closed},
			"{filtertype: size, size_threshold: 0.00001}":                             {full},
			"{filtertype: space, disk_space: 0.00001}":                                {full, empty}, // the sum stays over the limit
			"{filtertype: shards, number_of_shards: 1, shard_filter_behavior: equal}": {empty, full, closed},
			"{filtertype: alias, aliases: ['PREFIXal']}":                              {full},
			"{filtertype: alias, aliases: 'PREFIXa*,PREFIXnone*'}":                    {full},
			"{filtertype: forcemerged, max_num_segments: 100, exclude: false}":        {empty, full},
			"{filtertype: none}":                                                      {empty, full, closed},
			"{filtertype: kibana}":                                                    {empty, full, closed},
			"{filtertype: ilm}":                                                       {empty, full, closed},
			"{filtertype: age, source: field_stats, field: n, direction: older, unit: days, unit_count: 1}": {full},
		} {
			file := e.write("action.yml", "actions: {1: {action: open, options: {ignore_empty_list: true}, "+
				"filters: [{filtertype: pattern, kind: prefix, value: 'PREFIX'}, "+filter+"]}}")
			stdout, _ := e.want(0, "run", "-n", "-o", "name", file)
			var names []string
			for _, n := range want {
				names = append(names, "open/"+n)
			}
			require.ElementsMatch(e, names, lines(stdout), filter)
		}
	})
}

// TestSnapshotFilters uses the filters of snapshot lists, on one snapshot that is
// whole, an older one by its name, and one of which a part is missing.
func TestSnapshotFilters(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository := e.prefix + "repo"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{e.prefix + "a": 3})
		e.take(repository, "old-2020.01.01", e.prefix+"a")
		e.later()
		e.take(repository, "new-"+e.day(0), e.prefix+"a")
		e.call("PUT", "/"+e.prefix+"lost?wait_for_active_shards=0", map[string]any{
			"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0, "index.routing.allocation.require._name": "nope"},
		}, nil)
		e.later()
		e.call("PUT", "/_snapshot/"+repository+"/part-"+e.day(0)+"?wait_for_completion=true", map[string]any{
			"indices": e.prefix + "a," + e.prefix + "lost",
			"partial": true,
		}, nil)
		require.Equal(e, "PARTIAL", e.snapshots(repository)["part-"+e.day(0)].State)
		old, young, part := "old-2020.01.01", "new-"+e.day(0), "part-"+e.day(0)
		for filter, want := range map[string][]string{
			"{filtertype: none}":                                       {old, young, part},
			"{filtertype: good}":                                       {old, young},
			"{filtertype: good, exclude: true}":                        {part},
			"{filtertype: state, state: PARTIAL}":                      {part},
			"{filtertype: state}":                                      {old, young},
			"{filtertype: pattern, kind: suffix, value: '2020.01.01'}": {old},
			"{filtertype: age, source: creation_date, direction: younger, unit: hours, unit_count: 1}": {
				old, young, part,
			},
			"{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 30}": {
				old,
			},
			"{filtertype: count, count: 2, use_age: true, source: creation_date}": {
				old,
			},
			"{filtertype: period, source: name, timestring: '%Y.%m.%d', period_type: relative, unit: months, range_from: -1, range_to: 1}": {
				young, part,
			},
			"{filtertype: period, source: creation_date, period_type: absolute, unit: years, date_from: '2020', date_to: '2020', " +
				"date_from_format: '%Y', date_to_format: '%Y'}": {},
		} {
			file := e.write("action.yml", "actions: {1: {action: delete_snapshots, options: {repository: PREFIXrepo, "+
				"ignore_empty_list: true, keep_newest_good: false}, filters: ["+filter+"]}}")
			stdout, _ := e.want(0, "run", "-n", "-o", "name", file)
			names := []string{}
			for _, n := range want {
				names = append(names, "delete_snapshots/"+n)
			}
			require.ElementsMatch(e, names, lines(stdout), filter)
		}
	})
}

// TestAliasRolloverCreate makes indices and moves aliases.
func TestAliasRolloverCreate(t *testing.T) {
	forEachServer(t, func(e *env) {
		first := e.prefix + "roll-000001"
		e.run(0, ("actions: {1: {action: create_index, options: {name: 'PREFIXroll-000001', extra_settings: {aliases: {'PREFIXw': {}}}}}}"))
		require.Equal(e, []string{e.prefix + "w"}, e.metadata(first).Aliases)
		e.run(1, ("actions: {1: {action: create_index, options: {name: 'PREFIXroll-000001'}}}"))
		e.run(0, ("actions: {1: {action: create_index, options: {name: 'PREFIXroll-000001', ignore_existing: true}}}"))

		roll := "actions: {1: {action: rollover, options: {name: 'PREFIXw', conditions: {max_docs: 3}}}}"
		e.run(0, (roll))
		require.Empty(e, e.metadata(e.prefix+"roll-000002").State, "the condition is not met")
		e.fill(50, map[string]int{first: 5})
		e.run(0, (roll))
		require.Equal(e, "open", e.metadata(e.prefix+"roll-000002").State)
		require.Equal(e, []string{e.prefix + "w"}, e.metadata(e.prefix+"roll-000002").Aliases)

		e.run(0, (`
actions:
  1:
    action: alias
    options: {name: 'PREFIXrecent'}
    add: {filters: [{filtertype: pattern, kind: suffix, value: 'roll-000002'}, {filtertype: pattern, kind: prefix, value: 'PREFIX'}]}
    remove: {filters: [{filtertype: pattern, kind: suffix, value: 'roll-000001'}, {filtertype: pattern, kind: prefix, value: 'PREFIX'}]}
`))
		require.Contains(e, e.metadata(e.prefix+"roll-000002").Aliases, e.prefix+"recent")
		require.NotContains(e, e.metadata(first).Aliases, e.prefix+"recent")

		e.run(0, ("actions: {1: {action: cluster_routing, options: {routing_type: rebalance, setting: enable, value: all, " +
			"wait_for_completion: true}}}"))
		var settings map[string]map[string]any
		e.call("GET", "/_cluster/settings?flat_settings=true", nil, &settings)
		require.Equal(e, "all", settings["transient"]["cluster.routing.rebalance.enable"])
		e.call("PUT", "/_cluster/settings", map[string]any{"transient": map[string]any{"cluster.routing.rebalance.enable": nil}}, nil)
	})
}

// TestUnknownSettings: a dry run ends as the run does, because the server says which settings
// it knows.
func TestUnknownSettings(t *testing.T) {
	forEachServer(t, func(e *env) {
		e.fill(20, map[string]int{e.prefix + "a": 1})
		e.register(e.prefix+"r", e.location("r"), nil)
		e.take(e.prefix+"r", "s", e.prefix+"a")
		for name, file := range map[string]string{
			"change": "{action: index_settings, options: {index_settings: {index: {SETTING}}}, " +
				"filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]}",
			"create": "{action: create_index, options: {name: 'PREFIXnew-RANDOM', extra_settings: {settings: {SETTING}}}}",
			"restore": "{action: restore, options: {repository: PREFIXr, name: s, indices: [PREFIXa], rename_pattern: '(.+)', " +
				"rename_replacement: 'RANDOM-$1', extra_settings: {index_settings: {SETTING}}}, filters: [{filtertype: none}]}",
		} {
			for setting, code := range map[string]int{
				"nosuch: 1": 1, "refresh_interval: 31s": 0, "translog.flush_threshold_size: 100mb": 0, "search.slowlog.level_or_so: x": 1,
			} {
				text := strings.NewReplacer("SETTING", setting, "RANDOM", strconv.Itoa(len(setting))).Replace(file)
				if name == "restore" && e.flavour != testserver.ES670 { // newer servers restore with what they do not know
					code = 0
				}
				for _, dry := range [][]string{{"--dry-run"}, nil} {
					r := e.run(code, "actions: {1: "+text+"}", dry...)
					require.Equal(e, code == 0, r.Error == "" && r.Actions[0].Error == "", "%s %s %s", name, setting, dry)
				}
			}
		}
	})
}

// TestCuratorCommandLine runs KubeSphere's stock file for this test's own indices,
// on every server; TestStock has it word for word.
func TestCuratorCommandLine(t *testing.T) {
	forEachServer(t, func(e *env) {
		log := e.prefix + "ks-logstash-log-"
		docs := map[string]int{}
		for _, ago := range []int{1, 6, 8, 30} {
			docs[log+e.day(ago)] = 1
		}
		e.fill(50, docs)
		config := e.write("config.yml", "---\nclient:\n  hosts:\n    - "+e.server.URL+"\n  port: 9200\n")
		action := e.write("action.yml", prefixed(e, "3.3"))
		stdout, _ := e.want(0, "--dry-run", "--config", config, action)
		require.Contains(e, stdout, "DRY-RUN: delete_indices: "+log+e.day(8)+" with arguments: {}")
		require.Len(e, e.indices(log), 4)
		stdout, _ = e.want(0, "--config", config, action)
		require.Contains(e, stdout, "Job completed.")
		require.ElementsMatch(e, []string{log + e.day(1), log + e.day(6)}, e.indices(log))
	})
}
