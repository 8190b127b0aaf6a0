package filters

import (
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// State matches snapshots in one state.
type State struct {
	State string `yaml:"state" check:"oneof=SUCCESS|PARTIAL|FAILED|IN_PROGRESS" doc:"the state, in upper case"`
}

func newState() Filter { return &State{State: string(cluster.Success)} }

// Changing marks the filter: the state of a snapshot may change while a deletion waits.
func (*State) Changing() {}

// asksFor reports whether the filter selects the state.
func (f *State) asksFor(state cluster.State) bool { return f.State == string(state) }

// Judge implements Filter.
func (f *State) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	return judgeEach(items, func(s *cluster.Snapshot) cluster.Verdict {
		return verdict(string(s.State) == f.State, "its state is "+string(s.State))
	})
}
