package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
)

// DeleteIndices deletes indices by name, in as few requests as fit; leftovers fail the action (D4).
type DeleteIndices struct {
	Protect         []string         `yaml:"protect" check:"list,own" doc:"wildcard patterns of indices that are never deleted"`
	RequireSnapshot *RequireSnapshot `yaml:"require_snapshot" check:"own" doc:"delete an index only if snapshots contain a complete copy of it"`
	IndexTimezone   string           `yaml:"index_timezone" check:"own" doc:"time zone of the dates in the names of indices, for require_snapshot"`
	Limits
	WaitForRunning *time.Duration `yaml:"wait_for_running" check:"own" doc:"maximum wait for a running snapshot of the index; default 30m, 0 in Curator's command lines"`

	// Named are indices an operator named one by one.
	Named []string `yaml:"-"`

	behaviour Behaviour
}

// RequireSnapshot are the copies that an index must have in snapshots before it is
// deleted.
type RequireSnapshot struct {
	Repositories []string       `yaml:"repositories" check:"list" doc:"the repositories that must contain a copy"`
	Repository   []string       `yaml:"repository" check:"list" doc:"another name of repositories"`
	MinCopies    string         `yaml:"min_copies" check:"scalar" doc:"in how many of the repositories a copy must be: all, or a number"`
	Complete     *bool          `yaml:"complete" doc:"a copy counts only if its snapshot was started after the index's period had ended"`
	Settle       *time.Duration `yaml:"settle" doc:"and this long after that end"`
}

// all are the repositories, under both names of the option.
func (r *RequireSnapshot) all() []string { // each once: one copy does not count twice
	var names []string
	for _, n := range slices.Concat(r.Repositories, r.Repository) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// min is in how many repositories a copy must be.
func (r *RequireSnapshot) min() (int, error) {
	n, err := len(r.all()), error(nil)
	if r.MinCopies != "" && r.MinCopies != "all" {
		n, err = strconv.Atoi(r.MinCopies)
	}
	if err != nil || n < 1 || n > len(r.all()) {
		return 0, fmt.Errorf("min_copies: %q is neither all nor a number from 1 to %d, the number of repositories", r.MinCopies, len(r.all()))
	}
	return n, nil
}

// Validate implements Validator.
func (a *DeleteIndices) Validate(given map[string]bool) error {
	errs := []error{a.Limits.validate()}
	if _, err := time.LoadLocation(a.IndexTimezone); err != nil {
		errs = append(errs, optionError("index_timezone", "%q is not a time zone; write a name such as Europe/Berlin", a.IndexTimezone))
	}
	switch r := a.RequireSnapshot; {
	case r == nil && given["index_timezone"]:
		errs = append(errs, optionError("index_timezone", "is used with require_snapshot only"))
	case r == nil:
	case len(r.all()) == 0:
		errs = append(errs, optionError("require_snapshot", "repositories is required: it names where the copies are"))
	default:
		if _, err := r.min(); err != nil {
			errs = append(errs, optionError("require_snapshot", "%s", err))
		}
	}
	return errors.Join(errs...)
}

// copies are the copies that the option require_snapshot asks for.
func (a *DeleteIndices) copies() *Copies {
	r := a.RequireSnapshot
	if r == nil {
		return nil
	}
	c := &Copies{Repositories: r.all(), Complete: r.Complete == nil || *r.Complete, Settle: coverage.DefaultSettle}
	if r.Settle != nil {
		c.Settle = *r.Settle
	}
	c.Min, _ = r.min()
	c.Zone, _ = time.LoadLocation(a.IndexTimezone)
	return c
}

func newDeleteIndices(b Behaviour) Action { return &DeleteIndices{behaviour: b, IndexTimezone: "UTC"} }

// Protection implements Guarded.
func (a *DeleteIndices) Protection() Protection {
	return Protection{Protect: a.Protect, NamedExactly: a.Named, Copies: a.copies()}
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
		budget: newWaitBudget(env.waitForRunning(a.WaitForRunning)),
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
