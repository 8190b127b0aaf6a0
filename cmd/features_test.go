package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/memory"
)

// The acceptance tests of the features, by number: see docs/tested-on.md. Those that need
// a server over HTTP are in features_wire_test.go.

func (k *console) indices() []string {
	k.t.Helper()
	list, err := k.c.Indices(context.Background())
	require.NoError(k.t, err)
	return cluster.Names(list)
}

func (k *console) snapshots(repository string) []string {
	k.t.Helper()
	names, err := cluster.SnapshotNames(context.Background(), k.c, repository)
	require.NoError(k.t, err)
	return names
}

// reported is the part of a report that these tests read.
type reported struct {
	ExitCode int `json:"exit_code"`
	Actions  []struct {
		ID       json.RawMessage
		Action   string
		Status   string
		Error    string
		Spared   []struct{ Name, By, Why string }
		Outcomes []struct{ Name, Result, Why string }
	}
}

func decodeReport(t *testing.T, out string) (r reported) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(out), &r), out)
	return r
}

// Action 1 fails with continue_if_exception, action 2 succeeds: both ran, 1, and the JSON
// lists both.
func TestFeature01(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01", "other")
	k.c.Fault = func(method string, _ []string) error {
		if method == "DeleteIndices" {
			return cluster.ErrForbidden
		}
		return nil
	}
	code, out, errs := k.run("run", "-o", "json", k.file(`
actions:
  1:
    action: delete_indices
    options: {continue_if_exception: true}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: close
    filters: [{filtertype: pattern, kind: prefix, value: other}]
`))
	require.Equal(t, 1, code, errs)
	r := decodeReport(t, out)
	require.Equal(t, 1, r.ExitCode)
	require.Len(t, r.Actions, 2)
	require.Equal(t, "failed", r.Actions[0].Status)
	require.NotEmpty(t, r.Actions[0].Error)
	require.Equal(t, "done", r.Actions[1].Status)
	require.Equal(t, []string{"close other"}, k.written()[1:])
}

// Ten old indices: nine in a good snapshot, one only in a PARTIAL one that lacks a shard of
// it. Nine are deleted, one is kept with the reason; 0, and 5 with --fail-on-spared.
func TestFeature03(t *testing.T) {
	for flag, want := range map[string]int{"--fail-on-spared=false": 0, "--fail-on-spared": 5} {
		k := newConsole(t)
		var names []string
		for d := range 10 {
			names = append(names, fmt.Sprintf("logs-2026.10.%02d", d+1))
			k.c.AddIndex(cluster.Index{Name: names[d], Created: now.AddDate(0, 0, -60)})
		}
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "good", Indices: names[:9], Start: now.AddDate(0, 0, -3)})
		k.c.AddSnapshot("r", cluster.Snapshot{
			Name: "partial", Indices: names, Start: now.AddDate(0, 0, -2), State: cluster.Partial,
			Shards: cluster.ShardCount{Total: 10, Successful: 9, Failed: 1}, Failures: []cluster.ShardFailure{{Index: names[9], Reason: "lost"}},
		})
		code, out, errs := k.run("run", flag, "-o", "json", k.file(`
actions:
  1:
    action: delete_indices
    options: {require_snapshot: {repositories: [r]}}
    filters:
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}
`))
		require.Equal(t, want, code, errs)
		require.Equal(t, names[9:], k.indices())
		r := decodeReport(t, out)
		require.Len(t, r.Actions[0].Outcomes, 9)
		require.Len(t, r.Actions[0].Spared, 1)
		require.Equal(t, names[9], r.Actions[0].Spared[0].Name)
		require.Contains(t, out, "shards are missing")
	}
}

// Two filters in one action, of which YAML keeps the last, are refused with both lines; a
// pattern that matches 400 of 410 indices is refused by max_percent, and nothing is sent.
func TestFeature05(t *testing.T) {
	k := newConsole(t)
	file := k.file(`actions:
  1:
    action: delete_indices
    filters:
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
`)
	code, _, errs := k.run("run", file)
	require.Equal(t, 2, code)
	require.Contains(t, errs, file+":6:")
	require.Regexp(t, `filters.*\b4\b`, errs)
	require.Empty(t, k.c.Calls())

	for n := range 410 {
		k.c.AddIndices(fmt.Sprintf("%s-%03d", map[bool]string{true: "logs", false: "other"}[n < 400], n))
	}
	for _, limit := range []string{"max_percent: 50", "max_items: 100"} {
		text := "actions: {1: {action: delete_indices, options: {LIMIT}, filters: [{filtertype: pattern, kind: regex, value: 'l.*'}]}}"
		code, _, errs = k.run("run", k.file(strings.Replace(text, "LIMIT", limit, 1)))
		require.Equal(t, 4, code, errs)
		require.Contains(t, errs, "400 indices")
		require.Empty(t, k.c.CallsOf("DeleteIndices"))
		require.Empty(t, k.c.Writes())
	}
	code, _, errs = k.run("run", k.file("actions: {1: {action: delete_indices}}"))
	require.Equal(t, 2, code, "without filters")
	require.Contains(t, errs, "filters")
}

// A SUCCESS of 40 days before and 20 FAILED and PARTIAL ones since: it survives in every
// mode of retention, except max_age, which is for data that must be deleted.
func TestFeature06(t *testing.T) {
	for name, filter := range map[string]string{
		"last":    "{filtertype: retain, last: 5}",
		"daily":   "{filtertype: retain, daily: 5}",
		"weekly":  "{filtertype: retain, weekly: 1}",
		"within":  "{filtertype: retain, within: 30d}",
		"cover":   "{filtertype: retain, cover: 30d}",
		"no copy": "{filtertype: retain, last: 5, keep_last_copy: false}",
		"age":     "{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 30}",
		"count":   "{filtertype: count, count: 5}",
		"all":     "{filtertype: none}",
		"last and age": "{filtertype: retain, last: 5}, " +
			"{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 30}",
		"max_age": "{filtertype: retain, last: 5, max_age: 30d}",
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-20261012", Start: now.AddDate(0, 0, -40), Indices: []string{"logs"}})
			for d := range 20 {
				at := now.AddDate(0, 0, -2*d)
				s := cluster.Snapshot{Name: "s-" + at.Format("20060102"), Start: at, State: cluster.Failed, Indices: []string{"logs"}}
				if d%2 == 0 {
					s.State, s.Shards = cluster.Partial, cluster.ShardCount{Total: 2, Successful: 1, Failed: 1}
					s.Failures = []cluster.ShardFailure{{Index: "logs", Reason: "lost"}}
				}
				k.c.AddSnapshot("r", s)
			}
			file := k.file("actions: {1: {action: delete_snapshots, options: {repository: r, ignore_empty_list: true}, filters: [" + filter + "]}}")
			code, out, errs := k.run("run", file)
			require.Equal(t, 0, code, out+errs)
			if name == "max_age" { // what must be deleted is deleted
				require.NotContains(t, k.snapshots("r"), "s-20261012")
				return
			}
			require.Contains(t, k.snapshots("r"), "s-20261012")
			if name == "all" {
				require.Equal(t, []string{"s-20261012"}, k.snapshots("r"), "only good ones count")
			}
		})
	}
}

const oncePerDay = `
actions:
  1:
    action: snapshot
    options: {repository: r, name: 'snap-%Y%m%d', once_per: day}
    filters: [{filtertype: none}]
`

// The process is killed after its request; a second one of the same day adopts the running
// or finished snapshot, and takes no second one. After a FAILED one, the name has a suffix.
func TestFeature08(t *testing.T) {
	for name, c := range map[string]struct {
		polls int
		ends  func(*cluster.Snapshot)
		want  []string
	}{
		"running":  {5, nil, []string{"snap-20261121"}},
		"finished": {0, nil, []string{"snap-20261121"}},
		"failed":   {0, memory.EndFailed("disk full"), []string{"snap-20261121", "snap-20261121-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.watch = &stopped{}
			k.c.AddIndex(cluster.Index{Name: "logs", Created: now.AddDate(0, 0, -9)})
			k.c.AddRepository(cluster.Repository{Name: "r"})
			k.c.SnapshotPolls, k.c.SnapshotEnds = c.polls, c.ends
			killed := false
			k.c.Fault = func(string, []string) error { // from the cluster's side, a process that is killed asks no more
				if killed {
					return cluster.ErrUnreachable
				}
				return nil
			}
			k.c.FaultAfter = func(method string, _ []string) error {
				if killed = killed || method == "CreateSnapshot"; killed {
					return cluster.ErrLost
				}
				return nil
			}
			code, _, _ := k.run("run", k.file(oncePerDay))
			require.NotZero(t, code)
			require.Len(t, k.c.CallsOf("CreateSnapshot"), 1)
			k.c.Fault, k.c.FaultAfter, k.c.SnapshotEnds = nil, nil, nil
			k.c.ForgetCalls()

			code, out, errs := k.run("run", "-o", "json", k.file(oncePerDay))
			require.Equal(t, 0, code, out+errs)
			require.Equal(t, c.want, k.snapshots("r"))
			require.Len(t, k.c.CallsOf("CreateSnapshot"), len(c.want)-1)
			if len(c.want) == 1 {
				require.Equal(t, "adopted", decodeReport(t, out).Actions[0].Outcomes[0].Result)
			}
		})
	}
}

// Somebody else's snapshot runs for some polls: all four kinds of actions wait, then
// succeed. If it does not end: 1, with its name and its age.
func TestFeature09(t *testing.T) {
	for kind, text := range map[string]string{
		"snapshot": "{action: snapshot, options: {repository: r, name: new, wait_for_running: 1h}, filters: [{filtertype: none}]}",
		"delete_snapshots": "{action: delete_snapshots, options: {repository: r, wait_for_running: 1h}, " +
			"filters: [{filtertype: pattern, kind: prefix, value: old-}]}",
		"restore": "{action: restore, options: {repository: r, name: good, indices: [lost], wait_for_running: 1h}, " +
			"filters: [{filtertype: pattern, kind: prefix, value: good}]}",
		"delete_indices": "{action: delete_indices, options: {wait_for_running: 1h}, " +
			"filters: [{filtertype: pattern, kind: prefix, value: logs}]}",
	} {
		for _, polls := range []int{3, -1} {
			t.Run(fmt.Sprint(kind, polls), func(t *testing.T) {
				k := newConsole(t)
				k.c = memory.New(memory.At(now), memory.Elasticsearch("6.7.0"))
				k.watch = &stopped{}
				k.c.AddIndices("logs")
				for n, name := range []string{"old-2026.11.11", "old-2026.11.12", "good"} {
					k.c.AddSnapshot("r", cluster.Snapshot{Name: name, Start: now.AddDate(0, 0, n-9), Indices: []string{"lost"}})
				}
				k.c.AddRepository(cluster.Repository{Name: "theirs"})
				k.c.AddOperation(cluster.Operation{
					Kind: cluster.OpSnapshot, Repository: "theirs", Snapshot: "nightly", Started: now.Add(-2 * time.Hour), Indices: []string{"logs"},
				}, polls)
				code, out, errs := k.run("run", k.file("actions: {1: "+text+"}"))
				if polls > 0 {
					require.Equal(t, 0, code, out+errs)
					return
				}
				require.Equal(t, 1, code, out+errs)
				require.Contains(t, out+errs, "theirs/nightly")
				require.Regexp(t, `\b[23]h\d*`, out+errs)
			})
		}
	}
}

// The JSON has a reason for each snapshot that stays; a policy without a rule is refused.
// (Calendars are in TestFeature10 of filters.)
func TestFeature10(t *testing.T) {
	k := newConsole(t)
	for d := range 12 {
		at := now.AddDate(0, 0, -d)
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-" + at.Format("2006.01.02"), Start: at, Indices: []string{"i"}})
	}
	k.c.AddIndices("i")
	text := "actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: retain, RULE}]}}"
	code, out, errs := k.run("run", "-n", "-o", "json", k.file(strings.Replace(text, "RULE", "last: 2, daily: 4, weekly: 2", 1)))
	require.Equal(t, 0, code, errs)
	r := decodeReport(t, out)
	require.Len(t, r.Actions[0].Spared, 5)
	for _, s := range r.Actions[0].Spared {
		require.Contains(t, s.Why, "retained by", "%+v", s)
	}
	require.Len(t, r.Actions[0].Outcomes, 7)
	for _, o := range r.Actions[0].Outcomes {
		require.Equal(t, "no rule retains it", o.Why, "%+v", o)
	}
	_, out, _ = k.run("run", "-n", "-o", "wide", k.file(strings.Replace(text, "RULE", "last: 2, daily: 4, weekly: 2", 1)))
	require.Contains(t, out, "s-2026.11.11: no rule retains it")
	code, _, errs = k.run("run", k.file(strings.Replace(text, ", RULE", "", 1)))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "retain has no rule")
	require.Empty(t, k.c.Writes())
}

// Of five targets two exist: the plan lists them, and nothing is sent. Overwriting closes,
// restores and verifies; renaming maps each name that a wildcard found.
func TestFeature11(t *testing.T) {
	setup := func() (*console, []string) {
		k := newConsole(t)
		var names []string
		for d := range 5 {
			names = append(names, fmt.Sprintf("logs-2026.11.%02d", d+1))
		}
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Start: now.AddDate(0, 0, -3), Indices: names})
		for _, name := range names[:2] {
			k.c.AddIndex(cluster.Index{Name: name, Created: now.AddDate(0, 0, -30), Stats: &cluster.IndexStats{Docs: 3, PrimaryBytes: 1}})
		}
		return k, names
	}
	k, names := setup()
	code, out, errs := k.run("restore", "logs-2026.11.*", "--yes")
	require.Equal(t, 4, code, errs)
	for n, name := range names {
		require.Equal(t, n < 2, strings.Contains(out, name+": an index with that name exists"), out)
	}
	require.Empty(t, k.c.Writes())

	code, out, errs = k.run("restore", "logs-2026.11.*", "--on-conflict", "overwrite", "--yes")
	require.Equal(t, 0, code, out+errs)
	require.Equal(t, "close "+strings.Join(names[:2], ","), k.written()[0])
	list, err := k.c.Indices(context.Background())
	require.NoError(t, err)
	require.Equal(t, names, cluster.Names(list))
	for _, i := range list {
		require.False(t, i.Closed, "it is open again")
		require.Equal(t, int64(10), k.documents(i.Name))
	}

	k, names = setup()
	code, out, errs = k.run("restore", "logs-2026.11.*", "--rename", "^(.+)=restored-$1", "--yes")
	require.Equal(t, 0, code, out+errs)
	for _, name := range names {
		require.Contains(t, k.indices(), "restored-"+name)
		require.Contains(t, out, name+" as restored-"+name)
	}
}

// The newest snapshot is PARTIAL, the one before is good: that one is chosen, and the plan
// says why.
func TestFeature12(t *testing.T) {
	k := newConsole(t)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "good", Start: dayAfter, Indices: []string{november3}})
	k.c.AddSnapshot("r", cluster.Snapshot{
		Name: "partial", Start: dayAfter.AddDate(0, 0, 1), Indices: []string{november3}, State: cluster.Partial,
		Shards: cluster.ShardCount{Total: 2, Successful: 1, Failed: 1}, Failures: []cluster.ShardFailure{{Index: november3, Reason: "node left"}},
	})
	for _, args := range [][]string{{}, {"--snapshot", "latest"}, {"--before", "2026-11-20"}} {
		code, out, errs := k.run(append([]string{"restore", november3, "-n"}, args...)...)
		require.Equal(t, 0, code, out+errs)
		require.Contains(t, out, "from r/good", "%v", args)
		require.Contains(t, out, "the only complete copy made after the index's day had ended", "%v: it says why", args)
	}
	code, out, errs := k.run("restore", november3, "--yes")
	require.Equal(t, 0, code, errs)
	require.Equal(t, []string{"restore r/good " + november3}, k.written())
	require.NotContains(t, out, "failed")
}

// An index without a good snapshot within the time that the file asks for is critical, and
// named. If everything is fresh: 0.
func TestFeature20(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	code, out, errs := k.run("check", k.file(nightFile))
	require.Equal(t, 0, code, out+errs)
	require.True(t, strings.HasPrefix(out, "ESNAP OK: "), out)

	k = newConsole(t)
	twentyNights(k, func(ago int) bool { return ago < 3 })
	code, out, _ = k.run("check", k.file(nightFile))
	require.Equal(t, 2, code, out)
	require.Contains(t, out, logsOf(3))
	code, out, _ = k.run("check", "-o", "json", k.file(nightFile))
	require.Equal(t, 2, code)
	require.True(t, json.Valid([]byte(out)), out)
	require.Contains(t, out, logsOf(3))
}

// A drill restores from the newest good snapshot under a prefix, without replicas, compares
// the documents, and removes the copy, also after SIGTERM.
func TestFeature21(t *testing.T) {
	for _, terminated := range []bool{false, true} {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddSnapshot("backups", cluster.Snapshot{
			Name: "logs-20261121010000", Start: now.Add(-time.Second), State: cluster.Failed, Indices: []string{logsOf(2)},
		})
		before := k.indices()
		ctx, cancel := context.WithCancelCause(context.Background())
		k.ctx = ctx
		var sent cluster.RestoreSnapshot
		k.c.FaultAfter = func(method string, _ []string) error {
			if method == "RestoreSnapshot" && terminated {
				cancel(&job.Signal{Number: syscall.SIGTERM})
			}
			return nil
		}
		code, out, errs := k.run("drill")
		for _, c := range k.c.CallsOf("RestoreSnapshot") {
			sent = c.Request.(cluster.RestoreSnapshot)
		}
		require.Equal(t, "logs-20261121005908", sent.Name)
		require.Contains(t, sent.RenameReplacement, "esnap-drill")
		require.Equal(t, "0", fmt.Sprint(sent.IndexSettings["index.number_of_replicas"]))
		require.Equal(t, before, k.indices(), "the copy is removed")
		if terminated {
			require.Equal(t, 143, code, out+errs)
			continue
		}
		require.Equal(t, 0, code, out+errs)
		require.Regexp(t, logsOf(2)+` +backups/logs-20261121005908 +passed +10 +10 `, out, "documents of both")
	}
}

// SIGTERM during a deletion starts nothing new, and the report is written at once; 143.
// (The 503 of a cluster that starts is in TestFeature23Starting.)
func TestFeature23(t *testing.T) {
	k := newConsole(t)
	k.c = memory.New(memory.At(now), memory.Elasticsearch("6.7.0"))
	watch := &stopped{}
	k.watch = watch
	for _, name := range []string{"s-20260101", "s-20260102", "s-20260103"} {
		k.c.AddSnapshot("r", cluster.Snapshot{Name: name, State: cluster.Partial, Start: now.AddDate(0, -6, 0)})
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	k.ctx = ctx
	k.c.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteSnapshots" {
			watch.elapsed = 0
			cancel(&job.Signal{Number: syscall.SIGTERM})
		}
		return nil
	}
	file := k.file("actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: none}]}}")
	code, out, errs := k.run("run", "-o", "json", file)
	require.Equal(t, 143, code, out+errs)
	require.Len(t, k.c.CallsOf("DeleteSnapshots"), 1)
	require.Less(t, watch.elapsed, 5*time.Second)
	r := decodeReport(t, out)
	require.Equal(t, 143, r.ExitCode)
	require.Equal(t, "interrupted", r.Actions[0].Status)
	require.Len(t, r.Actions[0].Outcomes, 3)
}

// Repositories of a file: the first run registers, the second changes nothing, a setting that
// differs is reported and only `ensure: update` changes it. (What servers refuse is in
// TestFeature19Refused.)
func TestFeature19(t *testing.T) {
	k := newConsole(t)
	run := func(code int, ensure, settings string) string {
		t.Helper()
		k.c.ForgetCalls()
		got, out, errs := k.run("run", k.file("repositories: {backups: {type: fs, ensure: "+ensure+
			", settings: {location: /backup, "+settings+"}}}\n"+
			"actions: {1: {action: delete_indices, options: {ignore_empty_list: true}, filters: [{filtertype: pattern, "+
			"kind: prefix, value: nothing}]}}\n"))
		require.Equal(t, code, got, out+errs)
		return out
	}
	has := func() map[string]string {
		r, err := k.c.Repository(t.Context(), "backups")
		require.NoError(t, err)
		return r.Settings
	}
	run(0, "create", "compress: true")
	require.Len(t, k.c.CallsOf("RegisterRepository"), 1)
	require.Equal(t, map[string]string{"location": "/backup", "compress": "true"}, has())

	out := run(0, "create", "compress: true")
	require.Empty(t, k.c.Writes())
	require.NotContains(t, out, "warning")

	out = run(0, "create", "compress: true, chunk_size: 10mb")
	require.Empty(t, k.c.Writes())
	require.Contains(t, out, "chunk_size is not set in the cluster but 10mb in the file")
	require.Contains(t, out, "ensure: update")
	require.NotContains(t, has(), "chunk_size")

	run(0, "update", "compress: true, chunk_size: 10mb")
	require.Len(t, k.c.CallsOf("RegisterRepository"), 1)
	require.Equal(t, "10mb", has()["chunk_size"])

	run(0, "verify", "compress: true, chunk_size: 10mb")
	require.Empty(t, k.c.CallsOf("RegisterRepository"))
	require.NotEmpty(t, k.c.CallsOf("VerifyRepository"))
}
