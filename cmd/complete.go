package cmd

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/connect"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/series"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
	"github.com/esnap/esnap/repository"
)

// lookUpTime is how long a completion may ask the cluster.
const lookUpTime = 2 * time.Second

// complete completes one argument of a command.
type complete func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective)

// addCompletion gives commands and flags their completion.
func addCompletion(app *App, root *cobra.Command) {
	indices, repositories, snapshots := app.completeFrom(indexNames), app.completeFrom(repositoryNames), app.completeFrom(snapshotNames)
	for path, f := range map[string]complete{
		"run": actionFiles, "validate": actionFiles,
		"lock release": upTo(1, app.completeFrom(lockNames)), "history show": upTo(1, app.completeFrom(recordNames)),
		"restore": app.completeFrom(storedIndices), "mark": indices,
		"index list": indices, "index show": upTo(1, indices), "index delete": indices,
		"snapshot list": repositories, "snapshot show": upTo(2, inTurn(app.completeFrom(repositoryOrSnapshot), snapshots)),
		"snapshot create": inTurn(repositories, indices), "snapshot delete": inTurn(repositories, snapshots),
		"repository show": upTo(1, repositories), "repository verify": repositories,
		"repository unregister": upTo(1, repositories),
		"repository register":   inTurn(repositories, repositoryTypes, repositorySettings),
	} {
		if c, _, err := root.Find(strings.Fields(path)); err == nil {
			c.ValidArgsFunction = f
		}
	}
	flags := map[string]complete{
		"log-level": values(settings.LogLevels()...), "log-format": values("text", "json"), "guards": values("on", "off"),
		"lock":       values("off", "auto", "required"),
		"color":      values("auto", "always", "never"),
		"state":      anyFile,
		"family":     app.completeFrom(storedFamilies),
		"repository": repositories, "snapshot": app.completeFrom(snapshotNames), "holding": app.completeFrom(storedIndices), "protect": indices,
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		add := func(f *pflag.Flag) {
			do, ok := flags[f.Name]
			switch placeholder(f) {
			case "", "FILE": // no value, or the shell's own completion
				return
			}
			switch v := f.Value.(type) {
			case *enum:
				do = values(v.words...)
			case *zone:
				do = values(zones...)
			default:
				if !ok {
					do = values()
				}
			}
			_ = c.RegisterFlagCompletionFunc(f.Name, do)
		}
		c.LocalNonPersistentFlags().VisitAll(add)
		if c == root {
			c.PersistentFlags().VisitAll(add)
		}
		if c.ValidArgsFunction == nil && !c.DisableFlagParsing && c.CommandPath() != "esnap config init" {
			c.ValidArgsFunction = values()
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// anyFile leaves the completion to the shell.
func anyFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// values completes fixed values.
func values(list ...string) complete {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

func actionFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt
}

// upTo completes this many arguments and no more.
func upTo(n int, f complete) complete {
	return func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, prefix)
	}
}

// inTurn completes each argument in its way, and further ones as the last.
func inTurn(list ...complete) complete {
	return func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return list[min(len(args), len(list)-1)](c, args, prefix)
	}
}

func repositoryTypes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(repository.Kinds)) {
		list = append(list, name+"\t"+repository.Kinds[name].Doc)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

func repositorySettings(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var list []string
	known := repository.Kinds[args[1]].Settings
	for _, key := range slices.Sorted(maps.Keys(known)) {
		list = append(list, key+"=\t"+known[key].Doc)
	}
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// names are the names that a cluster has for an argument.
type names func(ctx context.Context, cl cluster.Cluster, c *cobra.Command, args []string, prefix string) ([]string, error)

// completeFrom completes names of the cluster. It takes lookUpTime at most. Whatever goes
// wrong, it prints nothing: the line that is being typed would be spoilt.
func (a *App) completeFrom(names names) complete {
	return func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(c.Context(), lookUpTime)
		defer cancel()
		found := make(chan []string, 1)
		go func() {
			var list []string
			if cl, err := a.silently(c); err == nil {
				list, _ = names(ctx, cl, c, args, prefix)
			}
			found <- list
		}()
		var list []string
		select {
		case all := <-found:
			for _, n := range slices.Compact(slices.Sorted(slices.Values(all))) {
				if strings.HasPrefix(n, prefix) && !slices.Contains(args, n) && !terminal.Unsafe(n) {
					list = append(list, n)
				}
			}
		case <-ctx.Done():
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// silently makes the cluster from the settings of a command, without a log.
func (a *App) silently(c *cobra.Command) (cluster.Cluster, error) {
	s, err := settings.Load(c.Flags(), a.Env)
	if err != nil {
		return nil, err
	}
	x := &session{App: a, s: s, log: slog.New(slog.DiscardHandler)}
	if err := x.checkVariables(slog.LevelDebug); err != nil {
		return nil, err
	}
	o := connect.Options(s, Version(), x.purpose())
	o.Timeout, o.ConnectTimeout, o.Warn = lookUpTime, lookUpTime, func(string) {}
	return a.client(o)
}

func indexNames(ctx context.Context, cl cluster.Cluster, _ *cobra.Command, _ []string, _ string) ([]string, error) {
	list, err := cl.Indices(ctx)
	return cluster.Names(list), err
}

func repositoryNames(ctx context.Context, cl cluster.Cluster, _ *cobra.Command, _ []string, _ string) ([]string, error) {
	list, err := cl.Repositories(ctx)
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return names, err
}

// repositoriesOf are the repositories that the arguments or --repository name, or all.
func repositoriesOf(ctx context.Context, cl cluster.Cluster, c *cobra.Command, args []string) ([]string, error) {
	if given, err := c.Flags().GetStringSlice("repository"); err == nil && len(given) > 0 {
		return given, nil
	}
	if c.Parent() != nil && c.Parent().Name() == "snapshot" && len(args) > 0 {
		return args[:1], nil
	}
	return repositoryNames(ctx, cl, c, args, "")
}

func snapshotNames(ctx context.Context, cl cluster.Cluster, c *cobra.Command, args []string, _ string) ([]string, error) {
	list, err := repositoriesOf(ctx, cl, c, args)
	var names []string
	for _, r := range list {
		if in, err := cluster.SnapshotNames(ctx, cl, r); err == nil {
			names = append(names, in...)
		}
	}
	return names, err
}

// repositoryOrSnapshot are the repositories that begin with what was typed or, if none
// does, the snapshots.
func repositoryOrSnapshot(ctx context.Context, cl cluster.Cluster, c *cobra.Command, args []string, prefix string) ([]string, error) {
	list, err := repositoryNames(ctx, cl, c, args, prefix)
	if err != nil || slices.ContainsFunc(list, func(n string) bool { return strings.HasPrefix(n, prefix) }) {
		return list, err
	}
	return snapshotNames(ctx, cl, c, args, prefix)
}

// storedIndices are the indices and data streams that snapshots contain.
func storedIndices(ctx context.Context, cl cluster.Cluster, c *cobra.Command, args []string, _ string) ([]string, error) {
	list, err := repositoriesOf(ctx, cl, c, args)
	var names []string
	for _, r := range list {
		in, err := cl.Snapshots(ctx, r, true)
		if err != nil {
			continue
		}
		for _, s := range in {
			names = append(append(names, s.Indices...), s.DataStreams...)
		}
	}
	return names, err
}

// storedFamilies are the families of the indices with a date that snapshots contain.
func storedFamilies(ctx context.Context, cl cluster.Cluster, c *cobra.Command, args []string, prefix string) ([]string, error) {
	list, err := storedIndices(ctx, cl, c, args, prefix)
	var families []string
	for _, name := range list {
		if _, _, dated := dates.Period(name); dated {
			families = append(families, strings.TrimRight(series.Family(name), "-_.*"))
		}
	}
	return families, err
}

// zones are some of the time zones that a flag takes: one for each difference from UTC that
// many people live with. Any other name of the IANA database is taken, too.
var zones = []string{
	"UTC", "Europe/London", "Europe/Berlin", "Europe/Moscow", "Asia/Dubai", "Asia/Kolkata", "Asia/Bangkok", "Asia/Shanghai", "Asia/Tokyo",
	"Australia/Sydney", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo",
}

func lockNames(ctx context.Context, cl cluster.Cluster, _ *cobra.Command, _ []string, _ string) ([]string, error) {
	list, err := lock.List(ctx, cl)
	var names []string
	for _, h := range list {
		names = append(names, h.Name)
	}
	return names, err
}

func recordNames(ctx context.Context, cl cluster.Cluster, _ *cobra.Command, _ []string, _ string) ([]string, error) {
	list, err := history.List(ctx, cl, 100)
	var names []string
	for _, r := range list {
		names = append(names, r.ID)
	}
	return names, err
}
