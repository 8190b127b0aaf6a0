package tell

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/notice"
)

// endpoint is an address that requests go to. Its errors show scheme and host only.
type endpoint struct {
	notice.Endpoint
	read   secrets
	agent  string
	opened *lazy[*opened]
}

type opened struct {
	url    *url.URL
	client *http.Client
}

func (t *Teller) endpoint(e notice.Endpoint) endpoint {
	return endpoint{e, t.secrets(e.Trusted), "esnap/" + t.o.Version, &lazy[*opened]{}}
}

func (e endpoint) open() (*opened, error) {
	return e.opened.get(func() (*opened, error) {
		raw := e.URL
		if e.URLFile != "" {
			var err error
			if raw, err = e.read(e.URLFile); err != nil {
				return nil, err
			}
			raw = strings.TrimSpace(raw)
			if err := notice.CheckURL(raw); err != nil {
				return nil, finally("the file %s: %w", e.URLFile, err)
			}
		}
		u, err := url.Parse(raw)
		if err != nil { // cannot be: it was checked
			return nil, finally("the address is invalid")
		}
		trust, err := trusted(e.CAFile)
		if err != nil {
			return nil, err
		}
		return &opened{u, &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, DisableKeepAlives: true, DisableCompression: true,
				MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: 4 * time.Second,
			},
			// Another server would get the message, and the secrets.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}, nil
	})
}

// trusted are settings of TLS with a certificate authority, if one is given.
func trusted(caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return c, nil
	}
	data, err := bounded.ReadFile(caFile, bounded.Text)
	if err != nil {
		return nil, final{err}
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(data) {
		return nil, finally("the file %s contains no certificate", caFile)
	}
	return c, nil
}

// request is one request to an endpoint.
type request struct {
	method string
	path   string // added to the path of the address, escaped
	query  url.Values
	kind   string // of the body
	body   []byte
	header http.Header
	auth   [2]string
}

// maxReply is how much of a reply is read.
const maxReply = 64 << 10

// do sends a request and returns the reply to it. Anything but 2xx is an error.
func (e endpoint) do(ctx context.Context, r request) ([]byte, error) {
	o, err := e.open()
	if err != nil {
		return nil, err
	}
	place := o.url.Scheme + "://" + o.url.Host
	u := *o.url
	if r.path != "" {
		full := strings.TrimSuffix(u.EscapedPath(), "/") + r.path
		if u.Path, err = url.PathUnescape(full); err != nil {
			return nil, finally("%s: the path of the address is invalid", place)
		}
		u.RawPath = full
	}
	if len(r.query) > 0 {
		q := u.Query()
		for k, v := range r.query {
			q[k] = v
		}
		u.RawQuery = q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, finally("%s: the address is invalid", place)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", e.agent)
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	if r.auth[0] != "" {
		req.SetBasicAuth(r.auth[0], r.auth[1])
	}
	res, err := o.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, reason(err))
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	switch code := res.StatusCode; {
	case code >= 300 && code < 400:
		return nil, finally("%s answered %s; redirects are not followed", place, status(code))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		return nil, fmt.Errorf("%s answered %s", place, status(code))
	case code >= 400, code < 200:
		return nil, finally("%s answered %s", place, status(code))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", place, reason(err))
	}
	return data, nil
}

// status is a status code with its own text: that of the server may be anything.
func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// reason is why a request failed, in words that do not contain what the server sent or
// what was sent to it.
func reason(err error) error {
	var (
		op          *net.OpError
		name        *net.DNSError
		host        x509.HostnameError
		authority   x509.UnknownAuthorityError
		invalid     x509.CertificateInvalidError
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return errTime
	case errors.As(err, &name):
		return fmt.Errorf("unknown host")
	case errors.As(err, &authority):
		return finally("the certificate is signed by an unknown authority")
	case errors.As(err, &host):
		return finally("the certificate is for another host")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return finally("the certificate has expired or is not yet valid")
	case errors.As(err, &certificate), errors.As(err, &invalid):
		return finally("the certificate is invalid")
	case errors.As(err, &alert):
		return fmt.Errorf("TLS failed: %s", alert.Error())
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return finally("the server does not speak TLS")
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("cannot connect: %w", op.Err)
	case errors.As(err, &op):
		return fmt.Errorf("the connection broke: %w", op.Err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the server closed the connection")
	}
	return fmt.Errorf("the reply cannot be read")
}
