package terminal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestLineAndText(t *testing.T) {
	for _, c := range []struct{ in, line, text string }{
		{"", "", ""},
		{"logs-2026.11.03", "logs-2026.11.03", "logs-2026.11.03"},
		{"größe 日本 … €", "größe 日本 … €", "größe 日本 … €"},
		{"a\nb\tc", `a\nb\tc`, "a\nb\tc"},
		{"a\r\nb", `a\r\nb`, "a\\r\nb"},
		{"\x1b[2J\x07\x00", `\x1b[2J\x07\x00`, `\x1b[2J\x07\x00`},
		{"\u007f\u009b31m", `\u007f\u009b31m`, `\u007f\u009b31m`},
		{"a\u202eb\u2066c\u200fd\u2028e", `a\u202eb\u2066c\u200fd\u2028e`, `a\u202eb\u2066c\u200fd\u2028e`},
		{"\xff\x9b\ufffd", `\xff\x9b` + "\ufffd", `\xff\x9b` + "\ufffd"},
	} {
		require.Equal(t, c.line, Line(c.in))
		require.Equal(t, c.text, Text(c.in))
		require.Equal(t, c.line, Line(Line(c.in)), "once is enough")
	}
}

func TestFprintfMakesItsArgumentsSafe(t *testing.T) {
	var b bytes.Buffer
	Fprintf(&b, "%s %s %d %v\n  %-4s|\n", "a\nb", errors.New("x\x1b"), 7, json.Number("1\r"), "\t")
	require.Equal(t, "a\\nb x\\x1b 7 1\\r\n  \\t  |\n", b.String())
}

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(NewWriter(&b))
	n, err := io.WriteString(w, "\x1b[1m\nx\n")
	require.NoError(t, err)
	require.Equal(t, 7, n)
	require.Equal(t, "\\x1b[1m\nx\n", b.String())
	require.Nil(t, NewWriter(nil))
}

// TestEncodedStaysWhatItWas: JSON and YAML of any text read back the same, and
// nothing in them steers a terminal.
func TestEncodedStaysWhatItWas(t *testing.T) {
	for _, text := range []string{"plain", "a\nb\x1b[2J\u007f\u009b\u202e\u2028\u2066", "\u202e"} {
		data, err := json.Marshal(text)
		require.NoError(t, err)
		out := Encoded(data)
		require.Equal(t, string(out), Text(string(out)))
		var back, again string
		require.NoError(t, json.Unmarshal(out, &back))
		require.NoError(t, yaml.Unmarshal(out, &again))
		require.Equal(t, text, back)
		require.Equal(t, text, again)
	}
}

type never struct{}

func (never) Read([]byte) (int, error) { select {} }

func TestReadLine(t *testing.T) {
	in := strings.NewReader(" yes \nno")
	for _, want := range []string{"yes", "no", ""} {
		got, err := ReadLine(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := ReadLine(ctx, never{})
	require.ErrorIs(t, err, cause)
}

func TestShell(t *testing.T) {
	words := []string{"plain-2026.11.03", "", "a b", "$HOME", `it's`, `"`, "a;b", "*", "~", "!x", "`id`", "a\nb"}
	require.Equal(t, `plain-2026.11.03 '' 'a b' '$HOME' 'it'\''s'`, Shell(words[:5]...))
	out, err := exec.Command("sh", "-c", "printf '%s\\0' "+Shell(words...)).Output()
	if err != nil {
		t.Skip(err)
	}
	require.Equal(t, strings.Join(words, "\x00")+"\x00", string(out))
}
