package es

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// plain is a request that needs no type of esapi: each of those adds 5 to 12 kB to the
// program, and some lack parameters.
type plain struct {
	method string // empty: GET
	path   string // escaped
	query  params
	body   any // nil: none is sent
}

// params are the parameters of a request.
type params map[string]string

// pathOf is the path of some names, as one part of it, between other parts.
func pathOf(before string, names []string, after string) string {
	return before + "/" + strings.Join(escAll(names), ",") + after
}

// Do implements esapi.Request.
func (p plain) Do(ctx context.Context, t esapi.Transport) (*esapi.Response, error) {
	var body io.Reader
	if p.body != nil {
		body = jsonBody(p.body)
	}
	if p.method == "" {
		p.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, p.method, p.path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	query := url.Values{}
	for k, v := range p.query {
		query.Set(k, v)
	}
	r.URL.RawQuery = query.Encode()
	resp, err := t.Perform(r) //nolint:bodyclose // the caller closes it
	if err != nil {
		return nil, err
	}
	return &esapi.Response{StatusCode: resp.StatusCode, Body: resp.Body, Header: resp.Header}, nil
}
