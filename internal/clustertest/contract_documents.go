package clustertest

import (
	"encoding/json"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// testDocuments: written once, replaced and deleted only in the version that was read.
func (c contract) testDocuments() {
	index, at := c.name("documents"), time.UnixMilli(1_795_232_933_400).UTC()
	body := func(d cluster.Document) (text string) {
		var v struct{ Text, Long string }
		require.NoError(c, json.Unmarshal(d.Body, &v))
		return v.Text + v.Long
	}
	put := func(id string, n int, replaces *cluster.DocumentVersion) (cluster.DocumentVersion, error) {
		return c.Cluster.PutDocument(c.ctx, cluster.PutDocument{
			Index: index, ID: id, Time: at.Add(time.Duration(n) * time.Hour), Replaces: replaces,
			Body: map[string]any{"text": id, "long": "/long", "n": map[string]any{"n": n}},
		})
	}
	all := func(q cluster.DocumentQuery) (ids []string) {
		q.Index = index
		list, err := c.Cluster.Documents(c.ctx, q)
		require.NoError(c, err)
		ids = []string{}
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		return ids
	}
	_, err := c.Cluster.Document(c.ctx, index, "a")
	c.kind(err, cluster.ErrNoDocument, "neither the index nor the document exists")
	require.Empty(c, all(cluster.DocumentQuery{Limit: 5}))

	first, err := put("a", 0, nil)
	require.NoError(c, err)
	_, err = put("a", 9, nil)
	c.kind(err, cluster.ErrExists, "it is written once")
	got, err := c.Cluster.Document(c.ctx, index, "a")
	require.NoError(c, err)
	require.Equal(c, "a", got.ID)
	require.Equal(c, at, got.Time)
	require.Equal(c, first, got.Version)
	require.Equal(c, "a/long", body(got))
	_, err = c.Cluster.Document(c.ctx, index, "ä b/c")
	c.kind(err, cluster.ErrNoDocument, "the index exists, the document does not")

	second, err := put("a", 3, &first)
	require.NoError(c, err)
	require.NotEqual(c, first, second)
	_, err = put("a", 4, &first)
	c.kind(err, cluster.ErrChanged, "it was replaced meanwhile")
	_, err = put("none", 4, &second)
	c.kind(err, cluster.ErrChanged, "it does not exist")

	strange, err := put("ä b/c", 1, nil)
	require.NoError(c, err)
	_, err = put("d", 2, nil)
	require.NoError(c, err)
	require.Equal(c, []string{"a", "d", "ä b/c"}, all(cluster.DocumentQuery{Limit: 5}), "newest first")
	require.Equal(c, []string{"a", "d"}, all(cluster.DocumentQuery{Limit: 2}))
	require.Equal(c, []string{"ä b/c"}, all(cluster.DocumentQuery{Limit: 5, Before: at.Add(2 * time.Hour)}))
	list, err := c.Cluster.Documents(c.ctx, cluster.DocumentQuery{Index: index, Limit: 1, Without: []string{"long"}})
	require.NoError(c, err)
	require.Equal(c, "a", body(list[0]))
	require.Equal(c, second, list[0].Version)
	require.Equal(c, at.Add(3*time.Hour), list[0].Time)
	list, err = c.Cluster.Documents(c.ctx, cluster.DocumentQuery{Index: index, Limit: 1, Without: []string{"*"}})
	require.NoError(c, err)
	require.JSONEq(c, "{}", string(list[0].Body))

	c.kind(c.Cluster.DeleteDocument(c.ctx, cluster.DeleteDocument{Index: index, ID: "a", Version: first}), cluster.ErrChanged,
		"an old version")
	require.NoError(c, c.Cluster.DeleteDocument(c.ctx, cluster.DeleteDocument{Index: index, ID: "a", Version: second}))
	require.NoError(c, c.Cluster.DeleteDocument(c.ctx, cluster.DeleteDocument{Index: index, ID: "ä b/c", Version: strange}))
	require.Equal(c, []string{"d"}, all(cluster.DocumentQuery{Limit: 5}))
	again, err := put("a", 5, nil)
	require.NoError(c, err)
	require.NotEqual(c, second, again)

	settings, err := c.Cluster.Settings(c.ctx, []string{index})
	require.NoError(c, err)
	require.Contains(c, settings, index)
}
