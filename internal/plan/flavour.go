package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
)

// behaviours is what actions do, by flavour.
var behaviours = map[flavour.Flavour]actions.Behaviour{
	flavour.Native: actions.Own,
	flavour.Curator5: {
		MasterTimeout: 300 * time.Second, RetriesWait: true, ServerConflicts: true, RestoreSystem: true, EmptyRouting: true, GreenCluster: true,
	},
	flavour.Curator8: {
		SkipRepoFSCheck: true, RetriesWait: true, ServerConflicts: true, RestoreSystem: true, EmptyRouting: true, GreenCluster: true,
	},
}

// Behaviour is what actions do by default, by flavour.
func Behaviour(f flavour.Flavour) actions.Behaviour { return behaviours[f] }

// listing is which indices are listed at all.
type listing struct {
	hidesHidden bool // hidden indices, and those of data streams
	hidesSystem bool // what systemNames match
}

// listings are the rules by flavour: esnap's own commands list every index.
var listings = map[flavour.Flavour]listing{
	flavour.Native:   {},
	flavour.Curator5: {hidesHidden: true},
	flavour.Curator8: {hidesHidden: true, hidesSystem: true},
}

// systemNames are what Curator 8 leaves out of every listing.
var systemNames = []string{".kibana*", ".security*", ".watch*", ".triggered_watch*", ".ml*", ".geoip_databases*", ".logstash*", ".tasks*"}

// Lists says whether the step's listing, by this search pattern, has the index.
func (s Step) Lists(i *cluster.Index, pattern string) bool {
	if i.Drill != "" || cluster.IsOwn(i.Name) {
		return false // a copy that a drill removes itself, or esnap's own documents
	}
	all := s.Common.IncludeHidden != nil && *s.Common.IncludeHidden
	if s.listing.hidesHidden && (i.Hidden || i.DataStream != "") && !all && !uncovers(pattern, i) {
		return false
	}
	asked := all && strings.HasPrefix(pattern, ".")
	return !s.listing.hidesSystem || asked || !slices.ContainsFunc(systemNames, func(p string) bool { return cluster.MatchName(p, i.Name) })
}

// uncovers says whether the server lists a hidden index for a search pattern: when it
// is named, by an alias, too, and when its name begins with a dot as the pattern does.
func uncovers(pattern string, i *cluster.Index) bool {
	return slices.ContainsFunc(strings.Split(pattern, ","), func(part string) bool {
		part = strings.TrimSpace(part)
		dotted := strings.HasPrefix(part, ".") && strings.HasPrefix(i.Name, ".") && cluster.MatchName(part, i.Name)
		return dotted || part == i.Name || i.HasAlias(part)
	})
}
