package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/serve"
)

// lookAgain is how often esnap serve looks for changed files.
const lookAgain = 10 * time.Second

// files are the action files of esnap serve.
type files struct {
	v    *server
	args []string
	// folders are the arguments that were folders at the start: one that is not there for a
	// moment is not a file.
	folders map[string]bool

	mu    sync.Mutex
	known map[string]*served // by the file's name
}

// served is one action file. What is used is its last valid content.
type served struct {
	seen    []byte // its last content, valid or not
	use     actionFile
	times   *schedule.Schedule // nil: it was never valid
	problem string             // why its last content is not used
}

// first reads all files. It is an error if none can be used.
func (f *files) first() ([]serve.Task, error) {
	names, err := filesOf(f.args)
	if err != nil {
		return nil, err
	}
	for _, arg := range f.args {
		f.folders[arg] = isFolder(arg)
	}
	errs := f.read(names, slog.New(slog.DiscardHandler))
	tasks := f.tasks()
	if len(tasks) > 0 {
		for _, err := range errs {
			f.v.x.log.Error("a file is not used", "error", err.Error())
		}
		return tasks, nil
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, &filesError{errs, len(names)}
}

// watch reads the files again every few seconds, and at SIGHUP, until the context ends.
func (f *files) watch(ctx context.Context) error {
	again := hangups(ctx)
	for {
		if clock.Doze(ctx, f.v.app.Watch, lookAgain, again) {
			f.v.x.log.Info("SIGHUP: the files are read again")
		}
		if ctx.Err() != nil {
			return nil
		}
		f.look(ctx)
	}
}

// look takes over what has changed.
func (f *files) look(ctx context.Context) {
	var names []string
	for _, arg := range f.args {
		if !f.folders[arg] && !isFolder(arg) {
			names = append(names, arg)
			continue
		}
		found, err := folder(arg)
		if err != nil {
			f.v.x.log.Error("cannot read the folder; its files stay as they were", "folder", arg, "error", err.Error())
			return
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	before := f.state()
	f.read(names, f.v.x.log)
	if maps.Equal(before, f.state()) {
		return
	}
	f.v.s.Set(ctx, f.tasks())
	f.v.health.ask()
}

// state is what decides whether something has changed.
func (f *files) state() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	state := map[string]string{}
	for name, s := range f.known {
		state[name] = s.problem + "\n" + string(s.use.data)
	}
	return state
}

// read reads files: a changed one that is valid is used from now on, one that is not stays
// as it was. Those that are not named any more are forgotten.
func (f *files) read(names []string, log *slog.Logger) (errs []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, done, err := f.v.renew(io.Discard, io.Discard)
	defer done()
	if err != nil {
		x = f.v.x
	}
	for name := range f.known {
		if !slices.Contains(names, name) {
			log.Info("the file is gone, and its job with it", "file", name)
			delete(f.known, name)
		}
	}
	fresh := map[string]*candidate{}
	for _, name := range names {
		if f.known[name] == nil {
			f.known[name] = &served{}
		}
		fresh[name] = f.known[name].candidate(x, name)
	}
	f.refuseTwins(names, fresh)
	for _, name := range names {
		s, c := f.known[name], fresh[name]
		switch {
		case c.err != nil:
			errs = append(errs, c.err)
			if first := s.problem == "" || !bytes.Equal(c.file.data, s.seen); first {
				log.Error("the file is not used", "file", name, "error", c.err.Error(),
					"instead", map[bool]string{true: "nothing", false: "its last valid content"}[s.times == nil])
			}
			s.seen, s.problem = c.file.data, x.s.Redact(c.err.Error())
			continue
		case c.kept:
			continue
		case s.times != nil:
			log.Info("the changed file is used from now on", "file", name)
		}
		s.seen, s.use, s.times, s.problem = c.file.data, c.file, c.times, ""
	}
	return errs
}

// candidate is the content that a file has now.
type candidate struct {
	file  actionFile
	times *schedule.Schedule
	kept  bool  // it is the one that is used
	err   error // why it cannot be used
}

// candidate reads the file.
func (s *served) candidate(x *session, name string) *candidate {
	c := &candidate{}
	if c.file, c.err = x.parse(name); c.err != nil {
		return c
	}
	if s.times != nil && s.problem == "" && bytes.Equal(c.file.data, s.seen) {
		return &candidate{file: s.use, times: s.times, kept: true}
	}
	c.times, c.err = accept(x, c.file)
	return c
}

// job is the job that the file would be; empty: none.
func (s *served) job(c *candidate) string {
	switch {
	case c.err == nil:
		return c.file.job()
	case s.times != nil: // its last valid content stays
		return s.use.job()
	}
	return ""
}

// refuseTwins refuses contents that would make two files the same job. The file that is the
// job already remains so. As all files change at the same time, two may exchange their names.
func (f *files) refuseTwins(names []string, fresh map[string]*candidate) {
	for again := true; again; { // a file whose content is refused is what it was before, which may be another one's job now
		again = false
		by := map[string]string{}
		for _, name := range names {
			id := f.known[name].job(fresh[name])
			other, twice := by[id]
			if id == "" || !twice {
				by[id] = name
				continue
			}
			if s := f.known[name]; s.times != nil && s.use.job() == id {
				name, other = other, name
			}
			fresh[name].err = &usageError{text: fmt.Sprintf("%s and %s are both the job %q", other, name, id),
				hint: "give each a name of its own with the key name"}
			again = true
			break
		}
	}
}

// accept finds what keeps a valid file from being served.
func accept(x *session, fresh actionFile) (*schedule.Schedule, error) {
	times, err := scheduleOf(x.s, fresh.plan.Schedule, fresh.job())
	var wrong *usageError
	switch {
	case errors.As(err, &wrong):
		return nil, &usageError{text: job.FileName(fresh.name) + ": " + wrong.text, hint: wrong.hint}
	case err != nil:
		return nil, err
	}
	return times, job.RefuseHooks(fresh.plan, x.s, fresh.name)
}

// tasks are the files that can be used, as tasks.
func (f *files) tasks() []serve.Task {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []serve.Task
	for _, s := range f.known {
		if s.times == nil {
			continue
		}
		use := s.use
		id := use.job() // also the key: a file with another name is the same job
		t := serve.Task{Key: id, Name: id, Schedule: s.times, Problem: s.problem,
			Run: func(ctx context.Context, r *serve.Run) serve.Ended { return f.v.run(ctx, id, r) }}
		if !f.v.x.s.DryRun {
			t.Acted = func(ctx context.Context) (time.Time, error) { return f.v.acted(ctx, use.plan.Schedule, use.job()) }
			t.Elsewhere = func(ctx context.Context) bool { return f.v.elsewhere(ctx, use.plan, use.job()) }
		}
		list = append(list, t)
	}
	return list
}

// named is the file that is a job now.
func (f *files) named(id string) (actionFile, bool) {
	for _, use := range f.valid() {
		if use.job() == id {
			return use, true
		}
	}
	return actionFile{}, false
}

// unused are the files of which nothing can be used, and why.
func (f *files) unused() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	bad := map[string]string{}
	for name, s := range f.known {
		if s.times == nil {
			bad[name] = s.problem
		}
	}
	return bad
}

// current says of each file whether its current content is used.
func (f *files) current() map[string]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	is := map[string]bool{}
	for name, s := range f.known {
		is[name] = s.problem == ""
	}
	return is
}

// expected says how often the jobs are expected to run whose files, or the client file, say
// so themselves.
func (f *files) expected() map[string]time.Duration {
	list := map[string]time.Duration{}
	for _, use := range f.valid() {
		list[use.job()] = use.plan.Notice.Over(f.v.x.s.Notice).Metrics.ExpectedInterval
	}
	return list
}

// valid lists the files that are used.
func (f *files) valid() []actionFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []actionFile
	for _, s := range f.known {
		if s.times != nil {
			list = append(list, s.use)
		}
	}
	return list
}
