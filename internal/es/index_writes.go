package es

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// healthWait is how long a request for the cluster's health waits for the master.
const healthWait = 10 * time.Second

// ClusterHealth implements cluster.ServerReader.
//
// Between the moves of two shards there is a moment without a moving shard. So the server
// answers only after the master has completed its tasks.
func (c *Client) ClusterHealth(ctx context.Context) (cluster.Health, error) {
	var h cluster.Health
	timedOut := false
	const op = "read the cluster's health"
	err := c.do(ctx, call{
		op:     op,
		decode: fields(field{"status", &h.Status}, field{"relocating_shards", &h.Relocating}, field{"timed_out", &timedOut}),
		accept: []int{http.StatusRequestTimeout},
		request: func() request {
			return request{path: "/_cluster/health", query: params{
				"filter_path": "status,relocating_shards,timed_out", "wait_for_events": "languid", "timeout": ms(min(c.o.Timeout/2, healthWait)),
			}}
		},
	})
	if err == nil && timedOut {
		err = &cluster.Error{Op: op, Kind: cluster.ErrUnavailable, Text: "the master has not completed its pending tasks"}
	}
	return h, err
}

// PutIndexSettings implements cluster.Writer.
func (c *Client) PutIndexSettings(ctx context.Context, r cluster.PutIndexSettings) error {
	op := describe("change settings of", "index ", "indices", r.Names)
	if err := concrete(op, r.Names...); err != nil {
		return err
	}
	return c.do(ctx, call{op: op, write: true, resend: harmless, request: func() request {
		return request{method: http.MethodPut, path: pathOf("", r.Names, "/_settings"), body: r.Settings, query: params{
			ignoreUnavailable: only(r.IgnoreUnavailable), "preserve_existing": only(r.PreserveExisting),
		}}
	}})
}

// OpenIndices implements cluster.Writer.
func (c *Client) OpenIndices(ctx context.Context, r cluster.OpenIndices) error {
	verb := "open"
	if r.Close {
		verb = "close"
	}
	op := describe(verb, "index ", "indices", r.Names)
	if err := concrete(op, r.Names...); err != nil {
		return err
	}
	// From Elasticsearch 8 on, closing waits for active shards, and a lost shard is never one.
	active := ""
	if server, err := c.Server(ctx); err == nil && !server.OpenSearch && !server.Version.Less(cluster.Version{8, 0, 0}) {
		active = "0"
	}
	return c.named(ctx, call{op: op, write: true, resend: harmless, least: sizesTimeout, request: func() request {
		if r.Close {
			return request{method: http.MethodPost, path: pathOf("", r.Names, "/_close"), query: params{
				ignoreUnavailable: "true", "wait_for_active_shards": active,
			}}
		}
		return request{method: http.MethodPost, path: pathOf("", r.Names, "/_open")}
	}})
}

// FlushIndices implements cluster.Writer.
func (c *Client) FlushIndices(ctx context.Context, r cluster.FlushIndices) error {
	op := describe("flush", "index ", "indices", r.Names)
	if err := concrete(op, r.Names...); err != nil {
		return err
	}
	return c.named(ctx, call{
		op:     op,
		write:  true,
		resend: harmless,
		least:  sizesTimeout,
		decode: shardsDone(op, cluster.ErrShards, "not flushed"),
		request: func() request {
			return request{method: http.MethodPost, path: pathOf("", r.Names, "/_flush"), query: params{
				"force": "true", ignoreUnavailable: "true",
			}}
		},
	})
}

// FreezeIndices implements cluster.Writer. Elasticsearch 6.6 to 7 supports it with x-pack;
// version 8 only unfreezes.
func (c *Client) FreezeIndices(ctx context.Context, r cluster.FreezeIndices) error {
	verb, path := "freeze", "/_freeze"
	if r.Unfreeze {
		verb, path = "unfreeze", "/_unfreeze"
	}
	op := describe(verb, "index ", "indices", r.Names)
	if err := concrete(op, r.Names...); err != nil {
		return err
	}
	return c.do(ctx, call{op: op, write: true, resend: harmless, least: sizesTimeout, request: func() request {
		return request{method: http.MethodPost, path: pathOf("", r.Names, path)}
	}})
}

// ForcemergeIndex implements cluster.Writer.
func (c *Client) ForcemergeIndex(ctx context.Context, r cluster.ForcemergeIndex) error {
	op := "forcemerge index " + r.Name
	if err := concrete(op, r.Name); err != nil {
		return err
	}
	return c.do(ctx, call{op: op, write: true, decode: shardsDone(op, cluster.ErrServer, "not merged"), request: func() request {
		return request{method: http.MethodPost, path: "/" + esc(r.Name) + "/_forcemerge", query: params{
			"max_num_segments": strconv.FormatInt(r.MaxNumSegments, 10),
		}}
	}})
}

// shardsDone decodes a reply that counts shard copies: failed ones are an error.
func shardsDone(op string, kind error, not string) func(*stream) error {
	return func(s *stream) error {
		var shards struct {
			Failed   int `json:"failed"`
			Failures []struct {
				Index  string    `json:"index"`
				Shard  int       `json:"shard"`
				Reason errorBody `json:"reason"`
			} `json:"failures"`
		}
		if err := fields(field{"_shards", &shards})(s); err != nil || shards.Failed == 0 {
			return err
		}
		e := &cluster.Error{
			Op:     op,
			Kind:   kind,
			Causes: []cluster.Cause{{Reason: fmt.Sprintf("%d shard copies of the index were %s", shards.Failed, not)}},
		}
		for _, f := range shards.Failures {
			e.Causes = append(e.Causes, cluster.Cause{Type: f.Reason.Type, Reason: fmt.Sprintf("shard %d: %s", f.Shard, oneLine(f.Reason.Reason))})
		}
		return e
	}
}

// CreateIndex implements cluster.Writer.
func (c *Client) CreateIndex(ctx context.Context, r cluster.CreateIndex) error {
	body := r.Body
	if body == nil {
		body = map[string]any{}
	}
	return c.do(ctx, call{op: "create index " + r.Name, write: true, request: func() request {
		return request{method: http.MethodPut, path: "/" + esc(r.Name), body: body}
	}})
}

// PutClusterSettings implements cluster.Writer.
func (c *Client) PutClusterSettings(ctx context.Context, r cluster.PutClusterSettings) error {
	return c.do(ctx, call{op: "change cluster settings", write: true, resend: harmless, request: func() request {
		return request{method: http.MethodPut, path: "/_cluster/settings", body: map[string]any{"transient": r.Transient}}
	}})
}

// RolloverDue implements cluster.IndexReader.
func (c *Client) RolloverDue(ctx context.Context, r cluster.Rollover) (cluster.RolloverResult, error) {
	return c.rollover(ctx, r, true)
}

// Rollover implements cluster.Writer.
func (c *Client) Rollover(ctx context.Context, r cluster.Rollover) (cluster.RolloverResult, error) {
	return c.rollover(ctx, r, false)
}

func (c *Client) rollover(ctx context.Context, r cluster.Rollover, dryRun bool) (cluster.RolloverResult, error) {
	var reply struct {
		Old, New   string
		RolledOver bool
		Conditions map[string]bool
	}
	body := map[string]any{"conditions": r.Conditions}
	for key, v := range map[string]map[string]any{"settings": r.Settings, "aliases": r.Aliases, "mappings": r.Mappings} {
		if len(v) > 0 {
			body[key] = v
		}
	}
	k := call{op: "roll over alias " + r.Alias, write: !dryRun}
	if k.write {
		k.resend = never
	}
	k.decode = fields(field{"rolled_over", &reply.RolledOver}, field{"old_index", &reply.Old},
		field{"new_index", &reply.New}, field{"conditions", &reply.Conditions})
	k.request = func() request {
		path := "/" + esc(r.Alias) + "/_rollover"
		if r.NewIndex != "" {
			path += "/" + esc(r.NewIndex)
		}
		return request{method: http.MethodPost, path: path, body: body, query: params{
			"wait_for_active_shards": r.WaitForActiveShards, "dry_run": only(dryRun),
		}}
	}
	err := c.do(ctx, k)
	res := cluster.RolloverResult{OldIndex: reply.Old, NewIndex: reply.New, Due: reply.RolledOver}
	for _, met := range reply.Conditions {
		res.Due = res.Due || dryRun && met
	}
	return res, err
}
