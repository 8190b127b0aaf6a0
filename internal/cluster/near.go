package cluster

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Nearest lists up to three names that are most similar to a misspelt one, the most
// similar first; empty if none is similar.
func Nearest(name string, names []string) string {
	type near struct {
		name     string
		distance int
	}
	limit := max(2, len(name)/4)
	var list []near
	for _, n := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if d := levenshtein.Distance(name, n, nil); d <= limit {
			list = append(list, near{n, d})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var out []string
	for _, n := range list[:min(len(list), 3)] {
		out = append(out, n.name)
	}
	return strings.Join(out, ", ")
}
