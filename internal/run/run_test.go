package run_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
)

var now = time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC)

// fakeTime is a stopwatch on which sleeping takes no time; the cluster's clock
// moves with it.
type fakeTime struct {
	mu      sync.Mutex // the clocks are compared beside the actions
	elapsed time.Duration
	c       *memory.Memory
	onSleep func()
}

func (f *fakeTime) Elapsed() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.elapsed
}

// pass lets time pass, though not on the cluster's clock.
func (f *fakeTime) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.elapsed += d
}

func (f *fakeTime) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.pass(d)
	f.c.Advance(d)
	if f.onSleep != nil {
		f.onSleep()
	}
	return nil
}

// recorder keeps the events of a run.
type recorder struct{ events []run.Event }

func (r *recorder) Observe(e run.Event) { r.events = append(r.events, e) }

func of[T run.Event](r *recorder) []T {
	var list []T
	for _, e := range r.events {
		if t, ok := e.(T); ok {
			list = append(list, t)
		}
	}
	return list
}

func (r *recorder) outcomes() map[string]cluster.Result {
	out := map[string]cluster.Result{}
	for _, o := range of[run.Outcome](r) {
		out[o.Outcome.Name] = o.Outcome.Result
	}
	return out
}

func (r *recorder) warnings() string {
	var list []string
	for _, w := range of[run.Warning](r) {
		list = append(list, w.Text)
	}
	return strings.Join(list, "\n")
}

type bench struct {
	t    *testing.T
	c    *memory.Memory
	time *fakeTime
	o    run.Options
	f    flavour.Flavour
	ctx  context.Context
}

func newBench(t *testing.T, options ...memory.Option) *bench {
	c := memory.New(append([]memory.Option{memory.At(now)}, options...)...)
	b := &bench{t: t, c: c, time: &fakeTime{c: c}, ctx: context.Background()}
	b.o = run.Options{Now: now, Watch: b.time, Timeout: 30 * time.Second}
	return b
}

func (b *bench) run(file string) (run.Result, *recorder) {
	b.t.Helper()
	p, err := plan.Parse("test.yml", []byte(strings.ReplaceAll(file, "\t", "  ")), plan.Options{Flavour: b.f})
	require.NoError(b.t, err)
	r := &recorder{}
	return run.Run(b.ctx, p, b.c, b.o, r), r
}

func (b *bench) indices() []string {
	list, err := b.c.Indices(context.Background())
	require.NoError(b.t, err)
	return cluster.Names(list)
}

func (b *bench) snapshots(repository string) []string {
	names, err := cluster.SnapshotNames(context.Background(), b.c, repository)
	require.NoError(b.t, err)
	return names
}

func (b *bench) methods() []string {
	var list []string
	for _, c := range b.c.Calls() {
		list = append(list, c.Method)
	}
	return list
}

const deleteOld = `
actions:
  1:
    action: delete_indices
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}
`

const takeSnapshot = `
actions:
  1:
    action: snapshot
    options: {repository: r, name: 'snap-%Y%m%d%H%M%S', once_per: day}
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
`

func TestDeletesWhatIsOldAndSeesThatItIsGone(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("logs-2026.11.01", "logs-2026.11.13", "logs-2026.11.14", "logs-2026.11.20", "other-2026.01.01", "logs-nodate")
	res, r := b.run(deleteOld)
	require.NoError(t, res.Err)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, b.c.CallsOf("Indices"), 1, "one listing")
	require.Len(t, b.c.CallsOf("IndicesNamed"), 2, "by name: right before the deletion, and afterwards")
	require.Equal(t, []string{"logs-2026.11.20", "logs-nodate", "other-2026.01.01"}, b.indices())
	require.Equal(t, map[string]cluster.Result{"logs-2026.11.01": cluster.Done, "logs-2026.11.13": cluster.Done, "logs-2026.11.14": cluster.Done}, r.outcomes())
}

func TestDryRunWritesNothingAndAsksOnce(t *testing.T) {
	b := newBench(t)
	b.o.DryRun = true
	b.c.AddIndices("logs-2026.11.01", "logs-2026.11.20")
	b.c.AddRepository(cluster.Repository{Name: "r"})
	four := deleteOld + strings.ReplaceAll(strings.TrimPrefix(deleteOld, "\nactions:\n"), "  1:", "  2:")
	res, r := b.run(four)
	require.Empty(t, b.c.Writes())
	require.Len(t, b.c.CallsOf("Indices"), 1)
	require.LessOrEqual(t, len(b.c.Calls()), 3, "server, listing, clock: %v", b.methods())
	require.NoError(t, res.Actions[0].Err)
	require.ErrorIs(t, res.Actions[1].Err, cluster.ErrEmpty, "the second action sees the first one's assumed effect")
	require.True(t, of[run.Outcome](r)[0].Outcome.Assumed)
	require.Equal(t, []string{"logs-2026.11.01", "logs-2026.11.20"}, b.indices())
}

func TestDryRunAssumesRepositoryAndSnapshot(t *testing.T) {
	b := newBench(t)
	b.o.DryRun = true
	b.c.AddIndices("logs-2026.11.01")
	res, r := b.run(`
repositories: {r: {type: fs, settings: {location: /b}}}
actions:
  1: {action: snapshot, options: {repository: r, name: s-%Y, once_per: day}, filters: [{filtertype: none}]}
  2: {action: snapshot, options: {repository: r, name: s-%Y, once_per: day}, filters: [{filtertype: none}]}
`)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.c.Writes())
	require.Equal(t, cluster.Adopted, of[run.Outcome](r)[1].Outcome.Result, "the second adopts what the first is assumed to have taken")
}

// What Curator does with an empty list and with failures, with esnap's own exit codes.
func TestWhatEndsARun(t *testing.T) {
	second := `
  2:
    action: delete_indices
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
`
	for _, c := range []struct {
		name              string
		ignore, goOn      bool
		fails             bool // another failure than an empty list
		secondRuns, clean bool
	}{
		{"empty", false, false, false, false, false},
		{"empty, ignored", true, false, false, true, true},
		{"empty is never excused by continue_if_exception", false, true, false, false, false},
		{"empty, both", true, true, false, true, true},
		{"failure", false, false, true, false, false},
		{"failure is not an empty list", true, false, true, false, false},
		{"failure, going on", false, true, true, true, false},
		{"failure, both", true, true, true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.c.AddIndices("logs-2026.11.01")
			repo := "r"
			b.c.AddRepository(cluster.Repository{Name: "r"})
			if c.fails {
				repo = "missing"
			}
			res, _ := b.run(fmt.Sprintf(`
actions:
  1:
    action: delete_snapshots
    options: {repository: %s, ignore_empty_list: %t, continue_if_exception: %t}
    filters: [{filtertype: none}]
%s`, repo, c.ignore, c.goOn, second))
			require.Equal(t, c.secondRuns, len(b.indices()) == 0)
			require.Equal(t, c.clean, len(res.Errors()) == 0, "%v", res.Errors())
			require.Equal(t, !c.secondRuns, res.Actions[1].NotRun)
		})
	}
}

func TestActionsRunInNumericOrder(t *testing.T) {
	b := newBench(t)
	_, r := b.run(`
actions:
  10: {action: delete_indices, options: {disable_action: true}, filters: []}
  2: {action: delete_indices, options: {disable_action: 'True'}, filters: []}
  3: {action: delete_indices, options: {disable_action: yes}, filters: []}
`)
	var ids []string
	for _, s := range of[run.ActionSkipped](r) {
		ids = append(ids, s.Step.ID)
	}
	require.Equal(t, []string{"2", "3", "10"}, ids)
	require.Empty(t, b.methods(), "for disabled actions the cluster is not asked")
}

func TestClocksApartRefuseDeletion(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("logs-2026.11.01")
	b.c.SetClock(now.Add(-16 * time.Minute))
	res, _ := b.run(deleteOld)
	require.ErrorAs(t, res.Actions[0].Err, new(*cluster.Refused))
	require.Empty(t, b.c.Writes())
	b.o.AllowClockSkew = true
	res, _ = b.run(deleteOld)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.indices())
}

func TestAnIndexMadeAnewSinceItWasListedIsLeftAlone(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("logs-2026.11.01", "logs-2026.11.02")
	b.o.ConfirmSelection = func(plan.Step, cluster.Selection) error {
		b.time.pass(2 * time.Minute) // an operator thinks about it
		b.c.Advance(2 * time.Minute)
		b.c.AddIndices("logs-2026.11.02")
		return nil
	}
	_, r := b.run(deleteOld)
	require.Equal(t, []string{"logs-2026.11.02"}, b.indices())
	require.Contains(t, r.warnings(), "logs-2026.11.02: skipped")
}

func TestGuardsSpareWithReasons(t *testing.T) {
	b := newBench(t)
	old := now.AddDate(0, 0, -50)
	good := cluster.Snapshot{State: cluster.Success}
	for i, name := range []string{"prod-20260901", "prod-20260902", "test-20260901"} {
		s := good
		s.Name, s.Start, s.Indices = name, old.Add(time.Duration(i)*time.Hour), []string{"logs-1"}
		b.c.AddSnapshot("r", s)
	}
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "prod-20260903", State: cluster.Failed, Start: old.Add(9 * time.Hour), Indices: []string{"logs-1"}})
	res, r := b.run(`
actions:
  1:
    action: delete_snapshots
    options: {repository: r}
    filters: [{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 45}]
`)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"prod-20260902", "test-20260901"}, b.snapshots("r"))
	require.Equal(t, 2, res.Actions[0].Guarded)
	for _, s := range of[run.Selected](r)[0].Selection.Spared {
		require.NotEmpty(t, s.Why)
	}
}

// TestProgressAtEveryLook: once progress was read, every look has it, and names what runs.
func TestProgressAtEveryLook(t *testing.T) {
	b := newBench(t)
	b.c.SnapshotPolls, b.c.RestorePolls = 60, 120
	b.c.AddIndices("logs-a", "logs-b", "x")
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i", "j"}})
	const restoreTwo = "actions: {1: {action: restore, options: {repository: r, name: s, indices: [i, j]}, filters: [{filtertype: none}]}}"
	for file, want := range map[string]string{
		takeSnapshot: "snapshot r/snap-20261121010008",
		restoreTwo:   "restore 2 indices from r/s",
	} {
		res, r := b.run(file)
		require.NoError(t, errors.Join(res.Errors()...))
		read := 0
		for _, w := range of[run.Waiting](r) {
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

func TestASnapshotIsTakenAndJudged(t *testing.T) {
	b := newBench(t)
	b.c.SnapshotPolls = 5
	b.c.AddIndices("logs-a", "logs-b", "x")
	b.c.AddRepository(cluster.Repository{Name: "r"})
	res, r := b.run(takeSnapshot)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"snap-20261121010008"}, b.snapshots("r"))
	s, err := b.c.Snapshot(context.Background(), "r", "snap-20261121010008")
	require.NoError(t, err)
	require.Equal(t, []string{"logs-a", "logs-b"}, s.Indices)
	require.Equal(t, cluster.Done, r.outcomes()["snap-20261121010008"])
	require.NotEmpty(t, of[run.Waiting](r))
}

func TestPartialAndFailedSnapshots(t *testing.T) {
	for _, c := range []struct {
		name, options string
		ends          func(*cluster.Snapshot)
		want          cluster.Result
	}{
		{"partial is a failure", "", memory.EndPartial("logs-a"), cluster.Failure},
		{"partial allowed", ", partial: true", memory.EndPartial("logs-a"), cluster.PartlyDone},
		{"failed", ", partial: true", memory.EndFailed("disk full"), cluster.Failure},
		{"success with failed shards", "", func(s *cluster.Snapshot) { s.Shards.Failed = 1 }, cluster.Failure},
		{"an index is missing from it", "", func(s *cluster.Snapshot) { s.Indices = []string{"logs-a"} }, cluster.Failure},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.c.SnapshotEnds = c.ends
			b.c.AddIndices("logs-a", "logs-b")
			b.c.AddRepository(cluster.Repository{Name: "r"})
			res, r := b.run(strings.Replace(takeSnapshot, ", once_per: day", c.options, 1))
			require.Equal(t, c.want, r.outcomes()["snap-20261121010008"])
			require.Equal(t, c.want == cluster.Failure, len(res.Errors()) > 0)
			require.Equal(t, c.want == cluster.PartlyDone, res.Actions[0].Partial)
		})
	}
}

func foreign(s cluster.Snapshot) cluster.Snapshot {
	s.Cluster = "another cluster"
	return s
}

func TestOncePerAdoptsOnlyWhatIsWhole(t *testing.T) {
	snap := func(name string, state cluster.State, start time.Time, indices ...string) cluster.Snapshot {
		return cluster.Snapshot{Name: name, State: state, Start: start, Indices: indices}
	}
	early := now.Add(-30 * time.Minute)
	for _, c := range []struct {
		name    string
		have    cluster.Snapshot
		want    []string
		created time.Time // of logs-b
	}{
		{"good, of today, holding all", snap("snap-20261121003008", cluster.Success, early, "logs-a", "logs-b", "z"), []string{"snap-20261121003008"}, now.AddDate(0, 0, -1)},
		{"lacking an index", snap("snap-20261121003008", cluster.Success, early, "logs-a"), []string{"snap-20261121003008", "snap-20261121010008"}, now.AddDate(0, 0, -1)},
		{"failed", snap("snap-20261121003008", cluster.Failed, early, "logs-a", "logs-b"), []string{"snap-20261121003008", "snap-20261121010008"}, now.AddDate(0, 0, -1)},
		{"of yesterday", snap("snap-20261120235908", cluster.Success, now.Add(-2*time.Hour), "logs-a", "logs-b"), []string{"snap-20261120235908", "snap-20261121010008"}, now.AddDate(0, 0, -1)},
		{"of another series", snap("manual-20261121003008", cluster.Success, early, "logs-a", "logs-b"), []string{"manual-20261121003008", "snap-20261121010008"}, now.AddDate(0, 0, -1)},
		{"failed under the very name", snap("snap-20261121010008", cluster.Failed, early, "logs-a", "logs-b"), []string{"snap-20261121010008", "snap-20261121010008-2"}, now.AddDate(0, 0, -1)},
		{"the index was created again after it", snap("snap-20261121003008", cluster.Success, early, "logs-a", "logs-b"), []string{"snap-20261121003008", "snap-20261121010008"}, early.Add(time.Minute)},
		{"of another cluster", foreign(snap("snap-20261121003008", cluster.Success, early, "logs-a", "logs-b")), []string{"snap-20261121003008", "snap-20261121010008"}, now.AddDate(0, 0, -1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.c.AddIndex(cluster.Index{Name: "logs-a", Created: now.AddDate(0, 0, -1)})
			b.c.AddIndex(cluster.Index{Name: "logs-b", Created: c.created})
			b.c.AddSnapshot("r", c.have)
			res, _ := b.run(takeSnapshot)
			require.NoError(t, errors.Join(res.Errors()...))
			require.Equal(t, c.want, b.snapshots("r"))
		})
	}
	t.Run("running", func(t *testing.T) {
		b := newBench(t, memory.Elasticsearch("6.7.0"))
		b.c.AddIndex(cluster.Index{Name: "logs-a", Created: now.AddDate(0, 0, -1)})
		b.c.AddIndex(cluster.Index{Name: "logs-b", Created: now.AddDate(0, 0, -1)})
		b.c.AddSnapshot("r", snap("snap-20261121003008", cluster.InProgress, early, "logs-a", "logs-b"))
		b.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "r", Snapshot: "snap-20261121003008", Started: early}, 8)
		res, r := b.run(takeSnapshot)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, []string{"snap-20261121003008"}, b.snapshots("r"))
		require.Equal(t, cluster.Adopted, r.outcomes()["snap-20261121003008"])
	})
}

func TestALostReplyIsLookedAfter(t *testing.T) {
	t.Run("create that happened", func(t *testing.T) {
		b := newBench(t)
		b.c.AddIndices("logs-a")
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.c.FaultAfter = func(method string, _ []string) error {
			if method == "CreateSnapshot" {
				return cluster.ErrLost
			}
			return nil
		}
		res, _ := b.run(takeSnapshot)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Len(t, b.c.CallsOf("CreateSnapshot"), 1, "it is not asked for twice")
	})
	t.Run("create that did not", func(t *testing.T) {
		b := newBench(t)
		b.c.AddIndices("logs-a")
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.c.Fault = func(method string, _ []string) error {
			if method == "CreateSnapshot" {
				return cluster.ErrLost
			}
			return nil
		}
		res, _ := b.run(takeSnapshot)
		require.Error(t, errors.Join(res.Errors()...))
	})
	t.Run("deletion that goes on", func(t *testing.T) {
		b := newBench(t)
		b.c.DeletePolls = 5
		for _, n := range []string{"s-20260101", "s-20260102", "s-20261101"} {
			b.c.AddSnapshot("r", cluster.Snapshot{Name: n, Start: now.AddDate(0, -1, len(n))})
		}
		res, _ := b.run(`
actions:
  1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: age, source: name, timestring: '%Y%m%d', direction: older, unit: days, unit_count: 45}]}
`)
		require.NoError(t, errors.Join(res.Errors()...))
		require.Equal(t, []string{"s-20261101"}, b.snapshots("r"))
		require.Len(t, b.c.CallsOf("DeleteSnapshots"), 1, "what is being deleted is waited for, not asked for again")
	})
}

func TestSomebodyElsesOperationIsWaitedFor(t *testing.T) {
	for _, f := range []flavour.Flavour{flavour.Native, flavour.Curator5} {
		b := newBench(t, memory.Elasticsearch("6.7.0"))
		b.f = f
		b.c.AddIndices("logs-a")
		b.c.AddRepository(cluster.Repository{Name: "r"})
		b.c.AddRepository(cluster.Repository{Name: "theirs"})
		b.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "theirs", Snapshot: "nightly", Started: now.Add(-time.Hour)}, 6)
		res, _ := b.run(takeSnapshot)
		if f == flavour.Native {
			require.NoError(t, errors.Join(res.Errors()...))
			continue
		}
		require.ErrorIs(t, res.Actions[0].Err, cluster.ErrBusy)
		require.Contains(t, res.Actions[0].Err.Error(), "theirs/nightly")
		require.Contains(t, res.Actions[0].Err.Error(), "1h0m")
	}
}

// While a refused deletion waits, somebody may put something else under a name.
func TestWhatIsAnotherAfterWaitingIsNotDeleted(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("logs-2026.11.01", "logs-2026.11.02")
	b.c.Fault = func(method string, _ []string) error {
		if method != "DeleteIndices" || len(b.c.CallsOf(method)) > 1 {
			return nil
		}
		b.c.AddIndex(cluster.Index{Name: "logs-2026.11.02", UUID: "restored meanwhile"})
		return cluster.ErrBusy
	}
	res, _ := b.run(deleteOld)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-2026.11.02"}, b.indices())

	b = newBench(t)
	for _, n := range []string{"s-20260101", "s-20260102", "s-20261101"} {
		b.c.AddSnapshot("r", cluster.Snapshot{Name: n, Start: now.AddDate(0, -1, 0)})
	}
	b.c.Fault = func(method string, _ []string) error {
		if method != "DeleteSnapshots" || len(b.c.CallsOf(method)) > 1 {
			return nil
		}
		b.c.AddSnapshot("r", cluster.Snapshot{Name: "s-20260102", UUID: "another", Start: now})
		return cluster.ErrBusy
	}
	res, _ = b.run(`
actions:
  1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: age, source: name, timestring: '%Y%m%d', direction: older, unit: days, unit_count: 45}]}
`)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"s-20260102", "s-20261101"}, b.snapshots("r"))
}

func TestAStalledSnapshotIsGivenUp(t *testing.T) {
	b := newBench(t)
	b.c.SnapshotPolls = -1
	b.c.AddIndices("logs-a")
	b.c.AddRepository(cluster.Repository{Name: "r"})
	res, _ := b.run(strings.Replace(takeSnapshot, "once_per: day", "stall: 10m", 1))
	require.ErrorContains(t, errors.Join(res.Errors()...), "no progress for 10m")
	require.Less(t, b.time.Elapsed(), 15*time.Minute)
}

func TestOneItemThatCannotBeDeletedDoesNotKeepTheOthers(t *testing.T) {
	b := newBench(t)
	names := []string{"logs-2026.11.01", "logs-2026.11.02", "logs-2026.11.03", "logs-2026.11.04", "logs-2026.11.05"}
	b.c.AddIndices(names...)
	b.c.Fault = func(method string, about []string) error {
		if method == "DeleteIndices" && slices.Contains(about, "logs-2026.11.04") {
			return cluster.ErrForbidden
		}
		return nil
	}
	res, r := b.run(deleteOld)
	require.Equal(t, []string{"logs-2026.11.04"}, b.indices())
	require.ErrorIs(t, res.Actions[0].Err, cluster.ErrForbidden)
	require.Equal(t, cluster.Failure, r.outcomes()["logs-2026.11.04"])
	require.Equal(t, cluster.Done, r.outcomes()["logs-2026.11.05"])
}

func TestADeletionThatIsAcknowledgedButNotDoneFails(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("logs-2026.11.01")
	b.c.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteIndices" { // it comes back every time, with the same identity
			b.c.AddIndex(cluster.Index{Name: "logs-2026.11.01", UUID: "same"})
		}
		return nil
	}
	b.c.AddIndex(cluster.Index{Name: "logs-2026.11.01", UUID: "same"})
	res, r := b.run(deleteOld)
	require.ErrorContains(t, res.Actions[0].Err, "still exists")
	require.Equal(t, cluster.Failure, r.outcomes()["logs-2026.11.01"])
}

func TestAnInterruptionStartsNothingNew(t *testing.T) {
	b := newBench(t, memory.Elasticsearch("6.7.0"))
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	b.ctx = ctx
	for _, n := range []string{"s-20260101", "s-20260102", "s-20260103"} {
		b.c.AddSnapshot("r", cluster.Snapshot{Name: n, State: cluster.Partial, Start: now.AddDate(0, -6, 0)})
	}
	b.c.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteSnapshots" {
			cancel(stop)
		}
		return nil
	}
	res, r := b.run(`
actions:
  1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: none}]}
  2: {action: delete_indices, filters: [{filtertype: none}], options: {ignore_empty_list: true}}
`)
	require.ErrorIs(t, res.Err, stop)
	require.Len(t, b.snapshots("r"), 2)
	require.Equal(t, map[string]cluster.Result{"s-20260101": cluster.Done, "s-20260102": cluster.NotStarted, "s-20260103": cluster.NotStarted}, r.outcomes())
	require.True(t, res.Actions[1].NotRun)
}

func TestRepositoriesInTheFile(t *testing.T) {
	file := func(extra string) string {
		return "repositories: {r: {type: fs, settings: {location: /b/, compress: 'true'" + extra + "}}}\nactions: {}\n"
	}
	b := newBench(t)
	p := func(text string) (run.Result, *recorder) {
		pl, err := plan.Parse("t.yml", []byte(strings.Replace(text, "actions: {}\n", "", 1)), plan.Options{})
		require.NoError(t, err)
		r := &recorder{}
		return run.Run(context.Background(), pl, b.c, b.o, r), r
	}
	res, r := p(file(""))
	require.NoError(t, res.Err)
	require.True(t, of[run.RepositoryReady](r)[0].State.Changed)
	b.c.ForgetCalls()
	res, r = p(strings.Replace(file(""), "/b/", "/b", 1))
	require.NoError(t, res.Err)
	require.False(t, of[run.RepositoryReady](r)[0].State.Changed)
	require.Empty(t, b.c.Writes(), "a trailing slash and text for a boolean are no drift")
	res, r = p(file(", max_restore_bytes_per_sec: 40mb"))
	require.NoError(t, res.Err)
	require.Empty(t, b.c.Writes())
	require.Contains(t, r.warnings(), "max_restore_bytes_per_sec")
	res, _ = p(strings.Replace(file(", max_restore_bytes_per_sec: 40mb"), "type: fs", "type: fs, ensure: update", 1))
	require.NoError(t, res.Err)
	require.Len(t, b.c.CallsOf("RegisterRepository"), 1)
	res, _ = p(strings.Replace(file(""), "/b/", "/elsewhere", 1))
	require.ErrorAs(t, res.Err, new(*cluster.Refused))
	b.o.Force = true
	res, _ = p(strings.Replace(file(""), "/b/", "/elsewhere", 1))
	require.NoError(t, res.Err)
}

func TestARepositoryThatIsNotReadyKeepsTheDeletionsFromRunning(t *testing.T) {
	b := newBench(t)
	b.c.AddIndices("logs-2026.11.01")
	b.c.Fault = func(method string, _ []string) error {
		if method == "RegisterRepository" {
			return cluster.ErrRepository
		}
		return nil
	}
	res, _ := b.run("repositories: {r: {type: fs, settings: {location: /b}}}" + deleteOld)
	require.ErrorIs(t, res.Err, cluster.ErrRepository)
	require.Equal(t, []string{"logs-2026.11.01"}, b.indices())
	require.True(t, res.Actions[0].NotRun)
}

func TestManagedIndicesAreLeftToTheirPolicy(t *testing.T) {
	b := newBench(t)
	b.c.AddIndex(cluster.Index{Name: "logs-2026.11.01", Lifecycle: "p"})
	b.c.AddIndex(cluster.Index{Name: "logs-2026.11.02"})
	res, _ := b.run(deleteOld)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-2026.11.01"}, b.indices())
	res, _ = b.run(strings.Replace(deleteOld, "filters:", "options: {allow_ilm_indices: true}\n    filters:", 1))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.indices())
}

func TestARestoreFromAFile(t *testing.T) {
	b := newBench(t)
	b.c.RestorePolls = 3
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "s1", Start: now.Add(-48 * time.Hour), Indices: []string{"logs-a", "logs-b"}})
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "s2", Start: now.Add(-time.Hour), State: cluster.Partial, Indices: []string{"logs-a", "logs-b"},
		Failures: []cluster.ShardFailure{{Index: "logs-a"}}})
	file := `
actions:
  1:
    action: restore
    options: {repository: r, rename_pattern: '(.+)', rename_replacement: 'back-$1', keep_for: 3d%s}
    filters: [{filtertype: none}]
`
	res, _ := b.run(fmt.Sprintf(file, ""))
	require.ErrorContains(t, errors.Join(res.Errors()...), "PARTIAL", "Curator takes the newest and then looks at its state")
	res, _ = b.run(fmt.Sprintf(file, ", snapshot: latest"))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"back-logs-a", "back-logs-b"}, b.indices())
	list, err := b.c.Indices(context.Background())
	require.NoError(t, err)
	require.True(t, list[0].KeepUntil().After(now.AddDate(0, 0, 3)))
	res, _ = b.run("actions: {1: {action: delete_indices, filters: [{filtertype: none}]}}")
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, b.indices(), 2, "the mark protects them")
	require.Equal(t, 2, res.Actions[0].Guarded)
}

func TestARestoreWhoseShardsDoNotStartFails(t *testing.T) {
	b := newBench(t)
	b.c.RestoreEnds = func(index string) string { return map[string]string{"logs-a": "ALLOCATION_FAILED"}[index] }
	b.c.AddSnapshot("r", cluster.Snapshot{Name: "s1", Indices: []string{"logs-a", "logs-b"}})
	res, r := b.run("actions: {1: {action: restore, options: {repository: r}, filters: [{filtertype: none}]}}")
	require.ErrorContains(t, errors.Join(res.Errors()...), "ALLOCATION_FAILED")
	require.Equal(t, map[string]cluster.Result{"logs-a": cluster.Failure, "logs-b": cluster.Done}, r.outcomes())
}
