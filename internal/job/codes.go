package job

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
)

// The exit codes of esnap's own commands.
const (
	OK          = 0
	Failed      = 1
	Usage       = 2
	Unreachable = 3
	Refused     = 4
	Incomplete  = 5
	HungUp      = 129
	Interrupted = 130
	Terminated  = 143
)

// Codes are all exit codes with what they mean, as help and documents have them.
var Codes = []struct {
	Code    int
	Meaning string
}{
	{OK, "everything was done and verified"},
	{Failed, "an action failed, or something named does not exist"},
	{Usage, "the command line, a setting or the file is wrong; nothing was sent"},
	{Unreachable, "the cluster cannot be reached, or refuses the credentials"},
	{Refused, "refused by a safety check before anything was changed"},
	{Incomplete, "finished without errors, but incomplete"},
	{Interrupted, "interrupted (143: terminated, 129: terminal closed); nothing new started"},
}

// Meaning is what an exit code of esnap's own commands means; empty: unknown.
func Meaning(code int) string {
	if code == HungUp || code == Terminated {
		code = Interrupted
	}
	for _, c := range Codes {
		if c.Code == code {
			return c.Meaning
		}
	}
	return ""
}

// WasInterrupted reports whether a run with this exit code was ended from outside, so that it
// has not acted for its time.
func WasInterrupted(code int) bool {
	return code == HungUp || code == Interrupted || code == Terminated
}

// Coder is an error that carries its exit code.
type Coder interface{ ExitCode() int }

// kinds are the exit codes of errors that do not carry theirs, in the order in which
// they are asked.
var kinds = []struct {
	code int
	is   func(err error, wrote bool) bool
}{
	{Usage, func(err error, _ bool) bool {
		return as[*run.UsageError](err) || as[*settings.Error](err) || as[*strictyaml.Error](err) || as[*FileError](err)
	}},
	{Unreachable, func(err error, wrote bool) bool {
		return !wrote && !outOfTime(err) && (errors.Is(err, cluster.ErrUnreachable) || errors.Is(err, cluster.ErrUnauthorized) ||
			errors.Is(err, cluster.ErrUnavailable))
	}},
	{Refused, func(err error, _ bool) bool { return as[*cluster.Refused](err) }},
}

// outOfTime reports whether the deadline of the run ended a request, and not the cluster.
func outOfTime(err error) bool {
	var d Deadline
	var request *cluster.Error
	return errors.As(err, &d) && errors.As(err, &request) && request.Text == d.Error()
}

func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// ExitCode is the one mapping of errors to exit codes; wrote says that the cluster may
// have been changed.
func ExitCode(err error, wrote bool) int {
	if err == nil {
		return OK
	}
	var own Coder
	if errors.As(err, &own) {
		return own.ExitCode()
	}
	for _, k := range kinds {
		if k.is(err, wrote) {
			return k.code
		}
	}
	return Failed
}

// severity is the order in which codes win over each other.
var severity = []int{Interrupted, Terminated, HungUp, Usage, Unreachable, Failed, Refused, Incomplete}

// ResultCode is the exit code of a whole run.
func ResultCode(r run.Result, failOnSpared bool) int {
	codes := map[int]bool{}
	for _, err := range r.Errors() {
		codes[ExitCode(err, r.Wrote)] = true
	}
	for _, a := range r.Actions {
		if a.Partial || failOnSpared && a.Guarded > 0 {
			codes[Incomplete] = true
		}
	}
	return worst(codes)
}

func worst(codes map[int]bool) int {
	for _, c := range severity {
		if codes[c] {
			return c
		}
	}
	for c := range codes {
		if c != OK { // of another rule
			return c
		}
	}
	return OK
}

// Worst is the exit code of several runs.
func Worst(codes ...int) int {
	set := map[int]bool{}
	for _, c := range codes {
		set[c] = true
	}
	return worst(set)
}

// Signal is the cause of a context that a signal ended.
type Signal struct{ Number syscall.Signal }

// Error says what the signal means to a run.
func (s *Signal) Error() string {
	switch s.Number {
	case syscall.SIGTERM:
		return "terminated: nothing new was started"
	case syscall.SIGHUP:
		return "the terminal was closed: nothing new was started"
	}
	return "interrupted: nothing new was started"
}

// ExitCode implements Coder, by the convention of shells.
func (s *Signal) ExitCode() int { return 128 + int(s.Number) }

// Deadline is the cause of a context that the deadline ended.
type Deadline struct{ After time.Duration }

// Error names the deadline.
func (e Deadline) Error() string {
	return fmt.Sprintf("deadline of %s exceeded; no further actions started", e.After)
}
