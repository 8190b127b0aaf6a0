package history

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/memory"
)

// TestSeen: days are remembered over several runs, each record with all of them.
func TestSeen(t *testing.T) {
	c, at := memory.New(), time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	run := func(job string, names ...string) Record {
		at = at.AddDate(0, 0, 1)
		r := Record{ID: ID(at, "run"), Run: "run", Command: "run", Job: job, Started: at}
		s := Seen{}
		for _, n := range names {
			s.Add(n)
		}
		c.SetClock(at)
		require.NoError(t, s.Remember(t.Context(), c, at, &r))
		require.NoError(t, Write(t.Context(), c, at, r, func(s string) string { return s }))
		return r
	}
	first := run("nightly", "logs-2026.11.20", "logs-2026.11.19", "logs-2026.11.17", "orders", "old-2022.01.01", "logs-2026.11.20-000001")
	require.JSONEq(t, `{"logs-%Y.%m.%d": ["2026-11-17/2026-11-17", "2026-11-19/2026-11-20"]}`, string(first.Seen))
	run("other", "logs-2020.01.01")
	run("nightly")
	run("nightly", "logs-2026.11.21", "logs-2026.11.18")
	s, err := SeenBy(t.Context(), c, at, "nightly")
	require.NoError(t, err)
	want := map[string]bool{}
	for d := 17; d <= 21; d++ {
		want[fmt.Sprintf("logs-2026.11.%d", d)] = true
	}
	require.Equal(t, want, s.Names())
	list, err := List(t.Context(), c, 10)
	require.NoError(t, err)
	require.Nil(t, list[0].Seen, "lists do not have them")
}

func TestParseSeen(t *testing.T) {
	require.Empty(t, parseSeen([]byte(`{"a-%Y.%m.%d": ["x", "2026-11-01", "0001-01-01/9999-01-01", "2026-11-02/2026-11-01"]}`))["a-%Y.%m.%d"])
	require.Empty(t, parseSeen([]byte(`[`)))
}
