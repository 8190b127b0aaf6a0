package es

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"github.com/esnap/esnap/internal/cluster"
)

// hosts are the addresses of one cluster. One of them is used until it fails. What is read
// from one cluster is never written to another: each address must show its cluster before
// a write, and again when it comes into use.
type hosts struct {
	list []*elastictransport.Client
	warn func(string)

	mu      sync.Mutex
	at      int               // the present one
	uuid    string            // of the cluster; empty until an address has reported it
	known   map[int]time.Time // when addresses last reported it, since they came into use
	hidden  map[int]bool      // addresses that do not report it
	other   error             // an address belongs to another cluster: nothing is sent any more
	checked bool              // the other addresses were asked, before the first write
}

// justNow is how long before a deletion the address must have reported its cluster: a name
// may lead to another cluster meanwhile.
const justNow = 2 * time.Second

// unrecovered is the uuid that a cluster reports before it has recovered its state.
const unrecovered = "_na_"

// learn records the cluster that an address reports.
func (h *hosts) learn(host int, uuid string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known, h.hidden = map[int]time.Time{}, map[int]bool{}
	}
	switch {
	case uuid == "" || uuid == unrecovered:
	case h.uuid == "" || h.uuid == uuid:
		h.uuid, h.known[host] = uuid, time.Now()
	case len(h.list) > 1:
		h.other = otherCluster(fmt.Sprintf("address number %d belongs to another cluster than the one that was read; nothing is written", host+1),
			"set only addresses of one cluster")
		return h.other
	default:
		h.other = otherCluster("the address now leads to another cluster than the one that was read; nothing more is written",
			"set the address of one cluster, not of a proxy for several clusters")
		return h.other
	}
	return nil
}

func otherCluster(text, hint string) error {
	return &cluster.Error{Op: "read the cluster's uuid", Kind: cluster.ErrOtherCluster, Text: text, Hint: hint}
}

// leave switches to the next address if this one cannot be reached or is not ready.
func (h *hosts) leave(host int, err error) (moved bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) < 2 || h.other != nil {
		return false
	}
	if !errors.Is(err, cluster.ErrUnreachable) && !errors.Is(err, cluster.ErrUnavailable) {
		return false
	}
	if h.at == host {
		h.at = (host + 1) % len(h.list)
		delete(h.known, h.at)
		delete(h.hidden, h.at)
	}
	return true
}

// ready is the address for a call. Before a write, and before any call to another address
// than the first, the cluster of the address is known.
func (c *Client) ready(ctx context.Context, k call) (host int, err error) {
	h := &c.hosts
	h.mu.Lock()
	host, err = h.at, h.other
	said, known := h.known[host]
	settled := k.which || known && (!k.deletes || time.Since(said) < justNow) ||
		!k.write && (h.uuid == "" || len(h.list) < 2 || h.hidden[host])
	settled = settled || len(h.list) == 1 && h.hidden[host]
	check := k.write && len(h.list) > 1 && !h.checked
	h.mu.Unlock()
	if err != nil {
		return host, err
	}
	if !settled {
		if err := c.askWhich(ctx, host); err != nil {
			return host, err
		}
		if err := h.settle(host, k.write); err != nil {
			return host, err
		}
	}
	if check {
		c.askOthers(ctx, host)
		h.mu.Lock()
		defer h.mu.Unlock()
		err, h.checked = h.other, ctx.Err() == nil
	}
	return host, err
}

// settle handles an address that does not report its cluster: with several addresses
// nothing is written.
func (h *hosts) settle(host int, write bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.known[host]; known {
		return nil
	}
	if h.hidden == nil {
		h.known, h.hidden = map[int]time.Time{}, map[int]bool{}
	}
	first := !h.hidden[host]
	h.hidden[host] = true
	switch {
	case !write:
	case len(h.list) > 1:
		return &cluster.Error{
			Op: "read the cluster's uuid", Kind: cluster.ErrOtherCluster,
			Text: fmt.Sprintf("address number %d does not report its cluster; with several addresses nothing is written then", host+1),
			Hint: "set one address only, or give the user the privilege cluster:monitor/state (monitor)",
		}
	case first && h.warn != nil:
		h.warn("the cluster does not report its uuid: esnap cannot tell whether the address leads to another cluster meanwhile")
	}
	return nil
}

// askWhich asks an address for its cluster. An address that does not report it is not an
// error here.
func (c *Client) askWhich(ctx context.Context, host int) error {
	ask := call{op: "read the cluster's uuid", which: true, decode: identity(), request: func() request {
		return stateOf("master_node", "cluster_uuid")
	}}
	_, err := c.once(ctx, ask, host)
	if silent(err) {
		ask.request = func() request { return request{path: "/"} }
		_, err = c.once(ctx, ask, host)
	}
	if silent(err) {
		return nil
	}
	return err
}

// silent reports whether a server that was reached does not report its uuid.
func silent(err error) bool {
	if err == nil || errors.Is(err, cluster.ErrOtherCluster) {
		return false
	}
	var e *cluster.Error
	return errors.As(err, &e) && (e.Status >= http.StatusBadRequest && !cluster.Transient(err) && !errors.Is(err, cluster.ErrUnauthorized) ||
		e.Status == http.StatusOK)
}

// identity decodes a reply that names its cluster, and further fields.
func identity(others ...field) func(*stream) error {
	return func(s *stream) error {
		var uuid string
		if err := fields(field{"cluster_uuid", &uuid}, others...)(s); err != nil {
			return err
		}
		if uuid == "" {
			return lacks("cluster_uuid")
		}
		return s.learn(uuid)
	}
}

// hostTimeout is how long to wait for the cluster of each of several addresses, before the
// first write.
const hostTimeout = 3 * time.Second

// askOthers asks the other addresses for their cluster. It does not wait for one that does
// not answer: that one is asked again before it is used.
func (c *Client) askOthers(ctx context.Context, used int) {
	ctx, cancel := context.WithTimeout(ctx, min(hostTimeout, c.o.Timeout))
	defer cancel()
	var all sync.WaitGroup
	for host := range c.hosts.list {
		if host != used {
			all.Go(func() { _ = c.askWhich(ctx, host) }) // the result is in hosts.other
		}
	}
	all.Wait()
	c.hosts.mu.Lock()
	defer c.hosts.mu.Unlock()
	for host := range c.hosts.list {
		if host != used {
			delete(c.hosts.known, host)
		}
	}
}
