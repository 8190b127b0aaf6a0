//go:build integration

package integration

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/report"
	"github.com/esnap/esnap/internal/restore"
)

// aliases of an index, as the cluster has them.
func aliases(e *env, index string) []string {
	e.Helper()
	var reply map[string]struct{ Aliases map[string]any }
	e.call("GET", "/"+url.PathEscape(index)+"/_alias", nil, &reply)
	return slices.Sorted(maps.Keys(reply[index].Aliases))
}

func TestRestoreDay(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, day, other := e.prefix+"repo", e.prefix+"log-"+e.day(40), e.prefix+"log-"+e.day(39)
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{day: 7, other: 2})
		e.take(repository, "night", day, other)

		// Renamed, beside what is there.
		stdout, _ := e.want(0, "restore", day, "-n", "--rename-prefix", e.prefix+"back-")
		require.Contains(e, stdout, e.prefix+"back-"+day)
		require.Empty(e, e.writes())
		require.Equal(e, len(e.requests), e.sent("GET")+e.sent("HEAD"))
		require.Equal(e, []string{day, other}, sorted(e.indices()))

		e.want(0, "restore", day, "--rename-prefix", e.prefix+"back-", "--yes")
		require.Equal(e, 7, e.count(e.prefix+"back-"+day))
		require.Equal(e, []string{"esnap-keep-until-" + time.Now().UTC().AddDate(0, 0, 7).Format("2006.01.02")}, aliases(e, e.prefix+"back-"+day),
			"its name has a date, too")
		e.want(0, "restore", day, "--rename", "("+e.prefix+".*)-([0-9.]+)=$1-copy-$2", "--yes")
		require.Equal(e, 7, e.count(e.prefix+"log-copy-"+e.day(40)))

		// Its name is taken.
		before := e.uuids()
		stdout, stderr := e.want(4, "restore", day, "--yes")
		require.Contains(e, stdout+stderr, "an index with that name exists")
		require.Empty(e, e.writes())
		require.Equal(e, before, e.uuids())
		stdout, _ = e.want(0, "restore", day, "--yes", "--on-conflict", "skip")
		require.Contains(e, stdout, "skipped")
		require.Empty(e, e.writes())
		require.Equal(e, before, e.uuids())
		e.want(0, "restore", day, "--yes", "--on-conflict", "rename")
		require.Equal(e, 7, e.count("restored-"+day))
		require.Equal(e, before, e.uuids())

		// Under its own name, with the mark; deletes spare it.
		e.deleteIndices(day)
		e.want(0, "restore", day, "--yes")
		require.Equal(e, 7, e.count(day))
		require.Equal(e, []string{"esnap-keep-until-" + e.now.AddDate(0, 0, 7).Format("2006.01.02")}, aliases(e, day))
		marked := e.uuids()[day]
		r := e.run(0, `
actions:
  1:
    action: delete_indices
    filters:
      - {filtertype: pattern, kind: prefix, value: PREFIXlog-2}
      - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 7}
`)
		require.Equal(e, 1, r.Spared)
		spared := r.Actions[0].Spared[slices.IndexFunc(r.Actions[0].Spared, func(s report.Spared) bool { return s.Guard })]
		require.Equal(e, day, *spared.Name)
		require.Equal(e, "restore_mark", spared.By)
		require.Contains(e, spared.Why, "restored; protected until the end of "+e.now.AddDate(0, 0, 7).Format("2006-01-02"))
		after := e.uuids()
		require.Equal(e, marked, after[day])
		require.NotContains(e, after, other)
		e.want(0, "index", "delete", day, "--guards", "off", "--yes")
		require.NotContains(e, e.uuids(), day)

		// A name that is not quite right.
		before = e.uuids()
		stdout, stderr = e.want(1, "restore", e.prefix+"lgo-"+e.day(40), "--yes")
		require.Contains(e, stdout+stderr, day)
		require.Empty(e, e.writes())
		require.Equal(e, before, e.uuids())
	})
}

func sorted(names []string) []string { slices.Sort(names); return names }

// planned is the plan that esnap restore -n shows for one index.
func planned(e *env, args ...string) restore.Plan {
	e.Helper()
	stdout, _ := e.want(0, append([]string{"restore", "-n", "-o", "json", "--rename-prefix", e.prefix + "x-"}, args...)...)
	require.Empty(e, e.writes())
	var reply struct{ Plan restore.Plan }
	require.NoError(e, json.Unmarshal([]byte(stdout), &reply), stdout)
	require.Len(e, reply.Plan.Items, 1)
	return reply.Plan
}

// TestChoice looks which snapshot a day is taken from.
func TestChoice(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, today, past := e.prefix+"repo", e.prefix+"log-"+e.day(0), e.prefix+"log-"+e.day(5)
		tomorrow := e.prefix + "log-" + e.day(-1)
		e.register(repository, e.location("repo"), nil)
		e.fill(500, map[string]int{today: 5, past: 300, tomorrow: 1})

		e.take(repository, "copy-1", today, past, tomorrow)
		p := planned(e, today)
		require.Equal(e, "copy-1", p.Items[0].Snapshot)
		require.Contains(e, p.Items[0].Why, "made before the index's day had ended")
		require.Len(e, p.Warnings, 1)
		require.Contains(e, p.Warnings[0], "it can contain at most")
		p = planned(e, tomorrow)
		require.Contains(e, strings.Join(p.Warnings, "\n"), "it can contain at most 0 % of that day")

		p = planned(e, past)
		require.Equal(e, "copy-1", p.Items[0].Snapshot)
		require.Contains(e, p.Items[0].Why, "the only complete copy made after the index's day had ended")
		require.Empty(e, p.Warnings)

		// The next snapshot of the whole index is the better one.
		e.take(repository, "copy-2", past)
		p = planned(e, past)
		require.Equal(e, "copy-2", p.Items[0].Snapshot)
		require.Contains(e, p.Items[0].Why, "the newest complete copy")
		require.Positive(e, p.Items[0].Bytes)

		// A late flush made the index anew after it was deleted.
		e.deleteIndices(past)
		e.fill(20, map[string]int{past: 1})
		e.take(repository, "copy-3", past)
		p = planned(e, past)
		require.Equal(e, "copy-1", p.Items[0].Snapshot)
		require.Contains(e, p.Items[0].Why, "the index was deleted and recreated")
		require.Contains(e, p.Items[0].Why, "copy-3")
		e.want(0, "restore", past, "--rename-prefix", e.prefix+"x-", "--yes")
		require.Equal(e, 300, e.count(e.prefix+"x-"+past))
		e.want(0, "restore", past, "--snapshot", "copy-3", "--rename-prefix", e.prefix+"y-", "--yes")
		require.Equal(e, 1, e.count(e.prefix+"y-"+past))
	})
}

// TestPartial takes snapshots while an index has no primary, as each server has it.
func TestPartial(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, good, broken := e.prefix+"repo", e.prefix+"good-2026.01.02", e.prefix+"lost-2026.01.02"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{good: 3})
		e.call("PUT", "/"+broken+"?wait_for_active_shards=0", map[string]any{
			"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0, "index.routing.allocation.require._name": "nope"},
		}, nil)

		file := `
actions:
  1:
    action: snapshot
    options: {repository: PREFIXrepo, name: NAME, partial: PARTIAL}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
`
		r := e.run(5, strings.NewReplacer("NAME", "some", "PARTIAL", "true").Replace(file))
		require.Equal(e, "partial", r.Actions[0].Status)
		require.Equal(e, "partial", r.Actions[0].Outcomes[0].Result)
		require.Contains(e, r.Actions[0].Outcomes[0].Detail, broken)
		require.Regexp(e, broken+`\[0\]: .*primary`, r.Actions[0].Outcomes[0].Detail)
		s := e.snapshots(repository)["some"]
		require.Equal(e, "PARTIAL", s.State)
		require.Len(e, s.Failures, 1)
		require.Contains(e, r.Actions[0].Outcomes[0].Detail, s.Failures[0].Reason)

		r = e.run(1, strings.NewReplacer("NAME", "whole", "PARTIAL", "false").Replace(file))
		require.Equal(e, "failed", r.Actions[0].Status)
		require.Contains(e, r.Actions[0].Error, broken)
		if s, stored := e.snapshots(repository)["whole"]; e.old() {
			require.Equal(e, "FAILED", s.State)
			require.Contains(e, r.Actions[0].Error, "FAILED")
		} else {
			require.False(e, stored, "%v", s)
			require.Contains(e, strings.ToLower(r.Actions[0].Error), "primary shard")
		}

		// The good index of the PARTIAL snapshot comes back whole, the other not.
		p := planned(e, good)
		require.Equal(e, "some", p.Items[0].Snapshot)
		stdout, stderr := e.want(4, "restore", broken, "--rename-prefix", e.prefix+"x-", "--yes")
		require.Contains(e, stdout+stderr, "no snapshot contains a complete copy of "+broken)
		require.Empty(e, e.writes())
		e.want(0, "restore", good, "--rename-prefix", e.prefix+"x-", "--yes")
		require.Equal(e, 3, e.count(e.prefix+"x-"+good))

		// Neither counts as the newest good one, so neither keeps the others from going.
		stdout, _ = e.want(0, "snapshot", "list", repository, "--good", "-o", "name")
		require.Empty(e, stdout)
	})
}
