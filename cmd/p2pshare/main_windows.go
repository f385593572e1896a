package main

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// ownSession frees a daemon from the console and its Ctrl-C.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}

// umask is nothing: access lists decide.
func umask() fs.FileMode { return 0 }

// controllingTerminal is the console of this process; nil: it has none.
func controllingTerminal() (in, out *os.File) {
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil, nil
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		in.Close()
		return nil, nil
	}
	return in, out
}
