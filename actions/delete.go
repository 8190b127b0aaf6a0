package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// deletion deletes named items in batches and sees that they are gone. Both
// deleting actions use it.
type deletion struct {
	what     string // "snapshot" or "index"
	in       string // the repository, if any
	batches  func(names []string) ([][]string, error)
	send     func(ctx context.Context, names []string) error
	uuids    map[string]string                                    // of our items, by name
	now      func(ctx context.Context) (map[string]string, error) // the same of all that the cluster has
	patience *patience

	asked map[string]bool // was sent at least once
	stale bool            // something was waited for since it was looked what is there
}

// passes is how often what is still there after a deletion is tried again.
const passes = 3

// run deletes the items and says of each what became of it.
func (d *deletion) run(ctx context.Context, env *Env, names []string) error {
	failed := map[string]error{}
	d.asked = map[string]bool{}
	pending := names
	for pass := 0; pass < passes && len(pending) > 0; pass++ {
		batches, err := d.batches(pending)
		if err != nil {
			return err
		}
		for _, batch := range batches {
			if ctx.Err() != nil {
				break
			}
			d.batch(ctx, env, batch, failed)
		}
		there, err := d.stillThere(ctx, env)
		d.stale = false
		if err != nil {
			err = fmt.Errorf("it is not known whether it is gone: %w", err)
			for _, n := range names {
				env.Outcome(cluster.Outcome{Verb: "delete", What: d.what, Name: n, Repository: d.in, Result: cluster.Failure, Err: err})
			}
			return nil
		}
		var again []string
		for _, n := range names {
			switch {
			case !there[n]:
				delete(failed, n) // gone, whoever did it
			case failed[n] == nil:
				again = append(again, n)
			}
		}
		pending = again
		if ctx.Err() != nil {
			break
		}
	}
	left := map[string]bool{}
	for _, n := range pending {
		if ctx.Err() != nil {
			left[n] = true
		} else {
			failed[n] = fmt.Errorf("it is still there after %d requests to delete it", passes)
		}
	}
	for _, n := range names {
		o := cluster.Outcome{Verb: "delete", What: d.what, Name: n, Repository: d.in, Result: cluster.Done}
		switch {
		case failed[n] != nil:
			o.Result, o.Err = cluster.Failure, failed[n]
		case left[n] && d.asked[n]:
			o.Result, o.Detail = cluster.Left, "asked for, and still there: "+context.Cause(ctx).Error()
		case left[n]:
			o.Result, o.Detail = cluster.Left, "not started: "+context.Cause(ctx).Error()
		}
		env.Outcome(o)
	}
	if len(left) > 0 {
		return context.Cause(ctx)
	}
	return nil
}

// batch deletes some items in one request. A refusal that may be about one of
// them is narrowed down by halves.
func (d *deletion) batch(ctx context.Context, env *Env, names []string, failed map[string]error) {
	err := d.patience.busy(ctx, env, func() error {
		same, err := d.same(ctx, names)
		if err != nil {
			return err
		}
		if names = same; len(names) == 0 {
			return nil
		}
		for _, n := range names {
			d.asked[n] = true
		}
		err = d.send(ctx, names)
		d.stale = errors.Is(err, cluster.ErrBusy) // and waited for, before it is sent again
		return err
	})
	switch {
	case err == nil, errors.Is(err, cluster.ErrNoIndex), errors.Is(err, cluster.ErrNoSnapshot):
		return // whether they are gone is seen afterwards
	case errors.Is(err, cluster.ErrLost):
		d.awaitLost(ctx, env, names)
		d.stale = true
		return
	case ctx.Err() != nil:
		return
	case len(names) > 1 && !errors.Is(err, cluster.ErrNoRepository) && !errors.Is(err, cluster.ErrUnauthorized) && !errors.Is(err, cluster.ErrBusy) && !cluster.Transient(err):
		d.batch(ctx, env, names[:len(names)/2], failed)
		d.batch(ctx, env, names[len(names)/2:], failed)
		return
	}
	for _, n := range names {
		failed[n] = err
	}
}

// same leaves out what is no longer there, or is another by now, where that has not
// been looked at since something was waited for.
func (d *deletion) same(ctx context.Context, names []string) ([]string, error) {
	if !d.stale {
		return names, nil
	}
	there, err := d.present(ctx)
	if err != nil {
		return nil, err
	}
	d.stale = false
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !there[n] }), nil
}

// present says which of our items the cluster still has: one with another uuid is a
// new one of the same name.
func (d *deletion) present(ctx context.Context) (map[string]bool, error) {
	now, err := d.now(ctx)
	there := map[string]bool{}
	for name, was := range d.uuids {
		if id, is := now[name]; is && (id == was || id == "") {
			there[name] = true
		}
	}
	return there, err
}

// lostFor is how long a deletion whose reply was lost is given to show.
const lostFor = 15 * time.Minute

// awaitLost waits for a deletion that the server may still be carrying out: a
// second request would be refused or, worse, meet a new item of the same name.
func (d *deletion) awaitLost(ctx context.Context, env *Env, names []string) {
	start, pause := env.Watch.Elapsed(), firstPause
	for env.Watch.Elapsed()-start < lostFor {
		there, err := d.present(ctx)
		if err == nil {
			rest := 0
			for _, n := range names {
				if there[n] {
					rest++
				}
			}
			if rest == 0 {
				return
			}
			if ops, err := env.Cluster.Running(ctx); err == nil && !deleting(ops) && env.Watch.Elapsed()-start > 10*time.Second {
				return // nobody deletes any more: the next pass asks again
			}
		}
		env.Waiting(cluster.Waiting{For: fmt.Sprintf("the deletion of %s whose reply was lost", cluster.Count(len(names), d.what)), Elapsed: env.Watch.Elapsed() - start})
		if env.Watch.Sleep(ctx, pause) != nil {
			return
		}
		pause = min(pause*2, 5*time.Second)
	}
}

func deleting(ops []cluster.Operation) bool {
	for _, o := range ops {
		if o.Kind == cluster.OpDelete {
			return true
		}
	}
	return false
}

// stillThere looks at the end even when the run is being interrupted, for a short
// while, so that the report is true.
func (d *deletion) stillThere(ctx context.Context, env *Env) (map[string]bool, error) {
	if ctx.Err() != nil {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		ctx = short
	}
	return d.present(ctx)
}
