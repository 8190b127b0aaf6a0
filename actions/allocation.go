package actions

import (
	"context"

	"github.com/esnap/esnap/internal/cluster"
)

// Allocation sets or removes a rule of shard allocation on open indices.
type Allocation struct {
	Key            string  `yaml:"key" check:"required" doc:"the node attribute"`
	Value          *string `yaml:"value" doc:"value of the attribute; without a value the rule is removed"`
	AllocationType string  `yaml:"allocation_type" check:"oneof=require|include|exclude" doc:"the kind of rule"`
	Wait
}

func newAllocation(Behaviour) Action {
	return &Allocation{AllocationType: "require", Wait: newWait(false, 3)}
}

var changeAllocation = cluster.NewVerb("change allocation of", "changed allocation of")

// Run implements Action.
func (a *Allocation) Run(ctx context.Context, env *Env) error {
	indices, err := openOnly(env.Selected)
	if err != nil {
		return err
	}
	err = putSettings(ctx, env, changeAllocation, cluster.Names(indices), cluster.PutIndexSettings{
		Settings: allocationRule(a.AllocationType, a.Key, a.Value),
	})
	if err != nil || !a.WaitForCompletion {
		return err
	}
	return a.relocated(ctx, env)
}

// allocationRule is a rule of shard allocation as a setting; without a value the rule
// is removed.
func allocationRule(kind, key string, value *string) map[string]any {
	var to any
	if value != nil {
		to = *value
	}
	return map[string]any{"index.routing.allocation." + kind + "." + key: to}
}

// relocated waits until no shard of the cluster moves.
func (w Wait) relocated(ctx context.Context, env *Env) error {
	return w.poll(ctx, env, "shards to stop moving", func() (bool, error) {
		h, err := env.Cluster.ClusterHealth(ctx)
		return h.Relocating == 0, err
	})
}
