package es

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// anything answers every request with the same reply.
type anything struct{ body func() io.Reader }

func (a anything) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(a.body()), Request: r}, nil
}

// TestWhatIsNoReply: a 200 that lacks what every reply to the request has is not an empty
// list, and not a success: of a proxy's log-in page, of {}, of an error with status 200.
func TestWhatIsNoReply(t *testing.T) {
	calls := map[string]func(context.Context, *Client) error{
		"indices":         func(ctx context.Context, c *Client) error { _, err := c.Indices(ctx); return err },
		"indices by name": func(ctx context.Context, c *Client) error { _, err := c.IndicesNamed(ctx, []string{"a"}); return err },
		"settings":        func(ctx context.Context, c *Client) error { _, err := c.Settings(ctx, []string{"a"}); return err },
		"statistics":      func(ctx context.Context, c *Client) error { _, err := c.Stats(ctx, []string{"a"}); return err },
		"segments":        func(ctx context.Context, c *Client) error { _, err := c.Segments(ctx, []string{"a"}); return err },
		"write aliases":   func(ctx context.Context, c *Client) error { _, err := c.WriteAliases(ctx, []string{"a"}); return err },
		"health":          func(ctx context.Context, c *Client) error { _, err := c.Health(ctx, []string{"a"}); return err },
		"shards":          func(ctx context.Context, c *Client) error { _, err := c.Shards(ctx, []string{"a"}); return err },
		"snapshots":       func(ctx context.Context, c *Client) error { _, err := c.Snapshots(ctx, "r", true); return err },
		"snapshots by name": func(ctx context.Context, c *Client) error {
			_, err := c.SnapshotsNamed(ctx, "r", []string{"s"})
			return err
		},
		"names of snapshots": func(ctx context.Context, c *Client) error { _, err := c.SnapshotUUIDs(ctx, "r"); return err },
		"a snapshot":         func(ctx context.Context, c *Client) error { _, err := c.Snapshot(ctx, "r", "s"); return err },
		"a repository":       func(ctx context.Context, c *Client) error { _, err := c.Repository(ctx, "r"); return err },
		"what runs":          func(ctx context.Context, c *Client) error { _, err := c.Running(ctx); return err },
		"the clock":          func(ctx context.Context, c *Client) error { _, err := c.Clock(ctx); return err },
	}
	writes := map[string]func(context.Context, *Client) error{
		"delete indices": func(ctx context.Context, c *Client) error {
			return c.DeleteIndices(ctx, cluster.DeleteIndices{Names: []string{"a"}})
		},
		"delete snapshots": func(ctx context.Context, c *Client) error {
			return c.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: "r", Names: []string{"s"}})
		},
		"create snapshot": func(ctx context.Context, c *Client) error {
			return c.CreateSnapshot(ctx, cluster.CreateSnapshot{Repository: "r", Name: "s"})
		},
		"restore": func(ctx context.Context, c *Client) error {
			return c.RestoreSnapshot(ctx, cluster.RestoreSnapshot{Repository: "r", Name: "s"})
		},
		"forcemerge": func(ctx context.Context, c *Client) error {
			return c.ForcemergeIndex(ctx, cluster.ForcemergeIndex{Name: "a"})
		},
		"aliases": func(ctx context.Context, c *Client) error { return c.UpdateAliases(ctx, cluster.UpdateAliases{}) },
	}
	for _, reply := range []string{
		`{}`, `{"error":{"type":"x","reason":"no"}}`, `<html><title>Log in</title></html>`, ``, `null`, `{"cluster_uuid":""}`,
	} {
		client := func(t *testing.T) *Client {
			c, err := New(Options{URLs: []string{"http://es:9200"}, Transport: anything{func() io.Reader { return strings.NewReader(reply) }}})
			require.NoError(t, err)
			return c
		}
		for name, call := range calls {
			synctest.Test(t, func(t *testing.T) {
				require.Error(t, call(t.Context(), client(t)), "%s: %s", name, reply)
			})
		}
		for name, call := range writes {
			synctest.Test(t, func(t *testing.T) {
				requireKind(t, cluster.ErrLost, call(t.Context(), client(t)), name+": "+reply)
			})
		}
	}
	// Acknowledged is not the same as carried out.
	c, err := New(Options{
		URLs:      []string{"http://es:9200"},
		Transport: anything{func() io.Reader { return strings.NewReader(`{"acknowledged":false}`) }},
	})
	require.NoError(t, err)
	requireKind(t, cluster.ErrLost, c.DeleteIndices(context.Background(), cluster.DeleteIndices{Names: []string{"a"}}), "not seen in time")
}

// endless repeats a text for ever, and counts.
type endless struct {
	start, text string
	at          int // in text
	read        *int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.start)
	e.start = e.start[n:]
	for n < len(p) {
		k := copy(p[n:], e.text[e.at:])
		n, e.at = n+k, (e.at+k)%len(e.text)
	}
	*e.read += int64(n)
	return n, nil
}

// TestAnEndlessReplyEnds: of one value that never ends little is read, and of a list
// that never ends not more than the bound.
func TestAnEndlessReplyEnds(t *testing.T) {
	// To decode as much as the bounds allow takes seconds.
	reply, value, members := maxReply, maxValue, maxMembers
	t.Cleanup(func() { maxReply, maxValue, maxMembers = reply, value, members })
	maxReply, maxValue, maxMembers = reply>>5, value>>5, members>>5
	for name, c := range map[string]struct {
		reply endless
		most  int64
	}{
		"a name":         {endless{start: `{"cluster_uuid":"u","metadata":{"indices":{"`, text: "a"}, 4 * maxValue},
		"a value":        {endless{start: `{"cluster_uuid":"u","metadata":{"indices":{"i":{"state":"`, text: "a"}, 4 * maxValue},
		"members":        {endless{start: `{"cluster_uuid":"u","metadata":{"indices":{`, text: `"a":{},`}, maxReply},
		"white space":    {endless{start: `{"cluster_uuid":"u",`, text: "\n "}, 4 * maxBlank},
		"something else": {endless{start: `{"other":[`, text: "1,"}, maxReply},
	} {
		read := int64(0)
		c.reply.read = &read
		client, err := New(Options{URLs: []string{"http://es:9200"}, Transport: anything{func() io.Reader { return &c.reply }}})
		require.NoError(t, err)
		_, err = client.Indices(context.Background())
		requireKind(t, cluster.ErrServer, err, name)
		require.ErrorContains(t, err, "too large")
		require.LessOrEqual(t, read, c.most+maxValue, name)
	}
}

// TestAReplyAboutOthers: what was not asked for by name is the reply to another request.
func TestAReplyAboutOthers(t *testing.T) {
	for name, c := range map[string]struct {
		reply string
		call  func(context.Context, *Client) error
	}{
		"indices": {
			`{"cluster_uuid":"u","metadata":{"cluster_uuid":"u","indices":{"a":{"state":"open","settings":{"index.uuid":"1"}},` +
				`"b":{"state":"open","settings":{"index.uuid":"2"}}}}}`,
			func(ctx context.Context, c *Client) error { _, err := c.IndicesNamed(ctx, []string{"a"}); return err },
		},
		"snapshots": {`{"snapshots":[{"snapshot":"s","uuid":"1","state":"SUCCESS"},{"snapshot":"t","uuid":"2","state":"SUCCESS"}]}`,
			func(ctx context.Context, c *Client) error {
				_, err := c.SnapshotsNamed(ctx, "r", []string{"s"})
				return err
			}},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, err := New(Options{
				URLs:      []string{"http://es:9200"},
				Transport: anything{func() io.Reader { return strings.NewReader(c.reply) }},
			})
			require.NoError(t, err)
			require.ErrorContains(t, c.call(t.Context(), client), "not valid for this request", name)
		})
	}
}
