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

// openOnly drops closed indices, as Curator does for actions that need open ones.
func openOnly(items []cluster.Item) ([]*cluster.Index, error) {
	list := slices.DeleteFunc(cluster.Of[*cluster.Index](items), func(i *cluster.Index) bool { return i.Closed })
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: all that is selected is closed", cluster.ErrEmpty)
	}
	return list, nil
}

// inBatches does something to indices, as many in a request as fit, and then sees
// which of them are as they should be. One batch that fails does not keep the
// others from being tried. Where nothing can be seen (nil), a lost reply is a failure.
func inBatches(ctx context.Context, env *Env, verb string, names []string, do func(batch []string) error, seen func() (notYet map[string]string, err error)) error {
	failed := map[string]error{}
	left := map[string]bool{}
	for _, batch := range env.Cluster.IndexBatches(names) {
		var err error
		if ctx.Err() == nil {
			err = do(batch)
		}
		for _, n := range batch {
			switch {
			case ctx.Err() != nil && err == nil:
				left[n] = true
			case err != nil && (seen == nil || !errors.Is(err, cluster.ErrLost)): // a lost reply is looked after below
				failed[n] = err
			}
		}
	}
	notYet := map[string]string{}
	if seen != nil {
		var err error
		if notYet, err = seen(); err != nil {
			return fmt.Errorf("look whether it is so now: %w", err)
		}
	}
	for _, n := range names {
		o := cluster.Outcome{Verb: verb, What: "index", Name: n, Result: cluster.Done}
		switch {
		case failed[n] != nil:
			o.Result, o.Err = cluster.Failure, failed[n]
		case left[n]:
			o.Result, o.Detail = cluster.Left, "not started: "+context.Cause(ctx).Error()
		case notYet[n] != "":
			o.Result, o.Err = cluster.Failure, errors.New(notYet[n])
		}
		env.Outcome(o)
	}
	return context.Cause(ctx)
}

// leavesStream is why what a data stream holds is not replaced.
func leavesStream(source *cluster.Index, target string) error {
	return fmt.Errorf("it belongs to the data stream %s, and %s would not: with its deletion its documents would be gone from the stream", source.DataStream, target)
}

// putSettings changes settings of indices and sees that they have them.
func putSettings(ctx context.Context, env *Env, verb string, names []string, r cluster.PutIndexSettings) error {
	put := func(batch []string) error {
		r.Names = batch
		return env.Cluster.PutIndexSettings(ctx, r)
	}
	if r.PreserveExisting { // what was there may rightly stay
		return inBatches(ctx, env, verb, names, put, nil)
	}
	return inBatches(ctx, env, verb, names, put, func() (map[string]string, error) {
		have, err := env.Cluster.Settings(ctx, names)
		notYet := map[string]string{}
		for _, n := range names {
			s, there := have[n]
			if !there {
				if !r.IgnoreUnavailable {
					notYet[n] = "it is not there any more"
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

// state sees which of the indices are not open, or not closed.
func state(ctx context.Context, env *Env, names []string, closed bool) (map[string]string, error) {
	list, err := env.Cluster.Indices(ctx)
	notYet := map[string]string{}
	for _, n := range names {
		notYet[n] = "it is not there any more"
	}
	for _, i := range list {
		if _, ours := notYet[i.Name]; !ours {
			continue
		}
		delete(notYet, i.Name)
		if i.Closed != closed {
			notYet[i.Name] = "its state has not changed"
		}
	}
	return notYet, err
}

// moveAliases moves all aliases of one index to another in one step and sees that
// they have moved; or it says which ones are lost when the source is deleted.
func moveAliases(ctx context.Context, env *Env, source, target string, move bool) error {
	bodies, err := env.Cluster.AliasBodies(ctx, source)
	if err != nil || len(bodies) == 0 {
		return err
	}
	names := slices.Sorted(maps.Keys(bodies))
	if !move {
		env.Warn("%s has the aliases %s, which %s does not get (copy_aliases: true moves them)", source, strings.Join(names, ", "), target)
		return nil
	}
	var req cluster.UpdateAliases
	for _, n := range names {
		req.Actions = append(req.Actions, cluster.AliasAction{Remove: true, Index: source, Alias: n}, cluster.AliasAction{Index: target, Alias: n, Extra: bodies[n]})
	}
	if err := env.Cluster.UpdateAliases(ctx, req); err != nil && !errors.Is(err, cluster.ErrLost) {
		return err
	}
	have, err := env.Cluster.AliasBodies(ctx, target)
	for _, n := range names {
		if _, there := have[n]; !there && err == nil {
			return fmt.Errorf("the alias %s has not moved to %s", n, target)
		}
	}
	return err
}

// deleteReplaced deletes an index that another one now stands for, and sees that it
// is gone. One that was made anew since it was listed stays.
func deleteReplaced(ctx context.Context, env *Env, source *cluster.Index) error {
	now, err := env.Cluster.Indices(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(now, func(i *cluster.Index) bool { return i.Name == source.Name && i.UUID == source.UUID }) {
		return errors.New("the source has gone or was made anew meanwhile: it is left alone")
	}
	err = env.Cluster.DeleteIndices(ctx, cluster.DeleteIndices{Names: []string{source.Name}})
	if err != nil && !errors.Is(err, cluster.ErrLost) {
		return fmt.Errorf("delete the source: %w", err)
	}
	list, lerr := env.Cluster.Indices(ctx)
	if lerr == nil && hasIndex(list, source.Name) {
		lerr = errors.Join(errors.New("the source is still there"), err)
	}
	return lerr
}
