package es

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// hostTimeout is how long each of several hosts is given to say which cluster it
// belongs to.
const hostTimeout = 3 * time.Second

// oneCluster sees, before the first write, that several hosts belong to one cluster:
// what one of them listed is written to another. A host that does not answer says
// nothing.
func (c *Client) oneCluster(ctx context.Context) error {
	if len(c.o.URLs) < 2 {
		return nil
	}
	c.hosts.Lock()
	defer c.hosts.Unlock()
	if c.hostsChecked || c.hostsDiffer != nil {
		return c.hostsDiffer
	}
	uuids := make([]string, len(c.o.URLs))
	var all sync.WaitGroup
	for i, u := range c.o.URLs {
		all.Go(func() {
			o := c.o
			o.URLs, o.ConnectTimeout, o.Timeout, o.Wait, o.Transport = []string{u}, 0, min(hostTimeout, c.o.Timeout), nil, c.base
			one, err := New(o)
			if err != nil {
				return
			}
			if s, err := one.Server(ctx); err == nil && s.UUID != "_na_" {
				uuids[i] = s.UUID
			}
		})
	}
	all.Wait()
	first := slices.IndexFunc(uuids, func(id string) bool { return id != "" })
	for i, id := range uuids {
		if id != "" && id != uuids[first] {
			c.hostsDiffer = &cluster.Error{Op: "use several addresses", Kind: cluster.ErrInvalid, Text: fmt.Sprintf("addresses number %d and %d belong to different clusters; nothing is written", first+1, i+1), Hint: "name hosts of one cluster only"}
			return c.hostsDiffer
		}
	}
	c.hostsChecked = ctx.Err() == nil
	return nil
}
