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

// finish waits until all shards of all targets are started, and judges the result.
func (w *restoring) finish(ctx context.Context, items []restore.Item) error {
	env, plan := w.env, w.plan
	var targets []string
	for _, it := range items {
		targets = append(targets, it.Targets()...)
	}
	// The mark comes first: a deletion that runs before the restore has ended must see it.
	marked := w.mark(ctx, items)
	var health map[string]cluster.IndexHealth
	quiet := 0
	err := w.poll(ctx, env, "the restore of "+cluster.Count(len(targets), "index"), func() (bool, error) {
		var err error
		if health, err = env.Cluster.Health(ctx, targets); err != nil {
			return false, err
		}
		open := 0
		for _, t := range targets {
			if h, there := health[t]; !there || !h.Ready() {
				open++
			}
		}
		if open == 0 {
			return true, nil
		}
		ops, err := env.Cluster.Running(ctx)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(ops, func(o cluster.Operation) bool {
			return o.Kind == cluster.OpRestore && slices.ContainsFunc(targets, func(t string) bool { return slices.Contains(o.Indices, t) })
		}) {
			quiet = 0
			return false, nil
		}
		quiet++
		return quiet >= absences, nil // no restore runs any more: judge the result
	}, &tracked{restoreTitle(items, targets), func() (cluster.Progress, error) { return env.Cluster.RestoreProgress(ctx, targets) }})
	if err != nil {
		for _, it := range items {
			if ctx.Err() != nil && w.Rollback {
				w.outcome(it, cluster.Requested, nil, "%s", context.Cause(ctx))
				continue
			}
			if ctx.Err() != nil {
				w.outcome(it, cluster.Requested, nil, "the restore continues in the cluster; %s", context.Cause(ctx))
				continue
			}
			w.outcome(it, cluster.Failure, err, "")
		}
		return context.Cause(ctx)
	}
	problems, _ := env.Cluster.ShardProblems(ctx, targets)
	docs, derr := env.Cluster.Stats(ctx, targets)
	for _, it := range items {
		h, there := together(it.Targets(), health)
		var unready []string
		for _, p := range problems {
			if slices.Contains(it.Targets(), p.Index) && p.Primary {
				unready = append(unready, strings.TrimSpace(fmt.Sprintf("shard %d is %s %s %s", p.Shard, p.State, p.Reason, p.Details)))
			}
		}
		switch {
		case !there:
			w.outcome(it, cluster.Failure, errors.New("the index does not exist after the restore"), "")
		case !h.Ready():
			err := fmt.Errorf("only %d of %d primary shards are started: %s", h.ActivePrimary, h.Shards, cluster.FewOf(unready, "; ", 3))
			w.outcome(it, cluster.Failure, replacedHint(err, it), "")
		default:
			detail := fmt.Sprintf("from %s/%s", it.Repository, it.Snapshot)
			if it.Replaces != nil {
				detail += ", over the existing index"
			}
			var sum, counted int
			for _, t := range it.Targets() {
				if s, ok := docs[t]; ok && derr == nil {
					sum, counted = sum+int(s.Docs), counted+1
				}
			}
			if counted == len(it.Targets()) {
				detail += fmt.Sprintf(", %s", cluster.Count(sum, "document"))
			}
			if !plan.KeepUntil.IsZero() && it.Kind != restore.Feature { // a feature cannot be marked
				detail += ", protected until the end of " + cluster.Day(plan.KeepUntil) + " (UTC)"
			}
			result := cluster.Done
			if it.Lacking {
				result, detail = cluster.PartlyDone, detail+"; the copy has missing shards"
			}
			w.outcome(it, result, nil, "%s", detail)
		}
	}
	return marked
}

// restoreTitle names a restore where its progress is shown.
func restoreTitle(items []restore.Item, targets []string) string {
	title := "restore " + cluster.Count(len(targets), "index")
	first := items[0]
	if slices.ContainsFunc(items, func(i restore.Item) bool { return i.Repository != first.Repository || i.Snapshot != first.Snapshot }) {
		return title
	}
	return title + " from " + first.Repository + "/" + first.Snapshot
}

// together is the allocation of several indices as if they were one; false if one of
// them does not exist.
func together(names []string, health map[string]cluster.IndexHealth) (sum cluster.IndexHealth, there bool) {
	there = true
	for _, n := range names {
		h, exists := health[n]
		there = there && exists
		sum.Shards, sum.ActivePrimary = sum.Shards+h.Shards, sum.ActivePrimary+h.ActivePrimary
	}
	return sum, there
}

// mark gives the restored indices the alias that protects them from esnap's deletions.
func (w *restoring) mark(ctx context.Context, items []restore.Item) error {
	env, plan := w.env, w.plan
	if plan.KeepUntil.IsZero() {
		return nil
	}
	alias := cluster.KeepPrefix + keepDay(plan)
	var req cluster.UpdateAliases
	var names []string
	for _, it := range items { // a backing index cannot have an alias: its mark remains in its settings
		if it.Kind == restore.Index {
			names = append(names, it.Target)
			req.Actions = append(req.Actions, cluster.AliasAction{Index: it.Target, Alias: alias})
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := env.Cluster.UpdateAliases(ctx, req); err != nil {
		env.Warn("the alias %s was not added to the restored indices: %s; the setting %s protects them as well",
			alias, err, cluster.SettingKeepUntil)
		return nil
	}
	for _, batch := range env.Cluster.IndexBatches(names) { // the alias protects them now
		none := map[string]any{cluster.SettingKeepUntil: nil}
		_ = env.Cluster.PutIndexSettings(ctx, cluster.PutIndexSettings{Names: batch, Settings: none})
	}
	return nil
}
