package cluster

import (
	"context"
	"fmt"
	"slices"
)

// AliasAction adds or removes one alias of one index.
type AliasAction struct {
	Remove bool
	Index  string
	Alias  string
	Extra  map[string]any // filter, routing, is_write_index, …
}

// UpdateAliases is a list of alias actions, applied together.
type UpdateAliases struct{ Actions []AliasAction }

// Intent implements Op.
func (r UpdateAliases) Intent() Intent {
	in := Intent{Verb: VerbUpdate, What: "alias"}
	for _, a := range r.Actions {
		in.Names = append(in.Names, a.Alias)
	}
	return in
}

// refused implements refusable.
func (r UpdateAliases) refused(ctx context.Context, c Reader) error {
	taken := map[string]string{}
	if slices.ContainsFunc(r.Actions, func(a AliasAction) bool { return !a.Remove }) {
		list, err := c.Indices(ctx)
		if err != nil {
			return err
		}
		for _, i := range list {
			taken[i.Name] = "index"
			if i.DataStream != "" {
				taken[i.DataStream] = "data stream"
			}
		}
	}
	for _, a := range r.Actions {
		if a.Remove {
			continue
		}
		if what := taken[a.Alias]; what != "" {
			return &Error{
				Op:   "update aliases",
				Kind: ErrInvalid,
				Text: fmt.Sprintf("%q cannot be the name of an alias: %s of that name is there", a.Alias, article(what)),
			}
		}
		if err := invalid("update aliases", "alias", a.Alias); err != nil {
			return err
		}
	}
	var indices []string
	for _, a := range r.Actions {
		indices = append(indices, a.Index)
	}
	return refusedByBlock(ctx, c, VerbChangeAliases, indices, "read_only", "read_only_allow_delete", "metadata")
}

// Assume implements Op.
func (r UpdateAliases) Assume(o *Overlay) { o.aliases = append(o.aliases, r.Actions...) }
