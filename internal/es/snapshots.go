package es

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// snapshotFields are the fields of every snapshot in a listing, besides its indices.
var snapshotFields = []string{
	"snapshots.snapshot", "snapshots.uuid", "snapshots.version", "snapshots.state", "snapshots.reason", "snapshots.include_global_state",
	"snapshots.start_time_in_millis", "snapshots.end_time_in_millis", "snapshots.shards", "snapshots.failures",
	"snapshots.metadata.policy", "snapshots.metadata.sm_policy", "snapshots.metadata.esnap.cluster_uuid", "failures",
}

type snapshotReply struct {
	Name        string   `json:"snapshot"`
	UUID        string   `json:"uuid"`
	Version     string   `json:"version"`
	State       string   `json:"state"`
	Reason      string   `json:"reason"`
	GlobalState bool     `json:"include_global_state"`
	Start       int64    `json:"start_time_in_millis"`
	End         int64    `json:"end_time_in_millis"`
	Indices     nameList `json:"indices"`
	DataStreams []string `json:"data_streams"`
	Features    []struct {
		Name    string   `json:"feature_name"`
		Indices []string `json:"indices"`
	} `json:"feature_states"`
	Shards struct {
		Total, Failed, Successful int
	} `json:"shards"`
	Failures []struct {
		Index  string `json:"index"`
		Shard  int    `json:"shard_id"`
		Node   string `json:"node_id"`
		Reason string `json:"reason"`
	} `json:"failures"`
	Metadata struct {
		Policy   string          `json:"policy"`
		SMPolicy string          `json:"sm_policy"`
		Esnap    json.RawMessage `json:"esnap"`
	} `json:"metadata"`
	Details map[string]struct {
		Bytes int64 `json:"size_in_bytes"`
	} `json:"index_details"`
}

// eachSnapshot decodes a listing one snapshot at a time. Elasticsearch 7.17
// answers 200 with a map of failures for a repository that it cannot read.
//
// With names, a snapshot of another name is a reply to another request.
func (c *Client) eachSnapshot(op string, names []string, take func(snapshotReply)) func(*stream) error {
	return func(s *stream) error {
		found := false
		known, last := texts{}, []string(nil)
		err := s.object(func(key string) error {
			switch key {
			case "failures":
				var failed map[string]json.RawMessage
				if err := s.Decode(&failed); err != nil {
					return err
				}
				for _, f := range failed {
					return replyError(call{op: op}, http.StatusOK, strings.NewReader(`{"error":`+string(f)+`}`), c.mask)
				}
				return nil
			case "snapshots":
				found = true
			default:
				return s.skip()
			}
			return s.array(func() error {
				one := snapshotReply{Indices: nameList{known: known, last: last}}
				if err := s.Decode(&one); err != nil {
					return err
				}
				last = one.Indices.list
				if names != nil && !slices.Contains(names, one.Name) {
					return fmt.Errorf("%w: it contains the snapshot %q", errLacks, one.Name)
				}
				take(one)
				return nil
			})
		})
		if err == nil && !found {
			err = lacks("snapshots")
		}
		return err
	}
}

func (s snapshotReply) snapshot(repository string, contents bool) *cluster.Snapshot {
	out := &cluster.Snapshot{
		Repository: repository, Name: s.Name, UUID: s.UUID, State: cluster.State(s.State), Start: millis(s.Start), End: millis(s.End),
		Shards: cluster.ShardCount{Total: s.Shards.Total, Failed: s.Shards.Failed, Successful: s.Shards.Successful},
		Reason: s.Reason, Version: s.Version, GlobalState: s.GlobalState, Policy: cmp.Or(s.Metadata.Policy, s.Metadata.SMPolicy),
	}
	var origin cluster.Origin
	if len(s.Metadata.Esnap) > 0 && json.Unmarshal(s.Metadata.Esnap, &origin) == nil { // another program may use the key, too
		out.SetOrigin(origin)
	}
	for _, f := range s.Failures {
		out.Failures = append(out.Failures, cluster.ShardFailure{Index: f.Index, Shard: f.Shard, Node: f.Node, Reason: f.Reason})
	}
	if contents {
		out.HasContents, out.DataStreams = true, s.DataStreams
		out.Indices = s.Indices.list
		for _, f := range s.Features {
			if out.Features == nil {
				out.Features = map[string][]string{}
			}
			out.Features[f.Name] = f.Indices
		}
	}
	return out
}

// listSnapshots reads some or all snapshots of a repository. The filter path turns an empty
// list, and also a reply without a list, into {}: if the reply is empty, the list is read
// again without a filter path. If it is not empty then, the first reply was not the list.
func (c *Client) listSnapshots(
	ctx context.Context,
	op, repository string,
	names []string,
	verbose bool,
	filterPath []string,
	reset func(),
	take func(snapshotReply),
) error {
	count := 0
	ask := func(filterPath []string, decode func(*stream) error) error {
		return c.do(ctx, call{op: op, decode: decode, request: func() request {
			reset()
			count = 0
			return snapshotsOf(repository, names, verbose, filterPath)
		}})
	}
	asked := names
	if names[0] == "_all" {
		asked = nil
	}
	each := c.eachSnapshot(op, asked, func(s snapshotReply) { count++; take(s) })
	for range tries {
		err := ask(filterPath, func(s *stream) error {
			if err := each(s); err != nil && (count > 0 || !errors.Is(err, errLacks)) {
				return err
			}
			return nil
		})
		if err != nil || count > 0 {
			return err
		}
		if err := ask(nil, c.eachSnapshot(op, asked, func(snapshotReply) { count++ })); err != nil || count == 0 {
			return err
		}
	}
	return &cluster.Error{
		Op: op, Kind: cluster.ErrUnreachable, Err: errNoReply,
		Text: "the reply is incomplete or not valid for this request: it has no snapshots, but there are some",
	}
}

// snapshotsOf is a request for some or all snapshots of a repository.
func snapshotsOf(repository string, names []string, verbose bool, filterPath []string) request {
	q := request{path: pathOf("/_snapshot/"+esc(repository), names, ""), query: params{
		"filter_path": list(filterPath...), "ignore_unavailable": only(names[0] != "_all"),
	}}
	if !verbose || filterPath == nil {
		q.query["verbose"] = "false"
	}
	return q
}

// SnapshotsNamed implements cluster.SnapshotReader.
func (c *Client) SnapshotsNamed(ctx context.Context, repository string, names []string) ([]*cluster.Snapshot, error) {
	var list []*cluster.Snapshot
	of := func(batch []string) request { return snapshotsOf(repository, batch, true, snapshotFields) }
	for _, batch := range c.batches(names, of) {
		if len(batch) == 1 && cluster.IsDots(batch[0]) { // sent twice with a comma, the name does not mean another path
			batch = slices.Repeat(batch, 2)
		}
		var some []*cluster.Snapshot
		err := c.listSnapshots(ctx, describe("read", "snapshot "+repository+"/", "snapshots of repository "+repository,
			batch), repository, batch, true, snapshotFields,
			func() { some = nil }, func(s snapshotReply) { some = append(some, s.snapshot(repository, false)) })
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, c.compare(ctx, list...)
}

// compare notes which snapshots another cluster took.
func (c *Client) compare(ctx context.Context, list ...*cluster.Snapshot) error {
	if !slices.ContainsFunc(list, func(s *cluster.Snapshot) bool { return s.Cluster != "" }) {
		return nil
	}
	here, err := c.Server(ctx)
	for _, s := range list {
		s.Compare(here.UUID)
	}
	return err
}

// Snapshots implements cluster.SnapshotReader.
func (c *Client) Snapshots(ctx context.Context, repository string, contents bool) ([]*cluster.Snapshot, error) {
	wanted := snapshotFields
	if contents {
		wanted = append(slices.Clone(wanted), "snapshots.indices", "snapshots.data_streams", "snapshots.feature_states")
	}
	var list []*cluster.Snapshot
	op := "list the snapshots of repository " + repository
	take := func(s snapshotReply) { list = append(list, s.snapshot(repository, contents)) }
	if err := c.listSnapshots(ctx, op, repository, []string{"_all"}, true, wanted, func() { list = nil }, take); err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b *cluster.Snapshot) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Name, b.Name)) })
	return list, c.compare(ctx, list...)
}

// SnapshotUUIDs implements cluster.SnapshotReader. Without times and shards the server
// reads one file for the whole repository.
func (c *Client) SnapshotUUIDs(ctx context.Context, repository string) (map[string]string, error) {
	uuids := map[string]string{}
	op := "list the snapshots of repository " + repository
	err := c.listSnapshots(ctx, op, repository, []string{"_all"}, false, []string{"snapshots.snapshot", "snapshots.uuid", "failures"},
		func() { clear(uuids) }, func(s snapshotReply) { uuids[s.Name] = s.UUID })
	return uuids, err
}

// Snapshot implements cluster.SnapshotReader.
func (c *Client) Snapshot(ctx context.Context, repository, name string) (*cluster.Snapshot, error) {
	op := "read snapshot " + repository + "/" + name
	var found *cluster.Snapshot
	err := c.do(ctx, call{op: op, request: func() request {
		return request{path: "/_snapshot/" + esc(repository) + "/" + esc(name)}
	}, decode: c.eachSnapshot(op, []string{name}, func(s snapshotReply) { found = s.snapshot(repository, true) })})
	if err == nil && found == nil {
		err = &cluster.Error{Op: op, Kind: cluster.ErrNoSnapshot}
	}
	if err != nil {
		return nil, err
	}
	return found, c.compare(ctx, found)
}

// SnapshotProgress implements cluster.SnapshotReader.
func (c *Client) SnapshotProgress(ctx context.Context, repository, name string) (cluster.Progress, error) {
	var reply []struct {
		State  string `json:"state"`
		Shards struct {
			Done, Failed, Total int
		} `json:"shards_stats"`
		Stats struct {
			Total       bytesOf `json:"total"`
			Incremental bytesOf `json:"incremental"`
			Processed   bytesOf `json:"processed"`
		} `json:"stats"`
	}
	err := c.do(ctx, call{
		op:     "read the progress of snapshot " + repository + "/" + name,
		decode: fields(field{"snapshots", &reply}),
		request: func() request {
			return request{path: "/_snapshot/" + esc(repository) + "/" + esc(name) + "/_status", query: params{
				"filter_path": "snapshots.state,snapshots.shards_stats,snapshots.stats",
			}}
		},
	})
	if err != nil || len(reply) == 0 {
		return cluster.Progress{}, err
	}
	s := reply[0]
	p := cluster.Progress{
		State: s.State, ShardsDone: s.Shards.Done, ShardsTotal: s.Shards.Total, ShardsFailed: s.Shards.Failed,
		BytesDone: s.Stats.Processed.Bytes, BytesTotal: s.Stats.Incremental.Bytes,
	}
	p.Node = c.unfinished(ctx, repository, name)
	return p, nil
}

type bytesOf struct {
	Bytes int64 `json:"size_in_bytes"`
}

// unfinished is the node with the first unfinished shard of a running snapshot, or
// nothing.
func (c *Client) unfinished(ctx context.Context, repository, name string) string {
	var state customs
	var nodes map[string]struct {
		Name string `json:"name"`
	}
	err := c.do(ctx, call{
		op:     "find the node that a snapshot waits for",
		decode: state.fields(field{"nodes", &nodes}),
		request: func() request {
			return stateOf("customs,nodes", "cluster_uuid", "snapshots.snapshots.repository", "snapshots.snapshots.snapshot",
				"snapshots.snapshots.shards.state", "snapshots.snapshots.shards.node", "nodes.*.name")
		},
	})
	if err != nil {
		return ""
	}
	for _, s := range state.Snapshots.Snapshots {
		if s.Repository != repository || s.Snapshot != name {
			continue
		}
		for _, sh := range s.Shards {
			if sh.State != "SUCCESS" && sh.State != "FAILED" && sh.State != "MISSING" {
				return cmp.Or(nodes[sh.Node].Name, sh.Node)
			}
		}
	}
	return ""
}

// detailsSince is the first version whose listings contain sizes (Elasticsearch only).
var detailsSince = cluster.Version{7, 13, 0}

// SnapshotSizes implements cluster.SnapshotReader: from the details of the listing if the
// server has them, otherwise from the status, which reads every shard.
func (c *Client) SnapshotSizes(ctx context.Context, repository, name string) (map[string]int64, error) {
	op := "read the sizes in snapshot " + repository + "/" + name
	server, err := c.Server(ctx)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	if !server.OpenSearch && !server.Version.Less(detailsSince) {
		err := c.do(ctx, call{op: op, request: func() request {
			return request{path: "/_snapshot/" + esc(repository) + "/" + esc(name), query: params{
				"index_details": "true", "filter_path": list("snapshots.snapshot", "snapshots.index_details.*.size_in_bytes", "failures"),
			}}
		}, decode: c.eachSnapshot(op, []string{name}, func(s snapshotReply) {
			for index, d := range s.Details {
				sizes[index] = d.Bytes
			}
		})})
		if err != nil || len(sizes) > 0 {
			return sizes, err
		}
	}
	var reply []struct {
		Indices map[string]struct {
			Stats struct {
				Total bytesOf `json:"total"`
			} `json:"stats"`
		} `json:"indices"`
	}
	err = c.do(ctx, call{op: op, least: sizesTimeout, decode: fields(field{"snapshots", &reply}), request: func() request {
		return request{path: "/_snapshot/" + esc(repository) + "/" + esc(name) + "/_status", query: params{
			"filter_path": "snapshots.indices.*.stats.total",
		}}
	}})
	for _, s := range reply {
		for index, d := range s.Indices {
			sizes[index] = d.Stats.Total.Bytes
		}
	}
	return sizes, err
}

// RestoreProgress implements cluster.SnapshotReader.
func (c *Client) RestoreProgress(ctx context.Context, names []string) (cluster.Progress, error) {
	var reply map[string]struct {
		Shards []struct {
			Index struct {
				Size struct {
					Total     int64 `json:"total_in_bytes"`
					Recovered int64 `json:"recovered_in_bytes"`
				} `json:"size"`
			} `json:"index"`
		} `json:"shards"`
	}
	var p cluster.Progress
	err := c.do(ctx, call{op: "read the progress of a restore", decode: whole(&reply), request: func() request {
		return request{path: "/_recovery", query: params{
			"active_only": "true", "filter_path": "*.shards.index.size.total_in_bytes,*.shards.index.size.recovered_in_bytes",
		}}
	}})
	if err != nil {
		return p, err
	}
	for _, n := range names {
		for _, s := range reply[n].Shards {
			p.BytesDone += s.Index.Size.Recovered
			p.BytesTotal += s.Index.Size.Total
		}
	}
	health, err := c.Health(ctx, names)
	for _, h := range health {
		p.ShardsTotal += h.Shards
		p.ShardsDone += h.ActivePrimary
	}
	return p, err
}

// SnapshotBatches implements cluster.Batcher.
func (c *Client) SnapshotBatches(ctx context.Context, repository string, names []string) ([][]string, error) {
	server, err := c.Server(ctx)
	if err != nil {
		return nil, err
	}
	if server.DeletesMany() {
		return c.batches(names, func(batch []string) request { return deletionOf(repository, batch) }), nil
	}
	out := make([][]string, len(names))
	for i, n := range names {
		out[i] = []string{n}
	}
	return out, nil
}

// CreateSnapshot implements cluster.Writer.
func (c *Client) CreateSnapshot(ctx context.Context, r cluster.CreateSnapshot) error {
	names := r.Indices
	if len(r.Streams) > 0 {
		names = slices.Concat(r.Plain, r.Streams)
	}
	body := map[string]any{
		"indices": list(names...), "ignore_unavailable": r.IgnoreUnavailable,
		"include_global_state": r.GlobalState, "partial": r.Partial,
	}
	if r.FeatureStates != nil {
		body["feature_states"] = r.FeatureStates
	}
	if r.Metadata != nil {
		body["metadata"] = r.Metadata
	}
	return c.do(ctx, call{op: "create snapshot " + r.Repository + "/" + r.Name, write: true, least: masterWait, request: func() request {
		return request{method: http.MethodPut, path: "/_snapshot/" + esc(r.Repository) + "/" + esc(r.Name), body: body,
			query: params{"wait_for_completion": "false"}}
	}})
}

// DeleteSnapshots implements cluster.Writer.
func (c *Client) DeleteSnapshots(ctx context.Context, r cluster.DeleteSnapshots) error {
	op := describe("delete", "snapshot "+r.Repository+"/", "snapshots of repository "+r.Repository, r.Names)
	if err := cmp.Or(concrete(op, r.Repository), concrete(op, r.Names...)); err != nil {
		return err
	}
	return c.do(ctx, call{op: op, write: true, deletes: true, resend: never, request: func() request {
		return deletionOf(r.Repository, r.Names)
	}})
}

// deletionOf is the request that deletes some snapshots.
func deletionOf(repository string, names []string) request {
	return request{method: http.MethodDelete, path: pathOf("/_snapshot/"+esc(repository), names, "")}
}

// RestoreSnapshot implements cluster.Writer.
func (c *Client) RestoreSnapshot(ctx context.Context, r cluster.RestoreSnapshot) error {
	body := map[string]any{
		"indices": list(r.Indices...), "include_aliases": r.IncludeAliases, "ignore_unavailable": r.IgnoreUnavailable,
		"include_global_state": r.GlobalState, "partial": r.Partial,
	}
	if r.RenamePattern != "" {
		body["rename_pattern"], body["rename_replacement"] = r.RenamePattern, r.RenameReplacement
	}
	if len(r.IndexSettings) > 0 {
		body["index_settings"] = r.IndexSettings
	}
	if len(r.IgnoreIndexSettings) > 0 {
		body["ignore_index_settings"] = r.IgnoreIndexSettings
	}
	if r.FeatureStates != nil {
		body["feature_states"] = r.FeatureStates
	}
	for k, v := range r.Extra {
		body[k] = v
	}
	return c.do(ctx, call{
		op:    "restore from snapshot " + r.Repository + "/" + r.Name,
		write: true,
		least: masterWait,
		request: func() request {
			return request{method: http.MethodPost, path: "/_snapshot/" + esc(r.Repository) + "/" + esc(r.Name) + "/_restore", body: body,
				query: params{"wait_for_completion": "false"}}
		},
	})
}
