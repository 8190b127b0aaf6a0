package es

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	dir  string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key, a.pem, _ = a.sign(&x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test CA"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	})
	return a
}

func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, with := a.cert, a.key
	if parent == nil {
		parent, with = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, with)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func (a *authority) file(name string, data []byte) string {
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, data, 0o600))
	return path
}

// serve starts a cluster that speaks TLS with a certificate for the names given.
func (a *authority) serve(clients bool, names ...string) string {
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, n)
		}
	}
	_, _, cert, key := a.sign(leaf)
	pair, err := tls.X509KeyPair(cert, key)
	require.NoError(a.t, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, root670) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients {
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(a.cert)
	}
	s.StartTLS()
	a.t.Cleanup(s.Close)
	return s.URL
}

// ask says what a client with the options makes of a cluster. Waiting for one
// that does not answer is cut off: what TLS refuses does not pass by waiting.
func ask(t *testing.T, o Options) error {
	t.Helper()
	client, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = client.Server(ctx)
	return err
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	ca, other := ours.file("ca.pem", ours.pem), theirs.file("other.pem", theirs.pem)
	_, _, cert, key := ours.sign(&x509.Certificate{SerialNumber: big.NewInt(3), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	certFile, keyFile, both := ours.file("client.pem", cert), ours.file("client.key", key), ours.file("both.pem", append(cert, key...))
	local, named, mutual := ours.serve(false, "127.0.0.1"), ours.serve(false, "es.internal"), ours.serve(true, "127.0.0.1")
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	for _, c := range []struct {
		name string
		o    Options
		text string // empty: it works
		hint string
	}{
		{"own CA", Options{URLs: []string{local}, CAFile: ca}, "", ""},
		{"no CA", Options{URLs: []string{local}}, "the server's certificate is not trusted", "--ca-file"},
		{"wrong CA", Options{URLs: []string{local}, CAFile: other}, "the server's certificate is not trusted", "--ca-file"},
		{"insecure", Options{URLs: []string{local}, InsecureSkipVerify: true}, "", ""},
		{"another name", Options{URLs: []string{named}, CAFile: ca}, "the server's certificate is not trusted", "--server-name"},
		{"the name said", Options{URLs: []string{named}, CAFile: ca, ServerName: "es.internal"}, "", ""},
		{"a wrong name said", Options{URLs: []string{named}, CAFile: ca, ServerName: "other.internal"}, "es.internal", "--server-name"},
		{"client certificate", Options{URLs: []string{mutual}, CAFile: ca, ClientCert: certFile, ClientKey: keyFile}, "", ""},
		{"client certificate and key in one file", Options{URLs: []string{mutual}, CAFile: ca, ClientCert: both}, "", ""},
		{"no TLS there", Options{URLs: []string{strings.Replace(plain.URL, "http:", "https:", 1)}}, "does not speak TLS", "http://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.ConnectTimeout = time.Minute // not used: none of this passes by waiting
			start := time.Now()
			err := ask(t, c.o)
			require.Less(t, time.Since(start), 4*time.Second)
			if c.text == "" {
				require.NoError(t, err)
				return
			}
			requireKind(t, cluster.ErrUnreachable, err, c.name)
			require.Contains(t, err.Error(), c.text)
			require.Contains(t, cluster.Hint(err), c.hint)
		})
	}
	t.Run("no client certificate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // the pauses between tries
			client, err := New(Options{URLs: []string{mutual}, CAFile: ca})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
			defer cancel()
			_, err = client.Server(ctx)
			requireKind(t, cluster.ErrUnreachable, err, "no client certificate")
			time.Sleep(24 * time.Hour) // the transport's goroutine for the dead host ends
		})
	})
}

func TestCertificateFiles(t *testing.T) {
	a := newAuthority(t)
	ca, junk := a.file("ca.pem", a.pem), a.file("junk.pem", []byte("not a certificate"))
	for _, c := range []struct {
		o    Options
		text string
	}{
		{Options{CAFile: "/nowhere/ca.pem"}, "cannot read the CA file: open /nowhere/ca.pem: no such file or directory"},
		{Options{CAFile: junk}, "the CA file " + junk + " does not contain a PEM certificate"},
		{
			Options{CAFile: ca, ClientCert: "/nowhere/c.pem"},
			"cannot read the client certificate /nowhere/c.pem and its key: no such file or directory",
		},
		{Options{ClientCert: ca, ClientKey: junk}, "cannot read the client certificate " + ca + " and its key: "},
		{Options{ClientCert: ca, ClientKey: "-----BEGIN"}, "client certificate " + ca + " and its key: no such file or directory"},
		{Options{ClientKey: ca}, "cannot read the client certificate"},
	} {
		c.o.URLs = []string{"https://es"}
		_, err := New(c.o)
		require.ErrorContains(t, err, c.text)
	}
}

// Files of certificates are read where TLS is spoken, and only there.
func TestFilesOfCertificatesThatNobodyNeeds(t *testing.T) {
	for address, fails := range map[string]bool{"http://es:9200": false, "https://es:9200": true, " HTTPS://es": true} {
		_, err := New(Options{URLs: []string{address}, CAFile: "/nowhere/ca.pem", ClientCert: "/nowhere/cert.pem"})
		require.Equal(t, fails, err != nil, address)
	}
}
