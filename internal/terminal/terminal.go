// Package terminal makes output safe for a terminal, and asks questions that can be
// interrupted. Names, reasons and pages come from servers and may contain control
// characters.
package terminal

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unsafe reports whether a character would control the terminal instead of being shown:
// control characters, and those that reverse or break the line.
func unsafe(r rune) bool {
	switch {
	case unicode.IsControl(r):
		return true
	case r == '\u061c', r == '\u200e', r == '\u200f', r == '\u2028', r == '\u2029', r >= '\u202a' && r <= '\u202e',
		r >= '\u2066' && r <= '\u2069':
		return true
	}
	return false
}

// Line makes a foreign text safe for one line: characters that would control the terminal
// are written as in Go, \n and \x1b.
func Line(s string) string { return escape(s, "") }

// Text does the same, but keeps the line breaks and tabs of esnap's own texts.
func Text(s string) string { return escape(s, "\n\t") }

func escape(s, keep string) string {
	clean := true
	for _, r := range s {
		if clean = r != utf8.RuneError && (!unsafe(r) || strings.ContainsRune(keep, r)); !clean {
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unsafe(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// Encoded makes encoded JSON, or YAML whose unsafe texts are in double quotes, safe for a
// terminal. The meaning does not change: both read \u202e as the character.
func Encoded(data []byte) []byte {
	s := string(data)
	if strings.IndexFunc(s, func(r rune) bool { return unsafe(r) && r != '\n' && r != '\t' }) < 0 {
		return data
	}
	var b strings.Builder
	for _, r := range s {
		if unsafe(r) && r != '\n' && r != '\t' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return []byte(b.String())
}

// Unsafe reports whether a text contains characters that Line would escape.
func Unsafe(s string) bool { return strings.IndexFunc(s, unsafe) >= 0 }

// Fprintf formats a line: every text, error and fmt.Stringer among the arguments is
// made safe by Line, the format is esnap's own.
func Fprintf(w io.Writer, format string, args ...any) {
	safe := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case string:
			safe[i] = Line(v)
		case error:
			safe[i] = Line(v.Error())
		case fmt.Stringer:
			safe[i] = Line(v.String())
		default:
			safe[i] = a
		}
	}
	fmt.Fprintf(w, format, safe...)
}

// Writer is a stream that may be a terminal: all text written to it passes Text.
type Writer struct {
	w       io.Writer
	colours bool
}

// NewWriter makes a Writer of a stream; a Writer is returned unchanged.
func NewWriter(w io.Writer) io.Writer {
	if _, is := w.(Writer); is || w == nil {
		return w
	}
	return Writer{w: w}
}

// Write implements io.Writer.
func (w Writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.w, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ReadLine reads the answer to a question. It ends with the context: a user who interrupts
// does not have to answer first.
func ReadLine(ctx context.Context, in io.Reader) (string, error) {
	if in == nil {
		return "", nil
	}
	in = Interruptible(ctx, in)
	var line []byte
	for b := make([]byte, 1); ; { // no more than the line
		n, err := in.Read(b)
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case n == 0 && err != nil, n > 0 && b[0] == '\n':
			return strings.TrimSpace(string(line)), nil
		}
		line = append(line, b[:n]...)
	}
}

// Interruptible reads from in until the context ends: the program at the other end of a pipe
// may never end, and Ctrl-C at a terminal ends the reading.
func Interruptible(ctx context.Context, in io.Reader) io.Reader {
	if in == nil {
		return nil
	}
	return interruptible{ctx, in}
}

type interruptible struct {
	ctx context.Context
	in  io.Reader
}

// Read implements io.Reader.
func (r interruptible) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		own := make([]byte, len(p)) // nobody waits for it when the context ends
		n, err := r.in.Read(own)
		done <- result{own[:n], err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	case got := <-done:
		return copy(p, got.data), got.err
	}
}

// Shell quotes words for a shell.
func Shell(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		plain := func(r rune) bool {
			return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:,@%+=", r)
		}
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return !plain(r) }) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
