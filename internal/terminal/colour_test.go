package terminal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestColours: only what is painted reaches the terminal with its colour.
func TestColours(t *testing.T) {
	var b bytes.Buffer
	plain := NewWriter(&b)
	coloured := WithColours(plain)
	for _, w := range []struct {
		stream interface{ Write([]byte) (int, error) }
		want   string
	}{
		{plain, `SUCCESS a\x1b[31m x` + "\n"}, {&b, `SUCCESS a\x1b[31m x` + "\n"}, {coloured, "\x1b[32mSUCCESS\x1b[0m a\\x1b[31m x\n"},
	} {
		b.Reset()
		to, p := Colours(w.stream)
		Fprintf(to, "%s %s %s\n", p.Paint("SUCCESS", "SUCCESS"), "a\x1b[31m", p.Paint("other", "x"))
		require.Equal(t, w.want, b.String())
	}
	_, p := Colours(coloured)
	require.Equal(t, Painted("\x1b[31ma\\nb\x1b[0m"), p.Paint("failed", "a\nb"))
	b.Reset()
	_, err := coloured.Write([]byte("\x1b[31m"))
	require.NoError(t, err)
	require.Equal(t, `\x1b[31m`, b.String(), "what others write is made safe, too")
}
