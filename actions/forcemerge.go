package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Forcemerge merges the segments of open indices, one index at a time.
type Forcemerge struct {
	MaxNumSegments int64   `yaml:"max_num_segments" check:"required,min=1,max=32768" doc:"segments per shard afterwards"`
	Delay          float64 `yaml:"delay" check:"min=0,max=3600" doc:"pause after each index, in seconds"`
}

func newForcemerge(Behaviour) Action { return &Forcemerge{} }

// Run implements Action. Indices that already have few enough segments are skipped.
func (a *Forcemerge) Run(ctx context.Context, env *Env) error {
	indices, err := openOnly(env.Selected)
	if err != nil {
		return err
	}
	names := cluster.Names(indices)
	before, err := env.Cluster.Segments(ctx, names)
	if err != nil {
		return err
	}
	merged := 0
	for _, n := range names {
		if have, known := before[n]; known && a.merged(have) {
			continue
		}
		merged++
		o := cluster.Outcome{Verb: cluster.VerbForcemerge, What: "index", Name: n, Result: cluster.Done}
		if ctx.Err() != nil {
			o.NotStarted(context.Cause(ctx))
			env.Outcome(o)
			continue
		}
		err := env.Cluster.ForcemergeIndex(ctx, cluster.ForcemergeIndex{Name: n, MaxNumSegments: a.MaxNumSegments})
		if errors.Is(err, cluster.ErrLost) {
			err = a.lookForLost(ctx, env, n, err)
		}
		if err != nil && ctx.Err() != nil {
			o.Requested("the merge", context.Cause(ctx))
		} else if err != nil {
			o.Result, o.Err = cluster.Failure, err
		} else if after, err := env.Cluster.Segments(ctx, []string{n}); err == nil {
			o.Detail = fmt.Sprintf("%d segments, %d before", after[n].All, before[n].All)
		}
		env.Outcome(o)
		if a.Delay > 0 {
			_ = env.Watch.Sleep(ctx, time.Duration(a.Delay*float64(time.Second)))
		}
	}
	if merged == 0 {
		return fmt.Errorf("%w: all selected indices are already merged", cluster.ErrEmpty)
	}
	return context.Cause(ctx)
}

// lookForLost waits for a merge whose reply was lost: until the index has few enough
// segments, or no merge runs any more and the request can no longer arrive.
func (a *Forcemerge) lookForLost(ctx context.Context, env *Env, name string, lost error) error {
	start, pause, seen := env.Watch.Elapsed(), firstPause, env.Watch.Elapsed()
	for {
		segments, err := env.Cluster.Segments(ctx, []string{name})
		if have, known := segments[name]; err == nil && known && a.merged(have) {
			return nil
		}
		if err != nil && !cluster.Transient(err) {
			return err
		}
		tasks, err := env.Cluster.Tasks(ctx, "*forcemerge*")
		now := env.Watch.Elapsed()
		switch {
		case err == nil && slices.ContainsFunc(tasks, func(t cluster.RunningTask) bool { return strings.Contains(t.Description, "["+name+"]") }):
			seen = now
		case err != nil && !cluster.Transient(err): // tasks cannot be read: only the segments tell
			seen = start
		}
		if now-seen >= lostFor || env.Timeout > 0 && now-start >= env.Timeout {
			return fmt.Errorf("the merge did not end within %s: %w", (now - start).Round(time.Second), lost)
		}
		env.Waiting(cluster.Waiting{For: "the merge of " + name + " whose reply was lost", Elapsed: now - start})
		if env.Watch.Sleep(ctx, pause) != nil {
			return lost
		}
		pause = min(pause*2, 10*time.Second)
	}
}

// merged reports whether no copy of a shard has more segments than the merge is to leave.
func (a *Forcemerge) merged(have cluster.Segments) bool { return int64(have.Most) <= a.MaxNumSegments }
