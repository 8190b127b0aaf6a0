package filters_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/strictyaml"
)

// vectorIndices is a listing that Curator was observed with.
func vectorIndices() []cluster.Item {
	var items []cluster.Item
	for n := range 5 {
		i := &cluster.Index{Name: fmt.Sprintf("x-2024.01.%02d", n+1), Created: time.Date(2024, 1, n+1, 0, 0, 0, 0, time.UTC), Primaries: 1}
		size := int64(n+1) << 30
		i.Stats = &cluster.IndexStats{Docs: int64(n), Bytes: size, PrimaryBytes: size}
		if n == 4 {
			i.Closed, i.Stats = true, nil
		}
		items = append(items, i)
	}
	for _, n := range []string{"x-nodate", "y-000001", "y-000002", "z-000001"} {
		items = append(items, &cluster.Index{
			Name:      n,
			Created:   time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
			Stats:     &cluster.IndexStats{Docs: 1},
			Primaries: 1,
		})
	}
	return items
}

// decodeFilter makes a filter from its YAML form.
func decodeFilter(t *testing.T, text string) filters.Link {
	t.Helper()
	p := &strictyaml.Problems{}
	n := strictyaml.Parse([]byte(text), strictyaml.Options{}, p)
	kind := filters.Kinds[n.Get("filtertype").Text]
	require.NotNil(t, kind.New, text)
	f := kind.New()
	given := strictyaml.Decode(n, f, strictyaml.DecodeOptions{Subject: "option", IgnoreNull: true, ExtraKeys: []string{
		"filtertype", "exclude",
	}}, p)
	require.NoError(t, p.Err())
	require.NoError(t, filters.Validate(f, cluster.Indices, given))
	l := filters.Link{Kind: n.Get("filtertype").Text, Filter: f, Exclude: kind.Exclude}
	if e := n.Get("exclude"); e != nil {
		l.Exclude, _ = strictyaml.AsBool(e)
	}
	return l
}

// The rows of A.8 about size, space and emptiness, and the filters of §6.7.
func TestFiltersOfIndices(t *testing.T) {
	for _, c := range []struct {
		prefix, filter string
		want           string
	}{
		{"x-2", "{filtertype: space, disk_space: 5}", "01 02 03"},
		{"x-", "{filtertype: space, disk_space: 5, threshold_behavior: less_than}", "04 nodate"},
		{"x-2", "{filtertype: space, disk_space: 5, threshold_behavior: less_than}", "04"},
		{"x-2", "{filtertype: space, disk_space: 5, reverse: false}", "03 04"},
		{"x-2", "{filtertype: space, disk_space: 5, use_age: true, source: name, timestring: '%Y.%m.%d'}", "01 02 03"},
		{"x-2", "{filtertype: space, disk_space: 5, use_age: true, source: creation_date, reverse: false}", "01 02 03"},
		{"x-2", "{filtertype: size, size_threshold: 2}", "03 04"},
		{"x-2", "{filtertype: size, size_threshold: 2, exclude: true}", "01 02"},
		{"x-2", "{filtertype: size, size_threshold: 2, threshold_behavior: less_than, size_behavior: total}", "01"},
		{"x-2", "{filtertype: empty}", "01"},
		{"x-2", "{filtertype: empty, exclude: true}", "02 03 04"},
		{"x-2", "{filtertype: closed}", "01 02 03 04"},
		{"x-2", "{filtertype: closed, exclude: false}", "05"},
		{"x-2", "{filtertype: opened}", "05"},
		{"x-2", "{filtertype: shards, number_of_shards: 1}", ""},
		{"x-2", "{filtertype: shards, number_of_shards: 1, shard_filter_behavior: equal}", "01 02 03 04 05"},
	} {
		t.Run(c.prefix+" "+c.filter, func(t *testing.T) {
			chain := filters.Chain{decodeFilter(t, "{filtertype: pattern, kind: prefix, value: '"+c.prefix+"'}"), decodeFilter(t, c.filter)}
			sel, err := chain.Select(context.Background(), time.Now(), vectorIndices(), func(context.Context, []cluster.Need, []cluster.Item) error {
				return nil
			})
			require.NoError(t, err)
			var got []string
			for _, n := range cluster.Names(sel.Selected) {
				got = append(got, strings.TrimPrefix(strings.TrimPrefix(n, "x-"), "2024.01."))
			}
			require.Equal(t, c.want, strings.Join(got, " "))
			for _, s := range sel.Spared {
				require.NotEmpty(t, s.Why)
			}
		})
	}
}

func TestAliasAllocatedForcemergedKibana(t *testing.T) {
	segments := func(n int) *int { return &n }
	items := []cluster.Item{
		&cluster.Index{
			Name:      "a",
			Aliases:   []string{"one", "two"},
			Settings:  map[string]string{"index.routing.allocation.require.box": "hot"},
			Primaries: 2,
			Replicas:  1,
			Segments:  segments(4),
		},
		&cluster.Index{
			Name:      "b",
			Aliases:   []string{"two"},
			Settings:  map[string]string{"index.routing.allocation.include.box": "hot"},
			Primaries: 2,
			Replicas:  1,
			Segments:  segments(5),
		},
		&cluster.Index{Name: ".kibana_1", Settings: map[string]string{}, Primaries: 1, Closed: true},
	}
	for filter, want := range map[string]string{
		"{filtertype: alias, aliases: one}":        "a",
		"{filtertype: alias, aliases: [one, two]}": "a b",
		// On the server, a missing alias is 404 for all.
		"{filtertype: alias, aliases: [one, none]}":                                               "",
		"{filtertype: alias, aliases: [one, 'none*']}":                                            "a",
		"{filtertype: alias, aliases: 't*', exclude: true}":                                       ".kibana_1",
		"{filtertype: alias, aliases: 'no*', exclude: true}":                                      "a b .kibana_1",
		"{filtertype: alias, aliases: 'one, two'}":                                                "a b",
		"{filtertype: alias, aliases: [one, none], exclude: true}":                                "a b .kibana_1",
		"{filtertype: alias, aliases: _all}":                                                      "a b",
		"{filtertype: alias, aliases: [one], exclude: true}":                                      "b .kibana_1",
		"{filtertype: allocated, key: box, value: hot}":                                           "b .kibana_1",
		"{filtertype: allocated, key: box, value: hot, exclude: false}":                           "a",
		"{filtertype: allocated, key: box, value: hot, allocation_type: include, exclude: false}": "b",
		"{filtertype: forcemerged, max_num_segments: 1}":                                          "b",
		"{filtertype: forcemerged, max_num_segments: 1, exclude: false}":                          "a",
		"{filtertype: kibana}":                                                                    "a b",
		"{filtertype: kibana, exclude: 'no'}":                                                     ".kibana_1",
	} {
		chain := filters.Chain{decodeFilter(t, filter)}
		sel, err := chain.Select(context.Background(), time.Now(), items, func(context.Context, []cluster.Need, []cluster.Item) error {
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, want, strings.Join(cluster.Names(sel.Selected), " "), filter)
	}
}
