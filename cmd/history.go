package cmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/terminal"
)

// newHistory is the list, and has the other commands below it.
func newHistory(app *App) *cobra.Command {
	c := newHistoryList(app, "history")
	c.Short = "List and show the records of runs"
	c.Aliases = nil
	list := newHistoryList(app, "list")
	c.AddCommand(list, newHistoryShow(app))
	return c
}

var historyColumns = []column{
	{title: "record"}, {title: "started", utc: true}, {title: "age", right: true}, {title: "command"}, {title: "job"},
	{title: "exit code", right: true},
	{title: "took", right: true}, {title: "host", wide: true}, {title: "user", wide: true}, {title: "reason", wide: true},
}

// historyListOptions are the flags of esnap history and esnap history list.
type historyListOptions struct {
	List  listFlags
	Limit int
}

func newHistoryList(app *App, use string) *cobra.Command {
	o := &historyListOptions{}
	c := &cobra.Command{
		Use: use, Aliases: []string{"ls"}, Short: "List the records of runs, newest first", Args: noArgs,
		Long: `List what esnap did in the cluster, newest first. There is a record of each run and
of each command that changes something, if history: true is in the action file or in
the client file. Records are kept for 90 days.`,
		Example: "  esnap history\n  esnap history list --limit 10 -o json\n  esnap history show 20261121T010008Z-1f2e3d4c",
		RunE:    func(c *cobra.Command, _ []string) error { return runHistoryList(c, app, o) },
	}
	wholeFlag(c.Flags(), &o.Limit, "limit", 1, "list only the newest N records (default 50)")
	o.List.add(c, historyColumns)
	return c
}

func runHistoryList(c *cobra.Command, app *App, o *historyListOptions) error {
	if err := o.List.check(app, historyColumns); err != nil {
		return err
	}
	limit := 50
	if o.Limit > 0 {
		limit = o.Limit
	}
	_, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	return app.repeat(c.Context(), o.List.watch, func() error {
		list, err := history.List(c.Context(), cl, limit)
		if err != nil {
			return err
		}
		var rows []row
		for _, r := range list {
			rows = append(rows, row{[]cell{
				textCell(r.ID), timeCell(r.Started), ageCell(app.Now(), r.Started), textCell(r.Command), textCell(orDash(r.Job)),
				numberCell(r.ExitCode, fmt.Sprint(r.ExitCode)), numberCell(r.Duration, took(r)), textCell(orDash(r.Host)), textCell(orDash(who(r))),
				textCell(orDash(r.Reason)),
			}, r.ID, r})
		}
		return o.List.write(app, historyColumns, rows, "records")
	})
}

func orDash(text string) string {
	if text == "" {
		return unknown
	}
	return text
}

func took(r history.Record) string {
	return (time.Duration(r.Duration) * time.Millisecond).Round(time.Millisecond).String()
}

// who is the user of the machine and the one of the cluster.
func who(r history.Record) string {
	if r.User == "" || r.User == r.OSUser {
		return r.OSUser
	}
	return r.OSUser + ", in the cluster " + r.User
}

// historyShowOptions are the flags of esnap history show.
type historyShowOptions struct{ Output string }

func newHistoryShow(app *App) *cobra.Command {
	o := &historyShowOptions{}
	c := &cobra.Command{
		Use: "show RECORD", Short: "Show one record", Args: wantArgs(1, 1, "one record"),
		Long:    "Show one record with its actions and their results.",
		Example: "  esnap history show 20261121T010008Z-1f2e3d4c",
		RunE:    func(c *cobra.Command, args []string) error { return runHistoryShow(c, app, o, args[0]) },
	}
	outputFlag(c, &o.Output, "table", "json", "yaml")
	return c
}

func runHistoryShow(c *cobra.Command, app *App, o *historyShowOptions, id string) error {
	_, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	r, err := history.Read(c.Context(), cl, id)
	if errors.Is(err, cluster.ErrNoDocument) {
		return cluster.WithHint(&missing{"there is no record " + id, cluster.ErrNoDocument}, "esnap history list lists the records")
	}
	if err != nil {
		return err
	}
	if o.Output != "table" {
		return writeList(app.Out, o.Output, nil, nil, nil, map[string]any{"schema_version": report.SchemaVersion, "record": r})
	}
	writeRecord(app, r)
	return nil
}

func writeRecord(app *App, r history.Record) {
	line := func(name, text string) {
		if text != "" {
			terminal.Fprintf(app.Out, "%-10s %s\n", name, text)
		}
	}
	line("record", r.ID)
	line("run", r.Run)
	line("command", r.Command)
	line("job", r.Job)
	line("started", stampUTC(r.Started))
	line("took", took(r))
	line("exit code", fmt.Sprint(r.ExitCode))
	line("error", r.Error)
	line("reason", r.Reason)
	line("user", who(r))
	line("host", r.Host)
	line("version", r.Version)
	if r.Summary == nil {
		return
	}
	line("server", r.Summary.Server)
	for _, w := range r.Summary.Warnings {
		line("warning", w)
	}
	for _, a := range r.Summary.Actions {
		var parts []string
		for _, result := range slices.Sorted(maps.Keys(a.Results)) {
			parts = append(parts, fmt.Sprintf("%d %s", a.Results[result], result))
		}
		name := strings.Join(strings.Fields(a.ID+" "+a.Action+" "+a.Repository), " ")
		terminal.Fprintf(app.Out, "\n%s: %s\n", name, strings.Join(append([]string{a.Status}, parts...), ", "))
		if a.Error != "" {
			terminal.Fprintf(app.Out, "  error: %s\n", strings.ReplaceAll(a.Error, "\n", "; "))
		}
		for _, w := range a.Warnings {
			terminal.Fprintf(app.Out, "  warning: %s\n", w)
		}
		for _, it := range a.Items {
			text := it.Name
			if it.Result != "" {
				text += ": " + it.Result
			}
			if it.Error != "" {
				text += ": " + it.Error
			}
			terminal.Fprintf(app.Out, "  %s\n", text)
		}
	}
	if r.Summary.Truncated {
		fmt.Fprintln(app.Out, "\nthe record was too large: a part of it was not kept")
	}
}

// reasonFlag adds the flag of commands whose reason the history keeps.
func reasonFlag(c *cobra.Command) {
	c.Flags().String("reason", "", "why, for the record in the history")
}

// recordTime bounds the writing of a record.
const recordTime = 10 * time.Second

// recorded carries out what a command does that does not run a plan, and keeps a record
// of it.
func (x *session) recorded(ctx context.Context, cl cluster.Cluster, command string, names []string, do func() error) error {
	began := x.Watch.Elapsed()
	err := do()
	if !x.s.History || x.s.DryRun {
		return err
	}
	r := job.NewRecord(x.s, x.Now(), command, Version())
	r.Reason, r.ExitCode, r.Duration = x.reason, job.ExitCode(err, true), (x.Watch.Elapsed() - began).Milliseconds()
	a := history.Action{Action: command, Status: "done", Results: map[string]int{}, Items: []history.Item{}}
	result := string(cluster.Done)
	if err != nil {
		r.Error, a.Status, a.Error = err.Error(), "failed", err.Error()
		result = string(cluster.Failure)
	}
	for _, name := range names {
		a.Items = append(a.Items, history.Item{Name: name, Result: result})
	}
	a.Results[result] = len(names)
	r.Summary = &history.Summary{Actions: []history.Action{a}, Warnings: []string{}}
	if x.server != nil {
		r.Summary.Server = x.server.String()
	}
	x.keep(ctx, cl, r)
	return err
}

// keep writes a record. That it cannot be written is a warning.
func (x *session) keep(ctx context.Context, cl cluster.Cluster, r history.Record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	if wrong := history.Write(ctx, cl, x.Now(), r, x.s.Redact); wrong != nil {
		x.log.Warn("the record of this command was not written to the history: " + wrong.Error())
	}
}
