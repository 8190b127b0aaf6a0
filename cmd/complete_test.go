package cmd

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
)

func TestCompletion(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("logs-1", "logs-2", "other", hostile)
	k.c.AddSnapshot("nightly", cluster.Snapshot{Name: "s-1", Indices: []string{"stored-1"}})
	k.c.AddSnapshot("weekly", cluster.Snapshot{Name: "s-2", Indices: []string{"stored-2"}})
	const none = ":4" // and no files
	for line, want := range map[string]string{
		"index show |":                       "logs-1 logs-2 other " + none,
		"index show logs|":                   "logs-1 logs-2 " + none,
		"index show logs-1 |":                none,
		"indices delete logs-1 |":            "logs-2 other " + none,
		"mark l|":                            "logs-1 logs-2 " + none,
		"restore |":                          "stored-1 stored-2 " + none,
		"restore --repository weekly |":      "stored-2 " + none,
		"restore --repository |":             "nightly weekly " + none,
		"restore --snapshot |":               "s-1 s-2 " + none,
		"restore --on-conflict |":            "fail skip rename overwrite " + none,
		"snapshot create |":                  "nightly weekly " + none,
		"snapshot create nightly o|":         "other " + none,
		"snapshot create --once-per |":       "hour day week month " + none,
		"snapshot show |":                    "nightly weekly " + none,
		"snapshot show s|":                   "s-1 s-2 " + none,
		"snapshot show nightly |":            "s-1 " + none,
		"snapshot show nightly s-1 |":        none,
		"snapshot delete weekly |":           "s-2 " + none,
		"snapshot list n|":                   "nightly " + none,
		"snapshot list --state |":            "SUCCESS PARTIAL FAILED IN_PROGRESS " + none,
		"snapshot list --holding |":          "stored-1 stored-2 " + none,
		"snapshot list -o |":                 "table wide name json yaml " + none,
		"snapshot list --prefix |":           none,
		"repository verify nightly |":        "weekly " + none,
		"repo unregister |":                  "nightly weekly " + none,
		"repository register new s|":         "s3 source " + none,
		"repository register new fs locati|": "location= :6",
		"drill --state |":                    ":0", // a file
		"simulate -o |":                      "table wide json csv " + none,
		"version -o |":                       "text json " + none,
		"status |":                           none,
		"status --log-level |":               "debug info warning error " + none,
		"run |":                              "yml yaml :8",
		"run --guards |":                     "on off " + none,
		"--log-format |":                     "text json " + none,
		"--ca-file |":                        ":0",
		"config init |":                      ":0",
		"help sn|":                           "snapshot " + none,
		"help snapshot d|":                   "delete " + none,
		"sna|":                               "snapshot " + none,
		"completion |":                       "bash fish powershell zsh " + none,
	} {
		words := strings.Split(strings.TrimSuffix(line, "|"), " ")
		last := words[len(words)-1]
		code, out, errs := k.run(append([]string{"__completeNoDesc"}, words...)...)
		require.Zero(t, code, line)
		require.Equal(t, want, completions(out, last), line)
		require.Equal(t, "Completion ended with directive: ", errs[:min(len(errs), 33)], line)
		require.Equal(t, 1, strings.Count(errs, "\n"), line)
	}
	require.Empty(t, k.c.Writes())
}

// TestCompletionOfDays: families of what snapshots contain, and time zones.
func TestCompletionOfDays(t *testing.T) {
	k := newConsole(t)
	k.c.AddIndices("only-live-2026.11.01")
	k.c.AddSnapshot("nightly", cluster.Snapshot{Name: "s-1", Indices: []string{
		"ks-log-2026.11.01", "ks-log-2026.11.02", "audit_2026-11", "undated", hostile,
	}})
	k.c.AddSnapshot("weekly", cluster.Snapshot{Name: "s-2", Indices: []string{"ks-log-2026.11.01", "week-2026.11.01"}})
	const none = ":4"
	for line, want := range map[string]string{
		"restore --family |":                     "audit ks-log week " + none,
		"restore --family k|":                    "ks-log " + none,
		"restore --repository weekly --family |": "ks-log week " + none,
		"restore --timezone Asia/S|":             "Asia/Shanghai " + none,
		"simulate f --index-timezone Europe/B|":  "Europe/Berlin " + none,
	} {
		words := strings.Split(strings.TrimSuffix(line, "|"), " ")
		code, out, _ := k.run(append([]string{"__completeNoDesc"}, words...)...)
		require.Zero(t, code, line)
		require.Equal(t, want, completions(out, words[len(words)-1]), line)
	}
	for _, name := range zones {
		require.NoError(t, new(zone).Set(name), name)
	}
}

// completions are what a shell keeps of a reply: what begins with the word.
func completions(out, word string) string {
	var kept []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		if strings.HasPrefix(line, word) || strings.HasPrefix(line, ":") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " ")
}

// TestCompletionIsSilent: whatever goes wrong, nothing is printed.
func TestCompletionIsSilent(t *testing.T) {
	for name, spoil := range map[string]func(k *console){
		"the cluster":  func(k *console) { k.c.Fault = func(string, []string) error { return cluster.ErrUnreachable } },
		"the settings": func(k *console) { k.env["ESNAP_TIMEOUT"] = "soon" },
		"the file":     func(k *console) { k.env["ESNAP_CONFIG"] = "/nowhere.yml" },
		"a variable":   func(k *console) { k.env["ESNAP_DRYRUN"] = "1" },
		"a log that talks": func(k *console) {
			k.env["ESNAP_LOG_LEVEL"], k.env["ESNAP_INSECURE"] = "debug", "true"
			k.c = memory.New()
		},
	} {
		k := newConsole(t)
		k.tty = true
		k.c.AddIndices("logs-1")
		spoil(k)
		_, out, errs := k.run("__complete", "index", "delete", "")
		require.Equal(t, ":4\n", out, name)
		require.Equal(t, "Completion ended with directive: ShellCompDirectiveNoFileComp\n", errs, name)
	}
}

// TestCompletionWaitsTwoSeconds for a cluster that does not answer.
func TestCompletionWaitsTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newConsole(t)
		k.c.Fault = func(string, []string) error { return memory.ErrHang }
		start := time.Now()
		code, out, _ := k.run("__complete", "snapshot", "show", "")
		require.Zero(t, code)
		require.Equal(t, ":4\n", out)
		require.Equal(t, 2*time.Second, time.Since(start))
		synctest.Wait()
		require.Equal(t, 2*time.Second, k.connected.Timeout)
		require.Equal(t, 2*time.Second, k.connected.ConnectTimeout)
	})
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		k := newConsole(t)
		code, out, errs := k.run("completion", shell)
		require.Zero(t, code, errs)
		require.Contains(t, out, "__complete")
	}
}
