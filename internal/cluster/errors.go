package cluster

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of errors. Implementations map a server's reply onto these by the type of the
// error in its body, never by the status alone: 404 means a missing snapshot or a missing
// repository.
var (
	ErrNoIndex      = errors.New("no such index")
	ErrNoSnapshot   = errors.New("no such snapshot")
	ErrNoRepository = errors.New("no such repository")
	ErrNoDocument   = errors.New("no such document")
	ErrExists       = errors.New("already exists")
	ErrChanged      = errors.New("was changed meanwhile")
	ErrBusy         = errors.New("another snapshot operation is running")
	ErrReadOnly     = errors.New("repository is read-only")
	ErrRepository   = errors.New("repository cannot be used")
	ErrInvalid      = errors.New("refused as invalid")
	ErrUnauthorized = errors.New("credentials refused")
	ErrForbidden    = errors.New("not permitted")
	ErrUnreachable  = errors.New("cluster cannot be reached")
	ErrUnavailable  = errors.New("cluster is not ready")
	ErrRejected     = errors.New("server is overloaded")
	ErrUnsupported  = errors.New("this server does not support it")
	// ErrLost means that a write was sent but not answered: it may have been carried out
	// or not. Verify before sending it again.
	ErrLost = errors.New("the reply was lost")
	// ErrShards means that the request was carried out, but not on all shards.
	ErrShards = errors.New("not all shards took part")
	// ErrOtherCluster means that an address does not lead to the cluster that was read
	// before, or does not show whether it does: nothing is written.
	ErrOtherCluster = errors.New("another cluster answers")
	// ErrLockLost means that the run does not hold the lock of its job any more: nothing more
	// is written.
	ErrLockLost = errors.New("this run has lost the lock of its job")
	// ErrUnseen means that the user does not see everything on which a request depends.
	ErrUnseen = errors.New("not everything can be seen")
	// ErrServer is any other failure a server reported.
	ErrServer = errors.New("server error")
)

// ErrReplaced is the ErrRepository of a repository whose storage does not contain what
// this cluster last wrote (Elasticsearch 7.6 and OpenSearch): another place is mounted, or
// something else writes to it. The server refuses the repository until it is registered
// again.
var ErrReplaced = fmt.Errorf("%w: its contents were replaced", ErrRepository)

// Cause is one link in the chain of a server's reasons, outermost first.
type Cause struct{ Type, Reason string }

// Error is a failed call on a cluster.
type Error struct {
	Op     string  // what was tried, on what: "delete snapshot r/s"
	Kind   error   // one of the kinds above
	Status int     // of the HTTP reply; 0 without one
	Causes []Cause // the server's reasons, outermost first; may be empty
	Text   string  // where there are no causes: what happened
	Hint   string  // what to do, in one sentence; may be empty
	Err    error   // an underlying error of the transport

	// Lasting means that the same call fails in the same way until somebody changes a
	// setting, although the kind may pass.
	Lasting    bool
	RetryAfter time.Duration // what the server asks to wait before another try; 0: nothing
}

// Error is what was tried and what the server answered.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteString(": ")
	switch {
	case len(e.Causes) > 0:
		seen := ""
		for _, c := range e.Causes {
			if c.Reason == "" || strings.Contains(seen, c.Reason) {
				continue
			}
			if seen != "" {
				b.WriteString(": ")
			}
			b.WriteString(c.Reason)
			seen += c.Reason
		}
		if seen == "" {
			b.WriteString(e.Causes[0].Type)
		}
	case e.Text != "":
		b.WriteString(e.Text)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		b.WriteString(e.Kind.Error())
	}
	if e.Status >= 400 && len(e.Causes) == 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	return b.String()
}

// Unwrap gives errors.Is the kind, and errors.As the transport's error.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{e.Kind, e.Err}
	}
	return []error{e.Kind}
}

// Has reports whether any cause in the chain has the type.
func (e *Error) Has(causeType string) bool {
	for _, c := range e.Causes {
		if c.Type == causeType {
			return true
		}
	}
	return false
}

// Hinted is an error with advice of its own.
type Hinted struct {
	Err    error
	Advice string
}

func (h *Hinted) Error() string { return h.Err.Error() }

// Unwrap returns the error the advice is about.
func (h *Hinted) Unwrap() error { return h.Err }

// WithHint adds advice, one sentence, to an error; nil stays nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Hinted{Err: err, Advice: fmt.Sprintf(format, args...)}
}

// Hint returns the advice of an error, the outermost first.
func Hint(err error) string {
	var h *Hinted
	if errors.As(err, &h) {
		return h.Advice
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// Unjoin lists the errors that errors.Join has joined, at any depth; any other error is
// returned as the only one.
func Unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range j.Unwrap() {
			all = append(all, Unjoin(e)...)
		}
		return all
	}
	return []error{err}
}

// Transient reports whether the same read may succeed when it is tried again.
func Transient(err error) bool {
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRejected)
}

// Refused marks an error as a refusal by a safety limit, a guard or the restore plan: the
// action changed nothing, although the cluster would have carried it out.
type Refused struct{ Err error }

func (r *Refused) Error() string { return r.Err.Error() }

// Unwrap returns the reason of the refusal.
func (r *Refused) Unwrap() error { return r.Err }

// Refuse makes a refusal from a message.
func Refuse(format string, args ...any) error { return &Refused{Err: fmt.Errorf(format, args...)} }
