package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// takes is an action file that takes logs- into repositories, and covers the first one.
func takes(k *console, options string, repositories ...string) string {
	text := "actions:\n"
	for n, r := range repositories {
		text += "  " + string(rune('1'+n)) + ": {action: snapshot, options: {repository: " + r + ", name: 'logs-%Y%m%d%H%M%S', once_per: day, " +
			"skip_red: true}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}\n"
	}
	return k.file(text + "  9: {action: delete_snapshots, options: {repository: " + repositories[0] + ", ignore_empty_list: true}, " +
		"filters: [{filtertype: retain, cover: 400d" + options + "}]}\n")
}

// dayRow is a day of a check as CSV.
func dayRow(out, index string) []string {
	for line := range strings.Lines(out) {
		if f := strings.Split(strings.TrimSpace(line), ","); f[1] == index {
			return f
		}
	}
	return nil
}

// without takes an index out of the snapshots that were started after a time.
func without(t *testing.T, k *console, index string, after time.Time) {
	list, err := k.c.Snapshots(t.Context(), "backups", true)
	require.NoError(t, err)
	for _, s := range list {
		if s.Start.After(after) {
			changed := *s
			changed.Indices = slices.DeleteFunc(slices.Clone(s.Indices), func(n string) bool { return n == index })
			k.c.AddSnapshot("backups", changed)
		}
	}
}

// TestCheckRecreatedIndex: a copy of the index that had the name before is none of the one that
// the cluster has.
func TestCheckRecreatedIndex(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	k.c.AddIndex(cluster.Index{Name: logsOf(5), Created: now.Add(-60 * time.Hour)})
	without(t, k, logsOf(5), now.Add(-60*time.Hour))
	for _, args := range [][]string{{takes(k, "", "backups")}, {"--days", "10", "--index", "logs-%Y.%m.%d"}, {"--max-age", "24h"}} {
		code, out, errs := k.run(append([]string{"check", "--gaps", "ok"}, args...)...)
		require.Equal(t, 2, code, out+errs)
		require.Contains(t, out, logsOf(5))
	}
	_, out, _ := k.run("check", "--days", "10", "--index", "logs-%Y.%m.%d", "-o", "csv")
	require.Equal(t, "overdue", dayRow(out, logsOf(5))[2], out)
}

// TestCheckUndatedIndex: an index that may have changed needs a copy that is not older than
// snapshots may be.
func TestCheckUndatedIndex(t *testing.T) {
	k := newConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
	for _, name := range []string{"orders", "other"} {
		k.c.AddIndex(cluster.Index{Name: name, Created: now.AddDate(-2, 0, 0)})
	}
	k.c.AddSnapshot("backups", cluster.Snapshot{Name: "n-20251120010000", Indices: []string{"orders", "other"}, Start: now.AddDate(-1, 0, 0)})
	at := now.Add(-time.Hour)
	k.c.AddSnapshot("backups", cluster.Snapshot{Name: "n-" + at.Format("20060102150405"), Indices: []string{"other"}, Start: at})
	file := k.file("actions: {1: {action: snapshot, options: {repository: backups, name: 'n-%Y%m%d%H%M%S', once_per: day}, " +
		"filters: [{filtertype: none}]}}")
	for _, args := range [][]string{{"--max-age", "24h"}, {file}} {
		code, out, errs := k.run(append([]string{"check"}, args...)...)
		require.Equal(t, 2, code, out+errs)
		require.Regexp(t, "CRITICAL +family orders", out)
		require.NotRegexp(t, "CRITICAL +family other", out)
	}
}

// TestCheckLostFamily: days and months that an earlier check saw are lost, also when nothing of
// their family is left.
func TestCheckLostFamily(t *testing.T) {
	for family, name := range map[string]string{"logs-audit-%Y.%m.%d": "logs-audit-2026.11.17", "logs-m-%Y.%m": "logs-m-2026.10"} {
		k := newConsole(t)
		twentyNights(k, nil)
		state := filepath.Join(t.TempDir(), "state.json")
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-20261120005000", Indices: []string{name}, Start: now.AddDate(0, 0, -1)})
		file := takes(k, "", "backups")
		code, out, errs := k.run("check", file, "--state", state, "--gaps", "ok")
		require.Equal(t, 0, code, out+errs)
		gone := cluster.DeleteSnapshots{Repository: "backups", Names: []string{"logs-20261120005000"}}
		require.NoError(t, k.c.DeleteSnapshots(t.Context(), gone))
		code, out, errs = k.run("check", file, "--state", state, "--gaps", "ok")
		require.Equal(t, 2, code, out+errs)
		require.Contains(t, out, "days "+family)
		require.Contains(t, out, "1 lost, the last is "+name)
	}
}

// TestCheckSecondRepository: days that one repository covers are not in another one.
func TestCheckSecondRepository(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	k.c.AddRepository(cluster.Repository{Name: "second", Type: "fs", Settings: map[string]string{"location": "second"}})
	for ago := 20; ago >= 0; ago-- {
		start := now.AddDate(0, 0, -ago).Add(-time.Hour)
		k.c.AddSnapshot("second", cluster.Snapshot{Name: "logs-" + start.Format("20060102150405"), Indices: []string{logsOf(ago)}, Start: start})
	}
	code, out, errs := k.run("check", takes(k, "", "backups", "second"), "--gaps", "ok")
	require.Equal(t, 2, code, out+errs)
	require.Contains(t, out, "no snapshot in second contains a complete copy of 5 indices")
}

// TestCheckStub: a day of which there is only a copy from before its end, and a late document, is
// not whole.
func TestCheckStub(t *testing.T) {
	k := newConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
	x := logsOf(15)
	for ago := 20; ago >= 0; ago-- {
		var names []string
		for d := range 8 {
			if n := logsOf(ago + d); n != x || ago == 15 || ago == 6 {
				names = append(names, n)
			}
		}
		size := int64(100 << 20) // at 02:00 of its own day
		if ago == 6 {
			names, size = append(names, x), 1000
		}
		start := now.AddDate(0, 0, -ago).Add(2 * time.Hour)
		if start.After(now) {
			start = now.Add(-time.Minute)
		}
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "logs-" + start.Format("20060102150405"), Indices: names, Start: start},
			cluster.Index{Name: x, Stats: &cluster.IndexStats{PrimaryBytes: size}})
	}
	code, out, errs := k.run("check", "--days", "19", "--index", "logs-%Y.%m.%d", "--gaps", "ok", "-o", "csv")
	require.Equal(t, 2, code, out+errs)
	require.Equal(t, "incomplete", dayRow(out, x)[2], out)
	_, out, errs = k.run("restore", x, "-n")
	require.Contains(t, out+errs, "the index was deleted and created again meanwhile; --snapshot logs-")
}

// TestCheckNamesTheCopyOfRestore: also with several repositories.
func TestCheckNamesTheCopyOfRestore(t *testing.T) {
	x := logsOf(12)
	stub := cluster.Index{Name: x, Stats: &cluster.IndexStats{PrimaryBytes: 10}}
	for name, other := range map[string]cluster.Repository{
		"a stub in another one":     {Name: "other", Type: "fs", Settings: map[string]string{"location": "o"}},
		"a copy in a read-only one": {Name: "other", Type: "fs", Settings: map[string]string{"location": "o", "readonly": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			twentyNights(k, nil)
			k.c.AddRepository(other)
			held := []cluster.Index{stub}
			if other.ReadOnly() {
				held = nil
			}
			k.c.AddSnapshot("other", cluster.Snapshot{Name: "o-1", Indices: []string{x}, Start: now.Add(-3 * time.Hour)}, held...)
			_, out, errs := k.run("check", "--days", "14", "--index", "logs-%Y.%m.%d", "-o", "csv")
			_, plan, _ := k.run("restore", x, "-n", "-o", "json")
			repository, snapshot, _ := strings.Cut(dayRow(out, x)[6], "/")
			require.Equal(t, "backups", repository, out+errs)
			require.Contains(t, plan, `"snapshot": "`+snapshot+`"`)
		})
	}
}

// TestCheckNothing: what checked nothing is not well.
func TestCheckNothing(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	k.c.AddRepository(cluster.Repository{Name: "unused", Type: "fs", Settings: map[string]string{"location": "u"}})
	closing := k.file("actions: {1: {action: close, filters: [{filtertype: none}]}}")
	for _, args := range [][]string{
		{takes(k, "", "backups"), "--repository", "unused"},
		{"--days", "25", "--index", "lgos-%Y.%m.%d", "--max-age", "26h", "--gaps", "ok", "--repository", "unused"},
		{"--days", "25", "--index", "logs-*"},
		{"--days", "25", "--index", "logs"},
		{"--days", "25", "--index", "LOGS-%Y.%m.%d"},
		{closing, "--repository", "unused"},
	} {
		code, out, _ := k.run(append([]string{"check"}, args...)...)
		require.NotZero(t, code, "%v: %s", args, out)
		require.True(t, strings.HasPrefix(out, "ESNAP UNKNOWN") || strings.HasPrefix(out, "ESNAP CRITICAL"), "%v: %s", args, out)
	}
	k = newConsole(t)
	twentyNights(k, nil)
	code, out, _ := k.run("check", "--days", "25", "--index", "lgos-%Y.%m.%d", "--max-age", "26h", "--gaps", "ok")
	require.Equal(t, 3, code, out)
}

// TestCheckTakesTheRulesOfTheFile: settle is not said twice.
func TestCheckTakesTheRulesOfTheFile(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	code, out, errs := k.run("check", takes(k, "", "backups"), "--gaps", "ok")
	require.Equal(t, 0, code, out+errs)
	code, out, errs = k.run("check", takes(k, ", settle: 300h", "backups"), "--gaps", "ok")
	require.Equal(t, 2, code, out+errs)
	require.Contains(t, out, "only in incomplete copies")
	code, out, errs = k.run("check", takes(k, ", settle: 300h", "backups"), "--gaps", "ok", "--settle", "2h")
	require.Equal(t, 0, code, out+errs)
}

// TestCheckMarkedIndex: a mark protects, and is no copy.
func TestCheckMarkedIndex(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	k.c.AddIndex(cluster.Index{Name: "logs-orders", Created: now.AddDate(0, 0, -10)})
	code, out, errs := k.run("mark", "logs-orders", "--keep-for", "30d")
	require.Equal(t, 0, code, out+errs)
	code, out, errs = k.run("check", takes(k, "", "backups"), "--gaps", "ok")
	require.Equal(t, 2, code, out+errs)
	require.Contains(t, out, "logs-orders")
}

// TestCheckRestoredIndex: what was restored is looked at like any index, when it is no longer
// protected as a copy.
func TestCheckRestoredIndex(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	k.c.AddIndex(cluster.Index{Name: "logs-orders", Created: now.AddDate(0, 0, -10),
		Settings: map[string]string{cluster.SettingRestoredFrom: "backups/x"}})
	code, out, errs := k.run("check", takes(k, "", "backups"), "--gaps", "ok")
	require.Equal(t, 2, code, out+errs)
	require.Contains(t, out, "logs-orders")
}

// TestCheckRulesOfEachStep: the settle of one step is not that of another one.
func TestCheckRulesOfEachStep(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	file := takes(k, "", "backups")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	save(t, file, string(text)+"  10: {action: delete_indices, options: {ignore_empty_list: true, require_snapshot: "+
		"{repositories: [backups], settle: 3d}}, filters: [{filtertype: pattern, kind: prefix, value: other-}]}\n")
	code, out, errs := k.run("check", file, "--gaps", "ok")
	require.Equal(t, 0, code, out+errs)
}

// TestCheckTwoRetentions: each covers what the file takes into its own snapshots.
func TestCheckTwoRetentions(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	for ago := 20; ago >= 0; ago-- {
		at := now.AddDate(0, 0, -ago).Add(-30 * time.Minute)
		k.c.AddSnapshot("backups", cluster.Snapshot{Name: "long-" + at.Format("20060102"), Start: at,
			Indices: []string{"audit-" + at.AddDate(0, 0, -2).Format("2006.01.02"), "audit-" + at.AddDate(0, 0, -3).Format("2006.01.02")}})
	}
	code, out, errs := k.run("check", k.file("actions:\n"+
		"  1: {action: snapshot, options: {repository: backups, name: 'logs-%Y%m%d%H%M%S', once_per: day}, "+
		"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}\n"+
		"  2: {action: snapshot, options: {repository: backups, name: 'long-%Y%m%d', once_per: day}, "+
		"filters: [{filtertype: pattern, kind: prefix, value: audit-}]}\n"+
		"  3: {action: delete_snapshots, options: {repository: backups, ignore_empty_list: true}, "+
		"filters: [{filtertype: pattern, kind: prefix, value: logs-}, {filtertype: retain, cover: 30d}]}\n"+
		"  4: {action: delete_snapshots, options: {repository: backups, ignore_empty_list: true}, "+
		"filters: [{filtertype: pattern, kind: prefix, value: long-}, {filtertype: retain, cover: 400d}]}\n"), "--gaps", "ok")
	require.Equal(t, 0, code, out+errs)
}
