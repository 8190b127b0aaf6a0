//go:build integration

// Command measure runs a program and writes to a file how long it took and how
// much memory it had: measure FILE PROGRAM ARGUMENTS.
//
// It is a small process for a reason. What Linux calls the peak memory of a child
// counts from before its exec, when it still was its parent: a large parent would
// report its own size for every child that is smaller.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if err := measure(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func measure(file string, argv []string) error {
	c := exec.Command(argv[0], argv[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	begin := time.Now()
	err := c.Run()
	seconds := time.Since(begin).Seconds()
	if c.ProcessState == nil {
		return err
	}
	usage := c.ProcessState.SysUsage().(*syscall.Rusage)
	text, err := json.Marshal(map[string]any{
		"code":    c.ProcessState.ExitCode(),
		"seconds": seconds,
		"cpu":     (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds(),
		"memory":  usage.Maxrss * 1024,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
