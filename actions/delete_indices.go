package actions

import (
	"context"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// DeleteIndices deletes indices by name, in as few requests as fit; leftovers fail the action (D4).
type DeleteIndices struct {
	Protect        []string       `yaml:"protect" check:"list,own" doc:"wildcard patterns of indices that are never deleted"`
	WaitForRunning *time.Duration `yaml:"wait_for_running" check:"own" doc:"maximum wait for a running snapshot of the index; default 30m, 0 in Curator's command lines"`

	// Named are indices an operator named one by one.
	Named []string `yaml:"-"`

	behaviour Behaviour
}

func newDeleteIndices(b Behaviour) Action { return &DeleteIndices{behaviour: b} }

// Protection implements Guarded.
func (a *DeleteIndices) Protection() Protection {
	return Protection{Protect: a.Protect, NamedExactly: a.Named}
}

// WaitsForRunning is how long to wait for a snapshot of this run before an index that
// it contains is deleted.
func (a *DeleteIndices) WaitsForRunning() time.Duration {
	env := Env{Behaviour: a.behaviour}
	return env.waitForRunning(a.WaitForRunning)
}

// Run implements Action.
func (a *DeleteIndices) Run(ctx context.Context, env *Env) error {
	indices := cluster.Of[*cluster.Index](env.Selected)
	d := deletion{
		what:    "index",
		batches: func(names []string) ([][]string, error) { return env.Cluster.IndexBatches(names), nil },
		send: func(ctx context.Context, names []string) error {
			return env.Cluster.DeleteIndices(ctx, cluster.DeleteIndices{Names: names, MasterTimeout: a.masterTimeout(env)})
		},
		uuids: cluster.UUIDs(indices), currentUUIDs: indexUUIDs(env),
		patience: newWaitBudget(env.waitForRunning(a.WaitForRunning)),
	}
	return d.run(ctx, env, cluster.Names(indices))
}

// indexUUIDs reads the uuids of the named indices that exist now.
func indexUUIDs(env *Env) func(ctx context.Context, names []string) (map[string]string, error) {
	return func(ctx context.Context, names []string) (map[string]string, error) {
		list, err := env.Cluster.IndicesNamed(ctx, names)
		return cluster.UUIDs(list), err
	}
}

// masterTimeout is 30 seconds, or the request's time-out up to the behaviour's.
func (a *DeleteIndices) masterTimeout(env *Env) time.Duration {
	if most := env.Behaviour.MasterTimeout; most > 0 {
		return min(env.Timeout, most)
	}
	return 30 * time.Second
}
