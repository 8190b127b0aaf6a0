package actions

import (
	"context"
	"slices"

	"github.com/esnap/esnap/internal/cluster"
)

// ClusterRouting switches shard allocation or rebalancing of the cluster, until it
// is restarted.
type ClusterRouting struct {
	RoutingType string `yaml:"routing_type" check:"required,oneof=allocation|rebalance" doc:"what to switch"`
	Setting     string `yaml:"setting" check:"required,oneof=enable" doc:"the setting; must be enable"`
	Value       string `yaml:"value" check:"required,oneof=all|primaries|none|new_primaries|replicas" doc:"for which shards; new_primaries only with allocation, replicas only with rebalance"`
	Wait
}

func newClusterRouting(Behaviour) Action { return &ClusterRouting{Wait: newWait(false, 3)} }

// Validate implements Action.
func (a *ClusterRouting) Validate(map[string]bool) error {
	allowed := []string{"all", "primaries", "none", map[string]string{"allocation": "new_primaries", "rebalance": "replicas"}[a.RoutingType]}
	if a.Value != "" && a.RoutingType != "" && !slices.Contains(allowed, a.Value) {
		return optionError("value", "%s cannot be used with routing_type %s", a.Value, a.RoutingType)
	}
	return nil
}

var setRouting = cluster.NewVerb("set", "set")

// Run implements Action.
func (a *ClusterRouting) Run(ctx context.Context, env *Env) error {
	name := "cluster.routing." + a.RoutingType + "." + a.Setting
	o := cluster.Outcome{Verb: setRouting, What: "cluster setting", Name: name, Result: cluster.Done, Detail: a.Value}
	if err := env.Cluster.PutClusterSettings(ctx, cluster.PutClusterSettings{Transient: map[string]any{name: a.Value}}); err != nil {
		o.Result, o.Err, o.Detail = cluster.Failure, err, ""
	}
	env.Outcome(o)
	if o.Err != nil || !a.WaitForCompletion {
		return nil
	}
	return a.relocated(ctx, env)
}
