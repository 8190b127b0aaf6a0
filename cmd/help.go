package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/curator"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/settings"
)

// Help is as wide as the terminal, within these bounds.
const (
	defaultColumns = 80
	mostColumns    = 120
)

func (a *App) columns() int {
	if a.Columns == 0 {
		return defaultColumns
	}
	return max(40, min(a.Columns, mostColumns))
}

// minor are the commands that share a line in the help of esnap.
var minor = []string{"completion", "config", "history", "lock", "mark", "purge", "schema", "version"}

// help writes the help of a command: what it does, how it is used, examples, and its own
// options. Those of all commands and the exit codes have help of their own.
func (a *App) help(c *cobra.Command) string {
	var b strings.Builder
	width := a.columns()
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	b.WriteString(wrapped(long, "", width) + "\n\n")
	if c.Runnable() || c.HasSubCommands() {
		use := c.CommandPath() + strings.TrimPrefix(c.Use, c.Name())
		if c.HasAvailableSubCommands() {
			use += " COMMAND"
		}
		fmt.Fprintf(&b, "Usage: %s [OPTIONS]\n", use)
	}
	if c.HasAvailableSubCommands() {
		var rows [][2]string
		for _, sub := range c.Commands() {
			switch {
			case !sub.IsAvailableCommand(), sub.Name() == "options", slices.Contains(curator.Programs[1:], sub.Name()), // named elsewhere
				!c.HasParent() && slices.Contains(minor, sub.Name()):
			case sub.Name() == curator.Programs[0]:
				rows = append(rows, [2]string{sub.Name(), "Curator's own command line; also " + strings.Join(curator.Programs[1:], " and ")})
			default:
				rows = append(rows, [2]string{sub.Name(), sub.Short})
			}
		}
		b.WriteString("\nCommands:\n" + twoColumns(rows, width))
		if !c.HasParent() {
			also := slices.DeleteFunc(slices.Clone(minor), func(name string) bool {
				return !slices.ContainsFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == name })
			})
			b.WriteString("Also: " + strings.Join(also, ", ") + "\n")
		}
	}
	if c.Example != "" {
		b.WriteString("\nExamples:\n" + strings.TrimRight(c.Example, "\n") + "\n")
	}
	if rows := options(c.LocalNonPersistentFlags()); len(rows) > 0 && c.HasParent() {
		b.WriteString("\nOptions:\n" + tableOf(rows, width))
	}
	end := "esnap options: options of all commands; esnap help exit-codes: exit codes"
	if c.HasAvailableSubCommands() {
		end = c.CommandPath() + " COMMAND --help: more about one; " + end
	}
	if c.Runnable() || c.HasSubCommands() {
		b.WriteString("\n" + wrapped(end, "", width) + "\n")
	}
	return b.String()
}

// mostOptions is how many options the help of a command describes one by one, so that it
// fits on a screen. Of one with more, those that many commands have are only named.
const mostOptions = 30

// sharedOptions are those that many commands have.
func sharedOptions() [][2]string {
	c := &cobra.Command{}
	f := c.Flags()
	settings.AddFlag(f, "dry-run")
	settings.AddFlag(f, "deadline")
	reasonFlag(c)
	f.BoolP("yes", "y", false, "do not ask")
	f.StringP("output", "o", "", "table, json, yaml and others: see the command")
	return options(f)
}

// tableOf is the table of a command's options.
func tableOf(rows [][2]string, width int) string {
	if len(rows) <= mostOptions {
		return twoColumns(rows, width)
	}
	var named []string
	for _, r := range sharedOptions() {
		at := slices.IndexFunc(rows, func(row [2]string) bool { return row[0] == r[0] })
		if at < 0 {
			continue
		}
		name, _, _ := strings.Cut(r[0], " VALUE")
		name, _, _ = strings.Cut(name, " FORMAT")
		rows, named = slices.Delete(rows, at, at+1), append(named, strings.TrimSpace(name))
	}
	return twoColumns(rows, width) + wrapped("Also: "+strings.Join(named, "; "), "", width) + "\n"
}

// options are the rows of a table of options. Defaults that say nothing are left out.
func options(flags *pflag.FlagSet) [][2]string {
	var rows [][2]string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		_, text := pflag.UnquoteUsage(f)
		if p := placeholder(f); p != "" {
			name += " " + p
		}
		switch f.DefValue {
		case "", "0", "-1", "false", "[]":
		default:
			if !strings.Contains(text, "default") {
				text += " (default " + f.DefValue + ")"
			}
		}
		rows = append(rows, [2]string{name, text})
	})
	return rows
}

// placeholder stands for the value of an option; empty: it takes none.
func placeholder(f *pflag.Flag) string {
	value, _ := pflag.UnquoteUsage(f)
	switch {
	case value == "":
		return ""
	case strings.HasSuffix(f.Name, "-file"), f.Name == "config", f.Name == "client-cert", f.Name == "client-key":
		return "FILE"
	case f.Name == "output":
		return "FORMAT"
	case value == "int":
		return "N"
	}
	return "VALUE"
}

// twoColumns writes rows of a name and a text in two columns, the text wrapped.
func twoColumns(rows [][2]string, width int) string {
	column := 0
	for _, r := range rows {
		column = max(column, len(r[0]))
	}
	column = min(column, width/3)
	var b strings.Builder
	indent := strings.Repeat(" ", column+4)
	for _, r := range rows {
		first := fmt.Sprintf("  %-*s  ", column, r[0])
		if len(r[0]) > column { // the text begins in the next line
			b.WriteString("  " + r[0] + "\n")
			first = indent
		}
		b.WriteString(first + strings.TrimPrefix(wrapped(r[1], indent, width), indent) + "\n")
	}
	return b.String()
}

// wrapped breaks each paragraph of a text so that its lines fit into the width. Lines
// that are indented stay as they are.
func wrapped(text, indent string, width int) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			out = append(out, paragraph)
			continue
		}
		var lines []string
		line := indent
		for _, word := range strings.Fields(paragraph) {
			switch {
			case line == indent:
				line += word
			case len([]rune(line))+1+len([]rune(word)) > width:
				lines = append(lines, line)
				line = indent + word
			default:
				line += " " + word
			}
		}
		out = append(out, strings.Join(append(lines, line), "\n"))
	}
	return strings.Join(out, "\n\n")
}

// newOptions lists the options of all commands.
func newOptions(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "options", Short: "List the options of all commands", Args: noArgs,
		Long:    "List the options of all commands, and those that many commands have.",
		Example: "  esnap options",
		RunE:    func(c *cobra.Command, _ []string) error { return runListOptions(c, app) },
	}
}

func runListOptions(c *cobra.Command, app *App) error {
	width := app.columns()
	_, err := fmt.Fprintf(app.Out, "Each command takes these options:\n\n%s\nCommands that change something have some of these:\n\n%s\n%s\n",
		twoColumns(options(c.Root().PersistentFlags()), width), twoColumns(sharedOptions(), width),
		wrapped("The same settings come from the environment and from a client file: esnap config show.", "", width))
	return err
}

// newExitCodes is a topic of help.
func newExitCodes(app *App) *cobra.Command {
	var rows [][2]string
	for _, c := range job.Codes {
		rows = append(rows, [2]string{strconv.Itoa(c.Code), c.Meaning})
	}
	return &cobra.Command{
		Use: "exit-codes", Short: "What the exit codes mean",
		Long: "Exit codes:\n" + strings.TrimSuffix(twoColumns(rows, app.columns()), "\n"),
	}
}
