package cluster

import (
	"slices"
	"strings"
	"time"
)

// Index is one index as the cluster's metadata describes it. Stats, Fields and
// WriteAliases are facts: absent until asked for.
type Index struct {
	Name      string
	UUID      string
	Created   time.Time // zero when the cluster does not say
	Closed    bool
	Hidden    bool
	System    bool     // the server says so, or the name starts with a dot
	Primaries int      // FactSettings
	Replicas  int      // FactSettings
	Lifecycle string   // policy name, empty when not managed
	Aliases   []string // sorted

	DataStream string // the data stream whose backing index this is
	StreamHead bool   // the newest backing index of DataStream: its write index

	Settings     map[string]string // FactSettings: flat names, such as index.number_of_replicas
	Segments     *int              // FactSegments: of all copies of all shards
	WriteAliases []string          // FactWriteIndex: aliases with an explicit is_write_index on this index
	Stats        *IndexStats
	Fields       map[string]FieldRange

	Assumed bool // it is there only by the assumed effect of a dry run
}

// ItemName implements Item.
func (i *Index) ItemName() string { return i.Name }

// ItemUUID implements Item.
func (i *Index) ItemUUID() string { return i.UUID }

// CreatedAt implements Item.
func (i *Index) CreatedAt() time.Time { return i.Created }

// IndexStats is what an open index holds.
type IndexStats struct {
	Docs         int64 // documents in primaries, without deleted ones
	Bytes        int64 // store size of all copies
	PrimaryBytes int64
}

// FieldRange is the least and greatest value of a date field; Found is false for
// an index without a value.
type FieldRange struct {
	Min, Max time.Time
	Found    bool
}

// KeepPrefix starts the name of the alias that marks a restored index; the date
// until which it is kept follows as YYYY.MM.DD.
const KeepPrefix = "esnap-keep-until-"

// KeepUntil is the end of the day until which a restore mark keeps the index,
// the latest of several marks; zero without a mark.
func (i *Index) KeepUntil() time.Time {
	var until time.Time
	for _, a := range i.Aliases {
		day, ok := strings.CutPrefix(a, KeepPrefix)
		if !ok {
			continue
		}
		t, err := time.Parse("2006.01.02", day)
		if err != nil {
			continue
		}
		if end := t.AddDate(0, 0, 1); end.After(until) {
			until = end
		}
	}
	return until
}

// HasAlias says whether the index is a member of the alias.
func (i *Index) HasAlias(name string) bool { return slices.Contains(i.Aliases, name) }

// MatchesAlias says whether the index is a member of an alias that the wildcard
// pattern matches.
func (i *Index) MatchesAlias(pattern string) bool {
	return slices.ContainsFunc(i.Aliases, func(a string) bool { return MatchName(pattern, a) })
}

// IndexHealth is the allocation of one index's shards.
type IndexHealth struct {
	Status        string // green, yellow or red
	Shards        int    // primaries the index has
	ActivePrimary int
	Initializing  int
	Relocating    int
	Unassigned    int
}

// Ready says whether every primary is started.
func (h IndexHealth) Ready() bool { return h.Shards > 0 && h.ActivePrimary == h.Shards }

// ShardProblem is a shard copy that is not started, with the server's reason.
type ShardProblem struct {
	Index   string
	Shard   int
	Primary bool
	State   string
	Reason  string // e.g. ALLOCATION_FAILED
	Details string
}
