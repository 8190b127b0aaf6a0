// Package flavour names the programs whose defaults and behaviour an action file may be
// run with. The plan turns a flavour into defaults and rules; what runs it does not know
// the word.
package flavour

// Flavour selects the defaults: esnap's, Curator 5's or Curator 8's.
type Flavour int

// The flavours: esnap's own commands, and Curator's command lines of both generations.
const (
	Native   Flavour = 0
	Curator5 Flavour = 5
	Curator8 Flavour = 8
)
