package cmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/curator"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/memory"
)

var update = flag.Bool("update", false, "write golden files again")

var now = time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC)

// console runs command lines against a cluster in memory.
type console struct {
	t   *testing.T
	c   *memory.Memory
	env map[string]string
	in  string
	// reader is standard input, instead of in.
	reader io.Reader
	// termination is the termination log.
	termination string
	tty         bool
	// outTTY: stdout is a terminal, too.
	outTTY bool
	// watch measures and waits, instead of real time.
	watch clock.Stopwatch
	// now is the clock, instead of one that stands still.
	now func() time.Time
	ctx context.Context

	connected *es.Options
}

func newConsole(t *testing.T) *console {
	c := memory.New(memory.At(now))
	return &console{
		t:   t,
		c:   c,
		env: map[string]string{"HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir(), "ESNAP_LOG_LEVEL": "error"},
		ctx: context.Background(),
	}
}

func (k *console) run(args ...string) (code int, out, errs string) {
	k.t.Helper()
	var stdout, stderr bytes.Buffer
	app := &App{
		In: cmp.Or(k.reader, io.Reader(strings.NewReader(k.in))), Out: &stdout, Err: &stderr,
		InTTY: k.tty, ErrTTY: k.tty, OutTTY: k.outTTY, Watch: k.watch,
		Env: func(n string) (string, bool) { v, ok := k.env[n]; return v, ok },
		Environ: func() (list []string) {
			for n, v := range k.env {
				list = append(list, n+"="+v)
			}
			return list
		},
		Now:            k.clock,
		TerminationLog: k.termination,
		Connect: func(o es.Options) (cluster.Cluster, error) {
			k.connected = &o
			return k.c, nil
		},
	}
	code = Main(k.ctx, app, args)
	return code, stdout.String(), stderr.String()
}

func (k *console) clock() time.Time {
	if k.now != nil {
		return k.now()
	}
	return now
}

func (k *console) file(text string) string {
	k.t.Helper()
	name := filepath.Join(k.t.TempDir(), "action.yml")
	require.NoError(k.t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

const deleteLogs = `
actions:
  1:
    action: delete_indices
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}
`

func TestWrongCommandLinesAreTwoAndSendNothing(t *testing.T) {
	for _, args := range [][]string{
		{"rum"}, {"run"}, {"run", "a", "b"}, {"run", "/nowhere.yml"}, {"--nosuch"}, {"snapshot", "lst"}, {"version", "x"},
		{"run", "-n", "-o", "xml", "-"}, {"index", "list", "--older-than", "7"}, {"index", "list", "--older-than", "soon"},
		{"snapshot", "list", "--state", "GOOD"}, {"index", "delete"}, {"snapshot", "delete", "r"}, {"snapshot", "create", "r"},
		{"restore"}, {"restore", "x", "--rename", "a"}, {"restore", "x", "--on-conflict", "replace", "-n"},
		{"restore", "x", "--keep-for", "ever", "-n"}, {"restore", "x", "--keep-for", "14", "-n"},
		{"restore", "x", "--replicas", "-5", "-n"}, {"restore", "x", "--replicas", "many", "-n"},
		{"restore", "x", "--replicas=99999999999", "-n"},
		{"index", "list", "--count", "0"}, {"index", "delete", "x*", "--older-than", "", "--yes"},
		{"index", "delete", "x*", "--prefix=", "--yes"}, {"restore", "x", "--before", "", "--yes"},
		{"run", "-n", "--now=", "x"}, {"run", "--only", "", "x"}, {"index", "delete", "x*", "--protect", "", "--yes"},
		{"--config", "", "status"}, {"run", "--deadline=", "x"}, {"index", "delete", "x*", "--count", "-1", "--yes"},
		{"snapshot", "delete", "r", "x*", "--count", "-3", "--yes"}, {"--timeout", "30", "status"}, {"run", "--deadline", "3600", "x"},
		{"restore", "x", "--rename", "(?<y>.+)=a-${y}", "-n"},
		{"restore", "x", "--rename", `x\Q.\E=a`, "-n"}, {"restore", "x", "--rename-prefix", "a\nb", "-n"},
		{"restore", "x", "--before", "yesterday", "-n"}, {"restore", "x", "--set", "a", "-n"}, {"repository", "register", "r", "fs", "location"},
		{"repository", "register", "r", "fs", "locaton=/x"}, {"repository", "register", "r", "nfs", "location=/x"},
		{"--timeout", "soon", "status"}, {"--log-level", "loud", "status"},
		{"--config", "/nowhere.yml", "status"},
	} {
		k := newConsole(t)
		code, out, errs := k.run(args...)
		require.Equal(t, 2, code, "%v: %s", args, errs)
		require.Empty(t, out, "%v", args)
		require.NotEmpty(t, errs, "%v", args)
		require.LessOrEqual(t, strings.Count(errs, "\n"), 3, "%v: %s", args, errs)
		require.Empty(t, k.c.Calls(), "%v", args)
	}
}

// TestErrorsOfFlags are in plain words.
func TestErrorsOfFlags(t *testing.T) {
	for line, want := range map[string]string{
		"index list --count x":    `invalid value "x" for --count: expected a number, 1 or more`,
		"index list --count 0":    `invalid value "0" for --count: expected a number, 1 or more`,
		"run --force=maybe f":     `invalid value "maybe" for --force: expected true or false`,
		"run -n=3 f":              `invalid value "3" for --dry-run: expected true or false`,
		"--insecure=5x status":    `invalid value "5x" for --insecure: expected true or false`,
		`run --only a"b f`:        `invalid value "a\"b" for --only: expected values separated by commas`,
		"index list --older-than": "the flag --older-than needs a value",
		"index list -o":           "the flag --output needs a value",
		"index list -Z":           "there is no flag -Z",
		"index list --nosuch":     "there is no flag --nosuch",
		"index list --prefx a":    "there is no flag --prefx",
		"index list --regex (":    "--regex: regular expression",
		"version -o xml":          `invalid value "xml" for --output: expected text or json`,
	} {
		k := newConsole(t)
		code, out, errs := k.run(strings.Fields(line)...)
		require.Equal(t, 2, code, line)
		require.Empty(t, out, line)
		require.Equal(t, "esnap: "+want, errs[:min(len(errs), len(want)+7)], line)
		require.NotContains(t, errs, "strconv", line)
		require.Equal(t, strings.Contains(line, "prefx"), strings.Contains(errs, "did you mean --prefix?"), line)
	}
}

func TestSuggestions(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("ks-logstash-log-2026.11.03")
	k.c.AddSnapshot("nightly", cluster.Snapshot{Name: "snapshot-20261103", Indices: []string{"ks-logstash-log-2026.11.03"}})
	for want, args := range map[string][]string{
		"did you mean esnap restore?":        {"restor", "x"},
		"did you mean nightly?":              {"snapshot", "list", "nightyl"},
		"did you mean snapshot-20261103?":    {"snapshot", "show", "nightly", "snapshot-20261130"},
		"ks-logstash-log-2026.11.03":         {"index", "show", "ks-logstash-log-2026.11.30"},
		"did you mean ks-logstash-log-2026.": {"restore", "ks-logstash-log-2026.11.30", "-n"},
		"did you mean location?":             {"repository", "register", "r", "fs", "locaton=/x"},
	} {
		_, _, errs := k.run(args...)
		require.Contains(t, errs, want, "%v", args)
	}
}

func TestAQuestionWithoutATerminalIsAUsageError(t *testing.T) {
	for _, args := range [][]string{
		{"index", "delete", "logs-a"}, {"snapshot", "delete", "r", "s"}, {"restore", "logs-a"}, {"repository", "unregister", "r"},
	} {
		k := newConsole(t)
		k.c.AddIndices("logs-a")
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-a"}})
		code, _, errs := k.run(args...)
		require.Equal(t, 2, code, "%v", args)
		require.Contains(t, errs, "--yes")
		require.Empty(t, k.c.Writes())
	}
}

// TestDryRunOfRepositories: the variable holds for every command that writes.
func TestDryRunOfRepositories(t *testing.T) {
	for _, args := range [][]string{{"repository", "unregister", "r"}, {"repository", "verify", "r"}} {
		for _, variable := range []bool{true, false} {
			k := newConsole(t)
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-a"}})
			given := args
			if variable {
				k.env["ESNAP_DRY_RUN"] = "true"
			} else {
				given = append(slices.Clone(args), "--dry-run")
			}
			code, out, errs := k.run(given...)
			require.Equal(t, 0, code, errs)
			require.Equal(t, "would "+args[1]+" r\n", out)
			require.Contains(t, errs, "Cluster memory, Elasticsearch 8.19.7, http://127.0.0.1:9200\n")
			require.Empty(t, k.c.Writes())
		}
	}
}

func TestATerminalIsAsked(t *testing.T) {
	for answer, gone := range map[string]bool{"y\n": true, "yes\n": true, "n\n": false, "\n": false, "": false} {
		k := newConsole(t)
		k.tty, k.in = true, answer
		k.c.AddIndices("logs-a", "logs-b")
		code, _, errs := k.run("index", "delete", "logs-a")
		require.Contains(t, errs, "Delete 1 index?")
		require.Equal(t, gone, code == 0)
		require.Equal(t, gone, len(k.c.Writes()) == 1)
	}
}

func TestBadFilesAreSaidAllAtOnceAndNothingIsSent(t *testing.T) {
	k := newConsole(t)
	file := k.file("actions:\n  1:\n    action: delete_indices\n    optoins: {}\n    filters:\n" +
		"    - {filtertype: age, source: name, direction: older, unit: day, unit_count: x}\n")
	for _, args := range [][]string{{"run", file}, {"validate", file}} {
		code, out, errs := k.run(args...)
		require.Equal(t, 2, code)
		require.Empty(t, out)
		require.Contains(t, errs, file+`:4:5: unknown key of an action "optoins"; did you mean options?`)
		require.Contains(t, errs, `"day" is not one of`)
		require.Contains(t, errs, "unit_count")
	}
	require.Empty(t, k.c.Calls())
}

func TestRunReportsOnStdoutAndLogsOnStderr(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_LOG_LEVEL"] = "info"
	k.env["ESNAP_LOG_FORMAT"] = "json"
	k.c.AddIndices("logs-2026.11.01", "logs-2026.11.20")
	code, out, errs := k.run("run", "-o", "json", k.file(deleteLogs))
	require.Equal(t, 0, code, errs)
	var r map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.InDelta(t, 2, r["schema_version"], 0)
	for line := range strings.SplitSeq(strings.TrimSpace(errs), "\n") {
		require.True(t, json.Valid([]byte(line)), line)
	}
}

func TestDryRunFromTheEnvironment(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_DRY_RUN"] = "1"
	k.c.AddIndices("logs-2026.11.01", "logs-2026.11.20")
	code, out, _ := k.run("run", "-o", "name", k.file(deleteLogs))
	require.Equal(t, 0, code)
	require.Equal(t, "delete_indices/logs-2026.11.01\n", out)
	require.Empty(t, k.c.Writes())
	code, _, errs := k.run("index", "delete", "logs-2026.11.01")
	require.Equal(t, 0, code, errs)
	require.Empty(t, k.c.Writes(), "a dry run of every command")
}

func TestNowNeedsADryRun(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01", "logs-2026.11.20")
	code, _, errs := k.run("run", "--now", "2026-12-24", k.file(deleteLogs))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "--dry-run")
	code, out, _ := k.run("run", "-n", "--now", "2026-12-24", "-o", "name", k.file(deleteLogs))
	require.Equal(t, 0, code)
	require.Equal(t, "delete_indices/logs-2026.11.01\ndelete_indices/logs-2026.11.20\n", out)
}

func TestOnlyAndSkip(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01")
	code, _, errs := k.run("run", "-n", "--only", "7", k.file(deleteLogs))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "there is no action 7")
	code, out, _ := k.run("run", "-n", "--skip", "1", "-o", "name", k.file(deleteLogs))
	require.Equal(t, 0, code)
	require.Empty(t, out)
}

func TestRestoreEndToEnd(t *testing.T) {
	k := newConsole(t)
	day := "ks-logstash-log-2026.11.03"
	early := time.Date(2026, 11, 3, 1, 0, 0, 0, time.UTC)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "snapshot-20261103010000", Start: early, Indices: []string{day}})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "snapshot-20261104010000", Start: early.AddDate(0, 0, 1), Indices: []string{day}})
	code, out, errs := k.run("restore", day, "--yes")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "snapshot-20261104010000")
	require.Contains(t, out, "restored "+day)
	require.Contains(t, out, "To undo: esnap mark --remove "+day+" && esnap index delete "+day)
	code, out, _ = k.run("restore", day, "--yes")
	require.Equal(t, 4, code)
	require.Contains(t, out, "an index with that name exists")
	code, _, errs = k.run("index", "delete", day, "--yes", "--fail-on-spared")
	require.Equal(t, 4, code, errs)
	require.Contains(t, errs, "esnap mark --remove "+day+" ends the protection", "what is named exactly is not passed over in silence")
	code, _, errs = k.run("index", "delete", day+"*", "--yes", "--fail-on-spared")
	require.Equal(t, 5, code, errs)
	code, _, errs = k.run("index", "delete", "--guards", "off", day, "--yes")
	require.Equal(t, 0, code, errs)
	code, out, _ = k.run("restore", day, "-n", "-o", "json", "--snapshot", "snapshot-20261103010000")
	require.Equal(t, 0, code)
	require.Contains(t, out, "before the index's day had ended")
}

// What the plan shows is what the server makes of the names, also where a closed index
// has one of them.
func TestRestoreUnderAnotherName(t *testing.T) {
	k := newConsole(t)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-1"}})
	k.c.AddIndex(cluster.Index{Name: "alogs-1", Closed: true})
	code, out, errs := k.run("restore", "logs-1", "--rename-prefix", "a$b", "--yes")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "logs-1 as a$blogs-1")
	code, out, errs = k.run("restore", "logs-1", "--rename", "(l)(ogs)-.=a$1$2-$12", "--yes")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, "logs-1 as alogs-l2")
	code, out, _ = k.run("restore", "logs-1", "--rename", "^(.)=a$1", "--yes")
	require.Equal(t, 4, code)
	require.Contains(t, out, "alogs-1: an index with that name exists")
	code, _, errs = k.run("restore", "logs-1", "--rename", "(?<x>.+)=a${x}", "--yes")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "--rename: pattern, column 1: named groups are not supported: write (…), and $1 in the replacement")
	_, _, errs = k.run("restore", "logs-1", "--rename", "(.+)=a$2", "--yes")
	require.Contains(t, errs, "--rename: replacement, column 2: the pattern has no group 2")
}

func TestListsAsTheyAreShown(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndex(cluster.Index{Name: "logs-2026.11.20", UUID: "u1", Created: now.Add(-time.Hour), Aliases: []string{"logs"}})
	k.c.AddIndex(cluster.Index{Name: ".system", UUID: "u2", Created: now.Add(-time.Hour), Closed: true})
	k.c.AddRepository(cluster.Repository{Name: "r", Settings: map[string]string{"location": "/backup", "compress": "true"}})
	k.c.AddSnapshot("r", cluster.Snapshot{
		Name:    "s-20261119",
		UUID:    "s1",
		Start:   now.AddDate(0, 0, -2),
		End:     now.AddDate(0, 0, -2).Add(3 * time.Second),
		Indices: []string{"logs-2026.11.18", "logs-2026.11.17"},
	})
	k.c.AddSnapshot("r", cluster.Snapshot{
		Name:     "s-20261120",
		UUID:     "s2",
		State:    cluster.Partial,
		Start:    now.AddDate(0, 0, -1),
		End:      now.AddDate(0, 0, -1).Add(time.Minute),
		Indices:  []string{"logs-2026.11.18"},
		Failures: []cluster.ShardFailure{{Index: "logs-2026.11.18", Shard: 2, Node: "n1", Reason: "disk full"}},
	})
	for name, args := range map[string][]string{
		"index-list":          {"index", "list"},
		"index-list-wide":     {"index", "list", "-o", "wide", "--stats"},
		"index-list-json":     {"index", "list", "-o", "json", "logs-*"},
		"index-list-name":     {"index", "list", "-o", "name", "--prefix", "logs-"},
		"index-show":          {"index", "show", "logs-2026.11.20"},
		"snapshot-list":       {"snapshot", "list"},
		"snapshot-list-yaml":  {"snapshot", "list", "-o", "yaml", "--good"},
		"snapshot-holding":    {"snapshot", "list", "--holding", "logs-2026.11.18"},
		"snapshot-show":       {"snapshot", "show", "r", "s-20261120"},
		"repository-list":     {"repository", "list", "-o", "wide"},
		"repository-show":     {"repo", "show", "r"},
		"status-idle":         {"status"},
		"run-dry":             {"run", "-n", k.file(deleteLogs + "    options: {ignore_empty_list: true}\n")},
		"config-show":         {"config", "show"},
		"help":                {"--help"},
		"help-restore":        {"restore", "--help"},
		"snapshot-delete-dry": {"snapshot", "delete", "r", "-n", "--older-than", "1d"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := k.run(args...)
			require.Equal(t, 0, code, errs)
			out = regexp.MustCompile(`\S*/action\.yml`).ReplaceAllString(out, "action.yml")
			out = regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs)\b|\b0s\b`).ReplaceAllString(out, "0ms")
			golden(t, name, out)
			if args[0] != "--help" && args[len(args)-1] != "--help" && !strings.Contains(name, "wide") &&
				!strings.Contains(name, "json") && !strings.Contains(name, "yaml") && name != "repository-list" {
				for line := range strings.SplitSeq(out, "\n") {
					require.LessOrEqual(t, len([]rune(line)), 120, line)
				}
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestEveryCommandHasHelpAndAnExample(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() != "completion" && c.Name() != "help" && c.Name() != "exit-codes" && c.Parent() != nil && c.Runnable() &&
			!c.HasSubCommands() && c.Parent().Name() != "completion" {
			require.NotEmpty(t, c.Example, c.CommandPath())
			for line := range strings.SplitSeq(c.Example, "\n") {
				line, _, _ = strings.Cut(strings.TrimSpace(line), "     ")
				line = strings.TrimSpace(strings.Split(line, ">")[0])
				args := strings.Fields(strings.NewReplacer("'", "").Replace(line))
				require.Equal(t, "esnap", args[0], c.CommandPath())
				found, rest, err := newRoot(&App{Env: func(string) (string, bool) { return "", false }}).Find(args[1:])
				require.NoError(t, err, line)
				require.NoError(t, found.ParseFlags(rest), line)
				require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&App{Env: func(string) (string, bool) { return "", false }}))
}

func TestNoSecretIsEverShown(t *testing.T) {
	const canary = "s3cr3t-canary"
	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte(canary+"\n"), 0o600))
	for _, env := range []map[string]string{
		{"ESNAP_USERNAME": "u", "ESNAP_PASSWORD": canary},
		{"ESNAP_USERNAME": "u", "ESNAP_PASSWORD_FILE": secret},
		{"ESNAP_API_KEY": canary},
		{"ESNAP_BEARER_TOKEN": canary},
		{"ESNAP_URL": "http://u:" + canary + "@127.0.0.1:1"},
		{"ESNAP_URL": "http://u:" + canary + "@127.0.0.1:1,::bad"},
	} {
		for _, args := range [][]string{
			{"config", "show"}, {"config", "show", "-o", "json"}, {"status", "-v"},
			{"run", "-v", "-n", "-"}, {"index", "list", "--log-level", "debug"},
			{"status", "--timeout", canary[:0] + "x"},
		} {
			k := newConsole(t)
			for n, v := range env {
				k.env[n] = v
			}
			k.in = deleteLogs
			k.env["ESNAP_LOG_LEVEL"] = "debug"
			k.env["ESNAP_CONNECT_TIMEOUT"] = "1ms"
			var stdout, stderr bytes.Buffer
			app := &App{
				In:  strings.NewReader(k.in),
				Out: &stdout,
				Err: &stderr,
				Env: func(n string) (string, bool) { v, ok := k.env[n]; return v, ok },
				Now: time.Now,
			}
			Main(context.Background(), app, args)
			require.NotContains(t, stdout.String()+stderr.String(), canary, "%v %v", env, args)
		}
	}
}

// Credentials that are missing are those of a cluster, not a wrong command line.
func TestAWSWithoutCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AK")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SECRET_KEY", "")
	file := filepath.Join(t.TempDir(), "client.yml")
	require.NoError(t, os.WriteFile(file,
		[]byte("client: {hosts: ['http://127.0.0.1:1'], aws_sign_request: true, aws_region: eu-west-1}\n"), 0o600))
	for _, args := range [][]string{{"status"}, {"run", "-n", "-"}} {
		var stdout, stderr bytes.Buffer
		app := &App{
			In:  strings.NewReader(deleteLogs),
			Out: &stdout,
			Err: &stderr,
			Env: func(string) (string, bool) { return "", false },
			Now: time.Now,
		}
		require.Equal(t, 3, Main(context.Background(), app, append(args, "--config", file)), "%s", stderr.String())
		require.Contains(t, stderr.String(), "no AWS credentials found: aws_access_key_id and aws_secret_access_key must be set together")
		require.Contains(t, stderr.String(), "hint: set aws_key")
	}
}

func TestSchemaAcceptsExamplesAndRefusesTypos(t *testing.T) {
	text, err := json.Marshal(Schema())
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	check := func(text []byte) error {
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			return err
		}
		j, err := json.Marshal(stringKeys(v))
		require.NoError(t, err)
		in, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
		require.NoError(t, err)
		return s.Validate(in)
	}
	read := func(file string) []byte {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return text
	}
	good, err := filepath.Glob("../internal/plan/testdata/good/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, good)
	examples := 0
	require.NoError(t, filepath.WalkDir("../examples", func(file string, _ fs.DirEntry, err error) error {
		if filepath.Ext(file) == ".yml" && regexp.MustCompile(`(?m)^actions:`).Match(read(file)) {
			good = append(good, file)
			examples++
		}
		return err
	}))
	require.Greater(t, examples, len(actions.Kinds)*2+len(filters.Kinds), "in two forms each, and each filter")
	for _, file := range good {
		require.NoError(t, check(read(file)), file)
	}
	// What an editor can see: the form, not the meaning.
	bad, err := filepath.Glob("../internal/plan/testdata/bad/*.yml")
	require.NoError(t, err)
	var refused []string
	for _, file := range bad {
		if check(read(file)) != nil {
			refused = append(refused, strings.TrimSuffix(filepath.Base(file), ".yml"))
		}
	}
	require.Subset(t, refused, []string{
		"a-filter-is-text", "a-filter-with-null-filtertype", "a-filter-without-filtertype",
		"a-list-where-a-boolean-belongs", "a-map-where-a-list-belongs",
		"a-number-where-a-boolean-belongs", "a-number-where-text-belongs", "action-is-a-list", "actions-is-a-list", "an-action-is-missing",
		"an-action-is-text", "an-alias-of-itself", "default-nobody-knows", "default-of-the-wrong-type", "defaults-a-list", "duplicate-action-id",
		"duplicate-filters", "duplicate-key-of-a-filter", "duplicate-option", "exclude-of-the-wrong-type", "exclude-on-none", "filters-a-map",
		"filters-missing-on-delete_indices", "filters-missing-on-delete_snapshots",
		"filters-null", "ilm-on-snapshots", "merge-of-text", "not-one-of",
		"not-yaml", "option-of-another-filter", "options-a-list", "options-null", "repositories-a-list", "repository-of-unknown-type",
		"repository-with-unknown-ensure", "repository-without-type", "required-option-missing", "required-option-of-a-filter-missing",
		"state-in-lower-case", "state-on-indices", "tab-for-indentation",
		"the-file-is-a-list", "the-file-is-empty", "the-file-is-text", "unknown-action",
		"unknown-filter", "unknown-key-at-the-root", "unknown-key-of-a-repository", "unknown-key-of-an-action", "unknown-option",
		"unknown-option-of-a-filter", "unknown-option-of-another-action",
	})
	require.Error(t, check([]byte("actions: {1: {action: delete_indices, optoins: {}, filters: []}}")))
	require.Error(t, check([]byte("actions: {1: {action: delete_indices}}")))
	require.Error(t, check([]byte("actions: {1: {action: snapshot, options: {repositry: r}}}")))
}

func stringKeys(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, x := range v {
			m[fmt.Sprint(k)] = stringKeys(x)
		}
		return m
	case map[string]any:
		for k, x := range v {
			v[k] = stringKeys(x)
		}
	case []any:
		for i, x := range v {
			v[i] = stringKeys(x)
		}
	}
	return v
}

// TestNamesThatMatchNothing stop a command, also beside others that match: nothing is sent.
func TestNamesThatMatchNothing(t *testing.T) {
	k := newConsole(t)
	k.c.AddRepository(cluster.Repository{Name: "r"})
	k.c.AddIndices("logs-2026.11.01")
	k.c.AddIndex(cluster.Index{Name: ".ds-app-000001", DataStream: "app"})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-1", Indices: []string{"i"}})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s-2", Indices: []string{"i"}})
	for line, want := range map[string]string{
		"snapshot create r logs-2026.11.01 logs-2026.11.02": "no index is called logs-2026.11.02",
		"snapshot create r logs-2026.11.01 x-*":             "no index matches x-*",
		"snapshot create r logs-2026.11.0?":                 "in names only * is a wildcard",
		"index delete logs-2026.11.01 logs-2026.11.02 -y":   "did you mean logs-2026.11.01?",
		"snapshot delete r s-1 s-[2] -y":                    "no snapshot is called s-[2]",
		"index delete app -y":                               "no index is called app",
	} {
		code, out, errs := k.run(strings.Fields(line)...)
		require.Equal(t, 1, code, line)
		require.Contains(t, out+errs, want, line)
		require.Empty(t, k.c.Writes(), line)
	}
	code, out, errs := k.run("snapshot", "create", "r", "app", "--name", "new")
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, out, "1 data stream")
}

// TestHelpIsShort: one screen, as wide as the terminal.
func TestHelpIsShort(t *testing.T) {
	for _, columns := range []int{0, 80, 120, 300} {
		app := func(out io.Writer) *App {
			return &App{
				In:      strings.NewReader(""),
				Out:     out,
				Err:     out,
				Columns: columns,
				Env:     func(string) (string, bool) { return "", false },
				Now:     time.Now,
			}
		}
		var walk func(c *cobra.Command)
		walk = func(c *cobra.Command) {
			var b bytes.Buffer
			args := append(strings.Fields(c.CommandPath())[1:], "--help")
			require.Equal(t, 0, Main(context.Background(), app(&b), args))
			width := max(80, min(columns, 120))
			for line := range strings.SplitSeq(b.String(), "\n") {
				require.LessOrEqual(t, len([]rune(line)), width, "%s: %s", c.CommandPath(), line)
			}
			most := 40
			if c.Parent() == nil {
				most = 24
			}
			if !slices.Contains(curator.Programs, args[0]) {
				require.LessOrEqual(t, strings.Count(b.String(), "\n"), most, "%s at %d\n%s", c.CommandPath(), columns, b.String())
				require.NotContains(t, b.String(), "(default -1)")
			}
			for _, sub := range c.Commands() {
				if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
					walk(sub)
				}
			}
		}
		walk(newRoot(app(io.Discard)))
	}
}

// TestHelpTopics: what is not in the help of each command.
func TestHelpTopics(t *testing.T) {
	k := newConsole(t)
	narrow := func(out string) {
		for line := range strings.SplitSeq(out, "\n") {
			require.LessOrEqual(t, len([]rune(line)), 80, line)
		}
	}
	code, out, _ := k.run("help", "exit-codes")
	require.Equal(t, 0, code)
	require.Contains(t, out, "  4    refused by a safety check before anything was changed")
	narrow(out)
	code, out, _ = k.run("options")
	require.Equal(t, 0, code)
	require.Contains(t, out, "--password-file")
	require.Regexp(t, `(?m)^  -n, --dry-run +show what would be done; change nothing$`, out)
	narrow(out)
	for _, line := range []string{"curator_cli shrink", "curator_cli rollover", "es_repo_mgr", "es_repo_mgr create fs"} {
		code, out, _ = k.run(append(strings.Fields(line), "--help")...)
		require.Equal(t, 0, code)
		require.Contains(t, out, "Flags:\n      --")
		narrow(out)
	}
	code, out, _ = k.run("--version")
	require.Equal(t, 0, code)
	_, same, _ := k.run("version")
	require.Equal(t, same, out)
	for _, args := range [][]string{{"snapshots", "ls"}, {"indices", "ls"}, {"repos", "ls"}, {"repositories", "ls"}} {
		code, _, errs := k.run(args...)
		require.Equal(t, 0, code, errs)
	}
}

// TestQuiet prints nothing on success, but what was asked for as JSON; failures are told.
func TestQuiet(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-2026.11.01", "logs-2026.11.02")
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"i-2026.11.01"}})
	delete(k.env, "ESNAP_LOG_LEVEL")
	for _, args := range [][]string{
		{"index", "delete", "logs-2026.11.01", "--yes"},
		{"restore", "i-2026.11.01", "--yes"},
		{"snapshot", "create", "r", "logs-*"},
	} {
		code, out, errs := k.run(append([]string{"-q"}, args...)...)
		require.Equal(t, 0, code, errs)
		require.Empty(t, out+errs, args)
	}
	code, out, _ := k.run("-q", "snapshot", "create", "r", "logs-*", "--name", "other", "-o", "json")
	require.Equal(t, 0, code)
	require.Contains(t, out, "schema_version")
	code, out, errs := k.run("-q", "index", "delete", "nothing", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, out+errs, "no index is called nothing")
}

// TestQuietCommands: commands without a report print nothing on success, either, and dry
// runs of them. They still act, ask and fail aloud.
func TestQuietCommands(t *testing.T) {
	const index = "logs-2026.11.01"
	for line, writes := range map[string]string{
		"mark " + index + " --keep-for 30d":           "UpdateAliases",
		"mark " + index + " --keep-for 30d -n":        "",
		"repository verify r":                         "VerifyRepository",
		"repository verify r -n":                      "",
		"repository cleanup r --yes":                  "CleanupRepository",
		"repository cleanup r -n":                     "",
		"repository unregister r --yes":               "UnregisterRepository",
		"repository unregister r -n":                  "",
		"lock release nightly --yes":                  "DeleteDocument",
		"lock release nightly -n":                     "",
		"purge " + index + " --confirm " + index:      "DeleteIndices",
		"purge " + index + " -n":                      "",
		"index delete " + index + " --yes":            "DeleteIndices",
		"repository register new fs location=/backup": "RegisterRepository",
	} {
		k := newConsole(t)
		delete(k.env, "ESNAP_LOG_LEVEL")
		k.c.AddIndices(index)
		k.c.AddRepository(cluster.Repository{Name: "r", Type: "fs", Settings: map[string]string{"location": "/backup/r"}})
		k.hold("nightly", time.Minute)
		args := strings.Fields(line)
		if args[0] == "purge" {
			args = append(args, "--record", filepath.Join(t.TempDir(), "record.json"))
		}
		code, out, errs := k.run(append([]string{"-q"}, args...)...)
		require.Equal(t, 0, code, line+errs)
		require.Empty(t, out+errs, line)
		if writes == "" {
			require.Empty(t, k.c.Writes(), line)
		} else {
			require.Len(t, k.c.CallsOf(writes), 1, line)
		}
	}
	// What was asked for as JSON is printed.
	k := newConsole(t)
	k.c.AddIndices(index)
	code, out, errs := k.run("-q", "mark", index, "--keep-for", "30d", "-o", "json")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, `"protected_until": "2026-12-21"`)
	// A question shows what it is about.
	k = newConsole(t)
	k.c.AddIndices(index)
	k.tty, k.in = true, "no\n"
	code, out, errs = k.run("-q", "purge", index)
	require.Equal(t, 2, code)
	require.Contains(t, out, "delete the index "+index)
	require.Contains(t, errs, "Type "+index+" to delete it everywhere")
	// A failure is told.
	code, _, errs = k.run("-q", "repository", "verify", "nothing")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "there is no repository nothing")
}

// TestMasterOnlyIsForFiles: what an operator types is done on every node.
func TestMasterOnlyIsForFiles(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_CONFIG"] = k.file("client: {hosts: [a, b], master_only: true}")
	k.c.AddIndices("logs-2026.11.01")
	k.c.AddRepository(cluster.Repository{Name: "r"})
	code, _, errs := k.run("run", k.file(deleteLogs))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "master_only")
	require.Empty(t, k.c.Writes())
	code, _, errs = k.run("snapshot", "create", "r", "logs-*")
	require.Equal(t, 0, code, errs)
}

// TestAnUnreachableClusterIsLogged, with the time it took, and reported.
func TestAnUnreachableClusterIsLogged(t *testing.T) {
	k := newConsole(t)
	log := filepath.Join(t.TempDir(), "log")
	delete(k.env, "ESNAP_LOG_LEVEL")
	k.env["ESNAP_LOG_FILE"] = log
	k.c.Fault = func(string, []string) error {
		return &cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable, Text: "no route"}
	}
	code, out, _ := k.run("run", "-o", "json", k.file(deleteLogs))
	require.Equal(t, 3, code)
	require.Contains(t, out, `"error": "ask: no route"`)
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Regexp(t, `level=ERROR msg="run aborted" stage=connect took=\S+ error="ask: no route"`, string(text))
}
