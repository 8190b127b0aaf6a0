package cmd

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/report"
)

const deletePrefix = "actions: {1: {action: delete_indices, options: {ignore_empty_list: true}, " +
	"filters: [{filtertype: pattern, kind: prefix, value: PREFIX-}]}}\n"

func indicesIn(t *testing.T, c cluster.Cluster) []string {
	t.Helper()
	list, err := c.Indices(t.Context())
	require.NoError(t, err)
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

func inFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, prefix := range files {
		save(t, filepath.Join(dir, name), strings.Replace(deletePrefix, "PREFIX", prefix, 1))
	}
	return dir
}

// TestRunFolder: its files in the order of their names, one report, the worst exit code.
func TestRunFolder(t *testing.T) {
	dir := inFolder(t, map[string]string{"20-b.yml": "b", "10-a.yaml": "a", ".c.yml": "c", "c.yml.bak": "c", "readme.md": "c"})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub.yml"), 0o700))
	k := newConsole(t)
	k.c.AddIndices("a-1", "b-1", "c-1")
	code, out, errs := k.run("run", dir, "-o", "json")
	require.Zero(t, code, errs)
	var all report.Several
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all.Files, 2)
	require.Equal(t, []string{filepath.Join(dir, "10-a.yaml"), filepath.Join(dir, "20-b.yml")}, []string{all.Files[0].File, all.Files[1].File})
	require.Equal(t, []string{"c-1"}, indicesIn(t, k.c))

	k = newConsole(t)
	k.c.AddIndices("a-1", "b-1")
	k.c.Fault = func(op string, names []string) error {
		if op == "DeleteIndices" && names[0] == "a-1" {
			return &cluster.Error{Op: "delete", Kind: cluster.ErrForbidden, Status: 403}
		}
		return nil
	}
	code, out, _ = k.run("run", dir)
	require.Equal(t, 1, code)
	require.Contains(t, out, "NOT  "+filepath.Join(dir, "10-a.yaml")+": exit code 1\nok   "+filepath.Join(dir, "20-b.yml")+
		": exit code 0\n2 files in ")
	require.Equal(t, []string{"a-1"}, indicesIn(t, k.c), "one that fails does not keep the next from running")

	code, out, _ = k.run("run", "-n", "-o", "name", dir)
	require.Zero(t, code)
	require.Equal(t, filepath.Join(dir, "10-a.yaml")+"/delete_indices/a-1\n", out)
}

// TestRunSeveralIsAllOrNothing: if one file is invalid, none is run.
func TestRunSeveralIsAllOrNothing(t *testing.T) {
	dir := inFolder(t, map[string]string{"a.yml": "a", "b.yml": "b"})
	other := inFolder(t, map[string]string{"a.yml": "a"})
	bad, worse := filepath.Join(t.TempDir(), "bad.yml"), filepath.Join(t.TempDir(), "worse.yml")
	save(t, bad, "actions: {1: {action: delete_indexes}}\n")
	save(t, worse, "nonsense: 1\n")
	hooked := filepath.Join(t.TempDir(), "hooked.yml")
	save(t, hooked, "hooks: {before: [true]}\n"+strings.Replace(deletePrefix, "PREFIX", "x", 1))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{dir, bad}, "delete_indices"},
		{[]string{dir, hooked}, "has hooks, which run programs"},
		{[]string{bad, dir, worse}, "2 of 4 files cannot be used"},
		{[]string{dir, filepath.Join(dir, "a.yml")}, "is given twice"},
		{[]string{dir, other}, "are both the job"},
		{[]string{dir, "/does/not/exist.yml"}, "no such file"},
		{[]string{t.TempDir()}, "contains no action file"},
		{[]string{"--only", "1", dir}, "choose actions of one file"},
	} {
		k := newConsole(t)
		k.c.AddIndices("a-1", "b-1")
		code, out, errs := k.run(append([]string{"run"}, c.args...)...)
		require.Equal(t, 2, code, "%v: %s", c.args, errs)
		require.Contains(t, errs, c.want, "%v", c.args)
		require.Empty(t, out)
		require.Nil(t, k.connected, "nothing is sent")
	}
}

// TestInvalidFilesAreTold: also one of several is a run that failed.
func TestInvalidFilesAreTold(t *testing.T) {
	k := newConsole(t)
	dir := inFolder(t, map[string]string{"a.yml": "a"})
	folder := t.TempDir()
	config := filepath.Join(t.TempDir(), "client.yml")
	save(t, config, "cluster: {url: 'http://es:9200'}\nmetrics: {textfile: "+folder+"}\n")
	save(t, filepath.Join(dir, "bad.yml"), "actions: {1: {action: delete_indexes}}\n")
	code, _, errs := k.run("--config", config, "run", dir)
	require.Equal(t, 2, code)
	require.Equal(t, 1, strings.Count(errs, "delete_indexes"), errs)
	text, err := os.ReadFile(filepath.Join(folder, "esnap_bad.yml.prom"))
	require.NoError(t, err)
	require.Contains(t, string(text), `esnap_last_run_status{policy="bad.yml"} 2`)
	text, err = os.ReadFile(filepath.Join(folder, "esnap_a.yml.prom"))
	require.NoError(t, err, "it was not run, and who waits for it hears that")
	require.Contains(t, string(text), `esnap_last_run_status{policy="a.yml"} 2`)
	require.Nil(t, k.connected, "nothing is sent")
}

// TestRefusedRunsAreTold: also a run whose settings are wrong.
func TestRefusedRunsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		told string // the metric's file; empty: nobody hears of it
		want string
	}{
		"a bad time": {
			args: []string{"run", "FILE"},
			env:  map[string]string{"ESNAP_TIMEOUT": "ten"},
			told: "esnap_a.yml.prom",
			want: "ten",
		},
		"a bad variable": {
			args: []string{"run", "FILE"},
			env:  map[string]string{"ESNAP_LOCK": "always"},
			told: "esnap_a.yml.prom",
			want: "lock",
		},
		"no password file": {
			args: []string{"run", "FILE"},
			env:  map[string]string{"ESNAP_PASSWORD_FILE": "/none"},
			told: "esnap_a.yml.prom",
			want: "password-file (from environment ESNAP_PASSWORD_FILE) names: no such file",
		},
		"no client file": {args: []string{"run", "FILE", "--config", "/none.yml"}, told: "esnap_a.yml.prom", want: "/none.yml"},
		"a log that cannot be opened": {
			args: []string{"run", "FILE"}, env: map[string]string{"ESNAP_LOG_FILE": "/none/at/all"}, told: "esnap_a.yml.prom", want: "/none/at/all"},
		"a folder": {args: []string{"run", "DIR"}, env: map[string]string{"ESNAP_LOCK": "always"}, told: "esnap_a.yml.prom", want: "lock"},
		"standard input": {args: []string{"run", "-"}, env: map[string]string{"ESNAP_LOCK": "always", "ESNAP_CONFIG": "CLIENT"},
			told: "esnap_standard_input.prom", want: "lock"},
		"an empty folder": {args: []string{"run", "EMPTY", "FILE"}, told: "esnap_a.yml.prom", want: "contains no action file"},
		"a dry run":       {args: []string{"run", "FILE", "-n"}, env: map[string]string{"ESNAP_TIMEOUT": "ten"}, want: "ten"},
		"no variables": {args: []string{"run", "--from-env"}, env: map[string]string{"ESNAP_CONFIG": "CLIENT"}, told: "esnap_environment.prom",
			want: "repository"},
		"Curator's command line": {
			args: []string{"curator", "FILE"},
			env:  map[string]string{"ESNAP_TIMEOUT": "ten"},
			told: "esnap_a.yml.prom",
			want: "ten",
		},
		"its dry run": {args: []string{"curator", "FILE", "--dry-run"}, env: map[string]string{"ESNAP_TIMEOUT": "ten"}, want: "ten"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			dir := inFolder(t, map[string]string{"a.yml": "a"})
			file, config, folder := filepath.Join(dir, "a.yml"), filepath.Join(t.TempDir(), "client.yml"), t.TempDir()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			save(t, file, "metrics: {textfile: "+folder+"}\n"+string(data))
			save(t, config, "cluster: {url: 'http://es:9200'}\nmetrics: {textfile: "+folder+"}\n")
			fill := strings.NewReplacer("FILE", file, "EMPTY", t.TempDir(), "CLIENT", config, "DIR", dir)
			var args []string
			for _, a := range c.args {
				args = append(args, fill.Replace(a))
			}
			for name, v := range c.env {
				k.env[name] = fill.Replace(v)
			}
			code, out, errs := k.run(args...)
			require.NotZero(t, code)
			require.Equal(t, 1, strings.Count(out+errs, c.want), out+errs)
			require.Nil(t, k.connected, "nothing is sent")
			files, err := os.ReadDir(folder)
			require.NoError(t, err)
			if c.told == "" {
				require.Empty(t, files)
				return
			}
			text, err := os.ReadFile(filepath.Join(folder, c.told))
			require.NoError(t, err, files)
			require.Regexp(t, `esnap_last_run_status\{policy="[a-z. ]+"\} [12]`, string(text))
		})
	}
}

// webhook is a server that keeps the bodies it gets.
func webhook(t *testing.T) (*httptest.Server, *buffer) {
	t.Helper()
	got := &buffer{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = got.Write(body)
	}))
	t.Cleanup(server.Close)
	return server, got
}

// TestAWrongClientFileIsToldWithoutItsText: the text may be a part of a secret.
func TestAWrongClientFileIsToldWithoutItsText(t *testing.T) {
	hook, got := webhook(t)
	for _, password := range []string{"!hunter2secret", "pa${hunter2secret}", "*hunter2secret", "[hunter2secret"} {
		for _, command := range []string{"run", "curator", "drill"} {
			k := newConsole(t)
			k.env["ESNAP_CONFIG"] = k.file("cluster: {url: 'http://es:9200', username: u, password: " + password + "}\n")
			file := k.file("notify: {webhooks: [{url: '" + hook.URL + "', body: '{\"t\": \"${text} ${error} ${hint} ${report}\"}'}]}\n" +
				deletePrefix)
			code, _, _ := k.run(command, file)
			require.NotZero(t, code)
			require.Contains(t, got.String(), "the client file is not valid", "%s %s", command, password)
			require.NotContains(t, got.String(), "hunter2", "%s %s", command, password)
		}
	}
}

// TestAnInvalidFileBesideAValidOne: nothing is run, and those who wait for the valid file hear
// that it was not run.
func TestAnInvalidFileBesideAValidOne(t *testing.T) {
	hook, got := webhook(t)
	k := newConsole(t)
	k.c.AddIndices("logs-1")
	dir := t.TempDir()
	save(t, filepath.Join(dir, "1.yml"),
		"name: nightly\nnotify: {webhooks: [{url: '"+hook.URL+"', body: '{\"t\": \"${text}\"}'}]}\n"+deletePrefix)
	save(t, filepath.Join(dir, "2.yml"), "actions: [\n")
	code, _, errs := k.run("run", dir)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "2.yml")
	require.Contains(t, got.String(), "nightly failed")
	require.Contains(t, got.String(), "nothing was run: another file of this run is not valid")
	require.Empty(t, k.written())
}

// TestRunFolderOfOne is one report in the form of several.
func TestRunFolderOfOne(t *testing.T) {
	dir := inFolder(t, map[string]string{"a.yml": "a"})
	k := newConsole(t)
	code, out, _ := k.run("run", dir, "-o", "json")
	require.Zero(t, code)
	require.Contains(t, out, `"files": [`)
}

// TestHooks: what runs when, with which environment, and what it changes.
func TestHooks(t *testing.T) {
	for name, c := range map[string]struct {
		hooks   string
		args    []string
		fail    bool // the action
		code    int
		ran     string // what the hooks wrote
		deleted bool
		shown   []string // in the report or on stderr
	}{
		"all well": {
			hooks: "before: [sh, -c, 'echo b $ESNAP_HOOK $ESNAP_JOB:$ESNAP_EXIT_CODE:$ESNAP_API_KEY >>LOG'], " +
				"after: [sh, -c, 'echo a $ESNAP_EXIT_CODE >>LOG'], on_error: [sh, -c, 'echo e >>LOG']",
			ran:     "b before action.yml::\na 0\n",
			deleted: true,
			shown:   []string{"hook before: sh  done", "hook after: sh  done"},
		},
		"the action fails": {
			hooks: "after: [sh, -c, 'echo a $ESNAP_EXIT_CODE >>LOG'], on_error: [sh, -c, 'echo e $ESNAP_EXIT_CODE >>LOG']",
			fail:  true,
			code:  1,
			ran:   "e 1\na 1\n",
		},
		"before fails": {
			hooks: "before: [sh, -c, 'echo why it failed; exit 9'], after: [sh, -c, 'echo a >>LOG'], on_error: [sh, -c, 'echo e >>LOG']",
			code:  1,
			ran:   "e\na\n",
			shown: []string{"the hook before (sh) ended with exit code 9", "why it failed"},
		},
		"no such program":   {hooks: "before: [esnap-no-such-program]", code: 1, shown: []string{"cannot start esnap-no-such-program"}},
		"it takes too long": {hooks: "before: [sleep, '60'], timeout: 1s", code: 1, shown: []string{"it did not end within 1s"}},
		"so, and it says 0": {
			hooks: "before: [sh, -c, 'trap \"exit 0\" TERM; sleep 60 & wait'], timeout: 1s",
			code:  1,
			shown: []string{"it did not end within 1s"},
		},
		"after fails": {
			hooks:   "after: ['false']",
			deleted: true,
			shown:   []string{"warning: the hook after (false) ended with exit code 1"},
		},
		"a dry run": {
			hooks: "before: [sh, -c, 'echo b >>LOG'], after: [sh, -c, 'echo a >>LOG'], on_error: [sh, -c, 'echo e >>LOG']",
			args:  []string{"-n"},
			shown: []string{"hook before: would run sh", "hook after: would run sh"},
		},
		"not allowed": {
			hooks: "before: [sh, -c, 'echo b >>LOG']",
			args:  []string{"--allow-hooks=false"},
			code:  2,
			shown: []string{"has hooks", "--allow-hooks"},
		},
		"a shell is wanted": {hooks: "before: echo b >>LOG", code: 2, shown: []string{"expected a list"}},
		"nothing to run":    {hooks: "before: []", code: 2, shown: []string{"expected a program and its arguments"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddIndices("a-1")
			k.env["ESNAP_API_KEY"], k.env["PATH"] = "geheim-geheim", os.Getenv("PATH")
			if c.fail {
				k.c.Fault = func(op string, _ []string) error {
					if op == "DeleteIndices" {
						return &cluster.Error{Op: "delete", Kind: cluster.ErrForbidden, Status: 403}
					}
					return nil
				}
			}
			log := filepath.Join(t.TempDir(), "log")
			file := k.file(strings.Replace(deletePrefix, "PREFIX", "a", 1) + "hooks: {" + strings.ReplaceAll(c.hooks, "LOG", log) + "}\n")
			code, out, errs := k.run(append([]string{"run", "--allow-hooks", file}, c.args...)...)
			require.Equal(t, c.code, code, out+errs)
			ran, _ := os.ReadFile(log)
			require.Equal(t, c.ran, string(ran))
			require.Equal(t, c.deleted, len(indicesIn(t, k.c)) == 0)
			for _, want := range c.shown {
				require.Contains(t, out+errs, want)
			}
			require.NotContains(t, out+errs, "geheim")
		})
	}
}

// TestHooksOfFilesThatDoNotBegin: when the run of a folder is told to end, no program of a
// later file is started.
func TestHooksOfFilesThatDoNotBegin(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	hooks := func(before string) string {
		return strings.Replace(deletePrefix, "PREFIX", "a", 1) + "hooks: {before: [" + before + "], after: [sh, -c, 'echo a >>" + log +
			"'], on_error: [sh, -c, 'echo e >>" + log + "']}\n"
	}
	later := hooks("sh, -c, 'echo b >>" + log + "'")
	dir := inFolder(t, map[string]string{"1.yml": "a", "2.yml": "a", "3.yml": "a", "4.yml": "a"})
	save(t, filepath.Join(dir, "1.yml"), hooks("sleep, '60'"))
	for _, name := range []string{"2.yml", "3.yml", "4.yml"} {
		save(t, filepath.Join(dir, name), later)
	}
	k := newConsole(t)
	k.c.AddIndices("a-1")
	k.env["PATH"] = os.Getenv("PATH")
	code, out, errs := k.run("run", "--allow-hooks", "--deadline", "1s", dir)
	require.Equal(t, 1, code, "the deadline is no fault of the cluster: %s%s", out, errs)
	require.Equal(t, 3, strings.Count(errs, "stage=connect"), errs)
	ran, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "e\na\n", string(ran), "of the first file only")
	require.Len(t, indicesIn(t, k.c), 1)
}

func TestValidateShowsTheNextTimes(t *testing.T) {
	k := newConsole(t)
	file := k.file(strings.Replace(deletePrefix, "PREFIX", "a", 1) + "schedule: 0 1 * * *\ntimezone: Asia/Shanghai\njitter: 10m\n")
	code, out, _ := k.run("validate", file)
	require.Zero(t, code)
	require.True(t, strings.HasSuffix(out, `
  next run 2026-11-21 17:00:00Z  2026-11-22 01:00:00 Asia/Shanghai
  next run 2026-11-22 17:00:00Z  2026-11-23 01:00:00 Asia/Shanghai
  next run 2026-11-23 17:00:00Z  2026-11-24 01:00:00 Asia/Shanghai
  each put off by less than 10m
`), out)
	for keys, want := range map[string]string{
		"schedule: 0 25 * * *":                         "schedule: the schedule",
		"schedule: '@every 10m'\njitter: 10m":          "must be shorter",
		"schedule: 0 1 * * *\ntimezone: Mars":          "unknown time zone",
		"schedule: 0 1 * * *\nstarting_deadline: soon": "starting_deadline",
		"schedule: @daily":                             "must be in quotes",
		"schedul: 0 1 * * *":                           "did you mean schedule",
	} {
		code, _, errs := k.run("validate", k.file(strings.Replace(deletePrefix, "PREFIX", "a", 1)+keys+"\n"))
		require.Equal(t, 2, code)
		require.Contains(t, errs, want, keys)
	}
	code, _, errs := k.run("validate", k.file(strings.Replace(deletePrefix, "PREFIX", "a", 1)+"timezone: Europe/Berlin\n"))
	require.Zero(t, code)
	require.Contains(t, errs, "timezone is that of a schedule, and the file has none")
}
