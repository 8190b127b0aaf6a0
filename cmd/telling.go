package cmd

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/tell"
)

// What is told of something that is not the run of an action file.

// summary is how something ended. The caller adds what is known of it.
func (x *session) summary(policy string, began time.Time, took time.Duration, code int, to notice.Config) *tell.Summary {
	host, _ := os.Hostname()
	s := &tell.Summary{Policy: policy, Name: cmp.Or(to.Notify.Name, host), Version: Version(), Began: began.UTC(), Duration: took, Code: code}
	if code != 0 {
		s.State = tell.Error
	}
	return s
}

func (x *session) teller(to notice.Config, remember tell.Remember) *tell.Teller {
	return tell.New(to, tell.Options{RunID: job.NewRunID(), Version: Version(), Redact: x.s.Redact, Remember: remember})
}

// tell tells it, also after a signal. What cannot be told is a warning.
func (x *session) tell(ctx context.Context, teller *tell.Teller, s *tell.Summary) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), job.TellTime)
	defer cancel()
	for _, failed := range teller.End(ctx, s) {
		x.log.Warn(x.s.Redact(failed))
	}
}
