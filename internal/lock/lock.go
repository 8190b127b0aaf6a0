// Package lock keeps two runs of one job from acting at the same time: one document for
// each job, which only one run can create, and which every other run can see.
package lock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
)

const (
	renewEvery = 10 * time.Second
	retryEvery = 5 * time.Second // after a renewal that failed
	// staleAfter is how long after its last renewal a lock may be taken over.
	staleAfter = 3 * time.Minute
	// trustFor is how long after its last renewal a run still starts writes: shorter, so
	// that a write ends before another run may begin.
	trustFor = 2 * time.Minute
	// trustEvery is how often While looks whether the lock is still held.
	trustEvery = time.Second
	// renewTimeout bounds one renewal, with its retries.
	renewTimeout = 25 * time.Second
)

// Owner is a run.
type Owner struct {
	Run  string `json:"run"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// Held is a lock as the cluster has it. All times are those of the cluster's clock.
type Held struct {
	Name     string    `json:"name"`
	Owner    Owner     `json:"owner"`
	Acquired time.Time `json:"acquired"`
	Renewed  time.Time `json:"renewed"`
	Expires  time.Time `json:"expires"`
	// Acting is the time of the schedule for which the run acts, and Acted is the last one
	// for which a run has acted; zero: none.
	Acting time.Time `json:"acting,omitzero"`
	Acted  time.Time `json:"acted,omitzero"`
	// Schedule is that of the time.
	Schedule string `json:"schedule,omitempty"`

	version cluster.DocumentVersion
}

// free says that no run holds the lock: the document remains, as it says for which time of
// the schedule a run has acted.
func (h Held) free() bool { return h.Owner == Owner{} && h.Expires.IsZero() && !h.Acted.IsZero() }

// ActedError means that a run has already acted for this time of the schedule.
type ActedError struct {
	Name      string
	For, Last time.Time
}

// Error names both times.
func (e *ActedError) Error() string {
	return fmt.Sprintf("a run of the job %s has already acted for %s", e.Name, e.Last.UTC().Format(time.RFC3339))
}

// AheadError means that the time of the schedule has not come yet by the cluster's clock.
// Acting for it would leave other replicas without a time that they could compare.
type AheadError struct{ For, Now time.Time }

// Error names both times.
func (e *AheadError) Error() string {
	return fmt.Sprintf("the clock of this machine is wrong: the job is due at %s, and the cluster's clock is at %s",
		e.For.UTC().Format(time.RFC3339), e.Now.UTC().Format(time.RFC3339))
}

// maxAhead is how far in the future the last time acted for may be. A run whose clock was
// wrong must not keep all later ones from acting.
const maxAhead = time.Hour

// acted is the last time for which a run has acted.
func (h Held) acted(now time.Time) time.Time {
	if h.Acted.After(now.Add(maxAhead)) {
		return time.Time{}
	}
	return h.Acted
}

// Stale reports whether the lock may be taken over.
func (h Held) Stale(now time.Time) bool { return !h.Expires.IsZero() && now.After(h.Expires) }

// String says who holds the lock.
func (h Held) String() string {
	run := h.Owner.Run[:min(len(h.Owner.Run), 8)] // enough to tell runs apart
	return fmt.Sprintf("run %s on host %s (pid %d)", cmp.Or(run, "?"), cmp.Or(h.Owner.Host, "?"), h.Owner.PID)
}

// HeldError means that another run holds the lock.
type HeldError struct {
	Held Held
	Now  time.Time // by the cluster's clock
}

// Error names the owner and the age.
func (e *HeldError) Error() string {
	return fmt.Sprintf("another run of the job %s holds its lock: %s, acquired %s ago, renewed %s ago", e.Held.Name, e.Held,
		cluster.Age(e.Now, e.Held.Acquired), cluster.Age(e.Now, e.Held.Renewed))
}

// Options are those of one run.
type Options struct {
	Owner Owner
	// Watch waits between renewals and measures; Wall is the machine's clock, which goes on
	// while the machine sleeps.
	Watch clock.Stopwatch
	Wall  func() time.Time
	// Due is the time of the schedule for which the run acts; zero: it has no schedule.
	Due time.Time
	// Schedule is that of the time, as text.
	Schedule string
}

// Lock is a lock that this run holds, or has lost.
type Lock struct {
	c    cluster.Cluster
	o    Options
	stop context.CancelFunc
	done chan struct{}
	// TookOver is the run whose stale lock was taken over; nil: none.
	TookOver *Held

	mu      sync.Mutex
	held    Held
	renewed reading
	lost    error
}

// reading is both clocks.
type reading struct {
	watch time.Duration
	wall  time.Time
}

func (o Options) read() reading { return reading{o.Watch.Elapsed(), o.Wall()} }

// since is the longer of both times.
func (r reading) since(before reading) time.Duration {
	return max(r.watch-before.watch, r.wall.Round(0).Sub(before.wall.Round(0)))
}

// Acquire takes the lock of a job and renews it until Release. It is a *HeldError that
// another run holds it, and an *ActedError that there is nothing left to do for the time of
// the schedule; any other error means that the lock cannot be written.
func Acquire(ctx context.Context, c cluster.Cluster, name string, o Options) (*Lock, error) {
	l := &Lock{c: c, o: o, done: make(chan struct{})}
	var err error
	for range 3 { // each time something else may come between a look and a write
		var again bool
		if again, err = l.acquire(ctx, name); err == nil {
			renewing, stop := context.WithCancel(context.WithoutCancel(ctx)) // what ends the run does not end its lock
			l.stop = stop
			go l.renewing(renewing)
			return l, nil
		}
		if !again {
			break
		}
	}
	return nil, err
}

func (l *Lock) acquire(ctx context.Context, name string) (again bool, err error) {
	begun := l.o.read()
	now, err := l.c.Clock(ctx)
	if err != nil {
		return false, err
	}
	if l.o.Due.After(now.Add(maxAhead)) {
		return false, &AheadError{l.o.Due, now}
	}
	ours := Held{Name: name, Owner: l.o.Owner, Acquired: now, Renewed: now, Expires: now.Add(staleAfter), Acting: l.o.Due,
		Schedule: l.o.Schedule}
	ours.version, err = l.c.PutDocument(ctx, ours.request(nil))
	if err == nil {
		l.held, l.renewed = ours, begun
		return false, nil
	}
	if !errors.Is(err, cluster.ErrExists) && !errors.Is(err, cluster.ErrLost) {
		return false, err
	}
	there, lookErr := read(ctx, l.c, name)
	switch {
	case errors.Is(lookErr, cluster.ErrNoDocument): // released meanwhile, or not written
		return true, err
	case lookErr != nil:
		return false, lookErr
	case there.Owner == l.o.Owner: // written, but the reply was lost
		l.held, l.renewed = there, begun
		return false, nil
	case !l.o.Due.IsZero() && !there.acted(now).Before(l.o.Due):
		return false, &ActedError{name, l.o.Due, there.Acted}
	case !there.free() && !there.Stale(now):
		return false, &HeldError{there, now}
	}
	ours.Acted, ours.Schedule = there.acted(now), cmp.Or(ours.Schedule, there.Schedule)
	ours.version, err = l.c.PutDocument(ctx, ours.request(&there.version))
	if err == nil {
		l.held, l.renewed = ours, begun
		if !there.free() {
			l.TookOver = &there
		}
		return false, nil
	}
	return errors.Is(err, cluster.ErrChanged) || errors.Is(err, cluster.ErrLost), err
}

func (h Held) request(replaces *cluster.DocumentVersion) cluster.PutDocument {
	return cluster.PutDocument{Index: cluster.LockIndex, ID: h.Name, Time: h.Renewed, Body: h, Replaces: replaces}
}

// renewing renews the lock until the context ends.
func (l *Lock) renewing(ctx context.Context) {
	defer close(l.done)
	for pause := renewEvery; l.o.Watch.Sleep(ctx, pause) == nil; {
		if pause = l.renew(ctx); pause == 0 {
			return
		}
	}
}

// renew renews the lock once. It returns when to do it again; 0: never, the lock is lost.
func (l *Lock) renew(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	begun := l.o.read()
	now, err := l.c.Clock(ctx)
	if err != nil {
		return retryEvery
	}
	l.mu.Lock()
	h := l.held
	l.mu.Unlock()
	next := h
	next.Renewed, next.Expires = now, now.Add(staleAfter)
	next.version, err = l.c.PutDocument(ctx, next.request(&h.version))
	if errors.Is(err, cluster.ErrChanged) { // another run has it, or the reply to the last renewal was lost
		there, lookErr := Read(ctx, l.c, h.Name)
		switch {
		case errors.Is(lookErr, cluster.ErrNoDocument):
			return l.lose("it was released by hand")
		case lookErr != nil:
			return retryEvery
		case there.Owner != l.o.Owner:
			return l.lose(there.String() + " has taken it over")
		}
		next = there
	} else if err != nil {
		return retryEvery
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held, l.renewed = next, begun
	return renewEvery
}

// lose notes that the lock is lost, and why.
func (l *Lock) lose(why string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = cluster.WithHint(&lostError{fmt.Sprintf("this run has lost the lock of the job %s: %s", l.held.Name, why)},
		"esnap lock list shows who holds the lock; run the file again when it is free")
	return 0
}

// lostError is a cluster.ErrLockLost in its own words.
type lostError struct{ text string }

func (e *lostError) Error() string { return e.text + "; nothing more is changed" }

// Unwrap returns the kind.
func (e *lostError) Unwrap() error { return cluster.ErrLockLost }

// trusted is an error if the lock is lost, or if another run may take it over soon.
func (l *Lock) trusted() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if age := l.o.read().since(l.renewed); l.lost == nil && age > trustFor {
		text := fmt.Sprintf("the lock of the job %s could not be renewed for %s: another run may take it over", l.held.Name,
			age.Round(time.Second))
		return cluster.WithHint(&lostError{text}, "check whether the cluster can be written to, then run the file again")
	}
	return l.lost
}

// endedError is why a program was told to end: it has lost its lock.
type endedError struct{ text string }

func (e *endedError) Error() string { return e.text }

// Unwrap returns the kind.
func (e *endedError) Unwrap() error { return cluster.ErrLockLost }

// While is a context that ends when the lock is lost, or may be taken over soon. Its cause
// says why.
func (l *Lock) While(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for l.o.Watch.Sleep(ctx, trustEvery) == nil {
			var lost *lostError
			if errors.As(l.trusted(), &lost) {
				cancel(&endedError{lost.text})
				return
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Check is asked before each write of the run: an error means that it must not be sent.
// Before a deletion it reads who holds the lock.
func (l *Lock) Check(ctx context.Context, op cluster.Op) error {
	if err := l.trusted(); err != nil {
		return err
	}
	if verb := op.Intent().Verb; verb != cluster.VerbDelete && verb != cluster.VerbUnregister {
		return nil
	}
	l.mu.Lock()
	name := l.held.Name
	l.mu.Unlock()
	there, err := Read(ctx, l.c, name)
	switch {
	case errors.Is(err, cluster.ErrNoDocument):
		l.lose("it was released by hand")
	case err != nil:
		return fmt.Errorf("cannot tell who holds the lock of the job %s, so nothing was deleted: %w", name, err)
	case there.Owner != l.o.Owner:
		l.lose(there.String() + " has taken it over")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Release gives the lock back. Acted says that the run has acted for its time of the
// schedule, so that no other run need do so.
func (l *Lock) Release(ctx context.Context, acted bool) error {
	l.stop()
	<-l.done
	if l.lost != nil {
		return l.lost
	}
	if acted && l.held.Acting.After(l.held.Acted) {
		l.held.Acted = l.held.Acting
	}
	err := free(ctx, l.c, l.held)
	if errors.Is(err, cluster.ErrChanged) { // the reply to the last renewal was lost
		there, lookErr := Read(ctx, l.c, l.held.Name)
		switch {
		case lookErr == nil && there.Owner == l.o.Owner:
			there.Acted = l.held.Acted
			err = free(ctx, l.c, there)
		case lookErr == nil:
			l.lose(there.String() + " has taken it over")
			return l.lost
		}
	}
	if err != nil {
		return fmt.Errorf("the lock of the job %s was not released and expires at %s: %w", l.held.Name,
			l.held.Expires.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// Read reads one lock; ErrNoDocument if nothing holds it.
func Read(ctx context.Context, c cluster.DocumentReader, name string) (Held, error) {
	h, err := read(ctx, c, name)
	if err == nil && h.free() {
		return Held{}, &cluster.Error{Op: "read the lock " + name, Kind: cluster.ErrNoDocument}
	}
	return h, err
}

// IsHeld reports whether a run holds the lock, and has renewed it lately.
func IsHeld(ctx context.Context, c cluster.Reader, name string) (bool, error) {
	h, err := Read(ctx, c, name)
	if errors.Is(err, cluster.ErrNoDocument) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now, err := c.Clock(ctx)
	return err == nil && !h.Stale(now), err
}

// lookEvery is how often Abandoned looks.
const lookEvery = 2 * time.Second

// Abandoned waits until the run that was seen to hold a lock renews it, or is seen to be
// dead: it has given the lock back, or not renewed it for too long. It reports whether the
// lock can be taken now.
func Abandoned(ctx context.Context, c cluster.Reader, w clock.Stopwatch, seen Held) bool {
	if seen.Expires.IsZero() { // it cannot be read, so it never gets stale
		return false
	}
	for range (staleAfter + renewEvery) / lookEvery {
		if w.Sleep(ctx, lookEvery) != nil {
			return false
		}
		h, err := Read(ctx, c, seen.Name)
		switch {
		case errors.Is(err, cluster.ErrNoDocument):
			return true
		case err != nil:
			continue
		case h.Owner != seen.Owner || h.version != seen.version:
			return false
		}
		if now, err := c.Clock(ctx); err == nil && h.Stale(now) {
			return true
		}
	}
	return false
}

// Acted is the last time for which a run of the job has acted, of which schedule; zero: not
// known.
func Acted(ctx context.Context, c cluster.DocumentReader, name string) (at time.Time, schedule string, err error) {
	h, err := read(ctx, c, name)
	if errors.Is(err, cluster.ErrNoDocument) {
		return time.Time{}, "", nil
	}
	return h.Acted, h.Schedule, err
}

// read reads the document of a lock, which may be free.
func read(ctx context.Context, c cluster.DocumentReader, name string) (Held, error) {
	d, err := c.Document(ctx, cluster.LockIndex, name)
	if err != nil {
		return Held{}, err
	}
	return held(d), nil
}

// held is the lock in a document. One that cannot be read never gets stale.
func held(d cluster.Document) Held {
	h := Held{}
	if json.Unmarshal(d.Body, &h) != nil {
		h = Held{}
	}
	h.Name, h.version = d.ID, d.Version
	return h
}

// maxLocks is how many locks are listed.
const maxLocks = 1000

// List lists all locks, sorted by name.
func List(ctx context.Context, c cluster.DocumentReader) ([]Held, error) {
	docs, err := c.Documents(ctx, cluster.DocumentQuery{Index: cluster.LockIndex, Limit: maxLocks})
	var list []Held
	for _, d := range docs {
		if h := held(d); !h.free() {
			list = append(list, h)
		}
	}
	cluster.Sort(list, func(a, b Held) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// Free releases a lock of another run by hand, as it was read. ErrChanged if it was
// renewed or taken over meanwhile.
func Free(ctx context.Context, c cluster.Cluster, name string, owner Owner) error {
	for try := 1; ; try++ {
		h, err := Read(ctx, c, name)
		switch {
		case err != nil:
			return err
		case h.Owner != owner:
			return &cluster.Error{Op: "release the lock " + name, Kind: cluster.ErrChanged, Text: h.String() + " has taken it over meanwhile"}
		}
		if err = free(ctx, c, h); err == nil || !errors.Is(err, cluster.ErrChanged) || try == 3 {
			return err // otherwise it was renewed meanwhile
		}
	}
}

// free gives a lock back as it was read. Its document remains if it says for which time of
// the schedule a run has acted.
func free(ctx context.Context, c cluster.DocumentWriter, h Held) error {
	if !h.Acted.IsZero() {
		_, err := c.PutDocument(ctx, cluster.PutDocument{Index: cluster.LockIndex, ID: h.Name, Time: h.Renewed, Replaces: &h.version,
			Body: Held{Name: h.Name, Acted: h.Acted, Schedule: h.Schedule}})
		return err
	}
	return c.DeleteDocument(ctx, cluster.DeleteDocument{Index: cluster.LockIndex, ID: h.Name, Version: h.version})
}
