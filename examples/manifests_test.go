package examples

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/cmd"
)

var update = flag.Bool("update", false,
	"write the manifests for Kubernetes 1.15 to 1.20 from those for newer versions, and the chart's copies of files")

const (
	folder = "kubesphere"
	oldSet = "kubernetes-1.15-1.20"
)

// object is a Kubernetes object as YAML has it.
type object = map[string]any

// at walks into an object: at(o, "spec", "containers", 0).
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// objects reads all objects of a file.
func objects(t *testing.T, name string) []object {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	var all []object
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var o object
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, name)
		all = append(all, o)
	}
}

// podSpec is the pod that an object makes, nil if it makes none.
func podSpec(o object) object {
	var p any
	switch o["kind"] {
	case "CronJob":
		p = at(o, "spec", "jobTemplate", "spec", "template", "spec")
	case "Job", "StatefulSet", "Deployment":
		p = at(o, "spec", "template", "spec")
	}
	m, _ := p.(map[string]any)
	return m
}

// manifests are the files with objects that make pods, of both sets.
func manifests(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, set := range []string{"", oldSet} {
		for _, name := range []string{
			"cronjob.yaml", "check-cronjob.yaml", "drill-cronjob.yaml", "serve.yaml", "job.yaml", "restore-job.yaml",
			"audit-cluster/job.yaml", "audit-cluster/statefulset.yaml",
		} {
			names = append(names, path.Join(folder, set, name))
		}
	}
	return names
}

// older is a manifest as Kubernetes 1.15 to 1.20 takes it.
func older(name, text string) string {
	text = strings.ReplaceAll(text, "        seccompProfile:\n", "        # no seccompProfile\n")
	for _, cut := range []string{
		`(?m)^ *# no seccompProfile\n *type: RuntimeDefault\n`,
		`(?m)^ *# .*deleted after a week, with .*\n *ttlSecondsAfterFinished: .*\n`,
	} {
		text = regexp.MustCompile(cut).ReplaceAllString(text, "")
	}
	if strings.HasSuffix(name, "cronjob.yaml") {
		text = strings.Replace(text, "apiVersion: batch/v1\n", "apiVersion: batch/v1beta1\n", 1)
		text = regexp.MustCompile(`(?m)^# For Kubernetes 1\.21 and later\.(.*\n# .*)\n`).
			ReplaceAllString(text, "# For Kubernetes 1.15 to 1.20, made from ../cronjob.yaml.\n")
	}
	return regexp.MustCompile(`-f (\S+\.yaml)`).ReplaceAllString(text, "-f "+oldSet+"/$1")
}

// TestOldSetFollowsTheNew holds the manifests for old versions to those for new ones.
func TestOldSetFollowsTheNew(t *testing.T) {
	for _, name := range []string{
		"cronjob.yaml", "check-cronjob.yaml", "drill-cronjob.yaml", "serve.yaml", "job.yaml", "restore-job.yaml",
		"audit-cluster/job.yaml", "audit-cluster/statefulset.yaml",
	} {
		data, err := os.ReadFile(path.Join(folder, name))
		require.NoError(t, err)
		want, file := older(name, string(data)), path.Join(folder, oldSet, name)
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		}
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(got), "go test ./examples -update")
		for _, unknown := range []string{"seccompProfile", "ttlSecondsAfterFinished", "timeZone", "podFailurePolicy"} {
			require.NotContains(t, string(got), unknown, name)
		}
	}
}

// TestPodsAreRestricted holds every pod to the pod security level "restricted", and
// to what an esnap pod needs to be read after a failure.
func TestPodsAreRestricted(t *testing.T) {
	for _, name := range manifests(t) {
		old := strings.Contains(name, oldSet)
		for _, o := range objects(t, name) {
			pod := podSpec(o)
			if pod == nil {
				require.Equal(t, "Service", o["kind"])
				continue
			}
			require.Equal(t, true, at(pod, "securityContext", "runAsNonRoot"), name)
			if !old { // Kubernetes before 1.19 does not have it
				require.Equal(t, "RuntimeDefault", at(pod, "securityContext", "seccompProfile", "type"), name)
			}
			require.Equal(t, false, pod["enableServiceLinks"], name)
			require.Equal(t, false, pod["automountServiceAccountToken"], name)
			require.Nil(t, pod["initContainers"], name)
			for _, c := range pod["containers"].([]any) {
				require.Equal(t, false, at(c, "securityContext", "allowPrivilegeEscalation"), name)
				require.Equal(t, []any{"ALL"}, at(c, "securityContext", "capabilities", "drop"), name)
				require.Equal(t, "FallbackToLogsOnError", at(c, "terminationMessagePolicy"), name)
			}
		}
	}
}

// env is a container's variable, as text.
func env(t *testing.T, container any, name string) string {
	t.Helper()
	list, _ := at(container, "env").([]any)
	for _, e := range list {
		if at(e, "name") == name {
			value, ok := at(e, "value").(string)
			require.True(t, ok, name)
			return value
		}
	}
	return ""
}

// TestJobsEndInTime reads the numbers in every Job: what esnap may take, times the
// tries, is less than what Kubernetes allows, and a night is less than a day.
func TestJobsEndInTime(t *testing.T) {
	jobs := 0
	for _, name := range manifests(t) {
		for _, o := range objects(t, name) {
			spec, tries := at(o, "spec"), 1
			if o["kind"] == "CronJob" {
				spec, tries = at(o, "spec", "jobTemplate", "spec"), 3
				if !strings.HasSuffix(name, "/cronjob.yaml") { // a second look gives the same answer
					tries = 1
				}
			} else if o["kind"] != "Job" {
				continue
			}
			jobs++
			require.Equal(t, tries-1, at(spec, "backoffLimit"), name)
			require.Equal(t, "Never", podSpec(o)["restartPolicy"], "each try is a pod with a log of its own")
			deadline, err := time.ParseDuration(env(t, at(podSpec(o), "containers", 0), "ESNAP_DEADLINE"))
			require.NoError(t, err, name)
			active := time.Duration(at(spec, "activeDeadlineSeconds").(int)) * time.Second
			require.Less(t, time.Duration(tries)*deadline, active, name)
			require.Less(t, active, 24*time.Hour, name)
		}
	}
	require.Equal(t, 12, jobs)
}

// TestJobsByHand holds the Jobs to what hand-made ones must be: a name of their own,
// no owner, the pod of the nightly job; and the file itself is safe to create.
func TestJobsByHand(t *testing.T) {
	for _, set := range []string{"", oldSet} {
		read := func(name string) object {
			all := objects(t, path.Join(folder, set, name))
			require.Len(t, all, 1)
			return all[0]
		}
		cron := podSpec(read("cronjob.yaml"))
		for _, name := range []string{"job.yaml", "restore-job.yaml", "audit-cluster/job.yaml"} {
			job := read(name)
			meta := at(job, "metadata").(map[string]any)
			require.NotEmpty(t, meta["generateName"], name)
			require.NotContains(t, meta, "name")
			require.NotContains(t, meta, "ownerReferences")
			require.Equal(t, "by-hand", at(meta, "labels", "started"), name)
			container := at(podSpec(job), "containers", 0).(map[string]any)
			require.Equal(t, "-", env(t, container, "ESNAP_LOG_FILE"), "one stream")
			if name != "restore-job.yaml" {
				require.Equal(t, []any{"run", "--dry-run", "/etc/esnap/action_file.yml"}, container["args"], name)
			}
			if name != "audit-cluster/job.yaml" {
				container["args"] = at(cron, "containers", 0, "args")
				require.Equal(t, cron, podSpec(job), "%s: the pod is that of the CronJob but for its command", name)
			}
		}
	}
}

// TestImageIsNamedOnce: the line in README.md that writes the name of the image finds
// it in every manifest, once, and nothing else.
func TestImageIsNamedOnce(t *testing.T) {
	for _, name := range manifests(t) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		images := regexp.MustCompile(`image: .*`).FindAllString(string(data), -1)
		require.Len(t, images, 1, name)
		require.Equal(t, !strings.HasSuffix(name, "statefulset.yaml"), images[0] == "image: esnap:latest", name)
	}
}

// TestKustomization: it has the three CronJobs, and finds their image.
func TestKustomization(t *testing.T) {
	k := objects(t, path.Join(folder, oldSet, "kustomization.yaml"))[0]
	require.Equal(t, []any{"cronjob.yaml", "check-cronjob.yaml", "drill-cronjob.yaml"}, k["resources"])
	for _, r := range k["resources"].([]any) {
		o := objects(t, path.Join(folder, oldSet, r.(string)))[0]
		require.Equal(t, at(o, "metadata", "namespace"), k["namespace"])
		image, _, _ := strings.Cut(at(podSpec(o), "containers", 0, "image").(string), ":")
		require.Equal(t, image, at(k, "images", 0, "name"))
	}
}

// TestServeIsTheNight: the Deployment has the schedule, the pod and the deadline of
// the CronJob that it replaces.
func TestServeIsTheNight(t *testing.T) {
	for _, set := range []string{"", oldSet} {
		cron, serve := objects(t, path.Join(folder, set, "cronjob.yaml"))[0], objects(t, path.Join(folder, set, "serve.yaml"))[0]
		night, served := at(podSpec(cron), "containers", 0).(object), at(podSpec(serve), "containers", 0).(object)
		args := served["args"].([]any)
		require.Equal(t, at(cron, "spec", "schedule"), args[slices.Index(args, any("--schedule"))+1])
		require.Equal(t, "required", args[slices.Index(args, any("--lock"))+1], "a rolling update starts the new pod first")
		for _, key := range []string{"image", "env", "volumeMounts", "securityContext", "resources"} {
			require.Equal(t, night[key], served[key], key)
		}
		require.Equal(t, podSpec(cron)["volumes"], podSpec(serve)["volumes"])
		for _, probe := range []string{"livenessProbe", "readinessProbe"} {
			require.Equal(t, "/healthz", at(served, probe, "httpGet", "path"))
		}
	}
}

// TestPatchForNewKubernetes: the schedule is after midnight in the patch's time zone,
// and what a second try cannot help is not tried again.
func TestPatchForNewKubernetes(t *testing.T) {
	patch := objects(t, folder+"/cronjob-1.27-patch.yaml")[0]
	cron := objects(t, folder+"/cronjob.yaml")[0]
	require.Equal(t, "Etc/UTC", at(patch, "spec", "timeZone"))
	hour := strings.Fields(at(cron, "spec", "schedule").(string))[1]
	require.Contains(t, []string{"1", "2", "3", "4"}, hour)
	rules := at(patch, "spec", "jobTemplate", "spec", "podFailurePolicy", "rules")
	require.Equal(t, "FailJob", at(rules, 0, "action"))
	require.Equal(t, at(podSpec(cron), "containers", 0, "name"), at(rules, 0, "onExitCodes", "containerName"))
	require.Equal(t, []any{2, 4, 5}, at(rules, 0, "onExitCodes", "values"))
	require.Equal(t, "Ignore", at(rules, 1, "action"))
	require.Equal(t, "DisruptionTarget", at(rules, 1, "onPodConditions", 0, "type"))
}

// TestArgsOfManifests: esnap takes every command line in the manifests, and the files
// named are in the ConfigMap that is mounted.
func TestArgsOfManifests(t *testing.T) {
	for _, name := range manifests(t) {
		for _, o := range objects(t, name) {
			args, _ := at(podSpec(o), "containers", 0, "args").([]any)
			if args == nil {
				continue
			}
			var words []string
			for _, a := range args {
				words = append(words, a.(string))
			}
			require.Empty(t, commandFault(t, words), name)
			for _, w := range words {
				if file, ok := strings.CutPrefix(w, "/etc/esnap/"); ok {
					require.FileExists(t, filepath.Join(folder, file), name)
				}
			}
		}
	}
}

// commandFault is why esnap does not take a command with all its flags, or nothing.
func commandFault(t *testing.T, args []string) string {
	t.Helper()
	var out bytes.Buffer
	app := &cmd.App{In: strings.NewReader(""), Out: &out, Err: &out, Env: unset, Now: time.Now}
	code := cmd.Main(t.Context(), app, append(slices.Clone(args), "--help"))
	if code == 0 && strings.Contains(out.String(), "esnap "+args[0]) {
		return ""
	}
	return out.String()
}
