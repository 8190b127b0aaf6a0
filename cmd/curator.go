package cmd

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/curator"
)

// asCurator tells Curator's command line from esnap's: by the name the binary is
// called by, by the command curator, or by its shape: no command, but options of
// Curator's and one action file, as CronJobs that give only args have it.
func asCurator(args0 string, args []string, commands []string) (rest []string, ok bool) {
	if filepath.Base(args0) == "curator" {
		return args, true
	}
	if len(args) > 0 && args[0] == "curator" {
		return args[1:], true
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
			return nil, false
		default:
			file = a
		}
	}
	if st, err := os.Stat(file); file == "" || !known && (err != nil || st.IsDir()) {
		return nil, false
	}
	return args, true
}

func (a *App) curator(ctx context.Context, args []string) int {
	local := a.Local
	if local == nil {
		local = time.Local
	}
	return curator.Main(ctx, curator.Host{
		Out: a.Out, Err: a.Err, Env: a.Env, Now: a.Now, Local: local, Version: Version(), Connect: a.Connect,
	}, args)
}

func newCurator(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "curator [--config FILE] [--dry-run] ACTION_FILE", Short: "Elasticsearch Curator's own command line",
		Long: `Run an action file with Curator's command line, defaults, log lines and exit codes:
0, 1 for failures, 2 for a wrong command line. A client file of Curator 5 (client:)
brings the manners of Curator 5, any other those of Curator 8; --compat overrides.
It is also chosen by calling the binary curator, and by shape: without a command,
but with [--config FILE] [--dry-run] ACTION_FILE.`,
		Example:            "  esnap curator --config /etc/es-curator/config.yml --dry-run /etc/es-curator/action_file.yml",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if code := app.curator(c.Context(), args); code != 0 {
				return &exit{code}
			}
			return nil
		},
	}
}
