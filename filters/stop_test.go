package filters

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestSlowNamesEndWithTheContext: retain looks at all snapshots that pass the filters by
// name, wherever those filters stand. A slow expression among them ends with the context.
func TestSlowNamesEndWithTheContext(t *testing.T) {
	slow := &Pattern{Kind: "regex", Value: `^(?:s|ss|sss)+(?:s|ss)+$`}
	require.NoError(t, slow.Validate(cluster.Snapshots, nil))
	keep := policy(func(f *Retain) { f.Last = number(1) })
	require.NoError(t, keep.Validate(cluster.Snapshots, nil))
	var list []*cluster.Snapshot
	for n := range 3 {
		list = append(list, taken(fmt.Sprintf("%s-%d", strings.Repeat("s", 60), n), clock("2026-11-20 01:00")))
	}
	chain := Chain{{Kind: "retain", Filter: keep}, {Kind: "pattern", Filter: slow, Exclude: true}}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, stopped)
	defer cancel()
	began := time.Now()
	_, err := chain.Select(ctx, clock("2026-11-21 01:00"), cluster.Items(list), func(context.Context, []cluster.Need, []cluster.Item) error {
		return nil
	})
	require.ErrorIs(t, err, stopped)
	require.Less(t, time.Since(began), 900*time.Millisecond)
}

// TestABudgetIsNoAnswer: what cannot be judged in time is kept, and is nothing to count by.
func TestABudgetIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := Chain{{Kind: "pattern", Filter: sleepy{}}}
		items := cluster.Items([]*cluster.Snapshot{taken("a", clock("2026-11-20 01:00")), taken("b", clock("2026-11-20 01:00"))})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		sel, err := chain.Select(ctx, clock("2026-11-21 01:00"), items, nil)
		require.NoError(t, err)
		require.Empty(t, sel.Selected)
		require.Len(t, sel.Spared, 2)
		require.Contains(t, sel.Spared[1].Why, "judging the names took more than 30s")
		require.True(t, sel.Spared[0].Warn)
		require.False(t, sel.Spared[1].Warn, "one warning for all")
		_, err = chain.Named(ctx, clock("2026-11-21 01:00"), items)
		require.ErrorIs(t, err, errBudget)
		time.Sleep(time.Hour) // the filter ends for nobody
	})
}

// sleepy judges by names, and takes a minute.
type sleepy struct{}

func (sleepy) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	time.Sleep(time.Minute)
	return make([]cluster.Verdict, len(items))
}

func (sleepy) ByName() {}
