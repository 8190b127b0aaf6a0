package curator

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
)

// Where esnap differs from Curator on purpose: one test for each row of
// docs/curator-compatibility.md, rows D, and then its corrections, rows C.

// aged puts snapshots into the repository r, each an hour younger than the one
// before.
func (s *shell) aged(states map[string]cluster.State, names ...string) {
	for n, name := range names {
		s.c.AddSnapshot("r", cluster.Snapshot{
			Name:    name,
			Indices: []string{"i"},
			State:   states[name],
			Start:   time.Now().Add(time.Duration(n-len(names)) * time.Hour),
		})
	}
}

// fail makes a method answer with an error, so many times; -1 is always.
func (s *shell) fail(method string, err error, times int) {
	s.c.Fault = func(m string, _ []string) error {
		if m == method && times != 0 {
			times--
			return err
		}
		return nil
	}
}

func TestD01RunningSnapshotsAreNeverAborted(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		running := map[string]cluster.State{"s-2": cluster.InProgress}
		s.aged(running, "s-1", "s-2", "s-3", "s-4")
		out := s.does(0, one("delete_snapshots", "repository: r", all))
		require.Equal(t, []string{"s-2", "s-4"}, s.snapshots("r"), "and the newest good one")
		require.Regexp(t, "WARNING +s-2 is spared: it is still running", out)
		s.does(0, one("delete_snapshots", "repository: r", "{filtertype: state, state: IN_PROGRESS}"))
		require.Equal(t, []string{"s-4"}, s.snapshots("r"), "a state filter asks for it")
	})
	old := func(t *testing.T, compat string) *shell {
		s := newShell(t)
		s.env["ESNAP_COMPAT"] = compat
		s.c = memory.New(memory.Elasticsearch("6.7.0"))
		s.aged(nil, "s-1", "s-2")
		s.c.AddRepository(cluster.Repository{Name: "theirs"})
		return s
	}
	theirs := cluster.Operation{Kind: cluster.OpSnapshot, Repository: "theirs", Snapshot: "nightly"}
	for _, compat := range []string{"5", "8"} {
		s := old(t, compat)
		s.c.AddOperation(theirs, 0) // it has ended when it is looked at
		s.does(0, one("delete_snapshots", "repository: r, retry_count: 1, retry_interval: 1", all))
		require.Equal(t, []string{"s-2"}, s.snapshots("r"), "it was tried again")

		s = old(t, compat)
		s.c.AddOperation(theirs, -1)
		out := s.does(1, one("delete_snapshots", "repository: r, retry_count: 0", all))
		require.Contains(t, out, "theirs/nightly")
		require.Len(t, s.c.CallsOf("DeleteSnapshots"), 1, "not even tried again")
		require.Equal(t, []string{"s-1", "s-2"}, s.snapshots("r"))
	}
}

func TestD02ExtraSettingsOfRestore(t *testing.T) {
	for options, want := range map[string]cluster.RestoreSnapshot{
		"{index_settings: {index.number_of_replicas: 0}}": {
			Extra: map[string]any{"index_settings": map[string]any{"index.number_of_replicas": int64(0)}},
		},
		"{ignore_index_settings: [index.refresh_interval], index_settings: {index.codec: x}}": {
			Extra: map[string]any{"ignore_index_settings": []any{"index.refresh_interval"}, "index_settings": map[string]any{"index.codec": "x"}},
		},
		"{feature_states: [none]}":      {Extra: map[string]any{"feature_states": []any{"none"}}},
		"{index.number_of_replicas: 0}": {IndexSettings: map[string]any{"index.number_of_replicas": int64(0)}},
	} {
		manners(t, func(t *testing.T, s *shell) {
			s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"x-1"}})
			s.does(0, one("restore", "repository: r, extra_settings: "+options, all))
			req := s.c.CallsOf("RestoreSnapshot")[0].Request.(cluster.RestoreSnapshot)
			require.Equal(t, want.Extra, req.Extra, options)
			require.Equal(t, want.IndexSettings, req.IndexSettings, options)
		})
	}
}

// What is waited for is exactly what was asked for: neither names that begin alike,
// nor patterns as if they were names, nor blind for system indices.
func TestD03RestoreLooksForExactlyWhatItAskedFor(t *testing.T) {
	for indices, want := range map[string][]string{
		"[x]": {"x"}, "[my_*]": {"my_a", "my_b"}, "['.kibana*']": {".kibana_1"}, "['*', '-my_*']": {".kibana_1", "hidden", "x", "x1"},
		"['x*', '-x1']": {"x"}, "[hidden]": {"hidden"},
	} {
		manners(t, func(t *testing.T, s *shell) {
			s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{
				"x", "x1", "my_a", "my_b", ".kibana_1", "hidden",
			}}, cluster.Index{Name: "hidden", Hidden: true})
			s.does(0, one("restore", "repository: r, indices: "+indices, all))
			require.Equal(t, want, s.indices(), indices)
		})
	}
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"x", "x1"}})
		s.c.RestorePolls = 2
		s.does(0, one("restore", "repository: r, indices: [x]", all))
		s.c.RestoreEnds = func(index string) string { return map[string]string{"x1": "no space"}[index] }
		s.does(1, one("restore", "repository: r, indices: [x1]", all))
	})
}

func TestD04IndicesThatStayFailTheAction(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		same := cluster.Index{Name: "x-1", UUID: "same"}
		s.c.AddIndex(same)
		s.c.FaultAfter = func(method string, _ []string) error {
			if method == "DeleteIndices" { // acknowledged, but still there
				s.c.AddIndex(same)
			}
			return nil
		}
		out := s.does(1, one("delete_indices", "", onX))
		require.Contains(t, out, "still exists after 3 delete requests")
		require.Len(t, s.c.CallsOf("DeleteIndices"), 3)
		s.does(0, one("delete_indices", "continue_if_exception: true", onX))
	})
}

func TestD05TimeoutsAreThoseOfTheirAction(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1", "y-1", "z-1")
		remove := func(id int, options, prefix string) string {
			return fmt.Sprintf("%d: {action: delete_indices, options: {%s}, filters: [{filtertype: pattern, kind: prefix, value: %s}]}",
				id, options, prefix)
		}
		s.does(0, "actions: {"+remove(1, "timeout_override: 7", "x-")+", "+remove(2, "", "y-")+", "+remove(3, "timeout_override: 0", "z-")+"}")
		var got []time.Duration
		for _, c := range s.c.CallsOf("DeleteIndices") {
			got = append(got, c.Timeout)
		}
		require.Equal(t, []time.Duration{7 * time.Second, 0, 0}, got, "0 is the client's")
	})
}

func TestD06NoConnectionIsOneLineAndTheEnd(t *testing.T) {
	for _, kind := range []error{cluster.ErrUnreachable, cluster.ErrUnauthorized} {
		manners(t, func(t *testing.T, s *shell) {
			s.c.AddIndices("x-1")
			s.fail("Server", kind, -1)
			out := s.does(1, one("delete_indices", "continue_if_exception: true, ignore_empty_list: true", onX))
			require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 1, out)
			require.Contains(t, out, "CRITICAL")
			require.Empty(t, s.c.Writes())
			// nor does a later action go on with what an earlier one had
			s.fail("Indices", kind, 1)
			first := "1: {action: open, options: {continue_if_exception: true}, filters: [" + onX + "]}"
			s.does(1, "actions: {"+first+", 2: {action: delete_indices, filters: ["+onX+"]}}")
			require.Empty(t, s.c.Writes())
		})
	}
}

// elsewhere is a cluster whose master is another node.
type elsewhere struct{ *memory.Memory }

func (elsewhere) OnMaster(context.Context) (bool, error) { return false, nil }

func TestD07NotOnTheMasterIsNoFailure(t *testing.T) {
	for _, config := range []string{
		"client: {hosts: [a], master_only: true}\n",
		"elsewhere: \nelasticsearch: {client: {hosts: ['http://a:9200']}, other_settings: {master_only: true}}\n",
	} {
		config = strings.TrimPrefix(config, "elsewhere: \n")
		s := newShell(t)
		s.c.AddIndices("x-1")
		out := s.doesOn(elsewhere{s.c}, time.Now(), 0, one("delete_indices", "", onX), "--config", s.file("c.yml", config))
		require.Regexp(t, "INFO .*non-master", out)
		require.Empty(t, s.c.Writes())
	}
}

func TestD08TheClientFilesDialectIsSeen(t *testing.T) {
	for config, want := range map[string]string{
		"client: {hosts: [five], port: 9201}\n":                        "http://five:9201",
		"elasticsearch: {client: {hosts: ['http://eight:9202']}}\n":    "http://eight:9202",
		"logging: {loglevel: INFO}\n":                                  "http://127.0.0.1:9200",
		"client: {hosts: [five]}\nlogging: {logformat: logstash}\n":    "http://five:9200",
		"elasticsearch:\n  client:\nlogging: {logformat: 'default'}\n": "http://127.0.0.1:9200",
	} {
		for _, compat := range []string{"", "5", "8"} {
			s := newShell(t)
			if compat != "" {
				s.env["ESNAP_COMPAT"] = compat
			}
			s.does(0, one("open", "ignore_empty_list: true", onX), "--config", s.file("c.yml", config))
			require.Equal(t, []string{want}, s.opts.URLs, config)
		}
	}
	s := newShell(t)
	s.does(1, one("open", "", onX), "--config", s.file("c.yml", "client: {hosts: [a]}\nelasticsearch: {}\n"))
	require.Nil(t, s.opts, "both is an error")
}

func TestD11FiltersMustBeSaid(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("a")
		for _, action := range []string{"delete_indices, options: {}", "delete_snapshots, options: {repository: r}"} {
			out := s.does(1, "actions: {1: {action: "+action+"}}")
			require.Contains(t, out, "filters is missing")
			require.Contains(t, out, "filtertype: none", "how to mean it")
			s.does(1, "actions: {1: {action: "+action+", filters: }}")
		}
		require.Empty(t, s.c.Calls())
	})
}

func TestD12CountLeavesOutWhatItCannotOrder(t *testing.T) {
	for filter, left := range map[string][]string{
		// the closed one and the undated one stay, and count for nothing
		"{filtertype: count, count: 1, use_age: true, source: creation_date}":                {"x-2024.01.03", "x-2024.01.04"},
		"{filtertype: count, count: 1, use_age: true, source: name, timestring: '%Y.%m.%d'}": {"x-2024.01.04", "x-nodate"},
		"{filtertype: count, count: 1, use_age: true, source: name, timestring: '%Y.%m.%d', exclude: false}": {
			"x-2024.01.01",
			"x-2024.01.02",
			"x-2024.01.03",
			"x-nodate",
		},
		`{filtertype: count, count: 2, pattern: '(x)-2024', exclude: false}`: {
			"x-2024.01.01",
			"x-2024.01.02",
			"x-nodate",
		},
		`{filtertype: count, count: 2, pattern: '(x)-2024'}`: {
			"x-2024.01.03",
			"x-2024.01.04",
			"x-nodate",
		},
		"{filtertype: count, count: 1, use_age: true, source: creation_date, exclude: false, reverse: false}": {
			"x-2024.01.01",
			"x-2024.01.02",
			"x-2024.01.03",
			"x-2024.01.04",
		},
	} {
		s := newShell(t)
		for n, name := range days(1, 2, 3, 4) {
			s.c.AddIndex(cluster.Index{Name: name, Created: time.Date(2024, 1, n+1, 0, 0, 0, 0, time.UTC)})
		}
		s.c.CloseIndex("x-2024.01.04")
		s.c.AddIndex(cluster.Index{Name: "x-nodate", Created: time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)})
		require.Equal(t, left, s.left(onX, filter), filter)
	}
}

func TestD13OnASundayTheWeekBeginsThatDay(t *testing.T) {
	// Sunday 2017-04-02, 22:00.
	week := "{filtertype: period, source: name, timestring: '%Y.%m.%d', unit: weeks, range_from: 0, range_to: 0, " +
		"week_starts_on: sunday, epoch: 1491170400}"
	s := newShell(t)
	s.c.AddIndices("x-2017.04.01", "x-2017.04.02", "x-2017.04.08", "x-2017.04.09")
	require.Equal(t, []string{"x-2017.04.01", "x-2017.04.09"}, s.left(onX, week))
	s.c.AddIndices("x-2017.03.26", "x-2017.03.27", "x-2017.04.02", "x-2017.04.03")
	require.Equal(t, []string{"x-2017.03.26", "x-2017.04.03", "x-2017.04.09"}, s.left(onX, strings.Replace(week, "sunday", "monday", 1)))
}

func TestD14WhatIsNoDateIsLeftOutWithAWarning(t *testing.T) {
	for name, timestring := range map[string]string{
		"x-2024.02.30": "%Y.%m.%d", "x-2024.99.02": "%Y.%m.%d", "x-2024.13": "%Y.%m", "x-2016.53": "%G.%V",
	} {
		for _, filter := range []string{
			"filtertype: age, direction: older, unit: days, unit_count: 1", "filtertype: age, direction: younger, unit: days, unit_count: 1",
			"filtertype: period, unit: years, range_from: -100, range_to: 100", "filtertype: count, count: 1, use_age: true",
		} {
			for _, exclude := range []string{"true", "false"} {
				s := newShell(t)
				s.c.AddIndices(name)
				out := s.does(0, one("delete_indices", "ignore_empty_list: true", onX,
					"{"+filter+", source: name, timestring: '"+timestring+"', exclude: "+exclude+"}"))
				require.Equal(t, []string{name}, s.indices(), "%s, exclude: %s", filter, exclude)
				require.Regexp(t, "WARNING +"+name+" is skipped: the date in its name cannot be read", out)
			}
		}
	}
	s := newShell(t)
	s.c.AddIndices("x-2024.02.30", "x-2024.02.28")
	require.Equal(t, []string{"x-2024.02.30"},
		s.left(onX, "{filtertype: age, direction: older, unit_count: 1, source: name, timestring: '%Y.%m.%d', unit: days}"),
		"the others are judged all the same")
}

func TestD15NamesMayBeOneLetter(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		s.c.AddRepository(cluster.Repository{Name: "r"})
		s.does(0, one("snapshot", "repository: r, name: s", onX))
		require.Equal(t, []string{"s"}, s.snapshots("r"))
		s.does(0, "actions: {1: {action: create_index, options: {name: i}}, 2: {action: alias, options: {name: a}, add: {filters: ["+onX+"]}}}")
		require.Contains(t, s.indices(), "i")
	})
}

func TestD16AnAliasWithNothingToDoSendsNothing(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		alias := func(options, filter string) string {
			return "actions: {1: {action: alias, options: {name: al" + options + "}, remove: {filters: [" + filter + "]}}}"
		}
		out := s.does(1, alias(", ignore_empty_list: true", onX))
		require.Contains(t, out, "nothing to do for the alias al")
		none := "{filtertype: pattern, kind: prefix, value: none-}"
		s.does(1, alias(", warn_if_no_indices: true", none))
		s.does(0, alias(", warn_if_no_indices: true, ignore_empty_list: true", none))
		require.Empty(t, s.c.Writes())
	})
}

func TestD18ADefaultMayHaveColons(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("a:b:c-1", "x-1")
		s.does(0, "actions:\n  1:\n    action: delete_indices\n    filters:\n    - filtertype: pattern\n      kind: prefix\n"+
			"      value: ${NOPE:a:b:c}\n")
		require.Equal(t, []string{"x-1"}, s.indices())
		s.does(0, one("open", "", all), "--config", s.file("c.yml", "client:\n  hosts: ${NOPE:http://host:9201/Path}\n"))
		require.Equal(t, []string{"http://host:9201/Path"}, s.opts.URLs)
	})
}

func TestD19AddressesAreURLs(t *testing.T) {
	for host, want := range map[string]string{
		"http://host:9200/Path/To":   "http://host:9200/Path/To",
		"http://User:Word@host:9200": "http://User:Word@host:9200", "https://[2001:db8::1]:9200": "https://[2001:db8::1]:9200",
	} {
		for _, config := range []string{"client: {hosts: ['" + host + "']}\n", "elasticsearch: {client: {hosts: ['" + host + "']}}\n"} {
			s := newShell(t)
			s.c.AddIndices("a")
			out := s.does(0, one("open", "", all), "--config", s.file("c.yml", config))
			require.Equal(t, []string{want}, s.opts.URLs, config)
			require.Equal(t, 30*time.Second, s.opts.Timeout, config)
			require.NotContains(t, out, "Word")
		}
	}
}

func TestD20LogSettings(t *testing.T) {
	var out strings.Builder
	at := time.Date(2026, 11, 21, 1, 2, 3, 7e6, time.UTC)
	for format, want := range map[string]string{
		"json":     `"@timestamp": "2026-11-21T01:02:03.007Z"`,
		"logstash": "03.007Z",
		"ecs":      "03.007Z",
		"default":  "01:02:03,007 ",
	} {
		out.Reset()
		h := &handler{out: &out, err: &out, format: format, local: time.UTC}
		require.NoError(t, h.Handle(t.Context(), slog.NewRecord(at, slog.LevelInfo, "text", 0)))
		require.Contains(t, out.String(), want, format)
	}
	for _, dialect := range []string{"client: {hosts: [a]}\n", "elasticsearch: {client: {hosts: ['http://a:9200']}}\n"} {
		for level, shown := range map[string]bool{"10": true, "20": true, "info": true, "WARNING": false, "30": false, "40": false} {
			for _, format := range []string{"default", "json", "logstash", "ecs"} {
				s := newShell(t)
				s.c.AddIndices("a")
				said := s.does(0, one("open", "", all), "--config", s.file("c.yml", dialect+"logging: {loglevel: "+level+", logformat: "+format+"}\n"))
				require.Equal(t, shown, strings.Contains(said, "completed."), "%s %s", level, format)
			}
		}
	}
}

func TestD21WhatIsWrongInAFileHasItsPlace(t *testing.T) {
	good := one("open", "", all)
	for _, c := range []struct{ client, actions, place, text string }{
		{"client:\n  host: a\n", good, `c\.yml:2:3: `, "did you mean"},
		{"elasticsearch:\n  client:\n    hosts: a\n    verify_certs: maybe\n", good, `c\.yml:`, "hosts"},
		{"client: [\n", good, `c\.yml:\d+`, ""},
		{"logging:\n  logfomat: json\n", good, `c\.yml:2:3: `, "logformat"},
		{"", "actions:\n  1:\n    action: delete_indces\n    filters: []\n", `actions\.yml:3:13: `, "delete_indices"},
		{"", "actions:\n  1:\n    action: open\n    filters: [{filtertype: agee}]\n", `actions\.yml:4:\d+: `, "age"},
		{"", "a: [", `actions\.yml:\d+`, ""},
	} {
		s := newShell(t)
		var args []string
		if c.client != "" {
			args = []string{"--config", s.file("c.yml", c.client)}
		}
		code, out, errs := s.run(append(args, s.file("actions.yml", c.actions))...)
		require.Equal(t, 1, code)
		require.Empty(t, out)
		require.Regexp(t, c.place, errs)
		require.Contains(t, errs, c.text)
		require.NotRegexp(t, `goroutine|Traceback|\.go:\d`, errs)
		require.Len(t, strings.Split(strings.TrimSpace(errs), "\n"), 1, errs)
		require.Empty(t, s.c.Calls())
	}
}

// A reply that is lost is no answer: what was asked for is looked for, and not
// asked for again.
func TestD22ALostReplyIsLookedAfter(t *testing.T) {
	for _, c := range []struct{ action, options, method string }{
		{"snapshot", "repository: r, name: new", "CreateSnapshot"},
		{"delete_snapshots", "repository: r", "DeleteSnapshots"},
		{"restore", "repository: r", "RestoreSnapshot"},
		{"delete_indices", "", "DeleteIndices"},
	} {
		manners(t, func(t *testing.T, s *shell) {
			s.aged(nil, "x-s-1", "x-s-2")
			if c.action != "restore" {
				s.c.AddIndices("x-1")
			}
			s.c.AddSnapshot("r", cluster.Snapshot{Name: "x-s-3", Start: time.Now(), Indices: []string{"x-9"}})
			s.c.FaultAfter = func(method string, _ []string) error {
				if method == c.method {
					return cluster.ErrLost
				}
				return nil
			}
			s.does(0, one(c.action, c.options, onX))
			require.Len(t, s.c.CallsOf(c.method), 1)
		})
	}
}

func TestD23ShortTroubleWhileWaitingIsBorne(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		s.c.AddRepository(cluster.Repository{Name: "r"})
		s.fail("Snapshot", cluster.ErrUnavailable, 2)
		s.does(0, one("snapshot", "repository: r, name: s1", onX))
		require.Len(t, s.c.CallsOf("Snapshot"), 3)
		s.fail("Snapshot", cluster.ErrUnavailable, -1)
		s.does(1, one("snapshot", "repository: r, name: s2, max_wait: 0", onX))
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s3", Indices: []string{"y-1"}})
		s.fail("Health", cluster.ErrUnavailable, 2)
		s.does(0, one("restore", "repository: r, name: s3", all))
		require.Contains(t, s.indices(), "y-1")
	})
}

func TestD24ARefusedRepositoryIsNotCalledMissing(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		s.aged(nil, "x-1", "x-2")
		for method, action := range map[string]string{
			"Repository": one("snapshot", "repository: r, name: s", onX),
			"Snapshots":  one("delete_snapshots", "repository: r", onX),
		} {
			for _, kind := range []error{cluster.ErrForbidden, cluster.ErrServer} {
				s.fail(method, &cluster.Error{
					Op:     "read repository r",
					Kind:   kind,
					Status: 403,
					Causes: []cluster.Cause{{Type: "security_exception", Reason: "not for you"}},
				}, -1)
				out := s.does(1, action)
				require.Contains(t, out, "not for you")
				require.NotContains(t, out, "missing")
				require.NotContains(t, out, "register")
			}
		}
		s.c.Fault = nil
		require.Contains(t, s.does(1, one("snapshot", "repository: nope, name: s", onX)), "nope")
		s.does(1, one("delete_snapshots", "repository: nope, ignore_empty_list: true", onX))
	})
}

func TestD25IDsAreAllNumbersOrAllText(t *testing.T) {
	s := newShell(t)
	out := s.does(1, "actions: {1: {action: open, filters: []}, a: {action: open, filters: []}}")
	require.Contains(t, out, "all numbers or all text")
	require.Empty(t, s.c.Calls())
}

func TestD26WhatTheDocumentationShowsIsTaken(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-2017.01", "x-2017.02", "x-2017.03")
		period := "{filtertype: period, period_type: absolute, source: name, timestring: '%Y.%m', " +
			"unit: months, date_from: 2017.01, date_from_format: '%Y.%m', date_to: 2017.02, date_to_format: '%Y.%m'}"
		require.Equal(t, []string{"x-2017.03"}, s.left(onX, period))
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"a", "b"}})
		s.does(0, one("restore", "repository: r, indices: a", all))
		require.Equal(t, []string{"a", "x-2017.03"}, s.indices())
	})
}

func TestD28CreateIndexSaysTheServersReason(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		for _, options := range []string{"name: Upper", "name: Upper, ignore_existing: true"} {
			out := s.does(1, "actions: {1: {action: create_index, options: {"+options+"}}}")
			require.Contains(t, out, "must be lowercase")
			require.NotContains(t, out, "exists")
		}
		s.c.AddIndices("there")
		require.Contains(t, s.does(1, "actions: {1: {action: create_index, options: {name: there}}}"), "already exists")
		s.does(0, "actions: {1: {action: create_index, options: {name: there, ignore_existing: true}}}")
	})
}

func TestD29AKeyGivenTwice(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("a", "x-1")
		out := s.does(1, "actions:\n  1:\n    action: delete_indices\n    filters: ["+onX+"]\n    filters: []\n")
		require.Regexp(t, `actions\.yml:5:5: .*filters.*line 4`, out, "both places")
		require.Empty(t, s.c.Calls())
		out = s.does(0, one("open", "", all), "--config", s.file("c.yml", "client:\n  hosts: a\n  hosts: b\n"))
		require.Regexp(t, `WARNING .*c\.yml:3:3: .*hosts`, out)
		require.Equal(t, []string{"http://b:9200"}, s.opts.URLs)
	})
}

func TestD30WhatDoesNotCompileIsFoundBeforeAnythingIsSent(t *testing.T) {
	for _, file := range []string{
		one("open", "", "{filtertype: pattern, kind: regex, value: 'a('}"),
		one("open", "", "{filtertype: pattern, kind: prefix, value: '*a'}"),
		one("open", "", "{filtertype: count, count: 1, pattern: '(a'}"),
		one("open", "", "{filtertype: count, count: 1, pattern: 'a'}"),
		one("open", "", "{filtertype: age, source: name, direction: older, unit: days, unit_count: 1, timestring: '%Y.%V'}"),
		one("open", "", "{filtertype: age, source: name, direction: older, unit: days, unit_count: 1, timestring: 'logs'}"),
		one("open", "", "{filtertype: period, period_type: absolute, source: creation_date, unit: months, date_from: 'x', "+
			"date_from_format: '%Y.%m', date_to: '2017.02', date_to_format: '%Y.%m'}"),
		one("open", "", "{filtertype: period, source: creation_date, unit: minutes, range_from: 0, range_to: 0}"),
		one("snapshot", "repository: r, name: '<x-{now/q}>'", all),
		one("snapshot", "repository: r, name: '<x'", all),
		"actions: {1: {action: create_index, options: {name: 'x>'}}}",
		"actions: {1: {action: cluster_routing, options: {routing_type: allocation, setting: enable, value: replicas}}}",
	} {
		manners(t, func(t *testing.T, s *shell) {
			out := s.does(1, file)
			require.Regexp(t, `actions\.yml:1:\d+: `, out)
			require.Empty(t, s.c.Calls(), file)
		})
	}
}

func TestD31TheNewestGoodSnapshotOfASeriesIsSpared(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		names := []string{"a-20260101", "a-20260102", "a-20260103", "b-20260101"}
		file := one("delete_snapshots", "repository: r",
			"{filtertype: age, source: creation_date, direction: older, unit: seconds, unit_count: 1}")
		s.aged(map[string]cluster.State{"a-20260103": cluster.Failed}, names...)
		out := s.does(0, file)
		require.Equal(t, []string{"a-20260102", "b-20260101"}, s.snapshots("r"))
		require.Regexp(t, "WARNING +a-20260102 is spared: it is the newest good snapshot", out)
		s.aged(map[string]cluster.State{"a-20260103": cluster.Failed}, names...)
		s.does(0, file, "--guards", "off")
		require.Empty(t, s.snapshots("r"))
	})
}

func TestD32SystemIndicesCaughtByAgeAreDeletedWithAWarning(t *testing.T) {
	age := "{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 7}"
	manners(t, func(t *testing.T, s *shell) {
		old := time.Now().AddDate(0, 0, -30)
		add := func() {
			s.c.AddIndex(cluster.Index{Name: ".monitoring-es-7", Created: old})
			s.c.AddIndex(cluster.Index{Name: "x-1", Created: old})
		}
		add()
		out := s.does(0, one("delete_indices", "", age))
		require.Empty(t, s.indices())
		require.Regexp(t, `WARNING +\.monitoring-es-7: it is a system index`, out)
		add()
		out = s.does(0, one("delete_indices", "", "{filtertype: pattern, kind: prefix, value: .monitoring}", age))
		require.NotContains(t, out, "system index", "it is named")
		add()
		out = s.does(0, one("delete_indices", "", age), "--guards", "off")
		require.NotContains(t, out, "system index")
	})
	for _, f := range []flavour.Flavour{flavour.Native, flavour.Curator5, flavour.Curator8} {
		p, err := plan.Parse("f", []byte(one("delete_indices", "", age)), plan.Options{Flavour: f})
		require.NoError(t, err)
		var found []string
		for _, finding := range p.Findings {
			found = append(found, finding.Error())
		}
		require.Contains(t, strings.Join(found, "\n"), "system indices")
	}
}

func TestC02NullAmongConditionsIsRefused(t *testing.T) {
	s := newShell(t)
	s.does(1, "actions: {1: {action: rollover, options: {name: al, conditions: {max_age: , max_docs: 2}}}}")
	require.Empty(t, s.c.Calls())
}

func TestC03CreateIndexShowsTheErrorsType(t *testing.T) {
	s := newShell(t)
	s.fail("CreateIndex", &cluster.Error{
		Op:     "create index testing",
		Kind:   cluster.ErrInvalid,
		Status: 400,
		Causes: []cluster.Cause{{Type: "mapper_parsing_exception", Reason: "no handler for type [x]"}},
	}, -1)
	out := s.does(1, "actions: {1: {action: create_index, options: {name: testing}}}")
	require.Regexp(t, `ERROR .*testing.*mapper_parsing_exception`, out)
}

func TestC04EmptyInOtherWaysIsAFailureToo(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndex(cluster.Index{Name: "x-1", Lifecycle: "policy"})
		s.c.AddIndex(cluster.Index{Name: "y-1", Closed: true})
		s.does(1, one("delete_indices", "", onX))
		s.does(1, one("close", "", "{filtertype: pattern, kind: prefix, value: y-}"))
		s.does(1, one("delete_indices", "",
			`{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: -1, unit_count_pattern: 'none-(\d+)'}`))
		require.Len(t, s.indices(), 2)
	})
}

func TestC07AllowingManagedIndicesIsWarnedAboutWithEveryAction(t *testing.T) {
	s := newShell(t)
	s.c.AddIndex(cluster.Index{Name: "x-000001", Aliases: []string{"al"}})
	s.aged(nil, "x-1", "x-2")
	for _, file := range []string{
		one("open", "allow_ilm_indices: true", onX),
		one("delete_snapshots", "allow_ilm_indices: true, repository: r", onX),
		"actions: {1: {action: rollover, options: {allow_ilm_indices: true, name: al, conditions: {max_docs: 1000}}}}",
		"actions: {1: {action: create_index, options: {allow_ilm_indices: true, name: new}}}",
		"actions: {1: {action: cluster_routing, options: {allow_ilm_indices: true, routing_type: rebalance, setting: enable, value: all}}}",
	} {
		out := s.does(0, file)
		require.Regexp(t, "WARNING +allow_ilm_indices", out)
		require.Regexp(t, "WARNING +If a lifecycle policy", out)
	}
}

func TestC08AnEmptyClientFileMeansTheDefaults(t *testing.T) {
	for _, config := range []string{"---\n", " ", "", "---\n# nothing\n"} {
		s := newShell(t)
		s.c.AddIndices("a")
		s.does(0, one("open", "", all), "--config", s.file("c.yml", config))
		require.Equal(t, []string{"http://127.0.0.1:9200"}, s.opts.URLs)
	}
}

func TestC09ValuesOfTheWrongShapeAreRefused(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		for _, filter := range []string{
			"{filtertype: pattern, kind: prefix, value: x-, exclude: [{filtertype: none}]}",
			"{filtertype: alias, aliases: {a: b}}",
			"{filtertype: pattern, kind: prefix, value: [x-]}",
		} {
			s.does(1, one("delete_indices", "", filter))
		}
		require.Empty(t, s.c.Calls())
	})
}

func TestC12DottedIndicesAreListedUnlessHidden(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices(".mine")
		s.c.AddIndex(cluster.Index{Name: ".hidden", Hidden: true})
		require.Equal(t, []string{".hidden"}, s.left(all))
	})
}
