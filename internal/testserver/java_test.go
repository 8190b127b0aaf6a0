package testserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseJavaRelease(t *testing.T) {
	for text, want := range map[string]int{
		"IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.15\"\nJAVA_VERSION_DATE=\"2025-04-15\"\n": 17,
		"JAVA_VERSION=\"1.8.0_392\"\n": 8,
		"JAVA_VERSION=\"25\"\n":        25,
		"JAVA_VERSION=\"26-ea\"\n":     26,
		"JAVA_VERSION=21.0.1\n":        21,
	} {
		got, err := parseJavaRelease(strings.NewReader(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "IMPLEMENTOR=\"Debian\"\n", "JAVA_VERSION=\"\"\n", "JAVA_VERSION=\"x\"\n"} {
		_, err := parseJavaRelease(strings.NewReader(text))
		require.Error(t, err, text)
	}
}

// jdk makes a folder that looks like a JDK's home.
func jdk(t *testing.T, major int) string {
	t.Helper()
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "bin", "java"), nil, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "release"), fmt.Appendf(nil, "JAVA_VERSION=\"%d.0.1\"\n", major), 0o644))
	return home
}

func TestFindJava(t *testing.T) {
	old, middle, recent := jdk(t, 17), jdk(t, 19), jdk(t, 99)
	t.Setenv("JAVA_HOME", middle)
	t.Setenv("ESNAP_JAVA17_HOME", old)
	t.Setenv("ESNAP_JAVA21_HOME", recent)

	home, err := findJava(ES670)
	require.NoError(t, err)
	require.Equal(t, old, home)
	home, err = findJava(OS330)
	require.NoError(t, err)
	require.Equal(t, recent, home)

	t.Setenv("ESNAP_JAVA17_HOME", middle)
	_, err = findJava(ES670)
	require.NotErrorIs(t, err, ErrUnavailable, "a JDK that was named is not passed over")
	require.ErrorContains(t, err, "is Java 19; Elasticsearch OSS 6.7.0 needs a JDK 17")

	t.Setenv("ESNAP_JAVA17_HOME", "")
	t.Setenv("JAVA_HOME", old)
	home, err = findJava(ES670)
	require.NoError(t, err)
	require.Equal(t, old, home)
}
