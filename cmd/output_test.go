package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
)

// broken is a stream to which nothing can be written.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

// TestOutputThatCannotBeWritten: a command does not end with 0. A reader that goes away, as head
// does, is not an error of the command.
func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"check", "FILE"}, 3},
		{[]string{"check", "FILE", "-o", "json"}, 3},
		{[]string{"check", "FILE", "-o", "csv"}, 3},
		{[]string{"check", "--max-age", "1h", "--index", "logs-%Y.%m.%d", "--days", "40"}, 1},
		{[]string{"check", "--verify-attestation", "PROOF", "--public-key-file", "PUBLIC"}, 3},
		{[]string{"status"}, 1},
		{[]string{"validate", "FILE"}, 1},
		{[]string{"mark", logsOf(0), "--keep-for", "3d"}, 1},
		{[]string{"restore", logsOf(2), "--rename-prefix", "r-", "-n"}, 1},
		{[]string{"run", "FILE", "-n"}, 1},
		{[]string{"snapshot", "list"}, 1},
		{[]string{"index", "delete", logsOf(7), "--yes"}, 1},
		{[]string{"curator_cli", "show-indices"}, 1},
		{[]string{"curator_cli", "show-snapshots", "--repository", "backups"}, 1},
		{[]string{"version"}, 1},
		{[]string{"--help"}, 1},
		{[]string{"schema"}, 1},
	} {
		secret, open := signingKeys(t)
		k := newConsole(t)
		twentyNights(k, nil)
		file, proof := k.file(nightFile), filepath.Join(t.TempDir(), "proof.json")
		code, out, _ := k.run("check", file, "--attest", proof, "--signing-key-file", secret)
		require.Equal(t, 0, code, out)
		args := strings.Fields(strings.NewReplacer("FILE", file, "PROOF", proof, "PUBLIC", open).Replace(strings.Join(tt.args, " ")))
		run := func(err error) (int, string) {
			var errs bytes.Buffer
			app := &App{
				In: strings.NewReader(""), Out: broken{err}, Err: &errs, Now: k.clock,
				Env:     func(n string) (string, bool) { v, ok := k.env[n]; return v, ok },
				Connect: func(es.Options) (cluster.Cluster, error) { return k.c, nil },
			}
			return Main(t.Context(), app, args), errs.String()
		}
		_, errs := run(fmt.Errorf("write: %w", syscall.EPIPE))
		require.NotContains(t, errs, "cannot write the output", "%s", tt.args)
		code, errs = run(errors.New("no space left on device"))
		require.Equal(t, tt.want, code, "%s: %s", tt.args, errs)
		require.Equal(t, 1, strings.Count(errs, "no space left on device"), "%s: %s", tt.args, errs)
	}
}
