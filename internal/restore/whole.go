package restore

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/series"
)

// A whole cluster is brought back from the newest good snapshot of each series: first the
// global state, since templates come before what they are for, then indices and data
// streams, and last the features, since one of them has the users.

// newestOfSeries are the newest good snapshots of each series of each repository that this
// server can read, oldest first. The warnings say of which series newer snapshots are not
// used, and which ended long before the others.
func newestOfSeries(list []*cluster.Snapshot, here cluster.Server) (newest []*cluster.Snapshot, warnings []string) {
	type place struct{ repository, key string }
	of := series.OfAnyCluster(nil) // one that was built anew goes on with the series of the lost one
	good, later := map[place]*cluster.Snapshot{}, map[place]int{}
	var last time.Time
	for _, s := range list { // oldest first
		key := place{s.Repository, of(s).Key}
		if can, _ := here.CanRead(s.Version); !can || !s.Good() {
			later[key]++
			continue
		}
		good[key], later[key] = s, 0
		last = s.Start
	}
	for _, s := range list {
		key := place{s.Repository, of(s).Key}
		if good[key] != s {
			continue
		}
		newest = append(newest, s)
		if n := later[key]; n > 0 {
			warnings = append(warnings, fmt.Sprintf("%s/%s is the newest good snapshot of its series; %s after it cannot be used",
				s.Repository, s.Name, cluster.Count(n, "snapshot")))
		}
		if age := last.Sub(s.Start); age > 7*24*time.Hour {
			warnings = append(warnings, fmt.Sprintf("%s/%s is the newest good snapshot of its series, but %d days older than the newest of all; "+
				"what it alone contains may have been deleted on purpose", s.Repository, s.Name, int(age.Hours()/24)))
		}
	}
	return newest, warnings
}

// whole adds to the plan of a whole cluster what is not an index, and checks that it is
// for an empty server.
func (p *Plan) whole(r Request, l Listings, eligible []*cluster.Snapshot) {
	if there := l.ofUsers(); len(there) > 0 {
		p.Forcible = append(p.Forcible,
			fmt.Sprintf("the server is not empty: it has %s, such as %s; a whole cluster is restored into an empty server",
				cluster.Count(len(there), "index"), there[0]))
	}
	from := map[string]bool{}
	for _, s := range eligible {
		if s.Cluster != "" {
			from[s.Cluster] = true
		}
	}
	if len(from) > 1 {
		p.Forcible = append(p.Forcible, fmt.Sprintf("the snapshots are of %d clusters: %s; --repository or --snapshot restores only one of them",
			len(from), strings.Join(slices.Sorted(maps.Keys(from)), ", ")))
	}
	at := -1
	for i, s := range eligible {
		if s.GlobalState {
			at = i
		}
	}
	if at < 0 {
		p.Warnings = append(p.Warnings, "no snapshot contains the global state: templates, pipelines and persistent settings are not restored")
	} else {
		s := eligible[at]
		p.Items = append(p.Items, Item{
			Index: string(GlobalState), Target: string(GlobalState), Repository: s.Repository, Snapshot: s.Name, Started: s.Start,
			Why: "the newest snapshot that contains the global state", Kind: GlobalState,
		})
		p.Warnings = append(p.Warnings, "the templates and persistent settings in the snapshot replace those of the server")
	}
	if slices.ContainsFunc(p.Items, func(it Item) bool { return it.Kind == Feature && it.Index == "security" }) {
		p.Warnings = append(p.Warnings, "the feature security replaces users and roles: the credentials of this run may not work afterwards")
	}
	rank := func(it Item) int {
		return slices.Index([]ItemKind{GlobalState, DataStream, Index, Feature}, it.Kind)
	}
	cluster.Sort(p.Items, func(a, b Item) int { return rank(a) - rank(b) })
}

// allFeatures are the names of the features in the snapshots.
func allFeatures(list []*cluster.Snapshot) []string {
	names := map[string]bool{}
	for _, s := range list {
		for f := range s.Features {
			names[f] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ofServer reports whether an index is one that a server has by itself: a system index, a
// hidden one, or one of a data stream of the server's own history.
func ofServer(i *cluster.Index) bool {
	if i.DataStream != "" {
		return cluster.IsDotted(i.DataStream) || strings.HasPrefix(i.DataStream, "ilm-history-")
	}
	return i.System || i.Hidden || cluster.IsDotted(i.Name)
}

// ofUsers are the names of the indices that are not the server's own.
func (l Listings) ofUsers() (names []string) {
	for _, i := range l.Indices {
		if !ofServer(i) {
			names = append(names, i.Name)
		}
	}
	return names
}

// hasOwn reports whether the server has an index or data stream of this name by itself.
func (l Listings) hasOwn(it *Item) bool {
	return slices.ContainsFunc(l.Indices, func(i *cluster.Index) bool {
		return ofServer(i) && (i.Name == it.Target || i.DataStream == it.Target || i.HasAlias(it.Target))
	})
}

// withoutBacking leaves out the backing indices of data streams, which are restored with
// their stream.
func withoutBacking(names []string, list []*cluster.Snapshot) []string {
	backing := map[string]bool{}
	for _, s := range list {
		for _, d := range s.DataStreams {
			for _, i := range s.Backing(d) {
				backing[i] = true
			}
		}
	}
	return slices.DeleteFunc(names, func(n string) bool { return backing[n] })
}
