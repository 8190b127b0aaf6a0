package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/terminal"
)

// Several is the report of several files that were run one after the other.
type Several struct {
	SchemaVersion int       `json:"schema_version"`
	Files         []*Report `json:"files"` // in the order in which they were run
	DurationMS    int64     `json:"duration_ms"`
	ExitCode      int       `json:"exit_code"` // of the files' codes, the one that counts most
}

// Write shows the report in a format.
func (s *Several) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		return WriteJSON(w, s)
	case "yaml":
		return WriteYAML(w, s)
	case "name":
		return s.names(w)
	}
	for _, r := range s.Files {
		if err := r.Write(w, format); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return s.summary(w)
}

// names writes file/action/item lines, sorted.
func (s *Several) names(w io.Writer) error {
	var lines []string
	for _, r := range s.Files {
		var b strings.Builder
		if err := r.names(&b); err != nil {
			return err
		}
		for line := range strings.Lines(b.String()) {
			lines = append(lines, terminal.Line(r.File)+"/"+line)
		}
	}
	slices.Sort(lines)
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}

// summary is one line for each file, and one for all.
func (s *Several) summary(w io.Writer) error {
	var b strings.Builder
	for _, r := range s.Files {
		terminal.Fprintf(&b, "%-4s %s: exit code %d\n", mark(r.ExitCode), r.File, r.ExitCode)
	}
	terminal.Fprintf(&b, "%s in %s, exit code %d\n", cluster.Count(len(s.Files), "file"), duration(s.DurationMS), s.ExitCode)
	_, err := io.WriteString(w, b.String())
	return err
}

func mark(code int) string {
	if code == 0 {
		return "ok"
	}
	return "NOT"
}
