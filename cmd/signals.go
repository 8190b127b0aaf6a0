package cmd

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/esnap/esnap/internal/job"
)

// hangup is what becomes of SIGHUP: it ends the context, until a command takes it over.
type hangup struct {
	taken atomic.Bool
	ch    chan struct{}
}

type hangupKey struct{}

// WithSignals ends the context at the first SIGINT, SIGTERM or SIGHUP; the second one
// ends the process. A SIGHUP that is ignored, after nohup, stays so.
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
		for s := range ch {
			if s == syscall.SIGHUP && h.taken.Load() {
				select {
				case h.ch <- struct{}{}:
				default: // one is waiting already
				}
				continue
			}
			cancel(&job.Signal{Number: s.(syscall.Signal)})
			signal.Stop(ch)
			return
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
