package cluster

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// State is a snapshot's state as the server reports it.
type State string

// The states that all supported servers know.
const (
	Success    State = "SUCCESS"
	Partial    State = "PARTIAL"
	Failed     State = "FAILED"
	InProgress State = "IN_PROGRESS"
)

// Snapshot is one snapshot of a repository.
type Snapshot struct {
	Repository  string
	Name        string
	UUID        string
	State       State
	Start, End  time.Time // zero if the server does not report it
	Shards      ShardCount
	Failures    []ShardFailure
	Reason      string // why a FAILED snapshot failed, if the server reports it
	Version     string // of the server that took it
	GlobalState bool
	Policy      string // of the lifecycle policy that took it, if the server reports it

	Indices     []string // sorted; nil unless HasContents
	DataStreams []string
	Features    map[string][]string // feature to its system indices (Elasticsearch 7.12)
	HasContents bool                // Indices was read

	// Cluster is the uuid of the cluster that took it, if esnap took it and the server
	// stores metadata; empty: unknown.
	Cluster string
	// Origin is what else esnap wrote into the snapshot's metadata. Only Snapshot reads it;
	// nil: nothing, or not read.
	Origin *Origin

	// Elsewhere: another cluster took it, as Cluster says. The listing knows that; a snapshot
	// that does not say who took it counts as this cluster's.
	Elsewhere bool

	// Ahead is FactAhead: it was started later than it is now, and the clocks differ by more
	// than they may.
	Ahead bool

	Mounted []string // FactMounts: indices that are mounted from it

	// MountedOnly is FactMounts: each index that it contains has the name of one that is
	// mounted now. It may have been taken of that one, and then it contains no data.
	MountedOnly bool

	// LiveIndices is FactLive: the cluster's indices by name. All snapshots share one map.
	LiveIndices map[string]*Index

	// Sizes is FactSizes: the bytes that each index takes in it; nil: not read.
	Sizes map[string]int64

	Assumed bool // it exists only by the assumed effect of a dry run
}

// ShardCount counts a snapshot's shards.
type ShardCount struct{ Total, Failed, Successful int }

// ShardFailure is one failed shard of a snapshot.
type ShardFailure struct {
	Index  string `json:"index"`
	Shard  int    `json:"shard"`
	Node   string `json:"node,omitempty"`
	Reason string `json:"reason"`
}

// String is the failure as one line of a report.
func (f ShardFailure) String() string { return fmt.Sprintf("%s[%d]: %s", f.Index, f.Shard, f.Reason) }

// Compare notes whether another cluster than the one with this uuid took the snapshot. An
// empty uuid is not known.
func (s *Snapshot) Compare(here string) {
	s.Elsewhere = s.Cluster != "" && here != "" && s.Cluster != here
}

// MaxSkew is by how much the clocks of esnap and the cluster may differ.
const MaxSkew = 15 * time.Minute

// StartedAfter reports whether the snapshot was started after a time, by more than clocks may
// differ. After now, its start is wrong, and says nothing about its age.
func (s *Snapshot) StartedAfter(t time.Time) bool { return s.Start.After(t.Add(MaxSkew)) }

// Ours are the snapshots that this cluster took; if there is none, all.
func Ours(list []*Snapshot) []*Snapshot {
	ours := slices.DeleteFunc(slices.Clone(list), func(s *Snapshot) bool { return s.Elsewhere })
	if len(ours) > 0 {
		return ours
	}
	return list
}

// SplitStreams separates the data streams whose backing indices are all selected from the
// other indices, and names the data streams that are selected only in part. all is every
// index of the cluster, or nil if only the selected ones are known.
func SplitStreams(selected, all []*Index) (streams, plain, partly []string) {
	have, of := map[string]int{}, map[string]int{}
	for _, i := range selected {
		have[i.DataStream]++
	}
	for _, i := range all {
		of[i.DataStream]++
	}
	seen := map[string]bool{}
	for _, i := range selected {
		switch n := i.DataStream; {
		case n == "":
			plain = append(plain, i.Name)
		case all != nil && have[n] < of[n]:
			plain = append(plain, i.Name)
			if !seen[n] {
				partly = append(partly, n)
			}
			seen[n] = true
		case !seen[n]:
			streams = append(streams, n)
			seen[n] = true
		}
	}
	slices.Sort(streams)
	return streams, plain, partly
}

// ItemName implements Item.
func (s *Snapshot) ItemName() string { return s.Name }

// ItemUUID implements Item.
func (s *Snapshot) ItemUUID() string { return s.UUID }

// CreatedAt implements Item: the time the snapshot started.
func (s *Snapshot) CreatedAt() time.Time { return s.Start }

// Good reports whether the snapshot is complete: it succeeded, it contains something, and
// all its shards succeeded. Servers report SUCCESS also with failed shards, without
// shards, and for an empty snapshot.
func (s *Snapshot) Good() bool { return s.WhyNotGood() == "" }

// WhyNotGood is the reason why the snapshot is not good; empty for a good one.
func (s *Snapshot) WhyNotGood() string {
	n := s.Shards
	switch {
	case s.State != Success:
		return fmt.Sprintf("state is %s", s.State)
	case s.HasContents && len(s.Indices) == 0:
		return "state is SUCCESS but it contains no index"
	case s.Assumed: // of a dry run: its shards are not counted
		return ""
	case n.Total == 0:
		return "state is SUCCESS but it contains no shard"
	case n.Failed > 0:
		return fmt.Sprintf("state is SUCCESS but %d of %d shards failed", n.Failed, n.Total)
	case n.Successful < n.Total:
		return fmt.Sprintf("state is SUCCESS but only %d of %d shards succeeded", n.Successful, n.Total)
	case len(s.Failures) > 0:
		return fmt.Sprintf("state is SUCCESS but it lists %d failures", len(s.Failures))
	}
	return ""
}

// HasStream reports whether the snapshot contains a data stream of that name.
func (s *Snapshot) HasStream(name string) bool { return slices.Contains(s.DataStreams, name) }

// BackingNames matches the names that servers give the backing indices of a data stream.
func BackingNames(stream string) *regexp.Regexp {
	return regexp.MustCompile(`^\.ds-` + regexp.QuoteMeta(stream) + `-(?:\d{4}\.\d{2}\.\d{2}-)?\d{6}$`)
}

// StreamOf is the data stream whose backing index a name is, as BackingNames has them; empty: it
// is not the name of a backing index.
func StreamOf(index string) string {
	if !strings.HasPrefix(index, ".ds-") { // nearly none: spare the regular expression
		return ""
	}
	if m := backing.FindStringSubmatch(index); m != nil {
		return m[1]
	}
	return ""
}

var backing = regexp.MustCompile(`^\.ds-(.+?)-(?:\d{4}\.\d{2}\.\d{2}-)?\d{6}$`)

// Backing lists the backing indices of a data stream that the snapshot contains. They are
// found by name with BackingNames.
func (s *Snapshot) Backing(stream string) []string {
	are := BackingNames(stream)
	var list []string
	for _, i := range s.Indices {
		if are.MatchString(i) {
			list = append(list, i)
		}
	}
	return list
}

// Holds reports whether the snapshot lists the index or data stream, complete or not. It
// needs HasContents.
func (s *Snapshot) Holds(name string) bool {
	_, found := slices.BinarySearch(s.Indices, name)
	return found || s.HasStream(name)
}

// HoldsGood reports whether the snapshot contains a complete copy of the index, or of
// every backing index of the data stream: it ended SUCCESS or PARTIAL, some shards
// succeeded, and no shard of that index failed. If the failed shards are not named, no
// index counts as complete. A mounted index does not have data in a snapshot:
// HoldsGoodOf checks that.
func (s *Snapshot) HoldsGood(name string) bool {
	if !s.HasStream(name) {
		return s.holdsGoodIndex(name)
	}
	list := s.Backing(name)
	return len(list) > 0 && !slices.ContainsFunc(list, func(i string) bool { return !s.holdsGoodIndex(i) })
}

func (s *Snapshot) holdsGoodIndex(index string) bool { return s.Holds(index) && s.Complete()(index) }

// Complete returns the function that reports whether no shard is missing from the copy of an
// index that the snapshot lists. It is the one rule of what a complete copy is; callers
// that ask about many indices of one snapshot use it instead of HoldsGood.
func (s *Snapshot) Complete() func(index string) bool {
	n := s.Shards
	switch {
	case s.State != Success && s.State != Partial,
		!s.Assumed && (n.Successful == 0 || n.Total-n.Successful > len(s.Failures) || n.Failed > len(s.Failures)):
		return func(string) bool { return false }
	case len(s.Failures) == 0:
		return func(string) bool { return true }
	}
	failed := map[string]bool{}
	for _, f := range s.Failures {
		failed[f.Index] = true
	}
	return func(index string) bool { return !failed[index] }
}

// LateAfter is how long after its period the first copy of an index may come until it may be of
// another one: of one that a late document created again.
const LateAfter = 48 * time.Hour

// Recreated reports whether a newer copy of an index is so much smaller than the first
// one that it is a copy of another index: of one that was deleted, and created again by a
// late document. Sizes of 0 are not known.
func Recreated(first, newer int64) bool {
	return first > 0 && newer > 0 && float64(newer) < 0.95*float64(first)
}

// FeatureOf is the feature with which the snapshot contains an index; empty: none.
func (s *Snapshot) FeatureOf(index string) string {
	for _, f := range slices.Sorted(maps.Keys(s.Features)) {
		if slices.Contains(s.Features[f], index) {
			return f
		}
	}
	return ""
}

// MayHold reports whether what the snapshot contains under the name of this index is this
// index.
func (s *Snapshot) MayHold(i *Index) bool {
	return i.Mount == nil && !s.Elsewhere && !i.Created.After(s.Start)
}

// HoldsGoodOf reports whether the snapshot contains a complete copy of this index as it is
// in the cluster now: not of an earlier index with its name or of another cluster's, and not
// of one that is mounted from a snapshot, because a snapshot of it does not contain data.
func (s *Snapshot) HoldsGoodOf(i *Index) bool {
	return s.MayHold(i) && s.HoldsGood(i.Name)
}

// Missing lists the indices of which the snapshot does not contain a complete copy or,
// while it runs, will not contain one.
func (s *Snapshot) Missing(indices []*Index) []string {
	var missing []string
	for _, i := range indices {
		held := s.MayHold(i) && s.Holds(i.Name)
		if s.State != InProgress {
			held = s.HoldsGoodOf(i)
		}
		if !held {
			missing = append(missing, i.Name)
		}
	}
	return missing
}

// Progress is the progress of a running snapshot or restore. Node is the node with the
// first unfinished shard, if the server reports it.
type Progress struct {
	State        string
	ShardsDone   int
	ShardsTotal  int
	ShardsFailed int
	BytesDone    int64
	BytesTotal   int64
	Node         string
}

// Repository is a registered snapshot repository; settings are text, as the server returns
// them.
type Repository struct {
	Name     string
	Type     string
	UUID     string
	Settings map[string]string
	Assumed  bool
}

// ReadOnly reports whether the repository refuses writes.
func (r Repository) ReadOnly() bool { return r.Settings["readonly"] == "true" || r.Type == "url" }

// Operation is a snapshot, deletion or restore that runs in the cluster.
type Operation struct {
	Kind       OperationKind
	Repository string
	Snapshot   string
	Indices    []string
	Started    time.Time // zero if the server does not report it
}

// OperationKind is the kind of an operation.
type OperationKind string

// The operations that exclude each other on servers before 7.9.
const (
	OpSnapshot OperationKind = "snapshot"
	OpDelete   OperationKind = "snapshot deletion"
	OpRestore  OperationKind = "restore"
)

// String names the operation for messages.
func (o Operation) String() string {
	s := string(o.Kind)
	if o.Snapshot != "" {
		s += " " + o.Repository + "/" + o.Snapshot
	}
	return s
}

// Describe names the operation with its age at now.
func (o Operation) Describe(now time.Time) string {
	if o.Started.IsZero() {
		return o.String()
	}
	return fmt.Sprintf("%s, running for %s", o, now.Sub(o.Started).Round(time.Second))
}
