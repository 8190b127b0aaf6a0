package actions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/restore"
)

// lost finds the red indices that only a restore can bring back: a primary shard is not
// allocated, and the server knows of no copy of it that is valid. Other red indices are
// warned of: their shards may come back by themselves.
func (a *Restore) lost(ctx context.Context, env *Env, l *restore.Listings) error {
	l.Lost = map[string][]int{}
	l.Left = map[string]time.Time{}
	var red []string
	for _, i := range l.Indices {
		if !cluster.IsOwn(i.Name) {
			red = append(red, i.Name)
		}
	}
	for _, n := range a.Indices {
		if plain := !strings.ContainsAny(n, "*") && !strings.HasPrefix(n, "-"); plain && !slices.Contains(red, n) {
			err := &cluster.Error{Op: "restore red indices", Kind: cluster.ErrNoIndex, Text: "no index is called " + n}
			if question := near.DidYouMean(n, red); question != "" {
				return cluster.WithHint(err, "%s", question)
			}
			return err
		}
	}
	health, err := env.Cluster.Health(ctx, red) // closed indices have shards, too, from Elasticsearch 7.2 on
	if err != nil {
		return err
	}
	red = slices.DeleteFunc(red, func(n string) bool { return health[n].Status != "red" })
	if len(a.Indices) > 0 {
		red, _ = cluster.ExpandNames(a.Indices, red)
	}
	byName := cluster.ByName(l.Indices)
	var open, closed []string
	for _, n := range red {
		if byName[n].Closed {
			closed = append(closed, n)
		} else {
			open = append(open, n)
		}
	}
	problems, err := env.Cluster.ShardProblems(ctx, open)
	if err != nil {
		return err
	}
	for _, n := range closed { // the table of shards does not have theirs
		for shard := range health[n].Shards {
			problems = append(problems, cluster.ShardProblem{Index: n, Shard: shard, Primary: true})
		}
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
			if why.NodeLeft.After(l.Left[p.Index]) {
				l.Left[p.Index] = why.NodeLeft
			}
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
