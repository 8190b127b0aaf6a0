package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCrowd: of too many connections the oldest idle one is closed, or else the oldest.
func TestCrowd(t *testing.T) {
	conns := make([]net.Conn, 5)
	for i := range conns {
		conns[i], _ = net.Pipe()
	}
	name := func(c net.Conn) string {
		for i := range conns {
			if conns[i] == c {
				return fmt.Sprint(i)
			}
		}
		return ""
	}
	c := &crowd{most: 2}
	for _, step := range []struct {
		conn   int
		state  http.ConnState
		closes string
	}{
		{0, http.StateNew, ""}, {1, http.StateNew, ""}, {0, http.StateActive, ""},
		{2, http.StateNew, "1"}, {1, http.StateClosed, ""}, {1, http.StateClosed, ""},
		{2, http.StateActive, ""}, {3, http.StateNew, "0"}, {0, http.StateClosed, ""},
		{2, http.StateIdle, ""}, {4, http.StateNew, "2"},
	} {
		closes := ""
		if old := c.note(conns[step.conn], step.state); old != nil {
			closes = name(old)
		}
		require.Equal(t, step.closes, closes, "%+v", step)
	}
}

// TestIdleClients: however many connections are open, a probe is answered.
func TestIdleClients(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := Listen(ctx, Listener{Address: "127.0.0.1:0"})
	require.NoError(t, err)
	ended := make(chan error, 1)
	h := Handler(Options{Scheduler: still(t), Health: ok, Log: quiet()})
	go func() { ended <- Serve(ctx, l, h) }()
	for range 2 * maxConnections {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.Addr().String() + "/healthz")
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	cancel()
	require.NoError(t, <-ended)
}
