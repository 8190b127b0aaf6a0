package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/memory"
)

// TestARefusedRunIsNotTheLastOne: a run that another one keeps from its job is in the history,
// but nothing takes it for the job's last one.
func TestARefusedRunIsNotTheLastOne(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("a-1")
	other, err := lock.Acquire(t.Context(), k.c, "nightly", lock.Options{Watch: clock.RealTime(), Wall: time.Now})
	require.NoError(t, err)
	defer func() { _ = other.Release(t.Context(), true) }()
	k.tty = true
	code, _, errs := k.run("run", k.file("name: nightly\nlock: required\nhistory: true\n"+deletePrefix))
	require.Equal(t, 4, code, errs)
	list, err := history.List(t.Context(), k.c, 10)
	require.NoError(t, err)
	require.Len(t, list, 1, "who tried")
	file := filepath.Join(t.TempDir(), "nightly.yml")
	save(t, file, strings.Replace(everyMinute, "minutes", "nightly", 1))
	v := startServer(t, k.c, file)
	fresh, _, err := v.health.look(t.Context())
	require.NoError(t, err)
	require.Empty(t, fresh.Past)
	latest, err := history.Latest(t.Context(), k.c, now)
	require.NoError(t, err)
	require.Empty(t, latest)
}

// TestAFailedHookIsInTheHistory: also where it comes before the first request.
func TestAFailedHookIsInTheHistory(t *testing.T) {
	for _, keys := range []string{"", "lock: required\n"} {
		k := newConsole(t)
		k.env["PATH"] = os.Getenv("PATH")
		k.c.AddIndices("a-1")
		code, _, errs := k.run("run", "--allow-hooks", k.file("name: nightly\nhistory: true\nhooks: {before: ['false']}\n"+keys+deletePrefix))
		require.Equal(t, 1, code, errs)
		list, err := history.List(t.Context(), k.c, 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, 1, list[0].ExitCode)
		require.Contains(t, list[0].Error, "the hook before (false)")
	}
}

// TestLastWordsOfAFolder: the termination log has the exit code of all.
func TestLastWordsOfAFolder(t *testing.T) {
	dir := inFolder(t, map[string]string{"1.yml": "gone", "2.yml": "a"})
	save(t, filepath.Join(dir, "1.yml"), strings.Replace(strings.Replace(deletePrefix, "PREFIX", "gone", 1), "ignore_empty_list: true", "", 1))
	k := newConsole(t)
	k.c.AddIndices("a-1")
	k.termination = filepath.Join(t.TempDir(), "last")
	require.NoError(t, os.WriteFile(k.termination, nil, 0o600))
	code, _, _ := k.run("run", dir)
	require.Equal(t, 1, code)
	last, err := os.ReadFile(k.termination)
	require.NoError(t, err)
	require.Contains(t, string(last), "2 files, the worst is "+filepath.Join(dir, "1.yml"))
	require.Contains(t, string(last), "exit code 1: an action failed")
}

// TestValidateTwins: what run and serve refuse, validate says.
func TestValidateTwins(t *testing.T) {
	a, b := inFolder(t, map[string]string{"nightly.yml": "a"}), inFolder(t, map[string]string{"nightly.yml": "b"})
	for _, command := range []string{"validate", "run"} {
		code, _, errs := newConsole(t).run(command, a, b)
		require.Equal(t, 2, code, command)
		require.Contains(t, errs, `are both the job "nightly.yml"`, command)
	}
}

// TestServeRunsWhatWasInterrupted: a run that a signal ended has not acted for its time, also
// where only the history says so.
func TestServeRunsWhatWasInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hours.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@hourly'", 1)+"history: true\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		for i, code := range []int{0, 143} {
			at := time.Now().Add(time.Duration(i) * time.Hour)
			id := strings.Repeat(string(rune('a'+i)), 8)
			require.NoError(t, history.Write(t.Context(), c, time.Now(), history.Record{
				ID: history.ID(at, id), Run: id, Command: "run", Job: "minutes",
				Started: at, ExitCode: code}, func(s string) string { return s }))
		}
		time.Sleep(time.Hour + 10*time.Minute)
		p := serveIn(t, c, file)
		time.Sleep(10 * time.Minute)
		require.Zero(t, p.term())
		require.Equal(t, []string{"m-0110"}, namesIn(t, c))
	})
}

// TestServeKnowsHowOftenCronJobsRun: from the records of their runs.
func TestServeKnowsHowOftenCronJobsRun(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("a-1")
	code, _, errs := k.run("run", k.file("name: cronjob\nhistory: true\nmetrics: {expected_interval: 1d}\n"+
		strings.Replace(deletePrefix, "PREFIX", "a", 1)))
	require.Equal(t, 0, code, errs)
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute)
	v := startServer(t, cluster.Cluster(k.c), file)
	_, past, err := v.health.look(t.Context())
	require.NoError(t, err)
	v.health.past = past
	var b buffer
	require.NoError(t, v.health.metrics(&b))
	require.Contains(t, b.String(), `esnap_expected_interval_seconds{policy="cronjob"} 86400`)
}

// hourly runs a test in a bubble of time, with a job of each hour whose last time the history or
// the lock knows, and which has run at 01:00.
func hourly(t *testing.T, flags []string, do func(t *testing.T, c *memory.Memory, file, keys string)) {
	for _, keys := range []string{"history: true\n", "lock: required\n"} {
		file := filepath.Join(t.TempDir(), "hours.yml")
		save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@hourly'", 1)+keys)
		synctest.Test(t, func(t *testing.T) {
			c := memory.New()
			c.AddIndices("logs-1")
			p := serveIn(t, c, append([]string{file}, flags...)...)
			time.Sleep(time.Hour + time.Minute)
			require.Zero(t, p.term())
			do(t, c, file, keys)
		})
	}
}

// TestServeWithAnotherSchedule: after a restart, times of a schedule that was not there before were
// not missed.
func TestServeWithAnotherSchedule(t *testing.T) {
	hourly(t, nil, func(t *testing.T, c *memory.Memory, file, keys string) {
		save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'5 * * * *'", 1)+keys)
		time.Sleep(10 * time.Minute) // 01:11
		p := serveIn(t, c, file)
		time.Sleep(10 * time.Minute)
		require.Zero(t, p.term())
		require.Equal(t, []string{"m-0100"}, namesIn(t, c), "01:05 was not missed")
		p = serveIn(t, c, file)
		time.Sleep(50 * time.Minute)
		require.Zero(t, p.term())
		require.Equal(t, []string{"m-0100", "m-0205"}, namesIn(t, c))
	})
}

// TestServeAfterARunByHand: a run by hand does not change whose times are missed.
func TestServeAfterARunByHand(t *testing.T) {
	berlin := []string{"--timezone", "Europe/Berlin"}
	hourly(t, berlin, func(t *testing.T, c *memory.Memory, file, keys string) {
		time.Sleep(9 * time.Minute)
		var out buffer
		app := &App{Out: &out, Err: &out, Now: time.Now, Watch: clock.RealTime(), Env: only("HOME", t.TempDir()),
			Connect: func(es.Options) (cluster.Cluster, error) { return c, nil }}
		require.Zero(t, Main(t.Context(), app, []string{"run", file}))
		time.Sleep(time.Hour)
		p := serveIn(t, c, append([]string{file}, berlin...)...)
		time.Sleep(10 * time.Minute)
		require.Zero(t, p.term())
		require.Equal(t, []string{"m-0100", "m-0110", "m-0210"}, namesIn(t, c), keys)
	})
}
