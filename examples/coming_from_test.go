package examples

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/cmd"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/settings"
)

// comingFrom is the page as its sections: heading to rows, and heading to shell blocks.
func comingFrom(t *testing.T) (rows map[string][][]string, shell map[string][]string) {
	t.Helper()
	data, err := os.ReadFile("../docs/coming-from.md")
	require.NoError(t, err)
	rows, shell = map[string][][]string{}, map[string][]string{}
	heading, code := "", false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case code:
			shell[heading] = append(shell[heading], line)
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		case strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "|--"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows[heading] = append(rows[heading], cells)
		}
	}
	return rows, shell
}

// tools are the sections with lines, and how many rows they have at least.
var tools = map[string]int{"go-cron": 12, "minback": 16, "nxs-backup": 40, "jaas": 12, "KubeSphere's curl recipe": 18}

// TestComingFrom runs or checks the line of each row.
func TestComingFrom(t *testing.T) {
	rows, shell := comingFrom(t)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	checked := 0
	for tool, least := range tools {
		require.GreaterOrEqual(t, len(rows[tool])-1, least, tool)
		for _, row := range rows[tool][1:] {
			require.Len(t, row, 3, "%v", row)
			require.NotEmpty(t, row[1], "%v", row)
			m := regexp.MustCompile("^`([^`]+)`$").FindStringSubmatch(row[2])
			require.NotNil(t, m, "a row ends with one line: %v", row)
			checked++
			t.Run(m[1], func(t *testing.T) {
				if fault := newReader(t, root).line(m[1]); fault != "" {
					t.Fatal(fault)
				}
			})
		}
	}
	require.Greater(t, checked, 60)
	t.Logf("%d lines checked", checked)

	block := shell["A copy of the volume"]
	require.Greater(t, len(block), 4)
	r := newReader(t, root) // one after the other, on one cluster
	for _, line := range block {
		if !strings.HasPrefix(line, "rsync ") {
			require.Empty(t, r.line(line), line)
		}
	}
	require.Contains(t, r.out, "passed", "the drill on the copy")
	require.Less(t, slices.IndexFunc(block, func(l string) bool { return strings.Contains(l, "--exclude '/index-*'") }),
		slices.Index(block, "rsync -a --delete /mnt/es-backup/ /mnt/copy/"), "index-N comes last")
}

// TestComingFromIsChecked: wrong lines are found.
func TestComingFromIsChecked(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	for line, want := range map[string]string{
		`esnap snapshot creat ks-log-snapshots orders`:                        "did you mean",
		`esnap run examples/nowhere.yml`:                                      "nowhere.yml",
		`esnap run --dry examples/nfs/action_file.yml`:                        "--dry",
		`esnap snapshot create nowhere orders`:                                "nowhere",
		`esnap restore ks-logstash-log-1999.01.01 --yes`:                      "1999.01.01",
		`ESNAP_REPOSITORY=backups ESNAP_KEEP_DAY=3 esnap run --from-env`:      "ESNAP_KEEP_DAYS",
		`ESNAP_REPOSITORY=backups ESNAP_INDICES=nowhere esnap run --from-env`: "nowhere",
		`{filtertype: retain, dayly: 7}`:                                      "daily",
		`settings: {max_snapshot_bytes: 80mb}`:                                "max_snapshot_bytes",
		`settings: {bucket: b, max_snapshot_bytes_per_sec: fast}`:             "size such as 40mb",
		`options: {retry: 1}`:                                                 "retry",
		`notify: {mail: [{to: [a@example.com], host: smtp}]}`:                 "from",
		`logging: {logfil: /x}`:                                               "logfile",
		`unheard: 1`:                                                          "unheard",
		`examples/nowhere.yml`:                                                "nowhere",
		`examples/README.txt`:                                                 "README.txt",
		`esnap snapshot list > file`:                                          "no check",
		`kubectl get pods`:                                                    "no check",
		`esnap serve conf.d/ --listne :18080`:                                 "--listne",
		`esnap serve --schedule @daily --`:                                    "a command must follow --",
		`esnap serve nowhere/`:                                                "nowhere",
	} {
		require.Contains(t, newReader(t, root).line(line), want, line)
	}
	r := newReader(t, root) // a command that should write and does not
	r.writes = func() bool { return false }
	require.Contains(t, r.line(`esnap snapshot create ks-log-snapshots orders`), "changed nothing")
}

// reader checks lines. What esnap is run with is a cluster in memory, in a folder that has
// the examples, conf.d, and the files of Curator.
type reader struct {
	t      *testing.T
	server *memory.Memory
	writes func() bool
	out    string // of the last command
}

func newReader(t *testing.T, root string) *reader {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(root, "examples"), filepath.Join(dir, "examples")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o700))
	for name, from := range map[string]string{
		"conf.d/10-logs.yml": "examples/local-then-s3.yml", "conf.d/20-all.yml": "examples/nfs/action_file.yml",
		"config.yml":      "examples/kubesphere/config.yml",
		"action_file.yml": "internal/plan/testdata/good/kubesphere-backup.yml", // as in the article
	} {
		data, err := os.ReadFile(filepath.Join(root, from))
		require.NoError(t, err)
		if strings.HasPrefix(name, "conf.d/") {
			data = append(data, "\nschedule: '@yearly'\n"...)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	t.Chdir(dir)
	r := &reader{t: t, server: oldCluster(t)}
	r.writes = func() bool { return len(r.server.Writes()) > 0 }
	return r
}

// oldCluster has the indices and snapshots that the page names.
func oldCluster(t *testing.T) *memory.Memory {
	const location = "/usr/share/elasticsearch/backup"
	server := memory.New(memory.At(night))
	var week []string
	for _, day := range []string{"02", "03", "04", "05", "06", "07", "08"} {
		week = append(week, "ks-logstash-log-2026.11."+day)
	}
	for n, name := range week[2:] { // the first ones have been deleted
		server.AddIndex(cluster.Index{Name: name, Created: night.Truncate(24*time.Hour).AddDate(0, 0, n-6)})
	}
	server.AddIndices("ks-logstash-log-2026.11.09", "orders", "logs-2026.11.01", "logs-2026.11.09", "logs-tmp")
	server.AddRepository(cluster.Repository{Name: "ks-log-snapshots", Settings: map[string]string{"location": location, "compress": "true"}})
	server.AddRepository(cluster.Repository{Name: "backups", Settings: map[string]string{"location": "/mnt/es-backup"}})
	server.AddRepository(cluster.Repository{Name: "before", Settings: map[string]string{"location": "/mnt/copy"}})
	add := func(repository, name string, days int, indices ...string) {
		server.AddSnapshot(repository, cluster.Snapshot{Name: name, Indices: indices, Start: night.AddDate(0, 0, -days)})
	}
	add("ks-log-snapshots", "snapshot-20261001010008", 40, "old")
	add("ks-log-snapshots", "snapshot-20261109010008", 1, week...)
	add("backups", "snapshot-2026-11-09", 1, "orders")
	add("before", "snapshot-20261109010008", 1, week...)
	require.NoError(t, server.UnregisterRepository(t.Context(), cluster.UnregisterRepository{Name: "before"}))
	server.ForgetCalls()
	return server
}

// line is what is wrong with a line, or nothing.
func (r *reader) line(line string) string {
	words, env := words(line), map[string]string{}
	for len(words) > 0 && strings.HasPrefix(words[0], "ESNAP_") {
		name, value, _ := strings.Cut(words[0], "=")
		env[name] = value
		words = words[1:]
	}
	switch {
	case len(words) > 1 && words[0] == "esnap" && words[1] == "serve": // it does not end
		return r.serve(words[1:])
	case len(words) > 1 && words[0] == "esnap" && !slices.ContainsFunc(words, func(w string) bool { return strings.ContainsAny(w, ">;&") }):
		return r.esnap(env, words[1:])
	case len(words) == 1 && strings.HasPrefix(words[0], "examples/") && regexp.MustCompile(`\.ya?ml$`).MatchString(words[0]):
		return r.example(words[0])
	case strings.HasPrefix(line, "examples/swarm/once.sh "):
		return r.once(words)
	case strings.HasPrefix(line, "{filtertype: ") || regexp.MustCompile(`^[a-z_]+: `).MatchString(line):
		return fragment(r.t, line)
	}
	return "no check for this line: " + line
}

// words are those of a line, without their quotes.
func words(line string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`(?:'[^']*'|[^\s'])+`).FindAllString(line, -1) {
		list = append(list, strings.ReplaceAll(m, "'", ""))
	}
	return list
}

// readers are the commands that change nothing.
var readers = []string{"status", "validate", "simulate", "schema", "config", "check", "list", "show", "history"}

// esnap runs a command.
func (r *reader) esnap(env map[string]string, args []string) string {
	env["HOME"], env["XDG_CONFIG_HOME"] = r.t.TempDir(), r.t.TempDir()
	var out, errs bytes.Buffer
	app := &cmd.App{
		In: strings.NewReader(""), Out: &out, Err: &errs, Now: func() time.Time { return night },
		Env: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		Environ: func() (list []string) {
			for name, value := range env {
				list = append(list, name+"="+value)
			}
			return list
		},
		Connect: func(es.Options) (cluster.Cluster, error) { return r.server, nil },
	}
	r.server.ForgetCalls()
	code := cmd.Main(r.t.Context(), app, args)
	r.out = out.String()
	dry := slices.Contains(args, "--dry-run")
	reads := dry || slices.ContainsFunc(args[:min(2, len(args))], func(a string) bool { return slices.Contains(readers, a) })
	switch wrote := r.writes(); {
	case code != 0:
		return fmt.Sprintf("exit code %d: %s%s", code, out.String(), errs.String())
	case out.Len() == 0 && !slices.Contains(args, "--quiet"):
		return "it writes nothing"
	case reads && wrote:
		return fmt.Sprintf("it changes the cluster: %v", r.server.Writes())
	case !reads && !wrote && !slices.Contains([]string{"repository", "drill"}, args[0]):
		return "it changed nothing: " + out.String()
	}
	return ""
}

// serve starts a command that runs until it is stopped, and ends it as SIGTERM does when its
// jobs have their times. It listens on a free port, and /etc/esnap is conf.d.
func (r *reader) serve(args []string) string {
	args = slices.Clone(args)
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	}
	for i := range args[:end] {
		switch {
		case i > 0 && args[i-1] == "--listen":
			args[i] = "127.0.0.1:0"
		case args[i] == "/etc/esnap":
			args[i] = "conf.d"
		}
	}
	ctx, stop := context.WithCancelCause(r.t.Context())
	defer stop(nil)
	log := &scheduled{stop: func() { stop(&job.Signal{Number: syscall.SIGTERM}) }}
	env := map[string]string{"HOME": r.t.TempDir()}
	app := &cmd.App{
		In: strings.NewReader(""), Out: io.Discard, Err: log, Now: time.Now,
		Env:     func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		Connect: func(es.Options) (cluster.Cluster, error) { return r.server, nil },
	}
	r.server.ForgetCalls()
	code := cmd.Main(ctx, app, args)
	text := log.String()
	switch {
	case code != 0:
		return fmt.Sprintf("exit code %d: %s", code, text)
	case !strings.Contains(text, "job scheduled"):
		return "it has no job: " + text
	case r.writes():
		return "it changes the cluster before its time: " + text
	}
	return ""
}

// scheduled is a log. It stops the program when the first job has its time.
type scheduled struct {
	mu   sync.Mutex
	text strings.Builder
	stop func()
}

func (s *scheduled) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Contains(p, []byte("job scheduled")) {
		s.stop()
	}
	return s.text.Write(p)
}

func (s *scheduled) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// example checks a file of the examples: esnap validate finds no error in it, or it is YAML.
func (r *reader) example(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	if strings.HasSuffix(name, ".yml") {
		return r.esnap(map[string]string{}, []string{"validate", name})
	}
	var object map[string]any
	if err := yaml.Unmarshal(data, &object); err != nil {
		return err.Error()
	}
	return ""
}

// once checks a call of once.sh: the script knows the option or says that it hands it on,
// and esnap knows the command.
func (r *reader) once(words []string) string {
	data, err := os.ReadFile(words[0])
	if err != nil {
		return err.Error()
	}
	head, _, _ := strings.Cut(string(data), "\nset -eu")
	withValue := []string{"--timeout", "--env", "--env-file", "--network", "--secret", "--mount", "--constraint"}
	for i := 1; i < len(words); i++ {
		switch {
		case !strings.HasPrefix(words[i], "-"): // the image
			return commandFault(r.t, words[i+1:])
		case !regexp.MustCompile(regexp.QuoteMeta(words[i]) + `[\s,:]`).MatchString(head):
			return "once.sh does not name the option " + words[i]
		case slices.Contains(withValue, words[i]):
			i++
		}
	}
	return ""
}

// fragment checks a part of an action file or of a client file, where it belongs.
func fragment(t *testing.T, line string) string {
	var part any
	if err := yaml.Unmarshal([]byte(line), &part); err != nil {
		return err.Error()
	}
	object := part.(map[string]any)
	repository := map[string]any{"type": "fs", "settings": map[string]any{"location": "/b"}}
	take := map[string]any{"action": "snapshot", "options": map[string]any{"repository": "r"}}
	file := map[string]any{"repositories": map[string]any{"r": repository}, "actions": map[string]any{"a": take}}
	switch {
	case object["filtertype"] != nil:
		take["action"], take["filters"] = "delete_snapshots", []any{object}
	case object["settings"] != nil:
		s := object["settings"].(map[string]any)
		repository["settings"] = s
		if s["bucket"] != nil {
			repository["type"] = "s3"
		}
	case object["options"] != nil:
		maps.Copy(take["options"].(map[string]any), object["options"].(map[string]any))
	case object["logging"] != nil:
		return clientFault(t, line)
	default:
		maps.Copy(file, object)
	}
	text, err := yaml.Marshal(file)
	require.NoError(t, err)
	if _, err := plan.Parse("fragment", text, plan.Options{Env: unset}); err != nil {
		return err.Error()
	}
	return ""
}

// clientFault is what is wrong with a client file.
func clientFault(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "config.yml")
	require.NoError(t, os.WriteFile(name, []byte("cluster: {}\n"+text+"\n"), 0o600))
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.Flags(flags)
	require.NoError(t, flags.Set("config", name))
	if _, err := settings.Load(flags, unset); err != nil {
		return err.Error()
	}
	return ""
}

// TestNotOffered: what is not offered has a row, and each row says what there is instead.
func TestNotOffered(t *testing.T) {
	rows, _ := comingFrom(t)
	var all []string
	for _, row := range rows["Not offered"][1:] {
		require.Len(t, row, 3)
		require.NotEmpty(t, row[2], row[0])
		all = append(all, row[0])
	}
	for _, what := range []string{"ssh", "ftp", "webdav", "smb", "MySQL", "PostgreSQL", "MongoDB", "Redis", "Jinja", "etcd"} {
		require.Contains(t, strings.Join(all, "\n"), what)
	}
}

// TestLocalThenS3: an index goes only if both repositories have a complete copy, and
// nothing is deleted in a night without both snapshots.
func TestLocalThenS3(t *testing.T) {
	const file = "local-then-s3.yml"
	days := []string{"logs-2026.10.30", "logs-2026.11.01", "logs-2026.11.08", "logs-2026.11.09"}
	prepared := func(offsite map[string]string) *memory.Memory {
		server := memory.New(memory.At(night))
		server.AddIndices(append(days, "logs-2026.10.30-reindexed", "orders")...)
		settings := map[string]string{
			"bucket": "es-snapshots", "base_path": "production/logs", "client": "minio", "max_snapshot_bytes_per_sec": "20mb",
		}
		maps.Copy(settings, offsite)
		server.AddRepository(cluster.Repository{Name: "offsite", Type: "s3", Settings: settings})
		return server
	}
	left := func(server *memory.Memory) (names []string) {
		indices, err := server.Indices(t.Context())
		require.NoError(t, err)
		for _, i := range indices {
			names = append(names, i.Name)
		}
		return names
	}
	held := func(server *memory.Memory, repository string) (names []string) {
		list, err := server.Snapshots(t.Context(), repository, true)
		require.NoError(t, err)
		for _, s := range list {
			names = append(names, s.Indices...)
		}
		return names
	}

	server := prepared(nil)
	code, out, errs := command(t, server, "run", file)
	require.Zero(t, code, out+errs)
	require.ElementsMatch(t, days, held(server, "local"))
	require.ElementsMatch(t, days, held(server, "offsite"))
	require.ElementsMatch(t, append(slices.Clone(days[2:]), "logs-2026.10.30-reindexed", "orders"), left(server))

	server = prepared(map[string]string{"readonly": "true"}) // the bucket cannot be written
	code, out, errs = command(t, server, "run", file)
	require.NotZero(t, code, out+errs)
	require.Len(t, left(server), 6, "nothing is deleted")
	require.Empty(t, held(server, "offsite"))

	server = prepared(nil) // somebody leaves out the snapshot in the bucket
	code, out, errs = command(t, server, "run", "--skip", "2", file)
	require.Zero(t, code, out+errs)
	require.ElementsMatch(t, days, held(server, "local"))
	require.Len(t, left(server), 6, "one copy is not enough")
	require.Contains(t, out, "require_snapshot")

	for _, fail := range []string{"12-14", "12=partial,13=missed,14=failed"} {
		code, out, errs = command(t, server, "simulate", file, "--nights", "60", "--fail", fail)
		require.Zero(t, code, out+errs)
		require.Contains(t, out, " 0 were lost too early\n")
	}
}
