package es

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPlusInNames: Elasticsearch 6 reads a + in a path as a blank. Then an index called a+b
// seems to be gone: a night that should delete it says so, and ends with 0.
func TestPlusInNames(t *testing.T) {
	require.Equal(t, "a%2Bb", esc("a+b"))
	require.Equal(t, []string{"a%2Bb", "c%20d%2Fe"}, escAll([]string{"a+b", "c d/e"}))
	for _, url := range []string{"http://es:9200", "http://es:9200/grüße"} { // also behind a path
		var lines []string
		c, err := New(Options{URLs: []string{url}, Transport: recorded(func(r *http.Request) {
			lines = append(lines, r.URL.RequestURI())
		})})
		require.NoError(t, err)
		_, _ = c.Repository(context.Background(), "a+b")
		require.Len(t, lines, 1)
		require.True(t, strings.HasSuffix(lines[0], "/_snapshot/a%2Bb"), lines[0])
	}
}

// recorded answers everything with nothing.
type recorded func(*http.Request)

func (f recorded) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return &http.Response{StatusCode: 404, Body: io.NopCloser(strings.NewReader("{}")), Header: http.Header{}}, nil
}
