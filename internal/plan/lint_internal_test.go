package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBeginnings(t *testing.T) {
	for pattern, want := range map[string][]string{
		"^p[ab]-":         {"pa-", "pb-"},
		"^logs-.*$":       {"logs-"},
		"^(app|db)-x.+":   {"app-x", "db-x"},
		"^a(b|c*)d":       {"ab", "a"},
		"^[a-z]+-":        {""},
		"^[Ll]ogs-.*$":    {"logs-"},
		"^x$":             {"x"},
		"logs-":           nil,
		`^(?P<n>a)-(?=b)`: nil,
		"^[a-p][0-9]logs": {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"},
	} {
		require.Equal(t, want, beginnings(pattern), pattern)
	}
}
