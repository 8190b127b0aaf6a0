package examples

import (
	"os"
	"path"
	"testing"

	"github.com/stretchr/testify/require"
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
}
