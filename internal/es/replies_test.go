package es

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lastReply answers one request, and ends the context of the call with it: what cannot be
// read is not asked for again.
type lastReply struct {
	body string
	end  context.CancelFunc
}

type endsWith struct {
	io.Reader
	end context.CancelFunc
}

func (e endsWith) Close() error { e.end(); return nil }

func (l lastReply) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: endsWith{strings.NewReader(l.body), l.end}, Request: r}, nil
}

// listings are the requests whose replies are read piece by piece, or become what esnap
// decides by.
var listings = []func(context.Context, *Client) error{
	func(ctx context.Context, c *Client) error { _, err := c.Indices(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.IndicesNamed(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Snapshots(ctx, "r", true); return err },
	func(ctx context.Context, c *Client) error {
		_, err := c.SnapshotsNamed(ctx, "r", []string{"s"})
		return err
	},
	func(ctx context.Context, c *Client) error { _, err := c.SnapshotUUIDs(ctx, "r"); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Snapshot(ctx, "r", "s"); return err },
	func(ctx context.Context, c *Client) error { _, err := c.SnapshotSizes(ctx, "r", "s"); return err },
	func(ctx context.Context, c *Client) error { _, err := c.SnapshotProgress(ctx, "r", "s"); return err },
	func(ctx context.Context, c *Client) error {
		_, err := c.RestoreProgress(ctx, []string{"a"})
		return err
	},
	func(ctx context.Context, c *Client) error { _, err := c.Running(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Repositories(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Stats(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Settings(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Segments(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Health(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Shards(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.ShardProblems(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Explain(ctx, "a", 0); return err },
	func(ctx context.Context, c *Client) error { _, err := c.WriteAliases(ctx, []string{"a"}); return err },
	func(ctx context.Context, c *Client) error { _, err := c.AliasBodies(ctx, "a"); return err },
	func(ctx context.Context, c *Client) error { _, err := c.FieldRange(ctx, "a", "f"); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Document(ctx, "a", "1"); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Server(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Capacity(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Nodes(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Clock(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.ClusterHealth(ctx); return err },
	func(ctx context.Context, c *Client) error { _, err := c.Tasks(ctx, "x"); return err },
}

// FuzzReplies: whatever a server answers, a listing ends without a panic.
func FuzzReplies(f *testing.F) {
	for which := range listings {
		for _, reply := range []string{
			`{"cluster_uuid":"u","metadata":{"cluster_uuid":"u","indices":{"a":{"state":"open","aliases":["x"],` +
				`"settings":{"index.uuid":"1","index.creation_date":"1700000000000"},"rollover_info":{"x":{"time":1}}}}},` +
				`"blocks":{"global":{"1":{"description":"d"}}}}`,
			`{"snapshots":[{"snapshot":"s","uuid":"1","state":"SUCCESS","indices":["b","a"],` +
				`"start_time_in_millis":1,"shards":{"total":2,"failed":1,"successful":1},"failures":[{"index":"a","shard_id":-1}],` +
				`"metadata":{"esnap":{"cluster_uuid":"u"}},"feature_states":[{"feature_name":"f","indices":["x"]}]}]}`,
			`{"snapshots":[{"snapshot":"s","state":"STARTED","stats":{"total":{"size_in_bytes":9}},` +
				`"indices":{"a":{"shards_stats":{"total":1},"stats":{"total":{"size_in_bytes":1}},"shards":{"0":{"stage":"DONE"}}}}}]}`,
			`{"failures":{"s":{"type":"snapshot_missing_exception","reason":"no"}},"snapshots":[]}`,
			`{"a":{"shards":[{"id":0,"type":"SNAPSHOT","stage":"INDEX","primary":true,"index":{"size":{"total_in_bytes":1,` +
				`"recovered_in_bytes":0}}}],"settings":{"index.uuid":"1"},"aliases":{"w":{"is_write_index":true}}}}`,
			`{"_shards":{"total":1},"indices":{"a":{"uuid":"1","status":"red","primaries":{"store":{"size_in_bytes":1},` +
				`"docs":{"count":2}},"total":{"docs":{"count":2}},"shards":{"0":[{"segments":{}}]}}},"status":"green","timed_out":false}`,
			`{"snapshots":{"snapshots":[{"repository":"r","snapshot":"s","state":"STARTED","start_time_millis":1}]},` +
				`"restore":{"snapshots":[{}]},"snapshot_deletions":{"snapshot_deletions":[{"repository":"r","snapshots":["s"]}]},` +
				`"nodes":{"n":{"version":"6.7.0","timestamp":1,"fs":{"total":{"available_in_bytes":-1}}}}}`,
			`[{"index":"a","shard":"0","prirep":"p","state":"STARTED","node":null}]`, `[]`, `{`, `null`, `[[[[[[`, `{"a":{"a":{"a":`,
		} {
			f.Add(uint8(which), reply)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, reply string) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c, err := New(Options{URLs: []string{"http://es:9200"}, Transport: lastReply{reply, cancel}})
		require.NoError(t, err)
		_ = listings[int(which)%len(listings)](ctx, c)
	})
}
