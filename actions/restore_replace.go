package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/restore"
)

// closeReplaced closes the open indices that a request is to replace: servers restore over
// closed indices only. An index that was recreated after the plan was made is not
// replaced; its item is reported, and left out of the returned group. The returned names
// are the indices that were open until now.
func (w *restoring) closeReplaced(ctx context.Context, g restore.Group) (restore.Group, []string, error) {
	var names []string
	for _, it := range g.Items {
		if it.Replaces != nil {
			names = append(names, it.Target)
		}
	}
	if len(names) == 0 {
		return g, nil, nil
	}
	list, err := w.env.Cluster.IndicesNamed(ctx, names)
	if err != nil {
		return g, nil, err
	}
	var open []string
	uuids := cluster.UUIDs(list)
	items := g.Items
	g.Items = nil
	for _, it := range items {
		if id, there := uuids[it.Target]; it.Replaces != nil && there && id != it.Replaces.UUID {
			w.outcome(it, cluster.Failure,
				errors.New("the existing index was deleted and recreated after the plan was made; it was not replaced"), "")
			continue
		}
		g.Items = append(g.Items, it)
		if slices.ContainsFunc(list, func(i *cluster.Index) bool { return i.Name == it.Target && !i.Closed }) {
			open = append(open, it.Target)
		}
	}
	busy := newWaitBudget(w.env.waitForRunning(w.WaitForRunning))
	var closed []string
	for _, batch := range w.env.Cluster.IndexBatches(open) {
		closed = append(closed, batch...) // also if the reply is lost
		err = busy.busy(ctx, w.env, func() error { return w.env.Cluster.OpenIndices(ctx, cluster.OpenIndices{Names: batch, Close: true}) })
		if err != nil {
			return g, closed, fmt.Errorf("the existing index was not closed: %w", err)
		}
	}
	return g, closed, nil
}

// mayBeClosed is the state of an index that was closed for a restore and not opened again.
const mayBeClosed = "the existing index may still be closed"

// reopen opens the indices that this run closed for a restore that did not begin, also
// when the run is interrupted. It returns the state of each of them. After a lost reply,
// an index that is open already, or that a restore has, is being restored: it has no
// state. A request that arrives later is refused because of the open index. If the reply to
// the closing was lost, an index that is open is opened, too: the closing may still arrive.
func (w *restoring) reopen(ctx context.Context, g restore.Group, names []string, failed error) map[string]string {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	lost := w.request(g.Items[0]) != notRequested // one request is of all of them
	closing := !lost && errors.Is(failed, cluster.ErrLost)
	state := map[string]string{}
	list, err := w.env.Cluster.IndicesNamed(ctx, names)
	if err != nil {
		for _, n := range names {
			state[n] = mayBeClosed
		}
		w.env.Warn("%s may still be closed: %s; a file with the action open opens them", strings.Join(names, ", "), err)
		return state
	}
	for _, i := range list {
		switch {
		case !i.Closed && lost:
			continue
		case !i.Closed:
			state[i.Name] = "the existing index is open, unchanged"
		default:
			state[i.Name] = "the existing index was opened again, unchanged"
		}
		if !i.Closed && !closing {
			continue
		}
		if err := w.env.Cluster.OpenIndices(ctx, cluster.OpenIndices{Names: []string{i.Name}}); err != nil {
			state[i.Name] = mayBeClosed
			w.env.Warn("%s may still be closed: %s; a file with the action open opens it", i.Name, err)
		}
	}
	if !lost {
		return state
	}
	running, err := w.env.Cluster.Running(ctx)
	for n := range state {
		if err != nil || slices.ContainsFunc(running, func(o cluster.Operation) bool {
			return o.Kind == cluster.OpRestore && slices.Contains(o.Indices, n)
		}) {
			delete(state, n)
		}
	}
	for _, it := range g.Items {
		if s := state[it.Target]; s != "" && s != mayBeClosed {
			w.note(notRequested, it)
		}
	}
	return state
}

// replacedHint adds to the failure of an item that has replaced an index how to get a good
// copy of that index back.
func replacedHint(err error, it restore.Item) error {
	if back := bringBack(it); back != "" {
		return cluster.WithHint(err, "%s", back)
	}
	if it.Kind == restore.Feature { // its indices have other names
		return err
	}
	return cluster.WithHint(err, "if the shards do not start, delete it: esnap index delete --guards off %s", it.Target)
}

// bringBack is the command that restores the newest good copy of an index that an item has
// replaced; empty: it has not replaced one, or there is no copy.
func bringBack(it restore.Item) string {
	if it.Replaces == nil || it.Replaces.Copy == nil {
		return ""
	}
	c := it.Replaces.Copy
	return fmt.Sprintf("esnap restore %s --repository %s --snapshot %s --on-conflict overwrite "+
		"restores the newest good copy of the replaced index", it.Target, c.Repository, c.Snapshot)
}
