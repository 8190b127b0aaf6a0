package actions_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/runtest"
)

// TestVerificationBesideARunningSnapshot: the nodes do not answer a verification while
// the shards of a snapshot occupy their threads.
func TestVerificationBesideARunningSnapshot(t *testing.T) {
	const file = "actions: {1: {action: snapshot, options: {ONCE repository: r, name: 's-%Y.%m.%d'}, filters: [{filtertype: none}]}}"
	for name, c := range map[string]struct {
		version string
		once    string
		running string // the snapshot that runs
		want    cluster.Result
		warns   string
	}{
		"today's own is adopted":    {"6.7.0", "once_per: day,", "s-2026.11.21", cluster.Adopted, ""},
		"another one is waited for": {"6.7.0", "", "other", cluster.Done, ""},
		"beside another one nothing can be verified": {
			"8.19.7",
			"",
			"other",
			cluster.Done,
			"not verified: the nodes do not answer while this runs: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := runtest.New(t, memory.Elasticsearch(c.version))
			b.Options.WaitForCluster = time.Minute
			b.Cluster.AddIndex(cluster.Index{Name: "logs-a", Created: runtest.Now.AddDate(0, 0, -1)})
			running := cluster.Snapshot{
				Name:    c.running,
				State:   cluster.InProgress,
				Indices: []string{"logs-a"},
				Start:   runtest.Now.Add(-time.Minute),
			}
			b.Cluster.AddSnapshot("r", running)
			b.Cluster.AddOperation(cluster.Operation{
				Kind:       cluster.OpSnapshot,
				Repository: "r",
				Snapshot:   c.running,
				Started:    running.Start,
				Indices:    running.Indices,
			}, 300)
			b.Cluster.Fault = func(m string, _ []string) error {
				if m != "VerifyRepository" {
					return nil
				}
				if ops, _ := b.Cluster.Running(context.Background()); len(ops) == 0 {
					return nil
				}
				return &cluster.Error{Op: "verify repository r", Kind: cluster.ErrUnreachable, Text: "no answer within 2m0s"}
			}
			res, r := b.Run(strings.Replace(file, "ONCE", c.once, 1))
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.want, r.Outcomes()["s-2026.11.21"])
			require.Contains(t, r.Warnings(), c.warns)
			require.Equal(t, c.warns == "", r.Warnings() == "")
			if c.want == cluster.Done { // what waits is seen
				require.NotEmpty(t, runtest.Of[run.Waiting](r))
			}
		})
	}
}

// TestProgressAtEveryLook: once progress was read, every look has it, and names what runs.
func TestProgressAtEveryLook(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.SnapshotPolls, b.Cluster.RestorePolls = 60, 120
	b.Cluster.AddIndices("logs-a", "logs-b", "x")
	b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i", "j"}})
	const restoreTwo = "actions: {1: {action: restore, options: {repository: r, name: s, indices: [i, j]}, filters: [{filtertype: none}]}}"
	for file, want := range map[string]string{
		runtest.TakeSnapshot: "snapshot r/snap-20261121010008",
		restoreTwo:           "restore 2 indices from r/s",
	} {
		res, r := b.Run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		read := 0
		for _, w := range runtest.Of[run.Waiting](r) {
			if w.Waiting.Elapsed < 2*time.Second {
				continue
			}
			require.Equal(t, want, w.Waiting.For)
			require.NotNil(t, w.Waiting.Progress, w.Waiting.Elapsed)
			require.Positive(t, w.Waiting.Progress.ShardsTotal)
			read++
		}
		require.Greater(t, read, 3, file)
	}
}

func TestALostReplyIsLookedAfter(t *testing.T) {
	t.Run("create that happened", func(t *testing.T) {
		b := runtest.New(t)
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Cluster.FaultAfter = func(method string, _ []string) error {
			if method == "CreateSnapshot" {
				return cluster.ErrLost
			}
			return nil
		}
		res, _ := b.Run(runtest.TakeSnapshot)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Len(t, b.Cluster.CallsOf("CreateSnapshot"), 1, "it is not asked for twice")
	})
	t.Run("create that did not", func(t *testing.T) {
		b := runtest.New(t)
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Cluster.Fault = func(method string, _ []string) error {
			if method == "CreateSnapshot" {
				return cluster.ErrLost
			}
			return nil
		}
		res, _ := b.Run(runtest.TakeSnapshot)
		require.Error(t, errors.Join(res.Errors()...))
	})
	t.Run("deletion that goes on", func(t *testing.T) {
		b := runtest.New(t)
		b.Cluster.DeletePolls = 5
		for _, n := range []string{"s-20260101", "s-20260102", "s-20261101"} {
			b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: n, Start: runtest.Now.AddDate(0, -1, len(n))})
		}
		res, _ := b.Run(`
actions:
  1: {action: delete_snapshots, options: {repository: r},
    filters: [{filtertype: age, source: name, timestring: '%Y%m%d', direction: older, unit: days, unit_count: 45}]}
`)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, []string{"s-20261101"}, b.Snapshots("r"))
		require.Len(t, b.Cluster.CallsOf("DeleteSnapshots"), 1, "what is being deleted is waited for, not asked for again")
	})
}

func TestSomebodyElsesOperationIsWaitedFor(t *testing.T) {
	for _, f := range []flavour.Flavour{flavour.Native, flavour.Curator5} {
		b := runtest.New(t, memory.Elasticsearch("6.7.0"))
		b.Flavour = f
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		b.Cluster.AddRepository(cluster.Repository{Name: "theirs"})
		b.Cluster.AddOperation(cluster.Operation{
			Kind:       cluster.OpSnapshot,
			Repository: "theirs",
			Snapshot:   "nightly",
			Started:    runtest.Now.Add(-time.Hour),
		}, 6)
		res, _ := b.Run(runtest.TakeSnapshot)
		if f == flavour.Native {
			require.NoError(t, errors.Join(res.Errors()...))
			continue
		}
		require.ErrorIs(t, res.Actions[0].Err, cluster.ErrBusy)
		require.Contains(t, res.Actions[0].Err.Error(), "theirs/nightly")
		require.Contains(t, res.Actions[0].Err.Error(), "1h0m")
	}
}

// A run that ends while nothing moves says so: the disk of the repository may hang.
func TestTheEndOfAWaitWithoutProgress(t *testing.T) {
	for passed, still := range map[time.Duration]bool{30 * time.Second: false, 10 * time.Minute: true} {
		b := runtest.New(t)
		b.Cluster.SnapshotPolls = -1
		b.Cluster.AddIndices("logs-a")
		b.Cluster.AddRepository(cluster.Repository{Name: "r"})
		ctx, cancel := context.WithCancelCause(t.Context())
		b.Ctx = ctx
		b.Time.OnSleep = func() {
			if b.Time.Elapsed() > passed {
				cancel(errors.New("the deadline has passed"))
			}
		}
		_, r := b.Run(runtest.TakeSnapshot)
		o := runtest.Of[run.Outcome](r)[0].Outcome
		require.Equal(t, cluster.Requested, o.Result)
		require.Contains(t, o.Detail, "the deadline has passed")
		require.Equal(t, still, strings.Contains(o.Detail, "the repository's storage may not answer"), o.Detail)
	}
}
