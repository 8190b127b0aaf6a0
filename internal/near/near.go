// Package near suggests names for one that is misspelt, everywhere in the same words.
package near

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// most is how many names are suggested.
const most = 3

// Names lists the names that are most similar to a misspelt one: up to three that are
// equally similar; empty if none is similar. The case of letters does not count.
func Names(name string, known []string) []string {
	best := max(2, len(name)/4)
	var list []string
	for _, k := range slices.Compact(slices.Sorted(slices.Values(known))) {
		d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(k), nil)
		if d < best {
			best, list = d, nil
		}
		if d == best {
			list = append(list, k)
		}
	}
	return list[:min(len(list), most)]
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
