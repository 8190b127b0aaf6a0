package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/settings"
)

// TestByHand: esnap knows every command line of by-hand/README.md, and reads its client
// file with the holds.
func TestByHand(t *testing.T) {
	data, err := os.ReadFile("by-hand/README.md")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^esnap (.*)$`).FindAllStringSubmatch(string(data), -1) {
		args := tokens(m[1])
		require.Empty(t, commandFault(t, args), m[1])
		seen[strings.Join(args[:min(2, len(args))], " ")] = true
		seen[args[0]] = true
	}
	for _, command := range []string{"check", "drill", "purge", "repository cleanup", "lock release"} {
		require.True(t, seen[command], command)
	}

	text, err := os.ReadFile("by-hand/config.yml")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "config.yml")
	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), "/etc/esnap/password", secret, 1)), 0o600))
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.Flags(flags)
	require.NoError(t, flags.Set("config", file))
	s, err := settings.Load(flags, unset)
	require.NoError(t, err)
	require.Empty(t, s.Warnings)
	require.Len(t, s.Holds, 2)
	require.Equal(t, time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC), s.Holds[0].Until)
	require.True(t, s.Holds[1].Until.IsZero())
}
