package integration

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/cmd"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/testserver"
)

// entrypoint is what runs where a CronJob names no command.
const entrypoint = "/usr/local/bin/esnap"

// release is what a release of KubeSphere brings: a CronJob, the files in its
// ConfigMap, and the server they are meant for.
type release struct {
	name    string
	folder  string   // of the files, in testdata/kubesphere
	mount   string   // where the CronJob has them
	command []string // of the container
	host    string   // in the client file
	tls     bool     // the client file asks for https
	auth    string   // user:password in the client file
	// families are the actions in their order: what names of indices begin with,
	// and the rule that the action goes by.
	families []family
	servers  []testserver.Flavour
}

type family struct{ stem, rule string }

const (
	elasticsearchHost = "elasticsearch-logging-data.kubesphere-logging-system.svc"
	opensearchHost    = "opensearch-cluster-data.kubesphere-logging-system.svc"
)

// releases is who runs what, and where. 3.3 came with Elasticsearch 6.8.22, 3.4
// with OpenSearch 2.6; the next there is stands for each. Besides, KubeSphere works
// with external clusters: Elasticsearch 7 and OpenSearch 1 get the same files.
var releases = []release{
	{
		name: "2.1.0", folder: "2.1", mount: "/etc/es-curator", command: []string{"curator"}, host: elasticsearchHost,
		families: []family{{"ks-logstash-log", ``}}, servers: []testserver.Flavour{testserver.ES670},
	},
	{
		name: "2.1.1", folder: "2.1", mount: "/etc/es-curator", command: []string{"curator/curator"}, host: elasticsearchHost,
		families: []family{{"ks-logstash-log", ``}}, servers: []testserver.Flavour{testserver.ES670},
	},
	{
		name: "3.0", folder: "3.0", mount: "/etc/es-curator", command: []string{"curator/curator"}, host: elasticsearchHost,
		families: []family{{"ks-logstash-log", ``}}, servers: []testserver.Flavour{testserver.ES670},
	},
	{
		name: "3.1-3.2", folder: "3.1", mount: "/etc/es-curator",
		command: []string{"curator/curator"}, host: elasticsearchHost, auth: "elastic:changeme",
		families: []family{{"ks-logstash-log", ``}}, servers: []testserver.Flavour{testserver.ES670},
	},
	{
		name: "3.3", folder: "3.3", mount: "/etc/es-curator", command: []string{"curator/curator"}, host: elasticsearchHost,
		families: []family{
			{"ks-logstash-log", `^ks-logstash-log`}, {"ks-logstash-events", `^ks-logstash-events`},
			{"ks-logstash-auditing", `^ks-logstash-auditing`}, {"logstash", `^logstash`},
		},
		servers: []testserver.Flavour{testserver.ES6823, testserver.ES71728},
	},
	{
		name: "3.4", folder: "3.4", mount: "/etc/opensearch-curator",
		command: []string{"curator/curator"}, host: opensearchHost, tls: true, auth: "admin:admin",
		families: []family{
			{"ks-whizard-logging", `^ks-whizard-logging`}, {"ks-whizard-events", `^ks-whizard-events`},
			{"ks-whizard-auditing", `^ks-whizard-auditing`}, {"whizard", `^whizard`},
		},
		servers: []testserver.Flavour{testserver.OS1320, testserver.OS2110},
	},
	{
		name: "4.x", folder: "4.x", mount: "/etc/opensearch-curator",
		command: []string{"curator/curator"}, host: opensearchHost, tls: true, auth: "admin:admin",
		families: []family{
			{"whizard-logs", `.-logs`}, {"whizard-events", `.-events`}, {"whizard-auditing", `.-auditing`},
			{"whizard-notification-history", `.-notification-history`}, {"whizard", `^whizard`},
		},
		servers: []testserver.Flavour{testserver.OS2110},
	},
}

// args are the CronJob's.
func (r release) args() []string {
	return []string{"--config", r.mount + "/config.yml", r.mount + "/action_file.yml"}
}

func (r release) file(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/kubesphere", r.folder, name))
	require.NoError(t, err)
	return string(data)
}

// ages are days before the run; the rules say 7.
var ages = []int{-1, 0, 1, 6, 7, 8, 45, 400}

// names are indices of the release's families and of others, on both sides of the
// age, with dates of another form and without.
func (r release) names(now time.Time) []string {
	stems := []string{"shop-orders", "my-logstash-log", "ks-logstash-logins", ".monitoring-es-6"}
	for _, f := range r.families {
		stems = append(stems, f.stem)
	}
	var list []string
	for _, s := range stems {
		list = append(list, s, s+"-archive", s+"-jaeger-span-"+now.AddDate(0, 0, -30).Format("2006-01-02"))
		for _, ago := range ages {
			list = append(list, s+"-"+now.AddDate(0, 0, -ago).Format("2006.01.02"))
		}
	}
	return list
}

var dotted = regexp.MustCompile(`\d{4}\.\d{2}\.\d{2}`)

// due is what the release's rules delete at this time, sorted: a name that one of
// them takes, and a date in it that began more than seven days ago.
func (r release) due(names []string, now time.Time) []string {
	var list []string
	for _, n := range names {
		day, err := time.Parse("2006.01.02", dotted.FindString(n))
		if err != nil || !day.Before(now.AddDate(0, 0, -7)) {
			continue
		}
		if slices.ContainsFunc(r.families, func(f family) bool { return regexp.MustCompile(f.rule).MatchString(n) }) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

var dryRunDeletion = regexp.MustCompile(`(?m)DRY-RUN: delete_indices: (\S+) with arguments: \{\}$`)

// wouldDelete are the indices that a dry run would delete, sorted. One that two
// actions take is named twice.
func wouldDelete(log string) []string {
	var list []string
	for _, m := range dryRunDeletion.FindAllStringSubmatch(log, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// requireMilestones looks for the lines that wrappers wait for.
func (r release) requireMilestones(t testing.TB, log string) {
	t.Helper()
	described := regexp.MustCompile(`description: "(.*)"`).FindAllStringSubmatch(r.file(t, "action_file.yml"), -1)
	require.Len(t, described, len(r.families))
	var want []string
	for i, d := range described {
		want = append(want,
			fmt.Sprintf(`Preparing Action ID: %d, "delete_indices"`, i+1),
			"Creating client object and testing connection",
			fmt.Sprintf(`Trying Action ID: %d, "delete_indices": %s`, i+1, d[1]),
			fmt.Sprintf(`Action ID: %d, "delete_indices" completed.`, i+1))
	}
	want = append(want, "Job completed.")
	line := regexp.MustCompile(`^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3} (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) +(\S.*)$`)
	var said []string
	for text := range strings.Lines(log) {
		m := line.FindStringSubmatch(strings.TrimRight(text, "\n"))
		require.NotNil(t, m, "not a log line: %s", text)
		if slices.Contains(want, m[1]) {
			said = append(said, m[1])
		}
	}
	require.Equal(t, want, said, log)
}

// prefixed is a release's action file for the indices of one test only.
func prefixed(t testing.TB, folder string) string {
	t.Helper()
	return strings.ReplaceAll(release{folder: folder}.file(t, "action_file.yml"), "value: ", "value: PREFIX")
}

// inMemory is the cluster in memory that stands for a server.
func inMemory(f testserver.Flavour, now time.Time) *memory.Memory {
	version := map[testserver.Flavour]memory.Option{
		testserver.ES670:  memory.Elasticsearch("6.7.0"),
		testserver.ES6823: memory.Elasticsearch("6.8.23"), testserver.ES71728: memory.Elasticsearch("7.17.28"),
		testserver.OS1320: memory.OpenSearch("1.3.20"), testserver.OS2110: memory.OpenSearch("2.11.0"),
	}[f]
	return memory.New(version, memory.At(now))
}

// KubeSphere's stock files, unchanged and with the CronJob's arguments, delete exactly what
// Curator's rules select: at the CronJob's hour, and at midnight, when the seventh day is
// not yet over. In memory, without a server.
func TestFeature02(t *testing.T) {
	for _, r := range releases {
		for _, f := range r.servers {
			for _, hour := range []int{0, 1} {
				t.Run(fmt.Sprintf("%s/%s/%d", r.name, f, hour), func(t *testing.T) {
					now := time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC)
					c := inMemory(f, now)
					names := r.names(now)
					c.AddIndices(names...)
					require.Equal(t, hour == 1, slices.Contains(r.due(names, now), r.families[0].stem+"-2026.11.14"))

					env := map[string]string{"HOME": t.TempDir(), "XDG_CONFIG_HOME": t.TempDir()}
					var sent es.Options
					run := func(args ...string) string {
						t.Helper()
						var out, log bytes.Buffer
						app := &cmd.App{
							In: strings.NewReader(""), Out: &out, Err: &log, Name: r.command[0], Local: time.UTC,
							Env: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
							Now: func() time.Time { return now },
							Connect: func(o es.Options) (cluster.Cluster, error) {
								sent = o
								return c, nil
							},
						}
						for i, a := range args {
							args[i] = strings.Replace(a, r.mount, filepath.Join("testdata/kubesphere", r.folder), 1)
						}
						require.Zero(t, cmd.Main(t.Context(), app, args), out.String()+log.String())
						require.Empty(t, log.String(), "Curator 5 writes everything to stdout")
						return out.String()
					}
					left := func() []string {
						list, err := c.Indices(context.Background())
						require.NoError(t, err)
						return slices.Sorted(slices.Values(cluster.Names(list)))
					}

					require.Equal(t, r.due(names, now), wouldDelete(run(append([]string{"--dry-run"}, r.args()...)...)))
					env["ESNAP_DRY_RUN"] = "1"
					require.Equal(t, r.due(names, now), wouldDelete(run(r.args()...)))
					require.Empty(t, c.Writes())
					delete(env, "ESNAP_DRY_RUN")

					r.requireMilestones(t, run(r.args()...))
					require.Equal(t, without(names, r.due(names, now)), left())
					require.Equal(t, []string{map[bool]string{false: "http", true: "https"}[r.tls] + "://" + r.host + ":9200"}, sent.URLs)
					require.Equal(t, r.tls, sent.InsecureSkipVerify)
					require.Equal(t, r.auth, strings.Trim(sent.Username+":"+sent.Password, ":"))

					log := run(r.args()...)
					r.requireMilestones(t, log)
					require.Equal(t, len(r.families), strings.Count(log, `Skipping action "delete_indices" due to empty list`))
					require.Equal(t, without(names, r.due(names, now)), left())
				})
			}
		}
	}
}

// without is what a list leaves of another, sorted.
func without(all, gone []string) []string {
	rest := map[string]bool{}
	for _, n := range all {
		rest[n] = true
	}
	for _, n := range gone {
		delete(rest, n)
	}
	return slices.Sorted(maps.Keys(rest))
}

// Each folder of files belongs to a release, and is a ConfigMap with two keys.
func TestEveryStockFileIsRun(t *testing.T) {
	files, err := filepath.Glob("testdata/kubesphere/*/*")
	require.NoError(t, err)
	want := map[string]bool{}
	for _, r := range releases {
		for _, name := range []string{"config.yml", "action_file.yml"} {
			want[filepath.Join("testdata/kubesphere", r.folder, name)] = true
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), files)
}
