package cluster

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// DateFinder finds a date in a name: the half-open byte range it covers.
type DateFinder func(name string) (start, end int, ok bool)

// Undated is the series of all names without a date.
const Undated = "(undated)"

// Suffixes that snapshot lifecycle policies append: Elasticsearch SLM a dash and
// 22 characters of base64url, OpenSearch SM a dash and eight letters or digits
// after its date.
var (
	slmSuffix = regexp.MustCompile(`-[a-z0-9_-]{22}$`)
	smSuffix  = regexp.MustCompile(`(\d{4}-\d{2}-\d{2}t\d{2}:\d{2}:\d{2})-[a-z0-9]{8}$`)
)

// datesInNames are the shapes in which a date or time stands in a name, the
// longest first. Each match must also be a real date.
var datesInNames = []struct {
	shape  *regexp.Regexp
	layout string // of the digits alone; empty means an epoch
}{
	{regexp.MustCompile(`\d{4}[.-]\d{2}[.-]\d{2}[tT._-](?:\d{2}[.:-]\d{2}[.:-]\d{2}|\d{6})(?:\.\d{3})?[zZ]?`), "20060102150405"},
	{regexp.MustCompile(`\d{4}[.-]\d{2}[.-]\d{2}[tT._-]\d{2}[.:-]?\d{2}`), "200601021504"},
	{regexp.MustCompile(`\d{4}[.-]\d{2}[.-]\d{2}[tT._-]\d{2}`), "2006010215"},
	{regexp.MustCompile(`\d{4}[.-]\d{2}[.-]\d{2}`), "20060102"},
	{regexp.MustCompile(`\d{8}[tT_-]\d{6}[zZ]?`), "20060102150405"},
	{regexp.MustCompile(`\d{14}`), "20060102150405"},
	{regexp.MustCompile(`\d{12}`), "200601021504"},
	{regexp.MustCompile(`\d{13}`), ""},
	{regexp.MustCompile(`\d{10}`), "2006010215"},
	{regexp.MustCompile(`\d{10}`), ""},
	{regexp.MustCompile(`\d{8}`), "20060102"},
}

// FindDate finds the first run in a name that parses as a date or time, in the
// usual shapes: %Y[.-]%m[.-]%d with or without a time, %Y%m%d[%H%M[%S]], an
// epoch in seconds or milliseconds.
func FindDate(name string) (start, end int, ok bool) {
	best := -1
	for _, d := range datesInNames {
		for _, m := range d.shape.FindAllStringIndex(name, -1) {
			if digitAt(name, m[0]-1) || digitAt(name, m[1]) || !isDate(name[m[0]:m[1]], d.layout) {
				continue
			}
			if best < 0 || m[0] < best {
				best, start, end = m[0], m[0], m[1]
			}
			break
		}
	}
	return start, end, best >= 0
}

func digitAt(s string, i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }

func isDate(text, layout string) bool {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
	if layout == "" { // an epoch between 2001 and 2100
		return digits[0] != '0' && digits[:10] >= "1000000000" && digits[:10] < "4102444800"
	}
	if len(digits) > len(layout) { // fractions of a second
		digits = digits[:len(layout)]
	}
	t, err := time.Parse(layout, digits)
	return err == nil && t.Year() >= 1970 && t.Year() < 2200
}

// Series names the series a snapshot belongs to: its name with every date taken
// out and a policy's random suffix dropped. All undated names are one series.
// Finders given are tried before the usual shapes. Index names use it too, to
// group families in reports.
func Series(name string, finders ...DateFinder) string {
	key, dated := name, false
	if m := smSuffix.FindStringIndex(key); m != nil {
		key = key[:m[1]-9]
	} else if m := slmSuffix.FindStringIndex(key); m != nil && looksRandom(key[m[0]:]) {
		key, dated = key[:m[0]]+"-*", true
	}
	var out strings.Builder
	for _, find := range append(slices.Clone(finders), FindDate) {
		out.Reset()
		rest, found := key, false
		for {
			s, e, ok := find(rest)
			if !ok || e <= s {
				break
			}
			out.WriteString(rest[:s])
			out.WriteByte('*')
			rest, found = rest[e:], true
		}
		if found {
			out.WriteString(rest)
			key, dated = out.String(), true
		}
	}
	if !dated {
		return Undated
	}
	return key
}

// looksRandom tells a policy's suffix from words: at least two digits, and no
// date. In doubt a snapshot is a series of its own, which spares more.
func looksRandom(s string) bool {
	digits := 0
	for i := range s {
		if digitAt(s, i) {
			digits++
		}
	}
	_, _, dated := FindDate(s)
	return digits >= 2 && !dated
}

// SeriesOf returns the function that tells a snapshot's series: by the first of
// the given patterns that matches its name, by the lifecycle policy that took
// it, or else by its name without dates.
func SeriesOf(patterns []string, finders ...DateFinder) func(*Snapshot) string {
	return func(s *Snapshot) string {
		for _, p := range patterns {
			if MatchName(p, s.Name) {
				return p
			}
		}
		if s.Policy != "" {
			return "policy " + s.Policy
		}
		return Series(s.Name, finders...)
	}
}

// Family is the group an index's name belongs to in reports: the name without
// its date, or the whole name.
func Family(name string) string {
	if s := Series(name); s != Undated {
		return s
	}
	return name
}

// numbered is a date that four or six bare digits follow: a time, or the number
// that a rollover counts up.
var numbered = regexp.MustCompile(`^(?:\d{4}[.-]\d{2}[.-]\d{2}|\d{8})[._-](?:\d{4}|\d{6})$`)

var monthInName = regexp.MustCompile(`\d{4}[.-]\d{2}`)

// Period is the span of time that the date in an index's name stands for: the
// day of logs-2026.11.03, the hour of logs-2026.11.03.14, the month of
// logs-2026.11. Names without a date have none. What may be a time or a rollover's
// number, as in logs-2026.11.03-000001, counts as the number: the day is the longer
// period, and so the safe one. Times are UTC.
func Period(name string) (start, end time.Time, ok bool) {
	if s, e, found := FindDate(name); found {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, name[s:e])
		switch {
		case numbered.MatchString(name[s:e]):
			digits = digits[:8]
		case len(digits) > 14: // fractions of a second
			digits = digits[:14]
		}
		for _, p := range []struct {
			layout string
			span   time.Duration
		}{{"20060102150405", time.Second}, {"200601021504", time.Minute}, {"2006010215", time.Hour}, {"20060102", 24 * time.Hour}} {
			if len(digits) == len(p.layout) {
				if t, err := time.Parse(p.layout, digits); err == nil {
					return t, t.Add(p.span), true
				}
			}
		}
		return time.Time{}, time.Time{}, false
	}
	for _, m := range monthInName.FindAllStringIndex(name, -1) {
		if digitAt(name, m[0]-1) || digitAt(name, m[1]) {
			continue
		}
		if t, err := time.Parse("2006.01", strings.Replace(name[m[0]:m[1]], "-", ".", 1)); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
			return t, t.AddDate(0, 1, 0), true
		}
	}
	return time.Time{}, time.Time{}, false
}
