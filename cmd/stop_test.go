package cmd

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestAFileOnStandardInputCanBeInterrupted: the program at the other end of the pipe may
// never end, and on a terminal Ctrl-C ends the reading.
func TestAFileOnStandardInputCanBeInterrupted(t *testing.T) {
	for _, args := range [][]string{{"run", "-"}, {"validate", "-"}, {"simulate", "-"}, {"check", "-"}} {
		k := newConsole(t)
		in, out := io.Pipe()
		k.reader = in
		ctx, cancel := context.WithCancelCause(t.Context())
		k.ctx = ctx
		cancel(context.Canceled)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.run(args...)
		}()
		select {
		case <-ended:
		case <-time.After(2 * time.Second):
			t.Errorf("%v still reads", args)
		}
		require.NoError(t, out.Close())
		<-ended
	}
}

// TestTheLastLineOfARestore: in one stream with the log, as in the example's Job, the last
// lines are the result, the cause and what to do.
func TestTheLastLineOfARestore(t *testing.T) {
	k := newConsole(t)
	k.env["ESNAP_LOG_FILE"], k.env["ESNAP_LOG_LEVEL"] = "-", "info"
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"logs-2026.11.01"}})
	code, out, _ := k.run("restore", "nope", "--yes")
	require.Equal(t, 1, code)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.NotContains(t, lines[len(lines)-1], "level=", "%s", out)
	require.Contains(t, strings.Join(lines[max(0, len(lines)-3):], "\n"), "no snapshot contains the index nope")
}

// TestAnActionFileWithKeys: it is a file with secrets, too. Who may write it also decides
// what is deleted.
func TestAnActionFileWithKeys(t *testing.T) {
	k := newConsole(t)
	file := k.file("repositories: {r: {type: s3, settings: {bucket: b, access_key: AKIA, secret_key: geheim}}}\n" +
		"actions: {1: {action: open, filters: [{filtertype: none}]}}\n")
	for mode, want := range map[os.FileMode]string{0o600: "", 0o644: "other users may read it", 0o666: "other users may change it"} {
		require.NoError(t, os.Chmod(file, mode))
		_, out, errs := k.run("validate", file)
		require.Equal(t, want != "", strings.Contains(out+errs, "other users"), "%o: %s", mode, out+errs)
		require.Contains(t, out+errs, want)
	}
}
