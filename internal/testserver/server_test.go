package testserver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOptions(t *testing.T) {
	o, err := Options{Flavour: ES8197, TLS: true}.checked()
	require.NoError(t, err)
	require.Equal(t, 1, o.Nodes)
	require.True(t, o.Security, "TLS includes it")

	for want, o := range map[string]Options{
		"RepoRoots has 1 lists for 2 nodes":   {Flavour: ES670, Nodes: 2, RepoRoots: [][]string{{"a"}}},
		"RepoRoots of node 1 is empty":        {Flavour: ES670, Nodes: 2, RepoRoots: [][]string{{"a"}, {}}},
		"NodeSettings has 2 maps for 1 nodes": {Flavour: ES670, NodeSettings: make([]map[string]string, 2)},
	} {
		_, err := o.checked()
		require.EqualError(t, err, want)
	}
}

// cluster answers as a cluster of this version would when asked for it.
func cluster(t *testing.T, version string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.Path != "/_nodes/_local" || user != "u" || password != "p" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"nodes":{"x":{"version":%q}}}`, version)
	}))
	t.Cleanup(s.Close)
	t.Setenv("ESNAP_TEST_URL", s.URL+"/")
	t.Setenv("ESNAP_TEST_REPO", "/r")
	t.Setenv("ESNAP_TEST_USERNAME", "u")
	t.Setenv("ESNAP_TEST_PASSWORD", "p")
	t.Setenv("ESNAP_TEST_PROVIDER", "")
}

func TestGivenURL(t *testing.T) {
	cluster(t, "6.8.1")
	s, err := Start(t.Context(), Options{Flavour: ES670})
	require.NoError(t, err)
	require.Equal(t, "url", s.Provider)
	require.Equal(t, "/r", s.Repo)
	require.Equal(t, []string{s.URL}, s.NodeURLs())
	require.ErrorIs(t, s.StopNode(0), ErrUnavailable)
	require.NoError(t, s.Stop())
}

func TestGivenURLOfAnotherVersion(t *testing.T) {
	cluster(t, "2.19.0")
	t.Setenv("ESNAP_TEST_PROVIDER", "url")
	_, err := Start(t.Context(), Options{Flavour: ES670})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "is version 2.19.0")
	_, err = Start(t.Context(), Options{Flavour: OS2110, Nodes: 3})
	require.ErrorIs(t, err, ErrUnavailable)
}

func TestGivenURLThatDoesNotAnswer(t *testing.T) {
	cluster(t, "6.8.1")
	t.Setenv("ESNAP_TEST_PASSWORD", "wrong")
	_, err := Start(t.Context(), Options{Flavour: ES670})
	require.ErrorContains(t, err, "403")
	require.NotErrorIs(t, err, ErrUnavailable, "it was asked for")
}

func TestProviderNamedWrongly(t *testing.T) {
	t.Setenv("ESNAP_TEST_PROVIDER", "podman")
	_, err := Start(t.Context(), Options{Flavour: ES670})
	require.EqualError(t, err, "ESNAP_TEST_PROVIDER=podman: want url, docker or local")
}

func TestDockerDoesNotDoItAll(t *testing.T) {
	t.Setenv("ESNAP_TEST_PROVIDER", "docker")
	_, err := Start(t.Context(), Options{Flavour: ES670, Nodes: 3})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "not supported by the docker provider")
}

// judge is a testing.TB that notes what Shared does to the test.
type judge struct {
	testing.TB
	verdict string
}

func (j *judge) Skip(...any)  { j.verdict = "skip" }
func (j *judge) Fatal(...any) { j.verdict = "fail" }

func TestSharedSkipsOrFails(t *testing.T) {
	cluster(t, "2.19.0")
	t.Cleanup(StopShared)
	named := func(provider, required string) string {
		t.Setenv("ESNAP_TEST_PROVIDER", provider)
		t.Setenv("ESNAP_REQUIRE_SERVERS", required)
		j := &judge{TB: t}
		Shared(j, ES670)
		return j.verdict
	}
	require.Equal(t, "fail", named("url", ""), "a provider that was named")
	// From here on Shared gives the same result again, which is of a server that is not to be had.
	require.Equal(t, "skip", named("", ""))
	require.Equal(t, "fail", named("", "1"), "servers are required")
}
