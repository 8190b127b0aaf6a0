package curator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/terminal"
	"github.com/esnap/esnap/repository"
)

// repoFlag is an option of es_repo_mgr create, and the setting of the repository
// that it stands for.
type repoFlag struct {
	names    []string // Curator 8's, and what Curator 5 calls it
	setting  string
	def      string
	required bool
	boolean  bool
	number   bool
}

var (
	compress = repoFlag{names: []string{"compress"}, setting: "compress", def: "true", boolean: true}
	rates    = []repoFlag{
		{names: []string{"chunk_size"}, setting: "chunk_size"},
		compress,
		{names: []string{"max_restore_rate", "max_restore_bytes_per_sec"}, setting: "max_restore_bytes_per_sec", def: "20mb"},
		{names: []string{"max_snapshot_rate", "max_snapshot_bytes_per_sec"}, setting: "max_snapshot_bytes_per_sec", def: "20mb"},
		{names: []string{"readonly"}, setting: "readonly", boolean: true},
	}
	location     = repoFlag{names: []string{"location"}, setting: "location", required: true}
	maxSnapshots = repoFlag{names: []string{"max_snapshots"}, setting: "max_number_of_snapshots", number: true}
	client       = repoFlag{names: []string{"client"}, setting: "client"}
	basePath     = repoFlag{names: []string{"base_path"}, setting: "base_path"}
)

// repoTypes are what es_repo_mgr can create.
var repoTypes = map[string][]repoFlag{
	"fs": append([]repoFlag{location, maxSnapshots}, rates...),
	"s3": append([]repoFlag{
		{names: []string{"bucket"}, setting: "bucket", required: true}, client, basePath,
		{names: []string{"server_side_encryption"}, setting: "server_side_encryption", boolean: true},
		{names: []string{"buffer_size"}, setting: "buffer_size"},
		{names: []string{"canned_acl"}, setting: "canned_acl"}, {names: []string{"storage_class"}, setting: "storage_class"},
		{names: []string{"region"}, setting: "region"},
		{names: []string{"access_key"}, setting: "access_key"}, {names: []string{"secret_key"}, setting: "secret_key"},
	}, rates...),
	"azure": append([]repoFlag{client, {names: []string{"container"}, setting: "container", def: "elasticsearch-snapshots"}, basePath, {
		names:   []string{"location_mode"},
		setting: "location_mode",
	}}, rates...),
	"gcs": append([]repoFlag{{names: []string{"bucket"}, setting: "bucket", required: true}, client, basePath}, rates...),
	"url": {
		{names: []string{"shared_filesystem_url"}, setting: "url", required: true},
		{names: []string{"http_max_retries"}, setting: "http_max_retries", number: true},
		{names: []string{"http_socket_timeout"}, setting: "http_socket_timeout"},
		maxSnapshots, {names: []string{"chunk_size"}, setting: "chunk_size"}, compress,
		{names: []string{"max_restore_rate"}, setting: "max_restore_bytes_per_sec", def: "20mb"},
	},
	"source": append([]repoFlag{{names: []string{"delegate_type"}, setting: "delegate_type", required: true}, location, maxSnapshots},
		rates...),
}

func newRepoMgr(h Host) *cobra.Command {
	root := newRoot(h, repoMgr, "es_repo_mgr [OPTIONS] COMMAND [ARGS]...", "Manage repositories the way Elasticsearch Curator does")
	root.RunE = noCommand
	command := func(name, short string, run func(x *session, c *cobra.Command, cl cluster.Cluster) error) *cobra.Command {
		return &cobra.Command{
			Use:                   name + " [OPTIONS]",
			Short:                 short,
			DisableFlagsInUseLine: true,
			Args:                  cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				x, err := open(c, h, repoMgr)
				if err != nil {
					return err
				}
				defer x.close()
				cl, err := x.reach(c.Context())
				if err != nil || cl == nil {
					return err
				}
				if x.s.DryRun {
					cl = cluster.DryRun(cl, h.Now(), false, func(op cluster.Op) {
						in := op.Intent()
						x.log.Info(strings.TrimSpace(fmt.Sprintf("DRY-RUN: %s %s %s %s", in.Verb, in.What, strings.Join(in.Names, ", "), in.Detail)))
					})
				}
				return x.trouble(run(x, c, cl))
			},
		}
	}
	create := &cobra.Command{Use: "create TYPE [OPTIONS]", Short: "Create a repository", RunE: noCommand}
	for _, kind := range slices.Sorted(maps.Keys(repoTypes)) {
		c := command(kind, "Create a repository of type "+kind, func(x *session, c *cobra.Command, cl cluster.Cluster) error {
			return x.create(c, cl, kind)
		})
		addRepoFlags(c.Flags(), kind)
		create.AddCommand(c)
	}
	remove := command("delete", "Unregister a repository; its snapshots are kept", (*session).unregister)
	repoName(remove.Flags())
	remove.Flags().Bool("yes", false, "do not ask")
	all := &cobra.Command{
		Use:   "show-all-options",
		Short: "Show all options, the hidden ones too",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			root.PersistentFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = false })
			return root.Help()
		},
	}
	root.AddCommand(create, remove, all, command("show", "Show the names of all repositories", showRepositories),
		command("info", "Show the information about the cluster", info))
	return root
}

// repoName adds the repository's name, as both generations call it.
func repoName(f *pflag.FlagSet) {
	f.String("name", "", "repository (required)")
	f.String("repository", "", "the same (Curator 5)")
}

func addRepoFlags(f *pflag.FlagSet, kind string) {
	repoName(f)
	for _, x := range repoTypes[kind] {
		for n, name := range x.names {
			note := cmp.Or(repository.Kinds[kind].Settings[x.setting].Doc, "setting "+x.setting)
			switch {
			case x.required:
				note += " (required)"
			case x.def != "" && !x.boolean:
				note += " (default " + x.def + ")"
			}
			if n > 0 {
				note = "the same (Curator 5)"
			}
			if x.boolean {
				f.Bool(name, x.def == "true", note)
				f.Bool("no-"+name, false, "the opposite of --"+name)
				_ = f.MarkHidden("no-" + name)
			} else {
				f.String(name, "", note)
			}
		}
	}
	f.String("compression", "", "true or false: setting compress (Curator 5)")
	f.String("skip_repo_fs_check", "", "true or false: do not verify (Curator 5)")
	f.Bool("verify", false, "verify the repository on every node")
	f.Bool("force", false, "replace a repository of this name (esnap's own)")
}

// flag is what the command line or the environment has for an option. The variable
// of one of "create fs" has both words: ESCLIENT_CREATE_FS_LOCATION.
func (x *session) flag(c *cobra.Command, name string, boolean bool) (string, bool) {
	words := []string{name}
	for p := c; p.HasParent(); p = p.Parent() {
		words = append([]string{p.Name()}, words...)
	}
	env := func(string) (string, bool) { return x.h.Env(variable(words...)) }
	return value(c.Flags(), env, option{name: name, boolean: boolean, pair: boolean && c.Flags().Lookup("no-"+name) != nil})
}

// boolean is flag for one that is true or false.
func (x *session) boolean(c *cobra.Command, name string) (value, given bool, err error) {
	v, given := x.flag(c, name, true)
	value, ok := truth(v)
	if given && !ok {
		err = notBoolean(name, v)
	}
	return value, given, err
}

func (x *session) name(c *cobra.Command) (string, error) {
	for _, n := range []string{"name", "repository"} {
		if v, given := x.flag(c, n, false); given {
			return v, nil
		}
	}
	return "", &usage{"Missing option '--name'."}
}

// create registers a repository. One that is there already is replaced only with
// --force (D10).
func (x *session) create(c *cobra.Command, cl cluster.Cluster, kind string) error {
	name, err := x.name(c)
	if err != nil {
		return err
	}
	settings := map[string]any{}
	for _, f := range repoTypes[kind] {
		v, given, as := f.def, f.def != "", f.names[0]
		for _, n := range f.names {
			if text, is := x.flag(c, n, f.boolean); is {
				v, given, as = text, true, n
			}
		}
		if v5, is := x.flag(c, "compression", false); is && f.setting == "compress" {
			v, as = v5, "compression"
		}
		switch {
		case !given && f.required:
			return &usage{fmt.Sprintf("Missing option '--%s'.", f.names[0])}
		case !given:
			continue
		case f.boolean:
			b, ok := truth(v)
			if !ok {
				return notBoolean(as, v)
			}
			settings[f.setting] = b
		case f.number:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return &usage{fmt.Sprintf("Invalid value for '--%s': '%s' is not a valid integer.", as, v)}
			}
			settings[f.setting] = n
		default:
			settings[f.setting] = v
		}
	}
	spec := repository.Spec{Name: name, Type: kind, Settings: settings, Ensure: repository.Create}
	if err := spec.Validate(); err != nil {
		return &usage{strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	force, _, err := x.boolean(c, "force")
	if err != nil {
		return err
	}
	if !force {
		if _, err := cl.Repository(c.Context(), name); err == nil {
			return cluster.WithHint(fmt.Errorf("unable to create repository %s: a repository with that name already exists", name),
				"--force replaces it")
		} else if !errors.Is(err, cluster.ErrNoRepository) {
			return err
		}
	}
	verify, _, err := x.boolean(c, "verify")
	if err != nil {
		return err
	}
	skip, told, err := x.boolean(c, "skip_repo_fs_check")
	if err != nil {
		return err
	}
	verify = verify || x.flavour == flavour.Curator5
	if told {
		verify = !skip
	}
	if err := repository.Register(c.Context(), cl, cluster.RegisterRepository{
		Name:     name,
		Type:     kind,
		Settings: settings,
		Verify:   verify,
	}); err != nil {
		return repository.Explain(err)
	}
	if !x.s.DryRun {
		x.log.Info("Repository " + name + " created")
	}
	return nil
}

// unregister takes a repository out, after a question.
func (x *session) unregister(c *cobra.Command, cl cluster.Cluster) error {
	name, err := x.name(c)
	if err != nil {
		return err
	}
	if _, err := cl.Repository(c.Context(), name); err != nil {
		return err
	}
	yes, _, err := x.boolean(c, "yes")
	if err != nil {
		return err
	}
	if !yes && !x.s.DryRun {
		terminal.Fprintf(x.h.Err, "Are you sure you want to delete repository %s? [y/N]: ", name)
		answer, err := terminal.ReadLine(c.Context(), x.h.In)
		if err != nil {
			fmt.Fprintln(x.h.Err)
			return err
		}
		if a := strings.ToLower(answer); a != "y" && a != "yes" {
			fmt.Fprintln(x.h.Err, "\nAborted!")
			return &coded{1}
		}
	}
	if err := repository.Unregister(c.Context(), cl, name); err != nil {
		return err
	}
	if !x.s.DryRun {
		x.log.Info("Repository " + name + " deleted; its snapshots are where they were")
	}
	return nil
}

func showRepositories(x *session, c *cobra.Command, cl cluster.Cluster) error {
	list, err := cl.Repositories(c.Context())
	for _, r := range list {
		terminal.Fprintf(x.h.Out, "%s\n", r.Name)
	}
	return err
}

func info(x *session, c *cobra.Command, cl cluster.Cluster) error {
	s, err := cl.Server(c.Context())
	if err != nil {
		return err
	}
	version := map[string]string{"number": s.Text}
	if s.OpenSearch {
		version["distribution"] = "opensearch"
	}
	e := json.NewEncoder(x.h.Out)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"cluster_name": s.Name, "cluster_uuid": s.UUID, "version": version})
}

// trouble reports why a command failed: on stdout, where scripts for Curator expect it, and
// in the log.
func (x *session) trouble(err error) error {
	var wrong *usage
	var done *coded
	if err == nil || errors.As(err, &wrong) || errors.As(err, &done) {
		return err
	}
	var e *cluster.Error
	if errors.As(err, &e) && (errors.Is(err, cluster.ErrRepository) || e.Has("repository_exception")) {
		terminal.Fprintf(x.h.Out, "Repository exception: %s\n", x.words.error(err))
	}
	x.log.Error(x.words.error(err))
	return &coded{1}
}
