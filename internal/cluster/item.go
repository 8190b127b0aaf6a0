package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

// Item is what filters and guards judge: an *Index or a *Snapshot.
type Item interface {
	// ItemName is the name as the cluster knows it.
	ItemName() string
	// ItemUUID distinguishes it from another one of the same name.
	ItemUUID() string
	// CreatedAt is the index's creation date or the snapshot's start time; zero if the
	// cluster did not report it.
	CreatedAt() time.Time
}

// Fact is information about items that a listing does not contain and that needs another
// request.
type Fact int

// The facts. Each filter and guard says which it needs; the runner fetches only
// those, and only for the items still in question.
const (
	// FactStats is documents and bytes, read from every shard of open indices.
	FactStats Fact = iota
	// FactFieldRange is the minimum and maximum of one date field.
	FactFieldRange
	// FactWriteIndex is for which aliases an index is the explicit write index.
	FactWriteIndex
	// FactSettings is the settings of an index, including its shards and replicas.
	FactSettings
	// FactSegments is how many segments the copies of an open index's shards have.
	FactSegments
	// FactContents is which indices a snapshot contains.
	FactContents
	// FactLive is which indices the cluster has, beside snapshots.
	FactLive
	// FactSizes is how many bytes each index takes in a snapshot. Each snapshot takes a
	// request that reads the repository.
	FactSizes
	// FactMounts is which indices are mounted from a snapshot.
	FactMounts
	// FactAhead is whether a snapshot was started later than it is now.
	FactAhead
	// FactHolders is which snapshots of a repository, the Field of the need, contain an
	// index.
	FactHolders
	// FactSaved is whether an index that a snapshot action of this run selected is in
	// that snapshot.
	FactSaved
)

// Need is a fact, and for FactFieldRange and FactHolders what it is about.
type Need struct {
	Fact  Fact
	Field string
}

// Match is a filter's answer for one item.
type Match int

// The verdicts. Unknown, the zero value, means that the item does not have what the filter
// needs: it is kept, with and without exclude.
const (
	Unknown Match = iota
	No
	Yes
)

// Kept is why an item is kept, where a run does more about it than report the reason.
type Kept int

// The causes. KeptOther, the zero value, is any other one.
const (
	KeptOther    Kept = iota
	KeptSole          // it is the only one of its series, and so is never deleted
	KeptRetained      // the filter retain keeps it
	KeptUnproven      // snapshots do not contain the copies that the action asks for
	KeptMarked        // it was restored, and is protected for some time
	KeptHeld          // the client file holds it
)

// Verdict is a filter's or guard's answer for one item. The reason is a text that follows
// the item's name.
type Verdict struct {
	Match Match
	Why   string
	Warn  bool // worth a warning, for example an invalid date
	Kept  Kept // of an item that is kept
}

// Spared is an item that an action does not touch, the filter or guard that kept it, and
// the reason.
type Spared struct {
	Item Item
	By   string
	Why  string
	// Guard is true if a guard kept what the filters had selected.
	Guard bool
	Warn  bool
	Kept  Kept
}

// Selection is the result of filters and guards on one listing. Selected and Spared
// together are the listing; both keep its order.
type Selection struct {
	Selected []Item
	Spared   []Spared
	// Reasons say of selected items, by name, why a filter that compares items selected them.
	Reasons map[string]string
}

// Items are all items of the selection, first the selected ones.
func (s Selection) Items() []Item {
	items := slices.Clone(s.Selected)
	for _, x := range s.Spared {
		items = append(items, x.Item)
	}
	return items
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

// Few are the first five names, and how many more there are.
func Few(names []string) string { return FewOf(names, ", ", 5) }

// FewOf are the first texts of a list, at most n, and how many more there are.
func FewOf(list []string, sep string, n int) string {
	if len(list) <= n {
		return strings.Join(list, sep)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], sep), len(list)-n)
}

// ByName are indices by name.
func ByName(list []*Index) map[string]*Index {
	byName := make(map[string]*Index, len(list))
	for _, i := range list {
		byName[i.Name] = i
	}
	return byName
}

// SnapshotNames are the names of a repository's snapshots, sorted.
func SnapshotNames(ctx context.Context, r SnapshotReader, repository string) ([]string, error) {
	uuids, err := r.SnapshotUUIDs(ctx, repository)
	return slices.Sorted(maps.Keys(uuids)), err
}

// Items converts a typed listing to items.
func Items[T Item](list []T) []Item {
	items := make([]Item, len(list))
	for i, it := range list {
		items[i] = it
	}
	return items
}

// Of converts items back to their type; items of another type are dropped.
func Of[T Item](items []Item) []T {
	list := make([]T, 0, len(items))
	for _, it := range items {
		if t, ok := it.(T); ok {
			list = append(list, t)
		}
	}
	return list
}

// ListKind is the kind of items in a listing.
type ListKind string

// The listings that actions use.
const (
	Indices   ListKind = "indices"
	Snapshots ListKind = "snapshots"
)

// Item is the word for one item of the list.
func (k ListKind) Item() string {
	return map[ListKind]string{Indices: "index", Snapshots: "snapshot"}[k]
}

// OptionError is an error in one option of an action or filter, found before the cluster
// is contacted.
type OptionError struct {
	Key  string // the option; empty: the action or filter as a whole
	Text string
	Hint string
	// Tolerated means that Curator continues: its command lines also warn and continue.
	Tolerated bool
}

// Error names the option and the error.
func (e *OptionError) Error() string {
	if e.Key == "" {
		return e.Text
	}
	return e.Key + ": " + e.Text
}

// Sort sorts a list; what compares as equal stays in order. Package slices is compiled anew for
// each type of a list, at 6 to 20 kB: this is for lists that need no speed.
func Sort[T any](list []T, compare func(a, b T) int) {
	sort.SliceStable(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}
