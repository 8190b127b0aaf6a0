package restore

import (
	"fmt"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
)

// Replaced is the index of the cluster that an item replaces: it is closed, and the
// restore puts other contents into it.
type Replaced struct {
	UUID      string `json:"uuid"`
	Closed    bool   `json:"closed"`         // it is closed already
	Documents *int64 `json:"documents"`      // of the started primary shards; null: unknown
	Copy      *Copy  `json:"copy,omitempty"` // the newest good copy of this index
	// LostShards are those of which no valid copy is left.
	LostShards []int `json:"lost_shards,omitempty"`
}

// Copy is a good copy of an index.
type Copy struct {
	Repository string    `json:"repository"`
	Snapshot   string    `json:"snapshot"`
	Started    time.Time `json:"snapshot_started"`
}

// String names the copy.
func (c *Copy) String() string {
	return fmt.Sprintf("%s/%s, started %s", c.Repository, c.Snapshot, cluster.Minutes(c.Started))
}

// Existing is what is read about an index that is to be replaced, in addition to the
// listing.
type Existing struct {
	Documents *int64 // nil: unknown
	MayWrite  string // why an alias may write to it; empty: none does
}

// Replaces are the names of the indices that the plan replaces.
func (p *Plan) Replaces() []string {
	var names []string
	for _, it := range p.Items {
		if it.Replaces != nil && !it.Attach {
			names = append(names, it.Target)
		}
	}
	return names
}

// Over are the indices of the cluster that the plan restores over, whatever was asked for in a
// conflict: servers restore over a closed index. If a pattern makes names that cannot be predicted,
// it may be any closed one.
func (p *Plan) Over(indices []*cluster.Index) []string {
	var names []string
	for _, i := range indices {
		if slices.ContainsFunc(p.Items, func(it Item) bool {
			return it.open() && (it.Target == i.Name || slices.Contains(it.Members, i.Name) || it.Unpredicted && i.Closed)
		}) {
			names = append(names, i.Name)
		}
	}
	return names
}

// ReplacedDocuments is how many documents the plan replaces, as far as they are known.
func (p *Plan) ReplacedDocuments() (sum int64) {
	for _, it := range p.Items {
		if it.Replaces != nil && it.Replaces.Documents != nil {
			sum += *it.Replaces.Documents
		}
	}
	return sum
}

// replace plans to restore an item over the index that has its name. Only an index can
// be replaced, otherwise it returns why not; and without force only one of which a good
// copy is held.
func (p *Plan) replace(it *Item, there *cluster.Index, why string, l Listings) (whyNot string) {
	switch {
	case it.Kind == DataStream:
		return why + "; a data stream cannot be overwritten: delete it first"
	case there == nil:
		return why + "; only an index can be overwritten"
	case there.DataStream != "":
		return "a backing index of the data stream " + there.DataStream + " cannot be overwritten; " +
			"delete the data stream and restore it whole: esnap restore " + there.DataStream
	case it.Lacking:
		return why + ", and servers do not restore a copy with missing shards over an index; delete it first"
	}
	if block := there.BlockedBy(cluster.CloseBlocks...); block != "" { // it is closed first
		return "the existing index is blocked by its setting index.blocks." + block + ": set it to false first"
	}
	facts := l.Existing[there.Name]
	it.Replaces = &Replaced{
		UUID: there.UUID, Closed: there.Closed, Documents: facts.Documents, Copy: newestCopy(there, l), LostShards: l.Lost[there.Name],
	}
	if l.Existing == nil { // the facts are not read yet
		return ""
	}
	docs := "an unknown number of documents"
	if n := it.Replaces.Documents; n != nil {
		docs = cluster.Count(int(*n), "document")
	}
	if facts.MayWrite != "" {
		p.Forcible = append(p.Forcible, there.Name+": "+facts.MayWrite)
	}
	if it.Replaces.Copy == nil {
		p.Forcible = append(p.Forcible, fmt.Sprintf("%s: no snapshot contains a good copy of the existing index, which has %s", there.Name, docs))
	}
	text := fmt.Sprintf("%s is overwritten: %s in the existing index %s replaced", there.Name, docs, isAre(it.Replaces.Documents))
	if l.isRed(there.Name) {
		text = fmt.Sprintf("%s has lost its %s; %s in its started shards %s replaced",
			there.Name, lostShards(it.Replaces.LostShards), docs, isAre(it.Replaces.Documents))
		if left := l.Left[there.Name]; !left.IsZero() {
			text += fmt.Sprintf("; the node that had them left the cluster at %s: if it returns, it brings all documents back, "+
				"but only as long as nothing is restored: start missing nodes first", left.UTC().Format("2006-01-02 15:04:05 UTC"))
		}
	}
	if c := it.Replaces.Copy; c != nil {
		text += fmt.Sprintf("; the newest good copy of it is in %s; documents written later are lost", c)
	}
	p.Warnings = append(p.Warnings, text)
	return ""
}

func isAre(n *int64) string {
	if n == nil || *n == 1 {
		return "is"
	}
	return "are"
}

// newestCopy is the newest good copy of an index that is in the cluster: of this index, and
// not of one with its name in another cluster. A read-only repository may have been written
// by another cluster, so its snapshots count only if they name this one. No time is left for late
// documents: what is written after the copy is lost anyway, and the plan says so.
func newestCopy(i *cluster.Index, l Listings) *Copy {
	live := cluster.ByName(l.Indices)
	var best *cluster.Snapshot
	for _, c := range coverage.Enough(i, slices.Concat(l.Everywhere, l.Snapshots), live, coverage.Rules{}) {
		s := c.Snapshot
		ours := !l.ReadOnly[s.Repository] || s.Cluster != "" && s.Cluster == l.Server.UUID
		if size, known := l.Sizes[Ref{s.Repository, s.Name}][i.Name]; known && size == 0 { // of a mounted index
			continue
		}
		if ours && (best == nil || best.Start.Before(s.Start)) {
			best = s
		}
	}
	if best == nil {
		return nil
	}
	return &Copy{best.Repository, best.Name, best.Start}
}
