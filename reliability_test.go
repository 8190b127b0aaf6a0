package esnap_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReliabilityNamesTests: each row of the tables of faults names the tests that hold it,
// and each test of the fault rig has a row.
func TestReliabilityNamesTests(t *testing.T) {
	declared := map[string]bool{}
	rig := map[string]bool{}
	for _, pattern := range []string{"integration/*_test.go", "internal/*/*_test.go", "cmd/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range files {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllSubmatch(data, -1) {
				declared[string(m[1])] = true
				if strings.HasPrefix(string(m[1]), "TestFault") {
					rig[string(m[1])] = true
				}
			}
		}
	}
	delete(rig, "TestFaultSchedulesAreRepeatable") // of the rig itself
	rows := 0
	for path, s := range read(t, "docs/reliability.md") {
		for _, table := range s.tables {
			for _, row := range table.rows {
				rows++
				require.Len(t, row, 5, "%s: %v", path, row)
				names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row[4], -1)
				require.NotEmpty(t, names, "%s: the row %q names no test", path, row[0])
				for _, m := range names {
					require.True(t, declared[m[1]], "%s: there is no test %s", path, m[1])
					delete(rig, m[1])
				}
			}
		}
	}
	require.Greater(t, rows, 20)
	require.Empty(t, rig, "these tests have no row in docs/reliability.md")
}
