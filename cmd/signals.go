package cmd

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/esnap/esnap/internal/job"
)

// hangup is what becomes of SIGHUP: it ends the context, until a command takes it over.
type hangup struct {
	taken atomic.Bool
	ch    chan struct{}
}

type hangupKey struct{}

// oneCause is within which time two signals have one cause: timeout(1) and a terminal that is
// closed send a signal to the process and to its group.
const oneCause = time.Second

// WithSignals ends the context at the first SIGINT, SIGTERM or SIGHUP. Another SIGINT or SIGTERM,
// if it does not come right after the first, ends the process. A SIGHUP that is ignored, after
// nohup, stays so.
func WithSignals(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	h := &hangup{ch: make(chan struct{}, 1)}
	ch := make(chan os.Signal, 1)
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	signal.Notify(ch, signals...)
	go func() {
		ended := false
		var again atomic.Bool // another signal ends the process
		for s := range ch {
			switch {
			case s == syscall.SIGHUP && h.taken.Load():
				select {
				case h.ch <- struct{}{}:
				default: // one is waiting already
				}
			case !ended:
				ended = true
				time.AfterFunc(oneCause, func() { again.Store(true) })
				cancel(&job.Signal{Number: s.(syscall.Signal)})
			case s != syscall.SIGHUP && again.Load():
				signal.Stop(ch)
				_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
				return
			}
		}
	}()
	return context.WithValue(ctx, hangupKey{}, h), func() { signal.Stop(ch); cancel(nil) }
}

// hangups takes SIGHUP over: from now on it is received here, and ends nothing.
func hangups(ctx context.Context) <-chan struct{} {
	h, ok := ctx.Value(hangupKey{}).(*hangup)
	if !ok {
		return nil
	}
	h.taken.Store(true)
	return h.ch
}
