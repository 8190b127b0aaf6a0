package filters

import (
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Alias matches indices that are members of an alias (spec/curator §6.7). As on the
// server, one alias that no index has keeps everything from matching.
type Alias struct {
	Aliases []string `yaml:"aliases" check:"required,list" doc:"the aliases; one of them is enough, but each must exist"`
}

func newAlias() Filter { return &Alias{} }

// Validate implements Filter.
func (f *Alias) Validate(cluster.ListKind, map[string]bool) error {
	if len(f.Aliases) == 0 {
		return optionError("aliases", "must name an alias")
	}
	return nil
}

// Needs implements Filter.
func (*Alias) Needs() []cluster.Need { return nil }

// Judge implements Filter.
func (f *Alias) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	for _, a := range f.Aliases {
		if !slices.ContainsFunc(cluster.Of[*cluster.Index](items), func(i *cluster.Index) bool { return i.HasAlias(a) }) {
			return judgeEach(items, func(*cluster.Index) cluster.Verdict { return no("no index has the alias " + a) })
		}
	}
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		for _, a := range f.Aliases {
			if i.HasAlias(a) {
				return yes("it has the alias " + a)
			}
		}
		return no("it has none of the aliases " + strings.Join(f.Aliases, ", "))
	})
}
