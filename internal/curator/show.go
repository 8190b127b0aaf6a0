package curator

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/terminal"
)

// showIndices prints the selected indices: their names, or with --verbose a table.
func showIndices(x *session, c *cobra.Command, step plan.Step) error {
	items, cl, err := x.selected(c, step)
	if err != nil || cl == nil {
		return err
	}
	list := cluster.Of[*cluster.Index](items)
	is := func(name string) bool { on, _ := c.Flags().GetBool(name); return on }
	if !is("verbose") {
		for _, i := range list {
			terminal.Fprintf(x.h.Out, "%s\n", i.Name)
		}
		return nil
	}
	var open []string
	for _, i := range list {
		if !i.Closed {
			open = append(open, i.Name)
		}
	}
	stats, err := cl.Stats(c.Context(), open)
	if err != nil {
		return err
	}
	settings, err := cl.Settings(c.Context(), cluster.Names(items))
	if err != nil {
		return err
	}
	var rows [][]string
	if is("header") {
		stamp := "Creation Timestamp"
		if is("epoch") {
			stamp = "creation_date"
		}
		rows = append(rows, []string{"Index", "State", "Size", "Docs", "Pri", "Rep", stamp})
	}
	for _, i := range list {
		primaries, replicas := cluster.ShardNumbers(settings[i.Name])
		state, stamp := "open", i.Created.UTC().Format("2006-01-02T15:04:05Z")
		if i.Closed {
			state = "close"
		}
		if is("epoch") {
			stamp = strconv.FormatInt(i.Created.Unix(), 10)
		}
		s := stats[i.Name]
		rows = append(rows, []string{
			terminal.Line(i.Name), state, size(s.Bytes), strconv.FormatInt(s.Docs, 10), strconv.Itoa(primaries),
			strconv.Itoa(replicas), stamp,
		})
	}
	width := func(column int) int { // of the rows below the titles, as in Curator
		w := 0
		for _, r := range rows[len(rows)-len(list):] {
			w = max(w, utf8.RuneCountInString(r[column]))
		}
		return w
	}
	last := 20
	if is("epoch") {
		last = 13
	}
	widths := []int{-width(0), 5, width(2) + 1, width(3) + 1, 3, 3, last}
	for _, r := range rows {
		for n, cell := range r {
			if n > 0 {
				fmt.Fprint(x.h.Out, " ")
			}
			fmt.Fprintf(x.h.Out, "%*s", widths[n], cell)
		}
		fmt.Fprintln(x.h.Out)
	}
	return nil
}

// size writes bytes as Curator does: steps of 1024, one decimal.
func size(bytes int64) string {
	n, units := float64(bytes), []string{"B", "KB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	at := 0
	for n >= 1024 && at < len(units)-1 {
		n /= 1024
		at++
	}
	return fmt.Sprintf("%.1f%s", n, units[at])
}
