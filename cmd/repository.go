package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
	"github.com/esnap/esnap/repository"
)

func newRepository(app *App) *cobra.Command {
	c := groupCommand("repository", "List, register, verify and unregister snapshot repositories",
		newRepositoryList(app), newRepositoryShow(app), newRepositoryRegister(app), newRepositoryVerify(app),
		newRepositoryCleanup(app), newRepositoryUnregister(app))
	c.Aliases = []string{"repo", "repos", "repositories"}
	return c
}

type repositoryJSON struct {
	Repository string            `json:"repository"`
	Type       string            `json:"type"`
	UUID       string            `json:"uuid,omitempty"`
	Settings   map[string]string `json:"settings"`
}

// shown masks the settings that contain secrets.
func shown(r cluster.Repository) repositoryJSON {
	s := maps.Clone(r.Settings)
	for k, v := range s {
		s[k] = repository.Shown(v)
		if repository.IsSecret(r.Type, k) {
			s[k] = "***"
		}
	}
	return repositoryJSON{r.Name, r.Type, r.UUID, s}
}

func settingsText(s map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s)) {
		parts = append(parts, k+"="+s[k])
	}
	return strings.Join(parts, " ")
}

var repositoryColumns = []column{
	{title: "repository"}, {title: "type"}, {title: "location"}, {title: "readonly"}, {title: "settings", wide: true},
}

// repositoryListOptions are the flags of esnap repository list.
type repositoryListOptions struct{ List listFlags }

func newRepositoryList(app *App) *cobra.Command {
	o := &repositoryListOptions{}
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List repositories", Args: noArgs,
		Example: "  esnap repository list\n  esnap repository list -o wide",
		RunE:    func(c *cobra.Command, _ []string) error { return runRepositoryList(c, app, o) },
	}
	o.List.add(c, repositoryColumns)
	return c
}

func runRepositoryList(c *cobra.Command, app *App, o *repositoryListOptions) error {
	if err := o.List.check(app, repositoryColumns); err != nil {
		return err
	}
	_, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	return app.repeat(c.Context(), o.List.watch, func() error {
		list, err := cl.Repositories(c.Context())
		if err != nil {
			return err
		}
		return o.write(app, list)
	})
}

func (o *repositoryListOptions) write(app *App, list []cluster.Repository) error {
	var rows []row
	for _, r := range list {
		j := shown(r)
		place := ""
		for k, s := range repository.Kinds[r.Type].Settings {
			if s.Place && j.Settings[k] != "" && k != "base_path" {
				place = j.Settings[k]
			}
		}
		rows = append(rows, row{name: r.Name, value: j, cells: []cell{
			textCell(r.Name), textCell(r.Type), textCell(place), textCell(fmt.Sprint(r.ReadOnly())), textCell(settingsText(j.Settings)),
		}})
	}
	return o.List.write(app, repositoryColumns, rows, "repositories")
}

// repositoryShowOptions are the flags of esnap repository show.
type repositoryShowOptions struct{ Output string }

func newRepositoryShow(app *App) *cobra.Command {
	o := &repositoryShowOptions{}
	c := &cobra.Command{
		Use: "show REPOSITORY", Short: "Show one repository: its settings and its snapshots", Args: wantArgs(1, 1, "one repository"),
		Example: "  esnap repository show ks-log-snapshots",
		RunE:    func(c *cobra.Command, args []string) error { return runRepositoryShow(c, app, o, args[0]) },
	}
	outputFlag(c, &o.Output, "text", "json", "yaml")
	return c
}

func runRepositoryShow(c *cobra.Command, app *App, o *repositoryShowOptions, name string) error {
	_, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	r, err := cl.Repository(c.Context(), name)
	if err != nil {
		return noRepository(c.Context(), cl, name, err)
	}
	list, err := cl.Snapshots(c.Context(), name, false)
	if err != nil {
		return err
	}
	good, newest := 0, ""
	for _, s := range list {
		if s.Good() {
			good, newest = good+1, s.Name
		}
	}
	j := shown(r)
	if o.Output != "text" {
		return writeList(app.Out, o.Output, nil, nil, nil, map[string]any{
			"schema_version": report.SchemaVersion, "repository": j, "snapshots": len(list), "good_snapshots": good, "newest_good": newest,
		})
	}
	var b strings.Builder
	terminal.Fprintf(&b, "repository   %s\ntype         %s\n", j.Repository, j.Type)
	for _, k := range slices.Sorted(maps.Keys(j.Settings)) {
		terminal.Fprintf(&b, "  %s: %s\n", k, j.Settings[k])
	}
	terminal.Fprintf(&b, "snapshots    %d, %d of them good\n", len(list), good)
	if newest != "" {
		terminal.Fprintf(&b, "newest good  %s\n", newest)
	}
	_, err = app.Out.Write([]byte(b.String()))
	return err
}

// repositoryRegisterOptions are the flags of esnap repository register.
type repositoryRegisterOptions struct {
	Update   bool
	ReadOnly bool
	Force    bool
	Owner    string
	Output   string
}

func newRepositoryRegister(app *App) *cobra.Command {
	o := &repositoryRegisterOptions{}
	c := &cobra.Command{
		Use: "register REPOSITORY TYPE KEY=VALUE...", Short: "Register a repository and verify it",
		Long: `Register a repository of type fs, s3, url, azure, gcs or hdfs, and verify it on every
node. Of an existing repository, only differences are reported: --update changes its
settings, --force registers it again. A location that already contains snapshots is
reported.`,
		Example: `  esnap repository register ks-log-snapshots fs location=/backup compress=true
  esnap repository register audit fs location=/backup --readonly
  esnap repository register cold s3 bucket=logs endpoint=10.0.0.5:9000`,
		Args: wantArgs(2, -1, "a repository, its type, and settings as key=value"),
		RunE: func(c *cobra.Command, args []string) error { return runRepositoryRegister(c, app, o, args) },
	}
	f := c.Flags()
	f.BoolVar(&o.Update, "update", false, "change the settings of an existing repository")
	f.BoolVar(&o.ReadOnly, "readonly", false, "register the repository read-only in this cluster")
	f.StringVar(&o.Owner, "owner", "", "uuid of the cluster that writes there, if the place has snapshots of another one")
	f.BoolVar(&o.Force, "force", false, "register again, even if it then points to another place")
	settings.AddFlag(f, "dry-run")
	outputFlag(c, &o.Output, "table", "json", "yaml")
	return c
}

func runRepositoryRegister(c *cobra.Command, app *App, o *repositoryRegisterOptions, args []string) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	spec, err := o.spec(args[0], args[1], args[2:])
	if err != nil {
		return err
	}
	p := &plan.Plan{Repositories: []repository.Spec{spec}}
	return x.carryOut(c.Context(), x.job(p, run.Options{Force: o.Force}), o.Output)
}

// spec is the repository that the arguments describe.
func (o *repositoryRegisterOptions) spec(name, kind string, set []string) (repository.Spec, error) {
	spec := repository.Spec{Name: name, Type: kind, Settings: map[string]any{}, Ensure: repository.Create, Asked: true, Owner: o.Owner}
	if o.Update {
		spec.Ensure = repository.Update
	}
	for _, kv := range set {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return spec, usagef("setting %q is not of the form key=value", kv)
		}
		spec.Settings[k] = v
	}
	if o.ReadOnly {
		spec.Settings["readonly"] = true
	}
	if err := spec.Validate(); err != nil {
		ue := &usageError{text: err.Error()}
		for _, e := range cluster.Unjoin(err) {
			var oe *cluster.OptionError
			if errors.As(e, &oe) && oe.Hint != "" {
				ue.hint = oe.Hint
			}
		}
		return spec, ue
	}
	return spec, nil
}

func newRepositoryVerify(app *App) *cobra.Command {
	c := &cobra.Command{
		Use: "verify REPOSITORY...", Short: "Verify repositories on every node", Args: wantArgs(1, -1, "one or more repositories"),
		Example: "  esnap repository verify ks-log-snapshots",
		RunE:    func(c *cobra.Command, args []string) error { return runRepositoryVerify(c, app, args) },
	}
	settings.AddFlag(c.Flags(), "dry-run")
	return c
}

func runRepositoryVerify(c *cobra.Command, app *App, names []string) error {
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	if x.s.DryRun {
		if !x.quiet {
			x.nameCluster(app.Err)
		}
		x.say("would verify %s", strings.Join(names, ", "))
		return nil
	}
	var failed error
	for _, name := range names {
		nodes, err := cl.VerifyRepository(c.Context(), cluster.VerifyRepository{Name: name})
		if err != nil {
			err = noRepository(c.Context(), cl, name, err)
			if failed != nil {
				app.printError(failed)
			}
			failed = err
			continue
		}
		x.say("%s: verified by %s: %s", name, cluster.Count(len(nodes), "node"), strings.Join(nodes, ", "))
	}
	return failed
}

// repositoryCleanupOptions are the flags of esnap repository cleanup.
type repositoryCleanupOptions struct{ Yes bool }

func newRepositoryCleanup(app *App) *cobra.Command {
	o := &repositoryCleanupOptions{}
	c := &cobra.Command{
		Use: "cleanup REPOSITORY", Short: "Delete files that no snapshot uses",
		Long: "Have the server delete files of the repository that no snapshot uses, such as those\nthat a killed deletion left. " +
			"Elasticsearch 7.4 and later, OpenSearch. Refused while a\n" +
			"snapshot or deletion runs, and if another cluster's snapshots are in the repository.",
		Example: "  esnap repository cleanup ks-log-snapshots",
		Args:    wantArgs(1, 1, "one repository"),
		RunE:    func(c *cobra.Command, args []string) error { return runRepositoryCleanup(c, app, o, args[0]) },
	}
	c.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	settings.AddFlag(c.Flags(), "dry-run")
	return c
}

func runRepositoryCleanup(c *cobra.Command, app *App, o *repositoryCleanupOptions, name string) error {
	ctx := c.Context()
	x, cl, err := app.reachToAsk(c, o.Yes)
	if err != nil {
		return err
	}
	if err := cleanable(ctx, cl, name); err != nil {
		return err
	}
	if !x.quiet {
		x.nameCluster(app.Err)
	}
	if x.s.DryRun {
		x.say("would clean up %s", name)
		return nil
	}
	if err := x.confirm(ctx, o.Yes, "Delete files of "+name+" that no snapshot uses?"); err != nil {
		return err
	}
	result, err := cl.CleanupRepository(ctx, cluster.CleanupRepository{Name: name})
	if err != nil {
		return err
	}
	x.say("%s: %s deleted, %s", name, cluster.Count(int(result.Files), "file"), humanize.IBytes(uint64(max(result.Bytes, 0))))
	return nil
}

// cleanable is why a repository must not be cleaned up.
func cleanable(ctx context.Context, cl cluster.Cluster, name string) error {
	server, err := cl.Server(ctx)
	if err != nil {
		return err
	}
	r, err := cl.Repository(ctx, name)
	if err != nil {
		return noRepository(ctx, cl, name, err)
	}
	switch {
	case !server.CleansUp():
		return cluster.NoCleanup(server, name)
	case r.ReadOnly():
		return cluster.Refuse("repository %s is read-only in this cluster; clean up in the cluster that writes to it", name)
	}
	running, err := cl.Running(ctx)
	if err != nil {
		return err
	}
	for _, o := range running {
		if o.Repository == name || o.Repository == "" {
			return cluster.Refuse("%s uses the repository; clean up when it has ended", o)
		}
	}
	list, err := cl.Snapshots(ctx, name, false)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Elsewhere {
			return cluster.Refuse("repository %s contains snapshots of another cluster, such as %s: its files would be deleted while it writes them",
				name, s.Name)
		}
	}
	return nil
}

// repositoryUnregisterOptions are the flags of esnap repository unregister.
type repositoryUnregisterOptions struct{ Yes bool }

func newRepositoryUnregister(app *App) *cobra.Command {
	o := &repositoryUnregisterOptions{}
	c := &cobra.Command{
		Use: "unregister REPOSITORY", Short: "Unregister a repository; its snapshots are kept",
		Long: "Unregister a repository from the cluster. Its snapshots are not deleted: they can\n" +
			"be used again after the same place is registered again.",
		Example: "  esnap repository unregister ks-log-snapshots --yes",
		Args:    wantArgs(1, 1, "one repository"),
		RunE:    func(c *cobra.Command, args []string) error { return runRepositoryUnregister(c, app, o, args[0]) },
	}
	c.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	reasonFlag(c)
	settings.AddFlag(c.Flags(), "dry-run")
	return c
}

func runRepositoryUnregister(c *cobra.Command, app *App, o *repositoryUnregisterOptions, name string) error {
	ctx := c.Context()
	x, cl, err := app.reachToAsk(c, o.Yes)
	if err != nil {
		return err
	}
	r, err := cl.Repository(ctx, name)
	if err != nil {
		return noRepository(ctx, cl, name, err)
	}
	if !x.quiet {
		x.nameCluster(app.Err)
	}
	if x.s.DryRun {
		x.say("would unregister %s", r.Name)
		return nil
	}
	question := fmt.Sprintf("Unregister %s (%s, %s)? Its snapshots are kept.", r.Name, r.Type, settingsText(shown(r).Settings))
	if err := x.confirm(ctx, o.Yes, question); err != nil {
		return err
	}
	err = x.recorded(ctx, cl, "unregister", []string{name}, func() error { return repository.Unregister(ctx, cl, name) })
	if err != nil {
		return err
	}
	back, _ := json.Marshal(shown(r).Settings)
	x.say("%s was unregistered; its snapshots are kept. To register it again: type %s, settings %s", r.Name, r.Type, string(back))
	return nil
}
