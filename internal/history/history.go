// Package history keeps records of what esnap did in the cluster: one document for each
// run, and for each command that changes something.
package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/esnap/esnap/internal/cluster"
)

const (
	// maxBytes is the size of one record.
	maxBytes = 64 << 10
	// KeepFor is how long a record is kept.
	KeepFor = 90 * 24 * time.Hour
	// firstAmong, page and pages are among how many records one of a job is looked for, and
	// ownAmong among how many of its own.
	firstAmong, page, pages, ownAmong = 100, 1000, 20, 20
	// prune is how many old records one run deletes.
	prune = 50
	// mostDrills is how many drills count.
	mostDrills = 10
	// mayDiffer is by how much a clock may differ from the cluster's without any notice: the time
	// of a request counts, too.
	mayDiffer = 30 * time.Second
	// maxText is the length of a text in a record that is too large.
	maxText = 300
)

// Record is what is kept of one run or command.
type Record struct {
	ID      string    `json:"id"`
	Run     string    `json:"run"`     // as in the metadata of its snapshots
	Command string    `json:"command"` // run, restore, delete_indices, mark, unregister, …
	Job     string    `json:"job"`     // the name of the job; empty for a command
	Started time.Time `json:"started"`
	// Due is the time of the schedule for which esnap serve ran it, by the clock of its machine.
	Due      time.Time `json:"due,omitzero"`
	Duration int64     `json:"duration_ms"`
	ExitCode int       `json:"exit_code"`
	Schedule string    `json:"schedule,omitempty"` // of the job
	// Held: it was refused because another run had the job, of which it says nothing.
	Held    bool   `json:"refused_by_lock,omitempty"`
	Every   int64  `json:"expected_every_ms,omitempty"` // how often the job is expected to run
	Error   string `json:"error,omitempty"`
	Reason  string `json:"reason,omitempty"` // --reason
	User    string `json:"cluster_user,omitempty"`
	OSUser  string `json:"os_user,omitempty"`
	Host    string `json:"host,omitempty"`
	Version string `json:"esnap_version,omitempty"`
	// Told is what the outlets of messages were told, for the next run of the job.
	Told json.RawMessage `json:"told,omitempty"`
	// Left is what the run left in repositories, for the next run of the job.
	Left json.RawMessage `json:"left,omitempty"`
	// Seen are the days that this run and earlier ones of the job saw, as Seen writes them.
	Seen json.RawMessage `json:"seen,omitempty"`
	// Drill is the result of a drill. It, Seen and Summary are left out of lists.
	Drill   json.RawMessage `json:"drill,omitempty"`
	Summary *Summary        `json:"summary,omitempty"`
}

// Reader reads records. Their times are the cluster's: the clocks of the machines that write them
// may differ.
type Reader interface {
	cluster.DocumentReader
	Clock(ctx context.Context) (time.Time, error)
}

// Told is what the outlets of messages were told by the last run of a job; nil: not known.
func Told(ctx context.Context, c Reader, now time.Time, job string) (json.RawMessage, error) {
	return last(ctx, c, now, job, "told", func(r Record) json.RawMessage { return r.Told })
}

// Left is what the last run of a job left in repositories; nil: not known.
func Left(ctx context.Context, c Reader, now time.Time, job string) (json.RawMessage, error) {
	return last(ctx, c, now, job, "left", func(r Record) json.RawMessage { return r.Left })
}

func last(
	ctx context.Context,
	c Reader,
	now time.Time,
	job, field string,
	of func(Record) json.RawMessage,
) (v json.RawMessage, err error) {
	own := 0
	without := slices.DeleteFunc(slices.Clone(brief), func(f string) bool { return f == field })
	err = search(ctx, c, now, without, func(r Record) bool {
		if r.Job != job {
			return false
		}
		own++
		v = of(r)
		return v != nil || own == ownAmong
	})
	return v, err
}

// Newest is the last record of a job that counts; nil: there is none among a great many.
func Newest(ctx context.Context, c Reader, now time.Time, job string, counts func(Record) bool) (newest *Record, err error) {
	err = search(ctx, c, now, brief, func(r Record) bool {
		if r.Job == job && !r.Held && counts(r) {
			newest = &r
		}
		return newest != nil
	})
	return newest, err
}

// Lasts chooses from records, the newest first, the last one of each job, and the last one of a
// run that went well.
type Lasts map[lastOf]bool

type lastOf struct {
	job  string
	well bool
}

// Add notes a record, and reports whether it is one of those.
func (l Lasts) Add(r Record) (is bool) {
	if r.Job == "" || r.Held {
		return false
	}
	for _, k := range []lastOf{{r.Job, false}, {r.Job, true}} {
		if !l[k] && (!k.well || r.ExitCode == 0) {
			l[k], is = true, true
		}
	}
	return is
}

// Latest are those that Lasts chooses among a great many records, the newest first.
func Latest(ctx context.Context, c Reader, now time.Time) (list []Record, err error) {
	lasts := Lasts{}
	err = search(ctx, c, now, brief, func(r Record) bool {
		if lasts.Add(r) {
			list = append(list, r)
		}
		return false
	})
	return list, err
}

// brief leaves out what only single records are asked for.
var brief = []string{"summary", "drill", "told", "left", "seen"}

// search goes through the records, the newest first, until found says that it is enough:
// another job may have run many times since the last run of one. Records from the future do not
// count: nobody knows when they were written.
func search(ctx context.Context, c Reader, now time.Time, without []string, found func(Record) bool) error {
	q := cluster.DocumentQuery{Index: cluster.HistoryIndex, Limit: firstAmong, Without: without}
	asked := false
	for range pages {
		docs, err := c.Documents(ctx, q)
		if err != nil {
			return err
		}
		for _, d := range docs {
			if !asked && ahead(d.Time, now) { // or our clock is slow
				asked = true
				if theirs, err := c.Clock(ctx); err == nil {
					now = theirs
				}
			}
			if r, ok := record(d); ok && !ahead(d.Time, now) && found(r) {
				return nil
			}
		}
		if len(docs) < q.Limit {
			return nil
		}
		q.Before, q.Limit = docs[len(docs)-1].Time, page
	}
	return nil
}

// ahead says whether a time is in the future, by more than clocks may differ.
func ahead(t, now time.Time) bool { return t.After(now.Add(cluster.MaxSkew)) }

// Summary is the short form of a report.
type Summary struct {
	File      string   `json:"file,omitempty"`
	Server    string   `json:"server,omitempty"`
	Hint      string   `json:"hint,omitempty"`
	Actions   []Action `json:"actions"`
	Warnings  []string `json:"warnings"`
	Kept      int      `json:"spared_by_guards"`
	Truncated bool     `json:"truncated,omitempty"` // something was left out, as the record was too large
}

// Action is one action, or what a command did.
type Action struct {
	ID         string         `json:"id,omitempty"`
	Action     string         `json:"action"`
	Repository string         `json:"repository,omitempty"`
	Status     string         `json:"status"`
	Error      string         `json:"error,omitempty"`
	Listed     int            `json:"listed,omitempty"`
	Selected   int            `json:"selected,omitempty"`
	Results    map[string]int `json:"results"` // how many items ended how
	Items      []Item         `json:"items"`
	Warnings   []string       `json:"warnings,omitempty"`
}

// Item is the outcome of one item.
type Item struct {
	Name   string `json:"name"`
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
}

// ID is the id of a record: ids sort as the runs began.
func ID(started time.Time, run string) string {
	return started.UTC().Format("20060102T150405Z") + "-" + run[:min(len(run), 8)]
}

// DrillCommand is the command of records of drills.
const DrillCommand = "drill"

// Drills are the results of the newest drills, at most ten, the newest first. They are looked
// for among a great many records or, if recent is true, only among the newest ones.
func Drills(ctx context.Context, c Reader, now time.Time, recent bool) (drills []json.RawMessage, err error) {
	seen := 0
	err = search(ctx, c, now, []string{"summary", "told", "left", "seen"}, func(r Record) bool {
		seen++
		if r.Command == DrillCommand && r.Drill != nil {
			drills = append(drills, r.Drill)
		}
		return len(drills) == mostDrills || recent && seen == firstAmong
	})
	return drills, err
}

// Write keeps a record, with its start by the cluster's clock if that differs from ours, which is
// now. It deletes records that are too old by the cluster's clock. Secrets are taken out of all
// texts by redact.
func Write(ctx context.Context, c cluster.Cluster, now time.Time, r Record, redact func(string) string) error {
	theirs, unknown := c.Clock(ctx)
	if skew := theirs.Sub(now); unknown == nil && skew.Abs() > mayDiffer {
		r.Started = r.Started.Add(skew)
	}
	body, err := shorten(r, redact)
	if err != nil {
		return err
	}
	if _, err := c.PutDocument(ctx, cluster.PutDocument{Index: cluster.HistoryIndex, ID: r.ID, Time: r.Started, Body: body}); err != nil {
		return err
	}
	if unknown != nil {
		return fmt.Errorf("the record was written, but old ones were not deleted: %w", unknown)
	}
	old, err := c.Documents(ctx, cluster.DocumentQuery{Index: cluster.HistoryIndex, Limit: prune, Before: theirs.Add(-KeepFor),
		Without: []string{"*"}})
	if err != nil {
		return fmt.Errorf("the record was written, but old ones were not deleted: %w", err)
	}
	for _, d := range old {
		err := c.DeleteDocument(ctx, cluster.DeleteDocument{Index: cluster.HistoryIndex, ID: d.ID, Version: d.Version})
		if err != nil && !errors.Is(err, cluster.ErrChanged) {
			return fmt.Errorf("the record was written, but old ones were not deleted: %w", err)
		}
	}
	return nil
}

// shorten is the record as JSON, without secrets, and not too large: what went well is
// left out first.
func shorten(r Record, redact func(string) string) (json.RawMessage, error) {
	for level := 0; ; level++ {
		body, err := redacted(r, redact)
		if err != nil || len(body) <= maxBytes {
			return body, err
		}
		if r.Summary == nil || level > 3 {
			return nil, fmt.Errorf("the record has %d bytes; at most %d are kept", len(body), maxBytes)
		}
		r.Summary = r.Summary.shorter(level)
		if level == 3 {
			r.Error, r.Reason = cut(r.Error), cut(r.Reason)
		}
	}
}

func (s Summary) shorter(level int) *Summary {
	s.Truncated, s.Actions = true, slices.Clone(s.Actions)
	for i := range s.Actions {
		a := &s.Actions[i]
		switch level {
		case 0:
			a.Items = slices.DeleteFunc(slices.Clone(a.Items), func(it Item) bool { return it.Error == "" })
		case 1:
			a.Items = a.Items[:min(len(a.Items), 3)]
		case 2:
			a.Items, a.Warnings, a.Error = nil, nil, cut(a.Error)
		}
	}
	switch level {
	case 2:
		s.Warnings, s.Hint = nil, cut(s.Hint)
	case 3:
		s.Actions = s.Actions[:min(len(s.Actions), 50)]
	}
	return &s
}

func cut(text string) string {
	if r := []rune(text); len(r) > maxText {
		return string(r[:maxText]) + "…"
	}
	return text
}

// redacted is a value as JSON whose texts went through redact: in JSON a secret may be
// written in another way.
func redacted(v any, redact func(string) string) (json.RawMessage, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		return nil, err
	}
	return json.Marshal(walk(tree, redact))
}

func walk(v any, redact func(string) string) any {
	switch v := v.(type) {
	case string:
		return redact(v)
	case []any:
		for i := range v {
			v[i] = walk(v[i], redact)
		}
	case map[string]any:
		for k := range v {
			v[k] = walk(v[k], redact)
		}
	}
	return v
}

// List lists the newest records, newest first, without their summaries.
func List(ctx context.Context, c cluster.DocumentReader, limit int) ([]Record, error) {
	docs, err := c.Documents(ctx, cluster.DocumentQuery{
		Index:   cluster.HistoryIndex,
		Limit:   limit,
		Without: []string{"summary", "drill", "seen"},
	})
	if err != nil {
		return nil, err
	}
	list := []Record{}
	for _, d := range docs {
		if r, ok := record(d); ok {
			list = append(list, r)
		}
	}
	return list, nil
}

// Read reads one record; ErrNoDocument if it does not exist.
func Read(ctx context.Context, c cluster.DocumentReader, id string) (Record, error) {
	d, err := c.Document(ctx, cluster.HistoryIndex, id)
	if err != nil {
		return Record{}, err
	}
	r, ok := record(d)
	if !ok {
		return Record{}, fmt.Errorf("the document %s is not a record of esnap", id)
	}
	return r, nil
}

// record is the record in a document; false if esnap did not write it: a number that cannot be
// read must not look like success.
func record(d cluster.Document) (r Record, ok bool) {
	err := json.Unmarshal(d.Body, &r)
	r.ID, r.Started = d.ID, d.Time.UTC()
	return r, err == nil && r.Command != "" && r.Started.Year() > 0 && r.Started.Year() < 10000
}
