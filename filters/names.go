package filters

import (
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Names matches the items that the user named, or whose names match one of the given
// wildcard patterns. It is used by commands; files use pattern.
type Names struct{ Patterns []string }

// NamesOrStreams is Names in which the name of a data stream stands for its backing
// indices.
type NamesOrStreams struct{ Names }

// ByName marks the filter: it judges nothing but names.
func (*Names) ByName() {}

// Judge implements Filter.
func (f *Names) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return f.judge(items, matchesItem)
}

// Judge implements Filter.
func (f *NamesOrStreams) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return f.judge(items, matchesStream)
}

// Unmatched are the names and patterns given that match none of the items.
func (f *Names) Unmatched(items []cluster.Item) []string { return f.unmatched(items, matchesItem) }

// Unmatched are the names and patterns given that match none of the items.
func (f *NamesOrStreams) Unmatched(items []cluster.Item) []string {
	return f.unmatched(items, matchesStream)
}

func (f *Names) judge(items []cluster.Item, match func(string, cluster.Item) bool) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		out[i] = verdict(slices.ContainsFunc(f.Patterns, func(p string) bool { return match(p, it) }), "it does not match the given names")
	}
	return out
}

func (f *Names) unmatched(items []cluster.Item, match func(string, cluster.Item) bool) []string {
	return slices.DeleteFunc(slices.Clone(f.Patterns), func(p string) bool {
		return slices.ContainsFunc(items, func(it cluster.Item) bool { return match(p, it) })
	})
}

func matchesItem(pattern string, it cluster.Item) bool {
	return cluster.MatchName(pattern, it.ItemName())
}

func matchesStream(pattern string, it cluster.Item) bool {
	i, ok := it.(*cluster.Index)
	return matchesItem(pattern, it) || ok && i.DataStream != "" && cluster.MatchName(pattern, i.DataStream)
}
