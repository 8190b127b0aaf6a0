// Package bounded reads files of settings, secrets and records, and never more than is
// sensible: a path may name a device that does not end. It writes records in one step.
package bounded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The most bytes that files may have.
const (
	Secret = 64 << 10 // passwords, tokens, keys
	Text   = 16 << 20 // files that people write, certificates
	Record = 64 << 20 // files that esnap writes
)

// ReadFile reads a file of at most so many bytes.
func ReadFile(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := ReadAll(f, most)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// ReadSecret reads a file with a secret. Its errors do not contain the name of a file that cannot
// be opened: it may be the secret itself, given as the name of its file. The caller says which
// setting names the file.
func ReadSecret(name string) ([]byte, error) {
	data, err := ReadFile(name, Secret)
	return data, WithoutPath(err)
}

// WithoutPath is what went wrong with a file, without its name.
func WithoutPath(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// ReadAll reads at most so many bytes; more are an error.
func ReadAll(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// How long Update and Locked wait for other processes. Updates are small, and can be repeated.
const (
	lockPause  = 10 * time.Millisecond
	updateWait = 2 * time.Second
	lockedWait = 30 * time.Second
)

// Update changes a file that other processes change, too: it reads, changes and replaces it
// while it holds a lock on the folder. Without the lock, which not every file system has,
// or which another process holds for too long, it does so nevertheless.
func Update(file string, mode fs.FileMode, change func() ([]byte, error)) error {
	release, _ := lock(file, updateWait)
	defer release()
	data, err := change()
	if err != nil {
		return err
	}
	return Replace(file, data, mode)
}

// Locked does something with a file, and with others beside it, while it holds a lock on the
// folder. If another process holds the lock for too long, it is not done. On a file system
// without such locks it is.
func Locked(file string, do func() error) error {
	release, ours := lock(file, lockedWait)
	defer release()
	if !ours {
		return fmt.Errorf("%s: another process has locked the folder for %s", file, lockedWait)
	}
	return do()
}

// lock takes a lock on the folder of a file. ours is false if another process still holds it
// after some time.
func lock(file string, wait time.Duration) (release func(), ours bool) {
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return func() {}, true
	}
	for range wait / lockPause {
		err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if ours = !errors.Is(err, syscall.EWOULDBLOCK); ours {
			break
		}
		time.Sleep(lockPause)
	}
	return func() { _ = folder.Close() }, ours // closing releases it
}

// Replace writes a file so that a reader sees the old one or the new one, never a part.
func Replace(file string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // after the renaming there is none
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
