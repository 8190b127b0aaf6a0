package actions

import (
	"context"
	"errors"

	"github.com/esnap/esnap/internal/cluster"
)

// Close closes open indices (spec/curator §5.7).
type Close struct {
	DeleteAliases      bool `yaml:"delete_aliases" doc:"take their aliases away first"`
	SkipFlush          bool `yaml:"skip_flush" doc:"do not flush them first"`
	IgnoreSyncFailures bool `yaml:"ignore_sync_failures" doc:"close them although the flush failed"`
}

func newClose(Flavour) Action { return &Close{} }

// Validate implements Action.
func (*Close) Validate(map[string]bool) error { return nil }

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
				env.Warn("the aliases could not be taken away: %s", err)
			}
		}
	}
	return inBatches(ctx, env, "close", names, func(batch []string) error {
		if !a.SkipFlush {
			if err := env.Cluster.FlushIndices(ctx, cluster.FlushIndices{Names: batch}); err != nil {
				if !a.IgnoreSyncFailures || errors.Is(err, cluster.ErrUnreachable) {
					return err
				}
				env.Warn("%s; they are closed all the same", err)
			}
		}
		return env.Cluster.OpenIndices(ctx, cluster.OpenIndices{Names: batch, Close: true})
	}, func(ctx context.Context) (map[string]string, error) { return state(ctx, env, names, true) })
}
