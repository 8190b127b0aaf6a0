package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/repository"
)

// actionFile is an action file that was read and is valid.
type actionFile struct {
	name string
	data []byte
	plan *plan.Plan
}

// job is the name of its job.
func (f actionFile) job() string { return f.plan.Job(f.name) }

// isFolder says whether an argument names a folder.
func isFolder(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// filesOf replaces each folder by its action files: those whose names end in .yml or .yaml
// and do not begin with a dot, in alphabetical order.
func filesOf(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		if !isFolder(arg) {
			files = append(files, arg)
			continue
		}
		found, err := folder(arg)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, &usageError{
				text: fmt.Sprintf("the folder %s contains no action file", arg),
				hint: "the names of action files end in .yml or .yaml",
			}
		}
		files = append(files, found...)
	}
	for i, f := range files {
		if slices.Contains(files[:i], f) {
			return nil, usagef("the file %s is given twice", f)
		}
	}
	return files, nil
}

// folder lists the action files of a folder.
func folder(name string) ([]string, error) {
	entries, err := os.ReadDir(name) // sorted
	if err != nil {
		return nil, &job.FileError{File: name, Err: err}
	}
	var files []string
	for _, e := range entries {
		file := filepath.Join(name, e.Name())
		ext := filepath.Ext(e.Name())
		if strings.HasPrefix(e.Name(), ".") || ext != ".yml" && ext != ".yaml" {
			continue
		}
		if st, err := os.Stat(file); err == nil && !st.Mode().IsRegular() { // links to files are files; a pipe would never end
			continue
		}
		files = append(files, file)
	}
	return files, nil
}

// parse reads and parses one action file.
func (x *session) parse(name string) (actionFile, error) {
	data, err := job.ReadFile(x.In, name)
	if err != nil {
		return actionFile{}, err
	}
	p, err := plan.Parse(job.FileName(name), data, x.planOptions())
	return actionFile{name, data, p}, err
}

// runnable reads an action file that is to be run.
func (x *session) runnable(name string) (actionFile, error) {
	f, err := x.parse(name)
	if err == nil {
		err = job.RefuseHooks(f.plan, x.s, job.FileName(name))
	}
	return f, err
}

// containsSecret reports whether the text of an action file contains a key of a repository
// or the password of a remote cluster. One that comes from a variable is not in the text.
func containsSecret(data []byte, p *plan.Plan) bool {
	in := func(v any) bool {
		text, is := v.(string)
		return is && text != "" && strings.Contains(string(data), text)
	}
	for _, spec := range p.Repositories {
		for key, v := range spec.Settings {
			if repository.IsSecret(spec.Type, key) && in(v) {
				return true
			}
		}
	}
	for _, s := range p.Steps {
		if a, ok := s.Action.(actions.RemoteSource); ok && a.Remote() != nil && in(a.Remote().Password) {
			return true
		}
	}
	return false
}

// planOptions are how esnap's own commands read an action file.
func (x *session) planOptions() plan.Options {
	return plan.Options{Flavour: flavour.Native, Env: x.s.Lookup, Secret: x.s.Secret, Guards: x.s.Guards}
}

// parseAll reads and parses several action files. All errors are reported at once, and
// then nothing is sent.
func (x *session) parseAll(names []string) ([]actionFile, error) {
	var list []actionFile
	var errs []error
	for _, name := range names {
		f, err := x.runnable(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, f)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	if len(errs) > 1 {
		return nil, &filesError{errs, len(names)}
	}
	return list, differ(list)
}

// differ finds two files that are one job: they would share a lock and a metric.
func differ(list []actionFile) error {
	by := map[string]string{}
	for _, f := range list {
		name := f.job()
		if other, twice := by[name]; twice {
			return &usageError{text: fmt.Sprintf("%s and %s are both the job %q", other, f.name, name),
				hint: "give each a name of its own with the key name"}
		}
		by[name] = f.name
	}
	return nil
}

// filesError is that several files are wrong.
type filesError struct {
	errs []error
	of   int
}

// Error has a line for each error.
func (e *filesError) Error() string {
	return fmt.Sprintf("%d of %s cannot be used; nothing was sent\n%s", len(e.errs), cluster.Count(e.of, "file"), errors.Join(e.errs...))
}

// ExitCode implements job.Coder.
func (e *filesError) ExitCode() int { return job.Usage }
