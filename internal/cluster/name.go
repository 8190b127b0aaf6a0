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

// InvalidName says why servers refuse a name, or nothing. What it is for is index,
// alias or snapshot; the rules are those of all servers that esnap knows.
func InvalidName(what, name string) string {
	forbidden, first := " \"*\\<|,>/?#:", "-_+"
	if what == "snapshot" {
		forbidden, first = " \"*\\<|,>/?#", "_"
	}
	switch at := strings.IndexAny(name, forbidden); {
	case name == "":
		return "the name is empty"
	case len(name) > 255:
		return fmt.Sprintf("the name has %d bytes; 255 is the most", len(name))
	case what != "alias" && name != strings.ToLower(name):
		return "names are lower case"
	case at >= 0:
		return fmt.Sprintf("the name has a character that names must not have: %q", name[at:at+1])
	case strings.ContainsAny(name[:1], first) && first == "_":
		return "names do not start with _"
	case strings.ContainsAny(name[:1], first):
		return "names do not start with - _ or +"
	case what != "snapshot" && IsDots(name):
		return "names are not . or .."
	}
	return ""
}

// IsDots says whether a name, as a part of a path, means the folder itself or the one
// above it: proxies take it out together with the part before it.
func IsDots(name string) bool { return name == "." || name == ".." }

// invalid is the error of a server that refuses a name.
func invalid(op, what, name string) error {
	why := InvalidName(what, name)
	if why == "" {
		return nil
	}
	return &Error{Op: op, Kind: ErrInvalid, Text: fmt.Sprintf("%q cannot be the name of %s: %s", name, article(what), why)}
}

func article(what string) string {
	if strings.ContainsAny(what[:1], "aeiou") {
		return "an " + what
	}
	return "a " + what
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
