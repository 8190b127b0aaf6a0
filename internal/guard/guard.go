// Package guard keeps what must not be deleted although the filters have selected it.
// Guards are on by default. Each guard has a file here.
//
// To add one: write a file with a Guard, put it in For.
package guard

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Options are what the guards need to know about one deleting action.
type Options struct {
	Off             bool // of the guards only what protect says stays
	Lenient         bool // system indices and explicit write indices are deleted, with a warning
	KeepNewestGood  bool
	Series          func(*cluster.Snapshot) cluster.Series
	Periods         *Periods // of indices that an age filter selected as older; nil: none did
	InProgressNamed bool     // a state filter asks for running snapshots
	SystemNamed     bool     // a filter names dotted indices
	Protect         []string // wildcard patterns of indices never touched
	NamedExactly    []string // indices that the user named one by one
}

// Guard keeps items that the filters selected.
type Guard interface {
	// Name is reported with the reason.
	Name() string
	// Needs lists the facts it reads.
	Needs() []cluster.Need
	// Judge returns Yes for each selected item that must be kept, with the reason; all is
	// the whole listing. No with Warn lets the item be deleted, with a warning.
	Judge(now time.Time, selected, all []cluster.Item) []cluster.Verdict
}

// For lists the guards of an action that deletes from a list.
func For(list cluster.ListKind, o Options) []Guard {
	var guards []Guard
	if list == cluster.Snapshots {
		if !o.Off {
			if !o.InProgressNamed {
				guards = append(guards, inProgress{})
			}
			guards = append(guards, mounted{})
			if o.KeepNewestGood {
				guards = append(guards, newestGood{o.Series})
			}
		}
		return guards
	}
	if !o.Off {
		guards = append(guards, streamHead{}, restoreMark{}, unsaved{})
		if o.Periods != nil {
			guards = append(guards, live{*o.Periods, o.Lenient, o.NamedExactly})
		}
		if !o.Lenient {
			guards = append(guards, writeIndex{})
		}
		if !o.SystemNamed {
			guards = append(guards, systemIndex{exact: o.NamedExactly, warnOnly: o.Lenient})
		}
	}
	if len(o.Protect) > 0 {
		guards = append(guards, protect{o.Protect})
	}
	return guards
}

// each judges items of one type one by one; an item with a reason is kept.
func each[T cluster.Item](items []cluster.Item, why func(T) string) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		out[i] = cluster.Verdict{Match: cluster.No}
		if t, ok := it.(T); ok {
			if reason := why(t); reason != "" {
				out[i] = cluster.Verdict{Match: cluster.Yes, Why: reason}
			}
		}
	}
	return out
}
