package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/job"
)

// readNames reads names and wildcard patterns, one a line, from a file, or from in for -.
// Blank lines and lines that begin with # are skipped. written says where each name is.
// The error lists every name that cannot be that of an index.
func readNames(in io.Reader, file string) (names []string, written map[string]string, err error) {
	data, err := job.ReadFile(in, file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, nil, usagef("--from-file: cannot read %s: %s", file, err)
	}
	written = map[string]string{}
	var bad []string
	text := strings.TrimPrefix(string(data), "\ufeff")
	n := 0
	for line := range strings.Lines(text) {
		n++
		name := strings.TrimSpace(line)
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		at := fmt.Sprintf("%s:%d", job.FileName(file), n)
		literal := strings.ReplaceAll(strings.TrimPrefix(name, "-"), "*", "x")
		if why := cluster.InvalidName("index", literal); why != "" {
			bad = append(bad, fmt.Sprintf("%s: invalid name %q: %s", at, name, why))
			continue
		}
		if _, known := written[name]; !known {
			written[name] = at
			names = append(names, name)
		}
	}
	switch {
	case len(bad) > 0:
		return nil, nil, &usageError{text: strings.Join(bad, "\n"), hint: "write one name or pattern in each line"}
	case len(names) == 0:
		return nil, nil, usagef("--from-file: %s contains no names; nothing was sent", job.FileName(file))
	case !slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "-") }):
		return nil, nil, usagef("--from-file: %s only excludes names; nothing was sent", job.FileName(file))
	}
	return names, written, nil
}
