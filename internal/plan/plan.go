// Package plan turns the bytes of an action file into a validated Plan. It is the only
// parser of action files, does no I/O, and reports all errors at once.
package plan

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/series"
	"github.com/esnap/esnap/internal/strftime"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/repository"
)

// Options control how a file is read.
type Options struct {
	Flavour flavour.Flavour
	// Env looks up environment variables; nil substitutes none.
	Env func(string) (string, bool)
	// Secret reports whether a variable is a secret of the connection. Files must not
	// read those: they may send them elsewhere.
	Secret func(string) bool
	// Guards turns the guards of every action on or off; nil: as the file sets them.
	Guards *bool
	// LintBothGenerations: the file may be run with the behaviour of Curator 5 or of
	// Curator 8; each difference is a finding.
	LintBothGenerations bool
	// LintCuratorStrictness: Curator's command lines, which are stricter in one point, may be used
	// with the file.
	LintCuratorStrictness bool
}

// Plan is a parsed action file. It is always valid.
type Plan struct {
	File string
	// Name is the job's own name, if the file gives it; see Job.
	Name    string
	Lock    LockMode // empty: not set
	History *bool    // nil: not set
	// Schedule is when esnap serve runs the file; its text is empty: not set.
	Schedule schedule.Spec
	Hooks    *Hooks // nil: none
	// Behaviour is what its actions do where their options do not say.
	Behaviour    actions.Behaviour
	Repositories []repository.Spec
	Steps        []Step
	// Notice says whom a run tells, as far as the file says it.
	Notice notice.Config
	// Findings are valid but doubtful: validate shows them.
	Findings []strictyaml.Problem
}

// NoDescription is the description of an action that has none.
const NoDescription = "No description given"

// Job is the name of the job: the file's own, or its base name; empty for a file without
// a name.
func (p *Plan) Job(file string) string {
	if p.Name != "" || file == "" || file == "-" {
		return p.Name
	}
	return filepath.Base(file)
}

// Interval is the time from one scheduled run of the file to the next; 0: the file has no
// schedule.
func (p *Plan) Interval(now time.Time) time.Duration {
	if s, err := schedule.New(p.Schedule, p.Job(p.File)); err == nil {
		return s.Interval(now)
	}
	return 0
}

// Step is one action with its filters.
type Step struct {
	ID          string
	Kind        string
	Description string
	Common      actions.Common
	Action      actions.Action
	Chain       filters.Chain
	Slots       map[string]filters.Chain // of an action whose filters are in separate blocks
	Guards      []guard.Guard
	Location    *time.Location
	Timeout     time.Duration // of one request; 0: the client's
	Line        int

	listing listing
}

// Selects is the kind of list the step's filters apply to; empty for none.
func (s Step) Selects() cluster.ListKind {
	if a, ok := s.Action.(interface{ SkipsListing() bool }); ok && a.SkipsListing() {
		return ""
	}
	return actions.Kinds[s.Kind].List
}

// Source is the repository whose snapshots the step's filters apply to.
func (s Step) Source() string {
	if a, ok := s.Action.(actions.SnapshotSource); ok {
		return a.Source()
	}
	return ""
}

// Idle reports whether there is nothing to do, so that no cluster is needed.
func (p *Plan) Idle(steps []Step) bool {
	return len(p.Repositories) == 0 && !slices.ContainsFunc(steps, func(s Step) bool { return !s.Common.DisableAction })
}

// Deletes reports whether the step deletes what it selects.
func (s Step) Deletes() bool { return actions.Kinds[s.Kind].Deletes }

// Parse reads a file. The error is a *strictyaml.Error with every problem, in file order;
// the plan is then nil.
func Parse(name string, data []byte, o Options) (*Plan, error) {
	p := &parser{
		o:      o,
		p:      &strictyaml.Problems{File: name},
		plan:   &Plan{File: name, Behaviour: Behaviour(o.Flavour)},
		unsaid: map[bool][]*strictyaml.Node{},
	}
	root := strictyaml.Parse(data, strictyaml.Options{
		Env: o.Env, Secret: o.Secret, Embedded: o.Flavour == flavour.Native, Literal: literal,
	}, p.p)
	if root != nil && root.Kind != strictyaml.Null {
		p.file(root)
	} else if len(p.p.List) == 0 {
		p.p.Add(nil, "the file is empty; an action file has the key actions")
	}
	if err := p.p.Err(); err != nil {
		return nil, err
	}
	p.lint(root)
	p.plan.Findings = p.p.SortedWarnings()
	return p.plan, nil
}

// Complete adds to a step what every step has: the filter that keeps managed indices, and
// the guards. Commands that build steps call it too.
func Complete(step *Step, o Options) {
	kind := actions.Kinds[step.Kind]
	step.listing = listings[o.Flavour]
	if step.Location == nil {
		step.Location = time.UTC
	}
	if kind.List == cluster.Indices && !step.Common.AllowILMIndices {
		step.Chain = append(step.Chain, filters.Link{Kind: "ilm", Filter: filters.Kinds["ilm"].New(), Exclude: true})
	}
	if !kind.Deletes {
		return
	}
	g := guard.Options{
		Lenient: o.Flavour != flavour.Native, SystemNamed: step.Chain.NamesDotted(), InProgressNamed: step.Chain.AsksFor(cluster.InProgress),
	}
	if sw := cmp.Or(o.Guards, step.Common.Guards); sw != nil && !*sw {
		g.Off = true
	}
	if a, ok := step.Action.(actions.Guarded); ok {
		pr := a.Protection()
		g.KeepNewestGood, g.Protect, g.NamedExactly = pr.KeepNewestGood, pr.Protect, pr.NamedExactly
		if c := pr.Copies; c != nil {
			g.Copies = &guard.Copies{Repositories: c.Repositories, Min: c.Min, Complete: c.Complete}
			g.Copies.Rules, _ = step.CopyRules()
		}
		var finders []dates.Finder
		for _, t := range step.Chain.Timestrings() {
			if l, err := strftime.NewLayout(t); err == nil {
				finders = append(finders, finder(l))
			}
		}
		g.Series = series.Of(pr.Series, finders...)
		if r := step.Chain.Retention(); r != nil {
			if p := r.SeriesPatterns(); len(p) > 0 {
				g.Series = series.Of(p, finders...)
			}
			r.GroupBy(g.Series)
			g.Overdue = r.Overdue
		}
	}
	if kind.List == cluster.Indices && step.Chain.TakesOlder() {
		g.Periods = Periods(step.Chain.Timestrings(), step.Location)
	}
	step.Guards = guard.For(kind.List, g)
}

// Copies are those that require_snapshot asks for; nil: it is not given.
func (s Step) Copies() *actions.Copies {
	if a, ok := s.Action.(actions.Guarded); ok {
		return a.Protection().Copies
	}
	return nil
}

// CopyRules say when a copy of an index is complete, where the step says that itself: with the
// filter retain, or the option require_snapshot.
func (s Step) CopyRules() (rules coverage.Rules, says bool) {
	if retain := s.Chain.Retention(); retain != nil {
		return retain.CopyRules(), true
	}
	if c := s.Copies(); c != nil {
		rules = c.Rules()
		rules.Read = Periods(s.Chain.Timestrings(), c.Zone).Spans
		return rules, true
	}
	return rules, false
}

// Periods read the periods of indices as timestrings say.
func Periods(timestrings []string, zone *time.Location) *guard.Periods {
	p := &guard.Periods{Zone: zone}
	for _, t := range timestrings {
		if l, err := strftime.NewLayout(t); err == nil {
			p.Read = append(p.Read, func(name string, loc *time.Location) (guard.Read, bool) {
				f, ok, err := l.Find(name, loc)
				return guard.Read{Span: dates.Span{Start: f.Time, End: l.Span(f.Time)}, End: f.End}, ok && err == nil
			})
		}
	}
	return p
}

func finder(l *strftime.Layout) dates.Finder {
	return func(name string) (int, int, bool) {
		f, ok, err := l.Find(name, time.UTC)
		return f.Start, f.End, ok && err == nil
	}
}

// RepositoryNames are the repositories that the plan declares or works with.
func (p *Plan) RepositoryNames() []string {
	names := []string{}
	for _, spec := range p.Repositories {
		names = append(names, spec.Name)
	}
	for _, s := range p.Steps {
		if r := s.Repository(); r != "" && !slices.Contains(names, r) {
			names = append(names, r)
		}
	}
	return names
}

// WithCopies are RepositoryNames, and those in which require_snapshot looks for copies.
func (p *Plan) WithCopies() []string {
	names := p.RepositoryNames()
	for _, s := range p.Steps {
		c := s.Copies()
		if c == nil {
			continue
		}
		for _, r := range c.Repositories {
			if !slices.Contains(names, r) {
				names = append(names, r)
			}
		}
	}
	return names
}

// String names a step in messages.
func (s Step) String() string { return fmt.Sprintf("action %s (%s)", s.ID, s.Kind) }

// Repository is the repository the step works with, or nothing.
func (s Step) Repository() string {
	switch a := s.Action.(type) {
	case *actions.Snapshot:
		return a.Repository
	case actions.SnapshotSource:
		return a.Source()
	}
	return ""
}
