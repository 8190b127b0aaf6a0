package es

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
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
