package tell

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/terminal"
)

// sink is one place that is told how a run ended.
type sink interface {
	// send tells it once. An error never contains a secret.
	send(ctx context.Context, s *Summary, c Change) error
}

// outlet is a sink, and when it is told.
type outlet struct {
	name  string // in warnings
	key   string // in the memory: the same wherever it stands among the others
	level string // empty: every run, without regard to what was told before
	sink  sink
	// mail and to are instead of a sink: the mail, which others may share, and the recipient.
	mail *mail
	to   string
}

// Options are what telling needs besides the configuration.
type Options struct {
	RunID, Version string
	// Redact takes the secrets of the connection out of a text. A file that an action file
	// names must not contain one: it would be sent elsewhere.
	Redact func(string) string
	// Remember keeps what was told, if no file does; nil: nothing does.
	Remember Remember
	// Attempt is how long one attempt may take, Pause is the time before the second one, and
	// Grace is how long the end of a run waits for the ping at its start.
	Attempt, Pause, Grace time.Duration
}

// Teller tells all outlets of one run.
type Teller struct {
	c       notice.Config
	o       Options
	ping    *ping
	outlets []outlet
	started chan error // of the ping at the start; nil: none
	stop    context.CancelFunc
}

// New prepares telling. Nothing is read or sent yet.
func New(c notice.Config, o Options) *Teller {
	if o.Attempt == 0 {
		o.Attempt, o.Pause, o.Grace = 4*time.Second, 300*time.Millisecond, time.Second
	}
	t := &Teller{c: c, o: o}
	add := func(name, level string, s sink, id ...any) {
		o := outlet{name: name, key: key(name, id), level: level, sink: s}
		for slices.ContainsFunc(t.outlets, func(x outlet) bool { return x.key == o.key }) { // given twice
			o.key += "'"
		}
		t.outlets = append(t.outlets, o)
	}
	m, n := c.Metrics, c.Notify
	if m.Textfile != "" {
		add("metrics: textfile", "", textfile{m.Textfile})
	}
	if m.Pushgateway != nil {
		add("metrics: pushgateway", "", pushgateway{*m.Pushgateway, t.endpoint(m.Pushgateway.Endpoint)})
	}
	if m.Statsd != nil {
		add("metrics: statsd", "", statsd{*m.Statsd})
	}
	if n.Ping != nil {
		t.ping = &ping{t.endpoint(n.Ping.Endpoint), o.RunID}
		add("notify: ping", "", t.ping)
	}
	for i, w := range n.Webhooks {
		name := fmt.Sprintf("notify: webhook %d", i+1)
		if w.Preset != "" {
			name += " (" + w.Preset + ")"
		}
		add(name, w.Level, webhook{w, t.endpoint(w.Endpoint)}, w)
	}
	for i, x := range n.Mail {
		m := &mail{x, t.secrets(x.Trusted), o.Version}
		for _, to := range x.To {
			add(fmt.Sprintf("notify: mail %d", i+1), x.Level, nil, x.Host, x.Port, x.Username, to, x.Level)
			last := &t.outlets[len(t.outlets)-1]
			last.mail, last.to = m, to
		}
	}
	return t
}

// key names an outlet by what it sends where: the hash, since an address may be secret.
func key(name string, id []any) string {
	if len(id) == 0 {
		return name
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(name, "notify: "), " ")
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", id))
	return kind + " " + hex.EncodeToString(sum[:6])
}

// Start tells that a run begins, in the background: a run does not wait for it.
func (t *Teller) Start(ctx context.Context) {
	if t.ping == nil {
		return
	}
	ctx, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	t.started = make(chan error, 1)
	go func() { t.started <- t.twice(ctx, t.ping.start) }()
}

// End tells all outlets how the run ended, and returns what failed. It ends with the
// context.
func (t *Teller) End(ctx context.Context, s *Summary) (failed []string) {
	if t.started != nil {
		late := time.AfterFunc(t.o.Grace, t.stop) // a start that has not been told by then is too late
		defer late.Stop()
		defer t.stop()
		select {
		case err := <-t.started:
			if err != nil && !errors.Is(err, context.Canceled) {
				failed = append(failed, warning("notify: ping at the start", err))
			}
		case <-ctx.Done():
		}
	}
	var memory *memory
	if file := t.c.Notify.State; file != "" {
		var err error
		if memory, err = remember(ctx, file, s.Policy); err != nil {
			failed = append(failed, warning("notify: state", err))
		}
	} else if t.o.Remember != nil {
		memory = recall(ctx, t.o.Remember, s.Policy)
	}
	results := make([]chan error, len(t.outlets))
	changes := make([]Change, len(t.outlets))
	for i, o := range t.outlets {
		var due bool
		if changes[i], due = memory.due(o, s); !due {
			continue
		}
		results[i] = make(chan error, 1)
		if o.mail != nil {
			continue
		}
		go func() {
			results[i] <- t.twice(ctx, func(ctx context.Context) error { return o.sink.send(ctx, s, changes[i]) })
		}()
	}
	t.mails(ctx, s, changes, results)
	for i, o := range t.outlets {
		if results[i] == nil {
			memory.note(o, s, false)
			continue
		}
		var err error
		select {
		case err = <-results[i]:
		default:
			select {
			case err = <-results[i]:
			case <-ctx.Done():
				err = errTime
			}
		}
		if err != nil {
			if text := warning(o.name, err); !slices.Contains(failed, text) { // all recipients may have the same
				failed = append(failed, text)
			}
			memory.owe(o)
			continue
		}
		memory.note(o, s, true)
	}
	if err := memory.keep(ctx); err != nil {
		failed = append(failed, warning("notify: state", err))
	}
	return failed
}

// mails sends each mail to those of its recipients who are told the same.
func (t *Teller) mails(ctx context.Context, s *Summary, changes []Change, results []chan error) {
	type letter struct {
		mail   *mail
		change Change
	}
	to := map[letter][]int{}
	for i, o := range t.outlets {
		if o.mail != nil && results[i] != nil {
			to[letter{o.mail, changes[i]}] = append(to[letter{o.mail, changes[i]}], i)
		}
	}
	for l, who := range to {
		go func() {
			got, left := map[int]error{}, who
			_ = t.twice(ctx, func(ctx context.Context) (err error) {
				var names []string
				for _, i := range left {
					names = append(names, t.outlets[i].to)
				}
				var again []int
				for n, e := range l.mail.send(ctx, s, l.change, names) {
					got[left[n]] = e
					if e != nil && !errors.As(e, new(final)) { // a second attempt may help
						again, err = append(again, left[n]), e
					}
				}
				left = again
				return err
			})
			for _, i := range who {
				results[i] <- got[i]
			}
		}()
	}
}

var errTime = errors.New("no answer in time")

// warning is a failure as a warning in one line.
func warning(of string, err error) string {
	return fmt.Sprintf("%s: %s", of, terminal.Line(cut(err.Error(), 500)))
}

// final is an error that a second attempt would meet again.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

func finally(format string, args ...any) error { return final{fmt.Errorf(format, args...)} }

// twice makes a second attempt where it may help.
func (t *Teller) twice(ctx context.Context, do func(context.Context) error) error {
	once := func() error {
		ctx, cancel := context.WithTimeout(ctx, t.o.Attempt)
		defer cancel()
		return do(ctx)
	}
	err := once()
	if err == nil || errors.As(err, new(final)) {
		return err
	}
	select {
	case <-ctx.Done():
		return err
	case <-time.After(t.o.Pause):
	}
	if again := once(); again == nil || ctx.Err() == nil {
		return again
	}
	return err
}

// secrets reads files with secrets. Those that an action file names must not contain a
// secret of the connection.
type secrets func(file string) (string, error)

func (t *Teller) secrets(trusted bool) secrets {
	return func(file string) (string, error) {
		if _, err := os.Stat(file); err != nil { // the path may be the secret itself
			return "", finally("the file that should contain a secret cannot be read: %w", bounded.WithoutPath(err))
		}
		text, err := readSmall(file)
		switch {
		case err != nil:
			return "", err
		case !trusted && t.o.Redact(text) != text:
			return "", finally("the file %s contains a secret of the connection to the cluster, which is not sent elsewhere", file)
		case strings.ContainsAny(text, "\r\n\x00"):
			return "", finally("the file %s must contain one line", file)
		case text == "":
			return "", finally("the file %s is empty", file)
		}
		return text, nil
	}
}

// maxSmall is the size of the largest file with a secret or memory.
const maxSmall = 1 << 20

// readSmall reads a regular file. Others could wait for ever.
func readSmall(file string) (string, error) {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return "", final{err}
	case !st.Mode().IsRegular():
		return "", finally("%s is not a file", file)
	case st.Size() > maxSmall:
		return "", finally("the file %s is too large", file)
	}
	data, err := bounded.ReadFile(file, bounded.Text)
	if err != nil {
		return "", final{err}
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// lazy is a value that is made when it is first needed.
type lazy[T any] struct {
	once sync.Once
	v    T
	err  error
}

func (l *lazy[T]) get(f func() (T, error)) (T, error) {
	l.once.Do(func() { l.v, l.err = f() })
	return l.v, l.err
}
