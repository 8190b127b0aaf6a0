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
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s3", Start: now.Add(-5 * time.Hour), State: cluster.InProgress, Indices: []string{"a", "b", "c"}})
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
		"snapshot list --holding a --sort copy":      "s1 s2 s3",
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
		"snapshot list --sort copy":  `there is no column "copy"; there are snapshot, state, started, age, took, indices, shards, repository, version`,
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
		require.Regexp(t, regexp.MustCompile(want), out, "%s %s", line, errs)
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
