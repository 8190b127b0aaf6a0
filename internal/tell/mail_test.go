package tell

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/notice"
)

// smtp is a small SMTP server with STARTTLS or TLS, and authentication.
type smtp struct {
	sync.Mutex
	host, ca string
	port     int64
	config   *tls.Config
	implicit bool // TLS from the beginning
	offers   bool // STARTTLS
	password string
	refuses  map[string]string // recipients, with the code; one that begins with 4 is said once
	// talk, if set, is all that it does with a connection.
	talk func(net.Conn)

	from  string
	to    []string
	data  string
	clear bool // credentials came without encryption
	tries int  // to authenticate
}

func (s *smtp) start(t *testing.T) *smtp {
	certified := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(certified.Close)
	s.config = &tls.Config{Certificates: certified.TLS.Certificates}
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw}), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	host, port, _ := net.SplitHostPort(l.Addr().String())
	s.host = host
	s.port, _ = strconv.ParseInt(port, 10, 64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				if s.talk != nil {
					s.talk(c)
					return
				}
				s.serve(c)
			}()
		}
	}()
	return s
}

func (s *smtp) serve(c net.Conn) {
	secure := s.implicit
	if secure {
		c = tls.Server(c, s.config)
	}
	r := bufio.NewReader(c)
	say := func(lines ...string) { _, _ = io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n") }
	say("220 ready")
	var rcpt []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		s.Lock()
		switch strings.ToUpper(verb) {
		case "EHLO", "HELO":
			lines := []string{"250-hello"}
			if s.offers && !secure {
				lines = append(lines, "250-STARTTLS")
			}
			if s.password != "" {
				lines = append(lines, "250-AUTH PLAIN")
			}
			say(append(lines, "250 8BITMIME")...)
		case "STARTTLS":
			say("220 go")
			c, secure = tls.Server(c, s.config), true
			r = bufio.NewReader(c)
		case "AUTH":
			s.clear = s.clear || !secure
			s.tries++
			_, encoded, _ := strings.Cut(rest, " ")
			if text, _ := base64.StdEncoding.DecodeString(encoded); string(text) == "\x00u\x00"+s.password {
				say("235 welcome")
			} else {
				say("535 no: " + encoded + " " + string(text)) // what it got, and what that means
			}
		case "MAIL":
			s.from, rcpt = rest, nil
			say("250 ok")
		case "RCPT":
			if code, is := s.refuses[rest]; is {
				say(code + " not here")
				if strings.HasPrefix(code, "4") {
					delete(s.refuses, rest)
				}
				break
			}
			rcpt = append(rcpt, rest)
			say("250 ok")
		case "DATA":
			say("354 go")
			var b strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(line, "."))
			}
			s.data = b.String()
			s.to = append(s.to, rcpt...)
			say("250 queued")
		case "QUIT":
			say("221 bye")
			s.Unlock()
			return
		default:
			say("250 ok")
		}
		s.Unlock()
	}
}

func (s *smtp) mail(t *testing.T, encryption, password string) notice.Config {
	m := *notice.NewMail()
	m.To, m.From = []string{"Ops <ops@example.com>", "b@example.com"}, "esnap@example.com"
	m.Host, m.Port, m.TLS, m.CAFile = s.host, s.port, encryption, s.ca
	if password != "" {
		m.Username, m.PasswordFile = "u", put(t, password)
	}
	return notice.Config{Notify: notice.Notify{Mail: notice.Mails{m}}}
}

func mailer(c notice.Config) *Teller {
	return New(c, Options{RunID: "r", Version: "1.2.3", Redact: hidden, Attempt: 2 * time.Second, Pause: time.Millisecond})
}

func TestMail(t *testing.T) {
	for name, c := range map[string]struct {
		server     *smtp
		encryption string
		password   string
	}{
		"STARTTLS": {&smtp{offers: true, password: geheim}, "starttls", geheim},
		"TLS":      {&smtp{implicit: true, password: geheim}, "tls", geheim},
		"none":     {&smtp{}, "none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.server.start(t)
			b := broken()
			b.Name = "host-1 ü"
			require.Empty(t, mailer(s.mail(t, c.encryption, c.password)).End(t.Context(), b))
			s.Lock()
			defer s.Unlock()
			require.Contains(t, s.from, "<esnap@example.com>")
			require.Len(t, s.to, 2)
			require.False(t, s.clear)
			require.NotContains(t, s.data, geheim)
			m, err := netmail.ReadMessage(strings.NewReader(s.data))
			require.NoError(t, err)
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			require.NoError(t, err)
			require.Equal(t, "esnap: night failed on host-1 ü (exit code 1)", subject)
			require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
			_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
			require.NoError(t, err)
			parts := map[string]string{}
			for r := multipart.NewReader(m.Body, params["boundary"]); ; {
				p, err := r.NextRawPart()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				require.Equal(t, "quoted-printable", p.Header.Get("Content-Transfer-Encoding"))
				text, err := io.ReadAll(quotedprintable.NewReader(p))
				require.NoError(t, err)
				kind, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
				parts[kind] = string(text)
			}
			require.Contains(t, parts["text/plain"], `<at user_id="all">`)
			require.Contains(t, parts["text/plain"], "2  delete_snapshots  failed")
			require.Contains(t, parts["text/html"], "<pre")
			require.Contains(t, parts["text/html"], "&lt;at user_id")
			require.NotContains(t, parts["text/html"], "<at ")
			require.NotContains(t, parts["text/html"], "<b>")
		})
	}
}

// TestMailFails: no failure shows the password, and none takes long.
func TestMailFails(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	for name, c := range map[string]struct {
		server *smtp
		change func(m *notice.Mail)
		want   string
	}{
		"a wrong password":      {&smtp{offers: true, password: "other"}, nil, "535"},
		"no STARTTLS":           {&smtp{password: geheim}, nil, "STARTTLS"},
		"an unknown authority":  {&smtp{offers: true, password: geheim}, func(m *notice.Mail) { m.CAFile = "" }, "unknown authority"},
		"a name that is wrong":  {&smtp{offers: true, password: geheim}, func(m *notice.Mail) { m.Host = "localhost" }, "another host"},
		"TLS that is not there": {&smtp{password: geheim}, func(m *notice.Mail) { m.TLS = "tls" }, ""},
		"hangs":                 {&smtp{talk: func(net.Conn) { <-release }}, nil, "no answer in time"},
		"an endless line": {&smtp{talk: func(c net.Conn) {
			_, _ = io.WriteString(c, "220 ")
			endless(c, strings.Repeat("x", 1<<16))
		}}, nil, ""},
		"repeats everything": {&smtp{talk: func(c net.Conn) {
			_, _ = io.WriteString(c, "220 "+geheim+"\r\n")
			for r := bufio.NewReader(c); ; {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				_, _ = fmt.Fprintf(c, "550 %s %s\r\n", strings.TrimSpace(line), base64.StdEncoding.EncodeToString([]byte(geheim)))
			}
		}}, nil, "550"},
		"nobody":      {&smtp{}, func(m *notice.Mail) { m.Port = 1 }, "connection refused"},
		"no password": {&smtp{}, func(m *notice.Mail) { m.PasswordFile += "x" }, "no such file"},
		"no CA":       {&smtp{}, func(m *notice.Mail) { m.CAFile = m.PasswordFile }, "contains no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.server.start(t)
			of := s.mail(t, "starttls", geheim)
			if c.change != nil {
				c.change(&of.Notify.Mail[0])
			}
			begin := time.Now()
			to := mailer(of)
			to.o.Attempt = 500 * time.Millisecond
			failed := to.End(t.Context(), broken())
			require.Less(t, time.Since(begin), 4*time.Second)
			require.Len(t, failed, 1)
			require.Contains(t, failed[0], "notify: mail 1: ")
			require.Contains(t, failed[0], c.want)
			require.Less(t, len(failed[0]), 600)
			for _, secret := range []string{geheim, base64.StdEncoding.EncodeToString([]byte(geheim)),
				base64.StdEncoding.EncodeToString([]byte("\x00u\x00" + geheim))} {
				require.NotContains(t, failed[0], secret)
			}
			s.Lock()
			defer s.Unlock()
			require.False(t, s.clear, "the password goes through TLS only")
			require.LessOrEqual(t, s.tries, 1, "a password that is refused is not sent again")
		})
	}
}

// TestMailRefusedRecipient: the others have the mail, once, and the one that was refused gets the
// next one.
func TestMailRefusedRecipient(t *testing.T) {
	const a, b = "TO:<ops@example.com>", "TO:<b@example.com>"
	for name, c := range map[string]struct {
		refuses map[string]string
		to      []string
		warned  int
	}{
		"for good": {map[string]string{a: "550"}, []string{b}, 1},
		"for now":  {map[string]string{a: "450"}, []string{a, b}, 0},
		"all":      {map[string]string{a: "550", b: "550"}, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := (&smtp{refuses: c.refuses}).start(t)
			config := s.mail(t, "none", "")
			config.Notify.State = filepath.Join(t.TempDir(), "state")
			failed := mailer(config).End(t.Context(), broken())
			require.Len(t, failed, c.warned)
			s.Lock()
			require.ElementsMatch(t, c.to, s.to)
			s.refuses, s.to = nil, nil
			s.Unlock()
			for _, f := range failed {
				require.Contains(t, f, "550")
			}
			require.Empty(t, mailer(config).End(t.Context(), broken()))
			s.Lock()
			defer s.Unlock()
			require.Len(t, s.to, c.warned, "the next run tells those who do not know")
		})
	}
}

// TestSeveralJobsOneFile: runs of different jobs at the same time keep each other's numbers and
// memory.
func TestSeveralJobsOneFile(t *testing.T) {
	h := server(t)
	dir := t.TempDir()
	var all sync.WaitGroup
	for n := range 12 {
		all.Add(1)
		go func() {
			defer all.Done()
			c := notice.Config{Metrics: notice.Metrics{Textfile: filepath.Join(dir, "x.prom")}, Notify: notice.Notify{
				State: filepath.Join(dir, "state.json"), Webhooks: notice.Webhooks{{Endpoint: notice.Endpoint{URL: h.url}, Level: "error"}}}}
			s := broken()
			s.Policy = fmt.Sprint("job", n)
			mailer(c).End(t.Context(), s)
		}()
	}
	all.Wait()
	for _, name := range []string{"x.prom", "state.json"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		for n := range 12 {
			require.Contains(t, string(text), fmt.Sprintf("\"job%d\"", n), name)
		}
	}
}

// TestTwoOutletsOfOneAddress: each has its memory.
func TestTwoOutletsOfOneAddress(t *testing.T) {
	c := notice.Config{Notify: notice.Notify{Webhooks: notice.Webhooks{
		{Endpoint: notice.Endpoint{URL: "http://x"}, Level: "error", Body: `{"chan":"ops"}`},
		{Endpoint: notice.Endpoint{URL: "http://x"}, Level: "error", Body: `{"chan":"dev"}`},
		{Endpoint: notice.Endpoint{URL: "http://x"}, Level: "error", Body: `{"chan":"dev"}`},
	}}}
	keys := map[string]bool{}
	for _, o := range mailer(c).outlets {
		keys[o.key] = true
	}
	require.Len(t, keys, 3)
}

// TestOutletIsNotItsPosition: what an address was told is remembered where another outlet
// comes before it.
func TestOutletIsNotItsPosition(t *testing.T) {
	s := (&smtp{}).start(t)
	config := s.mail(t, "none", "")
	config.Notify.State = filepath.Join(t.TempDir(), "state")
	require.Empty(t, mailer(config).End(t.Context(), broken()))
	require.Len(t, s.to, 2)
	other := config.Notify.Mail[0]
	other.To = []string{"c@example.com"}
	config.Notify.Mail = notice.Mails{other, config.Notify.Mail[0]}
	require.Empty(t, mailer(config).End(t.Context(), broken()))
	s.Lock()
	defer s.Unlock()
	require.Equal(t, []string{"TO:<c@example.com>"}, s.to[2:])
}
