package es

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const local = "GET /_nodes/_local?filter_path=cluster_name,nodes.*.version,nodes.*.build_flavor"

// What answers, by what it says of itself: no header is needed (Elasticsearch
// before 7.14 and OpenSearch send none).
func TestServer(t *testing.T) {
	forbidden := exchange{
		line:   "GET /",
		status: 403,
		reply:  `{"error":{"type":"security_exception","reason":"action [cluster:monitor/main] is unauthorized"},"status":403}`,
	}
	// GET / would have reported the cluster.
	which := exchange{line: "GET /_cluster/state/master_node?filter_path=cluster_uuid", reply: `{}`}
	method := exchange{line: "GET /", status: 405, reply: read(t, "errors/method.es8197.json")}
	for _, c := range []struct {
		name string
		sent []exchange
		want cluster.Server
		err  error
	}{
		{
			"6.7",
			[]exchange{{line: "GET /", reply: root670}},
			cluster.Server{Version: cluster.Version{6, 7, 0}, Text: "6.7.0", Name: "logs", UUID: "I1fp"},
			nil,
		},
		{
			"OpenSearch",
			[]exchange{{line: "GET /", reply: root2110}},
			cluster.Server{OpenSearch: true, Version: cluster.Version{2, 11, 0}, Text: "2.11.0", Name: "logs", UUID: "mZlD"},
			nil,
		},
		{
			"OpenSearch that says it is 7.10.2",
			[]exchange{{line: "GET /", reply: `{"version":{"number":"7.10.2"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`}},
			cluster.Server{OpenSearch: true, Version: cluster.Version{7, 10, 2}, Text: "7.10.2"},
			nil,
		},
		{
			"a user without monitor",
			[]exchange{forbidden, {line: local, reply: `{"cluster_name":"logs","nodes":{"kuh1":{"version":"6.7.0","build_flavor":"oss"}}}`}, which},
			cluster.Server{Version: cluster.Version{6, 7, 0}, Text: "6.7.0", Name: "logs", UUID: "I1fp"},
			nil,
		},
		{
			"a trimmed distribution",
			[]exchange{method, {line: local, reply: `{"nodes":{"kuh1":{"version":"8.19.7","build_flavor":"default"}}}`}, which},
			cluster.Server{Version: cluster.Version{8, 19, 7}, Text: "8.19.7", UUID: "I1fp"},
			nil,
		},
		{
			"OpenSearch nodes have no flavour",
			[]exchange{method, {line: local, reply: `{"nodes":{"kuh1":{"version":"1.3.20"}}}`}, which},
			cluster.Server{OpenSearch: true, Version: cluster.Version{1, 3, 20}, Text: "1.3.20", UUID: "I1fp"},
			nil,
		},
		{
			"a proxy's page at /",
			[]exchange{
				{line: "GET /", status: 404, reply: "<h1>Not Found</h1>"},
				{line: local, reply: `{"nodes":{"a":{"version":"6.8.23","build_flavor":"oss"}}}`},
				which,
			},
			cluster.Server{Version: cluster.Version{6, 8, 23}, Text: "6.8.23", UUID: "I1fp"},
			nil,
		},
		{
			"a page of a proxy with 200",
			[]exchange{
				{line: "GET /", reply: "<h1>Welcome</h1>"},
				{line: local, reply: `{"nodes":{"a":{"version":"6.8.23","build_flavor":"oss"}}}`},
				which,
			},
			cluster.Server{Version: cluster.Version{6, 8, 23}, Text: "6.8.23", UUID: "I1fp"},
			nil,
		},
		{
			"neither may be asked",
			[]exchange{forbidden, {line: local, status: 403, reply: "no"}, {line: which.line, status: 403, reply: "no"}, forbidden},
			cluster.Server{},
			nil,
		},

		{"credentials refused", []exchange{{line: "GET /", status: 401, reply: "Unauthorized"}}, cluster.Server{}, cluster.ErrUnauthorized},
		{
			"credentials refused behind /",
			[]exchange{method, {line: local, status: 401, reply: "Unauthorized"}},
			cluster.Server{},
			cluster.ErrUnauthorized,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, s := play(t, Options{}, c.sent...)
			got, err := client.Server(context.Background())
			if c.err != nil {
				requireKind(t, c.err, err, c.name)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			again, err := client.Server(context.Background())
			require.NoError(t, err)
			require.Equal(t, got, again)
			require.Len(t, s.requests, len(c.sent), "the answer is not remembered")
		})
	}
}

// The first call waits for a cluster that does not answer or is not ready, as
// long as ConnectTimeout says, and tells.
func TestWaitsForTheCluster(t *testing.T) {
	ready := exchange{line: "GET /", reply: root670}
	many := func(x exchange, n int) (list []exchange) {
		for range n {
			list = append(list, x.on("GET /"))
		}
		return list
	}
	for _, c := range []struct {
		name  string
		fault exchange
	}{
		{"refused", refused},
		{"no such host", noHost},
		{"503", absent},
		{"starting", starting},
		{"no master", exchange{status: 503, reply: `{"error":{"type":"master_not_discovered_exception","reason":null},"status":503}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []error
				o := Options{ConnectTimeout: 10 * time.Minute, Wait: func(err error, elapsed time.Duration) { told = append(told, err) }}
				client, _ := play(t, o, append(many(c.fault, 20), ready)...)
				start := time.Now()
				s, err := client.Server(t.Context())
				require.NoError(t, err)
				require.Equal(t, "6.7.0", s.Text)
				require.Len(t, told, 4, "at the start, then whenever the time has doubled")
				require.Less(t, time.Since(start), 10*time.Minute)
				require.Greater(t, time.Since(start), 20*time.Second, "asks too often")

				told = nil
				o.ConnectTimeout = 5 * time.Second
				client, _ = play(t, o, many(c.fault, 4)...)
				start = time.Now()
				_, err = client.Server(t.Context())
				require.True(t, cluster.Transient(err), err)
				require.Equal(t, 5*time.Second, time.Since(start))
				require.Len(t, told, 1)

				client, _ = play(t, Options{}, many(c.fault, 1)...)
				_, err = client.Server(t.Context())
				require.True(t, cluster.Transient(err), "ConnectTimeout 0 does not wait")
			})
		})
	}
	t.Run("credentials are not waited for", func(t *testing.T) {
		client, _ := play(t, Options{ConnectTimeout: time.Minute}, exchange{line: "GET /", status: 401})
		_, err := client.Server(context.Background())
		requireKind(t, cluster.ErrUnauthorized, err, "401")
	})
	t.Run("interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			client, _ := play(t, Options{ConnectTimeout: time.Minute}, many(refused, 2)...)
			time.AfterFunc(3*time.Second, cancel)
			start := time.Now()
			_, err := client.Server(ctx)
			requireKind(t, cluster.ErrUnreachable, err, "interrupted")
			require.Equal(t, 3*time.Second, time.Since(start))
		})
	})
}

// Of two hosts the one that answers is used, for writes too where the other one
// refuses the connection; a write that may have arrived is not sent to another.
func TestFailsOver(t *testing.T) {
	hosts := func(s *script) (list []string) {
		for _, r := range s.requests {
			list = append(list, r.URL.Host)
		}
		return list
	}
	o := Options{URLs: []string{"http://a:9200", "http://b:9200"}}
	which := exchange{reply: `{"cluster_uuid":"u"}`}
	synctest.Test(t, func(t *testing.T) {
		client, s := play(t, o, refused.on("DELETE /_snapshot/r"),
			which.on("GET /_cluster/state/master_node?filter_path=cluster_uuid"), exchange{line: "DELETE /_snapshot/r"})
		sameCluster(t, client)
		start := time.Now()
		require.NoError(t, client.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "r"}))
		require.Equal(t, []string{"a:9200", "b:9200", "b:9200"}, hosts(s))
		require.Zero(t, time.Since(start), "the other host is asked at once")
		time.Sleep(24 * time.Hour) // the transport's goroutine for the dead host ends
	})
	synctest.Test(t, func(t *testing.T) {
		client, s := play(t, o, absent.on("GET /_snapshot/r"), exchange{line: "GET /_snapshot/r", reply: `{"r":{"type":"fs"}}`})
		_, err := client.Repository(t.Context(), "r")
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"a:9200", "b:9200"}, hosts(s))
	})
	synctest.Test(t, func(t *testing.T) {
		client, _ := play(t, o, reset.on("DELETE /_snapshot/r"))
		sameCluster(t, client)
		requireKind(t, cluster.ErrLost, client.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "r"}), "lost")
		time.Sleep(24 * time.Hour)
	})
}

// sameCluster has both addresses of a client known as those of one cluster.
func sameCluster(t *testing.T, c *Client) {
	t.Helper()
	require.NoError(t, errors.Join(c.hosts.learn(0, "u"), c.hosts.learn(1, "u")))
	c.hosts.checked = true
}

// TestHostsOfDifferentClusters: what was listed in one is not written in another.
func TestHostsOfDifferentClusters(t *testing.T) {
	const silent = "hides it"
	for name, c := range map[string]struct {
		uuids []string // of the hosts; empty: it does not answer
		wrong string
	}{
		"one cluster":                            {[]string{"u1", "u1"}, ""},
		"one host is down":                       {[]string{"u1", ""}, ""},
		"the first host is down":                 {[]string{"", "u1"}, ""},
		"two clusters":                           {[]string{"u1", "u2"}, "number 2 belongs to another cluster"},
		"two, and one that is down":              {[]string{"", "u1", "u2"}, "number 3 belongs to another cluster"},
		"another one hides it: it is not used":   {[]string{"u1", silent}, ""},
		"the one in use hides it":                {[]string{silent, "u1"}, "number 1 does not tell"},
		"no answer is never the same":            {[]string{silent, silent}, "number 1 does not tell"},
		"one address that hides it is warned of": {[]string{silent}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var deletes atomic.Int32
			var warned []string
			o := Options{Warn: func(text string) { warned = append(warned, text) }}
			for _, id := range c.uuids {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Method == "DELETE":
						deletes.Add(1)
						_, _ = io.WriteString(w, `{"acknowledged":true}`)
					case id == silent && strings.Contains(r.URL.Path, "state"):
						w.WriteHeader(403)
						_, _ = io.WriteString(w, `{"error":{"type":"security_exception","reason":"no"},"status":403}`)
					case id == silent:
						_, _ = io.WriteString(w, `{"version":{"number":"7.17.28"}}`)
					default:
						_, _ = io.WriteString(w, `{"cluster_uuid":"`+id+`"}`)
					}
				}))
				o.URLs = append(o.URLs, server.URL)
				if t.Cleanup(server.Close); id == "" {
					server.Close()
				}
			}
			client, err := New(o)
			require.NoError(t, err)
			for range 2 {
				err = client.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"i"}})
				if c.wrong != "" {
					requireKind(t, cluster.ErrOtherCluster, err, c.wrong)
				} else {
					require.NoError(t, err)
				}
			}
			require.Equal(t, c.wrong == "", deletes.Load() == 2)
			require.Equal(t, len(c.uuids) == 1, len(warned) == 1, warned)
		})
	}
}

// TestAnAddressThatIsSwitched: one address that leads to another cluster meanwhile is
// noticed by whatever is read, and right before a deletion.
func TestAnAddressThatIsSwitched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		which := "GET /_cluster/state/master_node?filter_path=cluster_uuid"
		client, _ := play(t, Options{}, exchange{line: which, reply: `{"cluster_uuid":"u"}`},
			exchange{line: "DELETE /i?expand_wildcards=none", reply: `{"acknowledged":true}`},
			exchange{line: which, reply: `{"cluster_uuid":"another"}`})
		time.Sleep(time.Minute) // since the listing
		require.NoError(t, client.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"i"}}))
		time.Sleep(time.Minute)
		requireKind(t, cluster.ErrOtherCluster, client.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"i"}}), "another cluster")
		requireKind(t, cluster.ErrOtherCluster,
			client.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "r"}), "and nothing is sent any more")
	})
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		url  string
		host string
		line string
	}{
		{"http://es:9200", "es:9200", "GET /_snapshot/a%23%C3%BC"},
		{" https://es/ ", "es", "GET /_snapshot/a%23%C3%BC"},
		{"http://[::1]:9200", "[::1]:9200", "GET /_snapshot/a%23%C3%BC"},
		{"https://[2001:db8::1]/es/", "[2001:db8::1]", "GET /es/_snapshot/a%23%C3%BC"},
		{"http://proxy:80/logs/es", "proxy:80", "GET /logs/es/_snapshot/a%23%C3%BC"},
	} {
		t.Run(c.url, func(t *testing.T) {
			client, s := play(t, Options{URLs: []string{c.url}}, exchange{line: c.line, reply: `{"a#ü":{"type":"fs"}}`})
			_, err := client.Repository(context.Background(), "a#ü")
			require.NoError(t, err)
			require.Equal(t, c.host, s.requests[0].URL.Host)
		})
	}
	for _, url := range []string{
		"", "es", "es:9200", "//es:9200", "ftp://es", "http://", "http://es:port", "http://[::1", "https:///path",
		"1.2.3.4:9200", "http://e s",
	} {
		_, err := New(Options{URLs: []string{url}})
		require.Error(t, err, "%q", url)
		require.Contains(t, err.Error(), "http://", "%q: says how it is written", url)
	}
	_, err := New(Options{})
	require.EqualError(t, err, "no cluster address is set")
}

// Exactly one Authorization header, in the form servers expect.
func TestCredentials(t *testing.T) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct {
		name string
		o    Options
		want []string
	}{
		{"none", Options{}, nil},
		{"basic", Options{Username: "u", Password: "p:ä"}, []string{basic("u:p:ä")}},
		{"in the address", Options{URLs: []string{"http://u:p%40@es:9200"}}, []string{basic("u:p@")}},
		{"the address wins", Options{URLs: []string{"http://u:p@es"}, Username: "other", Password: "x"}, []string{basic("u:p")}},
		{"API key", Options{APIKey: "aWQ6a2V5"}, []string{"APIKey aWQ6a2V5"}},
		{"bearer", Options{BearerToken: "tok"}, []string{"Bearer tok"}},
		{"API key over the others", Options{APIKey: "aWQ6a2V5", BearerToken: "tok", Username: "u", Password: "p"}, []string{"APIKey aWQ6a2V5"}},
		{"bearer over basic", Options{BearerToken: "tok", Username: "u", Password: "p"}, []string{"Bearer tok"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, s := play(t, c.o, exchange{line: "GET /", reply: root670})
			_, err := client.Server(context.Background())
			require.NoError(t, err)
			require.Equal(t, c.want, s.requests[0].Header.Values("Authorization"))
			require.Nil(t, s.requests[0].URL.User)
		})
	}
}

func TestHeaders(t *testing.T) {
	header := http.Header{"X-Opaque-Id": {"night"}, "X-Api-Key": {"k"}}
	client, s := play(t, Options{Header: header, BearerToken: "tok", UserAgent: "esnap/1"}, exchange{line: "GET /", reply: root670})
	_, err := client.Server(context.Background())
	require.NoError(t, err)
	sent := s.requests[0].Header
	require.Equal(t, "night", sent.Get("X-Opaque-Id"))
	require.Equal(t, "k", sent.Get("X-Api-Key"))
	require.Equal(t, "Bearer tok", sent.Get("Authorization"))
	require.Equal(t, "esnap/1", sent.Get("User-Agent"))
	require.Empty(t, header.Get("Authorization"), "the caller's headers are changed")
}

// Compressed replies cost the server more than they save here (facts D10).
func TestDoesNotAskForGzip(t *testing.T) {
	var accepted, encoding string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepted, encoding = r.Header.Get("Accept-Encoding"), r.Header.Get("Content-Encoding")
		_, _ = w.Write([]byte(`{"acknowledged":true}`))
	}))
	defer server.Close()
	client, err := New(Options{URLs: []string{server.URL}})
	require.NoError(t, err)
	require.NoError(t, client.UpdateAliases(context.Background(), cluster.UpdateAliases{}))
	require.Empty(t, accepted)
	require.Empty(t, encoding)
}

// HTTP_PROXY is read once a process, so the client is made in one of its own.
func TestUsesTheProxyOfTheEnvironment(t *testing.T) {
	if url := os.Getenv("ESNAP_TEST_PROXIED"); url != "" {
		client, err := New(Options{URLs: []string{url}})
		require.NoError(t, err)
		s, err := client.Server(context.Background())
		require.NoError(t, err)
		require.Equal(t, "6.7.0", s.Text)
		return
	}
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		_, _ = w.Write([]byte(root670))
	}))
	defer proxy.Close()
	self := exec.Command(os.Args[0], "-test.run=^TestUsesTheProxyOfTheEnvironment$")
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(strings.ToUpper(e), "="); !strings.HasSuffix(name, "_PROXY") {
			self.Env = append(self.Env, e)
		}
	}
	self.Env = append(self.Env, "ESNAP_TEST_PROXIED=http://cluster.invalid:9200", "HTTP_PROXY="+proxy.URL)
	out, err := self.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, []string{"http://cluster.invalid:9200/"}, asked)
}

// A cluster that has not recovered its state answers a listing with nothing: that is
// no empty list (the reply of Elasticsearch 6.7.0 with gateway.recover_after_nodes).
func TestWaitsForTheState(t *testing.T) {
	line := "GET /_cluster/state/metadata,blocks?filter_path="
	const block = `{"blocks":{"global":{"1":{"description":"state not recovered / initialized","retryable":true,` +
		`"disable_state_persistence":true,"levels":["read","write","metadata_read","metadata_write"]}}}}`
	const settings = "cluster_uuid,metadata.cluster_uuid,blocks.global,metadata.indices.*.settings&flat_settings=true"
	calls := map[string]func(*testing.T, *Client) (int, error){
		listing: func(t *testing.T, c *Client) (int, error) { l, err := c.Indices(t.Context()); return len(l), err },
		settings: func(t *testing.T, c *Client) (int, error) {
			s, err := c.Settings(t.Context(), []string{"a"})
			return len(s), err
		},
	}
	for query, call := range calls {
		synctest.Test(t, func(t *testing.T) {
			list := []exchange{}
			for range 2 * tries {
				list = append(list, exchange{line: line + query, reply: block})
			}
			told := 0
			client, _ := play(t, Options{ConnectTimeout: time.Minute, Wait: func(err error, _ time.Duration) {
				told++
				require.ErrorContains(t, err, "state not recovered")
			}}, append(list, exchange{
				line: line + query,
				reply: `{"metadata":{"indices":{"a":{"state":"open","settings":{"x":"1"}}}},` +
					`"blocks":{"global":{"6":{"description":"cluster read-only"}}}}`,
			})...)
			n, err := call(t, client)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Positive(t, told)

			client, _ = play(t, Options{}, list[:tries]...)
			_, err = call(t, client)
			requireKind(t, cluster.ErrUnavailable, err, "state not recovered")
		})
	}
}

// TestWhatIsNoCluster cannot be reached, and waiting does not help: a wrong path, a
// page of a proxy, another service.
func TestWhatIsNoCluster(t *testing.T) {
	const url, html = "http://es:9200/wrong", "<html><head><title>404 Not Found</title></head><body>nginx</body></html>"
	below := strings.Replace(local, "GET /", "GET /wrong/", 1)
	for name, replies := range map[string][2]exchange{
		"an index that does not exist": {
			{status: 404, reply: read(t, "errors/no-index.es8197.json")},
			{status: 400, reply: `{"error":"no handler found for uri [/wrong/_nodes/_local] and method [GET]"}`},
		},
		"a document on 6.7": {
			{status: 404, reply: read(t, "errors/no-index.es670.json")},
			{status: 404, reply: `{"_index":"wrong","_type":"_nodes","_id":"_local","found":false}`},
		},
		"an index that exists": {
			{reply: `{"wrong":{"aliases":{},"mappings":{},"settings":{}}}`},
			{status: 400, reply: `{"error":"no handler found for uri"}`},
		},
		"no handler": {
			{status: 400, reply: `{"error":"no handler found for uri [/a/b] and method [GET]"}`},
			{status: 400, reply: `{"error":"no handler found for uri"}`},
		},
		"the method below a path": {
			{status: 405, reply: read(t, "errors/method.es8197.json")},
			{status: 405, reply: read(t, "errors/method.es8197.json")},
		},
		"a page that is not found":      {{status: 404, reply: html}, {status: 404, reply: html}},
		"a page":                        {{reply: html}, {reply: html}},
		"a page at its root":            {{reply: html}, {status: 404, reply: html}},
		"another service":               {{reply: `{"status":"ok"}`}, {reply: `{}`}},
		"a service that answers a list": {{reply: `[]`}, {reply: `"x"`}},
		"plain http on a TLS port": {
			{status: 400, reply: "<html>The plain HTTP request was sent to HTTPS port</html>"},
			{status: 400, reply: "<html>The plain HTTP request was sent to HTTPS port</html>"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := play(t, Options{
				URLs:           []string{url},
				ConnectTimeout: 10 * time.Minute,
				Wait:           func(err error, _ time.Duration) { t.Error("waits: ", err) },
			},
				replies[0].on("GET /wrong/"), replies[1].on(below))
			_, err := client.Server(t.Context())
			requireKind(t, cluster.ErrUnreachable, err, "is not Elasticsearch or OpenSearch")
			require.Contains(t, cluster.Hint(err), "the path")
		})
	}
}
