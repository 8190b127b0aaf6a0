package es

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// askVersion is what the first request is for.
const askVersion = "ask the cluster for its version"

// Server implements cluster.ServerReader. The first call waits for a cluster that does not
// answer yet, up to ConnectTimeout; the answer is cached.
func (c *Client) Server(ctx context.Context) (cluster.Server, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		return c.identified(), nil
	}
	err := c.patiently(ctx, func(err error) bool {
		return cluster.Transient(err) && !lasting(err) && !errors.Is(err, errNoCluster)
	}, func() error {
		s, err := c.probe(ctx)
		if err == nil {
			c.server = &s
		}
		return err
	})
	if err != nil {
		return cluster.Server{}, err
	}
	return c.identified(), nil
}

// identified is the server with the cluster's uuid, if it is known.
func (c *Client) identified() cluster.Server {
	s := *c.server
	c.hosts.mu.Lock()
	defer c.hosts.mu.Unlock()
	s.UUID = cmp.Or(s.UUID, c.hosts.uuid)
	return s
}

// patiently asks again while the failure may be temporary, up to ConnectTimeout.
func (c *Client) patiently(ctx context.Context, passes func(error) bool, ask func() error) error {
	start, again := time.Now(), time.Duration(0)
	for {
		err := ask()
		elapsed := time.Since(start)
		if err == nil || ctx.Err() != nil || !passes(err) || elapsed >= c.o.ConnectTimeout {
			return err
		}
		if c.o.Wait != nil && elapsed >= again { // ten minutes of waiting are eight lines, not three hundred
			c.o.Wait(err, elapsed)
			again = max(5*time.Second, 2*elapsed)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(2*time.Second, c.o.ConnectTimeout-elapsed)):
		}
	}
}

// lasting reports whether waiting cannot help against a failure.
func lasting(err error) bool {
	var e *cluster.Error
	return errors.As(err, &e) && e.Lasting
}

// probe asks GET /. Some users are not permitted to send it, and some servers cannot
// answer it: then it reads the description of the answering node.
func (c *Client) probe(ctx context.Context) (cluster.Server, error) {
	var root struct {
		ClusterName string
		ClusterUUID string
		Tagline     string
		Version     struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		}
	}
	decode := func(s *stream) error {
		err := fields(field{"version", &root.Version}, field{"cluster_name", &root.ClusterName},
			field{"cluster_uuid", &root.ClusterUUID}, field{"tagline", &root.Tagline})(s)
		if err != nil {
			return err
		}
		return s.learn(root.ClusterUUID)
	}
	err := c.do(ctx, call{
		op:      askVersion,
		which:   true,
		resend:  never,
		request: func() request { return request{path: "/"} },
		decode:  page(decode),
	})
	switch {
	case err == nil && root.Version.Number != "":
		return cluster.Server{
			OpenSearch: root.Version.Distribution == "opensearch" || strings.Contains(root.Tagline, "OpenSearch"),
			Version:    cluster.ParseVersion(root.Version.Number), Text: root.Version.Number,
			Name: root.ClusterName, UUID: root.ClusterUUID,
		}, nil
	case err != nil && !errors.Is(err, cluster.ErrForbidden) && !errors.Is(err, cluster.ErrUnsupported) &&
		!errors.Is(err, cluster.ErrServer) && !notACluster(err):
		return cluster.Server{}, err
	}
	s, err := c.probeNode(ctx)
	if err != nil {
		return s, err
	}
	c.hosts.mu.Lock()
	host := c.hosts.at
	c.hosts.mu.Unlock()
	return s, c.askWhich(ctx, host) // GET / would have reported it
}

// probeNode reads the description of the answering node. For a user who may not read that
// either, the version is unknown: the oldest supported behaviour.
func (c *Client) probeNode(ctx context.Context) (cluster.Server, error) {
	var local struct {
		ClusterName string
		Nodes       map[string]struct {
			Version     string `json:"version"`
			BuildFlavor string `json:"build_flavor"`
		}
	}
	err := c.do(ctx, call{
		op:     "ask the node for its version",
		which:  true,
		resend: never,
		decode: page(fields(field{"nodes", &local.Nodes}, field{"cluster_name", &local.ClusterName})),
		request: func() request {
			return request{path: "/_nodes/_local", query: params{"filter_path": "cluster_name,nodes.*.version,nodes.*.build_flavor"}}
		},
	})
	switch {
	case errors.Is(err, cluster.ErrForbidden), c.prefix == 0 && status(err) == http.StatusMethodNotAllowed:
		return cluster.Server{}, nil
	case notACluster(err):
		return cluster.Server{}, noCluster(err)
	case err != nil:
		return cluster.Server{}, err
	case local.ClusterName == "" && len(local.Nodes) == 0:
		return cluster.Server{}, noCluster(errors.New("the reply does not contain a version or a node"))
	}
	s := cluster.Server{Name: local.ClusterName}
	for _, n := range local.Nodes {
		s.Text, s.Version = n.Version, cluster.ParseVersion(n.Version)
		s.OpenSearch = n.BuildFlavor == "" // OpenSearch nodes have no flavour
	}
	return s, nil
}

// errNoCluster means that the answer is not from a cluster: a page of a proxy, or a wrong
// path of a cluster. It is not temporary.
var errNoCluster = errors.New("this is not Elasticsearch or OpenSearch")

// page decodes a reply that may be a page or come from another program.
func page(decode func(*stream) error) func(*stream) error {
	return func(r *stream) error {
		err := decode(r)
		var syntax *json.SyntaxError
		var other *json.UnmarshalTypeError
		if errors.As(err, &syntax) || errors.As(err, &other) || errors.Is(err, errLacks) {
			return &cluster.Error{Op: askVersion, Kind: cluster.ErrUnreachable, Err: errNoCluster, Text: "the reply is not from a cluster"}
		}
		return err
	}
}

// notACluster reports whether the reply cannot be from a cluster.
func notACluster(err error) bool {
	s := status(err)
	return errors.Is(err, errNoCluster) || s >= 400 && s < 500 && (errors.Is(err, cluster.ErrNoIndex) || errors.Is(err, cluster.ErrInvalid) ||
		errors.Is(err, cluster.ErrUnsupported) || errors.Is(err, cluster.ErrServer))
}

func status(err error) int {
	var e *cluster.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// noCluster is the error for such an address.
func noCluster(err error) error {
	return &cluster.Error{
		Op: askVersion, Kind: cluster.ErrUnreachable, Err: errNoCluster, Text: "this address is not Elasticsearch or OpenSearch: " + err.Error(),
		Hint: "check the host, the port and the path in the address of the cluster",
	}
}

// Clock implements cluster.ServerReader: the master's clock, which dates
// snapshots and new indices.
func (c *Client) Clock(ctx context.Context) (time.Time, error) {
	const op = "read the cluster's clock"
	var reply map[string]struct {
		Timestamp int64 `json:"timestamp"`
	}
	err := c.do(ctx, call{op: op, decode: fields(field{"nodes", &reply}), request: func() request {
		return request{path: "/_nodes/_master/stats/process", query: params{"filter_path": "nodes.*.timestamp"}}
	}})
	if err != nil {
		return time.Time{}, err
	}
	for _, n := range reply {
		return time.UnixMilli(n.Timestamp), nil
	}
	return time.Time{}, &cluster.Error{Op: op, Kind: cluster.ErrServer, Text: "the reply does not contain the time of a node"}
}

// OnMaster implements cluster.ServerReader.
func (c *Client) OnMaster(ctx context.Context) (bool, error) {
	master := ""
	err := c.do(ctx, call{op: "ask which node is the master", decode: identity(field{"master_node", &master}), request: func() request {
		return stateOf("master_node", "cluster_uuid", "master_node")
	}})
	if err != nil {
		return false, err
	}
	var local map[string]json.RawMessage
	err = c.do(ctx, call{op: "ask which node answers", decode: fields(field{"nodes", &local}), request: func() request {
		return request{path: "/_nodes/_local", query: params{"filter_path": "nodes.*.name"}}
	}})
	_, is := local[master]
	return is, err
}

// customs are the running operations in the cluster state.
type customs struct {
	Snapshots struct {
		Snapshots []struct {
			Repository string `json:"repository"`
			Snapshot   string `json:"snapshot"`
			Started    int64  `json:"start_time_millis"`
			Indices    []struct {
				Name string `json:"name"`
			} `json:"indices"`
			Shards []struct {
				State string `json:"state"`
				Node  string `json:"node"`
			} `json:"shards"`
		} `json:"snapshots"`
	} `json:"snapshots"`
	Deletions struct {
		Deletions []struct {
			Repository string   `json:"repository"`
			Snapshot   string   `json:"snapshot"` // one, before 7.8
			Snapshots  []string `json:"snapshots"`
			Started    int64    `json:"start_time_millis"`
		} `json:"snapshot_deletions"`
	} `json:"snapshot_deletions"`
	Restore struct {
		Snapshots []struct {
			Repository string   `json:"repository"`
			Snapshot   string   `json:"snapshot"`
			Indices    []string `json:"indices"`
		} `json:"snapshots"`
	} `json:"restore"`
}

// fields decodes them from the cluster's state.
func (c *customs) fields(others ...field) func(*stream) error {
	return identity(append(others, field{"snapshots", &c.Snapshots}, field{"snapshot_deletions", &c.Deletions},
		field{"restore", &c.Restore})...)
}

// Running implements cluster.ServerReader.
func (c *Client) Running(ctx context.Context) (ops []cluster.Operation, err error) {
	const op = "list running snapshot operations"
	err = c.stateless(ctx, func() error {
		ops, err = c.running(ctx, op)
		return err
	}, func() error {
		ops, err = c.runningSnapshots(ctx, op)
		return err
	})
	return ops, err
}

func (c *Client) running(ctx context.Context, op string) ([]cluster.Operation, error) {
	var state customs
	err := c.do(ctx, call{op: op, decode: state.fields(), request: func() request {
		return stateOf("customs", "cluster_uuid", "snapshots.snapshots.repository", "snapshots.snapshots.snapshot",
			"snapshots.snapshots.start_time_millis", "snapshots.snapshots.indices",
			"snapshot_deletions", "restore.snapshots.repository", "restore.snapshots.snapshot", "restore.snapshots.indices")
	}})
	if err != nil {
		return nil, err
	}
	var ops []cluster.Operation
	for _, s := range state.Snapshots.Snapshots {
		op := cluster.Operation{Kind: cluster.OpSnapshot, Repository: s.Repository, Snapshot: s.Snapshot, Started: millis(s.Started)}
		for _, i := range s.Indices {
			op.Indices = append(op.Indices, i.Name)
		}
		ops = append(ops, op)
	}
	for _, d := range state.Deletions.Deletions {
		names := strings.Join(d.Snapshots, ",")
		if names == "" {
			names = d.Snapshot
		}
		ops = append(ops, cluster.Operation{Kind: cluster.OpDelete, Repository: d.Repository, Snapshot: names, Started: millis(d.Started)})
	}
	for _, r := range state.Restore.Snapshots {
		ops = append(ops, cluster.Operation{Kind: cluster.OpRestore, Repository: r.Repository, Snapshot: r.Snapshot, Indices: r.Indices})
	}
	return ops, nil
}

func millis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Capacity implements cluster.ServerReader.
func (c *Client) Capacity(ctx context.Context) (cluster.Capacity, error) {
	var out cluster.Capacity
	nodes, err := c.nodes(ctx)
	if err != nil {
		return out, err
	}
	for _, n := range nodes {
		if slices.ContainsFunc(n.Roles, func(r string) bool { return r == "data" || strings.HasPrefix(r, "data_") }) {
			out.Nodes = append(out.Nodes, cluster.Disk{Node: n.Name, Total: n.FS.Total.Total, Free: n.FS.Total.Avail})
		}
	}
	cluster.Sort(out.Nodes, func(a, b cluster.Disk) int { return strings.Compare(a.Node, b.Node) })
	settings, err := c.clusterSettings(ctx, "cluster.routing.allocation.disk", "cluster.max_shards_per_node",
		"cluster.routing.allocation.enable", "cluster.routing.allocation.include", "cluster.routing.allocation.exclude",
		"cluster.routing.allocation.require")
	if err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value, filter := settings[name], false
		for _, kind := range []string{"include.", "exclude.", "require."} {
			filter = filter || strings.HasPrefix(name, "cluster.routing.allocation."+kind)
		}
		if filter && value != "" || name == "cluster.routing.allocation.enable" && (value == "none" || value == "replicas") {
			out.Holding = append(out.Holding, name+": "+value)
		}
	}
	out.HighWatermark = settings["cluster.routing.allocation.disk.watermark.high"]
	out.WatermarkOn = settings["cluster.routing.allocation.disk.threshold_enabled"] != "false"
	if perNode, err := strconv.Atoi(settings["cluster.max_shards_per_node"]); err == nil {
		if s, err := c.Server(ctx); err == nil && !s.Version.Less(cluster.Version{7, 0, 0}) || s.OpenSearch { // before 7.0 it only warns
			out.ShardLimit = perNode * len(out.Nodes)
		}
	}
	var active, unassigned, starting int
	count := fields(field{"active_shards", &active}, field{"unassigned_shards", &unassigned}, field{"initializing_shards", &starting})
	err = c.do(ctx, call{
		op:     "count the cluster's shards",
		decode: count,
		accept: []int{http.StatusRequestTimeout},
		request: func() request {
			return request{path: "/_cluster/health", query: params{"filter_path": "active_shards,unassigned_shards,initializing_shards"}}
		},
	})
	out.Shards = active + unassigned + starting
	return out, err
}

// nodeStats is what esnap asks of every node.
type nodeStats struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	FS    struct {
		Total struct {
			Total int64 `json:"total_in_bytes"`
			Avail int64 `json:"available_in_bytes"`
		} `json:"total"`
	} `json:"fs"`
}

func (c *Client) nodes(ctx context.Context) (map[string]nodeStats, error) {
	var nodes map[string]nodeStats
	err := c.do(ctx, call{op: "read the nodes' disks", decode: fields(field{"nodes", &nodes}), request: func() request {
		return request{path: "/_nodes/stats/fs", query: params{"filter_path": "nodes.*.name,nodes.*.roles,nodes.*.fs.total"}}
	}})
	return nodes, err
}

// Nodes implements cluster.ServerReader.
func (c *Client) Nodes(ctx context.Context) ([]cluster.Node, error) {
	nodes, err := c.nodes(ctx)
	var out []cluster.Node
	for _, n := range nodes {
		out = append(out, cluster.Node{Name: n.Name, Roles: n.Roles, Free: n.FS.Total.Avail})
	}
	cluster.Sort(out, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// clusterSettings reads settings below the given names; transient settings override
// persistent ones, and persistent ones override defaults.
func (c *Client) clusterSettings(ctx context.Context, names ...string) (map[string]string, error) {
	var reply map[string]map[string]any
	var paths []string
	for _, n := range names {
		paths = append(paths, "*."+n)
	}
	err := c.do(ctx, call{op: "read cluster settings", decode: whole(&reply), request: func() request {
		return request{path: "/_cluster/settings", query: params{"include_defaults": "true", "filter_path": strings.Join(paths, ",")}}
	}})
	out := map[string]string{}
	for _, layer := range []string{"defaults", "persistent", "transient"} {
		for k, v := range cluster.Flatten(reply[layer]) {
			out[k] = v
		}
	}
	return out, err
}
