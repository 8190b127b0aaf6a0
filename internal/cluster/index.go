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
	Created   time.Time // zero if the cluster does not report it
	Closed    bool
	Hidden    bool
	System    bool     // the server reports it as such, or the name starts with a dot
	Primaries int      // FactSettings
	Replicas  int      // FactSettings
	Lifecycle string   // policy name, empty when not managed
	Aliases   []string // sorted

	DataStream           string // the data stream whose backing index this is
	DataStreamWriteIndex bool   // the newest backing index of DataStream: its write index

	Settings      map[string]string // FactSettings: flat names, such as index.number_of_replicas
	Segments      *int              // FactSegments: of all copies of all shards
	WriteAliases  []string          // FactWriteIndex: aliases with an explicit is_write_index on this index
	UnseenAliases []string          // FactWriteIndex: aliases that the user may not see: it may be their write index
	Stats         *IndexStats
	Fields        map[string]FieldRange

	Rolled time.Time // when an alias or data stream was rolled over to the next index; zero: never, or unknown
	Mount  *Mount    // it is mounted from a snapshot and does not have its own data
	// RestoredFrom is the repository/snapshot from which esnap restored it, and KeepMark
	// the last day of its protection, as the restore request set them. Both are removed
	// when the alias has replaced them.
	RestoredFrom, KeepMark string
	// Lacking is FactLive: a primary shard is not started, or nobody knows.
	Lacking bool
	Renamed Renamed  // how a restore named it, if not by the name in the snapshot
	Drill   string   // the run that restored it for a drill: a copy that is to be removed
	Blocks  []string // that keep it from being changed: read_only, write, …; sorted

	// Holders is FactHolders: for each repository that was asked for, the snapshots that
	// contain an index of this name, oldest first.
	Holders map[string][]*Snapshot

	Unsaved string // FactSaved: why a snapshot of this run does not contain it although it should; empty: it does, or there is none

	Assumed bool // it exists only by the assumed effect of a dry run
}

// Restored reports whether a restore by esnap made the index, as far as it still says so.
func (i *Index) Restored() bool { return i.RestoredFrom != "" || !i.KeepUntil().IsZero() }

// CloseBlocks are the blocks that keep an index from being closed.
var CloseBlocks = []string{"read_only", "metadata", "read_only_allow_delete"}

// BlockedBy is the first block of the index that is one of these; empty: none is.
func (i *Index) BlockedBy(blocks ...string) string {
	for _, b := range i.Blocks {
		if slices.Contains(blocks, b) {
			return b
		}
	}
	return ""
}

// SeenAliases are the aliases of an index that the user may see, sorted: all, and those whose
// explicit write index it is.
type SeenAliases struct{ All, Write []string }

// SetWriteAliases sets FactWriteIndex from what the user may see of the aliases. Servers leave out
// of their replies what the user may not see, but not of the listing.
func (i *Index) SetWriteAliases(seen SeenAliases) {
	i.WriteAliases, i.UnseenAliases = seen.Write, nil
	for _, a := range i.Aliases {
		if !slices.Contains(seen.All, a) {
			i.UnseenAliases = append(i.UnseenAliases, a)
		}
	}
}

// MayWrite is why an alias may write to the index, by FactWriteIndex; empty: none does, as far as
// that is explicit.
func (i *Index) MayWrite() string {
	switch {
	case len(i.WriteAliases) > 0:
		return "it is the write index of the alias " + strings.Join(i.WriteAliases, ", ")
	case len(i.UnseenAliases) > 0:
		return "it may be the write index of the alias " + strings.Join(i.UnseenAliases, ", ") +
			", which the user may not see (view_index_metadata on that name)"
	}
	return ""
}

// Renamed is the rule by which a restore named an index; empty: it was not renamed, or not
// by esnap.
type Renamed struct{ Pattern, Replacement string }

// Mount is the snapshot that an index is mounted from (searchable snapshots).
type Mount struct{ Repository, Snapshot, UUID string }

// changeBlocks applies changed settings to the blocks, on a copy of the list.
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

// Of reports whether the index is mounted from the snapshot: by its uuid if both are
// known, because the same place may be registered under another name.
func (m *Mount) Of(s *Snapshot) bool {
	if m.UUID != "" && s.UUID != "" {
		return m.UUID == s.UUID
	}
	return m.Repository == s.Repository && m.Snapshot == s.Name
}

// Settings of esnap's own: they name an attribute that no node has, and so exclude no
// node. Two are part of a restore request, so that a restored index is protected from the
// beginning; a listing reads them. One of them stays: it tells a restored index from the
// original. The third exists while a shrink runs: on the source it
// contains the settings to restore, on the target the uuid of the source.
const (
	SettingShrink       = "index.routing.allocation.exclude.esnap_shrink"
	SettingKeepUntil    = "index.routing.allocation.exclude.esnap_keep_until"
	SettingRestoredFrom = "index.routing.allocation.exclude.esnap_restored_from"
	// SettingDrill is the id of the drill that restored a copy, which it removes again.
	SettingDrill = "index.routing.allocation.exclude.esnap_drill"
	// SettingRenamePattern and SettingRenameReplacement are the rule by which a restore named
	// a copy: with it esnap purge finds the copies of an index.
	SettingRenamePattern     = "index.routing.allocation.exclude.esnap_rename_pattern"
	SettingRenameReplacement = "index.routing.allocation.exclude.esnap_rename_replacement"
)

// ReadSettings reads what a listing needs from an index's settings, flat names and text.
func (i *Index) ReadSettings(s map[string]string) {
	i.Renamed = Renamed{s[SettingRenamePattern], s[SettingRenameReplacement]}
	i.KeepMark, i.RestoredFrom, i.Drill = s[SettingKeepUntil], s[SettingRestoredFrom], s[SettingDrill]
	switch s["index.store.type"] {
	case "snapshot":
		i.Mount = &Mount{
			s["index.store.snapshot.repository_name"],
			s["index.store.snapshot.snapshot_name"],
			s["index.store.snapshot.snapshot_uuid"],
		}
	case "remote_snapshot":
		i.Mount = &Mount{
			s["index.searchable_snapshot.repository"],
			s["index.searchable_snapshot.snapshot_id.name"],
			s["index.searchable_snapshot.snapshot_id.uuid"],
		}
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

// IndexStats are the contents of an open index.
type IndexStats struct {
	Docs         int64 // documents in primaries, without deleted ones
	Bytes        int64 // store size of all copies
	PrimaryBytes int64
}

// FieldRange is the minimum and maximum of a date field; Found is false for an index
// without a value.
type FieldRange struct {
	Min, Max time.Time
	Found    bool
}

// KeepPrefix begins the name of the alias that marks a restored index; the last day of its
// protection follows as YYYY.MM.DD.
const KeepPrefix = "esnap-keep-until-"

// KeepUntil is the end of the last day on which a restore mark protects the index, the
// latest of several marks; zero without a mark.
func (i *Index) KeepUntil() time.Time {
	var until time.Time
	days := []string{i.KeepMark}
	for _, a := range i.Aliases {
		if day, ok := strings.CutPrefix(a, KeepPrefix); ok {
			days = append(days, day)
		}
	}
	for _, day := range days {
		t, err := time.Parse(DottedDay, day)
		if err != nil {
			continue
		}
		if end := t.AddDate(0, 0, 1); end.After(until) {
			until = end
		}
	}
	return until
}

// HasAlias reports whether the index is a member of the alias.
func (i *Index) HasAlias(name string) bool { return slices.Contains(i.Aliases, name) }

// MatchesAlias reports whether the index is a member of an alias that the wildcard pattern
// matches.
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

// Ready reports whether every primary is started.
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

// Explanation is the server's decision about a primary shard that is not allocated.
type Explanation struct {
	Decision string // can_allocate, such as no_valid_shard_copy or allocation_delayed
	Text     string // in the server's words
	// NodeLeft is when the node with the last copy left the cluster; zero: that is not why.
	NodeLeft time.Time
	// RestoreFailed: the shard was being restored, and that ended. The server does not try again.
	RestoreFailed bool
}

// Lost reports whether no copy of the shard is left that the server would use: only a
// restore brings its documents back, or a node that returns. After a restore that failed, only
// another one does.
func (e Explanation) Lost() bool { return e.Decision == "no_valid_shard_copy" || e.RestoreFailed }

// Segments are numbers of segments of one index.
type Segments struct {
	All  int // of all copies of all shards
	Most int // of the copy that has the most
}
