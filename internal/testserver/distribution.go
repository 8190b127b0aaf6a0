package testserver

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// unpacked returns the folder that holds the flavour's distribution, fetching and unpacking it the first time.
// The folder is shared by all processes of the user and must not be written to.
func unpacked(ctx context.Context, f Flavour, logf logFunc) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "esnap", "servers", string(f))
	return dir, once(dir, func(tmp string) error {
		archive, err := fetch(ctx, distributions[f].artifact, logf)
		if err != nil {
			return err
		}
		logf("unpacking %s", filepath.Base(archive))
		return unzip(archive, tmp)
	})
}

// once makes the folder dir by calling fill with a folder that becomes dir when fill succeeds. However many
// goroutines and processes ask at the same time, one fills and the others wait for it. What a killed process left
// half made is thrown away by the next.
func once(dir string, fill func(tmp string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close() // and gives the lock back
	if err := flock(lock, syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// flock locks an open file; how is one of syscall's LOCK constants. Signals do not interrupt it.
func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// fetch returns the path of a Maven artifact in the local Maven repository, asking mvn for it if it is not there.
// Without mvn, or where mvn cannot get it, the error wraps ErrUnavailable.
func fetch(ctx context.Context, artifact string, logf logFunc) (string, error) {
	part := strings.Split(artifact, ":")
	if len(part) != 4 {
		return "", fmt.Errorf("artifact %q: want group:artifact:version:packaging", artifact)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	repository := filepath.Join(home, ".m2", "repository")
	path := filepath.Join(repository, filepath.FromSlash(strings.ReplaceAll(part[0], ".", "/")), part[1], part[2],
		fmt.Sprintf("%s-%s.%s", part[1], part[2], part[3]))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	logf("fetching %s with mvn", artifact)
	mvn := exec.CommandContext(ctx, "mvn", "-q", "-B", "-Dmaven.repo.local="+repository,
		"dependency:get", "-Dtransitive=false", "-Dartifact="+artifact)
	if out, err := mvn.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%w: mvn dependency:get %s: %w\n%s", ErrUnavailable, artifact, err, lastLines(string(out), 5))
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("mvn dependency:get %s succeeded without the file: %w", artifact, err)
	}
	return path, nil
}

// unzip unpacks an archive into dir, leaving out the one folder that all its entries are in. Everything becomes
// readable by all users, because a server started by root runs as somebody else.
func unzip(archive, dir string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, entry := range r.File {
		_, name, _ := strings.Cut(entry.Name, "/")
		if name == "" {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%s: entry %q leaves the folder", archive, entry.Name)
		}
		if err := unzipEntry(entry, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
	}
	return nil
}

func unzipEntry(entry *zip.File, path string) error {
	if entry.FileInfo().IsDir() {
		return mkdir(path)
	}
	if err := mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	in, err := entry.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	return writeFile(path, in, readable(entry.Mode()))
}

// readable widens a file's mode so that everybody may read it, and run it if anybody may.
func readable(mode fs.FileMode) fs.FileMode {
	if mode&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// mkdir makes a folder that everybody may enter, and its parents, whatever the umask.
func mkdir(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// writeFile writes a new file with exactly this mode, whatever the umask.
func writeFile(path string, content io.Reader, mode fs.FileMode) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Chmod(mode), out.Close())
}

// link makes target a copy of the tree at source whose files are hard links, or copies where that cannot be (another
// file system). The folders are new, so that a server may write into its own.
func link(source, target string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, relative)
		if entry.IsDir() {
			return mkdir(to)
		}
		if os.Link(path, to) == nil {
			return nil
		}
		return copyFile(path, to)
	})
}

// copyFile copies one file with its mode.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return writeFile(to, in, info.Mode().Perm())
}
