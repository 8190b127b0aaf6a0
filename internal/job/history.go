package job

import (
	"cmp"
	"context"
	"os"
	"os/user"
	"strconv"
	"time"

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
}

// newHistory is the observer that keeps the history. A dry run keeps none.
func newHistory(j Job) run.Observer {
	return &record{j: j}
}

// Observe implements run.Observer.
func (h *record) Observe(e run.Event) {
	if _, ok := e.(run.Connected); ok {
		h.reached = true
	}
}

// End implements Ender. A record that cannot be written is a warning in the log.
func (h *record) End(ctx context.Context, e Ended) {
	if !h.j.keepsHistory(e.Plan) || !h.reached || e.NotOurs {
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
	r.Summary, r.Told = summary(e.Report), *h.j.told
	for _, a := range r.Summary.Actions {
		r.Error = cmp.Or(r.Error, a.Error)
	}
	if err := history.Write(ctx, c, r, h.j.Settings.Redact); err != nil && h.j.Warn != nil {
		h.j.Warn("the record of this run was not written to the history: " + err.Error())
	}
}

// keepsHistory says whether runs of a file are kept in the history.
func (j Job) keepsHistory(p *plan.Plan) bool {
	return !j.Settings.DryRun && !j.Settings.NoHistory() && (j.Settings.History || p != nil && p.History != nil && *p.History)
}

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
