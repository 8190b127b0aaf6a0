package settings

import (
	"strings"
	"time"

	"github.com/esnap/esnap/internal/strictyaml"
)

// Hold is an entry of holds in the client file: what no command deletes until a time.
type Hold struct {
	Snapshots, Indices []string
	Until              time.Time // zero: for good
	Reason             string
}

// holdIn is an entry as it is in the file.
type holdIn struct {
	Snapshots []string `yaml:"snapshots" check:"list"`
	Indices   []string `yaml:"indices" check:"list"`
	Until     string   `yaml:"until" check:"scalar"`
	Reason    string   `yaml:"reason" check:"scalar"`
}

// holds reads the list of holds.
func (s *Settings) holds(n *strictyaml.Node, p *strictyaml.Problems) {
	if n.Absent() {
		return
	}
	if n.Kind != strictyaml.List {
		p.Add(n, "holds: expected a list, got %s", n.Kind)
		return
	}
	for _, it := range n.Items {
		var in holdIn
		strictyaml.Decode(it, &in, strictyaml.DecodeOptions{Subject: "key of a hold", IgnoreNull: true, Own: true}, p)
		h := Hold{Snapshots: in.Snapshots, Indices: in.Indices, Reason: in.Reason}
		possible(it, "snapshot", h.Snapshots, p)
		possible(it, "index", h.Indices, p)
		if len(h.Snapshots)+len(h.Indices) == 0 && it.Kind == strictyaml.Map {
			p.Add(it, "the hold names nothing; give snapshots or indices")
		}
		if in.Until != "" {
			day, err := time.Parse(time.DateOnly, in.Until)
			if err == nil {
				h.Until = day.AddDate(0, 0, 1) // the whole day
			} else if h.Until, err = time.Parse(time.RFC3339, in.Until); err != nil {
				p.Add(it.Get("until"), "until: %q is neither a day such as 2027-01-31 nor a time such as 2027-01-31T12:00:00Z", in.Until)
			}
		}
		s.Holds = append(s.Holds, h)
	}
}

// possible refuses patterns that no name can match, of no version: a hold that holds nothing is a
// mistake.
func possible(at *strictyaml.Node, what string, patterns []string, p *strictyaml.Problems) {
	for _, pattern := range patterns {
		switch n := strings.IndexAny(pattern, " \"\\<|,>/?"); {
		case pattern == "":
			p.Add(at, "a hold is empty: it can match no %s", what)
		case n >= 0:
			p.Add(at, "the hold %q can match no %s: names do not contain %q", pattern, what, pattern[n:n+1])
		case what == "index" && pattern != strings.ToLower(pattern):
			p.Add(at, "the hold %q can match no index: names are in lower case", pattern)
		}
	}
}
