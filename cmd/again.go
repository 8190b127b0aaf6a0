package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/esnap/esnap/internal/job"
	"github.com/esnap/esnap/internal/settings"
	"github.com/esnap/esnap/internal/terminal"
)

// letThrough is the command that does again what this one did not, and lets a number of items
// through: with all flags that say on what, so that it does it to the same cluster and with the
// same holds. In an action file it is one action.
func (x *session) letThrough(file, action string, items int) string {
	command, args := x.cobra, x.cobra.Flags().Args()
	left := []string{"max-items", "max-percent", "dry-run"}
	if file != "" {
		left = append(left, "only", "skip", "output", "now", "schedule", "listen")
		command, _, _ = x.cobra.Root().Find([]string{"run"})
		args = []string{file}
		switch file {
		case environment: // --from-env is among the flags
			args = nil
		case job.Stdin:
			args = []string{"-"}
		}
	}
	words := strings.Fields(command.CommandPath())
	x.cobra.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(left, f.Name) || command.Flag(f.Name) == nil {
			return
		}
		values := []string{f.Value.String()}
		if list, is := f.Value.(pflag.SliceValue); is {
			values = list.GetSlice()
		}
		for _, v := range values {
			if v == f.NoOptDefVal { // --yes
				words = append(words, "--"+f.Name)
				continue
			}
			words = append(words, "--"+f.Name+"="+settings.Mask(v)) // an address may have a password
		}
	})
	if file != "" {
		words = append(words, "--only="+action)
	}
	words = append(words, fmt.Sprintf("--max-items=%d", items))
	if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") && a != "-" }) {
		words = append(words, "--")
	}
	return terminal.Shell(append(words, args...)...)
}
