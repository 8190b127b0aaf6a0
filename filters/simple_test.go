package filters

import (
	"testing"

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
