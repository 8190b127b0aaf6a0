package filters

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Alias matches indices that are members of an alias. Curator asks
// the server for them, so the rules are the server's: a name may have wildcards, commas
// separate several names, and if no index has a name without wildcards, nothing matches.
type Alias struct {
	Aliases []string `yaml:"aliases" check:"required,list" doc:"the aliases, * for any characters; one match is enough, but each alias without * must exist"`

	names []string // split at commas
}

func newAlias() Filter { return &Alias{} }

// Validate implements Filter.
func (f *Alias) Validate(cluster.ListKind, map[string]bool) error {
	f.names = nil
	for _, a := range strings.Split(strings.Join(f.Aliases, ","), ",") {
		switch a = strings.TrimSpace(a); {
		case a == "":
		case strings.HasPrefix(a, "-"): // its meaning depends on the server's version
			return optionError("aliases", fmt.Sprintf("%s: an alias cannot begin with -; to exclude an alias, write a second filter with exclude",
				a))
		case a == "_all":
			f.names = append(f.names, "*")
		default:
			f.names = append(f.names, a)
		}
	}
	if len(f.names) == 0 {
		return optionError("aliases", "must name an alias")
	}
	return nil
}

// Changing marks the filter: aliases may change while a deletion waits.
func (*Alias) Changing() {}

// Judge implements Filter.
func (f *Alias) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	for _, a := range f.names {
		if !strings.Contains(a, "*") && !slices.ContainsFunc(cluster.Of[*cluster.Index](items), func(i *cluster.Index) bool {
			return i.HasAlias(a)
		}) {
			return judgeEach(items, func(*cluster.Index) cluster.Verdict { return no("no index has the alias " + a) })
		}
	}
	return judgeEach(items, func(i *cluster.Index) cluster.Verdict {
		for _, a := range f.names {
			if i.MatchesAlias(a) {
				return yes("it has the alias " + a)
			}
		}
		return no("it has none of the aliases " + strings.Join(f.names, ", "))
	})
}
