package examples

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// script runs a shell script in a folder, with programs in front of all others, and
// returns its exit code and what it wrote.
func script(t *testing.T, dir string, programs map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	bin := t.TempDir()
	for name, text := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text), 0o755))
	}
	c := exec.CommandContext(t.Context(), "sh", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestFollow: the log comes after the pod has started, and a Job that fails, or is
// deleted, ends the wait too.
func TestFollow(t *testing.T) {
	const started = "ContainerCreating\nImagePullBackOff\nrunning p1\n"
	for name, c := range map[string]struct {
		job, pods string // one line for each look, the last one for ever
		code      int
		log, says string
	}{
		"completes": {"Job \nJob \nJob \nJob SuccessCriteriaMet Complete \n", started, 0, "log of p1\n", "ImagePullBackOff"},
		"fails": {
			"Job \nJob \nJob \nJob FailureTarget \nJob FailureTarget Failed \n",
			started,
			1,
			"log of p1\n",
			"failed: too many pods",
		},
		"two tries": {
			"Job \nJob \nJob \nJob \nJob Complete \n",
			started + "running p1\nrunning p1 p2\n",
			0,
			"log of p1\nlog of p2\n",
			"completed",
		},
		"has ended before":       {"Job Complete \n", "running p1\n", 0, "log of p1\n", "completed"},
		"fails without a pod":    {"Job \nJob Failed \n", "\n", 1, "", "no pod yet"},
		"is deleted":             {"Job \nJob \nJob \n\n", started, 1, "log of p1\n", "there is no Job j1"},
		"the API server is away": {"Job \nJob \nJob \nerror\nJob \nJob Complete \n", started, 0, "log of p1\n", "completed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"job": c.job, "pods": c.pods} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			code, stdout, stderr := script(t, folder, map[string]string{
				"sleep": "",
				"kubectl": fmt.Sprintf(`
dir=%q
pop() { line=$(head -n 1 "$dir/$1"); [ "$(wc -l <"$dir/$1")" -le 1 ] || sed -i 1d "$dir/$1"; }
case "$*" in
*'get job j1 --ignore-not-found'*) pop job; [ "$line" != error ] || exit 1; [ -z "$line" ] || printf '%%s' "$line" ;;
*'get job j1 '*message*) echo too many pods ;;
*'get pods -l job-name=j1'*phase!=Pending*) head -n 1 "$dir/pods" | grep running | cut -d' ' -f2- | tr ' ' '\n' ;;
*'get pods -l job-name=j1'*waiting.reason*) pop pods; echo "$line" | grep -v running || true ;;
*'get pods -l job-name=j1'*'-o name') head -n 1 "$dir/pods" ;;
*'get pods -l job-name=j1'*) ;;
*'logs -f p'*)
  for last; do :; done
  head -n 1 "$dir/pods" | grep -q "running.*$last" || { echo unexpected ContainerCreating >&2; exit 1; }
  echo "log of $last" ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
`, dir),
			}, "follow.sh", "job.batch/j1")
			require.Equal(t, c.code, code, stderr)
			require.Contains(t, stderr, c.says)
			require.NotContains(t, stderr, "unexpected")
			require.Equal(t, c.log, stdout, stderr)
		})
	}
}

// TestFollowNothing: where `kubectl create` failed, follow.sh gets no name and does not
// wait.
func TestFollowNothing(t *testing.T) {
	for _, args := range [][]string{{"follow.sh"}, {"follow.sh", ""}} {
		code, _, stderr := script(t, folder, map[string]string{"kubectl": "echo unexpected >&2; exit 9"}, args...)
		require.Equal(t, 2, code)
		require.Contains(t, stderr, "no Job to follow")
		require.NotContains(t, stderr, "unexpected")
	}
}

// TestEsnapInTheCluster: any word gets into the Job as it is.
func TestEsnapInTheCluster(t *testing.T) {
	dir := t.TempDir()
	kubectl := fmt.Sprintf(`
case "$1" in
patch) for last; do :; done; printf '%%s\n' "$*" >%[1]q/patch; printf %%s "$last" >%[1]q/json ;;
create) cat >/dev/null; echo job.batch/j1 ;;
*) case "$*" in *'get pods'*) echo Running ;; *'get job'*) echo 'Job Complete ' ;; *logs*) ;; esac ;;
esac
`, dir)
	programs := map[string]string{"kubectl": kubectl, "sleep": ""}
	code, _, stderr := script(t, folder, programs, "esnap.sh", "curator_cli", "--x", `a "b" \d $HOME`, "it's")
	require.Zero(t, code, stderr)
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(data)
	}
	require.JSONEq(t, `[
		{"op": "replace", "path": "/metadata/generateName", "value": "esnap-curatorcli-"},
		{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["curator_cli", "--x", "a \"b\" \\d $HOME", "it's"]}
	]`, read("json"))
	require.Contains(t, read("patch"), "-f ././job.yaml ")

	code, _, stderr = script(t, folder, programs, "esnap.sh", "-f", "audit-cluster/job.yaml", "status")
	require.Zero(t, code, stderr)
	require.Contains(t, read("patch"), "-f audit-cluster/job.yaml ")

	for _, args := range [][]string{{"esnap.sh"}, {"esnap.sh", "-f"}, {"esnap.sh", "-f", "audit-cluster/job.yaml"}} {
		code, _, stderr = script(t, folder, programs, args...)
		require.Equal(t, 2, code)
		require.Contains(t, stderr, "usage")
	}
}

// TestDryRunInPullRequests: the exit code is that of the new file's dry run, and
// "nothing changes" is said only where both dry runs succeeded.
func TestDryRunInPullRequests(t *testing.T) {
	repo := t.TempDir()
	git := func(args ...string) {
		c := exec.CommandContext(t.Context(), "git",
			append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		c.Dir = repo
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	file := filepath.Join(repo, "night.yml")
	git("init", "-q", "-b", "main")
	require.NoError(t, os.WriteFile(file, []byte("old\n"), 0o600))
	git("add", ".")
	git("commit", "-qm", "old")
	require.NoError(t, os.WriteFile(file, []byte("new\n"), 0o600))
	tool, err := filepath.Abs("ci/dry-run.sh")
	require.NoError(t, err)
	const one = "echo delete_indices/a;"
	const nothing = "Nothing changes tonight"
	for name, c := range map[string]struct {
		old, new, base, file string
		code                 int
		want                 []string
		not                  string
	}{
		"the same":                 {old: one, new: one, want: []string{nothing + ": 1 items"}},
		"a difference":             {old: one, new: one + "echo delete_indices/b", want: []string{"+delete_indices/b"}, not: nothing},
		"unreachable":              {old: "exit 3", new: "exit 3", code: 3, want: []string{"exit code 3", "Cannot tell"}, not: nothing},
		"the new one fails":        {old: one, new: one + "exit 4", code: 4, want: []string{"exit code 4", "Cannot tell"}, not: nothing},
		"only the old one failed":  {old: "exit 2", new: one, want: []string{"exit code 2", "+delete_indices/a"}, not: nothing},
		"the old one failed, none": {old: "exit 1", new: "true", want: []string{"Cannot tell"}, not: nothing},
		"a new file":               {old: "exit 9", new: one, file: "other.yml", want: []string{"+delete_indices/a"}, not: nothing},
		"no such base":             {old: one, new: one, base: "origin/none", code: 2, want: []string{"fetch it"}, not: nothing},
	} {
		t.Run(name, func(t *testing.T) {
			base, target := c.base, c.file
			if base == "" {
				base = "main"
			}
			if target == "" {
				target = "night.yml"
			} else {
				require.NoError(t, os.WriteFile(filepath.Join(repo, target), []byte("new\n"), 0o600))
			}
			esnap := "for f; do :; done\nif grep -q old \"$f\"; then " + c.old + "\nelse " + c.new + "\nfi\n"
			code, stdout, stderr := script(t, repo, map[string]string{"esnap": esnap}, tool, base, target)
			require.Equal(t, c.code, code, stderr)
			for _, want := range c.want {
				require.Contains(t, stdout+stderr, want)
			}
			if c.not != "" {
				require.NotContains(t, strings.ToLower(stdout+stderr), strings.ToLower(c.not))
			}
		})
	}
}

// TestShellcheck: where shellcheck is installed, it finds nothing in the scripts.
func TestShellcheck(t *testing.T) {
	scripts, err := filepath.Glob("*/*.sh")
	require.NoError(t, err)
	require.Greater(t, len(scripts), 5)
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Log("shellcheck is not installed: the scripts are not checked")
		return
	}
	args := append([]string{"-x", "-P", "SCRIPTDIR", "-e", "SC2018"}, scripts...) // a-z are the letters of names in Kubernetes
	out, err := exec.CommandContext(t.Context(), shellcheck, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
