package actions

import (
	"errors"

	"github.com/esnap/esnap/internal/cluster"
)

// Brakes are the options of deleting actions that refuse to delete too much at once.
type Brakes struct {
	MaxItems   *int64   `yaml:"max_items" check:"min=0,own" doc:"refuse to delete more than this many"`
	MaxPercent *float64 `yaml:"max_percent" check:"min=0,max=100,own" doc:"refuse to delete more than this part of those that pass the filters by name; not counted for 10 or fewer"`
}

// Braked is an action with brakes.
type Braked interface{ Limits() Brakes }

// Limits implements Braked.
func (b *Brakes) Limits() Brakes { return *b }

// leastForPercent is from how many candidates on max_percent counts.
const leastForPercent = 11

// Refuse is the error if the brakes do not allow to delete that many of the candidates.
// What is the word for one of them.
func (b Brakes) Refuse(what string, selected, candidates int) error {
	switch {
	case b.MaxItems != nil && int64(selected) > *b.MaxItems:
		return cluster.Refuse("%s are selected, but max_items allows %d; nothing was deleted", cluster.Count(selected, what), *b.MaxItems)
	case b.MaxPercent != nil && candidates >= leastForPercent && 100*float64(selected) > *b.MaxPercent*float64(candidates):
		return cluster.Refuse("%s of the %d with such names are selected, which is %.0f %%, but max_percent allows %g; nothing was deleted",
			cluster.Count(selected, what), candidates, 100*float64(selected)/float64(candidates), *b.MaxPercent)
	}
	return nil
}

func (b Brakes) validate() error {
	var errs []error
	if b.MaxItems != nil && *b.MaxItems == 0 {
		errs = append(errs, optionError("max_items", "is 0: the action would never delete anything; disable_action: true says that"))
	}
	if b.MaxPercent != nil && *b.MaxPercent == 0 {
		errs = append(errs, optionError("max_percent", "is 0: the action would never delete anything; disable_action: true says that"))
	}
	return errors.Join(errs...)
}
