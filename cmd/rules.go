package cmd

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/coverage"
)

// copyRules are the flags that say when the copy of an index is complete: one definition for
// all commands that judge copies.
type copyRules struct {
	settle duration
	zone   zone
}

func (r *copyRules) add(f *pflag.FlagSet) {
	f.Var(&r.settle, "settle", "time for late documents after the day (default 2h)")
	f.Var(&r.zone, "index-timezone", "zone of the dates in names of indices")
}

func (r *copyRules) given() bool { return r.settle.given() || r.zone.given() }

func (r *copyRules) rules() coverage.Rules {
	return coverage.Rules{Zones: []*time.Location{r.zone.location()}, Settle: r.settle.or(coverage.DefaultSettle)}
}

// asked are the rules if a flag is given; nil: as an action file says.
func (r *copyRules) asked() *coverage.Rules {
	if !r.given() {
		return nil
	}
	rules := r.rules()
	return &rules
}
