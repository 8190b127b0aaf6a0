package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/command"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/memory"
)

// fake is a program that several processes run: it takes a time, and notes when it ran.
type fake struct {
	takes   time.Duration
	began   []string // minutes
	ended   []string // by a signal
	running atomic.Int32
	most    int32
}

func (f *fake) run(ctx context.Context, s command.Spec) (int, error) {
	f.most = max(f.most, f.running.Add(1))
	defer f.running.Add(-1)
	s.Started(7)
	f.began = append(f.began, time.Now().UTC().Format("15:04"))
	_, _ = io.WriteString(s.Out, "at work\n")
	select {
	case <-ctx.Done():
		f.ended = append(f.ended, time.Now().UTC().Format("15:04:05"))
		return 143, nil
	case <-time.After(f.takes):
		return 0, nil
	}
}

// commandIn is esnap serve -- backup.sh, each minute, in a bubble of time.
func commandIn(t *testing.T, c cluster.Cluster, f *fake, flags ...string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{}), hangup: &hangup{ch: make(chan struct{}, 1)}}
	ctx, stop := context.WithCancelCause(context.WithValue(t.Context(), hangupKey{}, p.hangup))
	p.stop = stop
	app := &App{
		In: strings.NewReader(""), Out: &p.out, Err: &p.errs, Now: time.Now, Watch: clock.RealTime(), Env: only("ESNAP_HISTORY", "true"),
		Connect: func(es.Options) (cluster.Cluster, error) {
			if c == nil {
				return nil, errors.New("the cluster is asked")
			}
			return c, nil
		},
		command: f.run,
	}
	if c == nil {
		app.Env = only("", "")
	}
	go func() {
		defer close(p.ended)
		args := append([]string{"serve", "--schedule", "* * * * *"}, flags...)
		p.code = Main(ctx, app, append(args, "--", "/usr/bin/backup.sh", "--keep", "7"))
	}()
	return p
}

// TestServeCommandReplicas: of two processes one runs the command at each time, also after
// one has ended.
func TestServeCommandReplicas(t *testing.T) {
	for _, mode := range []string{"auto", "required"} {
		synctest.Test(t, func(t *testing.T) {
			c, f := memory.New(), &fake{takes: 20 * time.Second}
			a, b := commandIn(t, c, f, "--lock", mode), commandIn(t, c, f, "--lock", mode)
			time.Sleep(5*time.Minute + 30*time.Second)
			require.Zero(t, a.term(), a.errs.String())
			time.Sleep(5 * time.Minute)
			require.Zero(t, b.term(), b.errs.String())
			require.Equal(t, strings.Fields("00:01 00:02 00:03 00:04 00:05 00:06 00:07 00:08 00:09 00:10"), f.began)
			require.EqualValues(t, 1, f.most, "never two at once")
			require.Contains(t, a.errs.String()+b.errs.String(), "waiting for the lock")
			require.Contains(t, a.errs.String()+b.errs.String(), "nothing is done: another process has acted")
			list, err := history.List(t.Context(), c, 100)
			require.NoError(t, err)
			require.Len(t, list, 10)
			require.Equal(t, "backup.sh", list[0].Job)
			require.Equal(t, "serve", list[0].Command)
			require.EqualValues(t, 20000, list[0].Duration)
			require.EqualValues(t, 60000, list[0].Every)
			require.NotEmpty(t, list[0].Schedule)
			acted, _, err := lock.Acted(t.Context(), c, "backup.sh")
			require.NoError(t, err)
			require.Equal(t, "00:10", acted.UTC().Format("15:04"))
			locks, err := lock.List(t.Context(), c)
			require.NoError(t, err)
			require.Empty(t, locks)
		})
	}
}

// TestServeCommandHeldElsewhere: while another process holds the lock the command is not run,
// and nobody is told. A lock that is not renewed is taken over.
func TestServeCommandHeldElsewhere(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "client.yml")
	save(t, config, "cluster: {url: 'http://es:9200'}\nmetrics: {textfile: "+dir+"}\n")
	synctest.Test(t, func(t *testing.T) {
		c, f := memory.New(), &fake{takes: time.Second}
		l, err := lock.Acquire(t.Context(), c, "backup.sh", lock.Options{
			Owner: lock.Owner{Run: "other", Host: "h", PID: 1}, Watch: clock.RealTime(), Wall: time.Now,
		})
		require.NoError(t, err)
		p := commandIn(t, c, f, "--lock", "required", "--config", config)
		time.Sleep(5*time.Minute + 30*time.Second)
		require.Empty(t, f.began)
		require.NoFileExists(t, filepath.Join(dir, "esnap_backup_sh.prom"))
		require.NoError(t, l.Release(t.Context(), true))
		time.Sleep(time.Minute)
		require.Equal(t, []string{"00:05", "00:06"}, f.began, "the last time that is due")
		require.Zero(t, p.term(), p.errs.String())
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, list, 2, "it is told")
	})
}

// TestServeCommandLeaderDies: a process that does not reach the cluster any more ends its
// command before another one takes its lock over.
func TestServeCommandLeaderDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, g := memory.New(), &fake{takes: time.Hour}, &fake{takes: time.Second}
		var leader killed
		leader.Cluster = cluster.Intercept(c, c, func(_ context.Context, _ cluster.Op, do func() error) error {
			if leader.dead.Load() {
				return &cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable}
			}
			return do()
		})
		a := commandIn(t, leader.Cluster, f, "--lock", "required")
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, []string{"00:01"}, f.began)
		leader.dead.Store(true)
		b := commandIn(t, c, g, "--lock", "required")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"00:03:01"}, f.ended)
		require.Equal(t, "00:04", g.began[0], "taken over when the lock was stale, for the time that had come meanwhile")
		require.Contains(t, a.errs.String(),
			`msg="the command was told to end" command=backup.sh why="the lock of the job backup.sh could not be renewed for 2m`)
		require.Contains(t, b.errs.String(), "took over the lock")
		require.Len(t, f.began, 1, "without the lock it is not run again")
		a.term()
		b.term()
	})
}

// TestServeCommandLosesTheLock: the command is told to end, and the run has failed.
func TestServeCommandLosesTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := memory.New(), &fake{takes: time.Hour}
		p := commandIn(t, c, f, "--lock", "auto")
		time.Sleep(time.Minute + time.Second)
		held, err := lock.Read(t.Context(), c, "backup.sh")
		require.NoError(t, err)
		require.NoError(t, lock.Free(t.Context(), c, "backup.sh", held.Owner))
		time.Sleep(20 * time.Second)
		require.Len(t, f.ended, 1)
		const why = "this run has lost the lock of the job backup.sh: it was released by hand"
		require.Contains(t, p.errs.String(), `why="`+why+`"`)
		require.Zero(t, p.term())
		list, err := history.List(t.Context(), c, 100)
		require.NoError(t, err)
		require.Equal(t, why, list[0].Error)
		require.Equal(t, 143, list[0].ExitCode)
		require.Equal(t, held.Owner.Run, list[0].Run)
	})
}

// TestServeCommandWithoutTheLock: auto runs with a warning, required does not run, and tells.
func TestServeCommandWithoutTheLock(t *testing.T) {
	for mode, status := range map[string]string{"auto": "0", "required": "2"} {
		dir := t.TempDir()
		config := filepath.Join(dir, "client.yml")
		save(t, config, "cluster: {url: 'http://es:9200'}\nmetrics: {textfile: "+filepath.Join(dir, "esnap.prom")+"}\n")
		synctest.Test(t, func(t *testing.T) {
			c, f := memory.New(), &fake{takes: time.Second}
			c.Fault = func(method string, _ []string) error {
				if method == "PutDocument" {
					return &cluster.Error{Op: "write", Kind: cluster.ErrForbidden, Text: "unauthorized"}
				}
				return nil
			}
			p := commandIn(t, c, f, "--lock", mode, "--config", config)
			time.Sleep(90 * time.Second)
			require.Zero(t, p.term())
			require.Equal(t, mode == "auto", len(f.began) == 1, p.errs.String())
			require.Contains(t, p.errs.String(), "the lock of the job backup.sh cannot be written")
			told, err := os.ReadFile(filepath.Join(dir, "esnap.prom"))
			require.NoError(t, err)
			require.Contains(t, string(told), `esnap_last_run_status{policy="backup.sh"} `+status)
			if mode == "required" {
				require.Contains(t, p.errs.String(), "exit_code=4")
			}
		})
	}
}

// TestServeCommandIsInterrupted: a command that a signal ends has not acted for its time.
func TestServeCommandIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f := memory.New(), &fake{takes: time.Hour}
		p := commandIn(t, c, f, "--lock", "required")
		time.Sleep(61 * time.Second)
		require.Equal(t, 143, p.term())
		acted, _, err := lock.Acted(t.Context(), c, "backup.sh")
		require.NoError(t, err)
		require.True(t, acted.IsZero())
		f.takes = time.Second
		b := commandIn(t, c, f, "--lock", "required")
		time.Sleep(90 * time.Second)
		require.Zero(t, b.term())
		time.Sleep(5 * time.Minute) // nothing serves
		b = commandIn(t, c, f, "--lock", "required")
		time.Sleep(10 * time.Second)
		require.Zero(t, b.term())
		require.Equal(t, []string{"00:01", "00:02", "00:07"}, f.began, "the last time that was missed is caught up")
	})
}

// TestServeCommandNeedsNoCluster: without the lock and the history.
func TestServeCommandNeedsNoCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{takes: time.Second}
		p := commandIn(t, nil, f)
		time.Sleep(90 * time.Second)
		p.stop(&job.Signal{Number: syscall.SIGTERM})
		<-p.ended
		require.Zero(t, p.code)
		require.Equal(t, []string{"00:01"}, f.began)
		require.NotContains(t, p.errs.String(), "the cluster is asked")
		require.Contains(t, p.out.String(), "at work")
	})
}
