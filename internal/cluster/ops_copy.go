package cluster

import (
	"context"
	"slices"
	"strings"
	"time"
)

// ShrinkIndex makes Target out of Source, with fewer primaries. Source must be
// blocked for writes and have a copy of every shard on one node.
type ShrinkIndex struct {
	Source, Target      string
	Settings            map[string]any // null clears one that Target would inherit
	Aliases             map[string]any
	WaitForActiveShards string
}

// Intent implements Op.
func (r ShrinkIndex) Intent() Intent {
	return Intent{Verb: VerbShrink, What: "index", Names: []string{r.Source, r.Target}, Detail: "with settings " + text(r.Settings)}
}

// refused implements refusable.
func (r ShrinkIndex) refused(ctx context.Context, c Reader) error {
	op := "shrink index " + r.Source
	if err := invalid(op, "index", r.Target); err != nil {
		return err
	}
	return refusedSettings(ctx, c, op, PutIndexSettings{Settings: r.Settings}.Flat(), r.Source)
}

// Assume implements Op: the target holds what the source does.
func (r ShrinkIndex) Assume(o *Overlay) {
	CreateIndex{Name: r.Target}.Assume(o)
	o.copies[r.Target] = r.Source
}

// Reindex copies documents by a task of the server's. Body is the request's own.
type Reindex struct {
	Body                map[string]any
	Sources             []string // for Intent
	Dest                string
	Refresh             bool
	RequestsPerSecond   int64 // -1: unlimited
	Slices              int64
	Timeout             time.Duration // of each bulk request in the server; 0: the server's
	WaitForActiveShards string        // empty: the server's
}

// Intent implements Op.
func (r Reindex) Intent() Intent {
	return Intent{Verb: VerbReindex, What: "index", Names: append(slices.Clone(r.Sources), r.Dest), Detail: "with body " + r.BodyText()}
}

// BodyText is the request's body as JSON, in which passwords and headers cannot be read.
func (r Reindex) BodyText() string { return text(masked(r.Body)) }

// refused implements refusable: what is copied exists, unless it is a pattern, is in
// another cluster, or has a name with date math.
func (r Reindex) refused(ctx context.Context, c Reader) error {
	if source, _ := r.Body["source"].(map[string]any); source["remote"] != nil {
		return nil
	}
	list, err := c.Indices(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, i := range list {
		there[i.Name], there[i.DataStream] = true, true
		for _, a := range i.Aliases {
			there[a] = true
		}
	}
	for _, s := range r.Sources {
		if !there[s] && s != "_all" && !strings.ContainsAny(s, "*<:") { // a colon: of another cluster
			return &Error{Op: "reindex into " + r.Dest, Kind: ErrNoIndex, Text: "no index, alias or data stream is called " + s}
		}
	}
	return nil
}

// Assume implements Op.
func (r Reindex) Assume(o *Overlay) { CreateIndex{Name: r.Dest}.Assume(o) }

// MountSnapshot makes Target a searchable snapshot of Index, kept in the shared
// cache of the frozen tier (Elasticsearch 7.12 with x-pack).
type MountSnapshot struct {
	Repository, Snapshot string
	Index, Target        string
	Settings             map[string]any
	IgnoreSettings       []string
	Wait                 bool // until its shards are started
}

// Intent implements Op.
func (r MountSnapshot) Intent() Intent {
	return Intent{
		Verb:       VerbMount,
		What:       "snapshot",
		Repository: r.Repository,
		Names:      []string{r.Snapshot, r.Index, r.Target},
		Detail:     "with settings " + text(r.Settings),
	}
}

// Assume implements Op.
func (r MountSnapshot) Assume(o *Overlay) {
	CreateIndex{Name: r.Target}.Assume(o)
	o.settings[r.Target] = map[string]string{"index.store.type": "snapshot", "index.store.snapshot.partial": "true"}
}

// Remote is another cluster, of which indices are listed.
type Remote struct {
	URL                           string
	Username, Password            string
	Header                        map[string]string
	CAFile, ClientCert, ClientKey string
	Insecure                      bool
	AWSKey, AWSSecret, AWSRegion  string
}

// Node is one node of the cluster.
type Node struct {
	Name  string
	Roles []string
	Free  int64 // bytes of its disks that are available
}

// Has says whether the node has one of the roles.
func (n Node) Has(roles ...string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(n.Roles, r) })
}

// IsData says whether shards of ordinary indices can be on the node.
func (n Node) IsData() bool { return n.Has("data", "data_content", "data_hot", "data_warm") }

// IsMasterEligible says whether the node may be elected.
func (n Node) IsMasterEligible() bool { return n.Has("master", "cluster_manager") }

// ShardCopy is one copy of a shard, and where it is.
type ShardCopy struct {
	Index   string
	Shard   int
	Primary bool
	State   string // STARTED, RELOCATING, INITIALIZING, UNASSIGNED
	Node    string // name; empty when it is on none
}

// RunningTask is a task of the server's that runs now.
type RunningTask struct{ ID, Action, Description string }

// Task is what became of a task of the server's.
type Task struct {
	Completed bool
	Total     int64 // documents it found, so far
	Done      int64 // of them, dealt with
	Conflicts int64 // of those, left as they were because of their version
	Failures  []string
}

// Settled says whether all the shard copies are started and stay where they are.
func Settled(copies []ShardCopy) bool {
	return len(copies) > 0 && !slices.ContainsFunc(copies, func(s ShardCopy) bool { return s.State != "STARTED" })
}
