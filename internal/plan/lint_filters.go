package plan

import (
	"regexp"
	"strings"

	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strftime"
	"github.com/esnap/esnap/internal/strictyaml"
)

func (p *parser) lintFilters(nodes *strictyaml.Node, s Step, c filters.Chain) {
	if nodes == nil {
		return
	}
	if len(nodes.Items) == 0 && s.Deletes() {
		p.p.Warn(nodes, "filters is empty: %s selects everything", s.Kind)
	}
	for n, node := range nodes.Items {
		if n >= len(c) {
			break
		}
		if v := node.Get("exclude"); v != nil && v.Absent() && !filters.Kinds[c[n].Kind].NoExclude {
			unset := filters.Kinds[c[n].Kind].Exclude
			p.unsaid[unset] = append(p.unsaid[unset], v)
		}
		p.lintTimestrings(node, c)
		if f, ok := c[n].Filter.(*filters.Pattern); ok {
			p.lintPattern(node.Get("value"), f, s.Deletes() && s.Selects() == cluster.Indices && !c[n].Exclude)
		}
	}
}

var (
	wildcard = regexp.MustCompile(`(?:^|[^\\])[\w-]\*`)
	unended  = regexp.MustCompile(`(?:^|[^\\])[\pL\pN][)]*(?:\.\*)?$`)
	nested   = regexp.MustCompile(`\\.|\[[^]]*\]|\([^()]*\)`)
)

// lintPattern warns of patterns that match more than expected.
func (p *parser) lintPattern(at *strictyaml.Node, f *filters.Pattern, deletes bool) {
	outside := f.Value
	for inner := ""; inner != outside; {
		inner, outside = outside, nested.ReplaceAllString(outside, "")
	}
	switch {
	case f.Kind == "timestring":
	case wildcard.MatchString(f.Value):
		p.p.Warn(at, "%s %s: this is a regular expression: * is not a wildcard, it repeats the letter before it", f.Kind, f.Value)
	case f.Kind == "regex":
	case strings.Contains(outside, "|"):
		p.p.Warn(at, "%s %s: this is a regular expression: the text after | matches anywhere in a name; write (a|b)", f.Kind, f.Value)
	case f.Kind == "prefix" && deletes && unended.MatchString(f.Value):
		p.p.Warn(at, "the prefix %s does not end with a separator: it also matches %sother-…", f.Value, f.Value)
	}
}

// lintTimestrings warns of timestrings that cannot match any name, or none of those that
// the other filters select.
func (p *parser) lintTimestrings(node *strictyaml.Node, c filters.Chain) {
	for _, key := range []string{"timestring", "date_from_format", "date_to_format", "value"} {
		v := node.Get(key)
		if v.Absent() || key == "value" && (node.Get("kind") == nil || node.Get("kind").Text != "timestring") {
			continue
		}
		for _, u := range strftime.Unknown(v.Text) {
			p.p.Warn(v, "%s: %%%c is not a date token; it is read as the letter %c, and names with a date do not match", key, u, u)
		}
		want := dateIn.FindStringSubmatch(v.Text)
		if want == nil || key != "timestring" {
			continue
		}
		for _, l := range c {
			f, ok := l.Filter.(*filters.Pattern)
			if !ok || l.Exclude {
				continue
			}
			if have := dateIn.FindStringSubmatch(f.Value); have != nil && have[1] != want[1] {
				p.p.Warn(v, "timestring: the %s %s matches names with dates like %s, in which %s finds no date", f.Kind, f.Value,
					"2026"+have[1]+"01", v.Text)
			}
		}
	}
}

// dateIn is a year and a month in a timestring, a name or a regular expression,
// with what stands between them.
var dateIn = regexp.MustCompile(`(?:%Y|\b(?:19|20)\d\d|\\d\{4\}|\[0-9\]\{4\})\\?([-._/]?)` +
	`(?:%m|(?:0[1-9]|1[0-2])(?:\D|$)|\\d\{2\}|\[0-9\]\{2\})`)
