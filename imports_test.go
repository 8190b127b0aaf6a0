package esnap_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/filters"
)

const module = "github.com/esnap/esnap/"

// pkg is what go list says of a package; imports of tests are not among Imports.
type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
	Deps       []string
}

// packages lists those of this module, by their path in it.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	var stderr bytes.Buffer
	list := exec.Command("go", "list", "-json=ImportPath,Name,Imports,Deps", "./...")
	list.Stderr = &stderr
	out, err := list.Output()
	require.NoError(t, err, stderr.String())
	all := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			break
		} else {
			require.NoError(t, err)
		}
		all[strings.TrimPrefix(p.ImportPath, module)] = p
	}
	require.Contains(t, all, "cmd/esnap")
	return all
}

// mayImport is who may import what of ours, and where
// the code needs more than it. A package that is not here may not be.
var mayImport = func() map[string][]string {
	const (
		cluster, strictyaml, strftime, pyregex = "internal/cluster", "internal/strictyaml", "internal/strftime", "internal/pyregex"
		term                                   = "internal/terminal"
		guard, restore, plan, run              = "internal/guard", "internal/restore", "internal/plan", "internal/run"
		rename, job, flavour                   = "internal/rename", "internal/job", "internal/flavour"
		near, lock, history, bounded           = "internal/near", "internal/lock", "internal/history", "internal/bounded"
		notice, tell                           = "internal/notice", "internal/tell"
		report, connect, conf                  = "internal/report", "internal/connect", "internal/settings"
		schedule, command                      = "internal/schedule", "internal/command"
		clock, dates, series                   = "internal/clock", "internal/dates", "internal/series"
	)
	planned := []string{near, "actions", "filters", "internal/coverage", guard, "repository", strictyaml, cluster, strftime, dates, series}
	return map[string][]string{
		cluster:             {},
		clock:               {},
		dates:               {},
		series:              {cluster, dates},
		rename:              {},
		flavour:             {},
		near:                {},
		strictyaml:          {near},
		term:                {},
		pyregex:             {},
		strftime:            {pyregex},
		"internal/coverage": {cluster, dates},
		lock:                {clock, cluster},
		bounded:             {},
		history:             {cluster, dates, strftime},
		"filters":           {clock, cluster, series, "internal/coverage", strftime, pyregex},
		guard:               {cluster, dates, series, "internal/coverage"},
		restore:             {near, cluster, dates, series, "internal/coverage", rename},
		"repository":        {near, cluster},
		"internal/es":       {bounded, cluster},
		"actions":           {near, clock, cluster, dates, series, "internal/coverage", "repository", rename, restore, strftime},
		schedule:            {strictyaml},
		command:             {clock},
		plan:                append([]string{flavour, notice, schedule}, planned...),
		run:                 append([]string{plan, restore, clock}, planned...),
		"internal/drill":    {clock, cluster, dates, series, "internal/coverage", rename},
		"internal/check":    append([]string{bounded, plan, run, restore, "internal/drill", "internal/lock"}, planned...),
		"internal/simulate": append([]string{plan, run, "internal/memory"}, planned...),
		"internal/report":   {cluster, series, "repository", run, term},
		notice:              {strictyaml, near},
		"internal/settings": {bounded, strictyaml, flavour, notice},
		"internal/fromenv":  {near, strftime, strictyaml},
		"internal/connect":  {cluster, near, "internal/settings", "internal/es", "internal/fromenv"},
		tell:                {bounded, notice, report, run, cluster, term},
		job: {
			bounded, clock, plan, run, flavour, guard, report, conf, connect, command, lock, history, notice, tell, strictyaml,
			cluster, term,
		},
		"internal/serve": {command, schedule, "internal/check"},
		"internal/curator": append([]string{
			plan, run, job, clock, flavour, "internal/report", "internal/settings", "internal/es", "internal/connect", term,
		}, planned...),
		"internal/clustertest": {cluster, rename},
		"internal/memory":      {cluster, rename},
		"internal/runtest":     {cluster, flavour, "internal/memory", plan, run},
		"internal/testserver":  {},
		"internal/demo":        {"internal/testserver"},
		"cmd":                  nil, // all
		"cmd/esnap":            {"cmd"},
		"integration":          {}, // this and those below: tests only
		"examples":             {},
		"docs":                 {},
	}
}()

func TestImports(t *testing.T) {
	for name, p := range packages(t) {
		allowed, known := mayImport[name]
		if p.ImportPath == strings.TrimSuffix(module, "/") {
			continue // the root: tests only
		}
		require.True(t, known, "%s is not in the table of imports", name)
		for _, i := range p.Imports {
			ours, is := strings.CutPrefix(i, module)
			require.True(t, !is || name == "cmd" || slices.Contains(allowed, ours), "%s may not import %s", name, ours)
		}
		require.NotContains(t, []string{"util", "utils", "common", "types", "helpers"}, p.Name, name)
		require.NotContains(t, []string{"util", "utils", "common", "types", "helpers"}, path.Base(name), name)
	}
}

// What belongs to one package only.
func TestWhoUsesWhichLibrary(t *testing.T) {
	all := packages(t)
	for library, user := range map[string]string{
		"github.com/elastic/": "internal/es", "github.com/spf13/viper": "internal/settings", "github.com/testcontainers/": "internal/testserver",
	} {
		used := false
		for name, p := range all {
			uses := slices.ContainsFunc(p.Imports, func(i string) bool { return strings.HasPrefix(i, library) })
			require.True(t, !uses || name == user, "%s imports %s, which only %s does", name, library, user)
			used = used || uses
		}
		require.True(t, used, "nothing imports %s: is the name still right?", library)
	}
	for _, dep := range all["cmd/esnap"].Deps {
		require.False(t, strings.Contains(dep, "testify") || strings.Contains(dep, "testcontainers"), "the binary holds %s", dep)
	}
	require.Contains(t, all["cmd/esnap"].Deps, module+"cmd")
}

// One file for each kind of action and filter, so that it is clear where it is.
func TestEveryKindHasItsFile(t *testing.T) {
	beside := map[string]string{"unfreeze": "freeze"} // kinds that are one thing in two directions
	for folder, kinds := range map[string][]string{
		"actions": slices.Sorted(maps.Keys(actions.Kinds)),
		"filters": slices.Sorted(maps.Keys(filters.Kinds)),
	} {
		require.NotEmpty(t, kinds)
		for _, k := range kinds {
			if other, ok := beside[k]; ok {
				k = other
			}
			_, err := os.Stat(path.Join(folder, k+".go"))
			require.NoError(t, err, "%s has no file for %s", folder, k)
		}
	}
}
