package curator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
)

// observer turns the events of a run into Curator's milestone lines.
type observer struct {
	log     *slog.Logger
	words   words
	flavour flavour.Flavour
	dryRun  bool
	single  bool // of one action from the command line: no ids, no job
	// anyServer: say nothing of servers that esnap is not tested on.
	anyServer bool
	noted     bool // the note about closed indices was written
	failed    []string
}

// notMaster is Curator's line on a node that is not the elected master.
const notMaster = "Master-only flag detected. Connected to non-master node. Aborting."

// Observe implements run.Observer.
func (o *observer) Observe(e run.Event) {
	switch e := e.(type) {
	case run.Started:
		o.dryRun = e.DryRun
	case run.NotMaster:
		o.log.Info(notMaster)
	case run.Connected:
		if !o.anyServer && !tested(e.Server) {
			o.log.Warn(e.Server.String() + " is outside what esnap is tested on: Elasticsearch 6.7 to 9, OpenSearch 1 to 3")
		}
	case run.RepositoryReady:
		if e.Err != nil {
			o.log.Error(fmt.Sprintf("Repository %q: %s", e.State.Spec.Name, o.words.error(e.Err)))
			return
		}
		o.log.Info(fmt.Sprintf("Repository %q: %s", e.State.Spec.Name, e.State.Text(o.dryRun)))
	case run.ActionStarting:
		o.noted = false
		if o.single {
			if o.dryRun {
				o.log.Info("DRY-RUN MODE.  No changes will be made.")
			}
			return
		}
		o.log.Info(fmt.Sprintf("Preparing Action ID: %s, %q", e.Step.ID, e.Step.Kind))
		o.log.Info("Creating client object and testing connection")
		o.log.Info(fmt.Sprintf("Trying Action ID: %s, %q: %s", e.Step.ID, e.Step.Kind, e.Step.Description))
		if e.Step.Common.AllowILMIndices {
			o.log.Warn("allow_ilm_indices: true was set. Using Curator and ILM on the same indices can collide")
			o.log.Warn("If a lifecycle policy and this action disagree, the one that comes last wins")
		}
		if o.dryRun {
			o.log.Info("DRY-RUN MODE.  No changes will be made.")
		}
	case run.ActionSkipped:
		o.skipped(e)
	case run.Selected:
		for _, s := range e.Selection.Spared {
			switch {
			case s.Guard:
				o.log.Warn(fmt.Sprintf("%s is spared: %s", s.Item.ItemName(), s.Why))
			case s.Warn:
				o.log.Warn(fmt.Sprintf("Filter %s removed %s: %s", s.By, s.Item.ItemName(), s.Why))
			default:
				o.log.Debug(fmt.Sprintf("Filter %s removed %s: %s", s.By, s.Item.ItemName(), s.Why))
			}
		}
		if o.dryRun {
			o.wouldDo(e)
		}
	case run.Intended:
		o.intended(e)
	case run.Outcome:
		o.outcome(e)
	case run.Warning:
		o.log.Warn(o.words.fit(e.Text))
	case run.Waiting:
		o.log.Debug(fmt.Sprintf("Waiting for %s, %s so far", e.Waiting.For, e.Waiting.Elapsed))
	case run.ActionDone:
		o.done(e)
	case run.Aborted:
		if e.Stage == run.StageConnect { // of the others the program tells
			o.log.Log(context.Background(), critical, o.words.error(e.Err))
		}
	case run.Finished:
		o.finished(e.Result)
	}
}

func (o *observer) skipped(e run.ActionSkipped) {
	switch {
	case e.Reason == run.SkipDisabled:
		o.log.Info(fmt.Sprintf("Action ID: %s: %q not performed because \"disable_action\" is set to True", e.Step.ID, e.Step.Kind))
	case o.single && e.Reason == run.SkipEmpty:
		o.log.Info("Nothing in the list after filtering. Skipping action.")
	case e.Reason == run.SkipEmpty:
		o.log.Info(fmt.Sprintf("Skipping action %q due to empty list: %s", e.Step.Kind, e.Why))
	}
}

// wouldDo writes what a dry run would do, one line for each item, sorted.
func (o *observer) wouldDo(e run.Selected) {
	args := arguments(e.Step, o.flavour)
	if args == "" {
		return
	}
	label := e.Step.Kind
	switch label {
	case "index_settings":
		label = "indexsettings"
	case "delete_snapshots":
		label = "delete_snapshot"
	}
	if e.Step.Selects() == cluster.Indices && !o.noted {
		o.noted = true
		o.log.Info("(CLOSED) indices may be shown that will not be acted on by action \"" + e.Step.Kind + "\".")
	}
	items := slices.Clone(e.Selection.Selected)
	cluster.Sort(items, func(a, b cluster.Item) int { return strings.Compare(a.ItemName(), b.ItemName()) })
	for _, it := range items {
		closed := ""
		if i, ok := it.(*cluster.Index); ok && i.Closed {
			closed = " (CLOSED)"
		}
		o.log.Info(fmt.Sprintf("DRY-RUN: %s: %s%s with arguments: %s", label, it.ItemName(), closed, args))
	}
}

// arguments is the map that Curator shows with each item of a dry run; empty for
// actions whose outcome says it.
func arguments(s plan.Step, f flavour.Flavour) string {
	switch a := s.Action.(type) {
	case *actions.DeleteIndices, *actions.Open, *actions.Freeze, *actions.IndexSettings:
		return "{}"
	case *actions.Close:
		return fmt.Sprintf("{'delete_aliases': %s}", python(a.DeleteAliases))
	case *actions.Forcemerge:
		return fmt.Sprintf("{'max_num_segments': %d, 'delay': %g}", a.MaxNumSegments, a.Delay)
	case *actions.Replicas:
		return fmt.Sprintf("{'count': %d}", a.Count)
	case *actions.Allocation:
		value := "None"
		if a.Value != nil {
			value = "'" + *a.Value + "'"
		}
		key := "body"
		if f == flavour.Curator8 {
			key = "settings"
		}
		return fmt.Sprintf("{'%s': {'index.routing.allocation.%s.%s': %s}}", key, a.AllocationType, a.Key, value)
	case *actions.DeleteSnapshots:
		return fmt.Sprintf("{'repository': '%s', 'retry_interval': %d, 'retry_count': %d}", a.Repository, a.RetryInterval, a.RetryCount)
	}
	return ""
}

// intended writes the steps of a dry run of an action that has several, in their order.
func (o *observer) intended(e run.Intended) {
	if e.Step == nil {
		return
	}
	in := e.Op.Intent()
	switch op := e.Op.(type) {
	case cluster.Reindex:
		o.log.Info(fmt.Sprintf("DRY-RUN: REINDEX: request body: %s with arguments: refresh=%t requests_per_second=%d "+
			"slices=%d timeout=%s wait_for_active_shards=%s wait_for_completion=false",
			op.BodyText(), op.Refresh, op.RequestsPerSecond, op.Slices, op.Timeout, op.WaitForActiveShards))
		return
	case cluster.ShrinkIndex:
		o.log.Info(fmt.Sprintf("DRY-RUN: Shrinking index %q to %q %s", op.Source, op.Target, in.Detail))
		return
	case cluster.PutIndexSettings:
		if node := op.Flat()[shrinkNode]; node != "" && e.Step.Kind == "shrink" {
			o.log.Info(fmt.Sprintf("DRY-RUN: Moving shards to shrink node: %q", node))
			return
		}
	case cluster.DeleteIndices:
		if hasSteps(e.Step.Kind) {
			o.log.Info(fmt.Sprintf("DRY-RUN: Deleting source index %q", op.Names[0]))
			return
		}
	}
	if hasSteps(e.Step.Kind) {
		o.log.Info(strings.TrimSpace(fmt.Sprintf("DRY-RUN: %s: %s %s %s %s", e.Step.Kind, in.Verb, in.What,
			strings.Join(in.Names, ", "), in.Detail)))
	}
}

// shrinkNode is the setting that moves the shards of an index to one node.
const shrinkNode = "index.routing.allocation.require._name"

// hasSteps says whether the steps of a dry run of an action tell what it would do.
func hasSteps(kind string) bool {
	return kind == "reindex" || kind == "shrink" || kind == "cold2frozen"
}

func python(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func (o *observer) outcome(e run.Outcome) {
	x := e.Outcome
	where := x.Name
	if x.Repository != "" {
		where = x.Name + " in repository " + x.Repository
	}
	switch {
	case x.Err != nil:
		o.log.Error(fmt.Sprintf("%s %s %s: %s", x.Verb, x.What, where, o.words.error(x.Err)))
	case x.Assumed && e.Step.Kind == "alias":
		doing := `adding index %q to alias %q`
		if x.Verb == actions.TakeOutOfAlias {
			doing = `removing index %q from alias %q`
		}
		o.log.Info("DRY-RUN: alias: " + fmt.Sprintf(doing, x.Name, x.Alias))
	case x.Assumed && arguments(e.Step, o.flavour) == "" && !hasSteps(e.Step.Kind):
		o.log.Info(fmt.Sprintf("DRY-RUN: %s: %s %s", e.Step.Kind, where, x.Detail))
	case x.Assumed:
	case x.Result == cluster.NotStarted, x.Result == cluster.Requested, x.Result == cluster.Unclear,
		x.Result == cluster.Unchanged && x.Detail != "" && x.Verb == cluster.VerbDelete:
		o.log.Warn(fmt.Sprintf("%s %s %s: %s: %s", x.Verb, x.What, where, strings.ReplaceAll(string(x.Result), "_", " "), x.Detail))
	default:
		o.log.Info(strings.TrimSpace(fmt.Sprintf("%s %s %s: %s %s", x.Verb, x.What, where, x.Result, x.Detail)))
	}
}

// ended is done for a single action (C1 in docs/curator-compatibility.md).
func (o *observer) ended(e run.ActionDone) {
	switch err := e.Result.Err; {
	case errors.Is(err, cluster.ErrEmpty):
		o.log.Error("Nothing in the list after filtering. Exiting: " + o.words.error(err))
	case err != nil:
		o.log.Log(context.Background(), critical, fmt.Sprintf("Failed to complete action: %s.  %s", e.Step.Kind, o.words.error(err)))
	default:
		o.log.Info(fmt.Sprintf("%q action completed.", e.Step.Kind))
	}
}

// tested says whether a server is of a line that esnap is tested on, or does not say
// what it is.
func tested(s cluster.Server) bool {
	switch {
	case s.Text == "":
		return true
	case s.OpenSearch:
		return s.Version[0] <= 3
	}
	return !s.Version.Less(cluster.Version{6, 7, 0}) && s.Version[0] <= 9
}

func (o *observer) done(e run.ActionDone) {
	if o.single {
		o.ended(e)
		return
	}
	if err := e.Result.Err; err != nil {
		if errors.Is(err, cluster.ErrEmpty) {
			o.log.Error(fmt.Sprintf("Unable to complete action %q.  No actionable items in list: %s", e.Step.Kind, o.words.error(err)))
			return
		}
		o.log.Error(fmt.Sprintf("Failed to complete action: %s.  %s", e.Step.Kind, o.words.error(err)))
		if !e.Step.Common.ContinueIfException {
			return
		}
		o.failed = append(o.failed, fmt.Sprintf("%s (%s)", e.Step.ID, e.Step.Kind))
		o.log.Info(fmt.Sprintf("Continuing execution with next action because \"continue_if_exception\" is set to True for action %s",
			e.Step.Kind))
	}
	o.log.Info(fmt.Sprintf("Action ID: %s, %q completed.", e.Step.ID, e.Step.Kind))
}

func (o *observer) finished(r run.Result) {
	if code(r) != 0 {
		if r.Err != nil {
			o.log.Log(context.Background(), critical, o.words.error(r.Err))
		}
		return
	}
	if len(o.failed) > 0 {
		o.log.Warn("Actions failed and were passed over because continue_if_exception is set: " + strings.Join(o.failed, ", "))
	}
	switch {
	case o.single:
	case o.flavour == flavour.Curator5:
		o.log.Info("Job completed.")
	default:
		o.log.Info("All actions completed.")
	}
}

// code is the exit code of a run by Curator's rules: failures
// that continue_if_exception passes over are none.
func code(r run.Result) int {
	if r.Err != nil {
		return 1
	}
	for _, a := range r.Actions {
		if a.NotRun || a.Err != nil && (!a.Step.Common.ContinueIfException || errors.Is(a.Err, cluster.ErrEmpty)) {
			return 1
		}
	}
	return 0
}
