// Package restore makes a restore plan before anything is written: from which snapshot
// each index is restored and why, its new name, and its conflicts. It is pure: listings, a
// request and the time go in, a Plan comes out.
package restore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/rename"
)

// Conflict is what to do if the target's name exists.
type Conflict string

// The values. Server: the server decides, as with Curator.
const (
	Fail      Conflict = "fail"
	Skip      Conflict = "skip"
	Rename    Conflict = "rename"
	Overwrite Conflict = "overwrite"
	Server    Conflict = "server"
)

// Latest as a snapshot's name means the newest good one.
const Latest = "latest"

// DefaultPrefix is added to the names of restored indices whose own name exists.
const DefaultPrefix = "restored-"

// Request is what to restore.
type Request struct {
	Indices       []string          // names or patterns; empty means all of the named snapshot
	Written       map[string]string // where a name is written, such as names.txt:3
	Window        *Window           // only indices of this time; nil: any
	Red           bool              // Indices are red ones, which are replaced
	Whole         bool              // the whole cluster, from the newest good snapshot of each series
	Snapshot      string            // a name, Latest, or empty: the best for each index
	Before        time.Time         // only snapshots started before; zero is no bound
	Pattern       string            // rename pattern in the server's syntax; empty keeps names
	Replacement   string
	OnConflict    Conflict
	Partial       bool // also restore copies with missing shards
	GlobalState   bool
	KeepUntil     time.Time // protect the restored indices until then; zero: do not protect them
	KeepDated     bool      // but only if the new name of one has a date
	IgnoreMissing bool
	Dotted        bool     // all includes dotted indices, except those of features, as with Curator
	FeatureStates []string // features whose system indices are restored
	AllFeatures   bool     // the server restores all of them with the global state
	Replicas      int      // of the targets, for the space that they need
}

// Listings is what was read from the cluster.
type Listings struct {
	Snapshots []*cluster.Snapshot // of every repository searched, with contents
	Indices   []*cluster.Index
	Running   []cluster.Operation
	Server    cluster.Server
	Capacity  *cluster.Capacity // nil: not asked
	// Sizes are the bytes of each index in a snapshot, by Ref; nil entries are unknown.
	Sizes map[Ref]map[string]int64
	// Unready are restored indices, or those that may be skipped, whose primary shards are not
	// all started.
	Unready map[string]bool
	// ReadOnly are the repositories that this cluster does not write to.
	ReadOnly map[string]bool
	// Lost are the shards of red indices of which no valid copy is left, by index.
	Lost map[string][]int
	// Left is when the last node with such a shard left the cluster.
	Left map[string]time.Time
	// Everywhere are the snapshots of all repositories that can be read, and Existing the
	// facts about the indices that the plan replaces; both are read only if there are some.
	Everywhere []*cluster.Snapshot
	Existing   map[string]Existing
}

// Ref names a snapshot in its repository.
type Ref struct{ Repository, Snapshot string }

// Plan is the restore plan.
type Plan struct {
	Items     []Item    `json:"items"`
	Bytes     int64     `json:"bytes"`      // of the items with a known size
	SizeKnown bool      `json:"size_known"` // all are known
	Free      int64     `json:"free_bytes"` // on the data nodes, 0 if not asked
	KeepUntil time.Time `json:"keep_until,omitzero"`
	Warnings  []string  `json:"warnings"`
	// Conflict means that a target's name is taken, which is a refusal.
	Conflict bool `json:"-"`
	// Refusals stop the plan; those in Forcible only without force.
	Refusals []string `json:"refusals"`
	Missing  []string `json:"missing"` // named, but in no snapshot
	Forcible []string `json:"forcible"`
}

// Item is one index of a plan.
type Item struct {
	Index      string    `json:"index"`
	Target     string    `json:"target"`
	Repository string    `json:"repository"`
	Snapshot   string    `json:"snapshot"`
	Started    time.Time `json:"snapshot_started"`
	Bytes      int64     `json:"bytes"` // 0 if unknown
	Why        string    `json:"why"`   // this snapshot
	Skipped    string    `json:"skipped,omitempty"`
	Lacking    bool      `json:"lacking,omitempty"` // the copy has missing shards
	Attach     bool      `json:"attach,omitempty"`  // it is already being restored, or was: only wait
	Kind       ItemKind  `json:"kind,omitempty"`    // an index if empty
	Members    []string  `json:"members,omitempty"` // the indices of a data stream or feature
	Replaces   *Replaced `json:"replaces,omitempty"`
	// Unrestorable is why the item cannot be restored, although the others can.
	Unrestorable string `json:"unrestorable,omitempty"`
	Alone        bool   `json:"-"` // a system index is restored by a request of its own
	Pattern      string `json:"-"`
	Replacement  string `json:"-"`
	// Unpredicted: the server makes the target's name by an ambiguous pattern; Target only
	// describes it.
	Unpredicted bool `json:"-"`
	// Unready: the target exists and lacks shards.
	Unready bool `json:"-"`
}

// Group is the items that one request restores.
type Group struct {
	Ref
	Pattern, Replacement string
	Unpredicted          bool
	Items                []Item
}

// Groups puts the items that are to be restored into requests, in plan order.
func (p *Plan) Groups() []Group {
	var groups []Group
	for _, it := range p.Items {
		if !it.open() {
			continue
		}
		at := slices.IndexFunc(groups, func(g Group) bool {
			return g.Repository == it.Repository && g.Snapshot == it.Snapshot && g.Pattern == it.Pattern && g.Replacement == it.Replacement &&
				g.Items[0].apart() == it.apart()
		})
		if at < 0 {
			groups = append(groups, Group{
				Ref:         Ref{it.Repository, it.Snapshot},
				Pattern:     it.Pattern,
				Replacement: it.Replacement,
				Unpredicted: it.Unpredicted,
			})
			at = len(groups) - 1
		}
		groups[at].Items = append(groups[at].Items, it)
	}
	return groups
}

// suggestion continues the text about a name that was not found.
func suggestion(name string, known []string) string {
	if question := near.DidYouMean(name, known); question != "" {
		return "; " + question
	}
	return ""
}

// NewPlan makes the plan. Names that no snapshot contains, copies that cannot be used and
// conflicts become refusals; the plan lists all of them at once.
func NewPlan(r Request, l Listings) *Plan {
	p := newPlan(r)
	if r.Whole {
		var warnings []string
		l.Snapshots, warnings = newestOfSeries(r.eligible(l.Snapshots), l.Server)
		p.Warnings = append(p.Warnings, warnings...)
		if len(l.Snapshots) == 0 {
			p.miss("there is no good snapshot that this server can restore")
			return p
		}
		if r.FeatureStates == nil && l.Server.HasFeatureStates() {
			r.FeatureStates = allFeatures(l.Snapshots)
		}
		r.Dotted = true // those of features are restored with these
	}
	eligible := r.eligible(l.Snapshots)
	if r.Snapshot != "" && r.Snapshot != Latest && len(eligible) == 0 {
		p.miss("there is no finished snapshot %s%s", r.Snapshot, suggestion(r.Snapshot, cluster.Names(l.Snapshots)))
		return p
	}
	wanted, missing := Wanted(r, l.Snapshots)
	if r.Whole {
		wanted = withoutBacking(wanted, l.Snapshots)
	}
	if r.Window != nil && len(wanted) == 0 {
		p.miss("no snapshot contains an index %s", r.Window)
		return p
	}
	for _, m := range missing {
		switch {
		case r.Red:
			p.cannot(m, "%s", r.noSnapshot(m, l.Snapshots))
		case !r.IgnoreMissing:
			p.miss("%s%s%s", r.place(m), r.noSnapshot(m, l.Snapshots), suggestion(m, allIndices(eligible)))
		}
	}
	var rule *rename.Rule
	var unclear error // why the new names cannot be predicted
	if r.Pattern != "" {
		if rule, unclear = rename.Compile(r.Pattern, r.Replacement); unclear != nil && r.OnConflict != Server {
			p.refuse("rename %s", unclear)
			return p
		}
	}
	for _, index := range wanted {
		s, why, warning := r.choose(index, eligible, l)
		if s == nil {
			if r.Red {
				p.cannot(index, "no snapshot contains a complete copy that can be restored here: %s", copies(index, eligible))
				continue
			}
			if unread := p.unreadable(index, eligible, l); !unread {
				p.refuse("%sno snapshot contains a complete copy of %s: %s", r.place(index), index, copies(index, eligible))
			}
			continue
		}
		if f := s.FeatureOf(index); f != "" && l.Server.FeaturesOnly() {
			why := fmt.Sprintf("belongs to the feature %s, and %s restores it with the feature only: feature_states (--feature-state %s)",
				f, l.Server, f)
			switch {
			case slices.Contains(r.FeatureStates, f):
			case r.Red:
				p.cannot(index, "it %s", why)
			default:
				p.refuse("%s%s %s", r.place(index), index, why)
			}
			continue
		}
		if warning != "" {
			p.Warnings = append(p.Warnings, warning)
		}
		it := Item{Index: index, Target: index, Repository: s.Repository, Snapshot: s.Name, Started: s.Start, Why: why,
			Lacking: !s.HoldsGood(index), Alone: r.Red || r.Whole}
		if ok, why := l.Server.CanRead(s.Version); !ok {
			p.refuse("snapshot %s cannot be restored here: %s", s.Name, why)
		}
		if s.HasStream(index) {
			it.Kind, it.Members = DataStream, s.Backing(index)
			if r.Pattern != "" {
				p.refuse("the data stream %s can be restored under its own name only: omit it, or do not rename", index)
				continue
			}
		}
		if rule != nil {
			if err := it.rename(rule); err != nil && r.OnConflict != Server {
				p.refuse("%s", err)
				continue
			} else if err != nil {
				unclear = err
			}
		}
		for _, name := range it.sources() {
			bytes, known := l.Sizes[Ref{s.Repository, s.Name}][name]
			it.Bytes += bytes
			p.SizeKnown = p.SizeKnown && known
		}
		p.Items = append(p.Items, it)
	}
	if unclear != nil {
		p.unpredicted(r, l, unclear)
	}
	p.features(r, eligible)
	p.leftOut(r, l.Server, eligible)
	if r.Whole {
		p.whole(r, l, eligible)
	}
	p.settle(r, l)
	if r.GlobalState {
		p.Warnings = append(p.Warnings, "include_global_state replaces today's templates and persistent settings with those in the snapshot")
	}
	if r.KeepDated && !slices.ContainsFunc(p.Items, func(it Item) bool { return len(dates.FindAll(it.Target)) > 0 }) {
		p.KeepUntil = time.Time{}
	}
	p.space(r, l)
	p.Refusals, p.Warnings = slices.Compact(p.Refusals), slices.Compact(p.Warnings)
	return p
}

// place begins a message about a name that is written in a file.
func (r Request) place(name string) string {
	if at := r.Written[name]; at != "" {
		return at + ": "
	}
	return ""
}

func newPlan(r Request) *Plan {
	return &Plan{
		Items: []Item{}, SizeKnown: true, KeepUntil: r.KeepUntil,
		Warnings: []string{}, Refusals: []string{}, Missing: []string{}, Forcible: []string{},
	}
}

func (p *Plan) miss(format string, args ...any) {
	p.Missing = append(p.Missing, fmt.Sprintf(format, args...))
}

func (p *Plan) refuse(format string, args ...any) {
	p.Refusals = append(p.Refusals, fmt.Sprintf(format, args...))
}

// rename gives the target its name: the one that the server will make by the rule.
func (it *Item) rename(rule *rename.Rule) (err error) {
	it.Pattern, it.Replacement = rule.Pattern, rule.Replacement
	it.Target, err = rule.Apply(it.Index)
	return err
}

// unpredicted lets the server make the new names; the pattern is sent as written. That is
// refused if the restore might overwrite a closed index.
func (p *Plan) unpredicted(r Request, l Listings, why error) {
	restored := map[string]bool{}
	for n := range p.Items {
		it := &p.Items[n]
		it.Pattern, it.Replacement, it.Unpredicted = r.Pattern, r.Replacement, true
		it.Target = it.Index + " (renamed by the server)"
		restored[it.Index] = true
	}
	for _, i := range l.Indices {
		if i.Closed && !restored[i.Name] && rename.Possible(r.Replacement, i.Name) {
			p.refuse("the closed index %s could be overwritten: the names of the restored indices cannot be predicted (%s); "+
				"change the pattern, or open or delete that index",
				i.Name, why)
		}
	}
	if len(p.Refusals) > 0 {
		return
	}
	p.Warnings = append(p.Warnings, fmt.Sprintf("the names of the restored indices cannot be predicted (%s); the pattern is sent as written",
		why))
}

// settle finds the conflicts of each target and resolves them as requested.
func (p *Plan) settle(r Request, l Listings) {
	taken := map[string]string{}
	for _, i := range l.Indices {
		taken[i.Name] = "an index with that name exists"
		for _, a := range i.Aliases {
			taken[a] = "an alias with that name exists, on " + i.Name
		}
		if i.DataStream != "" {
			taken[i.DataStream] = "a data stream with that name exists"
		}
	}
	byName := cluster.ByName(l.Indices)
	ours := map[string]string{}
	for n := range p.Items {
		it := &p.Items[n]
		if it.Unpredicted || it.Unrestorable != "" || it.Kind == Feature ||
			it.Kind == GlobalState { // the server replaces the indices of a feature
			continue
		}
		if why := cluster.InvalidName("index", it.Target); why != "" {
			p.refuse("%s would be restored as %q: %s", it.Index, it.Target, why)
		}
		restoring := func(target string) bool {
			return slices.ContainsFunc(l.Running, func(o cluster.Operation) bool {
				return o.Kind == cluster.OpRestore && o.Repository == it.Repository && o.Snapshot == it.Snapshot && slices.Contains(o.Indices, target)
			})
		}
		there := byName[it.Target]
		if restoring(it.Target) || it.Kind == DataStream && slices.ContainsFunc(it.Members, restoring) ||
			there != nil && there.KeepMark != "" && there.RestoredFrom == From(Ref{it.Repository, it.Snapshot}) {
			it.Attach = true // an earlier run began the restore, and was killed before the index got its alias
			continue
		}
		if other := ours[it.Target]; other != "" {
			p.refuse("%s and %s would both be restored as %s", other, it.Index, it.Target)
		}
		ours[it.Target] = it.Index
		why := taken[it.Target]
		for _, m := range it.Members {
			if byName[m] != nil && why == "" {
				why = "its backing index " + m + " exists"
			}
		}
		if why == "" {
			continue
		}
		if l.Unready[it.Target] {
			why += "; not all of its shards are started"
			if there != nil && there.Restored() {
				why += ": an earlier restore may have been interrupted; to begin again, delete it: esnap index delete --guards off " + it.Target
			}
		}
		if r.Whole && l.hasOwn(it) {
			it.Skipped = why + "; the server keeps its own"
			continue
		}
		switch r.OnConflict {
		case Server:
		case Skip:
			it.Skipped, it.Unready = why, l.Unready[it.Target]
		case Overwrite:
			switch why := p.replace(it, there, why, l); {
			case why != "" && r.Red:
				it.Unrestorable = why
			case why != "":
				p.Conflict = true
				p.refuse("%s: %s", it.Target, why)
			}
		case Rename:
			if it.Kind == DataStream {
				p.refuse("%s: %s; a data stream cannot be renamed", it.Target, why)
				continue
			}
			prefix := DefaultPrefix
			for k := 2; !restoring(prefix+it.Target) && (taken[prefix+it.Target] != "" || ours[prefix+it.Target] != ""); k++ {
				prefix = fmt.Sprintf("%s%d-", DefaultPrefix, k)
			}
			if restoring(prefix + it.Target) { // by an earlier run of the same request
				it.Target, it.Attach = prefix+it.Target, true
				continue
			}
			target := prefix + it.Target
			ours[target] = it.Index
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s is restored as %s: %s", it.Index, target, why))
			pattern, replacement := rename.Prefix(prefix)
			if it.Pattern != "" { // the pattern may match a part of the name: the prefix is added before the whole name
				pattern, replacement = rename.Exactly(it.Index, target)
			}
			rule, err := rename.Compile(pattern, replacement)
			if err == nil {
				err = it.rename(rule)
			}
			if err != nil || it.Target != target {
				p.refuse("%s cannot be renamed to %s: %v", it.Index, target, err)
			}
		default:
			p.Conflict = true
			p.refuse("%s: %s", it.Target, why)
		}
	}
}

// space compares the space that the plan needs with the free space of the data nodes.
func (p *Plan) space(r Request, l Listings) {
	shards := 0
	for _, it := range p.Items {
		if it.open() {
			p.Bytes += it.Bytes
			if it.Replaces != nil && !it.Replaces.Closed { // it has its shards already
				continue
			}
			shards += max(1, len(it.Members)) * (1 + r.Replicas)
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
	if len(l.Capacity.Holding) > 0 && p.Bytes > 0 {
		p.Warnings = append(p.Warnings, "settings of the cluster may keep the shards of the restored indices from being allocated: "+
			strings.Join(l.Capacity.Holding, ", "))
	}
	need := p.Bytes * int64(1+r.Replicas)
	limit := watermark(l.Capacity.HighWatermark, total)
	if total > 0 && l.Capacity.WatermarkOn && need > 0 && p.Free-need < limit {
		p.Forcible = append(p.Forcible, fmt.Sprintf("the restore needs %s bytes of %s free bytes: that exceeds the high disk watermark (%s)",
			group(need), group(p.Free), l.Capacity.HighWatermark))
	}
	if l.Capacity.ShardLimit > 0 && l.Capacity.Shards+shards > l.Capacity.ShardLimit {
		p.Forcible = append(p.Forcible, fmt.Sprintf("the cluster has %d of at most %d shards; the restore needs %d more",
			l.Capacity.Shards, l.Capacity.ShardLimit, shards))
	}
}

// watermark is how many bytes must remain free, from "90%", "0.9" or an absolute free
// size.
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

// group writes a number with separated thousands.
func group(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
