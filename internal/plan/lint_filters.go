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
		p.p.Warn(nodes, "filters is empty: %s takes everything", s.Kind)
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
			p.lintPattern(node.Get("value"), f, s.Deletes() && s.List() == cluster.Indices && !c[n].Exclude)
		}
	}
}

var (
	wildcard = regexp.MustCompile(`(?:^|[^\\])[\w-]\*`)
	unended  = regexp.MustCompile(`(?:^|[^\\])[\pL\pN][)]*(?:\.\*)?$`)
	nested   = regexp.MustCompile(`\\.|\[[^]]*\]|\([^()]*\)`)
)

// lintPattern warns of texts that match more than they look like.
func (p *parser) lintPattern(at *strictyaml.Node, f *filters.Pattern, deletes bool) {
	outside := f.Value
	for inner := ""; inner != outside; {
		inner, outside = outside, nested.ReplaceAllString(outside, "")
	}
	switch {
	case f.Kind == "timestring":
	case wildcard.MatchString(f.Value):
		p.p.Warn(at, "in the %s %s, a regular expression, * is no wildcard: it repeats the letter before it", f.Kind, f.Value)
	case f.Kind == "regex":
	case strings.Contains(outside, "|"):
		p.p.Warn(at, "in the %s %s, a regular expression, what stands after | is looked for anywhere in a name; (a|b) keeps both together", f.Kind, f.Value)
	case f.Kind == "prefix" && deletes && unended.MatchString(f.Value):
		p.p.Warn(at, "the prefix %s has no separator at its end: it also matches %sother-…", f.Value, f.Value)
	}
}

// lintTimestrings warns of timestrings that can match no name, or none of those
// that the other filters leave.
func (p *parser) lintTimestrings(node *strictyaml.Node, c filters.Chain) {
	for _, key := range []string{"timestring", "date_from_format", "date_to_format", "value"} {
		v := node.Get(key)
		if v.Absent() || key == "value" && (node.Get("kind") == nil || node.Get("kind").Text != "timestring") {
			continue
		}
		for _, u := range strftime.Unknown(v.Text) {
			p.p.Warn(v, "%s: %%%c is no token of dates: it stands for the letter %c, so that names with a date are not found", key, u, u)
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
				p.p.Warn(v, "timestring: the %s %s is about names with dates like %s, in which %s finds none", f.Kind, f.Value, "2026"+have[1]+"01", v.Text)
			}
		}
	}
}

// dateIn is a year and a month in a timestring, a name or a regular expression,
// with what stands between them.
var dateIn = regexp.MustCompile(`(?:%Y|\b(?:19|20)\d\d|\\d\{4\}|\[0-9\]\{4\})\\?([-._/]?)(?:%m|(?:0[1-9]|1[0-2])(?:\D|$)|\\d\{2\}|\[0-9\]\{2\})`)
