package es

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestCopies: what no server that the tests can start has in full is tested on
// requests and replies as Elasticsearch's reference and servers of other builds show
// them: reindex from 7 on, and mounting searchable snapshots.
func TestCopies(t *testing.T) {
	ctx := context.Background()
	const row = "?format=json&h=index,shard,prirep,state,node"
	for name, c := range map[string]struct {
		sent exchange
		call func(*Client) (any, error)
		want any
		kind error
	}{
		"reindex": {
			exchange{
				line:  "POST /_reindex?refresh=true&requests_per_second=-1&slices=1&timeout=60000ms&wait_for_active_shards=1&wait_for_completion=false",
				body:  `{"source":{"index":["a"]},"dest":{"index":"b"}}`,
				reply: `{"task":"oTUltX4IQMOUUVeiohTt8A:12345"}`,
			},
			func(c *Client) (any, error) {
				return c.Reindex(ctx, cluster.Reindex{
					Body:                map[string]any{"source": map[string]any{"index": []string{"a"}}, "dest": map[string]any{"index": "b"}},
					Dest:                "b",
					Refresh:             true,
					RequestsPerSecond:   -1,
					Slices:              1,
					Timeout:             time.Minute,
					WaitForActiveShards: "1",
				})
			}, "oTUltX4IQMOUUVeiohTt8A:12345", nil,
		},
		"reindex is not sent twice": {
			exchange{
				line:   "POST /_reindex?refresh=false&requests_per_second=0&slices=1&wait_for_completion=false",
				body:   `{}`,
				status: 429,
				reply:  `{"error":{"type":"es_rejected_execution_exception","reason":"full"},"status":429}`,
			},
			func(c *Client) (any, error) { return c.Reindex(ctx, cluster.Reindex{Body: map[string]any{}}) }, "", cluster.ErrRejected,
		},
		"a task that runs": {
			exchange{
				line: "GET /_tasks/n:1",
				reply: `{"completed":false,"task":{"node":"n","status":{"total":100,"updated":3,"created":20,"deleted":1,"batches":1,` +
					`"version_conflicts":2,"noops":4,"failures":[]}}}`,
			},
			func(c *Client) (any, error) { return c.Task(ctx, "n:1") }, cluster.Task{Total: 100, Done: 30, Conflicts: 2}, nil,
		},
		"a task that ended": {
			exchange{
				line: "GET /_tasks/n:1",
				reply: `{"completed":true,"task":{"status":{"total":9}},"response":{"took":5,"timed_out":false,"total":2,"updated":0,` +
					`"created":2,"deleted":0,"version_conflicts":0,"noops":0,"failures":[]}}`,
			},
			func(c *Client) (any, error) { return c.Task(ctx, "n:1") }, cluster.Task{Completed: true, Total: 2, Done: 2}, nil,
		},
		"a task with failures": {
			exchange{
				line: "GET /_tasks/n:1",
				reply: `{"completed":true,"task":{},"response":{"total":2,"created":1,"timed_out":true,"canceled":"by user request",
				"failures":[{"index":"b","type":"_doc","id":"7","cause":{"type":"mapper_parsing_exception",
					"reason":"failed to parse field [n]"},"status":400},{"shard":-1,"reason":{"type":"connect_exception",
					"reason":"Connection refused"}}]}}`,
			},
			func(c *Client) (any, error) { return c.Task(ctx, "n:1") },
			cluster.Task{Completed: true, Total: 2, Done: 1, Failures: []string{
				"document 7: failed to parse field [n]", "Connection refused", "the task was cancelled: by user request",
				"a request of the task timed out",
			}}, nil,
		},
		"a task that broke": {
			exchange{
				line:  "GET /_tasks/n:1",
				reply: `{"completed":true,"task":{},"error":{"type":"index_not_found_exception","reason":"no such index [gone]"}}`,
			},
			func(c *Client) (any, error) { return c.Task(ctx, "n:1") },
			cluster.Task{Completed: true, Failures: []string{"no such index [gone]"}}, nil,
		},
		"no such task": {
			exchange{
				line:   "GET /_tasks/n:1",
				status: 404,
				reply: `{"error":{"type":"resource_not_found_exception","reason":"task [n:1] isn't running and hasn't stored its results"},` +
					`"status":404}`,
			},
			func(c *Client) (any, error) { return c.Task(ctx, "n:1") }, cluster.Task{}, cluster.ErrServer,
		},
		"mount": {
			exchange{line: "POST /_snapshot/r/s%201/_mount?storage=shared_cache&wait_for_completion=true",
				body: `{"index":"a","renamed_index":"partial-a","index_settings":{"index.number_of_replicas":0},` +
					`"ignore_index_settings":["index.refresh_interval"]}`,
				reply: `{"snapshot":{"snapshot":"s 1","indices":["partial-a"],"shards":{"total":1,"failed":0,"successful":1}}}`},
			func(c *Client) (any, error) {
				return nil, c.MountSnapshot(ctx, cluster.MountSnapshot{Repository: "r", Snapshot: "s 1", Index: "a", Target: "partial-a", Wait: true,
					Settings: map[string]any{"index.number_of_replicas": 0}, IgnoreSettings: []string{"index.refresh_interval"}})
			}, nil, nil,
		},
		"mount without a licence": {
			exchange{
				line:   "POST /_snapshot/r/s/_mount?storage=shared_cache&wait_for_completion=false",
				body:   `{"index":"a","renamed_index":"b","index_settings":null,"ignore_index_settings":null}`,
				status: 403,
				reply: `{"error":{"type":"security_exception","reason":"current license is non-compliant for [searchable-snapshots]",` +
					`"license.expired.feature":"searchable-snapshots"},"status":403}`,
			},
			func(c *Client) (any, error) {
				return nil, c.MountSnapshot(ctx, cluster.MountSnapshot{Repository: "r", Snapshot: "s", Index: "a", Target: "b"})
			}, nil, cluster.ErrForbidden,
		},
		"shards on their way": {
			exchange{
				line: "GET /_cat/shards/a" + row,
				reply: `[{"index":"a","shard":"0","prirep":"p","state":"RELOCATING","node":"n1 -> 127.0.0.1 uY2b n2"},` +
					`{"index":"a","shard":"1","prirep":"r","state":"UNASSIGNED","node":null}]`,
			},
			func(c *Client) (any, error) { return c.Shards(ctx, []string{"a"}) },
			[]cluster.ShardCopy{{Index: "a", Primary: true, State: "RELOCATING", Node: "n1"}, {Index: "a", Shard: 1, State: "UNASSIGNED"}}, nil,
		},
		"shrink": {
			exchange{
				line:  "PUT /a/_shrink/b?wait_for_active_shards=all",
				body:  `{"settings":{"index.blocks.write":null},"aliases":{"x":{}}}`,
				reply: `{"acknowledged":true,"shards_acknowledged":true,"index":"b"}`,
			},
			func(c *Client) (any, error) {
				return nil, c.ShrinkIndex(ctx, cluster.ShrinkIndex{
					Source:              "a",
					Target:              "b",
					Settings:            map[string]any{"index.blocks.write": nil},
					Aliases:             map[string]any{"x": map[string]any{}},
					WaitForActiveShards: "all",
				})
			}, nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := play(t, Options{}, c.sent)
			got, err := c.call(client)
			if c.kind != nil {
				require.ErrorIs(t, err, c.kind)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, c.want, got)
		})
	}
}
