package main

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// ownSession frees a daemon from the console and its Ctrl-C.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}
