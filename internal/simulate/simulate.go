// Package simulate runs an action file night after night on a cluster in memory, with the
// same engine as on a real one, and keeps account of each index: until when it could be
// brought back, and what lost it.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/strftime"
)

// Failure is how a night goes wrong.
type Failure string

// The failures.
const (
	Failed  Failure = "failed"  // snapshots end FAILED
	Partial Failure = "partial" // snapshots lack the index of the day before
	Missed  Failure = "missed"  // the job does not run
)

// Options say what is simulated.
type Options struct {
	Plan   *plan.Plan
	From   time.Time // when the file is run in the first night
	Nights int
	// Indices are names with strftime tokens. An index is created when its day begins.
	Indices []string
	// Fail are the nights that go wrong, by number from 1 on.
	Fail map[int]Failure
	// RequireDays is for how many days an index must be there to bring back; 0: it must
	// not be deleted before a complete copy exists.
	RequireDays int
	Rules       coverage.Rules
}

// Result is what was simulated.
type Result struct {
	Nights []Night
	Days   []Day
	// Missed is the longest run of nights in which the job does not run, after any of the
	// nights, that loses nothing; up to MostNights; -1: without any the file loses something,
	// fails or takes no snapshot.
	Missed int
	// Loss is what one more missed night loses; zero: Missed is MostNights.
	Loss Loss
	// Survives is the longest run of nights without a good snapshot that loses nothing,
	// up to MostNights; -1: there were too few nights to find out, or as for Missed.
	Survives int
	// Tried are the nights after which such a run was tried. Missed is tried after each.
	Tried []int
	// NoSnapshot says that the file took no snapshot, though there was something to take.
	NoSnapshot bool
	// NoCopy are the names of Options.Indices of which no index got a complete copy, though
	// the day of one had ended when the file ran.
	NoCopy []string

	ran int // how often the file was run
}

// Loss is the first index that too many missed nights lose.
type Loss struct {
	After int    `json:"after_night"`
	Index string `json:"index"`
}

// MostNights is the longest run of bad nights that is tried.
const MostNights = 31

// Night is one run of the file.
type Night struct {
	Number           int     `json:"night"`
	Date             string  `json:"date"`
	Indices          int     `json:"indices"`   // in the cluster, after the run
	Snapshots        int     `json:"snapshots"` // in the repositories, after the run
	DeletedIndices   int     `json:"deleted_indices"`
	DeletedSnapshots int     `json:"deleted_snapshots"`
	Kept             int     `json:"kept_by_guards"`
	Failure          Failure `json:"failure,omitempty"` // as asked for
	Error            string  `json:"error,omitempty"`   // of the run
	// Early says that the run failed only because an action selected nothing so far: the
	// cluster is empty in the first night, and the action selects something later.
	Early bool     `json:"nothing_selected_yet,omitempty"`
	Lost  []string `json:"lost,omitempty"` // indices that cannot be brought back any more

	empty string // the action that selected nothing, if nothing else failed
}

// Day is one index.
type Day struct {
	Index   string `json:"index"`
	Created string `json:"created"`
	// Deleted is the night in which the file deleted it from the cluster.
	Deleted string `json:"deleted,omitempty"`
	// Until is the last night after which it could be brought back; empty: to the end.
	Until string `json:"until,omitempty"`
	// LostBy is the action that took the last way to bring it back.
	LostBy string `json:"lost_by,omitempty"`
	// Broken says that it was lost earlier than required.
	Broken bool `json:"lost_too_early,omitempty"`
	// OnlyLive says that at the end the cluster has it, and no snapshot has a complete copy.
	OnlyLive bool `json:"only_in_cluster,omitempty"`

	pattern string
	created time.Time
	end     time.Time // of its period; zero: it has none
	ready   time.Time // a snapshot that starts then, or later, can have a complete copy
	gone    bool
}

// Lost are the indices that were lost earlier than required.
func (r *Result) Lost() []Day {
	return slices.DeleteFunc(slices.Clone(r.Days), func(d Day) bool { return !d.Broken })
}

// Failed are the nights that failed by the file itself: not as asked for, and not only because
// the cluster had nothing to select yet.
func (r *Result) Failed() []Night {
	return slices.DeleteFunc(slices.Clone(r.Nights), func(n Night) bool { return n.Error == "" || n.Early })
}

// simulation is the state of a simulation.
type simulation struct {
	Options
	c      *memory.Memory
	all    []*Day              // in the order of their creation; of a clone only new ones
	days   []*Day              // those that are not gone, and those that a clone lost
	byName map[string]*Day     // the same
	past   map[string]*Day     // those that are gone; a clone does not change it
	born   map[int][]Day       // by night: the indices that are created; clones share it
	copies map[string]int      // complete copies of each index
	seen   map[string][]string // snapshots that were counted: the indices they hold completely
	acted  map[string]int      // by action: the first night in which it selected something
	saved  map[string]bool     // patterns of which a complete copy was made
	never  map[string]bool     // patterns of which many nights saved nothing; clones share it
	ran    *int                // how often the file was run, also in clones
	taken  bool                // a snapshot was taken
}

// Run simulates.
func Run(ctx context.Context, o Options) (*Result, error) {
	s := &simulation{
		Options: o, c: memory.New(memory.Elasticsearch("8.19.7"), memory.At(o.From)),
		byName: map[string]*Day{}, copies: map[string]int{}, seen: map[string][]string{}, acted: map[string]int{}, saved: map[string]bool{},
		past: map[string]*Day{}, born: map[int][]Day{}, never: map[string]bool{}, ran: new(int),
	}
	s.prepare()
	r := &Result{Survives: -1, Missed: MostNights}
	least := MostNights
	for n := 1; n <= o.Nights; n++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		night, err := s.night(ctx, n, o.Fail[n])
		if err != nil {
			return nil, err
		}
		r.Nights = append(r.Nights, night)
		s.bury(n)
		missed, index, err := s.longest(ctx, Missed, n, r.Missed)
		if err != nil {
			return nil, err
		}
		if r.Missed = missed; index != "" {
			r.Loss = Loss{n, index}
		}
		if n%every == warm {
			if least, _, err = s.longest(ctx, Failed, n, least); err != nil {
				return nil, err
			}
			r.Survives, r.Tried = least, append(r.Tried, n)
		}
	}
	for _, d := range s.all {
		d.OnlyLive = !d.gone && s.copies[d.Index] == 0
		r.Days = append(r.Days, *d)
	}
	r.ran = *s.ran
	s.judge(ctx, r)
	if len(r.Failed()) > 0 || r.NoSnapshot || len(o.Fail) == 0 && len(r.Lost()) > 0 { // as it is, the file survives nothing
		r.Missed, r.Loss, r.Survives, r.Tried = -1, Loss{}, -1, nil
	}
	return r, nil
}

// judge finds out which nights failed only because they came early, and what was never saved.
func (s *simulation) judge(ctx context.Context, r *Result) {
	later := map[string]bool{}
	for _, step := range s.Plan.Steps {
		later[step.ID] = s.acted[step.ID] == 0 && s.selectsLater(ctx, step)
	}
	var good time.Time // the last run that was not to fail
	for i := range r.Nights {
		n := &r.Nights[i]
		n.Early = n.empty != "" && (later[n.empty] || n.Number < s.acted[n.empty])
		if n.Failure == "" {
			good = s.at(n.Number)
		}
	}
	r.NoSnapshot = !s.taken && !good.IsZero() && !slices.ContainsFunc(s.Plan.Steps, func(step plan.Step) bool {
		return step.Kind == "snapshot" && later[step.ID]
	})
	for _, d := range s.all {
		if !s.saved[d.pattern] && !good.IsZero() && !d.ready.After(good) && !slices.Contains(r.NoCopy, d.pattern) {
			r.NoCopy = append(r.NoCopy, d.pattern)
		}
	}
}

// selectsLater reports whether an action would select something a year after the last night
// of what there is now: so far nothing was old enough.
func (s *simulation) selectsLater(ctx context.Context, step plan.Step) bool {
	items, err := run.Select(ctx, step, s.c, s.at(s.Nights).AddDate(1, 0, 0))
	return err == nil && len(items) > 0 && !step.Common.DisableAction
}

// Runs of nights without a good snapshot are tried after the night warm, when expiry has
// begun, and then again after each of the given number of nights: each takes as many runs.
const (
	warm  = 30
	every = 61
)

// longest is the longest run of bad nights after the given one that loses nothing, up to
// most, and the index that one more loses.
func (s *simulation) longest(ctx context.Context, how Failure, after, most int) (nights int, index string, err error) {
	index, err = s.loses(ctx, how, after, most)
	if index == "" || err != nil { // most nights of a year are no worse than those before
		return most, "", err
	}
	for most-nights > 1 { // nights of them lose nothing, most of them do
		k := (nights + most) / 2
		lost, err := s.loses(ctx, how, after, k)
		switch {
		case err != nil:
			return 0, "", err
		case lost == "":
			nights = k
		default:
			most, index = k, lost
		}
	}
	return nights, index, nil
}

// loses is the first index that is lost too early by some bad nights, in them or in the good
// ones after them; empty: none.
func (s *simulation) loses(ctx context.Context, how Failure, after, bad int) (index string, err error) {
	then := s.clone()
	for k := 1; k <= bad; k++ {
		if how == Missed { // nothing happens but that indices are created
			then.create(after + k)
			continue
		}
		n, err := then.night(ctx, after+k, how)
		if index = then.broken(n); index != "" || err != nil {
			return index, err
		}
	}
	for k := bad + 1; k <= bad+mostAfter; k++ {
		next, err := then.night(ctx, after+k, "")
		if index = then.broken(next); index != "" || err != nil {
			return index, err
		}
		if len(then.unsettled(how, after, bad)) == 0 { // nothing else could have been saved in the bad nights
			return "", nil
		}
	}
	for _, d := range then.unsettled(how, after, bad) {
		s.never[d.pattern] = s.never[d.pattern] || !then.saved[d.pattern]
	}
	return "", nil
}

// mostAfter is for how many good nights after bad ones a loss is looked for: the file deletes
// later what it did not save in time.
const mostAfter = 60

// unsettled are the indices that could have been saved in bad nights and are in no snapshot.
// Those of a name that the file never saves do not count. In the last try all count that exist.
func (s *simulation) unsettled(how Failure, after, bad int) []*Day {
	end := s.at(after + bad)
	var list []*Day
	for _, d := range s.days {
		could := !d.ready.After(end) && (s.saved[d.pattern] || !s.never[d.pattern])
		if s.lastTry(after, how) { // what is lost anyway, soon after the last night, is seen nowhere else
			could = !d.created.After(s.at(after + bad - 1))
		}
		if could && !d.gone && d.Deleted == "" && s.copies[d.Index] == 0 {
			list = append(list, d)
		}
	}
	return list
}

// lastTry reports whether bad nights are tried after no later night.
func (s *simulation) lastTry(after int, how Failure) bool {
	return after == s.Nights || how == Failed && after+every > s.Nights
}

// broken is the first index that was lost too early in a night; empty: none.
func (s *simulation) broken(n Night) string {
	for _, name := range n.Lost {
		if s.byName[name].Broken {
			return name
		}
	}
	return ""
}

// at is when the file runs in a night.
func (s *simulation) at(number int) time.Time { return s.From.AddDate(0, 0, number-1) }

func (s *simulation) clone() *simulation {
	c := *s
	c.c = s.c.Clone()
	c.all, c.days, c.byName = nil, nil, map[string]*Day{}
	for _, d := range s.days {
		copied := *d
		c.days = append(c.days, &copied)
		c.byName[d.Index] = &copied
	}
	c.copies, c.seen, c.acted, c.saved = maps.Clone(s.copies), maps.Clone(s.seen), maps.Clone(s.acted), maps.Clone(s.saved)
	return &c
}

// bury puts the indices that are gone after a night aside, so that clones need not copy them.
func (s *simulation) bury(night int) {
	s.days = slices.DeleteFunc(s.days, func(d *Day) bool {
		if d.gone {
			s.past[d.Index] = d
			delete(s.byName, d.Index)
			delete(s.copies, d.Index)
		}
		return d.gone
	})
	delete(s.born, night)
}

// day is an index by its name; nil: there never was one.
func (s *simulation) day(name string) *Day {
	if d := s.byName[name]; d != nil {
		return d
	}
	return s.past[name]
}

// prepare registers the repositories that the file works with and does not declare.
func (s *simulation) prepare() {
	declared := map[string]bool{}
	for _, spec := range s.Plan.Repositories {
		declared[spec.Name] = true
	}
	for _, r := range s.Plan.WithCopies() {
		if !declared[r] {
			s.c.AddRepository(cluster.Repository{Name: r})
		}
	}
}

// night is one day and the run of the file in its night.
func (s *simulation) night(ctx context.Context, number int, failure Failure) (Night, error) {
	at := s.at(number)
	s.create(number)
	s.c.SetClock(at)
	n := Night{Number: number, Date: at.Format(time.DateOnly), Failure: failure}
	heard := newHeard()
	if failure != Missed {
		*s.ran++
		s.c.SnapshotEnds = endings(failure, at)
		result := run.Run(ctx, s.Plan, s.c, run.Options{Now: at, Watch: &watch{c: s.c}, Timeout: time.Minute}, heard)
		if err := errors.Join(result.Errors()...); err != nil && failure == "" {
			n.Error = err.Error()
			n.empty = emptyAction(result)
		}
		for _, a := range result.Actions {
			n.Kept += a.Guarded
			if s.acted[a.Step.ID] == 0 && !a.NotRun && !a.Empty && a.Err == nil {
				s.acted[a.Step.ID] = number
			}
		}
	}
	s.c.ForgetCalls()
	n.DeletedIndices, n.DeletedSnapshots = heard.count-len(heard.snapshots), len(heard.snapshots)
	return n, s.account(ctx, &n, heard, at)
}

// emptyAction is the action that selected nothing, if that is all that failed in a run.
func emptyAction(r run.Result) string {
	id := ""
	for _, a := range r.Actions {
		switch {
		case a.Err == nil:
		case id == "" && errors.Is(a.Err, cluster.ErrEmpty):
			id = a.Step.ID
		default:
			return ""
		}
	}
	if r.Err != nil {
		return ""
	}
	return id
}

// create makes the indices whose period has begun.
func (s *simulation) create(number int) {
	born, known := s.born[number]
	if !known {
		born = s.births(number)
		s.born[number] = born
	}
	for _, d := range born {
		if s.day(d.Index) != nil {
			continue
		}
		s.all, s.days, s.byName[d.Index] = append(s.all, &d), append(s.days, &d), &d
		s.c.AddIndex(cluster.Index{Name: d.Index, Created: d.created})
	}
}

// births are the indices that are created before the run of a night, if they do not exist.
func (s *simulation) births(number int) []Day {
	var born []Day
	at := s.at(number)
	from := at.AddDate(0, 0, -1)
	if number == 1 {
		from = at.Add(-time.Nanosecond)
	}
	for _, pattern := range s.Indices {
		read := plan.Periods([]string{pattern}, time.UTC) // the name may be read in another way, too
		for t := from; !t.After(at); t = t.Add(time.Hour) {
			name := strftime.Render(pattern, t.UTC())
			if slices.ContainsFunc(born, func(d Day) bool { return d.Index == name }) {
				continue
			}
			period := dates.PeriodWith(name, time.Time{}, read.Spans(name))
			start := period.Start
			if period.End.IsZero() || start.After(at) || start.Before(from) {
				start = t.UTC()
			}
			d := Day{Index: name, Created: start.Format(time.DateOnly), pattern: pattern, created: start, ready: start, end: period.End}
			if end := dates.PeriodWith(name, time.Time{}, read.Spans(name), s.Rules.Zones...).End; !end.IsZero() {
				d.ready = end.Add(s.Rules.Settle)
			}
			born = append(born, d)
		}
	}
	return born
}

// endings is how the snapshots of a night end.
func endings(failure Failure, at time.Time) func(*cluster.Snapshot) {
	switch failure {
	case Failed:
		return memory.EndFailed("simulated")
	case Partial:
		return func(s *cluster.Snapshot) {
			for _, i := range s.Indices {
				if start, end, dated := dates.Period(i); dated && start.Before(at) && !end.After(at) && at.Sub(end) < 24*time.Hour {
					memory.EndPartial(i, "simulated")(s)
				}
			}
		}
	}
	return nil
}

// account finds out what can still be brought back.
func (s *simulation) account(ctx context.Context, n *Night, heard *heard, at time.Time) error {
	indices, err := s.c.Indices(ctx)
	if err != nil {
		return err
	}
	live := make(map[string]bool, len(indices))
	for _, i := range indices {
		live[i.Name] = true
	}
	n.Indices = len(indices)
	repositories, err := s.c.Repositories(ctx)
	if err != nil {
		return err
	}
	now := map[string]bool{}
	for _, r := range repositories {
		list, err := s.c.Snapshots(ctx, r.Name, true)
		if err != nil {
			return err
		}
		n.Snapshots += len(list)
		for _, x := range list {
			key := r.Name + "/" + x.Name + "/" + x.UUID
			now[key] = true
			if _, counted := s.seen[key]; !counted {
				s.seen[key], s.taken = s.complete(x), true
				for _, i := range s.seen[key] {
					s.copies[i]++
					s.saved[s.day(i).pattern] = true
				}
			}
		}
	}
	for key, holds := range s.seen {
		if !now[key] {
			for _, i := range holds {
				s.copies[i]--
				heard.copyGone(i, key[:strings.LastIndex(key, "/")])
			}
			delete(s.seen, key)
		}
	}
	for _, d := range s.days {
		if d.gone {
			continue
		}
		if !live[d.Index] && d.Deleted == "" {
			d.Deleted = n.Date
		}
		if live[d.Index] || s.copies[d.Index] > 0 {
			continue
		}
		d.gone = true
		d.Until = at.AddDate(0, 0, -1).Format(time.DateOnly)
		d.LostBy = heard.by(d.Index)
		end := d.end
		if end.IsZero() {
			end = d.created
		}
		if age := at.Sub(end); d.Deleted == n.Date || age < time.Duration(s.RequireDays)*24*time.Hour {
			d.Broken = true
		}
		n.Lost = append(n.Lost, d.Index)
	}
	return nil
}

// complete are the indices of which a snapshot has a complete copy.
func (s *simulation) complete(x *cluster.Snapshot) []string {
	complete := x.Complete()
	var names []string
	for _, i := range x.Indices {
		d := s.day(i)
		if d == nil || !complete(i) {
			continue
		}
		if !x.Start.Before(d.ready) {
			names = append(names, i)
		}
	}
	return names
}

// heard is what a run deleted, and which action did.
type heard struct {
	snapshots map[string]deletion // by repository and name
	lost      map[string]deletion // by index: the last one of it or of a copy of it
	count     int
}

// deletion is the action that deleted something, and the place in the order of deletions.
type deletion struct {
	action string
	place  int
}

func newHeard() *heard { return &heard{snapshots: map[string]deletion{}, lost: map[string]deletion{}} }

// Observe implements run.Observer.
func (h *heard) Observe(e run.Event) {
	o, ok := e.(run.Outcome)
	if !ok || o.Outcome.Verb != cluster.VerbDelete || o.Outcome.Result != cluster.Done {
		return
	}
	h.count++
	d := deletion{fmt.Sprintf("action %s (%s)", o.Step.ID, o.Step.Kind), h.count}
	if o.Outcome.What == "index" {
		h.lose(o.Outcome.Name, d)
	} else {
		h.snapshots[o.Outcome.Repository+"/"+o.Outcome.Name] = d
	}
}

func (h *heard) lose(index string, d deletion) {
	if d.place >= h.lost[index].place {
		h.lost[index] = d
	}
}

// copyGone notes that a snapshot with a copy of an index was deleted.
func (h *heard) copyGone(index, snapshot string) { h.lose(index, h.snapshots[snapshot]) }

// by is the action that lost an index: the last one that deleted it or a copy of it.
func (h *heard) by(index string) string { return h.lost[index].action }

// watch is a stopwatch on which sleeping takes no time.
type watch struct {
	c       *memory.Memory
	elapsed time.Duration
}

func (w *watch) Elapsed() time.Duration { return w.elapsed }

func (w *watch) Sleep(ctx context.Context, d time.Duration) error {
	w.elapsed += d
	w.c.Advance(d)
	return context.Cause(ctx)
}
