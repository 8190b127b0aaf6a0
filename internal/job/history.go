package job

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
)

// NewRecord is a record of something that begins now, with who does it.
func NewRecord(s *settings.Settings, started time.Time, command, version string) history.Record {
	return newRecord(s, started, command, version, lock.Owner{Run: NewRunID(), Host: hostName()})
}

func newRecord(s *settings.Settings, started time.Time, command, version string, o lock.Owner) history.Record {
	r := history.Record{
		ID: history.ID(started, o.Run), Run: o.Run, Command: command, Started: started, User: s.User(), Host: o.Host, Version: version,
	}
	if u, err := user.Current(); err == nil {
		r.OSUser = u.Username
	} else {
		r.OSUser = strconv.Itoa(os.Getuid())
	}
	return r
}

// record keeps a record of the run in the cluster, at its end.
type record struct {
	j       Job
	reached bool
	left    left
	seen    map[string]bool // indices
}

// left notes what a run leaves in repositories, by their names: the snapshots with their
// starts.
type left map[string]map[string]time.Time

func (l left) note(repository, name string, start time.Time) {
	if l[repository] == nil {
		l[repository] = map[string]time.Time{}
	}
	l[repository][name] = start
}

func (l left) observe(e run.Event, began time.Time) {
	switch e := e.(type) {
	case run.Selected:
		for _, it := range e.Selection.Items() {
			if s, is := it.(*cluster.Snapshot); is && s.State != cluster.InProgress && e.Step.Source() != "" {
				l.note(e.Step.Source(), s.Name, s.Start)
			}
		}
	case run.Outcome:
		switch o := e.Outcome; {
		case o.What != "snapshot":
		case o.Verb == cluster.VerbCreate && (o.Result == cluster.Done || o.Result == cluster.Adopted):
			l.note(o.Repository, o.Name, o.Began(began))
		case o.Verb == cluster.VerbDelete:
			delete(l[o.Repository], o.Name)
		}
	}
}

// newest is the newest snapshot of each repository, as JSON; nil: nothing is known.
func (l left) newest() json.RawMessage {
	all := map[string]run.Left{}
	for repository, names := range l {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if at := names[name]; !at.IsZero() && !at.Before(all[repository].Start) {
				all[repository] = run.Left{Snapshot: name, Start: at}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	text, _ := json.Marshal(all) // texts and times
	return text
}

// before is what the last run of the job left, by the history; nil: nothing is known.
func (j Job) before(ctx context.Context, c cluster.Cluster, p *plan.Plan) map[string]run.Left {
	if p.File == "" || !j.wantsHistory(p) || len(p.RepositoryNames()) == 0 {
		return nil
	}
	text, err := history.Left(ctx, c, j.Clock.Now(), p.Job(j.File))
	if err != nil && ctx.Err() == nil {
		j.Warn("the history cannot be read, so this run does not know whether what the last one left is still there: " + err.Error())
	}
	if err != nil || text == nil {
		return nil
	}
	var all map[string]run.Left
	_ = json.Unmarshal(text, &all) // of another version: nothing is known
	return all
}

// newHistory is the observer that keeps the history. A dry run keeps none.
func newHistory(j Job) run.Observer {
	return &record{j: j, left: left{}, seen: map[string]bool{}}
}

// Observe implements run.Observer.
func (h *record) Observe(e run.Event) {
	if _, ok := e.(run.Connected); ok {
		h.reached = true
	}
	if h.j.Options.DryRun {
		return
	}
	h.left.observe(e, h.j.Options.Now)
	if s, ok := e.(run.Selected); ok && s.Step.Selects() == cluster.Indices { // the same many names in each action
		for _, i := range s.Selection.Selected {
			h.seen[i.ItemName()] = true
		}
		for _, sp := range s.Selection.Spared {
			h.seen[sp.Item.ItemName()] = true
		}
	}
}

// End implements Ender. A record that cannot be written is a warning in the log.
func (h *record) End(ctx context.Context, e Ended) {
	// A hook comes before the first request: the cluster may well be there.
	if !h.j.keepsHistory(e.Plan) || !h.reached && e.Stage != run.StageHook || e.NotOurs {
		return
	}
	c, err := h.j.Dial()
	if err != nil {
		return
	}
	command := "run"
	if e.Plan.File == "" {
		command = cmp.Or(h.j.Command, kindOf(e.Plan))
	}
	r := newRecord(h.j.Settings, e.Report.Now, command, h.j.Version, h.j.owner)
	r.Job, r.Reason = e.Plan.Job(h.j.File), h.j.Reason
	r.Duration, r.ExitCode, r.Error = e.Report.DurationMS, e.Code, e.Report.Error
	r.Held, r.Due = e.Held, e.Due
	if e.Plan.File != "" {
		r.Every, r.Schedule = h.j.every(e.Plan, r.Started).Milliseconds(), h.j.Schedule
	}
	r.Summary, r.Told, r.Left = summary(e.Report), *h.j.told, h.left.newest()
	seen := history.Seen{}
	for name := range h.seen {
		seen.Add(name)
	}
	if err := seen.Remember(ctx, c, h.j.Clock.Now(), &r); err != nil {
		r.Seen = nil // the next run tries again
	}
	for _, a := range r.Summary.Actions {
		r.Error = cmp.Or(r.Error, a.Error)
	}
	if err := history.Write(ctx, c, h.j.Clock.Now(), r, h.j.Settings.Redact); err != nil && h.j.Warn != nil {
		h.j.Warn("the record of this run was not written to the history: " + err.Error())
	}
}

// wantsHistory says whether the settings or the file ask for a history.
func (j Job) wantsHistory(p *plan.Plan) bool { return WantsHistory(j.Settings, p) }

// WantsHistory says whether settings or a file ask for a history; a file of nil asks for nothing.
func WantsHistory(s *settings.Settings, p *plan.Plan) bool {
	return !s.NoHistory() && (s.History || p != nil && p.History != nil && *p.History)
}

// keepsHistory says whether this run is kept in the history: a dry run is not.
func (j Job) keepsHistory(p *plan.Plan) bool { return !j.Settings.DryRun && j.wantsHistory(p) }

// kindOf is what a command's plan does.
func kindOf(p *plan.Plan) string {
	for _, s := range p.Steps {
		return s.Kind
	}
	return "register"
}

func summary(r *report.Report) *history.Summary {
	s := &history.Summary{File: r.File, Server: r.Server, Hint: r.Hint, Warnings: r.Warnings, Kept: r.Spared, Actions: []history.Action{}}
	for _, repo := range r.Repositories {
		s.Actions = append(s.Actions, history.Action{
			Action: "register", Repository: repo.Name, Status: repo.Result, Error: repo.Error, Results: map[string]int{}, Items: []history.Item{},
		})
	}
	for _, a := range r.Actions {
		x := history.Action{
			ID: a.ID, Action: a.Action, Repository: a.Repository, Status: a.Status, Error: a.Error, Listed: a.Listed, Selected: a.Selected,
			Results: map[string]int{}, Items: []history.Item{}, Warnings: a.Warnings,
		}
		for _, o := range a.Outcomes {
			x.Results[o.Result]++
			name := o.Name
			if o.Repository != "" && o.Repository != a.Repository {
				name = o.Repository + "/" + name
			}
			x.Items = append(x.Items, history.Item{Name: name, Result: o.Result, Error: o.Error})
		}
		s.Actions = append(s.Actions, x)
	}
	return s
}
