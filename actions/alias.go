package actions

import (
	"context"
	"errors"
	"fmt"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strftime"
)

// AliasAction adds indices to an alias and removes others from it, in one request.
type AliasAction struct {
	Name            string         `yaml:"name" check:"required" doc:"the alias, with strftime tokens or as <date math>"`
	ExtraSettings   map[string]any `yaml:"extra_settings" doc:"filter, routing or is_write_index for the added indices"`
	WarnIfNoIndices bool           `yaml:"warn_if_no_indices" doc:"do not fail if add or remove selects nothing"`
}

func newAliasAction(Behaviour) Action { return &AliasAction{} }

// Validate implements Action.
func (a *AliasAction) Validate(map[string]bool) error {
	return checkName("name", "alias", a.Name)
}

// Run implements Action: removals come first, whatever their order in the file.
func (a *AliasAction) Run(ctx context.Context, env *Env) error {
	name, err := strftime.Resolve(a.Name, env.Now)
	if err != nil {
		return err
	}
	var req cluster.UpdateAliases
	warned := false
	for _, slot := range []string{"remove", "add"} {
		items, given := env.Slots[slot]
		if !given {
			continue
		}
		if len(items) == 0 {
			if !a.WarnIfNoIndices {
				return fmt.Errorf("%w to %s", cluster.ErrEmpty, slot)
			}
			warned = true
			env.Warn("nothing is selected to %s", slot)
		}
		for _, i := range cluster.Of[*cluster.Index](items) {
			if slot == "remove" && !i.HasAlias(name) {
				continue
			}
			act := cluster.AliasAction{Remove: slot == "remove", Index: i.Name, Alias: name}
			if slot == "add" {
				act.Extra = a.ExtraSettings
			}
			req.Actions = append(req.Actions, act)
		}
	}
	if len(req.Actions) == 0 {
		if warned {
			return fmt.Errorf("%w for the alias %s", cluster.ErrEmpty, name)
		}
		return fmt.Errorf("nothing to do for the alias %s: none of the indices to remove has it", name)
	}
	lost := env.Cluster.UpdateAliases(ctx, req)
	if errors.Is(lost, cluster.ErrLost) {
		if env.arrived(ctx, "the change of alias "+name, func() (bool, error) { return aliased(ctx, env, req) }) {
			lost = nil
		}
	} else if lost != nil {
		return lost
	}
	return a.see(ctx, env, name, req, lost)
}

// The verbs of outcomes of alias.
var (
	AddToAlias     = cluster.NewVerb("add to alias", "added to alias")
	TakeOutOfAlias = cluster.NewVerb("take out of alias", "taken out of alias")
)

// see reports for every index whether the alias was added or removed. Lost is that nothing
// shows whether the request arrived.
func (a *AliasAction) see(ctx context.Context, env *Env, name string, req cluster.UpdateAliases, lost error) error {
	list, err := env.Cluster.Indices(ctx)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, i := range list {
		has[i.Name] = i.HasAlias(name)
	}
	want := map[string]bool{} // the last one counts: additions
	for _, act := range req.Actions {
		want[act.Index] = !act.Remove
	}
	for _, act := range req.Actions {
		if act.Remove && want[act.Index] {
			continue
		}
		o := cluster.Outcome{Verb: AddToAlias, What: "index", Name: act.Index, Result: cluster.Done, Alias: name, Detail: "alias " + name}
		if act.Remove {
			o.Verb = TakeOutOfAlias
		}
		switch changed := has[act.Index] != act.Remove; {
		case changed:
		case lost != nil:
			o.Result, o.Detail = cluster.Unclear, "the reply was lost, and the request may still arrive"
		default:
			o.Result, o.Err = cluster.Failure, errors.New("the alias was not changed")
		}
		env.Outcome(o)
	}
	if lost != nil {
		return unclear(ctx, "the alias "+name+" was changed", lost)
	}
	return nil
}
