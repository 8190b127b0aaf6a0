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
