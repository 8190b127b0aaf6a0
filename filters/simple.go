package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// None keeps everything; it is how a file says "all" on purpose.
type None struct{}

func newNone() Filter { return &None{} }

// Validate implements Filter.
func (*None) Validate(cluster.ListKind, map[string]bool) error { return nil }

// Needs implements Filter.
func (*None) Needs() []cluster.Need { return nil }

// Judge implements Filter.
func (*None) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i := range out {
		out[i] = yes("everything is selected")
	}
	return out
}

// State keeps snapshots in one state (spec/curator §6.8).
type State struct {
	State string `yaml:"state" check:"oneof=SUCCESS|PARTIAL|FAILED|IN_PROGRESS" doc:"the state, in upper case"`
}

func newState() Filter { return &State{State: string(cluster.Success)} }

// Validate implements Filter.
func (*State) Validate(cluster.ListKind, map[string]bool) error { return nil }

// Needs implements Filter.
func (*State) Needs() []cluster.Need { return nil }

// Judge implements Filter.
func (f *State) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(s *cluster.Snapshot) cluster.Verdict {
		return verdict(string(s.State) == f.State, "its state is "+string(s.State))
	})
}

// Good keeps good snapshots (esnap's own filter).
type Good struct{}

func newGood() Filter { return &Good{} }

// Validate implements Filter.
func (*Good) Validate(cluster.ListKind, map[string]bool) error { return nil }

// Needs implements Filter.
func (*Good) Needs() []cluster.Need { return nil }

// Judge implements Filter.
func (*Good) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(s *cluster.Snapshot) cluster.Verdict {
		if s.Good() {
			return yes("it is good")
		}
		return no("it is not good: its " + s.WhyNotGood())
	})
}

// judgeEach judges items one by one; an item of another type is not judged.
func judgeEach[T cluster.Item](items []cluster.Item, judge func(T) cluster.Verdict) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	for i, it := range items {
		if t, ok := it.(T); ok {
			out[i] = judge(t)
		}
	}
	return out
}
