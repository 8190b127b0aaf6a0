package curator

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/plan"
)

// What docs/curator-compatibility.md says and no rule of §9 does.

func TestSearchPatternListsOnlyWhatItNames(t *testing.T) {
	for pattern, left := range map[string][]string{
		"x-*": {"a"}, "'x-*,-x-2'": {"a", "x-2"}, "'*'": {}, "a": {"x-1", "x-2"}, "'nothing*'": {"a", "x-1", "x-2"},
	} {
		manners(t, func(t *testing.T, s *shell) {
			s.c.AddIndices("a", "x-1", "x-2")
			s.does(0, one("delete_indices", "ignore_empty_list: true, search_pattern: "+pattern, all))
			require.ElementsMatch(t, left, s.indices(), pattern)
		})
	}
	s := newShell(t)
	s.c.AddIndices("a")
	require.Contains(t, s.does(1, one("delete_indices", "ignore_empty_list: true, search_pattern: gone", all)), "gone")
	s.does(1, one("delete_snapshots", "repository: r, search_pattern: a", all))
	s.c.AddIndices(".kibana_1")
	s.c.AddIndex(cluster.Index{Name: ".hidden", Hidden: true})
	s.does(0, one("delete_indices", "search_pattern: '.*', include_hidden: true", all))
	require.Equal(t, []string{"a"}, s.indices(), "with include_hidden a dotted search_pattern means what it says")
}

func TestARenamePatternAloneDoesNothing(t *testing.T) {
	for options, want := range map[string]string{
		"rename_pattern: x":                                   "x-1",
		"rename_pattern: x, rename_replacement: y":            "y-1",
		"rename_pattern: '(.)-', rename_replacement: '$1$1-'": "xx-1",
	} {
		manners(t, func(t *testing.T, s *shell) {
			s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"x-1"}})
			s.does(0, one("restore", "repository: r, "+options, all))
			require.Equal(t, []string{want}, s.indices())
		})
	}
}

// A pattern that has more than one meaning is sent as it is written, with a warning; the
// names are then read from the cluster. A closed index is never put at risk.
func TestARenamePatternThatCannotBePredicted(t *testing.T) {
	const options = "repository: r, name: s, rename_pattern: '(?<n>.)-', rename_replacement: 'old-${n}'"
	manners(t, func(t *testing.T, s *shell) {
		s.c.Renames = func(pattern, replacement, name string) (string, error) {
			require.Equal(t, []string{"(?<n>.)-", "old-${n}"}, []string{pattern, replacement})
			return "old-" + strings.Replace(name, "-", "", 1), nil
		}
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"x-1", "y-1"}})
		s.c.AddIndex(cluster.Index{Name: "x-1", Closed: true})
		out := s.does(0, one("restore", options, all), "--dry-run")
		require.Contains(t, out, "x-1 (renamed by the server)")
		require.Equal(t, []string{"x-1"}, s.indices())
		out = s.does(0, one("restore", options, all))
		require.Contains(t, out, "WARNING")
		require.Contains(t, out, "cannot be predicted (pattern, column 1: named groups are not supported")
		require.Equal(t, []string{"old-x1", "old-y1", "x-1"}, s.indices())
		require.Len(t, s.c.CallsOf("RestoreSnapshot"), 1)

		require.NoError(t, s.c.DeleteIndices(context.Background(), cluster.DeleteIndices{Names: []string{"old-x1", "old-y1"}}))
		s.c.AddIndex(cluster.Index{Name: "old-x1", Closed: true})
		out = s.does(1, one("restore", options, all))
		require.Contains(t, out, "the closed index old-x1 could be overwritten")
		require.Len(t, s.c.CallsOf("RestoreSnapshot"), 1)
	})
}

func TestRestoreTakesAllUnlessIndicesAreNamed(t *testing.T) {
	for options, want := range map[string][]string{
		"":                       {"a", "b"},
		", indices: ":            {"a", "b"},
		", indices: []":          {"a", "b"},
		", indices: [b]":         {"b"},
		", indices: ['*', '-b']": {"a"},
	} {
		manners(t, func(t *testing.T, s *shell) {
			s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"a", "b"}})
			s.does(0, one("restore", "repository: r"+options, all))
			require.Equal(t, want, s.indices(), options)
		})
	}
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"a"}})
		s.c.AddIndices("a")
		out := s.does(1, one("restore", "repository: r", all))
		require.Contains(t, out, "an open index with same name already exists", "an open index is the server's to refuse")
		require.Len(t, s.c.CallsOf("RestoreSnapshot"), 1)
	})
}

func TestStartedAndNotWaitedFor(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"y-1"}})
		s.c.SnapshotPolls, s.c.RestorePolls = -1, -1
		require.Contains(t, s.does(0, one("snapshot", "repository: r, name: new, wait_for_completion: false", onX)), "WARNING")
		require.Empty(t, s.c.CallsOf("Snapshot"))
		require.Contains(t, s.does(0, one("restore", "repository: r, name: s, wait_for_completion: false", all)), "WARNING")
	})
}

func TestARepositoryIsVerifiedFirst(t *testing.T) {
	for compat, skips := range map[string]bool{"5": false, "8": true} {
		for options, skipped := range map[string]bool{"": skips, ", skip_repo_fs_check: true": true, ", skip_repo_fs_check: false": false} {
			s := newShell(t)
			s.env["ESNAP_COMPAT"] = compat
			s.c.AddIndices("x-1")
			s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"y-1"}})
			s.c.Fault = func(method string, _ []string) error {
				if method == "VerifyRepository" {
					return &cluster.Error{
						Op:     "verify repository r",
						Kind:   cluster.ErrRepository,
						Causes: []cluster.Cause{{Type: "repository_verification_exception", Reason: "not the same on every node"}},
					}
				}
				return nil
			}
			code := map[bool]int{true: 0, false: 1}[skipped]
			for _, file := range []string{
				one("snapshot", "repository: r, name: new"+options, onX),
				one("restore", "repository: r, name: s"+options, all),
			} {
				out := s.does(code, file)
				require.Equal(t, !skipped, strings.Contains(out, "not the same on every node"), compat+options)
			}
		}
	}
}

// One snapshot that cannot be deleted fails the action; the others go all the same.
func TestDeletingSnapshotsOldestFirst(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.aged(nil, "s-3", "s-2", "s-1", "s-9")
		s.does(0, one("delete_snapshots", "repository: r", "{filtertype: pattern, kind: regex, value: 's-[123]'}"))
		require.Equal(t, [][]string{{"s-3", "s-2", "s-1"}}, s.named("DeleteSnapshots"))
		s.aged(nil, "s-3", "s-2", "s-1", "s-9")
		s.c.Fault = func(method string, names []string) error {
			if method == "DeleteSnapshots" && strings.Contains(strings.Join(names, " "), "s-2") {
				return cluster.ErrForbidden
			}
			return nil
		}
		s.does(1, one("delete_snapshots", "repository: r", all))
		require.Equal(t, []string{"s-2", "s-9"}, s.snapshots("r"))
	})
}

func TestMasterTimeoutOfDeletions(t *testing.T) {
	for compat, want := range map[string][]time.Duration{
		"5": {30 * time.Second, 60 * time.Second, 300 * time.Second},
		"8": {30 * time.Second, 30 * time.Second, 30 * time.Second},
	} {
		s := newShell(t)
		s.env["ESNAP_COMPAT"] = compat
		var got []time.Duration
		for _, options := range []string{"", "timeout_override: 60", "timeout_override: 900"} {
			s.c.AddIndices("x-1")
			s.does(0, one("delete_indices", options, onX))
		}
		for _, c := range s.c.CallsOf("DeleteIndices") {
			got = append(got, c.Request.(cluster.DeleteIndices).MasterTimeout)
		}
		require.Equal(t, want, got, compat)
	}
}

// What is disabled is checked, and nothing else.
func TestDisabledActionsAreCheckedOnly(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		out := s.does(0, one("delete_indices", "disable_action: true", all))
		require.Contains(t, out, `Action ID: 1: "delete_indices" not performed because "disable_action" is set to True`)
		require.Equal(t, []string{"x-1"}, s.indices())
		s.does(1, one("delete_indices", "disable_action: true, max_wait: 1", all))
	})
}

// What is empty is as it would be in the real run.
func TestDryRunsOfNothing(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		s.c.AddRepository(cluster.Repository{Name: "r"})
		none := "{filtertype: pattern, kind: prefix, value: none-}"
		for _, file := range []string{
			one("delete_indices", "", none), one("delete_indices", "", none, all), one("snapshot", "repository: r", none),
			one("delete_snapshots", "repository: r", all),
		} {
			s.does(1, file, "--dry-run")
			s.does(0, strings.Replace(file, "options: {", "options: {ignore_empty_list: true, ", 1), "--dry-run")
		}
		require.Empty(t, s.c.Writes())
	})
}

// TestSearchPatternNamesAliases: the server resolves the pattern of Curator 8, and an
// alias stands for its indices (§8.1).
func TestSearchPatternNamesAliases(t *testing.T) {
	for pattern, left := range map[string][]string{
		"current": {"c", "d"}, "cur*": {"c", "d"}, "current,-a": {"a", "c", "d"}, "a,c": {"b", "d"}, "*,-current": {}, "*,-cur*": {"a", "b"},
	} {
		s := newShell(t)
		s.c.AddIndex(cluster.Index{Name: "a", Aliases: []string{"current"}})
		s.c.AddIndex(cluster.Index{Name: "b", Aliases: []string{"current"}})
		s.c.AddIndices("c", "d")
		s.does(0, one("delete_indices", "search_pattern: '"+pattern+"'", "{filtertype: none}"))
		require.Equal(t, left, s.indices(), pattern)
	}
}

// TestOptionsWithoutEffect: what Curator takes and passes over does not refuse a file
// (§3.3, §5.14, §5.17, §6.3).
func TestOptionsWithoutEffect(t *testing.T) {
	for _, file := range []string{
		one("delete_snapshots", "repository: r, include_hidden: false, ignore_empty_list: true", "{filtertype: none}"),
		"actions: {1: {action: create_index, options: {name: new, include_hidden: true}}}",
		one("open", "ignore_empty_list: true",
			"{filtertype: period, unit: days, source: creation_date, range_from: -1, range_to: 0, intersect: true}"),
		one("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true, exclude_nodes: }, "+
			"ignore_empty_list: true", "{filtertype: pattern, kind: prefix, value: none}"),
		one("reindex", "request_body: {source: {index: a}, dest: {index: b}}, remote_filters: []", "{filtertype: none}"),
	} {
		s := newShell(t)
		s.c.AddIndices("a")
		s.c.AddRepository(cluster.Repository{Name: "r"})
		code, out, errs := s.run("--compat", "8", "--dry-run", s.file("a.yml", file))
		require.Equal(t, 0, code, file+out+errs)
	}
	s := newShell(t)
	s.c.AddIndex(cluster.Index{Name: "a", Hidden: true})
	s.does(0, "actions: {1: {action: alias, options: {name: al, include_hidden: true}, "+
		"add: {filters: [{filtertype: pattern, kind: prefix, value: a}]}}}")
	require.Equal(t, []string{"al"}, s.index("a").Aliases, "alias lists, too")
}

// TestIntersectCountsWithFieldStatsOnly (§6.3).
func TestIntersectCountsWithFieldStatsOnly(t *testing.T) {
	for _, exclude := range []string{"", ", exclude: true"} {
		var left [][]string
		for _, intersect := range []string{"", ", intersect: true"} {
			s := newShell(t)
			s.c.AddIndices(day("x-", 1), day("x-", 9))
			s.does(0, one("delete_indices", "", onX,
				"{filtertype: period, unit: days, source: name, timestring: '%Y.%m.%d', range_from: -2, range_to: 0"+intersect+exclude+"}"))
			left = append(left, s.indices())
		}
		require.Len(t, left[0], 1)
		require.Equal(t, left[0], left[1], exclude)
	}
}

// TestADryRunOfAnAliasSaysWhichWay (§1.5).
func TestADryRunOfAnAliasSaysWhichWay(t *testing.T) {
	s := newShell(t)
	s.c.AddIndex(cluster.Index{Name: "x-1", Aliases: []string{"now"}})
	s.c.AddIndices("x-2")
	pattern := func(name string) string {
		return "{filters: [{filtertype: pattern, kind: prefix, value: " + name + "}]}"
	}
	code, out, errs := s.run("--dry-run",
		s.file("a.yml", "actions: {1: {action: alias, options: {name: now}, remove: "+pattern("x-1")+", add: "+pattern("x-2")+"}}"))
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, out+errs, `DRY-RUN: alias: removing index "x-1" from alias "now"`)
	require.Contains(t, out+errs, `DRY-RUN: alias: adding index "x-2" to alias "now"`)
}

// TestWaitsForEver: in Curator's manners max_wait -1 is for ever (K15), also when
// nothing moves.
func TestWaitsForEver(t *testing.T) {
	for _, f := range []flavour.Flavour{flavour.Curator5, flavour.Curator8} {
		require.Zero(t, actions.Kinds["snapshot"].New(plan.Behaviour(f)).(*actions.Snapshot).Stall)
		require.Zero(t, actions.Kinds["restore"].New(plan.Behaviour(f)).(*actions.Restore).Stall)
	}
	require.Equal(t, time.Hour, actions.Kinds["snapshot"].New(actions.Own).(*actions.Snapshot).Stall)
}

// TestARestoreOverClosedIndicesWhoseReplyIsLost: that the index is there proves nothing;
// that it is open again does.
func TestARestoreOverClosedIndicesWhoseReplyIsLost(t *testing.T) {
	for _, done := range []bool{true, false} {
		s := newShell(t)
		s.c.AddIndex(cluster.Index{Name: "a", Closed: true})
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"a"}})
		lose := func(method string, _ []string) error {
			if method == "RestoreSnapshot" {
				return cluster.ErrLost
			}
			return nil
		}
		if s.c.Fault = lose; done {
			s.c.Fault, s.c.FaultAfter = nil, lose
		}
		out := s.does(map[bool]int{true: 0, false: 1}[done], one("restore", "repository: r, name: s, indices: [a]", all))
		require.Len(t, s.c.CallsOf("RestoreSnapshot"), 1, out)
		require.Equal(t, done, !s.index("a").Closed)
	}
}

// What esnap run refuses and Curator goes on with is a warning here.
func TestWhatCuratorGoesOnWithIsAWarning(t *testing.T) {
	age := "{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: %s}"
	for _, pattern := range []string{"(a", "a"} {
		for count, left := range map[string]int{"-1": 0, "0": 1} { // -1: no number, no match; otherwise it takes the number's place
			manners(t, func(t *testing.T, s *shell) {
				s.c.AddIndex(cluster.Index{Name: "x-1", Created: time.Now().Add(-time.Hour)})
				filter := fmt.Sprintf(age, count+", unit_count_pattern: '"+pattern+"'")
				out := s.does(0, one("open", "ignore_empty_list: true", filter))
				require.Regexp(t, `WARNING +\S+actions\.yml:1:\d+: unit_count_pattern: `, out)
				require.Len(t, s.c.CallsOf("OpenIndices"), left)
				s.does(0, one("open", "ignore_empty_list: true", strings.Replace(filter, "}", ", exclude: true}", 1)))
				require.Len(t, s.c.CallsOf("OpenIndices"), 1, "with exclude: the other way round")
			})
		}
	}
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndex(cluster.Index{Name: "x-1", Created: time.Now().Add(-time.Hour)})
		require.Regexp(t, "WARNING .*unit_count: -7 is negative", s.does(0, one("open", "", fmt.Sprintf(age, "-7"))))
		out := s.does(0, "actions:\n  1:\n    action: open\n    filters:\n    - filtertype: age\n      source: creation_date\n"+
			"      direction: younger\n      unit: days\n      unit_count: ${DAYS:-7}\n    options: {ignore_empty_list: true}\n")
		require.Regexp(t, `WARNING +\S+actions\.yml:9:19: .*write \$\{DAYS:7\}`, out)
		require.NotContains(t, s.does(0, one("open", "", fmt.Sprintf(age, "0"))), "WARNING")
	})
}

// A token that no index can be called is an empty list, as for Curator.
func TestReindexSelectedIsEmpty(t *testing.T) {
	const body = "request_body: {source: {index: REINDEX_SELECTED}, dest: {index: new}}"
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndices("x-1")
		out := s.does(1, one("reindex", body, onX))
		require.Regexp(t, "WARNING .*REINDEX_SELECTED is an empty list, as for Curator; "+
			"write REINDEX_SELECTION for the indices that the filters select", out)
		s.does(0, one("reindex", body+", ignore_empty_list: true", onX))
		require.Empty(t, s.c.CallsOf("Reindex"))
	})
}

// Curator shrinks only while the whole cluster is green.
func TestShrinkInAGreenCluster(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		s.c.AddIndex(cluster.Index{Name: "x-1", Primaries: 4})
		s.c.AddIndex(cluster.Index{Name: "other", Primaries: 1, Replicas: 1})
		file := one("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}, number_of_replicas: 0", onX)
		out := s.does(1, file)
		require.Contains(t, out, "the cluster is yellow: Curator shrinks only in a green cluster")
		require.Empty(t, s.c.Writes())
	})
}

// A malformed cloud_id is a failure, not a matter of usage, wherever it comes from.
func TestMalformedCloudID(t *testing.T) {
	for _, id := range []string{"abc", "name:%%%", "name:YWJj", "name:", ":"} {
		s := newShell(t)
		for _, args := range [][]string{{"--cloud_id", id}, {"--config", s.file("c.yml", "elasticsearch: {client: {cloud_id: '"+id+"'}}\n")}} {
			require.Contains(t, s.does(1, one("open", "", all), args...), "cloud_id", id)
		}
		code, out, errs := s.cli("--cloud_id", id, "show_indices")
		require.Equal(t, 1, code, out+errs)
		require.Empty(t, s.c.Calls())
	}
}

// Hints name options and commands that the command line at hand has.
func TestHintsFitTheCommandLine(t *testing.T) {
	manners(t, func(t *testing.T, s *shell) {
		out := s.does(1, one("delete_snapshots", "repository: nowhere", all))
		require.Contains(t, out, "register it with es_repo_mgr create; or declare it under repositories: in the file")
		require.NotContains(t, out, "esnap ")
		s.c.AddIndices("x-1")
		out = s.doesOn(s.c, time.Now().Add(time.Hour), 1, one("delete_indices", "", all))
		require.Contains(t, out, "(set the clocks)")
		require.NotContains(t, out, "--allow-clock-skew")
		s.c.AddSnapshot("r", cluster.Snapshot{Name: "s", Indices: []string{"y"}})
		out = s.does(0, one("restore", "repository: r, wait_for_completion: false", all))
		require.Contains(t, out, "the restore continues in the cluster")
		require.NotContains(t, out, "esnap status")
		out = s.does(1, "repositories: {r: {type: fs, settings: {location: /elsewhere}, ensure: update}}\n"+one("open", "", all))
		require.Contains(t, out, "register the new place under another name)")
		require.NotContains(t, out, "--force")
	})
	// Sentence by sentence.
	s := newShell(t)
	_, help, _ := s.program(repoMgr, "create", "fs", "--help")
	require.Contains(t, help, "--force")
	for _, c := range []struct{ program, text, want string }{
		{program, "set the certificate authority with --ca-file", "set the certificate authority with --ca_certs"},
		{cli, "use a name that it has; or say with --server-name which", "use a name that it has; or say with --ssl_assert_hostname which"},
		{program, "delete it; or leave out --include-aliases; and wait", "delete it; and wait"},
		{cli, "delete it; or leave out --include-aliases", "delete it; or leave out --include_aliases"},
		{program, "--force replaces it", ""},
		{repoMgr, "--force replaces it", "--force replaces it"},
		{program, "--partial takes it; or wait", "wait"},
		{program, "see esnap snapshot show; esnap's deletions keep it", "esnap's deletions keep it"},
		{program, "--guards off deletes it; --dry-run shows it", "--guards off deletes it; --dry-run shows it"},
	} {
		root := map[string]func(Host) *cobra.Command{program: newCurator, cli: newCLI, repoMgr: newRepoMgr}[c.program](Host{})
		command := root
		if at := map[string][]string{cli: {"restore"}, repoMgr: {"create", "fs"}}[c.program]; at != nil {
			command, _, _ = root.Find(at)
		}
		require.NoError(t, command.ParseFlags(nil))
		require.Equal(t, c.want, words{command.Flags(), c.program}.sentences(c.text), c.text)
	}
}
