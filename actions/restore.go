package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/rename"
	"github.com/esnap/esnap/internal/restore"
)

// Restore restores indices from a snapshot and verifies that all their shards are
// started. The command esnap restore adds what a file cannot ask
// for: each index from the snapshot that is best for it.
type Restore struct {
	Repository         string         `yaml:"repository" check:"required" doc:"the repository"`
	Name               string         `yaml:"name" doc:"name of the snapshot, without date tokens; the filters do not apply to it"`
	Snapshot           string         `yaml:"snapshot" check:"oneof=latest,own" doc:"latest: the newest good snapshot among the selected ones; default: the newest one in any state"`
	Indices            []string       `yaml:"indices" check:"list" doc:"names or wildcard patterns; default: all indices in the snapshot"`
	IncludeAliases     bool           `yaml:"include_aliases" doc:"also restore aliases"`
	IgnoreUnavailable  bool           `yaml:"ignore_unavailable" doc:"do not fail if the snapshot does not contain an index"`
	IncludeGlobalState bool           `yaml:"include_global_state" doc:"also restore templates and persistent settings"`
	Partial            bool           `yaml:"partial" doc:"also restore from a PARTIAL snapshot, and copies with missing shards"`
	RenamePattern      string         `yaml:"rename_pattern" doc:"regular expression on index names; an ambiguous expression is refused"`
	RenameReplacement  string         `yaml:"rename_replacement" doc:"replacement of each match; $1 is the first group"`
	ExtraSettings      map[string]any `yaml:"extra_settings" doc:"index settings, or index_settings and ignore_index_settings for the request"`
	SkipRepoFSCheck    bool           `yaml:"skip_repo_fs_check" doc:"do not verify the repository on every node first"`
	OnConflict         string         `yaml:"on_conflict" check:"oneof=fail|skip|rename|overwrite,own" doc:"what to do if the name exists"`
	FeatureStates      []string       `yaml:"feature_states" check:"list,own" doc:"names of features whose system indices are restored; default none, in Curator's command lines the server decides"`
	Red                bool           `yaml:"red" check:"own" doc:"restore every red index that has lost a shard from its best copy"`
	WholeCluster       bool           `yaml:"whole_cluster" check:"own" doc:"restore everything into an empty server"`
	Rollback           bool           `yaml:"rollback" check:"own" doc:"after a failure, delete what was created"`
	KeepFor            *time.Duration `yaml:"keep_for" check:"own" doc:"protect the restored indices from esnap's own deletions for this long; default 7d when they keep their name, none in Curator's command lines"`
	WaitForRunning     *time.Duration `yaml:"wait_for_running" check:"own" doc:"maximum wait for another operation; default 30m, 0 in Curator's command lines"`
	StallWait

	// Choose is set by the command: each index is restored from the best snapshot of the
	// named repositories, or of all repositories.
	Choose *Choice `yaml:"-"`

	behaviour Behaviour
}

// DefaultKeep is how long indices that are restored under their own name are protected.
const DefaultKeep = 7 * 24 * time.Hour

// Choice is what the command esnap restore adds to an action's options.
type Choice struct {
	Repositories   []string
	Snapshot       string // a name, latest, or empty
	Before         time.Time
	Written        map[string]string // where a name is written, such as names.txt:3
	Window         *restore.Window   // only indices of this time; nil: any
	IndexSettings  map[string]any
	IgnoreSettings []string
	KeepLifecycle  bool
	Replicas       int // of the targets, for the space they need
}

func newRestore(b Behaviour) Action {
	return &Restore{SkipRepoFSCheck: b.SkipRepoFSCheck, StallWait: newStallWait(b, 9), behaviour: b}
}

// Validate implements Action.
func (a *Restore) Validate(map[string]bool) error {
	var errs []error
	if a.Name != "" && a.Snapshot != "" {
		errs = append(errs, optionError("snapshot", "cannot be given together with name, which already names the snapshot"))
	}
	errs = append(errs, a.excluded("red", a.Red)...)
	errs = append(errs, a.excluded("whole_cluster", a.WholeCluster)...)
	if a.Rollback && !a.WaitForCompletion {
		errs = append(errs, optionError("rollback", "needs wait_for_completion: without waiting, esnap does not see a failure"))
	}
	if err := a.Unpredictable(); err != nil && (a.behaviour.PredictableRenames || a.OnConflict != "") {
		errs = append(errs, optionError("rename_"+err.What, "column %d: %s", err.Column, err.Text))
	}
	return errors.Join(errs...)
}

// excluded are the options that cannot be given together with one that chooses the
// snapshots and the names by itself.
func (a *Restore) excluded(option string, given bool) (errs []error) {
	if !given {
		return nil
	}
	for other, set := range map[string]bool{
		"name": a.Name != "", "snapshot": a.Snapshot != "", "rename_pattern": a.RenamePattern != "", "include_global_state": a.IncludeGlobalState,
		"red":            option != "red" && a.Red,
		"feature_states": option == "red" && len(a.FeatureStates) > 0,
		"on_conflict":    option == "red" && a.OnConflict != "" && a.OnConflict != string(restore.Overwrite),
	} {
		if set {
			errs = append(errs, optionError(option, "cannot be given together with %s", other))
		}
	}
	cluster.Sort(errs, func(x, y error) int { return strings.Compare(x.Error(), y.Error()) })
	return errs
}

// Unpredictable returns why the names that the server makes cannot be predicted, or nil.
// In Curator's command lines that is not an error.
func (a *Restore) Unpredictable() *rename.Error {
	var e *rename.Error
	if a.renames() {
		_, err := rename.Compile(a.RenamePattern, a.RenameReplacement)
		errors.As(err, &e)
	}
	return e
}

// renames reports whether names are changed: a pattern or a replacement alone does nothing.
func (a *Restore) renames() bool { return a.RenamePattern != "" && a.RenameReplacement != "" }

// Source implements SnapshotSource.
func (a *Restore) Source() string { return a.Repository }

// SkipsListing reports that no filters apply: each index is restored from the snapshot
// that is best for it.
func (a *Restore) SkipsListing() bool { return a.choice() != nil }

// choice is how snapshots are chosen for each index; nil: one snapshot is used for all.
func (a *Restore) choice() *Choice {
	if a.Choose == nil && (a.Red || a.WholeCluster) {
		return &Choice{Repositories: []string{a.Repository}, KeepLifecycle: true}
	}
	return a.Choose
}

// Run implements Action.
func (a *Restore) Run(ctx context.Context, env *Env) error {
	plan, err := a.plan(ctx, env)
	if err != nil {
		return err
	}
	if env.Plan != nil {
		if err := env.Plan(plan); err != nil {
			return err
		}
	}
	for _, w := range plan.Warnings {
		env.Warn("%s", w)
	}
	if len(plan.Missing) > 0 {
		return cluster.WithHint(fmt.Errorf("%s: %w", strings.Join(plan.Missing, "\n"), cluster.ErrNoIndex),
			"nothing was restored; esnap snapshot list --holding INDEX finds the snapshots that contain an index")
	}
	if stop := plan.Refusals; len(stop) > 0 {
		return cluster.WithHint(cluster.Refuse("%s", strings.Join(stop, "\n")), "%s", a.wayOut(plan))
	}
	if len(plan.Forcible) > 0 && !env.Force {
		return cluster.WithHint(cluster.Refuse("%s", strings.Join(plan.Forcible, "\n")), "nothing was restored; --force overrides this refusal")
	}
	return a.carryOut(ctx, env, plan)
}

// wayOut is what to do about a plan that is refused.
func (a *Restore) wayOut(p *restore.Plan) string {
	switch {
	case p.Conflict && a.WholeCluster:
		return "nothing was restored; --force and on_conflict skip restore what does not exist yet"
	case !p.Conflict || a.Red:
		return "nothing was restored"
	case a.choice() != nil:
		return "nothing was restored; --rename-prefix restored- restores under other names, --on-conflict skip does not restore these"
	}
	return "nothing was restored; rename_pattern and rename_replacement restore under other names, on_conflict: skip does not restore these"
}
