package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain makes the program of the tests esnap itself, for those that measure a process.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_AS_PROGRAM") != "" {
		main()
	}
	os.Exit(m.Run())
}

// big is a server with 5,000 snapshots of 300 daily indices each.
type big struct {
	mu       sync.Mutex
	requests []string
	indices  int
}

func (b *big) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.requests = append(b.requests, r.Method+" "+r.URL.Path)
	b.mu.Unlock()
	out := bufio.NewWriterSize(w, 1<<16)
	defer func() { _ = out.Flush() }()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	comma := func(n int) {
		if n > 0 {
			say(",")
		}
	}
	begin := time.Date(2015, 1, 1, 1, 0, 0, 0, time.UTC)
	switch path := r.URL.Path; {
	case path == "/":
		say(`{"cluster_name":"logs","cluster_uuid":"u","version":{"number":"6.7.0","build_flavor":"oss"},"tagline":"You Know, for Search"}`)
	case strings.HasPrefix(path, "/_nodes/_master"):
		say(`{"nodes":{"n":{"timestamp":%d}}}`, time.Now().UnixMilli())
	case strings.HasPrefix(path, "/_cluster/state/metadata"):
		say(`{"cluster_uuid":"u","metadata":{"cluster_uuid":"u","indices":{`)
		for n := range b.indices {
			comma(n)
			name := "logs-" + begin.AddDate(0, 0, n).Format("2006.01.02")
			say(`%q:{"state":"open","settings":{"index.uuid":"u-%d","index.creation_date":"%d"}}`, name, n, begin.UnixMilli())
		}
		say(`}}}`)
	case path == "/_snapshot/r/_all":
		say(`{"snapshots":[`)
		for n := range 5000 {
			comma(n)
			at := begin.AddDate(0, 0, n)
			say(`{"snapshot":"snapshot-%s","uuid":"uuid-%d","version":"6.7.0","state":"SUCCESS","start_time_in_millis":%d,"end_time_in_millis":%d,`,
				at.Format("20060102150405"), n, at.UnixMilli(), at.UnixMilli()+1000)
			say(`"shards":{"total":300,"failed":0,"successful":300},"failures":[],"indices":[`)
			for i := range 300 {
				comma(i)
				say(`"ks-logstash-log-%s"`, at.AddDate(0, 0, -i).Format("2006.01.02"))
			}
			say("]}")
		}
		say("]}")
	case path == "/_snapshot", path == "/_snapshot/r":
		say(`{"r":{"type":"fs","settings":{"location":"/b"}}}`)
	default:
		say(`{"cluster_uuid":"u"}`)
	}
}

// count is how often something was requested.
func (b *big) count(request string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if strings.HasPrefix(r, request) {
			n++
		}
	}
	return n
}

// raced: the race detector is on, which needs memory of its own.
var raced bool

// program runs esnap in a process of its own, and returns its greatest memory in MB.
func program(t *testing.T, url string, args ...string) (out string, peak float64) {
	t.Helper()
	c := command(t, url, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	require.NoError(t, c.Run(), stderr.String())
	return stdout.String(), float64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) * 1024 / 1e6
}

// command is esnap as a process of its own.
func command(t testing.TB, url string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = []string{"RUN_AS_PROGRAM=1", "ESNAP_URL=" + url, "HOME=" + t.TempDir(), "ESNAP_LOG_LEVEL=error", "PATH=" + os.Getenv("PATH")}
	return c
}

// hundredActions is a file with 100 deletions by name and age.
func hundredActions(t testing.TB) string {
	t.Helper()
	var file strings.Builder
	file.WriteString("actions:\n")
	for n := range 100 {
		fmt.Fprintf(&file, "  %d:\n    action: delete_indices\n    options: {ignore_empty_list: true}\n    filters:\n", n+1)
		fmt.Fprintf(&file, "    - {filtertype: pattern, kind: prefix, value: 'logs-20%02d'}\n", n)
		file.WriteString("    - {filtertype: age, source: name, timestring: '%Y.%m.%d', direction: older, unit: days, unit_count: 7}\n")
	}
	name := filepath.Join(t.TempDir(), "action.yml")
	require.NoError(t, os.WriteFile(name, []byte(file.String()), 0o600))
	return name
}

// 5,000 snapshots of 300 indices each are listed within 100 MB and with one request: the
// listing is one page. A dry run of 100 actions reads the indices once.
func TestFeature14(t *testing.T) {
	b := &big{indices: 3000}
	server := httptest.NewServer(b)
	defer server.Close()
	for _, args := range [][]string{
		{"snapshot", "list", "r", "-o", "name"}, {"snapshot", "list", "r", "--holding", "ks-logstash-log-2020.01.01"},
	} {
		before := b.count("GET /_snapshot/r/_all")
		out, peak := program(t, server.URL, args...)
		require.Greater(t, strings.Count(out, "\n"), 299, "%v", args)
		require.Equal(t, 1, b.count("GET /_snapshot/r/_all")-before, "%v", args)
		t.Logf("%v: %.0f MB", args, peak)
		if !raced {
			require.Less(t, peak, 100.0, "%v", args)
		}
	}

	name := hundredActions(t)
	out, _ := program(t, server.URL, "run", "-n", "-o", "json", name)
	var report struct{ Actions []struct{ Listed int } }
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Actions, 100)
	require.Equal(t, 3000, report.Actions[0].Listed)
	require.Equal(t, 1, b.count("GET /_cluster/state/metadata"))
}

// BenchmarkHundredActions is a dry run of 100 actions over 10,000 and 20,000 indices, each in
// a process of its own. The ratios are of processor time and memory; the net ones are without
// what the process itself needs. Of several runs the best one counts: other programs only add.
func BenchmarkHundredActions(b *testing.B) {
	name := hundredActions(b)
	sizes := []int{10, 10_000, 20_000}
	seconds, mb := [3]float64{1e9, 1e9, 1e9}, [3]float64{1e9, 1e9, 1e9}
	for b.Loop() {
		for i, n := range sizes {
			server := httptest.NewServer(&big{indices: n})
			cpu, peak := watched(b, server.URL, "run", "-n", name)
			server.Close()
			seconds[i], mb[i] = min(seconds[i], cpu), min(mb[i], peak)
		}
	}
	b.ReportMetric(seconds[2], "cpu-s")
	b.ReportMetric(mb[2], "MB-peak")
	b.ReportMetric(seconds[2]/seconds[1], "cpu-ratio")
	b.ReportMetric(mb[2]/mb[1], "memory-ratio")
	b.ReportMetric((seconds[2]-seconds[0])/(seconds[1]-seconds[0]), "net-cpu-ratio")
	b.ReportMetric((mb[2]-mb[0])/(mb[1]-mb[0]), "net-memory-ratio")
}

// watched runs esnap, and returns its processor time in seconds and its memory in MB as it
// sees it itself: what the kernel says of a process that has ended includes the memory of
// the one that started it.
func watched(b *testing.B, url string, args ...string) (cpu, peak float64) {
	c := command(b, url, args...)
	require.NoError(b, c.Start())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
			_, line, found := strings.Cut(string(status), "VmHWM:")
			var kb float64
			if _, serr := fmt.Sscan(line, &kb); err != nil || !found || serr != nil {
				return
			}
			peak = kb * 1024 / 1e6
			time.Sleep(2 * time.Millisecond)
		}
	}()
	require.NoError(b, c.Wait())
	<-over
	return (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds(), peak
}
