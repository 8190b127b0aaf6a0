package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/restore"
	"github.com/esnap/esnap/internal/series"
	"github.com/esnap/esnap/internal/strftime"
)

// State is what became of the index of one day.
type State string

// The states.
const (
	Held       State = "held"
	HeldLive   State = "held_live"
	Pending    State = "pending"
	Overdue    State = "overdue"
	Incomplete State = "incomplete"
	Lost       State = "lost"
	NoIndex    State = "no_index"
)

// States are all states: the character that stands for each in a calendar, what it means,
// and how bad it is.
var States = []struct {
	State State
	Mark  string
	Text  string
	Words string // after a number of days; empty: a day that is in snapshots
	Level Level
}{
	{Held, "#", "complete copy", "", OK},
	{HeldLive, "=", "complete copy, and in the cluster", "", OK},
	{Pending, "o", "in the cluster, no copy due yet", "not due yet", OK},
	{Overdue, "!", "in the cluster, complete copy overdue", "overdue", Critical},
	{Incomplete, "~", "incomplete copy only", "only in incomplete copies", Critical},
	{Lost, "x", "lost", "lost", Critical}, // seen earlier, and now neither in the cluster nor in a snapshot
	{NoIndex, ".", "no index", "without an index", Warning},
}

// Mark is the character that stands for a state in a calendar.
func (s State) Mark() string {
	for _, x := range States {
		if x.State == s {
			return x.Mark
		}
	}
	return "?"
}

// Calendar is what became of each day of a family of indices.
type Calendar struct {
	Pattern string `json:"index"`
	// Repository is the one that promises to cover the days, if several do.
	Repository string `json:"repository,omitempty"`
	Days       []Day  `json:"days"`

	unit   string // what a period of the name is called
	newest spell  // of the cluster
	of     string // the repository that it is about; empty: all
}

// Title is the family, with the repository if several promise to cover it.
func (c Calendar) Title() string {
	if c.Repository == "" {
		return c.Pattern
	}
	return c.Pattern + " in " + c.Repository
}

// Day is one day of a family. Copies are its copies in snapshots, Complete those that
// are complete.
type Day struct {
	Date     string `json:"date"`
	Index    string `json:"index"`
	State    State  `json:"state"`
	Live     bool   `json:"live"`
	Copies   int    `json:"copies"`
	Complete int    `json:"complete_copies"`
	// Newest is the complete copy that a restore would choose, the newest one unless it is that
	// of an index that was created again later; or else the newest one without missing shards.
	Newest string `json:"newest_copy,omitempty"`
	// Until is until when an incomplete copy may contain the day.
	Until *time.Time `json:"until,omitempty"`
	// Cluster is the cluster that took the copies, if it is another one.
	Cluster string `json:"cluster,omitempty"`
	// Others are further indices of that name, which were created after this one was deleted.
	Others int `json:"further_indices,omitempty"`

	doubt     bool                // the copies may be of several indices
	copies    []*cluster.Snapshot // all that count
	unsettled *cluster.Snapshot   // the newest copy from before the period had ended, without missing shards
}

// grade is how bad a state is.
func (s State) grade(gapsOK bool) Level {
	for _, x := range States {
		if x.State == s && !(s == NoIndex && gapsOK) {
			return x.Level
		}
	}
	return OK
}

// lives are the indices in the snapshots of repositories, by name.
func (k *checker) lives(repositories []Repository) map[string][]coverage.Life {
	lives := map[string][]coverage.Life{}
	for _, r := range repositories {
		keys, groups := series.Group(r.Snapshots, series.Of(nil))
		for _, key := range keys {
			for _, l := range coverage.Lives(groups[key], k.live, k.rules) {
				lives[l.Name] = append(lives[l.Name], l)
			}
		}
	}
	return lives
}

// spell is a period of a name with tokens: as long as the name stays the same.
type spell struct {
	name string
	dates.Span
}

// spells are the periods of a name with tokens, from one time until another, in UTC: by the
// hour if the name has hours.
func spells(pattern string, from, to time.Time) []spell {
	day := from.UTC().Truncate(24 * time.Hour)
	step := func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	if strftime.Render(pattern, day) != strftime.Render(pattern, day.Add(time.Hour)) {
		step = func(t time.Time) time.Time { return t.Add(time.Hour) }
	}
	first := day // the first period may have begun before
	for before := day.AddDate(0, 0, -1); strftime.Render(pattern, before) == strftime.Render(pattern, day) && day.Sub(before) < longest; {
		first, before = before, before.AddDate(0, 0, -1)
	}
	list := []spell{{name: strftime.Render(pattern, day), Span: dates.Span{Start: first}}}
	for t := step(day); ; t = step(t) {
		name, last := strftime.Render(pattern, t), &list[len(list)-1]
		if name == last.name && t.Sub(last.Start) <= longest {
			continue
		}
		last.End = t
		if name == last.name || t.After(to) {
			return list
		}
		list = append(list, spell{name: name, Span: dates.Span{Start: t}})
	}
}

// longest is how long a period may be: a name that does not change for longer has no tokens.
const longest = 400 * 24 * time.Hour

// last is the end of a period in that time zone of the rules in which it ends last.
func (k *checker) last(end time.Time) time.Time {
	latest := end
	for _, zone := range k.rules.Zones {
		if local := time.Date(end.Year(), end.Month(), end.Day(), end.Hour(), 0, 0, 0, zone); local.After(latest) {
			latest = local
		}
	}
	return latest
}

// days makes the calendar of a name with tokens, from a time until today. Unless all is
// true it begins with the first day that is known.
func (k *checker) days(pattern string, lives map[string][]coverage.Life, from time.Time, all bool) Calendar {
	c := Calendar{Pattern: pattern}
	began := all
	for _, p := range spells(pattern, from, k.Now) {
		d := k.day(p, lives[p.name])
		c.unit = unit(p.Span)
		began = began || d.State != NoIndex
		if !began || d.State == NoIndex && k.Now.Sub(p.Start) < 48*time.Hour { // it may still come
			continue
		}
		c.Days = append(c.Days, d)
		if d.Live {
			c.newest = p
		}
	}
	return c
}

// day judges the index of one period.
func (k *checker) day(p spell, lives []coverage.Life) Day {
	d := Day{Date: p.Start.Format("2006-01-02"), Index: p.name}
	i := k.live[p.name]
	d.Live = i != nil && i.Mount == nil
	lives = ofOurs(lives, d.Live)
	end := k.last(p.End)
	var complete, whole *cluster.Snapshot
	numbers, before := map[int]bool{}, false
	for _, l := range lives {
		numbers[l.Number] = true
		d.doubt = d.doubt || l.Late || len(lives) > 1 && l.Dated && l.Copies[0].Snapshot.Start.Sub(l.End) > cluster.LateAfter
		for _, c := range l.Copies {
			if c.Snapshot.StartedAfter(k.Now) { // nobody knows when it was taken
				continue
			}
			if d.Live && !c.Snapshot.MayHold(i) { // of an index that had this name before
				before = true
				continue
			}
			d.Copies++
			d.copies = append(d.copies, c.Snapshot)
			if c.Snapshot.Elsewhere {
				d.Cluster = c.Snapshot.Cluster
			}
			switch {
			case c.Complete() || c.AllShards && !c.Snapshot.Start.Before(end.Add(k.rules.Settle)):
				d.Complete++
				if complete == nil || c.Snapshot.Start.After(complete.Start) {
					complete = c.Snapshot
				}
			case c.AllShards:
				if whole == nil || c.Snapshot.Start.After(whole.Start) {
					whole = c.Snapshot
				}
			}
		}
	}
	if d.Others = max(len(numbers)-1, 0); before {
		d.Others = max(d.Others, 1)
	}
	d.doubt, d.unsettled = d.doubt || d.Others > 0, whole
	due := k.Now.After(end.Add(k.rules.Settle + k.interval() + k.Grace))
	switch {
	case complete != nil:
		d.Newest, d.State = complete.Repository+"/"+complete.Name, Held
		if d.Live {
			d.State = HeldLive
		}
	case d.Live && !due:
		d.State = Pending
	case d.Live:
		d.State = Overdue
	case d.Copies > 0:
		d.State = Incomplete
	case k.Seen[p.name]:
		d.State = Lost
	default:
		d.State = NoIndex
	}
	if complete == nil && whole != nil {
		d.Newest = whole.Repository + "/" + whole.Name
		if whole.Start.Before(end) {
			until := whole.Start.UTC()
			d.Until = &until
		}
	}
	return d
}

// ofOurs are the indices in the snapshots of this cluster. Those of another one count only
// for an index that this cluster neither has nor ever took: a cluster that was built anew
// restores from the snapshots of the lost one.
func ofOurs(lives []coverage.Life, live bool) []coverage.Life {
	ours := slices.DeleteFunc(slices.Clone(lives), func(l coverage.Life) bool { return l.Copies[0].Snapshot.Elsewhere })
	if live || len(ours) > 0 {
		return ours
	}
	return lives
}

// interval is how often snapshots are taken.
func (k *checker) interval() time.Duration {
	if k.MaxAge > 0 {
		return k.MaxAge
	}
	var longest time.Duration
	if k.Plan != nil {
		for _, s := range k.enabled() {
			if a, ok := s.Action.(*actions.Snapshot); ok {
				longest = max(longest, k.every(a))
			}
		}
	}
	if longest == 0 {
		return 24 * time.Hour
	}
	return longest
}

// mostSizes is of how many snapshots a check reads the sizes of indices.
const mostSizes = 40

// choose names the copy that a restore would choose. Where a name was deleted and created
// again, the sizes tell a late document from the index: the day of which only that is left
// after its end is not whole.
func (k *checker) choose(ctx context.Context, days []Day) {
	l := restore.Listings{Server: k.report.Server, ReadOnly: map[string]bool{}}
	for _, r := range k.repositories {
		l.ReadOnly[r.Name] = r.ReadOnly()
	}
	for i := range days {
		d := &days[i]
		first, newest := restore.Rivals(d.Index, d.copies, l)
		if newest == nil || d.State != Held && d.State != HeldLive {
			continue
		}
		chosen, sure := newest, true
		if d.doubt {
			a, b := k.size(ctx, first, d.Index), k.size(ctx, newest, d.Index)
			if sure = first == newest || a > 0 && b > 0; cluster.Recreated(a, b) {
				chosen = first
			}
			if u := d.unsettled; u != nil && cluster.Recreated(k.size(ctx, u, d.Index), k.size(ctx, chosen, d.Index)) {
				until := u.Start.UTC()
				d.State, d.Until = Incomplete, &until
			}
		}
		if d.Newest = chosen.Repository + "/" + chosen.Name; !sure {
			d.Newest = ""
		}
	}
}

// size is the size of an index in a snapshot; 0: not known.
func (k *checker) size(ctx context.Context, s *cluster.Snapshot, index string) int64 {
	if _, read := k.sizes[s]; !read && len(k.sizes) < mostSizes {
		k.sizes[s], _ = k.c.SnapshotSizes(ctx, s.Repository, s.Name) // nil: not known
	}
	return k.sizes[s][index]
}

// calendar adds a calendar, with a finding.
func (k *checker) calendar(ctx context.Context, c Calendar) {
	k.choose(ctx, c.Days)
	k.report.Calendars = append(k.report.Calendars, c)
	count := map[State]int{}
	worst := map[State]string{}
	level := OK
	elsewhere := 0
	for _, d := range c.Days {
		if d.Cluster != "" {
			elsewhere++
		}
		count[d.State]++
		worst[d.State] = d.Index
		level = level.Worse(d.State.grade(k.GapsOK))
	}
	held := count[Held] + count[HeldLive]
	where := k.within()
	if where != "" && c.of != "" {
		where = " in repository " + c.of
	}
	text := fmt.Sprintf("%d of %d %ss are in snapshots%s", held, len(c.Days), c.unit, where)
	if len(c.Days) == 0 {
		k.add(Unknown, "days", c.Title(), "no index of that name is in the cluster or in a snapshot"+where, "")
		return
	}
	if count[NoIndex] == len(c.Days) && k.GapsOK { // a misspelt name
		level = Unknown
	}
	for _, l := range States {
		if n := count[l.State]; n > 0 && l.Words != "" {
			text += fmt.Sprintf("; %d %s, the last is %s", n, l.Words, worst[l.State])
		}
	}
	if elsewhere > 0 {
		text += fmt.Sprintf("; %d only in snapshots that another cluster took", elsewhere)
	}
	if len(k.unread) > 0 {
		text += "; " + strings.Join(k.unread, ", ") + " could not be read"
	}
	k.add(level, "days", c.Title(), text, "")
	if c.newest.name != "" {
		k.old(c.Pattern, c.newest.name, c.newest.Span)
	}
}
