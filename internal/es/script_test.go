package es

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exchange is one request that is expected, and its reply.
type exchange struct {
	line   string // method, path as sent, and query with its escapes undone
	body   string // of the request, as JSON; empty: none is sent
	status int    // of the reply; 0 is 200
	header http.Header
	reply  string
	err    error         // instead of a reply
	hang   time.Duration // before the reply, or until the request is given up
	broken bool          // the reply breaks off at its end
	asIs   bool          // nothing is added to the reply that every genuine one has
}

// script answers requests from a list, in order. One that is not expected fails
// the test, and so does one that is expected and does not come.
type script struct {
	t        *testing.T
	want     []exchange
	requests []*http.Request
	at       []time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	n := len(s.requests)
	s.requests, s.at = append(s.requests, r), append(s.at, time.Now())
	query, err := url.QueryUnescape(r.URL.RawQuery)
	require.NoError(s.t, err)
	line := r.Method + " " + r.URL.EscapedPath()
	if query != "" {
		line += "?" + query
	}
	require.Less(s.t, n, len(s.want), "a request too many: %s", line)
	x := s.want[n]
	require.Equal(s.t, x.line, line, "request %d", n+1)
	var body []byte
	if r.Body != nil {
		body, err = io.ReadAll(r.Body)
		require.NoError(s.t, err)
	}
	if x.body == "" {
		require.Empty(s.t, string(body), line)
	} else {
		require.JSONEq(s.t, x.body, string(body), line)
		require.Equal(s.t, "application/json", r.Header.Get("Content-Type"))
	}
	if x.hang > 0 {
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(x.hang):
		}
	}
	if x.err != nil {
		return nil, x.err
	}
	if x.status == 0 {
		x.status = 200
	}
	if x.header == nil {
		x.header = http.Header{}
	}
	if !x.asIs && !x.broken && (x.status < 300 || x.status == 408) {
		x.reply = genuine(r.Method, line, x.reply)
	}
	reply := io.Reader(strings.NewReader(x.reply))
	if x.broken {
		reply = io.MultiReader(reply, brokenOff{})
	}
	return &http.Response{StatusCode: x.status, Header: x.header, Body: io.NopCloser(reply), Request: r}, nil
}

// genuine adds to a scripted reply what every genuine one to this request has.
func genuine(method, line, reply string) string {
	if reply == "" && method != http.MethodGet {
		return `{"acknowledged":true}`
	}
	body, ok := strings.CutPrefix(reply, "{")
	if !ok {
		return reply
	}
	for in, has := range map[string]string{
		"filter_path=cluster_uuid": `"cluster_uuid":"I1fp"`, "filter_path=_shards.total": `"_shards":{"total":1}`,
		"filter_path=status": `"status":"green"`, "aggregations,timed_out": `"timed_out":false`,
	} {
		if name, _, _ := strings.Cut(has, ":"); strings.Contains(line, in) && !strings.HasPrefix(body, name) {
			body = strings.TrimSuffix(has+","+body, ",}") + map[bool]string{true: "}"}[body == "}"]
		}
	}
	if body = "{" + body; !strings.Contains(line, "metadata.cluster_uuid") {
		return body
	}
	if before, after, found := strings.Cut(body, `"metadata":{`); found {
		return before + strings.Replace(`"metadata":{"cluster_uuid":"I1fp",`+after, ",}", "}", 1)
	}
	return strings.TrimSuffix(body, "}") + `,"metadata":{"cluster_uuid":"I1fp"}}`
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// play is a client on a script.
func play(t *testing.T, o Options, want ...exchange) (*Client, *script) {
	t.Helper()
	s := &script{t: t, want: want}
	if o.URLs == nil {
		o.URLs = []string{"http://es:9200"}
	}
	o.Transport = s
	c, err := New(o)
	require.NoError(t, err)
	if len(o.URLs) == 1 { // which cluster it is was read before
		c.hosts.known = map[int]time.Time{0: time.Now()}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			require.Len(t, s.requests, len(s.want), "requests that were expected did not come")
		}
	})
	return c, s
}

// read is a file below testdata.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(data)
}

const (
	root670 = `{"name":"n1","cluster_name":"logs","cluster_uuid":"I1fp","version":{"number":"6.7.0","build_flavor":"oss"},` +
		`"tagline":"You Know, for Search"}`
	root8197 = `{"cluster_name":"logs","version":{"number":"8.19.7"}}`
	root2110 = `{"cluster_name":"logs","cluster_uuid":"mZlD","version":{"distribution":"opensearch","number":"2.11.0"},` +
		`"tagline":"The OpenSearch Project: https://opensearch.org/"}`
)
