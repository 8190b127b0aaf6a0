package run_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/run"
)

// wide is a bench of three nodes with one index of four primaries and one of one.
func wide(t *testing.T, options ...memory.Option) *bench {
	b := newBench(t, options...)
	b.c.Space.Nodes = []cluster.Disk{{Node: "n1", Free: 10 << 30}, {Node: "n2", Free: 30 << 30}, {Node: "n3", Free: 20 << 30}}
	b.c.NodeRoles = map[string][]string{"n1": {"master"}, "n2": {"data"}, "n3": {"data_hot"}}
	b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Aliases: []string{"all"}, WriteAliases: []string{"now"}})
	b.c.AddIndices("logs-b")
	return b
}

func shrink(options string) string {
	return "actions: {1: {action: shrink, options: {shrink_node: DETERMINISTIC, " + options + "}, " + onLogs + "}}"
}

func TestShrink(t *testing.T) {
	b := wide(t)
	res, r := b.run(shrink("copy_aliases: true, number_of_replicas: 1"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"logs-a": cluster.Done}, r.outcomes(), "what has few enough shards is left out")
	require.Equal(t, []string{"logs-a-shrink", "logs-b"}, b.indices())
	target := b.index("logs-a-shrink")
	require.Equal(t, []string{"all", "now"}, target.Aliases)
	write, err := b.c.WriteAliases(b.ctx, []string{"logs-a", "logs-a-shrink"})
	require.NoError(t, err)
	require.Equal(t, []string{"now"}, write["logs-a-shrink"])
	require.Equal(t, "1", b.setting("logs-a-shrink", "index.number_of_shards"))
	require.Empty(t, b.setting("logs-a-shrink", "index.blocks.write"))
	require.Empty(t, b.setting("logs-a-shrink", "index.routing.allocation.require._name"))
	put := b.c.CallsOf("PutIndexSettings")[0].Request.(cluster.PutIndexSettings)
	require.Equal(t, map[string]any{"index.routing.allocation.require._name": "n2", cluster.SettingShrink: "false:"}, put.Settings, "the node with most space that holds data")
	res, _ = b.run(shrink(""))
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
}

func TestShrinkKeepsTheSource(t *testing.T) {
	b := wide(t)
	res, r := b.run(shrink("delete_after: false, post_allocation: {key: box, value: warm}"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-a", "logs-a-shrink", "logs-b"}, b.indices())
	require.Empty(t, b.setting("logs-a", "index.blocks.write"))
	require.Empty(t, b.setting("logs-a", "index.routing.allocation.require._name"))
	require.Equal(t, "warm", b.setting("logs-a-shrink", "index.routing.allocation.require.box"))
	require.Contains(t, r.warnings(), "copy_aliases")
}

// TestShrinkRefuses wants nothing to be written when a check fails.
func TestShrinkRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		set     func(b *bench)
		want    string
	}{
		"no such node":          {"shrink_node: n9", nil, "the nodes are n1, n2, n3"},
		"a master":              {"shrink_node: n1", nil, "is not a data node"},
		"a node that is out":    {"shrink_node: n2, node_filters: {exclude_nodes: [n2]}", nil, "exclude_nodes"},
		"no divisor":            {"number_of_shards: 3", nil, "must divide its 4 primary shards"},
		"a target that exists":  {"", func(b *bench) { b.c.AddIndices("logs-a-shrink") }, "already exists"},
		"replicas without room": {"number_of_replicas: 2", nil, "3 data nodes"},
		"no space":              {"", func(b *bench) { b.c.Space.Nodes[1].Free, b.c.Space.Nodes[2].Free = 1000, 1000 }, "bytes free"},
		"too many documents": {"", func(b *bench) {
			b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Stats: &cluster.IndexStats{Docs: 3 << 30}})
		}, "do not fit"},
		"only masters": {"", func(b *bench) {
			b.c.NodeRoles = map[string][]string{"n1": {"master", "data"}, "n2": {"cluster_manager", "data"}, "n3": {"ingest"}}
		}, "no node can be used"},
		"the head of a data stream": {"", func(b *bench) {
			b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, DataStream: "logs", DataStreamWriteIndex: true})
		}, "write index of the data stream"},
		"what a data stream holds": {"", func(b *bench) {
			b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, DataStream: "logs"})
		}, "belongs to the data stream"},
		"a replica that is on no node":   {"", func(b *bench) { b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Replicas: 9}) }, "the source is yellow, but only a green index can be shrunk"},
		"a primary that is on no node":   {"", func(b *bench) { b.c.BreakIndex("logs-a", "node left") }, "the source is red"},
		"does not return the statistics": {"", func(b *bench) { b.c.NoStats = map[string]bool{"logs-a": true} }, "does not return the statistics"},
	} {
		t.Run(name, func(t *testing.T) {
			b := wide(t)
			if c.set != nil {
				c.set(b)
			}
			file := "actions: {1: {action: shrink, options: {" + c.options + "}, " + onLogs + "}}"
			if c.options == "" || c.options[:11] != "shrink_node" {
				file = shrink(c.options)
			}
			res, r := b.run(file)
			require.ErrorContains(t, errors.Join(res.Errors()...), c.want)
			require.Empty(t, b.c.Writes(), "also not to lift a block (C11)")
			require.Equal(t, cluster.Failure, r.outcomes()["logs-a"])
			b.o.DryRun = true
			res, _ = b.run(file)
			require.ErrorContains(t, errors.Join(res.Errors()...), c.want, "a rehearsal says the same")
		})
	}
}

// A rule that the source had by itself comes back in esnap run; Curator empties it.
func TestShrinkOfAnIndexWithARuleOfItsOwn(t *testing.T) {
	const rule = "index.routing.allocation.require._name"
	for f, left := range map[flavour.Flavour]any{flavour.Native: "n3", flavour.Curator5: "", flavour.Curator8: ""} {
		b := wide(t)
		b.f = f
		b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Settings: map[string]string{rule: "n3"}})
		res, _ := b.run(shrink("delete_after: false"))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, left, b.setting("logs-a", rule))
		puts := b.c.CallsOf("PutIndexSettings")
		require.Equal(t, left, puts[len(puts)-2].Request.(cluster.PutIndexSettings).Settings[rule], "emptied, not removed")
		require.Empty(t, b.setting("logs-a", cluster.SettingShrink))
		require.Empty(t, b.setting("logs-a-shrink", cluster.SettingShrink))
		require.Empty(t, b.setting("logs-a-shrink", rule))
	}
}

func TestShrinkThatFailsUndoesItsOwn(t *testing.T) {
	for name, before := range map[string]map[string]string{
		"nothing before":      nil,
		"an own block stays":  {"index.blocks.write": "true"},
		"an own routing, too": {"index.routing.allocation.require._name": "n3"},
	} {
		t.Run(name, func(t *testing.T) {
			b := wide(t)
			b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Settings: before})
			b.c.Fault = func(m string, _ []string) error {
				if m == "ShrinkIndex" {
					return cluster.ErrServer
				}
				return nil
			}
			res, _ := b.run(shrink(""))
			require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrServer)
			require.Equal(t, []string{"logs-a", "logs-b"}, b.indices())
			for _, key := range []string{"index.blocks.write", "index.routing.allocation.require._name"} {
				require.Equal(t, before[key], b.setting("logs-a", key), key)
			}
		})
	}
}

func TestShrinkGoesOnWhereItWasKilled(t *testing.T) {
	b := wide(t)
	b.c.FaultAfter = func(m string, _ []string) error {
		if m == "ShrinkIndex" {
			return cluster.ErrLost
		}
		return nil
	}
	res, _ := b.run(shrink(""))
	require.NoError(t, errors.Join(res.Errors()...), "the reply was lost, the target is there")
	require.Len(t, b.c.CallsOf("ShrinkIndex"), 1)

	// A failed run lets the source take writes again: the target is of the past.
	b = wide(t, memory.Elasticsearch("7.17.28"))
	b.c.ShrinkEnds = func(string) string { return "no room" }
	res, _ = b.run(shrink("max_wait: 5"))
	require.ErrorContains(t, errors.Join(res.Errors()...), "max_wait")
	require.Equal(t, []string{"logs-a", "logs-a-shrink", "logs-b"}, b.indices(), "the source stays")
	b.c.BreakIndex("logs-a-shrink", "")
	res, _ = b.run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "may contain later writes")
	require.Equal(t, []string{"logs-a", "logs-a-shrink", "logs-b"}, b.indices(), "the source stays")
	require.NoError(t, b.c.PutIndexSettings(b.ctx, cluster.PutIndexSettings{Names: []string{"logs-a"}, Settings: map[string]any{"index.blocks.write": true}}))
	res, _ = b.run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "may contain later writes", "before somebody blocked it")

}

// TestShrinkThatWasKilled leaves the source blocked, on its node. The next run goes on,
// and gives back what the source had before the first: servers from 8 on do not say of
// what the target was made.
func TestShrinkThatWasKilled(t *testing.T) {
	for _, version := range []string{"7.17.28", "8.19.7"} {
		for last, times := range map[string]int{"ShrinkIndex": 1, "PutIndexSettings": 2} { // the last requests of the first run
			for _, deletes := range []bool{true, false} {
				b := wide(t, memory.Elasticsearch(version))
				b.c.Fault = func(m string, _ []string) error {
					if n := len(b.c.CallsOf(last)); n > times || m != last && n == times {
						return cluster.ErrUnreachable
					}
					return nil
				}
				_, _ = b.run(shrink(""))
				b.c.Fault = nil
				require.Equal(t, "true", b.setting("logs-a", "index.blocks.write"))
				res, r := b.run(shrink(fmt.Sprintf("delete_after: %t", deletes)))
				require.NoError(t, errors.Join(res.Errors()...))
				require.Equal(t, last == "ShrinkIndex", strings.Contains(r.warnings(), "earlier run"), "%s: %s", version, r.warnings())
				want := []string{"logs-a-shrink", "logs-b"}
				if !deletes {
					want = append([]string{"logs-a"}, want...)
					for _, s := range []string{"index.blocks.write", "index.routing.allocation.require._name", cluster.SettingShrink} {
						require.Empty(t, b.setting("logs-a", s), s)
					}
				}
				require.Equal(t, want, b.indices())
				require.Empty(t, b.setting("logs-a-shrink", cluster.SettingShrink))
				require.Len(t, b.c.CallsOf("ShrinkIndex"), 1)
			}
		}
	}
}

func TestShrinkDeletesOnlyWhatIsTheSame(t *testing.T) {
	b := wide(t)
	b.c.FaultAfter = func(m string, names []string) error {
		if m == "ShrinkIndex" { // neither of them answers
			b.c.NoStats = map[string]bool{"logs-a": true, "logs-a-shrink": true}
		}
		return nil
	}
	res, _ := b.run(shrink("max_wait: 5"))
	require.ErrorContains(t, errors.Join(res.Errors()...), "max_wait")
	require.Contains(t, b.indices(), "logs-a", "no number is not the same number")

	b = wide(t)
	b.c.FaultAfter = func(m string, names []string) error {
		if m == "ShrinkIndex" {
			b.c.AddIndex(cluster.Index{Name: "logs-a", Closed: true})
		}
		return nil
	}
	res, _ = b.run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "was deleted or closed", "it is not waited for without end")
	require.Contains(t, b.indices(), "logs-a")

	b = wide(t)
	b.c.FaultAfter = func(m string, names []string) error {
		if m == "ShrinkIndex" {
			b.c.AddIndex(cluster.Index{Name: "logs-a-shrink", Stats: &cluster.IndexStats{Docs: 9}})
		}
		return nil
	}
	res, _ = b.run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "has 9 documents, but the source 10")
	require.Contains(t, b.indices(), "logs-a")

	b = wide(t)
	counted := 0
	b.c.FaultAfter = func(m string, names []string) error {
		switch {
		case m == "ShrinkIndex": // one of its shards moves when they are counted first
			b.c.AddIndex(cluster.Index{Name: "logs-a-shrink", Stats: &cluster.IndexStats{Docs: 4}})
		case m == "Stats" && len(names) == 2:
			counted++
			b.c.AddIndex(cluster.Index{Name: "logs-a-shrink", Stats: &cluster.IndexStats{Docs: 10}})
		}
		return nil
	}
	res, _ = b.run(shrink(""))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, 2, counted)
	require.NotContains(t, b.indices(), "logs-a")

	b = wide(t)
	b.c.FaultAfter = func(m string, names []string) error {
		if m == "AliasBodies" {
			b.c.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4})
		}
		return nil
	}
	res, _ = b.run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "deleted or recreated")
	require.Contains(t, b.indices(), "logs-a")
}

func TestShrinkRehearsed(t *testing.T) {
	b := wide(t)
	b.o.DryRun = true
	res, r := b.run(shrink("copy_aliases: true") + "\n")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.c.Writes())
	var verbs []string
	for _, e := range of[run.Intended](r) {
		verbs = append(verbs, e.Op.Intent().Verb.String())
	}
	require.Equal(t, []string{"change settings of", "change settings of", "shrink", "update", "delete", "change settings of"}, verbs)
}

func reindex(body, more string) string {
	return "actions: {1: {action: reindex, options: {request_body: {" + body + "}" + more + "}, " + onLogs + "}}"
}

func TestReindex(t *testing.T) {
	b := logs(t)
	res, r := b.run(reindex("source: {index: REINDEX_SELECTION}, dest: {index: all-logs}", ""))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"all-logs": cluster.Done}, r.outcomes())
	op := b.c.CallsOf("Reindex")[0].Request.(cluster.Reindex)
	require.Equal(t, []string{"logs-a", "logs-b", "logs-c"}, op.Sources)
	require.Equal(t, map[string]any{"source": map[string]any{"index": op.Sources}, "dest": map[string]any{"index": "all-logs"}}, op.Body)
	require.True(t, op.Refresh)

	res, r = b.run(reindex("source: {index: REINDEX_SELECTION}, dest: {index: MIGRATION}", ", migration_suffix: -new"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, r.outcomes(), 3)
	require.Contains(t, b.indices(), "logs-b-new")

	b.c.ForgetCalls()
	res, _ = b.run("actions: {1: {action: reindex, options: {request_body: {source: {index: x}, dest: {index: y}}}, filters: [{filtertype: pattern, kind: prefix, value: nothing}]}}")
	require.NoError(t, errors.Join(res.Errors()...), "named sources need no selection")
	res, _ = b.run("actions: {1: {action: reindex, options: {request_body: {source: {index: REINDEX_SELECTION}, dest: {index: y}}}, filters: [{filtertype: pattern, kind: prefix, value: nothing}]}}")
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
}

func TestReindexThatFails(t *testing.T) {
	one := reindex("source: {index: logs-a}, dest: {index: all}", "")
	for name, c := range map[string]struct {
		ends  func(*cluster.Task)
		fault error
		want  string
	}{
		"a document":        {func(t *cluster.Task) { t.Failures = []string{"mapper_parsing_exception"} }, nil, "mapper_parsing"},
		"nothing was made":  {func(t *cluster.Task) { t.Done = 0 }, nil, "does not exist"},
		"the reply is lost": {nil, cluster.ErrLost, "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			b := logs(t)
			b.c.ReindexEnds = c.ends
			b.c.FaultAfter = func(m string, _ []string) error {
				if m == "Reindex" {
					return c.fault
				}
				return nil
			}
			res, r := b.run(one)
			require.ErrorContains(t, errors.Join(res.Errors()...), c.want)
			require.Equal(t, cluster.Failure, r.outcomes()["all"])
			require.Len(t, b.c.CallsOf("Reindex"), 1, "never twice")
		})
	}
	b := logs(t)
	b.c.Fault = func(m string, _ []string) error {
		if m == "Reindex" {
			return cluster.ErrUnsupported
		}
		return nil
	}
	res, _ := b.run(one)
	require.Contains(t, cluster.Hint(res.Actions[0].Err), "module reindex")
	b = logs(t)
	b.c.ReindexEnds = func(t *cluster.Task) { t.Total, t.Done = 0, 0 }
	res, _ = b.run(one)
	require.NoError(t, errors.Join(res.Errors()...), "no documents, no target")
	b.c.ReindexEnds = func(t *cluster.Task) { t.Conflicts = 3 }
	_, r := b.run(one)
	require.Contains(t, r.warnings(), "3 documents")
	res, r = b.run(reindex("source: {index: logs-a}, dest: {index: all}", ", wait_for_completion: false"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Contains(t, r.warnings(), "task node:")
}

func TestReindexFromARemoteCluster(t *testing.T) {
	b := logs(t)
	other := memory.New(memory.At(now))
	other.AddIndices("logs-old", "web-old")
	var asked cluster.Remote
	b.o.Remote = func(r cluster.Remote) (cluster.IndexReader, error) { asked = r; return other, nil }
	remote := "source: {remote: {host: 'http://old:9200', username: u, password: geheim}, index: REINDEX_SELECTION}, dest: {index: MIGRATION}"
	filters := ", remote_url_prefix: es, remote_filters: [{filtertype: pattern, kind: suffix, value: -old}, {filtertype: pattern, kind: prefix, value: logs-}]"
	res, r := b.run(reindex(remote, filters))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Remote{URL: "http://old:9200/es", Username: "u", Password: "geheim", Header: map[string]string{}}, asked)
	require.Equal(t, map[string]cluster.Result{"logs-old": cluster.Done}, r.outcomes())
	require.Empty(t, b.c.CallsOf("Indices"), "the own indices are not listed for the selection")

	b.o.DryRun = true
	_, r = b.run(reindex(remote, filters))
	detail := of[run.Intended](r)[0].Op.Intent().Detail
	require.NotContains(t, detail, "geheim")
	require.Contains(t, detail, `"index":["logs-old"]`)
	b.o.DryRun = false
	res, _ = b.run(reindex(remote, ", remote_filters: [{filtertype: pattern, kind: prefix, value: nothing}]"))
	require.ErrorContains(t, errors.Join(res.Errors()...), "remote_filters selected none")
	require.NotErrorIs(t, errors.Join(res.Errors()...), cluster.ErrEmpty)
}

func TestCold2Frozen(t *testing.T) {
	cold := func(b *bench, name string, more map[string]string, i cluster.Index) {
		i.Name, i.Settings = name, map[string]string{
			"index.store.type": "snapshot", "index.store.snapshot.repository_name": "r", "index.store.snapshot.snapshot_name": "s", "index.store.snapshot.index_name": "logs-a",
		}
		for k, v := range more {
			i.Settings[k] = v
		}
		b.c.AddIndex(i)
	}
	b := logs(t)
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-a"}})
	b.c.Space.Nodes = append(b.c.Space.Nodes, cluster.Disk{Node: "n2"}, cluster.Disk{Node: "n3"})
	b.c.NodeRoles = map[string][]string{"n2": {"data_hot"}, "n3": {"data_cold"}}
	cold(b, "cold-a", nil, cluster.Index{Aliases: []string{"search"}, WriteAliases: []string{"w"}})
	cold(b, "cold-partly", map[string]string{"index.store.snapshot.partial": "false"}, cluster.Index{})
	file := "actions: {1: {action: cold2frozen, filters: [{filtertype: pattern, kind: prefix, value: cold-}]}}"
	res, r := b.run(file)
	require.NoError(t, errors.Join(res.Errors()...), "the text false is not true (D27)")
	require.Equal(t, map[string]cluster.Result{"cold-a": cluster.Done, "cold-partly": cluster.Done}, r.outcomes())
	require.NotContains(t, b.indices(), "cold-a")
	require.Equal(t, []string{"search", "w"}, b.index("partial-cold-a").Aliases)
	require.Equal(t, "data_cold,data_hot", b.setting("partial-cold-a", "index.routing.allocation.include._tier_preference"))

	for name, set := range map[string]func(b *bench){
		"managed":                  func(b *bench) { cold(b, "cold-x", nil, cluster.Index{Lifecycle: "p"}) },
		"what a data stream holds": func(b *bench) { cold(b, "cold-x", nil, cluster.Index{DataStream: "ds"}) },
		"no mount":                 func(b *bench) { b.c.AddIndices("cold-x") },
		"frozen": func(b *bench) {
			cold(b, "cold-x", map[string]string{"index.store.snapshot.partial": "true"}, cluster.Index{})
		},
		"no such": func(b *bench) {
			cold(b, "cold-x", map[string]string{"index.store.snapshot.snapshot_name": "gone"}, cluster.Index{})
		},
		"OpenSearch": func(b *bench) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := logs(t)
			if name == "OpenSearch" {
				b = logs(t, memory.OpenSearch("2.11.0"))
				cold(b, "cold-x", nil, cluster.Index{})
			}
			b.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-a"}})
			set(b)
			res, r := b.run("actions: {1: {action: cold2frozen, options: {allow_ilm_indices: true}, filters: [{filtertype: pattern, kind: prefix, value: cold-}]}}")
			require.Error(t, errors.Join(res.Errors()...))
			require.Equal(t, map[string]cluster.Result{"cold-x": cluster.Failure}, r.outcomes())
			require.Contains(t, b.indices(), "cold-x")
		})
	}
}
