package cluster

import (
	"fmt"
	"slices"
	"time"
)

// State is a snapshot's state as the server names it.
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
	Start, End  time.Time // zero when the server does not say
	Shards      ShardCount
	Failures    []ShardFailure
	Reason      string // why a FAILED snapshot failed, where the server says
	Version     string // of the server that took it
	GlobalState bool
	Policy      string // of the lifecycle policy that took it, where the server says

	Indices     []string // sorted; nil unless HasContents
	DataStreams []string
	HasContents bool // Indices was asked for

	Assumed bool // it is there only by the assumed effect of a dry run
}

// ShardCount counts a snapshot's shards.
type ShardCount struct{ Total, Failed, Successful int }

// ShardFailure is one shard that a snapshot lacks.
type ShardFailure struct {
	Index  string `json:"index"`
	Shard  int    `json:"shard"`
	Node   string `json:"node,omitempty"`
	Reason string `json:"reason"`
}

// String reads as one line of a report.
func (f ShardFailure) String() string { return fmt.Sprintf("%s[%d]: %s", f.Index, f.Shard, f.Reason) }

// ItemName implements Item.
func (s *Snapshot) ItemName() string { return s.Name }

// ItemUUID implements Item.
func (s *Snapshot) ItemUUID() string { return s.UUID }

// CreatedAt implements Item: the time the snapshot started.
func (s *Snapshot) CreatedAt() time.Time { return s.Start }

// Good says whether the snapshot can be relied on as a whole: it succeeded and no
// shard failed (servers report SUCCESS with failed shards; such a snapshot is not
// restorable as a whole).
func (s *Snapshot) Good() bool {
	return s.State == Success && s.Shards.Failed == 0 && len(s.Failures) == 0
}

// WhyNotGood says in words what keeps the snapshot from being good; empty for a
// good one.
func (s *Snapshot) WhyNotGood() string {
	switch {
	case s.Good():
		return ""
	case s.State != Success:
		return fmt.Sprintf("state is %s", s.State)
	case s.Shards.Failed > 0:
		return fmt.Sprintf("state is SUCCESS but %d of %d shards failed", s.Shards.Failed, s.Shards.Total)
	default:
		return fmt.Sprintf("state is SUCCESS but it lists %d failures", len(s.Failures))
	}
}

// Holds says whether the snapshot lists the index, whole or not. It needs
// HasContents.
func (s *Snapshot) Holds(index string) bool {
	_, found := slices.BinarySearch(s.Indices, index)
	return found
}

// HoldsGood says whether the snapshot holds a good copy of the index: the
// snapshot ended SUCCESS or PARTIAL and no shard of that index is among the
// failures. A snapshot that counts failed shards without naming them is trusted
// for no index.
func (s *Snapshot) HoldsGood(index string) bool {
	if s.State != Success && s.State != Partial || !s.Holds(index) {
		return false
	}
	if s.Shards.Failed > 0 && len(s.Failures) == 0 {
		return false
	}
	return !slices.ContainsFunc(s.Failures, func(f ShardFailure) bool { return f.Index == index })
}

// Missing lists those of names that the snapshot does not hold a good copy of.
func (s *Snapshot) Missing(names []string) []string {
	var missing []string
	for _, n := range names {
		held := s.Holds(n)
		if s.State != InProgress {
			held = s.HoldsGood(n)
		}
		if !held {
			missing = append(missing, n)
		}
	}
	return missing
}

// Progress is how far a running snapshot or restore has come. Node names the
// node that holds the first unfinished shard, where the server says.
type Progress struct {
	State        string
	ShardsDone   int
	ShardsTotal  int
	ShardsFailed int
	BytesDone    int64
	BytesTotal   int64
	Node         string
}

// Repository is a registered snapshot repository; settings are text, as the
// server returns them.
type Repository struct {
	Name     string
	Type     string
	UUID     string
	Settings map[string]string
	Assumed  bool
}

// ReadOnly says whether the repository refuses writes.
func (r Repository) ReadOnly() bool { return r.Settings["readonly"] == "true" || r.Type == "url" }

// Operation is a snapshot, deletion or restore that runs in the cluster.
type Operation struct {
	Kind       OperationKind
	Repository string
	Snapshot   string
	Indices    []string
	Started    time.Time // zero when the server does not say
}

// OperationKind tells operations apart.
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
