package restore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

func TestNewestOfSeries(t *testing.T) {
	too := snap("app-20261107", "2026-11-07 01:00", "a")
	too.Version = "9.0.0"
	list := []*cluster.Snapshot{
		snap("once-20260101", "2026-01-01 00:00", "a"), snap("app-20261104", "2026-11-04 01:00", "a"), snap("app-20261105",
			"2026-11-05 01:00", "a"),
		snap("logs-20261105", "2026-11-05 02:00", "l"), failed("app-20261106", "2026-11-06 01:00", "a"), too,
	}
	newest, warnings := newestOfSeries(list, cluster.Server{Version: cluster.Version{7, 17, 28}})
	require.Equal(t, []string{"once-20260101", "app-20261105", "logs-20261105"}, cluster.Names(newest))
	require.Len(t, warnings, 2)
	require.Contains(t, warnings[0], "r/once-20260101 is the newest good snapshot of its series, but 308 days older")
	require.Contains(t, warnings[1], "r/app-20261105 is the newest good snapshot of its series; 2 snapshots after it cannot be used")
}

func TestWholeCluster(t *testing.T) {
	app := snap("app-20261105", "2026-11-05 01:00", ".ds-s-000001", ".dotted", ".kibana_1", ".security-7", "a")
	app.DataStreams, app.GlobalState, app.Cluster = []string{"s"}, true, "lost"
	app.Features = map[string][]string{"kibana": {".kibana_1"}, "security": {".security-7"}}
	list := []*cluster.Snapshot{snap("logs-20261105", "2026-11-05 02:00", "l"), app}
	kinds := func(p *Plan) (out []string) {
		for _, it := range p.Items {
			name := it.Index
			if it.Skipped != "" {
				name = "-" + name
			}
			out = append(out, strings.TrimSpace(string(it.Kind)+" "+name))
		}
		return out
	}
	own := &cluster.Index{Name: ".kibana_1", System: true}
	history := &cluster.Index{Name: ".ds-ilm-history-5-000001", DataStream: "ilm-history-5"}
	seven := cluster.Server{Version: cluster.Version{7, 17, 28}, UUID: "here"}
	r := Request{Whole: true, OnConflict: Fail}

	p := NewPlan(r, Listings{Snapshots: list, Server: seven, Indices: []*cluster.Index{own, history}})
	require.Empty(t, p.Forcible)
	require.Empty(t, p.Refusals)
	require.Equal(t, []string{
		"global state global state", "data stream s", ".dotted", "a", "l", "feature kibana", "feature security",
	}, kinds(p))
	require.Contains(t, strings.Join(p.Warnings, "\n"), "the feature security replaces users and roles")
	require.Equal(t, GlobalState, p.Groups()[0].Items[0].Kind, "templates come before what they are for")
	require.Len(t, p.Groups()[0].Items, 1)

	six := cluster.Server{Version: cluster.Version{6, 7, 0}, UUID: "here"}
	for _, s := range list {
		s.Version = "6.7.0"
	}
	app.Features, app.DataStreams = nil, nil
	p = NewPlan(r, Listings{Snapshots: list, Server: six, Indices: []*cluster.Index{own}})
	require.Empty(t, p.Refusals)
	require.Equal(t, []string{"global state global state", ".dotted", ".ds-s-000001", "-.kibana_1", ".security-7", "a", "l"}, kinds(p),
		"without features, system indices are restored by name")
	require.Len(t, p.Groups(), 6, "each system index by a request of its own")

	stranger := &cluster.Index{Name: "mine"}
	p = NewPlan(r, Listings{Snapshots: list, Server: six, Indices: []*cluster.Index{own, stranger}})
	require.Equal(t,
		[]string{"the server is not empty: it has 1 index, such as mine; a whole cluster is restored into an empty server"}, p.Forcible)

	list[0].Cluster = "another"
	p = NewPlan(r, Listings{Snapshots: list, Server: six})
	require.Len(t, p.Forcible, 1)
	require.Contains(t, p.Forcible[0], "the snapshots are of 2 clusters: another, lost")

	app.GlobalState, list[0].Cluster = false, "lost"
	p = NewPlan(r, Listings{Snapshots: list, Server: six})
	require.Contains(t, p.Warnings, "no snapshot contains the global state: templates, pipelines and persistent settings are not restored")
	p = NewPlan(r, Listings{Server: six})
	require.Equal(t, []string{"there is no good snapshot that this server can restore"}, p.Missing)
}

// TestSystemIndices: what becomes of the indices of features, by server and by request.
func TestSystemIndices(t *testing.T) {
	s := snap("s", "2026-11-05 01:00", ".tasks", "a")
	s.Features, s.GlobalState = map[string][]string{"tasks": {".tasks"}}, true
	eight := cluster.Server{Text: "8.19.7", Version: cluster.Version{8, 19, 7}}
	seven := cluster.Server{Text: "7.17.28", Version: cluster.Version{7, 17, 28}}
	named := []string{"a", ".tasks"}
	for name, c := range map[string]struct {
		r       Request
		server  cluster.Server
		items   []string
		warning string
		refusal string
	}{
		"all":                              {Request{}, eight, []string{"a"}, "1 system index is not restored, such as .tasks", ""},
		"all, where its name can be given": {Request{}, seven, []string{"a"}, "an exact name restores one of them", ""},
		"by name": {Request{Indices: named}, eight, []string{"a"}, "",
			".tasks belongs to the feature tasks, and Elasticsearch 8.19.7 restores it with the feature only: " +
				"feature_states (--feature-state tasks)"},
		"by name, before 8":            {Request{Indices: named}, seven, []string{".tasks", "a"}, "", ""},
		"by name and with its feature": {Request{Indices: named, FeatureStates: []string{"tasks"}}, eight, []string{"a", "tasks"}, "", ""},
		"the server restores all":      {Request{GlobalState: true, AllFeatures: true}, eight, []string{"a"}, "the server also restores", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.r.OnConflict = Fail
			p := NewPlan(c.r, Listings{Snapshots: []*cluster.Snapshot{s}, Server: c.server})
			var items []string
			for _, it := range p.Items {
				items = append(items, it.Index)
			}
			require.Equal(t, c.items, items)
			require.Contains(t, strings.Join(p.Warnings, "\n"), c.warning)
			require.Equal(t, c.refusal, strings.Join(p.Refusals, "\n"))
		})
	}
}
