package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/series"
	"github.com/esnap/esnap/internal/terminal"
)

// shownDays is how many days chooseDay lists.
const shownDays = 20

// chooseDay has an operator choose a family of indices and a day from what the snapshots
// contain, and then restores it.
func chooseDay(c *cobra.Command, app *App, o *restoreOptions) error {
	x, cl, err := app.reach(c)
	if err != nil {
		return err
	}
	snapshots, err := x.snapshotsOf(c.Context(), cl, o.Repositories)
	if err != nil {
		return err
	}
	if err := x.incomplete(); err != nil {
		x.log.Warn(err.Error())
	}
	days := map[string][]string{} // the days of a family, as far as snapshots contain them
	for _, s := range snapshots {
		for _, i := range s.Indices {
			start, _, dated := dates.Period(i)
			if day := start.Format(time.DateOnly); dated && s.HoldsGood(i) && !slices.Contains(days[series.Family(i)], day) {
				days[series.Family(i)] = append(days[series.Family(i)], day)
			}
		}
	}
	if len(days) == 0 {
		return fmt.Errorf("no snapshot contains a complete copy of an index with a date in its name")
	}
	var families []string
	for f := range days {
		families = append(families, f)
	}
	slices.Sort(families)
	x.nameCluster(app.Err)
	family, err := app.choose(c, "Family of indices", families)
	if err != nil {
		return err
	}
	list := days[family]
	slices.Sort(list)
	slices.Reverse(list)
	if len(list) > shownDays {
		terminal.Fprintf(app.Err, "The newest %d of %d days; --day takes any other.\n", shownDays, len(list))
		list = list[:shownDays]
	}
	day, err := app.choose(c, "Day (UTC)", list)
	if err != nil {
		return err
	}
	o.Family = family
	if err := o.Day.Set(day); err != nil {
		return err
	}
	return runRestore(c, app, o, nil)
}

// choose has an operator choose one of a list by its number.
func (a *App) choose(c *cobra.Command, what string, list []string) (string, error) {
	if len(list) == 1 {
		terminal.Fprintf(a.Err, "%s: %s\n", what, list[0])
		return list[0], nil
	}
	for n, item := range list {
		terminal.Fprintf(a.Err, "%3d  %s\n", n+1, item)
	}
	terminal.Fprintf(a.Err, "%s, 1 to %d: ", what, len(list))
	answer, err := terminal.ReadLine(c.Context(), a.In)
	if err != nil {
		fmt.Fprintln(a.Err)
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSpace(answer))
	if err != nil || n < 1 || n > len(list) {
		return "", &usageError{text: fmt.Sprintf("%q is not a number from 1 to %d; nothing was sent", strings.TrimSpace(answer), len(list))}
	}
	return list[n-1], nil
}
