package filters

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/series"
)

// Retain matches the snapshots that no rule of it retains (esnap's own filter). One rule
// is enough to stay. The rules count good snapshots only. Each series is judged alone.
type Retain struct {
	Last    *int64 `yaml:"last" check:"min=1" doc:"retain this many newest good snapshots"`
	Hourly  *int64 `yaml:"hourly" check:"min=1" doc:"retain the newest good snapshot of this many latest hours that have one"`
	Daily   *int64 `yaml:"daily" check:"min=1" doc:"the same for days"`
	Weekly  *int64 `yaml:"weekly" check:"min=1" doc:"the same for ISO weeks"`
	Monthly *int64 `yaml:"monthly" check:"min=1" doc:"the same for months"`
	Yearly  *int64 `yaml:"yearly" check:"min=1" doc:"the same for years"`

	Within *time.Duration `yaml:"within" doc:"retain good snapshots that are this much older than the newest good one, or less"`
	Hold   []string       `yaml:"hold" check:"list" doc:"wildcard patterns of snapshots that are retained in any state"`

	Cover         *time.Duration `yaml:"cover" doc:"retain the fewest snapshots that together contain every index whose period ended less than this ago"`
	IndicesWithin *time.Duration `yaml:"indices_within" doc:"another name of cover"`
	KeepLastCopy  bool           `yaml:"keep_last_copy" doc:"retain the last copy of an index that the cluster no longer has, or has without a shard or as a restored copy, as far back as cover or the rules reach"`

	FailedExpireAfter time.Duration  `yaml:"failed_expire_after" doc:"PARTIAL and FAILED snapshots older than this match, if a younger good one contains what they contain"`
	MaxAge            *time.Duration `yaml:"max_age" doc:"every snapshot older than this matches, also the newest good one and the last copy of an index; only hold is stronger"`
	Series            []string       `yaml:"series" check:"list" doc:"wildcard patterns, each one series; default: the option series of the action, or names that differ only in dates"`
	IndexTimezone     string         `yaml:"index_timezone" doc:"time zone of the dates in the names of indices"`
	Settle            time.Duration  `yaml:"settle" doc:"a copy of an index is complete if its snapshot was started this long after the index's period had ended"`

	zone   *time.Location
	series func(*cluster.Snapshot) series.Series
}

func newRetain() Filter {
	return &Retain{KeepLastCopy: true, FailedExpireAfter: 7 * 24 * time.Hour, IndexTimezone: "UTC", Settle: coverage.DefaultSettle}
}

// counts are the calendar rules with their numbers; nil: not asked for.
func (f *Retain) counts() []*int64 {
	return []*int64{f.Hourly, f.Daily, f.Weekly, f.Monthly, f.Yearly}
}

// Validate implements Validator.
func (f *Retain) Validate(list cluster.ListKind, _ map[string]bool) error {
	var errs []error
	for _, d := range []struct {
		key   string
		value *time.Duration
	}{{"within", f.Within}, {"cover", f.Cover}, {"indices_within", f.IndicesWithin}, {"max_age", f.MaxAge}} {
		switch {
		case d.value == nil:
		case *d.value <= 0:
			errs = append(errs, optionError(d.key, "must be longer than 0"))
		case *d.value >= time.Minute && *d.value < time.Hour: // 6m are six months to users of restic
			errs = append(errs, optionError(d.key, cluster.FormatDuration(*d.value)+
				" is a number of minutes, too short for anything; there is no unit for months: write 180d"))
		}
	}
	if f.Cover != nil && f.IndicesWithin != nil {
		errs = append(errs, optionError("indices_within", "is another name of cover; give one of them"))
	}
	if !f.rules() {
		errs = append(errs, optionError("",
			"retain has no rule, so that nothing would be retained; give one of last, hourly, daily, weekly, monthly, yearly, within, hold, cover"))
	}
	zone, err := time.LoadLocation(f.IndexTimezone)
	if err != nil {
		errs = append(errs, optionError("index_timezone", fmt.Sprintf("%q is not a time zone; write a name such as Europe/Berlin",
			f.IndexTimezone)))
	}
	f.zone = zone
	if list == cluster.Snapshots && f.series == nil {
		f.GroupBy(series.Of(f.Series))
	}
	return errors.Join(errs...)
}

func (f *Retain) rules() bool {
	return f.Last != nil || f.Within != nil || f.cover() > 0 || len(f.Hold) > 0 ||
		slices.ContainsFunc(f.counts(), func(n *int64) bool { return n != nil })
}

func (f *Retain) cover() time.Duration {
	for _, d := range []*time.Duration{f.Cover, f.IndicesWithin} {
		if d != nil {
			return *d
		}
	}
	return 0
}

// GroupBy sets which snapshots are one series.
func (f *Retain) GroupBy(series func(*cluster.Snapshot) series.Series) { f.series = series }

// CopyRules say when a copy of an index is complete.
func (f *Retain) CopyRules() coverage.Rules {
	return coverage.Rules{Zones: []*time.Location{f.zone}, Settle: f.Settle}
}

// Covers is how far back the option cover reaches; 0: it is not given.
func (f *Retain) Covers() time.Duration { return f.cover() }

// SeriesPatterns are the patterns of the option series.
func (f *Retain) SeriesPatterns() []string { return f.Series }

// Overdue reports whether the option max_age demands that the snapshot goes.
func (f *Retain) Overdue(now time.Time, s *cluster.Snapshot) bool {
	return f.MaxAge != nil && !s.Start.IsZero() && s.State != cluster.InProgress && now.Sub(s.Start) > *f.MaxAge && !f.held(s)
}

func (f *Retain) held(s *cluster.Snapshot) bool {
	return slices.ContainsFunc(f.Hold, func(p string) bool { return cluster.MatchName(p, s.Name) })
}

// Judge implements Filter: all items pass the filters by name.
func (f *Retain) Judge(now time.Time, items []cluster.Item) []cluster.Verdict {
	verdicts, _ := f.JudgeAmong(context.Background(), now, items, items, func(context.Context, []cluster.Need, []cluster.Item) error {
		return nil
	})
	return verdicts
}

// JudgeAmong implements Comparative.
func (f *Retain) JudgeAmong(ctx context.Context, now time.Time, items, among []cluster.Item, fetch Fetch) ([]cluster.Verdict, error) {
	all := cluster.Of[*cluster.Snapshot](among)
	needs := []cluster.Need{{Fact: cluster.FactAhead}}
	failed := func(s *cluster.Snapshot) bool { return !s.Good() && now.Sub(s.Start) > f.FailedExpireAfter }
	if f.reach(now, nil) > 0 || f.Last != nil || slices.ContainsFunc(all, failed) {
		needs = append(needs, cluster.Need{Fact: cluster.FactContents}, cluster.Need{Fact: cluster.FactLive})
	}
	if err := fetch(ctx, needs, cluster.Items(all)); err != nil {
		return nil, err
	}
	_, series := series.Group(all, f.series)
	selected := map[*cluster.Snapshot]bool{}
	for _, s := range cluster.Of[*cluster.Snapshot](items) {
		selected[s] = true
	}
	verdicts := map[*cluster.Snapshot]cluster.Verdict{}
	for _, list := range series {
		if !slices.ContainsFunc(list, func(s *cluster.Snapshot) bool { return selected[s] }) {
			continue
		}
		j := judgement{f: f, now: now, list: coverage.Ordered(list), selected: selected, reasons: map[*cluster.Snapshot][]string{}}
		if err := j.judge(ctx, fetch); err != nil {
			return nil, err
		}
		for _, s := range list {
			v := j.verdict(s)
			if v.Match != cluster.Yes {
				v.Kept = cluster.KeptRetained
			}
			verdicts[s] = v
		}
	}
	return judgeEach(items, func(s *cluster.Snapshot) cluster.Verdict { return verdicts[s] }), nil
}

// reach is how far back copies of indices are kept: as far as cover, or else as the longest
// rule reaches; 0 if nothing asks for it. good are the good snapshots, the newest first.
func (f *Retain) reach(now time.Time, good []*cluster.Snapshot) time.Duration {
	if d := f.cover(); d > 0 {
		return d
	}
	if !f.KeepLastCopy {
		return 0
	}
	var longest time.Duration
	for i, n := range f.counts() {
		if n != nil {
			longest = max(longest, periods[i].reach(*n, now))
		}
	}
	if f.Within != nil {
		longest = max(longest, *f.Within)
	}
	if n := f.Last; n != nil && len(good) > 0 {
		if int64(len(good)) < *n { // until there are as many, nothing is too old
			return math.MaxInt64
		}
		longest = max(longest, now.Sub(good[*n-1].Start))
	}
	return longest
}

// judgement judges one series.
type judgement struct {
	f        *Retain
	now      time.Time
	list     []*cluster.Snapshot // oldest first
	selected map[*cluster.Snapshot]bool
	reasons  map[*cluster.Snapshot][]string // why good ones are retained
	lives    []coverage.Life                // indices of which a copy must stay
	counting []coverage.Life                // those whose complete copies a snapshot that is not good keeps
	newest   *cluster.Snapshot              // the newest good one
}

func (j *judgement) retain(s *cluster.Snapshot, format string, args ...any) {
	j.reasons[s] = append(j.reasons[s], fmt.Sprintf(format, args...))
}

func (j *judgement) kept(s *cluster.Snapshot) bool { return len(j.reasons[s]) > 0 }

func (j *judgement) judge(ctx context.Context, fetch Fetch) error {
	var good []*cluster.Snapshot // the newest first
	for _, s := range slices.Backward(j.list) {
		if j.f.held(s) {
			j.retain(s, "hold")
		}
		if s.Good() && !s.Ahead {
			good = append(good, s)
		}
	}
	if len(good) > 0 {
		j.newest = good[0]
	}
	if n := j.f.Last; n != nil {
		for i, s := range good[:min(len(good), int(min(*n, 1<<30)))] {
			j.retain(s, "last (number %d of %d)", i+1, *n)
		}
	}
	for i, n := range j.f.counts() {
		if n == nil {
			continue
		}
		kept, of := periods[i].newestOf(*n, good, j.now.Location())
		for k, s := range kept {
			j.retain(s, "%s (%s)", periods[i].rule, of[k])
		}
	}
	if d := j.f.Within; d != nil {
		for _, s := range good {
			if j.newest.Start.Sub(s.Start) <= *d {
				j.retain(s, "within %s", cluster.FormatDuration(*d))
			}
		}
	}
	return j.cover(ctx, good, fetch)
}

// cover retains what is needed to keep a copy of each index.
func (j *judgement) cover(ctx context.Context, good []*cluster.Snapshot, fetch Fetch) error {
	if len(j.list) == 0 || !slices.ContainsFunc(j.list, func(s *cluster.Snapshot) bool { return s.HasContents }) {
		return nil
	}
	reach := j.f.reach(j.now, good)
	rule := "keep_last_copy"
	if d := j.f.cover(); d > 0 {
		rule = "cover " + cluster.FormatDuration(d)
	}
	// What max_age deletes is no copy for anything.
	lasting := slices.DeleteFunc(slices.Clone(j.list), func(s *cluster.Snapshot) bool { return j.f.Overdue(j.now, s) })
	live, covers := j.list[0].LiveIndices, j.f.cover() > 0
	lives := coverage.Lives(lasting, live, j.f.CopyRules())
	j.lives, j.counting = make([]coverage.Life, 0, len(lives)), make([]coverage.Life, 0, len(lives))
	for _, l := range lives {
		stays := j.now.Sub(l.End) < reach && (covers || !l.Live)
		if stays {
			j.lives = append(j.lives, l)
		}
		// What the cluster has may be deleted from it next; the rest counts as far as the rules reach.
		if stays || !covers && live[l.Name] != nil {
			j.counting = append(j.counting, l)
		}
	}
	for s, names := range coverage.Cover(j.lives, j.kept) {
		j.retain(s, "%s (%s)", rule, needed(names))
	}
	return j.first(ctx, fetch, rule)
}

// first retains the first complete copy of an index, too, unless the one that is kept is
// known to be of the same index. An index that was deleted and created again between two
// snapshots by a late document shows only in its size.
func (j *judgement) first(ctx context.Context, fetch Fetch, rule string) error {
	type doubt struct {
		name        string
		first, kept *cluster.Snapshot
	}
	var doubts []doubt
	var sized []cluster.Item
	for _, l := range j.lives {
		list := l.Counting()
		first := list[0].Snapshot
		if len(list) == 1 || j.kept(first) || !j.selected[first] {
			continue
		}
		for _, c := range slices.Backward(list) {
			if j.kept(c.Snapshot) {
				doubts = append(doubts, doubt{l.Name, first, c.Snapshot})
				sized = append(sized, first, c.Snapshot)
				break
			}
		}
	}
	if len(doubts) == 0 {
		return nil
	}
	if err := fetch(ctx, []cluster.Need{{Fact: cluster.FactSizes}}, sized); err != nil {
		return err
	}
	for _, d := range doubts {
		a, b := d.first.Sizes[d.name], d.kept.Sizes[d.name]
		switch {
		case j.kept(d.first):
		case a == 0 || b == 0:
			j.retain(d.first, "%s (the first complete copy of %s: its size is not known, "+
				"nor whether %s contains the same index)", rule, d.name, d.kept.Name)
		case cluster.Recreated(a, b):
			j.retain(d.first, "%s (the first complete copy of %s: that in %s has only %s of %s, "+
				"because the index was deleted and created again)", rule, d.name, d.kept.Name, humanize.IBytes(uint64(b)), humanize.IBytes(uint64(a)))
		}
	}
	return nil
}

func (j *judgement) verdict(s *cluster.Snapshot) cluster.Verdict {
	switch {
	case s.State == cluster.InProgress:
		return no("it is running")
	case s.Start.IsZero():
		return unknown("the server does not report when it was started")
	case j.f.held(s) && j.f.MaxAge != nil && j.now.Sub(s.Start) > *j.f.MaxAge:
		return cluster.Verdict{
			Match: cluster.No,
			Warn:  true,
			Why:   "retained by hold, although it is older than max_age " + cluster.FormatDuration(*j.f.MaxAge),
		}
	case j.f.Overdue(j.now, s):
		return yes("it is older than max_age " + cluster.FormatDuration(*j.f.MaxAge))
	case s.Ahead:
		return no("it was started in the future")
	case j.kept(s):
		return no("retained by " + strings.Join(j.reasons[s], ", "))
	case s.Good():
		return yes("no rule retains it")
	}
	return j.expired(s)
}

// expired judges a snapshot that is not good and that nothing retains.
func (j *judgement) expired(s *cluster.Snapshot) cluster.Verdict {
	after := j.f.FailedExpireAfter
	if j.now.Sub(s.Start) <= after {
		return no(fmt.Sprintf("it is not good, and not older than failed_expire_after %s: %s", cluster.FormatDuration(after), s.WhyNotGood()))
	}
	if j.newest == nil || !j.newest.Start.After(s.Start) {
		return no("it is not good, but no younger snapshot is: " + s.WhyNotGood())
	}
	var only []string
	for _, l := range j.counting {
		ours, held := l.In(s)
		if !held || !ours.AllShards {
			continue
		}
		if !slices.ContainsFunc(l.Copies, func(c coverage.Copy) bool {
			return c.AllShards && (c.Ended || !ours.Ended) && c.Snapshot.Good() && j.kept(c.Snapshot)
		}) {
			only = append(only, l.Name)
		}
	}
	if len(only) > 0 {
		return no("it is not good, but no good snapshot that is kept contains " + needed(only))
	}
	return yes("it is not good, and older than failed_expire_after " + cluster.FormatDuration(after))
}

// needed names the first of some indices, and counts them.
func needed(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
}
