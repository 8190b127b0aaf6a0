package terminal

import "io"

// Colour is a colour of a word on a terminal; empty: none.
type Colour string

// The colours, as a terminal is steered to them.
const (
	Green  Colour = "\x1b[32m"
	Yellow Colour = "\x1b[33m"
	Red    Colour = "\x1b[31m"
	Cyan   Colour = "\x1b[36m"
)

const noColour = "\x1b[0m"

// stateColours are the colours of states and results.
var stateColours = map[string]Colour{
	"SUCCESS": Green, "done": Green, "green": Green,
	"PARTIAL": Yellow, "partial": Yellow, "yellow": Yellow, "unknown": Yellow, "interrupted": Yellow, "not_run": Yellow, "incomplete": Yellow,
	"FAILED": Red, "failed": Red, "refused": Red, "red": Red, "INCOMPATIBLE": Red,
	"IN_PROGRESS": Cyan,
}

// Painted is a text that is safe for a terminal and may have a colour. Fprintf writes it
// unchanged.
type Painted string

// Painter gives words their colours, or does not.
type Painter struct{ on bool }

// Paint makes a text safe for a terminal, in the colour of a state.
func (p Painter) Paint(state, text string) Painted {
	c := stateColours[state]
	if !p.on || c == "" {
		return Painted(Line(text))
	}
	return Painted(string(c) + Line(text) + noColour)
}

// Colours returns the stream for a text in which words were painted, and what paints them:
// in colours only if the stream is a Writer that allows them. All other texts must have
// been made safe.
func Colours(w io.Writer) (io.Writer, Painter) {
	if w, is := w.(Writer); is && w.colours {
		return w.w, Painter{on: true}
	}
	return w, Painter{}
}

// WithColours is a Writer that allows colours.
func WithColours(w io.Writer) io.Writer {
	if w, is := NewWriter(w).(Writer); is {
		w.colours = true
		return w
	}
	return w
}
