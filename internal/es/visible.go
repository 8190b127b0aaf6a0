package es

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/esnap/esnap/internal/cluster"
)

// sight is what the user may see of the indices.
type sight struct {
	mu     sync.Mutex
	denied error // the reply that the user may not read the state of the cluster; nil: it may
	all    bool  // the user may see every index nevertheless
}

// stateAction is the action of the servers that reads the state of the cluster.
const stateAction = "cluster:monitor/state"

// Sight implements cluster.ServerReader.
func (c *Client) Sight() (s cluster.Sight) {
	c.sight.mu.Lock()
	defer c.sight.mu.Unlock()
	if c.sight.denied == nil {
		return s
	}
	lacks := func(op, text, hint string) error {
		return &cluster.Error{
			Op: op, Kind: cluster.ErrUnseen, Err: c.sight.denied, Hint: hint,
			Text: "the user may not read the state of the cluster (" + stateAction + "): " + text,
		}
	}
	s.Operations = lacks("list running operations", "deletions of snapshots and restores are missing from the list",
		"give the user the privilege monitor")
	if !c.sight.all {
		s.Indices = lacks("list all indices", "indices that it may not see are missing from the list",
			"give the user the privilege monitor, or view_index_metadata on all indices")
	}
	return s
}

// stateless reads by state, or by other if the user may not read the state of the
// cluster. If it may read neither, the result is the server's reply about the state.
func (c *Client) stateless(ctx context.Context, state, other func() error) error {
	c.sight.mu.Lock()
	denied := c.sight.denied
	c.sight.mu.Unlock()
	if denied == nil {
		err := state()
		if !errors.Is(err, cluster.ErrForbidden) || !strings.Contains(err.Error(), stateAction) {
			return err
		}
		denied = err
		all := c.seesAll(ctx)
		c.sight.mu.Lock()
		c.sight.denied, c.sight.all = denied, all
		c.sight.mu.Unlock()
		if unseen := c.Sight().Indices; unseen != nil && c.o.Warn != nil {
			c.o.Warn(unseen.Error())
		}
	}
	err := other()
	if errors.Is(err, cluster.ErrForbidden) || errors.Is(err, cluster.ErrUnsupported) {
		return denied
	}
	return err
}

// seesAll asks whether the user may see every index. Indices that the server itself
// restricts (.security) do not count. OpenSearch cannot be asked.
func (c *Client) seesAll(ctx context.Context) (all bool) {
	body := map[string]any{"index": []any{map[string]any{"names": []string{"*"}, "privileges": []string{"view_index_metadata"}}}}
	err := c.do(ctx, call{
		op: "ask which indices the user may see", decode: fields(field{"has_all_requested", &all}),
		request: func() request {
			return request{method: http.MethodPost, path: "/_security/user/_has_privileges", body: body}
		},
	})
	return err == nil && all
}

// visible lists the indices that the user may see. Its replies do not name their cluster,
// and {} may come from a proxy: a list without any index is not a valid reply.
func (c *Client) visible(ctx context.Context, op string) ([]*cluster.Index, error) {
	var list []*cluster.Index
	streams, open := map[string]bool{}, map[string]bool{}
	err := c.do(ctx, call{op: op, request: func() request {
		list = nil
		return request{
			path:  "/*",
			query: params{"expand_wildcards": "all", "flat_settings": "true", "filter_path": strings.Join(visibleFields, ",")},
		}
	}, decode: func(s *stream) error {
		return s.object(func(name string) error {
			var reply struct {
				Aliases    map[string]json.RawMessage `json:"aliases"`
				Settings   map[string]string          `json:"settings"`
				DataStream string                     `json:"data_stream"`
			}
			if err := s.Decode(&reply); err != nil {
				return err
			}
			if reply.Settings["index.uuid"] == "" {
				return fmt.Errorf("%w: the index %q has no uuid", errLacks, name)
			}
			m := indexMetadata{Settings: reply.Settings}
			for alias := range reply.Aliases {
				m.Aliases = append(m.Aliases, alias)
			}
			i := m.index(name)
			i.Closed = reply.Settings["index.verified_before_close"] == "true"
			if i.DataStream = reply.DataStream; i.DataStream != "" {
				streams[i.DataStream] = true
			}
			list = append(list, i)
			return nil
		})
	}})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &cluster.Error{
			Op:   op,
			Kind: cluster.ErrForbidden,
			Text: "the user sees no index",
			Hint: "give the user the privilege monitor, or view_index_metadata on the indices",
		}
	}
	// Before 7.2 no setting tells that an index is closed. Hidden indices are of 7.7.
	err = c.do(ctx, call{op: op, request: func() request {
		clear(open)
		return request{path: "/*/_settings/index.uuid", query: params{
			"expand_wildcards": "open", "flat_settings": "true", "filter_path": `*.settings.index\.uuid`,
		}}
	}, decode: func(s *stream) error {
		return s.object(func(name string) error { open[name] = true; return s.skip() })
	}})
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		i.Closed = i.Closed || !i.Hidden && !open[i.Name]
	}
	slices.SortFunc(list, func(a, b *cluster.Index) int { return strings.Compare(a.Name, b.Name) })
	if len(streams) > 0 {
		c.writeIndices(ctx, slices.Sorted(maps.Keys(streams)), list)
	}
	return list, nil
}

// visibleFields are the fields that a listing reads of each index that the user may see.
// It lacks when an index was rolled over, and which indices are the system's.
var visibleFields = []string{
	"*.aliases", "*.data_stream",
	`*.settings.index\.uuid`, `*.settings.index\.creation_date`, `*.settings.index\.hidden`, `*.settings.index\.lifecycle\.name`,
	`*.settings.index\.verified_before_close`, `*.settings.index\.routing\.allocation\.exclude\.esnap_*`,
	`*.settings.index\.blocks\.*`, `*.settings.index\.store\.*`, `*.settings.index\.searchable_snapshot\.*`,
}

// writeIndices marks the write index of each data stream. If that cannot be read, every
// backing index counts as one: what may still be written to is spared.
func (c *Client) writeIndices(ctx context.Context, names []string, list []*cluster.Index) {
	last := map[string]string{}
	of := func(batch []string) request { return request{path: pathOf("/_data_stream", batch, "")} } // OpenSearch takes no parameters here
	for _, batch := range c.batches(names, of) {
		var reply []struct {
			Name    string `json:"name"`
			Indices []struct {
				Name string `json:"index_name"`
			} `json:"indices"`
		}
		err := c.do(ctx, call{op: "list data streams", decode: fields(field{"data_streams", &reply}),
			request: func() request { return of(batch) }})
		if err != nil && c.o.Warn != nil {
			c.o.Warn("the write indices of data streams are not known, so all their indices count as such: " + err.Error())
		}
		for _, s := range reply {
			if n := len(s.Indices); n > 0 {
				last[s.Name] = s.Indices[n-1].Name
			}
		}
	}
	for _, i := range list {
		write, known := last[i.DataStream]
		i.DataStreamWriteIndex = i.DataStream != "" && (!known || write == i.Name)
	}
}

// visibleNamed are those of the named indices that the user may see. It reads all: an
// empty reply about some names would look like a deletion.
func (c *Client) visibleNamed(ctx context.Context, op string, names []string) ([]*cluster.Index, error) {
	list, err := c.visible(ctx, op)
	return slices.DeleteFunc(list, func(i *cluster.Index) bool { return !slices.Contains(names, i.Name) }), err
}

// visibleSettings are the settings of those of the named indices that the user may see.
func (c *Client) visibleSettings(ctx context.Context, op string, names []string) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	of := func(batch []string) request {
		return request{path: pathOf("", batch, "/_settings"), query: params{
			"expand_wildcards": "none", ignoreUnavailable: "true", "flat_settings": "true",
		}}
	}
	for _, batch := range c.batches(names, of) {
		var reply map[string]struct {
			Settings map[string]any `json:"settings"`
		}
		err := c.named(ctx, call{op: op, decode: whole(&reply), request: func() request { return of(batch) }})
		if err != nil {
			return nil, err
		}
		for name, r := range reply {
			out[name] = cluster.Flatten(r.Settings)
		}
	}
	return out, nil
}

// runningSnapshots are the running operations that a user sees who may not read the state
// of the cluster: snapshots, and neither deletions nor restores.
func (c *Client) runningSnapshots(ctx context.Context, op string) ([]cluster.Operation, error) {
	var reply []struct {
		Repository string                     `json:"repository"`
		Snapshot   string                     `json:"snapshot"`
		Indices    map[string]json.RawMessage `json:"indices"`
		Stats      struct {
			Started int64 `json:"start_time_in_millis"`
		} `json:"stats"`
	}
	err := c.do(ctx, call{op: op, decode: fields(field{"snapshots", &reply}), request: func() request {
		return request{path: "/_snapshot/_status"}
	}})
	var ops []cluster.Operation
	for _, s := range reply {
		o := cluster.Operation{Kind: cluster.OpSnapshot, Repository: s.Repository, Snapshot: s.Snapshot, Started: millis(s.Stats.Started)}
		for name := range s.Indices {
			o.Indices = append(o.Indices, name)
		}
		slices.Sort(o.Indices)
		ops = append(ops, o)
	}
	return ops, err
}
