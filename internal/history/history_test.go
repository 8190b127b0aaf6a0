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
		require.NoError(t, Write(t.Context(), c, now, newRecord(at, "r"), plain))
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
	require.NoError(t, Write(t.Context(), c, now, r, func(s string) string { return strings.ReplaceAll(s, secret, "***") }))
	d, err := c.Document(t.Context(), cluster.HistoryIndex, r.ID)
	require.NoError(t, err)
	require.NotContains(t, string(d.Body), "4711")
	require.Equal(t, 6, strings.Count(string(d.Body), "***"))
}

// TestWrongClocks: records have the times of the cluster, whatever the clocks of the machines say,
// and one from the future hides nothing.
func TestWrongClocks(t *testing.T) {
	c := memory.New(memory.At(now))
	write := func(ago, skew time.Duration, left string) {
		c.SetClock(now.Add(-ago))
		ours := now.Add(-ago + skew)
		r := newRecord(ours.Add(-time.Second), "r")
		r.ID, r.Job, r.Left = left, "nightly", json.RawMessage(`"`+left+`"`)
		require.NoError(t, Write(t.Context(), c, ours, r, plain))
	}
	write(5*time.Hour, 0, "a")
	write(4*time.Hour, 48*time.Hour, "b")
	write(3*time.Hour, -30*time.Minute, "c")
	write(2*time.Hour, 2400*time.Hour, "d")
	write(time.Hour, 10*time.Second, "e")
	c.SetClock(now)
	list, err := List(t.Context(), c, 10)
	require.NoError(t, err)
	var order string
	for _, r := range list {
		order += r.ID
	}
	require.Equal(t, "edcba", order, "and none is deleted because of the clock of another machine")
	require.Equal(t, now.Add(-4*time.Hour-time.Second), list[3].Started)

	_, err = c.PutDocument(t.Context(), cluster.PutDocument{Index: cluster.HistoryIndex, ID: "forged", Time: now.AddDate(1, 0, 0),
		Body: Record{Command: "run", Job: "nightly", Left: json.RawMessage(`"forged"`)}})
	require.NoError(t, err)
	for _, ours := range []time.Time{now, now.Add(-26 * time.Hour), now.Add(26 * time.Hour)} {
		left, err := Left(t.Context(), c, ours, "nightly")
		require.NoError(t, err)
		require.JSONEq(t, `"e"`, string(left), "%s", ours)
	}
}

// TestForeignDocuments: what esnap did not write is no record, and no success.
func TestForeignDocuments(t *testing.T) {
	c := memory.New(memory.At(now))
	for id, body := range map[string]any{
		"text":  map[string]any{"command": "run", "job": "nightly", "exit_code": "1"},
		"empty": map[string]any{},
		"list":  []int{1},
	} {
		_, err := c.PutDocument(t.Context(), cluster.PutDocument{Index: cluster.HistoryIndex, ID: id, Time: now, Body: body})
		require.NoError(t, err)
		_, err = Read(t.Context(), c, id)
		require.ErrorContains(t, err, "is not a record of esnap")
	}
	_, ok := record(cluster.Document{Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), Body: json.RawMessage(`{"command":"run"}`)})
	require.False(t, ok, "JSON has no such year")
	list, err := List(t.Context(), c, 10)
	require.NoError(t, err)
	require.Empty(t, list)
	r, err := Newest(t.Context(), c, now, "nightly", func(Record) bool { return true })
	require.NoError(t, err)
	require.Nil(t, r)
}

// TestBesideABusyJob: what the last run of a job left is found although another job has run
// many times since.
func TestBesideABusyJob(t *testing.T) {
	c := memory.New(memory.At(now))
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	put := func(job, left string) {
		at = at.Add(10 * time.Second)
		r := Record{ID: ID(at, "run"), Run: "run", Command: "run", Job: job, Started: at}
		if left != "" {
			r.Left = json.RawMessage(left)
		}
		require.NoError(t, Write(t.Context(), c, now, r, func(s string) string { return s }))
	}
	put("nightly", `{"r":1}`)
	for range 1500 {
		put("busy", "")
	}
	left, err := Left(t.Context(), c, now, "nightly")
	require.NoError(t, err)
	require.JSONEq(t, `{"r":1}`, string(left))
	r, err := Newest(t.Context(), c, now, "nightly", func(Record) bool { return true })
	require.NoError(t, err)
	require.NotNil(t, r)
	r, err = Newest(t.Context(), c, now, "other", func(Record) bool { return true })
	require.NoError(t, err)
	require.Nil(t, r)
}
