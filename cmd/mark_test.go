package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestMark protects an index, prolongs that, and ends it.
func TestMark(t *testing.T) {
	k := newConsole(t)
	index := "logs-2026.11.01"
	k.c.AddIndex(cluster.Index{Name: index, Settings: map[string]string{cluster.SettingKeepUntil: "2026.11.25"}, Aliases: []string{"app"}})
	deleted := func() int {
		code, _, _ := k.run("index", "delete", index, "--yes", "-n")
		return code
	}
	require.Equal(t, 4, deleted())

	code, _, alias := k.run("mark", "app", "--keep-for", "30d")
	require.Equal(t, 2, code)
	require.Contains(t, alias, "app is an alias, of the index "+index)

	code, out, errs := k.run("mark", index, "--keep-for", "30d", "-n")
	require.Equal(t, 0, code, errs)
	require.Equal(t, index+": would be protected from esnap's own deletions until the end of 2026-12-21 (UTC)\n", out)
	require.Empty(t, k.c.Writes())

	for range 2 { // the second time changes nothing
		code, out, errs = k.run("mark", index, "--keep-for", "30d")
		require.Equal(t, 0, code, errs)
		require.Equal(t, index+": protected from esnap's own deletions until the end of 2026-12-21 (UTC)\n", out)
	}
	require.Len(t, k.c.CallsOf("UpdateAliases"), 1)
	require.Equal(t, 4, deleted())

	code, out, errs = k.run("mark", index, "--remove", "-o", "json")
	require.Equal(t, 0, code, errs)
	require.Contains(t, out, `"protected_until": null`)
	require.Equal(t, 0, deleted())
	_, out, _ = k.run("index", "list", "-o", "wide")
	require.Contains(t, out, "app")
	require.NotContains(t, out, cluster.KeepPrefix)

	for line, want := range map[string]string{
		"mark " + index:                    "either --keep-for or --remove",
		"mark " + index + " --keep-for 14": "--keep-for", "mark " + index + " --remove --keep-for 1d": "either",
	} {
		code, _, errs := k.run(strings.Fields(line)...)
		require.Equal(t, 2, code, line)
		require.Contains(t, errs, want)
	}
	code, _, errs = k.run("mark", "logs-2026.11.02", "--remove")
	require.Equal(t, 1, code)
	require.Contains(t, errs, index)
}

// daysHeld puts daily indices of two families into a snapshot.
func daysHeld(k *console) {
	s := cluster.Snapshot{Name: "s", Start: time.Date(2026, 11, 14, 1, 0, 0, 0, time.UTC), Indices: []string{"other", ".kibana_1"}}
	for _, d := range []string{"2026.11.10", "2026.11.11", "2026.11.12", "2026.11.13"} {
		s.Indices = append(s.Indices, "ks-logstash-log-"+d, "ks-events-"+d)
	}
	k.c.AddSnapshot("r", s)
}

// TestRestoreOfADay: a local day can lie in two indices.
func TestRestoreOfADay(t *testing.T) {
	for line, want := range map[string]string{
		"--day 2026-11-12":                                                        "ks-events-2026.11.12 ks-logstash-log-2026.11.12",
		"--day 2026-11-12 --family ks-logstash-log":                               "ks-logstash-log-2026.11.12",
		"--day 2026.11.12 --family ks-logstash-log --timezone Asia/Shanghai":      "ks-logstash-log-2026.11.11 ks-logstash-log-2026.11.12",
		"--day 2026-11-12 --family ks-logstash-log-* --timezone America/New_York": "ks-logstash-log-2026.11.12 ks-logstash-log-2026.11.13",
		"--from 2026-11-11 --to 2026-11-12 --family ks-events":                    "ks-events-2026.11.11 ks-events-2026.11.12",
		"--from 2026-11-11T09:00 --to 2026-11-11T10:00 --family ks-events":        "ks-events-2026.11.11",
		"--from 2026-11-12T00:00 --to 2026-11-12T01:00 --family ks-events":        "ks-events-2026.11.12",
		"ks-events-2026.11.1* --day 2026-11-13":                                   "ks-events-2026.11.13",
		"--day 2026-12-12 --family ks-events": "! no snapshot contains an index of the " +
			"family ks-events between 2026-12-12 00:00 and 2026-12-13 00:00 UTC",
		"--day 2026-11-12 --from 2026-11-12": "? exclude each other",
		"--from 2026-11-12":                  "? need each other",
		"x --family y":                       "? need --day",
		"--day yesterday":                    "? for --day: expected a day",
		"--day 2026-11-12 --timezone Mars":   "? expected a time zone such as Europe/Berlin",
		"--from 2026-11-12 --to 2026-11-10":  "? is not before",
		"":                                   "? --day 2026-11-12",
	} {
		k := newConsole(t)
		daysHeld(k)
		code, out, errs := k.run(append([]string{"restore", "--yes"}, strings.Fields(line)...)...)
		switch {
		case strings.HasPrefix(want, "? "):
			require.Equal(t, 2, code, line)
			require.Contains(t, errs, want[2:], line)
			require.Empty(t, k.c.Writes())
		case strings.HasPrefix(want, "! "):
			require.Equal(t, 1, code, line)
			require.Contains(t, out+errs, want[2:], line)
		default:
			require.Equal(t, 0, code, "%s: %s", line, errs)
			require.NotContains(t, out, "system index", "it is not of that time")
			_, names, _ := k.run("index", "list", "-o", "name")
			require.Equal(t, want, strings.Join(strings.Fields(names), " "), line)
		}
	}
}

// TestRestoreChoosesADay from a list on a terminal.
func TestRestoreChoosesADay(t *testing.T) {
	k := newConsole(t)
	daysHeld(k)
	k.tty, k.in = true, "2\n3\ny\n"
	code, out, errs := k.run("restore")
	require.Equal(t, 0, code, errs)
	require.Contains(t, errs, "  2  ks-logstash-log-*")
	require.Contains(t, errs, "  3  2026-11-11")
	require.Contains(t, out, "restored ks-logstash-log-2026.11.11")
	require.Contains(t, out, "To read the logs of one namespace: curl -s '")
	k.in = "9\n"
	code, _, errs = k.run("restore")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "not a number from 1 to 2")
}
