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

	Rolled time.Time // when an alias or data stream was rolled over to the next index; zero: not, or not known
	Mount  *Mount    // it is mounted from a snapshot and holds no data of its own
	// RestoredFrom is the repository/snapshot that esnap restored it from and
	// KeepMark the last day of its protection, as the restore's own request set
	// them; both are gone once the alias says the same.
	RestoredFrom, KeepMark string
	Blocks                 []string // that keep it from being changed: read_only, write, …; sorted

	Unsaved string // FactSaved: why a snapshot of this run that was to hold it does not; empty: it does, or none was

	Assumed bool // it is there only by the assumed effect of a dry run
}

// Mount is the snapshot that an index is mounted from (searchable snapshots).
type Mount struct{ Repository, Snapshot, UUID string }

// changeBlocks applies changed settings to the blocks; the list of another stays as it is.
func (i *Index) changeBlocks(changed map[string]string) {
	i.Blocks = slices.Clone(i.Blocks)
	for k, v := range changed {
		block, is := strings.CutPrefix(k, "index.blocks.")
		if !is {
			continue
		}
		i.Blocks = slices.DeleteFunc(i.Blocks, func(b string) bool { return b == block })
		if v == "true" {
			i.Blocks = append(i.Blocks, block)
		}
	}
	slices.Sort(i.Blocks)
}

// Of says whether it is the snapshot: by its uuid where both are known, for the same
// place may be registered under another name.
func (m *Mount) Of(s *Snapshot) bool {
	if m.UUID != "" && s.UUID != "" {
		return m.UUID == s.UUID
	}
	return m.Repository == s.Repository && m.Snapshot == s.Name
}

// Settings of esnap's own: they name an attribute that no node has, and so exclude none.
// Two travel with a restore request, so that a restored index is protected from its first
// moment on; a listing reads them. The third is a shrink's, as long as it runs: on the
// source what is to be given back to it, on the target the uuid of the source.
const (
	SettingShrink       = "index.routing.allocation.exclude.esnap_shrink"
	SettingKeepUntil    = "index.routing.allocation.exclude.esnap_keep_until"
	SettingRestoredFrom = "index.routing.allocation.exclude.esnap_restored_from"
)

// ReadSettings takes what a listing tells of an index from its settings, flat names
// and text.
func (i *Index) ReadSettings(s map[string]string) {
	i.KeepMark, i.RestoredFrom = s[SettingKeepUntil], s[SettingRestoredFrom]
	switch s["index.store.type"] {
	case "snapshot":
		i.Mount = &Mount{s["index.store.snapshot.repository_name"], s["index.store.snapshot.snapshot_name"], s["index.store.snapshot.snapshot_uuid"]}
	case "remote_snapshot":
		i.Mount = &Mount{s["index.searchable_snapshot.repository"], s["index.searchable_snapshot.snapshot_id.name"], s["index.searchable_snapshot.snapshot_id.uuid"]}
	}
	i.Blocks = nil
	for k, v := range s {
		if block, is := strings.CutPrefix(k, "index.blocks."); is && v == "true" {
			i.Blocks = append(i.Blocks, block)
		}
	}
	slices.Sort(i.Blocks)
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
	days := []string{i.KeepMark}
	for _, a := range i.Aliases {
		if day, ok := strings.CutPrefix(a, KeepPrefix); ok {
			days = append(days, day)
		}
	}
	for _, day := range days {
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
