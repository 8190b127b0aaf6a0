package curator

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/strictyaml"
)

// What users' files depend on: one test for each row K of docs/curator-compatibility.md.

// does runs an action file, requires the exit code and returns all that was said.
func (s *shell) does(want int, file string, args ...string) string {
	s.t.Helper()
	code, out, errs := s.run(append(args, s.file("actions.yml", file))...)
	require.Equal(s.t, want, code, "%s\n%s", file, out+errs)
	return out + errs
}

// doesOn is the same on another cluster than s.c, or at another time.
func (s *shell) doesOn(c cluster.Cluster, now time.Time, want int, file string, args ...string) string {
	s.t.Helper()
	var out bytes.Buffer
	code := Main(context.Background(), Host{
		Out: &out, Err: &out, Now: func() time.Time { return now }, Watch: newHurried(), Local: time.UTC, Version: "test",
		Env:     func(n string) (string, bool) { v, ok := s.env[n]; return v, ok },
		Connect: func(es.Options) (cluster.Cluster, error) { return c, nil },
	}, program, append(args, s.file("actions.yml", file)))
	require.Equal(s.t, want, code, out.String())
	return out.String()
}

// manners runs a test with the defaults of each generation of Curator.
func manners(t *testing.T, test func(t *testing.T, s *shell)) {
	for _, compat := range []string{"5", "8"} {
		t.Run("as version "+compat, func(t *testing.T) {
			s := newShell(t)
			s.env["ESNAP_COMPAT"] = compat
			test(t, s)
		})
	}
}

// one is an action file with one action; filters are in YAML's flow style.
func one(action, options string, filters ...string) string {
	return fmt.Sprintf("actions: {1: {action: %s, options: {%s}, filters: [%s]}}", action, options, strings.Join(filters, ", "))
}

const (
	all   = "{filtertype: none}"
	onX   = "{filtertype: pattern, kind: prefix, value: x-}"
	byDay = "source: name, timestring: '%Y.%m.%d', unit: days, epoch: 1704326400" // 2024-01-04
)

// left says which indices a delete_indices with these filters leaves.
func (s *shell) left(filters ...string) []string {
	s.t.Helper()
	s.does(0, one("delete_indices", "ignore_empty_list: true", filters...))
	return s.indices()
}

// named are the names that the calls of a method were about.
func (s *shell) named(method string) [][]string {
	var list [][]string
	for _, c := range s.c.CallsOf(method) {
		list = append(list, c.Names)
	}
	return list
}

func (s *shell) snapshots(repository string) []string {
	s.t.Helper()
	names, err := cluster.SnapshotNames(context.Background(), s.c, repository)
	require.NoError(s.t, err)
	return names
}

// days are indices x-2024.01.01 and so on.
func days(n ...int) []string {
	var list []string
	for _, d := range n {
		list = append(list, fmt.Sprintf("x-2024.01.%02d", d))
	}
	return list
}

func TestK01WholeFileIsCheckedThenActionsRunInOrder(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("a")
		tried := func(ids string) []string {
			var list []string
			for id := range strings.FieldsSeq(ids) {
				list = append(list, id+": {action: open, filters: ["+all+"]}")
			}
			out := s.does(0, "actions: {"+strings.Join(list, ", ")+"}")
			var order []string
			for _, m := range regexp.MustCompile(`Trying Action ID: (\w+),`).FindAllStringSubmatch(out, -1) {
				order = append(order, m[1])
			}
			return order
		}
		require.Equal(t, []string{"2", "3", "10"}, tried("10 2 3"))
		require.Equal(t, []string{"a10", "a9", "b"}, tried("b a9 a10"))
		s.c.ForgetCalls()
		out := s.does(1, "actions: {1: {action: delete_indices, filters: ["+all+
			"]}, 2: {action: open, options: {max_wait: 1}, filters: ["+all+"]}}")
		require.Contains(t, out, "max_wait")
		require.Empty(t, s.c.Calls(), "a mistake in the last action keeps the first one from running")
	})
}

// The defaults of common options, actions and filters; where the generations differ, first
// 5 and then 8.
func TestK02Defaults(t *testing.T) {
	const waits, starts = "wait_for_completion=true wait_interval=9 max_wait=-1", "wait_for_completion=false wait_interval=3 max_wait=-1"
	value := func(v reflect.Value) string {
		if v.Kind() == reflect.Pointer || v.Kind() == reflect.Map || v.Kind() == reflect.Slice {
			require.Zero(t, v.Interface())
			return ""
		}
		return fmt.Sprint(v)
	}
	requireDefaults := func(what string, options any, want string) {
		v := reflect.ValueOf(options).Elem()
		have := map[string]string{}
		for _, f := range strictyaml.Fields(v.Type()) {
			have[f.Name] = value(v.FieldByIndex(f.Index))
		}
		for pair := range strings.FieldsSeq(want) {
			key, text, _ := strings.Cut(pair, "=")
			require.Contains(t, have, key, what)
			require.Equal(t, text, have[key], "%s: %s", what, key)
		}
	}
	requireDefaults("every action", &actions.Common{}, "disable_action=false ignore_empty_list=false continue_if_exception=false "+
		"timeout_override= allow_ilm_indices=false include_hidden= search_pattern=")
	for n, f := range []flavour.Flavour{flavour.Curator5, flavour.Curator8} {
		check := fmt.Sprintf(" skip_repo_fs_check=%t", n == 1)
		for kind, want := range map[string]string{
			"snapshot":         "name=curator-%Y%m%d%H%M%S ignore_unavailable=false include_global_state=true partial=false " + waits + check,
			"delete_snapshots": "retry_interval=120 retry_count=3",
			"restore": "name= indices= include_aliases=false ignore_unavailable=false include_global_state=false partial=false " +
				"rename_pattern= rename_replacement= extra_settings= " +
				waits + check,
			"alias":           "extra_settings= warn_if_no_indices=false",
			"allocation":      "value= allocation_type=require " + starts,
			"close":           "delete_aliases=false skip_flush=false ignore_sync_failures=false",
			"cluster_routing": starts,
			"create_index":    "extra_settings= ignore_existing=false",
			"forcemerge":      "delay=0",
			"index_settings":  "ignore_unavailable=false preserve_existing=false",
			"replicas":        starts,
			"rollover":        "new_index= extra_settings= wait_for_active_shards=0",
		} {
			requireDefaults(kind, actions.Kinds[kind].New(plan.Behaviour(f)), want)
		}
	}
	for kind, want := range map[string]string{
		"age": "stats_result=min_value epoch=0", "count": "use_age=false reverse=true stats_result=min_value pattern=",
		"period": "period_type=relative week_starts_on=sunday intersect=false stats_result=min_value epoch=0",
		"space":  "threshold_behavior=greater_than use_age=false reverse=true stats_result=min_value",
		"size":   "threshold_behavior=greater_than size_behavior=primary", "allocated": "allocation_type=require",
		"shards": "shard_filter_behavior=greater_than", "state": "state=SUCCESS",
	} {
		requireDefaults(kind, filters.Kinds[kind].New(), want)
	}
	for kind, want := range map[string]bool{
		"age": false, "alias": false, "allocated": true, "closed": true, "count": true, "empty": false, "forcemerged": true, "ilm": true,
		"kibana": true, "opened": true, "pattern": false, "period": false, "shards": false, "size": false, "space": false, "state": false,
	} {
		require.Equal(t, want, filters.Kinds[kind].Exclude, "exclude of %s", kind)
	}
	for kind, want := range map[string]time.Duration{
		"forcemerge": 6 * time.Hour, "restore": 6 * time.Hour, "snapshot": 6 * time.Hour,
		"close": 3 * time.Minute, "delete_snapshots": 5 * time.Minute,
		"alias": 0, "delete_indices": 0, "open": 0, "replicas": 0, "rollover": 0,
	} {
		require.Equal(t, want, actions.Kinds[kind].Timeout, "timeout_override of %s", kind)
	}
	s := newShell(t)
	s.c.AddIndices(days(1, 2, 3)...)
	require.Equal(t, days(2, 3), s.left(onX, "{filtertype: count, count: 2}"), "count protects the last")
}

func TestK03AgeIsStrictAndPeriodInclusive(t *testing.T) {
	age := func(direction string) string {
		return "{filtertype: age, direction: " + direction + ", unit_count: 1, " + byDay + "}"
	}
	for filter, left := range map[string][]string{
		age("older"):   days(3, 4, 5), // the reference point is 3 January, 00:00
		age("younger"): days(1, 2, 3),
		"{filtertype: period, range_from: -2, range_to: -1, " + byDay + "}": days(1, 4, 5),
	} {
		s := newShell(t)
		s.c.AddIndices(days(1, 2, 3, 4, 5)...)
		require.Equal(t, left, s.left(onX, filter), filter)
	}
	for unit, days := range map[string]int{"months": 30, "years": 365} {
		s := newShell(t)
		for name, more := range map[string]time.Duration{"before": -time.Second, "at": 0, "after": time.Second} {
			s.c.AddIndex(cluster.Index{Name: name, Created: time.Unix(1500000000, 0).AddDate(0, 0, -days).Add(more)})
		}
		require.Equal(t, []string{"after", "at"},
			s.left("{filtertype: age, source: creation_date, direction: older, unit: "+unit+", unit_count: 1, epoch: 1500000000}"), unit)
	}
}

func TestK04WithoutADateAnIndexIsNeverSelected(t *testing.T) {
	for _, filter := range []string{
		"{filtertype: age, direction: older, unit_count: 1, exclude: true, " + byDay + "}",
		"{filtertype: age, direction: older, unit_count: 1, " + byDay + "}",
		"{filtertype: period, range_from: -2, range_to: -1, exclude: true, " + byDay + "}",
		"{filtertype: count, count: 1, use_age: true, source: name, timestring: '%Y.%m.%d', exclude: true}",
	} {
		s := newShell(t)
		s.c.AddIndices(append(days(1, 2, 3, 4), "x-nodate")...)
		left := s.left(onX, filter)
		require.Contains(t, left, "x-nodate", filter)
		require.Less(t, len(left), 5, "%s selects something", filter)
	}
}

func TestK05PatternsAreInsertedAsTheyAre(t *testing.T) {
	names := []string{"axb", "a.b-1", "by", "x12", "x.2", "z"}
	for filter, left := range map[string][]string{
		"kind: prefix, value: 'x.2|y'":        {"a.b-1", "axb", "z"},          // ^x.2|y.*$: no escaping, no grouping, searched
		"kind: suffix, value: '1|x'":          {"axb", "by", "x.2", "z"},      // ^.*1|x$
		"kind: regex, value: x":               {"a.b-1", "by", "z"},           // anywhere
		"kind: regex, value: '^(?!a|x).*$'":   {"a.b-1", "axb", "x.2", "x12"}, // what RE2 cannot
		`kind: regex, value: '^(\w)(?:.)\1'`:  {"a.b-1", "axb", "by", "x.2", "x12", "z"},
		"kind: timestring, value: '%y'":       {"a.b-1", "axb", "by", "x.2", "z"},
		"kind: prefix, value: x, exclude: no": {"a.b-1", "axb", "by", "z"},
	} {
		s := newShell(t)
		s.c.AddIndices(names...)
		require.Equal(t, left, s.left("{filtertype: pattern, "+filter+"}"), filter)
	}
}

// Managed indices go out of every action on indices, after the filters of the file:
// what count protects is counted with them.
func TestK06ManagedIndicesAreLeftOutAfterTheFilters(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		add := func() {
			s.c.AddIndices("x-1", "x-2")
			s.c.AddIndex(cluster.Index{Name: "x-3", Lifecycle: "policy", Stats: &cluster.IndexStats{Docs: 1, Bytes: 1 << 30, PrimaryBytes: 1 << 30}})
		}
		add()
		require.Equal(t, []string{"x-3"}, s.left(onX, "{filtertype: count, count: 1}"), "the managed one is the one that count protects")
		add()
		require.Equal(t, []string{"x-3"}, s.left(onX, "{filtertype: space, disk_space: 1}"), "the sum has the managed one in it")
		add()
		s.c.AddRepository(cluster.Repository{Name: "r"})
		for action, options := range map[string]string{
			"snapshot": "repository: r, name: s", "close": "", "open": "", "replicas": "count: 1", "allocation": "key: k, value: v",
			"index_settings": "index_settings: {index: {refresh_interval: 5s}}", "delete_indices": "",
		} {
			s.c.ForgetCalls()
			only := "{filtertype: pattern, kind: regex, value: '^x-3$'}"
			s.does(1, one(action, options, only))
			require.Empty(t, s.c.Writes(), "%s has nothing to do", action)
		}
		out := s.does(0, one("delete_indices", "allow_ilm_indices: true", onX))
		require.Contains(t, out, "WARNING", "allow_ilm_indices is warned about")
		require.Empty(t, s.indices())
	})
}

// What an empty list and what another failure do.
func TestK07EmptyListsAndFailures(t *testing.T) {
	for _, c := range []struct {
		options string
		empty   bool
		code    int
		goesOn  bool
	}{
		{"", true, 1, false},
		{"", false, 1, false},
		{"ignore_empty_list: true", true, 0, true},
		{"ignore_empty_list: true", false, 1, false},
		{"continue_if_exception: true", true, 1, false},
		{"continue_if_exception: true", false, 0, true},
		{"ignore_empty_list: true, continue_if_exception: true", true, 0, true},
		{"ignore_empty_list: true, continue_if_exception: true", false, 0, true},
	} {
		for _, action := range []string{"delete_indices", "delete_snapshots"} {
			manners(t, func(t *testing.T, s *shell) {
				now := time.Now()
				s.c.AddIndices("x-1")
				for n, name := range []string{"x-1", "x-2"} {
					s.c.AddSnapshot("r", cluster.Snapshot{Name: name, Start: now.Add(time.Duration(n-5) * time.Hour)})
				}
				s.c.Fault = func(method string, _ []string) error {
					if method == "DeleteIndices" || method == "DeleteSnapshots" {
						return cluster.ErrForbidden
					}
					return nil
				}
				filter, repository := onX, ""
				if c.empty {
					filter = "{filtertype: pattern, kind: prefix, value: nothing-}"
				}
				if action == "delete_snapshots" {
					repository = "repository: r, "
				}
				first := "action: " + action + ", options: {" + repository + c.options + "}, filters: [" + filter + "]"
				s.does(c.code, "actions: {1: {"+first+"}}")
				s.does(c.code, "actions: {1: {"+first+"}, 2: {action: open, filters: ["+onX+"]}}")
				require.Equal(t, c.goesOn, len(s.c.CallsOf("OpenIndices")) == 1, "%s {%s}, empty: %t", action, c.options, c.empty)
			})
		}
	}
}

// A running snapshot is not waited for where the server takes one at a time; one
// that is not whole fails the action, partial or not; what is in it is named.
func TestK08SnapshotsAreWholeAndDoNotWait(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c = memory.New(memory.Elasticsearch("6.7.0"))
		s.c.AddIndices("x-2", "x-1", "other")
		s.c.AddRepository(cluster.Repository{Name: "r"})
		s.c.AddRepository(cluster.Repository{Name: "theirs"})
		s.c.AddOperation(cluster.Operation{Kind: cluster.OpSnapshot, Repository: "theirs", Snapshot: "nightly"}, -1)
		out := s.does(1, one("snapshot", "repository: r, name: s", onX))
		require.Contains(t, out, "theirs/nightly")
		require.Len(t, s.c.CallsOf("CreateSnapshot"), 1, "it is not tried again")
		s.c.Finish()
		s.does(0, one("snapshot", "repository: r, name: s", onX))
		req := s.c.CallsOf("CreateSnapshot")[1].Request.(cluster.CreateSnapshot)
		require.Equal(t, []string{"x-1", "x-2"}, req.Indices, "named, and in order")
	})
	for name, ends := range map[string]func(*cluster.Snapshot){"PARTIAL": memory.EndPartial("x-1"), "FAILED": memory.EndFailed("no space")} {
		for _, options := range []string{"", ", partial: true", ", partial: true, continue_if_exception: true"} {
			manners(t, func(t *testing.T, s *shell) {
				s.c.AddIndices("x-1")
				s.c.AddRepository(cluster.Repository{Name: "r"})
				s.c.SnapshotEnds = ends
				passed := strings.Contains(options, "continue")
				code := map[bool]int{true: 0, false: 1}[passed]
				out := s.does(code, "actions: {1: {action: snapshot, options: {repository: r, name: s"+options+"}, filters: ["+onX+
					"]}, 2: {action: delete_indices, filters: ["+onX+"]}}")
				require.Contains(t, out, name)
				require.Equal(t, []string{"s"}, s.snapshots("r"), "it is left in place")
				require.Equal(t, []string{"x-1"}, s.indices(), "what is in no good snapshot is not deleted: %s%s", name, options)
				require.Equal(t, passed, strings.Contains(out, "unsaved") || strings.Contains(out, "contains no complete copy"),
					"a guard keeps it where the next action runs: %s", out)
			})
		}
	}
}

// The newest of what the filters leave is taken, then judged; a name is looked up
// in the whole repository, and means itself.
func TestK09WhatRestoreTakes(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		now := time.Now()
		for n, state := range []cluster.State{cluster.Success, cluster.Success, cluster.Partial, cluster.Success} {
			name := fmt.Sprintf("s-%d", n+1)
			index := fmt.Sprintf("x-%d", n+1)
			s.c.AddSnapshot("r", cluster.Snapshot{
				Name:    name,
				State:   state,
				Start:   now.Add(time.Duration(n-9) * time.Hour),
				Indices: []string{index},
			})
		}
		upTo := func(last string) string { return "{filtertype: pattern, kind: regex, value: '^s-[1-" + last + "]$'}" }
		s.does(0, one("restore", "repository: r", upTo("2")))
		require.Equal(t, []string{"x-2"}, s.indices(), "the newest of those that are left")
		out := s.does(1, one("restore", "repository: r", upTo("3")))
		require.Contains(t, out, "PARTIAL", "not the newest good one instead")
		require.Equal(t, []string{"x-2"}, s.indices())
		s.does(0, one("restore", "repository: r, partial: true", upTo("3")))
		require.Equal(t, []string{"x-2", "x-3"}, s.indices())
		s.does(0, one("restore", "repository: r, name: s-4", upTo("1")))
		require.Equal(t, []string{"x-2", "x-3", "x-4"}, s.indices(), "filters do not restrict a name")
		s.does(1, one("restore", "repository: r, name: s-4", "{filtertype: pattern, kind: prefix, value: none-}"))
		s.does(1, one("restore", "repository: r, name: s-5", all))
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s-%y", Start: now, Indices: []string{"x-5"}})
		s.does(0, one("restore", "repository: r, name: 's-%y'", all))
		require.Contains(t, s.indices(), "x-5", "no strftime in it")
	})
}

func TestK10NamesAreRenderedInUTC(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		s.c.AddRepository(cluster.Repository{Name: "r"})
		now := time.Date(2026, 11, 22, 4, 4, 5, 0, time.FixedZone("east", 5*3600))
		for name, want := range map[string]string{
			"a-%Y.%m.%d": "a-2026.11.21", "a-%H%M%S": "a-230405", "a-%y%j%U%V%G-%W": "a-2632546472026-46", "a-%q-%%-%s%": "a-q--s",
			"<b-{now/d}>": "b-2026.11.21",
		} {
			s.c.ForgetCalls()
			s.doesOn(s.c, now, 0, one("snapshot", "repository: r, name: '"+name+"'", onX))
			require.Equal(t, [][]string{{want}}, s.named("CreateSnapshot"), name)
		}
		s.doesOn(s.c, now, 0, "actions: {1: {action: create_index, options: {name: 'i-%Y.%m.%d'}}}")
		require.Contains(t, s.indices(), "i-2026.11.21")
		s.doesOn(s.c, now, 0, "actions: {1: {action: alias, options: {name: 'al-%Y'}, add: {filters: ["+onX+"]}}}")
		require.Equal(t, "al-2026", s.c.CallsOf("UpdateAliases")[0].Request.(cluster.UpdateAliases).Actions[0].Alias)
	})
}

func TestK11AliasRemovesBeforeItAddsInOneRequest(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1", "x-2", "y-1")
		s.c.SetAlias("x-1", "al", false)
		y := "{filtertype: pattern, kind: prefix, value: y-}"
		alias := func(options, add, remove string) string {
			return "actions: {1: {action: alias, options: {name: al" + options + "}, add: {filters: [" + add +
				"]}, remove: {filters: [" + remove + "]}}}"
		}
		s.does(0, alias(", extra_settings: {routing: '1'}", y, onX))
		calls := s.c.CallsOf("UpdateAliases")
		require.Len(t, calls, 1)
		require.Equal(t, []cluster.AliasAction{
			{Remove: true, Index: "x-1", Alias: "al"}, // x-2 has no such alias
			{Index: "y-1", Alias: "al", Extra: map[string]any{"routing": "1"}},
		}, calls[0].Request.(cluster.UpdateAliases).Actions)
		none := "{filtertype: pattern, kind: prefix, value: none-}"
		for _, file := range []string{alias("", none, y), alias("", onX, none)} {
			s.c.ForgetCalls()
			s.does(1, file)
			require.Empty(t, s.c.Writes(), "one empty side abandons the other")
		}
		s.does(0, alias(", warn_if_no_indices: true", onX, none))
		require.Len(t, s.c.CallsOf("UpdateAliases"), 1)
	})
}

func TestK12SpaceIsARunningTotalAndSizeIsOfPrimaries(t *testing.T) {
	for filter, left := range map[string][]string{
		"{filtertype: space, disk_space: 5}":                                         days(4, 5), // 4, 4+3: over the limit with the third
		"{filtertype: space, disk_space: 7}":                                         days(3, 4, 5),
		"{filtertype: space, disk_space: 5, exclude: true}":                          days(1, 2, 3, 5),
		"{filtertype: space, disk_space: 5, threshold_behavior: less_than}":          days(1, 2, 3, 5),
		"{filtertype: size, size_threshold: 1}":                                      days(1, 2, 5), // primaries have half of it
		"{filtertype: size, size_threshold: 2, size_behavior: total}":                days(1, 2, 5),
		"{filtertype: size, size_threshold: 2, size_behavior: total, exclude: true}": days(3, 4, 5),
	} {
		s := newShell(t)
		for n, name := range days(1, 2, 3, 4, 5) {
			size := int64(n+1) << 30
			s.c.AddIndex(cluster.Index{Name: name, Stats: &cluster.IndexStats{Docs: 1, Bytes: size, PrimaryBytes: size / 2}})
		}
		s.c.CloseIndex("x-2024.01.05")
		require.Equal(t, left, s.left(onX, filter), "%s; a closed one is dropped", filter)
	}
}

func TestK13WaysToWriteValues(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.env["PREFIX"], s.env["EMPTY"] = "x-", ""
		file := `
actions:
  1:
    action: delete_indices
    options:
      timeout_override:
      ignore_empty_list: 'YES'
      disable_action: "off"
      continue_if_exception: None
    filters:
    - filtertype: pattern
      kind: prefix
      value: ${PREFIX}
      exclude:
    - filtertype: age
      source: name
      timestring: '%Y.%m.%d'
      direction: ${NOPE:older}
      unit: days
      unit_count: ' 1_0 '
      epoch: None
      stats_result:
      exclude: enable
  2:
    action: replicas
    options: {count: 1.9, max_wait: '-1', wait_interval: 5.9}
    filters: [{filtertype: pattern, kind: regex, value: y}]
`
		s.c.AddIndices(day("x-", 5), day("x-", 15), "y-1")
		s.does(0, file)
		require.Equal(t, []string{day("x-", 15), "y-1"}, s.indices(), "exclude: enable is true, the epoch is now, ten days are ten")
		require.Equal(t, "1",
			s.c.CallsOf("PutIndexSettings")[0].Request.(cluster.PutIndexSettings).Flat()["index.number_of_replicas"],
			"cut off, not rounded")
		for _, literal := range []string{`"${PREFIX}"`, `'${PREFIX}'`, `a${PREFIX}`} {
			s.c.ForgetCalls()
			file := strings.Replace(file, "${PREFIX}", literal, 1)
			if code, _, _ := s.run(s.file("a.yml", file)); code == 0 {
				require.Empty(t, s.c.CallsOf("DeleteIndices"), "%s is that text", literal)
			}
		}
		for _, wrong := range []string{"disable_action: 1", "ignore_empty_list: [yes]", "timeout_override: soon"} {
			s.does(1, one("delete_indices", wrong, onX))
		}
		s.does(1, one("delete_indices", "", "{filtertype: pattern, kind: prefix, value: None}"))
		s.does(1, one("delete_indices", "", "{filtertype: pattern, kind: prefix, value: 2017}"))
	})
}

func TestK14ActionsThatNeedOpenIndicesLeaveClosedOnesOut(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddRepository(cluster.Repository{Name: "r"})
		for _, c := range []struct {
			action, options, method string
			closed                  bool
		}{
			{"close", "", "OpenIndices", false},
			{"allocation", "key: k, value: v", "PutIndexSettings", false},
			{"replicas", "count: 1", "PutIndexSettings", false},
			{"forcemerge", "max_num_segments: 1", "ForcemergeIndex", false},
			{"open", "", "OpenIndices", true},
			{"index_settings", "index_settings: {index: {refresh_interval: 5s}}", "PutIndexSettings", true},
			{"snapshot", "repository: r, name: s", "CreateSnapshot", true},
			{"delete_indices", "", "DeleteIndices", true},
			{"shrink", "shrink_node: n1, node_filters: {permit_masters: true}, number_of_replicas: 0", "ShrinkIndex", false},
		} {
			many := 5
			s.c.AddIndex(cluster.Index{Name: "x-1", Segments: &many, Primaries: 4})
			s.c.AddIndex(cluster.Index{Name: "x-2", Closed: true})
			s.c.ForgetCalls()
			s.does(0, one(c.action, c.options, onX))
			names := s.named(c.method)[0]
			if c.method == "CreateSnapshot" {
				names = s.c.CallsOf(c.method)[0].Request.(cluster.CreateSnapshot).Indices
			}
			require.Equal(t, c.closed, slices.Contains(names, "x-2"), "%s: %v", c.action, names)
			require.Contains(t, names, "x-1")
			if c.closed {
				continue
			}
			only := "{filtertype: pattern, kind: regex, value: '^x-2$'}"
			s.c.AddIndex(cluster.Index{Name: "x-2", Closed: true})
			s.does(1, one(c.action, c.options, only))
			s.does(0, one(c.action, c.options+map[bool]string{true: ", "}[c.options != ""]+"ignore_empty_list: true", only))
		}
	})
}

func TestK15TimesAndWaits(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices(day("x-", 3), day("x-", 1))
		require.Equal(t, []string{day("x-", 1)},
			s.left(onX, "{filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 2, epoch: 0}"),
			"epoch 0 is now")

		request := func(action, options, method string) time.Duration {
			many := 9
			s.c.AddIndex(cluster.Index{Name: "x-1", Segments: &many})
			for n := range 3 {
				s.c.AddSnapshot("r", cluster.Snapshot{Name: fmt.Sprintf("x-%d", n), Start: time.Now().Add(time.Duration(n-9) * time.Hour)})
			}
			s.c.ForgetCalls()
			s.does(0, one(action, options, onX))
			return s.c.CallsOf(method)[0].Timeout
		}
		require.Equal(t, 6*time.Hour, request("forcemerge", "max_num_segments: 1", "ForcemergeIndex"))
		require.Equal(t, 5*time.Minute, request("delete_snapshots", "repository: r", "DeleteSnapshots"))
		require.Equal(t, 7*time.Second, request("delete_snapshots", "repository: r, timeout_override: 7", "DeleteSnapshots"))
		require.Zero(t, request("delete_indices", "", "DeleteIndices"), "the client's")
		require.Equal(t, 5*time.Minute, request("delete_snapshots", "repository: r, timeout_override: 0", "DeleteSnapshots"),
			"0 counts as not given")
	})
	s := newShell(t)
	s.c.AddIndices("x-1")
	s.c.AddRepository(cluster.Repository{Name: "r"})
	s.does(0, one("snapshot", "repository: r, name: s1, max_wait: 0, wait_interval: 30", onX))
	require.Len(t, s.c.CallsOf("Snapshot"), 1, "the first look comes at once")
	s.c.ForgetCalls()
	s.c.SnapshotPolls = -1
	out := s.does(1, one("snapshot", "repository: r, name: s2, max_wait: 0, wait_interval: 30", onX))
	require.Contains(t, out, "max_wait")
	require.Len(t, s.c.CallsOf("Snapshot"), 1, "and with max_wait 0 is the only one")
	require.Equal(t, []string{"s1", "s2"}, s.snapshots("r"), "what was started goes on")
	s.c.ForgetCalls()
	s.c.SnapshotPolls = 3
	s.does(0, one("snapshot", "repository: r, name: s3, max_wait: -1", onX))
	require.Greater(t, len(s.c.CallsOf("Snapshot")), 1)
}

func TestK16RolloversThatNeedNotBeAreDone(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		roll := func(options string) string {
			return "actions: {1: {action: rollover, options: {name: al, conditions: {max_docs: 100}" + options + "}}}"
		}
		s.c.AddIndex(cluster.Index{Name: "x-000001", Aliases: []string{"al"}})
		s.does(0, roll(""))
		require.Empty(t, s.c.Writes(), "the condition is not met")
		s.c.AddIndex(cluster.Index{Name: "x-000001", Aliases: []string{"al"}, Lifecycle: "policy", Stats: &cluster.IndexStats{Docs: 1000}})
		s.does(0, roll(""))
		require.Empty(t, s.c.Writes(), "its policy rolls it over")
		s.does(0, roll(", allow_ilm_indices: true"))
		require.Len(t, s.c.CallsOf("Rollover"), 1)
	})
}

// An empty list of filters, and none, mean everything; where something is deleted
// that is warned about, and done.
func TestK17NoFilterMeansEverything(t *testing.T) {
	for _, filter := range []string{"", all} {
		manners(t, func(t *testing.T, s *shell) {
			s.c.AddIndices("a", "b")
			require.Empty(t, s.left(filter))
			require.Regexp(t, "WARNING .*everything", func() string {
				s.c.AddIndices("a")
				return s.does(0, one("delete_indices", "", filter))
			}())
			s.c.AddIndices("a", "b")
			s.c.AddRepository(cluster.Repository{Name: "r"})
			out := s.does(0, one("snapshot", "repository: r, name: s", filter))
			require.NotContains(t, out, "WARNING", "taking a snapshot of everything is what one does")
			require.Equal(t, []string{"a", "b"}, s.c.CallsOf("CreateSnapshot")[0].Request.(cluster.CreateSnapshot).Indices)
			for n, name := range []string{"s-1", "s-2"} {
				s.c.AddSnapshot("q", cluster.Snapshot{Name: name, Start: time.Now().Add(time.Duration(n-9) * time.Hour)})
			}
			require.Regexp(t, "WARNING .*everything", s.does(0, one("delete_snapshots", "repository: q, keep_newest_good: false", filter)))
			require.Empty(t, s.snapshots("q"))
		})
	}
}
