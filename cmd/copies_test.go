package cmd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNewestCopies: lists say which copy of an index is complete, by the rule of check.
func TestNewestCopies(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	code, out, errs := k.run("index", "list", "--copies")
	require.Equal(t, 0, code, errs)
	require.Regexp(t, logsOf(3)+` .* backups/logs-20261121005908\n`, out)
	require.Regexp(t, logsOf(0)+` .* -\n`, out, "its day has not ended")
	_, out, _ = k.run("index", "list", "-o", "json", "--copies")
	require.Contains(t, out, `"newest_copy": {`)
	_, out, _ = k.run("snapshot", "list", "--holding", logsOf(0))
	require.Contains(t, out, "until 2026-11-21 00:59:08")
	_, out, _ = k.run("snapshot", "list", "--holding", logsOf(0), "-o", "json")
	require.Contains(t, out, `"holding_until": "2026-11-21T00:59:08.000Z"`)
	_, out, _ = k.run("index", "show", logsOf(1))
	require.Contains(t, out, "complete copies in 1 snapshot\n  backups/logs-20261121005908")
}
