//go:build integration && linux

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// faultyDisk passes everything on to a folder, until it is told to fail.
type faultyDisk struct {
	fuse.RawFileSystem

	mu     sync.Mutex
	fails  syscall.Errno
	reads  bool          // reading fails, too
	hangs  chan struct{} // closed when the disk answers again; nil while it answers
	after  int           // writes until the fault begins
	begins func()
	writes int // so far
}

// set lets the disk fail after so many more writes.
func (d *faultyDisk) set(after int, begins func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.after, d.begins = d.writes+after, begins
	if after == 0 {
		begins()
		d.begins = nil
	}
}

// heal ends the fault.
func (d *faultyDisk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hangs != nil {
		close(d.hangs)
	}
	d.fails, d.reads, d.hangs, d.begins = 0, false, nil, nil
}

// status is what becomes of a call.
func (d *faultyDisk) status(cancel <-chan struct{}, write bool) fuse.Status {
	d.mu.Lock()
	if write {
		if d.writes++; d.begins != nil && d.writes > d.after {
			d.begins()
			d.begins = nil
		}
	}
	fails, hangs := d.fails, d.hangs
	if !write && !d.reads {
		fails = 0
	}
	d.mu.Unlock()
	if hangs != nil {
		select {
		case <-hangs:
		case <-cancel:
			return fuse.EINTR
		}
	}
	return fuse.Status(fails)
}

func (d *faultyDisk) Lookup(cancel <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if s := d.status(cancel, false); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Lookup(cancel, h, name, out)
}

func (d *faultyDisk) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := d.status(cancel, false); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Open(cancel, in, out)
}

func (d *faultyDisk) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if s := d.status(cancel, false); s != fuse.OK {
		return nil, s
	}
	return d.RawFileSystem.Read(cancel, in, buf)
}

func (d *faultyDisk) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := d.status(cancel, false); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.OpenDir(cancel, in, out)
}

func (d *faultyDisk) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if s := d.status(cancel, true); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Create(cancel, in, name, out)
}

func (d *faultyDisk) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := d.status(cancel, true); s != fuse.OK {
		return 0, s
	}
	return d.RawFileSystem.Write(cancel, in, data)
}

// Writev implements fuse.RawFileSystem: without it, Write is called.
func (d *faultyDisk) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (d *faultyDisk) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := d.status(cancel, true); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Mkdir(cancel, in, name, out)
}

func (d *faultyDisk) Unlink(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if s := d.status(cancel, true); s != fuse.OK && s != fuse.Status(syscall.ENOSPC) { // a full disk can delete
		return s
	}
	return d.RawFileSystem.Unlink(cancel, h, name)
}

func (d *faultyDisk) Rename(cancel <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if s := d.status(cancel, true); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Rename(cancel, in, from, to)
}

// mountFaulty mounts a faulty disk over a folder below path.repo.
func mountFaulty(e *env, mount string) (d *faultyDisk, backing string) {
	e.Helper()
	if e.server.Provider != "local" {
		e.notApplicable("the %s provider does not see this machine's file systems", e.server.Provider)
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		e.notApplicable("there is no FUSE: %s", err)
	} else {
		f.Close()
	}
	backing = filepath.Join(filepath.Dir(e.server.Repo), e.prefix+"disk")
	for _, dir := range []string{backing, mount} {
		require.NoError(e, os.MkdirAll(dir, 0o777))
		require.NoError(e, os.Chmod(dir, 0o777)) // whatever the umask
	}
	root, err := fs.NewLoopbackRoot(backing)
	require.NoError(e, err)
	d = &faultyDisk{RawFileSystem: fs.NewNodeFS(root, &fs.Options{})}
	server, err := fuse.NewServer(d, mount, &fuse.MountOptions{AllowOther: true, DirectMount: true, Name: "faulty", FsName: "faulty"})
	if err != nil {
		e.notApplicable("FUSE mounts nothing: %s", err)
	}
	go server.Serve()
	require.NoError(e, server.WaitMount())
	e.Cleanup(func() {
		d.heal()
		if server.Unmount() != nil {
			require.NoError(e, syscall.Unmount(mount, syscall.MNT_DETACH))
		}
	})
	return d, backing
}

// diskFault is how the disk of a repository fails. Some say so in their hint.
type diskFault struct {
	name   string
	begins func(*faultyDisk)
	hint   string
}

var diskFaults = []diskFault{
	{"hangs", func(d *faultyDisk) { d.hangs = make(chan struct{}) }, ""},
	{"full", func(d *faultyDisk) { d.fails = syscall.ENOSPC }, "the storage is full"},
	{"read-only", func(d *faultyDisk) { d.fails = syscall.EROFS }, "mounted read-only"},
	{"vanished", func(d *faultyDisk) { d.fails, d.reads = syscall.ENOENT, true }, "mounted on every node"},
	{"input-output error", func(d *faultyDisk) { d.fails, d.reads = syscall.EIO, true }, "input/output error: check"},
}

// TestFaultDisk runs the night on a repository whose disk fails, before the night or in
// the middle of its snapshot. It must end within its deadline, lose nothing, and be put
// right by the next night.
func TestFaultDisk(t *testing.T) {
	binary := build(t)
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		for _, fault := range diskFaults {
			for _, after := range []int{0, 25} {
				when := "before the night"
				if after > 0 {
					when = "during the snapshot"
				}
				t.Run(strings.ReplaceAll(fault.name+" "+when, " ", "_"), func(t *testing.T) {
					e := newEnv(t, f, s)
					d, _ := mountFaulty(e, e.location("night"))
					n := newNight(e, binary)
					n.limit = 15 * time.Second
					d.set(after, func() { fault.begins(d) })
					r := n.through(nil)
					hint := fault.hint
					if after > 0 { // what the server says then depends on the moment
						hint = ""
					}
					n.failedNight(r, hint)
					t.Logf("exit code %d after %s: %s", r.code, r.took.Round(time.Millisecond), firstError(r))
					d.heal()
					n.check(nil, r)
				})
			}
		}
	})
}

// failedNight requires of a night on a broken disk that it says so, and deletes no index.
func (n *nightRun) failedNight(r ended, hint string) {
	n.Helper()
	require.False(n, r.hung, "%s", r)
	require.Contains(n, []int{1, 3, 4}, r.code, "%s", r)
	require.Len(n, n.uuids(), len(n.before), "an index was deleted: %s", r)
	if hint != "" {
		require.Contains(n, r.stdout, hint, "no hint: %s", r)
	}
}

// firstError is the first reason in a report.
func firstError(r ended) string {
	if r.report == nil {
		return r.stderr
	}
	for _, a := range r.report.Actions {
		if a.Error != "" {
			return a.Error + "; hint: " + a.Hint
		}
	}
	return r.report.Error + "; hint: " + r.report.Hint
}

// TestFaultDiskIndexFile cuts the repository's index file in half, as a full disk or a
// broken mount does. Nothing is deleted until the file is whole again.
func TestFaultDiskIndexFile(t *testing.T) {
	binary := build(t)
	forEachFaultServer(t, func(t *testing.T, f testserver.Flavour, s *testserver.Server) {
		e := newEnv(t, f, s)
		_, backing := mountFaulty(e, e.location("night"))
		n := newNight(e, binary)
		n.limit = 15 * time.Second
		list, err := filepath.Glob(filepath.Join(backing, "index-*"))
		require.NoError(t, err)
		require.NotEmpty(t, list)
		whole := map[string][]byte{}
		for _, name := range list {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			require.True(t, json.Valid(data))
			whole[name] = data
			require.NoError(t, os.Truncate(name, int64(len(data)/2)))
		}
		r := n.through(nil)
		n.failedNight(r, "index file of the repository is damaged")
		t.Logf("exit code %d after %s: %s", r.code, r.took.Round(time.Millisecond), firstError(r))
		for name, data := range whole {
			_, err := os.Stat(name)
			require.NoError(t, err, "the index file was removed")
			require.NoError(t, os.WriteFile(name, data, 0o600))
		}
		n.check(nil, r)
	})
}
