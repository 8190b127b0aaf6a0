//go:build integration

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// utf8Name is a name of exactly so many bytes, most of them in letters of two to
// four bytes.
func utf8Name(prefix string, bytes int) string {
	name := prefix
	for len(name)+9 <= bytes {
		name += "é日😀"
	}
	return name + strings.Repeat("x", bytes-len(name))
}

// TestLongestNames takes indices whose names are as long as servers allow, in
// letters that are three times as long in a URL, through all that esnap does.
func TestLongestNames(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository := e.prefix + "repo"
		docs := map[string]int{}
		for n := range 8 {
			docs[utf8Name(fmt.Sprintf("%s%d-", e.prefix, n), 255)] = n + 1
		}
		e.fill(20, docs)
		e.register(repository, e.location("repo"), nil)
		names := e.indices()
		require.Len(e, names, 8)
		require.Len(e, names[0], 255)

		e.want(0, "snapshot", "create", repository, e.prefix+"*", "--name", "long")
		require.Equal(e, names, sorted(e.snapshots(repository)["long"].Indices))
		e.want(0, append([]string{"index", "delete", "--yes"}, names...)...)
		require.Empty(e, e.indices())
		e.want(0, append([]string{"restore", "--yes"}, names...)...)
		require.Equal(e, names, e.indices())
		for name, n := range docs {
			require.Equal(e, n, e.count(name))
			require.Len(e, aliases(e, name), 1)
		}
		// They are marked: a pattern spares them all.
		e.want(0, "index", "delete", "--yes", e.prefix+"*")
		require.Equal(e, names, e.indices())
		e.want(0, "index", "delete", "--yes", "--guards", "off", e.prefix+"*")
		require.Empty(e, e.indices())
	})
}

// TestManyIndices takes very many indices through one snapshot, deletion, restore.
func TestManyIndices(t *testing.T) {
	onOneServer(t, func(e *env) {
		many := 250
		if e.flavour == testserver.ES670 && os.Getenv("ESNAP_TEST_LARGE") == "1" {
			many = 2000
			if e.server.Provider == "local" { // the shared one has a heap for a hundred or two
				e = e.own(testserver.Options{HeapMB: 3072})
			}
		}
		repository := e.prefix + "repo"
		docs := map[string]int{}
		for n := range many {
			docs[e.prefix+strings.Repeat("a-long-name-", 14)[:160]+fmt.Sprintf("%016d-%s", n, e.day(n%30))] = 1
		}
		e.fill(20, docs)
		e.register(repository, e.location("repo"), nil)
		names := e.indices()
		require.Len(e, names, many)
		require.Greater(e, len(names[0]), 190)

		e.want(0, "snapshot", "create", repository, "--prefix", e.prefix, "--name", "many")
		s := e.snapshots(repository)["many"]
		require.Equal(e, "SUCCESS", s.State)
		require.Equal(e, names, sorted(s.Indices))
		require.Equal(e, many, s.Shards.Successful)

		e.want(0, "index", "delete", "--prefix", e.prefix, "--yes")
		require.Empty(e, e.indices())
		require.Greater(e, e.sent("DELETE"), 1, "one request line holds %d names", many)
		e.want(0, "restore", e.prefix+"*", "--yes", "--keep-for", "0")
		require.Equal(e, names, e.indices())
		var total struct{ Count int }
		e.call("GET", "/"+e.prefix+"*/_count", nil, &total)
		require.Equal(e, many, total.Count)
		e.want(0, "index", "delete", "--prefix", e.prefix, "--yes")
		require.Empty(e, e.indices())
		e.want(0, "snapshot", "delete", repository, "many", "--yes", "--keep-newest-good=false")
		require.Empty(e, e.snapshots(repository))
	})
}

// TestDeleteSnapshots deletes all snapshots of a series but the newest good one, in
// as few requests as the server allows.
func TestDeleteSnapshots(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, index := e.prefix+"repo", e.prefix+"a"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{index: 1})
		e.take(repository, "other", index)
		for n := range 12 {
			e.take(repository, fmt.Sprintf("night-%s", e.day(100-n)), index)
		}
		newest := "night-" + e.day(89)
		file := `
actions:
  1:
    action: delete_snapshots
    options: {repository: PREFIXrepo}
    filters:
      - {filtertype: pattern, kind: prefix, value: night-}
      - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 45}
`
		r := e.run(0, file, "-n")
		require.Equal(e, 11, r.Actions[0].Selected)
		require.Empty(e, e.writes())
		require.Len(e, e.snapshots(repository), 13)

		r = e.run(0, file)
		require.Equal(e, 11, r.Actions[0].Selected)
		require.Equal(e, 1, r.Spared)
		for _, s := range r.Actions[0].Spared {
			if s.Guard {
				require.Equal(e, newest, *s.Name)
				require.Contains(e, s.Why, "newest good")
			}
		}
		want := 1
		if e.old() {
			want = 11
		}
		require.Equal(e, want, e.sent("DELETE"), "%v", e.writes())
		held := e.snapshots(repository)
		require.Len(e, held, 2)
		require.Contains(e, held, newest)
		require.Contains(e, held, "other")

		e.run(0, file) // all is spared: that is no failure
		require.Zero(e, e.sent("DELETE"))
		require.Len(e, e.snapshots(repository), 2)

		// What is named and not there: nothing goes.
		_, stderr := e.want(1, "snapshot", "delete", repository, newest, "nihgt-"+e.day(89), "--yes", "--guards", "off")
		require.Contains(e, stderr, newest)
		require.Zero(e, e.sent("DELETE"))
		require.Len(e, e.snapshots(repository), 2)
	})
}

// TestS3 goes through a repository in a bucket: ESNAP_TEST_S3_URL is a cluster with
// the plugin and the keys, ESNAP_TEST_S3_SETTINGS the repository's settings, such
// as "bucket=esnap endpoint=10.0.0.5:9000 protocol=http path_style_access=true".
func TestS3(t *testing.T) {
	forEachServer(t, func(e *env) {
		address := os.Getenv("ESNAP_TEST_S3_URL")
		if address == "" {
			e.notApplicable("ESNAP_TEST_S3_URL is not set")
		}
		e = newEnv(e.TB, e.flavour, &testserver.Server{URL: strings.TrimSuffix(address, "/"), Flavour: e.flavour, Provider: "url"})
		settings := strings.Fields(os.Getenv("ESNAP_TEST_S3_SETTINGS"))
		if len(settings) == 0 {
			settings = []string{"bucket=esnap-test"}
		}
		repository, index := e.prefix+"s3", e.prefix+"log-"+e.day(3)
		e.fill(200, map[string]int{index: 50})
		e.want(0, append([]string{"repository", "register", repository, "s3", "base_path=" + e.prefix}, settings...)...)
		e.want(0, "repository", "verify", repository)
		e.want(0, "snapshot", "create", repository, index, "--name", "one")
		require.Equal(e, "SUCCESS", e.snapshots(repository)["one"].State)
		e.want(0, "index", "delete", index, "--yes")
		e.want(0, "restore", index, "--yes")
		require.Equal(e, 50, e.count(index))
		e.want(0, "snapshot", "delete", repository, "one", "--yes", "--guards", "off", "--keep-newest-good=false")
		require.Empty(e, e.snapshots(repository))
		stdout, _ := e.want(1, append([]string{"repository", "register", repository + "2", "s3"},
			append(settings, "bucket="+e.prefix+"no-such-bucket")...)...)
		require.Contains(e, stdout, "the bucket does not exist")
	})
}
