package cmd

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const nightFile = `
repositories:
  backups: {type: fs, settings: {location: backups}}
actions:
  1:
    action: snapshot
    options: {repository: backups, name: 'logs-%Y%m%d%H%M%S', once_per: day}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: delete_snapshots
    options: {repository: backups, ignore_empty_list: true}
    filters: [{filtertype: retain, cover: 400d}]
  3:
    action: delete_indices
    options: {ignore_empty_list: true, require_snapshot: {repositories: [backups]}}
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}
`

// day is the name of the logs of so many days before.
func logsOf(ago int) string { return "logs-" + now.AddDate(0, 0, -ago).Format("2006.01.02") }

// twentyNights are snapshots of eight days each; the cluster has the last eight days. skip
// leaves out nights.
func twentyNights(k *console, skip func(ago int) bool) {
	k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
	for ago := 20; ago >= 0; ago-- {
		var names []string
		for d := range 8 {
			names = append(names, logsOf(ago+d))
		}
		start := now.AddDate(0, 0, -ago).Add(2 * time.Hour) // today's is at three
		if start.After(now) {
			start = now.Add(-time.Minute)
		}
		if skip == nil || !skip(ago) {
			k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-" + start.Format("20060102150405"), Indices: names, Start: start})
		}
	}
	for d := range 8 {
		k.c.AddIndex(cluster.Index{Name: logsOf(d), Created: now.AddDate(0, 0, -d).Truncate(24 * time.Hour)})
	}
}

func TestCheck(t *testing.T) {
	t.Run("all is well", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		file := k.file(nightFile)
		calls := len(k.c.Calls())
		code, out, errs := k.run("check", file)
		require.Equal(t, 0, code, out+errs)
		require.True(t, strings.HasPrefix(out, "ESNAP OK: "), out)
		require.Contains(t, out, "series backups/logs-%Y%m%d%H%M%S: the newest good snapshot, logs-20261121005908, is 1m old")
		require.Contains(t, out, "days logs-%Y.%m.%d: 26 of 28 days are in snapshots; 2 not due yet")
		require.Contains(t, out, "2026-11  #############======oo")
		listing := 0
		for _, c := range k.c.Calls()[calls:] {
			if c.Method == "Indices" || c.Method == "Snapshots" || c.Method == "Repositories" {
				listing++
			}
		}
		require.Equal(t, 3, listing, "each listing is read once")
	})
	t.Run("no snapshot for three nights", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, func(ago int) bool { return ago < 3 })
		code, out, _ := k.run("check", k.file(nightFile))
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "is 2d old; it may be 26h old")
		require.Contains(t, out, "1 overdue, the last is "+logsOf(3))
	})
	theirs := func(t *testing.T, k *console, which func(*cluster.Snapshot) bool) {
		t.Helper()
		list, err := k.c.Snapshots(t.Context(), "backups", true)
		require.NoError(t, err)
		for _, x := range list {
			if which(x) {
				x.Cluster = "another-cluster"
				k.c.AddSnapshot("backups", *x)
			}
		}
	}
	t.Run("the newest snapshots are another cluster's", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		theirs(t, k, func(x *cluster.Snapshot) bool { return x.Start.After(now.AddDate(0, 0, -3)) })
		for _, args := range [][]string{{"check", k.file(nightFile)}, {"check", "--max-age", "24h"}} {
			code, out, _ := k.run(args...)
			require.Equal(t, 2, code, out)
			require.Contains(t, out, "is 3d old; it may be 26h old")
		}
		_, out, _ := k.run("check", k.file(nightFile))
		require.Contains(t, out, "2 overdue, the last is "+logsOf(3))
	})
	t.Run("the cluster was built anew", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		theirs(t, k, func(x *cluster.Snapshot) bool { return x.Start.Before(now.AddDate(0, 0, -10)) })
		_, out, _ := k.run("check", k.file(nightFile))
		require.Contains(t, out, "26 of 28 days are in snapshots; 2 not due yet, the last is logs-2026.11.21; "+
			"10 only in snapshots that another cluster took")
		_, out, _ = k.run("check", "--index", "logs-%Y.%m.%d", "--days", "30", "-o", "csv")
		require.Regexp(t, `2026-11-01,logs-2026\.11\.01,.*,another-cluster\n`, out)
	})
	t.Run("an index that the file takes is in no snapshot", func(t *testing.T) {
		k := newConsole(t)
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "app-20261121000000", Indices: []string{"app-2026.11.19"}, Start: now.Add(-time.Hour)})
		for _, day := range []string{"app-2026.11.19", "app-2026.11.18"} { // the second was red, and skipped
			k.c.AddIndex(cluster.Index{Name: day, Created: now.AddDate(0, 0, -3)})
		}
		code, out, _ := k.run("check", k.file(`
actions:
  1:
    action: snapshot
    options: {repository: backups, name: 'app-%Y%m%d%H%M%S', once_per: day, skip_red: true}
    filters: [{filtertype: pattern, kind: prefix, value: app-}]
`))
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "no snapshot in backups contains a complete copy of 1 index that the file takes there: app-2026.11.18")
	})
	t.Run("two repositories", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddSnapshot("s3", cluster.Snapshot{
			Name: "logs-20261120030000", Indices: []string{logsOf(9), logsOf(7)}, Start: now.AddDate(0, 0, -1),
		})
		second := strings.Replace(strings.Replace(nightFile, "  3:\n", "  4:\n", 1), "  4:\n",
			"  3:\n    action: delete_snapshots\n    options: {repository: s3, ignore_empty_list: true}\n"+
				"    filters: [{filtertype: retain, cover: 400d}]\n  4:\n", 1)
		second = strings.Replace(second, "actions:", "  s3: {type: fs, settings: {location: s3}}\nactions:", 1)
		_, out, _ := k.run("check", k.file(second))
		require.Contains(t, out, "days logs-%Y.%m.%d in backups: 26 of 28 days")
		require.Contains(t, out, "days logs-%Y.%m.%d in s3: 2 of ")
		require.Contains(t, out, "\nlogs-%Y.%m.%d in s3\n")
	})
	t.Run("a day was lost", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		list, err := k.c.Snapshots(t.Context(), "backups", true)
		require.NoError(t, err)
		for _, x := range list { // the index of that day is in none
			x.Indices = slices.DeleteFunc(x.Indices, func(i string) bool { return i == logsOf(11) })
			k.c.AddSnapshot("backups", *x)
		}
		file, state := k.file(nightFile), filepath.Join(t.TempDir(), "state.json")
		_, out, _ := k.run("check", file, "--state", state)
		require.Contains(t, out, "without an index, the last is "+logsOf(11))
		require.NoError(t, os.WriteFile(state, []byte(`{"seen": ["`+logsOf(11)+`"]}`), 0o600))
		code, out, _ := k.run("check", file, "--state", state)
		require.Equal(t, 2, code)
		require.Contains(t, out, "1 lost, the last is "+logsOf(11))
		code, out, _ = k.run("check", file)
		require.Equal(t, 1, code, out)
		code, _, _ = k.run("check", file, "--fail-on", "critical")
		require.Equal(t, 0, code)
		code, out, _ = k.run("check", file, "--gaps", "ok")
		require.Equal(t, 0, code, out)
	})
	t.Run("a day that a run saw was lost", func(t *testing.T) {
		k := newConsole(t)
		k.env["ESNAP_HISTORY"] = "true"
		twentyNights(k, nil)
		file := k.file(nightFile)
		k.c.AddIndex(cluster.Index{Name: logsOf(30), Created: now.AddDate(0, 0, -30)})
		code, _, errs := k.run("run", file)
		require.Equal(t, 0, code, errs)
		_ = k.c.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{logsOf(30)}}) // the run may have done it
		list, err := k.c.Snapshots(t.Context(), "backups", true)
		require.NoError(t, err)
		for _, x := range list {
			if x.Holds(logsOf(30)) {
				require.NoError(t, k.c.DeleteSnapshots(t.Context(), cluster.DeleteSnapshots{Repository: "backups", Names: []string{x.Name}}))
			}
		}
		code, out, _ := k.run("check", file)
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "1 lost, the last is "+logsOf(30))
	})
	t.Run("what the file would delete without a copy", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddIndex(cluster.Index{Name: "logs-2026.08.01", Created: now.AddDate(0, -3, 0)})
		code, out, _ := k.run("check", k.file(strings.Replace(nightFile, ", require_snapshot: {repositories: [backups]}", "", 1)))
		require.Equal(t, 2, code)
		require.Contains(t, out, "action 3: delete_indices would delete 1 index of which no snapshot contains a complete copy: logs-2026.08.01")
		code, out, _ = k.run("check", k.file(nightFile), "--gaps", "ok")
		require.Equal(t, 2, code)
		require.Contains(t, out, "is waiting for copies of 1 index: logs-2026.08.01")
	})
	t.Run("repositories", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups", "readonly": "true"}})
		code, out, _ := k.run("check", k.file(nightFile))
		require.Equal(t, 2, code)
		require.Contains(t, out, "repository backups: is registered read-only, but action 1 takes snapshots in it")
		require.Contains(t, out, "repository backups: readonly is true in the cluster but ")
		k = newConsole(t)
		code, out, _ = k.run("check", k.file(nightFile))
		require.Equal(t, 2, code)
		require.True(t, strings.HasPrefix(out, "ESNAP CRITICAL: repository backups: is not registered in the cluster"), out)
	})
	t.Run("without a file", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		code, out, _ := k.run("check")
		require.Equal(t, 3, code)
		require.True(t, strings.HasPrefix(out, "ESNAP UNKNOWN: series: nothing says how old"), out)
		code, _, _ = k.run("check", "--max-age", "26h")
		require.Equal(t, 0, code)
		k.c.AddSnapshot("other", cluster.Snapshot{Name: "old-2026.01.01", Indices: []string{"x"}, Start: now.AddDate(0, -10, 0)})
		code, out, _ = k.run("check", "--max-age", "26h")
		require.Equal(t, 2, code)
		require.Contains(t, out, "series other/old-*")
		code, _, _ = k.run("check", "--max-age", "26h", "--repository", "backups")
		require.Equal(t, 0, code)
	})
	t.Run("families without a file", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		code, out, _ := k.run("check", "--max-age", "26h")
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "family logs-*: snapshots contain all that should be in one: 5 indices")
		k.c.AddIndex(cluster.Index{Name: "audit-2026.11.10", Created: now.AddDate(0, 0, -11)})
		code, out, _ = k.run("check", "--max-age", "26h", "--fail-on", "warning")
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "family audit-*: no snapshot contains any of its 1 index")
		k.c.AddSnapshot("backups", cluster.Snapshot{
			Name:    "logs-20261110120000",
			Indices: []string{"audit-2026.11.10"},
			Start:   now.AddDate(0, 0, -11).Add(12 * time.Hour),
		})
		code, out, _ = k.run("check", "--max-age", "26h")
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "family audit-*: no snapshot contains a complete copy of 1 of 1 index that should be in one: audit-2026.11.10")
	})
	t.Run("no new index for two periods", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		for _, n := range []string{
			"logs-m-2026.10", "logs-m-2026.11", "logs-w-2026.w47", "logs-w-2026.w46", "logs-old-2026.11.15",
			"logs-old-2026.11.16",
		} {
			k.c.AddIndex(cluster.Index{Name: n, Created: now.AddDate(0, 0, -40)})
		}
		file := k.file(nightFile)
		_, out, _ := k.run("check", file)
		require.Contains(t, out, "the newest index, logs-old-2026.11.16, is of 2026-11-16: no new one came for two days")
		require.Equal(t, 1, strings.Count(out, "no new one came"), "months and weeks have periods of their own: %s", out)
		_, out, _ = k.run("check", file, "--gaps", "ok")
		require.NotContains(t, out, "no new one came")
	})
	t.Run("names in any form of date math", func(t *testing.T) {
		for name, taken := range map[string]string{
			"<snap-{now/w{xxxx-ww}}>":    "snap-2026-47",
			"<snap-{now/d}>":             "snap-2026.11.21-2",
			"<snap-{now/d{dd.MM.yy}}>":   "snap-21.11.26",
			"<snap-{now/d{yyMMdd}}>":     "snap-261121-3",
			"<snap-{now/d{MM-dd-yyyy}}>": "snap-11-21-2026",
			"<snap-{now/y{yyyy}}>":       "snap-2026",
		} {
			k := newConsole(t)
			k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
			k.c.AddIndex(cluster.Index{Name: "logs-2026.11.19", Created: now.AddDate(0, 0, -2)})
			k.c.AddSnapshot("backups", cluster.Snapshot{Name: taken, Indices: []string{"logs-2026.11.19"}, Start: now.Add(-time.Hour)})
			file := "actions: {1: {action: snapshot, options: {repository: backups, name: '" + name + "', once_per: day}, " +
				"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}, " +
				"2: {action: delete_snapshots, options: {repository: backups}, filters: [" +
				"{filtertype: pattern, kind: prefix, value: snap-}, {filtertype: retain, cover: 400d, series: ['snap-*']}]}}"
			code, out, errs := k.run("check", k.file(file))
			require.Equal(t, 0, code, out+errs)
			require.Contains(t, out, "the newest good snapshot, "+taken+", is 1h old", name)
			require.Contains(t, out, "days logs-%Y.%m.%d: 1 of 1 days", "what the file retains: %s", name)
		}
	})
	t.Run("undated names", func(t *testing.T) {
		k := newConsole(t)
		k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
		k.c.AddIndex(cluster.Index{Name: "orders", Created: now.AddDate(0, -1, 0)})
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-20261121000000", Indices: []string{"orders"}, Start: now.Add(-time.Hour)})
		code, out, _ := k.run("check", k.file("actions: {1: {action: snapshot, options: {repository: backups, "+
			"name: 'logs-%Y%m%d%H%M%S', once_per: day}, filters: [{filtertype: none}]},"+
			" 2: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: orders}]}}"))
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "delete_indices would delete 1 index of which snapshots contain a copy, "+
			"but cannot tell whether it is complete: orders")
	})
	t.Run("another file saves what this one deletes", func(t *testing.T) {
		for _, options := range []string{"options: {require_snapshot: {repositories: [backups]}}, ", ""} {
			k := newConsole(t)
			k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
			k.c.AddIndex(cluster.Index{Name: "logs-2026.10.21", Created: now.AddDate(0, -1, 0)})
			k.c.AddSnapshot("backups", cluster.Snapshot{Name: "s", Indices: []string{"logs-2026.10.21"}, Start: now.Add(-time.Hour)})
			file := k.file("actions: {1: {action: delete_indices, " + options + "filters: [{filtertype: none}]}}")
			code, out, _ := k.run("check", "--gaps", "ok", file)
			require.Equal(t, 0, code, out)
			require.Contains(t, out, "snapshots contain a complete copy of all that delete_indices would delete: 1 index")
			k.c.AddIndex(cluster.Index{Name: "logs-2026.10.22", Created: now.AddDate(0, -1, 0)})
			code, out, _ = k.run("check", "--gaps", "ok", file)
			require.Equal(t, map[bool]int{true: 2, false: 1}[options == ""], code, out)
			k.c.Fault = func(call string, _ []string) error {
				if call == "Snapshots" {
					return &cluster.Error{Op: "list", Kind: cluster.ErrRepository}
				}
				return nil
			}
			code, out, _ = k.run("check", "--gaps", "ok", file)
			require.Equal(t, map[bool]int{true: 3, false: 2}[options == ""], code, out)
			require.Equal(t, options == "", strings.Contains(out, "of which a complete copy may be in backups, which could not be read"), out)
		}
	})
	t.Run("an action that would be refused", func(t *testing.T) {
		k := newConsole(t)
		for _, name := range []string{"backups", "again"} {
			k.c.AddRepository(cluster.Repository{Name: name, Type: "fs", Settings: map[string]string{"location": "backups"}})
		}
		k.c.AddIndex(cluster.Index{Name: "orders", Created: now.AddDate(0, -1, 0)})
		code, out, _ := k.run("check", k.file("actions: {1: {action: delete_indices, "+
			"options: {require_snapshot: {repositories: [backups, again]}}, filters: [{filtertype: none}]}}"))
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "delete_indices is refused: require_snapshot asks for copies in 2 repositories, "+
			"but again and backups are one place")
	})
	t.Run("weeks on the command line", func(t *testing.T) {
		k := newConsole(t)
		k.c.AddIndex(cluster.Index{Name: "w-2026.46", Created: now.AddDate(0, 0, -12)})
		k.c.AddIndex(cluster.Index{Name: "w-2026.47", Created: now.AddDate(0, 0, -5)})
		k.c.AddSnapshot("backups", cluster.Snapshot{
			Name:    "s-2026.11.20",
			Indices: []string{"w-2026.46", "w-2026.47"},
			Start:   now.Add(-24 * time.Hour),
		})
		code, out, _ := k.run("check", "--max-age", "26h", "--index", "w-%G.%V", "--days", "10")
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "days w-%G.%V: 1 of 2 weeks are in snapshots; 1 not due yet")
	})
	t.Run("hours on the command line", func(t *testing.T) {
		k := newConsole(t)
		at := now.Truncate(time.Hour)
		for h := range 5 {
			k.c.AddIndex(cluster.Index{
				Name:    at.Add(-time.Duration(h) * time.Hour).Format("h-2006.01.02.15"),
				Created: at.Add(-time.Duration(h) * time.Hour),
			})
		}
		_, out, _ := k.run("check", "--max-age", "26h", "--index", "h-%Y.%m.%d.%H", "--days", "1", "-o", "csv")
		require.Contains(t, out, "h-"+at.Format("2006.01.02.15")+",pending,true")
	})
	t.Run("days on the command line", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		code, out, _ := k.run("check", "--days", "40", "--index", "logs-%Y.%m.%d", "-o", "csv")
		require.Equal(t, 1, code, "there was no index in the first days")
		require.Contains(t, out, "2026-10-20,logs-2026.10.20,no_index,false,0,0,,,\n")
		require.Contains(t, out, "2026-11-10,logs-2026.11.10,held,false,8,7,backups/logs-20261117030008,,\n")
		require.Contains(t, out, "2026-11-19,logs-2026.11.19,held_live,true,3,2,backups/logs-20261121005908,,\n")
		_, out, _ = k.run("check", "--days", "3", "--index", "logs-%Y.%m.%d", "-o", "json")
		var j struct {
			Status    string `json:"status"`
			Calendars []struct {
				Days []struct {
					State string `json:"state"`
					Until string `json:"until"`
				} `json:"days"`
			} `json:"calendars"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &j))
		require.Equal(t, "pending", j.Calendars[0].Days[3].State)
		require.Equal(t, "2026-11-21T00:59:08Z", j.Calendars[0].Days[3].Until)
	})
	t.Run("errors are UNKNOWN", func(t *testing.T) {
		for _, args := range [][]string{
			{"check", "/nowhere.yml"}, {"check", "a", "b"}, {"check", "--nosuch"}, {"check", "--max-age", "soon"}, {"check", "--max-age", ""},
			{"check", "--days", "4"}, {"check", "--gaps", "bad"}, {"check", "-o", "xml"},
			{"check", "--verify-attestation", "x"}, {"check", "--verify-attestation", "x", "--public-key-file", "y", "file.yml"},
			{"check", "--days", "99999999", "--index", "a-%Y.%m.%d"}, {"check", "--index-timezone", "Mars", "--max-age", "1d"},
		} {
			code, out, errs := newConsole(t).run(args...)
			require.Equal(t, 3, code, args)
			require.True(t, strings.HasPrefix(out, "ESNAP UNKNOWN: "), "%v: %s", args, out)
			require.NotEmpty(t, errs)
		}
		k := newConsole(t)
		k.c.Fault = func(string, []string) error { return errors.Join(cluster.ErrUnreachable) }
		code, out, _ := k.run("check", "--max-age", "1d")
		require.Equal(t, 3, code)
		require.True(t, strings.HasPrefix(out, "ESNAP UNKNOWN: "), out)
	})
	t.Run("PARTIAL every night", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		for n := range 3 {
			k.c.AddSnapshot("backups", cluster.Snapshot{
				Name:    "logs-2026112100" + string(rune('4'+n)) + "000",
				Indices: []string{logsOf(1)},
				Start:   now.Add(time.Duration(n-10) * time.Second),
				State:   cluster.Failed,
			})
		}
		code, out, _ := k.run("check", k.file(nightFile))
		require.Equal(t, 1, code)
		require.Contains(t, out, "the last 3 snapshots are not good")
	})
	t.Run("a snapshot without progress", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.SnapshotPolls = 100
		running := cluster.Snapshot{
			Name:    "logs-20261120050000",
			Start:   now.Add(-20 * time.Hour),
			State:   cluster.InProgress,
			Indices: []string{logsOf(1)},
		}
		k.c.AddSnapshot("backups", running)
		k.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "backups", Snapshot: running.Name, Started: running.Start}, -1)
		file, state := k.file(nightFile), filepath.Join(t.TempDir(), "state.json")
		look := func(after time.Duration) string {
			k.now = func() time.Time { return now.Add(after) }
			_, out, _ := k.run("check", file, "--max-age", "100d", "--gaps", "ok", "--state", state)
			return out
		}
		const name = "operation snapshot backups/logs-20261120050000: "
		require.Contains(t, look(0), name+"has been running for 20h", "nothing is known of it")
		require.NotContains(t, look(time.Hour), name)
		require.Contains(t, look(14*time.Hour), name+"has made no progress for 14h")
		k.c.SnapshotPolls = 50 // it moves
		require.NotContains(t, look(15*time.Hour), name)
		require.NotContains(t, look(26*time.Hour), name)
		require.Contains(t, look(28*time.Hour), name+"has made no progress for 13h")
	})
	t.Run("verify, and what runs for long", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddOperation(cluster.Operation{Kind: cluster.OpRestore, Repository: "backups", Snapshot: "s", Started: now.Add(-20 * time.Hour)}, -1)
		code, out, _ := k.run("check", k.file(nightFile), "--verify")
		require.Equal(t, 1, code)
		require.Contains(t, out, "operation restore backups/s: has been running for 20h")
		require.Contains(t, out, "repository backups: 1 node can write to it")
	})
}

func TestAttestation(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	dir := t.TempDir()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	write := func(name, kind string, der []byte, err error) string {
		require.NoError(t, err)
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	secret := write("key.pem", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKIXPublicKey(public)
	open := write("pub.pem", "PUBLIC KEY", der, err)
	proof, file := filepath.Join(dir, "proof.json"), k.file(nightFile)
	for n := range 3 {
		code, out, errs := k.run("check", file, "--attest", proof, "--signing-key-file", secret)
		require.Equal(t, 0, code, out+errs)
		require.Contains(t, out, "attestation number "+string(rune('1'+n))+" in "+proof)
	}
	// The document says what the check before saw: a day that is gone is lost.
	gone := filepath.Join(dir, "gone.json")
	days := []string{"check", "--days", "12", "--index", "logs-%Y.%m.%d", "--max-age", "26h", "--attest", gone, "--signing-key-file", secret}
	code, out, _ := k.run(days...)
	require.Equal(t, 0, code, out)
	lost := newConsole(t)
	lost.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
	for d := range 13 {
		if d < 8 {
			lost.c.AddIndex(cluster.Index{Name: logsOf(d), Created: now.AddDate(0, 0, -d).Truncate(24 * time.Hour)})
		}
		if at := now.AddDate(0, 0, 2-d).Add(-time.Hour); d != 9 && d > 1 {
			lost.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-" + at.Format("20060102"), Indices: []string{logsOf(d)}, Start: at})
		}
	}
	code, out, _ = lost.run("check", "--days", "12", "--index", "logs-%Y.%m.%d", "--max-age", "26h")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "1 without an index")
	for range 2 { // also by the next one
		code, out, _ = lost.run(days...)
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "1 lost, the last is "+logsOf(9))
	}
	verify := func() (int, string) {
		code, out, _ := k.run("check", "--verify-attestation", proof, "--public-key-file", open)
		return code, out
	}
	code, out = verify()
	require.Equal(t, 0, code, out)
	require.True(t, strings.HasPrefix(out, "ESNAP OK: 3 attestations verified, 0 errors\n"), out)

	// A run that is killed between the copy and the new document loses nothing.
	last, err := os.ReadFile(proof)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(proof+".000003", last, 0o644))
	code, out = verify()
	require.Equal(t, 0, code, out)
	require.True(t, strings.HasPrefix(out, "ESNAP OK: 3 attestations verified, 0 errors\n"), out)
	require.NoError(t, os.Remove(proof+".000003"))

	// A day whose index a drill restored rests on that.
	state := filepath.Join(dir, "state.json")
	code, out, errs := k.run("drill", "--state", state)
	require.Equal(t, 0, code, out+errs)
	other := filepath.Join(dir, "drilled.json")
	code, out, errs = k.run("check", file, "--state", state, "--attest", other, "--signing-key-file", secret)
	require.Equal(t, 0, code, out+errs)
	drilled, err := os.ReadFile(other)
	require.NoError(t, err)
	var document struct {
		Document struct {
			Days map[string][]struct{ Index, Basis string }
		}
	}
	require.NoError(t, json.Unmarshal(drilled, &document))
	for _, d := range document.Document.Days["logs-%Y.%m.%d"] {
		want := "listed"
		if d.Index == logsOf(2) {
			want = "drill"
		}
		require.Equal(t, want, d.Basis, d.Index)
	}

	second := proof + ".000002"
	data, err := os.ReadFile(second)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(second, []byte(strings.Replace(string(data), `"OK"`, `"WARNING"`, 1)), 0o600))
	code, out = verify()
	require.Equal(t, 2, code)
	require.Contains(t, out, "the signature does not match: the document was changed")
	// What another program would read instead of what was signed.
	for _, forged := range []string{
		strings.Replace(string(data), "{", `{"document":{"status":"OK"},`, 1),
		`{"document":{"status":"OK"},` + strings.Replace(string(data), `"document"`, `"Document"`, 1)[1:],
		strings.Replace(string(data), "{", `{"more":1,`, 1),
	} {
		require.NoError(t, os.WriteFile(second, []byte(forged), 0o600))
		code, out = verify()
		require.Equal(t, 2, code, forged)
		require.Contains(t, out, "the document was changed")
	}
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, data, "", "    "))
	require.NoError(t, os.WriteFile(second, indented.Bytes(), 0o600))
	code, out = verify()
	require.Equal(t, 0, code, out)
	require.NoError(t, os.Remove(second))
	_, out = verify()
	require.Contains(t, out, "number 3 follows number 1: documents are missing")
	require.NoError(t, os.Remove(proof))
	require.NoError(t, os.Rename(proof+".000001", proof)) // somebody goes back, and writes another second one
	code, out, errs = k.run("check", file, "--state", state, "--attest", proof, "--signing-key-file", secret)
	require.Equal(t, 0, code, out+errs)
	require.NoError(t, os.WriteFile(second, data, 0o600))
	_, out = verify()
	require.Contains(t, out, "both have number 2: the chain has a fork")

	require.NoError(t, os.Chmod(secret, 0o644))
	code, out, _ = k.run("check", file, "--attest", proof, "--signing-key-file", secret)
	require.Equal(t, 3, code)
	require.Contains(t, out, "can be read by others")
}

// What check cannot read, it does not pass over.
func TestCheckOfAUserWhoSeesSome(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	k.c.Hides.Indices = errors.New("not all are seen")
	code, out, _ := k.run("check", k.file(nightFile))
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "indices: some may be missing: not all are seen")
}

func TestStatusOfAUserWhoSeesSome(t *testing.T) {
	k := newConsole(t)
	k.c.Hides.Operations = errors.New("not all are seen")
	code, out, _ := k.run("status")
	require.Zero(t, code, out)
	require.Contains(t, out, "no snapshot is running; not all are seen")
}

func TestCheckWithoutAPrivilege(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	file := k.file(nightFile)
	k.c.AddIndex(cluster.Index{Name: "logs-2026.11.01", Aliases: []string{"today"}})
	k.c.Fault = func(method string, _ []string) error {
		if method == "WriteAliases" {
			return &cluster.Error{Op: "list write aliases", Kind: cluster.ErrForbidden, Status: 403, Hint: "give the user view_index_metadata"}
		}
		return nil
	}
	_, out, errs := k.run("check", file)
	require.Contains(t, out, "UNKNOWN", errs)
	require.Contains(t, out, "cannot tell what delete_indices would delete: list write aliases: ")
}

// TestNewestCopyIsTheOneToRestore: where a late document created the index of an old day
// again, a check names the copy that restore chooses.
func TestNewestCopyIsTheOneToRestore(t *testing.T) {
	for name, late := range map[string]int64{"a stub": 1 << 10, "the index itself, which one snapshot lacked": 99 << 20} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
			index := logsOf(9)
			for ago, size := range map[int]int64{7: 100 << 20, 6: 100 << 20, 5: 0, 4: late, 3: late} {
				at := now.AddDate(0, 0, -ago)
				s := cluster.Snapshot{Name: "logs-" + at.Format("20060102"), Indices: []string{logsOf(ago + 2)}, Start: at}
				if size > 0 && ago+2 != 9 {
					s.Indices = append(s.Indices, index)
				}
				k.c.AddSnapshot("backups", s, cluster.Index{Name: index, Stats: &cluster.IndexStats{PrimaryBytes: size}})
			}
			_, out, errs := k.run("check", "--days", "10", "--index", "logs-%Y.%m.%d", "--max-age", "96h", "-o", "csv")
			_, plan, errs2 := k.run("restore", index, "-n", "-o", "json")
			var chosen string
			for line := range strings.Lines(out) {
				if f := strings.Split(line, ","); f[1] == index {
					chosen = strings.TrimPrefix(f[6], "backups/")
				}
			}
			require.NotEmpty(t, chosen, out+errs)
			require.Contains(t, plan, `"snapshot": "`+chosen+`"`, plan+errs2)
			want := now.AddDate(0, 0, -3)
			if late < 1<<20 {
				want = now.AddDate(0, 0, -7)
			}
			require.Equal(t, "logs-"+want.Format("20060102"), chosen)
		})
	}
}

// TestCheckDayFirst: a date that may be of two days is that which the timestring of the action reads.
func TestCheckDayFirst(t *testing.T) {
	k := newConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
	var names []string
	for ago := 2; ago < 60; ago++ {
		names = append(names, "logs-"+now.AddDate(0, 0, -ago).Format("02-01-2006"))
	}
	for ago := 60; ago >= 0; ago-- {
		var in []string
		for i, n := range names {
			if i+2 > ago {
				in = append(in, n)
			}
		}
		at := now.AddDate(0, 0, -ago)
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-" + at.Format("20060102"), Indices: in, Start: at.Add(-time.Hour)})
	}
	for ago := 0; ago < 60; ago++ {
		d := now.AddDate(0, 0, -ago)
		k.c.AddIndex(cluster.Index{Name: "logs-" + d.Format("02-01-2006"), Created: d.Truncate(24 * time.Hour)})
	}
	file := k.file(`
repositories:
  backups: {type: fs, settings: {location: backups}}
actions:
  1:
    action: snapshot
    options: {repository: backups, name: 'logs-%Y%m%d', once_per: day}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: delete_snapshots
    options: {repository: backups, ignore_empty_list: true}
    filters: [{filtertype: retain, cover: 400d}]
  3:
    action: delete_indices
    options: {ignore_empty_list: true, require_snapshot: {repositories: [backups]}}
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
    - {filtertype: age, source: name, timestring: '%d-%m-%Y', direction: older, unit: days, unit_count: 7}
`)
	code, out, errs := k.run("check", file)
	require.Zero(t, code, out+errs)
	require.Contains(t, out, "snapshots contain a complete copy of all that delete_indices would delete: 53 indices")
	code, out, errs = k.run("run", file)
	require.Zero(t, code, out+errs)
	require.Len(t, k.indices(), 7)
}

// TestCheckBesideABrokenRepository that the file does not name: it hides nothing.
func TestCheckBesideABrokenRepository(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	k.c.AddRepository(cluster.Repository{Name: "old", Type: "fs", Settings: map[string]string{"location": "gone"}})
	k.c.AddIndex(cluster.Index{Name: "tmp-2026.10.01", Created: now.AddDate(0, 0, -50)})
	k.c.Fault = func(call string, args []string) error {
		if call == "Snapshots" && len(args) > 0 && args[0] == "old" {
			return &cluster.Error{Op: "list", Kind: cluster.ErrRepository}
		}
		return nil
	}
	code, out, _ := k.run("check", "--gaps", "ok", k.file(nightFile+"  4: {action: delete_indices, options: {ignore_empty_list: true}, "+
		"filters: [{filtertype: pattern, kind: prefix, value: tmp-}]}\n"))
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "no snapshot contains a complete copy: tmp-2026.10.01 (old could not be read)")
	require.Equal(t, 2, strings.Count(out, "could not be read"), "in the first line, too: %s", out)
}

// TestCheckDataStreams: a data stream is a family, though its backing indices are hidden. An index that
// was rolled over a moment ago is not due before the next snapshot.
func TestCheckDataStreams(t *testing.T) {
	k := newConsole(t)
	stream := func(name string, n int, rolled time.Time, write bool) {
		k.c.AddIndex(cluster.Index{Name: fmt.Sprintf(".ds-%s-2026.11.01-%06d", name, n), DataStream: name, DataStreamWriteIndex: write,
			Hidden: true, Created: now.AddDate(0, 0, -20), Rolled: rolled})
	}
	stream("logs-x", 1, now.Add(-time.Hour), false)
	stream("logs-x", 2, time.Time{}, true)
	stream("ilm-history-7", 1, time.Time{}, true)
	stream(".fleet", 1, time.Time{}, true)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-1", Start: now.Add(-5 * time.Hour), DataStreams: []string{"logs-x"},
		Indices: []string{".ds-logs-x-2026.11.01-000001", ".ds-logs-x-2026.11.01-000002"}})
	code, out, errs := k.run("check", "--max-age", "26h")
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, out, "family data stream logs-x: snapshots contain all that should be in one: 1 index")
	require.NotContains(t, out, "ilm-history")
	require.NotContains(t, out, "fleet")

	stream("logs-y", 1, time.Time{}, true)
	code, out, _ = k.run("check", "--max-age", "26h")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "family data stream logs-y: no snapshot contains any of its 1 index")
}
