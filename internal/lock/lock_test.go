package lock

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
)

var now = time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC)

// manual is a stopwatch that a test moves: a renewal happens when it says so.
type manual struct {
	mu      sync.Mutex
	elapsed time.Duration
	tick    chan struct{}
	sleeps  atomic.Int64 // begun: one more than renewals that have ended

	renewals int64
}

func newManual() *manual { return &manual{tick: make(chan struct{})} }

func (m *manual) Elapsed() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.elapsed
}

func (m *manual) Sleep(ctx context.Context, _ time.Duration) error {
	m.sleeps.Add(1)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.tick:
		return nil
	}
}

// pass lets time pass, for the cluster too, without a renewal.
func (m *manual) pass(c *memory.Memory, d time.Duration) {
	m.mu.Lock()
	m.elapsed += d
	m.mu.Unlock()
	c.Advance(d)
}

// renew has one renewal tried, and waits until it has ended.
func (m *manual) renew(t *testing.T) {
	t.Helper()
	m.renewals++
	m.tick <- struct{}{}
	require.Eventually(t, func() bool { return m.sleeps.Load() > m.renewals }, 5*time.Second, time.Millisecond)
}

func options(run string, w *manual) Options {
	return Options{Owner: Owner{Run: run, Host: "h-" + run, PID: 7}, Watch: w, Wall: func() time.Time { return now }}
}

var (
	deletion = cluster.DeleteIndices{Names: []string{"a"}}
	creation = cluster.CreateIndex{Name: "a"}
)

func TestOneRunHoldsTheLock(t *testing.T) {
	ctx, c, w := t.Context(), memory.New(memory.At(now)), newManual()
	a, err := Acquire(ctx, c, "nightly.yml", options("a", w))
	require.NoError(t, err)
	require.Nil(t, a.TookOver)
	require.NoError(t, a.Check(ctx, deletion))
	c.Advance(2 * time.Minute)
	_, err = Acquire(ctx, c, "nightly.yml", options("b", newManual()))
	var other *HeldError
	require.ErrorAs(t, err, &other)
	require.Equal(t, "another run of the job nightly.yml holds its lock: run a on host h-a (pid 7), acquired 2m ago, renewed 2m ago",
		err.Error())
	b, err := Acquire(ctx, c, "weekly.yml", options("b", newManual()))
	require.NoError(t, err, "another job")
	require.NoError(t, b.Release(ctx, true))
	list, err := List(ctx, c)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, now.Add(3*time.Minute), list[0].Expires.UTC())
	require.NoError(t, a.Release(ctx, true))
	b, err = Acquire(ctx, c, "nightly.yml", options("b", newManual()))
	require.NoError(t, err)
	require.NoError(t, b.Release(ctx, true))
	require.Empty(t, c.DocumentIDs(cluster.LockIndex))
}

// TestStaleLockIsTakenOver: by the cluster's clock. Its run notices before it writes.
func TestStaleLockIsTakenOver(t *testing.T) {
	ctx, c, w := t.Context(), memory.New(memory.At(now)), newManual()
	a, err := Acquire(ctx, c, "j", options("a", w))
	require.NoError(t, err)
	c.Advance(3*time.Minute + time.Second)
	b, err := Acquire(ctx, c, "j", options("b", newManual()))
	require.NoError(t, err)
	require.Equal(t, "a", b.TookOver.Owner.Run)
	require.NoError(t, a.Check(ctx, creation), "it has not noticed yet")
	err = a.Check(ctx, deletion)
	require.ErrorContains(t, err,
		"this run has lost the lock of the job j: run b on host h-b (pid 7) has taken it over; nothing more is changed")
	require.NotEmpty(t, cluster.Hint(err))
	require.Equal(t, err, a.Check(ctx, creation))
	require.Equal(t, err, a.Release(ctx, true))
	require.NoError(t, b.Check(ctx, deletion))
	require.NoError(t, b.Release(ctx, true))
}

func TestRenewal(t *testing.T) {
	ctx, c, w := t.Context(), memory.New(memory.At(now)), newManual()
	var broken atomic.Bool
	c.Fault = func(method string, _ []string) error {
		if method == "Clock" && broken.Load() {
			return cluster.ErrUnreachable
		}
		return nil
	}
	a, err := Acquire(ctx, c, "j", options("a", w))
	require.NoError(t, err)
	for range 5 {
		w.pass(c, 90*time.Second)
		w.renew(t)
		require.NoError(t, a.Check(ctx, creation))
	}
	h, err := Read(ctx, c, "j")
	require.NoError(t, err)
	require.Equal(t, now, h.Acquired.UTC())
	require.Equal(t, now.Add(450*time.Second), h.Renewed.UTC())

	broken.Store(true)
	w.pass(c, 90*time.Second)
	w.renew(t)
	require.NoError(t, a.Check(ctx, creation))
	w.pass(c, 31*time.Second)
	require.ErrorContains(t, a.Check(ctx, creation), "the lock of the job j could not be renewed for 2m1s: another run may take it over")
	broken.Store(false)
	w.renew(t)
	require.NoError(t, a.Check(ctx, deletion), "still its own")
	require.NoError(t, a.Release(ctx, true))
}

// TestMachineThatSlept: its stopwatch stood still, its clock did not.
func TestMachineThatSlept(t *testing.T) {
	ctx, c := t.Context(), memory.New(memory.At(now))
	o, wall := options("a", newManual()), now
	o.Wall = func() time.Time { return wall }
	a, err := Acquire(ctx, c, "j", o)
	require.NoError(t, err)
	wall = wall.Add(time.Hour)
	require.ErrorContains(t, a.Check(ctx, creation), "could not be renewed for 1h0m0s")
	require.NoError(t, a.Release(ctx, true))
}

// TestLostReplies: what was written counts, also if the reply was lost.
func TestLostReplies(t *testing.T) {
	ctx, c, w := t.Context(), memory.New(memory.At(now)), newManual()
	var lose atomic.Bool
	lose.Store(true)
	c.FaultAfter = func(method string, _ []string) error {
		if method == "PutDocument" && lose.Load() {
			return cluster.ErrLost
		}
		return nil
	}
	a, err := Acquire(ctx, c, "j", options("a", w))
	require.NoError(t, err)
	w.pass(c, time.Minute)
	w.renew(t) // written, lost
	lose.Store(false)
	require.NoError(t, a.Check(ctx, deletion))
	require.NoError(t, a.Release(ctx, true))
	require.Empty(t, c.DocumentIDs(cluster.LockIndex))
}

func TestReleasedByHand(t *testing.T) {
	ctx, c, w := t.Context(), memory.New(memory.At(now)), newManual()
	a, err := Acquire(ctx, c, "j", options("a", w))
	require.NoError(t, err)
	require.ErrorIs(t, Free(ctx, c, "j", Owner{Run: "b"}), cluster.ErrChanged)
	require.NoError(t, Free(ctx, c, "j", a.o.Owner))
	require.ErrorIs(t, Free(ctx, c, "j", a.o.Owner), cluster.ErrNoDocument)
	w.tick <- struct{}{}
	require.Eventually(t, func() bool { return a.Check(ctx, creation) != nil }, time.Second, time.Millisecond)
	require.ErrorContains(t, a.Check(ctx, creation), "it was released by hand")
	require.Error(t, a.Release(ctx, true))
}

// TestWithoutRights: the error is not that another run holds it.
func TestWithoutRights(t *testing.T) {
	c := memory.New(memory.At(now))
	c.Fault = func(method string, _ []string) error {
		if method == "PutDocument" {
			return cluster.ErrForbidden
		}
		return nil
	}
	_, err := Acquire(t.Context(), c, "j", options("a", newManual()))
	require.ErrorIs(t, err, cluster.ErrForbidden)
}

// TestAbandoned: a lock whose run is dead can be taken when it is stale, one that is renewed
// cannot.
func TestAbandoned(t *testing.T) {
	for name, c := range map[string]struct {
		then func(t *testing.T, c *memory.Memory, l *Lock, w *manual, looks int)
		want bool
	}{
		"its run was killed": {func(*testing.T, *memory.Memory, *Lock, *manual, int) {}, true},
		"its run goes on": {func(t *testing.T, _ *memory.Memory, _ *Lock, w *manual, looks int) {
			t.Helper()
			if looks == 5 {
				w.renew(t)
			}
		}, false},
		"its run ends": {func(t *testing.T, _ *memory.Memory, l *Lock, _ *manual, looks int) {
			t.Helper()
			if looks == 5 {
				require.NoError(t, l.Release(t.Context(), true))
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, w := memory.New(memory.At(now)), newManual()
			l, err := Acquire(t.Context(), m, "nightly.yml", options("a", w))
			require.NoError(t, err)
			_, err = Acquire(t.Context(), m, "nightly.yml", options("b", newManual()))
			var held *HeldError
			require.ErrorAs(t, err, &held)
			looks := 0
			passing := sleeps(func(d time.Duration) {
				looks++
				m.Advance(d)
				c.then(t, m, l, w, looks)
			})
			require.Equal(t, c.want, Abandoned(t.Context(), m, passing, held.Held))
			require.LessOrEqual(t, time.Duration(looks)*lookEvery, staleAfter+renewEvery)
			if !c.want {
				require.Equal(t, 5, looks, "a run that is alive is not waited for")
			}
		})
	}
}

// sleeps is a stopwatch that tells how long it was slept on.
type sleeps func(time.Duration)

func (sleeps) Elapsed() time.Duration { return 0 }

func (s sleeps) Sleep(_ context.Context, d time.Duration) error { s(d); return nil }

// TestClockAhead: a machine whose clock is ahead acts for no time that has not come.
func TestClockAhead(t *testing.T) {
	ctx, c := t.Context(), memory.New(memory.At(now))
	for ahead, refused := range map[time.Duration]bool{-time.Minute: false, 50 * time.Minute: false, 2 * time.Hour: true} {
		o := options("a", newManual())
		o.Due = now.Add(ahead)
		l, err := Acquire(ctx, c, "j"+ahead.String(), o)
		if refused {
			var wrong *AheadError
			require.ErrorAs(t, err, &wrong)
			require.ErrorContains(t, err, "the clock of this machine is wrong: the job is due at ")
			require.Empty(t, c.DocumentIDs(cluster.LockIndex))
			continue
		}
		require.NoError(t, err, ahead)
		require.NoError(t, l.Release(ctx, false))
	}
}
