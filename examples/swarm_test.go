package examples

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/internal/settings"
)

// docker is a Docker with one service that has one task. In the folder are the states of
// the task, one line for each look, the last one for ever; and what the container wrote.
const docker = `
dir=%[1]q
echo "$*" >>"$dir/calls"
case "$*" in
'service create '*)
    for word; do case $word in esnap.once.run=*) echo "${word##*-}" >"$dir/pid" ;; esac; done
    [ ! -e "$dir/refused" ] || { echo 'invalid option' >&2; exit 125; }
    [ ! -e "$dir/help" ] || { printf 'Usage:  docker service create [OPTIONS]\n\nCreate a new service\n'; exit 0; }
    [ ! -e "$dir/silent" ] || exit 0
    touch "$dir/there"
    [ ! -e "$dir/lost" ] || { echo 'the connection was reset' >&2; exit 1; }
    echo svc1 ;;
'service ls -q') ;;
'service ls -q --filter label=esnap.once.run='*) [ ! -e "$dir/there" ] || echo svc1 ;;
'service ls -q --filter label=esnap.once') printf 'old\nnew\n' ;;
'service inspect -f '*' old') echo 1 ;;
'service inspect -f '*' new') echo 99999999999 ;;
'service inspect svc1') [ -e "$dir/there" ] ;;
'service ps -q --no-trunc svc1') [ ! -e "$dir/there" ] || echo task1 ;;
'service rm '*) rm -f "$dir/there" ;;
'service update '*' --replicas 0 svc1') echo shutdown >"$dir/states"; echo 'it ended' >>"$dir/all" ;;
'service logs --raw --follow task1') head -n 1 "$dir/all"; exec /bin/sleep 60 ;;
'service logs --raw task1') cat "$dir/all"; echo 'to stderr' >&2 ;;
'inspect --type task -f '*.Status.Err*) echo 'why it did' ;;
'inspect --type task -f '*)
    line=$(head -n 1 "$dir/states")
    [ "$(wc -l <"$dir/states")" -le 1 ] || sed -i 1d "$dir/states"
    case $line in
    error) exit 1 ;;
    removed) rm -f "$dir/there"; exit 1 ;;
    TERM | INT | HUP) kill "-$line" "$(cat "$dir/pid")"; echo 'running ' ;;
    *) echo "$line" ;;
    esac ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
`

// clock is a date whose time goes on by 10 seconds with each look.
const clock = `
n=$(cat %[1]q/now 2>/dev/null || echo 1000)
echo $((n + 10)) >%[1]q/now
echo "$n"
`

// TestOnce: the exit code is that of the container, or says what happened to it; all logs
// are shown once; and no service is left.
func TestOnce(t *testing.T) {
	const running = "preparing \nrunning 0\n"
	for name, c := range map[string]struct {
		states string
		flags  []string
		file   string // in the folder
		code   int
		says   string
		logs   string
		kept   bool
	}{
		"completes":              {states: running + "complete 0", logs: "one\ntwo\n"},
		"exit code 1":            {states: running + "failed 1", code: 1, logs: "one\ntwo\n"},
		"exit code 2":            {states: "failed 2", code: 2, logs: "one\ntwo\n"},
		"Docker is away":         {states: running + "error\nerror\nfailed 5", code: 5, logs: "one\ntwo\n"},
		"quiet":                  {states: running + "failed 3", flags: []string{"--no-logs"}, code: 3},
		"kept":                   {states: running + "complete 0", flags: []string{"--keep"}, logs: "one\ntwo\n", kept: true},
		"the image is missing":   {states: "preparing \nrejected ", code: 125, says: "rejected: why it did"},
		"never started":          {states: "starting \nfailed 0", code: 125, says: "why it did", logs: "one\ntwo\n"},
		"the program is missing": {states: "failed 127", code: 127, says: "why it did", logs: "one\ntwo\n"},
		"too long": {
			states: "running 0", flags: []string{"--timeout", "90s"}, code: 124, says: "the time of 90s is over", logs: "one\ntwo\nit ended\n",
		},
		"no node": {
			states: "pending ", flags: []string{"--timeout", "90"}, code: 124, says: "(task: pending why it did)", logs: "one\ntwo\nit ended\n",
		},
		"removed":           {states: running + "removed", code: 125, says: "removed by somebody else", logs: "one\n"},
		"SIGTERM":           {states: running + "TERM\nrunning 0", code: 143, says: "interrupted", logs: "one\ntwo\nit ended\n"},
		"Ctrl-C":            {states: running + "INT\nrunning 0", code: 130, says: "interrupted", logs: "one\ntwo\nit ended\n"},
		"SIGHUP":            {states: running + "HUP\nrunning 0", code: 129, says: "interrupted", logs: "one\ntwo\nit ended\n"},
		"SIGTERM early":     {states: "TERM\npreparing ", code: 143, says: "interrupted", logs: "one\ntwo\nit ended\n"},
		"a wrong option":    {states: running, file: "refused", code: 125, says: "invalid option"},
		"no id":             {states: running, file: "silent", code: 125, says: "did not reply with the id of a service"},
		"a help text":       {states: running, file: "help", code: 125, says: "Create a new service\nonce.sh: docker service create did not"},
		"the reply is lost": {states: running, file: "lost", code: 125, says: "reset"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(file, text string) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			write("states", strings.TrimSuffix(c.states, "\n")+"\n")
			write("all", "one\ntwo\n")
			if c.file != "" {
				write(c.file, "")
			}
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			programs := map[string]string{
				"docker": fmt.Sprintf(docker, dir), "sleep": "exec /bin/sleep 0.05", "date": fmt.Sprintf(clock, dir),
			}
			args := slices.Concat([]string{"once.sh"}, c.flags, []string{"--network", "n1", "--env", "A=a b", "img:1", "status", `say "x" $HOME`})
			code, stdout, stderr := script(t, "swarm", programs, args...)
			require.Equal(t, c.code, code, stderr)
			require.Contains(t, stderr, c.says)
			require.NotContains(t, stderr, "unexpected")
			require.NotContains(t, stderr, "No such file")
			if name == "removed" { // how much was shown before depends on the machine
				require.True(t, strings.HasPrefix(c.logs, stdout), stdout)
			} else {
				require.Equal(t, c.logs, stdout)
			}
			if c.logs == "one\ntwo\n" {
				require.Equal(t, 1, strings.Count(stderr, "to stderr\n"), stderr)
			}
			_, err := os.Stat(filepath.Join(dir, "there"))
			require.Equal(t, c.kept, err == nil, "a service is left")
			left, err := os.ReadDir(temp)
			require.NoError(t, err)
			require.Empty(t, left)

			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			require.NoError(t, err)
			require.Contains(t, string(calls), " --restart-condition none --network n1 --env A=a b img:1 status say \"x\" $HOME\n")
			require.Equal(t, 1, strings.Count(string(calls), "service create"))
		})
	}
}

// TestOnceUsage: nothing is created for a command line that is wrong.
func TestOnceUsage(t *testing.T) {
	programs := map[string]string{"docker": "echo unexpected >&2; exit 9"}
	for _, args := range [][]string{
		{}, {"--timeout"}, {"--timeout", "1h"}, {"--no-logs"}, {"--timeout", "1d", "x"}, {"--timeout", "", "x"}, {"--timeout", "0", "x"},
		{"--timeout", "1h30m", "x"}, {"--timeout", "-5", "x"}, {"--prune", "x"},
	} {
		code, _, stderr := script(t, "swarm", programs, append([]string{"once.sh"}, args...)...)
		require.Equal(t, 2, code, "%v: %s", args, stderr)
		require.NotContains(t, stderr, "unexpected")
		require.Contains(t, stderr, "once.sh: ")
	}
}

// TestOnceHelp: the usage is printed, and Docker is not asked.
func TestOnceHelp(t *testing.T) {
	programs := map[string]string{"docker": "echo unexpected >&2; exit 9"}
	for _, args := range [][]string{{"--help"}, {"-h"}, {"--no-logs", "--help"}, {"-h", "img:1"}} {
		code, stdout, stderr := script(t, "swarm", programs, append([]string{"once.sh"}, args...)...)
		require.Zero(t, code, "%v: %s", args, stderr)
		require.Empty(t, stderr)
		require.True(t, strings.HasPrefix(stdout, "Runs a container once on a Docker Swarm: "), stdout)
		require.Contains(t, stdout, "\n  once.sh [--timeout TIME] [--no-logs] [--keep] [OPTION...] IMAGE [ARGUMENT...]\n")
		require.True(t, strings.HasSuffix(stdout, "after a\nsignal.\n"), stdout)
	}
}

// TestOncePrune: only a service whose time is over is removed, and Docker's failures are
// not hidden.
func TestOncePrune(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := script(t, "swarm", map[string]string{"docker": fmt.Sprintf(docker, dir)}, "once.sh", "--prune")
	require.Zero(t, code, stderr)
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err)
	require.Contains(t, string(calls), "service rm old\n")
	require.NotContains(t, string(calls), "service rm new")
	code, _, _ = script(t, "swarm", map[string]string{"docker": "exit 1"}, "once.sh", "--prune")
	require.Equal(t, 1, code)
}

// mount is a config or a secret of a service.
type mount struct {
	Source, Target, UID, GID string
	Mode                     int
}

// stack is what examples/ use of a stack file or a Compose file.
type stack struct {
	Version  string
	Name     string
	Esnap    any `yaml:"x-esnap"`
	Services map[string]*service
	Configs  map[string]source
	Secrets  map[string]source
	Networks map[string]source
	Volumes  map[string]source
}

type source struct {
	Name, File string
	External   bool
	Driver     string
}

type service struct {
	Image           string
	Entrypoint      []string
	Command         []string
	Environment     map[string]string
	Configs         []mount
	Secrets         []any
	Networks        []string
	Volumes         []string
	Ports           []string
	Init            bool
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	MemLimit        string   `yaml:"mem_limit"`
	Restart         string
	Healthcheck     *struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
	DependsOn map[string]struct{ Condition string } `yaml:"depends_on"`
	Deploy    struct {
		Mode          string
		Replicas      int
		RestartPolicy struct{ Condition, Delay string } `yaml:"restart_policy"`
		UpdateConfig  struct{ Order string }            `yaml:"update_config"`
		Resources     struct{ Limits struct{ Cpus, Memory string } }
	}
}

// readStack reads a stack file or a Compose file. Unknown keys are errors, and what a
// service uses must be there.
func readStack(t *testing.T, name string) stack {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	var s stack
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	require.NoError(t, d.Decode(&s), name)
	used := map[string]bool{}
	for service, x := range s.Services {
		require.NotEmpty(t, x.Image, service)
		for _, c := range x.Configs {
			require.Contains(t, s.Configs, c.Source, service)
			used["config "+c.Source] = true
		}
		for _, secret := range secretsOf(x) {
			require.Contains(t, s.Secrets, secret, service)
			used["secret "+secret] = true
		}
		for _, n := range x.Networks {
			require.Contains(t, s.Networks, n, service)
			used["network "+n] = true
		}
		for _, v := range x.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "./") {
				require.DirExists(t, filepath.Join(filepath.Dir(name), from))
				continue
			}
			require.Contains(t, s.Volumes, from, service)
			used["volume "+from] = true
		}
		for other := range x.DependsOn {
			require.Contains(t, s.Services, other, service)
		}
	}
	for kind, all := range map[string]map[string]source{
		"config": s.Configs, "secret": s.Secrets, "network": s.Networks, "volume": s.Volumes,
	} {
		for n, x := range all {
			require.True(t, used[kind+" "+n], "nobody uses the %s %s", kind, n)
			if x.File != "" && kind == "config" {
				require.FileExists(t, filepath.Join(filepath.Dir(name), x.File))
			}
		}
	}
	return s
}

// secretsOf are the names of a service's secrets, in the short form or in the long one.
func secretsOf(x *service) (names []string) {
	for _, s := range x.Secrets {
		if name, ok := s.(string); ok {
			names = append(names, name)
		} else {
			names = append(names, at(s, "source").(string))
		}
	}
	return names
}

// esnapTakes wants a command line that esnap takes, and files that are mounted.
func esnapTakes(t *testing.T, x *service, folder string, s stack) {
	t.Helper()
	require.Empty(t, commandFault(t, x.Command))
	mounted := map[string]string{}
	for _, c := range x.Configs {
		mounted[c.Target] = filepath.Join(folder, s.Configs[c.Source].File)
	}
	for _, v := range x.Volumes {
		if part := strings.Split(v, ":"); strings.HasPrefix(part[0], "./") {
			files, err := filepath.Glob(filepath.Join(folder, part[0], "*"))
			require.NoError(t, err)
			for _, f := range files {
				mounted[part[1]+"/"+filepath.Base(f)] = f
			}
		}
	}
	for _, w := range append(slices.Clone(x.Command), x.Environment["ESNAP_CONFIG"]) {
		if strings.HasPrefix(w, "/etc/") {
			require.Contains(t, mounted, w)
		}
	}
	// The secrets that the client file names are those of the service.
	client, err := os.ReadFile(mounted[x.Environment["ESNAP_CONFIG"]])
	require.NoError(t, err)
	files := regexp.MustCompile(`/run/secrets/(\w+)`).FindAllStringSubmatch(string(client), -1)
	require.NotEmpty(t, files)
	for _, f := range files {
		require.True(t, slices.ContainsFunc(x.Secrets, func(s any) bool { return s == f[1] || at(s, "target") == f[1] }), f[1])
	}
}

// TestStack: the stack file is one, two replicas need the lock, and a container of esnap
// has no privileges, and time to end.
func TestStack(t *testing.T) {
	s := readStack(t, "swarm/docker-stack.yml")
	require.Equal(t, []string{"once", "serve"}, sorted(s.Services))
	for name, x := range s.Services {
		require.True(t, x.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, x.CapDrop, name)
		require.Equal(t, "60s", x.StopGracePeriod, name)
		require.Nil(t, x.Healthcheck, "%s: the image has no shell and no curl", name)
		require.Equal(t, 0o400, at(x.Secrets[0], "mode"), name)
		esnapTakes(t, x, "swarm", s)
	}
	require.Equal(t, "replicated-job", s.Services["once"].Deploy.Mode)
	require.Equal(t, "none", s.Services["once"].Deploy.RestartPolicy.Condition)
	require.Greater(t, s.Services["serve"].Deploy.Replicas, 1)
	file, err := os.ReadFile("swarm/action_file.yml")
	require.NoError(t, err)
	require.Contains(t, string(file), "\nlock: required\n")
	require.Contains(t, string(file), "\nschedule: ")

	// esnap.sh uses the names of the stack, and gives once.sh the words as they are.
	data, err := os.ReadFile("swarm/esnap.sh")
	require.NoError(t, err)
	for _, x := range slices.Concat(values(s.Configs), values(s.Secrets), values(s.Networks)) {
		name := strings.Replace(x.Name, "${STACK_REVISION:-1}", "$revision", 1)
		require.Contains(t, string(data), name)
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "states"), []byte("complete 0\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "all"), nil, 0o600))
	code, _, stderr := script(t, "swarm", map[string]string{"docker": fmt.Sprintf(docker, dir)}, "esnap.sh", "index", "list", "a b")
	require.Zero(t, code, stderr)
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err)
	require.Contains(t, string(calls), " --config source=esnap-config-1,target=/etc/esnap/config.yml ")
	require.Contains(t, string(calls), " esnap:latest index list a b\n")
	code, _, stderr = script(t, "swarm", nil, "esnap.sh")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "usage")
}

func values[V any](m map[string]V) (list []V) {
	for _, k := range sorted(m) {
		list = append(list, m[k])
	}
	return list
}

// TestSwarmCommands: every command of esnap in the document is one.
func TestSwarmCommands(t *testing.T) {
	data, err := os.ReadFile("swarm/README.md")
	require.NoError(t, err)
	tried := 0
	for _, m := range regexp.MustCompile(`(?m)^(?:\./esnap\.sh|esnap|.*/opt/esnap/esnap\.sh) (.*)$`).FindAllStringSubmatch(string(data), -1) {
		words := strings.Fields(m[1])
		tried++
		require.Empty(t, commandFault(t, words), m[0])
		for _, w := range words {
			if file, ok := strings.CutPrefix(w, "/etc/esnap/"); ok {
				require.FileExists(t, "swarm/"+file)
			}
		}
	}
	require.Greater(t, tried, 4)
}

// TestCompose: the Compose file is one, every secret reaches those who need it as a file,
// and esnap's container has no privileges.
func TestCompose(t *testing.T) {
	s := readStack(t, "compose/compose.yaml")
	require.Equal(t, []string{"bucket", "elasticsearch", "esnap", "minio"}, sorted(s.Services))
	for name, x := range s.Services {
		for _, p := range x.Ports {
			require.True(t, strings.HasPrefix(p, "127.0.0.1:"), "%s is published for all: %s", name, p)
		}
		for key, value := range x.Environment {
			require.NotRegexp(t, `(?i)(password|key|secret)$`, key, "%s: a secret in a variable: %s", name, value)
		}
		text := strings.Join(slices.Concat(x.Entrypoint, values(x.Environment)), "\n")
		for _, m := range regexp.MustCompile(`/run/secrets/(\w+)`).FindAllStringSubmatch(text, -1) {
			require.Contains(t, secretsOf(x), m[1], name)
		}
	}
	x := s.Services["esnap"]
	require.True(t, x.ReadOnly)
	require.Equal(t, []string{"ALL"}, x.CapDrop)
	require.Equal(t, "60s", x.StopGracePeriod)
	esnapTakes(t, x, "compose", s)

	// The client and the bucket of the action file are those of the servers.
	data, err := os.ReadFile("compose/esnap/action_file.yml")
	require.NoError(t, err)
	var file struct {
		Repositories map[string]struct {
			Settings struct{ Client, Bucket string }
		}
	}
	require.NoError(t, yaml.Unmarshal(data, &file))
	minio := file.Repositories["minio"].Settings
	es := s.Services["elasticsearch"]
	require.Equal(t, "http://minio:9000", es.Environment["s3.client."+minio.Client+".endpoint"])
	start := strings.Join(es.Entrypoint, "\n")
	for _, key := range []string{"access_key", "secret_key"} {
		require.Contains(t, start, "put s3.client."+minio.Client+"."+key+" s3_"+key+"\n")
	}
	require.Contains(t, strings.Join(s.Services["bucket"].Entrypoint, "\n"), "mc mb --ignore-existing s3/"+minio.Bucket+";")
}

// TestDocumentedContainers: esnap takes the command lines in the documents, and files that
// they name are there.
func TestDocumentedContainers(t *testing.T) {
	for name, want := range map[string]int{"compose/README.md": 4, "../docs/containers.md": 3} {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(data), "\\\n", " ")
		lines := regexp.MustCompile(`(?m)^docker (?:compose run --rm esnap|run .* esnap:latest) (.*)$`).FindAllStringSubmatch(text, -1)
		require.Len(t, lines, want, name)
		for _, m := range lines {
			words := strings.Fields(m[1])
			require.Empty(t, commandFault(t, words), m[0])
		}
		for _, v := range regexp.MustCompile(`\bESNAP_\w+`).FindAllString(text, -1) {
			require.Contains(t, settings.Variables(), v, name)
		}
	}
}
