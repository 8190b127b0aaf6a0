package cmd

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/memory"
)

// interruptedReader is a terminal on which somebody presses Ctrl-C and nothing else.
type interruptedReader struct{ press func() }

func (r interruptedReader) Read([]byte) (int, error) {
	r.press()
	select {} // as a terminal goes on waiting for a line
}

// TestCtrlCAtAQuestion ends it at once, and says so.
func TestCtrlCAtAQuestion(t *testing.T) {
	for _, args := range [][]string{
		{"index", "delete", "logs-a"}, {"index", "delete", "logs-a", "-o", "json"},
		{"snapshot", "delete", "r", "s1"}, {"restore", "logs-b"}, {"restore", "logs-b", "-o", "json"},
		{"repository", "unregister", "r"}, {"es_repo_mgr", "delete", "--name", "r"},
	} {
		k := newConsole(t)
		k.c = memory.New(memory.At(now))
		k.c.AddIndices("logs-a")
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s1", Indices: []string{"logs-b"}})
		k.c.AddSnapshot("r", cluster.Snapshot{Name: "s2", Indices: []string{"logs-b"}})
		ctx, cancel := context.WithCancelCause(t.Context())
		k.tty, k.ctx, k.reader = true, ctx, interruptedReader{func() { cancel(&job.Signal{Number: syscall.SIGINT}) }}
		delete(k.env, "ESNAP_LOG_LEVEL")
		code, out, errs := k.run(args...)
		require.Equal(t, 130, code, "%v: %s", args, out+errs)
		require.Contains(t, out+errs, "interrupted: nothing new was started", "%v", args)
		require.Empty(t, k.c.Writes(), "%v", args)
	}
}

// TestAnswers: only a yes is one.
func TestAnswers(t *testing.T) {
	for answer, want := range map[string]int{"y\n": 0, "YES\n": 0, "n\n": 2, "\n": 2, "": 2, "y es\n": 2} {
		k := newConsole(t)
		k.c.AddIndices("logs-a")
		k.tty, k.in = true, answer
		code, _, errs := k.run("index", "delete", "logs-a")
		require.Equal(t, want, code, "%q: %s", answer, errs)
	}
}

// TestUndoIsQuotedForShells: the line can be pasted, whatever the names are.
func TestUndoIsQuotedForShells(t *testing.T) {
	k := newConsole(t)
	k.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"plain-1", "it's-$home"}})
	code, out, errs := k.run("restore", "plain-1", "it's-$home", "--yes")
	require.Zero(t, code, out+errs)
	require.Contains(t, out, `To undo: esnap mark --remove 'it'\''s-$home' plain-1 && esnap index delete 'it'\''s-$home' plain-1`+"\n")
}
