package testserver

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlavours(t *testing.T) {
	require.Len(t, distributions, len(Flavours)+1, "all but ES6823X are in the matrix")
	require.NotContains(t, Flavours, ES6823X)
	for f, d := range distributions {
		t.Run(string(f), func(t *testing.T) {
			require.Regexp(t, `^\d\.\d+\.\d+$`, f.Version())
			require.Contains(t, f.Title(), f.Version())
			require.Regexp(t, `^org\.(elasticsearch|opensearch)\.distribution(\.integ-test)?[.-]zip:[a-z-]+:[0-9.]+:zip$`, d.artifact)
			require.GreaterOrEqual(t, d.javaMin, 17)
			require.Equal(t, f[:2] == "os", f.OpenSearch())
			require.Contains(t, f.image(), f.product())
		})
	}
	require.Equal(t, "Elasticsearch OSS 6.7.0", ES670.Title())
	require.Equal(t, "docker.elastic.co/elasticsearch/elasticsearch-oss:6.7.0", ES670.image())
	require.Equal(t, "opensearchproject/opensearch:3.3.0", OS330.image())
	require.Equal(t, "3", OS330.major())
}

func TestUnknownFlavour(t *testing.T) {
	require.Empty(t, Flavour("es1").Title())
	require.Empty(t, Flavour("es1").Version())
	_, err := Start(t.Context(), Options{Flavour: "es1"})
	require.EqualError(t, err, `unknown flavour "es1"`)
}
