package cmd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/curator"
	"github.com/esnap/esnap/internal/job"
)

// asCurator tells Curator's command lines from esnap's: by the name the binary is
// called by, by the command, or by its shape: no command, but options of Curator's and
// one action file, as CronJobs that give only args have it.
func asCurator(args0 string, args []string, commands []string) (program string, rest []string, ok bool) {
	if name := filepath.Base(args0); slices.Contains(curator.Programs, name) {
		return name, args, true
	}
	if len(args) > 0 && slices.Contains(curator.Programs, args[0]) {
		return args[0], args[1:], true
	}
	file, known := "", false
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--dry-run":
			known = true
		case a == "--config":
			known = true
			i++
		case strings.HasPrefix(a, "--config="):
			known = true
		case strings.HasPrefix(a, "-"), file != "", slices.Contains(commands, a):
			return "", nil, false
		default:
			file = a
		}
	}
	if st, err := os.Stat(file); file == "" || !known && (err != nil || st.IsDir()) {
		return "", nil, false
	}
	return curator.Programs[0], args, true
}

func (a *App) curator(ctx context.Context, program string, args []string) int {
	local := a.Local
	if local == nil {
		local = time.Local
	}
	code := curator.Main(ctx, curator.Host{
		In: a.In, Out: a.Out, Err: a.Err, Env: a.Env, Environ: a.Environ, Now: a.Now, Local: local,
		Version: Version(), Connect: a.Connect, Watch: a.Watch, TerminationLog: a.TerminationLog,
	}, program, args)
	var signalled *job.Signal
	if code != 0 && errors.As(context.Cause(ctx), &signalled) {
		return signalled.ExitCode()
	}
	return code
}

// newCurator are Curator's programs as commands; their arguments are their own.
func newCurator(app *App) []*cobra.Command {
	const behaviour = `Its options, defaults, log lines and exit codes are Curator's: 0, 1 for failures,
2 for a wrong command line. A client file of Curator 5 (client:) selects Curator 5
behaviour, any other file Curator 8 behaviour; --compat overrides. It is also selected
by calling the binary `
	command := func(c cobra.Command, program string) *cobra.Command {
		c.DisableFlagParsing = true
		c.RunE = func(c *cobra.Command, args []string) error {
			if code := app.curator(c.Context(), program, args); code != 0 {
				return &exit{code}
			}
			return nil
		}
		return &c
	}
	return []*cobra.Command{
		command(cobra.Command{
			Use: "curator [--config FILE] [--dry-run] ACTION_FILE", Short: "Elasticsearch Curator's own command line",
			Long: "Run an action file with Curator's command line.\n\n" + behaviour + `curator, and by its form: without a command, but
with [--config FILE] [--dry-run] ACTION_FILE.`,
			Example: "  esnap curator --config /etc/es-curator/config.yml --dry-run /etc/es-curator/action_file.yml",
		}, "curator"),
		command(cobra.Command{
			Use: "curator_cli [OPTIONS] COMMAND [ARGS]...", Short: "Curator's command line for single actions",
			Long: "Run one action, with filters as JSON, or list indices and snapshots.\n\n" + behaviour + "curator_cli.",
			Example: `  esnap curator_cli --host 127.0.0.1 show_indices --verbose --header
  esnap curator_cli --dry-run delete-indices --filter_list '{"filtertype":"pattern","kind":"prefix","value":"logs-"}'`,
		}, "curator_cli"),
		command(cobra.Command{
			Use: "es_repo_mgr [OPTIONS] COMMAND [ARGS]...", Short: "Curator's command line for repositories",
			Long:    "Show, create and delete repositories.\n\n" + behaviour + "es_repo_mgr.",
			Example: "  esnap es_repo_mgr create fs --name backups --location /usr/share/elasticsearch/data/backup --verify",
		}, "es_repo_mgr"),
	}
}
