//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownSession frees a daemon from the terminal, its signals and its end.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// controllingTerminal is the terminal of this process's session; nil: it has none.
func controllingTerminal() (in, out *os.File) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, nil
	}
	return f, f
}
