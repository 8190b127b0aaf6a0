package cmd

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/dates"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/simulate"
	"github.com/esnap/esnap/internal/terminal"
)

// simulateOptions are the flags of esnap simulate.
type simulateOptions struct {
	Nights      int
	From        day
	At          timeOfDay
	Indices     []string
	Fail        []string
	RequireDays int
	Rules       copyRules
	LikeCluster bool
	Output      string
}

func newSimulate(app *App) *cobra.Command {
	o := &simulateOptions{}
	c := &cobra.Command{
		Use: "simulate FILE", Short: "Run an action file for a year, without a cluster",
		Long: `Run an action file night after night on a cluster in memory, with the engine that
runs it on a real one. Show for each index until when it can be brought back. An
index that is lost too early ends with exit code 1, and the action that lost it
is named. A run that fails in a night that --fail does not name, and a file that
takes no snapshot, end with 1, too.`,
		Example: `  esnap simulate action_file.yml
  esnap simulate action_file.yml --fail 3,40-52,60-62=partial
  esnap simulate action_file.yml --index 'logs-%Y.%m.%d' --require-days 400`,
		Args: wantArgs(1, 1, "one action file"),
		RunE: func(c *cobra.Command, args []string) error { return runSimulate(c, app, o, args[0]) },
	}
	f := c.Flags()
	wholeFlag(f, &o.Nights, "nights", 1, "how many nights (default 400)")
	f.Var(&o.From, "from", "the first night (default 2027-01-01)")
	f.Var(&o.At, "at", "time of day at which the file runs, in UTC (default: by its schedule, or 01:00)")
	f.StringSliceVar(&o.Indices, "index", nil, "name of indices with strftime tokens (repeatable; default: as the file takes them)")
	f.StringSliceVar(&o.Fail, "fail", nil, "nights whose snapshots fail: 3,40-52; =partial or =missed for other failures")
	wholeFlag(f, &o.RequireDays, "require-days", 1, "for how long each index must be there (default: cover of the file)")
	o.Rules.add(f)
	f.BoolVar(&o.LikeCluster, "like-cluster", false, "with the daily families that the cluster has")
	outputFlag(c, &o.Output, "table", "wide", "json", "csv")
	return c
}

func runSimulate(c *cobra.Command, app *App, o *simulateOptions, file string) error {
	x, err := app.open(c)
	if err != nil {
		return err
	}
	p, err := x.plan(file)
	if err != nil {
		return err
	}
	so, err := o.options(p)
	if err != nil {
		return err
	}
	if o.LikeCluster {
		cl, err := x.dial(true)
		if err != nil {
			return err
		}
		live, err := cl.Indices(c.Context())
		if err != nil {
			return err
		}
		for _, i := range live {
			if pattern, ok := dates.DayPattern(i.Name); ok && !i.System && !slices.Contains(so.Indices, pattern) {
				so.Indices = append(so.Indices, pattern)
			}
		}
	}
	if len(so.Indices) == 0 {
		return &usageError{text: "nothing says which indices the cluster would have", hint: "give --index 'logs-%Y.%m.%d', or --like-cluster"}
	}
	if _, set := app.Env("GOGC"); !set {
		// What a night leaves behind is small. Collecting it after each would take half the time.
		defer debug.SetGCPercent(debug.SetGCPercent(400))
	}
	r, err := simulate.Run(c.Context(), so)
	if err != nil {
		return err
	}
	if o.Output == "csv" { // has no place for it
		for _, text := range faults(r) {
			terminal.Fprintf(app.Err, "esnap: %s\n", text)
		}
	}
	if err := o.write(app.Out, so, r); err != nil {
		return err
	}
	if len(r.Lost()) > 0 || len(faults(r)) > 0 {
		return &exit{job.Failed}
	}
	return nil
}

// faults are the reasons why the file cannot be relied on, besides lost indices.
func faults(r *simulate.Result) []string {
	var texts []string
	if failed := r.Failed(); len(failed) > 0 {
		texts = append(texts, fmt.Sprintf("the run failed in %d of %s; first in night %d (%s): %s",
			len(failed), cluster.Count(len(r.Nights), "night"), failed[0].Number, failed[0].Date, firstLine(failed[0].Error)))
	}
	if r.NoSnapshot {
		texts = append(texts, "the file took no snapshot in "+cluster.Count(len(r.Nights), "night"))
	}
	return texts
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (o *simulateOptions) options(p *plan.Plan) (simulate.Options, error) {
	so := simulate.Options{Plan: p, Nights: 400, Indices: o.Indices, Fail: map[int]simulate.Failure{}}
	if o.Nights > 0 {
		so.Nights = o.Nights
	}
	so.Rules = o.Rules.rules()
	from := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	if o.From.given() {
		from, _ = o.From.span(time.UTC)
		from = from.UTC().Truncate(24 * time.Hour)
	}
	past := time.Hour
	if s, err := schedule.New(p.Schedule, p.Job(p.File)); err == nil {
		at := s.Next(from.Add(-time.Second)).UTC()
		past = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	if o.At.given() {
		past = o.At.past
	}
	so.From = from.Add(past)
	for _, text := range o.Fail {
		if err := failures(text, so.Nights, so.Fail); err != nil {
			return so, err
		}
	}
	if len(so.Indices) == 0 {
		so.Indices = taken(p)
	}
	if so.RequireDays = o.RequireDays; so.RequireDays < 1 {
		so.RequireDays = 0
		for _, s := range p.Steps {
			if retain := s.Chain.Retention(); retain != nil {
				so.RequireDays = max(so.RequireDays, int(retain.Covers()/(24*time.Hour)))
			}
		}
	}
	return so, nil
}

// failures reads nights that go wrong: 3, 40-52, 60-62=partial.
func failures(text string, nights int, into map[int]simulate.Failure) error {
	span, kind, _ := strings.Cut(text, "=")
	failure := simulate.Failure(kind)
	switch failure {
	case "":
		failure = simulate.Failed
	case simulate.Failed, simulate.Partial, simulate.Missed:
	default:
		return usagef("--fail: %q is not one of failed, partial, missed", kind)
	}
	first, last, ranged := strings.Cut(span, "-")
	if !ranged {
		last = first
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err1 != nil || err2 != nil || from < 1 || to < from || to > nights {
		return usagef("--fail: %q is not a night or a range of nights between 1 and %d, such as 40-52", span, nights)
	}
	for n := from; n <= to; n++ {
		into[n] = failure
	}
	return nil
}

// taken are the names of daily indices that the file's snapshot and delete actions take:
// prefixes with the form of the dates that the file reads, and regular expressions that
// are names, alternatives and a date.
func taken(p *plan.Plan) []string {
	layout := "%Y.%m.%d"
	var prefixes, names []string
	add := func(list *[]string, name string) {
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for _, s := range p.Steps {
		if s.Selects() != cluster.Indices || s.Kind != "snapshot" && s.Kind != "delete_indices" {
			continue
		}
		for _, l := range s.Chain {
			switch f := l.Filter.(type) {
			case *filters.Pattern:
				switch {
				case l.Exclude:
				case f.Kind == "prefix":
					for _, text := range expand(f.Value) {
						add(&prefixes, text)
					}
				case f.Kind == "regex":
					dated := dateExpression.ReplaceAllString(f.Value, "%Y$1%m$2%d")
					for _, text := range expand(strings.TrimSuffix(strings.TrimPrefix(dated, "^"), "$")) {
						if strings.Contains(text, "%d") {
							add(&names, text)
						}
					}
				}
			case *filters.Age:
				if f.Timestring != "" {
					layout = f.Timestring
				}
			}
		}
	}
	for _, prefix := range prefixes {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, prefix) }) {
			names = append(names, prefix+layout)
		}
	}
	return names
}

// dateExpression is a day in a regular expression.
var dateExpression = regexp.MustCompile(`(?:\\d\{4\}|\[0-9\]\{4\})(\\?[.-]?)(?:\\d\{2\}|\[0-9\]\{2\})(\\?[.-]?)(?:\\d\{2\}|\[0-9\]\{2\})`)

// expand lists the texts that a regular expression of letters, escaped characters and
// groups of alternatives matches; none if there is more in it.
func expand(expression string) []string {
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil
	}
	var texts func(r *syntax.Regexp) []string
	texts = func(r *syntax.Regexp) []string {
		switch r.Op {
		case syntax.OpLiteral:
			return []string{string(r.Rune)}
		case syntax.OpEmptyMatch:
			return []string{""}
		case syntax.OpCapture:
			return texts(r.Sub[0])
		case syntax.OpAlternate:
			var all []string
			for _, sub := range r.Sub {
				some := texts(sub)
				if some == nil {
					return nil
				}
				all = append(all, some...)
			}
			return all
		case syntax.OpConcat:
			all := []string{""}
			for _, sub := range r.Sub {
				var next []string
				for _, end := range texts(sub) {
					for _, begin := range all {
						next = append(next, begin+end)
					}
				}
				all = next
			}
			return all
		}
		return nil
	}
	return texts(tree)
}

func (o *simulateOptions) write(w io.Writer, so simulate.Options, r *simulate.Result) error {
	lost := r.Lost()
	switch o.Output {
	case "json":
		if lost == nil {
			lost = []simulate.Day{}
		}
		value := map[string]any{
			"schema_version": report.SchemaVersion, "nights": r.Nights, "indices": r.Days, "lost": lost, "require_days": so.RequireDays,
			"from": so.From.Format(time.RFC3339), "names": so.Indices, "assumed": assumed(so),
			"failed_nights": len(r.Failed()), "no_snapshot": r.NoSnapshot,
		}
		if len(r.NoCopy) > 0 {
			value["names_without_copy"] = r.NoCopy
		}
		if r.Missed >= 0 {
			value["survives_missed_nights"] = r.Missed
		}
		if r.Missed >= 0 && r.Missed < simulate.MostNights {
			value["one_more_missed_night_loses"] = r.Loss
		}
		if r.Survives >= 0 {
			value["survives_failed_nights"], value["survives_at_least"], value["survives_tried_after_nights"] = r.Survives,
				r.Survives == simulate.MostNights, r.Tried
		}
		return report.WriteJSON(w, value)
	case "csv":
		out := csv.NewWriter(w)
		_ = out.Write([]string{"index", "created", "deleted", "until", "lost_by", "lost_too_early", "only_in_cluster"})
		for _, d := range r.Days {
			_ = out.Write([]string{d.Index, d.Created, d.Deleted, d.Until, d.LostBy, strconv.FormatBool(d.Broken), strconv.FormatBool(d.OnlyLive)})
		}
		out.Flush()
		return out.Error()
	}
	for _, text := range faults(r) {
		terminal.Fprintf(w, "%s\n", text)
	}
	columns := []column{
		{title: "night", right: true}, {title: "date"}, {title: "indices", right: true}, {title: "snapshots", right: true},
		{title: "deleted indices", right: true}, {title: "snapshots", right: true},
		{title: "kept by guards", right: true}, {title: "what happened"},
	}
	var rows [][]string
	early := 0
	for _, n := range r.Nights {
		var happened []string
		switch {
		case n.Failure == simulate.Missed:
			happened = append(happened, "the job did not run")
		case n.Failure != "":
			happened = append(happened, "snapshots end "+strings.ToUpper(string(n.Failure)))
		case n.Error != "":
			if n.Early {
				early++
			}
			happened = append(happened, "failed: "+firstLine(n.Error))
		}
		if len(n.Lost) > 0 {
			happened = append(happened, "no copy is left of "+fewNames(n.Lost))
		}
		if o.Output == "table" && len(happened) == 0 && n.Number > 1 && n.Number < len(r.Nights) && !strings.HasSuffix(n.Date, "-01") {
			continue
		}
		rows = append(rows, []string{
			strconv.Itoa(n.Number), n.Date, strconv.Itoa(n.Indices), strconv.Itoa(n.Snapshots),
			strconv.Itoa(n.DeletedIndices), strconv.Itoa(n.DeletedSnapshots),
			strconv.Itoa(n.Kept), strings.Join(happened, "; "),
		})
	}
	if err := writeList(w, o.Output, columns, rows, nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(w)
	saved, live, expired := 0, 0, 0
	for _, d := range r.Days {
		switch {
		case d.OnlyLive:
			live++
		case d.Until == "":
			saved++
		case !d.Broken:
			expired++
		}
	}
	terminal.Fprintf(w, "%s of %s in %s; %d can be brought back at the end, %d exist only in the cluster, "+
		"%d could be brought back for as long as required, %d were lost too early\n",
		cluster.Count(len(r.Days), "index"), strings.Join(so.Indices, ", "), cluster.Count(len(r.Nights), "night"),
		saved, live, expired, len(lost))
	for n, d := range lost {
		if n == 20 {
			terminal.Fprintf(w, "and %d more; -o csv lists all\n", len(lost)-n)
			break
		}
		by := d.LostBy
		if by == "" {
			by = "nothing that the file did"
		}
		terminal.Fprintf(w, "lost: %s, after %s, by %s\n", d.Index, d.Until, by)
	}
	for _, name := range r.NoCopy {
		terminal.Fprintf(w, "warning: no snapshot contains a complete copy of any index of %s\n", name)
	}
	if early > 0 {
		terminal.Fprintf(w, "warning: the run failed in %s because nothing was selected yet\n", cluster.Count(early, "night"))
	}
	switch {
	case len(r.Failed()) > 0:
		terminal.Fprintf(w, "nights in a row that the job may miss without a loss: none, as the run fails without any\n")
	case r.NoSnapshot:
		terminal.Fprintf(w, "nights in a row that the job may miss without a loss: none, as the file takes no snapshot\n")
	case r.Missed < 0:
		terminal.Fprintf(w, "nights in a row that the job may miss without a loss: none, as the file loses indices without any\n")
	case r.Missed == simulate.MostNights:
		terminal.Fprintf(w, "nights in a row that the job may miss without a loss: %d or more, after every night\n", r.Missed)
	default:
		terminal.Fprintf(w, "nights in a row that the job may miss without a loss: %d; %d after night %d lose %s\n", r.Missed,
			r.Missed+1, r.Loss.After, r.Loss.Index)
	}
	if r.Survives >= 0 {
		most := ""
		if r.Survives == simulate.MostNights {
			most = " or more"
		}
		var after []string
		for _, n := range r.Tried {
			after = append(after, strconv.Itoa(n))
		}
		terminal.Fprintf(w, "nights in a row whose snapshots may fail without a loss: %d%s, tried after night %s\n",
			r.Survives, most, strings.Join(after, ", "))
	}
	terminal.Fprintf(w, "assumed: %s\n", strings.Join(assumed(so), "; "))
	return nil
}

// assumed is what a simulation takes for granted.
func assumed(so simulate.Options) []string {
	required := "each index must have a complete copy when it is deleted from the cluster"
	if so.RequireDays > 0 {
		required += ", and can be brought back for " + cluster.Count(so.RequireDays, "day")
	}
	return []string{
		"the file runs at " + so.From.Format("15:04") + " UTC",
		"indices get documents on their own day and " + cluster.FormatDuration(so.Rules.Settle) + " after it",
		required,
	}
}

func fewNames(names []string) string {
	if len(names) <= 2 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
}
