package plan

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/near"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/repository"
)

// literal exempts values that have their own meaning for $ and {: regular expressions,
// rename replacements, scripts; and descriptions.
func literal(key string, in *strictyaml.Node) bool {
	if notice.Literal(key) {
		return true
	}
	switch key {
	case "rename_pattern", "rename_replacement", "script", "unit_count_pattern", "pattern", "source", "description":
		return true
	case "value":
		kind := in.Get("kind")
		return kind != nil && kind.Text == "regex"
	}
	return false
}

type parser struct {
	o        Options
	p        *strictyaml.Problems
	plan     *Plan
	defaults *strictyaml.Node
	declared map[string]bool
	unsaid   map[bool][]*strictyaml.Node // where exclude is empty, by the default that is used
}

func (p *parser) file(root *strictyaml.Node) {
	var keys FileKeys
	ours := append([]string{"actions", "repositories", "defaults"}, notice.Keys...)
	clients := []string{"client", "elasticsearch", "cluster", "logging"}
	strictyaml.Decode(root, &keys, strictyaml.DecodeOptions{Subject: "key", IgnoreNull: true, ExtraKeys: append(ours, clients...)}, p.p)
	p.plan.Name, p.plan.Lock, p.plan.History = keys.Name, keys.Lock, keys.History
	if root.Kind != strictyaml.Map {
		return
	}
	p.times(root, keys)
	for _, e := range root.Entries {
		if slices.Contains(clients, e.Key.Text) {
			p.p.AddHint(e.Key, "move it into the client file, which --config names", "unknown key %q", e.Key.Text)
		}
	}
	p.repositories(root.Get("repositories"))
	p.readDefaults(root.Get("defaults"))
	p.plan.Notice = notice.Decode(root, p.p)
	list := root.Get("actions")
	switch {
	case list == nil && !root.Get("repositories").Absent():
	case list == nil:
		p.p.AddHint(root, "an action file has the form: actions: {1: {action: snapshot, options: …, filters: …}}", "the key actions is missing")
	case list.Kind != strictyaml.Map:
		p.p.Add(list, "actions: expected a map of numbered actions, got %s", list.Kind)
	default:
		p.actions(list)
	}
}

// FileKeys are the keys of the file that apply to its runs as a whole.
type FileKeys struct {
	Name    string   `yaml:"name" check:"scalar" doc:"name of the job, for its lock and its history; default: the base name of the file"`
	Lock    LockMode `yaml:"lock" doc:"off, auto or required: do not run while another run of the job holds its lock in the cluster"`
	History *bool    `yaml:"history" doc:"keep a record of each run in the cluster"`

	Schedule         string         `yaml:"schedule" check:"scalar" doc:"when esnap serve runs the file: five fields of cron, six with the seconds first, @daily, @every 10m; H: a number that the name decides"`
	Timezone         string         `yaml:"timezone" check:"scalar" doc:"time zone of the schedule; default UTC"`
	Jitter           time.Duration  `yaml:"jitter" doc:"longest time by which a scheduled run is put off"`
	StartingDeadline *time.Duration `yaml:"starting_deadline" doc:"how long after its time a run that was missed is still made; default 2h"`
	Hooks            *Hooks         `yaml:"hooks" doc:"commands that run before and after the actions, with --allow-hooks"`
}

// LockModeOf is whether a run of the plan takes the lock of its job, if own is what the settings
// say; they win.
func (p *Plan) LockModeOf(own string) LockMode { return cmp.Or(LockMode(own), p.Lock, LockOff) }

// LockMode is whether a run takes the lock of its job; empty: not set.
type LockMode string

// The modes. LockAuto runs with a warning if the lock cannot be written, LockRequired does
// not run.
const (
	LockOff      LockMode = "off"
	LockAuto     LockMode = "auto"
	LockRequired LockMode = "required"
)

// LockModes are all modes.
var LockModes = []LockMode{LockOff, LockAuto, LockRequired}

// DecodeYAML implements strictyaml.Unmarshaler: in YAML, off is a boolean.
func (m *LockMode) DecodeYAML(n *strictyaml.Node, p *strictyaml.Problems) {
	mode := LockMode(n.Text)
	if b, ok := strictyaml.AsBool(n); ok && !b {
		mode = LockOff
	}
	if !slices.Contains(LockModes, mode) {
		p.Add(n, "lock: %s is not one of off, auto, required", n.Shown())
		return
	}
	*m = mode
}

func (p *parser) repositories(n *strictyaml.Node) {
	if n == nil || n.Kind == strictyaml.Null {
		return
	}
	if n.Kind != strictyaml.Map {
		p.p.Add(n, "repositories: expected a map of name to repository, got %s", n.Kind)
		return
	}
	p.declared = map[string]bool{}
	for _, e := range n.Entries {
		spec := RepositoryKeys{Ensure: "create", Settings: map[string]any{}}
		before := len(p.p.List)
		strictyaml.Decode(e.Value, &spec, strictyaml.DecodeOptions{Subject: "key of a repository", IgnoreNull: true}, p.p)
		p.declared[e.Key.Text] = true
		if len(p.p.List) > before {
			continue
		}
		if spec.ReadOnly != nil {
			spec.Settings["readonly"] = *spec.ReadOnly
		}
		s := repository.Spec{Name: e.Key.Text, Type: spec.Type, Settings: spec.Settings, Ensure: repository.Mode(spec.Ensure), Owner: spec.Owner}
		settings := e.Value.Get("settings")
		p.optionErrors(s.Validate(), func(key string) *strictyaml.Node {
			if key == "type" {
				return e.Value.Get("type")
			}
			return cmp.Or(settings.Get(key), settings, e.Value)
		})
		p.plan.Repositories = append(p.plan.Repositories, s)
	}
	cluster.Sort(p.plan.Repositories, func(a, b repository.Spec) int { return strings.Compare(a.Name, b.Name) })
}

// RepositoryKeys are the keys of one repository.
type RepositoryKeys struct {
	Type     string         `yaml:"type" check:"required"`
	Settings map[string]any `yaml:"settings"`
	Ensure   string         `yaml:"ensure" check:"oneof=create|update|verify"`
	ReadOnly *bool          `yaml:"readonly"`
	Owner    string         `yaml:"owner"`
}

// optionErrors places errors of options at the options' values.
func (p *parser) optionErrors(err error, at func(key string) *strictyaml.Node) {
	for _, e := range cluster.Unjoin(err) {
		var oe *cluster.OptionError
		if errors.As(e, &oe) {
			p.p.Tolerate(at(oe.Key), oe.Tolerated && p.o.Flavour != flavour.Native, oe.Hint, "%s", oe.Error())
		} else {
			p.p.Add(at(""), "%s", e)
		}
	}
}

// readDefaults keeps the defaults for the actions that have the option; a key that is an
// option of no action is an error.
func (p *parser) readDefaults(n *strictyaml.Node) {
	if n == nil || n.Kind == strictyaml.Null {
		return
	}
	if n.Kind != strictyaml.Map {
		p.p.Add(n, "defaults: expected a map of options, got %s", n.Kind)
		return
	}
	p.defaults = n
	known := map[string]bool{}
	for _, f := range strictyaml.Fields(typeOf(&actions.Common{})) {
		known[f.Name] = true
	}
	for _, k := range actions.Kinds {
		for _, f := range strictyaml.Fields(typeOf(k.New(p.plan.Behaviour))) {
			known[f.Name] = true
		}
	}
	for _, e := range n.Entries {
		if !known[e.Key.Text] {
			question := near.DidYouMean(e.Key.Text, slices.Collect(maps.Keys(known)))
			p.p.AddHint(e.Key, question, "defaults: unknown option %q: no action has it", e.Key.Text)
		}
	}
}

func (p *parser) actions(list *strictyaml.Node) {
	entries := slices.Clone(list.Entries)
	if len(entries) == 0 {
		p.p.Add(list, "actions: must contain an action")
	}
	numbers, texts := 0, 0
	for _, e := range entries {
		switch e.Key.Kind {
		case strictyaml.Int:
			numbers++
		case strictyaml.String:
			texts++
		default:
			p.p.Add(e.Key, "the id %s of an action must be a number or text", e.Key.Shown())
		}
	}
	if numbers > 0 && texts > 0 {
		p.p.Add(list, "the ids of actions must be all numbers or all text: numbers and text have no common order")
	}
	cluster.Sort(entries, func(a, b strictyaml.Entry) int {
		x, okX := a.Key.Value.(int64)
		y, okY := b.Key.Value.(int64)
		if okX && okY {
			return cmp.Compare(x, y)
		}
		return strings.Compare(a.Key.Text, b.Key.Text)
	})
	for _, e := range entries {
		p.action(e)
	}
}

// ActionKeys are the keys of one action, beside options and filters.
type ActionKeys struct {
	Action      string `yaml:"action" check:"required"`
	Description string `yaml:"description" check:"scalar"`
}

func (p *parser) action(e strictyaml.Entry) {
	n := e.Value
	keys := ActionKeys{Description: NoDescription}
	var slots []string
	if name := n.Get("action"); name != nil {
		slots = actions.Kinds[name.Text].Slots
	}
	strictyaml.Decode(n, &keys, strictyaml.DecodeOptions{
		Subject:    "key of an action",
		ExtraKeys:  append([]string{"options", "filters"}, slots...),
		IgnoreNull: true,
	}, p.p)
	if n.Kind != strictyaml.Map || keys.Action == "" {
		return
	}
	kind, ok := actions.Kinds[keys.Action]
	if !ok {
		p.p.AddHint(n.Get("action"), near.DidYouMean(keys.Action, slices.Collect(maps.Keys(actions.Kinds))),
			"action: there is no action %q; there are %s", keys.Action, strings.Join(slices.Sorted(maps.Keys(actions.Kinds)), ", "))
		return
	}
	step := Step{ID: idText(e.Key), Kind: keys.Action, Description: keys.Description, Line: e.Key.Line, Action: kind.New(p.plan.Behaviour)}
	options := n.Get("options")
	if options != nil && options.Kind == strictyaml.Null {
		p.p.Add(options, "options: expected a map, got nothing")
		options = nil
	}
	p.options(&step, kind, n, options)
	p.filters(&step, kind, n)
	p.slots(&step, kind, n)
	p.finish(&step, kind, options)
	p.plan.Steps = append(p.plan.Steps, step)
}

func idText(key *strictyaml.Node) string {
	if i, ok := key.Value.(int64); ok {
		return strconv.FormatInt(i, 10)
	}
	return key.Text
}

// options fills in the options all actions have, and the action's own.
func (p *parser) options(step *Step, kind actions.Kind, at, options *strictyaml.Node) {
	common := strictyaml.Fields(typeOf(&step.Common))
	own := strictyaml.Fields(typeOf(step.Action))
	merged := &strictyaml.Node{Kind: strictyaml.Map, Line: at.Line, Col: at.Col}
	if options != nil {
		if options.Kind != strictyaml.Map {
			p.p.Add(options, "options: expected a map, got %s", options.Kind)
			return
		}
		merged.Line, merged.Col = options.Line, options.Col
		merged.Entries = append(merged.Entries, options.Entries...)
	}
	knows := func(name string) bool {
		is := func(f strictyaml.Field) bool { return f.Name == name }
		return slices.ContainsFunc(common, is) || slices.ContainsFunc(own, is)
	}
	if p.defaults != nil {
		for _, d := range p.defaults.Entries {
			if d.Key.Text == "search_pattern" && kind.List != cluster.Indices {
				continue
			}
			if knows(d.Key.Text) && merged.Get(d.Key.Text) == nil {
				merged.Entries = append(merged.Entries, d)
			}
		}
	}
	what := strictyaml.DecodeOptions{Subject: "option of " + step.Kind, Owner: step.Kind, IgnoreNull: true}
	elsewhere := names(common)
	for _, e := range merged.Entries {
		if beside := append([]string{"action", "description", "filters", "options"}, kind.Slots...); slices.Contains(beside, e.Key.Text) {
			p.p.AddHint(e.Key, "move it out of options, to the same level as options", "unknown %s %q", what.Subject, e.Key.Text)
			elsewhere = append(elsewhere, e.Key.Text)
		}
	}
	if _, ok := step.Action.(actions.RemoteSource); ok {
		elsewhere = append(elsewhere, actions.RemoteSlot)
	}
	silent := what
	silent.ExtraKeys = append(names(own), elsewhere...)
	strictyaml.Decode(merged, &step.Common, silent, &strictyaml.Problems{})
	commonOnly := *merged
	commonOnly.Entries = slices.DeleteFunc(slices.Clone(merged.Entries), func(e strictyaml.Entry) bool {
		return !slices.Contains(names(common), e.Key.Text)
	})
	strictyaml.Decode(&commonOnly, &step.Common, what, p.p)
	if step.Common.DisableAction {
		p.dropUnset(merged)
	}
	what.TolerateEmptyUnknown, what.ExtraKeys = true, elsewhere
	given := strictyaml.Decode(merged, step.Action, what, p.p)
	p.remoteFilters(step, merged, given)
	p.optionErrors(actions.Validate(step.Action, given), func(key string) *strictyaml.Node { return cmp.Or(merged.Get(key), merged) })
	if v := options.Get("search_pattern"); !v.Absent() && kind.List != cluster.Indices {
		p.p.Add(v, "search_pattern: %s does not list indices", step.Kind)
	}
}

// dropUnset removes entries of lists whose variable is not set. In an action that runs
// they are errors: an empty list may mean everything.
func (p *parser) dropUnset(options *strictyaml.Node) {
	for i, e := range options.Entries {
		given := *e.Value // the file's defaults also belong to other actions
		given.Items = slices.DeleteFunc(slices.Clone(given.Items), func(it *strictyaml.Node) bool {
			unset := it.Kind == strictyaml.Null && it.From != ""
			if unset {
				p.p.Warn(it, "%s: an entry counts as not given, as the action is disabled: %s", e.Key.Text, it.Shown())
			}
			return unset
		})
		options.Entries[i].Value = &given
	}
}

func names(fields []strictyaml.Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}

// finish checks options and filters together.
func (p *parser) finish(step *Step, kind actions.Kind, options *strictyaml.Node) {
	if step.Common.TimeoutOverride != nil && *step.Common.TimeoutOverride > 0 {
		step.Timeout = time.Duration(*step.Common.TimeoutOverride) * time.Second
	} else {
		step.Timeout = kind.Timeout
	}
	step.Location = time.UTC
	if zone := step.Common.Timezone; zone != "" {
		step.Location = p.zone(options.Get("timezone"), zone)
	}
	Complete(step, p.o)
}
