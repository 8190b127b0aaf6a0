package actions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// openOnly drops closed indices, as Curator does for actions that need open indices.
func openOnly(items []cluster.Item) ([]*cluster.Index, error) {
	list := slices.DeleteFunc(cluster.Of[*cluster.Index](items), func(i *cluster.Index) bool { return i.Closed })
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: all selected indices are closed", cluster.ErrEmpty)
	}
	return list, nil
}

// inBatches changes indices in as few requests as possible and then verifies each of
// them. A request that is refused because of one index is split, so that the others are
// changed. Where nothing can be verified (nil), a lost reply is a failure.
func inBatches(
	ctx context.Context,
	env *Env,
	verb cluster.Verb,
	names []string,
	do func(batch []string) error,
	seen func(context.Context) (notYet map[string]string, err error),
) error {
	failed := map[string]error{} // by index: the refusal
	asked := map[string]bool{}   // without a refusal
	for _, batch := range env.Cluster.IndexBatches(names) {
		halves(ctx, batch, do, func(n string, err error) {
			switch {
			case err == nil, errors.Is(err, cluster.ErrLost) && seen != nil, ctx.Err() != nil: // verified below
				asked[n] = true
			default:
				failed[n] = err
			}
		})
	}
	notYet := map[string]string{}
	var unseen error
	if seen != nil && len(asked) > 0 {
		notYet, unseen = whileEnding(ctx, seen)
	}
	for _, n := range names {
		o := cluster.Outcome{Verb: verb, What: "index", Name: n, Result: cluster.Done}
		switch {
		case failed[n] != nil:
			o.Result, o.Err = cluster.Failure, failed[n]
		case !asked[n]:
			o.NotStarted(context.Cause(ctx))
		case unseen != nil:
			o.Result, o.Detail = cluster.Unclear, "cannot tell whether it was changed: "+unseen.Error()
		case notYet[n] != "" && ctx.Err() != nil:
			o.Requested("it", context.Cause(ctx))
		case notYet[n] != "":
			o.Result, o.Err = cluster.Failure, errors.New(notYet[n])
		}
		env.Outcome(o)
	}
	if err := context.Cause(ctx); err != nil || unseen == nil {
		return err
	}
	return fmt.Errorf("verify the change: %w", unseen)
}

// halves carries out a request for several names. If it is refused because of some of
// them, each half is tried. Names that were not requested, because the run ended, are not
// reported.
func halves(ctx context.Context, names []string, do func([]string) error, told func(name string, err error)) {
	if ctx.Err() != nil {
		return
	}
	err := do(names)
	if err != nil && len(names) > 1 && splits(err) && ctx.Err() == nil {
		halves(ctx, names[:len(names)/2], do, told)
		halves(ctx, names[len(names)/2:], do, told)
		return
	}
	for _, n := range names {
		told(n, err)
	}
}

// splits reports whether a request for several items may have been refused because of
// some of them.
func splits(err error) bool {
	for _, other := range []error{
		cluster.ErrUnseen, cluster.ErrLost, cluster.ErrNoRepository, cluster.ErrUnauthorized, cluster.ErrUnsupported,
		cluster.ErrBusy,
		cluster.ErrOtherCluster, cluster.ErrLockLost,
	} {
		if errors.Is(err, other) {
			return false
		}
	}
	return !cluster.Transient(err)
}

// whileEnding reads from the cluster, for a short time also when the run is interrupted,
// so that the report is true.
func whileEnding[T any](ctx context.Context, look func(context.Context) (T, error)) (T, error) {
	if ctx.Err() != nil {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterEnd)
		defer cancel()
		ctx = short
	}
	return look(ctx)
}

// leavesStream is why a backing index of a data stream is not replaced.
func leavesStream(source *cluster.Index, target string) error {
	return fmt.Errorf("it belongs to the data stream %s, but %s would not; deleting it would remove its documents from the stream",
		source.DataStream, target)
}

// putSettings changes settings of indices and verifies them.
func putSettings(ctx context.Context, env *Env, verb cluster.Verb, names []string, r cluster.PutIndexSettings) error {
	put := func(batch []string) error {
		r.Names = batch
		return env.Cluster.PutIndexSettings(ctx, r)
	}
	if r.PreserveExisting { // the old value may be right
		return inBatches(ctx, env, verb, names, put, nil)
	}
	return inBatches(ctx, env, verb, names, put, func(ctx context.Context) (map[string]string, error) {
		have, err := env.Cluster.Settings(ctx, names)
		notYet := map[string]string{}
		for _, n := range names {
			s, there := have[n]
			if !there {
				if !r.IgnoreUnavailable {
					notYet[n] = "it was deleted"
				}
				continue
			}
			for k, v := range r.Flat() {
				if s[k] != v {
					notYet[n] = strings.TrimSpace(fmt.Sprintf("%s is %q, not %q", k, s[k], v))
				}
			}
		}
		return notYet, err
	})
}

// state returns which of the indices are not open, or not closed.
func state(ctx context.Context, env *Env, names []string, closed bool) (map[string]string, error) {
	list, err := env.Cluster.IndicesNamed(ctx, names)
	notYet := map[string]string{}
	for _, n := range names {
		notYet[n] = "it was deleted"
	}
	for _, i := range list {
		if _, ours := notYet[i.Name]; !ours {
			continue
		}
		delete(notYet, i.Name)
		if i.Closed != closed {
			notYet[i.Name] = "its state was not changed"
		}
	}
	return notYet, err
}

// aliased reports whether every index has the aliases that a request adds, and lacks those
// that it removes.
func aliased(ctx context.Context, env *Env, req cluster.UpdateAliases) (bool, error) {
	var names []string
	want := map[[2]string]bool{} // the last one counts
	for _, a := range req.Actions {
		names = append(names, a.Index)
		want[[2]string{a.Index, a.Alias}] = !a.Remove
	}
	slices.Sort(names)
	list, err := env.Cluster.IndicesNamed(ctx, slices.Compact(names))
	if err != nil {
		return false, err
	}
	for _, i := range list {
		for at, has := range want {
			if at[0] == i.Name && i.HasAlias(at[1]) != has {
				return false, nil
			}
		}
	}
	return true, nil
}

// moveAliases moves all aliases of one index to another in one request and verifies
// that. If move is false, it warns which aliases the target does not get.
func moveAliases(ctx context.Context, env *Env, source, target string, move bool) error {
	now, err := env.Cluster.IndicesNamed(ctx, []string{source})
	if err != nil || len(now) == 0 || len(now[0].Aliases) == 0 {
		return err
	}
	names := now[0].Aliases
	if !move {
		env.Warn("the aliases of %s (%s) are not moved to %s; copy_aliases: true moves them", source, strings.Join(names, ", "), target)
		return nil
	}
	bodies, err := env.Cluster.AliasBodies(ctx, source)
	if err != nil {
		return err
	}
	var req cluster.UpdateAliases
	for _, n := range names {
		if _, seen := bodies[n]; !seen {
			return &cluster.Error{
				Op: "move the alias " + n + " to " + target, Kind: cluster.ErrUnseen, Text: "the user may not see it; no alias was moved",
				Hint: "give the user the privilege manage on " + n,
			}
		}
		req.Actions = append(req.Actions, cluster.AliasAction{Remove: true, Index: source, Alias: n},
			cluster.AliasAction{Index: target, Alias: n, Extra: bodies[n]})
	}
	if err := env.Cluster.UpdateAliases(ctx, req); errors.Is(err, cluster.ErrLost) {
		if !env.arrived(ctx, "the move of aliases to "+target, func() (bool, error) { return aliased(ctx, env, req) }) {
			return unclear(ctx, "the aliases of "+source+" were moved to "+target, err)
		}
	} else if err != nil {
		return err
	}
	have, err := env.Cluster.AliasBodies(ctx, target)
	for _, n := range names {
		if _, there := have[n]; !there && err == nil {
			return fmt.Errorf("the alias %s was not moved to %s", n, target)
		}
	}
	return err
}

// deleteReplaced deletes an index that another index has replaced, and verifies that.
// An index that was recreated after it was listed is kept.
func deleteReplaced(ctx context.Context, env *Env, source *cluster.Index) error {
	now, err := env.Cluster.IndicesNamed(ctx, []string{source.Name})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(now, func(i *cluster.Index) bool { return i.Name == source.Name && i.UUID == source.UUID }) {
		return errors.New("the source was deleted or recreated meanwhile; esnap did not delete it")
	}
	names := []string{source.Name}
	err = env.Cluster.DeleteIndices(ctx, cluster.DeleteIndices{Names: names})
	d := deletion{what: "index", uuids: map[string]string{source.Name: source.UUID}, currentUUIDs: indexUUIDs(env)}
	if errors.Is(err, cluster.ErrLost) {
		d.awaitLost(ctx, env, names)
	} else if err != nil {
		return fmt.Errorf("delete the source: %w", err)
	}
	there, lerr := d.present(ctx, names)
	if lerr == nil && there[source.Name] {
		lerr = errors.Join(errors.New("the source still exists"), err)
	}
	return lerr
}
