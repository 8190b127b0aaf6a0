package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// running are the servers of this process, so that a signal can stop them.
var running registry

// registry holds a server from before it starts until it is stopped.
type registry struct {
	mu      sync.Mutex
	entries map[*entry]bool
	signals chan os.Signal // not nil while there are entries

	sharing sync.Mutex // held while a shared server starts, so that the machine starts one at a time
	shared  map[Flavour]result
}

// entry is one server. ready is closed when starting has ended, one way or the other.
type entry struct {
	cancel context.CancelFunc // gives up starting
	ready  chan struct{}
	server *Server // nil if it did not start
}

// result is what starting a shared server gave.
type result struct {
	server *Server
	err    error
}

// started notes the end of starting.
func (e *entry) started(s *Server) {
	e.server = s
	close(e.ready)
}

// add registers a server that is about to start. From the first one to the last, SIGINT and SIGTERM stop them all
// before they do what they would have done; a signal that the process was started to ignore is still ignored.
func (r *registry) add(cancel context.CancelFunc) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries == nil {
		r.entries = map[*entry]bool{}
	}
	e := &entry{cancel: cancel, ready: make(chan struct{})}
	r.entries[e] = true
	if r.signals == nil {
		r.signals = make(chan os.Signal, 1)
		for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
			if !signal.Ignored(s) {
				signal.Notify(r.signals, s)
			}
		}
		go r.stopOnSignal(r.signals)
	}
	return e
}

// remove takes out a server that was stopped or did not start.
func (r *registry) remove(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, e)
	if len(r.entries) == 0 && r.signals != nil {
		signal.Stop(r.signals)
		close(r.signals)
		r.signals = nil
	}
}

// stopOnSignal waits for one signal, stops all servers, and sends the signal again to whoever else it concerns.
func (r *registry) stopOnSignal(signals chan os.Signal) {
	s, ok := <-signals
	if !ok {
		return
	}
	r.stopAll()
	signal.Stop(signals)
	_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
}

// stopAll stops every server, also those that are still starting.
func (r *registry) stopAll() {
	r.mu.Lock()
	var entries []*entry
	for e := range r.entries {
		entries = append(entries, e)
	}
	r.mu.Unlock()
	var stopping sync.WaitGroup
	for _, e := range entries {
		stopping.Go(func() {
			e.cancel()
			<-e.ready
			if e.server != nil {
				_ = e.server.Stop()
			}
		})
	}
	stopping.Wait()
}

// Shared gives t the one server of this flavour that the tests of this process share. The first call starts it, and
// StopShared, called by TestMain, stops it.
//
// Where no provider can give the flavour the test is skipped, but fails if ESNAP_REQUIRE_SERVERS is 1 or if
// ESNAP_TEST_PROVIDER names the provider: what was asked for is never skipped. A server that does not come up is
// always a failure.
func Shared(t testing.TB, f Flavour) *Server {
	t.Helper()
	s, err := running.share(t, f)
	required := os.Getenv("ESNAP_REQUIRE_SERVERS") == "1" || os.Getenv("ESNAP_TEST_PROVIDER") != ""
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable) && !required:
		t.Skip(err)
	default:
		t.Fatal(err)
	}
	return s
}

// share starts the flavour's shared server, or returns what came of it when it was started before.
func (r *registry) share(t testing.TB, f Flavour) (*Server, error) {
	r.sharing.Lock()
	defer r.sharing.Unlock()
	if r.shared == nil {
		r.shared = map[Flavour]result{}
	}
	got, ok := r.shared[f]
	if !ok {
		got.server, got.err = Start(t.Context(), Options{Flavour: f, Log: testLog{t}})
		r.shared[f] = got
	}
	return got.server, got.err
}

// StopShared stops the servers that Shared started. It is for TestMain, after the tests; what goes wrong is printed.
func StopShared() {
	running.sharing.Lock()
	defer running.sharing.Unlock()
	for f, got := range running.shared {
		if got.server == nil {
			continue
		}
		if err := got.server.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "stop %s: %v\n", f, err)
		}
	}
	running.shared = nil
}

// testLog writes to the log of a test.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Helper()
	l.t.Log(strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
