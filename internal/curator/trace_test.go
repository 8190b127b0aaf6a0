package curator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wire is a server that answers from a table and remembers what it was asked, in
// lines: method, path, query without filter_path, body.
type wire struct {
	t       *testing.T
	replies map[string][]string // by method and path; the last one is given again
	mu      sync.Mutex
	lines   []string
	types   []string // of the bodies
	clock   int      // how often the cluster was asked what time it is: that comes beside the others
}

func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	query := r.URL.Query()
	query.Del("filter_path")
	w.mu.Lock()
	defer w.mu.Unlock()
	line := r.Method + " " + r.URL.Path
	replies := w.replies[line]
	if len(replies) > 1 {
		w.replies[line] = replies[1:]
	}
	if line == "GET /_nodes/_master/stats/process" {
		w.clock++
		replies = []string{fmt.Sprintf(`{"nodes":{"n":{"timestamp":%d}}}`, time.Now().UnixMilli())}
	} else {
		if len(query) > 0 {
			line += "?" + strings.ReplaceAll(query.Encode(), "%2C", ",")
		}
		if len(body) > 0 {
			line += " " + string(body)
			w.types = append(w.types, r.Header.Get("Content-Type"))
		}
		w.lines = append(w.lines, line)
	}
	if err != nil || len(replies) == 0 {
		w.t.Errorf("not expected: %s %v", line, err)
		out.WriteHeader(http.StatusTeapot)
		return
	}
	reply := replies[0]
	if status, text, ok := strings.Cut(reply, " "); ok {
		if code, err := strconv.Atoi(status); err == nil { // a status before the body
			out.WriteHeader(code)
			reply = text
		}
	}
	for path, member := range map[string]string{ // what every genuine reply has
		"/_cluster/state/": `"cluster_uuid":"u"`, "/_cluster/health": `"status":"green"`, "/_stats/": `"_shards":{"total":1}`,
	} {
		if rest, ok := strings.CutPrefix(reply, "{"); ok && strings.Contains(r.URL.Path, path) {
			reply = strings.Replace("{"+member+","+rest, ",}", "}", 1)
		}
	}
	reply = strings.Replace(reply, `"metadata":{`, `"metadata":{"cluster_uuid":"u",`, 1)
	_, _ = io.WriteString(out, reply)
}

// Traces of Curator, request by request. What Curator sends
// besides, and esnap does not, is said where it would stand.
func TestRequestsOneByOne(t *testing.T) {
	const five, eight = "client: {hosts: ['%s']}\n", "elasticsearch: {client: {hosts: ['%s']}}\n"
	index := func(name, more string) string {
		return fmt.Sprintf(`"%s":{"state":"open","settings":{"index.uuid":"u-%s","index.creation_date":"1700000000000"%s}}`, name, name, more)
	}
	managed := index("b-1", `,"index.lifecycle.name":"policy"`)
	closed := strings.Replace(index("a-2", ""), "open", "close", 1)
	indices := func(list ...string) string { return `{"metadata":{"indices":{` + strings.Join(list, ",") + `}}}` }
	snapshot := func(name string, at int, state string) string {
		return fmt.Sprintf(`{"snapshot":%q,"uuid":"u-%s","state":%q,"indices":["a","b"],`+
			`"start_time_in_millis":%d,"shards":{"total":2,"failed":0,"successful":2}}`,
			name, name, state, at)
	}
	snapshots := func(list ...string) string { return `{"snapshots":[` + strings.Join(list, ",") + `]}` }
	health := func(name string, primaries int) string {
		return fmt.Sprintf(`%q:{"status":"green","number_of_shards":1,"active_primary_shards":%d}`, name, primaries)
	}
	const second = 1700000000000
	all3 := snapshots(snapshot("s-1", second, "SUCCESS"), snapshot("s-2", second+1000, "SUCCESS"), snapshot("s-3", second+2000, "SUCCESS"))

	takes := map[string][]string{
		"GET /_cluster/state/metadata,blocks": {indices(index("a-1", ""), closed, managed)},
		"GET /_snapshot/r":                    {`{"r":{"type":"fs","settings":{"location":"/r"}}}`},
		"POST /_snapshot/r/_verify":           {`{"nodes":{"n":{"name":"n1"}}}`},
		"PUT /_snapshot/r/new":                {`{"accepted":true}`},
		"GET /_snapshot/r/new": {
			snapshots(snapshot("new", second, "IN_PROGRESS")),
			strings.Replace(snapshots(snapshot("new", second, "SUCCESS")), `"a","b"`, `"a-1","a-2"`, 1),
		},
	}
	expires := map[string][]string{
		"GET /_snapshot/r/_all":               {all3, all3, snapshots(`{"snapshot":"s-3"}`)},
		"GET /_cluster/state/metadata,blocks": {indices(managed)},
		"GET /_snapshot/r/s-1,s-3":            {snapshots(snapshot("s-1", second, "SUCCESS"), snapshot("s-3", second+2000, "SUCCESS"))},
		"GET /_snapshot/r/s-2,s-3":            {snapshots(snapshot("s-2", second+1000, "SUCCESS"), snapshot("s-3", second+2000, "SUCCESS"))},
		"GET /_snapshot/r/s-1,s-2,s-3":        {all3},
		"DELETE /_snapshot/r/s-1":             {`{"acknowledged":true}`},
		"DELETE /_snapshot/r/s-2":             {`{"acknowledged":true}`},
		"DELETE /_snapshot/r/s-1,s-2":         {`{"acknowledged":true}`},
	}
	brings := map[string][]string{
		"GET /_snapshot/r/_all":                       {all3},
		"GET /_snapshot/r/s-3":                        {snapshots(snapshot("s-3", second+2000, "SUCCESS"))},
		"GET /_cluster/state/metadata,blocks":         {indices(index("other", ""))},
		"GET /_cluster/state/metadata,blocks/r_a,r_b": {indices()},
		"GET /_cluster/state/customs": {
			`{}`,
			`{"restore":{"snapshots":[{"repository":"r","snapshot":"s-3","indices":["r_a","r_b"]}]}}`,
		},
		"POST /_snapshot/r/_verify":      {`{"nodes":{"n":{"name":"n1"}}}`},
		"POST /_snapshot/r/s-3/_restore": {`{"accepted":true}`},
		"GET /_cluster/health": {
			`{"indices":{` + health("r_a", 1) + "," + health("r_b", 0) + `}}`,
			`{"indices":{` + health("r_a", 1) + "," + health("r_b", 1) + `}}`,
		},
		"GET /_cat/shards/r_a,r_b":       {`[]`},
		"GET /r_a,r_b/_stats/docs,store": {`{"indices":{}}`},
	}
	removes := map[string][]string{
		"GET /_cluster/state/metadata,blocks":         {indices(index("a-1", ""), closed, managed)},
		"GET /_cluster/state/metadata,blocks/a-1,a-2": {indices(index("a-1", ""), closed), indices()},
		"DELETE /a-1,a-2":                             {`{"acknowledged":true}`},
	}
	const (
		createBody  = ` {"ignore_unavailable":false,"include_global_state":true,"indices":"a-1,a-2","partial":false}`
		restoreBody = ` {"ignore_index_settings":["index.refresh_interval"],"ignore_unavailable":false,"include_aliases":false,` +
			`"include_global_state":false,"indices":"a,b","partial":false,"rename_pattern":"(.+)","rename_replacement":"r_$1"}`
		renames = "repository: r, rename_pattern: (.+), " +
			"rename_replacement: r_$1, extra_settings: {ignore_index_settings: [index.refresh_interval]}"
	)
	for _, c := range []struct {
		name, client, version string
		action, options       string
		replies               map[string][]string
		clock                 int
		want                  []string
	}{
		{"snapshot, 5", five, "6.7.0", "snapshot", "repository: r, name: new", takes, 0, []string{
			"GET /", // once; Curator asks four times
			// Instead of the settings of _all, then state, statistics and settings of all that is listed:
			// only what a filter needs is asked for.
			"GET /_cluster/state/metadata,blocks?flat_settings=true",
			"GET /_snapshot/r",
			"POST /_snapshot/r/_verify",
			// no GET /_snapshot/_status: a server that takes one snapshot at a time refuses by itself (K8)
			"PUT /_snapshot/r/new?wait_for_completion=false" + createBody, // closed ones too, the managed one not
			"GET /_snapshot/r/new",
			"GET /_snapshot/r/new", // has ended: it is not read once more
		}},
		{"snapshot, 8", eight, "8.19.7", "snapshot", "repository: r, name: new", takes, 0, []string{
			"GET /",
			"GET /_cluster/state/metadata,blocks?flat_settings=true", // instead of GET /_cat/indices, which asks every shard, and of the settings
			"GET /_snapshot/r",
			// version 8 does not verify
			"PUT /_snapshot/r/new?wait_for_completion=false" + createBody,
			"GET /_snapshot/r/new",
			"GET /_snapshot/r/new",
		}},
		{"delete_snapshots, 5", five, "6.7.0", "delete_snapshots", "repository: r", expires, 1, []string{
			"GET /",
			"GET /_snapshot/r/_all", // says itself that there is no repository r
			"GET /_cluster/state/metadata,blocks?flat_settings=true", // whether an index is mounted from one
			"GET /_snapshot/r/_all",                                  // contents: the series s-* is a guess
			// no listing and GET /_tasks before each: the server refuses while it is busy, and is asked again
			"GET /_snapshot/r/s-1,s-3?ignore_unavailable=true", // right before: what it rests on, by name
			"DELETE /_snapshot/r/s-1",
			"GET /_snapshot/r/s-2,s-3?ignore_unavailable=true",
			"DELETE /_snapshot/r/s-2",             // s-3 is the newest good one
			"GET /_snapshot/r/_all?verbose=false", // whether they are gone: Curator does not look
		}},
		{"delete_snapshots, 8", eight, "8.19.7", "delete_snapshots", "repository: r", expires, 1, []string{
			"GET /",
			"GET /_snapshot/r/_all",
			"GET /_cluster/state/metadata,blocks?flat_settings=true",
			"GET /_snapshot/r/_all",
			"GET /_snapshot/r/s-1,s-2,s-3?ignore_unavailable=true",
			// An index may have been mounted from one of them meanwhile, and this server would not refuse.
			"GET /_cluster/state/metadata,blocks?flat_settings=true",
			"DELETE /_snapshot/r/s-1,s-2", // in one request, where the server can
			"GET /_snapshot/r/_all?verbose=false",
		}},
		{"restore, 5", five, "6.7.0", "restore", renames, brings, 0, []string{
			"GET /",
			"GET /_snapshot/r/_all", // without the indices in each
			"GET /_snapshot/r/s-3",  // with them: the one that is taken
			"GET /_cluster/state/metadata,blocks?flat_settings=true",
			"GET /_cluster/state/customs", // what is running, instead of GET /_snapshot/_status
			"POST /_snapshot/r/_verify",
			// What is there of the targets, in case the reply is lost.
			"GET /_cluster/state/metadata,blocks/r_a,r_b?expand_wildcards=none&flat_settings=true&ignore_unavailable=true",
			"POST /_snapshot/r/s-3/_restore?wait_for_completion=false" + restoreBody,
			"GET /_cluster/health?level=indices", // instead of _recovery: a shard is well when it is started
			"GET /_cluster/state/customs",        // the restore is still going on
			"GET /_cluster/health?level=indices",
			"GET /_cat/shards/r_a,r_b?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
			"GET /r_a,r_b/_stats/docs,store", // how many documents came back
		}},
		{"restore, 8", eight, "8.19.7", "restore", renames, brings, 0, []string{
			"GET /",
			"GET /_snapshot/r/_all",
			"GET /_snapshot/r/s-3",
			"GET /_cluster/state/metadata,blocks?flat_settings=true",
			"GET /_cluster/state/customs",
			// version 8 does not verify
			"GET /_cluster/state/metadata,blocks/r_a,r_b?expand_wildcards=none&flat_settings=true&ignore_unavailable=true",
			"POST /_snapshot/r/s-3/_restore?wait_for_completion=false" + restoreBody,
			"GET /_cluster/health?level=indices",
			"GET /_cluster/state/customs",
			"GET /_cluster/health?level=indices",
			"GET /_cat/shards/r_a,r_b?format=json&h=index,shard,prirep,state,unassigned.reason,unassigned.details",
			"GET /r_a,r_b/_stats/docs,store",
		}},
		{"delete_indices, 5", five, "6.7.0", "delete_indices", "timeout_override: 60", removes, 1, []string{
			"GET /",
			"GET /_cluster/state/metadata,blocks?flat_settings=true",
			"GET /_cluster/state/metadata,blocks/a-1,a-2?expand_wildcards=none&flat_settings=true&ignore_unavailable=true", // right before: by name
			// The time-out of the request; one that has gone meanwhile is no failure, and no name is a
			// pattern.
			"DELETE /a-1,a-2?expand_wildcards=none&master_timeout=60000ms",
			// Once, not once for each name.
			"GET /_cluster/state/metadata,blocks/a-1,a-2?expand_wildcards=none&flat_settings=true&ignore_unavailable=true",
		}},
		{"delete_indices, 8", eight, "8.19.7", "delete_indices", "timeout_override: 60", removes, 1, []string{
			"GET /",
			"GET /_cluster/state/metadata,blocks?flat_settings=true",
			"GET /_cluster/state/metadata,blocks/a-1,a-2?expand_wildcards=none&flat_settings=true&ignore_unavailable=true",
			"DELETE /a-1,a-2?expand_wildcards=none&master_timeout=30000ms",
			"GET /_cluster/state/metadata,blocks/a-1,a-2?expand_wildcards=none&flat_settings=true&ignore_unavailable=true",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &wire{t: t, replies: maps.Clone(c.replies)}
			w.replies["GET /"] = []string{`{"cluster_uuid":"u","version":{"number":"` + c.version + `"}}`}
			code, out := w.curator(newShell(t), c.client, one(c.action, c.options, all))
			require.Zero(t, code, out)
			require.Equal(t, c.want, w.lines)
			require.Equal(t, c.clock, w.clock, "the clocks are compared before a deletion")
		})
	}
}

// curator runs an action file against the server, over HTTP.
func (w *wire) curator(s *shell, client, file string) (code int, out string) {
	server := httptest.NewServer(w)
	defer server.Close()
	var said bytes.Buffer
	code = Main(context.Background(), Host{
		Out: &said, Err: &said, Now: time.Now, Watch: newHurried(), Local: time.UTC, Version: "test",
		Env: func(n string) (string, bool) { v, ok := s.env[n]; return v, ok },
	}, program, []string{"--config", s.file("c.yml", fmt.Sprintf(client, server.URL)), s.file("a.yml", file)})
	return code, said.String()
}

// Bodies have the plain type, which servers of every line take; the one that Curator
// 8's client sends is unknown to all but Elasticsearch from 7.17 on.
func TestC05BodiesHaveThePlainType(t *testing.T) {
	w := &wire{t: t, replies: map[string][]string{
		"GET /":                               {`{"cluster_uuid":"u","version":{"number":"7.17.28"}}`},
		"GET /_cluster/state/metadata,blocks": {`{"metadata":{"indices":{"a":{"state":"open"}}}}`},
		"GET /_snapshot/r":                    {`{"r":{"type":"fs"}}`}, "PUT /_snapshot/r/new": {`{"accepted":true}`},
	}}
	code, out := w.curator(newShell(t), "elasticsearch: {client: {hosts: ['%s']}}\n",
		one("snapshot", "repository: r, name: new, wait_for_completion: false", all))
	require.Zero(t, code, out)
	require.Equal(t, []string{"application/json"}, w.types)
}

// A repository that may not be read is not called missing, in the server's own
// words (D24).
func TestD24TheServersOwnWords(t *testing.T) {
	refused := `403 {"error":{"root_cause":[],` +
		`"type":"security_exception","reason":"action [cluster:admin/repository/get] is unauthorized for user [u]"},"status":403}`
	for line, file := range map[string]string{
		"GET /_snapshot/r":      one("snapshot", "repository: r, name: new", all),
		"GET /_snapshot/r/_all": one("delete_snapshots", "repository: r", all),
	} {
		w := &wire{t: t, replies: map[string][]string{
			"GET /": {`{"version":{"number":"8.19.7"}}`}, line: {refused},
			"GET /_cluster/state/metadata,blocks": {`{"metadata":{"indices":{"a":{"state":"open"}}}}`},
		}}
		code, out := w.curator(newShell(t), "elasticsearch: {client: {hosts: ['%s']}}\n", file)
		require.Equal(t, 1, code)
		require.Contains(t, out, "is unauthorized for user [u]")
		require.NotContains(t, out, "missing")
	}
}
