package plan

import (
	"cmp"
	"context"
	"reflect"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strftime"
	"github.com/esnap/esnap/internal/strictyaml"
)

func typeOf(v any) reflect.Type { return reflect.TypeOf(v).Elem() }

// lintUnset warns of options that are not given because a variable is not set.
func (p *parser) lintUnset(n *strictyaml.Node) {
	if n == nil {
		return
	}
	for _, e := range n.Entries {
		if e.Value.Kind == strictyaml.Null && e.Value.From != "" {
			p.p.Warn(e.Value, "%s has no value: %s", e.Key.Text, e.Value.Shown())
		}
		p.lintUnset(e.Value)
	}
	for _, it := range n.Items {
		p.lintUnset(it)
	}
}

// lint finds what is valid but probably not intended.
func (p *parser) lint(root *strictyaml.Node) {
	p.lintUnset(root.Get("defaults"))
	p.lintUnset(root.Get("actions"))
	p.o.LintBothGenerations = p.o.LintBothGenerations && !p.own(root)
	var deletions []Step
	for _, s := range p.plan.Steps {
		at := p.nodeOf(root, s)
		switch a := s.Action.(type) {
		case *actions.DeleteIndices:
			deletions = append(deletions, s)
			p.lintUnsaved(at, s)
		case *actions.Snapshot:
			for _, earlier := range deletions {
				if overlaps(earlier.Chain, s.Chain) {
					p.p.Warn(at, "the snapshot comes after delete_indices (action %s): it does not contain the deleted indices", earlier.ID)
					break
				}
			}
			if a.OncePer == "" && everySecond(a.Name) {
				p.p.Warn(at, "the snapshot's name changes every second and once_per is not set: a repeated run takes a second snapshot; "+
					"once_per: day adopts the first")
			}
			p.lintName(at, "name", a.Name)
			p.lintTwins(at, s, a)
		case *actions.DeleteSnapshots:
			p.lintSeries(at, a.Repository, s.Chain)
		case *actions.Restore:
			if a.IncludeGlobalState {
				p.p.Warn(at, "include_global_state on restore replaces today's templates and persistent settings with those in the snapshot")
			}
		case *actions.AliasAction:
			p.lintName(at, "name", a.Name)
		case *actions.CreateIndex:
			p.lintName(at, "name", a.Name)
		case *actions.Rollover:
			p.lintName(at, "new_index", a.NewIndex)
		}
		if broad(s) {
			p.lintBroad(at, s)
		}
		if s.Deletes() {
			p.lintPeriods(cmp.Or(at.Get("filters"), at), s)
		}
		p.lintFilters(at.Get("filters"), s, s.Chain)
		for _, slot := range actions.Kinds[s.Kind].Slots {
			p.lintFilters(at.Get(slot).Get("filters"), s, s.Slots[slot])
		}
		p.lintFilters(at.Get("options").Get(actions.RemoteSlot), s, s.Slots[actions.RemoteSlot])
		if r := s.Repository(); r != "" && p.declared != nil && !p.declared[r] {
			p.p.Warn(at, "repository %s is not declared under repositories: it must already be registered", r)
		}
	}
	for _, value := range []bool{false, true} {
		at := p.unsaid[value]
		if len(at) == 0 {
			continue
		}
		p.p.Warn(at[0], "exclude is empty: the filter's default is used, which is %t%s", value, alsoIn(at))
	}
	p.lintFlavours(root)
}

// lintTwins warns of two snapshot actions whose snapshots are one series to a filter retain:
// each index is then missing from every second one, and counts as deleted and created again.
func (p *parser) lintTwins(at *strictyaml.Node, s Step, a *actions.Snapshot) {
	retained := slices.ContainsFunc(p.plan.Steps, func(o Step) bool { return o.Repository() == a.Repository && o.Chain.Retention() != nil })
	day := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	for _, o := range p.plan.Steps {
		if o.ID == s.ID {
			return
		}
		b, is := o.Action.(*actions.Snapshot)
		if !is || !retained || b.Repository != a.Repository || o.Common.DisableAction || s.Common.DisableAction {
			continue
		}
		if name, err := strftime.Resolve(b.Name, day); err == nil && a.SameSeries()(name) && !overlaps(o.Chain, s.Chain) {
			p.p.Warn(at, "this action and action %s take other indices under names of one form: for retain they are one series, "+
				"of which it can expire hardly anything; give the names another beginning", o.ID)
		}
	}
}

// lintUnsaved warns of a deletion of indices whose snapshot the file does not wait for, or
// that no snapshot of the file contains.
func (p *parser) lintUnsaved(at *strictyaml.Node, s Step) {
	for _, o := range p.plan.Steps {
		a, ok := o.Action.(*actions.Snapshot)
		if !ok || o.Common.DisableAction {
			continue
		}
		if !a.WaitForCompletion && overlaps(o.Chain, s.Chain) {
			p.p.Warn(at, "action %s does not wait for its snapshot (wait_for_completion: false), "+
				"and this action deletes the same indices: the deletion waits for the snapshot (wait_for_running), "+
				"and keeps the indices that the snapshot does not contain", o.ID)
		}
	}
	if s.Common.DisableAction {
		return
	}
	// The deletion is tried on names made from its own prefixes and dates.
	deleted := cluster.Of[*cluster.Index](takes(s, samplesOf(s)))
	if never := p.plan.NeverSaved(deleted); len(never) > 0 {
		p.p.Warn(at, "it also deletes indices such as %s, which are in no snapshot of this file", never[0].Name)
	}
}

// NeverSaved lists those of the indices that no snapshot action of the plan would select
// by their names; none if the plan has no snapshot action.
func (p *Plan) NeverSaved(indices []*cluster.Index) []*cluster.Index {
	taking := false
	rest := slices.Clone(indices)
	for _, s := range p.Steps {
		if s.Kind != "snapshot" || s.Common.DisableAction {
			continue
		}
		taken := map[string]bool{}
		for _, it := range takes(s, rest) {
			taken[it.ItemName()] = true
		}
		rest = slices.DeleteFunc(rest, func(i *cluster.Index) bool { return taken[i.Name] })
		taking = true
	}
	if !taking {
		return nil
	}
	return rest
}

// Taken lists those of the indices that the plan's snapshot actions take into a repository,
// by their names.
func (p *Plan) Taken(indices []*cluster.Index, repository string) []*cluster.Index {
	var taken []*cluster.Index
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if s.Kind != "snapshot" || s.Common.DisableAction || s.Repository() != repository {
			continue
		}
		for _, i := range cluster.Of[*cluster.Index](takes(s, indices)) {
			if !seen[i.Name] {
				seen[i.Name] = true
				taken = append(taken, i)
			}
		}
	}
	return taken
}

// samplesOf are names that a deletion by prefix or regular expression may select: with the
// date that its filters read, and with other text before or after it.
func samplesOf(s Step) []*cluster.Index {
	var prefixes []string
	for _, l := range s.Chain {
		f, ok := l.Filter.(*filters.Pattern)
		switch {
		case !ok || l.Exclude:
		case f.Kind == "prefix" && f.Value != "" && !strings.ContainsAny(f.Value, `\^$.|?*+()[]{}`):
			prefixes = []string{f.Value}
		case f.Kind == "regex":
			if b := beginnings(f.Value); len(b) > 0 {
				prefixes = b
			}
		}
	}
	day := "2026.10.01"
	for _, t := range s.Chain.Timestrings() {
		if text := strftime.Render(t, time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)); text != "" {
			day = text
		}
	}
	var list []*cluster.Index
	for _, prefix := range prefixes {
		for _, name := range []string{
			prefix + day, prefix + "-" + day, prefix + day + "-reindexed", strings.TrimSuffix(prefix, "-") + "-other-" + day,
		} {
			if prefix != "" {
				list = append(list, &cluster.Index{Name: name})
			}
		}
	}
	return list
}

// mostBeginnings is how many beginnings of a regular expression are tried.
const mostBeginnings = 16

// beginnings are the texts with which names begin that an anchored regular expression
// matches, up to where it repeats something: pa- and pb- for ^p[ab]-.*. None if there are
// many, or if the expression is one of Python's alone.
func beginnings(pattern string) []string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || !strings.HasPrefix(pattern, "^") {
		return nil
	}
	list, _ := begin(re.Simplify(), []string{""})
	for i, text := range list { // names have lower case
		list[i] = strings.ToLower(text)
	}
	return list
}

// begin adds what an expression matches to each beginning. Whole is false where the rest of
// the expression is not tried.
func begin(re *syntax.Regexp, list []string) (longer []string, whole bool) {
	switch re.Op {
	case syntax.OpBeginText, syntax.OpBeginLine, syntax.OpEmptyMatch, syntax.OpEndText, syntax.OpEndLine:
		return list, true
	case syntax.OpLiteral:
		for _, l := range list {
			longer = append(longer, l+string(re.Rune))
		}
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if len(longer)+len(list) > mostBeginnings {
					return list, false
				}
				for _, l := range list {
					longer = append(longer, l+string(r))
				}
			}
		}
	case syntax.OpCapture:
		return begin(re.Sub[0], list)
	case syntax.OpAlternate:
		whole = true
		for _, sub := range re.Sub {
			some, all := begin(sub, list)
			longer, whole = append(longer, some...), whole && all
		}
		if len(longer) > mostBeginnings {
			return list, false
		}
		return longer, whole
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if list, whole = begin(sub, list); !whole {
				return list, false
			}
		}
		return list, true
	default:
		return list, false
	}
	return longer, true
}

// lintPeriods warns of a timestring whose unit is as long as the age of the filter: the
// current month is older than a month by its first day.
func (p *parser) lintPeriods(at *strictyaml.Node, s Step) {
	for _, l := range s.Chain {
		f, ok := l.Filter.(*filters.Age)
		if !ok || !f.TakesOlder(l.Exclude) || f.Source != "name" || strings.ContainsAny(f.Timestring, "dj") || f.UnitCount > 2 {
			continue
		}
		long := map[string]string{"months": "%m", "weeks": "%W%U%V"}[f.Unit]
		if long == "" || !strings.ContainsAny(f.Timestring, strings.ReplaceAll(long, "%", "")) {
			continue
		}
		p.p.Warn(at, "age is counted from the first day of the unit in %s: %d %s after it the unit may not have ended; "+
			"esnap keeps indices whose unit has not ended (guard live)", f.Timestring, f.UnitCount, f.Unit)
	}
}

// alsoIn names the lines of further places.
func alsoIn(nodes []*strictyaml.Node) string {
	var lines []string
	for _, n := range nodes[1:] {
		if line := strconv.Itoa(n.Line); n.Line != nodes[0].Line && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	switch len(lines) {
	case 0:
		return ""
	case 1:
		return "; also in line " + lines[0]
	}
	return "; also in lines " + strings.Join(lines, ", ")
}

// broad reports whether an action deletes or closes indices that no filter selected by
// name.
func broad(s Step) bool {
	if s.Kind != "delete_indices" && s.Kind != "close" || s.Common.DisableAction {
		return false
	}
	otherwise := func(l filters.Link) bool {
		_, alias := l.Filter.(*filters.Alias)
		f, pattern := l.Filter.(*filters.Pattern)
		return !l.Exclude && (alias || pattern && f.Kind == "timestring")
	}
	return len(takes(s, foreignSamples)) == len(foreignSamples) && !slices.ContainsFunc(s.Chain, otherwise)
}

// lintBroad warns of indices of others and of system indices that an action selects
// without intention.
func (p *parser) lintBroad(at *strictyaml.Node, s Step) {
	verb, also := "closes", ""
	if s.Deletes() {
		verb = "deletes"
	}
	if takes(s, systemSamples) != nil {
		also = " and system indices, whose names begin with a dot"
		if p.o.LintBothGenerations && !asksForSystem(s) {
			also += "; in Curator's command lines version 5 lists those, version 8 does not: " + decides
		}
	}
	p.p.Warn(at, "no filter of %s selects by name: on a shared cluster it also %s indices of others%s", s.Kind, verb, also)
}

// everySecond reports whether a name changes every second.
func everySecond(name string) bool {
	now := time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)
	a, errA := strftime.Resolve(name, now)
	b, errB := strftime.Resolve(name, now.Add(time.Second))
	return errA == nil && errB == nil && a != b
}

// lintName warns of unknown date tokens in a name.
func (p *parser) lintName(at *strictyaml.Node, key, name string) {
	if strings.Contains(name, "<") {
		return
	}
	for _, c := range strftime.Unknown(name) {
		p.p.Warn(cmp.Or(at.Get("options").Get(key), at), "%s: %%%c is not a date token; it is read as the letter %c", key, c, c)
	}
}

// lintSeries warns when the date that a filter reads is not in the names that the file's
// own snapshots get.
func (p *parser) lintSeries(at *strictyaml.Node, repository string, c filters.Chain) {
	now := time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)
	for _, s := range p.plan.Steps {
		take, ok := s.Action.(*actions.Snapshot)
		if !ok || take.Repository != repository {
			continue
		}
		name, err := strftime.Resolve(take.Name, now)
		if err != nil || named(c, []cluster.Item{&cluster.Snapshot{Name: name}}) == nil {
			continue
		}
		for _, link := range c {
			if _, pattern := link.Filter.(*filters.Pattern); pattern && link.Exclude {
				continue // it selects names without such a date
			}
			for _, t := range (filters.Chain{link}).Timestrings() {
				l, err := strftime.NewLayout(t)
				if err != nil {
					continue
				}
				if _, found, err := l.Find(name, time.UTC); err != nil || !found {
					p.p.Warn(at, "snapshots of action %s get names like %s, in which %s finds no date: they are never deleted", s.ID, name, t)
				}
			}
		}
	}
}

// foreignSamples are different names: no filter by name selects all of them.
var foreignSamples = []*cluster.Index{{Name: "somebody-elses"}, {Name: "x"}, {Name: "invoices_v2"}, {Name: "web.2026"}}

// takes returns the indices that search_pattern and the filters by name select.
func takes(s Step, list []*cluster.Index) []cluster.Item {
	if pattern := s.Common.SearchPattern; pattern != "" {
		list, _ = cluster.ExpandIndices([]string{pattern}, list)
	}
	return named(s.Chain, cluster.Items(list))
}

// named returns the items that the filters by name select.
func named(c filters.Chain, items []cluster.Item) []cluster.Item {
	var byName filters.Chain
	for _, l := range c {
		switch f := l.Filter.(type) {
		case *filters.Pattern:
			if f.Kind != "timestring" {
				byName = append(byName, l)
			}
		case *filters.Kibana:
			byName = append(byName, l)
		}
	}
	sel, err := byName.Select(context.Background(), time.Time{}, items, nil)
	if err != nil || len(sel.Selected) == 0 {
		return nil
	}
	return sel.Selected
}

// overlaps guesses whether two chains may select the same names: not if they have
// different prefixes.
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
