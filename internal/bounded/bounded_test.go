package bounded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// TestLocked: one after the other, also among Updates; nothing is lost.
func TestLocked(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	add := func() ([]byte, error) {
		data, err := os.ReadFile(name)
		return append(data, 'x'), err
	}
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for n := range errs {
		wg.Go(func() {
			if n%2 == 0 {
				errs[n] = Update(name, 0o600, add)
				return
			}
			errs[n] = Locked(name, func() error {
				data, err := add()
				if err != nil {
					return err
				}
				return Replace(name, data, 0o600)
			})
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Len(t, data, 20)
	require.ErrorIs(t, Locked(name, func() error { return os.ErrInvalid }), os.ErrInvalid)
	require.ErrorIs(t, Locked(filepath.Join(name+"x", "f"), func() error { return os.ErrInvalid }), os.ErrInvalid, "there is no folder")
}
