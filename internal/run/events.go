package run

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/repository"
)

// Event is something that happened in a run. Reports, log lines and progress are
// observers of events; nothing else reports what a run did.
type Event interface{ event() }

// Observer hears every event, in order, from one goroutine.
type Observer interface{ Observe(Event) }

// Observers are several observers.
type Observers []Observer

// Observe implements Observer.
func (o Observers) Observe(e Event) {
	for _, x := range o {
		x.Observe(e)
	}
}

// Started is the beginning of a run: nothing was read or sent yet.
type Started struct {
	File   string
	Now    time.Time
	DryRun bool
}

// Parsed says that the action file was read and is valid.
type Parsed struct{ Plan *plan.Plan }

// Connected says which server answers.
type Connected struct{ Server cluster.Server }

// NotMaster says that nothing is done, since the node that was asked is not the master.
type NotMaster struct{}

// ActedElsewhere says that nothing is done, since a run of another process has already
// acted for this time of the schedule.
type ActedElsewhere struct{ For time.Time }

// LockWaiting says that the run waits while another run holds the lock of the job, and why.
type LockWaiting struct{ Err error }

// Hook is when a command of the file runs.
type Hook string

// The hooks.
const (
	HookBefore  Hook = "before"
	HookAfter   Hook = "after"
	HookOnError Hook = "on_error"
)

// HookDone is the end of a hook.
type HookDone struct {
	Hook     Hook
	Program  string
	Assumed  bool   // of a dry run: it would be run
	ExitCode int    // of the program
	Output   string // the end of what it printed
	Err      error  // nil: it succeeded
	Duration time.Duration
}

// Stage is where a run ended that did not begin.
type Stage string

// The stages.
const (
	StageFile     Stage = "file"     // the action file is read and parsed
	StageSettings Stage = "settings" // the connection is made from the settings; nothing is sent
	StageConnect  Stage = "connect"  // the cluster is asked what it is
	StageLock     Stage = "lock"     // the lock of the job is taken
	StageHook     Stage = "hook"     // the hook before the actions is run
	StageSchedule Stage = "schedule" // it is too late for the time of the schedule
)

// Aborted is the end of a run that did not begin, and why.
type Aborted struct {
	Stage    Stage
	Err      error
	Duration time.Duration
}

// RepositoryReady is a declared repository that was brought into the cluster, or
// was not.
type RepositoryReady struct {
	State repository.State
	Err   error
}

// ActionStarting precedes everything about an action.
type ActionStarting struct{ Step plan.Step }

// ActionSkipped is an action that is not run, and why.
type ActionSkipped struct {
	Step   plan.Step
	Reason SkipReason
	Why    string // in words
}

// SkipReason is why an action is not run.
type SkipReason string

// The reasons.
const (
	SkipDisabled SkipReason = "disabled" // disable_action is set
	SkipEmpty    SkipReason = "empty"    // nothing is selected, and ignore_empty_list is set
	SkipNotRun   SkipReason = "not_run"  // something before it ended the run
)

// Selected is the result of filters and guards on a listing.
type Selected struct {
	Step      plan.Step
	Selection cluster.Selection
	Listed    int
}

// Intended is a change that a dry run would have made.
type Intended struct {
	Step *plan.Step
	Op   cluster.Op
}

// Waiting says that an action waits.
type Waiting struct {
	Step    plan.Step
	Waiting cluster.Waiting
}

// Outcome is what became of one item.
type Outcome struct {
	Step    plan.Step
	Outcome cluster.Outcome
}

// Warning is something an operator should know.
type Warning struct {
	Step *plan.Step // nil: of the run as a whole
	Text string
}

// ActionDone ends an action.
type ActionDone struct {
	Step   plan.Step
	Result ActionResult
}

// Finished is the end of a run.
type Finished struct{ Result Result }

func (Started) event()         {}
func (Parsed) event()          {}
func (Connected) event()       {}
func (NotMaster) event()       {}
func (ActedElsewhere) event()  {}
func (LockWaiting) event()     {}
func (HookDone) event()        {}
func (Aborted) event()         {}
func (RepositoryReady) event() {}
func (ActionStarting) event()  {}
func (ActionSkipped) event()   {}
func (Selected) event()        {}
func (Intended) event()        {}
func (Waiting) event()         {}
func (Outcome) event()         {}
func (Warning) event()         {}
func (ActionDone) event()      {}
func (Finished) event()        {}

// ActionResult is how one action ended.
type ActionResult struct {
	Step    plan.Step
	Err     error // nil: done
	Empty   bool  // nothing was selected, and that was allowed
	NotRun  bool  // the run ended before it
	Partial bool  // done, but incomplete
	// Interrupted means that a signal or the deadline ended it; Err is which.
	Interrupted bool
	Guarded     int // items that guards spared
	Duration    time.Duration
}

// Result is how a run ended.
type Result struct {
	Actions []ActionResult
	// Err is what ended the run before its actions: the cluster was not reached, a
	// repository could not be prepared, or it was interrupted.
	Err      error
	Reached  bool // the server answered
	Wrote    bool // something was sent that may have changed the cluster
	Duration time.Duration
}

// Errors lists the error of the run and of every action that failed.
func (r Result) Errors() []error {
	var errs []error
	if r.Err != nil {
		errs = append(errs, r.Err)
	}
	for _, a := range r.Actions {
		if a.Err != nil {
			errs = append(errs, a.Err)
		}
	}
	return errs
}
