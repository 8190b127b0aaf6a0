package cmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/internal/cluster"
)

// hostile would clear the screen, forge a row, turn the line round.
const hostile = "s\x1b[2j\nforged success\r\x00\u202e\u009b1m\u007f"

// TestHostileNames: whatever a server calls its things, no command writes a control
// character, or more lines than it would for tame names.
func TestHostileNames(t *testing.T) {
	fill := func(k *console, odd string) {
		k.c.AddIndex(cluster.Index{Name: "logs-2026.11.01" + odd, Aliases: []string{"alias" + odd}, Lifecycle: "policy" + odd})
		k.c.AddIndices("logs-2026.11.02")
		k.c.AddSnapshot("plain", cluster.Snapshot{Name: "snap" + odd, Indices: []string{"logs-2026.11.02"}, Start: now.Add(-3 * time.Hour)})
		k.c.AddSnapshot("r"+odd, cluster.Snapshot{
			Name:    "snap" + odd,
			Indices: []string{"logs-2026.11.01" + odd, "logs-2026.11.02"},
			Start:   now.Add(-time.Hour),
			Reason:  "because" + odd,
		})
		k.c.AddSnapshot("r"+odd, cluster.Snapshot{
			Name:     "other" + odd,
			State:    cluster.Partial,
			Indices:  []string{"logs-2026.11.02"},
			Start:    now.Add(-2 * time.Hour),
			Failures: []cluster.ShardFailure{{Index: "logs-2026.11.02", Reason: "disk" + odd}},
		})
	}
	file := newConsole(t).file(deleteLogs)
	for _, c := range [][]string{
		{"index", "list"}, {"index", "list", "-o", "wide"}, {"index", "list", "-o", "name"},
		{"index", "list", "-o", "json"}, {"index", "list", "-o", "yaml"},
		{"index", "show", "logs-2026.11.01ODD"}, {"index", "show", "logs-2026.11.03"},
		{"index", "delete", "logs-*", "--yes"}, {"index", "delete", "logs-*", "-n", "-o", "name"},
		{"index", "delete", "logs-*", "-n", "-o", "wide"},
		{"snapshot", "list"}, {"snapshot", "list", "-o", "wide"}, {"snapshot", "list", "-o", "name"},
		{"snapshot", "list", "-o", "json"}, {"snapshot", "list", "-o", "yaml"},
		{"snapshot", "list", "--holding", "logs-2026.11.01ODD"}, {"snapshot", "list", "nope"},
		{"snapshot", "show", "rODD", "snapODD"}, {"snapshot", "show", "rODD", "otherODD"},
		{"snapshot", "show", "rODD", "nopeODD"}, {"snapshot", "show", "rODD", "snapODD", "-o", "yaml"},
		{"snapshot", "delete", "rODD", "*", "--yes"}, {"snapshot", "delete", "rODD", "*", "-n", "-o", "name"},
		{"repository", "list"}, {"repository", "list", "-o", "wide"},
		{"repository", "list", "-o", "name"}, {"repository", "list", "-o", "json"}, {"repository", "show", "rODD"},
		{"repository", "verify", "rODD"}, {"repository", "verify", "rODD", "-n"},
		{"repository", "unregister", "rODD", "--yes"}, {"repository", "unregister", "rODD", "-n"},
		{"restore", "logs-2026.11.01ODD", "--on-conflict", "skip", "--yes"},
		{"restore", "logs-*", "-n"}, {"restore", "logs-*", "-n", "-o", "json"},
		{"status"}, {"run", file}, {"run", "-n", file}, {"run", "-n", "-o", "name", file},
		{"run", "-n", "-o", "wide", file}, {"run", "-n", "-o", "json", file}, {"run", "-n", "-o", "yaml", file},
		{"--log-level", "debug", "run", "-n", file}, {"--log-level", "debug", "--log-format", "json", "run", "-n", file},
		{"curator", file}, {"curator", "--dry-run", file}, {"curator", "--dry-run", "--loglevel", "DEBUG", file},
		{"curator", "--dry-run", "--logformat", "json", file}, {"curator", "--dry-run", "--logformat", "ecs", file},
		{"curator_cli", "show_indices"}, {"curator_cli", "show_indices", "--verbose", "--header"},
		{"curator_cli", "show_snapshots", "--repository", "plain"}, {"es_repo_mgr", "show"},
	} {
		lines := func(odd string) (int, string, string) {
			k := newConsole(t)
			fill(k, odd)
			var args []string
			for _, a := range c {
				args = append(args, strings.ReplaceAll(a, "ODD", odd))
			}
			code, out, errs := k.run(args...)
			return code, out, errs
		}
		tameCode, tame, _ := lines("s2jforged success1m")
		code, out, errs := lines(hostile)
		require.Equal(t, tameCode, code, "%v: %s", c, out+errs)
		for _, text := range []string{out, errs} {
			require.NotContains(t, text, "\u202e", "%v", c)
			require.False(t, strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }), "%v: %q", c, text)
			require.NotContains(t, text, "\nforged", "%v", c)
		}
		require.Equal(t, strings.Count(tame, "\n"), strings.Count(out, "\n"), "%v:\n%s\n%s", c, tame, out)
	}
}

// TestEncodedOutputIsExact: JSON and YAML give the names as they are.
func TestEncodedOutputIsExact(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices(hostile)
	var list struct {
		Indices []struct {
			Index string `json:"index" yaml:"index"`
		} `json:"indices" yaml:"indices"`
	}
	_, out, _ := k.run("index", "list", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Equal(t, hostile, list.Indices[0].Index)
	_, out, _ = k.run("index", "list", "-o", "yaml")
	require.NoError(t, yaml.Unmarshal([]byte(out), &list))
	require.Equal(t, hostile, list.Indices[0].Index)
}

// TestHostileNamesInLogFiles: a log file is read on terminals, too.
func TestHostileNamesInLogFiles(t *testing.T) {
	for _, args := range [][]string{
		{"--log-level", "debug", "run"},
		{"--log-level", "debug", "--log-format", "json", "run"},
		{"curator", "--loglevel", "DEBUG"},
	} {
		k := newConsole(t)
		k.c.AddIndices("logs-2026.11.01" + hostile)
		log := filepath.Join(t.TempDir(), "log")
		k.env["ESNAP_LOG_FILE"] = log
		k.run(append(args, "--dry-run", k.file(deleteLogs))...)
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		require.Contains(t, string(text), "logs-2026.11.01")
		require.False(t, strings.ContainsFunc(string(text), func(r rune) bool {
			return unicode.IsControl(r) && r != '\n' || r == '\u202e'
		}), "%q", text)
		require.NotContains(t, string(text), "\nforged")
	}
}
