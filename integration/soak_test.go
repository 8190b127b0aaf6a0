//go:build integration

package integration

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
)

// soakPeriod is how often the job of the soak is due.
const soakPeriod = 10 * time.Second

// soaked is a process of the soak, and what it needed while it lived.
type soaked struct {
	c       *exec.Cmd
	errs    fmt.Stringer
	samples []soakSample
}

// soakSample is what /proc says about a process.
type soakSample struct{ kib, threads, files int }

func (s *soaked) sample(e *env) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.c.Process.Pid))
	require.NoError(e, err, "the process has ended: %s", s.errs)
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.c.Process.Pid))
	require.NoError(e, err)
	number := func(name string) (n int) {
		_, rest, _ := strings.Cut(string(status), "\n"+name+":")
		_, err := fmt.Sscan(rest, &n)
		require.NoError(e, err, name)
		return n
	}
	s.samples = append(s.samples, soakSample{number("VmRSS"), number("Threads"), len(files)})
}

// flat compares the last third of a life with the first.
func (s *soaked) flat(e *env) {
	if len(s.samples) < 6 {
		return
	}
	most := func(list []soakSample) (m soakSample) {
		for _, x := range list {
			m = soakSample{max(m.kib, x.kib), max(m.threads, x.threads), max(m.files, x.files)}
		}
		return m
	}
	third := len(s.samples) / 3
	first, last := most(s.samples[:third]), most(s.samples[len(s.samples)-third:])
	e.Logf("process %d, %d samples: memory %.1f to %.1f MiB, threads %d to %d, descriptors %d to %d", s.c.Process.Pid, len(s.samples),
		float64(first.kib)/1024, float64(last.kib)/1024, first.threads, last.threads, first.files, last.files)
	require.Less(e, last.kib, first.kib*5/4+4096, "memory in KiB")
	require.LessOrEqual(e, last.threads, first.threads+8, "threads")
	require.LessOrEqual(e, last.files, first.files+6, "descriptors")
}

// soakKill is a process that was killed.
type soakKill struct {
	at     time.Time
	during bool // a run
}

// TestSoak has two processes serve one job every 10 seconds, for the time SOAK. It kills the
// one that acts, every SOAK_KILL: while it waits and during a run, in turn. At the end each
// period is in the history once. Only the time until the lock of a run that was killed is
// stale has none.
func TestSoak(t *testing.T) {
	if os.Getenv("SOAK") == "" {
		t.Skip("not applicable: make soak runs it, for an hour")
	}
	if runtime.GOOS != "linux" {
		t.Skip("not applicable: reads /proc")
	}
	long, err := time.ParseDuration(os.Getenv("SOAK"))
	require.NoError(t, err)
	between, err := time.ParseDuration(cmp.Or(os.Getenv("SOAK_KILL"), "3m"))
	require.NoError(t, err)
	bin := build(t)
	forEachServer(t, func(e *env) {
		e.Cleanup(func() {
			for _, name := range []string{cluster.LockIndex, cluster.HistoryIndex} {
				e.try("DELETE", "/"+name, nil)
			}
		})
		e.fill(5, map[string]int{e.prefix + "log": 1})
		file := filepath.Join(e.dir, "served.yml")
		writeFile(e, file, strings.NewReplacer("LOCATION", e.location("served"), "*/2 *", "*/10 *").Replace(e.text(servedFile)))
		job, client := e.prefix+"served", e.direct()
		begin := time.Now()
		start := func() *soaked {
			c, _, errs := e.process(bin, "serve", file)
			require.NoError(e, c.Start())
			e.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
			return &soaked{c: c, errs: errs}
		}
		both := []*soaked{start(), start()}
		var kills []soakKill
		var all []*soaked // that were killed
		kill := func(pid int, during bool) {
			i := slices.IndexFunc(both, func(s *soaked) bool { return s.c.Process.Pid == pid })
			require.GreaterOrEqual(e, i, 0, "the lock belongs to somebody else")
			require.NoError(e, both[i].c.Process.Kill())
			kills = append(kills, soakKill{time.Now(), during})
			_ = both[i].c.Wait()
			e.Logf("%s: killed %d, during a run: %t", time.Since(begin).Round(time.Second), pid, during)
			all = append(all, both[i])
			both[i] = start()
		}
		count := func() int {
			list, err := history.List(e.Context(), client, 10_000)
			require.NoError(e, err)
			return len(list)
		}
		sampled, holder, enough := begin, 0, 3
		for time.Since(begin) < long {
			if time.Since(sampled) > soakPeriod {
				sampled = time.Now()
				for _, s := range both {
					s.sample(e)
				}
			}
			held, err := lock.Read(e.Context(), client, job)
			if err != nil {
				held = lock.Held{} // nobody has run it yet
			}
			during := len(kills)%2 == 1
			last := begin
			if len(kills) > 0 {
				last = kills[len(kills)-1].at
			}
			busy := held.Owner.PID != 0 && !held.Stale(time.Now())
			if busy {
				holder = held.Owner.PID
			}
			alive := slices.ContainsFunc(both, func(s *soaked) bool { return s.c.Process.Pid == holder })
			if time.Since(last) > between && alive && busy == during && count() >= enough {
				kill(holder, during)
				enough = count() + 3 // each process that is killed had runs before it
			}
			time.Sleep(50 * time.Millisecond)
		}
		e.eventually("nothing runs", func() bool {
			held, err := lock.IsHeld(e.Context(), client, job)
			return err == nil && !held
		})
		for _, s := range both {
			require.NoError(e, s.c.Process.Signal(syscall.SIGTERM))
		}
		for _, s := range both {
			ended := s.c.Wait()
			var exited *exec.ExitError
			if ended != nil { // a run was going on
				require.ErrorAs(e, ended, &exited)
				require.Equal(e, 143, exited.ExitCode(), s.errs)
			}
		}
		for _, s := range append(all, both...) {
			s.flat(e)
		}

		records, err := history.List(e.Context(), client, 10_000)
		require.NoError(e, err)
		runs := map[time.Time]int{}
		var first, last time.Time
		for _, r := range records {
			require.Equal(e, job, r.Job)
			require.True(e, r.ExitCode == 0 || r.ExitCode == 143, "%+v", r)
			at := r.Started.Truncate(soakPeriod)
			runs[at]++
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		taken := map[time.Time]int{}
		for name := range e.snapshots(job) {
			at, err := time.Parse("served-20060102150405", name)
			require.NoError(e, err)
			taken[at.Truncate(soakPeriod)]++
		}
		missing := 0
		for at := first; !at.After(last); at = at.Add(soakPeriod) {
			require.LessOrEqual(e, taken[at], 1, "snapshots of %s", at)
			if runs[at] == 1 {
				require.Equal(e, 1, taken[at], "the run of %s took no snapshot", at)
				continue
			}
			require.Zero(e, runs[at], "%d runs at %s", runs[at], at)
			missing++
			require.True(e, slices.ContainsFunc(kills, func(k soakKill) bool { // the lock is stale after 3 minutes, and then looked at
				return k.during && at.Add(soakPeriod).After(k.at) && at.Before(k.at.Add(3*time.Minute+2*soakPeriod))
			}), "no run at %s, and no run was killed before it", at)
		}
		e.Logf("%d runs in %s, %d kills; %d periods without a run while the lock of a run that was killed was not stale", len(records),
			time.Since(begin).Round(time.Second), len(kills), missing)
		require.Len(e, runs, len(records), "each period once")
	})
}
