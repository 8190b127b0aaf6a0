package cmd

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/memory"
)

// everyMinute takes a snapshot each minute, under a name that says which.
const everyMinute = `
name: minutes
schedule: '* * * * *'
repositories: {r: {type: fs, settings: {location: /x}}}
actions:
  1: {action: snapshot, options: {repository: r, name: 'm-%H%M'}, filters: [{filtertype: none}]}
`

// process is esnap serve in a bubble of time.
type process struct {
	out, errs buffer
	code      int
	ended     chan struct{}
	stop      context.CancelCauseFunc
	hangup    *hangup
}

// buffer is one that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func serveIn(t *testing.T, c cluster.Cluster, args ...string) *process {
	t.Helper()
	return serveWith(t, func(es.Options) (cluster.Cluster, error) { return c, nil }, args...)
}

func serveWith(t *testing.T, connect func(es.Options) (cluster.Cluster, error), args ...string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{}), hangup: &hangup{ch: make(chan struct{}, 1)}}
	ctx, stop := context.WithCancelCause(context.WithValue(t.Context(), hangupKey{}, p.hangup))
	p.stop = stop
	home := t.TempDir()
	app := &App{
		In: strings.NewReader(""), Out: &p.out, Err: &p.errs, Now: time.Now, Watch: clock.RealTime(),
		Env:     only("HOME", home),
		Connect: connect,
	}
	go func() {
		defer close(p.ended)
		p.code = Main(ctx, app, append([]string{"serve"}, args...))
	}()
	return p
}

// only is an environment with one variable.
func only(name, value string) func(string) (string, bool) {
	return func(n string) (string, bool) {
		if n == name {
			return value, true
		}
		return "", false
	}
}

// term ends it as SIGTERM does.
func (p *process) term() int {
	p.stop(&job.Signal{Number: syscall.SIGTERM})
	<-p.ended
	return p.code
}

func save(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func namesIn(t *testing.T, c *memory.Memory) []string {
	t.Helper()
	list, err := c.Snapshots(t.Context(), "r", false)
	require.NoError(t, err)
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

func TestServe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute)
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		time.Sleep(30 * time.Second)
		p := serveIn(t, c, file)
		time.Sleep(2*time.Minute + 10*time.Second)
		require.Equal(t, []string{"m-0001", "m-0002"}, namesIn(t, c))
		require.Zero(t, p.term(), p.errs.String())
		require.Equal(t, 2, strings.Count(p.out.String(), "created snapshot m-"))
		require.Contains(t, p.errs.String(), `msg="job scheduled" job=minutes`)
	})
}

// TestServeChangedFiles: what changes is used from the next run on, if it is valid.
func TestServeChangedFiles(t *testing.T) {
	dir := t.TempDir()
	save(t, filepath.Join(dir, "a.yml"), everyMinute)
	save(t, filepath.Join(dir, ".hidden.yml"), "nonsense")
	save(t, filepath.Join(dir, "readme.txt"), "nonsense")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		p := serveIn(t, c, dir)
		time.Sleep(75 * time.Second) // between two looks
		require.Equal(t, []string{"m-0001"}, namesIn(t, c))

		save(t, filepath.Join(dir, "a.yml"), strings.Replace(everyMinute, "action: snapshot", "action: snapshoot", 1))
		time.Sleep(time.Minute)
		require.Equal(t, []string{"m-0001", "m-0002"}, namesIn(t, c), "the old content stays")
		require.Contains(t, p.errs.String(), `msg="the file is not used"`)
		require.Contains(t, p.errs.String(), "did you mean")
		require.Equal(t, 1, strings.Count(p.errs.String(), `msg="the file is not used"`), "said once")

		save(t, filepath.Join(dir, "a.yml"), strings.Replace(everyMinute, "m-%H%M", "n-%H%M", 1))
		p.hangup.ch <- struct{}{} // at once
		time.Sleep(time.Second)
		require.Contains(t, p.errs.String(), "the changed file is used from now on")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"m-0001", "m-0002", "n-0003"}, namesIn(t, c))

		save(t, filepath.Join(dir, "b.yml"), strings.NewReplacer("minutes", "other", "m-%H%M", "o-%H%M").Replace(everyMinute))
		save(t, filepath.Join(dir, "c.yml"), everyMinute) // the same job as a.yml
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"m-0001", "m-0002", "n-0003", "n-0004", "o-0004"}, namesIn(t, c))
		require.Contains(t, p.errs.String(), "are both the job")

		require.NoError(t, os.Remove(filepath.Join(dir, "a.yml")))
		require.NoError(t, os.Remove(filepath.Join(dir, "c.yml")))
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{"m-0001", "m-0002", "n-0003", "n-0004", "o-0004", "o-0005"}, namesIn(t, c))
		require.Zero(t, p.term())
	})
}

// TestServeReplicas: of two processes one acts at each time, also after one has ended.
func TestServeReplicas(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute+"lock: required\nhistory: true\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		a, b := serveIn(t, c, file), serveIn(t, c, file)
		time.Sleep(5*time.Minute + 30*time.Second)
		require.Zero(t, a.term())
		time.Sleep(5 * time.Minute)
		require.Zero(t, b.term())
		list, err := history.List(t.Context(), c, 100)
		require.NoError(t, err)
		require.Len(t, list, 10, "each time was acted for once")
		require.Len(t, namesIn(t, c), 10)
		acted, _, err := lock.Acted(t.Context(), c, "minutes")
		require.NoError(t, err)
		require.Equal(t, "00:10", acted.UTC().Format("15:04"))
		locks, err := lock.List(t.Context(), c)
		require.NoError(t, err)
		require.Empty(t, locks)
	})
}

// killed is a cluster that a process which was killed does not reach any more.
type killed struct {
	cluster.Cluster
	dead atomic.Bool
}

// TestServeLeaderIsKilled: another process takes the lock over, and acts.
func TestServeLeaderIsKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute+"lock: required\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		var leader killed
		leader.Cluster = cluster.Intercept(c, c, func(_ context.Context, op cluster.Op, do func() error) error {
			if _, takes := op.(cluster.CreateSnapshot); takes {
				leader.dead.Store(true)
			}
			if leader.dead.Load() {
				return &cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable}
			}
			return do()
		})
		a := serveIn(t, leader.Cluster, file)
		time.Sleep(time.Minute + time.Second) // it has the lock, and dies
		b := serveIn(t, c, file)
		time.Sleep(10 * time.Minute)
		names := namesIn(t, c)
		require.NotEmpty(t, names)
		require.Equal(t, "m-0011", names[len(names)-1])
		require.Equal(t, "m-0004", names[0], "taken over when the lock was stale, for the time that had come meanwhile")
		require.Contains(t, b.errs.String(), "took over the lock")
		a.term()
		b.term()
	})
}

// TestServeCatchesUp: after a start, a run that was missed is made once, by what the lock or
// the history says.
func TestServeCatchesUp(t *testing.T) {
	for name, keys := range map[string]string{"lock": "lock: required\n", "history": "history: true\n", "neither": ""} {
		file := filepath.Join(t.TempDir(), "hours.yml")
		save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@hourly'", 1)+keys)
		synctest.Test(t, func(t *testing.T) {
			c := memory.New()
			c.AddIndices("logs-1")
			p := serveIn(t, c, file)
			time.Sleep(time.Hour + time.Minute)
			require.Zero(t, p.term())
			time.Sleep(90 * time.Minute)
			p = serveIn(t, c, file)
			time.Sleep(10 * time.Minute)
			require.Zero(t, p.term())
			want := []string{"m-0100", "m-0231"}
			if name == "neither" {
				want = want[:1]
			}
			require.Equal(t, want, namesIn(t, c), name)
		})
	}
}

// TestServeTellsWhatItMissed: a run for which it is too late is told, by one of two processes,
// and it is in the history.
func TestServeTellsWhatItMissed(t *testing.T) {
	dir := t.TempDir()
	file, prom := filepath.Join(dir, "days.yml"), filepath.Join(dir, "esnap.prom")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'0 1 * * *'", 1)+
		"lock: required\nhistory: true\nmetrics: {textfile: "+prom+"}\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		p := serveIn(t, c, file)
		time.Sleep(2 * time.Hour)
		require.Zero(t, p.term())
		time.Sleep(27 * time.Hour) // 05:00 of the next day
		a, b := serveIn(t, c, file), serveIn(t, c, file)
		time.Sleep(10 * time.Minute)
		require.Zero(t, a.term())
		require.Zero(t, b.term())
		require.Equal(t, []string{"m-0100"}, namesIn(t, c))
		list, err := history.List(t.Context(), c, 100)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, 1, list[0].ExitCode)
		require.Contains(t, list[0].Error, "the run of 2000-01-02T01:00:00Z was missed, and it is too late for it; nothing was run")
		told, err := os.ReadFile(prom)
		require.NoError(t, err)
		require.Contains(t, string(told), `esnap_last_run_status{policy="minutes"} 2`)
	})
}

// TestServeIsInterrupted: a run that a signal ends has not acted for its time.
func TestServeIsInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, everyMinute+"lock: required\n")
	synctest.Test(t, func(t *testing.T) {
		c := memory.New()
		c.AddIndices("logs-1")
		slow := cluster.Intercept(c, c, func(ctx context.Context, op cluster.Op, do func() error) error {
			if _, takes := op.(cluster.CreateSnapshot); takes {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return do()
		})
		p := serveIn(t, slow, file)
		time.Sleep(61 * time.Second)
		require.Equal(t, 143, p.term())
		acted, _, err := lock.Acted(t.Context(), c, "minutes")
		require.NoError(t, err)
		require.True(t, acted.IsZero())
		b := serveIn(t, c, file)
		time.Sleep(90 * time.Second)
		require.Zero(t, b.term())
		require.Equal(t, []string{"m-0002"}, namesIn(t, c))
	})
}

func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	valid, unscheduled, hooked := filepath.Join(dir, "valid.yml"), filepath.Join(dir, "unscheduled.yml"), filepath.Join(dir, "hooked.yml")
	jittery := filepath.Join(dir, "jittery.yml")
	save(t, jittery, strings.Replace(everyMinute, "'* * * * *'", "'@daily'", 1)+"jitter: 2h\n")
	save(t, valid, everyMinute)
	save(t, unscheduled, strings.Replace(everyMinute, "schedule: '* * * * *'", "", 1))
	save(t, hooked, everyMinute+"hooks: {before: [touch, "+filepath.Join(dir, "ran")+"]}\n")
	secret := filepath.Join(dir, "secret")
	save(t, secret, "geheim-geheim\n")
	for line, want := range map[string]string{
		"":                              "takes action files",
		"-":                             "cannot read standard input",
		unscheduled:                     "it has no schedule",
		valid + " --schedule 1:00":      "five fields",
		valid + " --timezone Mars":      "unknown time zone",
		jittery + " --schedule @hourly": "must be shorter",
		hooked:                          "--allow-hooks",
		"/does/not/exist.yml":           "no such file",
		dir + "/nothing/ ":              "no such file",
		valid + " --listen nonsense":    "cannot listen",
		valid + " --listen 127.0.0.1:0 --listen-cert-file x":                        "need each other",
		valid + " --listen 127.0.0.1:0 --listen-cert-file x --listen-key-file y":    "cannot read the certificate",
		valid + " --listen :0 --listen-token-file " + secret:                        "over plain HTTP",
		valid + " --listen :0 --listen-username u --listen-password-file " + secret: "over plain HTTP",
		valid + " --listen-token-file " + secret:                                    "listen-token-file needs listen",
		"--schedule @daily --listen-token-file " + secret + " -- true":              "listen-token-file needs listen",
		valid + " --listen 127.0.0.1:0 --listen-username u":                         "need each other",
		"--schedule @daily --guards off -- true":                                    "--guards does not apply to a command",
		"--schedule @daily -o json -- true":                                         "--output does not apply to a command",
		"--schedule @daily --fail-on-spared -- true":                                "--fail-on-spared does not apply to a command",
		"--schedule @daily --allow-hooks -- true":                                   "--allow-hooks does not apply to a command",
		"--schedule @daily --lock no -- true":                                       "expected off, auto or required",
		"-- true":                                                                   "a command needs --schedule",
		valid + " --schedule @daily -- true":                                        "not both",
		"--schedule @daily --":                                                      "must follow",
	} {
		k := newConsole(t)
		code, _, errs := k.run(append([]string{"serve"}, strings.Fields(line)...)...)
		require.Equal(t, 2, code, "%s: %s", line, errs)
		require.Contains(t, errs, want, line)
		require.Nil(t, k.connected, "%s: nothing is sent", line)
		require.NotContains(t, errs, "geheim")
	}
	require.NoFileExists(t, filepath.Join(dir, "ran"))
}

// TestServeCommand: another program is run, without esnap's own variables.
func TestServeCommand(t *testing.T) {
	var p process
	ctx, stop := context.WithCancelCause(t.Context())
	began := time.Now()
	app := &App{
		In: strings.NewReader(""), Out: &p.out, Err: &p.errs, Now: time.Now, Watch: clock.RealTime(),
		Env: only("ESNAP_API_KEY", "geheim-geheim"),
		Environ: func() []string {
			return append(os.Environ(), "ESNAP_API_KEY=geheim-geheim", "ESNAP_OTHER=geheim", "ESNAP_LOG_LEVEL=info", "KEPT=yes")
		},
	}
	done := make(chan int)
	go func() {
		done <- Main(ctx, app, []string{
			"serve", "--schedule", "* * * * * *", "--", "sh",
			"-c", `echo "$KEPT $ESNAP_API_KEY$ESNAP_OTHER $ESNAP_LOG_LEVEL $1."; exit 3`, "x", "a b",
		})
	}()
	require.Eventually(t, func() bool { return strings.Contains(p.errs.String(), "exit_code=3") }, 20*time.Second, 10*time.Millisecond)
	stop(&job.Signal{Number: syscall.SIGTERM})
	require.Contains(t, []int{0, 143}, <-done, "the signal may meet the next run")
	require.True(t, strings.HasPrefix(p.out.String(), "yes  info a b.\n"), p.out.String())
	require.Greater(t, time.Since(began), time.Duration(0))
}

// TestServeCommandTells: how another program ended is told as that of an action file.
func TestServeCommandTells(t *testing.T) {
	hook, got := webhook(t)
	dir := t.TempDir()
	config, marker := filepath.Join(dir, "client.yml"), filepath.Join(dir, "ran")
	save(t, config, "cluster: {url: 'http://es:9200'}\nmetrics: {textfile: "+dir+"}\nnotify:\n  webhooks: [{url: '"+
		hook.URL+"', level: error, body: '{\"t\": \"${title}\", \"x\": \"${text}\"}'}]\n")
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
			"--config", config, "serve", "--schedule", "* * * * * *", "--", "sh", "-c", `test -e "$1" && exit 3; touch "$1"`,
			"x", marker,
		})
	}()
	require.Eventually(t, func() bool { return strings.Contains(got.String(), "exit code 3") }, 6*time.Second,
		10*time.Millisecond, "%s", &p.errs)
	stop(&job.Signal{Number: syscall.SIGTERM})
	require.Contains(t, []int{0, 143}, <-done, "the signal may meet the next run")
	require.Contains(t, got.String(), "esnap: sh failed on ")
	text, err := os.ReadFile(filepath.Join(dir, "esnap_sh.prom"))
	require.NoError(t, err)
	require.Contains(t, string(text), `esnap_last_run_status{policy="sh"} 2`)
	require.Contains(t, string(text), `esnap_last_success_timestamp_seconds{policy="sh"} `, "of the first run")
	require.Contains(t, string(text), `esnap_expected_interval_seconds{policy="sh"} 1`)
}

// TestServeOverHTTP: state and metrics; a run by hand with the token; no secret anywhere.
func TestServeOverHTTP(t *testing.T) {
	dir := t.TempDir()
	file, password, token := filepath.Join(dir, "minutes.yml"), filepath.Join(dir, "password"), filepath.Join(dir, "token")
	once := strings.NewReplacer("'* * * * *'", "'@yearly'", "m-%H%M", "m-%Y%m%d%H%M%S").Replace(everyMinute)
	save(t, file, once+"history: true\nlock: required\n")
	save(t, password, "geheim-password\n")
	save(t, token, "geheim-token\n")
	c := memory.New()
	c.AddIndices("logs-1")
	p := serveIn(t, c, file, "--listen", "127.0.0.1:0", "--listen-username", "ops", "--listen-password-file", password,
		"--listen-token-file", token)
	var url string
	require.Eventually(t, func() bool {
		_, rest, found := strings.Cut(p.errs.String(), "msg=listening address=")
		url, _, _ = strings.Cut("http://"+rest, " ")
		return found
	}, 10*time.Second, time.Millisecond)
	ask := func(method, path string, change func(*http.Request)) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, nil)
		require.NoError(t, err)
		change(r)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NotContains(t, string(body), "geheim")
		return resp.StatusCode, string(body)
	}
	nobody := func(*http.Request) {}
	ops := func(r *http.Request) { r.SetBasicAuth("ops", "geheim-password") }
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer geheim-token") }
	for _, path := range []string{"/", "/jobs/minutes", "/metrics"} {
		code, _ := ask(http.MethodGet, path, nobody)
		require.Equal(t, http.StatusUnauthorized, code, path)
	}
	code, _ := ask(http.MethodGet, "/healthz", nobody)
	require.Equal(t, http.StatusOK, code)
	require.Eventually(t, func() bool { code, _ := ask(http.MethodGet, "/readyz", nobody); return code == http.StatusOK },
		10*time.Second, time.Millisecond)
	code, body := ask(http.MethodGet, "/", ops)
	require.Equal(t, http.StatusServiceUnavailable, code, "%s: it has not run, and there is no snapshot", body)
	code, _ = ask(http.MethodPost, "/jobs/minutes/run", ops)
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = ask(http.MethodPost, "/jobs/nosuch/run", bearer)
	require.Equal(t, http.StatusNotFound, code)
	other, err := lock.Acquire(t.Context(), c, "minutes", lock.Options{Owner: lock.Owner{Run: "other", Host: "node-7", PID: 42},
		Watch: clock.RealTime(), Wall: time.Now})
	require.NoError(t, err)
	code, _ = ask(http.MethodPost, "/jobs/minutes/run", bearer)
	require.Equal(t, http.StatusConflict, code, "another process runs it")
	require.NoError(t, other.Release(t.Context(), false))
	code, _ = ask(http.MethodPost, "/jobs/minutes/run", bearer)
	require.Equal(t, http.StatusAccepted, code)
	require.Eventually(t, func() bool {
		code, body = ask(http.MethodGet, "/jobs/minutes", ops)
		return code == http.StatusOK
	}, 10*time.Second, time.Millisecond)
	require.Contains(t, body, "created snapshot m-")
	require.Contains(t, body, `"last_run_from": "here"`)
	_, body = ask(http.MethodGet, "/metrics", ops)
	for _, want := range []string{
		"# TYPE esnap_last_success_timestamp_seconds gauge\nesnap_last_success_timestamp_seconds{policy=\"minutes\"} ",
		`esnap_check_status{policy="minutes"} 0`,
		`esnap_running{policy="minutes"} 0`,
		`esnap_last_run_exit_code{policy="minutes"} 0`,
		`esnap_action_items{policy="minutes",action="snapshot",repository="r",result="ok"} 1`,
	} {
		require.Contains(t, body, want)
	}
	require.Len(t, namesIn(t, c), 1)
	require.Zero(t, p.term())
	list, err := history.List(t.Context(), c, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "started over HTTP from 127.0.0.1", list[0].Reason)
	require.NotContains(t, p.out.String()+p.errs.String(), "geheim")
}

// TestServeTellsOfOthers: a process that has not run the job answers from the history.
func TestServeTellsOfOthers(t *testing.T) {
	c := memory.New()
	for i, code := range []int{0, 1} {
		began := time.Now().Add(time.Duration(i-3) * time.Hour)
		require.NoError(t, history.Write(t.Context(), c, time.Now(),
			history.Record{ID: history.ID(began, "run"), Run: "run", Command: "run", Job: "minutes", Started: began,
				Duration: 1500, ExitCode: code, Host: "elsewhere"}, func(s string) string { return s }))
	}
	file := filepath.Join(t.TempDir(), "minutes.yml")
	save(t, file, strings.Replace(everyMinute, "'* * * * *'", "'@yearly'", 1))
	p := serveIn(t, c, file, "--listen", "127.0.0.1:0")
	var url string
	require.Eventually(t, func() bool {
		_, rest, found := strings.Cut(p.errs.String(), "msg=listening address=")
		url, _, _ = strings.Cut("http://"+rest, " ")
		return found
	}, 10*time.Second, time.Millisecond)
	get := func(path string) string {
		resp, err := http.Get(url + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return string(body)
	}
	require.Eventually(t, func() bool { return strings.Contains(get("/"), `"last_run_from": "history"`) }, 10*time.Second, time.Millisecond)
	require.Contains(t, get("/"), `"Exit_status": 1`)
	require.Contains(t, get("/"), "on host elsewhere")
	text := get("/metrics")
	require.Contains(t, text, `esnap_last_run_status{policy="minutes"} 2`)
	require.Contains(t, text, `esnap_run_duration_seconds{policy="minutes"} 1.5`)
	require.Contains(t, text, `esnap_last_success_timestamp_seconds{policy="minutes"} `)
	require.Zero(t, p.term())
}

// TestServeSaysWhichFilesAreUsed: in the metrics, 0 also while the last valid content stays.
func TestServeSaysWhichFilesAreUsed(t *testing.T) {
	dir := t.TempDir()
	save(t, filepath.Join(dir, "a.yml"), everyMinute)
	save(t, filepath.Join(dir, "b.yml"), "nonsense: 1\n")
	var out bytes.Buffer
	app := &App{Out: &out, Err: &out, Now: time.Now, Watch: clock.RealTime(), Env: only("", "")}
	root := newRoot(app)
	c, _, err := root.Find([]string{"serve"})
	require.NoError(t, err)
	x, err := app.open(c)
	require.NoError(t, err)
	v := newServer(app, c, &serveOptions{}, x, []string{dir})
	_, err = v.files.first()
	require.NoError(t, err)
	text := func() string {
		var b bytes.Buffer
		require.NoError(t, v.health.metrics(&b))
		return b.String()
	}
	require.Contains(t, text(), `esnap_file_valid{file="`+filepath.Join(dir, "a.yml")+`"} 1`)
	require.Contains(t, text(), `esnap_file_valid{file="`+filepath.Join(dir, "b.yml")+`"} 0`)
	save(t, filepath.Join(dir, "a.yml"), "nonsense: 1\n")
	v.files.look(t.Context())
	require.Contains(t, text(), `esnap_file_valid{file="`+filepath.Join(dir, "a.yml")+`"} 0`)
	require.Len(t, v.s.Status(), 1)
	require.Contains(t, v.s.Status()[0].Problem, "nonsense")
}
