package actions

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// Close closes open indices.
type Close struct {
	DeleteAliases      bool `yaml:"delete_aliases" doc:"remove the aliases of the indices first"`
	SkipFlush          bool `yaml:"skip_flush" doc:"do not flush the indices first"`
	IgnoreSyncFailures bool `yaml:"ignore_sync_failures" doc:"close the indices even if the flush request failed; a shard that cannot be flushed is only a warning in any case"`
}

func newClose(Behaviour) Action { return &Close{} }

// Run implements Action.
func (a *Close) Run(ctx context.Context, env *Env) error {
	indices, err := openOnly(env.Selected)
	if err != nil {
		return err
	}
	names := cluster.Names(indices)
	if a.DeleteAliases {
		var req cluster.UpdateAliases
		for _, i := range indices {
			for _, alias := range i.Aliases {
				req.Actions = append(req.Actions, cluster.AliasAction{Remove: true, Index: i.Name, Alias: alias})
			}
		}
		if len(req.Actions) > 0 {
			if err := env.Cluster.UpdateAliases(ctx, req); err != nil {
				env.Warn("the aliases were not removed: %s", err)
			}
		}
	}
	return inBatches(ctx, env, cluster.VerbClose, names, func(batch []string) error {
		if !a.SkipFlush {
			if err := a.flush(ctx, env, batch); err != nil {
				return err
			}
		}
		return env.Cluster.OpenIndices(ctx, cluster.OpenIndices{Names: batch, Close: true})
	}, func(ctx context.Context) (map[string]string, error) { return state(ctx, env, names, true) })
}

// flush writes what is in memory to disk. An index can be closed without a flush: the
// rest is read from the transaction log when the index is opened.
func (a *Close) flush(ctx context.Context, env *Env, names []string) error {
	ready, err := a.flushable(ctx, env, names)
	if err == nil && len(ready) > 0 {
		err = env.Cluster.FlushIndices(ctx, cluster.FlushIndices{Names: ready})
	}
	if err == nil && len(ready) < len(names) {
		left := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(ready, n) })
		err = &cluster.Error{Op: "flush " + strings.Join(left, ", "), Kind: cluster.ErrShards, Text: "not all primary shards are started"}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, cluster.ErrShards), a.IgnoreSyncFailures && !errors.Is(err, cluster.ErrUnreachable):
		env.Warn("%s: closed without a complete flush", err)
		return nil
	case errors.Is(err, cluster.ErrUnreachable):
		return err
	}
	return cluster.WithHint(err, "ignore_sync_failures: true or skip_flush: true closes the indices without a flush")
}

// flushable returns the indices whose primary shards are all started. For a shard that
// is on no node the server would wait a minute before it reports that.
func (a *Close) flushable(ctx context.Context, env *Env, names []string) ([]string, error) {
	health, err := env.Cluster.Health(ctx, names)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		h, known := health[n]
		return known && h.ActivePrimary < h.Shards
	}), nil
}
