package cluster

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
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

// Reindex copies documents by a task of the server's. Body is the request's own.
type Reindex struct {
	Body                map[string]any
	Sources             []string // for Intent
	Dest                string
	Refresh             bool
	RequestsPerSecond   int64 // -1: as fast as it goes
	Slices              int64
	Timeout             time.Duration // of each bulk request in the server; 0: the server's
	WaitForActiveShards string        // empty: the server's
}

// MountSnapshot makes Target a searchable snapshot of Index, kept in the shared
// cache of the frozen tier (Elasticsearch 7.12 with x-pack).
type MountSnapshot struct {
	Repository, Snapshot string
	Index, Target        string
	Settings             map[string]any
	IgnoreSettings       []string
	Wait                 bool // until its shards are started
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

// Intent implements Op.
func (r ShrinkIndex) Intent() Intent {
	return Intent{Verb: VerbShrink, What: "index", Names: []string{r.Source, r.Target}, Detail: "with settings " + text(r.Settings)}
}

// refused implements refusable.
func (r ShrinkIndex) refused(context.Context, Reader) error {
	return invalid("shrink index "+r.Source, "index", r.Target)
}

// Assume implements Op: the target holds what the source does.
func (r ShrinkIndex) Assume(o *Overlay) {
	CreateIndex{Name: r.Target}.Assume(o)
	o.copies[r.Target] = r.Source
}

// Intent implements Op.
func (r Reindex) Intent() Intent {
	return Intent{Verb: VerbReindex, What: "index", Names: append(slices.Clone(r.Sources), r.Dest), Detail: "with body " + r.BodyText()}
}

// BodyText is the request's body as JSON, in which passwords and headers cannot be read.
func (r Reindex) BodyText() string { return text(masked(r.Body)) }

// Assume implements Op.
func (r Reindex) Assume(o *Overlay) { CreateIndex{Name: r.Dest}.Assume(o) }

// Intent implements Op.
func (r MountSnapshot) Intent() Intent {
	return Intent{Verb: VerbMount, What: "snapshot", Repository: r.Repository, Names: []string{r.Snapshot, r.Index, r.Target}, Detail: "with settings " + text(r.Settings)}
}

// Assume implements Op.
func (r MountSnapshot) Assume(o *Overlay) {
	CreateIndex{Name: r.Target}.Assume(o)
	o.settings[r.Target] = map[string]string{"index.store.type": "snapshot", "index.store.snapshot.partial": "true"}
}

func (i intercept) ShrinkIndex(ctx context.Context, r ShrinkIndex) error {
	return i.around(ctx, r, func() error { return i.w.ShrinkIndex(ctx, r) })
}

func (i intercept) Reindex(ctx context.Context, r Reindex) (task string, err error) {
	err = i.around(ctx, r, func() error { task, err = i.w.Reindex(ctx, r); return err })
	return task, err
}

func (i intercept) MountSnapshot(ctx context.Context, r MountSnapshot) error {
	return i.around(ctx, r, func() error { return i.w.MountSnapshot(ctx, r) })
}

// Task of a rehearsal has ended well.
func (a assumed) Task(ctx context.Context, id string) (Task, error) {
	if id == "" {
		return Task{Completed: true}, nil
	}
	return a.Reader.Task(ctx, id)
}

// Shards are where the assumed settings put them.
func (a assumed) Shards(ctx context.Context, names []string) ([]ShardCopy, error) {
	var really []string
	var out []ShardCopy
	for _, n := range names {
		if i, known := a.o.indices[n]; !known {
			really = append(really, n)
		} else if i != nil {
			out = append(out, ShardCopy{Index: n, Primary: true, State: "STARTED"})
		}
	}
	if len(really) == 0 {
		return out, nil
	}
	more, err := a.Reader.Shards(ctx, really)
	for _, s := range more {
		if node := a.o.settings[s.Index]["index.routing.allocation.require._name"]; node != "" && s.Primary {
			s.Node, s.State = node, "STARTED"
		}
		out = append(out, s)
	}
	return out, err
}

// AliasBodies are the real ones with the assumed changes.
func (a assumed) AliasBodies(ctx context.Context, index string) (map[string]map[string]any, error) {
	out := map[string]map[string]any{}
	if i, known := a.o.indices[index]; !known {
		var err error
		if out, err = a.Reader.AliasBodies(ctx, index); err != nil {
			return nil, err
		}
	} else if i == nil {
		return nil, &Error{Op: "read aliases of index " + index, Kind: ErrNoIndex}
	}
	for _, act := range a.o.aliases {
		switch {
		case act.Index != index:
		case act.Remove:
			delete(out, act.Alias)
		default:
			out[act.Alias] = maps.Clone(act.Extra)
		}
	}
	return out, nil
}

// Settled says whether all the shard copies are started and stay where they are.
func Settled(copies []ShardCopy) bool {
	return len(copies) > 0 && !slices.ContainsFunc(copies, func(s ShardCopy) bool { return s.State != "STARTED" })
}

// IsData says whether shards of ordinary indices can be on the node.
func (n Node) IsData() bool { return n.Has("data", "data_content", "data_hot", "data_warm") }

// IsMasterEligible says whether the node may be elected.
func (n Node) IsMasterEligible() bool { return n.Has("master", "cluster_manager") }

// text is a map as JSON, for messages.
func text(m map[string]any) string {
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// masked is a map in which passwords and headers cannot be read.
func masked(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		inner, isMap := v.(map[string]any)
		switch {
		case k == "password" || k == "headers":
			out[k] = "********"
		case isMap:
			out[k] = masked(inner)
		default:
			out[k] = v
		}
	}
	return out
}
