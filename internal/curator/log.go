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
	"strings"
	"time"
)

// handler writes log records in one of Curator's formats (spec/curator §2.7).
type handler struct {
	out, err io.Writer // warnings and above go to err
	format   string
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
	name := levelName(r.Level)
	stamp := r.Time.UTC().Format("2006-01-02T15:04:05.000Z")
	var line string
	switch h.format {
	case "json", "logstash":
		line = spaced(map[string]any{"@timestamp": stamp, "function": "esnap", "linenum": 0, "loglevel": name, "message": r.Message, "name": "curator"})
	case "ecs":
		line = spaced(map[string]any{
			"@timestamp": stamp, "message": r.Message, "ecs.version": "1.6.0", "log.level": strings.ToLower(name),
			"log": map[string]any{"level": strings.ToLower(name), "logger": "curator", "original": r.Message},
		})
	default:
		line = fmt.Sprintf("%s %-9s %s", strings.Replace(r.Time.In(h.local).Format("2006-01-02 15:04:05.000"), ".", ",", 1), name, r.Message)
	}
	_, err := fmt.Fprintln(w, line)
	return err
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
