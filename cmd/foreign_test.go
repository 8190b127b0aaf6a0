package cmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/lock"
)

// TestHostileTexts: reasons, settings, records and locks are foreign as well as names, and
// no command, format, last words or file for a monitoring system writes them raw.
func TestHostileTexts(t *testing.T) {
	file := newConsole(t).file(deleteLogs)
	save := newConsole(t).file("repositories: {r: {type: fs, settings: {location: /x}}}\nactions:\n" +
		"  1: {action: snapshot, options: {repository: r, name: 'n-%Y'}, filters: [{filtertype: none}]}\n")
	for _, c := range [][]string{
		{"check", file}, {"check", file, "-o", "json"}, {"check", file, "-o", "csv"}, {"check", "--max-age", "1h", "--repository", "rODD"},
		{"drill", "--repository", "rODD"}, {"drill", "-o", "json"}, {"drill", "-n"}, {"drill", "-o", "yaml"},
		{"history"}, {"history", "-o", "wide"}, {"history", "-o", "json"}, {"history", "-o", "name"}, {"history", "show", "1ODD"},
		{"history", "show", "1ODD", "-o", "yaml"}, {"lock", "list"}, {"lock", "list", "-o", "json"}, {"lock", "list", "-o", "wide"},
		{"lock", "release", "jobODD"}, {"lock", "release", "jobODD", "--force"},
		{"status"}, {"status", "-o", "json"}, {"mark", "logs-2026.11.01ODD", "--keep-for", "3d"}, {"mark", "logs-2026.11.01ODD", "--remove"},
		{"purge", "logs-2026.11.01ODD", "-n"}, {"purge", "logs-2026.11.01ODD", "-n", "-o", "json"},
		{"purge", "logs-2026.11.01ODD", "--confirm", "logs-2026.11.01ODD"},
		{"repository", "register", "rODD", "fs", "location=/y"}, {"repository", "register", "rODD", "fs", "location=/x"},
		{"repository", "show", "rODD", "-o", "json"}, {"repository", "show", "rODD", "-o", "yaml"},
		{"run", save}, {"run", "-n", save}, {"run", "-o", "json", save}, {"run", "-o", "wide", save}, {"--log-format", "json", "run", save},
		{"restore", "nope*"}, {"restore", "logs-*", "--rename-prefix", "x-", "--yes"},
		{"restore", "logs-*", "--rename-prefix", "x-", "--yes", "-o", "wide"},
		{"restore", "logs-*", "--snapshot", "nopeODD", "-n"}, {"snapshot", "create", "rODD"}, {"snapshot", "create", "nopeODD"},
		{"index", "show", "nopeODD"}, {"index", "delete", "nopeODD", "--yes"}, {"snapshot", "show", "nopeODD", "x"},
		{"es_repo_mgr", "show"}, {"es_repo_mgr", "delete", "--repository", "rODD", "--yes"},
		{"curator_cli", "delete_snapshots", "--repository", "rODD", "--filter_list", `{"filtertype":"none"}`},
		{"curator_cli", "show_snapshots", "--repository", "rODD", "--filter_list", `{"filtertype":"none"}`},
		{"curator_cli", "delete_indices", "--filter_list", `{"filtertype":"none"}`},
		{"curator_cli", "restore", "--repository", "rODD", "--filter_list", `{"filtertype":"none"}`},
		{"curator_cli", "alias", "--name", "xODD", "--add", `{"filtertype":"none"}`},
	} {
		for _, fails := range []string{
			"", "Snapshots", "Indices", "RestoreSnapshot", "CreateSnapshot", "Running", "Repositories", "UpdateAliases", "Documents",
		} {
			k := newConsole(t)
			k.env["ESNAP_HISTORY"] = "true"
			k.termination = filepath.Join(t.TempDir(), "last")
			require.NoError(t, os.WriteFile(k.termination, nil, 0o600))
			k.c.AddIndex(cluster.Index{Name: "logs-2026.11.01" + hostile, Aliases: []string{"alias" + hostile}, Lifecycle: "policy" + hostile})
			k.c.AddRepository(cluster.Repository{Name: "r", Type: "fs", Settings: map[string]string{"location": "/z" + hostile, hostile: hostile}})
			k.c.AddRepository(cluster.Repository{
				Name: "r" + hostile, Type: "fs" + hostile, Settings: map[string]string{"location": "/x" + hostile, "k" + hostile: "v" + hostile},
			})
			k.c.AddSnapshot("r"+hostile, cluster.Snapshot{
				Name: "snap" + hostile, Indices: []string{"logs-2026.11.01" + hostile, "logs-2026.11.02" + hostile},
				Start: now.Add(-time.Hour), Reason: "because" + hostile,
			})
			k.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "r" + hostile, Snapshot: "running" + hostile}, 2)
			for _, d := range []cluster.PutDocument{
				{Index: "esnap-history", ID: "1" + hostile, Time: now, Body: history.Record{
					ID: "1" + hostile, Run: hostile, Command: "run" + hostile, Job: "job" + hostile, Started: now, Error: "e" + hostile,
					Reason: "w" + hostile, User: hostile, OSUser: hostile, Host: hostile, Version: hostile,
					Summary: &history.Summary{File: hostile, Server: hostile, Hint: hostile, Warnings: []string{hostile}, Actions: []history.Action{{
						ID: hostile, Action: hostile, Repository: hostile, Status: hostile, Error: hostile,
						Results: map[string]int{hostile: 1}, Items: []history.Item{{Name: hostile, Result: hostile, Error: hostile}},
					}}},
				}},
				{Index: "esnap-locks", ID: "job" + hostile, Time: now, Body: map[string]any{
					"name": "job" + hostile, "owner": lock.Owner{Run: hostile, Host: hostile, PID: 3},
					"acquired": now, "renewed": now, "expires": now.Add(time.Hour),
				}},
			} {
				_, err := k.c.PutDocument(t.Context(), d)
				require.NoError(t, err)
			}
			k.c.Fault = func(m string, _ []string) error {
				if m == fails {
					return &cluster.Error{
						Op: "op" + hostile, Kind: cluster.ErrServer, Text: "text" + hostile, Hint: "hint" + hostile, Err: errors.New(hostile),
					}
				}
				return nil
			}
			var args []string
			for _, a := range c {
				args = append(args, strings.ReplaceAll(a, "ODD", hostile))
			}
			_, out, errs := k.run(args...)
			last, err := os.ReadFile(k.termination)
			require.NoError(t, err)
			for where, text := range map[string]string{"stdout": out, "stderr": errs, "last words": string(last)} {
				require.False(t, strings.ContainsFunc(text, func(r rune) bool {
					return unicode.IsControl(r) && r != '\n' || r == '\u202e'
				}), "%v, %s fails, %s: %q", c, fails, where, text)
				require.NotContains(t, text, "\nforged", "%v, %s fails, %s", c, fails, where)
			}
		}
	}
}
