package examples

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/internal/tell"
)

// TestAlerts: the rules name only metrics that there are, each has a test, and where
// promtool is installed their tests pass.
func TestAlerts(t *testing.T) {
	const rules, tests = "prometheus/esnap.rules.yml", "prometheus/esnap.rules.test.yml"
	data, err := os.ReadFile(rules)
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal(data, &file))
	tested, err := os.ReadFile(tests)
	require.NoError(t, err)
	var metrics []string
	for _, m := range tell.Metrics {
		metrics = append(metrics, m.Name)
	}
	count := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			count++
			for _, name := range regexp.MustCompile(`esnap_\w+`).FindAllString(r.Expr, -1) {
				require.True(t, slices.Contains(metrics, name), "%s: there is no metric %s", r.Alert, name)
			}
			require.Regexp(t, `alertname: `+r.Alert+`\s+exp_alerts:`, string(tested))
		}
	}
	require.Greater(t, count, 5)
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed: the rules are not evaluated")
		return
	}
	out, err := exec.Command(promtool, "test", "rules", tests).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
