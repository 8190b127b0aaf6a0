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
	"github.com/esnap/esnap/internal/plan"
)

// logs is a bench with three open indices and a closed one.
func logs(t *testing.T, options ...memory.Option) *bench {
	b := newBench(t, options...)
	b.c.AddIndices("logs-a", "logs-b", "logs-c", "x")
	b.c.CloseIndex("logs-c")
	return b
}

func (b *bench) index(name string) *cluster.Index {
	list, err := b.c.Indices(b.ctx)
	require.NoError(b.t, err)
	for _, i := range list {
		if i.Name == name {
			return i
		}
	}
	return nil
}

func (b *bench) setting(index, key string) string {
	s, err := b.c.Settings(b.ctx, []string{index})
	require.NoError(b.t, err)
	return s[index][key]
}

const onLogs = "filters: [{filtertype: pattern, kind: prefix, value: logs-}]"

func TestOpenAndClose(t *testing.T) {
	b := logs(t)
	res, r := b.run("actions: {1: {action: close, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.True(t, b.index("logs-a").Closed)
	require.Len(t, r.outcomes(), 2, "the closed one is left out (K14)")
	res, _ = b.run("actions: {1: {action: close, " + onLogs + "}}")
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty, "a list emptied because all is closed")
	res, r = b.run("actions: {1: {action: open, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, r.outcomes(), 3)
	require.False(t, b.index("logs-c").Closed)
}

func TestCloseTakesAliasesAwayAndFlushes(t *testing.T) {
	b := logs(t)
	b.c.SetAlias("logs-a", "all", false)
	res, _ := b.run("actions: {1: {action: close, options: {delete_aliases: true}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.index("logs-a").Aliases)
	require.Len(t, b.c.CallsOf("FlushIndices"), 1)
	b = logs(t)
	res, _ = b.run("actions: {1: {action: close, options: {skip_flush: true}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.c.CallsOf("FlushIndices"))
	b = logs(t)
	b.c.Fault = func(m string, _ []string) error {
		if m == "FlushIndices" {
			return cluster.ErrServer
		}
		return nil
	}
	res, _ = b.run("actions: {1: {action: close, " + onLogs + "}}")
	require.Error(t, errors.Join(res.Errors()...))
	res, _ = b.run("actions: {1: {action: close, options: {ignore_sync_failures: true}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
}

// The server waits a minute for a shard that is on no node before it says that the
// flush failed: such an index is closed without one, also where the shard is lost only
// between the look and the flush.
func TestCloseWithAShardThatCannotBeFlushed(t *testing.T) {
	for _, f := range []flavour.Flavour{flavour.Native, flavour.Curator5, flavour.Curator8} {
		for _, lost := range []string{"before", "meanwhile"} {
			b := logs(t)
			b.f = f
			if lost == "before" {
				b.c.BreakIndex("logs-a", "node left")
			}
			b.c.FaultAfter = func(m string, _ []string) error {
				if m == "Health" {
					b.c.BreakIndex("logs-a", "node left")
				}
				return nil
			}
			res, r := b.run("actions: {1: {action: close, " + onLogs + "}}")
			require.NoError(t, errors.Join(res.Errors()...), "%d, %s", f, lost)
			require.True(t, b.index("logs-a").Closed)
			require.True(t, b.index("logs-b").Closed)
			require.Contains(t, r.warnings(), "closed without a complete flush")
			require.Contains(t, r.warnings(), "logs-a")
			flushed := b.c.CallsOf("FlushIndices")[0].Names
			require.Contains(t, flushed, "logs-b")
			if lost == "before" {
				require.NotContains(t, flushed, "logs-a", "nobody waits for it")
			}
		}
	}
}

func TestReplicasAndAllocation(t *testing.T) {
	b := logs(t)
	res, _ := b.run("actions: {1: {action: replicas, options: {count: 0, wait_for_completion: true}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, "0", b.setting("logs-a", "index.number_of_replicas"))
	require.Empty(t, b.c.CallsOf("ClusterHealth"), "nothing to wait for without replicas")
	res, _ = b.run("actions: {1: {action: allocation, options: {key: box, value: hot, wait_for_completion: true}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, "hot", b.setting("logs-b", "index.routing.allocation.require.box"))
	require.Empty(t, b.setting("logs-c", "index.routing.allocation.require.box"))
	res, _ = b.run("actions: {1: {action: allocation, options: {key: box, value: }, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.setting("logs-a", "index.routing.allocation.require.box"), "no value removes the rule")
}

func TestASettingThatDoesNotStickFails(t *testing.T) {
	b := logs(t)
	b.c.FaultAfter = func(m string, names []string) error {
		if m == "PutIndexSettings" {
			b.c.AddIndices("logs-a") // somebody made it anew
		}
		return nil
	}
	res, r := b.run("actions: {1: {action: index_settings, options: {index_settings: {index: {refresh_interval: 5s}}}, " + onLogs + "}}")
	require.Error(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Failure, r.outcomes()["logs-a"])
	require.Equal(t, cluster.Done, r.outcomes()["logs-b"])
	require.Equal(t, cluster.Done, r.outcomes()["logs-c"], "closed ones too")
}

func TestStaticSettingsNeedClosedIndices(t *testing.T) {
	b := logs(t)
	res, _ := b.run("actions: {1: {action: index_settings, options: {index_settings: {index: {codec: best_compression}}}, " + onLogs + "}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "static")
	require.Empty(t, b.c.Writes())
	res, r := b.run("actions: {1: {action: index_settings, options: {index_settings: {index: {made_up: 1}}}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Contains(t, r.warnings(), "made_up")
}

func TestForcemergeLeavesOutWhatIsMerged(t *testing.T) {
	b := logs(t)
	many := 7
	b.c.AddIndex(cluster.Index{Name: "logs-b", Segments: &many})
	res, r := b.run("actions: {1: {action: forcemerge, options: {max_num_segments: 1, delay: 2}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"logs-b": cluster.Done}, r.outcomes())
	require.GreaterOrEqual(t, b.time.Elapsed().Seconds(), 2.0)
	res, _ = b.run("actions: {1: {action: forcemerge, options: {max_num_segments: 1}, " + onLogs + "}}")
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
}

func TestFreezeWhereTheServerCan(t *testing.T) {
	b := logs(t, memory.Elasticsearch("7.17.0"))
	res, _ := b.run("actions: {1: {action: freeze, " + onLogs + "}, 2: {action: unfreeze, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...))
	b = logs(t, memory.OpenSearch("2.11.0"))
	res, _ = b.run("actions: {1: {action: freeze, " + onLogs + "}}")
	require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrUnsupported)
	require.Contains(t, cluster.Hint(res.Actions[0].Err), "neither")
}

// TestALostReplyIsNoSuccess: where nothing can be seen the action fails, else what is
// seen counts.
func TestALostReplyIsNoSuccess(t *testing.T) {
	for action, want := range map[string]string{
		"action: freeze, " + onLogs: "index.frozen is false",
		"action: index_settings, options: {preserve_existing: true, index_settings: {index: {refresh_interval: 5s}}}, " + onLogs: "lost",
	} {
		b := logs(t, memory.Elasticsearch("7.17.0"))
		b.c.Fault = func(method string, _ []string) error {
			if method == "FreezeIndices" || method == "PutIndexSettings" {
				return cluster.ErrLost
			}
			return nil
		}
		res, _ := b.run("actions: {1: {" + action + "}}")
		require.ErrorContains(t, errors.Join(res.Errors()...), want, action)
	}
}

func TestARolloverThatSomebodyElseDid(t *testing.T) {
	b := newBench(t)
	b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}, Stats: &cluster.IndexStats{Docs: 5}})
	b.c.Fault = func(method string, _ []string) error {
		if method == "Rollover" {
			b.c.AddIndex(cluster.Index{Name: "l-000002", Aliases: []string{"l"}, Stats: &cluster.IndexStats{}})
		}
		return nil
	}
	res, r := b.run("actions: {1: {action: rollover, options: {name: l, conditions: {max_docs: 5}}}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Unchanged, r.outcomes()["l"], "there is no l-000003")
	require.Equal(t, []string{"l-000001", "l-000002"}, b.indices())
}

// TestADryRunRefusesWhatIsThere: as the run would, and what is there stays what it is
// for the actions that follow.
func TestADryRunRefusesWhatIsThere(t *testing.T) {
	create := "actions: {1: {action: create_index, options: {name: logs-2026.01.01, ignore_existing: IGNORE}}, 2: {action: delete_indices, " +
		"filters: [{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 30}]}}"
	for ignore, result := range map[string]cluster.Result{"false": cluster.Failure, "true": cluster.Unchanged} {
		for _, dry := range []bool{true, false} {
			b := newBench(t)
			b.c.AddIndex(cluster.Index{Name: "logs-2026.01.01", Created: now.AddDate(0, -3, 0)})
			b.c.AddIndices("logs-a")
			b.o.DryRun = dry
			res, r := b.run(strings.Replace(create, "IGNORE", ignore, 1))
			if ignore == "false" {
				require.ErrorIs(t, res.Actions[0].Err, cluster.ErrExists)
				require.Equal(t, result, r.outcomes()["logs-2026.01.01"])
				continue
			}
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, cluster.Done, r.outcomes()["logs-2026.01.01"], "the second action takes it, dry: %t", dry)
		}
	}
	b := newBench(t)
	b.c.AddIndices("logs-a")
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "snap-20261121", Indices: []string{"logs-a"}})
	b.o.DryRun, b.o.FixedNow = true, true
	res, _ := b.run("actions: {1: {action: snapshot, options: {repository: r, name: 'snap-%Y%m%d'}, " + onLogs + "}}")
	require.NoError(t, errors.Join(res.Errors()...), "an imagined night has no snapshot yet")
	for _, dry := range []bool{true, false} {
		b := newBench(t)
		b.c.AddIndices("logs-a")
		b.c.AddSnapshot("r", cluster.Snapshot{Name: "fixed", Indices: []string{"logs-a"}})
		b.o.DryRun = dry
		res, _ := b.run("actions: {1: {action: snapshot, options: {repository: r, name: fixed}, " + onLogs + "}}")
		require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrExists, "dry: %t", dry)
	}
}

func TestCreateIndex(t *testing.T) {
	b := newBench(t)
	file := "actions: {1: {action: create_index, options: {name: 'logs-%Y.%m.%d', extra_settings: {settings: {number_of_shards: 1}}}}}"
	res, _ := b.run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-2026.11.21"}, b.indices())
	res, _ = b.run(file)
	require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrExists)
	res, r := b.run("actions: {1: {action: create_index, options: {name: '<logs-{now/d}>', ignore_existing: true}}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Unchanged, r.outcomes()["logs-2026.11.21"])
}

func TestAliasRemovesBeforeItAdds(t *testing.T) {
	b := logs(t)
	b.c.SetAlias("logs-a", "recent", false)
	file := `
actions:
  1:
    action: alias
    options: {name: recent%s}
    add: {filters: [{filtertype: pattern, kind: regex, value: 'logs-b'}]}
    remove: {filters: [{filtertype: pattern, kind: regex, value: 'logs-[ac]'}]}
`
	res, _ := b.run(fmt.Sprintf(file, ""))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.index("logs-a").Aliases)
	require.Equal(t, []string{"recent"}, b.index("logs-b").Aliases)
	require.Len(t, b.c.CallsOf("UpdateAliases"), 1, "one step")
	req := b.c.CallsOf("UpdateAliases")[0].Request.(cluster.UpdateAliases)
	require.Len(t, req.Actions, 2, "logs-c does not have it: there is nothing to remove (K11)")
	require.True(t, req.Actions[0].Remove)

	empty := `
actions:
  1:
    action: alias
    options: {name: recent%s}
    add: {filters: [{filtertype: pattern, kind: prefix, value: nothing}]}
    remove: {filters: [{filtertype: pattern, kind: regex, value: 'logs-b'}]}
`
	b.c.ForgetCalls()
	res, _ = b.run(fmt.Sprintf(empty, ""))
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
	require.Empty(t, b.c.Writes(), "one empty side abandons the whole action")
	res, _ = b.run(fmt.Sprintf(empty, ", warn_if_no_indices: true"))
	require.NoError(t, errors.Join(res.Errors()...))
	res, _ = b.run(fmt.Sprintf(empty, ", warn_if_no_indices: true"))
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty, "no operation at all, after the warning")
}

func TestClusterRouting(t *testing.T) {
	b := newBench(t)
	res, r := b.run("actions: {1: {action: cluster_routing, options: {routing_type: allocation, setting: enable, value: new_primaries, wait_for_completion: true}}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.outcomes()["cluster.routing.allocation.enable"])
	require.Len(t, b.c.CallsOf("ClusterHealth"), 1)
}

func TestRollover(t *testing.T) {
	for _, c := range []struct {
		name    string
		set     func(b *bench)
		options string
		want    string // the write index afterwards; empty: an error
		result  cluster.Result
	}{
		{"due", func(b *bench) { b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}}) }, "conditions: {max_docs: 5}", "l-000002", cluster.Done},
		{"not due", func(b *bench) { b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}}) }, "conditions: {max_docs: 5000}", "l-000001", cluster.Unchanged},
		{"a policy does it", func(b *bench) { b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}, Lifecycle: "p"}) }, "conditions: {max_docs: 5}", "l-000001", cluster.Unchanged},
		{"a policy does it, overruled", func(b *bench) { b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}, Lifecycle: "p"}) }, "conditions: {max_docs: 5}, allow_ilm_indices: true", "l-000002", cluster.Done},
		{"by name", func(b *bench) { b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}}) }, "conditions: {max_docs: 5}, new_index: 'l-%Y-000007'", "l-2026-000007", cluster.Done},
		{"no number", func(b *bench) { b.c.AddIndex(cluster.Index{Name: "last", Aliases: []string{"l"}}) }, "conditions: {max_docs: 5}", "", ""},
		{"no alias", func(*bench) {}, "conditions: {max_docs: 5}", "", ""},
		{"several, no write index", func(b *bench) {
			b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}})
			b.c.AddIndex(cluster.Index{Name: "l-000002", Aliases: []string{"l"}, Stats: &cluster.IndexStats{}})
		}, "conditions: {max_docs: 5}", "", ""},
		{"several, with one", func(b *bench) {
			b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}})
			b.c.AddIndex(cluster.Index{Name: "l-000002", WriteAliases: []string{"l"}})
		}, "conditions: {max_docs: 5}", "l-000003", cluster.Done},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			c.set(b)
			res, r := b.run("actions: {1: {action: rollover, options: {name: l, " + c.options + "}}}")
			if c.want == "" {
				require.Error(t, errors.Join(res.Errors()...))
				require.Empty(t, b.c.Writes())
				return
			}
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.result, r.outcomes()["l"])
			require.Contains(t, b.indices(), c.want)
			require.LessOrEqual(t, len(b.c.CallsOf("Rollover")), 1)
		})
	}
}

// What extra_settings say besides settings is sent as what it is, and looked for.
func TestRolloverWithAliases(t *testing.T) {
	file := "actions: {1: {action: rollover, options: {name: l, conditions: {max_docs: 5}, extra_settings: {aliases: {r: {}}, mappings: {dynamic: false}, settings: {index.codec: best_compression}, index.refresh_interval: 9s}}}}"
	fresh := func() *bench {
		b := newBench(t)
		b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l", "r"}})
		return b
	}
	b := fresh()
	res, r := b.run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.outcomes()["l"])
	require.Equal(t, []string{"l", "r"}, b.index("l-000002").Aliases)
	require.Equal(t, "best_compression", b.setting("l-000002", "index.codec"))
	sent := b.c.CallsOf("Rollover")[0].Request.(cluster.Rollover)
	require.Equal(t, map[string]any{"index.codec": "best_compression", "index.refresh_interval": "9s"}, sent.Settings)
	require.Equal(t, map[string]any{"r": map[string]any{}}, sent.Aliases)
	require.Equal(t, map[string]any{"dynamic": false}, sent.Mappings)

	b = fresh()
	b.o.DryRun = true
	res, r = b.run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.outcomes()["l"])
	require.Empty(t, b.c.Writes())

	b = fresh()
	b.c.FaultAfter = func(m string, _ []string) error {
		if m == "Rollover" {
			b.c.AddIndex(cluster.Index{Name: "l-000002", Aliases: []string{"l"}}) // somebody took it away
		}
		return nil
	}
	res, r = b.run(file)
	require.ErrorContains(t, errors.Join(res.Errors()...), "does not have the alias r")
	require.Equal(t, cluster.Failure, r.outcomes()["l"])

	_, err := plan.Parse("f", []byte("actions: {1: {action: rollover, options: {name: l, conditions: {max_docs: 5}, extra_settings: {aliases: r}}}}"), plan.Options{})
	require.ErrorContains(t, err, "aliases: expected a map")
}

// A dry run of an alias that is named like an index fails as the run would.
func TestAnAliasNamedLikeAnIndex(t *testing.T) {
	for _, dryRun := range []bool{true, false} {
		b := logs(t)
		b.c.AddIndices("catalog")
		b.o.DryRun = dryRun
		res, r := b.run("actions: {1: {action: alias, options: {name: catalog}, add: {" + onLogs + "}}}")
		require.Error(t, errors.Join(res.Errors()...))
		require.Empty(t, b.index("logs-a").Aliases)
		require.Empty(t, r.outcomes())
	}
}

func TestNoActionWritesInADryRun(t *testing.T) {
	for _, action := range []string{
		"action: close, " + onLogs, "action: open, " + onLogs, "action: replicas, options: {count: 1}, " + onLogs,
		"action: allocation, options: {key: a, value: b}, " + onLogs, "action: index_settings, options: {index_settings: {index: {refresh_interval: 9s}}}, " + onLogs,
		"action: forcemerge, options: {max_num_segments: 1}, filters: [{filtertype: pattern, kind: prefix, value: big}]", "action: create_index, options: {name: new}",
		"action: cluster_routing, options: {routing_type: rebalance, setting: enable, value: none}",
		"action: alias, options: {name: q}, add: {" + onLogs + "}", "action: rollover, options: {name: l, conditions: {max_docs: 1}}",
		"action: unfreeze, " + onLogs, "action: delete_indices, " + onLogs,
	} {
		b := logs(t)
		many := 9
		b.c.AddIndex(cluster.Index{Name: "big", Segments: &many})
		b.c.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}})
		b.o.DryRun = true
		res, r := b.run("actions: {1: {" + action + "}}")
		require.NoError(t, errors.Join(res.Errors()...), action)
		require.Empty(t, b.c.Writes(), action)
		require.NotEmpty(t, r.outcomes(), action)
	}
}
