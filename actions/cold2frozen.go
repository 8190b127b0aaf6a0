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

// Cold2Frozen moves searchable snapshots from the cold tier, where the nodes have a full
// copy, to the frozen tier, where they have a part of it. It needs
// Elasticsearch 7.12 or later with a licence for searchable snapshots.
type Cold2Frozen struct {
	Settings          map[string]any `yaml:"index_settings" doc:"settings of the frozen index; default: prefer the coldest tier that exists"`
	IgnoreSettings    []string       `yaml:"ignore_index_settings" check:"list" doc:"settings that are not copied to the frozen index"`
	WaitForCompletion bool           `yaml:"wait_for_completion" doc:"the server waits until the frozen index exists before the old index is deleted"`
}

func newCold2Frozen(Behaviour) Action {
	return &Cold2Frozen{IgnoreSettings: []string{"index.refresh_interval"}, WaitForCompletion: true}
}

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
			o.NotStarted(context.Cause(ctx))
		} else if err := a.move(ctx, env, i, have[i.Name], settings); err != nil {
			o.Result, o.Err = cluster.Failure, err
		}
		env.Outcome(o)
	}
	return context.Cause(ctx)
}

func frozen(name string) string { return "partial-" + name }

// tiers is the tier preference of a frozen index: the frozen tier, or without one the
// tiers that exist, coldest first.
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

// move mounts the snapshot of the index again, moves the aliases to the new mount and
// deletes the old index.
func (a *Cold2Frozen) move(ctx context.Context, env *Env, source *cluster.Index, have map[string]string, settings map[string]any) error {
	target := frozen(source.Name)
	switch {
	case source.Lifecycle != "":
		return fmt.Errorf("the lifecycle policy %s moves the index", source.Lifecycle)
	case have["index.store.type"] != "snapshot":
		return errors.New("it is not a mounted snapshot")
	case have["index.store.snapshot.partial"] == "true":
		return errors.New("it is already frozen")
	case source.DataStream != "":
		return leavesStream(source, target)
	}
	r := cluster.MountSnapshot{
		Repository: have["index.store.snapshot.repository_name"], Snapshot: have["index.store.snapshot.snapshot_name"],
		Index: have["index.store.snapshot.index_name"], Target: target,
		Settings: settings, IgnoreSettings: a.IgnoreSettings, Wait: a.WaitForCompletion,
	}
	if r.Repository == "" || r.Snapshot == "" || r.Index == "" {
		return errors.New("its settings do not name the snapshot that it is mounted from")
	}
	err := env.Cluster.MountSnapshot(ctx, r)
	if errors.Is(err, cluster.ErrUnsupported) {
		return cluster.WithHint(err, "searchable snapshots need Elasticsearch 7.12 or later with x-pack")
	}
	if err != nil && !errors.Is(err, cluster.ErrLost) { // never sent twice: verify
		return err
	}
	if err != nil {
		if !env.arrived(ctx, "the mount of "+target, env.exists(ctx, target)) {
			return unclear(ctx, target+" was mounted", err)
		}
	}
	made, lerr := env.Cluster.Settings(ctx, []string{target})
	if lerr != nil {
		return lerr
	}
	if made[target]["index.store.snapshot.partial"] != "true" {
		return errors.Join(fmt.Errorf("%s does not exist as a frozen index; the old index is kept", target), err)
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
	if now, err := env.Cluster.AliasBodies(ctx, target); err != nil ||
		!slices.Equal(slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(want))) {
		return errors.Join(errors.New("the aliases of "+target+" are not those of the old index; the old index is kept"), err)
	}
	return deleteReplaced(ctx, env, source)
}

// ready waits until every primary shard of the mount is started: before that the mount
// cannot replace the old index.
func (a *Cold2Frozen) ready(ctx context.Context, env *Env, target string) error {
	return newWait(true, 9).poll(ctx, env, "the shards of "+target, func() (bool, error) {
		h, err := env.Cluster.Health(ctx, []string{target})
		return h[target].Ready(), err
	})
}
