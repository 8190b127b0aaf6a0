package cmd

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// forbids has the cluster refuse a request about something.
func (k *console) forbids(method, name string, kind error) {
	k.c.Fault = func(m string, names []string) error {
		if m == method && strings.Contains(strings.Join(names, ","), name) {
			return &cluster.Error{Op: "ask", Kind: kind, Text: "action is unauthorized for user [ci]"}
		}
		return nil
	}
}

// TestCheckWithoutItsRecords: what a check needs and cannot read is UNKNOWN. What it does not need
// changes nothing for a user who only reads.
func TestCheckWithoutItsRecords(t *testing.T) {
	const history, locks = cluster.HistoryIndex, cluster.LockIndex
	noFile := []string{"--max-age", "26h"}
	for _, tt := range []struct {
		name   string
		index  string // that cannot be read
		keys   string // of the file
		client string // client file
		env    string // ESNAP_HISTORY
		there  bool   // the cluster has the index
		broken bool   // it is not the rights that are missing
		args   []string
		want   int
		says   string
	}{
		{name: "nobody keeps a history", index: history},
		{name: "history of the file", index: history, keys: "history: true\n", want: 3, says: "UNKNOWN   history esnap-history: cannot tell"},
		{name: "history of the client file", index: history, client: "history: true\n", want: 3, says: "give the user read on esnap-history"},
		{name: "history turned off", index: history, keys: "history: true\n", env: "false"},
		{name: "of another job, perhaps", index: history, there: true, want: 3, says: "UNKNOWN   history"},
		{name: "a state says what was seen", index: history, there: true, args: []string{"--state", "STATE"}},
		{name: "no file", index: history, there: true, args: noFile},
		{name: "no file, client file", index: history, client: "history: true\n", args: noFile, want: 3, says: "UNKNOWN   history"},
		{name: "no file, red index", index: history, there: true, broken: true, args: noFile, want: 3, says: "UNKNOWN   history"},
		{name: "nobody locks", index: locks},
		{name: "nobody locks, and there are locks", index: locks, there: true},
		{name: "lock: auto", index: locks, keys: "lock: auto\n", want: 3, says: "UNKNOWN   lock esnap-locks: cannot tell whether a"},
		{name: "lock: required", index: locks, keys: "lock: required\n", want: 3, says: "give the user read on esnap-locks"},
		{name: "no file", index: locks, there: true, args: noFile},
		{name: "red index of locks", index: locks, there: true, broken: true, args: noFile, want: 3, says: "UNKNOWN   lock"},
	} {
		t.Run(tt.index+" "+tt.name, func(t *testing.T) {
			k := newConsole(t)
			twentyNights(k, nil)
			if tt.there {
				k.c.AddIndex(cluster.Index{Name: tt.index, Created: now, Hidden: true})
			}
			if tt.client != "" {
				k.env["ESNAP_CONFIG"] = k.file(tt.client)
			}
			if tt.env != "" {
				k.env["ESNAP_HISTORY"] = tt.env
			}
			kind := cluster.ErrForbidden
			if tt.broken {
				kind = cluster.ErrServer
			}
			args := []string{"check"}
			if !strings.Contains(strings.Join(tt.args, " "), "--max-age") {
				args = append(args, k.file(tt.keys+nightFile))
			}
			for _, a := range tt.args {
				args = append(args, strings.Replace(a, "STATE", filepath.Join(t.TempDir(), "state.json"), 1))
			}
			code, out, errs := k.run(args...)
			require.Equal(t, 0, code, "readable: %s%s", out, errs)
			k.forbids("Documents", tt.index, kind)
			code, out, errs = k.run(args...)
			require.Equal(t, tt.want, code, out+errs)
			require.Contains(t, out, tt.says)
			if tt.want == 0 {
				require.NotContains(t, out, "UNKNOWN")
			}
		})
	}
}

// TestFailOnCritical: only warnings end with 0.
func TestFailOnCritical(t *testing.T) {
	const disabled = "  2: {action: delete_snapshots, options: {repository: backups, disable_action: true}, " +
		"filters: [{filtertype: none}]}\n"
	for _, tt := range []struct {
		period, more string
		want, plain  int
		line         string
	}{
		{", once_per: day", "", 0, 0, "ESNAP OK: "},
		{", once_per: day", disabled, 0, 1, "ESNAP WARNING: action 2: "},
		{"", "", 3, 3, "ESNAP UNKNOWN: series "},
		{"", disabled, 3, 1, "ESNAP UNKNOWN: series "},
	} {
		k := newConsole(t)
		twentyNights(k, nil)
		file := k.file("actions:\n  1: {action: snapshot, options: {repository: backups, name: 'logs-%Y%m%d%H%M%S'" + tt.period +
			"}, filters: [{filtertype: none}]}\n" + tt.more)
		code, out, errs := k.run("check", file, "--fail-on", "critical")
		require.Equal(t, tt.want, code, out+errs)
		require.True(t, strings.HasPrefix(out, tt.line), out)
		code, out, errs = k.run("check", file, "--fail-on", "critical", "-o", "json")
		require.Equal(t, tt.want, code, out+errs)
		require.Contains(t, out, fmt.Sprintf(`"status": %q`, strings.Trim(strings.Fields(tt.line)[1], ":")))
		code, out, errs = k.run("check", file)
		require.Equal(t, tt.plain, code, out+errs)
	}
}

func TestHeadlineCounts(t *testing.T) {
	k := newConsole(t)
	twentyNights(k, func(ago int) bool { return ago < 5 })
	text := "actions:\n  1: {action: snapshot, options: {repository: backups, name: 'logs-%Y%m%d%H%M%S', once_per: day}, " +
		"filters: [{filtertype: none}]}\n"
	for n := 2; n < 4; n++ {
		text += fmt.Sprintf("  %d: {action: delete_snapshots, options: {repository: backups, disable_action: true}, "+
			"filters: [{filtertype: none}]}\n", n)
	}
	_, out, _ := k.run("check", k.file(text))
	first, _, _ := strings.Cut(out, "\n")
	require.True(t, strings.HasPrefix(first, "ESNAP CRITICAL: "), first)
	require.Contains(t, first, " 2 warnings)")
}

// TestCheckVerifyWithoutThePrivilege: nobody knows whether the nodes can write.
func TestCheckVerifyWithoutThePrivilege(t *testing.T) {
	for kind, want := range map[error]int{cluster.ErrForbidden: 3, cluster.ErrRepository: 2, cluster.ErrLost: 2} {
		k := newConsole(t)
		twentyNights(k, nil)
		k.forbids("VerifyRepository", "", kind)
		code, out, errs := k.run("check", k.file(nightFile), "--verify")
		require.Equal(t, want, code, out+errs)
		if want == 3 {
			require.Contains(t, out, "UNKNOWN   repository backups: could not be verified: ask: action is unauthorized")
			require.Contains(t, out, "hint: give the user cluster:admin/repository/verify")
			require.NotContains(t, out, "not every node can write")
		} else {
			require.Contains(t, out, "CRITICAL  repository backups: not every node can write to it")
		}
	}
}

// TestCheckOfOneRepository: a copy in another repository is not denied.
func TestCheckOfOneRepository(t *testing.T) {
	const removes = "actions:\n  1: {action: delete_indices, options: {ignore_empty_list: true}, filters: [" +
		"{filtertype: pattern, kind: prefix, value: logs-}, " +
		"{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 3}]}\n"
	k := newConsole(t)
	twentyNights(k, nil)
	for _, name := range []string{"third", "fourth"} {
		k.c.AddRepository(cluster.Repository{Name: name, Type: "fs", Settings: map[string]string{"location": name}})
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{k.file(removes)}, "snapshots contain a complete copy of all that"},
		{[]string{k.file(removes), "--repository", "backups"}, "snapshots in repository backups contain a complete copy of all that"},
		{[]string{k.file(removes), "--repository", "third"}, "of which no snapshot in repository third contains a complete copy: "},
		{[]string{k.file(removes), "--repository", "third,fourth"}, "of which no snapshot in repositories third, fourth contains a"},
		{[]string{"--max-age", "26h", "--repository", "third"}, "no snapshot in repository third contains any of its 8 indices"},
		{[]string{"--max-age", "26h", "--repository", "backups"}, "snapshots in repository backups contain all that should be in one"},
		{[]string{"--days", "3", "--index", "logs-%Y.%m.%d", "--repository", "third"}, "0 of 4 days are in snapshots in repository third"},
		{[]string{takes(k, "", "backups"), "--repository", "third,backups"}, "26 of 28 days are in snapshots in repository backups"},
	} {
		_, out, errs := k.run(append([]string{"check"}, tt.args...)...)
		require.Contains(t, out, tt.want, errs)
	}
}
