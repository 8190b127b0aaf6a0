//go:build integration

package integration

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/testserver"
)

// The file of the second cluster, with what it says about the place instead of ABOUT.
const secondFile = `
repositories: {PREFIXr: {type: fs, ABOUT settings: {location: LOCATIONr}}}
actions:
  1:
    action: snapshot
    options: {repository: PREFIXr, name: 'log-NAME'}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXlog-}]
  2:
    action: delete_snapshots
    options: {repository: PREFIXr}
    filters: [RULE]
  3:
    action: delete_indices
    filters:
    - {filtertype: pattern, kind: prefix, value: PREFIXlog-}
    - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 5}
`

// twoClusters are a cluster that took snapshots, and a second one that finds them in the
// same folder. Both use the same names.
type twoClusters struct {
	a, b *env
}

// TestTwoClusters: a second cluster reads the place of a first one, does not write there
// until the file says that it may, and then leaves alone what the first one took.
func TestTwoClusters(t *testing.T) {
	if os.Getenv("ESNAP_TEST_LARGE") != "1" {
		t.Skip("not applicable: it needs a second server; ESNAP_TEST_LARGE=1, as in the matrix, runs it")
	}
	forEachServer(t, func(e *env) {
		e.oneDate()
		first := e.clusterUUID()
		c := &twoClusters{a: e, b: e.own(testserver.Options{Settings: map[string]string{"path.repo": e.server.Repo}, HeapMB: 384})}
		c.b.prefix, c.b.now = e.prefix, e.now
		c.b.server.Repo = e.server.Repo
		c.b.template(e.prefix + "*")
		require.NotEqual(e, first, c.b.clusterUUID())

		// Both have it before the first one takes its copy.
		e.fill(1000, map[string]int{c.app(): 10})
		c.b.fill(1000, map[string]int{c.app(): 3})
		e.later()
		c.b.later()
		e.register(e.prefix+"r", e.location("r"), nil)
		for _, ago := range []int{9, 8, 7} {
			e.fill(1000, map[string]int{c.log(ago): 10 * ago})
			e.later()
			e.want(0, "snapshot", "create", e.prefix+"r", c.log(ago), c.app(), "--name", "log-"+e.day(ago))
		}
		c.b.fill(1000, map[string]int{c.log(8): 3, c.log(2): 2})
		c.b.later()

		c.readOnly()
		if !c.metadata() {
			c.unknownOrigin()
			return
		}
		c.refused()
		c.owner()
		c.theirCopies()
		c.ownCopies()
	})
}

func (c *twoClusters) log(ago int) string { return c.a.prefix + "log-" + c.a.day(ago) }

// app is an index of that name in each of the clusters.
func (c *twoClusters) app() string { return c.a.prefix + "app-" + c.a.day(9) }

// theirCopies: a copy that the first cluster took is no copy of an index of the second, and
// no snapshot of last night.
func (c *twoClusters) theirCopies() {
	c.b.Helper()
	r := c.b.run(0, `
actions:
  1:
    action: delete_indices
    options: {require_snapshot: {repository: PREFIXr}}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXapp-}]
`)
	require.Contains(c.b, strings.Join(spelled(r.Actions[0]), "\n"),
		c.app()+": require_snapshot: the snapshots in "+c.b.prefix+
			"r that contain an index of this name are older than the index, or another cluster took them")
	require.Contains(c.b, c.b.indices(), c.app())
	stdout, _ := c.b.want(0, "index", "show", c.app())
	require.NotContains(c.b, stdout, "log-"+c.a.day(7))
}

// metadata says whether the server keeps with a snapshot which cluster took it.
func (c *twoClusters) metadata() bool { return !c.a.old() }

// run runs the file on the second cluster.
func (c *twoClusters) run(code int, about, name, rule string) *report.Report {
	c.b.Helper()
	return c.b.run(code, strings.NewReplacer("ABOUT", about, "NAME", name, "RULE", rule).Replace(secondFile))
}

// unwritten requires that what it calls changes no file of the place, no repository that the
// second cluster has, and none of its indices.
func (c *twoClusters) unwritten(what func()) {
	c.b.Helper()
	files := func() map[string]int64 {
		all := map[string]int64{}
		require.NoError(c.b, filepath.WalkDir(c.a.location("r"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				all[path] = info.Size() + info.ModTime().UnixNano()
			}
			return err
		}))
		return all
	}
	before, indices, repository := files(), c.b.uuids(), c.b.repository(c.b.prefix+"r")
	require.NotEmpty(c.b, before)
	what()
	require.Equal(c.b, before, files())
	require.Equal(c.b, indices, c.b.uuids())
	require.Equal(c.b, repository, c.b.repository(c.b.prefix+"r"))
}

// readOnly: what the first cluster took can be brought back in the second, and nothing can
// be written.
func (c *twoClusters) readOnly() {
	c.b.Helper()
	c.b.run(0, `
repositories: {PREFIXr: {type: fs, readonly: true, settings: {location: LOCATIONr}}}
actions:
  1:
    action: restore
    options: {repository: PREFIXr, indices: ['PREFIXlog-*'], rename_pattern: '^(.+)$', rename_replacement: 'restored-$1'}
    filters: [{filtertype: state, state: SUCCESS}, {filtertype: pattern, kind: suffix, value: '`+c.a.day(9)+`'}]
`)
	require.Equal(c.b, 90, c.b.count("restored-"+c.log(9)))
	c.b.want(0, "restore", c.log(7), "--yes")
	require.Equal(c.b, 70, c.b.count(c.log(7)))
	c.b.deleteIndices("restored-"+c.log(9), c.log(7))

	c.unwritten(func() {
		r := c.run(1, "readonly: true,", "x-"+c.a.day(1), "{filtertype: retain, last: 1}")
		require.Equal(c.b, "failed", r.Actions[0].Status)
		require.Regexp(c.b, "read-?only", r.Actions[0].Hint)
		require.Equal(c.b, "not_run", r.Actions[2].Status)
		stdout, stderr := c.b.want(1, "snapshot", "delete", c.b.prefix+"r", "log-"+c.a.day(9), "--guards", "off", "--yes")
		require.Regexp(c.b, "hint: .*read-?only", stdout+stderr)
	})
	c.b.want(0, "repository", "unregister", c.b.prefix+"r", "--yes")
}

// refused: without a word about the place nothing is registered, taken or deleted, and the
// message prints what the file must say.
func (c *twoClusters) refused() {
	c.b.Helper()
	uuid := c.b.clusterUUID()
	for _, about := range []string{"", "ensure: update,", "owner: " + c.a.clusterUUID() + ",", "owner: wrong,"} {
		c.unwritten(func() {
			r := c.run(4, about, "x-"+c.a.day(1), "{filtertype: retain, last: 1}")
			text := r.Error + r.Hint + r.Repositories[0].Error + r.Repositories[0].Hint
			require.Contains(c.b, text, "contains snapshots of another cluster, "+c.a.clusterUUID(), about)
			require.Contains(c.b, text, "owner: "+uuid)
			require.Contains(c.b, text, "readonly: true")
			for _, a := range r.Actions {
				require.Equal(c.b, "not_run", a.Status)
			}
		})
		require.Nil(c.b, c.b.repository(c.b.prefix+"r"))
	}
	// What people read says the same, and so does the command.
	c.unwritten(func() {
		file := strings.NewReplacer("ABOUT", "", "NAME", "x", "RULE", "{filtertype: retain, last: 1}").Replace(secondFile)
		name := c.b.write("second.yml", file)
		stdout, stderr := c.b.want(4, "run", name)
		require.Contains(c.b, stdout+stderr, "owner: "+uuid)
		stdout, stderr = c.b.want(4, "repository", "register", c.b.prefix+"r", "fs", "location="+c.a.location("r"))
		require.Contains(c.b, stdout+stderr, "--owner "+uuid)
	})
}

// spared are the names that an action did not touch because another cluster took them.
func (c *twoClusters) spared(a report.Action) (names []string) {
	for _, s := range a.Spared {
		if s.Why == "another cluster took it: "+c.a.clusterUUID() {
			names = append(names, *s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// owner: the file says that this cluster writes. It does, and what the other one took stays,
// whatever rule would delete it.
func (c *twoClusters) owner() {
	c.b.Helper()
	about := "owner: " + c.b.clusterUUID() + ","
	theirs := []string{"log-" + c.a.day(9), "log-" + c.a.day(8), "log-" + c.a.day(7)}
	older := "{filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 1}"

	r := c.run(0, about, c.a.day(6), older)
	require.Equal(c.b, "done", r.Repositories[0].Result)
	require.Equal(c.b, theirs, c.spared(r.Actions[1]))
	require.NotContains(c.b, c.b.indices(), c.log(8), "a copy is held, and the rule deletes it")
	require.Equal(c.b, append(theirs, "log-"+c.a.day(6)), slices.Sorted(maps.Keys(c.b.snapshots(c.b.prefix+"r"))))

	for i, rule := range []string{"{filtertype: retain, last: 1}", "{filtertype: retain, last: 9, max_age: 1ms}", older} {
		ours := "log-" + c.a.day(5-i)
		c.b.want(0, "snapshot", "create", c.b.prefix+"r", c.log(2), "--name", ours)
		r = c.b.run(0, strings.NewReplacer("RULE", rule, "ABOUT", about).Replace(`
repositories: {PREFIXr: {type: fs, ABOUT settings: {location: LOCATIONr}}}
actions: {1: {action: delete_snapshots, options: {repository: PREFIXr, ignore_empty_list: true}, filters: [RULE]}}
`))
		spared := theirs
		if strings.Contains(rule, "last: 1}") { // theirs are a series of their own, with a newest one
			spared = theirs[:2]
		}
		require.Equal(c.b, spared, c.spared(r.Actions[0]), "%s: %v", rule, spelled(r.Actions[0]))
		want := append(slices.Clone(theirs), ours)
		if strings.Contains(rule, "max_age") {
			want = theirs
		}
		require.Equal(c.b, want, slices.Sorted(maps.Keys(c.b.snapshots(c.b.prefix+"r"))), rule)
	}
}

// spelled are the reasons for which an action spared its items.
func spelled(a report.Action) (list []string) {
	for _, s := range a.Spared {
		list = append(list, fmt.Sprintf("%s: %s: %s", *s.Name, s.By, s.Why))
	}
	return list
}

// ownCopies: a restore takes this cluster's own copy, although the other cluster's is larger;
// what only the other one has is brought back too. Files are not cleaned up.
func (c *twoClusters) ownCopies() {
	c.b.Helper()
	c.b.fill(1000, map[string]int{c.log(8): 3})
	c.b.later()
	c.b.want(0, "snapshot", "create", c.b.prefix+"r", c.log(8), "--name", "log-"+c.a.day(1))
	c.b.deleteIndices(c.log(8))
	c.b.want(0, "restore", c.log(8), "--yes")
	require.Equal(c.b, 3, c.b.count(c.log(8)), "not the other cluster's 80 documents")
	c.b.want(0, "restore", c.log(8), "--snapshot", "log-"+c.a.day(8), "--rename-prefix", "restored-", "--yes")
	require.Equal(c.b, 80, c.b.count("restored-"+c.log(8)), "unless it is asked for")
	for _, ago := range []int{9, 7} {
		c.b.want(0, "restore", c.log(ago), "--yes")
		require.Equal(c.b, 10*ago, c.b.count(c.log(ago)), "nothing of the first cluster was lost")
	}
	c.unwritten(func() {
		_, stderr := c.b.want(4, "repository", "cleanup", c.b.prefix+"r", "--yes")
		require.Contains(c.b, stderr, "snapshots of another cluster, such as log-")
		require.Empty(c.b, c.b.writes())
	})
}

// unknownOrigin: before Elasticsearch 7.3 a snapshot does not say who took it, and counts as
// this cluster's own, as docs/repositories.md says.
func (c *twoClusters) unknownOrigin() {
	c.b.Helper()
	r := c.run(0, "", c.a.day(6), "{filtertype: retain, last: 1, keep_last_copy: false}")
	require.Equal(c.b, "done", r.Repositories[0].Result)
	require.Equal(c.b, 3, r.Repositories[0].Holds, "it is said that the place is not empty")
	require.Empty(c.b, c.spared(r.Actions[1]))
	left := slices.Sorted(maps.Keys(c.b.snapshots(c.b.prefix + "r")))
	want := []string{"log-" + c.a.day(6)} // that of this run
	require.Equal(c.b, want, left, "%v", spelled(r.Actions[1]))
}
