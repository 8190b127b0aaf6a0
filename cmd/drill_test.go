package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/memory"
)

func TestDrill(t *testing.T) {
	indices := func(k *console) []string {
		list, err := k.c.Indices(context.Background())
		require.NoError(t, err)
		return cluster.Names(list)
	}
	t.Run("the newest ended day of each family", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		before := indices(k)
		state := filepath.Join(t.TempDir(), "state.json")
		code, out, errs := k.run("drill", "--state", state)
		require.Equal(t, 0, code, out+errs)
		require.Regexp(t, logsOf(2)+` +backups/logs-20261121005908 +passed +10 +10 `, out)
		require.Equal(t, before, indices(k), "the copy is removed")
		code, out, _ = k.run("check", k.file(nightFile), "--state", state)
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "drill: 1 index of 1 restored and compared 0s ago")
		var saved struct {
			Drill struct {
				Copies []map[string]any `json:"copies"`
			} `json:"drill"`
			Seen []string `json:"seen"`
		}
		data, err := os.ReadFile(state)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &saved))
		require.Len(t, saved.Drill.Copies, 1)
		require.NotEmpty(t, saved.Seen)
	})
	t.Run("each repository", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddSnapshot("s3", cluster.Snapshot{
			Name:    "logs-20261120030000",
			Indices: []string{logsOf(3), logsOf(2)},
			Start:   now.AddDate(0, 0, -1),
		})
		k.c.AddSnapshot("s3", cluster.Snapshot{Name: "hourly-20261121003000", Indices: []string{logsOf(2)}, Start: now.Add(-time.Hour)})
		before := indices(k)
		code, out, errs := k.run("drill")
		require.Equal(t, 0, code, out+errs)
		require.Regexp(t, logsOf(2)+` +backups/logs-20261121005908 +passed `, out)
		require.Regexp(t, logsOf(2)+` +s3/hourly-20261121003000 +passed `, out)
		require.Equal(t, 2, strings.Count(out, "passed"), out)
		require.Equal(t, before, indices(k))
	})
	t.Run("this cluster's own snapshots", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddSnapshot("backups", cluster.Snapshot{
			Name: "logs-20261121005959", Indices: []string{logsOf(2)}, Start: now.Add(-time.Minute), Cluster: "another-cluster",
		})
		k.c.AddSnapshot("theirs", cluster.Snapshot{
			Name: "logs-20261121005959", Indices: []string{logsOf(2)}, Start: now.Add(-time.Minute), Cluster: "another-cluster",
		})
		code, out, errs := k.run("drill")
		require.Equal(t, 0, code, out+errs)
		require.Regexp(t, logsOf(2)+` +backups/logs-20261121005908 +passed +10 +10 `, out)
		require.Regexp(t, logsOf(2)+` +theirs/logs-20261121005959 +passed +10 +- `, out, "it is another index")
	})
	t.Run("the history keeps it, and a check finds it there", func(t *testing.T) {
		k := newConsole(t)
		k.env["ESNAP_HISTORY"] = "true"
		twentyNights(k, nil)
		code, _, errs := k.run("drill")
		require.Equal(t, 0, code, errs)
		code, out, errs := k.run("history")
		require.Equal(t, 0, code, errs)
		require.Regexp(t, `drill +- +0 `, out)
		code, out, _ = k.run("check", k.file(nightFile))
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "drill: 1 index of 1 restored and compared 0s ago")
		list, err := k.c.Indices(context.Background())
		require.NoError(t, err)
		for _, i := range list {
			i.Stats = &cluster.IndexStats{Docs: 12, Bytes: 1}
			k.c.AddIndex(*i)
		}
		k.c.Advance(time.Second)
		state := filepath.Join(t.TempDir(), "state.json")
		k.env["ESNAP_HISTORY"] = "false"
		code, _, _ = k.run("drill", "--state", state) // only in the file
		require.Equal(t, 1, code)
		code, out, _ = k.run("check", k.file(nightFile), "--state", state)
		require.Equal(t, 2, code, out)
		require.Contains(t, out, "the copy has 10 documents", "the later one counts")
	})
	t.Run("other documents than in the cluster", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		list, err := k.c.Indices(context.Background())
		require.NoError(t, err)
		for _, i := range list {
			i.Stats = &cluster.IndexStats{Docs: 12, Bytes: 1}
			k.c.AddIndex(*i)
		}
		state := filepath.Join(t.TempDir(), "state.json")
		code, out, _ := k.run("drill", "--state", state)
		require.Equal(t, 1, code)
		require.Contains(t, out, "failed "+logsOf(2)+": the copy has 10 documents, the index in the cluster has 12")
		code, out, _ = k.run("check", k.file(nightFile), "--state", state)
		require.Equal(t, 2, code)
		require.Contains(t, out, "drill "+logsOf(2)+": backups/logs-20261121005908: the copy has 10 documents")
	})
	t.Run("a shard that cannot be read", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.RestoreEnds = func(string) string { return "checksum mismatch" }
		k.watch = &stopped{}
		code, out, _ := k.run("drill")
		require.Equal(t, 1, code)
		require.Contains(t, out, "checksum mismatch")
		require.NotContains(t, strings.Join(indices(k), " "), "esnap-drill")
	})
	t.Run("too large", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		code, out, _ := k.run("drill", "--max-bytes", "1kb")
		require.Equal(t, 5, code)
		require.Contains(t, out, "skipped "+logsOf(2)+": with 10000 bytes the drill would restore more than 1024")
		k.c.Space.Nodes[0].Free = 50_000
		code, out, _ = k.run("drill")
		require.Equal(t, 5, code)
		require.Contains(t, out, "more than a tenth of the free disk space")
	})
	t.Run("what a killed drill left is removed, by its mark and not by its name", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		k.c.AddIndex(cluster.Index{
			Name:     "esnap-drill-left",
			Created:  now.Add(-3 * time.Hour),
			Settings: map[string]string{cluster.SettingDrill: "another run", cluster.SettingRenameReplacement: "esnap-drill-left"},
		})
		k.c.AddIndex(cluster.Index{
			Name:     "mine", // a clone of that: it has its settings
			Created:  now.Add(-3 * time.Hour),
			Settings: map[string]string{cluster.SettingDrill: "another run", cluster.SettingRenameReplacement: "esnap-drill-left"},
		})
		k.c.AddIndex(cluster.Index{
			Name:     "esnap-drill-" + logsOf(2),
			Created:  now.Add(-time.Hour),
			Settings: map[string]string{cluster.SettingDrill: "a run that may go on"},
		})
		k.c.AddIndex(cluster.Index{Name: "esnap-drill-mine"})
		code, out, _ := k.run("drill", "-n")
		require.Equal(t, 0, code)
		require.Contains(t, out, "dry run: nothing was changed")
		require.Contains(t, indices(k), "esnap-drill-left")
		code, out, _ = k.run("drill")
		require.Equal(t, 0, code)
		require.Contains(t, out, "removed from an earlier drill: esnap-drill-left")
		require.NotContains(t, indices(k), "esnap-drill-left")
		require.Contains(t, indices(k), "esnap-drill-mine")
		require.Contains(t, indices(k), "mine", "a clone of a copy is somebody's own")
		require.Contains(t, indices(k), "esnap-drill-"+logsOf(2), "another drill may be comparing it")
	})
	t.Run("copies are in no other action", func(t *testing.T) {
		k := newConsole(t)
		k.c.AddIndices("a")
		k.c.AddIndex(cluster.Index{Name: "esnap-drill-left", Settings: map[string]string{cluster.SettingDrill: "another run"}})
		code, _, errs := k.run("run", k.file("actions: {1: {action: delete_indices, filters: [{filtertype: none}]}}"))
		require.Equal(t, 0, code, errs)
		require.Equal(t, []string{"esnap-drill-left"}, indices(k))
	})
	t.Run("an interrupt removes the copies", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		ctx, cancel := context.WithCancel(context.Background())
		k.ctx = ctx
		k.c.RestorePolls = -1
		k.c.FaultAfter = func(method string, _ []string) error {
			if method == "RestoreSnapshot" {
				cancel()
			}
			return nil
		}
		code, _, _ := k.run("drill")
		require.NotZero(t, code)
		k.c.FaultAfter = nil
		require.NotContains(t, strings.Join(indices(k), " "), "esnap-drill")
	})
	t.Run("not while a snapshot runs, on an old server", func(t *testing.T) {
		k := newConsole(t)
		k.c = memory.New(memory.At(now), memory.Elasticsearch("6.7.0"))
		twentyNights(k, nil)
		k.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "backups", Snapshot: "s", Started: now.Add(-time.Hour)}, -1)
		code, _, errs := k.run("drill")
		require.Equal(t, 4, code)
		require.Contains(t, errs, "snapshot backups/s, running for 1h0m0s")
	})
	t.Run("by chance", func(t *testing.T) {
		k := newConsole(t)
		twentyNights(k, nil)
		code, out, errs := k.run("drill", "--sample", "5")
		require.Equal(t, 0, code, out+errs)
		require.Equal(t, 5, strings.Count(out, "passed"))
	})
}

// A copy that an interrupted drill did not finish says nothing about its snapshot: what was known
// of its family before still counts, in the file of state, in the history, and in metrics.
func TestDrillInterrupted(t *testing.T) {
	logs, apps := logsOf(2), "apps"
	for name, c := range map[string]struct {
		before  string // failed, passed, or nothing
		after   int    // restores before the interruption
		hang    string // the request that it interrupts; empty: the drill waits for the shards
		cause   error
		code    int
		states  map[string]string
		checked int
		says    string // in the check
	}{
		"SIGTERM while the first copy is restored": {
			cause: &job.Signal{Number: syscall.SIGTERM}, code: 143, after: 1,
			states: map[string]string{apps: "not finished", logs: "not finished"},
		},
		"SIGTERM during the request": {
			cause: &job.Signal{Number: syscall.SIGTERM}, code: 143, after: 1, hang: "RestoreSnapshot",
			states: map[string]string{apps: "not finished", logs: "not finished"},
		},
		"SIGTERM while documents are counted": {
			cause: &job.Signal{Number: syscall.SIGTERM}, code: 143, after: 1, hang: "Stats",
			states: map[string]string{apps: "not finished", logs: "not finished"},
		},
		"the deadline, after one passed": {
			cause: job.Deadline{After: time.Hour}, code: 1, after: 2,
			states: map[string]string{apps: "passed", logs: "not finished"},
			says:   "drill: 1 index of 2 restored and compared 0s ago, 1 not finished",
		},
		"after a failure": {
			before: "failed", cause: &job.Signal{Number: syscall.SIGTERM}, code: 143, after: 1,
			states:  map[string]string{apps: "not finished", logs: "not finished"},
			checked: 2, says: "drill " + logs + ": backups/logs-20261121005908: the copy has 10 documents",
		},
		"after a failure, one passed": {
			before: "failed", cause: &job.Signal{Number: syscall.SIGTERM}, code: 143, after: 2,
			states:  map[string]string{apps: "passed", logs: "not finished"},
			checked: 2, says: "drill " + logs + ": backups/logs-20261121005908: the copy has 10 documents",
		},
		"after all passed": {
			before: "passed", cause: &job.Signal{Number: syscall.SIGTERM}, code: 143, after: 1,
			states: map[string]string{apps: "not finished", logs: "not finished"},
			says:   "drill: 2 indices of 2 restored and compared 1m ago",
		},
	} {
		for _, kept := range []string{"state", "history"} {
			t.Run(name+", "+kept, func(t *testing.T) {
				k := newConsole(t)
				twentyNights(k, nil)
				k.c.AddSnapshot("backups", cluster.Snapshot{Name: "apps-1", Indices: []string{apps}, Start: now.AddDate(0, 0, -30)})
				documents := func(n int64) {
					list, err := k.c.Indices(t.Context())
					require.NoError(t, err)
					for _, i := range list {
						if i.Name == logs {
							i.Stats = &cluster.IndexStats{Docs: n, Bytes: 1}
							k.c.AddIndex(*i)
						}
					}
				}
				folder := t.TempDir()
				state := filepath.Join(folder, "state.json")
				k.env["ESNAP_CONFIG"] = k.file("cluster: {url: 'http://es:9200'}\nmetrics: {textfile: '" + folder + "'}\n")
				flags := []string{"--state", state}
				if kept == "history" {
					k.env["ESNAP_HISTORY"] = "true"
					flags = nil
				}
				var passed string
				metric := func() string {
					text, err := os.ReadFile(filepath.Join(folder, "esnap_drill.prom"))
					require.NoError(t, err)
					for line := range strings.Lines(string(text)) {
						if strings.HasPrefix(line, "esnap_restore_drill_success_timestamp_seconds{") {
							return line
						}
					}
					return ""
				}
				if c.before != "" {
					if c.before == "failed" {
						documents(12)
					}
					_, out, _ := k.run(append([]string{"drill"}, flags...)...)
					require.Contains(t, out, c.before)
					documents(10)
					passed = metric()
				}
				k.now = func() time.Time { return now.Add(time.Minute) }
				k.c.Advance(time.Minute)

				ctx, cancel := context.WithCancelCause(t.Context())
				k.ctx = ctx
				restores := 0
				k.c.Fault = func(method string, _ []string) error {
					if method == "RestoreSnapshot" {
						restores++
					}
					if restores == c.after && method == c.hang {
						cancel(c.cause)
						return memory.ErrHang
					}
					return nil
				}
				k.c.FaultAfter = func(method string, _ []string) error {
					if restores == c.after && method == "RestoreSnapshot" {
						cancel(c.cause)
					}
					return nil
				}
				code, out, errs := k.run(append([]string{"drill"}, flags...)...)
				require.Equal(t, c.code, code, out+errs)
				for index, state := range c.states {
					require.Regexp(t, index+` +backups/\S+ +`+state+` `, out)
					if state == "not finished" {
						require.Contains(t, out, "not finished "+index+": "+c.cause.Error())
					}
				}
				require.Equal(t, passed, metric())
				k.c.Fault, k.c.FaultAfter, k.ctx = nil, nil, context.Background()
				list, err := k.c.Indices(t.Context())
				require.NoError(t, err)
				require.NotContains(t, strings.Join(cluster.Names(list), " "), "esnap-drill")

				k.env["ESNAP_HISTORY"] = "false"
				code, out, errs = k.run(append([]string{"check", k.file(nightFile)}, flags...)...)
				require.Equal(t, c.checked, code, out+errs)
				if c.says == "" {
					require.NotContains(t, out, "drill")
				}
				require.Contains(t, out, c.says)
			})
		}
	}
}

// Interrupted drills do not push out what drills before them found.
func TestDrillInterruptedOften(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_HISTORY"] = "true"
	twentyNights(k, nil)
	k.c.RestoreEnds = func(string) string { return "checksum mismatch" }
	k.watch = &stopped{}
	code, _, _ := k.run("drill")
	require.Equal(t, 1, code)
	k.c.FaultAfter = func(method string, _ []string) error {
		if method == "SnapshotSizes" {
			k.ctx.Value(stop{}).(context.CancelFunc)()
		}
		return nil
	}
	for n := range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		k.ctx = context.WithValue(ctx, stop{}, cancel)
		at := now.Add(time.Duration(n+1) * time.Minute)
		k.now = func() time.Time { return at }
		code, _, _ = k.run("drill")
		require.NotZero(t, code)
	}
	k.c.FaultAfter, k.ctx = nil, context.Background()
	code, out, _ := k.run("check", k.file(nightFile))
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "checksum mismatch")
}

// stop is the key of a context's own end.
type stop struct{}

// The copy of an index with a long name gets a name that servers accept.
func TestDrillLongNames(t *testing.T) {
	long := func(begin, end string) string { return begin + strings.Repeat("é", (255-len(begin)-len(end))/2) + end }
	names := []string{long("a", ""), long("ab", "x"), long("a", "é-1"), strings.Repeat("l", 243), strings.Repeat("l", 244)}
	k := newConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "backups", Type: "fs", Settings: map[string]string{"location": "backups"}})
	k.c.AddIndices(names...)
	k.c.AddSnapshot("backups", cluster.Snapshot{Name: "s-1", Indices: names, Start: now.Add(-time.Hour)})
	var made []string
	k.c.FaultAfter = func(method string, _ []string) error {
		if method == "RestoreSnapshot" {
			list, err := k.c.Indices(t.Context())
			require.NoError(t, err)
			for _, i := range list {
				if i.Drill != "" && !slices.Contains(made, i.Name) {
					made = append(made, i.Name)
				}
			}
		}
		return nil
	}
	code, out, errs := k.run("drill", "--sample", "9")
	require.Zero(t, code, out+errs)
	require.Equal(t, len(names), strings.Count(out, "passed"), out)
	require.Len(t, made, len(names))
	for _, name := range made {
		require.Empty(t, cluster.InvalidName("index", name))
		require.True(t, utf8.ValidString(name), name)
	}
	require.Contains(t, made, "esnap-drill-"+strings.Repeat("l", 243), "as long as it may be")
	list, err := k.c.Indices(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, names, cluster.Names(list), "the copies are removed")
}

// stopped is a stopwatch on which sleeping takes no time.
type stopped struct{ elapsed time.Duration }

func (s *stopped) Elapsed() time.Duration { return s.elapsed }

func (s *stopped) Sleep(ctx context.Context, d time.Duration) error {
	s.elapsed += d
	return context.Cause(ctx)
}

// A drill is told like a run, but not to the monitor that is pinged by the job of the night.
func TestDrillIsTold(t *testing.T) {
	var pings atomic.Int32
	monitor := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pings.Add(1) }))
	defer monitor.Close()
	k := newConsole(t)
	twentyNights(k, nil)
	folder := t.TempDir()
	k.env["ESNAP_CONFIG"] = k.file("cluster: {url: 'http://es:9200'}\nmetrics: {textfile: " + folder +
		"}\nnotify: {ping: {url: '" + monitor.URL + "'}}\n")
	metrics := func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return string(text)
	}
	code, _, errs := k.run("drill", "-n")
	require.Zero(t, code, errs)
	require.NoFileExists(t, filepath.Join(folder, "esnap_drill.prom"))

	code, _, errs = k.run("drill")
	require.Zero(t, code, errs)
	passed := fmt.Sprintf(`esnap_restore_drill_success_timestamp_seconds{policy="drill"} %.3f`, float64(now.UnixMilli())/1000)
	passed = strings.TrimRight(strings.TrimRight(passed, "0"), ".")
	require.Contains(t, metrics("esnap_drill.prom"), passed)
	require.Contains(t, metrics("esnap_drill.prom"), `esnap_last_run_status{policy="drill"} 0`)

	list, err := k.c.Indices(context.Background())
	require.NoError(t, err)
	for _, i := range list { // the copies differ from the cluster
		i.Stats = &cluster.IndexStats{Docs: 12, Bytes: 1}
		k.c.AddIndex(*i)
	}
	code, _, _ = k.run("drill")
	require.Equal(t, 1, code)
	require.Contains(t, metrics("esnap_drill.prom"), `esnap_last_run_status{policy="drill"} 2`)
	require.Contains(t, metrics("esnap_drill.prom"), passed, "a failure keeps when one passed")

	file := filepath.Join(t.TempDir(), "night.yml")
	own := filepath.Join(folder, "own.prom")
	save(t, file, "metrics: {textfile: "+own+"}\n"+nightFile)
	code, _, _ = k.run("drill", file)
	require.Equal(t, 1, code)
	require.NoFileExists(t, own, "it is of the job")
	require.Contains(t, metrics("own-drill.prom"), `esnap_last_run_status{policy="drill-night.yml"} 2`)

	require.NoError(t, os.Remove(filepath.Join(folder, "own-drill.prom")))
	k.env["ESNAP_TIMEOUT"] = "ten"
	code, _, _ = k.run("drill", file)
	require.Equal(t, 2, code)
	require.Contains(t, metrics("own-drill.prom"), `esnap_last_run_status{policy="drill-night.yml"} 2`, "as a drill that could begin")
	require.Zero(t, pings.Load())
}

// Where the server can, it looks through the repository, too. What it found counts until it
// finds nothing.
func TestDrillIntegrity(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, nil)
	state := filepath.Join(t.TempDir(), "state.json")
	code, out, errs := k.run("drill", "--integrity", "--state", state)
	require.Zero(t, code, errs)
	require.Contains(t, out, "repository backups: cannot tell whether all its files are there: verify the integrity of repository backups")

	k.c.Integrities = map[string]cluster.Integrity{"backups": {Result: "fail", Anomalies: 2, First: "missing blob"}}
	code, out, _ = k.run("drill", "--integrity", "--state", state)
	require.Equal(t, 1, code)
	require.Contains(t, out, "repository backups is DAMAGED: 2 anomalies, the first is missing blob")
	code, out, _ = k.run("check", k.file(nightFile), "--state", state)
	require.Equal(t, 2, code, out)
	damaged := "CRITICAL  repository backups: the server found 2 anomalies in its files, the first is missing blob"
	require.Contains(t, out, damaged)

	code, out, _ = k.run("drill", "--state", state)
	require.Zero(t, code, "this one did not look: %s", out)
	_, out, _ = k.run("check", k.file(nightFile), "--state", state)
	require.Contains(t, out, damaged)

	k.c.Integrities["backups"] = cluster.Integrity{Result: "fail", Anomalies: 1, Changed: true}
	code, out, _ = k.run("drill", "--integrity", "--state", state)
	require.Equal(t, 5, code)
	require.Contains(t, out, "repository backups: cannot tell whether all its files are there: something was written to "+
		"the repository meanwhile")
	_, out, _ = k.run("check", k.file(nightFile), "--state", state)
	require.Contains(t, out, damaged)

	k.c.Integrities["backups"] = cluster.Integrity{Result: cluster.IntegrityPass}
	code, out, _ = k.run("drill", "--integrity", "--state", state, "-o", "json")
	require.Zero(t, code)
	require.Contains(t, out, `"state": "passed"`)
	code, out, _ = k.run("check", k.file(nightFile), "--state", state)
	require.Zero(t, code, out)
}
