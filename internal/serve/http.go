package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"github.com/esnap/esnap/internal/check"
)

// Check is what a check of a job's promises said.
type Check struct {
	Level    check.Level
	Findings []string
	At       time.Time
	Count    map[[2]string]int // of findings that are not OK, by what they are about and their level
}

// Health is what is known besides the runs of this process. To ask for it sends nothing.
type Health struct {
	// Ready says that the cluster was reached not long ago; Reason is why it was not.
	Ready  bool
	Reason string
	// Checks are the results of checks, and Past the last runs anywhere, by the name of the
	// job.
	Checks map[string]Check
	Past   map[string]Last
	// Unused are files of which nothing can be used, and why.
	Unused map[string]string
}

// Options are those of the HTTP interface.
type Options struct {
	Version   string
	Scheduler *Scheduler
	Health    func() Health
	// Metrics writes the metrics in the text form of Prometheus.
	Metrics func(io.Writer) error
	// Username and Password, if given, are asked for by all GET routes but /healthz and /readyz.
	Username, Password string
	// Token, if given, lets a client start a run.
	Token string
	Log   *slog.Logger
}

// run is a run as go-cron shows it.
type run struct {
	ExitStatus   int    `json:"Exit_status"`
	Stdout       string `json:"Stdout"`
	Stderr       string `json:"Stderr"`
	ExitTime     string `json:"ExitTime"`
	Pid          int    `json:"Pid"`
	StartingTime string `json:"StartingTime"`
}

// state is the answer about one job. The first three keys are those of go-cron.
type state struct {
	Running  map[string]run `json:"Running"`
	Last     run            `json:"Last"`
	Schedule string         `json:"Schedule"`
	Esnap    details        `json:"Esnap"`
}

type details struct {
	Version string         `json:"version,omitempty"`
	Job     string         `json:"job,omitempty"`
	OK      bool           `json:"ok"`
	Why     string         `json:"why,omitempty"` // not OK
	Zone    string         `json:"timezone,omitempty"`
	Next    string         `json:"next_run,omitempty"`
	Source  string         `json:"last_run_from,omitempty"` // here, or history
	Check   *checked       `json:"check,omitempty"`
	Problem string         `json:"file_problem,omitempty"` // why a changed file is not used
	Jobs    map[string]job `json:"jobs,omitempty"`         // of several

	Unused map[string]string `json:"unused_files,omitempty"` // and why
}

type checked struct {
	Level    string   `json:"level"`
	Findings []string `json:"findings"`
	At       string   `json:"at"`
}

type job struct {
	OK       bool   `json:"ok"`
	Why      string `json:"why,omitempty"`
	Schedule string `json:"schedule"`
	Next     string `json:"next_run,omitempty"`
	Problem  string `json:"file_problem,omitempty"`
	Path     string `json:"path"`
}

// Handler answers about the jobs of a scheduler.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if h := o.Health(); !h.Ready {
			plain(w, http.StatusServiceUnavailable, h.Reason)
			return
		}
		plain(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /{$}", o.basic(func(w http.ResponseWriter, _ *http.Request) { o.all(w) }))
	mux.HandleFunc("GET /jobs/{name}", o.basic(func(w http.ResponseWriter, r *http.Request) { o.one(w, r.PathValue("name")) }))
	mux.HandleFunc("GET /metrics", o.basic(func(w http.ResponseWriter, _ *http.Request) {
		var text bytes.Buffer // a slow client must not hold what the metrics are made of
		if err := o.Metrics(&text); err != nil {
			plain(w, http.StatusInternalServerError, err.Error())
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(text.Bytes()) // the client went away
	}))
	if o.Token != "" {
		mux.HandleFunc("POST /jobs/{name}/run", o.start)
	}
	return mux
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text)
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client went away
}

// same compares without telling by the time it takes.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// basic lets only those in who know the password.
func (o Options) basic(next http.HandlerFunc) http.HandlerFunc {
	if o.Username == "" {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if name, word := same(user, o.Username), same(password, o.Password); !name || !word {
			w.Header().Set("WWW-Authenticate", `Basic realm="esnap", charset="UTF-8"`)
			plain(w, http.StatusUnauthorized, "a user name and a password are needed")
			return
		}
		next(w, r)
	}
}

// start starts a run by hand.
func (o Options) start(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !same(token, o.Token) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="esnap"`)
		plain(w, http.StatusUnauthorized, "a bearer token is needed")
		return
	}
	name := r.PathValue("name")
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	err = o.Scheduler.Trigger(r.Context(), name, "started over HTTP from "+from)
	o.Log.Info("a run was asked for over HTTP", "job", name, "from", from, "accepted", err == nil)
	switch {
	case errors.Is(err, ErrUnknown):
		plain(w, http.StatusNotFound, err.Error())
	case err != nil:
		plain(w, http.StatusConflict, err.Error())
	default:
		answer(w, http.StatusAccepted, map[string]string{"job": name, "status": "started"})
	}
}

// all is the answer about the only job, or a summary of several.
func (o Options) all(w http.ResponseWriter) {
	jobs, h := o.Scheduler.Status(), o.Health()
	if len(jobs) == 1 && len(h.Unused) == 0 {
		s := o.state(jobs[0], h)
		answer(w, code(s.Esnap.OK), s)
		return
	}
	sum := state{
		Running: map[string]run{},
		Esnap:   details{Version: o.Version, OK: len(jobs) > 0 && len(h.Unused) == 0, Jobs: map[string]job{}, Unused: h.Unused},
	}
	bad := slices.Sorted(maps.Keys(h.Unused))
	failed, newest := false, ""
	for _, j := range jobs {
		s := o.state(j, h)
		for pid, r := range s.Running {
			sum.Running[pid+" "+j.Name] = r
		}
		if f := s.Last.ExitStatus != 0; f && !failed || f == failed && s.Last.ExitTime > newest { // the newest that failed, if one did
			sum.Last, failed, newest = s.Last, failed || f, s.Last.ExitTime
		}
		if !s.Esnap.OK {
			sum.Esnap.OK = false
			bad = append(bad, j.Name)
		}
		sum.Esnap.Jobs[j.Name] = job{s.Esnap.OK, s.Esnap.Why, s.Schedule, s.Esnap.Next, j.Problem, "/jobs/" + url.PathEscape(j.Name)}
	}
	switch {
	case len(jobs) == 0:
		sum.Esnap.Why = "there are no jobs"
	case len(bad) > 0:
		sum.Esnap.Why = "not well: " + strings.Join(bad, ", ")
	}
	answer(w, code(sum.Esnap.OK), sum)
}

func (o Options) one(w http.ResponseWriter, name string) {
	jobs := o.Scheduler.Status()
	i := slices.IndexFunc(jobs, func(j Status) bool { return j.Name == name })
	if i < 0 {
		plain(w, http.StatusNotFound, ErrUnknown.Error())
		return
	}
	s := o.state(jobs[i], o.Health())
	answer(w, code(s.Esnap.OK), s)
}

func code(ok bool) int {
	if ok {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// state is how a job is: by its last run, here or anywhere, and by the check.
func (o Options) state(j Status, h Health) state {
	s := state{Running: map[string]run{}, Schedule: j.Schedule,
		Esnap: details{Version: o.Version, Job: j.Name, Zone: j.Zone.String(), Next: stamp(j.Next), Problem: j.Problem}}
	if !j.Since.IsZero() {
		s.Running[strconv.Itoa(j.PID)] = run{Pid: j.PID, StartingTime: stamp(j.Since)}
	}
	last, source := j.Last, "here"
	if past, known := h.Past[j.Name]; known && (last == nil || past.Run != last.Run && past.Started.After(last.Started)) {
		last, source = &past, "history"
	}
	if last != nil {
		s.Esnap.Source = source
		s.Last = run{
			ExitStatus:   last.Code,
			Stdout:       last.Stdout,
			Stderr:       last.Stderr,
			ExitTime:     stamp(last.Stopped),
			StartingTime: stamp(last.Started),
		}
	}
	said, checks := h.Checks[j.Name]
	if checks {
		s.Esnap.Check = &checked{said.Level.String(), said.Findings, stamp(said.At)}
	}
	switch {
	case last != nil && last.Code != 0:
		s.Esnap.Why = fmt.Sprintf("the last run ended with exit code %d", last.Code)
	case checks && said.Level == check.Critical:
		s.Esnap.Why = "the check is critical"
	case last == nil && !checks:
		s.Esnap.Why = "it has not run yet"
	case last == nil && said.Level == check.Unknown:
		s.Esnap.Why = "it has not run yet, and the check says nothing"
	default:
		s.Esnap.OK = true
	}
	return s
}

// stamp is a time as go-cron writes it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

const (
	// maxConnections bounds what slow clients can occupy, and maxClients is with how many
	// open ones a new client takes the place of an old one.
	maxConnections = 256
	maxClients     = 200
	maxHeader      = 16 << 10
	maxBody        = 4 << 10
)

// Listener is what is listened on.
type Listener struct {
	Address  string
	CertFile string // with its key: TLS
	KeyFile  string
}

// Listen opens the address. An error says what to do.
func Listen(ctx context.Context, l Listener) (net.Listener, error) {
	var conf *tls.Config
	if l.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(l.CertFile, l.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificate %s with its key: %w", l.CertFile, err)
		}
		conf = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	open, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", l.Address, err)
	}
	open = netutil.LimitListener(open, maxConnections)
	if conf != nil {
		open = tls.NewListener(open, conf)
	}
	return open, nil
}

// Serve answers until the context ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler:           http.MaxBytesHandler(h, maxBody),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: 30 * time.Second,
		ConnState:      (&crowd{most: maxClients}).state,
		MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0), // of clients' faults
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1 only
	}
	stopped := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		_ = s.Close()
	})
	defer stopped()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the HTTP interface ended: %w", err)
	}
	return nil
}

// Loopback says whether only this machine can reach an address.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
