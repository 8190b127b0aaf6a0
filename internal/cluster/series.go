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

// datesInNames are the shapes in which a date or time stands in a name, the
// longest first: 9 is a digit, - a dot or dash, : a dot, colon or dash, T one of
// t T . _ -, and _ one of t T _ -. Each match must also be a real date.
var datesInNames = []struct {
	shape  string
	layout string // of the digits alone; empty means an epoch
	tail   bool   // a fraction of a second and a Z may follow
}{
	{"9999-99-99T99:99:99", "20060102150405", true},
	{"9999-99-99T999999", "20060102150405", true},
	{"9999-99-99T99:99", "200601021504", false},
	{"9999-99-99T9999", "200601021504", false},
	{"9999-99-99T99", "2006010215", false},
	{"9999-99-99", "20060102", false},
	{"99999999_999999", "20060102150405", true},
	{"99999999999999", "20060102150405", false},
	{"999999999999", "200601021504", false},
	{"9999999999999", "", false},
	{"9999999999", "2006010215", false},
	{"9999999999", "", false},
	{"99999999", "20060102", false},
}

// FindDate finds the first run in a name that parses as a date or time, in the
// usual shapes: %Y[.-]%m[.-]%d with or without a time, %Y%m%d[%H%M[%S]], an
// epoch in seconds or milliseconds.
func FindDate(name string) (start, end int, ok bool) {
	for at := range len(name) {
		if !digitAt(name, at) || digitAt(name, at-1) {
			continue
		}
		for _, d := range datesInNames {
			n := fits(name[at:], d.shape)
			if n > 0 && d.tail {
				if m := fits(name[at+n:], ".999"); m > 0 && !digitAt(name, at+n+m) {
					n += m
				}
				if at+n < len(name) && (name[at+n] == 'z' || name[at+n] == 'Z') {
					n++
				}
			}
			if n > 0 && !digitAt(name, at+n) && isDate(name[at:at+n], d.layout) {
				return at, at + n, true
			}
		}
	}
	return 0, 0, false
}

// fits is the length of the shape if the text starts with it, or 0.
func fits(text, shape string) int {
	if len(text) < len(shape) {
		return 0
	}
	for i := range len(shape) {
		ok := false
		switch c := text[i]; shape[i] {
		case '9':
			ok = c >= '0' && c <= '9'
		case '-':
			ok = c == '.' || c == '-'
		case ':':
			ok = c == '.' || c == ':' || c == '-'
		case 'T':
			ok = c == 't' || c == 'T' || c == '.' || c == '_' || c == '-'
		case '_':
			ok = c == 't' || c == 'T' || c == '_' || c == '-'
		default:
			ok = c == shape[i]
		}
		if !ok {
			return 0
		}
	}
	return len(shape)
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
	if at, ok := suffix(key, 8); ok && at >= 19 && fits(key[at-19:], "9999-99-99T99:99:99") > 0 {
		key = key[:at] // OpenSearch SM puts eight letters or digits after its date
	} else if at, ok := suffix(key, 22); ok && looksRandom(key[at:]) {
		key, dated = key[:at]+"-*", true // Elasticsearch SLM puts 22 characters after the name
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

// suffix finds a dash before so many letters, digits, dashes and underscores at
// the end of a name.
func suffix(name string, n int) (at int, ok bool) {
	at = len(name) - n - 1
	if at <= 0 || name[at] != '-' {
		return 0, false
	}
	for i := at + 1; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (n == 8 || c != '-' && c != '_') {
			return 0, false
		}
	}
	return at, true
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
