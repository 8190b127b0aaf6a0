package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/schedule"
)

// realTime is the time of the bubble that a test runs in.
func realTime() Clock {
	return Clock{Now: time.Now, Sleep: func(ctx context.Context, d time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func every(t *testing.T, text string, change ...func(*schedule.Spec)) *schedule.Schedule {
	t.Helper()
	spec := schedule.Spec{Text: text, Deadline: schedule.DefaultDeadline}
	for _, c := range change {
		c(&spec)
	}
	s, err := schedule.New(spec, "job")
	require.NoError(t, err)
	return s
}

// diary notes when a task ran, and for which time.
type diary struct {
	begin time.Time

	mu   sync.Mutex
	list []string
}

func (d *diary) note(lines ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, lines...)
}

func (d *diary) lines() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

func (d *diary) run(takes time.Duration) func(context.Context, *Run) Ended {
	return func(ctx context.Context, r *Run) Ended {
		r.Started(42)
		line := "by hand " + r.Reason
		if r.Due != nil {
			line = r.Due().Sub(d.begin).String()
		}
		if r.Missed {
			d.note(fmt.Sprintf("%s: missed %s", time.Since(d.begin), line))
			return Ended{Code: 1}
		}
		d.note(fmt.Sprintf("%s for %s", time.Since(d.begin), line))
		select {
		case <-time.After(takes):
			return Ended{}
		case <-ctx.Done():
			return Ended{Code: 143}
		}
	}
}

// at moves to a round time: a bubble begins at midnight of 1 January 2000, UTC.
func (d *diary) at(after time.Duration) {
	time.Sleep(after)
	d.begin = time.Now()
}

func TestRunsAtItsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: every(t, "*/10 * * * *"), Run: d.run(time.Minute)}})
		time.Sleep(35 * time.Minute)
		st := s.Status()[0]
		require.Equal(t, 0, st.Last.Code)
		require.True(t, st.Next.Equal(d.begin.Add(40*time.Minute)))
		cancel()
		s.Wait()
		require.Equal(t, []string{"10m0s for 10m0s", "20m0s for 20m0s", "30m0s for 30m0s"}, d.lines())
	})
}

// TestNoOverlap: a run that takes longer than the interval makes one run late, not several.
func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		var log strings.Builder
		s := New(realTime(), slog.New(slog.NewTextHandler(&log, nil)))
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: every(t, "*/10 * * * *"), Run: d.run(35 * time.Minute)}})
		time.Sleep(50 * time.Minute)
		require.Equal(t, ErrRunning, s.Trigger(t.Context(), "a", "x"))
		require.False(t, s.Status()[0].Since.IsZero())
		require.Equal(t, 42, s.Status()[0].PID)
		cancel()
		s.Wait()
		require.Contains(t, log.String(), "the run took longer than its schedule allows")
		require.Contains(t, log.String(), "due="+d.begin.Add(10*time.Minute).UTC().Format(time.RFC3339)+" next="+
			d.begin.Add(40*time.Minute).UTC().Format(time.RFC3339))
		require.Equal(t, []string{"10m0s for 10m0s", "45m0s for 40m0s"}, d.lines())
		require.Equal(t, 143, s.tasks["a"].last.Code, "the run ended with the scheduler")
	})
}

// TestCatchUp: what was missed while nothing ran is caught up once, if it is not too late.
func TestCatchUp(t *testing.T) {
	for name, c := range map[string]struct {
		acted time.Duration // before the start
		known bool
		want  []string
	}{
		"one missed":       {25 * time.Hour, true, []string{"0s for -30m0s", "23h30m0s for 23h30m0s"}},
		"many missed":      {240 * time.Hour, true, []string{"0s for -30m0s", "23h30m0s for 23h30m0s"}},
		"none missed":      {30 * time.Minute, true, []string{"23h30m0s for 23h30m0s"}},
		"never ran":        {0, true, []string{"23h30m0s for 23h30m0s"}},
		"learned too late": {25 * time.Hour, false, []string{"2h0m0s: missed -30m0s", "23h30m0s for 23h30m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				d.at(25*time.Hour + 30*time.Minute) // half an hour after it was due
				ctx, cancel := context.WithCancel(t.Context())
				s := New(realTime(), quiet())
				began := d.begin
				s.Set(ctx, []Task{{
					Key:      "a",
					Name:     "a",
					Schedule: every(t, "0 1 * * *"),
					Run:      d.run(time.Minute),
					Acted: func(context.Context) (time.Time, error) {
						if !c.known && time.Since(began) < 2*time.Hour {
							return time.Time{}, errors.New("no answer")
						}
						if c.acted == 0 {
							return time.Time{}, nil
						}
						return began.Add(-c.acted), nil
					},
				}})
				time.Sleep(24 * time.Hour)
				cancel()
				s.Wait()
				require.Equal(t, c.want, d.lines())
			})
		})
	}
}

// TestClusterWakesLater: the answer about the last run comes after the start, in time.
func TestClusterWakesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(25*time.Hour + 30*time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		began := d.begin
		s.Set(ctx, []Task{{
			Key:      "a",
			Name:     "a",
			Schedule: every(t, "0 1 * * *"),
			Run:      d.run(time.Minute),
			Acted: func(context.Context) (time.Time, error) {
				if time.Since(began) < 10*time.Minute {
					return time.Time{}, errors.New("no answer")
				}
				return began.Add(-25 * time.Hour), nil
			},
		}})
		time.Sleep(time.Hour)
		cancel()
		s.Wait()
		require.Equal(t, []string{"10m0s for -30m0s"}, d.lines())
	})
}

func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		task := Task{Key: "a", Name: "a", Schedule: every(t, "0 * * * *"), Run: d.run(20 * time.Minute)}
		s.Set(ctx, []Task{task})
		time.Sleep(time.Hour + time.Minute) // it runs
		s.Set(ctx, nil)
		time.Sleep(time.Minute)
		require.Len(t, s.Status(), 1, "the run goes on")
		s.Set(ctx, []Task{task}) // and is not begun twice
		time.Sleep(30 * time.Minute)
		require.Equal(t, []string{"1h0m0s for 1h0m0s"}, d.lines())
		task.Schedule, task.Problem = every(t, "*/15 * * * *"), "broken"
		s.Set(ctx, []Task{task})
		require.Equal(t, "broken", s.Status()[0].Problem)
		time.Sleep(16 * time.Minute) // 1h47m
		require.Equal(t, []string{"1h0m0s for 1h0m0s", "1h45m0s for 1h45m0s"}, d.lines())
		time.Sleep(20 * time.Minute)
		s.Set(ctx, nil)
		time.Sleep(time.Hour)
		require.Empty(t, s.Status())
		cancel()
		s.Wait()
	})
}

func TestTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		var told []Status
		s.After = func(st Status, _ Ended) { told = append(told, st) }
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: every(t, "0 1 * * *"), Run: d.run(time.Minute)}})
		time.Sleep(10 * time.Second)
		require.Equal(t, ErrUnknown, s.Trigger(t.Context(), "b", "x"))
		require.NoError(t, s.Trigger(t.Context(), "a", "me"))
		require.Equal(t, ErrRunning, s.Trigger(t.Context(), "a", "me"))
		time.Sleep(2 * time.Minute)
		require.NoError(t, s.Trigger(t.Context(), "a", "you"))
		time.Sleep(2 * time.Minute)
		cancel()
		s.Wait()
		require.Equal(t, []string{"10s for by hand me", "2m10s for by hand you"}, d.lines())
		require.Len(t, told, 2)
		require.True(t, told[1].Last.Due.IsZero())
	})
}

// TestJitter: a run is put off, by less than the jitter, and its time stays what it was.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		sched := every(t, "0 * * * *", func(s *schedule.Spec) { s.Jitter = 30 * time.Minute })
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: sched, Run: d.run(time.Second)}})
		time.Sleep(2*time.Hour - time.Second)
		cancel()
		s.Wait()
		require.Equal(t, []string{fmt.Sprintf("%s for 1h0m0s", time.Hour+sched.Delay(d.begin.Add(time.Hour)))}, d.lines())
		require.NotZero(t, sched.Delay(d.begin.Add(time.Hour)))
	})
}

// TestClockIsSet: a clock that jumps ahead misses what is too old; one that is put back does
// not wait for the time that it had before.
func TestClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour)
		var jump atomic.Int64
		clock := realTime()
		clock.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		ctx, cancel := context.WithCancel(t.Context())
		s := New(clock, quiet())
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: every(t, "0 1 * * *"), Run: d.run(time.Minute)}})
		time.Sleep(75 * time.Second)      // between two looks at the clock
		jump.Store(int64(47 * time.Hour)) // 00:01 two days later: a day was missed, more than two hours ago
		time.Sleep(time.Hour)
		require.Equal(t, []string{"1m30s: missed 24h0m0s", "1h0m0s for 48h0m0s"}, d.lines())
		jump.Store(-int64(24 * time.Hour))
		time.Sleep(24 * time.Hour)
		cancel()
		s.Wait()
		require.Len(t, d.lines(), 3)
	})
}

// TestMissedForDays: only the last one of many times is told, whatever the schedule.
func TestMissedForDays(t *testing.T) {
	for text, want := range map[string]string{
		"0 1 * * *": "missed -5h0m0s",
		"0 1 1 * *": "missed -317h0m0s",
	} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			d.at(13*24*time.Hour + 6*time.Hour)
			ctx, cancel := context.WithCancel(t.Context())
			s := New(realTime(), quiet())
			first := make(chan struct{})
			s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: every(t, text), Run: func(_ context.Context, r *Run) Ended {
				if !r.Missed {
					<-ctx.Done()
					return Ended{}
				}
				d.note("missed " + r.Due().Sub(d.begin).String())
				close(first)
				return Ended{Code: 1}
			}, Acted: func(context.Context) (time.Time, error) { return d.begin.Add(-318 * time.Hour), nil }}})
			<-first
			require.Equal(t, []string{want}, d.lines())
			require.Equal(t, 1, waitLast(s).Code)
			cancel()
			s.Wait()
		})
	}
}

// waitLast is the last run, when it has ended.
func waitLast(s *Scheduler) *Last {
	for {
		if last := s.Status()[0].Last; last != nil {
			return last
		}
		time.Sleep(time.Second)
	}
}

// TestPanic: a run that panics has failed; the next one comes.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		n := 0
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: every(t, "* * * * *"), Run: func(context.Context, *Run) Ended { n++; panic("x") }}})
		time.Sleep(150 * time.Second)
		require.Equal(t, 1, s.Status()[0].Last.Code)
		cancel()
		s.Wait()
		require.Equal(t, 2, n)
	})
}

// TestLaterTime: a run that waited for another process acts for the time that has come
// meanwhile, and not for one that is over.
func TestLaterTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		sched := every(t, "0 * * * *", func(s *schedule.Spec) { s.Deadline = 20 * time.Minute })
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: sched, Run: func(ctx context.Context, r *Run) Ended {
			r.Waits()
			var seen []string
			for range 14 {
				seen = append(seen, r.Due().Sub(d.begin).String())
				time.Sleep(5 * time.Minute)
			}
			d.note(seen...)
			return Ended{NotOurs: true, Due: r.Due()}
		}}})
		time.Sleep(2*time.Hour + 15*time.Minute)
		require.Nil(t, s.Status()[0].Last)
		cancel()
		s.Wait()
		over := time.Time{}.Sub(d.begin).String()
		want := []string{"1h0m0s", "1h0m0s", "1h0m0s", "1h0m0s", "1h0m0s", over, over, over, over, over, over, over, "2h0m0s", "2h0m0s"}
		require.Equal(t, want, d.lines())
	})
}

// TestLateAnswer: when the task was last run may be answered only after it ran again. Then
// nothing was missed.
func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		d.at(time.Hour - time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		s := New(realTime(), quiet())
		s.Set(ctx, []Task{{Key: "a", Name: "a", Schedule: every(t, "0 * * * *"), Run: d.run(time.Minute),
			Acted: func(context.Context) (time.Time, error) {
				time.Sleep(3 * time.Minute) // it does not hear that nobody waits any more
				return d.begin.Add(-time.Minute), nil
			}}})
		time.Sleep(10 * time.Minute)
		cancel()
		s.Wait()
		require.Equal(t, []string{"1s for 1s"}, d.lines())
	})
}
