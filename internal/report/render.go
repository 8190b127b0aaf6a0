package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/terminal"
)

func as[T error](err error, target *T) bool { return errors.As(err, target) }

// Formats are the forms a report can be shown in.
var Formats = []string{"table", "wide", "json", "yaml", "name"}

// Write shows the report in a format.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		return WriteJSON(w, r)
	case "yaml":
		return WriteYAML(w, r)
	case "name":
		return r.names(w)
	default:
		return r.table(w, format == "wide")
	}
}

// WriteJSON writes a value as indented JSON.
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(terminal.Encoded(b.Bytes()))
	return err
}

// WriteYAML writes a value as YAML with the names of its JSON form.
func WriteYAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node // JSON is YAML: decoding it into a node keeps the order
	if err := yaml.Unmarshal(terminal.Encoded(data), &node); err != nil {
		return err
	}
	block(&node)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, err = w.Write(terminal.Encoded(b.Bytes()))
	return err
}

func block(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0
		if terminal.Unsafe(strings.NewReplacer("\n", "", "\t", "").Replace(n.Value)) {
			n.Style = yaml.DoubleQuotedStyle // where an escape is one
		}
	}
	for _, c := range n.Content {
		block(c)
	}
}

// names writes action/item lines, sorted: made for diff.
func (r *Report) names(w io.Writer) error {
	var lines []string
	for _, a := range r.Actions {
		for _, n := range a.names {
			lines = append(lines, terminal.Line(a.Action+"/"+n))
		}
	}
	slices.Sort(lines)
	for _, l := range slices.Compact(lines) {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return nil
}

// shownSpared is how many items spared by guards or with a warning, and how many
// outcomes of one kind, a table shows one by one.
const shownSpared = 10

func (r *Report) table(w io.Writer, wide bool) error {
	w, paint := terminal.Colours(w)
	var b strings.Builder
	p := func(format string, args ...any) { terminal.Fprintf(&b, format, args...) }
	mode := ""
	if r.DryRun {
		mode = "  DRY RUN: nothing is changed"
	}
	if r.Server != "" {
		if r.File != "" {
			p("%s on ", r.File)
		}
		p("%s at %s%s\n", r.Server, r.Now.Format(cluster.SecondsUTC), mode)
	} else if r.Error == "" {
		p("%s: nothing to do; the cluster was not contacted%s\n", r.File, mode)
	}
	last := r.LastWords()
	for _, x := range r.Repositories {
		p("\nrepository %s (%s)  %s\n", x.Name, x.Type, paint.Paint(x.Result, x.Result))
		if x.Detail != "" {
			p("  %s\n", x.Detail)
		}
		for _, d := range x.Drift {
			p("  drift: %s\n", d)
		}
		problem(&b, x.Error, hintOnce(x.Hint, last))
	}
	hooks := func(before bool) {
		for _, h := range r.Hooks {
			if (h.Hook == "before") == before {
				h.table(&b, paint, wide)
			}
		}
	}
	hooks(true)
	for _, a := range r.Actions {
		a.table(&b, paint, r.DryRun, wide, last)
	}
	hooks(false)
	p("\n")
	for _, warning := range r.Warnings {
		p("warning: %s\n", warning)
	}
	for _, line := range last.Lines() {
		p("%s\n", strings.ReplaceAll(line, "\n", "; "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// shownOutput is how many lines of a hook's output a table shows.
const shownOutput = 5

func (h Hook) table(b *strings.Builder, paint terminal.Painter, wide bool) {
	if h.Result == "not_run" {
		terminal.Fprintf(b, "\nhook %s: would run %s\n", h.Hook, h.Program)
		return
	}
	terminal.Fprintf(b, "\nhook %s: %s  %s  (%s)\n", h.Hook, h.Program, paint.Paint(h.Result, h.Result), duration(h.DurationMS))
	lines := strings.Split(strings.TrimRight(h.Output, "\n"), "\n")
	if !wide && len(lines) > shownOutput {
		terminal.Fprintf(b, "   …\n")
		lines = lines[len(lines)-shownOutput:]
	}
	for _, line := range lines {
		if line != "" {
			terminal.Fprintf(b, "   %s\n", line)
		}
	}
}

func problem(b *strings.Builder, err, hint string) {
	for i, line := range strings.Split(err, "\n") {
		if err == "" {
			break
		}
		if i == 0 {
			terminal.Fprintf(b, "  error: %s\n", line)
		} else {
			terminal.Fprintf(b, "         %s\n", line)
		}
	}
	if hint != "" {
		terminal.Fprintf(b, "  hint: %s\n", hint)
	}
}

func (a *Action) table(b *strings.Builder, paint terminal.Painter, dryRun, wide bool, last LastWords) {
	p := func(format string, args ...any) { terminal.Fprintf(b, format, args...) }
	status := a.Status
	if dryRun && (status == "done" || status == "partial") {
		status = "would be " + status
	}
	p("\n%s  %s  %s  (%s)\n", a.ID, a.Action, paint.Paint(a.Status, words(status)), duration(a.DurationMS))
	if a.Description != "" && a.Description != "No description given" {
		p("   %s\n", a.Description)
	}
	if a.Listed > 0 {
		p("   selected %d of %d\n", a.Selected, a.Listed)
	}
	for _, f := range a.Families {
		p("     %s\n", f.Line())
	}
	a.spared(b, wide)
	a.outcomes(b, paint, wide)
	for _, w := range a.Warnings {
		if slices.Contains([]string{"not_run", "disabled", "empty"}, a.Status) { // why it was not run
			p("   %s\n", w)
			continue
		}
		p("   warning: %s\n", w)
	}
	var inner strings.Builder
	problem(&inner, a.besides, hintOnce(a.Hint, last))
	for line := range strings.Lines(inner.String()) {
		b.WriteString(" " + line)
	}
}

// hintOnce is a hint, unless the last lines of the table have it.
func hintOnce(hint string, last LastWords) string {
	if hint == last.Hint {
		return ""
	}
	return hint
}

// tail is the part of a name that its family leaves out.
func tail(name, family string) string {
	before, after, found := strings.Cut(family, "*")
	if !found || !strings.HasPrefix(name, before) {
		return name
	}
	name = strings.TrimPrefix(name, before)
	if !strings.Contains(after, "*") {
		name = strings.TrimSuffix(name, after)
	}
	return name
}

func (a *Action) spared(b *strings.Builder, wide bool) {
	var order []string
	count, first := map[string]int{}, map[string]*Reason{}
	for _, s := range a.Spared {
		if count[s.By]++; first[s.By] == nil {
			order, first[s.By] = append(order, s.By), s.Reason
		}
	}
	for _, name := range order {
		if !first[name].Guard && !wide {
			terminal.Fprintf(b, "   spared %d by the filter %s\n", count[name], name)
			continue
		}
		kind := "filter"
		if first[name].Guard {
			kind = "guard"
		}
		terminal.Fprintf(b, "   spared %d by the %s %s\n", count[name], kind, name)
		shown := 0
		for _, s := range a.Spared {
			if s.By != name {
				continue
			}
			if shown == shownSpared && !wide {
				terminal.Fprintf(b, "     … and %d more\n", count[name]-shown)
				break
			}
			terminal.Fprintf(b, "     %s: %s\n", *s.Name, s.Why)
			shown++
		}
	}
}

// words is a result or status as people read it.
func words(result string) string { return strings.ReplaceAll(result, "_", " ") }

// Words are how an outcome reads: what was done, or in a dry run would be.
func (o Outcome) Words() string {
	switch {
	case o.Result != "done":
		return words(o.Result)
	case o.Assumed:
		return "would " + o.Verb
	}
	return o.past
}

func (a *Action) outcomes(b *strings.Builder, paint terminal.Painter, wide bool) {
	var order []string
	group := map[string][]Outcome{}
	for _, o := range a.Outcomes {
		w := o.Words()
		if group[w] == nil {
			order = append(order, w)
		}
		group[w] = append(group[w], o)
	}
	for _, w := range order {
		list := group[w]
		if len(list) > 1 {
			terminal.Fprintf(b, "   %s %s\n", paint.Paint(list[0].Result, w), cluster.Count(len(list), list[0].What))
		}
		names := namesByError(list, wide)
		for i, o := range list {
			if len(list) > 1 && o.Detail == "" && o.Error == "" && !wide {
				continue // the families above name them
			}
			if names[i] == "" {
				continue // an item above has the same error, and names this one
			}
			if i >= shownSpared && !wide {
				terminal.Fprintf(b, "     … and %d more\n", len(list)-i)
				break
			}
			line, result := fmt.Sprintf(" %s %s", o.What, o.Name), paint.Paint(o.Result, w)
			if len(list) > 1 {
				line, result = "  "+names[i], ""
			}
			if o.Why != "" && wide {
				line += ": " + o.Why
			}
			if o.Detail != "" {
				line += ": " + o.Detail
			}
			if o.Error != "" {
				line += ": " + strings.ReplaceAll(o.Error, "\n", "; ")
			}
			terminal.Fprintf(b, "   %s%s\n", result, line)
		}
	}
}

// namesByError are the names of outcomes as they are listed: those with the same error are
// with the first of them, so that the error is there once. The others are empty.
func namesByError(list []Outcome, wide bool) []string {
	together := make([][]string, len(list))
	first := map[[2]string]int{}
	for i, o := range list {
		key := [2]string{o.Detail, o.Error}
		at, known := first[key]
		if !known || o.Error == "" {
			at, first[key] = i, i
		}
		together[at] = append(together[at], o.Name)
	}
	names := make([]string, len(list))
	for i, t := range together {
		if more := len(t) - shownSpared; more > 0 && !wide {
			t = append(t[:shownSpared], fmt.Sprintf("and %d more", more))
		}
		names[i] = strings.Join(t, ", ")
	}
	return names
}

func (r *Report) summary() string {
	count := map[string]int{}
	for _, a := range r.Actions {
		count[a.Status]++
	}
	var parts []string
	for _, s := range []string{"done", "partial", "empty", "disabled", "failed", "refused", "interrupted", "not_run"} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], words(s)))
		}
	}
	text := fmt.Sprintf("%s: %s; %s", cluster.Count(len(r.Actions), "action"), strings.Join(parts, ", "), duration(r.DurationMS))
	switch {
	case len(r.Actions) == 0 && len(r.Repositories) > 0:
		text = cluster.Count(len(r.Repositories), "repository") + "; " + duration(r.DurationMS)
	case len(r.Actions) == 0:
		text = "no action was run; " + duration(r.DurationMS)
	}
	if r.Spared > 0 {
		text += fmt.Sprintf("; guards spared %d", r.Spared)
	}
	if r.DryRun {
		text += "; dry run: nothing was changed"
	}
	return text
}

// LastWords are the end of a run, for readers who see nothing else of it.
type LastWords struct {
	Result      string
	Error, Hint string // the first cause of a failure, and what to do; may be empty
}

// Lines are the last words as a table shows them.
func (w LastWords) Lines() []string {
	lines := []string{w.Result}
	if w.Error != "" {
		lines = append(lines, "error: "+w.Error)
	}
	if w.Hint != "" {
		lines = append(lines, "hint: "+w.Hint)
	}
	return lines
}

// LastWords are the last words of the run.
func (r *Report) LastWords() LastWords {
	words := LastWords{Result: r.summary()}
	cause := func(what, err, hint string) {
		if err != "" && words.Error == "" {
			words.Error, words.Hint = what+err, hint
		}
	}
	cause("", r.Error, r.Hint)
	for _, x := range r.Repositories {
		cause("repository "+x.Name+": ", x.Error, x.Hint)
	}
	for _, a := range r.Actions {
		cause("action "+a.ID+" ("+a.Action+"): ", a.Error, a.Hint)
	}
	return words
}

// Line reads as one line of a list of families.
func (f Family) Line() string {
	if f.Count == 1 {
		return f.First
	}
	return fmt.Sprintf("%-40s %5d  %s … %s", f.Family, f.Count, tail(f.First, f.Family), tail(f.Last, f.Family))
}

func duration(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d > time.Minute {
		return d.Round(time.Second).String()
	}
	return d.String()
}
