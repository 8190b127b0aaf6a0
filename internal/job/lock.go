package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
)

// releaseTimeout is how long the end of a run waits for the release of its lock.
const releaseTimeout = 10 * time.Second

// lockPoll is how often a scheduled run looks at a lock that another run holds, after more
// frequent looks at first.
const lockPoll = 10 * time.Second

// blindFor is how long a run waits for a lock that it cannot read.
const blindFor = 5 * time.Minute

// await waits while another run holds the lock, as long as there is something due. It
// reports whether the lock can be tried again: also if it cannot be read any more, as only
// that tells why, and other settings may be there meanwhile.
func (j Job) await(ctx context.Context, cl cluster.Cluster, name string) bool {
	known := j.Clock.Watch.Elapsed()
	for pause := time.Second; !j.Due().IsZero(); pause = min(2*pause, lockPoll) {
		if j.Clock.Watch.Sleep(ctx, pause) != nil {
			return false
		}
		held, err := lock.IsHeld(ctx, cl, name)
		switch {
		case err == nil && !held, errors.Is(err, cluster.ErrUnauthorized):
			return true
		case err == nil:
			known = j.Clock.Watch.Elapsed()
		case j.Clock.Watch.Elapsed()-known > blindFor:
			return true
		}
	}
	return false
}

// locked runs the plan while the run holds the lock of its job, if it is to take one. An
// error is why it does not run.
func (j Job) locked(
	ctx context.Context,
	cl cluster.Cluster,
	o run.Options,
	obs run.Observer,
	e *Ended,
	do func(run.Options),
) (run.Stage, error) {
	p := e.Plan
	if j.Due != nil {
		e.Due = j.Due()
	}
	mode := p.LockModeOf(j.Settings.Lock)
	if mode == plan.LockOff || p.File == "" || o.DryRun || p.Idle(p.Steps) {
		do(o)
		return "", nil
	}
	name := p.Job(j.File)
	if name == "" {
		return run.StageSettings, &settings.Error{Text: "a lock needs the name of its job, and standard input has none",
			Hint: "set name: at the top of the file"}
	}
	if j.Due != nil && e.Due.IsZero() { // without a time nobody could tell whether another process has acted for it
		e.NotOurs = true
		obs.Observe(run.Warning{Text: "a run of the job " + name + " was missed: it is too late for it"})
		return "", nil
	}
	server, err := cl.Server(ctx)
	if err != nil {
		return run.StageConnect, err
	}
	lo := lock.Options{Owner: j.owner, Watch: clock.RealTime(), Wall: j.Clock.Now, Due: e.Due, Schedule: j.Schedule}
	l, err := lock.Acquire(ctx, cl, name, lo)
	var other *lock.HeldError
	var acted *lock.ActedError
	var ahead *lock.AheadError
	if j.AwaitLock && j.Due == nil && errors.As(err, &other) {
		obs.Observe(run.LockWaiting{Err: err})
		if lock.Abandoned(ctx, cl, j.Clock.Watch, other.Held) {
			l, err = lock.Acquire(ctx, cl, name, lo)
		}
	}
	switch {
	case j.Due != nil && errors.As(err, &other):
		obs.Observe(run.LockWaiting{Err: err})
		e.NotOurs, e.Again = true, j.await(ctx, cl, name)
		if !e.Again && ctx.Err() == nil && other.Held.Acting.Before(e.Due) {
			obs.Observe(run.Warning{Text: fmt.Sprintf("a run of the job %s was missed: %s held its lock until it was too late for %s", name,
				other.Held, e.Due.UTC().Format(time.RFC3339))})
		}
		return "", nil
	case errors.As(err, &acted):
		e.NotOurs = true
		obs.Observe(run.ActedElsewhere{For: acted.For})
		return "", nil
	case ctx.Err() != nil && err != nil:
		return run.StageLock, err
	case errors.As(err, &ahead):
		obs.Observe(run.Connected{Server: server})
		return run.StageLock, cluster.WithHint(&cluster.Refused{Err: fmt.Errorf("%w; nothing was changed", err)}, "set the clock of this machine")
	case errors.As(err, &other):
		obs.Observe(run.Connected{Server: server})
		return run.StageLock, cluster.WithHint(&cluster.Refused{Err: fmt.Errorf("%w; nothing was changed", err)},
			"wait for that run; if it has ended, it may hold the lock for 3 minutes more: esnap lock release %s", terminal.Shell(name))
	case err != nil && mode == plan.LockRequired:
		obs.Observe(run.Connected{Server: server})
		refused := cluster.Refuse("the lock of the job %s cannot be written: %s; nothing was changed", name, err)
		return run.StageLock, cluster.WithHint(refused, "%s", cmp.Or(cluster.Hint(err), "lock: auto runs without the lock then"))
	case err != nil:
		obs.Observe(run.Warning{Text: fmt.Sprintf("the lock of the job %s cannot be written, so another run of it may act at the same time: %s",
			name, err)})
		do(o)
		return "", nil
	}
	if l.TookOver != nil {
		obs.Observe(run.Warning{Text: fmt.Sprintf("took over the lock of the job %s: %s has not renewed it since %s", name, l.TookOver,
			l.TookOver.Renewed.UTC().Format(time.RFC3339))})
	}
	o.BeforeWrite = l.Check
	defer func() {
		// Another process may go on where something else ended this one.
		acted := ctx.Err() == nil || as[Deadline](context.Cause(ctx))
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout) // also after a signal
		defer cancel()
		if err := l.Release(ctx, acted); err != nil {
			obs.Observe(run.Warning{Text: err.Error()})
		}
	}()
	do(o)
	return "", nil
}
