// Package tell tells others how a run ended: metrics, pings, webhooks, mails. All of them
// get one value, Summary. Nothing of it changes a run: what fails is a warning.
package tell

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
)

// State is how well a run ended. The numbers are those of the metric.
type State int

// The states.
const (
	OK State = iota
	Warning
	Error
)

// String is the state as messages have it.
func (s State) String() string { return [...]string{"ok", "warning", "error"}[s] }

// incomplete is the exit code of a run that is incomplete, but without errors.
const incomplete = 5

// Summary is how a run ended, for all who are told.
type Summary struct {
	Policy string // name of the job
	File   string
	Name   string // of this server
	// Cluster and Server are empty if the cluster did not answer.
	Cluster, Server string
	RunID, Version  string
	Began           time.Time
	Duration        time.Duration
	State           State
	Code            int
	Meaning         string // of the exit code; may be empty
	Words           []string
	Error, Hint     string
	Report          string // as a table
	Actions         []Action
	Repositories    []Repository
	// Uncovered is how many indices were kept for want of copies; nil: no action deletes
	// indices.
	Uncovered *int
	Drill     bool          // it was a drill
	Every     time.Duration // how often the file is expected to run; 0: not known
}

// Action is what became of the actions of one kind on one repository.
type Action struct {
	Kind, Repository string
	Duration         time.Duration
	Items            map[string]int // by result
}

// Results are the results by which items are counted.
var Results = []string{"ok", "partial", "failed", "skipped", "refused"}

// Repository is what a run saw of the snapshots of a repository.
type Repository struct {
	Name                   string
	States                 map[string]int // nil: not listed
	NewestGood, OldestGood time.Time      // zero: none
	ShardsFailed           int            // of the newest snapshot
}

// About is what a report does not contain.
type About struct {
	Policy, Name, RunID, Version, Meaning string
	Began                                 time.Time
	Every                                 time.Duration
	Seen                                  *Seen
	Redact                                func(string) string
}

// Summarize makes the summary of a run from its report.
func Summarize(r *report.Report, a About) *Summary {
	s := &Summary{
		Policy: a.Policy, File: r.File, Name: a.Name, Cluster: a.Seen.cluster, Server: r.Server, RunID: a.RunID,
		Version: a.Version, Meaning: a.Meaning,
		Began: a.Began.UTC(), Duration: time.Duration(r.DurationMS) * time.Millisecond, Code: r.ExitCode, State: stateOf(r),
		Actions: actionsOf(r), Repositories: a.Seen.repositories(), Uncovered: a.Seen.uncovered(), Every: a.Every,
	}
	words, line := r.LastWords(), func(text string) string { return a.Redact(strings.ReplaceAll(text, "\n", "; ")) }
	words = report.LastWords{Result: line(words.Result), Error: line(words.Error), Hint: line(words.Hint)}
	s.Words, s.Error, s.Hint = words.Lines(), words.Error, words.Hint
	var b bytes.Buffer
	_ = r.Write(&b, "table") // a buffer takes everything
	s.Report = a.Redact(strings.TrimLeft(b.String(), "\n"))
	return s
}

// stateOf judges a run. Curator's command lines end with 0 after a failure that was
// allowed to happen: it is still one.
func stateOf(r *report.Report) State {
	switch {
	case slices.ContainsFunc(r.Actions, func(a report.Action) bool {
		return slices.Contains([]string{"failed", "refused", "interrupted"}, a.Status)
	}):
		return Error
	case r.ExitCode == incomplete:
		return Warning
	case r.ExitCode != 0:
		return Error
	}
	return OK
}

// ExitStatus is the exit code, or 1 for a failure that ended with 0.
func (s *Summary) ExitStatus() int {
	if s.State == Error && s.Code == 0 {
		return 1
	}
	return s.Code
}

var resultOf = map[cluster.Result]string{
	cluster.Done: "ok", cluster.Adopted: "ok", cluster.Unchanged: "ok", cluster.PartlyDone: "partial",
	cluster.Failure: "failed", cluster.Unclear: "failed",
	cluster.NotStarted: "skipped", cluster.Requested: "skipped",
}

func actionsOf(r *report.Report) []Action {
	var list []Action
	for _, a := range r.Actions {
		i := slices.IndexFunc(list, func(x Action) bool { return x.Kind == a.Action && x.Repository == a.Repository })
		if i < 0 {
			i = len(list)
			list = append(list, Action{Kind: a.Action, Repository: a.Repository, Items: map[string]int{}})
		}
		x := &list[i]
		x.Duration += time.Duration(a.DurationMS) * time.Millisecond
		for _, o := range a.Outcomes {
			x.Items[cmp.Or(resultOf[cluster.Result(o.Result)], "failed")]++
		}
		for _, s := range a.Spared {
			if s.Guard {
				x.Items["skipped"]++
			}
		}
		if a.Status == "refused" {
			x.Items["refused"] += a.Selected
		}
	}
	return list
}

// Seen notes what the events of a run tell about clusters and snapshots. It implements
// run.Observer.
type Seen struct {
	cluster   string
	began     time.Time
	snapshots map[string]map[string]seen // by repository and name; a repository is listed if it is there
	made      map[string]time.Time       // when a good snapshot was made, by repository
	judges    bool                       // an action deletes indices
	judged    map[string]bool            // indices that it was to delete: whether they lack a copy
}

type seen struct {
	state  cluster.State
	good   bool
	start  time.Time
	failed int // shards
}

// NewSeen makes an empty one.
func NewSeen() *Seen {
	return &Seen{snapshots: map[string]map[string]seen{}, made: map[string]time.Time{}, judged: map[string]bool{}}
}

// Observe implements run.Observer.
func (s *Seen) Observe(e run.Event) {
	switch e := e.(type) {
	case run.Started:
		s.began = e.Now
	case run.Connected:
		s.cluster = e.Server.Name
	case run.Selected:
		s.list(e.Step.Source(), e.Selection)
		if e.Step.Kind == "delete_indices" {
			s.judge(e.Selection)
		}
	case run.Outcome:
		o := e.Outcome
		switch {
		case o.What != "snapshot":
		case o.Verb == cluster.VerbDelete && o.Result == cluster.Done:
			delete(s.snapshots[o.Repository], o.Name)
		case o.Verb == cluster.VerbCreate && (o.Result == cluster.Done || o.Result == cluster.Adopted):
			s.made[o.Repository] = o.Began(s.began)
		}
	}
}

// judge notes which indices were kept for want of copies.
func (s *Seen) judge(of cluster.Selection) {
	s.judges = true
	for _, i := range of.Selected {
		s.judged[i.ItemName()] = false
	}
	for _, sp := range of.Spared {
		if sp.Kept == cluster.KeptUnproven {
			s.judged[sp.Item.ItemName()] = true
		}
	}
}

// uncovered counts them; nil: no action deletes indices.
func (s *Seen) uncovered() *int {
	if !s.judges {
		return nil
	}
	n := 0
	for _, lacks := range s.judged {
		if lacks {
			n++
		}
	}
	return &n
}

func (s *Seen) list(repository string, of cluster.Selection) {
	listed := map[string]seen{}
	for _, it := range of.Items() {
		x, is := it.(*cluster.Snapshot)
		if !is {
			return
		}
		listed[x.Name] = seen{x.State, x.Good(), x.Start, x.Shards.Failed}
	}
	if repository != "" {
		s.snapshots[repository] = listed
	}
}

func (s *Seen) repositories() []Repository {
	names := maps.Clone(s.made)
	for name := range s.snapshots {
		names[name] = time.Time{}
	}
	var list []Repository
	for _, name := range slices.Sorted(maps.Keys(names)) {
		r := Repository{Name: name, NewestGood: s.made[name]}
		if listed, is := s.snapshots[name]; is {
			r.States = map[string]int{}
			for _, state := range []cluster.State{cluster.Success, cluster.Partial, cluster.Failed, cluster.InProgress} {
				r.States[string(state)] = 0
			}
			var newest time.Time
			for _, x := range listed {
				r.States[string(x.state)]++
				if x.state != cluster.InProgress && x.start.After(newest) {
					newest, r.ShardsFailed = x.start, x.failed
				}
				if !x.good || x.start.IsZero() {
					continue
				}
				if x.start.After(r.NewestGood) {
					r.NewestGood = x.start
				}
				if r.OldestGood.IsZero() || x.start.Before(r.OldestGood) {
					r.OldestGood = x.start
				}
			}
		}
		list = append(list, r)
	}
	return list
}

// Change is what makes a message worth sending, besides the run itself.
type Change string

// The changes.
const (
	None      Change = ""
	Recovered Change = "recovered"
	Reminder  Change = "reminder"
)

// Title is a message in one line.
func (s *Summary) Title(c Change) string {
	what := [...]string{"succeeded", "is incomplete", "failed"}[s.State]
	switch {
	case c == Recovered && s.State == OK:
		what = "recovered"
	case c == Recovered:
		what = "no longer fails, but is incomplete"
	case c == Reminder:
		what = [...]string{"still succeeds", "is still incomplete", "still fails"}[s.State]
	}
	title := fmt.Sprintf("esnap: %s %s on %s", s.Policy, what, s.Name)
	if s.Code != 0 {
		title += fmt.Sprintf(" (exit code %d)", s.Code)
	}
	return title
}

// maxText is how long a message for people may be: services refuse longer ones.
const maxText = 1800

// Text is a message in a few lines.
func (s *Summary) Text(c Change) string {
	lines := []string{s.Title(c)}
	if s.Server != "" {
		lines = append(lines, strings.TrimSpace(s.Cluster+" "+s.Server))
	}
	if s.Meaning != "" && s.Code != 0 {
		lines = append(lines, s.Meaning)
	}
	return cut(strings.Join(append(lines, s.Words...), "\n"), maxText)
}

// Field is a value for the body of a webhook.
func (s *Summary) Field(name string, c Change) string {
	switch name {
	case "title":
		return s.Title(c)
	case "text":
		return s.Text(c)
	case "report":
		return cut(s.Report, maxReport)
	case "state":
		return s.State.String()
	case "change":
		return string(c)
	case "policy":
		return s.Policy
	case "file":
		return s.File
	case "name":
		return s.Name
	case "cluster":
		return s.Cluster
	case "server":
		return s.Server
	case "exit_code":
		return strconv.Itoa(s.Code)
	case "meaning":
		return s.Meaning
	case "error":
		return s.Error
	case "hint":
		return s.Hint
	case "duration_seconds":
		return number(s.Duration.Seconds())
	case "time":
		return s.Began.Format(time.RFC3339)
	case "run_id":
		return s.RunID
	}
	return ""
}

// maxReport is how much of a report is sent.
const maxReport = 100_000

// cut shortens a text to a number of bytes.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[:most-len("…")]
	for len(text) > 0 && !utf8.ValidString(text[max(0, len(text)-utf8.UTFMax):]) && !utf8.RuneStart(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	if r, size := utf8.DecodeLastRuneInString(text); r == utf8.RuneError && size == 1 {
		text = text[:len(text)-1]
	}
	return text + "…"
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
