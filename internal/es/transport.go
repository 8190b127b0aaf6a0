package es

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/bounded"
)

// ParseURL reads a cluster's address. Errors never show user information.
func ParseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return nil, errors.New("a cluster address is not a valid URL; examples: http://host:9200, https://[::1]:9200/prefix")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		shown := ""
		if u.User == nil && u.Opaque == "" && !strings.Contains(raw, "@") { // an address that may contain a password is not shown
			u.RawQuery, u.Fragment = "", ""
			shown = " " + u.String()
		}
		return nil, fmt.Errorf("the cluster address%s must start with http:// or https:// and contain a host", shown)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

func httpTransport(o Options) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: min(o.Timeout, 10*time.Second), KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, MaxIdleConnsPerHost: 8,
		IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true,
	}
	if !slices.ContainsFunc(o.URLs, func(u string) bool { return strings.HasPrefix(strings.ToLower(strings.TrimSpace(u)), "https:") }) {
		return t, nil // the certificate files need not exist
	}
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         o.ServerName,
		InsecureSkipVerify: o.InsecureSkipVerify,
	} //nolint:gosec // the user's own --insecure, warned about
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the CA file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA file %s does not contain a PEM certificate", o.CAFile)
		}
	}
	if o.ClientCert != "" || o.ClientKey != "" {
		key := o.ClientKey
		if key == "" {
			key = o.ClientCert // one file with both
		}
		pair, err := tls.LoadX509KeyPair(o.ClientCert, key)
		if err != nil {
			// The path may be the key itself, given as the name of its file.
			return nil, fmt.Errorf("cannot read the client certificate %s and its key: %w", o.ClientCert, bounded.WithoutPath(err))
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if o.Fingerprint != "" {
		check, err := pinned(o.Fingerprint)
		if err != nil {
			return nil, err
		}
		cfg.VerifyConnection = check
	}
	t.TLSClientConfig = cfg
	return t, nil
}

func withAuthorization(h http.Header, value string) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Authorization", value)
	return h
}

// asWritten sends a path as it was escaped, also behind the path of an address:
// elastictransport joins the two unescaped, and a plus would become a plus again.
type asWritten struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a asWritten) RoundTrip(r *http.Request) (*http.Response, error) {
	if raw := r.URL.RawPath; raw != "" {
		if path, err := url.PathUnescape(raw); err == nil {
			if before, is := strings.CutSuffix(r.URL.Path, path); is {
				r.URL.RawPath = (&url.URL{Path: before}).EscapedPath() + raw
			}
		}
	}
	return a.next.RoundTrip(r)
}
