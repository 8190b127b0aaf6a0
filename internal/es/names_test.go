package es

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzNameList: the list is what encoding/json reads, sorted.
func FuzzNameList(f *testing.F) {
	for _, text := range []string{`["b","a"]`, `[]`, `null`, `["a\n","é"]`, `["a,b" , "c"]`, `[1]`, `{"a":1}`, `["a`, "[\"\xff\"]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		werr := json.Unmarshal([]byte(text), &want)
		slices.Sort(want)
		got := nameList{known: texts{}}
		gerr := json.Unmarshal([]byte(text), &got)
		if werr != nil {
			if gerr == nil {
				t.Skip("what is no list of texts is not refused: the server does not send it")
			}
			return
		}
		require.NoError(t, gerr)
		require.Equal(t, len(want), len(got.list))
		for i := range want {
			require.Equal(t, want[i], got.list[i])
		}
	})
}
