// Package strftime writes and reads the dates in names: strftime tokens as in Curator,
// and Elasticsearch's date math. Nothing here reads the clock.
package strftime

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/pyregex"
)

// digits is the number of digits of each token; other tokens are unknown.
var digits = map[byte]int{
	'Y': 4, 'G': 4, 'V': 2, 'y': 2, 'm': 2, 'W': 2, 'M': 2, 'S': 2, 'H': 2, 'd': 2, 'U': 2, 'j': 3,
}

// Render replaces the tokens in a name by parts of now, in now's location. An unknown %x
// becomes x; %% and a trailing % are removed. A name with < is date math and is returned
// unchanged.
func Render(name string, now time.Time) string {
	if strings.Contains(name, "<") {
		return name
	}
	var out strings.Builder
	for _, p := range pieces(name) {
		if p.token != 0 {
			out.WriteString(token(p.token, now))
		} else {
			out.WriteByte(p.char)
		}
	}
	return out.String()
}

// Names matches exactly the names that Resolve can make from the name at any time, and nothing if
// it can make none.
func Names(name string) *regexp.Regexp {
	pattern := textNames(name)
	if isMath(name) {
		var err error
		if pattern, err = mathNames(name); err != nil {
			pattern = `[^\s\S]`
		}
	}
	return regexp.MustCompile(`^(?:` + pattern + `)$`)
}

// textNames is the pattern of the names that tokens make at any time.
func textNames(name string) string {
	if strings.Contains(name, "<") { // Render leaves it as it is
		return regexp.QuoteMeta(name)
	}
	var out strings.Builder
	for _, p := range pieces(name) {
		if p.token != 0 {
			fmt.Fprintf(&out, `\d{%d}`, digits[p.token])
		} else {
			out.WriteString(regexp.QuoteMeta(string([]byte{p.char})))
		}
	}
	return out.String()
}

func token(c byte, t time.Time) string {
	isoYear, isoWeek := t.ISOWeek()
	switch c {
	case 'Y':
		return fmt.Sprintf("%04d", t.Year())
	case 'y':
		return fmt.Sprintf("%02d", t.Year()%100)
	case 'G':
		return fmt.Sprintf("%04d", isoYear)
	case 'V':
		return fmt.Sprintf("%02d", isoWeek)
	case 'm':
		return fmt.Sprintf("%02d", t.Month())
	case 'd':
		return fmt.Sprintf("%02d", t.Day())
	case 'H':
		return fmt.Sprintf("%02d", t.Hour())
	case 'M':
		return fmt.Sprintf("%02d", t.Minute())
	case 'S':
		return fmt.Sprintf("%02d", t.Second())
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay())
	case 'W': // Monday starts the week; days before the first Monday are week 0
		return fmt.Sprintf("%02d", (t.YearDay()+6-(int(t.Weekday())+6)%7)/7)
	default: // 'U', Sunday starts the week
		return fmt.Sprintf("%02d", (t.YearDay()+6-int(t.Weekday()))/7)
	}
}

// Layout finds and reads a timestring's date in names.
type Layout struct {
	text   string
	re     *pyregex.Regexp
	tokens []byte
	plain  []piece // all of it, if it has no other regular expression than its tokens
}

// NewLayout compiles a timestring such as %Y.%m.%d. It is an error if it has no token, or
// %V without %G or the reverse, or is not a regular expression: everything except tokens,
// dots and dashes is one.
func NewLayout(timestring string) (*Layout, error) {
	l := &Layout{text: timestring}
	var pattern strings.Builder
	l.plain = pieces(timestring)
	for _, p := range l.plain {
		if p.token == 0 {
			pattern.WriteString(p.raw())
			continue
		}
		fmt.Fprintf(&pattern, `(?P<t%d>\d{%d})`, len(l.tokens), digits[p.token])
		l.tokens = append(l.tokens, p.token)
	}
	if len(l.tokens) == 0 {
		return nil, fmt.Errorf("the timestring %q has no date token; tokens are %%Y %%y %%m %%d %%H %%M %%S %%j %%W %%U and %%G with %%V",
			timestring)
	}
	if l.has('V') != l.has('G') {
		return nil, fmt.Errorf("the timestring %q has one of %%G and %%V without the other: an ISO week needs its ISO year", timestring)
	}
	var err error
	if l.re, err = pyregex.Compile(pattern.String()); err != nil {
		return nil, fmt.Errorf("the timestring %q: %w", timestring, err)
	}
	if slices.ContainsFunc(l.plain, func(p piece) bool { return p.token == 0 && !plain(p.char) }) {
		l.plain = nil
	}
	return l, nil
}

// plain reports whether a byte of a timestring stands for itself.
func plain(c byte) bool {
	return c == '.' || c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// String is the timestring.
func (l *Layout) String() string { return l.text }

func (l *Layout) has(c byte) bool { return strings.IndexByte(string(l.tokens), c) >= 0 }

// Regexp is the regular expression, in Python's syntax, of a timestring.
func Regexp(timestring string) string {
	var out strings.Builder
	for _, p := range pieces(timestring) {
		if p.token == 0 {
			out.WriteString(p.raw())
		} else {
			fmt.Fprintf(&out, `\d{%d}`, digits[p.token])
		}
	}
	return out.String()
}

// Unknown lists the letters after a percent sign that are not a token: they are read and
// written as letters.
func Unknown(text string) []rune {
	var list []rune
	percent := false
	for _, c := range text {
		if percent && c != '%' && (c > 0x7f || digits[byte(c)] == 0) {
			list = append(list, c)
		}
		percent = c == '%'
	}
	return list
}

// piece is a token, or one byte of text.
type piece struct {
	token byte
	char  byte
}

// raw is a byte of text in a timestring's regular expression: dots and dashes are
// escaped, everything else is inserted unchanged.
func (p piece) raw() string {
	if p.char == '.' || p.char == '-' {
		return `\` + string([]byte{p.char})
	}
	return string([]byte{p.char})
}

// width is how many bytes of a name a piece is.
func (p piece) width() int {
	if p.token != 0 {
		return digits[p.token]
	}
	return 1
}

// pieces splits a name or timestring: % and a known letter are a token, any other % is
// removed.
func pieces(text string) []piece {
	var list []piece
	percent := false
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '%':
			percent = true
			continue
		case percent && digits[c] > 0:
			list = append(list, piece{token: c})
		default:
			list = append(list, piece{char: c})
		}
		percent = false
	}
	return list
}

// Found is a date found in a name.
type Found struct {
	Time       time.Time // start of the unit that the date names
	Start, End int       // its place in the name, in bytes
	Text       string
}

// Find reads the first date in a name. It returns false if there is none, and an error if
// the digits are not a date (month 13, 30 February, an ISO week that the year does not
// have).
func (l *Layout) Find(name string, loc *time.Location) (Found, bool, error) {
	m, ok, err := l.search(name)
	if err != nil || !ok {
		return Found{}, false, err
	}
	f := Found{Start: m.Start, End: m.End, Text: name[m.Start:m.End]}
	values := make(map[byte]int, len(l.tokens))
	for i, c := range l.tokens {
		n, err := strconv.Atoi(m.Groups[i+1])
		if err != nil { // \d also matches digits of other scripts
			return Found{}, false, fmt.Errorf("%q is not a date of the form %s", f.Text, l.text)
		}
		values[c] = n
	}
	t, ok := evaluate(values, loc)
	if !ok {
		return Found{}, false, fmt.Errorf("%q is not a date of the form %s", f.Text, l.text)
	}
	f.Time = t
	return f, true, nil
}

// search finds the first place in a name that the timestring fits. A timestring that stands for
// itself needs no regular expression for that.
func (l *Layout) search(name string) (m pyregex.Match, ok bool, err error) {
	if l.plain == nil || strings.ContainsFunc(name, func(c rune) bool { return c > 0x7f }) {
		return l.re.Search(name)
	}
	for start := range len(name) {
		if end := l.fits(name, start); end > 0 {
			m = pyregex.Match{Start: start, End: end, Groups: append(make([]string, 0, len(l.tokens)+1), name[start:end])}
			for _, p := range l.plain {
				if p.token != 0 {
					m.Groups = append(m.Groups, name[start:start+digits[p.token]])
				}
				start += p.width()
			}
			return m, true, nil
		}
	}
	return m, false, nil
}

// fits is where a plain timestring ends that fits a name at a place; 0: it does not fit.
func (l *Layout) fits(name string, at int) (end int) {
	for _, p := range l.plain {
		to := at + p.width()
		if to > len(name) {
			return 0
		}
		for ; at < to; at++ {
			if digit := '0' <= name[at] && name[at] <= '9'; p.token != 0 && !digit || p.token == 0 && name[at] != p.char {
				return 0
			}
		}
	}
	return at
}

func evaluate(v map[byte]int, loc *time.Location) (time.Time, bool) {
	year := 1900
	if y, ok := v['Y']; ok {
		year = y
	} else if y, ok := v['y']; ok {
		if year = 2000 + y; y >= 69 {
			year = 1900 + y
		}
	}
	hour, minute, second := v['H'], v['M'], v['S']
	if hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	at := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, hour, minute, second, 0, loc)
	}
	if week, ok := v['V']; ok {
		return isoWeek(v['G'], week, at)
	}
	for _, c := range []byte{'W', 'U'} {
		if week, ok := v[c]; ok {
			return yearWeek(year, week, c, at)
		}
	}
	if day, ok := v['j']; ok {
		t := at(year, time.January, day)
		return t, day >= 1 && t.Year() == year
	}
	month, day := 1, 1
	if m, ok := v['m']; ok {
		month = m
	}
	if d, ok := v['d']; ok {
		day = d
	}
	t := at(year, time.Month(month), day)
	return t, month >= 1 && month <= 12 && day >= 1 && t.Day() == day
}

func isoWeek(year, week int, at func(int, time.Month, int) time.Time) (time.Time, bool) {
	fourth := at(year, time.January, 4) // is always in week 1
	monday := at(year, time.January, 4-(int(fourth.Weekday())+6)%7+(week-1)*7)
	y, w := monday.ISOWeek()
	return monday, y == year && w == week
}

// yearWeek is the Monday of week 'W' (weeks start on Monday) or 'U' (on Sunday).
func yearWeek(year, week int, c byte, at func(int, time.Month, int) time.Time) (time.Time, bool) {
	newYear := int(at(year, time.January, 1).Weekday()) // 0 is Sunday
	var monday int                                      // of week 0, as a day of January
	if c == 'W' {
		if first := 1 + (8-newYear)%7; week > 0 || first > 1 {
			monday = first - 7
		} else { // a year that starts on a Monday has no week 0; its first week stands in
			monday = 1
		}
	} else {
		monday = 1 + (7-newYear)%7 - 6 // the day after the Sunday before the first Sunday
	}
	t := at(year, time.January, monday+week*7)
	return t, week <= 53 && t.Year() <= year
}

// Span is the smallest unit of the layout, counted from a date that it read: a day for
// %Y.%m.%d, a month for %Y.%m.
func (l *Layout) Span(start time.Time) time.Time {
	switch {
	case l.has('S'):
		return start.Add(time.Second)
	case l.has('M'):
		return start.Add(time.Minute)
	case l.has('H'):
		return start.Add(time.Hour)
	case l.has('W') || l.has('U') || l.has('V'):
		return start.AddDate(0, 0, 7)
	case l.has('d') || l.has('j'):
		return start.AddDate(0, 0, 1)
	case l.has('m'):
		return start.AddDate(0, 1, 0)
	default:
		return start.AddDate(1, 0, 0)
	}
}
