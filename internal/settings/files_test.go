package settings

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestModesOfFilesWithSecrets: what others may change is a warning of each run, what
// they may read is advice.
func TestModesOfFilesWithSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	with := func(variable, path string) map[string]string {
		return map[string]string{variable: path, "ESNAP_USERNAME": "u"}
	}
	mounted := file("secret/..2026_11_21/password", "p", 0o666)
	require.NoError(t, os.Symlink("..2026_11_21", filepath.Join(dir, "secret/..data")))
	require.NoError(t, os.Symlink("..data/password", filepath.Join(dir, "secret/password")))
	mounted = filepath.Join(filepath.Dir(filepath.Dir(mounted)), "password")
	linked := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(file("behind", "p", 0o620), linked))
	for _, c := range []struct {
		name            string
		env             map[string]string
		warning, advice string
	}{
		{name: "own", env: with("ESNAP_PASSWORD_FILE", file("own", "p", 0o600))},
		{name: "read-only", env: with("ESNAP_PASSWORD_FILE", file("ro", "p", 0o400))},
		{
			name:    "others write",
			env:     with("ESNAP_PASSWORD_FILE", file("w", "p", 0o606)),
			warning: "the password-file " + dir + "/w contains a secret, but other users may change it (mode 0606)",
		},
		{
			name:    "the group writes",
			env:     with("ESNAP_API_KEY_FILE", file("g", "p", 0o660)),
			warning: "the api-key-file " + dir + "/g contains a secret, but other users may change it",
		},
		{name: "behind a link", env: with("ESNAP_PASSWORD_FILE", linked), warning: "the password-file " + linked},
		{
			name:   "others read",
			env:    with("ESNAP_BEARER_TOKEN_FILE", file("r", "p", 0o644)),
			advice: "the bearer-token-file " + dir + "/r contains a secret, but other users may read it (mode 0644)",
		},
		{name: "the group reads", env: with("ESNAP_CLIENT_KEY", file("k", "p", 0o640)), advice: "the client-key " + dir + "/k"},
		{
			name:    "certificate and key in one file",
			env:     with("ESNAP_CLIENT_CERT", file("ck", "p", 0o666)),
			warning: "the client-cert " + dir + "/ck",
		},
		{name: "Kubernetes", env: with("ESNAP_PASSWORD_FILE", mounted)},
		{
			name:    "a client file with a password",
			env:     map[string]string{"ESNAP_CONFIG": file("c1", "client: {http_auth: 'u:p'}", 0o664)},
			warning: "the client file " + dir + "/c1",
		},
		{
			name:    "a password in its address",
			env:     map[string]string{"ESNAP_CONFIG": file("c2", "cluster: {url: 'https://u:p@x'}", 0o666)},
			warning: "the client file " + dir + "/c2",
		},
		{
			name:   "an API key in it",
			env:    map[string]string{"ESNAP_CONFIG": file("c3", "elasticsearch: {other_settings: {api_key: {id: a, api_key: b}}}", 0o644)},
			advice: "the client file " + dir + "/c3",
		},
		{name: "without a secret", env: map[string]string{"ESNAP_CONFIG": file("c4", "client: {hosts: x}", 0o666)}},
		{
			name: "the secret in a variable",
			env:  map[string]string{"ESNAP_CONFIG": file("c5", "client:\n  hosts: 127.0.0.1\n  http_auth: ${AUTH}\n", 0o666), "AUTH": "u:p"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustLoad(t, given{env: c.env})
			for want, got := range map[string][]string{"warning: " + c.warning: s.Warnings, "advice: " + c.advice: s.Advice()} {
				if strings.HasSuffix(want, ": ") {
					require.Empty(t, got)
				} else {
					_, text, _ := strings.Cut(want, ": ")
					require.Len(t, got, 1)
					require.Contains(t, got[0], text)
					require.Contains(t, got[0], "chmod 600")
				}
			}
		})
	}
}

// TestCredentialsOnAnOpenLine are advice where they leave this machine.
func TestCredentialsOnAnOpenLine(t *testing.T) {
	both := map[string]string{"ESNAP_USERNAME": "u", "ESNAP_PASSWORD": "geheim"}
	for _, c := range []struct {
		url, want string
		env       map[string]string
	}{
		{"http://es:9200", "the password is sent to es:9200 over http without encryption; use https", both},
		{"http://u:geheim@es:9200", "the password is sent to es:9200", nil},
		{"https://a:9200,http://b:9200", "the password is sent to b:9200", both},
		{"http://es:9200", "the API key is sent to es:9200", map[string]string{"ESNAP_API_KEY": "geheim"}},
		{"http://es:9200", "the bearer token is sent to es:9200", map[string]string{"ESNAP_BEARER_TOKEN": "geheim"}},
		{"http://es:9200", "", nil},
		{"https://es:9200", "", both},
		{"http://localhost:9200,http://127.0.0.9:9200,http://[::1]:9200", "", both},
	} {
		env := map[string]string{"ESNAP_URL": c.url}
		for k, v := range c.env {
			env[k] = v
		}
		s := mustLoad(t, given{env: env})
		require.Empty(t, s.Warnings, "not in each run")
		if c.want == "" {
			require.Empty(t, s.Advice(), c.url)
			continue
		}
		require.Len(t, s.Advice(), 1, c.url)
		require.Contains(t, s.Advice()[0], c.want)
		require.NotContains(t, s.Advice()[0], "geheim")
	}
}

func TestOpenLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := mustLoad(t, given{flags: []string{"--log-file", path}})
	w, done, err := s.OpenLog(nil)
	require.NoError(t, err)
	_, err = w.Write([]byte("x\n"))
	require.NoError(t, err)
	done()
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	var out bytes.Buffer
	w, done, err = mustLoad(t, given{env: map[string]string{"ESNAP_LOG_FILE": "-"}}).OpenLog(&out)
	require.NoError(t, err)
	require.Same(t, &out, w)
	done()
	w, _, err = mustLoad(t, given{}).OpenLog(&out)
	require.NoError(t, err)
	require.Nil(t, w)
	_, _, err = mustLoad(t, given{flags: []string{"--log-file", filepath.Join(path, "below")}}).OpenLog(&out)
	var wrong *Error
	require.ErrorAs(t, err, &wrong)
}
