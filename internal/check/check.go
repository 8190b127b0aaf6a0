// Package check finds out whether what should be in snapshots is there: whether each series
// is fresh, each day held, each repository as declared. It only reads.
//
// What must be true comes from the action file that runs at night, or from a maximum age
// and the names of indices on the command line.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/coverage"
	"github.com/esnap/esnap/internal/drill"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/series"
)

// Level is how bad a finding is. The numbers are the exit codes of plug-ins for Nagios.
type Level int

// The levels.
const (
	OK Level = iota
	Warning
	Critical
	Unknown
)

// String is the level as plug-ins for Nagios write it.
func (l Level) String() string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[l] }

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error {
	for level := OK; level <= Unknown; level++ {
		if level.String() == string(text) {
			*l = level
			return nil
		}
	}
	return fmt.Errorf("%q is not a level", text)
}

// severity is the order in which levels win over each other.
var severity = []Level{OK, Unknown, Warning, Critical}

// Worse is the worse of two levels.
func (l Level) Worse(other Level) Level {
	if slices.Index(severity, other) > slices.Index(severity, l) {
		return other
	}
	return l
}

// Finding is one thing that was checked.
type Finding struct {
	Level Level  `json:"level"`
	About string `json:"about"` // series, repository, days, action, operation, family, history, lock, drill
	Name  string `json:"name"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// Options say what to check.
type Options struct {
	Now time.Time
	// Plan is the action file; nil: none was given.
	Plan *plan.Plan
	// MaxAge is how old the newest good snapshot of a series may be; 0: as the file says.
	MaxAge time.Duration
	// Grace is how much later than due a snapshot may come.
	Grace time.Duration
	// Repositories are the only ones to look at; empty: those of the file, or all.
	Repositories []string
	// Indices are names of indices with strftime tokens, whose last Days days are checked, and the
	// day that is not over.
	Indices []string
	Days    int
	// GapsOK: days without an index are no finding.
	GapsOK bool
	// Rules say when a copy is complete; nil: as the file says.
	Rules *coverage.Rules
	// StalledAfter is how long an operation may make no progress. Moved is how far snapshots
	// had come when an earlier check saw them first, by name; nil: not known. Of an operation
	// whose progress is not known, it is how long it may run.
	StalledAfter time.Duration
	Moved        map[string]Moved
	// Verify has every node write to the repositories.
	Verify bool
	// Seen are the indices that an earlier check saw; nil: not known.
	Seen map[string]bool
	// Drill is the last drill; nil: not known. DrillAge is how old it may be.
	Drill    *drill.Result
	DrillAge time.Duration
	// History: the job keeps a history. Unread is why it could not be read; nil: it was read.
	History bool
	Unread  error
	// Locks: the job takes a lock.
	Locks bool
}

// Report is the result of a check.
type Report struct {
	Level        Level
	Server       cluster.Server
	Now          time.Time
	Findings     []Finding
	Calendars    []Calendar
	Repositories []Repository
	// Drill is the last drill; nil: not known.
	Drill *drill.Result
	// Seen are the indices that this check saw, in snapshots or in the cluster.
	Seen map[string]bool
	// Moved is how far running snapshots have come, for the next check.
	Moved map[string]Moved
}

// WithoutWarnings is the worst level of all findings but warnings.
func (r *Report) WithoutWarnings() Level {
	worst := OK
	for _, f := range r.Findings {
		if f.Level != Warning {
			worst = worst.Worse(f.Level)
		}
	}
	return worst
}

// Moved is how far a running snapshot has come, and when a check saw that first.
type Moved struct {
	Progress cluster.Progress `json:"progress"`
	At       time.Time        `json:"at"`
}

// Repository is a repository that was looked at.
type Repository struct {
	cluster.Repository
	Snapshots []*cluster.Snapshot
}

// checker is one check.
type checker struct {
	Options
	rules        coverage.Rules
	c            cluster.Cluster
	indices      []*cluster.Index
	live         map[string]*cluster.Index
	registered   []cluster.Repository
	repositories []Repository // those to look at, as far as they could be read
	rest         []Repository // the others, once something asked for them
	restUnread   []string
	unread       []string // repositories
	report       *Report
	aged         map[string]bool // families whose newest index was found to be old
	sizes        map[*cluster.Snapshot]map[string]int64
}

// Run checks a cluster. An error means that it could not be read at all.
func Run(ctx context.Context, c cluster.Cluster, o Options) (*Report, error) {
	k := &checker{
		Options: o,
		c:       c,
		live:    map[string]*cluster.Index{},
		aged:    map[string]bool{},
		sizes:   map[*cluster.Snapshot]map[string]int64{},
		report:  &Report{Now: o.Now, Drill: o.Drill, Seen: map[string]bool{}, Moved: map[string]Moved{}},
	}
	k.rules = k.copyRules()
	var err error
	if k.report.Server, err = c.Server(ctx); err != nil {
		return nil, err
	}
	if err := k.read(ctx); err != nil {
		return nil, err
	}
	if o.Plan != nil {
		k.declared()
		k.fresh()
		if err := k.deletions(ctx); err != nil {
			return nil, err
		}
		if err := k.covered(ctx); err != nil {
			return nil, err
		}
		k.unselected()
		k.taken()
	} else if o.MaxAge > 0 {
		k.everySeries()
		k.everyFamily()
	} else if len(o.Indices) == 0 {
		k.add(Unknown, "series", "", "nothing says how old a snapshot may be", "give the action file that runs at night, or --max-age")
	}
	if len(o.Indices) > 0 {
		lives := k.lives(k.repositories)
		for _, pattern := range o.Indices {
			k.calendar(ctx, k.days(pattern, lives, o.Now.AddDate(0, 0, -o.Days), true))
		}
	}
	if o.Plan != nil || o.MaxAge > 0 {
		k.stale()
	}
	k.operations(ctx)
	k.locks(ctx)
	k.history()
	k.drill()
	if o.Verify {
		k.verify(ctx)
	}
	if len(k.report.Findings) == 0 {
		k.add(Unknown, "series", "", "there is nothing to check", "give the action file that runs at night, and the repositories that it uses")
	}
	for _, f := range k.report.Findings {
		k.report.Level = k.report.Level.Worse(f.Level)
	}
	cluster.Sort(k.report.Findings, func(a, b Finding) int {
		return slices.Index(severity, b.Level) - slices.Index(severity, a.Level)
	})
	k.report.Repositories = k.repositories
	return k.report, nil
}

// read reads the indices, and the snapshots with their contents: one request each.
func (k *checker) read(ctx context.Context) error {
	var err error
	if k.indices, err = k.c.Indices(ctx); err != nil {
		return err
	}
	if err := k.c.Sight().Indices; err != nil {
		k.add(Warning, "indices", "", "some may be missing: "+err.Error(), cluster.Hint(err))
	}
	for _, i := range k.indices {
		k.live[i.Name] = i
		k.report.Seen[i.Name] = true
	}
	if k.registered, err = k.c.Repositories(ctx); err != nil {
		return err
	}
	wanted := k.wanted()
	for _, name := range wanted {
		if !slices.ContainsFunc(k.registered, func(r cluster.Repository) bool { return r.Name == name }) {
			k.add(Critical, "repository", name, "is not registered in the cluster", "")
		}
	}
	for _, r := range k.registered {
		if wanted != nil && !slices.Contains(wanted, r.Name) {
			continue
		}
		list, err := k.c.Snapshots(ctx, r.Name, true)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, cluster.ErrUnreachable) {
				return err
			}
			k.add(Critical, "repository", r.Name, "cannot be read: "+err.Error(), cluster.Hint(err))
			k.unread = append(k.unread, r.Name)
			continue
		}
		k.repositories = append(k.repositories, Repository{r, list})
		for _, s := range list {
			for _, i := range s.Indices {
				k.report.Seen[i] = true
			}
		}
	}
	return nil
}

// wanted are the repositories to look at; nil: all.
func (k *checker) wanted() []string {
	if len(k.Options.Repositories) > 0 || k.Plan == nil {
		return k.Options.Repositories
	}
	return k.Plan.WithCopies()
}

// within says in which repositories alone a check looks for snapshots; empty: in all that count.
func (k *checker) within() string {
	switch list := k.Options.Repositories; len(list) {
	case 0:
		return ""
	case 1:
		return " in repository " + list[0]
	default:
		return " in repositories " + strings.Join(list, ", ")
	}
}

func (k *checker) add(level Level, about, name, text, hint string) {
	k.report.Findings = append(k.report.Findings, Finding{level, about, name, text, hint})
}

func (k *checker) repository(name string) *Repository {
	for i := range k.repositories {
		if k.repositories[i].Name == name {
			return &k.repositories[i]
		}
	}
	return nil
}

// age is how old the newest good snapshot of some is, as a finding. Most is how old it may
// be; 0: not known.
func (k *checker) age(name string, list []*cluster.Snapshot, most time.Duration) {
	var newest, last *cluster.Snapshot
	failing, running := 0, ""
	for _, s := range coverage.Ordered(list) {
		if s.StartedAfter(k.Now) {
			k.add(Warning, "series", name, fmt.Sprintf("%s was started in the future, at %s: it does not count",
				s.Name, cluster.Minutes(s.Start)), "a clock was wrong")
			continue
		}
		if s.State == cluster.InProgress {
			running = s.Name
			continue
		}
		last = s
		if failing++; s.Good() {
			newest, failing = s, 0
		}
	}
	switch {
	case newest == nil && last == nil && running != "":
		k.add(Unknown, "series", name, "contains no snapshot yet; "+running+" is running", "")
	case newest == nil && last == nil:
		k.add(Critical, "series", name, "contains no snapshot", "")
	case newest == nil:
		k.add(Critical, "series", name, fmt.Sprintf("contains no good snapshot; the last one, %s: %s", last.Name, last.WhyNotGood()), "")
	case most == 0:
		k.add(Unknown, "series", name, fmt.Sprintf("the newest good snapshot, %s, is %s old; nothing says how old it may be",
			newest.Name, cluster.Age(k.Now, newest.Start)),
			"set once_per in the snapshot action, or give --max-age")
	case k.Now.Sub(newest.Start) > most+k.Grace:
		text := fmt.Sprintf("the newest good snapshot, %s, is %s old; it may be %s old", newest.Name,
			cluster.Age(k.Now, newest.Start), cluster.FormatDuration(most+k.Grace))
		if failing > 0 {
			text += fmt.Sprintf("; the %s after it: %s", cluster.Count(failing, "snapshot"), last.WhyNotGood())
		}
		k.add(Critical, "series", name, text, "")
	case failing > 1:
		k.add(Warning, "series", name, fmt.Sprintf("the last %d snapshots are not good; the last one, %s: %s", failing,
			last.Name, last.WhyNotGood()), "")
	default:
		k.add(OK, "series", name, fmt.Sprintf("the newest good snapshot, %s, is %s old", newest.Name, cluster.Age(k.Now, newest.Start)), "")
	}
}

// everySeries checks all series that the repositories contain.
func (k *checker) everySeries() {
	for _, r := range k.repositories {
		keys, groups := series.Group(cluster.Ours(r.Snapshots), series.Of(nil))
		if len(keys) == 0 {
			k.add(Critical, "repository", r.Name, "contains no snapshot", "")
		}
		for _, key := range keys {
			k.age(r.Name+"/"+key, groups[key], k.MaxAge)
		}
	}
}

// operations finds operations that run for too long.
func (k *checker) operations(ctx context.Context) {
	running, err := k.c.Running(ctx)
	if err != nil {
		k.add(Unknown, "operation", "", "cannot read what is running: "+err.Error(), "")
		return
	}
	for _, o := range running {
		since, what := o.Started, "has been running for "
		if o.Kind == cluster.OpSnapshot {
			if p, err := k.c.SnapshotProgress(ctx, o.Repository, o.Snapshot); err == nil {
				id := o.Repository + "/" + o.Snapshot
				m, known := k.Moved[id]
				if m.Progress != p || !known {
					m = Moved{p, k.Now}
				}
				if known {
					since, what = m.At, "has made no progress for "
				}
				k.report.Moved[id] = m
			}
		}
		if !since.IsZero() && k.Now.Sub(since) > k.StalledAfter {
			k.add(Warning, "operation", o.String(), what+cluster.Age(k.Now, since), "esnap status shows its progress")
		}
	}
}

// locks finds run locks whose owner was killed: the next run takes them over.
func (k *checker) locks(ctx context.Context) {
	list, err := lock.List(ctx, k.c)
	if err != nil {
		k.unreadable("lock", "whether a killed run left one behind", cluster.LockIndex, k.Locks, err)
		return
	}
	if len(list) == 0 {
		return
	}
	now, err := k.c.Clock(ctx) // locks are renewed by it
	if err != nil {
		now = k.Now
	}
	for _, h := range list {
		if h.Stale(now) {
			k.add(Warning, "lock", h.Name, "was left behind by a run that was killed: "+h.String(),
				"esnap lock release "+h.Name+" frees it; the next run takes it over by itself")
		}
	}
}

// history tells that the history could not be read. It is needed if the job keeps one, or if the
// cluster has one, and nothing else says which days of the file were seen.
func (k *checker) history() {
	if k.Unread == nil {
		return
	}
	needed := k.History || k.Plan != nil && k.Seen == nil && k.live[cluster.HistoryIndex] != nil
	k.unreadable("history", "which days were lost, and how the last drill ended", cluster.HistoryIndex, needed, k.Unread)
}

// unreadable tells that an index of esnap's own could not be read. Where it is not needed, a user
// without the right to read it is told nothing.
func (k *checker) unreadable(about, what, index string, needed bool, err error) {
	if !needed && (k.live[index] == nil || errors.Is(err, cluster.ErrForbidden)) {
		return
	}
	k.add(Unknown, about, index, "cannot tell "+what+": "+err.Error(), cmp.Or(cluster.Hint(err), "give the user read on "+index))
}

// drill judges the last drill.
func (k *checker) drill() {
	d := k.Drill
	if d == nil {
		return
	}
	age := k.Now.Sub(d.Time)
	passed, all, unfinished, uncompared := 0, 0, 0, 0 // of this drill
	for _, c := range d.Copies {
		if !c.Time.IsZero() {
			continue
		}
		all++
		switch c.State {
		case drill.Passed:
			passed++
			if c.NotCompared() {
				uncompared++
			}
		case drill.Unfinished:
			unfinished++
		}
	}
	text := fmt.Sprintf("%s of %d restored and compared %s ago", cluster.Count(passed, "index"), all, cluster.Age(k.Now, d.Time))
	if unfinished > 0 {
		text += fmt.Sprintf(", %d not finished", unfinished)
	}
	if uncompared > 0 {
		text += fmt.Sprintf(", %d not compared with the cluster", uncompared)
	}
	for _, i := range d.Repositories(drill.Damaged) {
		k.add(Critical, "repository", i.Repository, fmt.Sprintf("the server found %s in its files, the first is %s",
			cluster.Count(int(i.Anomalies), "anomaly"), i.First), "write nothing to it; restore its storage from a copy of before the damage")
	}
	switch {
	case len(d.Copies) == 0: // nothing was restored
	case d.Failures() > 0:
		for _, c := range d.Copies {
			if c.State == drill.Failed {
				k.add(Critical, "drill", c.Index, fmt.Sprintf("%s/%s: %s", c.Repository, c.Snapshot, c.Reason), "")
			}
		}
	case age > k.DrillAge:
		k.add(Warning, "drill", "", text+"; it may be "+cluster.FormatDuration(k.DrillAge)+" ago", "esnap drill makes one")
	default:
		k.add(OK, "drill", "", text, "")
	}
}

// verify has every node write to the repositories.
func (k *checker) verify(ctx context.Context) {
	for _, r := range k.repositories {
		if r.ReadOnly() {
			continue
		}
		nodes, err := k.c.VerifyRepository(ctx, cluster.VerifyRepository{Name: r.Name})
		switch {
		case errors.Is(err, cluster.ErrForbidden):
			k.add(Unknown, "repository", r.Name, "could not be verified: "+err.Error(), "give the user cluster:admin/repository/verify")
		case err != nil:
			k.add(Critical, "repository", r.Name, "not every node can write to it: "+err.Error(), cluster.Hint(err))
		default:
			k.add(OK, "repository", r.Name, cluster.Count(len(nodes), "node")+" can write to it", "")
		}
	}
}
