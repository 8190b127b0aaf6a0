package examples

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const namespace = "kubesphere-logging-system"

// TestCommands reads every command in the documents of kubesphere/, with the
// manifests for new versions of Kubernetes and with those for old ones: the files
// are there, the names of objects and containers are those of the manifests, each
// jsonpath leads to a value, esnap knows each command, and nobody edits the
// environment of a CronJob that runs tonight.
func TestCommands(t *testing.T) {
	old := newShell(t, nil)
	old.run(tokens(". ./settings.sh"))
	old.document(oldSet + "/README.md")
	old.vars = map[string]string{"SET": old.vars["SET"], "DRY": old.vars["DRY"], "ORPHAN": old.vars["ORPHAN"]}
	require.Equal(t, map[string]string{"SET": oldSet, "DRY": "--dry-run", "ORPHAN": "--cascade=false"}, old.vars)
	for set, override := range map[string]map[string]string{"new": nil, "old": old.vars} {
		t.Run(set, func(t *testing.T) {
			s := newShell(t, override)
			for _, name := range []string{"path-repo.md", "README.md", "audit-cluster/README.md"} {
				s.vars, s.dir = map[string]string{}, "examples/"+folder
				s.document(name)
			}
			require.Greater(t, s.count, 60)
		})
	}
}

// TestCommandsAreChecked: faults as they were are found.
func TestCommandsAreChecked(t *testing.T) {
	for command, want := range map[string]string{
		`kubectl apply -f cronjobs.yaml`:                                      "cronjobs.yaml",
		`kubectl -n $NS delete cronjob esnapp`:                                "cronjob/esnapp",
		`kubectl get cronjob esnap`:                                           "-n $NS",
		`kubectl -n $NS set env cronjob/esnap ESNAP_DRY_RUN=1`:                "set env",
		`kubectl -n $NS create job x --from=cronjob/esnap`:                    "an owner",
		`kubectl -n $NS run x --image=esnap:latest -- status`:                 "run",
		`kubectl -n $NS logs -f job/x`:                                        "logs",
		`kubectl -n $NS wait --for=condition=Complete job/x`:                  "failed Job",
		`kubectl -n $NS set image cronjob/esnap elasticsearch=$IMAGE`:         "elasticsearch",
		`kubectl -n $NS set image cronjob/esnap esnap=other`:                  "IMAGE",
		`kubectl -n $NS get cronjob esnap -o jsonpath='{.spec.template}'`:     "template",
		`kubectl -n $NS get pods -l app=esnapp`:                               "app=esnapp",
		`kubectl -n $NS patch cronjob esnap -p "$(cat job.yaml)"`:             "spec.template",
		`kubectl -n $NS patch cronjob esnap -p '{"spec":{"jobTemplate":{}}}'`: "",
		`./esnap.sh restore --yes --keep-fro 14d x`:                           "keep-fro",
		`./esnap.sh run /etc/esnap/actions.yml`:                               "actions.yml",
		`unheardof`:                                                           "unheardof",
	} {
		s := newShell(t, nil)
		s.fail = func(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
		s.run(tokens(". ./settings.sh"))
		var got any
		func() {
			defer func() { got = recover() }()
			s.run(tokens(command))
		}()
		if want == "" {
			require.Nil(t, got, command)
		} else {
			require.Contains(t, fmt.Sprint(got), want, command)
		}
	}
}

// shell reads commands as far as the documents use the shell's grammar, and checks
// what they would do.
type shell struct {
	t        *testing.T
	vars     map[string]string
	override map[string]string
	dir      string
	made     map[string]bool   // files that a command wrote
	known    map[string]object // by kind/name, lower case
	count    int
	fail     func(format string, args ...any)
}

// result is what a command writes: text, or an object that the next one reads.
type result struct {
	text   string
	object object
}

func newShell(t *testing.T, override map[string]string) *shell {
	s := &shell{
		t:        t,
		vars:     map[string]string{},
		override: override,
		dir:      "examples/" + folder,
		made:     map[string]bool{},
		known:    map[string]object{},
	}
	s.fail = func(format string, args ...any) { t.Fatalf(format, args...) }
	set := "."
	if override != nil {
		set = override["SET"]
	}
	var files []string
	for _, pattern := range []string{
		set + "/*.yaml", set + "/audit-cluster/*.yaml", "claim.yaml", "configmap.yaml", "../testdata/kubesphere/*.yaml",
	} {
		some, err := filepath.Glob(filepath.Join(folder, pattern))
		require.NoError(t, err)
		files = append(files, some...)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "-patch.yaml") {
			continue
		}
		for _, o := range objects(t, f) {
			if name, ok := at(o, "metadata", "name").(string); ok {
				s.known[strings.ToLower(o["kind"].(string))+"/"+name] = o
			}
			for _, v := range volumes(o) { // a ConfigMap that the reader creates
				if name, ok := at(v, "configMap", "name").(string); ok && s.known["configmap/"+name] == nil {
					s.known["configmap/"+name] = object{"kind": "ConfigMap"}
				}
			}
			if o["kind"] == "StatefulSet" {
				name := at(o, "metadata", "name").(string)
				s.known["pod/"+name+"-0"] = at(o, "spec", "template").(object)
				s.known["persistentvolumeclaim/"+at(o, "spec", "volumeClaimTemplates", 0, "metadata", "name").(string)+"-"+name+"-0"] = object{}
			}
		}
	}
	return s
}

func volumes(o object) []any { list, _ := podSpec(o)["volumes"].([]any); return list }

// document runs every block of shell in a Markdown file.
func (s *shell) document(name string) {
	data, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(s.t, err)
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(data), -1)
	require.NotEmpty(s.t, blocks)
	for _, b := range blocks {
		s.run(tokens(b[1]))
	}
}

// tokens splits a script into words as they are written and operators.
func tokens(text string) []string {
	var list []string
	word := ""
	end := func() {
		if word != "" {
			list, word = append(list, word), ""
		}
	}
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch {
		case strings.HasPrefix(rest, "\\\n"):
			end()
			i++
		case text[i] == '\\':
			word += text[i : i+2]
			i++
		case text[i] == '\'':
			n := strings.IndexByte(text[i+1:], '\'') + 2
			word += text[i : i+n]
			i += n - 1
		case text[i] == '"', strings.HasPrefix(rest, "$("):
			n := closing(rest)
			word += rest[:n]
			i += n - 1
		case text[i] == '#' && word == "":
			i += strings.IndexByte(rest+"\n", '\n') - 1
		case text[i] == '\n', text[i] == ';':
			end()
			list = append(list, ";")
		case strings.HasPrefix(rest, "||"), strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, ">>"):
			end()
			list = append(list, rest[:2])
			i++
		case text[i] == '|', text[i] == '>':
			end()
			list = append(list, rest[:1])
		case text[i] == ' ', text[i] == '\t':
			end()
		default:
			word += string(text[i])
		}
	}
	end()
	return list
}

// closing is the length of the text in double quotes, or of $(…), that begins here.
func closing(text string) int {
	if strings.HasPrefix(text, "$(") {
		for i := 2; i < len(text); i++ {
			switch {
			case text[i] == ')':
				return i + 1
			case text[i] == '"', strings.HasPrefix(text[i:], "$("):
				i += closing(text[i:]) - 1
			case text[i] == '\'':
				i += strings.IndexByte(text[i+1:], '\'') + 1
			}
		}
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return i + 1
		case text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], "$("):
			i += closing(text[i:]) - 1
		}
	}
	return len(text)
}

// expand is a word without its quotes, with variables and $(…) put in.
func (s *shell) expand(raw string) string {
	var b strings.Builder
	double := false
	for i := 0; i < len(raw); i++ {
		rest := raw[i:]
		name := regexp.MustCompile(`^\$\{?(\w+)\}?`).FindStringSubmatch(rest)
		switch {
		case raw[i] == '\'' && !double:
			n := strings.IndexByte(rest[1:], '\'')
			b.WriteString(rest[1 : 1+n])
			i += n + 1
		case raw[i] == '"':
			double = !double
		case raw[i] == '\\':
			i++
			b.WriteByte(raw[i])
		case strings.HasPrefix(rest, "$("):
			n := closing(rest)
			b.WriteString(strings.TrimSpace(s.run(tokens(rest[2 : n-1])).text))
			i += n - 1
		case name != nil:
			value, ok := s.vars[name[1]]
			if !ok {
				s.fail("nobody has set $%s", name[1])
			}
			b.WriteString(value)
			i += len(name[0]) - 1
		default:
			b.WriteByte(raw[i])
		}
	}
	return b.String()
}

// run carries out tokens and returns what the last command writes.
func (s *shell) run(list []string) (out result) {
	var in result
	for i := 0; i < len(list); {
		switch list[i] {
		case "for":
			do := i + slices.Index(list[i:], "do")
			depth, done := 0, do
			for ; done < len(list); done++ {
				if list[done] == "do" {
					depth++
				} else if list[done] == "done" {
					if depth--; depth == 0 {
						break
					}
				}
			}
			for _, value := range list[i+3 : do-1] {
				for v := range strings.FieldsSeq(s.expand(value)) {
					s.vars[list[i+1]] = v
					s.run(list[do+1 : done])
				}
			}
			i = done + 1
		case ";", "&&", "||", "until", "do", "done":
			i++
			in = result{}
		case "|":
			in = out
			if i++; i < len(list) && list[i] == ";" { // the line ends with the pipe
				i++
			}
		default:
			var words []string
			into := ""
			for ; i < len(list) && !slices.Contains([]string{";", "&&", "||", "|"}, list[i]); i++ {
				if list[i] == ">" || list[i] == ">>" {
					i++
					into = s.expand(list[i])
				} else {
					words = append(words, s.expand(list[i]))
				}
			}
			out = s.command(words, in)
			if into != "" {
				s.made[s.path(into)] = true
			}
		}
	}
	return out
}

// path is a file's, from here; dir is below the root of the repository.
func (s *shell) path(name string) string { return path.Join("..", path.Join(s.dir, name)) }

// file wants a file of the examples, or one that a command before this has written.
func (s *shell) file(name string) string {
	_, err := os.Stat(s.path(name))
	if err != nil && !s.made[s.path(name)] {
		s.fail("there is no file %s", s.path(name))
	}
	return s.path(name)
}

var assignment = regexp.MustCompile(`^([A-Z]+)=(.*)$`)

// command checks one command.
func (s *shell) command(words []string, in result) result {
	s.count++
	if m := assignment.FindStringSubmatch(words[0]); m != nil && len(words) == 1 {
		s.vars[m[1]] = m[2]
		if value, ok := s.override[m[1]]; ok {
			s.vars[m[1]] = value
		}
		return result{}
	}
	args := words[1:]
	switch words[0] {
	case ".":
		data, err := os.ReadFile(s.file(args[0]))
		require.NoError(s.t, err)
		s.run(tokens(string(data)))
	case "cd":
		s.dir = path.Join(s.dir, args[0])
		s.file(".")
	case "cat":
		if data, err := os.ReadFile(s.file(args[0])); err == nil {
			return result{text: string(data)}
		}
		return result{text: "‹" + args[0] + "›"}
	case "kubectl":
		return s.kubectl(args, in)
	case "./esnap.sh":
		s.file(words[0])
		if args[0] == "-f" {
			require.Equal(s.t, "Job", objects(s.t, s.file(args[1]))[0]["kind"])
			args = args[2:]
		}
		s.esnap(args)
	case "./follow.sh":
		s.file(words[0])
		if !strings.HasPrefix(args[0], "job.batch/") && !regexp.MustCompile(`^esnap-\d+$`).MatchString(args[0]) {
			s.fail("follow.sh gets %q, not a Job", args[0])
		}
	case "../../bin/esnap":
		for _, a := range args {
			if strings.HasSuffix(a, ".yml") {
				s.file(a)
			}
		}
		s.esnap(args)
	case "sed":
		last := slices.IndexFunc(args, func(a string) bool { return strings.HasSuffix(a, ".yaml") })
		for _, a := range args[last:] {
			s.file(a)
		}
	case "make":
		data, err := os.ReadFile(s.file("Makefile"))
		require.NoError(s.t, err)
		require.Contains(s.t, string(data), "\n"+args[0]+":")
	case "docker":
		if args[0] == "build" {
			s.file(args[len(args)-1])
			if i := slices.Index(args, "-f"); i > 0 {
				s.file(args[i+1])
			} else {
				s.file(path.Join(args[len(args)-1], "Dockerfile"))
			}
		}
	case "scripts/image-links.sh":
		s.file(words[0])
	case "tee":
		s.made[s.path(args[0])] = true
	case "cp", "scp", "ctr", "grep", "printf", "sleep", "curl":
	default:
		s.fail("no check for the program %s", words[0])
	}
	return result{}
}

// esnap wants a command that esnap knows, with files that are mounted.
func (s *shell) esnap(args []string) {
	for _, a := range args {
		if file, ok := strings.CutPrefix(a, "/etc/esnap/"); ok {
			s.file(file)
		}
	}
	if text := commandFault(s.t, args); text != "" {
		s.fail("esnap %s: %s", strings.Join(args, " "), text)
	}
}

var kinds = map[string]string{"jobs": "job", "pods": "pod", "pvc": "persistentvolumeclaim"}

// verbs are what the documents may use. Not run (pod security, the password), not logs
// (follow.sh waits for the pod), not edit; set env only with --local (tonight's run).
var verbs = []string{
	"apply", "replace", "create", "patch", "set image", "set env", "get", "delete", "describe", "exec", "port-forward",
	"rollout", "wait",
}

var withValue = []string{"n", "o", "f", "k", "p", "l", "type", "from", "from-file", "for", "timeout"}

// kubectl checks what a kubectl command names.
func (s *shell) kubectl(words []string, in result) result {
	flags, args := map[string]string{}, []string{}
	for i := 0; i < len(words); i++ {
		name, dashed := strings.CutPrefix(words[i], "-")
		name, value, given := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		switch {
		case words[i] == "--":
			i = len(words)
		case !dashed:
			args = append(args, words[i])
		case slices.Contains(withValue, name) && !given:
			i++
			flags[name] = words[i]
		default:
			flags[name] = value
		}
	}
	verb := args[0]
	if verb == "set" {
		verb += " " + args[1]
		args = args[1:]
	}
	if !slices.Contains(verbs, verb) {
		s.fail("kubectl %s: not in these documents", verb)
	}
	_, local := flags["local"]
	_, dry := flags["dry-run"]
	_, fromFile := flags["f"]
	if dir, ok := flags["k"]; ok && flags["f"] == "" { // the kustomization names the namespace
		fromFile = true
		flags["f"] = path.Join(dir, "kustomization.yaml")
		require.Equal(s.t, namespace, objects(s.t, s.file(flags["f"]))[0]["namespace"])
	}
	if ns := flags["n"]; ns != namespace && !(ns == "" && (local || dry || fromFile)) {
		s.fail("kubectl %s: without -n $NS", strings.Join(words, " "))
	}
	for _, name := range []string{"f", "from-file"} {
		if f, ok := flags[name]; ok && f != "-" {
			s.file(f)
		}
	}
	if sel, ok := flags["l"]; ok {
		s.selector(sel)
	}
	switch verb {
	case "apply", "replace":
		if flags["f"] == "" {
			s.fail("kubectl %s without a file", verb)
		}
	case "create":
		return s.create(args[1:], flags, in)
	case "patch":
		return s.patch(args[1:], flags, in)
	case "set image":
		if local {
			for _, c := range podSpec(in.object)["containers"].([]any) {
				c.(object)["image"] = strings.TrimPrefix(args[1], "*=")
			}
			return in
		}
		o := s.find(args[1:2])[0]
		container, image, _ := strings.Cut(args[2], "=")
		if !slices.ContainsFunc(podSpec(o)["containers"].([]any), func(c any) bool { return at(c, "name") == container }) {
			s.fail("%s has no container %s", args[1], container)
		}
		if o["kind"] == "CronJob" && image != s.vars["IMAGE"] && !strings.HasPrefix(image, "‹") {
			s.fail("the image %s is not $IMAGE", image)
		}
	case "set env":
		if !local {
			s.fail("kubectl set env edits the environment of tonight's run")
		}
		name, value, _ := strings.Cut(args[1], "=")
		for _, c := range podSpec(in.object)["containers"].([]any) {
			c.(object)["env"] = []any{object{"name": name, "value": value}}
		}
		return in
	case "get":
		if flags["l"] != "" {
			return result{text: "pod/elasticsearch-logging-data-0"}
		}
		found := s.find(args[1:])
		if template, ok := strings.CutPrefix(flags["o"], "jsonpath="); ok {
			return result{text: s.jsonpath(template, found[0])}
		}
	case "delete", "describe", "exec", "port-forward":
		if flags["l"] == "" {
			if verb == "exec" && !strings.Contains(args[1], "/") {
				args[1] = "pod/" + args[1]
			}
			if verb == "delete" {
				s.find(args[1:])
			} else {
				s.find(args[1:2])
			}
		}
	case "rollout":
		s.find(args[2:])
	case "wait":
		if strings.HasPrefix(args[1], "job") {
			s.fail("kubectl wait: it does not end with a failed Job; use follow.sh")
		}
		s.find(args[1:])
	}
	return result{}
}

// find looks objects up: kind/name…, or kinds and names.
func (s *shell) find(args []string) (found []object) {
	var names []string
	for _, a := range args {
		if kind, name, ok := strings.Cut(a, "/"); ok {
			names = append(names, kind+"/"+name)
		}
	}
	if names == nil {
		for kind := range strings.SplitSeq(args[0], ",") {
			for _, name := range args[1:] {
				names = append(names, kind+"/"+name)
			}
		}
	}
	for _, n := range names {
		kind, name, _ := strings.Cut(n, "/")
		if k, ok := kinds[kind]; ok {
			kind = k
		}
		o, ok := s.known[kind+"/"+name]
		if !ok {
			s.fail("there is no %s/%s", kind, name)
		}
		found = append(found, o)
	}
	if len(found) == 0 {
		s.fail("no name in %v", args)
	}
	return found
}

// selector wants an object with these labels.
func (s *shell) selector(sel string) {
	all := slices.Collect(maps.Values(s.known))
	for _, name := range []string{"job.yaml", "restore-job.yaml"} {
		all = append(all, objects(s.t, filepath.Join(folder, name))...)
	}
	for _, o := range all {
		for _, labels := range []any{
			at(o, "metadata", "labels"), at(o, "spec", "template", "metadata", "labels"),
			at(o, "spec", "jobTemplate", "spec", "template", "metadata", "labels"),
		} {
			fits := true
			for pair := range strings.SplitSeq(sel, ",") {
				key, value, _ := strings.Cut(pair, "=")
				fits = fits && at(labels, key) == value
			}
			if fits {
				return
			}
		}
	}
	s.fail("nothing has the labels %s", sel)
}

func (s *shell) create(args []string, flags map[string]string, in result) result {
	_, dry := flags["dry-run"]
	switch {
	case len(args) > 0 && args[0] == "configmap":
		s.find(args[:2])
		return result{text: "‹configmap›"}
	case len(args) > 0 && args[0] == "job":
		cron := s.find([]string{flags["from"]})[0]
		job := object{
			"kind":     "Job",
			"metadata": object{"name": args[1], "ownerReferences": []any{object{"kind": "CronJob"}}},
			"spec":     clone(s.t, at(cron, "spec", "jobTemplate", "spec")),
		}
		if !dry {
			s.fail("this Job has an owner, and pushes nights out of the history of %s", flags["from"])
		}
		return result{object: job}
	}
	o := in.object
	if f := flags["f"]; f != "-" {
		o = objects(s.t, s.file(f))[0]
	}
	owners, _ := at(o, "metadata", "ownerReferences").([]any)
	name, prefix := at(o, "metadata", "name"), at(o, "metadata", "generateName")
	if o["kind"] != "Job" || name != nil || prefix == nil || len(owners) > 0 {
		s.fail("a Job is created with name %v, generateName %v, owners %v", name, prefix, owners)
	}
	if pod := podSpec(o); at(pod, "containers", 0, "name") != "esnap" { // made from KubeSphere's own
		require.Equal(s.t, "1", env(s.t, at(pod, "containers", 0), "ESNAP_DRY_RUN"))
		require.Equal(s.t, s.vars["IMAGE"], at(pod, "containers", 0, "image"))
		require.Equal(s.t, 0, at(o, "spec", "backoffLimit"))
	}
	return result{text: "job.batch/" + prefix.(string) + "x7k2p"}
}

func (s *shell) patch(args []string, flags map[string]string, in result) result {
	if flags["type"] == "json" {
		var ops []struct {
			Op, Path string
			Value    any
		}
		require.NoError(s.t, yaml.Unmarshal([]byte(flags["p"]), &ops))
		for _, op := range ops {
			in.object = applied(s.t, in.object, strings.Split(op.Path[1:], "/"), op.Op, op.Value).(object)
		}
		return in
	}
	if strings.HasPrefix(flags["p"], "‹") || flags["f"] != "" {
		return result{}
	}
	target := s.find(args)[0]
	var p object
	require.NoError(s.t, yaml.Unmarshal([]byte(flags["p"]), &p))
	pod, template := podSpec(target), at(p, "spec", "template", "spec")
	if target["kind"] == "CronJob" {
		if at(p, "spec", "template") != nil {
			s.fail("a CronJob has no spec.template")
		}
		if template = at(p, "spec", "jobTemplate", "spec", "template"); template != nil {
			s.fail("this edits the pods of the CronJob that runs tonight")
		}
	}
	for _, list := range []string{"containers", "initContainers"} {
		patched, _ := at(template, list).([]any)
		for _, c := range patched {
			there, _ := pod[list].([]any)
			if !slices.ContainsFunc(there, func(o any) bool { return at(o, "name") == at(c, "name") }) {
				s.fail("%v has none of the %s called %v", args, list, at(c, "name"))
			}
		}
	}
	return result{}
}

func clone(t *testing.T, v any) any {
	text, err := yaml.Marshal(v)
	require.NoError(t, err)
	var out any
	require.NoError(t, yaml.Unmarshal(text, &out))
	return out
}

// applied carries out one operation of a JSON patch.
func applied(t *testing.T, v any, where []string, op string, value any) any {
	key := where[0]
	if list, ok := v.([]any); ok {
		n, err := strconv.Atoi(key)
		require.NoError(t, err)
		if len(where) == 1 {
			require.Equal(t, "add", op)
			return slices.Insert(list, n, value)
		}
		list[n] = applied(t, list[n], where[1:], op, value)
		return list
	}
	m, ok := v.(object)
	require.True(t, ok, "nothing at %v", where)
	switch {
	case len(where) > 1:
		require.Contains(t, m, key)
		m[key] = applied(t, m[key], where[1:], op, value)
	case op == "remove":
		require.Contains(t, m, key)
		delete(m, key)
	default:
		require.Equal(t, "add", op)
		m[key] = value
	}
	return m
}

// jsonpath evaluates the simple ones: {.a.b[0].c\.d} and text.
func (s *shell) jsonpath(template string, o object) string {
	return regexp.MustCompile(`\{[^}]*\}`).ReplaceAllStringFunc(template, func(p string) string {
		p = p[1 : len(p)-1]
		if text, err := strconv.Unquote(p); err == nil {
			return text
		}
		var v any = o
		for _, step := range regexp.MustCompile(`\.((?:\\.|[^.\[\\])+)|\[(\d+)\]`).FindAllStringSubmatch(p, -1) {
			if step[2] != "" {
				n, _ := strconv.Atoi(step[2])
				v = at(v, n)
			} else {
				v = at(v, strings.ReplaceAll(step[1], `\`, ""))
			}
			if v == nil {
				s.fail("jsonpath %s: no %s", p, step[0])
			}
		}
		return fmt.Sprint(v)
	})
}

// TestNobodyEditsTonightsRun: no document edits the environment of a CronJob, or makes
// a Job that belongs to one.
func TestNobodyEditsTonightsRun(t *testing.T) {
	for _, pattern := range []string{"../*.md", "../docs/*.md", "*/*.md", "*/*/*.md"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			for line := range strings.Lines(string(data)) {
				require.False(t, strings.Contains(line, "kubectl") && strings.Contains(line, "set env") &&
					!strings.Contains(line, "--local"), "%s: %s", name, line)
				require.False(t, strings.Contains(line, "--from=cronjob") && !strings.Contains(line, "$DRY"), "%s: %s", name, line)
			}
		}
	}
}
