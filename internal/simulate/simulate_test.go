package simulate

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/plan"
)

const night = `
repositories:
  backups: {type: fs, settings: {location: /backups}}
actions:
  1:
    action: snapshot
    options: {repository: backups, name: 'logs-%Y%m%d%H%M%S', once_per: day, continue_if_exception: CONTINUE}
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
  2:
    action: delete_snapshots
    options: {repository: backups, ignore_empty_list: true}
    filters: [EXPIRY]
  3:
    action: delete_indices
    options: {ignore_empty_list: true REQUIRE}
    filters:
    - {filtertype: pattern, kind: prefix, value: logs-}
    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: DAYS}
`

func simulated(t testing.TB, nights, days, required int, expiry, require string, fail map[int]Failure) *Result {
	t.Helper()
	file := strings.NewReplacer("EXPIRY", expiry, "DAYS", fmt.Sprint(days), "REQUIRE", require,
		"CONTINUE", fmt.Sprint(strings.Contains(require, "guards: off"))).Replace(night)
	p, err := plan.Parse("night.yml", []byte(file), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Options{
		Plan: p, From: time.Date(2027, 1, 1, 1, 0, 0, 0, time.UTC), Nights: nights,
		Indices: []string{"logs-%Y.%m.%d"}, Fail: fail, RequireDays: required,
		Rules: coverage.Rules{Settle: coverage.DefaultSettle},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSimulate(t *testing.T) {
	const (
		cover    = "{filtertype: retain, cover: 100d}"
		calendar = "{filtertype: retain, daily: 7, weekly: 4, monthly: 6, keep_last_copy: false}"
		copies   = ", require_snapshot: {repositories: [backups]}"
	)
	three := map[int]Failure{20: Failed, 21: Partial, 40: Missed, 41: Failed, 42: Failed}
	t.Run("cover loses no day", func(t *testing.T) {
		r := simulated(t, 150, 7, 100, cover, copies, three)
		require.Empty(t, r.Lost())
		require.Equal(t, MostNights, r.Survives)
		require.Equal(t, MostNights, r.Missed)
		require.Zero(t, r.Loss)
		require.Equal(t, "2027-01-01", r.Days[0].Created)
		require.Equal(t, "2027-01-08", r.Days[0].Deleted, "its day began more than seven days ago")
		require.NotEmpty(t, r.Days[0].Until)
		until, err := time.Parse("2006-01-02", r.Days[0].Until)
		require.NoError(t, err)
		require.GreaterOrEqual(t, until.Sub(time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)), 99*24*time.Hour)
		require.Less(t, r.Nights[149].Snapshots, 25, "a hundred days in about one snapshot in seven")
	})
	t.Run("calendar rules lose days, and the action is named", func(t *testing.T) {
		r := simulated(t, 150, 7, 100, calendar, copies, nil)
		require.NotEmpty(t, r.Lost())
		for _, d := range r.Lost() {
			require.Equal(t, "action 2 (delete_snapshots)", d.LostBy)
			require.NotEmpty(t, d.Until)
		}
		night := r.Nights[r.number(r.Lost()[0].Until)]
		require.Contains(t, night.Lost, r.Lost()[0].Index)
	})
	t.Run("of two actions that delete snapshots, the one with the copy is named", func(t *testing.T) {
		file := strings.NewReplacer("EXPIRY", calendar, "DAYS", "7", "REQUIRE", copies, "CONTINUE", "false").Replace(night) + `  4:
    action: snapshot
    options: {repository: backups, name: 'other-%Y%m%d%H%M%S', once_per: day}
    filters: [{filtertype: pattern, kind: prefix, value: other-}]
  5:
    action: delete_snapshots
    options: {repository: backups, ignore_empty_list: true}
    filters: [{filtertype: pattern, kind: prefix, value: other-}, {filtertype: retain, last: 3}]
`
		file = strings.Replace(file, "filters: ["+calendar+"]", "filters: [{filtertype: pattern, kind: prefix, value: logs-}, "+calendar+"]", 1)
		p, err := plan.Parse("night.yml", []byte(file), plan.Options{})
		require.NoError(t, err)
		for range 3 { // not by the order of a map
			r, err := Run(t.Context(), Options{Plan: p, From: time.Date(2027, 1, 1, 1, 0, 0, 0, time.UTC), Nights: 40,
				Indices: []string{"logs-%Y.%m.%d", "other-%Y.%m.%d"}, RequireDays: 100, Rules: coverage.Rules{Settle: coverage.DefaultSettle}})
			require.NoError(t, err)
			require.NotEmpty(t, r.Lost())
			for _, d := range r.Lost() {
				if strings.HasPrefix(d.Index, "logs-") {
					require.Equal(t, "action 2 (delete_snapshots)", d.LostBy, d.Index)
				}
			}
		}
	})
	t.Run("an index that is deleted before a complete copy exists", func(t *testing.T) {
		r := simulated(t, 30, 1, 0, cover, ", guards: off", map[int]Failure{10: Failed, 11: Failed, 12: Failed})
		require.NotEmpty(t, r.Lost())
		require.Equal(t, "action 3 (delete_indices)", r.Lost()[0].LostBy)
		r = simulated(t, 30, 1, 0, cover, copies, map[int]Failure{10: Failed, 11: Failed, 12: Failed})
		require.Empty(t, r.Lost())
	})
	t.Run("how many nights may fail", func(t *testing.T) {
		r := simulated(t, 120, 3, 0, cover, ", guards: off", nil)
		require.Positive(t, r.Survives)
		require.Less(t, r.Survives, 5)
		require.Equal(t, -1, simulated(t, 20, 3, 0, cover, "", nil).Survives)
	})
	t.Run("how many nights may be missed, anywhere", func(t *testing.T) {
		// A snapshot contains the days that the cluster has: what is deleted in the same run
		// before the snapshot is lost.
		file := strings.Replace(strings.NewReplacer("EXPIRY", cover, "DAYS", "5", "REQUIRE", ", guards: off", "CONTINUE", "false").Replace(night),
			"actions:\n", "actions:\n  0:\n    action: delete_indices\n    options: {guards: off, ignore_empty_list: true}\n"+
				"    filters: [{filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 5}]\n", 1)
		p, err := plan.Parse("night.yml", []byte(file), plan.Options{})
		require.NoError(t, err)
		r, err := Run(t.Context(), Options{Plan: p, From: time.Date(2027, 1, 1, 1, 0, 0, 0, time.UTC), Nights: 40,
			Indices: []string{"logs-%Y.%m.%d"}, Rules: coverage.Rules{Settle: coverage.DefaultSettle}})
		require.NoError(t, err)
		require.Empty(t, r.Lost())
		want := -1
		for missed := 1; want < 0; missed++ { // the same by hand: the nights after the tenth are missed
			fail := map[int]Failure{}
			for n := range missed {
				fail[11+n] = Missed
			}
			other, err := Run(t.Context(), Options{Plan: p, From: time.Date(2027, 1, 1, 1, 0, 0, 0, time.UTC), Nights: 10 + missed + 1, Fail: fail,
				Indices: []string{"logs-%Y.%m.%d"}, Rules: coverage.Rules{Settle: coverage.DefaultSettle}})
			require.NoError(t, err)
			if len(other.Lost()) > 0 {
				want = missed - 1
			}
		}
		require.Positive(t, want)
		require.Equal(t, want, r.Missed)
		require.NotEmpty(t, r.Loss.Index)
		require.Positive(t, r.Loss.After)
	})
	t.Run("what went wrong is told", func(t *testing.T) {
		r := simulated(t, 50, 7, 100, cover, copies, three)
		require.Equal(t, Failed, r.Nights[19].Failure)
		require.Empty(t, r.Nights[19].Error)
		require.Equal(t, 7, r.Nights[11].Indices)
		for _, n := range r.Nights {
			require.Empty(t, n.Error, n.Date)
		}
	})
}

// number is the place of the night after a date.
func (r *Result) number(until string) int {
	for i, n := range r.Nights {
		if n.Date > until {
			return i
		}
	}
	return -1
}

// BenchmarkYear is 400 nights of four families, with the garbage collection of the command.
func BenchmarkYear(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for b.Loop() {
		file := strings.NewReplacer("EXPIRY", "{filtertype: retain, cover: 365d}", "DAYS", "7", "REQUIRE", "", "CONTINUE", "false").Replace(night)
		p, err := plan.Parse("night.yml", []byte(file), plan.Options{})
		require.NoError(b, err)
		var names []string
		for _, f := range []string{"a", "b", "c", "d"} {
			names = append(names, "logs-"+f+"-%Y.%m.%d")
		}
		r, err := Run(b.Context(), Options{
			Plan: p, From: time.Date(2027, 1, 1, 1, 0, 0, 0, time.UTC), Nights: 400,
			Indices: names, RequireDays: 365, Rules: coverage.Rules{Settle: 2 * time.Hour},
		})
		require.NoError(b, err)
		require.Empty(b, r.Lost())
	}
}

// TestLossComesLater: what was not saved in a missed night is lost when the file deletes it, a
// week later. A file that loses something as it is survives nothing.
func TestLossComesLater(t *testing.T) {
	for take, want := range map[string]int{"-1": 0, "-3": 2} {
		file := strings.NewReplacer("EXPIRY", "{filtertype: retain, cover: 400d}", "DAYS", "7", "REQUIRE", ", guards: off",
			"CONTINUE", "true").Replace(night)
		file = strings.Replace(file, "kind: prefix, value: logs-}]", "kind: prefix, value: logs-}, "+
			"{filtertype: period, source: name, timestring: '%Y.%m.%d', unit: days, range_from: "+take+", range_to: -1}]", 1)
		p, err := plan.Parse("night.yml", []byte(file), plan.Options{})
		require.NoError(t, err)
		r, err := Run(t.Context(), Options{
			Plan: p, From: time.Date(2027, 1, 1, 3, 0, 0, 0, time.UTC), Nights: 60, Indices: []string{"logs-%Y.%m.%d"},
			Rules: coverage.Rules{Settle: coverage.DefaultSettle},
		})
		require.NoError(t, err)
		require.Empty(t, r.Lost())
		require.Equal(t, want, r.Missed, take)
		require.Equal(t, want, r.Survives, take)
	}
	r := simulated(t, 60, 7, 30, "{filtertype: retain, daily: 7, keep_last_copy: false}", "", nil)
	require.NotEmpty(t, r.Lost())
	require.Equal(t, -1, r.Missed)
	require.Equal(t, -1, r.Survives)
}

// TestFewRuns: a night costs about one run more for the nights that may be missed after it (the last: up to 60), also
// if the days of the names end late, cannot be read, or the file never saves them.
func TestFewRuns(t *testing.T) {
	for name, test := range map[string]struct {
		index, action string
		most          int
	}{
		"days":                  {"logs-%Y.%m.%d", "", 60},
		"weeks":                 {"logs-%Y.%W", "", 130},
		"weeks read as months":  {"logs-%Y-%W", "", 130},
		"days read as months":   {"logs-%m-%d-%Y", "", 130},
		"months":                {"logs-%Y.%m", "", 130},
		"no date":               {"logs-all", "", 90},
		"never saved":           {"app-%Y.%m.%d", "", 190},
		"no snapshot is taken":  {"logs-%Y.%m.%d", "disable_action: true", 190},
		"two, of which one has": {"logs-%Y.%m.%d,app-%Y.%m.%d", "", 190},
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.NewReplacer("EXPIRY", "{filtertype: retain, cover: 90d}", "DAYS", "7", "REQUIRE", "", "CONTINUE", "true").Replace(night)
			if test.action != "" {
				file = strings.Replace(file, "once_per: day", test.action, 1)
			}
			p, err := plan.Parse("night.yml", []byte(file), plan.Options{})
			require.NoError(t, err)
			r, err := Run(t.Context(), Options{
				Plan: p, From: time.Date(2027, 1, 1, 1, 0, 0, 0, time.UTC), Nights: 29, // before failed snapshots are tried
				Indices: strings.Split(test.index, ","), Rules: coverage.Rules{Settle: coverage.DefaultSettle},
			})
			require.NoError(t, err)
			require.LessOrEqual(t, r.ran, test.most)
		})
	}
}
