package terminal

import (
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"
)

// TestFit: the name gives way in its middle, the numbers stay.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		name, rest string
		columns    int
		want       string
	}{
		{"snapshot r/s", ": 42 %", 80, "snapshot r/s: 42 %"},
		{"snapshot r/s", ": 42 %", 18, "snapshot r/s: 42 %"},
		{"snapshot r/s", ": 42 %", 17, "snaps…t r/s: 42 %"},
		{"abcdefgh", "!", 2, "…!"},
		{"abcdefgh", "!", 1, "!"},
		{"abcdefgh", ": 42 %", 4, ": 42"},
		{"日本語日本語", "!", 6, "日…語!"},
	} {
		got := Fit(c.name, c.rest, c.columns)
		require.LessOrEqual(t, text.StringWidth(got), c.columns, got)
		require.Equal(t, c.want, got)
	}
	require.Equal(t, "sna…r/s: 42 %", Fit("snapshot r/s", ": 42 %", 13))
}
