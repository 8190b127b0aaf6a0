package actions

import (
	"context"
	"errors"
	"fmt"

	"github.com/esnap/esnap/internal/cluster"
)

// Freeze freezes or unfreezes indices.
type Freeze struct{ thaw bool }

func newFreeze(Behaviour) Action   { return &Freeze{} }
func newUnfreeze(Behaviour) Action { return &Freeze{thaw: true} }

// Run implements Action.
func (a *Freeze) Run(ctx context.Context, env *Env) error {
	verb := cluster.VerbFreeze
	if a.thaw {
		verb = cluster.VerbUnfreeze
	}
	names := cluster.Names(env.Selected)
	return inBatches(ctx, env, verb, names, func(batch []string) error {
		err := env.Cluster.FreezeIndices(ctx, cluster.FreezeIndices{Names: batch, Unfreeze: a.thaw})
		if errors.Is(err, cluster.ErrUnsupported) {
			return cluster.WithHint(err, "Elasticsearch 6.6 to 7 with x-pack can freeze and unfreeze; 8 can only unfreeze; "+
				"9 and OpenSearch can do neither")
		}
		return err
	}, func(ctx context.Context) (map[string]string, error) {
		have, err := env.Cluster.Settings(ctx, names)
		notYet := map[string]string{}
		for _, n := range names {
			if frozen := have[n]["index.frozen"] == "true"; frozen == a.thaw {
				notYet[n] = fmt.Sprintf("index.frozen is %t", frozen)
			}
		}
		return notYet, err
	})
}
