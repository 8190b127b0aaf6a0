package cmd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestTheClusterIsNamed: every question and every plan names the cluster first, once.
func TestTheClusterIsNamed(t *testing.T) {
	const line = "Cluster memory, Elasticsearch 8.19.7, http://***@es:9200\n"
	for args, want := range map[string]string{ // the text after the line
		"index delete logs-a":                          "err:  logs-a\nDelete 1 index?",
		"index delete logs-a --yes":                    "err:  logs-a\n",
		"index delete logs-a -n":                       "out:Elasticsearch 8.19.7 at",
		"snapshot delete r s --keep-newest-good=false": "err:  s\nDelete 1 snapshot?",
		"restore held":                                 "out:from r/s,",
		"restore held -n":                              "out:from r/s,",
		"restore held -o json":                         "err:from r/s,",
		"restore held -q":                              "err:from r/s,", // a question has its plan
		"restore":                                      "err:Family of indices: held-*\nDay (UTC): 2026-11-01\n",
		"repository unregister r":                      "err:Unregister r (",
		"repository unregister r --yes":                "err:",
		"mark logs-a --keep-for 1d":                    "err:",
		"mark logs-a --remove --dry-run":               "err:",
		"repository register x fs -n loc=":             "",
	} {
		k := newConsole(t)
		k.env["ESNAP_URL"] = "http://user:secret@es:9200"
		k.tty, k.in = true, "y\n"
		k.c.AddIndices("logs-a")
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"held"}})
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "t", Indices: []string{"held-2026.11.01"}})
		_, out, errs := k.run(strings.Fields(args)...)
		require.NotContains(t, out+errs, "secret", args)
		if want == "" { // a wrong command line asks nothing
			require.NotContains(t, out+errs, "Cluster ", args)
			continue
		}
		require.Equal(t, 1, strings.Count(out+errs, line), "%s: %s%s", args, out, errs)
		text := map[string]string{"out": out, "err": errs}[want[:3]]
		require.True(t, strings.HasPrefix(text, line+want[4:]), "%s: %s", args, text)
	}
	k := newConsole(t)
	k.c.AddIndices("logs-a")
	_, out, errs := k.run("-q", "mark", "logs-a", "--remove")
	require.NotContains(t, out+errs, "Cluster")
}
