package cmd

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/esnap/esnap/internal/report"
)

// version and commit are set by the linker.
var version, commit string

// Version is the version set at build time, or else the one that the Go build recorded.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func newVersion(app *App) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Example: "  esnap version\n  esnap version -o json",
		RunE: func(*cobra.Command, []string) error {
			if output == "json" {
				return report.WriteJSON(app.Out, map[string]string{"version": Version(), "commit": commit, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			return printVersion(app.Out)
		},
	}
	outputFlag(c, &output, "text", "json")
	return c
}

func printVersion(to io.Writer) error {
	_, err := fmt.Fprintf(to, "esnap %s (%s, %s/%s)\n", Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
