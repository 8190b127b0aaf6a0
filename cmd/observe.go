package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/terminal"
)

// logObserver writes a run's events as log lines. Each line is made from what
// happened, never from what was meant. In a dry run every line says that it is one.
type logObserver struct {
	log *slog.Logger
	// items is the level of what was done to one item. The report says it, too: a log
	// on the same stream needs it only for debugging.
	items  slog.Level
	dry    bool
	counts map[cluster.Result]int   // of the outcomes of the action that runs
	waited map[string]time.Duration // when a wait was last logged, by what is waited for
}

// heartbeat is how often a wait is logged after its first line.
const heartbeat = time.Minute

// waits says whether a look at a wait is worth a line: its first one, then one a minute.
func (l *logObserver) waits(w cluster.Waiting) bool {
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
func (l *logObserver) verb(verb string) string {
	if l.dry {
		return "would_" + strings.ReplaceAll(verb, " ", "_")
	}
	return verb
}

// Observe implements run.Observer.
func (l *logObserver) Observe(e run.Event) {
	switch e := e.(type) {
	case run.Started:
		l.counts = map[cluster.Result]int{}
		if l.dry = e.DryRun; l.dry {
			l.log = l.log.With("dry_run", true)
		}
		l.log.Info("run started", "file", e.File, "server", e.Server.String(), "now", e.Now.UTC().Format(time.RFC3339))
	case run.RepositoryReady:
		if e.Err != nil {
			l.log.Error("repository not ready", "repository", e.State.Spec.Name, "error", e.Err.Error(), "hint", cluster.Hint(e.Err))
			return
		}
		l.log.Info("repository ready", "repository", e.State.Spec.Name, "detail", report.RepositoryDetail(e.State, l.dry))
	case run.ActionStarting:
		l.counts = map[cluster.Result]int{}
		l.log.Info("action starting", "id", e.Step.ID, "action", e.Step.Kind, "description", e.Step.Description)
	case run.ActionSkipped:
		l.log.Info("action skipped", "id", e.Step.ID, "action", e.Step.Kind, "why", e.Why)
	case run.Selected:
		l.log.Info("selected", "id", e.Step.ID, "selected", len(e.Selection.Selected), "of", e.Listed)
		for _, s := range e.Selection.Spared {
			if s.Guard {
				l.log.Warn("spared by a guard", "id", e.Step.ID, "name", s.Item.ItemName(), "guard", s.By, "why", s.Why)
			} else {
				l.log.Debug("spared", "id", e.Step.ID, "name", s.Item.ItemName(), "filter", s.By, "why", s.Why)
			}
		}
	case run.Intended:
		l.log.Info(l.verb(e.Intent.Verb)+" "+e.Intent.What, "count", len(e.Intent.Names), "repository", e.Intent.Repository, "detail", e.Intent.Detail)
	case run.Waiting:
		level := slog.LevelDebug
		if l.waits(e.Waiting) {
			level = slog.LevelInfo
		}
		attrs := []any{"id", e.Step.ID, "for", e.Waiting.For, "elapsed", e.Waiting.Elapsed.Round(time.Millisecond).String()}
		if p := e.Waiting.Progress; p != nil {
			attrs = append(attrs, "progress", progressText(*p))
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
		attrs := []any{"id", e.Step.ID, "action", e.Step.Kind, "status", report.Status(e.Result), "took", e.Result.Duration.Round(time.Millisecond).String()}
		if !l.dry {
			for _, r := range slices.Sorted(maps.Keys(l.counts)) {
				attrs = append(attrs, "items_"+string(r), l.counts[r])
			}
		}
		if e.Result.Err != nil {
			l.log.Error("action failed", append(attrs, "error", e.Result.Err.Error(), "hint", cluster.Hint(e.Result.Err))...)
			return
		}
		l.log.Info("action done", attrs...)
	case run.Finished:
		attrs := []any{"actions", len(e.Result.Actions), "failed", len(e.Result.Errors()), "took", e.Result.Duration.Round(time.Millisecond).String()}
		if e.Result.Err != nil {
			attrs = append(attrs, "error", e.Result.Err.Error())
		}
		l.log.Info("run finished", attrs...)
	}
}

// progress shows on a terminal what a run waits for.
type progress struct {
	bar *progressbar.ProgressBar
	on  bool
	app *App
}

func newProgress(a *App) *progress {
	on := a.ErrTTY && a.getenv("CI") == "" && a.getenv("TERM") != "dumb"
	return &progress{on: on && !a.noProgress, app: a}
}

// Observe implements run.Observer.
func (p *progress) Observe(e run.Event) {
	w, ok := e.(run.Waiting)
	if !ok || !p.on || w.Waiting.Elapsed < time.Second {
		if !ok {
			p.clear()
		}
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.app.screen), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(10),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionSpinnerType(14))
	}
	text := []string{fmt.Sprintf("%s, %s", w.Waiting.For, w.Waiting.Elapsed.Round(time.Second))}
	if pr := w.Waiting.Progress; pr != nil {
		text = append(text, progressText(*pr))
	}
	p.bar.Describe(terminal.Line(strings.Join(text, ", ")))
	_ = p.bar.Add(1)
}

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

// progressText reads 12/240 shards, 34 MB of 1.2 GB.
func progressText(p cluster.Progress) string {
	s := fmt.Sprintf("%d of %d shards", p.ShardsDone, p.ShardsTotal)
	if p.BytesTotal > 0 {
		s += fmt.Sprintf(", %s of %s", humanize.IBytes(uint64(max(p.BytesDone, 0))), humanize.IBytes(uint64(p.BytesTotal)))
	}
	if p.ShardsFailed > 0 {
		s += fmt.Sprintf(", %d failed", p.ShardsFailed)
	}
	return s
}
