package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGood(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Snapshot
		why  string // empty: good
	}{
		{"success", Snapshot{State: Success, Shards: ShardCount{Total: 2, Successful: 2}}, ""},
		{"success, and empty", Snapshot{State: Success}, "contains no shard"},
		{
			"success without an index",
			Snapshot{State: Success, HasContents: true, Shards: ShardCount{Total: 1, Successful: 1}},
			"contains no index",
		},
		{"success in which no shard succeeded", Snapshot{State: Success, Shards: ShardCount{Total: 5}}, "only 0 of 5 shards succeeded"},
		{"success of a dry run", Snapshot{State: Success, Assumed: true}, ""},
		{"partial", Snapshot{State: Partial}, "state is PARTIAL"},
		{"failed", Snapshot{State: Failed}, "state is FAILED"},
		{"running", Snapshot{State: InProgress}, "state is IN_PROGRESS"},
		{"unknown state", Snapshot{State: "INCOMPATIBLE"}, "state is INCOMPATIBLE"},
		{"no state", Snapshot{}, "state is "},
		{"success with failed shards", Snapshot{State: Success, Shards: ShardCount{Total: 5, Failed: 2}}, "2 of 5 shards failed"},
		{
			"success with failures",
			Snapshot{State: Success, Shards: ShardCount{Total: 2, Successful: 2}, Failures: []ShardFailure{{Index: "a"}}},
			"lists 1 failures",
		},
	} {
		require.Equal(t, c.why == "", c.s.Good(), c.name)
		require.Contains(t, c.s.WhyNotGood(), c.why, c.name)
		require.Equal(t, c.why == "", c.s.WhyNotGood() == "", c.name)
	}
}

func TestHolds(t *testing.T) {
	held := []string{"a", "b", "c"}
	three, two := ShardCount{Total: 3, Successful: 3}, ShardCount{Total: 3, Successful: 2, Failed: 1}
	taken := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	failure := []ShardFailure{{Index: "b", Shard: 1}}
	for _, c := range []struct {
		name    string
		s       Snapshot
		good    []string
		missing []string // of a, b and z
	}{
		{"success", Snapshot{State: Success, Indices: held, Shards: three}, held, []string{"z"}},
		{
			"partial: the others are complete",
			Snapshot{State: Partial, Indices: held, Shards: two, Failures: failure},
			[]string{"a", "c"},
			[]string{"b", "z"},
		},
		{
			"success with failures",
			Snapshot{State: Success, Indices: held, Shards: two, Failures: failure},
			[]string{"a", "c"},
			[]string{"b", "z"},
		},
		{"failed shards that are not named", Snapshot{State: Partial, Indices: held, Shards: two}, nil, []string{"a", "b", "z"}},
		{"success, failed shards that are not named", Snapshot{State: Success, Indices: held, Shards: two}, nil, []string{"a", "b", "z"}},
		{
			"success, but only 0 of 5 shards succeeded",
			Snapshot{State: Success, Indices: held, Shards: ShardCount{Total: 5}},
			nil,
			[]string{"a", "b", "z"},
		},
		{"success without shards", Snapshot{State: Success, Indices: held}, nil, []string{"a", "b", "z"}},
		{"failed", Snapshot{State: Failed, Indices: held}, nil, []string{"a", "b", "z"}},
		{"running: it will hold what it lists", Snapshot{State: InProgress, Indices: held}, nil, []string{"z"}},
		{"contents not read", Snapshot{State: Success}, nil, []string{"a", "b", "z"}},
	} {
		var good []string
		for _, n := range []string{"a", "b", "c", "z", ""} {
			require.Equal(t, n != "z" && n != "" && c.s.Indices != nil, c.s.Holds(n), "%s: %s", c.name, n)
			if c.s.HoldsGood(n) {
				good = append(good, n)
			}
		}
		require.Equal(t, c.good, good, c.name)
		require.Equal(t, c.missing, c.s.Missing([]*Index{{Name: "a"}, {Name: "b"}, {Name: "z"}}), c.name)
	}
	full := Snapshot{State: Success, Indices: held, Shards: three, Start: taken}
	require.Empty(t, full.Missing(nil))
	// the same name is not the same index, and a mounted one has no data here
	require.True(t, full.HoldsGoodOf(&Index{Name: "a", Created: taken}))
	require.False(t, full.HoldsGoodOf(&Index{Name: "a", Created: taken.Add(time.Second)}), "created after the snapshot")
	require.False(t, full.HoldsGoodOf(&Index{Name: "a", Mount: &Mount{}}))
	running := Snapshot{State: InProgress, Indices: held, Start: taken}
	require.Equal(t, []string{"b", "c"},
		running.Missing([]*Index{{Name: "a"}, {Name: "b", Created: taken.Add(time.Hour)}, {Name: "c", Mount: &Mount{}}}))
}

func TestReadOnly(t *testing.T) {
	require.True(t, Repository{Type: "url"}.ReadOnly())
	require.True(t, Repository{Type: "fs", Settings: map[string]string{"readonly": "true"}}.ReadOnly())
	require.False(t, Repository{Type: "fs", Settings: map[string]string{"readonly": "false"}}.ReadOnly())
	require.False(t, Repository{Type: "s3"}.ReadOnly())
}

func TestOperationDescribe(t *testing.T) {
	now := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	require.Equal(t, "snapshot r/s, running for 1m30s",
		Operation{Kind: OpSnapshot, Repository: "r", Snapshot: "s", Started: now.Add(-90 * time.Second)}.Describe(now))
	require.Equal(t, "restore r/s", Operation{Kind: OpRestore, Repository: "r", Snapshot: "s"}.Describe(now))
	require.Equal(t, "snapshot deletion", Operation{Kind: OpDelete}.Describe(now))
}

func TestKeepUntil(t *testing.T) {
	for want, aliases := range map[string][]string{
		"0001-01-01": {"a", "esnap-keep-until-", "esnap-keep-until-2026.13.01", "xesnap-keep-until-2026.11.30"},
		"2026-12-01": {"a", "esnap-keep-until-2026.11.30", "esnap-keep-until-2026.11.02"}, // the end of the day
	} {
		require.Equal(t, want, (&Index{Aliases: aliases}).KeepUntil().Format("2006-01-02"))
	}
}

func TestIndexHealthReady(t *testing.T) {
	require.True(t, IndexHealth{Shards: 2, ActivePrimary: 2, Unassigned: 2}.Ready())
	require.False(t, IndexHealth{Shards: 2, ActivePrimary: 1}.Ready())
	require.False(t, IndexHealth{}.Ready())
}

func TestStreamOf(t *testing.T) {
	for index, want := range map[string]string{
		".ds-logs-x-2026.11.25-000001":           "logs-x",
		".ds-logs-x-000017":                      "logs-x",
		".ds-a-000001-2026.11.25-000002":         "a-000001",
		".ds-.fleet-actions-2026.11.25-000001":   ".fleet-actions",
		".ds-logs-x-2026.11.25":                  "",
		".ds-logs-x":                             "",
		".ds--000001":                            "",
		"ds-logs-x-000001":                       "",
		"esnap-drill-.ds-x-2026.11.25-000001":    "",
		"shrink-.ds-logs-x-2026.11.25-000001":    "",
		".ds-logs-x-2026.11.25-000001-000002":    "logs-x-2026.11.25-000001",
		".ds-logs-2026.11.25-2026.11.25-0000001": "",
	} {
		require.Equal(t, want, StreamOf(index), index)
		if want != "" {
			require.Regexp(t, BackingNames(want), index)
		}
	}
}
