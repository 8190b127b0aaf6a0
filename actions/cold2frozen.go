package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// Cold2Frozen moves searchable snapshots of the cold tier, which are held whole, to
// the frozen tier, where they are held in part (spec/curator §5.18). It needs
// Elasticsearch 7.12 or later with a licence for searchable snapshots.
type Cold2Frozen struct {
	Settings          map[string]any `yaml:"index_settings" doc:"settings of the frozen index; default: a preference for the coldest tier there is"`
	IgnoreSettings    []string       `yaml:"ignore_index_settings" check:"list" doc:"settings that the frozen index does not take over"`
	WaitForCompletion bool           `yaml:"wait_for_completion" doc:"have the server wait until the index is there before the old one is deleted"`
}

func newCold2Frozen(Behaviour) Action {
	return &Cold2Frozen{IgnoreSettings: []string{"index.refresh_interval"}, WaitForCompletion: true}
}

// Validate implements Action.
func (*Cold2Frozen) Validate(map[string]bool) error { return nil }

// Run implements Action.
func (a *Cold2Frozen) Run(ctx context.Context, env *Env) error {
	indices := cluster.Of[*cluster.Index](env.Selected)
	have, err := env.Cluster.Settings(ctx, cluster.Names(indices))
	if err != nil {
		return err
	}
	settings := a.Settings
	if settings == nil {
		nodes, err := env.Cluster.Nodes(ctx)
		if err != nil {
			return err
		}
		settings = map[string]any{"index.routing.allocation.include._tier_preference": tiers(nodes)}
	}
	for _, i := range indices {
		o := cluster.Outcome{Verb: cluster.VerbFreeze, What: "index", Name: i.Name, Result: cluster.Done, Detail: "to " + frozen(i.Name)}
		if ctx.Err() != nil {
			o.Result, o.Detail = cluster.NotStarted, context.Cause(ctx).Error()
		} else if err := a.move(ctx, env, i, have[i.Name], settings); err != nil {
			o.Result, o.Err = cluster.Failure, err
		}
		env.Outcome(o)
	}
	return context.Cause(ctx)
}

func frozen(name string) string { return "partial-" + name }

// tiers is the preference of a frozen index: the frozen tier, or where there is none
// the tiers that there are, coldest first.
func tiers(nodes []cluster.Node) string {
	has := func(role string) bool {
		return slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.Has(role) })
	}
	if has("data_frozen") {
		return "data_frozen"
	}
	var out []string
	for _, tier := range []string{"data_cold", "data_warm", "data_hot"} {
		if has(tier) {
			out = append(out, tier)
		}
	}
	if len(out) == 0 {
		return "data_content"
	}
	return strings.Join(out, ",")
}

// move mounts the index's snapshot anew, gives the mount the aliases and deletes the
// old one.
func (a *Cold2Frozen) move(ctx context.Context, env *Env, source *cluster.Index, have map[string]string, settings map[string]any) error {
	target := frozen(source.Name)
	switch {
	case source.Lifecycle != "":
		return fmt.Errorf("the lifecycle policy %s moves it", source.Lifecycle)
	case have["index.store.type"] != "snapshot":
		return errors.New("it is no mounted snapshot")
	case have["index.store.snapshot.partial"] == "true":
		return errors.New("it is frozen already")
	case source.DataStream != "":
		return leavesStream(source, target)
	}
	r := cluster.MountSnapshot{
		Repository: have["index.store.snapshot.repository_name"], Snapshot: have["index.store.snapshot.snapshot_name"],
		Index: have["index.store.snapshot.index_name"], Target: target, Settings: settings, IgnoreSettings: a.IgnoreSettings, Wait: a.WaitForCompletion,
	}
	if r.Repository == "" || r.Snapshot == "" || r.Index == "" {
		return errors.New("its settings do not say which snapshot it is of")
	}
	err := env.Cluster.MountSnapshot(ctx, r)
	if errors.Is(err, cluster.ErrUnsupported) {
		return cluster.WithHint(err, "searchable snapshots need Elasticsearch 7.12 or later with x-pack")
	}
	if err != nil && !errors.Is(err, cluster.ErrLost) { // never asked for twice: look
		return err
	}
	made, lerr := env.Cluster.Settings(ctx, []string{target})
	if lerr != nil {
		return lerr
	}
	if made[target]["index.store.snapshot.partial"] != "true" {
		return errors.Join(fmt.Errorf("%s is not there as a frozen index: the old one stays", target), err)
	}
	if err := a.ready(ctx, env, target); err != nil {
		return err
	}
	want, err := env.Cluster.AliasBodies(ctx, source.Name)
	if err != nil {
		return err
	}
	if err := moveAliases(ctx, env, source.Name, target, true); err != nil {
		return err
	}
	if now, err := env.Cluster.AliasBodies(ctx, target); err != nil || !slices.Equal(slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(want))) {
		return errors.Join(errors.New("the aliases of "+target+" are not those that the old index had: the old one stays"), err)
	}
	return deleteReplaced(ctx, env, source)
}

// ready waits until every primary of the mount is started: until then it stands for
// nothing.
func (a *Cold2Frozen) ready(ctx context.Context, env *Env, target string) error {
	return newWait(true, 9).poll(ctx, env, "the shards of "+target, func() (bool, error) {
		h, err := env.Cluster.Health(ctx, []string{target})
		return h[target].Ready(), err
	})
}
