package plan

import (
	"reflect"
	"strings"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strictyaml"
)

func typeOf(v any) reflect.Type { return reflect.TypeOf(v).Elem() }

// lint finds what is valid but probably not meant.
func (p *parser) lint(root *strictyaml.Node) {
	deleted := map[int]bool{}
	for n, s := range p.plan.Steps {
		at := p.nodeOf(root, s)
		switch a := s.Action.(type) {
		case *actions.DeleteIndices:
			deleted[n] = true
			if !s.Chain.NamesOnly() {
				p.p.Warn(at, "no filter narrows delete_indices by name: on a shared cluster it deletes the indices of others, too")
			}
		case *actions.Snapshot:
			for earlier := range deleted {
				if overlaps(p.plan.Steps[earlier].Chain, s.Chain) {
					p.p.Warn(at, "the snapshot comes after delete_indices (action %s): what that deletes is not in it", p.plan.Steps[earlier].ID)
					break
				}
			}
			if strings.Contains(a.Name, "%S") && a.OncePer == "" {
				p.p.Warn(at, "the snapshot's name changes every second and once_per is not set: a repeated run takes a second snapshot; once_per: day adopts the first")
			}
		case *actions.Restore:
			if a.IncludeGlobalState {
				p.p.Warn(at, "include_global_state on restore brings back templates and persistent settings of that night over today's")
			}
		}
		p.lintFilters(root, s)
		if r := s.Repository(); r != "" && p.declared != nil && !p.declared[r] {
			p.p.Warn(at, "repository %s is not among those declared under repositories: it must be registered already", r)
		}
	}
}

func (p *parser) lintFilters(root *strictyaml.Node, s Step) {
	nodes := p.nodeOf(root, s).Get("filters")
	if nodes == nil {
		return
	}
	if len(nodes.Items) == 0 && s.Deletes() {
		p.p.Warn(nodes, "filters is empty: %s takes everything", s.Kind)
	}
	for n, node := range nodes.Items {
		if n >= len(s.Chain) {
			break
		}
		if v := node.Get("exclude"); v != nil && v.Kind == strictyaml.Null {
			p.p.Warn(v, "exclude is empty: the filter's default counts, which is %t", filters.Kinds[s.Chain[n].Kind].Exclude)
		}
		f, ok := s.Chain[n].Filter.(*filters.Pattern)
		if !ok || !s.Deletes() || s.Chain[n].Exclude || f.Kind != "prefix" {
			continue
		}
		if last := f.Value[len(f.Value)-1]; s.List() == cluster.Indices && last != '-' && last != '_' && last != '.' {
			p.p.Warn(node.Get("value"), "the prefix %s has no separator at its end: it also matches %sother-…", f.Value, f.Value)
		}
	}
}

// overlaps guesses whether two chains may select the same names: not when both
// have different prefixes.
func overlaps(a, b filters.Chain) bool {
	prefix := func(c filters.Chain) string {
		for _, l := range c {
			if f, ok := l.Filter.(*filters.Pattern); ok && f.Kind == "prefix" && !l.Exclude {
				return f.Value
			}
		}
		return ""
	}
	x, y := prefix(a), prefix(b)
	return strings.HasPrefix(x, y) || strings.HasPrefix(y, x)
}

// Repository is the repository the step works with, or nothing.
func (s Step) Repository() string {
	switch a := s.Action.(type) {
	case *actions.Snapshot:
		return a.Repository
	case actions.Sourced:
		return a.Source()
	}
	return ""
}

func (p *parser) nodeOf(root *strictyaml.Node, s Step) *strictyaml.Node {
	if list := root.Get("actions"); list != nil {
		for _, e := range list.Entries {
			if e.Key.Line == s.Line && idText(e.Key) == s.ID {
				return e.Value
			}
		}
	}
	return root
}
