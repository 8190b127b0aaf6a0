package actions_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/runtest"
)

// TestALostWriteMayArriveLate: a write whose reply was lost is looked for as long as it can
// still arrive, and sent once. If it never arrives, the result is unknown, not failed.
func TestALostWriteMayArriveLate(t *testing.T) {
	for name, c := range map[string]struct {
		method, file, item string
		arrive             func(*runtest.Bench)
	}{
		"create_index": {"CreateIndex", "actions: {1: {action: create_index, options: {name: new}}}", "new",
			func(b *runtest.Bench) { b.Cluster.AddIndices("new") }},
		"alias": {
			"UpdateAliases",
			"actions: {1: {action: alias, options: {name: all}, add: {filters: [{filtertype: pattern, kind: prefix, value: logs-a}]}}}",
			"logs-a",
			func(b *runtest.Bench) {
				_ = b.Cluster.UpdateAliases(context.Background(),
					cluster.UpdateAliases{Actions: []cluster.AliasAction{{Index: "logs-a", Alias: "all"}}})
			},
		},
		"rollover": {"Rollover", "actions: {1: {action: rollover, options: {name: today, conditions: {max_docs: 1}}}}", "today",
			func(b *runtest.Bench) { b.Cluster.AddIndices("logs-000002") }},
	} {
		for _, arrives := range []bool{true, false} {
			b := runtest.Logs(t)
			if name == "rollover" {
				b.Cluster.AddIndex(cluster.Index{Name: "logs-000001", Aliases: []string{"today"}, WriteAliases: []string{"today"},
					Stats: &cluster.IndexStats{Docs: 5}})
			}
			began, looks, sent := false, 0, 0
			b.Cluster.Fault = func(m string, _ []string) error {
				switch {
				case m == c.method && !began:
					began = true
					sent++
					return cluster.ErrLost
				case m == c.method:
					sent++
				case began && m == "IndicesNamed":
					if looks++; looks == 3 && arrives {
						b.Cluster.Fault = nil
						c.arrive(b)
					}
				}
				return nil
			}
			res, r := b.Run(c.file)
			require.Equal(t, 1, sent, "%s is sent once", name)
			if arrives {
				require.NoError(t, errors.Join(res.Errors()...), name)
				require.Equal(t, cluster.Done, r.Outcomes()[c.item], name)
				continue
			}
			require.ErrorContains(t, errors.Join(res.Errors()...), "cannot tell whether", name)
			require.Equal(t, cluster.Unclear, r.Outcomes()[c.item], name)
			require.Greater(t, looks, 10, name)
		}
	}
}
