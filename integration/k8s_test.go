//go:build k8s

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests of this file need a Kubernetes, kubectl, helm and bash; CONTRIBUTING.md says
// how to run them. They change the namespace kubesphere-logging-system, so they
// start only if they made it, or if somebody gave it the label esnap-test=true.
const (
	kubesphere = "kubesphere-logging-system"
	chartSpace = "esnap-test"
	stockJob   = "elasticsearch-logging-curator-elasticsearch-curator"
	esURL      = "http://elasticsearch-logging-data." + kubesphere + ".svc:9200"
	repoName   = "ks-log-snapshots"
	repoPath   = "/usr/share/elasticsearch/backup"
)

// kube is a Kubernetes with KubeSphere's Elasticsearch in it.
type kube struct {
	*testing.T
	image string            // of esnap, as the nodes know it
	work  string            // a copy of what the commands in the documents need
	vars  map[string]string // what blocks of a document set for later ones
	seen  map[string]bool   // the blocks of documents that were run, or are known as not to be run
}

// TestKubernetes runs in the order of the subtests; each can also be chosen alone with
// -run, because what it builds on is made if it is missing.
func TestKubernetes(t *testing.T) {
	k := start(t)
	tests := []struct {
		name string
		test func(*kube)
	}{
		{"Volume", (*kube).volume},
		{"Chart", (*kube).chart},
		{"ChartServe", (*kube).chartServe},
		{"ChartReadme", (*kube).chartReadme},
		{"Stock", (*kube).stock},
		{"PodDeletedInSnapshot", (*kube).podDeletedInSnapshot},
		{"Deadline", (*kube).deadline},
		{"TwoAtOnce", (*kube).twoAtOnce},
		{"PodDeletedInDeletion", (*kube).podDeletedInDeletion},
		{"ThreePods", (*kube).threePods},
		{"Serve", (*kube).serve},
		{"Readme", (*kube).readme},
		{"AuditCluster", (*kube).audit},
		{"WayBack", (*kube).wayBack},
	}
	ran := 0
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			sub := *k
			sub.T, sub.vars = t, map[string]string{}
			sub.forget()
			if c.name != "Volume" && !strings.Contains(sub.kubectl("-n", kubesphere, "get", "configmap", "elasticsearch-logging", "-o", "yaml"),
				"path.repo") {
				sub.volume()
			}
			c.test(&sub)
			ran++
		})
	}
	if ran == len(tests) {
		k.everyBlock()
	}
}

// start looks whether this Kubernetes may be used, and puts Elasticsearch into it.
func start(t *testing.T) *kube {
	require.NotEmpty(t, os.Getenv("KUBECONFIG"), "KUBECONFIG names the Kubernetes to use")
	k := &kube{T: t, image: os.Getenv("K8S_TEST_IMAGE"), work: t.TempDir(), vars: map[string]string{}, seen: map[string]bool{}}
	if k.image == "" {
		k.image = "esnap:latest"
	}
	label, code := k.try("kubectl get namespace " + kubesphere +
		" --ignore-not-found -o jsonpath='{.metadata.name} {.metadata.labels.esnap-test}'")
	require.Zero(t, code, label)
	switch strings.TrimSpace(label) {
	case "":
		k.elasticsearch()
	case kubesphere + " true":
	default:
		t.Fatalf("the namespace %s is there: these tests delete data in it. If that is right: kubectl label namespace %s esnap-test=true",
			kubesphere, kubesphere)
	}
	k.ready()
	k.fill()
	k.stockObjects()
	k.copies()
	return k
}

// copies are the folder of the examples and bin/esnap, as in a clone.
func (k *kube) copies() {
	k.Helper()
	root, err := filepath.Abs("..")
	require.NoError(k, err)
	k.sh("mkdir -p "+k.work+"/examples "+k.work+"/bin && cp -r "+root+"/examples/kubesphere "+k.work+"/examples/ && "+
		"cd "+root+" && go build -o "+k.work+"/bin/esnap ./cmd/esnap", time.Minute*5)
	// As the reader does: the name of the image in settings.sh, and then in the manifests.
	k.sh("cd "+k.work+"/examples/kubesphere && sed -i 's#^IMAGE=.*#IMAGE="+k.image+"#' settings.sh", time.Minute)
	k.section("README.md", "esnap in KubeSphere", nil)
	k.section("README.md", "2. The image", nil)
}

// elasticsearch makes the namespace, a shared volume and KubeSphere's Elasticsearch.
func (k *kube) elasticsearch() {
	k.Helper()
	image := os.Getenv("K8S_TEST_ELASTICSEARCH")
	if image == "" {
		image = "docker.elastic.co/elasticsearch/elasticsearch-oss:6.7.0"
	}
	folder := os.Getenv("K8S_TEST_FOLDER")
	if folder == "" {
		folder = "/var/lib/esnap-k8s-test"
	}
	k.apply("", `{apiVersion: v1, kind: Namespace, metadata: {name: `+kubesphere+`, labels: {esnap-test: "true"}}}`)
	if out, _ := k.try("kubectl get storageclass nfs-client --ignore-not-found -o name"); !strings.Contains(out, "nfs-client") {
		// One node stands in for a server that shares the folder.
		k.apply("", `{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: nfs-client}, provisioner: kubernetes.io/no-provisioner}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: esnap-k8s-test}, spec: {storageClassName: nfs-client, capacity: {storage: 100Gi},
  accessModes: [ReadWriteMany], persistentVolumeReclaimPolicy: Retain, hostPath: {path: `+folder+`, type: DirectoryOrCreate}}}`)
	}
	objects, err := os.ReadFile("testdata/k8s/elasticsearch.yaml")
	require.NoError(k, err)
	k.apply(kubesphere, string(objects))
	set, err := os.ReadFile("testdata/k8s/statefulset.yaml")
	require.NoError(k, err)
	for _, words := range [][]string{
		{"NAME", "discovery", "COMPONENT", "master", "REPLICAS", "1", "HAS_DATA", "false", "IS_MASTER", "true"},
		{"NAME", "data", "COMPONENT", "data", "REPLICAS", "2", "HAS_DATA", "true", "IS_MASTER", "false"},
	} {
		k.apply(kubesphere, strings.NewReplacer(append(words, "ELASTICSEARCH", image)...).Replace(string(set)))
	}
}

// ready waits until Elasticsearch is green.
func (k *kube) ready() {
	k.Helper()
	k.until(10*time.Minute, "Elasticsearch is green with three nodes", func() bool {
		out, _ := k.try("kubectl -n " + kubesphere + " exec elasticsearch-logging-data-0 -c elasticsearch -- curl -s -m 20 " +
			"localhost:9200/_cluster/health")
		return strings.Contains(out, `"status":"green"`) && strings.Contains(out, `"number_of_nodes":3`)
	})
}

// es sends one request from within a pod of Elasticsearch.
func (k *kube) es(method, path, body string) string {
	k.Helper()
	cmd := "kubectl -n " + kubesphere + " exec -i elasticsearch-logging-data-0 -c elasticsearch -- curl -s -m 120 -X " + method +
		" -H 'Content-Type: application/json' --data-binary @- 'localhost:9200" + path + "'"
	if body == "" {
		cmd = strings.Replace(cmd, " -H 'Content-Type: application/json' --data-binary @-", "", 1)
	}
	c := exec.Command("bash", "-c", cmd)
	c.Stdin = strings.NewReader(body)
	out, err := c.Output()
	require.NoError(k, err, "%s %s: %s", method, path, out)
	return string(out)
}

// fill writes logs of the last two weeks, and of the days that the documents name.
func (k *kube) fill() {
	k.Helper()
	var days []string
	for d := range 15 {
		days = append(days, "ks-logstash-log-"+time.Now().UTC().AddDate(0, 0, -d).Format("2006.01.02"))
	}
	days = append(days, "ks-logstash-log-2026.11.03", "ks-logstash-auditing-2026.10.26")
	for d := 2; d <= 8; d++ {
		days = append(days, fmt.Sprintf("ks-logstash-auditing-2026.11.%02d", d))
	}
	for _, index := range days {
		// A deletion of an earlier test is no reason to fill again what is there.
		if strings.Contains(k.es("GET", "/"+index+"/_count", ""), `"count":48,`) {
			continue
		}
		k.es("DELETE", "/"+index, "")
		var bulk strings.Builder
		for i := range 48 {
			fmt.Fprintf(&bulk, `{"index":{"_index":%q,"_type":"flb_type"}}`+"\n"+`{"@timestamp":"%sT%02d:00:00Z","log":"line %d"}`+"\n",
				index, strings.ReplaceAll(index[len(index)-10:], ".", "-"), i%24, i)
		}
		require.Contains(k, k.es("POST", "/_bulk?refresh=true", bulk.String()), `"errors":false`)
	}
	k.ready()
}

// idle waits until no snapshot is being taken or deleted.
func (k *kube) idle() {
	k.Helper()
	k.until(5*time.Minute, "no snapshot is being taken", func() bool {
		return strings.Contains(k.es("GET", "/_snapshot/_status", ""), `"snapshots":[]`)
	})
}

// forget removes what an earlier test left in Elasticsearch, except the logs.
func (k *kube) forget() {
	k.Helper()
	k.fill()
	k.idle()
	k.es("DELETE", "/_snapshot/"+repoName, "")
	k.es("DELETE", "/_snapshot/slow", "")
	k.es("DELETE", "/_snapshot/backups", "")
	for index := range strings.FieldsSeq(k.es("GET", "/_cat/indices/.esnap*,esnap*,slow*?h=index", "")) {
		k.es("DELETE", "/"+index, "")
	}
	k.sh("kubectl -n "+kubesphere+" delete job,cronjob -l app=esnap --ignore-not-found --timeout=120s", 3*time.Minute)
	k.sh("kubectl -n "+kubesphere+" exec elasticsearch-logging-data-0 -c elasticsearch -- sh -c 'test ! -d "+repoPath+
		" || rm -rf "+repoPath+"/*'", time.Minute)
}

// stockObjects are KubeSphere's CronJob and ConfigMap of release 2.1, suspended: the
// schedule is not what is tested.
func (k *kube) stockObjects() {
	k.Helper()
	k.sh("kubectl -n "+kubesphere+" create configmap "+stockJob+
		"-config --from-file=testdata/kubesphere/2.1/ --dry-run=client -o yaml | kubectl apply -f -", time.Minute)
	k.sh("sed 's#batch/v1beta1#batch/v1#' ../examples/testdata/kubesphere/cronjobs.yaml | kubectl apply -l app=elasticsearch-curator -f -",
		time.Minute)
	k.kubectl("-n", kubesphere, "patch", "cronjob", stockJob, "-p", `{"spec":{"suspend":true}}`)
}

// try runs a script, and returns what it wrote and its exit code.
func (k *kube) try(script string) (string, int) {
	k.Helper()
	return k.tryFor(10*time.Minute, script)
}

func (k *kube) tryFor(limit time.Duration, script string) (string, int) {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-c", script)
	c.WaitDelay = 5 * time.Second
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		k.Fatalf("%s: %s\n%s", script, err, out)
	}
	return string(out), c.ProcessState.ExitCode()
}

func (k *kube) sh(script string, limit time.Duration) string {
	k.Helper()
	out, code := k.tryFor(limit, "set -e -o pipefail\n"+script)
	require.Zero(k, code, "%s\n%s", script, out)
	return out
}

func (k *kube) kubectl(args ...string) string {
	k.Helper()
	var stderr bytes.Buffer
	c := exec.CommandContext(k.Context(), "kubectl", args...)
	c.Stderr = &stderr
	out, err := c.Output()
	require.NoError(k, err, "kubectl %s: %s", strings.Join(args, " "), stderr.String())
	return string(out)
}

func (k *kube) apply(namespace, objects string) {
	k.Helper()
	args := []string{"apply", "-f", "-"}
	if namespace != "" {
		args = append(args, "-n", namespace)
	}
	c := exec.CommandContext(k.Context(), "kubectl", args...)
	c.Stdin = strings.NewReader(objects)
	out, err := c.CombinedOutput()
	require.NoError(k, err, "%s\n%s", out, objects)
}

func (k *kube) until(limit time.Duration, what string, is func() bool) {
	k.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(time.Second) {
		require.True(k, time.Now().Before(end), "%s: not after %s", what, limit)
	}
}

// pod is what a pod of a Job ended with.
type pod struct {
	name, log, message string
	code               int
}

// job is what a Job ended as, and its pods, oldest first.
type job struct {
	end  string // Complete, Failed
	why  string // reason of the condition
	pods []pod
}

// ended waits for the end of a Job.
func (k *kube) ended(namespace, name string, limit time.Duration) job {
	k.Helper()
	var j job
	k.until(limit, "Job "+name+" ended", func() bool {
		for _, end := range []string{"Complete", "Failed"} {
			why := k.kubectl("-n", namespace, "get", "job", name, "-o", `jsonpath={range .status.conditions[?(@.type=="`+end+`")]}x{.reason}{end}`)
			if strings.HasPrefix(why, "x") {
				j.end, j.why = end, why[1:]
			}
		}
		return j.end != ""
	})
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				ContainerStatuses []struct {
					State struct {
						Terminated *struct {
							ExitCode int
							Message  string
						}
					}
				}
			}
		}
	}
	require.NoError(k, json.Unmarshal([]byte(k.kubectl("-n", namespace, "get", "pods", "-l", "job-name="+name,
		"--sort-by=.metadata.creationTimestamp", "-o", "json")), &list))
	for _, item := range list.Items {
		p := pod{name: item.Metadata.Name, code: -1}
		p.log, _ = k.try("kubectl -n " + namespace + " logs " + p.name)
		if s := item.Status.ContainerStatuses; len(s) > 0 && s[0].State.Terminated != nil {
			p.code, p.message = s[0].State.Terminated.ExitCode, s[0].State.Terminated.Message
		}
		j.pods = append(j.pods, p)
	}
	k.Logf("Job %s: %s %s; exit codes %v", name, j.end, j.why, j.codes())
	return j
}

func (j job) codes() []int {
	codes := []int{}
	for _, p := range j.pods {
		codes = append(codes, p.code)
	}
	return codes
}

func (j job) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s\n", j.end, j.why)
	for _, p := range j.pods {
		fmt.Fprintf(&s, "%s ended with %d\n%s\n%s\n", p.name, p.code, p.message, p.log)
	}
	return s.String()
}

// now starts the Job of a CronJob at once.
func (k *kube) now(namespace, cron, name string) {
	k.Helper()
	k.kubectl("-n", namespace, "create", "job", "--from=cronjob/"+cron, name)
}

// snapshots are those in the repository, with their states.
func (k *kube) snapshots(repo string) map[string]string {
	k.Helper()
	all := map[string]string{}
	for line := range strings.Lines(k.es("GET", "/_cat/snapshots/"+repo+"?h=id,status", "")) {
		if f := strings.Fields(line); len(f) == 2 {
			all[f[0]] = f[1]
		}
	}
	return all
}

// helm installs or changes the release, with these values besides the usual ones.
func (k *kube) helm(values string) {
	k.Helper()
	k.sh(k.helmCommand("upgrade --install", values, "--wait --timeout 2m"), 3*time.Minute)
}

func (k *kube) helmCommand(command, values, flags string) string {
	k.Helper()
	file := filepath.Join(k.TempDir(), "values.yaml")
	require.NoError(k, os.WriteFile(file,
		[]byte("image: "+k.image+"\nfullnameOverride: esnap\nclient: {config: {cluster: {url: '"+esURL+"'}}}\n"+values), 0o600))
	if out, _ := k.try("kubectl get namespace " + chartSpace + " --ignore-not-found -o name"); out == "" {
		k.apply("", `{apiVersion: v1, kind: Namespace, metadata: {name: `+chartSpace+
			`, labels: {pod-security.kubernetes.io/enforce: restricted}}}`)
	}
	return "helm " + command + " esnap ../charts/esnap -n " + chartSpace + " -f " + file + " " + flags
}

func (k *kube) uninstall() {
	k.Helper()
	k.sh("helm uninstall esnap -n "+chartSpace+" --ignore-not-found --wait; kubectl delete namespace "+chartSpace+
		" --ignore-not-found --timeout=120s", 4*time.Minute)
}

// file is an action file as a value of the chart.
func file(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// volume runs path-repo.md: afterwards the three pods share one volume.
func (k *kube) volume() {
	if out := k.kubectl("-n", kubesphere, "get", "configmap", "elasticsearch-logging", "-o", "yaml"); strings.Contains(out, "path.repo") {
		k.Skip("Elasticsearch has path.repo from an earlier run: path-repo.md is not run again")
	}
	k.document("path-repo.md", map[string]step{
		"hostname; stat": {before: k.ready}, // the block before ends Elasticsearch in one pod
	})
	k.ready()
}

// chart: installed under the pod security level restricted, its dry run is `helm
// test`, its Jobs end with the exit codes of esnap, and its template makes one Job.
func (k *kube) chart() {
	k.uninstall()
	defer k.uninstall()
	night, err := os.ReadFile("../examples/kubesphere/action_file.yml")
	require.NoError(k, err)
	values := "jobs:\n" +
		"  - {name: nightly, schedule: '0 1 1 1 *', file: " + file(string(night)) + "}\n" +
		"  - {name: wrong, schedule: '0 1 1 1 *', backoffLimit: 2, args: [run, /etc/esnap/jobs/none.yml]}\n" +
		"  - {name: away, schedule: '0 1 1 1 *', backoffLimit: 1, args: [repository, list], " +
		"env: [{name: ESNAP_URL, value: 'http://127.0.0.1:9'}, {name: ESNAP_CONNECT_TIMEOUT, value: 1s}]}\n" +
		"check: {enabled: true, schedule: '0 6 1 1 *', extraArgs: [--gaps, ok]}\n" +
		"networkPolicy: {enabled: true}\ndashboard: {enabled: true}\n"
	k.helm(values)

	out := k.sh("helm test esnap -n "+chartSpace+" --logs --timeout 3m", 4*time.Minute)
	require.Contains(k, out, "Phase:          Succeeded")
	require.Contains(k, out, "DRY RUN: nothing is changed")
	require.Empty(k, k.snapshots(repoName), "a dry run takes no snapshot")

	k.now(chartSpace, "esnap-nightly", "now")
	j := k.ended(chartSpace, "now", 5*time.Minute)
	require.Equal(k, "Complete", j.end, j)
	require.Equal(k, []int{0}, j.codes())
	require.NotEmpty(k, j.pods[0].message, "the result is the message of the pod")
	require.Len(k, k.snapshots(repoName), 1)

	k.now(chartSpace, "esnap-check-nightly", "check")
	j = k.ended(chartSpace, "check", 3*time.Minute)
	require.Equal(k, []int{0}, j.codes(), j)

	k.now(chartSpace, "esnap-wrong", "wrong")
	j = k.ended(chartSpace, "wrong", 3*time.Minute)
	require.Equal(k, []string{"Failed", "PodFailurePolicy"}, []string{j.end, j.why}, j)
	require.Equal(k, []int{2}, j.codes(), "no second try")

	k.now(chartSpace, "esnap-away", "away")
	j = k.ended(chartSpace, "away", 5*time.Minute)
	require.Equal(k, []string{"Failed", "BackoffLimitExceeded"}, []string{j.end, j.why}, j)
	require.Equal(k, []int{3, 3}, j.codes(), "one more try")

	// One command: as a Job of its own, and not in a release.
	args := `--set 'oneOff.args={snapshot,list,--holding,ks-logstash-log-2026.11.03}'`
	name := strings.TrimPrefix(strings.TrimSpace(k.sh(k.helmCommand("template", values,
		"--show-only templates/one-off-job.yaml "+args)+" | kubectl create -o name -f -", time.Minute)),
		"job.batch/")
	j = k.ended(chartSpace, name, 2*time.Minute)
	require.Equal(k, []int{0}, j.codes(), j)
	require.Contains(k, j.pods[0].log, "snapshot-")
	out, code := k.try(k.helmCommand("upgrade --install", values, args))
	require.NotZero(k, code)
	require.Contains(k, out, "would run again")

	// Values that Kubernetes itself must take: a check, as ever in a new file.
	k.helm(strings.Replace(values, "schedule: '0 1 1 1 *', file", "schedule: '30 2 * * *', timeZone: Europe/Berlin, suspend: true, file", 1))
	require.Equal(k, "30 2 * * * Europe/Berlin true", k.kubectl("-n", chartSpace, "get", "cronjob", "esnap-nightly",
		"-o", "jsonpath={.spec.schedule} {.spec.timeZone} {.spec.suspend}"))
}

// stock: the one-field swap on KubeSphere's own CronJob, as README.md says it.
func (k *kube) stock() {
	before := strings.Fields(k.es("GET", "/_cat/indices?h=index", ""))
	k.section("README.md", "The short way: one field", nil)
	require.Len(k, strings.Fields(k.es("GET", "/_cat/indices?h=index", "")), len(before), "nothing was deleted so far")
	k.now(kubesphere, stockJob, "stock-now")
	defer k.kubectl("-n", kubesphere, "delete", "job", "stock-now", "--wait=true")
	j := k.ended(kubesphere, "stock-now", 3*time.Minute)
	require.Equal(k, []int{0}, j.codes(), j)
	require.Contains(k, j.pods[0].log, "Job completed.")
	after := strings.Fields(k.es("GET", "/_cat/indices?h=index", ""))
	today, old := time.Now().UTC(), 0
	for _, index := range before {
		if date, err := time.Parse("2006.01.02", index[max(0, len(index)-10):]); err == nil && date.Before(today.AddDate(0, 0, -8)) {
			old++
			require.NotContains(k, after, index, "older than seven days")
		}
	}
	require.Greater(k, old, 5)
	require.Contains(k, after, "ks-logstash-log-"+today.Format("2006.01.02"))

	// For snapshots too: this folder's action file in KubeSphere's ConfigMap.
	k.sh("cd "+k.work+"/examples/kubesphere && kubectl -n "+kubesphere+" patch configmap "+stockJob+"-config --type merge -p "+
		"\"$(kubectl create configmap "+stockJob+"-config --from-file=action_file.yml --dry-run=client -o yaml)\"", time.Minute)
	k.now(kubesphere, stockJob, "stock-snapshot")
	defer k.kubectl("-n", kubesphere, "delete", "job", "stock-snapshot", "--wait=true")
	j = k.ended(kubesphere, "stock-snapshot", 5*time.Minute)
	require.Equal(k, []int{0}, j.codes(), j)
	require.Equal(k, []string{"SUCCESS"}, slices.Collect(maps.Values(k.snapshots(repoName))))
	k.stockObjects()
}

// slowNight is a job whose snapshot takes long enough to be disturbed.
func slowNight(name string, more string) string {
	return "jobs:\n  - {name: " + name + ", schedule: '0 1 1 1 *', " + more + " file: " + file(`
lock: required
repositories:
  slow:
    type: fs
    settings: {location: `+repoPath+`/slow, max_snapshot_bytes_per_sec: 200kb}
actions:
  1:
    action: snapshot
    options: {repository: slow, name: 'slow-%Y%m%d%H%M%S', once_per: day, include_global_state: false}
    filters: [{filtertype: pattern, kind: prefix, value: slow-}]
`) + "}\n"
}

// slowData is an index of which a snapshot takes about half a minute.
func (k *kube) slowData() {
	k.Helper()
	k.es("PUT", "/slow-1", `{"settings":{"number_of_shards":1,"number_of_replicas":0}}`)
	line := strings.Repeat("0123456789abcdef", 64)
	for range 12 {
		var bulk strings.Builder
		for i := range 600 {
			// Different in each line, so that it is not compressed away.
			fmt.Fprintf(&bulk, `{"index":{"_index":"slow-1","_type":"_doc"}}`+"\n"+`{"n":%d,"t":%q}`+"\n", i, scramble(line, i))
		}
		require.Contains(k, k.es("POST", "/_bulk", bulk.String()), `"errors":false`)
	}
	k.es("POST", "/slow-1/_flush", "")
}

// scramble is text of the same length that does not compress.
func scramble(s string, seed int) string {
	out := []byte(s)
	x := uint32(seed)*2654435761 + uint32(time.Now().UnixNano())
	for i := range out {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		out[i] = 'a' + byte(x%26)
	}
	return string(out)
}

// running waits until the snapshot is being taken, and returns the pod of the Job.
func (k *kube) running(job string) string {
	k.Helper()
	name := ""
	k.until(2*time.Minute, "a snapshot is being taken", func() bool {
		pod := strings.Fields(k.kubectl("-n", chartSpace, "get", "pods", "-l", "job-name="+job,
			"-o", "jsonpath={range .items[*]}{.metadata.name} {.status.phase}{end}"))
		if len(pod) != 2 || pod[1] != "Running" {
			return false
		}
		name = pod[0]
		return strings.Contains(k.es("GET", "/_snapshot/_status", ""), `"state":"STARTED"`)
	})
	return name
}

// podDeletedInSnapshot: the next pod of the Job waits for the snapshot that is being
// taken, and adopts it.
func (k *kube) podDeletedInSnapshot() {
	k.uninstall()
	defer k.uninstall()
	k.slowData()
	k.helm(slowNight("slow", ""))
	k.now(chartSpace, "esnap-slow", "deleted")
	k.kubectl("-n", chartSpace, "delete", "pod", k.running("deleted"), "--wait=false")
	j := k.ended(chartSpace, "deleted", 6*time.Minute)
	require.Equal(k, "Complete", j.end, j)
	require.Zero(k, j.pods[len(j.pods)-1].code, j)
	all := k.snapshots("slow")
	require.Equal(k, []string{"SUCCESS"}, slices.Collect(maps.Values(all)), "one snapshot, complete")
}

// deadline: Kubernetes ends the Job, the log says why, and the next Job goes on.
func (k *kube) deadline() {
	k.uninstall()
	defer k.uninstall()
	k.slowData()
	k.helm(slowNight("slow", "deadline: 10s, backoffLimit: 0, activeDeadlineSeconds: 60,"))
	// esnap's own deadline is first: exit code 1, and nothing new is started.
	k.now(chartSpace, "esnap-slow", "own")
	j := k.ended(chartSpace, "own", 3*time.Minute)
	require.Equal(k, "Failed", j.end, j)
	require.Equal(k, []int{1}, j.codes(), j)
	require.Contains(k, j.pods[0].log, "deadline")
	k.Logf("the pod that esnap's own deadline ended:\n%s", j)
	k.idle()
	for name := range k.snapshots("slow") {
		k.es("DELETE", "/_snapshot/slow/"+name, "")
	}
	// Now that of Kubernetes. The chart would refuse these numbers, kubectl does not.
	k.sh("kubectl -n "+chartSpace+" create job ended --from=cronjob/esnap-slow --dry-run=client -o json | "+
		"kubectl patch --local -f - --type json -o json -p '[{\"op\":\"replace\",\"path\":\"/spec/activeDeadlineSeconds\",\"value\":12}]' | "+
		"sed 's/\"value\": \"10s\"/\"value\": \"5h\"/' | kubectl create -f -", time.Minute)
	name := k.running("ended")
	log := filepath.Join(k.TempDir(), "log")
	// Kubernetes deletes the pod of such a Job: its log is read while it is there.
	k.sh("timeout 120 kubectl -n "+chartSpace+" logs -f "+name+" >"+log+" 2>&1 || true", 3*time.Minute)
	j = k.ended(chartSpace, "ended", 3*time.Minute)
	require.Equal(k, []string{"Failed", "DeadlineExceeded"}, []string{j.end, j.why}, j)
	text, err := os.ReadFile(log)
	require.NoError(k, err)
	k.Logf("the log of the pod that Kubernetes ended:\n%s", text)
	require.Contains(k, string(text), "nterrupted")
	// The next Job waits for what goes on in the cluster, and adopts it.
	k.helm(slowNight("slow", ""))
	k.now(chartSpace, "esnap-slow", "next")
	j = k.ended(chartSpace, "next", 5*time.Minute)
	require.Equal(k, []int{0}, j.codes(), j)
	require.Equal(k, []string{"SUCCESS"}, slices.Collect(maps.Values(k.snapshots("slow"))))
}

// twoAtOnce: of two Jobs with the lock, one acts.
func (k *kube) twoAtOnce() {
	k.uninstall()
	defer k.uninstall()
	k.slowData()
	k.helm(slowNight("slow", ""))
	k.now(chartSpace, "esnap-slow", "one")
	k.now(chartSpace, "esnap-slow", "two")
	one, two := k.ended(chartSpace, "one", 6*time.Minute), k.ended(chartSpace, "two", 6*time.Minute)
	k.Logf("one:\n%s\ntwo:\n%s", one, two)
	require.Equal(k, []string{"SUCCESS"}, slices.Collect(maps.Values(k.snapshots("slow"))), "one snapshot")
	if one.end != "Complete" {
		one, two = two, one
	}
	require.Equal(k, "Complete", one.end)
	if two.end == "Failed" { // it came while the other held the lock
		require.Equal(k, []int{4}, two.codes())
		require.Contains(k, two.pods[0].log, "holds its lock")
	}
}

// podDeletedInDeletion: what one pod began, the next one ends.
func (k *kube) podDeletedInDeletion() {
	k.uninstall()
	defer k.uninstall()
	k.es("PUT", "/_snapshot/"+repoName, `{"type":"fs","settings":{"location":"`+repoPath+`"}}`)
	const old = 150 // enough to be disturbed in the middle
	k.sh("kubectl -n "+kubesphere+" exec elasticsearch-logging-data-0 -c elasticsearch -- sh -c '"+
		"for i in $(seq "+fmt.Sprint(old)+"); do curl -s -X PUT -H \"Content-Type: application/json\" -d "+
		"\"{\\\"indices\\\":\\\"ks-logstash-log-2026.11.03\\\"}\" "+
		"\"localhost:9200/_snapshot/"+repoName+"/snapshot-20190101$(printf %02d%02d $((i/60)) $((i%60)))00?wait_for_completion=true\"; done'",
		10*time.Minute)
	require.Len(k, k.snapshots(repoName), old)
	k.es("PUT", "/_snapshot/"+repoName+"/snapshot-"+time.Now().UTC().Format("20060102")+"000000?wait_for_completion=true",
		`{"indices":"ks-logstash-log-*"}`)
	k.helm("jobs:\n  - {name: clean, schedule: '0 1 1 1 *', file: " + file(`
lock: required
actions:
  1:
    action: delete_snapshots
    options: {repository: `+repoName+`}
    filters:
      - {filtertype: pattern, kind: prefix, value: snapshot-}
      - {filtertype: age, source: name, direction: older, timestring: '%Y%m%d%H%M%S', unit: days, unit_count: 45}
`) + "}\n")
	k.now(chartSpace, "esnap-clean", "clean")
	left := 0
	k.until(2*time.Minute, "the deletion began", func() bool { left = len(k.snapshots(repoName)); return left <= old })
	k.sh("kubectl -n "+chartSpace+" delete pod -l job-name=clean --wait=false", time.Minute)
	j := k.ended(chartSpace, "clean", 6*time.Minute)
	k.Logf("when the pod was deleted, %d of %d snapshots were left\n%s", left, old+1, j)
	require.Equal(k, "Complete", j.end, j)
	require.Len(k, k.snapshots(repoName), 1, "only the new one is left")
	require.Greater(k, left, 2, "the pod was deleted too late to show something")
	require.NotEmpty(k, j.pods)
	require.Zero(k, j.pods[len(j.pods)-1].code, "the second pod")
}

// threePods: each of the three pods writes to the one volume.
func (k *kube) threePods() {
	k.uninstall()
	defer k.uninstall()
	k.es("PUT", "/_snapshot/"+repoName, `{"type":"fs","settings":{"location":"`+repoPath+`"}}`)
	k.helm("jobs:\n  - {name: verify, schedule: '0 1 1 1 *', args: [repository, verify, " + repoName + "]}\n")
	k.now(chartSpace, "esnap-verify", "verify")
	j := k.ended(chartSpace, "verify", 2*time.Minute)
	require.Equal(k, []int{0}, j.codes(), j)
	for _, node := range []string{"elasticsearch-logging-discovery-0", "elasticsearch-logging-data-0", "elasticsearch-logging-data-1"} {
		require.Contains(k, j.pods[0].log, node)
	}
	// Verifying must be able to fail: a folder that nobody may write to.
	k.kubectl("-n", kubesphere, "exec", "elasticsearch-logging-data-0", "-c", "elasticsearch", "--", "sh",
		"-c", "mkdir -p "+repoPath+"/shut && chmod 555 "+repoPath+"/shut")
	k.es("PUT", "/_snapshot/"+repoName+"?verify=false", `{"type":"fs","settings":{"location":"`+repoPath+`/shut"}}`)
	k.now(chartSpace, "esnap-verify", "shut")
	j = k.ended(chartSpace, "shut", 3*time.Minute)
	require.Equal(k, "Failed", j.end, j)
	require.Equal(k, 1, j.pods[0].code, j)
}

// serve: two pods, one of which acts in each period; one is deleted in between. Who has
// no password sees nothing, and who has no token starts nothing.
func (k *kube) serve() {
	k.uninstall()
	defer k.uninstall()
	const period = 15 * time.Second
	install := k.helmCommand("upgrade --install", "serve:\n"+
		"  enabled: true\n  replicas: 2\n  lock: required\n  insecureListen: true\n  service: {enabled: true}\n"+
		"  auth: {existingSecret: http}\n  token: {existingSecret: token}\n"+
		"  files:\n    - {name: often, file: "+file(`
name: often
schedule: '0/15 * * * * *'
history: true
actions:
  1:
    action: snapshot
    options: {repository: `+repoName+`, name: 'often-%Y%m%d%H%M%S', include_global_state: false}
    filters: [{filtertype: pattern, kind: prefix, value: ks-logstash-log-2026.11.03}]
`)+"}\n", "--wait --timeout 2m")
	k.es("PUT", "/_snapshot/"+repoName, `{"type":"fs","settings":{"location":"`+repoPath+`"}}`)
	k.sh("kubectl -n "+chartSpace+" create secret generic http --from-literal=username=reader --from-literal=password=sesame && "+
		"kubectl -n "+chartSpace+" create secret generic token --from-literal=token=0123456789abcdef0123456789abcdef", time.Minute)
	k.sh(install, 3*time.Minute)
	get := func(flags, path string) string {
		out, _ := k.try("kubectl -n " + kubesphere + " exec elasticsearch-logging-data-0 -c elasticsearch -- curl -s -m 20 " +
			"-w ' %{http_code}' " + flags + " http://esnap-serve." + chartSpace + ".svc:18080" + path)
		return out
	}
	taken := func() int { return len(k.snapshots(repoName)) }
	k.until(2*time.Minute, "two periods", func() bool { return taken() >= 2 })
	require.Regexp(k, ` 200$`, get("", "/healthz"))
	require.Regexp(k, ` 401$`, get("", "/"))
	require.Regexp(k, ` 401$`, get("-u reader:wrong", "/metrics"))
	require.Regexp(k, `"Exit_status":\s*0`, get("-u reader:sesame", "/"))
	require.Contains(k, get("-u reader:sesame", "/metrics"), "esnap_last_run_status")
	require.Regexp(k, ` 401$`, get("-u reader:sesame -X POST", "/jobs/often/run"))
	require.Regexp(k, ` (202|409)$`, get("-H 'Authorization: Bearer 0123456789abcdef0123456789abcdef' -X POST", "/jobs/often/run"))
	manual := 1
	before := taken()
	pods := strings.Fields(k.kubectl("-n", chartSpace, "get", "pods", "-l", "app.kubernetes.io/component=serve", "-o", "name"))
	require.Len(k, pods, 2)
	k.kubectl("-n", chartSpace, "delete", pods[0], "--wait=false")
	k.until(3*time.Minute, "five more periods", func() bool { return taken() >= before+5 })
	count := map[time.Time]int{}
	twice := 0
	for name := range k.snapshots(repoName) {
		at, err := time.Parse("often-20060102150405", name)
		require.NoError(k, err)
		if count[at.Truncate(period)]++; count[at.Truncate(period)] > 1 {
			twice++
		}
	}
	k.Logf("snapshots by period: %v", count)
	require.LessOrEqual(k, twice, manual, "each period is acted on once; one run was started over HTTP")
	for _, p := range strings.Fields(k.kubectl("-n", chartSpace, "get", "pods", "-l", "app.kubernetes.io/component=serve", "-o", "name")) {
		out, _ := k.try("kubectl -n " + chartSpace + " logs " + p)
		require.NotContains(k, out, "sesame")
		require.NotContains(k, out, "0123456789abcdef0123456789abcdef")
	}
}

// skipped are blocks of the documents that this test cannot run, by words in them.
var skipped = map[string]string{
	"docker build -t $IMAGE ../..\ndocker push": "a registry",
	"scp esnap.tar":       "nodes with ssh",
	"ctr -n k8s.io":       "on the nodes",
	"Dockerfile.prebuilt": "a Docker engine; make image-test",
}

// step is what the test does about a block, by words in it.
type step struct {
	before func()
	stop   time.Duration // the block forwards a port, and does not end by itself
	get    string        // what is requested through the port
	want   string        // is in the answer
}

// readme runs README.md from step 3 to step 6.
func (k *kube) readme() {
	k.section("README.md", "3. The settings", nil)
	k.section("README.md", "4. The dry run", nil)
	k.section("README.md", "5. The nightly job", map[string]step{
		"./follow.sh esnap-29399580": {before: func() { k.now(kubesphere, "esnap", "esnap-29399580") }},
	})
	k.section("README.md", "One pod instead of CronJobs", map[string]step{
		"port-forward": {stop: 10 * time.Second, get: "http://127.0.0.1:18080/", want: `"Schedule"`},
	})
	k.section("README.md", "6. Read old logs", map[string]step{
		"restore-job.yaml": {before: func() {
			require.Contains(k, k.es("GET", "/ks-logstash-log-2026.11.03/_count", ""), `"count":48,`, "the first restore")
			k.es("DELETE", "/ks-logstash-log-2026.11.03", "")
		}},
	})
	require.Contains(k, k.es("GET", "/ks-logstash-log-2026.11.03/_count", ""), `"count":48,`, "the day is back")
}

// audit runs audit-cluster/README.md: the second cluster reads the snapshots.
func (k *kube) audit() {
	k.sh("kubectl -n "+kubesphere+" delete statefulset,service elasticsearch-audit --ignore-not-found && "+
		"kubectl -n "+kubesphere+" delete pvc data-elasticsearch-audit-0 --ignore-not-found --timeout=120s", 3*time.Minute)
	k.section("README.md", "3. The settings", nil)
	k.sh("cd "+k.work+"/examples/kubesphere && ./esnap.sh run /etc/esnap/action_file.yml", 5*time.Minute)
	// The snapshot that the action file of the audit cluster names.
	k.fill()
	require.Contains(k, k.es("PUT", "/_snapshot/"+repoName+"/snapshot-20261109010000?wait_for_completion=true",
		`{"indices":"ks-logstash-*","include_global_state":false}`), `"SUCCESS"`)
	k.document("audit-cluster/README.md", map[string]step{
		// The block before it is for those whose registration failed: unregister, then as above.
		"ks-logstash-auditing-2026.10.26": {before: func() {
			k.sh("cd "+k.work+"/examples/kubesphere && ./esnap.sh -f ./audit-cluster/job.yaml repository register "+repoName+
				" fs location="+repoPath+" --readonly", 2*time.Minute)
		}},
		"port-forward": {stop: 10 * time.Second, get: "http://127.0.0.1:9201/ks-logstash-auditing-2026.10.26/_count", want: `"count":48,`},
	})
}

// wayBack runs the last section of README.md, with new pods where it asks for them. At its
// end all is as before the first step, except the claim with the snapshots.
func (k *kube) wayBack() {
	if _, err := os.Stat(filepath.Join(k.work, "examples/kubesphere/before-data.yaml")); err != nil {
		k.Skip("the objects before path-repo.md were saved by an earlier run")
	}
	cron := func() string {
		return k.kubectl("-n", kubesphere, "get", "cronjob", stockJob, "-o",
			"jsonpath={.spec.suspend} {.spec.jobTemplate.spec.template.spec.containers[0].image}")
	}
	before := cron()
	require.Regexp(k, "^true ", before)
	k.sh("cd "+k.work+"/examples/kubesphere && . ./settings.sh && kubectl apply -f configmap.yaml && "+
		"./esnap.sh run /etc/esnap/action_file.yml && "+
		"kubectl apply -f $SET/cronjob.yaml -f $SET/check-cronjob.yaml -f $SET/drill-cronjob.yaml -f $SET/serve.yaml && "+
		"kubectl -n $NS rollout status deployment/esnap-serve", 5*time.Minute)
	k.idle()
	k.section("README.md", "The short way: one field", nil)
	require.NotEqual(k, before, cron())
	k.section("README.md", "The way back", map[string]step{
		"delete configmap esnap": {before: func() {
			require.Contains(k, k.es("GET", "/_snapshot/"+repoName, ""), "repository_missing_exception")
			require.Contains(k, k.kubectl("-n", kubesphere, "exec", "elasticsearch-logging-data-0", "-c", "elasticsearch", "--", "ls", repoPath),
				"snap-", "the snapshots stay")
			k.section("path-repo.md", "5. New pods, one at a time", nil)
			k.ready()
		}},
	})
	require.Equal(k, strings.Replace(before, "true", "false", 1), cron())
	require.Equal(k, "cronjob.batch/"+stockJob, strings.TrimSpace(k.kubectl("-n", kubesphere, "get", "cronjob,deployment", "-o", "name")))
	require.Empty(k, k.kubectl("-n", kubesphere, "get", "configmap", "esnap", "--ignore-not-found", "-o", "name"))
	require.Equal(k, "Bound", k.kubectl("-n", kubesphere, "get", "pvc", "elasticsearch-logging-backup", "-o", "jsonpath={.status.phase}"))
	for _, name := range []string{"elasticsearch-logging-discovery-0", "elasticsearch-logging-data-0", "elasticsearch-logging-data-1"} {
		require.NotContains(k, k.kubectl("-n", kubesphere, "get", "pod", name, "-o", "yaml"), "elasticsearch-logging-backup")
		require.NotContains(k, k.kubectl("-n", kubesphere, "exec", name, "-c", "elasticsearch", "--",
			"cat", "/usr/share/elasticsearch/config/elasticsearch.yml"), "path.repo")
	}
	today := "ks-logstash-log-" + time.Now().UTC().Format("2006.01.02")
	require.Contains(k, k.es("GET", "/"+today+"/_count", ""), `"count":48,`, "the logs are there")
	k.stockObjects()
}

// everyBlock: no block of shell in the documents was forgotten.
func (k *kube) everyBlock() {
	for _, name := range []string{"README.md", "path-repo.md", "audit-cluster/README.md"} {
		data, err := os.ReadFile(filepath.Join(k.work, "examples/kubesphere", name))
		require.NoError(k, err)
		for _, b := range shell.FindAllStringSubmatch(string(data), -1) {
			require.True(k, k.seen[b[1]], "%s: no test runs this:\n%s", name, b[1])
		}
	}
}

// shell is a block of it in a document.
var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// document runs every block of shell in a document, in the folder it is for.
func (k *kube) document(name string, steps map[string]step) {
	k.Helper()
	data, err := os.ReadFile(filepath.Join(k.work, "examples/kubesphere", name))
	require.NoError(k, err)
	k.blocks(name, string(data), steps)
}

// section runs those of one section.
func (k *kube) section(name, title string, steps map[string]step) {
	k.Helper()
	data, err := os.ReadFile(filepath.Join(k.work, "examples/kubesphere", name))
	require.NoError(k, err)
	_, rest, found := strings.Cut(string(data), "# "+title+"\n")
	require.True(k, found, "%s has no section %q", name, title)
	rest = regexp.MustCompile(`(?s)\n###? .*`).ReplaceAllString(rest, "")
	k.blocks(name+", "+title, rest, steps)
}

func (k *kube) blocks(what, text string, steps map[string]step) {
	k.Helper()
	blocks := shell.FindAllStringSubmatch(text, -1)
	require.NotEmpty(k, blocks, what)
	used := map[string]bool{}
next:
	for _, b := range blocks {
		script := b[1]
		k.seen[script] = true
		for words, why := range skipped {
			if strings.Contains(script, words) {
				k.Logf("%s: not run (%s):\n%s", what, why, script)
				continue next
			}
		}
		// What only sets variables is for the blocks after it.
		if regexp.MustCompile(`(?m)\A([A-Z]+=\S+(\s+#.*)?\n)+\z`).MatchString(script) {
			k.vars[what] += script
			continue
		}
		var s step
		for words, other := range steps {
			if strings.Contains(script, words) {
				s, used[words] = other, true
			}
		}
		if s.before != nil {
			s.before()
		}
		all := "cd " + k.work + "/examples/kubesphere\n. ./settings.sh\n"
		for _, v := range k.vars {
			all += v
		}
		all += "set -e\n" + script
		limit := 25 * time.Minute
		if s.stop > 0 {
			limit = s.stop
		}
		begin, answer := time.Now(), make(chan string, 1)
		if s.get != "" {
			go func() { answer <- get(k.Context(), s.get, s.stop) }()
		}
		out, code := k.tryFor(limit, all)
		k.Logf("%s: exit code %d after %s:\n%s\n%s", what, code, time.Since(begin).Round(time.Second), script, tail(out))
		if s.stop > 0 {
			require.Contains(k, out, "Forwarding from", "%s\n%s", script, out)
			require.Contains(k, <-answer, s.want)
			continue
		}
		require.Zero(k, code, "%s\n%s", script, out)
	}
	require.Len(k, used, len(steps), "%s: a step that no block has", what)
}

// get is the first answer of a server that is being started, or the last error within the time.
func get(ctx context.Context, url string, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		text, err := func() (string, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return "", err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return string(body), err
		}()
		if err == nil {
			return text
		}
		select {
		case <-ctx.Done():
			return err.Error()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// tail is the end of a long output.
func tail(out string) string {
	if len(out) > 1500 {
		return "…" + out[len(out)-1500:]
	}
	return out
}
