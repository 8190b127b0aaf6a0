package cmd

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/job"
)

// The secrets of outlets. Each may appear only where it is sent to.
const (
	canaryHook   = "canary-hook-2b61"
	canaryToken  = "canary-token-83aa"
	canarySign   = "canary-sign-4cd7"
	canaryPing   = "canary-ping-e91b"
	canaryPush   = "canary-push-60f5"
	canarySMTP   = "canary-smtp-d238"
	canaryListen = "canary-listen-a7c4"
)

// outlets are servers that keep all that runs tell them: webhooks, pings, a Pushgateway, a
// server for StatsD, and one for mail.
type outlets struct {
	// keys are the keys metrics and notify of a file, ping the address of the pings.
	keys, ping string

	mu   sync.Mutex
	got  map[string]*strings.Builder // by outlet
	told map[string]int
}

func newOutlets(t *testing.T, dir string) *outlets {
	o := &outlets{got: map[string]*strings.Builder{}, told: map[string]int{}}
	secrets := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(secrets, name)
		require.NoError(t, os.WriteFile(name, []byte(text+"\n"), 0o600))
		return name
	}
	// Of a request, everything is kept but the secret of the outlet where it belongs.
	server := func(name string, own func(r *http.Request)) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r = r.Clone(r.Context())
			own(r)
			o.keep(name, fmt.Sprintf("%s %s %s %v\n%s\n", r.Method, r.Host, r.URL, r.Header, body))
			_, _ = io.WriteString(w, `{"errcode":0}`)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	inPath := func(secret string) func(r *http.Request) {
		return func(r *http.Request) {
			r.URL = &url.URL{Path: strings.Replace(r.URL.Path, "/"+secret, "", 1), RawQuery: r.URL.RawQuery}
			if r.Header.Get("Authorization") == "Bearer "+canaryToken {
				r.Header.Del("Authorization")
			}
		}
	}
	hook := file("hook", server("webhook", inPath(canaryHook))+"/"+canaryHook)
	o.ping = server("ping", inPath(canaryPing)) + "/" + canaryPing
	push := server("pushgateway", func(r *http.Request) {
		if _, password, _ := r.BasicAuth(); password == canaryPush {
			r.Header.Del("Authorization")
		}
	})
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = packets.Close() })
	go func() {
		for buffer := make([]byte, 9000); ; {
			n, _, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			o.keep("statsd", string(buffer[:n]))
		}
	}()
	port, ca := o.mail(t, secrets)
	o.keys = fmt.Sprintf(`
metrics:
  textfile: '%s'
  pushgateway: {url: '%s', username: u, password_file: '%s'}
  statsd: {address: '%s'}
notify:
  ping: {url_file: '%s'}
  webhooks:
  - {url_file: '%s', level: always, header_files: {Authorization: '%s'}}
  - {url_file: '%s', level: always, preset: slack}
  - {url_file: '%s', level: always, preset: dingtalk, secret_file: '%s'}
  mail: [{to: [ops@example.com], from: esnap@example.com, level: always, host: 127.0.0.1, port: %d, tls: tls,
    ca_file: '%s', username: u, password_file: '%s'}]
`, dir, push, file("push", canaryPush), packets.LocalAddr(), file("ping", o.ping), hook,
		file("token", "Bearer "+canaryToken), hook, hook, file("sign", canarySign),
		port, ca, file("smtp", canarySMTP))
	return o
}

func (o *outlets) keep(name, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.got[name] == nil {
		o.got[name] = &strings.Builder{}
	}
	o.got[name].WriteString(text)
	o.told[name]++
}

// mail starts an SMTP server with TLS that accepts every message. The line with the password
// is the only one that it does not keep.
func (o *outlets) mail(t *testing.T, dir string) (port int, ca string) {
	certified := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(certified.Close)
	ca = filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw}), 0o600))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	talk := func(c net.Conn) {
		defer func() { _ = c.Close() }()
		say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
		say("220 ready")
		var all strings.Builder
		data := false
		for lines := bufio.NewScanner(c); lines.Scan(); {
			line := lines.Text()
			verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
			if data || verb != "AUTH" {
				all.WriteString(strings.TrimSuffix(line, "=")) // a long line of a mail goes on in the next one
				if data && strings.HasSuffix(line, "=") {
					continue
				}
				all.WriteString("\n")
			}
			switch {
			case data && line != ".":
			case data:
				data = false
				o.keep("mail", all.String())
				say("250 queued")
			case verb == "EHLO":
				say("250-hello\r\n250 AUTH PLAIN")
			case verb == "AUTH":
				say("235 welcome")
			case verb == "DATA":
				data = true
				say("354 go")
			case verb == "QUIT":
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go talk(c)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, ca
}

// require wants every outlet to have been told, and no secret in what it was told.
func (o *outlets) require(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range []string{"webhook", "ping", "pushgateway", "statsd", "mail"} {
		require.Greater(t, o.told[name], 2, "%s: %v", name, o.told)
		requireNoCanaries(t, o.got[name].String(), name)
	}
	require.Contains(t, o.got["ping"].String(), "/start?rid=")
	require.Contains(t, o.got["webhook"].String(), "sign=", "DingTalk")
	require.Contains(t, o.got["mail"].String(), "Subject: esnap: ")
}

// TestCanariesOverHTTP: no secret is in what esnap serve answers, and the token and the
// password of its own are not, either.
func TestCanariesOverHTTP(t *testing.T) {
	credentials := credentialsOfCanaries(t, "http://127.0.0.1:9200")
	for i, how := range slices.Sorted(maps.Keys(credentials)) {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newCanaryWorld(t, credentials[how])
			w.env["ESNAP_LOG_LEVEL"], w.env["ESNAP_CONNECT_TIMEOUT"] = "debug", "1s"
			secret := filepath.Join(t.TempDir(), "secret")
			save(t, secret, canaryListen+"\n")
			connect := func(es.Options) (cluster.Cluster, error) { return w.c, nil }
			if i%2 == 1 {
				var n atomic.Int64
				w.c.Fault = func(string, []string) error {
					if n.Add(1)%3 == 0 {
						return &cluster.Error{
							Op:     "do it",
							Kind:   cluster.ErrForbidden,
							Status: 403,
							Causes: []cluster.Cause{{Type: "security_exception", Reason: "not for you"}},
						}
					}
					return nil
				}
			}
			var out, errs buffer
			ctx, stop := context.WithCancelCause(t.Context())
			ended := make(chan int, 1)
			args := []string{"serve", "S3", "PLAIN", "BROKEN", "--schedule", "@yearly", "--listen", "127.0.0.1:0",
				"--listen-username", "ops", "--listen-password-file", secret, "--listen-token-file", secret}
			app := w.app(&out, &errs, connect)
			app.Now = time.Now
			go func() { ended <- Main(ctx, app, strings.Split(w.words.Replace(strings.Join(args, " ")), " ")) }()
			var address string
			require.Eventually(t, func() bool {
				_, rest, found := strings.Cut(errs.String(), "msg=listening address=")
				address, _, _ = strings.Cut("http://"+rest, " ")
				return found
			}, 10*time.Second, time.Millisecond, "%s", errs.String())
			ask := func(method, path string) (int, string) {
				r, err := http.NewRequestWithContext(t.Context(), method, address+path, nil)
				require.NoError(t, err)
				r.SetBasicAuth("ops", canaryListen)
				if method == http.MethodPost {
					r.Header.Set("Authorization", "Bearer "+canaryListen)
				}
				resp, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				requireNoCanaries(t, fmt.Sprint(resp.Header, string(body)), method, path)
				return resp.StatusCode, string(body)
			}
			for _, path := range []string{"/", "/jobs/canaries", "/metrics", "/readyz", "/jobs/nosuch"} {
				ask(http.MethodGet, path)
			}
			code, body := ask(http.MethodPost, "/jobs/canaries/run")
			require.Equal(t, http.StatusAccepted, code, body)
			require.Eventually(t, func() bool {
				_, body = ask(http.MethodGet, "/jobs/canaries")
				return strings.Contains(body, `"last_run_from": "here"`)
			}, 30*time.Second, 20*time.Millisecond)
			_, body = ask(http.MethodGet, "/")
			require.Contains(t, body, "unused_files")
			_, body = ask(http.MethodGet, "/metrics")
			require.Contains(t, body, `esnap_last_run_status{policy="canaries"}`)
			stop(&job.Signal{Number: syscall.SIGTERM})
			<-ended
			requireNoCanaries(t, out.String()+errs.String(), "written")
			w.outlets.mu.Lock()
			defer w.outlets.mu.Unlock()
			for name, got := range w.outlets.got {
				requireNoCanaries(t, got.String(), name)
			}
			require.Positive(t, w.outlets.told["webhook"])
		})
	}
}

// canaryOutlets are the secrets of outlets in each form in which they could appear.
func canaryOutlets() (forms []string) {
	for _, secret := range []string{canaryHook, canaryToken, canarySign, canaryPing, canaryPush, canarySMTP, canaryListen} {
		forms = append(forms, secret, base64.StdEncoding.EncodeToString([]byte("u:"+secret)),
			base64.StdEncoding.EncodeToString([]byte("\x00u\x00"+secret)),
			base64.StdEncoding.EncodeToString([]byte(secret))[:20])
	}
	return append(forms, base64.StdEncoding.EncodeToString([]byte("ops:"+canaryListen)))
}
