package esnap_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The binary stays small: people copy it into pods and images. What it weighs depends
// on the linker's dead-code elimination, which one call of a method by a name that is
// not constant switches off, for all types: it was 4.5 MB. text/template makes such
// calls; cobra's Set…Template functions lead to it.
func TestWeight(t *testing.T) {
	file := filepath.Join(t.TempDir(), "esnap")
	// -gcflags=-e changes nothing but the key in go's cache: under that of a usual build,
	// go would print the linker's list at the next one.
	build := exec.Command("go", "build", "-trimpath", "-tags", "nethttpomithttp2", "-buildvcs=false", "-gcflags=-e",
		"-ldflags", "-s -w -funcalign=16 -dumpdep", "-o", file, "./cmd/esnap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	var links bytes.Buffer
	build.Stderr = &links // "from -> to", of all that is kept
	require.NoError(t, build.Run(), "%.1000s", &links)

	byName := map[string]string{} // functions that call methods by name, and what they are kept for
	count := 0
	for lines := bufio.NewScanner(&links); lines.Scan(); {
		from, to, is := strings.Cut(lines.Text(), " -> ")
		if !is {
			continue
		}
		count++
		if strings.Contains(to, "<ReflectMethod>") {
			byName[to] = from
		}
		require.NotContains(t, to, "template.(*Template).Execute", "kept for %s", from)
	}
	require.Greater(t, count, 10_000, "the linker lists what it keeps")
	require.Empty(t, byName, "dead-code elimination is off")

	st, err := os.Stat(file)
	require.NoError(t, err)
	t.Logf("%d bytes", st.Size())
	require.Less(t, st.Size(), int64(16_000_000))
}
