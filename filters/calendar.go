package filters

import (
	"fmt"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// period is a unit of the calendar, and the name of the one that a time is in.
type period struct {
	rule string
	of   func(time.Time) string
}

// periods are the calendar rules of retain, the shortest first. Weeks are ISO weeks.
var periods = []period{
	{"hourly", func(t time.Time) string { return t.Format("2006-01-02 15h -0700") }},
	{"daily", func(t time.Time) string { return t.Format(time.DateOnly) }},
	{"weekly", func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprintf("%04d-W%02d", y, w) }},
	{"monthly", func(t time.Time) string { return t.Format("2006-01") }},
	{"yearly", func(t time.Time) string { return t.Format("2006") }},
}

// newestOf are the newest snapshots of the count latest periods that have one. list is
// sorted, the newest first; dates are read in the location.
func (p period) newestOf(count int64, list []*cluster.Snapshot, loc *time.Location) (kept []*cluster.Snapshot, of []string) {
	last := ""
	for _, s := range list {
		name := p.of(s.Start.In(loc))
		if name == last {
			continue
		}
		if int64(len(kept)) == count {
			break
		}
		last = name
		kept, of = append(kept, s), append(of, name)
	}
	return kept, of
}

// reach is how far back count periods reach from now.
func (p period) reach(count int64, now time.Time) time.Duration {
	n := int(min(count, 10_000))
	then := now
	switch p.rule {
	case "hourly":
		return time.Duration(n) * time.Hour
	case "daily":
		then = now.AddDate(0, 0, -n)
	case "weekly":
		then = now.AddDate(0, 0, -7*n)
	case "monthly":
		then = now.AddDate(0, -n, 0)
	case "yearly":
		then = now.AddDate(-n, 0, 0)
	}
	return now.Sub(then)
}
