package actions

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/restore"
)

// afterwardsFor is how long an interrupted run may still put right what it has begun.
const afterwardsFor = time.Minute

// afterwards is a context for putting right what was begun, also when the run is
// interrupted. The second signal ends the process.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), afterwardsFor)
}

// remember reads which indices a request has created, for a rollback: those that did not
// exist before the request, with their uuids. Whether a request whose reply was lost has
// created an index cannot be told: another one may have.
func (w *restoring) remember(ctx context.Context, before []*cluster.Index, items []restore.Item, failed error, lost bool) {
	if !w.Rollback || failed != nil && !lost {
		return
	}
	existed := cluster.UUIDs(before)
	var names []string
	for _, it := range items {
		for _, n := range it.Targets() {
			if _, did := existed[n]; !did && it.Kind == restore.Index {
				names = append(names, n)
			}
		}
	}
	if len(names) == 0 {
		return
	}
	if lost {
		w.unsure = append(w.unsure, names...)
		return
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	list, err := w.env.Cluster.IndicesNamed(ctx, names)
	if err != nil {
		w.unsure = append(w.unsure, names...)
		return
	}
	maps.Copy(w.created, cluster.UUIDs(list))
}

// rollBack deletes the indices that this run created, each only if it still has the uuid
// that it was created with, and reports each of them.
func (w *restoring) rollBack(ctx context.Context) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	for _, it := range w.plan.Items {
		switch request := w.request(it); {
		case request == notRequested: // nothing was replaced or changed
		case it.Replaces != nil && request == maybeRequested:
			w.env.Warn("%s", strings.TrimSuffix("rollback: cannot tell whether "+it.Target+
				" was replaced: the reply was lost; it existed before, so it is kept; "+bringBack(it), "; "))
		case it.Replaces != nil:
			w.env.Warn("%s", strings.TrimSuffix("rollback: "+it.Target+" existed before, so it is kept; "+bringBack(it), "; "))
		case it.Kind == restore.GlobalState:
			w.env.Warn("rollback: the templates and settings of the snapshot are kept")
		case it.Kind == restore.DataStream || it.Kind == restore.Feature:
			w.env.Warn("rollback: the %s %s is kept: esnap deletes indices only", it.Kind, it.Target)
		}
	}
	if len(w.unsure) > 0 {
		w.env.Warn("rollback: cannot tell whether this run created %s, so they are kept: the reply was lost", strings.Join(w.unsure, ", "))
	}
	names := slices.Sorted(maps.Keys(w.created))
	if len(names) == 0 {
		w.env.Warn("rollback: nothing is deleted: this run did not create an index")
		return nil
	}
	w.env.Warn("rollback: the restore did not end well; deleting what it created: %s", cluster.Few(names))
	env := *w.env
	env.Outcome = func(o cluster.Outcome) {
		if o.Result == cluster.Done {
			o.Detail = "rolled back: this run had created it"
		}
		w.env.Outcome(o)
	}
	env.Revalidate = func(ctx context.Context, names []string) (map[string]string, error) {
		now, err := indexUUIDs(w.env)(ctx, names)
		keep := map[string]string{}
		for _, n := range names {
			switch id, there := now[n]; {
			case !there:
				keep[n] = Gone
			case id != w.created[n]:
				keep[n] = "kept: it was recreated after this run had created it"
			}
		}
		return keep, err
	}
	d := deletion{
		what:    "index",
		batches: func(names []string) ([][]string, error) { return env.Cluster.IndexBatches(names), nil },
		send: func(ctx context.Context, names []string) error {
			return env.Cluster.DeleteIndices(ctx, cluster.DeleteIndices{Names: names, MasterTimeout: 30 * time.Second})
		},
		uuids: w.created, currentUUIDs: indexUUIDs(&env), budget: newWaitBudget(w.env.waitForRunning(w.WaitForRunning)),
	}
	return d.run(ctx, &env, names)
}
