//go:build k8s

package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// operatorModule has the definitions of PodMonitor and PrometheusRule.
	operatorModule = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
	serveHost      = "esnap-serve." + chartSpace + ".svc"
	bearer         = "0123456789abcdef0123456789abcdef"
	// inElasticsearch begins a command in a pod of Elasticsearch.
	inElasticsearch = "kubectl -n " + kubesphere + " exec -i elasticsearch-logging-data-0 -c elasticsearch -- "
)

// definitions adds those of PodMonitor and PrometheusRule, where the Prometheus operator is not
// installed. The function that it returns removes them.
func (k *kube) definitions() func() {
	k.Helper()
	out, err := exec.CommandContext(k.Context(), "go", "mod", "download", "-json", operatorModule).Output()
	require.NoError(k, err, "%s", out)
	var module struct{ Dir string }
	require.NoError(k, json.Unmarshal(out, &module))
	var added []string
	for _, name := range []string{"podmonitors", "prometheusrules"} {
		crd := "customresourcedefinition/" + name + ".monitoring.coreos.com"
		if k.kubectl("get", crd, "--ignore-not-found", "-o", "name") != "" {
			continue
		}
		// `apply` would keep a second copy in an annotation, for which it is too long.
		k.kubectl("create", "-f", filepath.Join(module.Dir, "example/prometheus-operator-crd/monitoring.coreos.com_"+name+".yaml"))
		k.kubectl("wait", "--for=condition=Established", crd, "--timeout=60s")
		added = append(added, crd)
	}
	return func() {
		for _, crd := range added {
			k.kubectl("delete", crd)
		}
	}
}

// certificate makes a key and a certificate that it signed itself, as the Secret tls.
func (k *kube) certificate() {
	k.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(k, err)
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serveHost}, DNSNames: []string{serveHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 7),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	require.NoError(k, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(k, err)
	dir := k.TempDir()
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: cert},
		"tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(k, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	k.kubectl("-n", chartSpace, "create", "secret", "tls", "tls",
		"--cert", filepath.Join(dir, "tls.crt"), "--key", filepath.Join(dir, "tls.key"))
}

// secretKey is how an object refers to a value in a Secret.
type secretKey struct{ Name, Key string }

func (k *kube) secret(s secretKey) string {
	k.Helper()
	return k.kubectl("-n", chartSpace, "get", "secret", s.Name, "-o", `go-template={{index .data "`+s.Key+`" | base64decode}}`)
}

// released are the objects of the release that are there, those that Helm does not know included.
func (k *kube) released() []string {
	k.Helper()
	kinds := "cronjob,job,deployment,pod,service,configmap,secret,networkpolicy"
	if k.kubectl("get", "crd", "podmonitors.monitoring.coreos.com", "--ignore-not-found", "-o", "name") != "" {
		kinds += ",podmonitor,prometheusrule"
	}
	return strings.Fields(k.kubectl("-n", chartSpace, "get", kinds, "-l", "app.kubernetes.io/instance=esnap", "-o", "name"))
}

// chartServe: `serve` over TLS, with a password, a token, and all that the chart puts around
// it: what the API server takes, what a Prometheus would read, an upgrade, the end.
func (k *kube) chartServe() {
	k.uninstall()
	defer k.definitions()()
	defer k.uninstall()
	k.es("PUT", "/_snapshot/"+repoName, `{"type":"fs","settings":{"location":"`+repoPath+`"}}`)

	values := func(schedule, more string) string {
		return more + `
serve:
  enabled: true
  lock: required
  service: {enabled: true}
  tls: {existingSecret: tls}
  auth: {existingSecret: http}
  token: {existingSecret: token}
  files:
    - name: nightly
      file: ` + file(`
name: nightly
schedule: '`+schedule+`'
history: true
metrics: {expected_interval: 24h}
actions:
  1:
    action: snapshot
    options: {repository: `+repoName+`, name: 'nightly-%Y%m%d%H%M%S', include_global_state: false}
    filters: [{filtertype: pattern, kind: prefix, value: ks-logstash-log-2026.11.03}]
`) + `
podMonitor:
  enabled: true
  labels: {release: prometheus}
  tlsConfig: {serverName: ` + serveHost + `, ca: {secret: {name: tls, key: tls.crt}}}
prometheusRule: {enabled: true}
dashboard: {enabled: true}
networkPolicy:
  enabled: true
  ingressFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + kubesphere + `}}}]
`
	}
	install := k.helmCommand("upgrade --install", values("0 1 1 1 *", ""), "--wait --timeout 2m")
	k.certificate()
	k.sh("kubectl -n "+chartSpace+" create secret generic http --from-literal=username=reader --from-literal=password=sesame && "+
		"kubectl -n "+chartSpace+" create secret generic token --from-literal=token="+bearer, time.Minute)
	k.sh(install, 3*time.Minute)

	k.accepted()

	// What a Prometheus would do with the PodMonitor.
	var monitor struct {
		Spec struct {
			Selector struct {
				MatchLabels map[string]string
			}
			PodMetricsEndpoints []struct {
				Port, Path, Scheme string
				BasicAuth          struct{ Username, Password secretKey }
				TLSConfig          struct {
					ServerName string
					CA         struct{ Secret secretKey }
				}
			}
		}
	}
	require.NoError(k, json.Unmarshal([]byte(k.kubectl("-n", chartSpace, "get", "podmonitor", "esnap", "-o", "json")), &monitor))
	require.Len(k, monitor.Spec.PodMetricsEndpoints, 1)
	end := monitor.Spec.PodMetricsEndpoints[0]
	var labels []string
	for name, value := range monitor.Spec.Selector.MatchLabels {
		labels = append(labels, name+"="+value)
	}
	pod := strings.Fields(k.kubectl("-n", chartSpace, "get", "pods", "-l", strings.Join(labels, ","), "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.status.podIP} {.spec.containers[*].ports[?(@.name=="`+end.Port+`")].containerPort} {end}`))
	require.Len(k, pod, 3, "the name of one pod, its address and its port")
	k.sh(inElasticsearch+"sh -c 'cat >/tmp/esnap-ca.crt' <<'END'\n"+k.secret(end.TLSConfig.CA.Secret)+"END\n", time.Minute)
	const trust = "--cacert /tmp/esnap-ca.crt "
	curl := func(words string) string {
		k.Helper()
		out, _ := k.try(inElasticsearch + "curl -s -S -m 20 -w ' %{http_code}' " + words + " </dev/null")
		return out
	}
	scraped := curl(trust + "-u " + k.secret(end.BasicAuth.Username) + ":" + k.secret(end.BasicAuth.Password) +
		" --resolve " + end.TLSConfig.ServerName + ":" + pod[2] + ":" + pod[1] +
		" " + end.Scheme + "://" + end.TLSConfig.ServerName + ":" + pod[2] + end.Path)
	require.Regexp(k, ` 200$`, scraped)
	require.Regexp(k, `(?m)^esnap_next_run_timestamp_seconds\{.*\} \d+$`, scraped)

	// Every route through the Service, with the name that the certificate has.
	get := func(flags, path string) string {
		k.Helper()
		return curl(trust + flags + " https://" + serveHost + ":18080" + path)
	}
	require.Regexp(k, `^ok\s+200$`, get("", "/healthz"))
	k.until(time.Minute, "the cluster was reached", func() bool { return strings.HasSuffix(get("", "/readyz"), " 200") })
	require.Regexp(k, ` 401$`, get("", "/"))
	require.Regexp(k, ` 401$`, get("-u reader:wrong", "/metrics"))
	require.Regexp(k, ` 401$`, get("-u reader:sesame -X POST", "/jobs/nightly/run"))
	require.Regexp(k, ` 202$`, get("-H 'Authorization: Bearer "+bearer+"' -X POST", "/jobs/nightly/run"))
	k.until(2*time.Minute, "the run ended", func() bool { return strings.HasSuffix(get("-u reader:sesame", "/"), " 200") })
	require.Regexp(k, `"Exit_status":\s*0`, get("-u reader:sesame", "/"))
	scraped = get("-u reader:sesame", "/metrics")
	require.Regexp(k, `(?m)^esnap_last_run_status\{.*\} 0$`, scraped)
	require.Regexp(k, `(?m)^esnap_expected_interval_seconds\{.*\} 86400$`, scraped)
	require.Len(k, k.snapshots(repoName), 1)
	// Without the certificate, and without TLS.
	require.Contains(k, curl("https://"+serveHost+":18080/healthz"), "certificate")
	require.Regexp(k, ` 400$`, curl("http://"+serveHost+":18080/healthz"))

	k.policies(pod[1])

	// The probes: over TLS, and green for as long as some failures of the liveness would take.
	require.Equal(k, "HTTPS HTTPS", k.kubectl("-n", chartSpace, "get", "pod", pod[0], "-o",
		"jsonpath={.spec.containers[0].livenessProbe.httpGet.scheme} {.spec.containers[0].readinessProbe.httpGet.scheme}"))
	k.until(3*time.Minute, "the pod is a minute old", func() bool {
		begin, err := time.Parse(time.RFC3339, k.kubectl("-n", chartSpace, "get", "pod", pod[0], "-o", "jsonpath={.status.startTime}"))
		require.NoError(k, err)
		return time.Since(begin) > time.Minute
	})
	require.Equal(k, "true 0", k.kubectl("-n", chartSpace, "get", "pod", pod[0], "-o",
		"jsonpath={.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}"))
	require.NotContains(k, k.kubectl("-n", chartSpace, "get", "events", "--field-selector", "reason=Unhealthy",
		"-o", "jsonpath={.items[*].message}"), "Liveness")

	out := k.sh("helm test esnap -n "+chartSpace+" --logs --timeout 3m", 4*time.Minute)
	require.Contains(k, out, "Phase:          Succeeded")
	require.Contains(k, out, "DRY RUN: nothing is changed")
	require.Len(k, k.snapshots(repoName), 1, "a dry run takes no snapshot")

	// A changed file is read without a new pod.
	k.helm(values("30 2 1 1 *", ""))
	k.until(4*time.Minute, "the new schedule is read", func() bool {
		return regexp.MustCompile(`"Schedule":\s*"30 2 1 1 \*"`).MatchString(get("-u reader:sesame", "/"))
	})
	require.Equal(k, "pod/"+pod[0], strings.TrimSpace(k.kubectl("-n", chartSpace, "get", "pod",
		"-l", "app.kubernetes.io/component=serve", "-o", "name")))
	// Other values change the objects in place, also those of the operator.
	k.helm(strings.NewReplacer("lock: required", "lock: required\n  replicas: 2\n  port: 18443", "labels: {release: prometheus}",
		"labels: {release: other}\n  interval: 30s").Replace(values("30 2 1 1 *", "podAnnotations: {changed: 'yes'}")))
	require.Equal(k, "other 30s", k.kubectl("-n", chartSpace, "get", "podmonitor", "esnap", "-o",
		"jsonpath={.metadata.labels.release} {.spec.podMetricsEndpoints[0].interval}"))
	require.Regexp(k, `^ok\s+200$`, curl(trust+"https://"+serveHost+":18443/healthz"))
	require.Equal(k, "2", k.kubectl("-n", chartSpace, "get", "deployment", "esnap-serve", "-o", "jsonpath={.status.readyReplicas}"))
	// And back: the first revision, with its port.
	k.sh("helm rollback esnap 1 -n "+chartSpace+" --wait --timeout 2m", 3*time.Minute)
	require.Regexp(k, `^ok\s+200$`, get("", "/healthz"))

	// The end. Helm leaves the pods of `helm test`, and what is not of the release.
	k.sh("helm uninstall esnap -n "+chartSpace+" --wait", 3*time.Minute)
	k.until(2*time.Minute, "the objects are deleted", func() bool {
		left := k.released()
		return len(left) == 1 && left[0] == "pod/esnap-test-nightly"
	})
	k.kubectl("-n", chartSpace, "delete", "pod", "-l", "app.kubernetes.io/instance=esnap", "--ignore-not-found")
	require.Empty(k, k.released())
	require.Equal(k, []string{"secret/http", "secret/tls", "secret/token"},
		strings.Fields(k.kubectl("-n", chartSpace, "get", "secret", "-o", "name")))
	require.Len(k, k.snapshots(repoName), 1, "the snapshots stay")
}

// accepted: the API server takes the objects of the release also strictly, so that a field which
// their definitions lack is refused instead of dropped, and has the rules.
func (k *kube) accepted() {
	k.Helper()
	strict := func(change string) (string, int) {
		return k.try("set -o pipefail; helm get manifest esnap -n " + chartSpace + " | " + change +
			" | kubectl apply --dry-run=server --validate=strict -f -")
	}
	out, code := strict("cat")
	require.Zero(k, code, out)
	for _, kind := range []string{"podmonitor", "prometheusrule", "networkpolicy", "deployment", "service", "configmap", "secret"} {
		require.Regexp(k, `(?m)^`+kind+`\S*/esnap\S* \S+`, out)
	}
	for _, wrong := range []string{"s/basicAuth:/basicAuthentication:/", "s/alert:/alarm:/", "s/podSelector:/selector:/"} {
		out, code = strict("sed '" + wrong + "'")
		require.NotZero(k, code, "%s: %s", wrong, out)
		require.Contains(k, out, "unknown field", wrong)
	}
	rules, err := os.ReadFile("../charts/esnap/files/esnap.rules.yml")
	require.NoError(k, err)
	alert := regexp.MustCompile(`alert: (\w+)`)
	var want []string
	for _, m := range alert.FindAllStringSubmatch(string(rules), -1) {
		want = append(want, m[1])
	}
	require.Equal(k, want, strings.Fields(k.kubectl("-n", chartSpace, "get", "prometheusrule", "esnap",
		"-o", "jsonpath={.spec.groups[*].rules[*].alert}")))
}

// policies: who may not reach `serve` does not, and the pods of the release reach Elasticsearch
// and nothing else. Only some networks of Kubernetes see to that: K8S_TEST_POLICIES=1 says so.
func (k *kube) policies(serve string) {
	k.Helper()
	if os.Getenv("K8S_TEST_POLICIES") != "1" {
		k.Log("without K8S_TEST_POLICIES=1, the NetworkPolicy is installed and not tried")
		return
	}
	// A pod in another namespace, which has a network: it reaches Elasticsearch.
	image := k.kubectl("-n", kubesphere, "get", "statefulset", "elasticsearch-logging-data",
		"-o", "jsonpath={.spec.template.spec.containers[0].image}")
	stranger := func() string {
		k.kubectl("-n", "default", "delete", "pod", "esnap-test-stranger", "--ignore-not-found")
		k.kubectl("-n", "default", "run", "esnap-test-stranger", "--image="+image, "--image-pull-policy=IfNotPresent", "--restart=Never",
			"--command", "--", "sh", "-c", "curl -sf -m 20 "+esURL+" >/dev/null && echo there; "+
				"curl -skf -m 10 https://"+serve+":18080/healthz; echo code $?")
		k.until(2*time.Minute, "the other pod ended", func() bool {
			return k.kubectl("-n", "default", "get", "pod", "esnap-test-stranger", "-o", "jsonpath={.status.phase}") == "Succeeded"
		})
		return k.kubectl("-n", "default", "logs", "esnap-test-stranger")
	}
	defer k.kubectl("-n", "default", "delete", "pod", "esnap-test-stranger", "--ignore-not-found")
	require.Regexp(k, `^there\ncode (7|28)\n$`, stranger(), "refused, or no answer")
	// The port of Elasticsearch is open, and no other one: not that between its nodes.
	reached := func(url string) string {
		name := strings.TrimPrefix(strings.TrimSpace(k.sh(k.helmCommand("template", "networkPolicy: {enabled: true}\n",
			"--show-only templates/one-off-job.yaml --set 'oneOff.args={repository,list}' --set 'extraEnv[0].name=ESNAP_URL' "+
				"--set 'extraEnv[0].value="+url+"' --set 'extraEnv[1].name=ESNAP_CONNECT_TIMEOUT' "+
				"--set 'extraEnv[1].value=3s' --set 'oneOff.deadline=20s' --set 'oneOff.activeDeadlineSeconds=60'")+
			" | kubectl create -o name -f -", time.Minute)), "job.batch/")
		defer k.kubectl("-n", chartSpace, "delete", "job", name)
		return k.ended(chartSpace, name, 2*time.Minute).String()
	}
	require.Contains(k, reached(esURL), repoName)
	require.Regexp(k, `(?i)refused|timed? ?out`, reached("http://elasticsearch-logging-discovery."+kubesphere+".svc:9300"))
}

// chartReadme runs the commands of the chart's README.md, with its first values.
func (k *kube) chartReadme() {
	k.uninstall()
	defer k.uninstall()
	data, err := os.ReadFile("../charts/esnap/README.md")
	require.NoError(k, err)
	values := regexp.MustCompile("(?ms)^```yaml\n(image: .*?)^```").FindSubmatch(data)
	require.NotNil(k, values)
	k.helmCommand("", "", "") // makes the namespace
	k.sh("cp -r ../charts "+k.work, time.Minute)
	require.NoError(k, os.WriteFile(filepath.Join(k.work, "my-values.yaml"), []byte(strings.NewReplacer(
		"registry.example.com/ops/esnap:0.1.0", k.image, "http://elasticsearch:9200", esURL).Replace(string(values[1]))), 0o600))
	for _, b := range shell.FindAllStringSubmatch(string(data), -1) {
		script := strings.ReplaceAll(b[1], "-n search", "-n "+chartSpace)
		out, code := k.tryFor(10*time.Minute, "set -e -o pipefail\ncd "+k.work+"\n"+script)
		k.Logf("exit code %d:\n%s\n%s", code, script, tail(out))
		require.Zero(k, code, "%s\n%s", script, out)
		if strings.Contains(script, "esnap-now") {
			require.Equal(k, "Complete", k.ended(chartSpace, "esnap-now", time.Minute).end)
			require.Len(k, k.snapshots("backups"), 1)
			k.es("DELETE", "/_snapshot/backups", "")
		}
	}
	k.until(time.Minute, "nothing is left of the release", func() bool { return len(k.released()) == 0 })
}
