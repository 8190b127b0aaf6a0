package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/command"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/serve"
	"github.com/esnap/esnap/internal/tell"
	"github.com/esnap/esnap/internal/terminal"
)

// program is a program that is not esnap's, run at the times of --schedule.
type program struct {
	v        *server
	x        *session
	name     string
	args     []string
	mode     plan.LockMode
	schedule *schedule.Schedule
	told     toldHere

	mu      sync.Mutex
	last    *tell.Summary // nil: it has not run
	success time.Time     // when the last run that went well began
}

// onlyOfFiles are the flags that say how an action file is run.
var onlyOfFiles = []string{"guards", "allow-hooks", "fail-on-spared", "output"}

// serveCommand runs a program that is not esnap's at the times of --schedule.
func serveCommand(c *cobra.Command, app *App, before, args []string) error {
	switch {
	case len(before) > 0:
		return usagef("%s takes action files or a command after --, not both", c.CommandPath())
	case len(args) == 0 || args[0] == "":
		return usagef("%s: a command must follow --", c.CommandPath())
	}
	for _, name := range onlyOfFiles {
		if c.Flags().Changed(name) {
			return usagef("--%s does not apply to a command: it is for action files", name)
		}
	}
	x, err := app.open(c)
	if err != nil {
		return err
	}
	own := schedule.Spec{Deadline: schedule.DefaultDeadline}
	p := &program{x: x, name: filepath.Base(args[0]), args: args, mode: (&plan.Plan{}).LockModeOf(x.s.Lock)}
	if p.schedule, err = scheduleOf(x.s, own, p.name); err != nil {
		if x.s.Schedule == "" {
			return &usageError{text: "a command needs --schedule", hint: "example: --schedule '0 1 * * *'"}
		}
		return err
	}
	if x.s.DryRun {
		terminal.Fprintf(app.Out, "would run %s at %s\n", strings.Join(args, " "), p.schedule.Next(app.Now()).Format(time.RFC3339))
		return nil
	}
	x.unattended = p.mode == plan.LockRequired // auto does not wait long for a cluster that it can do without
	p.v = newServer(app, c, &serveOptions{}, x, nil)
	task := serve.Task{Key: p.name, Name: p.name, Schedule: p.schedule, Run: p.run}
	if p.mode != plan.LockOff || x.s.History {
		task.Acted = func(ctx context.Context) (time.Time, error) { return p.v.acted(ctx, own, p.name) }
		task.Elsewhere = func(ctx context.Context) bool { return p.v.elsewhere(ctx, &plan.Plan{}, p.name) }
	}
	hangups(c.Context()) // there are no files to read again
	s := p.v.s
	return serving(c.Context(), x, s, func(ctx context.Context) []func(context.Context) error {
		s.Set(ctx, []serve.Task{task})
		return nil
	}, serve.Options{
		Health: func() serve.Health { return serve.Health{Ready: true} },
		Metrics: func(w io.Writer) error {
			expected := map[string]time.Duration{p.name: x.s.Notice.Metrics.ExpectedInterval}
			return tell.WriteMetrics(w, tell.Grouped(append(p.samples(), schedulerSamples(s.Status(), expected)...)))
		},
	})
}

// ran is how a run ended.
type ran struct {
	began  time.Time
	took   time.Duration // 0: the program was not started
	code   int
	why    string // what was wrong besides the exit code
	output string
	teller *tell.Teller
}

// run runs it once, unless another process does, and tells how it ended.
func (p *program) run(ctx context.Context, r *serve.Run) serve.Ended {
	for {
		if e, again := p.once(ctx, r); !again || ctx.Err() != nil {
			return e
		}
	}
}

// once is run without waiting again for another process. Without the lock and the history it
// needs no cluster.
func (p *program) once(ctx context.Context, r *serve.Run) (e serve.Ended, again bool) {
	if p.mode == plan.LockOff && !p.x.s.History {
		return p.end(ctx, p.act(ctx, r, nil), nil), false
	}
	x, done, err := p.v.renew(io.Discard, io.Discard)
	defer done()
	var cl cluster.Cluster
	if err == nil {
		cl, err = x.dial(false)
	}
	id := job.NewRunID()
	var locked job.Ended
	if r.Due != nil {
		locked.Due = r.Due()
	}
	keep := func(how ran) {
		if !x.s.History {
			return
		}
		if err != nil {
			p.x.log.Warn("the record of this run was not written to the history: " + err.Error())
			return
		}
		record := job.NewRecord(x.s, how.began, "serve", Version())
		record.ID, record.Run, record.Job, record.Reason = history.ID(how.began, id), id, p.name, r.Reason
		record.Duration, record.ExitCode, record.Error = how.took.Milliseconds(), how.code, how.why
		record.Due = locked.Due
		record.Schedule, record.Every = p.scheduled(r), p.every(how.began).Milliseconds()
		x.keep(ctx, cl, record)
	}
	switch {
	case p.mode == plan.LockOff:
		return p.end(ctx, p.act(ctx, r, nil), keep), false
	case err != nil && p.mode == plan.LockAuto:
		p.x.log.Warn("the lock of the job " + p.name + " cannot be written, so another run of it may act at the same time: " + err.Error())
		return p.end(ctx, p.act(ctx, r, nil), keep), false
	case err != nil:
		return p.end(ctx, p.failed(ctx, r, err), keep), false
	}
	_, _ = cl.Server(ctx) // it waits for a cluster that does not answer yet; the lock says why it cannot be written
	var how ran
	k := job.Locking{
		Name: p.name, Mode: p.mode, Owner: job.NewOwner(id), Clock: job.Clock{Now: p.x.Now, Watch: p.x.Watch},
		Due: r.Due, Schedule: p.scheduled(r), AwaitLock: true,
	}
	_, wrong := k.Run(ctx, cl, locking{p, r}, &locked, func(l *lock.Lock) { how = p.act(ctx, r, l) })
	switch {
	case errors.As(wrong, new(*lock.HeldError)): // the run that holds it tells
		p.x.log.Warn("the command was not run", "why", wrong.Error())
		_, _ = fmt.Fprintf(r.Err, "%s\n", wrong)
		return serve.Ended{Code: job.Refused, NotOurs: true}, false
	case wrong != nil:
		how = p.failed(ctx, r, wrong)
	case locked.NotOurs:
		return serve.Ended{NotOurs: true, Due: locked.Due}, locked.Again
	}
	e = p.end(ctx, how, keep)
	e.Due = locked.Due
	return e, false
}

// scheduled is the schedule of a run, as text; empty: it was asked for by hand.
func (p *program) scheduled(r *serve.Run) string {
	if r.Due == nil {
		return ""
	}
	return p.schedule.String()
}

// every is how often it is expected to run.
func (p *program) every(now time.Time) time.Duration {
	return cmp.Or(p.x.s.Notice.Metrics.ExpectedInterval, p.schedule.Interval(now))
}

// locking logs what becomes of the lock.
type locking struct {
	p *program
	r *serve.Run
}

// Observe implements run.Observer.
func (o locking) Observe(e run.Event) {
	log := o.p.x.log
	switch e := e.(type) {
	case run.LockWaiting:
		o.r.Waits()
		log.Info("waiting for the lock", "why", e.Err.Error())
	case run.ActedElsewhere:
		log.Info("nothing is done: another process has acted", "for", e.For.UTC().Format(time.RFC3339))
	case run.Warning:
		log.Warn(e.Text)
	}
}

// failed is a run that did not begin.
func (p *program) failed(ctx context.Context, r *serve.Run, err error) ran {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	how := ran{began: p.x.Now(), code: job.ExitCode(err, false), why: p.x.s.Redact(err.Error())}
	_, _ = fmt.Fprintf(r.Err, "%s\n", how.why)
	p.x.log.Error("the command was not run", "error", how.why, "hint", hintFor(err), "exit_code", how.code)
	return how
}

// act runs the program. If the run loses its lock, the program is told to end.
func (p *program) act(ctx context.Context, r *serve.Run, l *lock.Lock) ran {
	x, start := p.x, p.x.Watch.Elapsed()
	how := ran{began: x.Now(), teller: x.teller(x.s.Notice, &p.told)}
	if r.Missed {
		how.code, how.why = job.Failed, fmt.Sprintf("the run of %s was missed, and it is too late for it", r.Due().UTC().Format(time.RFC3339))
		_, _ = fmt.Fprintf(r.Err, "%s\n", how.why)
		return how
	}
	how.teller.Start(context.WithoutCancel(ctx))
	if l != nil {
		var stop context.CancelFunc
		ctx, stop = l.While(ctx)
		defer stop()
	}
	ctx, cancel := job.WithDeadline(ctx, x.s)
	defer cancel()
	do := x.command
	if do == nil {
		do = command.Run
	}
	var outTail, errTail command.Tail // a secret may come in two pieces
	code, err := do(ctx, command.Spec{
		Args: p.args, Env: command.Clean(x.environ(), x.s.Private), Started: r.Started,
		Out: io.MultiWriter(p.v.stdout, &outTail), Err: io.MultiWriter(p.v.stderr, &errTail),
	})
	out, errs := outTail.Redacted(x.s.Redact), errTail.Redacted(x.s.Redact)
	_, _ = io.WriteString(r.Out, out)
	_, _ = io.WriteString(r.Err, errs)
	if err != nil {
		how.why = err.Error()
		_, _ = fmt.Fprintf(r.Err, "%s\n", how.why)
		x.log.Error("the command failed", "error", how.why)
	}
	if cause := context.Cause(ctx); cause != nil { // what was told to end has not done its work, whatever it says
		how.why = cause.Error()
		x.log.Warn("the command was told to end", "command", p.name, "why", how.why)
		code = cmp.Or(code, 128+int(syscall.SIGTERM))
	}
	x.log.Info("the command has ended", "command", p.name, "exit_code", code)
	how.took, how.code, how.output = x.Watch.Elapsed()-start, code, out+errs
	return how
}

// end tells how a run ended, also after a signal, and keeps a record of it.
func (p *program) end(ctx context.Context, how ran, keep func(ran)) serve.Ended {
	s := p.summary(how)
	p.mu.Lock()
	p.last = s
	if s.State == tell.OK {
		p.success = s.Began
	}
	p.mu.Unlock()
	if how.teller == nil {
		how.teller = p.x.teller(p.x.s.Notice, &p.told)
	}
	p.x.tell(ctx, how.teller, s)
	if keep != nil {
		keep(how)
	}
	return serve.Ended{Code: how.code}
}

// summary is how a run ended, for those who are told.
func (p *program) summary(how ran) *tell.Summary {
	s := p.x.summary(p.name, how.began, how.took, how.code, p.x.s.Notice)
	s.Error, s.Report, s.Every = p.x.s.Redact(how.why), how.output, p.every(how.began)
	if how.took > 0 {
		s.Words = append(s.Words, fmt.Sprintf("the command %s ended with exit code %d after %s", p.name, how.code, how.took.Round(time.Second)))
	}
	if s.Error != "" {
		s.Words = append(s.Words, s.Error)
	}
	return s
}

// samples are the numbers of the last run, and when one last went well.
func (p *program) samples() []tell.Sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		return nil
	}
	list := p.last.Samples()
	if !p.success.IsZero() {
		list = append(list, tell.SuccessSample(p.name, p.success))
	}
	return list
}
