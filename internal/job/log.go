package job

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
)

// lines writes a run's events as log lines. Each line is made from what
// happened, never from what was meant. In a dry run every line shows that it is one.
type lines struct {
	log     *slog.Logger
	started run.Started
	// items is the level of what was done to one item. The report says it, too: a log
	// on the same stream needs it only for debugging.
	items  slog.Level
	dry    bool
	counts map[cluster.Result]int   // of the outcomes of the action that runs
	meters map[string]*meter        // of the operations that are waited for
	waited map[string]time.Duration // when a wait was last logged, by what is waited for
}

func newLines(j Job) run.Observer {
	if j.Log == nil {
		return nil
	}
	return &lines{log: j.Log, items: j.ItemLevel}
}

// heartbeat is how often a wait is logged after its first line.
const heartbeat = time.Minute

// waits says whether a look at a wait is worth a line: its first one, then one a minute.
func (l *lines) waits(w cluster.Waiting) bool {
	last, known := l.waited[w.For]
	if known && w.Elapsed >= last && w.Elapsed-last < heartbeat {
		return false
	}
	if l.waited == nil {
		l.waited = map[string]time.Duration{}
	}
	l.waited[w.For] = w.Elapsed
	return true
}

// verb is what was done, or in a dry run would be.
func (l *lines) verb(verb cluster.Verb) string {
	if l.dry {
		return "would_" + strings.ReplaceAll(verb.String(), " ", "_")
	}
	return verb.String()
}

// Observe implements run.Observer.
func (l *lines) Observe(e run.Event) {
	switch e := e.(type) {
	case run.Started:
		l.counts = map[cluster.Result]int{}
		l.dry, l.started = e.DryRun, e
	case run.Connected:
		l.log.Info("run started", "file", l.started.File, "server", e.Server.String(), "now", l.started.Now.UTC().Format(time.RFC3339))
	case run.NotMaster:
		l.log.Info("nothing is done: master_only is set, and this node is not the master")
	case run.ActedElsewhere:
		l.log.Info("nothing is done: another process has acted", "for", e.For.UTC().Format(time.RFC3339))
	case run.LockWaiting:
		l.log.Info("waiting for the lock", "why", e.Err.Error())
	case run.HookDone:
		l.hook(e)
	case run.RepositoryReady:
		if e.Err != nil {
			l.log.Error("repository not ready", "repository", e.State.Spec.Name, "error", e.Err.Error(), "hint", cluster.Hint(e.Err))
			return
		}
		l.log.Info("repository ready", "repository", e.State.Spec.Name, "detail", e.State.Text(l.dry))
	case run.ActionStarting:
		l.counts = map[cluster.Result]int{}
		l.log.Info("action starting", "id", e.Step.ID, "action", e.Step.Kind, "description", e.Step.Description)
	case run.ActionSkipped:
		l.log.Info("action skipped", "id", e.Step.ID, "action", e.Step.Kind, "why", e.Why)
	case run.Selected:
		l.log.Info("selected", "id", e.Step.ID, "selected", len(e.Selection.Selected), "of", e.Listed)
		all := l.log.Enabled(context.Background(), slog.LevelDebug) // of very many, also the arguments cost
		for _, s := range e.Selection.Spared {
			if s.Guard {
				l.log.Warn("spared by a guard", "id", e.Step.ID, "name", s.Item.ItemName(), "guard", s.By, "why", s.Why)
			} else if all {
				l.log.Debug("spared", "id", e.Step.ID, "name", s.Item.ItemName(), "filter", s.By, "why", s.Why)
			}
		}
	case run.Intended:
		in := e.Op.Intent()
		l.log.Info(l.verb(in.Verb)+" "+in.What, "count", len(in.Names), "repository", in.Repository, "detail", in.Detail)
	case run.Waiting:
		level := slog.LevelDebug
		if !l.dry && l.waits(e.Waiting) {
			level = slog.LevelInfo
		}
		attrs := []any{"id", e.Step.ID, "for", e.Waiting.For, "elapsed", e.Waiting.Elapsed.Round(time.Millisecond).String()}
		if l.meters == nil {
			l.meters = map[string]*meter{}
		}
		if l.meters[e.Waiting.For] == nil {
			l.meters[e.Waiting.For] = &meter{}
		}
		if text := l.meters[e.Waiting.For].text(e.Waiting); text != "" {
			attrs = append(attrs, "progress", text)
		}
		l.log.Log(context.Background(), level, "waiting", attrs...)
	case run.Outcome:
		o := e.Outcome
		l.counts[o.Result]++
		attrs := []any{"id", e.Step.ID, "name", o.Name}
		if !l.dry || o.Result != cluster.Done { // in a dry run nothing is done
			attrs = append(attrs, "result", string(o.Result))
		}
		if o.Repository != "" {
			attrs = append(attrs, "repository", o.Repository)
		}
		if o.Detail != "" {
			attrs = append(attrs, "detail", o.Detail)
		}
		if o.Err != nil {
			l.log.Error(l.verb(o.Verb)+" "+o.What, append(attrs, "error", o.Err.Error(), "hint", cluster.Hint(o.Err))...)
			return
		}
		level := slog.LevelInfo
		if o.Result == cluster.Done || o.Result == cluster.Unchanged {
			level = l.items
		}
		l.log.Log(context.Background(), level, l.verb(o.Verb)+" "+o.What, attrs...)
	case run.Warning:
		l.log.Warn(e.Text)
	case run.ActionDone:
		attrs := []any{
			"id", e.Step.ID, "action", e.Step.Kind, "status", report.Status(e.Result), "took",
			e.Result.Duration.Round(time.Millisecond).String(),
		}
		if !l.dry {
			for _, r := range slices.Sorted(maps.Keys(l.counts)) {
				attrs = append(attrs, "items_"+string(r), l.counts[r])
			}
		}
		switch {
		case e.Result.Interrupted:
			l.log.Warn("action interrupted", append(attrs, "error", e.Result.Err.Error())...)
			return
		case e.Result.Err != nil:
			l.log.Error("action failed", append(attrs, "error", e.Result.Err.Error(), "hint", cluster.Hint(e.Result.Err))...)
			return
		}
		l.log.Info("action done", attrs...)
	case run.Aborted:
		if e.Stage == run.StageConnect || e.Stage == run.StageLock { // of the others the program itself reports
			l.log.Error("run aborted", "stage", string(e.Stage), "took", e.Duration.Round(time.Millisecond).String(), "error", e.Err.Error())
		}
	case run.Finished:
		failed, interrupted := 0, 0
		for _, a := range e.Result.Actions {
			switch {
			case a.Interrupted:
				interrupted++
			case a.Err != nil:
				failed++
			}
		}
		attrs := []any{"actions", len(e.Result.Actions), "failed", failed, "took", e.Result.Duration.Round(time.Millisecond).String()}
		if interrupted > 0 {
			attrs = append(attrs, "interrupted", interrupted)
		}
		if e.Result.Err != nil {
			l.log.Error("run finished", append(attrs, "error", e.Result.Err.Error())...)
			return
		}
		l.log.Info("run finished", attrs...)
	}
}

func (l *lines) hook(e run.HookDone) {
	switch attrs := []any{"hook", string(e.Hook), "program", e.Program}; {
	case e.Assumed:
		l.log.Info("would run hook", attrs...)
	case e.Err != nil:
		l.log.Error("hook failed", append(attrs, "error", e.Err.Error(), "output", e.Output)...)
	default:
		l.log.Info("hook done", append(attrs, "duration", e.Duration.Round(time.Millisecond).String())...)
	}
}
