package job

import (
	"context"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/run"
	"github.com/esnap/esnap/internal/terminal"
)

// maxTermination is how much of a termination message Kubernetes keeps.
const maxTermination = 4096

// lastWords leaves the last words of a run in the termination log.
type lastWords struct{ j Job }

func newLastWords(j Job) run.Observer {
	if j.TerminationLog == "" {
		return nil
	}
	return lastWords{j}
}

// Observe implements run.Observer.
func (lastWords) Observe(run.Event) {}

// End implements Ender.
func (l lastWords) End(_ context.Context, e Ended) {
	words := l.j.LastWords
	if words == nil {
		words = l.words
	}
	if w := words(e); len(w) > 0 {
		LeaveWords(l.j.TerminationLog, l.j.Settings.Redact, w...)
	}
}

// WordsOf are the last words of the runs of several files: those of the worst one, under the
// exit code of all.
func (j Job) WordsOf(worst Ended, files, code int) []string {
	head := cluster.Count(files, "file")
	if code != OK {
		head += ", the worst is " + worst.Report.File
	}
	worst.Code = code
	return append([]string{head}, lastWords{j}.words(worst)...)
}

// words are the end of the report, and what the exit code means. A dry run has done
// nothing that a code could be about.
func (l lastWords) words(e Ended) []string {
	words := e.Report.LastWords().Lines()
	if m := Meaning(e.Code); m != "" && !l.j.Settings.DryRun {
		words = append(words, fmt.Sprintf("exit code %d: %s", e.Code, m))
	}
	return words
}

// LeaveWords leaves the last words of a program, each in a line, where Kubernetes looks
// for why a container ended: in this file, if it is already there. redact takes secrets out.
// Nothing fails because they cannot be left.
func LeaveWords(file string, redact func(string) string, words ...string) {
	if file == "" {
		return
	}
	var lines []string
	for _, w := range words {
		if w != "" {
			lines = append(lines, terminal.Line(w))
		}
	}
	text := redact(strings.Join(lines, "\n"))
	if len(text) > maxTermination {
		text = text[:maxTermination-len("…")]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	_, _ = f.WriteString(text)
	_ = f.Close()
}
