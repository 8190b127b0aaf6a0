package cmd

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strictyaml"
)

// limitFlags are the flags of the safety limits of one deleting command.
type limitFlags struct {
	items   int64
	percent percent
}

func (l *limitFlags) add(c *cobra.Command) {
	wholeFlag(c.Flags(), &l.items, "max-items", 1, "refuse to delete more than this many")
	c.Flags().Var(&l.percent, "max-percent", "refuse to delete more than this part of them all")
}

func (l *limitFlags) limits() (limits actions.Limits) {
	if l.items > 0 {
		limits.MaxItems = &l.items
	}
	if l.percent > 0 {
		most := float64(l.percent)
		limits.MaxPercent = &most
	}
	return limits
}

// retainFilter is the filter retain with rules such as daily=7.
func retainFilter(rules []string) (filters.Link, error) {
	link := filters.Link{Kind: "retain", Filter: filters.Kinds["retain"].New()}
	node := &strictyaml.Node{Kind: strictyaml.Map}
	for _, rule := range rules {
		key, value, ok := strings.Cut(rule, "=")
		if !ok || key == "" || value == "" {
			return link, usagef("--retain: %q is not of the form RULE=VALUE, such as daily=7", rule)
		}
		parsed := strictyaml.Parse([]byte(value), strictyaml.Options{}, &strictyaml.Problems{})
		if parsed == nil {
			return link, usagef("--retain: invalid value %q", value)
		}
		node.Entries = append(node.Entries, strictyaml.Entry{Key: &strictyaml.Node{Kind: strictyaml.String, Text: key}, Value: parsed})
	}
	problems := &strictyaml.Problems{}
	given := strictyaml.Decode(node, link.Filter, strictyaml.DecodeOptions{Subject: "rule of --retain", Own: true}, problems)
	if len(problems.List) > 0 {
		return link, &usageError{text: "--retain: " + problems.List[0].Text, hint: problems.List[0].Hint}
	}
	if err := filters.Validate(link.Filter, cluster.Snapshots, given); err != nil {
		return link, usagef("--retain: %s", err)
	}
	return link, nil
}

// requireFlags are the flags of the option require_snapshot.
type requireFlags struct {
	repositories []string
	minCopies    string
	rules        copyRules
}

func (r *requireFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&r.repositories, "require-snapshot", nil, "only what has a complete copy here (repeatable)")
	f.StringVar(&r.minCopies, "min-copies", "", "in how many of these repositories (default all)")
	r.rules.add(f)
}

// apply sets the option of an action. Flags that only it reads need it.
func (r *requireFlags) apply(a *actions.DeleteIndices) error {
	if len(r.repositories) == 0 {
		if r.minCopies != "" || r.rules.given() {
			return usagef("--min-copies, --settle and --index-timezone need --require-snapshot")
		}
		return nil
	}
	settle := r.rules.rules().Settle
	a.RequireSnapshot = &actions.RequireSnapshot{Repositories: r.repositories, MinCopies: r.minCopies, Settle: &settle}
	if zone := r.rules.zone.text; zone != "" {
		a.IndexTimezone = zone
	}
	if err := actions.Validate(a, map[string]bool{"require_snapshot": true}); err != nil {
		var oe *cluster.OptionError
		if errors.As(err, &oe) {
			return usagef("--require-snapshot: %s", oe.Text)
		}
		return err
	}
	return nil
}
