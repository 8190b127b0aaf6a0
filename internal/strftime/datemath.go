package strftime

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Resolve renders a name: strftime tokens, or Elasticsearch date math if the name has the
// form <…>, evaluated as the server would.
func Resolve(name string, now time.Time) (string, error) {
	switch open := strings.HasPrefix(name, "<"); {
	case isMath(name):
		return dateMath(name, now)
	case open != strings.HasSuffix(name, ">"):
		return "", fmt.Errorf("the name %q has only one of < and >; date math has the form <prefix-{now/d}>", name)
	}
	return Render(name, now), nil
}

func isMath(name string) bool {
	return len(name) > 1 && strings.HasPrefix(name, "<") && strings.HasSuffix(name, ">")
}

// dateMath evaluates <text{expression{format|zone}}text…>.
func dateMath(name string, now time.Time) (string, error) {
	parts, err := mathParts(name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, p := range parts {
		text, err := p.evaluate(now)
		if err != nil {
			return "", fmt.Errorf("the date math %q: %w", name, err)
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// mostNamed is more digits than the name of anything has.
const mostNamed = 255

// mathNames is the pattern of the names that date math makes at any time.
func mathNames(name string) (string, error) {
	parts, err := mathParts(name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	digits := 0
	for _, p := range parts {
		if _, err := p.evaluate(time.Unix(0, 0).UTC()); err != nil {
			return "", err
		}
		if !p.dated {
			out.WriteString(regexp.QuoteMeta(p.text))
			continue
		}
		format, _, _ := p.layout()
		tokens, err := javaTokens(format)
		if err != nil {
			return "", err
		}
		for _, t := range tokens {
			if digits += t.n; digits > mostNamed {
				return "", errors.New("the names are too long")
			}
			out.WriteString(t.pattern())
		}
	}
	return out.String(), nil
}

// mathPart is a text, or an expression in one pair of braces.
type mathPart struct {
	text         string
	dated        bool // it is an expression
	expr, format string
	formatted    bool
}

// mathParts reads date math as the server does: a brace after a backslash is an ordinary
// character.
func mathParts(name string) (parts []mathPart, err error) {
	wrong := func(what string) ([]mathPart, error) { return nil, fmt.Errorf("the date math %q %s", name, what) }
	var part mathPart
	depth, dates, escaped := 0, 0, false
	for _, c := range name[1 : len(name)-1] {
		brace := !escaped && (c == '{' || c == '}')
		switch {
		case c == '\\' && !escaped:
			escaped = true
			continue
		case depth == 0 && !brace:
			part.text += string(c)
		case depth == 1 && !brace && part.formatted:
			return wrong("has text after the format of an expression; the format must end the expression")
		case depth == 1 && !brace:
			part.expr += string(c)
		case !brace:
			part.format += string(c)
		case c == '{' && (depth == 2 || part.formatted):
			return wrong("has one { too many; write \\{ for the character")
		case c == '{' && depth == 0:
			depth++
			parts, part = append(parts, part), mathPart{dated: true}
		case c == '{':
			depth++
			part.formatted = true
		case depth == 0:
			return wrong("has a } without {")
		default:
			if depth--; depth == 0 {
				parts, part, dates = append(parts, part), mathPart{}, dates+1
			}
		}
		escaped = false
	}
	switch {
	case depth > 0:
		return wrong("has a { without }")
	case dates == 0:
		return wrong("does not contain an {expression}")
	}
	return append(parts, part), nil
}

// layout is the format of an expression, and the time zone, if it names one.
func (p mathPart) layout() (format, zone string, zoned bool) {
	if !p.formatted {
		return "yyyy.MM.dd", "", false
	}
	return strings.Cut(p.format, "|")
}

func (p mathPart) evaluate(now time.Time) (string, error) {
	if !p.dated {
		return p.text, nil
	}
	format, zone, zoned := p.layout()
	loc := now.Location()
	if zoned {
		var err error
		if loc, err = zoneOf(zone); err != nil {
			return "", err
		}
	}
	if format == "" {
		return "", errors.New("the format is missing")
	}
	t, err := evaluateMath(p.expr, now.In(loc))
	if err != nil {
		return "", err
	}
	return formatJava(format, t)
}

var zoneOffset = regexp.MustCompile(`^([+-])(\d{2}):?(\d{2})$`)

func zoneOf(s string) (*time.Location, error) {
	if m := zoneOffset.FindStringSubmatch(s); m != nil {
		h, _ := strconv.Atoi(m[2])
		min, _ := strconv.Atoi(m[3])
		off := h*3600 + min*60
		if m[1] == "-" {
			off = -off
		}
		return time.FixedZone(s, off), nil
	}
	loc, err := time.LoadLocation(s)
	if err != nil || s == "" || s == "Local" {
		return nil, fmt.Errorf("unknown time zone %q", s)
	}
	return loc, nil
}

var (
	mathStep   = regexp.MustCompile(`^(?:/|([+-])(\d*))([yMwdhHms])`)
	anchorForm = []string{
		"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02", "2006-01", "2006", "2006.01.02",
	}
)

// farthest is the most of each unit that a date can move. A duration does not reach further
// than 292 years, and would wrap around.
var farthest = map[string]int{
	"y": 250,
	"M": 3000,
	"w": 13_000,
	"d": 91_000,
	"h": 2_200_000,
	"H": 2_200_000,
	"m": 131_000_000,
	"s": 2_000_000_000,
}

func evaluateMath(expr string, now time.Time) (time.Time, error) {
	t, rest := now, expr
	if r, ok := strings.CutPrefix(expr, "now"); ok {
		rest = r
	} else {
		anchor, r, ok := strings.Cut(expr, "||")
		if !ok {
			return t, fmt.Errorf("%q must start with now, or with a date and ||", expr)
		}
		rest = r
		parsed := false
		for _, form := range anchorForm {
			if a, err := time.ParseInLocation(form, anchor, now.Location()); err == nil {
				t, parsed = a, true
				break
			}
		}
		if !parsed {
			return t, fmt.Errorf("%q is not a date", anchor)
		}
	}
	for rest != "" {
		m := mathStep.FindStringSubmatch(rest)
		if m == nil {
			return t, fmt.Errorf("%q is not +N, -N or / followed by one of y M w d h m s", rest)
		}
		if m[1] == "" {
			t = Truncate(t, m[3])
		} else {
			n := 1
			if m[2] != "" {
				var err error
				if n, err = strconv.Atoi(m[2]); err != nil || n > farthest[m[3]] {
					return t, fmt.Errorf("%s is out of range", m[0])
				}
			}
			if m[1] == "-" {
				n = -n
			}
			t = add(t, n, m[3])
		}
		rest = rest[len(m[0]):]
	}
	return t, nil
}

// Truncate rounds down to a unit of date math (y M w d h m s), in t's location. Weeks
// start on Monday.
func Truncate(t time.Time, unit string) time.Time {
	y, mo, d := t.Date()
	switch unit {
	case "y":
		mo, d = 1, 1
	case "M":
		d = 1
	case "w":
		d -= (int(t.Weekday()) + 6) % 7
	case "d":
	case "h", "H":
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case "m":
		return t.Add(-time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case "s":
		return t.Add(-time.Duration(t.Nanosecond()))
	}
	return time.Date(y, mo, d, 0, 0, 0, 0, t.Location())
}

func add(t time.Time, n int, unit string) time.Time {
	switch unit {
	case "y":
		return addMonths(t, 12*n)
	case "M":
		return addMonths(t, n)
	case "w":
		return t.AddDate(0, 0, 7*n)
	case "d":
		return t.AddDate(0, 0, n)
	case "m":
		return t.Add(time.Duration(n) * time.Minute)
	case "s":
		return t.Add(time.Duration(n) * time.Second)
	default:
		return t.Add(time.Duration(n) * time.Hour)
	}
}

// addMonths uses the last day of a shorter month, as the server does.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	lastDay := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), lastDay)-1)
}

// javaToken is a letter of a format and how often it is repeated, or a text.
type javaToken struct {
	letter byte
	n      int
	text   string
}

// mostDigits is how many digits the parts of a date can have, by the letter of a format. A year
// has four.
var mostDigits = map[byte]int{
	'y': 4, 'Y': 4, 'u': 4, 'x': 4, 'M': 2, 'w': 2, 'd': 2, 'D': 3, 'H': 2, 'm': 2, 's': 2, 'e': 1,
}

// short reports whether a year is written with two digits.
func (t javaToken) short() bool { return mostDigits[t.letter] == 4 && t.n == 2 }

// javaTokens reads the pattern language of Elasticsearch's names.
func javaTokens(format string) (list []javaToken, err error) {
	for i := 0; i < len(format); {
		c := format[i]
		n := 1
		for i+n < len(format) && format[i+n] == c {
			n++
		}
		switch {
		case mostDigits[c] > 0:
			list = append(list, javaToken{letter: c, n: n})
		case c == '\'':
			end := strings.IndexByte(format[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("the quote in the format %q is not closed", format)
			}
			list = append(list, javaToken{text: format[i+1 : i+1+end]})
			n = end + 2
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			return nil, fmt.Errorf("the letter %c in the format %q is not supported", c, format)
		default:
			list = append(list, javaToken{text: format[i : i+n]})
		}
		i += n
	}
	return list, nil
}

// pattern matches what a token writes at any time.
func (t javaToken) pattern() string {
	most := mostDigits[t.letter]
	switch {
	case most == 0:
		return regexp.QuoteMeta(t.text)
	case t.short():
		return `\d{2}`
	case most == 4 || t.n >= most:
		return fmt.Sprintf(`\d{%d}`, max(t.n, most))
	}
	return fmt.Sprintf(`\d{%d,%d}`, t.n, most)
}

// formatJava writes a date in the pattern language of Elasticsearch's names.
func formatJava(format string, t time.Time) (string, error) {
	tokens, err := javaTokens(format)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	isoYear, isoWeek := t.ISOWeek()
	for _, token := range tokens {
		value := 0
		switch token.letter {
		case 0:
			out.WriteString(token.text)
			continue
		case 'y', 'Y', 'u':
			value = t.Year()
		case 'x':
			value = isoYear
		case 'M':
			value = int(t.Month())
		case 'w':
			value = isoWeek
		case 'd':
			value = t.Day()
		case 'D':
			value = t.YearDay()
		case 'H':
			value = t.Hour()
		case 'm':
			value = t.Minute()
		case 's':
			value = t.Second()
		case 'e':
			value = (int(t.Weekday())+6)%7 + 1
		}
		if token.short() {
			value %= 100
		}
		fmt.Fprintf(&out, "%0*d", token.n, value)
	}
	return out.String(), nil
}
