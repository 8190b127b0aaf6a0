package filters

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

func TestILM(t *testing.T) {
	list := cluster.Items([]*cluster.Index{{Name: "managed", Lifecycle: "policy"}, {Name: "free"}})
	require.Equal(t, []string{"free"}, selected(t, chain(t, cluster.Indices, "filtertype: ilm"), at("2024-01-01"), list))
	require.Equal(t, []string{"managed"}, selected(t, chain(t, cluster.Indices, "filtertype: ilm, exclude: false"), at("2024-01-01"), list))
}

func TestNames(t *testing.T) {
	list := cluster.Items([]*cluster.Snapshot{{Name: "a-1"}, {Name: "a-2"}, {Name: "b"}})
	for _, c := range []struct {
		patterns []string
		want     []string
	}{
		{[]string{"a-*"}, []string{"a-1", "a-2"}},
		{[]string{"b", "a-2"}, []string{"a-2", "b"}},
		{[]string{"a-"}, []string{}},
		{nil, []string{}},
	} {
		require.Equal(t, c.want, selected(t, Chain{{Kind: "names", Filter: &Names{c.patterns}}}, at("2024-01-01"), list))
	}
}

// TestLiteralPatterns: a plain prefix or suffix is compared as its expression would.
func TestLiteralPatterns(t *testing.T) {
	names := []string{
		"logs-2026.11.01", "logs-", "xlogs-", "LOGS-1", "logs-\n", "logs-\nx", "a\nlogs-", "logs-ü", "", "-logs", "a.b", "axb", "logs-\r",
		"logs-\u2028",
	}
	for _, kind := range []string{"prefix", "suffix"} {
		for value, literal := range map[string]bool{"logs-": true, "-01": true, "a.b": false, "ü": false, "l+": false, "x b": true} {
			f := &Pattern{Kind: kind, Value: value}
			require.NoError(t, f.Validate(cluster.Indices, nil))
			require.Equal(t, literal, f.literal, value)
			for _, n := range names {
				want, err := f.re.Match(n)
				require.NoError(t, err)
				got, err := f.match(n)
				require.NoError(t, err)
				require.Equal(t, want, got, "%s %q of %q", kind, value, n)
			}
		}
	}
}

// TestDatesAreWholeSeconds: indices of the same second are in the order of their names, as in
// Curator, and not in that of their milliseconds.
func TestDatesAreWholeSeconds(t *testing.T) {
	born := when("2026-11-20 00:00")
	var items []cluster.Item
	for n, name := range []string{"t-30", "t-29", "t-28", "t-27", "t-26", "t-25"} {
		items = append(items, &cluster.Index{Name: name, Created: born.Add(time.Duration(n*15) * time.Millisecond)})
	}
	count := newCount().(*Count)
	count.Count, count.UseAge, count.Source = 2, true, "creation_date"
	require.NoError(t, count.Validate(cluster.Indices, map[string]bool{"count": true, "source": true, "use_age": true}))
	var first []string
	for i, v := range count.Judge(when("2026-11-21 00:00"), items) {
		if v.Match == cluster.Yes {
			first = append(first, items[i].ItemName())
		}
	}
	require.ElementsMatch(t, []string{"t-30", "t-29"}, first, "with reverse, the default, the last names")
}
