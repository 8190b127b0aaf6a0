// Package restore decides, before anything is written, what a restore would do:
// which snapshot each index is taken from and why, what it will be called, what is
// in the way. It is pure: listings, a request and the time go in, a Plan comes out.
package restore

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/pyregex"
)

// Conflict says what to do when a target's name is taken.
type Conflict string

// The ways out of a conflict. Server leaves it to the server, as Curator does.
const (
	Fail   Conflict = "fail"
	Skip   Conflict = "skip"
	Rename Conflict = "rename"
	Server Conflict = "server"
)

// Latest as a snapshot's name means the newest good one.
const Latest = "latest"

// DefaultPrefix names restored indices whose own name is taken.
const DefaultPrefix = "restored-"

// Request is what is asked for.
type Request struct {
	Indices       []string  // names or patterns; empty means all of the snapshot named
	Snapshot      string    // a name, Latest, or empty: the best for each index
	Before        time.Time // only snapshots started before; zero is no bound
	Pattern       string    // rename pattern in the server's syntax; empty keeps names
	Replacement   string
	OnConflict    Conflict
	Partial       bool // also take copies that lack shards
	GlobalState   bool
	KeepUntil     time.Time // mark the indices to be kept; zero is no mark
	IgnoreMissing bool
	Replicas      int // that the targets will have, for the space they need
}

// Listings is what the cluster holds.
type Listings struct {
	Snapshots []*cluster.Snapshot // of every repository in question, with contents
	Indices   []*cluster.Index
	Running   []cluster.Operation
	Server    cluster.Server
	Capacity  *cluster.Capacity // nil: not asked
	// Sizes are the bytes of each index in a snapshot, by Ref; nil entries are not known.
	Sizes map[Ref]map[string]int64
}

// Ref names a snapshot in its repository.
type Ref struct{ Repository, Snapshot string }

// Plan is what would be done.
type Plan struct {
	Items     []Item    `json:"items"`
	Bytes     int64     `json:"bytes"`      // of the items whose size is known
	SizeKnown bool      `json:"size_known"` // all are known
	Free      int64     `json:"free_bytes"` // on the data nodes, 0 if not asked
	KeepUntil time.Time `json:"keep_until,omitzero"`
	Warnings  []string  `json:"warnings"`
	// Refusals stop the plan; those in Forcible only without force.
	Refusals []string `json:"refusals"`
	Missing  []string `json:"missing"` // what was named and no snapshot holds
	Forcible []string `json:"forcible"`
}

// Item is one index of a plan.
type Item struct {
	Index       string    `json:"index"`
	Target      string    `json:"target"`
	Repository  string    `json:"repository"`
	Snapshot    string    `json:"snapshot"`
	Started     time.Time `json:"snapshot_started"`
	Bytes       int64     `json:"bytes"` // 0 if not known
	Why         string    `json:"why"`   // this snapshot
	Skipped     string    `json:"skipped,omitempty"`
	Lacking     bool      `json:"lacking,omitempty"` // the copy lacks shards
	Attach      bool      `json:"attach,omitempty"`  // it is being restored already: only wait
	Pattern     string    `json:"-"`
	Replacement string    `json:"-"`
}

// Group is the items that one request restores.
type Group struct {
	Ref
	Pattern, Replacement string
	Items                []Item
}

// Groups puts the items that are to be restored into requests, in plan order.
func (p *Plan) Groups() []Group {
	var groups []Group
	for _, it := range p.Items {
		if it.Skipped != "" || it.Attach {
			continue
		}
		at := slices.IndexFunc(groups, func(g Group) bool {
			return g.Repository == it.Repository && g.Snapshot == it.Snapshot && g.Pattern == it.Pattern && g.Replacement == it.Replacement
		})
		if at < 0 {
			groups = append(groups, Group{Ref: Ref{it.Repository, it.Snapshot}, Pattern: it.Pattern, Replacement: it.Replacement})
			at = len(groups) - 1
		}
		groups[at].Items = append(groups[at].Items, it)
	}
	return groups
}

// Wanted lists the indices a request means, out of all that the snapshots hold;
// missing are the concrete names that none holds.
func Wanted(r Request, snapshots []*cluster.Snapshot) (wanted, missing []string) {
	held := map[string]bool{}
	for _, s := range r.eligible(snapshots) {
		for _, i := range s.Indices {
			held[i] = true
		}
	}
	known := make([]string, 0, len(held))
	for i := range held {
		known = append(known, i)
	}
	slices.Sort(known)
	if len(r.Indices) == 0 {
		return known, nil
	}
	return cluster.ExpandNames(r.Indices, known)
}

// eligible narrows the snapshots to those the request allows.
func (r Request) eligible(list []*cluster.Snapshot) []*cluster.Snapshot {
	var out []*cluster.Snapshot
	for _, s := range list {
		if s.State == cluster.InProgress || !r.Before.IsZero() && !s.Start.Before(r.Before) {
			continue
		}
		if r.Snapshot != "" && r.Snapshot != Latest && s.Name != r.Snapshot {
			continue
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b *cluster.Snapshot) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// rivals are the first and the newest good copy of an index taken after its
// period ended; both nil when there is none.
func (r Request) rivals(index string, eligible []*cluster.Snapshot) (first, newest *cluster.Snapshot) {
	_, end, dated := cluster.Period(index)
	for _, s := range eligible {
		if !s.HoldsGood(index) || dated && s.Start.Before(end) {
			continue
		}
		if first == nil {
			first = s
		}
		newest = s
	}
	return first, newest
}

// SizesNeeded lists the snapshots whose index sizes decide between copies, or are
// restored: those Make should know.
func SizesNeeded(r Request, snapshots []*cluster.Snapshot) []Ref {
	var refs []Ref
	add := func(s *cluster.Snapshot) {
		if s == nil || s.Assumed {
			return
		}
		if ref := (Ref{s.Repository, s.Name}); !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	eligible := r.eligible(snapshots)
	wanted, _ := Wanted(r, snapshots)
	for _, index := range wanted {
		first, newest := r.rivals(index, eligible)
		add(newest)
		if r.Snapshot == "" {
			add(first)
		}
	}
	return refs
}

// shrunk is how much smaller a newer copy may be than the first before it counts
// as the stub of an index that was made anew.
const shrunk = 0.95

// choose picks the snapshot of one index; why is empty when there is none.
func (r Request) choose(index string, eligible []*cluster.Snapshot, sizes map[Ref]map[string]int64) (s *cluster.Snapshot, why string, warning string) {
	start, end, dated := cluster.Period(index)
	if r.Snapshot != "" && r.Snapshot != Latest {
		return r.named(index, eligible)
	}
	size := func(s *cluster.Snapshot) int64 { return sizes[Ref{s.Repository, s.Name}][index] }
	first, newest := r.rivals(index, eligible)
	if newest != nil {
		switch {
		case !dated:
			return newest, "the newest good copy", ""
		case first == newest:
			return newest, fmt.Sprintf("the only good copy taken after its period ended (%s)", stamp(end)), ""
		case r.Snapshot != Latest && size(first) > 0 && size(newest) > 0 && float64(size(newest)) < shrunk*float64(size(first)):
			return first, fmt.Sprintf("the first good copy taken after its period ended (%s); the newest, in %s, has only %s of %s bytes: the index was made anew meanwhile",
				stamp(end), newest.Name, group(size(newest)), group(size(first))), ""
		default:
			return newest, fmt.Sprintf("the newest good copy taken after its period ended (%s)", stamp(end)), ""
		}
	}
	for _, s := range slices.Backward(eligible) {
		if !s.HoldsGood(index) {
			continue
		}
		part := "nothing"
		if held := s.Start.Sub(start); held > 0 {
			part = fmt.Sprintf("%.0f %% of its period", 100*held.Hours()/end.Sub(start).Hours())
		}
		return s, "the newest good copy there is, though taken before its period ended",
			fmt.Sprintf("%s: the best copy was taken %s, before the index's period ended (%s); it can hold at most %s", index, stamp(s.Start), stamp(end), part)
	}
	if r.Partial {
		for _, s := range slices.Backward(eligible) {
			if s.Holds(index) && restorable(s) {
				return s, "the newest copy there is; it lacks shards", fmt.Sprintf("%s: every copy lacks shards; the newest is taken because partial copies are allowed", index)
			}
		}
	}
	return nil, "", ""
}

// restorable says whether servers restore from the snapshot at all: they refuse
// FAILED ones, whatever they hold.
func restorable(s *cluster.Snapshot) bool {
	return s.State == cluster.Success || s.State == cluster.Partial
}

// named is the index in the snapshot an operator named.
func (r Request) named(index string, eligible []*cluster.Snapshot) (*cluster.Snapshot, string, string) {
	start, end, dated := cluster.Period(index)
	for _, s := range slices.Backward(eligible) {
		if !s.Holds(index) {
			continue
		}
		var warning string
		switch {
		case !s.HoldsGood(index) && !(r.Partial && restorable(s)):
			continue
		case !s.HoldsGood(index):
			warning = fmt.Sprintf("%s: its copy in %s lacks shards", index, s.Name)
		case dated && s.Start.Before(end):
			held := max(s.Start.Sub(start), 0)
			warning = fmt.Sprintf("%s: snapshot %s was taken %s, before the index's period ended (%s); it can hold at most %.0f %% of it; without --snapshot the first good one after it is chosen",
				index, s.Name, stamp(s.Start), stamp(end), 100*held.Hours()/end.Sub(start).Hours())
		case s.State == cluster.Partial:
			warning = fmt.Sprintf("snapshot %s is PARTIAL; its copy of %s is whole", s.Name, index)
		}
		return s, "the snapshot was named", warning
	}
	return nil, "", ""
}

// Make plans. Names that nothing holds, copies that cannot be used and conflicts
// become refusals: the plan says all of them at once.
func Make(r Request, l Listings) *Plan {
	p := &Plan{SizeKnown: true, KeepUntil: r.KeepUntil, Warnings: []string{}, Refusals: []string{}, Missing: []string{}, Forcible: []string{}}
	eligible := r.eligible(l.Snapshots)
	if r.Snapshot != "" && r.Snapshot != Latest && len(eligible) == 0 {
		p.miss("there is no finished snapshot %s%s", r.Snapshot, nearest(r.Snapshot, cluster.Names(l.Snapshots)))
		return p
	}
	wanted, missing := Wanted(r, l.Snapshots)
	for _, m := range missing {
		if !r.IgnoreMissing {
			p.miss("no snapshot holds the index %s%s", m, nearest(m, allIndices(eligible)))
		}
	}
	var rename *pyregex.Regexp
	if r.Pattern != "" {
		var err error
		if rename, err = pyregex.CompileServer(r.Pattern); err != nil {
			p.refuse("rename pattern: %s", err)
			return p
		}
	}
	for _, index := range wanted {
		s, why, warning := r.choose(index, eligible, l.Sizes)
		if s == nil {
			p.refuse("no good copy of %s is held: %s", index, copies(index, eligible))
			continue
		}
		if warning != "" {
			p.Warnings = append(p.Warnings, warning)
		}
		it := Item{Index: index, Target: index, Repository: s.Repository, Snapshot: s.Name, Started: s.Start, Why: why, Lacking: !s.HoldsGood(index), Pattern: r.Pattern, Replacement: r.Replacement}
		if ok, why := l.Server.CanRead(s.Version); !ok {
			p.refuse("snapshot %s cannot be restored here: %s", s.Name, why)
		}
		if rename != nil {
			target, err := rename.ReplaceAll(index, r.Replacement)
			if err != nil {
				p.refuse("rename %s: %s", index, err)
			}
			it.Target = target
		}
		var known bool
		if it.Bytes, known = l.Sizes[Ref{s.Repository, s.Name}][index]; !known {
			p.SizeKnown = false
		}
		p.Items = append(p.Items, it)
	}
	p.settle(r, l)
	if r.GlobalState {
		p.Warnings = append(p.Warnings, "include_global_state brings back templates and persistent settings of the night of the snapshot over today's")
	}
	p.space(r, l)
	p.Refusals, p.Warnings = slices.Compact(p.Refusals), slices.Compact(p.Warnings)
	return p
}

func (p *Plan) miss(format string, args ...any) {
	p.Missing = append(p.Missing, fmt.Sprintf(format, args...))
}

func (p *Plan) refuse(format string, args ...any) {
	p.Refusals = append(p.Refusals, fmt.Sprintf(format, args...))
}

// settle finds what is in the way of each target and resolves it as asked.
func (p *Plan) settle(r Request, l Listings) {
	taken := map[string]string{}
	for _, i := range l.Indices {
		taken[i.Name] = "an index of that name is there"
		for _, a := range i.Aliases {
			taken[a] = "an alias of that name is there, on " + i.Name
		}
		if i.DataStream != "" {
			taken[i.DataStream] = "a data stream of that name is there"
		}
	}
	ours := map[string]string{}
	for n := range p.Items {
		it := &p.Items[n]
		if why := invalid(it.Target); why != "" {
			p.refuse("%s would be restored as %q: %s", it.Index, it.Target, why)
		}
		restoring := func(target string) bool {
			return slices.ContainsFunc(l.Running, func(o cluster.Operation) bool {
				return o.Kind == cluster.OpRestore && o.Repository == it.Repository && o.Snapshot == it.Snapshot && slices.Contains(o.Indices, target)
			})
		}
		if restoring(it.Target) {
			it.Attach = true
			continue
		}
		if other := ours[it.Target]; other != "" {
			p.refuse("%s and %s would both be restored as %s", other, it.Index, it.Target)
		}
		ours[it.Target] = it.Index
		why := taken[it.Target]
		if why == "" {
			continue
		}
		switch r.OnConflict {
		case Server:
		case Skip:
			it.Skipped = why
		case Rename:
			prefix := DefaultPrefix
			for k := 2; !restoring(prefix+it.Target) && (taken[prefix+it.Target] != "" || ours[prefix+it.Target] != ""); k++ {
				prefix = fmt.Sprintf("%s%d-", DefaultPrefix, k)
			}
			if restoring(prefix + it.Target) { // by an earlier run of the same request
				it.Target, it.Attach = prefix+it.Target, true
				continue
			}
			ours[prefix+it.Target] = it.Index
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s is restored as %s: %s", it.Index, prefix+it.Target, why))
			it.Target = prefix + it.Target
			if it.Pattern == "" {
				it.Pattern, it.Replacement = "^(.+)$", prefix+"$1"
			} else { // the pattern may stand for a part of the name: the prefix goes before the whole
				it.Pattern, it.Replacement = "^"+regexp.QuoteMeta(it.Index)+"$", strings.ReplaceAll(it.Target, "$", `\$`)
			}
		default:
			p.refuse("%s: %s", it.Target, why)
		}
	}
}

// space compares what the plan needs with what the data nodes have.
func (p *Plan) space(r Request, l Listings) {
	shards := 0
	for _, it := range p.Items {
		if it.Skipped == "" && !it.Attach {
			p.Bytes += it.Bytes
			shards += 1 + r.Replicas
		}
	}
	if l.Capacity == nil {
		return
	}
	var total int64
	for _, d := range l.Capacity.Nodes {
		p.Free += d.Free
		total += d.Total
	}
	need := p.Bytes * int64(1+r.Replicas)
	limit := watermark(l.Capacity.HighWatermark, total)
	if total > 0 && l.Capacity.WatermarkOn && need > 0 && p.Free-need < limit {
		p.Forcible = append(p.Forcible, fmt.Sprintf("it needs %s bytes of %s free: that goes over the high disk watermark (%s)", group(need), group(p.Free), l.Capacity.HighWatermark))
	}
	if l.Capacity.ShardLimit > 0 && l.Capacity.Shards+shards > l.Capacity.ShardLimit {
		p.Forcible = append(p.Forcible, fmt.Sprintf("the cluster has %d of at most %d shards; there is no room for %d more", l.Capacity.Shards, l.Capacity.ShardLimit, shards))
	}
}

// watermark is how many bytes must stay free, from "90%", "0.9" or an absolute
// free size.
func watermark(text string, total int64) int64 {
	if pct, ok := strings.CutSuffix(text, "%"); ok {
		var f float64
		if _, err := fmt.Sscanf(pct, "%g", &f); err == nil {
			return int64(float64(total) * (100 - f) / 100)
		}
	}
	var f float64
	var unit string
	if n, _ := fmt.Sscanf(text, "%g%s", &f, &unit); n == 1 && f <= 1 {
		return int64(float64(total) * (1 - f))
	}
	scale := map[string]float64{"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}[strings.ToLower(unit)]
	return int64(f * scale)
}

// invalid says why the server would refuse a name, or nothing.
func invalid(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case len(name) > 255:
		return fmt.Sprintf("the name has %d bytes; 255 is the most", len(name))
	case name != strings.ToLower(name):
		return "names are lower case"
	case strings.ContainsAny(name, " \"*\\<|,>/?#:"):
		return "the name has a character that names must not have"
	case strings.ContainsAny(name[:1], "-_+"):
		return "names do not start with - _ or +"
	}
	return ""
}

// copies says what there is of an index that no snapshot holds well.
func copies(index string, list []*cluster.Snapshot) string {
	var bad []string
	hint := ""
	for _, s := range list {
		if s.Holds(index) {
			bad = append(bad, fmt.Sprintf("in %s it lacks shards (%s)", s.Name, s.State))
			if restorable(s) {
				hint = "; --partial takes such a copy"
			}
		}
	}
	if len(bad) == 0 {
		return "no snapshot of the ones in question lists it"
	}
	return strings.Join(bad, "; ") + hint
}

func allIndices(list []*cluster.Snapshot) []string {
	seen := map[string]bool{}
	var names []string
	for _, s := range list {
		for _, i := range s.Indices {
			if !seen[i] {
				seen[i] = true
				names = append(names, i)
			}
		}
	}
	return names
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// group writes a number with thousands apart.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
