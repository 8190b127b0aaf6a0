package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/terminal"
)

// selectFlags are the flags that stand for filters.
type selectFlags struct {
	Prefix, Suffix, Regex, Timestring string
	OlderThan, YoungerThan            duration
	State                             string
	Good                              bool
	Count                             int64
}

func (f *selectFlags) add(c *cobra.Command, list cluster.ListKind) {
	fl := c.Flags()
	fl.StringVar(&f.Prefix, "prefix", "", "only names that start with this")
	fl.StringVar(&f.Suffix, "suffix", "", "only names that end with this")
	fl.StringVar(&f.Regex, "regex", "", "only names that this regular expression matches")
	fl.StringVar(&f.Timestring, "timestring", "", "read the age from the date in the name, in this format (for example %Y.%m.%d)")
	fl.Var(&f.OlderThan, "older-than", "only those older than this (for example 45d)")
	fl.Var(&f.YoungerThan, "younger-than", "only those younger than this")
	wholeFlag(fl, &f.Count, "count", 1, "only the newest N, by date")
	if list == cluster.Snapshots {
		enumFlag(fl, &f.State, "state", "", "only those in this state: SUCCESS, PARTIAL, FAILED, IN_PROGRESS",
			string(cluster.Success), string(cluster.Partial), string(cluster.Failed), string(cluster.InProgress))
		fl.BoolVar(&f.Good, "good", false, "only good ones: SUCCESS without a failed shard")
	}
}

// chain turns flags and names into the filters that a file would have.
func (f *selectFlags) chain(list cluster.ListKind, names []string) (filters.Chain, error) {
	var c filters.Chain
	add := func(kind string, x filters.Filter, exclude bool, given ...string) error {
		g := map[string]bool{}
		for _, k := range given {
			g[k] = true
		}
		if err := filters.Validate(x, list, g); err != nil {
			flag := ""
			if f, ok := x.(*filters.Pattern); ok {
				flag = "--" + f.Kind + ": "
			}
			text := err.Error()
			if of := new(cluster.OptionError); errors.As(err, &of) && of.Key == "value" { // the value of the flag
				text = of.Text
			}
			return usagef("%s%s", flag, text)
		}
		c = append(c, filters.Link{Kind: kind, Filter: x, Exclude: exclude})
		return nil
	}
	if len(names) > 0 {
		if err := add("names", &filters.Names{Patterns: names}, false); err != nil {
			return nil, err
		}
	}
	for _, p := range [][2]string{{"prefix", f.Prefix}, {"suffix", f.Suffix}, {"regex", f.Regex}} {
		kind, value := p[0], p[1]
		if value != "" {
			if kind != "regex" { // prefix and suffix are literal text
				value = literalPattern(value)
			}
			if err := add("pattern", &filters.Pattern{Kind: kind, Value: value}, false); err != nil {
				return nil, err
			}
		}
	}
	source := filters.NewDated()
	source.Timestring = f.Timestring
	from := "creation_date"
	if f.Timestring != "" {
		from = "name"
	}
	for _, direction := range []string{"older", "younger"} {
		age := f.OlderThan
		if direction == "younger" {
			age = f.YoungerThan
		}
		if !age.given() {
			continue
		}
		judge := &filters.Age{Source: from, Direction: direction, Unit: "seconds", UnitCount: int64(age.length / time.Second), Dated: source}
		if err := add("age", judge, false); err != nil {
			return nil, err
		}
	}
	if f.State != "" {
		if err := add("state", &filters.State{State: f.State}, false); err != nil {
			return nil, err
		}
	}
	if f.Good {
		if err := add("good", &filters.Good{}, false); err != nil {
			return nil, err
		}
	}
	if f.Count > 0 {
		if err := add("count", &filters.Count{Count: f.Count, UseAge: true, Source: from, Reverse: true, Dated: source},
			false, "use_age"); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// given reports whether any of the flags is given.
func (f *selectFlags) given() bool { return *f != selectFlags{} }

func literalPattern(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\.+*?()|[]{}^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// selectItems applies a chain to a listing.
func selectItems[T cluster.Item](ctx context.Context, app *App, cl cluster.Reader, chain filters.Chain, list []T) ([]T, error) {
	sel, err := chain.Select(ctx, app.Now().UTC(), cluster.Items(list), func(context.Context, []cluster.Need, []cluster.Item) error {
		return nil
	})
	return cluster.Of[T](sel.Selected), err
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}

// stampUTC is a time with its zone, for texts whose heading does not state it.
func stampUTC(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return stamp(t) + " UTC"
}

func jsonTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(cluster.LogTime)
}

// confirm asks a question on the terminal. Without a terminal and without --yes it
// returns a usage error instead of waiting. An interrupt ends the question at once.
func (a *App) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.interactive() {
		return &usageError{text: "confirmation required, but stdin is not a terminal; nothing was sent", hint: "pass --yes"}
	}
	terminal.Fprintf(a.Err, "%s [y/N] ", question)
	answer, err := terminal.ReadLine(ctx, a.In)
	if err != nil {
		fmt.Fprintln(a.Err)
		return err
	}
	if !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		return &usageError{text: "not confirmed; nothing was changed"}
	}
	return nil
}

// missing is an error about something that does not exist. Its kind is not repeated in the
// text.
type missing struct {
	text string
	kind error
}

func (e *missing) Error() string { return e.text }

// Unwrap is the kind.
func (e *missing) Unwrap() error { return e.kind }

// single returns the plan of a command that runs one action.
func single(kind, description string, action actions.Action, chain filters.Chain, guards *bool) (*plan.Plan, error) {
	if err := actions.Validate(action, map[string]bool{}); err != nil {
		return nil, usagef("%s", err)
	}
	step := plan.Step{ID: "1", Kind: kind, Description: description, Action: action, Chain: chain, Timeout: actions.Kinds[kind].Timeout}
	step.Common.AllowILMIndices = true
	plan.Complete(&step, plan.Options{Flavour: flavour.Native, Guards: guards})
	return &plan.Plan{Behaviour: actions.Own, Steps: []plan.Step{step}}, nil
}
