package actions

import (
	"context"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// DeleteSnapshots deletes snapshots, several in one request where the server can. It
// waits for a running snapshot and never aborts it.
type DeleteSnapshots struct {
	Repository     string         `yaml:"repository" check:"required" doc:"the repository"`
	RetryInterval  int64          `yaml:"retry_interval" check:"min=1,max=600" doc:"seconds between two tries while another operation runs; needs retry_count"`
	RetryCount     int64          `yaml:"retry_count" check:"min=0,max=100" doc:"how often to try while another operation runs"`
	KeepNewestGood bool           `yaml:"keep_newest_good" check:"own" doc:"never delete the newest good snapshot of a series"`
	Series         []string       `yaml:"series" check:"list,own" doc:"wildcard patterns, each one series; default: names that differ only in dates"`
	WaitForRunning *time.Duration `yaml:"wait_for_running" check:"own" doc:"maximum wait for another operation; default 30m; if retry_count or retry_interval is given, and in Curator's command lines, retry_count times retry_interval"`
	MaxDuration    *time.Duration `yaml:"max_duration" check:"own" doc:"start no deletion after this time; the next run deletes the rest"`
	Limits

	retriesGiven bool
}

func newDeleteSnapshots(Behaviour) Action {
	return &DeleteSnapshots{RetryInterval: 120, RetryCount: 3, KeepNewestGood: true}
}

// Validate implements Action.
func (a *DeleteSnapshots) Validate(given map[string]bool) error {
	a.retriesGiven = given["retry_count"] || given["retry_interval"]
	return a.Limits.validate()
}

func (a *DeleteSnapshots) most() time.Duration {
	if a.MaxDuration == nil {
		return 0
	}
	return *a.MaxDuration
}

// Source implements SnapshotSource.
func (a *DeleteSnapshots) Source() string { return a.Repository }

// Protection implements Guarded.
func (a *DeleteSnapshots) Protection() Protection {
	return Protection{KeepNewestGood: a.KeepNewestGood, Series: a.Series}
}

// Run implements Action: oldest first, so that an interruption keeps the youngest.
func (a *DeleteSnapshots) Run(ctx context.Context, env *Env) error {
	snapshots := cluster.Of[*cluster.Snapshot](env.Selected)
	slices.SortStableFunc(snapshots, func(x, y *cluster.Snapshot) int { return x.Start.Compare(y.Start) })
	names := cluster.Names(snapshots)
	d := deletion{
		what: "snapshot", in: a.Repository,
		batches: func(names []string) ([][]string, error) {
			return env.Cluster.SnapshotBatches(ctx, a.Repository, names)
		},
		send: func(ctx context.Context, names []string) error {
			return env.Cluster.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: a.Repository, Names: names})
		},
		most:  a.most(),
		uuids: cluster.UUIDs(snapshots), currentUUIDs: func(ctx context.Context, _ []string) (map[string]string, error) {
			return a.uuids(ctx, env, snapshots)
		},
		budget: a.budget(env),
	}
	return d.run(ctx, env, names)
}

// uuids are those of the repository's snapshots now, by name. The short listing of
// Elasticsearch 6 omits snapshots without an index: ours among those are read by name.
func (a *DeleteSnapshots) uuids(ctx context.Context, env *Env, ours []*cluster.Snapshot) (map[string]string, error) {
	uuids, err := env.Cluster.SnapshotUUIDs(ctx, a.Repository)
	if err != nil {
		return nil, err
	}
	var empty []string
	for _, s := range ours {
		if _, listed := uuids[s.Name]; s.Shards.Total == 0 && !listed {
			empty = append(empty, s.Name)
		}
	}
	if len(empty) == 0 {
		return uuids, nil
	}
	list, err := env.Cluster.SnapshotsNamed(ctx, a.Repository, empty)
	for _, s := range list {
		uuids[s.Name] = s.UUID
	}
	return uuids, err
}

func (a *DeleteSnapshots) budget(env *Env) *waitBudget {
	if a.WaitForRunning == nil && (a.retriesGiven || env.Behaviour.RetriesWait) {
		p := newWaitBudget(time.Duration(a.RetryCount*a.RetryInterval) * time.Second)
		p.every = time.Duration(a.RetryInterval) * time.Second
		return p
	}
	return newWaitBudget(env.waitForRunning(a.WaitForRunning))
}
