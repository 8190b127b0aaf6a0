package examples

import (
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheWayBackIsComplete: what the steps of README.md start at times of its own is deleted
// again. A CronJob that stays fails every day once its ConfigMap is gone.
func TestTheWayBackIsComplete(t *testing.T) {
	data, err := os.ReadFile(path.Join(folder, "README.md"))
	require.NoError(t, err)
	_, back, found := strings.Cut(string(data), "\n## The way back\n")
	require.True(t, found)
	deleted := strings.Join(regexp.MustCompile(`(?m)^kubectl -n \$NS delete (?:cronjob|deployment)s?[ ,/].*$`).FindAllString(back, -1), "\n")
	for _, name := range manifests(t) {
		for _, o := range objects(t, name) {
			if o["kind"] != "CronJob" && o["kind"] != "Deployment" {
				continue
			}
			of := at(o, "metadata", "name").(string)
			require.Regexp(t, `(?m)[ /]`+of+`( |$)`, deleted, "%s: %s stays", name, of)
		}
	}
}
