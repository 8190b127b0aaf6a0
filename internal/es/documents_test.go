package es

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const (
	ownListing = "GET /_cluster/state/metadata,blocks/esnap-locks?expand_wildcards=none&filter_path=" + listing + "&ignore_unavailable=true"
	noOwn      = `{"metadata":{"indices":{}}}`
	written    = `{"_id":"j","result":"created","_seq_no":4,"_primary_term":2}`
	conflict   = `{"error":{"type":"version_conflict_engine_exception","reason":"[j]: version conflict"},"status":409}`
)

// TestOwnIndexIsCreated once, as each server knows it, and only with the first document.
func TestOwnIndexIsCreated(t *testing.T) {
	at := time.UnixMilli(1_795_232_933_400)
	put := cluster.PutDocument{Index: cluster.LockIndex, ID: "j", Time: at, Body: map[string]string{"a": "b"}}
	body := `{"time":1795232933400,"body":{"a":"b"}}`
	create := "PUT /esnap-locks/_doc/j?op_type=create&refresh=true&timeout=15000ms"
	mapping := `{"dynamic":false,"properties":{"time":{"format":"epoch_millis","type":"date"}}}`
	shards := `"index.auto_expand_replicas":"0-1","index.number_of_shards":1`
	for root, made := range map[string]string{
		root670: `{"mappings":{"_doc":` + mapping + `},"settings":{` + shards + `}}`,
		`{"version":{"number":"8.19.7"},"cluster_name":"c"}`: `{"mappings":` + mapping + `,"settings":{` + shards + `,"index.hidden":true}}`,
		`{"version":{"number":"2.11.0","distribution":"opensearch"},"cluster_name":"c"}`: `{"mappings":` + mapping +
			`,"settings":{` + shards + `,"index.hidden":true}}`,
		`{"version":{"number":"7.6.2"},"cluster_name":"c"}`: `{"mappings":` + mapping + `,"settings":{` + shards + `}}`,
	} {
		client, _ := play(t, Options{},
			exchange{line: ownListing, reply: noOwn}, exchange{line: "GET /", reply: root},
			exchange{line: "PUT /esnap-locks", body: made, reply: `{"acknowledged":true}`},
			exchange{line: create, body: body, reply: written}, exchange{line: create, body: body, status: 409, reply: conflict})
		v, err := client.PutDocument(t.Context(), put)
		require.NoError(t, err)
		require.Equal(t, cluster.DocumentVersion{SeqNo: 4, PrimaryTerm: 2}, v)
		_, err = client.PutDocument(t.Context(), put)
		require.ErrorIs(t, err, cluster.ErrExists)
	}
}

func TestDocumentRequests(t *testing.T) {
	ctx := context.Background()
	v := cluster.DocumentVersion{SeqNo: 3, PrimaryTerm: 2}
	doc := `{"_index":"i","_id":"j","_seq_no":3,"_primary_term":2,"found":true,"_source":{"time":1795232933400,"body":{"a":1}}}`
	want := cluster.Document{ID: "j", Version: v, Time: at(1795232933400), Body: json.RawMessage(`{"a":1}`)}

	c, _ := play(t, Options{}, exchange{line: "GET /i/_doc/a%2Fb", reply: doc})
	d, err := c.Document(ctx, "i", "a/b")
	require.NoError(t, err)
	require.Equal(t, want, d)
	c, _ = play(t, Options{}, exchange{line: "GET /i/_doc/j", status: 404, reply: `{"_index":"i","_id":"j","found":false}`})
	_, err = c.Document(ctx, "i", "j")
	require.ErrorIs(t, err, cluster.ErrNoDocument)

	c, _ = play(t, Options{}, exchange{
		line: "POST /i/_search?allow_partial_search_results=false&filter_path=hits",
		body: `{"_source":{"excludes":["body.x"]},"query":{"range":{"time":{"format":"epoch_millis","lt":5}}},"seq_no_primary_term":true,` +
			`"size":2,"sort":[{"time":{"order":"desc","unmapped_type":"date"}}]}`,
		reply: `{"hits":{"total":1,"hits":[` + doc + `]}}`,
	})
	list, err := c.Documents(ctx, cluster.DocumentQuery{Index: "i", Limit: 2, Before: at(5), Without: []string{"x"}})
	require.NoError(t, err)
	require.Equal(t, []cluster.Document{want}, list)

	c, _ = play(t, Options{},
		exchange{line: "PUT /i/_doc/j?if_primary_term=2&if_seq_no=3&refresh=true&timeout=15000ms", body: `{"time":5,"body":1}`, status: 409,
			reply: conflict},
		exchange{line: "DELETE /i/_doc/j?if_primary_term=2&if_seq_no=3&refresh=true&timeout=15000ms", reply: `{"_id":"j","result":"deleted"}`},
		exchange{line: "DELETE /i/_doc/j?if_primary_term=2&if_seq_no=3&refresh=true&timeout=15000ms", status: 404,
			reply: `{"_id":"j","result":"not_found"}`},
		exchange{line: "DELETE /i/_doc/j?if_primary_term=2&if_seq_no=3&refresh=true&timeout=15000ms", status: 409, reply: conflict})
	_, err = c.PutDocument(ctx, cluster.PutDocument{Index: "i", ID: "j", Time: at(5), Body: 1, Replaces: &v})
	require.ErrorIs(t, err, cluster.ErrChanged)
	del := cluster.DeleteDocument{Index: "i", ID: "j", Version: v}
	require.NoError(t, c.DeleteDocument(ctx, del))
	require.NoError(t, c.DeleteDocument(ctx, del))
	require.ErrorIs(t, c.DeleteDocument(ctx, del), cluster.ErrChanged)
}
