package near

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDidYouMean(t *testing.T) {
	nightly := []string{
		"nightly-2026.11.01", "nightly-2026.11.02", "nightly-2026.11.03", "nightly-2026.11.12", "weekly", "nightly-2026.11.01", "CamelCase",
	}
	for name, want := range map[string]string{
		"nightly-2026.11.04": "did you mean nightly-2026.11.01, nightly-2026.11.02 or nightly-2026.11.03?", // three at most, each once
		"nigtly-2026.11.12":  "did you mean nightly-2026.11.12?",                                           // the nearest only
		"weekley":            "did you mean weekly?",
		"WEEKLY":             "did you mean weekly?",
		"camelcase":          "did you mean CamelCase?",
		"nightly-2025.*":     "did you mean nightly-2026.11.01, nightly-2026.11.02 or nightly-2026.11.03?",
		"*-2026.11.21":       "did you mean nightly-2026.11.01?",
		"wee*x":              "did you mean weekly?",
		"x-*":                "",
		"monthly":            "",
		"":                   "",
	} {
		require.Equal(t, want, DidYouMean(name, nightly), name)
	}
	keys := []string{"unit_count", "unit", "timestring", "exclude"}
	for name, want := range map[string]string{
		"unitcount": "unit_count", "UNIT": "unit", "exlcude": "exclude", "time_string": "timestring", "repository": "", "excludes_unit": "",
	} {
		if want != "" {
			want = "did you mean " + want + "?"
		}
		require.Equal(t, want, DidYouMean(name, keys), name)
	}
	require.Empty(t, DidYouMean("x", nil))
	require.Empty(t, Question())
	require.Equal(t, "did you mean a or b?", Question("a", "b"))
}
