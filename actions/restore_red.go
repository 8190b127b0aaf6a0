package actions

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/restore"
)

// lost finds the red indices that only a restore can bring back: a primary shard is not
// allocated, and the server knows of no copy of it that is valid. Other red indices are
// warned of: their shards may come back by themselves.
func (a *Restore) lost(ctx context.Context, env *Env, l *restore.Listings) error {
	l.Lost = map[string][]int{}
	var open []string
	for _, i := range l.Indices {
		if !i.Closed && !cluster.IsOwn(i.Name) {
			open = append(open, i.Name)
		}
	}
	health, err := env.Cluster.Health(ctx, open)
	if err != nil {
		return err
	}
	red := slices.DeleteFunc(open, func(n string) bool { return health[n].Status != "red" })
	if len(a.Indices) > 0 {
		red, _ = cluster.ExpandNames(a.Indices, red)
	}
	problems, err := env.Cluster.ShardProblems(ctx, red)
	if err != nil {
		return err
	}
	waits := map[string]string{} // why a red index is not restored
	for _, p := range problems {
		if !p.Primary {
			continue
		}
		why, err := env.Cluster.Explain(ctx, p.Index, p.Shard)
		switch {
		case err != nil:
			return err
		case why.Lost():
			l.Lost[p.Index] = append(l.Lost[p.Index], p.Shard)
		case why.Decision == "": // it is allocated meanwhile
		default:
			waits[p.Index] = fmt.Sprintf("the cluster may still allocate shard %d (%s): %s", p.Shard, why.Decision, why.Text)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(waits)) {
		if len(l.Lost[n]) == 0 {
			env.Warn("%s is red but is not restored: %s", n, waits[n])
		}
	}
	return nil
}
