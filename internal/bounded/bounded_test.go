package bounded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("x", 2048)), 0o600))
	data, err := ReadFile(name, 2048)
	require.NoError(t, err)
	require.Len(t, data, 2048)
	_, err = ReadFile(name, 2047)
	require.ErrorContains(t, err, "it is larger than 1 KiB")
	_, err = ReadFile("/dev/zero", Secret)
	require.EqualError(t, err, "/dev/zero: it is larger than 64 KiB")
	_, err = ReadFile(name+"x", Text)
	require.ErrorIs(t, err, os.ErrNotExist)
}
