package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/settings"
)

func newLock(app *App) *cobra.Command {
	return groupCommand("lock", "List and release the locks of runs", newLockList(app), newLockRelease(app))
}

// lockJSON is a lock of a run. Times are those of the cluster's clock.
type lockJSON struct {
	Name     string `json:"name"`
	State    string `json:"state"`
	Run      string `json:"run"`
	Host     string `json:"host"`
	PID      int    `json:"pid"`
	Acquired any    `json:"acquired"`
	Renewed  any    `json:"renewed"`
	Expires  any    `json:"expires"`
}

func toLockJSON(h lock.Held, now time.Time) lockJSON {
	j := lockJSON{
		Name: h.Name, State: "held", Run: h.Owner.Run, Host: h.Owner.Host, PID: h.Owner.PID,
		Acquired: jsonTime(h.Acquired), Renewed: jsonTime(h.Renewed), Expires: jsonTime(h.Expires),
	}
	if h.Stale(now) {
		j.State = "stale"
	}
	return j
}

// locks are all locks, and the time by the cluster's clock.
func locks(ctx context.Context, cl cluster.Reader) ([]lock.Held, time.Time, error) {
	list, err := lock.List(ctx, cl)
	if err != nil || len(list) == 0 {
		return nil, time.Time{}, err
	}
	now, err := cl.Clock(ctx)
	return list, now, err
}

var lockColumns = []column{
	{title: "lock"}, {title: "state"}, {title: "host"}, {title: "pid", right: true}, {title: "acquired", utc: true},
	{title: "age", right: true},
	{title: "renewed", utc: true}, {title: "expires", utc: true}, {title: "run", wide: true},
}

// lockListOptions are the flags of esnap lock list.
type lockListOptions struct{ List listFlags }

func newLockList(app *App) *cobra.Command {
	o := &lockListOptions{}
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the locks of runs", Args: noArgs,
		Long: `List the locks that runs hold: those of files with lock: auto or required. A run
renews its lock every 10 seconds. A lock that was not renewed for 3 minutes is stale:
the next run of the job takes it over.`,
		Example: "  esnap lock list",
		RunE:    func(c *cobra.Command, _ []string) error { return runLockList(c, app, o) },
	}
	o.List.add(c, lockColumns)
	return c
}

func runLockList(c *cobra.Command, app *App, o *lockListOptions) error {
	if err := o.List.check(app, lockColumns); err != nil {
		return err
	}
	_, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	return app.repeat(c.Context(), o.List.watch, func() error {
		list, now, err := locks(c.Context(), cl)
		if err != nil {
			return err
		}
		var rows []row
		for _, h := range list {
			j := toLockJSON(h, now)
			rows = append(rows, row{[]cell{
				textCell(h.Name), textCell(j.State), textCell(h.Owner.Host), numberCell(h.Owner.PID, fmt.Sprint(h.Owner.PID)), timeCell(h.Acquired),
				ageCell(now, h.Acquired), timeCell(h.Renewed), timeCell(h.Expires), textCell(h.Owner.Run),
			}, h.Name, j})
		}
		return o.List.write(app, lockColumns, rows, "locks")
	})
}

// lockReleaseOptions are the flags of esnap lock release.
type lockReleaseOptions struct{ Yes bool }

func newLockRelease(app *App) *cobra.Command {
	o := &lockReleaseOptions{}
	c := &cobra.Command{
		Use: "release LOCK", Short: "Release the lock of a run by hand",
		Long: `Release the lock of a run that has ended without releasing it, so that the next run
need not wait until the lock is stale. A run that is still going on notices it and
changes nothing more.`,
		Example: "  esnap lock release action_file.yml",
		Args:    wantArgs(1, 1, "the name of one lock"),
		RunE:    func(c *cobra.Command, args []string) error { return runLockRelease(c, app, o, args[0]) },
	}
	c.Flags().BoolVarP(&o.Yes, "yes", "y", false, "do not ask")
	reasonFlag(c)
	settings.AddFlag(c.Flags(), "dry-run")
	return c
}

func runLockRelease(c *cobra.Command, app *App, o *lockReleaseOptions, name string) error {
	ctx := c.Context()
	x, cl, err := app.reachToAsk(c, o.Yes)
	if err != nil {
		return err
	}
	held, err := lock.Read(ctx, cl, name)
	if errors.Is(err, cluster.ErrNoDocument) {
		return noLock(ctx, cl, name)
	}
	if err != nil {
		return err
	}
	now, err := cl.Clock(ctx)
	if err != nil {
		return err
	}
	if !x.quiet {
		x.nameCluster(app.Err)
	}
	if x.s.DryRun {
		x.say("would release %s, held by %s", name, held)
		return nil
	}
	question := fmt.Sprintf("Release %s? %s renewed it %s ago.", name, held, cluster.Age(now, held.Renewed))
	if !held.Stale(now) {
		question += " If that run is still going on, it changes nothing more."
	}
	if err := x.confirm(ctx, o.Yes, question); err != nil {
		return err
	}
	err = x.recorded(ctx, cl, "lock release", []string{name}, func() error { return lock.Free(ctx, cl, name, held.Owner) })
	switch {
	case errors.Is(err, cluster.ErrNoDocument):
		x.say("%s was released meanwhile", name)
		return nil
	case err != nil:
		return err
	}
	x.say("%s was released; it was held by %s", name, held)
	return nil
}

func noLock(ctx context.Context, cl cluster.Reader, name string) error {
	err := error(&missing{"no run holds the lock " + name, cluster.ErrNoDocument})
	list, _, lookErr := locks(ctx, cl)
	var names []string
	for _, h := range list {
		names = append(names, h.Name)
	}
	if question := near.DidYouMean(name, names); question != "" {
		return cluster.WithHint(err, "%s", question)
	}
	if lookErr == nil && len(names) == 0 {
		return cluster.WithHint(err, "no lock is held at all")
	}
	return cluster.WithHint(err, "esnap lock list lists the locks")
}
