package actions

import (
	"errors"

	"github.com/esnap/esnap/internal/cluster"
)

// Limits are the options of deleting actions that refuse to delete too much at once.
type Limits struct {
	MaxItems   *int64   `yaml:"max_items" check:"min=0,own" doc:"refuse to delete more than this many"`
	MaxPercent *float64 `yaml:"max_percent" check:"min=0,max=100,own" doc:"refuse to delete more than this part of those that pass the filters by name; not counted for 10 or fewer"`
}

// Limited is an action with safety limits.
type Limited interface{ SafetyLimits() Limits }

// SafetyLimits implements Limited.
func (l *Limits) SafetyLimits() Limits { return *l }

// leastForPercent is from how many candidates on max_percent counts.
const leastForPercent = 11

// Refuse is the error if the limits do not allow to delete that many of the candidates.
// What is the word for one of them.
func (l Limits) Refuse(what string, selected, candidates int) error {
	switch {
	case l.MaxItems != nil && int64(selected) > *l.MaxItems:
		return cluster.Refuse("%s are selected, but max_items allows %d; nothing was deleted", cluster.Count(selected, what), *l.MaxItems)
	case l.MaxPercent != nil && candidates >= leastForPercent && 100*float64(selected) > *l.MaxPercent*float64(candidates):
		return cluster.Refuse("%s of the %d with such names are selected, which is %.0f %%, but max_percent allows %g; nothing was deleted",
			cluster.Count(selected, what), candidates, 100*float64(selected)/float64(candidates), *l.MaxPercent)
	}
	return nil
}

func (l Limits) validate() error {
	var errs []error
	if l.MaxItems != nil && *l.MaxItems == 0 {
		errs = append(errs, optionError("max_items", "is 0: the action would never delete anything; disable_action: true says that"))
	}
	if l.MaxPercent != nil && *l.MaxPercent == 0 {
		errs = append(errs, optionError("max_percent", "is 0: the action would never delete anything; disable_action: true says that"))
	}
	return errors.Join(errs...)
}
