// Package cmd is the command tree: one file per command. A command parses its
// flags into options and calls the same engine as an action file.
package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/clock"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/command"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
)

// App is what a command works with; tests give their own streams, time and
// cluster.
type App struct {
	In            io.Reader
	Out, Err      io.Writer
	InTTY, ErrTTY bool
	OutTTY        bool
	// Name is the name the program was called by; Local the zone of Curator's log
	// lines, by default the machine's.
	Name  string
	Local *time.Location
	Env   settings.Env
	// Environ lists the whole environment, as os.Environ does: a misspelt variable
	// is found in it. nil looks for none.
	Environ func() []string
	Now     func() time.Time
	// TerminationLog is the file for a run's last words, if it exists; empty: none.
	TerminationLog string
	// Connect makes the cluster; nil speaks HTTP.
	Connect func(es.Options) (cluster.Cluster, error)

	// Columns is the width of the terminal that Out is; 0: it is none.
	Columns int
	// ErrColumns is the width of the terminal that Err is; 0: not known.
	ErrColumns int
	// Watch measures and waits; nil: real time.
	Watch clock.Stopwatch

	// command runs another program; nil: command.Run.
	command func(context.Context, command.Spec) (int, error)

	output  *output   // what Out writes to; nil: Main did not make it
	screen  io.Writer // Err as it is, for progress: it steers the terminal
	redact  func(string) string
	unread  error // why the settings could not be read
	closers []func()
	// server is the cluster that answered, once one has; named: the user was told which.
	server *cluster.Server
	named  bool
}

// Main runs one command line and returns the process's exit code. Only errors go
// to stderr from here: one or two lines, the hint on its own. Output that could not be
// written is an error of every command.
func Main(ctx context.Context, app *App, args []string) int {
	app.output, app.screen = &output{w: app.Out, code: job.Failed}, app.Err
	app.Out, app.Err = terminal.NewWriter(app.output), terminal.NewWriter(app.Err)
	code := execute(ctx, app, args)
	told, err := app.output.failed()
	if err == nil {
		return code
	}
	if !told {
		app.printError(fmt.Errorf("cannot write the output: %w", err))
	}
	return cmp.Or(code, app.output.code)
}

// execute is Main but for output that could not be written.
func execute(ctx context.Context, app *App, args []string) int {
	if app.Watch == nil {
		app.Watch = clock.RealTime()
	}
	defer func() {
		for _, done := range app.closers {
			done()
		}
	}()
	app.In = terminal.Interruptible(ctx, app.In)
	root := newRoot(app)
	var commands []string
	for _, c := range root.Commands() {
		commands = append(append(commands, c.Name()), c.Aliases...)
	}
	if program, rest, ok := asCurator(app.Name, args, append(commands, "help", "completion", "__complete", "__completeNoDesc")); ok {
		return app.curator(ctx, program, rest)
	}
	root.SetArgs(args)
	root.SetIn(app.In)
	root.SetOut(app.Out)
	root.SetErr(app.Err)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && !errors.As(err, new(*exit)) {
		err = context.Cause(ctx)
	}
	var done *exit
	if errors.As(err, &done) {
		return done.code
	}
	if err != nil {
		app.printError(err)
		code := job.ExitCode(err, false)
		if app.unread != nil && errors.Is(err, app.unread) {
			err = settings.Told(err)
		}
		words := []string{"esnap: " + err.Error()}
		if hint := hintFor(err); hint != "" {
			words = append(words, "hint: "+hint)
		}
		if job.Meaning(code) != "" {
			words = append(words, fmt.Sprintf("exit code %d: %s", code, job.Meaning(code)))
		}
		if app.redact == nil { // the settings were not read
			s, _ := settings.Load(nil, app.Env)
			app.redact = s.Redact
		}
		job.LeaveWords(app.TerminationLog, app.redact, words...)
		return code
	}
	return job.OK
}

// printError writes an error and its hint. Further lines of an error are indented, so
// that no name in it can pass for a message of esnap's.
func (a *App) printError(err error) {
	if a.output != nil {
		a.output.tell(err)
	}
	fmt.Fprintf(a.Err, "esnap: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n       "))
	if hint := hintFor(err); hint != "" {
		terminal.Fprintf(a.Err, "hint: %s\n", hint)
	}
}

func hintFor(err error) string {
	if h := cluster.Hint(err); h != "" {
		return h
	}
	var se *settings.Error
	if errors.As(err, &se) {
		return se.Hint
	}
	var ue *usageError
	if errors.As(err, &ue) {
		return ue.hint
	}
	return ""
}

// exit carries an exit code past cobra, for commands that have printed everything.
type exit struct{ code int }

func (e *exit) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// ExitCode implements job.Coder.
func (e *exit) ExitCode() int { return e.code }

// usageError is a command line that cannot be obeyed.
type usageError struct {
	text string
	hint string
}

func (e *usageError) Error() string { return e.text }

// ExitCode implements job.Coder.
func (e *usageError) ExitCode() int { return job.Usage }

func usagef(format string, args ...any) error { return &usageError{text: fmt.Sprintf(format, args...)} }

// interactive says whether a person can be asked.
func (a *App) interactive() bool { return a.InTTY && a.ErrTTY && a.getenv("CI") == "" }

// getenv is the value of an environment variable, or nothing.
func (a *App) getenv(name string) string { v, _ := a.Env(name); return v }
