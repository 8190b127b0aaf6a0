package filters

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

// Alias matches indices that are members of an alias (spec/curator §6.7). As on the
// server, where Curator asks for them, a name may have wildcards, several may stand
// between commas, and one without a wildcard that no index has keeps everything from
// matching.
type Alias struct {
	Aliases []string `yaml:"aliases" check:"required,list" doc:"the aliases, * for any characters; one of them is enough, but each without * must exist"`

	names []string // one by one
}

func newAlias() Filter { return &Alias{} }

// Validate implements Filter.
func (f *Alias) Validate(cluster.ListKind, map[string]bool) error {
	f.names = nil
	for _, a := range strings.Split(strings.Join(f.Aliases, ","), ",") {
		switch a = strings.TrimSpace(a); {
		case a == "":
		case strings.HasPrefix(a, "-"): // its meaning depends on the server's version
			return optionError("aliases", fmt.Sprintf("%s: no alias begins with -; what is to be left out belongs into a filter of its own, with exclude", a))
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

// Needs implements Filter.
func (*Alias) Needs() []cluster.Need { return nil }

// Changing says that it judges aliases, which may change while a deletion waits.
func (*Alias) Changing() {}

// Judge implements Filter.
func (f *Alias) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	for _, a := range f.names {
		if !strings.Contains(a, "*") && !slices.ContainsFunc(cluster.Of[*cluster.Index](items), func(i *cluster.Index) bool { return i.HasAlias(a) }) {
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
