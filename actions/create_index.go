package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strftime"
)

// CreateIndex creates an index.
type CreateIndex struct {
	Name           string         `yaml:"name" check:"required" doc:"the index, with strftime tokens or as <date math>"`
	ExtraSettings  map[string]any `yaml:"extra_settings" doc:"aliases, mappings and settings"`
	IgnoreExisting bool           `yaml:"ignore_existing" doc:"do not fail if the index exists"`
}

func newCreateIndex(Behaviour) Action { return &CreateIndex{} }

// Validate implements Action.
func (a *CreateIndex) Validate(map[string]bool) error {
	return errors.Join(checkName("name", "index", a.Name), checkAliases(a.ExtraSettings))
}

// Run implements Action.
func (a *CreateIndex) Run(ctx context.Context, env *Env) error {
	name, err := strftime.Resolve(a.Name, env.Now)
	if err != nil {
		return err
	}
	o := cluster.Outcome{Verb: cluster.VerbCreate, What: "index", Name: name, Result: cluster.Done}
	err = env.Cluster.CreateIndex(ctx, cluster.CreateIndex{Name: name, Body: a.ExtraSettings})
	switch {
	case errors.Is(err, cluster.ErrExists) && a.IgnoreExisting && env.there(ctx, name): // and not an alias
		env.Warn("index %s already exists", name)
		o.Result, o.Detail = cluster.Unchanged, "already exists"
	case errors.Is(err, cluster.ErrLost):
		if !env.arrived(ctx, "the creation of index "+name, env.exists(ctx, name)) {
			err = unclear(ctx, "index "+name+" was created", err)
			o.Result, o.Detail = cluster.Unclear, err.Error()
			env.Outcome(o)
			return err
		}
	case err == nil:
		list, lerr := env.Cluster.Indices(ctx)
		if lerr != nil {
			return lerr
		}
		if !hasIndex(list, name) {
			o.Result, o.Err = cluster.Failure, errors.Join(errors.New("the index does not exist after the request"), err)
		}
	default:
		o.Result, o.Err = cluster.Failure, typed(err)
	}
	env.Outcome(o)
	return nil
}

// typed puts the server's type of an error before its reasons, as Curator does for
// create_index.
func typed(err error) error {
	var e *cluster.Error
	if errors.As(err, &e) && len(e.Causes) > 0 && e.Causes[0].Type != "" {
		return fmt.Errorf("%s: %w", e.Causes[0].Type, err)
	}
	return err
}

func hasIndex(list []*cluster.Index, name string) bool {
	return slices.ContainsFunc(list, func(i *cluster.Index) bool { return i.Name == name })
}
