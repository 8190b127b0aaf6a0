package es

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
)

// What may go wrong once.
var (
	refused  = exchange{err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}
	noHost   = exchange{err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "es"}}}
	reset    = exchange{err: &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}}
	ended    = exchange{err: io.EOF}
	cutShort = exchange{reply: `{"nodes":{"a":{"na`, broken: true}
	tooMany  = exchange{status: 429, reply: `{"error":{"type":"es_rejected_execution_exception","reason":"rejected"},"status":429}`}
	rejected = exchange{status: 503, reply: `{"error":{"type":"rejected_execution_exception","reason":"rejected"},"status":503}`}
	gateway  = exchange{status: 502, reply: "<h1>Bad Gateway</h1>"}
	absent   = exchange{status: 503, reply: "no healthy upstream"}
	starting = exchange{status: 503, reply: "OpenSearch Security not initialized."}
	late     = exchange{status: 504, reply: "upstream request timeout"}
	broken   = exchange{status: 500, reply: `{"error":{"type":"null_pointer_exception","reason":null},"status":500}`}
	missing  = exchange{status: 404, reply: `{"error":{"type":"repository_missing_exception","reason":"[r] missing"},"status":404}`}
	hangs    = exchange{hang: time.Hour}
)

func (x exchange) on(line string) exchange { x.line = line; return x }

// Which failures are tried again, for a read and for a write; what comes out of
// one that is not, or that never passes.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name      string
		fault     exchange
		read      error // nil: tried again
		write     error
		persisted error // the kind after five times
	}{
		{"connection refused", refused, nil, nil, cluster.ErrUnreachable},
		{"no such host", noHost, nil, nil, cluster.ErrUnreachable},
		{"connection reset", reset, nil, cluster.ErrLost, cluster.ErrUnreachable},
		{"connection closed", ended, nil, cluster.ErrLost, cluster.ErrUnreachable},
		{"the reply breaks off", cutShort, nil, cluster.ErrLost, cluster.ErrUnreachable},
		{"429", tooMany, nil, nil, cluster.ErrRejected},
		{"503 with a rejection", rejected, nil, nil, cluster.ErrRejected},
		{"502", gateway, nil, cluster.ErrLost, cluster.ErrUnavailable},
		{"503 without a rejection", absent, nil, cluster.ErrLost, cluster.ErrUnavailable},
		{"503, security not initialized", starting, nil, cluster.ErrUnavailable, cluster.ErrUnavailable},
		{"504", late, nil, cluster.ErrLost, cluster.ErrUnavailable},
		{"500", broken, cluster.ErrServer, cluster.ErrServer, nil},
		{"404", missing, cluster.ErrNoRepository, cluster.ErrNoRepository, nil},
		{"no answer in time", hangs, cluster.ErrUnreachable, cluster.ErrLost, nil},
	} {
		const readLine, writeLine, harmlessLine = "GET /_snapshot/r", "POST /i/_forcemerge?max_num_segments=1", "POST /_snapshot/r/_verify"
		call := map[string]func(context.Context, *Client) error{
			readLine: func(ctx context.Context, c *Client) error { _, err := c.Repository(ctx, "r"); return err },
			// a write whose reply matters, so that one that breaks off is seen
			writeLine: func(ctx context.Context, c *Client) error {
				return c.ForcemergeIndex(ctx, cluster.ForcemergeIndex{Name: "i", MaxNumSegments: 1})
			},
			// a write that does the same the second time is tried like a read
			harmlessLine: func(ctx context.Context, c *Client) error {
				_, err := c.VerifyRepository(ctx, cluster.VerifyRepository{Name: "r"})
				return err
			},
		}
		reply := map[string]string{readLine: `{"r":{"type":"fs"}}`, writeLine: `{"_shards":{"failed":0}}`, harmlessLine: `{"nodes":{}}`}
		for line, want := range map[string]error{readLine: c.read, writeLine: c.write, harmlessLine: c.read} {
			t.Run(c.name+"/"+line, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if want != nil {
						if line == harmlessLine && errors.Is(want, cluster.ErrUnreachable) {
							want = cluster.ErrLost
						}
						client, _ := play(t, Options{}, c.fault.on(line))
						requireKind(t, want, call[line](t.Context(), client), "not tried again")
						return
					}
					client, s := play(t, Options{}, c.fault.on(line), c.fault.on(line), exchange{line: line, reply: reply[line]})
					require.NoError(t, call[line](t.Context(), client))
					first, second := s.at[1].Sub(s.at[0]), s.at[2].Sub(s.at[1])
					require.Positive(t, first, "without a pause")
					require.Greater(t, second, first, "pauses do not grow")
					client, _ = play(t, Options{}, c.fault.on(line), c.fault.on(line), c.fault.on(line), c.fault.on(line), c.fault.on(line))
					persisted := c.persisted
					if line == harmlessLine && c.write != nil { // whether it was carried out is not known
						persisted = c.write
					}
					requireKind(t, persisted, call[line](t.Context(), client), "five times")
				})
			})
		}
	}
}

// The Retry-After of a reply is the least pause, up to half a minute.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		after    string
		min, max time.Duration
	}{
		{"7", 7 * time.Second, 7 * time.Second},
		{"0", 0, time.Second},
		{"", 0, time.Second},
		{"-1", 0, time.Second},
		{"soon", 0, time.Second},
		{"3600", 30 * time.Second, 30 * time.Second},
		{"date", 18 * time.Second, 20 * time.Second},
	} {
		t.Run(c.after, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if c.after == "date" {
					c.after = time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)
				}
				busy := tooMany
				busy.header = http.Header{"Retry-After": {c.after}}
				client, s := play(t, Options{}, busy.on("DELETE /_snapshot/r"), exchange{line: "DELETE /_snapshot/r"})
				require.NoError(t, client.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "r"}))
				pause := s.at[1].Sub(s.at[0])
				require.GreaterOrEqual(t, pause, c.min)
				require.LessOrEqual(t, pause, c.max)
			})
		})
	}
}

// A caller's deadline is not waited out: the last error comes as soon as the next
// try would be too late.
func TestRetriesEndWithTheCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := tooMany
		busy.header = http.Header{"Retry-After": {"20"}}
		client, _ := play(t, Options{}, busy.on("GET /_snapshot/r"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client.Repository(ctx, "r")
		requireKind(t, cluster.ErrRejected, err, "deadline")
		require.Zero(t, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		busy := tooMany
		busy.header = http.Header{"Retry-After": {"20"}}
		client, _ := play(t, Options{}, busy.on("GET /_snapshot/r"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := client.Repository(ctx, "r")
		requireKind(t, cluster.ErrRejected, err, "interrupted")
		require.Equal(t, time.Second, time.Since(start))
	})
}

// A write that is interrupted or takes too long may have been carried out.
func TestLostWrites(t *testing.T) {
	remove := func(ctx context.Context, c *Client, timeout time.Duration) error {
		ctx = cluster.WithRequestTimeout(ctx, timeout)
		return c.DeleteSnapshots(ctx, cluster.DeleteSnapshots{Repository: "r", Names: []string{"s"}})
	}
	for _, c := range []struct {
		name    string
		timeout time.Duration // of the request
		stop    time.Duration // when the caller gives up; 0: never
		took    time.Duration
		text    string
	}{
		{"the client's time-out", 0, 0, 30 * time.Second, "no answer within 30s"},
		{"the request's own time-out", 300 * time.Second, 0, 300 * time.Second, "no answer within 5m0s"},
		{"interrupted", 300 * time.Second, 4 * time.Second, 4 * time.Second, "operator pressed ^C"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := play(t, Options{}, hangs.on("DELETE /_snapshot/r/s"))
				ctx, cancel := context.WithCancelCause(t.Context())
				if c.stop > 0 {
					time.AfterFunc(c.stop, func() { cancel(errors.New("operator pressed ^C")) })
				}
				defer cancel(nil)
				start := time.Now()
				err := remove(ctx, client, c.timeout)
				requireKind(t, cluster.ErrLost, err, c.name)
				require.Equal(t, c.took, time.Since(start))
				require.EqualError(t, err, "delete snapshot r/s: "+c.text)
			})
		})
	}
}

// Servers before 7.9 hold back snapshots and restores for up to half a minute
// while another operation runs: those requests are given at least 90 s.
func TestTimeoutsOfSlowRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		call func(context.Context, *Client) error
		line string
		body string
		want time.Duration
	}{
		{"create snapshot", func(ctx context.Context, c *Client) error {
			return c.CreateSnapshot(cluster.WithRequestTimeout(ctx, time.Second), cluster.CreateSnapshot{Repository: "r", Name: "s"})
		}, "PUT /_snapshot/r/s?wait_for_completion=false",
			`{"indices":"","ignore_unavailable":false,"include_global_state":false,"partial":false}`, masterWait},
		{"restore", func(ctx context.Context, c *Client) error {
			return c.RestoreSnapshot(cluster.WithRequestTimeout(ctx, 6*time.Hour), cluster.RestoreSnapshot{Repository: "r", Name: "s"})
		}, "POST /_snapshot/r/s/_restore?wait_for_completion=false",
			`{"indices":"","ignore_unavailable":false,"include_global_state":false,"partial":false,"include_aliases":false}`,
			6 * time.Hour},
		{"register", func(ctx context.Context, c *Client) error {
			return c.RegisterRepository(ctx, cluster.RegisterRepository{Name: "r", Type: "fs"})
		}, "PUT /_snapshot/r?verify=false", `{"type":"fs","settings":{}}`, sizesTimeout},
		{"verify", func(ctx context.Context, c *Client) error {
			_, err := c.VerifyRepository(ctx, cluster.VerifyRepository{Name: "r"})
			return err
		}, "POST /_snapshot/r/_verify", "", sizesTimeout},
		{"delete indices", func(ctx context.Context, c *Client) error {
			return c.DeleteIndices(cluster.WithRequestTimeout(ctx, 10*time.Second), cluster.DeleteIndices{
				Names:         []string{"a"},
				MasterTimeout: 45 * time.Second,
			})
		}, "DELETE /a?expand_wildcards=none&master_timeout=45000ms", "", 45 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := play(t, Options{}, exchange{line: c.line, body: c.body, hang: 24 * time.Hour})
				start := time.Now()
				requireKind(t, cluster.ErrLost, c.call(t.Context(), client), c.name)
				require.Equal(t, c.want, time.Since(start))
			})
		})
	}
}

// A reply that is not what the server should send is one readable line, and
// nothing of it is taken.
func TestRepliesThatAreNone(t *testing.T) {
	for _, reply := range []string{
		"<html>Sign in</html>", `[1,2]`, `"x"`, `{"metadata":{"indices":{"a":{"state":"open"},"b":{"sta`,
		`{"metadata":{"indices":[]}}`, ``,
	} {
		t.Run(reply, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []exchange
				for range tries {
					sent = append(sent, exchange{line: "GET /_cluster/state/metadata,blocks?filter_path=" + listing, reply: reply})
				}
				client, _ := play(t, Options{}, sent...)
				list, err := client.Indices(t.Context())
				requireKind(t, cluster.ErrUnreachable, err, reply)
				require.Nil(t, list)
				require.True(t, strings.HasPrefix(err.Error(), "list indices: the reply is incomplete or not valid for this request: "), err)
			})
		})
	}
}

// What a reply that broke off had already brought does not come twice.
func TestATryThatBrokeOffLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := "GET /_cluster/state/metadata,blocks?filter_path=" + listing
		client, _ := play(t, Options{},
			exchange{line: line, reply: `{"metadata":{"data_stream":{"data_stream":{"d":{"indices":[{"index_name":"a"},` +
				`{"index_name":"b"}]}}},"indices":{"a":{"state":"open"},`, broken: true},
			exchange{line: line, reply: `{"metadata":{"data_stream":{"data_stream":{"d":{"indices":[{"index_name":"a"},` +
				`{"index_name":"b"}]}}},"indices":{"a":{"state":"open"},"b":{"state":"open"}}}}`})
		list, err := client.Indices(t.Context())
		require.NoError(t, err)
		require.Equal(t, []*cluster.Index{{Name: "a", DataStream: "d"}, {Name: "b", DataStream: "d", DataStreamWriteIndex: true}}, list)

		line = "GET /_snapshot/r/_all?filter_path=snapshots.snapshot,snapshots.uuid,failures&verbose=false"
		client, _ = play(t, Options{}, exchange{line: line, reply: `{"snapshots":[{"snapshot":"a"},`, broken: true},
			exchange{line: line, reply: `{"snapshots":[{"snapshot":"a"}]}`})
		names, err := cluster.SnapshotNames(t.Context(), client, "r")
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, names)
	})
}

// A listing without snapshots is believed only if the list without a filter path is empty,
// too: a filter path turns every reply that is none into {}.
func TestAnEmptyListingIsReadAgain(t *testing.T) {
	const filtered = "GET /_snapshot/r/_all?filter_path=snapshots.snapshot,snapshots.uuid,failures&verbose=false"
	const plain = "GET /_snapshot/r/_all?verbose=false"
	lost, some := exchange{line: filtered, reply: `{}`, asIs: true}, exchange{line: plain, reply: `{"snapshots":[{"snapshot":"a"}]}`}
	client, _ := play(t, Options{}, lost, some, exchange{line: filtered, reply: `{"snapshots":[{"snapshot":"a"}]}`})
	names, err := cluster.SnapshotNames(t.Context(), client, "r")
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names)

	client, _ = play(t, Options{}, slices.Repeat([]exchange{lost, some}, tries)...)
	_, err = cluster.SnapshotNames(t.Context(), client, "r")
	requireKind(t, cluster.ErrUnreachable, err, "a server that never sends the list")

	client, _ = play(t, Options{}, lost, exchange{line: plain, reply: `{"snapshots":[]}`})
	names, err = cluster.SnapshotNames(t.Context(), client, "r")
	require.NoError(t, err)
	require.Empty(t, names)
}

// A reply to another request is not a reply: the snapshot, or the metadata, is missing.
func TestRepliesToOtherRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := exchange{line: "GET /_snapshot/r/a", reply: `{"snapshots":[{"snapshot":"b","state":"SUCCESS"}]}`}
		client, _ := play(t, Options{}, one, exchange{line: one.line, reply: `{"snapshots":[{"snapshot":"a","state":"FAILED"}]}`})
		s, err := client.Snapshot(t.Context(), "r", "a")
		require.NoError(t, err)
		require.Equal(t, cluster.Failed, s.State)

		named := "GET /_snapshot/r/a,c?filter_path=" + snapshots + "&ignore_unavailable=true"
		client, _ = play(t, Options{}, exchange{line: named, reply: `{"snapshots":[{"snapshot":"a"},{"snapshot":"b"}]}`},
			exchange{line: named, reply: `{"snapshots":[{"snapshot":"a"}]}`})
		list, err := client.SnapshotsNamed(t.Context(), "r", []string{"a", "c"})
		require.NoError(t, err)
		require.Len(t, list, 1)

		indices := "GET /_cluster/state/metadata,blocks?filter_path=" + listing
		for _, other := range []string{`{"name":"n","cluster_uuid":"I1fp","version":{"number":"6.7.0"}}`, `{"cluster_uuid":"I1fp"}`} {
			client, _ = play(t, Options{}, exchange{line: indices, reply: other, asIs: true},
				exchange{line: indices, reply: `{"metadata":{"indices":{"a":{"state":"open"}}}}`})
			found, err := client.Indices(t.Context())
			require.NoError(t, err)
			require.Equal(t, []*cluster.Index{{Name: "a"}}, found)
		}
	})
}

// A line that is too long is not sent, and not tried again.
func TestALineTooLongIsNotSent(t *testing.T) {
	client, _ := play(t, Options{})
	_, err := client.Repository(context.Background(), strings.Repeat("ü", 1000))
	requireKind(t, cluster.ErrInvalid, err, "read")
	requireKind(t, cluster.ErrInvalid, client.UnregisterRepository(context.Background(),
		cluster.UnregisterRepository{Name: strings.Repeat("x", 5000)}), "write")
}

func TestPersistentRefusalSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := refused.on("GET /_snapshot/r")
		client, _ := play(t, Options{}, x, x, x, x, x)
		_, err := client.Repository(t.Context(), "r")
		require.EqualError(t, err, "read repository r: cannot reach http://es:9200: connection refused")
	})
}
