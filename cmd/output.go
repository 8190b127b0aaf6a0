package cmd

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// output is stdout. It remembers why something could not be written there: a command that does
// not look at each error must not end with 0.
type output struct {
	w io.Writer
	// code is the exit code of a command whose output could not be written.
	code int

	mu   sync.Mutex
	err  error
	told bool // the user was told
}

// Write implements io.Writer. A reader that has read enough, such as head, is not an error.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

// tell notes that the user was told of an error.
func (o *output) tell(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = o.told || o.err != nil && errors.Is(err, o.err)
}

// failed is whether the user was told, and the first error.
func (o *output) failed() (told bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.told, o.err
}
