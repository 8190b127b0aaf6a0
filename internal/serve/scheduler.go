// Package serve runs tasks at the times of their schedules, and shows over HTTP how they
// are. What a task does it does not know.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/esnap/esnap/internal/command"
	"github.com/esnap/esnap/internal/schedule"
)

const (
	// look is how often a task looks at the clock while it waits: the clock may be set, and
	// the machine may have slept.
	look = 30 * time.Second
	// back is how far the clock may be put back until the schedule begins anew from there.
	back = 5 * time.Minute
)

// Clock is all of the time that a scheduler knows.
type Clock struct {
	Now func() time.Time
	// Sleep waits; an error means that the context ended.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Task is something that has a schedule.
type Task struct {
	// Key identifies the task when tasks are set anew; Name is the name of its job.
	Key, Name string
	Schedule  *schedule.Schedule
	// Run runs it, or tells that a time was missed. It ends soon after its context.
	Run func(ctx context.Context, r *Run) Ended
	// Acted, if given, says for which time of the schedule the task was last run, here or in
	// another process; zero: never, or not known. A run that was missed since is caught up.
	Acted func(ctx context.Context) (time.Time, error)
	// Elsewhere, if given, says whether another process runs the task now, as far as it can tell.
	Elsewhere func(ctx context.Context) bool
	// Problem is why the current text of the task is not used; empty: it is.
	Problem string
}

// Run is one run of a task.
type Run struct {
	// Due says for which time of the schedule the task runs now: the last one that is not
	// over; zero: the one that it was started for is too long ago, and there is no later
	// one. It is nil if the run was asked for by hand.
	Due func() time.Time
	// Missed means that it is too late for the time of Due: the task only tells that.
	Missed bool
	// Reason is who asked for the run by hand.
	Reason string
	// Out and Err keep the end of what the run prints.
	Out, Err io.Writer

	task *task
}

// Started says which process does it. Until then a run is not shown as running.
func (r *Run) Started(pid int) { r.task.started(pid) }

// Waits says that another process is at work, and that this one only waits.
func (r *Run) Waits() { r.task.started(0) }

// Ended is how a run ended.
type Ended struct {
	Code int
	Run  string // its id
	// NotOurs means that another process did it.
	NotOurs bool
	// Due is the time of the schedule for which the task ran, if it was another one than at
	// its start.
	Due time.Time
}

// Last is a run that has ended.
type Last struct {
	Code             int
	Run              string // its id
	Stdout, Stderr   string
	Started, Stopped time.Time
	Due              time.Time // zero: it was asked for by hand
}

// Status is how a task is.
type Status struct {
	Key, Name, Schedule, Problem string
	Zone                         *time.Location
	// Since is when the run began that goes on, in the process PID; zero: none does.
	Since time.Time
	PID   int
	Last  *Last // nil: it has not run here
	Next  time.Time
	Every time.Duration // the longest time from one run to the next
}

// Scheduler runs tasks.
type Scheduler struct {
	clock Clock
	log   *slog.Logger
	// After, if set, is told of each run that has ended.
	After func(Status, Ended)

	mu    sync.Mutex
	tasks map[string]*task
	all   sync.WaitGroup
	cut   atomic.Bool
}

// New makes a scheduler without tasks.
func New(clock Clock, log *slog.Logger) *Scheduler {
	return &Scheduler{clock: clock, log: log, tasks: map[string]*task{}}
}

// task is a task that is waited for, or runs.
type task struct {
	s       *Scheduler
	changed chan struct{} // something is new: what it waits for, or that it is asked for by hand

	mu     sync.Mutex
	t      Task
	gone   bool      // it is to end
	after  time.Time // times of the schedule until then are done with
	asked  string    // by hand, and by whom
	active bool      // Run was called and has not ended
	since  time.Time
	pid    int
	last   *Last
	next   time.Time
}

// Set replaces the tasks: one with a known key goes on with what is new, after the run that
// may be going on; one that is not there any more ends after it. All end with the context.
func (s *Scheduler) Set(ctx context.Context, tasks []Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := map[string]bool{}
	for _, t := range tasks {
		keep[t.Key] = true
		if old := s.tasks[t.Key]; old != nil {
			old.replace(t)
			continue
		}
		x := &task{s: s, t: t, changed: make(chan struct{}, 1), after: s.clock.Now()}
		x.next = t.Schedule.Next(x.after)
		s.tasks[t.Key] = x
		s.all.Add(1)
		go func() {
			defer s.all.Done()
			x.loop(ctx)
		}()
	}
	for key, t := range s.tasks {
		if !keep[key] {
			t.remove()
		}
	}
}

// Wait waits until all tasks have ended, and reports whether a run was interrupted.
func (s *Scheduler) Wait() (interrupted bool) {
	s.all.Wait()
	return s.cut.Load()
}

// Status lists all tasks, sorted by name.
func (s *Scheduler) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Status{}
	for _, t := range s.tasks {
		list = append(list, t.status())
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// The errors of Trigger.
var (
	ErrUnknown = errors.New("there is no such job")
	ErrRunning = errors.New("the job is running")
)

// Trigger asks for a run by hand, now.
func (s *Scheduler) Trigger(ctx context.Context, name, reason string) error {
	t := s.named(name)
	if t == nil {
		return ErrUnknown
	}
	if elsewhere := t.elsewhere(); elsewhere != nil && elsewhere(ctx) {
		return ErrRunning
	}
	return t.ask(reason)
}

func (s *Scheduler) named(name string) *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if t.status().Name == name {
			return t
		}
	}
	return nil
}

func (t *task) elsewhere() func(context.Context) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.t.Elsewhere
}

func (t *task) replace(n Task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.s.clock.Now()
	if !n.Schedule.Same(t.t.Schedule.Spec) { // the new times before now were not missed
		t.after = now
	}
	t.t, t.gone = n, false
	t.next = n.Schedule.Next(now)
	t.wake()
}

func (t *task) remove() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	t.wake()
}

// over says whether the task ends now. It is forgotten then, and not before: a task that is
// set again while a run of it goes on is the same one.
func (t *task) over(ctx context.Context) bool {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		delete(t.s.tasks, t.t.Key)
	}
	return t.gone || ctx.Err() != nil
}

func (t *task) wake() {
	select {
	case t.changed <- struct{}{}:
	default: // it will look anyway
	}
}

func (t *task) ask(reason string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active || t.asked != "" {
		return ErrRunning
	}
	t.asked = reason
	t.wake()
	return nil
}

func (t *task) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Status{
		Key:      t.t.Key,
		Name:     t.t.Name,
		Schedule: t.t.Schedule.Text,
		Zone:     t.t.Schedule.Zone,
		Problem:  t.t.Problem,
		Since:    t.since,
		PID:      t.pid,
		Last:     t.last,
		Next:     t.next,
		Every:    t.t.Schedule.Interval(t.s.clock.Now()),
	}
}

func (t *task) started(pid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pid, t.since = pid, time.Time{}
	if pid != 0 {
		t.since = t.s.clock.Now()
	}
}

// loop waits and runs, until the context ends or the task is removed.
func (t *task) loop(ctx context.Context) {
	for known := false; !t.over(ctx); {
		next := t.look()
		if next.due.IsZero() && next.reason == "" {
			known = t.pause(ctx, next.pause, known)
			continue
		}
		if ctx.Err() == nil {
			t.run(ctx, next)
		}
		known = true
	}
}

// pause waits until the time is over or something is new. Meanwhile it asks when the task
// was last run, if that is not known. It reports whether it is.
func (t *task) pause(ctx context.Context, d time.Duration, known bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slept, answered := make(chan error, 1), make(chan bool, 1)
	go func() { slept <- t.s.clock.Sleep(ctx, d) }()
	if !known {
		go func() { answered <- t.catchUp(ctx) }()
	}
	for {
		select {
		case <-slept:
			return known
		case <-t.changed:
			return known
		case known = <-answered:
			if known {
				return true // look again: something may have been missed
			}
		}
	}
}

// catchUp asks when the task was last run, and has it run for a time that was missed since.
// It reports whether there was an answer.
func (t *task) catchUp(ctx context.Context) bool {
	t.mu.Lock()
	acted := t.t.Acted
	t.mu.Unlock()
	if acted == nil {
		return true
	}
	at, err := acted(ctx)
	if err != nil {
		t.s.log.Debug("cannot tell when the job last ran", "job", t.t.Name, "error", err.Error())
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil { // it came too late: the task may have run since
		return false
	}
	if !at.IsZero() && at.Before(t.after) {
		t.after = at
	}
	return true
}

// step is what a task does next: it runs for a time of its schedule, tells that it missed
// one, runs because it was asked to, or waits.
type step struct {
	due    time.Time
	missed bool
	reason string // who asked
	pause  time.Duration
}

// look says what there is to do.
func (t *task) look() step {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.s.clock.Now()
	if t.asked != "" {
		by := step{reason: t.asked}
		t.asked, t.active = "", true
		return by
	}
	if now.Before(t.after.Add(-back)) {
		t.s.log.Warn("the clock was put back: the schedule goes on from there", "job", t.t.Name)
		t.after = now
	}
	sched := t.t.Schedule
	first := sched.Next(t.after)
	due := t.due(now)
	switch {
	case due.IsZero() && !first.IsZero() && !first.After(now):
		missed := t.lastMissed(first, now)
		t.s.log.Error("a run was missed, and it is too late for it", "job", t.t.Name, "due", missed.UTC().Format(time.RFC3339),
			"starting_deadline", sched.Deadline.String())
		t.after, t.next, t.active = now, sched.Next(now), true
		return step{due: missed, missed: true}
	case due.IsZero():
		t.next = first
		return step{pause: min(max(t.next.Sub(now), 0), look)}
	}
	if at := due.Add(sched.Delay(due)); now.Before(at) {
		t.next = due
		return step{pause: min(at.Sub(now), look)}
	}
	t.after, t.next, t.active = due, sched.Next(due), true
	return step{due: due}
}

// lastMissed is the last time from first to now. Only the end of it is gone through: a
// schedule of seconds may have been missed for days.
func (t *task) lastMissed(first, now time.Time) time.Time {
	from := now.Add(-t.patience() - 2*t.t.Schedule.Interval(now))
	if from.Before(first) {
		from = first
	}
	return cmp.Or(t.t.Schedule.Due(from, now), first)
}

// patience is how long ago a time may be for which the task is run. Even without a deadline
// it is longer than a look at the clock can be late: a run that has begun in time is not too
// late a moment after.
func (t *task) patience() time.Duration { return t.t.Schedule.Deadline + t.t.Schedule.Jitter + look }

// due is the last time that is not done with and not too long ago.
func (t *task) due(now time.Time) time.Time {
	from := now.Add(-t.patience())
	if t.after.After(from) {
		from = t.after
	}
	return t.t.Schedule.Due(from, now)
}

// run runs the task once.
func (t *task) run(ctx context.Context, next step) {
	due, reason := next.due, next.reason
	var out, errs command.Tail
	begun := t.s.clock.Now()
	t.mu.Lock()
	run := t.t.Run
	t.mu.Unlock()
	r := &Run{Reason: reason, Missed: next.missed, Out: &out, Err: &errs, task: t}
	switch {
	case next.missed:
		r.Due = func() time.Time { return due }
	case reason == "":
		r.Due = func() time.Time { return t.still(due) }
	}
	ended := t.guarded(ctx, run, r)
	if ctx.Err() != nil && ended.Code != 0 && !ended.NotOurs {
		t.s.cut.Store(true)
	}
	t.mu.Lock()
	t.active, t.since, t.pid = false, time.Time{}, 0
	for _, d := range []time.Time{due, ended.Due} {
		if d.After(t.after) {
			t.after = d
		}
	}
	if !ended.NotOurs {
		t.last = &Last{
			Code:    ended.Code,
			Run:     ended.Run,
			Stdout:  out.String(),
			Stderr:  errs.String(),
			Started: begun,
			Stopped: t.s.clock.Now(),
			Due:     due,
		}
		if !ended.Due.IsZero() {
			t.last.Due = ended.Due
		}
	}
	if passed := t.t.Schedule.Due(t.after, t.s.clock.Now()); reason == "" && !ended.NotOurs && !passed.IsZero() {
		t.s.log.Warn("the run took longer than its schedule allows: a later time has come meanwhile", "job", t.t.Name,
			"due", due.UTC().Format(time.RFC3339), "next", passed.UTC().Format(time.RFC3339))
	}
	t.next = t.t.Schedule.Next(t.after)
	t.mu.Unlock()
	if t.s.After != nil {
		t.s.After(t.status(), ended)
	}
}

// guarded is the run; one that panics has failed, and the next ones go on.
func (t *task) guarded(ctx context.Context, run func(context.Context, *Run) Ended, r *Run) (ended Ended) {
	defer func() {
		if p := recover(); p != nil {
			t.s.log.Error("the run failed with an internal error; please report it", "job", t.t.Name, "panic", fmt.Sprint(p))
			ended = Ended{Code: 1}
		}
	}()
	return run(ctx, r)
}

// still is the time for which a run acts now that was begun for due: a later one, if one
// has come meanwhile; zero if it is too late.
func (t *task) still(due time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.s.clock.Now()
	if later := t.due(now); later.After(due) {
		return later
	}
	if now.Sub(due) > t.patience() {
		return time.Time{}
	}
	return due
}
