package restore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// A snapshot contains more than indices: data streams, whose backing indices are restored
// with the stream, and features, whose system indices are restored with the feature.

// names lists what the snapshots contain under the names that a request may use:
// indices and data streams, without backing indices of these. System indices are those
// whose names begin with a dot; with dotted only those of features.
func names(list []*cluster.Snapshot, dotted bool) (known, system []string) {
	in, of, featured := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var streams []*regexp.Regexp
	for _, s := range list {
		for _, d := range s.DataStreams {
			if !of[d] {
				of[d] = true
				streams = append(streams, cluster.BackingNames(d))
			}
		}
	}
	for _, s := range list {
		for _, i := range s.Indices {
			in[i] = true
		}
		for _, indices := range s.Features {
			for _, i := range indices {
				featured[i] = true
			}
		}
	}
	for i := range in {
		switch {
		case cluster.IsOwn(i):
		case !cluster.IsDotted(i):
			known = append(known, i)
		case dotted && !featured[i]:
			known = append(known, i)
		case !slices.ContainsFunc(streams, func(r *regexp.Regexp) bool { return r.MatchString(i) }):
			system = append(system, i)
		}
	}
	for d := range of {
		known = append(known, d)
	}
	slices.Sort(known)
	slices.Sort(system)
	return known, system
}

// asksFor reports whether a request names a dotted index: exactly, or by a pattern that
// begins with a dot.
func (r Request) asksFor(name string) bool {
	for _, t := range r.Indices {
		for p := range strings.SplitSeq(t, ",") {
			if p = strings.TrimSpace(p); p == name || strings.HasPrefix(p, ".") && cluster.MatchName(p, name) {
				return true
			}
		}
	}
	return false
}

// Wanted lists the indices and data streams that a request selects out of the snapshots;
// missing are the names and patterns that match nothing. System indices are selected only
// if they are named: a server restores them with their feature, and refuses the whole
// request because of one of them.
func Wanted(r Request, snapshots []*cluster.Snapshot) (wanted, missing []string) {
	eligible := r.eligible(snapshots)
	known, _ := names(eligible, r.Dotted)
	for _, s := range eligible {
		for _, i := range s.Indices {
			if cluster.IsDotted(i) && r.asksFor(i) && !slices.Contains(known, i) {
				known = append(known, i)
			}
		}
	}
	known = slices.DeleteFunc(known, func(n string) bool { return r.Window != nil && !r.Window.Holds(n) })
	if len(r.Indices) == 0 {
		return known, nil
	}
	slices.Sort(known)
	wanted, missing = cluster.ExpandNames(r.Indices, known)
	for _, t := range r.Indices {
		for p := range strings.SplitSeq(t, ",") {
			p = strings.TrimSpace(p)
			if strings.Contains(p, "*") && !strings.HasPrefix(p, "-") &&
				!slices.ContainsFunc(known, func(n string) bool { return cluster.MatchName(p, n) }) {
				missing = append(missing, p)
			}
		}
	}
	return wanted, missing
}

// leftOut warns of system indices that match the request but are not restored.
func (p *Plan) leftOut(r Request, server cluster.Server, eligible []*cluster.Snapshot) {
	_, system := names(eligible, r.Dotted)
	var left []string
	for _, n := range system {
		if r.Window != nil && !r.Window.Holds(n) {
			continue
		}
		if matched, _ := cluster.ExpandNames(r.Indices, []string{n}); (len(r.Indices) == 0 || len(matched) > 0) && !r.asksFor(n) {
			left = append(left, n)
		}
	}
	switch {
	case len(left) == 0 || len(r.FeatureStates) > 0:
	case r.AllFeatures:
		p.Warnings = append(p.Warnings, fmt.Sprintf("with include_global_state the server also restores the features in the snapshot: "+
			"%s replaced, such as %s; feature_states: [none] in extra_settings keeps those of the cluster",
			are(len(left), "system index"), left[0]))
	case server.FeaturesOnly():
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s not restored, "+
			"such as %s: feature_states (--feature-state) restores the features that they belong to", are(len(left), "system index"), left[0]))
	default:
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s not restored, "+
			"such as %s: feature_states (--feature-state) restores the features that they belong to; an exact name restores one of them",
			are(len(left), "system index"), left[0]))
	}
}

func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d system indices are", n)
}

// features adds the requested features, each from the newest good snapshot that contains
// it.
func (p *Plan) features(r Request, eligible []*cluster.Snapshot) {
	for _, f := range r.FeatureStates {
		if f == "none" {
			continue
		}
		at := -1
		for i, s := range eligible {
			if _, has := s.Features[f]; has && restorable(s) {
				at = i
			}
		}
		if at < 0 {
			p.miss("no snapshot contains the feature %s", f)
			continue
		}
		s := eligible[at]
		p.Items = append(p.Items, Item{
			Index: f, Target: f, Repository: s.Repository, Snapshot: s.Name, Started: s.Start, Why: "the newest snapshot that contains the feature",
			Kind: Feature, Members: s.Features[f],
		})
	}
}

// ItemKind is the kind of an item of a plan.
type ItemKind string

// The kinds; an index is the zero value.
const (
	Index       ItemKind = ""
	DataStream  ItemKind = "data stream"
	Feature     ItemKind = "feature"
	GlobalState ItemKind = "global state"
)

// What is the kind as text.
func (k ItemKind) What() string {
	if k == Index {
		return "index"
	}
	return string(k)
}

// Targets are the indices that the item will have in the cluster.
func (it Item) Targets() []string {
	if it.Kind != Index { // of the global state: none
		return it.Members
	}
	return []string{it.Target}
}

// noSnapshot is the message that no searched snapshot contains a name, or only others do.
func (r Request) noSnapshot(name string, all []*cluster.Snapshot) string {
	what := "the index " + name
	if strings.Contains(name, "*") {
		what = "an index " + name
	}
	if r.Snapshot != "" || !r.Before.IsZero() {
		for _, s := range slices.Backward(all) {
			if i := slices.IndexFunc(slices.Concat(s.Indices, s.DataStreams), func(n string) bool { return cluster.MatchName(name, n) }); i >= 0 {
				return fmt.Sprintf("no snapshot allowed by --snapshot and --before contains %s; %s/%s, started %s, contains it",
					what, s.Repository, s.Name, cluster.Minutes(s.Start))
			}
		}
	}
	if strings.ContainsAny(name, "?[]") {
		what += "; only * is a wildcard"
	}
	return "no snapshot contains " + what
}

// sources are the indices of the snapshot that the item consists of.
func (it Item) sources() []string {
	if it.Kind != Index {
		return it.Members
	}
	return []string{it.Index}
}

// From is a snapshot as it is written in the setting cluster.SettingRestoredFrom; a comma
// would make it a list.
func From(r Ref) string { return strings.ReplaceAll(r.Repository+"/"+r.Snapshot, ",", "_") }

// unreadable refuses an index if every complete copy was made by a server whose snapshots
// this server cannot read; false if there is none.
func (p *Plan) unreadable(index string, eligible []*cluster.Snapshot, l Listings) (found bool) {
	for _, s := range slices.Backward(eligible) {
		if can, why := l.Server.CanRead(s.Version); !can && s.HoldsGood(index) {
			p.refuse("snapshot %s cannot be restored here: %s", s.Name, why)
			return true
		}
	}
	return false
}
