package es

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// generated answers with the listing of so many snapshots of so many daily indices each.
func generated(snapshots, indices int) *httptest.Server {
	begin := time.Date(2015, 1, 1, 1, 0, 0, 0, time.UTC)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		out := bufio.NewWriter(w)
		defer func() { _ = out.Flush() }()
		_, _ = fmt.Fprint(out, `{"snapshots":[`)
		for n := range snapshots {
			at := begin.AddDate(0, 0, n)
			if n > 0 {
				_, _ = fmt.Fprint(out, ",")
			}
			_, _ = fmt.Fprintf(out, `{"snapshot":"snapshot-%s","uuid":"uuid-%d","version":"6.7.0","state":"SUCCESS",`+
				`"start_time_in_millis":%d,"end_time_in_millis":%d,"shards":{"total":%d,"failed":0,"successful":%[5]d},"failures":[],"indices":[`,
				at.Format("20060102150405"), n, at.UnixMilli(), at.UnixMilli()+1000, indices)
			for i := range indices {
				if i > 0 {
					_, _ = fmt.Fprint(out, ",")
				}
				_, _ = fmt.Fprintf(out, `"ks-logstash-log-%s"`, at.AddDate(0, 0, -i).Format("2006.01.02"))
			}
			_, _ = fmt.Fprint(out, "]}")
		}
		_, _ = fmt.Fprint(out, "]}")
	}))
}

// BenchmarkListing lists with contents; twice the items must cost at most twice as much.
func BenchmarkListing(b *testing.B) {
	for _, size := range []struct{ snapshots, indices int }{{625, 300}, {1250, 300}, {2500, 300}, {5000, 300}, {5000, 150}} {
		b.Run(fmt.Sprintf("%dx%d", size.snapshots, size.indices), func(b *testing.B) {
			server := generated(size.snapshots, size.indices)
			defer server.Close()
			client, err := New(Options{URLs: []string{server.URL}})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				list, err := client.Snapshots(b.Context(), "r", true)
				require.NoError(b, err)
				require.Len(b, list, size.snapshots)
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
				runtime.KeepAlive(list)
			}
		})
	}
}
