package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/history"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/lock"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/serve"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/tell"
	"github.com/esnap/esnap/internal/terminal"
)

// serveOptions are the flags of esnap serve.
type serveOptions struct {
	FailOnSpared bool
	Output       string
}

func newServe(app *App) *cobra.Command {
	o := &serveOptions{}
	c := &cobra.Command{
		Use: "serve FILE|FOLDER... | -- COMMAND", Short: "Run action files at the times of their schedules",
		Long: `Run each action file at the times of its schedule, until SIGTERM. With --listen it
answers over HTTP how the jobs are. A changed file is used from the next run on, if
it is valid. With lock: required, one of several replicas acts each time. After --
comes any other program, which is run at the times of --schedule; with --lock
required, by one of several replicas.`,
		Example: `  esnap serve conf.d/ --listen :18080
  esnap serve nightly.yml --schedule '0 1 * * *' --timezone Europe/Berlin
  esnap serve --schedule '0/10 * * * * *' -- etcd-backup.sh`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if at := c.ArgsLenAtDash(); at >= 0 {
				return serveCommand(c, app, args[:at], args[at:])
			}
			return serveFiles(c, app, o, args)
		},
	}
	f := c.Flags()
	for _, key := range []string{"schedule", "timezone", "dry-run", "deadline", "guards", "lock", "allow-hooks", "listen", "listen-cert-file",
		"listen-key-file", "listen-username", "listen-password-file", "listen-token-file", "insecure-listen"} {
		settings.AddFlag(f, key)
	}
	f.BoolVar(&o.FailOnSpared, "fail-on-spared", false, "exit code 5 if a guard kept something")
	outputFlag(c, &o.Output, report.Formats...)
	return c
}

// scheduleOf is the schedule of a job: that of the command line, or the file's own.
func scheduleOf(s *settings.Settings, own schedule.Spec, job string) (*schedule.Schedule, error) {
	spec := own
	spec.Text = cmp.Or(s.Schedule, own.Text)
	if spec.Text == "" {
		return nil, &usageError{
			text: "it has no schedule",
			hint: "set the key schedule in the file, such as schedule: '0 1 * * *', or --schedule",
		}
	}
	if s.Timezone != "" {
		zone, err := schedule.LoadZone(s.Timezone)
		if err != nil {
			return nil, &usageError{text: err.Error()}
		}
		spec.Zone = zone
	}
	x, err := schedule.New(spec, job)
	if err != nil {
		return nil, &usageError{text: err.Error()}
	}
	return x, nil
}

// server is esnap serve at work.
type server struct {
	app *App
	cmd *cobra.Command
	o   *serveOptions
	x   *session // with the settings of the start
	s   *serve.Scheduler

	files  *files
	health *health
	told   sync.Map // what outlets of messages were told, by the name of the job
	stdout io.Writer
	stderr io.Writer
}

func serveFiles(c *cobra.Command, app *App, o *serveOptions, args []string) error {
	if len(args) == 0 {
		return &usageError{
			text: c.CommandPath() + " takes action files, folders with action files, or -- and a command",
			hint: c.CommandPath() + " --help",
		}
	}
	for _, arg := range args {
		if arg == "-" {
			return usagef("%s cannot read standard input: it reads its files again when they change", c.CommandPath())
		}
	}
	x, err := app.open(c)
	if err != nil {
		return err
	}
	x.unattended = true
	v := newServer(app, c, o, x, args)
	tasks, err := v.files.first()
	if err != nil {
		return err
	}
	return serving(c.Context(), x, v.s, func(ctx context.Context) []func(context.Context) error {
		v.s.After = func(_ serve.Status, e serve.Ended) {
			v.health.ask()
			if e.NotOurs {
				go v.health.askLater(ctx)
			}
		}
		v.s.Set(ctx, tasks)
		parts := []func(context.Context) error{v.files.watch}
		if x.s.Listen.Address != "" {
			parts = append(parts, v.health.refresh)
		}
		return parts
	}, serve.Options{Health: v.health.now, Metrics: v.health.metrics})
}

func newServer(app *App, c *cobra.Command, o *serveOptions, x *session, args []string) *server {
	v := &server{app: app, cmd: c, o: o, x: x, stdout: &shared{w: app.Out}, stderr: &shared{w: app.Err}}
	v.s = serve.New(app.clock(), x.log)
	v.files = &files{v: v, args: args, folders: map[string]bool{}, known: map[string]*served{}}
	v.health = &health{
		v:     v,
		asked: make(chan struct{}, 1),
		last:  map[string]*tell.Summary{},
		well:  map[string]time.Time{},
		seen:  map[string]seenAt{},
	}
	return v
}

// serving runs a scheduler with its HTTP interface and further parts, until the context
// ends.
func serving(
	ctx context.Context,
	x *session,
	s *serve.Scheduler,
	start func(context.Context) []func(context.Context) error,
	o serve.Options,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := x.s.Listen
	o.Version, o.Scheduler, o.Username, o.Password, o.Token, o.Log = Version(), s, l.Username, l.Password, l.Token, x.log
	var parts []func(context.Context) error
	if l.Address != "" {
		if l.CertFile == "" && !serve.Loopback(l.Address) && (l.Token != "" || l.Password != "") && !l.Insecure {
			return &settings.Error{Text: "credentials would come over plain HTTP from other machines",
				Hint: "set --listen-cert-file and --listen-key-file, listen on 127.0.0.1, or set --insecure-listen"}
		}
		open, err := serve.Listen(ctx, serve.Listener{Address: l.Address, CertFile: l.CertFile, KeyFile: l.KeyFile})
		if err != nil {
			return &settings.Error{Text: err.Error()}
		}
		x.log.Info("listening", "address", open.Addr().String(), "tls", l.CertFile != "")
		parts = append(parts, func(ctx context.Context) error { return serve.Serve(ctx, open, serve.Handler(o)) })
	}
	parts = append(parts, start(ctx)...)
	var all sync.WaitGroup
	for _, part := range parts {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := part(ctx); err != nil {
				cancel(err)
			}
		}()
	}
	for _, st := range s.Status() {
		x.log.Info("job scheduled", "job", st.Name, "schedule", st.Schedule, "timezone", st.Zone.String(),
			"next", st.Next.UTC().Format(time.RFC3339))
	}
	<-ctx.Done()
	x.log.Info("ending", "why", context.Cause(ctx).Error())
	cut := s.Wait()
	all.Wait()
	cause := context.Cause(ctx)
	if errors.As(cause, new(*job.Signal)) && !cut {
		return &exit{0} // told to end, and nothing was interrupted
	}
	return cause
}

func (a *App) clock() serve.Clock { return serve.Clock{Now: a.Now, Sleep: a.Watch.Sleep} }

// shared is a stream that several runs write to.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// redacting takes secrets out of what is written.
type redacting struct {
	w      io.Writer
	redact func(string) string
}

// Write implements io.Writer.
func (r redacting) Write(p []byte) (int, error) {
	if _, err := io.WriteString(r.w, r.redact(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// renew is a session with the settings as they are now, which prints to out and errs, too.
// If they cannot be read any more, it has the former ones, and the error.
func (v *server) renew(out, errs io.Writer) (*session, func(), error) {
	app, x := *v.app, *v.x
	x.App = &app
	app.closers, app.server, app.named, app.screen = nil, nil, false, nil
	s, err := settings.Load(v.cmd.Flags(), app.Env)
	if err == nil {
		x.s, app.redact = s, s.Redact
	}
	app.Out = terminal.NewWriter(io.MultiWriter(v.stdout, redacting{out, x.s.Redact}))
	app.Err = terminal.NewWriter(io.MultiWriter(v.stderr, redacting{errs, x.s.Redact}))
	if logErr := x.openLog(); logErr != nil {
		x.log = v.x.log
		err = cmp.Or(err, logErr)
	}
	return &x, func() {
		for _, done := range app.closers {
			done()
		}
	}, err
}

// run runs a job once. If it waited for another process before, it acts as the file and the
// settings are then.
func (v *server) run(ctx context.Context, id string, r *serve.Run) serve.Ended {
	for {
		f, is := v.files.named(id)
		if !is { // it is gone
			return serve.Ended{NotOurs: true}
		}
		if e := v.once(ctx, f, r); !e.Again || ctx.Err() != nil {
			return serve.Ended{Code: e.Code, Run: e.RunID, NotOurs: e.NotOurs || e.Held, Due: e.Due}
		}
	}
}

// once runs an action file, unless another process does.
func (v *server) once(ctx context.Context, f actionFile, r *serve.Run) job.Ended {
	x, done, err := v.renew(r.Out, r.Err)
	defer done()
	j := x.job(nil, run.Options{})
	if err != nil {
		j.Dial = func() (cluster.Cluster, error) { return nil, err }
	}
	j.File, j.Data, j.Due, j.FailOnSpared, j.MasterOnly = f.name, f.data, r.Due, v.o.FailOnSpared, x.s.MasterOnly
	j.Missed, j.Reason, j.TerminationLog, j.Screen = r.Missed, r.Reason, "", nil
	if times, err := scheduleOf(x.s, f.plan.Schedule, f.job()); err == nil {
		if j.Every = times.Interval(v.app.Now()); r.Due != nil {
			j.Schedule = times.String()
		}
	}
	j.Observers = append(j.Observers, running{r})
	told, _ := v.told.LoadOrStore(f.job(), &toldHere{})
	j.Remember = told.(*toldHere)
	j.Numbers = func(s *tell.Summary) { v.health.note(f.job(), s) }
	r.Started(os.Getpid())
	e := j.Run(ctx)
	if err := x.show(e, v.o.Output); err != nil && !errors.As(err, new(*exit)) {
		x.printError(err)
	}
	return e
}

// toldHere is what the outlets of a job were told by this process.
type toldHere struct {
	mu   sync.Mutex
	told json.RawMessage
}

// Load implements tell.Remember.
func (t *toldHere) Load(context.Context) (json.RawMessage, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.told, nil
}

// Save implements tell.Remember.
func (t *toldHere) Save(told json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = told
}

// running tells a run of the scheduler whether it waits for another process.
type running struct{ r *serve.Run }

// Observe implements run.Observer.
func (o running) Observe(e run.Event) {
	switch e.(type) {
	case run.LockWaiting:
		o.r.Waits()
	case run.Connected:
		o.r.Started(os.Getpid())
	}
}

// aside is a session, and the cluster, for questions beside the runs.
func (v *server) aside() (*session, cluster.Cluster, func(), error) {
	x, done, err := v.renew(io.Discard, io.Discard)
	if err != nil {
		return x, nil, done, err
	}
	c, err := x.quietly()
	return x, c, done, err
}

// askTimeout is how long a request over HTTP waits for what the cluster says.
const askTimeout = 3 * time.Second

// elsewhere says whether another process holds the lock of the job of a plan; false if the
// cluster does not say: the run itself finds out.
func (v *server) elsewhere(ctx context.Context, p *plan.Plan, name string) bool {
	x, c, done, err := v.aside()
	defer done()
	if err != nil || p.LockModeOf(x.s.Lock) == plan.LockOff {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	held, err := lock.IsHeld(ctx, c, name)
	return err == nil && held
}

// acted says for which time of its schedule a job was last run: by its lock, or else by
// the history. Times of another schedule were not missed.
func (v *server) acted(ctx context.Context, own schedule.Spec, name string) (time.Time, error) {
	x, c, done, err := v.aside()
	defer done()
	if err != nil {
		return time.Time{}, err
	}
	same := func(schedule string) bool {
		times, err := scheduleOf(x.s, own, name)
		return schedule == "" || err == nil && schedule == times.String()
	}
	at, schedule, err := lock.Acted(ctx, c, name)
	switch {
	case err == nil && !at.IsZero() && !same(schedule):
		return time.Time{}, nil
	case err != nil || !at.IsZero():
		return at, err
	}
	past, err := history.Newest(ctx, c, v.app.Now(), name, func(r history.Record) bool { return !job.WasInterrupted(r.ExitCode) })
	if past == nil || !same(past.Schedule) {
		return time.Time{}, err
	}
	return cmp.Or(past.Due, past.Started), err
}
