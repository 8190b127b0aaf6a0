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

// promtool evaluates rules and expressions. Where it is missing, the rest of a test was
// enough, unless everything must be there.
func promtool(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("ESNAP_REQUIRE_SERVERS") == "1":
		t.Fatal("promtool is not installed; scripts/ci-install.sh promtool installs it")
	default:
		t.Skip("promtool is not installed: nothing is evaluated")
	}
	return program
}

// TestAlerts: the rules name only metrics that there are, each has a test, and
// promtool finds that their tests pass.
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
	out, err := exec.Command(promtool(t), "test", "rules", tests).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
