package serve

import (
	"net"
	"net/http"
	"sync"
)

// crowd keeps clients that do nothing from taking the place of others: when as many
// connections are open as it allows, each new one closes the oldest that is idle, or else
// the oldest.
type crowd struct {
	most int

	mu   sync.Mutex
	open []client // the oldest first
}

type client struct {
	net.Conn
	busy bool // a request is being read or answered
}

// state is a http.Server's ConnState.
func (c *crowd) state(conn net.Conn, s http.ConnState) {
	if old := c.note(conn, s); old != nil {
		_ = old.Close()
	}
}

// note keeps the state of a connection, and returns the one to close; nil: none.
func (c *crowd) note(conn net.Conn, s http.ConnState) (tooMany net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := -1
	for i := range c.open {
		if c.open[i].Conn == conn {
			at = i
		}
	}
	switch {
	case s == http.StateNew:
		c.open = append(c.open, client{Conn: conn})
	case at < 0:
	case s == http.StateClosed, s == http.StateHijacked:
		c.open = append(c.open[:at], c.open[at+1:]...)
	default:
		c.open[at].busy = s == http.StateActive
	}
	if s != http.StateNew || len(c.open) <= c.most {
		return nil
	}
	for _, x := range c.open[:len(c.open)-1] {
		if !x.busy {
			return x.Conn
		}
	}
	return c.open[0].Conn
}
