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

const night = `
jobs:
  - name: nightly
    schedule: "0 1 * * *"
    file: "actions: {}"
`

// TestWhatIsThere: values and a version make this object, and in it this.
func TestWhatIsThere(t *testing.T) {
	const (
		old, new = "1.20.15", "1.37.2"
		cron     = "CronJob/snapshots-esnap-nightly"
		checks   = "CronJob/snapshots-esnap-check-nightly"
		serve    = "Deployment/snapshots-esnap-serve"
		served   = "{enabled: true, files: [{name: hourly, file: 'actions: {}'}]"
	)
	job := []any{"spec", "jobTemplate", "spec"}
	pod := append(slices.Clone(job), "template", "spec")
	container := append(slices.Clone(pod), "containers", 0)
	in := func(path []any, more ...any) []any { return append(slices.Clone(path), more...) }
	served0 := []any{"spec", "template", "spec", "containers", 0}
	for name, c := range map[string]struct {
		values, version, object string
		path                    []any
		want                    any
	}{
		"batch/v1 since 1.21":   {night, "1.21.0", cron, []any{"apiVersion"}, "batch/v1"},
		"batch/v1beta1 before":  {night, old, cron, []any{"apiVersion"}, "batch/v1beta1"},
		"a vendor's version":    {night, "v1.20.4-aliyun.1", cron, []any{"apiVersion"}, "batch/v1beta1"},
		"a pre-release of 1.21": {night, "v1.21.0-eks-1", cron, []any{"apiVersion"}, "batch/v1"},
		"check is old, too":     {night + "check: {enabled: true}", old, checks, []any{"apiVersion"}, "batch/v1beta1"},
		"time zone since 1.27":  {night, "1.27.0", cron, []any{"spec", "timeZone"}, "Etc/UTC"},
		"no time zone before":   {night, "1.26.9", cron, []any{"spec", "timeZone"}, nil},
		"pod failure policy since 1.26": {
			night,
			"1.26.0",
			cron,
			in(job, "podFailurePolicy", "rules", 0, "onExitCodes", "values"),
			[]any{2.0, 4.0, 5.0},
		},
		"it fails the Job":                {night, new, cron, in(job, "podFailurePolicy", "rules", 0, "action"), "FailJob"},
		"evictions do not count":          {night, new, cron, in(job, "podFailurePolicy", "rules", 1, "action"), "Ignore"},
		"no pod failure policy before":    {night, "1.25.9", cron, in(job, "podFailurePolicy"), nil},
		"two more pods with it":           {night, new, cron, in(job, "backoffLimit"), 2.0},
		"one more without it":             {night, "1.25.9", cron, in(job, "backoffLimit"), 1.0},
		"none stays none":                 {night + "jobDefaults: {backoffLimit: 0}", "1.25.9", cron, in(job, "backoffLimit"), 0.0},
		"TTL since 1.21":                  {night, "1.21.0", cron, in(job, "ttlSecondsAfterFinished"), 604800.0},
		"no TTL before":                   {night, old, cron, in(job, "ttlSecondsAfterFinished"), nil},
		"check has one pod":               {night + "check: {enabled: true}", new, checks, in(job, "backoffLimit"), 0.0},
		"check has no pod failure policy": {night + "check: {enabled: true}", new, checks, in(job, "podFailurePolicy"), nil},
		"check fails on critical": {night + "check: {enabled: true}", new, checks, in(container, "args"),
			[]any{"check", "/etc/esnap/jobs/nightly.yml", "--fail-on", "critical"}},
		"no check":          {night, new, checks, nil, nil},
		"check of one file": {night + "serve: " + served + "}\ncheck: {enabled: true, files: [hourly]}", new, checks, nil, nil},
		"check of a file of serve": {
			"serve: " + served + "}\ncheck: {enabled: true}",
			new,
			"CronJob/snapshots-esnap-check-hourly",
			[]any{"spec", "concurrencyPolicy"},
			"Forbid",
		},
		"the deadline is a variable": {night, new, cron, in(container, "env", "name=ESNAP_DEADLINE", "value"), "5h"},
		"defaults of jobs": {
			night + "jobDefaults: {deadline: 1h}",
			new,
			cron,
			in(container, "env", "name=ESNAP_DEADLINE", "value"),
			"1h",
		},
		"a job's own value": {
			night + "    deadline: 2h\njobDefaults: {deadline: 1h}",
			new,
			cron,
			in(container, "env", "name=ESNAP_DEADLINE", "value"),
			"2h",
		},
		"a job's own false": {
			night + "    suspend: false\njobDefaults: {suspend: true}",
			new,
			cron,
			[]any{"spec", "suspend"},
			false,
		},
		"a job's own zero": {night + "    backoffLimit: 0", new, cron, in(job, "backoffLimit"), 0.0},
		"a job's own words": {
			night + "    args: [status]\n    extraArgs: [-o, json]",
			new,
			cron,
			in(container, "args"),
			[]any{"status", "-o", "json"},
		},
		"no client file": {night, new, cron, in(container, "env", "name=ESNAP_CONFIG"), nil},
		"a client file": {
			night + "client: {config: {cluster: {url: 'http://es:9200'}}}",
			new,
			cron,
			in(pod, "volumes", "name=client", "secret", "secretName"),
			"snapshots-esnap-client",
		},
		"it is in a Secret": {
			night + "client: {config: {cluster: {url: 'http://es:9200'}}}",
			new,
			"Secret/snapshots-esnap-client",
			[]any{"stringData", "config.yml"},
			"cluster:\n  url: http://es:9200\n",
		},
		"an existing Secret": {
			night + "client: {existingSecret: mine, key: esnap.yml}",
			new,
			cron,
			in(pod, "volumes", "name=client", "secret", "secretName"),
			"mine",
		},
		"its key": {
			night + "client: {existingSecret: mine, key: esnap.yml}",
			new,
			cron,
			in(pod, "volumes", "name=client", "secret", "items", 0),
			object{"key": "esnap.yml", "path": "config.yml"},
		},
		"only its pods read it": {
			night + "client: {existingSecret: mine}",
			new,
			cron,
			in(pod, "volumes", "name=client", "secret", "defaultMode"),
			0o440 + 0.0,
		},
		"then no Secret of the chart": {night + "client: {existingSecret: mine}", new, "Secret/snapshots-esnap-client", nil, nil},
		"credentials": {
			night + "credentials: {existingSecret: mine, optional: true}",
			new,
			cron,
			in(container, "env", "name=ESNAP_PASSWORD", "valueFrom", "secretKeyRef"),
			object{"name": "mine", "key": "password", "optional": true},
		},
		"the dry run is a test": {
			night,
			new,
			"Pod/snapshots-esnap-test-nightly",
			[]any{"metadata", "annotations", "helm.sh/hook"},
			"test",
		},
		"and only a dry run": {
			night,
			new,
			"Pod/snapshots-esnap-test-nightly",
			[]any{"spec", "containers", 0, "args"},
			[]any{"run", "--dry-run", "/etc/esnap/jobs/nightly.yml"},
		},
		"no dry run":        {night + "test: {enabled: false}", new, "Pod/snapshots-esnap-test-nightly", nil, nil},
		"user of the image": {night, new, cron, in(pod, "securityContext", "runAsUser"), 16.0},
		"another user": {
			night + "podSecurityContext: {runAsUser: 65532}",
			new,
			cron,
			in(pod, "securityContext", "runAsUser"),
			65532.0,
		},
		"OpenShift's user": {
			night + "podSecurityContext: {runAsUser: null}",
			new,
			cron,
			in(pod, "securityContext", "runAsUser"),
			nil,
		},
		"one pod of serve":        {"serve: " + served + "}", new, serve, []any{"spec", "replicas"}, 1.0},
		"it ends before the next": {"serve: " + served + "}", new, serve, []any{"spec", "strategy", "type"}, "Recreate"},
		"two pods of serve":       {"serve: " + served + ", replicas: 2, lock: required}", new, serve, []any{"spec", "replicas"}, 2.0},
		"another schedule in six fields": {
			"serve: " + served + ", schedule: '0 0/5 * * * *'}",
			new,
			serve,
			append(slices.Clone(served0), "args", 7),
			"0 0/5 * * * *",
		},
		"with the lock, one by one": {
			"serve: " + served + ", lock: required}",
			new,
			serve,
			[]any{"spec", "strategy", "type"},
			"RollingUpdate",
		},
		"the probe": {
			"serve: " + served + "}",
			new,
			serve,
			append(slices.Clone(served0), "livenessProbe", "httpGet"),
			object{"path": "/healthz", "port": "http", "scheme": "HTTP"},
		},
		"the probe with TLS": {
			"serve: " + served + ", tls: {existingSecret: t}}",
			new,
			serve,
			append(slices.Clone(served0), "readinessProbe", "httpGet", "scheme"),
			"HTTPS",
		},
		"no serve": {night, new, serve, nil, nil},
		"files of serve that is off": {
			"serve: {enabled: false, files: [{name: hourly, file: 'actions: {}'}]}",
			new,
			"ConfigMap/snapshots-esnap-files",
			nil,
			nil,
		},
		"labels of KubeSphere": {
			"prometheusRule: {enabled: true}",
			new,
			"PrometheusRule/snapshots-esnap",
			[]any{"metadata", "labels", "role"},
			"alert-rules",
		},
		"and the other": {
			"prometheusRule: {enabled: true}",
			new,
			"PrometheusRule/snapshots-esnap",
			[]any{"metadata", "labels", "prometheus"},
			"k8s",
		},
		"password of the PodMonitor": {
			"podMonitor: {enabled: true}\nserve: " + served + ", insecureListen: true, auth: {existingSecret: a}}",
			new,
			"PodMonitor/snapshots-esnap",
			[]any{"spec", "podMetricsEndpoints", 0, "basicAuth", "password"},
			object{"name": "a", "key": "password"},
		},
		"TLS of the PodMonitor": {
			"podMonitor: {enabled: true}\nserve: " + served + ", tls: {existingSecret: t}}",
			new,
			"PodMonitor/snapshots-esnap",
			[]any{"spec", "podMetricsEndpoints", 0, "scheme"},
			"https",
		},
		"the dashboard's label": {
			"dashboard: {enabled: true}",
			new,
			"ConfigMap/snapshots-esnap-dashboard",
			[]any{"metadata", "labels", "grafana_dashboard"},
			"1",
		},
		"jobs are not reached": {
			night + "networkPolicy: {enabled: true}",
			new,
			"NetworkPolicy/snapshots-esnap",
			[]any{"spec", "ingress"},
			[]any{},
		},
		"serve is reached": {
			"networkPolicy: {enabled: true}\nserve: " + served + "}",
			new,
			"NetworkPolicy/snapshots-esnap",
			[]any{"spec", "ingress", 0, "ports", 0, "port"},
			18080.0,
		},
		"one command": {
			night + "oneOff: {args: [status]}",
			new,
			"Job/snapshots-esnap-one-off-",
			[]any{"spec", "backoffLimit"},
			0.0,
		},
		"no command": {night, new, "Job/snapshots-esnap-one-off-", nil, nil},
		"a release called like the chart": {
			night + "fullnameOverride: esnap",
			new,
			"CronJob/esnap-nightly",
			[]any{"metadata", "namespace"},
			"search",
		},
	} {
		got := objects(t, c.version, values(t, c.values, ""))[c.object]
		if c.path == nil {
			require.Nil(t, got, name)
			continue
		}
		require.NotNil(t, got, "%s: there is no %s", name, c.object)
		require.Equal(t, c.want, at(got, c.path...), name)
	}
}

// TestRefused: wrong values are refused, by the schema or by the chart, and why is
// said.
func TestRefused(t *testing.T) {
	const (
		served = "serve: {enabled: true, files: [{name: hourly, file: 'actions: {}'}]"
		new    = "1.37.2"
	)
	for name, c := range map[string]struct{ values, version, want string }{
		"an unknown key":                   {"jbos: []", new, "jbos"},
		"an unknown key of a job":          {night + "    timezone: UTC", new, "timezone"},
		"an unknown key of serve":          {"serve: {replica: 2}", new, "replica"},
		"an unknown key of podMonitor":     {"podMonitor: {enable: true}", new, "enable"},
		"an image with tag and repository": {"image: {repository: esnap, tag: '1'}", new, "/image"},
		"a job without a schedule":         {"jobs: [{name: a, file: 'actions: {}'}]", new, "schedule"},
		"a job without a file":             {"jobs: [{name: a, schedule: '@daily'}]", new, "file"},
		"a job with two files":             {night + "    configMap: {name: a, key: b}", new, "/jobs/0"},
		"a ConfigMap without a key":        {"jobs: [{name: a, schedule: '@daily', configMap: {name: a}}]", new, "key"},
		"two jobs of one name": {
			night + "  - {name: nightly, schedule: '@daily', file: a}",
			new,
			"two files or jobs have the name nightly",
		},
		"a name with a capital": {"jobs: [{name: Nightly, schedule: '@daily', file: a}]", new, "/jobs/0/name"},
		"a name that is too long": {
			"fullnameOverride: a-name-with-many-characters-in-it\njobs: [{name: and-one-with-even-more-of-them, schedule: '@daily', file: a}]",
			new,
			"52 is the limit",
		},
		"six fields":                {"jobs: [{name: a, schedule: '0 0 1 * * *', file: a}]", new, "/jobs/0/schedule"},
		"four fields":               {"jobs: [{name: a, schedule: '0 1 * *', file: a}]", new, "/jobs/0/schedule"},
		"H, which Kubernetes lacks": {"jobs: [{name: a, schedule: 'H 1 * * *', file: a}]", new, "/jobs/0/schedule"},
		"a deadline without a unit": {night + "    deadline: '5'", new, "deadline"},
		"a deadline in days":        {night + "    deadline: 1d", new, "deadline"},
		"Kubernetes ends the Job too early": {
			night + "    activeDeadlineSeconds: 54000",
			new,
			"job nightly: activeDeadlineSeconds is 54000, but it must be more than 54000: deadline 5h, in 3 pods",
		},
		"with minutes and seconds":           {night + "    deadline: 5h33m20s", new, "more than 60000"},
		"also the check":                     {night + "check: {enabled: true, deadline: 15m}", new, "check: activeDeadlineSeconds is 900"},
		"also one command":                   {"oneOff: {args: [status], deadline: 6h}", new, "oneOff: activeDeadlineSeconds is 21600"},
		"missed starts":                      {night + "    startingDeadlineSeconds: 9", new, "startingDeadlineSeconds"},
		"too many tries":                     {night + "    backoffLimit: 7", new, "backoffLimit"},
		"a dry run that stays":               {night + "    env: [{name: ESNAP_DRY_RUN, value: '1'}]", new, "/jobs/0/env/0/name"},
		"in all pods":                        {"extraEnv: [{name: ESNAP_DRY_RUN, value: '1'}]", new, "/extraEnv/0/name"},
		"a second deadline":                  {"extraEnv: [{name: ESNAP_DEADLINE, value: 1h}]", new, "/extraEnv/0/name"},
		"a number as a variable":             {"extraEnv: [{name: A, value: 1}]", new, "/extraEnv/0/value"},
		"two clients":                        {"client: {config: {a: b}, existingSecret: c}", new, "only one of them"},
		"a zone before 1.27":                 {night + "    timeZone: Europe/Berlin", "1.26.0", "needs Kubernetes 1.27"},
		"the controller's zone":              {night + "    timeZone: Local", new, "timeZone"},
		"a check of nothing":                 {"check: {enabled: true}", new, "no file"},
		"a check of an unknown file":         {night + "check: {enabled: true, files: [daily]}", new, "daily"},
		"two replicas without the lock":      {served + ", replicas: 2}", new, "/serve/lock"},
		"two replicas with auto":             {served + ", replicas: 2, lock: auto}", new, "/serve/lock"},
		"serve without files":                {"serve: {enabled: true}", new, "serve.files has no file"},
		"a password in clear text":           {served + ", auth: {existingSecret: a}}", new, "clear text"},
		"a token in clear text":              {served + ", token: {existingSecret: a}}", new, "clear text"},
		"a PodMonitor for Jobs":              {night + "podMonitor: {enabled: true}", new, "podMonitor.enabled needs serve.enabled"},
		"a Kubernetes that is too old":       {"", "1.17.17", "1.18"},
		"a privileged port":                  {"serve: {port: 80}", new, "/serve/port"},
		"a policy of concurrency":            {night + "    concurrencyPolicy: Never", new, "concurrencyPolicy"},
		"resources that Kubernetes lacks":    {"resources: {limit: {memory: 1Gi}}", new, "limit"},
		"a key of serve.files from a job":    {"serve: {files: [{name: a, file: b, schedule: '@daily'}]}", new, "schedule"},
		"a label that is not text":           {"podLabels: {a: 1}", new, "/podLabels/a"},
		"the same name in a job and a serve": {night + "serve: {enabled: true, files: [{name: nightly, file: a}]}", new, "the name nightly"},
	} {
		_, err := split(c.version, values(t, c.values, ""))
		require.Error(t, err, name)
		require.Contains(t, err.Error(), c.want, name)
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
