package actions_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/runtest"
)

// taking is a bench with a repository, an index, and an action that takes it.
func taking(t *testing.T, version string) *runtest.Bench {
	b := runtest.New(t, memory.Elasticsearch(version))
	b.Options.RunID = strings.Repeat("0a", 16)
	b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", Created: runtest.Now.AddDate(0, 0, -20)})
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	return b
}

func takeWith(options string) string {
	return "actions: {1: {action: snapshot, options: {repository: r, name: 's-%Y.%m.%d', " + options + "}, filters: [" +
		runtest.ByPrefix + "]}}"
}

// thenDelete is the file with an action that deletes the indices.
func thenDelete(file string) string {
	return strings.TrimSuffix(file, "}") + ", 2: {action: delete_indices, filters: [" + runtest.ByPrefix + "]}}"
}

// endsAs makes the snapshots of these names end so.
func endsAs(end func(*cluster.Snapshot), names ...string) func(*cluster.Snapshot) {
	return func(s *cluster.Snapshot) {
		for _, n := range names {
			if s.Name == n {
				end(s)
			}
		}
	}
}

const (
	first  = "s-2026.11.21"
	second = first + "-2"
	third  = first + "-3"
)

// TestRetryCount: another snapshot is taken after one that is FAILED or, unless that is
// allowed, PARTIAL.
func TestRetryCount(t *testing.T) {
	failed, partial := memory.EndFailed("disk"), memory.EndPartial("logs-2026.11.01")
	for _, c := range []struct {
		name      string
		options   string
		ends      func(*cluster.Snapshot)
		snapshots []string
		result    cluster.Result // of the last one
		warning   string
	}{
		{"FAILED, then good", "retry_count: 2", endsAs(failed, first), []string{first, second}, cluster.Done,
			"(try 1 of 3) is FAILED (disk); snapshot " + second},
		{"PARTIAL, then good", "retry_count: 2", endsAs(partial, first), []string{first, second}, cluster.Done,
			"is PARTIAL (logs-2026.11.01[0]: primary"},
		{"PARTIAL, which is allowed", "retry_count: 2, partial: true", endsAs(partial, first), []string{first}, cluster.PartlyDone, ""},
		{"FAILED, as often as there are tries", "retry_count: 2", endsAs(failed, first, second, third),
			[]string{first, second, third}, cluster.Failure, "(try 2 of 3)"},
		{"FAILED, and no other try", "retry_count: 0", endsAs(failed, first), []string{first}, cluster.Failure, ""},
		{"good", "retry_count: 2", nil, []string{first}, cluster.Done, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := taking(t, "8.19.7")
			b.Cluster.SnapshotEnds = c.ends
			res, r := b.Run(takeWith(c.options))
			require.Equal(t, c.snapshots, b.Snapshots("r"))
			last := c.snapshots[len(c.snapshots)-1]
			require.Equal(t, map[string]cluster.Result{last: c.result}, r.Outcomes(), "one outcome, of the last try")
			require.Equal(t, c.result == cluster.Failure, len(res.Errors()) > 0)
			require.Contains(t, r.Warnings(), c.warning)
			require.Equal(t, c.warning == "", r.Warnings() == "")
		})
	}
}

// TestRetryWaitsForPrimaries, whether the server takes a FAILED snapshot of red indices or
// refuses to.
func TestRetryWaitsForPrimaries(t *testing.T) {
	for version, refused := range map[string]bool{"6.7.0": false, "8.19.7": true} {
		for _, recovers := range []bool{true, false} {
			b := taking(t, version)
			b.Cluster.BreakIndex("logs-2026.11.01", "disk")
			if recovers {
				b.Time.OnSleep = func() {
					if b.Time.Elapsed() > time.Minute {
						b.Cluster.BreakIndex("logs-2026.11.01", "")
					}
				}
			}
			res, r := b.Run(takeWith("retry_count: 3"))
			require.Equal(t, recovers, len(res.Errors()) == 0, "%v", res.Errors())
			want := map[bool][]string{true: {first}, false: {first, second}}[refused]
			switch {
			case !recovers && refused:
				want = nil
			case !recovers:
				want = want[:1]
			}
			require.Equal(t, want, b.Snapshots("r"), "%s %t", version, recovers)
			if !recovers {
				require.Contains(t, r.Warnings(), "is not taken again: not all primary shards were started within 15m")
			}
		}
	}
}

// TestCleanupFailed deletes what this run took and is FAILED, and nothing else.
func TestCleanupFailed(t *testing.T) {
	failed, partial := memory.EndFailed("disk"), memory.EndPartial("logs-2026.11.01")
	const foreign = "s-2026.11.20"
	for _, version := range []string{"6.7.0", "8.19.7"} {
		for _, c := range []struct {
			name  string
			ends  func(*cluster.Snapshot)
			meant func(b *runtest.Bench) // before it is deleted
			keep  []string
			want  map[string]cluster.Result
		}{
			{"a later try is good", endsAs(failed, first), nil, []string{second},
				map[string]cluster.Result{first: cluster.Done, second: cluster.Done}},
			{"PARTIAL ones stay", endsAs(partial, first), nil, []string{first, second}, map[string]cluster.Result{second: cluster.Done}},
			{"the last one, too", endsAs(failed, first, second), nil, nil, map[string]cluster.Result{first: cluster.Done, second: cluster.Done}},
			{"another one has its name", endsAs(failed, first), func(b *runtest.Bench) {
				b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: first, State: cluster.Failed, UUID: "another"})
			}, []string{first, second}, map[string]cluster.Result{first: cluster.Unchanged, second: cluster.Done}},
		} {
			t.Run(version+", "+c.name, func(t *testing.T) {
				b := taking(t, version)
				b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: foreign, State: cluster.Failed, Start: runtest.Now.AddDate(0, 0, -1)})
				b.Cluster.SnapshotEnds = c.ends
				b.Cluster.Fault = func(m string, _ []string) error {
					if m == "SnapshotsNamed" && c.meant != nil {
						c.meant(b)
					}
					return nil
				}
				res, r := b.Run(takeWith("retry_count: 1, cleanup_failed: true"))
				require.ElementsMatch(t, append([]string{foreign}, c.keep...), b.Snapshots("r"))
				require.Equal(t, c.want, r.Outcomes())
				require.Equal(t, len(c.keep) == 0, len(res.Errors()) > 0, "the deletion of a FAILED one does not make it good")
			})
		}
	}
}

// TestCleanupKeepsWhatMayBeForeign: after a lost reply, the FAILED snapshot is ours only if
// it has the id of this run.
func TestCleanupKeepsWhatMayBeForeign(t *testing.T) {
	for _, c := range []struct {
		version, run string
		kept         bool
	}{{"6.7.0", "", true}, {"8.19.7", "", false}, {"8.19.7", "another", true}} {
		b := taking(t, c.version)
		b.Cluster.SnapshotEnds = endsAs(memory.EndFailed("disk"), first)
		b.Cluster.FaultAfter = func(m string, names []string) error {
			if m != "CreateSnapshot" || names[0] != first {
				return nil
			}
			if c.run != "" {
				b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: first, State: cluster.Failed, Origin: &cluster.Origin{Run: c.run}})
			}
			return cluster.ErrLost
		}
		res, _ := b.Run(takeWith("retry_count: 1, cleanup_failed: true"))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, c.kept, slices.Contains(b.Snapshots("r"), first), "%v", c)
	}
}

// TestCleanupIsNotASnapshot: that a FAILED snapshot was deleted does not mean that its
// indices are saved.
func TestCleanupIsNotASnapshot(t *testing.T) {
	for _, good := range []bool{true, false} {
		b := taking(t, "8.19.7")
		b.Cluster.SnapshotEnds = endsAs(memory.EndFailed("disk"), first)
		if !good {
			b.Cluster.SnapshotEnds = memory.EndFailed("disk")
		}
		file := takeWith("retry_count: 1, cleanup_failed: true, continue_if_exception: true")
		_, _ = b.Run(thenDelete(file))
		require.Equal(t, good, len(b.Indices()) == 0)
	}
}

// TestANameInUse is adopted if this job's good snapshot has it; otherwise the snapshot gets
// a number. A name without a date, and Curator's command line, fail as before.
func TestANameInUse(t *testing.T) {
	here := func(s cluster.Snapshot) cluster.Snapshot { s.Cluster = "memory-cluster-uuid"; return s }
	earlier := func(s cluster.Snapshot) cluster.Snapshot { s.Start = runtest.Now.Add(-time.Hour); return s }
	good := cluster.Snapshot{Name: first, Indices: []string{"logs-2026.11.01", "z"}}
	bad, running, lacking := good, good, good
	bad.State, running.State, lacking.Indices = cluster.Failed, cluster.InProgress, []string{"z"}
	for _, c := range []struct {
		name    string
		version string
		have    cluster.Snapshot
		taken   string // empty: it is adopted
	}{
		{"ours and good", "8.19.7", here(earlier(good)), ""},
		{"ours and running", "8.19.7", here(earlier(running)), ""},
		{"ours, lacking an index", "8.19.7", here(earlier(lacking)), second},
		{"ours and FAILED", "8.19.7", here(earlier(bad)), second},
		{"of another cluster", "8.19.7", foreign(good), second},
		{"of another program", "8.19.7", good, second},
		{"no metadata, started now", "6.7.0", good, ""},
		{"no metadata, started earlier", "6.7.0", earlier(good), second},
	} {
		for _, dry := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				b := taking(t, c.version)
				b.Options.DryRun = dry
				b.Cluster.AddSnapshot("r", c.have)
				if c.have.State == cluster.InProgress {
					b.Cluster.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "r", Snapshot: first, Started: c.have.Start}, 3)
				}
				res, r := b.Run(takeWith("retry_count: 0"))
				require.NoError(t, errors.Join(res.Errors()...))
				want := map[string]cluster.Result{first: cluster.Adopted}
				if c.taken != "" {
					want = map[string]cluster.Result{c.taken: cluster.Done}
				}
				require.Equal(t, want, r.Outcomes())
			})
		}
	}
	t.Run("a constant name", func(t *testing.T) {
		b := taking(t, "8.19.7")
		b.Cluster.AddSnapshot("r", here(cluster.Snapshot{Name: "backup", Indices: []string{"logs-2026.11.01"}}))
		res, _ := b.Run(strings.Replace(takeWith("partial: false"), "s-%Y.%m.%d", "backup", 1))
		err := errors.Join(res.Errors()...)
		require.ErrorIs(t, err, cluster.ErrExists)
		require.Contains(t, cluster.Hint(res.Errors()[0]), "give the name a date")
	})
	t.Run("Curator's command line", func(t *testing.T) {
		b := taking(t, "8.19.7")
		b.Flavour = flavour.Curator5
		b.Cluster.AddSnapshot("r", here(good))
		res, _ := b.Run(takeWith("partial: false"))
		require.ErrorIs(t, errors.Join(res.Errors()...), cluster.ErrExists)
	})
	t.Run("a lost reply, sent again", func(t *testing.T) {
		b := taking(t, "8.19.7")
		b.Options.WaitForCluster = time.Minute
		lost := false
		b.Cluster.FaultAfter = func(m string, _ []string) error {
			if m != "CreateSnapshot" || lost {
				return nil
			}
			lost = true
			return cluster.ErrUnavailable
		}
		res, r := b.Run(takeWith("partial: false"))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, map[string]cluster.Result{first: cluster.Adopted}, r.Outcomes())
	})
}

// TestSkipRed takes the other indices, and says what it left out.
func TestSkipRed(t *testing.T) {
	for _, version := range []string{"6.7.0", "8.19.7"} {
		for _, dry := range []bool{false, true} {
			b := taking(t, version)
			b.Options.DryRun = dry
			b.Cluster.AddIndices("logs-2026.11.02")
			b.Cluster.BreakIndex("logs-2026.11.02", "the disk is lost")
			res, r := b.Run(takeWith("skip_red: true"))
			require.NoError(t, errors.Join(res.Errors()...))
			require.True(t, res.Actions[0].Partial)
			require.Equal(t, map[string]cluster.Result{first: cluster.PartlyDone}, r.Outcomes())
			detail := outcomeOf(r, first).Detail
			require.Contains(t, detail, "without 1 index that is red: logs-2026.11.02[0] is on no node (ALLOCATION_FAILED: the disk is lost)")
			for _, way := range []string{"esnap restore --red", "wait until", "partial: true"} {
				require.Contains(t, detail, way)
			}
			if !dry {
				s, err := b.Cluster.Snapshot(context.Background(), "r", first)
				require.NoError(t, err)
				require.Equal(t, []string{"logs-2026.11.01"}, s.Indices)
				require.True(t, s.Good())
			}
		}
	}
	t.Run("all are red", func(t *testing.T) {
		b := taking(t, "8.19.7")
		b.Cluster.BreakIndex("logs-2026.11.01", "disk")
		res, _ := b.Run(takeWith("skip_red: true"))
		require.ErrorContains(t, errors.Join(res.Errors()...), "no index remains for the snapshot without 1 index that is red: logs-")
		require.Empty(t, b.Cluster.CallsOf("CreateSnapshot"))
	})
	t.Run("none is red", func(t *testing.T) {
		b := taking(t, "8.19.7")
		res, r := b.Run(takeWith("skip_red: true"))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, map[string]cluster.Result{first: cluster.Done}, r.Outcomes())
	})
	t.Run("what is left out is not deleted", func(t *testing.T) {
		b := taking(t, "8.19.7")
		b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.02", Created: runtest.Now.AddDate(0, 0, -19)})
		b.Cluster.BreakIndex("logs-2026.11.02", "disk")
		_, _ = b.Run(thenDelete(takeWith("skip_red: true")))
		require.Equal(t, []string{"logs-2026.11.02"}, b.Indices())
	})
	t.Run("with once_per, the second run adopts", func(t *testing.T) {
		b := taking(t, "8.19.7")
		b.Cluster.AddIndices("logs-2026.11.02")
		b.Cluster.BreakIndex("logs-2026.11.02", "disk")
		b.Run(takeWith("skip_red: true, once_per: day"))
		b.Time.Pass(time.Minute)
		b.Options.Now = runtest.Now.Add(time.Minute)
		res, r := b.Run(takeWith("skip_red: true, once_per: day"))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, []string{first}, b.Snapshots("r"))
		require.Contains(t, outcomeOf(r, first).Detail, "this day's snapshot already exists")
		require.True(t, res.Actions[0].Partial)
	})
	t.Run("one that turns red meanwhile", func(t *testing.T) {
		b := taking(t, "8.19.7")
		b.Cluster.AddIndices("logs-2026.11.02")
		b.Cluster.SnapshotEnds = endsAs(memory.EndPartial("logs-2026.11.02"), first)
		b.Cluster.FaultAfter = func(m string, _ []string) error {
			if m == "CreateSnapshot" && len(b.Cluster.CallsOf(m)) == 1 {
				b.Cluster.BreakIndex("logs-2026.11.02", "disk")
			}
			return nil
		}
		res, r := b.Run(takeWith("skip_red: true, retry_count: 1"))
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, map[string]cluster.Result{second: cluster.PartlyDone}, r.Outcomes())
	})
}

func outcomeOf(r *runtest.Recorder, name string) cluster.Outcome {
	for _, o := range runtest.Of[run.Outcome](r) {
		if o.Outcome.Name == name {
			return o.Outcome
		}
	}
	return cluster.Outcome{}
}

// TestTriesNeedTheirEnd: options about how a snapshot ends need that it is waited for.
func TestTriesNeedTheirEnd(t *testing.T) {
	for _, option := range []string{"retry_count: 1", "cleanup_failed: true"} {
		_, err := plan.Parse("test.yml", []byte(takeWith(option+", wait_for_completion: false")), plan.Options{})
		require.ErrorContains(t, err, "needs wait_for_completion: true")
	}
}
