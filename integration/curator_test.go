//go:build integration

package integration

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// BenchmarkCurator has esnap and a Python Curator do the same jobs with the same
// files on the same server, in turns, and prints a table for each Curator. Both must end with the
// same; how long they take is only told. `make bench` runs it.
func BenchmarkCurator(b *testing.B) {
	for _, with := range []struct {
		version string
		flavour testserver.Flavour
		client  string // Curator's client file, with HOST and PORT
	}{
		{"5.8.4", testserver.ES670, "client: {hosts: [HOST], port: PORT, timeout: 300}\n"},
		{"8.0.21", testserver.ES8197, "elasticsearch: {client: {hosts: 'http://HOST:PORT', request_timeout: 300}}\n"},
	} {
		b.Run(with.version, func(b *testing.B) {
			c := newComparison(b, with.version, with.flavour, with.client)
			b.Cleanup(c.printTable)
			b.Run("list-snapshots-1000", c.listJob)
			b.Run("delete-snapshots-300-of-400", c.expireJob)
			b.Run("dry-run-4-of-1000", func(b *testing.B) { c.dryRunJob(b, 4, 1000) })
			b.Run("dry-run-100-of-1000", func(b *testing.B) { c.dryRunJob(b, 100, 1000) })
			b.Run("delete-indices-900-of-1000", c.deleteJob)
			b.Run("dry-run-4-of-5000", func(b *testing.B) { c.dryRunJob(b, 4, 5000) })
			b.Run("dry-run-100-of-5000", func(b *testing.B) { c.dryRunJob(b, 100, 5000) })
		})
	}
}

// comparison is esnap and one Curator beside one server.
type comparison struct {
	*env
	version string // of Curator
	curator string // folder of its programs
	binary  string // esnap
	measure string // see integration/measure
	client  string // the client file that both read
	proxy   *countingProxy
	rows    *[]row
}

// command is one way to do a job. result reads from what was printed what came of
// it, where that cannot be read from the cluster.
type command struct {
	name   string
	argv   []string
	result func(printed string) []string
}

// figures are what one run of a command took.
type figures struct {
	Code     int
	Seconds  float64
	CPU      float64
	Memory   int64
	requests int64
	bytes    int64
}

// row is the medians of a command of esnap and of Curator's, in one line.
type row struct {
	job, command string
	ours, theirs figures
	ratio        float64 // of the times of runs one after the other
	runs         int
}

func newComparison(b *testing.B, version string, f testserver.Flavour, client string) *comparison {
	cache, err := os.UserCacheDir()
	require.NoError(b, err)
	c := &comparison{version: version, curator: filepath.Join(cache, "esnap", "curators", version, "bin"), rows: &[]row{}}
	_, err = os.Stat(filepath.Join(c.curator, "curator_cli"))
	require.NoError(b, err, "Curator %s is not there: scripts/curators.sh sets it up", version)

	server, err := testserver.Start(b.Context(), testserver.Options{
		Flavour: f, HeapMB: 3072, Settings: map[string]string{
			"cluster.max_shards_per_node":                                  "20000",
			"cluster.routing.allocation.node_concurrent_recoveries":        "100",
			"cluster.routing.allocation.node_initial_primaries_recoveries": "100",
		},
	})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, server.Stop()) })
	require.NotNil(b, server.RepoPaths, "the comparison copies repositories, which needs the local provider")
	c.env = newBareEnv(b, f, server)
	c.prefix = "" // the server is this comparison's own
	c.template("*")

	c.binary = build(b)
	c.measure = filepath.Join(c.dir, "measure")
	out, err := exec.Command("go", "build", "-tags", "integration", "-o", c.measure, "./measure").CombinedOutput()
	require.NoError(b, err, "%s", out)
	c.proxy = newCountingProxy(b, server.URL, f.Version())
	host, port, _ := strings.Cut(c.proxy.Listener.Addr().String(), ":")
	c.client = c.file("client.yml", strings.NewReplacer("HOST", host, "PORT", port).Replace(client))

	// The first start of a program reads it from disk.
	for _, argv := range [][]string{{c.binary, "version"}, {c.curator + "/curator", "--version"}, {c.curator + "/curator_cli", "--version"}} {
		c.execute(argv)
	}
	return c
}

// on is the comparison with failures going to a benchmark below its own.
func (c *comparison) on(b *testing.B) *comparison {
	e, below := *c.env, *c
	e.TB, below.env = b, &e
	return &below
}

func (c *comparison) file(name, text string) string {
	name = filepath.Join(c.dir, name)
	require.NoError(c, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// execute runs a command line through the proxy.
func (c *comparison) execute(argv []string) (figures, string) {
	c.Helper()
	told := filepath.Join(c.dir, "figures.json")
	x := exec.Command(c.measure, append([]string{told}, argv...)...)
	x.Env = []string{"HOME=" + c.vars["HOME"], "LC_ALL=C.UTF-8", "TZ=UTC", "ESNAP_CONFIG="}
	var out bytes.Buffer
	x.Stdout, x.Stderr = &out, &out
	c.proxy.requests.Store(0)
	c.proxy.bytes.Store(0)
	require.NoError(c, x.Run(), "%s", &out)
	text, err := os.ReadFile(told)
	require.NoError(c, err)
	var f figures
	require.NoError(c, json.Unmarshal(text, &f))
	require.Zero(c, f.Code, "%s\n%.5000s", strings.Join(argv, " "), &out)
	f.requests, f.bytes = c.proxy.requests.Load(), c.proxy.bytes.Load()
	return f, out.String()
}

// enough is the time, with making the data anew, after which a job is not repeated.
const enough = 90 * time.Second

// compare has every command do the job, in turns; the last command is Curator's.
// fresh, if not nil, makes the data anew for each, and left says what is there at
// the end.
func (c *comparison) compare(b *testing.B, job string, fresh func(), left func() []string, commands ...command) {
	runs := make([][]figures, len(commands))
	var spent time.Duration
	for b.Loop() {
		if spent > enough {
			continue
		}
		begin := time.Now()
		var first []string
		for i, x := range commands {
			if fresh != nil {
				fresh()
			}
			f, printed := c.execute(x.argv)
			result := left
			if result == nil {
				result = func() []string { return x.result(printed) }
			}
			if got := result(); first == nil {
				first = got
				require.NotEmpty(c, first, "%s\n%.5000s", strings.Join(x.argv, " "), printed)
			} else {
				require.Equal(c, first, got, "%s does not end with the same as %s", x.name, commands[0].name)
			}
			runs[i] = append(runs[i], f)
		}
		spent += time.Since(begin)
	}
	b.ReportMetric(0, "ns/op") // how long it took to prepare says nothing
	theirs := runs[len(runs)-1]
	for i, x := range commands[:len(commands)-1] {
		var ratios []float64
		for n := range theirs {
			ratios = append(ratios, theirs[n].Seconds/runs[i][n].Seconds)
		}
		r := row{
			job: job, command: x.name, runs: len(theirs),
			ours: medians(runs[i]), theirs: medians(theirs), ratio: median(ratios),
		}
		*c.rows = append(*c.rows, r)
		b.ReportMetric(r.ratio, strings.ReplaceAll(x.name, " ", "-")+"-ratio")
	}
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

func medians(runs []figures) (f figures) {
	for part, of := range map[*float64]func(figures) float64{
		&f.Seconds: func(f figures) float64 { return f.Seconds },
		&f.CPU:     func(f figures) float64 { return f.CPU },
	} {
		var values []float64
		for _, r := range runs {
			values = append(values, of(r))
		}
		*part = median(values)
	}
	for part, of := range map[*int64]func(figures) int64{
		&f.Memory:   func(f figures) int64 { return f.Memory },
		&f.requests: func(f figures) int64 { return f.requests },
		&f.bytes:    func(f figures) int64 { return f.bytes },
	} {
		var values []int64
		for _, r := range runs {
			values = append(values, of(r))
		}
		*part = median(values)
	}
	return f
}

// --- the jobs

// families are the beginnings of the names of KubeSphere's indices.
var families = []string{"ks-logstash-log", "ks-logstash-events", "ks-logstash-auditing", "logstash"}

// deletions is an action file that deletes the indices with each beginning that
// are older than so many days.
func deletions(days int, beginnings ...string) string {
	var b strings.Builder
	b.WriteString("actions:\n")
	for n, beginning := range beginnings {
		fmt.Fprintf(&b, `  %d:
    action: delete_indices
    description: Delete %s
    options:
      timeout_override:
      continue_if_exception: False
      disable_action: False
      ignore_empty_list: True
    filters:
    - filtertype: pattern
      kind: prefix
      value: %s-
      exclude: False
    - filtertype: age
      source: name
      direction: older
      timestring: '%%Y.%%m.%%d'
      unit: days
      unit_count: %d
      field:
      stats_result:
      epoch:
      exclude: False
`, n+1, beginning, beginning, days)
	}
	return b.String()
}

// tenants are the beginnings of names of 25 indices a day in each family.
func tenants() (out []string) {
	for _, family := range families {
		for n := range 25 {
			out = append(out, fmt.Sprintf("%s-t%02d", family, n))
		}
	}
	return out
}

// have makes indices until there are n of them: 100 for each of the last ten days,
// and what is more than 1,000 as copies of those, of other years. An old server makes a
// thousand indices one by one in minutes, and restores them at once in half of one.
func (c *comparison) have(n int) {
	c.Helper()
	there := c.uuids()
	if len(there) == n {
		return
	}
	for ago := range 10 {
		docs := map[string]int{}
		for _, tenant := range tenants() {
			if name := tenant + "-" + c.day(ago); there[name] == "" {
				docs[name] = 1
			}
		}
		c.fill(20, docs)
	}
	if n > 1000 {
		c.register("originals", filepath.Join(c.server.RepoPaths[0], "originals"), nil)
		c.take("originals", "all", "*")
		for copies := range n/1000 - 1 {
			c.call("POST", "/_snapshot/originals/all/_restore?wait_for_completion=true", map[string]any{
				"include_global_state": false,
				"rename_pattern":       `-\d{4}\.`, "rename_replacement": fmt.Sprintf("-%d.", 2016-4*copies), // leap years have every day
			}, nil)
		}
		c.call("DELETE", "/_snapshot/originals", nil, nil)
	}
	require.Len(c, c.indices(), n)
}

// dryRunLine is what Curator's command line says of each index in a dry run.
var dryRunLine = regexp.MustCompile(`(?m)DRY-RUN: delete_indices: (\S+) `)

func (c *comparison) dryRunJob(b *testing.B, actions, indices int) {
	c = c.on(b)
	c.have(indices)
	beginnings := families
	if actions == 100 {
		beginnings = tenants()
	}
	file := c.file("actions.yml", deletions(7, beginnings...))
	lines := func(printed string) (names []string) {
		for _, m := range dryRunLine.FindAllStringSubmatch(printed, -1) {
			names = append(names, m[1])
		}
		return slices.Sorted(slices.Values(names))
	}
	names := func(printed string) (names []string) {
		for line := range strings.Lines(printed) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "delete_indices/"); ok {
				names = append(names, name)
			}
		}
		return slices.Sorted(slices.Values(names))
	}
	c.compare(b, fmt.Sprintf("dry run, %d actions, %s indices", actions, thousands(int64(indices))), nil, nil,
		command{"esnap curator", []string{c.binary, "curator", "--config", c.client, "--dry-run", file}, lines},
		command{"esnap run", []string{c.binary, "run", "--config", c.client, "-n", "-o", "name", file}, names},
		command{"curator", []string{c.curator + "/curator", "--config", c.client, "--dry-run", file}, lines},
	)
}

func (c *comparison) deleteJob(b *testing.B) {
	c = c.on(b)
	file := c.file("actions.yml", deletions(1, families...))
	left := func() []string {
		names := c.indices()
		require.Len(c, names, 100)
		return names
	}
	c.compare(b, "delete 900 of 1,000 indices, 4 actions", func() { c.have(1000) }, left,
		command{"esnap curator", []string{c.binary, "curator", "--config", c.client, file}, nil},
		command{"curator", []string{c.curator + "/curator", "--config", c.client, file}, nil},
	)
}

// nights returns a folder with a repository of n snapshots, one a day, the oldest of
// 999 days ago. The first call makes one of 400 and one of 1,000.
func (c *comparison) nights(n int) string {
	c.Helper()
	root := c.server.RepoPaths[0]
	folder := filepath.Join(root, strconv.Itoa(n))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	c.fill(20, map[string]int{"small": 1})
	c.register("nights", filepath.Join(root, "1000"), nil)
	for taken := range 1000 {
		if taken == 400 {
			c.copyFolder(filepath.Join(root, "1000"), filepath.Join(root, "400"))
		}
		c.take("nights", "night-"+c.day(999-taken), "small")
	}
	c.call("DELETE", "/_snapshot/nights", nil, nil)
	c.deleteIndices("small")
	return folder
}

// copyFolder copies a repository. The server may run as another user.
func (c *comparison) copyFolder(from, to string) {
	c.Helper()
	require.NoError(c, os.CopyFS(to, os.DirFS(from)))
	require.NoError(c, filepath.WalkDir(to, func(name string, _ fs.DirEntry, err error) error {
		return cmp.Or(err, os.Chmod(name, 0o777))
	}))
}

func (c *comparison) listJob(b *testing.B) {
	c = c.on(b)
	c.register("backup", c.nights(1000), nil)
	c.compare(b, "list 1,000 snapshots", nil, nil,
		command{"esnap snapshot list", []string{c.binary, "snapshot", "list", "backup", "--config", c.client, "-o", "name"}, nightsIn},
		command{"curator_cli", []string{c.curator + "/curator_cli", "--config", c.client, "show-snapshots", "--repository", "backup"}, nightsIn},
	)
	require.Len(c, c.snapshots("backup"), 1000)
	c.call("DELETE", "/_snapshot/backup", nil, nil)
}

// nightsIn are the names of snapshots in a list of one a line.
func nightsIn(printed string) (names []string) {
	for line := range strings.Lines(printed) {
		line = strings.TrimSpace(line)
		if at := strings.LastIndex(line, "night-"); at >= 0 {
			names = append(names, line[at:])
		}
	}
	return slices.Sorted(slices.Values(names))
}

func (c *comparison) expireJob(b *testing.B) {
	c = c.on(b)
	original := c.nights(400)
	file := c.file("actions.yml", `actions:
  1:
    action: delete_snapshots
    description: Snapshots older than 700 days
    options:
      repository: backup
      ignore_empty_list: True
    filters:
    - filtertype: pattern
      kind: prefix
      value: night-
    - filtertype: age
      source: name
      direction: older
      timestring: '%Y.%m.%d'
      unit: days
      unit_count: 700
`)
	copies := 0
	fresh := func() {
		copies++
		folder := filepath.Join(c.server.RepoPaths[0], fmt.Sprintf("copy%d", copies))
		c.copyFolder(original, folder)
		if copies > 1 {
			c.call("DELETE", "/_snapshot/backup", nil, nil)
			require.NoError(c, os.RemoveAll(filepath.Join(c.server.RepoPaths[0], fmt.Sprintf("copy%d", copies-1))))
		}
		c.register("backup", folder, nil)
	}
	left := func() (names []string) {
		for name := range c.snapshots("backup") {
			names = append(names, name)
		}
		require.Len(c, names, 100)
		return slices.Sorted(slices.Values(names))
	}
	c.compare(b, "delete 300 of 400 snapshots", fresh, left,
		command{"esnap curator", []string{c.binary, "curator", "--config", c.client, file}, nil},
		command{"curator", []string{c.curator + "/curator", "--config", c.client, file}, nil},
	)
	c.call("DELETE", "/_snapshot/backup", nil, nil)
}

// --- counting

// countingProxy stands before a server and counts requests and the bytes of replies.
type countingProxy struct {
	*httptest.Server
	requests, bytes atomic.Int64
}

func newCountingProxy(b *testing.B, server, version string) *countingProxy {
	target, err := url.Parse(server)
	require.NoError(b, err)
	p := &countingProxy{}
	transport := &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
	p.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			p.requests.Add(1)
			r.SetURL(target)
		},
		Transport: transport,
		ModifyResponse: func(r *http.Response) error {
			// The trimmed distributions do not serve the greeting, without which
			// Curator does not go on. The whole ones do.
			if r.Request.URL.Path == "/" && r.StatusCode == http.StatusMethodNotAllowed {
				greeting := fmt.Sprintf(`{"name":"n0","cluster_name":"bench","version":{"number":%q},"tagline":"You Know, for Search"}`, version)
				r.Body.Close()
				r.StatusCode, r.Status = http.StatusOK, "200 OK"
				r.Header = http.Header{"Content-Type": {"application/json"}, "X-Elastic-Product": {"Elasticsearch"}}
				r.Header.Set("Content-Length", strconv.Itoa(len(greeting)))
				r.ContentLength = int64(len(greeting))
				r.Body = io.NopCloser(strings.NewReader(greeting))
			}
			r.Body = countingBody{r.Body, &p.bytes}
			return nil
		},
	})
	b.Cleanup(func() {
		p.Close()
		transport.CloseIdleConnections()
	})
	return p
}

type countingBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (c countingBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// --- the table

func (c *comparison) printTable() {
	fmt.Printf("\nCurator %s, %s, %s\n\n", c.version, c.flavour.Title(), c.now.Format("2006-01-02"))
	fmt.Println("| job | with | seconds | Curator's | times faster | processor s | Curator's | MiB | Curator's | requests | " +
		"Curator's | kB received | Curator's | runs |")
	fmt.Println("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range *c.rows {
		fmt.Printf("| %s | `%s` | %s | %s | %.1f | %s | %s | %s | %s | %s | %s | %s | %s | %d |\n", r.job, r.command,
			seconds(r.ours.Seconds), seconds(r.theirs.Seconds), r.ratio, seconds(r.ours.CPU), seconds(r.theirs.CPU),
			mebibytes(r.ours.Memory), mebibytes(r.theirs.Memory), thousands(r.ours.requests), thousands(r.theirs.requests),
			thousands(r.ours.bytes/1000), thousands(r.theirs.bytes/1000), r.runs)
	}
	fmt.Println()
}

func seconds(s float64) string     { return strconv.FormatFloat(s, 'f', 3, 64) }
func mebibytes(bytes int64) string { return strconv.FormatFloat(float64(bytes)/(1<<20), 'f', 1, 64) }

// thousands writes a number with a comma before the last three digits.
func thousands(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
