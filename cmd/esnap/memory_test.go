package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestServeIdle: esnap serve that waits, beside a cluster that cannot be reached, needs less
// than 25 MiB of memory. The program of the tests is larger than esnap itself.
func TestServeIdle(t *testing.T) {
	if runtime.GOOS != "linux" || raced {
		t.Skip("not applicable: reads /proc, and the race detector needs memory of its own")
	}
	file := filepath.Join(t.TempDir(), "nightly.yml")
	require.NoError(t, os.WriteFile(file, []byte(`
name: nightly
schedule: '@yearly'
history: true
repositories: {r: {type: fs, settings: {location: /x}}}
actions:
  1: {action: snapshot, options: {repository: r, name: 'logs-%Y%m%d'}, filters: [{filtertype: pattern, kind: prefix, value: logs-}]}
`), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), self, "serve", file, "--listen", "127.0.0.1:0")
	c.Env = []string{"RUN_AS_PROGRAM=1", "ESNAP_URL=http://127.0.0.1:1", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	errs, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(errs); lines.Scan(); {
			if _, rest, is := strings.Cut(lines.Text(), "msg=listening address="); is {
				address <- "http://" + strings.Fields(rest)[0]
			}
		}
	}()
	var url string
	select {
	case url = <-address:
	case <-time.After(30 * time.Second):
		require.Fail(t, "it does not listen")
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, path := range []string{"/healthz", "/", "/metrics"} { // as probes and Prometheus do
			resp, err := http.Get(url + path) //nolint:noctx // of a process that ends with the test
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	require.NoError(t, err)
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Wait())
	var kib float64
	_, rest, _ := strings.Cut(string(status), "\nVmRSS:")
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(t, err)
	t.Logf("%.1f MiB", kib/1024)
	require.Less(t, kib/1024, 25.0)
}
