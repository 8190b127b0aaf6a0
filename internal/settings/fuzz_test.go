package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzClientFile: any client file is read, or is an error; no secret in it is shown.
func FuzzClientFile(f *testing.F) {
	for _, text := range []string{
		"cluster: {url: 'https://es:9200', username: u, password: hunter22hunter22, timeout: 5s}\nholds: [{snapshots: [a*], " +
			"until: 2031-12-31, reason: law}]\nhistory: true\n",
		"client:\n  hosts: [a, b]\n  port: 9200\n  use_ssl: True\n  http_auth: u:hunter22hunter22\n  timeout: 30\nlogging:\n" +
			"  loglevel: INFO\n  logfile:\n  blacklist: ['elasticsearch']\n",
		"elasticsearch:\n  client:\n    hosts: https://u:hunter22hunter22@a:9200\n    cloud_id: 'x:ZXMuaW8kYSRi'\n" +
			"  other_settings:\n    api_key: {id: i, api_key: k}\n",
		"cluster: {url: [a, b]}\nmetrics: {file: x}\nnotify: [{ping: 'http://x'}]\n",
		"holds: 1", "client: []", "elasticsearch: {other_settings: []}", "url: '${X:y}'", "- a", "",
	} {
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), "client.yml")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") || strings.Contains(text, "dev") {
			t.Skip("reads another file")
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Load(nil, func(name string) (string, bool) {
			v, ok := map[string]string{"HOME": "/nowhere", "ESNAP_CONFIG": file}[name]
			return v, ok
		})
		if err != nil {
			return
		}
		_, _, _ = s.ClientFile(), s.Advice(), s.Holds
		for _, x := range s.Show() {
			for _, secret := range []string{s.Password, s.BearerToken} {
				if len(secret) > 12 && strings.Contains(x.Value, secret) && !strings.Contains(strings.Replace(text, secret, "", 1), secret) {
					t.Fatalf("%s shows a secret: %q", x.Key, x.Value)
				}
			}
		}
		if len(s.Password) > 12 && strings.Contains(s.Redact("is "+s.Password), s.Password) {
			t.Fatalf("the password %q is not masked", s.Password)
		}
	})
}
