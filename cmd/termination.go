package cmd

import (
	"os"
	"strings"
	"unicode/utf8"

	"github.com/esnap/esnap/internal/terminal"
)

// maxTermination is how much of a termination message Kubernetes keeps.
const maxTermination = 4096

// terminated leaves the last words of a run, each in a line, where Kubernetes looks
// for why a container ended: in the file TerminationLog, if it is already there.
// Nothing fails because they cannot be left.
func (a *App) terminated(words ...string) {
	if a.TerminationLog == "" {
		return
	}
	var lines []string
	for _, w := range words {
		if w != "" {
			lines = append(lines, terminal.Line(w))
		}
	}
	text := strings.Join(lines, "\n")
	if a.settings != nil {
		text = a.settings.Redact(text)
	}
	if len(text) > maxTermination {
		text = text[:maxTermination-len("…")]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	f, err := os.OpenFile(a.TerminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	_, _ = f.WriteString(text)
	_ = f.Close()
}
