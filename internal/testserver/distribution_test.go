package testserver

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnceFillsOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "servers", "x")
	var fills atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := once(dir, func(tmp string) error {
				fills.Add(1)
				return os.WriteFile(filepath.Join(tmp, "file"), nil, 0o644)
			})
			if err == nil {
				_, err = os.Stat(filepath.Join(dir, "file"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, fills.Load())
}

func TestOnceLeavesNothingHalfMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.MkdirAll(filepath.Join(dir+".tmp", "left"), 0o755), "of a process that was killed")
	broken := errors.New("broken")
	require.ErrorIs(t, once(dir, func(tmp string) error {
		require.NoDirExists(t, filepath.Join(tmp, "left"))
		return broken
	}), broken)
	require.NoDirExists(t, dir)
	require.NoDirExists(t, dir+".tmp")
	require.NoError(t, once(dir, func(string) error { return nil }))
	require.DirExists(t, dir)
}

// archive writes a zip file with these entries, all with the content "x".
func archive(t *testing.T, names map[string]os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.zip")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	w := zip.NewWriter(file)
	for name, mode := range names {
		header := &zip.FileHeader{Name: name}
		header.SetMode(mode)
		entry, err := w.CreateHeader(header)
		require.NoError(t, err)
		_, err = entry.Write([]byte("x"))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return path
}

func TestUnzipAndLink(t *testing.T) {
	dist, home := t.TempDir(), filepath.Join(t.TempDir(), "home")
	require.NoError(t, unzip(archive(t, map[string]os.FileMode{"x-1.0/config/x.yml": 0o660, "x-1.0/bin/x": 0o750}), dist))
	require.NoError(t, link(dist, home))
	for name, mode := range map[string]os.FileMode{"config/x.yml": 0o644, "bin/x": 0o755} {
		inDist, err := os.Stat(filepath.Join(dist, name))
		require.NoError(t, err)
		inHome, err := os.Stat(filepath.Join(home, name))
		require.NoError(t, err)
		require.Equal(t, mode, inDist.Mode())
		require.True(t, os.SameFile(inDist, inHome), name)
	}
}

func TestUnzipStaysInside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "in")
	require.ErrorContains(t, unzip(archive(t, map[string]os.FileMode{"x-1.0/../../out": 0o644}), dir), "leaves the folder")
	require.NoFileExists(t, filepath.Join(filepath.Dir(dir), "out"))
}
