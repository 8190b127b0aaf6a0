package drill_test

import (
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
