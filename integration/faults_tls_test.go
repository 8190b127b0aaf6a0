//go:build integration

package integration

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// tlsFaults break the connection below HTTP, while a reply is on its way. The request has
// arrived.
var tlsFaults = map[string]func(*faultProxy, *exchange){
	"cut inside a record": func(p *faultProxy, x *exchange) {
		p.overTLS(x, func(raw *rawConn) { raw.fault = "cut" })
	},
	"damaged record": func(p *faultProxy, x *exchange) {
		p.overTLS(x, func(raw *rawConn) { raw.fault = "damaged" })
	},
}

// overTLS sends the request on, and the reply back over a connection that is prepared.
func (p *faultProxy) overTLS(x *exchange, prepare func(*rawConn)) {
	status, header, body := p.send(x)
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return
	}
	prepare(secure.NetConn().(*rawConn))
	var reply bytes.Buffer
	fmt.Fprintf(&reply, "HTTP/1.1 %d OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", status, header.Get("Content-Type"), len(body))
	reply.Write(body)
	_, _ = secure.Write(reply.Bytes())
}

// handshake is what goes wrong with new connections: times of them, from the nth.
type handshake struct {
	what       string
	nth, times int
}

// tlsListener accepts connections, and does to chosen ones what their number says.
type tlsListener struct {
	net.Listener
	broken handshake
	other  tls.Certificate // a certificate that nobody has signed

	mu   sync.Mutex
	seen int
}

// rawConn is a connection below TLS.
type rawConn struct {
	net.Conn
	fault string
}

func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	raw := &rawConn{Conn: c}
	if l.seen++; l.seen >= l.broken.nth && l.seen < l.broken.nth+l.broken.times {
		raw.fault = l.broken.what
	}
	return raw, nil
}

// Write implements net.Conn.
func (c *rawConn) Write(b []byte) (int, error) {
	switch c.fault {
	case "cut":
		_, _ = c.Conn.Write(b[:len(b)/2])
		_ = c.Close()
		return 0, net.ErrClosed
	case "damaged":
		b = bytes.Clone(b)
		b[len(b)/2] ^= 0xff
	case "no TLS":
		_, _ = c.Conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n<html>plain HTTP</html>"))
		_ = c.Close()
		return 0, net.ErrClosed
	case "silent":
		time.Sleep(hold)
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// newTLSProxy is a fault proxy that esnap reaches with https, with a new connection for
// each request. The returned file has the certificate to trust.
func newTLSProxy(n *nightRun, broken handshake, schedule []fault) (p *faultProxy, caFile string) {
	n.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(n, err)
	selfSigned := &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, selfSigned, selfSigned, key.Public(), key)
	require.NoError(n, err)
	p = startFaultProxy(n, n.server.URL, schedule, func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		l := &tlsListener{Listener: s.Listener, broken: broken, other: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
		s.Listener = l
		s.Config.SetKeepAlivesEnabled(false)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.Conn.(*rawConn).fault == "certificate" {
				return &tls.Config{Certificates: []tls.Certificate{l.other}}, nil
			}
			return nil, nil
		}}
		s.StartTLS()
		return s
	})
	caFile = filepath.Join(n.dir, "proxy.pem")
	writeFile(n.env, caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})))
	return p, caFile
}

// TestFaultTLS breaks TLS between esnap and the server: handshakes, certificates, and
// records in the middle of a reply.
func TestFaultTLS(t *testing.T) {
	binary := build(t)
	type scenario struct {
		broken   handshake
		schedule []fault
	}
	scenarios := map[string]scenario{
		"first handshakes cut":         {broken: handshake{"cut", 1, 2}},
		"handshakes damaged":           {broken: handshake{"damaged", 12, 3}},
		"handshakes without an answer": {broken: handshake{"silent", 20, 2}},
		"plain HTTP for a time":        {broken: handshake{"no TLS", 15, 3}},
		"handshakes cut for good":      {broken: handshake{"cut", 18, always}},
		"another certificate at once":  {broken: handshake{"certificate", 1, always}},
		"another certificate for good": {broken: handshake{"certificate", 16, always}},
		"another certificate once":     {broken: handshake{"certificate", 16, 1}},
		"damaged record of a deletion": {schedule: []fault{{"damaged record", "delete index", 1, 1}}},
		"damaged records of listings":  {schedule: []fault{{"damaged record", "list snapshots", 2, 2}}},
	}
	for _, on := range []string{"register", "create snapshot", "delete snapshot", "delete index", "restore", "list snapshots", "state"} {
		scenarios["record cut on "+on] = scenario{schedule: []fault{{"cut inside a record", on, 1, 2}}}
	}
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		for name, c := range scenarios {
			t.Run(name, func(t *testing.T) {
				n := newNight(newEnv(t, f, s), binary)
				if c.broken.times < always {
					n.limit = 20 * time.Second // for what ends by itself
				}
				p, caFile := newTLSProxy(n, c.broken, c.schedule)
				n.vars["ESNAP_CA_FILE"] = caFile
				r := n.through(p)
				n.vars["ESNAP_CA_FILE"] = ""
				if c.broken.what == "certificate" && c.broken.times == always {
					require.NotZero(t, r.code, r)
					require.Contains(t, r.stderr, "certificate", r)
				}
				if c.broken.nth == 1 && c.broken.times == always {
					require.Empty(t, p.requests(), "nothing was sent")
				}
				if len(c.schedule) > 0 {
					require.NotZero(t, p.hit(), "no request met the fault: %s", r)
				}
				n.check(p, r)
				t.Logf("exit code %d after %s", r.code, r.took.Round(time.Millisecond))
			})
		}
	})
}
