// Package pyregex compiles Python regular expressions, which Curator's files use. They
// have look-around and back references, so they run on a backtracking engine, with a
// time-out. A small translation covers the differences in syntax; what the engine does not
// support is an error with its column.
package pyregex

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// matchTimeout bounds one match: a name has at most 255 bytes, so a normal pattern needs
// microseconds.
const matchTimeout = time.Second

// giveUpAfter is how many matches of one expression may time out before it is not tried
// any more: a listing has thousands of names.
const giveUpAfter = 3

// Regexp is a compiled pattern.
type Regexp struct {
	re      *regexp2.Regexp
	text    string // as written
	groups  int
	atStart bool
	slow    *atomic.Int32 // matches that took too long
}

// Match is the first match in a text, in byte offsets. Groups[0] is the whole match; a
// group that did not match is empty.
type Match struct {
	Start, End int
	Groups     []string
}

// Compile translates a pattern that may match anywhere in a text.
func Compile(pattern string) (*Regexp, error) { return compile(pattern, false) }

// CompileAtStart translates a pattern that must match at the start of a text.
func CompileAtStart(pattern string) (*Regexp, error) { return compile(pattern, true) }

func compile(pattern string, atStart bool) (*Regexp, error) {
	t := translator{in: []rune(pattern)}
	out, err := t.translate()
	if err != nil {
		return nil, err
	}
	re, err := regexp2.Compile(out, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %s", pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	re.MatchTimeout = matchTimeout
	return &Regexp{re, pattern, t.groups, atStart, &atomic.Int32{}}, nil
}

// Groups is the number of capturing groups.
func (r *Regexp) Groups() int { return r.groups }

// Search finds the first match; ok is false if there is none, or if the match timed out;
// err is then set.
func (r *Regexp) Search(s string) (m Match, ok bool, err error) {
	if err := r.givenUp(); err != nil {
		return Match{}, false, err
	}
	found, err := r.re.FindStringMatch(s)
	if err != nil {
		return Match{}, false, r.tooLong(s)
	}
	if found == nil || r.atStart && found.Index > 0 { // the first match is the leftmost one
		return Match{}, false, nil
	}
	m.Start = byteOffset(s, found.Index)
	m.End = byteOffset(s, found.Index+found.Length)
	for i := range r.groups + 1 {
		m.Groups = append(m.Groups, found.GroupByNumber(i).String())
	}
	return m, true, nil
}

func (r *Regexp) tooLong(s string) error {
	r.slow.Add(1)
	return fmt.Errorf("matching %q took more than %s: simplify the regular expression %s", s, matchTimeout, r.text)
}

// givenUp is the error that the expression is not tried any more.
func (r *Regexp) givenUp() error {
	if r.slow.Load() < giveUpAfter {
		return nil
	}
	return fmt.Errorf("the regular expression %s took more than %s for %d names and is not tried on others: simplify it",
		r.text, matchTimeout, giveUpAfter)
}

// Match reports whether the text matches.
func (r *Regexp) Match(s string) (bool, error) {
	if r.atStart {
		_, ok, err := r.Search(s)
		return ok, err
	}
	if err := r.givenUp(); err != nil {
		return false, err
	}
	ok, err := r.re.MatchString(s)
	if err != nil {
		return false, r.tooLong(s)
	}
	return ok, nil
}

func byteOffset(s string, runes int) int {
	at := 0
	for range runes {
		_, n := utf8.DecodeRuneInString(s[at:])
		at += n
	}
	return at
}

type translator struct {
	in     []rune
	out    strings.Builder
	groups int
	names  map[string]int
	begun  bool // something other than flags and comments was read
	spaced bool // (?x): spaces and # comments do not count
	anchor bool // the last element is a place, such as ^, and cannot be repeated
}

func (t *translator) fail(at int, format string, args ...any) error {
	return fmt.Errorf("regular expression %q, column %d: %s", string(t.in), at+1, fmt.Sprintf(format, args...))
}

// translate walks the pattern once. Every capturing group gets its explicit
// number, since the engine would number named groups last.
func (t *translator) translate() (string, error) {
	t.names = map[string]int{}
	for i := 0; i < len(t.in); {
		if rest := string(t.in[i:min(i+2, len(t.in))]); rest != "(?" {
			t.begun = true
		}
		var n int
		var err error
		c := t.in[i]
		if t.anchor && t.repeats(i) { // the engine would take it as "any place": ^*.* is everything
			return "", t.fail(i, "there is nothing to repeat")
		}
		switch {
		case c == '\\':
			n, err = t.escape(i, false)
		case c == '#' && t.spaced:
			for n < len(t.in)-i && t.in[i+n] != '\n' {
				n++
			}
		case c == '[':
			n, err = t.class(i)
		case c == '(':
			n, err = t.group(i)
		case c == '{' && strings.HasPrefix(string(t.in[i:]), "{,"):
			n, err = t.upTo(i)
		case (c == '*' || c == '+' || c == '?' || c == '}') && i+1 < len(t.in) && t.in[i+1] == '+' && t.quantifierEnd(i):
			err = t.fail(i+1, "possessive quantifiers are not supported")
		default:
			t.out.WriteRune(c)
			n = 1
		}
		if err != nil {
			return "", err
		}
		t.anchor = c == '^' || c == '$' || c == '\\' && strings.ContainsRune("AZbB", t.in[i+1]) || t.anchor && t.skipped(i)
		i += n
	}
	return t.out.String(), nil
}

// repeat is a quantifier in braces; anything else in them is text.
var repeat = regexp.MustCompile(`^\{(?:\d+(?:,\d*)?|,\d*)\}`)

// repeats reports whether there is a quantifier at i.
func (t *translator) repeats(i int) bool {
	switch t.in[i] {
	case '*', '+', '?':
		return true
	}
	return repeat.MatchString(string(t.in[i:]))
}

// skipped reports whether the text at i is ignored: a comment, or with (?x) a space.
func (t *translator) skipped(i int) bool {
	return strings.HasPrefix(string(t.in[i:]), "(?#") || t.spaced && (unicode.IsSpace(t.in[i]) || t.in[i] == '#')
}

// quantifierEnd reports whether the character at i ends a quantifier (and is not an
// escaped or literal character).
func (t *translator) quantifierEnd(i int) bool {
	if t.in[i] != '}' {
		return true
	}
	open := strings.LastIndexByte(string(t.in[:i]), '{')
	return open >= 0 && strings.Trim(string(t.in[:i])[open+1:], "0123456789,") == ""
}

func (t *translator) upTo(i int) (int, error) {
	rest := string(t.in[i:])
	end := strings.IndexByte(rest, '}')
	if end < 0 || strings.Trim(rest[2:end], "0123456789") != "" {
		t.out.WriteRune('{')
		return 1, nil
	}
	t.out.WriteString("{0" + rest[1:end+1])
	return end + 1, nil
}

func (t *translator) escape(i int, inClass bool) (int, error) {
	if i+1 >= len(t.in) {
		return 0, t.fail(i, "the pattern ends in a backslash")
	}
	switch c := t.in[i+1]; {
	case c == 'Z' && !inClass:
		t.out.WriteString(`\z`)
	case c == 'U':
		var code uint64
		err := strconv.ErrSyntax
		if i+10 <= len(t.in) {
			code, err = strconv.ParseUint(string(t.in[i+2:i+10]), 16, 32)
		}
		if err != nil || code > unicode.MaxRune {
			return 0, t.fail(i, `\U needs eight hexadecimal digits of a character`)
		}
		t.char(rune(code))
		return 10, nil
	case c >= '0' && c <= '9':
		return t.number(i, inClass)
	case strings.ContainsRune("bdDsSwWafnrtvxu", c) || strings.ContainsRune("AB", c) && !inClass:
		t.out.WriteRune('\\')
		t.out.WriteRune(c)
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return 0, t.fail(i, `unknown escape \%c`, c)
	default:
		t.char(c)
	}
	return 2, nil
}

// char writes an ordinary character, also in a set.
func (t *translator) char(c rune) {
	if c > 0xffff {
		t.out.WriteRune(c)
		return
	}
	fmt.Fprintf(&t.out, `\u%04x`, c)
}

// number reads \0, \123 and, outside of sets, \1 to \99: a character in octal, or a
// reference to a group that came before.
func (t *translator) number(i int, inClass bool) (int, error) {
	octal := 0 // digits
	for octal < 3 && i+1+octal < len(t.in) && t.in[i+1+octal] >= '0' && t.in[i+1+octal] <= '7' {
		octal++
	}
	if t.in[i+1] == '0' || octal == 3 || inClass {
		code, err := strconv.ParseUint(string(t.in[i+1:i+1+octal]), 8, 32)
		if err != nil || code > 0o377 {
			return 0, t.fail(i, `\%c does not start a character in octal`, t.in[i+1])
		}
		t.char(rune(code))
		return 1 + octal, nil
	}
	n, group := 2, int(t.in[i+1]-'0')
	if i+2 < len(t.in) && t.in[i+2] >= '0' && t.in[i+2] <= '9' {
		n, group = 3, group*10+int(t.in[i+2]-'0')
	}
	if group > t.groups {
		return 0, t.fail(i, "there is no group %d", group)
	}
	fmt.Fprintf(&t.out, `\k<%d>`, group)
	return n, nil
}

func (t *translator) class(i int) (int, error) {
	j := i + 1
	t.out.WriteByte('[')
	if j < len(t.in) && t.in[j] == '^' {
		t.out.WriteByte('^')
		j++
	}
	for first := true; ; first = false {
		if j >= len(t.in) {
			return 0, t.fail(i, "the set that starts here has no end")
		}
		switch c := t.in[j]; {
		case c == ']' && !first:
			t.out.WriteByte(']')
			return j + 1 - i, nil
		case c == '\\':
			n, err := t.escape(j, true)
			if err != nil {
				return 0, err
			}
			if strings.ContainsRune("dDsSwW", t.in[j+1]) && j+n+1 < len(t.in) && t.in[j+n] == '-' && t.in[j+n+1] != ']' {
				return 0, t.fail(j, `the range \%c-%c has no beginning`, t.in[j+1], t.in[j+n+1])
			}
			j += n
			continue
		case c == '[' || c == ']': // the engine would subtract a set; in Python both are literals here
			t.out.WriteByte('\\')
			t.out.WriteRune(c)
		default:
			t.out.WriteRune(c)
		}
		j++
	}
}

func (t *translator) group(i int) (int, error) {
	rest := string(t.in[i:])
	switch {
	case strings.HasPrefix(rest, "(?P<"):
		name, _, ok := strings.Cut(rest[4:], ">")
		if !ok || name == "" {
			return 0, t.fail(i, "the group has no name")
		}
		if !isIdentifier(name) {
			return 0, t.fail(i, "%q is not a valid name for a group", name)
		}
		if t.names[name] != 0 {
			return 0, t.fail(i, "there are two groups named %q", name)
		}
		t.begun = true
		t.groups++
		t.names[name] = t.groups
		fmt.Fprintf(&t.out, "(?<%d>", t.groups)
		return 5 + utf8.RuneCountInString(name), nil
	case strings.HasPrefix(rest, "(?P="):
		name, _, ok := strings.Cut(rest[4:], ")")
		if !ok || t.names[name] == 0 {
			return 0, t.fail(i, "there is no group named %q", name)
		}
		fmt.Fprintf(&t.out, `\k<%d>`, t.names[name])
		return 5 + utf8.RuneCountInString(name), nil
	case strings.HasPrefix(rest, "(?#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return 0, t.fail(i, "the comment that starts here has no end")
		}
		return utf8.RuneCountInString(rest[:end]) + 1, nil
	case strings.HasPrefix(rest, "(?<=") || strings.HasPrefix(rest, "(?<!"), strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!"),
		strings.HasPrefix(rest, "(?:") || strings.HasPrefix(rest, "(?>"):
		t.begun = true
		t.out.WriteString("(?")
		return 2, nil
	case strings.HasPrefix(rest, "(?("):
		name, _, ok := strings.Cut(rest[3:], ")")
		group := t.names[name]
		if n, err := strconv.Atoi(name); err == nil && n <= t.groups {
			group = n
		}
		if !ok || group < 1 {
			return 0, t.fail(i, "there is no group %q", name)
		}
		t.begun = true
		fmt.Fprintf(&t.out, "(?(%d)", group)
		return 4 + utf8.RuneCountInString(name), nil
	case strings.HasPrefix(rest, "(?"):
		end := strings.IndexAny(rest, ":)")
		if end < 0 {
			return 0, t.fail(i, "unknown group")
		}
		set, unset, both := strings.Cut(rest[2:end], "-")
		if strings.Trim(set, "imsxu") != "" || strings.Trim(unset, "imsx") != "" || both && unset == "" || set+unset == "" ||
			strings.ContainsAny(unset, set) {
			return 0, t.fail(i, "the group (?%s is not supported", rest[2:end])
		}
		if rest[end] == ')' && (t.begun || both) {
			return 0, t.fail(i, "flags for the whole expression (?%s) must be at its start", rest[2:end])
		}
		if strings.ContainsRune(rest[2:end], 'x') {
			if rest[end] == ':' {
				return 0, t.fail(i, "the flag x is supported for the whole expression only, as (?x) at its start")
			}
			t.spaced = true
		}
		t.begun = t.begun || rest[end] == ':'
		flags := strings.ReplaceAll(set, "u", "")
		if both {
			flags += "-" + unset
		}
		if flags != "" {
			t.out.WriteString("(?" + flags + rest[end:end+1])
		} else if rest[end] == ':' {
			t.out.WriteString("(?:")
		}
		return end + 1, nil
	}
	t.groups++
	fmt.Fprintf(&t.out, "(?<%d>", t.groups)
	return 1, nil
}

// isIdentifier reports whether Python accepts the name for a group.
func isIdentifier(name string) bool {
	for i, c := range name {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return true
}
