package curator

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/cluster"
	"github.com/esnap/esnap/internal/settings"
)

// words adapts texts of esnap's own commands to one of Curator's command lines. Such a
// text has sentences separated by "; ". A sentence with an option or a command that this
// command line does not have is omitted; if it has another name there, it gets that name.
type words struct {
	flags   *pflag.FlagSet
	program string
}

var (
	anOption  = regexp.MustCompile(`(^|[\s(])--([a-z][a-z0-9_-]*)`)
	ownNames  = regexp.MustCompile(`\besnap (?:config|index|repository|restore|run|snapshot|status|validate)\b`)
	itsNames  = strings.NewReplacer("esnap repository register", repoMgr+" create", "esnap repository list", repoMgr+" show")
	beginning = regexp.MustCompile(`^(?:or|and) `)
)

// error is an error with its hint, in one line.
func (w words) error(err error) string {
	text := w.fit(strings.ReplaceAll(err.Error(), "\n", "; "))
	hint := cluster.Hint(err)
	if setting := (*settings.Error)(nil); hint == "" && errors.As(err, &setting) {
		hint = setting.Hint
	}
	if hint = w.sentences(hint); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// fit adapts a text whose first sentence says what happened: that sentence is kept.
func (w words) fit(text string) string {
	first, rest, more := strings.Cut(text, "; ")
	if rest = w.sentences(rest); !more || rest == "" {
		return first
	}
	return first + "; " + rest
}

func (w words) sentences(text string) string {
	if text == "" {
		return ""
	}
	var fitting []string
	for s := range strings.SplitSeq(itsNames.Replace(text), "; ") {
		known := !ownNames.MatchString(s)
		s = anOption.ReplaceAllStringFunc(s, func(found string) string {
			m := anOption.FindStringSubmatch(found)
			name := w.option(m[2])
			known = known && name != ""
			return m[1] + "--" + name
		})
		if known && len(fitting) == 0 {
			s = beginning.ReplaceAllString(s, "")
		}
		if known {
			fitting = append(fitting, s)
		}
	}
	return strings.Join(fitting, "; ")
}

// option is what this command line calls an option of esnap's, or nothing.
func (w words) option(name string) string {
	has := func(n string) bool { return w.flags != nil && w.flags.Lookup(n) != nil }
	if at := slices.IndexFunc(options, func(o option) bool { return o.setting == name && !o.invert && o.of(w.program) }); at >= 0 {
		return options[at].name
	}
	for _, n := range []string{name, strings.ReplaceAll(name, "-", "_")} {
		if has(n) {
			return n
		}
	}
	return ""
}
