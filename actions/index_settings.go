package actions

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// IndexSettings changes settings of indices.
type IndexSettings struct {
	Settings          map[string]any `yaml:"index_settings" check:"required" doc:"exactly {index: {…}}"`
	IgnoreUnavailable bool           `yaml:"ignore_unavailable" doc:"do not fail if an index was deleted meanwhile, or for static settings on open indices"`
	PreserveExisting  bool           `yaml:"preserve_existing" doc:"do not change settings that an index already has"`
}

func newIndexSettings(Behaviour) Action { return &IndexSettings{} }

// Settings that can change on closed indices only, and those known to be dynamic.
var (
	staticSettings  = []string{"number_of_shards", "shard", "codec", "routing_partition_size"}
	dynamicSettings = []string{
		"number_of_replicas", "auto_expand_replicas", "refresh_interval", "max_result_window", "max_rescore_window",
		"blocks", "max_refresh_listeners", "mapping", "merge", "translog",
	}
)

func (a *IndexSettings) names() []string {
	in, _ := a.Settings["index"].(map[string]any)
	return slices.Sorted(maps.Keys(in))
}

// Validate implements Action.
func (a *IndexSettings) Validate(map[string]bool) error {
	if in, ok := a.Settings["index"].(map[string]any); a.Settings != nil && (!ok || len(in) == 0 || len(a.Settings) != 1) {
		return optionError("index_settings", "expected exactly {index: {setting: value, …}}")
	}
	return nil
}

// Run implements Action.
func (a *IndexSettings) Run(ctx context.Context, env *Env) error {
	indices := cluster.Of[*cluster.Index](env.Selected)
	for _, n := range a.names() {
		first, _, _ := strings.Cut(n, ".")
		switch {
		case slices.Contains(staticSettings, first):
			if !a.IgnoreUnavailable && slices.ContainsFunc(indices, func(i *cluster.Index) bool { return !i.Closed }) {
				return errors.New("the setting " + n + " is static: it can be changed on closed indices only, but some selected indices are open")
			}
		case !slices.Contains(dynamicSettings, first):
			env.Warn("esnap does not know whether the setting %s is dynamic; the server decides", n)
		}
	}
	return putSettings(ctx, env, cluster.VerbChangeSettings, cluster.Names(indices), cluster.PutIndexSettings{
		Settings: cluster.Dotted(a.Settings), IgnoreUnavailable: a.IgnoreUnavailable, PreserveExisting: a.PreserveExisting,
	})
}
