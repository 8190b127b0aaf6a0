package examples

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/internal/tell"
)

// panel is what is tested of a panel.
type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               map[string]string
	GridPos                  struct{ H, W, X, Y int }
	Targets                  []struct {
		RefID, Expr, Format string
		Instant, Range      bool
		Datasource          map[string]string
	}
	FieldConfig     map[string]any
	Options         map[string]any
	Transformations []any
}

// dashboard reads the dashboard.
func dashboard(t *testing.T) (whole map[string]any, panels []panel) {
	t.Helper()
	data, err := os.ReadFile("prometheus/esnap-dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &whole))
	var d struct{ Panels []panel }
	require.NoError(t, json.Unmarshal(data, &d))
	return whole, d.Panels
}

// runs are the last runs of four jobs, as metrics at midday of the first day.
func runs() (list []tell.Sample) {
	at := func(hours int) time.Time { return time.Unix(int64(hours)*3600, 0) }
	for _, s := range []tell.Summary{
		{
			Policy: "nightly", Version: "1.0.0", Began: at(9), Duration: 2 * time.Minute, State: tell.OK, Every: 6 * time.Hour,
			Actions: []tell.Action{
				{Kind: "snapshot", Repository: "b", Duration: time.Minute, Items: map[string]int{"ok": 7}},
				{Kind: "delete_snapshots", Repository: "b", Duration: time.Minute, Items: map[string]int{"ok": 2, "skipped": 1, "refused": 3}},
			},
			Repositories: []tell.Repository{{
				Name:         "b",
				States:       map[string]int{"SUCCESS": 30, "PARTIAL": 1},
				NewestGood:   at(9),
				OldestGood:   at(1),
				ShardsFailed: 2,
			}},
			Uncovered: new(4),
		},
		{Policy: "late", Version: "1.0.0", Began: at(2), Duration: time.Hour, State: tell.OK, Every: 4 * time.Hour},
		{
			Policy: "broken", Version: "0.9.0", Began: at(11), Duration: time.Second, State: tell.Error, Every: time.Hour,
			Actions: []tell.Action{{Kind: "snapshot", Repository: "b", Items: map[string]int{"failed": 1}}},
			// It was started before the others, and knows less of the repository.
			Repositories: []tell.Repository{{Name: "b", States: map[string]int{"SUCCESS": 29}, NewestGood: at(8), OldestGood: at(1)}},
		},
		{Policy: "partial", Version: "1.0.0", Began: at(11), Duration: time.Second, State: tell.Warning, Every: 6 * time.Hour},
	} {
		list = append(list, s.Samples()...)
	}
	return slices.Concat(list,
		tell.ScheduleSamples("nightly", at(15), false), tell.ScheduleSamples("broken", time.Time{}, true),
		[]tell.Sample{
			tell.CodeSample("nightly", 0), tell.CodeSample("broken", 1), tell.FileSample("x.yml", false), tell.FileSample("y.yml", true),
			tell.DrillSample(at(3)),
		},
		tell.CheckSamples("nightly", 2, map[[2]string]int{{"family", "CRITICAL"}: 2}))
}

// results are what the expressions of each panel give for runs.
var results = map[string][]string{
	"Jobs A":            {"{} 4"},
	"Late A":            {"{} 1"},
	"Never succeeded A": {"{} 2"},
	"Failed A":          {"{} 1"},
	"Incomplete A":      {"{} 1"},
	"Refused items A":   {"{} 3"},

	"Jobs now A": {`{policy="nightly"} 0`, `{policy="late"} 0`, `{policy="broken"} 2`, `{policy="partial"} 1`},
	"Jobs now B": {`{policy="nightly"} 32400000`, `{policy="late"} 7200000`, `{policy="broken"} 39600000`, `{policy="partial"} 39600000`},
	"Jobs now C": {`{policy="nightly"} 10800`, `{policy="late"} 36000`},
	"Jobs now D": {`{policy="nightly"} 21600`, `{policy="late"} 14400`, `{policy="broken"} 3600`, `{policy="partial"} 21600`},
	"Jobs now E": {`{policy="nightly"} 0.5`, `{policy="late"} 2.5`},
	"Jobs now F": {`{policy="nightly"} 120`, `{policy="late"} 3600`, `{policy="broken"} 1`, `{policy="partial"} 1`},
	"Jobs now G": {`{policy="nightly"} 0`, `{policy="broken"} 1`},
	"Jobs now H": {`{policy="nightly"} 0`, `{policy="broken"} 1`},
	"Jobs now I": {`{policy="nightly"} 54000000`},
	"Jobs now J": {`{policy="nightly"} 2`},

	"Status A": {`{policy="nightly"} 0`, `{policy="late"} 0`, `{policy="broken"} 2`, `{policy="partial"} 1`},
	"Age of the last success, in intervals A": {`{policy="nightly"} 0.5`, `{policy="late"} 2.5`},
	"Duration of runs A": {
		`{policy="nightly"} 120`, `{policy="late"} 3600`, `{policy="broken"} 1`, `{policy="partial"} 1`,
	},
	"Duration of actions A": {
		`{action="snapshot", policy="nightly", repository="b"} 60`,
		`{action="delete_snapshots", policy="nightly", repository="b"} 60`,
		`{action="snapshot", policy="broken", repository="b"} 0`,
	},
	"Items by result A": {`{result="ok"} 9`, `{result="partial"} 0`, `{result="failed"} 1`, `{result="skipped"} 1`, `{result="refused"} 3`},
	"Items that are not ok A": {
		`{action="delete_snapshots", policy="nightly", result="skipped"} 1`, `{action="delete_snapshots", policy="nightly", result="refused"} 3`,
		`{action="snapshot", policy="broken", result="failed"} 1`,
	},
	"Snapshots by state A": {
		`{repository="b", state="SUCCESS"} 30`, `{repository="b", state="PARTIAL"} 1`,
		`{repository="b", state="FAILED"} 0`, `{repository="b", state="IN_PROGRESS"} 0`,
	},
	"Snapshots by state B":                        {`{repository="b"} 2`},
	"Findings of the check B":                     {`{policy="nightly"} 4`},
	"Age of the newest good snapshot A":           {`{repository="b"} 10800`},
	"Age of the oldest good snapshot A":           {`{repository="b"} 39600`},
	"Findings of the check A":                     {`{about="family", level="CRITICAL", policy="nightly"} 2`},
	"Age of the last restore drill that passed A": {"{} 32400"},
	"Files that are not used A":                   {`{file="x.yml"} 1`},
	"Versions A":                                  {`{version="1.0.0"} 3`, `{version="0.9.0"} 1`},
}

// TestDashboard: the dashboard shows every metric that there is and no other; its panels
// fit beside each other; and promtool finds that each expression gives the numbers that it
// should.
func TestDashboard(t *testing.T) {
	whole, panels := dashboard(t)
	require.Nil(t, whole["id"], "the id of an installation")
	require.Greater(t, whole["schemaVersion"], float64(38))
	variables := map[string]string{}
	for _, v := range at(whole, "templating", "list").([]any) {
		variables[at(v, "name").(string)] = at(v, "type").(string)
	}
	require.Equal(t, map[string]string{"datasource": "datasource", "policy": "query"}, variables)

	samples := runs()
	names, labels, shown := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, x := range samples {
		for _, l := range x.Labels {
			labels[l[0]] = true
		}
	}
	for _, m := range tell.Metrics {
		names[m.Name] = true
	}
	source := map[string]string{"type": "prometheus", "uid": "${datasource}"}
	expressions, ids := map[string]string{}, map[int]bool{}
	for i, p := range panels {
		require.False(t, ids[p.ID], "%s: two panels have the id %d", p.Title, p.ID)
		ids[p.ID] = true
		require.NotEmpty(t, p.Description, p.Title)
		require.Equal(t, source, p.Datasource, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		g := p.GridPos
		require.True(t, g.X >= 0 && g.W >= 4 && g.X+g.W <= 24 && g.H >= 4, p.Title)
		for _, q := range panels[:i] {
			o := q.GridPos
			require.False(t, g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H, "%s lies on %s", p.Title, q.Title)
		}
		for _, target := range p.Targets {
			require.Equal(t, source, target.Datasource, p.Title)
			require.NotEqual(t, target.Instant, target.Range, p.Title)
			require.Equal(t, p.Type == "table", target.Format == "table", p.Title)
			require.Equal(t, p.Type == "table" || p.Type == "stat", target.Instant, p.Title)
			for _, name := range regexp.MustCompile(`\besnap_\w+`).FindAllString(target.Expr, -1) {
				require.True(t, names[name], "%s: there is no metric %s", p.Title, name)
				shown[name] = true
			}
			for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(target.Expr, -1) {
				for label := range strings.SplitSeq(by[1], ", ") {
					require.True(t, labels[label], "%s: there is no label %s", p.Title, label)
				}
			}
			require.Equal(t, strings.Count(target.Expr, "{"), strings.Count(target.Expr, `policy=~"$policy"`), "%s: the choice of jobs", p.Title)
			expressions[p.Title+" "+target.RefID] = strings.ReplaceAll(target.Expr, "$policy", ".*")
		}
	}
	require.Equal(t, sorted(names), sorted(shown), "metrics that no panel shows")
	require.Equal(t, sorted(results), sorted(expressions), "each expression is tested")

	program := promtool(t)
	type values struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	type sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
	type expect struct {
		Expr       string   `yaml:"expr"`
		EvalTime   string   `yaml:"eval_time"`
		ExpSamples []sample `yaml:"exp_samples"`
	}
	var input []values
	for _, x := range samples {
		var pairs []string
		for _, l := range append(slices.Clone(x.Labels), [2]string{"instance", "i"}, [2]string{"job", "esnap"}) {
			pairs = append(pairs, fmt.Sprintf("%s=%q", l[0], l[1]))
		}
		input = append(input, values{x.Name + "{" + strings.Join(pairs, ",") + "}", fmt.Sprintf("%f+0x60", x.Value)})
	}
	var tests []expect
	for _, name := range slices.Sorted(maps.Keys(expressions)) {
		e := expect{Expr: expressions[name], EvalTime: "12h"}
		for _, r := range results[name] {
			i := strings.LastIndex(r, " ")
			var v float64
			_, err := fmt.Sscan(r[i+1:], &v)
			require.NoError(t, err, r)
			e.ExpSamples = append(e.ExpSamples, sample{r[:i], v})
		}
		tests = append(tests, e)
	}
	text, err := yaml.Marshal(map[string]any{
		"evaluation_interval": "15m",
		"tests":               []any{map[string]any{"interval": "15m", "input_series": input, "promql_expr_test": tests}},
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "dashboard.test.yml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	out, err := exec.CommandContext(t.Context(), program, "test", "rules", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestDashboardIsDescribed: the page names every panel, and no other.
func TestDashboardIsDescribed(t *testing.T) {
	_, panels := dashboard(t)
	var titles []string
	for _, p := range panels {
		titles = append(titles, p.Title)
	}
	data, err := os.ReadFile("../docs/notifications.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(data), "\n### Dashboard\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n### ")
	// A title may contain a comma: the longest first.
	text := strings.Join(regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllString(section, -1), "\n")
	slices.SortFunc(titles, func(a, b string) int { return len(b) - len(a) })
	for _, title := range titles {
		require.Contains(t, text, title)
		text = strings.Replace(text, title, "", 1)
	}
	require.Regexp(t, `^[\s|,-]*panel[\s|,-]*$`, text, "panels that there are not")
}

// TestDashboardStatus: the words for a status are those of the metric.
func TestDashboardStatus(t *testing.T) {
	_, panels := dashboard(t)
	found := 0
	for _, p := range panels {
		if p.Type != "state-timeline" {
			continue
		}
		found++
		options := at(p.FieldConfig, "defaults", "mappings", 0, "options")
		for state, text := range map[tell.State]string{tell.OK: "ok", tell.Warning: "incomplete", tell.Error: "failed"} {
			require.Equal(t, text, at(options, fmt.Sprint(int(state)), "text"))
		}
	}
	require.Equal(t, 1, found)
}
