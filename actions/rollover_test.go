package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/runtest"
)

func TestARolloverThatSomebodyElseDid(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}, Stats: &cluster.IndexStats{Docs: 5}})
	b.Cluster.Fault = func(method string, _ []string) error {
		if method == "Rollover" {
			b.Cluster.AddIndex(cluster.Index{Name: "l-000002", Aliases: []string{"l"}, Stats: &cluster.IndexStats{}})
		}
		return nil
	}
	res, r := b.Run("actions: {1: {action: rollover, options: {name: l, conditions: {max_docs: 5}}}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Unchanged, r.Outcomes()["l"], "there is no l-000003")
	require.Equal(t, []string{"l-000001", "l-000002"}, b.Indices())
}

func TestRollover(t *testing.T) {
	for _, c := range []struct {
		name    string
		set     func(b *runtest.Bench)
		options string
		want    string // the write index afterwards; empty: an error
		result  cluster.Result
	}{
		{
			"due",
			func(b *runtest.Bench) { b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}}) },
			"conditions: {max_docs: 5}",
			"l-000002",
			cluster.Done,
		},
		{
			"not due",
			func(b *runtest.Bench) { b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}}) },
			"conditions: {max_docs: 5000}",
			"l-000001",
			cluster.Unchanged,
		},
		{"a policy does it", func(b *runtest.Bench) {
			b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}, Lifecycle: "p"})
		}, "conditions: {max_docs: 5}", "l-000001", cluster.Unchanged},
		{"a policy does it, overruled", func(b *runtest.Bench) {
			b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}, Lifecycle: "p"})
		}, "conditions: {max_docs: 5}, allow_ilm_indices: true", "l-000002", cluster.Done},
		{
			"by name",
			func(b *runtest.Bench) { b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}}) },
			"conditions: {max_docs: 5}, new_index: 'l-%Y-000007'",
			"l-2026-000007",
			cluster.Done,
		},
		{
			"no number",
			func(b *runtest.Bench) { b.Cluster.AddIndex(cluster.Index{Name: "last", Aliases: []string{"l"}}) },
			"conditions: {max_docs: 5}",
			"",
			"",
		},
		{"no alias", func(*runtest.Bench) {}, "conditions: {max_docs: 5}", "", ""},
		{"several, no write index", func(b *runtest.Bench) {
			b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}})
			b.Cluster.AddIndex(cluster.Index{Name: "l-000002", Aliases: []string{"l"}, Stats: &cluster.IndexStats{}})
		}, "conditions: {max_docs: 5}", "", ""},
		{"several, with one", func(b *runtest.Bench) {
			b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l"}})
			b.Cluster.AddIndex(cluster.Index{Name: "l-000002", WriteAliases: []string{"l"}})
		}, "conditions: {max_docs: 5}", "l-000003", cluster.Done},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := runtest.New(t)
			c.set(b)
			res, r := b.Run("actions: {1: {action: rollover, options: {name: l, " + c.options + "}}}")
			if c.want == "" {
				require.Error(t, errors.Join(res.Errors()...))
				require.Empty(t, b.Cluster.Writes())
				return
			}
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.result, r.Outcomes()["l"])
			require.Contains(t, b.Indices(), c.want)
			require.LessOrEqual(t, len(b.Cluster.CallsOf("Rollover")), 1)
		})
	}
}

// What extra_settings say besides settings is sent as what it is, and looked for.
func TestRolloverWithAliases(t *testing.T) {
	file := "actions: {1: {action: rollover, options: {name: l, conditions: {max_docs: 5}, extra_settings: {aliases: {r: {}}, " +
		"mappings: {dynamic: false}, settings: {index.codec: best_compression}, index.refresh_interval: 9s}}}}"
	fresh := func() *runtest.Bench {
		b := runtest.New(t)
		b.Cluster.AddIndex(cluster.Index{Name: "l-000001", Aliases: []string{"l", "r"}})
		return b
	}
	b := fresh()
	res, r := b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.Outcomes()["l"])
	require.Equal(t, []string{"l", "r"}, b.Index("l-000002").Aliases)
	require.Equal(t, "best_compression", b.Setting("l-000002", "index.codec"))
	sent := b.Cluster.CallsOf("Rollover")[0].Request.(cluster.Rollover)
	require.Equal(t, map[string]any{"index.codec": "best_compression", "index.refresh_interval": "9s"}, sent.Settings)
	require.Equal(t, map[string]any{"r": map[string]any{}}, sent.Aliases)
	require.Equal(t, map[string]any{"dynamic": false}, sent.Mappings)

	b = fresh()
	b.Options.DryRun = true
	res, r = b.Run(file)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Done, r.Outcomes()["l"])
	require.Empty(t, b.Cluster.Writes())

	b = fresh()
	b.Cluster.FaultAfter = func(m string, _ []string) error {
		if m == "Rollover" {
			b.Cluster.AddIndex(cluster.Index{Name: "l-000002", Aliases: []string{"l"}}) // somebody took it away
		}
		return nil
	}
	res, r = b.Run(file)
	require.ErrorContains(t, errors.Join(res.Errors()...), "does not have the alias r")
	require.Equal(t, cluster.Failure, r.Outcomes()["l"])

	_, err := plan.Parse("f", []byte("actions: {1: {action: rollover, options: {name: l, conditions: {max_docs: 5}, "+
		"extra_settings: {aliases: r}}}}"), plan.Options{})
	require.ErrorContains(t, err, "aliases: expected a map")
	_, err = plan.Parse("f", []byte("actions: {1: {action: rollover, options: {name: l, conditions: {max_docs: 5}, "+
		"extra_settings: {aliasses: {r: {}}}}}}"), plan.Options{})
	require.ErrorContains(t, err, `unknown key "aliasses"; did you mean aliases?`)
}
