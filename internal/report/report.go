// Package report turns the events of a run into one value, shown as a table, as
// JSON or YAML, or as names. It decides nothing.
package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/series"
)

// SchemaVersion is the version of the report's JSON form. It changes when a field
// changes its meaning or goes; new fields do not change it.
const SchemaVersion = 2

// Report is what a run did, or in a dry run would do.
type Report struct {
	SchemaVersion int          `json:"schema_version"`
	File          string       `json:"file"`
	DryRun        bool         `json:"dry_run"`
	Now           time.Time    `json:"now"` // the run's reading of the clock
	Server        string       `json:"server"`
	Repositories  []Repository `json:"repositories"`
	Actions       []Action     `json:"actions"`
	Hooks         []Hook       `json:"hooks,omitempty"`
	Warnings      []string     `json:"warnings"`
	Error         string       `json:"error,omitempty"` // what ended the run before or between its actions
	Hint          string       `json:"hint,omitempty"`
	Spared        int          `json:"spared_by_guards"`
	DurationMS    int64        `json:"duration_ms"`
	ExitCode      int          `json:"exit_code"`
}

// Repository is a declared repository.
type Repository struct {
	Name   string   `json:"repository"`
	Type   string   `json:"type"`
	Result string   `json:"result"` // done: registered or updated; unchanged: as declared; failed
	Detail string   `json:"detail"`
	Drift  []string `json:"drift"`
	Holds  int      `json:"holds_snapshots,omitempty"`
	Error  string   `json:"error,omitempty"`
	Hint   string   `json:"hint,omitempty"`
}

// Hook is a command of the file that ran before or after the actions.
type Hook struct {
	Hook       string `json:"hook"`    // before, after, on_error
	Program    string `json:"program"` // without its arguments
	Result     string `json:"result"`  // done, failed; in a dry run not_run
	ExitCode   int    `json:"exit_code"`
	Output     string `json:"output,omitempty"` // the end of what it printed
	Error      string `json:"error,omitempty"`
	DurationMS int64  `json:"duration_ms"`
}

// Action is one action of the file.
type Action struct {
	ID          string    `json:"id"`
	Action      string    `json:"action"`
	Description string    `json:"description"`
	Repository  string    `json:"repository,omitempty"`
	Status      string    `json:"status"` // done, partial, failed, refused, interrupted, empty, disabled, not_run
	Error       string    `json:"error,omitempty"`
	Hint        string    `json:"hint,omitempty"`
	Listed      int       `json:"listed"`   // items the filters were applied to
	Selected    int       `json:"selected"` // passed by filters and guards
	Families    []Family  `json:"families"` // of the selected, by name without date
	Spared      []Spared  `json:"spared"`
	Outcomes    []Outcome `json:"outcomes"`
	Warnings    []string  `json:"warnings"`
	DurationMS  int64     `json:"duration_ms"`

	names   []string
	besides string // what the error says besides that of its first failed item
}

// Family is the selected items whose names differ only in their dates.
type Family struct {
	Family string `json:"family"`
	Count  int    `json:"count"`
	First  string `json:"first"`
	Last   string `json:"last"`
}

// Spared is an item that is not touched, and why. A file of many actions spares every
// item many times: names and reasons are shared.
type Spared struct {
	Name *string `json:"name"`
	*Reason
}

// Reason is why an item is spared.
type Reason struct {
	By    string `json:"by"` // the filter or guard
	Why   string `json:"why"`
	Guard bool   `json:"guard"`
}

// Outcome is what became of one item.
type Outcome struct {
	Verb       string `json:"verb"`
	What       string `json:"what"`
	Name       string `json:"name"`
	Repository string `json:"repository,omitempty"`
	Result     string `json:"result"`        // done, adopted, unchanged, partial, failed, not_started, requested, unknown
	Why        string `json:"why,omitempty"` // for which a filter selected it
	Detail     string `json:"detail,omitempty"`
	Error      string `json:"error,omitempty"`
	Hint       string `json:"hint,omitempty"`
	Assumed    bool   `json:"assumed,omitempty"` // of a dry run: it would have been

	past string // of the verb
}

// Collector builds a report from events. It implements run.Observer.
type Collector struct {
	r       Report
	names   shared[string]
	reasons shared[Reason]
}

// NewCollector makes an empty one.
func NewCollector() *Collector {
	return &Collector{
		names:   shared[string]{},
		reasons: shared[Reason]{},
		r:       Report{SchemaVersion: SchemaVersion, Repositories: []Repository{}, Actions: []Action{}, Warnings: []string{}},
	}
}

// Report is what was collected, with the exit code that goes with it.
func (c *Collector) Report(exitCode int) *Report {
	c.r.ExitCode = exitCode
	return &c.r
}

func (c *Collector) action() *Action { return &c.r.Actions[len(c.r.Actions)-1] }

// Observe implements run.Observer.
func (c *Collector) Observe(e run.Event) {
	switch e := e.(type) {
	case run.Started:
		c.r.File, c.r.DryRun, c.r.Now = e.File, e.DryRun, e.Now.UTC()
	case run.Connected:
		c.r.Server = e.Server.String()
	case run.Aborted:
		c.r.Error, c.r.Hint = text(e.Err), cluster.Hint(e.Err)
		c.r.DurationMS = e.Duration.Milliseconds()
	case run.HookDone:
		c.hook(e)
	case run.RepositoryReady:
		c.repository(e)
	case run.ActionStarting:
		c.start(e.Step.ID, e.Step.Kind, e.Step.Description, e.Step.Repository())
	case run.ActionSkipped:
		c.skipped(e)
	case run.Selected:
		c.selected(e)
	case run.Outcome:
		o := e.Outcome
		c.action().Outcomes = append(c.action().Outcomes, Outcome{
			Verb: o.Verb.String(), past: o.Verb.Past(), What: o.What, Name: o.Name,
			Repository: o.Repository, Result: string(o.Result), Why: o.Why, Detail: o.Detail,
			Error: text(o.Err), Hint: cluster.Hint(o.Err), Assumed: o.Assumed,
		})
	case run.Warning:
		if e.Step != nil && len(c.r.Actions) > 0 {
			c.action().Warnings = append(c.action().Warnings, e.Text)
		} else {
			c.r.Warnings = append(c.r.Warnings, e.Text)
		}
	case run.ActionDone:
		c.done(e)
	case run.Finished:
		c.r.Error, c.r.Hint = text(e.Result.Err), cluster.Hint(e.Result.Err)
		c.r.DurationMS = e.Result.Duration.Milliseconds()
		for _, a := range e.Result.Actions {
			c.r.Spared += a.Guarded
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (c *Collector) hook(e run.HookDone) {
	h := Hook{
		Hook:       string(e.Hook),
		Program:    e.Program,
		Result:     "done",
		ExitCode:   e.ExitCode,
		Output:     e.Output,
		Error:      text(e.Err),
		DurationMS: e.Duration.Milliseconds(),
	}
	switch {
	case e.Assumed:
		h.Result = "not_run"
	case e.Err != nil:
		h.Result = "failed"
	}
	c.r.Hooks = append(c.r.Hooks, h)
}

func (c *Collector) repository(e run.RepositoryReady) {
	r := Repository{
		Name: e.State.Spec.Name, Type: e.State.Spec.Type, Result: string(e.State.Result),
		Detail: e.State.Text(c.r.DryRun), Holds: e.State.Holds,
		Drift: []string{}, Error: text(e.Err), Hint: cluster.Hint(e.Err),
	}
	for _, d := range e.State.Drift {
		r.Drift = append(r.Drift, d.String())
	}
	if e.Err != nil {
		r.Result = string(cluster.Failure)
	}
	c.r.Repositories = append(c.r.Repositories, r)
}

func (c *Collector) start(id, kind, description, repository string) {
	c.r.Actions = append(c.r.Actions, Action{
		ID: id, Action: kind, Description: description, Repository: repository, Status: "not_run",
		Families: []Family{}, Spared: []Spared{}, Outcomes: []Outcome{}, Warnings: []string{},
	})
}

func (c *Collector) skipped(e run.ActionSkipped) {
	if len(c.r.Actions) == 0 || c.action().ID != e.Step.ID {
		c.start(e.Step.ID, e.Step.Kind, e.Step.Description, "")
		c.action().Status = "not_run"
		if e.Reason == run.SkipDisabled {
			c.action().Status = "disabled"
		}
	}
	c.action().Warnings = append(c.action().Warnings, e.Why)
}

func (c *Collector) selected(e run.Selected) {
	a := c.action()
	a.Listed += e.Listed
	a.Selected += len(e.Selection.Selected)
	a.names = append(a.names, cluster.Names(e.Selection.Selected)...)
	a.Families = Families(a.names)
	a.Spared = slices.Grow(a.Spared, len(e.Selection.Spared))
	for _, s := range e.Selection.Spared {
		a.Spared = append(a.Spared, Spared{c.names.of(s.Item.ItemName()), c.reasons.of(Reason{s.By, s.Why, s.Guard})})
	}
}

// shared holds each value once. Values come in the order of a listing again and again, so
// that the next one is looked at first.
type shared[T comparable] struct {
	at   map[T]int
	list []*T
	next int
}

func (s *shared[T]) of(v T) *T {
	if s.next < len(s.list) && *s.list[s.next] == v {
		s.next++
		return s.list[s.next-1]
	}
	n, known := s.at[v]
	if !known {
		if s.at == nil {
			s.at = map[T]int{}
		}
		p := new(T) // not &v, which would be made for every call
		*p = v
		n = len(s.list)
		s.list, s.at[v] = append(s.list, p), n
	}
	s.next = n + 1
	return s.list[n]
}

// Families groups names that differ only in their dates, sorted.
func Families(names []string) []Family {
	sorted := slices.Sorted(slices.Values(names))
	at := map[string]int{}
	list := []Family{}
	for _, n := range sorted {
		f := series.Family(n)
		i, known := at[f]
		if !known {
			i = len(list)
			at[f] = i
			list = append(list, Family{Family: f, First: n})
		}
		list[i].Count++
		list[i].Last = n
	}
	cluster.Sort(list, func(a, b Family) int { return cmp.Compare(a.Family, b.Family) })
	return list
}

func (c *Collector) done(e run.ActionDone) {
	a := c.action()
	a.DurationMS = e.Result.Duration.Milliseconds()
	a.Error, a.Hint = text(e.Result.Err), cluster.Hint(e.Result.Err)
	a.besides = a.Error
	if f := new(run.ItemsFailed); as(e.Result.Err, &f) {
		a.besides = f.Besides()
	}
	a.Status = Status(e.Result)
}

// Status is one word for how an action ended.
func Status(r run.ActionResult) string {
	var refused *cluster.Refused
	switch {
	case r.Err != nil && as(r.Err, &refused):
		return "refused"
	case r.Interrupted:
		return "interrupted"
	case r.Err != nil:
		return "failed"
	case r.Empty:
		return "empty"
	case r.NotRun:
		return "not_run"
	case r.Partial:
		return "partial"
	}
	return "done"
}
