// Command chart renders the Helm chart, and writes the table of its values.
//
//	chart render VERSION VALUES...   all objects for that Kubernetes version, to stdout
//	chart readme                     the table in README.md, made from values.yaml
//
// The chart is in CHART, or in charts/esnap. scripts/chart.sh also runs the tests of
// this module: what must be there for which values, and which values are refused.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func command(args []string) error {
	folder := os.Getenv("CHART")
	if folder == "" {
		folder = "charts/esnap"
	}
	switch {
	case len(args) == 1 && args[0] == "readme":
		file := filepath.Join(folder, "README.md")
		values, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
		if err != nil {
			return err
		}
		old, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text, err := readme(string(old), values)
		if err != nil {
			return err
		}
		return os.WriteFile(file, []byte(text), 0o644)
	case len(args) >= 2 && args[0] == "render":
		values := map[string]any{}
		for _, file := range args[2:] {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := yaml.Unmarshal(data, &values); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		files, err := render(folder, args[1], values)
		if err != nil {
			return err
		}
		var names []string
		for name := range files {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(files[name]) != "" {
				fmt.Printf("---\n# %s\n%s\n", name, files[name])
			}
		}
		return nil
	}
	return fmt.Errorf("usage: chart readme | chart render VERSION VALUES")
}

// render is what `helm install` would make of the chart: the text of each template.
func render(folder, version string, values map[string]any) (map[string]string, error) {
	chart, err := loader.LoadDir(folder)
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(chart, values); err != nil {
		return nil, err
	}
	kube, err := chartutil.ParseKubeVersion(version)
	if err != nil {
		return nil, err
	}
	if !chartutil.IsCompatibleRange(chart.Metadata.KubeVersion, kube.Version) {
		return nil, fmt.Errorf("the chart is for Kubernetes %s, not for %s", chart.Metadata.KubeVersion, kube.Version)
	}
	release := chartutil.ReleaseOptions{Name: "snapshots", Namespace: "search", IsInstall: true, Revision: 1}
	top, err := chartutil.ToRenderValues(chart, values, release, &chartutil.Capabilities{KubeVersion: *kube})
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(chart, top)
}
