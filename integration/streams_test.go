//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDataStreams deletes backing indices of a data stream: the older ones, and never
// the one that is written to.
func TestDataStreams(t *testing.T) {
	forEachServer(t, func(e *env) {
		if status, _ := e.try("GET", "/_data_stream", nil); status != 200 {
			e.notApplicable("the distribution has no data streams")
		}
		stream := e.prefix + "ds"
		e.createStream(stream)
		backing := func() []string {
			var reply struct {
				Streams []struct {
					Indices []struct {
						Name string `json:"index_name"`
					}
				} `json:"data_streams"`
			}
			e.call("GET", "/_data_stream/"+stream, nil, &reply)
			var names []string
			for _, i := range reply.Streams[0].Indices {
				names = append(names, i.Name)
			}
			return names
		}
		for range 2 {
			e.call("POST", "/"+stream+"/_rollover", nil, nil)
		}
		all := backing()
		require.Len(e, all, 3)
		hidden := e.write("hidden.yml", "actions: {1: {action: delete_indices, options: {include_hidden: True}, "+
			"filters: [{filtertype: pattern, kind: regex, value: '^\\.ds-PREFIXds-'}]}}")

		r := e.run(0, "actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: regex, value: '^\\.ds-PREFIXds-'}]}}")
		require.Equal(e, all[2:], backing())
		require.Len(e, r.Actions[0].Outcomes, 2)

		// Curator's command line, where it lists hidden indices, spares it too.
		e.call("POST", "/"+stream+"/_rollover", nil, nil)
		all = backing()
		require.Len(e, all, 2)
		e.want(0, "curator", "--compat", "8", hidden)
		require.Equal(e, all[1:], backing())

		// Without guards it is the server that refuses.
		stdout, _ := e.want(1, "run", "--guards", "off", hidden)
		require.Contains(e, stdout, "is the write index for data stream ["+stream+"]")
		require.Equal(e, all[1:], backing())
	})
}

// TestDrillDataStream restores a backing index that was rolled over as an ordinary index, compares
// it, and removes it.
func TestDrillDataStream(t *testing.T) {
	forEachServer(t, func(e *env) {
		if status, _ := e.try("GET", "/_data_stream", nil); status != 200 {
			e.notApplicable("the distribution has no data streams")
		}
		stream, repository := e.prefix+"ds", e.prefix+"repo"
		e.createStream(stream)
		e.register(repository, e.location("repo"), nil)
		write := func() {
			e.call("POST", "/"+stream+"/_doc?refresh=true", map[string]any{"@timestamp": e.now}, nil)
		}
		write()
		e.later()
		e.take(repository, e.prefix+"s-1", stream)
		stdout, _ := e.want(0, "drill", "--repository", repository)
		require.Regexp(e, `\.ds-`+stream+`-\S*000001 .* passed +1 +- `, stdout, "it may be written to")
		e.call("POST", "/"+stream+"/_rollover", nil, nil)
		for range 2 {
			write()
		}
		e.later()
		e.take(repository, e.prefix+"s-2", stream)
		stdout, _ = e.want(0, "drill", "--repository", repository)
		require.Regexp(e, `\.ds-`+stream+`-\S*000001 +`+repository+`/\S+s-2 +passed +1 +1 `, stdout)
		require.Empty(e, e.indices("esnap-drill-"))
	})
}

// createStream creates a data stream with one shard and no replica, until the test ends.
func (e *env) createStream(stream string) {
	e.Helper()
	e.call("PUT", "/_index_template/"+stream, map[string]any{
		"index_patterns": []string{stream}, "data_stream": map[string]any{}, "priority": 500,
		"template": map[string]any{"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0}},
	}, nil)
	e.call("PUT", "/_data_stream/"+stream, nil, nil)
	e.Cleanup(func() {
		e.call("DELETE", "/_data_stream/"+stream, nil, nil)
		e.call("DELETE", "/_index_template/"+stream, nil, nil)
	})
}
