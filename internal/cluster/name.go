package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// MatchName says whether a name matches an Elasticsearch wildcard pattern, in
// which * stands for any run of characters and everything else for itself.
func MatchName(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], more
	}
}

// ExpandNames applies Elasticsearch's multi-target syntax to known names: names
// and * patterns, comma lists, a leading - that takes out what came before, _all.
// A list of exclusions only starts from everything. Names that match nothing are
// returned in missing (concrete ones only). The result keeps the order of known.
func ExpandNames(targets, known []string) (matched, missing []string) {
	return expand(targets, known, func(pattern, name string, _ bool) bool { return MatchName(pattern, name) })
}

// ExpandIndices does the same with indices, which an alias stands for as well as
// their name. As on the server a plain alias is not taken out with -, only a pattern.
func ExpandIndices(targets []string, known []*Index) (matched []*Index, missing []string) {
	return expand(targets, known, func(pattern string, i *Index, exclude bool) bool {
		return MatchName(pattern, i.Name) || (!exclude || strings.Contains(pattern, "*")) &&
			i.MatchesAlias(pattern)
	})
}

func expand[T comparable](targets []string, known []T, match func(pattern string, k T, exclude bool) bool) (matched []T, missing []string) {
	in := make(map[T]bool, len(known))
	var list []string
	for _, t := range targets {
		for p := range strings.SplitSeq(t, ",") {
			if p = strings.TrimSpace(p); p != "" {
				list = append(list, p)
			}
		}
	}
	if len(list) > 0 && !slices.ContainsFunc(list, func(p string) bool { return !strings.HasPrefix(p, "-") }) {
		for _, k := range known {
			in[k] = true
		}
	}
	for _, p := range list {
		pattern, exclude := strings.CutPrefix(p, "-")
		if pattern == "_all" {
			pattern = "*"
		}
		found := false
		for _, k := range known {
			if match(pattern, k, exclude) {
				found, in[k] = true, !exclude
			}
		}
		if !found && !exclude && !strings.Contains(pattern, "*") {
			missing = append(missing, p)
		}
	}
	for _, k := range known {
		if in[k] {
			matched = append(matched, k)
		}
	}
	return matched, missing
}

// Count reads "1 index", "2 indices", "3 snapshots".
func Count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "index":
		return fmt.Sprintf("%d indices", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
