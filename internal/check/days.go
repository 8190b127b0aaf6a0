package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/dates"
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
	Days    []Day  `json:"days"`
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
	// Newest is the newest complete copy, or else the newest one without missing shards.
	Newest string `json:"newest_copy,omitempty"`
	// Until is until when an incomplete copy may contain the day.
	Until *time.Time `json:"until,omitempty"`
	// Others are further indices of that name, which were created after this one was deleted.
	Others int `json:"further_indices,omitempty"`
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
			for _, l := range coverage.Lives(groups[key], k.live, k.Rules) {
				lives[l.Name] = append(lives[l.Name], l)
			}
		}
	}
	return lives
}

// days makes the calendar of a name with tokens, from a time until today. Unless all is
// true it begins with the first day that is known.
func (k *checker) days(pattern string, lives map[string][]coverage.Life, from time.Time, all bool) Calendar {
	c := Calendar{Pattern: pattern}
	began := all
	last := ""
	for t := from.UTC().Truncate(24 * time.Hour); !t.After(k.Now.UTC()); t = t.AddDate(0, 0, 1) {
		name := strftime.Render(pattern, t)
		if name == last { // the pattern has longer periods
			continue
		}
		last = name
		d := k.day(name, t, lives[name])
		began = began || d.State != NoIndex
		if !began || d.State == NoIndex && k.Now.Sub(t) < 48*time.Hour { // it may still come
			continue
		}
		c.Days = append(c.Days, d)
	}
	return c
}

func (k *checker) day(name string, t time.Time, lives []coverage.Life) Day {
	d := Day{Date: t.Format("2006-01-02"), Index: name}
	i := k.live[name]
	d.Live = i != nil && i.Mount == nil
	var complete, whole *cluster.Snapshot
	numbers := map[int]bool{}
	for _, l := range lives {
		numbers[l.Number] = true
		for _, c := range l.Copies {
			d.Copies++
			switch {
			case c.Complete():
				d.Complete++
				if complete == nil || c.Snapshot.Start.After(complete.Start) {
					complete = c.Snapshot
				}
			case c.Whole:
				if whole == nil || c.Snapshot.Start.After(whole.Start) {
					whole = c.Snapshot
				}
			}
		}
	}
	d.Others = max(len(numbers)-1, 0)
	_, end, dated := dates.Period(name)
	due := !dated || k.Now.After(end.Add(k.Rules.Settle+k.interval()+k.Grace))
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
	case k.Seen[name]:
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

// calendar adds a calendar, with a finding.
func (k *checker) calendar(c Calendar) {
	k.report.Calendars = append(k.report.Calendars, c)
	count := map[State]int{}
	worst := map[State]string{}
	level := OK
	for _, d := range c.Days {
		count[d.State]++
		worst[d.State] = d.Index
		level = level.Worse(d.State.grade(k.GapsOK))
	}
	held := count[Held] + count[HeldLive]
	text := fmt.Sprintf("%d of %d days are in snapshots", held, len(c.Days))
	if len(c.Days) == 0 {
		k.add(Unknown, "days", c.Pattern, "no index of that name is in the cluster or in a snapshot", "")
		return
	}
	for _, l := range States {
		if n := count[l.State]; n > 0 && l.Words != "" {
			text += fmt.Sprintf("; %d %s, the last is %s", n, l.Words, worst[l.State])
		}
	}
	k.add(level, "days", c.Pattern, text, "")
	k.newest(c)
}

// newest warns of a family without a new index for two days.
func (k *checker) newest(c Calendar) {
	for _, d := range slices.Backward(c.Days) {
		if !d.Live {
			continue
		}
		if t, err := time.Parse("2006-01-02", d.Date); err == nil && k.Now.Sub(t) > 3*24*time.Hour {
			k.add(Warning, "family", c.Pattern, "the newest index, "+d.Index+", is of "+d.Date+": no new one came for two days", "")
		}
		return
	}
}
