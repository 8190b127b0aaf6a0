package actions

import (
	"context"

	"github.com/esnap/esnap/internal/cluster"
)

// Open opens indices, also those that are already open.
type Open struct{}

func newOpen(Behaviour) Action { return &Open{} }

// Run implements Action.
func (*Open) Run(ctx context.Context, env *Env) error {
	names := cluster.Names(env.Selected)
	return inBatches(ctx, env, cluster.VerbOpen, names, func(batch []string) error {
		return env.Cluster.OpenIndices(ctx, cluster.OpenIndices{Names: batch})
	}, func(ctx context.Context) (map[string]string, error) { return state(ctx, env, names, false) })
}
