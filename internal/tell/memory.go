package tell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/esnap/esnap/internal/bounded"
	"github.com/esnap/esnap/internal/notice"
)

// remindAfter is when a state that lasts is told again. A nightly run does not begin at
// the same second each day.
const remindAfter = 24*time.Hour - 30*time.Minute

// memory is what outlets were told in earlier runs. A nil one remembers nothing.
type memory struct {
	policy string
	all    map[string]map[string]told // by policy and the key of the outlet
	save   func() error
}

// Remember keeps what the outlets of one job were told, where no file does.
type Remember interface {
	// Load is what Save was last given; nil: nothing.
	Load(ctx context.Context) (json.RawMessage, error)
	Save(told json.RawMessage)
}

// ToldLater reports whether the one of two that Save was given contains a later message.
func ToldLater(a, b json.RawMessage) bool { return lastMessage(a).After(lastMessage(b)) }

func lastMessage(text json.RawMessage) (last time.Time) {
	of := map[string]told{}
	_ = json.Unmarshal(text, &of) // nothing is known then
	for _, t := range of {
		if t.Told.After(last) {
			last = t.Told
		}
	}
	return last
}

// told is the last state of an outlet, and when it got its last message about it.
type told struct {
	State string    `json:"state"`
	Told  time.Time `json:"told,omitzero"`
	// Owed: a message could not be sent.
	Owed bool `json:"owed,omitempty"`
}

// remembered is the form of the file.
type remembered struct {
	Policies map[string]map[string]told `json:"policies"`
}

// within does something with files that may hang, such as those of a network.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := do()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, errTime
	}
}

// recallTime is how long a Remember may take: what it keeps matters less than the message.
const recallTime = 2 * time.Second

// recall reads what a Remember keeps. With an error there is nothing: everything is told.
func recall(ctx context.Context, r Remember, policy string) *memory {
	of := map[string]told{}
	m := &memory{policy: policy, all: map[string]map[string]told{policy: of}}
	m.save = func() error {
		text, err := json.Marshal(of)
		if err == nil {
			r.Save(text)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	if text, err := within(ctx, func() (json.RawMessage, error) { return r.Load(ctx) }); err == nil && text != nil {
		_ = json.Unmarshal(text, &of) // of another version: nothing is known
	}
	return m
}

// remember reads the memory. With an error there is none: everything is told, and nothing
// is written.
func remember(ctx context.Context, file, policy string) (*memory, error) {
	return within(ctx, func() (*memory, error) {
		file := inFolder(file, "esnap_"+fileName(policy)+".json")
		all, err := readMemory(file)
		if err != nil {
			return nil, err
		}
		m := &memory{policy: policy, all: all}
		m.save = func() error {
			return bounded.Update(file, 0o600, func() ([]byte, error) {
				now, err := readMemory(file) // other jobs may have changed it meanwhile
				if err != nil {
					return nil, err
				}
				now[policy] = m.all[policy]
				data, err := json.MarshalIndent(remembered{now}, "", "  ")
				return append(data, '\n'), err
			})
		}
		return m, nil
	})
}

// readMemory reads the file; one that does not exist is empty.
func readMemory(file string) (map[string]map[string]told, error) {
	text, err := readSmall(file)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && text == "":
		return map[string]map[string]told{}, nil
	case err != nil:
		return nil, err
	}
	var r remembered
	if json.Unmarshal([]byte(text), &r) != nil || r.Policies == nil { // an action file may name any file
		return nil, fmt.Errorf("%s exists and was not written by esnap; esnap does not change it", file)
	}
	return r.Policies, nil
}

// inFolder is a file, or the file of this name in an existing folder.
func inFolder(file, name string) string {
	if st, err := os.Stat(file); err == nil && st.IsDir() {
		return filepath.Join(file, name)
	}
	return file
}

// fileName is a text as a part of a file's name.
func fileName(text string) string {
	name := []byte(text)
	for i, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			name[i] = '_'
		}
	}
	return string(name)
}

// meets says whether a state is bad enough for a level.
func meets(s State, level string) bool {
	switch level {
	case notice.LevelError:
		return s == Error
	case notice.LevelWarning:
		return s != OK
	}
	return true
}

// due says whether an outlet is told of a run, and why.
func (m *memory) due(o outlet, s *Summary) (Change, bool) {
	if o.level == "" {
		return None, true
	}
	last, known := told{}, false
	if m != nil {
		last, known = m.all[m.policy][o.key]
	}
	before := map[string]State{OK.String(): OK, Warning.String(): Warning, Error.String(): Error}[last.State]
	now := meets(s.State, o.level)
	switch {
	case known && before > s.State && meets(before, o.level) && (!now || o.level == notice.LevelAlways):
		return Recovered, true
	case last.Owed && !now: // nobody heard of what is over now
		return Recovered, true
	case o.level == notice.LevelAlways || !known:
		return None, now
	case !now:
		return None, false
	case before != s.State:
		return None, true
	case s.Began.Sub(last.Told) >= remindAfter || s.Began.Before(last.Told):
		return Reminder, true
	}
	return None, false
}

// note remembers the state of an outlet, and that it was told. An outlet that could not be
// told is not noted: the next run tells it.
func (m *memory) note(o outlet, s *Summary, sent bool) {
	m.change(o, func(x *told) {
		x.State = s.State.String()
		if sent {
			x.Told, x.Owed = s.Began, false
		}
	})
}

// owe remembers that an outlet could not be told.
func (m *memory) owe(o outlet) {
	if o.level != notice.LevelAlways {
		m.change(o, func(x *told) { x.Owed = true })
	}
}

func (m *memory) change(o outlet, change func(*told)) {
	if m == nil || o.level == "" {
		return
	}
	if m.all[m.policy] == nil {
		m.all[m.policy] = map[string]told{}
	}
	x := m.all[m.policy][o.key]
	change(&x)
	m.all[m.policy][o.key] = x
}

// keep writes the memory.
func (m *memory) keep(ctx context.Context) error {
	if m == nil {
		return nil
	}
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, m.save() })
	return err
}
