//go:build integration

package integration

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/cmd"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/testserver"
)

// flavours are the servers to test on, ESNAP_TEST_FLAVOURS.
func flavours() []testserver.Flavour {
	var list []testserver.Flavour
	for name := range strings.SplitSeq(cmp.Or(os.Getenv("ESNAP_TEST_FLAVOURS"), "es670,os2110"), ",") {
		list = append(list, testserver.Flavour(strings.TrimSpace(name)))
	}
	return list
}

// forEachServer runs a scenario on every flavour, one after the other within a
// flavour: different flavours at the same time, also of different tests.
func forEachServer(t *testing.T, scenario func(e *env)) { onServers(t, flavours(), scenario) }

// lanes has each flavour run one scenario at a time.
var lanes sync.Map

// onServers runs a scenario on some flavours. It must not have parallel subtests: they would
// wait for the lane that it holds.
func onServers(t *testing.T, list []testserver.Flavour, scenario func(e *env)) {
	t.Parallel()
	for _, f := range list {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			lane, _ := lanes.LoadOrStore(f, &sync.Mutex{})
			lane.(*sync.Mutex).Lock()
			t.Cleanup(lane.(*sync.Mutex).Unlock)
			scenario(newEnv(t, f, testserver.Shared(t, f)))
		})
	}
}

// onOneServer runs a scenario that takes long, or several nodes, on the first flavour only.
// The matrix (ESNAP_TEST_LARGE) runs it on every one.
func onOneServer(t *testing.T, scenario func(e *env)) { onSome(t, flavours()[:1], scenario) }

// onLastServer is onOneServer on the last flavour, so that both are busy.
func onLastServer(t *testing.T, scenario func(e *env)) {
	onSome(t, flavours()[len(flavours())-1:], scenario)
}

func onSome(t *testing.T, some []testserver.Flavour, scenario func(e *env)) {
	if os.Getenv("ESNAP_TEST_LARGE") == "1" {
		some = flavours()
	}
	onServers(t, some, scenario)
}

// env is what a scenario works with: one server, and names nobody else uses.
type env struct {
	testing.TB
	server  *testserver.Server
	flavour testserver.Flavour
	prefix  string // of every index, snapshot and repository of the test
	dir     string // of this test, for files
	vars    map[string]string
	now     time.Time // when the test began
	client  *http.Client
	binary  string // esnap as a program, where a test needs it

	requests []es.Exchange // of the last call of esnap
}

func newEnv(t testing.TB, f testserver.Flavour, server *testserver.Server) *env {
	e := newBareEnv(t, f, server)
	e.template(e.prefix + "*")
	e.Cleanup(e.clean)
	return e
}

// newBareEnv is an environment that puts nothing into the cluster and leaves
// everything there.
func newBareEnv(t testing.TB, f testserver.Flavour, server *testserver.Server) *env {
	e := &env{
		TB:      t,
		server:  server,
		flavour: f,
		prefix:  uniquePrefix(),
		dir:     t.TempDir(),
		now:     time.Now().UTC(),
		client:  httpClient(t, server),
	}
	e.vars = map[string]string{
		"ESNAP_URL": server.URL, "ESNAP_CONFIG": "", "HOME": t.TempDir(), "ESNAP_USERNAME": server.Username,
		"ESNAP_PASSWORD": server.Password, "ESNAP_CA_FILE": server.CAFile,
	}
	return e
}

// starting lets one test at a time have servers of its own.
var starting sync.Mutex

// own is an environment on a server of the test's own, by default of the same flavour.
func (e *env) own(o testserver.Options) *env {
	e.Helper()
	if e.server.Provider != "local" {
		e.notApplicable("the %s provider starts no server like this", e.server.Provider)
	}
	starting.Lock()
	e.Cleanup(starting.Unlock)
	o.Flavour = cmp.Or(o.Flavour, e.flavour)
	server, err := testserver.Start(e.Context(), o)
	require.NoError(e, err)
	e.Cleanup(func() { require.NoError(e, server.Stop()) })
	return newEnv(e.TB, o.Flavour, server)
}

// uniquePrefix has letters only, so that no part of it reads as a date.
func uniquePrefix() string {
	letters := make([]byte, 7)
	for i := range letters {
		letters[i] = byte('a' + rand.IntN(26))
	}
	return "it" + string(letters) + "-"
}

func httpClient(t testing.TB, s *testserver.Server) *http.Client {
	transport := &http.Transport{}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		require.NoError(t, err)
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(pem))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Minute}
}

// notApplicable skips a scenario for a reason that lies in the server.
func (e *env) notApplicable(format string, args ...any) {
	e.Helper()
	e.Skipf("not applicable: "+format, args...)
}

// old says that the server is Elasticsearch 6: one snapshot operation at a time,
// one snapshot in a request, FAILED snapshots stored.
func (e *env) old() bool { return strings.HasPrefix(string(e.flavour), "es6") }

// location is a folder below path.repo of this test's own.
func (e *env) location(name string) string { return path.Join(e.server.Repo, e.prefix+name) }

// --- raw HTTP

// try sends a request and returns the reply, whatever it is.
func (e *env) try(method, uri string, body any) (int, []byte) {
	e.Helper()
	raw, ready := body.([]byte)
	if !ready && body != nil {
		var err error
		raw, err = json.Marshal(body)
		require.NoError(e, err)
	}
	req, err := http.NewRequest(method, e.server.URL+uri, bytes.NewReader(raw))
	require.NoError(e, err)
	req.Header.Set("Content-Type", "application/json")
	if e.server.Username != "" {
		req.SetBasicAuth(e.server.Username, e.server.Password)
	}
	resp, err := e.client.Do(req)
	require.NoError(e, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(e, err)
	return resp.StatusCode, text
}

// call sends a request that must succeed.
func (e *env) call(method, uri string, body, into any) {
	e.Helper()
	status, text := e.try(method, uri, body)
	require.Less(e, status, 300, "%s %.200s: %.1000s", method, uri, text)
	if into != nil {
		require.NoError(e, json.Unmarshal(text, into), "%s %s: %.300s", method, uri, text)
	}
}

// template makes indices of one shard without replicas, with the mapping of what fill
// writes: a mapping that comes with the first document is one more change of the
// cluster's state for each index, and with thousands of them times out.
func (e *env) template(patterns ...string) {
	e.Helper()
	var mapping any = map[string]any{"properties": map[string]any{"n": map[string]any{"type": "long"}, "log": map[string]any{"type": "text"}}}
	if e.old() {
		mapping = map[string]any{"_doc": mapping}
	}
	e.call("PUT", "/_template/"+e.prefix+"template", map[string]any{
		"index_patterns": patterns, "settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0}, "mappings": mapping,
	}, nil)
}

// fill makes indices with so many documents each, of size bytes that do not
// compress. Filling again changes nothing.
func (e *env) fill(size int, docs map[string]int) {
	e.Helper()
	kind := ""
	if e.old() {
		kind = `,"_type":"_doc"`
	}
	var bulk bytes.Buffer
	lines, touched := 0, 0
	flush := func() {
		if bulk.Len() == 0 {
			return
		}
		status, text := e.try("POST", "/_bulk?refresh=true&timeout=5m", slices.Clone(bulk.Bytes()))
		require.Equal(e, 200, status, "%.500s", text)
		require.False(e, bytes.Contains(text, []byte(`"errors":true`)), "%.1000s", text)
		bulk.Reset()
		lines, touched = 0, 0
	}
	for _, index := range slices.Sorted(maps.Keys(docs)) {
		if touched++; touched > 100 { // servers queue 200 shards
			flush()
		}
		for n := range docs[index] {
			fmt.Fprintf(&bulk, "{\"index\":{\"_index\":%q%s,\"_id\":\"%d\"}}\n{\"n\":%d,\"log\":%q}\n", index, kind, n, n, noise(size))
			if lines++; lines >= 2000 || bulk.Len() > 4<<20 {
				flush()
			}
		}
	}
	flush()
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"

// noise is text that does not compress, in words that are not too long to index.
func noise(size int) string {
	b := make([]byte, size)
	for i := range b {
		if b[i] = letters[rand.IntN(len(letters))]; i%64 == 63 {
			b[i] = ' '
		}
	}
	return string(b)
}

// indices are the names in the cluster that start with one of the prefixes,
// sorted; by default this test's.
func (e *env) indices(prefixes ...string) []string {
	e.Helper()
	return slices.Sorted(maps.Keys(e.uuids(prefixes...)))
}

// uuids are the same with the identity of each.
func (e *env) uuids(prefixes ...string) map[string]string {
	e.Helper()
	if len(prefixes) == 0 {
		prefixes = []string{e.prefix}
	}
	var state struct {
		Metadata struct {
			Indices map[string]struct {
				Settings map[string]any `json:"settings"`
			} `json:"indices"`
		} `json:"metadata"`
	}
	e.call("GET", "/_cluster/state/metadata?flat_settings=true&filter_path=metadata.indices.*.settings.index*", nil, &state)
	out := map[string]string{}
	for name, x := range state.Metadata.Indices {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			out[name] = fmt.Sprint(x.Settings["index.uuid"])
		}
	}
	return out
}

// count is how many documents an index holds.
func (e *env) count(index string) int {
	e.Helper()
	var reply struct{ Count int }
	e.call("GET", "/"+url.PathEscape(index)+"/_count", nil, &reply)
	return reply.Count
}

func (e *env) deleteIndices(names ...string) {
	e.Helper()
	for len(names) > 0 {
		line, n := "", 0
		for n < len(names) && (n == 0 || len(line)+len(url.PathEscape(names[n])) < 3500) {
			line += "," + url.PathEscape(names[n])
			n++
		}
		e.call("DELETE", "/"+line[1:], nil, nil)
		names = names[n:]
	}
}

// snapshot is one in the cluster's own words.
type snapshot struct {
	Snapshot string
	State    string
	Indices  []string
	Failures []struct {
		Index   string
		ShardID int `json:"shard_id"`
		Reason  string
	}
	Shards struct{ Total, Failed, Successful int }
}

// snapshots are those in a repository, by name.
func (e *env) snapshots(repository string) map[string]snapshot {
	e.Helper()
	var reply struct{ Snapshots []snapshot }
	e.call("GET", "/_snapshot/"+repository+"/_all", nil, &reply)
	out := map[string]snapshot{}
	for _, s := range reply.Snapshots {
		out[s.Snapshot] = s
	}
	return out
}

// take takes a snapshot by hand and waits for it.
func (e *env) take(repository, name string, indices ...string) {
	e.Helper()
	var reply struct{ Snapshot snapshot }
	e.call("PUT", "/_snapshot/"+repository+"/"+name+"?wait_for_completion=true", map[string]any{
		"indices": indices, "include_global_state": false,
	}, &reply)
	require.Equal(e, "SUCCESS", reply.Snapshot.State)
}

// later waits until a snapshot that is started now counts as younger than the indices that
// exist: the clock by which servers start snapshots is up to 200 ms behind.
func (e *env) later() { time.Sleep(300 * time.Millisecond) }

// register registers a shared folder by hand.
func (e *env) register(name, location string, settings map[string]any) {
	e.Helper()
	s := map[string]any{"location": location}
	maps.Copy(s, settings)
	e.call("PUT", "/_snapshot/"+name, map[string]any{"type": "fs", "settings": s}, nil)
}

// repository is a registered repository, nil if there is none of the name.
func (e *env) repository(name string) map[string]any {
	e.Helper()
	status, text := e.try("GET", "/_snapshot/"+name, nil)
	if status == http.StatusNotFound {
		return nil
	}
	require.Equal(e, 200, status, "%s", text)
	var reply map[string]struct {
		Type     string
		Settings map[string]any
	}
	require.NoError(e, json.Unmarshal(text, &reply))
	return reply[name].Settings
}

// clean takes away what the test made.
func (e *env) clean() {
	if names := e.indices(e.prefix, "restored-"+e.prefix); len(names) > 0 {
		e.deleteIndices(names...)
	}
	var repositories map[string]any
	e.call("GET", "/_snapshot", nil, &repositories)
	for name := range repositories {
		if strings.HasPrefix(name, e.prefix) {
			if status, text := e.try("DELETE", "/_snapshot/"+name, nil); status >= 300 {
				e.Logf("unregister %s: %d %s", name, status, text)
			}
		}
	}
	e.call("DELETE", "/_template/"+e.prefix+"template", nil, nil)
}

// day is the end of a name for the day so many days ago.
func (e *env) day(ago int) string { return e.now.AddDate(0, 0, -ago).Format("2006.01.02") }

// --- esnap

// esnap runs a command line in this process.
func (e *env) esnap(args ...string) (code int, stdout, stderr string) {
	e.Helper()
	var out, log bytes.Buffer
	var mu sync.Mutex
	var requests []es.Exchange // what comes after the end belongs to nobody
	app := &cmd.App{
		In: strings.NewReader(""), Out: &out, Err: &log, Now: time.Now,
		Env: func(name string) (string, bool) { v, ok := e.vars[name]; return v, ok },
		Connect: func(o es.Options) (cluster.Cluster, error) {
			log := o.Trace
			o.Trace = func(x es.Exchange) {
				mu.Lock()
				requests = append(requests, x)
				mu.Unlock()
				if log != nil {
					log(x)
				}
			}
			return es.New(o)
		},
	}
	code = cmd.Main(e.Context(), app, args)
	mu.Lock()
	defer mu.Unlock()
	e.requests = slices.Clone(requests)
	return code, out.String(), log.String()
}

// want runs a command line and requires its exit code.
func (e *env) want(code int, args ...string) (stdout, stderr string) {
	e.Helper()
	got, stdout, stderr := e.esnap(args...)
	require.Equal(e, code, got, "esnap %s\n%s\n%s", strings.Join(args, " "), stdout, stderr)
	return stdout, stderr
}

// run runs an action file and requires its exit code.
func (e *env) run(code int, file string, args ...string) *report.Report {
	e.Helper()
	name := filepath.Join(e.dir, "action.yml")
	require.NoError(e, os.WriteFile(name, []byte(e.text(file)), 0o600))
	stdout, stderr := e.want(code, append([]string{"run", "-o", "json", name}, args...)...)
	var r report.Report
	require.NoError(e, json.Unmarshal([]byte(stdout), &r), "%s\n%s", stdout, stderr)
	return &r
}

// text puts the test's prefix where a file says PREFIX, and its folder for LOCATION.
func (e *env) text(file string) string {
	return strings.NewReplacer("PREFIX", e.prefix, "LOCATION", e.location("")).Replace(file)
}

// writes are the requests of the last call that can change something.
func (e *env) writes() []string {
	var out []string
	for _, x := range e.requests {
		if x.Method != http.MethodGet && x.Method != http.MethodHead {
			out = append(out, x.Method+" "+x.URI)
		}
	}
	return out
}

// sent counts the requests of the last call with a method.
func (e *env) sent(method string) int {
	n := 0
	for _, x := range e.requests {
		if x.Method == method {
			n++
		}
	}
	return n
}

// eventually waits for a condition in the cluster.
func (e *env) eventually(what string, condition func() bool) {
	e.Helper()
	for end := time.Now().Add(3 * time.Minute); !condition(); {
		require.True(e, time.Now().Before(end), "in vain: %s", what)
		time.Sleep(50 * time.Millisecond)
	}
}

// running says whether a snapshot is running.
func (e *env) running(repository, name string) bool {
	e.Helper()
	var state struct {
		Snapshots struct {
			Snapshots []struct{ Repository, Snapshot string }
		}
	}
	e.call("GET", "/_cluster/state/customs?filter_path=snapshots.snapshots.repository,snapshots.snapshots.snapshot", nil, &state)
	for _, s := range state.Snapshots.Snapshots {
		if s.Repository == repository && s.Snapshot == name {
			return true
		}
	}
	return false
}

// build builds esnap for the length of a test.
func build(t testing.TB) string {
	name := filepath.Join(t.TempDir(), "esnap")
	c := exec.Command("go", "build", "-o", name, "./cmd/esnap")
	c.Dir = ".."
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return name
}

// process is esnap, built, as a process of its own, not yet started.
func (e *env) process(binary string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	c = exec.Command(binary, args...)
	for k, v := range e.vars {
		c.Env = append(c.Env, k+"="+v)
	}
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Stdout, c.Stderr = stdout, stderr
	return c, stdout, stderr
}
