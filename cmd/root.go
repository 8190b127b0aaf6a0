package cmd

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/settings"
)

func newRoot(app *App) *cobra.Command {
	root := &cobra.Command{
		Use:   "esnap",
		Short: "Look after the snapshots of Elasticsearch and OpenSearch clusters",
		Long: `esnap takes, expires and restores snapshots of Elasticsearch 6.7 to 9 and
OpenSearch 1 to 3, and runs Elasticsearch Curator's action files as they are.
When in doubt, it keeps the data and reports why.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if show, _ := c.Flags().GetBool("version"); show {
				return printVersion(app.Out)
			}
			if len(args) == 0 {
				return c.Help()
			}
			e := &usageError{text: fmt.Sprintf("there is no command %q", args[0])}
			e.hint = cmp.Or(commandMeant(c, args[0]), "esnap --help lists the commands")
			return e
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.PersistentPreRunE = noEmptyFlags
	root.Flags().Bool("version", false, "print the version")
	root.SuggestionsMinimumDistance = 2
	settings.Flags(root.PersistentFlags())
	root.PersistentFlags().BoolP("verbose", "v", false, "log every request (the same as --log-level debug)")
	root.PersistentFlags().BoolP("quiet", "q", false, "log errors only, and print nothing on success")
	root.PersistentFlags().Bool("no-progress", false, "show no progress on a terminal")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newRun(app), newServe(app), newValidate(app), newRestore(app), newMark(app),
		newSnapshot(app), newRepository(app), newIndex(app),
		newStatus(app), newCheck(app), newDrill(app), newPurge(app), newSimulate(app), newLock(app), newHistory(app),
		newConfig(app), newSchema(app), newVersion(app), newOptions(app), newExitCodes(app),
	)
	root.AddCommand(newCurator(app)...)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { _, _ = io.WriteString(c.OutOrStdout(), app.help(c)) })
	checkDurations(root)
	addCompletion(app, root)
	return root
}

// commandMeant asks whether a command was meant whose name is similar to, or begins with,
// what was typed.
func commandMeant(c *cobra.Command, typed string) string {
	var names []string
	for _, n := range c.SuggestionsFor(typed) {
		names = append(names, c.CommandPath()+" "+n)
	}
	return near.Question(names...)
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{text: fmt.Sprintf("%s takes no arguments; %q was given", c.CommandPath(), args[0]), hint: c.CommandPath() + " --help"}
	}
	return nil
}

// wantArgs checks the number of arguments; most -1 is any number.
func wantArgs(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return &usageError{text: fmt.Sprintf("%s takes %s; %d given", c.CommandPath(), what, len(args)), hint: c.CommandPath() + " --help"}
		}
		if slices.Contains(args, "") {
			return &usageError{
				text: "an argument of " + c.CommandPath() + " is empty; nothing was sent",
				hint: "is a variable of the shell not set?",
			}
		}
		return nil
	}
}

// groupCommand is a command that only has others below it.
func groupCommand(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			hint := cmp.Or(commandMeant(c, args[0]), c.CommandPath()+" --help lists them")
			return &usageError{text: fmt.Sprintf("%s has no command %q", c.CommandPath(), args[0]), hint: hint}
		},
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(subs...)
	return c
}

// outputFlag adds -o with the formats a command knows.
func outputFlag(c *cobra.Command, to *string, formats ...string) {
	*to = formats[0]
	c.Flags().VarP(&enum{to, formats}, "output", "o", strings.Join(formats, ", "))
}
