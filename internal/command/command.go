// Package command runs a program with its arguments, without a shell, and keeps the end of
// what it prints.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/esnap/esnap/internal/clock"
)

// grace is how long a program that was told to end may take for it.
const grace = 5 * time.Second

// Spec is a program to run.
type Spec struct {
	Args     []string // the program and its arguments
	Env      []string
	Out, Err io.Writer
	// Started, if set, is told the number of the process.
	Started func(pid int)
}

// Run runs a program and waits for it. The exit code is its own, 128 and the signal's
// number if a signal ended it, 127 if it could not be started, which is an error. When the
// context ends, the program and all that it started are told to end, and after 5 seconds
// they are killed.
func Run(ctx context.Context, s Spec) (code int, err error) {
	c := exec.CommandContext(ctx, s.Args[0], s.Args[1:]...)
	c.Env, c.Stdout, c.Stderr = s.Env, s.Out, s.Err
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var late *time.Timer
	watch := clock.RealTime()
	var told time.Duration // to end
	c.Cancel = func() error {
		told = watch.Elapsed()
		late = time.AfterFunc(grace, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		return syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
	}
	c.WaitDelay = grace + time.Second // also for those that keep the streams open
	if err := c.Start(); err != nil {
		var of *exec.Error
		var path *fs.PathError
		switch {
		case errors.As(err, &of):
			err = of.Err
		case errors.As(err, &path):
			err = path.Err
		}
		return 127, fmt.Errorf("cannot start %s: %w", s.Args[0], err)
	}
	if s.Started != nil {
		s.Started(c.Process.Pid)
	}
	err = c.Wait()
	if late != nil {
		for syscall.Kill(-c.Process.Pid, 0) == nil && watch.Elapsed()-told < grace { // what it started may still be at work
			_ = watch.Sleep(context.WithoutCancel(ctx), 10*time.Millisecond)
		}
		late.Stop()
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
	if state, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() {
		return 128 + int(state.Signal()), nil
	}
	var exited *exec.ExitError
	if err == nil || errors.As(err, &exited) || errors.Is(err, exec.ErrWaitDelay) || ctx.Err() != nil {
		return c.ProcessState.ExitCode(), nil
	}
	return 127, err
}

// Clean is an environment without private variables.
func Clean(environ []string, private func(name string) bool) []string {
	var env []string
	for _, v := range environ {
		if name, _, _ := strings.Cut(v, "="); !private(name) {
			env = append(env, v)
		}
	}
	return env
}

// TailSize is how much of an output is kept.
const TailSize = 64 << 10

// spare is what is kept before that, so that a secret is found that begins there.
const spare = 4 << 10

// Tail keeps the end of what is written to it. It may be read and written at the same time.
type Tail struct {
	mu   sync.Mutex
	data []byte
	lost bool // something before it
}

// Write implements io.Writer; it never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - TailSize - spare; over > TailSize { // rarely, so that little is moved
		t.data, t.lost = append(t.data[:0], t.data[over:]...), true
	}
	return len(p), nil
}

// String is the end of what was written, as valid UTF-8.
func (t *Tail) String() string { return t.Redacted(func(s string) string { return s }) }

// Redacted is String without secrets, which redact takes out: also those that came in two
// pieces, or of which the end does not have all.
func (t *Tail) Redacted(redact func(string) string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := redact(string(t.data))
	over := len(text) - TailSize
	if t.lost { // it may begin within a secret
		over = max(over, spare)
	}
	if over > 0 {
		for over < len(text) && !utf8.RuneStart(text[over]) {
			over++
		}
		text = text[over:]
	}
	return strings.ToValidUTF8(text, "�")
}
