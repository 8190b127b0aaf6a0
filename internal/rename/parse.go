package rename

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is a part of a pattern as Go's regexp writes it, which finds the same match as
// Java for all that the parser accepts.
type node struct {
	re       string
	empty    bool // it can match nothing
	anchored bool // it matches at the beginning of the name only
}

const (
	beginning = "\x00" // ^ in a node; control characters are refused, so it is nothing else
	never     = `[^\x00-\x{10FFFF}]`
	dot       = `[^\n\r\x{85}\x{2028}\x{2029}]`
)

type parser struct {
	what     string
	in       []rune
	at       int
	groups   int
	repeated map[int]bool // the groups that may match several times
}

func (p *parser) fail(at int, format string, args ...any) *Error {
	return &Error{What: p.what, Column: at + 1, Text: fmt.Sprintf(format, args...)}
}

// check reports characters that are never allowed.
func (p *parser) check() error {
	if len(p.in) > longest {
		return p.fail(longest, "the text is longer than %d characters", longest)
	}
	for i, c := range p.in {
		if unclear(c) || c == utf8.RuneError {
			return p.fail(i, "control characters, line ends and invalid characters are not supported: index names do not need them")
		}
	}
	return nil
}

// next is the character at the position, 0 at the end.
func (p *parser) next() rune {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *parser) rest() string { return string(p.in[p.at:]) }

func (p *parser) pattern() (node, error) {
	if err := p.check(); err != nil {
		return node{}, err
	}
	n, err := p.alternatives()
	if err == nil && p.at < len(p.in) {
		err = p.fail(p.at, `the group that ends here has no beginning: write \) for the character`)
	}
	return n, err
}

func (p *parser) alternatives() (node, error) {
	n, err := p.sequence()
	for err == nil && p.next() == '|' {
		p.at++
		var more node
		more, err = p.sequence()
		n = node{n.re + "|" + more.re, n.empty || more.empty, n.anchored && more.anchored}
	}
	return n, err
}

func (p *parser) sequence() (node, error) {
	all := node{empty: true}
	for p.at < len(p.in) && p.next() != '|' && p.next() != ')' {
		n, err := p.quantified()
		if err != nil {
			return node{}, err
		}
		all = node{all.re + n.re, all.empty && n.empty, all.anchored || n.anchored}
	}
	return all, nil
}

// counted is a quantifier in braces.
var counted = regexp.MustCompile(`^\{([0-9]{1,4})(?:(,)([0-9]{0,4}))?\}`)

// most is the largest count in braces.
const most = 255

// quantified is an atom with its quantifier.
func (p *parser) quantified() (node, error) {
	before := p.groups
	n, err := p.atom()
	if err != nil {
		return node{}, err
	}
	start, low, once := p.at, 0, false
	times := string(p.next())
	switch p.next() {
	case '+':
		low = 1
		p.at++
	case '*':
		p.at++
	case '?':
		p.at, once = p.at+1, true
	case '{':
		m := counted.FindStringSubmatch(p.rest())
		if m == nil {
			return node{}, p.fail(p.at, `{ begins a number of repetitions, such as {2}, {2,} or {2,4}: write \{ for the character`)
		}
		low, _ = strconv.Atoi(m[1])
		high := low
		if m[3] != "" {
			high, _ = strconv.Atoi(m[3])
		} else if m[2] != "" {
			high = most
		}
		if low > high || high > most || high == 0 {
			return node{}, p.fail(p.at, "repetitions are counted from 0 to at most %d, the smaller number first", most)
		}
		if times = fmt.Sprintf("{%d,%d}", low, high); m[2] != "" && m[3] == "" {
			times = fmt.Sprintf("{%d,}", low)
		}
		p.at += len(m[0])
	default:
		return n, nil
	}
	if n.empty {
		return node{}, p.fail(start, "the repeated part can be empty: write it so that it always matches a character")
	}
	if p.next() == '?' { // as few as possible
		p.at++
		times += "?"
	}
	for g := before + 1; g <= p.groups && !once; g++ {
		p.repeated[g] = true
	}
	n.re += times
	n.empty, n.anchored = low == 0, n.anchored && low > 0
	switch p.next() {
	case '+':
		return node{}, p.fail(p.at, "possessive quantifiers are not supported: leave out this +")
	case '*', '?', '{':
		return node{}, p.fail(p.at, `a quantifier of a quantifier is not supported: write \%c for the character, `+
			`or put the repeated part into (?:…)`, p.next())
	}
	return n, nil
}

func (p *parser) atom() (node, error) {
	c := p.next()
	switch c {
	case '^':
		p.at++
		return node{re: beginning, empty: true, anchored: true}, nil
	case '$':
		p.at++
		return node{re: `\z`, empty: true}, nil
	case '.':
		p.at++
		return node{re: dot}, nil
	case '(':
		return p.group()
	case '[':
		return p.set()
	case '\\':
		class, literal, err := p.escape()
		if err != nil {
			return node{}, err
		}
		if class != "" {
			return node{re: class}, nil
		}
		return node{re: regexp.QuoteMeta(string(literal))}, nil
	case '*', '+', '?':
		return node{}, p.fail(p.at, `there is nothing to repeat: write \%c for the character`, c)
	case '{', '}', ']':
		return node{}, p.fail(p.at, `%c has no meaning here: write \%c for the character`, c, c)
	}
	p.at++
	return node{re: regexp.QuoteMeta(string(c))}, nil
}

func (p *parser) group() (node, error) {
	start, open := p.at, "("
	rest := p.rest()
	switch {
	case strings.HasPrefix(rest, "(?:"):
		open = "(?:"
	case strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest, "(?<=") ||
		strings.HasPrefix(rest, "(?<!"):
		return node{}, p.fail(start, "look-around is not supported: match the text itself, and insert it with a group in the replacement")
	case strings.HasPrefix(rest, "(?<") || strings.HasPrefix(rest, "(?P"):
		return node{}, p.fail(start, "named groups are not supported: write (…), and $1 in the replacement for the first group")
	case strings.HasPrefix(rest, "(?>"):
		return node{}, p.fail(start, "atomic groups are not supported: write (?:…)")
	case strings.HasPrefix(rest, "(?"):
		return node{}, p.fail(start, "flags are not supported: index names are lower case, and a character in two forms is written [aA]")
	default:
		p.groups++
	}
	p.at += len(open)
	n, err := p.alternatives()
	if err != nil {
		return node{}, err
	}
	if p.next() != ')' {
		return node{}, p.fail(start, `the group that begins here has no end: write \( for the character`)
	}
	p.at++
	n.re = open + n.re + ")"
	return n, nil
}

// escape is a class such as \d, or a character.
func (p *parser) escape() (class string, literal rune, err error) {
	start := p.at
	p.at++
	c := p.next()
	p.at++
	switch {
	case c == 0:
		return "", 0, p.fail(start, `the pattern ends in a backslash: write \\ for the character`)
	case strings.ContainsRune("dDwWsS", c):
		return `\` + string(c), 0, nil
	case punctuation(c):
		return "", c, nil
	case c == 'Q' || c == 'E':
		return "", 0, p.fail(start, `\Q and \E are not supported: put a backslash before each punctuation character`)
	case c >= '1' && c <= '9' || c == 'k':
		return "", 0, p.fail(start, `back references (\%c) are not supported: repeat the pattern of the group`, c)
	case c == 'p' || c == 'P':
		return "", 0, p.fail(start, `classes of characters by name (\%c) are not supported: list the characters in [ ]`, c)
	case strings.ContainsRune("bBAzZG", c):
		return "", 0, p.fail(start, `\%c is not supported: write ^ for the beginning of the name, $ for its end`, c)
	}
	return "", 0, p.fail(start, `\%c is not supported: write the character itself, or one of \d \D \w \W \s \S`, c)
}

// punctuation reports whether c is an ASCII character that is neither letter nor digit.
func punctuation(c rune) bool {
	return c >= ' ' && c < 0x7f && !letterOrDigit(c)
}

func letterOrDigit(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// set is the content of [ ].
func (p *parser) set() (node, error) {
	start := p.at
	p.at++
	re := "["
	if p.next() == '^' {
		p.at++
		re = "[^"
	}
	for first := true; ; first = false {
		if p.next() == ']' && !first {
			p.at++
			return node{re: re + "]"}, nil
		}
		class, low, err := p.member(start, first)
		if err != nil {
			return node{}, err
		}
		if class != "" {
			re += class
			if p.next() == '-' && !strings.HasPrefix(p.rest(), "-]") {
				return node{}, p.fail(p.at, `a range cannot begin with %s: write \- for the character`, class)
			}
			continue
		}
		high := low
		dash := p.at
		if p.next() == '-' && !strings.HasPrefix(p.rest(), "-]") {
			p.at++
			if class, high, err = p.member(start, false); err != nil {
				return node{}, err
			}
			if class != "" || high < low {
				return node{}, p.fail(dash, `this is not a range from a smaller to a larger character: write \- for the character`)
			}
		}
		re += fmt.Sprintf(`\x{%x}-\x{%x}`, low, high)
	}
}

// member is a class or a character in a set.
func (p *parser) member(set int, first bool) (class string, literal rune, err error) {
	c := p.next()
	switch {
	case c == 0:
		return "", 0, p.fail(set, `the set that begins here has no end: write \[ for the character`)
	case c == '\\':
		return p.escape()
	case c == '[' || c == ']':
		return "", 0, p.fail(p.at, `a set within a set is not supported: write \%c for the character`, c)
	case strings.HasPrefix(p.rest(), "&&"):
		return "", 0, p.fail(p.at, `&& (the intersection of two sets) is not supported: list the characters, or write \& for the character`)
	case c == '-' && !first && !strings.HasPrefix(p.rest(), "-]"):
		return "", 0, p.fail(p.at, `- is an ordinary character only at the beginning or the end of a set: write \- for the character`)
	}
	p.at++
	return "", c, nil
}

// parseReplacement reads Java's replacement: $1 is a group, with as many digits as form
// the number of an existing group; \ makes the next character ordinary.
func parseReplacement(text string, groups int, repeated map[int]bool) ([]part, error) {
	p := &parser{what: "replacement", in: []rune(text)}
	if err := p.check(); err != nil {
		return nil, err
	}
	var parts []part
	var fixed strings.Builder
	flush := func() {
		if fixed.Len() > 0 {
			parts = append(parts, part{fixed.String(), -1})
			fixed.Reset()
		}
	}
	digit := func() int {
		if c := p.next(); c >= '0' && c <= '9' {
			return int(c - '0')
		}
		return -1
	}
	for p.at < len(p.in) {
		start, c := p.at, p.next()
		p.at++
		switch {
		case c == '\\' && (p.next() == '\\' || p.next() == '$'):
			fixed.WriteRune(p.next())
			p.at++
		case c == '\\':
			return nil, p.fail(start, `a backslash is allowed before $ or \ only: omit it, or write \\ for the character`)
		case c == '$' && p.next() == '{':
			return nil, p.fail(start, `named groups are not supported: write $1 for the first group, \$ for the character`)
		case c == '$':
			group := digit()
			if group < 0 {
				return nil, p.fail(start, `$ begins the number of a group, such as $1: write \$ for the character`)
			}
			if group > groups {
				return nil, p.fail(start, `the pattern has no group %d: write ( ) around the intended part, or \$ for the character`, group)
			}
			for p.at++; digit() >= 0 && group*10+digit() <= groups; p.at++ {
				group = group*10 + digit()
			}
			if repeated[group] {
				return nil, p.fail(start, "group %d is repeated in the pattern, so it is ambiguous which match counts: write ((?:…)+), "+
					"with the repetition inside the group", group)
			}
			flush()
			parts = append(parts, part{group: group})
		default:
			fixed.WriteRune(c)
		}
	}
	flush()
	return parts, nil
}
