package run

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
)

// A listing is shared by the actions that follow, until something else may have
// changed the cluster.
const (
	listingMaxAge = 5 * time.Minute // dropped when older
	waitDrops     = time.Minute     // a wait longer than this drops listings
)

// listings caches the listings of a run.
type listings struct {
	cluster.Reader
	watch clock.Stopwatch
	never bool // a dry run: nothing drops them

	mu        sync.Mutex
	indices   []*cluster.Index
	indicesAt time.Duration
	snapshots map[string]*snapshotListing
}

type snapshotListing struct {
	list     []*cluster.Snapshot
	contents bool
	at       time.Duration
}

func newListings(r cluster.Reader, watch clock.Stopwatch, dryRun bool) *listings {
	return &listings{Reader: r, watch: watch, never: dryRun, snapshots: map[string]*snapshotListing{}}
}

// Indices implements cluster.IndexReader from the cache.
func (l *listings) Indices(ctx context.Context) ([]*cluster.Index, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.indices != nil && (l.never || l.watch.Elapsed()-l.indicesAt < listingMaxAge) {
		return slices.Clone(l.indices), nil
	}
	list, err := l.Reader.Indices(ctx)
	if err != nil {
		return nil, err
	}
	if list == nil {
		list = []*cluster.Index{}
	}
	l.indices, l.indicesAt = list, l.watch.Elapsed()
	return slices.Clone(list), nil
}

// Snapshots implements cluster.SnapshotReader from the cache.
func (l *listings) Snapshots(ctx context.Context, repository string, contents bool) ([]*cluster.Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.snapshots[repository]; s != nil && (s.contents || !contents) && (l.never || l.watch.Elapsed()-s.at < listingMaxAge) {
		return slices.Clone(s.list), nil
	}
	list, err := l.Reader.Snapshots(ctx, repository, contents)
	if err != nil {
		return nil, err
	}
	l.snapshots[repository] = &snapshotListing{list: list, contents: contents, at: l.watch.Elapsed()}
	return slices.Clone(list), nil
}

// dropRunning forgets listings with a running snapshot: the next action may need to know
// how it ended.
func (l *listings) dropRunning() {
	if l.never {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for repository, s := range l.snapshots {
		if slices.ContainsFunc(s.list, func(x *cluster.Snapshot) bool { return x.State == cluster.InProgress }) {
			delete(l.snapshots, repository)
		}
	}
}

// drop forgets all listings.
func (l *listings) drop() {
	if l.never {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.indices, l.snapshots = nil, map[string]*snapshotListing{}
}

// wrote takes our own deletions out of the listings; any other write may have
// changed more than we know.
func (l *listings) wrote(op cluster.Op, err error) {
	if err != nil {
		l.drop()
		return
	}
	l.mu.Lock()
	switch r := op.(type) {
	case cluster.VerifyRepository: // changes nothing that a listing shows
	case cluster.DeleteIndices:
		l.indices = slices.DeleteFunc(l.indices, func(i *cluster.Index) bool { return slices.Contains(r.Names, i.Name) })
	case cluster.DeleteSnapshots:
		if s := l.snapshots[r.Repository]; s != nil {
			s.list = slices.DeleteFunc(s.list, func(s *cluster.Snapshot) bool { return slices.Contains(r.Names, s.Name) })
		}
	default:
		l.mu.Unlock()
		l.drop()
		return
	}
	l.mu.Unlock()
}
