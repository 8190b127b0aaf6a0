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

// versionOptions are the flags of esnap version.
type versionOptions struct{ Output string }

func newVersion(app *App) *cobra.Command {
	o := &versionOptions{}
	c := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Example: "  esnap version\n  esnap version -o json",
		RunE:    func(*cobra.Command, []string) error { return runVersion(app, o) },
	}
	outputFlag(c, &o.Output, "text", "json")
	return c
}

func runVersion(app *App, o *versionOptions) error {
	if o.Output == "json" {
		return report.WriteJSON(app.Out, map[string]string{
			"version": Version(), "commit": commit, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	}
	return printVersion(app.Out)
}

func printVersion(to io.Writer) error {
	_, err := fmt.Fprintf(to, "esnap %s (%s, %s/%s)\n", Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
