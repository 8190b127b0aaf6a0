// Package guard keeps what must not be deleted although the filters have selected it.
// Guards are on by default. Each guard has a file here.
//
// To add one: write a file with a Guard and its constructor, put a row in guards.
package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/series"
)

// Options are what the guards need to know about one deleting action.
type Options struct {
	Off            bool // of the guards only what protect says stays
	Lenient        bool // system indices and explicit write indices are deleted, with a warning
	KeepNewestGood bool
	Series         func(*cluster.Snapshot) series.Series
	// Overdue are snapshots that must go, also the newest good one; nil: none are.
	Overdue         func(now time.Time, s *cluster.Snapshot) bool
	Periods         *Periods // of indices that an age filter selected as older; nil: none did
	InProgressNamed bool     // a state filter asks for running snapshots
	SystemNamed     bool     // a filter names dotted indices
	Copies          *Copies  // that an index must have; nil: none
	Holds           []Hold   // of the client file
	Protect         []string // wildcard patterns of indices never touched
	NamedExactly    []string // indices that the user named one by one
}

// Guard keeps items that the filters selected.
type Guard interface {
	// Name is reported with the reason.
	Name() string
	// Judge returns Yes for each selected item that must be kept, with the reason; all is
	// the whole listing. No with Warn lets the item be deleted, with a warning.
	Judge(now time.Time, selected, all []cluster.Item) []cluster.Verdict
}

// Needy is a guard that reads facts beside the listing.
type Needy interface{ Needs() []cluster.Need }

// Needs lists the facts that a guard reads.
func Needs(g Guard) []cluster.Need {
	if n, ok := g.(Needy); ok {
		return n.Needs()
	}
	return nil
}

// guards is the one list of guards, in the order in which they judge. Each makes its
// guard from the options, or nil where they give it nothing to do.
var guards = []struct {
	list   cluster.ListKind
	always bool // also with guards off: it is asked for by name
	make   func(Options) Guard
}{
	{list: cluster.Snapshots, make: newHold, always: true},
	{list: cluster.Indices, make: newHold, always: true},
	{list: cluster.Snapshots, make: newInProgress},
	{list: cluster.Snapshots, make: newForeign},
	{list: cluster.Snapshots, make: newMounted},
	{list: cluster.Snapshots, make: newNewestGood},
	{list: cluster.Indices, make: newDataStreamWriteIndex},
	{list: cluster.Indices, make: newRestoreMark},
	{list: cluster.Indices, make: newUnsaved},
	{list: cluster.Indices, make: newLive},
	{list: cluster.Indices, make: newWriteIndex},
	{list: cluster.Indices, make: newSystemIndex},
	{list: cluster.Indices, make: newProtect, always: true},
	{list: cluster.Indices, make: newRequireSnapshot, always: true},
}

// For lists the guards of an action that deletes from a list.
func For(list cluster.ListKind, o Options) []Guard {
	var chosen []Guard
	for _, g := range guards {
		if g.list != list || o.Off && !g.always {
			continue
		}
		if made := g.make(o); made != nil {
			chosen = append(chosen, made)
		}
	}
	return chosen
}

// each judges items of one type one by one; an item with a reason is kept.
func each[T cluster.Item](items []cluster.Item, kept cluster.Kept, why func(T) string) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		out[i] = cluster.Verdict{Match: cluster.No}
		if t, ok := it.(T); ok {
			if reason := why(t); reason != "" {
				out[i] = cluster.Verdict{Match: cluster.Yes, Why: reason, Kept: kept}
			}
		}
	}
	return out
}
