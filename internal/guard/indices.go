package guard

import (
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// streamHead keeps the write index of a data stream.
type streamHead struct{}

func (streamHead) Name() string          { return "write_index" }
func (streamHead) Needs() []cluster.Need { return nil }

func (streamHead) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(i *cluster.Index) string {
		if i.StreamHead {
			return "it is the write index of the data stream " + i.DataStream
		}
		return ""
	})
}

// writeIndex keeps an index that is explicitly the write index of an alias.
type writeIndex struct{}

func (writeIndex) Name() string { return "write_index" }

func (writeIndex) Needs() []cluster.Need { return []cluster.Need{{Fact: cluster.FactWriteIndex}} }

func (writeIndex) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(i *cluster.Index) string {
		if len(i.WriteAliases) > 0 {
			return "it is the write index of the alias " + strings.Join(i.WriteAliases, ", ")
		}
		return ""
	})
}

// systemIndex keeps system indices that are not named on purpose; or only warns.
type systemIndex struct {
	exact    []string
	warnOnly bool
}

func (systemIndex) Name() string          { return "system_index" }
func (systemIndex) Needs() []cluster.Need { return nil }

func (g systemIndex) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	out := each(selected, func(i *cluster.Index) string {
		if i.System && !slices.Contains(g.exact, i.Name) {
			return "it is a system index, and no filter names it (with a pattern that starts with a dot)"
		}
		return ""
	})
	if g.warnOnly {
		for i := range out {
			if out[i].Match == cluster.Yes {
				out[i] = cluster.Verdict{Match: cluster.No, Warn: true, Why: "it is a system index that no filter names; it will be deleted, as Curator does"}
			}
		}
	}
	return out
}

// restoreMark keeps indices that a restore has marked as protected.
type restoreMark struct{}

func (restoreMark) Name() string          { return "restore_mark" }
func (restoreMark) Needs() []cluster.Need { return nil }

func (restoreMark) Judge(now time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(i *cluster.Index) string {
		if until := i.KeepUntil(); until.After(now) {
			return "restored; protected until the end of " + until.AddDate(0, 0, -1).Format("2006-01-02") + " (UTC)"
		}
		return ""
	})
}

// protect keeps what the option protect of the action names.
type protect struct{ patterns []string }

func (protect) Name() string          { return "protect" }
func (protect) Needs() []cluster.Need { return nil }

func (g protect) Judge(_ time.Time, selected, _ []cluster.Item) []cluster.Verdict {
	return each(selected, func(i *cluster.Index) string {
		for _, p := range g.patterns {
			if cluster.MatchName(p, i.Name) {
				return "it matches the protected pattern " + p
			}
		}
		return ""
	})
}
