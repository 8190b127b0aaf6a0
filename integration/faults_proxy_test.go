//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fault is what goes wrong between esnap and the server, and with which requests: times
// requests of the kind on, from the nth.
type fault struct {
	what, on   string
	nth, times int
}

func (f fault) String() string {
	s := fmt.Sprintf("%s on %q", f.what, f.on)
	switch {
	case f.times >= always:
		return s + fmt.Sprintf(", from number %d", f.nth)
	case f.times > 1:
		return s + fmt.Sprintf(", numbers %d to %d", f.nth, f.nth+f.times-1)
	}
	return s + fmt.Sprintf(", number %d", f.nth)
}

// always is more requests than a run sends.
const always = 1 << 20

// requestKinds are what a fault can be on.
var requestKinds = map[string]func(method, path string) bool{
	"any":    func(string, string) bool { return true },
	"read":   func(m, _ string) bool { return m == http.MethodGet || m == http.MethodHead },
	"write":  func(m, _ string) bool { return m != http.MethodGet && m != http.MethodHead },
	"state":  func(_, p string) bool { return strings.HasPrefix(p, "/_cluster/") },
	"server": func(_, p string) bool { return p == "/" || strings.HasPrefix(p, "/_nodes") },
	"list snapshots": func(m, p string) bool {
		return m == http.MethodGet && strings.HasPrefix(p, "/_snapshot/")
	},
	"register":        func(m, p string) bool { return m == http.MethodPut && snapshotPath(p) == 1 },
	"verify":          func(_, p string) bool { return strings.HasSuffix(p, "/_verify") },
	"create snapshot": func(m, p string) bool { return m == http.MethodPut && snapshotPath(p) == 2 },
	"delete snapshot": func(m, p string) bool { return m == http.MethodDelete && snapshotPath(p) == 2 },
	"delete index":    func(m, p string) bool { return m == http.MethodDelete && snapshotPath(p) == 0 },
	"restore":         func(_, p string) bool { return strings.HasSuffix(p, "/_restore") },
}

// snapshotPath is how many names follow /_snapshot in a path.
func snapshotPath(p string) int {
	rest, found := strings.CutPrefix(p, "/_snapshot/")
	if !found {
		return 0
	}
	return strings.Count(rest, "/") + 1
}

// bytesFaults break the connection; replyFaults are replies that are none.
var (
	bytesFaults = map[string]func(*faultProxy, *exchange){
		"cut before": func(_ *faultProxy, x *exchange) { x.hangUp(false) },
		"cut after": func(p *faultProxy, x *exchange) {
			p.send(x)
			x.hangUp(false)
		},
		"reset before": func(_ *faultProxy, x *exchange) { x.hangUp(true) },
		"reset after": func(p *faultProxy, x *exchange) {
			p.send(x)
			x.hangUp(true)
		},
		"half a reply": func(p *faultProxy, x *exchange) {
			status, header, body := p.send(x)
			x.header(status, header, len(body))
			_, _ = x.w.Write(body[:len(body)/2])
			panic(http.ErrAbortHandler)
		},
		"delay": func(p *faultProxy, x *exchange) {
			time.Sleep(time.Second)
			p.pass(x)
		},
		"no answer": func(_ *faultProxy, x *exchange) {
			x.wait(hold)
			x.hangUp(false)
		},
		"no answer after": func(p *faultProxy, x *exchange) {
			p.send(x)
			x.wait(hold)
			x.hangUp(false)
		},
		// The request is lost for esnap, and arrives at the server later.
		"late": func(p *faultProxy, x *exchange) {
			p.late.Go(func() {
				time.Sleep(2500 * time.Millisecond)
				p.send(x)
			})
			x.hangUp(false)
		},
	}
	replyFaults = map[string]func(*faultProxy, *exchange){
		"502":         htmlReply(502),
		"503":         htmlReply(503),
		"429":         htmlReply(429),
		"log-in page": htmlReply(200),
		"502 after": func(p *faultProxy, x *exchange) {
			p.send(x)
			htmlReply(502)(p, x)
		},
		"empty object": func(_ *faultProxy, x *exchange) { x.reply(200, "application/json", []byte("{}")) },
		"empty object after": func(p *faultProxy, x *exchange) {
			p.send(x)
			x.reply(200, "application/json", []byte("{}"))
		},
		"another reply": func(p *faultProxy, x *exchange) { x.reply(200, "application/json", p.another(x)) },
		"endless reply": func(_ *faultProxy, x *exchange) {
			x.endless(bytes.Repeat([]byte("x"), 64<<10), 0)
		},
		"endless slow reply": func(_ *faultProxy, x *exchange) { x.endless([]byte("x"), 50*time.Millisecond) },
	}
	// killFaults end the process of esnap.
	killFaults = map[string]func(*faultProxy, *exchange){
		"killed before": func(p *faultProxy, x *exchange) {
			p.kill()
			x.hangUp(false)
		},
		"killed after": func(p *faultProxy, x *exchange) {
			p.send(x)
			p.kill()
			x.hangUp(false)
		},
		"killed during": func(p *faultProxy, x *exchange) {
			p.late.Go(func() { p.send(x) })
			time.Sleep(3 * time.Millisecond)
			p.kill()
			x.hangUp(false)
		},
	}
)

// hold is how long a request without an answer is held: longer than the request's time-out.
const hold = 5 * time.Second

func htmlReply(status int) func(*faultProxy, *exchange) {
	return func(_ *faultProxy, x *exchange) {
		x.reply(status, "text/html", fmt.Appendf(nil, "<html><head><title>%d</title></head><body><h1>Sign in</h1></body></html>", status))
	}
}

// faultProxy stands between esnap and a server, and does to chosen requests what its
// schedule says.
type faultProxy struct {
	*httptest.Server
	target *url.URL
	client *http.Client
	normal *httputil.ReverseProxy
	kill   func()          // ends the process of esnap
	before func(*exchange) // is told of every request
	late   sync.WaitGroup  // requests that are still to arrive

	mu       sync.Mutex
	schedule []fault
	seen     []int // requests so far of each fault's kind
	log      []string
	restored bool       // a restore was asked for
	replies  []recorded // of other requests
}

type recorded struct {
	line string
	body []byte
}

func newFaultProxy(t testing.TB, target string, schedule []fault) *faultProxy {
	t.Helper()
	return startFaultProxy(t, target, schedule, httptest.NewServer)
}

// startFaultProxy is a proxy on a server that start starts.
func startFaultProxy(t testing.TB, target string, schedule []fault, start func(http.Handler) *httptest.Server) *faultProxy {
	t.Helper()
	u, err := url.Parse(target)
	require.NoError(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	p := &faultProxy{
		target: u, schedule: schedule, seen: make([]int, len(schedule)),
		client: &http.Client{Transport: transport}, normal: httputil.NewSingleHostReverseProxy(u),
	}
	p.normal.Transport = transport
	p.normal.ModifyResponse = p.record
	p.normal.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	p.Server = start(p)
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
		p.late.Wait()
		transport.CloseIdleConnections()
	})
	return p
}

// exchange is one request on its way.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	body []byte
}

// ServeHTTP implements http.Handler.
func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	x := &exchange{w: w, r: r, body: body}
	if p.before != nil {
		p.before(x)
	}
	what := p.pick(r)
	for _, kinds := range []map[string]func(*faultProxy, *exchange){bytesFaults, replyFaults, killFaults, tlsFaults} {
		if f := kinds[what]; f != nil {
			f(p, x)
			return
		}
	}
	p.pass(x)
}

// pick is what is to be done to a request, and notes the request.
func (p *faultProxy) pick(r *http.Request) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restored = p.restored || requestKinds["restore"](r.Method, r.URL.Path)
	what := ""
	for i, f := range p.schedule {
		if !requestKinds[f.on](r.Method, r.URL.Path) {
			continue
		}
		if p.seen[i]++; what == "" && p.seen[i] >= f.nth && p.seen[i] < f.nth+f.times {
			what = f.what
		}
	}
	p.log = append(p.log, fmt.Sprintf("%s %s %.150s %s", time.Now().UTC().Format("05.000"), r.Method, r.URL.RequestURI(), what))
	return what
}

func (p *faultProxy) pass(x *exchange) {
	x.r.Body = io.NopCloser(bytes.NewReader(x.body))
	p.normal.ServeHTTP(x.w, x.r)
}

// record keeps replies for "another reply".
func (p *faultProxy) record(resp *http.Response) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if resp.StatusCode == 200 && len(body) < 1<<20 {
		p.mu.Lock()
		p.replies = append(p.replies, recorded{resp.Request.Method + " " + resp.Request.URL.RequestURI(), body})
		p.mu.Unlock()
	}
	return nil
}

// another is the last reply to a request with another line. For the listing of a whole
// repository it is not a shorter listing: that is a valid reply, which nobody can tell from
// the right one.
func (p *faultProxy) another(x *exchange) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	whole := strings.HasSuffix(x.r.URL.Path, "/_all")
	for _, r := range slices.Backward(p.replies) {
		if r.line != x.r.Method+" "+x.r.URL.RequestURI() && !(whole && strings.Contains(r.line, "/_snapshot/")) {
			return r.body
		}
	}
	return []byte("{}")
}

// send sends the request on, whether or not esnap still waits.
func (p *faultProxy) send(x *exchange) (int, http.Header, []byte) {
	req, err := http.NewRequest(x.r.Method, p.target.String()+x.r.URL.RequestURI(), bytes.NewReader(x.body))
	if err != nil {
		return 502, http.Header{}, nil
	}
	req.Header = x.r.Header.Clone()
	resp, err := p.client.Do(req)
	if err != nil {
		return 502, http.Header{}, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, body
}

// requests are the lines of all requests so far, each with what was done to it.
func (p *faultProxy) requests() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// mayRestore says that the server may have begun a restore.
func (p *faultProxy) mayRestore() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restored
}

// hit says how many requests met a fault of the schedule.
func (p *faultProxy) hit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i, f := range p.schedule {
		n += max(0, min(p.seen[i]-f.nth+1, f.times))
	}
	return n
}

func (x *exchange) header(status int, h http.Header, length int) {
	maps.Copy(x.w.Header(), h)
	x.w.Header().Set("Content-Length", fmt.Sprint(length))
	x.w.WriteHeader(status)
}

func (x *exchange) reply(status int, kind string, body []byte) {
	x.header(status, http.Header{"Content-Type": {kind}}, len(body))
	_, _ = x.w.Write(body)
}

// hangUp closes the connection without a reply, or resets it.
func (x *exchange) hangUp(reset bool) {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// wait waits for d, or until esnap hangs up.
func (x *exchange) wait(d time.Duration) {
	select {
	case <-x.r.Context().Done():
	case <-time.After(d):
	}
}

// endless sends a reply without an end, for as long as esnap reads it and hold lasts.
func (x *exchange) endless(part []byte, pause time.Duration) {
	x.w.Header().Set("Content-Type", "application/json")
	_, _ = x.w.Write([]byte(`{"metadata":{"cluster_uuid":"`))
	for end := time.Now().Add(hold); time.Now().Before(end) && x.r.Context().Err() == nil; {
		if _, err := x.w.Write(part); err != nil {
			return
		}
		if pause > 0 {
			_ = http.NewResponseController(x.w).Flush()
			time.Sleep(pause)
		}
	}
	panic(http.ErrAbortHandler)
}

// randomSchedule is what a seed stands for: one to three faults.
func randomSchedule(seed uint64) []fault {
	r := rand.New(rand.NewPCG(seed, 0))
	what := slices.Sorted(maps.Keys(bytesFaults))
	what = append(what, slices.Sorted(maps.Keys(replyFaults))...)
	var list []fault
	for range 1 + r.IntN(3) {
		list = append(list, randomFault(r, what))
	}
	return list
}

func randomFault(r *rand.Rand, what []string) fault {
	kinds := slices.Sorted(maps.Keys(requestKinds))
	f := fault{what: what[r.IntN(len(what))], on: kinds[r.IntN(len(kinds))], nth: 1 + r.IntN(3), times: 1}
	switch f.on {
	case "any", "read", "state":
		f.nth = 1 + r.IntN(40)
	case "write", "list snapshots":
		f.nth = 1 + r.IntN(12)
	case "register", "create snapshot", "restore", "delete index":
		f.nth = 1
	}
	switch n := r.IntN(10); {
	case n == 0:
		f.times = always
	case n < 4:
		f.times = 2 + r.IntN(5)
	}
	return f
}

// killSchedule is where a seed kills the process.
func killSchedule(seed uint64) []fault {
	r := rand.New(rand.NewPCG(seed, 1))
	f := randomFault(r, slices.Sorted(maps.Keys(killFaults)))
	f.times = 1
	return []fault{f}
}

// TestFaultSchedulesAreRepeatable: a seed always stands for the same schedule, and seeds
// together for all faults and all kinds of requests.
func TestFaultSchedulesAreRepeatable(t *testing.T) {
	what, on := map[string]bool{}, map[string]bool{}
	for seed := range uint64(200) {
		once, again := randomSchedule(seed), randomSchedule(seed)
		require.Equal(t, once, again)
		for _, f := range once {
			what[f.what], on[f.on] = true, true
		}
	}
	require.Len(t, what, len(bytesFaults)+len(replyFaults))
	require.Len(t, on, len(requestKinds))
}

// meet does something 30 ms after the first request of a kind came by. Met says whether
// one did; what became of it is sent once.
func (p *faultProxy) meet(kind string, do func() error) (ended <-chan error, met *bool) {
	result, met := make(chan error, 1), new(bool)
	p.before = func(x *exchange) {
		if *met || !requestKinds[kind](x.r.Method, x.r.URL.Path) {
			return
		}
		*met = true
		go func() {
			time.Sleep(30 * time.Millisecond)
			result <- do()
		}()
	}
	return result, met
}
