package cmd

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/check"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/drill"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/strftime"
	"github.com/esnap/esnap/internal/terminal"
)

// checkOptions are the flags of esnap check.
type checkOptions struct {
	MaxAge, Grace, StalledAfter, DrillAge duration

	Repositories []string
	Indices      []string
	Days         int
	Gaps         string
	Rules        copyRules
	Verify       bool
	State        string
	FailOn       string
	Attest       string
	SigningKey   string
	VerifyFiles  []string
	PublicKey    string
	Output       string
}

// maxDays is how far back a check looks: 27 years.
const maxDays = 10000

func newCheck(app *App) *cobra.Command {
	o := &checkOptions{}
	c := &cobra.Command{
		Use: "check [FILE]", Short: "Check that snapshots are fresh and contain every day",
		Long: `Check what the action file FILE promises: a fresh good snapshot of each series, a
copy of all that it would delete, each day that it covers, its repositories. The
exit codes are those of plug-ins for Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3
UNKNOWN, also for errors.`,
		Example: `  esnap check action_file.yml
  esnap check --max-age 26h --repository ks-log-snapshots
  esnap check --days 400 --index 'ks-logstash-log-%Y.%m.%d' -o csv`,
		Args: wantArgs(0, 1, "at most one action file"),
		RunE: func(c *cobra.Command, args []string) error { return runCheck(c, app, o, args) },
	}
	f := c.Flags()
	f.Var(&o.MaxAge, "max-age", "how old the newest good snapshot of a series may be")
	f.Var(&o.Grace, "grace", "how much later than due is in time (default 2h)")
	f.Var(&o.StalledAfter, "stalled-after", "warn of an operation without progress (default 12h)")
	f.StringSliceVar(&o.Repositories, "repository", nil, "only this repository (repeatable)")
	f.StringSliceVar(&o.Indices, "index", nil, "with --days: names with strftime tokens (repeatable)")
	wholeFlag(f, &o.Days, "days", 1, "check today and each of the last N days of --index")
	enumFlag(f, &o.Gaps, "gaps", "", "ok: days without an index are no warning", "ok")
	o.Rules.add(f)
	f.BoolVar(&o.Verify, "verify", false, "have every node write to the repositories")
	f.StringVar(&o.State, "state", "", "file with what earlier checks saw, and the last drill")
	f.Var(&o.DrillAge, "drill-age", "how old the last drill may be (default 31d)")
	enumFlag(f, &o.FailOn, "fail-on", "", "critical: a warning ends with 0", "critical", "warning")
	f.StringVar(&o.Attest, "attest", "", "write the result as a signed document to this file")
	f.StringVar(&o.SigningKey, "signing-key-file", "", "the Ed25519 key for --attest (PKCS#8)")
	f.StringSliceVar(&o.VerifyFiles, "verify-attestation", nil, "only verify this document (repeatable)")
	f.StringVar(&o.PublicKey, "public-key-file", "", "the key for --verify-attestation")
	outputFlag(c, &o.Output, "text", "json", "csv")
	asPlugin(app, c)
	return c
}

// asPlugin has a command end as a plug-in for Nagios does: every error, also of the command
// line, is one line on stdout that begins with UNKNOWN, and exit code 3.
func asPlugin(app *App, c *cobra.Command) {
	unknown := func(c *cobra.Command, err error) error {
		if err == nil || errors.As(err, new(*exit)) {
			return err
		}
		text, _, _ := strings.Cut(err.Error(), "\n")
		terminal.Fprintf(app.Out, "ESNAP %s: %s\n", check.Unknown, text)
		app.printError(err)
		return &exit{int(check.Unknown)}
	}
	run, args, pre := c.RunE, c.Args, c.PreRunE
	c.RunE = func(c *cobra.Command, given []string) error {
		app.output.code = int(check.Unknown)
		return unknown(c, run(c, given))
	}
	c.Args = func(c *cobra.Command, given []string) error { return unknown(c, args(c, given)) }
	if pre != nil {
		c.PreRunE = func(c *cobra.Command, given []string) error { return unknown(c, pre(c, given)) }
	}
	c.PersistentPreRunE = func(c *cobra.Command, given []string) error { return unknown(c, noEmptyFlags(c, given)) }
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return unknown(c, flagError(c, err)) })
}

func (o *checkOptions) options(app *App, p *plan.Plan) (check.Options, error) {
	switch {
	case (o.Days > 0) != (len(o.Indices) > 0):
		return check.Options{}, usagef("--days and --index need each other")
	case o.Days > maxDays:
		return check.Options{}, usagef("--days: at most %d", maxDays)
	case (o.Attest == "") != (o.SigningKey == ""):
		return check.Options{}, usagef("--attest and --signing-key-file need each other")
	}
	for _, name := range o.Indices {
		day := app.Now()
		text := strftime.Render(name, day)
		switch why := cluster.InvalidName("index", text); {
		case strings.ContainsAny(name, "*?["):
			return check.Options{}, usagef("--index: %s is a pattern; give names with strftime tokens, such as logs-%%Y.%%m.%%d", name)
		case text == name || text == strftime.Render(name, day.AddDate(-1, -1, -3)):
			return check.Options{}, usagef("--index: %s has no token of a date; example: logs-%%Y.%%m.%%d", name)
		case why != "":
			return check.Options{}, usagef("--index: %s cannot be the name of an index: %s", text, why)
		}
	}
	state, err := readState(o.State)
	if err != nil {
		return check.Options{}, err
	}
	return check.Options{
		Now: app.Now(), Plan: p, MaxAge: o.MaxAge.length, Grace: o.Grace.or(2 * time.Hour), Repositories: o.Repositories, Indices: o.Indices,
		Days: o.Days, GapsOK: o.Gaps == "ok", Rules: o.Rules.asked(),
		StalledAfter: o.StalledAfter.or(12 * time.Hour), Verify: o.Verify, Seen: state.seen(), Moved: state.Moved, Drill: state.Drill,
		DrillAge: o.DrillAge.or(31 * 24 * time.Hour),
	}, nil
}

func runCheck(c *cobra.Command, app *App, o *checkOptions, args []string) error {
	if len(o.VerifyFiles) > 0 {
		if len(args) > 0 {
			return usagef("--verify-attestation only verifies documents; leave out the action file")
		}
		return verifyAttestations(app, o)
	}
	x, err := app.open(c)
	if err != nil {
		return err
	}
	var p *plan.Plan
	if len(args) > 0 {
		if p, err = x.plan(args[0]); err != nil {
			return err
		}
	}
	options, err := o.options(app, p)
	if err != nil {
		return err
	}
	cl, err := x.dial(p != nil)
	if err != nil {
		return err
	}
	ctx, done := job.WithDeadline(c.Context(), x.s)
	defer done()
	if o.Attest != "" {
		attested, err := check.Attested(o.Attest)
		if err != nil {
			return err
		}
		options.Seen = with(options.Seen, attested)
	}
	known, unread := drills(ctx, cl, app.Now(), false)
	options.Drill = drill.Last(known, options.Drill)
	options.History = job.WantsHistory(x.s, p)
	if p != nil {
		options.Locks = p.LockModeOf(x.s.Lock) != plan.LockOff
		if unread == nil {
			var seen map[string]bool
			seen, unread = seenBy(ctx, cl, app.Now(), p.Job(args[0]))
			options.Seen = with(options.Seen, seen)
		}
	}
	options.Unread = unread
	r, err := check.Run(ctx, cl, options)
	if cause := context.Cause(ctx); cause != nil && c.Context().Err() == nil {
		return cause
	}
	if err != nil {
		return err
	}
	if err := updateState(o.State, func(state *stateFile) {
		state.see(r.Seen)
		state.Moved = r.Moved
	}); err != nil {
		return err
	}
	var attested string
	if o.Attest != "" {
		key, err := check.SigningKey(o.SigningKey)
		if err != nil {
			return err
		}
		number, hash, err := check.Attest(r, Version(), o.Attest, key)
		if err != nil {
			return err
		}
		attested = fmt.Sprintf("attestation number %d in %s, sha256 %s", number, o.Attest, hash)
	}
	level := r.Level
	if o.FailOn == "critical" {
		level = r.WithoutWarnings()
	}
	if err := writeCheck(app.Out, o.Output, r, cmp.Or(level, r.Level), attested); err != nil {
		return err
	}
	return exitWith(int(level))
}

// seenBy are the indices that the runs of a job saw, by the history; nil: there is none.
func seenBy(ctx context.Context, cl history.Reader, now time.Time, name string) (map[string]bool, error) {
	if name == "" {
		return nil, nil
	}
	seen, err := history.SeenBy(ctx, cl, now, name)
	if err != nil {
		return nil, err
	}
	return seen.Names(), nil
}

// with is both sets.
func with(a, b map[string]bool) map[string]bool {
	all := maps.Clone(a)
	if all == nil {
		return b
	}
	maps.Copy(all, b)
	return all
}

func verifyAttestations(app *App, o *checkOptions) error {
	if o.PublicKey == "" {
		return usagef("--verify-attestation needs --public-key-file")
	}
	key, err := check.PublicKey(o.PublicKey)
	if err != nil {
		return err
	}
	verified, problems := check.VerifyAttestations(o.VerifyFiles, key)
	level := check.OK
	if len(problems) > 0 {
		level = check.Critical
	}
	terminal.Fprintf(app.Out, "ESNAP %s: %s verified, %s\n", level, cluster.Count(len(verified), "attestation"),
		cluster.Count(len(problems), "error"))
	for _, err := range problems {
		terminal.Fprintf(app.Out, "error: %s\n", err.Error())
	}
	for _, text := range verified {
		terminal.Fprintf(app.Out, "%s\n", text)
	}
	if level != check.OK {
		return &exit{int(level)}
	}
	return nil
}

// writeCheck writes the result of a check. The level is the one that it shows.
func writeCheck(w io.Writer, output string, r *check.Report, level check.Level, attested string) error {
	switch output {
	case "json":
		value := map[string]any{
			"schema_version": report.SchemaVersion, "status": level, "code": int(level), "now": jsonTime(r.Now), "server": r.Server.String(),
			"cluster_name": r.Server.Name, "cluster_uuid": r.Server.UUID, "findings": r.Findings, "calendars": r.Calendars,
		}
		if attested != "" {
			value["attestation"] = attested
		}
		return report.WriteJSON(w, value)
	case "csv":
		return writeDays(w, r.Calendars)
	}
	terminal.Fprintf(w, "ESNAP %s: %s\n", level, headline(r, level))
	for _, f := range r.Findings {
		line := fmt.Sprintf("%-9s %s %s: %s", f.Level, f.About, f.Name, f.Text)
		if f.Name == "" {
			line = fmt.Sprintf("%-9s %s: %s", f.Level, f.About, f.Text)
		}
		terminal.Fprintf(w, "%s\n", line)
		if f.Hint != "" {
			terminal.Fprintf(w, "          hint: %s\n", f.Hint)
		}
	}
	for _, c := range r.Calendars {
		writeCalendar(w, c)
	}
	if attested != "" {
		terminal.Fprintf(w, "%s\n", attested)
	}
	return nil
}

// headline is the first line of a check: the first finding of a level, or what was checked.
func headline(r *check.Report, level check.Level) string {
	count := map[check.Level]int{}
	for _, f := range r.Findings {
		count[f.Level]++
	}
	if level == check.OK {
		if len(r.Findings) == 0 {
			return "there is nothing to check"
		}
		return fmt.Sprintf("%s checked", cluster.Count(len(r.Findings), "point"))
	}
	worst := r.Findings[0]
	for _, f := range r.Findings {
		if f.Level == level {
			worst = f
			break
		}
	}
	text := strings.TrimSpace(worst.About+" "+worst.Name) + ": " + worst.Text
	var more []string
	for _, l := range []check.Level{check.Critical, check.Warning, check.Unknown} {
		n := count[l]
		if l == level {
			n--
		}
		switch {
		case n > 0 && l == check.Warning:
			more = append(more, cluster.Count(n, "warning"))
		case n > 0:
			more = append(more, fmt.Sprintf("%d %s", n, strings.ToLower(l.String())))
		}
	}
	if len(more) > 0 {
		text += " (and " + strings.Join(more, ", ") + ")"
	}
	return text
}

// writeCalendar shows a family with one character for each day, one line for each month.
func writeCalendar(w io.Writer, c check.Calendar) {
	if len(c.Days) == 0 {
		return
	}
	terminal.Fprintf(w, "\n%s\n", c.Title())
	month, line := "", ""
	flush := func() {
		if month != "" {
			terminal.Fprintf(w, "  %s  %s\n", month, strings.TrimRight(line, " "))
		}
	}
	used := map[check.State]bool{}
	for _, d := range c.Days {
		if d.Date[:7] != month {
			flush()
			month, line = d.Date[:7], ""
		}
		day, _ := strconv.Atoi(d.Date[8:])
		line += strings.Repeat(" ", max(day-1-len(line), 0)) + d.State.Mark()
		used[d.State] = true
	}
	flush()
	var legend []string
	for _, l := range check.States {
		if used[l.State] {
			legend = append(legend, l.Mark+" "+l.Text)
		}
	}
	terminal.Fprintf(w, "  %s\n", strings.Join(legend, ", "))
}

// writeDays writes all days of calendars, a line each.
func writeDays(w io.Writer, calendars []check.Calendar) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"date", "index", "state", "live", "copies", "complete_copies", "newest_copy", "until", "cluster"})
	for _, c := range calendars {
		for _, d := range c.Days {
			until := ""
			if d.Until != nil {
				until = d.Until.Format(time.RFC3339)
			}
			_ = out.Write([]string{
				d.Date, d.Index, string(d.State), strconv.FormatBool(d.Live), strconv.Itoa(d.Copies), strconv.Itoa(d.Complete),
				d.Newest, until, d.Cluster,
			})
		}
	}
	out.Flush()
	return out.Error()
}
