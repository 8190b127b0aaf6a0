package cluster

import (
	"slices"
	"strings"
)

// Series is the group of a repository's snapshots of which each replaces an older one.
type Series struct {
	Key string
	// Guess says that what looks like one series may be several: only a number tells the
	// names apart, or what may be a number instead of a time.
	Guess bool
}

// SeriesOfName is the series a snapshot belongs to by its name: the name with every
// date taken out. All else stays part of the key, other digits too. In a name without a
// date the last number counts as what grows: a guess, and so is what may be a date and
// may be a number. Finders given, of the action's own timestrings, are tried beside the
// usual forms; what they find takes along the digits of the time that follow.
func SeriesOfName(name string, finders ...DateFinder) Series {
	covered := make([]bool, len(name))
	cover := func(from, to int) {
		for i := from; i < to; i++ {
			covered[i] = true
		}
	}
	last := 0 // the end of the last date
	var guess bool
	for _, d := range FindDates(name) {
		cover(d.Start, d.End)
		last = max(last, d.End)
		guess = guess || d.mayBeNumber(name) && !found(finders, name, d)
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
		guess = true // it may be somebody's own number
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

// found says whether a timestring of the action reads the date from its start.
func found(finders []DateFinder, name string, d NameDate) bool {
	return slices.ContainsFunc(finders, func(find DateFinder) bool {
		from, to, ok := find(name[d.Start:d.End])
		return ok && from == 0 && to > 0
	})
}

// timeAfter is how many digits of a time directly follow a date: two, four or six.
func timeAfter(rest string) int {
	n := 0
	for digitAt(rest, n) {
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

// added is the length of the -2, -3, … that esnap adds to a name that is taken, at the
// end of the name.
func added(rest string) int {
	if len(rest) < 2 || len(rest) > 3 || rest[0] != '-' || rest[1] < '1' || rest == "-1" {
		return 0
	}
	for i := 1; i < len(rest); i++ {
		if !digitAt(rest, i) {
			return 0
		}
	}
	return len(rest)
}

// lastNumber is where the last run of digits in a name stands.
func lastNumber(name string) (from, to int) {
	to = len(name)
	for to > 0 && !digitAt(name, to-1) {
		to--
	}
	from = to
	for digitAt(name, from-1) {
		from--
	}
	return from, to
}

// SeriesOf returns the function that tells a snapshot's series: by the first of
// the given patterns that matches its name, by the lifecycle policy that took
// it, or else by its name without dates. Guards ask again before each deletion: what is
// read in a name is remembered, so the function is not for several goroutines.
func SeriesOf(patterns []string, finders ...DateFinder) func(*Snapshot) Series {
	byName := map[string]Series{}
	return func(s *Snapshot) Series {
		for _, p := range patterns {
			if MatchName(p, s.Name) {
				return Series{Key: p}
			}
		}
		if s.Policy != "" {
			return Series{Key: "policy " + s.Policy}
		}
		series, known := byName[s.Name]
		if !known {
			series = SeriesOfName(s.Name, finders...)
			byName[s.Name] = series
		}
		return series
	}
}

// Family is the group an index's name belongs to: the name without its dates, or the
// whole name.
func Family(name string) string {
	if len(FindDates(name)) == 0 {
		return name
	}
	return SeriesOfName(name).Key
}
