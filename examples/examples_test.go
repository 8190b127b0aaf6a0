// Package examples holds files that users copy; its tests hold them to the code.
package examples

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/esnap/esnap/actions"
	"github.com/esnap/esnap/cmd"
	"github.com/esnap/esnap/filters"
	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/memory"
	"github.com/esnap/esnap/internal/plan"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/strictyaml"
)

// unset is an environment without variables.
func unset(string) (string, bool) { return "", false }

// actionFiles are all YAML files here whose root has the key actions.
func actionFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yml" && path.Ext(name) != ".yaml" {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var root map[string]any
		if yaml.Unmarshal(data, &root) == nil && root["actions"] != nil { // several Kubernetes objects are no action file
			files[name] = data
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(files), 10)
	return files
}

func TestActionFiles(t *testing.T) {
	for name, data := range actionFiles(t) {
		t.Run(name, func(t *testing.T) {
			p, err := plan.Parse(name, data, plan.Options{Env: unset})
			require.NoError(t, err)
			require.NotEmpty(t, p.Steps)
			for _, s := range p.Steps {
				require.NotEqual(t, "No description given", s.Description, "%s", s)
			}
			if slices.ContainsFunc([]string{"kubesphere/", "nfs/", "s3/", "swarm/", "compose/"},
				func(dir string) bool { return strings.HasPrefix(name, dir) }) {
				require.Empty(t, p.Findings, "what is copied as a whole is without warnings")
			}
		})
	}
}

func TestEveryKindHasAnExample(t *testing.T) {
	did, chose := map[string]bool{}, map[string]bool{}
	for name, data := range actionFiles(t) {
		var file struct {
			Actions map[string]struct {
				Action  string
				Filters []struct{ Filtertype string }
			}
		}
		require.NoError(t, yaml.Unmarshal(data, &file), name)
		for _, a := range file.Actions {
			did[a.Action] = true
			for _, f := range a.Filters {
				chose[f.Filtertype] = true
			}
		}
	}
	require.Equal(t, sorted(actions.Kinds), sorted(did))
	require.Equal(t, sorted(filters.Kinds), sorted(chose))
	for kind := range filters.Kinds {
		require.FileExists(t, "filters/"+kind+".yml")
	}
	for kind := range actions.Kinds {
		require.FileExists(t, "actions/"+kind+".yml")
	}
}

// TestActionsShowEveryOption holds actions/KIND.yml to its first sentence.
func TestActionsShowEveryOption(t *testing.T) {
	for name, kind := range actions.Kinds {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("actions/" + name + ".yml")
			require.NoError(t, err)
			var file struct {
				Actions map[string]struct{ Options map[string]any }
			}
			require.NoError(t, yaml.Unmarshal(data, &file))
			var options []string
			for _, f := range slices.Concat(strictyaml.Fields(reflect.TypeFor[actions.Common]()),
				strictyaml.Fields(reflect.TypeOf(kind.New(actions.Own)).Elem())) {
				ofIndices := slices.Contains([]string{"allow_ilm_indices", "include_hidden", "search_pattern"}, f.Name)
				ofIndices = ofIndices && !(name == "rollover" && f.Name == "allow_ilm_indices") // it looks at its one index itself
				if !ofIndices || kind.List == cluster.Indices {
					options = append(options, f.Name)
				}
			}
			require.ElementsMatch(t, options, sorted(file.Actions["1"].Options))
		})
	}
}

// curatorForms are the files in the form of Curator's, by the action they show.
func curatorForms(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("curator/*.yml")
	require.NoError(t, err)
	forms := map[string][]byte{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		forms[strings.TrimSuffix(path.Base(name), ".yml")] = data
	}
	require.Equal(t, sorted(actions.Kinds), sorted(forms), "one file for each action")
	return forms
}

// own are the options that Curator has never had, and later those that only one of
// its generations has.
var own = []string{
	"guards", "timezone", "wait_for_running", "stall", "on_conflict", "snapshot", "keep_for", "once_per", "keep_newest_good",
	"search_pattern", "include_hidden", "ignore_sync_failures",
}

// TestCuratorForms holds curator/KIND.yml to being files that either generation of
// Curator would take, but for actions it has not got.
func TestCuratorForms(t *testing.T) {
	for kind, data := range curatorForms(t) {
		t.Run(kind, func(t *testing.T) {
			for _, flavour := range []flavour.Flavour{flavour.Curator5, flavour.Curator8} {
				p, err := plan.Parse(kind+".yml", data, plan.Options{Flavour: flavour, Env: unset})
				require.NoError(t, err)
				require.Len(t, p.Steps, 1)
				require.Equal(t, kind, p.Steps[0].Kind)
			}
			var file struct {
				Actions map[int]struct {
					Description string
					Options     map[string]any
					Filters     []map[string]any
				}
			}
			require.NoError(t, yaml.Unmarshal(data, &file))
			require.NotEmpty(t, file.Actions[1].Description)
			require.Contains(t, file.Actions[1].Options, "disable_action")
			require.Contains(t, file.Actions[1].Options, "timeout_override")
			for key := range file.Actions[1].Options {
				require.NotContains(t, own, key, "no key of Curator's, or of one generation only")
			}
			for _, f := range file.Actions[1].Filters {
				require.NotContains(t, []string{"good", "size"}, f["filtertype"])
			}
		})
	}
}

// TestCuratorFormsDisabled runs each file with its action disabled, in both manners.
func TestCuratorFormsDisabled(t *testing.T) {
	for kind, data := range curatorForms(t) {
		t.Run(kind, func(t *testing.T) {
			text := strings.Replace(string(data), "disable_action: False", "disable_action: True", 1)
			require.NotEqual(t, string(data), text)
			home := t.TempDir()
			file := filepath.Join(home, kind+".yml")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			for _, compat := range []string{"5", "8"} {
				server := memory.New()
				server.AddIndices("acme-logs-2020.01.01")
				var out, log bytes.Buffer
				app := &cmd.App{
					In: strings.NewReader(""), Out: &out, Err: &log, Now: time.Now,
					Env:     func(name string) (string, bool) { return home, name == "HOME" },
					Connect: func(es.Options) (cluster.Cluster, error) { return server, nil },
				}
				code := cmd.Main(t.Context(), app, []string{"curator", "--compat", compat, "--config", "kubesphere/config.yml", file})
				require.Equal(t, 0, code, "%s\n%s", out.String(), log.String())
				require.Empty(t, server.Writes())
				require.Contains(t, out.String()+log.String(), "disable_action")
			}
		})
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// TestConfigMap wants the files inside the ConfigMap to be those beside it.
func TestConfigMap(t *testing.T) {
	data, err := os.ReadFile("kubesphere/configmap.yaml")
	require.NoError(t, err)
	var object struct{ Data map[string]string }
	require.NoError(t, yaml.Unmarshal(data, &object))
	require.Equal(t, []string{"action_file.yml", "config.yml"}, sorted(object.Data))
	for name, text := range object.Data {
		file, err := os.ReadFile("kubesphere/" + name)
		require.NoError(t, err)
		require.Equal(t, string(file), text, name)
	}
}

func TestClientFiles(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.Flags(flags)
	require.NoError(t, flags.Set("config", "kubesphere/config.yml"))
	s, err := settings.Load(flags, unset)
	require.NoError(t, err)
	require.Equal(t, settings.Curator5, s.Dialect)
	require.Equal(t, []string{"http://elasticsearch-logging-data.kubesphere-logging-system.svc:9200"}, s.URLs)
	require.Empty(t, s.Warnings)
}
