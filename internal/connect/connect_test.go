package connect

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/es"
	"github.com/esnap/esnap/internal/settings"
)

// TestCheckVariables: a misspelt setting is an error, any other variable of esnap's
// that nothing reads is a warning.
func TestCheckVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.yml")
	require.NoError(t, os.WriteFile(file, []byte("cluster: {username: '${ESNAP_USERNAM:x}'}"), 0o600))
	s, err := settings.Load(nil, func(name string) (string, bool) { return file, name == "ESNAP_CONFIG" })
	require.NoError(t, err)
	s.Lookup("ESNAP_BACKUP_LOCATION") // as an action file does
	for _, c := range []struct{ pair, near, warning string }{
		{pair: "ESNAP_DRY_RUN=1"}, {pair: "ESNAP_CONFIG=x"}, {pair: "ESNAP_PASSWORD_FILE=x"}, {pair: "PATH=/"}, {pair: "ESNAP=1"},
		{pair: "ESNAP_USERNAM=x"}, {pair: "ESNAP_BACKUP_LOCATION=/x"},
		{pair: "ESNAP_PORT=tcp://10.0.0.1:9200"}, {pair: "ESNAP_PORT_9200_TCP_ADDR=10.0.0.1"},
		{pair: "ESNAP_SERVICE_HOST=10.0.0.1"}, {pair: "ESNAP_TEST_URL=x"},
		{pair: "ESNAP_DRYRUN=1", near: "ESNAP_DRY_RUN"},
		{pair: "ESNAP_DRY-RUN=1", near: "ESNAP_DRY_RUN"}, {pair: "ESNAP_dry_run=1", near: "ESNAP_DRY_RUN"},
		{pair: "ESNAP_DRYRUN=", near: "ESNAP_DRY_RUN"}, {pair: "ESNAP_GUARD=off", near: "ESNAP_GUARDS"},
		{pair: "ESNAP_PASSWORDFILE=x", near: "ESNAP_PASSWORD_FILE"},
		{pair: "ESNAPDRYRUN=1", near: "ESNAP_DRY_RUN"},
		{pair: "esnap_dry_run=1", near: "ESNAP_DRY_RUN"}, {pair: "ESNAP_DRY=1", near: "ESNAP_DRY_RUN"},
		{pair: "ESNAPSHOT_HOME=/x"}, {pair: "esnap_name=x"},
		{pair: "ESNAP_DEADLINES=2h", near: "ESNAP_DEADLINE"},
		{pair: "ESNAP_NAMESPACE=logging", warning: "ESNAP_NAMESPACE"}, {pair: "ESNAP_JAVA17_HOME=/j", warning: "ESNAP_JAVA17_HOME"},
	} {
		warnings, err := CheckVariables(s, []string{"HOME=/", c.pair})
		switch {
		case c.near != "":
			var wrong *settings.Error
			require.ErrorAs(t, err, &wrong, c.pair)
			require.Equal(t, "did you mean "+c.near+"?", wrong.Hint)
		case c.warning != "":
			require.NoError(t, err, c.pair)
			require.Equal(t, []string{"the environment variable " + c.warning + " is not a setting of esnap, and no file uses it"}, warnings)
		default:
			require.NoError(t, err, c.pair)
			require.Empty(t, warnings, c.pair)
		}
	}
}

// TestAdviceOnRefusedCredentials: the key of a client file of Curator 5 is sent, and
// Elasticsearch does not read it.
func TestAdviceOnRefusedCredentials(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-api-key") != "geheim" {
			t.Error("the key is not sent")
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "client.yml")
	require.NoError(t, os.WriteFile(file, []byte("client: {hosts: '"+server.URL+"', api_key: geheim}"), 0o600))
	s, err := settings.Load(nil, func(name string) (string, bool) { return file, name == "ESNAP_CONFIG" })
	require.NoError(t, err)
	cl, err := es.New(Options(s, "test", Purpose{}))
	require.NoError(t, err)
	_, err = cl.Server(t.Context())
	require.ErrorIs(t, err, cluster.ErrUnauthorized)
	require.Equal(t, settings.UnreadKeyAdvice, cluster.Hint(err))
}
