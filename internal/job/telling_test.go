package job

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/plan"
)

// geheim is the canary in the paths of addresses.
const geheim = "geheim-canary-7f3a"

// told keeps what a server got: path and body.
type told struct {
	sync.Mutex
	list []string
	url  string
	code int
}

func listen(t *testing.T) *told {
	s := &told{code: http.StatusOK}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		s.Lock()
		defer s.Unlock()
		s.list = append(s.list, r.URL.Path+" "+string(data))
		w.WriteHeader(s.code)
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

// hooks is how many messages it got.
func (s *told) hooks() (n int) {
	for _, p := range s.paths() {
		if strings.HasPrefix(p, "/hook/") {
			n++
		}
	}
	return n
}

func (s *told) paths() (list []string) {
	s.Lock()
	defer s.Unlock()
	for _, x := range s.list {
		path, _, _ := strings.Cut(x, " ")
		list = append(list, path)
	}
	return list
}

func notifies(url string) string {
	return "\nnotify:\n  name: host\n  ping: {url: '" + url + "/ping/" + geheim + "'}\n  webhooks:\n" +
		"    - {url: '" + url + "/hook/" + geheim + "', level: warning, body: '\"${title}\"'}\n"
}

func TestTelling(t *testing.T) {
	p := func(end string) string { return "/ping/" + geheim + "/" + end }
	hook := "/hook/" + geheim
	unreachable := &cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable}
	for name, c := range map[string]struct {
		change func(t *testing.T, j *Job, m *memory.Memory, url string)
		code   int
		want   []string
	}{
		"a run that is done": {nil, OK, []string{p("start"), p("0")}},
		"an action that fails": {func(_ *testing.T, j *Job, _ *memory.Memory, _ string) { edit(j, "logs-", "x-") }, Failed,
			[]string{p("start"), p("1"), hook}},
		"an unreachable cluster": {func(_ *testing.T, _ *Job, m *memory.Memory, _ string) {
			m.Fault = func(string, []string) error { return unreachable }
		}, Unreachable, []string{p("start"), p("3"), hook}},
		"a file that does not parse: nobody knows whom to tell": {func(_ *testing.T, j *Job, _ *memory.Memory, _ string) {
			edit(j, "filters", "filtres")
		}, Usage, nil},
		"a file that does not parse: the client file says it": {func(t *testing.T, j *Job, _ *memory.Memory, url string) {
			edit(j, "filters", "filtres")
			j.Settings.Notice = notice.Config{Notify: notice.Notify{Name: "host",
				Webhooks: notice.Webhooks{{Endpoint: notice.Endpoint{URL: url + hook}, Level: "error"}}}}
		}, Usage, []string{hook}},
		"a dry run": {func(_ *testing.T, j *Job, _ *memory.Memory, _ string) { j.Settings.DryRun = true }, OK, nil},
		"not the master": {func(_ *testing.T, j *Job, m *memory.Memory, _ string) {
			j.MasterOnly = true
			j.Dial = func() (cluster.Cluster, error) { return follower{m}, nil }
		}, OK, nil},
		"a run with a lock": {func(_ *testing.T, j *Job, _ *memory.Memory, _ string) {
			edit(j, "actions:", "lock: required\nactions:")
		}, OK,
			[]string{p("start"), p("0")}},
		"another run holds the lock, and tells": {func(t *testing.T, j *Job, m *memory.Memory, _ string) {
			edit(j, "actions:", "name: x\nlock: required\nactions:")
			other, err := lock.Acquire(t.Context(), m, "x", lock.Options{Watch: clock.RealTime(), Wall: time.Now})
			require.NoError(t, err)
			t.Cleanup(func() { _ = other.Release(context.Background(), true) })
		}, Refused, nil},
		"a command": {func(t *testing.T, j *Job, _ *memory.Memory, url string) {
			data, err := os.ReadFile(j.File)
			require.NoError(t, err)
			j.Plan, err = plan.Parse("", data, plan.Options{})
			require.NoError(t, err)
			j.Settings.Notice = j.Plan.Notice
		}, OK, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t)
			m := memory.New(memory.At(now))
			m.AddIndices("logs-1")
			j := newJob(t, expire+notifies(s.url), m)
			if c.change != nil {
				c.change(t, &j, m, s.url)
			}
			e := j.Run(context.Background())
			require.Equal(t, c.code, e.Code, "%v", e.Err)
			got := s.paths()
			require.ElementsMatch(t, c.want, got)
			require.True(t, len(got) == 0 || c.want[0] == got[0], "the start is told first: %v", got)
			require.Empty(t, e.Report.Warnings)
			for _, x := range s.list {
				if strings.HasPrefix(x, hook+" ") {
					require.Contains(t, x, `"esnap: action.yml failed on host (exit code `)
				}
			}
		})
	}
}

func edit(j *Job, before, after string) {
	data, _ := os.ReadFile(j.File)
	_ = os.WriteFile(j.File, bytes.ReplaceAll(data, []byte(before), []byte(after)), 0o600)
}

// TestTellingFails: what fails is a warning in the report and the log; the exit code stays,
// and no part of an address but its host is shown.
func TestTellingFails(t *testing.T) {
	s := listen(t)
	s.code = http.StatusInternalServerError
	m := memory.New(memory.At(now))
	m.AddIndices("logs-1")
	j := newJob(t, expire+strings.ReplaceAll(notifies(s.url), "level: warning", "level: always")+
		"metrics: {textfile: /no/such/folder/x.prom}\n", m)
	var log bytes.Buffer
	j.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	j.TerminationLog = filepath.Join(t.TempDir(), "termination-log")
	require.NoError(t, os.WriteFile(j.TerminationLog, nil, 0o600))
	begin := time.Now()
	e := j.Run(context.Background())
	require.Less(t, time.Since(begin), 10*time.Second)
	require.Equal(t, OK, e.Code)
	require.Equal(t, OK, e.Report.ExitCode)
	var shown bytes.Buffer
	for _, format := range []string{"table", "wide", "json", "yaml", "name"} {
		require.NoError(t, e.Report.Write(&shown, format))
	}
	words, err := os.ReadFile(j.TerminationLog)
	require.NoError(t, err)
	require.Contains(t, string(words), "1 action: 1 done")
	require.Contains(t, string(words), "\nexit code 0: everything was done and verified")
	shown.Write(words)
	shown.Write(log.Bytes())
	require.NotContains(t, shown.String(), geheim)
	all := strings.Join(e.Report.Warnings, "\n")
	for _, want := range []string{"notify: ping: " + s.url + " answered 500 Internal Server Error",
		"notify: webhook 1: " + s.url + " answered 500", "metrics: textfile: "} {
		require.Contains(t, all, want)
		require.Contains(t, log.String(), want)
	}
}

// TestEndTime: an outlet that does not answer costs what is left of the time at the end.
func TestEndTime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	m := memory.New(memory.At(now))
	m.AddIndices("logs-1")
	j := newJob(t, expire+notifies("http://"+silent.Addr().String()), m)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j.EndTime = LeastEndTime
	began := time.Now()
	e := j.Run(ctx)
	require.Less(t, time.Since(began), EndTime/2)
	require.Contains(t, strings.Join(e.Report.Warnings, "\n"), "no answer in time")
}

func TestMeaning(t *testing.T) {
	for _, c := range Codes {
		require.Equal(t, c.Meaning, Meaning(c.Code))
	}
	require.Equal(t, Meaning(Interrupted), Meaning(Terminated))
	require.Empty(t, Meaning(99))
}

// TestToldOnce: what the history or the process remembers is not told again before a day has
// passed, and the end of a failure is told.
func TestToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		keys   string
		here   bool // the process remembers
		cut    bool // the history cannot be read
		wanted []int
	}{
		"nothing remembers":           {wanted: []int{1, 2, 2, 3}},
		"the history":                 {keys: "history: true\n", wanted: []int{1, 1, 2, 3}},
		"the process":                 {here: true, wanted: []int{1, 1, 2, 3}},
		"both, and the history fails": {keys: "history: true\n", here: true, cut: true, wanted: []int{1, 1, 2, 3}},
		"the history fails":           {keys: "history: true\n", cut: true, wanted: []int{1, 2, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t)
			m := memory.New(memory.At(now))
			m.AddIndices("logs-1")
			if c.cut {
				m.Fault = func(method string, _ []string) error {
					if method == "Documents" {
						return &cluster.Error{Op: "read", Kind: cluster.ErrForbidden, Status: 403}
					}
					return nil
				}
			}
			var here kept
			at := now
			for i, runs := range []string{"x-", "x-", "logs-", "x-"} { // fails, fails, succeeds, fails
				at = at.Add(time.Hour)
				m.SetClock(at)
				j := newJob(t, c.keys+"name: nightly\n"+strings.Replace(expire, "logs-", runs, 1)+notifies(s.url), m)
				j.Clock.Now = func() time.Time { return at }
				if c.here {
					j.Remember = &here
				}
				j.Run(context.Background())
				require.Equal(t, c.wanted[i], s.hooks(), "run %d", i+1)
			}
		})
	}
}

// kept is a tell.Remember.
type kept struct{ told json.RawMessage }

func (k *kept) Load(context.Context) (json.RawMessage, error) { return k.told, nil }
func (k *kept) Save(told json.RawMessage)                     { k.told = told }

// TestRecoveryAfterAnOutage: a run that did not reach the cluster has no record there. What it
// told is known to the process, and the next good run tells that it is over.
func TestRecoveryAfterAnOutage(t *testing.T) {
	s := listen(t)
	m := memory.New(memory.At(now))
	m.AddIndices("logs-1", "logs-2")
	var here kept
	out := false
	m.Fault = func(string, []string) error {
		if out {
			return &cluster.Error{Op: "read", Kind: cluster.ErrUnreachable}
		}
		return nil
	}
	for i, want := range []int{0, 1, 2, 2} {
		out = i == 1
		at := now.Add(time.Duration(i) * time.Hour)
		m.SetClock(at)
		m.AddIndices("logs-1")
		j := newJob(t, "history: true\nname: nightly\n"+expire+notifies(s.url), m)
		j.Clock.Now = func() time.Time { return at }
		j.Remember = &here
		j.Run(context.Background())
		require.Equal(t, want, s.hooks(), "run %d", i+1)
	}
}
