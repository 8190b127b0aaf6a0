package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// MatchName reports whether a name matches an Elasticsearch wildcard pattern, in which *
// matches any number of characters and every other character matches itself.
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

// ExpandNames applies Elasticsearch's multi-target syntax to known names: names and *
// patterns, comma lists, a leading - that excludes from what came before, _all. A list
// with only exclusions starts from everything. Names that match nothing are returned in
// missing (only names, not patterns). The result keeps the order of known.
func ExpandNames(targets, known []string) (matched, missing []string) {
	return expand(targets, known, func(pattern, name string, _ bool) bool { return MatchName(pattern, name) })
}

// ExpandIndices does the same with indices, which are named by an alias as well as by
// their name. As on the server, - does not exclude a plain alias, only a pattern. The name
// of a data stream, but not a pattern, stands for its backing indices.
func ExpandIndices(targets []string, known []*Index) (matched []*Index, missing []string) {
	return expand(targets, known, func(pattern string, i *Index, exclude bool) bool {
		return MatchName(pattern, i.Name) || (!exclude || strings.Contains(pattern, "*")) &&
			i.MatchesAlias(pattern) || !exclude && i.DataStream != "" && pattern == i.DataStream
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

// InvalidName returns why servers refuse a name, or nothing. what is index, alias or
// snapshot; the rules are those of all supported servers.
func InvalidName(what, name string) string {
	forbidden, first := " \"*\\<|,>/?#:", "-_+"
	if what == "snapshot" {
		forbidden, first = " \"*\\<|,>/?#", "_"
	}
	switch at := strings.IndexAny(name, forbidden); {
	case name == "":
		return "the name is empty"
	case len(name) > 255:
		return fmt.Sprintf("the name has %d bytes; the maximum is 255", len(name))
	case what != "alias" && name != strings.ToLower(name):
		return "names must be lower case"
	case at >= 0:
		return fmt.Sprintf("the name contains a character that is not allowed: %q", name[at:at+1])
	case strings.ContainsAny(name[:1], first) && first == "_":
		return "names must not start with _"
	case strings.ContainsAny(name[:1], first):
		return "names must not start with - _ or +"
	case IsDots(name):
		return "names must not be . or .."
	}
	return ""
}

// IsDots reports whether a name, as a part of a path, means the folder itself or its
// parent: proxies remove it together with the part before it.
func IsDots(name string) bool { return name == "." || name == ".." }

// invalid is the error for a name that servers refuse.
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
	if stem, is := strings.CutSuffix(what, "y"); is && !strings.HasSuffix(stem, "a") { // repositories, but days
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// CountAre is a number of things with its verb: 1 index is, 2 indices are.
func CountAre(n int, what string) string {
	if n == 1 {
		return Count(n, what) + " is"
	}
	return Count(n, what) + " are"
}
