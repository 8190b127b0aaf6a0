package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/repository"
)

var update = flag.Bool("update", false, "write golden files again")

var now = time.Date(2026, 11, 21, 1, 0, 0, 0, time.FixedZone("CET", 3600))

func index(name string) cluster.Item { return &cluster.Index{Name: name} }

func days(prefix string, from, to int) (items []cluster.Item) {
	for d := from; d <= to; d++ {
		items = append(items, index(fmt.Sprintf("%s2026.11.%02d", prefix, d)))
	}
	return items
}

// night is what happens in a run in which something of everything happens.
func night(dryRun bool) []run.Event {
	step := func(id, kind, description string, a actions.Action) plan.Step {
		return plan.Step{ID: id, Kind: kind, Description: description, Action: a}
	}
	take := step("1", "snapshot", "take it", &actions.Snapshot{Repository: "nightly"})
	remove := step("2", "delete_indices", "No description given", &actions.DeleteIndices{})
	expire := step("3", "delete_snapshots", "old ones", &actions.DeleteSnapshots{Repository: "nightly"})
	restore := step("4", "restore", "No description given", &actions.Restore{Repository: "nightly"})
	disabled := step("5", "delete_indices", "later", &actions.DeleteIndices{})
	disabled.Common.DisableAction = true
	left := step("6", "snapshot", "No description given", &actions.Snapshot{Repository: "nightly"})
	events := []run.Event{
		run.Started{File: "night.yml", Now: now, DryRun: dryRun},
		run.Connected{Server: cluster.Server{Text: "6.7.0", Version: cluster.Version{6, 7, 0}}},
		run.Warning{Text: "the certificate is not verified"},
		run.RepositoryReady{State: repository.State{
			Spec:   repository.Spec{Name: "nightly", Type: "fs"},
			Result: cluster.Unchanged,
			Detail: "as declared",
			Holds:  3,
			Drift:  []repository.Difference{{Key: "compress", Have: "true", Want: "false"}},
		}},
		run.RepositoryReady{
			State: repository.State{Spec: repository.Spec{Name: "cold", Type: "s3"}, Result: cluster.Done},
			Err:   cluster.WithHint(errors.New("the bucket is gone:\nreally"), "create the bucket"),
		},
		run.ActionStarting{Step: take},
		run.Selected{Step: take, Listed: 9, Selection: cluster.Selection{
			Selected: slices.Concat(days("ks-logstash-log-", 1, 5), days("b-", 7, 7), []cluster.Item{index("orders")}),
			Spared: []cluster.Spared{
				{Item: index(".kibana"), By: "pattern", Why: "its name does not match the prefix ks"},
				{Item: index("managed"), By: "ilm", Why: "the lifecycle policy p manages it"},
			},
		}},
		run.Outcome{Step: take, Outcome: cluster.Outcome{
			Verb:       cluster.VerbCreate,
			What:       "snapshot",
			Name:       "snap-1",
			Repository: "nightly",
			Result:     cluster.PartlyDone,
			Detail:     "PARTIAL, 7 indices",
			Assumed:    dryRun,
		}},
		run.Warning{Step: &take, Text: "a note of the action"},
		run.ActionDone{Step: take, Result: run.ActionResult{Step: take, Partial: true, Duration: 1234 * time.Millisecond}},
		run.ActionStarting{Step: remove},
		run.Selected{Step: remove, Listed: 20, Selection: cluster.Selection{
			Selected: days("ks-logstash-log-", 1, 3),
			Spared: func() (list []cluster.Spared) {
				for _, i := range days("kept-", 1, 12) {
					list = append(list, cluster.Spared{Item: i, By: "restore_mark", Why: "a restore marked it", Guard: true})
				}
				return list
			}(),
		}},
		run.Outcome{Step: remove, Outcome: cluster.Outcome{
			Verb:    cluster.VerbDelete,
			What:    "index",
			Name:    "ks-logstash-log-2026.11.01",
			Result:  cluster.Done,
			Assumed: dryRun,
		}},
		run.Outcome{Step: remove, Outcome: cluster.Outcome{
			Verb:    cluster.VerbDelete,
			What:    "index",
			Name:    "ks-logstash-log-2026.11.02",
			Result:  cluster.Done,
			Assumed: dryRun,
		}},
		run.Outcome{Step: remove, Outcome: cluster.Outcome{
			Verb:   cluster.VerbDelete,
			What:   "index",
			Name:   "ks-logstash-log-2026.11.03",
			Result: cluster.Failure,
			Err:    cluster.WithHint(errors.New("it is still there\nafter all"), "look"),
		}},
		run.ActionDone{Step: remove, Result: run.ActionResult{
			Step:     remove,
			Err:      cluster.WithHint(errors.New("1 of 3 failed"), "run it again"),
			Guarded:  12,
			Duration: 90 * time.Second,
		}},
		run.ActionStarting{Step: expire},
		run.Selected{Step: expire, Listed: 1},
		run.ActionDone{Step: expire, Result: run.ActionResult{Step: expire, Empty: true}},
		run.ActionStarting{Step: restore},
		run.ActionDone{Step: restore, Result: run.ActionResult{Step: restore, Err: cluster.Refuse("an index is in the way")}},
		run.ActionSkipped{Step: disabled, Reason: run.SkipDisabled, Why: "disable_action is true"},
		run.ActionSkipped{Step: left, Why: "the run ended before it"},
	}
	result := run.Result{
		Err:      cluster.WithHint(errors.New("interrupted"), "what runs in the cluster goes on"),
		Duration: 92500 * time.Millisecond,
	}
	for _, e := range events {
		if done, ok := e.(run.ActionDone); ok {
			result.Actions = append(result.Actions, done.Result)
		}
	}
	return append(events, run.Finished{Result: result})
}

func collect(events []run.Event, code int) *report.Report {
	c := report.NewCollector()
	for _, e := range events {
		c.Observe(e)
	}
	return c.Report(code)
}

func written(t *testing.T, r *report.Report, format string) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.Write(&b, format))
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, format := range report.Formats {
		for name, dryRun := range map[string]bool{"run": false, "dry-run": true} {
			t.Run(name+"."+format, func(t *testing.T) {
				got := written(t, collect(night(dryRun), 1), format)
				file := "testdata/" + name + "." + format + ".golden"
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), got)
				require.Equal(t, got, written(t, collect(night(dryRun), 1), format), "the order is not the same every time")
			})
		}
	}
}

// YAML and JSON are the same value, under the same names.
func TestYAMLIsTheJSON(t *testing.T) {
	r := collect(night(false), 1)
	var fromJSON, fromYAML any
	require.NoError(t, json.Unmarshal([]byte(written(t, r, "json")), &fromJSON))
	require.NoError(t, yaml.Unmarshal([]byte(written(t, r, "yaml")), &fromYAML))
	again, err := json.Marshal(fromYAML)
	require.NoError(t, err)
	want, err := json.Marshal(fromJSON)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(again))
}

// walk calls f with every value of a JSON document and its path.
func walk(path string, v any, f func(path string, v any)) {
	f(path, v)
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			walk(path+"."+k, x, f)
		}
	case []any:
		for _, x := range v {
			walk(path+"[]", x, f)
		}
	}
}

// An error is text or is not there: never {}, null or "". Lists are never null.
func TestJSONHasNoEmptyErrors(t *testing.T) {
	for _, events := range [][]run.Event{night(false), night(true), {run.Finished{}}} {
		var doc any
		require.NoError(t, json.Unmarshal([]byte(written(t, collect(events, 0), "json")), &doc))
		errorsSeen := 0
		walk("", doc, func(path string, v any) {
			require.NotNil(t, v, path)
			require.NotEqual(t, map[string]any{}, v, path)
			if strings.HasSuffix(path, ".error") || strings.HasSuffix(path, ".hint") {
				errorsSeen++
				require.NotEmpty(t, v, path)
				require.IsType(t, "", v, path)
			}
		})
		if len(events) > 1 {
			require.Equal(t, 9, errorsSeen)
		}
		require.Equal(t, float64(report.SchemaVersion), doc.(map[string]any)["schema_version"])
	}
}

// The names of a dry run are made for diff: sorted, each once.
func TestNames(t *testing.T) {
	one := plan.Step{ID: "2", Kind: "snapshot"}
	two := plan.Step{ID: "10", Kind: "delete_indices"}
	again := plan.Step{ID: "11", Kind: "delete_indices"}
	var events []run.Event
	for _, s := range []plan.Step{one, two, again} {
		events = append(events, run.ActionStarting{Step: s}, run.Selected{
			Step:      s,
			Listed:    2,
			Selection: cluster.Selection{Selected: []cluster.Item{index("b"), index("a")}},
		})
	}
	require.Equal(t, "delete_indices/a\ndelete_indices/b\nsnapshot/a\nsnapshot/b\n", written(t, collect(events, 0), "name"))
	require.Empty(t, written(t, collect(nil, 0), "name"))
}

func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  []report.Family
	}{
		{nil, []report.Family{}},
		{[]string{"orders"}, []report.Family{{Family: "orders", Count: 1, First: "orders", Last: "orders"}}},
		{[]string{"z-2026.11.03", "a-2026.11.02", "z-2026.11.01", "a-2026.11.10"}, []report.Family{
			{Family: "a-*", Count: 2, First: "a-2026.11.02", Last: "a-2026.11.10"},
			{Family: "z-*", Count: 2, First: "z-2026.11.01", Last: "z-2026.11.03"}}},
	} {
		given := slices.Clone(c.names)
		require.Equal(t, c.want, report.Families(c.names))
		require.Equal(t, given, c.names, "what it is given is changed")
	}
}

// One word for how an action ended: what is worst wins.
func TestStatus(t *testing.T) {
	for _, c := range []struct {
		r    run.ActionResult
		want string
	}{
		{run.ActionResult{}, "done"},
		{run.ActionResult{Partial: true}, "partial"},
		{run.ActionResult{NotRun: true}, "not_run"},
		{run.ActionResult{Empty: true}, "empty"},
		{run.ActionResult{Err: errors.New("x"), Partial: true, NotRun: true}, "failed"},
		{run.ActionResult{Err: fmt.Errorf("x: %w", cluster.Refuse("no")), Partial: true}, "refused"},
	} {
		require.Equal(t, c.want, report.Status(c.r), "%+v", c.r)
	}
}

// TestErrorsAreSaidOnce: in the list of items or under the action; the last lines name the
// first cause again.
func TestErrorsAreSaidOnce(t *testing.T) {
	step := plan.Step{ID: "1", Kind: "delete_indices", Action: &actions.DeleteIndices{}}
	fails := func(name string, err error) run.Event {
		o := cluster.Outcome{Verb: cluster.VerbDelete, What: "index", Name: name, Result: cluster.Failure, Err: err}
		return run.Outcome{Step: step, Outcome: o}
	}
	failed := func(n, of int, first string, err, also error) error {
		o := cluster.Outcome{Verb: cluster.VerbDelete, What: "index", Name: first, Result: cluster.Failure, Err: err}
		return &run.ItemsFailed{First: o, Failed: n, Total: of, Also: also}
	}
	disk, busy := errors.New("disk full"), errors.New("busy:\nsnapshot")
	for name, c := range map[string]struct {
		outcomes []run.Event
		err      error
		want     string
	}{
		"one": {[]run.Event{fails("a", disk)}, failed(1, 1, "a", disk, nil),
			"   failed index a: disk full\n\n1 action: 1 failed; 0s\nerror: action 1 (delete_indices): index a: disk full\nhint: look\n"},
		"three, two alike": {
			[]run.Event{fails("a", disk), fails("b", busy), fails("c", disk)}, failed(3, 4, "a", disk, nil),
			"   failed 3 indices\n     a, c: disk full\n     b: busy:; snapshot\n   error: 3 of 4 failed\n\n" +
				"1 action: 1 failed; 0s\nerror: action 1 (delete_indices): 3 of 4 failed; the first is index a: disk full\nhint: look\n",
		},
		"many alike": {
			func() (list []run.Event) {
				for _, i := range days("x-", 1, 12) {
					list = append(list, fails(i.ItemName(), disk))
				}
				return list
			}(), failed(12, 12, "x-2026.11.01", disk, nil),
			"x-2026.11.09, x-2026.11.10, and 2 more: disk full\n   error: 12 of 12 failed\n\n",
		},
		"of an item and of the action": {
			[]run.Event{fails("b", busy)}, failed(1, 1, "b", busy, errors.New("interrupted")),
			"   failed index b: busy:; snapshot\n   error: interrupted\n\n",
		},
		"of the action": {nil, disk,
			"(0s)\n   error: disk full\n\n1 action: 1 failed; 0s\nerror: action 1 (delete_indices): disk full\nhint: look\n"},
	} {
		res := run.ActionResult{Step: step, Err: cluster.WithHint(c.err, "look")}
		events := append([]run.Event{run.ActionStarting{Step: step}}, c.outcomes...)
		events = append(events, run.ActionDone{Step: step, Result: res}, run.Finished{Result: run.Result{Actions: []run.ActionResult{res}}})
		text := written(t, collect(events, 1), "table")
		require.Contains(t, text, c.want, name)
		require.Equal(t, 1, strings.Count(text, "hint: look"), name)
	}
}

// A run that ends before its first action is a report, too.
func TestRunThatDidNotBegin(t *testing.T) {
	r := collect([]run.Event{run.Finished{Result: run.Result{
		Err:      &cluster.Error{Op: "ask", Kind: cluster.ErrUnreachable, Text: "no route", Hint: "look at the network"},
		Duration: 10 * time.Second,
	}}}, 3)
	require.Equal(t, "\nno action was run; 10s\nerror: ask: no route\nhint: look at the network\n", written(t, r, "table"))
	require.Equal(t, 3, r.ExitCode)
}
