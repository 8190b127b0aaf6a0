package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/check"
	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/drill"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/serve"
	"github.com/esnap/esnap/internal/tell"
)

const (
	// refreshEvery is how often esnap serve asks the cluster how things are, besides after
	// each run.
	refreshEvery = 5 * time.Minute
	// refreshTime is how long that may take.
	refreshTime = 2 * time.Minute
	// pastRuns is how many records of the history are read.
	pastRuns = 200
)

// health keeps what the cluster said last. Requests over HTTP are answered from it.
type health struct {
	v     *server
	asked chan struct{} // for a refresh

	searched bool                   // all of the history was, for the last runs of each job
	drilled  bool                   // it was, for drills
	seen     map[string]seenAt      // by job
	moved    map[string]check.Moved // how far running snapshots had come

	mu   sync.Mutex
	h    serve.Health
	past []history.Record
	// drills are the newest ones, the newest first.
	drills []*drill.Result
	last   map[string]*tell.Summary // of runs here, by the name of the job
	well   map[string]time.Time     // when the last of them that went well began
}

// ask asks for a refresh soon.
func (h *health) ask() {
	select {
	case h.asked <- struct{}{}:
	default: // it was asked for already
	}
}

// askLater asks again after a run that another process did: that one tells how it ended, for
// up to ten seconds, before it writes the record.
func (h *health) askLater(ctx context.Context) {
	for _, pause := range []time.Duration{15 * time.Second, 45 * time.Second} {
		if h.v.app.Watch.Sleep(ctx, pause) != nil {
			return
		}
		h.ask()
	}
}

// note keeps the summary of a run.
func (h *health) note(job string, s *tell.Summary) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[job] = s
	if s.State == tell.OK {
		h.well[job] = s.Began
	}
}

// now is what is known.
func (h *health) now() serve.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.h
	if known.Reason == "" && !known.Ready {
		known.Reason = "the cluster has not been asked yet"
	}
	known.Unused = h.v.files.unused()
	return known
}

// refresh asks the cluster, until the context ends.
func (h *health) refresh(ctx context.Context) error {
	for {
		fresh, past, err := h.look(ctx)
		h.mu.Lock()
		if err != nil { // what was known remains true until the cluster says otherwise
			fresh.Past, past = h.h.Past, h.past
		}
		h.h, h.past = fresh, past
		h.mu.Unlock()
		clock.Doze(ctx, h.v.app.Watch, refreshEvery, h.asked)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// quietly is the cluster, without log lines about the way there.
func (x *session) quietly() (cluster.Cluster, error) {
	o := connect.Options(x.s, Version(), connect.Purpose{DryRun: true})
	o.ConnectTimeout = 0
	return x.client(o)
}

// unchecked is the result of a check that could not be made: what was critical remains so.
func (h *health) unchecked(job, why string) serve.Check {
	h.mu.Lock()
	defer h.mu.Unlock()
	if before := h.h.Checks[job]; before.Level == check.Critical {
		return before
	}
	return serve.Check{Level: check.Unknown, Findings: []string{why}, Count: map[[2]string]int{}, At: h.v.app.Now()}
}

// look asks the cluster how all is. An error means that the history is not known.
func (h *health) look(ctx context.Context) (serve.Health, []history.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	fresh := serve.Health{Checks: map[string]serve.Check{}, Past: map[string]serve.Last{}}
	x, done, err := h.v.renew(io.Discard, io.Discard)
	defer done()
	var c cluster.Cluster
	if err == nil {
		c, err = x.quietly()
	}
	if err == nil {
		_, err = c.Server(ctx)
	}
	if err != nil {
		fresh.Reason = x.s.Redact("the cluster cannot be used: " + err.Error())
		for _, f := range h.v.files.valid() {
			id := f.job()
			fresh.Checks[id] = h.unchecked(id, fresh.Reason)
		}
		return fresh, nil, err
	}
	fresh.Ready = true
	past, unread := history.List(ctx, c, pastRuns) // without the right to read it there is none
	past = h.older(ctx, c, past)
	past = slices.DeleteFunc(past, func(r history.Record) bool { // of a wrong clock, or of no run: it would hide others
		return r.Held || r.Started.After(h.v.app.Now().Add(cluster.MaxSkew))
	})
	fresh.Past = newest(past)
	drilled := drill.Last(h.drillsOf(ctx, c), nil)
	moved := h.moved
	for _, f := range h.v.files.valid() {
		result := serve.Check{Level: check.Unknown, Findings: []string{}, Count: map[[2]string]int{}, At: h.v.app.Now()}
		seen, unread := h.seenBy(ctx, c, f.job())
		r, err := check.Run(ctx, c, check.Options{
			Now: h.v.app.Now(), Plan: f.plan, Grace: 2 * time.Hour, StalledAfter: 12 * time.Hour, Drill: drilled, DrillAge: 31 * 24 * time.Hour,
			Seen: seen, Moved: h.moved, History: job.WantsHistory(x.s, f.plan), Unread: unread,
			Locks: f.plan.LockModeOf(x.s.Lock) != plan.LockOff,
		})
		if err != nil {
			result = h.unchecked(f.job(), x.s.Redact(err.Error()))
		} else {
			moved = r.Moved
			result.Level = r.Level
			for _, w := range r.Findings {
				if w.Level == check.OK {
					continue
				}
				result.Count[[2]string{w.About, w.Level.String()}]++
				if len(result.Findings) < maxFindings {
					result.Findings = append(result.Findings,
						x.s.Redact(strings.TrimSpace(fmt.Sprintf("%s: %s %s: %s", w.Level, w.About, w.Name, w.Text))))
				}
			}
		}
		fresh.Checks[f.job()] = result
	}
	h.moved = moved
	return fresh, past, unread
}

// older adds to the newest records the last one of each job that is not among them, and
// when it last went well, as far as they are known: other jobs may have run many times since.
// Once it looks for them in all of the history.
func (h *health) older(ctx context.Context, c cluster.Cluster, past []history.Record) []history.Record {
	h.mu.Lock()
	before := h.past
	h.mu.Unlock()
	if !h.searched {
		latest, err := history.Latest(ctx, c, h.v.app.Now())
		h.searched = err == nil
		before = append(latest, before...)
	}
	lasts := history.Lasts{}
	for _, r := range past {
		lasts.Add(r)
	}
	for _, r := range before {
		if lasts.Add(r) && h.v.app.Now().Sub(r.Started) < history.KeepFor {
			past = append(past, r)
		}
	}
	return past
}

// drillsOf are the newest drills: those that were known, and what the newest records add.
func (h *health) drillsOf(ctx context.Context, c cluster.Cluster) []*drill.Result {
	list, err := drills(ctx, c, h.v.app.Now(), h.drilled)
	h.drilled = h.drilled || err == nil
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.drills {
		if !slices.ContainsFunc(list, func(o *drill.Result) bool { return o.Run == r.Run }) {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *drill.Result) int { return b.Time.Compare(a.Time) })
	h.drills = list[:min(len(list), keptDrills)]
	return slices.Clone(h.drills)
}

// seenBy are the indices that the runs of a job saw. It asks once a day.
func (h *health) seenBy(ctx context.Context, c cluster.Cluster, job string) (map[string]bool, error) {
	known := h.seen[job]
	var err error
	if now := h.v.app.Now(); now.Sub(known.at) > 24*time.Hour {
		var names map[string]bool
		if names, err = seenBy(ctx, c, h.v.app.Now(), job); names != nil {
			known.names, known.at = names, now
			h.seen[job] = known
		}
	}
	return known.names, err
}

// seenAt is what was seen, and when that was asked.
type seenAt struct {
	names map[string]bool
	at    time.Time
}

// keptDrills is how many drills are kept.
const keptDrills = 20

// maxFindings is how many findings of a check are shown over HTTP.
const maxFindings = 20

// newest is the last run of each job. The list begins with the newest.
func newest(past []history.Record) map[string]serve.Last {
	last := map[string]serve.Last{}
	for _, r := range past {
		if _, known := last[r.Job]; known || r.Job == "" {
			continue
		}
		last[r.Job] = serve.Last{
			Code:    r.ExitCode,
			Run:     r.Run,
			Started: r.Started,
			Stopped: r.Started.Add(time.Duration(r.Duration) * time.Millisecond),
			Stdout:  fmt.Sprintf("run %s on host %s, from the history of the cluster\n", r.Run, r.Host),
			Stderr:  r.Error,
		}
	}
	return last
}

// metrics writes the numbers of all jobs: of runs here, and by the history of those
// elsewhere.
func (h *health) metrics(w io.Writer) error {
	jobs := h.v.s.Status()
	var list []tell.Sample
	h.mu.Lock()
	defer h.mu.Unlock()
	for job, c := range h.h.Checks {
		list = append(list, tell.CheckSamples(job, int(c.Level), c.Count)...)
	}
	for name, current := range h.v.files.current() {
		list = append(list, tell.FileSample(name, current))
	}
	success := map[string]time.Time{}
	latest := map[string]*history.Record{}
	if i := slices.IndexFunc(h.drills, (*drill.Result).OK); i >= 0 {
		list = append(list, tell.DrillSample(h.drills[i].Time))
	}
	for i, r := range h.past {
		if r.Job == "" {
			continue
		}
		if latest[r.Job] == nil {
			latest[r.Job] = &h.past[i]
		}
		if r.ExitCode == 0 && r.Started.After(success[r.Job]) {
			success[r.Job] = r.Started
		}
	}
	maps.DeleteFunc(h.last, func(job string, _ *tell.Summary) bool { // its file is gone
		return !slices.ContainsFunc(jobs, func(j serve.Status) bool { return j.Name == job })
	})
	for job, s := range h.last {
		if at := h.well[job]; at.After(success[job]) { // a failure does not take away when the last success was
			success[job] = at
		}
		if r := latest[job]; r != nil && r.Run != s.RunID && r.Started.After(s.Began) { // another process ran it since
			continue
		}
		delete(latest, job)
		list = append(list, s.Samples()...)
		if s.State == tell.OK {
			delete(success, job)
		}
	}
	for i, j := range jobs {
		if r := latest[j.Name]; r != nil && j.Last != nil && r.Started.After(j.Last.Started) { // then its exit code is the last one
			jobs[i].Last = nil
		}
	}
	list = append(list, schedulerSamples(jobs, h.v.files.expected())...)
	for job, r := range latest {
		list = append(list, tell.PastSamples(job, r.Started, time.Duration(r.Duration)*time.Millisecond,
			time.Duration(r.Every)*time.Millisecond, r.ExitCode)...)
	}
	for job, at := range success {
		list = append(list, tell.SuccessSample(job, at))
	}
	return tell.WriteMetrics(w, tell.Grouped(list))
}

// schedulerSamples are the numbers that a scheduler has of its jobs. A file may say itself how
// often it is expected to run.
func schedulerSamples(jobs []serve.Status, expected map[string]time.Duration) []tell.Sample {
	var list []tell.Sample
	for _, j := range jobs {
		list = append(list, tell.ScheduleSamples(j.Name, j.Next, !j.Since.IsZero())...)
		if every := cmp.Or(expected[j.Name], j.Every); every > 0 {
			list = append(list, tell.IntervalSample(j.Name, every))
		}
		if j.Last != nil {
			list = append(list, tell.CodeSample(j.Name, j.Last.Code))
		}
	}
	return tell.Grouped(slices.Clone(list))
}
