// Package series groups snapshots in which each one replaces an older one, by their names.
package series

import (
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
)

// Series is a group of a repository's snapshots in which each one replaces an older one.
type Series struct {
	Key string
	// Guess: the series may be several ones: the names differ only in a number, or in
	// something that may be a number instead of a time.
	Guess bool
}

// OfName is the series of a snapshot by its name: the name without its dates.
// Everything else is part of the key, also other digits. In a name without a date the last
// number counts as the changing part: a guess, and so is a part that may be a date or a
// number. The given finders, of the action's timestrings, are tried in addition to the
// usual forms; the digits of a time that follow are part of what they find.
func OfName(name string, finders ...dates.Finder) Series {
	covered := make([]bool, len(name))
	cover := func(from, to int) {
		for i := from; i < to; i++ {
			covered[i] = true
		}
	}
	last := 0 // the end of the last date
	var guess bool
	for _, d := range dates.FindAll(name) {
		cover(d.Start, d.End)
		last = max(last, d.End)
		guess = guess || d.MayBeNumber(name) && !found(finders, name, d)
	}
	for _, find := range finders {
		for at := 0; at < len(name); {
			s, e, ok := find(name[at:])
			if !ok || e <= s {
				break
			}
			e += at + timeAfter(name[at+e:])
			cover(at+s, e)
			last, at = max(last, e), e
		}
	}
	key := name
	dated := slices.Contains(covered, true)
	if n := added(name[last:]); dated && n > 0 {
		cover(last, last+n)
		guess = true // it may be a number with another meaning
	}
	if !dated {
		from, to := lastNumber(name)
		cover(from, to)
	}
	if slices.Contains(covered, true) {
		var out strings.Builder
		for i := range len(name) {
			switch {
			case !covered[i]:
				out.WriteByte(name[i])
			case i == 0 || !covered[i-1]:
				out.WriteByte('*')
			}
		}
		key = out.String()
	}
	return Series{Key: key, Guess: guess || !dated && key != name}
}

// found reports whether a timestring of the action reads the date from its start.
func found(finders []dates.Finder, name string, d dates.NameDate) bool {
	return slices.ContainsFunc(finders, func(find dates.Finder) bool {
		from, to, ok := find(name[d.Start:d.End])
		return ok && from == 0 && to > 0
	})
}

// timeAfter is the number of digits of a time directly after a date: two, four or six.
func timeAfter(rest string) int {
	n := 0
	for dates.DigitAt(rest, n) {
		n++
	}
	if n != 2 && n != 4 && n != 6 {
		return 0
	}
	for i, most := range []string{"23", "59", "59"}[:n/2] {
		if rest[2*i:2*i+2] > most {
			return 0
		}
	}
	return n
}

// added is the length of the -2, -3, … that esnap adds at the end of a name that is
// already used.
func added(rest string) int {
	if len(rest) < 2 || len(rest) > 3 || rest[0] != '-' || rest[1] < '1' || rest == "-1" {
		return 0
	}
	for i := 1; i < len(rest); i++ {
		if !dates.DigitAt(rest, i) {
			return 0
		}
	}
	return len(rest)
}

// lastNumber is the place of the last digits in a name.
func lastNumber(name string) (from, to int) {
	to = len(name)
	for to > 0 && !dates.DigitAt(name, to-1) {
		to--
	}
	from = to
	for dates.DigitAt(name, from-1) {
		from--
	}
	return from, to
}

// Of returns the function that finds a snapshot's series: by the first of the given
// patterns that matches its name, by the lifecycle policy that took it, or else by its
// name without dates. What another cluster took is a series of its own. Guards ask again
// before each deletion, so names are cached: the function is not for several goroutines.
func Of(patterns []string, finders ...dates.Finder) func(*cluster.Snapshot) Series {
	of := OfAnyCluster(patterns, finders...)
	return func(s *cluster.Snapshot) Series {
		series := of(s)
		if s.Elsewhere {
			series.Key += " of cluster " + s.Cluster
		}
		return series
	}
}

// OfAnyCluster is Of where it does not matter which cluster took a snapshot.
func OfAnyCluster(patterns []string, finders ...dates.Finder) func(*cluster.Snapshot) Series {
	byName := map[string]Series{}
	return func(s *cluster.Snapshot) Series {
		for _, p := range patterns {
			if cluster.MatchName(p, s.Name) {
				return Series{Key: p}
			}
		}
		if s.Policy != "" {
			return Series{Key: "policy " + s.Policy}
		}
		series, known := byName[s.Name]
		if !known {
			series = OfName(s.Name, finders...)
			byName[s.Name] = series
		}
		return series
	}
}

// Group groups snapshots by their series, and lists the keys in the order in which they
// appear.
func Group(list []*cluster.Snapshot, series func(*cluster.Snapshot) Series) (keys []string, groups map[string][]*cluster.Snapshot) {
	groups = map[string][]*cluster.Snapshot{}
	for _, s := range list {
		key := series(s).Key
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], s)
	}
	return keys, groups
}

// Family is the group of an index by its name: the name without its dates, or the whole
// name.
func Family(name string) string {
	if len(dates.FindAll(name)) == 0 {
		return name
	}
	return OfName(name).Key
}
