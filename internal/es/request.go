package es

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is what is sent. The request types of go-elasticsearch are not used: each adds 5 to
// 12 kB to the program, and some lack parameters.
type request struct {
	method string // empty: GET
	path   string // escaped
	query  params
	body   any // nil: none is sent
}

// params are the parameters of a request; what is empty is not sent.
type params map[string]string

// ms is a time as servers read it.
func ms(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// only is a boolean parameter that is false by default.
func only(b bool) string {
	if !b {
		return ""
	}
	return "true"
}

// list is a parameter of several values.
func list(values ...string) string { return strings.Join(values, ",") }

// pathOf is the path of some names, as one part of it, between other parts.
func pathOf(before string, names []string, after string) string {
	return before + "/" + strings.Join(escAll(names), ",") + after
}

// stateOf is a request for parts of the cluster state.
func stateOf(metrics string, paths ...string) request {
	return request{path: "/_cluster/state/" + metrics, query: params{"filter_path": list(paths...)}}
}

// uri is the path and the parameters.
func (p request) uri() string {
	query := url.Values{}
	for k, v := range p.query {
		if v != "" {
			query.Set(k, v)
		}
	}
	if len(query) == 0 {
		return p.path
	}
	return p.path + "?" + query.Encode()
}

// line is the length of the first line of the request, in bytes, below a URL with a path of
// prefix bytes.
func (p request) line(prefix int) int {
	return lineLength(cmp.Or(p.method, http.MethodGet), prefix, p.uri())
}

func lineLength(method string, prefix int, uri string) int {
	return len(method) + len(" ") + prefix + len(uri) + len(" HTTP/1.1")
}

// send sends the request; the caller closes the body of the reply.
func (p request) send(ctx context.Context, perform func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	var body io.Reader
	if p.body != nil {
		body = jsonBody(p.body)
	}
	r, err := http.NewRequestWithContext(ctx, cmp.Or(p.method, http.MethodGet), p.uri(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return perform(r)
}
