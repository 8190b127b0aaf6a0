package restore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
)

// cannot adds an item that is part of the request but cannot be restored: it does not
// keep the others from being restored, and is a failure in the end.
func (p *Plan) cannot(index, format string, args ...any) {
	p.Items = append(p.Items, Item{Index: index, Target: index, Unrestorable: fmt.Sprintf(format, args...)})
}

// open reports whether the item is to be restored by a request.
func (it Item) open() bool { return it.Skipped == "" && it.Unrestorable == "" && !it.Attach }

// Count is how many items are restored or waited for.
func (p *Plan) Count() (n int) {
	for _, it := range p.Items {
		if it.Skipped == "" && it.Unrestorable == "" {
			n++
		}
	}
	return n
}

// apart reports whether an item needs a request of its own kind: servers refuse a whole
// request because of one system index, and a feature or the global state cannot be marked.
func (it Item) apart() string {
	if it.Kind == Feature || it.Kind == GlobalState {
		return string(it.Kind)
	}
	if it.Alone && cluster.IsDotted(it.Index) && it.Kind == Index {
		return it.Index
	}
	return ""
}

// isRed reports whether the listing says that shards of the index are lost.
func (l Listings) isRed(name string) bool { return len(l.Lost[name]) > 0 }

// lostShards reads "shard 2" or "shards 0, 2".
func lostShards(shards []int) string {
	list := make([]string, len(shards))
	for i, s := range slices.Sorted(slices.Values(shards)) {
		list[i] = fmt.Sprint(s)
	}
	if len(list) == 1 {
		return "shard " + list[0]
	}
	return "shards " + strings.Join(list, ", ")
}

// NothingLost is the plan if no red index has lost a shard.
func NothingLost() *Plan {
	p := newPlan(Request{})
	p.Warnings = append(p.Warnings, "no index has lost a shard: nothing is to be restored")
	return p
}
