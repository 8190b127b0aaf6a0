//go:build integration

package integration

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/testserver"
)

// BenchmarkDryRun1000 is a dry run of KubeSphere's four actions over 1,000 indices.
// Curator 5.8.4 takes 0.92 s, 99 requests and 4.1 MB for that. bare is the time of the
// one listing alone, ratio that of esnap over it, both at their best; reading the
// settings, asking for the version, judging and reporting are in esnap's.
func BenchmarkDryRun1000(b *testing.B) {
	e := newEnv(b, testserver.ES670, testserver.Shared(b, testserver.ES670))
	docs := map[string]int{}
	for ago := range 250 {
		for _, family := range []string{"ks-logstash-log", "ks-logstash-events", "ks-logstash-auditing", "logstash"} {
			docs[e.prefix+family+"-"+e.day(ago)] = 1
		}
	}
	e.fill(20, docs)
	file := e.write("four.yml", prefixed(b, "3.3"))
	stdout, _ := e.want(0, "run", "-n", "-o", "name", file)
	require.Equal(b, 4*243, strings.Count(stdout, "\n"))
	require.Empty(b, e.writes())
	listing := slices.MaxFunc(e.requests, func(x, y es.Exchange) int { return cmp.Compare(x.Bytes, y.Bytes) })
	require.Equal(b, "GET", listing.Method)
	var requests, bytes int64
	var ours, bare []time.Duration
	for b.Loop() {
		begin := time.Now()
		e.want(0, "run", "-n", file)
		ours = append(ours, time.Since(begin))
		requests += int64(len(e.requests))
		for _, x := range e.requests {
			bytes += x.Bytes
		}
		b.StopTimer()
		begin = time.Now()
		e.call(listing.Method, listing.URI, nil, nil)
		bare = append(bare, time.Since(begin))
		b.StartTimer()
	}
	ratio := slices.Min(ours).Seconds() / slices.Min(bare).Seconds() // the server's collector may always hit the same of both
	b.ReportMetric(slices.Min(ours).Seconds(), "best-s/op")
	b.ReportMetric(slices.Min(bare).Seconds(), "bare-s/op")
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
	b.ReportMetric(float64(bytes)/float64(b.N), "bytes/op")
	require.LessOrEqual(b, ratio, 3.0)
	require.LessOrEqual(b, requests/int64(b.N), int64(4))
	require.LessOrEqual(b, bytes/int64(b.N), int64(200_000))
}

// BenchmarkDeleteSnapshots deletes 155 of 200 snapshots with esnap, and for
// comparison with bare requests: two of many names where the server takes several,
// else one by one. ratio is esnap's time over theirs.
func BenchmarkDeleteSnapshots(b *testing.B) {
	for _, f := range flavours() {
		b.Run(string(f), func(b *testing.B) {
			e := newEnv(b, f, testserver.Shared(b, f))
			if e.server.RepoPaths == nil {
				e.notApplicable("the repository's folder cannot be copied with the %s provider", e.server.Provider)
			}
			original := filepath.Join(e.server.RepoPaths[0], e.prefix+"original")
			e.register(e.prefix+"original", original, nil)
			e.fill(20, map[string]int{e.prefix + "a": 1})
			var old []string
			for n := range 200 {
				name := fmt.Sprintf("night-%s", e.now.AddDate(0, 0, n-199).Format("20060102"))
				e.take(e.prefix+"original", name, e.prefix+"a")
				if n < 155 {
					old = append(old, name)
				}
			}
			e.call("DELETE", "/_snapshot/"+e.prefix+"original", nil, nil)
			copies := 0
			fresh := func() (name string) {
				copies++
				name = fmt.Sprintf("%scopy%d", e.prefix, copies)
				location := filepath.Join(e.server.RepoPaths[0], name)
				require.NoError(b, os.CopyFS(location, os.DirFS(original)))
				// The server may run as another user.
				require.NoError(b, filepath.WalkDir(location, func(name string, _ fs.DirEntry, err error) error {
					return errors.Join(err, os.Chmod(name, 0o777))
				}))
				e.register(name, location, nil)
				return name
			}
			batches := [][]string{old[:80], old[80:]}
			if e.old() {
				batches = nil
				for _, n := range old {
					batches = append(batches, []string{n})
				}
			}
			var ours, bare time.Duration
			requests := 0
			for b.Loop() {
				b.StopTimer()
				mine, theirs := fresh(), fresh()
				begin := time.Now()
				for _, batch := range batches {
					e.call("DELETE", "/_snapshot/"+theirs+"/"+strings.Join(batch, ","), nil, nil)
				}
				bare += time.Since(begin)
				b.StartTimer()
				begin = time.Now()
				e.want(0, "snapshot", "delete", mine, "--prefix", "night-", "--timestring", "%Y%m%d", "--older-than", "45d", "--yes")
				ours += time.Since(begin)
				requests += len(e.requests)
				b.StopTimer()
				require.Len(b, e.snapshots(mine), 45)
				require.Len(b, e.snapshots(theirs), 45)
				e.call("DELETE", "/_snapshot/"+mine, nil, nil)
				e.call("DELETE", "/_snapshot/"+theirs, nil, nil)
				b.StartTimer()
			}
			b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
			b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s/op")
			b.ReportMetric(ours.Seconds()/bare.Seconds(), "ratio")
		})
	}
}
