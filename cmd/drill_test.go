package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// Of which indices a drill restores a copy, and from which snapshots.
func TestDrillChooses(t *testing.T) {
	type held map[string][]string // indices by snapshot; the snapshot's name is its hour before now
	const stream = ".ds-logs-x-2026.11."
	for name, c := range map[string]struct {
		held held
		live []string
		want []string
		code int
	}{
		"a data stream: the newest backing index that was rolled over": {
			held{"1": {stream + "18-000007", stream + "19-000008", stream + "20-000009"}}, nil, []string{stream + "19-000008 1"}, 0,
		},
		"a data stream of one backing index": {held{"1": {stream + "20-000001"}}, nil, []string{stream + "20-000001 1"}, 0},
		"backing indices without a date":     {held{"1": {".ds-x-000001", ".ds-x-000002"}}, nil, []string{".ds-x-000001 1"}, 0},
		"a data stream that the cluster has": {held{"1": {".ds-x-000001"}}, []string{".ds-x-000001"}, []string{".ds-x-000001 1"}, 0},
		"a data stream that was created again": {
			held{"9": {".ds-x-000008", ".ds-x-000009"}, "1": {".ds-x-000001"}}, nil, []string{".ds-x-000001 1"}, 0,
		},
		"several data streams beside indices": {
			held{"1": {".ds-x-000001", ".ds-x-000002", ".ds-y-000004", "orders", logsOf(4), logsOf(3), logsOf(0)}}, nil,
			[]string{".ds-x-000001 1", ".ds-y-000004 1", logsOf(3) + " 1", "orders 1"}, 0,
		},
		"a family that only an older snapshot contains": {
			held{"30": {"orders", logsOf(3)}, "20": {"orders"}, "1": {logsOf(2)}}, nil, []string{logsOf(2) + " 1", "orders 20"}, 0,
		},
		"numbers that only older snapshots contain": {
			held{"20": {"roll-000001", "v-1"}, "1": {"roll-000002", "roll-000003"}}, nil, []string{"roll-000002 1", "roll-000003 1"}, 0,
		},
		"the newest index, from the newest snapshot that contains it": {
			held{"30": {logsOf(4)}, "20": {logsOf(4), logsOf(3)}, "10": {logsOf(3)}, "1": {logsOf(4)}}, nil, []string{logsOf(3) + " 10"}, 0,
		},
		"days that stand first": {held{"1": {"a-02.11.2026", "a-28.10.2026"}}, nil, []string{"a-02.11.2026 1"}, 0},
		"system indices":        {held{"1": {".kibana_1", ".ds-.fleet-x-2026.11.19-000001", ".tasks", "esnap-history"}}, nil, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddIndices(c.live...)
			for hours, indices := range c.held {
				n, err := strconv.Atoi(hours)
				require.NoError(t, err)
				k.c.AddSnapshot("r", cluster.Snapshot{Name: hours, Indices: indices, Start: now.Add(-time.Duration(n) * time.Hour)})
			}
			code, out, errs := k.run("drill", "-n", "-o", "json")
			require.Equal(t, c.code, code, out+errs)
			var reply struct {
				Drill struct {
					Copies []struct{ Index, Snapshot string }
				}
			}
			if code != 0 {
				require.Contains(t, errs, "no good snapshot contains an index that can be restored")
				return
			}
			require.NoError(t, json.Unmarshal([]byte(out), &reply))
			var got []string
			for _, x := range reply.Drill.Copies {
				got = append(got, x.Index+" "+x.Snapshot)
			}
			require.Equal(t, c.want, got, "those of the newest snapshots first")

			before := k.c.Calls()
			code, out, errs = k.run("drill")
			require.Zero(t, code, out+errs)
			require.Equal(t, len(c.want), strings.Count(out, " passed "), out)
			for _, call := range k.c.Calls()[len(before):] {
				if call.Method == "DeleteIndices" {
					for _, n := range call.Names {
						require.Empty(t, cluster.InvalidName("index", n))
					}
				}
			}
			list, err := k.c.Indices(t.Context())
			require.NoError(t, err)
			require.ElementsMatch(t, c.live, cluster.Names(list))
		})
	}
}

// A backing index that had been rolled over is compared; one that was written to is not.
func TestDrillComparesBackingIndices(t *testing.T) {
	for name, c := range map[string]struct {
		held []string
		want string
	}{
		"rolled over": {[]string{".ds-x-000001", ".ds-x-000002"}, `failed \.ds-x-000001: the copy has 10 documents, .* has 12`},
		"written to":  {[]string{".ds-x-000001"}, `\.ds-x-000001 +r/s +passed +10 +- `},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: c.held, Start: now.Add(-time.Hour)})
			k.c.AddIndex(cluster.Index{
				Name: ".ds-x-000001", DataStream: "x", Created: now.Add(-2 * time.Hour), Stats: &cluster.IndexStats{Docs: 12, Bytes: 1},
			})
			_, out, _ := k.run("drill")
			require.Regexp(t, c.want, out)
		})
	}
}

// A copy has neither the blocks of its index, with which it could not be removed, nor its
// placement, with which it might not start.
func TestDrillIgnoresSettings(t *testing.T) {
	k := newConsole(t)
	settings := map[string]string{
		"index.blocks.read_only": "true", "index.blocks.metadata": "true", "index.routing.allocation.require.box": "hot",
		"index.routing.allocation.total_shards_per_node": "1", "index.codec": "best_compression",
	}
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"a", "b"}, Start: now.Add(-time.Hour)},
		cluster.Index{Name: "a", Settings: settings})
	var copied []string
	k.c.FaultAfter = func(method string, _ []string) error {
		if method == "RestoreSnapshot" {
			got, err := k.c.Settings(t.Context(), []string{"esnap-drill-a"})
			require.NoError(t, err)
			if of := got["esnap-drill-a"]; of != nil {
				copied = slices.Sorted(maps.Keys(of))
			}
		}
		return nil
	}
	code, out, errs := k.run("drill")
	require.Zero(t, code, out+errs)
	require.Equal(t, 2, strings.Count(out, " passed "), out)
	require.Equal(t, []string{
		"index.auto_expand_replicas", "index.codec", "index.number_of_replicas", "index.number_of_shards", cluster.SettingDrill,
		cluster.SettingRenamePattern, cluster.SettingRenameReplacement,
	}, copied)
	list, err := k.c.Indices(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
}

// A copy that cannot be removed keeps no others, and the server's reason is reported.
func TestDrillLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(k *console)
		left    string
		reason  string
	}{
		"a block": {func(k *console) {
			k.c.AddIndex(cluster.Index{Name: "esnap-drill-b", Created: now.Add(-3 * time.Hour), Settings: map[string]string{
				cluster.SettingDrill: "run", cluster.SettingRenameReplacement: "esnap-drill-b", "index.blocks.read_only": "true",
			}})
		}, "esnap-drill-b", "read-only"},
		"a running snapshot": {func(k *console) {
			k.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "r", Snapshot: "s", Indices: []string{"esnap-drill-b"}}, -1)
		}, "esnap-drill-b", "being snapshotted"},
		"a privilege": {func(k *console) {
			k.c.Fault = func(method string, names []string) error {
				if method == "DeleteIndices" {
					return &cluster.Error{
						Op: "delete indices", Kind: cluster.ErrForbidden, Status: 403, Text: "unauthorized", Hint: "give the user delete_index",
					}
				}
				return nil
			}
		}, "esnap-drill-a, esnap-drill-b, esnap-drill-c, esnap-drill-now", "unauthorized (HTTP 403) (give the user delete_index)"},
		"no list of indices": {func(k *console) {
			restored := false
			k.c.Fault = func(method string, _ []string) error {
				restored = restored || method == "RestoreSnapshot"
				if restored && method == "Indices" {
					return cluster.ErrForbidden
				}
				return nil
			}
		}, "esnap-drill-now", "not permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			for _, n := range []string{"esnap-drill-a", "esnap-drill-b", "esnap-drill-c"} {
				k.c.AddIndex(cluster.Index{Name: n, Created: now.Add(-3 * time.Hour), Settings: map[string]string{
					cluster.SettingDrill: "run", cluster.SettingRenameReplacement: n,
				}})
			}
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-1", Indices: []string{"now"}, Start: now.Add(-time.Hour)})
			c.prepare(k)
			code, out, errs := k.run("drill")
			require.Equal(t, 1, code, out+errs)
			require.Contains(t, out, "not removed: "+c.left+"; the next drill tries again\nreason: ")
			require.Contains(t, out, c.reason)
			k.c.Fault = nil
			list, err := k.c.Indices(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.left, strings.Join(cluster.Names(list), ", "))
		})
	}
}

// A snapshot whose sizes cannot be read keeps no others from being drilled.
func TestDrillSizes(t *testing.T) {
	for name, c := range map[string]struct {
		fault error
		code  int
		want  string
	}{
		"it was deleted":       {cluster.ErrNoSnapshot, 0, "skipped old: the snapshot was deleted meanwhile"},
		"its file is missing":  {cluster.ErrRepository, 1, "failed old: its size cannot be read: "},
		"the user may not ask": {cluster.ErrForbidden, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-1", Indices: []string{"old"}, Start: now.Add(-2 * time.Hour)})
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-2", Indices: []string{"new"}, Start: now.Add(-time.Hour)})
			k.c.Fault = func(method string, names []string) error {
				if method == "SnapshotSizes" && slices.Contains(names, "s-1") {
					return c.fault
				}
				return nil
			}
			code, out, errs := k.run("drill")
			require.Equal(t, c.code, code, out+errs)
			require.Contains(t, out, c.want)
			if c.want == "" {
				require.Empty(t, out)
				require.Contains(t, errs, "not permitted")
				return
			}
			require.Regexp(t, `new +r/s-2 +passed `, out)
		})
	}
}

// A comparison that could not be made is reported.
func TestDrillCannotCount(t *testing.T) {
	const refused, gone = "read: unauthorized (HTTP 403) (give the user monitor)", "the server has no statistics of "
	for name, c := range map[string]struct {
		live, none bool // refused for the index in the cluster; without an error, but nothing
		code       int
		want       string
		checked    string
	}{
		"the index in the cluster": {
			true, false, 0, "passed " + logsOf(2) + ": not compared with the index in the cluster: " + refused,
			"restored and compared 0s ago, 1 not compared with the cluster",
		},
		"the index in the cluster, which was deleted": {
			true, true, 0, "passed " + logsOf(2) + ": not compared with the index in the cluster: " + gone + logsOf(2) +
				": it may have been deleted or closed meanwhile", "1 not compared with the cluster",
		},
		"the copy": {
			false, false, 1, "failed " + logsOf(2) + ": the documents of the copy cannot be counted: " + refused,
			"the documents of the copy cannot be counted",
		},
		"the copy, which was deleted": {
			false, true, 1, "failed " + logsOf(2) + ": the documents of the copy cannot be counted: " + gone + "esnap-drill-",
			"the documents of the copy cannot be counted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			twentyNights(k, nil)
			if c.none {
				k.c.NoStats = map[string]bool{logsOf(2): c.live, "esnap-drill-" + logsOf(2): !c.live}
			} else {
				k.c.Fault = func(method string, names []string) error {
					if method == "Stats" && c.live == slices.Contains(names, logsOf(2)) {
						return &cluster.Error{Op: "read", Kind: cluster.ErrForbidden, Status: 403, Text: "unauthorized", Hint: "give the user monitor"}
					}
					return nil
				}
			}
			state := filepath.Join(t.TempDir(), "state.json")
			code, out, errs := k.run("drill", "--state", state)
			require.Equal(t, c.code, code, out+errs)
			require.Contains(t, out, c.want)
			k.c.Fault, k.c.NoStats = nil, nil
			_, out, _ = k.run("check", k.file(nightFile), "--state", state)
			require.Contains(t, out, c.checked)
		})
	}
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
				k.c.AddSnapshot("backups", cluster.Snapshot{Name: "apps-1", Indices: []string{apps}, Start: now.Add(-time.Second)})
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
