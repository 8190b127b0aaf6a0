// Package rename computes the name of an index that a restore renames. The server uses
// Java's String.replaceAll. This package does the same for the unambiguous part of Java's
// syntax, and refuses the rest with its column: with a wrong guess the restore may
// overwrite another index.
package rename

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// longest is how many characters a pattern and a replacement may have: index names have
// at most 255 bytes.
const longest = 1000

// Rule is a valid pattern with its replacement.
type Rule struct {
	Pattern, Replacement string // as sent

	// RE2 cannot start inside a text and still know the beginning. So rest is the pattern
	// for matches after the beginning, where ^ never matches.
	first, rest *regexp.Regexp
	anchored    bool // every match is at the beginning of the name
	parts       []part
}

// part is a piece of a replacement: a text, or a group of the match.
type part struct {
	text  string
	group int // 0 is the whole match; -1: a text
}

// Error is an unsupported part of a pattern or a replacement.
type Error struct {
	What   string // pattern or replacement
	Column int    // in characters, from 1
	Text   string // what is wrong, and what to write instead
}

// Error names the place.
func (e *Error) Error() string { return fmt.Sprintf("%s, column %d: %s", e.What, e.Column, e.Text) }

// Compile reads a pattern and its replacement. Errors are *Error.
func Compile(pattern, replacement string) (*Rule, error) {
	p := &parser{what: "pattern", in: []rune(pattern), repeated: map[int]bool{}}
	n, err := p.pattern()
	if err != nil {
		return nil, err
	}
	r := &Rule{Pattern: pattern, Replacement: replacement, anchored: n.anchored}
	for re, begin := range map[**regexp.Regexp]string{&r.first: `\A`, &r.rest: never} {
		if *re, err = regexp.Compile(strings.ReplaceAll(n.re, beginning, begin)); err != nil {
			return nil, p.fail(0, "the expression is too large: simplify it")
		}
	}
	if r.parts, err = parseReplacement(replacement, p.groups, p.repeated); err != nil {
		return nil, err
	}
	return r, nil
}

// Apply returns the name that the server makes. It is an error if the server may treat the
// name differently than this package.
func (r *Rule) Apply(name string) (string, error) {
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unclear):
		return "", fmt.Errorf("the name %q contains a character that cannot be renamed safely: restore the index under its own name", name)
	case !r.anchored && strings.ContainsFunc(name, beyond):
		return "", fmt.Errorf("the name %q contains a character beyond U+FFFF: it can only be renamed with a pattern that begins with ^", name)
	}
	var out strings.Builder
	copied := 0
	for at, re := 0, r.first; at <= len(name); re = r.rest {
		m := re.FindStringSubmatchIndex(name[at:])
		if m == nil {
			break
		}
		out.WriteString(name[copied : at+m[0]])
		for _, p := range r.parts {
			switch {
			case p.group < 0:
				out.WriteString(p.text)
			case m[2*p.group] >= 0: // a group that took no part is empty
				out.WriteString(name[at+m[2*p.group] : at+m[2*p.group+1]])
			}
		}
		copied = at + m[1]
		if at = copied; m[0] == m[1] { // an empty match: the next one begins a character later
			_, size := utf8.DecodeRuneInString(name[at:])
			at += max(size, 1)
		}
	}
	out.WriteString(name[copied:])
	return out.String(), nil
}

// unclear are control characters and line ends, which . $ and \s treat differently.
func unclear(c rune) bool {
	return c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029'
}

// beyond are the characters that Java stores as two: a match may begin between them.
func beyond(c rune) bool { return c > 0xffff }

// Prefix is the rule that adds a text before every name.
func Prefix(prefix string) (pattern, replacement string) {
	return "^(.+)$", Quote(prefix) + "$1"
}

// Exactly is the rule that gives one index another name.
func Exactly(name, target string) (pattern, replacement string) {
	return "^" + regexp.QuoteMeta(name) + "$", Quote(target)
}

// Quote quotes a text for a replacement.
func Quote(text string) string { return strings.NewReplacer(`\`, `\\`, `$`, `\$`).Replace(text) }

// Possible reports whether the server could make a name by a rule that Compile refuses.
// Every fixed text of the replacement is then in the name, in order; the text between them
// is unknown.
func Possible(replacement, name string) bool {
	fixed := ""
	for _, t := range replacementTokens.FindAllString(replacement+"$", -1) {
		if t[0] != '$' {
			fixed += strings.TrimPrefix(t, `\`)
			continue
		}
		var found bool
		if _, name, found = strings.Cut(name, fixed); !found {
			return false
		}
		fixed = ""
	}
	return true
}

// replacementTokens are an escaped character, a group, or a character.
var replacementTokens = regexp.MustCompile(`(?s)\\.|\$(?:\{[^}]*\}?|[0-9]*)|[^\\]`)
