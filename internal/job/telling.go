package job

import (
	"cmp"
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/tell"
)

// telling tells others how the run of an action file ended: metrics, pings, messages. A
// dry run tells nobody, and neither does a run that does nothing because the node is not
// the master.
type telling struct {
	j      Job
	notice notice.Config
	plan   *plan.Plan // nil: the file was not read
	seen   *tell.Seen
	teller *tell.Teller
}

func newTelling(j Job) run.Observer {
	if j.Plan != nil || j.Settings.DryRun {
		return nil
	}
	return &telling{j: j, notice: j.Settings.Notice, seen: tell.NewSeen()}
}

// Observe implements run.Observer.
func (t *telling) Observe(e run.Event) {
	t.seen.Observe(e)
	switch e := e.(type) {
	case run.Parsed:
		t.notice, t.plan = e.Plan.Notice.Over(t.j.Settings.Notice), e.Plan
		if !t.j.MasterOnly && e.Plan.LockModeOf(t.j.Settings.Lock) == plan.LockOff {
			t.start()
		}
	case run.RepositoryReady, run.ActionStarting: // it does something: the node is the master, and the lock is taken
		if t.teller == nil {
			t.start()
		}
	}
}

// historyTime is what telling leaves of the time at the end for the history, and LeastEndTime
// is enough for outlets that answer.
const (
	historyTime  = 2 * time.Second
	LeastEndTime = historyTime + 300*time.Millisecond
)

// TellTime is how long telling may take, by default.
const TellTime = EndTime - historyTime

func (t *telling) prepare() {
	t.teller = tell.New(t.notice, tell.Options{
		RunID:    t.j.Options.RunID,
		Version:  t.j.Version,
		Redact:   t.j.Settings.Redact,
		Remember: t.remember(),
	})
}

// remember is what keeps what was told: the history, for all processes that run the job, and
// that of this process.
func (t *telling) remember() tell.Remember {
	if t.plan != nil && t.j.keepsHistory(t.plan) {
		return inHistory{t.j, t.plan.Job(t.j.File)}
	}
	return t.j.Remember
}

// inHistory keeps what was told in the records of the runs.
type inHistory struct {
	j   Job
	job string
}

// Load implements tell.Remember.
func (h inHistory) Load(ctx context.Context) (json.RawMessage, error) {
	c, err := h.j.Dial()
	var told json.RawMessage
	if err == nil {
		told, err = history.Told(ctx, c, h.j.Clock.Now(), h.job)
	}
	if h.j.Remember == nil {
		return told, err
	}
	// A run that did not reach the cluster has no record: what it told is known here only.
	own, wrong := h.j.Remember.Load(ctx)
	if err != nil || wrong == nil && tell.ToldLater(own, told) {
		return own, wrong
	}
	return told, nil
}

// Save implements tell.Remember. The record of this run is written later.
func (h inHistory) Save(told json.RawMessage) {
	*h.j.told = told
	if h.j.Remember != nil {
		h.j.Remember.Save(told)
	}
}

func (t *telling) start() {
	t.prepare()
	t.teller.Start(context.Background())
}

// End implements Ender.
func (t *telling) End(ctx context.Context, e Ended) {
	if e.NotOurs || t.notice.Empty() && t.j.Numbers == nil || e.Held { // the run that holds the lock tells
		return
	}
	summary := t.summary(e)
	if t.j.Numbers != nil {
		t.j.Numbers(summary)
	}
	if t.notice.Empty() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(t.j.EndTime, EndTime)-historyTime)
	defer cancel()
	if t.teller == nil { // the run did not begin
		t.prepare()
	}
	for _, failed := range t.teller.End(ctx, summary) {
		*t.j.slow = true
		e.warn(t.j.Settings.Redact(failed))
	}
}

// every is how often the job is expected to run; 0: not known.
func (j Job) every(p *plan.Plan, now time.Time) time.Duration {
	return cmp.Or(p.Notice.Over(j.Settings.Notice).Metrics.ExpectedInterval, j.Every, p.Interval(now))
}

func (t *telling) summary(e Ended) *tell.Summary {
	about := tell.About{
		Policy: filepath.Base(t.j.name()), Name: cmp.Or(t.notice.Notify.Name, t.j.Options.Host),
		RunID: t.j.Options.RunID, Version: t.j.Version, Began: t.j.Options.Now, Every: t.notice.Metrics.ExpectedInterval, Seen: t.seen,
		Redact: t.j.Settings.Redact,
	}
	if e.Plan != nil {
		about.Policy = cmp.Or(e.Plan.Job(t.j.File), about.Policy)
		about.Every = t.j.every(e.Plan, about.Began)
	}
	if t.j.LastWords == nil { // those of Curator's command lines have a meaning of their own
		about.Meaning = Meaning(e.Code)
	}
	return tell.Summarize(e.Report, about)
}
