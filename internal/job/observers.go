package job

import (
	"cmp"
	"context"
	"time"

	"github.com/esnap/esnap/internal/run"
)

// observers is the one list of those who hear of every run, besides the report's: a new
// one is a file and a row here. Each makes its observer from the job, or nil if the job
// does not want it.
var observers = []func(Job) run.Observer{
	newLines,
	newProgress,
	newLastWords,
	newTelling,
	newHistory, // written last
}

// Ender is an observer with something to do when the run has ended, such as to send a
// message. It must not take longer than the context, and changes nothing of the run. What
// fails is a warning.
type Ender interface {
	run.Observer
	End(ctx context.Context, e Ended)
}

// EndTime is how long all observers together may take at the end of a run, by default.
const EndTime = 10 * time.Second

func (j Job) observers(first run.Observer) run.Observers {
	all := append(run.Observers{first}, j.Observers...)
	for _, make := range observers {
		if o := make(j); o != nil {
			all = append(all, o)
		}
	}
	return all
}

// end tells the observers that have something to do at the end. What ended the run does
// not end them.
func (j Job) end(ctx context.Context, all run.Observers, e Ended) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(j.EndTime, EndTime))
	defer cancel()
	for _, o := range all {
		if o, ok := o.(Ender); ok {
			o.End(ctx, e)
		}
	}
}
