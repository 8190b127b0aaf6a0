package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestTerminationLog: the last words go to the file that is there, and to no other.
func TestTerminationLog(t *testing.T) {
	missing := "actions:\n  1:\n    action: delete_indices\n    filters: [{filtertype: pattern, kind: prefix, value: nope}]\n"
	long := "actions:\n  1:\n    action: delete_indices\n    filters: [{filtertype: pattern, kind: prefix, value: '" +
		strings.Repeat("ö", 4000) + "'}]\n"
	over := "actions:\n  1:\n    action: snapshot\n    options: {repository: gone, name: s, continue_if_exception: true}\n" +
		"    filters: [{filtertype: none}]\n"
	client := filepath.Join(t.TempDir(), "client.yml")
	require.NoError(t, os.WriteFile(client, []byte("cluster: {password: [geheimnis]}\n"), 0o600))
	for name, c := range map[string]struct {
		args  []string
		file  string
		fails error
		want  []string
	}{
		"a run that is done": {[]string{"run"}, deleteLogs, nil, []string{"1 action: 1 done",
			"\nexit code 0: everything was done and verified"}},
		"an action that fails": {[]string{"run"}, missing, nil, []string{"1 action: 1 failed", "\nerror: action 1 (delete_indices): "}},
		"JSON": {[]string{"run", "-o", "json"}, missing, nil, []string{"\nerror: action 1",
			"\nexit code 1: an action failed"}},
		"a file that is wrong": {[]string{"run"}, "actions: {1: {acton: x}}", nil, []string{"esnap: ", `unknown key of an action "acton"`,
			"\nexit code 2: the command line, a setting or the file is wrong"}},
		"Curator's line, done": {[]string{"curator"}, deleteLogs, nil, []string{"1 action: 1 done; ",
			"\nexit code 0: everything was done and verified"}},
		"Curator's line": {[]string{"curator"}, missing, nil, []string{"1 action: 1 failed; ", "\nerror: action 1 (delete_indices): ",
			"\nexit code 1: an action failed"}},
		"Curator's line, passed over": {[]string{"curator"}, over, nil, []string{"1 action: 1 failed; ",
			"\nexit code 0: finished; what went wrong is not a failure by Curator's rules"}},
		"Curator's line, a dry run": {[]string{"curator", "--dry-run"}, deleteLogs, nil, []string{"; dry run: nothing was changed"}},
		"Curator's line, a file": {[]string{"curator"}, "actions: {1: {acton: x}}", nil, []string{"curator: ", `"acton"`,
			"\nexit code 1: an action failed, nothing was selected, a file is wrong"}},
		"Curator's line, an option": {[]string{"curator", "--password", "geheimer", "geheimer-x"}, deleteLogs, nil, []string{
			"curator: Got unexpected extra argument (", "\nexit code 2: the command line is wrong"}},
		"Curator's line, no cluster": {
			[]string{"curator"},
			deleteLogs,
			&cluster.Error{Op: "ask", Kind: cluster.ErrForbidden, Text: "u:geheim@es geheim"},
			[]string{"***@es ***", "\nexit code 1: an action failed"},
		},
		"Curator's line, a client file": {[]string{"curator", "--config", client}, deleteLogs, nil, []string{
			"curator: the client file is not valid", "\nexit code 1: "}},
		"a client file": {[]string{"--config", client, "run"}, deleteLogs, nil, []string{
			"esnap: the client file is not valid\nhint: esnap config show says where\nexit code 2: "}},
		"a wrong option":  {[]string{"run", "--geheim"}, deleteLogs, nil, []string{"esnap: ", "***", "\nexit code 2: "}},
		"a long one, cut": {[]string{"run"}, long, nil, []string{"1 action: 1 failed"}},
		"a cluster that is not there": {
			[]string{"run"},
			deleteLogs,
			&cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable, Text: "x\x1b\nu:geheim@es geheim"},
			[]string{`x\x1b\n***@es ***`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddIndices("logs-2026.11.01")
			k.env["ESNAP_URL"], k.env["ESNAP_USERNAME"], k.env["ESNAP_PASSWORD"] = "https://u:geheim@es", "u", "geheim"
			k.termination = filepath.Join(t.TempDir(), "termination-log")
			k.run(append(c.args, k.file(c.file))...)
			require.NoFileExists(t, k.termination, "it is not made")
			k.c.AddIndices("logs-2026.11.01")
			if c.fails != nil {
				k.c.Fault = func(string, []string) error { return c.fails }
			}
			require.NoError(t, os.WriteFile(k.termination, []byte(strings.Repeat("old", 9999)), 0o600))
			k.run(append(c.args, k.file(c.file))...)
			text, err := os.ReadFile(k.termination)
			require.NoError(t, err)
			for _, want := range c.want {
				require.Contains(t, string(text), want)
			}
			require.LessOrEqual(t, len(text), 4096)
			require.True(t, utf8.Valid(text))
			require.NotContains(t, string(text), "geheim")
			require.NotContains(t, string(text), "old")
		})
	}
}
