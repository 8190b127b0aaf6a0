//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/report"
)

const (
	kubesphere = "../examples/kubesphere/action_file.yml"
	ksBackups  = "ks-log-snapshots"
)

var ksFamilies = []string{"ks-logstash-log-", "ks-logstash-events-", "ks-logstash-auditing-", "logstash-"}

// night prepares the names that KubeSphere's file uses.
func night(e *env) {
	e.oneDate()
	clean := func() {
		if names := e.indices(ksFamilies...); len(names) > 0 {
			e.deleteIndices(names...)
		}
		if e.repository(ksBackups) != nil {
			e.call("DELETE", "/_snapshot/"+ksBackups, nil, nil)
		}
	}
	clean()
	e.Cleanup(clean)
	e.template(e.prefix+"*", "ks-logstash-*", "logstash-*")
	e.vars["ESNAP_BACKUP_LOCATION"] = e.location("night")
}

// fillFamilies makes the four families' indices of so many days.
func fillFamilies(e *env, days, docs int) {
	e.Helper()
	want := map[string]int{}
	have := e.uuids(ksFamilies...)
	for ago := range days {
		for _, f := range ksFamilies {
			if have[f+e.day(ago)] == "" {
				want[f+e.day(ago)] = docs
			}
		}
	}
	e.fill(200, want)
}

// plant takes snapshots by hand that are named as if long ago.
func plant(e *env, names ...string) {
	e.Helper()
	e.register(ksBackups, e.vars["ESNAP_BACKUP_LOCATION"], map[string]any{"compress": true})
	for _, name := range names {
		e.take(ksBackups, name, ksFamilies[0]+e.day(1))
	}
}

func dated(e *env, ago int) string {
	return "snapshot-" + e.now.AddDate(0, 0, -ago).Format("20060102") + "010000"
}

// remaining are the indices that the file keeps: seven days of each family.
func remaining(e *env) []string {
	var names []string
	for ago := range 7 {
		for _, f := range ksFamilies {
			names = append(names, f+e.day(ago))
		}
	}
	slices.Sort(names)
	return names
}

// tonights are the snapshots of today that the file took.
func tonights(e *env) []snapshot {
	e.Helper()
	var out []snapshot
	for name, s := range e.snapshots(ksBackups) {
		if strings.HasPrefix(name, "snapshot-"+e.now.Format("20060102")) {
			out = append(out, s)
		}
	}
	return out
}

func TestNight(t *testing.T) {
	forEachServer(t, func(e *env) {
		night(e)
		const days = 60
		fillFamilies(e, days, 5)
		e.fill(20, map[string]int{e.prefix + "other-2020.01.01": 1})
		plant(e, dated(e, 50), dated(e, 47), dated(e, 44), "manual-"+e.now.AddDate(0, 0, -60).Format("20060102"))
		e.call("DELETE", "/_snapshot/"+ksBackups, nil, nil)
		before := e.indices(ksFamilies...)
		require.Len(e, before, days*4)

		e.want(0, "validate", kubesphere)
		require.Empty(e, e.requests)
		stdout, _ := e.want(0, "run", "--dry-run", "-o", "name", kubesphere)
		require.Empty(e, e.writes())
		require.Equal(e, 240, strings.Count(stdout, "snapshot/"), stdout)
		require.Equal(e, (days-7)*4, strings.Count(stdout, "delete_indices/"), stdout)
		require.Equal(e, before, e.indices(ksFamilies...))
		require.Nil(e, e.repository(ksBackups))

		stdout, _ = e.want(0, "run", "-o", "json", kubesphere)
		var r report.Report
		require.NoError(e, json.Unmarshal([]byte(stdout), &r))
		require.Equal(e, 4, r.Repositories[0].Holds, stdout)
		require.Equal(e, 240, r.Actions[0].Selected)
		require.Equal(e, remaining(e), e.indices(ksFamilies...))
		require.Equal(e, []string{e.prefix + "other-2020.01.01"}, e.indices())
		require.Equal(e, "true", e.repository(ksBackups)["compress"])
		held := e.snapshots(ksBackups)
		require.Len(e, held, 3, "%v", slices.Collect(maps.Keys(held)))
		require.Contains(e, held, dated(e, 44))
		require.Contains(e, held, "manual-"+e.now.AddDate(0, 0, -60).Format("20060102"))
		tonight := tonights(e)
		require.Len(e, tonight, 1)
		slices.Sort(tonight[0].Indices)
		require.Equal(e, before, tonight[0].Indices)
		require.Equal(e, "SUCCESS", tonight[0].State)
		require.Equal(e, 240, tonight[0].Shards.Successful)

		stdout, _ = e.want(0, "run", "-o", "json", kubesphere)
		r = report.Report{}
		require.NoError(e, json.Unmarshal([]byte(stdout), &r))
		require.Equal(e, "adopted", r.Actions[0].Outcomes[0].Result)
		require.Equal(e, tonight[0].Snapshot, r.Actions[0].Outcomes[0].Name)
		for _, w := range e.writes() {
			require.Contains(e, w, "/_verify", "the second run changes nothing")
		}
		require.Equal(e, remaining(e), e.indices(ksFamilies...))
		require.Len(e, e.snapshots(ksBackups), 3)
	})
}

// TestNightKilled kills the night at several moments and runs it again.
func TestNightKilled(t *testing.T) {
	binary := build(t)
	onOneServer(t, func(e *env) {
		night(e)
		const days = 12
		killed := 0
		for n, after := range []int{50, 150, 400, 800, 1500, 3000} {
			e.vars["ESNAP_BACKUP_LOCATION"] = e.location(fmt.Sprint("killed", n))
			fillFamilies(e, days, 5)
			all := e.indices(ksFamilies...)
			require.Len(e, all, days*4)
			plant(e, dated(e, 50), dated(e, 47), dated(e, 44))
			c, _, stderr := e.process(binary, "run", kubesphere)
			require.NoError(e, c.Start())
			time.Sleep(time.Duration(after) * time.Millisecond)
			require.NoError(e, c.Process.Kill())
			if c.Wait() != nil {
				killed++
			}
			e.Logf("killed after %d ms with %d of %d indices left, log: %d lines", after, len(e.indices(ksFamilies...)), days*4,
				strings.Count(stderr.String(), "\n"))

			stdout, _ := e.want(0, "run", kubesphere)
			require.Equal(e, remaining(e), e.indices(ksFamilies...), stdout)
			held := e.snapshots(ksBackups)
			require.Len(e, held, 2, "killed after %d ms: %v", after, slices.Collect(maps.Keys(held)))
			require.Contains(e, held, dated(e, 44))
			tonight := tonights(e)
			require.Len(e, tonight, 1)
			require.Equal(e, "SUCCESS", tonight[0].State)
			require.Zero(e, tonight[0].Shards.Failed)
			slices.Sort(tonight[0].Indices)
			require.Equal(e, all, tonight[0].Indices)
			e.call("DELETE", "/_snapshot/"+ksBackups, nil, nil)
		}
		require.NotZero(e, killed, "every run had ended before it was killed")
	})
}

// TestTerminated ends a run by SIGTERM while its snapshot is running.
func TestTerminated(t *testing.T) {
	binary := build(t)
	onOneServer(t, func(e *env) {
		slow(e, e.prefix+"slow", e.prefix+"big")
		file := e.dir + "/night.yml"
		writeFile(e, file, e.text(`
actions:
  1:
    action: snapshot
    options: {repository: PREFIXslow, name: PREFIXnight}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
  2:
    action: delete_indices
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
`))
		c, stdout, stderr := e.process(binary, "run", file)
		require.NoError(e, c.Start())
		e.eventually("the snapshot runs", func() bool { return e.running(e.prefix+"slow", e.prefix+"night") })
		time.Sleep(300 * time.Millisecond)
		require.NoError(e, c.Process.Signal(syscall.SIGTERM))
		start := time.Now()
		_ = c.Wait()
		require.Equal(e, 143, c.ProcessState.ExitCode(), "%s\n%s", stdout, stderr)
		require.Less(e, time.Since(start), 10*time.Second)
		require.Contains(e, stdout.String(), e.prefix+"night")
		require.Contains(e, stdout.String(), "continues in the cluster")
		require.Contains(e, stdout.String(), "terminated")
		e.eventually("the snapshot has ended", func() bool { return !e.running(e.prefix+"slow", e.prefix+"night") })
		require.Equal(e, "SUCCESS", e.snapshots(e.prefix + "slow")[e.prefix+"night"].State)
		require.Equal(e, []string{e.prefix + "big"}, e.indices())
	})
}
