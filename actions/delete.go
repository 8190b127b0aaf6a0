package actions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
)

// deletion deletes named items in batches and verifies that they are deleted. Both
// deleting actions use it. Right before each request the items are read again and
// judged again (Env.Revalidate), also after each wait: nothing below it sends a
// deletion twice.
type deletion struct {
	what         string // "snapshot" or "index"
	in           string // the repository, if any
	batches      func(names []string) ([][]string, error)
	send         func(ctx context.Context, names []string) error
	uuids        map[string]string                                                    // of our items, by name
	currentUUIDs func(ctx context.Context, names []string) (map[string]string, error) // reads the present uuids from the cluster
	budget       *waitBudget
	most         time.Duration // no request is started after that; 0: no limit

	asked   map[string]bool // a request was sent at least once
	settled map[string]bool // already has its outcome
	lost    map[string]bool // the reply to its last request was lost, and it existed until the end of the wait
	waited  time.Duration   // for lost replies, of all batches
}

// passes is how often a deletion is tried while the item still exists.
const passes = 3

// rejections is how often a request is sent that a busy server rejects.
const rejections = 5

// run deletes the items and reports what became of each of them.
func (d *deletion) run(ctx context.Context, env *Env, names []string) error {
	start := env.Watch.Elapsed()
	failed := map[string]error{}
	d.asked, d.settled, d.lost = map[string]bool{}, map[string]bool{}, map[string]bool{}
	var pending []string
	for _, n := range names {
		if !cluster.IsDots(n) {
			pending = append(pending, n)
			continue
		}
		const why = "skipped: in the path of a request this name means another place, so esnap never sends it"
		env.Warn("%s %s: %s", d.what, n, why)
		d.keep(env, n, why)
	}
	var there map[string]bool
	var stopped error // no more requests are sent
	for pass := 0; pass < passes && len(pending) > 0 && stopped == nil; pass++ {
		var batches [][]string
		batches, stopped = d.batches(pending)
		for _, batch := range batches {
			if ctx.Err() != nil || stopped != nil {
				break
			}
			if d.most > 0 && env.Watch.Elapsed()-start >= d.most {
				d.postpone(env, pending)
				break
			}
			stopped = d.batch(ctx, env, batch, failed)
		}
		var err error
		if there, err = d.stillThere(ctx, names); err != nil {
			return d.unknown(ctx, env, names, cmp.Or(stopped, err))
		}
		var again []string
		for _, n := range names {
			switch {
			case d.settled[n]:
			case !there[n]:
				delete(failed, n) // deleted, by whomever
			case failed[n] == nil && !d.lost[n]:
				again = append(again, n)
			}
		}
		pending = again
		if ctx.Err() != nil {
			break
		}
	}
	unclear := 0
	for _, n := range names {
		if d.settled[n] {
			continue
		}
		o := d.outcome(ctx, n, there[n], failed[n], stopped)
		if o.Result == cluster.Unclear {
			unclear++
		}
		env.Outcome(o)
	}
	if err := cmp.Or(context.Cause(ctx), stopped); err != nil || unclear == 0 {
		return err
	}
	return fmt.Errorf("cannot tell whether %s deleted: the reply was lost", was(unclear, d.what))
}

// postpone settles what no request was sent for: the next run deletes it.
func (d *deletion) postpone(env *Env, names []string) {
	n, over := 0, fmt.Errorf("postponed to the next run: max_duration %s is over", cluster.FormatDuration(d.most))
	for _, name := range names {
		if d.asked[name] || d.settled[name] {
			continue
		}
		n++
		d.settled[name] = true
		o := d.of(name)
		o.NotStarted(over)
		env.Outcome(o)
	}
	env.Warn("%s postponed to the next run because max_duration %s is over", was(n, d.what), cluster.FormatDuration(d.most))
}

var errUnverified = errors.New("an earlier deletion could not be verified")

const goneAlready = "it no longer exists; esnap did not delete it"

// of begins the outcome of an item.
func (d *deletion) of(name string) cluster.Outcome {
	return cluster.Outcome{Verb: cluster.VerbDelete, What: d.what, Name: name, Repository: d.in}
}

// keep settles an item that is not deleted.
func (d *deletion) keep(env *Env, name, why string) {
	d.settled[name] = true
	o := d.of(name)
	o.Result, o.Detail = cluster.Unchanged, why
	env.Outcome(o)
}

// outcome is what became of one item.
func (d *deletion) outcome(ctx context.Context, name string, there bool, failed, stopped error) cluster.Outcome {
	o := d.of(name)
	switch {
	case failed != nil:
		o.Result, o.Err = cluster.Failure, failed
	case !there && d.asked[name]:
		o.Result = cluster.Done
	case !there:
		o.Result, o.Detail = cluster.Unchanged, goneAlready
	case d.lost[name]:
		o.Result, o.Detail = cluster.Unclear, "still exists, but the reply to the delete request was lost, and the request may still arrive"
	case ctx.Err() != nil && !d.asked[name]:
		o.NotStarted(context.Cause(ctx))
	case ctx.Err() != nil:
		o.Requested("the deletion", context.Cause(ctx))
	case stopped != nil && !d.asked[name]:
		o.NotStarted(stopped)
	case stopped != nil:
		o.Result, o.Err = cluster.Failure, fmt.Errorf("still exists after the delete request; %w", stopped)
	default:
		o.Result, o.Err = cluster.Failure, fmt.Errorf("still exists after %d delete requests", passes)
	}
	return o
}

// unknown reports items for which it cannot be read whether they still exist.
func (d *deletion) unknown(ctx context.Context, env *Env, names []string, why error) error {
	asked := 0
	for _, n := range names {
		if d.asked[n] && !d.settled[n] {
			asked++
		}
	}
	before := why // nothing was sent
	if asked > 0 {
		before = errUnverified
	}
	for _, n := range names {
		o := d.of(n)
		o.NotStarted(before)
		switch {
		case d.settled[n]:
			continue
		case d.asked[n]:
			o.Result, o.Detail = cluster.Unclear, "cannot tell whether it was deleted: "+why.Error()
		}
		env.Outcome(o)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if asked == 0 {
		return why
	}
	return fmt.Errorf("cannot tell whether %s deleted: %w", was(asked, d.what), why)
}

func was(n int, what string) string {
	if n == 1 {
		return cluster.Count(n, what) + " was"
	}
	return cluster.Count(n, what) + " were"
}

// batch deletes some items in one request. If the server may have refused the request
// because of one item, the batch is split into halves. The error ends the action.
func (d *deletion) batch(ctx context.Context, env *Env, names []string, failed map[string]error) error {
	var err error
	for refused := 0; ; {
		if names, err = d.revalidate(ctx, env, names); err != nil || len(names) == 0 {
			return err
		}
		var first []string
		for _, n := range names {
			if !d.asked[n] {
				first = append(first, n)
			}
			d.asked[n] = true
			delete(d.lost, n)
		}
		err = d.send(ctx, names)
		switch {
		case errors.Is(err, cluster.ErrOtherCluster), errors.Is(err, cluster.ErrLockLost): // it was not sent
			for _, n := range first {
				delete(d.asked, n)
			}
		case errors.Is(err, cluster.ErrBusy):
			if err = d.budget.spend(ctx, env, err); err == nil {
				continue
			}
		case (errors.Is(err, cluster.ErrRejected) || errors.Is(err, cluster.ErrUnavailable)) && refused < rejections:
			refused++
			if d.pause(ctx, env, err, refused) == nil {
				continue
			}
		}
		break
	}
	switch {
	case err == nil, errors.Is(err, cluster.ErrNoIndex), errors.Is(err, cluster.ErrNoSnapshot):
		return nil // verified afterwards
	case ctx.Err() != nil: // it is cut off, not lost
		return nil
	case errors.Is(err, cluster.ErrLost):
		for _, n := range d.awaitLost(ctx, env, names) {
			d.lost[n] = true
		}
		return nil
	case errors.Is(err, cluster.ErrOtherCluster), errors.Is(err, cluster.ErrLockLost):
		return err
	case len(names) > 1 && splits(err):
		if err := d.batch(ctx, env, names[:len(names)/2], failed); err != nil {
			return err
		}
		return d.batch(ctx, env, names[len(names)/2:], failed)
	}
	for _, n := range names {
		failed[n] = err
	}
	return nil
}

// revalidate drops the items that must not be deleted any more, with an outcome.
func (d *deletion) revalidate(ctx context.Context, env *Env, names []string) ([]string, error) {
	keep, err := env.Revalidate(ctx, names)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil
		}
		return nil, err
	}
	var rest []string
	for _, n := range names {
		why, kept := keep[n]
		switch {
		case !kept:
			rest = append(rest, n)
		case d.asked[n] && why == Gone: // by our own request
		default:
			if why == Gone {
				why = goneAlready
			}
			d.keep(env, n, why)
		}
	}
	return rest, nil
}

// pause waits as long as the server asks for, at least a pause that grows each time.
func (d *deletion) pause(ctx context.Context, env *Env, err error, refused int) error {
	wait := firstPause << (2 * refused)
	var e *cluster.Error
	if errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	env.Waiting(cluster.Waiting{For: "the server, which is too busy for the delete request", Elapsed: 0})
	return env.Watch.Sleep(ctx, wait)
}

// present returns which of our items still exist. An item with another uuid is a new
// one of the same name.
func (d *deletion) present(ctx context.Context, names []string) (map[string]bool, error) {
	now, err := d.currentUUIDs(ctx, names)
	there := map[string]bool{}
	for _, n := range names {
		if id, is := now[n]; is && (id == d.uuids[n] || id == "") {
			there[n] = true
		}
	}
	return there, err
}

// lostFor is how long esnap checks whether a write arrived whose reply was lost: until
// the request can no longer arrive behind a gateway that timed out.
const lostFor = 15 * time.Minute

// awaitLost waits for a deletion whose request may still arrive, or that the server may
// still carry out. A second request would be refused or, worse, one of the two would
// delete a new item of the same name. It waits lostFor in total, for all lost requests.
// It returns the names that still exist when that time is used up before this request
// can no longer arrive: no second request is sent for them. While the cluster reports a
// running deletion, it waits longer.
func (d *deletion) awaitLost(ctx context.Context, env *Env, names []string) []string {
	start, pause := env.Watch.Elapsed(), firstPause
	whole := d.waited == 0
	for {
		waited := env.Watch.Elapsed() - start
		if there, err := d.present(ctx, names); err == nil && len(there) == 0 {
			d.waited += waited
			return nil
		}
		ops, err := env.Cluster.Running(ctx)
		arrived := err == nil && slices.ContainsFunc(ops, func(o cluster.Operation) bool { return o.Kind == cluster.OpDelete })
		if d.waited+waited >= lostFor && !arrived || ctx.Err() != nil {
			d.waited += waited
			if whole && ctx.Err() == nil {
				return nil
			}
			return names
		}
		env.Waiting(cluster.Waiting{
			For:     fmt.Sprintf("the deletion of %s whose reply was lost", cluster.Count(len(names), d.what)),
			Elapsed: waited,
		})
		if env.Watch.Sleep(ctx, pause) != nil {
			continue
		}
		pause = min(pause*2, 5*time.Second)
	}
}

// afterEnd is how long an interrupted run still checks the effect of its requests.
const afterEnd = 5 * time.Second

// stillThere checks at the end which items still exist, for a short time also when the
// run is interrupted, so that the report is true: a request that was sent may still be
// carried out.
func (d *deletion) stillThere(ctx context.Context, names []string) (map[string]bool, error) {
	if ctx.Err() == nil {
		return d.present(ctx, names)
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterEnd)
	defer cancel()
	clock := clock.RealTime()
	for {
		there, err := d.present(short, names)
		open := false
		for n := range there {
			open = open || d.asked[n]
		}
		if err != nil || !open || clock.Elapsed() > afterEnd-time.Second || clock.Sleep(short, 500*time.Millisecond) != nil {
			return there, err
		}
	}
}
