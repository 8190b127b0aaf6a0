package cluster

import (
	"context"
	"errors"
	"time"
)

// Result is the result for one item of an action.
type Result string

// The results.
const (
	Done       Result = "done"        // and verified in the cluster
	Adopted    Result = "adopted"     // a snapshot of another run is taken as done
	Unchanged  Result = "unchanged"   // nothing was to be done, or must not be done any more; the detail says why
	PartlyDone Result = "partial"     // done, but incomplete, as the options allow
	Failure    Result = "failed"      //
	NotStarted Result = "not_started" // nothing was asked for: deadline or interruption
	Requested  Result = "requested"   // asked for; it continues in the cluster, and how it ends is not known
	Unclear    Result = "unknown"     // asked for; the cluster could not be asked what became of it
)

// Outcome is what an action did with one item.
type Outcome struct {
	Verb       Verb
	What       string // index, snapshot, repository
	Name       string
	Repository string
	Alias      string // that an index was added to or taken out of
	Result     Result
	Why        string    // the reason for which a filter selected it, if it has one
	Detail     string    // what is worth knowing, in words
	Err        error     // of a Failure
	Assumed    bool      // of a dry run: it would have been done
	Taken      time.Time // when an Adopted snapshot was started
}

// Began is when the snapshot of the outcome was started: an adopted one before the run that
// began at this time.
func (o Outcome) Began(run time.Time) time.Time {
	if o.Taken.IsZero() {
		return run
	}
	return o.Taken
}

// NotStarted makes it the outcome of an item for which nothing was asked, and says why.
func (o *Outcome) NotStarted(why error) { o.Result, o.Detail = NotStarted, why.Error() }

// Requested makes it the outcome of an item for which something was asked that continues
// in the cluster, and says why nobody waits for it.
func (o *Outcome) Requested(what string, why error) {
	o.Result, o.Detail = Requested, what+" continues in the cluster; "+why.Error()
}

// Waiting says what an action waits for; Progress is given where the cluster
// says how far it has come.
type Waiting struct {
	For      string
	Elapsed  time.Duration
	Progress *Progress
}

// ErrEmpty means that nothing was selected.
var ErrEmpty = errors.New("nothing is selected")

type requestTimeout struct{}

// WithRequestTimeout gives the writes made with the context a time-out of their
// own for one request, in place of the client's.
func WithRequestTimeout(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, requestTimeout{}, d)
}

// RequestTimeout is what WithRequestTimeout gave, or 0.
func RequestTimeout(ctx context.Context) time.Duration {
	d, _ := ctx.Value(requestTimeout{}).(time.Duration)
	return d
}
