package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/command"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/serve"
	"github.com/esnap/esnap/internal/tell"
	"github.com/esnap/esnap/internal/terminal"
)

// program is a program that is not esnap's, run at the times of --schedule.
type program struct {
	x        *session
	name     string
	args     []string
	schedule *schedule.Schedule
	out, err io.Writer
	told     toldHere

	mu      sync.Mutex
	last    *tell.Summary // nil: it has not run
	success time.Time     // when the last run that went well began
}

// serveCommand runs a program that is not esnap's at the times of --schedule.
func serveCommand(c *cobra.Command, app *App, before, args []string) error {
	switch {
	case len(before) > 0:
		return usagef("%s takes action files or a command after --, not both", c.CommandPath())
	case len(args) == 0 || args[0] == "":
		return usagef("%s: a command must follow --", c.CommandPath())
	}
	x, err := app.open(c)
	if err != nil {
		return err
	}
	p := &program{x: x, name: filepath.Base(args[0]), args: args, out: &shared{w: app.Out}, err: &shared{w: app.Err}}
	if p.schedule, err = scheduleOf(x.s, schedule.Spec{Deadline: schedule.DefaultDeadline}, p.name); err != nil {
		if x.s.Schedule == "" {
			return &usageError{text: "a command needs --schedule", hint: "example: --schedule '0 1 * * *'"}
		}
		return err
	}
	if x.s.DryRun {
		terminal.Fprintf(app.Out, "would run %s at %s\n", strings.Join(args, " "), p.schedule.Next(app.Now()).Format(time.RFC3339))
		return nil
	}
	s := serve.New(app.clock(), x.log)
	hangups(c.Context()) // there are no files to read again
	return serving(c.Context(), x, s, func(ctx context.Context) []func(context.Context) error {
		s.Set(ctx, []serve.Task{{Key: p.name, Name: p.name, Schedule: p.schedule, Run: p.run}})
		return nil
	}, serve.Options{
		Health: func() serve.Health { return serve.Health{Ready: true} },
		Metrics: func(w io.Writer) error {
			expected := map[string]time.Duration{p.name: x.s.Notice.Metrics.ExpectedInterval}
			return tell.WriteMetrics(w, tell.Grouped(append(p.samples(), schedulerSamples(s.Status(), expected)...)))
		},
	})
}

// run runs it once, and tells how it ended.
func (p *program) run(ctx context.Context, r *serve.Run) serve.Ended {
	x, began, start := p.x, p.x.Now(), p.x.Watch.Elapsed()
	teller := x.teller(x.s.Notice, &p.told)
	if r.Missed {
		why := fmt.Sprintf("the run of %s was missed, and it is too late for it", r.Due().UTC().Format(time.RFC3339))
		_, _ = fmt.Fprintf(r.Err, "%s\n", why)
		p.tell(ctx, teller, p.summary(began, 0, job.Failed, why, ""))
		return serve.Ended{Code: job.Failed}
	}
	teller.Start(context.WithoutCancel(ctx))
	ctx, cancel := job.WithDeadline(ctx, x.s)
	defer cancel()
	var outTail, errTail command.Tail // a secret may come in two pieces
	code, err := command.Run(ctx, command.Spec{
		Args: p.args, Env: command.Clean(x.environ(), x.s.Private), Started: r.Started,
		Out: io.MultiWriter(p.out, &outTail), Err: io.MultiWriter(p.err, &errTail),
	})
	out, errs := outTail.Redacted(x.s.Redact), errTail.Redacted(x.s.Redact)
	_, _ = io.WriteString(r.Out, out)
	_, _ = io.WriteString(r.Err, errs)
	why := ""
	if err != nil {
		why = err.Error()
		_, _ = fmt.Fprintf(r.Err, "%s\n", why)
		x.log.Error("the command failed", "error", why)
	}
	if cause := context.Cause(ctx); cause != nil { // what was told to end has not done its work, whatever it says
		why = cause.Error()
		x.log.Warn("the command was told to end", "command", p.name, "why", why)
		code = cmp.Or(code, 128+int(syscall.SIGTERM))
	}
	x.log.Info("the command has ended", "command", p.name, "exit_code", code)
	p.tell(ctx, teller, p.summary(began, x.Watch.Elapsed()-start, code, why, out+errs))
	return serve.Ended{Code: code}
}

// summary is how a run ended.
func (p *program) summary(began time.Time, took time.Duration, code int, why, output string) *tell.Summary {
	s := p.x.summary(p.name, began, took, code, p.x.s.Notice)
	s.Error, s.Report, s.Every = p.x.s.Redact(why), output, cmp.Or(p.x.s.Notice.Metrics.ExpectedInterval, p.schedule.Interval(began))
	if took > 0 {
		s.Words = append(s.Words, fmt.Sprintf("the command %s ended with exit code %d after %s", p.name, code, took.Round(time.Second)))
	}
	if s.Error != "" {
		s.Words = append(s.Words, s.Error)
	}
	return s
}

// tell tells it, also after a signal. What cannot be told is a warning.
func (p *program) tell(ctx context.Context, teller *tell.Teller, s *tell.Summary) {
	p.mu.Lock()
	p.last = s
	if s.State == tell.OK {
		p.success = s.Began
	}
	p.mu.Unlock()
	p.x.tell(ctx, teller, s)
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
