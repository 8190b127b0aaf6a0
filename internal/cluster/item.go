package cluster

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Item is what filters and guards judge: an *Index or a *Snapshot.
type Item interface {
	// ItemName is the name as the cluster knows it.
	ItemName() string
	// ItemUUID tells it from another one of the same name.
	ItemUUID() string
	// CreatedAt is the index's creation date or the snapshot's start time; zero
	// when the cluster did not say.
	CreatedAt() time.Time
}

// Fact is a kind of information about items that a listing does not carry and
// that has to be asked for.
type Fact int

// The facts. Each filter and guard says which it needs; the runner fetches only
// those, and only for the items still in question.
const (
	// FactStats is documents and bytes, asked of every shard of open indices.
	FactStats Fact = iota
	// FactFieldRange is the least and greatest value of one date field.
	FactFieldRange
	// FactWriteIndex tells for which aliases an index is the explicit write index.
	FactWriteIndex
	// FactSettings is the settings of an index, its shards and replicas among them.
	FactSettings
	// FactSegments is how many segments the copies of an open index's shards have.
	FactSegments
	// FactContents is which indices a snapshot contains.
	FactContents
	// FactMounts is which indices are mounted from a snapshot.
	FactMounts
	// FactSaved is whether an index that a snapshot action of this run selected is in
	// that snapshot.
	FactSaved
)

// Need is a fact, and for FactFieldRange the field it is about.
type Need struct {
	Fact  Fact
	Field string
}

// Match is what a filter says of one item.
type Match int

// The verdicts. Unknown, the zero value, means the item lacks what the filter
// needs: it is spared whichever way the filter is turned.
const (
	Unknown Match = iota
	No
	Yes
)

// Verdict is a filter's or guard's answer for one item, with the reason in words
// that read after the item's name.
type Verdict struct {
	Match Match
	Why   string
	Warn  bool // an operator should hear of it: a date that is none, say
	Sole  bool // it is kept as the only one of its series, and so is never deleted
}

// Spared is an item that an action will not touch, by whom it was taken out, and
// why.
type Spared struct {
	Item Item
	By   string
	Why  string
	// Guard is true when a guard spared what the filters had selected.
	Guard bool
	Warn  bool
	// Sole is that of the guard's verdict.
	Sole bool
}

// Selection is the outcome of filters and guards over one listing. Selected and
// Spared together are the listing; both keep its order.
type Selection struct {
	Selected []Item
	Spared   []Spared
}

// Names lists the names of items in their order.
func Names[T Item](items []T) []string {
	names := make([]string, len(items))
	for i, it := range items {
		names[i] = it.ItemName()
	}
	return names
}

// UUIDs are the uuids of items by name.
func UUIDs[T Item](items []T) map[string]string {
	uuids := make(map[string]string, len(items))
	for _, it := range items {
		uuids[it.ItemName()] = it.ItemUUID()
	}
	return uuids
}

// SnapshotNames are the names of a repository's snapshots, sorted.
func SnapshotNames(ctx context.Context, r SnapshotReader, repository string) ([]string, error) {
	uuids, err := r.SnapshotUUIDs(ctx, repository)
	return slices.Sorted(maps.Keys(uuids)), err
}

// Items widens a typed listing.
func Items[T Item](list []T) []Item {
	items := make([]Item, len(list))
	for i, it := range list {
		items[i] = it
	}
	return items
}

// Of narrows items back to their type; items of another type are left out.
func Of[T Item](items []Item) []T {
	list := make([]T, 0, len(items))
	for _, it := range items {
		if t, ok := it.(T); ok {
			list = append(list, t)
		}
	}
	return list
}

// ListKind is what a listing lists.
type ListKind string

// The listings that actions take.
const (
	Indices   ListKind = "indices"
	Snapshots ListKind = "snapshots"
)

// Item is the word for one of the list.
func (k ListKind) Item() string {
	return map[ListKind]string{Indices: "index", Snapshots: "snapshot"}[k]
}

// OptionError is something wrong with one option of an action or filter, found
// before the cluster is touched.
type OptionError struct {
	Key  string // the option; empty: the action or filter as a whole
	Text string
	Hint string
	// Tolerated means that Curator goes on: its command lines warn and go on, too.
	Tolerated bool
}

// Error names the option and what is wrong with it.
func (e *OptionError) Error() string {
	if e.Key == "" {
		return e.Text
	}
	return e.Key + ": " + e.Text
}
