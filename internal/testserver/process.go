package testserver

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// killAfter is how long a server that was asked to stop may take before it is killed.
const killAfter = 10 * time.Second

// process is a running server with everything it started: one process group.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the first process of the group has ended
}

// startProcess starts cmd in a process group of its own, which Ctrl-C at a terminal does not reach. On Linux the
// kernel kills it when this process dies. The kernel means the thread that started it, so the goroutine that does
// keeps its thread until the process has ended.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // cmd.ProcessState tells how it ended
			close(p.done)
		}
	}()
	return p, <-started
}

// stop ends the process group, politely first, and returns when nothing is left of it.
func (p *process) stop() error {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(killAfter):
	}
	return p.kill()
}

// kill ends the process group at once, as a crash would, and returns when nothing is left of it.
func (p *process) kill() error {
	deadline := time.Now().Add(killAfter)
	for p.signal(syscall.SIGKILL) {
		if time.Now().After(deadline) {
			return errors.New("the server does not die")
		}
		time.Sleep(10 * time.Millisecond)
	}
	<-p.done
	return nil
}

// pause stops the process group, or lets it continue.
func (p *process) pause(on bool) error {
	s := syscall.SIGCONT
	if on {
		s = syscall.SIGSTOP
	}
	if !p.signal(s) {
		return errors.New("the server has ended")
	}
	return nil
}

// signal tells whether there was still a process in the group to send the signal to.
func (p *process) signal(s syscall.Signal) bool {
	return !errors.Is(syscall.Kill(-p.cmd.Process.Pid, s), syscall.ESRCH)
}

// exited tells whether the first process has ended.
func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// unprivileged returns who a server runs as. Elasticsearch refuses to run as root; for root it is "nobody", who
// needs no entry in the user database. For everybody else it is nil: the server runs as the caller.
func unprivileged() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	const nobody = 65534
	return &syscall.Credential{Uid: nobody, Gid: nobody}
}

// lastLines returns at most the last n lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
