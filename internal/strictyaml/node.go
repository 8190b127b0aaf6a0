// Package strictyaml reads YAML as PyYAML does (version 1.1), but strictly: every value
// knows its line and column; unknown and duplicate keys and values of the wrong type are
// errors with a suggestion; all errors are reported at once.
//
// Parse turns a text into a tree of Nodes, Decode turns a tree into structs.
package strictyaml

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is the type of a value after YAML 1.1 resolution.
type Kind int

// The kinds. A date is a scalar that PyYAML would turn into a date.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	Date
	Map
	List
)

// String names the kind in error messages.
func (k Kind) String() string {
	return [...]string{"nothing", "a boolean", "a number", "a number", "text", "a date", "a map", "a list"}[k]
}

// Node is one value of a document.
type Node struct {
	Kind   Kind
	Value  any    // bool, int64, float64 or string; nil for null, maps and lists
	Text   string // a scalar as it is written, without quotes
	Quoted bool
	Line   int
	Col    int
	From   string // the environment variable the value came from; its value is never shown

	Entries []Entry // of a map, in file order, after merging
	Items   []*Node // of a list
}

// Entry is one key of a map and its value.
type Entry struct {
	Key   *Node
	Value *Node
}

// Get returns the value of a key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for _, e := range n.Entries {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

// Absent reports whether a value counts as not given: null or the text None.
func (n *Node) Absent() bool {
	return n == nil || n.Kind == Null || n.Kind == String && n.Value == "None"
}

// Interface turns the node into plain Go values, for maps that are passed on.
func (n *Node) Interface() any {
	switch n.Kind {
	case Map:
		m := make(map[string]any, len(n.Entries))
		for _, e := range n.Entries {
			m[e.Key.Text] = e.Value.Interface()
		}
		return m
	case List:
		l := make([]any, len(n.Items))
		for i, it := range n.Items {
			l[i] = it.Interface()
		}
		return l
	case Date:
		return n.Text
	default:
		return n.Value
	}
}

// Shown is the value in an error message: as written, or the variable that it came from.
func (n *Node) Shown() string {
	switch {
	case n.From != "" && n.Kind == Null:
		return "the environment variable " + n.From + " is not set"
	case n.From != "":
		return "the value of ${" + n.From + "}"
	case n.Kind == Map:
		return "a map"
	case n.Kind == List:
		return "a list"
	case n.Kind == Null:
		return "nothing"
	case n.Kind == String:
		return strconv.Quote(withoutPaths(n.Text))
	default:
		return n.Text
	}
}

// address is an address in a text: its scheme, who asks, the host, and the rest.
var address = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/@]*@)?([^\s/?#@]*)([/?#]\S+)?`)

// withoutPaths leaves scheme and host of addresses: the rest may contain a token.
func withoutPaths(text string) string {
	return address.ReplaceAllStringFunc(text, func(found string) string {
		m := address.FindStringSubmatch(found)
		if m[3] != "" {
			m[3] = "/…"
		}
		return m[1] + m[2] + m[3]
	})
}

// The implicit types of YAML 1.1 as PyYAML resolves them.
var (
	boolText  = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$`)
	intText   = regexp.MustCompile(`^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	floatText = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|` +
		`[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
	dateText = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$|` +
		`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?` +
		`(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?$`)
)

// resolve gives a plain scalar its YAML 1.1 type.
func resolve(text string) (Kind, any) {
	switch {
	case text == "" || text == "~" || text == "null" || text == "Null" || text == "NULL":
		return Null, nil
	case boolText.MatchString(text):
		switch strings.ToLower(text) {
		case "yes", "true", "on":
			return Bool, true
		}
		return Bool, false
	case intText.MatchString(text):
		if i, ok := parseInt(text); ok {
			return Int, i
		}
		return String, text
	case floatText.MatchString(text):
		return Float, parseFloat(text)
	case dateText.MatchString(text):
		return Date, text
	}
	return String, text
}

func parseInt(text string) (int64, bool) {
	s := strings.ReplaceAll(text, "_", "")
	sign, digits := "", s
	if strings.ContainsAny(s[:1], "+-") {
		sign, digits = s[:1], s[1:]
	}
	if sign == "+" {
		sign = ""
	}
	if strings.Contains(digits, ":") {
		i := int64(sexagesimal(digits))
		if sign == "-" {
			i = -i
		}
		return i, true
	}
	base := 10
	switch {
	case strings.HasPrefix(digits, "0b"):
		base, digits = 2, digits[2:]
	case strings.HasPrefix(digits, "0x"):
		base, digits = 16, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base = 8
	}
	i, err := strconv.ParseInt(sign+digits, base, 64)
	return i, err == nil
}

func parseFloat(text string) float64 {
	s := strings.ToLower(strings.ReplaceAll(text, "_", ""))
	sign := 1.0
	if t, neg := strings.CutPrefix(s, "-"); neg {
		sign, s = -1, t
	}
	s = strings.TrimPrefix(s, "+")
	switch {
	case s == ".inf":
		return math.Inf(int(sign))
	case s == ".nan":
		return math.NaN()
	case strings.Contains(s, ":"):
		return sign * sexagesimal(s)
	}
	f, _ := strconv.ParseFloat(s, 64)
	return sign * f
}

func sexagesimal(s string) float64 {
	total := 0.0
	for part := range strings.SplitSeq(s, ":") {
		f, _ := strconv.ParseFloat(part, 64)
		total = total*60 + f
	}
	return total
}

// Problem is one error or warning in a file, with its place.
type Problem struct {
	File string
	Line int // 0: the file as a whole
	Col  int
	Text string
	Hint string // a suggestion; may be empty
	// Tolerated marks a warning that is an error elsewhere: a run also shows it.
	Tolerated bool
}

// Error has the form file:line:column: what is wrong; did you mean ….
func (p Problem) Error() string { return p.text("") }

// Warning is the problem as a warning: file:line:column: warning: what is wrong.
func (p Problem) Warning() string { return p.text("warning: ") }

func (p Problem) text(level string) string {
	at := p.File
	if p.Line > 0 && p.File != "" { // a command line has no lines
		at = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
	s := level + p.Text
	if at != "" {
		s = at + ": " + s
	}
	if p.Hint != "" {
		s += "; " + p.Hint
	}
	return s
}

// Problems collects the errors and warnings of one file. The zero value is ready to use.
type Problems struct {
	File     string
	List     []Problem
	Warnings []Problem

	hidden map[string]string // values of variables, in each form of a message, and what is shown instead
}

// minHidden is the minimum length of a hidden value in bytes: shorter ones occur in any text.
const minHidden = 4

// hide replaces the value of a variable by its name, in all problems that are added later.
func (p *Problems) hide(name, value string) {
	if len(value) < minHidden {
		return
	}
	if p.hidden == nil {
		p.hidden = map[string]string{}
	}
	quoted := strconv.Quote(value)
	p.hidden[value], p.hidden[quoted[1:len(quoted)-1]] = "${"+name+"}", "${"+name+"}"
}

// shown is a text without the values of variables. The longest values are found first: one
// may contain another.
func (p *Problems) shown(text string) string {
	values := slices.SortedFunc(maps.Keys(p.hidden), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, value := range values {
		pairs = append(pairs, value, p.hidden[value])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Add adds an error at a node; a nil node means the file as a whole.
func (p *Problems) Add(n *Node, format string, args ...any) { p.AddHint(n, "", format, args...) }

// AddHint adds an error with a suggestion.
func (p *Problems) AddHint(n *Node, hint, format string, args ...any) {
	p.List = append(p.List, p.problem(n, hint, format, args...))
}

// Warn adds a warning: valid, but probably not intended.
func (p *Problems) Warn(n *Node, format string, args ...any) { p.WarnHint(n, "", format, args...) }

// WarnHint adds a warning with a suggestion.
func (p *Problems) WarnHint(n *Node, hint, format string, args ...any) {
	p.Warnings = append(p.Warnings, p.problem(n, hint, format, args...))
}

// Tolerate adds an error. Where the file is read as Curator reads it, it adds a warning
// that a run also shows.
func (p *Problems) Tolerate(n *Node, asCurator bool, hint, format string, args ...any) {
	pr := p.problem(n, hint, format, args...)
	if !asCurator {
		p.List = append(p.List, pr)
		return
	}
	pr.Tolerated = true
	p.Warnings = append(p.Warnings, pr)
}

func (p *Problems) problem(n *Node, hint, format string, args ...any) Problem {
	pr := Problem{File: p.File, Text: p.shown(fmt.Sprintf(format, args...)), Hint: p.shown(hint)}
	if n != nil {
		pr.Line, pr.Col = n.Line, n.Col
	}
	return pr
}

// SortedWarnings are the warnings in file order.
func (p *Problems) SortedWarnings() []Problem { return sorted(p.Warnings) }

// Err returns the problems as one error, in file order, or nil.
func (p *Problems) Err() error {
	if len(p.List) == 0 {
		return nil
	}
	return &Error{List: sorted(p.List)}
}

// Error are all errors in a file.
type Error struct{ List []Problem }

// Error writes one problem per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.List))
	for i, p := range e.List {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}
