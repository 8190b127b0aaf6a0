package actions_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/runtest"
)

func TestAliasRemovesBeforeItAdds(t *testing.T) {
	b := runtest.Logs(t)
	b.Cluster.SetAlias("logs-a", "recent", false)
	file := `
actions:
  1:
    action: alias
    options: {name: recent%s}
    add: {filters: [{filtertype: pattern, kind: regex, value: 'logs-b'}]}
    remove: {filters: [{filtertype: pattern, kind: regex, value: 'logs-[ac]'}]}
`
	res, _ := b.Run(fmt.Sprintf(file, ""))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Index("logs-a").Aliases)
	require.Equal(t, []string{"recent"}, b.Index("logs-b").Aliases)
	require.Len(t, b.Cluster.CallsOf("UpdateAliases"), 1, "one step")
	req := b.Cluster.CallsOf("UpdateAliases")[0].Request.(cluster.UpdateAliases)
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
	b.Cluster.ForgetCalls()
	res, _ = b.Run(fmt.Sprintf(empty, ""))
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
	require.Empty(t, b.Cluster.Writes(), "one empty side abandons the whole action")
	res, _ = b.Run(fmt.Sprintf(empty, ", warn_if_no_indices: true"))
	require.NoError(t, errors.Join(res.Errors()...))
	res, _ = b.Run(fmt.Sprintf(empty, ", warn_if_no_indices: true"))
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty, "no operation at all, after the warning")
}

// A dry run of an alias that is named like an index fails as the run would.
func TestAnAliasNamedLikeAnIndex(t *testing.T) {
	for _, dryRun := range []bool{true, false} {
		b := runtest.Logs(t)
		b.Cluster.AddIndices("catalog")
		b.Options.DryRun = dryRun
		res, r := b.Run("actions: {1: {action: alias, options: {name: catalog}, add: {" + runtest.OnLogs + "}}}")
		require.Error(t, errors.Join(res.Errors()...))
		require.Empty(t, b.Index("logs-a").Aliases)
		require.Empty(t, r.Outcomes())
	}
}
