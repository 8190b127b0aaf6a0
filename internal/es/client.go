// Package es implements the cluster interfaces over HTTP. It is the only user of
// Elastic's transport. It does not use the client: that refuses every server that does not
// send Elastic's product header, such as OpenSearch and Elasticsearch before 7.14.
package es

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"github.com/esnap/esnap/internal/cluster"
)

// Options are the options of a connection.
type Options struct {
	URLs        []string // at least one; user information in them overrides Username
	Username    string
	Password    string
	APIKey      string // base64 of id:key
	BearerToken string
	Header      http.Header

	CAFile             string
	ClientCert         string
	ClientKey          string
	ServerName         string
	InsecureSkipVerify bool
	// Fingerprint is the required fingerprint of the server's own certificate, SHA-1 or
	// SHA-256 in hexadecimal with or without colons; empty: any trusted certificate.
	Fingerprint string
	// AWS, if set, signs every request for Amazon's OpenSearch service.
	AWS *AWS

	// RefusedHint is advice on refused credentials; empty: the usual advice.
	RefusedHint string
	// URLSource says where the addresses come from, for messages; empty: nothing is said.
	URLSource string
	// UnreachableHint is advice on a cluster that cannot be reached; empty: none.
	UnreachableHint string

	// Timeout bounds one request. ConnectTimeout bounds the wait for a cluster that does
	// not answer, or that is not ready.
	Timeout        time.Duration
	ConnectTimeout time.Duration
	UserAgent      string

	// Trace, if set, is called for every request and its reply: for debug logs, tests and
	// benchmarks. It does not get credentials.
	Trace func(Exchange)
	// Wait, if set, is called during the wait for an unreachable cluster.
	Wait func(err error, elapsed time.Duration)
	// Warn, if set, is called with warnings about the connection.
	Warn func(text string)
	// Transport replaces the network in tests.
	Transport http.RoundTripper
}

// Exchange is one request and its reply.
type Exchange struct {
	Method string
	URI    string // path and query
	Status int    // 0: no reply
	Bytes  int64  // of the reply's body read so far
	Took   time.Duration
	Err    error
	Body   []byte // of the request; none where it may hold keys
}

// maxLine is the maximum length of a request line in bytes, from method to protocol;
// servers refuse longer lines by default.
const maxLine = 4096

// Client is a cluster over HTTP.
type Client struct {
	o      Options
	prefix int // longest path prefix of the URLs, in bytes

	mu     sync.Mutex
	server *cluster.Server
	own    map[string]bool // indices of esnap's own that exist

	hosts hosts
	sight sight
	idle  func() // closes idle connections

	secret func() *regexp.Regexp // matches the credentials
}

var _ cluster.Cluster = (*Client)(nil)

// Close closes the connections that are not in use.
func (c *Client) Close() error {
	if c.idle != nil {
		c.idle()
	}
	return nil
}

// New makes a client. It reads certificate files but sends nothing.
func New(o Options) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	c := &Client{o: o, secret: sync.OnceValue(func() *regexp.Regexp { return anyOf(o.secrets()) })}
	c.hosts.warn = o.Warn
	options := []elastictransport.Option{elastictransport.WithDisableRetry(), elastictransport.WithUserAgent(o.UserAgent)}
	if o.Header != nil {
		options = append(options, elastictransport.WithHeader(o.Header))
	}
	switch {
	case o.APIKey != "":
		options = append(options, elastictransport.WithAPIKey(o.APIKey))
	case o.BearerToken != "":
		options = append(options, elastictransport.WithHeader(withAuthorization(o.Header, "Bearer "+o.BearerToken)))
	case o.Username != "":
		options = append(options, elastictransport.WithBasicAuth(o.Username, o.Password))
	}
	var urls []*url.URL
	for _, raw := range o.URLs {
		u, err := ParseURL(raw)
		if err != nil {
			return nil, err
		}
		c.prefix = max(c.prefix, len(u.EscapedPath()))
		urls = append(urls, u)
	}
	if len(urls) == 0 {
		return nil, errors.New("no cluster address is set")
	}
	var err error
	transport := o.Transport
	if transport == nil {
		plain, err := httpTransport(o)
		if err != nil {
			return nil, err
		}
		transport, c.idle = plain, plain.CloseIdleConnections
	}
	if o.AWS != nil {
		if transport, err = newSigner(*o.AWS, transport); err != nil {
			return nil, err
		}
	}
	options = append(options, elastictransport.WithTransport(asWritten{transport}))
	for _, u := range urls {
		t, err := elastictransport.NewClient(append(options, elastictransport.WithURLs(u))...)
		if err != nil {
			return nil, fmt.Errorf("cannot set up the connection: %w", err)
		}
		c.hosts.list = append(c.hosts.list, t)
	}
	return c, nil
}

// call is one request to make.
type call struct {
	op      string              // for errors: "delete snapshot r/s"
	request func() request      // made again for every try
	write   bool                // may change something: not repeated
	private bool                // the body may contain keys: Trace does not get it
	least   time.Duration       // minimum of the time-out
	decode  func(*stream) error // of a successful reply; nil: it must acknowledge a write
	accept  []int               // statuses besides 2xx that are not a failure
	absent  []int               // statuses that mean that nothing exists: not a failure, and nothing to decode
	deletes bool                // deletes data: directly before it, the address must show its cluster
	which   bool                // asks which cluster answers: sent before that is known
	resend  resend
}

// resend is when this package may send a call again. The zero value: a read if its reply
// allows it or is missing; a write only if the server reported that it did nothing, or was
// not reached.
type resend int

const (
	// harmless is a write that does the same the second time: it is sent again like a read.
	harmless resend = iota + 1
	// never: the caller waits itself, or a second call would do something else, or the
	// conditions must be read again first.
	never
)

// tries is the maximum number of times that one read is sent.
const tries = 5

// do makes a call to the present address. After a failure that another address may not
// have, it uses the next one.
func (c *Client) do(ctx context.Context, k call) error {
	pause := 100 * time.Millisecond
	for try := 1; ; try++ {
		host, err := c.ready(ctx, k)
		var retryAfter time.Duration
		if err == nil {
			retryAfter, err = c.once(ctx, k, host)
		}
		moved := c.hosts.leave(host, err)
		if errors.Is(err, errNotSent) && moved && try < len(c.o.URLs) && ctx.Err() == nil {
			continue // another host may answer at once
		}
		if err == nil || ctx.Err() != nil || k.resend == never || try >= tries || !again(k, err) {
			return err
		}
		wait := max(retryAfter, pause/2+rand.N(pause)) //nolint:gosec // jitter
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(wait, 30*time.Second)):
		}
		pause = min(pause*3, 5*time.Second)
	}
}

// again reports whether a failed call may be sent again.
func again(k call, err error) bool {
	switch {
	case errors.Is(err, errNotSent), errors.Is(err, cluster.ErrRejected):
		return true
	case k.write && k.resend != harmless:
		return false
	}
	return errors.Is(err, cluster.ErrUnavailable) || errors.Is(err, errNoReply) ||
		errors.Is(err, cluster.ErrLost) && !errors.Is(err, errTimedOut)
}

var (
	errNotSent  = errors.New("the request was not sent")
	errNoReply  = errors.New("the connection was lost")
	errTimedOut = errors.New("no answer within the time-out")
	errTooLong  = errors.New("the request line is too long")
	errDots     = errors.New("this name cannot be used in a request, because it means another path")

	errNotRecovered = errors.New("the cluster has not recovered its state")
)

func (c *Client) once(ctx context.Context, k call, host int) (retryAfter time.Duration, err error) {
	timeout := c.o.Timeout
	if own := cluster.RequestTimeout(ctx); own > 0 && k.write {
		timeout = own
	}
	timeout = max(timeout, k.least)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	ex := Exchange{}
	start := time.Now()
	var uri string
	defer func() {
		if c.o.Trace != nil {
			ex.Took, ex.Err = time.Since(start), err
			c.o.Trace(ex)
		}
	}()
	defer func() { err = c.masked(err) }()
	resp, err := k.request().send(ctx, func(r *http.Request) (*http.Response, error) {
		uri = r.URL.RequestURI()
		ex.Method, ex.URI = r.Method, uri
		if name := dots(r.URL.EscapedPath()); name != "" {
			return nil, fmt.Errorf("%w: %q", errDots, name)
		}
		if n := lineLength(r.Method, c.prefix, uri); n > maxLine {
			return nil, fmt.Errorf("%w: it has %d bytes; servers accept %d", errTooLong, n, maxLine)
		}
		if r.Body != nil && c.o.Trace != nil && !k.private {
			ex.Body, _ = io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(ex.Body))
		}
		return c.hosts.list[host].Perform(r)
	})
	if err != nil {
		return 0, c.transportError(ctx, k, host, err)
	}
	defer resp.Body.Close()
	ex.Status = resp.StatusCode
	body := &counter{r: resp.Body, n: &ex.Bytes}
	switch {
	case resp.StatusCode < 300, slices.Contains(k.accept, resp.StatusCode):
	case slices.Contains(k.absent, resp.StatusCode):
		_, err = io.Copy(io.Discard, io.LimitReader(body, maxErrorBody))
		return 0, err
	default:
		retryAfter, _ = parseRetryAfter(resp.Header.Get("Retry-After"))
		err = replyError(k, resp.StatusCode, body, c.mask)
		if said := (*cluster.Error)(nil); errors.As(err, &said) {
			said.RetryAfter = retryAfter
			if c.o.RefusedHint != "" && errors.Is(err, cluster.ErrUnauthorized) {
				said.Hint = c.o.RefusedHint
			}
		}
		return retryAfter, err
	}
	decode := k.decode
	if decode == nil {
		decode = acknowledged
	}
	err = decodeReply(body, func(uuid string) error { return c.hosts.learn(host, uuid) }, decode)
	var said *cluster.Error
	if errors.As(err, &said) {
		if said.Op == "" {
			said.Op = k.op
		}
		return 0, said
	}
	if err != nil {
		e := &cluster.Error{
			Op:     k.op,
			Kind:   cluster.ErrUnreachable,
			Status: resp.StatusCode,
			Err:    errors.Join(errNoReply, err),
			Text:   "the reply is incomplete or not valid for this request: " + err.Error(),
		}
		switch {
		case k.write:
			e.Kind = cluster.ErrLost
		case errors.Is(err, errTooLarge):
			e.Kind, e.Err = cluster.ErrServer, err
		}
		return 0, e
	}
	return 0, nil
}

type counter struct {
	r io.Reader
	n *int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

func parseRetryAfter(v string) (time.Duration, bool) {
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}

// transportError is the error for a request without a reply.
func (c *Client) transportError(ctx context.Context, k call, host int, err error) error {
	e := &cluster.Error{Op: k.op, Kind: cluster.ErrUnreachable, Err: err, Text: plainTransport(err)}
	var dial *net.OpError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errNoCredentials):
		e.Kind, e.Hint = cluster.ErrUnauthorized, hintCredentials
		if over := (passing{}); errors.As(err, &over) {
			e.Err = errors.Join(errNotSent, err)
		}
	case errors.Is(err, errTooLong), errors.Is(err, errDots): // nothing was sent, and it will never be sent
		e.Kind = cluster.ErrInvalid
	case strings.Contains(err.Error(), "net/http: invalid header field value for"): // the same, but the package does not export an error
		e.Kind, e.Hint = cluster.ErrInvalid, "a credential or header contains a line end or another control character; remove it"
	case errors.As(err, &cert):
		e.Text = "the server's certificate is not trusted: " + cert.Err.Error()
		e.Hint, e.Lasting = "set the certificate authority with --ca-file", true
		if host := (x509.HostnameError{}); errors.As(err, &host) {
			e.Hint = "use a host name of the certificate; or set the expected name with --server-name"
		}
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Text, e.Hint, e.Lasting = "the server does not speak TLS on this port", "use http:// in the address, or the port for TLS", true
	case errors.As(err, &dial) && dial.Op == "dial", errors.Is(err, syscall.ECONNREFUSED):
		e.Hint, e.Err = c.o.UnreachableHint, errors.Join(errNotSent, err)
		if dial != nil {
			e.Text = dial.Err.Error()
		}
		var call *os.SyscallError
		if errors.As(err, &call) {
			e.Text = call.Err.Error()
		}
		if cannot := "cannot reach " + c.address(host); k.op == askVersion {
			e.Op = cannot
		} else {
			e.Text = cannot + ": " + e.Text
		}
	case k.write && ctx.Err() != nil:
		e.Kind, e.Text, e.Err = cluster.ErrLost, context.Cause(ctx).Error(), errors.Join(errTimedOut, err)
	case ctx.Err() != nil:
		e.Text = context.Cause(ctx).Error()
	case k.write:
		e.Kind = cluster.ErrLost
	default:
		e.Err = errors.Join(errNoReply, err)
	}
	return e
}

// address is one of the addresses as it was given, without a password and a query.
func (c *Client) address(host int) string {
	text := c.o.URLs[host]
	if u, err := url.Parse(text); err == nil {
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		text = u.String()
	}
	if c.o.URLSource != "" {
		text += " (from " + c.o.URLSource + ")"
	}
	return text
}

// plainTransport is the last part of a transport's error: what happened, without the
// method and URL that every layer adds.
func plainTransport(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

func jsonBody(v any) io.Reader {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("es: body cannot be written as JSON: %v", err))
	}
	return bytes.NewReader(b)
}

// dots finds a part of a path that proxies remove together with the part before it:
// deleting the snapshot ".." of a repository would delete the repository. Every request is
// checked here, so such a name is never sent.
func dots(path string) string {
	for part := range strings.SplitSeq(path, "/") {
		if cluster.IsDots(part) {
			return part
		}
	}
	return ""
}

// esc escapes a name for a path: the request types insert it unchanged. Elasticsearch 6
// reads a plus in a path as a blank.
func esc(name string) string { return strings.ReplaceAll(url.PathEscape(name), "+", "%2B") }

func escAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = esc(n)
	}
	return out
}

// ignoreUnavailable is the parameter with which a request leaves out indices that do not exist or
// are closed.
const ignoreUnavailable = "ignore_unavailable"

// named makes a call about indices that are named one by one, some of which may be deleted
// meanwhile. A server that is told to leave those out also leaves out, without a word, what the
// user has no privilege on: it would look deleted. So the request is first sent without that
// parameter, to be refused with the missing privilege, and with it only if an index does not
// exist or is closed.
func (c *Client) named(ctx context.Context, k call) error {
	whole, absent := k.request, k.absent
	k.request = func() request {
		r := whole()
		delete(r.query, ignoreUnavailable)
		return r
	}
	k.absent = nil
	err := c.do(ctx, k)
	if whole().query[ignoreUnavailable] == "" || !leavesOut(err) {
		return err
	}
	k.request, k.absent = whole, absent
	return c.do(ctx, k)
}

// leavesOut reports whether a server refused a request, before it did anything, because of an index
// that does not exist or is closed.
func leavesOut(err error) bool {
	var e *cluster.Error
	return errors.As(err, &e) && (e.Has("index_not_found_exception") || e.Has("index_closed_exception") ||
		e.Has("cluster_block_exception") && errors.Is(err, cluster.ErrInvalid)) // the block of a closed index, before 7.0
}

// batches splits names so that the line of a request for each batch is short enough. It
// measures the very request that is sent.
func (c *Client) batches(names []string, of func(batch []string) request) [][]string {
	room := maxLine - of([]string{""}).line(c.prefix)
	var out [][]string
	used := 0
	for _, n := range names {
		size := len(esc(n)) + 1
		if len(out) == 0 || used+size > room {
			out = append(out, nil)
			used = 0
		}
		out[len(out)-1] = append(out[len(out)-1], n)
		used += size
	}
	return out
}
