// Package runtest runs action files against the cluster in memory, for the tests of
// the engine and of the actions.
package runtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
)

// Now is when the runs of a Bench begin.
var Now = time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC)

// Files that several tests run.
const (
	ByPrefix = "{filtertype: pattern, kind: prefix, value: logs-}"
	OnLogs   = "filters: [" + ByPrefix + "]"

	DeleteOld = `
actions:
  1:
    action: delete_indices
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}
`

	TakeSnapshot = `
actions:
  1:
    action: snapshot
    options: {repository: r, name: 'snap-%Y%m%d%H%M%S', once_per: day}
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
`
)

// Bench is a cluster in memory and what it takes to run a file against it.
type Bench struct {
	T       *testing.T
	Cluster *memory.Memory
	Time    *Time
	Options run.Options
	Flavour flavour.Flavour
	Ctx     context.Context
}

// New is a Bench with an empty cluster, whose clock says Now.
func New(t *testing.T, options ...memory.Option) *Bench {
	c := memory.New(append([]memory.Option{memory.At(Now)}, options...)...)
	b := &Bench{T: t, Cluster: c, Time: &Time{c: c}, Ctx: context.Background()}
	b.Options = run.Options{Now: Now, Watch: b.Time, Timeout: 30 * time.Second}
	return b
}

// Logs is a Bench with three open indices and a closed one.
func Logs(t *testing.T, options ...memory.Option) *Bench {
	b := New(t, options...)
	b.Cluster.AddIndices("logs-a", "logs-b", "logs-c", "x")
	b.Cluster.CloseIndex("logs-c")
	return b
}

// Run runs the text of an action file, in which tabs stand for two blanks.
func (b *Bench) Run(file string) (run.Result, *Recorder) {
	b.T.Helper()
	p, err := plan.Parse("test.yml", []byte(strings.ReplaceAll(file, "\t", "  ")), plan.Options{Flavour: b.Flavour})
	require.NoError(b.T, err)
	r := &Recorder{}
	res := run.Run(b.Ctx, p, b.Cluster, b.Options, r)
	r.complete(b.T)
	return res, r
}

// Indices are the names of the indices, sorted.
func (b *Bench) Indices() []string {
	list, err := b.Cluster.Indices(context.Background())
	require.NoError(b.T, err)
	return cluster.Names(list)
}

// Index is the index of this name; nil if there is none.
func (b *Bench) Index(name string) *cluster.Index {
	list, err := b.Cluster.Indices(b.Ctx)
	require.NoError(b.T, err)
	for _, i := range list {
		if i.Name == name {
			return i
		}
	}
	return nil
}

// Setting is a setting of an index.
func (b *Bench) Setting(index, key string) string {
	s, err := b.Cluster.Settings(b.Ctx, []string{index})
	require.NoError(b.T, err)
	return s[index][key]
}

// Snapshots are the names of a repository's snapshots, oldest first.
func (b *Bench) Snapshots(repository string) []string {
	names, err := cluster.SnapshotNames(context.Background(), b.Cluster, repository)
	require.NoError(b.T, err)
	return names
}

// Methods are the calls that the cluster got.
func (b *Bench) Methods() []string {
	var list []string
	for _, c := range b.Cluster.Calls() {
		list = append(list, c.Method)
	}
	return list
}

// BusyFirst has the server refuse the first call of a method, and calls then while the
// run waits.
func (b *Bench) BusyFirst(method string, then func()) {
	refused := false
	b.Cluster.Fault = func(m string, _ []string) error {
		if m != method || refused {
			return nil
		}
		refused = true
		then()
		return cluster.ErrBusy
	}
}

// Time is a stopwatch on which sleeping takes no time; the cluster's clock moves with it.
type Time struct {
	// OnSleep is called in each pause.
	OnSleep func()

	mu      sync.Mutex // the clocks are compared beside the actions
	elapsed time.Duration
	c       *memory.Memory
}

// Elapsed implements clock.Stopwatch.
func (f *Time) Elapsed() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.elapsed
}

// Pass lets time pass, though not on the cluster's clock.
func (f *Time) Pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.elapsed += d
}

// Sleep implements clock.Stopwatch.
func (f *Time) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.Pass(d)
	f.c.Advance(d)
	if f.OnSleep != nil {
		f.OnSleep()
	}
	return nil
}

// Recorder keeps the events of a run.
type Recorder struct{ Events []run.Event }

// Observe implements run.Observer.
func (r *Recorder) Observe(e run.Event) { r.Events = append(r.Events, e) }

// complete fails where an event lacks what reports and logs show of it.
func (r *Recorder) complete(t *testing.T) {
	t.Helper()
	for _, e := range r.Events {
		switch e := e.(type) {
		case run.Outcome:
			o := e.Outcome
			require.NotContains(t, []string{o.Verb.String(), o.Verb.Past(), o.What, o.Name, string(o.Result)}, "", "%+v", o)
			require.Equal(t, o.Result == cluster.Failure, o.Err != nil, "%+v", o)
		case run.ActionSkipped:
			require.NotEmpty(t, e.Reason)
			require.NotEmpty(t, e.Why)
		case run.Selected:
			for _, sp := range e.Selection.Spared {
				require.NotContains(t, []string{sp.By, sp.Why}, "", "%+v", sp)
			}
		}
	}
}

// Of are the recorded events of one type.
func Of[T run.Event](r *Recorder) []T {
	var list []T
	for _, e := range r.Events {
		if t, ok := e.(T); ok {
			list = append(list, t)
		}
	}
	return list
}

// Outcomes are what became of the items, by name.
func (r *Recorder) Outcomes() map[string]cluster.Result {
	out := map[string]cluster.Result{}
	for _, o := range Of[run.Outcome](r) {
		out[o.Outcome.Name] = o.Outcome.Result
	}
	return out
}

// Spared are the reasons for which items were kept, by name.
func (r *Recorder) Spared() map[string]string {
	out := map[string]string{}
	for _, e := range Of[run.Selected](r) {
		for _, sp := range e.Selection.Spared {
			out[sp.Item.ItemName()] = sp.Why
		}
	}
	return out
}

// Warnings are the texts of the warnings, one a line.
func (r *Recorder) Warnings() string {
	var list []string
	for _, w := range Of[run.Warning](r) {
		list = append(list, w.Text)
	}
	return strings.Join(list, "\n")
}
