package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/memory"
)

var now = time.Date(2026, 11, 21, 1, 0, 8, 0, time.UTC)

func plain(text string) string { return text }

func newRecord(at time.Time, run string) Record {
	return Record{ID: ID(at, run), Command: "run", Started: at}
}

// TestOldRecordsAreDeleted: those of more than 90 days, by id.
func TestOldRecordsAreDeleted(t *testing.T) {
	c := memory.New(memory.At(now))
	for day := range 100 {
		at := now.AddDate(0, 0, day-99)
		require.NoError(t, Write(t.Context(), c, newRecord(at, "r"), plain))
	}
	list, err := List(t.Context(), c, 1000)
	require.NoError(t, err)
	require.Len(t, list, 91)
	require.Equal(t, now, list[0].Started)
	require.Equal(t, "20261121T010008Z-r", list[0].ID)
	require.Equal(t, now.AddDate(0, 0, -90), list[90].Started)
}

// TestRecordIsShortened: what failed is kept as far as it fits.
func TestRecordIsShortened(t *testing.T) {
	r := newRecord(now, "r")
	sizes := map[int]int{}
	for _, n := range []int{1, 10_000, 60_000} {
		a := Action{Action: "delete_indices", Results: map[string]int{"done": n, "failed": 1}}
		for i := range n {
			a.Items = append(a.Items, Item{Name: fmt.Sprintf("logs-%d", i), Result: "done"})
		}
		a.Items = append(a.Items, Item{Name: "bad", Result: "failed", Error: "disk full"})
		r.Summary = &Summary{Actions: []Action{a}}
		body, err := shorten(r, plain)
		require.NoError(t, err)
		require.LessOrEqual(t, len(body), maxBytes)
		var got Record
		require.NoError(t, json.Unmarshal(body, &got))
		sizes[n] = len(got.Summary.Actions[0].Items)
		require.Equal(t, n > 1, got.Summary.Truncated)
		require.Equal(t, n, got.Summary.Actions[0].Results["done"])
		require.Contains(t, string(body), "disk full")
		require.Len(t, r.Summary.Actions[0].Items, n+1, "the caller's is not changed")
	}
	require.Equal(t, map[int]int{1: 2, 10_000: 1, 60_000: 1}, sizes)
	long := strings.Repeat("x", 10_000)
	r.Summary = &Summary{Warnings: []string{long}}
	for i := range 500 {
		r.Summary.Actions = append(r.Summary.Actions, Action{ID: fmt.Sprint(i), Error: long, Warnings: []string{long},
			Items: []Item{{Name: long, Error: long}, {Error: long}}})
	}
	r.Error, r.Reason = strings.Repeat(long, 10), long
	body, err := shorten(r, plain)
	require.NoError(t, err)
	require.LessOrEqual(t, len(body), maxBytes)
}

// TestSecretsAreTakenOut: also one that JSON writes in another way.
func TestSecretsAreTakenOut(t *testing.T) {
	c := memory.New(memory.At(now))
	secret := `can"ary<4711`
	r := newRecord(now, "r")
	r.Error, r.Reason = "no route to http://u:"+secret+"@h", secret
	r.Summary = &Summary{Warnings: []string{secret}, Actions: []Action{{Error: secret, Items: []Item{{Name: secret, Error: secret}}}}}
	require.NoError(t, Write(t.Context(), c, r, func(s string) string { return strings.ReplaceAll(s, secret, "***") }))
	d, err := c.Document(t.Context(), cluster.HistoryIndex, r.ID)
	require.NoError(t, err)
	require.NotContains(t, string(d.Body), "4711")
	require.Equal(t, 6, strings.Count(string(d.Body), "***"))
}

// TestBesideABusyJob: what the last run of a job left is found although another job has run
// many times since.
func TestBesideABusyJob(t *testing.T) {
	c := memory.New()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	put := func(job, left string) {
		at = at.Add(10 * time.Second)
		r := Record{ID: ID(at, "run"), Run: "run", Job: job, Started: at}
		if left != "" {
			r.Left = json.RawMessage(left)
		}
		require.NoError(t, Write(t.Context(), c, r, func(s string) string { return s }))
	}
	put("nightly", `{"r":1}`)
	for range 1500 {
		put("busy", "")
	}
	left, err := Left(t.Context(), c, "nightly")
	require.NoError(t, err)
	require.JSONEq(t, `{"r":1}`, string(left))
	r, err := Newest(t.Context(), c, "nightly", func(Record) bool { return true })
	require.NoError(t, err)
	require.NotNil(t, r)
	r, err = Newest(t.Context(), c, "other", func(Record) bool { return true })
	require.NoError(t, err)
	require.Nil(t, r)
}
