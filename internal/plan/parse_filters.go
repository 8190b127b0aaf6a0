package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/strictyaml"
)

func (p *parser) filters(step *Step, kind actions.Kind, at *strictyaml.Node) {
	n := at.Get("filters")
	switch {
	case kind.List == "":
		if n != nil {
			p.p.Add(n, "filters: %s takes no filters", step.Kind)
		}
		return
	case n == nil && (kind.Deletes || p.o.Flavour != flavour.Native):
		p.p.AddHint(at, "to select everything on purpose, write filters: [{filtertype: none}]",
			"the key filters is missing: %s needs filters that select its items", step.Kind)
		return
	case n == nil:
		return
	case n.Kind != strictyaml.List:
		p.p.Add(n, "filters: expected a list, got %s", n.Kind)
		return
	}
	step.Chain = p.chain(kind.List, step.Kind, n)
}

// slots reads the blocks of an action that have their own filters.
func (p *parser) slots(step *Step, kind actions.Kind, at *strictyaml.Node) {
	for _, name := range kind.Slots {
		n := at.Get(name)
		if n == nil {
			continue
		}
		strictyaml.Decode(n, &struct{}{}, strictyaml.DecodeOptions{Subject: "key of " + name, ExtraKeys: []string{"filters"}}, p.p)
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
		p.p.Add(at, "%s requires one of %s", step.Kind, strings.Join(kind.Slots, ", "))
	}
}

// remoteFilters reads the filters on a remote cluster's indices.
func (p *parser) remoteFilters(step *Step, options *strictyaml.Node, given map[string]bool) {
	n := options.Get(actions.RemoteSlot)
	action, ok := step.Action.(actions.RemoteSource)
	if !ok || n.Absent() {
		return
	}
	if action.Remote() == nil {
		p.p.Warn(n, "%s has no effect: it is used only with REINDEX_SELECTION and source.remote", actions.RemoteSlot)
	}
	given[actions.RemoteSlot] = true
	if n.Kind != strictyaml.List {
		p.p.Add(n, "%s: expected a list, got %s", actions.RemoteSlot, n.Kind)
		return
	}
	step.Slots = map[string]filters.Chain{actions.RemoteSlot: p.chain(cluster.Indices, step.Kind, n)}
}

func (p *parser) chain(list cluster.ListKind, action string, n *strictyaml.Node) filters.Chain {
	var c filters.Chain
	var narrowed string // the first filter so far that judges more than names
	for _, f := range n.Items {
		l, ok := p.filter(list, action, f)
		if !ok {
			continue
		}
		switch {
		case l.Kind == "retain" && !actions.Kinds[action].Deletes:
			p.p.Add(f, "filtertype: retain cannot be used here: it selects snapshots to delete")
		case l.Kind == "retain" && c.Retention() != nil:
			p.p.Add(f, "filtertype: there are two filters retain; put all rules into one")
		case l.Kind == "retain" && narrowed != "":
			p.p.AddHint(f, "put "+narrowed+" after retain", "filtertype: %s stands before retain: retain judges all snapshots of a series", narrowed)
		case l.Kind != "pattern" && l.Kind != "none" && narrowed == "":
			narrowed = l.Kind
		}
		c = append(c, l)
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
		p.p.AddHint(typ, near.DidYouMean(typ.Text, slices.Collect(maps.Keys(filters.Kinds))),
			"filtertype: there is no filter %s; there are %s", typ.Shown(), strings.Join(slices.Sorted(maps.Keys(filters.Kinds)), ", "))
		return link, false
	}
	if list == cluster.Indices && !fk.Indices || list == cluster.Snapshots && !fk.Snapshots {
		p.p.Add(typ, "filtertype: %s cannot be used here: %[3]s works on %[2]s", typ.Text, list, action)
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
			strictyaml.Decode(one, &exclude, strictyaml.DecodeOptions{Subject: "option", IgnoreNull: true}, p.p)
		}
	}
	before := len(p.p.List)
	given := strictyaml.Decode(n, f, strictyaml.DecodeOptions{
		Subject:              "option of the filter " + typ.Text,
		Owner:                "filter " + typ.Text,
		IgnoreNull:           true,
		TolerateEmptyUnknown: true,
		ExtraKeys:            also,
		Own:                  fk.Own,
	}, p.p)
	if len(p.p.List) == before {
		p.optionErrors(errors.Join(filters.Validate(f, list, given), inFuture(f, exclude.Exclude)), func(key string) *strictyaml.Node {
			return cmp.Or(n.Get(key), n)
		})
	}
	return filters.Link{Kind: typ.Text, Filter: f, Exclude: exclude.Exclude}, true
}

// inFuture finds an age that is older than a time in the future: it selects everything,
// also what is being written. -1 with unit_count_pattern has another meaning.
func inFuture(f filters.Filter, exclude bool) error {
	age, ok := f.(*filters.Age)
	if !ok || age.UnitCount >= 0 || !age.TakesOlder(exclude) || age.UnitCountPattern != "" {
		return nil
	}
	direction := age.Direction
	if exclude {
		direction += " and exclude"
	}
	return &cluster.OptionError{
		Key: "unit_count", Tolerated: true, Hint: "write the number without the minus sign",
		Text: fmt.Sprintf("%d is negative: with direction %s everything is older than a time in the future", age.UnitCount, direction),
	}
}
