package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strictyaml"
)

const decides = "a client file or --compat decides"

// lintFlavours warns where Curator's command line refuses what esnap run accepts, and
// where the two generations behave differently, so that the client file matters. It warns
// once for each difference.
func (p *parser) lintFlavours(root *strictyaml.Node) {
	var unfiltered, unverified, dotted []Step
	var sample string
	for _, s := range p.plan.Steps {
		at := p.nodeOf(root, s)
		if s.Selects() != "" && at.Get("filters") == nil {
			unfiltered = append(unfiltered, s)
		}
		if (s.Kind == "snapshot" || s.Kind == "restore") && at.Get("options").Get("skip_repo_fs_check").Absent() &&
			p.defaults.Get("skip_repo_fs_check").Absent() {
			unverified = append(unverified, s)
		}
		if s.Selects() != cluster.Indices || asksForSystem(s) || broad(s) {
			continue
		}
		if left := takes(s, systemSamples); left != nil {
			dotted = append(dotted, s)
			sample = cmp.Or(sample, left[0].ItemName())
		}
	}
	warn := func(of []Step, format string, args ...any) {
		if len(of) == 0 {
			return
		}
		var ids []string
		for _, s := range of {
			ids = append(ids, s.ID)
		}
		which := "action "
		if len(ids) > 1 {
			which = "actions "
		}
		p.p.Warn(p.nodeOf(root, of[0]), format, append([]any{which + strings.Join(ids, ", ")}, args...)...)
	}
	if p.o.LintCuratorStrictness && !p.own(root) {
		warn(unfiltered, "the key filters is missing (%s): Curator's command lines refuse that; esnap run applies no filter")
	}
	if !p.o.LintBothGenerations {
		return
	}
	warn(unverified, "skip_repo_fs_check is not given (%s): in Curator's command lines version 5 verifies the repository first, "+
		"version 8 does not; %s", decides)
	warn(dotted, "the filters select system indices such as %[2]s (%[1]s): in Curator's command lines version 5 lists them, "+
		"version 8 does not; %[3]s", sample, decides)
}

// asksForSystem reports whether Curator 8 lists system indices for the action.
func asksForSystem(s Step) bool {
	return s.Common.IncludeHidden != nil && *s.Common.IncludeHidden && strings.HasPrefix(s.Common.SearchPattern, ".")
}

// systemSamples are names that Curator 8 never lists, and Curator 5 does.
var systemSamples = []*cluster.Index{{Name: ".kibana_1"}, {Name: ".security-7"}, {Name: ".tasks"}, {Name: ".ml-config"}, {Name: ".watches"}}

// own reports whether the file uses something that Curator does not know, so that it is
// not for Curator's command lines.
func (p *parser) own(root *strictyaml.Node) bool {
	for _, key := range []string{"repositories", "defaults", "name", "lock", "history"} {
		if root.Get(key) != nil {
			return true
		}
	}
	for _, s := range p.plan.Steps {
		options := p.nodeOf(root, s).Get("options")
		for _, f := range slices.Concat(strictyaml.Fields(typeOf(&s.Common)), strictyaml.Fields(typeOf(s.Action))) {
			if f.Own && options.Get(f.Name) != nil {
				return true
			}
		}
		for _, l := range s.Chain {
			if filters.Kinds[l.Kind].Own {
				return true
			}
		}
	}
	return false
}
