package filters

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		list = append(list, taken(fmt.Sprintf("%s-%d", strings.Repeat("s", 60), n), when("2026-11-20 01:00")))
	}
	chain := Chain{{Kind: "retain", Filter: keep}, {Kind: "pattern", Filter: slow, Exclude: true}}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, stopped)
	defer cancel()
	began := time.Now()
	_, err := chain.Select(ctx, when("2026-11-21 01:00"), cluster.Items(list), func(context.Context, []cluster.Need, []cluster.Item) error {
		return nil
	})
	require.ErrorIs(t, err, stopped)
	require.Less(t, time.Since(began), 900*time.Millisecond)
}

// TestABudgetIsNoAnswer: what cannot be judged in time is kept, and is nothing to count by.
func TestABudgetIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := Chain{{Kind: "pattern", Filter: sleepy(time.Minute)}}
		items := cluster.Items([]*cluster.Snapshot{taken("a", when("2026-11-20 01:00")), taken("b", when("2026-11-20 01:00"))})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		sel, err := chain.Select(ctx, when("2026-11-21 01:00"), items, nil)
		require.NoError(t, err)
		require.Empty(t, sel.Selected)
		require.Len(t, sel.Spared, 2)
		require.Contains(t, sel.Spared[1].Why, "judging the names took more than 30s")
		require.True(t, sel.Spared[0].Warn)
		require.False(t, sel.Spared[1].Warn, "one warning for all")
		_, err = chain.Named(ctx, when("2026-11-21 01:00"), items)
		require.ErrorIs(t, err, errBudget)
		time.Sleep(time.Hour) // the filter ends for nobody
	})
}

// TestTheBudgetIsOfTheChain: each filter alone would be in time; requests do not count.
func TestTheBudgetIsOfTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := cluster.Items([]*cluster.Snapshot{taken("a", when("2026-11-20 01:00"))})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		slow := func(context.Context, []cluster.Need, []cluster.Item) error { time.Sleep(time.Hour); return nil }
		for n, want := range map[int]int{1: 1, 2: 0} {
			chain := Chain{{Kind: "retain", Filter: policy(func(f *Retain) { f.Hold = []string{"x"}; f.Daily = number(1) }), Exclude: true}}
			require.NoError(t, Validate(chain[0].Filter, cluster.Snapshots, nil))
			for range n {
				chain = append(chain, Link{Kind: "pattern", Filter: sleepy(14 * time.Second)})
			}
			sel, err := chain.Select(ctx, when("2026-11-21 01:00"), items, slow)
			require.NoError(t, err)
			require.Len(t, sel.Selected, want, "%d filters, each asked twice", n)
		}
		time.Sleep(time.Hour) // the filter that was given up ends
	})
}

// sleepy judges by names, and takes its time.
type sleepy time.Duration

func (s sleepy) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	time.Sleep(time.Duration(s))
	return slices.Repeat([]cluster.Verdict{{Match: cluster.Yes}}, len(items))
}

func (sleepy) ByName() {}
