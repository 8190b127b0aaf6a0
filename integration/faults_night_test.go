//go:build integration

package integration

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/testserver"
)

// The faulty night is KubeSphere's, with names of its own and a restore at the end.
const faultyNight = `
repositories:
  PREFIXbackup: {type: fs, settings: {location: LOCATION, compress: true}}
actions:
  1:
    action: snapshot
    options: {repository: PREFIXbackup, name: 'snapshot-%Y%m%d%H%M%S', once_per: day, include_global_state: false, partial: false}
    filters: [{filtertype: pattern, kind: regex, value: '^PREFIXks-logstash-log-\d{4}\.\d{2}\.\d{2}$'}]
  2:
    action: delete_snapshots
    options: {repository: PREFIXbackup, ignore_empty_list: true}
    filters:
      - {filtertype: pattern, kind: prefix, value: snapshot-}
      - {filtertype: retain, cover: 45d}
      - {filtertype: age, source: name, direction: older, timestring: '%Y%m%d%H%M%S', unit: days, unit_count: 45}
  3:
    action: delete_indices
    options: {ignore_empty_list: true, require_snapshot: {repositories: [PREFIXbackup]}}
    filters:
      - {filtertype: pattern, kind: regex, value: '^PREFIXks-logstash-log-\d{4}\.\d{2}\.\d{2}$'}
      - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 7}
  4:
    action: restore
    options:
      repository: PREFIXbackup
      snapshot: latest
      indices: [PREFIXks-logstash-log-DAY]
      rename_pattern: '^(.+)$'
      rename_replacement: 'restored-$1'
      on_conflict: skip
      keep_for: 1d
    filters: [{filtertype: pattern, kind: prefix, value: snapshot-TODAY}]
`

const (
	nightDays = 10 // of indices; the file keeps seven
	nightDocs = 4  // in each
	restored  = 8  // the day that the file restores
)

// nightRun is one faulty night: what was there before, and what must be there after.
type nightRun struct {
	*env
	binary string
	file   string
	before map[string]string // uuids of the indices
	saved  map[string]snapshot
	limit  time.Duration // --deadline

	leftover bool // the faults may leave a restored index without shards
}

func (e *env) logIndex(ago int) string { return e.prefix + "ks-logstash-log-" + e.day(ago) }

// newNight prepares a cluster for the night: ten days of indices, a foreign index, and
// snapshots of earlier times.
func newNight(e *env, binary string) *nightRun {
	e.Helper()
	e.oneDate()
	n := &nightRun{env: e, binary: binary, file: e.dir + "/night.yml", limit: 6 * time.Second}
	docs := map[string]int{e.prefix + "foreign-2020.01.01": 1}
	for ago := range nightDays {
		docs[e.logIndex(ago)] = nightDocs
	}
	e.fill(100, docs)
	text := strings.NewReplacer("LOCATION", e.location("night"), "TODAY", e.now.Format("20060102"), "DAY", e.day(restored))
	writeFile(e, n.file, e.text(text.Replace(faultyNight)))
	e.register(e.prefix+"backup", e.location("night"), map[string]any{"compress": true})
	for _, name := range []string{dated(e, 50), dated(e, 47), dated(e, 44), "manual-" + e.now.AddDate(0, 0, -60).Format("20060102")} {
		e.take(e.prefix+"backup", name, e.logIndex(1))
	}
	e.call("DELETE", "/_snapshot/"+e.prefix+"backup", nil, nil)
	n.before = e.uuids()
	require.Len(e, n.before, nightDays+1)
	n.saved = n.look()
	require.Len(e, n.saved, 4)
	return n
}

// look reads the snapshots through a repository of its own, whatever became of esnap's.
func (n *nightRun) look() map[string]snapshot {
	n.Helper()
	if n.repository(n.prefix+"look") == nil {
		n.register(n.prefix+"look", n.location("night"), map[string]any{"readonly": true})
	}
	return n.snapshots(n.prefix + "look")
}

// outcome is how a process of esnap ended.
type ended struct {
	code           int
	stdout, stderr string
	report         *report.Report // nil: the run did not begin
	hung, killed   bool
	took           time.Duration
}

func (r ended) String() string {
	return fmt.Sprintf("exit code %d after %s\nstdout:\n%s\nstderr:\n%s", r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// nightArgs are short waits, so that a lost request does not cost a quarter of an hour.
func (n *nightRun) nightArgs(more ...string) []string {
	return append([]string{
		"run", "-o", "json", "--log-level", "info", "--timeout", "2s", "--connect-timeout", "3s", "--deadline", n.limit.String(), n.file,
	}, more...)
}

// grace is how long esnap may take after its deadline, for its last looks and its report.
const grace = 20 * time.Second

// through runs the night through a proxy; esnap is ended if it hangs.
func (n *nightRun) through(p *faultProxy, more ...string) ended {
	n.Helper()
	n.vars["ESNAP_URL"] = n.server.URL
	if p != nil {
		n.vars["ESNAP_URL"] = p.URL
	}
	c, stdout, stderr := n.process(n.binary, n.nightArgs(more...)...)
	if p != nil {
		p.kill = func() { _ = c.Process.Kill() }
	}
	start := time.Now()
	require.NoError(n, c.Start())
	over := make(chan struct{})
	hung := false
	go func() {
		// Seconds are counted one by one: a machine that stands still is not a hang.
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for range int((n.limit + grace) / time.Second) {
			select {
			case <-over:
				return
			case <-second.C:
			}
		}
		hung = true
		_ = c.Process.Signal(syscall.SIGABRT) // prints what its goroutines do
		time.Sleep(2 * time.Second)
		_ = c.Process.Kill()
	}()
	_ = c.Wait()
	close(over)
	r := ended{code: c.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), hung: hung, took: time.Since(start)}
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		r.killed = true
	}
	if stdout.Len() > 0 {
		var x report.Report
		if json.NewDecoder(bytes.NewReader(stdout.Bytes())).Decode(&x) == nil {
			r.report = &x
		}
	}
	return r
}

// quiet waits until nothing runs in the cluster and no request is on its way.
func (n *nightRun) quiet(p *faultProxy) {
	n.Helper()
	if p != nil {
		p.late.Wait()
	}
	n.eventually("the cluster is quiet", func() bool {
		var state struct {
			Snapshots         struct{ Snapshots []any }
			Restore           struct{ Snapshots []any }
			SnapshotDeletions struct {
				Deletions []any `json:"snapshot_deletions"`
			} `json:"snapshot_deletions"`
		}
		n.call("GET", "/_cluster/state/customs", nil, &state)
		return len(state.Snapshots.Snapshots)+len(state.Restore.Snapshots)+len(state.SnapshotDeletions.Deletions) == 0
	})
}

// good says that a snapshot is complete.
func (s snapshot) good() bool {
	return s.State == "SUCCESS" && len(s.Indices) > 0 && s.Shards.Failed == 0 && s.Shards.Successful == s.Shards.Total
}

// world is what is there now, seen from outside.
type world struct {
	indices   map[string]string
	snapshots map[string]snapshot
}

func (n *nightRun) world() world {
	n.Helper()
	return world{n.uuids(n.prefix, "restored-"+n.prefix), n.look()}
}

// safe lists what was lost that may not be: snapshots within the rule, the last good copy
// of an index, indices that the file does not delete, and indices without a good copy.
func (n *nightRun) safe(w world) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	expired := []string{dated(n.env, 50), dated(n.env, 47)}
	for name := range n.saved {
		if s, there := w.snapshots[name]; !there && !slices.Contains(expired, name) {
			say("the snapshot %s was deleted against the rule", name)
		} else if there && !s.good() {
			say("the snapshot %s was good and is %s", name, s.State)
		}
	}
	for name, s := range n.saved {
		for _, index := range s.Indices {
			if s.good() && !w.holds(index) {
				say("the index %s was in the good snapshot %s and is in none now", index, name)
			}
		}
	}
	due := n.due()
	for name, uuid := range n.before {
		now, there := w.indices[name]
		switch {
		case there && now != uuid:
			say("the index %s is another one now", name)
		case there && slices.Contains(due, name) && w.holds(name): // half deleted, perhaps
		case there && strings.Contains(name, "logstash") && n.countOrNone(name) != nightDocs:
			say("the index %s has %d documents instead of %d", name, n.countOrNone(name), nightDocs)
		case there:
		case !slices.Contains(due, name):
			say("the index %s was deleted, and no action asks for it", name)
		case !w.holds(name):
			say("the index %s was deleted, and no good snapshot contains it", name)
		}
	}
	return wrong
}

// due are the indices that the file deletes.
func (n *nightRun) due() (names []string) {
	for ago := 7; ago < nightDays; ago++ {
		names = append(names, n.logIndex(ago))
	}
	return names
}

// holds says whether a good snapshot contains an index.
func (w world) holds(index string) bool {
	for _, s := range w.snapshots {
		if s.good() && slices.Contains(s.Indices, index) {
			return true
		}
	}
	return false
}

// complete lists what is missing of all that the file asks for.
func (n *nightRun) complete(w world) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, name := range []string{dated(n.env, 50), dated(n.env, 47)} {
		if _, there := w.snapshots[name]; there {
			say("the snapshot %s is still there", name)
		}
	}
	for _, name := range n.due() {
		if _, there := w.indices[name]; there {
			say("the index %s is still there", name)
		}
	}
	for ago := range nightDays {
		if name := n.logIndex(ago); !w.tonight(n.env, name) {
			say("no good snapshot of tonight contains %s", name)
		}
	}
	if name := "restored-" + n.logIndex(restored); w.indices[name] == "" {
		say("%s was not restored", name)
	} else if got := n.countOrNone(name); got != nightDocs {
		say("%s has %d documents instead of %d", name, got, nightDocs)
	}
	if n.repository(n.prefix+"backup") == nil {
		say("the repository is not registered")
	}
	return wrong
}

// countOrNone is how many documents an index has; -1 if it cannot be searched.
func (e *env) countOrNone(index string) int {
	e.Helper()
	status, text := e.try("GET", "/"+index+"/_count", nil)
	var reply struct{ Count int }
	if status != 200 || json.Unmarshal(text, &reply) != nil {
		return -1
	}
	return reply.Count
}

func (w world) tonight(e *env, index string) bool {
	for name, s := range w.snapshots {
		if strings.HasPrefix(name, "snapshot-"+e.now.Format("20060102")) && s.good() && slices.Contains(s.Indices, index) {
			return true
		}
	}
	return false
}

// honest lists where the report or the exit code differ from what is there.
func (n *nightRun) honest(r ended, w world) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if strings.Contains(r.stderr, "panic:") || strings.Contains(r.stderr, "goroutine ") {
		say("esnap crashed")
	}
	if r.hung {
		say("esnap did not end within %s of its deadline", grace)
	}
	if r.killed {
		return wrong
	}
	if !slices.Contains([]int{0, 1, 3, 4, 5}, r.code) {
		say("exit code %d", r.code)
	}
	if r.report == nil {
		if r.code == 0 || strings.TrimSpace(r.stderr) == "" {
			say("no report, and no reason on stderr")
		}
		return wrong
	}
	if r.report.ExitCode != r.code {
		say("the report says exit code %d", r.report.ExitCode)
	}
	why := r.report.Error
	for _, a := range r.report.Actions {
		why += a.Error
	}
	if r.code != 0 && strings.TrimSpace(why) == "" {
		say("the report does not say why the exit code is %d", r.code)
	}
	for _, rep := range r.report.Repositories {
		if rep.Result != "failed" && n.repository(rep.Name) == nil {
			say("repository %s is %s, and is not registered", rep.Name, rep.Result)
		}
	}
	for _, a := range r.report.Actions {
		for _, o := range a.Outcomes {
			n.honestOutcome(a, o, w, say)
			if r.code == 0 && !slices.Contains([]string{"done", "adopted", "unchanged"}, o.Result) {
				say("exit code 0, but %s %s: %s", o.Verb, o.Name, o.Result)
			}
		}
		if r.code == 0 && a.Status != "done" && a.Status != "empty" {
			say("exit code 0, but action %s is %s", a.ID, a.Status)
		}
	}
	if r.code == 0 {
		wrong = append(wrong, n.complete(w)...)
	}
	return wrong
}

func (n *nightRun) honestOutcome(a report.Action, o report.Outcome, w world, say func(string, ...any)) {
	there := w.indices[o.Name] != ""
	if o.What == "snapshot" {
		_, there = w.snapshots[o.Name]
	}
	lie := func() {
		say("action %s says %s %s %s: %s %s%s; it is there: %t", a.ID, o.Verb, o.What, o.Name, o.Result, o.Detail, o.Error, there)
	}
	switch o.Verb + " " + o.Result {
	case "delete done":
		if there {
			lie()
		}
	case "delete not_started":
		if !there {
			lie()
		}
	case "create done", "create adopted":
		if s := w.snapshots[o.Name]; !s.good() || len(s.Indices) != nightDays {
			lie()
		}
	case "restore done":
		if !there || n.countOrNone(o.Name) != nightDocs {
			lie()
		}
	}
	if o.Result == "failed" && o.Error == "" {
		say("%s %s failed without a reason", o.Verb, o.Name)
	}
}

// named lists what was deleted since before and is in no report of the runs.
func (n *nightRun) named(before, w world, runs ...ended) (wrong []string) {
	names := map[string]bool{}
	for _, r := range runs {
		if r.killed || r.report == nil && r.hung {
			return nil
		}
		if r.report == nil {
			continue
		}
		for _, a := range r.report.Actions {
			for _, o := range a.Outcomes {
				names[o.What+" "+o.Name] = true
			}
		}
	}
	for name := range before.snapshots {
		if _, there := w.snapshots[name]; !there && !names["snapshot "+name] {
			wrong = append(wrong, "no report names the snapshot "+name+", which was deleted")
		}
	}
	for name := range before.indices {
		if w.indices[name] == "" && !names["index "+name] {
			wrong = append(wrong, "no report names the index "+name+", which was deleted")
		}
	}
	return wrong
}

// check looks at everything after a run, and then lets a run without faults put it right.
func (n *nightRun) check(p *faultProxy, runs ...ended) {
	n.Helper()
	n.quiet(p)
	w := n.world()
	wrong := n.safe(w)
	for _, r := range runs {
		wrong = append(wrong, n.honest(r, w)...)
	}
	wrong = append(wrong, n.named(world{n.before, n.saved}, w, runs...)...)
	n.judge("after the faults", wrong, p, runs...)

	limit := n.limit
	n.limit = time.Minute
	again := n.through(nil)
	if again.code != 0 && n.leftover {
		// What a killed server left of a restore is deleted as the report says.
		_, command, found := strings.Cut(again.stdout, "delete it: esnap ")
		require.True(n, found, again)
		command, _, _ = strings.Cut(command, `"`)
		require.Contains(n, command, "restored-")
		n.want(0, append(strings.Fields(command), "--yes")...)
		again = n.through(nil)
	}
	n.limit = limit
	n.quiet(nil)
	now := n.world()
	wrong = append(n.safe(now), n.complete(now)...)
	wrong = append(wrong, n.honest(again, now)...)
	wrong = append(wrong, n.named(w, now, again)...)
	if again.code != 0 {
		wrong = append(wrong, fmt.Sprintf("the next run ends with %d", again.code))
	}
	n.judge("after the next run", wrong, p, append(runs, again)...)
}

func (n *nightRun) judge(when string, wrong []string, p *faultProxy, runs ...ended) {
	n.Helper()
	if len(wrong) == 0 {
		return
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s:\n- %s\n", when, strings.Join(wrong, "\n- "))
	if p != nil {
		for _, f := range p.schedule {
			fmt.Fprintf(&text, "fault: %s\n", f)
		}
		fmt.Fprintf(&text, "requests:\n%s\n", p.requests())
	}
	for _, r := range runs {
		fmt.Fprintln(&text, r)
	}
	n.Fatalf("%s", text.String())
}

// seeds are those to try: SEED alone, or the first SEEDS (by default so many).
func seeds(t *testing.T, standard int) []uint64 {
	t.Helper()
	number := func(name, fallback string) uint64 {
		v, err := strconv.ParseUint(cmp.Or(os.Getenv(name), fallback), 10, 64)
		require.NoError(t, err, name)
		return v
	}
	if os.Getenv("SEED") != "" {
		return []uint64{number("SEED", "")}
	}
	list := make([]uint64, number("SEEDS", fmt.Sprint(standard)))
	for i := range list {
		list[i] = uint64(i + 1)
	}
	return list
}

// forEachFaultServer runs a scenario on one server after the other, so that never more
// than one runs. The servers are those of the other tests, too.
func forEachFaultServer(t *testing.T, scenario func(t *testing.T, f testserver.Flavour, s *testserver.Server)) {
	t.Helper()
	for _, f := range flavours() {
		t.Run(string(f), func(t *testing.T) { scenario(t, f, testserver.Shared(t, f)) })
	}
}

// TestFaultSchedules runs the night through random faults. SEED=n repeats one of them.
func TestFaultSchedules(t *testing.T) {
	binary := build(t)
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		codes := map[int]int{}
		hit := 0
		for _, seed := range seeds(t, 200) {
			t.Run(fmt.Sprintf("SEED=%d", seed), func(t *testing.T) {
				n := newNight(newEnv(t, f, s), binary)
				p := newFaultProxy(t, s.URL, randomSchedule(seed))
				r := n.through(p)
				n.check(p, r)
				codes[r.code]++
				hit += min(1, p.hit())
				t.Logf("%v: exit code %d after %s", p.schedule, r.code, r.took.Round(time.Millisecond))
			})
		}
		t.Logf("exit codes of the faulty runs: %v; %d schedules met a request", codes, hit)
	})
}

// TestFaultRegressions repeats schedules that once broke something.
func TestFaultRegressions(t *testing.T) {
	binary := build(t)
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		schedules := map[string][]fault{}
		// A snapshot that was there was reported as no longer existing, with exit code 0 (SEED=20).
		for nth := 1; nth <= 12; nth++ {
			schedules[fmt.Sprintf("listing %d without snapshots", nth)] = []fault{{"empty object", "list snapshots", nth, 1}}
		}
		for name, schedule := range schedules {
			t.Run(name, func(t *testing.T) {
				n := newNight(newEnv(t, f, s), binary)
				p := newFaultProxy(t, s.URL, schedule)
				n.check(p, n.through(p))
			})
		}
	})
}

// TestFaultProcessKilled kills esnap at a request of its run, and runs it again.
func TestFaultProcessKilled(t *testing.T) {
	binary := build(t)
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		killed := 0
		all := seeds(t, 40)
		for _, seed := range all[:min(len(all), 40)] {
			t.Run(fmt.Sprintf("SEED=%d", seed), func(t *testing.T) {
				n := newNight(newEnv(t, f, s), binary)
				p := newFaultProxy(t, s.URL, killSchedule(seed))
				r := n.through(p)
				if r.killed {
					killed++
				}
				n.check(p, r)
				t.Logf("%v: killed %t", p.schedule, r.killed)
			})
		}
		require.True(t, killed > 0 || len(all) < 5, "no run was killed")
	})
}

// TestFaultTwoAtOnce runs the same file twice at the same time.
func TestFaultTwoAtOnce(t *testing.T) {
	binary := build(t)
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		for _, apart := range []time.Duration{0, 40 * time.Millisecond, 150 * time.Millisecond, 400 * time.Millisecond} {
			t.Run(apart.String(), func(t *testing.T) {
				n := newNight(newEnv(t, f, s), binary)
				n.limit = 30 * time.Second
				other := make(chan ended)
				m := *n
				m.env = &env{}
				*m.env = *n.env
				m.vars = map[string]string{}
				for k, v := range n.vars {
					m.vars[k] = v
				}
				go func() {
					time.Sleep(apart)
					other <- m.through(nil)
				}()
				first := n.through(nil)
				second := <-other
				t.Logf("exit codes %d and %d", first.code, second.code)
				n.check(nil, first, second)
			})
		}
	})
}
