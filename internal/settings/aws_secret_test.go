package settings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestKeysOfAWSAreSecrets: they sign esnap's own requests, so no action file may send them
// elsewhere.
func TestKeysOfAWSAreSecrets(t *testing.T) {
	s := mustLoad(t, given{})
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		require.True(t, s.Secret(name), name)
	}
}
