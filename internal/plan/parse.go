package plan

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/repository"
)

// literal exempts what has its own meaning for $ and {: regular expressions,
// rename replacements, scripts; and what is said to people only.
func literal(key string, in *strictyaml.Node) bool {
	switch key {
	case "rename_pattern", "rename_replacement", "script", "unit_count_pattern", "pattern", "source", "description":
		return true
	case "value":
		kind := in.Get("kind")
		return kind != nil && kind.Text == "regex"
	}
	return false
}

type parser struct {
	o        Options
	p        *strictyaml.Problems
	plan     *Plan
	defaults *strictyaml.Node
	declared map[string]bool
	unsaid   map[bool][]*strictyaml.Node // where exclude is empty, by the default that counts
}

func (p *parser) file(root *strictyaml.Node) {
	var known struct {
		Actions      *strictyaml.Node `yaml:"-"`
		Repositories *strictyaml.Node `yaml:"-"`
	}
	ours, clients := []string{"actions", "repositories", "defaults"}, []string{"client", "elasticsearch", "cluster", "logging"}
	strictyaml.Decode(root, &known, strictyaml.How{What: "key", Also: append(ours, clients...)}, p.p)
	if root.Kind != strictyaml.Map {
		return
	}
	for _, e := range root.Entries {
		if slices.Contains(clients, e.Key.Text) {
			p.p.AddHint(e.Key, "it belongs into the client file, which --config names", "unknown key %q", e.Key.Text)
		}
	}
	p.repositories(root.Get("repositories"))
	p.readDefaults(root.Get("defaults"))
	list := root.Get("actions")
	switch {
	case list == nil && !root.Get("repositories").Absent():
	case list == nil:
		p.p.AddHint(root, "an action file reads: actions: {1: {action: snapshot, options: …, filters: …}}", "the key actions is missing")
	case list.Kind != strictyaml.Map:
		p.p.Add(list, "actions: expected a map of numbered actions, got %s", list.Kind)
	default:
		p.actions(list)
	}
}

func (p *parser) repositories(n *strictyaml.Node) {
	if n == nil || n.Kind == strictyaml.Null {
		return
	}
	if n.Kind != strictyaml.Map {
		p.p.Add(n, "repositories: expected a map of name to repository, got %s", n.Kind)
		return
	}
	p.declared = map[string]bool{}
	for _, e := range n.Entries {
		spec := struct {
			Type     string         `yaml:"type" check:"required"`
			Settings map[string]any `yaml:"settings"`
			Ensure   string         `yaml:"ensure" check:"oneof=create|update|verify"`
			ReadOnly *bool          `yaml:"readonly"`
		}{Ensure: "create", Settings: map[string]any{}}
		before := len(p.p.List)
		strictyaml.Decode(e.Value, &spec, strictyaml.How{What: "key of a repository", Prune: true}, p.p)
		p.declared[e.Key.Text] = true
		if len(p.p.List) > before {
			continue
		}
		if spec.ReadOnly != nil {
			spec.Settings["readonly"] = *spec.ReadOnly
		}
		s := repository.Spec{Name: e.Key.Text, Type: spec.Type, Settings: spec.Settings, Ensure: repository.Ensure(spec.Ensure)}
		settings := e.Value.Get("settings")
		p.optionErrors(s.Validate(), func(key string) *strictyaml.Node {
			if key == "type" {
				return e.Value.Get("type")
			}
			return cmp.Or(settings.Get(key), settings, e.Value)
		})
		p.plan.Repositories = append(p.plan.Repositories, s)
	}
	slices.SortFunc(p.plan.Repositories, func(a, b repository.Spec) int { return strings.Compare(a.Name, b.Name) })
}

// optionErrors places errors of options at the options' values.
func (p *parser) optionErrors(err error, at func(key string) *strictyaml.Node) {
	for _, e := range cluster.Unjoin(err) {
		var oe *cluster.OptionError
		if errors.As(e, &oe) {
			p.p.AddHint(at(oe.Key), oe.Hint, "%s", oe.Error())
		} else {
			p.p.Add(at(""), "%s", e)
		}
	}
}

// readDefaults keeps the defaults for the actions that know them; a key that no
// action knows is an error.
func (p *parser) readDefaults(n *strictyaml.Node) {
	if n == nil || n.Kind == strictyaml.Null {
		return
	}
	if n.Kind != strictyaml.Map {
		p.p.Add(n, "defaults: expected a map of options, got %s", n.Kind)
		return
	}
	p.defaults = n
	known := map[string]bool{}
	for _, f := range strictyaml.Fields(typeOf(&actions.Common{})) {
		known[f.Name] = true
	}
	for _, k := range actions.Kinds {
		for _, f := range strictyaml.Fields(typeOf(k.New(p.o.Flavour))) {
			known[f.Name] = true
		}
	}
	for _, e := range n.Entries {
		if !known[e.Key.Text] {
			p.p.AddHint(e.Key, strictyaml.DidYouMean(e.Key.Text, slices.Collect(maps.Keys(known))), "defaults: no action has an option %q", e.Key.Text)
		}
	}
}

func (p *parser) actions(list *strictyaml.Node) {
	entries := slices.Clone(list.Entries)
	if len(entries) == 0 {
		p.p.Add(list, "actions: there is no action in it")
	}
	numbers, texts := 0, 0
	for _, e := range entries {
		switch e.Key.Kind {
		case strictyaml.Int:
			numbers++
		case strictyaml.String:
			texts++
		default:
			p.p.Add(e.Key, "the id %s of an action must be a number or text", e.Key.Shown())
		}
	}
	if numbers > 0 && texts > 0 {
		p.p.Add(list, "the ids of actions must be all numbers or all text: there is no order between both")
	}
	slices.SortStableFunc(entries, func(a, b strictyaml.Entry) int {
		x, okX := a.Key.Value.(int64)
		y, okY := b.Key.Value.(int64)
		if okX && okY {
			return cmp.Compare(x, y)
		}
		return strings.Compare(a.Key.Text, b.Key.Text)
	})
	for _, e := range entries {
		p.action(e)
	}
}

// actionKeys are the keys of one action.
type actionKeys struct {
	Action      string `yaml:"action" check:"required"`
	Description string `yaml:"description" check:"scalar"`
}

func (p *parser) action(e strictyaml.Entry) {
	n := e.Value
	keys := actionKeys{Description: "No description given"}
	var slots []string
	if name := n.Get("action"); name != nil {
		slots = actions.Kinds[name.Text].Slots
	}
	strictyaml.Decode(n, &keys, strictyaml.How{What: "key of an action", Also: append([]string{"options", "filters"}, slots...), Prune: true}, p.p)
	if n.Kind != strictyaml.Map || keys.Action == "" {
		return
	}
	kind, ok := actions.Kinds[keys.Action]
	if !ok {
		p.p.AddHint(n.Get("action"), strictyaml.DidYouMean(keys.Action, slices.Collect(maps.Keys(actions.Kinds))),
			"action: there is no action %q; there are %s", keys.Action, strings.Join(slices.Sorted(maps.Keys(actions.Kinds)), ", "))
		return
	}
	step := Step{ID: idText(e.Key), Kind: keys.Action, Description: keys.Description, Line: e.Key.Line, Action: kind.New(p.o.Flavour)}
	options := n.Get("options")
	if options != nil && options.Kind == strictyaml.Null {
		p.p.Add(options, "options: expected a map, got nothing")
		options = nil
	}
	p.options(&step, kind, n, options)
	p.filters(&step, kind, n)
	p.slots(&step, kind, n)
	p.finish(&step, kind, options)
	p.plan.Steps = append(p.plan.Steps, step)
}

func idText(key *strictyaml.Node) string {
	if i, ok := key.Value.(int64); ok {
		return strconv.FormatInt(i, 10)
	}
	return key.Text
}

// options fills in the options all actions have, and the action's own.
func (p *parser) options(step *Step, kind actions.Kind, at, options *strictyaml.Node) {
	common := strictyaml.Fields(typeOf(&step.Common))
	own := strictyaml.Fields(typeOf(step.Action))
	merged := &strictyaml.Node{Kind: strictyaml.Map, Line: at.Line, Col: at.Col}
	if options != nil {
		if options.Kind != strictyaml.Map {
			p.p.Add(options, "options: expected a map, got %s", options.Kind)
			return
		}
		merged.Line, merged.Col = options.Line, options.Col
		merged.Entries = append(merged.Entries, options.Entries...)
	}
	knows := func(name string) bool {
		is := func(f strictyaml.Field) bool { return f.Name == name }
		return slices.ContainsFunc(common, is) || slices.ContainsFunc(own, is)
	}
	if p.defaults != nil {
		for _, d := range p.defaults.Entries {
			if d.Key.Text == "search_pattern" && kind.List != cluster.Indices {
				continue
			}
			if knows(d.Key.Text) && merged.Get(d.Key.Text) == nil {
				merged.Entries = append(merged.Entries, d)
			}
		}
	}
	what := "option of " + step.Kind
	elsewhere := names(common)
	for _, e := range merged.Entries {
		if beside := append([]string{"action", "description", "filters", "options"}, kind.Slots...); slices.Contains(beside, e.Key.Text) {
			p.p.AddHint(e.Key, "it stands beside options, not in them", "unknown %s %q", what, e.Key.Text)
			elsewhere = append(elsewhere, e.Key.Text)
		}
	}
	if _, ok := step.Action.(actions.Remoted); ok {
		elsewhere = append(elsewhere, actions.RemoteSlot)
	}
	strictyaml.Decode(merged, &step.Common, strictyaml.How{What: what, Prune: true, Also: append(names(own), elsewhere...)}, &strictyaml.Problems{})
	commonOnly := *merged
	commonOnly.Entries = slices.DeleteFunc(slices.Clone(merged.Entries), func(e strictyaml.Entry) bool { return !slices.Contains(names(common), e.Key.Text) })
	strictyaml.Decode(&commonOnly, &step.Common, strictyaml.How{What: what, Prune: true}, p.p)
	if step.Common.DisableAction {
		p.dropUnset(merged)
	}
	given := strictyaml.Decode(merged, step.Action, strictyaml.How{What: what, Prune: true, Empty: true, Also: elsewhere}, p.p)
	p.remoteFilters(step, merged, given)
	p.optionErrors(step.Action.Validate(given), func(key string) *strictyaml.Node { return cmp.Or(merged.Get(key), merged) })
	if v := options.Get("search_pattern"); !v.Absent() && kind.List != cluster.Indices {
		p.p.Add(v, "search_pattern: %s does not list indices", step.Kind)
	}
}

// dropUnset takes entries of lists out whose variable is not set. In an action that
// runs they are errors: an empty list may mean everything.
func (p *parser) dropUnset(options *strictyaml.Node) {
	for i, e := range options.Entries {
		given := *e.Value // the file's defaults are other actions', too
		given.Items = slices.DeleteFunc(slices.Clone(given.Items), func(it *strictyaml.Node) bool {
			unset := it.Kind == strictyaml.Null && it.From != ""
			if unset {
				p.p.Warn(it, "%s: an entry counts as not given, as the action is disabled: %s", e.Key.Text, it.Shown())
			}
			return unset
		})
		options.Entries[i].Value = &given
	}
}

// remoteFilters reads the filters on a remote cluster's indices.
func (p *parser) remoteFilters(step *Step, options *strictyaml.Node, given map[string]bool) {
	n := options.Get(actions.RemoteSlot)
	action, ok := step.Action.(actions.Remoted)
	if !ok || n.Absent() {
		return
	}
	if action.Remote() == nil {
		p.p.Warn(n, "%s has no effect: it chooses what REINDEX_SELECTION takes from the cluster in source.remote", actions.RemoteSlot)
	}
	given[actions.RemoteSlot] = true
	if n.Kind != strictyaml.List {
		p.p.Add(n, "%s: expected a list, got %s", actions.RemoteSlot, n.Kind)
		return
	}
	step.Slots = map[string]filters.Chain{actions.RemoteSlot: p.chain(cluster.Indices, step.Kind, n)}
}

func names(fields []strictyaml.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}

func (p *parser) filters(step *Step, kind actions.Kind, at *strictyaml.Node) {
	n := at.Get("filters")
	switch {
	case kind.List == "":
		if n != nil {
			p.p.Add(n, "filters: %s takes no filters", step.Kind)
		}
		return
	case n == nil && (kind.Deletes || p.o.Flavour != actions.Native):
		p.p.AddHint(at, "to take everything on purpose, write filters: [{filtertype: none}]", "the key filters is missing: %s must say what it is done to", step.Kind)
		return
	case n == nil:
		return
	case n.Kind != strictyaml.List:
		p.p.Add(n, "filters: expected a list, got %s", n.Kind)
		return
	}
	step.Chain = p.chain(kind.List, step.Kind, n)
}

// slots reads the blocks of an action that hold filters of their own.
func (p *parser) slots(step *Step, kind actions.Kind, at *strictyaml.Node) {
	for _, name := range kind.Slots {
		n := at.Get(name)
		if n == nil {
			continue
		}
		strictyaml.Decode(n, &struct{}{}, strictyaml.How{What: "key of " + name, Also: []string{"filters"}}, p.p)
		list := n.Get("filters")
		switch {
		case n.Kind != strictyaml.Map:
		case list == nil:
			p.p.Add(n, "%s: the key filters is missing", name)
		case list.Kind != strictyaml.List:
			p.p.Add(list, "filters: expected a list, got %s", list.Kind)
		default:
			if step.Slots == nil {
				step.Slots = map[string]filters.Chain{}
			}
			step.Slots[name] = p.chain(cluster.Indices, step.Kind, list)
		}
	}
	if len(kind.Slots) > 0 && len(step.Slots) == 0 {
		p.p.Add(at, "%s needs one of %s", step.Kind, strings.Join(kind.Slots, ", "))
	}
}

func (p *parser) chain(list cluster.ListKind, action string, n *strictyaml.Node) filters.Chain {
	var c filters.Chain
	for _, f := range n.Items {
		if l, ok := p.filter(list, action, f); ok {
			c = append(c, l)
		}
	}
	return c
}

func (p *parser) filter(list cluster.ListKind, action string, n *strictyaml.Node) (link filters.Link, ok bool) {
	if n.Kind != strictyaml.Map {
		p.p.Add(n, "filters: expected a map with filtertype in the list, got %s", n.Kind)
		return link, false
	}
	typ := n.Get("filtertype")
	if typ.Absent() {
		p.p.Add(n, "the filter has no filtertype")
		return link, false
	}
	fk, ok := filters.Kinds[typ.Text]
	if !ok {
		p.p.AddHint(typ, strictyaml.DidYouMean(typ.Text, slices.Collect(maps.Keys(filters.Kinds))),
			"filtertype: there is no filter %s; there are %s", typ.Shown(), strings.Join(slices.Sorted(maps.Keys(filters.Kinds)), ", "))
		return link, false
	}
	if list == cluster.Indices && !fk.Indices || list == cluster.Snapshots && !fk.Snapshots {
		p.p.Add(typ, "filtertype: %s does not apply to %s, which %s works on", typ.Text, list, action)
		return link, false
	}
	f := fk.New()
	also := []string{"filtertype"}
	exclude := struct {
		Exclude bool `yaml:"exclude"`
	}{fk.Exclude}
	if !fk.NoExclude {
		also = append(also, "exclude")
		if v := n.Get("exclude"); v != nil {
			one := &strictyaml.Node{Kind: strictyaml.Map, Line: v.Line, Col: v.Col, Entries: []strictyaml.Entry{{Key: v, Value: v}}}
			one.Entries[0].Key = &strictyaml.Node{Kind: strictyaml.String, Text: "exclude", Line: v.Line, Col: v.Col}
			strictyaml.Decode(one, &exclude, strictyaml.How{What: "option", Prune: true}, p.p)
		}
	}
	before := len(p.p.List)
	given := strictyaml.Decode(n, f, strictyaml.How{What: "option of the filter " + typ.Text, Prune: true, Empty: true, Also: also}, p.p)
	if len(p.p.List) == before {
		p.optionErrors(f.Validate(list, given), func(key string) *strictyaml.Node { return cmp.Or(n.Get(key), n) })
	}
	return filters.Link{Kind: typ.Text, Filter: f, Exclude: exclude.Exclude}, true
}

// finish settles what follows from options and filters together.
func (p *parser) finish(step *Step, kind actions.Kind, options *strictyaml.Node) {
	if step.Common.TimeoutOverride != nil && *step.Common.TimeoutOverride > 0 {
		step.Timeout = time.Duration(*step.Common.TimeoutOverride) * time.Second
	} else {
		step.Timeout = kind.Timeout
	}
	step.Location = time.UTC
	if zone := step.Common.Timezone; zone != "" {
		loc, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			p.p.Add(options.Get("timezone"), "timezone: there is no time zone %q; names are like Europe/Berlin", zone)
			loc = time.UTC
		}
		step.Location = loc
	}
	Complete(step, p.o)
}
