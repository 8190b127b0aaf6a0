package esnap_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testsIn are the names of the tests in a folder.
func testsIn(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(data), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// TestCompatibilityNamesTests wants every test that the document names to be there,
// every statement in it to have one or to say why not, and every test of one of
// Curator's rules to be in it.
func TestCompatibilityNamesTests(t *testing.T) {
	doc := read(t, "docs/curator-compatibility.md")
	known, named := map[string][]string{}, map[string]bool{}
	for path, s := range doc {
		for _, table := range s.tables {
			require.Equal(t, []string{"what", "test"}, table.head[1:], path)
			for _, row := range table.rows {
				require.Len(t, row, 3, "%v", row)
				tests := regexp.MustCompile("`(Test\\w+)` \\(([\\w/.]+)\\)").FindAllStringSubmatch(row[2], -1)
				require.Len(t, tests, strings.Count(row[2], "`Test"), "a test without its package: %s", row[2])
				require.True(t, len(tests) > 0 || regexp.MustCompile(`^not held: \w`).MatchString(row[2]),
					"%s has neither a test nor a reason: %s", row[0], row[1])
				for _, m := range tests {
					folder := m[2]
					if known[folder] == nil {
						known[folder] = testsIn(t, folder)
					}
					require.Contains(t, known[folder], m[1], "%s of %s is not there", m[1], folder)
					named[m[1]+" "+folder] = true
				}
			}
		}
	}
	rule := regexp.MustCompile(`^Test[KDC]\d\d`)
	rules := map[string]bool{}
	for _, folder := range []string{"internal/curator", "integration"} {
		for _, name := range testsIn(t, folder) {
			if m := rule.FindString(name); m != "" {
				require.True(t, named[name+" "+folder], "%s of %s is not in the document", name, folder)
				rules[m] = true
			}
		}
	}
	require.Greater(t, len(rules), 50)
	for kind, last := range map[string]int{"Kept": 17, "Different on purpose": 32} {
		require.Len(t, slices.Collect(maps.Keys(doc.section(t, kind).table(t, "rule"))), last, kind)
	}
}

// TestFeaturesNameTests wants a row for every feature, every test that a row names to be
// there, a test with the number of the feature among them, and every such test in a row.
func TestFeaturesNameTests(t *testing.T) {
	rows := read(t, "docs/tested-on.md").section(t, "Features").table(t, "number")
	var numbers []string
	for n := range 25 {
		if n >= 1 {
			numbers = append(numbers, strconv.Itoa(n))
		}
	}
	require.ElementsMatch(t, numbers, slices.Collect(maps.Keys(rows)))
	folders, named := map[string]bool{}, map[string]bool{}
	for number, cells := range rows {
		require.Len(t, cells, 3, "row %s", number)
		tests := regexp.MustCompile("`(Test\\w+)` \\(([\\w/.]+)\\)").FindAllStringSubmatch(cells[2], -1)
		require.Len(t, tests, strings.Count(cells[2], "`Test"), "a test without its package: %s", cells[2])
		own := regexp.MustCompile("^TestFeature" + strings.Repeat("0", 2-len(number)) + number + `(\D|$)`)
		require.True(t, own.MatchString(tests[0][1]), "the first test of row %s is not that of the number", number)
		for _, m := range tests {
			require.Contains(t, testsIn(t, m[2]), m[1], "%s of %s is not there", m[1], m[2])
			folders[m[2]], named[m[1]+" "+m[2]] = true, true
		}
	}
	for folder := range folders {
		for _, name := range testsIn(t, folder) {
			if regexp.MustCompile(`^TestFeature\d\d`).MatchString(name) {
				require.True(t, named[name+" "+folder], "%s of %s is not in the document", name, folder)
			}
		}
	}
}
