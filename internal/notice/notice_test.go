package notice

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/strictyaml"
)

func decode(t *testing.T, text string) (Config, error) {
	t.Helper()
	p := &strictyaml.Problems{File: "f"}
	root := strictyaml.Parse([]byte(text), strictyaml.Options{}, p)
	require.NoError(t, p.Err())
	c := Decode(root, p)
	return c, p.Err()
}

const all = `
metrics:
  expected_interval: 1d
  textfile: /var/lib/node_exporter/esnap.prom
  pushgateway: {url: 'http://gateway:9091', username: u, password_file: /p}
  statsd: {address: '127.0.0.1:8125', tags: true}
notify:
  name: prod
  state: /var/lib/esnap
  ping: {url_file: /ping}
  webhooks:
    - {preset: slack, url_file: /slack}
    - {url: 'https://host/geheim', level: always, headers: {X-Team: a}, header_files: {Authorization: /token},
       body: '{"t": "${title}", "c": ${exit_code}}'}
  mail:
    - {to: [a@example.com, b@example.com], from: esnap@example.com, level: warning, host: smtp, username: u, password_file: /m}
    - {to: c@example.com, from: esnap@example.com, host: smtp, tls: tls}
`

func TestDecode(t *testing.T) {
	c, err := decode(t, all)
	require.NoError(t, err)
	require.Equal(t, 24*time.Hour, c.Metrics.ExpectedInterval)
	require.Equal(t, Statsd{"127.0.0.1:8125", "esnap", true}, *c.Metrics.Statsd)
	require.Equal(t, LevelError, c.Notify.Webhooks[0].Level)
	require.EqualValues(t, 587, c.Notify.Mail[0].Port)
	require.EqualValues(t, 465, c.Notify.Mail[1].Port)
	require.Equal(t, []string{"c@example.com"}, c.Notify.Mail[1].To)
	require.False(t, c.Empty())
	require.True(t, c.HasAddress())
	require.Len(t, c.SecretFiles(), 5)
	var shown strings.Builder
	for _, s := range c.Shown() {
		shown.WriteString(s[0] + " " + s[1] + "\n")
	}
	require.Contains(t, shown.String(), "notify.webhooks 2 https://host (level always)")
	require.NotContains(t, shown.String(), "geheim")

	none, err := decode(t, "metrics:\nnotify: {state: /x}")
	require.NoError(t, err)
	require.True(t, none.Empty())
}

// TestDecodeErrors: each is found, with its place, and no address is shown.
func TestDecodeErrors(t *testing.T) {
	for text, want := range map[string]string{
		"metrics: 1":                                                                        "f:1:10: expected a map, got a number",
		"metrics: {textfle: /x}":                                                            `"textfle"; did you mean textfile?`,
		"metrics: {textfile: /x/.a.prom}":                                                   "begins with a dot",
		"metrics: {pushgateway: {}}":                                                        "either url or url_file is required",
		"metrics: {pushgateway: 3}":                                                         "pushgateway: expected a map",
		"metrics: {pushgateway: {password: x}}":                                             `unknown key of pushgateway "password"`,
		"metrics: {statsd: {}}":                                                             `"address" is required`,
		"metrics: {statsd: {address: localhost}}":                                           "expected host:port",
		"metrics: {expected_interval: 5}":                                                   "invalid duration",
		"notify: {ping: {url: 'geheim'}}":                                                   "url: expected an address such as https://host/path",
		"notify: {ping: {url: 'https://u:geheim@h'}}":                                       "must not contain a user name",
		"notify: {ping: {url: 'https://h/geheim', url_file: /x}}":                           "either url or url_file",
		"notify: {webhooks: {url: x}}":                                                      "webhooks: expected a list",
		"notify: {webhooks: [{url: 'https://h/geheim', preset: slak}]}":                     "did you mean slack?",
		"notify: {webhooks: [{url: 'https://h/geheim', level: all}]}":                       "not one of error, warning, always",
		"notify: {webhooks: [{url: 'ftp://h/geheim'}]}":                                     "expected an address",
		"notify: {webhooks: [{url: 'https://h', headers: {authorization: Bearer geheim}}]}": "name the file in header_files",
		"notify: {webhooks: [{url: 'https://h', headers: {'a b': x}}]}":                     "cannot be set",
		"notify: {webhooks: [{url: 'https://h', headers: {a: 1}}]}":                         "must be text",
		"notify: {webhooks: [{url: 'https://h', secret_file: /x}]}":                         "only the presets dingtalk and feishu sign",
		"notify: {webhooks: [{url: 'https://h', preset: teams, body: '{}'}]}":               "a preset has its own body",
		"notify: {webhooks: [{url: 'https://h', body: '{\"a\": \"${titel}\"}'}]}":           "did you mean time or title?",
		"notify: {webhooks: [{url: 'https://h', body: '{\"a\": ${title}}'}]}":               "this is not JSON",
		"notify: {mail: {}}":                                                                "mail: expected a list",
		"notify: {mail: [{to: x, from: a@b, host: h}]}":                                     `invalid address "x"`,
		"notify: {mail: [{to: [], from: a@b, host: h}]}":                                    "must contain an address",
		"notify: {mail: [{to: a@b, host: h}]}":                                              `"from" is required`,
		"notify: {mail: [{to: a@b, from: a@b, host: h, username: u}]}":                      "must be given together",
		"notify: {mail: [{to: a@b, from: a@b, host: h, username: u, password: geheim}]}":    `unknown key of a mail "password"`,

		"notify: {mail: [{to: a@b, from: a@b, host: h, username: u, password_file: /x, tls: none}]}": "without encryption",
	} {
		_, err := decode(t, text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "geheim", text)
		require.Regexp(t, `^f:1:\d+: `, err.Error(), text)
	}
}

func TestFill(t *testing.T) {
	text := Fill(`a {"a": "${x}", "b": "$y {z}"}`, func(name string) string { return "<" + name + ">\"\n${x}\\" })
	require.Equal(t, `a {"a": "\u003cx\u003e\"\n${x}\\", "b": "$y {z}"}`, text)
}

// TestOver: a key of the action file replaces that of the client file, which is trusted.
func TestOver(t *testing.T) {
	client, err := decode(t, all)
	require.NoError(t, err)
	ours, err := decode(t, "metrics: {textfile: /mine.prom}\nnotify: {webhooks: [], ping: {url: 'https://x'}}")
	require.NoError(t, err)
	c := ours.Over(client)
	require.Equal(t, "/mine.prom", c.Metrics.Textfile)
	require.Equal(t, 24*time.Hour, c.Metrics.ExpectedInterval)
	require.True(t, c.Metrics.Pushgateway.Trusted)
	require.False(t, client.Metrics.Pushgateway.Trusted)
	require.Equal(t, "https://x", c.Notify.Ping.URL)
	require.False(t, c.Notify.Ping.Trusted)
	require.Empty(t, c.Notify.Webhooks)
	require.Len(t, c.Notify.Mail, 2)
	require.True(t, c.Notify.Mail[0].Trusted)

	one, err := decode(t, all)
	require.NoError(t, err)
	full := Config{}.Over(one)
	for _, part := range []any{full.Metrics, full.Notify} { // a new key must not be forgotten
		for v, i := reflect.ValueOf(part), 0; i < v.NumField(); i++ {
			require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
		}
	}
}
