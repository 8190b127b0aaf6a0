package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
)

const locked = "lock: required\nname: nightly\n" + deleteLogs

// hold puts in the lock of another run, renewed some time ago.
func (k *console) hold(name string, ago time.Duration) {
	k.t.Helper()
	h := lock.Held{Name: name, Owner: lock.Owner{Run: "other", Host: "node-7", PID: 42}, Acquired: now.Add(-time.Hour),
		Renewed: now.Add(-ago), Expires: now.Add(3*time.Minute - ago)}
	_, err := k.c.PutDocument(k.ctx, cluster.PutDocument{Index: cluster.LockIndex, ID: name, Time: h.Renewed, Body: h})
	require.NoError(k.t, err)
	k.c.ForgetCalls()
}

// deletions are the names of deleted indices.
func (k *console) deletions() (names []string) {
	for _, c := range k.c.CallsOf("DeleteIndices") {
		names = append(names, c.Names...)
	}
	return names
}

func TestLockIsTakenAndReleased(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01")
	held := false
	k.c.Fault = func(method string, _ []string) error {
		if method == "DeleteIndices" {
			held = len(k.c.DocumentIDs(cluster.LockIndex)) == 1
		}
		return nil
	}
	code, out, errs := k.run("run", k.file(locked))
	require.Equal(t, 0, code, out+errs)
	require.True(t, held)
	require.Empty(t, k.c.DocumentIDs(cluster.LockIndex))
	var order []string
	for _, c := range k.c.CallsOf("PutDocument", "Document", "DeleteIndices", "DeleteDocument") {
		order = append(order, c.Method)
	}
	require.Equal(t, []string{"PutDocument", "Document", "DeleteIndices", "DeleteDocument"}, order,
		"the holder is checked before the deletion")
}

func TestLockOfAnotherRun(t *testing.T) {
	for _, mode := range []string{"auto", "required"} {
		k := newConsole(t)
		k.c.AddIndices("logs-2026.11.01")
		k.watch = &stopped{}
		k.hold("nightly", 20*time.Second)
		code, out, errs := k.run("run", "-o", "json", k.file(strings.ReplaceAll(locked, "required", mode)))
		require.Equal(t, 4, code, errs)
		require.Contains(t, errs,
			"esnap: another run of the job nightly holds its lock: run other on host node-7 (pid 42), "+
				"acquired 1h ago, renewed 20s ago; nothing was changed\n")
		require.Contains(t, errs,
			"hint: wait for that run; if it has ended, it may hold the lock for 3 minutes more: esnap lock release nightly\n")
		var r struct {
			Error string
			Code  int `json:"exit_code"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		require.Equal(t, 4, r.Code)
		require.Contains(t, r.Error, "another run")
		require.Empty(t, k.deletions())

		code, out, errs = k.run("run", "--lock", "off", k.file(strings.ReplaceAll(locked, "required", mode)))
		require.Equal(t, 0, code, out+errs)
		require.Equal(t, []string{"logs-2026.11.01"}, k.deletions())
	}
}

// TestLockOnCuratorsCommandLine: by the variable; its exit codes are Curator's.
func TestLockOnCuratorsCommandLine(t *testing.T) {
	k := newConsole(t)
	k.watch = &stopped{}
	k.c.AddIndices("logs-2026.11.01")
	k.hold("action.yml", 20*time.Second)
	k.env["ESNAP_LOCK"], k.env["ESNAP_LOG_LEVEL"] = "required", ""
	code, out, errs := k.run("curator", k.file(deleteLogs))
	require.Equal(t, 1, code, out+errs)
	require.Contains(t, out+errs, "another run of the job action.yml holds its lock")
	require.Empty(t, k.deletions())
}

func TestStaleLockOfARun(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01")
	k.hold("nightly", 4*time.Minute)
	code, out, errs := k.run("run", k.file(locked))
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, out,
		"took over the lock of the job nightly: run other on host node-7 (pid 42) has not renewed it since 2026-11-21T00:56:08Z")
	require.Equal(t, []string{"logs-2026.11.01"}, k.deletions())
}

// TestLockThatCannotBeWritten: auto runs with a warning.
func TestLockThatCannotBeWritten(t *testing.T) {
	for mode, want := range map[string]int{"auto": 0, "required": 4} {
		k := newConsole(t)
		k.c.AddIndices("logs-2026.11.01")
		k.c.Fault = func(method string, _ []string) error {
			if method == "PutDocument" {
				return &cluster.Error{Op: "write document esnap-locks/nightly", Kind: cluster.ErrForbidden, Text: "unauthorized",
					Hint: "give the user the privilege write"}
			}
			return nil
		}
		code, out, errs := k.run("run", k.file(strings.ReplaceAll(locked, "required", mode)))
		require.Equal(t, want, code, out+errs)
		require.Contains(t, out+errs, "the lock of the job nightly cannot be written")
		require.Equal(t, want == 0, len(k.deletions()) > 0)
		if want == 4 {
			require.Contains(t, errs, "hint: give the user the privilege write")
		}
	}
}

// TestLockLostDuringTheRun: nothing more is deleted.
func TestLockLostDuringTheRun(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01", "logs-2026.11.02", "logs-2026.11.03")
	second := "  2:\n    action: delete_indices\n    filters: [{filtertype: none}]\n"
	goesOn := strings.Replace(locked, "    filters:", "    options: {continue_if_exception: true}\n    filters:", 1) + second
	k.c.FaultAfter = func(method string, names []string) error {
		if method == "PutDocument" && names[1] == "nightly" {
			k.c.FaultAfter = nil
			d, err := k.c.Document(k.ctx, cluster.LockIndex, "nightly")
			require.NoError(t, err)
			_, err = k.c.PutDocument(k.ctx, cluster.PutDocument{Index: cluster.LockIndex, ID: "nightly",
				Body: lock.Held{Owner: lock.Owner{Run: "b", Host: "h"}}, Replaces: &d.Version})
			require.NoError(t, err)
		}
		return nil
	}
	code, out, _ := k.run("run", k.file(goesOn))
	require.Equal(t, 1, code, out)
	require.Contains(t, out,
		"this run has lost the lock of the job nightly: run b on host h (pid 0) has taken it over; nothing more is changed")
	require.Contains(t, out, "not run: action 1 failed")
	require.Empty(t, k.deletions())
	require.Len(t, k.c.CallsOf("Document"), 2, "one by this test, one before the deletion: no item is tried alone")
	require.Len(t, k.c.DocumentIDs(cluster.LockIndex), 1, "that of the other run stays")
}

// TestNoLock: not in a dry run, and a name is needed.
func TestNoLock(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01")
	file := k.file("history: true\n" + locked)
	for _, args := range [][]string{{"run", "-n", file}, {"validate", file}} {
		code, out, errs := k.run(args...)
		require.Equal(t, 0, code, out+errs)
	}
	require.Empty(t, k.c.CallsOf("PutDocument", "Document", "DeleteDocument"))
	k.in = deleteLogs
	code, _, errs := k.run("run", "--lock", "auto", "-")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "a lock needs the name of its job, and standard input has none")
	require.Contains(t, errs, "hint: set name: at the top of the file")
	require.Empty(t, k.c.Writes())
	for _, file := range []string{"lock: on\n", "lock: maybe\n", "name: [a]\n", "history: 7\n"} {
		code, _, errs := k.run("validate", k.file(file+deleteLogs))
		require.Equal(t, 2, code, file)
		require.Contains(t, errs, "action.yml:1:")
	}
	for _, file := range []string{"lock: off\n", "lock: 'off'\n", "lock:\n", "lock: auto\nname: 7\nhistory: yes\n"} {
		code, _, errs := k.run("validate", k.file(file+deleteLogs))
		require.Equal(t, 0, code, file+errs)
	}
}

func TestLockCommands(t *testing.T) {
	k := newConsole(t)
	code, out, _ := k.run("lock", "list", "-o", "json")
	require.Equal(t, 0, code)
	require.JSONEq(t, `{"schema_version":2,"locks":[]}`, out)
	k.hold("nightly", 20*time.Second)
	k.hold("weekly", time.Hour)
	_, out, _ = k.run("lock", "list")
	require.Equal(t, `LOCK     STATE  HOST    PID  ACQUIRED (UTC)       AGE  RENEWED (UTC)        EXPIRES (UTC)
nightly  held   node-7   42  2026-11-21 00:00:08   1h  2026-11-21 00:59:48  2026-11-21 01:02:48
weekly   stale  node-7   42  2026-11-21 00:00:08   1h  2026-11-21 00:00:08  2026-11-21 00:03:08
`, out)
	_, out, _ = k.run("status")
	require.Contains(t, out, "lock nightly: held, run other on host node-7 (pid 42), acquired 1h ago, renewed 20s ago\n")
	_, out, _ = k.run("status", "-o", "json")
	require.Contains(t, out, `"name": "weekly"`)

	code, _, errs := k.run("lock", "release", "nightly")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "confirmation required")
	code, _, errs = k.run("lock", "release", "nigtly", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no run holds the lock nigtly\nhint: did you mean nightly?")
	code, out, _ = k.run("lock", "release", "nightly", "-n")
	require.Equal(t, 0, code)
	require.Equal(t, "would release nightly, held by run other on host node-7 (pid 42)\n", out)
	require.Empty(t, k.c.CallsOf("DeleteDocument"))
	k.tty, k.in = true, "y\n"
	code, out, errs = k.run("lock", "release", "nightly")
	require.Equal(t, 0, code, errs)
	require.Contains(t, errs,
		"Release nightly? run other on host node-7 (pid 42) renewed it 20s ago. If that run is still going on, it changes nothing more. [y/N]")
	require.Equal(t, "nightly was released; it was held by run other on host node-7 (pid 42)\n", out)
	require.Equal(t, []string{"weekly"}, k.c.DocumentIDs(cluster.LockIndex))
}

// TestOwnIndicesAreLeftAlone: by actions, snapshots and restores of all command lines.
func TestOwnIndicesAreLeftAlone(t *testing.T) {
	all := "actions:\n  1:\n    action: delete_indices\n    filters: [{filtertype: none}]\n"
	save := "actions:\n  1:\n    action: snapshot\n    options: {repository: r, name: s1}\n    filters: [{filtertype: none}]\n"
	for _, args := range [][]string{
		{"run", all}, {"curator", all}, {"run", save}, {"curator", save}, {"--compat", "5", "curator", save},
		{"index", "delete", "*", "--yes"}, {"snapshot", "create", "r", "*"}, {"restore", "*", "--yes"},
		{"curator_cli", "delete_indices", "--filter_list", `{"filtertype":"none"}`},
	} {
		k := newConsole(t)
		k.c.AddRepository(cluster.Repository{Name: "r"})
		if args[0] == "restore" {
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "old", Indices: []string{"logs-1", cluster.HistoryIndex, cluster.LockIndex}})
		} else {
			k.c.AddIndices("logs-1", cluster.HistoryIndex, cluster.LockIndex)
		}
		if args[0] == "--compat" {
			k.env["ESNAP_COMPAT"], args = "5", args[2:]
		}
		for i, a := range args {
			if strings.HasPrefix(a, "actions:") {
				args[i] = k.file(a)
			}
		}
		code, out, errs := k.run(args...)
		require.Equal(t, 0, code, "%v %s %s", args, out, errs)
		written := 0
		for _, c := range k.c.CallsOf("DeleteIndices", "CreateSnapshot", "RestoreSnapshot") {
			written++
			text := fmt.Sprint(c.Names, c.Request)
			require.Contains(t, text, "logs-1", "%v", args)
			require.NotContains(t, text, "esnap-", "%v", args)
		}
		require.Positive(t, written, "%v", args)
	}
	for _, args := range [][]string{{"restore", "--red", "--yes"}, {"restore", "--whole-cluster", "--yes"}} {
		k := newConsole(t)
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "old", Indices: []string{"logs-1", cluster.LockIndex}})
		if args[1] == "--red" {
			k.c.AddIndices("logs-1", cluster.LockIndex)
			k.c.BreakIndex("logs-1", "no valid copy")
			k.c.BreakIndex(cluster.LockIndex, "no valid copy")
		}
		code, out, errs := k.run(args...)
		require.Equal(t, 0, code, "%v %s %s", args, out, errs)
		restored := k.c.CallsOf("RestoreSnapshot")
		require.Len(t, restored, 1, "%v", args)
		require.NotContains(t, fmt.Sprint(restored[0].Request), "esnap-locks", "%v", args)
	}
	k := newConsole(t)
	k.c.AddIndices("logs-1", cluster.HistoryIndex)
	code, _, _ := k.run("index", "delete", cluster.HistoryIndex, "--yes")
	require.Equal(t, 1, code, "also when it is named")
	require.Empty(t, k.c.Writes())
}

// records lists the history, newest first.
func (k *console) records() (list []history.Record) {
	k.t.Helper()
	list, err := history.List(k.ctx, k.c, 100)
	require.NoError(k.t, err)
	return list
}

func TestHistoryOfRuns(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01", "logs-2026.11.20")
	k.env["ESNAP_USERNAME"], k.env["ESNAP_PASSWORD"] = "ops", "canary-4711"
	file := k.file("history: true\n" + strings.ReplaceAll(deleteLogs, "action: delete_indices",
		"action: delete_indices\n    description: canary-4711"))
	_, _, _ = k.run("run", "-n", file)
	require.Empty(t, k.records())
	code, out, errs := k.run("run", file)
	require.Equal(t, 0, code, out+errs)
	code, _, _ = k.run("run", file) // nothing is selected
	require.Equal(t, 1, code)
	list := k.records()
	require.Len(t, list, 2)
	calls := k.c.Writes()
	require.Equal(t, "PutDocument", calls[len(calls)-1].Method, "written last")
	byCode := map[int]history.Record{list[0].ExitCode: list[0], list[1].ExitCode: list[1]}
	require.Equal(t, "run", byCode[0].Command)
	require.Equal(t, "action.yml", byCode[0].Job)
	require.Equal(t, "ops", byCode[0].User)
	require.NotEmpty(t, byCode[0].OSUser)
	require.NotEmpty(t, byCode[0].Host)
	require.Nil(t, byCode[0].Summary, "not in lists")
	r, err := history.Read(k.ctx, k.c, byCode[0].ID)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"done": 1}, r.Summary.Actions[0].Results)
	require.Equal(t, []history.Item{{Name: "logs-2026.11.01", Result: "done"}}, r.Summary.Actions[0].Items)

	code, out, _ = k.run("history")
	require.Equal(t, 0, code)
	require.Contains(t, out, byCode[0].ID)
	_, again, _ := k.run("history", "list")
	require.Equal(t, out, again)
	code, out, _ = k.run("history", "show", byCode[0].ID)
	require.Equal(t, 0, code)
	require.Contains(t, out, "\n1 delete_indices: done, 1 done\n  logs-2026.11.01: done\n")
	_, out, _ = k.run("history", "show", "-o", "json", byCode[1].ID)
	require.Contains(t, out, "nothing is selected")
	code, _, errs = k.run("history", "show", "nothing")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "there is no record nothing\nhint: esnap history list lists the records")

	k.env["ESNAP_HISTORY"] = "false"
	_, _, _ = k.run("run", file)
	require.Len(t, k.records(), 2, "the variable turns it off")
}

// TestHistoryOfCommands: with the reason, and failures too.
func TestHistoryOfCommands(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_CONFIG"] = k.file("history: true\ncluster:\n  url: http://h:9200\n")
	k.c.AddIndices("a", "b")
	k.c.AddRepository(cluster.Repository{Name: "r"})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"old"}})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s2", Indices: []string{"old"}})
	k.hold("nightly", time.Hour)
	for _, c := range []struct {
		want string
		args string
	}{
		{"delete_indices", "index delete a"}, {"delete_snapshots", "snapshot delete r s --guards off"}, {"restore", "restore old"},
		{"mark", "mark b --keep-for 3d"},
		{"purge", "purge old"}, {"lock release", "lock release nightly"}, {"unregister", "repository unregister r"},
	} {
		before := k.records()
		args := append(strings.Fields(c.args), "--reason", "ticket 7")
		switch c.want {
		case "mark":
		case "purge":
			args = append(args, "--confirm", "old", "--record", filepath.Join(t.TempDir(), "record"))
		default:
			args = append(args, "--yes")
		}
		code, out, errs := k.run(append(args, "-n")...)
		require.Equal(t, 0, code, out+errs)
		require.Len(t, k.records(), len(before), "a dry run")
		code, out, errs = k.run(args...)
		require.Equal(t, 0, code, out+errs)
		list := k.records()
		require.Len(t, list, len(before)+1, c.args)
		found := false
		for _, r := range list {
			if r.Command == c.want {
				found = true
				require.Equal(t, "ticket 7", r.Reason)
				require.Zero(t, r.ExitCode)
				r, err := history.Read(k.ctx, k.c, r.ID)
				require.NoError(t, err)
				require.NotEmpty(t, r.Summary.Actions[0].Items)
			}
		}
		require.True(t, found, c.want)
	}
	_, out, _ := k.run("history", "-o", "wide")
	require.Equal(t, 7, strings.Count(out, "ticket 7"), out)
}

// TestHistoryThatCannotBeWritten is a warning in the log.
func TestHistoryThatCannotBeWritten(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_HISTORY"], k.env["ESNAP_LOG_LEVEL"] = "true", "warning"
	k.c.AddIndices("logs-2026.11.01", "b")
	k.c.Fault = func(method string, _ []string) error {
		if method == "PutDocument" {
			return errors.New("disk full")
		}
		return nil
	}
	for _, args := range [][]string{{"run", k.file(deleteLogs)}, {"mark", "b", "--keep-for", "3d"}} {
		code, _, errs := k.run(args...)
		require.Equal(t, 0, code)
		require.Contains(t, errs, "was not written to the history: write document esnap-history/")
	}
}
