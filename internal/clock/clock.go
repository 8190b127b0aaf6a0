// Package clock measures time and waits, so that tests can do both at once.
package clock

import (
	"context"
	"time"
)

// Stopwatch is the one source of elapsed time; tests inject their own.
type Stopwatch interface {
	// Elapsed is the time since the run began.
	Elapsed() time.Duration
	// Sleep waits, or returns the context's cause when it ends first.
	Sleep(ctx context.Context, d time.Duration) error
}

// RealTime is the stopwatch of real runs, started now by the monotonic clock.
func RealTime() Stopwatch { return realTime{time.Now()} }

// NoSleep is a stopwatch on which sleeping takes no time, for dry runs.
func NoSleep(w Stopwatch) Stopwatch { return noSleep{w} }

type noSleep struct{ Stopwatch }

func (noSleep) Sleep(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }

// FromNow is the stopwatch started again.
func FromNow(w Stopwatch) Stopwatch { return fromNow{w, w.Elapsed()} }

type fromNow struct {
	Stopwatch
	start time.Duration
}

func (f fromNow) Elapsed() time.Duration { return f.Stopwatch.Elapsed() - f.start }

type realTime struct{ start time.Time }

func (r realTime) Elapsed() time.Duration { return time.Since(r.start) }

func (r realTime) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Doze waits until the time is over, something wakes it, or the context ends. It reports
// whether something did.
func Doze(ctx context.Context, w Stopwatch, d time.Duration, wake <-chan struct{}) (woken bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slept := make(chan error, 1)
	go func() { slept <- w.Sleep(ctx, d) }()
	select {
	case <-slept:
		return false
	case <-wake:
		return true
	}
}
