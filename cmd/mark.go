package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/settings"
)

// markOptions are the flags of esnap mark.
type markOptions struct {
	KeepFor duration
	Remove  bool
	Output  string
}

// markJSON is the protection of one index.
type markJSON struct {
	Index     string `json:"index"`
	Protected any    `json:"protected_until"` // the end of that day in UTC; null: not protected
}

func newMark(app *App) *cobra.Command {
	o := &markOptions{KeepFor: duration{positive: true}}
	c := &cobra.Command{
		Use: "mark INDEX...", Short: "Protect indices from esnap's own deletions",
		Long: `Protect indices from esnap's own deletions until the end of a day, as a restore
does, or end that protection. Other programs are not kept from deleting them.`,
		Example: `  esnap mark ks-logstash-log-2026.11.03 --keep-for 30d
  esnap mark ks-logstash-log-2026.11.03 --remove`,
		Args: wantArgs(1, -1, "names of indices"),
		RunE: func(c *cobra.Command, args []string) error { return runMark(c, app, o, args) },
	}
	f := c.Flags()
	f.Var(&o.KeepFor, "keep-for", "protect the indices from esnap's own deletions for this long, such as 30d")
	f.BoolVar(&o.Remove, "remove", false, "end the protection")
	settings.AddFlag(f, "dry-run")
	reasonFlag(c)
	outputFlag(c, &o.Output, "text", "json", "yaml")
	return c
}

func runMark(c *cobra.Command, app *App, o *markOptions, names []string) error {
	if o.Remove == o.KeepFor.given() {
		return usagef("give either --keep-for or --remove")
	}
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	ctx := c.Context()
	list, err := cl.Indices(ctx)
	if err != nil {
		return err
	}
	for _, n := range names {
		if slices.ContainsFunc(list, func(i *cluster.Index) bool { return i.Name == n }) {
			continue
		}
		for _, i := range list {
			if slices.Contains(i.Aliases, n) {
				return usagef("%s is an alias, of the index %s; a mark protects an index: name it", n, i.Name)
			}
		}
		return noIndex(n, list)
	}
	list = slices.DeleteFunc(list, func(i *cluster.Index) bool { return !slices.Contains(names, i.Name) })
	if !x.quiet {
		x.nameCluster(x.Err)
	}
	until := ""
	if !o.Remove {
		until = app.Now().Add(o.KeepFor.length).UTC().Format(cluster.DottedDay)
	}
	if !x.s.DryRun {
		err := x.recorded(ctx, cl, "mark", names, func() error { list, err = remark(c, cl, list, until); return err })
		if err != nil {
			return err
		}
	}
	return x.reportMarks(o.Output, list, until)
}

// remark replaces the marks of indices by one until the end of a day, or by none, and
// verifies it.
func remark(c *cobra.Command, cl cluster.Cluster, list []*cluster.Index, until string) ([]*cluster.Index, error) {
	ctx, names := c.Context(), cluster.Names(list)
	var req cluster.UpdateAliases
	var stored []string // protected by the setting that came with the restore
	for _, i := range list {
		for _, a := range i.Aliases {
			if strings.HasPrefix(a, cluster.KeepPrefix) && a != cluster.KeepPrefix+until {
				req.Actions = append(req.Actions, cluster.AliasAction{Remove: true, Index: i.Name, Alias: a})
			}
		}
		if until != "" && !i.HasAlias(cluster.KeepPrefix+until) {
			req.Actions = append(req.Actions, cluster.AliasAction{Index: i.Name, Alias: cluster.KeepPrefix + until})
		}
		if i.KeepMark != "" && i.KeepMark != until {
			stored = append(stored, i.Name)
		}
	}
	if len(req.Actions) > 0 {
		if err := cl.UpdateAliases(ctx, req); err != nil {
			return nil, err
		}
	}
	for _, batch := range cl.IndexBatches(stored) {
		if err := cl.PutIndexSettings(ctx, cluster.PutIndexSettings{
			Names:    batch,
			Settings: map[string]any{cluster.SettingKeepUntil: nil},
		}); err != nil {
			return nil, err
		}
	}
	list, err := cl.IndicesNamed(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if have := protectedDay(i); have != until {
			return nil, fmt.Errorf("the protection of index %s has not changed: it is protected until %q", i.Name, have)
		}
	}
	if len(list) < len(names) {
		return nil, fmt.Errorf("%s: %w", cluster.Count(len(names)-len(list), "index")+" was deleted meanwhile", cluster.ErrNoIndex)
	}
	return list, nil
}

// protectedDay is the last day on which an index is protected; empty: it is not.
func protectedDay(i *cluster.Index) string {
	if until := i.KeepUntil(); !until.IsZero() {
		return until.AddDate(0, 0, -1).Format(cluster.DottedDay)
	}
	return ""
}

func (x *session) reportMarks(output string, list []*cluster.Index, until string) error {
	day := strings.ReplaceAll(until, ".", "-")
	value := []markJSON{}
	for _, i := range list {
		j := markJSON{Index: i.Name}
		if until != "" {
			j.Protected = day
		}
		value = append(value, j)
		if output != "text" {
			continue
		}
		text := "protected from esnap's own deletions until the end of " + day + " (UTC)"
		if until == "" {
			text = "not protected any more"
		}
		if x.s.DryRun {
			text = "would be " + text
		}
		x.say("%s: %s", i.Name, text)
	}
	if output == "text" {
		return nil
	}
	return writeList(x.Out, output, nil, nil, nil, map[string]any{
		"schema_version": report.SchemaVersion,
		"dry_run":        x.s.DryRun,
		"indices":        value,
	})
}
