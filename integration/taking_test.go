//go:build integration

package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTaking takes snapshots while an index is red, and under names that are in use.
func TestTaking(t *testing.T) {
	forEachServer(t, func(e *env) {
		repository, good, broken := e.prefix+"repo", e.prefix+"good-2026.01.02", e.prefix+"lost-2026.01.02"
		e.register(repository, e.location("repo"), nil)
		e.fill(20, map[string]int{good: 3})
		e.call("PUT", "/"+broken+"?wait_for_active_shards=0", map[string]any{
			"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0, "index.routing.allocation.require._name": "nope"},
		}, nil)
		file := func(name, options string) string {
			return strings.NewReplacer("NAME", name, "OPTIONS", options).Replace(`
actions:
  1:
    action: snapshot
    description: the nightly one
    options: {repository: PREFIXrepo, name: 'NAME', OPTIONS}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
`)
		}

		// The others, without the red one: as the dry run says.
		for _, dry := range [][]string{{"--dry-run"}, nil} {
			r := e.run(5, file("red", "skip_red: true"), dry...)
			o := r.Actions[0].Outcomes[0]
			require.Equal(e, "partial", o.Result)
			require.Contains(e, o.Detail, "without 1 index that is red: "+broken+"[0] is on no node (INDEX_CREATED")
			require.Contains(e, o.Detail, "esnap restore --red")
		}
		require.Equal(e, []string{good}, e.snapshots(repository)["red"].Indices)
		require.Equal(e, "SUCCESS", e.snapshots(repository)["red"].State)

		// FAILED, or refused; then the index is there, and the next try is good.
		healed := make(chan int)
		go func() {
			time.Sleep(3 * time.Second)
			status, _ := e.try("PUT", "/"+broken+"/_settings", map[string]any{"index.routing.allocation.require._name": nil})
			healed <- status
		}()
		r := e.run(0, file("again-%Y", "retry_count: 2, cleanup_failed: true"))
		require.Equal(e, 200, <-healed)
		name := "again-" + e.now.Format("2006")
		require.Equal(e, "done", r.Actions[0].Outcomes[0].Result)
		require.Contains(e, r.Actions[0].Outcomes[0].Detail, "try 2 of 3")
		require.NotEmpty(e, r.Actions[0].Warnings)
		taken := name
		if e.old() {
			taken = name + "-2"
			require.Len(e, r.Actions[0].Outcomes, 2)
			require.Equal(e, []string{"delete", "done"}, []string{r.Actions[0].Outcomes[1].Verb, r.Actions[0].Outcomes[1].Result})
		}
		require.Len(e, e.snapshots(repository), 2, "the FAILED one is deleted")
		require.ElementsMatch(e, []string{good, broken}, e.snapshots(repository)[taken].Indices)

		// The name is in use: by this job's snapshot of everything, and then by one that lacks
		// an index.
		e.run(0, file("named-%Y", "retry_count: 0"))
		r = e.run(0, file("named-%Y", "retry_count: 0"))
		require.Equal(e, "adopted", r.Actions[0].Outcomes[0].Result)
		require.Len(e, e.snapshots(repository), 3)
		e.fill(20, map[string]int{e.prefix + "late": 1})
		for _, dry := range [][]string{{"--dry-run"}, nil} {
			r = e.run(0, file("named-%Y", "retry_count: 0"), dry...)
			require.Equal(e, "named-"+e.now.Format("2006")+"-2", r.Actions[0].Outcomes[0].Name)
		}
		require.Len(e, e.snapshots(repository), 4)

		stdout, _ := e.want(0, "snapshot", "show", repository, taken)
		if e.old() {
			require.NotContains(e, stdout, "run id")
		} else {
			require.Regexp(e, `(?m)^run id +[0-9a-f]{32}\nhost +\S+\ndescription +the nightly one\ncluster uuid +\S+$`, stdout)
		}
	})
}
