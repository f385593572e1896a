//go:build unix

package state

import (
	"errors"

	"golang.org/x/sys/unix"
)

// running reports whether a process with that number exists.
func running(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}
