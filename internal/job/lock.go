package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
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

// Locking is how a run takes the lock of its job: the run of an action file, or of another
// program.
type Locking struct {
	Name  string        // of the job
	Mode  plan.LockMode // auto or required
	Owner lock.Owner    // the run
	Clock Clock
	// Due, Schedule and AwaitLock are those of a Job.
	Due       func() time.Time
	Schedule  string
	AwaitLock bool
}

// NewOwner is a run of this process.
func NewOwner(run string) lock.Owner { return lock.Owner{Run: run, Host: hostName(), PID: os.Getpid()} }

// await waits while another run holds the lock, as long as there is something due. It
// reports whether the lock can be tried again: also if it cannot be read any more, as only
// that tells why, and other settings may be there meanwhile.
func (k Locking) await(ctx context.Context, cl cluster.Cluster) bool {
	known := k.Clock.Watch.Elapsed()
	for pause := time.Second; !k.Due().IsZero(); pause = min(2*pause, lockPoll) {
		if k.Clock.Watch.Sleep(ctx, pause) != nil {
			return false
		}
		held, err := lock.IsHeld(ctx, cl, k.Name)
		switch {
		case err == nil && !held, errors.Is(err, cluster.ErrUnauthorized):
			return true
		case err == nil:
			known = k.Clock.Watch.Elapsed()
		case k.Clock.Watch.Elapsed()-known > blindFor:
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
	k := Locking{
		Name: p.Job(j.File), Mode: mode, Owner: j.owner, Clock: j.Clock, Due: j.Due, Schedule: j.Schedule, AwaitLock: j.AwaitLock,
	}
	if k.Name == "" {
		return run.StageSettings, &settings.Error{Text: "a lock needs the name of its job, and standard input has none",
			Hint: "set name: at the top of the file"}
	}
	if k.tooLate(obs, e) {
		return "", nil
	}
	server, err := cl.Server(ctx)
	if err != nil {
		return run.StageConnect, err
	}
	stage, err := k.run(ctx, cl, obs, e, func(l *lock.Lock) {
		if l != nil {
			o.BeforeWrite = l.Check
		}
		do(o)
	})
	if err != nil && ctx.Err() == nil {
		obs.Observe(run.Connected{Server: server})
	}
	return stage, err
}

// Run does something while the run holds the lock of its job. The lock is nil if it cannot be
// written and the mode is auto. An error is why nothing is done; Ended says whether another
// process does it.
func (k Locking) Run(ctx context.Context, cl cluster.Cluster, obs run.Observer, e *Ended, do func(*lock.Lock)) (run.Stage, error) {
	if k.Due != nil {
		e.Due = k.Due()
	}
	if k.tooLate(obs, e) {
		return "", nil
	}
	return k.run(ctx, cl, obs, e, do)
}

// tooLate reports whether there is no time any more for which a scheduled run could act:
// without one nobody could tell whether another process has acted for it.
func (k Locking) tooLate(obs run.Observer, e *Ended) bool {
	if k.Due == nil || !e.Due.IsZero() {
		return false
	}
	e.NotOurs = true
	obs.Observe(run.Warning{Text: "a run of the job " + k.Name + " was missed: it is too late for it"})
	return true
}

func (k Locking) run(ctx context.Context, cl cluster.Cluster, obs run.Observer, e *Ended, do func(*lock.Lock)) (run.Stage, error) {
	lo := lock.Options{Owner: k.Owner, Watch: clock.RealTime(), Wall: k.Clock.Now, Due: e.Due, Schedule: k.Schedule}
	l, err := lock.Acquire(ctx, cl, k.Name, lo)
	var other *lock.HeldError
	var acted *lock.ActedError
	var ahead *lock.AheadError
	if k.AwaitLock && k.Due == nil && errors.As(err, &other) {
		obs.Observe(run.LockWaiting{Err: err})
		if lock.Abandoned(ctx, cl, k.Clock.Watch, other.Held) {
			l, err = lock.Acquire(ctx, cl, k.Name, lo)
		}
	}
	switch {
	case k.Due != nil && errors.As(err, &other):
		obs.Observe(run.LockWaiting{Err: err})
		e.NotOurs, e.Again = true, k.await(ctx, cl)
		if !e.Again && ctx.Err() == nil && other.Held.Acting.Before(e.Due) {
			obs.Observe(run.Warning{Text: fmt.Sprintf("a run of the job %s was missed: %s held its lock until it was too late for %s", k.Name,
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
		return run.StageLock, cluster.WithHint(&cluster.Refused{Err: fmt.Errorf("%w; nothing was changed", err)}, "set the clock of this machine")
	case errors.As(err, &other):
		return run.StageLock, cluster.WithHint(&cluster.Refused{Err: fmt.Errorf("%w; nothing was changed", err)},
			"wait for that run; if it has ended, it may hold the lock for 3 minutes more: esnap lock release %s", terminal.Shell(k.Name))
	case err != nil && k.Mode == plan.LockRequired:
		refused := cluster.Refuse("the lock of the job %s cannot be written: %s; nothing was changed", k.Name, err)
		return run.StageLock, cluster.WithHint(refused, "%s", cmp.Or(cluster.Hint(err), "lock: auto runs without the lock then"))
	case err != nil:
		obs.Observe(run.Warning{Text: fmt.Sprintf("the lock of the job %s cannot be written, so another run of it may act at the same time: %s",
			k.Name, err)})
		do(nil)
		return "", nil
	}
	if l.TookOver != nil {
		obs.Observe(run.Warning{Text: fmt.Sprintf("took over the lock of the job %s: %s has not renewed it since %s", k.Name, l.TookOver,
			l.TookOver.Renewed.UTC().Format(time.RFC3339))})
	}
	defer func() {
		// Another process may go on where something else ended this one.
		acted := ctx.Err() == nil || as[Deadline](context.Cause(ctx))
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout) // also after a signal
		defer cancel()
		if err := l.Release(ctx, acted); err != nil {
			obs.Observe(run.Warning{Text: err.Error()})
		}
	}()
	do(l)
	return "", nil
}
