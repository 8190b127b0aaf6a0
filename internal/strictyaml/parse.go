package strictyaml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds a document after its aliases are expanded.
const maxNodes = 10_000

// Options control how a file is read.
type Options struct {
	// Env looks up an environment variable for ${VAR} and ${VAR:default}; nil: they are
	// not substituted.
	Env func(name string) (string, bool)
	// Secret reports whether the file must not read a variable: naming it is an error. nil
	// allows all.
	Secret func(name string) bool
	// Embedded also substitutes inside longer and quoted text, where an unset
	// variable is an error and $${ is a literal ${. Without it only whole unquoted
	// scalars are substituted, and an unset one is null. A default that begins with
	// a hyphen, as shells write it, is an error with it, without it a warning.
	Embedded bool
	// Literal exempts values from embedded substitution, by key and the map that
	// holds it: regular expressions, scripts.
	Literal func(key string, in *Node) bool
	// LastWins makes a duplicate key a warning; the last one counts.
	LastWins bool
}

// Parse reads one document. Errors are collected in p; the tree contains what could be
// read, or is nil.
func Parse(data []byte, o Options, p *Problems) *Node {
	dec := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			p.List = append(p.List, syntaxError(p.File, data, err))
			return nil
		}
		return &Node{Line: 1, Col: 1}
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case err == nil:
		p.List = append(p.List, Problem{
			File: p.File,
			Line: second.Line,
			Col:  max(second.Column, 1),
			Text: "a second document starts here; a file must contain only one document",
		})
	case !errors.Is(err, io.EOF):
		p.List = append(p.List, syntaxError(p.File, data, err))
		return nil
	}
	b := builder{o: o, p: p}
	n := b.build(&doc, nil)
	if b.count > maxNodes {
		p.Add(nil, "the document has more than %d values after its aliases are expanded", maxNodes)
		return nil
	}
	b.substitute(n, "", nil)
	return n
}

var (
	yamlLine      = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)
	unknownAnchor = regexp.MustCompile(`(?s)^yaml: unknown anchor '(.*)' referenced$`)
)

// syntaxError is what the YAML reader reports. The name of an anchor or a tag is never shown:
// a secret without quotes that begins with * or ! is read as one.
func syntaxError(file string, data []byte, err error) Problem {
	if m := unknownAnchor.FindStringSubmatch(err.Error()); m != nil {
		x := Problem{File: file, Text: "invalid YAML: an unknown anchor is referenced", Hint: inQuotes}
		if before, _, found := bytes.Cut(data, []byte("*"+m[1])); found { // the reader does not report the place
			x.Line, x.Col = bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])+1
		}
		return x
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	x := Problem{File: file, Line: line, Col: min(line, 1), Text: "invalid YAML: " + text}
	if strings.Contains(text, "cannot start any token") || strings.Contains(text, "expected alphabetic or numeric") {
		x.Hint = inQuotes + "; a tab does not indent"
	}
	return x
}

// inQuotes is advice on a text that YAML reads as something else.
const inQuotes = "a text that begins with @, *, %, &, ! or ` must be in quotes"

type builder struct {
	o     Options
	p     *Problems
	count int
}

func (b *builder) build(y *yaml.Node, open []*yaml.Node) *Node {
	if b.count++; b.count > maxNodes {
		return &Node{Line: y.Line, Col: y.Column}
	}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) == 0 {
			return &Node{Line: 1, Col: 1}
		}
		return b.build(y.Content[0], open)
	case yaml.AliasNode:
		if slices.Contains(open, y.Alias) {
			b.p.Add(&Node{Line: y.Line, Col: y.Column}, "the alias contains itself")
			return &Node{Line: y.Line, Col: y.Column}
		}
		return b.build(y.Alias, append(open, y.Alias))
	case yaml.ScalarNode:
		return b.scalar(y)
	case yaml.SequenceNode:
		n := &Node{Kind: List, Line: y.Line, Col: y.Column}
		for _, c := range y.Content {
			n.Items = append(n.Items, b.build(c, append(open, y)))
		}
		return n
	default:
		return b.mapping(y, append(open, y))
	}
}

func (b *builder) scalar(y *yaml.Node) *Node {
	n := &Node{Text: y.Value, Line: y.Line, Col: y.Column}
	n.Quoted = y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if y.Style&yaml.TaggedStyle != 0 && y.Tag != "!!str" && y.Tag != "!!int" && y.Tag != "!!float" && y.Tag != "!!bool" && y.Tag != "!!null" {
		b.p.AddHint(n, inQuotes, "this tag is not supported")
	}
	if n.Quoted || y.Style&yaml.TaggedStyle != 0 && y.Tag == "!!str" {
		n.Kind, n.Value = String, y.Value
		return n
	}
	n.Kind, n.Value = resolve(y.Value)
	return n
}

func (b *builder) mapping(y *yaml.Node, open []*yaml.Node) *Node {
	n := &Node{Kind: Map, Line: y.Line, Col: y.Column}
	var merged []*Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], b.build(y.Content[i+1], open)
		if k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style == 0 {
			if v.Kind == List {
				merged = append(merged, v.Items...)
			} else {
				merged = append(merged, v)
			}
			continue
		}
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			b.p.Add(&Node{Line: k.Line, Col: k.Column}, "a key must be a single value")
			continue
		}
		key := b.scalar(k)
		if at := slices.IndexFunc(n.Entries, func(e Entry) bool { return e.Key.Text == key.Text && e.Key.Kind == key.Kind }); at >= 0 {
			text := fmt.Sprintf("the key %q is given twice, first in line %d", key.Text, n.Entries[at].Key.Line)
			if b.o.LastWins {
				b.p.Warn(key, "%s; the last one counts", text)
				n.Entries[at] = Entry{key, v}
			} else {
				b.p.Add(key, "%s", text)
			}
			continue
		}
		n.Entries = append(n.Entries, Entry{key, v})
	}
	for _, m := range merged {
		if m.Kind != Map {
			b.p.Add(m, "<< takes a map or a list of maps, not %s", m.Kind)
			continue
		}
		for _, e := range m.Entries {
			if n.Get(e.Key.Text) == nil {
				n.Entries = append(n.Entries, e)
			}
		}
	}
	return n
}

var (
	wholeVar = regexp.MustCompile(`^\$\{([^:}]*)(?::(.*))?\}$`)
	someVar  = regexp.MustCompile(`\$?\$\{[^{}]*\}|\$\$\{`)
)

// substitute replaces variables in the values below n. Nodes that an alias shares were
// built once for each use, so each one is visited once.
func (b *builder) substitute(n *Node, key string, in *Node) {
	if n == nil || b.o.Env == nil {
		return
	}
	for _, e := range n.Entries {
		b.substitute(e.Value, e.Key.Text, n)
	}
	for _, it := range n.Items {
		b.substitute(it, key, in)
	}
	if n.Kind != String || !strings.Contains(n.Text, "${") || n.From != "" {
		return
	}
	if m := wholeVar.FindStringSubmatch(n.Text); m != nil && !n.Quoted {
		name, fallback, hasFallback := m[1], m[2], strings.Contains(n.Text, ":")
		b.checkDefault(n, name, fallback)
		value, set := b.lookup(n, name)
		switch {
		case set:
			n.Value, n.Text = value, value
		case hasFallback:
			n.Value, n.Text = fallback, fallback
		default:
			n.Kind, n.Value, n.Text = Null, nil, ""
		}
		n.From, n.Quoted = name, true
		return
	}
	if !b.o.Embedded || b.o.Literal != nil && b.o.Literal(key, in) {
		return
	}
	var from []string
	text := someVar.ReplaceAllStringFunc(n.Text, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		m := wholeVar.FindStringSubmatch(ref)
		if m == nil {
			return ref
		}
		from = append(from, m[1])
		b.checkDefault(n, m[1], m[2])
		if value, set := b.lookup(n, m[1]); set {
			return value
		}
		if strings.Contains(ref, ":") {
			return m[2]
		}
		b.p.AddHint(n, "set the variable, write a default as in ${"+m[1]+":default}, or write $${ for a literal ${",
			"the environment variable %s is not set", m[1])
		return ""
	})
	n.Value, n.Text, n.From = text, text, strings.Join(from, ", ")
}

// lookup reads a variable that the value n names.
func (b *builder) lookup(n *Node, name string) (string, bool) {
	if b.o.Secret != nil && b.o.Secret(name) {
		b.p.AddHint(n, "set the value also in a variable with another name, and use that variable",
			"${%s} cannot be used here: it is a secret of esnap's own connection to the cluster", name)
		return "", true
	}
	value, set := b.o.Env(name)
	b.p.hide(name, value)
	return value, set
}

// checkDefault finds defaults in the form of shells. Everything after the colon is the
// value, so ${DAYS:-7} is minus seven.
func (b *builder) checkDefault(n *Node, name, fallback string) {
	value, shell := strings.CutPrefix(fallback, "-")
	if !shell {
		return
	}
	if !digits.MatchString(value) { // it may be a secret
		value = "default"
	}
	b.p.Tolerate(n, !b.o.Embedded, "write ${"+name+":"+value+"}",
		"the default of the variable %s begins with a hyphen, which is part of the value; ${%s:-…} is the form of shells",
		name, name)
}

var digits = regexp.MustCompile(`^[0-9.]+$`)

func sorted(list []Problem) []Problem {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(list)
}
