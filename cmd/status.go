package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/terminal"
)

type operationJSON struct {
	Operation  string   `json:"operation"`
	Repository string   `json:"repository"`
	Snapshot   string   `json:"snapshot"`
	Started    any      `json:"start_time"`
	Indices    []string `json:"indices"`
	Progress   *struct {
		ShardsDone  int   `json:"shards_done"`
		ShardsTotal int   `json:"shards_total"`
		BytesDone   int64 `json:"bytes_done"`
		BytesTotal  int64 `json:"bytes_total"`
	} `json:"progress,omitempty"`
	ETASeconds *int64 `json:"eta_seconds,omitempty"`
}

// statusOptions are the flags of esnap status.
type statusOptions struct {
	Watch  bool
	Output string
}

func newStatus(app *App) *cobra.Command {
	o := &statusOptions{}
	c := &cobra.Command{
		Use: "status", Short: "Show running snapshot operations and locks", Args: noArgs,
		Long: `Show the snapshots, snapshot deletions and restores that are running, with shards,
bytes and the estimated remaining time, and the locks that runs hold.`,
		Example: "  esnap status\n  esnap status --watch",
		RunE:    func(c *cobra.Command, _ []string) error { return runStatus(c, app, o) },
	}
	c.Flags().BoolVar(&o.Watch, "watch", false, "repeat every 5 seconds")
	outputFlag(c, &o.Output, "table", "json", "yaml")
	return c
}

func runStatus(c *cobra.Command, app *App, o *statusOptions) error {
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	server, err := cl.Server(c.Context())
	if err != nil {
		return err
	}
	return app.repeat(c.Context(), o.Watch, func() error { return x.writeStatus(c.Context(), cl, server, o.Output) })
}

func (x *session) writeStatus(ctx context.Context, cl cluster.Cluster, server cluster.Server, output string) error {
	app := x.App
	ops, err := cl.Running(ctx)
	if err != nil {
		return err
	}
	held, clock, lockErr := locks(ctx, cl)
	if lockErr != nil {
		x.log.Warn("the locks of runs cannot be read: " + lockErr.Error())
	}
	var heldValue []lockJSON // null if they cannot be read
	if lockErr == nil {
		heldValue = []lockJSON{}
	}
	for _, h := range held {
		heldValue = append(heldValue, toLockJSON(h, clock))
	}
	now := app.Now()
	value := []operationJSON{}
	var rows [][]string
	for _, o := range ops {
		j := operationJSON{
			Operation:  string(o.Kind),
			Repository: o.Repository,
			Snapshot:   o.Snapshot,
			Started:    jsonTime(o.Started),
			Indices:    o.Indices,
		}
		row := []string{string(o.Kind), o.Repository + "/" + o.Snapshot, cluster.Age(now, o.Started), "-", "-"}
		var p cluster.Progress
		switch o.Kind {
		case cluster.OpSnapshot:
			p, err = cl.SnapshotProgress(ctx, o.Repository, o.Snapshot)
		case cluster.OpRestore:
			p, err = cl.RestoreProgress(ctx, o.Indices)
		}
		if err == nil && p.ShardsTotal > 0 {
			row[3] = job.ProgressText(p)
			j.Progress = &struct {
				ShardsDone  int   `json:"shards_done"`
				ShardsTotal int   `json:"shards_total"`
				BytesDone   int64 `json:"bytes_done"`
				BytesTotal  int64 `json:"bytes_total"`
			}{p.ShardsDone, p.ShardsTotal, p.BytesDone, p.BytesTotal}
			if elapsed := now.Sub(o.Started); !o.Started.IsZero() && p.BytesDone > 0 && p.BytesTotal > p.BytesDone {
				eta := time.Duration(float64(elapsed) * float64(p.BytesTotal-p.BytesDone) / float64(p.BytesDone))
				row[4] = eta.Round(time.Second).String()
				seconds := int64(eta.Seconds())
				j.ETASeconds = &seconds
			}
		}
		rows, value = append(rows, row), append(value, j)
	}
	if output == "table" {
		terminal.Fprintf(app.Out, "%s, cluster %s\n", server, server.Name)
		for i, h := range held {
			terminal.Fprintf(app.Out, "lock %s: %s, %s, acquired %s ago, renewed %s ago\n", h.Name, heldValue[i].State, h,
				cluster.Age(clock, h.Acquired), cluster.Age(clock, h.Renewed))
		}
		if len(ops) == 0 {
			if unseen := cl.Sight().Operations; unseen != nil {
				terminal.Fprintf(app.Out, "no snapshot is running; %s\n", unseen)
				return nil
			}
			fmt.Fprintln(app.Out, "no snapshot, snapshot deletion or restore is running")
			return nil
		}
	}
	columns := []column{
		{title: "operation"},
		{title: "snapshot"},
		{title: "age", right: true},
		{title: "progress"},
		{title: "time left", right: true},
	}
	return writeList(app.Out, output, columns, rows, nil, map[string]any{"schema_version": report.SchemaVersion, "server": server.String(),
		"cluster_name": server.Name, "operations": value, "locks": heldValue})
}
