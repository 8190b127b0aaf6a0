//go:build integration

package testserver

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	code := m.Run()
	StopShared()
	os.Exit(code)
}

// start starts a local server and stops it when the test ends. Everything it makes is in a folder of the test.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	t.Setenv("ESNAP_TEST_PROVIDER", "local")
	o.Log = testLog{t}
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

// request sends a request to a node and returns the status and the body of the reply.
func request(t *testing.T, s *Server, method, url, body string) (int, string) {
	t.Helper()
	c, err := s.client()
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if s.Username != "" {
		req.SetBasicAuth(s.Username, s.Password)
	}
	res, err := c.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(reply)
}

// register registers a shared-folder repository at location, which verifies it on all nodes.
func register(t *testing.T, s *Server, name, location string) (int, string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"type": "fs", "settings": map[string]string{"location": location}})
	require.NoError(t, err)
	return request(t, s, http.MethodPut, s.URL+"/_snapshot/"+name, string(body))
}

// processesOf lists the processes whose command line names the folder.
func processesOf(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-A", "-o", "pid=,args=").Output()
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

func TestNothingIsLeft(t *testing.T) {
	for _, f := range []Flavour{ES670, OS2110} {
		t.Run(string(f), func(t *testing.T) {
			s := start(t, Options{Flavour: f})
			status, body := request(t, s, http.MethodGet, s.URL+"/_cluster/health", "")
			require.Equal(t, http.StatusOK, status, body)
			status, body = register(t, s, "r", filepath.Join(s.Repo, t.Name()))
			require.Equal(t, http.StatusOK, status, body)

			dir := filepath.Dir(s.Repo)
			require.DirExists(t, dir)
			require.NotEmpty(t, processesOf(t, dir))
			require.NoError(t, s.Stop())
			require.NoDirExists(t, dir)
			require.Empty(t, processesOf(t, dir))
			require.NoError(t, s.Stop(), "stopping again does nothing")
		})
	}
}

func TestOwnSettingsWin(t *testing.T) {
	s := start(t, Options{Flavour: OS2110, HeapMB: 256, Settings: map[string]string{
		"cluster.routing.allocation.disk.threshold_enabled": "true",
		"node.attr.where": "here",
	}})
	status, body := request(t, s, http.MethodGet, s.URL+"/_nodes/_local/settings?flat_settings=true", "")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"cluster.routing.allocation.disk.threshold_enabled":"true"`)
	require.Contains(t, body, `"node.attr.where":"here"`)
}

func TestFailureQuotesTheLog(t *testing.T) {
	t.Setenv("ESNAP_TEST_PROVIDER", "local")
	s, err := Start(t.Context(), Options{Flavour: ES670, HeapMB: 256, Settings: map[string]string{"no.such.setting": "1"}})
	require.Nil(t, s)
	require.NotErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "es670: provider local: node n0 ended: exit status 1")
	require.ErrorContains(t, err, "unknown setting [no.such.setting]")
}

// TestThreeNodes holds what Options.RepoRoots promises: what a repository meets when one node does not see the folder
// of the others. The third node cannot be the master, because a master whose path.repo does not have the location
// refuses it by itself: 500 repository_exception, "location [...] doesn't match any of the locations specified by
// path.repo". As it is, both replies are 500 repository_verification_exception.
func TestThreeNodes(t *testing.T) {
	s := start(t, Options{
		Flavour: ES670, Nodes: 3, HeapMB: 256,
		RepoRoots:    [][]string{{"a"}, {"a"}, {"b"}},
		NodeSettings: []map[string]string{{}, {}, {"node.master": "false"}},
	})
	require.Len(t, s.NodeURLs(), 3)
	require.Equal(t, s.RepoPaths[0], s.RepoPaths[1])
	require.NotEqual(t, s.RepoPaths[0], s.RepoPaths[2])

	status, body := register(t, s, "absolute", filepath.Join(s.Repo, "absolute"))
	require.Equal(t, http.StatusInternalServerError, status, body)
	require.Contains(t, body, "repository_verification_exception")
	require.Contains(t, body, "RemoteTransportException[[n2]")
	require.Contains(t, body, "RepositoryMissingException[[absolute] missing]")

	status, body = register(t, s, "relative", "relative")
	require.Equal(t, http.StatusInternalServerError, status, body)
	require.Contains(t, body, "repository_verification_exception")
	require.Contains(t, body,
		"a file written by master to the store ["+s.RepoPaths[2]+"/relative] cannot be accessed on the node [{n2}")

	status, body = request(t, s, http.MethodGet, s.URL+"/_snapshot/relative", "")
	require.Equal(t, http.StatusOK, status, "registered all the same: "+body)

	require.NoError(t, s.StopNode(2))
	status, body = request(t, s, http.MethodGet, s.URL+"/_cluster/health?wait_for_nodes=2&timeout=60s", "")
	require.Equal(t, http.StatusOK, status, body)
	status, body = register(t, s, "absolute", filepath.Join(s.Repo, "absolute"))
	require.Equal(t, http.StatusOK, status, "the nodes that are left all see the folder: "+body)
}

func TestSecurity(t *testing.T) {
	for _, f := range []Flavour{ES6823X, ES71728, ES8197, ES920} {
		t.Run(string(f), func(t *testing.T) {
			s := start(t, Options{Flavour: f, TLS: true})
			require.True(t, strings.HasPrefix(s.URL, "https://"), s.URL)
			status, body := register(t, s, "r", filepath.Join(s.Repo, "r"))
			require.Equal(t, http.StatusOK, status, body)

			anonymous := *s
			anonymous.Username = ""
			status, body = request(t, &anonymous, http.MethodGet, s.URL+"/_cluster/health", "")
			require.Equal(t, http.StatusUnauthorized, status, body)

			_, err := http.Get(s.URL) // without the authority
			require.ErrorContains(t, err, "certificate signed by unknown authority")
		})
	}
}

func TestShared(t *testing.T) {
	t.Setenv("ESNAP_TEST_PROVIDER", "local")
	s := Shared(t, OS1320)
	require.Same(t, s, Shared(t, OS1320))
	require.Equal(t, OS1320, s.Flavour)
	require.Equal(t, "local", s.Provider)
	StopShared()
	require.NoDirExists(t, filepath.Dir(s.Repo))
}
