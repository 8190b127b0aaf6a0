// Package curator gives esnap Curator's command lines and log lines, on top of the
// same engine: an option is translated into esnap's own setting, an event into the
// line that wrappers wait for.
package curator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/flavour"
	"github.com/esnap/esnap/internal/terminal"
)

// handler writes log records in one of Curator's formats.
type handler struct {
	out, err io.Writer // warnings and above go to err
	format   string
	flavour  flavour.Flavour
	level    slog.Level
	local    *time.Location
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// WithAttrs implements slog.Handler: Curator's lines carry no attributes.
func (h *handler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(string) slog.Handler { return h }

// critical is above error, as in Python.
const critical = slog.Level(12)

func levelName(l slog.Level) string {
	switch {
	case l >= critical:
		return "CRITICAL"
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// Handle implements slog.Handler. A message of several lines is one JSON object
// all the same.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	w := h.out
	if r.Level >= slog.LevelWarn {
		w = h.err
	}
	line := ""
	switch h.format {
	case "json", "logstash":
		line = h.json(r)
	case "ecs":
		line = h.ecs(r)
	default:
		line = h.text(r)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// stamp is a record's time in JSON.
const stamp = cluster.LogTime

// logger is the name of the one logger there is.
const loggerName = "curator"

// origin is where a record was written.
func origin(r slog.Record) (function, file string, line int) {
	f, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
	return f.Function[strings.LastIndex(f.Function, ".")+1:], filepath.Base(f.File), f.Line
}

// text is the default format; at level DEBUG with columns for logger, function and
// line, which are wider in Curator 8.
func (h *handler) text(r slog.Record) string {
	head := fmt.Sprintf("%s %-9s", strings.Replace(r.Time.In(h.local).Format("2006-01-02 15:04:05.000"), ".", ",", 1), levelName(r.Level))
	if h.level > slog.LevelDebug {
		return head + " " + terminal.Line(r.Message)
	}
	function, _, line := origin(r)
	first, second := 22, 22
	if h.flavour == flavour.Curator8 {
		first, second = 30, 23
	}
	return fmt.Sprintf("%s %*s %*s:%-4d %s", head, first, loggerName, second, function, line, terminal.Line(r.Message))
}

func (h *handler) json(r slog.Record) string {
	function, _, line := origin(r)
	return spaced(map[string]any{
		"@timestamp": r.Time.UTC().Format(stamp), "function": function, "linenum": line,
		"loglevel": levelName(r.Level), "message": r.Message, "name": loggerName,
	})
}

// ecs is Elastic's common schema as each generation writes it: nested in 5; in 8 with
// a flat level, the process, and no blanks.
func (h *handler) ecs(r slog.Record) string {
	function, file, line := origin(r)
	level := strings.ToLower(levelName(r.Level))
	out := map[string]any{"@timestamp": r.Time.UTC().Format(stamp), "message": r.Message}
	if h.flavour == flavour.Curator5 {
		out["log"] = map[string]any{
			"level":    level,
			"logger":   loggerName,
			"original": r.Message,
			"origin":   map[string]any{"function": function, "file": map[string]any{"line": line}},
		}
		return spaced(out)
	}
	out["log.level"], out["ecs.version"] = level, "1.6.0"
	out["log"] = map[string]any{
		"logger":   loggerName,
		"original": r.Message,
		"origin":   map[string]any{"function": function, "file": map[string]any{"line": line, "name": file}},
	}
	out["process"] = map[string]any{"name": "esnap", "pid": os.Getpid(), "thread": map[string]any{"id": 0, "name": "MainThread"}}
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Sprint(out)
	}
	return string(b)
}

// spaced writes an object with its keys sorted and a blank after each separator,
// as Python does.
func spaced(m map[string]any) string {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Sprint(m)
	}
	var out strings.Builder
	quoted := false
	for i := 0; i < len(b); i++ {
		c := b[i]
		out.WriteByte(c)
		switch {
		case c == '\\' && quoted:
			i++
			out.WriteByte(b[i])
		case c == '"':
			quoted = !quoted
		case (c == ',' || c == ':') && !quoted:
			out.WriteByte(' ')
		}
	}
	return out.String()
}
