package filters

import (
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Names keeps the items that an operator named, or whose names match one of the
// wildcard patterns given. It is for commands; files use pattern.
type Names struct{ Patterns []string }

// Validate implements Filter.
func (*Names) Validate(cluster.ListKind, map[string]bool) error { return nil }

// Needs implements Filter.
func (*Names) Needs() []cluster.Need { return nil }

// Judge implements Filter.
func (f *Names) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		out[i] = verdict(slices.ContainsFunc(f.Patterns, func(p string) bool { return cluster.MatchName(p, it.ItemName()) }), "it is not among the names given")
	}
	return out
}
