package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

const nightlyWithHistory = `
name: nightly
history: true
repositories: {r: {type: fs, settings: {location: /x}}}
actions:
  1: {action: snapshot, options: {repository: r, name: 'n-%Y%m%d%H%M%S'}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}
  2:
    action: delete_indices
    options: {ignore_empty_list: true}
    filters: [{filtertype: pattern, kind: prefix, value: old-}]
`

// TestLostSnapshots: what the last run left is compared with what is there.
func TestLostSnapshots(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, k *console, taken []string)
		file   string
		args   []string
		code   int
		want   string
	}{
		"all is there": {code: 0},
		"all are missing": {change: func(t *testing.T, k *console, taken []string) { t.Helper(); lose(t, k, taken...) }, code: 4,
			want: "contains neither n-20261121030008, the newest snapshot after the last run of this job, nor any older one"},
		"all are missing, a dry run": {
			change: func(t *testing.T, k *console, taken []string) { t.Helper(); lose(t, k, taken...) },
			args:   []string{"-n"},
			code:   4,
		},
		"all are missing, forced": {
			change: func(t *testing.T, k *console, taken []string) { t.Helper(); lose(t, k, taken...) },
			args:   []string{"--force"},
			code:   0,
		},
		"others are there": {change: func(t *testing.T, k *console, taken []string) {
			t.Helper()
			lose(t, k, taken...)
			k.c.AddSnapshot("r", cluster.Snapshot{Name: "younger", Indices: []string{"logs-1"}, Start: now.Add(3 * time.Hour)})
		}, code: 4},
		"only the newest is missing": {change: func(t *testing.T, k *console, taken []string) { t.Helper(); lose(t, k, taken[1]) }, code: 0,
			want: "no longer exists"},
		"an older one is missing": {change: func(t *testing.T, k *console, taken []string) { t.Helper(); lose(t, k, taken[0]) }, code: 0},
		"the repository is new": {change: func(t *testing.T, k *console, taken []string) {
			t.Helper()
			lose(t, k, taken...)
			require.NoError(t, k.c.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "r"}))
		}, code: 0},
		"another job": {
			change: func(t *testing.T, k *console, taken []string) { t.Helper(); lose(t, k, taken...) },
			file:   strings.Replace(nightlyWithHistory, "nightly", "other", 1),
			code:   0,
		},
		"no history": {
			change: func(t *testing.T, k *console, taken []string) { t.Helper(); lose(t, k, taken...) },
			file:   strings.Replace(nightlyWithHistory, "history: true", "", 1),
			code:   0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newConsole(t)
			k.c.AddIndices("logs-1")
			file := k.file(nightlyWithHistory)
			at := now
			k.now = func() time.Time { return at }
			for range 2 {
				at = at.Add(time.Hour)
				k.c.SetClock(at)
				code, out, errs := k.run("run", file)
				require.Zero(t, code, out+errs)
			}
			taken := namesIn(t, k.c)
			require.Equal(t, []string{"n-20261121020008", "n-20261121030008"}, taken)
			k.c.AddIndices("old-1")
			if c.change != nil {
				c.change(t, k, taken)
			}
			at = at.Add(time.Hour)
			k.c.SetClock(at)
			if c.file != "" {
				file = k.file(c.file)
			}
			code, out, errs := k.run(append([]string{"run", file}, c.args...)...)
			require.Equal(t, c.code, code, out+errs)
			require.Contains(t, out+errs, c.want)
			require.Equal(t, c.code == 0, !strings.Contains(strings.Join(indicesIn(t, k.c), " "), "old-1"))
			if c.want == "" && c.code == 0 {
				require.NotContains(t, out+errs, "last run")
			}
			if c.code == 4 {
				require.Contains(t, out+errs, "--force")
			}
		})
	}
}

func lose(t *testing.T, k *console, names ...string) {
	t.Helper()
	for _, name := range names {
		require.NoError(t, k.c.DeleteSnapshots(t.Context(), cluster.DeleteSnapshots{Repository: "r", Names: []string{name}}))
	}
}
