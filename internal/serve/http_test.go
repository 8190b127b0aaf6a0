package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/check"
)

var update = flag.Bool("update", false, "write golden files anew")

var then = time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC)

// still is a scheduler whose tasks are as they are given.
func still(t *testing.T, list ...*task) *Scheduler {
	t.Helper()
	s := New(Clock{Now: func() time.Time { return then }}, quiet())
	for _, x := range list {
		x.s = s
		if x.t.Schedule == nil {
			x.t.Schedule = every(t, "0 1 * * *")
		}
		s.tasks[x.t.Key] = x
	}
	return s
}

func get(h http.Handler, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func ok() Health { return Health{Ready: true} }

// TestState is the JSON of go-cron, with the same keys, order and types, and esnap's own.
func TestState(t *testing.T) {
	last := &Last{Code: 0, Stdout: "done\n", Started: then, Stopped: then.Add(4 * time.Second), Due: then}
	failed := &Last{Code: 3, Stderr: "esnap: cannot reach it\n", Started: then, Stopped: then.Add(time.Second)}
	next := then.Add(24 * time.Hour)
	a := func() *task { return &task{t: Task{Key: "a", Name: "nightly"}, last: last, next: next} }
	for name, c := range map[string]struct {
		tasks  []*task
		health Health
		path   string
		code   int
	}{
		"one":     {tasks: []*task{a()}, code: 200},
		"failed":  {tasks: []*task{{t: Task{Key: "a", Name: "nightly"}, last: failed, next: next}}, code: 503},
		"running": {tasks: []*task{{t: Task{Key: "a", Name: "nightly"}, last: last, since: then, pid: 42}}, code: 200},
		"before":  {tasks: []*task{{t: Task{Key: "a", Name: "nightly"}, next: next}}, code: 503},
		"before_check": {
			tasks:  []*task{{t: Task{Key: "a", Name: "nightly"}}},
			health: Health{Checks: map[string]Check{"nightly": {Level: check.Warning, Findings: []string{"late"}, At: then}}},
			code:   200,
		},
		"critical": {
			tasks:  []*task{a()},
			health: Health{Checks: map[string]Check{"nightly": {Level: check.Critical, Findings: []string{"gone"}, At: then}}},
			code:   503,
		},
		"elsewhere": {
			tasks: []*task{a()},
			health: Health{Past: map[string]Last{"nightly": {
				Run:     "y",
				Code:    5,
				Stdout:  "run x on host y\n",
				Started: then.Add(time.Hour),
				Stopped: then.Add(time.Hour),
			}}},
			code: 503,
		},
		"here": {
			tasks:  []*task{{t: Task{Key: "a", Name: "nightly"}, next: next, last: &Last{Run: "x", Stdout: "done\n", Started: then, Stopped: then}}},
			health: Health{Past: map[string]Last{"nightly": {Run: "x", Started: then.Add(time.Millisecond), Stopped: then}}},
			code:   200,
		},
		"several":    {tasks: []*task{a(), {t: Task{Key: "b", Name: "audit", Problem: "line 3: no"}, last: failed}}, code: 503},
		"one_of":     {tasks: []*task{a(), {t: Task{Key: "b", Name: "audit"}, last: failed}}, path: "/jobs/nightly", code: 200},
		"none":       {health: Health{Unused: map[string]string{"a.yml": "line 1: no"}}, code: 503},
		"one_broken": {tasks: []*task{a()}, health: Health{Unused: map[string]string{"a.yml": "line 1: no"}}, code: 503},
	} {
		t.Run(name, func(t *testing.T) {
			h := Handler(Options{Version: "1.2.3", Scheduler: still(t, c.tasks...), Health: func() Health { return c.health }, Log: quiet()})
			path := c.path
			if path == "" {
				path = "/"
			}
			w := get(h, path)
			require.Equal(t, c.code, w.Code)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			golden(t, "state_"+name+".json", w.Body.Bytes())
		})
	}
}

// TestGoCron: a program that reads go-cron's JSON into its types reads ours.
func TestGoCron(t *testing.T) {
	type lastRun struct {
		Exit_status  int //nolint:revive,staticcheck // as it is there
		Stdout       string
		Stderr       string
		ExitTime     string
		Pid          int
		StartingTime string
	}
	var seen struct {
		Running  map[string]lastRun
		Last     lastRun
		Schedule string
		Esnap    any
	}
	s := still(t, &task{t: Task{Key: "a", Name: "a", Schedule: every(t, "0/10 * * * * *")}, since: then, pid: 7,
		last: &Last{Code: 2, Stdout: "o", Stderr: "e", Started: then, Stopped: then.Add(time.Second)}})
	w := get(Handler(Options{Scheduler: s, Health: ok}), "/")
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&seen))
	require.Equal(t, map[string]lastRun{"7": {Pid: 7, StartingTime: "2026-11-29T01:00:00Z"}}, seen.Running)
	require.Equal(t, lastRun{2, "o", "e", "2026-11-29T01:00:01Z", 0, "2026-11-29T01:00:00Z"}, seen.Last)
	require.Equal(t, "0/10 * * * * *", seen.Schedule)
}

// TestRoutes: who may ask for what.
func TestRoutes(t *testing.T) {
	started := make(chan string, 9)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := New(Clock{Now: time.Now, Sleep: realTime().Sleep}, quiet())
	hold := make(chan bool)
	s.Set(ctx, []Task{{Key: "a", Name: "a job", Schedule: every(t, "@yearly"), Run: func(_ context.Context, r *Run) Ended {
		started <- r.Reason
		<-hold
		return Ended{}
	}}})
	o := Options{
		Scheduler: s,
		Health:    func() Health { return Health{Reason: "not reached"} },
		Metrics:   func(w io.Writer) error { _, err := io.WriteString(w, "m 1\n"); return err },
		Log:       quiet(),
	}
	open := Handler(o)
	o.Username, o.Password, o.Token = "ops", "geheim", "token"
	guarded := Handler(o)
	ops := func(r *http.Request) { r.SetBasicAuth("ops", "geheim") }
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer token") }
	for _, c := range []struct {
		h      http.Handler
		method string
		path   string
		as     func(*http.Request)
		code   int
	}{
		{open, "GET", "/", nil, 503},
		{open, "HEAD", "/", nil, 503},
		{open, "GET", "/jobs/a%20job", nil, 503},
		{open, "GET", "/jobs/b", nil, 404},
		{open, "GET", "/metrics", nil, 200},
		{open, "GET", "/healthz", nil, 200},
		{open, "GET", "/readyz", nil, 503},
		{open, "GET", "/nosuch", nil, 404},
		{open, "POST", "/", nil, 405},
		{open, "POST", "/jobs/a%20job/run", bearer, 404}, // without a token there is no such route
		{open, "DELETE", "/jobs/a%20job", nil, 405},
		{guarded, "GET", "/", nil, 401},
		{guarded, "GET", "/", bearer, 401},
		{guarded, "GET", "/", func(r *http.Request) { r.SetBasicAuth("ops", "geheimer") }, 401},
		{guarded, "GET", "/", func(r *http.Request) { r.SetBasicAuth("", "geheim") }, 401},
		{guarded, "GET", "/", ops, 503},
		{guarded, "GET", "/jobs/a%20job", nil, 401},
		{guarded, "GET", "/metrics", nil, 401},
		{guarded, "GET", "/metrics", ops, 200},
		{guarded, "GET", "/healthz", nil, 200},
		{guarded, "GET", "/readyz", nil, 503},
		{guarded, "POST", "/jobs/a%20job/run", nil, 401},
		{guarded, "POST", "/jobs/a%20job/run", ops, 401},
		{guarded, "POST", "/jobs/a%20job/run", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 401},
		{guarded, "POST", "/jobs/b/run", bearer, 404},
		{guarded, "GET", "/jobs/a%20job/run", bearer, 405},
		{guarded, "POST", "/jobs/a%20job/run", bearer, 202},
		{guarded, "POST", "/jobs/a%20job/run", bearer, 409},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.as != nil {
			c.as(r)
		}
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, r)
		require.Equal(t, c.code, w.Code, "%s %s: %s", c.method, c.path, w.Body)
		require.Empty(t, w.Header().Get("Server"))
	}
	require.Equal(t, "started over HTTP from 192.0.2.1", <-started)
	close(hold)
	require.Empty(t, started)
	require.Equal(t, "m 1\n", get(guarded, "/metrics", ops).Body.String())
	require.Equal(t, "not reached\n", get(open, "/readyz").Body.String())
}

// TestSlowClients: those that send nothing, or slowly, or too much, do not keep others from
// an answer, and cost little.
func TestSlowClients(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := Listen(ctx, Listener{Address: "127.0.0.1:0"})
	require.NoError(t, err)
	ended := make(chan error, 1)
	h := Handler(Options{Scheduler: still(t), Health: ok, Log: quiet()})
	go func() { ended <- Serve(ctx, l, h) }()
	url := "http://" + l.Addr().String()
	before := heap()
	var slow []net.Conn
	for range maxConnections / 2 {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		require.NoError(t, err)
		slow = append(slow, c)
	}
	client := &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url + "/healthz")
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	require.Less(t, heap()-before, int64(8<<20))
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", // too long a header
		"nonsense\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
	} {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		require.NoError(t, err)
		_, _ = io.WriteString(c, text)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		reply, _ := io.ReadAll(c)
		require.True(t, bytes.HasPrefix(reply, []byte("HTTP/1.1 4")) || bytes.HasPrefix(reply, []byte("HTTP/1.1 5")), "%.60s", reply)
		_ = c.Close()
	}
	for _, c := range slow { // they are cut off
		require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
		_, err := io.ReadAll(c)
		var late net.Error
		require.False(t, err != nil && asNet(err, &late) && late.Timeout(), "a slow client is not cut off")
		_ = c.Close()
	}
	cancel()
	require.NoError(t, <-ended)
}

func asNet(err error, to *net.Error) bool {
	e, is := err.(net.Error) //nolint:errorlint // of io.ReadAll
	*to = e
	return is
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	cert, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := Listen(ctx, Listener{Address: "127.0.0.1:0", CertFile: cert, KeyFile: keyFile})
	require.NoError(t, err)
	h := Handler(Options{Scheduler: still(t), Health: ok, Log: quiet()})
	go func() {
		_ = Serve(ctx, l, h)
	}()
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool.AddCert(parsed)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	resp, err := client.Get("https://" + l.Addr().String() + "/healthz")
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	_, err = Listen(ctx, Listener{Address: "127.0.0.1:0", CertFile: keyFile, KeyFile: cert})
	require.ErrorContains(t, err, "cannot read the certificate")
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1":   true,
		"[::1]:1":       true,
		"localhost:1":   true,
		":1":            false,
		"0.0.0.0:1":     false,
		"10.0.0.1:1":    false,
		"example.org:1": false,
		"x":             false,
	} {
		require.Equal(t, want, Loopback(address), address)
	}
}

// TestMetricsAreMadeFirst: a client that does not read holds nothing that a run needs.
func TestMetricsAreMadeFirst(t *testing.T) {
	made := false
	h := Handler(Options{Scheduler: still(t), Health: ok, Metrics: func(w io.Writer) error {
		_, err := io.WriteString(w, "x 1\n")
		made = true
		return err
	}})
	h.ServeHTTP(watched{httptest.NewRecorder(), func() { require.True(t, made) }}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.True(t, made)
}

// watched is an answer whose every write is noticed.
type watched struct {
	*httptest.ResponseRecorder
	written func()
}

// Write implements io.Writer.
func (w watched) Write(p []byte) (int, error) {
	w.written()
	return w.ResponseRecorder.Write(p)
}

// WriteString implements io.StringWriter.
func (w watched) WriteString(s string) (int, error) {
	w.written()
	return w.ResponseRecorder.WriteString(s)
}
