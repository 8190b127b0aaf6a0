package actions

import (
	"context"
	"fmt"

	"github.com/esnap/esnap/internal/cluster"
)

// Replicas sets the number of replicas of open indices.
type Replicas struct {
	Count int64 `yaml:"count" check:"required,min=0,max=10" doc:"number of replicas"`
	Wait
}

func newReplicas(Behaviour) Action { return &Replicas{Wait: newWait(false, 3)} }

var changeReplicas = cluster.NewVerb("change replicas of", "changed replicas of")

// Run implements Action.
func (a *Replicas) Run(ctx context.Context, env *Env) error {
	indices, err := openOnly(env.Selected)
	if err != nil {
		return err
	}
	if env.Behaviour.Cautious && a.WaitForCompletion {
		if capacity, err := env.Cluster.Capacity(ctx); err == nil && len(capacity.Nodes) > 0 && int(a.Count) >= len(capacity.Nodes) {
			return cluster.WithHint(fmt.Errorf("%s of each shard need %d data nodes, but the cluster has %d: the wait for green would not end",
				cluster.Count(int(a.Count), "replica"), a.Count+1, len(capacity.Nodes)),
				"set a lower count, add nodes, or set wait_for_completion: false")
		}
	}
	err = putSettings(ctx, env, changeReplicas, cluster.Names(indices),
		cluster.PutIndexSettings{Settings: map[string]any{"number_of_replicas": a.Count}})
	if err != nil || !a.WaitForCompletion || a.Count == 0 {
		return err
	}
	return a.poll(ctx, env, "the replicas to start (green)", func() (bool, error) {
		h, err := env.Cluster.ClusterHealth(ctx)
		return h.Status == "green", err
	})
}
