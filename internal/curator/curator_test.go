package curator

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/memory"
)

// hurried is a stopwatch on which every pause is over at once, and counts in full.
type hurried struct {
	clock.Stopwatch
	slept atomic.Int64
}

func newHurried() *hurried { return &hurried{Stopwatch: clock.RealTime()} }

func (h *hurried) Elapsed() time.Duration {
	return h.Stopwatch.Elapsed() + time.Duration(h.slept.Load())
}

func (h *hurried) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() == nil {
		h.slept.Add(int64(d))
	}
	return context.Cause(ctx)
}

type shell struct {
	t    *testing.T
	c    *memory.Memory
	env  map[string]string
	opts *es.Options
}

func newShell(t *testing.T) *shell {
	return &shell{t: t, c: memory.New(), env: map[string]string{"HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir()}}
}

func (s *shell) run(args ...string) (code int, out, errs string) {
	s.t.Helper()
	return s.program(program, args...)
}

// program runs one of Curator's programs; what it reads is empty.
func (s *shell) program(name string, args ...string) (code int, out, errs string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code = Main(context.Background(), Host{
		Out: &stdout, Err: &stderr, Now: time.Now, Watch: newHurried(), Local: time.UTC, Version: "test",
		Env: func(n string) (string, bool) { v, ok := s.env[n]; return v, ok },
		Environ: func() (list []string) {
			for n, v := range s.env {
				list = append(list, n+"="+v)
			}
			return list
		},
		Connect: func(o es.Options) (cluster.Cluster, error) { s.opts = &o; return s.c, nil },
	}, name, args)
	return code, stdout.String(), stderr.String()
}

func (s *shell) file(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (s *shell) indices() []string {
	list, err := s.c.Indices(context.Background())
	require.NoError(s.t, err)
	return cluster.Names(list)
}

// KubeSphere's files, as its release 3.3 has them.
var stockClient, stockAction = stock("config.yml"), stock("action_file.yml")

func stock(name string) string {
	data, err := os.ReadFile("../../integration/testdata/kubesphere/3.3/" + name)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// day is an index's name so many days ago.
func day(prefix string, ago int) string {
	return prefix + time.Now().UTC().AddDate(0, 0, -ago).Format("2006.01.02")
}

func TestKubeSpheresStockFilesRunUnchanged(t *testing.T) {
	s := newShell(t)
	s.c.AddIndices(day("ks-logstash-log-", 1), day("ks-logstash-log-", 6), day("ks-logstash-log-", 8), day("other-", 30))
	code, out, errs := s.run("--config", s.file("config.yml", stockClient), s.file("action_file.yml", stockAction))
	require.Equal(t, 0, code, errs)
	require.Empty(t, errs, "Curator 5 writes everything to stdout")
	require.Equal(t, []string{"http://elasticsearch-logging-data.kubesphere-logging-system.svc:9200"}, s.opts.URLs)
	require.ElementsMatch(t, []string{day("ks-logstash-log-", 1), day("ks-logstash-log-", 6), day("other-", 30)}, s.indices())
	for _, line := range []string{
		`Preparing Action ID: 1, "delete_indices"`,
		"Creating client object and testing connection",
		`Trying Action ID: 1, "delete_indices": Logs after a week`,
		`Action ID: 1, "delete_indices" completed.`,
		"Job completed.",
	} {
		require.Contains(t, out, line)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		require.Regexp(t, `^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3} (INFO|WARNING|ERROR|DEBUG) +\S`, line)
	}
	code, out, _ = s.run("--config", s.file("config.yml", stockClient), s.file("action_file.yml", stockAction))
	require.Equal(t, 0, code, "nothing to do is no failure with ignore_empty_list")
	require.Contains(t, out, `Skipping action "delete_indices" due to empty list`)
}

func TestDryRunLines(t *testing.T) {
	s := newShell(t)
	s.c.AddIndices(day("ks-logstash-log-", 9), day("ks-logstash-log-", 8))
	s.c.CloseIndex(day("ks-logstash-log-", 9))
	code, out, _ := s.run("--dry-run", "--config", s.file("config.yml", stockClient), s.file("action_file.yml", stockAction))
	require.Equal(t, 0, code)
	require.Empty(t, s.c.Writes())
	lines := regexp.MustCompile(`DRY-RUN: .*`).FindAllString(out, -1)
	require.Equal(t, []string{
		"DRY-RUN: delete_indices: " + day("ks-logstash-log-", 9) + " (CLOSED) with arguments: {}",
		"DRY-RUN: delete_indices: " + day("ks-logstash-log-", 8) + " with arguments: {}",
	}, lines)
	require.Contains(t, out, "No changes will be made")
	s.env["ESCLIENT_DRY_RUN"] = "1"
	_, _, _ = s.run(s.file("action_file.yml", stockAction))
	require.Empty(t, s.c.Writes())
	delete(s.env, "ESCLIENT_DRY_RUN")
	s.env["ESNAP_DRY_RUN"] = "1"
	_, _, _ = s.run("--config", s.file("config.yml", stockClient), s.file("action_file.yml", stockAction))
	require.Empty(t, s.c.Writes(), "kubectl set env makes the CronJob a dry run")
}

func TestCuratorsExitCodes(t *testing.T) {
	empty := strings.Replace(stockAction, "ignore_empty_list: True", "ignore_empty_list: False", 1)
	for _, c := range []struct {
		name, file string
		fail       bool
		want       int
	}{
		{"done", stockAction, false, 0},
		{"empty", strings.Replace(empty, "ks-logstash-log", "none", 1), false, 1},
		{
			"empty, continue_if_exception does not help",
			strings.Replace(strings.Replace(empty, "ks-logstash-log", "none", 1), "continue_if_exception: False", "continue_if_exception: True", 1),
			false,
			1,
		},
		{"failure", stockAction, true, 1},
		{"failure passed over", strings.Replace(stockAction, "continue_if_exception: False", "continue_if_exception: True", 1), true, 0},
		{"not YAML", "a: [", false, 1},
		{"unknown option", strings.Replace(stockAction, "disable_action", "disable_acton", 1), false, 1},
		{"disabled", strings.Replace(stockAction, "disable_action: False", "disable_action: True", 1), true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t)
			s.c.AddIndices(day("ks-logstash-log-", 8))
			if c.fail {
				s.c.Fault = func(m string, _ []string) error {
					if m == "DeleteIndices" {
						return cluster.ErrForbidden
					}
					return nil
				}
			}
			code, out, errs := s.run(s.file("a.yml", c.file))
			require.Equal(t, c.want, code, out+errs)
			if c.name == "failure passed over" {
				require.Contains(t, errs, "Actions failed and were passed over because continue_if_exception is set: 1 (delete_indices)")
				require.Contains(t, out, "All actions completed.")
			}
			if c.want == 1 {
				require.NotContains(t, out, "completed.")
				require.NotEmpty(t, errs)
			}
		})
	}
}

func TestWrongCommandLines(t *testing.T) {
	s := newShell(t)
	for _, args := range [][]string{
		{},
		{"/nowhere.yml"},
		{"a", "b"},
		{"--config", "/nowhere.yml", s.file("a.yml", stockAction)},
		{"--dryrun", s.file("a.yml", stockAction)},
	} {
		code, out, errs := s.run(args...)
		require.Equal(t, 2, code, "%v", args)
		require.Empty(t, out)
		require.Contains(t, errs, "Usage: curator")
	}
}

// The version comes before the arguments are checked, after wrong options and --help.
func TestVersion(t *testing.T) {
	s := newShell(t)
	for _, name := range Programs {
		for _, c := range []struct {
			args []string
			code int
			out  string
		}{
			{[]string{"--version"}, 0, name + ", version test\n"},
			{[]string{"-v"}, 0, name + ", version test\n"},
			{[]string{"--version", "--nosuch"}, 2, ""},
		} {
			code, out, _ := s.program(name, c.args...)
			require.Equal(t, c.code, code, "%s %v", name, c.args)
			require.Equal(t, c.out, out, "%s %v", name, c.args)
		}
		_, help, _ := s.program(name, "--help")
		require.Contains(t, help, "  -v, --version ")
		_, both, _ := s.program(name, "--version", "--help")
		require.Equal(t, help, both)
	}
	_, out, _ := s.run("--version", "/nowhere.yml")
	require.Equal(t, "curator, version test\n", out)
}

func TestOptionsWinOverEnvironmentAndFile(t *testing.T) {
	s := newShell(t)
	s.c.AddIndices(day("ks-logstash-log-", 1))
	file := s.file("a.yml", stockAction)
	eight := s.file("c.yml", "elasticsearch: {client: {hosts: 'http://file:9200', request_timeout: 7}, "+
		"other_settings: {username: u, password: p}}\nlogging: {loglevel: ERROR}\n")
	_, _, _ = s.run("--config", eight, file)
	require.Equal(t, []string{"http://file:9200"}, s.opts.URLs)
	require.Equal(t, 7*time.Second, s.opts.Timeout)
	require.Equal(t, "p", s.opts.Password)
	s.env["ESCLIENT_HOSTS"] = "http://one:9200 http://two:9200"
	_, _, _ = s.run("--config", eight, file)
	require.Equal(t, []string{"http://one:9200", "http://two:9200"}, s.opts.URLs)
	_, _, _ = s.run("--config", eight, "--hosts", "https://three:9200", "--password", "q", "--no-verify_certs", "--request_timeout=9", file)
	require.Equal(t, []string{"https://three:9200"}, s.opts.URLs)
	require.Equal(t, "q", s.opts.Password)
	require.True(t, s.opts.InsecureSkipVerify)
	require.Equal(t, 9*time.Second, s.opts.Timeout)
	_, _, _ = s.run("--id", "i", "--api_key", "k", file)
	require.Equal(t, "aTpr", s.opts.APIKey)
}

func TestLogFormats(t *testing.T) {
	for _, format := range []string{"json", "logstash", "ecs"} {
		s := newShell(t)
		s.c.AddIndices(day("ks-logstash-log-", 8))
		_, out, errs := s.run("--logformat", format, s.file("a.yml", strings.Replace(stockAction, "ks-logstash-log", "none", 1)))
		require.NotEmpty(t, out+errs)
		for line := range strings.SplitSeq(strings.TrimSpace(out+errs), "\n") {
			var m map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &m), line)
			require.Contains(t, m, "@timestamp")
			require.Contains(t, m, "message")
		}
	}
}

func TestWhatTheFlavoursList(t *testing.T) {
	for _, c := range []struct{ config, options, left string }{
		{stockClient, "", ".hidden .ds-x"},
		{"", "", ".hidden .ds-x .kibana_1"},
		{"", "include_hidden: true", ".kibana_1"},
		{"", "search_pattern: '.h*'", ".ds-x .kibana_1 a"},
		{"", "search_pattern: '*h*', ignore_empty_list: true", ".hidden .ds-x .kibana_1 a"},
		{"", "search_pattern: 'a, .ds-x'", ".hidden .kibana_1"},
		{"", "search_pattern: '.h*,-.hidden', ignore_empty_list: true", ".hidden .ds-x .kibana_1 a"},
		{stockClient, "search_pattern: 'a,.hidden'", ".ds-x .kibana_1"},
		{stockClient, "search_pattern: behind", ".ds-x .kibana_1 a"},
	} {
		s := newShell(t)
		s.c.AddIndex(cluster.Index{Name: ".hidden", Hidden: true, Aliases: []string{"behind"}})
		s.c.AddIndex(cluster.Index{Name: ".ds-x", Hidden: true, DataStream: "x"})
		s.c.AddIndices(".kibana_1", "a")
		args := []string{s.file("a.yml", "actions: {1: {action: delete_indices, options: {"+c.options+"}, filters: [{filtertype: none}]}}")}
		if c.config != "" {
			args = append([]string{"--config", s.file("c.yml", c.config)}, args...)
		}
		code, out, errs := s.run(args...)
		require.Equal(t, 0, code, out+errs)
		require.ElementsMatch(t, strings.Fields(c.left), s.indices())
	}
}

func TestMasterOnly(t *testing.T) {
	s := newShell(t)
	s.c.AddIndices(day("ks-logstash-log-", 8))
	two := s.file("c.yml", "client: {hosts: [a, b], master_only: true}\n")
	code, _, errs := s.run("--config", two, s.file("a.yml", stockAction))
	require.Equal(t, 1, code)
	require.Contains(t, errs, "master_only requires a single host")
	code, _, _ = s.run("--config", two, s.file("disabled.yml",
		"actions: {1: {action: delete_indices, options: {disable_action: true}, filters: []}}"))
	require.Equal(t, 0, code, "for disabled actions nobody is asked")
	one := s.file("c.yml", "client: {hosts: [a], master_only: true}\n")
	code, _, _ = s.run("--config", one, s.file("a.yml", stockAction))
	require.Equal(t, 0, code)
	require.Empty(t, s.indices())
}

func TestDryRunOfActionsWithSteps(t *testing.T) {
	synctest.Test(t, dryRunOfActionsWithSteps) // the remote cluster is tried again for a while
}

func dryRunOfActionsWithSteps(t *testing.T) {
	s := newShell(t)
	s.c.AddIndex(cluster.Index{Name: "a", Primaries: 4, Aliases: []string{"x"}})
	file := s.file("action_file.yml", `
actions:
  1:
    action: shrink
    options: {shrink_node: n1, node_filters: {permit_masters: True}, number_of_replicas: 0}
    filters: [{filtertype: none}]
  2:
    action: reindex
    options:
      request_body:
        source: {index: REINDEX_SELECTION, remote: {host: 'http://127.0.0.1:1', password: geheim}}
        dest: {index: b}
      remote_filters: [{filtertype: none}]
    filters: [{filtertype: none}]
`)
	code, out, errs := s.run("--dry-run", "--config", s.file("config.yml", stockClient), file)
	require.Equal(t, 1, code, errs)
	require.Contains(t, out, `DRY-RUN: Moving shards to shrink node: "n1"`)
	require.Contains(t, out, `DRY-RUN: Shrinking index "a" to "a-shrink" with settings {`)
	require.Contains(t, out, `DRY-RUN: Deleting source index "a"`)
	require.Contains(t, out, "the remote cluster: list indices: cannot reach http://127.0.0.1:1/: connection refused",
		"it cannot be reached, and nothing else is at fault")
	code, out, errs = s.run("--dry-run", "--config", s.file("config.yml", stockClient), s.file("three.yml", `
actions:
  1:
    action: reindex
    options: {request_body: {source: {index: a}, dest: {index: b}}, slices: 3}
    filters: [{filtertype: none}]
`))
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, `DRY-RUN: REINDEX: request body: {"dest":{"index":"b"},`+
		`"source":{"index":["a"]}} with arguments: refresh=true requests_per_second=-1 slices=3`)
	require.Empty(t, s.c.Writes())
	time.Sleep(24 * time.Hour) // the transport's goroutine for the dead host ends
}

// TestLogLinesOfBothGenerations holds columns and keys to Curator's.
func TestLogLinesOfBothGenerations(t *testing.T) {
	first := func(args ...string) string {
		s := newShell(t)
		s.c.AddIndices("a-1")
		file := s.file("a.yml", "actions: {1: {action: open, filters: [{filtertype: none}]}}")
		_, out, errs := s.run(append(args, file)...)
		require.Empty(t, errs)
		line, _, _ := strings.Cut(out, "\n")
		return line
	}
	const stamp = `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} `
	require.Regexp(t, stamp+`INFO      Preparing`, first())
	require.Regexp(t, stamp+`INFO      {24}curator {17}Observe:\d+ +Preparing Action ID: 1, "open"`, first("--loglevel", "DEBUG"))
	require.Regexp(t, stamp+`INFO      {16}curator {16}Observe:\d+ +Preparing`, first("--loglevel", "DEBUG", "--compat", "5"))
	keys := func(args ...string) []string {
		line := first(args...)
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		return slices.Sorted(maps.Keys(m))
	}
	require.Equal(t, []string{"@timestamp", "function", "linenum", "loglevel", "message", "name"}, keys("--logformat", "json"))
	require.Equal(t, []string{"@timestamp", "log", "message"}, keys("--logformat", "ecs", "--compat", "5"))
	require.Equal(t, []string{"@timestamp", "ecs.version", "log", "log.level", "message", "process"}, keys("--logformat", "ecs"))
	require.Regexp(t, `^\{"@timestamp": "\S+Z", "function": "Observe", "linenum": \d+, "loglevel": "INFO",`+
		` "message": "Preparing `, first("--logformat", "json"))
	require.Regexp(t, `^\{"@timestamp":"\S+Z","ecs.version":"1.6.0","log":\{`, first("--logformat", "ecs"))
}
