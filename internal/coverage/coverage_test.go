package coverage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// TestMonthsAreNoRollovers: six digits at the end of a name may be a month, which has an end of
// its own; the next month's index may be there before.
func TestMonthsAreNoRollovers(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse("2006-01-02 15:04", text)
		require.NoError(t, err)
		return when
	}
	for name, c := range map[string]struct {
		next  string
		taken time.Time
		want  bool
	}{
		"logs-202611": {"logs-202612", at("2026-11-30 02:00"), false},
		"logs-202610": {"logs-202611", at("2026-11-30 02:00"), true},
		"logs-000101": {"logs-000102", at("2026-11-30 02:00"), true}, // a rollover: the next one exists
		"logs-000102": {"", at("2026-11-30 02:00"), false},           // and here it does not
		"cust-230415": {"", at("2026-11-30 02:00"), false},           // it may be a number
		"logs-202512": {"logs-202601", at("2026-11-30 02:00"), true},
		"logs-261130": {"logs-261201", at("2026-11-30 02:00"), false}, // a day
	} {
		live := map[string]*cluster.Index{name: {Name: name, Created: at("2026-11-01 00:00")}}
		s := &cluster.Snapshot{
			State: cluster.Success, Indices: []string{name}, HasContents: true, Start: c.taken, Shards: cluster.ShardCount{Total: 1, Successful: 1},
		}
		if c.next != "" {
			live[c.next] = &cluster.Index{Name: c.next, Created: at("2026-11-28 00:00")}
			s.Indices = append(s.Indices, c.next)
		}
		copies := CopiesOf(live[name], []*cluster.Snapshot{s}, live, Rules{Settle: DefaultSettle})
		require.Equal(t, c.want, copies[0].Complete(), name)
	}
}

// TestEitherDate: of an index that the cluster has no longer, the first snapshot that contains it says
// which of two days its date means.
func TestEitherDate(t *testing.T) {
	var list []*cluster.Snapshot
	for _, day := range []int{12, 13, 14} {
		start := time.Date(2026, 5, day, 3, 0, 0, 0, time.UTC)
		list = append(list, &cluster.Snapshot{
			Name: start.String(), State: cluster.Success, Start: start, Indices: []string{"logs-11-05-2026"}, HasContents: true,
			Shards: cluster.ShardCount{Total: 1, Successful: 1},
		})
	}
	life := Lives(list, nil, Rules{Settle: DefaultSettle})[0]
	require.Equal(t, time.Date(2026, 5, 12, 0, 0, 0, 0, time.UTC), life.End)
	require.Len(t, life.Counting(), 3)
	life = Lives(list[2:], nil, Rules{Settle: DefaultSettle})[0]
	require.Equal(t, time.Date(2026, 11, 6, 0, 0, 0, 0, time.UTC), life.End, "it may have been written to for long")
}
