//go:build integration

package integration

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clustertest"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/testserver"
)

// TestContract runs the contract on every flavour in ESNAP_TEST_FLAVOURS, one after
// the other.
func TestContract(t *testing.T) {
	for flavour := range strings.SplitSeq(cmp.Or(os.Getenv("ESNAP_TEST_FLAVOURS"), "es670,os2110"), ",") {
		t.Run(flavour, func(t *testing.T) {
			server := testserver.Shared(t, testserver.Flavour(strings.TrimSpace(flavour)))
			client, err := es.New(es.Options{
				URLs: []string{server.URL}, Username: server.Username, Password: server.Password, CAFile: server.CAFile,
			})
			require.NoError(t, err)
			clustertest.Contract(t, func(*testing.T) clustertest.Fixture {
				prefix := fmt.Sprintf("contract%d-%d-", os.Getpid(), fixtures.Add(1))
				return clustertest.Fixture{
					Cluster:  client,
					Prefix:   prefix,
					Pause:    time.Sleep,
					Location: func(name string) string { return path.Join(server.Repo, name) },
					CreateIndex: func(t *testing.T, name string, s clustertest.Setup) {
						t.Helper()
						createIndex(t, server, name, s)
					},
				}
			})
		})
	}
}

// fixtures counts, so that names are not used twice.
var fixtures atomic.Int64

// createIndex makes an index with plain HTTP.
func createIndex(t *testing.T, server *testserver.Server, name string, s clustertest.Setup) {
	t.Helper()
	aliases := map[string]any{}
	for _, a := range s.Aliases {
		aliases[a] = map[string]any{}
	}
	for _, a := range s.WriteAliases {
		aliases[a] = map[string]any{"is_write_index": true}
	}
	at := "/" + url.PathEscape(name)
	send(t, server, http.MethodPut, at, map[string]any{
		"settings": map[string]any{"index.number_of_shards": max(s.Primaries, 1), "index.number_of_replicas": s.Replicas},
		"aliases":  aliases,
	})
	if s.Documents > 0 {
		var lines bytes.Buffer
		for n := range s.Documents {
			at := clustertest.FirstDocument.Add(time.Duration(n) * time.Hour).Format(time.RFC3339)
			fmt.Fprintf(&lines, "{\"index\":{\"_index\":%q%s}}\n{\"@timestamp\":%q}\n", name, documentType(server), at)
		}
		send(t, server, http.MethodPost, "/_bulk?refresh=true", lines.Bytes())
	}
	if s.Closed {
		send(t, server, http.MethodPost, at+"/_close", nil)
	}
}

// documentType is what a line of a bulk request needs before 7.0.
func documentType(server *testserver.Server) string {
	if strings.HasPrefix(string(server.Flavour), "es6") {
		return `,"_type":"_doc"`
	}
	return ""
}

// send sends a body, as it is or as JSON, and requires success.
func send(t *testing.T, server *testserver.Server, method, uri string, body any) {
	t.Helper()
	raw, ready := body.([]byte)
	if !ready && body != nil {
		var err error
		raw, err = json.Marshal(body)
		require.NoError(t, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+uri, bytes.NewReader(raw))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if server.Username != "" {
		req.SetBasicAuth(server.Username, server.Password)
	}
	reply, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.Less(t, reply.StatusCode, 300, "%s %s: %s", method, uri, text)
	require.NotContains(t, string(text), `"errors":true`)
}
