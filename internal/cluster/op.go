package cluster

import (
	"context"
	"encoding/json"
)

// Op is a request to change the cluster: what is asked of a Writer, in a
// form that can be shown, and the effect a dry run assumes it has.
type Op interface {
	// Intent is the op in words and names.
	Intent() Intent
	// Assume applies the op's effect to what later reads of a dry run show.
	Assume(o *Overlay)
}

// Intent is a change that was, or in a dry run would have been, asked for.
type Intent struct {
	Verb       Verb
	What       string   // index, snapshot, repository, alias
	Repository string   // empty where none is involved
	Names      []string // what it is done to
	Detail     string   // how, where that is worth knowing; never a secret
}

// refusedByBlock says what the server would: that a change of an index is blocked by
// one of its own settings.
func refusedByBlock(ctx context.Context, c Reader, verb Verb, names []string, blocks ...string) error {
	list, err := c.IndicesNamed(ctx, names)
	if err != nil {
		return err
	}
	for _, i := range list {
		if b := i.BlockedBy(blocks...); b != "" {
			return &Error{
				Op:   verb.String() + " index " + i.Name,
				Kind: ErrForbidden,
				Text: "the index is blocked by its setting index.blocks." + b,
				Hint: "set index.blocks." + b + " to false first",
			}
		}
	}
	return nil
}

// refusable writes tell what the server would refuse, as far as reading shows it: a
// dry run refuses the same.
type refusable interface {
	refused(ctx context.Context, c Reader) error
}

// foreseeable writes also know more of their effect after reading: the op that is
// returned is assumed.
type foreseeable interface {
	foresee(ctx context.Context, c Reader) (Op, error)
}

// text is a map as JSON, for messages.
func text(m map[string]any) string {
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// masked is a map in which passwords and headers cannot be read.
func masked(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		inner, isMap := v.(map[string]any)
		switch {
		case k == "password" || k == "headers":
			out[k] = "********"
		case isMap:
			out[k] = masked(inner)
		default:
			out[k] = v
		}
	}
	return out
}
