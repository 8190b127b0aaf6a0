package fromenv

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/internal/strftime"
)

// node is a map of the file, in the order in which it is filled.
type node yaml.Node

func newMap() *node { return &node{Kind: yaml.MappingNode, Tag: "!!map"} }

// word is a text of ours, or a number or boolean.
func word(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }

// quoted is the text of a variable, whatever it contains. The parser replaces variables in
// quoted texts, too: $${ is a literal ${.
func quoted(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.SingleQuotedStyle, Value: strings.ReplaceAll(value, "${", "$${")}
}

// from adds the comment that names the variables.
func from(n *yaml.Node, variables ...string) *yaml.Node {
	n.LineComment = strings.Join(variables, ", ")
	return n
}

func (m *node) put(key string, value *yaml.Node) {
	m.Content = append(m.Content, word(key), value)
}

// in is the map under a key, which is made if there is none. Some keys are lists.
func (m *node) in(key string) *node {
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value != key {
			continue
		}
		if n := m.Content[i+1]; n.Kind != yaml.SequenceNode {
			return (*node)(n)
		} else {
			return (*node)(n.Content[0])
		}
	}
	made := newMap()
	if slices.Contains(lists, key) {
		m.put(key, sequence(made))
	} else {
		m.put(key, (*yaml.Node)(made))
	}
	return made
}

func sequence(items ...*node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for _, it := range items {
		n.Content = append(n.Content, (*yaml.Node)(it))
	}
	return n
}

// value is the value of a variable in the form that it has in the file.
func (b *builder) value(v Variable) *yaml.Node {
	given := b.given[v.Name]
	n := quoted(given)
	switch v.form {
	case boolean:
		is, _ := truth(given)
		n = word(strconv.FormatBool(is))
	case number:
		i, _ := strconv.ParseInt(given, 10, 32)
		n = word(strconv.FormatInt(i, 10))
	case secret:
		n = word("${" + v.Name + "}")
	case list:
		n = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, it := range b.entries(v.Name) {
			n.Content = append(n.Content, quoted(it))
		}
	}
	return from(n, v.Name)
}

// text is the text of a variable, or a word of ours if it is not given.
func (b *builder) text(name, otherwise string) *yaml.Node {
	if b.has(name) {
		return from(quoted(b.given[name]), name)
	}
	return word(otherwise)
}

// root is the whole file.
func (b *builder) root() *node {
	root := newMap()
	if b.has(jobName) {
		root.put("name", b.text(jobName, ""))
	} else {
		root.put("name", from(quoted(b.job()), repositoryName))
	}
	for _, v := range told {
		if !b.has(v.Name) {
			continue
		}
		m := root
		for _, key := range v.key[:len(v.key)-1] {
			m = m.in(key)
		}
		m.put(v.key[len(v.key)-1], b.value(v))
	}
	if b.kind() != "" {
		repositories := root.in("repositories")
		repositories.Content = append(repositories.Content, quoted(b.given[repositoryName]), (*yaml.Node)(b.repository()))
	}
	actions := root.in("actions")
	actions.put("1", (*yaml.Node)(b.take()))
	if retain := b.retain(); retain != nil {
		actions.put("2", (*yaml.Node)(retain))
	}
	return root
}

// job is the name of the job if no variable gives it: two jobs on one cluster must not have
// one name.
func (b *builder) job() string {
	name, _, _ := strings.Cut(b.snapshot(), "%")
	return strings.Trim(b.given[repositoryName]+"-"+strings.Trim(name, "-_."), "-")
}

func (b *builder) repository() *node {
	r := newMap()
	r.put("type", b.text(repositoryType, b.kind()))
	if b.has(ensure) {
		r.put("ensure", b.text(ensure, ""))
	}
	for _, s := range slices.Concat(fsSettings, s3Settings, bothSettings) {
		if v := setting(s); b.has(v.Name) {
			r.in("settings").put(s, b.value(v))
		}
	}
	return r
}

// system matches the names of system indices. Data of data streams has a dot, too.
const system = `^\.(?!ds-[^.])`

// take is the action that takes the snapshot. An index that a lifecycle policy manages is
// in it as any other.
func (b *builder) take() *node {
	a := newMap()
	a.put("action", word("snapshot"))
	a.put("description", word("Take the snapshot"))
	o := a.in("options")
	o.put("repository", b.text(repositoryName, ""))
	o.put("name", b.nameNode())
	if period := b.once(); b.has(oncePer) || period != "" {
		o.put("once_per", b.text(oncePer, period))
	}
	is, _ := truth(cmp.Or(b.given[globalState], "false"))
	global := word(strconv.FormatBool(is))
	if b.has(globalState) {
		from(global, globalState)
	}
	o.put("include_global_state", global)
	o.put("allow_ilm_indices", word("true"))
	b.zone(o)
	var only []string
	if b.has(indices) {
		only = b.entries(indices)
		o.put("search_pattern", from(quoted(strings.Join(withStreams(only), ",")), indices))
	}
	var filters []*node
	if !slices.ContainsFunc(only, func(p string) bool { return strings.HasPrefix(p, ".") }) {
		filters = append(filters, exclusion(word(system)))
	}
	if b.has(exclude) {
		filters = append(filters, exclusion(from(word(matching(b.entries(exclude))), exclude)))
	}
	if filters != nil {
		a.put("filters", sequence(filters...))
	}
	return a
}

// Backing indices of data streams have names such as .ds-logs-app-2026.11.21-000001.
const (
	streamPrefix = ".ds-"
	streamSuffix = `-(?:\d{4}\.\d{2}\.\d{2}-)?\d{6}`
)

// withStreams adds the backing indices of the data streams that the patterns match. The
// engine knows data streams by their plain name only.
func withStreams(names []string) (list []string) {
	for _, p := range names {
		list = append(list, p)
		switch {
		case p == "*", !strings.Contains(p, "*"), strings.HasPrefix(p, "."):
		case strings.HasSuffix(p, "*"):
			list = append(list, streamPrefix+p)
		default:
			list = append(list, streamPrefix+p+"-*")
		}
	}
	return list
}

// matching is an expression for names and patterns, of indices and of data streams.
func matching(names []string) string {
	var list []string
	for _, p := range names {
		list = append(list, strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, `.*`))
	}
	any := strings.Join(list, "|")
	return "^(?:" + any + "|" + regexp.QuoteMeta(streamPrefix) + "(?:" + any + ")" + streamSuffix + ")$"
}

func (b *builder) zone(options *node) {
	if b.has(timezone) {
		options.put("timezone", b.text(timezone, ""))
	}
}

// nameNode is the name of the snapshot with the variables that it comes from.
func (b *builder) nameNode() *yaml.Node {
	var names []string
	for _, v := range []string{snapshotName, dateFormat} {
		if b.has(v) {
			names = append(names, v)
		}
	}
	return from(quoted(b.snapshot()), names...)
}

// exclusion spares the indices whose name matches an expression.
func exclusion(expression *yaml.Node) *node {
	f := regex(expression)
	f.put("exclude", word("true"))
	return f
}

// regex matches names by an expression. The parser replaces no variables in it.
func regex(expression *yaml.Node) *node {
	f := newMap()
	expression.Tag, expression.Style = "!!str", yaml.SingleQuotedStyle
	f.put("filtertype", word("pattern"))
	f.put("kind", word("regex"))
	f.put("value", expression)
	return f
}

// dates are the date tokens of a name with what is between them.
var dates = regexp.MustCompile(`(?:%[A-Za-z][-_.]?)+`)

// retain is the action that deletes snapshots of this job which no rule keeps; nil: there
// are no rules.
func (b *builder) retain() *node {
	given := slices.DeleteFunc(slices.Clone(rules), func(v Variable) bool { return !b.has(v.Name) })
	if len(given) == 0 {
		return nil
	}
	a := newMap()
	a.put("action", word("delete_snapshots"))
	a.put("description", word("Delete snapshots of this job that no rule keeps"))
	o := a.in("options")
	o.put("repository", b.text(repositoryName, ""))
	o.put("ignore_empty_list", word("true"))
	b.zone(o)
	// The names that the first action makes, also with the number that it adds to a name
	// that exists. All of them are one series.
	names := strings.TrimSuffix(strings.TrimPrefix(strftime.Names(b.snapshot()).String(), "^(?:"), ")$")
	f := newMap()
	f.put("filtertype", word("retain"))
	for _, v := range given {
		value := b.value(v)
		if v.key[0] == "within" {
			value.Value += "d"
		}
		f.put(v.key[0], value)
	}
	series := strings.TrimSuffix(dates.ReplaceAllString(b.snapshot(), "*"), "*") + "*"
	f.put("series", &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle, Content: []*yaml.Node{quoted(series)}})
	a.put("filters", sequence(regex(word("^"+names+`(?:-\d+)?$`)), f))
	return a
}
