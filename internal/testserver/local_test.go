package testserver

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreePorts(t *testing.T) {
	ports, err := freePorts(10)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, port := range ports {
		require.False(t, seen[port], "port %d twice", port)
		seen[port] = true
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	}
}

func TestYAMLFile(t *testing.T) {
	require.Equal(t, "a: [\"x\",\"y\"]\nb: false\n", string(yamlFile(map[string]string{
		"b": "false",
		"a": yamlList([]string{"x", "y"}),
	})))
}

func TestRemoveAbandoned(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	inUse, lock, err := newServerDir()
	require.NoError(t, err)
	defer lock.Close()
	abandoned, gone, err := newServerDir()
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	unknown := filepath.Join(os.TempDir(), "esnap-server-x")
	require.NoError(t, os.Mkdir(unknown, 0o755))

	removeAbandoned()
	require.DirExists(t, inUse)
	require.NoDirExists(t, abandoned)
	require.DirExists(t, unknown, "without a lock it is not one of ours")
}

func TestEnterable(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	open := filepath.Join(closed, "open")
	require.NoError(t, os.MkdirAll(open, 0o755))
	require.NoError(t, os.Chmod(closed, 0o700))
	require.ErrorContains(t, enterable(open), "cannot enter "+closed+": set TMPDIR")
}

func TestSettingsOfSeveralNodes(t *testing.T) {
	for f, want := range map[Flavour]string{
		ES6823: "discovery.zen.minimum_master_nodes",
		ES8197: "cluster.initial_master_nodes",
		OS1320: "cluster.initial_master_nodes",
		OS330:  "cluster.initial_cluster_manager_nodes",
	} {
		n := &node{name: "n0"}
		l := &local{Options: Options{Flavour: f, Nodes: 3}, nodes: []*node{n, {name: "n1"}, {name: "n2"}}}
		require.Contains(t, l.settings(n), want, f)
		require.NotContains(t, l.settings(n), "discovery.type", f)
	}
}
