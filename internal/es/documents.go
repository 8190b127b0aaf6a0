package es

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// stored is a document as the index has it. Only the time is indexed.
type stored struct {
	Time int64           `json:"time"` // in milliseconds
	Body json.RawMessage `json:"body"`
}

// documentReply is a document in the replies of servers.
type documentReply struct {
	ID          string `json:"_id"`
	SeqNo       int64  `json:"_seq_no"`
	PrimaryTerm int64  `json:"_primary_term"`
	Source      stored `json:"_source"`
}

func (r documentReply) document() cluster.Document {
	return cluster.Document{
		ID: r.ID, Time: millis(r.Source.Time), Body: r.Source.Body, Version: cluster.DocumentVersion{SeqNo: r.SeqNo, PrimaryTerm: r.PrimaryTerm},
	}
}

// Document implements cluster.DocumentReader. It reads the newest state, not that of the
// last refresh.
func (c *Client) Document(ctx context.Context, index, id string) (cluster.Document, error) {
	op := "read document " + index + "/" + id
	none := &cluster.Error{Op: op, Kind: cluster.ErrNoDocument}
	var r documentReply
	found := false
	err := c.do(ctx, call{
		op: op, absent: []int{http.StatusNotFound}, request: func() request {
			return request{path: documentPath(index, id)}
		},
		decode: fields(field{"found", &found}, field{"_id", &r.ID}, field{"_seq_no", &r.SeqNo}, field{"_primary_term", &r.PrimaryTerm},
			field{"_source", &r.Source}),
	})
	switch {
	case err != nil:
		return cluster.Document{}, err
	case !found:
		return cluster.Document{}, none
	}
	return r.document(), nil
}

// Documents implements cluster.DocumentReader. Every write refreshes its index, so that
// the next search finds the document.
func (c *Client) Documents(ctx context.Context, q cluster.DocumentQuery) ([]cluster.Document, error) {
	op := "list the documents of " + q.Index
	body := map[string]any{
		"size": q.Limit, "seq_no_primary_term": true,
		"sort": []any{map[string]any{"time": map[string]any{"order": "desc", "unmapped_type": "date"}}},
	}
	if !q.Before.IsZero() {
		body["query"] = map[string]any{"range": map[string]any{"time": map[string]any{"lt": q.Before.UnixMilli(), "format": "epoch_millis"}}}
	}
	var without []string
	for _, w := range q.Without {
		without = append(without, "body."+w)
	}
	if len(without) > 0 {
		body["_source"] = map[string]any{"excludes": without}
	}
	var hits struct {
		Hits []documentReply `json:"hits"`
	}
	err := c.do(ctx, call{op: op, decode: fields(field{"hits", &hits}), request: func() request {
		return request{method: http.MethodPost, path: "/" + esc(q.Index) + "/_search", body: body, query: params{
			"allow_partial_search_results": "false", "filter_path": "hits",
		}}
	}})
	if errors.Is(err, cluster.ErrNoIndex) {
		return nil, nil
	}
	var list []cluster.Document
	for _, h := range hits.Hits {
		list = append(list, h.document())
	}
	return list, err
}

// PutDocument implements cluster.Writer.
func (c *Client) PutDocument(ctx context.Context, r cluster.PutDocument) (cluster.DocumentVersion, error) {
	op := "write document " + r.Index + "/" + r.ID
	body, err := json.Marshal(r.Body)
	if err != nil {
		return cluster.DocumentVersion{}, &cluster.Error{Op: op, Kind: cluster.ErrInvalid, Err: err}
	}
	if r.Replaces == nil {
		if err := c.ensureOwn(ctx, r.Index); err != nil {
			return cluster.DocumentVersion{}, err
		}
	}
	var v cluster.DocumentVersion
	result := ""
	decode := fields(field{"result", &result}, field{"_seq_no", &v.SeqNo}, field{"_primary_term", &v.PrimaryTerm})
	err = c.do(ctx, call{op: op, write: true, decode: decode, request: func() request {
		query := params{"op_type": "create"}
		if r.Replaces != nil {
			query = ofVersion(*r.Replaces)
		}
		maps.Copy(query, documentQuery)
		return request{method: http.MethodPut, path: documentPath(r.Index, r.ID), query: query, body: stored{r.Time.UnixMilli(), body}}
	}})
	if known := (*cluster.Error)(nil); r.Replaces == nil && errors.Is(err, cluster.ErrChanged) && errors.As(err, &known) {
		known.Kind = cluster.ErrExists
	}
	return v, err
}

func documentPath(index, id string) string { return "/" + esc(index) + "/_doc/" + esc(id) }

// ofVersion is the condition that a document still has a version.
func ofVersion(v cluster.DocumentVersion) params {
	return params{"if_seq_no": strconv.FormatInt(v.SeqNo, 10), "if_primary_term": strconv.FormatInt(v.PrimaryTerm, 10)}
}

// documentQuery is in every write of a document: it makes the document visible, and waits
// for its shard for less than the time-out of a request, so that the server answers.
var documentQuery = params{"refresh": "true", "timeout": "15000ms"}

// DeleteDocument implements cluster.Writer.
func (c *Client) DeleteDocument(ctx context.Context, r cluster.DeleteDocument) error {
	result := ""
	return c.do(ctx, call{
		op: "delete document " + r.Index + "/" + r.ID, write: true, absent: []int{http.StatusNotFound}, decode: fields(field{"result", &result}),
		request: func() request {
			query := ofVersion(r.Version)
			maps.Copy(query, documentQuery)
			return request{method: http.MethodDelete, path: documentPath(r.Index, r.ID), query: query}
		},
	})
}

// ownTimeout is how long the creation of an index waits for its primary shard.
const ownTimeout = 30 * time.Second

// ensureOwn creates an index of esnap's own if it does not exist: one shard, a replica
// where there is a second node, hidden where the server knows that, and nothing indexed
// but the time. Otherwise the server would create it with its defaults.
func (c *Client) ensureOwn(ctx context.Context, index string) error {
	c.mu.Lock()
	known := c.own[index]
	c.mu.Unlock()
	if known {
		return nil
	}
	list, err := c.IndicesNamed(ctx, []string{index})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		server, err := c.Server(ctx)
		if err != nil {
			return err
		}
		err = c.do(ctx, call{op: "create index " + index, write: true, least: ownTimeout, request: func() request {
			return request{method: http.MethodPut, path: "/" + esc(index), body: ownBody(server)}
		}})
		if err != nil && !errors.Is(err, cluster.ErrExists) { // another run may create it at the same time
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own == nil {
		c.own = map[string]bool{}
	}
	c.own[index] = true
	return nil
}

func ownBody(server cluster.Server) map[string]any {
	settings := map[string]any{"index.number_of_shards": 1, "index.auto_expand_replicas": "0-1"}
	if server.OpenSearch || !server.Version.Less(cluster.Version{7, 7, 0}) {
		settings["index.hidden"] = true
	}
	date := map[string]any{"type": "date", "format": "epoch_millis"}
	mappings := map[string]any{"dynamic": false, "properties": map[string]any{"time": date}}
	if v := server.Version; !server.OpenSearch && v != (cluster.Version{}) && v.Less(cluster.Version{7, 0, 0}) {
		mappings = map[string]any{"_doc": mappings}
	}
	return map[string]any{"settings": settings, "mappings": mappings}
}
