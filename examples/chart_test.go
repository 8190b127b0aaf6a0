package examples

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/tell"
)

// chartFiles are the files of the chart that are those of prometheus/: a chart cannot
// read what is outside its folder.
const chartFiles = "../charts/esnap/files"

// TestChartHasTheSameFiles holds the chart's copies to prometheus/.
func TestChartHasTheSameFiles(t *testing.T) {
	entries, err := os.ReadDir(chartFiles)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		original, err := os.ReadFile(path.Join("prometheus", e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the chart's own
		}
		require.NoError(t, err)
		copied := path.Join(chartFiles, e.Name())
		if *update {
			require.NoError(t, os.WriteFile(copied, original, 0o644))
		}
		got, err := os.ReadFile(copied)
		require.NoError(t, err)
		require.Equal(t, string(original), string(got), "go test ./examples -update")
	}
	require.Equal(t, []string{"esnap-dashboard.json", "esnap.rules.yml"}, names)
	require.FileExists(t, "prometheus/esnap.rules.yml")
}

// TestDashboardOfTheChart: it is JSON, and asks only for metrics that there are.
func TestDashboardOfTheChart(t *testing.T) {
	data, err := os.ReadFile(chartFiles + "/esnap-dashboard.json")
	require.NoError(t, err)
	require.True(t, json.Valid(data))
	var metrics []string
	for _, m := range tell.Metrics {
		metrics = append(metrics, m.Name)
	}
	asked := regexp.MustCompile(`esnap_\w+`).FindAllString(string(data), -1)
	require.NotEmpty(t, asked)
	for _, name := range asked {
		require.True(t, slices.Contains(metrics, name), "there is no metric %s", name)
	}
}
