//go:build unix

package main

import "syscall"

// ownSession frees a daemon from the terminal, its signals and its end.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
