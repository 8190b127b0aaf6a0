//go:build integration

package integration

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/testserver"
)

// unreachable is an address at which nothing answers.
func unreachable(e *env) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(e, err)
	require.NoError(e, l.Close())
	return "http://" + l.Addr().String()
}

// TestBadInput gives esnap what it cannot obey: each has its exit code, and nothing
// is written.
func TestBadInput(t *testing.T) {
	cases := []struct {
		name, file string
		code       int
		says       string // in the report or on stderr
		sent       bool   // reading requests are sent
	}{
		{"unknown key", `
actions:
  1:
    action: delete_indices
    options: {ignore_emty_list: true}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
`, 2, "ignore_empty_list", false},
		{"bad date format", `
actions:
  1:
    action: delete_indices
    filters:
      - {filtertype: pattern, kind: prefix, value: PREFIX}
      - {filtertype: age, source: name, direction: older, timestring: 'YYYY.MM.DD', unit: days, unit_count: 1}
`, 2, "YYYY.MM.DD", false},
		{"missing repository", `
actions:
  1:
    action: snapshot
    options: {repository: PREFIXnone, name: x}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
`, 1, "PREFIXnone", true},
		{"empty selection", `
actions:
  1:
    action: delete_indices
    filters: [{filtertype: pattern, kind: prefix, value: PREFIXnothing}]
`, 1, "ignore_empty_list", true},
		{"wrong type", `
actions:
  1:
    action: delete_indices
    filters:
      - {filtertype: pattern, kind: prefix, value: PREFIX}
      - {filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: many}
`, 2, "unit_count", false},
		{"list where a boolean belongs", `
actions:
  1:
    action: delete_indices
    options: {ignore_empty_list: [true]}
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
`, 2, "ignore_empty_list", false},
		{"a second action is wrong", `
actions:
  1:
    action: delete_indices
    filters: [{filtertype: pattern, kind: prefix, value: PREFIX}]
  2:
    action: delete_indexes
    filters: [{filtertype: none}]
`, 2, "delete_indices", false},
	}
	forEachServer(t, func(e *env) {
		e.fill(20, map[string]int{e.prefix + "2020.01.01": 1})
		before := e.uuids()
		for _, c := range cases {
			file := filepath.Join(e.dir, "bad.yml")
			writeFile(e, file, e.text(c.file))
			stdout, stderr := e.want(c.code, "run", file)
			require.Contains(e, stdout+stderr, e.text(c.says), c.name)
			require.Empty(e, e.writes(), c.name)
			require.Equal(e, c.sent, len(e.requests) > 0, c.name)
			if c.code == 2 {
				require.Contains(e, stderr, "bad.yml:", "%s has a place", c.name)
			}
		}
		require.Equal(e, before, e.uuids())

		file := filepath.Join(e.dir, "good.yml")
		writeFile(e, file, e.text("actions:\n  1:\n    action: delete_indices\n    filters: [{filtertype: pattern, "+
			"kind: prefix, value: PREFIX}]\n"))
		e.vars["ESNAP_URL"] = unreachable(e)
		stdout, stderr := e.want(3, "run", file, "--connect-timeout", "1s")
		require.Contains(e, stdout+stderr, "refused")
		require.Empty(e, e.writes())
		for _, args := range [][]string{
			{"snapshot", "list"},
			{"index", "delete", e.prefix + "*", "--yes"},
			{"restore", "x", "--yes"},
			{"repository", "list"},
			{"status"},
		} {
			e.want(3, append(args, "--connect-timeout", "1s")...)
			require.Empty(e, e.writes())
		}
		require.Equal(e, before, e.uuids())
	})
}

// TestSecurity goes to a server that asks for https and a password. Without a list
// of flavours it starts one that can.
func TestSecurity(t *testing.T) {
	list := flavours()
	if os.Getenv("ESNAP_TEST_FLAVOURS") == "" {
		list = []testserver.Flavour{testserver.ES71728}
	}
	if p := os.Getenv("ESNAP_TEST_PROVIDER"); os.Getenv("ESNAP_TEST_URL") != "" || p != "" && p != "local" {
		t.Skip("not applicable: only the local provider switches security on")
	}
	for _, f := range list {
		t.Run(string(f), func(t *testing.T) {
			if !f.Security() {
				t.Skipf("not applicable: the distribution of %s has no security", f.Title())
			}
			server, err := testserver.Start(t.Context(), testserver.Options{Flavour: f, TLS: true})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			secured(newEnv(t, f, server))
		})
	}
}

func secured(e *env) {
	index, repository := e.prefix+"a-2026.01.02", e.prefix+"repo"
	e.fill(20, map[string]int{index: 3})

	// Everything right.
	e.want(0, "repository", "register", repository, "fs", "location="+e.location("repo"))
	e.want(0, "snapshot", "create", repository, index, "--name", "one")
	require.Equal(e, "SUCCESS", e.snapshots(repository)["one"].State)
	e.want(0, "index", "delete", index, "--yes")
	e.want(0, "restore", index, "--yes")
	require.Equal(e, 3, e.count(index))

	commands := [][]string{
		{"snapshot", "list"},
		{"snapshot", "create", repository, index, "--name", "two"},
		{"index", "delete", index, "--yes", "--guards", "off"},
		{"restore", index, "--yes"},
	}
	refused := func(what string, vars map[string]string, says ...string) {
		e.Helper()
		old := map[string]string{}
		for k, v := range vars {
			old[k], e.vars[k] = e.vars[k], v
		}
		for _, args := range commands {
			stdout, stderr := e.want(3, append(slices.Clone(args), "--connect-timeout", "1s")...)
			for _, s := range says {
				require.Regexp(e, s, stdout+stderr, what)
			}
			require.NotContains(e, stdout+stderr, "guess-work", "%s: the password is not shown", what)
			require.Empty(e, e.writes(), what)
		}
		for k, v := range old {
			e.vars[k] = v
		}
	}
	refused("wrong password", map[string]string{"ESNAP_PASSWORD": "guess-work"}, `401|unable to authenticate|credentials`, `hint: `)
	refused("no password", map[string]string{"ESNAP_PASSWORD": "", "ESNAP_USERNAME": ""}, `401|missing authentication|credentials`, `hint: `)
	refused("no authority", map[string]string{"ESNAP_CA_FILE": ""}, `certificate`, `hint: .*(CA|ca-file|authority)`)
	refused("http instead of https", map[string]string{"ESNAP_URL": "http" + e.server.URL[len("https"):]})

	other := filepath.Join(e.dir, "other.pem")
	writeFile(e, other, otherAuthority)
	refused("wrong authority", map[string]string{"ESNAP_CA_FILE": other}, `certificate`, `hint: .*(CA|ca-file|authority)`)
	e.want(0, "snapshot", "list", "--insecure")
	require.Equal(e, 3, e.count(index))
	require.Len(e, e.snapshots(repository), 1)
}

// otherAuthority is the certificate of an authority that signed nothing.
const otherAuthority = `-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUHl12fkPZQLjiDLW73Ffw4F6UGHkwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTIxMDUxMDE0WhgP
MjEyNjEwMjgwNTEwMTRaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEg9VvQJA/PNHu/hgIUPkRCM+Wb7nPX970
YHON+cF6udFDI3t299NyWbQoLNvYW8+rGMaol0Ns0L5iLDDOPddhXqNTMFEwHQYD
VR0OBBYEFP9UPyUKWP93maQaLSxnUCLpKeHZMB8GA1UdIwQYMBaAFP9UPyUKWP93
maQaLSxnUCLpKeHZMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
HSvtDSbBxMiR7MfQNP6/8BVJiifpOZQKDqdSfG1yEvMCIQDTaLiFcnCh8LaXfh8C
Ne23I2JjxFj6qNfenqwBnuzZzg==
-----END CERTIFICATE-----
`
