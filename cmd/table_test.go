package cmd

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// listed fills a cluster with snapshots and indices whose order differs by column.
func listed(k *console) {
	day := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	k.c.AddIndex(cluster.Index{Name: "a", Created: day(1)})
	k.c.AddIndex(cluster.Index{Name: "b", Created: day(12)})
	k.c.AddIndex(cluster.Index{Name: "c"})
	k.c.AddIndex(cluster.Index{Name: "d", Created: day(3).Add(time.Hour), Closed: true})
	k.c.AddRepository(cluster.Repository{Name: "q", Type: "s3", Settings: map[string]string{"bucket": "x"}})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s1", Start: day(9), End: day(9).Add(9 * time.Second), Indices: []string{"a", "b"}})
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s2", Start: day(2), End: day(2).Add(time.Minute), Indices: []string{"a"}})
	k.c.AddSnapshot("r", cluster.Snapshot{
		Name: "s3", Start: now.Add(-5 * time.Hour), State: cluster.InProgress, Indices: []string{"a", "b", "c"},
	})
}

// TestSort: numbers and times are sorted as such, what is not known comes last.
func TestSort(t *testing.T) {
	for line, want := range map[string]string{
		"index list":                                 "a b c d",
		"index list --sort age":                      "c a d b",
		"index list --sort -age":                     "b d a c",
		"index list --sort=CREATED":                  "b d a c",
		"index list --sort -index":                   "d c b a",
		"index list --sort status --stats":           "d a b c",
		"snapshot list":                              "s1 s2 s3",
		"snapshot list --sort age":                   "s3 s2 s1",
		"snapshot list --sort -took":                 "s2 s1 s3",
		"snapshot list --sort indices":               "s2 s1 s3",
		"snapshot list --sort version":               "s1 s2 s3",
		"snapshot list --sort -snapshot":             "s3 s2 s1",
		"snapshot list --holding a --sort copy":      "s3 s1 s2",
		"repository list --sort -repository":         "r q",
		"repository list --sort type":                "r q",
		"repository list --sort -type --no-progress": "q r",
	} {
		k := newConsole(t)
		listed(k)
		_, out, errs := k.run(append(strings.Fields(line), "-o", "name")...)
		require.Equal(t, strings.Fields(want), strings.Fields(out), "%s %s", line, errs)
	}
	k := newConsole(t)
	listed(k)
	_, out, _ := k.run("snapshot", "list", "-o", "json", "--sort", "age")
	require.Less(t, strings.Index(out, `"s3"`), strings.Index(out, `"s1"`))
	for line, want := range map[string]string{
		"index list --sort ages":     `--sort: there is no column "ages"; there are index, status, created, age, aliases, lifecycle, uuid` + "\n",
		"index list --sort -size":    `there is no column "size"`,
		"snapshot list --sort copy":  `"copy"; there are snapshot, state, started, age, took, indices, shards, repository, version`,
		"repository list --sort age": "there are repository, type, location, readonly, settings",
		"snapshot list --sort=":      "the flag --sort has no value",
	} {
		k := newConsole(t)
		code, out, errs := k.run(strings.Fields(line)...)
		require.Equal(t, 2, code, line)
		require.Empty(t, out, line)
		require.Contains(t, errs, want, line)
		require.Empty(t, k.c.Calls(), line)
	}
}

// TestAge: times have their zone and an age.
func TestAge(t *testing.T) {
	k := newConsole(t)
	listed(k)
	_, out, _ := k.run("index", "list")
	require.Regexp(t, `(?m)^INDEX +STATUS +CREATED \(UTC\) +AGE$`, out)
	require.Regexp(t, `(?m)^b +open +2026-11-09 01:00:08 +12d$`, out)
	require.Equal(t, cell{text: "-"}, ageCell(now, time.Time{}))
	require.Equal(t, cell{text: "-"}, timeCell(time.Time{}))
	_, out, _ = k.run("snapshot", "list")
	require.Regexp(t, `(?m)^s3 +IN_PROGRESS +2026-11-20 20:00:08 +5h +- `, out)
	_, out, _ = k.run("snapshot", "show", "s1")
	require.Contains(t, out, "started       2026-11-12 01:00:08 UTC\n")
	_, out, _ = k.run("index", "show", "b")
	require.Contains(t, out, "created    2026-11-09 01:00:08 UTC\n")
}

// fewSleeps is a clock that stands still and ends a watch after some looks.
type fewSleeps struct {
	left  int
	slept time.Duration
	do    func()
}

var errEnough = errors.New("enough")

func (*fewSleeps) Elapsed() time.Duration { return 0 }

func (f *fewSleeps) Sleep(_ context.Context, d time.Duration) error {
	f.slept += d
	f.do()
	if f.left--; f.left <= 0 {
		return errEnough
	}
	return nil
}

// TestWatch repeats a list on a terminal, and only there.
func TestWatch(t *testing.T) {
	for line, want := range map[string]string{
		"index list --watch":                   `^INDEX.*\na .*\n\nINDEX.*\na .*\nx .*\n$`,
		"index list x* --watch -o name":        `^\nx\n$`,
		"snapshot list --watch":                `^SNAPSHOT.*\ns .*\n\nSNAPSHOT.*\ns .*\nx .*\n$`,
		"repository list --watch --sort -type": `^REPOSITORY.*\nr .*\n\nREPOSITORY.*\nz .*\nr .*\n$`,
	} {
		k := newConsole(t)
		k.c.AddIndices("a")
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"a"}})
		clock := &fewSleeps{left: 2}
		clock.do = func() {
			if clock.left == 2 {
				k.c.AddIndices("x")
				k.c.AddSnapshot("r", cluster.Snapshot{Name: "x", Indices: []string{"a"}})
				k.c.AddRepository(cluster.Repository{Name: "z", Type: "url"})
			}
		}
		k.watch, k.outTTY = clock, true
		k.env["NO_COLOR"] = "1"
		_, out, errs := k.run(strings.Fields(line)...)
		require.Regexp(t, want, out, "%s %s", line, errs)
		require.Equal(t, "esnap: enough\n", errs)
		require.Equal(t, 10*time.Second, clock.slept)

		k = newConsole(t)
		code, out, errs := k.run(strings.Fields(line)...)
		require.Equal(t, 2, code, line)
		require.Contains(t, errs, "--watch repeats on a terminal only")
		require.Empty(t, out)
		require.Empty(t, k.c.Calls())
	}
}

var escapes = regexp.MustCompile(`\x1b\[\d+m`)

// TestColours: states have them on a terminal that wants them, and only there. Columns are
// as wide as without.
func TestColours(t *testing.T) {
	fill := func(set func(k *console)) *console {
		k := newConsole(t)
		listed(k)
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "bad\x1b[31m", State: cluster.Partial, Indices: []string{"a"}})
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "worse", State: cluster.Failed, Indices: []string{"a"}})
		k.outTTY = true
		set(k)
		return k
	}
	none := func(*console) {}
	for line, want := range map[string][]string{
		"snapshot list": {"\x1b[32mSUCCESS\x1b[0m", "\x1b[33mPARTIAL\x1b[0m",
			"\x1b[31mFAILED\x1b[0m", "\x1b[36mIN_PROGRESS\x1b[0m"},
		"snapshot show r worse":          {"state         \x1b[31mFAILED\x1b[0m\n"},
		"index delete a --yes":           {"delete_indices  \x1b[32mdone\x1b[0m  (", "\n   \x1b[32mdeleted\x1b[0m index a\n"},
		"index delete nothing --yes":     {"\x1b[31mfailed\x1b[0m"},
		"restore a --snapshot s1 -y":     nil, // refused: there is nothing to paint
		"restore b --rename-prefix x -y": {"\x1b[32mrestored\x1b[0m xb"},
	} {
		_, coloured, errs := fill(none).run(strings.Fields(line)...)
		for _, w := range want {
			require.Contains(t, coloured, w, "%s %s", line, errs)
		}
		require.NotContains(t, errs, "\x1b")
		for name, set := range map[string]func(*console){
			"no terminal": func(k *console) { k.outTTY = false },
			"NO_COLOR":    func(k *console) { k.env["NO_COLOR"] = "" },
			"dumb":        func(k *console) { k.env["TERM"] = "dumb" },
			"never":       func(k *console) { k.env["ESNAP_COLOR"] = "never" },
		} {
			_, plain, _ := fill(set).run(strings.Fields(line)...)
			require.NotContains(t, plain, "\x1b", "%s %s", line, name)
			took := regexp.MustCompile(`\b[\d.]+(ns|µs|ms|s)\b`)
			stripped := took.ReplaceAllString(escapes.ReplaceAllString(coloured, ""), "")
			require.Equal(t, took.ReplaceAllString(plain, ""), stripped, "%s %s", line, name)
		}
	}
	for _, output := range []string{"json", "yaml", "name"} {
		_, out, _ := fill(none).run("snapshot", "list", "-o", output, "--color", "always")
		require.NotContains(t, out, "\x1b", output)
	}
	_, out, _ := fill(func(k *console) { k.outTTY, k.env["NO_COLOR"] = false, "1" }).run("snapshot", "list", "--color=always")
	require.Contains(t, out, "\x1b[32mSUCCESS\x1b[0m")
	code, _, errs := newConsole(t).run("--color", "blue", "status")
	require.Equal(t, 2, code)
	require.Contains(t, errs, `color (from flag --color) is "blue"; expected auto, always or never`)
}
