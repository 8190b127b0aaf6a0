package cmd

import (
	"context"
	"io"
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

// TestFeature18: endpoints that hang delay the run by at most 10 s in total and do not change
// its exit code; a run has one ping at its start and one at its end, with the same id.
func TestFeature18(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	_, dead := hear(t, func(http.ResponseWriter, *http.Request) { <-release })
	monitor, url := hear(t, nil)
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01")
	file := k.file(deleteLogs + "notify: {ping: {url: '" + url + "/check'}, webhooks: [{url: '" + dead + "', level: always}, {url: '" + dead + "', level: always, preset: slack}]}\n" +
		"metrics: {pushgateway: {url: '" + dead + "'}}\n")
	began := time.Now()
	code, out, errs := k.run("run", file)
	require.Less(t, time.Since(began), 15*time.Second)
	require.Zero(t, code, errs)
	require.Equal(t, 3, strings.Count(out, "no answer in time"), out)
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
	s := serve.New(serve.Clock{Now: time.Now, Sleep: func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }}, nil)
	h := serve.Handler(serve.Options{Scheduler: s, Health: func() serve.Health { return serve.Health{Ready: true} }})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)

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
