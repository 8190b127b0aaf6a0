//go:build integration

package integration

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
)

// forms runs the files of examples/curator, each as it is but for its names.
type forms struct {
	*env
	done map[string]bool
}

// form runs an action's file on Curator's command line and requires its exit code.
// What the files call acme- is this test's.
func (f *forms) form(code int, action string) (log string) {
	f.Helper()
	f.done[action] = true
	data, err := os.ReadFile("../examples/curator/" + action + ".yml")
	require.NoError(f, err)
	config := "client:\n  hosts:\n  - " + f.server.URL + "\n"
	if f.server.Username != "" {
		config += "  http_auth: " + f.server.Username + ":" + f.server.Password + "\n  certificate: " + f.server.CAFile + "\n"
	}
	file := f.write(action+".yml", strings.ReplaceAll(string(data), "acme-", f.prefix))
	stdout, stderr := f.want(code, "curator", "--config", f.write("config.yml", config), file)
	return stdout + stderr
}

// knows says whether the server has a request at all. The request must be one that
// it would refuse for another reason.
func (e *env) knows(method, uri string, body any) bool {
	e.Helper()
	status, text := e.try(method, uri, body)
	return status != http.StatusMethodNotAllowed && !strings.Contains(string(text), "no handler found")
}

// knowsFreezing is knows for freeze and unfreeze. Where Elasticsearch 6 lacks them it
// takes the word for a type of documents.
func (e *env) knowsFreezing(action string) bool {
	e.Helper()
	uri := "/" + e.prefix + "nowhere/_" + action
	_, text := e.try("POST", uri, nil)
	return !strings.Contains(string(text), "request body is required") && e.knows("POST", uri, nil)
}

// TestCuratorForms runs the files that examples/curator has for every action, and
// looks at what they did. Where the server lacks what an action needs, the file
// fails and says why.
func TestCuratorForms(t *testing.T) {
	forEachServer(t, func(e *env) {
		f := &forms{e, map[string]bool{}}
		log := func(ago int) string { return e.prefix + "logs-" + e.day(ago) }
		orders, backups, written := e.prefix+"orders", e.prefix+"backups", e.prefix+"logs-000001"
		before := time.Date(e.now.Year(), e.now.Month()-1, 15, 0, 0, 0, 0, time.UTC).Format("2006.01.02")
		before = e.prefix + "logs-" + before // in the month before this one
		e.fill(100, map[string]int{
			log(1):  3,
			log(2):  1,
			log(3):  1,
			log(4):  1,
			log(5):  1,
			log(10): 3,
			log(70): 2,
			before:  2,
			orders:  7,
			written: 1000,
		})
		e.register(backups, e.location("backups"), nil)
		add := func(alias string, names ...string) {
			e.call("POST", "/_aliases", map[string]any{"actions": []any{map[string]any{"add": map[string]any{
				"indices": names,
				"alias":   e.prefix + alias,
			}}}}, nil)
		}
		settings := func(index string) map[string]any { return e.metadata(index).Settings }

		f.form(0, "create_index")
		made := e.metadata(e.prefix + "metrics-" + e.now.Format("2006.01"))
		require.Equal(e, []string{e.prefix + "metrics"}, made.Aliases)
		require.Equal(e, "1", made.Settings["index.number_of_shards"])

		add("recent", log(10), log(70))
		f.form(0, "alias")
		require.Equal(e, []string{e.prefix + "recent"}, e.metadata(log(1)).Aliases)
		require.Empty(e, e.metadata(log(10)).Aliases)
		require.Empty(e, e.metadata(log(70)).Aliases)

		f.form(0, "allocation")
		require.Equal(e, "hot", settings(log(10))["index.routing.allocation.exclude.box_type"])
		require.NotContains(e, settings(log(1)), "index.routing.allocation.exclude.box_type")
		f.form(0, "allocation")
		require.Empty(e, e.writes(), "those that have the rule are left out")

		for _, id := range []string{"x", "y"} { // one segment at each refresh
			e.call("PUT", "/"+log(10)+"/_doc/"+id+"?refresh=true", map[string]any{"n": 1}, nil)
		}
		require.Greater(e, e.segments(log(10)), 1)
		f.form(0, "forcemerge")
		require.Contains(e, e.writes(), "POST /"+log(10)+"/_forcemerge?max_num_segments=1")
		e.call("POST", "/"+log(10)+"/_refresh", nil, nil) // segments are counted as searches see them
		require.Equal(e, 1, e.segments(log(10)))

		add("write", written)
		f.form(0, "index_settings")
		require.Equal(e, "30s", settings(log(1))["index.refresh_interval"])
		require.NotContains(e, settings(written), "index.refresh_interval")

		f.form(0, "rollover")
		next := e.prefix + "logs-000002"
		require.Equal(e, []string{e.prefix + "write"}, e.metadata(next).Aliases)
		require.Empty(e, e.metadata(written).Aliases)
		require.Equal(e, "0", settings(next)["index.number_of_replicas"])

		e.take(backups, e.prefix+"nightly-20200101010000", orders)
		f.form(0, "snapshot")
		require.Len(e, e.snapshots(backups), 2)
		for name, s := range e.snapshots(backups) {
			require.Equal(e, "SUCCESS", s.State)
			if name != e.prefix+"nightly-20200101010000" {
				require.Regexp(e, "^"+e.prefix+"nightly-"+e.now.Format("200601")+`\d{8}$`, name)
				require.ElementsMatch(e, e.indices(), s.Indices)
			}
		}
		f.form(0, "delete_snapshots")
		require.Len(e, e.snapshots(backups), 1)
		require.NotContains(e, e.snapshots(backups), e.prefix+"nightly-20200101010000")

		f.form(0, "restore")
		require.Equal(e, 7, e.count(e.prefix+"restored-orders"))
		require.Equal(e, 7, e.count(orders))

		e.call("PUT", "/"+log(1)+","+log(10)+"/_settings", map[string]any{"index.number_of_replicas": 1}, nil)
		f.form(0, "replicas")
		require.Equal(e, "1", settings(log(1))["index.number_of_replicas"], "one of the newest five")
		require.Equal(e, "0", settings(log(10))["index.number_of_replicas"])

		f.form(0, "close")
		require.Equal(e, "close", e.metadata(log(70)).State)
		require.Equal(e, "open", e.metadata(log(10)).State)
		if e.metadata(before).State == "open" { // less than thirty days are between them
			e.call("POST", "/"+before+"/_close", nil, nil)
		}
		f.form(0, "open")
		require.Equal(e, "open", e.metadata(before).State)
		require.Equal(e, "close", e.metadata(log(70)).State, "it is of an earlier month")

		f.form(0, "delete_indices")
		require.NotContains(e, e.indices(), log(70))
		require.Subset(e, e.indices(), []string{log(1), log(10), written, orders})

		wide := log(20)
		e.wide(wide, 40)
		e.green()
		f.form(0, "shrink")
		require.NotContains(e, e.indices(), wide)
		require.Equal(e, 40, e.count(wide+"-shrink"))
		require.Equal(e, []string{e.prefix + "all"}, e.metadata(wide+"-shrink").Aliases)
		require.Equal(e, "1", settings(wide + "-shrink")["index.number_of_shards"])
		require.Equal(e, "hot", settings(wide + "-shrink")["index.routing.allocation.exclude.box_type"])

		f.form(0, "cluster_routing")
		var routing map[string]map[string]any
		e.call("GET", "/_cluster/settings?flat_settings=true", nil, &routing)
		require.Equal(e, "all", routing["transient"]["cluster.routing.allocation.enable"])
		e.call("PUT", "/_cluster/settings", map[string]any{"transient": map[string]any{"cluster.routing.allocation.enable": nil}}, nil)

		e.fill(100, map[string]int{log(100): 5})
		require.Contains(e, f.form(1, "cold2frozen"), "it is not a mounted snapshot")
		require.Equal(e, 5, e.count(log(100)))
		f.reindex(log(100))
		f.freeze(log(100))
		require.Equal(e, slices.Sorted(maps.Keys(actions.Kinds)), slices.Sorted(maps.Keys(f.done)), "a file for each action was run")
	})
}

// reindex runs the form of reindex, with an index of five documents.
func (f *forms) reindex(index string) {
	f.Helper()
	f.deleteIndices(slices.DeleteFunc(f.indices(f.prefix+"logs-"), func(n string) bool { return n == index })...)
	if f.knows("POST", "/_reindex", map[string]any{}) {
		f.form(0, "reindex")
		require.Equal(f, 5, f.count(f.prefix+"archive"))
		return
	}
	require.Contains(f, f.form(1, "reindex"), "module reindex")
	require.NotContains(f, f.indices(), f.prefix+"archive")
}

// freeze runs the forms of freeze and unfreeze, with an index older than sixty days.
func (f *forms) freeze(index string) {
	f.Helper()
	frozen := func() bool { return f.metadata(index).Settings["index.frozen"] == "true" }
	for _, action := range []string{"freeze", "unfreeze"} {
		if !f.knowsFreezing(action) {
			require.Contains(f, f.form(1, action), "Elasticsearch 6.6 to 7 with x-pack can freeze")
			require.False(f, frozen())
			continue
		}
		f.form(0, action)
		require.Equal(f, action == "freeze", frozen())
	}
}

// segments are those that a search in an index looks at.
func (e *env) segments(index string) int {
	e.Helper()
	var reply struct {
		Indices map[string]struct {
			Shards map[string][]struct {
				N int `json:"num_search_segments"`
			}
		}
	}
	status, text := e.try("GET", "/"+index+"/_segments", nil)
	require.Equal(e, 200, status)
	require.NoError(e, json.Unmarshal(text, &reply))
	n := 0
	for _, copies := range reply.Indices[index].Shards {
		for _, c := range copies {
			n += c.N
		}
	}
	return n
}
