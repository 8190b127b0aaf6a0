package cmd

import (
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
	given := strictyaml.Decode(node, link.Filter, strictyaml.DecodeOptions{Subject: "rule of --retain"}, problems)
	if len(problems.List) > 0 {
		return link, &usageError{text: "--retain: " + problems.List[0].Text, hint: problems.List[0].Hint}
	}
	if err := filters.Validate(link.Filter, cluster.Snapshots, given); err != nil {
		return link, usagef("--retain: %s", err)
	}
	return link, nil
}

// requireFlags are the flags of the option require_snapshot.
type requireFlags struct{ repositories []string }

func (r *requireFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&r.repositories, "require-snapshot", nil, "delete only what this repository has a complete copy of (repeatable)")
}

func (r *requireFlags) option() *actions.RequireSnapshot {
	if len(r.repositories) == 0 {
		return nil
	}
	return &actions.RequireSnapshot{Repositories: r.repositories}
}
