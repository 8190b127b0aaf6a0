package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// folder is the chart; the working directory is that of this module.
const folder = "../../charts/esnap"

// versions of Kubernetes, and the programs of scripts/manifests with their types.
var versions = map[string]string{"1.18.20": "v1.18", "1.20.15": "v1.20", "1.22.17": "v1.22", "1.27.16": "v1.27", "1.37.2": "newest"}

type object = map[string]any

// at walks into an object: at(o, "spec", "containers", 0). An element of a list can
// also be chosen by its name: at(o, "env", "name=ESNAP_DEADLINE", "value").
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			if list, ok := v.([]any); ok {
				key, want, _ := strings.Cut(p, "=")
				i := slices.IndexFunc(list, func(e any) bool { return at(e, key) == want })
				if i < 0 {
					return nil
				}
				v = list[i]
				continue
			}
			m, _ := v.(object)
			v = m[p]
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				return nil
			}
			v = list[p]
		}
	}
	return v
}

// values reads values as YAML. On times of Kubernetes without time zones, those of
// the CI values that have one are set to UTC.
func values(t *testing.T, text, version string) object {
	t.Helper()
	v := object{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &v))
	if version != "" && version < "1.27" {
		for _, o := range append([]any{v["check"]}, list(v["jobs"])...) {
			if m, ok := o.(object); ok && m["timeZone"] != nil {
				m["timeZone"] = "Etc/UTC"
			}
		}
	}
	return v
}

func list(v any) []any { l, _ := v.([]any); return l }

// ci are the values in charts/esnap/ci, and the defaults.
func ci(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(folder + "/ci/*-values.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 4)
	texts := map[string]string{"defaults": ""}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = string(data)
	}
	return texts
}

// objects renders the chart, as objects by kind and name.
func objects(t *testing.T, version string, v object) map[string]object {
	t.Helper()
	all, err := split(version, v)
	require.NoError(t, err)
	return all
}

func split(version string, v object) (map[string]object, error) {
	files, err := render(folder, version, v)
	if err != nil {
		return nil, err
	}
	all := map[string]object{}
	for name, text := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, doc := range strings.Split("\n"+text, "\n---\n") {
			if strings.TrimSpace(doc) == "" {
				continue
			}
			var o object
			if err := yaml.UnmarshalStrict([]byte(doc), &o); err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", name, err, doc)
			}
			if o == nil {
				continue
			}
			named := at(o, "metadata", "name")
			if named == nil {
				named = at(o, "metadata", "generateName")
			}
			key := fmt.Sprintf("%v/%v", o["kind"], named)
			if all[key] != nil {
				return nil, fmt.Errorf("two objects %s", key)
			}
			all[key] = o
		}
	}
	return all, nil
}

// podSpec is the pod that an object makes, nil if it makes none.
func podSpec(o object) object {
	var p any
	switch o["kind"] {
	case "CronJob":
		p = at(o, "spec", "jobTemplate", "spec", "template", "spec")
	case "Job", "Deployment":
		p = at(o, "spec", "template", "spec")
	case "Pod":
		p = o["spec"]
	}
	m, _ := p.(object)
	return m
}

// TestLint: what `helm lint --strict` reports, but for the missing icon.
func TestLint(t *testing.T) {
	for name, text := range ci(t) {
		for version := range versions {
			kube, err := chartutil.ParseKubeVersion(version)
			require.NoError(t, err)
			v := values(t, text, version)
			delete(v, "oneOff") // as its documentation says
			for _, m := range lint.AllWithKubeVersion(folder, v, "search", kube).Messages {
				require.Less(t, m.Severity, support.WarningSev, "%s for %s: %s", name, version, m)
			}
		}
	}
}

// TestObjectsAreOfTheVersion: every object, for every version and all CI values, is
// decoded strictly into the API types of that version. PodMonitors and
// PrometheusRules are decoded into the types of the Prometheus operator.
func TestObjectsAreOfTheVersion(t *testing.T) {
	kinds := map[string]int{}
	for name, text := range ci(t) {
		for version, program := range versions {
			file := filepath.Join(t.TempDir(), name+".yaml")
			var docs bytes.Buffer
			for key, o := range objects(t, version, values(t, text, version)) {
				kinds[o["kind"].(string)]++
				data, err := yaml.Marshal(o)
				require.NoError(t, err)
				if o["apiVersion"] == "monitoring.coreos.com/v1" {
					into := map[any]any{"PodMonitor": &monitoringv1.PodMonitor{}, "PrometheusRule": &monitoringv1.PrometheusRule{}}[o["kind"]]
					require.NotNil(t, into, key)
					data, err := yaml.YAMLToJSONStrict(data)
					require.NoError(t, err)
					strict, err := kjson.UnmarshalStrict(data, into)
					require.NoError(t, errors.Join(append(strict, err)...), key)
					continue
				}
				fmt.Fprintf(&docs, "---\n%s", data)
			}
			if docs.Len() == 0 {
				require.Equal(t, "defaults", name)
				continue
			}
			require.NoError(t, os.WriteFile(file, docs.Bytes(), 0o600))
			out, err := exec.Command(tool(t, program), file).CombinedOutput()
			require.NoError(t, err, "%s for %s: %s", name, version, out)
		}
	}
	for _, kind := range []string{
		"ConfigMap", "CronJob", "Deployment", "Job", "NetworkPolicy", "Pod", "PodMonitor", "PrometheusRule", "Secret",
		"Service",
	} {
		require.GreaterOrEqual(t, kinds[kind], len(versions), kind)
	}
}

// TestVersionsDiffer: with the types of an older version, the objects of a newer one
// are refused. Otherwise TestObjectsAreOfTheVersion would show nothing.
func TestVersionsDiffer(t *testing.T) {
	for version, program := range map[string]string{"1.27.16": "v1.20", "1.20.15": "v1.18"} {
		var docs bytes.Buffer
		for _, o := range objects(t, version, values(t, ci(t)["kubesphere"], version)) {
			if o["kind"] == "CronJob" {
				data, err := yaml.Marshal(o)
				require.NoError(t, err)
				fmt.Fprintf(&docs, "---\n%s", data)
			}
		}
		file := filepath.Join(t.TempDir(), "new.yaml")
		require.NoError(t, os.WriteFile(file, docs.Bytes(), 0o600))
		_, err := exec.Command(tool(t, program), file).CombinedOutput()
		require.Error(t, err)
	}
}

// tool is a program that scripts/chart.sh built.
func tool(t *testing.T, name string) string {
	t.Helper()
	bin := os.Getenv("CHART_BIN")
	require.NotEmpty(t, bin, "start the tests with scripts/chart.sh, which builds what they need")
	return filepath.Join(bin, name)
}

// TestPods: what every pod of the chart must be, whatever the values.
func TestPods(t *testing.T) {
	pods := map[string]int{}
	for name, text := range ci(t) {
		for version := range versions {
			v := values(t, text, version)
			image := at(v, "image")
			if image == nil {
				image = "esnap:latest"
			}
			for key, o := range objects(t, version, v) {
				pod := podSpec(o)
				if pod == nil {
					continue
				}
				pods[o["kind"].(string)]++
				what := fmt.Sprintf("%s of %s for %s", key, name, version)
				require.Equal(t, true, at(pod, "securityContext", "runAsNonRoot"), what)
				profile := at(pod, "securityContext", "seccompProfile", "type")
				if version < "1.19" {
					require.Nil(t, profile, what)
				} else {
					require.Equal(t, "RuntimeDefault", profile, what)
				}
				require.Equal(t, false, pod["automountServiceAccountToken"], what)
				require.Equal(t, false, pod["enableServiceLinks"], what)
				require.Len(t, pod["containers"], 1, what)
				require.Nil(t, pod["initContainers"], what)
				c := at(pod, "containers", 0)
				require.Equal(t, image, at(c, "image"), what)
				require.Equal(t, object{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
					"capabilities": object{"drop": []any{"ALL"}}}, at(c, "securityContext"), what)
				require.Equal(t, "FallbackToLogsOnError", at(c, "terminationMessagePolicy"), what)
				require.NotNil(t, at(c, "resources", "requests"), what)
				require.Nil(t, at(c, "env", "name=ESNAP_DRY_RUN"), what)
				if o["kind"] != "Deployment" {
					require.Equal(t, "Never", pod["restartPolicy"], what)
				}
				mounted := map[any]bool{}
				for _, m := range list(at(c, "volumeMounts")) {
					mounted[at(m, "name")] = true
					require.Equal(t, true, at(m, "readOnly"), what)
				}
				for _, volume := range list(pod["volumes"]) {
					require.True(t, mounted[at(volume, "name")], "%s: %v is not mounted", what, at(volume, "name"))
				}
				require.Len(t, list(pod["volumes"]), len(mounted), what)
			}
		}
	}
	for _, kind := range []string{"CronJob", "Deployment", "Job", "Pod"} {
		require.GreaterOrEqual(t, pods[kind], len(versions), kind)
	}
}

// TestCommandLines: esnap takes the words of each pod, the file that they name is
// mounted, and what is written into the files is right.
func TestCommandLines(t *testing.T) {
	esnap := tool(t, "esnap")
	commands := map[string]int{}
	want := []string{"check", "repository", "restore", "run", "serve"}
	for name, text := range ci(t) {
		all := objects(t, "1.37.2", values(t, text, ""))
		for key, o := range all {
			if o["kind"] == "ConfigMap" && strings.HasSuffix(key, "-files") {
				for file, content := range at(o, "data").(object) {
					path := filepath.Join(t.TempDir(), file)
					require.NoError(t, os.WriteFile(path, []byte(content.(string)), 0o600))
					out, err := exec.Command(esnap, "validate", path).CombinedOutput()
					require.NoError(t, err, "%s of %s: %s", file, name, out)
				}
			}
			if o["kind"] == "Secret" {
				path := filepath.Join(t.TempDir(), "config.yml")
				require.NoError(t, os.WriteFile(path, []byte(at(o, "stringData", "config.yml").(string)), 0o600))
				out, err := exec.Command(esnap, "config", "show", "--config", path).CombinedOutput()
				require.NoError(t, err, "%s of %s: %s", key, name, out)
			}
			pod := podSpec(o)
			if pod == nil {
				continue
			}
			mounted := map[string]bool{}
			for _, source := range list(at(pod, "volumes", "name=jobs", "projected", "sources")) {
				mounted["/etc/esnap/jobs/"+at(source, "configMap", "items", 0, "path").(string)] = true
				if own := all["ConfigMap/"+at(source, "configMap", "name").(string)]; own != nil {
					require.NotNil(t, at(own, "data", at(source, "configMap", "items", 0, "key")), key)
				}
			}
			var args []string
			for _, a := range list(at(pod, "containers", 0, "args")) {
				args = append(args, a.(string))
				if strings.HasPrefix(a.(string), "/etc/esnap/jobs/") {
					require.True(t, mounted[a.(string)], "%s of %s: %v is not mounted", key, name, a)
				}
			}
			commands[args[0]]++
			out, err := exec.Command(esnap, append(args, "--help")...).CombinedOutput()
			require.NoError(t, err, "%s of %s: esnap %s: %s", key, name, strings.Join(args, " "), out)
			require.Contains(t, string(out), "esnap "+args[0], "%s of %s", key, name)
		}
	}
	require.Equal(t, want, slices.Sorted(maps.Keys(commands)))
}

// TestVersionsOfVendors: a version with more than its two numbers, which the suites of
// helm-unittest cannot name, counts as that version. What differs is in
// versions_test.yaml of the chart.
func TestVersionsOfVendors(t *testing.T) {
	nightly := values(t, "jobs: [{name: nightly, schedule: '0 1 * * *', file: 'actions: {}'}]", "")
	for version, want := range map[string]string{
		"v1.20.4-aliyun.1": "batch/v1beta1", "1.20.15": "batch/v1beta1", "v1.21.0-eks-1": "batch/v1", "v1.21.14+k3s1": "batch/v1",
	} {
		require.Equal(t, want, objects(t, version, nightly)["CronJob/snapshots-esnap-nightly"]["apiVersion"], version)
	}
	_, err := split("1.17.17", object{})
	require.ErrorContains(t, err, "the chart is for Kubernetes >=1.18.0-0, not for v1.17.17")
}

// TestPackaged: `helm package` leaves out the suites and the CI values, but not the
// dry run, whose folder has the same name as that of the suites. Each template has a
// suite, and each suite is one that helm-unittest finds.
func TestPackaged(t *testing.T) {
	chart, err := loader.LoadDir(folder)
	require.NoError(t, err)
	packaged := map[string]bool{}
	for _, file := range chart.Raw {
		require.NotRegexp(t, "^(tests|ci)/", file.Name)
		packaged[file.Name] = true
	}
	require.True(t, packaged["values.yaml"])
	require.True(t, packaged["templates/tests/dry-run.yaml"])

	all, err := filepath.Glob(folder + "/tests/*.y*ml")
	require.NoError(t, err)
	suites, err := filepath.Glob(folder + "/tests/*_test.yaml")
	require.NoError(t, err)
	require.ElementsMatch(t, all, suites, "helm-unittest would not read these files")
	tested := map[string]bool{}
	for _, suite := range suites {
		data, err := os.ReadFile(suite)
		require.NoError(t, err)
		var v object
		require.NoError(t, yaml.Unmarshal(data, &v), suite)
		for _, name := range list(v["templates"]) {
			tested[name.(string)] = true
		}
	}
	for name := range packaged {
		if strings.HasPrefix(name, "templates/") && strings.HasSuffix(name, ".yaml") {
			require.True(t, tested[name], "no suite in tests names %s", name)
		}
	}
}

// TestEveryKeyIsUsed: the CI values "everything" set every key of values.yaml to
// another value, and each of them changes what is rendered.
func TestEveryKeyIsUsed(t *testing.T) {
	data, err := os.ReadFile(folder + "/values.yaml")
	require.NoError(t, err)
	defaults, everything := values(t, string(data), ""), values(t, ci(t)["everything"], "")
	text := func(v object) string {
		files, err := render(folder, "1.37.2", v)
		if err != nil { // a value that goes with others, such as a deadline
			return err.Error()
		}
		delete(files, "esnap/templates/NOTES.txt")
		var all []string
		for _, name := range slices.Sorted(maps.Keys(files)) {
			all = append(all, files[name])
		}
		return strings.Join(all, "---\n")
	}
	whole := text(values(t, ci(t)["everything"], ""))
	require.Contains(t, whole, "kind: CronJob")
	// Without these, others have no effect, or are refused.
	keep := map[string]bool{"serve.insecureListen": true, "serve.files": true, "client.key": true, "serve.lock": true,
		"nameOverride": true, "test.enabled": true, "jobs": true, "client.existingSecret": true}
	count := 0
	var walk func(path []string, a, b object)
	walk = func(path []string, a, b object) {
		for key, value := range a {
			here := append(slices.Clone(path), key)
			name := strings.Join(here, ".")
			if m, ok := value.(object); ok && len(m) > 0 && !strings.HasSuffix(name, "labels") && name != "resources" {
				other, _ := b[key].(object)
				require.NotNil(t, other, "%s is not in ci/everything-values.yaml", name)
				walk(here, m, other)
				continue
			}
			if path != nil && path[0] == "jobDefaults" {
				require.NotNil(t, at(everything, "jobs", "name=weekly", key), name)
				if key != "timeZone" {
					continue
				}
			}
			if keep[name] || name == "jobDefaults.timeZone" || name == "podSecurityContext.runAsNonRoot" {
				continue
			}
			require.Contains(t, b, key, "%s is not in ci/everything-values.yaml", name)
			count++
			without := values(t, ci(t)["everything"], "")
			m := without
			for _, p := range path {
				m = m[p].(object)
			}
			delete(m, key)
			require.NotEqual(t, whole, text(without), "%s has no effect", name)
		}
	}
	walk(nil, defaults, everything)
	require.Greater(t, count, 60)
}

// TestAlertsAreTheSame: the PrometheusRule has the groups of examples/prometheus.
func TestAlertsAreTheSame(t *testing.T) {
	data, err := os.ReadFile("../../examples/prometheus/esnap.rules.yml")
	require.NoError(t, err)
	rule := objects(t, "1.37.2", values(t, "prometheusRule: {enabled: true}", ""))["PrometheusRule/snapshots-esnap"]
	require.Equal(t, values(t, string(data), ""), rule["spec"])
	require.Greater(t, len(list(at(rule, "spec", "groups", 0, "rules"))), 5)
}

// TestDashboard: the ConfigMap has the file as it is.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(folder + "/files/esnap-dashboard.json")
	require.NoError(t, err)
	m := objects(t, "1.37.2", values(t, "dashboard: {enabled: true}", ""))["ConfigMap/snapshots-esnap-dashboard"]
	require.YAMLEq(t, string(data), at(m, "data", "esnap-dashboard.json").(string))
}

// TestNotes: what helm shows at the end, for every version.
func TestNotes(t *testing.T) {
	for version := range versions {
		files, err := render(folder, version, values(t, ci(t)["kubesphere"], version))
		require.NoError(t, err)
		notes := files["esnap/templates/NOTES.txt"]
		require.Contains(t, notes, "helm test snapshots --namespace search")
		require.Equal(t, version < "1.26", strings.Contains(notes, "at most one more pod"), version)
		require.Equal(t, version < "1.27", strings.Contains(notes, "time zone of the controller"), version)
	}
	files, err := render(folder, "1.37.2", object{})
	require.NoError(t, err)
	require.Contains(t, files["esnap/templates/NOTES.txt"], "Nothing runs yet")
}

// TestReadme holds the table of values to values.yaml.
func TestReadme(t *testing.T) {
	values, err := os.ReadFile(folder + "/values.yaml")
	require.NoError(t, err)
	text, err := os.ReadFile(folder + "/README.md")
	require.NoError(t, err)
	want, err := readme(string(text), values)
	require.NoError(t, err)
	require.Equal(t, want, string(text), "scripts/chart.sh readme")
	_, err = readme(begin+end, []byte("# -- A\na: 1\nb: 2\n"))
	require.ErrorContains(t, err, "b has no comment")
	_, err = readme("no marks", values)
	require.Error(t, err)
}

// TestReadmeExamples: the values in README.md are right.
func TestReadmeExamples(t *testing.T) {
	text, err := os.ReadFile(folder + "/README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 2)
	require.Contains(t, objects(t, "1.37.2", values(t, blocks[0][1], "")), "CronJob/snapshots-esnap-check-nightly")
	require.Contains(t, objects(t, "1.37.2", values(t, blocks[1][1], "")), "Deployment/snapshots-esnap-serve")
}

// TestSchemaKnowsEveryKey: no key of values.yaml is unknown to the schema, and none of
// the schema to values.yaml.
func TestSchemaKnowsEveryKey(t *testing.T) {
	data, err := os.ReadFile(folder + "/values.schema.json")
	require.NoError(t, err)
	schema := values(t, string(data), "")
	data, err = os.ReadFile(folder + "/values.yaml")
	require.NoError(t, err)
	var walk func(name string, schema, v any)
	walk = func(name string, schema, v any) {
		properties, _ := at(schema, "properties").(object)
		m, _ := v.(object)
		if properties == nil || name == ".resources" {
			return
		}
		require.Equal(t, false, at(schema, "additionalProperties"), name)
		for key, s := range properties {
			if name+key == "global" { // Helm's own
				continue
			}
			require.Contains(t, m, key, name)
			walk(name+"."+key, s, m[key])
		}
	}
	walk("", schema, values(t, string(data), ""))
}

// TestRenderedText: nothing is left of templates, and no line ends with a blank.
func TestRenderedText(t *testing.T) {
	for name, text := range ci(t) {
		files, err := render(folder, "1.37.2", values(t, text, ""))
		require.NoError(t, err)
		for file, got := range files {
			require.NotContains(t, got, "<no value>", "%s of %s", file, name)
			require.NotContains(t, got, "%!", "%s of %s", file, name)
			require.NotRegexp(t, `(?m)[ \t]+$`, got, "%s of %s", file, name)
		}
	}
}
