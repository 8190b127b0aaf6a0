package job

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
)

var now = time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC)

// ears keeps the events, and how the job ended.
type ears struct {
	events []run.Event
	ended  []Ended
	left   time.Duration // of the time at the end
}

func (e *ears) Observe(x run.Event) { e.events = append(e.events, x) }

func (e *ears) End(ctx context.Context, ended Ended) {
	e.ended = append(e.ended, ended)
	if at, ok := ctx.Deadline(); ok && ctx.Err() == nil {
		e.left = time.Until(at)
	}
}

// still is a stopwatch that stands.
type still struct{}

func (still) Elapsed() time.Duration { return 0 }

func (still) Sleep(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }

func newJob(t *testing.T, file string, c *memory.Memory) Job {
	t.Helper()
	name := filepath.Join(t.TempDir(), "action.yml")
	require.NoError(t, os.WriteFile(name, []byte(file), 0o600))
	s, err := settings.Load(nil, func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	return Job{
		File: name, Settings: s, Clock: Clock{Now: func() time.Time { return now }, Watch: still{}},
		Dial: func() (cluster.Cluster, error) { return c, nil },
	}
}

// follower is a cluster asked through a node that is not the master.
type follower struct{ cluster.Cluster }

func (follower) OnMaster(context.Context) (bool, error) { return false, nil }

const expire = "actions: {1: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}"

// TestEveryRunIsObserved: from its start to its end, also where it does not begin.
func TestEveryRunIsObserved(t *testing.T) {
	unreachable := &cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable}
	stopped, stop := context.WithCancelCause(context.Background())
	stop(&Signal{syscall.SIGINT})
	for name, c := range map[string]struct {
		file   string
		change func(j *Job, c *memory.Memory)
		ctx    context.Context
		stage  run.Stage // of Aborted; empty: Finished
		code   int
	}{
		"a run that is done":         {file: expire, code: OK},
		"an action that fails":       {file: strings.ReplaceAll(expire, "logs-", "x-"), code: Failed},
		"a file that does not parse": {file: "actions: {1: {acton: x}}", stage: run.StageFile, code: Usage},
		"no file":                    {file: expire, change: func(j *Job, _ *memory.Memory) { j.File += "x" }, stage: run.StageFile, code: Usage},
		"a bad URL": {file: expire, change: func(j *Job, _ *memory.Memory) {
			j.Dial = func() (cluster.Cluster, error) { return nil, &settings.Error{Text: "bad URL"} }
		}, stage: run.StageSettings, code: Usage},
		"an unreachable cluster": {file: expire, change: func(_ *Job, c *memory.Memory) {
			c.Fault = func(string, []string) error { return unreachable }
		}, stage: run.StageConnect, code: Unreachable},
		"a lock of another run": {file: "lock: auto\nname: x\n" + expire, change: func(_ *Job, c *memory.Memory) {
			other, err := lock.Acquire(context.Background(), c, "x", lock.Options{Watch: clock.RealTime(), Wall: time.Now})
			if err != nil || other == nil {
				panic(err)
			}
		}, stage: run.StageLock, code: Refused},
		"an interrupted run": {file: expire, ctx: stopped, stage: run.StageConnect, code: Interrupted},
		"not the master": {file: expire, change: func(j *Job, c *memory.Memory) {
			j.MasterOnly = true
			j.Dial = func() (cluster.Cluster, error) { return follower{c}, nil }
		}, code: OK},
		"nothing to ask": {
			file: "actions: {1: {action: delete_indices, options: {disable_action: true}, filters: [{filtertype: none}]}}",
			code: OK,
		},
		"master only, many hosts": {
			file:   expire,
			change: func(j *Job, _ *memory.Memory) { j.MasterOnly, j.Settings.URLs = true, []string{"a", "b"} },
			stage:  run.StageSettings,
			code:   Usage,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory.New(memory.At(now))
			m.AddIndices("logs-1")
			j := newJob(t, c.file, m)
			if c.change != nil {
				c.change(&j, m)
			}
			hears := &ears{}
			j.Observers = run.Observers{hears}
			ctx := c.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			e := j.Run(ctx)
			require.Equal(t, c.code, e.Code, "%v", e.Err)
			require.Equal(t, c.code, e.Report.ExitCode)
			require.IsType(t, run.Started{}, hears.events[0])
			ends := 0
			for _, x := range hears.events[1:] {
				switch x := x.(type) {
				case run.Started:
					t.Error("it starts twice")
				case run.Finished:
					ends++
					require.Empty(t, c.stage)
				case run.Aborted:
					ends++
					require.Equal(t, c.stage, x.Stage)
					require.Error(t, x.Err)
					require.Equal(t, x.Err, e.Err)
					require.Equal(t, x.Err.Error(), e.Report.Error)
				}
			}
			require.Equal(t, 1, ends)
			require.Len(t, hears.ended, 1)
			require.Equal(t, e.Code, hears.ended[0].Code)
			require.Greater(t, hears.left, time.Second, "the end has time of its own")
		})
	}
}

// TestLockIsReleasedAfterASignal.
func TestLockIsReleasedAfterASignal(t *testing.T) {
	m := memory.New(memory.At(now))
	m.AddIndices("logs-1")
	ctx, stop := context.WithCancelCause(t.Context())
	m.Fault = func(method string, _ []string) error {
		if method == "Indices" {
			require.Len(t, m.DocumentIDs(cluster.LockIndex), 1)
			stop(&Signal{syscall.SIGTERM})
		}
		return nil
	}
	e := newJob(t, "lock: required\n"+expire, m).Run(ctx)
	require.Equal(t, Terminated, e.Code)
	require.Empty(t, m.DocumentIDs(cluster.LockIndex))
	require.Empty(t, m.CallsOf("DeleteIndices"))
}

// TestDeadline: of the settings, for every face.
func TestDeadline(t *testing.T) {
	m := memory.New(memory.At(now))
	m.AddIndices("logs-1")
	j := newJob(t, expire, m)
	j.Settings.Deadline = time.Nanosecond
	e := j.Run(context.Background())
	require.Equal(t, Failed, e.Code, "the cluster was not asked")
	require.ErrorContains(t, e.Err, "deadline of 1ns exceeded; no further actions started")
	require.Empty(t, m.Writes())
}

// TestObserversEnd: an observer with a method End is called at the end.
func TestObserversEnd(t *testing.T) {
	s := &settings.Settings{}
	j := Job{Settings: s, Log: slog.New(slog.DiscardHandler), Screen: io.Discard, TerminationLog: "x", told: new(json.RawMessage)}
	for n, make := range observers {
		o := make(j)
		if o == nil {
			continue
		}
		if _, has := reflect.TypeOf(o).MethodByName("End"); has {
			require.Implements(t, (*Ender)(nil), o, "observer %d, %T", n, o)
		}
	}
	_, last := observers[len(observers)-1](j).(*record)
	require.True(t, last, "the record is written after all that may warn")
}
