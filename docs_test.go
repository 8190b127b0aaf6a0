// Package esnap_test holds the documentation to the code: what is described is
// there, and what is there is described.
package esnap_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/cmd"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/fromenv"
	"github.com/esnap/esnap/internal/guard"
	"github.com/esnap/esnap/internal/notice"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
	"github.com/esnap/esnap/internal/tell"
	"github.com/esnap/esnap/repository"
)

const modulePath = "github.com/esnap/esnap/"

// document is a Markdown file as sections, each under the path of its headings:
// "Values/Dates in names".
type document map[string]*section

type section struct {
	tables []table
	yaml   []string // fenced blocks
}

type table struct {
	head []string
	rows [][]string
}

// read splits a file into sections; a heading's backquotes are dropped.
func read(t *testing.T, name string) document {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	doc := document{"": {}}
	now, top := doc[""], ""
	var code *strings.Builder
	intable := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case code != nil && strings.HasPrefix(line, "```"):
			now.yaml = append(now.yaml, code.String())
			code = nil
		case code != nil:
			code.WriteString(line + "\n")
		case strings.HasPrefix(line, "```"):
			code = &strings.Builder{}
			if line != "```yaml" {
				code.WriteString("# not YAML\n")
			}
		case strings.HasPrefix(line, "## "):
			top = strings.ReplaceAll(line[3:], "`", "")
			now = &section{}
			doc[top] = now
		case strings.HasPrefix(line, "### "):
			now = &section{}
			doc[top+"/"+strings.ReplaceAll(line[4:], "`", "")] = now
		case strings.HasPrefix(line, "|"):
			cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			switch {
			case !intable:
				now.tables = append(now.tables, table{head: cells})
			case !strings.HasPrefix(line, "|--"):
				last := &now.tables[len(now.tables)-1]
				last.rows = append(last.rows, cells)
			}
			intable = true
			continue
		}
		intable = false
	}
	return doc
}

// under lists the sections below a heading.
func (d document) under(top string) []string {
	var names []string
	for _, path := range slices.Sorted(maps.Keys(d)) {
		if name, ok := strings.CutPrefix(path, top+"/"); ok {
			names = append(names, name)
		}
	}
	return names
}

// tops lists the headings of the second level.
func (d document) tops() []string {
	return slices.DeleteFunc(keys(d), func(path string) bool { return path == "" || strings.Contains(path, "/") })
}

func (d document) section(t *testing.T, path string) *section {
	t.Helper()
	require.Contains(t, d, path, "there is no such heading")
	return d[path]
}

// table finds the table whose first column has the title, as rows by first cell.
func (s *section) table(t *testing.T, first string) map[string][]string {
	t.Helper()
	for _, x := range s.tables {
		if x.head[0] != first {
			continue
		}
		rows := map[string][]string{}
		for _, r := range x.rows {
			require.Len(t, r, len(x.head), "row %v", r)
			key := strings.Trim(r[0], "`")
			require.NotContains(t, rows, key, "described twice")
			rows[key] = r[1:]
		}
		return rows
	}
	require.Failf(t, "no table", "whose first column is %q", first)
	return nil
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// typeOf is how the reference writes the type of a field.
func typeOf(f strictyaml.Field) string {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case len(f.OneOf) > 0:
		return "`" + strings.Join(f.OneOf, "`, `") + "`"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Int64, t.Kind() == reflect.Float64:
		return "number"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Map, t.Kind() == reflect.Struct:
		return "map"
	}
	return "text"
}

// defaultOf is how the reference writes the default of a field; empty where New
// sets none, which is described in words.
func defaultOf(f strictyaml.Field, v reflect.Value) string {
	switch {
	case f.Required:
		return "required"
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice || v.Kind() == reflect.Map || v.Kind() == reflect.Struct:
		return ""
	case v.Kind() == reflect.String && v.String() == "":
		return ""
	case v.Type() == reflect.TypeFor[time.Duration]():
		return "`" + cluster.FormatDuration(time.Duration(v.Int())) + "`"
	}
	return fmt.Sprintf("`%v`", v)
}

// requireFields compares a table of options with the struct they are decoded into.
func requireFields(t *testing.T, s *section, options any) {
	t.Helper()
	v := reflect.ValueOf(options).Elem()
	fields := strictyaml.Fields(v.Type())
	if len(fields) == 0 {
		for _, x := range s.tables {
			require.NotEqual(t, "key", x.head[0], "it has no options")
		}
		return
	}
	rows := s.table(t, "key")
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
		row, ok := rows[f.Name]
		require.True(t, ok, "the option %s is not described", f.Name)
		require.Equal(t, typeOf(f), row[0], "type of %s", f.Name)
		if want := defaultOf(f, v.FieldByIndex(f.Index)); want != "" {
			require.Equal(t, want, row[1], "default of %s", f.Name)
		} else {
			require.NotContains(t, row[1], "`", "default of %s: the code sets none", f.Name)
			require.NotContains(t, []string{"", "required"}, row[1], "default of %s", f.Name)
		}
		require.NotEmpty(t, row[2], "meaning of %s", f.Name)
	}
	require.ElementsMatch(t, names, keys(rows))
}

// The reference of action files, in three pages.
const (
	reference          = "docs/action-file.md"
	referenceOfActions = "docs/actions.md"
	referenceOfFilters = "docs/filters.md"
)

// requireIndex compares the first table of a page with its sections: one row for each,
// in their order, which links to it.
func requireIndex(t *testing.T, name string, names []string) [][]string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	var headings, links, want []string
	for _, m := range regexp.MustCompile("(?m)^## `(.*)`$").FindAllStringSubmatch(string(data), -1) {
		headings = append(headings, m[1])
	}
	require.Equal(t, names, headings)
	index := read(t, name).section(t, "").tables[0]
	for _, r := range index.rows {
		links = append(links, r[0])
	}
	for _, n := range names {
		want = append(want, "[`"+n+"`](#"+n+")")
	}
	require.Equal(t, want, links)
	return index.rows
}

func TestReferenceOfActions(t *testing.T) {
	doc := read(t, referenceOfActions)
	require.Equal(t, keys(actions.Kinds), doc.tops())
	for i, row := range requireIndex(t, referenceOfActions, keys(actions.Kinds)) {
		name := keys(actions.Kinds)[i]
		list := string(actions.Kinds[name].List)
		switch {
		case len(actions.Kinds[name].Slots) > 0:
			list = "its own blocks"
		case list == "":
			list = "nothing"
		}
		require.Equal(t, list, row[2], "%s works on", name)
	}
	requireFields(t, read(t, reference).section(t, "Options that all actions have"), &actions.Common{})
	for name, kind := range actions.Kinds {
		t.Run(name, func(t *testing.T) {
			s := doc.section(t, name)
			requireFields(t, s, kind.New(actions.Own))
			filters, timeout := "optional", "`--timeout`"
			if kind.Deletes {
				filters = "required"
			}
			if kind.Timeout > 0 {
				timeout = cluster.FormatDuration(kind.Timeout)
			}
			list := string(kind.List)
			if list == "" {
				list, filters = "nothing", "none"
			}
			require.Equal(t, map[string][]string{list: {filters, timeout}}, s.table(t, "works on"))
			if len(kind.Slots) > 0 {
				require.ElementsMatch(t, kind.Slots, keys(s.table(t, "block")))
			}
			require.NotEmpty(t, s.yaml, "an example")
		})
	}
}

// TestOptionsByVersion holds the table of options by version: it has every option, in
// esnap's column the reference's default, in Curator's columns the default that its
// manners have or one of a few words, and dashes for what only esnap has and for what
// is listed here.
func TestOptionsByVersion(t *testing.T) {
	described, common := read(t, referenceOfActions), read(t, reference).section(t, "Options that all actions have")
	rows := map[string]map[string][]string{}
	for _, r := range read(t, "docs/migrating-from-curator.md").section(t, "Options by version").tables[0].rows {
		require.Len(t, r, 5, "row %v", r)
		action, option := strings.Trim(r[0], "`"), strings.Trim(r[1], "`")
		if rows[action] == nil {
			rows[action] = map[string][]string{}
		}
		require.NotContains(t, rows[action], option, "%s twice", action)
		rows[action][option] = r[2:]
	}
	only := map[string]int{ // the column in which an option is unknown
		"all include_hidden": 0, "all search_pattern": 0, "cold2frozen index_settings": 0,
		"cold2frozen ignore_index_settings": 0, "cold2frozen wait_for_completion": 0,
		"close ignore_sync_failures": 1, "reindex remote_url_prefix": 1, "reindex remote_ssl_no_validate": 1, "reindex remote_aws_key": 1,
		"reindex remote_aws_secret_key": 1, "reindex remote_aws_region": 1,
	}
	check := func(action string, described *section, options ...any) {
		for _, f := range strictyaml.Fields(reflect.TypeOf(options[0]).Elem()) {
			row, ok := rows[action][f.Name]
			require.True(t, ok, "%s of %s is not there", f.Name, action)
			delete(rows[action], f.Name)
			own := f.Own
			for i, o := range options[:2] {
				column, listed := only[action+" "+f.Name]
				unknown := own || listed && column == i
				require.Equal(t, unknown, row[i] == "—", "column %d of %s of %s: does Curator know it?", i+3, f.Name, action)
				want := defaultOf(f, reflect.ValueOf(o).Elem().FieldByIndex(f.Index))
				switch {
				case unknown || f.Name == "conditions": // without them a rollover fails when it is run
				case want != "":
					require.Equal(t, want, row[i], "column %d of %s of %s", i+3, f.Name, action)
				default:
					require.Contains(t, []string{"none", "by action", "`false`", "`*`, with lists of indices"}, row[i],
						"column %d of %s of %s", i+3, f.Name, action)
				}
			}
			if f.Name == "timeout_override" {
				continue // by action
			}
			require.Equal(t, described.table(t, "key")[f.Name][1], row[2], "default of %s of %s", f.Name, action)
		}
	}
	check("all", common, &actions.Common{}, &actions.Common{})
	for name, kind := range actions.Kinds {
		check(name, described.section(t, name), kind.New(plan.Behaviour(flavour.Curator5)), kind.New(plan.Behaviour(flavour.Curator8)))
	}
	delete(rows["reindex"], actions.RemoteSlot)
	for action, left := range rows {
		require.Empty(t, left, "%s has no such options", action)
	}
}

func TestReferenceOfFilters(t *testing.T) {
	doc := read(t, referenceOfFilters)
	require.Equal(t, keys(filters.Kinds), doc.tops())
	yes := map[bool]string{true: "yes", false: "no"}
	for i, row := range requireIndex(t, referenceOfFilters, keys(filters.Kinds)) {
		kind := filters.Kinds[keys(filters.Kinds)[i]]
		require.Equal(t, []string{yes[kind.Indices], yes[kind.Snapshots]}, row[2:], "%s", row[0])
	}
	for name, kind := range filters.Kinds {
		t.Run(name, func(t *testing.T) {
			s := doc.section(t, name)
			requireFields(t, s, kind.New())
			exclude := fmt.Sprintf("`%t`", kind.Exclude)
			if kind.NoExclude {
				exclude = "not an option"
			}
			require.Equal(t, map[string][]string{yes[kind.Indices]: {yes[kind.Snapshots], exclude}}, s.table(t, "indices"))
			require.NotEmpty(t, s.yaml, "an example")
			action := "snapshot"
			if !kind.Indices {
				action = "delete_snapshots"
			}
			for _, block := range s.yaml {
				file := "actions:\n  1:\n    action: " + action + "\n    options: {repository: r}\n    filters:\n"
				for line := range strings.Lines(block) {
					file += "      " + line
				}
				_, err := plan.Parse(referenceOfFilters+" "+name, []byte(file), plan.Options{})
				require.NoError(t, err, "%s", file)
			}
		})
	}
}

func TestReferenceOfRepositories(t *testing.T) {
	doc := read(t, "docs/repositories.md")
	var typed []string
	types := read(t, reference).section(t, "Repositories").table(t, "key")["type"][1]
	for name, kind := range repository.Kinds {
		require.Contains(t, types, "`"+name+"`")
		if kind.Settings == nil {
			continue
		}
		typed = append(typed, name)
		rows := doc.section(t, "All settings/"+name).table(t, "setting")
		require.Equal(t, keys(kind.Settings), keys(rows), name)
		for setting, s := range kind.Settings {
			form := map[repository.SettingType]string{
				repository.Text: "text", repository.Bool: "boolean", repository.Int: "number", repository.Bytes: "size", repository.Time: "time",
			}[s.Type]
			if len(s.OneOf) > 0 {
				form = "`" + strings.Join(s.OneOf, "`, `") + "`"
			}
			require.Equal(t, form, rows[setting][0], "form of %s", setting)
			require.Equal(t, slices.Contains(kind.Required, setting), strings.HasSuffix(rows[setting][1], "Required"), setting)
		}
	}
	require.ElementsMatch(t, typed, doc.under("All settings"))
}

// TestEveryFileInTheDocumentsParses tries each YAML block that is an action file.
func TestEveryFileInTheDocumentsParses(t *testing.T) {
	isFile := regexp.MustCompile(`(?m)^(actions|repositories):`)
	tried := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "examples/*/*.md", "examples/*/*/*.md"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			for path, s := range read(t, name) {
				for _, block := range s.yaml {
					if strings.HasPrefix(block, "# not YAML") || !isFile.MatchString(block) {
						continue
					}
					tried++
					_, err := plan.Parse(name+" "+path, []byte(block), plan.Options{})
					require.NoError(t, err, "%s", block)
				}
			}
		}
	}
	require.Greater(t, tried, 5)
}

// TestSettingsTable holds the table of docs/settings.md to the settings there are: a key
// is known by the variable that is looked up for it.
func TestSettingsTable(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.yml")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	variables := map[string]bool{}
	effective, err := settings.Load(nil, func(name string) (string, bool) {
		if strings.HasPrefix(name, "ESNAP_") {
			variables[name] = true
		}
		return empty, name == "ESNAP_CONFIG"
	})
	require.NoError(t, err)
	defaults := map[string]string{}
	for _, s := range effective.Show() {
		defaults[s.Key] = s.Value
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.Flags(flags)
	settings.SomeFlags(flags)
	rows := read(t, "docs/settings.md").section(t, "All settings").table(t, "key")
	require.Len(t, rows, len(variables), "%v", keys(variables))
	for key, row := range rows {
		variable := "ESNAP_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
		require.Contains(t, variables, variable)
		require.Equal(t, "`"+variable+"`", row[1])
		if f := flags.Lookup(key); f == nil {
			require.Equal(t, "none", row[0], "flag of %s", key)
		} else {
			require.Contains(t, row[0], "`--"+key+"`")
			require.Equal(t, f.Shorthand != "", strings.Contains(row[0], "`-"+f.Shorthand+"`"), key)
		}
		if d, ok := defaults[key]; ok {
			require.Equal(t, "`"+d+"`", row[2], "default of %s", key)
		} else {
			require.NotContains(t, row[2], "`", "default of %s", key)
		}
	}
}

// TestVariablesOfFromEnv holds the tables of docs/from-env.md to the variables there are.
func TestVariablesOfFromEnv(t *testing.T) {
	doc := read(t, "docs/from-env.md")
	described := map[string]string{}
	for _, section := range doc.under("Variables") {
		for name, row := range doc.section(t, "Variables/"+section).table(t, "variable") {
			require.NotContains(t, described, name, "described twice")
			described[name] = row[0]
			require.NotEmpty(t, row[1], name)
		}
	}
	want := map[string]string{}
	for _, v := range fromenv.Variables {
		want[v.Name] = "none"
		switch v.Default {
		case "":
		case "required":
			want[v.Name] = v.Default
		default:
			want[v.Name] = "`" + v.Default + "`"
		}
	}
	require.Equal(t, want, described)
	for _, v := range settings.Variables() {
		require.NotContains(t, want, v, "two meanings")
	}
}

// TestExitCodesTable compares the reference's table with what esnap help exit-codes says.
func TestExitCodesTable(t *testing.T) {
	var out bytes.Buffer
	app := &cmd.App{In: &out, Out: &out, Err: &out, Env: func(string) (string, bool) { return "", false }, Now: time.Now}
	require.Zero(t, cmd.Main(t.Context(), app, []string{"help", "exit-codes"}))
	_, help, found := strings.Cut(out.String(), "Exit codes:\n")
	require.True(t, found)
	help, _, _ = strings.Cut(help, "\n\n")
	want, described := map[string]string{}, map[string]string{}
	for line := range strings.Lines(help) {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		want[code] = strings.TrimSpace(meaning)
	}
	require.Len(t, want, 7)
	for code, row := range read(t, reference).section(t, "Exit codes").table(t, "code") {
		described[code] = row[0]
	}
	require.Equal(t, want, described)
}

// TestReadmeNamesEverything looks for every command, action and filter.
func TestReadmeNamesEverything(t *testing.T) {
	doc := read(t, "README.md")
	words := func(path, first string) string {
		var all []string
		for key, row := range doc.section(t, path).table(t, first) {
			all = append(all, "`"+key+"`", strings.Join(row, " "))
		}
		return strings.Join(all, " ")
	}
	var out bytes.Buffer
	app := &cmd.App{In: &out, Out: &out, Err: &out, Env: func(string) (string, bool) { return "", false }, Now: time.Now}
	require.Zero(t, cmd.Main(t.Context(), app, []string{"--help"}))
	_, list, _ := strings.Cut(out.String(), "\nCommands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	commands := words("Use it", "command")
	count := 0
	for line := range strings.Lines(list) {
		names := strings.Fields(line)[:1]
		if also, is := strings.CutPrefix(strings.TrimSpace(line), "Also: "); is {
			names = strings.Split(also, ", ")
		}
		for _, name := range names {
			count++
			require.Contains(t, commands, "`"+name+"`")
		}
	}
	require.Greater(t, count, 15)
	today := words("From Curator to esnap in one minute", "")
	for _, name := range slices.Concat(keys(actions.Kinds), keys(filters.Kinds)) {
		require.Contains(t, today, "`"+name+"`")
	}
}

// TestTestedOn holds the table of what is tested where: every action and filter has
// a row, and what is said to be done on real servers occurs in their tests.
func TestTestedOn(t *testing.T) {
	doc := read(t, "docs/tested-on.md")
	legend := doc.section(t, "Cells").table(t, "cell")
	files, err := filepath.Glob("integration/*_test.go")
	require.NoError(t, err)
	forms, err := filepath.Glob("examples/curator/*.yml") // TestCuratorForms runs them
	require.NoError(t, err)
	var done strings.Builder
	for _, name := range slices.Concat(files, forms) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		done.Write(data)
	}
	for _, c := range []struct {
		section, first, key string
		kinds               []string
	}{
		{"Actions", "action", "action: ", keys(actions.Kinds)},
		{"Filters", "filter", "filtertype: ", keys(filters.Kinds)},
	} {
		rows := doc.section(t, c.section).table(t, c.first)
		require.Equal(t, c.kinds, keys(rows))
		for kind, cells := range rows {
			for _, cell := range cells {
				require.Contains(t, legend, cell, "row %s", kind)
			}
			require.Regexp(t, c.key+kind+`\b`, done.String(), "nothing in integration does %s", kind)
		}
	}
	for what, cells := range doc.section(t, "More").table(t, "what") {
		for _, cell := range cells {
			require.Contains(t, legend, cell, "row %s", what)
		}
	}
}

func TestGuardsAreDescribed(t *testing.T) {
	names := map[string]bool{}
	for _, list := range []cluster.ListKind{cluster.Indices, cluster.Snapshots} {
		for _, g := range guard.For(list, guard.Options{
			KeepNewestGood: true,
			Protect:        []string{"*"},
			Periods:        &guard.Periods{},
			Copies:         &guard.Copies{},
			Holds:          []guard.Hold{{}},
		}) {
			names[g.Name()] = true
		}
	}
	for file, path := range map[string]string{reference: "Guards", "docs/safety.md": "Guards"} {
		require.Equal(t, keys(names), keys(read(t, file).section(t, path).table(t, "guard")), file)
	}
}

func TestReportIsDescribed(t *testing.T) {
	doc := read(t, "docs/report.md")
	for path, value := range map[string]any{
		"The report": report.Report{}, "The report/A repository": report.Repository{}, "The report/An action": report.Action{},
		"The report/A family": report.Family{}, "The report/A spared item": report.Spared{}, "The report/An outcome": report.Outcome{},
	} {
		var names, always []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(value)) { // embedded ones, too
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			names = append(names, name)
			if options == "" {
				always = append(always, name)
			}
		}
		rows := doc.section(t, path).table(t, "field")
		require.ElementsMatch(t, names, keys(rows), path)
		for name, row := range rows {
			require.Equal(t, map[bool]string{true: "yes", false: "no"}[slices.Contains(always, name)], row[1], "%s: is %s always there?", path, name)
		}
	}
	require.Contains(t, doc.section(t, "The report").table(t, "field")["schema_version"][2], fmt.Sprint(report.SchemaVersion))
}

// TestNotificationsAreDescribed compares the page with the keys, the metrics and the fields
// that there are, and the example with the keys.
func TestNotificationsAreDescribed(t *testing.T) {
	const page = "docs/notifications.md"
	doc := read(t, page)
	example, err := os.ReadFile("examples/notify.yml")
	require.NoError(t, err)
	for path, of := range map[string]any{
		"Metrics": &notice.Metrics{}, "Metrics/Pushgateway": &notice.Pushgateway{}, "Metrics/StatsD": notice.NewStatsd(),
		"Notify": &notice.Notify{}, "Pings": &notice.Ping{}, "Webhooks": notice.NewWebhook(), "Mail": notice.NewMail(),
	} {
		v := reflect.ValueOf(of).Elem()
		rows := doc.section(t, path).table(t, "key")
		var names []string
		for _, f := range strictyaml.Fields(v.Type()) {
			names = append(names, f.Name)
			row := rows[f.Name]
			require.NotEmpty(t, row, "%s: %s", path, f.Name)
			require.Equal(t, typeOf(f), row[0], "%s: type of %s", path, f.Name)
			require.Equal(t, f.Required, row[1] == "required", "%s: is %s required?", path, f.Name)
			if x := v.FieldByIndex(f.Index); x.Kind() == reflect.String && x.String() != "" {
				require.Equal(t, "`"+x.String()+"`", row[1], "%s: default of %s", path, f.Name)
			}
			require.Contains(t, string(example), f.Name+":", "%s: the example", path)
		}
		require.ElementsMatch(t, names, keys(rows), path)
	}
	var metrics []string
	for _, m := range tell.Metrics {
		metrics = append(metrics, m.Name)
	}
	require.ElementsMatch(t, metrics, keys(doc.section(t, "Metrics").table(t, "metric")))
	rules, err := os.ReadFile("examples/prometheus/esnap.rules.yml")
	require.NoError(t, err)
	var alerts []string
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		alerts = append(alerts, m[1])
	}
	require.ElementsMatch(t, alerts, keys(doc.section(t, "Metrics/Alerts").table(t, "alert")))
	fields := map[string][]string{}
	for _, f := range notice.Fields {
		fields[f.Name] = []string{f.Doc}
	}
	require.Equal(t, fields, doc.section(t, "Webhooks/Fields").table(t, "field"))
	webhook := strictyaml.Fields(reflect.TypeFor[notice.Webhook]())
	presets := webhook[slices.IndexFunc(webhook, func(f strictyaml.Field) bool { return f.Name == "preset" })].OneOf
	require.ElementsMatch(t, presets, keys(doc.section(t, "Webhooks").table(t, "preset")))
}

// TestContributingShowsTheImports holds the packages to the table in
// CONTRIBUTING.md: who may import what of ours.
func TestContributingShowsTheImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	require.NoError(t, err)
	rows := read(t, "CONTRIBUTING.md").section(t, "Who imports what").table(t, "package")
	short := func(path string) string {
		return strings.TrimPrefix(strings.TrimPrefix(path, modulePath), "internal/")
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		list := strings.Fields(line)
		name := short(list[0])
		if name == strings.TrimSuffix(modulePath, "/") || name == "integration" || name == "examples" || name == "docs" {
			continue // tests only
		}
		row, ok := rows[name]
		require.True(t, ok, "package %s is not in the table", name)
		seen[name] = true
		if row[0] == "all" {
			continue
		}
		allowed := strings.Fields(strings.ReplaceAll(row[0], ",", " "))
		for _, path := range list[1:] {
			if strings.HasPrefix(path, modulePath) {
				require.Contains(t, allowed, short(path), "%s must not import %s", name, short(path))
			}
		}
	}
	require.Equal(t, keys(rows), keys(seen))
}

// TestOptionsOfCuratorAreDescribed compares the table with the help text, which
// leaves out a few.
func TestOptionsOfCuratorAreDescribed(t *testing.T) {
	var out bytes.Buffer
	app := &cmd.App{In: &out, Out: &out, Err: &out, Env: func(string) (string, bool) { return "", false }, Now: time.Now}
	require.Zero(t, cmd.Main(t.Context(), app, []string{"curator", "--help"}))
	rows := read(t, "docs/migrating-from-curator.md").section(t, "The command line/Options").table(t, "option")
	described := regexp.MustCompile(`--[\w-]+`).FindAllString(strings.Join(keys(rows), " "), -1)
	_, flags, found := strings.Cut(out.String(), "Flags:\n")
	require.True(t, found)
	for _, option := range regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[\w-]+)`).FindAllStringSubmatch(flags, -1) {
		require.Contains(t, described, option[1])
	}
	require.Contains(t, described, "--hosts")
}

// TestServeIsDescribed: routes, settings and keys of esnap serve are those of the code.
func TestServeIsDescribed(t *testing.T) {
	page := read(t, "docs/serve.md")
	code, err := os.ReadFile("internal/serve/http.go")
	require.NoError(t, err)
	routes := regexp.MustCompile(`HandleFunc\("((?:GET|POST) /[^"]*)"`).FindAllStringSubmatch(string(code), -1)
	require.NotEmpty(t, routes)
	var want []string
	for _, r := range routes {
		want = append(want, strings.NewReplacer("{$}", "", "{name}", "NAME").Replace(r[1]))
	}
	require.ElementsMatch(t, want, keys(page.section(t, "HTTP").table(t, "route")))
	described := page.section(t, "Schedule").table(t, "key")
	for _, f := range strictyaml.Fields(reflect.TypeFor[plan.FileKeys]()) {
		if f.Name == "name" || f.Name == "lock" || f.Name == "history" { // on their own pages
			continue
		}
		require.Contains(t, described, f.Name)
		delete(described, f.Name)
	}
	require.Empty(t, described)
	hooks := keys(page.section(t, "Hooks").table(t, "key"))
	var fields []string
	for _, f := range strictyaml.Fields(reflect.TypeFor[plan.Hooks]()) {
		fields = append(fields, f.Name)
	}
	require.ElementsMatch(t, fields, hooks)
	text, err := os.ReadFile("docs/serve.md")
	require.NoError(t, err)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.SomeFlags(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		if strings.Contains(f.Name, "listen") {
			require.Contains(t, string(text), "`--"+f.Name+"`")
		}
	})
}
