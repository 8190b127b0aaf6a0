package actions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/esnap/esnap/internal/cluster"
)

// Shrink shrinks open indices to fewer primary shards, one at a time. It changes the
// routing of the source and blocks its writes. When it fails, it reverts that. A block
// that existed before is kept, and so is ours if only the deletion of the source failed.
type Shrink struct {
	ShrinkNode       string         `yaml:"shrink_node" check:"required" doc:"node that gets a copy of every shard: its name, or DETERMINISTIC for the node with most free space"`
	NodeFilters      nodeFilters    `yaml:"node_filters" check:"prune" doc:"which nodes may be used"`
	NumberOfShards   int64          `yaml:"number_of_shards" check:"min=1,max=99" doc:"primary shards of the target; must divide those of the source"`
	NumberOfReplicas int64          `yaml:"number_of_replicas" check:"min=0,max=10" doc:"replicas of the target"`
	ShrinkPrefix     string         `yaml:"shrink_prefix" doc:"added before the source's name"`
	ShrinkSuffix     string         `yaml:"shrink_suffix" doc:"added after the source's name"`
	CopyAliases      bool           `yaml:"copy_aliases" doc:"move the source's aliases to the target"`
	DeleteAfter      bool           `yaml:"delete_after" doc:"delete the source after the target has been verified to have as many documents"`
	PostAllocation   postAllocation `yaml:"post_allocation" doc:"a rule of shard allocation for the target"`
	WaitActive       string         `yaml:"wait_for_active_shards" check:"scalar" doc:"number of shard copies that must be started, or all"`
	WaitRebalance    bool           `yaml:"wait_for_rebalance" doc:"also wait until no shard in the cluster is moving"`
	ExtraSettings    map[string]any `yaml:"extra_settings" doc:"settings and aliases of the target"`
	Wait
}

type nodeFilters struct {
	PermitMasters bool     `yaml:"permit_masters" doc:"also use nodes that may be elected master"`
	ExcludeNodes  []string `yaml:"exclude_nodes" check:"list" doc:"nodes that are not used"`
}

type postAllocation struct {
	AllocationType string  `yaml:"allocation_type" check:"oneof=require|include|exclude" doc:"the kind of rule"`
	Key            string  `yaml:"key" doc:"the node attribute"`
	Value          *string `yaml:"value" doc:"value of the attribute; without a value the rule is removed"`
}

func newShrink(Behaviour) Action {
	return &Shrink{
		NumberOfShards: 1, NumberOfReplicas: 1, ShrinkSuffix: "-shrink", DeleteAfter: true, WaitRebalance: true, WaitActive: "1",
		PostAllocation: postAllocation{AllocationType: "require"}, Wait: newWait(true, 9),
	}
}

// Validate implements Action.
func (a *Shrink) Validate(given map[string]bool) error {
	var errs []error
	if a.ShrinkPrefix+a.ShrinkSuffix == "" {
		errs = append(errs, optionError("shrink_suffix", "must not be empty if shrink_prefix is empty: the target would have the source's name"))
	}
	if why := cluster.InvalidName("index", a.target("x")); why != "" {
		errs = append(errs, tolerated("shrink_suffix", "the target %q cannot be the name of an index: %s", a.target("SOURCE"), why))
	}
	if p := a.PostAllocation; p.Key == "" && (p.Value != nil || p.AllocationType != "require") {
		errs = append(errs, optionError("post_allocation", "the key is missing"))
	}
	if _, given := a.ExtraSettings["mappings"]; given {
		errs = append(errs, optionError("extra_settings", "mappings: cannot be changed; the target has the mappings of its source"))
	}
	return errors.Join(append(errs, checkParts(a.ExtraSettings), checkAliases(a.ExtraSettings))...)
}

const (
	requireNode = "index.routing.allocation.require._name"
	blockWrites = "index.blocks.write"
	// maxDocs is how many documents one shard can have (Lucene's limit).
	maxDocs = 2147483519
	// slack is the space that the server needs besides twice the primaries, in bytes.
	slack = 32 << 10
)

// Run implements Action.
func (a *Shrink) Run(ctx context.Context, env *Env) error {
	indices, err := openOnly(env.Selected)
	if err != nil {
		return err
	}
	settings, err := env.Cluster.Settings(ctx, cluster.Names(indices))
	if err != nil {
		return err
	}
	indices = slices.DeleteFunc(indices, func(i *cluster.Index) bool {
		primaries, _ := cluster.ShardNumbers(settings[i.Name])
		return int64(primaries) <= a.NumberOfShards
	})
	if len(indices) == 0 {
		return fmt.Errorf("%w: no selected index has more than %s", cluster.ErrEmpty, cluster.Count(int(a.NumberOfShards), "primary shard"))
	}
	if env.Behaviour.GreenCluster {
		h, err := env.Cluster.ClusterHealth(ctx)
		if err != nil {
			return err
		}
		if h.Status != "green" {
			return cluster.WithHint(fmt.Errorf("the cluster is %s: Curator shrinks only in a green cluster; nothing was changed", h.Status),
				"repair the indices that are not green; esnap run needs only the index itself to be green")
		}
	}
	for _, i := range indices {
		o := cluster.Outcome{Verb: cluster.VerbShrink, What: "index", Name: i.Name, Result: cluster.Done, Detail: "to " + a.target(i.Name)}
		if why := env.held(i.Name); why != "" && a.DeleteAfter {
			o.Result, o.Err = cluster.Failure, cluster.WithHint(errors.New(why), "delete_after: false keeps the index")
		} else if ctx.Err() != nil {
			o.NotStarted(context.Cause(ctx))
		} else if err := a.shrink(ctx, env, i, settings[i.Name]); err != nil {
			o.Result, o.Err = cluster.Failure, err
		}
		env.Outcome(o)
	}
	return context.Cause(ctx)
}

func (a *Shrink) target(source string) string { return a.ShrinkPrefix + source + a.ShrinkSuffix }

// shrink does one index, from the checks to the deletion of the source.
func (a *Shrink) shrink(ctx context.Context, env *Env, source *cluster.Index, now map[string]string) error {
	target, before := a.target(source.Name), beforeShrink(now)
	node, resumed, err := a.check(ctx, env, source, now, target)
	if err != nil {
		return err
	}
	if !resumed {
		if err := a.make(ctx, env, source, target, node, before); err != nil {
			return a.undo(ctx, env, source.Name, before, err)
		}
	}
	if a.WaitForCompletion || a.DeleteAfter {
		if err := a.started(ctx, env, target); err != nil {
			return a.undo(ctx, env, source.Name, before, err)
		}
	}
	if err := a.stillSame(ctx, env, source.Name, target); err != nil {
		return a.undo(ctx, env, source.Name, before, err)
	}
	if err := a.settle(ctx, env, source.Name, target); err != nil {
		return a.undo(ctx, env, source.Name, before, err)
	}
	switch {
	case a.DeleteAfter:
		err = deleteReplaced(ctx, env, source)
	case env.Behaviour.EmptyRouting: // Curator removes the rule, also the index's own one
		err = a.release(ctx, env, source.Name, "", before, nil)
	default:
		err = a.undo(ctx, env, source.Name, before, nil)
	}
	if err == nil { // everything is done: a mark that remains does no harm
		_ = env.Cluster.PutIndexSettings(ctx, cluster.PutIndexSettings{
			Names:    []string{target},
			Settings: map[string]any{cluster.SettingShrink: nil},
		})
	}
	return err
}

// shrinkMark records on the source which settings a shrink must restore, so that the next
// run can do that when this one is killed.
func shrinkMark(before map[string]string) string {
	return fmt.Sprintf("%t:%s", before[blockWrites] == "true", before[requireNode])
}

// beforeShrink are the source's settings as they were before a shrink that was killed.
func beforeShrink(now map[string]string) map[string]string {
	block, node, marked := strings.Cut(now[cluster.SettingShrink], ":")
	if !marked {
		return now
	}
	before := maps.Clone(now)
	before[requireNode], before[blockWrites] = node, ""
	if block == "true" {
		before[blockWrites] = "true"
	}
	return before
}

// undo restores the routing of the source, and removes a write block that it did not
// have.
func (a *Shrink) undo(ctx context.Context, env *Env, source string, before map[string]string, err error) error {
	return a.release(ctx, env, source, nilIfEmpty(before[requireNode]), before, err)
}

func (a *Shrink) release(ctx context.Context, env *Env, source string, routing any, before map[string]string, err error) error {
	put := cluster.PutIndexSettings{Names: []string{source}, Settings: map[string]any{requireNode: routing, cluster.SettingShrink: nil}}
	if before[blockWrites] != "true" {
		put.Settings[blockWrites] = nilIfEmpty(before[blockWrites])
	}
	// The source must be unblocked even if the run ends.
	if uerr := env.Cluster.PutIndexSettings(context.WithoutCancel(ctx), put); uerr != nil {
		uerr = fmt.Errorf("the source may still have %s and %s: %w", requireNode, blockWrites, uerr)
		return errors.Join(err, uerr)
	}
	return err
}

// check returns the node to shrink on, or that an earlier run has already made the
// target. Servers before 8 record the source; later ones only until the target is
// complete, and there esnap's own mark records it. Nothing is changed before all checks
// have passed.
func (a *Shrink) check(
	ctx context.Context,
	env *Env,
	source *cluster.Index,
	now map[string]string,
	target string,
) (node cluster.Node, resumed bool, err error) {
	switch {
	case source.DataStreamWriteIndex:
		return node, false, fmt.Errorf("it is the write index of the data stream %s", source.DataStream)
	case source.DataStream != "" && a.DeleteAfter:
		return node, false, cluster.WithHint(leavesStream(source, target), "delete_after: false keeps the source")
	}
	primaries, _ := cluster.ShardNumbers(now)
	if int64(primaries)%a.NumberOfShards != 0 {
		return node, false, fmt.Errorf("number_of_shards must divide its %s", cluster.Count(primaries, "primary shard"))
	}
	made, err := env.Cluster.Settings(ctx, []string{target})
	if err != nil {
		return node, false, err
	}
	if s, there := made[target]; there {
		if id := cmp.Or(s["index.resize.source.uuid"], s["index.shrink.source.uuid"], s[cluster.SettingShrink]); id != "" && id == source.UUID {
			// A run that was killed leaves both settings; a run that failed removed them. The same
			// number of documents need not be the same documents.
			if now[blockWrites] != "true" || now[requireNode] == "" {
				return node, false, cluster.WithHint(fmt.Errorf("%s was made by an earlier run and may contain later writes", target),
					"delete %s and shrink again", target)
			}
			env.Warn("%s was made from %s by an earlier run; esnap continues with it", target, source.Name)
			return node, true, nil
		}
		return node, false, fmt.Errorf("the target index %s already exists", target)
	}
	if err := a.green(ctx, env, source.Name); err != nil {
		return node, false, err
	}
	stats, err := env.Cluster.Stats(ctx, []string{source.Name})
	if err != nil {
		return node, false, err
	}
	size, known := stats[source.Name]
	switch {
	case !known:
		return node, false, errors.New("the server does not return the statistics of the index")
	case size.Docs > maxDocs*a.NumberOfShards:
		return node, false, fmt.Errorf("its %d documents do not fit into %s", size.Docs, cluster.Count(int(a.NumberOfShards), "shard"))
	}
	nodes, err := env.Cluster.Nodes(ctx)
	if err != nil {
		return node, false, err
	}
	if node, err = a.choose(nodes); err != nil {
		return node, false, err
	}
	if need := size.PrimaryBytes*2 + slack; need >= node.Free {
		return node, false, fmt.Errorf("node %s has %s free; shrinking needs %s", node.Name,
			humanize.IBytes(uint64(max(node.Free, 0))), humanize.IBytes(uint64(need)))
	}
	data := slices.DeleteFunc(slices.Clone(nodes), func(n cluster.Node) bool { return !n.IsData() })
	if int(a.NumberOfReplicas) >= len(data) {
		return node, false, cluster.WithHint(fmt.Errorf("number_of_replicas: %d needs %d data nodes, "+
			"but the cluster has %d: the target would never be green", a.NumberOfReplicas, a.NumberOfReplicas+1, len(data)),
			"set number_of_replicas to %d or less", len(data)-1)
	}
	return node, false, nil
}

// green refuses a source with shard copies that are on no node: waiting would not help.
func (a *Shrink) green(ctx context.Context, env *Env, source string) error {
	health, err := env.Cluster.Health(ctx, []string{source})
	if err != nil {
		return err
	}
	h := health[source]
	starting := h.Status == "yellow" && h.Initializing > 0 && h.Unassigned == 0
	if h.Status != "green" && !starting {
		return cluster.WithHint(fmt.Errorf("the source is %s, but only a green index can be shrunk", cmp.Or(h.Status, "deleted or closed")),
			"wait until all shards of the source are started, or set its number_of_replicas to a number that the nodes can have")
	}
	return nil
}

// choose picks the node (DETERMINISTIC: the one with most free space among those that
// may be used).
func (a *Shrink) choose(nodes []cluster.Node) (cluster.Node, error) {
	var best *cluster.Node
	var names []string
	for n := range nodes {
		node := &nodes[n]
		why := a.unfit(*node)
		if node.Name == a.ShrinkNode {
			if why != "" {
				return *node, fmt.Errorf("shrink_node: %s %s", node.Name, why)
			}
			return *node, nil
		}
		names = append(names, node.Name)
		if why == "" && (best == nil || node.Free > best.Free) {
			best = node
		}
	}
	switch {
	case a.ShrinkNode != "DETERMINISTIC":
		return cluster.Node{}, fmt.Errorf("shrink_node: there is no node %s; the nodes are %s", a.ShrinkNode, strings.Join(names, ", "))
	case best == nil:
		return cluster.Node{}, cluster.WithHint(errors.New("shrink_node: no node can be used: each one has no data, "+
			"may be elected master, or is excluded"),
			"node_filters: {permit_masters: true} also allows nodes that may be elected master")
	}
	return *best, nil
}

func (a *Shrink) unfit(n cluster.Node) string {
	switch {
	case slices.Contains(a.NodeFilters.ExcludeNodes, n.Name):
		return "is among node_filters.exclude_nodes"
	case !n.IsData():
		return "is not a data node"
	case n.IsMasterEligible() && !a.NodeFilters.PermitMasters:
		return "may be elected master, and node_filters.permit_masters is not set"
	}
	return ""
}

// make moves the source's shards to one node, blocks its writes and shrinks it.
func (a *Shrink) make(
	ctx context.Context,
	env *Env,
	from *cluster.Index,
	target string,
	node cluster.Node,
	before map[string]string,
) error {
	source := from.Name
	put := func(settings map[string]any) error {
		err := env.Cluster.PutIndexSettings(ctx, cluster.PutIndexSettings{Names: []string{source}, Settings: settings})
		if errors.Is(err, cluster.ErrLost) {
			return nil // verified below
		}
		return err
	}
	if err := put(map[string]any{requireNode: node.Name, cluster.SettingShrink: shrinkMark(before)}); err != nil {
		return err
	}
	if err := a.gathered(ctx, env, source, node.Name); err != nil {
		return err
	}
	if before[blockWrites] != "true" {
		if err := put(map[string]any{blockWrites: true}); err != nil {
			return err
		}
	}
	if err := a.green(ctx, env, source); err != nil {
		return err
	}
	err := env.Cluster.ShrinkIndex(ctx, a.request(from, target))
	if err != nil && !errors.Is(err, cluster.ErrLost) {
		return err
	}
	there := func() (bool, error) {
		made, err := env.Cluster.Settings(ctx, []string{target})
		_, is := made[target]
		return is, err
	}
	if err != nil { // never sent twice: verify
		if env.arrived(ctx, "the shrink of "+source+" into "+target, there) {
			return nil
		}
		return unclear(ctx, target+" was made", err)
	}
	made, err := there()
	if err == nil && !made {
		err = errors.New("the target " + target + " does not exist")
	}
	return err
}

func (a *Shrink) request(source *cluster.Index, target string) cluster.ShrinkIndex {
	r := cluster.ShrinkIndex{Source: source.Name, Target: target, WaitForActiveShards: a.WaitActive, Settings: map[string]any{}}
	settings, aliases, _ := parts(a.ExtraSettings)
	r.Aliases = aliases
	maps.Copy(r.Settings, cluster.Dotted(settings))
	r.Settings["index.number_of_shards"], r.Settings["index.number_of_replicas"] = a.NumberOfShards, a.NumberOfReplicas
	r.Settings[requireNode], r.Settings[blockWrites], r.Settings[cluster.SettingShrink] = nil, nil, source.UUID
	return r
}

// gathered waits until the node has a copy of every shard and no shard is moving.
func (a *Shrink) gathered(ctx context.Context, env *Env, source, node string) error {
	return a.poll(ctx, env, "a copy of every shard of "+source+" on node "+node, func() (bool, error) {
		copies, err := env.Cluster.Shards(ctx, []string{source})
		if err != nil || !cluster.Settled(copies) {
			return false, err
		}
		there := map[int]bool{}
		for _, s := range copies {
			there[s.Shard] = there[s.Shard] || s.Node == node
		}
		for _, on := range there {
			if !on {
				return false, nil
			}
		}
		if a.WaitRebalance {
			h, err := env.Cluster.ClusterHealth(ctx)
			return h.Relocating == 0, err
		}
		return true, nil
	})
}

// started waits until the target is green, or without wait_for_rebalance until its
// shard copies are started.
func (a *Shrink) started(ctx context.Context, env *Env, target string) error {
	return a.poll(ctx, env, "the shards of "+target, func() (bool, error) {
		if a.WaitRebalance {
			h, err := env.Cluster.Health(ctx, []string{target})
			return h[target].Status == "green", err
		}
		copies, err := env.Cluster.Shards(ctx, []string{target})
		return cluster.Settled(copies), err
	})
}

// stillSame verifies that the target has as many documents as the source, whose writes are
// blocked.
func (a *Shrink) stillSame(ctx context.Context, env *Env, source, target string) error {
	if !a.WaitForCompletion && !a.DeleteAfter {
		env.Warn("not waiting for %s; verify that it becomes green", target)
		return nil
	}
	var x, y cluster.IndexStats
	both, stayed := []string{source, target}, false
	err := a.poll(ctx, env, "the documents of "+target+" to be counted", func() (bool, error) {
		stats, err := env.Cluster.Stats(ctx, both)
		if err != nil {
			return false, err
		}
		if len(stats) < len(both) { // a missing number is not zero
			return false, areOpen(ctx, env, both)
		}
		if x, y = stats[source], stats[target]; x.Docs == y.Docs {
			return true, nil
		}
		// A shard that is moving is not counted. So the numbers must be read between two
		// checks at which no shard is moving.
		before := stayed
		copies, err := env.Cluster.Shards(ctx, both)
		stayed = cluster.Settled(copies)
		return before && stayed, err
	})
	if err == nil && x.Docs != y.Docs {
		err = fmt.Errorf("the target %s has %d documents, but the source %d; the source is kept", target, y.Docs, x.Docs)
	}
	return err
}

// areOpen returns an error if one of the indices was deleted or closed.
func areOpen(ctx context.Context, env *Env, names []string) error {
	list, err := env.Cluster.Indices(ctx)
	for _, n := range names {
		if err == nil && !slices.ContainsFunc(list, func(i *cluster.Index) bool { return i.Name == n && !i.Closed }) {
			err = fmt.Errorf("%s was deleted or closed; the source is kept", n)
		}
	}
	return err
}

// settle gives the target its rule of allocation and the source's aliases.
func (a *Shrink) settle(ctx context.Context, env *Env, source, target string) error {
	if p := a.PostAllocation; p.Key != "" {
		err := env.Cluster.PutIndexSettings(ctx, cluster.PutIndexSettings{
			Names:    []string{target},
			Settings: allocationRule(p.AllocationType, p.Key, p.Value),
		})
		if err != nil {
			return err
		}
		if err := a.started(ctx, env, target); err != nil {
			return err
		}
	}
	return moveAliases(ctx, env, source, target, a.CopyAliases)
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}
