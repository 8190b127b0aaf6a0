package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/strftime"
)

// Rollover points an alias to a new index when conditions are met.
type Rollover struct {
	Name                string         `yaml:"name" check:"required" doc:"name of the alias, without date tokens"`
	Conditions          conditions     `yaml:"conditions" check:"required" doc:"max_age, max_docs, max_size; one that is met is enough"`
	NewIndex            string         `yaml:"new_index" doc:"the new index, with strftime tokens or as <date math>; default: the server increments the number in the name"`
	ExtraSettings       map[string]any `yaml:"extra_settings" doc:"aliases, mappings and settings of the new index; any other key is a setting"`
	WaitForActiveShards string         `yaml:"wait_for_active_shards" check:"scalar" doc:"number of shard copies that must be started, or all"`
}

type conditions struct {
	MaxAge  string `yaml:"max_age" doc:"age of the index, such as 7d"`
	MaxDocs int64  `yaml:"max_docs" check:"min=1" doc:"number of documents in the index"`
	MaxSize string `yaml:"max_size" doc:"size of the primary shards, such as 50gb"`
}

func newRollover(Behaviour) Action { return &Rollover{WaitForActiveShards: "0"} }

// Validate implements Action.
func (a *Rollover) Validate(given map[string]bool) error {
	if given["conditions"] && len(a.conditions()) == 0 {
		return optionError("conditions", "needs one of max_age, max_docs, max_size")
	}
	var name error
	if a.NewIndex != "" {
		name = checkName("new_index", "index", a.NewIndex)
	}
	return errors.Join(name, checkParts(a.ExtraSettings), checkAliases(a.ExtraSettings))
}

// Unconditionally has the alias rolled over whatever the index contains.
func (a *Rollover) Unconditionally() { a.Conditions = conditions{} }

func (a *Rollover) conditions() map[string]any {
	c := map[string]any{}
	if a.Conditions.MaxAge != "" {
		c["max_age"] = a.Conditions.MaxAge
	}
	if a.Conditions.MaxDocs > 0 {
		c["max_docs"] = a.Conditions.MaxDocs
	}
	if a.Conditions.MaxSize != "" {
		c["max_size"] = a.Conditions.MaxSize
	}
	return c
}

// counts matches names whose number the server can increment.
var counts = regexp.MustCompile(`(?:\d\d|-\d)$`)

// Run implements Action. It does not fail if the conditions are not met, or if a
// lifecycle policy rolls the index over (K16).
func (a *Rollover) Run(ctx context.Context, env *Env) error {
	list, err := env.Indices(ctx)
	if err != nil {
		return err
	}
	members := slices.DeleteFunc(list, func(i *cluster.Index) bool { return !i.HasAlias(a.Name) })
	if len(members) == 0 {
		return fmt.Errorf("there is no alias %s", a.Name)
	}
	write, err := env.Cluster.WriteAliases(ctx, cluster.Names(members))
	if err != nil {
		return err
	}
	at := slices.IndexFunc(members, func(i *cluster.Index) bool { return slices.Contains(write[i.Name].Write, a.Name) })
	switch {
	case slices.ContainsFunc(members, func(i *cluster.Index) bool { return !slices.Contains(write[i.Name].All, a.Name) }):
		return &cluster.Error{
			Op: "roll over alias " + a.Name, Kind: cluster.ErrUnseen, Text: "the user may not see which index is its write index",
			Hint: "give the user the privilege view_index_metadata on " + a.Name,
		}
	case at < 0 && len(members) > 1:
		return fmt.Errorf("the alias %s cannot be rolled over: it has %d indices, and none is its write index", a.Name, len(members))
	case at < 0 && !counts.MatchString(members[0].Name):
		return fmt.Errorf("the index %s of the alias %s cannot be rolled over: its name does not end with a number", members[0].Name, a.Name)
	}
	current := members[max(at, 0)]
	o := cluster.Outcome{Verb: cluster.VerbRollOver, What: "alias", Name: a.Name, Result: cluster.Done}
	if current.Lifecycle != "" && !env.AllowILM {
		o.Result, o.Detail = cluster.Unchanged, "the lifecycle policy "+current.Lifecycle+
			" rolls it over (allow_ilm_indices: true overrides that)"
		env.Outcome(o)
		return nil
	}
	newIndex, err := strftime.Resolve(a.NewIndex, env.Now)
	if err != nil {
		return err
	}
	req := cluster.Rollover{Alias: a.Name, NewIndex: newIndex, Conditions: a.conditions(), WaitForActiveShards: a.WaitForActiveShards}
	req.Settings, req.Aliases, req.Mappings = parts(a.ExtraSettings)
	due, err := env.Cluster.RolloverDue(ctx, req)
	if err != nil {
		return err
	}
	if !due.Due && len(req.Conditions) > 0 {
		o.Result, o.Detail = cluster.Unchanged, "the conditions are not met"
		env.Outcome(o)
		return nil
	}
	done, err := env.Cluster.Rollover(ctx, req)
	assumed := err == nil && done.NewIndex == ""
	if errors.Is(err, cluster.ErrLost) { // never sent twice: verify
		if env.arrived(ctx, "the rollover to "+due.NewIndex, env.exists(ctx, due.NewIndex)) {
			err = nil
		} else {
			err = unclear(ctx, a.Name+" was rolled over to "+due.NewIndex, err)
			o.Result, o.Detail = cluster.Unclear, err.Error()
			env.Outcome(o)
		}
	}
	if err != nil {
		return err
	}
	switch {
	case done.NewIndex == "":
		done = due
	case !done.Due: // somebody else rolled over meanwhile
		o.Result, o.Detail = cluster.Unchanged, "the conditions are no longer met"
		env.Outcome(o)
		return nil
	}
	o.Detail = fmt.Sprintf("from %s to %s", done.OldIndex, done.NewIndex)
	if len(req.Aliases) > 0 && !assumed {
		if err := hasAliases(ctx, env, done.NewIndex, req.Aliases); err != nil {
			o.Result, o.Err = cluster.Failure, err
		}
	}
	env.Outcome(o)
	return nil
}

// hasAliases verifies that an index has the aliases.
func hasAliases(ctx context.Context, env *Env, index string, aliases map[string]any) error {
	have, err := env.Cluster.AliasBodies(ctx, index)
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		if _, there := have[alias]; !there && err == nil {
			return fmt.Errorf("rolled over, but the new index %s does not have the alias %s", index, alias)
		}
	}
	return err
}

// partKeys are the keys of extra_settings that are not settings by themselves.
var partKeys = []string{"settings", "aliases", "mappings"}

// checkParts reports those that are not maps, and maps under names that are similar: an empty
// one would be a setting that is not sent.
func checkParts(extra map[string]any) error {
	for _, k := range slices.Sorted(maps.Keys(extra)) {
		if _, isMap := extra[k].(map[string]any); isMap && !slices.Contains(partKeys, k) {
			if hint := near.DidYouMean(k, partKeys); hint != "" {
				return optionError("extra_settings", "unknown key %q; %s", k, hint)
			}
		}
	}
	for _, k := range partKeys {
		if v, given := extra[k]; given {
			if _, isMap := v.(map[string]any); !isMap {
				return optionError("extra_settings", "%s: expected a map", k)
			}
		}
	}
	return nil
}

// parts splits the extra_settings of a new index. Keys besides these three are settings,
// as in Curator.
func parts(extra map[string]any) (settings, aliases, mappings map[string]any) {
	part := func(key string) map[string]any { m, _ := extra[key].(map[string]any); return m }
	settings = maps.Clone(extra)
	maps.DeleteFunc(settings, func(k string, _ any) bool { return slices.Contains(partKeys, k) })
	if given := part("settings"); len(given) > 0 {
		maps.Copy(settings, given)
	}
	return settings, part("aliases"), part("mappings")
}
