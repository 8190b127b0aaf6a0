// Command esnap looks after the snapshots of Elasticsearch and OpenSearch
// clusters.
package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata" // the image has no time zones of its own

	"golang.org/x/term"

	"github.com/esnap/esnap/cmd"
)

func main() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50) // a run ends in moments: what counts is what a small container must hold
	}
	ctx, stop := cmd.WithSignals(context.Background())
	tty := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	code := cmd.Main(ctx, &cmd.App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: tty(os.Stdin), ErrTTY: tty(os.Stderr),
		Name: os.Args[0], Env: os.LookupEnv, Environ: os.Environ, Now: time.Now,
		TerminationLog: "/dev/termination-log",
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
