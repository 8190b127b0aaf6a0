package terminal

import "github.com/jedib0t/go-pretty/v6/text"

// Fit joins a name and the text after it so that both fit into the columns of a terminal. A
// name that is too long is shortened in the middle; a text is cut only where it alone is too
// long.
func Fit(name, rest string, columns int) string {
	room := columns - text.StringWidth(rest)
	if room < 1 {
		return text.Trim(rest, max(columns, 0))
	}
	return middle(name, room) + rest
}

// middle shortens a text in its middle.
func middle(s string, columns int) string {
	if text.StringWidth(s) <= columns {
		return s
	}
	runes := []rune(s)
	head, tail := 0, len(runes)
	for used := 1; head < tail; { // one column is that of the …
		r := runes[head]
		fromHead := head <= len(runes)-tail
		if !fromHead {
			r = runes[tail-1]
		}
		if used += text.RuneWidth(r); used > columns {
			break
		}
		if fromHead {
			head++
		} else {
			tail--
		}
	}
	return string(runes[:head]) + "…" + string(runes[tail:])
}
