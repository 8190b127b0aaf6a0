package tell

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
)

// geheim is the canary: it must be nowhere but where it is sent to.
const geheim = "geheim-canary-7f3a"

var began = time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC)

func same(text string) string { return text }

// hidden redacts a secret of the connection.
func hidden(text string) string { return strings.ReplaceAll(text, "connection-secret", "***") }

// night is a run of a snapshot and a deletion of snapshots.
func night(code int, failed error) *Summary {
	c, seen := report.NewCollector(), NewSeen()
	both := run.Observers{c, seen}
	take := plan.Step{ID: "1", Kind: "snapshot", Action: &actions.Snapshot{Repository: "nightly"}}
	expire := plan.Step{ID: "2", Kind: "delete_snapshots", Action: &actions.DeleteSnapshots{Repository: "nightly"}}
	snapshot := func(name string, day int, state cluster.State) *cluster.Snapshot {
		return &cluster.Snapshot{Name: name, Repository: "nightly", State: state, Start: began.AddDate(0, 0, -day),
			Shards: cluster.ShardCount{Total: 1, Successful: 1}}
	}
	both.Observe(run.Started{File: "/etc/esnap/night.yml", Now: began})
	both.Observe(run.Connected{Server: cluster.Server{Text: "6.7.0", Name: "prod-logs"}})
	both.Observe(run.ActionStarting{Step: take})
	both.Observe(run.Outcome{Step: take, Outcome: cluster.Outcome{Verb: cluster.VerbCreate, What: "snapshot",
		Name: "s-0", Repository: "nightly", Result: cluster.Done}})
	both.Observe(run.ActionDone{Step: take, Result: run.ActionResult{Duration: 90 * time.Second}})
	both.Observe(run.ActionStarting{Step: expire})
	both.Observe(run.Selected{Step: expire, Listed: 4, Selection: cluster.Selection{
		Selected: []cluster.Item{snapshot("s-9", 9, cluster.Success)},
		Spared: []cluster.Spared{
			{Item: snapshot("s-1", 1, cluster.Success), By: "age"}, {Item: snapshot("s-2", 2, cluster.Success), By: "keep_newest_good", Guard: true},
			{Item: snapshot("s-3", 3, cluster.Partial), By: "age"},
		},
	}})
	outcome := cluster.Outcome{Verb: cluster.VerbDelete, What: "snapshot", Name: "s-9", Repository: "nightly", Result: cluster.Done}
	result := run.ActionResult{Duration: 30 * time.Second, Err: failed}
	if failed != nil {
		outcome.Result, outcome.Err = cluster.Failure, failed
	}
	both.Observe(run.Outcome{Step: expire, Outcome: outcome})
	both.Observe(run.ActionDone{Step: expire, Result: result})
	both.Observe(run.Finished{Result: run.Result{Duration: 2 * time.Minute, Actions: []run.ActionResult{{}, result}}})
	return Summarize(c.Report(code), About{
		Policy: "night", Name: "host-1", RunID: strings.Repeat("0a", 16), Version: "1.2.3", Meaning: map[int]string{1: "an action failed"}[code],
		Began: began, Every: 24 * time.Hour, Seen: seen, Redact: hidden,
	})
}

func broken() *Summary {
	return night(1, cluster.WithHint(fmt.Errorf("<at user_id=\"all\"> & \"disk\" is full: connection-secret"), "free some <b>space</b>"))
}

func put(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func teller(c notice.Config) *Teller {
	return New(c, Options{RunID: strings.Repeat("0a", 16), Version: "1.2.3", Redact: hidden,
		Attempt: 300 * time.Millisecond, Pause: time.Millisecond, Grace: 300 * time.Millisecond})
}

// sent keeps the requests that a server got, and answers 200.
type sent struct {
	sync.Mutex
	url    string
	list   []*http.Request
	bodies []string
	answer func(w http.ResponseWriter, r *http.Request)
}

func server(t *testing.T) *sent {
	s := &sent{}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		s.Lock()
		s.list, s.bodies = append(s.list, r), append(s.bodies, string(data))
		s.Unlock()
		if s.answer != nil {
			s.answer(w, r)
		}
	}))
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

func TestSummary(t *testing.T) {
	s := night(0, nil)
	require.Equal(t, OK, s.State)
	require.Equal(t, "esnap: night succeeded on host-1", s.Title(None))
	require.Equal(t, "esnap: night recovered on host-1", s.Title(Recovered))
	require.Equal(t, []Repository{{
		Name: "nightly", States: map[string]int{"SUCCESS": 2, "PARTIAL": 1, "FAILED": 0, "IN_PROGRESS": 0},
		NewestGood: began, OldestGood: began.AddDate(0, 0, -2),
	}}, s.Repositories)
	require.Equal(t, map[string]int{"ok": 1, "skipped": 1}, s.Actions[1].Items)

	b := broken()
	require.Equal(t, Error, b.State)
	require.Equal(t, "esnap: night still fails on host-1 (exit code 1)", b.Title(Reminder))
	require.Contains(t, b.Text(None), "prod-logs Elasticsearch 6.7.0\nan action failed\n")
	require.Contains(t, b.Text(None), "is full: ***")
	require.NotContains(t, b.Text(None)+b.Report+b.Error, "connection-secret")
	require.Equal(t, `free some <b>space</b>`, b.Hint)

	require.Equal(t, Warning, night(5, nil).State)
	allowed := night(0, fmt.Errorf("x")) // on Curator's command line
	require.Equal(t, Error, allowed.State)
	require.Equal(t, 1, allowed.ExitStatus())
	for _, f := range notice.Fields {
		if f.Name != "change" {
			require.NotEmpty(t, b.Field(f.Name, None), f.Name)
		}
	}
	for i := range 12 {
		require.LessOrEqual(t, len(cut("aöö…x€uro", i+3)), i+3)
		require.True(t, utf8.ValidString(cut("aöö…x€uro", i+3)))
	}
}

func TestSeenCountsWhatLacksACopy(t *testing.T) {
	s := NewSeen()
	require.Nil(t, s.uncovered())
	deletes := plan.Step{ID: "1", Kind: "delete_indices", Action: &actions.DeleteIndices{}}
	s.Observe(run.Selected{Step: deletes})
	require.Equal(t, 0, *s.uncovered())
	index := func(name string) cluster.Item { return &cluster.Index{Name: name} }
	s.Observe(run.Selected{Step: deletes, Selection: cluster.Selection{
		Selected: []cluster.Item{index("a")},
		Spared: []cluster.Spared{
			{Item: index("b"), Kept: cluster.KeptUnproven, Guard: true}, {Item: index("c"), Kept: cluster.KeptUnproven, Guard: true},
			{Item: index("d"), By: "age"},
		},
	}})
	s.Observe(run.Selected{
		Step:      deletes,
		Selection: cluster.Selection{Spared: []cluster.Spared{{Item: index("b"), Kept: cluster.KeptUnproven, Guard: true}}},
	})
	require.Equal(t, 2, *s.uncovered(), "each once")
}

// TestSeenCountsFailedShards: of the newest snapshot that has ended.
func TestSeenCountsFailedShards(t *testing.T) {
	s := NewSeen()
	snapshot := func(name string, day, failed int, state cluster.State) cluster.Item {
		return &cluster.Snapshot{Name: name, State: state, Start: began.AddDate(0, 0, -day), Shards: cluster.ShardCount{Total: 9, Failed: failed}}
	}
	s.Observe(run.Selected{
		Step: plan.Step{ID: "1", Kind: "delete_snapshots", Action: &actions.DeleteSnapshots{Repository: "r"}},
		Selection: cluster.Selection{Selected: []cluster.Item{
			snapshot("s-3", 3, 7, cluster.Partial), snapshot("s-1", 1, 2, cluster.Partial), snapshot("s-0", 0, 0, cluster.InProgress),
		}},
	})
	require.Equal(t, 2, s.repositories()[0].ShardsFailed)
}

func TestMetrics(t *testing.T) {
	var b bytes.Buffer
	s := night(0, nil)
	s.Uncovered = new(2)
	require.NoError(t, WriteMetrics(&b, s.Samples()))
	text := b.String()
	for _, line := range []string{
		`esnap_build_info{policy="night",version="1.2.3"} 1`,
		`esnap_last_run_timestamp_seconds{policy="night"} 1795222808`,
		`esnap_last_success_timestamp_seconds{policy="night"} 1795222808`,
		`esnap_last_run_status{policy="night"} 0`,
		`esnap_run_duration_seconds{policy="night"} 120`,
		`esnap_expected_interval_seconds{policy="night"} 86400`,
		`esnap_action_duration_seconds{policy="night",action="snapshot",repository="nightly"} 90`,
		`esnap_action_items{policy="night",action="delete_snapshots",repository="nightly",result="skipped"} 1`,
		`esnap_snapshots{policy="night",repository="nightly",state="SUCCESS"} 2`,
		`esnap_snapshot_newest_good_timestamp_seconds{policy="night",repository="nightly"} 1795222808`,
		`esnap_snapshot_oldest_good_timestamp_seconds{policy="night",repository="nightly"} 1795050008`,
		`esnap_snapshot_shards_failed{policy="night",repository="nightly"} 0`,
		`esnap_indices_uncovered{policy="night"} 2`,
	} {
		require.Contains(t, text, line+"\n")
	}
	for _, m := range Metrics[:len(Metrics)-len(Served)] { // all are there, once, and their samples stand together
		require.Equal(t, 1, strings.Count(text, "# TYPE "+m.Name+" gauge\n"), m.Name)
	}
	require.NotContains(t, text, "s-9", "no names of snapshots")
	require.NotContains(t, func() string {
		var b bytes.Buffer
		_ = WriteMetrics(&b, broken().Samples())
		return b.String()
	}(), success.Name)

	b.Reset()
	require.NoError(t, WriteMetrics(&b, []Sample{{Metric{"m", "h"}, [][2]string{{"l", "a\"\\\n\xff"}}, 0.5}}))
	require.Equal(t, "# HELP m h\n# TYPE m gauge\nm{l=\"a\\\"\\\\\\n�\"} 0.5\n", b.String())
}

func TestTextfile(t *testing.T) {
	folder := t.TempDir()
	to := teller(notice.Config{Metrics: notice.Metrics{Textfile: folder}})
	require.Empty(t, to.End(t.Context(), night(0, nil)))
	file := filepath.Join(folder, "esnap_night.prom")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "esnap_last_run_status{policy=\"night\"} 0\n")
	st, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), st.Mode().Perm())

	for range 2 { // failures keep the last success
		require.Empty(t, to.End(t.Context(), broken()))
		text, err = os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "esnap_last_run_status{policy=\"night\"} 2\n")
		require.Contains(t, string(text), success.Name+"{policy=\"night\"} 1795222808\n")
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1)

	// One file for several policies, as a client file may name it.
	one := filepath.Join(folder, "all.prom")
	for _, s := range []*Summary{broken(), night(0, nil), broken()} {
		s.Policy = map[State]string{OK: `a "b"\c`, Error: "bad"}[s.State]
		require.Empty(t, teller(notice.Config{Metrics: notice.Metrics{Textfile: one}}).End(t.Context(), s))
	}
	text, err = os.ReadFile(one)
	require.NoError(t, err)
	require.Contains(t, string(text), "esnap_last_run_status{policy=\"bad\"} 2\n")
	require.Contains(t, string(text), `esnap_last_run_status{policy="a \"b\"\\c"} 0`+"\n")
	require.Equal(t, 1, strings.Count(string(text), "# HELP esnap_last_run_status "))

	require.NoError(t, os.WriteFile(filepath.Join(folder, "other.prom"), []byte("x 1\n"), 0o600))
	for name, want := range map[string]string{
		"x.txt": "must end in .prom", "no/x.prom": "no such file", "other.prom": "was not written by esnap",
	} {
		failed := teller(notice.Config{Metrics: notice.Metrics{Textfile: filepath.Join(folder, name)}}).End(t.Context(), night(0, nil))
		require.Len(t, failed, 1)
		require.Contains(t, failed[0], "metrics: textfile: ")
		require.Contains(t, failed[0], want)
	}
}

func TestPushgateway(t *testing.T) {
	s := server(t)
	c := notice.Config{Metrics: notice.Metrics{Pushgateway: &notice.Pushgateway{
		Endpoint: notice.Endpoint{URL: s.url + "/prefix/"}, Username: "u", PasswordFile: put(t, geheim+"\n"),
	}}}
	require.Empty(t, teller(c).End(t.Context(), broken()))
	other := broken()
	other.Policy = "a/b ü"
	require.Empty(t, teller(c).End(t.Context(), other))
	require.Equal(t, "POST", s.list[0].Method, "PUT would take away the last success")
	require.Equal(t, "/prefix/metrics/job/esnap/policy/night", s.list[0].URL.Path)
	require.Equal(t, "/prefix/metrics/job/esnap/policy@base64/YS9iIMO8", s.list[1].URL.Path)
	require.NotContains(t, s.bodies[0], success.Name)
	require.Contains(t, s.bodies[0], "esnap_last_run_status{policy=\"night\"} 2\n")
	user, password, _ := s.list[0].BasicAuth()
	require.Equal(t, "u"+geheim, user+password)
}

func TestStatsd(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	read := func(tags bool) string {
		c := notice.Config{Metrics: notice.Metrics{Statsd: &notice.Statsd{Address: conn.LocalAddr().String(), Prefix: "esnap", Tags: tags}}}
		require.Empty(t, teller(c).End(t.Context(), night(0, nil)))
		var all strings.Builder
		buffer := make([]byte, 9000)
		for !strings.Contains(all.String(), "oldest_good") {
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
			n, _, err := conn.ReadFrom(buffer)
			require.NoError(t, err)
			require.LessOrEqual(t, n, maxDatagram)
			all.Write(append(buffer[:n], '\n'))
		}
		return all.String()
	}
	require.Contains(t, read(false), "esnap.action_items.night.snapshot.nightly.ok:1|g\n")
	require.Contains(t, read(true), "esnap.action_items:1|g|#policy:night,action:snapshot,repository:nightly,result:ok\n")
	require.Equal(t, []string{"p.x.a_b_c.1_2:1|g"},
		statsd{notice.Statsd{Prefix: "p"}}.lines([]Sample{{Metric{Name: "esnap_x"}, [][2]string{{"a", "a|b:c"}, {"v", "1.2"}}, 1}}))
}

func TestPing(t *testing.T) {
	s := server(t)
	to := teller(notice.Config{Notify: notice.Notify{Ping: &notice.Ping{Endpoint: notice.Endpoint{URLFile: put(t, s.url+"/"+geheim+"\n")}}}})
	to.Start(t.Context())
	require.Eventually(t, func() bool { s.Lock(); defer s.Unlock(); return len(s.list) == 1 }, 5*time.Second, time.Millisecond)
	b := broken()
	b.Report += strings.Repeat("ö", maxReport)
	require.Empty(t, to.End(t.Context(), b))
	require.Len(t, s.list, 2)
	const rid = "?rid=0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
	require.Equal(t, "/"+geheim+"/start"+rid, s.list[0].URL.String())
	require.Equal(t, "/"+geheim+"/1"+rid, s.list[1].URL.String())
	require.Empty(t, s.bodies[0])
	require.Contains(t, s.bodies[1], "delete_snapshots")
	require.LessOrEqual(t, len(s.bodies[1]), 100_000)
}

// TestPingHangs: neither the start nor the end of a run waits for a start that hangs.
func TestPingHangs(t *testing.T) {
	s := server(t)
	release := make(chan bool)
	defer close(release)
	s.answer = func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/start") {
			<-release
		}
	}
	to := New(notice.Config{Notify: notice.Notify{Ping: &notice.Ping{Endpoint: notice.Endpoint{URL: s.url}}}}, Options{Redact: same})
	begin := time.Now()
	to.Start(t.Context())
	require.Empty(t, to.End(t.Context(), night(0, nil)))
	require.Less(t, time.Since(begin), 3*time.Second)
}

func hook(w notice.Webhook) notice.Config {
	return notice.Config{Notify: notice.Notify{Webhooks: notice.Webhooks{w}}}
}

func TestWebhook(t *testing.T) {
	s := server(t)
	w := *notice.NewWebhook()
	w.URL, w.Headers = s.url+"/x?key="+geheim, map[string]any{"X-Team": "a"}
	w.HeaderFiles = map[string]any{"Authorization": put(t, "Bearer "+geheim+"\n")}
	w.Body = `{"t": "${title}", "e": "${error}", "c": ${exit_code}}`
	require.Empty(t, teller(hook(w)).End(t.Context(), night(0, nil)))
	require.Empty(t, s.list, "the level is error")
	require.Empty(t, teller(hook(w)).End(t.Context(), broken()))
	require.Equal(t, "/x?key="+geheim, s.list[0].URL.String())
	require.Equal(t, "a", s.list[0].Header.Get("X-Team"))
	require.Equal(t, "Bearer "+geheim, s.list[0].Header.Get("Authorization"))
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.bodies[0]), &body))
	require.Equal(t, "esnap: night failed on host-1 (exit code 1)", body["t"])
	require.Contains(t, body["e"], `<at user_id="all"> & "disk" is full`)
	require.EqualValues(t, 1, body["c"])

	w.Body, w.Level = "", notice.LevelAlways
	require.Empty(t, teller(hook(w)).End(t.Context(), night(0, nil)))
	require.NoError(t, json.Unmarshal([]byte(s.bodies[1]), &body))
	for _, f := range notice.Fields {
		require.Contains(t, body, f.Name)
	}
}

func TestPresets(t *testing.T) {
	for name, c := range map[string]struct {
		reply string
		want  []string
		not   []string
	}{
		"slack":    {"ok", []string{`{"text":"esnap: night failed on host-1 (exit code 1)\n`, `\u0026lt;at user_id`}, []string{`\u003cat`}},
		"teams":    {"", []string{`"AdaptiveCard"`, `"RichTextBlock"`, `"weight":"Bolder"`}, []string{`"TextBlock"`}},
		"ntfy":     {"{}", []string{"error: action 2"}, []string{"{"}},
		"dingtalk": {`{"errcode":0}`, []string{`"msgtype":"text"`, `{"content":"esnap: night failed`}, nil},
		"wecom":    {`{"errcode":0}`, []string{`"msgtype":"text"`, `‹at user_id`}, []string{`\u003c`}},
		"feishu":   {`{"code":0}`, []string{`"msg_type":"text"`, `{"text":"esnap: night failed`, `‹at user_id`, `"sign":"`}, []string{`\u003c`}},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			s.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.reply) }
			w := *notice.NewWebhook()
			w.URL, w.Preset = s.url+"/"+geheim+"?access_token=t", name
			if name == "dingtalk" || name == "feishu" {
				w.SecretFile = put(t, geheim)
			}
			require.Empty(t, teller(hook(w)).End(t.Context(), broken()))
			require.Len(t, s.list, 1)
			for _, want := range c.want {
				require.Contains(t, s.bodies[0], want)
			}
			for _, not := range c.not {
				require.NotContains(t, s.bodies[0], not)
			}
			require.NotContains(t, s.bodies[0], geheim)
			require.Less(t, len(s.bodies[0]), 2048+400)
			q := s.list[0].URL.Query()
			require.Equal(t, "t", q.Get("access_token"))
			require.Equal(t, name == "dingtalk", q.Get("sign") != "" && q.Get("timestamp") != "")
			if name == "ntfy" {
				require.Equal(t, "urgent", s.list[0].Header.Get("Priority"))
				require.Equal(t, "esnap: night failed on host-1 (exit code 1)", s.list[0].Header.Get("Title"))
			}
			if presets[name].code != nil { // 200 does not mean that the message was accepted
				for _, reply := range []string{`{"errcode":310000,"code":19021,"errmsg":"` + geheim + `"}`, "<html>" + geheim} {
					s.answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) }
					failed := teller(hook(w)).End(t.Context(), broken())
					require.Len(t, failed, 1)
					require.Contains(t, failed[0], "did not accept the message")
					require.NotContains(t, failed[0], geheim)
				}
			}
		})
	}
}

// TestSign compares with values that were computed by openssl.
func TestSign(t *testing.T) {
	r := &request{query: map[string][]string{}}
	presets["dingtalk"].fill(r, night(0, nil), None, "SECabc", time.UnixMilli(1_700_000_000_000))
	require.Equal(t, "1700000000000", r.query.Get("timestamp"))
	require.Equal(t, "jcUpW0QmtKduN03n4JqQ0PBosVjqnM8gU7fIIvsDmCM=", r.query.Get("sign"))
	presets["feishu"].fill(r, night(0, nil), None, "abc", time.Unix(1_700_000_000, 0))
	require.Contains(t, string(r.body), `"sign":"VIS10b0EBvzzSdFnuk4tznEmK5wHaruvf/WnViv2yR4=","timestamp":"1700000000"`)
}

// TestHostile: whatever a server does, it costs little time and memory, and no secret is
// shown.
func TestHostile(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	plain := httptest.NewServer(nil)
	defer plain.Close()
	raw := func(talk func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { talk(c); _ = c.Close() }()
			}
		}()
		return "http://" + l.Addr().String()
	}
	handled := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	secure.Config.ErrorLog = nil
	closed := raw(func(c net.Conn) { _, _ = c.Read(make([]byte, 9999)) })
	var refused atomic.Int32 // the outputs ask at the same time
	for name, c := range map[string]struct{ url, want string }{
		"hangs":       {handled(func(http.ResponseWriter, *http.Request) { <-release }), "no answer in time"},
		"hangs early": {raw(func(net.Conn) { <-release }), "no answer in time"},
		"fails": {handled(func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.String(), 500) }),
			"answered 500 Internal Server Error"},
		"refuses": {handled(func(w http.ResponseWriter, r *http.Request) {
			refused.Add(1)
			http.Error(w, r.URL.String(), http.StatusForbidden)
		}), "answered 403 Forbidden"},
		"redirects": {handled(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, plain.URL+"/"+geheim, http.StatusTemporaryRedirect)
		}), "redirects are not followed"},
		"closes": {closed, "the server closed the connection"},
		"no HTTP": {raw(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 "+geheim+" "+geheim+"\r\n\r\n")
			<-release
		}), "the reply cannot be read"},
		"strange status": {raw(func(c net.Conn) {
			_, _ = c.Read(make([]byte, 9999))
			_, _ = io.WriteString(c, "HTTP/1.1 599 "+geheim+"\r\n\r\n")
		}), "answered 599"},
		"huge header": {raw(func(c net.Conn) {
			_, _ = c.Read(make([]byte, 9999))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			endless(c, "X-A: "+geheim+"\r\n")
		}), "the reply cannot be read"},
		"broken TLS":   {strings.Replace(plain.URL, "http:", "https:", 1), "does not speak TLS"},
		"unknown TLS":  {secure.URL, "signed by an unknown authority"},
		"nobody":       {"http://127.0.0.1:1", "connection refused"},
		"unknown host": {"http://" + geheim + ".invalid", ""},
	} {
		t.Run(name, func(t *testing.T) {
			shown := notice.Place(c.url)
			url := c.url + "/services/" + geheim + "/" + geheim + "?token=" + geheim
			w := *notice.NewWebhook()
			w.URL, w.HeaderFiles = url, map[string]any{"X-Key": put(t, geheim)}
			of := hook(w)
			of.Notify.Ping = &notice.Ping{Endpoint: notice.Endpoint{URLFile: put(t, url)}}
			of.Metrics.Pushgateway = &notice.Pushgateway{Endpoint: notice.Endpoint{URL: url}, Username: "u", PasswordFile: put(t, geheim)}
			for _, preset := range readReplies {
				of.Notify.Webhooks = append(of.Notify.Webhooks, chat(t, preset, url))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begin := time.Now()
			failed := teller(of).End(ctx, broken())
			require.Less(t, time.Since(begin), 4*time.Second)
			require.Len(t, failed, 3+len(readReplies))
			for _, f := range failed {
				require.Contains(t, f, shown)
				require.Contains(t, f, c.want)
				require.NotContains(t, strings.ReplaceAll(f, shown, ""), geheim)
			}
		})
	}
	require.EqualValues(t, 3+len(readReplies), refused.Load(), "what is refused is not sent again")
	big := handled(func(w http.ResponseWriter, _ *http.Request) { endless(w, strings.Repeat("x", 1<<16)) })
	w := *notice.NewWebhook()
	w.URL = big
	require.Empty(t, teller(hook(w)).End(t.Context(), broken()), "a reply without an end is an answer")

	// The reply of some chats is read: 200 does not mean that the message was accepted.
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"no end": {func(w http.ResponseWriter, _ *http.Request) { endless(w, strings.Repeat("x", 1<<16)) }, "did not accept the message"},
		"an endless 0": {func(w http.ResponseWriter, _ *http.Request) {
			endless(w, `{"errcode":0,"code":0,"x":"`+strings.Repeat("x", 1<<16))
		}, "did not accept the message"},
		"deep": {
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("[", 60_000)) },
			"did not accept the message",
		},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, "did not accept the message"},
		"another type": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"errcode":"`+geheim+`","code":[0]}`)
		}, "did not accept the message"},
		"a page": {
			func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>"+r.URL.String()) },
			"did not accept the message",
		},
		"its own error": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"errcode":300001,"code":300001,"errmsg":"`+geheim+`"}`)
		}, "(code 300001)"},
		"half a reply": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"errcode":`)
			_ = http.NewResponseController(w).Flush()
			<-release
		}, "no answer in time"},
	} {
		t.Run("reply: "+name, func(t *testing.T) {
			url := handled(c.answer)
			var of notice.Config
			for _, preset := range readReplies {
				of.Notify.Webhooks = append(of.Notify.Webhooks, chat(t, preset, url+"/"+geheim))
			}
			begin := time.Now()
			failed := teller(of).End(t.Context(), broken())
			require.Less(t, time.Since(begin), 4*time.Second)
			require.Len(t, failed, len(readReplies))
			for _, f := range failed {
				require.Contains(t, f, c.want)
				require.NotContains(t, f, geheim)
				require.Less(t, len(f), 600)
			}
		})
	}
}

// readReplies are the presets whose reply is read.
var readReplies = []string{"dingtalk", "wecom", "feishu"}

func chat(t *testing.T, preset, url string) notice.Webhook {
	t.Helper()
	w := *notice.NewWebhook()
	w.URL, w.Preset = url, preset
	if preset != "wecom" {
		w.SecretFile = put(t, geheim)
	}
	return w
}

// TestHostileStatsd: nobody listens, or nobody reads. Over UDP that may go unnoticed.
func TestHostileStatsd(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := packets.LocalAddr().String()
	require.NoError(t, packets.Close())
	dir, err := os.MkdirTemp("", "s") // the path of a socket is short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	full, err := net.ListenPacket("unixgram", filepath.Join(dir, "full"))
	require.NoError(t, err)
	defer func() { _ = full.Close() }()
	fill, err := net.Dial("unixgram", filepath.Join(dir, "full"))
	require.NoError(t, err)
	defer func() { _ = fill.Close() }()
	for err == nil {
		require.NoError(t, fill.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
		_, err = fill.Write(make([]byte, 1000))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for name, c := range map[string]struct {
		address, want string
		quiet         bool // UDP: nothing may come back
	}{
		"dead host":    {"192.0.2.1:8125", "cannot connect", true},
		"closed port":  {closed, "connection refused", true},
		"unknown host": {"statsd.invalid:8125", "", false},
		"no socket":    {"unix://" + filepath.Join(dir, "none"), "no such file", false},
		"not a socket": {"unix://" + filepath.Join(dir, "file"), "connection refused", false},
		"nobody reads": {"unix://" + filepath.Join(dir, "full"), "no answer in time", false},
		"a wrong port": {"127.0.0.1:99999999", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begin := time.Now()
			failed := teller(notice.Config{Metrics: notice.Metrics{Statsd: &notice.Statsd{Address: c.address, Prefix: "esnap"}}}).End(ctx, broken())
			require.Less(t, time.Since(begin), 4*time.Second)
			if c.quiet && len(failed) == 0 {
				return
			}
			require.Len(t, failed, 1)
			require.Contains(t, failed[0], "metrics: statsd: "+c.address+": ")
			require.Contains(t, failed[0], c.want)
		})
	}
}

func endless(w io.Writer, text string) {
	for range 100_000 {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// TestTime: the end of all is the end of the context.
func TestTime(t *testing.T) {
	release := make(chan bool)
	s := server(t)
	s.answer = func(http.ResponseWriter, *http.Request) { <-release }
	defer close(release)
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	w := *notice.NewWebhook()
	w.URL = s.url
	c := hook(w)
	w.URL, w.URLFile = "", pipe
	c.Notify.Webhooks = append(c.Notify.Webhooks, w)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	failed := New(c, Options{Redact: same}).End(ctx, broken())
	require.Less(t, time.Since(begin), 2*time.Second)
	require.Len(t, failed, 2)
	require.Contains(t, failed[0], "no answer in time")
	require.Contains(t, failed[1], "is not a file")
}

// TestRetried: once, where it may help.
func TestRetried(t *testing.T) {
	s := server(t)
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		if s.Lock(); len(s.list) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		s.Unlock()
	}
	w := *notice.NewWebhook()
	w.URL = s.url
	require.Empty(t, teller(hook(w)).End(t.Context(), broken()))
	require.Len(t, s.list, 2)
	s.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	require.Len(t, teller(hook(w)).End(t.Context(), broken()), 1)
	require.Len(t, s.list, 4)
}

// TestSecretFiles: an action file cannot send a secret of the connection elsewhere.
func TestSecretFiles(t *testing.T) {
	s := server(t)
	w := *notice.NewWebhook()
	w.URL, w.HeaderFiles = s.url, map[string]any{"X-Key": put(t, "connection-secret\n")}
	failed := teller(hook(w)).End(t.Context(), broken())
	require.Len(t, failed, 1)
	require.Contains(t, failed[0], "contains a secret of the connection to the cluster")
	require.NotContains(t, failed[0], "connection-secret")
	require.Empty(t, s.list)
	w.Trusted = true
	require.Empty(t, teller(hook(w)).End(t.Context(), broken()))
	for text, want := range map[string]string{"a\nb": "must contain one line", "": "is empty", strings.Repeat("x", maxSmall+1): "too large"} {
		w.HeaderFiles = map[string]any{"X-Key": put(t, text)}
		require.Contains(t, strings.Join(teller(hook(w)).End(t.Context(), broken()), ""), want)
	}
	w.HeaderFiles, w.URL, w.URLFile = nil, "", put(t, "not an address "+geheim)
	require.NotContains(t, strings.Join(teller(hook(w)).End(t.Context(), broken()), ""), geheim)
}

// TestMemory: messages go out when the state changes, once a day while it lasts, and when
// it is over.
func TestMemory(t *testing.T) {
	s := server(t)
	state := t.TempDir()
	tell := func(level string, of func() *Summary, after time.Duration) string {
		w := *notice.NewWebhook()
		w.URL, w.Level, w.Body = s.url, level, `"${title}"`
		c := hook(w)
		c.Notify.State = state
		sum := of()
		sum.Began = began.Add(after)
		before := len(s.list)
		failed := teller(c).End(t.Context(), sum)
		require.LessOrEqual(t, len(s.list)-before, 1)
		if len(failed) > 0 || len(s.list) == before {
			return strings.Join(failed, "")
		}
		return strings.Split(s.bodies[len(s.bodies)-1], " on ")[0]
	}
	good := func() *Summary { return night(0, nil) }
	partly := func() *Summary { return night(5, nil) }
	hour := time.Hour
	for level, steps := range map[string][]struct {
		of    func() *Summary
		after time.Duration
		want  string
	}{
		notice.LevelError: {
			{good, 0, ""}, {partly, hour, ""}, {broken, 2 * hour, `"esnap: night failed`}, {broken, 3 * hour, ""},
			{broken, 26*hour - time.Second, `"esnap: night still fails`},
			{broken, 27 * hour, ""}, {partly, 28 * hour, `"esnap: night no longer fails, but is incomplete`}, {good, 29 * hour, ""},
			{broken, 30 * hour, `"esnap: night failed`}, {good, 31 * hour, `"esnap: night recovered`}, {good, 32 * hour, ""},
			{broken, 33 * hour, `"esnap: night failed`},
		},
		notice.LevelWarning: {
			{partly, 0, `"esnap: night is incomplete`}, {partly, hour, ""}, {broken, 2 * hour, `"esnap: night failed`},
			{partly, 3 * hour, `"esnap: night is incomplete`},
			{partly, 27 * hour, `"esnap: night is still incomplete`}, {good, 28 * hour, `"esnap: night recovered`}, {good, 60 * hour, ""},
		},
		notice.LevelAlways: {{good, 0, `"esnap: night succeeded`}, {good, hour, `"esnap: night succeeded`},
			{broken, 2 * hour, `"esnap: night failed`},
			{broken, 3 * hour, `"esnap: night failed`}, {good, 4 * hour, `"esnap: night recovered`}, {good, 5 * hour, `"esnap: night succeeded`}},
	} {
		for i, x := range steps {
			require.Equal(t, x.want, tell(level, x.of, x.after), "%s, step %d", level, i)
		}
		require.NoError(t, os.Remove(filepath.Join(state, "esnap_night.json")))
	}

	// What was not told is told by the next run.
	require.NotEmpty(t, tell(notice.LevelError, broken, 0))
	s.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	require.Contains(t, tell(notice.LevelError, good, hour), "403")
	s.answer = nil
	require.Equal(t, `"esnap: night recovered`, tell(notice.LevelError, good, 2*hour))

	// A file of somebody else is not replaced, and everything is told.
	file := filepath.Join(state, "esnap_night.json")
	for _, text := range []string{"{", "{}", "cluster: {url: x}", "[]"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		for range 2 {
			before := len(s.list)
			require.Contains(t, tell(notice.LevelError, broken, 0), "was not written by esnap")
			require.Len(t, s.list, before+1)
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, text, string(data))
	}
	require.NoError(t, os.WriteFile(file, nil, 0o600)) // an empty one is ours
	require.NotEmpty(t, tell(notice.LevelError, broken, 0))
	require.Empty(t, tell(notice.LevelError, broken, hour))
	st, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(data), "127.0.0.1")

	// Several action files may share one file.
	state = file
	other := func() *Summary { x := broken(); x.Policy = "other"; return x }
	require.Equal(t, `"esnap: other failed`, tell(notice.LevelError, other, 0))
	require.Equal(t, `"esnap: night recovered`, tell(notice.LevelError, good, 2*hour))
}

// TestAnOwedMessage: a failure of which nobody could be told is told by the next run, also if
// that is good.
func TestAnOwedMessage(t *testing.T) {
	s := server(t)
	down := true
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	to := teller(notice.Config{Notify: notice.Notify{
		State:    filepath.Join(t.TempDir(), "state.json"),
		Webhooks: notice.Webhooks{{Endpoint: notice.Endpoint{URL: s.url}, Level: notice.LevelError, Body: `{"t": "${title}"}`}},
	}})
	require.Empty(t, to.End(t.Context(), night(0, nil)))
	require.Len(t, to.End(t.Context(), broken()), 1)
	down = false
	before := len(s.bodies)
	require.Empty(t, to.End(t.Context(), night(0, nil)))
	require.Len(t, s.bodies, before+1)
	require.Contains(t, s.bodies[before], "recovered")
	require.Empty(t, to.End(t.Context(), night(0, nil)))
	require.Len(t, s.bodies, before+1)
}
