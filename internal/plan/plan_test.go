package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/repository"
)

// secret is the value of ${SECRET}: never to be seen in an error.
const secret = "canaryword"

// env is the environment of the files under testdata.
func env(name string) (string, bool) {
	v, ok := map[string]string{"EMPTY": "", "SECRET": secret, "REPO": "ks-log-snapshots", "DAYS": "14", "PREFIX": "ks"}[name]
	return v, ok
}

func options(f flavour.Flavour) plan.Options { return plan.Options{Flavour: f, Env: env} }

// exactlyOne wants a plan or an error, never both or neither.
func exactlyOne(t *testing.T, p *plan.Plan, err error) {
	t.Helper()
	require.NotEqual(t, p == nil, err == nil)
	if err != nil {
		var list *strictyaml.Error
		require.ErrorAs(t, err, &list)
		require.NotEmpty(t, list.List)
	}
}

// Each file under testdata/bad has the one defect that its name says. Its first
// line is a comment with the error: line:column: text, several joined by " | ".
// <any> in it stands for anything; [curator8] before it parses with that flavour.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 40)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			want, _, _ := strings.Cut(string(data), "\n")
			want, found := strings.CutPrefix(want, "# ")
			require.True(t, found, "the first line says the error")
			of := flavour.Native
			if rest, ok := strings.CutPrefix(want, "[curator8] "); ok {
				of, want = flavour.Curator8, rest
			}
			p, err := plan.Parse("f", data, options(of))
			exactlyOne(t, p, err)
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
			got := strings.ReplaceAll(strings.ReplaceAll("\n"+err.Error(), "\nf:", "\n"), "\n", " | ")
			got = strings.TrimSpace(strings.TrimPrefix(got, " | "))
			if open, end, ok := strings.Cut(want, "<any>"); ok { // what grows with the kinds there are
				require.True(t, strings.HasPrefix(got, open) && strings.HasSuffix(got, end), "want %s\ngot  %s", want, got)
				return
			}
			require.Equal(t, want, got)
		})
	}
}

// stock is where KubeSphere's own files are, from testdata/good.
const stock = "../../../../integration/testdata/kubesphere/"

// good parses a file under testdata/good.
func good(t *testing.T, name string, f flavour.Flavour) *plan.Plan {
	t.Helper()
	data, err := os.ReadFile("testdata/good/" + name)
	require.NoError(t, err)
	p, err := plan.Parse(name, data, options(f))
	require.NoError(t, err)
	exactlyOne(t, p, err)
	return p
}

// link is a filter of a chain in short.
func links(s plan.Step) (list []string) {
	for _, l := range s.Chain {
		text := l.Kind
		switch f := l.Filter.(type) {
		case *filters.Pattern:
			text += " " + f.Kind + " " + f.Value
		case *filters.Age:
			text += fmt.Sprintf(" %s %s %d %s by %s %s", f.Direction, f.Timestring, f.UnitCount, f.Unit, f.Source, f.StatsResult)
		}
		if l.Exclude {
			text = "not " + text
		}
		list = append(list, text)
	}
	return list
}

// The stock files of every KubeSphere release, with every flavour: what is
// deleted, and what is left of the nulls in them.
func TestKubeSphereFiles(t *testing.T) {
	const age, ilm = "age older %Y.%m.%d 7 days by name min_value", "not ilm"
	for release, want := range map[string][][]string{
		"2.1": {{age, ilm}},
		"3.0": {{age, ilm}},
		"3.1": {{age, ilm}},
		"3.3": {
			{"pattern prefix ks-logstash-log", age, ilm},
			{"pattern prefix ks-logstash-events", age, ilm},
			{"pattern prefix ks-logstash-auditing", age, ilm},
			{"pattern prefix logstash", age, ilm},
		},
		"3.4": {
			{"pattern prefix ks-whizard-logging", age, ilm},
			{"pattern prefix ks-whizard-events", age, ilm},
			{"pattern prefix ks-whizard-auditing", age, ilm},
			{"pattern prefix whizard", age, ilm},
		},
		"4.x": {
			{"pattern regex ^.+-logs", age, ilm}, {"pattern regex ^.+-events", age, ilm},
			{"pattern regex ^.+-auditing", age, ilm},
			{"pattern regex ^.+-notification-history", age, ilm}, {"pattern prefix whizard", age, ilm}},
	} {
		for _, f := range []flavour.Flavour{flavour.Native, flavour.Curator5, flavour.Curator8} {
			p := good(t, stock+release+"/action_file.yml", f)
			require.Len(t, p.Steps, len(want), release)
			for i, s := range p.Steps {
				require.Equal(t, fmt.Sprint(i+1), s.ID)
				require.Equal(t, "delete_indices", s.Kind)
				require.Equal(t, want[i], links(s), release)
				require.Equal(t, cluster.Indices, s.Selects())
				require.True(t, s.Deletes())
				require.Zero(t, s.Timeout, "a null timeout_override is none")
				require.Equal(t, actions.Common{IgnoreEmptyList: true}, s.Common)
				require.Equal(t, time.UTC, s.Location)
			}
		}
	}
}

func TestKubeSphereBackup(t *testing.T) {
	for _, c := range []struct {
		flavour flavour.Flavour
		guards  []string // of delete_snapshots
		indices []string // of delete_indices
	}{
		{
			flavour.Native,
			[]string{"in_progress", "foreign", "mounted", "keep_newest_good"},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "live", "write_index", "system_index"},
		},
		{
			flavour.Curator5,
			[]string{"in_progress", "foreign", "mounted", "keep_newest_good"},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "live", "system_index"},
		},
		{
			flavour.Curator8,
			[]string{"in_progress", "foreign", "mounted", "keep_newest_good"},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "live", "system_index"},
		},
	} {
		p := good(t, "kubesphere-backup.yml", c.flavour)
		require.Len(t, p.Steps, 3)
		take, expire, remove := p.Steps[0], p.Steps[1], p.Steps[2]
		s := take.Action.(*actions.Snapshot)
		require.Equal(t, []any{"ks-log-snapshots", "snapshot-%Y%m%d%H%M%S", true, false, false, true},
			[]any{s.Repository, s.Name, s.IncludeGlobalState, s.Partial, s.SkipRepoFSCheck, s.WaitForCompletion})
		require.Equal(t, 6*time.Hour, take.Timeout)
		require.Equal(t, []string{"pattern prefix ks-logstash-log-", "not ilm"}, links(take))
		require.Empty(t, take.Guards)
		require.Equal(t, []string{"pattern prefix snapshot-", "age older %Y%m%d%H%M%S 45 days by name min_value"},
			links(expire), "snapshots have no lifecycle policy")
		require.Equal(t, cluster.Snapshots, expire.Selects())
		require.Equal(t, "ks-log-snapshots", expire.Source())
		require.Equal(t, 300*time.Second, expire.Timeout)
		require.Equal(t, c.guards, guards(expire))
		require.Equal(t, c.indices, guards(remove))
	}
}

func guards(s plan.Step) (list []string) {
	for _, g := range s.Guards {
		list = append(list, g.Name())
	}
	return list
}

// Numeric order, what null and None mean, text for booleans and numbers, defaults,
// anchors, embedded variables, declared repositories.
func TestOwnFile(t *testing.T) {
	p := good(t, "esnap.yml", flavour.Native)
	require.Equal(t, []repository.Spec{
		{Name: "cold", Type: "url", Settings: map[string]any{"url": "file:/cold"}, Ensure: repository.Create},
		{
			Name:     "nightly",
			Type:     "fs",
			Settings: map[string]any{"location": "/backup", "compress": true, "chunk_size": nil, "readonly": false},
			Ensure:   repository.Update,
		},
	}, p.Repositories)
	var ids []string
	for _, s := range p.Steps {
		ids = append(ids, s.ID)
		require.True(t, s.Common.IgnoreEmptyList)
	}
	require.Equal(t, []string{"-1", "2", "9", "10"}, ids)
	restore, expire, take, remove := p.Steps[0], p.Steps[1], p.Steps[2], p.Steps[3]

	r := restore.Action.(*actions.Restore)
	require.Equal(t, []any{"([${x}]+)", `\${x}$1`, 7 * 24 * time.Hour}, []any{r.RenamePattern, r.RenameReplacement, *r.KeepFor})
	require.Empty(t, restore.Chain, "filters may be left out where nothing is deleted")
	require.Equal(t, "No description given", restore.Description)

	d := expire.Action.(*actions.DeleteSnapshots)
	require.Equal(t, 90*time.Second, *d.WaitForRunning)
	require.Equal(t, []string{"age older %Y.%m.%d 31 days by name min_value"}, links(expire), "a merge is overridden")
	require.Equal(t, 900*time.Second, expire.Timeout)
	require.Equal(t, "Europe/Berlin", expire.Location.String())

	s := take.Action.(*actions.Snapshot)
	require.Equal(t, []any{"ks-log-snapshots", "<snap-{now/d}>", true, false, "day"},
		[]any{s.Repository, s.Name, s.Partial, s.IncludeGlobalState, s.OncePer})
	require.Equal(t, []int64{3, 3}, []int64{s.WaitInterval, s.MaxWait})
	require.True(t, take.Common.AllowILMIndices)
	require.Equal(t, []string{"pattern prefix ks-logs-", "age older %Y.%m.%d 14 days by name min_value"}, links(take), "allow_ilm_indices")
	require.Equal(t, "2026", take.Description)

	require.Zero(t, remove.Timeout, "the action's own null means unset, whatever the default")
	require.Equal(t, time.UTC, remove.Location)
	require.Equal(t, []string{"keep-*"}, remove.Action.(*actions.DeleteIndices).Protect)
	require.Equal(t, []string{"protect"}, guards(remove), "guards: off leaves what the file itself protects")
	require.Equal(t, []string{"pattern prefix ks-logs-", "age older %Y.%m.%d 14 days by name min_value", "not ilm"}, links(remove))
}

// Which guards an action that deletes has.
func TestGuards(t *testing.T) {
	off, on := false, true
	file := func(opts, filters string) string {
		return "actions: {1: {action: delete_indices, options: {" + opts + "}, filters: [" + filters + "]}}"
	}
	for _, c := range []struct {
		name string
		file string
		o    plan.Options
		want []string
	}{
		{"all", file("", ""), plan.Options{}, []string{"data_stream_write_index", "restore_mark", "unsaved", "write_index", "system_index"}},
		{"off in the file", file("guards: off", ""), plan.Options{}, nil},
		{"off from outside", file("", ""), plan.Options{Guards: &off}, nil},
		{
			"on from outside",
			file("guards: off", ""),
			plan.Options{Guards: &on},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "write_index", "system_index"},
		},
		{
			"a dotted prefix names system indices",
			file("", "{filtertype: pattern, kind: prefix, value: .kibana}"),
			plan.Options{},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "write_index"},
		},
		{
			"so does an escaped dot",
			file("", `{filtertype: pattern, kind: regex, value: '^\.ml'}`),
			plan.Options{},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "write_index"},
		},
		{
			"one taken out names none",
			file("", "{filtertype: pattern, kind: prefix, value: .kibana, exclude: true}"),
			plan.Options{},
			[]string{"data_stream_write_index", "restore_mark", "unsaved", "write_index", "system_index"},
		},
		{
			"running snapshots asked for",
			"actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: state, state: IN_PROGRESS}]}}",
			plan.Options{},
			[]string{"foreign", "mounted", "keep_newest_good"},
		},
		{
			"keep_newest_good: false",
			"actions: {1: {action: delete_snapshots, options: {repository: r, keep_newest_good: false}, filters: []}}",
			plan.Options{},
			[]string{"in_progress", "foreign", "mounted"},
		},
	} {
		p, err := plan.Parse("f", []byte(c.file), c.o)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, guards(p.Steps[0]), c.name)
	}
}

// Where the command lines differ in what they read.
func TestFlavours(t *testing.T) {
	noFilters := "actions: {1: {action: snapshot, options: {repository: r}}}"
	embedded := "actions: {1: {action: snapshot, options: {repository: 'x-${PREFIX}', name: '${PREFIX}-$${PREFIX}'}, filters: []}}"
	whole := "actions:\n  1:\n    action: snapshot\n    options:\n      repository: ${REPO}\n      name: ${NOPE:nightly-%Y}\n" +
		"      max_wait: ${NOPE}\n    filters: []\n"
	for _, f := range []flavour.Flavour{flavour.Native, flavour.Curator5, flavour.Curator8} {
		_, err := plan.Parse("f", []byte(noFilters), options(f))
		require.Equal(t, f == flavour.Native, err == nil, f)
		p, err := plan.Parse("f", []byte(embedded), options(f))
		require.NoError(t, err)
		s := p.Steps[0].Action.(*actions.Snapshot)
		if f == flavour.Native {
			require.Equal(t, []string{"x-ks", "ks-${PREFIX}"}, []string{s.Repository, s.Name})
		} else {
			require.Equal(t, []string{"x-${PREFIX}", "${PREFIX}-$${PREFIX}"}, []string{s.Repository, s.Name})
		}
		p, err = plan.Parse("f", []byte(whole), options(f))
		require.NoError(t, err)
		s = p.Steps[0].Action.(*actions.Snapshot)
		require.Equal(t, []any{"ks-log-snapshots", "nightly-%Y", int64(-1)}, []any{s.Repository, s.Name, s.MaxWait})
		require.Equal(t, f == flavour.Curator8, s.SkipRepoFSCheck, "skip_repo_fs_check by default")
		require.Equal(t, plan.Behaviour(f), p.Behaviour)
	}
	p, err := plan.Parse("f", []byte("actions: {1: {action: snapshot, options: {repository: 'x-${PREFIX}'}, filters: []}}"), plan.Options{})
	require.NoError(t, err)
	require.Equal(t, "x-${PREFIX}", p.Steps[0].Action.(*actions.Snapshot).Repository, "without an environment nothing is substituted")
}

// Ids that are text are in lexical order; repositories alone are a file.
func TestOrderOfIDs(t *testing.T) {
	for file, want := range map[string]string{
		"actions: {b: {action: delete_indices, filters: []}, a10: {action: delete_indices, filters: []}, " +
			"a9: {action: delete_indices, filters: []}}": "a10 a9 b",
		"actions: {10: {action: delete_indices, filters: []}, 9: {action: delete_indices, filters: []}, " +
			"0x0b: {action: delete_indices, filters: []}}": "9 10 11",
		"repositories: {r: {type: fs, settings: {location: /b}}}": "",
	} {
		p, err := plan.Parse("f", []byte(file), options(flavour.Native))
		require.NoError(t, err)
		var ids []string
		for _, s := range p.Steps {
			ids = append(ids, s.ID)
		}
		require.Equal(t, want, strings.Join(ids, " "))
	}
}

// A file with everything in it is told where its other parts belong.
func TestClientSectionsInAnActionFile(t *testing.T) {
	_, err := plan.Parse("f.yml", []byte("client: {hosts: a}\nlogging: {}\nactions: {1: {action: open, filters: []}}"),
		options(flavour.Native))
	require.EqualError(t, err, `f.yml:1:1: unknown key "client"; move it into the client file, which --config names`+"\n"+
		`f.yml:2:1: unknown key "logging"; move it into the client file, which --config names`)
}

// Keys of the action in its options are errors also without a value: what they were
// to narrow would not be.
func TestFiltersAmongTheOptions(t *testing.T) {
	for _, value := range []string{"", "[]", "[{filtertype: none}]"} {
		_, err := plan.Parse("f.yml", []byte("actions: {1: {action: close, options: {ignore_empty_list: true, filters: "+
			value+"}}}"), options(flavour.Native))
		require.EqualError(t, err, `f.yml:1:65: unknown option of close "filters"; move it out of options, to the same level as options`)
	}
}

// What is valid but probably not meant.
func TestFindings(t *testing.T) {
	remove := func(id, filters string) string { return id + ": {action: delete_indices, filters: [" + filters + "]}" }
	file := func(actions ...string) string { return "actions: {" + strings.Join(actions, ", ") + "}" }
	const logs = "{filtertype: pattern, kind: prefix, value: logs-}"
	const byDots = "{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}"
	const takes = "{action: snapshot, options: {repository: r, name: 'a-%Y.%m.%d'}, filters: ["
	for _, c := range []struct {
		name string
		file string
		want []string
	}{
		{"nothing to say", file(remove("1", logs)), nil},
		{
			"by age only",
			file(remove("1", "{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 7}")),
			[]string{"no filter of delete_indices selects by name"},
		},
		{
			"empty filters",
			file(remove("1", "")),
			[]string{"no filter of delete_indices selects by name", "filters is empty: delete_indices selects everything"},
		},
		{
			"a prefix without a separator",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: logstash}")),
			[]string{"the prefix logstash does not end with a separator"},
		},
		{
			"a prefix that takes everything",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: '.*'}")),
			[]string{"no filter of delete_indices selects by name"},
		},
		{
			"a prefix with a wildcard",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: 'logs-*'}")),
			[]string{"prefix logs-*: this is a regular expression: * is not a wildcard, it repeats the letter before it"},
		},
		{"a prefix that is a regular expression", file(remove("1", `{filtertype: pattern, kind: prefix, value: '(logs|web\d*)-.*'}`)), nil},
		{
			"an expression with a wildcard",
			file(remove("1", "{filtertype: pattern, kind: regex, value: '^logs-*'}")),
			[]string{"regex ^logs-*: this is a regular expression: * is not a wildcard"},
		},
		{
			"a prefix with two sides",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: 'logs-|metrics-'}")),
			[]string{"prefix logs-|metrics-: this is a regular expression: the text after |"},
		},
		{"a prefix with two sides in parentheses", file(remove("1", "{filtertype: pattern, kind: prefix, value: '(logs-|metrics-)'}")), nil},
		{
			"parentheses without a separator",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: '(logs|metrics)'}")),
			[]string{"does not end with a separator"},
		},
		{
			"a star without a separator",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: 'logs.*'}")),
			[]string{"does not end with a separator"},
		},
		{"a digit at the end", file(remove("1", `{filtertype: pattern, kind: prefix, value: 'logs-\d'}`)), nil},
		{"a wide expression", file(remove("1", `{filtertype: pattern, kind: regex, value: '^.+-\w+$'}`)), nil},
		{"by alias", file(remove("1", "{filtertype: alias, aliases: old, exclude: false}")), nil},
		{
			"by search_pattern",
			file("1: {action: delete_indices, options: {search_pattern: 'logs-*'}, filters: [{filtertype: age, source: creation_date, " +
				"direction: older, unit: days, unit_count: 7}]}"),
			nil,
		},
		{"by age only, disabled", file("1: {action: delete_indices, options: {disable_action: true}, filters: [{filtertype: none}]}"), nil},
		{
			"an exclude that none has not",
			file(remove("1", logs+", {filtertype: none, exclude: }")),
			[]string{`unknown option of the filter none "exclude"`},
		},
		{
			"a default whose variable is not set",
			"defaults:\n  timeout_override: ${NOT_SET}\nactions: {1: {action: open, filters: [" + logs + "]}}\n",
			[]string{"timeout_override has no value"},
		},
		{
			"a suffix with a wildcard",
			file("1: {action: open, filters: [{filtertype: pattern, kind: suffix, value: 'x*-old'}]}"),
			[]string{"suffix x*-old: this is a regular expression"},
		},
		{
			"all but some",
			file(remove("1", "{filtertype: pattern, kind: regex, value: '^(a|b)$', exclude: true}")),
			[]string{"no filter of delete_indices selects by name"},
		},
		{"dates in the names", file(remove("1", "{filtertype: pattern, kind: timestring, value: '%Y.%m.%d'}")), nil},
		{"an unknown option without a value",
			file("1: {action: close, options: {extra_settings: , ignore_empty_lst: None}, filters: [" + logs + "]}"), []string{
				`unknown option of close "extra_settings"; it has no value and counts as not given`,
				`unknown option of close "ignore_empty_lst"; it has no value and counts as not given; did you mean ignore_empty_list?`,
			}},
		{
			"an unknown option of a filter without a value",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: logs-, bogus: }")),
			[]string{`unknown option of the filter pattern "bogus"; it has no value`},
		},
		{
			"a variable that is not set",
			"actions:\n  1:\n    action: close\n    options:\n      timeout_override: ${NOT_SET}\n    filters: [" + logs + "]\n",
			[]string{"timeout_override has no value: the environment variable NOT_SET is not set"},
		},
		{
			"a variable of a list that is not set, in a disabled action",
			"actions:\n  1:\n    action: restore\n    options:\n      repository: r\n      disable_action: true\n      indices:\n" +
				"      - ${NOT_SET}\n",
			[]string{"indices: an entry counts as not given, as the action is disabled: the environment variable NOT_SET is not set"},
		},
		{"a variable in a description", file("1: {action: close, description: 'older than ${NOT_SET} days', filters: [" + logs + "]}"), nil},
		{
			"an empty exclude",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: logs-, exclude: }")),
			[]string{"exclude is empty: the filter's default is used, which is false"},
		},
		{
			"a snapshot after the deletion",
			file(remove("1", logs), "2: "+takes+logs+"]}"),
			[]string{"the snapshot comes after delete_indices (action 1)"},
		},
		{
			"a snapshot of something else after it",
			file(remove("1", logs), "2: "+takes+"{filtertype: pattern, kind: prefix, value: metrics-}]}"),
			[]string{"it also deletes indices such as logs-2026.10.01"},
		},
		{"a snapshot before it", file("1: "+takes+logs+"]}", remove("2", logs)), nil},
		{
			"a name of every second",
			file("1: {action: snapshot, options: {repository: r, name: 'a-%S'}}"),
			[]string{"the snapshot's name changes every second"},
		},
		{"once_per answers that", file("1: {action: snapshot, options: {repository: r, name: 'a-%S', once_per: day}}"), nil},
		{
			"global state on restore",
			file("1: {action: restore, options: {repository: r, include_global_state: true}}"),
			[]string{"include_global_state on restore"},
		},
		{
			"by age only, with the dotted ones named out",
			file(remove("1", "{filtertype: kibana}, {filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 7}")),
			[]string{"and system indices"},
		},
		{
			"closing by age only",
			file("1: {action: close, filters: [{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 7}]}"),
			[]string{"no filter of close selects by name: on a shared cluster it also closes indices of others and system indices"},
		},
		{
			"an exclude of None, and one of a block of alias",
			file("1: {action: alias, options: {name: al}, add: {filters: [{filtertype: kibana, exclude: None}]}, " +
				"remove: {filters: [{filtertype: none}, {filtertype: closed, exclude: }]}}"),
			[]string{"exclude is empty: the filter's default is used, which is true"},
		},
		{
			"empty excludes of both defaults",
			file(remove("1", logs+", {filtertype: kibana, exclude: },\n {filtertype: shards, number_of_shards: 2, exclude: },\n"+
				" {filtertype: space, disk_space: 1, exclude: }")),
			[]string{
				"f.yml:1:130: exclude is empty: the filter's default is used, which is true",
				"f.yml:2:53: exclude is empty: the filter's default is used, which is false; also in line 3",
			},
		},
		{
			"an exclude of None on a remote cluster",
			file("1: {action: reindex, options: {request_body: {source: {index: REINDEX_SELECTION, remote: {host: 'http://a:9200'}}, " +
				"dest: {index: b}}, remote_filters: [{filtertype: kibana, exclude: None}]}, filters: [{filtertype: none}]}"),
			[]string{"exclude is empty"},
		},
		{
			"two deletions before the snapshot",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: metrics-}"), remove("2", logs), remove("3", logs), "4: "+takes+logs+"]}"),
			[]string{"it also deletes indices such as metrics-2026.10.01", "the snapshot comes after delete_indices (action 2)"},
		},
		{
			"date math of every second",
			file("1: {action: snapshot, options: {repository: r, name: '<a-{now{yyyyMMddHHmmss}}>'}}"),
			[]string{"the snapshot's name changes every second"},
		},
		{"date math of every day", file("1: {action: snapshot, options: {repository: r, name: '<a-{now/d}>'}}"), nil},
		{
			"two series in one",
			file("1: {action: snapshot, options: {repository: r, name: 'x-%Y%m%d', once_per: day}, "+
				"filters: [{filtertype: pattern, kind: prefix, value: a-}]}",
				"2: {action: snapshot, options: {repository: r, name: 'x-%Y%m%d', once_per: day}, "+
					"filters: [{filtertype: pattern, kind: prefix, value: b-}]}",
				"3: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: retain, cover: 400d}]}"),
			[]string{"this action and action 1 take other indices under names of one form"},
		},
		{
			"two series in one, by date math",
			file("1: {action: snapshot, options: {repository: r, name: '<x-{now/d{dd.MM.yy}}>', once_per: day}, "+
				"filters: [{filtertype: pattern, kind: prefix, value: a-}]}",
				"2: {action: snapshot, options: {repository: r, name: '<x-{now/d{dd.MM.yy}}>', once_per: day}, "+
					"filters: [{filtertype: pattern, kind: prefix, value: b-}]}",
				"3: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: retain, cover: 400d}]}"),
			[]string{"this action and action 1 take other indices under names of one form"},
		},
		{"the default name", file("1: {action: snapshot, options: {repository: r}}"), []string{"the snapshot's name changes every second"}},
		{
			"dots, and a prefix with dashes",
			file(remove("1", "{filtertype: pattern, kind: prefix, value: logs-2026-01-}, "+byDots)),
			[]string{"timestring: the prefix logs-2026-01- matches names with dates like 2026-01, in which %Y.%m.%d finds no date"},
		},
		{
			"dots, and a suffix with dashes",
			file(remove("1", byDots+", {filtertype: pattern, kind: suffix, value: '-2026-01-02'}")),
			[]string{"timestring: the suffix -2026-01-02"},
		},
		{
			"dots, and a regex with dashes",
			file(remove("1", `{filtertype: pattern, kind: regex, value: '^logs-\d{4}-\d{2}-\d{2}$'}, `+byDots)),
			[]string{"timestring: the regex ^logs-"},
		},
		{
			"dots, and a regex with escaped dashes",
			file(remove("1", `{filtertype: pattern, kind: regex, value: '^logs-[0-9]{4}\-[0-9]{2}'}, `+byDots)),
			[]string{"timestring: the regex ^logs-"},
		},
		{
			"dots, and another timestring",
			file(remove("1", "{filtertype: pattern, kind: timestring, value: '%Y-%m-%d'}, "+byDots)),
			[]string{"timestring: the timestring %Y-%m-%d"},
		},
		{
			"dots, and a regex with dots",
			file(remove("1", `{filtertype: pattern, kind: regex, value: '^logs-\d{4}\.\d{2}\.\d{2}$'}, `+byDots)),
			nil,
		},
		{"dots, and what is not a date", file(remove("1", "{filtertype: pattern, kind: prefix, value: logs-1234-5678-}, "+byDots)), nil},
		{
			"dots, and dashes that are left out",
			file(remove("1", logs+", {filtertype: pattern, kind: suffix, value: '-2026-01-02', exclude: true}, "+byDots)),
			nil,
		},
		{
			"a token that is none",
			file(remove("1", logs+", {filtertype: age, source: name, timestring: '%Y.%b.%d', direction: older, unit: days, unit_count: 7}")),
			[]string{"timestring: %b is not a date token"},
		},
		{
			"a token that is none, in a pattern",
			file(remove("1", "{filtertype: pattern, kind: timestring, value: '%Y%%m%F'}")),
			[]string{"value: %F is not a date token"},
		},
		{
			"a token that is none, in a name",
			file("1: {action: snapshot, options: {repository: r, name: 'a-%Y-%s%'}}", "2: {action: create_index, options: {name: 'a-%é'}}"),
			[]string{"name: %s is not a date token; it is read as the letter s", "name: %é is not a date token"},
		},
		{"snapshots without the date that is looked for", file("1: {action: snapshot, options: {repository: r, name: 'nightly-%Y%m%d'}}",
			"2: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: pattern, kind: prefix, value: nightly-}, "+byDots+"]}"),
			[]string{"snapshots of action 1 get names like nightly-20261121, in which %Y.%m.%d finds no date"}},
		{"of another repository, or with another prefix", file("1: {action: snapshot, options: {repository: q, name: 'nightly-%Y%m%d'}}",
			"2: {action: snapshot, options: {repository: r, name: 'weekly-%Y%m%d'}}",
			"3: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: pattern, kind: prefix, value: nightly-}, "+byDots+"]}"),
			nil},
		{
			"with the date",
			file("1: {action: snapshot, options: {repository: r, name: 'nightly-%Y.%m.%d'}}",
				"2: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: pattern, kind: prefix, value: nightly-}, "+byDots+"]}"),
			nil,
		},
		{
			"a repository that is not declared",
			"repositories: {q: {type: fs, settings: {location: /b}}}\n" + file("1: {action: restore, options: {repository: r}}"),
			[]string{"repository r is not declared under repositories"},
		},
		{
			"one that is",
			"repositories: {r: {type: fs, settings: {location: /b}}}\n" + file("1: {action: restore, options: {repository: r}}"),
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := plan.Parse("f.yml", []byte(c.file), options(flavour.Native))
			require.NoError(t, err)
			require.Len(t, p.Findings, len(c.want), "%v", p.Findings)
			for i, f := range p.Findings {
				require.Contains(t, f.Error(), c.want[i])
				require.Positive(t, f.Line)
			}
		})
	}
}

// Where both generations of Curator would do different things with a file, as long
// as nothing says which one's manners count.
func TestFindingsOfUndecidedFiles(t *testing.T) {
	const repository, system = "skip_repo_fs_check is not given", "the filters select system indices"
	for file, want := range map[string][]string{
		"actions: {1: {action: snapshot, options: {repository: r, name: s}, filters: [{filtertype: none}]}}": {
			repository, system,
		},
		"actions: {1: {action: snapshot, options: {repository: r, name: s, skip_repo_fs_check: false}, " +
			"filters: [{filtertype: pattern, kind: prefix, value: logs-}]}}": nil,
		"actions: {1: {action: snapshot, options: {repository: r, name: s, skip_repo_fs_check: }, filters: [{filtertype: kibana}]}}": {
			repository,
			system + " such as .security-7",
		},
		"actions: {1: {action: restore, options: {repository: r}, filters: [{filtertype: state}]}}": {
			repository,
		},
		"actions: {1: {action: open, filters: [{filtertype: pattern, kind: prefix, value: .kibana}]}}": {
			system,
		},
		"actions: {1: {action: open, filters: [{filtertype: pattern, kind: regex, " +
			"value: '^(?!\\.).*'}]}}": nil,
		"actions: {1: {action: open, options: {include_hidden: true, search_pattern: '.kibana*'}, " +
			"filters: [{filtertype: none}]}}": nil,
		"actions: {1: {action: open, options: {include_hidden: true}, filters: [{filtertype: none}]}}": {
			system,
		},
		// esnap's own file.
		"actions: {1: {action: snapshot, options: {repository: r, name: s, once_per: day}, " +
			"filters: [{filtertype: none}]}}": nil,
		"actions: {1: {action: restore, options: {repository: r}, " +
			"filters: [{filtertype: good}]}}": nil,
		"defaults: {timeout_override: 9}\nactions: {1: {action: restore, options: {repository: r}, " +
			"filters: [{filtertype: state}]}}": nil,
		"actions: {1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: age, source: creation_date, " +
			"direction: older, unit: days, unit_count: 7}]}}": nil,
		"actions: {1: {action: open}, 2: {action: close, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}, " +
			"3: {action: open, filters: []}}": {
			"the key filters is missing (action 1): Curator's command lines refuse that",
			system + " such as .kibana_1 (actions 1, 3)",
		},
	} {
		for _, undecided := range []bool{true, false} {
			o := options(flavour.Native)
			o.LintBothGenerations, o.LintCuratorStrictness = undecided, undecided
			p, err := plan.Parse("f.yml", []byte(file), o)
			require.NoError(t, err)
			if !undecided {
				want = nil
			}
			require.Len(t, p.Findings, len(want), "%s: %v", file, p.Findings)
			for i, f := range p.Findings {
				require.Contains(t, f.Error(), want[i])
			}
		}
	}
}

// What Curator 8 would not list is said with the warning that there is anyway.
func TestBroadAndUndecided(t *testing.T) {
	const file = "actions: {1: {action: close, filters: [{filtertype: closed}]}}"
	const broad = "it also closes indices of others and system indices, whose names begin with a dot"
	for undecided, want := range map[bool]string{
		true:  broad + "; in Curator's command lines version 5 lists those, version 8 does not: a client file or --compat decides",
		false: broad,
	} {
		o := options(flavour.Native)
		o.LintBothGenerations = undecided
		p, err := plan.Parse("f.yml", []byte(file), o)
		require.NoError(t, err)
		require.Len(t, p.Findings, 1)
		require.Equal(t, "no filter of close selects by name: on a shared cluster "+want, p.Findings[0].Text)
	}
}

// The age-only file of KubeSphere 2.1 to 3.2 deletes what it does not mean
// , and says so.
func TestFindingOfTheStockFile(t *testing.T) {
	p := good(t, stock+"2.1/action_file.yml", flavour.Curator5)
	require.Len(t, p.Findings, 1)
	require.Contains(t, p.Findings[0].Error(), "2.1/action_file.yml:4:5: no filter of delete_indices selects by name")
}

// Whatever the bytes: a plan or an error, never both, and no panic.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yml", "testdata/good/*.yml", "testdata/good/" + stock + "*/action_file.yml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, flavour := range []flavour.Flavour{flavour.Native, flavour.Curator5} {
			p, err := plan.Parse("fuzz", data, options(flavour))
			exactlyOne(t, p, err)
		}
	})
}

// What esnap run refuses and Curator goes on with is a warning on its command lines,
// which a run shows, too.
func TestToleratedOnCuratorsCommandLines(t *testing.T) {
	age := "actions: {1: {action: open, filters: [{filtertype: age, source: creation_date, direction: %s, unit: days, unit_count: %s}]}}"
	for text, says := range map[string]string{
		fmt.Sprintf(age, "older", "-7"):                           "unit_count: -7 is negative",
		fmt.Sprintf(age, "younger", "-7, exclude: true"):          "unit_count: -7 is negative",
		fmt.Sprintf(age, "older", "-1, unit_count_pattern: '(x'"): "unit_count_pattern: regular expression",
		fmt.Sprintf(age, "older", "-1, unit_count_pattern: x"):    "unit_count_pattern: must have a group",
		"actions:\n  1:\n    action: snapshot\n    options:\n      repository: r\n      name: ${NAME:-x}\n" +
			"    filters: []\n": "write ${NAME:default}",
		"actions: {1: {action: reindex, options: {request_body: {source: {index: REINDEX_SELECTED}, dest: {index: a}}}, " +
			"filters: []}}": "write REINDEX_SELECTION for",
		"actions: {1: {action: snapshot, options: {repository: r, name: 'a b'}, filters: []}}": "cannot be the name of the snapshot",
		"actions: {1: {action: create_index, options: {name: Upper}}}":                         "names must be lower case",
	} {
		_, err := plan.Parse("f", []byte(text), options(flavour.Native))
		require.ErrorContains(t, err, says)
		for _, f := range []flavour.Flavour{flavour.Curator5, flavour.Curator8} {
			p, err := plan.Parse("f", []byte(text), options(f))
			require.NoError(t, err, text)
			var said []string
			for _, w := range p.Findings {
				if w.Tolerated {
					said = append(said, w.Error())
				}
			}
			require.Len(t, said, 1, text)
			require.Contains(t, said[0], says)
		}
	}
	for _, fine := range []string{
		fmt.Sprintf(age, "younger", "-7"), fmt.Sprintf(age, "older", "-1, unit_count_pattern: '-([0-9]+)$'"), fmt.Sprintf(age, "older", "0"),
		"actions: {1: {action: snapshot, options: {repository: r, name: '<weekly-{now/w-1w}-{now/w{yyyy.MM.dd}}>'}, filters: []}}",
		"actions: {1: {action: reindex, options: {request_body: {source: {index: a}, dest: {index: '<a-{now/d}>'}}}, filters: []}}",
		"actions: {1: {action: alias, options: {name: Upper}, add: {filters: []}}}",
	} {
		_, err := plan.Parse("f", []byte(fine), options(flavour.Native))
		require.NoError(t, err, fine)
	}
}
