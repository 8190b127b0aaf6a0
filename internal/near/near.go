// Package near suggests names for one that is misspelt, everywhere in the same words.
package near

import (
	"slices"
	"strings"
)

// most is how many names are suggested.
const most = 3

// Names lists the names that are most similar to a misspelt one: up to three that are
// equally similar; empty if none is similar. The case of letters does not count, and * in
// the name stands for any text.
func Names(name string, known []string) []string {
	best := max(2, len(name)/4)
	if n := strings.Count(name, "*"); n > 0 {
		best = max(1, (len(name)-n)/4)
	}
	var list []string
	pattern := []rune(strings.ToLower(name))
	for _, k := range slices.Compact(slices.Sorted(slices.Values(known))) {
		d := distance(pattern, []rune(strings.ToLower(k)))
		if d < best {
			best, list = d, nil
		}
		if d == best {
			list = append(list, k)
		}
	}
	return list[:min(len(list), most)]
}

// distance is the Levenshtein distance, in which * in the pattern is equal to any text.
func distance(pattern, text []rune) int {
	row := make([]int, len(text)+1) // the distances of the pattern so far from each beginning of the text
	for i := range row {
		row[i] = i
	}
	for _, p := range pattern {
		before := row[0] // the last row's, one to the left
		if p != '*' {
			row[0]++
		}
		for i, c := range text {
			here := row[i+1]
			switch {
			case p == '*':
				row[i+1] = min(here, row[i])
			case p == c:
				row[i+1] = before
			default:
				row[i+1] = 1 + min(before, here, row[i])
			}
			before = here
		}
	}
	return row[len(text)]
}

// Question asks whether one of these names was meant; empty if there is none.
func Question(names ...string) string {
	switch last := len(names) - 1; last {
	case -1:
		return ""
	case 0:
		return "did you mean " + names[0] + "?"
	default:
		return "did you mean " + strings.Join(names[:last], ", ") + " or " + names[last] + "?"
	}
}

// DidYouMean asks whether one of the known names was meant; empty if none is similar.
func DidYouMean(name string, known []string) string { return Question(Names(name, known)...) }
