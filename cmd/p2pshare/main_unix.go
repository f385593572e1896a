//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// ownSession frees a daemon from the terminal, its signals and its end.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// umask is what modes of new files go without. To be read it has to be set, so nothing else may run yet; meanwhile it is the strictest.
func umask() fs.FileMode {
	mask := syscall.Umask(0o077)
	syscall.Umask(mask)
	return fs.FileMode(mask)
}

// controllingTerminal is the terminal of this process's session; nil: it has none.
func controllingTerminal() (in, out *os.File) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, nil
	}
	return f, f
}
