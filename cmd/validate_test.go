package cmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where Curator's generations differ is said until something decides between them.
func TestValidateSaysWhereTheGenerationsDiffer(t *testing.T) {
	const text = "actions: {1: {action: restore, options: {repository: r}, filters: [{filtertype: state}]}}"
	const warning = "warning: skip_repo_fs_check is not given"
	for config, said := range map[string]bool{
		"": true, "cluster: {url: 'http://a:9200'}\n": true, "logging: {loglevel: INFO}\n": true,
		"client: {hosts: [a]}\n": false, "elasticsearch: {client: {hosts: ['http://a:9200']}}\n": false,
	} {
		k := newConsole(t)
		args := []string{"validate", k.file(text)}
		if config != "" {
			name := filepath.Join(t.TempDir(), "client.yml")
			require.NoError(t, os.WriteFile(name, []byte(config), 0o600))
			args = append(args, "--config", name)
		}
		code, out, errs := k.run(args...)
		require.Zero(t, code, errs)
		require.Contains(t, out, "valid, 1 action,")
		if said {
			require.Contains(t, errs, warning, config)
			k.env["ESNAP_COMPAT"] = "5"
			_, _, errs = k.run(args...)
		}
		require.NotContains(t, errs, warning, config)
	}
}

// A folder stands for its action files, and -q prints only what is wrong.
func TestValidateFolders(t *testing.T) {
	k := newConsole(t)
	dir := t.TempDir()
	const valid = "actions: {1: {action: open, filters: [{filtertype: closed, exclude: false}]}}"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yml"), []byte(valid), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.yaml"), []byte(valid), 0o600))
	code, out, errs := k.run("validate", dir)
	require.Zero(t, code, errs)
	require.Contains(t, out, "a.yml: valid")
	require.Contains(t, out, "b.yaml: valid")
	code, out, errs = k.run("-q", "validate", dir)
	require.Zero(t, code, errs)
	require.Empty(t, out)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.yml"), []byte("actions: 1"), 0o600))
	code, out, errs = k.run("validate", dir)
	require.Equal(t, 2, code)
	require.Contains(t, out, "b.yaml: valid")
	require.Contains(t, errs, "c.yml:1:")
	code, _, errs = k.run("validate", t.TempDir())
	require.Equal(t, 2, code)
	require.Contains(t, errs, "contains no action file")
}
