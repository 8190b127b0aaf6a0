package job

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/esnap/esnap/internal/command"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
)

// RefuseHooks is why a file is not run: its hooks are not allowed. A dry run runs none.
func RefuseHooks(p *plan.Plan, s *settings.Settings, name string) error {
	if p.Hooks == nil || s.AllowHooks || s.DryRun {
		return nil
	}
	return &settings.Error{Text: fmt.Sprintf("the file %s has hooks, which run programs; nothing was sent", name),
		Hint: "if you trust the file, set --allow-hooks"}
}

// hook runs a command of the file, if it has one for this. In a dry run it only says so. The
// error is why the command did not succeed.
func (j Job) hook(ctx context.Context, obs run.Observer, p *plan.Plan, hook run.Hook, code int) error {
	h := p.Hooks
	if h == nil {
		return nil
	}
	args := map[run.Hook][]string{run.HookBefore: h.Before, run.HookAfter: h.After, run.HookOnError: h.OnError}[hook]
	if len(args) == 0 {
		return nil
	}
	done := run.HookDone{Hook: hook, Program: args[0], Assumed: j.Settings.DryRun}
	if !done.Assumed {
		env := append(command.Clean(j.Environ, j.Settings.Private), "ESNAP_HOOK="+string(hook), "ESNAP_JOB="+p.Job(j.File),
			"ESNAP_RUN_ID="+j.Options.RunID)
		if hook != run.HookBefore {
			env = append(env, "ESNAP_EXIT_CODE="+strconv.Itoa(code))
		}
		j.execute(ctx, &done, args, h.Timeout, env)
	}
	obs.Observe(done)
	return done.Err
}

func (j Job) execute(ctx context.Context, done *run.HookDone, args []string, timeout time.Duration, env []string) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it did not end within %s", timeout))
	defer cancel()
	begun := j.Clock.Watch.Elapsed()
	var output command.Tail
	var err error
	done.ExitCode, err = command.Run(ctx, command.Spec{Args: args, Env: env, Out: &output, Err: &output})
	done.Duration, done.Output = j.Clock.Watch.Elapsed()-begun, output.Redacted(j.Settings.Redact)
	switch cause := context.Cause(ctx); {
	case cause != nil: // also one that says 0 then has not done all
		done.Err = fmt.Errorf("the hook %s (%s) was ended: %w", done.Hook, done.Program, cause)
	case err != nil:
		done.Err = fmt.Errorf("the hook %s: %w", done.Hook, err)
	case done.ExitCode != 0:
		done.Err = fmt.Errorf("the hook %s (%s) ended with exit code %d", done.Hook, done.Program, done.ExitCode)
	}
}

// hooksAtEnd runs the hooks after the actions: after only where the one before was, on_error
// also where the run did not begin, unless another run is at work or it was not to begin.
// That one fails is a warning: the run has ended as it has.
func (j Job) hooksAtEnd(ctx context.Context, obs run.Observer, e Ended) {
	if e.Plan == nil || e.NotOurs || e.Held || e.late {
		return
	}
	ctx = context.WithoutCancel(ctx)
	code := j.ExitCode(e.Result)
	if code != OK && j.Settings.AllowHooks && !j.Settings.DryRun {
		j.warnHook(ctx, obs, e.Plan, run.HookOnError, code)
	}
	if e.begun {
		j.warnHook(ctx, obs, e.Plan, run.HookAfter, code)
	}
}

func (j Job) warnHook(ctx context.Context, obs run.Observer, p *plan.Plan, hook run.Hook, code int) {
	if err := j.hook(ctx, obs, p, hook, code); err != nil {
		obs.Observe(run.Warning{Text: err.Error()})
	}
}
