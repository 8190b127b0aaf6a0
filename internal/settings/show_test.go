package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSourcesAreThoseOfTheValues: what is in effect and where it comes from are one
// decision; what is given and not in effect is not shown.
func TestSourcesAreThoseOfTheValues(t *testing.T) {
	pw := filepath.Join(t.TempDir(), "pw")
	require.NoError(t, os.WriteFile(pw, []byte("geheim"), 0o600))
	const unset = "-"
	for name, c := range map[string]struct {
		g    given
		want map[string][2]string // value and source, by key
	}{
		"a secret's file over its value": {
			given{flags: []string{"--password-file", pw}, env: map[string]string{"ESNAP_USERNAME": "u", "ESNAP_PASSWORD": "x"}},
			map[string][2]string{"password": {"***", "flag --password-file, password-file"}, "password-file": {pw, "flag --password-file"}},
		},
		"a secret's value over its file": {
			given{env: map[string]string{"ESNAP_USERNAME": "u", "ESNAP_PASSWORD": "x"}, file: "cluster: {password_file: " + pw + "}"},
			map[string][2]string{"password": {"***", "environment ESNAP_PASSWORD"}, "password-file": {unset}},
		},
		"a file alone": {given{env: map[string]string{"ESNAP_API_KEY_FILE": pw}},
			map[string][2]string{"api-key": {"***", "environment ESNAP_API_KEY_FILE, api-key-file"}}},
		"defaults of Curator 5's form are defaults": {given{file: "client: {use_ssl: }\n"},
			map[string][2]string{"url": {DefaultURL, "default"}, "timeout": {"30s", "default"}, "insecure": {"false", "default"}}},
		"Curator 5's keys": {given{file: "client: {port: 9201, timeout: 60, ssl_no_validate: false, http_auth: 'u:p', master_only: true}"},
			map[string][2]string{
				"url":         {"http://127.0.0.1:9201", "file client.yml"},
				"timeout":     {"60s", "file client.yml"},
				"insecure":    {"false", "file client.yml"},
				"username":    {"u", "file client.yml"},
				"password":    {"***", "file client.yml"},
				"master_only": {"true", "file client.yml"},
			}},
		"Curator 5's key": {
			given{file: "client: {api_key: geheim}"},
			map[string][2]string{"api_key": {"*** (sent as the header x-api-key)", "file client.yml"}, "api-key": {unset}},
		},
		"Amazon": {given{file: "client: {aws_key: k, aws_secret_key: geheim, aws_region: r}"},
			map[string][2]string{
				"aws_region":     {"r", "file client.yml"},
				"aws_key":        {"***", "file client.yml"},
				"aws_secret_key": {"***", "file client.yml"},
				"aws_token":      {unset},
			}},
		"Amazon without a key": {given{file: "client: {aws_sign_request: true, aws_region: r}"},
			map[string][2]string{"aws credentials": {"***", "environment, as Amazon's tools find them"}, "aws_key": {unset}}},
		"Curator 8's keys": {
			given{file: "elasticsearch:\n  client: {hosts: 'https://x:9200', verify_certs: true, request_timeout: 5, opaque_id: o, " +
				"headers: {Authorization: geheim}, ssl_assert_fingerprint: aa}\n  other_settings: {master_only: false}"},
			map[string][2]string{
				"url":                    {"https://x:9200", "file client.yml"},
				"insecure":               {"false", "file client.yml"},
				"timeout":                {"5s", "file client.yml"},
				"opaque_id":              {"o", "file client.yml"},
				"header Authorization":   {"***", "file client.yml"},
				"ssl_assert_fingerprint": {"aa", "file client.yml"},
				"master_only":            {"false", "file client.yml"},
			},
		},
		"a variable that the file names": {
			given{file: "client:\n  hosts: ${HOST}\n  http_auth: ${AUTH}\n", env: map[string]string{"HOST": "es", "AUTH": "u:geheim"}},
			map[string][2]string{"url": {"http://es:9200", "file client.yml, variable HOST"}, "password": {"***", "file client.yml, variable AUTH"}},
		},
		"the own form's variables": {given{file: "cluster: {url: 'https://${HOST}:9200', insecure: false}", env: map[string]string{"HOST": "es"}},
			map[string][2]string{"url": {"https://es:9200", unset}, "insecure": {"false", "file client.yml"}}},
		"credentials of the address": {
			given{env: map[string]string{"ESNAP_URL": "https://v:geheim@es", "ESNAP_USERNAME": "u", "ESNAP_PASSWORD": "p"}},
			map[string][2]string{"url": {"https://***@es", "environment ESNAP_URL"}, "username": {unset}, "password": {unset}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustLoad(t, c.g)
			for key, want := range c.want {
				got := shown(s, key)
				if want[0] == unset {
					require.Empty(t, got, key)
					continue
				}
				require.Equal(t, want[0], got.Value, key)
				if want[1] != unset {
					require.Equal(t, want[1], got.Source, key)
				}
				require.NotContains(t, got.Value, "geheim")
			}
		})
	}
	require.Equal(t, []Shown{{"config", "client.yml", "environment ESNAP_CONFIG"}},
		mustLoad(t, given{file: "client: {hosts: x}"}).ClientFile())
	require.Empty(t, mustLoad(t, given{}).ClientFile())
}

// TestCurator5sKey is sent as Curator 5 does it, and said to be unread.
func TestCurator5sKey(t *testing.T) {
	s := mustLoad(t, given{file: "client: {api_key: geheim}"})
	require.Equal(t, "geheim", s.Header.Get("x-api-key"))
	require.Equal(t, []string{"client.yml:1:19: " + UnreadKeyAdvice}, s.Warnings)
	require.Contains(t, UnreadKeyAdvice, "ESNAP_API_KEY")
	require.True(t, s.UnreadKey())
	require.False(t, mustLoad(t, given{file: "client: {api_key: geheim}", env: map[string]string{"ESNAP_API_KEY": "a:b"}}).UnreadKey())
	require.False(t, mustLoad(t, given{}).UnreadKey())
}
