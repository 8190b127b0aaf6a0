package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/rename"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/restore"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
	"github.com/esnap/esnap/repository"
)

// restoreOptions are the flags of esnap restore.
type restoreOptions struct {
	Repositories   []string
	Snapshot       string
	Before         moment
	FromFile       string
	Day            day
	From, To       day
	Family         string
	Timezone       zone
	Rename         string
	RenamePrefix   string
	OnConflict     string
	Replicas       int
	Set            []string
	IgnoreSettings []string
	Aliases        bool
	Features       []string
	GlobalState    bool
	Partial        bool
	KeepFor        duration
	KeepLifecycle  bool
	Wait           bool
	WholeCluster   bool
	Register       string
	Red            bool
	Rollback       bool
	Force          bool
	Yes            bool
	Output         string
}

func newRestore(app *App) *cobra.Command {
	o := &restoreOptions{}
	c := &cobra.Command{
		Use: "restore [INDEX...]", Short: "Restore indices from snapshots",
		Long: `Restore each index from the newest snapshot with a complete copy that was
started after the index's day had ended. A plan is shown first.`,
		Example: `  esnap restore ks-logstash-log-2026.11.03 --rename-prefix restored- --yes
  esnap restore --day 2026-11-12 --family ks-logstash-log`,
		Args: wantArgs(0, -1, "names or wildcard patterns of indices"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !o.Day.given() && !o.From.given() && !o.To.given() && o.FromFile == "" && !o.Red && !o.WholeCluster {
				if !app.interactive() {
					return &usageError{text: "nothing says which indices; nothing was sent",
						hint: "name them, or give --day 2026-11-12 or --from-file FILE"}
				}
				return chooseDay(c, app, o)
			}
			return runRestore(c, app, o, args)
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.Repositories, "repository", nil, "only this repository (repeatable; default all)")
	f.StringVar(&o.Snapshot, "snapshot", "", "this snapshot; latest means the newest good one")
	f.Var(&o.Before, "before", "only snapshots started before this time")
	f.Var(&o.Day, "day", "indices of this day, by the date in their names")
	f.StringVar(&o.FromFile, "from-file", "", "names, one a line; - is standard input")
	f.Var(&o.From, "from", "with --to: indices from this day or time on")
	f.Var(&o.To, "to", "up to this day, which is part of it, or this time")
	f.StringVar(&o.Family, "family", "", "only this family, such as ks-logstash-log")
	f.Var(&o.Timezone, "timezone", "zone of these days, such as Asia/Shanghai")
	f.StringVar(&o.Rename, "rename", "", "regular expression, PATTERN=REPLACEMENT")
	f.StringVar(&o.RenamePrefix, "rename-prefix", "", "add this in front of every name")
	enumFlag(f, &o.OnConflict, "on-conflict", "fail", "fail (default), skip, rename or overwrite", "fail", "skip", "rename", "overwrite")
	wholeFlag(f, &o.Replicas, "replicas", 0, "number of replicas (default as in the snapshot)")
	f.StringArrayVar(&o.Set, "set", nil, "index.x=y: change a setting (repeatable)")
	f.StringSliceVar(&o.IgnoreSettings, "ignore-setting", nil, "do not restore this setting (repeatable)")
	f.BoolVar(&o.Aliases, "include-aliases", false, "also restore aliases")
	f.BoolVar(&o.GlobalState, "include-global-state", false, "also restore templates and persistent settings")
	f.StringSliceVar(&o.Features, "feature-state", nil, "also this feature's system indices (repeatable)")
	f.BoolVar(&o.Partial, "partial", false, "also restore copies with missing shards")
	f.Var(&o.KeepFor, "keep-for", "protect this long (14d; default 7d, 0 for none)")
	f.BoolVar(&o.KeepLifecycle, "keep-lifecycle", false, "keep lifecycle policies, which may delete again")
	f.BoolVar(&o.Wait, "wait", true, "wait until all shards are started (default true)")
	f.BoolVar(&o.Red, "red", false, "every red index that has lost a shard")
	f.BoolVar(&o.WholeCluster, "whole-cluster", false, "everything, into an empty server")
	f.StringVar(&o.Register, "register", "", "first register --repository: 'fs location=/backup'")
	f.BoolVar(&o.Rollback, "rollback", false, "on failure or Ctrl-C, delete what was created")
	f.BoolVar(&o.Force, "force", false, "override refusals: disk, shards, overwriting")
	f.BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	reasonFlag(c)
	outputFlag(c, &o.Output, "table", "json", "yaml")
	return c
}

// action turns the flags into an action.
func (o *restoreOptions) action(names []string, now time.Time) (*actions.Restore, error) {
	a := actions.Kinds["restore"].New(actions.Own).(*actions.Restore)
	a.Indices, a.IncludeAliases, a.IncludeGlobalState, a.Partial, a.WaitForCompletion = names, o.Aliases, o.GlobalState, o.Partial, o.Wait
	a.OnConflict, a.FeatureStates, a.Rollback, a.Red = o.OnConflict, o.Features, o.Rollback, o.Red
	a.WholeCluster = o.WholeCluster
	if (o.Red || o.WholeCluster) && o.OnConflict == "fail" { // the default
		a.OnConflict = ""
	}
	switch at := strings.LastIndex(o.Rename, "="); {
	case o.Rename != "" && o.RenamePrefix != "":
		return nil, usagef("--rename and --rename-prefix exclude each other")
	case o.RenamePrefix != "":
		a.RenamePattern, a.RenameReplacement = rename.Prefix(o.RenamePrefix)
	case o.Rename != "" && at < 1:
		return nil, usagef("--rename: %q is not of the form PATTERN=REPLACEMENT", o.Rename)
	case o.Rename != "":
		a.RenamePattern, a.RenameReplacement = o.Rename[:at], o.Rename[at+1:]
		if a.RenameReplacement == "" {
			return nil, usagef("--rename: the replacement is empty")
		}
	}
	if why := a.Unpredictable(); why != nil {
		flag := "--rename"
		if o.RenamePrefix != "" {
			flag = "--rename-prefix"
		}
		return nil, usagef("%s: %s", flag, why)
	}
	if o.KeepFor.given() {
		a.KeepFor = &o.KeepFor.length
	}
	choice := &actions.Choice{Repositories: o.Repositories, Snapshot: o.Snapshot, IgnoreSettings: o.IgnoreSettings,
		KeepLifecycle: o.KeepLifecycle || o.Red || o.WholeCluster, IndexSettings: map[string]any{}}
	if o.Before.given() {
		choice.Before = o.Before.time(now)
	}
	var err error
	if choice.Window, err = o.window(); err != nil {
		return nil, err
	}
	if (o.Red || o.WholeCluster) && (choice.Window != nil || o.FromFile != "") {
		return nil, usagef("--red and --whole-cluster take names or patterns of indices, but not --day, --from, --to or --from-file")
	}
	if o.Replicas >= 0 {
		choice.IndexSettings["index.number_of_replicas"], choice.Replicas = o.Replicas, o.Replicas
	}
	for _, kv := range o.Set {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, usagef("--set: %q is not of the form index.x=y", kv)
		}
		if !strings.HasPrefix(k, "index.") {
			k = "index." + k
		}
		choice.IndexSettings[k] = v
	}
	a.Choose = choice
	return a, nil
}

// window is the time of --day, or of --from and --to; nil if none is given.
func (o *restoreOptions) window() (*restore.Window, error) {
	from, to := o.From, o.To
	none := !from.given() && !to.given()
	switch {
	case o.Day.given() && !none:
		return nil, usagef("--day and --from, --to exclude each other")
	case o.Day.given():
		from, to = o.Day, o.Day
	case none && (o.Family != "" || o.Timezone.given()):
		return nil, usagef("--family and --timezone need --day, or --from and --to")
	case none:
		return nil, nil
	case !from.given() || !to.given():
		return nil, usagef("--from and --to need each other")
	}
	start, _ := from.span(o.Timezone.location())
	_, end := to.span(o.Timezone.location())
	if !end.After(start) {
		return nil, usagef("--from %s is not before --to %s", from.text, to.text)
	}
	return &restore.Window{From: start, To: end, Family: o.Family}, nil
}

// registration is the repository of --register, read-only.
func (o *restoreOptions) registration() (repository.Spec, error) {
	words := strings.Fields(o.Register)
	if len(o.Repositories) != 1 || len(words) == 0 {
		return repository.Spec{}, usagef("--register needs a type and settings, such as 'fs location=/backup', and one --repository")
	}
	spec := repository.Spec{Name: o.Repositories[0], Type: words[0], Settings: map[string]any{}, Ensure: repository.Create}
	for _, kv := range words[1:] {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return spec, usagef("--register: setting %q is not of the form key=value", kv)
		}
		spec.Settings[k] = v
	}
	spec.Settings["readonly"] = true
	if err := spec.Validate(); err != nil {
		return spec, usagef("--register: %s", err)
	}
	return spec, nil
}

func runRestore(c *cobra.Command, app *App, o *restoreOptions, names []string) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	s := x.s
	what := slices.Clone(names)
	var written map[string]string
	if o.FromFile != "" {
		if o.FromFile == "-" && !o.Yes && !s.DryRun {
			return &usageError{text: "standard input contains the names, so it cannot answer a question; nothing was sent", hint: "pass --yes"}
		}
		var more []string
		if more, written, err = readNames(app.In, o.FromFile); err != nil {
			return err
		}
		names, what = append(names, more...), append(what, "the names in "+job.FileName(o.FromFile))
	}
	a, err := o.action(names, app.Now())
	if err != nil {
		return err
	}
	a.Choose.Written = written
	switch {
	case o.Red && len(names) == 0:
		what = append(what, "the red indices")
	case o.WholeCluster && len(names) == 0:
		what = append(what, "the whole cluster")
	case len(names) == 0:
		what = append(what, "the indices "+a.Choose.Window.String())
	}
	p, err := single("restore", "restore "+strings.Join(what, ", "), a, nil, nil)
	if err != nil {
		return err
	}
	if o.Register != "" {
		spec, err := o.registration()
		if err != nil {
			return err
		}
		p.Repositories = append(p.Repositories, spec)
	}
	if !s.DryRun && !o.Yes && !app.interactive() {
		return app.confirm(c.Context(), false, "")
	}
	var planned *restore.Plan
	e := x.job(p, run.Options{
		Force: o.Force,
		Confirm: func(shown *restore.Plan) error {
			planned = shown
			if o.Output == "table" && !x.quiet {
				x.nameCluster(app.Out)
				writePlan(app.Out, planned)
			}
			if s.DryRun || len(planned.Missing)+len(planned.Refusals) > 0 || len(planned.Forcible) > 0 && !o.Force || planned.Count() == 0 {
				return nil
			}
			if (o.Output != "table" || x.quiet) && !o.Yes { // a question needs its plan
				x.nameCluster(app.Err)
				writePlan(app.Err, planned)
			}
			return x.confirm(c.Context(), o.Yes, question(planned))
		},
	}).Run(c.Context())
	result, r := e.Result, e.Report
	if e.Stage == run.StageSettings {
		return e.Err
	}
	switch {
	case o.Output == "table" && x.quiet && e.Code == 0:
	case o.Output == "table":
		x.sayRestore(planned, result, r, o.WholeCluster)
	case s.DryRun && planned != nil:
		if err := writeList(app.Out, o.Output, nil, nil, nil, map[string]any{
			"schema_version": report.SchemaVersion,
			"plan":           planned,
		}); err != nil {
			return err
		}
	default:
		if err := writeList(app.Out, o.Output, nil, nil, nil, map[string]any{
			"schema_version": report.SchemaVersion,
			"plan":           planned,
			"report":         r,
		}); err != nil {
			return err
		}
	}
	if o.Output == "table" && x.s.LogFile == "-" { // the last lines of one stream are the cause and what to do
		for _, err := range result.Errors() {
			terminal.Fprintf(app.Out, "error: %s\n", err)
			if hint := hintFor(err); hint != "" {
				terminal.Fprintf(app.Out, "hint: %s\n", hint)
			}
		}
	} else if x.quietRuns || r.Server == "" || r.ExitCode == 2 {
		for _, err := range result.Errors() {
			app.printError(err)
		}
	}
	if r.ExitCode != 0 {
		return &exit{r.ExitCode}
	}
	return nil
}

// question asks whether to carry out a plan.
func question(p *restore.Plan) string {
	text := "Restore " + cluster.Count(p.Count(), "index")
	if n := len(p.Replaces()); n > 0 {
		text += fmt.Sprintf(", and overwrite %s (%s)", cluster.Count(n, "index"), cluster.Count(int(p.ReplacedDocuments()), "document"))
	}
	return text + "?"
}

// sayRestore prints the result of each index, and how to undo the restore.
func (x *session) sayRestore(p *restore.Plan, result run.Result, r *report.Report, whole bool) {
	out, paint := terminal.Colours(x.Out)
	var undo, hints []string
	for _, rep := range r.Repositories {
		terminal.Fprintf(x.Out, "repository %s: %s\n", rep.Name, rep.Detail)
	}
	isNew := func(name string) bool { return p == nil || !slices.Contains(p.Replaces(), name) }
	for _, act := range r.Actions {
		for _, o := range act.Outcomes {
			line := " " + o.Name
			if o.Detail != "" {
				line += ": " + o.Detail
			}
			if o.Error != "" {
				line += ": " + strings.ReplaceAll(o.Error, "\n", "; ")
			}
			terminal.Fprintf(out, "%s%s\n", paint.Paint(o.Result, o.Words()), line)
			if o.Hint != "" && !slices.Contains(hints, o.Hint) && !x.quietRuns { // otherwise the error is printed with its hint
				hints = append(hints, o.Hint)
				terminal.Fprintf(x.Out, "hint: %s\n", o.Hint)
			}
			switch {
			case o.Result != "done" || o.What != "index" || r.DryRun:
			case o.Verb == cluster.VerbDelete.String(): // rolled back
				undo = slices.DeleteFunc(undo, func(n string) bool { return n == o.Name })
			case isNew(o.Name):
				undo = append(undo, o.Name)
			}
		}
	}
	if r.DryRun {
		fmt.Fprintln(x.Out, "dry run: nothing was changed")
	}
	if len(undo) == 0 || result.Err != nil || whole {
		return
	}
	names := terminal.Shell(undo...)
	if slices.ContainsFunc(undo, func(n string) bool { return restore.InFamily(n, kubeSphereLogs) }) && len(x.s.URLs) > 0 {
		terminal.Fprintf(x.Out, "\nTo read the logs of one namespace: curl -s "+
			"'%s/%s/_search?q=kubernetes.namespace_name:NAMESPACE&size=20&pretty'\n", strings.TrimSuffix(x.s.URLs[0], "/"), strings.Join(undo, ","))
	}
	terminal.Fprintf(x.Out, "\nTo undo: esnap mark --remove %s && esnap index delete %s\n", names, names)
}

// kubeSphereLogs is the family of KubeSphere's container logs.
const kubeSphereLogs = "ks-logstash-log"

// writePlan prints a restore plan as text.
func writePlan(w io.Writer, p *restore.Plan) {
	for _, g := range groupItems(p.Items) {
		terminal.Fprintf(w, "from %s/%s, started %s\n", g[0].Repository, g[0].Snapshot, stampUTC(g[0].Started))
		why := ""
		for _, it := range g {
			line := "  " + it.Index
			switch it.Kind {
			case restore.Index:
			case restore.GlobalState:
				line += ": templates, pipelines, persistent settings"
			default:
				line = "  " + it.Kind.What() + " " + it.Index
			}
			if it.Target != it.Index {
				line += " as " + it.Target
			}
			if it.Bytes > 0 {
				line += "  " + humanize.IBytes(uint64(it.Bytes))
			}
			if it.Replaces != nil && !it.Attach {
				line += "  over the existing index"
			}
			switch {
			case it.Skipped != "":
				line += "  skipped: " + it.Skipped
			case it.Attach:
				line += "  is already being restored; esnap waits for that restore"
			}
			terminal.Fprintf(w, "%s\n", line)
			if it.Why != why {
				why = it.Why
				terminal.Fprintf(w, "    %s\n", why)
			}
		}
	}
	for _, it := range p.Items {
		if it.Unrestorable != "" {
			terminal.Fprintf(w, "not restored: %s: %s\n", it.Index, it.Unrestorable)
		}
	}
	if p.Bytes > 0 {
		terminal.Fprintf(w, "%s to restore", humanize.IBytes(uint64(p.Bytes)))
		if !p.SizeKnown {
			terminal.Fprintf(w, " at least")
		}
		if p.Free > 0 {
			terminal.Fprintf(w, ", %s free on the data nodes", humanize.IBytes(uint64(p.Free)))
		}
		fmt.Fprintln(w)
	}
	if !p.KeepUntil.IsZero() && len(p.Items) > 0 {
		terminal.Fprintf(w, "protected from esnap's own deletions until the end of %s (UTC)\n", cluster.Day(p.KeepUntil))
	}
	for _, x := range p.Warnings {
		terminal.Fprintf(w, "warning: %s\n", x)
	}
	for _, x := range slices.Concat(p.Missing, p.Refusals, p.Forcible) {
		terminal.Fprintf(w, "refused: %s\n", x)
	}
}

func groupItems(items []restore.Item) [][]restore.Item {
	var groups [][]restore.Item
	for _, it := range items {
		if it.Unrestorable != "" {
			continue
		}
		at := slices.IndexFunc(groups, func(g []restore.Item) bool {
			return g[0].Repository == it.Repository && g[0].Snapshot == it.Snapshot
		})
		if at < 0 {
			groups = append(groups, nil)
			at = len(groups) - 1
		}
		groups[at] = append(groups[at], it)
	}
	return groups
}
