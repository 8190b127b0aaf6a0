package cmd

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/report"
)

func newConfig(app *App) *cobra.Command {
	return groupCommand("config", "Show the effective settings, or write a starter file",
		newConfigShow(app), newConfigInit(app), newConfigFromEnv(app))
}

// configShowOptions are the flags of esnap config show.
type configShowOptions struct{ Output string }

func newConfigShow(app *App) *cobra.Command {
	o := &configShowOptions{}
	c := &cobra.Command{
		Use: "show", Annotations: map[string]string{advises: "yes"},
		Short: "Show the effective settings and where each comes from; secrets are masked", Args: noArgs,
		Example: "  esnap config show\n  esnap config show -o json",
		RunE:    func(c *cobra.Command, _ []string) error { return runConfigShow(c, app, o) },
	}
	outputFlag(c, &o.Output, "table", "json", "yaml")
	return c
}

func runConfigShow(c *cobra.Command, app *App, o *configShowOptions) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	if err := x.checkVariables(slog.LevelWarn); err != nil {
		return err
	}
	x.advise()
	var rows [][]string
	list := append(x.s.ClientFile(), x.s.Show()...)
	for _, e := range list {
		rows = append(rows, []string{e.Key, e.Value, e.Source})
	}
	return writeList(app.Out, o.Output, []column{{title: "setting"}, {title: "value"}, {title: "from"}}, rows, nil,
		map[string]any{"schema_version": report.SchemaVersion, "file": x.s.File, "settings": list})
}

// starter is the client file that config init writes.
const starter = `# esnap client file. Flags override the environment (ESNAP_…), and the environment
# overrides this file.
cluster:
  # Address of the cluster; a list for several nodes.
  url: http://127.0.0.1:9200
  # username: esnap
  # Keep secrets in files of their own, such as mounted Kubernetes Secrets.
  # password_file: /etc/esnap/secret/password
  # api_key_file: /etc/esnap/secret/api-key
  # ca_file: /etc/esnap/ca.crt
  # client_cert: /etc/esnap/client.crt
  # client_key: /etc/esnap/client.key
  # timeout: 30s            # of one request
  # connect_timeout: 10m    # how long to wait for a cluster that does not answer
# history: true             # keep a record of each run in the cluster; see esnap history
# Who is told how runs of action files end: docs/notifications.md.
# notify:
#   ping:
#     url_file: /etc/esnap/secret/healthchecks-url
# metrics:
#   textfile: /var/lib/node_exporter/textfile_collector/
# logging:
#   loglevel: INFO
#   logformat: text         # or json
`

func newConfigInit(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "init [FILE]", Short: "Write a commented client file to FILE, or to stdout",
		Example: "  esnap config init ~/.config/esnap/config.yml\n  esnap config init /etc/esnap/config.yml",
		Args:    wantArgs(0, 1, "at most one file"),
		RunE:    func(_ *cobra.Command, args []string) error { return runConfigInit(app, args) },
	}
}

func runConfigInit(app *App, args []string) error {
	if len(args) == 0 {
		_, err := fmt.Fprint(app.Out, starter)
		return err
	}
	f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return usagef("cannot write the client file: %s", err)
	}
	if _, err := f.WriteString(starter); err != nil {
		return err
	}
	return f.Close()
}
