package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/check"
	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/drill"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/serve"
	"github.com/esnap/esnap/internal/tell"
)

// slowly makes each snapshot take a while, and counts how many are taken at the same time.
func slowly(c cluster.Cluster, takes time.Duration) (cluster.Cluster, *atomic.Int32) {
	var now, most atomic.Int32
	return cluster.Intercept(c, c, func(ctx context.Context, op cluster.Op, do func() error) error {
		if _, creates := op.(cluster.CreateSnapshot); creates {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return do()
	}), &most
}

// TestServeWithoutDeadline: replicas act once also where a missed run is not caught up.
func TestServeWithoutDeadline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute+"lock: required\nhistory: true\nstarting_deadline: 0s\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		a, b := serveIn(t, c, file), serveIn(t, c, file)
		time.Sleep(10*time.Minute + 30*time.Second)
		require.Zero(t, a.term())
		require.Zero(t, b.term())
		list, err := history.List(t.Context(), c, 100)
		require.NoError(t, err)
		require.Len(t, list, 10)
	})
}

// TestServeBehindALock: a run that was missed because something holds the lock is said.
func TestServeBehindALock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'0 1 * * *'", 1)+"lock: required\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		_, err := c.PutDocument(t.Context(), cluster.PutDocument{Index: cluster.LockIndex, ID: "minutes", Time: time.Now(),
			Body: map[string]string{"of": "another version"}})
		require.NoError(t, err)
		p := serveIn(t, c, file)
		time.Sleep(4 * time.Hour)
		require.Zero(t, p.term())
		require.Contains(t, p.errs.String(),
			"a run of the job minutes was missed: run ? on host ? (pid 0) held its lock until it was too late for 2000-01-01T01:00:00Z")
	})
}

// TestServeActsOnceAtTheDeadline: a run that takes as long as the deadline is not repeated
// by the process that waits for it.
func TestServeActsOnceAtTheDeadline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'0 1 * * *'", 1)+"lock: required\nhistory: true\n")
	for _, late := range []time.Duration{-5 * time.Second, 25 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := memory.New()
			c.AddIndices("logs-1")
			slow, _ := slowly(c, 2*time.Hour+late)
			a := serveIn(t, slow, file)
			time.Sleep(time.Second)
			b := serveIn(t, slow, file)
			time.Sleep(6 * time.Hour)
			require.Zero(t, a.term())
			require.Zero(t, b.term())
			list, err := history.List(t.Context(), c, 100)
			require.NoError(t, err)
			require.Len(t, list, 1, late)
		})
	}
}

// TestServeRenamedFile: the job of a file that gets another name is the same one, which
// never runs twice at the same time.
func TestServeRenamedFile(t *testing.T) {
	dir := t.TempDir()
	save(t, filepath.Join(dir, "old.yml"), everyMinute)
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		slow, most := slowly(c, 5*time.Minute)
		p := serveIn(t, slow, dir)
		time.Sleep(65 * time.Second) // it runs
		require.NoError(t, os.Rename(filepath.Join(dir, "old.yml"), filepath.Join(dir, "new.yml")))
		time.Sleep(3 * time.Minute)
		require.EqualValues(t, 1, most.Load(), "at the same time")
		p.term()
	})
}

// TestServeSwappedNames: two files may exchange the names of their jobs.
func TestServeSwappedNames(t *testing.T) {
	dir := t.TempDir()
	a := strings.Replace(everyMinute, "m-%H%M", "a-%H%M", 1)
	b := strings.NewReplacer("minutes", "other", "m-%H%M", "b-%H%M").Replace(everyMinute)
	save(t, filepath.Join(dir, "a.yml"), a)
	save(t, filepath.Join(dir, "b.yml"), b)
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		p := serveIn(t, c, dir)
		time.Sleep(5 * time.Second)
		save(t, filepath.Join(dir, "a.yml"), b)
		save(t, filepath.Join(dir, "b.yml"), a)
		time.Sleep(30 * time.Second)
		require.NotContains(t, p.errs.String(), "is not used")
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"a-0001", "b-0001"}, namesIn(t, c))
		save(t, filepath.Join(dir, "a.yml"), a) // now both are the same, until one is valid again
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"a-0001", "b-0001", "a-0002", "b-0002"}, namesIn(t, c))
		require.Equal(t, 1, strings.Count(p.errs.String(), "are both the job"))
		require.Zero(t, p.term())
	})
}

// TestServeFolderIsAway: a folder that is not there for a moment ends no job.
func TestServeFolderIsAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "conf.d")
	require.NoError(t, os.Mkdir(dir, 0o700))
	save(t, filepath.Join(dir, "a.yml"), everyMinute)
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		p := serveIn(t, c, dir)
		time.Sleep(5 * time.Second)
		require.NoError(t, os.Rename(dir, dir+".away"))
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{"m-0001", "m-0002"}, namesIn(t, c))
		require.NotContains(t, p.errs.String(), "the file is gone")
		require.Contains(t, p.errs.String(), "its files stay as they were")
		require.NoError(t, os.Rename(dir+".away", dir))
		time.Sleep(time.Minute)
		require.Len(t, namesIn(t, c), 3)
		require.Zero(t, p.term())
	})
}

// leaving is a cluster that cannot be reached for a while.
type leaving struct {
	cluster.Cluster
	away atomic.Bool
}

// Server implements cluster.ServerReader.
func (l *leaving) Server(ctx context.Context) (cluster.Server, error) {
	if l.away.Load() {
		return cluster.Server{}, &cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable}
	}
	return l.Cluster.Server(ctx)
}

// TestServeStaysCritical: that the cluster cannot be asked makes nothing well that was not.
func TestServeStaysCritical(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'0 1 * * *'", 1)+"history: true\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		gone := &leaving{Cluster: c}
		var out bytes.Buffer
		app := &App{Out: &out, Err: &out, Now: time.Now, Watch: clock.RealTime(), Env: only("", ""),
			Connect: func(es.Options) (cluster.Cluster, error) { return gone, nil }}
		cmd, _, err := newRoot(app).Find([]string{"serve"})
		require.NoError(t, err)
		x, err := app.open(cmd)
		require.NoError(t, err)
		v := newServer(app, cmd, &serveOptions{}, x, []string{file})
		_, err = v.files.first()
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		defer cancel()
		go func() { done <- v.health.refresh(ctx) }()
		synctest.Wait()
		require.Equal(t, check.Critical, v.health.now().Checks["minutes"].Level, "there is no repository")
		gone.away.Store(true)
		time.Sleep(10 * time.Minute)
		require.False(t, v.health.now().Ready)
		require.Equal(t, check.Critical, v.health.now().Checks["minutes"].Level)
		gone.away.Store(false)
		require.NoError(t, history.Write(t.Context(), c, time.Now(),
			history.Record{ID: "x", Run: "x", Command: "run", Job: "minutes", Started: time.Now(), ExitCode: 1},
			func(s string) string { return s }))
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, v.health.now().Past["minutes"].Code)
		gone.away.Store(true)
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, v.health.now().Past["minutes"].Code)
		cancel()
		require.NoError(t, <-done)
	})
}

// TestServeCatchesUpBesideABusyJob: the history knows the last run of a job although
// another job has run many times since.
func TestServeCatchesUpBesideABusyJob(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hours.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@hourly'", 1)+"history: true\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		p := serveIn(t, c, file)
		time.Sleep(time.Hour + time.Minute)
		require.Zero(t, p.term())
		for i := range 300 {
			at := time.Now()
			id := fmt.Sprintf("%08d", i)
			require.NoError(t, history.Write(t.Context(), c, time.Now(),
				history.Record{ID: history.ID(at, id), Run: id, Command: "run", Job: "busy", Started: at},
				func(s string) string { return s }))
			time.Sleep(15 * time.Second)
		}
		p = serveIn(t, c, file)
		time.Sleep(10 * time.Minute)
		require.Zero(t, p.term())
		require.Len(t, namesIn(t, c), 2)
	})
}

// TestServeForgetsGoneJobs: the metrics have no run of a job that is not served any more,
// and of one that is when it last went well.
func TestServeForgetsGoneJobs(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yml"), filepath.Join(dir, "b.yml")
	save(t, a, everyMinute)
	save(t, b, strings.Replace(everyMinute, "minutes", "other", 1))
	var out bytes.Buffer
	app := &App{Out: &out, Err: &out, Now: time.Now, Watch: clock.RealTime(), Env: only("", "")}
	cmd, _, err := newRoot(app).Find([]string{"serve"})
	require.NoError(t, err)
	x, err := app.open(cmd)
	require.NoError(t, err)
	v := newServer(app, cmd, &serveOptions{}, x, []string{dir})
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel(); v.s.Wait() }()
	tasks, err := v.files.first()
	require.NoError(t, err)
	v.s.Set(ctx, tasks)
	v.health.note("other", &tell.Summary{Policy: "other"})
	text := func() string {
		var b bytes.Buffer
		require.NoError(t, v.health.metrics(&b))
		return b.String()
	}
	require.Contains(t, text(), `esnap_last_run_status{policy="other"}`)
	v.health.note("minutes", &tell.Summary{Policy: "minutes", State: tell.OK, Began: time.Unix(1000, 0)})
	v.health.note("minutes", &tell.Summary{Policy: "minutes", State: tell.Error, Began: time.Unix(2000, 0)})
	require.Equal(t, 1, strings.Count(text(), `esnap_last_success_timestamp_seconds{policy="minutes"} 1000`),
		"a failure does not take it away")
	require.NoError(t, os.Remove(b))
	v.files.look(ctx)
	require.Eventually(t, func() bool { return !strings.Contains(text(), `policy="other"`) }, 10*time.Second, time.Millisecond)
	require.Contains(t, text(), `policy="minutes"`)
}

// TestServeEndsByItself: where something else than a signal ends the process, its run has
// not acted for its time either.
func TestServeEndsByItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute+"lock: required\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		slow, _ := slowly(c, time.Hour)
		p := serveIn(t, slow, file)
		time.Sleep(61 * time.Second)
		p.stop(errors.New("the HTTP interface ended"))
		<-p.ended
		acted, _, err := lock.Acted(t.Context(), c, "minutes")
		require.NoError(t, err)
		require.True(t, acted.IsZero(), acted)
	})
}

// TestServeCommandWithDeadline: a program that does not end is ended, which is a failure.
func TestServeCommandWithDeadline(t *testing.T) {
	var p process
	ctx, stop := context.WithCancelCause(t.Context())
	app := &App{
		In:      strings.NewReader(""),
		Out:     &p.out,
		Err:     &p.errs,
		Now:     time.Now,
		Watch:   clock.RealTime(),
		Env:     only("", ""),
		Environ: os.Environ,
	}
	done := make(chan int)
	go func() {
		done <- Main(ctx, app, []string{
			"serve", "--schedule", "* * * * * *", "--deadline", "100ms", "--", "sh", "-c", `trap "exit 0" TERM; sleep 600 & wait`,
		})
	}()
	require.Eventually(t, func() bool { return strings.Contains(p.errs.String(), "exit_code=143") }, 20*time.Second, 10*time.Millisecond)
	require.Contains(t, p.errs.String(), "deadline of 100ms exceeded")
	stop(&job.Signal{Number: syscall.SIGTERM})
	<-done
}

// revoked is a connection whose credentials do not hold any more.
type revoked struct {
	cluster.Cluster
	from time.Time
}

func (r revoked) gone() error {
	if !r.from.IsZero() && time.Now().After(r.from) {
		return &cluster.Error{Op: "ask", Kind: cluster.ErrUnauthorized, Status: 401}
	}
	return nil
}

// Document implements cluster.DocumentReader.
func (r revoked) Document(ctx context.Context, index, id string) (cluster.Document, error) {
	if err := r.gone(); err != nil {
		return cluster.Document{}, err
	}
	return r.Cluster.Document(ctx, index, id)
}

// TestServeWaitsWithNewSettings: a process that waits for another one acts afterwards as the
// settings and the file are then.
func TestServeWaitsWithNewSettings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "minutes.yml")
	text := everyMinute + "lock: required\n"
	save(t, file, text)
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		slow, _ := slowly(c, time.Hour)
		a := serveIn(t, slow, file)
		time.Sleep(65 * time.Second) // it acts, until it is ended
		change := time.Now().Add(time.Minute)
		b := serveWith(t, func(es.Options) (cluster.Cluster, error) {
			if time.Now().Before(change) {
				return revoked{c, change}, nil
			}
			return c, nil
		}, file)
		time.Sleep(2 * time.Minute) // it waits
		save(t, file, strings.Replace(text, "m-%H%M", "n-%H%M", 1))
		time.Sleep(5 * time.Minute)
		require.Contains(t, b.errs.String(), "waiting for the lock")
		require.Equal(t, 143, a.term())
		time.Sleep(70 * time.Second)
		require.Zero(t, b.term())
		names := namesIn(t, c)
		require.NotEmpty(t, names)
		require.True(t, strings.HasPrefix(names[0], "n-"), names)
	})
}

// TestServeByHandBesideAnother: that another process is at work is no failure of the job.
func TestServeByHandBesideAnother(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@yearly'", 1)+"lock: required\n")
	c := memory.New()
	c.AddIndices("logs-1")
	_, err := c.PutDocument(t.Context(), cluster.PutDocument{Index: cluster.LockIndex, ID: "minutes", Time: time.Now(),
		Body: lock.Held{Owner: lock.Owner{Run: "other", Host: "elsewhere"}, Expires: time.Now().Add(time.Hour)}})
	require.NoError(t, err)
	var out buffer
	app := &App{Out: &out, Err: &out, Now: time.Now, Watch: clock.RealTime(), Env: only("", ""),
		Connect: func(es.Options) (cluster.Cluster, error) { return c, nil }}
	cmd, _, err := newRoot(app).Find([]string{"serve"})
	require.NoError(t, err)
	x, err := app.open(cmd)
	require.NoError(t, err)
	v := newServer(app, cmd, &serveOptions{}, x, []string{file})
	tasks, err := v.files.first()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel(); v.s.Wait() }()
	require.True(t, tasks[0].Elsewhere(ctx))
	tasks[0].Elsewhere = nil // as if it began after the question
	v.s.Set(ctx, tasks)
	require.NoError(t, v.s.Trigger(t.Context(), "minutes", "by hand"))
	require.Eventually(t, func() bool {
		return strings.Contains(out.String(), "another run of the job minutes holds its lock")
	}, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return v.s.Status()[0].Since.IsZero() }, 10*time.Second, time.Millisecond)
	require.Nil(t, v.s.Status()[0].Last)
}

// TestFoldersWithPipes: only files are read.
func TestFoldersWithPipes(t *testing.T) {
	dir := t.TempDir()
	save(t, filepath.Join(dir, "a.yml"), everyMinute)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "b.yml"), 0o600))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "c.yml")))
	found, err := folder(dir)
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "a.yml"), filepath.Join(dir, "c.yml")}, found)
}

// startServer is esnap serve of one file beside a cluster in memory, with flags and their
// values. Nothing asks the cluster but the test.
func startServer(t *testing.T, c cluster.Cluster, file string, flags ...string) *server {
	var out buffer
	app := &App{Out: &out, Err: &out, Now: time.Now, Watch: clock.RealTime(), Env: only("", ""),
		Connect: func(es.Options) (cluster.Cluster, error) { return c, nil }}
	cmd, _, err := newRoot(app).Find([]string{"serve"})
	require.NoError(t, err)
	for i := 0; i < len(flags); i += 2 {
		require.NoError(t, cmd.Flags().Set(flags[i], flags[i+1]))
	}
	x, err := app.open(cmd)
	require.NoError(t, err)
	v := newServer(app, cmd, &serveOptions{}, x, []string{file})
	tasks, err := v.files.first()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); v.s.Wait() })
	v.s.Set(ctx, tasks)
	return v
}

// TestServeKnowsDrills: also when many runs have come since, and whatever else is written
// into the history.
func TestServeKnowsDrills(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute)
	c := memory.New()
	at := time.Now().Add(-24 * time.Hour)
	put := func(command string, r *drill.Result) {
		at = at.Add(10 * time.Second)
		id := fmt.Sprintf("%08d", at.Unix())
		record := history.Record{ID: history.ID(at, id), Run: id, Command: command, Started: at}
		if r != nil {
			r.Time, r.Run = at, id
			text, err := json.Marshal(r)
			require.NoError(t, err)
			record.Drill = text
		}
		require.NoError(t, history.Write(t.Context(), c, time.Now(), record, func(s string) string { return s }))
	}
	of := func(index string, state drill.State) *drill.Result {
		return &drill.Result{Copies: []drill.Copy{{Repository: "r", Snapshot: "s", Index: index, State: state, Reason: "a shard is missing"}}}
	}
	v := startServer(t, c, file)
	look := func() (string, serve.Check) {
		fresh, past, err := v.health.look(t.Context())
		require.NoError(t, err)
		v.health.past = past
		var b bytes.Buffer
		require.NoError(t, v.health.metrics(&b))
		return b.String(), fresh.Checks["minutes"]
	}
	const metric = "esnap_restore_drill_success_timestamp_seconds{} "
	text, _ := look()
	require.NotContains(t, text, metric)
	require.Contains(t, text, `esnap_expected_interval_seconds{policy="minutes"} 60`, "known before the first run")
	put("drill", of("logs-2026.11.01", drill.Passed))
	passed := at
	text, _ = look()
	require.Contains(t, text, metric+fmt.Sprint(passed.Unix()))
	for range 300 {
		put("run", nil)
	}
	text, found := look()
	require.Contains(t, text, metric+fmt.Sprint(passed.Unix()), "another job ran many times")
	require.NotContains(t, strings.Join(found.Findings, "\n"), "drill")
	put("drill", of("logs-2026.11.02", drill.Failed))
	text, found = look()
	require.Contains(t, text, metric+fmt.Sprint(passed.Unix()))
	require.Contains(t, strings.Join(found.Findings, "\n"), "a shard is missing")
	put("drill", &drill.Result{})
	put("drill", of("other-2026.11.02", drill.Passed))
	_, found = look()
	require.Contains(t, strings.Join(found.Findings, "\n"), "a shard is missing", "the family did not pass since")
	put("drill", of("logs-2026.11.03", drill.Passed))
	_, found = look()
	require.NotContains(t, strings.Join(found.Findings, "\n"), "a shard is missing")
}

// TestServeTellsTheLastCode: of the run that began last, wherever it ran.
func TestServeTellsTheLastCode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute)
	c := memory.New()
	c.AddIndices("logs-1")
	v := startServer(t, c, file)
	code := func() string {
		_, past, err := v.health.look(t.Context())
		require.NoError(t, err)
		v.health.past = past
		var b bytes.Buffer
		require.NoError(t, v.health.metrics(&b))
		for line := range strings.Lines(b.String()) {
			if text, is := strings.CutPrefix(line, `esnap_last_run_exit_code{policy="minutes"} `); is {
				return strings.TrimSpace(text)
			}
		}
		return ""
	}
	require.NoError(t, v.s.Trigger(t.Context(), "minutes", "by hand"))
	require.Eventually(t, func() bool { return v.s.Status()[0].Last != nil }, 10*time.Second, time.Millisecond)
	own := fmt.Sprint(v.s.Status()[0].Last.Code)
	require.Equal(t, own, code())
	at := time.Now().Add(time.Second)
	record := history.Record{ID: history.ID(at, "elsewhere"), Run: "elsewhere", Command: "run", Job: "minutes", Started: at, ExitCode: 4}
	require.NoError(t, history.Write(t.Context(), c, time.Now(), record, func(s string) string { return s }))
	require.Equal(t, "4", code(), "it was %s here", own)
}

// TestServeSaysHowOften: by the schedule that is used, which may be that of --schedule.
func TestServeSaysHowOften(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@daily'", 1))
	c := memory.New()
	c.AddIndices("logs-1")
	v := startServer(t, c, file, "schedule", "@weekly")
	require.NoError(t, v.s.Trigger(t.Context(), "minutes", "by hand"))
	require.Eventually(t, func() bool { return v.s.Status()[0].Last != nil }, 10*time.Second, time.Millisecond)
	var b bytes.Buffer
	require.NoError(t, v.health.metrics(&b))
	require.Contains(t, b.String(), `esnap_expected_interval_seconds{policy="minutes"} 604800`)
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@daily'", 1)+"metrics: {expected_interval: 5h}\n")
	v = startServer(t, c, file)
	b.Reset()
	require.NoError(t, v.health.metrics(&b))
	require.Contains(t, b.String(), `esnap_expected_interval_seconds{policy="minutes"} 18000`, "what the file says, before the first run")
}

// TestServeKnowsBesideABusyJob: how a job last ran is known although another one has run
// many times since.
func TestServeKnowsBesideABusyJob(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute)
	c := memory.New()
	at := time.Now().Add(-24 * time.Hour)
	put := func(job string, code int) {
		at = at.Add(10 * time.Second)
		id := fmt.Sprintf("%08d", at.Unix())
		require.NoError(t, history.Write(t.Context(), c, time.Now(),
			history.Record{ID: history.ID(at, id), Run: id, Command: "run", Job: job, Started: at, ExitCode: code},
			func(s string) string { return s }))
	}
	v := startServer(t, c, file)
	look := func() serve.Health {
		fresh, past, err := v.health.look(t.Context())
		require.NoError(t, err)
		v.health.past = past
		return fresh
	}
	put("minutes", 0)
	put("cronjob", 0)
	put("cronjob", 1)
	for range 250 {
		put("busy", 0)
	}
	require.NotEmpty(t, look().Past["minutes"].Run, "after the start")
	require.Equal(t, 1, look().Past["cronjob"].Code, "of a job that another process runs")
	put("minutes", 1)
	require.Equal(t, 1, look().Past["minutes"].Code)
	for range 250 {
		put("busy", 0)
	}
	require.Equal(t, 1, look().Past["minutes"].Code)
	var b bytes.Buffer
	require.NoError(t, v.health.metrics(&b))
	for _, job := range []string{"minutes", "cronjob"} {
		require.Contains(t, b.String(), `esnap_last_run_status{policy="`+job+`"} 2`)
		require.Contains(t, b.String(), `esnap_last_success_timestamp_seconds{policy="`+job+`"}`)
	}
}

// slowClock is a cluster whose clock is behind.
type slowClock struct {
	cluster.Cluster
	by time.Duration
}

func (s slowClock) Clock(ctx context.Context) (time.Time, error) {
	t, err := s.Cluster.Clock(ctx)
	return t.Add(-s.by), err
}

// TestServeBesideAClusterWithAnotherClock: a run that was made is not made again after a restart.
func TestServeBesideAClusterWithAnotherClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hourly.yml")
	save(t, file, `
name: hourly
history: true
schedule: 0 * * * *
repositories: {r: {type: fs, settings: {location: /x}}}
actions:
  1: {action: snapshot, options: {repository: r, name: 'm-%H%M%S'}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}
`)
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		m.AddIndices("logs-1")
		c := slowClock{m, time.Minute}
		time.Sleep(30 * time.Minute)
		p := serveIn(t, c, file)
		time.Sleep(30*time.Minute + 20*time.Second)
		require.Zero(t, p.term(), p.errs.String())
		require.Len(t, namesIn(t, m), 1)
		time.Sleep(5 * time.Minute)
		p = serveIn(t, c, file)
		time.Sleep(5 * time.Minute)
		require.Zero(t, p.term(), p.errs.String())
		require.Len(t, namesIn(t, m), 1, p.errs.String()+p.out.String())
	})
}
