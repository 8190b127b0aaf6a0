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
	require.Contains(t, out, "index,created,deleted,until,lost_by,lost_too_early,only_in_cluster\nlogs-2027.01.01,2027-01-01,2027-01-08,")

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

// TestSimulateFaults: a file whose runs fail, or that takes no snapshot, does not pass. What is
// too new to be selected or saved is not a fault.
func TestSimulateFaults(t *testing.T) {
	const allowed = "nights in a row that the job may miss without a loss: "
	typo := strings.Replace(nightFile, "once_per: day}\n    filters: [{filtertype: pattern, kind: prefix, value: logs-}]",
		"once_per: day}\n    filters: [{filtertype: pattern, kind: prefix, value: logz-}]", 1)
	strict := strings.Replace(nightFile, "ignore_empty_list: true, require_snapshot", "require_snapshot", 1)
	often := strings.Replace(nightFile, "ignore_empty_list: true}\n    filters: [{filtertype: retain, cover: 400d}]",
		"max_items: 9}\n    filters: [{filtertype: retain, cover: 10d}]", 1)
	require.NotEqual(t, nightFile, typo)
	require.NotEqual(t, nightFile, strict)
	failed := func(nights, first string) string {
		return "the run failed in " + nights + "; first in night " + first + ": nothing is selected: none of the "
	}
	for name, test := range map[string]struct {
		file, args string
		code       int
		start      string // of what is printed; empty: the table
		contains   string
		survives   bool // that it says for how many nights the job may be missed
	}{
		"a typo in the snapshot's prefix": {typo, "--index logs-%Y.%m.%d", 1, failed("40 of 40 nights", "1 (2027-01-01)"),
			"; 0 can be brought back at the end, 40 exist only in the cluster, 0 could be", false},
		"a name without a date": {nightFile, "--index nodate", 1, failed("40 of 40 nights", "1 (2027-01-01)"),
			"; 0 can be brought back at the end, 1 exist only in the cluster, 0 could be", false},
		"a name in capitals": {nightFile, "--index LOGS-%Y.%m.%d", 1, failed("40 of 40 nights", "1 (2027-01-01)"),
			"40 exist only in the cluster", false},
		"a typo, and nothing selected is allowed": {strings.Replace(typo, "once_per: day", "ignore_empty_list: true", 1),
			"--index logs-%Y.%m.%d", 1, "the file took no snapshot in 40 nights\n", "as the file takes no snapshot", false},
		"the snapshot is disabled": {strings.Replace(nightFile, "once_per: day", "disable_action: true", 1), "", 1,
			"the file took no snapshot in 40 nights\n", "as the file takes no snapshot", false},
		"a night that fails after others that did not": {often, "", 1,
			"the run failed in 6 of 40 nights; first in night 9 (2027-01-09): nothing",
			"warning: the run failed in 1 night because nothing was selected yet\n", false},
		"a night that fails, besides those that were asked for": {often, "--fail 20-22", 1,
			"the run failed in ", "snapshots end FAILED", false},
		"a good file": {nightFile, "", 0, "",
			"; 38 can be brought back at the end, 2 exist only in the cluster, 0 could be", true},
		"a good file in one night":    {nightFile, "--nights 1", 0, "", "; 0 can be brought back at the end, 1 exist only in the cluster", true},
		"all snapshots fail as asked": {nightFile, "--fail 1-40", 0, "", "; 0 can be brought back at the end, 40 exist only", true},
		"all nights missed as asked":  {nightFile, "--fail 1-40=missed", 0, "", "; 0 can be brought back at the end, 40 exist only", true},
		"nothing to delete in the first nights": {strict, "", 0, "",
			"warning: the run failed in 7 nights because nothing was selected yet\n", true},
		"nothing to delete in all nights": {strict, "--nights 5", 0, "",
			"warning: the run failed in 5 nights because nothing was selected yet\n", true},
		"a second family that the file does not take": {nightFile, "--index logs-%Y.%m.%d,app-%Y.%m.%d", 0, "",
			"warning: no snapshot contains a complete copy of any index of app-%Y.%m.%d\n", true},
		"a repository that only require_snapshot names": {strings.Replace(nightFile, "[backups]", "[backups, other]", 1), "", 0, "",
			"; 38 can be brought back at the end, 2 exist only in the cluster", true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			args := append([]string{"simulate", k.file(test.file), "--nights", "40"}, strings.Fields(test.args)...)
			code, out, errs := k.run(args...)
			require.Equal(t, test.code, code, out+errs)
			if test.start == "" {
				test.start = "NIGHT "
			}
			require.True(t, strings.HasPrefix(out, test.start), out)
			require.Contains(t, out, test.contains)
			require.Contains(t, out, allowed)
			require.Equal(t, test.survives, !strings.Contains(out, allowed+"none"), out)
		})
	}
}

// TestSimulateFaultsElsewhere: as JSON they have fields, and with CSV they are on stderr.
func TestSimulateFaultsElsewhere(t *testing.T) {
	k := newConsole(t)
	for name, test := range map[string]struct {
		index  string
		code   int
		failed float64
	}{
		"failing": {"nodate", 1, 31}, "good": {"logs-%Y.%m.%d", 0, 0},
	} {
		args := []string{"simulate", k.file(nightFile), "--nights", "31", "--index", test.index}
		code, out, errs := k.run(append(args, "-o", "json")...)
		require.Equal(t, test.code, code, name)
		require.Empty(t, errs)
		var j map[string]any
		require.NoError(t, json.Unmarshal([]byte(out), &j))
		require.Equal(t, test.failed, j["failed_nights"])
		require.Equal(t, test.code == 1, j["no_snapshot"])
		for _, key := range []string{"survives_failed_nights", "survives_missed_nights", "survives_tried_after_nights"} {
			if _, given := j[key]; given == (test.code == 1) {
				t.Errorf("%s: %s: %v", name, key, j[key])
			}
		}
		code, out, errs = k.run(append(args, "-o", "csv")...)
		require.Equal(t, test.code, code, name)
		require.True(t, strings.HasPrefix(out, "index,"), out)
		said := strings.HasPrefix(errs, "esnap: the run failed in 31 of 31 nights; first in night 1 (2027-01-01): ")
		require.Equal(t, test.code == 1, said, errs)
	}
}
