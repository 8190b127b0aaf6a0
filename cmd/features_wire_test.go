package cmd

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dlclark/regexp2"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
)

// wireStub is a small server behind esnap's HTTP client. It lives in a bubble of synctest:
// its time and esnap's pass only while both wait.
type wireStub struct {
	mu        sync.Mutex
	indices   map[string]bool
	snapshots map[string][]string             // indices, by name
	deleting  map[string]time.Time            // snapshots, and when their deletion ends
	customs   func() string                   // members of the cluster's state
	before    func(r *http.Request) *wireMood // may answer instead; called one at a time
	requests  []string                        // with their queries
	longest   int                             // request line
}

// wireMood is another reply than the usual one.
type wireMood struct {
	status int
	body   string
	hang   time.Duration // before the connection ends
	lost   bool          // the request is carried out, but the connection ends
}

func newWireStub() *wireStub {
	return &wireStub{indices: map[string]bool{}, snapshots: map[string][]string{}, deleting: map[string]time.Time{}}
}

// RoundTrip implements http.RoundTripper.
func (s *wireStub) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	s.longest = max(s.longest, len(r.Method+" "+r.URL.RequestURI()+" HTTP/1.1"))
	for name, end := range s.deleting {
		if !time.Now().Before(end) {
			delete(s.deleting, name)
			delete(s.snapshots, name)
		}
	}
	var mood *wireMood
	if s.before != nil {
		mood = s.before(r)
	}
	s.mu.Unlock()
	out := httptest.NewRecorder()
	switch {
	case len(r.Method+" "+r.URL.RequestURI()+" HTTP/1.1") > 4096:
		http.Error(out, `{"error":{"type":"too_long_frame_exception","reason":"An HTTP line is larger than 4096 bytes."},"status":400}`, 400)
	case mood == nil || mood.lost:
		body := ""
		if r.Body != nil {
			data, _ := io.ReadAll(r.Body)
			body = string(data)
		}
		s.mu.Lock()
		s.serve(out, r, body)
		s.mu.Unlock()
	case mood.status != 0:
		out.WriteHeader(mood.status)
		_, _ = io.WriteString(out, mood.body)
	}
	if mood != nil && mood.status == 0 {
		select {
		case <-time.After(mood.hang):
			return nil, io.EOF
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return out.Result(), nil
}

// names are the names in a part of a path.
func (s *wireStub) selected(part string, all []string) []string {
	if part == "" || part == "_all" {
		return all
	}
	return slices.DeleteFunc(strings.Split(part, ","), func(n string) bool { return !slices.Contains(all, n) })
}

func (s *wireStub) serve(out http.ResponseWriter, r *http.Request, body string) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	part := func(n int) string {
		if n < len(parts) {
			return parts[n]
		}
		return ""
	}
	indices, snapshots := slices.Sorted(maps.Keys(s.indices)), slices.Sorted(maps.Keys(s.snapshots))
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var asked struct {
		Indices           string
		RenamePattern     string `json:"rename_pattern"`
		RenameReplacement string `json:"rename_replacement"`
	}
	if strings.HasPrefix(body, "{") {
		_ = json.Unmarshal([]byte(body), &asked)
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	list := func(names []string, one func(name string) string) string {
		var all []string
		for _, n := range names {
			all = append(all, one(n))
		}
		return strings.Join(all, ",")
	}
	line := r.Method + " " + part(0) + "/" + part(1)
	switch {
	case line == "GET /":
		say(`{"cluster_name":"logs","cluster_uuid":"u","version":{"number":"6.7.0","build_flavor":"oss"},"tagline":"You Know, for Search"}`)
	case line == "GET _nodes/_master":
		say(`{"nodes":{"n":{"timestamp":%d}}}`, now.UnixMilli())
	case line == "GET _nodes/stats", line == "GET _nodes/_all":
		say(`{"nodes":{}}`)
	case line == "GET _cluster/state" && strings.HasPrefix(part(2), "metadata"):
		say(`{"cluster_uuid":"u","metadata":{"cluster_uuid":"u","indices":{%s}}}`, list(s.selected(part(3), indices), func(n string) string {
			return fmt.Sprintf(`%q:{"state":"open","settings":{"index.uuid":"u-%x","index.creation_date":"%d"}}`, n, n, created.UnixMilli())
		}))
	case line == "GET _cluster/state":
		state := `"cluster_uuid":"u","master_node":"n"`
		if s.customs != nil {
			state += s.customs()
		}
		for _, name := range slices.Sorted(maps.Keys(s.deleting)) {
			state += fmt.Sprintf(`,"snapshot_deletions":{"snapshot_deletions":[{"repository":"r","snapshot":%q,"start_time_millis":%d}]}`,
				name, now.UnixMilli())
		}
		say(`{%s}`, state)
	case line == "GET _cluster/health":
		say(`{"status":"green","indices":{%s}}`, list(indices, func(n string) string {
			return fmt.Sprintf(`%q:{"status":"green","number_of_shards":1,"active_primary_shards":1}`, n)
		}))
	case line == "GET _cluster/settings":
		say(`{"persistent":{},"transient":{},"defaults":{}}`)
	case line == "GET _recovery/":
		say(`{}`)
	case r.Method == "GET" && part(0) == "_cat":
		say(`[]`)
	case line == "GET _snapshot/r" && part(2) == "", line == "GET _snapshot/" && part(1) == "":
		say(`{"r":{"type":"fs","settings":{"location":"/b"}}}`)
	case line == "GET _snapshot/r" && part(3) == "_status":
		say(`{"snapshots":[{"state":"SUCCESS","indices":{%s}}]}`, list(s.snapshots[part(2)], func(n string) string {
			return fmt.Sprintf(`%q:{"stats":{"total":{"size_in_bytes":1}}}`, n)
		}))
	case line == "GET _snapshot/r":
		names := s.selected(part(2), snapshots)
		if len(names) == 0 && part(2) != "_all" && r.URL.Query().Get("ignore_unavailable") != "true" {
			http.Error(out, `{"error":{"type":"snapshot_missing_exception","reason":"missing"},"status":404}`, 404)
			return
		}
		say(`{"snapshots":[%s]}`, list(names, func(n string) string {
			held, _ := json.Marshal(s.snapshots[n])
			start := created.AddDate(0, 9, 0).UnixMilli()
			return fmt.Sprintf(`{"snapshot":%q,"uuid":"u-%x","version":"6.7.0","state":"SUCCESS","start_time_in_millis":%d,"end_time_in_millis":%d,`+
				`"shards":{"total":9,"failed":0,"successful":9},"failures":[],"indices":%s}`, n, n, start, start, held)
		}))
	case line == "POST _snapshot/r" && part(2) == "_verify":
		say(`{"nodes":{"n":{"name":"n"}}}`)
	case line == "PUT _snapshot/r":
		s.snapshots[part(2)] = strings.Split(asked.Indices, ",")
		say(`{"accepted":true}`)
	case line == "POST _snapshot/r" && part(3) == "_restore":
		for _, n := range strings.Split(asked.Indices, ",") {
			s.indices[n] = true
		}
		say(`{"accepted":true}`)
	case line == "DELETE _snapshot/r":
		if len(s.deleting) > 0 {
			busy := `{"error":{"type":"concurrent_snapshot_execution_exception","reason":"another is being deleted"},"status":503}`
			http.Error(out, busy, http.StatusServiceUnavailable)
			return
		}
		if s.snapshots[part(2)] == nil {
			http.Error(out, `{"error":{"type":"snapshot_missing_exception","reason":"missing"},"status":404}`, 404)
			return
		}
		s.deleting[part(2)] = time.Now().Add(90 * time.Second)
		say(`{"acknowledged":true}`)
	case r.Method == "DELETE" && part(1) == "":
		for _, n := range strings.Split(part(0), ",") {
			delete(s.indices, n)
		}
		say(`{"acknowledged":true}`)
	default:
		http.Error(out, `{"error":{"type":"illegal_argument_exception","reason":"the stub does not know `+line+`"},"status":400}`, 400)
	}
}

// clockOutside starts the clock of regular expressions, for longer than the tests take: one
// that is started in a bubble would not end with it.
var clockOutside = sync.OnceFunc(func() {
	re := regexp2.MustCompile("a", regexp2.None)
	re.MatchTimeout = time.Hour
	_, _ = re.MatchString("a")
})

// inBubble runs a test whose time passes only while everything waits.
func inBubble(t *testing.T, f func(t *testing.T)) {
	clockOutside()
	synctest.Test(t, f)
}

// of are the requests of a method.
func (s *wireStub) of(method string) (list []string) {
	for _, r := range s.requests {
		if strings.HasPrefix(r, method+" ") {
			list = append(list, strings.TrimSuffix(strings.Split(r, "?")[0], "?"))
		}
	}
	return list
}

// wired runs a command line over HTTP, in a bubble.
func wired(t *testing.T, s *wireStub, env map[string]string, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	set := map[string]string{"HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir(), "ESNAP_LOG_LEVEL": "error", "ESNAP_URL": "http://es:9200"}
	maps.Copy(set, env)
	var stdout, stderr bytes.Buffer
	app := &App{
		In: strings.NewReader(stdin), Out: &stdout, Err: &stderr, Now: func() time.Time { return now },
		Env: func(n string) (string, bool) { v, ok := set[n]; return v, ok },
		Connect: func(o es.Options) (cluster.Cluster, error) {
			o.Transport = s
			return es.New(o)
		},
	}
	code = Main(t.Context(), app, args)
	return code, stdout.String(), stderr.String()
}

func wireFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "action.yml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// The stub drops the connection after a second, goes on deleting for 90 seconds, and would
// answer a second request with 503, and later with 404. esnap looks at the listing, counts
// the snapshot as deleted and goes on; 0, and one DELETE for each name.
func TestFeature04(t *testing.T) {
	file := wireFile(t, "actions: {1: {action: delete_snapshots, options: {repository: r}, "+
		"filters: [{filtertype: pattern, kind: prefix, value: s-}]}}")
	inBubble(t, func(t *testing.T) {
		s := newWireStub()
		for _, name := range []string{"s-2026.09.01", "s-2026.09.02", "s-2026.09.03", "t-2026.09.04"} {
			s.snapshots[name] = []string{"logs"}
		}
		s.before = func(r *http.Request) *wireMood {
			if r.Method == http.MethodDelete {
				return &wireMood{lost: true, hang: time.Second}
			}
			return nil
		}
		start := time.Now()
		code, out, errs := wired(t, s, nil, "", "run", "--guards", "off", "-o", "json", file)
		require.Equal(t, 0, code, out+errs)
		require.Equal(t, []string{
			"DELETE /_snapshot/r/s-2026.09.01", "DELETE /_snapshot/r/s-2026.09.02", "DELETE /_snapshot/r/s-2026.09.03",
		}, s.of("DELETE"))
		require.Equal(t, []string{"t-2026.09.04"}, slices.Sorted(maps.Keys(s.snapshots)))
		require.GreaterOrEqual(t, time.Since(start), 3*90*time.Second)
		for _, o := range decodeReport(t, out).Actions[0].Outcomes {
			require.Equal(t, "done", o.Result)
		}
	})
}

// Somebody lists snapshots, which is a task snapshot/get: nothing waits for it.
func TestFeature09Tasks(t *testing.T) {
	file := wireFile(t, `
actions:
  1: {action: snapshot, options: {repository: r, name: new}, filters: [{filtertype: none}]}
  2: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}
`)
	inBubble(t, func(t *testing.T) {
		s := newWireStub()
		s.indices["logs-2026.11.01"] = true
		s.before = func(r *http.Request) *wireMood {
			if strings.HasPrefix(r.URL.Path, "/_tasks") {
				return &wireMood{status: 200, body: `{"nodes":{"n":{"tasks":{"n:1":{"action":"cluster:admin/snapshot/get"}}}}}`}
			}
			return nil
		}
		start := time.Now()
		code, out, errs := wired(t, s, nil, "", "run", file)
		require.Equal(t, 0, code, out+errs)
		require.Less(t, time.Since(start), time.Minute)
		require.Empty(t, s.indices)
	})
}

// 2,000 indices with names of 80 characters are in a snapshot, deleted and restored with
// waiting; the stub refuses request lines over 4096 bytes, and sees none.
func TestFeature13(t *testing.T) {
	file := wireFile(t, `
actions:
  1: {action: snapshot, options: {repository: r, name: all}, filters: [{filtertype: none}]}
  2: {action: delete_indices, filters: [{filtertype: pattern, kind: prefix, value: g}]}
  3: {action: restore, options: {repository: r, name: all, indices: ['g*'], wait_for_completion: true}, filters: [{filtertype: none}]}
`)
	inBubble(t, func(t *testing.T) {
		s := newWireStub()
		for n := range 2000 {
			name := "grüße-日本語-" + strings.Repeat("é", 63) + fmt.Sprintf("-%06d", n)
			require.Len(t, []rune(name), 80)
			s.indices[name] = true
		}
		all := slices.Sorted(maps.Keys(s.indices))
		code, out, errs := wired(t, s, nil, "", "run", file)
		require.Equal(t, 0, code, out+errs)
		require.Len(t, s.snapshots["all"], 2000)
		require.NotEmpty(t, s.of("DELETE"))
		require.Equal(t, all, slices.Sorted(maps.Keys(s.indices)), "restored")
		require.LessOrEqual(t, s.longest, 4096)
		require.Greater(t, s.longest, 3000, "the lines are not needlessly short")
	})
}

// A password is written nowhere: through commands, levels, formats and errors, also if a
// proxy repeats the request in its page.
func TestFeature15(t *testing.T) {
	const canary = "s3cr3t-canary"
	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte(canary+"\n"), 0o600))
	commands := [][]string{
		{"config", "show"}, {"config", "show", "-o", "json"}, {"status"}, {"run", "-"},
		{"run", "-n", "-o", "json", "-"}, {"run", "-o", "yaml", "-"},
		{"validate", "-"}, {"index", "list"}, {"index", "delete", "logs-*", "--yes"}, {"snapshot", "list"}, {"snapshot", "show", "r", "s"},
		{"restore", "logs-1", "-n"}, {"check"}, {"drill", "-n"}, {"lock", "list"}, {"history"}, {"repository", "list"},
		{"repository", "verify", "r"}, {"curator", "-"}, {"version"},
	}
	for how, env := range map[string]map[string]string{
		"password": {"ESNAP_USERNAME": "u", "ESNAP_PASSWORD": canary}, "file": {"ESNAP_USERNAME": "u", "ESNAP_PASSWORD_FILE": secret},
		"API key": {"ESNAP_API_KEY": canary}, "bearer": {"ESNAP_BEARER_TOKEN": canary}, "URL": {"ESNAP_URL": "http://u:" + canary + "@es:9200"},
	} {
		for _, status := range []int{0, 200, 401, 500, 502} {
			inBubble(t, func(t *testing.T) {
				for format, level := range map[string]string{"text": "debug", "json": "info"} {
					for _, args := range commands {
						s := newWireStub()
						s.indices["logs-2026.11.01"], s.indices["logs-1"], s.snapshots["s"] = true, true, []string{"logs-1"}
						sent := ""
						s.before = func(r *http.Request) *wireMood {
							sent = cmp.Or(r.Header.Get("Authorization"), sent)
							page := fmt.Sprintf(`{"error":{"type":"x","reason":"refused: %s %s"}}`, sent, canary)
							if status > 500 {
								page = "<html>" + sent + " " + canary + "</html>"
							}
							return map[bool]*wireMood{true: {status: status, body: page}}[status != 0]
						}
						set := maps.Clone(env)
						set["ESNAP_LOG_LEVEL"], set["ESNAP_LOG_FORMAT"] = level, format
						_, out, errs := wired(t, s, set, deleteLogs, args...)
						_, encoded, _ := strings.Cut(sent, " ")
						for _, form := range []string{canary, cmp.Or(encoded, canary)} {
							require.NotContains(t, out+errs, form, "%s %v %d %s %s", how, args, status, level, format)
						}
					}
				}
			})
		}
	}
}

// The stub fails on everything but GET and HEAD. What a dry run selects is what the run
// then deletes, and both have the same exit code.
func TestFeature16(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		mood *wireMood
		code int
	}{
		"done":      {strings.ReplaceAll(deleteLogs, "    filters:", "    options: {}\n    filters:"), nil, 0},
		"wrong":     {strings.ReplaceAll(deleteLogs, "prefix", "prefx"), nil, 2},
		"forbidden": {deleteLogs, &wireMood{status: 401, body: "Unauthorized"}, 3},
		"refused":   {strings.ReplaceAll(deleteLogs, "    filters:", "    options: {max_items: 2}\n    filters:"), nil, 4},
	} {
		file := wireFile(t, c.file)
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newWireStub()
				for d := range 10 {
					s.indices[fmt.Sprintf("logs-2026.11.%02d", d+8)] = true
				}
				writes := 0
				dry := true
				s.before = func(r *http.Request) *wireMood {
					if dry && r.Method != http.MethodGet && r.Method != http.MethodHead {
						writes++
						return &wireMood{status: 500, body: "a dry run wrote"}
					}
					return c.mood
				}
				code, out, errs := wired(t, s, nil, "", "run", "--dry-run", "--output", "json", file)
				require.Equal(t, c.code, code, out+errs)
				require.Zero(t, writes)
				dry = false
				again, done, errs := wired(t, s, nil, "", "run", "--output", "json", file)
				require.Equal(t, c.code, again, done+errs)
				if c.code == 0 {
					var planned, deleted []string
					for _, o := range decodeReport(t, out).Actions[0].Outcomes {
						planned = append(planned, o.Name)
					}
					for _, o := range decodeReport(t, done).Actions[0].Outcomes {
						deleted = append(deleted, o.Name)
						require.False(t, s.indices[o.Name])
					}
					require.Len(t, planned, 7)
					require.Equal(t, planned, deleted)
				}
			})
		})
	}
}

// A run with time-outs and pages of a proxy: each line of the log is one JSON object, and
// each spared item has its reason.
func TestFeature22(t *testing.T) {
	file := wireFile(t, deleteLogs)
	for name, mood := range map[string]*wireMood{
		"page": {status: 502, body: "<html>\n<h1>Bad\nGateway</h1>\n</html>"}, "page with 200": {status: 200, body: "<html>\nWelcome\n</html>"},
		"time-out": {hang: time.Hour}, "": nil,
	} {
		for _, to := range []string{"", "-"} {
			t.Run(name+to, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newWireStub()
					s.indices["logs-2026.11.01"], s.indices["logs-2026.11.20"], s.indices["other"] = true, true, true
					s.before = func(r *http.Request) *wireMood {
						if r.URL.Path != "/" && len(s.requests)%2 == 0 {
							return mood
						}
						return nil
					}
					env := map[string]string{"ESNAP_LOG_LEVEL": "debug", "ESNAP_LOG_FORMAT": "json", "ESNAP_LOG_FILE": to}
					_, out, errs := wired(t, s, env, "", "run", "--quiet=false", "-o", "name", file)
					log := errs
					if to == "-" {
						log = out
					}
					lines := 0
					for line := range strings.SplitSeq(strings.TrimSpace(log), "\n") {
						if strings.HasPrefix(line, "esnap: ") || strings.HasPrefix(line, "hint: ") || strings.HasPrefix(line, "delete_indices/") {
							continue // the last words, and the result
						}
						require.True(t, json.Valid([]byte(line)), line)
						lines++
					}
					require.Greater(t, lines, 3)
					if mood == nil {
						_, out, _ := wired(t, s, nil, "", "run", "-n", "-o", "json", "--only", "1", file)
						for _, spared := range decodeReport(t, out).Actions[0].Spared {
							require.NotEmpty(t, spared.Why, "%+v", spared)
						}
					}
				})
			})
		}
	}
}

// "Security not initialized" for a minute: the run waits, and succeeds.
func TestFeature23Starting(t *testing.T) {
	file := wireFile(t, deleteLogs)
	inBubble(t, func(t *testing.T) {
		s := newWireStub()
		s.indices["logs-2026.11.01"] = true
		start := time.Now()
		s.before = func(*http.Request) *wireMood {
			if time.Since(start) < time.Minute {
				return &wireMood{status: 503, body: "OpenSearch Security not initialized."}
			}
			return nil
		}
		code, out, errs := wired(t, s, nil, "", "run", file)
		require.Equal(t, 0, code, out+errs)
		require.GreaterOrEqual(t, time.Since(start), time.Minute)
		require.Less(t, time.Since(start), 2*time.Minute)
		require.Empty(t, s.indices)
	})
}

// A server that refuses a repository: the folder is not in path.repo, or a plugin is missing.
// Replies of real servers.
func TestFeature19Refused(t *testing.T) {
	for reply, want := range map[string]string{
		"path-repo-empty.es670":   "path.repo is not set: add the folder to path.repo in the configuration of every node, and restart the nodes",
		"path-repo-empty.os2110":  "path.repo is not set: add the folder to path.repo in the configuration of every node, and restart the nodes",
		"path-repo-outside.es670": "is not below an entry of path.repo: add it to path.repo on every node and restart the nodes",
		"no-plugin.es670":         "the plugin repository-s3 is not installed: install it on every node and restart the nodes",
		"no-plugin.es920":         "the plugin repository-s3 is not installed: install it on every node and restart the nodes",
	} {
		body, err := os.ReadFile("../internal/es/testdata/errors/" + reply + ".json")
		require.NoError(t, err)
		inBubble(t, func(t *testing.T) {
			s := newWireStub()
			s.before = func(r *http.Request) *wireMood {
				switch {
				case r.Method == http.MethodGet && r.URL.Path == "/_snapshot/new":
					return &wireMood{status: 404, body: `{"error":{"type":"repository_missing_exception","reason":"[new] missing"},"status":404}`}
				case r.Method == http.MethodPut && r.URL.Path == "/_snapshot/new":
					return &wireMood{status: 500, body: string(body)}
				}
				return nil
			}
			code, out, errs := wired(t, s, nil, "repositories: {new: {type: s3, settings: {bucket: b}}}\n"+deleteLogs, "run", "-")
			require.Equal(t, 1, code, out+errs)
			require.Contains(t, out+errs, want, reply)
			require.Equal(t, []string{"PUT /_snapshot/new"}, append(s.of("PUT"), s.of("DELETE")...), "nothing else is changed")
		})
	}
}
