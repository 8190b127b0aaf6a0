//go:build unix && !linux

package testserver

import "syscall"

// processAttributes puts a server into its own process group, under another user if as is not nil. When its parent is
// killed the server keeps running.
func processAttributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as}
}
