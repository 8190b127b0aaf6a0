// Package actions is what esnap can do to a cluster: one file per action, whose
// struct is the action's options, and the one list of kinds.
//
// An action gets the items that filters and guards left in, changes the cluster
// through Env.Cluster, and says what became of every item. It does not know
// whether the run is a dry run: then Env.Cluster assumes instead of sending.
//
// To add one: write actions/x.go with a struct whose tagged fields are its
// options, Validate and Run; put one row in Kinds; write examples/actions/x.yml
// and describe it in docs/actions.md.
package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/restore"
	"github.com/esnap/esnap/internal/strftime"
)

// Action is one configured action.
type Action interface {
	// Run does it. The error is about the action as a whole; what became of single
	// items goes to env.Outcome.
	Run(ctx context.Context, env *Env) error
}

// Validator is an action whose options can be wrong beside each other; given are the keys
// the file sets. Errors are *cluster.OptionError, joined.
type Validator interface {
	Validate(given map[string]bool) error
}

// Validate checks an action's options, if it has some that can be wrong.
func Validate(a Action, given map[string]bool) error {
	if v, ok := a.(Validator); ok {
		return v.Validate(given)
	}
	return nil
}

// Kind describes one kind of action.
type Kind struct {
	New     func(Behaviour) Action // with defaults filled in
	List    cluster.ListKind       // what its filters apply to; empty: it takes no filters
	Slots   []string               // keys beside options that hold filters of their own, on indices
	Sends   []cluster.Op           // the only requests that it may change the cluster with
	Deletes bool                   // must state its filters, and is guarded
	Timeout time.Duration          // default of timeout_override; 0: the client's
	Async   bool                   // its requests answer at once; that default is not theirs
	Doc     string                 // one sentence
}

// Kinds is the one list of actions. Names, options and defaults are Curator's, but for
// the options marked as esnap's own.
var Kinds = map[string]Kind{
	"alias": {
		New: newAliasAction, Slots: []string{"add", "remove"}, Doc: "adds indices to an alias and removes others",
		Sends: []cluster.Op{cluster.UpdateAliases{}},
	},
	"allocation": {
		New: newAllocation, List: cluster.Indices, Doc: "sets a rule of shard allocation on the selected indices",
		Sends: []cluster.Op{cluster.PutIndexSettings{}},
	},
	"close": {
		New: newClose, List: cluster.Indices, Timeout: 180 * time.Second, Doc: "closes the selected indices",
		Sends: []cluster.Op{cluster.UpdateAliases{}, cluster.FlushIndices{}, cluster.OpenIndices{}},
	},
	"cluster_routing": {
		New: newClusterRouting, Doc: "switches shard allocation or rebalancing of the cluster",
		Sends: []cluster.Op{cluster.PutClusterSettings{}},
	},
	"create_index": {
		New: newCreateIndex, Doc: "makes an index",
		Sends: []cluster.Op{cluster.CreateIndex{}},
	},
	"forcemerge": {
		New: newForcemerge, List: cluster.Indices, Timeout: 6 * time.Hour, Doc: "merges segments of the selected indices",
		Sends: []cluster.Op{cluster.ForcemergeIndex{}},
	},
	"freeze": {
		New: newFreeze, List: cluster.Indices, Doc: "freezes the selected indices",
		Sends: []cluster.Op{cluster.FreezeIndices{}},
	},
	"index_settings": {
		New: newIndexSettings, List: cluster.Indices, Doc: "changes settings of the selected indices",
		Sends: []cluster.Op{cluster.PutIndexSettings{}},
	},
	"open": {
		New: newOpen, List: cluster.Indices, Doc: "opens the selected indices",
		Sends: []cluster.Op{cluster.OpenIndices{}},
	},
	"replicas": {
		New: newReplicas, List: cluster.Indices, Doc: "sets the number of replicas of the selected indices",
		Sends: []cluster.Op{cluster.PutIndexSettings{}},
	},
	"rollover": {
		New: newRollover, Doc: "points an alias to a new index when conditions are met",
		Sends: []cluster.Op{cluster.Rollover{}},
	},
	"cold2frozen": {
		New: newCold2Frozen, List: cluster.Indices, Doc: "moves searchable snapshots from the cold to the frozen tier",
		Sends: []cluster.Op{cluster.MountSnapshot{}, cluster.UpdateAliases{}, cluster.DeleteIndices{}},
	},
	"reindex": {
		New: newReindex, List: cluster.Indices, Async: true, Doc: "copies documents into another index, also from a remote cluster",
		Sends: []cluster.Op{cluster.Reindex{}},
	},
	"shrink": {
		New: newShrink, List: cluster.Indices, Doc: "makes indices with fewer shards out of the selected ones",
		Sends: []cluster.Op{cluster.PutIndexSettings{}, cluster.ShrinkIndex{}, cluster.UpdateAliases{}, cluster.DeleteIndices{}},
	},
	"unfreeze": {
		New: newUnfreeze, List: cluster.Indices, Doc: "thaws the selected indices",
		Sends: []cluster.Op{cluster.FreezeIndices{}},
	},
	"snapshot": {
		New: newSnapshot, List: cluster.Indices, Async: true, Timeout: 6 * time.Hour, Doc: "takes a snapshot of the selected indices",
		Sends: []cluster.Op{cluster.VerifyRepository{}, cluster.CreateSnapshot{}, cluster.DeleteSnapshots{}},
	},
	"delete_snapshots": {
		New: newDeleteSnapshots, List: cluster.Snapshots, Deletes: true, Timeout: 300 * time.Second, Doc: "deletes the selected snapshots",
		Sends: []cluster.Op{cluster.DeleteSnapshots{}},
	},
	"delete_indices": {
		New: newDeleteIndices, List: cluster.Indices, Deletes: true, Doc: "deletes the selected indices",
		Sends: []cluster.Op{cluster.DeleteIndices{}},
	},
	"restore": {
		New: newRestore, List: cluster.Snapshots, Async: true, Timeout: 6 * time.Hour, Doc: "restores indices from a snapshot",
		Sends: []cluster.Op{
			cluster.VerifyRepository{}, cluster.OpenIndices{}, cluster.RestoreSnapshot{}, cluster.UpdateAliases{},
			cluster.PutIndexSettings{}, cluster.DeleteIndices{},
		},
	},
}

// Common are the options that every action takes.
type Common struct {
	DisableAction       bool   `yaml:"disable_action" doc:"skip the action; it is still checked"`
	IgnoreEmptyList     bool   `yaml:"ignore_empty_list" doc:"do not fail if nothing is selected"`
	ContinueIfException bool   `yaml:"continue_if_exception" doc:"after a failure other than an empty selection, continue with the next action"`
	TimeoutOverride     *int64 `yaml:"timeout_override" doc:"time-out of one request, in seconds"`
	AllowILMIndices     bool   `yaml:"allow_ilm_indices" doc:"also take indices that a lifecycle policy manages"`
	IncludeHidden       *bool  `yaml:"include_hidden" doc:"also list hidden indices; esnap's own commands always do"`
	SearchPattern       string `yaml:"search_pattern" doc:"names and wildcard patterns of the indices to list, with commas between"`
	Guards              *bool  `yaml:"guards" check:"own" doc:"on or off; off disables all protections (newest good snapshot, restored indices, …)"`
	Timezone            string `yaml:"timezone" check:"own" doc:"time zone of dates in names and of calendar units, such as Europe/Berlin"`
}

// SnapshotSource is an action whose filters apply to the snapshots of a repository.
type SnapshotSource interface{ Source() string }

// RemoteSource is an action that may take indices of a remote cluster, which the filters
// in its option remote_filters select: they are in Env.Slots[RemoteSlot].
type RemoteSource interface {
	// Remote is that cluster; nil if the action takes nothing from one.
	Remote() *cluster.Remote
}

// RemoteSlot is the option with the filters on a remote cluster's indices.
const RemoteSlot = "remote_filters"

// Guarded is an action whose options say what its guards protect.
type Guarded interface{ Protection() Protection }

// Protection is what a deleting action says to its guards.
type Protection struct {
	KeepNewestGood bool
	Series         []string
	Protect        []string
	NamedExactly   []string
	Copies         *Copies
}

// Copies are the copies that an index must have in snapshots before it is deleted.
type Copies struct {
	Repositories []string
	Min          int
	Complete     bool
	Settle       time.Duration
	Zone         *time.Location
}

// Rules say when such a copy is complete.
func (c *Copies) Rules() coverage.Rules {
	return coverage.Rules{Zones: []*time.Location{c.Zone}, Settle: c.Settle}
}

// Env is what an action works with.
type Env struct {
	Cluster cluster.Cluster
	Now     time.Time // the run's one reading of the clock, in the action's time zone
	Watch   clock.Stopwatch
	// Origin says who runs the action: esnap's version, the run's id, the host and the
	// action's description.
	Origin cluster.Origin
	// Behaviour is what the action does where its options do not say.
	Behaviour Behaviour
	// Selected are the items to act on; Spared were taken out.
	Selected []cluster.Item
	// Slots are the items of the kind's slots that the file gives.
	Slots map[string][]cluster.Item
	// AllowILM is allow_ilm_indices.
	AllowILM bool
	// Timeout is the time-out of one request; WaitForCluster is how long a request that
	// is harmless to repeat waits for a cluster that cannot be reached.
	Timeout, WaitForCluster time.Duration
	// Revalidate reads selected items again, right before a request that deletes
	// them, and has filters and guards judge what may have changed. It returns those
	// that must not be deleted any more, by name, with the reason: Gone for one that
	// no longer exists.
	Revalidate func(ctx context.Context, names []string) (keep map[string]string, err error)
	// Held is why the client file keeps an index, also from what replaces it; empty if it
	// does not.
	Held func(index string) string
	// Snapshots and Indices are the run's shared listings.
	Snapshots func(ctx context.Context, repository string, contents bool) ([]*cluster.Snapshot, error)
	Indices   func(ctx context.Context) ([]*cluster.Index, error)
	// Outcome says what became of an item, Warn what an operator should know,
	// Waiting that the action waits.
	Outcome func(cluster.Outcome)
	Warn    func(format string, args ...any)
	Waiting func(cluster.Waiting)
	// Plan shows a restore's plan before it is carried out; an error stops it. Nil
	// carries it out.
	Plan func(*restore.Plan) error
	// Force overrides refusals by the restore plan.
	Force bool

	lost time.Duration // how long lost replies were waited for
}

func optionError(key, format string, args ...any) error {
	return &cluster.OptionError{Key: key, Text: fmt.Sprintf(format, args...)}
}

// checkName reports an option whose text can be resolved to a name at no time, or only
// to names that servers refuse for what it is to be: index, alias or snapshot. Dates
// have digits only, so that any will do.
func checkName(key, what, text string) error {
	name, err := strftime.Resolve(text, time.Unix(0, 0).UTC())
	if err != nil {
		return optionError(key, "%s", err)
	}
	if why := cluster.InvalidName(what, name); why != "" && !strings.Contains(text, "${") { // that is for somebody else to fill in
		return tolerated(key, "%q cannot be the name of the %s: %s", text, what, why)
	}
	return nil
}

// Gone is what Revalidate says of an item that no longer exists.
const Gone = "gone"

// tolerated is an error with which Curator's command lines continue: what comes of it is
// left to the server.
func tolerated(key, format string, args ...any) error {
	return &cluster.OptionError{Key: key, Text: fmt.Sprintf(format, args...), Tolerated: true}
}

// checkAliases reports names of aliases in extra_settings that servers refuse.
func checkAliases(extra map[string]any) error {
	var errs []error
	aliases, _ := extra["aliases"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if why := cluster.InvalidName("alias", name); why != "" && !strings.HasPrefix(name, "<") { // date math is the server's
			errs = append(errs, tolerated("extra_settings", "aliases: %q cannot be the name of an alias: %s", name, why))
		}
	}
	return errors.Join(errs...)
}

// waitForRunning is how long to wait for somebody else's operation: as the option says,
// or else the behaviour.
func (e *Env) waitForRunning(option *time.Duration) time.Duration {
	if option != nil {
		return *option
	}
	return e.Behaviour.WaitForRunning
}
