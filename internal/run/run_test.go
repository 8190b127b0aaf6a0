package run_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/runtest"
)

func TestDeletesWhatIsOldAndSeesThatItIsGone(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-2026.11.01", "logs-2026.11.13", "logs-2026.11.14", "logs-2026.11.20", "other-2026.01.01", "logs-nodate")
	res, r := b.Run(runtest.DeleteOld)
	require.NoError(t, res.Err)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Len(t, b.Cluster.CallsOf("Indices"), 1, "one listing")
	require.Len(t, b.Cluster.CallsOf("IndicesNamed"), 2, "by name: right before the deletion, and afterwards")
	require.Equal(t, []string{"logs-2026.11.20", "logs-nodate", "other-2026.01.01"}, b.Indices())
	require.Equal(t, map[string]cluster.Result{
		"logs-2026.11.01": cluster.Done,
		"logs-2026.11.13": cluster.Done,
		"logs-2026.11.14": cluster.Done,
	}, r.Outcomes())
}

func TestDryRunWritesNothingAndAsksOnce(t *testing.T) {
	b := runtest.New(t)
	b.Options.DryRun = true
	b.Cluster.AddIndices("logs-2026.11.01", "logs-2026.11.20")
	b.Cluster.AddRepository(cluster.Repository{Name: "r"})
	four := runtest.DeleteOld + strings.ReplaceAll(strings.TrimPrefix(runtest.DeleteOld, "\nactions:\n"), "  1:", "  2:")
	res, r := b.Run(four)
	require.Empty(t, b.Cluster.Writes())
	require.Len(t, b.Cluster.CallsOf("Indices"), 1)
	require.LessOrEqual(t, len(b.Cluster.Calls()), 3, "server, listing, clock: %v", b.Methods())
	require.NoError(t, res.Actions[0].Err)
	require.ErrorIs(t, res.Actions[1].Err, cluster.ErrEmpty, "the second action sees the first one's assumed effect")
	require.True(t, runtest.Of[run.Outcome](r)[0].Outcome.Assumed)
	require.Equal(t, []string{"logs-2026.11.01", "logs-2026.11.20"}, b.Indices())
}

func TestDryRunAssumesRepositoryAndSnapshot(t *testing.T) {
	b := runtest.New(t)
	b.Options.DryRun = true
	b.Cluster.AddIndices("logs-2026.11.01")
	res, r := b.Run(`
repositories: {r: {type: fs, settings: {location: /b}}}
actions:
  1: {action: snapshot, options: {repository: r, name: s-%Y, once_per: day}, filters: [{filtertype: none}]}
  2: {action: snapshot, options: {repository: r, name: s-%Y, once_per: day}, filters: [{filtertype: none}]}
`)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Cluster.Writes())
	require.Equal(t, cluster.Adopted, runtest.Of[run.Outcome](r)[1].Outcome.Result,
		"the second adopts what the first is assumed to have taken")
}

// What Curator does with an empty list and with failures, with esnap's own exit codes.
func TestWhatEndsARun(t *testing.T) {
	second := `
  2:
    action: delete_indices
    filters: [{filtertype: pattern, kind: prefix, value: logs-}]
`
	for _, c := range []struct {
		name              string
		ignore, goOn      bool
		fails             bool // another failure than an empty list
		secondRuns, clean bool
	}{
		{"empty", false, false, false, false, false},
		{"empty, ignored", true, false, false, true, true},
		{"empty is never excused by continue_if_exception", false, true, false, false, false},
		{"empty, both", true, true, false, true, true},
		{"failure", false, false, true, false, false},
		{"failure is not an empty list", true, false, true, false, false},
		{"failure, going on", false, true, true, true, false},
		{"failure, both", true, true, true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := runtest.New(t)
			b.Cluster.AddIndices("logs-2026.11.01")
			repo := "r"
			b.Cluster.AddRepository(cluster.Repository{Name: "r"})
			if c.fails {
				repo = "missing"
			}
			res, _ := b.Run(fmt.Sprintf(`
actions:
  1:
    action: delete_snapshots
    options: {repository: %s, ignore_empty_list: %t, continue_if_exception: %t}
    filters: [{filtertype: none}]
%s`, repo, c.ignore, c.goOn, second))
			require.Equal(t, c.secondRuns, len(b.Indices()) == 0)
			require.Equal(t, c.clean, len(res.Errors()) == 0, "%v", res.Errors())
			require.Equal(t, !c.secondRuns, res.Actions[1].NotRun)
		})
	}
}

func TestActionsRunInNumericOrder(t *testing.T) {
	b := runtest.New(t)
	_, r := b.Run(`
actions:
  10: {action: delete_indices, options: {disable_action: true}, filters: []}
  2: {action: delete_indices, options: {disable_action: 'True'}, filters: []}
  3: {action: delete_indices, options: {disable_action: yes}, filters: []}
`)
	var ids []string
	for _, s := range runtest.Of[run.ActionSkipped](r) {
		ids = append(ids, s.Step.ID)
	}
	require.Equal(t, []string{"2", "3", "10"}, ids)
	require.Empty(t, b.Methods(), "for disabled actions the cluster is not asked")
}

func TestClocksApartRefuseDeletion(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-2026.11.01")
	b.Cluster.SetClock(runtest.Now.Add(-16 * time.Minute))
	res, _ := b.Run(runtest.DeleteOld)
	require.ErrorAs(t, res.Actions[0].Err, new(*cluster.Refused))
	require.Empty(t, b.Cluster.Writes())
	b.Options.AllowClockSkew = true
	res, _ = b.Run(runtest.DeleteOld)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Indices())
}

func TestAnIndexMadeAnewSinceItWasListedIsLeftAlone(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-2026.11.01", "logs-2026.11.02")
	b.Options.ConfirmSelection = func(plan.Step, cluster.Selection) error {
		b.Time.Pass(2 * time.Minute) // an operator thinks about it
		b.Cluster.Advance(2 * time.Minute)
		b.Cluster.AddIndices("logs-2026.11.02")
		return nil
	}
	_, r := b.Run(runtest.DeleteOld)
	require.Equal(t, []string{"logs-2026.11.02"}, b.Indices())
	require.Contains(t, r.Warnings(), "logs-2026.11.02: skipped")
}

func TestGuardsSpareWithReasons(t *testing.T) {
	b := runtest.New(t)
	old := runtest.Now.AddDate(0, 0, -50)
	good := cluster.Snapshot{State: cluster.Success}
	for i, name := range []string{"prod-20260901", "prod-20260902", "test-20260901"} {
		s := good
		s.Name, s.Start, s.Indices = name, old.Add(time.Duration(i)*time.Hour), []string{"logs-1"}
		b.Cluster.AddSnapshot("r", s)
	}
	b.Cluster.AddSnapshot("r", cluster.Snapshot{
		Name:    "prod-20260903",
		State:   cluster.Failed,
		Start:   old.Add(9 * time.Hour),
		Indices: []string{"logs-1"},
	})
	res, r := b.Run(`
actions:
  1:
    action: delete_snapshots
    options: {repository: r}
    filters: [{filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 45}]
`)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"prod-20260902", "test-20260901"}, b.Snapshots("r"))
	require.Equal(t, 2, res.Actions[0].Guarded)
	for _, s := range runtest.Of[run.Selected](r)[0].Selection.Spared {
		require.NotEmpty(t, s.Why)
	}
}

func TestAnInterruptionStartsNothingNew(t *testing.T) {
	b := runtest.New(t, memory.Elasticsearch("6.7.0"))
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	b.Ctx = ctx
	for _, n := range []string{"s-20260101", "s-20260102", "s-20260103"} {
		b.Cluster.AddSnapshot("r", cluster.Snapshot{Name: n, State: cluster.Partial, Start: runtest.Now.AddDate(0, -6, 0)})
	}
	b.Cluster.FaultAfter = func(method string, _ []string) error {
		if method == "DeleteSnapshots" {
			cancel(stop)
		}
		return nil
	}
	res, r := b.Run(`
actions:
  1: {action: delete_snapshots, options: {repository: r}, filters: [{filtertype: none}]}
  2: {action: delete_indices, filters: [{filtertype: none}], options: {ignore_empty_list: true}}
`)
	require.ErrorIs(t, res.Err, stop)
	require.Len(t, b.Snapshots("r"), 2)
	require.Equal(t, map[string]cluster.Result{
		"s-20260101": cluster.Done,
		"s-20260102": cluster.NotStarted,
		"s-20260103": cluster.NotStarted,
	}, r.Outcomes())
	require.True(t, res.Actions[1].NotRun)
}

func TestRepositoriesInTheFile(t *testing.T) {
	file := func(extra string) string {
		return "repositories: {r: {type: fs, settings: {location: /b/, compress: 'true'" + extra + "}}}\nactions: {}\n"
	}
	b := runtest.New(t)
	p := func(text string) (run.Result, *runtest.Recorder) {
		pl, err := plan.Parse("t.yml", []byte(strings.Replace(text, "actions: {}\n", "", 1)), plan.Options{})
		require.NoError(t, err)
		r := &runtest.Recorder{}
		return run.Run(context.Background(), pl, b.Cluster, b.Options, r), r
	}
	res, r := p(file(""))
	require.NoError(t, res.Err)
	require.True(t, runtest.Of[run.RepositoryReady](r)[0].State.Changed)
	b.Cluster.ForgetCalls()
	res, r = p(strings.Replace(file(""), "/b/", "/b", 1))
	require.NoError(t, res.Err)
	require.False(t, runtest.Of[run.RepositoryReady](r)[0].State.Changed)
	require.Empty(t, b.Cluster.Writes(), "a trailing slash and text for a boolean are no drift")
	res, r = p(file(", max_restore_bytes_per_sec: 40mb"))
	require.NoError(t, res.Err)
	require.Empty(t, b.Cluster.Writes())
	require.Contains(t, r.Warnings(), "max_restore_bytes_per_sec")
	res, _ = p(strings.Replace(file(", max_restore_bytes_per_sec: 40mb"), "type: fs", "type: fs, ensure: update", 1))
	require.NoError(t, res.Err)
	require.Len(t, b.Cluster.CallsOf("RegisterRepository"), 1)
	res, _ = p(strings.Replace(file(""), "/b/", "/elsewhere", 1))
	require.ErrorAs(t, res.Err, new(*cluster.Refused))
	b.Options.Force = true
	res, _ = p(strings.Replace(file(""), "/b/", "/elsewhere", 1))
	require.NoError(t, res.Err)
}

func TestARepositoryThatIsNotReadyKeepsTheDeletionsFromRunning(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndices("logs-2026.11.01")
	b.Cluster.Fault = func(method string, _ []string) error {
		if method == "RegisterRepository" {
			return cluster.ErrRepository
		}
		return nil
	}
	res, _ := b.Run("repositories: {r: {type: fs, settings: {location: /b}}}" + runtest.DeleteOld)
	require.ErrorIs(t, res.Err, cluster.ErrRepository)
	require.Equal(t, []string{"logs-2026.11.01"}, b.Indices())
	require.True(t, res.Actions[0].NotRun)
}

func TestManagedIndicesAreLeftToTheirPolicy(t *testing.T) {
	b := runtest.New(t)
	b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.01", Lifecycle: "p"})
	b.Cluster.AddIndex(cluster.Index{Name: "logs-2026.11.02"})
	res, _ := b.Run(runtest.DeleteOld)
	require.NoError(t, errors.Join(res.Errors()...))
	require.Equal(t, []string{"logs-2026.11.01"}, b.Indices())
	res, _ = b.Run(strings.Replace(runtest.DeleteOld, "filters:", "options: {allow_ilm_indices: true}\n    filters:", 1))
	require.NoError(t, errors.Join(res.Errors()...))
	require.Empty(t, b.Indices())
}

// TestWhyAnActionIsNotRun: each reason has a sentence that starts with what it is about.
func TestWhyAnActionIsNotRun(t *testing.T) {
	b := runtest.New(t)
	_, r := b.Run(`
actions:
  1: {action: close, options: {disable_action: true}, filters: [{filtertype: none}]}
  2: {action: close, options: {ignore_empty_list: true}, filters: [{filtertype: none}]}
  3: {action: close, filters: [{filtertype: none}]}
  4: {action: close, filters: [{filtertype: none}]}
`)
	why := map[run.SkipReason]string{}
	for _, s := range runtest.Of[run.ActionSkipped](r) {
		why[s.Reason] = s.Why
	}
	require.Equal(t, map[run.SkipReason]string{
		run.SkipDisabled: "disable_action is set",
		run.SkipEmpty:    "nothing is selected, and ignore_empty_list is set",
		run.SkipNotRun:   "not run: action 3 failed",
	}, why)
}
