package es

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const (
	canaryUser = "canaryuser"
	canaryWord = "canaryword"
)

// requireNoCanary wants no secret in a text, in any form it could take there.
func requireNoCanary(t *testing.T, text, about string) {
	t.Helper()
	for _, form := range []string{canaryUser, canaryWord, base64.StdEncoding.EncodeToString([]byte(canaryUser + ":" + canaryWord))} {
		require.NotContains(t, text, form, about)
	}
}

// everything is an error in all the forms it can be shown in.
func everything(err error) string {
	var e *cluster.Error
	text := fmt.Sprintf("%s %v %+v %#v %s", err, err, err, err, cluster.Hint(err))
	if errors.As(err, &e) {
		text += fmt.Sprintf("%s %v %+v", e.Text, e.Err, e.Causes)
	}
	return text
}

// credentialed are all the ways to give credentials.
func credentialed() map[string]Options {
	return map[string]Options{
		"address": {URLs: []string{"http://" + canaryUser + ":" + canaryWord + "@es:9200"}},
		"basic":   {Username: canaryUser, Password: canaryWord},
		"API key": {APIKey: base64.StdEncoding.EncodeToString([]byte(canaryUser + ":" + canaryWord))},
		"bearer":  {BearerToken: canaryWord},
		"header":  {Header: http.Header{"X-Api-Key": {canaryWord}, "Authorization": {"Basic " + canaryWord}}},
	}
}

// Neither errors nor Trace ever hold what credentials are made of.
func TestCredentialsAreNeverShown(t *testing.T) {
	faults := map[string]exchange{
		"refused": refused, "no host": noHost, "reset": reset, "ended": ended,
		"cut short": cutShort, "429": tooMany, "502": gateway, "503": absent, "504": late,
		"500": broken, "404": missing, "hangs": hangs, "401": {status: 401, reply: "Unauthorized"},
		"403": {status: 403, reply: "Forbidden"}, "page": {reply: "<html>"}, "ok": {reply: `{"r":{}}`},
	}
	for how, o := range credentialed() {
		for what, fault := range faults {
			synctest.Test(t, func(t *testing.T) {
				shown := ""
				o.Trace = func(x Exchange) { shown += fmt.Sprintf("%+v %s %v", x, x.Body, x.Err) }
				for _, call := range []struct {
					line string
					do   func(*Client) error
				}{
					{"GET /_snapshot/r", func(c *Client) error { _, err := c.Repository(t.Context(), "r"); return err }},
					{"DELETE /_snapshot/r", func(c *Client) error {
						return c.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "r"})
					}},
				} {
					client, s := play(t, o)
					for range tries {
						s.want = append(s.want, fault.on(call.line))
					}
					err := call.do(client)
					s.want = s.want[:len(s.requests)]
					if err != nil {
						requireNoCanary(t, everything(err), how+", "+what)
					}
				}
				require.NotEmpty(t, shown)
				requireNoCanary(t, shown, "Trace: "+how+", "+what)
			})
		}
	}
}

// An address that cannot be used is not repeated where it may hold a password.
func TestBadAddressesAreNotShown(t *testing.T) {
	who := canaryUser + ":" + canaryWord
	for _, url := range []string{
		who + "@es:9200", "//" + who + "@es", "ftp://" + who + "@es", "http://" + who + "@",
		"http://" + who + "@es:port", "http://" + canaryUser + ":" + canaryWord + "%zz@es",
		"ftp://" + canaryWord + "@es", "https://" + who + "@[::1", "es@" + canaryWord,
		"http://" + canaryUser + ":" + canaryWord + "/es", " " + who + "@es", "http//" + who + "@es", who,
	} {
		_, err := New(Options{URLs: []string{url}})
		if err != nil { // the last but one forms are addresses of their own
			requireNoCanary(t, err.Error(), url)
		} else {
			require.Contains(t, url, "http://", "an address without a scheme was taken")
		}
	}
	_, err := New(Options{URLs: []string{"ftp://es:9200/x"}})
	require.ErrorContains(t, err, "ftp://es:9200/x", "a harmless one is shown")
	_, err = New(Options{URLs: []string{"ftp://es:9200/x?token=" + canaryWord + "#" + canaryWord}})
	requireNoCanary(t, err.Error(), "a query may contain a token")
}

// Through the network: what the transport itself says.
func TestCredentialsAreNotShownByTheTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, base := range []string{server.URL, closed.URL, strings.Replace(server.URL, "http:", "https:", 1)} {
		address := strings.Replace(base, "://", "://"+canaryUser+":"+canaryWord+"@", 1)
		synctest.Test(t, func(t *testing.T) { // the pauses between tries
			client, err := New(Options{URLs: []string{address}})
			require.NoError(t, err)
			err = client.UnregisterRepository(timed(t), cluster.UnregisterRepository{Name: "r"})
			require.Error(t, err)
			requireNoCanary(t, everything(err), base)
			time.Sleep(24 * time.Hour) // the transport's goroutine for the dead host ends
		})
	}
}

// Trace sees a request's body, but not that of a registration: it may hold keys.
func TestTrace(t *testing.T) {
	var got []Exchange
	o := Options{Trace: func(x Exchange) { x.Took = 0; got = append(got, x) }}
	client, _ := play(t, o,
		exchange{line: "POST /_aliases", body: `{"actions":null}`, reply: `{"acknowledged":true}`},
		exchange{line: "PUT /_snapshot/r?verify=false", body: `{"type":"s3","settings":{"secret_key":"` + canaryWord +
			`"}}`, reply: `{"acknowledged":true}`},
		exchange{line: "GET /_snapshot/r", status: 404, reply: read(t, "errors/no-repository.es670.json")})
	ctx := context.Background()
	require.NoError(t, client.UpdateAliases(ctx, cluster.UpdateAliases{}))
	require.NoError(t, client.RegisterRepository(ctx, cluster.RegisterRepository{
		Name:     "r",
		Type:     "s3",
		Settings: map[string]any{"secret_key": canaryWord},
	}))
	_, err := client.Repository(ctx, "r")
	require.Error(t, err)
	require.Equal(t, []Exchange{
		{Method: "POST", URI: "/_aliases", Status: 200, Bytes: 21, Body: []byte(`{"actions":null}`)},
		{Method: "PUT", URI: "/_snapshot/r?verify=false", Status: 200, Bytes: 21},
		{Method: "GET", URI: "/_snapshot/r", Status: 404, Bytes: int64(len(read(t, "errors/no-repository.es670.json"))), Err: err},
	}, got)
}

// timed is a context that ends the pauses between tries.
func timed(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 250_000_000)
	t.Cleanup(cancel)
	return ctx
}

// A proxy may repeat the request in its page.
func TestCredentialsInRepliesAreMasked(t *testing.T) {
	for how, o := range credentialed() {
		sent := base64.StdEncoding.EncodeToString([]byte(canaryUser + ":" + canaryWord))
		for _, word := range []string{canaryWord, sent} {
			if how == "bearer" && word == sent || how == "header" {
				continue
			}
			if how == "API key" && word == canaryWord {
				continue
			}
			line := "GET /_snapshot/r"
			client, _ := play(t, o, exchange{line: line, status: 500, reply: "<h1>refused: " + word + "</h1>"})
			_, err := client.Repository(t.Context(), "r")
			require.Error(t, err)
			requireNoCanary(t, everything(err), how)
			require.Contains(t, err.Error(), "refused: ***", how)
		}
	}
}

// TestMaskedForms: however a server or a proxy escapes a secret, no text of the error contains it.
func TestMaskedForms(t *testing.T) {
	const password = `CANARYé/ "&<1+2>'\😀12`
	ascii := func(s string) (out string) { // as servers write JSON that escape all but ASCII
		quoted, _ := json.Marshal(s)
		for _, r := range string(quoted[1 : len(quoted)-1]) {
			switch {
			case r > 0xffff:
				out += fmt.Sprintf(`\u%04x\u%04X`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			case r > 127:
				out += fmt.Sprintf(`\u%04x`, r)
			default:
				out += string(r)
			}
		}
		return out
	}
	var numeric strings.Builder
	for _, r := range password {
		if r > 127 || strings.ContainsRune(`"&<>'/`, r) {
			fmt.Fprintf(&numeric, "&#x%X;", r)
		} else {
			numeric.WriteRune(r)
		}
	}
	plain, _ := json.Marshal(password)
	forms := map[string]string{
		"as it is": password, "JSON": string(plain[1 : len(plain)-1]), "JSON in ASCII": ascii(password),
		"query": url.QueryEscape(password), "path": url.PathEscape(password),
		"base64": base64.StdEncoding.EncodeToString([]byte(password)), "base64 in addresses": base64.URLEncoding.EncodeToString([]byte(password)),
		"HTML": html.EscapeString(password), "numeric": numeric.String(), "JSON in HTML": html.EscapeString(ascii(password)),
	}
	for how, form := range forms {
		inJSON, _ := json.Marshal("bad " + form)
		for where, body := range map[string]string{
			"text": "bad " + form, "page": "<p>bad " + html.EscapeString(form) + "</p>",
			"reason":      `{"error":{"type":"x","reason":` + string(inJSON) + `},"status":403}`,
			"in ASCII":    `{"error":{"type":"x","reason":"bad ` + ascii(form) + `"},"status":403}`,
			"cause":       `{"error":{"type":"x","reason":"no","caused_by":{"type":` + string(inJSON) + `,"reason":` + string(inJSON) + `}}}`,
			"error":       `{"error":` + string(inJSON) + `}`,
			"other JSON":  `{"message":` + string(inJSON) + `}`,
			"where cut":   strings.Repeat("x", 190) + " " + form,
			"before cut":  strings.Repeat("x ", 90) + form,
			"with status": `{"_shards":{"failed":1,"failures":[{"shard":0,"reason":{"type":"x","reason":` + string(inJSON) + `}}]}}`,
		} {
			status, line := 403, "POST /i/_forcemerge?max_num_segments=1"
			if where == "with status" {
				status = 200
			}
			client, _ := play(t, Options{Username: "u", Password: password}, exchange{line: line, status: status, reply: body})
			err := client.ForcemergeIndex(t.Context(), cluster.ForcemergeIndex{Name: "i", MaxNumSegments: 1})
			require.Error(t, err)
			text := everything(err)
			require.NotContains(t, text, "CANARY", "%s, %s: %s", how, where, body)
			require.NotContains(t, text, base64.StdEncoding.EncodeToString([]byte(password))[:12], "%s, %s", how, where)
		}
	}
}

// TestMaskDecidesNothing: a password that is a word of the server's errors does not change what
// an error means.
func TestMaskDecidesNothing(t *testing.T) {
	client, _ := play(t, Options{Username: "u", Password: "index_not_found"}, exchange{
		line: "POST /i/_forcemerge?max_num_segments=1", status: 404,
		reply: `{"error":{"type":"index_not_found_exception","reason":"no such index; index_not_found"},"status":404}`,
	})
	err := client.ForcemergeIndex(t.Context(), cluster.ForcemergeIndex{Name: "i", MaxNumSegments: 1})
	require.ErrorIs(t, err, cluster.ErrNoIndex)
	require.NotContains(t, err.Error(), "index_not_found")
}

// TestCredentialsThatCannotBeSent: what no header can carry is not a cluster that does not answer.
func TestCredentialsThatCannotBeSent(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, o := range []Options{
		{BearerToken: canaryWord + "\n"}, {APIKey: canaryWord + "\n"}, {Header: http.Header{"X-Api-Key": {canaryWord + "\x01"}}},
	} {
		o.URLs, o.ConnectTimeout = []string{server.URL}, time.Hour
		client, err := New(o)
		require.NoError(t, err)
		_, err = client.Server(t.Context())
		require.ErrorIs(t, err, cluster.ErrInvalid)
		require.Contains(t, cluster.Hint(err), "a line end or another control character")
		requireNoCanary(t, everything(err), "header")
	}
}
