package curator

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/internal/terminal"
)

// flagType is how the text of a flag becomes the value of an option.
type flagType int

const (
	text   flagType = iota
	number          // of whole
	real
	toggle    // a flag that, left out, leaves the option alone
	off       // a flag that, left out, means false, unlike the option in a file
	pair      // a flag with a no- form
	object    // JSON
	texts     // may be repeated
	condition // text below conditions
	whole     // number below conditions
	block     // JSON filters below a block of their own
)

// flagOf is one option of a single action.
type flagOf struct {
	name     string
	as       flagType
	def      string // of the command line, where it is not the file's
	required bool
}

// singleton is one command of curator_cli: an action with the filters and options
// that the command line gives.
type singleton struct {
	name  string
	list  cluster.ListKind // what its filters apply to; empty: it has none
	flags []flagOf
	show  func(x *session, c *cobra.Command, step plan.Step) error // instead of running the action
}

var waits = []flagOf{{name: "wait_for_completion", as: pair}, {name: "wait_interval", as: number}, {name: "max_wait", as: number}}

// singletons is the list of all of them.
var singletons = []singleton{
	{
		name: "alias",
		flags: []flagOf{
			{name: "name", required: true},
			{name: "add", as: block},
			{name: "remove", as: block},
			{name: "warn_if_no_indices", as: toggle},
			{name: "extra_settings", as: object},
		},
	},
	{name: "allocation", list: cluster.Indices, flags: []flagOf{{name: "key", required: true}, {name: "value"}, {name: "allocation_type"},
		{name: "wait_for_completion", as: pair}, {name: "wait_interval", as: number, def: "9"}, {name: "max_wait", as: number}}},
	{name: "close", list: cluster.Indices, flags: []flagOf{{name: "delete_aliases", as: toggle}, {name: "skip_flush", as: toggle}}},
	{name: "delete_indices", list: cluster.Indices},
	{
		name:  "delete_snapshots",
		list:  cluster.Snapshots,
		flags: []flagOf{{name: "repository", required: true}, {name: "retry_count", as: number}, {name: "retry_interval", as: number}},
	},
	{
		name:  "forcemerge",
		list:  cluster.Indices,
		flags: []flagOf{{name: "max_num_segments", as: number, required: true}, {name: "delay", as: real}},
	},
	{name: "freeze", list: cluster.Indices},
	{name: "open", list: cluster.Indices},
	{
		name:  "replicas",
		list:  cluster.Indices,
		flags: []flagOf{{name: "count", as: number, required: true}, {name: "wait_for_completion", as: pair}},
	},
	{
		name: "restore",
		list: cluster.Snapshots,
		flags: append([]flagOf{
			{name: "repository", required: true},
			{name: "name"},
			{name: "index", as: texts},
			{name: "rename_pattern"},
			{name: "rename_replacement"},
			{name: "extra_settings", as: object},
			{name: "include_aliases", as: toggle},
			{name: "ignore_unavailable", as: toggle},
			{name: "include_global_state", as: off},
			{name: "partial", as: toggle},
			{name: "skip_repo_fs_check", as: off},
		}, waits...),
	},
	{name: "rollover", flags: []flagOf{
		{name: "name", required: true},
		{name: "max_age", as: condition},
		{name: "max_docs", as: whole},
		{name: "max_size", as: condition},
		{name: "extra_settings", as: object},
		{name: "new_index"},
		{name: "wait_for_active_shards", def: "1"},
	}},
	{
		name:  "show_indices",
		list:  cluster.Indices,
		flags: []flagOf{{name: "verbose", as: toggle}, {name: "header", as: toggle}, {name: "epoch", as: toggle}},
		show:  showIndices,
	},
	{name: "show_snapshots", list: cluster.Snapshots, flags: []flagOf{{name: "repository", required: true}}, show: showSnapshots},
	{
		name: "shrink",
		list: cluster.Indices,
		flags: append([]flagOf{
			{name: "shrink_node", def: "DETERMINISTIC"},
			{name: "node_filters", as: object},
			{name: "number_of_shards", as: number},
			{name: "number_of_replicas", as: number},
			{name: "shrink_prefix"},
			{name: "shrink_suffix"},
			{name: "copy_aliases", as: toggle},
			{name: "delete_after", as: pair},
			{name: "post_allocation", as: object},
			{name: "extra_settings", as: object},
			{name: "wait_for_active_shards"},
			{name: "wait_for_rebalance", as: pair},
		}, waits...),
	},
	{
		name: "snapshot",
		list: cluster.Indices,
		flags: append([]flagOf{
			{name: "repository", required: true},
			{name: "name"},
			{name: "ignore_unavailable", as: toggle},
			{name: "include_global_state", as: off},
			{name: "partial", as: toggle},
			{name: "skip_repo_fs_check", as: off},
		}, waits...),
	},
	{name: "unfreeze", list: cluster.Indices},
}

// commonFlags are those that singletons have besides their own.
func (s singleton) commonFlags() []flagOf {
	list := []flagOf{{name: "ignore_empty_list", as: toggle}}
	if s.list == cluster.Indices || s.name == "alias" || s.name == "rollover" {
		list = append(list, flagOf{name: "allow_ilm_indices", as: pair})
	}
	if s.list == cluster.Indices || s.name == "alias" {
		list = append(list, flagOf{name: "include_hidden", as: pair})
	}
	if s.list == cluster.Indices {
		list = append(list, flagOf{name: "search_pattern"})
	}
	return list
}

func newCLI(h Host) *cobra.Command {
	root := newRoot(h, cli, "curator_cli [OPTIONS] COMMAND [ARGS]...", "Run a single action the way Elasticsearch Curator does")
	root.RunE = noCommand
	for _, s := range singletons {
		root.AddCommand(s.command(h))
	}
	return root
}

func (s singleton) command(h Host) *cobra.Command {
	c := &cobra.Command{
		Use: strings.ReplaceAll(s.name, "_", "-") + " [OPTIONS]", DisableFlagsInUseLine: true, Short: s.short(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usage{fmt.Sprintf("Got unexpected extra argument (%s)", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return s.run(h, c) },
	}
	if strings.Contains(s.name, "_") {
		c.Aliases = []string{s.name}
	}
	docs := s.docs()
	for _, f := range append(s.commonFlags(), s.flags...) {
		f.add(c.Flags(), docs[f.name])
	}
	if s.list != "" {
		c.Flags().String("filter_list", "", "filters as JSON: one, or a list of them")
	}
	return c
}

// short describes the command.
func (s singleton) short() string {
	doc := actions.Kinds[s.name].Doc
	switch {
	case s.list == cluster.Snapshots && doc == "":
		doc = "shows the names of the selected snapshots"
	case doc == "":
		doc = "shows the selected indices"
	}
	return strings.ToUpper(doc[:1]) + doc[1:]
}

// docs are the meanings of options, by name, from the action that has them.
func (s singleton) docs() map[string]string {
	out := map[string]string{
		"add": "filters on the indices to add", "remove": "filters on the indices to take out", "index": "an index to restore; may be repeated",
		"max_age": "age of the index, such as 7d", "max_docs": "documents in it", "max_size": "size of its primaries, such as 50gb",
		"verbose": "show state, size, documents, shards and age, too",
		"header":  "with --verbose: a line of titles", "epoch": "with --verbose: the time of creation in seconds",
	}
	holders := []reflect.Value{reflect.ValueOf(actions.Common{})}
	if kind, ok := actions.Kinds[s.name]; ok {
		holders = append(holders, reflect.ValueOf(kind.New(actions.Own)).Elem())
	}
	for _, v := range holders {
		for _, f := range strictyaml.Fields(v.Type()) {
			out[f.Name] = f.Doc
			if def := v.FieldByIndex(f.Index); !def.IsZero() && (def.Kind() == reflect.Bool || def.CanInt() || def.Kind() == reflect.String) {
				out[f.Name] += fmt.Sprintf(" (default %v)", def)
			}
		}
	}
	for _, f := range s.flags {
		without, _, _ := strings.Cut(out[f.name], " (default ")
		switch {
		case f.required:
			out[f.name] = without + " (required)"
		case f.def != "":
			out[f.name] = without + " (default " + f.def + ")"
		case f.as == off:
			out[f.name] = without
		}
	}
	return out
}

func (f flagOf) add(fs *pflag.FlagSet, doc string) {
	switch f.as {
	case toggle, off:
		fs.Bool(f.name, false, doc)
	case pair:
		fs.Bool(f.name, false, doc)
		fs.Bool("no-"+f.name, false, "the opposite of --"+f.name)
		_ = fs.MarkHidden("no-" + f.name)
	case texts:
		fs.StringArray(f.name, nil, doc)
	case object, block:
		fs.String(f.name, "", doc+", as JSON")
	default:
		fs.String(f.name, "", doc)
	}
}

// given is the text that the command line or the environment has for a flag.
func (s singleton) given(fs *pflag.FlagSet, h Host, f flagOf) (string, bool) {
	as := option{name: f.name, boolean: f.as == toggle || f.as == off || f.as == pair, pair: f.as == pair, many: f.as == texts}
	scoped := func(string) (string, bool) { return h.Env(variable(s.name, f.name)) }
	return value(fs, scoped, as)
}

// run turns the command line into an action file, so that both are checked by the same
// rules, and runs it.
func (s singleton) run(h Host, c *cobra.Command) error {
	file, err := s.file(h, c.Flags())
	if err != nil {
		return err
	}
	x, err := open(c, h, cli)
	if err != nil {
		return err
	}
	defer x.close()
	p, err := plan.Parse("", file, plan.Options{Flavour: x.flavour, Guards: x.s.Guards})
	var wrong *strictyaml.Error
	if errors.As(err, &wrong) {
		for _, e := range wrong.List { // there is no line to name
			x.log.Log(c.Context(), critical, e.Error())
		}
		return &coded{1}
	}
	if err != nil {
		return err
	}
	if s.show != nil {
		return s.show(x, c, p.Steps[0])
	}
	if r, is := p.Steps[0].Action.(*actions.Rollover); is && !slices.ContainsFunc(s.flags, func(f flagOf) bool {
		_, given := s.given(c.Flags(), h, f)
		return given && f.isCondition()
	}) {
		r.Unconditionally()
	}
	return x.run(c.Context(), job.Job{Plan: p}, true)
}

// file is the command line as an action file, in JSON.
func (s singleton) file(h Host, fs *pflag.FlagSet) ([]byte, error) {
	options, conditions := map[string]any{}, map[string]any{}
	action := map[string]any{"action": s.name, "options": options}
	for _, f := range append(s.commonFlags(), s.flags...) {
		v, is := s.given(fs, h, f)
		switch {
		case !is && f.required:
			return nil, &usage{fmt.Sprintf("Missing option '--%s'.", f.name)}
		case !is && f.as == off:
			v = "false"
		case !is && f.def == "":
			continue
		case !is:
			v = f.def
		}
		parsed, err := f.parse(v)
		if err != nil {
			return nil, &usage{fmt.Sprintf("Invalid value for '--%s': %s", f.name, err)}
		}
		switch f.as {
		case block:
			action[f.name] = map[string]any{"filters": parsed}
		case condition, whole:
			conditions[f.name] = parsed
		case texts:
			options["indices"] = parsed
		default:
			options[f.name] = parsed
		}
	}
	if s.name == "rollover" {
		if len(conditions) == 0 { // which a file needs, and this command line does not
			conditions["max_docs"] = 1
		}
		options["conditions"] = conditions
	}
	if s.show != nil { // any action that does no more than take the filters
		action["action"] = map[cluster.ListKind]string{cluster.Indices: "open", cluster.Snapshots: "delete_snapshots"}[s.list]
		for _, f := range []string{"verbose", "header", "epoch"} {
			delete(options, f)
		}
	}
	if s.list != "" {
		v, is := s.given(fs, h, flagOf{name: "filter_list"})
		if !is && s.show != nil {
			v, is = `{"filtertype":"none"}`, true
		}
		if !is {
			return nil, &usage{"Missing option '--filter_list'."}
		}
		filters, err := flagOf{as: block}.parse(v)
		if err != nil {
			return nil, &usage{fmt.Sprintf("Invalid value for '--filter_list': %s", err)}
		}
		action["filters"] = filters
	}
	return json.Marshal(map[string]any{"actions": map[string]any{"1": action}})
}

func (f flagOf) isCondition() bool { return f.as == condition || f.as == whole }

func (f flagOf) parse(v string) (any, error) {
	switch f.as {
	case number, whole:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("'%s' is not a valid integer", v)
		}
		return n, nil
	case real:
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return nil, fmt.Errorf("'%s' is not a valid float", v)
		}
		return n, nil
	case toggle, off, pair:
		b, ok := truth(v)
		if !ok {
			return nil, fmt.Errorf("'%s' is not a valid boolean", v)
		}
		return b, nil
	case texts:
		return strings.Split(v, ","), nil
	case object, block:
		var parsed any
		if err := json.Unmarshal([]byte(v), &parsed); err != nil {
			return nil, notJSON(v, err)
		}
		if _, one := parsed.(map[string]any); f.as == block && one {
			parsed = []any{parsed}
		}
		return parsed, nil
	}
	return v, nil
}

// notJSON is the error for a text that is not JSON, with the place.
func notJSON(text string, err error) error {
	var wrong *json.SyntaxError
	if !errors.As(err, &wrong) {
		return err
	}
	if strings.TrimSpace(text) == "" {
		return errors.New("the value is empty; write names and texts of JSON in double quotes")
	}
	at := max(0, int(wrong.Offset)-1)
	near := text[max(0, at-10):min(len(text), at+20)]
	return fmt.Errorf("the value is not valid JSON near character %d, %q; write names and texts in double quotes",
		utf8.RuneCountInString(text[:at])+1, strings.ToValidUTF8(near, ""))
}

// showSnapshots prints the names of the selected snapshots.
func showSnapshots(x *session, c *cobra.Command, step plan.Step) error {
	items, _, err := x.selected(c, step)
	for _, it := range items {
		terminal.Fprintf(x.h.Out, "%s\n", it.ItemName())
	}
	return err
}

// selected lists and filters without acting. An empty list is said, and fails unless
// it is ignored.
func (x *session) selected(c *cobra.Command, step plan.Step) ([]cluster.Item, cluster.Cluster, error) {
	cl, err := x.reach(c.Context())
	if err != nil || cl == nil {
		return nil, nil, err
	}
	step.Guards = nil
	items, err := run.Select(c.Context(), step, cl, x.h.Now())
	switch {
	case errors.Is(err, cluster.ErrEmpty) && step.Common.IgnoreEmptyList:
		x.log.Info("Nothing in the list after filtering. Skipping action.")
		return nil, cl, nil
	case errors.Is(err, cluster.ErrEmpty):
		x.log.Error("Nothing in the list after filtering. Exiting: " + x.words.error(err))
		return nil, cl, &coded{1}
	case err != nil:
		x.log.Log(c.Context(), critical, x.words.error(err))
		return nil, cl, &coded{1}
	}
	cluster.Sort(items, func(a, b cluster.Item) int { return strings.Compare(a.ItemName(), b.ItemName()) })
	return items, cl, nil
}
