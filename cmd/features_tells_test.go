package cmd

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/serve"
)

// heard keeps the requests that a server got.
type heard struct {
	mu   sync.Mutex
	list []string // method, path with query, body
}

func hear(t *testing.T, answer http.HandlerFunc) (*heard, string) {
	h := &heard{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.list = append(h.list, r.Method+" "+r.URL.String()+" "+string(body))
		h.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return h, s.URL
}

// TestFeature17: metrics out of a run. A failed run leaves the last success in the gateway,
// as it is a POST without it, and in the textfile, which is replaced as a whole.
func TestFeature17(t *testing.T) {
	gateway, url := hear(t, nil)
	folder := t.TempDir()
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01")
	file := k.file(deleteLogs + "metrics: {textfile: " + folder + ", pushgateway: {url: '" + url + "'}}\nname: nightly\n")
	code, _, errs := k.run("run", file)
	require.Zero(t, code, errs)
	prom := filepath.Join(folder, "esnap_nightly.prom")
	text, err := os.ReadFile(prom)
	require.NoError(t, err)
	success := regexp.MustCompile(`esnap_last_success_timestamp_seconds\{policy="nightly"\} \S+\n`)
	require.Regexp(t, success, string(text))
	before := success.FindString(string(text))
	old, err := os.Stat(prom)
	require.NoError(t, err)

	code, _, _ = k.run("run", file) // nothing is left to delete: a failure
	require.Equal(t, 1, code)
	text, err = os.ReadFile(prom)
	require.NoError(t, err)
	require.Contains(t, string(text), before)
	require.Contains(t, string(text), `esnap_last_run_status{policy="nightly"} 2`)
	fresh, err := os.Stat(prom)
	require.NoError(t, err)
	require.False(t, os.SameFile(old, fresh), "a reader never sees a part")

	require.Len(t, gateway.list, 2)
	for i, request := range gateway.list {
		require.True(t, strings.HasPrefix(request, "POST /metrics/job/esnap/policy/nightly "), request)
		require.Equal(t, i == 0, success.MatchString(request))
	}
}

// TestFeature18: endpoints that hang, also the ping at the start and the mail server, delay
// the run by at most 10 s in total and do not change its exit code; a run has one ping at
// its start and one at its end, with the same id.
func TestFeature18(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	_, dead := hear(t, func(http.ResponseWriter, *http.Request) { <-release })
	monitor, url := hear(t, func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/start") {
			<-release
		}
	})
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, and nobody says a word
	require.NoError(t, err)
	defer func() { _ = silent.Close() }()
	host, port, err := net.SplitHostPort(silent.Addr().String())
	require.NoError(t, err)
	run := func(told string) (code int, out string, took time.Duration) {
		k := newConsole(t)
		k.c.AddIndices("logs-2026.11.01")
		file := k.file(deleteLogs + told)
		began := time.Now()
		code, out, errs := k.run("run", file)
		require.Zero(t, code, errs)
		return code, out, time.Since(began)
	}
	without, _, quiet := run("")
	code, out, took := run("notify: {ping: {url: '" + url + "/check'}, webhooks: [{url: '" + dead +
		"', level: always}, {url: '" + dead + "', level: always, preset: slack}], " +
		"mail: [{to: [ops@example.com], from: esnap@example.com, host: " + host + ", port: " + port + ", tls: none, level: always}]}\n" +
		"metrics: {pushgateway: {url: '" + dead + "'}}\n")
	require.Equal(t, without, code)
	require.Less(t, took-quiet, 10*time.Second)
	require.Equal(t, 4, strings.Count(out, "no answer in time"), out)
	require.Len(t, monitor.list, 2)
	start := regexp.MustCompile(`^POST /check/start\?rid=(\S+) `).FindStringSubmatch(monitor.list[0])
	end := regexp.MustCompile(`^POST /check/0\?rid=(\S+) `).FindStringSubmatch(monitor.list[1])
	require.NotNil(t, start, monitor.list)
	require.NotNil(t, end, monitor.list)
	require.Equal(t, start[1], end[1])
}

// TestFeature24: before any run the state is 503, not 200; a run that is asked for while one
// is going on is refused; 30 runs are listed from the cluster.
func TestFeature24(t *testing.T) {
	wait := func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }
	s := serve.New(serve.Clock{Now: time.Now, Sleep: wait}, slog.New(slog.DiscardHandler))
	yearly, err := schedule.New(schedule.Spec{Text: "@yearly"}, "nightly")
	require.NoError(t, err)
	began, end := make(chan bool), make(chan bool)
	ctx, stop := context.WithCancel(t.Context())
	s.Set(ctx, []serve.Task{{Key: "nightly", Name: "nightly", Schedule: yearly, Run: func(_ context.Context, r *serve.Run) serve.Ended {
		r.Started(1)
		began <- true
		<-end
		return serve.Ended{}
	}}})
	h := serve.Handler(serve.Options{
		Scheduler: s,
		Token:     "token",
		Log:       slog.New(slog.DiscardHandler),
		Health:    func() serve.Health { return serve.Health{Ready: true} },
	})
	ask := func(method, path string) int {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
		r.Header.Set("Authorization", "Bearer token")
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, path := range []string{"/", "/jobs/nightly"} {
		require.Equal(t, http.StatusServiceUnavailable, ask(http.MethodGet, path), "before any run")
	}
	require.Equal(t, http.StatusAccepted, ask(http.MethodPost, "/jobs/nightly/run"))
	require.Equal(t, http.StatusConflict, ask(http.MethodPost, "/jobs/nightly/run"), "asked for, or running")
	<-began
	require.Equal(t, http.StatusConflict, ask(http.MethodPost, "/jobs/nightly/run"), "running")
	require.Equal(t, http.StatusServiceUnavailable, ask(http.MethodGet, "/"), "no run has ended")
	end <- true
	require.Eventually(t, func() bool { return ask(http.MethodGet, "/") == http.StatusOK }, 10*time.Second, time.Millisecond)
	require.Equal(t, http.StatusAccepted, ask(http.MethodPost, "/jobs/nightly/run"))
	<-began
	end <- true
	stop()
	s.Wait()

	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute+"history: true\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		p := serveIn(t, c, file)
		time.Sleep(30*time.Minute + 30*time.Second)
		require.Zero(t, p.term())
		k := newConsole(t)
		k.c = c
		code, out, errs := k.run("history", "list", "--limit", "50")
		require.Zero(t, code, errs)
		require.Equal(t, 30, strings.Count(out, "minutes"))
	})
}
