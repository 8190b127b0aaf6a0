// Command esnap looks after the snapshots of Elasticsearch and OpenSearch
// clusters.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"
	_ "time/tzdata" // the image has no time zones of its own

	"golang.org/x/term"

	"github.com/esnap/esnap/cmd"
)

func main() {
	if _, set := os.LookupEnv("GOGC"); !set {
		tuneMemory()
	}
	ctx, stop := cmd.WithSignals(context.Background())
	tty := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	columns, _, _ := term.GetSize(int(os.Stdout.Fd())) // 0 if it is no terminal
	errColumns, _, _ := term.GetSize(int(os.Stderr.Fd()))
	code := cmd.Main(ctx, &cmd.App{
		Columns: columns, ErrColumns: errColumns,
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: tty(os.Stdin), OutTTY: tty(os.Stdout), ErrTTY: tty(os.Stderr),
		Name: os.Args[0], Env: os.LookupEnv, Environ: os.Environ, Now: time.Now,
		TerminationLog: "/dev/termination-log",
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// The percentages of garbage at which the heap is collected: the first time, and later.
const (
	firstGC = 200 // of 4 MB
	laterGC = 50
)

// tuneMemory lets the heap grow to 8 MB before the first garbage collection. Most
// commands end before that, and collecting would take a third of their time. After
// that, the heap must fit into a small container.
func tuneMemory() {
	debug.SetGCPercent(firstGC)
	mark := new(*int) // with a pointer in it, it shares its block with nothing
	runtime.AddCleanup(mark, keepSmall, laterGC)
}

// keepSmall is called with the first collection. A command may have said another percentage.
func keepSmall(percent int) {
	if now := debug.SetGCPercent(percent); now != firstGC {
		debug.SetGCPercent(now)
	}
}
