package es

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// indexFields are the fields that a listing reads from the cluster's metadata. The
// metadata comes from the master alone; _cat/indices asks every shard. Flat settings cost
// the server less than half of nested ones.
var indexFields = []string{
	"metadata.indices.*.state", "metadata.indices.*.aliases", "metadata.indices.*.system",
	`metadata.indices.*.settings.index\.uuid`, `metadata.indices.*.settings.index\.creation_date`,
	`metadata.indices.*.settings.index\.hidden`, `metadata.indices.*.settings.index\.lifecycle\.name`,
	`metadata.indices.*.settings.index\.routing\.allocation\.exclude\.esnap_*`, `metadata.indices.*.settings.index\.blocks\.*`,
	`metadata.indices.*.settings.index\.store\.*`, `metadata.indices.*.settings.index\.searchable_snapshot\.*`,
	"metadata.indices.*.rollover_info.*.time",
	"metadata.data_stream.data_stream.*.indices.index_name",
}

// metadata reads the cluster's metadata, of all indices or of the named ones, and passes
// it to read, key by key. A cluster that has not recovered its state answers without
// metadata: metadata waits as for a cluster that does not answer, and never returns an
// empty list. A reply that does not name its cluster is not an empty list either; nor is
// one without metadata, which may be the reply to another request.
func (c *Client) metadata(
	ctx context.Context,
	op string,
	names, filterPath []string,
	reset func(),
	read func(s *stream, key string) error,
) error {
	return c.patiently(ctx, func(err error) bool { return errors.Is(err, errNotRecovered) }, func() error {
		return c.do(ctx, call{op: op, request: func() request {
			reset()
			return metadataOf(names, filterPath)
		}, decode: func(s *stream) error {
			uuid, found := "", false
			err := s.object(func(key string) error {
				switch key {
				case "cluster_uuid":
					return s.Decode(&uuid)
				case "metadata":
					return s.object(func(key string) error {
						if key == "cluster_uuid" {
							found = true
							return s.skip()
						}
						return read(s, key)
					})
				case "blocks":
					return s.object(func(string) error { return s.object(func(id string) error { return recovered(s, op, id) }) })
				case "error":
					return fmt.Errorf("%w: it contains an error", errLacks)
				}
				return s.skip()
			})
			switch {
			case err != nil:
				return err
			case uuid == "":
				return lacks("cluster_uuid")
			}
			if err := s.learn(uuid); err != nil {
				return err
			}
			if !found {
				return lacks("metadata.cluster_uuid")
			}
			return nil
		}})
	})
}

// notRecovered is the number of the server's block while its state is not recovered
// (GatewayService).
const notRecovered = "1"

func recovered(s *stream, op, id string) error {
	var block struct {
		Description string `json:"description"`
	}
	err := s.Decode(&block)
	if err == nil && id == notRecovered {
		return &cluster.Error{Op: op, Kind: cluster.ErrUnavailable, Text: block.Description, Err: errNotRecovered}
	}
	return err
}

type indexMetadata struct {
	State    string            `json:"state"`
	Aliases  []string          `json:"aliases"`
	System   bool              `json:"system"`
	Settings map[string]string `json:"settings"`
	Rollover map[string]struct {
		Time int64 `json:"time"`
	} `json:"rollover_info"`
}

// Indices implements cluster.IndexReader with one request.
func (c *Client) Indices(ctx context.Context) (list []*cluster.Index, err error) {
	const op = "list indices"
	err = c.stateless(ctx, func() error {
		list, err = c.indices(ctx, op, nil)
		return err
	}, func() error {
		list, err = c.visible(ctx, op)
		return err
	})
	return list, err
}

// metadataOf is a request for the metadata of some indices, nil: of all.
func metadataOf(names, filterPath []string) request {
	q := stateOf("metadata,blocks", append([]string{"cluster_uuid", "metadata.cluster_uuid", "blocks.global"}, filterPath...)...)
	q.query["flat_settings"] = "true"
	if names != nil { // a name is never a pattern, and a deleted index is not an error
		q.path = pathOf(q.path, names, "")
		q.query["expand_wildcards"], q.query[ignoreUnavailable] = "none", "true"
	}
	return q
}

// IndicesNamed implements cluster.IndexReader.
func (c *Client) IndicesNamed(ctx context.Context, names []string) (list []*cluster.Index, err error) {
	err = c.stateless(ctx, func() error {
		list, err = c.indicesNamed(ctx, names)
		return err
	}, func() error {
		list, err = c.visibleNamed(ctx, describe("read", "index ", "indices", names), names)
		return err
	})
	return list, err
}

func (c *Client) indicesNamed(ctx context.Context, names []string) ([]*cluster.Index, error) {
	var list []*cluster.Index
	for _, batch := range c.batches(names, func(batch []string) request { return metadataOf(batch, indexFields) }) {
		some, err := c.indices(ctx, describe("read", "index ", "indices", batch), batch)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	slices.SortFunc(list, func(a, b *cluster.Index) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (c *Client) indices(ctx context.Context, op string, names []string) ([]*cluster.Index, error) {
	var list []*cluster.Index
	streams := map[string][]string{}
	err := c.metadata(ctx, op, names, indexFields, func() { list = nil; clear(streams) }, func(s *stream, key string) error {
		switch key {
		case "indices":
			return s.object(func(name string) error {
				var m indexMetadata
				if err := s.Decode(&m); err != nil {
					return err
				}
				if names != nil && !slices.Contains(names, name) { // it is the reply to another request
					return fmt.Errorf("%w: it contains the index %q", errLacks, name)
				}
				list = append(list, m.index(name))
				return nil
			})
		case "data_stream":
			var ds struct {
				DataStream map[string]struct {
					Indices []struct {
						Name string `json:"index_name"`
					} `json:"indices"`
				} `json:"data_stream"`
			}
			if err := s.Decode(&ds); err != nil {
				return err
			}
			for name, d := range ds.DataStream {
				for _, i := range d.Indices {
					streams[name] = append(streams[name], i.Name)
				}
			}
			return nil
		}
		return s.skip()
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b *cluster.Index) int { return strings.Compare(a.Name, b.Name) })
	for stream, names := range streams {
		for n, name := range names { // the last one is the write index
			at, found := slices.BinarySearchFunc(list, name, func(i *cluster.Index, s string) int { return strings.Compare(i.Name, s) })
			if found {
				list[at].DataStream, list[at].DataStreamWriteIndex = stream, n == len(names)-1
			}
		}
	}
	return list, nil
}

func (m indexMetadata) index(name string) *cluster.Index {
	i := &cluster.Index{
		Name: name, UUID: m.Settings["index.uuid"], Closed: m.State == "close", Hidden: m.Settings["index.hidden"] == "true",
		System: m.System || cluster.IsDotted(name), Lifecycle: m.Settings["index.lifecycle.name"], Aliases: m.Aliases,
	}
	if ms, err := strconv.ParseInt(m.Settings["index.creation_date"], 10, 64); err == nil {
		i.Created = millis(ms)
	}
	for _, r := range m.Rollover {
		if at := millis(r.Time); at.After(i.Rolled) {
			i.Rolled = at
		}
	}
	i.ReadSettings(m.Settings)
	slices.Sort(i.Aliases)
	return i
}

// Stats implements cluster.IndexReader.
func (c *Client) Stats(ctx context.Context, names []string) (map[string]cluster.IndexStats, error) {
	out := make(map[string]cluster.IndexStats, len(names))
	of := func(batch []string) request {
		return request{path: pathOf("", batch, "/_stats/docs,store"), query: params{
			ignoreUnavailable: "true",
			"filter_path": "_shards.total,indices.*.primaries.docs.count,indices.*.primaries.store.size_in_bytes," +
				"indices.*.total.store.size_in_bytes",
		}}
	}
	for _, batch := range c.batches(names, of) {
		var reply map[string]struct {
			Primaries, Total struct {
				Docs struct {
					Count int64 `json:"count"`
				} `json:"docs"`
				Store struct {
					Bytes int64 `json:"size_in_bytes"`
				} `json:"store"`
			}
		}
		err := c.named(ctx, call{
			op:      "read index statistics",
			decode:  fields(field{"_shards", &json.RawMessage{}}, field{"indices", &reply}),
			absent:  []int{http.StatusNotFound},
			request: func() request { return of(batch) },
		})
		if err != nil {
			return nil, err
		}
		for name, s := range reply {
			out[name] = cluster.IndexStats{Docs: s.Primaries.Docs.Count, Bytes: s.Total.Store.Bytes, PrimaryBytes: s.Primaries.Store.Bytes}
		}
	}
	return out, nil
}

// Settings implements cluster.IndexReader, from the cluster's metadata: one
// request for all indices, closed ones included.
func (c *Client) Settings(ctx context.Context, names []string) (out map[string]map[string]string, err error) {
	const op = "read index settings"
	err = c.stateless(ctx, func() error {
		out, err = c.settings(ctx, op, names)
		return err
	}, func() error {
		out, err = c.visibleSettings(ctx, op, names)
		return err
	})
	return out, err
}

func (c *Client) settings(ctx context.Context, op string, names []string) (map[string]map[string]string, error) {
	wanted := make(map[string]bool, len(names))
	for _, n := range names {
		wanted[n] = true
	}
	out := map[string]map[string]string{}
	err := c.metadata(ctx, op, nil, []string{"metadata.indices.*.settings"}, func() { clear(out) }, func(s *stream, _ string) error {
		return s.object(func(name string) error {
			var m struct {
				Settings map[string]any `json:"settings"`
			}
			if err := s.Decode(&m); err != nil {
				return err
			}
			if wanted[name] {
				out[name] = cluster.Flatten(m.Settings)
			}
			return nil
		})
	})
	return out, err
}

// KnownSettings implements cluster.IndexReader.
func (c *Client) KnownSettings(ctx context.Context, index string) (map[string]bool, error) {
	known := map[string]bool{}
	names := func(s *stream) error {
		return s.object(func(name string) error { known[name] = true; return s.skip() })
	}
	err := c.do(ctx, call{op: "read the settings that index " + index + " can have", request: func() request {
		clear(known)
		return request{path: pathOf("", []string{index}, "/_settings"), query: params{"include_defaults": "true", "flat_settings": "true"}}
	}, decode: func(s *stream) error {
		return s.object(func(string) error {
			return s.object(func(part string) error {
				if part == "settings" || part == "defaults" {
					return names(s)
				}
				return s.skip()
			})
		})
	}})
	return known, err
}

// segment is a segment of a shard copy.
type segment struct {
	Generation int64 `json:"generation"`
	Committed  bool  `json:"committed"`
	Search     bool  `json:"search"`
}

// shardSegments are the segments of a shard copy.
type shardSegments struct {
	Search    int                `json:"num_search_segments"`
	Committed int                `json:"num_committed_segments"`
	Each      map[string]segment `json:"segments"`
}

// count is how many segments the copy consists of: those that searches use, unless they are
// older than the last commit. A copy that is not searched is not refreshed after a merge.
func (s shardSegments) count() int {
	var committed, search int64
	for _, x := range s.Each {
		if x.Committed {
			committed = max(committed, x.Generation)
		}
		if x.Search {
			search = max(search, x.Generation)
		}
	}
	if committed > search {
		return s.Committed
	}
	return s.Search
}

// Segments implements cluster.IndexReader. It reads the segments themselves only of indices
// where searches use others than those of the last commit.
func (c *Client) Segments(ctx context.Context, names []string) (map[string]cluster.Segments, error) {
	out := map[string]cluster.Segments{}
	var differ []string
	add := func(name string, s shardSegments) {
		x := out[name]
		x.All, x.Most = x.All+s.count(), max(x.Most, s.count())
		out[name] = x
	}
	err := c.segments(ctx, names, "", func(name string, s shardSegments) {
		add(name, s)
		if s.Search != s.Committed && !slices.Contains(differ, name) {
			differ = append(differ, name)
		}
	})
	if err != nil || len(differ) == 0 {
		return out, err
	}
	slices.Sort(differ)
	for _, name := range differ {
		delete(out, name)
	}
	err = c.segments(ctx, differ, ",indices.*.shards.*.segments.*.generation,indices.*.shards.*.segments.*.committed,"+
		"indices.*.shards.*.segments.*.search", add)
	return out, err
}

func (c *Client) segments(ctx context.Context, names []string, more string, each func(name string, s shardSegments)) error {
	of := func(batch []string) request {
		return request{path: pathOf("", batch, "/_segments"), query: params{
			ignoreUnavailable: "true",
			"filter_path":     "_shards.total,indices.*.shards.*.num_search_segments,indices.*.shards.*.num_committed_segments" + more,
		}}
	}
	for _, batch := range c.batches(names, of) {
		var reply map[string]struct {
			Shards map[string][]shardSegments `json:"shards"`
		}
		err := c.named(ctx, call{
			op:      "read index segments",
			decode:  fields(field{"_shards", &json.RawMessage{}}, field{"indices", &reply}),
			absent:  []int{http.StatusNotFound},
			request: func() request { return of(batch) },
		})
		if err != nil {
			return err
		}
		for name, i := range reply {
			for _, copies := range i.Shards {
				for _, s := range copies {
					each(name, s)
				}
			}
		}
	}
	return nil
}

// FieldRange implements cluster.IndexReader.
func (c *Client) FieldRange(ctx context.Context, index, name string) (cluster.FieldRange, error) {
	var found map[string]struct {
		Value *float64 `json:"value"`
	}
	body := map[string]any{"aggs": map[string]any{
		"min": map[string]any{"min": map[string]any{"field": name}},
		"max": map[string]any{"max": map[string]any{"field": name}},
	}}
	err := c.do(ctx, call{
		op:     "read the range of " + name + " in " + index,
		decode: fields(field{"timed_out", &json.RawMessage{}}, field{"aggregations", &found}),
		request: func() request {
			return request{method: http.MethodPost, path: "/" + esc(index) + "/_search", body: body, query: params{
				"size": "0", "filter_path": "aggregations,timed_out",
			}}
		},
	})
	if err != nil {
		return cluster.FieldRange{}, err
	}
	lo, hi := found["min"].Value, found["max"].Value
	if lo == nil || hi == nil {
		return cluster.FieldRange{}, nil
	}
	return cluster.FieldRange{Min: time.UnixMilli(int64(*lo)).UTC(), Max: time.UnixMilli(int64(*hi)).UTC(), Found: true}, nil
}

// WriteAliases implements cluster.IndexReader. The cluster's metadata contains only the
// names of aliases, so this needs another request. The server lists each named index, also
// one without an alias: a reply without one of them is not valid.
func (c *Client) WriteAliases(ctx context.Context, names []string) (map[string]cluster.SeenAliases, error) {
	out := map[string]cluster.SeenAliases{}
	of := func(batch []string) request {
		return request{path: pathOf("", batch, "/_alias"), query: params{"expand_wildcards": "all", ignoreUnavailable: "true"}}
	}
	for _, batch := range c.batches(names, of) {
		var reply map[string]struct {
			Aliases map[string]struct {
				Write bool `json:"is_write_index"`
			} `json:"aliases"`
		}
		const op = "list write aliases"
		err := c.named(ctx, call{op: op, decode: whole(&reply), request: func() request { return of(batch) }})
		if err != nil && !errors.Is(err, cluster.ErrNoIndex) {
			return nil, err
		}
		if len(reply) == 0 && err == nil {
			return nil, &cluster.Error{Op: op, Kind: cluster.ErrServer, Text: "the reply does not contain the requested indices"}
		}
		for index, r := range reply {
			if !slices.Contains(batch, index) {
				return nil, &cluster.Error{
					Op:   op,
					Kind: cluster.ErrServer,
					Text: "the reply names " + strconv.Quote(index) + ", which was not requested",
				}
			}
			seen := cluster.SeenAliases{All: slices.Sorted(maps.Keys(r.Aliases))}
			for _, alias := range seen.All {
				if r.Aliases[alias].Write {
					seen.Write = append(seen.Write, alias)
				}
			}
			if len(seen.All) > 0 {
				out[index] = seen
			}
		}
	}
	return out, nil
}

// Health implements cluster.IndexReader. It reads all indices: with a missing name in the
// path the server would wait for it.
func (c *Client) Health(ctx context.Context, names []string) (map[string]cluster.IndexHealth, error) {
	var reply map[string]struct {
		Status       string `json:"status"`
		Shards       int    `json:"number_of_shards"`
		Primary      int    `json:"active_primary_shards"`
		Initializing int    `json:"initializing_shards"`
		Relocating   int    `json:"relocating_shards"`
		Unassigned   int    `json:"unassigned_shards"`
	}
	err := c.do(ctx, call{
		op:     "read index health",
		decode: fields(field{"status", &json.RawMessage{}}, field{"indices", &reply}),
		accept: []int{http.StatusRequestTimeout},
		request: func() request {
			return request{path: "/_cluster/health", query: params{"level": "indices", "filter_path": list(
				"status", "indices.*.status", "indices.*.number_of_shards", "indices.*.active_primary_shards",
				"indices.*.initializing_shards", "indices.*.relocating_shards", "indices.*.unassigned_shards",
			)}}
		},
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string]cluster.IndexHealth, len(names))
	for _, n := range names {
		if h, ok := reply[n]; ok {
			out[n] = cluster.IndexHealth{
				Status:        h.Status,
				Shards:        h.Shards,
				ActivePrimary: h.Primary,
				Initializing:  h.Initializing,
				Relocating:    h.Relocating,
				Unassigned:    h.Unassigned,
			}
		}
	}
	return out, nil
}

// ShardProblems implements cluster.IndexReader.
func (c *Client) ShardProblems(ctx context.Context, names []string) ([]cluster.ShardProblem, error) {
	var out []cluster.ShardProblem
	rows, err := c.shards(ctx, names, "unassigned.reason", "unassigned.details")
	for _, r := range rows {
		if r.State != "STARTED" && r.State != "RELOCATING" {
			out = append(out, cluster.ShardProblem{
				Index:   r.Index,
				Shard:   r.number(),
				Primary: r.Copy == "p",
				State:   r.State,
				Reason:  r.Reason,
				Details: r.Details,
			})
		}
	}
	return out, err
}

// Explain implements cluster.IndexReader.
func (c *Client) Explain(ctx context.Context, index string, shard int) (cluster.Explanation, error) {
	var state string
	var out cluster.Explanation
	body := map[string]any{"index": index, "shard": shard, "primary": true}
	var unassigned struct {
		Reason string `json:"reason"`
		At     string `json:"at"`
	}
	var nodes []struct {
		Deciders []struct {
			Decider  string `json:"decider"`
			Decision string `json:"decision"`
		} `json:"deciders"`
	}
	decode := fields(field{"current_state", &state}, field{"can_allocate", &out.Decision}, field{"allocate_explanation", &out.Text},
		field{"unassigned_info", &unassigned}, field{"node_allocation_decisions", &nodes})
	err := c.do(ctx, call{op: fmt.Sprintf("explain the allocation of shard %d of index %s", shard, index), decode: decode,
		request: func() request {
			return request{method: http.MethodPost, path: "/_cluster/allocation/explain", body: body, query: params{
				"filter_path": "current_state,can_allocate,allocate_explanation,unassigned_info.reason,unassigned_info.at," +
					"node_allocation_decisions.deciders.decider,node_allocation_decisions.deciders.decision",
			}}
		}})
	if unassigned.Reason == "NODE_LEFT" {
		out.NodeLeft, _ = time.Parse(time.RFC3339, unassigned.At)
	}
	for _, n := range nodes {
		for _, d := range n.Deciders {
			out.RestoreFailed = out.RestoreFailed || d.Decider == "restore_in_progress" && d.Decision == "NO"
		}
	}
	if state != "unassigned" {
		out = cluster.Explanation{}
	}
	return out, err
}

// Shards implements cluster.IndexReader.
func (c *Client) Shards(ctx context.Context, names []string) ([]cluster.ShardCopy, error) {
	var out []cluster.ShardCopy
	rows, err := c.shards(ctx, names, "node")
	for _, r := range rows {
		node, _, _ := strings.Cut(r.Node, " -> ") // of a moving one: from -> to
		out = append(out, cluster.ShardCopy{Index: r.Index, Shard: r.number(), Primary: r.Copy == "p", State: r.State, Node: node})
	}
	return out, err
}

// shardRow is one line of the table of shards.
type shardRow struct {
	Index   string `json:"index"`
	Shard   string `json:"shard"`
	Copy    string `json:"prirep"`
	State   string `json:"state"`
	Node    string `json:"node"`
	Reason  string `json:"unassigned.reason"`
	Details string `json:"unassigned.details"`
}

func (r shardRow) number() int { n, _ := strconv.Atoi(r.Shard); return n }

// shards reads the table of shards with some more columns.
func (c *Client) shards(ctx context.Context, names []string, columns ...string) ([]shardRow, error) {
	columns = append([]string{"index", "shard", "prirep", "state"}, columns...)
	var out []shardRow
	for _, batch := range c.batches(names, func(batch []string) request { return shardsOf(batch, columns) }) {
		rows, err := c.shardBatch(ctx, batch, columns)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// shardsOf is a request for columns of the table of shards of some indices.
func shardsOf(names, columns []string) request {
	return request{path: pathOf("/_cat/shards", names, ""), query: params{"format": "json", "h": strings.Join(columns, ",")}}
}

// shardBatch reads one batch. Servers refuse the whole batch because of one deleted index,
// and have no parameter to ignore it: then each half is read separately.
func (c *Client) shardBatch(ctx context.Context, names, columns []string) ([]shardRow, error) {
	var rows []shardRow
	err := c.do(ctx, call{op: "read shard states", decode: whole(&rows), request: func() request { return shardsOf(names, columns) }})
	switch {
	case errors.Is(err, cluster.ErrNoIndex) && len(names) == 1:
		return nil, nil
	case errors.Is(err, cluster.ErrNoIndex):
		first, err := c.shardBatch(ctx, names[:len(names)/2], columns)
		if err != nil {
			return nil, err
		}
		second, err := c.shardBatch(ctx, names[len(names)/2:], columns)
		return append(first, second...), err
	}
	return rows, err
}

// AliasBodies implements cluster.IndexReader.
func (c *Client) AliasBodies(ctx context.Context, index string) (map[string]map[string]any, error) {
	var reply map[string]struct {
		Aliases map[string]map[string]any `json:"aliases"`
	}
	op := "read aliases of index " + index
	err := c.do(ctx, call{op: op, decode: whole(&reply), request: func() request {
		return request{path: "/" + esc(index) + "/_alias"}
	}})
	if _, there := reply[index]; err == nil && !there {
		err = &cluster.Error{Op: op, Kind: cluster.ErrServer, Text: "the reply does not name the index"}
	}
	return reply[index].Aliases, err
}

// IndexBatches implements cluster.Batcher. Of all requests that write to several indices a
// deletion has the longest line.
func (c *Client) IndexBatches(names []string) [][]string {
	return c.batches(names, func(batch []string) request { return indexDeletionOf(batch, math.MaxInt64) })
}

// indexDeletionOf is the request that deletes some indices.
func indexDeletionOf(names []string, masterTimeout time.Duration) request {
	return request{method: http.MethodDelete, path: pathOf("", names, ""), query: params{
		"master_timeout": ms(masterTimeout), "expand_wildcards": "none", ignoreUnavailable: "true",
	}}
}

// DeleteIndices implements cluster.Writer. With expand_wildcards=none a name is never read
// as a pattern. An index that is already deleted is not an error.
func (c *Client) DeleteIndices(ctx context.Context, r cluster.DeleteIndices) error {
	op := describe("delete", "index ", "indices", r.Names)
	if err := concrete(op, r.Names...); err != nil {
		return err
	}
	return c.named(ctx, call{op: op, write: true, deletes: true, resend: never, least: r.MasterTimeout, request: func() request {
		return indexDeletionOf(r.Names, r.MasterTimeout)
	}})
}

// UpdateAliases implements cluster.Writer.
func (c *Client) UpdateAliases(ctx context.Context, r cluster.UpdateAliases) error {
	var actions []map[string]any
	for _, a := range r.Actions {
		verb := "add"
		if a.Remove {
			verb = "remove"
		}
		entry := map[string]any{"index": a.Index, "alias": a.Alias}
		for k, v := range a.Extra {
			entry[k] = v
		}
		actions = append(actions, map[string]any{verb: entry})
	}
	return c.do(ctx, call{op: "update aliases", write: true, request: func() request {
		return request{method: http.MethodPost, path: "/_aliases", body: map[string]any{"actions": actions}}
	}})
}

// describe names the target of a request: one by name, several by number.
func describe(verb, one, many string, names []string) string {
	if len(names) == 1 {
		return verb + " " + one + names[0]
	}
	return verb + " " + strconv.Itoa(len(names)) + " " + many
}

// concrete refuses names that would delete more than one item: a pattern, a list, or an
// empty name, with which the path would be that of the container.
func concrete(op string, names ...string) error {
	bad := len(names) == 0
	for _, n := range names {
		bad = bad || n == "" || n == "_all" || strings.ContainsAny(n, "*,")
	}
	if bad {
		return &cluster.Error{
			Op:   op,
			Kind: cluster.ErrInvalid,
			Text: strconv.Quote(strings.Join(names, " ")) + " is not the name of one item to delete",
		}
	}
	return nil
}
