package filters

import (
	"regexp"
	"strings"
	"time"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/pyregex"
	"github.com/esnap/esnap/internal/strftime"
)

// Pattern matches items by name. The value is inserted into a regular expression without
// escaping, and searched.
type Pattern struct {
	Kind  string `yaml:"kind" check:"required,oneof=prefix|suffix|timestring|regex" doc:"how to read value"`
	Value string `yaml:"value" check:"required" doc:"the text; it is inserted into a regular expression without escaping"`

	re *pyregex.Regexp
	// literal: the value of a prefix or suffix has nothing that an expression would read.
	literal bool
}

func newPattern() Filter { return &Pattern{} }

// Validate implements Filter and compiles the expression.
func (f *Pattern) Validate(cluster.ListKind, map[string]bool) error {
	if f.Value == "" {
		return optionError("value", "must not be empty: an empty pattern would match everything")
	}
	text := f.Value
	switch f.Kind {
	case "prefix":
		text = "^" + f.Value + ".*$"
	case "suffix":
		text = "^.*" + f.Value + "$"
	case "timestring":
		text = "^.*" + strftime.Regexp(f.Value) + ".*$"
	}
	re, err := pyregex.Compile(text)
	if err != nil {
		return optionError("value", err.Error())
	}
	f.re = re
	f.literal = (f.Kind == "prefix" || f.Kind == "suffix") && regexp.QuoteMeta(f.Value) == f.Value && plainText(f.Value)
	return nil
}

// plainText reports whether a text is ASCII in one line.
func plainText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// match is the expression's, without it where that is sure to be the same.
func (f *Pattern) match(name string) (bool, error) {
	switch {
	case !f.literal || strings.ContainsAny(name, "\n\r\u2028\u2029"):
		return f.re.Match(name)
	case f.Kind == "prefix":
		return strings.HasPrefix(name, f.Value), nil
	default:
		return strings.HasSuffix(name, f.Value), nil
	}
}

// ByName marks the filter: it judges nothing but names.
func (*Pattern) ByName() {}

// Judge implements Filter.
func (f *Pattern) Judge(_ time.Time, items []cluster.Item) []cluster.Verdict {
	out := make([]cluster.Verdict, len(items))
	is, isNot := yes("its name matches the "+f.Kind+" "+f.Value), no("its name does not match the "+f.Kind+" "+f.Value)
	for i, it := range items {
		ok, err := f.match(it.ItemName())
		switch {
		case err != nil:
			out[i] = cluster.Verdict{Why: err.Error(), Warn: true}
		case ok:
			out[i] = is
		default:
			out[i] = isNot
		}
	}
	return out
}

func (f *Pattern) timestring() string {
	if f.Kind == "timestring" {
		return f.Value
	}
	return ""
}

// dotted reports whether the pattern names system indices on purpose.
func (f *Pattern) dotted() bool {
	if f.Kind != "prefix" && f.Kind != "regex" {
		return false
	}
	text := strings.TrimLeft(f.Value, "^(?:")
	return strings.HasPrefix(text, ".") && !strings.HasPrefix(text, ".*") && !strings.HasPrefix(text, ".+") || strings.HasPrefix(text, `\.`)
}
