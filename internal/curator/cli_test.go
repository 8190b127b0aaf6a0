package curator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/settings"
)

func (s *shell) cli(args ...string) (code int, out, errs string) {
	s.t.Helper()
	return s.program(cli, args...)
}

const onA = `{"filtertype":"pattern","kind":"prefix","value":"a-"}`

// abc is a shell on a cluster of three indices and some snapshots.
func abc(t *testing.T) *shell {
	s := newShell(t)
	s.c.AddIndices("a-1", "a-2", "b-1")
	s.c.AddSnapshot("r", cluster.Snapshot{Name: "snap-2", Indices: []string{"a-1", "a-2"}, Start: time.Now().AddDate(0, 0, -2)})
	s.c.AddSnapshot("r", cluster.Snapshot{Name: "snap-1", Indices: []string{"a-1", "a-2"}, Start: time.Now().AddDate(0, 0, -9)})
	return s
}

// TestSingletons runs every command of curator_cli, in both spellings of its name.
func TestSingletons(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		seen func(t *testing.T, s *shell)
	}{
		"alias": {[]string{"--name", "al", "--add", onA}, func(t *testing.T, s *shell) { // one of both is enough (D10)
			list, err := s.c.Indices(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"al"}, list[0].Aliases)
			require.Empty(t, list[2].Aliases)
		}},
		"allocation": {
			[]string{"--key", "box", "--value", "2017", "--allocation_type", "include", "--filter_list", onA},
			func(t *testing.T, s *shell) {
				require.Equal(t, "2017", s.setting("a-1", "index.routing.allocation.include.box"))
			},
		},
		"close": {[]string{"--filter_list", "[" + onA + "]"}, func(t *testing.T, s *shell) { require.True(t, s.index("a-1").Closed) }},
		"delete_indices": {[]string{"--filter_list", onA}, func(t *testing.T, s *shell) {
			require.Equal(t, []string{"b-1"}, s.indices())
		}},
		"delete_snapshots": {
			[]string{
				"--repository", "r",
				"--filter_list", `{"filtertype":"age","source":"creation_date","direction":"older","unit":"days","unit_count":5}`,
			},
			func(t *testing.T, s *shell) {
				require.Len(t, s.c.CallsOf("DeleteSnapshots"), 1)
			},
		},
		"forcemerge": {
			[]string{"--max_num_segments", "1", "--delay", "0.5", "--filter_list", `{"filtertype":"pattern","kind":"suffix","value":"many"}`},
			func(t *testing.T, s *shell) {
				require.Len(t, s.c.CallsOf("ForcemergeIndex"), 1)
			},
		},
		"open": {[]string{"--filter_list", onA}, func(t *testing.T, s *shell) { require.Len(t, s.c.CallsOf("OpenIndices"), 1) }},
		"replicas": {
			[]string{"--count", "2", "--filter_list", onA},
			func(t *testing.T, s *shell) { require.Equal(t, "2", s.setting("a-1", "index.number_of_replicas")) },
		},
		"restore": {
			[]string{
				"--repository", "r", "--name", "snap-1", "--index", "a-1", "--index", "a-2", "--rename_pattern", "(.+)",
				"--rename_replacement", "back-$1",
				"--extra_settings", `{"number_of_replicas":0}`, "--no-wait_for_completion", "--filter_list", `{"filtertype":"none"}`,
			},
			func(t *testing.T, s *shell) {
				op := s.c.CallsOf("RestoreSnapshot")[0].Request.(cluster.RestoreSnapshot)
				require.Equal(t, []string{"a-1", "a-2"}, op.Indices)
				require.NotEmpty(t, op.IndexSettings, "they reach the request (D10)")
				require.False(t, op.GlobalState)
			},
		},
		"rollover": {
			[]string{"--name", "roll", "--max_docs", "5", "--new_index", "roll-next", "--extra_settings", `{"index.number_of_shards":1}`},
			func(t *testing.T, s *shell) {
				op := s.c.CallsOf("Rollover")[0].Request.(cluster.Rollover)
				require.Equal(t, cluster.Rollover{
					Alias:               "roll",
					NewIndex:            "roll-next",
					Conditions:          map[string]any{"max_docs": int64(5)},
					Settings:            map[string]any{"index.number_of_shards": int64(1)},
					WaitForActiveShards: "1",
				}, op)
			},
		},
		"shrink": {
			[]string{
				"--node_filters", `{"permit_masters":true}`, "--number_of_replicas", "0", "--no-delete_after",
				"--filter_list", `{"filtertype":"none"}`,
			},
			func(t *testing.T, s *shell) {
				require.Contains(t, s.indices(), "wide-shrink")
				require.Contains(t, s.indices(), "wide")
			},
		},
		"snapshot": {[]string{"--repository", "r", "--name", "new-%Y", "--filter_list", onA}, func(t *testing.T, s *shell) {
			op := s.c.CallsOf("CreateSnapshot")[0].Request.(cluster.CreateSnapshot)
			require.Equal(t, "new-"+time.Now().UTC().Format("2006"), op.Name)
			require.Equal(t, []string{"a-1", "a-2"}, op.Indices)
			require.False(t, op.GlobalState, "a flag that is absent means false, unlike in a file")
			require.Len(t, s.c.CallsOf("VerifyRepository"), 1, "and so the repository is verified")
		}},
		"freeze":   {[]string{"--filter_list", onA}, func(t *testing.T, s *shell) { require.Len(t, s.c.CallsOf("FreezeIndices"), 1) }},
		"unfreeze": {[]string{"--filter_list", onA}, func(t *testing.T, s *shell) { require.Len(t, s.c.CallsOf("FreezeIndices"), 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, spelt := range []string{name, strings.ReplaceAll(name, "_", "-")} {
				s := abc(t)
				s.c = memory.New(memory.Elasticsearch("7.17.28"))
				s.c.AddIndices("a-1", "a-2", "b-1")
				many := 9
				s.c.AddIndex(cluster.Index{Name: "b-many", Segments: &many})
				s.c.AddIndex(cluster.Index{Name: "roll-1", Aliases: []string{"roll"}})
				s.c.AddSnapshot("r", cluster.Snapshot{Name: "snap-2", Indices: []string{"a-1", "a-2"}, Start: time.Now().AddDate(0, 0, -2)})
				s.c.AddSnapshot("r", cluster.Snapshot{Name: "snap-1", Indices: []string{"a-1", "a-2"}, Start: time.Now().AddDate(0, 0, -9)})
				switch name {
				case "shrink":
					s.c.AddIndex(cluster.Index{Name: "wide", Primaries: 4})
				case "delete_indices":
					require.NoError(t, s.c.DeleteIndices(t.Context(), cluster.DeleteIndices{Names: []string{"b-many", "roll-1"}}))
				}
				s.c.ForgetCalls()
				code, out, errs := s.cli(append([]string{"--dry-run", spelt}, c.args...)...)
				require.Equal(t, 0, code, out+errs)
				require.Empty(t, s.c.Writes(), "a dry run")
				require.Contains(t, out, "DRY-RUN")
				code, out, errs = s.cli(append([]string{spelt}, c.args...)...)
				require.Equal(t, 0, code, out+errs)
				require.Contains(t, out, `"`+name+`" action completed.`)
				require.NotContains(t, out, "Action ID")
				c.seen(t, s)
			}
		})
	}
}

func (s *shell) index(name string) *cluster.Index {
	list, err := s.c.Indices(s.t.Context())
	require.NoError(s.t, err)
	for _, i := range list {
		if i.Name == name {
			return i
		}
	}
	return nil
}

func (s *shell) setting(index, key string) string {
	all, err := s.c.Settings(s.t.Context(), []string{index})
	require.NoError(s.t, err)
	return all[index][key]
}

func TestSingletonsThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		args []string
		says string
	}{
		"no command": {2, []string{"nonsense"}, "nonsense"},
		"no filters": {2, []string{"close"}, "--filter_list"},
		"no JSON":    {2, []string{"close", "--filter_list", "{"}, "JSON"},
		"half JSON": {
			2,
			[]string{"close", "--filter_list", "{'filtertype': 'none'}"},
			`the value is not valid JSON near character 2, "{'filtertype': 'none'"; write names and texts in double quotes`,
		},
		"empty JSON":            {2, []string{"close", "--filter_list", ""}, "the value is empty"},
		"an unknown option":     {2, []string{"close", "--filterlist", "{}"}, "filterlist"},
		"a missing option":      {2, []string{"replicas", "--filter_list", onA}, "--count"},
		"no number":             {2, []string{"replicas", "--count", "two", "--filter_list", onA}, "'two' is not a valid integer"},
		"an argument":           {2, []string{"open", "a-1", "--filter_list", onA}, "a-1"},
		"a number out of range": {1, []string{"replicas", "--count", "11", "--filter_list", onA}, "count"},
		"no such filter":        {1, []string{"close", "--filter_list", `{"filtertype":"patern"}`}, "pattern"},
		"a wrong filter":        {1, []string{"close", "--filter_list", `{"filtertype":"none","exclude":true}`}, "exclude"},
		"nothing left": {
			1,
			[]string{"close", "--filter_list", `{"filtertype":"pattern","kind":"prefix","value":"x"}`},
			"Nothing in the list",
		},
		"nothing left, dry run": {
			1,
			[]string{"--dry-run", "close", "--filter_list", `{"filtertype":"pattern","kind":"prefix","value":"x"}`},
			"Nothing in the list",
		},
		"nothing left, ignored": {
			0,
			[]string{"close", "--ignore_empty_list", "--filter_list", `{"filtertype":"pattern","kind":"prefix","value":"x"}`},
			"Skipping action.",
		},
		"no such repository":   {1, []string{"show_snapshots", "--repository", "nowhere"}, "nowhere"},
		"no such alias":        {1, []string{"rollover", "--name", "a"}, "there is no alias a"},
		"options alone":        {2, []string{"--dry-run"}, "Missing command."},
		"a folder":             {2, []string{"--config", "/", "show_indices"}, "Path '/' is a directory."},
		"an unknown level":     {2, []string{"--loglevel", "NOPE", "show_indices"}, "'--loglevel': 'NOPE' is not one of DEBUG, INFO"},
		"an unknown format":    {2, []string{"--logformat", "zzz", "show_indices"}, "'--logformat': 'zzz' is not one of default, json"},
		"no number of seconds": {2, []string{"--request_timeout", "abc", "show_indices"}, "'abc' is not a number of seconds"},
		"the same, version 5":  {2, []string{"--timeout", "abc", "show_indices"}, "'--timeout': 'abc' is not a number of seconds"},
		"no such client file":  {2, []string{"--config", "/nowhere.yml", "show_indices"}, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			s := abc(t)
			code, out, errs := s.cli(c.args...)
			require.Equal(t, c.code, code, out+errs)
			require.Contains(t, out+errs, c.says)
			require.Empty(t, s.c.Writes())
		})
	}
}

// TestSingletonRolloverWithoutConditions: the command line needs none, as Curator's.
func TestSingletonRolloverWithoutConditions(t *testing.T) {
	s := newShell(t)
	s.c.AddIndex(cluster.Index{Name: "a-000001", Aliases: []string{"a"}, WriteAliases: []string{"a"}})
	code, out, errs := s.cli("--dry-run", "rollover", "--name", "a")
	require.Equal(t, 0, code, out+errs)
	require.Equal(t, []string{"a-000001"}, s.indices())
	code, out, errs = s.cli("rollover", "--name", "a")
	require.Equal(t, 0, code, out+errs)
	require.Equal(t, []string{"a-000001", "a-000002"}, s.indices())
	code, _, _ = s.cli("rollover", "--name", "a", "--max_docs", "5000")
	require.Equal(t, 0, code)
	require.Len(t, s.indices(), 2, "a condition that is not met")
}

// TestOriginsAreThisCommandLines: a message names the option or variable that was given.
func TestOriginsAreThisCommandLines(t *testing.T) {
	f := pflag.NewFlagSet("x", pflag.ContinueOnError)
	addOptions(f, cli)
	require.NoError(t, f.Parse([]string{"--hosts", "http://one:9200"}))
	env := map[string]string{"ESCLIENT_LOGFILE": "/x.log"}
	s, _, err := load(f, Host{Env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }}, cli)
	require.NoError(t, err)
	require.Equal(t, "flag --hosts", s.Source("url"))
	require.Equal(t, "environment ESCLIENT_LOGFILE", s.Source("log-file"))
}

// TestSingletonEmptiedByTheAction: also a list that the action itself empties heeds
// --ignore_empty_list, as in Curator 8 (C1).
func TestC01SingletonEmptiedByTheAction(t *testing.T) {
	s := abc(t)
	s.c.CloseIndex("a-1")
	s.c.CloseIndex("a-2")
	for _, command := range [][]string{
		{"close"},
		{"replicas", "--count", "1"},
		{"allocation", "--key", "k"},
		{"forcemerge", "--max_num_segments", "1"},
		{"shrink"},
	} {
		code, out, errs := s.cli(append(command, "--filter_list", onA)...)
		require.Equal(t, 1, code, out+errs)
		code, out, errs = s.cli(append(command, "--ignore_empty_list", "--filter_list", onA)...)
		require.Equal(t, 0, code, out+errs)
		require.Contains(t, out, "Skipping action.")
		require.Contains(t, out, "action completed.")
	}
}

// TestD09ManagedIndices: the flag means what it says.
func TestD09ManagedIndices(t *testing.T) {
	s := newShell(t)
	s.c.AddIndex(cluster.Index{Name: "a-managed", Lifecycle: "p"})
	s.c.AddIndices("a-free")
	_, out, _ := s.cli("show_indices")
	require.Equal(t, "a-free\n", out)
	_, out, _ = s.cli("show_indices", "--no-allow_ilm_indices")
	require.Equal(t, "a-free\n", out)
	_, out, _ = s.cli("show_indices", "--allow_ilm_indices")
	require.Equal(t, "a-free\na-managed\n", out)
	code, _, _ := s.cli("delete_indices", "--filter_list", onA)
	require.Equal(t, 0, code)
	require.Equal(t, []string{"a-managed"}, s.indices())
}

func TestShow(t *testing.T) {
	s := newShell(t)
	made := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	s.c.AddIndex(cluster.Index{
		Name:      "long-name",
		Created:   made,
		Primaries: 3,
		Replicas:  1,
		Stats:     &cluster.IndexStats{Docs: 1234, Bytes: 1536},
	})
	s.c.AddIndex(cluster.Index{Name: "shut", Created: made, Closed: true})
	_, out, _ := s.cli("show-indices")
	require.Equal(t, "long-name\nshut\n", out)
	_, out, _ = s.cli("show_indices", "--verbose", "--header")
	require.Equal(t, strings.Join([]string{
		"Index     State   Size  Docs Pri Rep   Creation Timestamp",
		"long-name  open  1.5KB  1234   3   1 2026-11-03T04:05:06Z",
		"shut      close   0.0B     0   1   0 2026-11-03T04:05:06Z", ""}, "\n"), out)
	_, out, _ = s.cli("show_indices", "--verbose", "--header", "--epoch", "--filter_list", `{"filtertype":"closed"}`)
	require.Contains(t, out, "creation_date\n")
	require.Contains(t, out, "    1793678706\n")
	require.NotContains(t, out, "shut")
	s = abc(t)
	_, out, _ = s.cli("show-snapshots", "--repository", "r")
	require.Equal(t, "snap-1\nsnap-2\n", out)
	_, out, _ = s.cli("show_snapshots", "--repository", "r", "--filter_list", `[{"filtertype":"pattern","kind":"suffix","value":"2"}]`)
	require.Equal(t, "snap-2\n", out)
	require.Empty(t, s.c.Writes())
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{
		0:                         "0.0B",
		1023:                      "1023.0B",
		1024:                      "1.0KB",
		1536:                      "1.5KB",
		1 << 30:                   "1.0GB",
		1_000_000_000_000_000_000: "888.2PB",
	} {
		require.Equal(t, want, size(bytes))
	}
}

// TestCurator5Options: what the command line gives replaces the same key of the file.
func TestCurator5Options(t *testing.T) {
	s := abc(t)
	five := s.file("curator.yml", "client: {hosts: [one, two], port: 9201, use_ssl: true, certificate: /ca.pem, http_auth: 'u:p', "+
		"timeout: 50}\n")
	run := func(args ...string) {
		t.Helper()
		code, out, errs := s.cli(append(args, "show_indices")...)
		require.Equal(t, 0, code, out+errs)
	}
	run("--config", five)
	require.Equal(t, []string{"https://one:9201", "https://two:9201"}, s.opts.URLs)
	run("--config", five, "--host", "three", "--timeout", "7")
	require.Equal(t, []string{"https://three:9201"}, s.opts.URLs)
	require.Equal(t, 7*time.Second, s.opts.Timeout)
	require.Equal(t, "u", s.opts.Username)
	run("--config", five, "--http_auth", "v:q", "--port", "9300", "--url_prefix", "es", "--ssl-no-validate")
	require.Equal(t, []string{"https://one:9300/es", "https://two:9300/es"}, s.opts.URLs)
	require.Equal(t, "q", s.opts.Password)
	require.True(t, s.opts.InsecureSkipVerify)
	s.env["ESNAP_URL"] = "http://elsewhere:9200"
	run("--host", "bare")
	require.Equal(t, []string{"http://bare:9200"}, s.opts.URLs, "without a file, and over the environment")
	eight := s.file("eight.yml", "elasticsearch: {client: {hosts: 'http://eight:9200', request_timeout: 9}}\n")
	delete(s.env, "ESNAP_URL")
	run("--config", eight, "--host", "bare", "--use_ssl")
	require.Equal(t, []string{"https://bare:9200"}, s.opts.URLs)
	require.Equal(t, 9*time.Second, s.opts.Timeout, "what is not given stays the file's")
	run("--compat", "5", "--config", "/nowhere.yml")
	code, _, errs := s.cli("--port", "many", "show_indices")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "port")
}

func TestVariablesOfSubcommands(t *testing.T) {
	s := abc(t)
	s.env["ESCLIENT_DELETE_INDICES_FILTER_LIST"] = onA
	s.env["ESCLIENT_HOSTS"] = "http://one:9200 http://two:9200"
	code, out, errs := s.cli("delete-indices")
	require.Equal(t, 0, code, out+errs)
	require.Equal(t, []string{"b-1"}, s.indices())
	require.Len(t, s.opts.URLs, 2)
}

// TestHowLongAClusterIsWaitedFor: a night waits for a cluster that is starting, a person
// does not.
func TestHowLongAClusterIsWaitedFor(t *testing.T) {
	s := abc(t)
	file := s.file("a.yml", "actions: {1: {action: open, filters: [{filtertype: none}]}}")
	_, _, _ = s.run(file)
	require.Equal(t, 10*time.Minute, s.opts.ConnectTimeout)
	_, _, _ = s.run("--dry-run", file)
	require.Equal(t, 30*time.Second, s.opts.ConnectTimeout)
	_, _, _ = s.cli("show_indices")
	require.Equal(t, 10*time.Second, s.opts.ConnectTimeout)
	_, _, _ = s.repos("show")
	require.Equal(t, 10*time.Second, s.opts.ConnectTimeout)
	s.env["ESNAP_CONNECT_TIMEOUT"] = "3m"
	_, _, _ = s.cli("show_indices")
	require.Equal(t, 3*time.Minute, s.opts.ConnectTimeout)
}

// TestTruthOfVariables: a dry run that is asked for in any of Curator's words is one,
// and one that is misspelt is no run.
func TestTruthOfVariables(t *testing.T) {
	for value, want := range map[string]int{"1": 0, "yes": 0, "TRUE": 0, "on": 0, "y": 0, "ture": 2} {
		for _, variable := range []string{"ESCLIENT_DRY_RUN", "ESNAP_DRY_RUN"} {
			if variable == "ESNAP_DRY_RUN" && (value == "y" || want == 2) {
				continue // esnap's own variable has its own words
			}
			s := abc(t)
			s.env[variable] = value
			code, out, errs := s.cli("delete_indices", "--filter_list", onA)
			require.Equal(t, want, code, out+errs)
			require.Empty(t, s.c.Writes(), "%s=%s", variable, value)
			code, out, errs = s.run(s.file("a.yml", "actions: {1: {action: delete_indices, filters: [{filtertype: none}]}}"))
			require.Equal(t, want, code, out+errs)
			require.Empty(t, s.c.Writes(), "%s=%s", variable, value)
			code, out, errs = s.repos("delete", "--name", "r", "--yes")
			require.Equal(t, want, code, out+errs)
			require.Empty(t, s.c.Writes(), "%s=%s", variable, value)
		}
	}
	s := abc(t)
	s.env["ESNAP_DRY_RUN"] = "ture"
	code, _, _ := s.cli("delete_indices", "--filter_list", onA)
	require.Equal(t, 1, code)
	require.Empty(t, s.c.Writes())
	s = abc(t)
	s.env["ESCLIENT_DRY_RUN"] = "no"
	code, _, _ = s.cli("delete_indices", "--filter_list", onA)
	require.Equal(t, 0, code)
	require.NotEmpty(t, s.c.Writes())
}

func TestHiddenOptions(t *testing.T) {
	s := abc(t)
	code, out, errs := s.cli("--opaque_id", "me", "--ssl_assert_fingerprint", "AA:BB", "--http_compress",
		"--skip_version_test", "--blacklist", "x", "--loglevel", "DEBUG", "show_indices")
	require.Equal(t, 0, code, out+errs)
	require.Equal(t, "me", s.opts.Header.Get("X-Opaque-Id"))
	require.Equal(t, "AA:BB", s.opts.Fingerprint)
	require.NotNil(t, s.opts.Trace, "the lines of the HTTP client are not on this blacklist")
	require.Contains(t, errs, "no effect")
	_, _, _ = s.cli("--loglevel", "DEBUG", "show_indices")
	require.Nil(t, s.opts.Trace)
	s.c = memory.New(memory.Elasticsearch("6.2.0"))
	s.c.AddIndices("a-1")
	_, _, errs = s.cli("close", "--filter_list", onA)
	require.Contains(t, errs, "outside what esnap is tested on")
	_, _, errs = s.cli("--skip_version_test", "open", "--filter_list", onA)
	require.Empty(t, errs)
}

func (s *shell) repos(args ...string) (code int, out, errs string) {
	s.t.Helper()
	return s.program(repoMgr, args...)
}

func TestRepoMgr(t *testing.T) {
	s := abc(t)
	five := []string{"--config", s.file("five.yml", "client: {hosts: one}\n")}
	code, out, _ := s.repos("show")
	require.Equal(t, 0, code)
	require.Equal(t, "r\n", out)
	code, out, errs := s.repos("--dry-run", "create", "fs", "--name", "new", "--location", "/backup")
	require.Equal(t, 0, code, out+errs)
	require.Empty(t, s.c.Writes(), "D10")
	require.Contains(t, out, "DRY-RUN: register repository new")
	require.NotContains(t, out, "created")
	code, out, errs = s.repos("--dry-run", "delete", "--name", "r")
	require.Equal(t, 0, code, out+errs)
	require.Empty(t, s.c.Writes(), "D10")
	require.Contains(t, out, "DRY-RUN: unregister repository r")
	require.NotContains(t, out+errs, "sure", "nothing to ask")
	require.NotContains(t, out, "deleted")
	code, out, errs = s.repos("create", "fs", "--name", "new", "--location", "/backup", "--max_snapshots", "7",
		"--no-compress", "--chunk_size", "1gb")
	require.Equal(t, 0, code, out+errs)
	op := s.c.CallsOf("RegisterRepository")[0].Request.(cluster.RegisterRepository)
	require.Equal(t, cluster.RegisterRepository{
		Name: "new",
		Type: "fs",
		Settings: map[string]any{"location": "/backup", "compress": false, "chunk_size": "1gb",
			"max_number_of_snapshots": int64(7), "max_restore_bytes_per_sec": "20mb", "max_snapshot_bytes_per_sec": "20mb"},
	}, op)
	code, _, errs = s.repos("create", "fs", "--name", "new", "--location", "/elsewhere")
	require.Equal(t, 1, code, "one that is there is not replaced (D10)")
	require.Contains(t, errs, "already exists")
	code, _, _ = s.repos("create", "fs", "--name", "new", "--location", "/elsewhere", "--force")
	require.Equal(t, 0, code)

	s.c.ForgetCalls()
	code, out, errs = s.repos(append(five, "create", "fs", "--repository", "old", "--location", "/b",
		"--compression", "False", "--skip_repo_fs_check", "True", "--max_restore_bytes_per_sec", "5mb")...)
	require.Equal(t, 0, code, out+errs)
	op = s.c.CallsOf("RegisterRepository")[0].Request.(cluster.RegisterRepository)
	require.Equal(t, map[string]any{
		"location":                   "/b",
		"compress":                   false,
		"max_restore_bytes_per_sec":  "5mb",
		"max_snapshot_bytes_per_sec": "20mb",
	}, op.Settings)
	require.False(t, op.Verify)
	_, _, _ = s.repos(append(five, "create", "s3", "--repository", "s", "--bucket", "b", "--region", "eu-west-1")...)
	op = s.c.CallsOf("RegisterRepository")[1].Request.(cluster.RegisterRepository)
	require.True(t, op.Verify, "Curator 5 verifies")
	require.Equal(t, "eu-west-1", op.Settings["region"])

	code, _, errs = s.repos("delete", "--name", "old")
	require.Equal(t, 1, code, "nobody said yes")
	require.Contains(t, errs, "Aborted!")
	code, _, _ = s.repos("delete", "--repository", "old", "--yes")
	require.Equal(t, 0, code)
	_, out, _ = s.repos("show")
	require.Equal(t, "new\nr\ns\n", out)
	code, _, errs = s.repos("delete", "--name", "nowhere", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "nowhere")

	code, out, _ = s.repos("info")
	require.Equal(t, 0, code)
	require.NoError(t, json.Unmarshal([]byte(out), &map[string]any{}))
	code, out, _ = s.repos("show-all-options")
	require.Equal(t, 0, code)
	require.Contains(t, out, "--opaque_id")
	for _, args := range [][]string{
		{"create", "fs", "--name", "x"},
		{"create", "fs", "--location", "/x"},
		{"create", "nfs"},
		{"delete"},
		{"nonsense"},
		{"create", "fs", "--name", "x", "--location", "/x", "--max_snapshots", "two"},
	} {
		code, out, errs := s.repos(args...)
		require.Equal(t, 2, code, "%v: %s", args, out+errs)
	}
}

// TestRepoMgrVariables: each option has a variable, named after all words of its command.
func TestRepoMgrVariables(t *testing.T) {
	s := abc(t)
	s.env = map[string]string{
		"ESCLIENT_CREATE_FS_NAME":     "r",
		"ESCLIENT_CREATE_FS_LOCATION": "/b",
		"ESCLIENT_CREATE_FS_VERIFY":   "yes",
		"ESCLIENT_FS_LOCATION":        "/no",
		"ESCLIENT_CREATE_FS_COMPRESS": "0",
	}
	code, _, errs := s.repos("create", "fs")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "already exists")
	s.env["ESCLIENT_CREATE_FS_FORCE"] = "1"
	code, out, errs := s.repos("create", "fs")
	require.Equal(t, 0, code, out+errs)
	op := s.c.CallsOf("RegisterRepository")[0].Request.(cluster.RegisterRepository)
	require.True(t, op.Verify)
	require.Equal(t, "/b", op.Settings["location"])
	require.Equal(t, false, op.Settings["compress"])
	for variable, value := range map[string]string{
		"ESCLIENT_CREATE_FS_VERIFY":             "ja",
		"ESCLIENT_CREATE_FS_FORCE":              "ja",
		"ESCLIENT_CREATE_FS_SKIP_REPO_FS_CHECK": "ja",
	} {
		s := abc(t)
		s.env = map[string]string{variable: value}
		code, _, errs := s.repos("create", "fs", "--name", "new", "--location", "/b")
		require.Equal(t, 2, code, errs)
		require.Contains(t, errs, "is not a valid boolean")
		require.Empty(t, s.c.Writes())
	}
	s = abc(t)
	s.env = map[string]string{"ESCLIENT_DELETE_YES": "true"}
	code, out, errs = s.repos("delete", "--name", "r")
	require.Equal(t, 0, code, out+errs)
	require.Len(t, s.c.CallsOf("UnregisterRepository"), 1)
}

func TestRepoMgrTypes(t *testing.T) {
	for kind, c := range map[string]struct {
		args []string
		want map[string]any
	}{
		"azure": {nil, map[string]any{"container": "elasticsearch-snapshots"}},
		"gcs":   {[]string{"--bucket", "b", "--base_path", "p"}, map[string]any{"bucket": "b", "base_path": "p"}},
		"s3": {
			[]string{"--bucket", "b", "--client", "c", "--storage_class", "standard_ia"},
			map[string]any{"bucket": "b", "client": "c", "storage_class": "standard_ia"},
		},
		"url":    {[]string{"--shared_filesystem_url", "file:///b"}, map[string]any{"url": "file:///b"}},
		"source": {[]string{"--delegate_type", "fs", "--location", "/b"}, map[string]any{"delegate_type": "fs", "location": "/b"}},
	} {
		t.Run(kind, func(t *testing.T) {
			s := newShell(t)
			code, out, errs := s.repos(append([]string{"create", kind, "--name", "n"}, c.args...)...)
			require.Equal(t, 0, code, out+errs)
			op := s.c.CallsOf("RegisterRepository")[0].Request.(cluster.RegisterRepository)
			require.Equal(t, kind, op.Type)
			require.Subset(t, op.Settings, c.want)
			require.False(t, op.Verify)
		})
	}
}

// TestC10S3WithoutThePlugin: the server's reason, on stdout.
func TestC10S3WithoutThePlugin(t *testing.T) {
	s := newShell(t)
	s.c.Fault = func(m string, _ []string) error {
		if m == "RegisterRepository" {
			return &cluster.Error{
				Op:     "register repository n",
				Kind:   cluster.ErrRepository,
				Status: 500,
				Causes: []cluster.Cause{{Type: "repository_exception", Reason: "[n] repository type [s3] does not exist"}},
			}
		}
		return nil
	}
	code, out, _ := s.repos("create", "s3", "--name", "n", "--bucket", "b")
	require.Equal(t, 1, code)
	require.Contains(t, out, "Repository exception: ")
}

// TestC03RepositoriesAlone: show prints nothing but names when the log goes elsewhere.
func TestC03RepositoriesAlone(t *testing.T) {
	s := abc(t)
	log := s.file("log", "")
	code, out, errs := s.repos("--logfile", log, "--loglevel", "DEBUG", "--blacklist", "none", "show")
	require.Equal(t, 0, code)
	require.Equal(t, "r\n", out)
	require.Empty(t, errs)
}

// TestD10AsDocumented: options that Curator's single actions and es_repo_mgr have, and
// pass over.
func TestD10AsDocumented(t *testing.T) {
	for name, c := range map[string]struct {
		program string
		args    []string
		seen    func(t *testing.T, s *shell)
	}{
		"alias with add alone": {cli, []string{"alias", "--name", "al", "--add", onA}, func(t *testing.T, s *shell) {
			require.Equal(t, []string{"al"}, s.index("a-1").Aliases)
		}},
		"alias with remove alone": {cli, []string{"alias", "--name", "old", "--remove", `{"filtertype":"none"}`}, func(t *testing.T, s *shell) {
			require.Empty(t, s.index("b-1").Aliases)
		}},
		"rollover to a new index": {
			cli,
			[]string{"rollover", "--name", "old", "--max_docs", "1", "--new_index", "b-next", "--wait_for_active_shards", "all"},
			func(t *testing.T, s *shell) {
				require.Contains(t, s.indices(), "b-next")
				require.Equal(t, "all", s.c.CallsOf("Rollover")[0].Request.(cluster.Rollover).WaitForActiveShards)
			},
		},
		"extra_settings of restore": {cli, []string{
			"--compat", "5", "restore", "--repository", "r", "--rename_pattern", "a", "--rename_replacement", "x",
			"--extra_settings", `{"index_settings":{"index.number_of_replicas":0}}`, "--filter_list", `{"filtertype":"none"}`,
		}, func(t *testing.T, s *shell) {
			op := s.c.CallsOf("RestoreSnapshot")[0].Request.(cluster.RestoreSnapshot)
			require.Contains(t, op.Extra, "index_settings")
		}},
		"alias with the options of index commands": {
			cli,
			[]string{"alias", "--name", "al", "--add", onA, "--allow_ilm_indices", "--include_hidden"},
			func(t *testing.T, s *shell) {
				require.Equal(t, []string{"al"}, s.index("a-1").Aliases)
			},
		},
		"compress of a url": {
			repoMgr,
			[]string{"create", "url", "--name", "n", "--shared_filesystem_url", "file:///b", "--no-compress"},
			func(t *testing.T, s *shell) {
				require.Equal(t, false, s.c.CallsOf("RegisterRepository")[0].Request.(cluster.RegisterRepository).Settings["compress"])
			},
		},
		"show_indices": {cli, []string{"show_indices", "--verbose"}, func(*testing.T, *shell) {}},
		"a dry run of create": {repoMgr, []string{"--dry-run", "create", "fs", "--name", "n", "--location", "/n"}, func(t *testing.T, s *shell) {
			require.Empty(t, s.c.Writes())
		}},
		"compression": {
			repoMgr,
			[]string{"--compat", "5", "create", "fs", "--repository", "n", "--location", "/n", "--compression", "false"},
			func(t *testing.T, s *shell) {
				require.Equal(t, false, s.c.CallsOf("RegisterRepository")[0].Request.(cluster.RegisterRepository).Settings["compress"])
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := abc(t)
			s.c.AddIndex(cluster.Index{Name: "b-1", Aliases: []string{"old"}})
			code, out, errs := s.program(c.program, c.args...)
			require.Equal(t, 0, code, out+errs)
			c.seen(t, s)
		})
	}
	s := abc(t)
	code, _, _ := s.repos("create", "fs", "--name", "r", "--location", "/elsewhere")
	require.Equal(t, 1, code, "a repository that is there is not overwritten")
	require.Empty(t, s.c.Writes())
}

// TestD17ShapesOfShrinkAndReindex: aliases of a shrunken index beside its settings; a
// list of fields, and parameters of a script, as they are written.
func TestD17ShapesOfShrinkAndReindex(t *testing.T) {
	for _, compat := range []string{"5", "8"} {
		s := newShell(t)
		s.c.AddIndex(cluster.Index{Name: "wide", Primaries: 4})
		code, out, errs := s.run("--compat", compat, s.file("a.yml", `
actions:
  1:
    action: shrink
    options:
      shrink_node: n1
      node_filters: {permit_masters: True}
      number_of_replicas: 0
      delete_after: False
      extra_settings: {settings: {index.codec: best_compression}, aliases: {narrow: {}}}
    filters: [{filtertype: none}]
  2:
    action: reindex
    options:
      request_body:
        source: {index: wide, _source: [a, b]}
        dest: {index: copy}
        script: {source: 'ctx._source.n += params.by', lang: painless, params: {by: 2}}
    filters: [{filtertype: none}]
`))
		require.Equal(t, 0, code, out+errs)
		op := s.c.CallsOf("ShrinkIndex")[0].Request.(cluster.ShrinkIndex)
		require.Equal(t, map[string]any{"narrow": map[string]any{}}, op.Aliases)
		require.Equal(t, "best_compression", op.Settings["index.codec"])
		require.Equal(t, []string{"narrow"}, s.index("wide-shrink").Aliases)
		body := s.c.CallsOf("Reindex")[0].Request.(cluster.Reindex).Body
		require.Equal(t, []any{"a", "b"}, body["source"].(map[string]any)["_source"])
		require.Equal(t, map[string]any{"by": int64(2)}, body["script"].(map[string]any)["params"])
	}
}

// TestD27PartialIsComparedAsText: the text false is not true.
func TestD27PartialIsComparedAsText(t *testing.T) {
	for partial, want := range map[string]int{"false": 0, "true": 1} {
		s := newShell(t)
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"a"}})
		s.c.AddIndex(cluster.Index{Name: "cold", Settings: map[string]string{
			"index.store.type": "snapshot", "index.store.snapshot.repository_name": "r", "index.store.snapshot.snapshot_name": "s",
			"index.store.snapshot.index_name": "a", "index.store.snapshot.partial": partial,
		}})
		code, out, errs := s.run(s.file("a.yml", "actions: {1: {action: cold2frozen, filters: [{filtertype: none}]}}"))
		require.Equal(t, want, code, out+errs)
	}
}

// TestC11ABlockStays: a shrink that is refused leaves the source's write block alone.
func TestC11ABlockStays(t *testing.T) {
	s := newShell(t)
	s.c.AddIndex(cluster.Index{Name: "wide", Primaries: 4, Settings: map[string]string{"index.blocks.write": "true"}})
	s.c.AddIndices("wide-shrink")
	code, _, _ := s.cli("shrink", "--number_of_replicas", "0", "--node_filters", `{"permit_masters":true}`,
		"--filter_list", `{"filtertype":"pattern","kind":"regex","value":"^wide$"}`)
	require.Equal(t, 1, code)
	require.Equal(t, "true", s.setting("wide", "index.blocks.write"))
	require.Empty(t, s.c.Writes())
}

// TestSecretOptionsArePrivate: no other program gets the variable of an option that is a secret,
// whoever runs it.
func TestSecretOptionsArePrivate(t *testing.T) {
	s, err := settings.Load(nil, func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	for _, o := range options {
		require.Equal(t, o.hides(), s.Private(variable(o.name)), o.name)
	}
}
