// Package job is the one room for a run: read, parse, connect, run, report, exit code.
// Both faces of the program, esnap's commands and Curator's, make jobs.
package job

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/tell"
)

// Clock is all of the time that a job knows: Now is read once, and by the lock of the run;
// Watch measures and waits; without it real time does.
type Clock struct {
	Now   func() time.Time
	Watch clock.Stopwatch
}

// Job is one run of an action file, or of a plan that a command made.
type Job struct {
	// File is the action file, - for standard input, which In is. Data, if it is given, is
	// its content. Plan, if it is given, is run instead.
	File string
	In   io.Reader
	Data []byte
	Plan *plan.Plan

	Flavour  flavour.Flavour
	Settings *settings.Settings
	// Secret says which variables an action file may not name; by default those of the
	// settings.
	Secret func(variable string) bool
	Clock  Clock
	// Version is esnap's own.
	Version string

	// Dial makes the cluster. Nothing is sent yet.
	Dial func() (cluster.Cluster, error)
	// Options say how the plan is run; Now, Watch and DryRun are set from the others.
	Options run.Options
	// MasterOnly does nothing unless the node that is asked is the elected master.
	MasterOnly bool
	// Refused, if set, is why the job cannot be run: its settings are wrong. Nothing is sent,
	// and observers hear of it.
	Refused error
	// AwaitLock waits where another run holds the lock until that one is seen to be alive: it
	// may have been killed, and then its lock is taken over.
	AwaitLock bool
	// Due says for which time of its schedule the job runs now; nil: it is not scheduled.
	// While another run holds the lock of the job, this one waits, as long as Due says a
	// time: that run may end without having acted.
	Due func() time.Time
	// Schedule is that of Due, as text; empty: it is run by hand.
	Schedule string
	// Missed means that it is too late for the time that Due says: nothing is run, and that is
	// how the run ends, of that one process that takes the lock.
	Missed bool
	// Every is how often the job is run; zero: as the file says.
	Every time.Duration
	// Environ is the environment of hooks, before esnap's own variables and secrets are
	// taken out.
	Environ []string
	// FixedNow is the time as of which a dry run judges; zero: the clock's.
	FixedNow time.Time

	// Log, if set, gets a line for each event. ItemLevel is the level of lines about what
	// was done to one item.
	Log       *slog.Logger
	ItemLevel slog.Level
	// Screen is a terminal that shows what is waited for; nil: none.
	Screen io.Writer
	// Columns is the width of the screen; 0: not known.
	Columns int
	// TerminationLog is the file for the last words of a run, if it exists; empty: none.
	// Words are by default those of the report.
	TerminationLog string
	LastWords      func(Ended) []string
	// Observers are further ones, of the face.
	Observers run.Observers
	// Numbers, if set, gets the summary of a run of an action file that was made.
	Numbers func(*tell.Summary)

	// Command is the command in the history, by default what the plan's first action does.
	// Reason is why it is given.
	Command, Reason string
	// Warn, if set, gets warnings that come after the report.
	Warn func(text string)

	// FailOnSpared makes it exit code 5 that a guard spared something.
	FailOnSpared bool
	// ExitCode is the rule for the exit code of a run; by default esnap's.
	ExitCode func(run.Result) int

	// EndTime is how long all observers together may take at the end of the run; zero: 10
	// seconds.
	EndTime time.Duration
	// Remember keeps what the outlets of messages were told, where neither a file nor the
	// history does; nil: nothing does.
	Remember tell.Remember

	owner lock.Owner // this run
	told  *json.RawMessage
	// slow: some outlet was not told.
	slow *bool
}

// Ended is how a job ended.
type Ended struct {
	RunID  string
	Plan   *plan.Plan // nil: the file was not read
	Result run.Result
	Report *report.Report
	Code   int
	// Err is what kept the run from beginning, at this stage.
	Err   error
	Stage run.Stage
	// NotOurs means that nothing was done, because another run does it: the node is not the
	// master, or another process has acted for this time of the schedule.
	NotOurs bool
	// Held means that the run was refused because another one has the job: that one tells how it
	// went.
	Held bool
	// Again means that another run held the lock and holds it no more: the job is to be run
	// again, with a clock that is read anew.
	Again bool
	// Due is the time of the schedule for which the run acted.
	Due time.Time
	// EndTook is how long the observers took at the end, if an outlet could not be told.
	EndTook time.Duration

	begun bool // the hooks before and the actions were run, as far as they could
	late  bool // the run was told to end before it was started

	// warn adds a warning to the report and the log.
	warn func(text string)
}

// Run runs the job. Observers hear of every run: of Started, and then of Finished or
// Aborted.
func (j Job) Run(ctx context.Context) Ended {
	ctx, cancel := WithDeadline(ctx, j.Settings)
	defer cancel()
	if j.ExitCode == nil {
		j.ExitCode = func(r run.Result) int { return ResultCode(r, j.FailOnSpared) }
	}
	if j.Clock.Watch == nil {
		j.Clock.Watch = clock.RealTime()
	}
	o := j.Options
	o.Now, o.Watch, o.DryRun = j.Clock.Now(), clock.FromNow(j.Clock.Watch), j.Settings.DryRun
	if o.DryRun && j.Log != nil { // in the lines of all observers
		j.Log = j.Log.With("dry_run", true)
	}
	if !j.FixedNow.IsZero() {
		o.Now, o.FixedNow = j.FixedNow, true
	}
	o.RunID, o.Version, o.Host = NewRunID(), j.Version, hostName()
	o.Holds = Holds(j.Settings)
	o.Timeout, o.Remote = j.Settings.Timeout, connect.Remote(j.Version)

	if j.Refused != nil {
		j.Dial = func() (cluster.Cluster, error) { return nil, j.Refused }
	}
	j.Dial, j.owner = sync.OnceValues(j.Dial), NewOwner(o.RunID) // one connection for all
	j.Options, j.told, j.slow = o, new(json.RawMessage), new(bool)
	collector := report.NewCollector()
	all := j.observers(collector)
	all.Observe(run.Started{File: j.name(), Now: o.Now, DryRun: o.DryRun})
	e := Ended{RunID: o.RunID, late: ctx.Err() != nil}
	stage, err := j.run(ctx, o, all, &e)
	if err != nil {
		e.Result.Err = err
	}
	e.Held = as[*lock.HeldError](err)
	j.hooksAtEnd(ctx, all, e)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w (%w)", cause, err)
		}
		e.Stage, e.Err = stage, err
		e.Result.Err = err
		all.Observe(run.Aborted{Stage: stage, Err: err, Duration: o.Watch.Elapsed()})
	} else {
		all.Observe(run.Finished{Result: e.Result})
	}
	e.Code = j.ExitCode(e.Result)
	e.Report = collector.Report(e.Code)
	e.warn = func(text string) { all.Observe(run.Warning{Text: text}) }
	told := o.Watch.Elapsed()
	j.end(ctx, all, e)
	if *j.slow {
		e.EndTook = o.Watch.Elapsed() - told
	}
	return e
}

// WithDeadline ends the context when the deadline of the settings is over.
func WithDeadline(ctx context.Context, s *settings.Settings) (context.Context, context.CancelFunc) {
	if s.Deadline <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, s.Deadline, Deadline{s.Deadline})
}

// NewRunID is a random number of 128 bits in hexadecimal digits.
func NewRunID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// hostName is the name of this machine; empty: unknown.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// run carries out the job. An error is what kept the plan from being run.
func (j Job) run(ctx context.Context, o run.Options, obs run.Observer, e *Ended) (run.Stage, error) {
	p, err := j.Plan, error(nil)
	if p == nil {
		if p, err = j.parse(); err == nil {
			obs.Observe(run.Parsed{Plan: p})
		}
	}
	e.Plan = p
	switch {
	case j.Refused != nil:
		return run.StageSettings, j.Refused
	case err != nil:
		return run.StageFile, err
	}
	if p.Schedule.Text != "" && j.Due == nil && j.Numbers == nil && j.Log != nil { // esnap serve wants the numbers
		j.Log.Info("the schedule of the file is not used: only esnap serve uses it", "schedule", p.Schedule.Text)
	}
	for _, f := range p.Findings {
		if f.Tolerated {
			obs.Observe(run.Warning{Text: f.Error()})
		}
	}
	if err := RefuseHooks(p, j.Settings, j.name()); err != nil {
		return run.StageSettings, err
	}
	cl, err := j.Dial()
	if err != nil {
		return run.StageSettings, err
	}
	if j.MasterOnly && !p.Idle(p.Steps) {
		elected, err := connect.OnMaster(ctx, cl, j.Settings)
		switch {
		case as[*settings.Error](err):
			return run.StageSettings, err
		case err != nil:
			return run.StageConnect, err
		}
		if !elected {
			e.NotOurs = true
			obs.Observe(run.NotMaster{})
			return "", nil
		}
	}
	var hookErr error
	stage, err := j.locked(ctx, cl, o, obs, e, func(o run.Options) {
		if j.Missed {
			return
		}
		o.Left = j.before(ctx, cl, p)
		if e.begun = !e.late; e.begun {
			hookErr = j.hook(ctx, obs, p, run.HookBefore, 0)
		}
		if hookErr == nil {
			e.Result = run.Run(ctx, p, cl, o, obs)
		}
	})
	switch {
	case err != nil:
		return stage, err
	case hookErr != nil:
		return run.StageHook, hookErr
	case e.NotOurs:
		return "", nil
	case j.Missed:
		return j.missed(ctx, cl, obs)
	}
	if !e.Result.Reached && e.Result.Err != nil {
		return run.StageConnect, e.Result.Err
	}
	return "", nil
}

// missed is how a run ends for whose time it is too late. It reaches the cluster, so that the
// history has it.
func (j Job) missed(ctx context.Context, cl cluster.Cluster, obs run.Observer) (run.Stage, error) {
	server, err := cl.Server(ctx)
	if err != nil {
		return run.StageConnect, err
	}
	obs.Observe(run.Connected{Server: server})
	return run.StageSchedule, cluster.WithHint(fmt.Errorf("the run of %s was missed, and it is too late for it; nothing was run",
		j.Due().UTC().Format(time.RFC3339)), "see why esnap serve did not run then; esnap run FILE makes up for it now")
}

// name is the file's name in reports and messages.
func (j Job) name() string {
	if j.Plan != nil {
		return j.Plan.File
	}
	return FileName(j.File)
}

// Holds are the holds of the client file, for guards.
func Holds(s *settings.Settings) []guard.Hold {
	var holds []guard.Hold
	for _, h := range s.Holds {
		holds = append(holds, guard.Hold(h))
	}
	return holds
}

// Stdin is the name of an action file that is read from standard input.
const Stdin = "standard input"

// FileName is a file's name in reports and messages.
func FileName(file string) string {
	if file == "-" {
		return Stdin
	}
	return file
}

func (j Job) parse() (*plan.Plan, error) {
	data := j.Data
	if data == nil {
		var err error
		if data, err = ReadFile(j.In, j.File); err != nil {
			return nil, err
		}
	}
	secret := j.Secret
	if secret == nil {
		secret = j.Settings.Secret
	}
	return plan.Parse(j.name(), data, plan.Options{Flavour: j.Flavour, Env: j.Settings.Lookup, Secret: secret, Guards: j.Settings.Guards})
}

// FileError is an action file that cannot be read.
type FileError struct {
	File string
	Err  error
}

// Error names the file and the reason.
func (e *FileError) Error() string {
	reason := e.Err
	var path *os.PathError
	if errors.As(reason, &path) {
		reason = path.Err
	}
	return fmt.Sprintf("read the action file %s: %s", e.File, reason)
}

// Unwrap is the reason.
func (e *FileError) Unwrap() error { return e.Err }

// ReadFile reads an action file, or in for -. Errors are *FileError.
func ReadFile(in io.Reader, file string) ([]byte, error) {
	read := func() ([]byte, error) { return bounded.ReadFile(file, bounded.Text) }
	if file == "-" {
		read = func() ([]byte, error) { return bounded.ReadAll(in, bounded.Text) }
	}
	data, err := read()
	if err != nil {
		return nil, &FileError{file, err}
	}
	return data, nil
}
