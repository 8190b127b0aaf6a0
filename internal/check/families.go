package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/series"
)

// users are the indices of the cluster that people made: no system index, and no copy of
// what is in a snapshot, as long as it is protected as one.
func (k *checker) users() []*cluster.Index {
	return slices.DeleteFunc(slices.Clone(k.indices), func(i *cluster.Index) bool {
		copied := i.Mount != nil || i.RestoredFrom != "" && !i.KeepUntil().IsZero() || i.Renamed.Pattern != "" || i.Drill != ""
		if i.DataStream != "" { // its backing indices are hidden, and their names begin with a dot
			return cluster.IsDotted(i.DataStream) || strings.HasPrefix(i.DataStream, serversStream) || copied
		}
		return i.System || i.Hidden || cluster.IsOwn(i.Name) || copied
	})
}

// serversStream begins the name of a data stream that Elasticsearch makes for itself, from 7.9 on.
const serversStream = "ilm-history-"

// family is what an index has in common with others: its name without dates, or its data stream.
func family(i *cluster.Index) string {
	if i.DataStream != "" {
		return "data stream " + i.DataStream
	}
	return series.Family(i.Name)
}

// byFamily groups indices by their families.
func byFamily(indices []*cluster.Index) (families []string, groups map[string][]*cluster.Index) {
	groups = map[string][]*cluster.Index{}
	for _, i := range indices {
		f := family(i)
		groups[f] = append(groups[f], i)
	}
	return slices.Sorted(maps.Keys(groups)), groups
}

// everyFamily checks that each index of the cluster that is due is in a snapshot. What is
// due: an index whose period ended, or that exists, for as long as a snapshot may take to come.
func (k *checker) everyFamily() {
	families, groups := byFamily(k.users())
	for _, f := range families {
		var lacking []string
		due, known := 0, false
		for _, i := range groups[f] {
			known = known || slices.ContainsFunc(k.repositories, func(r Repository) bool {
				return slices.ContainsFunc(r.Snapshots, func(s *cluster.Snapshot) bool { return s.Holds(i.Name) && !s.Elsewhere })
			})
			if !k.due(i) {
				continue
			}
			due++
			if k.copies(i, k.repositories...) < aCopy {
				lacking = append(lacking, i.Name)
			}
		}
		switch {
		case len(lacking) > 0 && len(k.unread) > 0:
			k.add(Unknown, "family", f, fmt.Sprintf("%d of %s that should be in a snapshot may be in %s, which could not be read",
				len(lacking), cluster.Count(due, "index"), strings.Join(k.unread, ", ")), "")
		case len(lacking) > 0 && !known:
			k.add(Warning, "family", f, "no snapshot"+k.within()+" contains any of its "+cluster.Count(len(groups[f]), "index"), "")
		case len(lacking) > 0:
			k.add(Critical, "family", f, fmt.Sprintf("no snapshot%s contains a complete copy of %d of %s that should be in one: %s",
				k.within(), len(lacking), cluster.Count(due, "index"), cluster.Few(lacking)), "")
		case due > 0:
			k.add(OK, "family", f, "snapshots"+k.within()+" contain all that should be in one: "+cluster.Count(due, "index"), "")
		}
	}
}

// due reports whether an index should be in a snapshot by now.
func (k *checker) due(i *cluster.Index) bool {
	late := k.interval() + k.Grace
	if at, ended := coverage.Ended(i, k.live, k.rules); ended {
		return k.Now.After(at.Add(late))
	}
	return k.Now.After(i.Created.Add(late))
}

// copied is what is known of the copies of an index.
type copied int

const (
	noCopy   copied = iota // no copy is complete
	oldCopy                // one has all shards, but it is older than a snapshot may be, and the index may have changed
	aCopy                  // one has all shards, but nothing says that it has all documents
	complete               // one is complete
)

// copies is what is known of the copies of an index in repositories.
func (k *checker) copies(i *cluster.Index, repositories ...Repository) copied {
	best := noCopy
	for _, r := range repositories {
		for _, c := range coverage.Enough(i, r.Snapshots, k.live, k.rules) {
			if c.Snapshot.StartedAfter(k.Now) {
				continue
			}
			if c.Complete() {
				return complete
			}
			if best == noCopy {
				best = oldCopy
			}
			if k.Now.Sub(c.Snapshot.Start) <= k.interval()+k.Grace {
				best = aCopy
			}
		}
	}
	return best
}

// stale warns of families to which no new index came for two periods of their names.
func (k *checker) stale() {
	if k.GapsOK {
		return
	}
	families, groups := byFamily(k.users())
	for _, f := range families {
		var newest dates.Span
		var name string
		several := false
		for _, i := range groups[f] {
			p := dates.PeriodBy(i.Name, i.Created, k.rules.Zones...)
			if p.End.IsZero() || p.Disagree || i.DataStream != "" { // it is rolled over when it is large enough
				continue
			}
			several = several || name != "" && !p.End.Equal(newest.End)
			if p.End.After(newest.End) {
				newest, name = p.Span, i.Name
			}
		}
		if several {
			k.old(f, name, newest)
		}
	}
}

// old warns if the period of a family's newest index ended more than two periods ago.
func (k *checker) old(family, newest string, p dates.Span) {
	if k.GapsOK || k.aged[series.Family(newest)] || k.Now.Sub(p.End) <= 2*p.End.Sub(p.Start) {
		return
	}
	k.aged[series.Family(newest)] = true
	k.add(Warning, "family", family, fmt.Sprintf("the newest index, %s, is of %s: no new one came for two %ss", newest,
		p.Start.Format("2006-01-02"), unit(p)), "")
}

// unit is what a period is called.
func unit(p dates.Span) string {
	switch length := p.End.Sub(p.Start); {
	case length <= 2*time.Hour:
		return "hour"
	case length <= 25*time.Hour:
		return "day"
	case length <= 8*24*time.Hour:
		return "week"
	case length <= 32*24*time.Hour:
		return "month"
	}
	return "year"
}
