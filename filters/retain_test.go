package filters

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

func number(n int64) *int64               { return &n }
func span(d time.Duration) *time.Duration { return &d }
func when(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	must(err)
	return t
}
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// policy is the filter as files make it.
func policy(set func(f *Retain)) *Retain {
	f := newRetain().(*Retain)
	set(f)
	return f
}

// taken is a good snapshot of that time and these indices.
func taken(name string, start time.Time, indices ...string) *cluster.Snapshot {
	slices.Sort(indices)
	return &cluster.Snapshot{
		Repository: "r", Name: name, UUID: name, State: cluster.Success, Start: start, End: start.Add(time.Minute),
		Shards: cluster.ShardCount{Total: 1, Successful: 1}, HasContents: true, Indices: indices,
	}
}

// retained judges snapshots, and returns the reasons of those that stay.
func retained(t *testing.T, f *Retain, now time.Time, list []*cluster.Snapshot) map[string]string {
	t.Helper()
	require.NoError(t, f.Validate(cluster.Snapshots, nil))
	stay := map[string]string{}
	for i, v := range f.Judge(now, cluster.Items(list)) {
		if v.Match != cluster.Yes {
			stay[list[i].Name] = v.Why
		}
	}
	return stay
}

func TestRetainRules(t *testing.T) {
	now := when("2026-11-29 12:00")
	var nights []*cluster.Snapshot
	for d := range 100 {
		start := when("2026-11-29 01:00").AddDate(0, 0, -d)
		nights = append(nights, taken("n-"+start.Format("2006.01.02"), start, "x"))
	}
	for _, c := range []struct {
		name string
		f    *Retain
		want map[string]string
	}{
		{
			"last",
			policy(func(f *Retain) { f.Last = number(2) }),
			map[string]string{"n-2026.11.29": "retained by last (number 1 of 2)", "n-2026.11.28": "retained by last (number 2 of 2)"},
		},
		{"weekly", policy(func(f *Retain) { f.Weekly = number(3) }), map[string]string{
			"n-2026.11.29": "retained by weekly (2026-W48)",
			"n-2026.11.22": "retained by weekly (2026-W47)", "n-2026.11.15": "retained by weekly (2026-W46)",
		}},
		{"several rules", policy(func(f *Retain) { f.Daily = number(1); f.Monthly = number(2) }), map[string]string{
			"n-2026.11.29": "retained by daily (2026-11-29), monthly (2026-11)", "n-2026.10.31": "retained by monthly (2026-10)",
		}},
		{"more than there are", policy(func(f *Retain) { f.Yearly = number(5) }), map[string]string{"n-2026.11.29": "retained by yearly (2026)"}},
		{
			"within counts from the newest good one",
			policy(func(f *Retain) { f.Within = span(24 * time.Hour) }),
			map[string]string{"n-2026.11.29": "retained by within 1d", "n-2026.11.28": "retained by within 1d"},
		},
		{"hold", policy(func(f *Retain) { f.Hold = []string{"n-2026.09.0?", "n-2026.08.2*"}; f.Last = number(1) }), map[string]string{
			"n-2026.11.29": "retained by last (number 1 of 1)",
			"n-2026.08.22": "retained by hold", "n-2026.08.23": "retained by hold",
			"n-2026.08.24": "retained by hold", "n-2026.08.25": "retained by hold",
			"n-2026.08.26": "retained by hold", "n-2026.08.27": "retained by hold",
			"n-2026.08.28": "retained by hold", "n-2026.08.29": "retained by hold",
		}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, retained(t, c.f, now, nights)) })
	}
}

// oracle is retention written a second time, from the rules in docs/filters.md: for each
// period that has a good snapshot, latest period first, its newest one.
func oracle(rules map[string]int, list []*cluster.Snapshot, zone *time.Location) []string {
	stay := map[string]bool{}
	for rule, count := range rules {
		newest := map[int64]*cluster.Snapshot{}
		for _, s := range list {
			if !s.Good() {
				continue
			}
			l := s.Start.In(zone)
			y, m, d := l.Date()
			begin := map[string]time.Time{
				"hourly":  s.Start.Truncate(time.Hour), // zones of the test are whole hours away
				"daily":   time.Date(y, m, d, 0, 0, 0, 0, time.UTC),
				"weekly":  time.Date(y, m, d-(int(l.Weekday())+6)%7, 0, 0, 0, 0, time.UTC),
				"monthly": time.Date(y, m, 1, 0, 0, 0, 0, time.UTC),
				"yearly":  time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC),
				"last":    s.Start,
			}[rule].Unix()
			if old := newest[begin]; old == nil || s.Start.After(old.Start) {
				newest[begin] = s
			}
		}
		var begins []int64
		for b := range newest {
			begins = append(begins, b)
		}
		slices.Sort(begins)
		slices.Reverse(begins)
		for _, b := range begins[:min(count, len(begins))] {
			stay[newest[b].Name] = true
		}
	}
	var names []string
	for n := range stay {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// The worked examples of restic's manual: twelve Sundays with four dailies; a snapshot a
// day for a hundred years with 7 dailies, 5 weeklies, 12 monthlies and 75 yearlies. Random
// calendars are in TestRetainAgainstAnOracle.
func TestFeature10(t *testing.T) {
	var sundays []*cluster.Snapshot
	for n := range 12 {
		at := when("2014-09-07 11:00").AddDate(0, 0, 7*n)
		sundays = append(sundays, taken(at.Format("2006-01-02"), at, "x"))
	}
	f := policy(func(f *Retain) { f.Daily = number(4) })
	require.Equal(t, map[string]string{
		"2014-11-02": "retained by daily (2014-11-02)", "2014-11-09": "retained by daily (2014-11-09)",
		"2014-11-16": "retained by daily (2014-11-16)", "2014-11-23": "retained by daily (2014-11-23)",
	}, retained(t, f, when("2014-11-23 12:00"), sundays))

	var days []*cluster.Snapshot
	last := when("2026-11-29 01:00") // a Sunday
	for at := last.AddDate(-100, 0, 0); !at.After(last); at = at.AddDate(0, 0, 1) {
		days = append(days, taken(at.Format("2006-01-02"), at, "x"))
	}
	f = policy(func(f *Retain) {
		f.Daily, f.Weekly, f.Monthly, f.Yearly, f.Series = number(7), number(5), number(12), number(75), []string{"*"}
	})
	stay := retained(t, f, last.Add(time.Hour), days)
	rules := map[string]int{}
	for _, why := range stay {
		for _, rule := range []string{"daily", "weekly", "monthly", "yearly"} {
			if strings.Contains(why, rule+" (") {
				rules[rule]++
			}
		}
	}
	require.Equal(t, map[string]int{"daily": 7, "weekly": 5, "monthly": 12, "yearly": 75}, rules)
	// the seven days contain the first of the weeks, months and years; December is a year's end, too
	require.Len(t, stay, 7+4+11+73)
	require.Contains(t, stay, "1952-12-31")
	require.NotContains(t, stay, "1951-12-31")
}

func TestRetainAgainstAnOracle(t *testing.T) {
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai"} {
		z, err := time.LoadLocation(name)
		require.NoError(t, err)
		zones = append(zones, z)
	}
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		zone := zones[r.IntN(len(zones))]
		// the nights on which clocks are changed are in most calendars
		start := time.Date(2026, time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), 0, 0, time.UTC)
		var list []*cluster.Snapshot
		for n := range 1 + r.IntN(150) {
			start = start.Add(time.Duration(1+r.IntN([]int{90, 60 * 26, 60 * 24 * 9}[r.IntN(3)])) * time.Minute)
			s := taken(fmt.Sprintf("s-%s-%04d", "x", n), start, "x")
			if r.IntN(8) == 0 {
				s.State = cluster.Partial
			}
			list = append(list, s)
		}
		f, rules := policy(func(f *Retain) { f.KeepLastCopy = false; f.FailedExpireAfter = 0; f.Series = []string{"*"} }), map[string]int{}
		for rule, p := range map[string]**int64{
			"last":    &f.Last,
			"hourly":  &f.Hourly,
			"daily":   &f.Daily,
			"weekly":  &f.Weekly,
			"monthly": &f.Monthly,
			"yearly":  &f.Yearly,
		} {
			if n := r.IntN(9); n > 0 {
				rules[rule], *p = n, number(int64(n))
			}
		}
		if len(rules) == 0 {
			rules["last"], f.Last = 1, number(1)
		}
		var got []string
		for name, why := range retained(t, f, start.Add(time.Hour).In(zone), list) {
			if len(why) > 11 && why[:11] == "retained by" {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		require.Equal(t, oracle(rules, list, zone), got, "seed %d in %s", seed, zone)
	}
}

// logs are the names of daily indices before a day: what a night's snapshot contains.
func logs(day time.Time, from, to int) []string {
	var names []string
	for d := from; d <= to; d++ {
		names = append(names, "logs-"+day.AddDate(0, 0, -d).Format("2006.01.02"))
	}
	return names
}

// nights are snapshots at 03:00 of today and of the seven days before, of one night after
// the other; edit may change one.
func nights(n int, edit func(night int, s *cluster.Snapshot)) []*cluster.Snapshot {
	var list []*cluster.Snapshot
	for d := range n {
		start := when("2026-01-01 03:00").AddDate(0, 0, d)
		s := taken("logs-"+start.Format("20060102"), start, logs(start, 0, 7)...)
		if edit != nil {
			edit(d, s)
		}
		list = append(list, s)
	}
	return list
}

// ends is the time right after the last of n nights.
func ends(n int) time.Time { return when("2026-01-01 04:00").AddDate(0, 0, n-1) }

func TestCoverIsTheLeastNumber(t *testing.T) {
	for _, n := range []int{1, 7, 8, 15, 60} {
		f := policy(func(f *Retain) { f.Cover = span(400 * 24 * time.Hour) })
		list := nights(n, nil)
		for _, s := range list { // the indices are of the same size in each copy
			s.Sizes = map[string]int64{}
			for _, i := range s.Indices {
				s.Sizes[i] = 1000
			}
		}
		stay := retained(t, f, ends(n), list)
		days := map[string]bool{}
		for _, s := range list {
			for _, i := range s.Indices {
				if stay[s.Name] != "" {
					days[i] = true
				}
			}
		}
		require.Len(t, days, n+7, "every day is held")
		// each snapshot holds seven ended days: the least number for n+6 of them
		require.Len(t, stay, (n+6+6)/7, "%v", stay)
	}
}

func TestCover(t *testing.T) {
	now := ends(60)
	sizes := func(
		list []*cluster.Snapshot,
		of func(night int, index string) int64,
	) func(context.Context, []cluster.Need, []cluster.Item) error {
		return func(_ context.Context, needs []cluster.Need, items []cluster.Item) error {
			if needs[0].Fact != cluster.FactSizes {
				return nil
			}
			for _, s := range cluster.Of[*cluster.Snapshot](items) {
				s.Sizes = map[string]int64{}
				for _, i := range s.Indices {
					s.Sizes[i] = of(slices.Index(list, s), i)
				}
			}
			return nil
		}
	}
	same := func(int, string) int64 { return 1000 }
	judge := func(f *Retain, list []*cluster.Snapshot, of func(int, string) int64) map[string]string {
		require.NoError(t, f.Validate(cluster.Snapshots, nil))
		verdicts, err := f.JudgeAmong(t.Context(), now, cluster.Items(list), cluster.Items(list), sizes(list, of))
		require.NoError(t, err)
		stay := map[string]string{}
		for i, v := range verdicts {
			if v.Match != cluster.Yes {
				stay[list[i].Name] = v.Why
			}
		}
		return stay
	}
	year := func() *Retain { return policy(func(f *Retain) { f.Cover = span(365 * 24 * time.Hour) }) }

	t.Run("a stub that comes after a gap is another index", func(t *testing.T) {
		list := nights(60, func(n int, s *cluster.Snapshot) {
			if n == 20 { // of a day that was deleted nine days ago
				s.Indices = append(s.Indices, "logs-2026.01.04")
				slices.Sort(s.Indices)
			}
		})
		stay := judge(year(), list, same)
		require.Contains(t, stay["logs-20260121"], "logs-2026.01.04", "the stub")
		require.True(t, slices.ContainsFunc(list[3:12], func(s *cluster.Snapshot) bool {
			return stay[s.Name] != "" && s.Holds("logs-2026.01.04")
		}), "the day itself")
	})
	t.Run("a stub that comes in the night of the deletion shows in its size", func(t *testing.T) {
		stub := func(n int, s *cluster.Snapshot) {
			if n == 18 { // logs-2026.01.11 was deleted in the night before, and created again
				s.Indices = append(s.Indices, "logs-2026.01.11")
				slices.Sort(s.Indices)
			}
		}
		list := nights(60, stub)
		stay := judge(year(), list, func(n int, i string) int64 {
			if n == 18 && i == "logs-2026.01.11" {
				return 5
			}
			return 1000
		})
		require.True(t, slices.ContainsFunc(list[11:18], func(s *cluster.Snapshot) bool {
			return stay[s.Name] != "" && s.Holds("logs-2026.01.11")
		}), "%v", stay)
	})
	t.Run("without sizes, the first complete copy stays, too", func(t *testing.T) {
		stay := judge(year(), nights(60, nil), func(int, string) int64 { return 0 })
		require.Contains(t, stay["logs-20260105"], "its size is not known")
	})
	t.Run("PARTIAL nights", func(t *testing.T) {
		list := nights(60, func(n int, s *cluster.Snapshot) {
			if n >= 20 && n < 50 {
				s.State, s.Failures, s.Shards = cluster.Partial, []cluster.ShardFailure{{Index: "broken"}},
					cluster.ShardCount{Total: 9, Successful: 8, Failed: 1}
			}
		})
		stay := judge(year(), list, same)
		days := map[string]bool{}
		for _, s := range list {
			for _, i := range s.Indices {
				days[i] = days[i] || stay[s.Name] != ""
			}
		}
		require.NotContains(t, days, false)
		for d, held := range days {
			require.True(t, held, d)
		}
		require.Empty(t, stay["logs-20260110"], "the good nights before are thinned out")
	})
	t.Run("last copies reach as far as the rules", func(t *testing.T) {
		list := nights(60, nil)
		stay := judge(policy(func(f *Retain) { f.Daily = number(3); f.Monthly = number(1) }), list, same)
		oldest := slices.IndexFunc(list, func(s *cluster.Snapshot) bool { return stay[s.Name] != "" })
		require.True(t, list[oldest].Start.After(when("2026-01-25 00:00")), list[oldest].Name)
		require.Contains(t, stay[list[oldest].Name], "keep_last_copy")
		require.Len(t, judge(policy(func(f *Retain) { f.Daily = number(3); f.KeepLastCopy = false }), list, same), 3)
	})
	t.Run("an index that the cluster still has needs no last copy", func(t *testing.T) {
		list := nights(60, nil)
		live := map[string]*cluster.Index{}
		for _, s := range list {
			for _, i := range s.Indices {
				live[i] = &cluster.Index{Name: i, Created: when("2025-12-01 00:00")}
			}
			s.LiveIndices = live
		}
		require.Len(t, judge(policy(func(f *Retain) { f.Daily = number(3) }), list, same), 3)
		live["logs-2026.02.15"].Created = when("2026-02-28 00:00") // created again after its copies
		stay := judge(policy(func(f *Retain) { f.Monthly = number(1) }), list, same)
		require.Len(t, stay, 2, "%v", stay)
	})
	t.Run("max_age is stronger than all rules but hold", func(t *testing.T) {
		list := nights(60, nil)
		stay := judge(policy(func(f *Retain) {
			f.Cover = span(365 * 24 * time.Hour)
			f.MaxAge = span(48 * time.Hour)
			f.Hold = []string{"logs-20260101"}
		}), list, same)
		require.Len(t, stay, 3)
		younger := policy(func(f *Retain) { f.Cover, f.MaxAge = span(365*24*time.Hour), span(3*24*time.Hour) })
		held := map[string]bool{}
		for name := range judge(younger, list, same) {
			for _, s := range list {
				for _, i := range s.Indices {
					held[i] = held[i] || s.Name == name
				}
			}
		}
		for d := 1; d <= 8; d++ { // all that the last three nights contain
			require.True(t, held["logs-"+now.AddDate(0, 0, -d).Format("2006.01.02")], d)
		}
		require.Equal(t, "retained by hold, although it is older than max_age 2d", stay["logs-20260101"])
	})
}

func TestExpiryOfWhatIsNotGood(t *testing.T) {
	now := when("2026-11-29 12:00")
	good := taken("s-20261128", when("2026-11-28 01:00"), "x")
	failed := taken("s-20261101", when("2026-11-01 01:00"))
	failed.State = cluster.Failed
	fresh := taken("s-20261127", when("2026-11-27 01:00"), "x")
	fresh.State = cluster.Partial
	newest := taken("s-20261129", when("2026-11-29 01:00"), "x")
	newest.State = cluster.Failed
	running := taken("s-20261130", when("2026-11-29 11:00"), "x")
	running.State = cluster.InProgress
	f := policy(func(f *Retain) { f.Last = number(1) })
	require.Equal(t, map[string]string{
		"s-20261128": "retained by last (number 1 of 1)",
		"s-20261127": "it is not good, and not older than failed_expire_after 7d: state is PARTIAL",
		"s-20261129": "it is not good, and not older than failed_expire_after 7d: state is FAILED",
		"s-20261130": "it is running",
	}, retained(t, f, now, []*cluster.Snapshot{failed, fresh, good, newest, running}))
	require.Equal(t, map[string]string{"s-20261101": "it is not good, but no younger snapshot is: state is FAILED"},
		retained(t, f, now, []*cluster.Snapshot{failed}))
}

func TestRetainIsChecked(t *testing.T) {
	for text, set := range map[string]func(f *Retain){
		"retain has no rule":                func(*Retain) {},
		"cover: must be longer than 0":      func(f *Retain) { f.Cover = span(0) },
		"within: 6m is a number of minutes": func(f *Retain) { f.Within = span(6 * time.Minute) },
		"is another name of cover":          func(f *Retain) { f.Cover, f.IndicesWithin = span(1), span(1) },
		"is not a time zone":                func(f *Retain) { f.Last, f.IndexTimezone = number(1), "Mars" },
	} {
		require.ErrorContains(t, policy(set).Validate(cluster.Snapshots, nil), text)
	}
}

// BenchmarkCover judges 5,000 snapshots of 300 days each.
func BenchmarkCover(b *testing.B) {
	begin := when("2012-01-01 03:00")
	names := map[string]string{}
	var list []*cluster.Snapshot
	for n := range 5000 {
		start := begin.AddDate(0, 0, n)
		var held []string
		for d := range 300 {
			name := "logs-" + start.AddDate(0, 0, -d).Format("2006.01.02")
			if names[name] == "" {
				names[name] = name
			}
			held = append(held, names[name])
		}
		list = append(list, taken("logs-"+start.Format("20060102"), start, held...))
	}
	f := policy(func(f *Retain) { f.Cover = span(400 * 24 * time.Hour) })
	require.NoError(b, f.Validate(cluster.Snapshots, nil))
	items := cluster.Items(list)
	now := begin.AddDate(0, 0, 5000)
	b.ReportAllocs()
	for b.Loop() {
		require.Len(b, f.Judge(now, items), 5000)
	}
}
