package guard

import (
	"fmt"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
)

// Periods reads the periods of indices: from the dates in their names, and from those
// that timestrings find there.
type Periods struct {
	Zone *time.Location // of the action, in which dates are read, beside UTC
	Read []func(name string, loc *time.Location) (Read, bool)
}

// Read is what a timestring finds in a name.
type Read struct {
	dates.Span
	End int // where it ends in the name, in bytes
}

// Spans are what the timestrings find in a name.
func (p Periods) Spans(name string) []dates.Span {
	var spans []dates.Span
	for _, read := range p.Read {
		for _, loc := range []*time.Location{time.UTC, p.Zone} {
			if s, ok := read(name, loc); ok {
				spans = append(spans, s.Span)
			}
		}
	}
	return spans
}

// of returns the period of an index.
func (p Periods) of(i *cluster.Index) dates.NamePeriod {
	return dates.PeriodWith(i.Name, i.Created, p.Spans(i.Name), p.Zone)
}

// counts reports whether the digits at the end of a name are a rollover number, and which
// index is the next one. What a timestring reads there is a date.
func (p Periods) counts(name string) (next string, ok bool) {
	next, ok = dates.Generation(name)
	for _, read := range p.Read {
		if r, found := read(name, time.UTC); found && r.End == len(name) {
			return "", false
		}
	}
	return next, ok
}

// live keeps indices that an age filter selected as old although their own period, the
// day, week or month in their name, has not ended: they are still written to.
type live struct {
	periods  Periods
	warnOnly bool // for names whose dates disagree, as Curator deletes them
	exact    []string
}

func newLive(o Options) Guard {
	if o.Periods == nil {
		return nil
	}
	return live{*o.Periods, o.Lenient, o.NamedExactly}
}

func (live) Name() string { return "live" }
func (g live) Judge(now time.Time, selected, all []cluster.Item) []cluster.Verdict {
	var byName map[string]*cluster.Index
	out := make([]cluster.Verdict, len(selected))
	for n, it := range selected {
		out[n] = cluster.Verdict{Match: cluster.No}
		i, ok := it.(*cluster.Index)
		if !ok || slices.Contains(g.exact, i.Name) {
			continue
		}
		next, counted := g.periods.counts(i.Name)
		if counted || i.DataStream != "" {
			if byName == nil {
				byName = cluster.ByName(cluster.Of[*cluster.Index](all))
			}
			if why := notRolled(i, byName[next], now); why != "" {
				out[n] = cluster.Verdict{Match: cluster.Yes, Why: why}
			}
			continue
		}
		p := g.periods.of(i)
		switch {
		case p.End.After(now):
			out[n] = cluster.Verdict{Match: cluster.Yes, Why: "its own period has not ended: it ends " + cluster.Minutes(p.End)}
		case p.Disagree && g.warnOnly:
			out[n] = cluster.Verdict{
				Match: cluster.No,
				Warn:  true,
				Why:   "its name has dates that disagree; it will be deleted by the first one, as Curator does",
			}
		case p.Disagree:
			out[n] = cluster.Verdict{Match: cluster.Yes, Why: "its name has dates that disagree"}
		}
	}
	return out
}

// notRolled is the reason why an index with a rollover number may still be written to;
// empty if it was rolled over to the next index.
func notRolled(i, next *cluster.Index, now time.Time) string {
	at := i.Rolled
	if at.IsZero() && next != nil {
		at = next.Created
	}
	switch {
	case i.DataStreamWriteIndex:
		return fmt.Sprintf("it is the write index of the data stream %s", i.DataStream)
	case i.DataStream != "":
		return "" // only the newest one is written to
	case at.IsZero():
		return "cannot tell whether it was rolled over: the next index does not exist"
	case at.After(now):
		return "it was rolled over later, at " + cluster.Minutes(at)
	}
	return ""
}
