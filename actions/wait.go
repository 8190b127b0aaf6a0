package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Wait are the options of actions that start something and wait for it. Polls
// come at growing intervals up to wait_interval, the first one at once.
type Wait struct {
	WaitForCompletion bool  `yaml:"wait_for_completion" doc:"wait until it has ended, and judge the result"`
	WaitInterval      int64 `yaml:"wait_interval" check:"min=1,max=30" doc:"longest pause between two looks, in seconds"`
	MaxWait           int64 `yaml:"max_wait" check:"min=-1" doc:"give up waiting after so many seconds; -1 is never"`
}

// StallWait is for operations that say how far they have come.
type StallWait struct {
	Wait
	Stall time.Duration `yaml:"stall" doc:"give up when nothing has moved for so long; 0 is never (esnap's own)"`
}

func newWait(wait bool, interval int64) Wait {
	return Wait{WaitForCompletion: wait, WaitInterval: interval, MaxWait: -1}
}

// newStallWait waits for as long as something moves.
func newStallWait(b Behaviour, interval int64) StallWait {
	return StallWait{Wait: newWait(true, interval), Stall: b.Stall}
}

// progressEvery is the least time between two questions for bytes and shards,
// which cost the server more than the state does.
const progressEvery = 5 * time.Second

// firstPause is the pause after the first look; each next one is a third longer,
// up to wait_interval, so that little time is lost when it ends.
const firstPause = 100 * time.Millisecond

// stallWarning is how often a wait without an end warns that nothing moves.
const stallWarning = 10 * time.Minute

// errStalled means that an operation did not move for the time of stall.
var errStalled = errors.New("nothing has moved")

// poll looks until done says so. Transient errors are tolerated for as long as
// waiting goes on; progress, if given, feeds the stall watch.
func (w Wait) poll(ctx context.Context, env *Env, what string, done func() (bool, error)) error {
	return StallWait{Wait: w}.poll(ctx, env, what, done, nil)
}

func (w StallWait) poll(ctx context.Context, env *Env, what string, done func() (bool, error), progress func() (cluster.Progress, error)) error {
	start := env.Watch.Elapsed()
	pause := firstPause
	moved, asked, warned := start, start, 0
	var last cluster.Progress
	var trouble error
	for {
		finished, err := done()
		switch {
		case finished:
			return nil
		case err != nil && !cluster.Transient(err):
			return err
		case err != nil:
			trouble = err
		default:
			trouble = nil
		}
		elapsed := env.Watch.Elapsed()
		waiting := cluster.Waiting{For: what, Elapsed: elapsed - start}
		if progress != nil && elapsed-asked >= progressEvery {
			asked = elapsed
			p, err := progress()
			switch {
			case err == nil:
				if p != last {
					last, moved, warned = p, env.Watch.Elapsed(), 0
				}
				waiting.Progress = &p
			case errors.Is(err, cluster.ErrForbidden), errors.Is(err, cluster.ErrUnauthorized), errors.Is(err, cluster.ErrUnsupported): // not known, and never will be
				moved = env.Watch.Elapsed()
			}
		}
		env.Waiting(waiting)
		if w.MaxWait >= 0 && elapsed-start >= time.Duration(w.MaxWait)*time.Second {
			return giveUp(trouble, "%s did not end within max_wait, %d seconds; it goes on in the cluster", what, w.MaxWait)
		}
		if w.Stall == 0 && progress != nil && elapsed-moved >= stallWarning*time.Duration(warned+1) {
			warned++
			env.Warn("nothing has moved for %s in %s: shards may be on no node, or the repository's storage may be gone; it is still waited for", (elapsed - moved).Round(time.Minute), what)
		}
		if w.Stall > 0 && elapsed-moved >= w.Stall {
			why := "the repository's storage may be gone"
			switch {
			case last.ShardsTotal > 0 && last.ShardsFailed >= last.ShardsTotal:
				why = "all " + cluster.Count(last.ShardsTotal, "shard") + " failed, but the server does not end it"
			case last.Node != "":
				why += " (unfinished shards are on node " + last.Node + ")"
			}
			return giveUp(trouble, "%w for %s in %s: %s; it continues in the cluster", errStalled, w.Stall, what, why)
		}
		if err := env.Watch.Sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s goes on in the cluster: %w", what, err)
		}
		pause = min(pause*4/3, max(time.Duration(w.WaitInterval)*time.Second, firstPause))
	}
}

func giveUp(trouble error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if trouble != nil {
		return fmt.Errorf("%w; last trouble: %w", err, trouble)
	}
	return err
}

// patience is what is left of the time an action waits for somebody else's
// operations, over all of its requests.
type patience struct {
	left  time.Duration
	total time.Duration
	pause time.Duration
	every time.Duration // a fixed pause, where the file asks for one
}

func newPatience(total time.Duration) *patience { return &patience{left: total, total: total} }

// spend waits a little after a request was refused with ErrBusy, or returns an
// error that names what is in the way when there is no patience left.
func (p *patience) spend(ctx context.Context, env *Env, busy error) error {
	ops, err := env.Cluster.Running(ctx)
	if err != nil && !cluster.Transient(err) {
		ops = nil
	}
	what := "another snapshot operation"
	if len(ops) > 0 {
		what = ops[0].Describe(env.Now.Add(env.Watch.Elapsed()))
	}
	if p.left <= 0 {
		return cluster.WithHint(fmt.Errorf("%w; in the way: %s; waited %s", busy, what, p.total),
			"wait_for_running says how long to wait for it")
	}
	p.pause = min(max(p.pause*2, 200*time.Millisecond), 10*time.Second, max(p.left, 10*time.Millisecond))
	if p.every > 0 {
		p.pause = min(p.every, p.left)
	}
	env.Waiting(cluster.Waiting{For: what, Elapsed: p.total - p.left})
	before := env.Watch.Elapsed()
	if err := env.Watch.Sleep(ctx, p.pause); err != nil {
		return err
	}
	p.left -= max(env.Watch.Elapsed()-before, p.pause)
	return nil
}

// busy carries out a request until it is not refused because of somebody else's
// operation, or patience ends.
func (p *patience) busy(ctx context.Context, env *Env, do func() error) error {
	for {
		err := do()
		if !errors.Is(err, cluster.ErrBusy) {
			return err
		}
		if err := p.spend(ctx, env, err); err != nil {
			return err
		}
	}
}

// persist carries out a request that is harmless to repeat, until the cluster can be
// reached: a node that restarts must not cost the night.
func (e *Env) persist(ctx context.Context, what string, do func() error) error {
	start, pause := e.Watch.Elapsed(), time.Second
	for {
		err := do()
		elapsed := e.Watch.Elapsed() - start
		if err == nil || ctx.Err() != nil || !cluster.Transient(err) && !disconnected(err) || elapsed >= e.WaitForCluster {
			return err
		}
		e.Waiting(cluster.Waiting{For: fmt.Sprintf("%s: %s", what, err), Elapsed: elapsed})
		if err := e.Watch.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*2, 10*time.Second)
	}
}

// disconnected says whether a request failed inside the cluster because one node lost
// another.
func disconnected(err error) bool {
	var e *cluster.Error
	if !errors.As(err, &e) {
		return false
	}
	text := err.Error()
	for _, c := range e.Causes {
		text += " " + c.Type
	}
	for _, s := range []string{"NodeDisconnectedException", "NodeNotConnectedException", "node_disconnected_exception", "node_not_connected_exception", "node_closed_exception"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
