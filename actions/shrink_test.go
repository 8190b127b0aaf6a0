package actions_test

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
	"github.com/esnap/esnap/internal/runtest"
)

// wide is a bench of three nodes with one index of four primaries and one of one.
func wide(t *testing.T, options ...memory.Option) *runtest.Bench {
	b := runtest.New(t, options...)
	b.Cluster.Space.Nodes = []cluster.Disk{{Node: "n1", Free: 10 << 30}, {Node: "n2", Free: 30 << 30}, {Node: "n3", Free: 20 << 30}}
	b.Cluster.NodeRoles = map[string][]string{"n1": {"master"}, "n2": {"data"}, "n3": {"data_hot"}}
	b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Aliases: []string{"all"}, WriteAliases: []string{"now"}})
	b.Cluster.AddIndices("logs-b")
	return b
}

func shrink(options string) string {
	return "actions: {1: {action: shrink, options: {shrink_node: DETERMINISTIC, " + options + "}, " + runtest.OnLogs + "}}"
}

func TestShrink(t *testing.T) {
	b := wide(t)
	res, r := b.Run(shrink("copy_aliases: true, number_of_replicas: 1"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"logs-a": cluster.Done}, r.Outcomes(), "what has few enough shards is left out")
	require.Equal(t, []string{"logs-a-shrink", "logs-b"}, b.Indices())
	target := b.Index("logs-a-shrink")
	require.Equal(t, []string{"all", "now"}, target.Aliases)
	write, err := b.Cluster.WriteAliases(b.Ctx, []string{"logs-a", "logs-a-shrink"})
	require.NoError(t, err)
	require.Equal(t, []string{"now"}, write["logs-a-shrink"].Write)
	require.Equal(t, "1", b.Setting("logs-a-shrink", "index.number_of_shards"))
	require.Empty(t, b.Setting("logs-a-shrink", "index.blocks.write"))
	require.Empty(t, b.Setting("logs-a-shrink", "index.routing.allocation.require._name"))
	put := b.Cluster.CallsOf("PutIndexSettings")[0].Request.(cluster.PutIndexSettings)
	require.Equal(t, map[string]any{"index.routing.allocation.require._name": "n2", cluster.SettingShrink: "false:"},
		put.Settings, "the node with most space that holds data")
	res, _ = b.Run(shrink(""))
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
}

func TestShrinkKeepsTheSource(t *testing.T) {
	b := wide(t)
	res, r := b.Run(shrink("delete_after: false, post_allocation: {key: box, value: warm}"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-a", "logs-a-shrink", "logs-b"}, b.Indices())
	require.Empty(t, b.Setting("logs-a", "index.blocks.write"))
	require.Empty(t, b.Setting("logs-a", "index.routing.allocation.require._name"))
	require.Equal(t, "warm", b.Setting("logs-a-shrink", "index.routing.allocation.require.box"))
	require.Contains(t, r.Warnings(), "copy_aliases")
}

// TestShrinkRefuses wants nothing to be written when a check fails.
func TestShrinkRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		set     func(b *runtest.Bench)
		want    string
	}{
		"no such node":          {"shrink_node: n9", nil, "the nodes are n1, n2, n3"},
		"a master":              {"shrink_node: n1", nil, "is not a data node"},
		"a node that is out":    {"shrink_node: n2, node_filters: {exclude_nodes: [n2]}", nil, "exclude_nodes"},
		"no divisor":            {"number_of_shards: 3", nil, "must divide its 4 primary shards"},
		"a target that exists":  {"", func(b *runtest.Bench) { b.Cluster.AddIndices("logs-a-shrink") }, "already exists"},
		"replicas without room": {"number_of_replicas: 2", nil, "3 data nodes"},
		"no space": {
			"",
			func(b *runtest.Bench) { b.Cluster.Space.Nodes[1].Free, b.Cluster.Space.Nodes[2].Free = 1000, 1000 },
			"has 1000 B free; shrinking needs ",
		},
		"too many documents": {"", func(b *runtest.Bench) {
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Stats: &cluster.IndexStats{Docs: 3 << 30}})
		}, "do not fit"},
		"only masters": {"", func(b *runtest.Bench) {
			b.Cluster.NodeRoles = map[string][]string{"n1": {"master", "data"}, "n2": {"cluster_manager", "data"}, "n3": {"ingest"}}
		}, "no node can be used"},
		"the head of a data stream": {"", func(b *runtest.Bench) {
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, DataStream: "logs", DataStreamWriteIndex: true})
		}, "write index of the data stream"},
		"what a data stream holds": {"", func(b *runtest.Bench) {
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, DataStream: "logs"})
		}, "belongs to the data stream"},
		"a replica that is on no node": {
			"",
			func(b *runtest.Bench) { b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Replicas: 9}) },
			"the source is yellow, but only a green index can be shrunk",
		},
		"a primary that is on no node": {"", func(b *runtest.Bench) { b.Cluster.BreakIndex("logs-a", "node left") }, "the source is red"},
		"does not return the statistics": {
			"",
			func(b *runtest.Bench) { b.Cluster.NoStats = map[string]bool{"logs-a": true} },
			"does not return the statistics",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := wide(t)
			if c.set != nil {
				c.set(b)
			}
			file := "actions: {1: {action: shrink, options: {" + c.options + "}, " + runtest.OnLogs + "}}"
			if c.options == "" || c.options[:11] != "shrink_node" {
				file = shrink(c.options)
			}
			res, r := b.Run(file)
			require.ErrorContains(t, errors.Join(res.Errors()...), c.want)
			require.Empty(t, b.Cluster.Writes(), "also not to lift a block (C11)")
			require.Equal(t, cluster.Failure, r.Outcomes()["logs-a"])
			b.Options.DryRun = true
			res, _ = b.Run(file)
			require.ErrorContains(t, errors.Join(res.Errors()...), c.want, "a dry run says the same")
		})
	}
}

// A rule that the source had by itself comes back in esnap run; Curator empties it.
func TestShrinkOfAnIndexWithARuleOfItsOwn(t *testing.T) {
	const rule = "index.routing.allocation.require._name"
	for f, left := range map[flavour.Flavour]any{flavour.Native: "n3", flavour.Curator5: "", flavour.Curator8: ""} {
		b := wide(t)
		b.Flavour = f
		b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Settings: map[string]string{rule: "n3"}})
		res, _ := b.Run(shrink("delete_after: false"))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, left, b.Setting("logs-a", rule))
		puts := b.Cluster.CallsOf("PutIndexSettings")
		require.Equal(t, left, puts[len(puts)-2].Request.(cluster.PutIndexSettings).Settings[rule], "emptied, not removed")
		require.Empty(t, b.Setting("logs-a", cluster.SettingShrink))
		require.Empty(t, b.Setting("logs-a-shrink", cluster.SettingShrink))
		require.Empty(t, b.Setting("logs-a-shrink", rule))
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
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4, Settings: before})
			b.Cluster.Fault = func(m string, _ []string) error {
				if m == "ShrinkIndex" {
					return cluster.ErrServer
				}
				return nil
			}
			res, _ := b.Run(shrink(""))
			require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrServer)
			require.Equal(t, []string{"logs-a", "logs-b"}, b.Indices())
			for _, key := range []string{"index.blocks.write", "index.routing.allocation.require._name"} {
				require.Equal(t, before[key], b.Setting("logs-a", key), key)
			}
		})
	}
}

func TestShrinkGoesOnWhereItWasKilled(t *testing.T) {
	b := wide(t)
	b.Cluster.FaultAfter = func(m string, _ []string) error {
		if m == "ShrinkIndex" {
			return cluster.ErrLost
		}
		return nil
	}
	res, _ := b.Run(shrink(""))
	require.NoError(t, errors.Join(res.Errors()...), "the reply was lost, the target is there")
	require.Len(t, b.Cluster.CallsOf("ShrinkIndex"), 1)

	// A failed run lets the source take writes again: the target is of the past.
	b = wide(t, memory.Elasticsearch("7.17.28"))
	b.Cluster.ShrinkEnds = func(string) string { return "no room" }
	res, _ = b.Run(shrink("max_wait: 5"))
	require.ErrorContains(t, errors.Join(res.Errors()...), "max_wait")
	require.Equal(t, []string{"logs-a", "logs-a-shrink", "logs-b"}, b.Indices(), "the source stays")
	b.Cluster.BreakIndex("logs-a-shrink", "")
	res, _ = b.Run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "may contain later writes")
	require.Equal(t, []string{"logs-a", "logs-a-shrink", "logs-b"}, b.Indices(), "the source stays")
	require.NoError(t, b.Cluster.PutIndexSettings(b.Ctx, cluster.PutIndexSettings{
		Names:    []string{"logs-a"},
		Settings: map[string]any{"index.blocks.write": true},
	}))
	res, _ = b.Run(shrink(""))
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
				b.Cluster.Fault = func(m string, _ []string) error {
					if n := len(b.Cluster.CallsOf(last)); n > times || m != last && n == times {
						return cluster.ErrUnreachable
					}
					return nil
				}
				_, _ = b.Run(shrink(""))
				b.Cluster.Fault = nil
				require.Equal(t, "true", b.Setting("logs-a", "index.blocks.write"))
				res, r := b.Run(shrink(fmt.Sprintf("delete_after: %t", deletes)))
				require.NoError(t, errors.Join(res.Errors()...))
				require.Equal(t, last == "ShrinkIndex", strings.Contains(r.Warnings(), "earlier run"), "%s: %s", version, r.Warnings())
				want := []string{"logs-a-shrink", "logs-b"}
				if !deletes {
					want = append([]string{"logs-a"}, want...)
					for _, s := range []string{"index.blocks.write", "index.routing.allocation.require._name", cluster.SettingShrink} {
						require.Empty(t, b.Setting("logs-a", s), s)
					}
				}
				require.Equal(t, want, b.Indices())
				require.Empty(t, b.Setting("logs-a-shrink", cluster.SettingShrink))
				require.Len(t, b.Cluster.CallsOf("ShrinkIndex"), 1)
			}
		}
	}
}

func TestShrinkDeletesOnlyWhatIsTheSame(t *testing.T) {
	b := wide(t)
	b.Cluster.FaultAfter = func(m string, names []string) error {
		if m == "ShrinkIndex" { // neither of them answers
			b.Cluster.NoStats = map[string]bool{"logs-a": true, "logs-a-shrink": true}
		}
		return nil
	}
	res, _ := b.Run(shrink("max_wait: 5"))
	require.ErrorContains(t, errors.Join(res.Errors()...), "max_wait")
	require.Contains(t, b.Indices(), "logs-a", "no number is not the same number")

	b = wide(t)
	b.Cluster.FaultAfter = func(m string, names []string) error {
		if m == "ShrinkIndex" {
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Closed: true})
		}
		return nil
	}
	res, _ = b.Run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "was deleted or closed", "it is not waited for without end")
	require.Contains(t, b.Indices(), "logs-a")

	b = wide(t)
	b.Cluster.FaultAfter = func(m string, names []string) error {
		if m == "ShrinkIndex" {
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a-shrink", Stats: &cluster.IndexStats{Docs: 9}})
		}
		return nil
	}
	res, _ = b.Run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "has 9 documents, but the source 10")
	require.Contains(t, b.Indices(), "logs-a")

	b = wide(t)
	counted := 0
	b.Cluster.FaultAfter = func(m string, names []string) error {
		switch {
		case m == "ShrinkIndex": // one of its shards moves when they are counted first
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a-shrink", Stats: &cluster.IndexStats{Docs: 4}})
		case m == "Stats" && len(names) == 2:
			counted++
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a-shrink", Stats: &cluster.IndexStats{Docs: 10}})
		}
		return nil
	}
	res, _ = b.Run(shrink(""))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, 2, counted)
	require.NotContains(t, b.Indices(), "logs-a")

	b = wide(t)
	b.Cluster.FaultAfter = func(m string, names []string) error {
		if m == "Stats" && len(names) == 2 {
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Primaries: 4})
		}
		return nil
	}
	res, _ = b.Run(shrink(""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "deleted or recreated")
	require.Contains(t, b.Indices(), "logs-a")
}

func TestShrinkInADryRun(t *testing.T) {
	b := wide(t)
	b.Options.DryRun = true
	res, r := b.Run(shrink("copy_aliases: true") + "\n")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Cluster.Writes())
	var verbs []string
	for _, e := range runtest.Of[run.Intended](r) {
		verbs = append(verbs, e.Op.Intent().Verb.String())
	}
	require.Equal(t, []string{"change settings of", "change settings of", "shrink", "update", "delete", "change settings of"}, verbs)
}
