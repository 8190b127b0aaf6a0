package testserver

import "syscall"

// processAttributes puts a server into its own process group, under another user if as is not nil, and has the kernel
// kill it when its parent dies.
func processAttributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as, Pdeathsig: syscall.SIGKILL}
}
