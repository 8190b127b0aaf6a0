package plan

import (
	"errors"
	"time"

	"github.com/esnap/esnap/internal/schedule"
	"github.com/esnap/esnap/internal/strictyaml"
)

// Hooks are commands of the file that run around its actions: each a list of a program and
// its arguments. No shell reads them.
type Hooks struct {
	Before  []string      `yaml:"before" doc:"program and arguments, run before the first action; if it fails, the run does not begin"`
	After   []string      `yaml:"after" doc:"program and arguments, run at the end, whatever the result"`
	OnError []string      `yaml:"on_error" doc:"program and arguments, run at the end if the exit code is not 0, before after"`
	Timeout time.Duration `yaml:"timeout" doc:"how long one hook may take"`
}

// DefaultHookTimeout is how long one hook may take, if the file does not say it.
const DefaultHookTimeout = time.Minute

// times reads when the file is to run, and what runs around it.
func (p *parser) times(root *strictyaml.Node, keys FileKeys) {
	p.plan.Hooks = keys.Hooks
	if h := keys.Hooks; h != nil {
		n := root.Get("hooks")
		if h.Timeout == 0 {
			h.Timeout = DefaultHookTimeout
		}
		for name, command := range map[string][]string{"before": h.Before, "after": h.After, "on_error": h.OnError} {
			if given := n.Get(name); !given.Absent() && (len(command) == 0 || command[0] == "") {
				p.p.Add(given, "hooks: %s: expected a program and its arguments, such as [sync]", name)
			}
		}
	}
	s := schedule.Spec{Text: keys.Schedule, Zone: time.UTC, Jitter: keys.Jitter, Deadline: schedule.DefaultDeadline}
	if keys.StartingDeadline != nil {
		s.Deadline = *keys.StartingDeadline
	}
	if keys.Timezone != "" {
		s.Zone = p.zone(root.Get("timezone"), keys.Timezone)
	}
	if n := root.Get("schedule"); n.Absent() {
		for _, key := range []string{"timezone", "jitter", "starting_deadline"} {
			if at := root.Get(key); !at.Absent() {
				p.p.Warn(at, "%s is that of a schedule, and the file has none", key)
			}
		}
	} else if _, err := schedule.New(s, "job"); errors.Is(err, schedule.ErrJitter) {
		p.p.Add(root.Get("jitter"), "%s", err)
	} else if err != nil {
		p.p.Add(n, "schedule: %s", err)
	}
	p.plan.Schedule = s
}

// zone reads a time zone; UTC if it does not exist.
func (p *parser) zone(at *strictyaml.Node, name string) *time.Location {
	zone, err := schedule.LoadZone(name)
	if err != nil {
		p.p.Add(at, "%s", err)
	}
	return zone
}
