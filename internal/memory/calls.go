package memory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// ErrHang is what a fault hook returns to have a call wait until its context ends.
var ErrHang = errors.New("the call hangs")

// Call is one call that a Memory was asked.
type Call struct {
	Method  string     // of cluster.Cluster
	Names   []string   // as a fault hook gets them
	Request cluster.Op // of a write; nil for a read
	// Timeout is that of one request, as the context of a write has it; 0 is the
	// client's.
	Timeout time.Duration
}

// Calls lists what was asked, in order, without IndexBatches, which asks nothing.
func (m *Memory) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// CallsOf lists the calls of some methods.
func (m *Memory) CallsOf(methods ...string) []Call {
	return slices.DeleteFunc(m.Calls(), func(c Call) bool { return !slices.Contains(methods, c.Method) })
}

// Writes lists the calls that could have changed the cluster.
func (m *Memory) Writes() []Call {
	return slices.DeleteFunc(m.Calls(), func(c Call) bool { return c.Request == nil })
}

// ForgetCalls empties the list of calls.
func (m *Memory) ForgetCalls() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = nil
}

// call is one method with what surrounds it: the log, the hooks, the lock.
type call struct {
	Call
	op string // for errors
}

func read(method, op string, names ...string) call {
	return call{Call{Method: method, Names: slices.Clone(names)}, op}
}

func write(method, op string, request cluster.Op, names ...string) call {
	return call{Call{Method: method, Names: slices.Clone(names), Request: request}, op}
}

// do carries out a call. The hooks are called without the lock, so that they may
// use the Memory.
func (m *Memory) do(ctx context.Context, c call, work func() error) error {
	if ctx.Err() != nil {
		return c.ended(ctx, cluster.ErrUnreachable)
	}
	if c.Request != nil {
		c.Timeout = cluster.RequestTimeout(ctx)
	}
	m.mu.Lock()
	m.calls = append(m.calls, c.Call)
	m.mu.Unlock()
	if err := c.fault(ctx, m.Fault); err != nil {
		return err
	}
	m.mu.Lock()
	err := work()
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return c.fault(ctx, m.FaultAfter)
}

// fault asks a hook and turns its answer into the call's.
func (c call) fault(ctx context.Context, hook func(string, []string) error) error {
	if hook == nil {
		return nil
	}
	err := hook(c.Method, c.Names)
	var known *cluster.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case !errors.Is(err, ErrHang):
		return &cluster.Error{Op: c.op, Kind: err}
	}
	<-ctx.Done()
	if c.Request != nil {
		return c.ended(ctx, cluster.ErrLost)
	}
	return c.ended(ctx, cluster.ErrUnreachable)
}

// ended is the error of a call whose context has ended.
func (c call) ended(ctx context.Context, kind error) error {
	return &cluster.Error{Op: c.op, Kind: kind, Text: context.Cause(ctx).Error(), Err: ctx.Err()}
}

// fail is an error as a server's reply would have made it.
func (c call) fail(kind error, status int, causeType, reason string) error {
	return &cluster.Error{Op: c.op, Kind: kind, Status: status, Causes: []cluster.Cause{{Type: causeType, Reason: reason}}}
}

func (c call) noRepository(name string) error {
	return c.fail(cluster.ErrNoRepository, 404, "repository_missing_exception", "["+name+"] missing")
}

func (c call) noSnapshot(repository, name string) error {
	return c.fail(cluster.ErrNoSnapshot, 404, "snapshot_missing_exception", "["+repository+":"+name+"] is missing")
}

func (c call) noIndex(name string) error {
	return c.fail(cluster.ErrNoIndex, 404, "index_not_found_exception", "no such index ["+name+"]")
}

func (c call) busy(reason string) error {
	return c.fail(cluster.ErrBusy, 503, "concurrent_snapshot_execution_exception", reason)
}
