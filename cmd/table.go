package cmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/terminal"
)

// column is one column of a list; wide ones are shown with -o wide only. The heading of
// times states their zone.
type column struct {
	title string
	right bool
	wide  bool
	utc   bool
}

func (c column) heading() string {
	if c.utc {
		return c.title + " (UTC)"
	}
	return c.title
}

// cell is a value of a list: as it is shown, and the number that it is sorted by; nil: the
// text.
type cell struct {
	text string
	by   *float64
}

func textCell(text string) cell { return cell{text: text} }

// numberCell is a value that is sorted as a number.
func numberCell[T ~int | ~int64](n T, text string) cell {
	by := float64(n)
	return cell{text, &by}
}

func timeCell(t time.Time) cell {
	if t.IsZero() {
		return cell{text: unknown}
	}
	return numberCell(t.UnixMilli(), stamp(t))
}

func ageCell(now, t time.Time) cell {
	if t.IsZero() {
		return cell{text: unknown}
	}
	return numberCell(now.Sub(t), cluster.Age(now, t))
}

// unknown stands for a value that is not known. It is sorted last.
const unknown = "-"

// compare orders two values, the unknown ones last.
func (c cell) compare(o cell, descending bool) int {
	switch {
	case (c.text == unknown) != (o.text == unknown):
		if c.text == unknown {
			return 1
		}
		return -1
	case descending:
		c, o = o, c
	}
	if c.by != nil && o.by != nil {
		return cmp.Compare(*c.by, *o.by)
	}
	return cmp.Compare(c.text, o.text)
}

// row is one item of a list: its values, its name and its JSON form.
type row struct {
	cells []cell
	name  string
	value any
}

// listFlags are the flags of all lists.
type listFlags struct {
	output, sort string
	watch        bool
}

func (l *listFlags) add(c *cobra.Command, columns []column) {
	c.Flags().StringVar(&l.sort, "sort", "", "sort by this column; -COLUMN: in descending order")
	c.Flags().BoolVar(&l.watch, "watch", false, "repeat every 5 seconds on a terminal")
	var names []string
	for _, x := range columns {
		names = append(names, x.title)
	}
	_ = c.RegisterFlagCompletionFunc("sort", values(names...))
	outputFlag(c, &l.output, "table", "wide", "name", "json", "yaml")
}

// check refuses flags that cannot be obeyed, before anything is sent.
func (l *listFlags) check(app *App, columns []column) error {
	if l.watch && !app.OutTTY {
		return &usageError{text: "--watch repeats on a terminal only, and stdout is not a terminal", hint: "omit --watch"}
	}
	if _, at := l.column(columns); l.sort != "" && at < 0 {
		var names []string
		for _, c := range columns {
			names = append(names, c.title)
		}
		return usagef("--sort: there is no column %q; there are %s", strings.TrimPrefix(l.sort, "-"), strings.Join(names, ", "))
	}
	return nil
}

// column is the column to sort by, and whether in descending order; -1: none.
func (l *listFlags) column(columns []column) (descending bool, at int) {
	name, descending := strings.CutPrefix(strings.ToLower(l.sort), "-")
	return descending, slices.IndexFunc(columns, func(c column) bool { return c.title == name })
}

// write shows a list, sorted as the flags say. key is its name in the JSON form.
func (l *listFlags) write(app *App, columns []column, rows []row, key string) error {
	if descending, at := l.column(columns); at >= 0 {
		cluster.Sort(rows, func(a, b row) int { return a.cells[at].compare(b.cells[at], descending) })
	}
	var texts [][]string
	var names []string
	list := []any{}
	for _, r := range rows {
		var line []string
		for _, c := range r.cells {
			line = append(line, c.text)
		}
		texts, names, list = append(texts, line), append(names, r.name), append(list, r.value)
	}
	return writeList(app.Out, l.output, columns, texts, names, map[string]any{"schema_version": report.SchemaVersion, key: list})
}

// watchEvery is how often --watch repeats.
const watchEvery = 5 * time.Second

// repeat shows something once or, if it is watched, again and again until the context ends.
func (a *App) repeat(ctx context.Context, watch bool, show func() error) error {
	for {
		if err := show(); err != nil || !watch {
			return err
		}
		if err := a.Watch.Sleep(ctx, watchEvery); err != nil {
			return err
		}
		fmt.Fprintln(a.Out)
	}
}

// stateOf are the states behind values of lists that say more.
var stateOf = map[string]string{notGood: string(cluster.Partial)}

// writeList shows a list in a format. value is its JSON form.
func writeList(w io.Writer, format string, columns []column, rows [][]string, names []string, value any) error {
	switch format {
	case "json":
		return report.WriteJSON(w, value)
	case "yaml":
		return report.WriteYAML(w, value)
	case "name":
		for _, n := range names {
			if _, err := fmt.Fprintln(w, terminal.Line(n)); err != nil {
				return err
			}
		}
		return nil
	}
	w, paint := terminal.Colours(w)
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)
	var header table.Row
	var configs []table.ColumnConfig
	for i, c := range columns {
		header = append(header, c.heading())
		align := text.AlignLeft
		if c.right {
			align = text.AlignRight
		}
		configs = append(configs, table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align, Hidden: c.wide && format != "wide"})
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, r := range rows {
		row := make(table.Row, len(r))
		for i, v := range r {
			row[i] = string(paint.Paint(cmp.Or(stateOf[v], v), v))
		}
		t.AppendRow(row)
	}
	for line := range strings.SplitSeq(t.Render(), "\n") {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}
