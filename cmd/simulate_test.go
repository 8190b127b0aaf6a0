package cmd

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/plan"
)

func TestSimulateCommand(t *testing.T) {
	k := newConsole(t)
	file := k.file(strings.Replace(nightFile, "cover: 400d", "cover: 60d", 1))
	code, out, errs := k.run("simulate", file, "--nights", "90", "--fail", "3,10-12,20=partial,30=missed")
	require.Equal(t, 0, code, out+errs)
	require.Empty(t, k.c.Calls(), "no cluster is asked")
	require.Contains(t, out, "snapshots end PARTIAL")
	require.Contains(t, out, "the job did not run")
	require.Contains(t, out, "90 indices of logs-%Y.%m.%d in 90 nights; ")
	require.Contains(t, out, "0 were lost too early")
	require.Contains(t, out, "nights in a row whose snapshots may fail without a loss: 31 or more")
	require.Contains(t, out, "and can be brought back for 60 days")

	lossy := k.file(strings.Replace(nightFile, "{filtertype: retain, cover: 400d}",
		"{filtertype: retain, daily: 3, weekly: 2, keep_last_copy: false}", 1))
	code, out, _ = k.run("simulate", lossy, "--nights", "60", "--require-days", "50")
	require.Equal(t, 1, code)
	require.Contains(t, out, "by action 2 (delete_snapshots)")
	code, out, _ = k.run("simulate", lossy, "--nights", "60", "--require-days", "50", "-o", "json")
	require.Equal(t, 1, code)
	var j struct {
		Lost []struct {
			Index  string `json:"index"`
			Until  string `json:"until"`
			LostBy string `json:"lost_by"`
		} `json:"lost"`
		Nights []map[string]any `json:"nights"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &j))
	require.Len(t, j.Nights, 60)
	require.NotEmpty(t, j.Lost[0].Until)
	code, out, _ = k.run("simulate", lossy, "--nights", "60", "-o", "csv")
	require.Equal(t, 0, code)
	require.Contains(t, out, "index,created,deleted,until,lost_by,lost_too_early\nlogs-2027.01.01,2027-01-01,2027-01-08,")

	k.c.AddIndices("app-2026.11.20", "app-2026.11.21", "logs-2026.11.21", ".system-2026.11.01")
	_, out, _ = k.run("simulate", file, "--nights", "9", "--like-cluster")
	require.Contains(t, out, "18 indices of logs-%Y.%m.%d, app-%Y.%m.%d in 9 nights")

	for _, args := range [][]string{
		{"--fail", "x"}, {"--fail", "0"}, {"--fail", "5-3"}, {"--fail", "500"}, {"--fail", "3=odd"},
		{"--at", "25:00"}, {"--nights", "0"}, {"--from", "soon"}, {"--index-timezone", "Mars"},
	} {
		code, _, errs := k.run(append([]string{"simulate", file}, args...)...)
		require.Equal(t, 2, code, args)
		require.NotEmpty(t, errs)
	}
	code, _, errs = k.run("simulate", k.file("actions: {1: {action: delete_snapshots, options: {repository: r}, "+
		"filters: [{filtertype: none}]}}"))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "nothing says which indices")
}

// The file of the example is simulated as it is.
func TestTakenNames(t *testing.T) {
	data, err := os.ReadFile("../examples/kubesphere/action_file.yml")
	require.NoError(t, err)
	p, err := plan.Parse("f", data, plan.Options{Env: func(string) (string, bool) { return "", false }})
	require.NoError(t, err)
	require.Equal(t, []string{
		"ks-logstash-log-%Y.%m.%d", "ks-logstash-events-%Y.%m.%d", "ks-logstash-auditing-%Y.%m.%d", "logstash-%Y.%m.%d",
	}, taken(p))
}

// TestSimulateAtTheTimeOfTheSchedule: the nights run when esnap serve would run the file.
func TestSimulateAtTheTimeOfTheSchedule(t *testing.T) {
	for keys, want := range map[string]string{
		"":                       "01:00",
		"schedule: 30 3 * * *\n": "03:30",
		"schedule: 30 3 * * *\ntimezone: Asia/Shanghai\n": "19:30",
	} {
		p, err := plan.Parse("night.yml", []byte(keys+deleteLogs), plan.Options{})
		require.NoError(t, err)
		so, err := (&simulateOptions{}).options(p)
		require.NoError(t, err)
		require.Equal(t, want, so.From.Format("15:04"), keys)
		o := &simulateOptions{}
		require.NoError(t, o.At.Set("05:05"))
		so, err = o.options(p)
		require.NoError(t, err)
		require.Equal(t, "05:05", so.From.Format("15:04"))
	}
}
