package actions_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/runtest"
)

func reindex(body, more string) string {
	return "actions: {1: {action: reindex, options: {request_body: {" + body + "}" + more + "}, " + runtest.OnLogs + "}}"
}

func TestReindex(t *testing.T) {
	b := runtest.Logs(t)
	res, r := b.Run(reindex("source: {index: REINDEX_SELECTION}, dest: {index: all-logs}", ""))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, map[string]cluster.Result{"all-logs": cluster.Done}, r.Outcomes())
	op := b.Cluster.CallsOf("Reindex")[0].Request.(cluster.Reindex)
	require.Equal(t, []string{"logs-a", "logs-b", "logs-c"}, op.Sources)
	require.Equal(t, map[string]any{"source": map[string]any{"index": op.Sources}, "dest": map[string]any{"index": "all-logs"}}, op.Body)
	require.True(t, op.Refresh)

	res, r = b.Run(reindex("source: {index: REINDEX_SELECTION}, dest: {index: MIGRATION}", ", migration_suffix: -new"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, r.Outcomes(), 3)
	require.Contains(t, b.Indices(), "logs-b-new")

	b.Cluster.ForgetCalls()
	res, _ = b.Run("actions: {1: {action: reindex, options: {request_body: {source: {index: x}, dest: {index: y}}}, " +
		"filters: [{filtertype: pattern, kind: prefix, value: nothing}]}}")
	require.NoError(t, errors.Join(res.Errors()...), "named sources need no selection")
	res, _ = b.Run("actions: {1: {action: reindex, options: {request_body: {source: {index: REINDEX_SELECTION}, " +
		"dest: {index: y}}}, filters: [{filtertype: pattern, kind: prefix, value: nothing}]}}")
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrEmpty)
}

func TestReindexThatFails(t *testing.T) {
	one := reindex("source: {index: logs-a}, dest: {index: all}", "")
	for name, c := range map[string]struct {
		ends  func(*cluster.Task)
		fault error
		want  string
		as    cluster.Result
	}{
		"a document": {
			func(t *cluster.Task) { t.Failures = []string{"mapper_parsing_exception"} },
			nil,
			"mapper_parsing",
			cluster.Failure,
		},
		"nothing was made":  {func(t *cluster.Task) { t.Done = 0 }, nil, "does not exist", cluster.Failure},
		"the reply is lost": {nil, cluster.ErrLost, "lost", cluster.Unclear},
	} {
		t.Run(name, func(t *testing.T) {
			b := runtest.Logs(t)
			b.Cluster.ReindexEnds = c.ends
			b.Cluster.FaultAfter = func(m string, _ []string) error {
				if m == "Reindex" {
					return c.fault
				}
				return nil
			}
			res, r := b.Run(one)
			require.ErrorContains(t, errors.Join(res.Errors()...), c.want)
			require.Equal(t, c.as, r.Outcomes()["all"])
			require.Len(t, b.Cluster.CallsOf("Reindex"), 1, "never twice")
		})
	}
	b := runtest.Logs(t)
	b.Cluster.Fault = func(m string, _ []string) error {
		if m == "Reindex" {
			return cluster.ErrUnsupported
		}
		return nil
	}
	res, _ := b.Run(one)
	require.Contains(t, cluster.Hint(res.Actions[0].Err), "module reindex")
	b = runtest.Logs(t)
	b.Cluster.ReindexEnds = func(t *cluster.Task) { t.Total, t.Done = 0, 0 }
	res, _ = b.Run(one)
	require.NoError(t, errors.Join(res.Errors()...), "no documents, no target")
	b.Cluster.ReindexEnds = func(t *cluster.Task) { t.Conflicts = 3 }
	_, r := b.Run(one)
	require.Contains(t, r.Warnings(), "3 documents")
	res, r = b.Run(reindex("source: {index: logs-a}, dest: {index: all}", ", wait_for_completion: false"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Contains(t, r.Warnings(), "task node:")
}

func TestReindexFromARemoteCluster(t *testing.T) {
	b := runtest.Logs(t)
	other := memory.New(memory.At(runtest.Now))
	other.AddIndices("logs-old", "web-old")
	var asked cluster.Remote
	b.Options.Remote = func(r cluster.Remote) (cluster.IndexReader, error) { asked = r; return other, nil }
	remote := "source: {remote: {host: 'http://old:9200', username: u, password: geheim}, index: REINDEX_SELECTION}, dest: {index: MIGRATION}"
	filters := ", remote_url_prefix: es, remote_filters: [{filtertype: pattern, kind: suffix, value: -old}, " +
		"{filtertype: pattern, kind: prefix, value: logs-}]"
	res, r := b.Run(reindex(remote, filters))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, cluster.Remote{URL: "http://old:9200/es", Username: "u", Password: "geheim", Header: map[string]string{}}, asked)
	require.Equal(t, map[string]cluster.Result{"logs-old": cluster.Done}, r.Outcomes())
	require.Empty(t, b.Cluster.CallsOf("Indices"), "the own indices are not listed for the selection")

	b.Options.DryRun = true
	_, r = b.Run(reindex(remote, filters))
	detail := runtest.Of[run.Intended](r)[0].Op.Intent().Detail
	require.NotContains(t, detail, "geheim")
	require.Contains(t, detail, `"index":["logs-old"]`)
	b.Options.DryRun = false
	res, _ = b.Run(reindex(remote, ", remote_filters: [{filtertype: pattern, kind: prefix, value: nothing}]"))
	require.ErrorContains(t, errors.Join(res.Errors()...), "remote_filters selected none")
	require.NotErrorIs(t, errors.Join(res.Errors()...), cluster.ErrEmpty)
}
