package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		args      []string
		code      int
		out, errs string
		wrong     string
	}{
		{args: []string{"printf", "%s|", "a b", "$HOME", "*"}, out: "a b|$HOME|*|"}, // no shell
		{args: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, code: 7, out: "out\n", errs: "err\n"},
		{args: []string{"sh", "-c", "kill -9 $$"}, code: 137},
		{args: []string{"/does/not/exist"}, code: 127, wrong: "cannot start /does/not/exist: no such file or directory"},
		{args: []string{"esnap-no-such-program"}, code: 127, wrong: "not found"},
		{args: []string{"/"}, code: 127, wrong: "cannot start /"},
	} {
		var out, errs bytes.Buffer
		pid := 0
		code, err := Run(t.Context(), Spec{Args: c.args, Env: os.Environ(), Out: &out, Err: &errs, Started: func(n int) { pid = n }})
		require.Equal(t, c.code, code, c.args)
		require.Equal(t, c.out, out.String())
		require.Equal(t, c.errs, errs.String())
		if c.wrong != "" {
			require.ErrorContains(t, err, c.wrong)
			continue
		}
		require.NoError(t, err)
		require.NotZero(t, pid)
	}
}

// TestRunEnds: with the context everything ends that the program started, and one that keeps
// the streams open is not waited for.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out Tail
	done := make(chan int)
	go func() {
		code, _ := Run(ctx, Spec{
			Args: []string{"sh", "-c", "trap 'echo ending; exit 3' TERM; echo up; sleep 600 & wait"},
			Env:  os.Environ(),
			Out:  &out,
		})
		done <- code
	}()
	require.Eventually(t, func() bool { return out.String() == "up\n" }, 10*time.Second, time.Millisecond)
	cancel()
	select {
	case code := <-done:
		require.Equal(t, 3, code)
		require.Equal(t, "up\nending\n", out.String())
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}

// TestRunLeavesNothing: what a program has started is killed, too, if the program itself
// ends when it is told to.
func TestRunLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "alive")
	text := `trap "exit 0" TERM; (trap "" TERM; while :; do touch "$1"; sleep 0.1; done) > /dev/null 2>&1 & wait`
	done := make(chan int)
	go func() {
		code, _ := Run(ctx, Spec{Args: []string{"sh", "-c", text, "x", file}, Env: os.Environ()})
		done <- code
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, 10*time.Second, time.Millisecond)
	cancel()
	require.Zero(t, <-done)
	time.Sleep(100 * time.Millisecond) // a signal is not there at once
	require.NoError(t, os.Remove(file))
	time.Sleep(500 * time.Millisecond)
	require.NoFileExists(t, file)
}

func TestClean(t *testing.T) {
	got := Clean([]string{"PATH=/bin", "MY_SECRET=z=z", "HOME=/"}, func(n string) bool { return n == "MY_SECRET" })
	require.Equal(t, []string{"PATH=/bin", "HOME=/"}, got)
}

func TestTail(t *testing.T) {
	var tail Tail
	for range 5000 {
		_, _ = tail.Write([]byte(strings.Repeat("ä", 50)))
	}
	_, _ = tail.Write([]byte("end\xff"))
	got := tail.String()
	require.LessOrEqual(t, len(got), TailSize+3)
	require.Greater(t, len(got), TailSize-4)
	require.True(t, strings.HasPrefix(got, "ä"))
	require.True(t, strings.HasSuffix(got, "äend\uFFFD"))
}

// TestTailIsRedacted: also a secret that came in two pieces, or is cut at the beginning.
func TestTailIsRedacted(t *testing.T) {
	redact := func(s string) string { return strings.ReplaceAll(s, "geheim", "***") }
	var tail Tail
	for _, piece := range []string{"a ge", "heim b"} {
		_, _ = tail.Write([]byte(piece))
	}
	require.Equal(t, "a *** b", tail.Redacted(redact))
	for before := range 3 * TailSize / 64 {
		var tail Tail
		_, _ = tail.Write([]byte(strings.Repeat("x", 64*before)))
		for range 2000 {
			_, _ = tail.Write([]byte(" geheim " + strings.Repeat("y", before%57)))
		}
		got := tail.Redacted(redact)
		require.LessOrEqual(t, len(got), TailSize)
		require.NotContains(t, got, "eheim")
	}
	for cut := range 8 {
		var tail Tail
		_, _ = tail.Write([]byte("geheim" + strings.Repeat("z", TailSize-cut)))
		require.NotContains(t, tail.Redacted(redact), "eim")
	}
}
