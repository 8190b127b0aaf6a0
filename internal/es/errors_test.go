package es

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// kindsOf are all kinds of errors a call can end with.
var kindsOf = []error{
	cluster.ErrNoIndex, cluster.ErrNoSnapshot, cluster.ErrNoRepository, cluster.ErrExists,
	cluster.ErrBusy, cluster.ErrReadOnly, cluster.ErrRepository, cluster.ErrInvalid,
	cluster.ErrUnauthorized, cluster.ErrForbidden, cluster.ErrUnreachable, cluster.ErrUnavailable,
	cluster.ErrRejected, cluster.ErrUnsupported, cluster.ErrLost, cluster.ErrServer, cluster.ErrOtherCluster,
}

// requireKind wants exactly one kind, and a message of one line.
func requireKind(t *testing.T, want, err error, about string) {
	t.Helper()
	require.Error(t, err, about)
	var got []string
	for _, k := range kindsOf {
		if errors.Is(err, k) {
			got = append(got, k.Error())
		}
	}
	require.Equal(t, []string{want.Error()}, got, "%s: %s", about, err)
	require.NotContains(t, err.Error(), "\n", about)
	require.True(t, utf8.ValidString(err.Error()), about)
}

// The bodies of real servers, by file: what kind of error each is, and the advice
// that goes with it. Every file must be here.
func TestKindsOfRealBodies(t *testing.T) {
	table := map[string]struct {
		read   bool // else the call is a write
		status int
		kind   error
		hint   string
	}{
		"no-repository.es670.json":           {true, 404, cluster.ErrNoRepository, ""},
		"no-repository.es920.json":           {true, 404, cluster.ErrNoRepository, ""},
		"no-repository.os330.json":           {true, 404, cluster.ErrNoRepository, ""},
		"no-snapshot.es670.json":             {true, 404, cluster.ErrNoSnapshot, ""},
		"no-snapshot.os2110.json":            {true, 404, cluster.ErrNoSnapshot, ""},
		"no-snapshot-delete.es670.json":      {false, 404, cluster.ErrNoSnapshot, ""},
		"no-snapshots-joined.es670.json":     {false, 404, cluster.ErrNoSnapshot, ""},
		"no-snapshot-restore.es8197.json":    {false, 500, cluster.ErrNoSnapshot, ""},
		"shard-file-gone.es71728.json":       {true, 404, cluster.ErrRepository, ""}, // the snapshot is there, its file is not
		"shard-file-gone.es670.json":         {true, 500, cluster.ErrRepository, ""},
		"no-index.es670.json":                {false, 404, cluster.ErrNoIndex, ""},
		"no-index.es8197.json":               {false, 404, cluster.ErrNoIndex, ""},
		"busy-create.es670.json":             {false, 503, cluster.ErrBusy, ""},
		"busy-create-in-delete.es6823.json":  {false, 503, cluster.ErrBusy, ""},
		"busy-delete.es670.json":             {false, 503, cluster.ErrBusy, ""},
		"busy-delete-in-restore.es670.json":  {false, 503, cluster.ErrBusy, ""},
		"busy-delete-in-delete.es670.json":   {false, 503, cluster.ErrBusy, ""},
		"busy-409.os330.json":                {false, 409, cluster.ErrBusy, ""},
		"busy-unregister.es8197.json":        {false, 409, cluster.ErrBusy, ""},
		"busy-unregister.es71728.json":       {false, 500, cluster.ErrBusy, ""},
		"busy-unregister.os1320.json":        {false, 500, cluster.ErrBusy, ""},
		"busy-delete-index.es670.json":       {false, 400, cluster.ErrBusy, ""},
		"exists.es670.json":                  {false, 400, cluster.ErrExists, ""},
		"exists.es8197.json":                 {false, 400, cluster.ErrExists, ""},
		"exists-running.es71728.json":        {false, 400, cluster.ErrExists, ""},
		"exists-index.es920.json":            {false, 500, cluster.ErrExists, ""},
		"exists-alias.es670.json":            {false, 400, cluster.ErrExists, ""},
		"read-only-create.es670.json":        {false, 500, cluster.ErrReadOnly, ""},
		"read-only-delete.es670.json":        {false, 500, cluster.ErrReadOnly, ""},
		"read-only-delete.es8197.json":       {false, 500, cluster.ErrReadOnly, ""},
		"path-repo-empty.es670.json":         {false, 500, cluster.ErrRepository, ""},
		"path-repo-empty.es920.json":         {false, 500, cluster.ErrRepository, ""},
		"path-repo-empty.os2110.json":        {false, 500, cluster.ErrRepository, ""},
		"path-repo-outside.es670.json":       {false, 500, cluster.ErrRepository, ""},
		"access-denied.es670.json":           {false, 500, cluster.ErrRepository, ""},
		"access-denied.es71728.json":         {false, 500, cluster.ErrRepository, ""},
		"access-denied.os2110.json":          {false, 500, cluster.ErrRepository, ""},
		"access-denied-list.es670.json":      {true, 500, cluster.ErrRepository, ""},
		"no-plugin.es670.json":               {false, 500, cluster.ErrRepository, ""},
		"no-plugin.es920.json":               {false, 500, cluster.ErrRepository, ""},
		"no-type.es71728.json":               {false, 500, cluster.ErrRepository, ""},
		"url-not-allowed.es670.json":         {false, 500, cluster.ErrRepository, ""},
		"node-without-repository.es670.json": {false, 500, cluster.ErrRepository, ""},
		"node-without-mount.es670.json":      {false, 500, cluster.ErrRepository, ""},
		"node-without-mount.os2110.json":     {false, 500, cluster.ErrRepository, ""},
		"lost-primary.es71728.json":          {false, 500, cluster.ErrRepository, ""},
		"lost-primary.es920.json":            {false, 500, cluster.ErrRepository, ""},
		"modified-elsewhere.es71728.json":    {true, 500, cluster.ErrRepository, ""},
		"modified-elsewhere.es8197.json":     {true, 500, cluster.ErrRepository, ""},
		"closed-index.es670.json":            {false, 403, cluster.ErrInvalid, "exclude them with a filter {filtertype: closed}"},
		"bad-name.es670.json":                {false, 400, cluster.ErrInvalid, ""},
		"bad-body-key.es670.json":            {false, 400, cluster.ErrInvalid, ""},
		"alias-name.es670.json":              {false, 400, cluster.ErrInvalid, ""},
		"shard-limit.os2110.json":            {false, 400, cluster.ErrInvalid, ""},
		"bad-parameter.es670.json":           {false, 400, cluster.ErrInvalid, ""},
		"stream-head.os2110.json":            {false, 400, cluster.ErrInvalid, ""},
		"method.es8197.json":                 {true, 405, cluster.ErrUnsupported, ""},
		"no-handler.es920.json":              {true, 400, cluster.ErrUnsupported, ""},
		"no-freeze.es6823.json":              {false, 400, cluster.ErrUnsupported, ""},
		"not-whole.es670.json":               {false, 500, cluster.ErrServer, ""},
	}
	files, err := os.ReadDir("testdata/errors")
	require.NoError(t, err)
	for _, f := range files {
		if f.Name() == "no-repository-200.es71728.json" {
			continue // TestFailuresInA200
		}
		c, known := table[f.Name()]
		require.True(t, known, "%s is not in the table", f.Name())
		delete(table, f.Name())
		err := replyError(call{op: "try", write: !c.read}, c.status, strings.NewReader(read(t, "errors/"+f.Name())), unmasked)
		requireKind(t, c.kind, err, f.Name())
		require.Greater(t, len(err.Error()), len("try: ")+10, "%s says nothing", f.Name())
		if c.hint == "" {
			require.Empty(t, cluster.Hint(err), f.Name())
		} else {
			require.Contains(t, cluster.Hint(err), c.hint, f.Name())
		}
	}
	require.Empty(t, table, "files that are not there")
}

// 7.17 answers 200 where the others answer 404 or 500.
func TestFailuresInA200(t *testing.T) {
	ctx, reply := context.Background(), read(t, "errors/no-repository-200.es71728.json")
	unreadable := `{"snapshots":[{"snapshot":"half"}],"failures":{"r":{"type":"repository_exception",` +
		`"reason":"[r] Could not determine repository generation from root blobs","caused_by":{"type":"access_denied_exception",` +
		`"reason":"/backup/r"}}},"total":0}`
	client, _ := play(t, Options{},
		exchange{line: "GET /_snapshot/nope/_all?filter_path=" + snapshots, reply: reply},
		exchange{line: "GET /_snapshot/nope/_all?filter_path=snapshots.snapshot,snapshots.uuid,failures&verbose=false", reply: reply},
		exchange{line: "GET /_snapshot/nope/s", reply: reply},
		exchange{line: "GET /_snapshot/r/_all?filter_path=" + snapshots, reply: unreadable},
		exchange{line: "GET /_snapshot/r/gone", reply: `{"snapshots":[],"total":0,"remaining":0}`},
	)
	_, err := client.Snapshots(ctx, "nope", false)
	requireKind(t, cluster.ErrNoRepository, err, "snapshots")
	_, err = cluster.SnapshotNames(ctx, client, "nope")
	requireKind(t, cluster.ErrNoRepository, err, "names")
	_, err = client.Snapshot(ctx, "nope", "s")
	requireKind(t, cluster.ErrNoRepository, err, "one")
	half, err := client.Snapshots(ctx, "r", false)
	requireKind(t, cluster.ErrRepository, err, "unreadable")
	require.Nil(t, half, "half a listing")
	require.EqualError(t, err, "list the snapshots of repository r: [r] Could not determine repository generation from root blobs: /backup/r")
	_, err = client.Snapshot(ctx, "r", "gone")
	requireKind(t, cluster.ErrNoSnapshot, err, "8 and 9 answer a pattern that matches nothing with an empty list")
}

// Between two moves of shards nothing moves, while the master has more to do.
func TestHealthOfABusyMaster(t *testing.T) {
	line := "GET /_cluster/health?filter_path=status,relocating_shards,timed_out&timeout=10000ms&wait_for_events=languid"
	client, _ := play(t, Options{},
		exchange{line: line, status: 408, reply: `{"status":"green","timed_out":true,"relocating_shards":0}`},
		exchange{line: line, reply: `{"status":"green","timed_out":true,"relocating_shards":0}`}, // 8 and later
	)
	for range 2 {
		_, err := client.ClusterHealth(context.Background())
		requireKind(t, cluster.ErrUnavailable, err, "the master is busy")
	}
}

// What no server at hand could be made to say: from the documentation and sources
// of the servers and of the usual proxies.
func TestKindsOfOtherReplies(t *testing.T) {
	long := "<p>" + strings.Repeat("ü", 300) + "</p>"
	cause := func(typ, reason string) string {
		return `{"error":{"type":"` + typ + `","reason":"` + reason + `"},"status":0}`
	}
	for _, c := range []struct {
		name   string
		write  bool
		status int
		body   string
		kind   error
		text   string // of the message
		hint   string
	}{
		{
			"no credentials",
			false,
			401,
			cause("security_exception", "missing authentication credentials for REST request [/]"),
			cluster.ErrUnauthorized,
			"missing authentication",
			"check the user name",
		},
		{"OpenSearch, no credentials", true, 401, "Unauthorized", cluster.ErrUnauthorized, "try: Unauthorized (HTTP 401)", "check the user name"},
		{
			"a privilege lacks",
			true,
			403,
			cause("security_exception", "action [cluster:admin/snapshot/create] is unauthorized for user [u], "+
				"this action is granted by the cluster privileges [create_snapshot,manage,all]"),
			cluster.ErrForbidden,
			"is unauthorized for user",
			"one of the privileges create_snapshot,manage,all",
		},
		{
			"OpenSearch, a privilege lacks",
			true,
			403,
			cause("security_exception", "no permissions for [cluster:admin/repository/put] and User [name=u]"),
			cluster.ErrForbidden,
			"no permissions",
			"give the user the privilege for cluster:admin/repository/put (manage)",
		},
		{
			"OpenDistro, a privilege lacks",
			true,
			403,
			`{"error":"no permissions for [indices:admin/delete] and User [name=u]"}`,
			cluster.ErrForbidden,
			"no permissions",
			"indices:admin/delete (delete_index on the indices)",
		},
		{"a proxy forbids", false, 403, `{"message":"Forbidden"}`, cluster.ErrForbidden, `{"message":"Forbidden"} (HTTP 403)`, ""},
		{
			"the disk is full",
			true,
			429,
			cause("cluster_block_exception", "index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, "+
				"index has read-only-allow-delete block];"),
			cluster.ErrForbidden,
			"flood-stage",
			"free space",
		},
		{
			"the cluster has no master yet",
			false,
			503,
			cause("cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];"),
			cluster.ErrUnavailable,
			"state not recovered",
			"",
		},
		{
			"Elasticsearch 6 before it has recovered its state",
			false,
			503,
			`{"name":"n1","cluster_uuid":"_na_","version":{"number":"6.7.0"},"tagline":"You Know, for Search"}`,
			cluster.ErrUnavailable,
			"try: the cluster does not have a master yet, or has not recovered its state (HTTP 503)",
			"",
		},
		{"no master", true, 503, cause("master_not_discovered_exception", ""), cluster.ErrUnavailable, "master_not_discovered_exception", ""},
		{
			"no cluster manager",
			false,
			503,
			cause("cluster_manager_not_discovered_exception", ""),
			cluster.ErrUnavailable,
			"cluster_manager_not_discovered_exception",
			"",
		},
		{
			"OpenSearch starts",
			false,
			503,
			"OpenSearch Security not initialized.",
			cluster.ErrUnavailable,
			"OpenSearch Security not initialized. (HTTP 503)",
			"",
		},
		{
			"OpenSearch starts, a write was not carried out",
			true,
			503,
			"OpenSearch Security not initialized.",
			cluster.ErrUnavailable,
			"not initialized",
			"",
		},
		{
			"overloaded",
			true,
			429,
			cause("es_rejected_execution_exception", "rejected execution of x"),
			cluster.ErrRejected,
			"rejected execution",
			"",
		},
		{"overloaded, 503", true, 503, cause("rejected_execution_exception", "queue is full"), cluster.ErrRejected, "queue is full", ""},
		{"out of memory", true, 503, cause("circuit_breaking_exception", "[parent] Data too large"), cluster.ErrRejected, "Data too large", ""},
		{"too many requests at a proxy", false, 429, "", cluster.ErrRejected, "server is overloaded (HTTP 429)", ""},
		{
			"the master did not answer in time: a write may be queued",
			true,
			503,
			cause("process_cluster_event_timeout_exception", "failed to process cluster event (put_repository [r]) within 30s"),
			cluster.ErrLost,
			"failed to process",
			"",
		},
		{
			"the master did not answer a read in time",
			false,
			503,
			cause("process_cluster_event_timeout_exception", "failed to process cluster event"),
			cluster.ErrUnavailable,
			"failed to process",
			"",
		},
		{
			"a gateway lost a write",
			true,
			502,
			"<html><head><title>502 Bad Gateway</title><style>p {color: red}</style></head>\n<body>\n" +
				"<center><h1>502 Bad Gateway</h1></center>\n<hr><center>nginx/1.25.3</center>\n</body></html>\n",
			cluster.ErrLost,
			"try: 502 Bad Gateway 502 Bad Gateway nginx/1.25.3 (HTTP 502)",
			"",
		},
		{"a gateway gave up a write", true, 504, "upstream request timeout", cluster.ErrLost, "upstream request timeout", ""},
		{"a gateway without a server, write", true, 503, "no healthy upstream", cluster.ErrLost, "no healthy upstream", ""},
		{"a gateway without a server, read", false, 503, "no healthy upstream", cluster.ErrUnavailable, "no healthy upstream", ""},
		{"a gateway lost a read", false, 502, "", cluster.ErrUnavailable, "cluster is not ready (HTTP 502)", ""},
		{
			"an error of no known form",
			false,
			500,
			`{"error":{"code":17,"message":"broken"}}`,
			cluster.ErrServer,
			`{"error":{"code":17,"message":"broken"}} (HTTP 500)`,
			"",
		},
		{"an error that is a list", false, 500, `{"error":[1]}`, cluster.ErrServer, `{"error":[1]}`, ""},
		{
			"an error without a reason",
			false,
			500,
			`{"error":{"type":"null_pointer_exception","reason":null},"status":500}`,
			cluster.ErrServer,
			"try: null_pointer_exception",
			"",
		},
		{"a long page", false, 500, long, cluster.ErrServer, "ü…", ""},
		{"nothing", false, 500, "", cluster.ErrServer, "try: server error (HTTP 500)", ""},
		{
			"a line too long",
			true,
			400,
			cause("too_long_frame_exception", "An HTTP line is larger than 4096 bytes."),
			cluster.ErrInvalid,
			"larger than 4096",
			"",
		},
		{"a redirection", false, 302, "", cluster.ErrServer, "try: server error", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := replyError(call{op: "try", write: c.write}, c.status, strings.NewReader(c.body), unmasked)
			requireKind(t, c.kind, err, c.body)
			require.Contains(t, err.Error(), c.text)
			require.Less(t, len(err.Error()), 400)
			if c.hint == "" {
				require.Empty(t, cluster.Hint(err))
			} else {
				require.Contains(t, cluster.Hint(err), c.hint)
			}
		})
	}
}

// A repository that another cluster changed or that lies in a bucket that is gone
// looks like a missing snapshot, and is not.
func TestSnapshotMissingWithACauseIsTheRepositorysFault(t *testing.T) {
	body := `{"error":{"type":"snapshot_missing_exception","reason":"[va:s0/Fe1f] is missing",` +
		`"caused_by":{"type":"no_such_file_exception",` +
		`"reason":"Blob object [v/snap-Fe1f.dat] not found: The specified bucket does not exist (Service: S3, Status Code: 404,` +
		` Request ID: ...)"}},"status":404}`
	requireKind(t, cluster.ErrRepository, replyError(call{op: "read"}, 404, strings.NewReader(body), unmasked), "read")
	requireKind(t, cluster.ErrRepository, replyError(call{op: "delete", write: true}, 404, strings.NewReader(body), unmasked), "delete")
}

// TestReplacedContents: which failures say that a repository's storage is another one.
func TestReplacedContents(t *testing.T) {
	for file, want := range map[string]bool{
		"modified-elsewhere.es71728.json": true, "modified-elsewhere.es8197.json": true,
		"shard-file-gone.es71728.json": false, "access-denied.os2110.json": false,
	} {
		got := replyError(call{op: "read"}, 500, strings.NewReader(read(t, "errors/"+file)), unmasked)
		require.ErrorIs(t, got, cluster.ErrRepository, file)
		require.Equal(t, want, errors.Is(got, cluster.ErrReplaced), file)
	}
	gone := `{"error":{"type":"snapshot_missing_exception","reason":"[r:s/u] is missing",` +
		`"caused_by":{"type":"no_such_file_exception","reason":"/repo/snap-u.dat"}},"status":404}`
	require.ErrorIs(t, replyError(call{op: "read"}, 404, strings.NewReader(gone), unmasked), cluster.ErrReplaced)
}

// unmasked is the mask of a client without credentials.
func unmasked(text string) string { return text }
