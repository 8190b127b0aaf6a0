package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Wait are the options of actions that start something and wait for it. They poll at
// once, and then at growing intervals up to wait_interval.
type Wait struct {
	WaitForCompletion bool  `yaml:"wait_for_completion" doc:"wait until the operation has ended, and verify the result"`
	WaitInterval      int64 `yaml:"wait_interval" check:"min=1,max=30" doc:"maximum pause between two checks, in seconds"`
	MaxWait           int64 `yaml:"max_wait" check:"min=-1" doc:"maximum wait in seconds; -1: no limit"`
}

// StallWait is for operations that report their progress.
type StallWait struct {
	Wait
	Stall time.Duration `yaml:"stall" check:"own" doc:"maximum wait without progress; 0: no limit"`
}

func newWait(wait bool, interval int64) Wait {
	return Wait{WaitForCompletion: wait, WaitInterval: interval, MaxWait: -1}
}

// newStallWait waits for as long as something moves.
func newStallWait(b Behaviour, interval int64) StallWait {
	return StallWait{Wait: newWait(true, interval), Stall: b.Stall}
}

// progressEvery is the minimum time between two requests for bytes and shards, which
// cost the server more than the state.
const progressEvery = 5 * time.Second

// firstProgress is when progress is first asked for: what ends at once is not asked.
const firstProgress = time.Second

// tracked is an operation whose progress can be read.
type tracked struct {
	title string // names the operation wherever progress is shown
	read  func() (cluster.Progress, error)
}

// firstPause is the pause after the first check; each next pause is a third longer, up to
// wait_interval, so that little time is lost when the operation ends.
const firstPause = 100 * time.Millisecond

// stallWarning is how often a wait without a limit warns that there is no progress.
const stallWarning = 10 * time.Minute

// stillFor is after how long without progress the end of a wait mentions it.
const stillFor = time.Minute

// errStalled means that an operation made no progress for the time of stall.
var errStalled = errors.New("no progress")

// poll calls done until it returns true. Transient errors are tolerated while it waits;
// progress, if given, is used to detect a stall.
func (w Wait) poll(ctx context.Context, env *Env, what string, done func() (bool, error)) error {
	return StallWait{Wait: w}.poll(ctx, env, what, done, nil)
}

func (w StallWait) poll(ctx context.Context, env *Env, what string, done func() (bool, error), progress *tracked) error {
	start := env.Watch.Elapsed()
	pause := firstPause
	moved, asked, warned := start, start+firstProgress-progressEvery, 0
	title := what
	if progress != nil {
		title = progress.title
	}
	var shown *cluster.Progress
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
		waiting := cluster.Waiting{For: title, Elapsed: elapsed - start}
		if progress != nil && elapsed-asked >= progressEvery {
			asked = elapsed
			p, err := progress.read()
			switch {
			case err == nil:
				if p != last {
					last, moved, warned = p, env.Watch.Elapsed(), 0
				}
				shown = &p
			// Cannot be read, and never will be.
			case errors.Is(err, cluster.ErrForbidden), errors.Is(err, cluster.ErrUnauthorized), errors.Is(err, cluster.ErrUnsupported):
				moved = env.Watch.Elapsed()
			}
		}
		waiting.Progress = shown // at every look, as it was last read
		env.Waiting(waiting)
		if w.MaxWait >= 0 && elapsed-start >= time.Duration(w.MaxWait)*time.Second {
			return giveUp(trouble, "%s did not end within max_wait (%d seconds); it continues in the cluster", what, w.MaxWait)
		}
		if w.Stall == 0 && progress != nil && elapsed-moved >= stallWarning*time.Duration(warned+1) {
			warned++
			env.Warn("no progress for %s in %s: shards may be on no node, or the repository's storage may be missing; esnap still waits",
				(elapsed - moved).Round(time.Minute), what)
		}
		if w.Stall > 0 && elapsed-moved >= w.Stall {
			why := "the repository's storage may be missing"
			switch {
			case last.ShardsTotal > 0 && last.ShardsFailed >= last.ShardsTotal:
				why = "all " + cluster.Count(last.ShardsTotal, "shard") + " failed, but the server does not end the operation"
			case last.Node != "":
				why += " (unfinished shards are on node " + last.Node + ")"
			}
			return giveUp(trouble, "%w for %s in %s: %s; it continues in the cluster", errStalled, w.Stall, what, why)
		}
		if err := env.Watch.Sleep(ctx, pause); err != nil {
			if still := env.Watch.Elapsed() - moved; progress != nil && still >= stillFor {
				return fmt.Errorf("%s continues in the cluster, without progress for %s: the repository's storage may not answer: %w",
					what, still.Round(time.Second), err)
			}
			return fmt.Errorf("%s continues in the cluster: %w", what, err)
		}
		pause = min(pause*4/3, max(time.Duration(w.WaitInterval)*time.Second, firstPause))
	}
}

func giveUp(trouble error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if trouble != nil {
		return fmt.Errorf("%w; last error: %w", err, trouble)
	}
	return err
}

// waitBudget is the remaining time that an action waits for other snapshot operations, over
// all of its requests.
type waitBudget struct {
	left  time.Duration
	total time.Duration
	pause time.Duration
	every time.Duration // a fixed pause, if the file sets one
}

func newWaitBudget(total time.Duration) *waitBudget { return &waitBudget{left: total, total: total} }

// spend waits a little after a request was refused with ErrBusy. When no time is left it
// returns an error that names the operation that blocks the request.
func (p *waitBudget) spend(ctx context.Context, env *Env, busy error) error {
	ops, err := env.Cluster.Running(ctx)
	if err != nil && !cluster.Transient(err) {
		ops = nil
	}
	what := "another snapshot operation"
	if len(ops) > 0 {
		what = ops[0].Describe(env.Now.Add(env.Watch.Elapsed()))
	}
	if p.left <= 0 {
		return cluster.WithHint(fmt.Errorf("%w: %s; waited %s", busy, what, p.total),
			"wait_for_running sets how long to wait for other operations")
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

// busy repeats a request until it is not refused because of another operation, or no
// time is left.
func (p *waitBudget) busy(ctx context.Context, env *Env, do func() error) error {
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

// persist repeats a request that is harmless to repeat, until the cluster can be reached:
// a node that restarts must not fail a nightly run.
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

// arrived looks whether a write was carried out whose reply was lost, as long as the
// request can still arrive: lostFor for all such writes of an action. It never sends a
// write again. False: nothing shows that it was carried out.
func (e *Env) arrived(ctx context.Context, what string, look func() (bool, error)) bool {
	pause := firstPause
	for {
		if there, err := look(); there && err == nil {
			return true
		}
		if e.lost >= lostFor || ctx.Err() != nil {
			return false
		}
		e.Waiting(cluster.Waiting{For: what + ", whose reply was lost", Elapsed: e.lost})
		before := e.Watch.Elapsed()
		if e.Watch.Sleep(ctx, pause) != nil {
			return false
		}
		e.lost += e.Watch.Elapsed() - before
		pause = min(pause*2, 5*time.Second)
	}
}

// exists looks whether an index is there.
func (e *Env) exists(ctx context.Context, index string) func() (bool, error) {
	return func() (bool, error) {
		list, err := e.Cluster.IndicesNamed(ctx, []string{index})
		return len(list) > 0, err
	}
}

func (e *Env) held(index string) string {
	if e.Held == nil {
		return ""
	}
	return e.Held(index)
}

// there reports whether an index exists; if that cannot be read, it does not.
func (e *Env) there(ctx context.Context, index string) bool {
	found, err := e.exists(ctx, index)()
	return found && err == nil
}

// unclear is the error of a write whose reply was lost, and of which nothing shows whether
// it was carried out.
func unclear(ctx context.Context, what string, lost error) error {
	if err := context.Cause(ctx); err != nil {
		lost = err
	}
	return fmt.Errorf("cannot tell whether %s: %w", what, lost)
}

// disconnected reports whether a request failed inside the cluster because one node lost
// the connection to another.
func disconnected(err error) bool {
	var e *cluster.Error
	if !errors.As(err, &e) {
		return false
	}
	text := err.Error()
	for _, c := range e.Causes {
		text += " " + c.Type
	}
	for _, s := range []string{
		"NodeDisconnectedException", "NodeNotConnectedException", "node_disconnected_exception",
		"node_not_connected_exception", "node_closed_exception",
	} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// verify has every node verify a repository. The shards of a running snapshot occupy the
// threads that the verification needs, so that nodes do not answer: it is waited for
// first, as the option wait_for_running sets, where a second operation would be refused
// anyway; elsewhere the verification is left out with a warning.
func (e *Env) verify(ctx context.Context, repository string, waitForRunning *time.Duration) error {
	p := newWaitBudget(e.waitForRunning(waitForRunning))
	if server, err := e.Cluster.Server(ctx); err == nil && !server.Concurrent() && p.total > 0 {
		for e.running(ctx) != "" {
			if err := p.spend(ctx, e, &cluster.Error{Op: "verify repository " + repository, Kind: cluster.ErrBusy}); err != nil {
				return err
			}
		}
	}
	err := e.persist(ctx, "the verification of repository "+repository, func() error {
		_, err := e.Cluster.VerifyRepository(ctx, cluster.VerifyRepository{Name: repository})
		return err
	})
	if err == nil || ctx.Err() != nil || !cluster.Transient(err) && !errors.Is(err, cluster.ErrLost) || p.total == 0 {
		return err
	}
	if running := e.running(ctx); running != "" {
		e.Warn("repository %s is not verified: the nodes do not answer while this runs: %s", repository, running)
		return nil
	}
	return err
}

// running describes a snapshot or a deletion of snapshots that runs; empty: none, or it
// cannot be read.
func (e *Env) running(ctx context.Context) string {
	ops, err := e.Cluster.Running(ctx)
	if err != nil {
		return ""
	}
	for _, o := range ops {
		if o.Kind != cluster.OpRestore {
			return o.Describe(e.Now.Add(e.Watch.Elapsed()))
		}
	}
	return ""
}
