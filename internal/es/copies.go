package es

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/esnap/esnap/internal/cluster"
)

// ShrinkIndex implements cluster.Writer. It is sent once.
func (c *Client) ShrinkIndex(ctx context.Context, r cluster.ShrinkIndex) error {
	op := "shrink index " + r.Source + " to " + r.Target
	if err := concrete(op, r.Source, r.Target); err != nil {
		return err
	}
	body := map[string]any{"settings": r.Settings}
	if len(r.Aliases) > 0 {
		body["aliases"] = r.Aliases
	}
	return c.do(ctx, call{op: op, write: true, resend: never, least: sizesTimeout, request: func() request {
		return request{method: http.MethodPut, path: "/" + esc(r.Source) + "/_shrink/" + esc(r.Target), body: body,
			query: params{"wait_for_active_shards": r.WaitForActiveShards}}
	}})
}

// Reindex implements cluster.Writer. Its body may contain the password of a remote
// cluster.
func (c *Client) Reindex(ctx context.Context, r cluster.Reindex) (task string, err error) {
	err = c.do(ctx, call{
		op:      "reindex into " + r.Dest,
		write:   true,
		resend:  never,
		private: true,
		decode:  fields(field{"task", &task}),
		request: func() request {
			return request{method: http.MethodPost, path: "/_reindex", body: r.Body, query: params{
				"refresh": strconv.FormatBool(r.Refresh), "requests_per_second": strconv.FormatInt(r.RequestsPerSecond, 10),
				"slices": strconv.FormatInt(max(r.Slices, 1), 10), "timeout": ms(r.Timeout),
				"wait_for_active_shards": r.WaitForActiveShards, "wait_for_completion": "false",
			}}
		},
	})
	return task, err
}

// Task implements cluster.ServerReader.
func (c *Client) Task(ctx context.Context, id string) (cluster.Task, error) {
	type counts struct {
		Total     int64             `json:"total"`
		Created   int64             `json:"created"`
		Updated   int64             `json:"updated"`
		Deleted   int64             `json:"deleted"`
		Noops     int64             `json:"noops"`
		Conflicts int64             `json:"version_conflicts"`
		Failures  []json.RawMessage `json:"failures"`
		Canceled  string            `json:"canceled"`
		TimedOut  bool              `json:"timed_out"`
	}
	var reply struct {
		Completed bool
		Task      struct {
			Status counts `json:"status"`
		}
		Response counts
		Error    json.RawMessage
	}
	decode := fields(field{"completed", &reply.Completed}, field{"task", &reply.Task}, field{"response", &reply.Response},
		field{"error", &reply.Error})
	err := c.do(ctx, call{op: "ask for task " + id, decode: decode, request: func() request {
		return request{path: "/_tasks/" + esc(id)}
	}})
	n := reply.Task.Status
	if reply.Completed {
		n = reply.Response
	}
	t := cluster.Task{Completed: reply.Completed, Total: n.Total, Conflicts: n.Conflicts}
	t.Done = n.Created + n.Updated + n.Deleted + n.Noops + n.Conflicts
	for _, f := range n.Failures {
		t.Failures = append(t.Failures, reasonOf(f))
	}
	if n.Canceled != "" {
		t.Failures = append(t.Failures, "the task was cancelled: "+n.Canceled)
	}
	if n.TimedOut {
		t.Failures = append(t.Failures, "a request of the task timed out")
	}
	if len(reply.Error) > 0 {
		t.Failures = append(t.Failures, reasonOf(reply.Error))
	}
	return t, err
}

// Tasks implements cluster.ServerReader.
func (c *Client) Tasks(ctx context.Context, action string) ([]cluster.RunningTask, error) {
	var nodes map[string]struct {
		Tasks map[string]struct {
			Action      string `json:"action"`
			Description string `json:"description"`
		} `json:"tasks"`
	}
	err := c.do(ctx, call{op: "list tasks", decode: fields(field{"nodes", &nodes}), request: func() request {
		return request{path: "/_tasks", query: params{"actions": action, "detailed": "true"}}
	}})
	var list []cluster.RunningTask
	for _, n := range nodes {
		for id, t := range n.Tasks {
			list = append(list, cluster.RunningTask{ID: id, Action: t.Action, Description: t.Description})
		}
	}
	return list, err
}

// reasonOf is the reason in an error of a task, at any depth: for a document it is below
// cause, for the whole task at the top.
func reasonOf(raw json.RawMessage) string {
	var e struct {
		Index  string          `json:"index"`
		ID     string          `json:"id"`
		Reason json.RawMessage `json:"reason"`
		Cause  json.RawMessage `json:"cause"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return string(raw)
	}
	var text string
	switch {
	case len(e.Cause) > 0 && e.ID != "":
		return "document " + e.ID + ": " + reasonOf(e.Cause)
	case json.Unmarshal(e.Reason, &text) == nil && text != "":
		return text
	case len(e.Reason) > 0:
		return reasonOf(e.Reason)
	case len(e.Cause) > 0:
		return reasonOf(e.Cause)
	}
	return string(raw)
}

// MountSnapshot implements cluster.Writer. It is sent once. Servers without it answer that
// the path does not exist.
func (c *Client) MountSnapshot(ctx context.Context, r cluster.MountSnapshot) error {
	op := "mount index " + r.Index + " of snapshot " + r.Repository + "/" + r.Snapshot
	if err := concrete(op, r.Index, r.Target); err != nil {
		return err
	}
	body := map[string]any{
		"index":                 r.Index,
		"renamed_index":         r.Target,
		"index_settings":        r.Settings,
		"ignore_index_settings": r.IgnoreSettings,
	}
	return c.do(ctx, call{
		op:     op,
		write:  true,
		resend: never,
		least:  sizesTimeout,
		decode: whole(&json.RawMessage{}),
		request: func() request {
			return request{method: http.MethodPost, path: "/_snapshot/" + esc(r.Repository) + "/" + esc(r.Snapshot) + "/_mount", body: body,
				query: params{"storage": "shared_cache", "wait_for_completion": strconv.FormatBool(r.Wait)}}
		},
	})
}
