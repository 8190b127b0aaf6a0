package es

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const (
	deniedState = `{"error":{"root_cause":[],` +
		`"type":"security_exception","reason":"action [cluster:monitor/state] is unauthorized for user [ci]"},"status":403}`
	visibleLine = "GET /*?expand_wildcards=all&filter_path=*.aliases,*.data_stream," +
		`*.settings.index\.uuid,*.settings.index\.creation_date,*.settings.index\.hidden,*.settings.index\.lifecycle\.name,` +
		`*.settings.index\.verified_before_close,*.settings.index\.routing\.allocation\.exclude\.esnap_*,*.settings.index\.blocks\.*,` +
		`*.settings.index\.store\.*,*.settings.index\.searchable_snapshot\.*&flat_settings=true`
	openLine    = `GET /*/_settings/index.uuid?expand_wildcards=open&filter_path=*.settings.index\.uuid&flat_settings=true`
	streamsLine = "GET /_data_stream/s"
	seesBody    = `{"index":[{"names":["*"],"privileges":["view_index_metadata"]}]}`
)

func denied(line string) exchange { return exchange{line: line, status: 403, reply: deniedState} }

func sees(all string) exchange {
	return exchange{line: "POST /_security/user/_has_privileges", body: seesBody, reply: `{"username":"ci","has_all_requested":` + all + `}`}
}

// A user who may not read the state of the cluster lists what it may see. The state is
// asked for once.
func TestVisibleIndices(t *testing.T) {
	ctx := context.Background()
	const both = `{"b":{"aliases":{},"settings":{"index.uuid":"B"}},
		"a":{"aliases":{"z":{},"y":{}},"settings":{"index.uuid":"A","index.creation_date":"1795233622369","index.blocks.write":"true"}},
		"c":{"settings":{"index.uuid":"C","index.verified_before_close":"true"}},"h":{"settings":{"index.uuid":"H","index.hidden":"true"}}}`
	const open = `{"a":{"settings":{"index.uuid":"A"}},"c":{"settings":{"index.uuid":"C"}}}`
	var warned []string
	c, _ := play(t, Options{Warn: func(text string) { warned = append(warned, text) }},
		denied("GET /_cluster/state/metadata,blocks?filter_path="+listing), sees("false"),
		exchange{line: visibleLine, reply: both}, exchange{line: openLine, reply: open},
		exchange{line: visibleLine, reply: both}, exchange{line: openLine, reply: open},
		exchange{line: "GET /a,b/_settings?expand_wildcards=none&flat_settings=true",
			reply: `{"a":{"settings":{"index.number_of_replicas":"1"}}}`},
		exchange{line: "GET /_snapshot/_status", reply: `{"snapshots":[{"snapshot":"s","repository":"r","state":"STARTED",
			"stats":{"start_time_in_millis":1795232938837},"indices":{"b":{},"a":{}}}]}`},
	)
	require.Zero(t, c.Sight())
	list, err := c.Indices(ctx)
	require.NoError(t, err)
	require.Equal(t, []*cluster.Index{
		{Name: "a", UUID: "A", Created: at(1795233622369), Aliases: []string{"y", "z"}, Blocks: []string{"write"}},
		{Name: "b", UUID: "B", Closed: true},
		{Name: "c", UUID: "C", Closed: true},
		{Name: "h", UUID: "H", Hidden: true},
	}, list)
	require.ErrorContains(t, c.Sight().Indices, "indices that it may not see are missing from the list")
	require.ErrorContains(t, c.Sight().Operations, "cluster:monitor/state")
	require.Len(t, warned, 1)

	list, err = c.IndicesNamed(ctx, []string{"b", "gone"})
	require.NoError(t, err)
	require.Len(t, list, 1)
	settings, err := c.Settings(ctx, []string{"a", "b"})
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{"a": {"index.number_of_replicas": "1"}}, settings)
	ops, err := c.Running(ctx)
	require.NoError(t, err)
	require.Equal(t, []cluster.Operation{{
		Kind:       cluster.OpSnapshot,
		Repository: "r",
		Snapshot:   "s",
		Indices:    []string{"a", "b"},
		Started:    at(1795232938837),
	}}, ops)
}

func TestAllIndicesVisible(t *testing.T) {
	c, _ := play(t, Options{Warn: func(text string) { require.Fail(t, text) }},
		denied("GET /_cluster/state/metadata,blocks?filter_path="+listing), sees("true"),
		exchange{line: visibleLine, reply: `{"a":{"settings":{"index.uuid":"A"}}}`}, exchange{line: openLine, reply: `{"a":{}}`})
	_, err := c.Indices(context.Background())
	require.NoError(t, err)
	require.NoError(t, c.Sight().Indices)
	require.Error(t, c.Sight().Operations)
}

// The write index of a data stream is known, or every backing index counts as one.
func TestVisibleDataStreams(t *testing.T) {
	const two = `{".ds-s-1":{"data_stream":"s","settings":{"index.uuid":"1","index.hidden":"true"}},
		".ds-s-2":{"data_stream":"s","settings":{"index.uuid":"2","index.hidden":"true"}}}`
	for name, c := range map[string]struct {
		streams exchange
		write   []bool
	}{
		"known": {
			exchange{line: streamsLine, reply: `{"data_streams":[{"name":"s","indices":[{"index_name":".ds-s-1"},{"index_name":".ds-s-2"}]}]}`},
			[]bool{false, true},
		},
		"another stream": {exchange{line: streamsLine, reply: `{"data_streams":[]}`}, []bool{true, true}},
		"refused": {
			exchange{line: streamsLine, status: 403, reply: `{"error":{"type":"security_exception","reason":"no"}}`},
			[]bool{true, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cl, _ := play(t, Options{}, denied("GET /_cluster/state/metadata,blocks?filter_path="+listing), sees("true"),
				exchange{line: visibleLine, reply: two}, exchange{line: openLine, reply: `{}`}, c.streams)
			list, err := cl.Indices(context.Background())
			require.NoError(t, err)
			for n, i := range list {
				require.Equal(t, "s", i.DataStream)
				require.False(t, i.Closed)
				require.Equal(t, c.write[n], i.DataStreamWriteIndex, i.Name)
			}
		})
	}
}

// What is no list of indices is never an empty one, and a refusal of both names the first.
func TestNothingVisible(t *testing.T) {
	for name, c := range map[string]struct {
		reply exchange
		want  string
		again bool // such a reply is asked for again
	}{
		"none":       {exchange{line: visibleLine, reply: `{}`, asIs: true}, "action [cluster:monitor/state] is unauthorized", false},
		"an error":   {exchange{line: visibleLine, reply: `{"error":{"type":"x"}}`, asIs: true}, `the index "error" has no uuid`, true},
		"refused":    {denied(visibleLine), "action [cluster:monitor/state] is unauthorized", false},
		"not a list": {exchange{line: visibleLine, reply: `[]`, asIs: true}, "expected {", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := []exchange{denied("GET /_cluster/state/metadata,blocks?filter_path=" + listing), sees("true"), c.reply}
				if c.again {
					sent = append(sent, c.reply, c.reply, c.reply, c.reply)
				}
				cl, _ := play(t, Options{}, sent...)
				_, err := cl.Indices(context.Background())
				require.ErrorContains(t, err, c.want)
			})
		})
	}
}
