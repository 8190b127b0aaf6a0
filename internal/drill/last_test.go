package drill_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/drill"
)

func TestLast(t *testing.T) {
	day := func(n int, copies ...drill.Copy) *drill.Result {
		return &drill.Result{Time: time.Date(2026, 11, n, 3, 0, 0, 0, time.UTC), Copies: copies}
	}
	passed := func(index string) drill.Copy {
		return drill.Copy{Repository: "r", Snapshot: "s", Index: index, State: drill.Passed}
	}
	failed := func(index string) drill.Copy {
		return drill.Copy{Repository: "r", Snapshot: "s", Index: index, State: drill.Failed, Reason: "a shard is missing"}
	}
	unfinished := func(index string) drill.Copy {
		return drill.Copy{Repository: "r", Snapshot: "s", Index: index, State: drill.Unfinished}
	}
	skipped := drill.Copy{Repository: "r", Index: "logs-2026.11.01", State: drill.Skipped}
	elsewhere := passed("logs-2026.11.09")
	elsewhere.Repository = "other"
	for name, c := range map[string]struct {
		drills           []*drill.Result
		kept             *drill.Result
		day              int // 0: there is none
		passed, failures int
	}{
		"none":                      {},
		"one without a copy":        {drills: []*drill.Result{day(9)}},
		"one that restored nothing": {drills: []*drill.Result{day(9, skipped)}},
		"one":                       {drills: []*drill.Result{day(9, passed("logs-2026.11.08"))}, day: 9, passed: 1},
		"the newest of two, in any order": {
			drills: []*drill.Result{day(8, passed("logs-2026.11.07")), day(9, passed("logs-2026.11.08"))},
			day:    9,
			passed: 1,
		},
		"a failure, then nothing was restored": {drills: []*drill.Result{day(9), day(8, failed("logs-2026.11.07"))}, day: 8, failures: 1},
		"a failure, then the family passed": {
			drills: []*drill.Result{day(9, passed("logs-2026.11.08")), day(8, failed("logs-2026.11.07"))},
			day:    9,
			passed: 1,
		},
		"a failure, then the data stream passed": {
			drills: []*drill.Result{day(9, passed(".ds-logs-x-2026.11.08-000002")), day(8, failed(".ds-logs-x-2026.11.07-000001"))},
			day:    9,
			passed: 1,
		},
		"a failure, then another data stream": {
			drills:   []*drill.Result{day(9, passed(".ds-logs-y-2026.11.08-000002")), day(8, failed(".ds-logs-x-2026.11.07-000001"))},
			day:      9,
			passed:   1,
			failures: 1,
		},
		"a failure, then another family": {
			drills:   []*drill.Result{day(9, passed("events-2026.11.08")), day(8, failed("logs-2026.11.07"))},
			day:      9,
			passed:   1,
			failures: 1,
		},
		"a failure, then another repository": {
			drills:   []*drill.Result{day(9, elsewhere), day(8, failed("logs-2026.11.07"))},
			day:      9,
			passed:   1,
			failures: 1,
		},
		"a failure after it passed": {
			drills:   []*drill.Result{day(9, failed("logs-2026.11.08")), day(8, passed("logs-2026.11.07"))},
			day:      9,
			failures: 1,
		},
		"the same failure twice": {
			drills:   []*drill.Result{day(9, failed("logs-2026.11.08")), day(8, failed("logs-2026.11.08"))},
			day:      9,
			failures: 1,
		},
		"a kept failure is not lifted by others": {
			drills:   []*drill.Result{day(9, passed("logs-2026.11.08"))},
			kept:     day(8, failed("logs-2026.11.07")),
			day:      9,
			passed:   1,
			failures: 1,
		},
		"a kept drill that passed, before another": {
			drills:   []*drill.Result{day(9, failed("logs-2026.11.08"))},
			kept:     day(8, passed("logs-2026.11.07")),
			day:      9,
			failures: 1,
		},
		"a kept drill that passed lifts": {
			drills: []*drill.Result{day(8, failed("logs-2026.11.07"))},
			kept:   day(9, passed("logs-2026.11.08")),
			day:    9,
			passed: 1,
		},
		"one that was interrupted": {drills: []*drill.Result{day(9, unfinished("logs-2026.11.08"))}},
		"a failure, then it was interrupted": {
			drills:   []*drill.Result{day(9, unfinished("logs-2026.11.08")), day(8, failed("logs-2026.11.07"))},
			day:      8,
			failures: 1,
		},
		"a pass, then it was interrupted": {
			drills: []*drill.Result{
				day(9, unfinished("logs-2026.11.08"), passed("events-2026.11.08")),
				day(8, passed("logs-2026.11.07"), passed("events-2026.11.07")),
				day(7, passed("logs-2026.11.06")),
			},
			day:    9,
			passed: 2,
		},
		"interrupted twice after a pass": {
			drills: []*drill.Result{
				day(9, unfinished("logs-2026.11.08"), passed("events-2026.11.08")),
				day(8, unfinished("logs-2026.11.07"), passed("events-2026.11.07")),
				day(7, passed("logs-2026.11.06")),
			},
			day:    9,
			passed: 2,
		},
		"a failure between a pass and an interrupted one": {
			drills: []*drill.Result{
				day(9, unfinished("logs-2026.11.08"), passed("events-2026.11.08")),
				day(8, failed("logs-2026.11.07")),
				day(7, passed("logs-2026.11.06")),
			},
			day:      9,
			passed:   1,
			failures: 1,
		},
		"a failure before the pass that a file kept": {
			drills:   []*drill.Result{day(8, failed("logs-2026.11.07"))},
			kept:     day(9, unfinished("logs-2026.11.08"), passed("events-2026.11.08")).Kept(day(7, passed("logs-2026.11.06"))),
			day:      9,
			passed:   2,
			failures: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			last := drill.Last(c.drills, c.kept)
			if c.day == 0 {
				require.Nil(t, last)
				return
			}
			require.Equal(t, c.day, last.Time.Day())
			require.Equal(t, c.passed, last.Passed())
			require.Equal(t, c.failures, last.Failures())
		})
	}
}

// A drill replaces the one in the file, but for what it did not finish.
func TestKept(t *testing.T) {
	day := func(n int, copies ...string) *drill.Result {
		r := &drill.Result{Time: time.Date(2026, 11, n, 3, 0, 0, 0, time.UTC)}
		for _, c := range copies {
			index, state, _ := strings.Cut(c, " ")
			r.Copies = append(r.Copies, drill.Copy{Repository: "r", Snapshot: "s", Index: index, State: drill.State(state)})
		}
		return r
	}
	for name, c := range map[string]struct {
		older, drill *drill.Result
		day          int
		want         []string
	}{
		"nothing before":       {nil, day(9, "logs passed"), 9, []string{"logs passed"}},
		"interrupted at first": {nil, day(9, "logs not_finished"), 9, []string{"logs not_finished"}},
		"finished":             {day(8, "logs failed"), day(9, "orders passed"), 9, []string{"orders passed"}},
		"skipped":              {day(8, "logs failed"), day(9, "orders skipped"), 9, []string{"orders skipped"}},
		"nothing was finished": {day(8, "logs failed", "a passed"), day(9, "logs not_finished"), 8, []string{"logs failed", "a passed"}},
		"only skipped before it": {
			day(8, "logs failed"), day(9, "orders skipped", "logs not_finished"), 8, []string{"logs failed"},
		},
		"one was finished": {
			day(8, "logs failed", "logs passed", "orders passed", "users failed"),
			day(9, "orders passed", "logs not_finished"),
			9, []string{"orders passed", "logs not_finished", "logs passed 8", "logs failed 8"},
		},
		"one of two of the family was finished": {
			day(8, "logs-2026.11.07 failed"),
			day(9, "logs-2026.11.08 passed", "logs-2026.11.06 not_finished"),
			9, []string{"logs-2026.11.08 passed", "logs-2026.11.06 not_finished"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kept := c.drill.Kept(c.older)
			var got []string
			for _, x := range kept.Copies {
				text := x.Index + " " + string(x.State)
				if !x.Time.IsZero() {
					text += " " + strconv.Itoa(x.Time.Day())
				}
				got = append(got, text)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.day, kept.Time.Day())
		})
	}
}
