package es

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// lineOf measures the lines that requests are sent with.
type lineOf struct{ lines []int }

func (l *lineOf) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/_cluster/state/master_node") { // asked before a deletion
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"cluster_uuid":"mZlD"}`)), Header: http.Header{}}, nil
	}
	l.lines = append(l.lines, len(r.Method+" "+r.URL.RequestURI()+" HTTP/1.1"))
	body := `{"acknowledged":true,"cluster_uuid":"mZlD","_shards":{},"snapshots":[],"nodes":{}}`
	if strings.Contains(r.URL.Path, "/_cat/") {
		body = `[]`
	}
	if r.URL.Path == "/" || strings.HasSuffix(r.URL.Path, "/prefix/") {
		body = root2110
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
}

// Whatever the names, no request line is longer than servers accept, every name
// is in one batch, in order, and no batch is much smaller than it could be.
func TestNoLineIsTooLong(t *testing.T) {
	ctx, rng := context.Background(), rand.New(rand.NewPCG(1, 2))
	runes := []rune("abcdefgh0123456789.-_ü日%#+&=;:@$!'()~é")
	name := func() string { // up to 255 bytes, as servers allow
		var b strings.Builder
		for size := 1 + rng.IntN(255); ; {
			r := string(runes[rng.IntN(len(runes))])
			if b.Len()+len(r) > size {
				break
			}
			b.WriteString(r)
		}
		return "n" + b.String()[:max(0, b.Len()-1)]
	}
	for round := range 30 {
		prefix := ""
		if round%2 == 1 {
			prefix = "/" + strings.Repeat("grüße/", rng.IntN(20)) + "prefix"
		}
		var names []string
		for range 1 + rng.IntN(200) {
			n := strings.ToValidUTF8(name(), "x")
			if round%5 == 0 {
				n = strings.Repeat("日", 85) // 255 bytes, 765 encoded
			}
			names = append(names, n)
		}
		repository := names[0][:min(len(names[0]), 1+rng.IntN(60))]
		repository = strings.ToValidUTF8(repository, "x")
		wire := &lineOf{}
		client, err := New(Options{URLs: []string{"http://es:9200" + prefix}, Transport: wire})
		require.NoError(t, err)
		batches := client.IndexBatches(names)
		require.Equal(t, names, slices.Concat(batches...))
		for _, b := range batches {
			require.NoError(t, client.DeleteIndices(ctx, cluster.DeleteIndices{Names: b, MasterTimeout: 300e9}))
		}
		for i := range len(batches) - 1 { // the next name would not have gone in
			require.Greater(t, wire.lines[i]+len(esc(batches[i+1][0]))+1, maxLine-256)
		}
		batches, err = client.SnapshotBatches(ctx, repository, names)
		require.NoError(t, err)
		require.Equal(t, names, slices.Concat(batches...))
		for _, b := range batches {
			require.NoError(t, client.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: repository, Names: b}))
		}
		for _, b := range client.IndexBatches(names) { // whatever an action does to them
			require.NoError(t, client.PutIndexSettings(ctx, cluster.PutIndexSettings{Names: b, IgnoreUnavailable: true, PreserveExisting: true}))
			require.NoError(t, client.OpenIndices(ctx, cluster.OpenIndices{Names: b, Close: true}))
			require.NoError(t, client.OpenIndices(ctx, cluster.OpenIndices{Names: b}))
			require.NoError(t, client.FlushIndices(ctx, cluster.FlushIndices{Names: b}))
			require.NoError(t, client.FreezeIndices(ctx, cluster.FreezeIndices{Names: b, Unfreeze: true}))
		}
		for what, of := range map[string]func([]string) request{
			"indices":   func(batch []string) request { return metadataOf(batch, indexFields) },
			"snapshots": func(batch []string) request { return snapshotsOf(repository, batch, true, snapshotFields) },
			"shards":    func(batch []string) request { return shardsOf(batch, []string{"index", "unassigned.details"}) },
		} {
			batches := client.batches(names, of)
			require.Equal(t, names, slices.Concat(batches...), what)
			for _, b := range batches {
				require.LessOrEqual(t, of(b).line(client.prefix), maxLine, what)
			}
		}
		_, err = client.Stats(ctx, names)
		require.NoError(t, err)
		_, err = client.ShardProblems(ctx, names)
		require.NoError(t, err)
		require.LessOrEqual(t, slices.Max(wire.lines), maxLine)
	}
}

// Before 7.8 a server deletes one snapshot in a request.
func TestSnapshotBatches(t *testing.T) {
	for _, c := range []struct {
		root string
		want [][]string
	}{
		{root670, [][]string{{"a"}, {"b"}}},
		{root2110, [][]string{{"a", "b"}}},
		{root8197, [][]string{{"a", "b"}}},
		{`{"version":{"number":"7.7.1"}}`, [][]string{{"a"}, {"b"}}},
		{`{"version":{"number":"7.8.0"}}`, [][]string{{"a", "b"}}},
	} {
		client, _ := play(t, Options{}, exchange{line: "GET /", reply: c.root})
		got, err := client.SnapshotBatches(context.Background(), "r", []string{"a", "b"})
		require.NoError(t, err)
		require.Equal(t, c.want, got, c.root)
	}
}
